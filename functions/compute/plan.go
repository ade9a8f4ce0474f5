package compute

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/cyverse-gis/eemt/functions/compute/engine"
	"github.com/cyverse-gis/eemt/functions/compute/record"
	"github.com/cyverse-gis/eemt/shared/climate"
	"github.com/cyverse-gis/eemt/shared/dem"
	"github.com/cyverse-gis/eemt/shared/fault"
	"github.com/cyverse-gis/eemt/shared/finding"
	"github.com/cyverse-gis/eemt/shared/inspect"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/param"
	"github.com/cyverse-gis/eemt/shared/raster"
	"github.com/cyverse-gis/eemt/shared/terrain"
)

// planKind makes the plan of a job: it validates the DEM, does what needs the whole of it, and cuts tiles. Of a large DEM
// it leaves the terrain to phases of their own.
type planKind struct {
	replica  *Replica
	climate  climate.Opener
	reach    Reach
	tileSize int  // of jobs that do not ask for one; 0 lets the cost decide
	limits   Cost // refuse jobs that are too large
	drainage Drainage
	findings func(id string, found finding.List) // may be nil
}

// planner makes the plan of one job.
type planner struct {
	kind planKind
	job  *Job
}

// terrain follows the water for the plan.
func (p *planner) terrain() *terrainRun { return &terrainRun{job: p.job, options: p.kind.drainage} }

func (k planKind) Run(ctx context.Context, r *engine.Run) (any, error) {
	for _, made := range []func() error{
		func() error { _, err := record.ReadPlan(ctx, k.replica.Store, r.ID()); return err },
		func() error { _, err := record.ReadDraft(ctx, k.replica.Store, r.ID()); return err },
	} {
		if err := made(); !errors.Is(err, job.ErrNotFound) {
			return nil, err
		}
	}
	return nil, (&planner{kind: k, job: k.replica.Job(r)}).makePlan(ctx)
}

func (k planKind) Next(ctx context.Context, r *engine.Run, _ []job.Record) (*job.Phase, error) {
	plan, err := record.ReadPlan(ctx, k.replica.Store, r.ID())
	if err == nil {
		return tilePhase(plan), nil
	}
	if !errors.Is(err, job.ErrNotFound) {
		return nil, err
	}
	draft, err := record.ReadDraft(ctx, k.replica.Store, r.ID())
	if err != nil {
		return nil, err
	}
	return firstOfTerrain(draft).phase(job.KindFill, 0)
}

func (planKind) Release(context.Context, *engine.Run, *job.Phase) {}

// makePlan writes the plan, or its draft where the terrain is left to phases of its own.
func (p *planner) makePlan(ctx context.Context) error {
	params := p.job.Request.Parameters
	p.job.Progress("terrain", 0, 1)
	d, closer, err := p.job.OpenDEM(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = closer.Close() }()
	width, height := d.Image.Width, d.Image.Height
	if err := p.kind.limits.Check(p.job.Request.Workflow, params, width, height); err != nil {
		return fault.New(fault.Invalid, err)
	}
	plan := &record.Plan{Width: width, Height: height, CRS: d.CRS.Name()}
	plan.Longitude, plan.Latitude = d.Center()
	plan.Halo = max(width, height)
	if reach := p.kind.reach.orDefault(); params.Shadows == "on" || slices.ContainsFunc(params.Layers, param.Layer.NeedsHorizon) {
		if plan.Far = reach.far(width, height); plan.Far != nil {
			plan.Halo = reach.Near
		}
	} else {
		plan.Halo = 1
	}
	side, block, err := p.sideOfTiles(plan)
	if err != nil {
		return err
	}
	if err := p.surveyElevation(ctx, d, plan); err != nil {
		return err
	}
	if params.Daily && params.StartYear != params.EndYear {
		plan.Findings.Add(finding.Finding{Code: finding.MapsDaily, Severity: finding.Note, Message: "daily maps are of the solar year, which is the same for every climate year"})
	}
	if err := p.planInputs(ctx, d, plan); err != nil {
		return err
	}
	if p.job.Request.Workflow == param.EEMT {
		if err := p.planClimate(ctx, d, plan); err != nil {
			return err
		}
	}
	if err := p.inspect(ctx, d, plan); err != nil {
		return err
	}
	plan.Tiles = cut(width, height, side, block)
	one := p.job.Cost
	one.Cores = 1 // what the report says does not depend on who planned
	work := one.Estimate(p.job.Request.Workflow, params, width, height)
	plan.Estimate = &record.Estimate{CoreSeconds: work.Seconds, Memory: work.Memory, Results: work.Results}
	plan.Maps = mapsOf(p.job.Request)
	if p.job.Request.Workflow == param.EEMT {
		if !p.terrain().inline(width, height) {
			return p.terrain().makeDraft(ctx, plan)
		}
		if err := p.terrain().planTerrain(ctx, d, plan); err != nil {
			return err
		}
		sums, err := p.terrain().sumWetness(ctx, d, plan)
		if err != nil {
			return err
		}
		if err := p.terrain().meanWetness(plan, sums); err != nil {
			return err
		}
	}
	plan.Created = p.job.Now().UTC()
	p.job.Log.Info("planned", "cells", width*height, "tiles", len(plan.Tiles))
	_, err = record.WritePlan(ctx, p.job.Store, p.job.Request.ID, plan)
	return err
}

// sideOfTiles returns the side of the plan's tiles, and that of its blocks, 0 without.
func (p *planner) sideOfTiles(plan *record.Plan) (side, block int, err error) {
	if plan.Far != nil {
		block = plan.Far.Block
	}
	side = cmp.Or(p.job.Request.Parameters.TileSize, p.kind.tileSize)
	switch {
	case side == 0:
		side = p.job.Cost.taskSide(p.job.Request.Workflow, p.job.Request.Parameters, block)
	case block > 0: // tiles of a size asked for do not cross the border of two blocks
		side = min(side, block)
	}
	if tiles := countTiles(plan.Width, plan.Height, side, block); tiles > mostTiles {
		return 0, 0, fault.New(fault.Invalid, fmt.Errorf("tile_size %d: cuts %d x %d cells into %d tiles, at most %d are allowed; give at least %d, or leave it out",
			side, plan.Width, plan.Height, tiles, mostTiles, leastSide(plan.Width, plan.Height, block)))
	}
	return side, block, nil
}

// inspect notes what is noticed about the inputs, and ends the job for what it cannot be
// computed from.
func (p *planner) inspect(ctx context.Context, d *dem.DEM, plan *record.Plan) error {
	params := p.job.Request.Parameters
	o := inspect.Options{
		Parameters: params, Open: p.job.Objects.Open,
		Fault: func(err error) bool { return !fault.Is(InputError(err), fault.Invalid) },
	}
	if p.job.Request.Workflow == param.EEMT {
		o.Spec = new(climate.Spec)
		if err := json.Unmarshal(plan.Climate, o.Spec); err != nil {
			return fmt.Errorf("plan of job %s: climate: %w", p.job.Request.ID, err)
		}
	}
	found, err := inspect.DEM(ctx, d, o)
	if err != nil {
		return err
	}
	plan.Findings.Add(found.Findings...)
	plan.Findings.Accept(params.Accept)
	if tell := p.kind.findings; tell != nil {
		tell(p.job.Request.ID, plan.Findings)
	}
	if err := plan.Findings.Err(params.Strict); err != nil {
		return fault.New(fault.Invalid, err)
	}
	return nil
}

// planClimate reads the climate windows into the bucket.
func (p *planner) planClimate(ctx context.Context, d *dem.DEM, plan *record.Plan) error {
	p.job.Progress("climate", 0, 1)
	spec, err := p.snapshotClimate(ctx, d)
	if err != nil {
		return err
	}
	if plan.Climate, err = json.Marshal(spec); err != nil {
		return fmt.Errorf("encode the climate source: %w", err)
	}
	if err := p.climateSources(ctx, plan); err != nil {
		return err
	}
	if p.job.Request.Parameters.KCClimate {
		_, err = p.job.MeasuredRadiation(ctx, plan)
	}
	return err
}

// OpenClimate opens what planClimate left.
func (j *Job) OpenClimate(ctx context.Context, plan *record.Plan) (climate.Source, climate.Spec, error) {
	var spec climate.Spec
	if err := json.Unmarshal(plan.Climate, &spec); err != nil {
		return nil, spec, fmt.Errorf("plan of job %s: climate: %w", j.Request.ID, err)
	}
	source, err := climate.Open(ctx, spec, j.Objects.Open)
	if err != nil {
		return nil, spec, InputError(err)
	}
	return source, spec, nil
}

// wetnessYears are the climate years whose cells differ: a table covers the same every year.
func (p *terrainRun) wetnessYears(spec climate.Spec) []int {
	years := p.job.Request.Parameters.Years()
	if spec.Kind != climate.KindRaster {
		years = years[:1]
	}
	return years
}

// meanWetness takes the means of the sums of all cells by climate year.
func (p *terrainRun) meanWetness(plan *record.Plan, sums map[int]terrain.WetnessSum) error {
	plan.MeanWetness = map[int]float64{}
	var last terrain.WetnessSum
	for _, year := range p.job.Request.Parameters.Years() {
		if sum, ok := sums[year]; ok {
			last = sum
		}
		if err := last.Err(); err != nil {
			return fault.New(fault.Invalid, fmt.Errorf("mean wetness of %d: %w", year, err))
		}
		if last.Cells == 0 {
			return fault.New(fault.Invalid, fmt.Errorf("climate %s has no data for %d over this DEM (centre %.4f, %.4f); choose another source or year", p.job.Request.Parameters.Climate, year, plan.Longitude, plan.Latitude))
		}
		if last.Cells < last.Sloping*9/10 {
			plan.Findings.Add(finding.Finding{
				Code: finding.ClimateCoverage, Severity: finding.Doubt,
				Message: fmt.Sprintf("climate of %d covers %d of the %d cells that have a slope", year, last.Cells, last.Sloping),
			})
		}
		plan.MeanWetness[year] = last.Mean()
	}
	return nil
}

// rowsAtOnce bounds how many cells climate is resampled for in one go.
func rowsAtOnce(width int) int { return max(1, (1<<16)/width) }

func cellsBetween(c climate.Cells, lo, hi int) climate.Cells {
	c.Lon, c.Lat = c.Lon[lo:hi], c.Lat[lo:hi]
	if c.Elevation != nil {
		c.Elevation = c.Elevation[lo:hi]
	}
	return c
}

// sumWetness sums the wetness index over the cells with elevation, slope and
// climate, weighted with area (Rasmussen et al. 2015, eq 9), by climate year.
func (p *terrainRun) sumWetness(ctx context.Context, d *dem.DEM, plan *record.Plan) (map[int]terrain.WetnessSum, error) {
	img, closer, err := p.job.Objects.OpenImage(ctx, job.WorkKey(p.job.Request.ID, terrainFile))
	if err != nil {
		return nil, err
	}
	defer func() { _ = closer.Close() }()
	return p.sumSquares(ctx, d, plan, d.Bounds(), 1, func(ctx context.Context, square raster.Window) (*raster.Grid[float64], error) {
		g, err := img.Grid(ctx, 0, square)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", terrainFile, err)
		}
		return g, nil
	})
}

// sumSquares is sumWetness of one of so many windows that are summed together, square by
// square, some at a time; wetness returns the index, NaN where there is no slope.
func (p *terrainRun) sumSquares(ctx context.Context, d *dem.DEM, plan *record.Plan, w raster.Window, together int,
	wetness func(context.Context, raster.Window) (*raster.Grid[float64], error),
) (map[int]terrain.WetnessSum, error) {
	source, spec, err := p.job.OpenClimate(ctx, plan)
	if err != nil {
		return nil, err
	}
	years := p.wetnessYears(spec)
	total := map[int]terrain.WetnessSum{}
	var mu sync.Mutex
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(int(max(1, min(int64(p.job.Threads), p.job.Cost.Memory/squareMemory)/int64(together))))
	for square := range squares(w) {
		work.Go(p.job.Guarded(ctx, func(ctx context.Context) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			g, err := wetness(ctx, square)
			if err != nil {
				return err
			}
			sums, err := p.wetnessOf(ctx, g, source, years, d, square)
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			for year, sum := range sums {
				all := total[year]
				all.Add(sum)
				total[year] = all
			}
			return nil
		}))
	}
	return total, work.Wait()
}

func (p *terrainRun) wetnessOf(ctx context.Context, wetness *raster.Grid[float64], source climate.Source, years []int, d *dem.DEM, square raster.Window) (map[int]terrain.WetnessSum, error) {
	cells, err := p.job.Cells(ctx, d, square)
	if err != nil {
		return nil, err
	}
	sums := map[int]terrain.WetnessSum{}
	rows := rowsAtOnce(square.Width)
	for _, year := range years {
		var sum terrain.WetnessSum
		for row := 0; row < square.Height; row += rows {
			lo, hi := row*square.Width, min(row+rows, square.Height)*square.Width
			c, err := source.Months(ctx, year, cellsBetween(cells, lo, hi))
			if err != nil && !errors.Is(err, climate.ErrNoCoverage) {
				return nil, InputError(err)
			}
			for i := lo; i < hi; i++ {
				r := square.Row + i/square.Width
				sum.AddCell(wetness.Cells[i], d.Cell.DX[r]*d.Cell.DY[r], !math.IsNaN(c.ZRef[i-lo]))
			}
		}
		sums[year] = sum
	}
	return sums, nil
}

// Cells places the cells of a window, for climate.
func (j *Job) Cells(ctx context.Context, d *dem.DEM, w raster.Window) (climate.Cells, error) {
	z, err := d.Elevation(ctx, w)
	if err != nil {
		return climate.Cells{}, InputError(err)
	}
	lon, lat := d.LonLat(w)
	return climate.Cells{Lon: lon, Lat: lat, Elevation: z.Cells}, nil
}

// stripRows is how many rows of a DEM so wide are read at a time, so that a row of its
// blocks, which no cache holds of a wide one, is fetched and decoded once: 4 Mi cells in whole
// blocks, or a block where a quarter of the memory has room for it, or an even share of one.
func stripRows(width, block int, memory int64) int {
	rows := max(1, (4<<20)/width)
	if rows >= block {
		return rows / block * block
	}
	most := max(rows, int(memory/(4*8)/int64(width)))
	for n := 1; block/n >= rows; n++ {
		if block%n == 0 && block/n <= most {
			return block / n
		}
	}
	return rows
}

// surveyElevation takes the range of elevation in blocks of rows, and thins the
// far terrain where the plan has rings of it.
func (p *planner) surveyElevation(ctx context.Context, d *dem.DEM, plan *record.Plan) error {
	rings, err := newRings(p.job, d, plan)
	if err != nil {
		return err
	}
	defer rings.remove()
	stats := d.NewStatistics()
	rows := stripRows(plan.Width, d.Image.BlockHeight, p.job.Cost.Memory)
	for row := 0; row < plan.Height; row += rows {
		w := raster.Window{Row: row, Width: plan.Width, Height: min(rows, plan.Height-row)}
		z, err := d.Values(ctx, w)
		if err != nil {
			return InputError(err)
		}
		stats.Add(z, w)
		if err := rings.add(z); err != nil {
			return err
		}
	}
	if err := rings.put(ctx, p.job); err != nil {
		return err
	}
	plan.Minimum, plan.Maximum, plan.Valid = stats.Minimum, stats.Maximum, int(stats.Valid)
	cells := plan.Width * plan.Height
	if plan.Valid == 0 {
		return fault.New(fault.Invalid, fmt.Errorf("the DEM has no cell with an elevation: all %d cells are nodata", cells))
	}
	plan.Findings.Add(stats.Findings()...)
	return nil
}

func narrow(g *raster.Grid[float64]) *raster.Grid[float32] {
	out := raster.New[float32](g.Width, g.Height)
	for i, v := range g.Cells {
		out.Cells[i] = float32(v)
	}
	return out
}
