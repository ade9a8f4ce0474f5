package solar

import (
	"context"
	"fmt"
	"math"

	"github.com/cyverse-gis/eemt/shared/raster"
	"github.com/cyverse-gis/eemt/shared/solar/clearsky"
	"github.com/cyverse-gis/eemt/shared/solar/horizon"
)

// SkyView returns the sky-view factor of the core's cells: the diffuse radiation
// a cell receives from an evenly bright sky, relative to a horizontal cell in the
// open, 0 to 1, NaN where a cell has no data. It is that of an inclined cell
// between its horizons (Dozier and Frew 1990), which in the open is
// (1 + cos slope)/2; own slope and terrain both bound the sky; without p.Shadows only the cell's own
// slope counts.
func SkyView(ctx context.Context, s Surface, p Parameters, threads int) (*raster.Grid[float32], error) {
	if err := check(&s, &p, nil); err != nil {
		return nil, err
	}
	cells := s.Core.Width * s.Core.Height
	sums := make([]float64, cells)
	planes := make([]clearsky.Plane, cells)
	valid := make([]bool, cells)
	for i := range planes {
		var c cell
		if c, valid[i] = s.at(i); valid[i] {
			planes[i] = clearsky.NewPlane(c.slope, c.aspect)
		}
	}
	around := make([]float64, azimuths)
	for a := range around {
		around[a] = float64(a) * spacing
	}
	see := func(a int, codes []horizon.Code) error {
		return eachBlock(ctx, s.Core.Height, threads, func(_, row int) {
			for i := row * s.Core.Width; i < (row+1)*s.Core.Width; i++ {
				if valid[i] {
					sums[i] += planes[i].SkyView(around[a], float64(codes[i].Tangent()))
				}
			}
		}, nil)
	}
	if p.Shadows {
		if err := eachHorizon(ctx, &s, around, threads, see); err != nil {
			return nil, err
		}
	} else {
		open := make([]horizon.Code, cells)
		for a := range around {
			if err := see(a, open); err != nil {
				return nil, err
			}
		}
	}
	out := raster.New[float32](s.Core.Width, s.Core.Height)
	for i, sum := range sums {
		out.Cells[i] = float32(max(0, min(1, sum/azimuths)))
		if !valid[i] {
			out.Cells[i] = float32(math.NaN())
		}
	}
	return out, nil
}

// Horizons calls emit with the altitude of the terrain's horizon, in radians from 0,
// for each of the grid azimuths (radians clockwise from grid north), in the
// order given. NaN marks a cell without elevation. It stops at the first error
// of emit, which it returns.
func Horizons(ctx context.Context, s Surface, p Parameters, azimuths []float64, threads int, emit func(i int, h *raster.Grid[float32]) error) error {
	if err := check(&s, &p, nil); err != nil {
		return err
	}
	for i, a := range azimuths {
		if !raster.Finite(a) {
			return fmt.Errorf("azimuth %g at place %d: must be a number of radians", a, i)
		}
	}
	return eachHorizon(ctx, &s, azimuths, threads, func(a int, codes []horizon.Code) error {
		out := raster.New[float32](s.Core.Width, s.Core.Height)
		for i, c := range codes {
			out.Cells[i] = float32(math.Atan(float64(c.Tangent())))
			if !raster.Finite(s.DEM.At(s.Core.Col+i%s.Core.Width, s.Core.Row+i/s.Core.Width)) {
				out.Cells[i] = float32(math.NaN())
			}
		}
		return emit(a, out)
	})
}

// eachHorizon sweeps the core in each azimuth, as many at a time as there are
// threads, and calls use with the horizons of each azimuth in order.
func eachHorizon(ctx context.Context, s *Surface, azimuths []float64, threads int, use func(a int, codes []horizon.Code) error) error {
	t := horizon.NewTerrain(s.DEM, s.Core, s.Cell, s.OriginCol, s.OriginRow)
	threads = max(1, threads)
	sweepers := make([]horizon.Sweeper, threads)
	codes := make([][]horizon.Code, min(threads, len(azimuths)))
	for i := range codes {
		codes[i] = make([]horizon.Code, s.Core.Width*s.Core.Height)
	}
	for first := 0; first < len(azimuths); first += len(codes) {
		n := min(len(codes), len(azimuths)-first)
		if err := sweep(ctx, t, s, s.Core, azimuths[first:first+n], codes, sweepers, nil); err != nil {
			return err
		}
		for k := range n {
			if err := use(first+k, codes[k]); err != nil {
				return err
			}
		}
	}
	return nil
}
