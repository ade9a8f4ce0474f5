package compute

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/cyverse-gis/eemt/eventing"
	"github.com/cyverse-gis/eemt/shared/climate"
	"github.com/cyverse-gis/eemt/shared/dem"
	"github.com/cyverse-gis/eemt/shared/exactsum"
	"github.com/cyverse-gis/eemt/shared/geotiff"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/raster"
)

// plan validates the DEM, does what needs the whole of it, cuts tiles, and asks
// for each of them.
func (p *piece) plan(ctx context.Context, attempt int) error {
	plan, err := p.Store.Plan(ctx, p.request.ID)
	if errors.Is(err, job.ErrNotFound) {
		err = p.try(ctx, job.PlanTask, func(ctx context.Context) (err error) {
			plan, err = p.makePlan(ctx)
			return err
		})
	}
	if err != nil {
		return err
	}
	done, err := p.Store.Done(ctx, p.request.ID)
	if err != nil {
		return err
	}
	missing := 0
	for _, t := range plan.Tiles {
		if _, ok := done[t.Task]; ok {
			continue
		}
		missing++
		if err := p.Events.Publish(ctx, eventing.NewTileRequested(Source, p.request.ID, t.Task, attempt, p.Now())); err != nil {
			return err
		}
	}
	if missing == 0 {
		return p.Events.Publish(ctx, eventing.NewTilesCompleted(Source, p.request.ID, attempt, p.Now()))
	}
	return nil
}

func (p *piece) makePlan(ctx context.Context) (*job.Plan, error) {
	params := p.request.Parameters
	p.report(p.request.ID, "terrain", 0, 1)
	d, closer, err := p.openDEM(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = closer.Close() }()
	width, height := d.Image.Width, d.Image.Height
	if err := p.Cost.Check(p.request.Workflow, params, width, height); err != nil {
		return nil, &badInput{err}
	}
	plan := &job.Plan{Width: width, Height: height, CRS: d.CRS.Name(), Warnings: d.Notes}
	plan.Longitude, plan.Latitude = d.Center()
	plan.Halo = max(width, height)
	if reach := p.Reach.orDefault(); params.Shadows == "on" || slices.ContainsFunc(params.Layers, job.Layer.NeedsHorizon) {
		if plan.Far = reach.far(width, height); plan.Far != nil {
			plan.Halo = reach.Near
		}
	} else {
		plan.Halo = 1
	}
	side, block, err := p.sideOfTiles(plan)
	if err != nil {
		return nil, err
	}
	if err := p.surveyElevation(ctx, d, plan); err != nil {
		return nil, err
	}
	if params.Daily && params.StartYear != params.EndYear {
		plan.Warnings = append(plan.Warnings, "daily maps are of the solar year, which is the same for every climate year")
	}
	if err := p.planInputs(ctx, d, plan); err != nil {
		return nil, err
	}
	if p.request.Workflow == job.EEMT {
		if err := p.planEEMT(ctx, d, plan); err != nil {
			return nil, err
		}
		if params.KCClimate {
			if _, err := p.measuredRadiation(ctx, plan); err != nil {
				return nil, err
			}
		}
	}
	plan.Tiles = cut(width, height, side, block)
	one := p.cost()
	one.Cores = 1 // what the report says does not depend on who planned
	work := one.Estimate(p.request.Workflow, params, width, height)
	plan.Estimate = &job.Estimate{CoreSeconds: work.Seconds, Memory: work.Memory, Results: work.Results}
	plan.Maps = mapsOf(p.request)
	plan.Created = p.Now().UTC()
	p.log.Info("planned", "cells", width*height, "tiles", len(plan.Tiles))
	return p.Store.WritePlan(ctx, p.request.ID, plan)
}

// sideOfTiles returns the side of the plan's tiles, and that of its blocks, 0 without.
func (p *piece) sideOfTiles(plan *job.Plan) (side, block int, err error) {
	if plan.Far != nil {
		block = plan.Far.Block
	}
	side = cmp.Or(p.request.Parameters.TileSize, p.TileSize)
	switch {
	case side == 0:
		side = p.cost().taskSide(p.request.Workflow, p.request.Parameters, block)
	case block > 0: // tiles of a size asked for do not cross the border of two blocks
		side = min(side, block)
	}
	along := func(size int) int { return (size + side - 1) / side }
	if tiles := along(plan.Width) * along(plan.Height); tiles > mostTiles {
		return 0, 0, &badInput{fmt.Errorf("tile_size %d: cuts %d x %d cells into %d tiles, at most %d are allowed; give at least %d, or leave it out",
			side, plan.Width, plan.Height, tiles, mostTiles, int(math.Ceil(math.Sqrt(float64(plan.Width)*float64(plan.Height)/mostTiles))))}
	}
	return side, block, nil
}

// planEEMT does the terrain pass, fetches the climate windows, and takes the
// mean wetness over the cells that have all inputs, all of it piece by piece.
func (p *piece) planEEMT(ctx context.Context, d *dem.DEM, plan *job.Plan) error {
	if err := p.planTerrain(ctx, d, plan); err != nil {
		return err
	}
	p.report(p.request.ID, "climate", 0, 1)
	spec, err := p.snapshotClimate(ctx, d)
	if err != nil {
		return err
	}
	if plan.Climate, err = json.Marshal(spec); err != nil {
		return fmt.Errorf("encode the climate source: %w", err)
	}
	source, err := climate.Open(ctx, spec, p.bucketClimate)
	if err != nil {
		return p.inputError(err)
	}
	plan.MeanWetness = map[int]float64{}
	var mean float64
	var covered int
	for i, year := range p.request.Parameters.Years() {
		if i == 0 || spec.Kind == climate.KindRaster { // a table covers the same cells every year
			if mean, covered, err = p.meanWetness(ctx, source, year, d); err != nil {
				return err
			}
		}
		if covered == 0 {
			return &badInput{fmt.Errorf("climate %s has no data for %d over this DEM (centre %.4f, %.4f); choose another source or year", p.request.Parameters.Climate, year, plan.Longitude, plan.Latitude)}
		}
		if covered < plan.Valid*9/10 {
			plan.Warnings = append(plan.Warnings, fmt.Sprintf("climate of %d covers %d of %d cells", year, covered, plan.Valid))
		}
		plan.MeanWetness[year] = mean
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

// meanWetness is the area-weighted mean of the wetness index over the cells with
// elevation, slope and climate (Rasmussen et al. 2015, eq 9).
func (p *piece) meanWetness(ctx context.Context, source climate.Source, year int, d *dem.DEM) (mean float64, covered int, err error) {
	img, closer, err := p.openImage(ctx, job.WorkKey(p.request.ID, terrainFile))
	if err != nil {
		return 0, 0, err
	}
	defer func() { _ = closer.Close() }()
	all := slices.Collect(squares(d.Bounds()))
	sums := make([]wetnessSum, len(all))
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(int(max(1, min(int64(p.Threads), p.cost().Memory/squareMemory))))
	for i, square := range all {
		work.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			sum, err := p.wetnessOf(ctx, img, source, year, d, square)
			sums[i] = sum
			return err
		})
	}
	if err := work.Wait(); err != nil {
		return 0, 0, err
	}
	var total wetnessSum
	for _, s := range sums {
		total.wetness.AddSum(s.wetness)
		total.area.AddSum(s.area)
		total.cells += s.cells
	}
	if err := errors.Join(total.wetness.Err(), total.area.Err()); err != nil {
		return 0, 0, &badInput{fmt.Errorf("mean wetness of %d: %w", year, err)}
	}
	return total.wetness.Float64() / total.area.Float64(), total.cells, nil
}

// wetnessSum is over the cells with all inputs; wetness is weighted with area.
type wetnessSum struct {
	wetness, area exactsum.Sum
	cells         int
}

func (p *piece) wetnessOf(ctx context.Context, img *geotiff.Image, source climate.Source, year int, d *dem.DEM, square raster.Window) (sum wetnessSum, err error) {
	wetness, err := img.Grid(ctx, 0, square)
	if err != nil {
		return sum, fmt.Errorf("read %s: %w", terrainFile, err)
	}
	cells, err := p.cellsOf(ctx, d, square)
	if err != nil {
		return sum, err
	}
	rows := rowsAtOnce(square.Width)
	for row := 0; row < square.Height; row += rows {
		lo, hi := row*square.Width, min(row+rows, square.Height)*square.Width
		c, err := source.Months(ctx, year, cellsBetween(cells, lo, hi))
		if err != nil && !errors.Is(err, climate.ErrNoCoverage) {
			return sum, p.inputError(err)
		}
		for i := lo; i < hi; i++ {
			l := wetness.Cells[i] // NaN where there is no slope
			if math.IsNaN(l) || math.IsNaN(c.ZRef[i-lo]) {
				continue
			}
			r := square.Row + i/square.Width
			a := d.Cell.DX[r] * d.Cell.DY[r]
			sum.wetness.Add(a * l)
			sum.area.Add(a)
			sum.cells++
		}
	}
	return sum, nil
}

// cellsOf places the cells of a window, for climate.
func (p *piece) cellsOf(ctx context.Context, d *dem.DEM, w raster.Window) (climate.Cells, error) {
	z, err := d.Elevation(ctx, w)
	if err != nil {
		return climate.Cells{}, p.inputError(err)
	}
	lon, lat := d.LonLat(w)
	return climate.Cells{Lon: lon, Lat: lat, Elevation: z.Cells}, nil
}

// surveyElevation takes the range of elevation in blocks of rows, and thins the
// far terrain where the plan has rings of it.
func (p *piece) surveyElevation(ctx context.Context, d *dem.DEM, plan *job.Plan) error {
	rings, err := p.newRings(d, plan)
	if err != nil {
		return err
	}
	defer rings.remove()
	plan.Minimum, plan.Maximum = math.Inf(1), math.Inf(-1)
	rows := max(1, (4<<20)/plan.Width)
	for row := 0; row < plan.Height; row += rows {
		z, err := d.Elevation(ctx, raster.Window{Row: row, Width: plan.Width, Height: min(rows, plan.Height-row)})
		if err != nil {
			return p.inputError(err)
		}
		for _, v := range z.Cells {
			if !math.IsNaN(v) {
				plan.Minimum, plan.Maximum = min(plan.Minimum, v), max(plan.Maximum, v)
				plan.Valid++
			}
		}
		if err := rings.add(z); err != nil {
			return err
		}
	}
	if err := rings.put(ctx, p); err != nil {
		return err
	}
	cells := plan.Width * plan.Height
	if plan.Valid == 0 {
		return &badInput{fmt.Errorf("the DEM has no cell with an elevation: all %d cells are nodata", cells)}
	}
	if share := 1 - float64(plan.Valid)/float64(cells); share > 0.5 {
		plan.Warnings = append(plan.Warnings, fmt.Sprintf("%.0f %% of the DEM is nodata", 100*share))
	}
	return nil
}

func narrow(g *raster.Grid[float64]) *raster.Grid[float32] {
	out := raster.New[float32](g.Width, g.Height)
	for i, v := range g.Cells {
		out.Cells[i] = float32(v)
	}
	return out
}
