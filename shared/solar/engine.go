package solar

import (
	"context"
	"fmt"
	"math"

	"github.com/cyverse-gis/eemt/shared/raster"
)

// Engine sums the sun's radiation over the cells of a surface's core.
type Engine interface {
	// Year returns sums for the twelve months of the solar year, using up to
	// threads goroutines. progress, when not nil, is called with how much of
	// the work is done, which never falls; the unit of done and total is up to the engine.
	Year(ctx context.Context, s Surface, p Parameters, threads int, progress func(done, total int)) (*Monthly, error)

	// Days calls emit with the sums of each of days (numbers 1..366), in the order
	// given. It stops at the first error of emit, which it returns.
	Days(ctx context.Context, s Surface, p Parameters, days []int, threads int, emit func(day int, d *Daily) error) error
}

// Monthly holds monthly sums of the core's cells, NaN where a cell has no data.
type Monthly struct {
	Global                   [12]*raster.Grid[float32] // Wh m⁻² month⁻¹
	Beam, Diffuse, Reflected [12]*raster.Grid[float32] // Wh m⁻² month⁻¹; nil unless Parameters.Components
	Flat                     [12]*raster.Grid[float32] // global of an unshaded horizontal cell at the same place, Wh m⁻² month⁻¹
	Hours                    [12]*raster.Grid[float32] // hours of direct sun in the month
}

// Daily holds one day's sums of the core's cells, NaN where a cell has no data.
type Daily struct {
	Global, Beam, Diffuse, Reflected *raster.Grid[float32] // Wh m⁻² day⁻¹
	Flat                             *raster.Grid[float32] // global of an unshaded horizontal cell at the same place, Wh m⁻² day⁻¹
	Hours                            *raster.Grid[float32] // hours of direct sun
}

func newMonthly(w raster.Window, components bool) *Monthly {
	m := &Monthly{}
	for i := range 12 {
		m.Global[i] = raster.New[float32](w.Width, w.Height)
		m.Flat[i] = raster.New[float32](w.Width, w.Height)
		m.Hours[i] = raster.New[float32](w.Width, w.Height)
		if components {
			m.Beam[i] = raster.New[float32](w.Width, w.Height)
			m.Diffuse[i] = raster.New[float32](w.Width, w.Height)
			m.Reflected[i] = raster.New[float32](w.Width, w.Height)
		}
	}
	return m
}

// set stores the sums of cell i in one month.
func (m *Monthly) set(month, i int, t totals, flat float64) {
	m.Global[month].Cells[i] = float32(t.global())
	m.Flat[month].Cells[i] = float32(flat)
	m.Hours[month].Cells[i] = float32(t.hours)
	if m.Beam[month] != nil {
		m.Beam[month].Cells[i] = float32(t.beam)
		m.Diffuse[month].Cells[i] = float32(t.diffuse)
		m.Reflected[month].Cells[i] = float32(t.reflected)
	}
}

var noTotals = totals{math.NaN(), math.NaN(), math.NaN(), math.NaN()}

func newDaily(w raster.Window) *Daily {
	return &Daily{
		Global:    raster.New[float32](w.Width, w.Height),
		Beam:      raster.New[float32](w.Width, w.Height),
		Diffuse:   raster.New[float32](w.Width, w.Height),
		Reflected: raster.New[float32](w.Width, w.Height),
		Flat:      raster.New[float32](w.Width, w.Height),
		Hours:     raster.New[float32](w.Width, w.Height),
	}
}

func (d *Daily) set(i int, t totals, flat float64) {
	d.Global.Cells[i] = float32(t.global())
	d.Beam.Cells[i] = float32(t.beam)
	d.Diffuse.Cells[i] = float32(t.diffuse)
	d.Reflected.Cells[i] = float32(t.reflected)
	d.Flat.Cells[i] = float32(flat)
	d.Hours.Cells[i] = float32(t.hours)
}

// check validates the arguments that both engines take.
func check(s *Surface, p *Parameters, days []int) error {
	if err := p.Validate(); err != nil {
		return err
	}
	for _, d := range days {
		if d < 1 || d > 366 {
			return fmt.Errorf("day %d: must be 1 to 366", d)
		}
	}
	return s.Validate()
}
