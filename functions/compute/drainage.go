package compute

import (
	"context"
	"fmt"
	"io"
	"iter"
	"math"
	"strconv"

	"github.com/cyverse-gis/eemt/shared/dem"
	"github.com/cyverse-gis/eemt/shared/geotiff"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/raster"
	"github.com/cyverse-gis/eemt/shared/terrain"
)

// terrainFile holds what the pass over the whole DEM found: band 0 the wetness
// index (ln m), band 1 the contributing area (m2).
const terrainFile = "terrain.tif"

// flooredTag is the item of the terrain file's metadata that counts the cells
// whose wetness was raised to its floor.
const flooredTag = "FLOORED"

// planTerrain makes the terrain file unless an earlier try did.
func (p *piece) planTerrain(ctx context.Context, d *dem.DEM, plan *job.Plan) error {
	key := job.WorkKey(p.request.ID, terrainFile)
	made, err := p.Store.Bucket.Exists(ctx, key)
	if err != nil {
		return fmt.Errorf("read %s: %w", key, err)
	}
	if !made {
		if err := p.makeTerrain(ctx, d, plan); err != nil {
			return err
		}
	}
	img, closer, err := p.openImage(ctx, key)
	if err != nil {
		return err
	}
	defer func() { _ = closer.Close() }()
	if n := img.Metadata[flooredTag]; n != "0" {
		plan.Warnings = append(plan.Warnings, fmt.Sprintf("the wetness index of %s cells was raised to its floor", n))
	}
	return nil
}

// makeTerrain finds where water goes over the whole DEM, tile by tile, and writes
// the terrain file.
func (p *piece) makeTerrain(ctx context.Context, d *dem.DEM, plan *job.Plan) error {
	spools := newSpools(p.Temp)
	defer spools.remove()
	var scratch [2]terrain.Scratch
	for i := range scratch {
		var err error
		if scratch[i], err = spools.open(); err != nil {
			return fmt.Errorf("room for the terrain: %w", err)
		}
	}
	work := &terrain.Tiled{
		Width: plan.Width, Height: plan.Height, Cell: d.Cell, Side: drainageSide(p.cost().Memory),
		Filled: scratch[0], Area: scratch[1],
		Elevation: func(w raster.Window) (*raster.Grid[float64], error) {
			z, err := d.Elevation(ctx, w)
			if err != nil {
				return nil, p.inputError(err)
			}
			return z, nil
		},
		Progress: func(share float64) { p.report(p.request.ID, "terrain", share, 1) },
	}
	if err := work.Run(ctx); err != nil {
		return err
	}
	opts := p.workOptions(d, d.Bounds(), []geotiff.BandInfo{
		{Description: "topographic wetness index", Unit: "ln m"}, {Description: "contributing area", Unit: "m2"},
	})
	opts.Spool, opts.Held = spools.open, mapHeld
	w, err := geotiff.NewWriter(opts)
	if err != nil {
		return err
	}
	floored, sloping := 0, false
	for square := range squares(d.Bounds()) {
		if err := ctx.Err(); err != nil {
			return err
		}
		outer := square.Grow(1).Intersect(d.Bounds())
		z, err := d.Elevation(ctx, outer)
		if err != nil {
			return p.inputError(err)
		}
		area, err := work.ReadArea(square)
		if err != nil {
			return err
		}
		core := raster.Window{Col: square.Col - outer.Col, Row: square.Row - outer.Row, Width: square.Width, Height: square.Height}
		slope, _ := terrain.SlopeAspectWindow(z, d.Cell.Rows(outer.Row, outer.Height), core, terrain.EdgesNoData)
		wetness, n := terrain.Wetness(area, slope, d.Cell.Rows(square.Row, square.Height))
		floored += n
		sloping = sloping || !allNaN(slope.Cells)
		if err := w.WriteWindow(0, square, wetness.Cells); err != nil {
			return err
		}
		if err := w.WriteWindow(1, square, narrow(area).Cells); err != nil {
			return err
		}
	}
	if !sloping {
		return &badInput{fmt.Errorf("no cell of the DEM has a slope: each needs its eight neighbours, and none has them")}
	}
	w.SetMetadata(flooredTag, strconv.Itoa(floored))
	return p.put(ctx, job.WorkKey(p.request.ID, terrainFile), tiffType, func(to io.Writer) error { return w.Close(to) })
}

// squareSide is the side of what passes over the whole DEM hold at a time: a
// multiple of workBlock.
const squareSide = 1024

// squareMemory is what a square takes with the climate of some of its rows.
const squareMemory = 160 << 20

// squares yields the squares of a raster row by row.
func squares(whole raster.Window) iter.Seq[raster.Window] {
	return func(yield func(raster.Window) bool) {
		for r := 0; r < whole.Height; r += squareSide {
			for c := 0; c < whole.Width; c += squareSide {
				if !yield(raster.Window{Col: c, Row: r, Width: squareSide, Height: squareSide}.Intersect(whole)) {
					return
				}
			}
		}
	}
}

func allNaN(values []float64) bool {
	for _, v := range values {
		if !math.IsNaN(v) {
			return false
		}
	}
	return true
}
