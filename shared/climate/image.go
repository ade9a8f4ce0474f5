package climate

import (
	"context"
	"errors"
	"io"
	"maps"
	"math"
	"slices"

	"github.com/cyverse-gis/eemt/shared/crs"
	"github.com/cyverse-gis/eemt/shared/geotiff"
	"github.com/cyverse-gis/eemt/shared/raster"
)

// grid is where the cells of a raster lie.
type grid struct {
	width, height int
	transform     raster.Transform
	keys          raster.GeoKeys
	system        *crs.CRS
}

// position returns the fractional column and row of a place, NaN where the
// projection is not defined.
func (g *grid) position(lon, lat float64) (col, row float64) {
	x, y := g.system.Forward(lon, lat)
	col, row = g.transform.Pixel(x, y)
	beyond := func(col float64) float64 { return max(-col, col-float64(g.width), 0) }
	if g.system.Geographic() && beyond(col) > 0 {
		// A grid may count from 0 to 360 or beyond the date line.
		for _, turn := range []float64{-360, 360} {
			if c, _ := g.transform.Pixel(x+turn, y); beyond(c) < beyond(col) {
				col = c
			}
		}
	}
	return col, row
}

// same reports whether both grids have the same cells in the same place.
func (g *grid) same(h *grid) bool {
	near := func(a, b, step float64) bool { return math.Abs(a-b) <= 1e-6*math.Abs(step) }
	s, t := g.transform, h.transform
	return g.width == h.width && g.height == h.height &&
		near(s.OriginX, t.OriginX, s.StepX) && near(s.OriginY, t.OriginY, s.StepY) &&
		// Steps add up over the width.
		near(s.StepX*float64(g.width), t.StepX*float64(g.width), s.StepX) &&
		near(s.StepY*float64(g.height), t.StepY*float64(g.height), s.StepY) &&
		sameKeys(g.keys, h.keys)
}

// sameKeys compares the keys that place a coordinate. Names differ between
// programs, and Transform already heeds whether pixels are areas or points.
func sameKeys(a, b raster.GeoKeys) bool {
	const rasterType = 1025
	shorts := func(k raster.GeoKeys) map[uint16]uint16 {
		m := maps.Clone(k.Shorts)
		delete(m, rasterType)
		return m
	}
	return maps.Equal(shorts(a), shorts(b)) && maps.EqualFunc(a.Doubles, b.Doubles, slices.Equal[[]float64])
}

// image is an open raster file.
type image struct {
	grid
	*geotiff.Image
	closer io.Closer
}

// with opens the raster name, calls f and closes it. Errors name the file.
func with(ctx context.Context, name string, open Opener, f func(*image) error) error {
	m, err := openImage(ctx, name, open)
	if err == nil {
		err = f(m)
		if closed := m.closer.Close(); err == nil {
			err = closed
		}
	}
	return at("climate raster "+name+": ", err)
}

func openImage(ctx context.Context, name string, open Opener) (*image, error) {
	r, size, closer, err := open(ctx, name)
	if err != nil {
		return nil, err
	}
	m, err := geotiff.Open(r, size)
	if err != nil {
		return nil, errors.Join(err, closer.Close())
	}
	if !m.HasTransform {
		return nil, errors.Join(errors.New("no georeferencing: set it with gdal_translate -a_ullr and -a_srs"), closer.Close())
	}
	system, err := crs.FromGeoKeys(m.GeoKeys)
	if err != nil {
		return nil, errors.Join(err, closer.Close())
	}
	return &image{
		grid:   grid{m.Width, m.Height, m.Transform, m.GeoKeys, system.In(m.Transform, m.Width, m.Height)},
		Image:  m,
		closer: closer,
	}, nil
}
