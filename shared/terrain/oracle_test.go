package terrain

import (
	"math"
	"path/filepath"
	"testing"

	"github.com/cyverse-gis/eemt/integration/oracle"
	"github.com/cyverse-gis/eemt/integration/reference"
	"github.com/cyverse-gis/eemt/shared/energy"
	"github.com/cyverse-gis/eemt/shared/raster"
)

// GRASS r.slope.aspect is Horn too; its aspect counts degrees counter-clockwise
// from east, 0 where flat, its cells hold float32.
func TestSlopeAspectMatchesGRASS(t *testing.T) {
	shared := reference.Data(t)
	for _, c := range []struct {
		dem, slope, aspect string
		size               float64
		edges              Edges
	}{
		{"data/mcn_10m/mcn_10m.tif", "oracle/mcn_10m/slope.tif", "oracle/mcn_10m/aspect.tif", 10, EdgesNoData},
		{"oracle/mcn_crop200/dem.tif", "oracle/mcn_crop200/slope_e.tif", "oracle/mcn_crop200/aspect_e.tif", 10, EdgesReplicate},
	} {
		t.Run(c.slope, func(t *testing.T) {
			dem := oracle.Open(t, filepath.Join(shared, c.dem)).Grid
			wantSlope := oracle.Open(t, filepath.Join(shared, c.slope)).Grid
			wantAspect := oracle.Open(t, filepath.Join(shared, c.aspect)).Grid
			slope, aspect := SlopeAspect(dem, raster.UniformCellSize(dem.Height, c.size, c.size), c.edges)
			var worst, worstAspect float64
			valid := 0
			for i := range dem.Cells {
				s, w := slope.Cells[i]/deg, wantSlope.Cells[i]
				if math.IsNaN(s) != math.IsNaN(w) {
					t.Fatalf("cell %d: slope %g, GRASS %g", i, s, w)
				}
				if math.IsNaN(s) {
					continue
				}
				valid++
				worst = math.Max(worst, math.Abs(s-w))
				if wantAspect.Cells[i] == 0 || math.IsNaN(aspect.Cells[i]) {
					if s > 1e-4 {
						t.Errorf("cell %d: aspect %g, GRASS %g at slope %g", i, aspect.Cells[i], wantAspect.Cells[i], s)
					}
					continue
				}
				d := azimuthDistance(aspect.Cells[i], math.Mod(450-wantAspect.Cells[i], 360)*deg) / deg
				// On nearly level ground the direction is as uncertain as the gradient.
				worstAspect = math.Max(worstAspect, d*math.Min(1, s))
			}
			t.Logf("%d cells: slope within %.1e deg, aspect within %.1e deg", valid, worst, worstAspect)
			if valid == 0 || worst > 1e-4 || worstAspect > 1e-4 {
				t.Errorf("slope off by %g deg, aspect by %g deg, want 1e-4", worst, worstAspect)
			}
		})
	}
}

// SAGA takes slope, the direction of its D-infinity too, from central
// differences (Zevenbergen & Thorne), does not fill depressions first. On this
// rough DEM, one cell in seven of which lies in a depression, slope and single
// areas only correlate with ours: the exact tests of the facets are elsewhere.
func TestTerrainResemblesSAGA(t *testing.T) {
	shared := reference.Data(t)
	dem := oracle.Open(t, filepath.Join(shared, "data/mcn_10m/mcn_10m.tif")).Grid
	saga := filepath.Join(shared, "oracle/mcn_10m_twi_saga")
	cell := raster.UniformCellSize(dem.Height, 10, 10)
	slope, _ := SlopeAspect(dem, cell, EdgesNoData)
	area, left := ContributingArea(FillDepressions(dem), cell)
	valid := 0
	for _, z := range dem.Cells {
		if !math.IsNaN(z) {
			valid++
		}
	}
	if want := 100 * float64(valid); math.Abs(left-want) > 1e-9*want {
		t.Errorf("%g m2 leave, the domain has %g", left, want)
	}
	for _, c := range []struct {
		name  string
		ours  *raster.Grid[float64]
		file  string
		scale func(float64) float64
		least float64
	}{
		{"slope", slope, "saga_slope_rad.tif", func(v float64) float64 { return v }, 0.85},
		{"log area", area, "saga_catchment_area_dinf.tif", math.Log, 0.35},
	} {
		theirs := oracle.Open(t, filepath.Join(saga, c.file)).Grid
		r, n := correlation(c.ours.Cells, theirs.Cells, c.scale)
		t.Logf("%s: r = %.4f over %d cells", c.name, r, n)
		if !(r > c.least) {
			t.Errorf("%s: r = %.4f, want above %g", c.name, r, c.least)
		}
	}
	wet, floored := Wetness(area, slope, cell)
	mean, n := meanWetness(wet, cell, nil)
	low, high := math.Inf(1), 0.0
	for _, w := range wet.Cells {
		if !math.IsNaN(float64(w)) {
			a := energy.MCWI(float64(w), mean)
			low, high = math.Min(low, a), math.Max(high, a)
		}
	}
	// R15 fig. 3c has 0.4 to 3.4 on another 10 m DEM.
	t.Logf("mean wetness %.3f over %d cells, %d floored; MCWI %.2f to %.2f", mean, n, floored, low, high)
	if floored != 0 || low < 0.1 || high > 4.5 {
		t.Errorf("MCWI %.2f to %.2f, %d cells floored", low, high, floored)
	}
}

func correlation(a, b []float64, scale func(float64) float64) (r float64, n int) {
	var sa, sb, saa, sbb, sab float64
	for i := range a {
		x, y := scale(a[i]), scale(b[i])
		if v := x + y; v-v != 0 {
			continue
		}
		n++
		sa, sb, saa, sbb, sab = sa+x, sb+y, saa+x*x, sbb+y*y, sab+x*y
	}
	k := float64(n)
	return (sab - sa*sb/k) / math.Sqrt((saa-sa*sa/k)*(sbb-sb*sb/k)), n
}
