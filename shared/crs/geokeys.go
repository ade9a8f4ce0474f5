package crs

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/cyverse-gis/eemt/shared/crs/internal/epsg"
	"github.com/cyverse-gis/eemt/shared/crs/projection"
	"github.com/cyverse-gis/eemt/shared/finding"
	"github.com/cyverse-gis/eemt/shared/raster"
)

// GeoKeys by the names of GeoTIFF 1.1 (OGC 19-008r4), section 7.
const (
	keyModelType          = 1024
	keyRasterType         = 1025
	keyCitation           = 1026
	keyGeodeticCRS        = 2048
	keyGeodeticCitation   = 2049
	keyGeodeticDatum      = 2050
	keyPrimeMeridian      = 2051
	keyAngularUnits       = 2054
	keyAngularUnitSize    = 2055
	keyEllipsoid          = 2056
	keySemiMajorAxis      = 2057
	keySemiMinorAxis      = 2058
	keyInvFlattening      = 2059
	keyPrimeMeridianLong  = 2061
	keyToWGS84            = 2062
	keyProjectedCRS       = 3072
	keyProjectedCitation  = 3073
	keyProjection         = 3074
	keyProjMethod         = 3075
	keyLinearUnits        = 3076
	keyLinearUnitSize     = 3077
	keyStdParallel1       = 3078
	keyStdParallel2       = 3079
	keyNatOriginLong      = 3080
	keyNatOriginLat       = 3081
	keyFalseEasting       = 3082
	keyFalseNorthing      = 3083
	keyFalseOriginLong    = 3084
	keyFalseOriginLat     = 3085
	keyFalseOriginE       = 3086
	keyFalseOriginN       = 3087
	keyCenterLong         = 3088
	keyCenterLat          = 3089
	keyCenterEasting      = 3090
	keyCenterNorthing     = 3091
	keyScaleAtNatOrigin   = 3092
	keyScaleAtCenter      = 3093
	keyAzimuth            = 3094
	keyStraightVertLong   = 3095
	keyRectifiedGridAngle = 3096
	keyVerticalCRS        = 4096
	keyVerticalUnits      = 4099

	userDefined = 32767

	// Values of keyModelType.
	modelProjected  = 1
	modelGeographic = 2
	modelGeocentric = 3
)

// Projection methods of GeoTIFF (annex C of the specification), all of them so
// that a refusal can name one.
const (
	ctTransverseMercator  = 1
	ctMercator            = 7
	ctLambertConformal2SP = 8
	ctLambertConformal1SP = 9
	ctLambertAzimuthalEA  = 10
	ctAlbers              = 11
	ctPolarStereographic  = 15
	ctEquidistantConic    = 13
)

var ctNames = map[int]string{
	2: "Transverse Mercator (modified Alaska)", 3: "Oblique Mercator", 4: "Oblique Mercator (Laborde)",
	5: "Oblique Mercator (Rosenmund)", 6: "Oblique Mercator (spherical)", 12: "Azimuthal Equidistant",
	13: "Equidistant Conic", 14: "Stereographic", 16: "Oblique Stereographic", 17: "Equirectangular",
	18: "Cassini-Soldner", 19: "Gnomonic", 20: "Miller Cylindrical", 21: "Orthographic", 22: "Polyconic",
	23: "Robinson", 24: "Sinusoidal", 25: "Van der Grinten", 26: "New Zealand Map Grid",
	27: "Transverse Mercator (south orientated)", 28: "Cylindrical Equal Area",
}

// geoKeys reads keys; the zero code means undefined, as an absent key does.
type geoKeys raster.GeoKeys

func (k geoKeys) code(key uint16) int { return int(k.Shorts[key]) }

// epsg returns a code that points into the EPSG dataset.
func (k geoKeys) epsg(key uint16) (int, bool) {
	c := k.code(key)
	return c, c != 0 && c != userDefined
}

// double returns the first of the keys which is there.
func (k geoKeys) double(keys ...uint16) (float64, bool) {
	for _, key := range keys {
		if v := k.Doubles[key]; len(v) > 0 {
			return v[0], true
		}
	}
	return 0, false
}

// peString marks well-known text in a citation.
const peString = "ESRI PE String = "

// FromGeoKeys returns the system which the keys of a GeoTIFF state: by EPSG code,
// by parameters of any method this package projects with, or in text: Esri's in a
// citation, or the zone and units which ERDAS IMAGINE names. Projected units may be
// any length; angular ones are degrees. What it cannot handle is refused by name, in
// one sentence with the command that helps.
func FromGeoKeys(keys raster.GeoKeys) (*CRS, error) {
	k := geoKeys(keys)
	_, hasProjected := k.epsg(keyProjectedCRS)
	model := k.code(keyModelType)
	mayProject := model == modelProjected || model == 0 // some writers leave it out
	switch {
	case model == modelGeocentric:
		return nil, fmt.Errorf("geocentric coordinates are not supported; %s", remedy)
	case !hasProjected && mayProject && (planeZone.MatchString(k.Strings[keyProjectedCitation]) || planeName.MatchString(k.Strings[keyCitation])):
		return k.cited()
	case hasProjected && model != modelGeographic, mayProject && k.hasProjection():
		return k.projected()
	}
	return k.notProjectedByKeys(model)
}

// notProjectedByKeys reads a system that the keys state as text, as a geographic one, or in words.
func (k geoKeys) notProjectedByKeys(model int) (*CRS, error) {
	if text := k.text(); text != "" && (model != modelGeographic || !strings.HasPrefix(text, "PROJCS")) {
		return fromWKT(text)
	}
	projectedHint := k.hintsAtMap()
	switch {
	case k.hasGeodetic() && (model == modelGeographic || model == 0 && !projectedHint):
		return k.geographic()
	case model <= modelProjected && (projectedHint || k.code(keyProjMethod) != 0):
		return k.cited()
	}
	return nil, fmt.Errorf("no coordinate system is stated; state it with --dem-crs EPSG:CODE, or write it into a copy with: gdal_translate -a_srs EPSG:CODE in.tif out.tif")
}

// hasProjection reports whether keys state a projected system: by its code, by that of its projection, or by a method.
func (k geoKeys) hasProjection() bool {
	_, hasProjected := k.epsg(keyProjectedCRS)
	_, hasConversion := k.epsg(keyProjection)
	_, hasMethod := k.epsg(keyProjMethod)
	return hasProjected || hasConversion || hasMethod
}

// hasGeodetic reports whether a key states a geographic system, or a part of one.
func (k geoKeys) hasGeodetic() bool {
	_, hasAxis := k.double(keySemiMajorAxis)
	return k.code(keyGeodeticCRS) != 0 || k.code(keyGeodeticDatum) != 0 || k.code(keyEllipsoid) != 0 || hasAxis
}

// clip keeps a text of a file short enough for a message.
func clip(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' {
			return ' '
		}
		return r
	}, s)
	if r := []rune(s); len(r) > 60 {
		return string(r[:60]) + "..."
	}
	return s
}

func (k geoKeys) geographic() (*CRS, error) {
	if err := k.degrees(); err != nil {
		return nil, err
	}
	if code, ok := k.epsg(keyGeodeticCRS); ok {
		return FromEPSG(code)
	}
	b, err := k.base()
	if err != nil {
		return nil, err
	}
	return build(definition{name: b.name, base: b, unit: 1, par: projection.Parameters{K0: 1}})
}

func (k geoKeys) projected() (*CRS, error) {
	unit, unitName, stated, err := k.linearUnit()
	if err != nil {
		return nil, err
	}
	if code, ok := k.epsg(keyProjectedCRS); ok {
		return k.projectedByCode(code, unit, unitName, stated)
	}
	if err := k.degrees(); err != nil {
		return nil, err
	}
	b, err := k.base()
	if err != nil {
		return nil, err
	}
	if err := degreesOnly(b.code); err != nil {
		return nil, err
	}
	d := definition{base: b, unit: unit, name: k.projectedName()}
	if code, ok := k.epsg(keyProjection); ok {
		if err := d.convert(code); err != nil {
			return nil, err
		}
	} else if err := k.parameters(&d); err != nil {
		return nil, err
	}
	if d.name == "" {
		d.name = "user defined map projection on " + b.name
		if m, ok := epsg.Lookup(epsg.Method, int(d.method)); ok {
			d.name = m[1] + " on " + b.name
		}
	}
	return build(d)
}

// projectedByCode is a system of the EPSG dataset, in a linear unit of the file's own if one is stated.
func (k geoKeys) projectedByCode(code int, unit float64, unitName string, stated bool) (*CRS, error) {
	d, err := fromEPSG(code)
	if err != nil {
		return nil, err
	}
	if err := k.agree(&d); err != nil {
		return nil, err
	}
	if d.method == projection.None {
		return nil, fmt.Errorf("ProjectedCRSGeoKey %d is %s, which is not projected; %s", code, d.name, remedy)
	}
	// Some write a state plane code in metres beside coordinates in feet.
	if stated && math.Abs(unit/d.unit-1) > 1e-9 {
		note := fmt.Sprintf("coordinates of %s are taken in units of %s, as the file states, not in the %g m of the code", d.label(), unitName, d.unit)
		d.epsg, d.unit, d.name = 0, unit, d.name+" in "+unitName
		return build(d, finding.Finding{Code: finding.DEMCRS, Severity: finding.Note, Message: note})
	}
	return build(d, d.notes()...)
}

// agree refuses a geographic system or a linear unit beside the code of a projected one which is not its own.
func (k geoKeys) agree(d *definition) error {
	unit := d.unit
	if keyed, _, stated, err := k.keyedUnit(); err == nil && stated {
		unit = keyed
	}
	if cited, name, err := k.citedUnit(); err != nil || cited != 0 && math.Abs(cited/unit-1) > 1e-5 {
		return fmt.Errorf("the coordinates of %s are in units of %g m by the keys of the file, its words speak of %s; %s", d.label(), unit, clip(name), stateWith)
	}
	if !k.hasGeodetic() && k.code(keyPrimeMeridian) == 0 {
		return nil
	}
	b, err := k.base()
	own := &d.base
	if err != nil || !b.figureOf(own, 5, 1e-6) || b.relation == stated || b.datumCode != 0 && !b.datumOf(own) {
		return fmt.Errorf("the code of the file is of %s, whose datum is not the one which the file states beside it; %s", d.label(), stateWith)
	}
	return nil
}

// figureOf reports whether the ellipsoid is that of o within some metres of the semi-major axis, and the prime meridian
// within some degrees.
func (b *base) figureOf(o *base, metres, degrees float64) bool {
	return math.Abs(b.a-o.a) <= metres && math.Abs(b.invf-o.invf) <= 0.02 && math.Abs(b.pm-o.pm) <= degrees
}

// datumOf reports whether the datum is that of o, or both are equal to WGS84.
func (b *base) datumOf(o *base) bool {
	return b.datumCode == o.datumCode || b.relation == equalToWGS84 && o.relation == equalToWGS84
}

// projectedName takes the citation, unless it is a definition in text.
func (k geoKeys) projectedName() string {
	for _, key := range []uint16{keyProjectedCitation, keyCitation} {
		s, _, _ := strings.Cut(k.Strings[key], "|")
		s = strings.TrimSpace(strings.TrimPrefix(s, "PCS Name ="))
		if s != "" && s != "unnamed" && s != "unknown" && !strings.ContainsAny(s, "[=") {
			return clip(s)
		}
	}
	return ""
}

func (k geoKeys) linearUnit() (metres float64, name string, stated bool, err error) {
	if _, ok := k.epsg(keyProjectedCRS); !ok {
		metres, name, err = k.citedUnit()
		if keyed, _, stated, wrong := k.keyedUnit(); err == nil && wrong == nil && stated && metres != 0 && math.Abs(keyed/metres-1) > 1e-5 {
			err = fmt.Errorf("the coordinates are in units of %g m by the keys of the file, its words speak of %s; %s", keyed, clip(name), stateWith)
		}
		if err != nil || metres != 0 {
			return metres, name, true, err
		}
	}
	return k.keyedUnit()
}

// keyedUnit is the linear unit of the keys alone.
func (k geoKeys) keyedUnit() (metres float64, name string, stated bool, err error) {
	code := k.code(keyLinearUnits)
	size, hasSize := k.double(keyLinearUnitSize)
	switch {
	case code == userDefined && !hasSize:
		return 0, "", false, fmt.Errorf("the linear unit is user defined without a size (ProjLinearUnitSizeGeoKey); %s", remedy)
	case code == userDefined || code == 0 && hasSize:
		if !(size >= 1e-3 && size <= 1e5) {
			return 0, "", false, fmt.Errorf("linear unit of %g m: must be 0.001 to 100000 m; %s", size, remedy)
		}
		return size, fmt.Sprintf("%g m", size), true, nil
	case code == 0:
		return 1, "metre", false, nil
	}
	metres, name, err = linearUnit(code)
	return metres, name, true, err
}

// degrees refuses other angular units.
func (k geoKeys) degrees() error {
	code := k.code(keyAngularUnits)
	switch code {
	case 0, 9102, 9122:
		return nil
	case userDefined:
		size, ok := k.double(keyAngularUnitSize)
		if ok && math.Abs(size/rad-1) < 1e-9 {
			return nil
		}
		return fmt.Errorf("a user defined angular unit of %g radian is not supported, only degrees are; %s", size, remedy)
	}
	return angularUnit(code)
}

// base reads the geographic system below a user-defined one.
func (k geoKeys) base() (base, error) {
	if code, ok := k.epsg(keyGeodeticCRS); ok {
		return geodetic(code)
	}
	var b base
	var err error
	if code, ok := k.epsg(keyGeodeticDatum); ok {
		b, err = datum(code)
	} else {
		b, err = k.ellipsoid()
	}
	if err != nil {
		return b, err
	}
	if err := k.meridian(&b); err != nil {
		return b, err
	}
	if b, err = k.named(b); err != nil {
		return b, err
	}
	b.stateShift(k.Doubles[keyToWGS84])
	return b, nil
}

// named finds a user-defined datum by the name in the citation, and refuses a name which the keys belie.
func (k geoKeys) named(b base) (base, error) {
	s := k.Strings[keyGeodeticCitation]
	if _, after, ok := strings.Cut(s, "GCS Name = "); ok {
		s = after
	}
	s, _, _ = strings.Cut(s, "|")
	code := geodeticByName()[plainName(s)]
	if code == 0 {
		return b, nil
	}
	e, err := geodetic(code)
	if err != nil {
		return b, nil
	}
	if b.datumCode != 0 && datumCalled(b.datumCode, s) {
		return b, nil
	}
	_, _, datumToo := strings.Cut(k.Strings[keyGeodeticCitation], "Datum = ")
	alike := b.figureOf(&e, 5, 1e-4)
	switch {
	case alike && b.datumCode == 0 && datumToo && math.Abs(e.a-b.a) < 1:
		return e, nil
	case alike && (b.datumCode == 0 || b.datumOf(&e)):
		return b, nil
	}
	return b, fmt.Errorf("the file names the datum %s, but states an ellipsoid, a meridian or a datum of another; %s", clip(s), stateWith)
}

// datumCalled reports whether a geographic system on a datum has a name.
func datumCalled(code int, name string) bool {
	name = plainName(name)
	for f := range epsg.All(epsg.Geodetic) {
		if atoi(f[2]) == code && (plainName(f[1]) == name || plainName(f[5]) == name) {
			return true
		}
	}
	return false
}

// meridian reads the prime meridian where it is not that of the datum.
func (k geoKeys) meridian(b *base) error {
	lon, has := k.double(keyPrimeMeridianLong)
	code, ok := k.epsg(keyPrimeMeridian)
	switch {
	case ok && code == 8901:
		b.pm = 0
	case ok:
		m, known := epsg.Lookup(epsg.Meridian, code)
		if !known {
			return fmt.Errorf("prime meridian EPSG:%d is not in %s; %s", code, epsg.Dataset(), remedy)
		}
		b.pm = atof(m[2])
	case has && math.Abs(lon) <= 180:
		b.pm = lon
	case has:
		return fmt.Errorf("a prime meridian at %g degrees: must be -180 to 180; %s", lon, remedy)
	}
	return nil
}

// stateShift takes the three or seven parameters which a file states: metres, seconds in the sense of a position vector,
// parts per million. A shift within what a geocentric datum may differ by changes nothing.
func (b *base) stateShift(v []float64) {
	v = v[:min(len(v), 7)]
	var longest float64
	for i, f := range v {
		if !raster.Finite(f) || math.Abs(f) > 1e5 {
			return
		}
		if i < 3 {
			longest = max(longest, math.Abs(f))
		}
	}
	geocentric := b.relation == equalToWGS84 || b.nearWGS84()
	if len(v) < 3 || geocentric && longest <= 10 {
		return
	}
	text := make([]string, len(v))
	for i, f := range v {
		text[i] = strconv.FormatFloat(f, 'g', -1, 64)
	}
	b.relation, b.steps, b.ops, b.op = stated, strings.Join(text, " "), nil, nil
}

// ellipsoid takes a user-defined datum by its ellipsoid.
func (k geoKeys) ellipsoid() (base, error) {
	b := base{name: "user defined datum"}
	if s, _, _ := strings.Cut(k.Strings[keyGeodeticCitation], "|"); s != "" && s != "unknown" && !strings.ContainsAny(s, "[=") {
		b.name = clip(s)
	}
	var ellipsoid string
	var err error
	if ellipsoid, b.a, b.invf, err = k.figure(); err != nil {
		return b, err
	}
	if !(b.a >= 6.3e6 && b.a <= 6.4e6) || b.invf != 0 && !(b.invf >= 200 && b.invf <= 400) {
		return b, fmt.Errorf("ellipsoid %s, inverse flattening %g: must be one of the Earth; %s", ellipsoid, b.invf, remedy)
	}
	b.datum, b.relation = b.name, unknown
	if b.invf == 0 {
		b.relation = sphere
	}
	return b, nil
}

// figure is the semi-major axis in metres and the inverse flattening of the ellipsoid, 0 of a sphere, with what a message
// calls it.
func (k geoKeys) figure() (name string, a, invf float64, err error) {
	a, hasA := k.double(keySemiMajorAxis)
	code, hasCode := k.epsg(keyEllipsoid)
	switch {
	case hasA:
	case hasCode:
		e, ok := epsg.Lookup(epsg.Ellipsoid, code)
		if !ok {
			return "", 0, 0, fmt.Errorf("ellipsoid EPSG:%d is not in %s; %s", code, epsg.Dataset(), remedy)
		}
		return e[1], atof(e[2]), atof(e[3]), nil
	default:
		return "", 0, 0, fmt.Errorf("the projection is stated without a datum; assign one with: gdal_edit.py -a_srs EPSG:code in.tif")
	}
	name = fmt.Sprintf("with semi-major axis %g m", a)
	if invf, ok := k.double(keyInvFlattening); ok {
		return name, a, invf, nil
	}
	minor, ok := k.double(keySemiMinorAxis)
	switch {
	case !ok:
		return "", 0, 0, fmt.Errorf("the ellipsoid is stated by its semi-major axis alone; %s", remedy)
	case minor == a:
		return name, a, 0, nil
	}
	return name, a, a / (a - minor), nil
}

// parameters reads method and parameters of a user-defined projection.
func (k geoKeys) parameters(d *definition) error {
	get := func(otherwise float64, keys ...uint16) float64 {
		if v, ok := k.double(keys...); ok {
			return v
		}
		return otherwise
	}
	p := &d.par
	p.K0 = 1
	// Writers differ in which of the three origins they name; a method's own key
	// comes first.
	p.Lon0 = get(0, keyNatOriginLong, keyFalseOriginLong, keyCenterLong)
	p.Lat0 = get(0, keyNatOriginLat, keyFalseOriginLat, keyCenterLat)
	p.FE = get(0, keyFalseEasting, keyFalseOriginE, keyCenterEasting) * d.unit
	p.FN = get(0, keyFalseNorthing, keyFalseOriginN, keyCenterNorthing) * d.unit
	p.SP1 = get(0, keyStdParallel1)
	p.SP2 = get(p.SP1, keyStdParallel2)
	_, hasLat := k.double(keyNatOriginLat, keyFalseOriginLat, keyCenterLat)
	_, hasSP2 := k.double(keyStdParallel2)
	k0 := get(1, keyScaleAtNatOrigin, keyScaleAtCenter)
	ct := k.code(keyProjMethod)
	if (ct == ctLambertConformal2SP || ct == ctAlbers || ct == ctEquidistantConic) && !hasSP2 {
		return fmt.Errorf("a cone with one standard parallel is stated as one with two; %s", stateWith)
	}
	switch ct {
	case ctTransverseMercator:
		d.method, p.K0 = projection.TransverseMercator, k0
	case ctMercator:
		return k.mercator(d, k0)
	case ctLambertConformal2SP:
		d.method = projection.LambertConformal2SP
		p.Lon0 = get(0, keyFalseOriginLong, keyNatOriginLong, keyCenterLong)
		p.Lat0 = get(0, keyFalseOriginLat, keyNatOriginLat, keyCenterLat)
		p.FE = get(0, keyFalseOriginE, keyFalseEasting) * d.unit
		p.FN = get(0, keyFalseOriginN, keyFalseNorthing) * d.unit
	case ctLambertConformal1SP:
		d.method, p.K0 = projection.LambertConformal1SP, k0
	case ctLambertAzimuthalEA:
		d.method = projection.LambertAzimuthal
		p.Lon0 = get(0, keyCenterLong, keyNatOriginLong, keyFalseOriginLong)
		p.Lat0 = get(0, keyCenterLat, keyNatOriginLat, keyFalseOriginLat)
	case ctAlbers:
		d.method = projection.Albers
	case ctPolarStereographic:
		p.Lon0 = get(0, keyStraightVertLong, keyNatOriginLong, keyFalseOriginLong, keyCenterLong)
		if sp, ok := k.double(keyStdParallel1); ok && !hasLat {
			p.Lat0 = sp
		}
		return d.polarStereographic(k0)
	default:
		return unsupported(ct)
	}
	return nil
}

// unsupported is the error of a projection method of GeoTIFF that is not read.
func unsupported(ct int) error {
	if ct == 0 || ct == userDefined {
		return fmt.Errorf("the projection is user defined without a method (ProjMethodGeoKey); %s", remedy)
	}
	name, ok := ctNames[ct]
	if !ok {
		name = fmt.Sprintf("method %d", ct)
	}
	return fmt.Errorf("map projection %s is not supported; %s", name, remedy)
}

// mercator tells the variants of Mercator's projection apart: by the citation, by a standard parallel, or else by a scale.
func (k geoKeys) mercator(d *definition, k0 float64) error {
	cited := k.Strings[keyCitation] + k.Strings[keyProjectedCitation]
	_, hasSP := k.double(keyStdParallel1)
	switch {
	case strings.Contains(cited, "Mercator_Auxiliary_Sphere") || strings.Contains(cited, "Pseudo-Mercator") || strings.Contains(cited, "Pseudo Mercator"):
		d.method = projection.WebMercator
	case hasSP && k0 == 1:
		if d.method = projection.MercatorB; d.par.Lat0 != 0 {
			return fmt.Errorf("the Mercator projection with standard parallel %g and latitude of origin %g: must have one of the two; %s", d.par.SP1, d.par.Lat0, stateWith)
		}
	default:
		d.method, d.par.K0 = projection.MercatorA, k0
	}
	return nil
}

// polarStereographic tells the variants apart: the latitude of origin is the pole, with a scale, or the latitude of true
// scale.
func (d *definition) polarStereographic(k0 float64) error {
	p := &d.par
	if math.Abs(p.Lat0) >= 90-1e-6 {
		d.method, p.K0 = projection.PolarStereographicA, k0
		return nil
	}
	if k0 != 1 {
		return fmt.Errorf("polar stereographic with a scale factor of %g and true scale at latitude %g: must have one of the two; %s", k0, p.Lat0, stateWith)
	}
	d.method, p.SP1 = projection.PolarStereographicB, p.Lat0
	return nil
}
