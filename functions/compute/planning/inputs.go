package planning

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/cyverse-gis/eemt/functions/compute/objects"
	"github.com/cyverse-gis/eemt/functions/compute/record"
	"github.com/cyverse-gis/eemt/functions/compute/replica"
	"github.com/cyverse-gis/eemt/shared/climate"
	"github.com/cyverse-gis/eemt/shared/dem"
	"github.com/cyverse-gis/eemt/shared/finding"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/param"
	"github.com/cyverse-gis/eemt/shared/raster"
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
			err := field.Snapshot(ctx, thinned, plan.Width*plan.Height, p.kind.Climate, func(write func(io.Writer) error) error {
				return p.job.Objects.Put(ctx, key, objects.TIFF, write)
			})
			if err != nil {
				return replica.InputError(err)
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

// thinned returns the cells along the sides of a DEM, and some of those within.
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

// thinning returns an odd step in columns and rows: of every step x step cells of the DEM one is left, about cells cells
// in all at most.
func thinning(d *dem.DEM, cells int) int {
	step := 1
	for d.Image.Width/step*(d.Image.Height/step) > cells {
		step += 2
	}
	return step
}

// everyOf returns which cells of a window are left of a DEM of which every step x step cells leave the one in their middle:
// a window of the thinned DEM.
func everyOf(w raster.Window, step int) raster.Window {
	first := func(n int) int { return (n + step/2) / step }
	col, row := first(w.Col), first(w.Row)
	return raster.Window{Col: col, Row: row, Width: first(w.Col+w.Width) - col, Height: first(w.Row+w.Height) - row}
}

// lonLatOfEvery returns longitude and latitude of the cells that everyOf leaves of w, in degrees.
func lonLatOfEvery(d *dem.DEM, step int, w raster.Window) (lon, lat []float64) {
	t := d.Image.Transform
	t.StepX, t.StepY = t.StepX*float64(step), t.StepY*float64(step)
	w = everyOf(w, step)
	lon, lat = make([]float64, w.Width*w.Height), make([]float64, w.Width*w.Height)
	d.CRS.LonLat(t, w, lon, lat)
	return lon, lat
}
