package job

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sourcegraph/conc/pool"
	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"
)

// ErrBadCursor says that a cursor is none that Page gave.
var ErrBadCursor = errors.New("not a cursor of this list")

// listPage is how many index entries one listing brings.
const listPage = 1000

// Entry is a line of the index.
type Entry struct {
	ID      string
	Created time.Time
	// Shared says that the job is shared with a group, in whose index it was found.
	Shared bool
	// Cursor continues the list behind this entry.
	Cursor string
}

// position is a cursor decoded: the last entry seen, by its name in all indexes, and the page of each index that it was
// seen in, but for first ones. New jobs may push entries to the next page, never past it.
type position struct {
	Tokens map[string]string `json:"t,omitempty"`
	After  string            `json:"a"`
}

func (p position) String() string {
	data, _ := json.Marshal(p) // strings
	return base64.RawURLEncoding.EncodeToString(data)
}

func parsePosition(cursor string) (position, error) {
	var p position
	if cursor == "" {
		return p, nil
	}
	data, err := base64.RawURLEncoding.DecodeString(cursor)
	if err == nil {
		err = json.Unmarshal(data, &p)
	}
	if _, ok := entryOf(p.After); err != nil || !ok {
		return p, badCursor(cursor)
	}
	return p, nil
}

func badCursor(cursor string) error { return fmt.Errorf("cursor %.80q: %w", cursor, ErrBadCursor) }

// Entries calls f with the index entries behind a cursor, newest first, until f
// returns false. An empty cursor starts at the newest. Coming back to a place
// costs one listing, however many jobs are before it.
func (s Store) Entries(ctx context.Context, cursor string, f func(e Entry) (bool, error)) error {
	return s.entries(ctx, []string{indexPrefix}, time.Time{}, cursor, f)
}

// EntriesOf is Entries of the jobs of one owner, and of those that are shared now with one of the groups. It costs a listing
// for each group more.
func (s Store) EntriesOf(ctx context.Context, owner string, groups []string, now time.Time, cursor string, f func(e Entry) (bool, error)) error {
	prefixes := []string{ownerPrefix(owner)}
	for _, g := range groups {
		prefixes = append(prefixes, groupPrefix(g))
	}
	slices.Sort(prefixes)
	return s.entries(ctx, slices.Compact(prefixes), now, cursor, f)
}

// index is one while it is read.
type index struct {
	bucket *blob.Bucket
	prefix string
	now    time.Time
	// token is that of the page that was read last, next of the one behind it; last says that there is none.
	token, next []byte
	last        bool
	entries     []named
}

// named is an entry with its name.
type named struct {
	name string
	Entry
}

// fill reads pages until there are entries behind a name, or no more pages.
func (x *index) fill(ctx context.Context, after string) error {
	for len(x.entries) == 0 && !x.last {
		objects, next, err := x.bucket.ListPage(ctx, x.next, listPage, &blob.ListOptions{Prefix: x.prefix})
		if errors.Is(err, io.EOF) {
			err = nil
		}
		if err != nil {
			return fmt.Errorf("list %s: %w", x.prefix, err)
		}
		x.token, x.next, x.last = x.next, next, len(next) == 0
		for _, o := range objects {
			if e, ok := x.entry(strings.TrimPrefix(o.Key, x.prefix)); ok && e.name > after {
				x.entries = append(x.entries, e)
			}
		}
	}
	return nil
}

// entry reads the name of an object: COUNT-ID, or of a share COUNT-ID/UNTIL-SHARE.
func (x *index) entry(object string) (named, bool) {
	name, share, shared := strings.Cut(object, "/")
	e, ok := entryOf(name)
	if shared {
		e.Shared = true
		ok = ok && x.now.Before(sharedUntil(share))
	}
	return named{name, e}, ok
}

// entries merges indexes.
func (s Store) entries(ctx context.Context, prefixes []string, now time.Time, cursor string, f func(e Entry) (bool, error)) error {
	at, err := parsePosition(cursor)
	if err != nil {
		return err
	}
	all := make([]*index, len(prefixes))
	g := pool.New().WithErrors().WithFirstError().WithMaxGoroutines(indexesAtOnce)
	for i, prefix := range prefixes {
		x := &index{bucket: s.Bucket, prefix: prefix, now: now, next: blob.FirstPageToken}
		if t := at.Tokens[prefix]; t != "" {
			x.next = []byte(t)
		}
		all[i] = x
		g.Go(func() error { return x.fill(ctx, at.After) })
	}
	if err := g.Wait(); err != nil {
		if gcerrors.Code(err) == gcerrors.InvalidArgument && len(at.Tokens) > 0 {
			err = badCursor(cursor)
		}
		return err
	}
	for {
		first, ok := firstOf(all)
		if !ok {
			return nil
		}
		place := position{After: first.name}
		for _, x := range all {
			if len(x.token) > 0 && string(x.token) != string(blob.FirstPageToken) {
				if place.Tokens == nil {
					place.Tokens = map[string]string{}
				}
				place.Tokens[x.prefix] = string(x.token)
			}
		}
		first.Cursor = place.String()
		if more, err := f(first.Entry); err != nil || !more {
			return err
		}
		for _, x := range all {
			for len(x.entries) > 0 && x.entries[0].name == first.name { // it may be in several, and shared more than once
				x.entries = x.entries[1:]
			}
			if err := x.fill(ctx, first.name); err != nil {
				return err
			}
		}
	}
}

// indexesAtOnce is how many indexes are listed at a time.
const indexesAtOnce = 16

// firstOf is the first entry of several indexes. That of an owner is taken before that of a group.
func firstOf(all []*index) (named, bool) {
	var first named
	found := false
	for _, x := range all {
		if len(x.entries) == 0 {
			continue
		}
		if e := x.entries[0]; !found || e.name < first.name || e.name == first.name && !e.Shared {
			first, found = e, true
		}
	}
	return first, found
}

func entryOf(name string) (Entry, bool) {
	count, id, ok := strings.Cut(name, "-")
	if !ok || !ValidID(id) {
		return Entry{}, false
	}
	down, err := strconv.ParseInt(count, 10, 64)
	if err != nil {
		return Entry{}, false
	}
	return Entry{ID: id, Created: time.UnixMilli(indexEnd - down).UTC()}, true
}
