// Package demtest makes small elevation models for tests.
package demtest

import (
	"bytes"
	"math"
	"testing"

	"github.com/cyverse-gis/eemt/shared/geotiff"
	"github.com/cyverse-gis/eemt/shared/raster"
)

// UTM returns the GeoKeys of UTM zone 13 north on WGS 84, metres.
func UTM() raster.GeoKeys {
	return raster.GeoKeys{Shorts: map[uint16]uint16{1024: 1, 1025: 1, 3072: 32613}}
}

// Transform returns a transform with the upper-left corner near 107 W, 39 N and cells of 30 m.
func Transform() raster.Transform {
	return raster.Transform{OriginX: 327000, OriginY: 4320000, StepX: 30, StepY: -30}
}

// Hills returns terrain of two hills above a plain that drains to the south, m.
func Hills(width, height int) *raster.Grid[float64] {
	g := raster.New[float64](width, height)
	for r := range height {
		for c := range width {
			x, y := float64(c)/float64(width), float64(r)/float64(height)
			hill := func(cx, cy, s float64) float64 {
				return math.Exp(-((x-cx)*(x-cx) + (y-cy)*(y-cy)) / s)
			}
			g.Set(c, r, 2400-60*y+190*hill(0.3, 0.4, 0.03)+120*hill(0.75, 0.6, 0.02)+3*math.Sin(7*x+5*y))
		}
	}
	return g
}

// Holes marks cells without data: one inside, and the upper-right corner.
func Holes(g *raster.Grid[float64]) *raster.Grid[float64] {
	g.Set(g.Width/2, g.Height/2, math.NaN())
	for r := range 3 {
		for c := range 3 - r {
			g.Set(g.Width-1-c, r, math.NaN())
		}
	}
	return g
}

// Encode returns the GeoTIFF of z in UTM zone 13.
func Encode(t testing.TB, z *raster.Grid[float64]) []byte {
	t.Helper()
	return EncodeAs(t, z, Transform(), UTM())
}

// EncodeAs returns the GeoTIFF of z at a place of a coordinate reference system.
func EncodeAs(t testing.TB, z *raster.Grid[float64], at raster.Transform, keys raster.GeoKeys) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := geotiff.Write(&b, geotiff.Options{Transform: at, GeoKeys: keys, Type: geotiff.Float64}, z); err != nil {
		t.Fatalf("encode the DEM: %v", err)
	}
	return b.Bytes()
}
