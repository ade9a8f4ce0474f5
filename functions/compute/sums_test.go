package compute_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/cyverse-gis/eemt/functions/compute/cost"
	"github.com/cyverse-gis/eemt/functions/compute/workfile"

	"github.com/cyverse-gis/eemt/functions/compute/record"
	"github.com/cyverse-gis/eemt/integration/reference"
	"github.com/cyverse-gis/eemt/shared/dem/demtest"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/param"
	"github.com/cyverse-gis/eemt/shared/raster"
)

// uncut returns results without what a report says of how the work was cut.
func uncut(t *testing.T, results map[string][]byte) map[string][]byte {
	t.Helper()
	var report map[string]any
	if err := json.Unmarshal(reference.Timeless(t, results[workfile.ReportName]), &report); err != nil {
		t.Fatal(err)
	}
	delete(report, "tiles")
	delete(report, "estimate")
	var err error
	if results[workfile.ReportName], err = json.MarshalIndent(report, "", " "); err != nil {
		t.Fatal(err)
	}
	return results
}

// TestCutsChangeNoBit cuts a DEM into tiles, and tiles into parts, of many sizes:
// kappa and the mean wetness come from sums over all of it, every map from these.
func TestCutsChangeNoBit(t *testing.T) {
	const width, height = 100, 40
	p := quick(param.EEMT)
	for _, dem := range []struct {
		name  string
		tiff  []byte
		reach workfile.Reach
	}{
		{"whole", demtest.Encode(t, demtest.Holes(valley(width, height))), workfile.Reach{}},
		{"in blocks", demtest.EncodeAs(t, demtest.Holes(valley(width, height)), raster.Transform{OriginX: 10.7, OriginY: 46.9, StepX: 1.0 / 2400, StepY: -1.0 / 3600},
			raster.GeoKeys{Shorts: map[uint16]uint16{1024: 2, 1025: 1, 2048: 4326}}), workfile.Reach{Whole: 1000, Block: 64, Near: 32, Factor: 1}},
	} {
		t.Run(dem.name, func(t *testing.T) {
			var want map[string][]byte
			for _, cut := range []struct{ tile, threads, memory int }{
				{0, 1, 1 << 30}, {128, 3, 1 << 20}, {37, 2, 1 << 20}, {32, 2, 1 << 30},
			} {
				if dem.reach.Block > 0 && cut.tile > 0 && dem.reach.Block%cut.tile != 0 {
					continue // tiles do not cross the border of two blocks
				}
				name := fmt.Sprintf("tiles of %d, %d threads, %d MiB", cut.tile, cut.threads, cut.memory>>20)
				w := newWorld(t, newBucket(t), options{threads: cut.threads, reach: dem.reach, cost: cost.Cost{Memory: int64(cut.memory)}})
				w.submit(t, param.EEMT, p, dem.tiff)
				if cut.tile > 0 {
					w.replan(t, cut.tile)
				}
				w.settle(t)
				w.mustComplete(t)
				got := uncut(t, w.results(t))
				if want == nil {
					want = got
					if !bytes.Contains(want[workfile.ReportName], []byte(`"kappa"`)) || len(want) < 150 {
						t.Fatalf("%d results, report %s", len(want), want[workfile.ReportName])
					}
					continue
				}
				t.Run(name, func(t *testing.T) { sameBytes(t, got, want) })
			}
		})
	}
}

// TestOldRecordsAreStillRead goes on with a job whose tiles an earlier version recorded,
// with plain numbers for sums.
func TestOldRecordsAreStillRead(t *testing.T) {
	tiff := hills(t)
	want := run(t, param.EEMT, quick(param.EEMT), tiff, options{})
	w := newWorld(t, newBucket(t), options{publish: func(kind string) bool { return !strings.Contains(kind, "tiles.completed") }})
	w.submit(t, param.EEMT, quick(param.EEMT), tiff)
	w.settle(t)
	w.die()
	done, err := w.store.Done(t.Context(), jobID)
	if err != nil || len(done) != 1 {
		t.Fatalf("%d tiles (%v)", len(done), err)
	}
	for task := range done {
		key := job.Prefix(jobID) + "phases/0001/" + task + ".json"
		var record struct{ Result record.TileResult }
		data, err := w.bucket.ReadAll(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		var old map[string]any
		if err := errors.Join(json.Unmarshal(data, &old), json.Unmarshal(data, &record)); err != nil {
			t.Fatal(err)
		}
		for _, s := range record.Result.Sums {
			peff, alpha := make([]float64, 12), make([]float64, 12)
			for m := range 12 {
				peff[m], alpha[m] = s.Peff[m].Float64(), s.AlphaPeff[m].Float64()
			}
			sums := old["result"].(map[string]any)["sums"].(map[string]any)
			for year := range sums {
				sums[year] = map[string]any{
					"area": s.Area.Float64(), "peff": peff, "alpha_peff": alpha,
					"temperature": s.Temperature.Float64(), "precipitation": s.Precipitation.Float64(),
				}
			}
		}
		if data, err = json.Marshal(old); err != nil {
			t.Fatal(err)
		}
		put(t, w.bucket, key, data)
	}
	second := newWorld(t, w.bucket, options{})
	if _, err := second.cleanup.Resume(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	second.settle(t)
	second.mustComplete(t)
	got, wanted := maps(t, second.results(t)), maps(t, want.results(t))
	for name := range wanted {
		closeTo(t, name, got[name], wanted[name], 1e-6)
	}
}
