// Package assembly makes the maps of a job from the work files of its tiles, then its report.
package assembly

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/cyverse-gis/eemt/functions/compute/arithmetic"
	"github.com/cyverse-gis/eemt/functions/compute/engine"
	"github.com/cyverse-gis/eemt/functions/compute/record"
	"github.com/cyverse-gis/eemt/functions/compute/replica"
	"github.com/cyverse-gis/eemt/functions/compute/workfile"
	"github.com/cyverse-gis/eemt/shared/energy"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/preview"
	"github.com/cyverse-gis/eemt/shared/raster"
)

// Phase is the phase of the maps of a level, or the assembly: where the assembly makes all maps in an event's time
// on this replica, and when no level is left.
func (k Maps) Phase(r job.Request, plan *record.Plan, t totals, level int) (*job.Phase, error) {
	levels := arithmetic.Formulas(r, nil)
	groups := arithmetic.Groups(plan, levels)
	p := &job.Phase{Kind: job.KindAssembly, Tasks: []job.Task{{Name: job.AssemblyTask}}}
	if level < len(levels) && (level > 0 || k.takesLong(plan, groups)) {
		p.Kind, p.Tasks = job.KindMaps, nil
		for _, g := range groups {
			if g.Level == level {
				p.Tasks = append(p.Tasks, job.Task{Name: g.Task})
			}
		}
	}
	t.Level = level
	var err error
	p.Data, err = json.Marshal(t)
	return p, err
}

// takesLong reports whether the maps take too long to be made by one event on this replica.
func (k Maps) takesLong(plan *record.Plan, groups []arithmetic.Group) bool {
	c := k.Replica.Cost
	within := cmp.Or(k.Within, defaultAssembleWithin)
	return len(groups) > 1 && arithmetic.Seconds(plan, groups)/(float64(c.Cores)*c.Speed) > within.Seconds()
}

// defaultAssembleWithin is a tenth of what platforms allow for an event.
const defaultAssembleWithin = time.Minute

// Maps makes groups of maps.
type Maps struct {
	Replica *replica.Replica
	// Within is how long the assembly may take on this replica before the maps are tasks of their own; 0 means a minute, less
	// than 0 no time.
	Within time.Duration
	// Alone says that no catalogue leads to the results.
	Alone bool
	// Draw draws a preview.
	Draw Draw
}

// Draw writes the picture of a map.
type Draw func(w io.Writer, g *raster.Grid[float32], o preview.Options) error

// Run makes a group of maps.
func (k Maps) Run(ctx context.Context, r *engine.Run) (any, error) {
	a, err := k.newAssembly(ctx, r)
	if err != nil {
		return nil, err
	}
	defer a.close()
	for _, g := range a.groups {
		if g.Task == r.Task {
			if err := a.mosaic.run(ctx, []arithmetic.Group{g}); err != nil {
				return nil, err
			}
			a.mosaic.noteChecksums(ctx)
			return nil, a.releaseMade(ctx)
		}
	}
	return nil, fmt.Errorf("%w: job %s has no group %q of maps", job.ErrDamaged, r.ID(), r.Task)
}

// Next returns the phase of the next level of maps, or the assembly.
func (k Maps) Next(ctx context.Context, r *engine.Run, _ []job.Record) (*job.Phase, error) {
	plan, err := record.ReadPlan(ctx, k.Replica.Store, r.ID())
	if err != nil {
		return nil, err
	}
	t, err := totalsIn(r.Phase)
	if err != nil {
		return nil, err
	}
	return k.Phase(r.Request, plan, t, t.Level+1)
}

// Release removes nothing: work files go with the last map that is made of them.
func (Maps) Release(context.Context, *engine.Run, *job.Phase) {}

// Kind makes the maps that are missing, all of them where no phase of maps came before, then previews and report.
type Kind struct{ Maps }

// Run makes the maps that are missing, the previews and the report.
func (k Kind) Run(ctx context.Context, r *engine.Run) (any, error) {
	a, err := k.newAssembly(ctx, r)
	if err != nil {
		return nil, err
	}
	defer a.close()
	for level := range a.mosaic.levels {
		if err := a.mosaic.run(ctx, a.groupsIn(level)); err != nil {
			return nil, err
		}
	}
	return nil, a.writeReport(ctx)
}

// Next ends the job.
func (Kind) Next(context.Context, *engine.Run, []job.Record) (*job.Phase, error) {
	return nil, nil
}

// Release removes nothing: what is left goes with the end of the job.
func (Kind) Release(context.Context, *engine.Run, *job.Phase) {}

// assembly turns the tiles' work files into result maps, then previews and the
// report. A map that is there already is not made again.
type assembly struct {
	mosaic *mosaic
	alone  bool
	paint  Draw
	totals totals
	kappa  map[int][12]float64
	groups []arithmetic.Group
	close  func()
}

// newAssembly opens what maps are made of.
func (k Maps) newAssembly(ctx context.Context, r *engine.Run) (*assembly, error) {
	j := k.Replica.Job(r)
	plan, err := record.ReadPlan(ctx, k.Replica.Store, r.ID())
	if err != nil {
		return nil, err
	}
	a := &assembly{alone: k.Alone, paint: k.Draw}
	if a.totals, err = totalsIn(r.Phase); err != nil {
		return nil, err
	}
	a.kappa = closeWater(energy.DefaultParameters(), a.totals.Sums)
	levels := arithmetic.Formulas(r.Request, a.kappa)
	a.groups = arithmetic.Groups(plan, levels)
	made, err := listResults(ctx, j)
	if err != nil {
		return nil, err
	}
	d, closer, err := j.OpenDEM(ctx)
	if err != nil {
		return nil, err
	}
	a.close = func() { _ = closer.Close() }
	a.mosaic = &mosaic{job: j, dem: d, plan: plan, levels: levels, made: made, gone: map[string]bool{}, block: workfile.ResultBlock(plan), total: arithmetic.Count(r.Request)}
	for _, level := range a.mosaic.levels {
		for _, pr := range level {
			if !a.mosaic.missing(pr) {
				a.mosaic.done += float64(len(pr.Maps))
			}
		}
	}
	return a, nil
}

func (a *assembly) groupsIn(level int) []arithmetic.Group {
	return slices.DeleteFunc(slices.Clone(a.groups), func(g arithmetic.Group) bool { return g.Level != level })
}

// releaseMade removes the work files that no missing map is made of, whoever made the others.
func (a *assembly) releaseMade(ctx context.Context) error {
	made, err := listResults(ctx, a.mosaic.job)
	if err != nil {
		return err
	}
	a.mosaic.made = made
	a.mosaic.release(ctx, nil)
	return nil
}

func listResults(ctx context.Context, j *replica.Job) (map[string]bool, error) {
	prefix := job.ResultKey(j.Request.ID, "")
	keys, err := j.Objects.Keys(ctx, prefix)
	made := make(map[string]bool, len(keys))
	for _, k := range keys {
		made[strings.TrimPrefix(k, prefix)] = true
	}
	return made, err
}
