package compute

import (
	"context"
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// tellEvery is how often a tile in work tells how far it is. A tile that takes less writes nothing.
const tellEvery = 3 * time.Second

// share is how much of a tile is done, 0 to 1. Threads may set it while another tells of it.
type share struct{ bits atomic.Uint64 }

func (s *share) set(f float64) { s.bits.Store(math.Float64bits(f)) }
func (s *share) get() float64  { return math.Float64frombits(s.bits.Load()) }

// tell notes in the bucket how far a tile is, now and then, until stop is called. Who asks for the job sees it there,
// whatever process has the tile in work.
func (p *piece) tell(ctx context.Context, task string) (stop func()) {
	every := p.Tell
	if every <= 0 {
		every = tellEvery
	}
	ctx, end := context.WithCancel(ctx)
	var wait sync.WaitGroup
	told := false
	wait.Go(func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for last := 0.0; ; {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			if now := p.share.get(); now != last {
				last, told = now, true
				if err := p.Store.WriteWorking(ctx, p.request.ID, task, now, p.Now()); err != nil && ctx.Err() == nil {
					p.log.Debug("how far a tile is was not told", "task", task, "error", err)
				}
			}
		}
	})
	return func() {
		end()
		wait.Wait()
		if !told {
			return
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settling)
		defer cancel()
		if err := p.Store.DropWorking(ctx, p.request.ID, task); err != nil {
			p.log.Debug("the note of how far a tile is stays", "task", task, "error", err)
		}
	}
}
