package cleanup_test

import (
	"testing"
	"time"

	"github.com/cyverse-gis/eemt/shared/job"
)

func TestAbandonedUploadsGo(t *testing.T) {
	s := newService(t, nil)
	for _, key := range []string{"a.tif/000000000000000", "a.tif/info.json", "b.tif/info.json"} {
		put(t, s, job.Incoming+key, "part")
	}
	put(t, s, "uploads/c.tif", "dem")
	pass := func(after time.Duration, dry bool) int {
		t.Helper()
		start := s.now
		s.now = s.now.Add(after)
		s.Policy.DryRun = dry
		if r, err := s.Retain(t.Context()); err != nil || len(r.Errors) != 0 {
			t.Fatalf("%+v (%v)", r, err)
		}
		s.now = start
		return len(keys(t, s.Store.Bucket, job.Incoming))
	}
	if n := pass(23*time.Hour, false); n != 3 {
		t.Errorf("%d of 3 parts are left after 23 hours", n)
	}
	if n := pass(25*time.Hour, true); n != 3 {
		t.Errorf("%d of 3 parts are left after a dry run", n)
	}
	if n := pass(25*time.Hour, false); n != 0 {
		t.Errorf("%d parts are left after 25 hours", n)
	}
	if len(keys(t, s.Store.Bucket, "uploads/")) != 1 {
		t.Error("an upload that was finished is gone")
	}
}
