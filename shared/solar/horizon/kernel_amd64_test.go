package horizon

import (
	"math"
	"math/rand/v2"
	"testing"

	"golang.org/x/sys/cpu"

	"github.com/cyverse-gis/eemt/shared/raster"
)

// The assembly against the loops in Go, to the last bit: 300 steps of a strip
// over ground that is rough in part, with holes, some lines outside the terrain.
func TestKernelsAgree(t *testing.T) {
	if !cpu.X86.HasAVX2 {
		t.Skip("the processor has no AVX2")
	}
	const steps, width = 300, strip + 2*margin
	random := rand.New(rand.NewPCG(3, 4))
	cells, rough := make([]float32, (steps+2*margin)*width), make([]uint8, (steps+2*margin)*width)
	for i := range cells {
		cells[i] = hole
		if r := i / width; r >= margin && r < steps+margin && random.IntN(50) > 0 {
			cells[i] = float32(1000 + 300*random.NormFloat64()*random.Float64()*float64(i%7))
		}
		switch i / 40 % 4 {
		case 1:
			rough[i] = 255
		case 2:
			rough[i] = uint8(random.IntN(256))
		}
	}
	rays := []raySample{
		{nearer: [2]int{0, -width}, farther: [2]int{1, -width + 1}, part: 0.4, inverse: 0.2, drop: 5e-7},
		{nearer: [2]int{-width + 1, -width + 1}, farther: [2]int{-width, -width}, part: 0.2, inverse: 0.1, drop: 1e-6},
		{nearer: [2]int{-5*width + 3, 0}, farther: [2]int{-5*width + 2, 0}, part: 0.5, inverse: 0.02, drop: 5e-6},
	}
	cellSamples := []cellSample{{-width, 0.1, 1e-6}, {-2*width + 1, 0.05, 2e-6}, {-5*width + 3, 0.02, 5e-6}}
	type state struct {
		hulls []vertex
		lines lines
		codes [strip]Code
	}
	a, b := &state{hulls: make([]vertex, (steps+1)*strip)}, &state{hulls: make([]vertex, (steps+1)*strip)}
	seen, far := 0, 0
	for m := range steps {
		at := (m+margin)*width + margin
		g := lineStep{
			nearer: &cells[at], farther: &cells[at+m%2], rough: &rough[at], row: &cells[at],
			raySamples: &rays[0], halves: m % 2, wholes: 3 - m%2, cellSamples: &cellSamples[0], count: m % 4,
			here: float32(m), part: 0.1 * float32(m%6), inverse: 0.1, drop: 1e-6, before: 0.3, after: 0.7, near: 6, inCore: uint32(m % 5),
		}
		first, end := 8*random.IntN(3), strip-8*random.IntN(3)
		for _, s := range []*state{a, b} {
			g.hulls, g.capacity, g.lines, g.out = &s.hulls[0], len(s.hulls), &s.lines, &s.codes[0]
			g.first, g.end = first, end
			if s == a {
				advance(&g)
			} else {
				advanceGo(&g)
			}
			g.first, g.end = 16, strip-16
			if s == a {
				see(&g)
			} else {
				seeGo(&g)
			}
		}
		if a.lines.depth != b.lines.depth || a.lines.inverse != b.lines.inverse {
			t.Fatalf("step %d: corners %v, want %v; inverse distances %v, want %v", m, a.lines.depth, b.lines.depth, a.lines.inverse, b.lines.inverse)
		}
		if a.codes != b.codes {
			t.Fatalf("step %d: horizons %v, want %v", m, a.codes, b.codes)
		}
		for l, c := range a.codes {
			if c > 0 {
				seen++
			}
			if a.lines.inverse[l] > 0 {
				far++
			}
		}
	}
	if seen < steps*strip/4 || far < steps*strip/4 {
		t.Errorf("only %d horizons stand above the level, %d corners are far", seen, far)
	}
}

// Whole sweeps, lines of which begin with far terrain, with the assembly and without.
func TestSweepsAgreeWithoutAVX2(t *testing.T) {
	if !cpu.X86.HasAVX2 {
		t.Skip("the processor has no AVX2")
	}
	defer func() { cpu.X86.HasAVX2 = true }()
	block := raster.Window{Col: 128, Row: 160, Width: 64, Height: 64}
	g := basin(320, 320, 400, block.Grow(64))
	for i := range g.Cells {
		if i%97 == 0 {
			g.Cells[i] = math.NaN()
		}
	}
	f := far(g, block, 64, 2, 10, 13)
	for a := range 12 {
		az := (float64(a)*30 + 1.3) * deg
		cpu.X86.HasAVX2 = true
		want := split(g, f, 64, block, az)
		cpu.X86.HasAVX2 = false
		for i, h := range split(g, f, 64, block, az) {
			if h != want[i] {
				t.Fatalf("azimuth %.1f, cell %d: tangent %g without AVX2, %g with it", az/deg, i, h, want[i])
			}
		}
	}
}
