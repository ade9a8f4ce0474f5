// Package planning makes the plan of a job.
package planning

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/cyverse-gis/eemt/functions/compute/arithmetic"
	"github.com/cyverse-gis/eemt/functions/compute/cost"
	"github.com/cyverse-gis/eemt/functions/compute/drainage"
	"github.com/cyverse-gis/eemt/functions/compute/engine"
	"github.com/cyverse-gis/eemt/functions/compute/record"
	"github.com/cyverse-gis/eemt/functions/compute/replica"
	"github.com/cyverse-gis/eemt/functions/compute/workfile"
	"github.com/cyverse-gis/eemt/shared/climate"
	"github.com/cyverse-gis/eemt/shared/dem"
	"github.com/cyverse-gis/eemt/shared/fault"
	"github.com/cyverse-gis/eemt/shared/finding"
	"github.com/cyverse-gis/eemt/shared/inspect"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/param"
	"github.com/cyverse-gis/eemt/shared/raster"
)

// Kind makes the plan of a job: it validates the DEM, does what needs the whole of it, and cuts tiles. Of a large DEM
// it leaves the terrain to phases of their own.
type Kind struct {
	Replica  *replica.Replica
	Climate  climate.Opener
	Reach    workfile.Reach
	TileSize int       // of jobs that do not ask for one; 0 lets the cost decide
	Limits   cost.Cost // refuse jobs that are too large
	Drainage drainage.Options
	Findings func(id string, found finding.List) // may be nil
}

// planner makes the plan of one job.
type planner struct {
	kind Kind
	job  *replica.Job
}

// terrain follows the water for the plan.
func (p *planner) terrain() *drainage.Terrain {
	return &drainage.Terrain{Job: p.job, Options: p.kind.Drainage}
}

// Run writes the plan, or its draft, unless one of them is there.
func (k Kind) Run(ctx context.Context, r *engine.Run) (any, error) {
	for _, made := range []func() error{
		func() error { _, err := record.ReadPlan(ctx, k.Replica.Store, r.ID()); return err },
		func() error { _, err := record.ReadDraft(ctx, k.Replica.Store, r.ID()); return err },
	} {
		if err := made(); !errors.Is(err, job.ErrNotFound) {
			return nil, err
		}
	}
	return nil, (&planner{kind: k, job: k.Replica.Job(r)}).makePlan(ctx)
}

// Next returns the phase of the tiles, or the first phase of the terrain.
func (k Kind) Next(ctx context.Context, r *engine.Run, _ []job.Record) (*job.Phase, error) {
	plan, err := record.ReadPlan(ctx, k.Replica.Store, r.ID())
	if err == nil {
		return record.TilePhase(plan), nil
	}
	if !errors.Is(err, job.ErrNotFound) {
		return nil, err
	}
	draft, err := record.ReadDraft(ctx, k.Replica.Store, r.ID())
	if err != nil {
		return nil, err
	}
	return drainage.First(draft).Phase(job.KindFill, 0)
}

// Release removes nothing.
func (Kind) Release(context.Context, *engine.Run, *job.Phase) {}

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
	if err := p.kind.Limits.Check(p.job.Request.Workflow, params, width, height); err != nil {
		return fault.New(fault.Invalid, err)
	}
	plan := p.newPlan(d)
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
	plan.Tiles = workfile.Cut(width, height, side, block)
	one := p.job.Cost
	one.Cores = 1 // what the report says does not depend on who planned
	work := one.Estimate(p.job.Request.Workflow, params, width, height)
	plan.Estimate = &record.Estimate{CoreSeconds: work.Seconds, Memory: work.Memory, Results: work.Results}
	plan.Maps = arithmetic.Count(p.job.Request)
	if p.job.Request.Workflow == param.EEMT {
		if !p.terrain().Inline(width, height) {
			return p.terrain().MakeDraft(ctx, plan)
		}
		if err := p.planWater(ctx, d, plan); err != nil {
			return err
		}
	}
	plan.Created = p.job.Now().UTC()
	p.job.Log.Info("planned", "cells", width*height, "tiles", len(plan.Tiles))
	_, err = record.WritePlan(ctx, p.job.Store, p.job.Request.ID, plan)
	return err
}

// newPlan begins a plan with where the DEM lies, and what tiles see of the terrain around them.
func (p *planner) newPlan(d *dem.DEM) *record.Plan {
	params := p.job.Request.Parameters
	plan := &record.Plan{Width: d.Image.Width, Height: d.Image.Height, CRS: d.CRS.Name()}
	plan.Longitude, plan.Latitude = d.Center()
	if params.Shadows != "on" && !slices.ContainsFunc(params.Layers, param.Layer.NeedsHorizon) {
		plan.Halo = 1
		return plan
	}
	reach := p.kind.Reach.OrDefault()
	plan.Halo = max(plan.Width, plan.Height)
	if plan.Far = reach.Far(plan.Width, plan.Height); plan.Far != nil {
		plan.Halo = reach.Near
	}
	return plan
}

// planWater follows the water over the whole terrain, and notes the mean wetness of each climate year.
func (p *planner) planWater(ctx context.Context, d *dem.DEM, plan *record.Plan) error {
	if err := p.terrain().PlanTerrain(ctx, d, plan); err != nil {
		return err
	}
	sums, err := p.terrain().SumWetness(ctx, d, plan)
	if err != nil {
		return err
	}
	return p.terrain().MeanWetness(plan, sums)
}

// sideOfTiles returns the side of the plan's tiles, and that of its blocks, 0 without.
func (p *planner) sideOfTiles(plan *record.Plan) (side, block int, err error) {
	if plan.Far != nil {
		block = plan.Far.Block
	}
	side = cmp.Or(p.job.Request.Parameters.TileSize, p.kind.TileSize)
	switch {
	case side == 0:
		side = p.job.Cost.TileSide(p.job.Request.Workflow, p.job.Request.Parameters, block)
	case block > 0: // tiles of a size asked for do not cross the border of two blocks
		side = min(side, block)
	}
	if tiles := workfile.CountTiles(plan.Width, plan.Height, side, block); tiles > workfile.MostTiles {
		return 0, 0, fault.New(fault.Invalid, fmt.Errorf("tile_size %d: cuts %d x %d cells into %d tiles, at most %d are allowed; give at least %d, or leave it out",
			side, plan.Width, plan.Height, tiles, workfile.MostTiles, workfile.LeastSide(plan.Width, plan.Height, block)))
	}
	return side, block, nil
}

// inspect notes what is noticed about the inputs, and ends the job for what it cannot be
// computed from.
func (p *planner) inspect(ctx context.Context, d *dem.DEM, plan *record.Plan) error {
	params := p.job.Request.Parameters
	o := inspect.Options{
		Parameters: params, Open: p.job.Objects.Open,
		Fault: func(err error) bool { return !fault.Is(replica.InputError(err), fault.Invalid) },
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
	if tell := p.kind.Findings; tell != nil {
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
			return replica.InputError(err)
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
