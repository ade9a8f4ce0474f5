package compute_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cyverse-gis/eemt/functions/compute/drainage"

	"github.com/cyverse-gis/eemt/eventing"
	"github.com/cyverse-gis/eemt/eventing/broker"
	"github.com/cyverse-gis/eemt/functions/compute"
	"github.com/cyverse-gis/eemt/integration/faultbucket"
	"github.com/cyverse-gis/eemt/shared/dem/demtest"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/param"
)

// inStages follows water in tiles of so many cells by tasks, whatever the size.
func inStages(side int) drainage.Options { return drainage.Options{Inline: -time.Second, Side: side} }

// TestStagesGiveTheSameBytes: who follows the water does not show in any result.
func TestStagesGiveTheSameBytes(t *testing.T) {
	for _, c := range []struct {
		name          string
		width, height int
		sides         []int
	}{
		{"hills", 60, 47, []int{7, 16}},
		{"one row of tiles", 70, 9, []int{8}},
		{"no more than a window", 14, 11, []int{8}},
	} {
		t.Run(c.name, func(t *testing.T) {
			tiff := demtest.Encode(t, demtest.Holes(demtest.Hills(c.width, c.height)))
			p := brief()
			p.TileSize = 32
			want := calm(t, param.EEMT, p, tiff)
			for i, side := range c.sides {
				w := newWorld(t, newBucket(t), options{threads: 1 + 2*i, concurrency: 3})
				w.compute.Drainage = inStages(side)
				w.submit(t, param.EEMT, p, tiff)
				w.settle(t)
				w.mustComplete(t)
				sameBytes(t, w.results(t), want)
				phases := 0
				for name := range objects(t, w.bucket, job.Prefix(jobID)+"phases/") {
					if strings.HasSuffix(name, ".requested") {
						phases++
					}
				}
				t.Logf("tiles of %d: %d phases", side, phases)
			}
		})
	}
}

// staged is a world that follows water by tasks, on tiles of 8 cells.
func staged(t *testing.T, o options, hook faultbucket.Hook) *world {
	t.Helper()
	b := newBucket(t)
	if hook != nil {
		b = faultbucket.Wrap(b, hook)
	}
	w := newWorld(t, b, o)
	w.compute.Drainage = inStages(8)
	return w
}

func wetHills(t *testing.T) ([]byte, param.Parameters) {
	t.Helper()
	return demtest.Encode(t, demtest.Holes(demtest.Hills(36, 24))), brief()
}

func TestStagesThroughDuplicates(t *testing.T) {
	tiff, p := wetHills(t)
	want := calm(t, param.EEMT, p, tiff)
	for seed := range uint64(2) {
		random := rand.New(rand.NewPCG(seed, 3))
		var tasks atomic.Int64
		w := staged(t, options{concurrency: 4, broker: broker.Options{Duplicates: 2, Pick: random.IntN}}, func(op, key string) error {
			if op == faultbucket.Commit && strings.HasSuffix(key, ".bin") {
				tasks.Add(1)
			}
			return nil
		})
		w.submit(t, param.EEMT, p, tiff)
		w.settle(t)
		w.mustComplete(t)
		sameBytes(t, w.results(t), want)
		t.Logf("seed %d: %d files of tiles", seed, tasks.Load())
	}
}

// TestStagesThroughLoss loses all events from the n-th on; the resume tick goes on from there.
func TestStagesThroughLoss(t *testing.T) {
	tiff, p := wetHills(t)
	want := calm(t, param.EEMT, p, tiff)
	step := int64(19)
	if os.Getenv("EEMT_SLOW") != "" {
		step = 1
	}
	for n := int64(0); ; n += step {
		var published atomic.Int64
		var lost atomic.Bool
		first := staged(t, options{publish: func(string) bool {
			if published.Add(1) <= n {
				return true
			}
			lost.Store(true)
			return false
		}}, nil)
		first.submit(t, param.EEMT, p, tiff)
		first.settle(t)
		first.die()
		second := newWorld(t, first.bucket, options{})
		if _, err := second.cleanup.Resume(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
		second.settle(t)
		second.mustComplete(t)
		sameBytes(t, second.results(t), want)
		if t.Failed() {
			t.Fatalf("%d events came through", n)
		}
		if !lost.Load() {
			if n < 20 {
				t.Errorf("the job came through with %d events", n)
			}
			return
		}
	}
}

// TestStagesThroughDeath lets the process die at the n-th object it writes. What was recorded is not done again.
func TestStagesThroughDeath(t *testing.T) {
	tiff, p := wetHills(t)
	want := calm(t, param.EEMT, p, tiff)
	step := 29
	switch {
	case os.Getenv("EEMT_NIGHTLY") != "":
		step = 1
	case os.Getenv("EEMT_SLOW") != "":
		step = 7
	}
	for n := 0; ; n += step {
		var writes atomic.Int64
		var dead, terrain atomic.Bool
		first := staged(t, options{broker: broker.Options{Retries: -1}}, func(op, key string) error {
			if strings.HasPrefix(key, "inputs/") {
				return nil
			}
			if op == faultbucket.Commit && writes.Add(1) > int64(n)+2 { // the index and job.json are the client's
				dead.Store(true)
			}
			if op == faultbucket.Commit && strings.HasSuffix(key, "/plan.json") {
				terrain.Store(true)
			}
			if dead.Load() {
				return errors.New("the process is dead")
			}
			return nil
		})
		first.cleanup.Store.Bucket = newBucket(t) // its dead letters end no job
		first.submit(t, param.EEMT, p, tiff)
		first.settle(t)
		first.die()
		if terrain.Load() && !dead.Load() {
			t.Fatal("it never died")
		}
		if terrain.Load() {
			return // it died after the terrain
		}
		dead.Store(false)
		writes.Store(math.MinInt32)
		before := first.stillThere(t, "/phases/")
		if n > 10 && len(before) == 0 {
			t.Fatalf("no stages after %d writes", n)
		}
		second := newWorld(t, first.bucket, options{})
		if _, err := second.cleanup.Resume(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
		second.settle(t)
		second.mustComplete(t)
		sameBytes(t, second.results(t), want)
		after := second.stillThere(t, "/phases/")
		for key, data := range before {
			if string(after[key]) != string(data) {
				t.Errorf("%s was written again", key)
			}
		}
		if t.Failed() {
			t.Fatalf("died at write %d", n)
		}
	}
}

// stillThere reads the objects of the job whose key has some part.
func (w *world) stillThere(t *testing.T, part string) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	for name, data := range objects(t, w.bucket, job.Prefix(jobID)) {
		if key := job.Prefix(jobID) + name; strings.Contains(key, part) {
			all[key] = data
		}
	}
	return all
}

// half brings a job to where some stages are done and the newest waits for its tasks, which it returns.
func half(t *testing.T, w *world, stages int) []string {
	t.Helper()
	tiff, p := wetHills(t)
	w.submit(t, param.EEMT, p, tiff)
	var waiting []string
	caught := *w.compute
	caught.Events = eventing.PublisherFunc(func(_ context.Context, e event) error {
		step, err := eventing.TaskOf(e)
		waiting = append(waiting, step.Task)
		return err
	})
	if err := caught.Handle(t.Context(), eventing.NewJobSubmitted("/test", jobID, 0, noon)); err != nil {
		t.Fatal(err)
	}
	for n := range stages {
		tasks := waiting
		waiting = nil
		for _, task := range tasks {
			if err := caught.Handle(t.Context(), request(n+1, job.KindFill, task, 0)); err != nil {
				t.Fatal(err)
			}
		}
	}
	return waiting
}

func TestStatusInStages(t *testing.T) {
	w := staged(t, options{}, nil)
	waiting := half(t, w, 2)
	st, err := w.store.Status(t.Context(), jobID)
	if err != nil {
		t.Fatal(err)
	}
	if st.State != job.Running || st.Started.IsZero() || st.Terrain == nil || st.Terrain.Number != 3 || st.Terrain.Planned != len(waiting) || st.Terrain.Done != 0 {
		t.Errorf("status %+v, terrain %+v", st, st.Terrain)
	}
	if err := w.compute.Handle(t.Context(), request(3, job.KindFill, waiting[0], 0)); err != nil {
		t.Fatal(err)
	}
	if st, err = w.store.Status(t.Context(), jobID); err != nil {
		t.Fatal(err)
	}
	if got, want := st.Message(), fmt.Sprintf("depressions are filled: 1 of %d windows of stage 3 are done", len(waiting)); got != want {
		t.Errorf("message %q, want %q", got, want)
	}
}

// TestLateTask: what a copy of an old task finds gone does no harm; what is gone before the task was done ends the job.
func TestLateTask(t *testing.T) {
	lose := func(t *testing.T, w *world) {
		t.Helper()
		for key := range w.stillThere(t, ".bin") {
			if err := w.bucket.Delete(context.Background(), key); err != nil {
				t.Error(err)
			}
		}
	}
	t.Run("done meanwhile", func(t *testing.T) {
		var meanwhile func()
		w := staged(t, options{}, func(op, key string) error {
			if meanwhile != nil && op == faultbucket.Commit && strings.Contains(key, "/attempts/") {
				do := meanwhile
				meanwhile = nil
				do()
			}
			return nil
		})
		waiting := half(t, w, 2)
		meanwhile = func() {
			lose(t, w)
			if err := w.store.WriteRecord(context.Background(), jobID, 3, job.Record{Task: waiting[0]}); err != nil {
				t.Error(err)
			}
		}
		if err := w.compute.Handle(t.Context(), request(3, job.KindFill, waiting[0], 0)); err != nil || meanwhile != nil {
			t.Error(err)
		}
		if attempts, err := w.store.Attempts(t.Context(), jobID, job.TaskRef{Phase: 3, Kind: job.KindFill, Task: waiting[0]}); err != nil || attempts.Begun != 0 {
			t.Errorf("%+v (%v)", attempts, err)
		}
	})
	t.Run("gone", func(t *testing.T) {
		w := staged(t, options{}, nil)
		waiting := half(t, w, 2)
		lose(t, w)
		e := request(3, job.KindFill, waiting[0], 0)
		if err := w.compute.Handle(t.Context(), e); err == nil {
			t.Error("no error")
		}
		if err := w.compute.Handle(t.Context(), e); err != nil {
			t.Error(err)
		}
		end, err := w.store.End(t.Context(), jobID)
		if err != nil || end.State != job.Failed {
			t.Fatalf("%+v (%v)", end, err)
		}
		checkSentence(t, end.Reason, "window "+waiting[0]+" of stage 3 of the terrain failed twice", "the file is gone")
	})
}

func TestBadTasksOfStages(t *testing.T) {
	w := staged(t, options{}, nil)
	half(t, w, 1)
	for phase, task := range []string{1: "r0900c0000", 2: "r0001c0001"} {
		if err := w.compute.Handle(t.Context(), request(phase, job.KindFill, task, 0)); phase > 0 && !eventing.IsRejected(err) {
			t.Errorf("%s: %v", task, err)
		}
	}
	if err := w.compute.Handle(t.Context(), request(77, job.KindFill, "r0000c0000", 0)); err != nil {
		t.Errorf("a stage to come: %v", err)
	}
}

// TestNoSlopeInStages ends a job as its plan would.
func TestNoSlopeInStages(t *testing.T) {
	dem := demtest.Hills(30, 20)
	for r := range dem.Height {
		for c := 1; c < dem.Width; c += 2 {
			dem.Set(c, r, math.NaN())
		}
	}
	w := staged(t, options{}, nil)
	w.submit(t, param.EEMT, brief(), demtest.Encode(t, dem))
	w.settle(t)
	st, err := w.store.Status(t.Context(), jobID)
	if err != nil || st.State != job.Failed {
		t.Fatalf("job is %s (%v)", st.State, err)
	}
	checkSentence(t, st.End.Reason, "no cell of the DEM has a slope")
}

// TestCancelStopsStages: no stage follows on a cancelled job.
func TestCancelStopsStages(t *testing.T) {
	w := staged(t, options{}, nil)
	waiting := half(t, w, 2)
	if _, err := w.submission.Cancel(t.Context(), jobID); err != nil {
		t.Fatal(err)
	}
	before := len(objects(t, w.bucket, job.Prefix(jobID)))
	for _, task := range waiting {
		if err := w.compute.Handle(t.Context(), request(3, job.KindFill, task, 0)); err != nil {
			t.Error(err)
		}
	}
	if after := len(objects(t, w.bucket, job.Prefix(jobID))); after != before {
		t.Errorf("%d objects became %d", before, after)
	}
}

// TestScratchIsRemoved: of each tile there are the files of two stages at most, and none when
// the tiles are computed.
func TestScratchIsRemoved(t *testing.T) {
	most := map[string]int{}
	var w *world
	sun := false
	w = staged(t, options{progress: func(pr compute.Progress) {
		if pr.Step == "sun" {
			sun = true
			if n := len(w.stillThere(t, ".bin")); n > 0 {
				t.Errorf("%d files of stages are there while tiles are computed", n)
			}
		}
		count := map[string]int{}
		for key := range w.stillThere(t, ".bin") {
			name := key[strings.LastIndex(key, "/")+1:]
			parts := strings.Split(name, "_")
			count[parts[0]+parts[2]]++
		}
		for key, n := range count {
			most[key] = max(most[key], n)
		}
	}}, nil)
	tiff, p := wetHills(t)
	w.submit(t, param.EEMT, p, tiff)
	w.settle(t)
	w.mustComplete(t)
	for key, n := range most {
		if n > 3 {
			t.Errorf("%d files of %s", n, key)
		}
	}
	if left := objects(t, w.bucket, job.WorkKey(jobID, "")); len(most) == 0 || !sun || len(left) > 0 {
		t.Errorf("%d files were seen, %d work files are left", len(most), len(left))
	}
}
