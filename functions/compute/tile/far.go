package tile

import (
	"context"

	"github.com/cyverse-gis/eemt/functions/compute/record"
	"github.com/cyverse-gis/eemt/functions/compute/workfile"
	"github.com/cyverse-gis/eemt/shared/dem"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/raster"
	"github.com/cyverse-gis/eemt/shared/solar/horizon"
)

// far reads the rings of coarse cells around the block of the window tile; nil where the plan has no rings. A ring
// that begins beyond the DEM is left out.
func (p *part) far(ctx context.Context, d *dem.DEM, plan *record.Plan, tile raster.Window) (*horizon.Far, error) {
	if plan.Far == nil {
		return nil, nil
	}
	block := workfile.BlockOf(plan.Far, tile)
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
		for band, to := range []**raster.Grid[float32]{workfile.BandNorthSouth: &ring.NorthSouth, workfile.BandEastWest: &ring.EastWest} {
			g, err := p.job.Objects.Band(ctx, job.WorkKey(p.job.Request.ID, workfile.FarFile(factor)), band, w)
			if err != nil {
				return nil, err
			}
			*to = workfile.Narrow(g)
		}
		f.Rings = append(f.Rings, ring)
		inner = ring.Outer
	}
	return f, nil
}
