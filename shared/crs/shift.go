package crs

import (
	"math"
	"strings"

	"github.com/cyverse-gis/eemt/shared/crs/internal/epsg"
	"github.com/cyverse-gis/eemt/shared/crs/projection"
)

// operation is a transformation of the EPSG dataset from a datum to WGS84.
type operation struct {
	name, codes              string
	accuracy                 float64 // metres
	west, south, east, north float64 // area of use, degrees
	offshore                 bool
	steps                    string // as the table has them
}

// operations reads those of a datum, in the order in which PROJ would try them.
func operations(numbers string) []operation {
	var list []operation
	for _, n := range strings.Split(numbers, ",") {
		f, ok := epsg.Lookup(epsg.Operation, atoi(n))
		if !ok {
			continue
		}
		o := operation{name: f[1], codes: f[2], accuracy: atof(f[3]), offshore: f[5] == "1", steps: f[6]}
		if box := strings.Split(f[4], ","); len(box) == 4 {
			o.west, o.south, o.east, o.north = atof(box[0]), atof(box[1]), atof(box[2]), atof(box[3])
		}
		list = append(list, o)
	}
	return list
}

func (o *operation) holds(lon, lat float64) bool {
	if lat < o.south || lat > o.north {
		return false
	}
	if o.west <= o.east {
		return lon >= o.west && lon <= o.east
	}
	return lon >= o.west || lon <= o.east
}

// within reports whether the area of o lies inside of that of p.
func (o *operation) within(p *operation) bool {
	return o.west > p.west && o.south > p.south && o.east < p.east && o.north < p.north
}

// choose returns the operation that PROJ takes at a position when it has no grids: the most accurate whose area holds
// it; of two which are alike, that of the smaller area. Where no area holds it, that is the first, or none if the areas
// leave a part of the datum's out.
func choose(list []operation, partly bool, lon, lat float64) *operation {
	var best *operation
	for i := range list {
		o := &list[i]
		if !o.holds(lon, lat) {
			continue
		}
		if best == nil || !o.offshore && (o.accuracy < best.accuracy || o.accuracy == best.accuracy && o.within(best)) {
			best = o
		}
	}
	if best == nil && !partly {
		best = &list[0]
	}
	return best
}

// affine is a linear map of geocentric coordinates: three rows of a matrix, then the translation.
type affine [12]float64

func (m *affine) apply(x, y, z float64) (float64, float64, float64) {
	return m[0]*x + m[1]*y + m[2]*z + m[9], m[3]*x + m[4]*y + m[5]*z + m[10], m[6]*x + m[7]*y + m[8]*z + m[11]
}

// after returns the map which applies first, then m.
func (m affine) after(first affine) affine {
	var r affine
	for i := range 3 {
		for j := range 3 {
			for k := range 3 {
				r[3*i+j] += m[3*i+k] * first[3*k+j]
			}
		}
		r[9+i] = m[3*i]*first[9] + m[3*i+1]*first[10] + m[3*i+2]*first[11] + m[9+i]
	}
	return r
}

func (m affine) inverted() affine {
	a, b, c, d, e, f, g, h, i := m[0], m[1], m[2], m[3], m[4], m[5], m[6], m[7], m[8]
	det := a*(e*i-f*h) - b*(d*i-f*g) + c*(d*h-e*g)
	r := affine{
		(e*i - f*h) / det, (c*h - b*i) / det, (b*f - c*e) / det,
		(f*g - d*i) / det, (a*i - c*g) / det, (c*d - a*f) / det,
		(d*h - e*g) / det, (b*g - a*h) / det, (a*e - b*d) / det,
	}
	r[9], r[10], r[11] = r.apply(-m[9], -m[10], -m[11])
	return r
}

// helmert makes the map of a similarity: translation in metres, rotation in seconds in the sense of a position vector,
// scale in parts per million, pivot in metres (EPSG Guidance Note 7-2, methods 9603, 9606, 9607, 9636).
func helmert(v []float64) affine {
	var p [10]float64
	copy(p[:], v)
	const second = rad / 3600
	s, rx, ry, rz := 1+p[6]*1e-6, p[3]*second, p[4]*second, p[5]*second
	m := affine{s, -s * rz, s * ry, s * rz, s, -s * rx, -s * ry, s * rx, s}
	px, py, pz := p[7], p[8], p[9]
	x, y, z := m.apply(px, py, pz)
	m[9], m[10], m[11] = p[0]+px-x, p[1]+py-y, p[2]+pz-z
	return m
}

// shift carries positions between a datum and WGS84. Heights are taken as 0, which costs millimetres.
type shift struct {
	el       projection.Ellipsoid
	to, from affine
}

func newShift(el projection.Ellipsoid, steps string) *shift {
	to := affine{0: 1, 4: 1, 8: 1}
	for _, text := range strings.Split(steps, "/") {
		text, backward := strings.CutPrefix(text, "inv ")
		var v []float64
		for _, f := range strings.Fields(text) {
			v = append(v, atof(f))
		}
		m := helmert(v[:min(len(v), 10)])
		if backward {
			m = m.inverted()
		}
		to = m.after(to)
	}
	return &shift{el: el, to: to, from: to.inverted()}
}

// toWGS84 takes and returns degrees of longitude from Greenwich and of latitude.
func (s *shift) toWGS84(lon, lat float64) (float64, float64) {
	return carry(&s.el, &wgs84, &s.to, lon, lat)
}

// fromWGS84 is the inverse of toWGS84, by a step back and a correction for the heights which it left out.
func (s *shift) fromWGS84(lon, lat float64) (float64, float64) {
	lon0, lat0 := carry(&wgs84, &s.el, &s.from, lon, lat)
	lon1, lat1 := s.toWGS84(lon0, lat0)
	return lon0 + math.Remainder(lon-lon1, 360), lat0 + lat - lat1
}

func carry(from, to *projection.Ellipsoid, m *affine, lon, lat float64) (float64, float64) {
	x, y, z := m.apply(from.Geocentric(lon, lat))
	if x == 0 && y == 0 { // a pole, where every longitude will do
		return lon, math.Copysign(90, z)
	}
	return to.Geodetic(x, y, z)
}
