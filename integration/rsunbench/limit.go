//go:build unix

package main

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"sync"
	"time"

	"github.com/cyverse-gis/eemt/shared/solar"
)

// limits compares the engine with how fast the machine moves bytes and does
// arithmetic (a roofline).
func limits(out io.Writer, side int) error {
	s, err := surface("", side)
	if err != nil {
		return err
	}
	cores := runtime.NumCPU()
	work, err := solar.TakeCensus(context.Background(), s, solar.DefaultParameters(), cores)
	if err != nil {
		return err
	}
	took, err := year(s, side, cores)
	if err != nil {
		return err
	}
	cells := float64(side) * float64(side)
	bytes, flops := bandwidth(cores), arithmetic(cores)
	_, _ = fmt.Fprintf(out, "%d x %d cells, a year in steps of 15 minutes, %d cores\n\n", side, side, cores)
	_, _ = fmt.Fprintf(out, "a cell and month: %.0f bytes moved, %.0f operations of single precision\n", work.Bytes/12, work.Flops/12)
	_, _ = fmt.Fprintf(out, "a cell and year:  %.0f horizons, %.0f places of the sun tested, %.0f sums added\n\n", work.Azimuths, work.Suns, work.Places)
	_, _ = fmt.Fprintf(out, "memory            %8.1f GB/s of %.1f GB/s, %.1f times the time that memory needs\n", work.Bytes*cells/took.wall/1e9, bytes/1e9, took.wall*bytes/(work.Bytes*cells))
	if flops == 0 {
		_, _ = fmt.Fprintf(out, "arithmetic        %8.1f Gflop/s; the peak is not measured on this processor\n", work.Flops*cells/took.wall/1e9)
		return nil
	}
	_, _ = fmt.Fprintf(out, "arithmetic        %8.1f Gflop/s of %.1f Gflop/s fused, %.1f times the time that arithmetic needs\n", work.Flops*cells/took.wall/1e9, flops/1e9, took.wall*flops/(work.Flops*cells))
	return nil
}

// together runs work in n goroutines and returns the seconds until all are done.
func together(n int, work func(i int)) float64 {
	var wg sync.WaitGroup
	begun := time.Now()
	for i := range n {
		wg.Go(func() { work(i) })
	}
	wg.Wait()
	return time.Since(begun).Seconds()
}

// bandwidth measures bytes per second of a sum of two arrays into a third, all
// far larger than caches, counting the third twice: it is read before it is written.
func bandwidth(cores int) float64 {
	const n = 32 << 20
	a, b, c := make([]float32, n), make([]float32, n), make([]float32, n)
	for i := range a {
		a[i], b[i] = float32(i), float32(-i)
	}
	best := 0.0
	for range 5 {
		seconds := together(cores, func(i int) {
			from, to := n*i/cores, n*(i+1)/cores
			x, y, z := a[from:to], b[from:to], c[from:to]
			for k := range x {
				z[k] = x[k] + y[k]
			}
		})
		best = max(best, 4*4*n/seconds)
	}
	return best
}

// arithmetic measures floating-point operations per second; 0 where it cannot.
func arithmetic(cores int) float64 {
	const rounds = 20_000_000
	best := 0.0
	for range 3 {
		if !fuse(1) {
			return 0
		}
		seconds := together(cores, func(int) { fuse(rounds) })
		best = max(best, float64(cores)*rounds*roundFlops/seconds)
	}
	return best
}
