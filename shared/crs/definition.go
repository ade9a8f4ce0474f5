package crs

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/cyverse-gis/eemt/shared/finding"
	"github.com/cyverse-gis/eemt/shared/raster"
)

// method is the EPSG code of a map projection method; 0 is none: geographic.
type method int

const (
	methodNone                   method = 0
	methodWebMercator            method = 1024
	methodLambertMichigan        method = 1051
	methodColombiaUrban          method = 1052
	methodEqualEarth             method = 1078
	methodEquidistantConic       method = 1119
	methodLambertConformal1SP    method = 9801
	methodLambertConformal2SP    method = 9802
	methodMercatorA              method = 9804
	methodMercatorB              method = 9805
	methodCassini                method = 9806
	methodTransverseMercator     method = 9807
	methodObliqueStereographic   method = 9809
	methodPolarStereographicA    method = 9810
	methodNewZealandMapGrid      method = 9811
	methodHotineA                method = 9812
	methodLaborde                method = 9813
	methodHotineB                method = 9815
	methodNearConformal          method = 9817
	methodPolyconic              method = 9818
	methodKrovak                 method = 9819
	methodLambertAzimuthal       method = 9820
	methodAlbers                 method = 9822
	methodEquidistantCylindrical method = 9823
	methodBonne                  method = 9827
	methodPolarStereographicB    method = 9829
	methodPolarStereographicC    method = 9830
	methodGuam                   method = 9831
	methodCassiniHyperbolic      method = 9833
	methodEqualAreaCylindrical   method = 9835
	// Methods without an EPSG code.
	methodMollweide     method = -1
	methodSinusoidal    method = -2
	methodStereographic method = -3
)

// parameters of a projection: degrees, metres, ratio. azimuth is that of an initial
// line, or the co-latitude of a cone's axis; rectified the angle from the rectified to
// the skew grid; height that of a plane.
type parameters struct {
	lat0, lon0, sp1, sp2, k0, fe, fn float64
	azimuth, rectified, height       float64
}

// base is the geographic system below a projection.
type base struct {
	name      string
	code      int // EPSG, 0 when user defined
	datum     string
	datumCode int // EPSG, 0 when user defined
	a, invf   float64
	relation  relation
	shift     string      // metres from WGS84 at most, of a datum equal to it
	pm        float64     // prime meridian, degrees from Greenwich
	ops       []operation // from the datum to WGS84, of a shifted one
	partly    bool        // whether their areas leave a part of the datum's out
	op        *operation  // the one in use
	outside   bool        // whether the raster lies outside of its area
	steps     string      // that of a file with a shift of its own
}

// relation is how a datum is turned into WGS84.
type relation int

const (
	equalToWGS84 relation = iota // within metres
	sphere                       // latitudes are taken as they are
	shifted                      // by an operation
	stated                       // by a shift which the file states
	unknown                      // taken as it is
)

// definition is all that states a coordinate reference system.
type definition struct {
	name     string
	epsg     int
	base     base
	method   method
	par      parameters
	unit     float64 // metres, 1 when geographic
	axes     axes
	replaces int    // the deprecated code that stated it, 0 when none did
	text     string // well-known text which stated it, empty when keys or a code did
}

const remedy = "reproject with: gdalwarp -t_srs EPSG:4326 -r bilinear -dstnodata -9999 -ot Float32 in.tif out.tif"

// build checks a definition and makes the system it states.
func build(d definition, findings ...finding.Finding) (*CRS, error) {
	c := &CRS{def: d, lon0: d.base.pm}
	el := newEllipsoid(d.base.a, d.base.invf)
	if len(d.base.ops) > 0 && d.base.op == nil {
		c.def.base.op = &d.base.ops[0]
	}
	if steps := c.def.base.transformation(); steps != "" {
		c.shift = newShift(el, steps)
	}
	if f, ok := c.def.base.finding(); ok {
		c.findings = append(c.findings, f)
	}
	c.findings = append(c.findings, findings...)
	if d.method == methodNone {
		c.def.unit = 1
		return c, nil
	}
	c.lon0 = d.par.lon0 + d.base.pm
	if err := d.check(); err != nil {
		return nil, fmt.Errorf("coordinate system %s: %w; %s", d.label(), err, remedy)
	}
	c.projection = d.project(el)
	if x, y := c.forward(c.lon0, c.probeLatitude()); !raster.Finite(x) || !raster.Finite(y) {
		return nil, fmt.Errorf("coordinate system %s: its parameters make no map; %s", d.label(), remedy)
	}
	return c, nil
}

// transformation is the chain of shifts to WGS84, empty where there is none.
func (b *base) transformation() string {
	if b.relation == stated {
		return b.steps
	}
	if b.op != nil {
		return b.op.steps
	}
	return ""
}

// finding tells how the datum is turned into WGS84; false where it is WGS84.
func (b *base) finding() (finding.Finding, bool) {
	f := finding.Finding{Code: finding.DEMDatum, Severity: finding.Note}
	switch {
	case b.invf == 0 && b.relation != stated:
		f.Message = fmt.Sprintf("latitudes of datum %s (a sphere of radius %.0f m) are taken as WGS84 latitudes", b.datum, b.a)
	case b.relation == stated:
		f.Message = fmt.Sprintf("datum %s is shifted to WGS84 as the file states", shortDatum(*b))
		f.Value = b.steps
	case b.op != nil:
		f.Message = fmt.Sprintf("datum %s is shifted to WGS84 by %s (%s), which is good to %g m; metres do not matter to the sun",
			shortDatum(*b), b.op.name, b.op.codes, b.op.accuracy)
		if b.outside {
			f.Severity = finding.Doubt
			f.Message += "; but the DEM lies outside of its area, where positions may be some hundred metres off"
		}
	case b.relation == unknown && len(b.ops) > 0:
		f.Severity = finding.Doubt
		f.Message = fmt.Sprintf("datum %s is taken as WGS84, because the DEM lies outside the areas of its transformations: positions may be some hundred metres off, which does not change radiation but may change the climate", shortDatum(*b))
	case b.relation == unknown && b.nearWGS84():
		f.Message = fmt.Sprintf("datum %s is stated only by an ellipsoid of %.10g m, inverse flattening %.9g; it is taken as WGS84", shortDatum(*b), b.a, b.invf)
	case b.relation == unknown:
		f.Severity = finding.Doubt
		f.Message = fmt.Sprintf("datum %s has no known transformation to WGS84, and is taken as it: positions may be some hundred metres off, which does not change radiation but may change the climate", shortDatum(*b))
	case strings.HasPrefix(b.datum, "World Geodetic System 1984"):
		return f, false
	default:
		f.Message = fmt.Sprintf("datum %s treated as equal to WGS84 (differs by up to %s m)", shortDatum(*b), b.shift)
	}
	return f, true
}

// nearWGS84 reports whether the ellipsoid is geocentric by custom.
func (b *base) nearWGS84() bool {
	return math.Abs(b.a-6378137) < 5 && math.Abs(b.invf-298.2572) < 0.01
}

// In returns the system as it is in a raster: with the transformation of its datum that is right at the raster's centre.
func (c *CRS) In(t raster.Transform, width, height int) *CRS {
	return c.near(t.OriginX+t.StepX*float64(width)/2, t.OriginY+t.StepY*float64(height)/2)
}

// near returns the system with the transformation of its datum that is right at a map position: countries and states
// have their own. A system whose datum has none returns itself.
func (c *CRS) near(x, y float64) *CRS {
	if len(c.def.base.ops) == 0 {
		return c
	}
	own := *c
	own.shift = nil // areas are in degrees of the datum
	lon, lat := own.Inverse(x, y)
	op := choose(c.def.base.ops, c.def.base.partly, lon, lat)
	if math.IsNaN(lon) || op == c.def.base.op && op.holds(lon, lat) {
		return c
	}
	near := own
	near.def.base.op = op
	near.def.base.outside = op != nil && !op.holds(lon, lat)
	if op != nil {
		near.shift = newShift(newEllipsoid(c.def.base.a, c.def.base.invf), op.steps)
	} else {
		near.def.base.relation = unknown
	}
	near.findings = slices.Clone(c.findings)
	near.findings[0], _ = near.def.base.finding()
	return &near
}

// projections makes the projection of each method from its parameters, with angles in radians.
var projections = map[method]func(e ellipsoid, p parameters) projection{
	methodTransverseMercator: func(e ellipsoid, p parameters) projection { return newTransverseMercator(e, p.lat0, p.k0) },
	methodLambertConformal1SP: func(e ellipsoid, p parameters) projection {
		return newLambertConformal(e, p.lat0, p.lat0, p.lat0, p.k0)
	},
	methodLambertConformal2SP: func(e ellipsoid, p parameters) projection { return newLambertConformal(e, p.lat0, p.sp1, p.sp2, 1) },
	methodLambertMichigan:     func(e ellipsoid, p parameters) projection { return newLambertConformal(e, p.lat0, p.sp1, p.sp2, p.k0) },
	methodAlbers:              func(e ellipsoid, p parameters) projection { return newAlbers(e, p.lat0, p.sp1, p.sp2) },
	methodMercatorA:           func(e ellipsoid, p parameters) projection { return newMercator(e, 0, p.k0, false) },
	methodMercatorB:           func(e ellipsoid, p parameters) projection { return newMercator(e, 0, e.m(p.sp1), false) },
	methodWebMercator:         func(e ellipsoid, p parameters) projection { return newMercator(e, p.lat0, 1, true) },
	methodPolarStereographicA: func(e ellipsoid, p parameters) projection { return newPolarStereographic(e, p.lat0, p.k0) },
	methodPolarStereographicB: func(e ellipsoid, p parameters) projection { return newPolarStereographic(e, p.sp1, 1) },
	methodPolarStereographicC: func(e ellipsoid, p parameters) projection {
		// The origin lies on the parallel, not on the pole.
		s := newPolarStereographic(e, p.sp1, 1)
		_, y := s.forward(0, p.sp1)
		return &lowered{s, y}
	},
	methodLambertAzimuthal:     func(e ellipsoid, p parameters) projection { return newLambertAzimuthal(e, p.lat0) },
	methodObliqueStereographic: func(e ellipsoid, p parameters) projection { return newObliqueStereographic(e, p.lat0, p.k0) },
	methodStereographic:        func(e ellipsoid, p parameters) projection { return newStereographic(e, p.lat0, p.k0) },
	methodHotineA: func(e ellipsoid, p parameters) projection {
		return newObliqueMercator(e, p.lat0, p.azimuth, p.rectified, p.k0, false)
	},
	methodHotineB: func(e ellipsoid, p parameters) projection {
		if math.Abs(p.azimuth-90*rad) < 1e-4*rad && math.Abs(p.rectified-90*rad) < 1e-4*rad {
			return newSwissOblique(e, p.lat0, p.k0)
		}
		return newObliqueMercator(e, p.lat0, p.azimuth, p.rectified, p.k0, true)
	},
	methodKrovak:                 func(e ellipsoid, p parameters) projection { return newKrovak(e, p.lat0, p.azimuth, p.sp1, p.k0) },
	methodLaborde:                func(e ellipsoid, p parameters) projection { return newLaborde(e, p.lat0, p.azimuth, p.k0) },
	methodNewZealandMapGrid:      func(e ellipsoid, p parameters) projection { return &newZealandMapGrid{a: e.a, phi0: p.lat0} },
	methodEquidistantCylindrical: func(e ellipsoid, p parameters) projection { return newEquidistantCylindrical(e, p.lat0, p.sp1) },
	methodEqualAreaCylindrical:   func(e ellipsoid, p parameters) projection { return newEqualAreaCylindrical(e, p.sp1) },
	methodEqualEarth:             func(e ellipsoid, _ parameters) projection { return newEqualEarth(e) },
	methodMollweide:              func(e ellipsoid, _ parameters) projection { return &mollweide{e.a} },
	methodEquidistantConic:       func(e ellipsoid, p parameters) projection { return newEquidistantConic(e, p.lat0, p.sp1, p.sp2) },
	methodCassini:                func(e ellipsoid, p parameters) projection { return newMeridional(e, p.lat0, math.Pi/2, 0, cassini) },
	methodCassiniHyperbolic: func(e ellipsoid, p parameters) projection {
		return newMeridional(e, p.lat0, math.Pi/2, 0, cassiniHyperbolic)
	},
	methodGuam: func(e ellipsoid, p parameters) projection { return newMeridional(e, p.lat0, math.Pi/2, 0, guam) },
	methodColombiaUrban: func(e ellipsoid, p parameters) projection {
		return newMeridional(e, p.lat0, math.Pi/2, p.height, colombia)
	},
	methodNearConformal: func(e ellipsoid, p parameters) projection {
		return newMeridional(e, p.lat0, math.Pi/2, p.k0, nearConformal)
	},
	methodPolyconic:  func(e ellipsoid, p parameters) projection { return newMeridional(e, p.lat0, math.Pi, 0, polyconic) },
	methodBonne:      func(e ellipsoid, p parameters) projection { return newMeridional(e, p.lat0, math.Pi, 0, bonne) },
	methodSinusoidal: func(e ellipsoid, p parameters) projection { return newMeridional(e, p.lat0, math.Pi, 0, sinusoidal) },
}

// project makes the projection of a definition that was checked.
func (d *definition) project(e ellipsoid) projection {
	p := d.par
	for _, angle := range []*float64{&p.lat0, &p.sp1, &p.sp2, &p.azimuth, &p.rectified} {
		*angle *= rad
	}
	return projections[d.method](e, p)
}

// probeLatitude is a latitude which every sound set of parameters maps.
func (c *CRS) probeLatitude() float64 {
	switch c.def.method {
	case methodLambertConformal2SP, methodLambertMichigan, methodAlbers, methodEquidistantConic,
		methodPolarStereographicB, methodPolarStereographicC:
		return c.def.par.sp1
	case methodMercatorA, methodMercatorB, methodWebMercator, methodEquidistantCylindrical, methodEqualAreaCylindrical,
		methodEqualEarth, methodMollweide, methodSinusoidal:
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
		{"azimuth", p.azimuth, 360},
		{"rectified grid angle", p.rectified, 360},
		{"height", p.height, 1e4},
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
	case methodLambertConformal2SP, methodLambertMichigan, methodAlbers, methodEquidistantConic:
		if math.Abs(p.sp1+p.sp2) < small {
			return fmt.Errorf("standard parallels %g and %g: a cone needs parallels which are not opposite", p.sp1, p.sp2)
		}
		if d.method != methodAlbers && max(math.Abs(p.sp1), math.Abs(p.sp2)) > 90-small {
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
	case methodObliqueStereographic, methodStereographic, methodHotineA, methodHotineB, methodLaborde, methodCassini, methodCassiniHyperbolic,
		methodPolyconic, methodGuam, methodColombiaUrban, methodNearConformal:
		if math.Abs(p.lat0) > 90-1e-3 {
			return fmt.Errorf("latitude of origin %g: must lie between the poles", p.lat0)
		}
		if (d.method == methodHotineA || d.method == methodHotineB) && (math.Abs(p.lat0) < small || math.Abs(math.Sin(p.azimuth*rad)) < small) {
			return fmt.Errorf("latitude of centre %g and azimuth %g: an oblique Mercator needs a line off the meridian and a centre off the equator", p.lat0, p.azimuth)
		}
		if d.method == methodNearConformal && math.Abs(p.lat0) < small {
			return fmt.Errorf("latitude of origin %g: a cone needs one between the equator and a pole", p.lat0)
		}
	case methodBonne:
		if math.Abs(p.lat0) < small {
			return fmt.Errorf("latitude of origin %g: Bonne needs one off the equator", p.lat0)
		}
	case methodKrovak:
		if !(p.lat0 > 1 && p.lat0 < 89 && p.sp1 > 1 && p.sp1 < 89) {
			return fmt.Errorf("latitude of origin %g and pseudo standard parallel %g: must be 1 to 89", p.lat0, p.sp1)
		}
	case methodEquidistantCylindrical, methodEqualAreaCylindrical:
		if math.Abs(p.sp1) > 89 {
			return fmt.Errorf("standard parallel %g: must be -89 to 89", p.sp1)
		}
	case methodPolarStereographicB, methodPolarStereographicC:
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
