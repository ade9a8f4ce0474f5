package raster_test

import (
	"math"
	"testing"

	"github.com/cyverse-gis/eemt/shared/raster"
)

func TestFinite(t *testing.T) {
	for v, want := range map[float64]bool{
		0: true, -1.5: true, math.MaxFloat64: true, -math.MaxFloat64: true, math.SmallestNonzeroFloat64: true,
		math.Inf(1): false, math.Inf(-1): false,
	} {
		if got := raster.Finite(v); got != want {
			t.Errorf("%g: %t", v, got)
		}
	}
	if raster.Finite(math.NaN()) {
		t.Error("NaN is finite")
	}
}
