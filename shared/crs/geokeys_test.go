package crs

import (
	"maps"
	"math"
	"strings"
	"testing"

	"github.com/cyverse-gis/eemt/shared/crs/internal/epsg"
	"github.com/cyverse-gis/eemt/shared/raster"
)

func keys(shorts map[uint16]uint16, doubles map[uint16]float64, strings map[uint16]string) raster.GeoKeys {
	k := raster.GeoKeys{Shorts: shorts, Doubles: map[uint16][]float64{}, Strings: strings}
	for key, v := range doubles {
		k.Doubles[key] = []float64{v}
	}
	return k
}

// daymetKeys are those GDAL 3.6 writes for Daymet's grid.
func daymetKeys() raster.GeoKeys {
	return keys(
		map[uint16]uint16{1024: 1, 1025: 1, 2048: 32767, 2054: 9102, 2056: 7030, 3072: 32767, 3074: 32767, 3075: 8, 3076: 9001},
		map[uint16]float64{
			2057: 6378137, 2059: 298.257223563, 3078: 25, 3079: 60, 3084: -100, 3085: 42.5, 3086: 0, 3087: 0,
		},
		map[uint16]string{1026: "unnamed", 2049: "unknown"})
}

// albersKeys are those of a real USGS elevation grid, a user-defined Albers.
func albersKeys() raster.GeoKeys {
	return keys(
		map[uint16]uint16{1024: 1, 1025: 1, 2048: 4269, 2054: 9102, 3072: 32767, 3074: 32767, 3075: 11, 3076: 9001},
		map[uint16]float64{
			2057: 6378137, 2059: 298.257222101004, 3078: 29.5, 3079: 45.5, 3080: -96, 3081: 37.5, 3082: 0, 3083: 0,
		},
		map[uint16]string{1026: "USA_Contiguous_Albers_Equal_Area_Conic", 2049: "NAD83"})
}

func with(k raster.GeoKeys, change func(raster.GeoKeys)) raster.GeoKeys {
	k.Shorts, k.Doubles, k.Strings = maps.Clone(k.Shorts), maps.Clone(k.Doubles), maps.Clone(k.Strings)
	change(k)
	return k
}

func TestFromGeoKeys(t *testing.T) {
	utm := keys(map[uint16]uint16{1024: 1, 3072: 26913, 3076: 9001}, nil, nil)
	tests := []struct {
		name       string
		keys       raster.GeoKeys
		lon, lat   float64
		x, y, near float64 // near in map units
		wantName   string
		unit       float64
	}{
		// Expected coordinates: PROJ 9.1.1 with the same parameters.
		{"EPSG projected", utm, -106.624, 35.803, 353263.32397, 3963315.36788, 1e-4, "NAD83 / UTM zone 13N", 1},
		{"EPSG geographic", keys(map[uint16]uint16{1024: 2, 2048: 4326, 2054: 9102}, nil, nil), 10, 46, 10, 46, 0, "WGS 84", 1},
		{"model type missing", keys(map[uint16]uint16{3072: 26913}, nil, nil), -106.624, 35.803, 353263.32397, 3963315.36788, 1e-4, "NAD83 / UTM zone 13N", 1},
		{
			"EPSG code with other units", with(utm, func(k raster.GeoKeys) { k.Shorts[3076] = 9003 }),
			-106.624, 35.803, 353263.32397 * 3937 / 1200, 3963315.36788 * 3937 / 1200, 1e-3, "NAD83 / UTM zone 13N in US survey foot", 1200. / 3937,
		},
		{
			"kilometres", with(utm, func(k raster.GeoKeys) { k.Shorts[3076] = 9036 }),
			-106.624, 35.803, 353.26332397, 3963.31536788, 1e-7, "NAD83 / UTM zone 13N in kilometre", 1000,
		},
		{
			"unit by size", with(utm, func(k raster.GeoKeys) { k.Shorts[3076] = 32767; k.Doubles[3077] = []float64{2} }),
			-106.624, 35.803, 353263.32397 / 2, 3963315.36788 / 2, 1e-4, "NAD83 / UTM zone 13N in 2 m", 2,
		},
		{
			"projection code", keys(map[uint16]uint16{1024: 1, 2048: 4269, 3072: 32767, 3074: 16013, 3076: 9001}, nil, nil),
			-106.624, 35.803, 353263.32397, 3963315.36788, 1e-4, "NAD83 / UTM zone 13N", 1,
		},
		{
			"Albers by parameters", albersKeys(), -119.3, 37.4, -2022743.34551, 238008.38309, 1e-4,
			"USA_Contiguous_Albers_Equal_Area_Conic", 1,
		},
		{"Daymet by parameters", daymetKeys(), -110.9, 32.2, -994891.78, -1032062.93, 0.01, "Lambert Conic Conformal (2SP) on user defined datum", 1},
		{
			"Daymet on a sphere", with(daymetKeys(), func(k raster.GeoKeys) {
				k.Doubles[2057], k.Doubles[2058] = []float64{6370997}, []float64{6370997}
				delete(k.Doubles, 2059)
			}), -100, 42.5, 0, 0, 1e-6, "Lambert Conic Conformal (2SP) on user defined datum", 1,
		},
		{
			"Web Mercator by citation", keys(
				map[uint16]uint16{1024: 1, 2048: 4326, 3072: 32767, 3075: 7, 3076: 9001},
				map[uint16]float64{3080: 0, 3081: 0, 3092: 1},
				map[uint16]string{3073: "WGS_1984_Web_Mercator_Auxiliary_Sphere"},
			), -111, 32, -12356463.47805, 3763310.62714, 1e-4, "WGS_1984_Web_Mercator_Auxiliary_Sphere", 1,
		},
		{
			"polar stereographic by latitude", keys(
				map[uint16]uint16{1024: 1, 2048: 4326, 3072: 32767, 3075: 15, 3076: 9001},
				map[uint16]float64{3095: -45, 3081: 70, 3092: 1, 3082: 0, 3083: 0}, nil,
			), -50, 69.2, -198478.42528, -2268618.78192, 1e-4, "Polar Stereographic (variant B) on WGS 84", 1,
		},
		{
			"feet false easting", keys(
				map[uint16]uint16{1024: 1, 2048: 4269, 3072: 32767, 3075: 8, 3076: 9003},
				map[uint16]float64{3078: 41 + 2./3, 3079: 40, 3084: -122, 3085: 39 + 1./3, 3086: 6561666.667, 3087: 1640416.667}, nil,
			), -122.5, 40.9, 6423456.74688, 2211539.43341, 1e-2, "Lambert Conic Conformal (2SP) on NAD83", 1200. / 3937,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, err := FromGeoKeys(tt.keys)
			if err != nil {
				t.Fatal(err)
			}
			if c.Name() != tt.wantName {
				t.Errorf("name: got %q, want %q", c.Name(), tt.wantName)
			}
			if math.Abs(c.MetresPerUnit()/tt.unit-1) > 1e-12 {
				t.Errorf("unit: got %v, want %v", c.MetresPerUnit(), tt.unit)
			}
			x, y := c.Forward(tt.lon, tt.lat)
			if !(math.Hypot(x-tt.x, y-tt.y) <= tt.near) {
				t.Errorf("forward: got %.6f %.6f, want %.6f %.6f", x, y, tt.x, tt.y)
			}
			lon, lat := c.Inverse(x, y)
			if !(math.Hypot(lon-tt.lon, lat-tt.lat) <= 1e-10) {
				t.Errorf("inverse: got %.12f %.12f, want %g %g", lon, lat, tt.lon, tt.lat)
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	tests := []struct {
		name, want string
		keys       raster.GeoKeys
	}{
		{"no keys", "no coordinate system is stated; state it with --dem-crs EPSG:CODE", raster.GeoKeys{}},
		{"model without system", "no coordinate system is stated", keys(map[uint16]uint16{1024: 1}, nil, nil)},
		{"unknown code", "EPSG:1: no such coordinate system in EPSG dataset v", keys(map[uint16]uint16{1024: 1, 3072: 1}, nil, nil)},
		{"vertical code", "EPSG:5703 (NAVD88 height) is a vertical coordinate system", keys(map[uint16]uint16{1024: 1, 3072: 5703}, nil, nil)},
		{"geocentric", "geocentric coordinates are not supported", keys(map[uint16]uint16{1024: 3, 2048: 4978}, nil, nil)},
		{"angular unit", "angular unit grad is not supported", keys(map[uint16]uint16{1024: 2, 2048: 4326, 2054: 9105}, nil, nil)},
		{
			"user-defined method", "map projection Van der Grinten is not supported",
			with(albersKeys(), func(k raster.GeoKeys) { k.Shorts[3075] = 25 }),
		},
		{
			"unit without size", "the linear unit is user defined without a size",
			with(daymetKeys(), func(k raster.GeoKeys) { k.Shorts[3076] = 32767 }),
		},
		{
			"unit of no length", "linear unit of 0 m: must be 0.001 to 100000 m",
			with(daymetKeys(), func(k raster.GeoKeys) { k.Shorts[3076] = 32767; k.Doubles[3077] = []float64{0} }),
		},
		{
			"unknown unit", "linear unit EPSG:1 is not known",
			with(daymetKeys(), func(k raster.GeoKeys) { k.Shorts[3076] = 1 }),
		},
		{
			"no datum", "the projection is stated without a datum",
			keys(map[uint16]uint16{1024: 1, 3072: 32767, 3075: 1, 3076: 9001}, nil, nil),
		},
		{
			"no method", "the coordinate system is stated only in words (USA_Contiguous_Albers_Equal_Area_Conic NAD83); state the system with: --dem-crs EPSG:CODE",
			with(albersKeys(), func(k raster.GeoKeys) { k.Shorts[3075] = 32767 }),
		},
		{
			"opposite parallels", "standard parallels 29.5 and -29.5",
			with(albersKeys(), func(k raster.GeoKeys) { k.Doubles[3079] = []float64{-29.5} }),
		},
		{
			"not a number", "longitude of origin NaN: must be -360 to 360",
			with(albersKeys(), func(k raster.GeoKeys) { k.Doubles[3080] = []float64{math.NaN()} }),
		},
		{
			"text without spheroid", "stated as text (x): its datum has no spheroid; state the system with: --dem-crs EPSG:CODE",
			keys(map[uint16]uint16{1024: 1, 3072: 32767}, nil, map[uint16]string{3073: `ESRI PE String = PROJCS["x",GEOGCS["y"]]`}),
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, err := FromGeoKeys(tt.keys)
			if err == nil {
				t.Fatalf("got %s, want an error", c.Name())
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %q, want it to contain %q", err, tt.want)
			}
		})
	}
}

// codes are those of all objects of some kinds.
func codes(kinds ...epsg.Kind) []int {
	var list []int
	for _, kind := range kinds {
		for f := range epsg.All(kind) {
			list = append(list, atoi(f[0]))
		}
	}
	return list
}

// TestGeoKeysRoundTrip writes every projected system as its code and, with a
// changed unit, by parameters.
func TestGeoKeysRoundTrip(t *testing.T) {
	n := 0
	for _, code := range codes(epsg.Geodetic, epsg.Projected) {
		c, err := FromEPSG(code)
		if err != nil {
			continue
		}
		n++
		again := []*CRS{c}
		if !c.Geographic() {
			d := c.def
			d.epsg = 0
			user, err := build(d)
			if err != nil {
				t.Fatal(err)
			}
			d.base.code = 0
			bare, err := build(d)
			if err != nil {
				t.Fatal(err)
			}
			again = append(again, user)
			if keyed(&d) || d.base.relation != unknown { // a text names its datum, which the dataset may know by now
				again = append(again, bare)
			}
		}
		for _, want := range again {
			got, err := FromGeoKeys(want.GeoKeys())
			if err != nil {
				t.Errorf("EPSG:%d: %v", code, err)
				continue
			}
			if want.EPSG() <= math.MaxUint16 && got.EPSG() != want.EPSG() || got.Geographic() != want.Geographic() {
				t.Errorf("EPSG:%d comes back as EPSG:%d", want.EPSG(), got.EPSG())
			}
			lon, lat := want.def.par.Lon0+1, want.probeLatitude()-math.Copysign(0.5, want.probeLatitude())
			x0, y0 := want.Forward(lon, lat)
			x1, y1 := got.Forward(lon, lat)
			if !(math.Hypot(x1-x0, y1-y0) < 1e-6) {
				t.Errorf("EPSG:%d %s: got %.6f %.6f, want %.6f %.6f", code, want.Name(), x1, y1, x0, y0)
			}
		}
	}
	if n < 6300 {
		t.Errorf("only %d systems", n)
	}
}

func FuzzFromGeoKeys(f *testing.F) {
	f.Add(uint16(1), uint16(26913), uint16(0), uint16(9001), uint16(4269), 0.0, 0.0, 0.0, 0.0, 1.0, 6378137.0, 298.257, "", -106.6, 35.8)
	f.Add(uint16(1), uint16(32767), uint16(11), uint16(9001), uint16(4269), 29.5, 45.5, -96.0, 37.5, 1.0, 6378137.0, 298.257, "", -119.0, 37.0)
	f.Add(uint16(1), uint16(32767), uint16(8), uint16(9003), uint16(32767), 25.0, 60.0, -100.0, 42.5, 1.0, 6370997.0, 0.0, "", -110.0, 32.0)
	f.Add(uint16(1), uint16(32767), uint16(15), uint16(9036), uint16(4326), 0.0, 0.0, 45.0, -71.0, 0.994, 0.0, 0.0, "x", 10.0, -80.0)
	f.Add(uint16(1), uint16(32767), uint16(10), uint16(0), uint16(4326), 0.0, 0.0, 10.0, 52.0, 1.0, 0.0, 0.0, "", 10.0, 50.0)
	f.Add(uint16(2), uint16(0), uint16(7), uint16(32767), uint16(4326), 10.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, "PROJCS[", 10.0, 50.0)
	f.Fuzz(func(t *testing.T, model, projected, ct, unit, geodetic uint16, sp1, sp2, lon0, lat0, k0, a, invf float64, cite string, p, q float64) {
		k := keys(
			map[uint16]uint16{1024: model, 2048: geodetic, 3072: projected, 3074: unit ^ ct, 3075: ct, 3076: unit, 4096: projected, 4099: unit},
			map[uint16]float64{
				2057: a, 2059: invf, 3077: k0, 3078: sp1, 3079: sp2, 3080: lon0, 3081: lat0,
				3082: q, 3084: lon0, 3085: lat0, 3086: p, 3088: lon0, 3089: lat0, 3092: k0,
			},
			map[uint16]string{3073: cite, 2049: cite})
		if unit%2 == 1 {
			delete(k.Shorts, 3074)
		}
		if factor, _, err := VerticalMetres(k); err == nil && !(factor > 0) {
			t.Errorf("vertical unit of %v m", factor)
		}
		c, err := FromGeoKeys(k)
		if err != nil {
			return
		}
		if x, y := c.Forward(p, q); math.IsNaN(x) != math.IsNaN(y) || math.IsInf(x, 0) || math.IsInf(y, 0) {
			t.Errorf("%s: forward %v %v gives %v %v", c.Name(), p, q, x, y)
		} else if lon, lat := c.Inverse(x, y); !math.IsNaN(lon) && !(math.Abs(lon) <= 180 && math.Abs(lat) <= 90) {
			t.Errorf("%s: inverse %v %v gives %v %v", c.Name(), x, y, lon, lat)
		}
		if lon, lat := c.Inverse(p, q); math.IsNaN(lon) != math.IsNaN(lat) || math.Abs(lon) > 180 || math.Abs(lat) > 90 {
			t.Errorf("%s: inverse %v %v gives %v %v", c.Name(), p, q, lon, lat)
		}
		if conv := c.Convergence(p, q); math.Abs(conv) > math.Pi+1e-9 {
			t.Errorf("%s: convergence %v", c.Name(), conv)
		}
		c.CellSizes(raster.Transform{OriginX: p, OriginY: q, StepX: k0, StepY: -k0}, 3, 4)
		again, err := FromGeoKeys(c.GeoKeys())
		if err != nil {
			t.Fatalf("%s: its own keys: %v", c.Name(), err)
		}
		x0, y0 := c.Forward(c.def.par.Lon0, c.probeLatitude())
		x1, y1 := again.Forward(c.def.par.Lon0, c.probeLatitude())
		if !(math.Hypot(x1-x0, y1-y0) <= 1e-6*(1+math.Hypot(x0, y0))) {
			t.Errorf("%s: keys give %v %v, want %v %v", c.Name(), x1, y1, x0, y0)
		}
	})
}
