package solar

import (
	"math"
	"math/rand/v2"
	"testing"

	"golang.org/x/sys/cpu"

	"github.com/cyverse-gis/eemt/shared/solar/horizon"
)

// The assembly against the loops in Go, to the last bit.
func TestKernelsAgree(t *testing.T) {
	if !cpu.X86.HasAVX2 {
		t.Skip("the processor has no AVX2")
	}
	random := rand.New(rand.NewPCG(1, 2))
	t.Run("raise", func(t *testing.T) {
		var a, b block
		codes := make([]horizon.Code, 40*azimuths)
		for i := range codes {
			codes[i] = horizon.Code(random.IntN(65536))
		}
		bearings := make([]bearing, 77)
		for i := range bearings {
			sin, cos := math.Sincos(float64(i) * spacing)
			bearings[i] = bearing{at: uint32((i + 20) * lanes * 4), sin: float32(sin), cos: float32(cos)}
			if i < 50 {
				bearings[i].morning = math.MaxUint32
			}
			if i > 30 {
				bearings[i].evening = math.MaxUint32
			}
		}
		for c := range lanes {
			a.east[c], a.north[c] = float32(random.NormFloat64()), float32(random.NormFloat64())
		}
		b.east, b.north = a.east, a.north
		raise(&a, &codes[5], 37, &bearings[0], len(bearings))
		raiseGo(&b, &codes[5], 37, &bearings[0], len(bearings))
		if a.horizons != b.horizons || a.before != b.before || a.after != b.after {
			t.Errorf("before %v, want %v; after %v, want %v", a.before, b.before, a.after, b.after)
		}
	})
	t.Run("shine", func(t *testing.T) {
		var b block
		for i := range b.horizons {
			b.horizons[i] = random.Float32()
		}
		for c := range lanes {
			b.east[c], b.north[c] = float32(random.NormFloat64()), float32(random.NormFloat64())
		}
		suns := make([]sunPosition, 32)
		for k := range suns {
			sin, cos := math.Sincos(random.Float64() * 7)
			suns[k] = sunPosition{
				tan: random.Float32()*1.5 - 0.2, sin: float32(sin), cos: float32(cos), part: random.Float32(),
				at: uint32(random.IntN(azimuths)) * lanes * 4, bit: 1 << k,
			}
		}
		for first := range 31 {
			got, want := [lanes]uint32{3: 1 << 31}, [lanes]uint32{3: 1 << 31}
			shine(&got, &b, &suns[first], 32-first)
			shineGo(&want, &b, &suns[first], 32-first)
			if got != want {
				t.Errorf("from %d: %x, want %x", first, got, want)
			}
		}
	})
	t.Run("gather", func(t *testing.T) {
		var c corners
		for k := range c.tables {
			c.tables[k] = &table{cells: make([]sums, 100)}
			for i := range c.tables[k].cells {
				for j := range terms {
					c.tables[k].cells[i][j] = float32(random.NormFloat64())
				}
			}
			c.weights[k] = random.Float32()
		}
		places := func(n int) []int32 {
			out := make([]int32, n)
			for i := range out {
				out[i] = int32(random.IntN(100))
			}
			return out
		}
		for n := range 20 {
			plus, minus := places(n), places(n*7%5)
			var got, want sums
			gather(&got, &c, plus, minus)
			gatherGo(&want, &c, plus, minus)
			if got != want {
				t.Errorf("%d and %d places: %v, want %v", len(plus), len(minus), got, want)
			}
		}
	})
}
