package crs

import (
	"cmp"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/cyverse-gis/eemt/shared/crs/internal/epsg"
	"github.com/cyverse-gis/eemt/shared/crs/projection"
	"github.com/cyverse-gis/eemt/shared/finding"
)

// FromEPSG returns the system of an EPSG code: geographic, projected, or the
// horizontal part of a compound one. A code whose datum or method cannot be
// handled is refused by name.
func FromEPSG(code int) (*CRS, error) {
	if code == 102100 || code == 102113 {
		code = 3857
	}
	d, err := fromEPSG(code)
	if err != nil {
		return nil, err
	}
	return build(d, d.notes()...)
}

// notes tell that a code was read as the one which replaces it.
func (d *definition) notes() []finding.Finding {
	if d.replaces == 0 {
		return nil
	}
	return []finding.Finding{{
		Code: finding.DEMCRS, Severity: finding.Note,
		Message: fmt.Sprintf("EPSG:%d is deprecated, for it was in error; it is read as %s, which replaces it", d.replaces, d.label()),
	}}
}

// replacement returns what replaces a deprecated system, if the two lie apart: then the old one was in error.
func (d *definition) replacement(code string) (definition, bool) {
	n, err := fromEPSG(atoi(code))
	if code == "" || err != nil {
		return *d, false
	}
	before, err := build(*d)
	after, err2 := build(n)
	if err != nil || err2 != nil {
		return n, err2 == nil
	}
	x, y := after.forward(after.lon0+0.4, after.probeLatitude()*0.98+0.25)
	x0, y0 := before.forward(after.lon0+0.4, after.probeLatitude()*0.98+0.25)
	if math.Hypot(x-x0, y-y0)*n.unit < 1 && d.unit == n.unit && d.base.datumCode == n.base.datumCode {
		return *d, false
	}
	n.replaces = d.epsg
	return n, true
}

// webMercator are codes which programs of Esri and others gave to Web Mercator.
var webMercator = map[int]bool{102100: true, 102113: true, 900913: true, 3785: true, 3857: true}

// Parse returns the system which a user states: EPSG:N, or well-known text of version 1 as .prj files hold it.
func Parse(text string) (*CRS, error) {
	text = strings.TrimSpace(text)
	name, code, _ := strings.Cut(strings.ToUpper(text), ":")
	n, err := strconv.Atoi(code)
	switch {
	case (name == "EPSG" || name == "ESRI") && err == nil && webMercator[n]:
		return FromEPSG(3857)
	case name == "EPSG" && err == nil:
		return FromEPSG(n)
	case strings.ContainsAny(text, "[("):
		return fromText(text)
	}
	return nil, fmt.Errorf("coordinate system %q: must be a code such as EPSG:32613, or the text of a .prj file", clip(text))
}

// fromText reads well-known text, and refuses what its own keys in a result could not be read from again: a known datum
// on the meridian of another, for instance.
func fromText(text string) (*CRS, error) {
	c, err := fromWKT(text)
	if err != nil {
		return nil, err
	}
	again, err := FromGeoKeys(c.GeoKeys())
	if err != nil {
		return nil, err
	}
	x, y := c.Forward(c.lon0, c.probeLatitude())
	if x1, y1 := again.Forward(c.lon0, c.probeLatitude()); !(math.Hypot(x1-x, y1-y) <= 1e-5*(1+math.Hypot(x, y))) && !math.IsNaN(x) {
		return nil, fmt.Errorf("the text of the coordinate system %s does not define a map; %s", c.Name(), stateWith)
	}
	return c, nil
}

func fromEPSG(code int) (definition, error) {
	if k, ok := epsg.Lookup(epsg.Compound, code); ok {
		code = atoi(k[2])
	}
	if _, ok := epsg.Lookup(epsg.Geodetic, code); ok {
		b, err := geodetic(code)
		if err == nil {
			err = degreesOnly(code)
		}
		if err != nil {
			return definition{}, err
		}
		return definition{name: b.name, epsg: code, base: b, unit: 1, par: projection.Parameters{K0: 1}}, nil
	}
	p, ok := epsg.Lookup(epsg.Projected, code)
	if !ok {
		if v, ok := epsg.Lookup(epsg.Vertical, code); ok {
			return definition{}, fmt.Errorf("EPSG:%d (%s) is a vertical coordinate system; assign a horizontal one with: gdal_edit.py -a_srs EPSG:code in.tif", code, v[1])
		}
		return definition{}, fmt.Errorf("EPSG:%d: no such coordinate system in %s; %s", code, epsg.Dataset(), remedy)
	}
	d := definition{name: p[1], epsg: code}
	var err error
	if d.base, err = geodetic(atoi(p[2])); err != nil {
		return d, fmt.Errorf("coordinate system %s: %w", d.label(), err)
	}
	if err = d.convert(atoi(p[3])); err != nil {
		return d, fmt.Errorf("coordinate system %s: %w", d.label(), err)
	}
	switch p[5] {
	case "":
		d.axes = eastNorth
	case "ws":
		d.axes = westSouth
	case "sw":
		d.axes = southWest
	default:
		return d, fmt.Errorf("coordinate system %s: axes which point north and west are not supported; %s", d.label(), remedy)
	}
	if d.axes != eastNorth { // false coordinates count as the axes do
		d.par.FE, d.par.FN = -d.par.FE, -d.par.FN
	}
	if d.unit, _, err = linearUnit(atoi(p[4])); err != nil {
		return d, fmt.Errorf("coordinate system %s: %w", d.label(), err)
	}
	if n, ok := d.replacement(p[6]); ok {
		return n, nil
	}
	return d, nil
}

// geodetic looks up a geographic system and refuses datums which are not equal
// to WGS84 within metres.
func geodetic(code int) (base, error) {
	g, ok := epsg.Lookup(epsg.Geodetic, code)
	if !ok {
		return base{}, fmt.Errorf("EPSG:%d: no such geographic coordinate system in %s; %s", code, epsg.Dataset(), remedy)
	}
	b, err := datum(atoi(g[2]))
	if err != nil {
		return base{}, err
	}
	b.name, b.code = g[1], code
	if g[4] == "c" || g[4] == "o" {
		return base{}, fmt.Errorf("%s (EPSG:%d) is not a geographic coordinate system; %s", g[1], code, remedy)
	}
	return b, nil
}

// degreesOnly refuses geographic coordinates in another angular unit.
func degreesOnly(code int) error {
	if g, ok := epsg.Lookup(epsg.Geodetic, code); ok && g[3] != "9102" {
		return angularUnit(atoi(g[3]))
	}
	return nil
}

func datum(code int) (base, error) {
	d, ok := epsg.Lookup(epsg.Datum, code)
	if !ok {
		return base{}, fmt.Errorf("datum EPSG:%d is not in %s; %s", code, epsg.Dataset(), remedy)
	}
	e, ok := epsg.Lookup(epsg.Ellipsoid, atoi(d[2]))
	if !ok {
		return base{}, fmt.Errorf("datum %s has no ellipsoid; %s", d[1], remedy)
	}
	b := base{name: d[1], datum: d[1], datumCode: code, a: atof(e[2]), invf: atof(e[3]), shift: d[4], pm: atof(d[5])}
	switch d[3] {
	case "sphere":
		b.relation = sphere
	case "other":
		b.relation = unknown
		b.partly = strings.HasSuffix(d[6], ",0")
		if b.ops = operations(d[6]); len(b.ops) > 0 {
			b.relation = shifted
		}
	}
	return b, nil
}

// convert sets method and parameters from an EPSG conversion.
func (d *definition) convert(code int) error {
	c, ok := epsg.Lookup(epsg.Conversion, code)
	if !ok {
		return fmt.Errorf("projection EPSG:%d is not in %s; %s", code, epsg.Dataset(), remedy)
	}
	if d.name == "" {
		d.name = d.base.name + " / " + c[1]
	}
	m := projection.Method(atoi(c[2]))
	d.method = cmp.Or(variants[m], m)
	if !projection.Supported(d.method) {
		name := "EPSG:" + c[2]
		if f, ok := epsg.Lookup(epsg.Method, int(m)); ok {
			name = f[1]
		}
		return fmt.Errorf("map projection %s is not supported; %s", name, remedy)
	}
	if (m == 1027 || m == 9834 || m == 9841) && d.base.invf != 0 {
		return fmt.Errorf("a spherical map projection on ellipsoid datum %s is not supported; %s", d.base.datum, remedy)
	}
	d.par.K0 = 1
	for _, f := range c[3:] {
		key, value, _ := strings.Cut(f, "=")
		setParameter(&d.par, key, atof(value))
	}
	return nil
}

// variants are methods that are computed as another one.
var variants = map[projection.Method]projection.Method{
	1027: projection.LambertAzimuthal,   // spherical: the ellipsoid of its datums is a sphere already
	1111: projection.TransverseMercator, // 3D: the same in the plane
	9808: projection.TransverseMercator, // the axes say that it is south orientated
	1041: projection.Krovak,             // as do those of Krovak
	1028: projection.EquidistantCylindrical, 1029: projection.EquidistantCylindrical, 9842: projection.EquidistantCylindrical,
	9834: projection.EqualAreaCylindrical,
	9841: projection.MercatorA,
}

// setParameter sets the parameter that has the EPSG code key. Others are not used by any method here.
func setParameter(p *projection.Parameters, key string, v float64) {
	switch key {
	case "8801", "8811", "8821":
		p.Lat0 = v
	case "8802", "8812", "8822", "8833":
		p.Lon0 = v
	case "8805", "8815", "8819", "1038":
		p.K0 = v
	case "8806", "8816", "8826":
		p.FE = v
	case "8807", "8817", "8827":
		p.FN = v
	case "8818", "8823", "8832":
		p.SP1 = v
	case "8824":
		p.SP2 = v
	case "8813", "1036":
		p.Azimuth = v
	case "8814":
		p.Rectified = v
	case "1039":
		p.Height = v
	}
}

// linearUnit returns the length and name of an EPSG unit.
func linearUnit(code int) (metres float64, name string, err error) {
	u, ok := epsg.Lookup(epsg.Unit, code)
	if !ok {
		return 0, "", fmt.Errorf("linear unit EPSG:%d is not known; %s", code, remedy)
	}
	return atof(u[2]), u[1], nil
}

// angularUnit refuses a unit by name.
func angularUnit(code int) error {
	name := fmt.Sprintf("EPSG:%d", code)
	if a, ok := epsg.Lookup(epsg.Angle, code); ok {
		name = a[1]
	}
	return fmt.Errorf("angular unit %s is not supported, only degrees are; reproject with: gdalwarp -t_srs EPSG:4326 in.tif out.tif", name)
}

// atoi and atof read numbers of the embedded table, which a test checks whole.
func atoi(s string) int {
	v, _ := strconv.Atoi(s)
	return v
}

func atof(s string) float64 {
	v, _ := strconv.ParseFloat(s, 64)
	return v
}
