package record

import (
	"fmt"

	"github.com/cyverse-gis/eemt/shared/exactsum"
)

// TileResult is what the record of a tile has beside its times.
type TileResult struct {
	// Sums are what the maps of the whole DEM need of this tile, by climate year.
	Sums map[int]Sums `json:"sums,omitempty"`
	// ClearSky is the clear-sky index applied; nil without one.
	ClearSky *ClearSky `json:"clear_sky,omitempty"`
	// Valid counts the cells with a result.
	Valid int `json:"valid"`
}

// Sums are area-weighted sums over the cells of a tile that have a result. They do
// not depend on how cells were grouped.
type Sums struct {
	// Area of the cells, m2.
	Area exactsum.Sum `json:"area"`
	// Peff is effective precipitation of each month, AlphaPeff the same times the
	// relative wetness of the cell (Rasmussen et al. 2015, eq 10): m2 mm.
	Peff      [12]exactsum.Sum `json:"peff"`
	AlphaPeff [12]exactsum.Sum `json:"alpha_peff"`
	// Temperature is the annual mean, m2 degC; Precipitation that of the year, m2 mm.
	Temperature   exactsum.Sum `json:"temperature"`
	Precipitation exactsum.Sum `json:"precipitation"`
}

// Add adds o to s.
func (s *Sums) Add(o Sums) {
	s.Area.AddSum(o.Area)
	s.Temperature.AddSum(o.Temperature)
	s.Precipitation.AddSum(o.Precipitation)
	for m := range 12 {
		s.Peff[m].AddSum(o.Peff[m])
		s.AlphaPeff[m].AddSum(o.AlphaPeff[m])
	}
}

// Err tells which of the sums was spoiled by a value that cannot be added.
func (s *Sums) Err() error {
	for _, v := range []struct {
		name string
		sum  exactsum.Sum
	}{{"area, m2", s.Area}, {"temperature, m2 degC", s.Temperature}, {"precipitation, m2 mm", s.Precipitation}} {
		if err := v.sum.Err(); err != nil {
			return fmt.Errorf("sum of %s: %w", v.name, err)
		}
	}
	for m := range 12 {
		if err := s.Peff[m].Err(); err != nil {
			return fmt.Errorf("sum of effective precipitation of month %d, m2 mm: %w", m+1, err)
		}
		if err := s.AlphaPeff[m].Err(); err != nil {
			return fmt.Errorf("sum of effective precipitation times wetness of month %d, m2 mm: %w", m+1, err)
		}
	}
	return nil
}
