package compute

import (
	"fmt"
	"slices"

	"github.com/cyverse-gis/eemt/functions/compute/record"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/param"
)

// group is some products that are made in one go. Groups follow from plan and
// parameters alone, so that all replicas mean the same by a task's name.
type group struct {
	task     string
	stage    int // groups of a stage may read the results of those before
	products []product
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

// secondsPerCell are the core seconds a product takes for each cell.
func (p *product) secondsPerCell() float64 {
	out := len(p.maps)
	if p.stacked() {
		out = len(p.inputs)
	}
	return secondsPerInput*float64(len(p.inputs)) + secondsPerOutput*float64(out)
}

// groupsOf puts neighbouring products together.
func groupsOf(plan *record.Plan, stages [][]product) []group {
	cells := float64(plan.Width) * float64(plan.Height)
	var groups []group
	for stage, products := range stages {
		maps, seconds := 0, 0.0
		for i, pr := range products {
			more := cells * pr.secondsPerCell()
			if i == 0 || pr.stacked() || products[i-1].stacked() || maps+len(pr.maps) > mapsAtOnce || seconds+more > groupSeconds*groupCores {
				groups = append(groups, group{task: fmt.Sprintf("m%04d", len(groups)), stage: stage})
				maps, seconds = 0, 0
			}
			last := &groups[len(groups)-1]
			last.products = append(last.products, pr)
			maps, seconds = maps+len(pr.maps), seconds+more
		}
	}
	return groups
}

// secondsOf are the core seconds that groups of a plan take.
func secondsOf(plan *record.Plan, groups []group) float64 {
	var s float64
	for _, g := range groups {
		for _, pr := range g.products {
			s += pr.secondsPerCell()
		}
	}
	return s * float64(plan.Width) * float64(plan.Height)
}

// mapsOf counts the maps of a job.
func mapsOf(r job.Request) int {
	n := 0
	for _, pr := range allProducts(r.Workflow, r.Parameters) {
		n += len(pr.maps)
	}
	return n
}

// allProducts are those of all stages of a job, to be counted and weighed.
func allProducts(w param.Workflow, p param.Parameters) []product {
	return slices.Concat(products(job.Request{Workflow: w, Parameters: p}, nil)...)
}
