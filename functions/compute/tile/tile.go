// Package tile computes the tiles of a job.
package tile

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/cyverse-gis/eemt/functions/compute/assembly"
	"github.com/cyverse-gis/eemt/functions/compute/cost"
	"github.com/cyverse-gis/eemt/functions/compute/engine"
	"github.com/cyverse-gis/eemt/functions/compute/record"
	"github.com/cyverse-gis/eemt/functions/compute/replica"
	"github.com/cyverse-gis/eemt/functions/compute/workfile"
	"github.com/cyverse-gis/eemt/shared/calendar"
	"github.com/cyverse-gis/eemt/shared/dem"
	"github.com/cyverse-gis/eemt/shared/fault"
	"github.com/cyverse-gis/eemt/shared/geotiff"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/param"
	"github.com/cyverse-gis/eemt/shared/product"
	"github.com/cyverse-gis/eemt/shared/raster"
	"github.com/cyverse-gis/eemt/shared/solar"
	"github.com/cyverse-gis/eemt/shared/terrain"
)

// Kind computes tiles.
type Kind struct {
	Replica *replica.Replica
	Maps    assembly.Maps // which come next
}

// Run computes a tile.
func (k Kind) Run(ctx context.Context, r *engine.Run) (any, error) {
	plan, err := record.ReadPlan(ctx, k.Replica.Store, r.ID())
	if err != nil {
		return nil, err
	}
	tile, ok := plan.Tile(r.Task)
	if !ok {
		return nil, fmt.Errorf("%w: the plan of job %s has no tile %q", job.ErrDamaged, r.ID(), r.Task)
	}
	result := new(record.TileResult)
	return result, k.compute(ctx, k.Replica.Job(r), plan, tile, result)
}

// Next goes on to the assembly, or to the maps where that would take long.
func (k Kind) Next(ctx context.Context, r *engine.Run, done []job.Record) (*job.Phase, error) {
	plan, err := record.ReadPlan(ctx, k.Replica.Store, r.ID())
	if err != nil {
		return nil, err
	}
	t, err := assembly.TotalsOf(r.Request, done)
	if err != nil {
		return nil, err
	}
	if t.Valid == 0 {
		return nil, fault.New(fault.Invalid, errors.New("no cell of the DEM has a result: slope needs a cell and its eight neighbours, and none has them all"))
	}
	return k.Maps.Phase(r.Request, plan, t, 0)
}

// Release removes nothing: maps are made of the work files.
func (Kind) Release(context.Context, *engine.Run, *job.Phase) {}

// compute writes the tile's work files, made of parts that memory has room for;
// record gets its sums.
func (k Kind) compute(ctx context.Context, j *replica.Job, plan *record.Plan, tile record.Tile, record *record.TileResult) error {
	d, closer, err := j.OpenDEM(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = closer.Close() }()
	files := newTileFiles(j, d, tile)
	defer files.remove()
	index := tileIndex(plan, tile.Task)
	total := float64(len(plan.Tiles))
	parts := workfile.Parts(plan, tile.Window, k.partSide(j, plan))
	for i, w := range parts {
		one := &part{job: j, dem: d, plan: plan, window: w, files: files, record: record}
		begun, share := index+float64(i)/float64(len(parts)), 1/float64(len(parts))
		one.progress = func(step string, done float64) {
			j.Share.Set(begun - index + done*share)
			j.Progress(step, begun+done*share, total)
		}
		if err := one.compute(ctx); err != nil {
			return err
		}
		one.progress("sun", 1)
	}
	return files.put(ctx)
}

// partSide is the side of the parts of a tile on this replica. Another may take
// others: parts never change a number.
func (Kind) partSide(j *replica.Job, plan *record.Plan) int {
	return j.Cost.PartSide(j.Request.Workflow, j.Request.Parameters, cost.Field(plan.Far, plan.Halo, plan.Width, plan.Height))
}

// part is a window of a tile that is computed in one go.
type part struct {
	job      *replica.Job
	dem      *dem.DEM
	plan     *record.Plan
	window   raster.Window
	files    *tileFiles
	record   *record.TileResult
	progress func(step string, done float64)
}

// surface reads what the sun shines on: the elevation around the part, with what the air is like over its cells, whose
// longitude and latitude lon and lat are.
func (p *part) surface(ctx context.Context, params *solar.Parameters) (s solar.Surface, lon, lat []float64, err error) {
	d, w := p.dem, p.window
	outer := workfile.HaloOf(p.plan, w).Intersect(d.Bounds())
	z, err := d.Elevation(ctx, outer)
	if err != nil {
		return s, nil, nil, replica.InputError(err)
	}
	core := raster.Window{Col: w.Col - outer.Col, Row: w.Row - outer.Row, Width: w.Width, Height: w.Height}
	cell := d.Cell.Rows(outer.Row, outer.Height)
	slope, aspect := terrain.SlopeAspectWindow(z, cell, core, terrain.EdgesNoData)
	lon, lat = d.LonLat(w)
	s = solar.Surface{
		DEM: z, Core: core, OriginCol: outer.Col, OriginRow: outer.Row,
		Slope: slope, Aspect: aspect, Cell: cell, Latitude: radians(lat),
	}
	if p.job.Request.Parameters.North == "true" {
		s.Convergence = d.Convergence(lon, lat)
	}
	if err := p.addInputs(ctx, p.plan, w, lon, lat, &s); err != nil {
		return s, nil, nil, err
	}
	p.addTurbidity(lon, lat, &s, params)
	s.Far, err = p.far(ctx, d, p.plan, w)
	return s, lon, lat, err
}

func (p *part) compute(ctx context.Context) error {
	w := p.window
	params := p.solarParameters()
	surface, lon, lat, err := p.surface(ctx, &params)
	if err != nil {
		return err
	}
	engine := solar.Fast()
	if p.job.Request.Parameters.Method == "reference" {
		engine = solar.Reference()
	}
	given, err := p.readInput(ctx, p.plan, "kc", w, lon, lat)
	if err != nil {
		return err
	}
	leaveOut(surface.Latitude, &given)
	sun, err := engine.Year(ctx, surface, params, p.job.Threads, func(done, all int) {
		p.progress("sun", 0.9*float64(done)/float64(all))
	})
	if err != nil {
		return solarError(err)
	}
	clouds, err := p.clearness(ctx, p.plan, w, given, sun)
	if err != nil {
		return err
	}
	if err := p.noteClearness(w, clouds, sun); err != nil {
		return err
	}
	if p.job.Request.Workflow == param.EEMT {
		t := &terrainTile{window: w, elevation: surface.DEM.Sub(surface.Core), slope: surface.Slope, aspect: surface.Aspect, lon: lon, lat: lat, cell: p.dem.Cell.Rows(w.Row, w.Height)}
		if err := p.energyYears(ctx, t, sun, clouds); err != nil {
			return err
		}
	}
	// From here on global radiation is that under clouds.
	for m := range 12 {
		clouds.scale(m, sun.Global[m], sun.Flat[m])
	}
	if p.job.Request.Workflow == param.Sol {
		p.record.Valid += countValid(sun.Global[0].Cells)
	}
	if err := p.putSol(surface.Slope, surface.Aspect, sun); err != nil {
		return err
	}
	if err := p.putLayers(ctx, surface, params, sun); err != nil {
		return err
	}
	if p.job.Request.Parameters.Daily {
		p.progress("daily maps", 0.9)
		return p.putDaily(ctx, engine, surface, params, clouds)
	}
	return nil
}

func countValid(cells []float32) (n int) {
	for _, v := range cells {
		if v == v {
			n++
		}
	}
	return n
}

func (p *part) solarParameters() solar.Parameters {
	params := solar.DefaultParameters()
	user := p.job.Request.Parameters
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
func solarError(err error) error {
	if fault.Is(err, fault.Unavailable) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return fault.New(fault.Invalid, err)
}

func (p *part) putSol(slope, aspect *raster.Grid[float64], sun *solar.Monthly) error {
	bands := []geotiff.BandInfo{workfile.BandSlope: {Description: "slope", Unit: "rad"}, workfile.BandAspect: {Description: "aspect", Unit: "rad"}}
	grids := []*raster.Grid[float32]{workfile.BandSlope: workfile.Narrow(slope), workfile.BandAspect: workfile.Narrow(aspect)}
	for _, q := range []struct {
		what, unit string
		months     *[12]*raster.Grid[float32]
	}{{"global", "Wh m-2", &sun.Global}, {"flat global", "Wh m-2", &sun.Flat}, {"sun hours", "h", &sun.Hours}} {
		b, g := p.sunOf(q.what, q.unit, q.months)
		bands, grids = append(bands, b...), append(grids, g...)
	}
	return p.files.addAll(workfile.SolFile, bands, p.window, grids)
}

// sunOf returns what a work file holds of a quantity of the sun. It may write over the months.
func (p *part) sunOf(what, unit string, monthly *[12]*raster.Grid[float32]) ([]geotiff.BandInfo, []*raster.Grid[float32]) {
	if p.job.Request.Parameters.Maps == param.AnnualMaps {
		return yearOf(what, unit, monthly)
	}
	bands := make([]geotiff.BandInfo, len(monthly))
	for m := range bands {
		bands[m] = geotiff.BandInfo{Description: what + " " + calendar.Months[m], Unit: unit + product.PerMonth}
	}
	return bands, monthly[:]
}

func tileIndex(plan *record.Plan, task string) float64 {
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
