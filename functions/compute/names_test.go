package compute_test

import (
	"slices"
	"testing"

	"github.com/cyverse-gis/eemt/functions/compute/workfile"

	"github.com/cyverse-gis/eemt/shared/dem/demtest"
	"github.com/cyverse-gis/eemt/shared/param"
)

// TestResultNames compares the names that are foreseen with the files that jobs leave.
func TestResultNames(t *testing.T) {
	for _, c := range []struct {
		name     string
		workflow param.Workflow
		change   func(p *param.Parameters)
	}{
		{"sol", param.Sol, func(*param.Parameters) {}},
		{"sol, days and layers", param.Sol, func(p *param.Parameters) {
			p.Daily, p.Layers = true, []param.Layer{param.Beam, param.Diffuse, param.Reflected, param.Horizon, param.SkyView}
		}},
		{"eemt, two years", param.EEMT, func(p *param.Parameters) { p.EndYear = p.StartYear + 1 }},
		{"eemt, years only", param.EEMT, func(p *param.Parameters) { p.Maps = param.AnnualMaps }},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := quick(c.workflow)
			c.change(&p)
			var got []string
			for name := range calm(t, c.workflow, p, demtest.Encode(t, demtest.Hills(9, 7))) {
				got = append(got, name)
			}
			slices.Sort(got)
			want := workfile.ResultNames(c.workflow, p)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Errorf("files %q, foreseen %q", got, want)
			}
		})
	}
}
