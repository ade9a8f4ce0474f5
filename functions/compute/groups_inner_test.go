package compute

import (
	"fmt"
	"testing"

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

// TestGroupsAreCutByCost: whatever the size of the DEM, a group is one product or takes no more than two minutes of a
// core, and every product is in one group.
func TestGroupsAreCutByCost(t *testing.T) {
	for _, side := range []int{100, 4096, 20000, 50000} {
		for name, r := range map[string]job.Request{
			"sol":    {Workflow: param.Sol, Parameters: param.DefaultParameters()},
			"layers": {Workflow: param.Sol, Parameters: param.Parameters{Layers: []param.Layer{param.Horizon, param.SkyView, param.Beam}, Daily: true}},
			"eemt":   {Workflow: param.EEMT, Parameters: eemtOf(3)},
		} {
			t.Run(fmt.Sprint(name, " ", side), func(t *testing.T) {
				plan := &record.Plan{Width: side, Height: side}
				stages := products(r, nil)
				groups := groupsOf(plan, stages)
				seen, before := 0, 0
				for i, g := range groups {
					if g.task != fmt.Sprintf("m%04d", i) || g.stage < before || len(g.products) == 0 {
						t.Fatalf("group %d: %+v", i, g)
					}
					before = g.stage
					seen += len(g.products)
					maps := 0
					for _, pr := range g.products {
						maps += len(pr.maps)
						if pr.stacked() && len(g.products) > 1 {
							t.Errorf("group %s has a map of several bands among others", g.task)
						}
					}
					if s := secondsOf(plan, []group{g}); len(g.products) > 1 && (s > groupSeconds*groupCores || maps > mapsAtOnce) {
						t.Errorf("group %s of %d maps takes %.0f s of a core", g.task, maps, s)
					}
				}
				all := 0
				for _, s := range stages {
					all += len(s)
				}
				if seen != all || before != len(stages)-1 {
					t.Errorf("%d of %d products in groups of %d stages", seen, all, before+1)
				}
				// A pass of the longest single product, on two cores, within what platforms allow for an event.
				for _, g := range groups {
					if s := secondsOf(plan, []group{g}) / groupCores; s > 600 && !g.products[0].stacked() {
						t.Errorf("group %s takes %.0f s on %d cores", g.task, s, groupCores)
					}
				}
			})
		}
	}
}
