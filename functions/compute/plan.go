package compute

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/cyverse-gis/eemt/eventing"
	"github.com/cyverse-gis/eemt/shared/climate"
	"github.com/cyverse-gis/eemt/shared/dem"
	"github.com/cyverse-gis/eemt/shared/geotiff"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/raster"
	"github.com/cyverse-gis/eemt/shared/terrain"
)

// terrainFile holds what the pass over the whole DEM found: band 0 the wetness
// index (ln m), band 1 the contributing area (m2).
const terrainFile = "terrain.tif"

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
	side := params.TileSize
	if side == 0 {
		side = p.TileSize
	}
	if side == 0 {
		side = tileSide(p.request.Workflow)
	}
	block := max(width, height)
	if plan.Far != nil {
		block = plan.Far.Block
	}
	plan.Tiles = cut(width, height, side, block)
	plan.Created = p.Now().UTC()
	p.log.Info("planned", "cells", width*height, "tiles", len(plan.Tiles))
	return p.Store.WritePlan(ctx, p.request.ID, plan)
}

// planEEMT does the terrain pass, fetches the climate windows, and takes the
// mean wetness over the cells that have all inputs.
func (p *piece) planEEMT(ctx context.Context, d *dem.DEM, plan *job.Plan) error {
	z, err := d.Elevation(ctx, d.Bounds())
	if err != nil {
		return p.inputError(err)
	}
	slope, _ := terrain.SlopeAspect(z, d.Cell, terrain.EdgesNoData)
	area, _ := terrain.ContributingArea(terrain.FillDepressions(z), d.Cell)
	wetness, floored := terrain.Wetness(area, slope, d.Cell)
	if floored > 0 {
		plan.Warnings = append(plan.Warnings, fmt.Sprintf("the wetness index of %d cells was raised to its floor", floored))
	}
	err = p.put(ctx, job.WorkKey(p.request.ID, terrainFile), tiffType, func(w io.Writer) error {
		return geotiff.Write(w, p.workOptions(d, d.Bounds(), []geotiff.BandInfo{
			{Description: "topographic wetness index", Unit: "ln m"}, {Description: "contributing area", Unit: "m2"},
		}), wetness, narrow(area))
	})
	if err != nil {
		return err
	}
	if len(slope.Cells) > 0 && allNaN(slope.Cells) {
		return &badInput{fmt.Errorf("no cell of the DEM has a slope: each needs its eight neighbours, and none has them")}
	}
	p.report(p.request.ID, "climate", 0, 1)
	lon, lat := d.LonLat(d.Bounds())
	cells := climate.Cells{Lon: lon, Lat: lat, Elevation: z.Cells}
	spec, err := p.snapshotClimate(ctx, cells)
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
	for _, year := range p.request.Parameters.Years() {
		mean, covered, err := meanWetness(ctx, source, year, d, cells, slope, wetness)
		if err != nil {
			return p.inputError(err)
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
func meanWetness(ctx context.Context, source climate.Source, year int, d *dem.DEM, cells climate.Cells, slope *raster.Grid[float64], wetness *raster.Grid[float32]) (mean float64, covered int, err error) {
	var sum, weight float64
	rows := rowsAtOnce(slope.Width)
	for row := 0; row < slope.Height; row += rows {
		lo, hi := row*slope.Width, min(row+rows, slope.Height)*slope.Width
		c, err := source.Months(ctx, year, cellsBetween(cells, lo, hi))
		if err != nil && !errors.Is(err, climate.ErrNoCoverage) {
			return 0, 0, err
		}
		for i := lo; i < hi; i++ {
			l := float64(wetness.Cells[i])
			if math.IsNaN(l) || math.IsNaN(slope.Cells[i]) || math.IsNaN(c.ZRef[i-lo]) {
				continue
			}
			r := i / slope.Width
			a := d.Cell.DX[r] * d.Cell.DY[r]
			sum += a * l
			weight += a
			covered++
		}
	}
	return sum / weight, covered, nil
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

func allNaN(values []float64) bool {
	for _, v := range values {
		if !math.IsNaN(v) {
			return false
		}
	}
	return true
}

func narrow(g *raster.Grid[float64]) *raster.Grid[float32] {
	out := raster.New[float32](g.Width, g.Height)
	for i, v := range g.Cells {
		out.Cells[i] = float32(v)
	}
	return out
}
