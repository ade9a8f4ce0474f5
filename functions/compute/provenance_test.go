package compute_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/cyverse-gis/eemt/functions/compute/workfile"

	"github.com/cyverse-gis/eemt/functions/compute/record"
	"github.com/cyverse-gis/eemt/integration/faultbucket"
	"github.com/cyverse-gis/eemt/shared/dem/demtest"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/param"
	"github.com/cyverse-gis/eemt/shared/raster"
)

func sumOf(data []byte) string {
	h := sha256.Sum256(data)
	return hex.EncodeToString(h[:])
}

// checkChecksums holds those of the report against the maps that are there.
func checkChecksums(t *testing.T, w *world) {
	t.Helper()
	results := w.results(t)
	left := 0
	for name := range results {
		if strings.HasSuffix(name, ".tif") {
			left++
		}
	}
	for _, l := range readReport(t, w).Layers {
		left--
		if want := sumOf(results[l.Name]); l.SHA256 != want {
			t.Errorf("%s: the report has %q, the map %s", l.Name, l.SHA256, want)
		}
	}
	if left != 0 {
		t.Errorf("%d maps are not in the report", left)
	}
}

func TestReportHasChecksumsOfMaps(t *testing.T) {
	t.Run("by one process", func(t *testing.T) {
		// Maps are not read for it.
		var mu sync.Mutex
		read := map[string]int{}
		b := faultbucket.Wrap(newBucket(t), func(op, key string) error {
			mu.Lock()
			defer mu.Unlock()
			if op == faultbucket.Read && strings.Contains(key, "/results/") {
				read[key]++
			}
			return nil
		})
		w := newWorld(t, b, options{threads: 1})
		w.submit(t, param.Sol, quick(param.Sol), hills(t))
		w.settle(t)
		w.mustComplete(t)
		for key, n := range read {
			if n > 2 { // its tags, and its preview
				t.Errorf("%s is read %d times", key, n)
			}
		}
		checkChecksums(t, w)
	})
	t.Run("by tasks", func(t *testing.T) {
		w := newWorld(t, newBucket(t), options{within: always, threads: 2, concurrency: 3})
		w.submit(t, param.EEMT, twoYears(), hills(t))
		w.settle(t)
		w.mustComplete(t)
		checkChecksums(t, w)
	})
	t.Run("maps of a process that died", func(t *testing.T) {
		b := newBucket(t)
		committed := 0
		first := newWorld(t, faultbucket.Wrap(b, func(op, key string) error {
			if op == faultbucket.Commit && strings.Contains(key, "/results/") {
				if committed++; committed > 7 {
					return errors.New("no room")
				}
			}
			return nil
		}), options{threads: 1})
		first.submit(t, param.Sol, quick(param.Sol), hills(t))
		first.settle(t)
		first.die()
		if err := b.Delete(t.Context(), job.Prefix(jobID)+"end.json"); err != nil {
			t.Logf("no end to remove: %v", err)
		}
		second := newWorld(t, b, options{threads: 1})
		if _, err := second.cleanup.Resume(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
		second.settle(t)
		second.mustComplete(t)
		checkChecksums(t, second)
	})
	t.Run("notes are lost", func(t *testing.T) {
		w := newWorld(t, faultbucket.Wrap(newBucket(t), func(op, key string) error {
			if op == faultbucket.Commit && strings.Contains(key, "/checksums/") {
				return errors.New("no room")
			}
			return nil
		}), options{within: always})
		w.submit(t, param.Sol, quick(param.Sol), hills(t))
		w.settle(t)
		w.mustComplete(t)
		checkChecksums(t, w)
	})
}

func TestReportHasTheClearSkyIndexUsed(t *testing.T) {
	tiff := hills(t)
	p := quick(param.EEMT)
	if r := readReport(t, run(t, param.EEMT, p, tiff, options{})); r.ClearSky != nil || r.Energy.CloudFactor[0] != 1 {
		t.Errorf("clear sky: %+v, %v", r.ClearSky, r.Energy.CloudFactor)
	}
	p.KC = []float64{0.6}
	if r := readReport(t, run(t, param.EEMT, p, tiff, options{})); r.ClearSky == nil || r.ClearSky.From != "values" || r.ClearSky.Mean[11] != 0.6 || r.Energy.CloudFactor[3] != 0.6 {
		t.Errorf("0.6: %+v, %v", r.ClearSky, r.Energy.CloudFactor)
	}
	// The DEM lies at 39.0 N from 107.0 W on.
	half := func(m int, lon, _ float64) float64 {
		if m == 6 {
			return 0.5 + 0.01*math.Floor(lon)/-107
		}
		return 0.8
	}
	if err := p.SetInput("kc", "climate/kc.tif"); err != nil {
		t.Fatal(err)
	}
	w := runWith(t, param.Sol, p, tiff, map[string][]byte{"climate/kc.tif": degreeGrid(t, 12, half)})
	w.mustComplete(t)
	if c := readReport(t, w).ClearSky; c == nil || c.From != "raster" || math.Abs(c.Mean[0]-0.8) > 1e-6 || !(c.Minimum[6] >= 0.5 && c.Maximum[6] < 0.52 && c.Mean[6] >= c.Minimum[6] && c.Mean[6] <= c.Maximum[6]) {
		t.Errorf("raster: %+v", c)
	}

	// From climate: what was measured over what a clear sky gives, as the maps show it.
	p = quick(param.EEMT)
	p.Climate = "pixel:climate/pixel.csv"
	pixel := daymet(func(day int) float64 { return 150 + 100*math.Sin(float64(day-80)*math.Pi/182.5) })
	clear := runWith(t, param.EEMT, p, tiff, map[string][]byte{"climate/pixel.csv": pixel})
	clear.mustComplete(t)
	if err := p.SetInput("kc", "climate"); err != nil {
		t.Fatal(err)
	}
	w = runWith(t, param.EEMT, p, tiff, map[string][]byte{"climate/pixel.csv": pixel})
	w.mustComplete(t)
	r := readReport(t, w)
	c := r.ClearSky
	if c == nil || c.From != "climate" || r.Energy.CloudFactor != c.Mean {
		t.Fatalf("climate: %+v, energy has %v", c, r.Energy.CloudFactor)
	}
	before, after := maps(t, clear.results(t)), maps(t, w.results(t))
	for m, month := range []string{"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"} {
		name := "global/monthly/total_sun_" + month + "_sum.tif"
		var sum, low, high float64
		n := 0
		low, high = 2, 0
		for i, v := range after[name].Cells {
			if k := v / before[name].Cells[i]; k == k {
				sum, low, high = sum+k, min(low, k), max(high, k)
				n++
			}
		}
		if n == 0 || math.Abs(c.Mean[m]-sum/float64(n)) > 1e-5 || math.Abs(c.Minimum[m]-low) > 1e-5 || math.Abs(c.Maximum[m]-high) > 1e-5 {
			t.Errorf("%s: the report has %g, %g to %g; the maps %g, %g to %g", month, c.Mean[m], c.Minimum[m], c.Maximum[m], sum/float64(n), low, high)
		}
	}
	if slices.Min(c.Mean[:]) > 0.99 {
		t.Errorf("no month is clouded: %v", c.Mean)
	}
}

func TestReportHasChecksumsOfSources(t *testing.T) {
	p := quick(param.EEMT)
	albedo := degreeGrid(t, 1, constant(0.3))
	if err := p.SetInput("albedo-value", "climate/albedo.tif"); err != nil {
		t.Fatal(err)
	}
	w := runWith(t, param.EEMT, p, hills(t), map[string][]byte{"climate/albedo.tif": albedo})
	w.mustComplete(t)
	want := []record.Source{
		{Input: "albedo_value", File: "climate/albedo.tif", Bytes: int64(len(albedo)), SHA256: sumOf(albedo)},
		{Input: "climate", File: "inputs/station.csv", Bytes: int64(len(station)), SHA256: sumOf([]byte(station))},
	}
	if got := readReport(t, w).Sources; !slices.Equal(got, want) {
		t.Errorf("sources %+v, want %+v", got, want)
	}
}

// The report says how elevations were read.
func TestReportSaysHowElevationsWereRead(t *testing.T) {
	z := demtest.Holes(demtest.Hills(14, 11))
	feet := demtest.EncodeAs(t, z, raster.Transform{OriginX: 500000, OriginY: 4316000, StepX: 30, StepY: -30}, raster.GeoKeys{Shorts: map[uint16]uint16{1024: 1, 1025: 1, 3072: 32613, 4099: 9003}})
	r := readReport(t, run(t, param.Sol, quick(param.Sol), feet, options{}))
	if math.Abs(r.DEM.Vertical-0.3048006096) > 1e-9 {
		t.Errorf("US survey feet: %g metres per unit", r.DEM.Vertical)
	}
	if r := readReport(t, run(t, param.Sol, quick(param.Sol), hills(t), options{})); r.DEM.Vertical != 1 {
		t.Errorf("metres: %g metres per unit", r.DEM.Vertical)
	}
	var raw struct {
		DEM map[string]any `json:"dem"`
	}
	data := calm(t, param.Sol, quick(param.Sol), hills(t))[workfile.ReportName]
	if err := json.Unmarshal(data, &raw); err != nil || raw.DEM["metres_per_unit"] != 1.0 || raw.DEM["nodata"] != "NaN" {
		t.Errorf("%v, %v", raw.DEM, err)
	}
}
