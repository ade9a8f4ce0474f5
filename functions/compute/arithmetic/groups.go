package arithmetic

import (
	"fmt"
	"slices"

	"github.com/cyverse-gis/eemt/functions/compute/record"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/param"
)

// TempPerCell is what the maps of a formula spool until they are stored, in bytes for each cell.
func (f *Formula) TempPerCell() (bytes float64) {
	for _, m := range f.Maps {
		bytes += m.BytesPerCell * float64(max(1, len(m.Bands)))
	}
	return bytes
}

// Group is some formulas that are made in one go. Groups follow from plan and
// parameters alone, so that all replicas mean the same by a task's name.
type Group struct {
	Task     string
	Level    int // groups of a level may read the results of those before
	Formulas []Formula
}

// Core seconds per cell of the maps, measured (BenchmarkMaps): for each layer that is
// read, and for each map or band that is written.
const (
	secondsPerInput  = 0.011e-6
	secondsPerOutput = 0.037e-6

	// groupSeconds is what a group should take on two cores, so that an event stays far
	// below the platform's timeout.
	groupSeconds = 60
	groupCores   = 2
)

// SecondsPerCell are the core seconds a formula takes for each cell.
func (f *Formula) SecondsPerCell() float64 {
	out := len(f.Maps)
	if f.Stacked() {
		out = len(f.Inputs)
	}
	return secondsPerInput*float64(len(f.Inputs)) + secondsPerOutput*float64(out)
}

// Groups puts neighbouring formulas together.
func Groups(plan *record.Plan, levels [][]Formula) []Group {
	cells := float64(plan.Width) * float64(plan.Height)
	var groups []Group
	for level, formulas := range levels {
		maps, seconds := 0, 0.0
		for i, pr := range formulas {
			more := cells * pr.SecondsPerCell()
			if i == 0 || pr.Stacked() || formulas[i-1].Stacked() || maps+len(pr.Maps) > MapsAtOnce || seconds+more > groupSeconds*groupCores {
				groups = append(groups, Group{Task: fmt.Sprintf("m%04d", len(groups)), Level: level})
				maps, seconds = 0, 0
			}
			last := &groups[len(groups)-1]
			last.Formulas = append(last.Formulas, pr)
			maps, seconds = maps+len(pr.Maps), seconds+more
		}
	}
	return groups
}

// Seconds are the core seconds that groups of a plan take.
func Seconds(plan *record.Plan, groups []Group) float64 {
	var s float64
	for _, g := range groups {
		for _, pr := range g.Formulas {
			s += pr.SecondsPerCell()
		}
	}
	return s * float64(plan.Width) * float64(plan.Height)
}

// Count counts the maps of a job.
func Count(r job.Request) int {
	n := 0
	for _, pr := range All(r.Workflow, r.Parameters) {
		n += len(pr.Maps)
	}
	return n
}

// All are those of all levels of a job, to be counted and weighed.
func All(w param.Workflow, p param.Parameters) []Formula {
	return slices.Concat(Formulas(job.Request{Workflow: w, Parameters: p}, nil)...)
}

// MapsAtOnce is the most maps of one pass over the tiles: more hardly save anything.
const MapsAtOnce = 16
