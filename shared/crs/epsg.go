package crs

import (
	"bytes"
	"cmp"
	"compress/gzip"
	_ "embed" // the parameter table
	"fmt"
	"io"
	"math"
	"sort"
	"strconv"
	"strings"
	"sync"

	"github.com/cyverse-gis/eemt/shared/finding"
)

//go:generate go run ./internal/gen -db $PROJ_DATA/proj.db -out epsg.tsv.gz

// packed is the parameter table: one line per object, sorted; a letter for its
// kind, its EPSG code, its name, then what the kind needs. The first line states
// the version of the EPSG dataset.
//
//go:embed epsg.tsv.gz
var packed []byte

// table unpacks the parameters at the first look-up, which takes a few
// milliseconds and 0.7 MB.
var table = sync.OnceValue(unpack)

func unpack() []byte {
	zr, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		panic("crs: embedded parameter table: " + err.Error())
	}
	text, err := io.ReadAll(zr)
	if err != nil {
		panic("crs: embedded parameter table: " + err.Error())
	}
	return text
}

// Dataset returns the version of the EPSG dataset which codes are looked up in.
func Dataset() string {
	line, _, _ := bytes.Cut(table(), []byte("\n"))
	return strings.TrimPrefix(string(line), "#")
}

// Kinds of objects in the table, with the fields after code and name.
const (
	kindUnit       = 'U' // metres
	kindAngle      = 'A' //
	kindEllipsoid  = 'E' // semi-major axis, inverse flattening
	kindMeridian   = 'N' // degrees from Greenwich
	kindDatum      = 'D' // ellipsoid, class, metres from WGS84, degrees of the prime meridian, operations
	kindOperation  = 'T' // EPSG codes, accuracy in metres, area, 1 when offshore, shifts
	kindGeodetic   = 'G' // datum, angular unit, type, ESRI's name without GCS_
	kindMethod     = 'M' //
	kindConversion = 'C' // method, parameters
	kindProjected  = 'P' // geodetic CRS, conversion, unit, axes when they do not point east and north, what replaces a deprecated one
	kindVertical   = 'V' // unit, 1 when depths
	kindCompound   = 'K' // horizontal CRS, vertical CRS
)

// lookup returns the fields of an object: code, name, and those of its kind.
func lookup(kind byte, code int) ([]string, bool) {
	text := table()
	key := string(kind) + strconv.Itoa(code) + "\t"
	// The first byte offset whose line does not sort before the key.
	at := sort.Search(len(text), func(i int) bool {
		start := bytes.LastIndexByte(text[:i], '\n') + 1
		end := min(len(text), start+len(key))
		return string(text[start:end]) >= key
	})
	if at == len(text) {
		return nil, false
	}
	start := bytes.LastIndexByte(text[:at], '\n') + 1
	line, _, _ := bytes.Cut(text[start:], []byte("\n"))
	if !bytes.HasPrefix(line, []byte(key)) {
		return nil, false
	}
	return strings.Split(string(line[1:]), "\t"), true
}

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
	if k, ok := lookup(kindCompound, code); ok {
		code = atoi(k[2])
	}
	if _, ok := lookup(kindGeodetic, code); ok {
		b, err := geodetic(code)
		if err == nil {
			err = degreesOnly(code)
		}
		if err != nil {
			return definition{}, err
		}
		return definition{name: b.name, epsg: code, base: b, unit: 1, par: parameters{k0: 1}}, nil
	}
	p, ok := lookup(kindProjected, code)
	if !ok {
		if v, ok := lookup(kindVertical, code); ok {
			return definition{}, fmt.Errorf("EPSG:%d (%s) is a vertical coordinate system; assign a horizontal one with: gdal_edit.py -a_srs EPSG:code in.tif", code, v[1])
		}
		return definition{}, fmt.Errorf("EPSG:%d: no such coordinate system in %s; %s", code, Dataset(), remedy)
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
		d.par.fe, d.par.fn = -d.par.fe, -d.par.fn
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
	g, ok := lookup(kindGeodetic, code)
	if !ok {
		return base{}, fmt.Errorf("EPSG:%d: no such geographic coordinate system in %s; %s", code, Dataset(), remedy)
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
	if g, ok := lookup(kindGeodetic, code); ok && g[3] != "9102" {
		return angularUnit(atoi(g[3]))
	}
	return nil
}

func datum(code int) (base, error) {
	d, ok := lookup(kindDatum, code)
	if !ok {
		return base{}, fmt.Errorf("datum EPSG:%d is not in %s; %s", code, Dataset(), remedy)
	}
	e, ok := lookup(kindEllipsoid, atoi(d[2]))
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
	c, ok := lookup(kindConversion, code)
	if !ok {
		return fmt.Errorf("projection EPSG:%d is not in %s; %s", code, Dataset(), remedy)
	}
	if d.name == "" {
		d.name = d.base.name + " / " + c[1]
	}
	m := method(atoi(c[2]))
	d.method = cmp.Or(variants[m], m)
	if projections[d.method] == nil {
		name := "EPSG:" + c[2]
		if f, ok := lookup(kindMethod, int(m)); ok {
			name = f[1]
		}
		return fmt.Errorf("map projection %s is not supported; %s", name, remedy)
	}
	if (m == 1027 || m == 9834 || m == 9841) && d.base.invf != 0 {
		return fmt.Errorf("a spherical map projection on ellipsoid datum %s is not supported; %s", d.base.datum, remedy)
	}
	d.par.k0 = 1
	for _, f := range c[3:] {
		key, value, _ := strings.Cut(f, "=")
		d.par.set(key, atof(value))
	}
	return nil
}

// variants are methods that are computed as another one.
var variants = map[method]method{
	1027: methodLambertAzimuthal,   // spherical: the ellipsoid of its datums is a sphere already
	1111: methodTransverseMercator, // 3D: the same in the plane
	9808: methodTransverseMercator, // the axes say that it is south orientated
	1041: methodKrovak,             // as do those of Krovak
	1028: methodEquidistantCylindrical, 1029: methodEquidistantCylindrical, 9842: methodEquidistantCylindrical,
	9834: methodEqualAreaCylindrical,
	9841: methodMercatorA,
}

// set sets the parameter that has the EPSG code key. Others are not used by any method here.
func (p *parameters) set(key string, v float64) {
	switch key {
	case "8801", "8811", "8821":
		p.lat0 = v
	case "8802", "8812", "8822", "8833":
		p.lon0 = v
	case "8805", "8815", "8819", "1038":
		p.k0 = v
	case "8806", "8816", "8826":
		p.fe = v
	case "8807", "8817", "8827":
		p.fn = v
	case "8818", "8823", "8832":
		p.sp1 = v
	case "8824":
		p.sp2 = v
	case "8813", "1036":
		p.azimuth = v
	case "8814":
		p.rectified = v
	case "1039":
		p.height = v
	}
}

// linearUnit returns the length and name of an EPSG unit.
func linearUnit(code int) (metres float64, name string, err error) {
	u, ok := lookup(kindUnit, code)
	if !ok {
		return 0, "", fmt.Errorf("linear unit EPSG:%d is not known; %s", code, remedy)
	}
	return atof(u[2]), u[1], nil
}

// angularUnit refuses a unit by name.
func angularUnit(code int) error {
	name := fmt.Sprintf("EPSG:%d", code)
	if a, ok := lookup(kindAngle, code); ok {
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
