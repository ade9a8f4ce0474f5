// Package broker delivers events between handlers of one process under the contract of a Knative broker.
package broker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"

	"github.com/cyverse-gis/eemt/eventing"
	"github.com/cyverse-gis/eemt/shared/retry"
)

// Errors of Publish, Wait, Run and Close.
var (
	ErrFull      = errors.New("broker queue is full: retry when deliveries have caught up")
	ErrClosed    = errors.New("broker is closed")
	ErrAbandoned = errors.New("deliveries abandoned")
)

// Options of a broker. The zero value is ready to use.
type Options struct {
	// Retries is how often a delivery that met a passing fault is repeated: 0 means 5, negative means never.
	Retries int
	// Backoff is how long to wait before repetition n = 1, 2, ...; nil means 100 ms doubling up to 30 s.
	// A waiting event takes no worker from others.
	Backoff func(n int) time.Duration
	// DeadLetter gets each event that was rejected or ran out of retries, with an eventing.Failure on it,
	// one at a time and retried like any other delivery. Nil means that such events are only logged.
	DeadLetter eventing.Handler
	// Duplicates is how many extra times every event is delivered, to prove that handlers bear it.
	Duplicates int
	// Queue bounds the deliveries outstanding at a time (queued, running or waiting): 0 means 100 000.
	Queue int
	// Grace is how long Run lets running deliveries finish after its context ends: 0 means that their
	// contexts end at once.
	Grace time.Duration
	// Abandon is how long Close and Run wait for handlers whose context they ended: 0 means 2 s.
	Abandon time.Duration
	// Pick chooses which of n queued deliveries goes next, 0 to n-1; nil means the oldest.
	Pick func(n int) int
	// Logger gets retries and dead letters; nil means none.
	Logger *slog.Logger
	// Sleep waits for d or until ctx ends; nil means a timer.
	Sleep func(ctx context.Context, d time.Duration) error
}

// Broker holds events until every subscriber took them. It keeps them in memory only: what is lost when the
// process ends is published again by cleanup. Its methods are safe for concurrent use.
type Broker struct {
	opts   Options
	ctx    context.Context // of deliveries
	cancel context.CancelFunc

	mu          sync.Mutex
	subs        []*subscription
	dead        *subscription
	outstanding int
	running     int
	started     bool
	closed      bool
	changed     chan struct{} // closed and replaced whenever outstanding or running reaches 0, or on Close
}

type subscription struct {
	name    string
	types   map[string]bool // nil takes every type
	workers int
	running int
	handle  eventing.Handler
	queue   queue
}

type delivery struct {
	event event.Event
	tries int
}

// New returns a broker that queues what is published and delivers it from Start or Run on.
func New(opts Options) *Broker {
	if opts.Retries == 0 {
		opts.Retries = 5
	}
	if opts.Backoff == nil {
		pause := retry.Doubling(100*time.Millisecond, 30*time.Second)
		opts.Backoff = func(n int) time.Duration { return pause(n + 1) }
	}
	if opts.Queue <= 0 {
		opts.Queue = 100_000
	}
	if opts.Abandon <= 0 {
		opts.Abandon = 2 * time.Second
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	if opts.Sleep == nil {
		opts.Sleep = retry.Sleep
	}
	b := &Broker{opts: opts, changed: make(chan struct{})}
	b.ctx, b.cancel = context.WithCancel(context.Background())
	if opts.DeadLetter != nil {
		b.dead = &subscription{name: "dead-letter", workers: 1, handle: opts.DeadLetter}
	}
	return b
}

// Subscribe delivers events of the given types (all if none are given) published from now on to h, at most
// concurrency (at least 1) at a time. Name identifies the subscriber in logs and failures. A nil h panics.
func (b *Broker) Subscribe(name string, types []string, concurrency int, h eventing.Handler) {
	if h == nil {
		panic("broker: subscriber " + name + " has no handler")
	}
	s := &subscription{name: name, workers: max(concurrency, 1), handle: h}
	if len(types) > 0 {
		s.types = make(map[string]bool, len(types))
		for _, t := range types {
			s.types[t] = true
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.subs = append(b.subs, s)
}

// Publish queues e for every subscriber of its type and returns without waiting, also from inside a handler.
// It queues for all or for none. It returns ErrFull when the queue cannot take it, ErrClosed after Close,
// and a rejection if e is not a valid event. An event that nobody subscribed to is dropped.
func (b *Broker) Publish(ctx context.Context, e event.Event) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := e.Validate(); err != nil {
		return eventing.Reject(fmt.Errorf("event %q: %w", e.ID(), err))
	}
	copies := 1 + max(b.opts.Duplicates, 0)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return ErrClosed
	}
	var takers []*subscription
	for _, s := range b.subs {
		if s.types == nil || s.types[e.Type()] {
			takers = append(takers, s)
		}
	}
	n := len(takers) * copies
	if n > b.opts.Queue-b.outstanding {
		return fmt.Errorf("event %q: %d deliveries outstanding of at most %d: %w", e.ID(), b.outstanding, b.opts.Queue, ErrFull)
	}
	b.outstanding += n
	for _, s := range takers {
		for range copies {
			// Handlers may change what they get, so none shares an event with another.
			s.queue.push(delivery{event: e.Clone()})
		}
		b.dispatch(s)
	}
	return nil
}

// Start begins to deliver. Further calls do nothing.
func (b *Broker) Start() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.started = true
	for _, s := range b.all() {
		b.dispatch(s)
	}
}

// Run delivers until ctx ends, then closes the broker, giving running deliveries Options.Grace to finish.
// It returns what Close does.
func (b *Broker) Run(ctx context.Context) error {
	b.Start()
	<-ctx.Done()
	grace, cancel := context.WithTimeout(context.Background(), b.opts.Grace)
	defer cancel()
	return b.Close(grace)
}

// Close stops new deliveries, lets running ones finish until ctx ends, then ends their contexts and waits
// up to Options.Abandon for them. Publish returns ErrClosed from the start of Close on. Close returns an
// error wrapping ErrAbandoned that counts the deliveries which did not run or did not return.
func (b *Broker) Close(ctx context.Context) error {
	b.mu.Lock()
	b.closed = true
	b.signal()
	b.mu.Unlock()
	defer b.cancel()
	if !b.quiet(ctx) {
		b.cancel()
		last, cancel := context.WithTimeout(context.Background(), b.opts.Abandon)
		defer cancel()
		b.quiet(last)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.outstanding > 0 {
		return fmt.Errorf("%d %w, of which %d still run", b.outstanding, ErrAbandoned, b.running)
	}
	return nil
}

// quiet waits until no delivery runs; it reports false if ctx ends first.
func (b *Broker) quiet(ctx context.Context) bool {
	for {
		b.mu.Lock()
		running, changed := b.running, b.changed
		b.mu.Unlock()
		if running == 0 {
			return true
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return false
		}
	}
}

// Wait returns nil as soon as nothing is queued, running or waiting to be repeated, ErrClosed if the broker
// is closed before that, or the error of ctx.
func (b *Broker) Wait(ctx context.Context) error {
	for {
		b.mu.Lock()
		outstanding, closed, changed := b.outstanding, b.closed, b.changed
		b.mu.Unlock()
		if outstanding == 0 {
			return nil
		}
		if closed {
			return ErrClosed
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Idle reports whether nothing is queued, running or waiting to be repeated.
func (b *Broker) Idle() bool { return b.Outstanding() == 0 }

// Outstanding counts the deliveries that are queued, running or waiting to be repeated.
func (b *Broker) Outstanding() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.outstanding
}

func (b *Broker) all() []*subscription {
	if b.dead == nil {
		return b.subs
	}
	return append(b.subs[:len(b.subs):len(b.subs)], b.dead)
}

// signal wakes Wait and Close; b.mu is held.
func (b *Broker) signal() {
	close(b.changed)
	b.changed = make(chan struct{})
}

// dispatch starts deliveries while s has both events and free workers; b.mu is held.
func (b *Broker) dispatch(s *subscription) {
	for b.started && !b.closed && s.running < s.workers && s.queue.len() > 0 {
		d := s.queue.pop(b.opts.Pick)
		s.running++
		b.running++
		go b.deliver(s, d)
	}
}

func (b *Broker) deliver(s *subscription, d delivery) {
	// Set before the call so that a handler that ends its goroutine counts as failed.
	err := errors.New("handler did not return")
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("handler panicked: %v", p)
			b.opts.Logger.Error("handler panicked", "subscriber", s.name, "event", d.event.ID(), "panic", p, "stack", string(debug.Stack()))
		}
		b.settle(s, d, err)
	}()
	err = s.handle(b.ctx, d.event.Clone())
}

// settle does what the outcome of a delivery asks for.
func (b *Broker) settle(s *subscription, d delivery, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s.running--
	b.running--
	log := b.opts.Logger.With("subscriber", s.name, "event", d.event.ID(), "type", d.event.Type(), "subject", d.event.Subject())
	d.tries++
	switch {
	case err == nil:
		b.outstanding--
	case !eventing.IsRejected(err) && d.tries <= b.opts.Retries:
		if b.closed {
			break // stays outstanding: Close counts it as abandoned
		}
		wait := b.opts.Backoff(d.tries)
		log.Warn("delivery failed, will repeat", "try", d.tries, "wait", wait, "error", err)
		go b.repeat(s, d, wait)
	case s == b.dead:
		log.Error("dead letter lost", "tries", d.tries, "error", err)
		b.outstanding--
	case b.dead == nil:
		log.Error("event dropped", "tries", d.tries, "error", err)
		b.outstanding--
	default:
		log.Error("event dead-lettered", "tries", d.tries, "error", err)
		code := 503
		if eventing.IsRejected(err) {
			code = 400
		}
		dead := eventing.WithFailure(d.event, eventing.Failure{Dest: s.name, Code: code, Reason: err.Error()})
		// It takes over the place of the delivery it replaces, so the bound holds.
		b.dead.queue.push(delivery{event: dead})
		b.dispatch(b.dead)
	}
	b.dispatch(s)
	if b.outstanding == 0 || b.running == 0 {
		b.signal()
	}
}

func (b *Broker) repeat(s *subscription, d delivery, wait time.Duration) {
	if err := b.opts.Sleep(b.ctx, wait); err != nil {
		return // closed: stays outstanding
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	s.queue.push(d)
	b.dispatch(s)
}
