package solar

import (
	"context"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/cyverse-gis/eemt/integration/oracle"
	"github.com/cyverse-gis/eemt/shared/crs"
	"github.com/cyverse-gis/eemt/shared/raster"
)

// grassAspect turns degrees counter-clockwise from east into radians clockwise
// from north; 0, which means flat, into NaN.
func grassAspect(a float64) float64 {
	if a == 0 {
		return math.NaN()
	}
	return math.Mod(450-a, 360) * deg
}

// oracleSurface is the terrain of the reference data with the slopes given there.
func oracleSurface(t testing.TB, dem, slope, aspect string) Surface {
	t.Helper()
	d, g, a := oracle.Read(t, "oracle/"+dem), oracle.Read(t, "oracle/"+slope), oracle.Read(t, "oracle/"+aspect)
	for i := range g.Cells {
		g.Cells[i] *= deg
		a.Cells[i] = grassAspect(a.Cells[i])
	}
	return placed(t, d, g.Grid, a.Grid)
}

// placed puts a grid of the reference data on the Earth, with grid north as true north.
func placed(t testing.TB, d oracle.Raster, slope, aspect *raster.Grid[float64]) Surface {
	t.Helper()
	utm, err := crs.FromEPSG(32613) // latitudes are the same in every zone
	if err != nil {
		t.Fatal(err)
	}
	s := Surface{DEM: d.Grid, Core: d.Bounds(), Slope: slope, Aspect: aspect, Latitude: make([]float64, len(d.Cells))}
	dx, dy := make([]float64, d.Height), make([]float64, d.Height)
	for i := range d.Cells {
		x, y := d.Transform.Center(i%d.Width, i/d.Width)
		dx[i/d.Width], dy[i/d.Width] = d.Transform.StepX, -d.Transform.StepY
		if d.Transform.StepX < 0.01 {
			s.Latitude[i] = y * deg
			dx[i/d.Width] *= deg * 6378137 * math.Cos(y*deg)
			dy[i/d.Width] *= deg * 6378137
		} else {
			_, s.Latitude[i] = utm.Inverse(x, y)
			s.Latitude[i] *= deg
		}
	}
	s.Cell = raster.CellSize{DX: dx, DY: dy}
	return s
}

// oneDay runs an engine for a single day.
func oneDay(t testing.TB, e Engine, s Surface, p Parameters, day int) *Daily {
	t.Helper()
	var out *Daily
	err := e.Days(context.Background(), s, p, []int{day}, 2, func(_ int, d *Daily) error { out = d; return nil })
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// differences compares got with the reference where both have data and keep is not 0.
type differences struct {
	cells, unequal int
	worst, rmse    float64 // worst relative to want, root mean square relative to its mean
	bias, wantMean float64 // bias relative to the mean
}

func compare(got []float32, want, leaveOut []float64, equal float64) differences {
	var d differences
	var sum, square float64
	for i, w := range want {
		g := float64(got[i])
		if math.IsNaN(w) || math.IsNaN(g) || (leaveOut != nil && leaveOut[i] == 1) {
			continue
		}
		d.cells++
		e := g - w
		if math.Abs(e) > equal {
			d.unequal++
		}
		if math.Abs(w) > 0 {
			d.worst = max(d.worst, math.Abs(e)/math.Abs(w))
		}
		sum += e
		square += e * e
		d.wantMean += w
	}
	n := float64(d.cells)
	d.wantMean /= n
	if d.wantMean != 0 {
		d.bias, d.rmse = sum/n/d.wantMean, math.Sqrt(square/n)/d.wantMean
	} else if square > 0 {
		d.rmse = math.Inf(1)
	}
	return d
}

func (d differences) String() string {
	return fmt.Sprintf("%d cells, %d unequal, worst %.2g, RMSE %.3g %%, bias %.3g %%", d.cells, d.unequal, d.worst, 100*d.rmse, 100*d.bias)
}

// r.sun -p on the example DEM, Float32 outputs: 1e-4.
func TestReferenceUnshadedMatchesRSun(t *testing.T) {
	if testing.Short() {
		t.Skip("takes long")
	}
	for _, c := range []struct {
		folder, dem, slope, aspect, mask, prefix, outputs string
		days                                              []int
	}{
		{"mcn_10m", "mcn_10m.tif", "mcn_10m/slope.tif", "mcn_10m/aspect.tif", "mcn_10m/polar_quirk_mask.tif", "mcn_10m/", "glob insol", []int{1, 80, 172, 266}},
		{"degrees", "mcn_ll/dem.tif", "mcn_ll/slope.tif", "mcn_ll/aspect.tif", "mcn_ll/polar_quirk_mask.tif", "mcn_ll/", "glob beam diff refl insol", []int{80, 355}},
		{"equator", "synthetic/lat00_blocks_dem.tif", "synthetic/lat00_blocks_slope.tif", "synthetic/lat00_blocks_aspect.tif", "synthetic/lat00_blocks_polar_quirk_mask.tif", "synthetic/lat00_blocks_", "glob insol", []int{80, 172, 355}},
		{"35 north", "synthetic/lat35_blocks_dem.tif", "synthetic/lat35_blocks_slope.tif", "synthetic/lat35_blocks_aspect.tif", "synthetic/lat35_blocks_polar_quirk_mask.tif", "synthetic/lat35_blocks_", "glob insol", []int{80, 172, 355}},
		{"65 north", "synthetic/lat65_blocks_dem.tif", "synthetic/lat65_blocks_slope.tif", "synthetic/lat65_blocks_aspect.tif", "synthetic/lat65_blocks_polar_quirk_mask.tif", "synthetic/lat65_blocks_", "glob insol", []int{80, 172, 355}},
	} {
		t.Run(c.folder, func(t *testing.T) {
			s := oracleSurface(t, c.dem, c.slope, c.aspect)
			mask := oracle.Read(t, "oracle/"+c.mask)
			p := DefaultParameters()
			p.Shadows = false
			for _, day := range c.days {
				d := oneDay(t, Reference(), s, p, day)
				for _, output := range strings.Fields(c.outputs) {
					want := oracle.Read(t, "oracle/"+fmt.Sprintf("%sd%03d_noshade_%s.tif", c.prefix, day, output))
					got := compare(output32(d, output), want.Cells, mask.Cells, 1e-6)
					t.Logf("day %d %s: %v", day, output, got)
					switch {
					case output == "insol" && got.unequal > 3:
						t.Errorf("day %d: insolation differs in %d cells", day, got.unequal)
					case output == "glob" && got.worst > 1e-4:
						t.Errorf("day %d: global differs by %.2g", day, got.worst)
					}
				}
			}
		})
	}
}

func output32(d *Daily, name string) []float32 {
	switch name {
	case "glob":
		return d.Global.Cells
	case "beam":
		return d.Beam.Cells
	case "diff":
		return d.Diffuse.Cells
	case "refl":
		return d.Reflected.Cells
	case "flat":
		return d.Flat.Cells
	}
	return d.Hours.Cells
}

func TestReferenceFlatMatchesRSun(t *testing.T) {
	if testing.Short() {
		t.Skip("takes long")
	}
	s := oracleSurface(t, "mcn_10m.tif", "mcn_10m/slope.tif", "mcn_10m/aspect.tif")
	p := DefaultParameters()
	p.Shadows = false
	for _, day := range []int{1, 80, 172, 266} {
		want := oracle.Read(t, "oracle/"+fmt.Sprintf("mcn_10m/d%03d_flat_glob.tif", day))
		got := compare(oneDay(t, Reference(), s, p, day).Flat.Cells, want.Cells, nil, 1e-6)
		t.Logf("day %d: %v", day, got)
		if got.worst > 1e-4 {
			t.Errorf("day %d: flat global differs by %.2g", day, got.worst)
		}
	}
}

// The nearest-cell ray march gives r.sun's insolation time exactly, ties aside (oracle README, behaviour 1).
func TestReferenceShadedMatchesRSun(t *testing.T) {
	if testing.Short() {
		t.Skip("takes long")
	}
	s := oracleSurface(t, "mcn_crop200/dem.tif", "mcn_crop200/slope_e.tif", "mcn_crop200/aspect_e.tif")
	mask := oracle.Read(t, "oracle/mcn_crop200/polar_quirk_mask_e.tif")
	for _, c := range []struct{ day, ties int }{{1, 3}, {80, 0}, {172, 0}, {266, 0}} {
		d := oneDay(t, Reference(), s, DefaultParameters(), c.day)
		insol := oracle.Read(t, "oracle/"+fmt.Sprintf("mcn_crop200/d%03d_cleanshade_insol.tif", c.day))
		glob := oracle.Read(t, "oracle/"+fmt.Sprintf("mcn_crop200/d%03d_cleanshade_glob.tif", c.day))
		hours := compare(d.Hours.Cells, insol.Cells, mask.Cells, 1e-6)
		global := compare(d.Global.Cells, glob.Cells, mask.Cells, 1)
		t.Logf("day %d hours: %v", c.day, hours)
		t.Logf("day %d global: %v", c.day, global)
		if hours.unequal > c.ties {
			t.Errorf("day %d: insolation differs in %d cells, allowed %d", c.day, hours.unequal, c.ties)
		}
		if global.unequal > c.ties {
			t.Errorf("day %d: global differs by more than 1 Wh in %d cells, allowed %d", c.day, global.unequal, c.ties)
		}
	}
}

// A wall on flat ground: cast shadows alone.
func TestReferenceWallMatchesRSun(t *testing.T) {
	if testing.Short() {
		t.Skip("takes long")
	}
	for _, lat := range []string{"lat00", "lat35", "lat65"} {
		dem := oracle.Read(t, "oracle/synthetic/"+lat+"_wall_dem.tif")
		s := placed(t, dem, raster.New[float64](dem.Width, dem.Height), raster.New[float64](dem.Width, dem.Height))
		for _, day := range []int{80, 172, 355} {
			d := oneDay(t, Reference(), s, DefaultParameters(), day)
			want := oracle.Read(t, "oracle/"+fmt.Sprintf("synthetic/%s_wall_d%03d_shade_insol.tif", lat, day))
			hours := compare(d.Hours.Cells, want.Cells, nil, 1e-6)
			glob := oracle.Read(t, "oracle/"+fmt.Sprintf("synthetic/%s_wall_d%03d_shade_glob.tif", lat, day))
			global := compare(d.Global.Cells, glob.Cells, nil, 1)
			t.Logf("%s day %d hours: %v; global: %v", lat, day, hours, global)
			if hours.unequal > 2 || global.unequal > 2 {
				t.Errorf("%s day %d: %d cells differ in hours, %d in global, allowed 2 (ties)", lat, day, hours.unequal, global.unequal)
			}
		}
	}
}
