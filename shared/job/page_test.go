package job_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"gocloud.dev/blob/memblob"

	"github.com/cyverse-gis/eemt/integration/faultbucket"
	"github.com/cyverse-gis/eemt/shared/job"
)

func TestEntriesPageNewestFirst(t *testing.T) {
	eachBucket(t, func(t *testing.T, s job.Store) {
		for n := 1; n <= 7; n++ {
			create(t, s, request(n))
		}
		put(t, s, "index/rubbish", "x")
		var got []string
		cursor := ""
		for page := range 10 {
			n := 0
			last := cursor
			err := s.Entries(t.Context(), cursor, func(e job.Entry) (bool, error) {
				got = append(got, e.ID)
				if !e.Created.Equal(requestOf(t, s, e.ID).Created.Truncate(time.Millisecond)) {
					t.Errorf("%s created %v", e.ID, e.Created)
				}
				cursor = e.Cursor
				n++
				return n < 2, nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if page == 0 { // a newer job shifts nothing
				create(t, s, request(8))
			}
			if cursor == last {
				break
			}
		}
		if want := []string{id(7), id(6), id(5), id(4), id(3), id(2), id(1)}; strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("got %v, want %v", got, want)
		}
		for _, bad := range []string{"x", "!!", "e30", "eyJhIjoiam9icy8ifQ"} {
			if err := s.Entries(t.Context(), bad, nil); !errors.Is(err, job.ErrBadCursor) {
				t.Errorf("cursor %q: %v", bad, err)
			}
		}
	})
}

func requestOf(t *testing.T, s job.Store, id string) job.Request {
	t.Helper()
	r, err := s.Request(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// The last page of many costs as many listings as the first.
func TestEntriesCostOneListing(t *testing.T) {
	lists := 0
	s := job.Store{Bucket: faultbucket.Wrap(memblob.OpenBucket(nil), func(op, _ string) error {
		if op == faultbucket.List {
			lists++
		}
		return nil
	})}
	for n := range 2500 {
		create(t, s, request(n))
	}
	cursor, seen := "", 0
	if err := s.Entries(t.Context(), "", func(e job.Entry) (bool, error) {
		cursor = e.Cursor
		seen++
		return seen < 2490, nil
	}); err != nil {
		t.Fatal(err)
	}
	lists = 0
	rest := 0
	if err := s.Entries(t.Context(), cursor, func(job.Entry) (bool, error) { rest++; return true, nil }); err != nil || rest != 10 || lists != 1 {
		t.Errorf("%d entries in %d listings (%v), want 10 in 1", rest, lists, err)
	}
}
