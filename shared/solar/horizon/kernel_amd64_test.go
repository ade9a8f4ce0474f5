package horizon

import (
	"math/rand/v2"
	"testing"

	"golang.org/x/sys/cpu"
)

// The assembly against the loop in Go, to the last bit: 300 steps of a strip
// over rough ground with holes, some lines outside the terrain.
func TestKernelAgrees(t *testing.T) {
	if !cpu.X86.HasAVX2 {
		t.Skip("the processor has no AVX2")
	}
	const steps, width = 300, strip + 2*margin
	random := rand.New(rand.NewPCG(3, 4))
	cells := make([]float32, (steps+2*margin)*width)
	for i := range cells {
		cells[i] = hole
		if r := i / width; r >= margin && r < steps+margin && random.IntN(50) > 0 {
			cells[i] = float32(1000 + 300*random.NormFloat64()*random.Float64()*float64(i%7))
		}
	}
	looks := []nearLook{{-width, 0.1, 1e-6}, {-2*width + 1, 0.05, 2e-6}, {-5*width + 3, 0.02, 5e-6}}
	type state struct {
		heights []float32
		steps   []int32
		depth   [strip]int32
		codes   [strip]Code
	}
	newState := func() *state {
		return &state{heights: make([]float32, (steps+1)*strip), steps: make([]int32, (steps+1)*strip)}
	}
	a, b := newState(), newState()
	seen := 0
	for m := range steps {
		g := front{
			row: &cells[(m+margin)*width+margin], looks: &looks[0], count: len(looks),
			first: 8 * random.IntN(3), end: strip - 8*random.IntN(3), here: int32(m), inverse: 0.1, drop: 1e-6,
		}
		for _, s := range []*state{a, b} {
			g.heights, g.steps, g.depth, g.out = &s.heights[0], &s.steps[0], &s.depth[0], &s.codes[0]
			if m%9 == 8 {
				g.out = nil
			}
			if s == a {
				advance(&g)
			} else {
				advanceGo(&g)
			}
		}
		if a.codes != b.codes || a.depth != b.depth {
			t.Fatalf("step %d: horizons %v, want %v; corners %v, want %v", m, a.codes, b.codes, a.depth, b.depth)
		}
		for _, c := range a.codes {
			if c > 0 {
				seen++
			}
		}
	}
	if seen < steps*strip/4 {
		t.Errorf("only %d horizons stand above the level", seen)
	}
}
