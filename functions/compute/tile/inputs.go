package tile

import (
	"context"
	"math"

	"github.com/cyverse-gis/eemt/functions/compute/record"
	"github.com/cyverse-gis/eemt/functions/compute/replica"
	"github.com/cyverse-gis/eemt/functions/compute/workfile"
	"github.com/cyverse-gis/eemt/shared/calendar"
	"github.com/cyverse-gis/eemt/shared/climate"
	"github.com/cyverse-gis/eemt/shared/param"
	"github.com/cyverse-gis/eemt/shared/raster"
	"github.com/cyverse-gis/eemt/shared/solar"
	"github.com/cyverse-gis/eemt/shared/turbidity"
)

// readWetness reads a window of the wetness index.
func (p *part) readWetness(ctx context.Context, plan *record.Plan, w raster.Window) (*raster.Grid[float64], error) {
	g := raster.New[float64](w.Width, w.Height)
	for _, part := range workfile.TerrainFiles(p.job.Request.ID, plan, w) {
		common := w.Intersect(part.Window)
		local := common
		local.Col -= part.Window.Col
		local.Row -= part.Window.Row
		cells, err := p.job.Objects.Band(ctx, part.Key, 0, local)
		if err != nil {
			return nil, err
		}
		for r := range common.Height {
			copy(g.Row(common.Row - w.Row + r)[common.Col-w.Col:], cells.Row(r))
		}
	}
	return g, nil
}

// readInput samples an input raster at the cells of a tile; all nil without one.
// Months share a grid where the raster is the same all year.
func (p *part) readInput(ctx context.Context, plan *record.Plan, name string, w raster.Window, lon, lat []float64) (months [12]*raster.Grid[float32], err error) {
	key, ok := plan.Inputs[name]
	if !ok {
		return months, nil
	}
	rows := workfile.RowsAtOnce(w.Width)
	for row := 0; row < w.Height; row += rows {
		lo, hi := row*w.Width, min(row+rows, w.Height)*w.Width
		values, err := climate.ReadField(ctx, key, climate.Cells{Lon: lon[lo:hi], Lat: lat[lo:hi]}, p.job.Objects.Open)
		if err != nil {
			return months, replica.InputError(err)
		}
		for m := range months {
			shared := m > 0 && &values[m][0] == &values[0][0]
			if shared {
				months[m] = months[0]
				continue
			}
			if months[m] == nil {
				months[m] = raster.New[float32](w.Width, w.Height)
			}
			for i, v := range values[m] {
				months[m].Cells[lo+i] = float32(v)
			}
		}
	}
	return months, nil
}

// addInputs sets the layers of a tile's surface that come from rasters.
func (p *part) addInputs(ctx context.Context, plan *record.Plan, w raster.Window, lon, lat []float64, s *solar.Surface) error {
	for name, to := range map[string]*[12]*raster.Grid[float32]{
		"linke-value": &s.Linke, "albedo-value": &s.Albedo, "kb": &s.KBeam, "kd": &s.KDiffuse,
	} {
		var err error
		if *to, err = p.readInput(ctx, plan, name, w, lon, lat); err != nil {
			return err
		}
	}
	return nil
}

// clearness is the clear-sky index of a tile: global radiation over that of a
// clear sky. A nil one is a clear sky.
type clearness struct {
	values [12]float64               // of all cells
	grids  [12]*raster.Grid[float32] // of each; nil where values hold
}

// scale turns a month's radiation under a clear sky into that under clouds.
func (c *clearness) scale(month int, grids ...*raster.Grid[float32]) {
	if c == nil {
		return
	}
	for _, g := range grids {
		for i := range g.Cells {
			if c.grids[month] != nil {
				g.Cells[i] *= c.grids[month].Cells[i]
			} else {
				g.Cells[i] *= float32(c.values[month])
			}
		}
	}
}

// at writes the index of cell i for each month into out.
func (c *clearness) at(i int, out *[12]float64) {
	for m := range out {
		out[m] = c.values[m]
		if c.grids[m] != nil {
			out[m] = float64(c.grids[m].Cells[i])
		}
	}
}

// Bounds of a clear-sky index that is derived from measured radiation.
const (
	leastClear = 0.2
	mostClear  = 1.0
)

// leaveOut sets the latitude of cells that lack an input in any month to NaN: the engines give these cells no result.
func leaveOut(latitude []float64, months *[12]*raster.Grid[float32]) {
	for _, g := range months {
		if g == nil {
			continue
		}
		for i, v := range g.Cells {
			if v != v {
				latitude[i] = math.NaN()
			}
		}
	}
}

// clearness finds the tile's clear-sky index, from that of a raster if there is one; nil if the job has none.
func (p *part) clearness(ctx context.Context, plan *record.Plan, w raster.Window, given [12]*raster.Grid[float32], sun *solar.Monthly) (*clearness, error) {
	user := p.job.Request.Parameters
	c := &clearness{values: param.Factor(user.KC)}
	switch {
	case user.KCRaster != nil:
		c.grids = given
		return c, nil
	case user.KCClimate:
		measured, err := p.job.MeasuredRadiation(ctx, plan)
		if err != nil {
			return nil, err
		}
		for m := range c.grids {
			c.grids[m] = raster.New[float32](w.Width, w.Height)
			for i, flat := range sun.Flat[m].Cells {
				k := mostClear // polar night
				if flat != 0 {
					// MJ m-2 d-1 to Wh m-2 month-1; NaN stays.
					k = math.Max(leastClear, math.Min(mostClear, measured[m]*float64(calendar.Days[m])/0.0036/float64(flat)))
				}
				c.grids[m].Cells[i] = float32(k)
			}
		}
		return c, nil
	case user.KC != nil:
		return c, nil
	}
	return nil, nil
}

// noteClearness adds the clear-sky index of the cells of w to the record of the tile; nothing where all cells of the job
// have the same.
func (p *part) noteClearness(w raster.Window, c *clearness, sun *solar.Monthly) error {
	if c == nil || c.grids[0] == nil {
		return nil
	}
	if p.record.ClearSky == nil {
		p.record.ClearSky = record.NewClearSky()
	}
	cell := p.dem.Cell.Rows(w.Row, w.Height)
	var index [12]float64
	for i, v := range sun.Global[0].Cells {
		if v != v {
			continue
		}
		row := i / w.Width
		c.at(i, &index)
		p.record.ClearSky.Add(cell.DX[row]*cell.DY[row], &index)
	}
	return p.record.ClearSky.Err()
}

// addTurbidity sets the turbidity of the climatology where the job asks for it: one value a month, or one for each cell.
func (p *part) addTurbidity(lon, lat []float64, s *solar.Surface, params *solar.Parameters) {
	if !p.job.Request.Parameters.LinkeClimatology {
		return
	}
	if t := replica.TurbidityOf(p.dem, p.plan); t.Even {
		params.Linke = t.Center
		return
	}
	for m := range s.Linke {
		s.Linke[m] = raster.New[float32](p.window.Width, p.window.Height)
	}
	for i := range lon {
		for m, v := range turbidity.At(lon[i], lat[i]) {
			s.Linke[m].Cells[i] = float32(v)
		}
	}
}
