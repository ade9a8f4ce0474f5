package solar

import (
	"context"
	"sync"

	"github.com/sourcegraph/conc"
)

// eachBlock calls work for every block 0..n-1 from up to threads goroutines,
// each with its own worker number, until ctx ends. done, when not nil, is called
// with the number of finished blocks, in rising order. A panic of work is passed on to the caller.
func eachBlock(ctx context.Context, n, threads int, work func(worker, block int), done func(finished int)) error {
	threads = max(1, min(threads, n))
	var (
		mu             sync.Mutex
		next, finished int
		wg             conc.WaitGroup
	)
	tell := func() {
		mu.Lock()
		defer mu.Unlock()
		finished++
		if done != nil {
			done(finished)
		}
	}
	for worker := range threads {
		wg.Go(func() {
			for ctx.Err() == nil {
				mu.Lock()
				block := next
				next++
				mu.Unlock()
				if block >= n {
					return
				}
				work(worker, block)
				tell()
			}
		})
	}
	wg.Wait()
	return ctx.Err()
}
