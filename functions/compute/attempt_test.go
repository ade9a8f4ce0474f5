package compute_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cyverse-gis/eemt/eventing"
	"github.com/cyverse-gis/eemt/functions/compute/engine"
	"github.com/cyverse-gis/eemt/integration/faultbucket"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/param"
)

// planning is the first task of every job.
var planning = job.PlanPhase().Ref(job.PlanTask)

// TestAttemptsAreCounted ends a job whose work dies again and again without a word, with
// a sentence that says so; and leaves no note of work that was done.
func TestAttemptsAreCounted(t *testing.T) {
	w := newWorld(t, newBucket(t), options{})
	w.submit(t, param.Sol, quick(param.Sol), hills(t))
	plan := eventing.NewJobSubmitted("/test", jobID, 0, noon)
	for n := range engine.DefaultAttempts {
		if _, _, err := w.store.BeginAttempt(t.Context(), jobID, planning, noon.Add(-time.Hour), 100, 0); err != nil {
			t.Fatal(err)
		}
		if n == engine.DefaultAttempts-2 { // one attempt is left
			other := newWorld(t, newBucket(t), options{})
			other.submit(t, param.Sol, quick(param.Sol), hills(t))
			other.settle(t)
			other.mustComplete(t)
			if attempts, err := other.store.Attempts(t.Context(), jobID, planning); err != nil || attempts.Begun != 0 {
				t.Errorf("after work that was done: %+v (%v)", attempts, err)
			}
		}
	}
	if err := w.compute.Handle(t.Context(), plan); err != nil {
		t.Fatal(err)
	}
	end, err := w.store.End(t.Context(), jobID)
	if want := fmt.Sprintf("planning was begun %d times and never finished; each time the process died without a word, as when memory runs out", engine.DefaultAttempts); err != nil || end.State != job.Failed || end.Reason != want {
		t.Errorf("end %+v (%v), want %q", end, err, want)
	}
}

// TestAttemptsThatMayGoOn asks for work that was begun as often as it may be, by who may still be at it.
func TestAttemptsThatMayGoOn(t *testing.T) {
	for _, c := range []struct {
		name         string
		before       time.Duration // the youngest was begun
		event        time.Duration // the longest that one may take; 0: as platforms say
		failed, ends bool
	}{
		{name: "five minutes ago", before: 5 * time.Minute},
		{name: "ten minutes ago", before: 10 * time.Minute, ends: true},
		{name: "longer than an event may take", before: 5 * time.Minute, event: 4 * time.Minute, ends: true},
		{name: "before an event's long time", before: 20 * time.Minute, event: time.Hour},
		{name: "in an hour, by another clock", before: -time.Hour, ends: true},
		{name: "five minutes ago, and failed", before: 5 * time.Minute, failed: true, ends: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, newBucket(t), options{})
			w.compute.Cost.MaxEvent = c.event
			w.submit(t, param.Sol, quick(param.Sol), hills(t))
			for n := range engine.DefaultAttempts {
				began := noon.Add(-2 * time.Hour)
				if n == engine.DefaultAttempts-1 {
					began = noon.Add(-c.before)
				}
				n, _, err := w.store.BeginAttempt(t.Context(), jobID, planning, began, 100, 0)
				if err != nil {
					t.Fatal(err)
				}
				if c.failed {
					if err := w.store.FailAttempt(t.Context(), jobID, planning, n, job.Failure{Cause: "away", At: began}); err != nil {
						t.Fatal(err)
					}
				}
			}
			answer := w.compute.Handle(t.Context(), eventing.NewJobSubmitted("/test", jobID, 0, noon))
			_, err := w.store.End(t.Context(), jobID)
			if ended := err == nil; ended != c.ends || ended != (answer == nil) || !ended && !errors.Is(answer, job.ErrAtWork) {
				t.Errorf("ended %t (%v), answer %v; want it to end: %t", ended, err, answer, c.ends)
			}
		})
	}
}

// TestLastingFailureIsNotRepeated ends a job when a task panics twice with the same words; a bucket that is away
// twice does not.
func TestLastingFailureIsNotRepeated(t *testing.T) {
	for _, c := range []struct {
		name string
		fail func() error
		want string // of the end; empty: none
	}{
		{"panic", func() error { panic("index out of range") }, "planning failed twice the same way: the program failed: index out of range"},
		{"bucket", func() error { return errors.New("away") }, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			inner := newBucket(t)
			w := newWorld(t, faultbucket.Wrap(inner, func(op, key string) error {
				if op == faultbucket.Commit && strings.HasSuffix(key, "plan.json") {
					return c.fail()
				}
				return nil
			}), options{})
			w.submit(t, param.Sol, quick(param.Sol), hills(t))
			plan := eventing.NewJobSubmitted("/test", jobID, 0, noon)
			if err := w.compute.Handle(t.Context(), plan); err == nil {
				t.Error("the first failure is no error")
			}
			second := w.compute.Handle(t.Context(), plan)
			end, err := w.store.End(t.Context(), jobID)
			if c.want == "" {
				if second == nil || !errors.Is(err, job.ErrNotFound) {
					t.Errorf("second %v, end %+v (%v)", second, end, err)
				}
				attempts, err := w.store.Attempts(t.Context(), jobID, planning)
				if err != nil || attempts.Begun != 2 || attempts.Last == nil || attempts.Last.Lasting || !strings.Contains(attempts.Last.Cause, "away") {
					t.Errorf("%+v (%v)", attempts, err)
				}
				return
			}
			if second != nil || err != nil || end.State != job.Failed || end.Reason != c.want {
				t.Errorf("second %v, end %+v (%v)", second, end, err)
			}
		})
	}
}

// TestPanicOfAThreadEndsTheJob, not the process, and with the words that it came with.
func TestPanicOfAThreadEndsTheJob(t *testing.T) {
	w := newWorld(t, faultbucket.Wrap(newBucket(t), func(op, key string) error {
		if op == faultbucket.Commit && strings.HasSuffix(key, "/previews/total_sun_sum.png") {
			panic("index out of range")
		}
		return nil
	}), options{})
	w.submit(t, param.Sol, quick(param.Sol), hills(t))
	w.settle(t)
	end, err := w.store.End(t.Context(), jobID)
	if want := "assembly of the maps failed twice the same way: the program failed: index out of range"; err != nil || end.State != job.Failed || end.Reason != want {
		t.Errorf("end %+v (%v), want %q", end, err, want)
	}
}

// TestEndStopsRunningWork ends a job while a tile is computed: the work stops at its next look, leaves no record and no
// note. An end that another delivery of its own event made, and did not announce, is announced.
func TestEndStopsRunningWork(t *testing.T) {
	tile := request(1, job.KindTiles, "r0000c0000", 0)
	for _, c := range []struct {
		name  string
		end   job.End
		heard []string
	}{
		{"cancelled", job.End{State: job.Cancelled, Ended: noon, Event: "cancel"}, nil},
		{"failed by another event", job.End{State: job.Failed, Ended: noon, Event: "another"}, nil},
		{"failed by the same event", job.End{State: job.Failed, Ended: noon, Event: tile.ID()}, []string{eventing.JobFailed}},
	} {
		t.Run(c.name, func(t *testing.T) {
			inner := newBucket(t)
			var w *world
			var ended atomic.Bool
			b := faultbucket.WrapAround(inner, func(op, key string, do func() error) error {
				if op != faultbucket.Commit || !strings.Contains(key, "/work/") || !ended.CompareAndSwap(false, true) {
					return do()
				}
				if _, _, err := w.store.WriteEnd(context.Background(), jobID, c.end); err != nil {
					return err
				}
				// The write takes until the work is told to stop.
				for begun := time.Now(); time.Since(begun) < time.Minute; {
					if there, _ := inner.Exists(context.Background(), "stopped"); there {
						break
					}
					time.Sleep(time.Millisecond)
				}
				return context.Canceled
			}, nil)
			w = newWorld(t, b, options{})
			w.compute.Watch = time.Millisecond
			w.submit(t, param.Sol, quick(param.Sol), hills(t))
			if err := w.compute.Handle(t.Context(), eventing.NewJobSubmitted("/test", jobID, 0, noon)); err != nil {
				t.Fatal(err)
			}
			var heard []string
			w.compute.Events = eventing.PublisherFunc(func(_ context.Context, e event) error {
				heard = append(heard, e.Type())
				return nil
			})
			// Soon after a look of the watcher has found the end it has stopped the work.
			w.compute.Store.Bucket = faultbucket.WrapAround(b, func(op, key string, do func() error) error {
				err := do()
				if op == faultbucket.Attributes && strings.HasSuffix(key, "end.json") && err == nil {
					time.AfterFunc(300*time.Millisecond, func() { _ = inner.WriteAll(context.Background(), "stopped", nil, nil) })
				}
				return err
			}, nil)
			if err := w.compute.Handle(t.Context(), tile); err != nil {
				t.Errorf("work that was stopped: %v", err)
			}
			if done, err := w.store.Done(t.Context(), jobID); err != nil || len(done) != 0 {
				t.Errorf("%v tiles are recorded (%v)", done, err)
			}
			if attempts, err := w.store.Attempts(t.Context(), jobID, job.TaskRef{Phase: 1, Kind: job.KindTiles, Task: "r0000c0000"}); err != nil || attempts.Begun != 0 {
				t.Errorf("%+v (%v)", attempts, err)
			}
			if !slices.Equal(heard, c.heard) {
				t.Errorf("heard %v, want %v", heard, c.heard)
			}
		})
	}
}

// TestEndIsNotStoppedByItself ends jobs under a watch that looks all the time, where announcing takes long, and fails at
// first: work that ended its job is not told to stop by its own end. It announces first and removes its files then.
func TestEndIsNotStoppedByItself(t *testing.T) {
	for _, c := range []struct {
		name   string
		within time.Duration
		tiff   []byte
		failed int // announcements that fail before one succeeds
		heard  string
	}{
		{name: "one assembly", tiff: hills(t), heard: eventing.JobCompleted},
		{name: "maps by tasks", within: always, tiff: hills(t), heard: eventing.JobCompleted},
		{name: "bad input", tiff: []byte("no raster"), heard: eventing.JobFailed},
		{name: "one assembly, the broker is away", tiff: hills(t), failed: 3, heard: eventing.JobCompleted},
		{name: "maps by tasks, the broker is away", within: always, tiff: hills(t), failed: 3, heard: eventing.JobCompleted},
		{name: "bad input, the broker is away", tiff: []byte("no raster"), failed: 3, heard: eventing.JobFailed},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, newBucket(t), options{within: c.within})
			w.compute.Watch = time.Millisecond
			tries, files := 0, 0
			var heard []string
			w.compute.Events = eventing.PublisherFunc(func(ctx context.Context, e event) error {
				if e.Type() != eventing.JobCompleted && e.Type() != eventing.JobFailed {
					return w.broker.Publish(ctx, e)
				}
				time.Sleep(20 * time.Millisecond) // the watch looks meanwhile
				if err := ctx.Err(); err != nil {
					t.Errorf("told to stop: %v", err)
					return err
				}
				if tries++; tries <= c.failed {
					return errors.New("the broker is away")
				}
				heard, files = append(heard, e.Type()), len(objects(t, w.bucket, job.WorkKey(jobID, "")))
				return nil
			})
			w.submit(t, param.Sol, quick(param.Sol), c.tiff)
			w.settle(t)
			if !slices.Equal(heard, []string{c.heard}) {
				t.Errorf("heard %v, want %s once", heard, c.heard)
			}
			if noted, err := w.store.Announced(t.Context(), jobID); err != nil || !noted {
				t.Errorf("the announcement is noted: %t (%v)", noted, err)
			}
			if c.heard == eventing.JobFailed {
				return
			}
			if c.within == 0 && files == 0 {
				t.Error("the work files went before the end was announced")
			}
			if left := objects(t, w.bucket, job.WorkKey(jobID, "")); len(left) > 0 {
				t.Errorf("%d work files are left", len(left))
			}
		})
	}
}

// TestEndOutlivesItsSender announces an end although who sent the event has gone since it was written.
func TestEndOutlivesItsSender(t *testing.T) {
	ctx, leave := context.WithCancel(t.Context())
	w := newWorld(t, faultbucket.WrapAround(newBucket(t), func(op, key string, do func() error) error {
		err := do()
		if op == faultbucket.Commit && strings.HasSuffix(key, "end.json") {
			leave()
		}
		return err
	}, nil), options{})
	n := 0
	w.compute.Events = eventing.PublisherFunc(func(ctx context.Context, _ event) error {
		n++
		return ctx.Err()
	})
	w.submit(t, param.Sol, quick(param.Sol), []byte("no raster"))
	n = 0
	if err := w.compute.Handle(ctx, eventing.NewJobSubmitted("/test", jobID, 0, noon)); err != nil || ctx.Err() == nil || n != 1 {
		t.Errorf("%v, gone: %v, announced %d times", err, ctx.Err(), n)
	}
}

// TestWorkFilesOfACompletedJob removes what who completed a job left, when its event comes again, or the job is asked for
// again.
func TestWorkFilesOfACompletedJob(t *testing.T) {
	tiles := request(2, job.KindAssembly, job.AssemblyTask, 0)
	for _, c := range []struct {
		name    string
		e       event
		removes bool
	}{
		{"its own event", tiles, true},
		{"asked for again", eventing.NewJobSubmitted("/test", jobID, 1, noon), true},
		{"a late tile", request(1, job.KindTiles, "r0000c0000", 0), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, newBucket(t), options{})
			w.submit(t, param.Sol, quick(param.Sol), hills(t))
			put(t, w.bucket, job.WorkKey(jobID, "sol.tif"), []byte("left"))
			if _, _, err := w.store.WriteEnd(t.Context(), jobID, job.End{State: job.Completed, Ended: noon, Event: tiles.ID()}); err != nil {
				t.Fatal(err)
			}
			if err := w.compute.Handle(t.Context(), c.e); err != nil {
				t.Fatal(err)
			}
			if left := objects(t, w.bucket, job.WorkKey(jobID, "")); (len(left) == 0) != c.removes {
				t.Errorf("%d files are left, removed should be: %t", len(left), c.removes)
			}
		})
	}
}

// TestEndIsAnnouncedAgain kills the process between the end and its announcement: the event that comes again announces
// it, once.
func TestEndIsAnnouncedAgain(t *testing.T) {
	dead := true
	var events []event
	w := newWorld(t, newBucket(t), options{})
	w.submit(t, param.Sol, quick(param.Sol), []byte("no raster"))
	w.compute.Events = eventing.PublisherFunc(func(_ context.Context, e event) error {
		if dead {
			return errors.New("dead")
		}
		events = append(events, e)
		return nil
	})
	plan := eventing.NewJobSubmitted("/test", jobID, 0, noon)
	if err := w.compute.Handle(t.Context(), plan); err == nil {
		t.Error("the process died and all is well")
	}
	dead = false
	for range 3 {
		if err := w.compute.Handle(t.Context(), plan); err != nil {
			t.Fatal(err)
		}
		if err := w.compute.Handle(t.Context(), eventing.NewJobSubmitted("/test", jobID, 7, noon)); err != nil {
			t.Fatal(err)
		}
	}
	if len(events) != 1 || events[0].Type() != eventing.JobFailed {
		t.Errorf("%d events, want job.failed once", len(events))
	}
}

// TestEndIsAnnouncedByOne: whoever comes to the same end while another announces it has nothing to add.
func TestEndIsAnnouncedByOne(t *testing.T) {
	for _, c := range []struct {
		name, at string // at is the object that the second has just read
		tiff     []byte
		state    job.State
	}{
		{"failed", "_hills.tif", []byte("no raster"), job.Failed},
		{"completed", "/slope_dec.tif", hills(t), job.Completed},
	} {
		t.Run(c.name, func(t *testing.T) {
			inner := newBucket(t)
			store := job.Store{Bucket: inner}
			overtaken := false
			w := newWorld(t, faultbucket.Wrap(inner, func(op, key string) error {
				if op == faultbucket.Read && strings.HasSuffix(key, c.at) && !overtaken {
					overtaken = true
					if _, _, err := store.WriteEnd(context.Background(), jobID, job.End{State: c.state, Ended: noon, Event: "another"}); err != nil {
						t.Error(err)
					}
					if err := store.MarkAnnounced(context.Background(), jobID, noon); err != nil {
						t.Error(err)
					}
				}
				return nil
			}), options{})
			n := 0
			w.compute.Events = eventing.PublisherFunc(func(ctx context.Context, e event) error {
				if e.Type() == eventing.JobFailed || e.Type() == eventing.JobCompleted {
					n++
				}
				return w.broker.Publish(ctx, e)
			})
			w.submit(t, param.Sol, quick(param.Sol), c.tiff)
			w.settle(t)
			if !overtaken || n != 0 {
				t.Errorf("overtaken: %t; announced %d times more", overtaken, n)
			}
		})
	}
}
