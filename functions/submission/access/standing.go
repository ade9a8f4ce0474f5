package access

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/maypok86/otter/v2"
	"gocloud.dev/blob"

	"github.com/cyverse-gis/eemt/shared/fault"
	"github.com/cyverse-gis/eemt/shared/job"
)

// Standing is auth/owners/HASH.json: what the youngest token of an owner said. A key, which comes without one, does no more.
type Standing struct {
	Role   Role     `json:"-"`
	Groups []string `json:"groups,omitempty"`
	// Issued is when the token was issued, Seen when it was sent.
	Issued time.Time `json:"issued"`
	Seen   time.Time `json:"seen"`
	// RoleNumber is Role, which as a word is never that of nobody.
	RoleNumber int `json:"role"`
}

const (
	// seenAgain is after how long a standing that did not change is written again.
	seenAgain = 24 * time.Hour
	// longestAbsence is how long keys do without a token of their owner.
	longestAbsence = 92 * 24 * time.Hour
)

func standingKey(owner string) string { return "auth/owners/" + job.OwnerHash(owner) + ".json" }

// Standings notes what tokens say of owners.
type Standings struct {
	Bucket *blob.Bucket
	Now    func() time.Time
	// known are those that were read or written last.
	known *otter.Cache[string, Standing]
}

// NewStandings returns standings in a bucket.
func NewStandings(b *blob.Bucket, now func() time.Time) *Standings {
	return &Standings{Bucket: b, Now: now, known: otter.Must(&otter.Options[string, Standing]{MaximumSize: mostOwners})}
}

// Note notes what the token of a caller says, unless that is known, or the token is older than another.
func (s *Standings) Note(ctx context.Context, who Caller) error {
	now := s.Now().UTC()
	told := Standing{Role: who.Role, Groups: who.Groups, Issued: who.Issued.UTC(), Seen: now}
	if who.Issued.IsZero() {
		told.Issued = now
	}
	last, known := s.known.GetIfPresent(who.Owner)
	if known && !told.newer(last) {
		return nil
	}
	last, err := standingOf(ctx, s.Bucket, who.Owner)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return err
	}
	if err == nil && !told.newer(last) {
		s.known.Set(who.Owner, last)
		return nil
	}
	told.RoleNumber = int(told.Role)
	data, err := json.Marshal(told)
	if err == nil {
		err = s.Bucket.WriteAll(ctx, standingKey(who.Owner), data, &blob.WriterOptions{ContentType: "application/json"})
	}
	if err != nil {
		return fmt.Errorf("note the role of an owner: %w", err)
	}
	s.known.Set(who.Owner, told)
	return nil
}

// newer reports whether s says something else than an earlier standing, or the same a day later.
func (s Standing) newer(last Standing) bool {
	if s.Issued.Before(last.Issued) {
		return false
	}
	return s.Role != last.Role || !slices.Equal(s.Groups, last.Groups) || s.Seen.Sub(last.Seen) >= seenAgain
}

// standingOf reads what is noted of an owner; an error of the kind fault.NotFound says that nothing is.
func standingOf(ctx context.Context, b *blob.Bucket, owner string) (Standing, error) {
	s, err := read[Standing](ctx, b, standingKey(owner))
	s.Role = Role(s.RoleNumber)
	return s, err
}

// lowered is what a key may do now: no more than its owner may.
func (s Standing) lowered(k Key) (Role, []string) {
	groups := slices.DeleteFunc(slices.Clone(k.Groups), func(g string) bool { return !slices.Contains(s.Groups, g) })
	return min(k.Role, s.Role), groups
}
