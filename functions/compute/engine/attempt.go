package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sourcegraph/conc/panics"

	"github.com/cyverse-gis/eemt/shared/fault"
	"github.com/cyverse-gis/eemt/shared/job"
)

// DefaultAttempts is how often work on a task may be begun and not finished. It is twice
// what a broker repeats one event, so that a task that kills its process, or that always
// fails, ends its job when it is requested again, not after hours.
const DefaultAttempts = 12

// ErrEnded says that the job ended while work on it went on.
var ErrEnded = errors.New("the job has ended")

// defaultMostTime is how long platforms let an event take that do not say so.
const defaultMostTime = 10 * time.Minute

// settling is how long the note of an attempt may take when the context of its work has ended.
const settling = 5 * time.Second

// attempt does the work of a task and keeps count of it in the bucket: an attempt that dies leaves a note
// that it was begun, one that fails says how. Work that was begun too often, or fails twice for
// a cause that will not pass, ends the job; not while one of those who began it may still
// go on, as when it is requested again and again while it takes long. Work is given up
// when the job ends meanwhile.
func (e *Engine) attempt(ctx context.Context, r *Run, work func(ctx context.Context) error) error {
	most := e.MostAttempts
	if most <= 0 {
		most = DefaultAttempts
	}
	id, task := r.ID(), r.ref()
	n, before, err := e.Store.BeginAttempt(ctx, id, task, e.Now(), most, cmp.Or(e.MostTime, defaultMostTime))
	if errors.Is(err, job.ErrAttempts) {
		return fault.New(fault.Invalid, fmt.Errorf("%s was begun %d times and never finished; %s", task, before.Begun, lastWords(before.Last)))
	}
	if err != nil {
		return err
	}
	err = e.watched(ctx, r, work)
	note, cancel := context.WithTimeout(context.WithoutCancel(ctx), settling)
	defer cancel()
	if err == nil || errors.Is(err, ErrEnded) || fault.Is(err, fault.Invalid) || ctx.Err() != nil {
		if dropped := e.Store.DropAttempt(note, id, task, n); dropped != nil {
			r.Log.Warn("the note of an attempt stays", "task", task, "error", dropped)
		}
		return err
	}
	failure := job.Failure{Cause: err.Error(), Lasting: fault.Is(err, fault.Bug) || e.Lasting(err), At: e.Now().UTC()}
	if noted := e.Store.FailAttempt(note, id, task, n, failure); noted != nil {
		r.Log.Warn("the failure of an attempt is not noted", "task", task, "error", noted)
	}
	if failure.Lasting && before.Last != nil && before.Last.Lasting {
		if before.Last.Cause != failure.Cause { // of several damaged blocks any may be met first
			return fault.New(fault.Invalid, fmt.Errorf("%s failed twice, for reasons that will not pass: %w; before: %s", task, err, before.Last.Cause))
		}
		return fault.New(fault.Invalid, fmt.Errorf("%s failed twice the same way: %w", task, err))
	}
	return err
}

// watched does work that is given up, with ErrEnded, when the job ends meanwhile.
func (e *Engine) watched(ctx context.Context, r *Run, work func(ctx context.Context) error) error {
	ctx, stop := e.watch(ctx, r.ID())
	defer stop()
	defer e.beat(ctx, r)()
	err := Guard(ctx, r.Log, work)
	if errors.Is(context.Cause(ctx), ErrEnded) {
		return ErrEnded
	}
	return err
}

// Guard does work, and turns a panic into an error.
func Guard(ctx context.Context, log *slog.Logger, work func(ctx context.Context) error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			stack := debug.Stack()
			// A panic of a thread comes with where it was met, which differs from time to time.
			for r, ok := v.(*panics.Recovered); ok; r, ok = v.(*panics.Recovered) {
				v, stack = r.Value, r.Stack
			}
			log.Error("work panicked", "panic", v, "stack", string(stack))
			err = fault.New(fault.Bug, fmt.Errorf("the program failed: %v", v))
		}
	}()
	return work(ctx)
}

// Guarded is Guard for work in a goroutine of its own, where a panic would end the process.
func Guarded(ctx context.Context, log *slog.Logger, work func(ctx context.Context) error) func() error {
	return func() error { return Guard(ctx, log, work) }
}

func lastWords(f *job.Failure) string {
	if f == nil {
		return "each time the process died without a word, as when memory runs out"
	}
	return "the last time: " + f.Cause
}

// watch returns a context that ends with the cause ErrEnded when somebody ends the job, and a function that ends the watch.
func (e *Engine) watch(ctx context.Context, id string) (context.Context, func()) {
	every := e.Watch
	if every <= 0 {
		every = 10 * time.Second
	}
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			// A fault of the bucket is no reason to stop: the work itself will meet it.
			if ended, err := e.Store.Ended(ctx, id); err == nil && ended {
				cancel(ErrEnded)
				return
			}
		}
	}()
	return ctx, func() { cancel(context.Canceled) }
}

// Share is how much of a task is done, 0 to 1. Threads may set it while another reads it.
type Share struct{ bits atomic.Uint64 }

// Set notes how much is done.
func (s *Share) Set(f float64) { s.bits.Store(math.Float64bits(f)) }

func (s *Share) get() float64 { return math.Float64frombits(s.bits.Load()) }

// defaultHeartbeat is how often a task in work notes how much of it is done. One that takes less time writes nothing.
const defaultHeartbeat = 3 * time.Second

// beat notes in the bucket how much of a task is done, now and then, until stop is called. Who asks for the job sees it
// there, whatever process has the task in work.
func (e *Engine) beat(ctx context.Context, r *Run) (stop func()) {
	every := e.Heartbeat
	if every <= 0 {
		every = defaultHeartbeat
	}
	ctx, cancel := context.WithCancel(ctx)
	var wait sync.WaitGroup
	noted := false
	wait.Go(func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for last := 0.0; ; {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			if now := r.Share.get(); now != last {
				last, noted = now, true
				if err := e.Store.WriteWorking(ctx, r.ID(), r.Task, now, e.Now()); err != nil && ctx.Err() == nil {
					r.Log.Debug("how much of a task is done was not noted", "task", r.Task, "error", err)
				}
			}
		}
	})
	return func() {
		cancel()
		wait.Wait()
		if !noted {
			return
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settling)
		defer cancel()
		if err := e.Store.DropWorking(ctx, r.ID(), r.Task); err != nil {
			r.Log.Debug("the note of how much of a task is done stays", "task", r.Task, "error", err)
		}
	}
}
