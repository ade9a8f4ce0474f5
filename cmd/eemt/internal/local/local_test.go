package local

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"gocloud.dev/blob"
	"gocloud.dev/blob/memblob"

	"github.com/cyverse-gis/eemt/eventing"
	"github.com/cyverse-gis/eemt/integration/faultbucket"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/param"
)

// TestRunOnAFullDisk fills the disk as soon as the job is submitted, so that not even its end can be written.
func TestRunOnAFullDisk(t *testing.T) {
	lost := make(chan string, 10)
	p, err := newPlatform(platformOptions{dir: t.TempDir(), threads: 1, local: true, log: slog.New(slog.DiscardHandler), lost: func(reason string) { lost <- reason }})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.close() }()
	full := job.Store{Bucket: faultbucket.Wrap(p.bucket, func(op, _ string) error {
		if op == faultbucket.Commit {
			return errors.New("no space left on device")
		}
		return nil
	})}
	p.compute.Store, p.cleanup.Store = full, full
	p.broker.Start()
	id, err := p.submitLocal(t.Context(), param.Sol, param.DefaultParameters(), "../../../../examples/maungawhau/dem.tif")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := p.wait(ctx, id, nil, lost); err == nil || !strings.Contains(err.Error(), "no space left on device") {
		t.Errorf("the run ended with %v", err)
	}
}

// TestRunsEnd runs small jobs under a watch that looks all the time: each ends, is announced, and leaves no work files.
func TestRunsEnd(t *testing.T) {
	for n := range 20 {
		p, err := newPlatform(platformOptions{dir: t.TempDir(), threads: 1, local: true, log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		p.compute.Watch = 5 * time.Millisecond
		if n%2 == 1 {
			p.compute.AssembleWithin = time.Nanosecond // maps by tasks
		}
		ended := p.ends()
		p.broker.Start()
		params := param.DefaultParameters()
		params.Step, params.Maps = 60, param.AnnualMaps
		id, err := p.submitLocal(t.Context(), param.Sol, params, "../../../../examples/maungawhau/dem.tif")
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		if err := p.wait(ctx, id, ended, nil); err != nil {
			t.Fatalf("run %d: %v", n, err)
		}
		if err := p.broker.Wait(ctx); err != nil {
			t.Fatalf("run %d comes to no rest: %v", n, err)
		}
		cancel()
		if noted, err := p.store.Announced(t.Context(), id); err != nil || !noted {
			t.Errorf("run %d: the announcement is noted: %t (%v)", n, noted, err)
		}
		it := p.bucket.List(&blob.ListOptions{Prefix: job.WorkKey(id, "")})
		if o, err := it.Next(t.Context()); !errors.Is(err, io.EOF) {
			t.Errorf("run %d left %+v (%v)", n, o, err)
		}
		if err := p.close(); err != nil {
			t.Error(err)
		}
	}
}

// TestWait waits for ends that nobody tells of, and for those that will never be.
func TestWait(t *testing.T) {
	const id = "01JTESTAAAAAAAAAAAAAAAAAAA"
	end := func(e job.End) func(*platform, context.CancelFunc) {
		return func(p *platform, _ context.CancelFunc) {
			if _, _, err := p.store.WriteEnd(context.Background(), id, e); err != nil {
				t.Error(err)
			}
		}
	}
	for _, c := range []struct {
		name string
		work eventing.Handler // nil: none is under way
		then func(p *platform, stop context.CancelFunc)
		lost string
		want string // of the error; empty: none
	}{
		{name: "completed by another process", work: busy, then: end(job.End{State: job.Completed})},
		{name: "failed, and not announced", work: busy, then: end(job.End{State: job.Failed, Reason: "no data"}), want: "no data"},
		{name: "cancelled by another process", work: busy, then: end(job.End{State: job.Cancelled, Reason: "Job cancelled by user"}), want: "Job cancelled by user"},
		{name: "Ctrl-C", work: busy, then: func(_ *platform, stop context.CancelFunc) { stop() }, want: "context canceled"},
		{name: "given up", work: busy, lost: "the disk is full", want: "the disk is full; finished tiles are kept: run the same command again to continue"},
		{name: "nothing is under way", want: "the work stopped before the job had ended; finished tiles are kept: run the same command again to continue"},
		{name: "work that says it is done", work: func(context.Context, event.Event) error { return nil }, want: "the work stopped before the job had ended; finished tiles are kept"},
		{name: "refused", work: func(context.Context, event.Event) error { return eventing.Reject(errors.New("job x has no task y")) }, want: "the work stopped before the job had ended: job x has no task y; finished tiles are kept"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p, err := newPlatform(platformOptions{dir: t.TempDir(), threads: 1, local: true, log: slog.New(slog.DiscardHandler)})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = p.close() }()
			if c.work != nil {
				p.broker.Subscribe("work", []string{eventing.PingTick + ".test"}, 1, c.work)
				e := eventing.NewTick("/test", eventing.TaskResume, time.Now())
				e.SetType(eventing.PingTick + ".test")
				if err := p.broker.Publish(t.Context(), e); err != nil {
					t.Fatal(err)
				}
			}
			p.broker.Start()
			ctx, stop := context.WithTimeout(t.Context(), time.Minute)
			defer stop()
			lost := make(chan string, 1)
			if c.lost != "" {
				lost <- c.lost
			}
			if c.then != nil {
				go c.then(p, stop)
			}
			err = p.wait(ctx, id, nil, lost)
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

// busy works until it is told to stop.
func busy(ctx context.Context, _ event.Event) error {
	<-ctx.Done()
	return ctx.Err()
}

// TestPlaceAtATime places one map by several runs at a time: each works, and the object stays whole.
func TestPlaceAtATime(t *testing.T) {
	dir := t.TempDir()
	object, to := filepath.Join(dir, "object"), filepath.Join(dir, "maps", "a.tif")
	if err := os.WriteFile(object, []byte("map"), 0o600); err != nil {
		t.Fatal(err)
	}
	b := memblob.OpenBucket(nil)
	defer func() { _ = b.Close() }()
	if err := b.WriteAll(t.Context(), "key", []byte("map"), nil); err != nil {
		t.Fatal(err)
	}
	var runs sync.WaitGroup
	for i := range 8 {
		runs.Go(func() {
			for range 100 {
				if err := placeAny(t.Context(), b, object, to, i); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	runs.Wait()
	for _, name := range []string{object, to} {
		if data, err := os.ReadFile(name); string(data) != "map" {
			t.Errorf("%s: %q (%v)", name, data, err)
		}
	}
	if left, err := filepath.Glob(filepath.Join(dir, "maps", "*")); len(left) != 1 {
		t.Errorf("left: %v (%v)", left, err)
	}
}

// placeAny places by a link, or with odd i by a copy, as where links do not work.
func placeAny(ctx context.Context, b *blob.Bucket, object, to string, i int) error {
	if i%2 == 1 {
		object += "-not-there"
	}
	return place(ctx, b, "key", object, to)
}
