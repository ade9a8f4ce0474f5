package solar

import (
	"context"

	"github.com/cyverse-gis/eemt/shared/raster"
	"github.com/cyverse-gis/eemt/shared/solar/horizon"
)

// raiseFar raises the horizons of the DEM window w by the far terrain: plane(n)
// holds those of the n-th of the grid azimuths, in radians.
func raiseFar(ctx context.Context, s *Surface, w raster.Window, azimuths []float64, plane func(n int) []horizon.Code, threads int) error {
	if s.Far == nil {
		return nil
	}
	view := s.Far.View(s.DEM, s.OriginCol, s.OriginRow, w)
	sweepers := make([]horizon.FarSweeper, max(1, threads))
	return eachBlock(ctx, len(azimuths), threads, func(worker, n int) {
		sweepers[worker].Raise(view, azimuths[n], plane(n))
	}, nil)
}
