package crs

import (
	"fmt"
	"math"
	"strings"
)

// method is the EPSG code of a map projection method; 0 is none: geographic.
type method int

const (
	methodNone                method = 0
	methodWebMercator         method = 1024
	methodLambertConformal1SP method = 9801
	methodLambertConformal2SP method = 9802
	methodMercatorA           method = 9804
	methodMercatorB           method = 9805
	methodTransverseMercator  method = 9807
	methodPolarStereographicA method = 9810
	methodLambertAzimuthal    method = 9820
	methodAlbers              method = 9822
	methodPolarStereographicB method = 9829
)

// parameters of a projection: degrees, metres, ratio.
type parameters struct {
	lat0, lon0, sp1, sp2, k0, fe, fn float64
}

// base is the geographic system below a projection.
type base struct {
	name    string
	code    int // EPSG, 0 when user defined
	datum   string
	a, invf float64
	shift   string // metres from WGS84 at most
}

// definition is all that states a coordinate reference system.
type definition struct {
	name   string
	epsg   int
	base   base
	method method
	par    parameters
	unit   float64 // metres, 1 when geographic
}

const remedy = "reproject with: gdalwarp -t_srs EPSG:326xx in.tif out.tif"

// build checks a definition and makes the system it states.
func build(d definition, notes ...string) (*CRS, error) {
	c := &CRS{def: d}
	switch {
	case d.base.invf == 0:
		c.notes = append(c.notes, fmt.Sprintf("latitudes of datum %s (a sphere of radius %.0f m) are taken as WGS84 latitudes", d.base.datum, d.base.a))
	case !strings.HasPrefix(d.base.datum, "World Geodetic System 1984"):
		c.notes = append(c.notes, fmt.Sprintf("datum %s treated as equal to WGS84 (differs by up to %s m)", shortDatum(d.base), d.base.shift))
	}
	c.notes = append(c.notes, notes...)
	if d.method == methodNone {
		c.def.unit = 1
		return c, nil
	}
	if err := d.check(); err != nil {
		return nil, fmt.Errorf("coordinate system %s: %w; %s", d.label(), err, remedy)
	}
	p := d.par
	lat0, sp1, sp2 := p.lat0*rad, p.sp1*rad, p.sp2*rad
	el := newEllipsoid(d.base.a, d.base.invf)
	switch d.method {
	case methodTransverseMercator:
		c.projection = newTransverseMercator(el, lat0, p.k0)
	case methodLambertConformal1SP:
		c.projection = newLambertConformal(el, lat0, lat0, lat0, p.k0)
	case methodLambertConformal2SP:
		c.projection = newLambertConformal(el, lat0, sp1, sp2, 1)
	case methodAlbers:
		c.projection = newAlbers(el, lat0, sp1, sp2)
	case methodMercatorA:
		c.projection = newMercator(el, 0, p.k0, false)
	case methodMercatorB:
		c.projection = newMercator(el, 0, el.m(sp1), false)
	case methodWebMercator:
		c.projection = newMercator(el, lat0, 1, true)
	case methodPolarStereographicA:
		c.projection = newPolarStereographic(el, lat0, p.k0)
	case methodPolarStereographicB:
		c.projection = newPolarStereographic(el, sp1, 1)
	case methodLambertAzimuthal:
		c.projection = newLambertAzimuthal(el, lat0)
	}
	if x, y := c.Forward(p.lon0, c.probeLatitude()); !finite(x) || !finite(y) {
		return nil, fmt.Errorf("coordinate system %s: its parameters make no map; %s", d.label(), remedy)
	}
	return c, nil
}

// probeLatitude is a latitude which every sound set of parameters maps.
func (c *CRS) probeLatitude() float64 {
	switch c.def.method {
	case methodLambertConformal2SP, methodAlbers, methodPolarStereographicB:
		return c.def.par.sp1
	case methodMercatorA, methodMercatorB, methodWebMercator:
		return 0
	}
	return c.def.par.lat0
}

// check refuses parameters for which the formulas have no meaning.
func (d *definition) check() error {
	p := d.par
	for _, v := range []struct {
		what string
		v    float64
		lim  float64
	}{
		{"latitude of origin", p.lat0, 90},
		{"longitude of origin", p.lon0, 360},
		{"first standard parallel", p.sp1, 90},
		{"second standard parallel", p.sp2, 90},
		{"false easting", p.fe, 1e9},
		{"false northing", p.fn, 1e9},
	} {
		if !(math.Abs(v.v) <= v.lim) {
			return fmt.Errorf("%s %g: must be -%g to %g", v.what, v.v, v.lim, v.lim)
		}
	}
	if !(p.k0 >= 0.1 && p.k0 <= 10) {
		return fmt.Errorf("scale factor %g: must be 0.1 to 10", p.k0)
	}
	if !(d.unit >= 1e-3 && d.unit <= 1e5) {
		return fmt.Errorf("linear unit of %g m: must be 0.001 to 100000 m", d.unit)
	}
	const small = 1e-6
	switch d.method {
	case methodLambertConformal1SP:
		if math.Abs(p.lat0) < small || math.Abs(p.lat0) > 90-small {
			return fmt.Errorf("latitude of origin %g: a cone needs one between the equator and a pole", p.lat0)
		}
	case methodLambertConformal2SP, methodAlbers:
		if math.Abs(p.sp1+p.sp2) < small {
			return fmt.Errorf("standard parallels %g and %g: a cone needs parallels which are not opposite", p.sp1, p.sp2)
		}
		if d.method == methodLambertConformal2SP && max(math.Abs(p.sp1), math.Abs(p.sp2)) > 90-small {
			return fmt.Errorf("standard parallels %g and %g: must lie between the poles", p.sp1, p.sp2)
		}
	case methodMercatorA:
		if p.lat0 != 0 {
			return fmt.Errorf("latitude of origin %g: Mercator needs 0", p.lat0)
		}
	case methodMercatorB:
		if math.Abs(p.sp1) > 89 {
			return fmt.Errorf("standard parallel %g: must be -89 to 89", p.sp1)
		}
	case methodWebMercator:
		if math.Abs(p.lat0) > 89 {
			return fmt.Errorf("latitude of origin %g: must be -89 to 89", p.lat0)
		}
	case methodPolarStereographicA:
		if math.Abs(p.lat0) < 90-small {
			return fmt.Errorf("latitude of origin %g: polar stereographic needs 90 or -90", p.lat0)
		}
	case methodPolarStereographicB:
		if math.Abs(p.sp1) < small {
			return fmt.Errorf("standard parallel %g: polar stereographic needs one off the equator", p.sp1)
		}
	}
	return nil
}

func (d *definition) label() string {
	if d.epsg > 0 {
		return fmt.Sprintf("%s (EPSG:%d)", d.name, d.epsg)
	}
	return d.name
}

// shortDatum prefers "NAD83" to "North American Datum 1983".
func shortDatum(b base) string {
	if b.code > 0 {
		return b.name
	}
	return b.datum
}
