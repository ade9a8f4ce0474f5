package compute_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cyverse-gis/eemt/eventing"
	"github.com/cyverse-gis/eemt/functions/compute/record"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/param"
)

// TestTilesAreAskedForTogether: a broker that takes a quarter of a second for each event, as the in-memory channel does, does
// not keep the plan of thousands of tiles waiting for each. Where one is asked for at a time they come in their order.
func TestTilesAreAskedForTogether(t *testing.T) {
	plan := &record.Plan{Width: 6240, Height: 640}
	for c := range 1000 {
		plan.Tiles = append(plan.Tiles, record.Tile{Task: job.TaskName(0, c)})
	}
	for publishing, longest := range map[int]time.Duration{0: 250 * time.Second, 16: 16 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, newBucket(t), options{})
			w.submit(t, param.Sol, quick(param.Sol), hills(t))
			if _, err := record.WritePlan(t.Context(), w.store, jobID, plan); err != nil {
				t.Fatal(err)
			}
			var mu sync.Mutex
			var asked []string
			w.compute.Publishing = publishing
			w.compute.Events = eventing.PublisherFunc(func(_ context.Context, e event) error {
				time.Sleep(250 * time.Millisecond)
				tile, err := eventing.TaskOf(e)
				mu.Lock()
				defer mu.Unlock()
				asked = append(asked, tile.Task)
				return err
			})
			begun := time.Now()
			if err := w.compute.Handle(t.Context(), eventing.NewJobSubmitted("/test", jobID, 0, noon)); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(begun); took > longest {
				t.Errorf("%d at a time: it took %s", publishing, took)
			}
			if publishing == 0 && !slices.IsSorted(asked) {
				t.Error("one at a time, they are not in their order")
			}
			slices.Sort(asked)
			if n := len(slices.Compact(asked)); n != 1000 || len(asked) != 1000 {
				t.Errorf("%d at a time: asked %d times for %d tiles", publishing, len(asked), n)
			}
		})
	}
}

// TestAskingStopsAtAFailure: the event comes again, and then all that are missing are asked for.
func TestAskingStopsAtAFailure(t *testing.T) {
	plan := &record.Plan{Width: 6240, Height: 640}
	for c := range 100 {
		plan.Tiles = append(plan.Tiles, record.Tile{Task: job.TaskName(0, c)})
	}
	for _, publishing := range []int{1, 16} {
		w := newWorld(t, newBucket(t), options{})
		w.submit(t, param.Sol, quick(param.Sol), hills(t))
		if _, err := record.WritePlan(t.Context(), w.store, jobID, plan); err != nil {
			t.Fatal(err)
		}
		var asked atomic.Int64
		w.compute.Publishing = publishing
		w.compute.Events = eventing.PublisherFunc(func(context.Context, event) error {
			if asked.Add(1) >= 10 {
				return errors.New("the broker is away")
			}
			return nil
		})
		err := w.compute.Handle(t.Context(), eventing.NewJobSubmitted("/test", jobID, 0, noon))
		if n := asked.Load(); err == nil || n < 10 || n > 9+int64(publishing) {
			t.Errorf("%d at a time: %v after %d", publishing, err, n)
		}
	}
}
