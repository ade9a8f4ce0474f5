// Package chaos runs the platform in a world where processes die, buckets fail and events are lost, and replays any run by its seed.
package chaos

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"sort"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/cyverse-gis/eemt/functions/compute/drainage"

	"github.com/cyverse-gis/eemt/shared/sources"

	cloudevents "github.com/cloudevents/sdk-go/v2/event"
	"gocloud.dev/blob"

	"github.com/cyverse-gis/eemt/eventing"
	"github.com/cyverse-gis/eemt/functions/cleanup"
	"github.com/cyverse-gis/eemt/functions/compute"
	"github.com/cyverse-gis/eemt/integration/faultbucket"
	"github.com/cyverse-gis/eemt/shared/dirbucket"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/retrybucket"
)

// Weather is what goes wrong in a world, as chances of each step.
type weather struct {
	kill float64 // that a process dies at a bucket call or a publication, half of them after it took effect
	fail float64 // that a call fails, half of them after it took effect
	slow float64 // that a call takes up to a minute
	drop float64 // that an event is lost
	copy float64 // that an event comes two to four times
	jump float64 // that the clock of a process jumps, by up to an hour either way
	full int     // how often the disk is full for a while
	lose int     // how often the broker forgets everything
}

// fate is what becomes of one call.
type fate int

const (
	proceed fate = iota
	failBefore
	failAfter
	diskFull
	dieBefore
	dieAfter
)

var errAway = errors.New("the bucket is away")

// call is a bucket call or a publication that waits for its fate.
type call struct {
	flight  *flight
	op, key string
	reply   chan fate
}

// flight is a handler at work on an event, in a process of its own.
type flight struct {
	w      *world
	place  *place
	event  cloudevents.Event
	tries  int
	cancel context.CancelFunc
	dead   bool
	wait   []*call
	err    error
	began  time.Time
}

// place is where a process runs: it takes one event at a time, and a process that dies there is replaced.
type place struct {
	name string
	kind string // of subscriber
	busy *flight
	skew time.Duration
}

// delivery is an event on its way to one kind of process.
type delivery struct {
	kind  string
	event cloudevents.Event
	at    time.Time
	tries int
	order int
}

// world is the platform on one directory, with a clock and a broker of its own. One
// goroutine runs at a time, chosen by the seed, so that a seed always gives the same run.
type world struct {
	t       testing.TB
	seed    uint64
	rng     *rand.Rand
	weather weather
	dir     string
	base    *blob.Bucket
	// drainage is how jobs that need it follow water.
	drainage drainage.Options

	mu    sync.Mutex // guards made and broken: several goroutines of one flight may write
	made  map[string]time.Time
	wrong []string

	now     time.Time
	calls   chan *call
	done    chan *flight
	places  []*place
	flights []*flight
	queue   []delivery
	order   int
	steps   int
	killAt  int // kill at this step; 0: by chance
	killed  fate
	fatal   func(c *call) bool // kill the process that makes the first such call, and lose its event
	kills   int
	full    int // steps that the disk is full for
	tick    time.Time
	trace   []string

	announced map[string]int       // how often the end of a job was
	heard     map[string]time.Time // when it was first

	// mapsWithin is how long an assembly may take before its maps become tasks of their own.
	mapsWithin time.Duration
}

var epoch = time.Now().UTC().Truncate(time.Second)

func newWorld(t testing.TB, seed uint64, weather weather) *world {
	t.Helper()
	root := "/dev/shm" // the many syncs of a directory cost nothing there
	if info, err := os.Stat(root); err != nil || !info.IsDir() {
		root = ""
	}
	dir, err := os.MkdirTemp(root, "eemt-chaos-*")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	base, err := dirbucket.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = base.Close() })
	w := &world{
		t: t, seed: seed, rng: rand.New(rand.NewPCG(seed, 1)), weather: weather, dir: dir, base: base, made: map[string]time.Time{},
		now: epoch, calls: make(chan *call), done: make(chan *flight), tick: epoch.Add(5 * time.Minute),
		announced: map[string]int{}, heard: map[string]time.Time{}, drainage: drainage.Options{Inline: -1, Side: 12, Batch: 1 + int(seed%2)},
	}
	for n := range 3 {
		w.places = append(w.places, &place{name: fmt.Sprint("compute ", n), kind: "compute"})
	}
	w.places = append(w.places, &place{name: "cleanup 0", kind: "cleanup"}, &place{name: "cleanup 1", kind: "cleanup"}, &place{name: "client", kind: "client"})
	return w
}

func (w *world) log(format string, args ...any) {
	const enough = 4000
	if len(w.trace) == enough {
		w.trace = append(w.trace[:0], w.trace[enough/2:]...)
	}
	w.trace = append(w.trace, fmt.Sprintf("%6d %9s ", w.steps, w.now.Sub(epoch).Round(time.Millisecond))+fmt.Sprintf(format, args...))
}

func (w *world) chance(p float64) bool { return p > 0 && w.rng.Float64() < p }

// bucket is the bucket as a flight sees it, with the program's own patience.
func (f *flight) bucket() *blob.Bucket {
	w := f.w
	faulty := faultbucket.WrapAround(w.base, f.around, func(key string, at time.Time) time.Time {
		w.mu.Lock()
		defer w.mu.Unlock()
		if made, ok := w.made[key]; ok {
			return made
		}
		return at
	})
	return retrybucket.Wrap(faulty, retrybucket.Options{Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() }})
}

// around waits for the fate of a bucket call.
func (f *flight) around(op, key string, do func() error) error {
	c := &call{flight: f, op: op, key: key, reply: make(chan fate)}
	f.w.calls <- c
	switch <-c.reply {
	case failBefore:
		return errAway
	case diskFull:
		return &os.PathError{Op: "write", Path: key, Err: syscall.ENOSPC}
	case failAfter:
		_ = f.effect(op, key, do)
		return errAway
	case dieBefore:
		return faultbucket.ErrKilled
	case dieAfter:
		_ = f.effect(op, key, do)
		return faultbucket.ErrKilled
	}
	return f.effect(op, key, do)
}

// effect does a call, and dates what it made.
func (f *flight) effect(op, key string, do func() error) error {
	w := f.w
	if op == faultbucket.Commit && once(key) {
		if there, _ := w.base.Exists(context.Background(), key); there {
			before, _ := w.base.ReadAll(context.Background(), key)
			err := do()
			if after, _ := w.base.ReadAll(context.Background(), key); string(after) != string(before) {
				w.mu.Lock()
				w.wrong = append(w.wrong, fmt.Sprintf("%s was written again", key))
				w.mu.Unlock()
			}
			return err
		}
	}
	err := do()
	if err == nil && op == faultbucket.Commit {
		w.mu.Lock()
		w.made[key] = w.now
		w.mu.Unlock()
	}
	return err
}

// once reports whether an object is never replaced.
func once(key string) bool {
	return strings.HasPrefix(key, "jobs/") && (strings.HasSuffix(key, ".json") || strings.HasSuffix(key, ".sha256")) && !strings.Contains(key, "/results/") && !strings.HasSuffix(key, "pin.json")
}

// Publish puts an event on its way, or loses it.
func (f *flight) Publish(_ context.Context, e cloudevents.Event) error {
	sent := false
	err := f.around("publish", e.ID(), func() error {
		sent = true
		return nil
	})
	if sent {
		f.w.mu.Lock()
		defer f.w.mu.Unlock()
		f.w.publish(e)
	}
	return err
}

func (w *world) publish(e cloudevents.Event) {
	switch e.Type() {
	case eventing.JobSubmitted, eventing.TaskRequested, eventing.TilesCompleted:
	case eventing.JobCompleted, eventing.JobFailed, eventing.JobCancelled:
		if j, err := eventing.JobOf(e); err == nil {
			if w.announced[j.JobID]++; w.announced[j.JobID] == 1 {
				w.heard[j.JobID] = w.now
			}
		}
		return
	default:
		return
	}
	if w.chance(w.weather.drop) {
		w.log("lost: %s", e.ID())
		return
	}
	copies := 1
	if w.chance(w.weather.copy) {
		copies += 1 + w.rng.IntN(3)
	}
	for range copies {
		w.send("compute", e, time.Duration(w.rng.IntN(3000))*time.Millisecond, 0)
	}
}

func (w *world) send(kind string, e cloudevents.Event, after time.Duration, tries int) {
	w.order++
	w.queue = append(w.queue, delivery{kind: kind, event: e.Clone(), at: w.now.Add(after), tries: tries, order: w.order})
}

// start lets a free place take a due event; false when there is none.
func (w *world) start() bool {
	var due []int
	for i, d := range w.queue {
		if d.at.After(w.now) {
			continue
		}
		for _, p := range w.places {
			if p.kind == d.kind && p.busy == nil {
				due = append(due, i)
				break
			}
		}
	}
	if len(due) == 0 {
		return false
	}
	i := due[w.rng.IntN(len(due))]
	d := w.queue[i]
	w.queue = append(w.queue[:i], w.queue[i+1:]...)
	var free []*place
	for _, p := range w.places {
		if p.kind == d.kind && p.busy == nil {
			free = append(free, p)
		}
	}
	p := free[w.rng.IntN(len(free))]
	if w.chance(w.weather.jump) {
		p.skew = time.Duration(w.rng.Int64N(int64(2*time.Hour))) - time.Hour
		w.log("%s: the clock is off by %s", p.name, p.skew.Round(time.Second))
	}
	ctx, cancel := context.WithCancel(context.Background())
	f := &flight{w: w, place: p, event: d.event, tries: d.tries, cancel: cancel, began: w.now}
	p.busy = f
	w.flights = append(w.flights, f)
	w.log("%s: takes %s (try %d)", p.name, d.event.ID(), d.tries+1)
	clock := func() time.Time {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.now.Add(p.skew)
	}
	go func() {
		f.err = f.handle(ctx, clock)
		w.done <- f
	}()
	w.settle(f)
	return true
}

// handle is a process that takes one event.
func (f *flight) handle(ctx context.Context, clock func() time.Time) error {
	store, quiet := job.Store{Bucket: f.bucket()}, slog.New(slog.DiscardHandler)
	switch f.place.kind {
	case "compute":
		sources := sources.Files{Bucket: store.Bucket}
		s := &compute.Service{Store: store, Events: eventing.PublisherFunc(f.Publish), Threads: 1, Now: clock, Log: quiet, Version: "chaos", Watch: time.Hour, AtOnce: 1, AssembleWithin: f.w.mapsWithin, Climate: sources.Open, Drainage: f.w.drainage}
		return s.Handle(ctx, f.event)
	case "cleanup":
		s := &cleanup.Service{Store: store, Events: eventing.PublisherFunc(f.Publish), Now: clock, Log: quiet, Policy: cleanup.DefaultPolicy(), AtOnce: 1}
		if f.event.Type() == eventing.PingTick {
			return s.Handle(ctx, f.event)
		}
		return s.DeadLetter(ctx, f.event)
	}
	return f.client(ctx, store, clock)
}

// settle waits until a flight waits for a fate or has landed.
func (w *world) settle(f *flight) {
	patience := time.Minute
	if len(f.wait) > 0 {
		patience = 2 * time.Millisecond // it may wait for its other calls
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for {
		select {
		case c := <-w.calls:
			if c.flight.dead {
				c.reply <- dieBefore
				continue
			}
			c.flight.wait = append(c.flight.wait, c)
			if c.flight == f {
				return
			}
		case l := <-w.done:
			w.land(l)
			if l == f {
				return
			}
		case <-timer.C:
			if len(f.wait) == 0 {
				w.t.Fatalf("seed %d: %s is stuck on %s after step %d", w.seed, f.place.name, f.event.ID(), w.steps)
			}
			return
		}
	}
}

// land does what a broker does with the outcome of a delivery.
func (w *world) land(f *flight) {
	f.cancel()
	f.place.busy = nil
	for i := range w.flights {
		if w.flights[i] == f {
			w.flights = append(w.flights[:i], w.flights[i+1:]...)
			break
		}
	}
	switch {
	case f.dead:
		w.log("%s: dead; %s comes again", f.place.name, f.event.ID())
		f.place.skew = 0
	case f.err == nil:
		w.log("%s: done with %s", f.place.name, f.event.ID())
		return
	default:
		w.log("%s: %s: %v", f.place.name, f.event.ID(), f.err)
	}
	const retries = 5
	reason := "the process died"
	if !f.dead {
		reason = f.err.Error()
	}
	switch {
	case f.place.kind == "client", f.event.Type() == eventing.PingTick:
		return // a client tries again by itself, a tick comes again
	case f.dead && w.fatal != nil:
		w.log("lost: %s", f.event.ID())
	case f.tries < retries && !eventing.IsRejected(f.err):
		w.send(f.place.kind, f.event, 100*time.Millisecond<<f.tries, f.tries+1)
	case f.place.kind == "compute":
		code := 503
		if eventing.IsRejected(f.err) {
			code = 400
		}
		w.log("dead letter: %s: %s", f.event.ID(), reason)
		w.send("cleanup", eventing.WithFailure(f.event, eventing.Failure{Dest: "compute", Code: code, Reason: reason}), 0, 0)
	}
}

// step gives one waiting call its fate, lets an event be taken, or lets time pass.
func (w *world) step() {
	w.steps++
	var waiting []*flight
	for _, f := range w.flights {
		if len(f.wait) > 0 {
			waiting = append(waiting, f)
		}
	}
	if len(waiting) == 0 || w.rng.IntN(4) == 0 {
		if w.start() {
			return
		}
	}
	if len(waiting) == 0 {
		w.pass()
		return
	}
	f := waiting[w.rng.IntN(len(waiting))]
	i := w.rng.IntN(len(f.wait))
	c := f.wait[i]
	f.wait = append(f.wait[:i], f.wait[i+1:]...)
	took := time.Duration(1+w.rng.IntN(50)) * time.Millisecond
	if w.chance(w.weather.slow) {
		took = time.Duration(w.rng.IntN(60000)) * time.Millisecond
	}
	w.advance(took)
	what := w.fate(c)
	if what != proceed {
		w.log("%s: %s %s: %s", f.place.name, c.op, c.key, [...]string{"", "fails", "fails after it took effect", "disk full", "dies before", "dies after"}[what])
	}
	if what == dieBefore || what == dieAfter {
		w.kills++
		f.dead = true
		f.cancel()
		for _, other := range f.wait {
			other.reply <- dieBefore
		}
		f.wait = nil
	}
	c.reply <- what
	w.settle(f)
	for f.dead && f.place.busy == f { // the rest of it has no effect
		w.settle(f)
	}
}

func (w *world) fate(c *call) fate {
	if w.fatal != nil {
		if w.kills == 0 && w.fatal(c) {
			return w.killed
		}
		return proceed
	}
	if w.killAt > 0 {
		if w.steps >= w.killAt && w.kills == 0 {
			return w.killed
		}
		return proceed
	}
	if w.full > 0 {
		w.full--
		if c.op == faultbucket.Commit {
			return diskFull
		}
	}
	half := func(a, b fate) fate {
		if w.rng.IntN(2) == 0 {
			return a
		}
		return b
	}
	switch {
	case w.chance(w.weather.kill):
		return half(dieBefore, dieAfter)
	case w.chance(w.weather.fail):
		return half(failBefore, failAfter)
	}
	return proceed
}

// pass lets time go to the next thing that happens.
func (w *world) pass() {
	next := w.tick
	for _, d := range w.queue {
		if d.at.Before(next) {
			next = d.at
		}
	}
	if next.After(w.now) {
		w.advance(next.Sub(w.now))
	} else {
		w.advance(time.Second)
	}
}

func (w *world) advance(d time.Duration) {
	w.mu.Lock()
	w.now = w.now.Add(d)
	w.mu.Unlock()
	if !w.now.Before(w.tick) {
		w.tick = w.tick.Add(5 * time.Minute)
		w.send("cleanup", eventing.NewTick("/chaos", eventing.TaskResume, w.now), 0, 0)
	}
}

// ids of jobs, sorted.
func sorted[V any](m map[string]V) []string {
	var list []string
	for k := range m {
		list = append(list, k)
	}
	sort.Strings(list)
	return list
}
