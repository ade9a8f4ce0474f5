package compute

import (
	"context"
	"fmt"
	"io"

	"github.com/cyverse-gis/eemt/functions/compute/objects"
	"github.com/cyverse-gis/eemt/functions/compute/record"
	"github.com/cyverse-gis/eemt/shared/dem"
	"github.com/cyverse-gis/eemt/shared/geotiff"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/raster"
	"github.com/cyverse-gis/eemt/shared/solar/horizon"
)

// Bands of a work file of thinned terrain.
const (
	bandNorthSouth = iota
	bandEastWest
)

func farFile(factor int) string { return fmt.Sprintf("far_%d.tif", factor) }

// blockOf is the block that a tile lies in.
func blockOf(f *record.Far, w raster.Window) raster.Window {
	return raster.Window{Col: w.Col / f.Block * f.Block, Row: w.Row / f.Block * f.Block, Width: f.Block, Height: f.Block}
}

// haloOf is what a tile reads of the DEM at full resolution; it may reach beyond the DEM.
func haloOf(plan *record.Plan, w raster.Window) raster.Window {
	if plan.Far != nil {
		w = blockOf(plan.Far, w)
	}
	return w.Grow(max(plan.Halo, 1))
}

// rings thins the DEM for the plan's rings while it is read row by row.
type rings struct {
	factors  []int
	thinners []*horizon.Thinner
	writers  []*geotiff.Writer
	spools   *spools
	rows     int // still to come
}

func newRings(j *Job, d *dem.DEM, plan *record.Plan) (*rings, error) {
	r := &rings{spools: newSpools(j.Temp), rows: plan.Height}
	if plan.Far == nil {
		return r, nil
	}
	r.factors = plan.Far.Factors
	for _, f := range r.factors {
		size := raster.Window{Width: (plan.Width + f - 1) / f, Height: (plan.Height + f - 1) / f}
		opts := j.Options(d, size, []geotiff.BandInfo{
			{Description: "far terrain for rays along columns", Unit: "m"}, {Description: "far terrain for rays along rows", Unit: "m"},
		})
		opts.Transform.StepX *= float64(f)
		opts.Transform.StepY *= float64(f)
		opts.Spool = r.spools.open
		w, err := geotiff.NewWriter(opts)
		if err != nil {
			return nil, err
		}
		r.writers = append(r.writers, w)
		r.thinners = append(r.thinners, horizon.NewThinner(plan.Width, f))
	}
	return r, nil
}

// add takes the next rows of the DEM.
func (r *rings) add(z *raster.Grid[float64]) error {
	for row := range z.Height {
		r.rows--
		for i, t := range r.thinners {
			if !t.Add(z.Row(row), r.rows == 0) {
				continue
			}
			if err := r.writers[i].WriteRows(bandNorthSouth, t.NorthSouth); err != nil {
				return err
			}
			if err := r.writers[i].WriteRows(bandEastWest, t.EastWest); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *rings) put(ctx context.Context, j *Job) error {
	for i, f := range r.factors {
		if err := j.Objects.Put(ctx, job.WorkKey(j.Request.ID, farFile(f)), objects.TIFF, func(w io.Writer) error { return r.writers[i].Close(w) }); err != nil {
			return err
		}
	}
	return nil
}

func (r *rings) remove() { r.spools.remove() }

// far reads the terrain around the block of a tile; nil without rings. A ring
// that begins beyond the DEM is left out.
func (p *tilePart) far(ctx context.Context, d *dem.DEM, plan *record.Plan, tile raster.Window) (*horizon.Far, error) {
	if plan.Far == nil {
		return nil, nil
	}
	block := blockOf(plan.Far, tile)
	middle := min(block.Row+block.Height/2, plan.Height-1)
	f := &horizon.Far{Block: block, DX: d.Cell.DX[middle], DY: d.Cell.DY[middle]}
	inner := plan.Halo
	for _, factor := range plan.Far.Factors {
		if block.Grow(inner).Contains(d.Bounds()) {
			break
		}
		ring := horizon.Ring{Factor: factor, Inner: inner, Outer: 2 * inner}
		w := block.Grow(ring.Outer).Intersect(d.Bounds())
		w = raster.Window{
			Col: w.Col / factor, Row: w.Row / factor,
			Width:  (w.Col+w.Width+factor-1)/factor - w.Col/factor,
			Height: (w.Row+w.Height+factor-1)/factor - w.Row/factor,
		}
		ring.Col, ring.Row = w.Col, w.Row
		for band, to := range []**raster.Grid[float32]{bandNorthSouth: &ring.NorthSouth, bandEastWest: &ring.EastWest} {
			g, err := p.job.Objects.Band(ctx, job.WorkKey(p.job.Request.ID, farFile(factor)), band, w)
			if err != nil {
				return nil, err
			}
			*to = narrow(g)
		}
		f.Rings = append(f.Rings, ring)
		inner = ring.Outer
	}
	return f, nil
}
