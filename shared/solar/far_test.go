package solar

import (
	"context"
	"math"
	"testing"

	"github.com/cyverse-gis/eemt/shared/raster"
	"github.com/cyverse-gis/eemt/shared/solar/horizon"
)

// A ridge that only the far terrain holds delays sunrise by as much in both
// engines, and as the whole raster at full resolution does.
func TestFarTerrainShades(t *testing.T) {
	const size, cell, near = 320, 25.0, 64
	dem := raster.New[float64](size, 96)
	for i := range dem.Cells {
		dem.Cells[i] = 500 + 500*max(0, 1-float64(max(0, i%size-280, 280-i%size))/12)
	}
	s := land(dem, cell, 40, 0)
	core := raster.Window{Col: 40, Row: 40, Width: 8, Height: 8}
	all := window(s, core)
	cut := core.Grow(near).Intersect(dem.Bounds())
	part := all
	part.DEM, part.Cell = s.DEM.Sub(cut), s.Cell.Rows(cut.Row, cut.Height)
	part.OriginCol, part.OriginRow = cut.Col, cut.Row
	part.Core.Col, part.Core.Row = core.Col-cut.Col, core.Row-cut.Row
	bare := part
	thin := horizon.NewThinner(size, 2)
	ring := horizon.Ring{Factor: 2, Inner: near, Outer: size, NorthSouth: raster.New[float32](size/2, 48), EastWest: raster.New[float32](size/2, 48)}
	for r := range 96 {
		if thin.Add(dem.Row(r), r == 95) {
			copy(ring.NorthSouth.Row(r/2), thin.NorthSouth)
			copy(ring.EastWest.Row(r/2), thin.EastWest)
		}
	}
	part.Far = &horizon.Far{Block: core, Rings: []horizon.Ring{ring}, DX: cell, DY: cell}
	hours := func(e Engine, s Surface, day int) float64 {
		p := DefaultParameters()
		p.StepMinutes = 2
		var sum float64
		err := e.Days(context.Background(), s, p, []int{day}, 2, func(_ int, d *Daily) error {
			for _, v := range d.Hours.Cells {
				sum += float64(v) / 64
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return sum
	}
	for _, day := range []int{75, 90} {
		want, open := hours(Fast(), all, day), hours(Fast(), bare, day)
		if open-want < 0.3 {
			t.Fatalf("day %d: the ridge takes %.2f hours: too little to tell", day, open-want)
		}
		for name, e := range map[string]Engine{"fast": Fast(), "reference": Reference()} {
			if got := hours(e, part, day); got < want-0.07 || got > want+0.07 {
				t.Errorf("day %d, %s: %.3f hours of sun, want %.3f as with the whole raster (%.3f without the ridge)", day, name, got, want, open)
			}
		}
	}
	// Maps of horizons and of sky view see it too.
	heights := func(s Surface) (east float64, view float32) {
		err := Horizons(context.Background(), s, DefaultParameters(), []float64{90 * deg}, 2, func(_ int, h *raster.Grid[float32]) error {
			east = float64(h.Cells[0]) / deg
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		v, err := SkyView(context.Background(), s, DefaultParameters(), 2)
		if err != nil {
			t.Fatal(err)
		}
		return east, v.Cells[0]
	}
	wantEast, wantView := heights(all)
	if east, view := heights(part); math.Abs(east-wantEast) > 0.2 || wantEast < 3 || math.Abs(float64(view-wantView)) > 1e-4 || wantView > 0.9999 {
		t.Errorf("horizon %.2f degrees, sky view %.5f; want %.2f, %.5f", east, view, wantEast, wantView)
	}
	part.Far.Block.Col++
	if err := part.Validate(); err == nil {
		t.Error("a block that does not hold the core is taken")
	}
}
