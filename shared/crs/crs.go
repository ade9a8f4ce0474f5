// Package crs places map coordinates on the Earth.
//
// Coordinates are always x = easting or longitude and y = northing or latitude,
// as rasters hold them, whatever axis order the EPSG dataset states.
package crs

import (
	"math"
	"slices"

	"github.com/cyverse-gis/eemt/shared/crs/projection"
	"github.com/cyverse-gis/eemt/shared/finding"
	"github.com/cyverse-gis/eemt/shared/raster"
)

const rad = math.Pi / 180

// wgs84 measures degrees on the ground.
var wgs84 = projection.NewEllipsoid(6378137, 298.257223563)

// axes tell where the two coordinates of a raster point.
type axes int

const (
	eastNorth axes = iota
	westSouth
	southWest // a mirror image of the ground
)

func (a axes) toEastNorth(x, y float64) (float64, float64) {
	if a == southWest {
		x, y = y, x
	}
	return -x, -y
}

func (a axes) fromEastNorth(x, y float64) (float64, float64) {
	if a == southWest {
		x, y = y, x
	}
	return -x, -y
}

// turn makes the convergence of a projection that of a raster. In the mirror image no
// angle is right for all azimuths; north is right there, and east and west change places,
// which leaves daily sums of radiation as they are.
func (a axes) turn(convergence float64) float64 {
	switch a {
	case westSouth:
		return convergence + math.Pi
	case southWest:
		return math.Pi/2 - convergence
	}
	return convergence
}

// CRS is a coordinate reference system. It is immutable, and safe for use by
// many goroutines.
type CRS struct {
	def         definition
	projection  projection.Projection // nil when geographic
	convergence func(lam, phi float64) float64
	lon0        float64 // of the central meridian from Greenwich, degrees
	shift       *shift  // from the datum to WGS84, nil when they are one
	findings    []finding.Finding
}

// Name returns the name of the system, such as "NAD83 / UTM zone 13N".
func (c *CRS) Name() string { return c.def.name }

// EPSG returns the code of the system, 0 when it is user defined.
func (c *CRS) EPSG() int { return c.def.epsg }

// Geographic reports whether coordinates are degrees of longitude and latitude.
func (c *CRS) Geographic() bool { return c.projection == nil }

// Mirrored reports whether the map is a mirror image of the ground, as that of Krovak whose axes count south and west:
// directions to the east and to the west change places in it.
func (c *CRS) Mirrored() bool { return c.def.axes == southWest }

// MetresPerUnit returns the length of the horizontal map unit in metres, 1 for
// a geographic system, whose unit is the degree.
func (c *CRS) MetresPerUnit() float64 { return c.def.unit }

// Notes returns what was assumed, in sentences for the reader of a report.
func (c *CRS) Notes() []string {
	var notes []string
	for _, f := range c.findings {
		notes = append(notes, f.Sentence())
	}
	return notes
}

// Findings returns what was assumed: notes on the datum and on how the system was read, doubts where it may be wrong.
func (c *CRS) Findings() []finding.Finding { return slices.Clone(c.findings) }

// Inverse returns the longitude (-180 to 180) and latitude in degrees of a map
// position, both NaN outside the domain of the projection. On a geographic
// system x may lie from -720 to 720.
func (c *CRS) Inverse(x, y float64) (lon, lat float64) {
	if c.projection == nil || c.shift != nil || c.def.axes != eastNorth {
		return c.inverse(x, y)
	}
	d := &c.def
	lam, phi := c.projection.Inverse(x*d.unit-d.par.FE, y*d.unit-d.par.FN)
	return geographic(lam/rad+c.lon0, phi/rad)
}

// inverse is Inverse of any system; most need less.
func (c *CRS) inverse(x, y float64) (lon, lat float64) {
	if c.projection == nil {
		lon, lat = geographic(x, y)
		if c.lon0 != 0 {
			lon = wrap(lon + c.lon0)
		}
	} else {
		d := &c.def
		if d.axes != eastNorth {
			x, y = d.axes.toEastNorth(x, y)
		}
		lam, phi := c.projection.Inverse(x*d.unit-d.par.FE, y*d.unit-d.par.FN)
		lon, lat = geographic(lam/rad+c.lon0, phi/rad)
	}
	if c.shift != nil && !math.IsNaN(lon) {
		return c.shift.toWGS84(lon, lat)
	}
	return lon, lat
}

// Forward returns the map position of a longitude and latitude in degrees, both
// NaN outside the domain of the projection. On a geographic system the longitude
// comes back as -180 to 180, even where a grid counts from 0 to 360.
func (c *CRS) Forward(lon, lat float64) (x, y float64) {
	lon, lat = geographic(lon, lat)
	if c.shift != nil && !math.IsNaN(lon) {
		lon, lat = c.shift.fromWGS84(lon, lat)
	}
	return c.forward(lon, lat)
}

// forward is Forward of a position in the system's own datum.
func (c *CRS) forward(lon, lat float64) (x, y float64) {
	if c.projection == nil {
		if c.lon0 != 0 {
			lon = wrap(lon - c.lon0)
		}
		return lon, lat
	}
	d := &c.def
	x, y = c.projection.Forward(wrap(lon-c.lon0)*rad, lat*rad)
	x, y = (x+d.par.FE)/d.unit, (y+d.par.FN)/d.unit
	if !raster.Finite(x) || !raster.Finite(y) {
		return math.NaN(), math.NaN()
	}
	if d.axes != eastNorth {
		return d.axes.fromEastNorth(x, y)
	}
	return x, y
}

// Convergence returns the direction of grid north in radians clockwise from
// true north, -π to π: what is added to a grid azimuth to make it a true one.
// Where the projection is not conformal it is the angle at which the meridian
// meets grid north. It is 0 on a geographic system, NaN outside the domain.
func (c *CRS) Convergence(lon, lat float64) float64 {
	lon, lat = geographic(lon, lat)
	if math.IsNaN(lon) {
		return math.NaN()
	}
	if c.projection == nil {
		return 0
	}
	if c.shift != nil {
		lon, lat = c.shift.fromWGS84(lon, lat)
	}
	conv := math.Remainder(c.def.axes.turn(c.convergence(wrap(lon-c.lon0)*rad, lat*rad)), 2*math.Pi)
	if !raster.Finite(conv) {
		return math.NaN()
	}
	return conv
}

// LonLat stores the longitude and latitude in degrees of the cell centres of
// window w, row by row; both slices must hold w.Width*w.Height numbers.
func (c *CRS) LonLat(t raster.Transform, w raster.Window, lon, lat []float64) {
	t = t.Sub(w)
	for r := range w.Height {
		lonRow, latRow := lon[r*w.Width:(r+1)*w.Width], lat[r*w.Width:(r+1)*w.Width]
		for col := range lonRow {
			lonRow[col], latRow[col] = c.Inverse(t.Center(col, r))
		}
	}
}

// CellSizes returns the size in metres of the cells of each row.
//
// On a projected system it is the step in metres of the grid. On a geographic
// one it is the length of the step on the WGS84 ellipsoid at the latitude of the
// row, NaN beyond the poles. The grid of a cylindrical projection is divided by the
// point scale at the row, which in Mercator's reaches 2 at 60 degrees.
func (c *CRS) CellSizes(t raster.Transform, width, height int) raster.CellSize {
	dx, dy := math.Abs(t.StepX)*c.def.unit, math.Abs(t.StepY)*c.def.unit
	size := raster.UniformCellSize(height, dx, dy)
	cylinder, isCylinder := c.projection.(projection.Cylindrical)
	if !c.Geographic() && !isCylinder {
		return size
	}
	for r := range height {
		x, y := t.Center(width/2, r)
		if c.Geographic() {
			x = 0
		}
		_, lat := c.Inverse(x, y)
		if isCylinder {
			east, north := cylinder.Scale(lat * rad)
			size.DX[r], size.DY[r] = dx/east, dy/north
			continue
		}
		meridian, prime := wgs84.Radii(lat * rad)
		size.DX[r] = dx * rad * prime * math.Cos(lat*rad)
		size.DY[r] = dy * rad * meridian
	}
	return size
}

// Distortion returns how many metres on the ground a metre of the map is at a position, along its two axes, and the angle
// at which they meet there in degrees; NaN outside the domain. A true map has 1, 1 and 90.
func (c *CRS) Distortion(x, y float64) (east, north, angle float64) {
	step := 1 / c.def.unit // a metre
	lon, lat := c.Inverse(x, y)
	meridian, prime := wgs84.Radii(lat * rad)
	ground := func(x, y float64) (float64, float64) {
		lon1, lat1 := c.Inverse(x, y)
		return math.Remainder(lon1-lon, 360) * rad * prime * math.Cos(lat*rad), (lat1 - lat) * rad * meridian
	}
	ax, ay := ground(x+step, y)
	bx, by := ground(x, y+step)
	east, north = math.Hypot(ax, ay), math.Hypot(bx, by)
	return east, north, math.Acos(max(-1, min(1, (ax*bx+ay*by)/(east*north)))) / rad
}

// geographic brings a longitude to -180 to 180, or makes both coordinates NaN
// when they are none.
func geographic(lon, lat float64) (float64, float64) {
	// A pole may come out of an inverse a rounding error too far.
	if !(math.Abs(lat) <= 90+1e-12) || !(math.Abs(lon) <= 720) {
		return math.NaN(), math.NaN()
	}
	return wrap(lon), max(-90, min(90, lat))
}

func wrap(deg float64) float64 {
	if deg < -180 || deg > 180 {
		return math.Remainder(deg, 360)
	}
	return deg
}
