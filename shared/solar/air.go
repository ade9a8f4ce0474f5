package solar

import (
	"fmt"

	"github.com/cyverse-gis/eemt/shared/raster"
	"github.com/cyverse-gis/eemt/shared/solar/clearsky"
)

func (p *Parameters) air(month int) clearsky.Air {
	return clearsky.Air{Linke: p.Linke[month], Albedo: p.Albedo[month], KBeam: p.KBeam[month], KDiffuse: p.KDiffuse[month]}
}

// air returns what core cell i has instead of the month's values of p, where the surface says so.
func (s *Surface) air(p *Parameters, i, month int) clearsky.Air {
	a := p.air(month)
	if !s.layered {
		return a
	}
	for _, l := range []struct {
		grid *raster.Grid[float32]
		v    *float64
	}{{s.Linke[month], &a.Linke}, {s.Albedo[month], &a.Albedo}, {s.KBeam[month], &a.KBeam}, {s.KDiffuse[month], &a.KDiffuse}} {
		if l.grid != nil {
			*l.v = float64(l.grid.Cells[i])
		}
	}
	return a
}

// airRange bounds one of the members of air.
type airRange struct {
	name     string
	min, max float64
}

var airRanges = [4]airRange{
	{"linke turbidity", 1, 8},
	{"albedo", 0, 1},
	{"beam factor", 0, 1},
	{"diffuse factor", 0, 1},
}

// layer is one of the inputs that may differ from cell to cell.
type layer struct {
	airRange
	grids *[12]*raster.Grid[float32]
}

// grids are those of each layer.
func (s *Surface) grids() [4]*[12]*raster.Grid[float32] {
	return [4]*[12]*raster.Grid[float32]{&s.Linke, &s.Albedo, &s.KBeam, &s.KDiffuse}
}

func (s *Surface) layers() [4]layer {
	var list [4]layer
	for i, grids := range s.grids() {
		list[i] = layer{airRanges[i], grids}
	}
	return list
}

// lacksLayer reports whether one of the cell's layers has no value.
func (s *Surface) lacksLayer(i int) bool {
	for _, grids := range s.grids() {
		for _, g := range grids {
			if g != nil && g.Cells[i] != g.Cells[i] {
				return true
			}
		}
	}
	return false
}

// checkLayers reports the first value outside its range. NaN is a cell without data.
func (s *Surface) checkLayers() error {
	s.layered = false
	for _, l := range s.layers() {
		for m, g := range l.grids {
			if g == nil {
				continue
			}
			s.layered = true
			if g.Width != s.Core.Width || g.Height != s.Core.Height || len(g.Cells) != g.Width*g.Height {
				return fmt.Errorf("%s of month %d, %d x %d cells: must have the core's %d x %d", l.name, m+1, g.Width, g.Height, s.Core.Width, s.Core.Height)
			}
			if m > 0 && l.grids[m-1] == g {
				continue
			}
			for i, v := range g.Cells {
				if v := float64(v); v < l.min || v > l.max {
					return fmt.Errorf("%s %g of month %d at column %d, row %d: must be %g to %g", l.name, v, m+1, i%g.Width, i/g.Width, l.min, l.max)
				}
			}
		}
	}
	return nil
}
