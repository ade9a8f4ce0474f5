package compute

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/cyverse-gis/eemt/eventing"
	"github.com/cyverse-gis/eemt/shared/calendar"
	"github.com/cyverse-gis/eemt/shared/dem"
	"github.com/cyverse-gis/eemt/shared/geotiff"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/param"
	table "github.com/cyverse-gis/eemt/shared/product"
	"github.com/cyverse-gis/eemt/shared/raster"
	"github.com/cyverse-gis/eemt/shared/solar"
	"github.com/cyverse-gis/eemt/shared/terrain"
)

// Bands of a tile's sol.tif: slope, aspect, then global radiation, that on flat
// ground, and hours of sun, each in as many as sunBands says.
const (
	bandSlope = iota
	bandAspect
	bandSun
)

const (
	dailyPrefix  = "daily_"
	solFile      = "sol.tif"
	energyPrefix = "eemt_"
)

func tileKey(id, task, name string) string { return job.WorkKey(id, task+"/"+name) }

func energyFile(year int) string { return fmt.Sprintf("%s%d.tif", energyPrefix, year) }

// tile computes one tile, records it, and announces the last one.
func (p *piece) tile(ctx context.Context, task string, attempt int) error {
	plan, err := p.Store.Plan(ctx, p.request.ID)
	if errors.Is(err, job.ErrNotFound) {
		p.log.Warn("tile asked for before the plan: the plan asks again", "task", task)
		return nil
	}
	if err != nil {
		return err
	}
	tile, ok := plan.Tile(task)
	if !ok {
		return eventing.Reject(fmt.Errorf("job %s has no task %q", p.request.ID, task))
	}
	_, err = p.Store.Task(ctx, p.request.ID, task)
	if err != nil && !errors.Is(err, job.ErrNotFound) {
		return err
	}
	if err != nil {
		record := job.Task{Task: task, Attempt: attempt}
		begun := p.Now()
		err := p.try(ctx, task, func(ctx context.Context) error {
			defer p.tell(ctx, task)()
			return p.compute(ctx, plan, tile, &record)
		})
		if err != nil {
			return err
		}
		record.Ended = p.Now().UTC()
		record.Seconds = record.Ended.Sub(begun).Seconds()
		if err := p.Store.WriteTask(ctx, p.request.ID, record); err != nil {
			return err
		}
		p.log.Info("tile done", "task", task, "cells", tile.Window.Width*tile.Window.Height, "seconds", math.Round(record.Seconds*10)/10)
	}
	done, err := p.Store.Done(ctx, p.request.ID)
	if err != nil {
		return err
	}
	for _, t := range plan.Tiles {
		if _, ok := done[t.Task]; !ok {
			return nil
		}
	}
	return p.Events.Publish(ctx, eventing.NewTilesCompleted(Source, p.request.ID, attempt, p.Now()))
}

// compute writes the tile's work files, made of parts that memory has room for;
// record gets its sums.
func (p *piece) compute(ctx context.Context, plan *job.Plan, tile job.Tile, record *job.Task) error {
	d, closer, err := p.openDEM(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = closer.Close() }()
	files := p.newTileFiles(d, tile)
	defer files.remove()
	index := tileIndex(plan, tile.Task)
	total := float64(len(plan.Tiles))
	parts := partsOf(plan, tile.Window, p.partSide(plan))
	for i, w := range parts {
		part := &tilePart{piece: p, dem: d, plan: plan, window: w, files: files, record: record}
		begun, share := index+float64(i)/float64(len(parts)), 1/float64(len(parts))
		part.progress = func(stage string, done float64) {
			p.share.set(begun - index + done*share)
			p.report(p.request.ID, stage, begun+done*share, total)
		}
		if err := part.compute(ctx); err != nil {
			return err
		}
		part.progress("sun", 1)
	}
	return files.put(ctx)
}

// partSide is the side of the parts of a tile on this replica. Another may take
// others: parts never change a number.
func (p *piece) partSide(plan *job.Plan) int {
	return p.cost().partSide(p.request.Workflow, p.request.Parameters, field(plan.Far, plan.Halo, plan.Width, plan.Height))
}

// tilePart is a window of a tile that is computed in one go.
type tilePart struct {
	*piece
	dem      *dem.DEM
	plan     *job.Plan
	window   raster.Window
	files    *tileFiles
	record   *job.Task
	progress func(stage string, done float64)
}

func (p *tilePart) compute(ctx context.Context) error {
	d, w := p.dem, p.window
	outer := haloOf(p.plan, w).Intersect(d.Bounds())
	z, err := d.Elevation(ctx, outer)
	if err != nil {
		return p.inputError(err)
	}
	core := raster.Window{Col: w.Col - outer.Col, Row: w.Row - outer.Row, Width: w.Width, Height: w.Height}
	cell := d.Cell.Rows(outer.Row, outer.Height)
	slope, aspect := terrain.SlopeAspectWindow(z, cell, core, terrain.EdgesNoData)
	lon, lat := d.LonLat(w)
	surface := solar.Surface{
		DEM: z, Core: core, OriginCol: outer.Col, OriginRow: outer.Row,
		Slope: slope, Aspect: aspect, Cell: cell, Latitude: radians(lat),
	}
	if p.request.Parameters.North == "true" {
		surface.Convergence = d.Convergence(lon, lat)
	}
	params := p.solarParameters()
	engine := solar.Fast()
	if p.request.Parameters.Method == "reference" {
		engine = solar.Reference()
	}
	if err := p.addInputs(ctx, p.plan, w, lon, lat, &surface); err != nil {
		return err
	}
	p.addTurbidity(lon, lat, &surface, &params)
	if surface.Far, err = p.far(ctx, d, p.plan, w); err != nil {
		return err
	}
	given, err := p.readInput(ctx, p.plan, "kc", w, lon, lat)
	if err != nil {
		return err
	}
	leaveOut(surface.Latitude, &given)
	sun, err := engine.Year(ctx, surface, params, p.Threads, func(done, all int) {
		p.progress("sun", 0.9*float64(done)/float64(all))
	})
	if err != nil {
		return p.solarError(err)
	}
	clouds, err := p.clearness(ctx, p.plan, w, given, sun)
	if err != nil {
		return err
	}
	if err := p.noteClearness(w, clouds, sun); err != nil {
		return err
	}
	if p.request.Workflow == param.EEMT {
		t := &terrainTile{window: w, elevation: z.Sub(core), slope: slope, aspect: aspect, lon: lon, lat: lat, cell: d.Cell.Rows(w.Row, w.Height)}
		if err := p.energyYears(ctx, t, sun, clouds); err != nil {
			return err
		}
	}
	// From here on global radiation is that under clouds.
	for m := range 12 {
		clouds.scale(m, sun.Global[m], sun.Flat[m])
	}
	if p.request.Workflow == param.Sol {
		for _, v := range sun.Global[0].Cells {
			if v == v {
				p.record.Valid++
			}
		}
	}
	if err := p.putSol(slope, aspect, sun); err != nil {
		return err
	}
	if err := p.putLayers(ctx, surface, params, sun); err != nil {
		return err
	}
	if p.request.Parameters.Daily {
		p.progress("daily maps", 0.9)
		return p.putDaily(ctx, engine, surface, params, clouds)
	}
	return nil
}

func (p *piece) solarParameters() solar.Parameters {
	params := solar.DefaultParameters()
	user := p.request.Parameters
	params.StepMinutes = user.Step
	for _, v := range []struct {
		to      *[12]float64
		values  []float64
		rasters []string
	}{
		{&params.Linke, user.Linke, user.LinkeRaster},
		{&params.Albedo, user.Albedo, user.AlbedoRaster},
		{&params.KBeam, user.KB, user.KBRaster},
		{&params.KDiffuse, user.KD, user.KDRaster},
	} {
		// Where there is a raster the default stands behind it.
		if v.rasters == nil && v.values != nil {
			*v.to = param.Monthly(v.values)
		}
	}
	params.Components = user.Has(param.Beam) || user.Has(param.Diffuse) || user.Has(param.Reflected)
	params.Shadows = user.Shadows == "on"
	return params
}

// solarError separates an interruption, and a fault of where the engine's results go, from
// an input the engine refuses.
func (p *piece) solarError(err error) error {
	if fault := (*storeFault)(nil); errors.As(err, &fault) {
		return err
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return &badInput{err}
}

func (p *tilePart) putSol(slope, aspect *raster.Grid[float64], sun *solar.Monthly) error {
	bands := []geotiff.BandInfo{bandSlope: {Description: "slope", Unit: "rad"}, bandAspect: {Description: "aspect", Unit: "rad"}}
	grids := []*raster.Grid[float32]{bandSlope: narrow(slope), bandAspect: narrow(aspect)}
	for _, q := range []struct {
		what, unit string
		months     *[12]*raster.Grid[float32]
	}{{"global", "Wh m-2", &sun.Global}, {"flat global", "Wh m-2", &sun.Flat}, {"sun hours", "h", &sun.Hours}} {
		b, g := p.sunOf(q.what, q.unit, q.months)
		bands, grids = append(bands, b...), append(grids, g...)
	}
	return p.files.addAll(solFile, bands, p.window, grids)
}

// sunOf returns what a work file holds of a quantity of the sun. It may write over the months.
func (p *tilePart) sunOf(what, unit string, monthly *[12]*raster.Grid[float32]) ([]geotiff.BandInfo, []*raster.Grid[float32]) {
	if p.request.Parameters.Maps == param.AnnualMaps {
		return yearOf(what, unit, monthly)
	}
	bands := make([]geotiff.BandInfo, len(monthly))
	for m := range bands {
		bands[m] = geotiff.BandInfo{Description: what + " " + calendar.Months[m], Unit: unit + table.PerMonth}
	}
	return bands, monthly[:]
}

// readWork reads a window of one band of a work file.
func (p *piece) readWork(ctx context.Context, key string, band int, w raster.Window) (*raster.Grid[float64], error) {
	img, closer, err := p.openImage(ctx, key)
	if err != nil {
		return nil, err
	}
	defer func() { _ = closer.Close() }()
	g, err := img.Grid(ctx, band, w)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", key, err)
	}
	return g, nil
}

func tileIndex(plan *job.Plan, task string) float64 {
	for i, t := range plan.Tiles {
		if t.Task == task {
			return float64(i)
		}
	}
	return 0
}

func radians(degrees []float64) []float64 {
	out := make([]float64, len(degrees))
	for i, v := range degrees {
		out[i] = v * math.Pi / 180
	}
	return out
}
