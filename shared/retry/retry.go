// Package retry repeats what failed for a passing reason.
package retry

import (
	"context"
	"errors"
	"time"
)

// Sleep waits for d, or until ctx ends: then its error is that of ctx.
func Sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Doubling returns the pause before attempt 2, 3, ...: first, and twice as long each time, at most most.
func Doubling(first, most time.Duration) func(attempt int) time.Duration {
	return func(attempt int) time.Duration {
		d := first
		for n := 2; n < attempt && d < most; n++ {
			d *= 2
		}
		return min(d, most)
	}
}

// Policy says how often something is tried, and with what pauses.
type Policy struct {
	// Attempts is how often in all, 1 or more.
	Attempts int
	// Pause is how long to wait before attempt 2, 3, ...
	Pause func(attempt int) time.Duration
	// Sleep waits for a pause, or until ctx ends; nil means Sleep of this package.
	Sleep func(ctx context.Context, d time.Duration) error
}

// Do calls f with attempt 1, 2, ... until it succeeds, says that another attempt is of no use, all are used up, or ctx
// ends. It returns the error of the last attempt. An error that wraps an After lengthens the pause that follows.
func (p Policy) Do(ctx context.Context, f func(attempt int) (again bool, err error)) error {
	sleep := p.Sleep
	if sleep == nil {
		sleep = Sleep
	}
	for attempt := 1; ; attempt++ {
		again, err := f(attempt)
		if err == nil || !again || attempt >= p.Attempts || ctx.Err() != nil {
			return err
		}
		pause := p.Pause(attempt + 1)
		var later After
		if errors.As(err, &later) {
			pause = max(pause, later.Wait)
		}
		if sleep(ctx, pause) != nil {
			return err
		}
	}
}

// After is an error of somebody who says when another attempt may do better, as HTTP's Retry-After does.
type After struct {
	error
	Wait time.Duration
}

// Later makes an After of an error.
func Later(err error, wait time.Duration) error { return After{err, wait} }

// Unwrap returns the error without its time.
func (a After) Unwrap() error { return a.error }
