package crs

import (
	"math"
	"strings"
	"testing"

	"github.com/cyverse-gis/eemt/shared/raster"
)

const webMercatorText = `PROJCS["WGS_1984_Web_Mercator_Auxiliary_Sphere",GEOGCS["GCS_WGS_1984",DATUM["D_WGS_1984",SPHEROID["WGS_1984",6378137.0,298.257223563]],PRIMEM["Greenwich",0.0],UNIT["Degree",0.0174532925199433]],PROJECTION["Mercator_Auxiliary_Sphere"],PARAMETER["False_Easting",0.0],PARAMETER["False_Northing",0.0],PARAMETER["Central_Meridian",0.0],PARAMETER["Standard_Parallel_1",0.0],PARAMETER["Auxiliary_Sphere_Type",0.0],UNIT["Meter",1.0]]`

func TestTextOfAFile(t *testing.T) {
	imagineUTM := imagine + "UTM Zone 13N\nEllipsoid = GRS 1980\nDatum = NAD83"
	tests := []struct {
		name     string
		keys     raster.GeoKeys
		x, y     float64
		lon, lat float64
		err      string
	}{
		// The model is user defined, and a geographic code stands beside the text: coordinates are metres all the same.
		{"ArcGIS", keys(map[uint16]uint16{1024: 32767, 2048: 4326, 2054: 9102, 3076: 9001}, nil, map[uint16]string{3073: peString + webMercatorText + "|"}), -13383100, 4651100, -120.2225, 38.5055, ""},
		{"ArcGIS, numbers which pass for degrees", keys(map[uint16]uint16{1024: 32767, 2048: 4326, 2054: 9102, 3076: 9001}, nil, map[uint16]string{3073: peString + webMercatorText + "|"}), 45, 45, 0.000404, 0.000404, ""},
		{"metres without a projection", keys(map[uint16]uint16{1024: 32767, 2048: 4326, 3076: 9001}, nil, nil), 0, 0, 0, 0, "no coordinate system is stated"},
		{"words without a zone", keys(map[uint16]uint16{1024: 1, 2048: 4326, 3072: 32767}, nil, map[uint16]string{1026: imagine + "Projection Name = Space Oblique\nUnits = meters"}), 0, 0, 0, 0, "stated only in words (Projection Name = Space Oblique Units = meters"},
		{"zone of UTM in words", keys(map[uint16]uint16{1024: 1, 3072: 32767}, nil, map[uint16]string{1026: imagine + "Projection Name = UTM\nUnits = meters", 3073: imagineUTM}), 353263.32397, 3963315.36788, -106.624, 35.803, ""},
		{"state plane in words", keys(map[uint16]uint16{1024: 1, 3072: 32767}, nil, map[uint16]string{1026: imagine + "Projection Name = State Plane\nUnits = us_survey_feet", 3073: imagine + "State Plane Zone 401\nNAD = 83"}), 6423456.74688, 2211539.43341, -122.5, 40.9, ""},
		{"units in words", keys(map[uint16]uint16{1024: 1, 2048: 4269, 3072: 32767, 3074: 16013}, nil, map[uint16]string{3073: "PCS Name = mine|LUnits = feet|"}), 353263.32397 * 3937 / 1200, 3963315.36788 * 3937 / 1200, -106.624, 35.803, ""},
		{"units in words against the code", keys(map[uint16]uint16{1024: 1, 3072: 26913}, nil, map[uint16]string{1026: imagine + "Projection Name = UTM\nUnits = us_survey_feet"}), 0, 0, 0, 0, "in units of 1 m by the keys of the file, its words speak of us_survey_feet"},
		{"unknown units in words", keys(map[uint16]uint16{1024: 1, 2048: 4269, 3072: 32767, 3074: 16013}, nil, map[uint16]string{3073: "PCS Name = mine|LUnits = cubits|"}), 0, 0, 0, 0, `linear unit "cubits" of the citation is not known`},
		{"two datums", keys(map[uint16]uint16{1024: 1, 3072: 26913, 2048: 4267}, nil, nil), 0, 0, 0, 0, "whose datum is not the one which the file states beside it"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, err := FromGeoKeys(tt.keys)
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) || !strings.Contains(err.Error(), "--dem-crs EPSG:CODE") {
					t.Fatalf("got %v, want %q with the next step", err, tt.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			lon, lat := c.Inverse(tt.x, tt.y)
			if d := metresApart(tt.lon, tt.lat, lon, lat); !(d < 50) || c.Geographic() {
				t.Errorf("%s: got %.6f %.6f, want %.6f %.6f", c.Name(), lon, lat, tt.lon, tt.lat)
			}
		})
	}
}

func TestParse(t *testing.T) {
	for text, want := range map[string]int{
		"EPSG:32613": 32613, "epsg:2056": 2056, "EPSG:102100": 3857, "ESRI:102113": 3857, "EPSG:900913": 3857, "EPSG:3785": 3857,
		`PROJCS["x",GEOGCS["GCS_WGS_1984",DATUM["D_WGS_1984",SPHEROID["WGS_1984",6378137,298.257223563]]],PROJECTION["Mercator"],UNIT["Meter",1],AUTHORITY["ESRI","102100"]]`: 3857,
	} {
		if c, err := Parse(text); err != nil || c.EPSG() != want {
			t.Errorf("%q: got %v, %v", text, c, err)
		}
	}
	for text, want := range map[string]string{
		"":              "must be a code such as EPSG:32613",
		"UTM 13":        "must be a code such as EPSG:32613",
		"EPSG:1":        "no such coordinate system",
		"EPSG:5703":     "is a vertical coordinate system",
		"ESRI:102003":   "must be a code such as EPSG:32613",
		"PROJCS[":       "is no well-formed WKT",
		`LOCAL_CS["x"]`: "neither geographic nor projected",
		`GEOGCS["x",UNIT["Grad",0.015707963267949],DATUM["D_NTF",SPHEROID["Clarke_1880_IGN",6378249.2,293.466021293627]]]`: "angular unit Grad is not supported",
		strings.Replace(webMercatorText, "Mercator_Auxiliary_Sphere\"]", "Winkel_Tripel\"]", 1):                            "map projection Winkel_Tripel is not supported",
		strings.Repeat("A[", 5000): "is no well-formed WKT",
	} {
		if c, err := Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: got %v, %v, want %q", text, c, err, want)
		}
	}
}

// TestUserDatums holds what a file states of a datum of its own.
func TestUserDatums(t *testing.T) {
	note := func(k raster.GeoKeys) string {
		t.Helper()
		c, err := FromGeoKeys(k)
		if err != nil {
			t.Fatal(err)
		}
		return string(c.Findings()[0].Severity) + ": " + c.Findings()[0].Sentence()
	}
	own := func(a, invf float64, name string) raster.GeoKeys {
		k := daymetKeys()
		return with(k, func(k raster.GeoKeys) {
			delete(k.Shorts, 2056)
			k.Doubles[2057], k.Doubles[2059] = []float64{a}, []float64{invf}
			k.Strings[2049] = name
		})
	}
	for _, tt := range []struct{ got, want string }{
		{note(daymetKeys()), "note: datum user defined datum is stated only by an ellipsoid of 6378137 m, inverse flattening 298.257224; it is taken as WGS84"},
		{note(own(6378140, 298.257, "WGS 84")), "note: datum WGS 84 is stated only by an ellipsoid of 6378140 m, inverse flattening 298.257; it is taken as WGS84"},
		{note(own(6378206.4, 294.978698214, "mine")), "doubt: datum mine has no known transformation to WGS84"},
		{note(with(own(6378206.4, 294.978698214, "mine"), func(k raster.GeoKeys) { k.Doubles[2062] = []float64{-8, 160, 176} })), "note: datum mine is shifted to WGS84 as the file states"},
	} {
		if !strings.HasPrefix(tt.got, tt.want) {
			t.Errorf("got %q, want %q", tt.got, tt.want)
		}
	}
	// -8, 160, 176 is NAD27 to WGS 84 (4), EPSG:1173.
	c, err := FromGeoKeys(with(own(6378206.4, 294.978698214, "mine"), func(k raster.GeoKeys) { k.Doubles[2062] = []float64{-8, 160, 176} }))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := FromGeoKeys(own(6378206.4, 294.978698214, "mine"))
	if err != nil {
		t.Fatal(err)
	}
	lon0, lat0 := plain.Inverse(-994891, -1032062)
	lon, lat := c.Inverse(-994891, -1032062)
	if d := metresApart(lon0, lat0, lon, lat); !(d > 40 && d < 300) {
		t.Errorf("the shift moves by %.0f m", d)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("EPSG:2056")
	f.Add(webMercatorText)
	for line := range strings.Lines(systemsTSV) {
		if i := strings.Index(line, "PROJCS"); i > 0 {
			f.Add(strings.TrimSpace(line[i:]))
		}
	}
	f.Add(`COMPD_CS["x",GEOGCS["WGS 84",DATUM["WGS_1984",SPHEROID["WGS 84",6378137,298.257223563],TOWGS84[1,2,3]],PRIMEM["Greenwich",0],UNIT["degree",0.0174532925199433],AXIS["Latitude",NORTH]],VERT_CS["h",UNIT["metre",1]]]`)
	f.Fuzz(func(t *testing.T, text string) {
		c, err := Parse(text)
		if err != nil {
			return
		}
		x, y := c.Forward(c.lon0, c.probeLatitude())
		lon, lat := c.Inverse(x, y)
		if math.Abs(lon) > 180 || math.Abs(lat) > 90 || math.IsInf(x, 0) || math.IsInf(y, 0) {
			t.Errorf("%q: %v %v is %v %v", text, x, y, lon, lat)
		}
		again, err := FromGeoKeys(c.GeoKeys())
		if err != nil {
			t.Fatalf("%q: its own keys: %v", text, err)
		}
		if x1, y1 := again.Forward(c.lon0, c.probeLatitude()); !(math.Hypot(x1-x, y1-y) <= 1e-5*(1+math.Hypot(x, y))) && !math.IsNaN(x) {
			t.Errorf("%q: keys give %v %v, want %v %v", text, x1, y1, x, y)
		}
	})
}
