package compute_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/cyverse-gis/eemt/functions/compute/assembly"
	"github.com/cyverse-gis/eemt/functions/compute/cost"
	"github.com/cyverse-gis/eemt/functions/compute/workfile"

	cloudevents "github.com/cloudevents/sdk-go/v2/event"

	"github.com/cyverse-gis/eemt/eventing"
	"github.com/cyverse-gis/eemt/eventing/broker"
	"github.com/cyverse-gis/eemt/functions/compute"
	"github.com/cyverse-gis/eemt/functions/compute/record"
	"github.com/cyverse-gis/eemt/integration/faultbucket"
	"github.com/cyverse-gis/eemt/shared/dem/demtest"
	"github.com/cyverse-gis/eemt/shared/geotiff"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/param"
)

type event = cloudevents.Event

func TestDuplicatesInAnyOrderChangeNoByte(t *testing.T) {
	tiff := hills(t)
	calm := newWorld(t, newBucket(t), options{})
	calm.submit(t, param.EEMT, brief(), tiff)
	calm.replan(t, 6)
	calm.settle(t)
	calm.mustComplete(t)
	want := calm.results(t)
	for seed := range uint64(2) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 7))
			wild := newWorld(t, newBucket(t), options{
				concurrency: 3,
				broker:      broker.Options{Duplicates: 2, Pick: random.IntN},
			})
			wild.submit(t, param.EEMT, brief(), tiff)
			wild.replan(t, 6)
			wild.settle(t)
			wild.mustComplete(t)
			sameBytes(t, wild.results(t), want)
		})
	}
}

func TestDuplicatePlansAtOnce(t *testing.T) {
	// All deliveries of job.submitted run at the same time: their plans and
	// climate windows cross.
	tiff := hills(t)
	want := calm(t, param.EEMT, brief(), tiff)
	for seed := range uint64(2) {
		random := rand.New(rand.NewPCG(seed, 1))
		w := newWorld(t, newBucket(t), options{concurrency: 4, broker: broker.Options{Duplicates: 5, Pick: random.IntN}})
		w.submit(t, param.EEMT, brief(), tiff)
		w.settle(t)
		w.mustComplete(t)
		sameBytes(t, w.results(t), want)
	}
}

func TestTilesAndThreadsChangeNoNumber(t *testing.T) {
	tiff := hills(t)
	for _, w := range []param.Workflow{param.Sol, param.EEMT} {
		t.Run(string(w), func(t *testing.T) {
			one := run(t, w, quick(w), tiff, options{threads: 1})
			want := maps(t, one.results(t))
			many := newWorld(t, newBucket(t), options{threads: 2})
			many.submit(t, w, quick(w), tiff)
			many.replan(t, 4)
			many.settle(t)
			many.mustComplete(t)
			plan, err := record.ReadPlan(t.Context(), many.store, jobID)
			if err != nil || len(plan.Tiles) != 12 {
				t.Fatalf("%d tiles (%v), want 12", len(plan.Tiles), err)
			}
			got := maps(t, many.results(t))
			if len(got) != len(want) || len(got) < 70 {
				t.Errorf("%d maps in tiles, %d without", len(got), len(want))
			}
			for name := range want {
				closeTo(t, name, got[name], want[name], 1e-6)
			}
			eight := run(t, w, quick(w), tiff, options{threads: 8})
			sameBytes(t, eight.results(t), one.results(t))
		})
	}
}

func TestFinishedTilesAreNotComputedAgain(t *testing.T) {
	tiff := hills(t)
	inner := newBucket(t)
	var seen watch
	b := faultbucket.Wrap(inner, func(op, key string) error {
		if op == faultbucket.Commit {
			seen.add(key)
		}
		return nil
	})
	// The first process loses every event after the fourth tile is recorded.
	var tiles atomic.Int64
	first := newWorld(t, b, options{publish: func(kind string) bool {
		return kind != eventing.TaskRequested || tiles.Add(1) <= 4
	}})
	first.submit(t, param.EEMT, brief(), tiff)
	first.replan(t, 5)
	first.settle(t)
	first.die()
	done, err := first.store.Done(t.Context(), jobID)
	if err != nil || len(done) != 4 {
		t.Fatalf("%d tiles done (%v), want 4", len(done), err)
	}
	second := newWorld(t, b, options{})
	if n, err := second.cleanup.Resume(t.Context(), 0); n != 1 || err != nil {
		t.Fatalf("resumed %d jobs (%v), want 1", n, err)
	}
	second.settle(t)
	second.mustComplete(t)
	for key, n := range seen.count {
		if strings.Contains(key, "/phases/0001/") || strings.Contains(key, "/work/r") || strings.Contains(key, "/results/") {
			if n != 1 {
				t.Errorf("%s was written %d times, want once", key, n)
			}
		}
	}
	for task, at := range done {
		again, err := second.store.Done(t.Context(), jobID)
		if err != nil || !again[task].Equal(at) {
			t.Errorf("record of %s changed from %v to %v (%v)", task, at, again[task], err)
		}
	}
}

// TestRepeatedTileIsNotComputedAgain delivers one event twice: the second only
// looks whether the tile was the last.
func TestRepeatedTileIsNotComputedAgain(t *testing.T) {
	var work atomic.Int64
	b := faultbucket.Wrap(newBucket(t), func(op, key string) error {
		if op == faultbucket.Commit && strings.Contains(key, "/work/r") {
			work.Add(1)
		}
		return nil
	})
	w := newWorld(t, b, options{})
	w.submit(t, param.Sol, quick(param.Sol), hills(t))
	w.replan(t, 8)
	for range 3 {
		if err := w.compute.Handle(t.Context(), request(1, job.KindTiles, "r0000c0001", 0)); err != nil {
			t.Fatal(err)
		}
	}
	if n := work.Load(); n != 1 {
		t.Errorf("%d work files written, want one", n)
	}
}

func TestFinishedMapsAreNotMadeAgain(t *testing.T) {
	tiff := hills(t)
	want := calm(t, param.Sol, quick(param.Sol), tiff)
	inner := newBucket(t)
	var seen watch
	var broken atomic.Bool
	broken.Store(true)
	b := faultbucket.Wrap(inner, func(op, key string) error {
		if op != faultbucket.Commit || !strings.Contains(key, "/results/") {
			return nil
		}
		if broken.Load() && len(seen.count) >= 20 {
			return errors.New("the bucket is gone")
		}
		seen.add(key)
		return nil
	})
	first := newWorld(t, b, options{broker: broker.Options{Retries: -1}})
	first.cleanup.Store.Bucket = faultbucket.Wrap(inner, func(_, _ string) error { return errors.New("so is this one") })
	first.submit(t, param.Sol, quick(param.Sol), tiff)
	first.settle(t)
	first.die()
	broken.Store(false)
	second := newWorld(t, b, options{})
	if _, err := second.cleanup.Resume(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	second.settle(t)
	second.mustComplete(t)
	sameBytes(t, second.results(t), want)
	for key, n := range seen.count {
		if n != 1 && !strings.HasSuffix(key, "_average.tif") && !strings.HasSuffix(key, "_sum.tif") { // two maps of one formula
			t.Errorf("%s was written %d times, want once", key, n)
		}
		if n > 2 {
			t.Errorf("%s was written %d times", key, n)
		}
	}
}

// TestEveryEventMayBeLost loses all events from the n-th on, for each n until
// the job gets through without loss.
func TestEveryEventMayBeLost(t *testing.T) {
	tiff := hills(t)
	calm := newWorld(t, newBucket(t), options{})
	calm.submit(t, param.EEMT, brief(), tiff)
	calm.replan(t, 8)
	calm.settle(t)
	calm.mustComplete(t)
	want := calm.results(t)
	for n := int64(0); ; n++ {
		var published atomic.Int64
		lost := false
		b := newBucket(t)
		first := newWorld(t, b, options{publish: func(string) bool {
			if published.Add(1) <= n {
				return true
			}
			lost = true
			return false
		}})
		first.submit(t, param.EEMT, brief(), tiff)
		first.replan(t, 8)
		first.settle(t)
		first.die()
		second := newWorld(t, b, options{})
		if _, err := second.cleanup.Resume(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
		second.settle(t)
		second.mustComplete(t)
		sameBytes(t, second.results(t), want)
		if !lost {
			if n < 7 { // job.submitted, 4 tiles, tiles.completed, job.completed
				t.Errorf("the job came through with %d events, want 7", n)
			}
			return
		}
	}
}

// TestEveryWriteMayFail lets the process die at the n-th object it writes.
func TestEveryWriteMayFail(t *testing.T) {
	tiff := hills(t)
	p := quick(param.Sol)
	calm := run(t, param.Sol, p, tiff, options{})
	want := calm.results(t)
	total := len(objects(t, calm.bucket, ""))
	step := 13
	if os.Getenv("EEMT_SLOW") != "" {
		step = 1
	}
	for n := 0; n < total; n += step {
		inner := newBucket(t)
		var writes atomic.Int64
		var dead atomic.Bool
		b := faultbucket.Wrap(inner, func(op, key string) error {
			if strings.HasPrefix(key, "inputs/") {
				return nil
			}
			if op == faultbucket.Commit && writes.Add(1) > int64(n)+2 { // the index and job.json are the client's
				dead.Store(true)
			}
			if dead.Load() {
				return errors.New("the process is dead")
			}
			return nil
		})
		first := newWorld(t, b, options{broker: broker.Options{Retries: -1}})
		first.submit(t, param.Sol, p, tiff)
		first.settle(t)
		first.die()
		second := newWorld(t, inner, options{})
		if _, err := second.cleanup.Resume(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
		second.settle(t)
		second.mustComplete(t)
		sameBytes(t, second.results(t), want)
		if t.Failed() {
			t.Fatalf("died at write %d", n)
		}
	}
}

func TestPassingFaultsAreRetried(t *testing.T) {
	tiff := hills(t)
	want := calm(t, param.EEMT, brief(), tiff)
	var calls, faults atomic.Int64
	var off atomic.Bool
	off.Store(true)
	b := faultbucket.Wrap(newBucket(t), func(string, string) error {
		if off.Load() || calls.Add(1)%37 != 0 {
			return nil
		}
		faults.Add(1)
		return errors.New("a passing fault")
	})
	w := newWorld(t, b, options{broker: broker.Options{Retries: 200}})
	w.submit(t, param.EEMT, brief(), tiff)
	off.Store(false)
	w.settle(t)
	off.Store(true)
	if faults.Load() < 5 {
		t.Errorf("%d faults, want some", faults.Load())
	}
	w.mustComplete(t)
	sameBytes(t, w.results(t), want)
}

// TestWorkFilesMayBeReplaced writes every work file again at the moment a tile
// or the assembly reads it, as a second delivery of the plan does.
func TestWorkFilesMayBeReplaced(t *testing.T) {
	tiff := hills(t)
	want := calm(t, param.EEMT, brief(), tiff)
	inner := newBucket(t)
	var replaced watch
	b := faultbucket.Wrap(inner, func(op, key string) error {
		if op != faultbucket.Read || !strings.Contains(key, "/work/") || replaced.add(key) > 2 {
			return nil
		}
		data, err := inner.ReadAll(context.Background(), key)
		if err != nil {
			return nil //nolint:nilerr // it is not there yet
		}
		return inner.WriteAll(context.Background(), key, data, nil)
	})
	w := newWorld(t, b, options{broker: broker.Options{Retries: 50}})
	w.submit(t, param.EEMT, brief(), tiff)
	w.settle(t)
	w.mustComplete(t)
	sameBytes(t, w.results(t), want)
	if len(replaced.count) < 3 {
		t.Errorf("replaced %v, want terrain, climate, tiles", replaced.count)
	}
}

func TestInterruptedWorkIsRedelivered(t *testing.T) {
	tiff := hills(t)
	want := calm(t, param.Sol, quick(param.Sol), tiff)
	for _, stage := range []string{"terrain", "sun", "maps"} {
		t.Run(stage, func(t *testing.T) {
			b := newBucket(t)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			var events []event
			w := newWorld(t, b, options{progress: func(p compute.Progress) {
				if p.Step == stage {
					cancel()
				}
			}})
			w.submit(t, param.Sol, quick(param.Sol), tiff)
			w.compute.Events = eventing.PublisherFunc(func(_ context.Context, e event) error {
				events = append(events, e)
				return nil
			})
			events = append(events, eventing.NewJobSubmitted("/test", jobID, 0, noon))
			for len(events) > 0 && ctx.Err() == nil {
				e := events[0]
				if err := w.compute.Handle(ctx, e); err == nil {
					events = events[1:]
				} else if ctx.Err() == nil {
					t.Fatal(err)
				}
			}
			if ended, _ := w.store.Ended(t.Context(), jobID); ended {
				t.Fatal("an interruption ended the job")
			}
			second := newWorld(t, b, options{})
			if _, err := second.cleanup.Resume(t.Context(), 0); err != nil {
				t.Fatal(err)
			}
			second.settle(t)
			second.mustComplete(t)
			sameBytes(t, second.results(t), want)
		})
	}
}

func TestCancelStops(t *testing.T) {
	b := newBucket(t)
	var w *world
	w = newWorld(t, b, options{publish: func(kind string) bool {
		if kind == eventing.TaskRequested {
			if _, err := w.submission.Cancel(context.Background(), jobID); err != nil && !strings.Contains(err.Error(), "not running") {
				t.Error(err)
			}
		}
		return true
	}})
	w.submit(t, param.Sol, quick(param.Sol), hills(t))
	w.settle(t)
	st, err := w.store.Status(t.Context(), jobID)
	if err != nil || st.State != job.Cancelled || st.Done != 0 {
		t.Errorf("job is %s with %d tiles done (%v), want cancelled with none", st.State, st.Done, err)
	}
	if n := len(w.results(t)); n != 0 {
		t.Errorf("%d results of a cancelled job, want none", n)
	}
}

func TestWorkFilesAreRemoved(t *testing.T) {
	w := run(t, param.EEMT, brief(), hills(t), options{})
	if left := objects(t, w.bucket, job.WorkKey(jobID, "")); len(left) != 0 {
		t.Errorf("%d work files are left of a completed job", len(left))
	}
}

func TestBadEvents(t *testing.T) {
	w := newWorld(t, newBucket(t), options{})
	w.submit(t, param.Sol, quick(param.Sol), hills(t))
	for name, e := range map[string]event{
		"unknown job":  eventing.NewJobSubmitted("/test", "01JTESTBBBBBBBBBBBBBBBBBBB", 0, noon),
		"not a ULID":   eventing.NewJobSubmitted("/test", "x", 0, noon),
		"another type": eventing.NewJobCompleted("/test", jobID, 0, noon),
	} {
		if err := w.compute.Handle(t.Context(), e); !eventing.IsRejected(err) {
			t.Errorf("%s: got %v, want a rejection", name, err)
		}
	}
	for name, e := range map[string]event{
		"tile before the plan":     request(1, job.KindTiles, "r0000c0000", 0),
		"assembly before the plan": request(2, job.KindAssembly, job.AssemblyTask, 0),
	} {
		if err := w.compute.Handle(t.Context(), e); err != nil {
			t.Errorf("%s: got %v, want nothing done", name, err)
		}
	}
	w.settle(t)
	w.mustComplete(t)
}

func readReport(t *testing.T, w *world) assembly.Report {
	t.Helper()
	var r assembly.Report
	if err := json.Unmarshal(w.results(t)[workfile.ReportName], &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// TestTooLargeJobsAreRefused: what the deployment does not allow ends before any
// work, with the numbers.
func TestTooLargeJobsAreRefused(t *testing.T) {
	wide := func() []byte {
		var out bytes.Buffer
		w, err := geotiff.NewWriter(geotiff.Options{Width: 8400, Height: 8400, Type: geotiff.Uint8, Transform: demtest.Transform(), GeoKeys: demtest.UTM()})
		if err != nil {
			t.Fatal(err)
		}
		row := make([]float32, 8400)
		for range 8400 {
			if err := w.WriteRows(0, row); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(&out); err != nil {
			t.Fatal(err)
		}
		return out.Bytes()
	}()
	for _, c := range []struct {
		name string
		tiff []byte
		cost cost.Cost
		side int
		want []string
	}{
		{"cells", hills(t), cost.Cost{MaxCells: 100}, 0, []string{"EMT_MAX_CELLS", "at most 100 "}},
		{"time", wide, cost.Cost{MaxCoreHours: 0.01}, 0, []string{"core hours", "EEMT_MAX_CORE_HOURS"}},
		{"tiles", wide, cost.Cost{}, 32, []string{"tile_size 32", "69169 tiles", "at least 34"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, newBucket(t), options{progress: func(p compute.Progress) {
				if p.Step == "sun" {
					t.Error("work was done")
				}
			}})
			w.compute.Cost = c.cost
			p := quick(param.Sol)
			p.TileSize = c.side
			w.submit(t, param.Sol, p, c.tiff)
			w.settle(t)
			st, err := w.store.Status(t.Context(), jobID)
			if err != nil || st.State != job.Failed {
				t.Fatalf("job is %s (%v), want failed", st.State, err)
			}
			checkSentence(t, st.End.Reason, c.want...)
			if left := objects(t, w.bucket, job.WorkKey(jobID, "")); len(left) != 0 {
				t.Errorf("%d work files of a refused job", len(left))
			}
		})
	}
}

// TestTerrainIsFollowedOnce: a plan that is cut short after the terrain pass goes
// on from there, and says the same.
func TestTerrainIsFollowedOnce(t *testing.T) {
	tiff := hills(t)
	p := brief()
	want := calm(t, param.EEMT, p, tiff)
	var terrains, broken atomic.Int64
	b := faultbucket.Wrap(newBucket(t), func(op, key string) error {
		if op != faultbucket.Commit {
			return nil
		}
		if strings.HasSuffix(key, "/work/terrain.tif") {
			terrains.Add(1)
		}
		if strings.Contains(key, "/work/climate/") && broken.Add(1) <= 2 {
			return errors.New("the climate's place is gone")
		}
		return nil
	})
	w := newWorld(t, b, options{broker: broker.Options{Retries: 5}})
	w.submit(t, param.EEMT, p, tiff)
	w.settle(t)
	w.mustComplete(t)
	sameBytes(t, w.results(t), want)
	if n := terrains.Load(); n != 1 {
		t.Errorf("the terrain was followed %d times, want once", n)
	}
}

// TestMapsOfSeveralBlocks: tiles that end within the blocks of maps and of work
// files, over the full width or not, are put together as one.
func TestMapsOfSeveralBlocks(t *testing.T) {
	tiff := demtest.Encode(t, demtest.Holes(demtest.Hills(140, 400)))
	p := quick(param.Sol)
	p.Maps = param.AnnualMaps
	want := maps(t, calm(t, param.Sol, p, tiff))
	for _, side := range []int{192, 100} {
		w := newWorld(t, newBucket(t), options{threads: 2})
		w.submit(t, param.Sol, p, tiff)
		w.replan(t, side)
		w.settle(t)
		w.mustComplete(t)
		got := maps(t, w.results(t))
		for name := range want {
			closeTo(t, name, got[name], want[name], 1e-6)
		}
	}
}
