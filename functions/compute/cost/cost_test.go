package cost

import (
	"strings"
	"testing"
	"time"

	"github.com/cyverse-gis/eemt/functions/compute/arithmetic"
	"github.com/cyverse-gis/eemt/functions/compute/record"
	"github.com/cyverse-gis/eemt/functions/compute/workfile"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/param"
	"github.com/cyverse-gis/eemt/shared/raster"
)

func eemtOf(years int) param.Parameters {
	p := param.DefaultParameters()
	p.Climate, p.StartYear, p.EndYear = "table:x.csv", 2000, 1999+years
	return p
}

// TestTilesFitTheReplica: whatever the replica, parts stay within its memory, and
// tiles take some ten seconds unless their files would grow too large.
func TestTilesFitTheReplica(t *testing.T) {
	daily := param.DefaultParameters()
	daily.Daily = true
	annual := eemtOf(3)
	annual.Maps = param.AnnualMaps
	for _, c := range []struct {
		name     string
		workflow param.Workflow
		params   param.Parameters
		cost     Cost
	}{
		{"sol, two cores", param.Sol, param.DefaultParameters(), Cost{Memory: 1 << 30, Cores: 2}},
		{"sol, half a GiB", param.Sol, param.DefaultParameters(), Cost{Memory: 512 << 20, Cores: 1}},
		{"sol, fast cores", param.Sol, param.DefaultParameters(), Cost{Memory: 16 << 30, Cores: 8, Speed: 2}},
		{"eemt", param.EEMT, eemtOf(1), Cost{Memory: 1 << 30, Cores: 2}},
		{"eemt, thirty years", param.EEMT, eemtOf(30), Cost{Memory: 2 << 30, Cores: 4}},
		{"eemt, annual maps", param.EEMT, annual, Cost{Memory: 1 << 30, Cores: 2}},
		{"daily maps", param.Sol, daily, Cost{Memory: 1 << 30, Cores: 2}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, side := range []int{500, 2000, 20000, 50000} {
				f := workfile.Reach{}.OrDefault().Far(side, side)
				block := 0
				if f != nil {
					block = f.Block
				}
				n := Field(f, workfile.Reach{}.OrDefault().Near, side, side)
				part := c.cost.PartSide(c.workflow, c.params, n)
				cells := float64(min(part, side) * min(part, side))
				if got := partMemory(c.workflow, c.params, cells, float64(n)); got > 0.95*float64(c.cost.Memory) {
					t.Errorf("%d x %d cells: parts of %d take %.0f MiB of %d", side, side, part, got/(1<<20), c.cost.Memory>>20)
				}
				task := c.cost.TileSide(c.workflow, c.params, block)
				seconds := float64(task*task) * c.cost.OrDefault().tileSecondsPerCell(c.workflow, c.params) / float64(c.cost.Cores)
				if seconds > 60 {
					t.Errorf("%d x %d cells: tiles of %d take %.0f s", side, side, task, seconds)
				}
				_, written := layers(c.workflow, c.params)
				bytes := float64(task*task*written) * bytesPerCell
				if seconds < 5 && bytes < taskBytes/4 {
					t.Errorf("%d x %d cells: tiles of %d take %.1f s, their files %.0f MiB", side, side, task, seconds, bytes/(1<<20))
				}
				if block > 0 && task%block != 0 {
					t.Errorf("tiles of %d are not of whole blocks of %d", task, block)
				}
				w := c.cost.Estimate(c.workflow, c.params, side, side)
				if w.Memory > c.cost.Memory || w.Tiles < 1 || w.Seconds <= 0 {
					t.Errorf("%d x %d cells: %+v", side, side, w)
				}
			}
		})
	}
}

// TestEstimateCountsMaps: the results foreseen are those of the maps that are made,
// bands and days included, at 2 to 3.8 bytes each.
func TestEstimateCountsMaps(t *testing.T) {
	for _, w := range []param.Workflow{param.Sol, param.EEMT} {
		for _, which := range []param.Maps{param.AllMaps, param.AnnualMaps} {
			for _, more := range []bool{false, true} {
				p := eemtOf(3)
				p.Maps = which
				maps := 0
				if more {
					p.Layers = []param.Layer{param.Beam, param.Horizon}
					maps += 35 // more bands of the horizon
				}
				maps += arithmetic.Count(job.Request{Workflow: w, Parameters: p})
				if got := float64((Cost{}).Estimate(w, p, 1000, 1000).Results) / 1e6 / float64(maps); got < 2 || got > 3.8 {
					t.Errorf("%s, maps %s, more %t: %.2f bytes of results foreseen for each of %d maps", w, which, more, got, maps)
				}
			}
		}
	}
}

func TestPartsCoverATile(t *testing.T) {
	for _, c := range []struct {
		block      int
		tile       raster.Window
		side, want int
	}{
		{0, raster.Window{Width: 768, Height: 768}, 768, 1},
		{0, raster.Window{Col: 768, Row: 1536, Width: 500, Height: 700}, 256, 6},
		{0, raster.Window{Width: 1000, Height: 1000}, 768, 4},
		{640, raster.Window{Col: 1280, Row: 640, Width: 1280, Height: 1280}, 768, 4},
		{640, raster.Window{Col: 1280, Row: 640, Width: 1280, Height: 1280}, 512, 16},
		{640, raster.Window{Col: 100, Row: 600, Width: 100, Height: 100}, 64, 4},
		{32, raster.Window{Col: 32, Width: 72, Height: 48}, 640, 6},
	} {
		plan := &record.Plan{Width: 4000, Height: 4000}
		if c.block > 0 {
			plan.Far = &record.Far{Block: c.block}
		}
		parts := workfile.Parts(plan, c.tile, c.side)
		if len(parts) != c.want {
			t.Errorf("%+v in blocks of %d, parts of %d: %v, want %d parts", c.tile, c.block, c.side, parts, c.want)
		}
		cells := 0
		for i, p := range parts {
			cells += p.Width * p.Height
			if !c.tile.Contains(p) || p.Width > c.side || p.Height > c.side || p.Width < 1 || p.Height < 1 {
				t.Errorf("part %+v of %+v", p, c.tile)
			}
			if c.block > 0 && !workfile.BlockOf(plan.Far, p).Contains(p) {
				t.Errorf("part %+v crosses the border of two blocks of %d", p, c.block)
			}
			for _, q := range parts[:i] {
				if common := p.Intersect(q); common.Width > 0 && common.Height > 0 {
					t.Errorf("parts %+v, %+v overlap", p, q)
				}
			}
		}
		if cells != c.tile.Width*c.tile.Height {
			t.Errorf("parts of %+v have %d cells", c.tile, cells)
		}
	}
}

func TestTooLargeIsRefused(t *testing.T) {
	for _, c := range []struct {
		cost Cost
		want []string
	}{
		{Cost{MaxCells: 1e6}, []string{"2000 x 1000 = 2000000 cells", "1000000", "EEMT_MAX_CELLS"}},
		{Cost{MaxCoreHours: 1e-3}, []string{"core hours", "0.001", "EEMT_MAX_CORE_HOURS"}},
		{Cost{MaxResults: 5e6}, []string{"MB", "at most 5 MB", "EEMT_MAX_RESULT_BYTES"}},
		{Cost{MaxEvent: 50 * time.Millisecond}, []string{"total_sun_sum.tif alone would take about 206 ms for 2000 x 1000 cells on 2 cores", "at most 50 ms", "EEMT_EVENT_TIMEOUT"}},
		{Cost{MaxTemp: 10e6}, []string{"making slope_rad.tif and what goes with it would take about 16 MB of temporary files for 2000 x 1000 cells", "has 10 MB", "EEMT_TEMP_BYTES"}},
		{Cost{MaxCells: 2e6, MaxCoreHours: 1, MaxResults: 1e10, MaxEvent: time.Second, MaxTemp: 100e6}, nil},
		{Cost{}, nil},
	} {
		err := c.cost.Check(param.Sol, param.DefaultParameters(), 2000, 1000)
		if (err == nil) != (c.want == nil) {
			t.Errorf("%+v: %v", c.cost, err)
			continue
		}
		for _, w := range c.want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%q does not say %q", err, w)
			}
		}
	}
}
