package crs

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/cyverse-gis/eemt/shared/crs/projection"
	"github.com/cyverse-gis/eemt/shared/finding"
	"github.com/cyverse-gis/eemt/shared/raster"
)

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
	method   projection.Method
	par      projection.Parameters
	unit     float64 // metres, 1 when geographic
	axes     axes
	replaces int    // the deprecated code that stated it, 0 when none did
	text     string // well-known text which stated it, empty when keys or a code did
}

const remedy = "reproject with: gdalwarp -t_srs EPSG:4326 -r bilinear -dstnodata -9999 -ot Float32 in.tif out.tif"

// build checks a definition and makes the system it states.
func build(d definition, findings ...finding.Finding) (*CRS, error) {
	c := &CRS{def: d, lon0: d.base.pm}
	el := projection.NewEllipsoid(d.base.a, d.base.invf)
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
	if d.method == projection.None {
		c.def.unit = 1
		return c, nil
	}
	c.lon0 = d.par.Lon0 + d.base.pm
	if !(d.unit >= 1e-3 && d.unit <= 1e5) {
		return nil, fmt.Errorf("coordinate system %s: linear unit of %g m: must be 0.001 to 100000 m; %s", d.label(), d.unit, remedy)
	}
	var err error
	if c.projection, err = projection.New(d.method, el, d.par); err != nil {
		return nil, fmt.Errorf("coordinate system %s: %w; %s", d.label(), err, remedy)
	}
	c.convergence = projection.Convergence(c.projection)
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
		near.shift = newShift(projection.NewEllipsoid(c.def.base.a, c.def.base.invf), op.steps)
	} else {
		near.def.base.relation = unknown
	}
	near.findings = slices.Clone(c.findings)
	near.findings[0], _ = near.def.base.finding()
	return &near
}

// probeLatitude is a latitude which every sound set of parameters maps.
func (c *CRS) probeLatitude() float64 { return projection.ProbeLatitude(c.def.method, c.def.par) }

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
