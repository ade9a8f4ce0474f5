package compute_test

import (
	"slices"
	"testing"

	"github.com/cyverse-gis/eemt/functions/compute"
	"github.com/cyverse-gis/eemt/shared/dem/demtest"
	"github.com/cyverse-gis/eemt/shared/job"
)

// TestResultNames compares the names that are foreseen with the files that jobs leave.
func TestResultNames(t *testing.T) {
	for _, c := range []struct {
		name     string
		workflow job.Workflow
		change   func(p *job.Parameters)
	}{
		{"sol", job.Sol, func(*job.Parameters) {}},
		{"sol, days and layers", job.Sol, func(p *job.Parameters) {
			p.Daily, p.Layers = true, []job.Layer{job.Beam, job.Diffuse, job.Reflected, job.Horizon, job.SkyView}
		}},
		{"eemt, two years", job.EEMT, func(p *job.Parameters) { p.EndYear = p.StartYear + 1 }},
		{"eemt, years only", job.EEMT, func(p *job.Parameters) { p.Maps = job.AnnualMaps }},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := quick(c.workflow)
			c.change(&p)
			var got []string
			for name := range run(t, c.workflow, p, demtest.Encode(t, demtest.Hills(24, 20)), options{threads: 2}).results(t) {
				got = append(got, name)
			}
			slices.Sort(got)
			want := compute.ResultNames(c.workflow, p)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Errorf("files %q, foreseen %q", got, want)
			}
		})
	}
}
