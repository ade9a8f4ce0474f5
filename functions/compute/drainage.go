package compute

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"strconv"

	"github.com/cyverse-gis/eemt/functions/compute/objects"
	"github.com/cyverse-gis/eemt/functions/compute/record"
	"github.com/cyverse-gis/eemt/shared/dem"
	"github.com/cyverse-gis/eemt/shared/fault"
	"github.com/cyverse-gis/eemt/shared/finding"
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
func (p *terrainRun) planTerrain(ctx context.Context, d *dem.DEM, plan *record.Plan) error {
	key := job.WorkKey(p.job.Request.ID, terrainFile)
	made, err := p.job.Store.Bucket.Exists(ctx, key)
	if err != nil {
		return fmt.Errorf("read %s: %w", key, err)
	}
	if !made {
		if err := p.makeTerrain(ctx, d, plan); err != nil {
			return err
		}
	}
	img, closer, err := p.job.Objects.OpenImage(ctx, key)
	if err != nil {
		return err
	}
	defer func() { _ = closer.Close() }()
	if n := img.Metadata[flooredTag]; n != "0" {
		plan.Findings.Add(floored(n))
	}
	return nil
}

// makeTerrain finds where water goes over the whole DEM, tile by tile, and writes
// the terrain file.
func (p *terrainRun) makeTerrain(ctx context.Context, d *dem.DEM, plan *record.Plan) error {
	spools := newSpools(p.job.Temp)
	defer spools.remove()
	var scratch [2]terrain.Scratch
	for i := range scratch {
		var err error
		if scratch[i], err = spools.open(); err != nil {
			return fmt.Errorf("room for the terrain: %w", err)
		}
	}
	threads := drainageThreads(p.job.Threads)
	work := &terrain.Tiled{
		Width: plan.Width, Height: plan.Height, Cell: d.Cell, Side: p.drainageSide(threads), Threads: threads,
		Filled: scratch[0], Area: scratch[1],
		Elevation: func(w raster.Window) (*raster.Grid[float64], error) {
			z, err := d.Elevation(ctx, w)
			if err != nil {
				return nil, InputError(err)
			}
			return z, nil
		},
		Progress: func(share float64) { p.job.Progress("terrain", share, 1) },
	}
	if err := work.Run(ctx); err != nil {
		return err
	}
	w, err := p.newTerrainFile(d, d.Bounds(), spools)
	if err != nil {
		return err
	}
	for square := range squares(d.Bounds()) {
		if err := ctx.Err(); err != nil {
			return err
		}
		area, err := work.ReadArea(square)
		if err != nil {
			return err
		}
		if _, err := w.add(ctx, d, square, area); err != nil {
			return err
		}
	}
	if !w.sloping {
		return errNoSlope()
	}
	w.SetMetadata(flooredTag, strconv.Itoa(w.floored))
	return p.job.Objects.Put(ctx, job.WorkKey(p.job.Request.ID, terrainFile), objects.TIFF, func(to io.Writer) error { return w.Close(to) })
}

func errNoSlope() error {
	return fault.New(fault.Invalid, errors.New("no cell of the DEM has a slope: each needs its eight neighbours, and none has them"))
}

// floored tells of cells whose wetness was raised to its minimum.
func floored(n string) finding.Finding {
	cells := n + " cells"
	if n == "1" {
		cells = "1 cell"
	}
	return finding.Finding{Code: finding.ModelWetness, Severity: finding.Note, Value: n, Message: "topographic wetness index clamped to its minimum in " + cells}
}

// terrainWriter writes the terrain file of a window, or of the whole DEM.
type terrainWriter struct {
	*geotiff.Writer
	window raster.Window
	// floored counts cells, sloping says that some have a slope, of what was added.
	floored int
	sloping bool
}

func (p *terrainRun) newTerrainFile(d *dem.DEM, window raster.Window, spools *spools) (*terrainWriter, error) {
	opts := p.job.Options(d, window, []geotiff.BandInfo{
		{Description: "topographic wetness index", Unit: "ln m"}, {Description: "contributing area", Unit: "m2"},
	})
	opts.Spool, opts.Held = spools.open, mapHeld
	w, err := geotiff.NewWriter(opts)
	return &terrainWriter{Writer: w, window: window}, err
}

// add writes a square of the window, of which it gets the contributing area, and returns its wetness.
func (w *terrainWriter) add(ctx context.Context, d *dem.DEM, square raster.Window, area *raster.Grid[float64]) (*raster.Grid[float32], error) {
	outer := square.Grow(1).Intersect(d.Bounds())
	z, err := d.Elevation(ctx, outer)
	if err != nil {
		return nil, InputError(err)
	}
	core := raster.Window{Col: square.Col - outer.Col, Row: square.Row - outer.Row, Width: square.Width, Height: square.Height}
	slope, _ := terrain.SlopeAspectWindow(z, d.Cell.Rows(outer.Row, outer.Height), core, terrain.EdgesNoData)
	wetness, n := terrain.Wetness(area, slope, d.Cell.Rows(square.Row, square.Height))
	w.floored += n
	w.sloping = w.sloping || !allNaN(slope.Cells)
	at := square
	at.Col -= w.window.Col
	at.Row -= w.window.Row
	if err := w.WriteWindow(0, at, wetness.Cells); err != nil {
		return nil, err
	}
	return wetness, w.WriteWindow(1, at, narrow(area).Cells)
}

// squareSide is the side of what passes over the whole DEM hold at a time: a
// multiple of workBlock.
const squareSide = 1024

// squareMemory is what a square takes with the climate of some of its rows.
const squareMemory = 160 << 20

// squares yields the squares of a window row by row.
func squares(w raster.Window) iter.Seq[raster.Window] {
	return func(yield func(raster.Window) bool) {
		for r := 0; r < w.Height; r += squareSide {
			for c := 0; c < w.Width; c += squareSide {
				if !yield(raster.Window{Col: w.Col + c, Row: w.Row + r, Width: squareSide, Height: squareSide}.Intersect(w)) {
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
