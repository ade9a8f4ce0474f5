package solar

import (
	"context"

	"github.com/cyverse-gis/eemt/shared/raster"
	"github.com/cyverse-gis/eemt/shared/solar/horizon"
)

// raiseFar raises the horizons of the DEM window w by the far terrain: plane n of
// codes holds those of azimuth active[n].
func raiseFar(ctx context.Context, s *Surface, w raster.Window, active []int, codes []horizon.Code, threads int) error {
	if s.Far == nil {
		return nil
	}
	cells := w.Width * w.Height
	view := s.Far.View(s.DEM, s.OriginCol, s.OriginRow, w)
	sweepers := make([]horizon.FarSweeper, max(1, threads))
	return eachBlock(ctx, len(active), threads, func(worker, n int) {
		sweepers[worker].Raise(view, float64(active[n])*spacing, codes[n*cells:(n+1)*cells])
	}, nil)
}
