package geotiff

import (
	"context"
	"math"
	"runtime/debug"
	"sync"

	"golang.org/x/sync/semaphore"
)

const (
	// wholeBytes is the largest block that is always decoded at once, decoded; larger ones are streamed where their compression
	// allows that. It is also about how much of a block that is streamed, or not compressed, is in memory at a time. Strips
	// as wide as the raster and as high, which some programs write, may have gigabytes.
	wholeBytes = 4 << 20
	// usualBudget is for a process without a memory limit.
	usualBudget = 1 << 30
	// memoryShare is the part of the memory limit that blocks may take, as a divisor.
	memoryShare = 3
)

// budget bounds the memory that is taken by blocks while they are decoded.
type budget struct {
	size int64
	free *semaphore.Weighted
}

func newBudget(size int64) *budget { return &budget{size, semaphore.NewWeighted(size)} }

// decoding is the budget of the process, whatever files it reads.
var decoding = sync.OnceValue(func() *budget {
	limit := debug.SetMemoryLimit(-1) // which only reads it
	if limit == math.MaxInt64 {
		return newBudget(usualBudget)
	}
	return newBudget(max(limit/memoryShare, 4*wholeBytes))
})

// take waits until n bytes are free, and returns how they are given back. A goroutine that has taken some must not take
// more: two might wait for each other.
func (b *budget) take(ctx context.Context, n int64) (release func(), err error) {
	if err := b.free.Acquire(ctx, n); err != nil {
		return nil, err
	}
	return func() { b.free.Release(n) }, nil
}
