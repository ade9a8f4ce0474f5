package compute

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/sourcegraph/conc/panics"
	"gocloud.dev/gcerrors"

	"github.com/cyverse-gis/eemt/shared/geotiff"
	"github.com/cyverse-gis/eemt/shared/job"
)

// DefaultTries is how often work on a task may be begun and not finished. It is twice
// what a broker repeats one event, so that a task that kills its process, or that always
// fails, ends its job when it is asked for again, not after hours.
const DefaultTries = 12

// errEnded says that the job ended while work on it went on.
var errEnded = errors.New("the job has ended")

// defaultMaxEvent is how long platforms let an event take that do not say so.
const defaultMaxEvent = 10 * time.Minute

// settling is how long the note of a try may take when the context of its work has ended.
const settling = 5 * time.Second

// try does a piece of work and keeps count of it in the bucket: what dies leaves a note
// that it was begun, what fails says how. Work that was begun too often, or fails twice for
// a cause that will not pass, ends the job; not while one of those who began it may still
// go on, as when it is asked for again and again while it takes long. Work is given up
// when the job ends meanwhile.
func (p *piece) try(ctx context.Context, task string, work func(ctx context.Context) error) error {
	most := p.MostTries
	if most <= 0 {
		most = DefaultTries
	}
	id := p.request.ID
	n, before, err := p.Store.BeginTry(ctx, id, task, p.Now(), most, cmp.Or(p.Cost.MaxEvent, defaultMaxEvent))
	if errors.Is(err, job.ErrTries) {
		return &badInput{fmt.Errorf("%s was begun %d times and never finished; %s", job.InWords(task), before.Begun, lastWords(before.Last))}
	}
	if err != nil {
		return err
	}
	watched, stop := p.watch(ctx)
	err = p.guard(watched, work)
	if errors.Is(context.Cause(watched), errEnded) {
		err = errEnded
	}
	stop()
	note, cancel := context.WithTimeout(context.WithoutCancel(ctx), settling)
	defer cancel()
	bad := (*badInput)(nil)
	switch {
	case err == nil, errors.Is(err, errEnded), errors.As(err, &bad), ctx.Err() != nil:
		if dropped := p.Store.DropTry(note, id, task, n); dropped != nil {
			p.log.Warn("the note of a try stays", "task", task, "error", dropped)
		}
		return err
	}
	failure := job.Failure{Cause: err.Error(), Lasting: lasting(err), At: p.Now().UTC()}
	if noted := p.Store.FailTry(note, id, task, n, failure); noted != nil {
		p.log.Warn("the failure of a try is not noted", "task", task, "error", noted)
	}
	if failure.Lasting && before.Last != nil && before.Last.Lasting {
		if before.Last.Cause != failure.Cause { // of several damaged blocks any may be met first
			return &badInput{fmt.Errorf("%s failed twice, for reasons that will not pass: %w; before: %s", job.InWords(task), err, before.Last.Cause)}
		}
		return &badInput{fmt.Errorf("%s failed twice the same way: %w", job.InWords(task), err)}
	}
	return err
}

// crash is a panic of the work.
type crash struct{ error }

// guard turns a panic into an error.
func (p *piece) guard(ctx context.Context, work func(ctx context.Context) error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			stack := debug.Stack()
			// A panic of a thread comes with where it was met, which differs from time to time.
			for r, ok := v.(*panics.Recovered); ok; r, ok = v.(*panics.Recovered) {
				v, stack = r.Value, r.Stack
			}
			p.log.Error("work panicked", "panic", v, "stack", string(stack))
			err = crash{fmt.Errorf("the program failed: %v", v)}
		}
	}()
	return work(ctx)
}

// guarded is guard for work in a goroutine of its own, where a panic would end the process.
func (p *piece) guarded(ctx context.Context, work func(ctx context.Context) error) func() error {
	return func() error { return p.guard(ctx, work) }
}

// lasting reports whether an error will be the same next time: a panic, a record or a
// file that holds what nobody wrote, or that is gone. A bucket that is away says so
// otherwise.
func lasting(err error) bool {
	return errors.As(err, new(crash)) || errors.Is(err, job.ErrDamaged) || errors.Is(err, geotiff.ErrDamaged) || errors.Is(err, errNoScratch) || gcerrors.Code(err) == gcerrors.NotFound
}

func lastWords(f *job.Failure) string {
	if f == nil {
		return "each time the process died without a word, as when memory runs out"
	}
	return "the last time: " + f.Cause
}

// watch returns a context that ends with the cause errEnded when somebody ends the job, until
// p.unwatch is called, and a function that ends it.
func (p *piece) watch(ctx context.Context) (context.Context, func()) {
	every := p.Watch
	if every <= 0 {
		every = 10 * time.Second
	}
	ctx, end := context.WithCancelCause(ctx)
	looking, stop := context.WithCancel(ctx)
	var once sync.Once // either the work is given up, or it is watched no longer
	p.unwatch = func() { once.Do(stop) }
	go func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-looking.Done():
				return
			case <-tick.C:
			}
			// A fault of the bucket is no reason to stop: the work itself will meet it.
			if ended, err := p.Store.Ended(looking, p.request.ID); err == nil && ended {
				once.Do(func() { end(errEnded) })
				return
			}
		}
	}()
	return ctx, func() {
		stop()
		end(context.Canceled)
	}
}
