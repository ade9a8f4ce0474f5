package access

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"

	"github.com/cyverse-gis/eemt/shared/fault"
	"github.com/cyverse-gis/eemt/shared/job"
)

const (
	// ticketKey is the object with the key by which tickets are signed.
	ticketKey = "auth/ticket-key"
	// TicketLife is how long a ticket is valid.
	TicketLife = time.Hour
	// longestShare and usualShare are how long a share may be valid, in days.
	longestShare, usualShare = 366, 30
	// mostShares bounds the shares of a job.
	mostShares = 50
)

// Share lets others read a job: a group, or whoever has a link.
type Share struct {
	ID string `json:"id"`
	// Group whose members may read; empty for a link.
	Group   string    `json:"group,omitempty"`
	By      string    `json:"by"`
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires"`
	// SHA256 of a link's secret, in hex.
	SHA256 string `json:"sha256,omitempty"`
}

// Grants lets others than its owner read a job: by tickets, for what a browser or a GIS program opens without a token, and
// by shares.
type Grants struct {
	Bucket *blob.Bucket
	Now    func() time.Time
	NewID  func() string

	mu  sync.Mutex
	key []byte
}

// secret returns the key of the tickets, which all replicas have in common. The first that needs it makes it.
func (g *Grants) secret(ctx context.Context) ([]byte, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.key != nil {
		return g.key, nil
	}
	made := make([]byte, sha256.Size)
	_, _ = rand.Read(made) // it never fails
	err := g.Bucket.WriteAll(ctx, ticketKey, made, &blob.WriterOptions{IfNotExist: true, ContentType: "application/octet-stream"})
	if code := gcerrors.Code(err); code == gcerrors.FailedPrecondition || code == gcerrors.AlreadyExists {
		made, err = g.Bucket.ReadAll(ctx, ticketKey)
	}
	if err == nil && len(made) != sha256.Size {
		err = fmt.Errorf("%s has %d bytes, must have %d: remove it", ticketKey, len(made), sha256.Size)
	}
	if err != nil {
		return nil, fmt.Errorf("key of the tickets: %w", err)
	}
	g.key = made
	return made, nil
}

// Ticket makes a ticket that reads one job until it expires.
func (g *Grants) Ticket(ctx context.Context, id string) (text string, expires time.Time, err error) {
	key, err := g.secret(ctx)
	if err != nil {
		return "", expires, err
	}
	expires = g.Now().Add(TicketLife).UTC().Truncate(time.Second)
	return "t." + strconv.FormatInt(expires.Unix(), 10) + "." + signature(key, id, expires.Unix()), expires, nil
}

func signature(key []byte, id string, until int64) string {
	mac := hmac.New(sha256.New, key)
	_, _ = fmt.Fprintf(mac, "ticket\n%s\n%d", id, until)
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// Opens reports whether a ticket, or the text of a link, lets its bearer read a job now.
func (g *Grants) Opens(ctx context.Context, text, id string) (bool, error) {
	kind, rest, _ := strings.Cut(text, ".")
	first, second, _ := strings.Cut(rest, ".")
	switch kind {
	case "t":
		until, err := strconv.ParseInt(first, 10, 64)
		if err != nil || !g.Now().Before(time.Unix(until, 0)) {
			return false, nil
		}
		key, err := g.secret(ctx)
		return err == nil && same(second, signature(key, id, until)), err
	case "s":
		if !job.ValidID(first) {
			return false, nil
		}
		s, err := read[Share](ctx, g.Bucket, sharesOf(id)+first+".json")
		if fault.Is(err, fault.NotFound) {
			return false, nil
		}
		return err == nil && s.SHA256 != "" && g.Now().Before(s.Expires) && same(sum(second), s.SHA256), err
	}
	return false, nil
}

func sharesOf(id string) string { return job.Prefix(id) + "shares/" }

// Share lets a group read a job, or without a group whoever has the text that is returned.
func (g *Grants) Share(ctx context.Context, who Caller, id, group string, days int) (text string, made Share, err error) {
	if days < 1 || days > longestShare {
		return "", made, fault.New(fault.Invalid, fmt.Errorf("days %d: must be 1 to %d", days, longestShare))
	}
	if len(group) > longestOwner {
		return "", made, fault.New(fault.Invalid, fmt.Errorf("group %.40q: must have at most %d bytes", group, longestOwner))
	}
	all, err := g.Shares(ctx, id)
	if err != nil {
		return "", made, err
	}
	if len(all) >= mostShares {
		return "", made, fault.New(fault.Conflict, fmt.Errorf("the job is shared %d times, the most there may be: revoke one", len(all)))
	}
	now := g.Now().UTC()
	made = Share{ID: g.NewID(), Group: group, By: who.Owner, Created: now, Expires: now.AddDate(0, 0, days)}
	secret := rand.Text()
	if group == "" {
		made.SHA256 = sum(secret)
		text = "s." + made.ID + "." + secret
	}
	data, err := json.Marshal(made)
	if err == nil {
		err = g.Bucket.WriteAll(ctx, sharesOf(id)+made.ID+".json", data, &blob.WriterOptions{IfNotExist: true, ContentType: "application/json"})
	}
	if err != nil {
		return "", made, fmt.Errorf("store the share: %w", err)
	}
	if group != "" {
		if err := g.list(ctx, id, made); err != nil {
			return "", made, err
		}
	}
	made.SHA256 = ""
	return text, made, nil
}

// Shares lists the shares of a job.
func (g *Grants) Shares(ctx context.Context, id string) ([]Share, error) {
	list := []Share{}
	it := g.Bucket.List(&blob.ListOptions{Prefix: sharesOf(id)})
	for {
		o, err := it.Next(ctx)
		if errors.Is(err, io.EOF) {
			return list, nil
		}
		if err != nil {
			return nil, fmt.Errorf("list shares: %w", err)
		}
		s, err := read[Share](ctx, g.Bucket, o.Key)
		if fault.Is(err, fault.NotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		s.SHA256 = ""
		list = append(list, s)
	}
}

// list shows a job in the lists of the members of a group.
func (g *Grants) list(ctx context.Context, id string, s Share) error {
	r, err := job.Store{Bucket: g.Bucket}.Request(ctx, id)
	if err == nil {
		err = g.Bucket.WriteAll(ctx, r.GroupKey(s.Group, s.ID, s.Expires), nil, nil)
	}
	if err != nil {
		return fmt.Errorf("show the job in the lists of the group: %w", err)
	}
	return nil
}

// Revoke ends a share of a job. It vanishes from the lists of a group before it ends, so that what is cut short between can
// be asked for again.
func (g *Grants) Revoke(ctx context.Context, id, share string) error {
	none := fault.New(fault.NotFound, fmt.Errorf("the job has no share %.40q", share))
	if !job.ValidID(share) {
		return none
	}
	store := job.Store{Bucket: g.Bucket}
	s, err := read[Share](ctx, g.Bucket, sharesOf(id)+share+".json")
	if fault.Is(err, fault.NotFound) {
		return none
	}
	if err == nil && s.Group != "" {
		var r job.Request
		if r, err = store.Request(ctx, id); err == nil {
			err = store.Drop(ctx, r.GroupKey(s.Group, share, s.Expires))
		}
	}
	if err != nil {
		return err
	}
	return store.Drop(ctx, sharesOf(id)+share+".json")
}

// Member reports whether a job is shared with a group of the caller now.
func (g *Grants) Member(ctx context.Context, who Caller, id string) (bool, error) {
	if len(who.Groups) == 0 || who.Role < Viewer {
		return false, nil
	}
	all, err := g.Shares(ctx, id)
	for _, s := range all {
		if s.Group != "" && who.In(s.Group) && g.Now().Before(s.Expires) {
			return true, nil
		}
	}
	return false, err
}
