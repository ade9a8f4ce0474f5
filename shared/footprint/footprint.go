// Package footprint says what part of the Earth a raster covers.
package footprint

import (
	"math"
	"slices"

	"github.com/paulmach/orb"
	"github.com/paulmach/orb/clip"
	"github.com/paulmach/orb/geojson"

	"github.com/cyverse-gis/eemt/shared/crs"
	"github.com/cyverse-gis/eemt/shared/raster"
)

// Outline walks the edge of a raster of width x height cells clockwise from its upper-left corner, in degrees of
// longitude and latitude, and closes the ring. Points outside the projection's domain are left out: the ring is empty
// where all are. Across the antimeridian longitudes go on beyond 180, unless the ring is around a pole.
func Outline(c *crs.CRS, t raster.Transform, width, height int) orb.Ring {
	const steps = 16 // of a side: the corners of a projected raster are not its extremes
	w, h := float64(width), float64(height)
	var ring orb.Ring
	add := func(x, y float64) {
		x, y = t.OriginX+t.StepX*w*x, t.OriginY+t.StepY*h*y
		if c.Geographic() { // half a cell of nodes on a pole lies beyond it
			y = max(-90, min(90, y))
		}
		if lon, lat := c.Inverse(x, y); !math.IsNaN(lon) {
			ring = append(ring, orb.Point{lon, lat})
		}
	}
	for side := range 4 {
		for i := range steps {
			f := float64(i) / steps
			switch side {
			case 0:
				add(f, 0)
			case 1:
				add(1, f)
			case 2:
				add(1-f, 1)
			case 3:
				add(0, 1-f)
			}
		}
	}
	if len(ring) > 0 {
		ring = append(ring, ring[0])
	}
	return unwrap(ring)
}

// unwrap removes the jumps from 180 to -180 degrees from a ring. A ring around a pole ends a whole turn from where it
// began, and is returned as it is.
func unwrap(ring orb.Ring) orb.Ring {
	out := make(orb.Ring, len(ring))
	shift, west := 0.0, math.Inf(1)
	for i, p := range ring {
		if i > 0 {
			if d := p[0] - ring[i-1][0]; math.Abs(d) > 180 {
				shift -= math.Copysign(360, d)
			}
		}
		out[i] = orb.Point{p[0] + shift, p[1]}
		west = min(west, out[i][0])
	}
	if shift != 0 {
		return ring
	}
	if back := 360 * math.Floor((west+180)/360); back != 0 {
		for i := range out {
			out[i][0] -= back
		}
	}
	return out
}

// Bound is the extent of an outline in degrees. Its east is beyond 180 where the outline lies across the antimeridian.
// It is empty where the outline is.
func Bound(outline orb.Ring) orb.Bound {
	b := outline.Bound()
	if b.Right()-b.Left() >= 360 { // the columns of a global raster meet
		b.Min[0], b.Max[0] = -180, 180
	}
	return b
}

// GeoJSON returns an outline as GeoJSON has it (RFC 7946, 3.1.9 and 5.2): counter-clockwise, with longitudes of -180 to
// 180. Across the antimeridian it is one polygon on each side, and the west of the box is greater than its east. The box
// is west, south, east, north.
func GeoJSON(outline orb.Ring) (*geojson.Geometry, [4]float64) {
	ring, b := outline.Clone(), outline.Bound()
	slices.Reverse(ring)
	if b.Right() <= 180 {
		return geojson.NewGeometry(ring), [4]float64{b.Left(), b.Bottom(), b.Right(), b.Top()}
	}
	west := clipped(ring, orb.Bound{Min: orb.Point{-180, -90}, Max: orb.Point{180, 90}})
	east := clipped(ring, orb.Bound{Min: orb.Point{180, -90}, Max: orb.Point{540, 90}})
	for i := range east {
		east[i][0] -= 360
	}
	box := [4]float64{b.Left(), b.Bottom(), b.Right() - 360, b.Top()}
	if box[2] >= box[0] {
		box[0], box[2] = -180, 180
	}
	return geojson.NewGeometry(orb.MultiPolygon{{west}, {east}}), box
}

// clipped returns the part of a closed ring within a bound. A corner that lies on the edge of the bound stays one corner:
// clip.Ring adds the crossing of the edge beside it. A ring whose first corner lies within the bound starts at its second.
func clipped(ring orb.Ring, b orb.Bound) orb.Ring {
	const same = 1e-9 // degrees
	var out orb.Ring
	for _, p := range clip.Ring(b, ring.Clone()) {
		if n := len(out) - 1; n >= 0 && out[n][0] == p[0] && math.Abs(out[n][1]-p[1]) < same {
			if slices.Contains(ring, p) {
				out[n] = p
			}
			continue
		}
		out = append(out, p)
	}
	if len(out) > 1 && b.Contains(ring[0]) {
		out = append(out[1:], out[1])
	}
	return out
}
