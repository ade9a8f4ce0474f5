package compute

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/cyverse-gis/eemt/functions/compute/objects"
	"github.com/cyverse-gis/eemt/functions/compute/record"
	"github.com/cyverse-gis/eemt/shared/calendar"
	"github.com/cyverse-gis/eemt/shared/climate"
	"github.com/cyverse-gis/eemt/shared/dem"
	"github.com/cyverse-gis/eemt/shared/fault"
	"github.com/cyverse-gis/eemt/shared/finding"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/param"
	"github.com/cyverse-gis/eemt/shared/raster"
	"github.com/cyverse-gis/eemt/shared/solar"
)

// planInputs reads the part of each input raster that lies under the DEM into the
// folder of the job, where tiles find it. What came over the network is kept in cache/ for
// all jobs with the same rasters and DEM.
func (p *planner) planInputs(ctx context.Context, d *dem.DEM, plan *record.Plan) error {
	rasters := slices.DeleteFunc(p.job.Request.Parameters.Inputs(), func(in param.Input) bool { return len(in.Files()) == 0 })
	if len(rasters) == 0 {
		return nil
	}
	thinned := thinned(d)
	for _, in := range rasters {
		files := in.Files()
		folder, name := job.WorkKey(p.job.Request.ID, "inputs/"), in.Name+".tif"
		key := folder + name
		if plan.Inputs == nil {
			plan.Inputs = map[string]string{}
		}
		plan.Inputs[in.Name] = key
		exists, err := p.job.Store.Bucket.Exists(ctx, key)
		if err != nil {
			return fmt.Errorf("read %s: %w", key, err)
		}
		entry := ""
		if !exists && slices.ContainsFunc(files, func(f string) bool { return strings.Contains(f, "://") }) {
			entry = cacheKey("inputs", in.Name, strings.Join(files, "\n"), p.job.Request.DEM.SHA256)
			_, exists = p.fromCache(ctx, entry, folder)
		}
		if !exists {
			field := climate.Field{Name: in.Name, Files: files, Low: in.Low, High: in.High}
			err := field.Snapshot(ctx, thinned, plan.Width*plan.Height, p.kind.climate, func(write func(io.Writer) error) error {
				return p.job.Objects.Put(ctx, key, objects.TIFF, write)
			})
			if err != nil {
				return InputError(err)
			}
			if entry != "" {
				p.toCache(ctx, folder, []string{name}, nil, entry)
			}
		}
		if err := p.sources(ctx, plan, strings.ReplaceAll(in.Name, "-", "_"), files, []string{key}); err != nil {
			return err
		}
		whole, err := climate.FieldHolds(ctx, key, thinned, p.job.Objects.Open)
		if err != nil {
			return err
		}
		if !whole {
			plan.Findings.Add(finding.Finding{
				Code: finding.InputCoverage, Severity: finding.Doubt, Value: in.Name,
				Message: fmt.Sprintf("%s does not reach over the whole DEM: cells beyond it have no result", in.Name),
			})
		}
	}
	return nil
}

// thinned is the outermost cells of a DEM, and some of those within.
func thinned(d *dem.DEM) climate.Cells {
	w, h := d.Image.Width, d.Image.Height
	var c climate.Cells
	add := func(lon, lat []float64) { c.Lon, c.Lat = append(c.Lon, lon...), append(c.Lat, lat...) }
	add(lonLatOfEvery(d, thinning(d, 1<<18), d.Bounds()))
	for _, side := range []raster.Window{
		{Width: w, Height: 1}, {Row: h - 1, Width: w, Height: 1}, {Width: 1, Height: h}, {Col: w - 1, Width: 1, Height: h},
	} {
		add(d.LonLat(side))
	}
	return c
}

// thinning is the odd step in columns and rows that leaves a DEM about so many cells at most.
func thinning(d *dem.DEM, cells int) int {
	step := 1
	for d.Image.Width/step*(d.Image.Height/step) > cells {
		step += 2
	}
	return step
}

// everyOf counts those cells of a window that are in the middle of step x step cells, by
// columns and rows of such.
func everyOf(w raster.Window, step int) raster.Window {
	first := func(n int) int { return (n + step/2) / step }
	col, row := first(w.Col), first(w.Row)
	return raster.Window{Col: col, Row: row, Width: first(w.Col+w.Width) - col, Height: first(w.Row+w.Height) - row}
}

// lonLatOfEvery places the cells of everyOf.
func lonLatOfEvery(d *dem.DEM, step int, w raster.Window) (lon, lat []float64) {
	t := d.Image.Transform
	t.StepX, t.StepY = t.StepX*float64(step), t.StepY*float64(step)
	w = everyOf(w, step)
	lon, lat = make([]float64, w.Width*w.Height), make([]float64, w.Width*w.Height)
	d.CRS.LonLat(t, w, lon, lat)
	return lon, lat
}

// readInput samples an input raster at the cells of a tile; all nil without one.
// Months share a grid where the raster is the same all year.
func (p *tilePart) readInput(ctx context.Context, plan *record.Plan, name string, w raster.Window, lon, lat []float64) (months [12]*raster.Grid[float32], err error) {
	key, ok := plan.Inputs[name]
	if !ok {
		return months, nil
	}
	rows := rowsAtOnce(w.Width)
	for row := 0; row < w.Height; row += rows {
		lo, hi := row*w.Width, min(row+rows, w.Height)*w.Width
		values, err := climate.ReadField(ctx, key, climate.Cells{Lon: lon[lo:hi], Lat: lat[lo:hi]}, p.job.Objects.Open)
		if err != nil {
			return months, InputError(err)
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
func (p *tilePart) addInputs(ctx context.Context, plan *record.Plan, w raster.Window, lon, lat []float64, s *solar.Surface) error {
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

// at sets out to the months of one cell.
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

// leaveOut takes the place from the cells that lack an input in any month: they have no result.
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
func (p *tilePart) clearness(ctx context.Context, plan *record.Plan, w raster.Window, given [12]*raster.Grid[float32], sun *solar.Monthly) (*clearness, error) {
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

// MeasuredRadiation is the climate's mean global radiation on flat ground over
// the job's years, MJ m-2 d-1.
func (j *Job) MeasuredRadiation(ctx context.Context, plan *record.Plan) (months [12]float64, err error) {
	var spec climate.Spec
	if err := json.Unmarshal(plan.Climate, &spec); err != nil {
		return months, fmt.Errorf("plan of job %s: climate: %w", j.Request.ID, err)
	}
	source, err := climate.Open(ctx, spec, j.Objects.Open)
	if err != nil {
		return months, InputError(err)
	}
	table, ok := source.(*climate.Table)
	if !ok {
		return months, fault.New(fault.Invalid, fmt.Errorf("kc climate: rasters of climate have no radiation; take a climate of pixel:FILE.csv with the columns srad and dayl, or give kc a value or a raster"))
	}
	if months, err = table.Radiation(j.Request.Parameters.Years()); err != nil {
		return months, fault.New(fault.Invalid, fmt.Errorf("kc climate: %w", err))
	}
	return months, nil
}
