package terrain

import (
	"math"
	"testing"

	"github.com/cyverse-gis/eemt/shared/energy"
	"github.com/cyverse-gis/eemt/shared/raster"
)

func TestWetness(t *testing.T) {
	nan := math.NaN()
	area := &raster.Grid[float64]{Width: 6, Height: 1, Cells: []float64{800, 800, 200, 150, nan, 800}}
	slope := &raster.Grid[float64]{Width: 6, Height: 1, Cells: []float64{math.Atan(0.1), 0, math.Atan(0.0005), 85 * deg, 0.1, nan}}
	got, floored := Wetness(area, slope, raster.UniformCellSize(1, 20, 5))
	// a = area / 10 m; tan(85 deg) = 11.43 takes 15 m below the floor? ln(15/11.43) = 0.272: no.
	for i, want := range []float64{math.Log(80 / 0.1), math.Log(80 / 0.001), math.Log(20 / 0.001), math.Log(15 / math.Tan(85*deg)), nan, nan} {
		if g := float64(got.Cells[i]); math.Abs(g-want) > 1e-6 || math.IsNaN(g) != math.IsNaN(want) {
			t.Errorf("cell %d: %g, want %g", i, g, want)
		}
	}
	if floored != 0 {
		t.Errorf("%d cells floored, want none", floored)
	}
	cliff := &raster.Grid[float64]{Width: 1, Height: 1, Cells: []float64{89.9 * deg}}
	one := &raster.Grid[float64]{Width: 1, Height: 1, Cells: []float64{0.25}}
	got, floored = Wetness(one, cliff, raster.UniformCellSize(1, 0.5, 0.5))
	if got.Cells[0] != float32(MinWetness) || floored != 1 {
		t.Errorf("cliff: %g, %d cells floored; want %g, 1", got.Cells[0], floored, MinWetness)
	}
}

func wetnessOf(dem *raster.Grid[float64], cell raster.CellSize) *raster.Grid[float32] {
	area, _ := ContributingArea(FillDepressions(dem), cell)
	slope, _ := SlopeAspect(dem, cell, EdgesNoData)
	w, _ := Wetness(area, slope, cell)
	return w
}

// meanWetness is the mean of the cells that mask, if there is one, does not leave out, and their number.
func meanWetness(wetness *raster.Grid[float32], cell raster.CellSize, mask []bool) (mean float64, cells int) {
	var s WetnessSum
	for i, v := range wetness.Cells {
		r := i / wetness.Width
		s.AddCell(float64(v), cell.DX[r]*cell.DY[r], mask == nil || mask[i])
	}
	return s.Mean(), s.Cells
}

func TestMeanOfMCWIIsOne(t *testing.T) { // V070, R15 eq 9
	for name, dem := range terrains() {
		cell := raster.UniformCellSize(dem.Height, 10, 10)
		wet := wetnessOf(dem, cell)
		mean, cells := meanWetness(wet, cell, nil)
		if cells == 0 {
			if !math.IsNaN(mean) {
				t.Errorf("%s: mean %g of nothing", name, mean)
			}
			continue
		}
		var sum float64
		for _, w := range wet.Cells {
			if !math.IsNaN(float64(w)) {
				sum += energy.MCWI(float64(w), mean)
			}
		}
		if got := sum / float64(cells); math.Abs(got-1) > 1e-9 {
			t.Errorf("%s: mean MCWI %.12g", name, got)
		}
	}
}

func TestMCWIOfFlats(t *testing.T) {
	wet := &raster.Grid[float32]{Width: 3, Height: 1, Cells: []float32{6.9, 6.9, 6.9}}
	mean, _ := meanWetness(wet, raster.UniformCellSize(1, 10, 10), nil)
	if a := energy.MCWI(float64(wet.Cells[0]), mean); math.Abs(a-1) > 1e-15 {
		t.Errorf("alpha %g on equal wetness", a)
	}
}

func TestMeanWetness(t *testing.T) {
	nan := float32(math.NaN())
	wet := &raster.Grid[float32]{Width: 2, Height: 3, Cells: []float32{1, 2, nan, 4, 8, 16}}
	uneven := raster.CellSize{DX: []float64{1, 2, 4}, DY: []float64{1, 1, 1}}
	for _, c := range []struct {
		name  string
		cell  raster.CellSize
		mask  []bool
		mean  float64
		cells int
	}{
		{"equal cells", raster.UniformCellSize(3, 10, 10), nil, 31. / 5, 5},
		{"masked", raster.UniformCellSize(3, 10, 10), []bool{true, true, true, false, true, false}, 11. / 3, 3},
		{"by area", uneven, nil, (1 + 2 + 2*4 + 4*8 + 4*16) / 12., 5},
	} {
		mean, cells := meanWetness(wet, c.cell, c.mask)
		if math.Abs(mean-c.mean) > 1e-15*c.mean || cells != c.cells {
			t.Errorf("%s: %g over %d cells, want %g over %d", c.name, mean, cells, c.mean, c.cells)
		}
	}
}

func BenchmarkWetness(b *testing.B) {
	dem, cell := rough(1024, 1024, 1), raster.UniformCellSize(1024, 10, 10)
	area, _ := ContributingArea(FillDepressions(dem), cell)
	slope, _ := SlopeAspect(dem, cell, EdgesReplicate)
	for b.Loop() {
		wet, _ := Wetness(area, slope, cell)
		meanWetness(wet, cell, nil)
	}
}
