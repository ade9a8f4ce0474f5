package job

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/cyverse-gis/eemt/shared/fault"

	"gocloud.dev/blob"

	"github.com/cyverse-gis/eemt/shared/param"
)

// MaxPinDays bounds Pin.Days: a century.
const MaxPinDays = 36500

// maxPinBy bounds Pin.By, in bytes.
const maxPinBy = 200

// ErrExpired says that retention has removed the data of a job, or is about to.
var ErrExpired = fault.New(fault.Gone, errors.New("the data are removed"))

// Pin is pin.json: what people want of retention for one job. The zero value is
// a job that nobody said anything about.
//
// Unlike the other records it may be replaced. That is safe: each version is the
// whole of it, no number depends on it, and retention alone acts on it, in a way
// that lets a pin win (see Store.BeginRemoval). Of two that set it at the same time
// one stands, which one of them wanted.
type Pin struct {
	// Pinned jobs are never removed by retention.
	Pinned bool `json:"pinned"`
	// Days is how long an ended job is kept instead of the deployment's time, 1 to
	// MaxPinDays: the data of a completed job, all of a failed one. 0: the deployment's.
	Days int `json:"days,omitempty"`
	// By is who set it, in their own words, at most 200 bytes; may be empty.
	By string `json:"by,omitempty"`
	// At is when it was set. The time a job is kept counts from here, or from the
	// job's end if that is later: what was unpinned by mistake does not vanish the next night.
	At time.Time `json:"at"`
}

// Validate refuses what is out of range. The error is a *FieldError.
func (k Pin) Validate() error {
	if k.Days < 0 || k.Days > MaxPinDays {
		return &param.FieldError{Name: "keep_days", Value: strconv.Itoa(k.Days), Allowed: fmt.Sprintf("1 to %d, or 0 for the usual time", MaxPinDays)}
	}
	if len(k.By) > maxPinBy || strings.ContainsFunc(k.By, func(r rune) bool { return r < ' ' }) {
		return &param.FieldError{Name: "keep_by", Value: strconv.Quote(strings.ToValidUTF8(k.By[:min(len(k.By), 80)], "")), Allowed: fmt.Sprintf("at most %d bytes on one line", maxPinBy)}
	}
	return nil
}

func pinKey(id string) string { return Prefix(id) + "pin.json" }

// removingKey is the object that says that retention has begun to remove data.
func removingKey(id string) string { return Prefix(id) + "removing.json" }

// Pin reads pin.json; the zero value when nobody set it.
func (s Store) Pin(ctx context.Context, id string) (Pin, error) {
	var k Pin
	err := s.Read(ctx, pinKey(id), &k)
	if errors.Is(err, ErrNotFound) {
		return Pin{}, nil
	}
	return k, err
}

// SetPin replaces pin.json: to pin, to unpin, to keep for a number of days; as
// often as people like. ErrNotFound: there is no such job; ErrExpired: it is too
// late to keep its data.
func (s Store) SetPin(ctx context.Context, id string, k Pin) error {
	if err := k.Validate(); err != nil {
		return err
	}
	if _, err := s.Request(ctx, id); err != nil {
		return err
	}
	before, err := s.Pin(ctx, id)
	if err != nil && !errors.Is(err, ErrDamaged) {
		return err
	}
	wanted := k.Pinned || k.Days > 0
	if wanted {
		if err := s.keepable(ctx, id); err != nil {
			return err
		}
	}
	if err := s.putPin(ctx, id, k); err != nil || !wanted {
		return err
	}
	// Retention says that it begins, then reads pin.json; here it is the other way
	// round: of two at the same time at least one sees the other.
	if err := s.keepable(ctx, id); err != nil {
		return errors.Join(err, s.putPin(ctx, id, before))
	}
	return nil
}

// BringPin writes pin.json for a job that is being copied here, before its record.
func (s Store) BringPin(ctx context.Context, id string, k Pin) error {
	if err := k.Validate(); err != nil {
		return err
	}
	if !ValidID(id) {
		return fmt.Errorf("job id %q is not a ULID", id)
	}
	return s.putPin(ctx, id, k)
}

func (s Store) putPin(ctx context.Context, id string, k Pin) error {
	k.At = k.At.UTC()
	data, err := json.MarshalIndent(k, "", "  ")
	if err == nil {
		err = s.Bucket.WriteAll(ctx, pinKey(id), data, &blob.WriterOptions{ContentType: "application/json"})
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", pinKey(id), err)
	}
	return nil
}

// keepable is ErrExpired when the data of a job are gone, or going.
func (s Store) keepable(ctx context.Context, id string) error {
	for _, key := range []string{Prefix(id) + "expired.json", removingKey(id)} {
		there, err := s.Bucket.Exists(ctx, key)
		if err != nil {
			return fmt.Errorf("look for %s: %w", key, err)
		}
		if there {
			return fmt.Errorf("job %s cannot be kept: %w", id, ErrExpired)
		}
	}
	return nil
}

// removal is removing.json.
type removal struct {
	At time.Time `json:"at"`
}

// BeginRemoval says that the data of a job are about to go, and asks once more
// whether they may: due is asked with what pin.json says now. It reports false,
// and takes its word back, when they are to stay.
func (s Store) BeginRemoval(ctx context.Context, id string, at time.Time, due func(Pin) bool) (bool, error) {
	won, err := s.WriteOnce(ctx, removingKey(id), removal{At: at.UTC()})
	if err != nil {
		return false, err
	}
	k, err := s.Pin(ctx, id)
	if err != nil {
		return false, err
	}
	if due(k) {
		return true, nil
	}
	if !won { // another pass may go on under it
		return false, nil
	}
	return false, s.EndRemoval(ctx, id)
}

// EndOldRemoval takes back what a BeginRemoval that died said before a time.
func (s Store) EndOldRemoval(ctx context.Context, id string, before time.Time) error {
	var r removal
	err := s.Read(ctx, removingKey(id), &r)
	if errors.Is(err, ErrNotFound) || err == nil && !r.At.Before(before) {
		return nil
	}
	if err != nil && !errors.Is(err, ErrDamaged) {
		return err
	}
	return s.EndRemoval(ctx, id)
}

// EndRemoval takes back what BeginRemoval said.
func (s Store) EndRemoval(ctx context.Context, id string) error {
	return s.Drop(ctx, removingKey(id))
}

// Retention is how long ended jobs are kept.
type Retention struct {
	// Completed is how long the data of completed jobs are kept.
	Completed time.Duration
	// Failed is how long failed and cancelled jobs are kept, record included.
	Failed time.Duration
}

// Until is when a job is due for removal: from that instant on. False: it goes on,
// is pinned, or has lost its data already.
func (r Retention) Until(st Status) (time.Time, bool) {
	if st.End == nil || st.Expired != nil || st.Pin.Pinned {
		return time.Time{}, false
	}
	keep := r.Failed
	if st.State == Completed {
		keep = r.Completed
	}
	if st.Pin.Days > 0 {
		keep = time.Duration(st.Pin.Days) * 24 * time.Hour
	}
	from := st.End.Ended
	if st.Pin.At.After(from) {
		from = st.Pin.At
	}
	return from.Add(keep).UTC(), true
}
