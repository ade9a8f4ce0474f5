package crs

import (
	"math"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/cyverse-gis/eemt/integration/reference"
	"github.com/cyverse-gis/eemt/shared/raster"
)

func mustEPSG(t testing.TB, code int) *CRS {
	t.Helper()
	c, err := FromEPSG(code)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestNotes(t *testing.T) {
	for code, want := range map[int]string{
		32613: "",
		26913: "datum NAD83 treated as equal to WGS84 (differs by up to 2 m)",
		2163:  "latitudes of datum Not specified (based on Clarke 1866 Authalic Sphere) (a sphere of radius 6370997 m) are taken as WGS84 latitudes",
	} {
		if got := strings.Join(mustEPSG(t, code).Notes(), "; "); got != want {
			t.Errorf("EPSG:%d: got %q, want %q", code, got, want)
		}
	}
}

func TestCompoundIsItsHorizontalPart(t *testing.T) {
	// EPSG:6349 is NAD83(2011) + NAVD88 height.
	if c := mustEPSG(t, 6349); c.EPSG() != 6318 || !c.Geographic() {
		t.Errorf("got EPSG:%d", c.EPSG())
	}
}

func TestOutsideTheDomain(t *testing.T) {
	tests := []struct {
		name     string
		epsg     int
		lon, lat float64
	}{
		{"UTM, other side of the Earth", 32613, 75, 10},
		{"UTM, beyond the series", 32613, -105 + 66, 0},
		{"Mercator, pole", 3857, 0, 90},
		{"Lambert conic, opposite pole", 2154, 0, -90},
		{"polar stereographic, opposite pole", 3031, 0, 90},
		{"beyond the pole", 32613, -105, 91},
		{"not a number", 32613, math.NaN(), 10},
		{"azimuthal, antipode", 3035, -170, -52},
	}
	for _, tt := range tests {
		c := mustEPSG(t, tt.epsg)
		if x, y := c.Forward(tt.lon, tt.lat); !math.IsNaN(x) || !math.IsNaN(y) {
			t.Errorf("%s: got %v %v, want NaN", tt.name, x, y)
		}
	}
	for _, code := range []int{32613, 5070, 3035, 4326} {
		for _, v := range []float64{1e9, -1e9, math.Inf(1), math.NaN()} {
			if lon, lat := mustEPSG(t, code).Inverse(v, v); !math.IsNaN(lon) || !math.IsNaN(lat) {
				t.Errorf("EPSG:%d: inverse of %v gives %v %v, want NaN", code, v, lon, lat)
			}
		}
	}
}

func TestLongitudesTurn(t *testing.T) {
	c := mustEPSG(t, 4326)
	if lon, lat := c.Inverse(255, 30); lon != -105 || lat != 30 {
		t.Errorf("got %v %v, want -105 30", lon, lat)
	}
	// UTM zone 60S reaches across the date line.
	utm := mustEPSG(t, 32760)
	x0, _ := utm.Forward(-179.9, -40)
	x1, _ := utm.Forward(180.1, -40)
	if x0 != x1 || !(x0 > 500000) {
		t.Errorf("eastings %v and %v across the date line", x0, x1)
	}
}

func TestCellSizes(t *testing.T) {
	steps := func(x, y float64) raster.Transform {
		return raster.Transform{OriginX: x, OriginY: y + 0.5, StepX: 1, StepY: -1}
	}
	feet := mustEPSG(t, 2225).CellSizes(raster.Transform{StepX: 30, StepY: -60}, 2, 3)
	if len(feet.DX) != 3 || math.Abs(feet.DX[2]-30*1200./3937) > 1e-12 || math.Abs(feet.DY[0]-60*1200./3937) > 1e-12 {
		t.Errorf("feet: got %v", feet)
	}
	// Length of a degree on WGS84, from numerical derivatives of geocentric
	// coordinates.
	for _, tt := range []struct{ lat, dx, dy float64 }{
		{0, 111319.4908, 110574.2758},
		{45, 78846.8351, 111131.7774},
		{60, 55800.0016, 111412.2875},
	} {
		got := mustEPSG(t, 4326).CellSizes(steps(10, tt.lat), 3, 1)
		if math.Abs(got.DX[0]-tt.dx) > 1e-4 || math.Abs(got.DY[0]-tt.dy) > 1e-4 {
			t.Errorf("degree at %v: got %.3f %.3f, want %.3f %.3f m", tt.lat, got.DX[0], got.DY[0], tt.dx, tt.dy)
		}
	}
	// A Web Mercator cell at 60 degrees is half as long as it says, but for the
	// ellipsoid; the ground length follows from the inverse.
	c := mustEPSG(t, 3857)
	_, y := c.Forward(0, 60)
	tr := raster.Transform{OriginX: 0, OriginY: y + 50, StepX: 100, StepY: -100}
	got := c.CellSizes(tr, 4, 1)
	_, lat0 := c.Inverse(0, y-50)
	_, lat1 := c.Inverse(0, y+50)
	meridian, prime := wgs84.Radii(60 * rad)
	wantY := (lat1 - lat0) * rad * meridian
	wantX := 100 / 6378137. * prime * math.Cos(60*rad)
	if math.Abs(got.DX[0]-wantX) > 1e-6 || math.Abs(got.DY[0]-wantY) > 1e-4 {
		t.Errorf("web mercator: got %.6f %.6f, want %.6f %.6f", got.DX[0], got.DY[0], wantX, wantY)
	}
	// World Mercator is conformal, its scale that of PROJ at 60 degrees: proj -V
	// +proj=merc +datum=WGS84 gives h = k = 1.99497290.
	world := mustEPSG(t, 3395)
	_, y = world.Forward(0, 60)
	got = world.CellSizes(raster.Transform{OriginY: y + 50, StepX: 100, StepY: -100}, 4, 1)
	if want := 100 / 1.99497290; math.Abs(got.DX[0]-want) > 1e-5 || math.Abs(got.DY[0]-want) > 1e-5 {
		t.Errorf("world mercator: got %.6f %.6f, want %.6f", got.DX[0], got.DY[0], want)
	}
	got = c.CellSizes(tr, 4, 1)
	if math.Abs(got.DX[0]-50.126) > 0.01 {
		t.Errorf("web mercator at 60 degrees: got %.3f, want about 50.13 m", got.DX[0])
	}
}

func TestLonLatIsInverseOfCentres(t *testing.T) {
	tr := raster.Transform{OriginX: 350000, OriginY: 3970000, StepX: 10, StepY: -20}
	w := raster.Window{Col: 5, Row: 7, Width: 3, Height: 2}
	for _, code := range []int{26913, 4326} {
		c := mustEPSG(t, code)
		if code == 4326 {
			tr = raster.Transform{OriginX: 10, OriginY: 46, StepX: 0.1, StepY: -0.1}
		}
		lon, lat := make([]float64, 6), make([]float64, 6)
		c.LonLat(tr, w, lon, lat)
		for i := range lon {
			wantLon, wantLat := c.Inverse(tr.Center(w.Col+i%3, w.Row+i/3))
			if math.Abs(lon[i]-wantLon) > 1e-12 || math.Abs(lat[i]-wantLat) > 1e-12 {
				t.Errorf("EPSG:%d cell %d: got %v %v, want %v %v", code, i, lon[i], lat[i], wantLon, wantLat)
			}
		}
	}
}

// TestTransverseMercatorFarOut goes to the rim of the domain both ways.
func TestTransverseMercatorFarOut(t *testing.T) {
	c := mustEPSG(t, 32631) // central meridian 3 E
	worst := 0.0
	for lon := 3.0; lon <= 66; lon += 3 {
		for lat := -88.0; lat <= 88; lat += 8 {
			back, phi := c.Inverse(c.Forward(lon, lat))
			worst = max(worst, math.Hypot((back-lon)*math.Cos(lat*rad), phi-lat)*111320)
		}
	}
	if !(worst < 1e-3) {
		t.Errorf("round trip off by %.2e m, want less than 1e-3", worst)
	}
}

func TestVerticalMetres(t *testing.T) {
	tests := []struct {
		name   string
		shorts map[uint16]uint16
		want   float64
		stated bool
		err    string
	}{
		{"nothing", nil, 1, false, ""},
		{"metre", map[uint16]uint16{4099: 9001}, 1, true, ""},
		{"US survey foot", map[uint16]uint16{4099: 9003}, 1200. / 3937, true, ""},
		{"NAVD88 height", map[uint16]uint16{4096: 5703}, 1, true, ""},
		{"NAVD88 height (ftUS)", map[uint16]uint16{4096: 6360}, 1200. / 3937, true, ""},
		{"unit before code", map[uint16]uint16{4096: 5703, 4099: 9002}, 0.3048, true, ""},
		{"compound code", map[uint16]uint16{3072: 6349}, 1, true, ""},
		{"compound code in feet", map[uint16]uint16{3072: 8720}, 1200. / 3937, true, ""},
		{"three-dimensional", map[uint16]uint16{2048: 4979}, 1, true, ""},
		{"GeoTIFF 1.0 ellipsoid", map[uint16]uint16{4096: 5030}, 1, false, ""},
		{"GeoTIFF 1.0 NAVD88", map[uint16]uint16{4096: 5103}, 1, false, ""},
		{"GeoTIFF 1.0 NAVD88 in feet", map[uint16]uint16{4096: 5103, 4099: 9003}, 1200. / 3937, true, ""},
		{"projected code only", map[uint16]uint16{3072: 26913}, 1, false, ""},
		{"depth with unit", map[uint16]uint16{4096: 5831, 4099: 9001}, 0, false, "counts depths"},
		{"depth", map[uint16]uint16{4096: 5831}, 0, false, "counts depths"},
		{"angle", map[uint16]uint16{4099: 9102}, 0, false, "is not a length"},
		{"user defined", map[uint16]uint16{4099: 32767}, 0, false, "the vertical unit is user defined"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, stated, err := VerticalMetres(raster.GeoKeys{Shorts: tt.shorts})
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Fatalf("got error %v, want %q", err, tt.err)
				}
				return
			}
			if err != nil || math.Abs(got-tt.want) > 1e-12 || stated != tt.stated {
				t.Errorf("got %v %v %v, want %v %v", got, stated, err, tt.want, tt.stated)
			}
		})
	}
}

// TestAgainstGDALCorners compares the corners of real grids with those gdalinfo
// prints.
func TestAgainstGDALCorners(t *testing.T) {
	gdalinfo := reference.Program(t, "gdalinfo")
	dir := filepath.Join(reference.Data(t), "data")
	albers, err := FromGeoKeys(albersKeys())
	if err != nil {
		t.Fatal(err)
	}
	corner := regexp.MustCompile(`(?:Upper|Lower) (?:Left|Right) +\( *(\S+), *(\S+)\) \( *(\d+)d *(\d+)' *([\d.]+)"([EW]), *(\d+)d *(\d+)' *([\d.]+)"([NS])\)`)
	for _, tt := range []struct {
		file string
		crs  *CRS
	}{
		{"mammoth_albers/test_proj_windowed_int.tif", albers},
		{"mcn_10m/mcn_10m.tif", mustEPSG(t, 26913)},
		{"bigtujunga/bigtujunga.tif", mustEPSG(t, 32611)},
		{"oetztal/srtm_oetztal.tif", mustEPSG(t, 4326)},
	} {
		out, err := exec.Command(gdalinfo, filepath.Join(dir, tt.file)).Output()
		if err != nil {
			t.Fatalf("gdalinfo %s: %v", tt.file, err)
		}
		corners := corner.FindAllStringSubmatch(string(out), -1)
		if len(corners) != 4 {
			t.Fatalf("%s: %d corners", tt.file, len(corners))
		}
		for _, m := range corners {
			angle := func(m []string) float64 {
				v := atof(m[0]) + atof(m[1])/60 + atof(m[2])/3600
				if m[3] == "W" || m[3] == "S" {
					v = -v
				}
				return v
			}
			lon, lat := tt.crs.Inverse(atof(m[1]), atof(m[2]))
			// gdalinfo prints hundredths of a second, about 0.3 m.
			if d := max(math.Abs(lon-angle(m[3:7])), math.Abs(lat-angle(m[7:11]))) * 3600; d > 0.006 {
				t.Errorf("%s: corner %s %s is %.4f seconds off", tt.file, m[1], m[2], d)
			}
		}
	}
}

func BenchmarkFromEPSG(b *testing.B) {
	mustEPSG(b, 26913)
	for b.Loop() {
		mustEPSG(b, 26913)
	}
}

func BenchmarkInverse(b *testing.B) {
	for _, bb := range []struct {
		name string
		epsg int
	}{{"UTM", 26913}, {"LambertConformal", 2154}, {"Albers", 5070}, {"PolarStereographic", 3031}, {"LambertAzimuthal", 3035}, {"WebMercator", 3857}} {
		b.Run(bb.name, func(b *testing.B) {
			c := mustEPSG(b, bb.epsg)
			x, y := c.Forward(c.def.par.Lon0+1, c.probeLatitude()*0.95+1)
			var sum float64
			for b.Loop() {
				lon, lat := c.Inverse(x, y)
				sum += lon + lat
			}
			if math.IsNaN(sum) {
				b.Fatal("outside the domain")
			}
		})
	}
}

func BenchmarkConvergence(b *testing.B) {
	c := mustEPSG(b, 26913)
	for b.Loop() {
		c.Convergence(-106.624, 35.803)
	}
}

func BenchmarkLonLat(b *testing.B) {
	c := mustEPSG(b, 26913)
	w := raster.Window{Width: 512, Height: 512}
	lon, lat := make([]float64, 512*512), make([]float64, 512*512)
	b.SetBytes(512 * 512 * 16)
	for b.Loop() {
		c.LonLat(raster.Transform{OriginX: 350000, OriginY: 3970000, StepX: 10, StepY: -10}, w, lon, lat)
	}
}
