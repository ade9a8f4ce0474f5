package terrain

import (
	"encoding/binary"
	"math"
	"testing"

	"github.com/cyverse-gis/eemt/shared/raster"
)

// FuzzFlow: whatever the elevations are, filling ends, nothing is lowered and no
// area is lost.
func FuzzFlow(f *testing.F) {
	add := func(width uint8, cells ...float64) {
		var b []byte
		for _, v := range cells {
			b = binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
		}
		f.Add(width, b)
	}
	add(3, 5, 5, 5, 5, 1, 5, 5, 5, 4)
	add(4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
	add(2, math.NaN(), 1e308, -1e308, math.Inf(1))
	add(3, 1, 5e-324, 1, 1, 0, 1, 1, -5e-324, 1)
	f.Fuzz(func(t *testing.T, width uint8, b []byte) {
		w := int(width%16) + 1
		h := min(len(b)/8/w, 64)
		if h == 0 {
			return
		}
		dem := raster.New[float64](w, h)
		for i := range dem.Cells {
			dem.Cells[i] = math.Float64frombits(binary.LittleEndian.Uint64(b[8*i:]))
		}
		cell := raster.UniformCellSize(h, 3, 7)
		filled := FillDepressions(dem)
		same(t, "filled elevation", filled, fillReference(dem))
		area, left := ContributingArea(filled, cell)
		valid := 0
		for i, z := range filled.Cells {
			if z < dem.Cells[i] {
				t.Fatalf("cell %d lowered from %g to %g", i, dem.Cells[i], z)
			}
			if raster.Finite(z) {
				valid++
			}
		}
		if want := 21 * float64(valid); math.Abs(left-want) > 1e-9*want {
			t.Fatalf("%g m2 leave, the domain has %g", left, want)
		}
		slope, aspect := SlopeAspect(dem, cell, EdgesReplicate)
		for i, s := range slope.Cells {
			if a := aspect.Cells[i]; s < 0 || s > math.Pi/2 || a < 0 || a >= 2*math.Pi {
				t.Fatalf("slope %g, aspect %g", s, a)
			}
		}
		Wetness(area, slope, cell)
	})
}
