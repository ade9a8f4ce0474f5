package compute_test

import (
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/cyverse-gis/eemt/functions/compute/workfile"

	"github.com/cyverse-gis/eemt/functions/compute/record"
	"github.com/cyverse-gis/eemt/integration/reference"
	"github.com/cyverse-gis/eemt/shared/dem/demtest"
	"github.com/cyverse-gis/eemt/shared/param"
	"github.com/cyverse-gis/eemt/shared/raster"
)

// small makes DEMs of a hundred cells a side look large.
var small = workfile.Reach{Whole: 1000, Block: 32, Near: 32, Factor: 1}

// valley is a rough plain with mountains to the east.
func valley(width, height int) *raster.Grid[float64] {
	g := demtest.Hills(width, height)
	for i := range g.Cells {
		x, y := float64(i%width), float64(i/width)
		g.Cells[i] = 1000 + (g.Cells[i]-2400)/4 +
			900*math.Exp(-(x-95)*(x-95)/200)*(1+0.3*math.Sin(y/5))
	}
	return g
}

func TestFarTerrainReplacesTheWholeDEM(t *testing.T) {
	for _, c := range []struct {
		name string
		at   raster.Transform
		keys raster.GeoKeys
	}{
		{"metres", demtest.Transform(), demtest.UTM()},
		{"degrees", raster.Transform{OriginX: 10.7, OriginY: 46.9, StepX: 1.0 / 2400, StepY: -1.0 / 3600}, raster.GeoKeys{Shorts: map[uint16]uint16{1024: 2, 1025: 1, 2048: 4326}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			tiff := demtest.EncodeAs(t, demtest.Holes(valley(104, 48)), c.at, c.keys)
			p := quick(param.Sol)
			p.Step = 60
			whole := run(t, param.Sol, p, tiff, options{threads: 2})
			want := maps(t, whole.results(t))

			cut := run(t, param.Sol, p, tiff, options{threads: 2, reach: small})
			plan, err := record.ReadPlan(t.Context(), cut.store, jobID)
			if err != nil || plan.Far == nil || len(plan.Tiles) != 1 || plan.Halo != 32 || len(plan.Far.Factors) != 2 {
				t.Fatalf("plan %+v (%v): want a tile of 8 blocks, a halo of 32 cells, 2 rings", plan, err)
			}
			got := maps(t, cut.results(t))
			for _, l := range []struct {
				name       string
				rms, worst float64 // allowed; a cell that the low sun just grazes may gain or lose a sample every day
			}{
				{"global/annual/total_sun_sum.tif", 0.001, 0.02},
				{"insol/annual/hours_sun_sum.tif", 0.003, 0.03},
				{"global/monthly/total_sun_jun_sum.tif", 0.002, 0.05},
			} {
				rms, worst := deviation(got[l.name], want[l.name])
				t.Logf("%s: RMS %.4f, worst %.4f of the mean", l.name, rms, worst)
				if rms > l.rms || worst > l.worst {
					t.Errorf("%s: RMS %.4f, worst %.4f of the mean; allowed %g, %g", l.name, rms, worst, l.rms, l.worst)
				}
			}

			if c.name == "degrees" {
				return
			}

			// Without the rings the ridges would be missed.
			blind := newWorld(t, newBucket(t), options{threads: 2, reach: small})
			blind.submit(t, param.Sol, p, tiff)
			blind.replan(t, 32)
			plan.Far.Factors = nil
			blind.setPlan(t, plan)
			blind.settle(t)
			blind.mustComplete(t)
			if rms, _ := deviation(maps(t, blind.results(t))["insol/annual/hours_sun_sum.tif"], want["insol/annual/hours_sun_sum.tif"]); rms < 0.015 {
				t.Errorf("without rings hours differ by %.4f RMS: too little to tell that rings do anything", rms)
			}

			// However tiles are cut within blocks, the numbers are the same.
			many := newWorld(t, newBucket(t), options{threads: 1, reach: small})
			many.submit(t, param.Sol, p, tiff)
			many.replan(t, 16)
			many.settle(t)
			many.mustComplete(t)
			again := maps(t, many.results(t))
			for name := range got {
				closeTo(t, name, again[name], got[name], 1e-6)
			}
		})
	}
}

// deviation is the root mean square and the greatest difference, over the mean.
func deviation(got, want *raster.Grid[float64]) (rms, worst float64) {
	var square, mean float64
	n := 0
	for i, w := range want.Cells {
		if math.IsNaN(w) {
			continue
		}
		e := got.Cells[i] - w
		square, mean, worst = square+e*e, mean+w, max(worst, math.Abs(e))
		n++
	}
	mean /= float64(n)
	return math.Sqrt(square/float64(n)) / mean, worst / mean
}

// A DEM that the halo covers anyway is read whole, whatever the limit.
func TestSmallDEMsHaveNoFarTerrain(t *testing.T) {
	tiff := hills(t)
	p := quick(param.Sol)
	want := calm(t, param.Sol, p, tiff)
	w := run(t, param.Sol, p, tiff, options{reach: workfile.Reach{Whole: 10, Block: 8, Near: 16, Factor: 2}})
	if plan, err := record.ReadPlan(t.Context(), w.store, jobID); err != nil || plan.Far != nil {
		t.Errorf("plan has rings %+v (%v)", plan.Far, err)
	}
	sameBytes(t, w.results(t), want)
}

// Real mountains in blocks of 64 cells, with rings of 1/128 of the distance (the
// defaults have 1/256), against every tile reading the whole DEM.
func TestFarTerrainOnRealMountains(t *testing.T) {
	if os.Getenv("EEMT_SLOW") == "" {
		t.Skip("a large DEM: set EEMT_SLOW=1")
	}
	tiff, err := os.ReadFile(filepath.Join(reference.Data(t), "data", "oetztal", "srtm_oetztal.tif"))
	if err != nil {
		t.Fatal(err)
	}
	p := quick(param.Sol)
	p.Step = 15
	want := maps(t, calm(t, param.Sol, p, tiff))
	cut := run(t, param.Sol, p, tiff, options{threads: 2, reach: workfile.Reach{Whole: 1000, Block: 64, Near: 128, Factor: 1}})
	plan, err := record.ReadPlan(t.Context(), cut.store, jobID)
	if err != nil || plan.Far == nil {
		t.Fatalf("no rings (%v)", err)
	}
	got := maps(t, cut.results(t))
	for name, most := range map[string]float64{"global/annual/total_sun_sum.tif": 5e-4, "global/monthly/total_sun_dec_sum.tif": 4e-3, "insol/annual/hours_sun_sum.tif": 2e-3} {
		rms, worst := deviation(got[name], want[name])
		t.Logf("%s: RMS %.6f, worst %.4f of the mean", name, rms, worst)
		if rms > most {
			t.Errorf("%s: RMS %.6f of the mean, allowed %g", name, rms, most)
		}
	}
}
