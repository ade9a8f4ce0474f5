package crs

import (
	_ "embed"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cyverse-gis/eemt/integration/reference"
	"github.com/cyverse-gis/eemt/shared/crs/internal/epsg"
	"github.com/cyverse-gis/eemt/shared/crs/projection"
	"github.com/cyverse-gis/eemt/shared/raster"
)

// systemsTSV are the coordinate systems which national and state DEMs come in, with a position of each as GDAL 3.6.2 and
// PROJ 9.1.1 place it without grids: the code (+ one of heights), x, y, longitude, latitude, and Esri's text where EPSG
// has no code.
//
//go:embed testdata/systems.tsv
var systemsTSV string

type placed struct {
	name, text     string
	x, y, lon, lat float64
}

func placedSystems(t *testing.T) []placed {
	t.Helper()
	var list []placed
	for line := range strings.Lines(systemsTSV) {
		if line[0] == '#' {
			continue
		}
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		list = append(list, placed{name: f[0], x: atof(f[1]), y: atof(f[2]), lon: atof(f[3]), lat: atof(f[4]), text: f[5]})
	}
	if len(list) < 132 {
		t.Fatalf("%d systems", len(list))
	}
	return list
}

// open returns the system as a DEM would have it at the position.
func (p placed) open(t *testing.T) *CRS {
	t.Helper()
	code, _, _ := strings.Cut(p.name, "+")
	text := p.text
	if text == "" {
		text = "EPSG:" + code
	}
	c, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	if p.text == "" && c.EPSG() < math.MaxUint16 { // as a file states it
		shorts := map[uint16]uint16{keyModelType: 1, keyProjectedCRS: uint16(c.EPSG())}
		if c.Geographic() {
			shorts = map[uint16]uint16{keyModelType: 2, keyGeodeticCRS: uint16(c.EPSG())}
		}
		if c, err = FromGeoKeys(raster.GeoKeys{Shorts: shorts}); err != nil {
			t.Fatal(err)
		}
	}
	return c.near(p.x, p.y)
}

// metresApart is the distance of two positions on the ground.
func metresApart(lon0, lat0, lon1, lat1 float64) float64 {
	return math.Hypot(math.Remainder(lon1-lon0, 360)*math.Cos(lat0*rad), lat1-lat0) * 111320
}

func TestSystems(t *testing.T) {
	for _, p := range placedSystems(t) {
		t.Run(p.name, func(t *testing.T) {
			c := p.open(t)
			lon, lat := c.Inverse(p.x, p.y)
			// 1 cm, but for datums within metres of WGS84, which PROJ moves by them.
			tolerance := 0.01
			if c.shift == nil && c.def.base.relation == equalToWGS84 {
				tolerance = 2
			}
			if d := metresApart(p.lon, p.lat, lon, lat); !(d <= tolerance) {
				t.Errorf("%s: inverse of %v %v: got %.9f %.9f, want %.9f %.9f: %.3f m (%s)", c.Name(), p.x, p.y, lon, lat, p.lon, p.lat, d, c.Notes())
			}
			checkThereAndBack(t, c, p.x, p.y)
			checkTurn(t, c, p.x, p.y)
		})
	}
}

func checkThereAndBack(t *testing.T, c *CRS, x, y float64) {
	t.Helper()
	lon, lat := c.Inverse(x, y)
	x1, y1 := c.Forward(lon, lat)
	if d := math.Hypot(x1-x, y1-y); !(d*c.MetresPerUnit() < 2e-3) && !(c.Geographic() && d < 1e-8) {
		t.Errorf("%s: %v %v comes back as %v %v", c.Name(), x, y, x1, y1)
	}
}

// checkTurn walks a metre along the meridian on the map: the angle from the map's second axis is the convergence.
func checkTurn(t *testing.T, c *CRS, x, y float64) {
	t.Helper()
	if c.Geographic() {
		return
	}
	const step = 1e-5
	lon, lat := c.Inverse(x, y)
	x0, y0 := c.Forward(lon, lat-step)
	x1, y1 := c.Forward(lon, lat+step)
	want := -math.Atan2(x1-x0, y1-y0)
	// A shifted datum has meridians of its own, some seconds off.
	tolerance := 1e-6
	if c.shift != nil {
		tolerance = 1e-4
	}
	if got := c.Convergence(lon, lat); !(math.Abs(math.Remainder(got-want, 2*math.Pi)) < tolerance) {
		t.Errorf("%s: convergence at %v %v: got %.9f, want %.9f rad", c.Name(), x, y, got, want)
	}
}

// TestMethods goes there and back, and along the meridian, in one system of each method.
func TestMethods(t *testing.T) {
	seen := map[projection.Method]int{}
	for _, code := range codes(epsg.Projected) {
		c, err := FromEPSG(code)
		if err != nil {
			continue
		}
		if seen[c.def.method]++; seen[c.def.method] > 12 {
			continue
		}
		for _, p := range samplePoints(c.def)[:8] {
			if x, y := c.Forward(p[0], p[1]); !math.IsNaN(x) {
				checkThereAndBack(t, c, x, y)
				checkTurn(t, c, x, y)
			}
		}
	}
	methods := 0
	for _, code := range codes(epsg.Method) {
		m := projection.Method(code)
		if !projection.Supported(m) {
			continue
		}
		methods++
		if seen[m] == 0 && m != projection.EquidistantConic && m != projection.Bonne {
			t.Errorf("no system of method %d", m)
		}
	}
	if methods < 28 {
		t.Errorf("%d methods with a code, want 28", methods)
	}
}

// noGrids makes PROJ choose as if no grid were installed.
func noGrids(t *testing.T) []string {
	t.Helper()
	dir := t.TempDir()
	for _, from := range []string{os.Getenv("PROJ_DATA"), "/usr/share/proj", "/usr/local/share/proj"} {
		if path, err := filepath.EvalSymlinks(filepath.Join(from, "proj.db")); err == nil && from != "" {
			if err := os.Symlink(path, filepath.Join(dir, "proj.db")); err != nil {
				t.Fatal(err)
			}
			return append(os.Environ(), "PROJ_DATA="+dir, "PROJ_LIB="+dir, "PROJ_NETWORK=OFF")
		}
	}
	t.Skip("no proj.db")
	return nil
}

// TestSystemsAgainstPROJ asks the PROJ that is installed, at places around the recorded one.
func TestSystemsAgainstPROJ(t *testing.T) {
	transform := reference.Program(t, "gdaltransform")
	env := noGrids(t)
	for _, p := range placedSystems(t) {
		system := p.text
		if system == "" {
			code, _, _ := strings.Cut(p.name, "+")
			if system = "EPSG:" + code; webMercator[atoi(code)] {
				system = "EPSG:3857"
			}
		}
		c := p.open(t)
		step := 4000.0
		if c.Geographic() {
			step = 0.04
		}
		var in strings.Builder
		var at [][2]float64
		for _, d := range [][2]float64{{0, 0}, {1, 0}, {-1, 1}, {0, -1}} {
			at = append(at, [2]float64{p.x + d[0]*step, p.y + d[1]*step})
			fmt.Fprintf(&in, "%.6f %.6f\n", at[len(at)-1][0], at[len(at)-1][1])
		}
		cmd := exec.Command(transform, "-s_srs", system, "-t_srs", "EPSG:4326", "-output_xy")
		cmd.Env, cmd.Stdin = env, strings.NewReader(in.String())
		out, err := cmd.Output()
		if err != nil {
			t.Errorf("%s: %v", p.name, err)
			continue
		}
		tolerance := 0.01
		switch {
		case c.shift == nil && c.def.base.relation == equalToWGS84:
			tolerance = 2
		case c.def.base.op != nil && len(c.def.base.ops) > 1: // PROJ chooses for each point
			tolerance = max(tolerance, c.def.base.op.accuracy)
		}
		for i, line := range strings.Split(strings.TrimSpace(string(out)), "\n") {
			var lon, lat float64
			if _, err := fmt.Sscan(line, &lon, &lat); err != nil || i >= len(at) {
				t.Errorf("%s: answer %q", p.name, line)
				break
			}
			got, gotLat := c.Inverse(at[i][0], at[i][1])
			if d := metresApart(lon, lat, got, gotLat); !(d <= tolerance) {
				t.Errorf("%s %s: inverse of %v: got %.9f %.9f, PROJ %.9f %.9f: %.3f m", p.name, c.Name(), at[i], got, gotLat, lon, lat, d)
				break
			}
		}
	}
}
