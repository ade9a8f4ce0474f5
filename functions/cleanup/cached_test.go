package cleanup_test

import (
	"slices"
	"testing"
	"time"

	"github.com/cyverse-gis/eemt/functions/cleanup"
)

// TestCacheIsEmptied removes entries that nobody used for a week, whole and nothing else.
func TestCacheIsEmptied(t *testing.T) {
	s := newService(t, nil)
	for _, key := range []string{"a1/tmin_2020.tif", "a1/entry.json", "b2/tmin_2020.tif", "b2/entry.json", "d4/source.json"} {
		put(t, s, "cache/climate/"+key, "abc")
	}
	for _, key := range []string{"a1/kb.tif", "a1/entry.json", "0c.tif"} {
		put(t, s, "cache/inputs/"+key, "abc")
	}
	foreign := []string{"uploads/dem.tif"}
	put(t, s, foreign[0], "abc")
	retain := func() []string {
		t.Helper()
		r, err := s.Retain(t.Context())
		if err != nil || len(r.Errors) != 0 {
			t.Fatalf("%+v (%v)", r, err)
		}
		gone := []string{}
		for _, o := range r.Cached {
			gone = append(gone, o.Object)
			if o.Bytes != 3 {
				t.Errorf("%+v", o)
			}
		}
		slices.Sort(gone)
		return gone
	}
	start := s.now
	s.now = start.Add(cleanup.DefaultCached - time.Minute)
	if gone := retain(); len(gone) != 0 {
		t.Errorf("after less than a week went %v", gone)
	}
	s.now = start.Add(cleanup.DefaultCached + time.Minute)
	s.Policy.DryRun = true
	before := keys(t, s.Store.Bucket, "cache/")
	want := []string{
		"cache/climate/a1/entry.json", "cache/climate/a1/tmin_2020.tif", "cache/climate/b2/entry.json", "cache/climate/b2/tmin_2020.tif",
		"cache/climate/d4/source.json", "cache/inputs/0c.tif", "cache/inputs/a1/entry.json", "cache/inputs/a1/kb.tif",
	}
	if gone := retain(); !slices.Equal(gone, want) || !slices.Equal(keys(t, s.Store.Bucket, "cache/"), before) {
		t.Errorf("dry run says %v, want %v, and leaves %v", gone, want, keys(t, s.Store.Bucket, "cache/"))
	}
	s.Policy.DryRun = false
	if gone := retain(); !slices.Equal(gone, want) {
		t.Errorf("went %v, want %v", gone, want)
	}
	if left := keys(t, s.Store.Bucket, "cache/"); len(left) > 0 {
		t.Errorf("left %v", left)
	}
	// An operator's own time; used entries are young.
	s.now = time.Now().UTC()
	put(t, s, "cache/climate/e5/entry.json", "abc")
	s.Policy.Cached = 24 * time.Hour
	s.now = s.now.Add(23 * time.Hour)
	if gone := retain(); len(gone) != 0 {
		t.Errorf("after 23 hours went %v", gone)
	}
	s.now = s.now.Add(2 * time.Hour)
	if gone := retain(); !slices.Equal(gone, []string{"cache/climate/e5/entry.json"}) {
		t.Errorf("after a day went %v", gone)
	}
}

// TestYoungPartKeepsAnEntry: an entry that one of its objects was written to is in use.
func TestYoungPartKeepsAnEntry(t *testing.T) {
	s := newService(t, nil)
	put(t, s, "cache/climate/a1/entry.json", "abc")
	s.now = s.now.Add(cleanup.DefaultCached - time.Hour)
	middle := time.Now()
	put(t, s, "cache/climate/a1/tmin.tif", "abc")
	a, err := s.Store.Bucket.Attributes(t.Context(), "cache/climate/a1/entry.json")
	if err != nil {
		t.Fatal(err)
	}
	s.now = middle.UTC().Add(cleanup.DefaultCached).Add(-middle.Sub(a.ModTime) / 2)
	if r, err := s.Retain(t.Context()); err != nil || len(r.Cached) != 0 {
		t.Errorf("%+v (%v)", r.Cached, err)
	}
}
