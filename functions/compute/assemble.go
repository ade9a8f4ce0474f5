package compute

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cyverse-gis/eemt/functions/compute/engine"
	"github.com/cyverse-gis/eemt/functions/compute/record"
	"github.com/cyverse-gis/eemt/shared/energy"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/param"
)

// totals are what the maps of the whole DEM need of all tiles.
type totals struct {
	// Sums are added up by climate year.
	Sums     map[int]record.Sums `json:"sums,omitempty"`
	ClearSky *ClearSky           `json:"clear_sky,omitempty"`
	// Valid counts the cells with a result.
	Valid int `json:"valid"`
	// Seconds is the time spent in tiles, Longest that of the slowest.
	Seconds float64 `json:"seconds"`
	Longest float64 `json:"longest"`
	// Stage counts the stages of maps whose phases are complete.
	Stage int `json:"stage,omitempty"`
}

// totalsOf adds what the tiles of a job recorded, in their order.
func totalsOf(r job.Request, done []job.Record) (totals, error) {
	var t totals
	tiles := make([]record.TileResult, len(done))
	for i, record := range done {
		if err := json.Unmarshal(record.Result, &tiles[i]); err != nil {
			return t, fmt.Errorf("%w: record of tile %s: %w", job.ErrDamaged, record.Task, err)
		}
		t.Seconds += record.Seconds
		t.Longest = max(t.Longest, record.Seconds)
		t.Valid += tiles[i].Valid
	}
	var err error
	if t.Sums, err = addSums(r, tiles); err != nil {
		return t, err
	}
	t.ClearSky, err = clearSky(r.Parameters, tiles)
	return t, err
}

// totalsIn reads the totals that a phase of maps, or the assembly, has with it.
func totalsIn(p *job.Phase) (t totals, err error) {
	if err := json.Unmarshal(p.Data, &t); err != nil {
		return t, fmt.Errorf("%w: phase %d: %w", job.ErrDamaged, p.Number, err)
	}
	return t, nil
}

// phase is the phase of the maps of a stage, or the assembly: where the assembly makes all maps in an event's time
// on this replica, and when no stage is left.
func (k mapsKind) phase(r job.Request, plan *record.Plan, t totals, stage int) (*job.Phase, error) {
	stages := products(r, nil)
	groups := groupsOf(plan, stages)
	p := &job.Phase{Kind: job.KindAssembly, Tasks: []job.Task{{Name: job.AssemblyTask}}}
	if stage < len(stages) && (stage > 0 || k.takesLong(plan, groups)) {
		p.Kind, p.Tasks = job.KindMaps, nil
		for _, g := range groups {
			if g.stage == stage {
				p.Tasks = append(p.Tasks, job.Task{Name: g.task})
			}
		}
	}
	t.Stage = stage
	var err error
	p.Data, err = json.Marshal(t)
	return p, err
}

// takesLong reports whether the maps take too long to be made by one event on this replica.
func (k mapsKind) takesLong(plan *record.Plan, groups []group) bool {
	c := k.replica.Cost
	within := cmp.Or(k.within, defaultAssembleWithin)
	return len(groups) > 1 && secondsOf(plan, groups)/(float64(c.Cores)*c.Speed) > within.Seconds()
}

// defaultAssembleWithin is a tenth of what platforms allow for an event.
const defaultAssembleWithin = time.Minute

// mapsKind makes groups of maps.
type mapsKind struct {
	replica *Replica
	// within is how long the assembly may take on this replica before the maps are tasks of their own; 0 means a minute, less
	// than 0 no time.
	within time.Duration
	// alone says that no catalogue leads to the results.
	alone bool
}

func (k mapsKind) Run(ctx context.Context, r *engine.Run) (any, error) {
	a, err := k.newAssembly(ctx, r)
	if err != nil {
		return nil, err
	}
	defer a.close()
	for _, g := range a.groups {
		if g.task == r.Task {
			if err := a.run(ctx, []group{g}); err != nil {
				return nil, err
			}
			a.noteChecksums(ctx)
			return nil, a.releaseMade(ctx)
		}
	}
	return nil, fmt.Errorf("%w: job %s has no group %q of maps", job.ErrDamaged, r.ID(), r.Task)
}

func (k mapsKind) Next(ctx context.Context, r *engine.Run, _ []job.Record) (*job.Phase, error) {
	plan, err := record.ReadPlan(ctx, k.replica.Store, r.ID())
	if err != nil {
		return nil, err
	}
	t, err := totalsIn(r.Phase)
	if err != nil {
		return nil, err
	}
	return k.phase(r.Request, plan, t, t.Stage+1)
}

func (mapsKind) Release(context.Context, *engine.Run, *job.Phase) {}

// assemblyKind makes the maps that are missing, all of them where no phase of maps came before, then previews and report.
type assemblyKind struct{ mapsKind }

func (k assemblyKind) Run(ctx context.Context, r *engine.Run) (any, error) {
	a, err := k.newAssembly(ctx, r)
	if err != nil {
		return nil, err
	}
	defer a.close()
	for stage := range a.stages {
		if err := a.run(ctx, a.groupsIn(stage)); err != nil {
			return nil, err
		}
	}
	return nil, a.writeReport(ctx)
}

func (assemblyKind) Next(context.Context, *engine.Run, []job.Record) (*job.Phase, error) {
	return nil, nil
}

func (assemblyKind) Release(context.Context, *engine.Run, *job.Phase) {}

// assembly turns the tiles' work files into result maps, then previews and the
// report. A map that is there already is not made again.
type assembly struct {
	*mosaic
	alone  bool
	totals totals
	kappa  map[int][12]float64
	groups []group
	close  func()
}

// newAssembly opens what maps are made of.
func (k mapsKind) newAssembly(ctx context.Context, r *engine.Run) (*assembly, error) {
	j := k.replica.Job(r)
	plan, err := record.ReadPlan(ctx, k.replica.Store, r.ID())
	if err != nil {
		return nil, err
	}
	a := &assembly{alone: k.alone}
	if a.totals, err = totalsIn(r.Phase); err != nil {
		return nil, err
	}
	a.kappa = closeWater(energy.DefaultParameters(), a.totals.Sums)
	stages := products(r.Request, a.kappa)
	a.groups = groupsOf(plan, stages)
	made, err := listResults(ctx, j)
	if err != nil {
		return nil, err
	}
	d, closer, err := j.OpenDEM(ctx)
	if err != nil {
		return nil, err
	}
	a.close = func() { _ = closer.Close() }
	a.mosaic = &mosaic{job: j, dem: d, plan: plan, stages: stages, made: made, gone: map[string]bool{}, block: resultBlock(plan), total: mapsOf(r.Request)}
	for _, stage := range a.stages {
		for _, pr := range stage {
			if !a.missing(pr) {
				a.done += float64(len(pr.maps))
			}
		}
	}
	return a, nil
}

func (a *assembly) groupsIn(stage int) []group {
	return slices.DeleteFunc(slices.Clone(a.groups), func(g group) bool { return g.stage != stage })
}

// releaseMade removes the work files that no missing map is made of, whoever made the others.
func (a *assembly) releaseMade(ctx context.Context) error {
	made, err := listResults(ctx, a.job)
	if err != nil {
		return err
	}
	a.made = made
	a.release(ctx, nil)
	return nil
}

// addSums adds what all tiles summed, by climate year.
func addSums(r job.Request, tiles []record.TileResult) (map[int]record.Sums, error) {
	if r.Workflow != param.EEMT {
		return nil, nil
	}
	sums := map[int]record.Sums{}
	for _, year := range r.Parameters.Years() {
		var total record.Sums
		for _, t := range tiles {
			total.Add(t.Sums[year])
		}
		if err := total.Err(); err != nil { // no tile records such sums
			return nil, fmt.Errorf("%w: tiles of job %s, %d: %w", job.ErrDamaged, r.ID, year, err)
		}
		sums[year] = total
	}
	return sums, nil
}

// closeWater takes kappa of every climate year and month.
func closeWater(params energy.Parameters, sums map[int]record.Sums) map[int][12]float64 {
	kappa := map[int][12]float64{}
	for year, s := range sums {
		var k [12]float64
		for m := range k {
			k[m] = 1
			if params.MCWIClose {
				k[m] = energy.Kappa(s.Peff[m].Float64(), s.AlphaPeff[m].Float64())
			}
		}
		kappa[year] = k
	}
	return kappa
}

func listResults(ctx context.Context, j *Job) (map[string]bool, error) {
	prefix := job.ResultKey(j.Request.ID, "")
	keys, err := j.Objects.Keys(ctx, prefix)
	made := make(map[string]bool, len(keys))
	for _, k := range keys {
		made[strings.TrimPrefix(k, prefix)] = true
	}
	return made, err
}
