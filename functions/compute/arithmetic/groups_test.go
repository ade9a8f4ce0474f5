package arithmetic

import (
	"fmt"
	"testing"

	"github.com/cyverse-gis/eemt/functions/compute/record"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/param"
)

// TestGroupsAreCutByCost: whatever the size of the DEM, a group is one formula or takes no more than two minutes of a
// core, and every formula is in one group.
func TestGroupsAreCutByCost(t *testing.T) {
	for _, side := range []int{100, 4096, 20000, 50000} {
		for name, r := range map[string]job.Request{
			"sol":    {Workflow: param.Sol, Parameters: param.DefaultParameters()},
			"layers": {Workflow: param.Sol, Parameters: param.Parameters{Layers: []param.Layer{param.Horizon, param.SkyView, param.Beam}, Daily: true}},
			"eemt":   {Workflow: param.EEMT, Parameters: eemtOf(3)},
		} {
			t.Run(fmt.Sprint(name, " ", side), func(t *testing.T) {
				plan := &record.Plan{Width: side, Height: side}
				levels := Formulas(r, nil)
				groups := Groups(plan, levels)
				seen, before := 0, 0
				for i, g := range groups {
					if g.Task != fmt.Sprintf("m%04d", i) || g.Level < before || len(g.Formulas) == 0 {
						t.Fatalf("group %d: %+v", i, g)
					}
					before = g.Level
					seen += len(g.Formulas)
					maps := 0
					for _, pr := range g.Formulas {
						maps += len(pr.Maps)
						if pr.Stacked() && len(g.Formulas) > 1 {
							t.Errorf("group %s has a map of several bands among others", g.Task)
						}
					}
					if s := Seconds(plan, []Group{g}); len(g.Formulas) > 1 && (s > groupSeconds*groupCores || maps > MapsAtOnce) {
						t.Errorf("group %s of %d maps takes %.0f s of a core", g.Task, maps, s)
					}
				}
				all := 0
				for _, s := range levels {
					all += len(s)
				}
				if seen != all || before != len(levels)-1 {
					t.Errorf("%d of %d formulas in groups of %d levels", seen, all, before+1)
				}
				// A pass of the longest single formula, on two cores, within what platforms allow for an event.
				for _, g := range groups {
					if s := Seconds(plan, []Group{g}) / groupCores; s > 600 && !g.Formulas[0].Stacked() {
						t.Errorf("group %s takes %.0f s on %d cores", g.Task, s, groupCores)
					}
				}
			})
		}
	}
}

func eemtOf(years int) param.Parameters {
	p := param.DefaultParameters()
	p.Climate, p.StartYear, p.EndYear = "table:x.csv", 2000, 1999+years
	return p
}
