package solar

import (
	"encoding/csv"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	refdata "github.com/cyverse-gis/eemt/integration/reference"
	"github.com/cyverse-gis/eemt/shared/solar/clearsky"
	"github.com/cyverse-gis/eemt/shared/solar/sun"
)

// csvRows reads the rows of a CSV file of the reference data as maps by column.
func csvRows(t *testing.T, name string) []map[string]string {
	t.Helper()
	f, err := os.Open(filepath.Join(refdata.Data(t), "science", name))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	r := csv.NewReader(f)
	r.Comment, r.FieldsPerRecord = '#', -1
	rows, err := r.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var out []map[string]string
	for _, row := range rows[1:] {
		m := map[string]string{}
		for i, v := range row {
			if i < len(rows[0]) {
				m[rows[0][i]] = v
			}
		}
		out = append(out, m)
	}
	return out
}

func number(t *testing.T, s string) float64 {
	t.Helper()
	v, err := strconv.ParseFloat(s, 64)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

const deg = math.Pi / 180

// near fails unless got is within tol of want, relative to want.
func near(t *testing.T, what string, got, want, tol float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tol*math.Abs(want)) {
		t.Errorf("%s: got %.9g, want %.9g (%.2g relative, allowed %.0e)", what, got, want, got/want-1, tol)
	}
}

// Rows of r.sun 8.2.1 -p over uniform planes (rsun_planes.csv). R29 holds the
// value of the right arctangent branch instead (docs/science.md).
func TestPlaneDayMatchesRSun(t *testing.T) {
	for _, c := range []struct {
		id                                                 string
		lat, z, slope, aspectEast                          float64
		day                                                int
		step, linke, albedo                                float64
		beam, diffuse, reflected, global, hours, tolerance float64
	}{
		{"flat winter", 32.434, 2500, 0, 270, 1, 0.25, 3.0, 0.2, 3153.995, 731.4613, 0, 3885.456, 10, 1e-5},
		{"flat summer", 32.434, 2500, 0, 270, 172, 0.25, 3.0, 0.2, 8284.658, 1200.711, 0, 9485.369, 14, 1e-5},
		{"south slope", 32.434, 800, 20, 270, 15, 0.25, 3.0, 0.2, 4732.425, 980.6519, 23.71054, 5736.788, 10, 1e-5},
		{"3 minutes", 32.434, 800, 25, 180, 105, 0.05, 3.0, 0.2, 6344.59, 1124.07, 71.73185, 7540.393, 10.85, 1e-5},
		{"clear air", 35.8, 2900, 30, 360, 200, 0.1, 1.9, 0.2, 8377.399, 715.2192, 124.1156, 9216.734, 11.6, 1e-5},
		{"turbid air", 40.0, 1600, 45, 270, 355, 0.05, 8.0, 0.3, 1756.682, 1519.903, 89.6948, 3366.28, 9.2, 1e-5},
		{"65 north", 65.0, 200, 15, 270, 172, 0.25, 2.0, 0.2, 8510.875, 957.5991, 30.2608, 9498.735, 16, 1e-5},
		{"equator", 0.0, 0, 20, 90, 80, 0.25, 4.0, 0.2, 5803.646, 1441.368, 46.10757, 7291.122, 12, 1e-5},
		{"south of the equator", -33.5, 300, 20, 90, 355, 0.25, 3.0, 0.2, 7697.182, 1226.542, 57.27929, 8981.004, 13, 1e-5},
		{"midnight sun", 70.0, 100, 0, 270, 172, 0.5, 3.0, 0.2, 6743.025, 1621.67, 0, 8364.695, 24, 1e-5},
		{"steep pole-facing slope", 32.434, 2500, 60, 90, 172, 0.25, 3.0, 0.2, math.NaN(), math.NaN(), math.NaN(), 5854.45, math.NaN(), 1e-5},
	} {
		t.Run(c.id, func(t *testing.T) {
			p := DefaultParameters()
			p.StepMinutes = c.step * 60
			p.Linke, p.Albedo = constant(c.linke), constant(c.albedo)
			beam, diffuse, reflected, global, hours := PlaneDay(c.lat*deg, c.z, c.slope*deg, math.Mod(450-c.aspectEast, 360)*deg, c.day, p)
			for _, v := range []struct {
				name      string
				got, want float64
			}{{"beam", beam, c.beam}, {"diffuse", diffuse, c.diffuse}, {"reflected", reflected, c.reflected}, {"global", global, c.global}, {"hours", hours, c.hours}} {
				if !math.IsNaN(v.want) {
					near(t, v.name, v.got, v.want, c.tolerance)
				}
			}
		})
	}
}

func constant(v float64) (a [12]float64) {
	for m := range a {
		a[m] = v
	}
	return a
}

func TestPlaneDayMatchesEveryPlaneOfRSun(t *testing.T) {
	for _, r := range csvRows(t, "rsun_planes.csv") {
		if r["id"] == "R29" {
			continue
		}
		p := DefaultParameters()
		p.StepMinutes = number(t, r["step_h"]) * 60
		p.Linke, p.Albedo = constant(number(t, r["linke"])), constant(number(t, r["albedo"]))
		beam, diffuse, reflected, global, hours := PlaneDay(number(t, r["lat"])*deg, number(t, r["z_m"]), number(t, r["slope_deg"])*deg,
			math.Mod(450-number(t, r["aspect_deg_ccwE"]), 360)*deg, int(number(t, r["day"])), p)
		near(t, r["id"]+" beam", beam, number(t, r["beam"]), 1e-5)
		near(t, r["id"]+" diffuse", diffuse, number(t, r["diffuse"]), 1e-5)
		near(t, r["id"]+" reflected", reflected, number(t, r["reflected"]), 1e-5)
		near(t, r["id"]+" global", global, number(t, r["global"]), 1e-5)
		near(t, r["id"]+" hours", hours, number(t, r["insol_h"]), 1e-9)
	}
}

func TestPlaneDayMatchesRSunOnRealTerrain(t *testing.T) {
	p := DefaultParameters()
	for _, r := range csvRows(t, "rsun_points_mcn10m.csv") {
		for day, column := range map[int]string{15: "glob_d015_unshaded", 172: "glob_d172_unshaded"} {
			_, _, _, global, _ := PlaneDay(number(t, r["lat"])*deg, number(t, r["z_m"]), number(t, r["slope_deg_grass"])*deg,
				math.Mod(450-number(t, r["aspect_deg_ccwE_grass"]), 360)*deg, day, p)
			near(t, "row "+r["row0"]+" column "+r["col0"]+" "+column, global, number(t, r[column]), 1e-5)
		}
	}
}

// The worked example of docs/science.md: 32.43 N, 2400 m, slope 20 deg facing 340 deg.
func TestWorkedExampleYear(t *testing.T) {
	p := DefaultParameters()
	lengths := sun.MeanDayLength(32.43 * deg)
	for m, w := range []struct{ topo, flat, hours, length float64 }{
		{65853.063, 131084.8, 8.3225806, 10.1474},
	} {
		var topo, flat, hours float64
		first, last := sun.DaysOf(m)
		for day := first; day <= last; day++ {
			_, _, _, g, h := PlaneDay(32.43*deg, 2400, 20*deg, 340*deg, day, p)
			_, _, _, f, _ := PlaneDay(32.43*deg, 2400, 0, 0, day, p)
			topo, flat, hours = topo+g, flat+f, hours+h
		}
		near(t, "S_topo", topo, w.topo, 1e-6)
		near(t, "S_flat", flat, w.flat, 1e-6)
		near(t, "insolation", hours/float64(last-first+1), w.hours, 1e-6)
		near(t, "daylength", lengths[m], w.length, 1e-5)
	}
	for m, r := range csvRows(t, "worked_example.csv")[:12] {
		var topo, flat, hours float64
		first, last := sun.DaysOf(m)
		for day := first; day <= last; day++ {
			_, _, _, g, h := PlaneDay(32.43*deg, 2400, 20*deg, 340*deg, day, p)
			_, _, _, f, _ := PlaneDay(32.43*deg, 2400, 0, 0, day, p)
			topo, flat, hours = topo+g, flat+f, hours+h
		}
		near(t, "S_topo", topo, number(t, r["S_topo_Wh"]), 1e-6)
		near(t, "S_flat", flat, number(t, r["S_flat_Wh"]), 1e-6)
		near(t, "insolation", hours/float64(last-first+1), number(t, r["insol_h_mean"]), 1e-6)
		near(t, "daylength", lengths[m], number(t, r["daylength_h"]), 1e-6)
	}
}

// PlaneDay returns the radiation of an unshaded plane on day number 1..366, in
// Wh m⁻² day⁻¹, with the hours it is lit: latitude and slope in radians,
// elevation z in metres, aspect in radians clockwise from true north (NaN for
// none). p must be valid; its shadow settings have no effect.
func PlaneDay(latitude, z, slope, aspect float64, day int, p Parameters) (beam, diffuse, reflected, global, hours float64) {
	t := planeDay(sun.NewSite(latitude), clearsky.Pressure(z), clearsky.NewPlane(slope, aspect), day, p.air(sun.MonthOf(day)), &p, nil)
	return t.beam, t.diffuse, t.reflected, t.global(), t.hours
}
