package drainage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"

	"github.com/cyverse-gis/eemt/functions/compute/cost"
	"github.com/cyverse-gis/eemt/functions/compute/objects"
	"github.com/cyverse-gis/eemt/functions/compute/record"
	"github.com/cyverse-gis/eemt/functions/compute/replica"
	"github.com/cyverse-gis/eemt/functions/compute/workfile"
	"github.com/cyverse-gis/eemt/shared/dem"
	"github.com/cyverse-gis/eemt/shared/fault"
	"github.com/cyverse-gis/eemt/shared/finding"
	"github.com/cyverse-gis/eemt/shared/geotiff"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/raster"
	"github.com/cyverse-gis/eemt/shared/terrain"
)

// flooredTag is the item of the terrain file's metadata that counts the cells
// whose wetness was raised to its floor.
const flooredTag = "FLOORED"

// PlanTerrain makes the terrain file unless an earlier try did.
func (p *Terrain) PlanTerrain(ctx context.Context, d *dem.DEM, plan *record.Plan) error {
	key := job.WorkKey(p.Job.Request.ID, workfile.TerrainFile)
	made, err := p.Job.Store.Bucket.Exists(ctx, key)
	if err != nil {
		return fmt.Errorf("read %s: %w", key, err)
	}
	if !made {
		if err := p.makeTerrain(ctx, d, plan); err != nil {
			return err
		}
	}
	img, closer, err := p.Job.Objects.OpenImage(ctx, key)
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
func (p *Terrain) makeTerrain(ctx context.Context, d *dem.DEM, plan *record.Plan) error {
	spools := replica.NewSpools(p.Job.Temp)
	defer spools.Remove()
	var scratch [2]terrain.Scratch
	for i := range scratch {
		var err error
		if scratch[i], err = spools.Open(); err != nil {
			return fmt.Errorf("room for the terrain: %w", err)
		}
	}
	threads := cost.DrainageThreads(p.Job.Threads)
	work := &terrain.Tiled{
		Width: plan.Width, Height: plan.Height, Cell: d.Cell, Side: p.drainageSide(threads), Threads: threads,
		Filled: scratch[0], Area: scratch[1],
		Elevation: func(w raster.Window) (*raster.Grid[float64], error) {
			z, err := d.Elevation(ctx, w)
			if err != nil {
				return nil, replica.InputError(err)
			}
			return z, nil
		},
		Progress: func(share float64) { p.Job.Progress("terrain", share, 1) },
	}
	if err := work.Run(ctx); err != nil {
		return err
	}
	w, err := p.newTerrainFile(d, d.Bounds(), spools)
	if err != nil {
		return err
	}
	for window := range workfile.Windows(d.Bounds()) {
		if err := ctx.Err(); err != nil {
			return err
		}
		area, err := work.ReadArea(window)
		if err != nil {
			return err
		}
		if _, err := w.add(ctx, d, window, area); err != nil {
			return err
		}
	}
	if !w.sloping {
		return errNoSlope()
	}
	w.SetMetadata(flooredTag, strconv.Itoa(w.floored))
	return p.Job.Objects.Put(ctx, job.WorkKey(p.Job.Request.ID, workfile.TerrainFile), objects.TIFF, func(to io.Writer) error { return w.Close(to) })
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

func (p *Terrain) newTerrainFile(d *dem.DEM, window raster.Window, spools *replica.Spools) (*terrainWriter, error) {
	opts := p.Job.Options(d, window, []geotiff.BandInfo{
		{Description: "topographic wetness index", Unit: "ln m"}, {Description: "contributing area", Unit: "m2"},
	})
	opts.Spool, opts.Held = spools.Open, replica.Held
	w, err := geotiff.NewWriter(opts)
	return &terrainWriter{Writer: w, window: window}, err
}

// add writes a window of the window, of which it gets the contributing area, and returns its wetness.
func (w *terrainWriter) add(ctx context.Context, d *dem.DEM, window raster.Window, area *raster.Grid[float64]) (*raster.Grid[float32], error) {
	outer := window.Grow(1).Intersect(d.Bounds())
	z, err := d.Elevation(ctx, outer)
	if err != nil {
		return nil, replica.InputError(err)
	}
	core := raster.Window{Col: window.Col - outer.Col, Row: window.Row - outer.Row, Width: window.Width, Height: window.Height}
	slope, _ := terrain.SlopeAspectWindow(z, d.Cell.Rows(outer.Row, outer.Height), core, terrain.EdgesNoData)
	wetness, n := terrain.Wetness(area, slope, d.Cell.Rows(window.Row, window.Height))
	w.floored += n
	w.sloping = w.sloping || !allNaN(slope.Cells)
	at := window
	at.Col -= w.window.Col
	at.Row -= w.window.Row
	if err := w.WriteWindow(0, at, wetness.Cells); err != nil {
		return nil, err
	}
	return wetness, w.WriteWindow(1, at, workfile.Narrow(area).Cells)
}

func allNaN(values []float64) bool {
	for _, v := range values {
		if !math.IsNaN(v) {
			return false
		}
	}
	return true
}
