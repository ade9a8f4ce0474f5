package assembly

import (
	"slices"
	"testing"

	"github.com/cyverse-gis/eemt/functions/compute/arithmetic"
	"github.com/cyverse-gis/eemt/functions/compute/cost"
	"github.com/cyverse-gis/eemt/functions/compute/record"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/param"
)

// TestShapesFitMemory: on any replica some maps can be made, by as many threads as there is room for.
func TestShapesFitMemory(t *testing.T) {
	for _, c := range []struct {
		memory        int64
		threads, side int
		want          shape
	}{
		{1 << 30, 2, 300, shape{2, 1, 14}}, // one block: threads take a group each
		{1 << 30, 2, 4096, shape{1, 1, 5}},
		{1 << 30, 2, 50000, shape{1, 1, 4}},
		{4 << 30, 2, 50000, shape{1, 2, 11}},
		{4 << 30, 8, 20000, shape{1, 8, 4}},
		{64 << 30, 32, 20000, shape{1, 32, 16}},
		{128 << 20, 4, 50000, shape{1, 1, 4}},
	} {
		if got := shapeOf(c.memory, c.threads, c.side, c.side, 640); got != c.want {
			t.Errorf("%d MiB, %d threads, %d x %d cells: %+v, want %+v", c.memory>>20, c.threads, c.side, c.side, got, c.want)
		}
	}
}

// TestShapesUseTheCores: of any DEM, on any replica, no more threads are at work than there are cores.
func TestShapesUseTheCores(t *testing.T) {
	for _, c := range []cost.Cost{{Memory: 1 << 30, Cores: 2}, {Memory: 512 << 20, Cores: 1}, {Memory: 16 << 30, Cores: 8}, {Memory: 64 << 30, Cores: 32}} {
		for _, side := range []int{300, 2000, 10000, 50000} {
			s := shapeOf(c.Memory, c.Cores, side, side, 640)
			if s.groups < 1 || s.threads < 1 || s.groups*s.threads > c.Cores || s.maps < 4 {
				t.Errorf("%+v, %d x %d cells: maps are made as %+v", c, side, side, s)
			}
		}
	}
}

// TestMapsFitTheRoomForTemporaryFiles: whatever the DEM, what is spooled at a time has room, or is refused.
func TestMapsFitTheRoomForTemporaryFiles(t *testing.T) {
	for name, c := range map[string]cost.Cost{
		"minimal":  {Cores: 2, Memory: 3481 << 20, MaxTemp: 5 << 30},
		"balanced": {Cores: 4, Memory: 6963 << 20, MaxTemp: 20 << 30},
		"none":     {Cores: 4, Memory: 6963 << 20},
	} {
		batches := 0
		for _, side := range []int{1000, 5000, 9000, 12000, 16000, 20000, 30000, 40000, 50000} {
			for w, p := range map[param.Workflow]param.Parameters{param.Sol: param.DefaultParameters(), param.EEMT: eemtOf(2)} {
				refused := c.Check(w, p, side, side) != nil
				if tight := c.MaxTemp > 0; refused != (tight && slices.ContainsFunc(slices.Concat(arithmetic.Formulas(job.Request{Workflow: w, Parameters: p}, nil)...), func(pr arithmetic.Formula) bool {
					return max(cost.RingTemp, pr.TempPerCell())*float64(side*side) > float64(c.MaxTemp)
				})) {
					t.Errorf("%s, %s of %d x %d cells: refused %t", name, w, side, side, refused)
				}
				if refused {
					continue
				}
				plan := &record.Plan{Width: side, Height: side}
				s := shapeOf(c.Memory, c.Cores, side, side, 640)
				for _, g := range arithmetic.Groups(plan, arithmetic.Formulas(job.Request{Workflow: w, Parameters: p}, nil)) {
					for left := g.Formulas; len(left) > 0; {
						n := batchSize(left, s.maps, c.TempOfBatch(side, side, 1))
						temp := 0.0
						for _, pr := range left[:n] {
							temp += pr.TempPerCell() * float64(side*side)
						}
						if c.MaxTemp > 0 && temp > float64(c.MaxTemp) {
							t.Errorf("%s, %s of %d x %d cells: %d formulas of %s spool %.0f MB", name, w, side, side, n, g.Task, temp/1e6)
						}
						left = left[n:]
						batches++
					}
				}
			}
		}
		t.Logf("%s: %d batches", name, batches)
	}
}

func eemtOf(years int) param.Parameters {
	p := param.DefaultParameters()
	p.Climate, p.StartYear, p.EndYear = "table:x.csv", 2000, 1999+years
	return p
}
