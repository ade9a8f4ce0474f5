package compute_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cyverse-gis/eemt/eventing"
	"github.com/cyverse-gis/eemt/eventing/broker"
	"github.com/cyverse-gis/eemt/functions/compute"
	"github.com/cyverse-gis/eemt/integration/faultbucket"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/param"
)

// always makes maps by tasks, whatever the size of the DEM.
const always = time.Nanosecond

// twoYears has two stages of maps: means over years are made of other maps.
func twoYears() param.Parameters {
	p := quick(param.EEMT)
	p.EndYear = p.StartYear + 1
	return p
}

// TestMapsByTasksAreTheSame makes the maps of a job by tasks, calmly, and with
// duplicates in any order, to the bytes of one event that makes them all.
func TestMapsByTasksAreTheSame(t *testing.T) {
	tiff := hills(t)
	for _, c := range []struct {
		workflow param.Workflow
		p        param.Parameters
		groups   int
	}{{param.Sol, quick(param.Sol), 6}, {param.EEMT, twoYears(), 20}} {
		t.Run(string(c.workflow), func(t *testing.T) {
			want := calm(t, c.workflow, c.p, tiff)
			asked := map[string]int{}
			calm := newWorld(t, newBucket(t), options{within: always})
			calm.compute.Events = eventing.PublisherFunc(func(ctx context.Context, e event) error {
				if task, err := eventing.TaskOf(e); err == nil && job.Kind(task.Kind) == job.KindMaps {
					asked[task.Task]++
				}
				return calm.broker.Publish(ctx, e)
			})
			calm.submit(t, c.workflow, c.p, tiff)
			calm.settle(t)
			calm.mustComplete(t)
			sameBytes(t, calm.results(t), want)
			if len(asked) != c.groups {
				t.Errorf("maps are made by the tasks %v, want %d", asked, c.groups)
			}
			for task, n := range asked {
				if n != 1 {
					t.Errorf("%s was asked for %d times, want once where nothing goes wrong", task, n)
				}
			}
			for seed := range uint64(1) {
				random := rand.New(rand.NewPCG(seed, 3))
				wild := newWorld(t, newBucket(t), options{within: always, threads: 2, concurrency: 3, broker: broker.Options{Duplicates: 2, Pick: random.IntN, Retries: 50}})
				wild.submit(t, c.workflow, c.p, tiff)
				wild.replan(t, 8)
				wild.settle(t)
				wild.mustComplete(t)
				sameBytes(t, uncut(t, wild.results(t)), uncut(t, copyOf(want)))
				if left := objects(t, wild.bucket, job.WorkKey(jobID, "")); len(left) != 0 {
					t.Errorf("%d work files are left", len(left))
				}
			}
		})
	}
}

// TestReplicasMayDisagreeOnWhatIsLong: one makes all maps itself while others make them
// by tasks.
func TestReplicasMayDisagreeOnWhatIsLong(t *testing.T) {
	tiff := hills(t)
	want := calm(t, param.Sol, quick(param.Sol), tiff)
	w := newWorld(t, newBucket(t), options{within: always, broker: broker.Options{Duplicates: 3}})
	var n atomic.Int64
	quickly := *w.compute
	quickly.AssembleWithin = time.Hour
	w.broker.Subscribe("compute too", []string{eventing.TaskRequested, eventing.TilesCompleted}, 1, func(ctx context.Context, e event) error {
		if n.Add(1)%2 == 0 {
			return quickly.Handle(ctx, e)
		}
		return w.compute.Handle(ctx, e)
	})
	w.submit(t, param.Sol, quick(param.Sol), tiff)
	w.settle(t)
	w.mustComplete(t)
	sameBytes(t, w.results(t), want)
}

// TestEveryEventOfMapsMayBeLost loses all events from the n-th on, until the job gets through
// without loss.
func TestEveryEventOfMapsMayBeLost(t *testing.T) {
	tiff := hills(t)
	p := twoYears()
	want := calm(t, param.EEMT, p, tiff)
	// Of job.submitted, a tile, tiles.completed, 19 groups, one of the second stage and job.completed; one group is like the next.
	for _, n := range []int64{2, 3, 4, 12, 20, 21, 22, 23, 24} {
		var published atomic.Int64
		lost := false
		b := newBucket(t)
		first := newWorld(t, b, options{within: always, publish: func(string) bool {
			if published.Add(1) <= n {
				return true
			}
			lost = true
			return false
		}})
		first.submit(t, param.EEMT, p, tiff)
		first.settle(t)
		first.die()
		second := newWorld(t, b, options{within: always})
		if _, err := second.cleanup.Resume(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
		second.settle(t)
		second.mustComplete(t)
		sameBytes(t, second.results(t), want)
		if lost != (n < 24) {
			t.Errorf("%d events came through, others were lost: %t; want 24 that are enough", n, lost)
		}
	}
}

// TestMapsThatFailEndTheJob with a sentence that names the group and the map.
func TestMapsThatFailEndTheJob(t *testing.T) {
	for _, c := range []struct {
		name string
		fail func() error
		want []string
	}{
		{"panic", func() error { panic("index out of range") }, []string{"group m0002 of the maps failed twice the same way", "the program failed: index out of range"}},
		{"bucket", func() error { return errors.New("the bucket is full") }, []string{"group m0002 of the maps failed repeatedly", "global/monthly/flat_total_sun_jun_sum.tif", "the bucket is full"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := faultbucket.Wrap(newBucket(t), func(op, key string) error {
				if op == faultbucket.Commit && strings.HasSuffix(key, "/flat_total_sun_jun_sum.tif") {
					return c.fail()
				}
				return nil
			})
			w := newWorld(t, b, options{within: always})
			w.submit(t, param.Sol, quick(param.Sol), hills(t))
			w.settle(t)
			st, err := w.store.Status(t.Context(), jobID)
			if err != nil || st.State != job.Failed {
				t.Fatalf("job is %s (%v), want failed", st.State, err)
			}
			for _, want := range c.want {
				if !strings.Contains(st.End.Reason, want) {
					t.Errorf("the job ended with %q, want %q in it", st.End.Reason, want)
				}
			}
		})
	}
}

// TestCancelStopsMaps cancels a job when the first group is made: the others do nothing.
func TestCancelStopsMaps(t *testing.T) {
	var groups atomic.Int64
	var w *world
	w = newWorld(t, newBucket(t), options{within: always, progress: func(p compute.Progress) {
		if p.Step == "maps" && groups.Add(1) == 1 {
			if _, err := w.submission.Cancel(context.Background(), jobID); err != nil {
				t.Error(err)
			}
		}
	}})
	w.submit(t, param.Sol, quick(param.Sol), hills(t))
	w.settle(t)
	st, err := w.store.Status(t.Context(), jobID)
	if err != nil || st.State != job.Cancelled {
		t.Fatalf("job is %s (%v), want cancelled", st.State, err)
	}
	if n := groups.Load(); n != 1 {
		t.Errorf("%d groups were made, want the one at hand", n)
	}
}

// TestMapsAskedForOutOfTurn: before their inputs are there, after they were made, and by
// names that no group has.
func TestMapsAskedForOutOfTurn(t *testing.T) {
	tiff := hills(t)
	p := twoYears()
	want := calm(t, param.EEMT, p, tiff)
	w := newWorld(t, newBucket(t), options{within: always})
	w.submit(t, param.EEMT, p, tiff)
	ask := func(task string) error {
		phase := 2
		if task == "m0019" { // a mean over years
			phase = 3
		}
		return w.compute.Handle(t.Context(), request(phase, job.KindMaps, task, 3))
	}
	nothing := func(when string, tasks ...string) {
		t.Helper()
		for _, task := range tasks {
			if err := ask(task); err != nil {
				t.Errorf("%s, %s: %v, want nothing done", when, task, err)
			}
		}
		if n := len(w.results(t)); n != 0 {
			t.Errorf("%s: %d results", when, n)
		}
	}
	nothing("before the plan", "m0000", "m0019")
	swallow := *w.compute
	swallow.Events = eventing.PublisherFunc(func(context.Context, event) error { return nil })
	if err := swallow.Handle(t.Context(), eventing.NewJobSubmitted("/test", jobID, 0, noon)); err != nil {
		t.Fatal(err)
	}
	nothing("before the tiles", "m0000", "m0019")
	if err := swallow.Handle(t.Context(), request(1, job.KindTiles, "r0000c0000", 0)); err != nil {
		t.Fatal(err)
	}
	nothing("before the maps they are made of", "m0019")
	for _, task := range []string{"m0020", "m9999", "m123456"} {
		if err := ask(task); !eventing.IsRejected(err) || !strings.Contains(err.Error(), fmt.Sprintf("has no task %q", task)) {
			t.Errorf("%s: %v, want a rejection", task, err)
		}
	}
	// One by one, backwards, twice: the last of the first stage asks for the second, the
	// last of that ends the job.
	for n := 18; n >= 0; n-- {
		for range 2 {
			if err := ask(fmt.Sprintf("m%04d", n)); err != nil {
				t.Fatal(err)
			}
		}
	}
	w.settle(t)
	w.mustComplete(t)
	sameBytes(t, w.results(t), want)
	if err := ask("m0003"); err != nil {
		t.Errorf("after the end: %v", err)
	}
}

// TestStatusMovesWhileMapsAreMade: the resume tick must not ask again for maps that are
// being made.
func TestStatusMovesWhileMapsAreMade(t *testing.T) {
	w := newWorld(t, newBucket(t), options{within: always})
	last, moved := -1, 0
	w.compute.Progress = func(p compute.Progress) {
		if p.Step != "maps" {
			return
		}
		st, err := w.store.Status(context.Background(), jobID)
		if err != nil {
			t.Error(err)
			return
		}
		if st.MapsPlanned != 82 || st.Maps < last || st.Progress() < 90 || st.Progress() > 99 {
			t.Errorf("%d of %d maps, %d %%, after %d", st.Maps, st.MapsPlanned, st.Progress(), last)
		}
		if st.Maps > last {
			last, moved = st.Maps, moved+1
		}
		if want := fmt.Sprintf("%d of 82 maps are made", st.Maps); st.Maps > 0 && st.Message() != want {
			t.Errorf("message %q, want %q", st.Message(), want)
		}
	}
	w.submit(t, param.Sol, quick(param.Sol), hills(t))
	w.settle(t)
	w.mustComplete(t)
	if moved != 6 {
		t.Errorf("the status moved %d times, want with each group", moved)
	}
}

// TestWorkFilesGoWithTheirMaps: when the means over years are made nothing is left of
// what the maps of years were made of, so that a large job needs less room.
func TestWorkFilesGoWithTheirMaps(t *testing.T) {
	for name, within := range map[string]time.Duration{"in one event": 0, "by tasks": always} {
		t.Run(name, func(t *testing.T) {
			inner := newBucket(t)
			looked := false
			b := faultbucket.Wrap(inner, func(op, key string) error {
				if op != faultbucket.Commit || !strings.Contains(key, "/results/eemt/EEMT_Trad_mean_") {
					return nil
				}
				looked = true
				for key := range objects(t, inner, job.WorkKey(jobID, "")) {
					if strings.HasSuffix(key, ".tif") {
						t.Errorf("%s is still there", key)
					}
				}
				return nil
			})
			w := newWorld(t, b, options{within: within})
			w.submit(t, param.EEMT, twoYears(), hills(t))
			w.settle(t)
			w.mustComplete(t)
			if !looked {
				t.Error("the job made no means over years")
			}
		})
	}
}

// TestMapsMadeMeanwhile: a replica that finds its work files gone, since another has made
// the maps, is at no fault.
func TestMapsMadeMeanwhile(t *testing.T) {
	tiff := hills(t)
	want := calm(t, param.Sol, quick(param.Sol), tiff)
	inner := newBucket(t)
	overtaken := false
	w := newWorld(t, faultbucket.Wrap(inner, func(op, key string) error {
		switch {
		case op == faultbucket.Read && strings.HasSuffix(key, "/sol.tif") && !overtaken:
			overtaken = true
			for name, data := range want {
				if strings.HasSuffix(name, ".tif") {
					put(t, inner, job.ResultKey(jobID, name), data)
				}
			}
			for key := range objects(t, inner, job.WorkKey(jobID, "")) {
				if err := inner.Delete(context.Background(), job.WorkKey(jobID, key)); err != nil {
					t.Error(err)
				}
			}
		case op == faultbucket.Commit && strings.HasSuffix(key, ".failed.json"):
			t.Errorf("a try counts as failed: %s", key)
		}
		return nil
	}), options{})
	w.submit(t, param.Sol, quick(param.Sol), tiff)
	w.settle(t)
	w.mustComplete(t)
	if !overtaken {
		t.Error("nobody overtook the assembly")
	}
	sameBytes(t, w.results(t), want)
}

// TestSomeMapsMadeMeanwhile: a replica that finds work files gone, since another has made some of the maps at hand, goes
// on with the others. Such a try is no failure: two of them would end the job.
func TestSomeMapsMadeMeanwhile(t *testing.T) {
	tiff := hills(t)
	p := quick(param.EEMT)
	want := calm(t, param.EEMT, p, tiff)
	for name, within := range map[string]time.Duration{"in one event": time.Hour, "by tasks": always} {
		t.Run(name, func(t *testing.T) {
			inner := newBucket(t)
			overtaken := map[string]bool{}
			overtake := func(file string, made func(name string) bool) {
				overtaken[file] = true
				for name, data := range want {
					if made(name) {
						put(t, inner, job.ResultKey(jobID, name), data)
					}
				}
				for key := range objects(t, inner, job.WorkKey(jobID, "")) {
					if strings.HasSuffix("/"+key, file) {
						if err := inner.Delete(context.Background(), job.WorkKey(jobID, key)); err != nil {
							t.Error(err)
						}
					}
				}
			}
			var mu sync.Mutex
			assembling := false
			w := newWorld(t, faultbucket.Wrap(inner, func(op, key string) error {
				mu.Lock()
				defer mu.Unlock()
				assembling = assembling || strings.Contains(key, "-assembly/") || strings.Contains(key, "-m0")
				switch {
				case !assembling:
				case op == faultbucket.Read && strings.HasSuffix(key, "/terrain.tif") && !overtaken["/terrain.tif"]:
					overtake("/terrain.tif", func(name string) bool { return name == "twi.tif" || name == "catchment.tif" })
				case op == faultbucket.Read && strings.Contains(key, "/eemt_") && !overtaken["/"+path.Base(key)]:
					overtake("/"+path.Base(key), func(name string) bool { return strings.HasPrefix(name, "eemt/") })
				case op == faultbucket.Commit && strings.HasSuffix(key, ".failed.json"):
					t.Errorf("a try counts as failed: %s", key)
				}
				return nil
			}), options{within: within})
			w.submit(t, param.EEMT, p, tiff)
			w.settle(t)
			w.mustComplete(t)
			if len(overtaken) != 2 {
				t.Errorf("overtaken at %v, want at the terrain and at the energy of a year", overtaken)
			}
			sameBytes(t, w.results(t), want)
		})
	}
}
