package compute_test

import (
	"strings"
	"testing"

	"github.com/cyverse-gis/eemt/shared/dem/demtest"
	"github.com/cyverse-gis/eemt/shared/finding"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/param"
)

// TestFindings follows a doubt about the DEM, a single high cell, to the ends of three jobs: one that knows nothing of it,
// one whose user says that it is right, and one that stops at doubts.
func TestFindings(t *testing.T) {
	g := demtest.Hills(14, 11)
	g.Set(6, 5, 3900)
	tiff := demtest.Encode(t, g)
	spikes := func(list finding.List) *finding.Finding {
		for _, f := range list {
			if f.Code == finding.DEMSpikes {
				return &f
			}
		}
		return nil
	}
	for name, c := range map[string]struct {
		accept []finding.Code
		strict bool
		state  job.State
	}{
		"a doubt":                      {state: job.Completed},
		"accepted":                     {accept: []finding.Code{finding.DEMSpikes}, state: job.Completed},
		"accepted by a strict job":     {accept: []finding.Code{finding.DEMSpikes}, strict: true, state: job.Completed},
		"a doubt that stops the job":   {strict: true, state: job.Failed},
		"another accepted, and strict": {accept: []finding.Code{finding.DEMUnit}, strict: true, state: job.Failed},
	} {
		t.Run(name, func(t *testing.T) {
			p := quick(param.Sol)
			p.Accept, p.Strict = c.accept, c.strict
			w := newWorld(t, newBucket(t), options{})
			w.submit(t, param.Sol, p, tiff)
			w.settle(t)
			st, err := w.store.Status(t.Context(), jobID)
			if err != nil || st.State != c.state {
				t.Fatalf("%s: %v %+v", st.State, err, st.End)
			}
			f := spikes(st.Findings)
			if f == nil || f.Severity != finding.Doubt || f.Accepted != (c.state == job.Completed && c.accept != nil) {
				t.Fatalf("the job's record has %+v", st.Findings)
			}
			if c.state == job.Failed {
				if !strings.HasSuffix(st.End.Reason, "if it is right, accept it (--accept dem-spikes)") {
					t.Errorf("reason %q", st.End.Reason)
				}
				return
			}
			if r := spikes(readReport(t, w).Findings); r == nil || *r != *f {
				t.Errorf("the report has %+v, the record %+v", r, f)
			}
		})
	}
}
