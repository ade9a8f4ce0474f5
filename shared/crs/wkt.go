package crs

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"sync"

	"github.com/cyverse-gis/eemt/shared/finding"
	"github.com/cyverse-gis/eemt/shared/raster"
)

// node is a keyword of well-known text with its arguments: quoted texts, numbers and words as they stand, and nodes.
type node struct {
	keyword string
	texts   []string
	nodes   []*node
}

const (
	maxText  = 64 << 10
	maxNodes = 1000
	maxDepth = 12
)

var errText = errors.New("the text is no well-formed WKT")

// parseWKT reads the first object of well-known text; what follows it is left alone.
func parseWKT(text string) (*node, error) {
	if len(text) > maxText {
		return nil, fmt.Errorf("%d bytes of text: at most %d", len(text), maxText)
	}
	p := &wktParser{text: text}
	return p.object(0)
}

type wktParser struct {
	text  string
	at    int
	nodes int
}

func (p *wktParser) space() {
	for p.at < len(p.text) && strings.IndexByte(" \t\r\n", p.text[p.at]) >= 0 {
		p.at++
	}
}

// word reads what a keyword, a number or an axis direction is made of.
func (p *wktParser) word() string {
	from := p.at
	for p.at < len(p.text) {
		c := p.text[p.at]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("_.+-", c) >= 0 {
			p.at++
			continue
		}
		break
	}
	return p.text[from:p.at]
}

func (p *wktParser) object(depth int) (*node, error) {
	p.space()
	n := &node{keyword: strings.ToUpper(p.word())}
	if p.nodes++; n.keyword == "" || depth > maxDepth || p.nodes > maxNodes {
		return nil, errText
	}
	return n, p.arguments(n, depth)
}

func (p *wktParser) arguments(n *node, depth int) error {
	p.space()
	if p.at >= len(p.text) || p.text[p.at] != '[' && p.text[p.at] != '(' {
		return errText
	}
	for {
		p.at++ // a bracket or a comma
		p.space()
		if p.at >= len(p.text) {
			return errText
		}
		if err := p.argument(n, depth); err != nil {
			return err
		}
		p.space()
		if p.at >= len(p.text) {
			return errText
		}
		switch p.text[p.at] {
		case ',':
		case ']', ')':
			p.at++
			return nil
		default:
			return errText
		}
	}
}

func (p *wktParser) argument(n *node, depth int) error {
	if p.text[p.at] == '"' {
		end := strings.IndexByte(p.text[p.at+1:], '"')
		if end < 0 {
			return errText
		}
		n.texts = append(n.texts, p.text[p.at+1:p.at+1+end])
		p.at += end + 2
		return nil
	}
	from := p.at
	w := p.word()
	p.space()
	if w != "" && p.at < len(p.text) && (p.text[p.at] == '[' || p.text[p.at] == '(') {
		p.at = from
		child, err := p.object(depth + 1)
		if err != nil {
			return err
		}
		n.nodes = append(n.nodes, child)
		return nil
	}
	if w == "" {
		return errText
	}
	n.texts = append(n.texts, w)
	return nil
}

// child returns the first node of a keyword, nil if there is none.
func (n *node) child(keyword string) *node {
	for _, c := range n.nodes {
		if c.keyword == keyword {
			return c
		}
	}
	return nil
}

func (n *node) text(i int) string {
	if n == nil || i >= len(n.texts) {
		return ""
	}
	return n.texts[i]
}

func (n *node) number(i int) float64 {
	v, err := strconv.ParseFloat(n.text(i), 64)
	if err != nil {
		return math.NaN()
	}
	return v
}

// authority returns the code which a node states, of the EPSG dataset or of Esri.
func (n *node) authority() (name string, code int) {
	a := n.child("AUTHORITY")
	code, _ = strconv.Atoi(a.text(1))
	return strings.ToUpper(a.text(0)), code
}

// fromWKT returns the system of well-known text of version 1, in the dialects of OGC, GDAL and Esri.
func fromWKT(text string) (*CRS, error) {
	root, err := parseWKT(text)
	if err != nil {
		return nil, fmt.Errorf("the coordinate system is stated as text (%s): %w; state it with: --dem-crs EPSG:CODE", clip(text), err)
	}
	var notes []finding.Finding
	if root.keyword == "COMPD_CS" {
		for _, n := range root.nodes {
			if n.keyword == "PROJCS" || n.keyword == "GEOGCS" {
				root = n
				break
			}
		}
	}
	if name, code := root.authority(); code > 0 && (name == "EPSG" || name == "ESRI" && webMercator[code]) {
		if c, err := FromEPSG(code); err == nil && sameKind(root, c) {
			return c, nil
		}
	}
	var d definition
	switch root.keyword {
	case "PROJCS":
		d, err = projectedText(root)
	case "GEOGCS":
		d, err = geographicText(root)
	default:
		err = fmt.Errorf("%s is neither geographic nor projected; state the system with: --dem-crs EPSG:CODE", clip(root.keyword))
	}
	if err != nil {
		return nil, fmt.Errorf("the coordinate system is stated as text (%s): %w", clip(root.text(0)), err)
	}
	d.text = strings.TrimSpace(text)
	return build(d, notes...)
}

func sameKind(n *node, c *CRS) bool { return (n.keyword == "GEOGCS") == c.Geographic() }

func geographicText(n *node) (definition, error) {
	b, degrees, err := baseText(n)
	if err != nil {
		return definition{}, err
	}
	if math.Abs(degrees-1) > 1e-9 {
		return definition{}, fmt.Errorf("angular unit %s is not supported, only degrees are; reproject with: gdalwarp -t_srs EPSG:4326 in.tif out.tif", clip(n.child("UNIT").text(0)))
	}
	d := definition{name: b.name, base: b, unit: 1, par: parameters{k0: 1}}
	if b.code > 0 && degreesOnly(b.code) == nil {
		d.epsg = b.code
	}
	return d, nil
}

// baseText reads a geographic system, and the degrees of its angular unit.
func baseText(n *node) (b base, degrees float64, err error) {
	degrees = 1
	if u := n.child("UNIT"); u != nil {
		if degrees = u.number(1) / rad; !(degrees > 1e-4 && degrees < 60) {
			return b, 0, fmt.Errorf("angular unit of %s radian; state the system with: --dem-crs EPSG:CODE", clip(u.text(1)))
		}
		if math.Abs(degrees-1) < 1e-9 {
			degrees = 1
		}
	}
	datumNode := n.child("DATUM")
	if datumNode == nil || datumNode.child("SPHEROID") == nil && datumNode.child("ELLIPSOID") == nil {
		return b, 0, errors.New("its datum has no spheroid; state the system with: --dem-crs EPSG:CODE")
	}
	spheroid := datumNode.child("SPHEROID")
	if spheroid == nil {
		spheroid = datumNode.child("ELLIPSOID")
	}
	k := geoKeys{Doubles: map[uint16][]float64{keySemiMajorAxis: {spheroid.number(1)}, keyInvFlattening: {spheroid.number(2)}}}
	if b, err = k.ellipsoid(); err != nil {
		return b, 0, err
	}
	b.name = clip(n.text(0))
	b.datum = clip(strings.TrimPrefix(datumNode.text(0), "D_"))
	if pm := n.child("PRIMEM"); pm != nil {
		// In degrees, whatever the unit; some write Paris in grads.
		if b.pm = pm.number(1); math.Abs(b.pm-2.5969213) < 1e-6 {
			b.pm *= 0.9
		}
		if !(math.Abs(b.pm) <= 180) {
			return b, 0, fmt.Errorf("a prime meridian at %s: must be -180 to 180; state the system with: --dem-crs EPSG:CODE", clip(pm.text(1)))
		}
	}
	name, code := n.authority()
	if name != "EPSG" {
		code = 0
	}
	b = b.known(code, n.text(0), datumNode.text(0))
	if to := datumNode.child("TOWGS84"); to != nil {
		var v []float64
		for i := range to.texts {
			v = append(v, to.number(i))
		}
		b.stateShift(v)
	}
	return b, degrees, nil
}

// known returns the system of the EPSG dataset with a code or a name, if its figure of the Earth and its prime meridian
// are those of b; otherwise b.
func (b base) known(code int, names ...string) base {
	codes := []int{code}
	for _, name := range names {
		codes = append(codes, geodeticByName()[plainName(name)])
	}
	for _, code := range codes {
		if code == 0 {
			continue
		}
		e, err := geodetic(code)
		if err == nil && math.Abs(e.a-b.a) < 1 && math.Abs(e.invf-b.invf) < 0.02 && math.Abs(e.pm-b.pm) < 1e-4 {
			return e
		}
	}
	return b
}

// plainName leaves letters and figures of a name, so that "GCS_North_American_1927", "North American 1927" and
// "D_North_American_1927" are one.
func plainName(name string) string {
	name = strings.TrimPrefix(strings.TrimPrefix(strings.TrimSpace(name), "GCS_"), "D_")
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		}
		return -1
	}, name)
}

// geodeticByName finds the codes of geographic systems by their names of the EPSG dataset and of Esri, and by those of
// their datums. Of two of a name it takes the one whose datum has transformations, then the older.
var geodeticByName = sync.OnceValue(func() map[string]int {
	names, shifts := map[string]int{}, map[int]bool{}
	datums := map[string][]string{}
	add := func(name string, code int) {
		name = plainName(name)
		old, ok := names[name]
		if name != "" && (!ok || shifts[code] && !shifts[old] || shifts[code] == shifts[old] && code < old) {
			names[name] = code
		}
	}
	text := string(table())
	for line := range strings.Lines(text) {
		if f := strings.Split(strings.TrimSuffix(line, "\n"), "\t"); line[0] == kindDatum {
			datums[f[0][1:]] = f
		}
	}
	for line := range strings.Lines(text) {
		if line[0] != kindGeodetic {
			continue
		}
		f := strings.Split(strings.TrimSuffix(line[1:], "\n"), "\t")
		d := datums[f[2]]
		if f[4] != "2" || d == nil {
			continue
		}
		code := atoi(f[0])
		shifts[code] = d[3] != "other" || d[6] != ""
		add(f[1], code)
		add(f[5], code)
		add(d[1], code)
	}
	return names
})

// wktMethods are names of projections in OGC's, GDAL's and Esri's texts, without underscores and in lower case. The first
// of a method is that which this package writes.
var wktMethods = []struct {
	name   string
	method method
}{
	{"Transverse_Mercator", methodTransverseMercator},
	{"Gauss_Kruger", methodTransverseMercator},
	{"Transverse_Mercator_Complex", methodTransverseMercator},
	{"Lambert_Conformal_Conic_1SP", methodLambertConformal1SP},
	{"Lambert_Conformal_Conic_2SP", methodLambertConformal2SP},
	{"Lambert_Conformal_Conic", methodLambertMichigan},
	{"Albers", methodAlbers},
	{"Albers_Conic_Equal_Area", methodAlbers},
	{"Mercator_1SP", methodMercatorA},
	{"Mercator_2SP", methodMercatorB},
	{"Mercator", methodMercatorB},
	{"Mercator_Auxiliary_Sphere", methodWebMercator},
	{"Polar_Stereographic", methodPolarStereographicB},
	{"Stereographic_North_Pole", methodPolarStereographicB},
	{"Stereographic_South_Pole", methodPolarStereographicB},
	{"Stereographic", methodStereographic},
	{"Double_Stereographic", methodObliqueStereographic},
	{"Oblique_Stereographic", methodObliqueStereographic},
	{"Lambert_Azimuthal_Equal_Area", methodLambertAzimuthal},
	{"Hotine_Oblique_Mercator_Azimuth_Natural_Origin", methodHotineA},
	{"Hotine_Oblique_Mercator", methodHotineA},
	{"Rectified_Skew_Orthomorphic_Natural_Origin", methodHotineA},
	{"Hotine_Oblique_Mercator_Azimuth_Center", methodHotineB},
	{"Rectified_Skew_Orthomorphic_Center", methodHotineB},
	{"Swiss_Oblique_Cylindrical", methodHotineB},
	{"Swiss_Oblique_Mercator", methodHotineB},
	{"Krovak", methodKrovak},
	{"Cassini", methodCassini},
	{"Cassini_Soldner", methodCassini},
	{"Hyperbolic_Cassini_Soldner", methodCassiniHyperbolic},
	{"Polyconic", methodPolyconic},
	{"Bonne", methodBonne},
	{"Cylindrical_Equal_Area", methodEqualAreaCylindrical},
	{"Equidistant_Cylindrical", methodEquidistantCylindrical},
	{"Equirectangular", methodEquidistantCylindrical},
	{"Plate_Carree", methodEquidistantCylindrical},
	{"Equidistant_Conic", methodEquidistantConic},
	{"Sinusoidal", methodSinusoidal},
	{"Mollweide", methodMollweide},
	{"Equal_Earth", methodEqualEarth},
	{"New_Zealand_Map_Grid", methodNewZealandMapGrid},
	{"Laborde_Oblique_Mercator", methodLaborde},
	{"Polar_Stereographic_Variant_C", methodPolarStereographicC},
	{"Colombia_Urban", methodColombiaUrban},
	{"Guam_Projection", methodGuam},
	{"Lambert_Conic_Near_Conformal", methodNearConformal},
}

// projectedText reads a projected system.
func projectedText(n *node) (definition, error) {
	d := definition{name: clip(n.text(0)), unit: 1}
	geog := n.child("GEOGCS")
	if geog == nil {
		return d, errors.New("it has no geographic system; state the system with: --dem-crs EPSG:CODE")
	}
	var degrees float64
	var err error
	if d.base, degrees, err = baseText(geog); err != nil {
		return d, err
	}
	if u := n.child("UNIT"); u != nil {
		if d.unit = u.number(1); !(d.unit >= 1e-3 && d.unit <= 1e5) {
			return d, fmt.Errorf("linear unit of %s m: must be 0.001 to 100000 m; state the system with: --dem-crs EPSG:CODE", clip(u.text(1)))
		}
	}
	projection := n.child("PROJECTION").text(0)
	for _, m := range wktMethods {
		if plainName(m.name) == plainName(projection) {
			d.method = m.method
			break
		}
	}
	if plainName(projection) == "transversemercatorsouthorientated" {
		d.method, d.axes = methodTransverseMercator, westSouth
	}
	if d.method == methodNone {
		return d, fmt.Errorf("map projection %s is not supported; %s", clip(projection), remedy)
	}
	p, err := textParameters(n)
	if err != nil {
		return d, err
	}
	if err := d.take(p, degrees, plainName(projection)); err != nil {
		return d, err
	}
	return d, d.direct(n, p)
}

// textParameters are the parameters of a projection by their names in lower case.
func textParameters(n *node) (map[string]float64, error) {
	p := map[string]float64{}
	for _, c := range n.nodes {
		if c.keyword != "PARAMETER" {
			continue
		}
		v := c.number(1)
		if !raster.Finite(v) {
			return nil, fmt.Errorf("parameter %s is %s; state the system with: --dem-crs EPSG:CODE", clip(c.text(0)), clip(c.text(1)))
		}
		p[strings.ToLower(c.text(0))] = v
	}
	return p, nil
}

// take sets the parameters of a projection from those of a text; angles are in units of so many degrees.
func (d *definition) take(p map[string]float64, degrees float64, projection string) error {
	first := func(otherwise float64, names ...string) float64 {
		for _, name := range names {
			if v, ok := p[name]; ok {
				return v
			}
		}
		return otherwise
	}
	_, hasSP1 := p["standard_parallel_1"]
	sp2, hasSP2 := p["standard_parallel_2"]
	d.par = parameters{
		lat0:      first(0, "latitude_of_origin", "latitude_of_center", "latitude_of_centre", "central_parallel") * degrees,
		lon0:      first(0, "central_meridian", "longitude_of_center", "longitude_of_centre", "longitude_of_origin") * degrees,
		sp1:       first(0, "standard_parallel_1", "pseudo_standard_parallel_1") * degrees,
		sp2:       sp2 * degrees,
		k0:        first(1, "scale_factor"),
		fe:        first(0, "false_easting") * d.unit,
		fn:        first(0, "false_northing") * d.unit,
		azimuth:   first(0, "azimuth") * degrees,
		rectified: first(first(0, "azimuth"), "rectified_grid_angle", "xy_plane_rotation") * degrees,
		height:    first(0, "height"),
	}
	if projection == "krovak" {
		return d.krovakText(p, degrees)
	}
	return d.complete(projection, hasSP1, hasSP2, p["auxiliary_sphere_type"])
}

// complete sets the method and the parameters that the text of a projection implies, and refuses texts that contradict
// themselves. hasSP1 and hasSP2 say whether the text has standard parallels; sphere is its type of auxiliary sphere.
func (d *definition) complete(projection string, hasSP1, hasSP2 bool, sphere float64) error {
	q := &d.par
	switch projection {
	case "lambertconformalconic1sp":
		if hasSP1 && math.Abs(q.sp1-q.lat0) > 1e-9 {
			return errors.New("its standard parallel is not that of the origin; state the system with: --dem-crs EPSG:CODE")
		}
	case "lambertconformalconic":
		if !hasSP1 {
			q.sp1 = q.lat0
		}
		if !hasSP2 {
			q.sp2 = q.sp1
		}
	case "mercator", "mercator2sp":
		if !hasSP1 && projection == "mercator" || q.k0 != 1 && q.sp1 == 0 {
			d.method = methodMercatorA
		}
		q.lat0 = 0
	case "mercatorauxiliarysphere":
		if sphere != 0 || q.sp1 != 0 {
			return fmt.Errorf("the Mercator projection on an auxiliary sphere of type %g with standard parallel %g is not supported; %s", sphere, q.sp1, remedy)
		}
	case "polarstereographic", "stereographic", "stereographicnorthpole", "stereographicsouthpole":
		return d.completeStereographic(projection)
	case "swissobliquecylindrical", "swissobliquemercator":
		q.azimuth, q.rectified = 90, 90
	}
	return nil
}

func (d *definition) completeStereographic(projection string) error {
	const pole = 90 - 1e-6
	q := &d.par
	switch projection {
	case "polarstereographic":
		q.sp1 = q.lat0
	case "stereographicnorthpole", "stereographicsouthpole":
		if projection == "stereographicsouthpole" && q.sp1 > 0 || projection == "stereographicnorthpole" && q.sp1 < 0 {
			return fmt.Errorf("standard parallel %g is on the other side of the Earth; state the system with: --dem-crs EPSG:CODE", q.sp1)
		}
		if math.Abs(q.sp1) > pole {
			d.method, q.lat0 = methodPolarStereographicA, q.sp1
		}
		return nil
	}
	if math.Abs(q.lat0) > pole {
		d.method = methodPolarStereographicA
	}
	return nil
}

// krovakText reads the variants of Krovak: parameters which a text leaves out are those of the method.
func (d *definition) krovakText(p map[string]float64, degrees float64) error {
	if _, ok := p["azimuth"]; !ok {
		d.par.azimuth = 30.0 + 17./60 + 17.30311/3600
	}
	if _, ok := p["pseudo_standard_parallel_1"]; !ok {
		d.par.sp1 = 78.5
	}
	x, hasX := p["x_scale"]
	y, hasY := p["y_scale"]
	turn := p["xy_plane_rotation"] * degrees
	switch {
	case !hasX && !hasY:
		return nil // the axes tell
	case x == -1 && y == 1 && math.Abs(turn-90) < 1e-9:
		return nil
	case x == 1 && y == 1 && turn == 0:
		d.axes = southWest
		d.par.fe, d.par.fn = -d.par.fe, -d.par.fn
		return nil
	}
	return fmt.Errorf("the Krovak projection with axes scaled by %g and %g and turned by %g degrees is not supported; %s", x, y, turn, remedy)
}

// direct reads where the axes of a text point.
func (d *definition) direct(n *node, p map[string]float64) error {
	var way string
	for _, c := range n.nodes {
		if c.keyword == "AXIS" {
			way += strings.ToLower(c.text(1)) + " "
		}
	}
	before := d.axes
	if _, turned := p["x_scale"]; d.method == methodKrovak && way == "" && !turned {
		return fmt.Errorf("the Krovak projection without axes may count south and west or east and north; %s", stateWith)
	}
	switch way {
	case "":
	case "east north ", "north east ", "north north ", "south south ":
		d.axes = eastNorth
	case "west south ":
		d.axes = westSouth
	case "south west ":
		d.axes = southWest
	default:
		return fmt.Errorf("axes which point %s are not supported; %s", clip(strings.TrimSpace(way)), remedy)
	}
	if before == eastNorth && d.axes != eastNorth || before == westSouth && way == "" {
		d.par.fe, d.par.fn = -d.par.fe, -d.par.fn
	}
	return nil
}

// wkt writes a definition as Esri's text, for what a GeoTIFF has no keys for.
func (d *definition) wkt() string {
	if d.text != "" {
		return d.text
	}
	var name string
	for _, m := range wktMethods {
		if m.method == d.method {
			name = m.name
			break
		}
	}
	num := func(v float64) string {
		s := strconv.FormatFloat(v, 'f', -1, 64)
		if !strings.Contains(s, ".") {
			s += ".0"
		}
		return s
	}
	quote := func(s string) string { return `"` + strings.NewReplacer(`"`, "'", "|", "/").Replace(s) + `"` }
	b := &d.base
	shift := ""
	if b.relation == stated {
		shift = ",TOWGS84[" + strings.Join(strings.Fields(b.steps), ",") + "]"
	}
	authority := ""
	if b.code > 0 && degreesOnly(b.code) == nil {
		authority = fmt.Sprintf(`,AUTHORITY["EPSG","%d"]`, b.code)
	}
	geog, datumName := b.name, "D_"+b.datum
	if g, ok := lookup(kindGeodetic, b.code); ok && g[5] != "" {
		geog, datumName = "GCS_"+g[5], "D_"+g[5]
	}
	var w strings.Builder
	fmt.Fprintf(&w, `PROJCS[%s,GEOGCS[%s,DATUM[%s,SPHEROID["Ellipsoid",%s,%s]%s],PRIMEM["Greenwich",%s],UNIT["Degree",0.0174532925199433]%s],PROJECTION["%s"]`,
		quote(d.name), quote(geog), quote(datumName), num(b.a), num(b.invf), shift, num(b.pm), authority, name)
	p := d.par
	fe, fn := p.fe, p.fn
	if d.axes != eastNorth {
		fe, fn = -fe, -fn
	}
	origin, meridian := "Latitude_Of_Origin", "Central_Meridian"
	parallel := "Standard_Parallel_1"
	switch d.method {
	case methodHotineA, methodHotineB, methodKrovak, methodLaborde:
		origin, meridian, parallel = "Latitude_Of_Center", "Longitude_Of_Center", "Pseudo_Standard_Parallel_1"
	case methodPolarStereographicB:
		p.lat0 = p.sp1
	}
	for _, v := range []struct {
		name  string
		value float64
		skip  bool
	}{
		{"False_Easting", fe / d.unit, false},
		{"False_Northing", fn / d.unit, false},
		{meridian, p.lon0, false},
		{parallel, p.sp1, p.sp1 == 0},
		{"Standard_Parallel_2", p.sp2, p.sp2 == 0 && d.method != methodEquidistantConic},
		{"Scale_Factor", p.k0, p.k0 == 1},
		{"Azimuth", p.azimuth, p.azimuth == 0},
		{"Rectified_Grid_Angle", p.rectified, d.method != methodHotineA && d.method != methodHotineB},
		{"Height", p.height, p.height == 0},
		{"X_Scale", -1, d.method != methodKrovak || d.axes != eastNorth},
		{"Y_Scale", 1, d.method != methodKrovak || d.axes != eastNorth},
		{"XY_Plane_Rotation", 90, d.method != methodKrovak || d.axes != eastNorth},
		{origin, p.lat0, p.lat0 == 0},
	} {
		if !v.skip {
			fmt.Fprintf(&w, `,PARAMETER["%s",%s]`, v.name, num(v.value))
		}
	}
	fmt.Fprintf(&w, `,UNIT["Unit",%s]`, num(d.unit))
	switch d.axes {
	case westSouth:
		w.WriteString(`,AXIS["Y",WEST],AXIS["X",SOUTH]`)
	case southWest:
		w.WriteString(`,AXIS["X",SOUTH],AXIS["Y",WEST]`)
	}
	w.WriteString("]")
	return w.String()
}
