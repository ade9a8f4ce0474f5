package terrain

import (
	"fmt"
	"math"

	"github.com/cyverse-gis/eemt/shared/raster"
)

const (
	// MinTanSlope is the floor of tan(slope) in the wetness index, m/m.
	MinTanSlope = 0.001
	// MinWetness is the floor of the wetness index, ln m.
	MinWetness = 0.1
)

// Wetness returns the topographic wetness index ln(a/tan(slope)) of every cell
// (Beven & Kirkby 1979), with a = area/sqrt(dx dy) in metres, area from
// ContributingArea in m2 and slope in radians of the unfilled elevations.
// tan(slope) is at least MinTanSlope and the result at least MinWetness;
// floored counts the cells that the second floor raised. NaN where area or
// slope is.
func Wetness(area, slope *raster.Grid[float64], cell raster.CellSize) (wetness *raster.Grid[float32], floored int) {
	if area.Width != slope.Width || area.Height != slope.Height {
		panic(fmt.Sprintf("terrain: area of %d x %d cells, slope of %d x %d", area.Width, area.Height, slope.Width, slope.Height))
	}
	mustMatch(area, cell)
	wetness = raster.New[float32](area.Width, area.Height)
	for r := range area.Height {
		width := math.Sqrt(cell.DX[r] * cell.DY[r])
		out := wetness.Row(r)
		for c, a := range area.Row(r) {
			v := math.Log(a / width / max(math.Tan(slope.At(c, r)), MinTanSlope))
			if v < MinWetness {
				v = MinWetness
				floored++
			}
			out[c] = float32(v)
		}
	}
	return wetness, floored
}

// MeanWetness returns the mean of the valid cells weighted by their area, and
// their number. mask, one entry per cell, leaves out the cells where it is
// false (no climate there, another catchment); nil keeps all. Without any valid
// cell the mean is NaN.
func MeanWetness(wetness *raster.Grid[float32], cell raster.CellSize, mask []bool) (mean float64, cells int) {
	if mask != nil && len(mask) != len(wetness.Cells) {
		panic(fmt.Sprintf("terrain: mask of %d entries for %d cells", len(mask), len(wetness.Cells)))
	}
	var sum, weight float64
	unit := cell.DX[0] * cell.DY[0] // so that equal cells weigh exactly 1
	for r := range wetness.Height {
		a := cell.DX[r] * cell.DY[r] / unit
		for c, v := range wetness.Row(r) {
			if v != v || (mask != nil && !mask[r*wetness.Width+c]) {
				continue
			}
			sum += a * float64(v)
			weight += a
			cells++
		}
	}
	if cells == 0 {
		return math.NaN(), 0
	}
	return sum / weight, cells
}

// MCWI returns the mass-conservative wetness index of a cell, its wetness over
// the mean of the domain (R15 eq 9); its mean over the domain is 1.
func MCWI(wetness, meanWetness float64) float64 { return wetness / meanWetness }
