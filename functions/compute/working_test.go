package compute_test

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cyverse-gis/eemt/eventing"
	"github.com/cyverse-gis/eemt/functions/compute"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/param"
)

// While its only tile is in work a job shows how far that is, to whoever looks at the bucket; afterwards nothing of it is
// left.
func TestProgressWithinATile(t *testing.T) {
	var w *world
	var seen atomic.Int64
	progress := func(p compute.Progress) {
		if p.Step != "sun" || p.Done < 0.3 || seen.Load() > 0 {
			return
		}
		// The work waits here until it is told of.
		for range 60_000 {
			st, err := w.store.Status(t.Context(), jobID)
			if err != nil {
				t.Error(err)
			}
			if st.Working >= 0.2 { // earlier notes tell of less
				if st.Done != 0 || st.Planned != 1 || st.Progress() <= 5 || st.Progress() >= 90 || st.Message() != "the only tile is being computed" {
					t.Errorf("%d %%, %q, %g of %d tiles", st.Progress(), st.Message(), st.Working, st.Planned)
				}
				at, ok := st.Expected(noon.Add(time.Minute))
				if !ok || !at.After(noon.Add(time.Minute)) {
					t.Errorf("expected at %v, %t", at, ok)
				}
				seen.Store(int64(st.Progress()))
				return
			}
			time.Sleep(time.Millisecond)
		}
	}
	w = newWorld(t, newBucket(t), options{progress: progress})
	w.compute.Heartbeat = time.Millisecond
	w.submit(t, param.Sol, quick(param.Sol), hills(t))
	for _, e := range []event{eventing.NewJobSubmitted("/test", jobID, 0, noon), request(1, job.KindTiles, "r0000c0000", 0)} {
		if err := w.compute.Handle(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	if seen.Load() == 0 {
		t.Error("nothing was told")
	}
	for key := range objects(t, w.bucket, "jobs/") {
		if strings.Contains(key, "/progress/") {
			t.Errorf("%s is left", key)
		}
	}
	if st, err := w.store.Status(t.Context(), jobID); err != nil || st.Working != 0 || st.Done != 1 {
		t.Errorf("%+v (%v)", st, err)
	}
}
