package tile

import (
	"math"
	"math/rand/v2"
	"testing"
)

// TestSplitLosesNothing: three float32 hold the sum of twelve, and any float64 of
// usual size.
func TestSplitLosesNothing(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 1))
	for range 100000 {
		v := math.Exp(40*random.Float64() - 20)
		if s := split(v); float64(s[0])+float64(s[1])+float64(s[2]) != v {
			t.Fatalf("%v is split into %v", v, s)
		}
	}
	for _, v := range []float64{0, 1, math.Pi, math.NaN()} {
		s := split(v)
		if sum := float64(s[0]) + float64(s[1]) + float64(s[2]); math.Float64bits(sum) != math.Float64bits(v) && !math.IsNaN(v) || math.IsNaN(v) != math.IsNaN(sum) {
			t.Errorf("%v is split into %v", v, s)
		}
	}
}
