package terrain

import (
	"errors"
	"fmt"
	"math"

	"github.com/cyverse-gis/eemt/shared/exactsum"
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
// contributing area in m2 and slope in radians of the unfilled elevations.
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

// WetnessSum sums the wetness index over the cells of a domain, weighted with their area, in any order and in parts that
// are added: its mean does not depend on how the domain was cut. The zero value is of no cell.
type WetnessSum struct {
	// Wetness is weighted with area, m2 ln m; Area is in m2.
	Wetness exactsum.Sum `json:"wetness"`
	Area    exactsum.Sum `json:"area"`
	Cells   int          `json:"cells"`
	// Sloping counts the cells with elevation and slope, whether or not they have climate.
	Sloping int `json:"sloping"`
}

// AddCell adds a cell of so many m2 by its wetness index in ln m. A cell without slope, whose index is NaN, is left out;
// one outside the domain, as without climate, counts as sloping only.
func (s *WetnessSum) AddCell(wetness, area float64, inside bool) {
	if math.IsNaN(wetness) {
		return
	}
	s.Sloping++
	if !inside {
		return
	}
	s.Wetness.Add(area * wetness)
	s.Area.Add(area)
	s.Cells++
}

// Add adds the cells of o.
func (s *WetnessSum) Add(o WetnessSum) {
	s.Wetness.AddSum(o.Wetness)
	s.Area.AddSum(o.Area)
	s.Cells += o.Cells
	s.Sloping += o.Sloping
}

// Err reports a sum that is not finite.
func (s *WetnessSum) Err() error { return errors.Join(s.Wetness.Err(), s.Area.Err()) }

// Mean is the mean wetness index of the domain in ln m (Rasmussen et al. 2015, eq 9); NaN of no cell.
func (s *WetnessSum) Mean() float64 { return s.Wetness.Float64() / s.Area.Float64() }
