package solar

import (
	"fmt"
	"math"

	"github.com/cyverse-gis/eemt/shared/raster"
	"github.com/cyverse-gis/eemt/shared/solar/horizon"
)

// Surface is a window of terrain under the sun.
type Surface struct {
	DEM  *raster.Grid[float64] // elevation in metres of the core and its halo, NaN where there is no data
	Core raster.Window         // the cells of DEM to compute

	// OriginCol and OriginRow place DEM's upper-left cell in the cell grid of
	// the whole raster, to which sweep lines are anchored: tiling never changes a number.
	OriginCol, OriginRow int

	// Far is the terrain beyond DEM, as seen from a block that contains the core;
	// nil when DEM holds all that casts shadows.
	Far *horizon.Far

	Slope, Aspect *raster.Grid[float64] // of the core: radians; aspect clockwise from grid north, NaN or any value where slope is 0; a NaN slope is no data
	Cell          raster.CellSize       // of DEM's rows, in metres

	Latitude    []float64 // of the core's cells, row-major, radians -π/2..π/2
	Convergence []float64 // of the core's cells: grid north clockwise from true north, radians; nil where grid north is true north

	// Layers of the core that take the place of a month's value of Parameters, in
	// its range; nil where that holds for all cells. A cell with a NaN in any of
	// them has no data. Months may share a grid.
	Linke, Albedo, KBeam, KDiffuse [12]*raster.Grid[float32]

	layered bool // some layer is set; known after Validate
}

// Validate reports the first part that does not fit the others.
func (s *Surface) Validate() error {
	if s.DEM == nil || s.Slope == nil || s.Aspect == nil {
		return fmt.Errorf("surface: elevation, slope and aspect are all needed")
	}
	if len(s.DEM.Cells) != s.DEM.Width*s.DEM.Height || s.DEM.Width < 1 || s.DEM.Height < 1 {
		return fmt.Errorf("elevation: %d values for %d x %d cells", len(s.DEM.Cells), s.DEM.Width, s.DEM.Height)
	}
	if s.Core.Width < 1 || s.Core.Height < 1 || !s.DEM.Bounds().Contains(s.Core) {
		return fmt.Errorf("core %+v: must lie inside the elevation grid of %d x %d cells", s.Core, s.DEM.Width, s.DEM.Height)
	}
	n := s.Core.Width * s.Core.Height
	for _, g := range []struct {
		name string
		grid *raster.Grid[float64]
	}{{"slope", s.Slope}, {"aspect", s.Aspect}} {
		if g.grid.Width != s.Core.Width || g.grid.Height != s.Core.Height || len(g.grid.Cells) != n {
			return fmt.Errorf("%s of %d x %d cells: must have the core's %d x %d", g.name, g.grid.Width, g.grid.Height, s.Core.Width, s.Core.Height)
		}
	}
	if len(s.Latitude) != n {
		return fmt.Errorf("latitude: %d values, must have one for each of the core's %d cells", len(s.Latitude), n)
	}
	if s.Convergence != nil && len(s.Convergence) != n {
		return fmt.Errorf("convergence: %d values, must have one for each of the core's %d cells", len(s.Convergence), n)
	}
	if err := s.checkCellSize(); err != nil {
		return err
	}
	if s.Far != nil && !s.Far.Block.Contains(raster.Window{Col: s.OriginCol + s.Core.Col, Row: s.OriginRow + s.Core.Row, Width: s.Core.Width, Height: s.Core.Height}) {
		return fmt.Errorf("far terrain of block %+v: must contain the core", s.Far.Block)
	}
	return s.checkLayers()
}

func (s *Surface) checkCellSize() error {
	if len(s.Cell.DX) != s.DEM.Height || len(s.Cell.DY) != s.DEM.Height {
		return fmt.Errorf("cell size: %d and %d values, must have one for each of %d rows", len(s.Cell.DX), len(s.Cell.DY), s.DEM.Height)
	}
	for r, dx := range s.Cell.DX {
		if dy := s.Cell.DY[r]; !(dx > 0 && dy > 0) || math.IsInf(dx, 0) || math.IsInf(dy, 0) {
			return fmt.Errorf("cell size %g x %g m of row %d: must be positive", dx, dy, r)
		}
	}
	return nil
}

// cell is what the sun needs to know of one core cell.
type cell struct {
	col, row      int // in the DEM
	z, latitude   float64
	slope, aspect float64 // aspect clockwise from grid north
	convergence   float64
}

// at returns core cell i; ok is false where any of its values is missing.
func (s *Surface) at(i int) (c cell, ok bool) {
	c.col, c.row = s.Core.Col+i%s.Core.Width, s.Core.Row+i/s.Core.Width
	c.z, c.latitude = s.DEM.At(c.col, c.row), s.Latitude[i]
	c.slope, c.aspect = s.Slope.Cells[i], s.Aspect.Cells[i]
	if s.Convergence != nil {
		c.convergence = s.Convergence[i]
	}
	ok = raster.Finite(c.z) && raster.Finite(c.slope) && math.Abs(c.latitude) <= math.Pi/2+1e-9 && raster.Finite(c.convergence) &&
		(!s.layered || !s.lacksLayer(i))
	return c, ok
}
