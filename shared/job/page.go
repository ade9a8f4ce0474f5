package job

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

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
	// Cursor continues the list behind this entry.
	Cursor string
}

// position is a cursor decoded: the page of the bucket's listing, and the last
// entry seen in it. New jobs may push entries to the next page, never past it.
type position struct {
	Token string `json:"t,omitempty"`
	After string `json:"a"`
}

func (p position) String() string {
	data, _ := json.Marshal(p) // two strings
	return base64.RawURLEncoding.EncodeToString(data)
}

func parsePosition(prefix, cursor string) (position, error) {
	var p position
	if cursor == "" {
		return p, nil
	}
	data, err := base64.RawURLEncoding.DecodeString(cursor)
	if err == nil {
		err = json.Unmarshal(data, &p)
	}
	if err != nil || !strings.HasPrefix(p.After, prefix) {
		return p, fmt.Errorf("cursor %.80q: %w", cursor, ErrBadCursor)
	}
	return p, nil
}

// Entries calls f with the index entries behind a cursor, newest first, until f
// returns false. An empty cursor starts at the newest. Coming back to a place
// costs one listing, however many jobs are before it.
func (s Store) Entries(ctx context.Context, cursor string, f func(e Entry) (bool, error)) error {
	return s.entries(ctx, indexPrefix, cursor, f)
}

// EntriesOf is Entries of the jobs of one owner.
func (s Store) EntriesOf(ctx context.Context, owner, cursor string, f func(e Entry) (bool, error)) error {
	return s.entries(ctx, ownerPrefix(owner), cursor, f)
}

func (s Store) entries(ctx context.Context, prefix, cursor string, f func(e Entry) (bool, error)) error {
	at, err := parsePosition(prefix, cursor)
	if err != nil {
		return err
	}
	token := blob.FirstPageToken
	if at.Token != "" {
		token = []byte(at.Token)
	}
	for {
		objects, next, err := s.Bucket.ListPage(ctx, token, listPage, &blob.ListOptions{Prefix: prefix})
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case gcerrors.Code(err) == gcerrors.InvalidArgument && at.Token != "":
			return fmt.Errorf("cursor %.80q: %w", cursor, ErrBadCursor)
		case err != nil:
			return fmt.Errorf("list %s: %w", prefix, err)
		}
		for _, o := range objects {
			if o.Key <= at.After {
				continue
			}
			e, ok := entryOf(strings.TrimPrefix(o.Key, prefix))
			if !ok {
				continue
			}
			e.Cursor = position{Token: pageToken(token), After: o.Key}.String()
			if more, err := f(e); err != nil || !more {
				return err
			}
		}
		if len(next) == 0 {
			return nil
		}
		token = next
	}
}

func pageToken(token []byte) string {
	if string(token) == string(blob.FirstPageToken) {
		return ""
	}
	return string(token)
}

func entryOf(name string) (Entry, bool) {
	count, id, ok := strings.Cut(name, "-")
	if !ok || !ValidID(id) {
		return Entry{}, false
	}
	var down int64
	if _, err := fmt.Sscanf(count, "%d", &down); err != nil {
		return Entry{}, false
	}
	return Entry{ID: id, Created: time.UnixMilli(indexEnd - down).UTC()}, true
}
