// Package slots bounds how many requests do what takes much memory at a time.
package slots

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/cyverse-gis/eemt/functions/submission/problem"
)

// patience is how long a request waits for its turn.
const patience = 5 * time.Second

// Slots are places for requests at work.
type Slots struct {
	what string
	n    int
	free *semaphore.Weighted
}

// New returns n places for what is called so in answers, in the plural.
func New(n int, what string) *Slots { return &Slots{what, n, semaphore.NewWeighted(int64(n))} }

// Take waits some seconds for a place, and returns how it is given back. If none becomes free its error is a *problem.Busy.
func (s *Slots) Take(ctx context.Context) (release func(), err error) {
	within, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	switch err := s.free.Acquire(within, 1); {
	case err == nil:
		return func() { s.free.Release(1) }, nil
	case ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded):
		return nil, err
	}
	return nil, &problem.Busy{After: patience, Sentence: fmt.Sprintf("%d %s go on at present, which is all there may be at a time; try again", s.n, s.what)}
}
