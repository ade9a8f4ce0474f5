package crs

import (
	"bytes"
	"flag"
	"fmt"
	"math"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/cyverse-gis/eemt/integration/reference"
	"github.com/cyverse-gis/eemt/shared/crs/internal/epsg"
	"github.com/cyverse-gis/eemt/shared/crs/projection"
)

var every = flag.Int("every", 200, "compare each n-th EPSG code of a method with PROJ")

// pipe runs a program on lines of coordinate pairs and reads pairs back, NaN
// where it prints "*" or "inf".
func pipe(t *testing.T, in [][2]float64, name string, args ...string) [][2]float64 {
	t.Helper()
	var b bytes.Buffer
	for _, p := range in {
		fmt.Fprintf(&b, "%.14f %.14f\n", p[0], p[1])
	}
	cmd := exec.Command(name, args...)
	cmd.Stdin = &b
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %v: %v: %s", name, args, err, stderr.String())
	}
	var pairs [][2]float64
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		if len(f) < 2 {
			continue
		}
		var p [2]float64
		for i := range p {
			v, err := strconv.ParseFloat(f[i], 64)
			if err != nil || math.IsInf(v, 0) {
				v = math.NaN()
			}
			p[i] = v
		}
		pairs = append(pairs, p)
	}
	if len(pairs) != len(in) {
		t.Fatalf("%s %v: %d answers to %d points: %s", name, args, len(pairs), len(in), out)
	}
	return pairs
}

// samplePoints surrounds where a projection is used, or where it is hard.
func samplePoints(d definition) [][2]float64 {
	lat := d.par.Lat0
	switch d.method {
	case projection.LambertConformal2SP, projection.Albers, projection.PolarStereographicB:
		lat = d.par.SP1
	case projection.TransverseMercator:
		if lat == 0 {
			lat = 40
			if d.par.FN > 0 {
				lat = -40
			}
		}
	}
	var points [][2]float64
	lats, lons := []float64{-11.5, -3, 0.25, 6}, []float64{-8, -1.2, 0.4, 3, 20}
	switch d.method {
	case projection.HotineB, projection.Laborde, projection.NewZealandMapGrid, projection.Cassini, projection.CassiniHyperbolic, projection.Guam, projection.ColombiaUrban, projection.NearConformal:
		// Made for one country; PROJ takes another formula for some.
		lats, lons = []float64{-4, -1.5, 0.25, 3}, []float64{-3, -1.2, 0.4, 3}
	}
	for _, dlat := range lats {
		for _, dlon := range lons {
			phi := lat + dlat
			if math.Abs(phi) > 89.9 {
				phi = math.Copysign(89.5-math.Abs(dlat), phi)
			}
			points = append(points, [2]float64{wrap(d.par.Lon0 + d.base.pm + dlon), phi})
		}
	}
	return points
}

// TestPROJ compares coordinates with those of PROJ's cs2cs, between a code and
// its own geographic base so that no datum shift takes part.
func TestPROJ(t *testing.T) {
	cs2cs := reference.Program(t, "cs2cs")
	const tolerance = 0.01 // metres
	seen := map[projection.Method]int{}
	var worst, worstBack float64
	compared := 0
	for _, code := range codes(epsg.Projected) {
		c, err := FromEPSG(code)
		if err != nil {
			continue
		}
		// The dataset gives the ratio of San Francisco's grid in ppm, and PROJ
		// believes it.
		if c.EPSG() == 6996 || c.EPSG() == 6997 {
			continue
		}
		seen[c.def.method]++
		// Rare methods are compared in full.
		if n := seen[c.def.method]; n > 3 && n%*every != 0 {
			continue
		}
		compared++
		points := samplePoints(c.def)
		in := make([][2]float64, len(points))
		for i, p := range points {
			in[i] = [2]float64{p[1], wrap(p[0] - c.def.base.pm)}
		}
		from, to := fmt.Sprintf("EPSG:%d", c.def.base.code), fmt.Sprintf("EPSG:%d", c.EPSG())
		if strings.Contains(c.def.base.name, "(lon-lat)") {
			in = points
		}
		want := pipe(t, in, cs2cs, "-f", "%.7f", from, to)
		// Some systems put northing first; the order is one for all points.
		swapped := false
		if x, y := c.forward(points[0][0], points[0][1]); math.Abs(x-want[0][0]) > 1 || math.Abs(y-want[0][1]) > 1 {
			swapped = true
		}
		for i, p := range points {
			wx, wy := want[i][0], want[i][1]
			if swapped {
				wx, wy = wy, wx
			}
			x, y := c.forward(p[0], p[1])
			d := math.Hypot(x-wx, y-wy) * c.MetresPerUnit()
			if math.IsNaN(wx) && math.IsNaN(wy) && (c.def.method == projection.NearConformal || math.Abs(p[0]-c.lon0) > 7 || math.Abs(p[1]-c.probeLatitude()) > 10) {
				continue // PROJ has a narrower domain
			}
			if !(d <= tolerance) {
				t.Errorf("%s: forward %v: got %.4f %.4f, want %.4f %.4f", c.def.label(), p, x, y, wx, wy)
				break
			}
			worst = max(worst, d)
			own := *c // without the step to WGS84
			own.shift = nil
			lon, lat := own.Inverse(wx, wy)
			d = math.Hypot(math.Remainder(lon-p[0], 360)*math.Cos(p[1]*rad), lat-p[1]) * 111320
			if !(d <= tolerance) {
				t.Errorf("%s: inverse of %.4f %.4f: got %.9f %.9f, want %v", c.def.label(), wx, wy, lon, lat, p)
				break
			}
			worstBack = max(worstBack, d)
		}
	}
	if len(seen) < 9 || compared < 80 {
		t.Errorf("compared %d codes of methods %v only", compared, seen)
	}
	t.Logf("%d codes (%v), largest difference %.2e m forward, %.2e m back", compared, seen, worst, worstBack)
}
