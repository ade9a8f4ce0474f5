// Package drainage follows the water over the whole terrain, for the plan or by tasks.
package drainage

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/cyverse-gis/eemt/functions/compute/cost"
	"github.com/cyverse-gis/eemt/functions/compute/engine"
	"github.com/cyverse-gis/eemt/functions/compute/objects"
	"github.com/cyverse-gis/eemt/functions/compute/record"
	"github.com/cyverse-gis/eemt/functions/compute/replica"
	"github.com/cyverse-gis/eemt/functions/compute/workfile"
	"github.com/cyverse-gis/eemt/shared/dem"
	"github.com/cyverse-gis/eemt/shared/fault"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/raster"
	"github.com/cyverse-gis/eemt/shared/terrain"
)

// Options says how water is followed over the whole DEM. The zero value stands for the defaults.
type Options struct {
	// Inline is the longest that the plan's event may do it alone, as Cost
	// foresees; beyond, tasks of their own do. 0 means 60 s, less than 0 always tasks.
	Inline time.Duration
	// Side of the tiles, in cells; 0 lets Cost decide.
	Side int
	// Batch is how many windows a task has; 0 means as many as the planner has cores for.
	Batch int
}

// Inline reports whether the plan follows water by itself.
func (p *Terrain) Inline(width, height int) bool {
	seconds := cost.SecondsOfTerrain / p.Job.Cost.Speed * float64(width) * float64(height)
	if cost.DrainageThreads(p.Job.Threads) > 1 {
		seconds /= gainOfThreads
	}
	return time.Duration(seconds*float64(time.Second)) <= cmp.Or(p.Options.Inline, time.Minute)
}

// gainOfThreads is how much sooner threads are done with the terrain than one: windows
// of a round differ.
const gainOfThreads = 1.5

// drainageSide is the side of tiles that threads work on.
func (p *Terrain) drainageSide(threads int) int {
	return cmp.Or(p.Options.Side, cost.DrainageSide(p.Job.Cost.Memory/int64(threads)))
}

// MakeDraft writes what the plan can tell before the terrain is known.
func (p *Terrain) MakeDraft(ctx context.Context, plan *record.Plan) error {
	batch := cmp.Or(p.Options.Batch, cost.DrainageThreads(p.Job.Threads))
	draft := &record.Draft{Plan: plan, Side: p.drainageSide(batch), Batch: batch}
	plan.TerrainSide = 2 * draft.Side
	plan.Created = p.Job.Now().UTC()
	draft, err := record.WriteDraft(ctx, p.Job.Store, p.Job.Request.ID, draft)
	if err != nil {
		return err
	}
	across, down := draft.Tiling().Tiles()
	p.Job.Log.Info("drafted", "cells", plan.Width*plan.Height, "tiles of terrain", across*down)
	return nil
}

// Kind follows the water over the terrain: it fills depressions, sums areas, computes wetness.
type Kind struct {
	Replica *replica.Replica
	Options Options
}

func (k Kind) run(r *engine.Run) *Terrain {
	return &Terrain{Job: k.Replica.Job(r), Options: k.Options}
}

// Terrain follows the water for one job.
type Terrain struct {
	Job     *replica.Job
	Options Options
}

// Run works on the windows of a task.
func (k Kind) Run(ctx context.Context, r *engine.Run) (any, error) {
	work, err := terrainWorkOf(r.Phase)
	if err != nil {
		return nil, err
	}
	draft, err := record.ReadDraft(ctx, k.Replica.Store, r.ID())
	if err != nil {
		return nil, err
	}
	var found terrainResult
	p := k.run(r)
	if err := p.windows(ctx, draft, r.Phase, work, work.windowsOf(r.Task), &found); err != nil {
		return nil, err
	}
	p.Job.Progress("terrain", r.Phase.Share, 1)
	return &found, nil
}

// Next returns the next phase of the terrain; behind the last it writes the plan, and returns the phase of its tiles.
func (k Kind) Next(ctx context.Context, r *engine.Run, done []job.Record) (*job.Phase, error) {
	found, err := terrainResults(done)
	if err != nil {
		return nil, err
	}
	draft, err := record.ReadDraft(ctx, k.Replica.Store, r.ID())
	if err != nil {
		return nil, err
	}
	if r.Phase.Kind == job.KindWetness {
		plan, err := k.run(r).closeTerrain(ctx, draft, found)
		if err != nil {
			return nil, err
		}
		return record.TilePhase(plan), nil
	}
	return nextOfTerrain(draft, r.Phase, found)
}

// Release removes the scratch files that only the phase before this one read, and when the plan is there all of them.
func (k Kind) Release(ctx context.Context, r *engine.Run, _ *job.Phase) {
	p := k.run(r)
	if err := p.removeReplaced(ctx, r.Phase); err != nil {
		r.Log.Warn("files of an earlier phase stay until the job ends", "error", err)
	}
}

// windows does the work of one task: as many windows at a time as there are cores for.
func (p *Terrain) windows(ctx context.Context, draft *record.Draft, phase *job.Phase, state *terrainWork, windows []terrain.Index, found *terrainResult) error {
	each := make([]terrainResult, len(windows))
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(cost.DrainageThreads(p.Job.Threads))
	for i, at := range windows {
		work.Go(p.Job.Guarded(ctx, func(ctx context.Context) error { return p.window(ctx, draft, phase, state, at, &each[i]) }))
	}
	if err := work.Wait(); err != nil {
		return err
	}
	for _, f := range each {
		found.add(f)
	}
	return nil
}

// window does the work of a task in one window.
func (p *Terrain) window(ctx context.Context, draft *record.Draft, phase *job.Phase, state *terrainWork, at terrain.Index, found *terrainResult) error {
	d, closer, err := p.Job.OpenDEM(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = closer.Close() }()
	filled, err := p.scratch(draft, state, scratchFilled)
	if err != nil {
		return err
	}
	area, err := p.scratch(draft, state, scratchArea)
	if err != nil {
		return err
	}
	t := draft.Tiling()
	switch phase.Kind {
	case job.KindFill:
		frame := t.Window(at).Grow(terrain.FillHalo).Intersect(d.Bounds())
		elevation, err := d.Elevation(ctx, frame)
		if err != nil {
			return replica.InputError(err)
		}
		return filled.change(ctx, phase.Number, at, frame, found, func(cells *raster.Grid[float64]) error {
			found.Dirty = t.Fill(at, elevation, cells)
			return nil
		})
	case job.KindArea:
		frame := t.Window(at).Grow(terrain.AreaHalo).Intersect(d.Bounds())
		elevation, err := filled.read(ctx, frame)
		if err != nil {
			return err
		}
		return area.change(ctx, phase.Number, at, frame, found, func(cells *raster.Grid[float64]) error {
			found.Dirty, found.Known = t.Area(at, elevation, cells, d.Cell.Rows(frame.Row, frame.Height))
			return nil
		})
	case job.KindWetness:
		return p.wetnessBlock(ctx, draft, d, area, t.Window(at), at, found)
	}
	return fmt.Errorf("%w: phase %d is of kind %q", job.ErrDamaged, phase.Number, phase.Kind)
}

// change reads the frame around a window, lets f change the window, and stores what did.
func (s *scratch) change(ctx context.Context, phase int, at terrain.Index, frame raster.Window, found *terrainResult, f func(cells *raster.Grid[float64]) error) error {
	cells, err := s.read(ctx, frame)
	if err != nil {
		return err
	}
	core := s.tiling.Window(at)
	core.Col -= frame.Col
	core.Row -= frame.Row
	was := cells.Sub(core)
	if err := f(cells); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	found.Wrote, err = s.write(ctx, phase, at, cells, frame, was)
	return err
}

// wetnessBlock writes the terrain file of a window, and sums its wetness.
func (p *Terrain) wetnessBlock(ctx context.Context, draft *record.Draft, d *dem.DEM, scratch *scratch, w raster.Window, at terrain.Index, found *terrainResult) error {
	area, err := scratch.read(ctx, w)
	if err != nil {
		return err
	}
	spools := replica.NewSpools(p.Job.Temp)
	defer spools.Remove()
	file, err := p.newTerrainFile(d, w, spools)
	if err != nil {
		return err
	}
	wetness := raster.New[float32](w.Width, w.Height)
	local := func(window raster.Window) raster.Window {
		window.Col -= w.Col
		window.Row -= w.Row
		return window
	}
	for window := range workfile.Windows(w) {
		if err := ctx.Err(); err != nil {
			return err
		}
		g, err := file.add(ctx, d, window, area.Sub(local(window)))
		if err != nil {
			return err
		}
		to := local(window)
		for r := range to.Height {
			copy(wetness.Row(to.Row + r)[to.Col:], g.Row(r))
		}
	}
	found.Floored, found.Sloping = file.floored, file.sloping
	found.Wetness, err = p.sumWindows(ctx, d, draft.Plan, w, max(1, draft.Batch), func(_ context.Context, window raster.Window) (*raster.Grid[float64], error) {
		g := raster.New[float64](window.Width, window.Height)
		for i, v := range wetness.Sub(local(window)).Cells {
			g.Cells[i] = float64(v)
		}
		return g, nil
	})
	if err != nil {
		return err
	}
	for year, sum := range found.Wetness {
		if err := sum.Err(); err != nil {
			return fault.New(fault.Invalid, fmt.Errorf("mean wetness of %d: %w", year, err))
		}
	}
	return p.Job.Objects.Put(ctx, workfile.TerrainKey(p.Job.Request.ID, at.Col/2, at.Row/2), objects.TIFF, func(to io.Writer) error { return file.Close(to) })
}

// closeTerrain writes the plan when the terrain is known, and returns the plan that stands.
func (p *Terrain) closeTerrain(ctx context.Context, draft *record.Draft, found []terrainResult) (*record.Plan, error) {
	plan := draft.Plan
	sums := map[int]terrain.WetnessSum{}
	raised, sloping := 0, false
	for _, f := range found {
		raised += f.Floored
		sloping = sloping || f.Sloping
		for year, sum := range f.Wetness {
			all := sums[year]
			all.Add(sum)
			sums[year] = all
		}
	}
	if !sloping {
		return nil, errNoSlope()
	}
	if raised > 0 {
		plan.Findings.Add(floored(strconv.Itoa(raised)))
	}
	if err := p.MeanWetness(plan, sums); err != nil {
		return nil, err
	}
	plan.Created = p.Job.Now().UTC()
	p.Job.Log.Info("planned", "cells", plan.Width*plan.Height, "tiles", len(plan.Tiles))
	return record.WritePlan(ctx, p.Job.Store, p.Job.Request.ID, plan)
}

// removeReplaced deletes the scratch files that the phase before read and this one does not; behind the last phase of the
// terrain, whose blocks have all that tiles and maps read, also those that this one reads.
func (p *Terrain) removeReplaced(ctx context.Context, phase *job.Phase) error {
	after, err := terrainWorkOf(phase)
	if err != nil {
		return err
	}
	draft, err := record.ReadDraft(ctx, p.Job.Store, p.Job.Request.ID)
	if err != nil {
		return err
	}
	if phase.Number > 1 {
		earlier, err := p.Job.Store.Phase(ctx, p.Job.Request.ID, phase.Number-1)
		if err != nil {
			return err
		}
		before, err := terrainWorkOf(earlier)
		if err != nil {
			return err
		}
		if err := p.removeScratch(ctx, draft, before, after); err != nil {
			return err
		}
	}
	if phase.Kind != job.KindWetness {
		return nil
	}
	none := make([]int, len(after.Filled))
	return p.removeScratch(ctx, draft, after, &terrainWork{Filled: none, Area: none})
}

// removeScratch deletes the scratch files that the work of a phase reads and that of another does not.
func (p *Terrain) removeScratch(ctx context.Context, draft *record.Draft, before, after *terrainWork) error {
	across, _ := draft.Tiling().Tiles()
	var keys []string
	for what, written := range map[string][2][]int{scratchFilled: {before.Filled, after.Filled}, scratchArea: {before.Area, after.Area}} {
		for i, was := range written[0] {
			if was == 0 || i >= len(written[1]) || written[1][i] == was {
				continue
			}
			keys = append(keys, scratchKey(p.Job.Request.ID, what, was, terrain.Index{Col: i % across, Row: i / across}))
		}
	}
	return p.Job.Objects.Remove(ctx, keys)
}
