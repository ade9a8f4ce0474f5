package broker_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"

	"github.com/cyverse-gis/eemt/eventing"
	"github.com/cyverse-gis/eemt/eventing/broker"
)

var at = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func tile(i int) event.Event {
	return eventing.NewTaskRequested("/test", eventing.Task{JobID: "job", Kind: "tiles", Task: strconv.Itoa(i)}, at)
}

// noSleep makes repetitions immediate and notes what was asked for.
type noSleep struct {
	mu    sync.Mutex
	waits []time.Duration
}

func (n *noSleep) sleep(_ context.Context, d time.Duration) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.waits = append(n.waits, d)
	return nil
}

func wait(t *testing.T, b *broker.Broker) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := b.Wait(ctx); err != nil {
		t.Fatalf("Wait: %v with %d outstanding", err, b.Outstanding())
	}
}

func TestDelivery(t *testing.T) {
	passing := errors.New("bucket unreachable")
	for _, c := range []struct {
		name     string
		opts     broker.Options
		outcome  func(try int) error
		calls    int
		waits    []time.Duration
		dead     bool
		deadCode int
	}{
		{name: "done at once", outcome: func(int) error { return nil }, calls: 1},
		{
			name: "done at the third try", outcome: func(try int) error {
				if try < 3 {
					return passing
				}
				return nil
			},
			calls: 3, waits: []time.Duration{100 * time.Millisecond, 200 * time.Millisecond},
		},
		{
			name: "never done", opts: broker.Options{Retries: 3}, outcome: func(int) error { return passing },
			calls: 4, waits: []time.Duration{100 * time.Millisecond, 200 * time.Millisecond, 400 * time.Millisecond}, dead: true, deadCode: 503,
		},
		{name: "never retried", opts: broker.Options{Retries: -1}, outcome: func(int) error { return passing }, calls: 1, dead: true, deadCode: 503},
		{name: "rejected", outcome: func(int) error { return fmt.Errorf("x: %w", eventing.Reject(passing)) }, calls: 1, dead: true, deadCode: 400},
		{name: "panic", opts: broker.Options{Retries: 1}, outcome: func(int) error { panic("index out of range") }, calls: 2, waits: []time.Duration{100 * time.Millisecond}, dead: true, deadCode: 503},
		{name: "goroutine ended", opts: broker.Options{Retries: -1}, outcome: func(int) error { runtime.Goexit(); return nil }, calls: 1, dead: true, deadCode: 503},
		{name: "duplicates", opts: broker.Options{Duplicates: 2}, outcome: func(int) error { return nil }, calls: 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			var n noSleep
			c.opts.Sleep = n.sleep
			var dead []event.Event
			c.opts.DeadLetter = func(_ context.Context, e event.Event) error { dead = append(dead, e); return nil }
			b := broker.New(c.opts)
			var calls atomic.Int32
			b.Subscribe("compute", []string{eventing.TaskRequested}, 1, func(context.Context, event.Event) error {
				return c.outcome(int(calls.Add(1)))
			})
			if err := b.Publish(t.Context(), tile(0)); err != nil {
				t.Fatal(err)
			}
			b.Start()
			wait(t, b)
			if got := int(calls.Load()); got != c.calls {
				t.Errorf("%d calls, want %d", got, c.calls)
			}
			if !slices.Equal(n.waits, c.waits) {
				t.Errorf("waits %v, want %v", n.waits, c.waits)
			}
			if (len(dead) == 1) != c.dead || len(dead) > 1 {
				t.Fatalf("%d dead letters, want one: %v", len(dead), c.dead)
			}
			if c.dead {
				f, ok := eventing.FailureOf(dead[0])
				if !ok || f.Dest != "compute" || f.Code != c.deadCode || f.Reason == "" || dead[0].ID() != tile(0).ID() {
					t.Errorf("dead letter %q with %+v, want code %d", dead[0].ID(), f, c.deadCode)
				}
			}
		})
	}
}

func TestBackoffIsCapped(t *testing.T) {
	var n noSleep
	b := broker.New(broker.Options{Retries: 60, Sleep: n.sleep})
	b.Subscribe("s", nil, 1, func(context.Context, event.Event) error { return errors.New("no") })
	_ = b.Publish(t.Context(), tile(0))
	b.Start()
	wait(t, b)
	if len(n.waits) != 60 || n.waits[59] != 30*time.Second || slices.Min(n.waits) != 100*time.Millisecond {
		t.Errorf("%d waits from %v to %v", len(n.waits), n.waits[0], n.waits[len(n.waits)-1])
	}
}

func TestDeadLetterIsRetried(t *testing.T) {
	var n noSleep
	var calls atomic.Int32
	b := broker.New(broker.Options{Retries: 2, Sleep: n.sleep, DeadLetter: func(context.Context, event.Event) error {
		calls.Add(1)
		return errors.New("bucket unreachable")
	}})
	b.Subscribe("s", nil, 1, func(context.Context, event.Event) error { return eventing.Reject(errors.New("bad")) })
	_ = b.Publish(t.Context(), tile(0))
	b.Start()
	wait(t, b)
	if got := calls.Load(); got != 3 {
		t.Errorf("dead letter handler called %d times, want 3", got)
	}
}

func TestTypesAndFanOut(t *testing.T) {
	b := broker.New(broker.Options{})
	var tiles, all atomic.Int32
	b.Subscribe("tiles", []string{eventing.TaskRequested}, 2, func(_ context.Context, e event.Event) error {
		tiles.Add(1)
		e.SetID("changed") // must not reach the other subscriber
		return nil
	})
	b.Subscribe("all", nil, 2, func(_ context.Context, e event.Event) error {
		if e.ID() == "changed" {
			t.Error("subscribers share an event")
		}
		all.Add(1)
		return nil
	})
	b.Start()
	_ = b.Publish(t.Context(), tile(0))
	_ = b.Publish(t.Context(), eventing.NewJobCompleted("/t", "job", 0, at))
	wait(t, b)
	if tiles.Load() != 1 || all.Load() != 2 {
		t.Errorf("tiles %d, all %d; want 1 and 2", tiles.Load(), all.Load())
	}
}

// A plan publishes its tiles from inside its own delivery while tiles publish completions from inside theirs.
func TestPublishFromInsideHandlers(t *testing.T) {
	const tiles = 5000
	var done atomic.Int32
	var running, most atomic.Int32
	b := broker.New(broker.Options{Duplicates: 1, Pick: rand.IntN})
	b.Subscribe("plan", []string{eventing.JobSubmitted}, 1, func(ctx context.Context, _ event.Event) error {
		for i := range tiles {
			if err := b.Publish(ctx, tile(i)); err != nil {
				return err
			}
		}
		return nil
	})
	var seen sync.Map
	b.Subscribe("tile", []string{eventing.TaskRequested}, 3, func(ctx context.Context, e event.Event) error {
		n := running.Add(1)
		defer running.Add(-1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		if _, dup := seen.LoadOrStore(e.ID(), true); dup {
			return nil
		}
		return b.Publish(ctx, eventing.NewTaskRequested("/t", eventing.Task{JobID: "job", Kind: eventing.KindAssembly, Task: "assembly", Attempt: int(done.Add(1))}, at))
	})
	b.Start()
	_ = b.Publish(t.Context(), eventing.NewJobSubmitted("/t", "job", 0, at))
	wait(t, b)
	if done.Load() != tiles || most.Load() > 3 || !b.Idle() {
		t.Errorf("%d of %d tiles, at most %d at a time, idle %v", done.Load(), tiles, most.Load(), b.Idle())
	}
}

// When the queue is full the publishing handler fails, is retried, and everything still gets done.
func TestQueueBound(t *testing.T) {
	b := broker.New(broker.Options{Queue: 10, Retries: 1000, Backoff: func(int) time.Duration { return time.Millisecond }})
	var full atomic.Int32
	var seen sync.Map
	var next atomic.Int32
	b.Subscribe("plan", []string{eventing.JobSubmitted}, 1, func(ctx context.Context, _ event.Event) error {
		for i := next.Load(); i < 100; i = next.Add(1) {
			if err := b.Publish(ctx, tile(int(i))); err != nil {
				if !errors.Is(err, broker.ErrFull) || eventing.IsRejected(err) {
					t.Errorf("error %v, want ErrFull", err)
				}
				full.Add(1)
				return err
			}
			if got := b.Outstanding(); got > 10 {
				t.Errorf("%d outstanding, want at most 10", got)
			}
		}
		return nil
	})
	b.Subscribe("tile", []string{eventing.TaskRequested}, 1, func(_ context.Context, e event.Event) error {
		seen.Store(e.ID(), true)
		return nil
	})
	for i := range 9 { // before Start nothing drains
		if err := b.Publish(t.Context(), tile(1000+i)); err != nil {
			t.Fatal(err)
		}
	}
	_ = b.Publish(t.Context(), eventing.NewJobSubmitted("/t", "job", 0, at))
	if err := b.Publish(t.Context(), tile(2000)); !errors.Is(err, broker.ErrFull) {
		t.Errorf("eleventh event: error %v, want ErrFull", err)
	}
	b.Start()
	wait(t, b)
	n := 0
	seen.Range(func(any, any) bool { n++; return true })
	if n != 109 {
		t.Errorf("%d tiles delivered, want 109 (queue was full %d times)", n, full.Load())
	}
}

func TestInvalidEventIsRejected(t *testing.T) {
	b := broker.New(broker.Options{})
	if err := b.Publish(t.Context(), event.New()); !eventing.IsRejected(err) {
		t.Errorf("error %v, want a rejection", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.Publish(ended, tile(0)); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want context.Canceled", err)
	}
	if err := b.Publish(t.Context(), tile(0)); err != nil {
		t.Errorf("an event nobody wants: %v", err)
	}
}

func TestRunLetsDeliveriesFinish(t *testing.T) {
	b := broker.New(broker.Options{Grace: 30 * time.Second})
	started, release := make(chan bool), make(chan bool)
	finished := false
	b.Subscribe("s", nil, 1, func(ctx context.Context, _ event.Event) error {
		close(started)
		<-release
		finished = ctx.Err() == nil
		return nil
	})
	_ = b.Publish(t.Context(), tile(0))
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error)
	go func() { result <- b.Run(ctx) }()
	<-started
	cancel()
	for b.Publish(t.Context(), tile(1)) == nil { // until Run has noticed
		runtime.Gosched()
	}
	close(release)
	err := <-result
	if !finished {
		t.Error("the running delivery was not let finish")
	}
	if err != nil && !errors.Is(err, broker.ErrAbandoned) {
		t.Errorf("Run: %v", err)
	}
	if err := b.Publish(t.Context(), tile(2)); !errors.Is(err, broker.ErrClosed) {
		t.Errorf("Publish after Run: %v, want ErrClosed", err)
	}
}

func TestCloseAbandons(t *testing.T) {
	b := broker.New(broker.Options{})
	started := make(chan bool)
	b.Subscribe("s", nil, 1, func(ctx context.Context, _ event.Event) error {
		close(started)
		<-ctx.Done()
		return ctx.Err()
	})
	b.Start()
	for i := range 3 {
		_ = b.Publish(t.Context(), tile(i))
	}
	<-started
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	err := b.Close(ended)
	if !errors.Is(err, broker.ErrAbandoned) || !strings.Contains(err.Error(), "3 deliveries abandoned, of which 0 still run") {
		t.Errorf("Close: %v", err)
	}
	if err := b.Wait(t.Context()); !errors.Is(err, broker.ErrClosed) {
		t.Errorf("Wait: %v, want ErrClosed", err)
	}
}

func TestCloseGivesUpOnADeafHandler(t *testing.T) {
	b := broker.New(broker.Options{Abandon: time.Millisecond})
	started, release := make(chan bool), make(chan bool)
	defer close(release)
	b.Subscribe("s", nil, 1, func(context.Context, event.Event) error { close(started); <-release; return nil })
	b.Start()
	_ = b.Publish(t.Context(), tile(0))
	<-started
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.Close(ended); err == nil || !strings.Contains(err.Error(), "of which 1 still run") {
		t.Errorf("Close: %v", err)
	}
}

// An event waiting for its repetition takes no worker from others.
func TestWaitingFreesTheWorker(t *testing.T) {
	release := make(chan bool)
	b := broker.New(broker.Options{Sleep: func(context.Context, time.Duration) error { <-release; return nil }})
	var once sync.Once
	second := make(chan bool)
	b.Subscribe("s", nil, 1, func(_ context.Context, e event.Event) (err error) {
		if e.ID() == tile(0).ID() {
			once.Do(func() { err = errors.New("later") })
			return err
		}
		close(second)
		return nil
	})
	b.Start()
	_ = b.Publish(t.Context(), tile(0))
	_ = b.Publish(t.Context(), tile(1))
	<-second
	if b.Idle() {
		t.Error("idle although a delivery waits")
	}
	close(release)
	wait(t, b)
}

func BenchmarkPublishDeliver(b *testing.B) {
	br := broker.New(broker.Options{Queue: b.N + 1})
	br.Subscribe("s", nil, 2, func(context.Context, event.Event) error { return nil })
	br.Start()
	e := tile(0)
	b.ResetTimer()
	for range b.N {
		if err := br.Publish(b.Context(), e); err != nil {
			b.Fatal(err)
		}
	}
	_ = br.Wait(b.Context())
}
