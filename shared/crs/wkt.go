package crs

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"sync"

	"github.com/cyverse-gis/eemt/shared/crs/internal/epsg"
	"github.com/cyverse-gis/eemt/shared/crs/internal/wkt"
	"github.com/cyverse-gis/eemt/shared/crs/projection"
	"github.com/cyverse-gis/eemt/shared/finding"
	"github.com/cyverse-gis/eemt/shared/raster"
)

// fromWKT returns the system of well-known text of version 1, in the dialects of OGC, GDAL and Esri.
func fromWKT(text string) (*CRS, error) {
	root, err := wkt.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("the coordinate system is stated as text (%s): %w; state it with: --dem-crs EPSG:CODE", clip(text), err)
	}
	var notes []finding.Finding
	if root.Keyword == "COMPD_CS" {
		for _, n := range root.Nodes {
			if n.Keyword == "PROJCS" || n.Keyword == "GEOGCS" {
				root = n
				break
			}
		}
	}
	if name, code := root.Authority(); code > 0 && (name == "EPSG" || name == "ESRI" && webMercator[code]) {
		if c, err := FromEPSG(code); err == nil && sameKind(root, c) {
			return c, nil
		}
	}
	var d definition
	switch root.Keyword {
	case "PROJCS":
		d, err = projectedText(root)
	case "GEOGCS":
		d, err = geographicText(root)
	default:
		err = fmt.Errorf("%s is neither geographic nor projected; state the system with: --dem-crs EPSG:CODE", clip(root.Keyword))
	}
	if err != nil {
		return nil, fmt.Errorf("the coordinate system is stated as text (%s): %w", clip(root.Text(0)), err)
	}
	d.text = strings.TrimSpace(text)
	return build(d, notes...)
}

func sameKind(n *wkt.Node, c *CRS) bool { return (n.Keyword == "GEOGCS") == c.Geographic() }

func geographicText(n *wkt.Node) (definition, error) {
	b, degrees, err := baseText(n)
	if err != nil {
		return definition{}, err
	}
	if math.Abs(degrees-1) > 1e-9 {
		return definition{}, fmt.Errorf("angular unit %s is not supported, only degrees are; reproject with: gdalwarp -t_srs EPSG:4326 in.tif out.tif", clip(n.Child("UNIT").Text(0)))
	}
	d := definition{name: b.name, base: b, unit: 1, par: projection.Parameters{K0: 1}}
	if b.code > 0 && degreesOnly(b.code) == nil {
		d.epsg = b.code
	}
	return d, nil
}

// baseText reads a geographic system, and the degrees of its angular unit.
func baseText(n *wkt.Node) (b base, degrees float64, err error) {
	if degrees, err = textDegrees(n); err != nil {
		return b, 0, err
	}
	datumNode := n.Child("DATUM")
	spheroid := datumNode.Child("SPHEROID", "ELLIPSOID")
	if spheroid == nil {
		return b, 0, errors.New("its datum has no spheroid; state the system with: --dem-crs EPSG:CODE")
	}
	k := geoKeys{Doubles: map[uint16][]float64{keySemiMajorAxis: {spheroid.Number(1)}, keyInvFlattening: {spheroid.Number(2)}}}
	if b, err = k.ellipsoid(); err != nil {
		return b, 0, err
	}
	b.name = clip(n.Text(0))
	b.datum = clip(strings.TrimPrefix(datumNode.Text(0), "D_"))
	if pm := n.Child("PRIMEM"); pm != nil {
		// In degrees, whatever the unit; some write Paris in grads.
		if b.pm = pm.Number(1); math.Abs(b.pm-2.5969213) < 1e-6 {
			b.pm *= 0.9
		}
		if !(math.Abs(b.pm) <= 180) {
			return b, 0, fmt.Errorf("a prime meridian at %s: must be -180 to 180; state the system with: --dem-crs EPSG:CODE", clip(pm.Text(1)))
		}
	}
	name, code := n.Authority()
	if name != "EPSG" {
		code = 0
	}
	b = b.known(code, n.Text(0), datumNode.Text(0))
	if to := datumNode.Child("TOWGS84"); to != nil {
		var v []float64
		for i := range to.Texts {
			v = append(v, to.Number(i))
		}
		b.stateShift(v)
	}
	return b, degrees, nil
}

// textDegrees returns the degrees of the angular unit of a geographic system.
func textDegrees(n *wkt.Node) (float64, error) {
	u := n.Child("UNIT")
	if u == nil {
		return 1, nil
	}
	degrees := u.Number(1) / rad
	switch {
	case !(degrees > 1e-4 && degrees < 60):
		return 0, fmt.Errorf("angular unit of %s radian; state the system with: --dem-crs EPSG:CODE", clip(u.Text(1)))
	case math.Abs(degrees-1) < 1e-9:
		return 1, nil
	}
	return degrees, nil
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
		if err == nil && b.figureOf(&e, 1, 1e-4) {
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
	for f := range epsg.All(epsg.Datum) {
		datums[f[0]] = f
	}
	for f := range epsg.All(epsg.Geodetic) {
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
	method projection.Method
}{
	{"Transverse_Mercator", projection.TransverseMercator},
	{"Gauss_Kruger", projection.TransverseMercator},
	{"Transverse_Mercator_Complex", projection.TransverseMercator},
	{"Lambert_Conformal_Conic_1SP", projection.LambertConformal1SP},
	{"Lambert_Conformal_Conic_2SP", projection.LambertConformal2SP},
	{"Lambert_Conformal_Conic", projection.LambertMichigan},
	{"Albers", projection.Albers},
	{"Albers_Conic_Equal_Area", projection.Albers},
	{"Mercator_1SP", projection.MercatorA},
	{"Mercator_2SP", projection.MercatorB},
	{"Mercator", projection.MercatorB},
	{"Mercator_Auxiliary_Sphere", projection.WebMercator},
	{"Polar_Stereographic", projection.PolarStereographicB},
	{"Stereographic_North_Pole", projection.PolarStereographicB},
	{"Stereographic_South_Pole", projection.PolarStereographicB},
	{"Stereographic", projection.Stereographic},
	{"Double_Stereographic", projection.ObliqueStereographic},
	{"Oblique_Stereographic", projection.ObliqueStereographic},
	{"Lambert_Azimuthal_Equal_Area", projection.LambertAzimuthal},
	{"Hotine_Oblique_Mercator_Azimuth_Natural_Origin", projection.HotineA},
	{"Hotine_Oblique_Mercator", projection.HotineA},
	{"Rectified_Skew_Orthomorphic_Natural_Origin", projection.HotineA},
	{"Hotine_Oblique_Mercator_Azimuth_Center", projection.HotineB},
	{"Rectified_Skew_Orthomorphic_Center", projection.HotineB},
	{"Swiss_Oblique_Cylindrical", projection.HotineB},
	{"Swiss_Oblique_Mercator", projection.HotineB},
	{"Krovak", projection.Krovak},
	{"Cassini", projection.Cassini},
	{"Cassini_Soldner", projection.Cassini},
	{"Hyperbolic_Cassini_Soldner", projection.CassiniHyperbolic},
	{"Polyconic", projection.Polyconic},
	{"Bonne", projection.Bonne},
	{"Cylindrical_Equal_Area", projection.EqualAreaCylindrical},
	{"Equidistant_Cylindrical", projection.EquidistantCylindrical},
	{"Equirectangular", projection.EquidistantCylindrical},
	{"Plate_Carree", projection.EquidistantCylindrical},
	{"Equidistant_Conic", projection.EquidistantConic},
	{"Sinusoidal", projection.Sinusoidal},
	{"Mollweide", projection.Mollweide},
	{"Equal_Earth", projection.EqualEarth},
	{"New_Zealand_Map_Grid", projection.NewZealandMapGrid},
	{"Laborde_Oblique_Mercator", projection.Laborde},
	{"Polar_Stereographic_Variant_C", projection.PolarStereographicC},
	{"Colombia_Urban", projection.ColombiaUrban},
	{"Guam_Projection", projection.Guam},
	{"Lambert_Conic_Near_Conformal", projection.NearConformal},
}

// projectedText reads a projected system.
func projectedText(n *wkt.Node) (definition, error) {
	d := definition{name: clip(n.Text(0)), unit: 1}
	geog := n.Child("GEOGCS")
	if geog == nil {
		return d, errors.New("it has no geographic system; state the system with: --dem-crs EPSG:CODE")
	}
	var degrees float64
	var err error
	if d.base, degrees, err = baseText(geog); err != nil {
		return d, err
	}
	if u := n.Child("UNIT"); u != nil {
		if d.unit = u.Number(1); !(d.unit >= 1e-3 && d.unit <= 1e5) {
			return d, fmt.Errorf("linear unit of %s m: must be 0.001 to 100000 m; state the system with: --dem-crs EPSG:CODE", clip(u.Text(1)))
		}
	}
	method := n.Child("PROJECTION").Text(0)
	for _, m := range wktMethods {
		if plainName(m.name) == plainName(method) {
			d.method = m.method
			break
		}
	}
	if plainName(method) == "transversemercatorsouthorientated" {
		d.method, d.axes = projection.TransverseMercator, westSouth
	}
	if d.method == projection.None {
		return d, fmt.Errorf("map projection %s is not supported; %s", clip(method), remedy)
	}
	p, err := textParameters(n)
	if err != nil {
		return d, err
	}
	if err := d.take(p, degrees, plainName(method)); err != nil {
		return d, err
	}
	return d, d.direct(n, p)
}

// textParameters are the parameters of a projection by their names in lower case.
func textParameters(n *wkt.Node) (map[string]float64, error) {
	p := map[string]float64{}
	for _, c := range n.Nodes {
		if c.Keyword != "PARAMETER" {
			continue
		}
		v := c.Number(1)
		if !raster.Finite(v) {
			return nil, fmt.Errorf("parameter %s is %s; state the system with: --dem-crs EPSG:CODE", clip(c.Text(0)), clip(c.Text(1)))
		}
		p[strings.ToLower(c.Text(0))] = v
	}
	return p, nil
}

// take sets the parameters of a projection from those of a text; angles are in units of so many degrees.
func (d *definition) take(p map[string]float64, degrees float64, method string) error {
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
	d.par = projection.Parameters{
		Lat0:      first(0, "latitude_of_origin", "latitude_of_center", "latitude_of_centre", "central_parallel") * degrees,
		Lon0:      first(0, "central_meridian", "longitude_of_center", "longitude_of_centre", "longitude_of_origin") * degrees,
		SP1:       first(0, "standard_parallel_1", "pseudo_standard_parallel_1") * degrees,
		SP2:       sp2 * degrees,
		K0:        first(1, "scale_factor"),
		FE:        first(0, "false_easting") * d.unit,
		FN:        first(0, "false_northing") * d.unit,
		Azimuth:   first(0, "azimuth") * degrees,
		Rectified: first(first(0, "azimuth"), "rectified_grid_angle", "xy_plane_rotation") * degrees,
		Height:    first(0, "height"),
	}
	if method == "krovak" {
		return d.krovakText(p, degrees)
	}
	return d.complete(method, hasSP1, hasSP2, p["auxiliary_sphere_type"])
}

// complete sets the method and the parameters that the text of a projection implies, and refuses texts that contradict
// themselves. hasSP1 and hasSP2 say whether the text has standard parallels; sphere is its type of auxiliary sphere.
func (d *definition) complete(method string, hasSP1, hasSP2 bool, sphere float64) error {
	q := &d.par
	switch method {
	case "lambertconformalconic1sp":
		if hasSP1 && math.Abs(q.SP1-q.Lat0) > 1e-9 {
			return errors.New("its standard parallel is not that of the origin; state the system with: --dem-crs EPSG:CODE")
		}
	case "lambertconformalconic":
		if !hasSP1 {
			q.SP1 = q.Lat0
		}
		if !hasSP2 {
			q.SP2 = q.SP1
		}
	case "mercator", "mercator2sp", "mercatorauxiliarysphere":
		return d.completeMercator(method, hasSP1, sphere)
	case "polarstereographic", "stereographic", "stereographicnorthpole", "stereographicsouthpole":
		return d.completeStereographic(method)
	case "swissobliquecylindrical", "swissobliquemercator":
		q.Azimuth, q.Rectified = 90, 90
	}
	return nil
}

func (d *definition) completeMercator(method string, hasSP1 bool, sphere float64) error {
	q := &d.par
	if method == "mercatorauxiliarysphere" {
		if sphere != 0 || q.SP1 != 0 {
			return fmt.Errorf("the Mercator projection on an auxiliary sphere of type %g with standard parallel %g is not supported; %s", sphere, q.SP1, remedy)
		}
		return nil
	}
	if !hasSP1 && method == "mercator" || q.K0 != 1 && q.SP1 == 0 {
		d.method = projection.MercatorA
	}
	q.Lat0 = 0
	return nil
}

func (d *definition) completeStereographic(method string) error {
	const pole = 90 - 1e-6
	q := &d.par
	switch method {
	case "polarstereographic":
		q.SP1 = q.Lat0
	case "stereographicnorthpole", "stereographicsouthpole":
		if method == "stereographicsouthpole" && q.SP1 > 0 || method == "stereographicnorthpole" && q.SP1 < 0 {
			return fmt.Errorf("standard parallel %g is on the other side of the Earth; state the system with: --dem-crs EPSG:CODE", q.SP1)
		}
		if math.Abs(q.SP1) > pole {
			d.method, q.Lat0 = projection.PolarStereographicA, q.SP1
		}
		return nil
	}
	if math.Abs(q.Lat0) > pole {
		d.method = projection.PolarStereographicA
	}
	return nil
}

// krovakText reads the variants of Krovak: parameters which a text leaves out are those of the method.
func (d *definition) krovakText(p map[string]float64, degrees float64) error {
	if _, ok := p["azimuth"]; !ok {
		d.par.Azimuth = 30.0 + 17./60 + 17.30311/3600
	}
	if _, ok := p["pseudo_standard_parallel_1"]; !ok {
		d.par.SP1 = 78.5
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
		d.par.FE, d.par.FN = -d.par.FE, -d.par.FN
		return nil
	}
	return fmt.Errorf("the Krovak projection with axes scaled by %g and %g and turned by %g degrees is not supported; %s", x, y, turn, remedy)
}

// direct reads where the axes of a text point.
func (d *definition) direct(n *wkt.Node, p map[string]float64) error {
	var way string
	for _, c := range n.Nodes {
		if c.Keyword == "AXIS" {
			way += strings.ToLower(c.Text(1)) + " "
		}
	}
	before := d.axes
	if _, turned := p["x_scale"]; d.method == projection.Krovak && way == "" && !turned {
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
		d.par.FE, d.par.FN = -d.par.FE, -d.par.FN
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
	axes := ""
	switch d.axes {
	case westSouth:
		axes = `,AXIS["Y",WEST],AXIS["X",SOUTH]`
	case southWest:
		axes = `,AXIS["X",SOUTH],AXIS["Y",WEST]`
	}
	return fmt.Sprintf(`PROJCS[%s,%s,PROJECTION["%s"]%s,UNIT["Unit",%s]%s]`,
		wktQuote(d.name), d.base.wkt(), name, d.wktParameters(), wktNumber(d.unit), axes)
}

func wktNumber(v float64) string {
	s := strconv.FormatFloat(v, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}

// wktQuote quotes a text without the characters that end it in well-known text or in a GeoKey.
func wktQuote(s string) string { return `"` + strings.NewReplacer(`"`, "'", "|", "/").Replace(s) + `"` }

// wkt writes the geographic system.
func (b *base) wkt() string {
	shift := ""
	if b.relation == stated {
		shift = ",TOWGS84[" + strings.Join(strings.Fields(b.steps), ",") + "]"
	}
	authority := ""
	if b.code > 0 && degreesOnly(b.code) == nil {
		authority = fmt.Sprintf(`,AUTHORITY["EPSG","%d"]`, b.code)
	}
	name, datum := b.name, "D_"+b.datum
	if g, ok := epsg.Lookup(epsg.Geodetic, b.code); ok && g[5] != "" {
		name, datum = "GCS_"+g[5], "D_"+g[5]
	}
	return fmt.Sprintf(`GEOGCS[%s,DATUM[%s,SPHEROID["Ellipsoid",%s,%s]%s],PRIMEM["Greenwich",%s],UNIT["Degree",0.0174532925199433]%s]`,
		wktQuote(name), wktQuote(datum), wktNumber(b.a), wktNumber(b.invf), shift, wktNumber(b.pm), authority)
}

// wktParameters writes the parameters that the method has and that are not what is taken for absent ones.
func (d *definition) wktParameters() string {
	p := d.par
	if d.axes != eastNorth {
		p.FE, p.FN = -p.FE, -p.FN
	}
	origin, meridian, parallel := "Latitude_Of_Origin", "Central_Meridian", "Standard_Parallel_1"
	switch d.method {
	case projection.HotineA, projection.HotineB, projection.Krovak, projection.Laborde:
		origin, meridian, parallel = "Latitude_Of_Center", "Longitude_Of_Center", "Pseudo_Standard_Parallel_1"
	case projection.PolarStereographicB:
		p.Lat0 = p.SP1
	}
	hotine := d.method == projection.HotineA || d.method == projection.HotineB
	krovak := d.method == projection.Krovak && d.axes == eastNorth
	var w strings.Builder
	for _, v := range []struct {
		name  string
		value float64
		write bool
	}{
		{"False_Easting", p.FE / d.unit, true},
		{"False_Northing", p.FN / d.unit, true},
		{meridian, p.Lon0, true},
		{parallel, p.SP1, p.SP1 != 0},
		{"Standard_Parallel_2", p.SP2, p.SP2 != 0 || d.method == projection.EquidistantConic},
		{"Scale_Factor", p.K0, p.K0 != 1},
		{"Azimuth", p.Azimuth, p.Azimuth != 0},
		{"Rectified_Grid_Angle", p.Rectified, hotine},
		{"Height", p.Height, p.Height != 0},
		{"X_Scale", -1, krovak},
		{"Y_Scale", 1, krovak},
		{"XY_Plane_Rotation", 90, krovak},
		{origin, p.Lat0, p.Lat0 != 0},
	} {
		if v.write {
			fmt.Fprintf(&w, `,PARAMETER["%s",%s]`, v.name, wktNumber(v.value))
		}
	}
	return w.String()
}
