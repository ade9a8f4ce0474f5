package compute

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/cyverse-gis/eemt/functions/compute/engine"
	"github.com/cyverse-gis/eemt/functions/compute/objects"
	"github.com/cyverse-gis/eemt/functions/compute/record"
	"github.com/cyverse-gis/eemt/shared/dem"
	"github.com/cyverse-gis/eemt/shared/fault"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/raster"
	"github.com/cyverse-gis/eemt/shared/terrain"
)

// Drainage says how water is followed over the whole DEM. The zero value stands for the defaults.
type Drainage struct {
	// Inline is the longest that the plan's event may do it alone, as Cost
	// foresees; beyond, tasks of their own do. 0 means 60 s, less than 0 always tasks.
	Inline time.Duration
	// Side of the tiles, in cells; 0 lets Cost decide.
	Side int
	// Batch is how many windows a task has; 0 means as many as the planner has cores for.
	Batch int
}

// inline reports whether the plan follows water by itself.
func (p *terrainRun) inline(width, height int) bool {
	seconds := secondsOfTerrain / p.job.Cost.Speed * float64(width) * float64(height)
	if drainageThreads(p.job.Threads) > 1 {
		seconds /= gainOfThreads
	}
	return time.Duration(seconds*float64(time.Second)) <= cmp.Or(p.options.Inline, time.Minute)
}

// gainOfThreads is how much sooner threads are done with the terrain than one: windows
// of a round differ.
const gainOfThreads = 1.5

// drainageThreads is how many windows the plan, or a task, works on at a time, with so many threads.
func drainageThreads(threads int) int { return min(max(threads, 1), 4) }

// drainageSide is the side of tiles that threads work on.
func (p *terrainRun) drainageSide(threads int) int {
	return cmp.Or(p.options.Side, drainageSide(p.job.Cost.Memory/int64(threads)))
}

// makeDraft writes what the plan can tell before the terrain is known.
func (p *terrainRun) makeDraft(ctx context.Context, plan *record.Plan) error {
	batch := cmp.Or(p.options.Batch, drainageThreads(p.job.Threads))
	draft := &record.Draft{Plan: plan, Side: p.drainageSide(batch), Batch: batch}
	plan.TerrainSide = 2 * draft.Side
	plan.Created = p.job.Now().UTC()
	draft, err := record.WriteDraft(ctx, p.job.Store, p.job.Request.ID, draft)
	if err != nil {
		return err
	}
	across, down := draft.Tiling().Tiles()
	p.job.Log.Info("drafted", "cells", plan.Width*plan.Height, "tiles of terrain", across*down)
	return nil
}

// terrainWork is what the tasks of a phase of the terrain need to know.
type terrainWork struct {
	// Windows are the places of the windows of the terrain's tiling that are worked on, Batch is how many a task has.
	Windows []terrain.Index `json:"windows"`
	Batch   int             `json:"batch"`
	// Filled and Area tell of each tile, row by row, which phase wrote it last; 0 for none.
	Filled []int `json:"filled,omitempty"`
	Area   []int `json:"area,omitempty"`
	// News is what no window was taken for yet.
	News []terrain.DirtyRegion `json:"news,omitempty"`
	// Known counts the cells whose area was known before this phase.
	Known int `json:"known,omitempty"`
}

func firstOfTerrain(draft *record.Draft) *terrainWork {
	across, down := draft.Tiling().Tiles()
	course := terrain.NewWorkQueue(draft.Tiling(), true)
	return &terrainWork{
		Windows: course.Next(math.MaxInt), Batch: max(1, draft.Batch), News: course.Remaining(),
		Filled: make([]int, across*down), Area: make([]int, across*down),
	}
}

// phase is the record of the phase that does the work. A task has the name of its first window.
func (w *terrainWork) phase(kind job.Kind, share float64) (*job.Phase, error) {
	p := &job.Phase{Kind: kind, Share: share}
	for windows := range slices.Chunk(w.Windows, max(1, w.Batch)) {
		p.Tasks = append(p.Tasks, job.Task{Name: job.TaskName(windows[0].Row, windows[0].Col), Size: len(windows)})
	}
	var err error
	p.Data, err = json.Marshal(w)
	return p, err
}

// terrainWorkOf reads what phase of a phase says.
func terrainWorkOf(p *job.Phase) (*terrainWork, error) {
	w := new(terrainWork)
	if err := json.Unmarshal(p.Data, w); err != nil {
		return nil, fmt.Errorf("%w: phase %d: %w", job.ErrDamaged, p.Number, err)
	}
	return w, nil
}

// windowsOf returns the windows of a task; none when there is no such task.
func (w *terrainWork) windowsOf(task string) []terrain.Index {
	for windows := range slices.Chunk(w.Windows, max(1, w.Batch)) {
		if job.TaskName(windows[0].Row, windows[0].Col) == task {
			return windows
		}
	}
	return nil
}

// terrainResult is what a task of the terrain found.
type terrainResult struct {
	// Wrote are the tiles that the task wrote.
	Wrote []terrain.Index `json:"wrote,omitempty"`
	// News for the windows around.
	News []terrain.DirtyRegion `json:"news,omitempty"`
	// Known counts the cells whose area became known.
	Known int `json:"known,omitempty"`
	// Floored counts the cells whose wetness was raised to its floor; Sloping says
	// that some cell has a slope.
	Floored int  `json:"floored,omitempty"`
	Sloping bool `json:"sloping,omitempty"`
	// Wetness is summed by climate year.
	Wetness map[int]terrain.WetnessSum `json:"wetness,omitempty"`
}

// add adds what the task found in another window.
func (f *terrainResult) add(o terrainResult) {
	f.Wrote, f.News = append(f.Wrote, o.Wrote...), append(f.News, o.News...)
	f.Known, f.Floored, f.Sloping = f.Known+o.Known, f.Floored+o.Floored, f.Sloping || o.Sloping
	for year, sum := range o.Wetness {
		if f.Wetness == nil {
			f.Wetness = map[int]terrain.WetnessSum{}
		}
		all := f.Wetness[year]
		all.Add(sum)
		f.Wetness[year] = all
	}
}

// terrainResults decodes what the tasks of a phase found.
func terrainResults(done []job.Record) ([]terrainResult, error) {
	found := make([]terrainResult, len(done))
	for i, r := range done {
		if err := json.Unmarshal(r.Result, &found[i]); err != nil {
			return nil, fmt.Errorf("%w: record of %s: %w", job.ErrDamaged, r.Task, err)
		}
	}
	return found, nil
}

// drainageKind follows the water over the terrain: it fills depressions, sums areas, computes wetness.
type drainageKind struct {
	replica *Replica
	options Drainage
}

func (k drainageKind) run(r *engine.Run) *terrainRun {
	return &terrainRun{job: k.replica.Job(r), options: k.options}
}

// terrainRun follows the water for one job.
type terrainRun struct {
	job     *Job
	options Drainage
}

func (k drainageKind) Run(ctx context.Context, r *engine.Run) (any, error) {
	work, err := terrainWorkOf(r.Phase)
	if err != nil {
		return nil, err
	}
	draft, err := record.ReadDraft(ctx, k.replica.Store, r.ID())
	if err != nil {
		return nil, err
	}
	var found terrainResult
	p := k.run(r)
	if err := p.windows(ctx, draft, r.Phase, work, work.windowsOf(r.Task), &found); err != nil {
		return nil, err
	}
	p.job.Progress("terrain", r.Phase.Share, 1)
	return &found, nil
}

func (k drainageKind) Next(ctx context.Context, r *engine.Run, done []job.Record) (*job.Phase, error) {
	found, err := terrainResults(done)
	if err != nil {
		return nil, err
	}
	draft, err := record.ReadDraft(ctx, k.replica.Store, r.ID())
	if err != nil {
		return nil, err
	}
	if r.Phase.Kind == job.KindWetness {
		plan, err := k.run(r).closeTerrain(ctx, draft, found)
		if err != nil {
			return nil, err
		}
		return tilePhase(plan), nil
	}
	return nextOfTerrain(draft, r.Phase, found)
}

// Release removes the scratch files that only the phase before this one read, and when the plan is there all of them.
func (k drainageKind) Release(ctx context.Context, r *engine.Run, _ *job.Phase) {
	p := k.run(r)
	if err := p.removeReplaced(ctx, r.Phase); err != nil {
		r.Log.Warn("files of an earlier phase stay until the job ends", "error", err)
	}
}

// windows does the work of one task: as many windows at a time as there are cores for.
func (p *terrainRun) windows(ctx context.Context, draft *record.Draft, phase *job.Phase, course *terrainWork, windows []terrain.Index, found *terrainResult) error {
	each := make([]terrainResult, len(windows))
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(drainageThreads(p.job.Threads))
	for i, at := range windows {
		work.Go(p.job.Guarded(ctx, func(ctx context.Context) error { return p.window(ctx, draft, phase, course, at, &each[i]) }))
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
func (p *terrainRun) window(ctx context.Context, draft *record.Draft, phase *job.Phase, course *terrainWork, at terrain.Index, found *terrainResult) error {
	d, closer, err := p.job.OpenDEM(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = closer.Close() }()
	filled, err := p.scratch(draft, course, scratchFilled)
	if err != nil {
		return err
	}
	area, err := p.scratch(draft, course, scratchArea)
	if err != nil {
		return err
	}
	t := draft.Tiling()
	switch phase.Kind {
	case job.KindFill:
		frame := t.Window(at).Grow(terrain.FillHalo).Intersect(d.Bounds())
		ground, err := d.Elevation(ctx, frame)
		if err != nil {
			return InputError(err)
		}
		return filled.change(ctx, phase.Number, at, frame, found, func(cells *raster.Grid[float64]) error {
			found.News = t.Fill(at, ground, cells)
			return nil
		})
	case job.KindArea:
		frame := t.Window(at).Grow(terrain.AreaHalo).Intersect(d.Bounds())
		ground, err := filled.read(ctx, frame)
		if err != nil {
			return err
		}
		return area.change(ctx, phase.Number, at, frame, found, func(cells *raster.Grid[float64]) error {
			found.News, found.Known = t.Area(at, ground, cells, d.Cell.Rows(frame.Row, frame.Height))
			return nil
		})
	case job.KindWetness:
		return p.wetnessPiece(ctx, draft, d, area, t.Window(at), at, found)
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

// wetnessPiece writes the terrain file of a window, and sums its wetness.
func (p *terrainRun) wetnessPiece(ctx context.Context, draft *record.Draft, d *dem.DEM, scratch *scratch, w raster.Window, at terrain.Index, found *terrainResult) error {
	area, err := scratch.read(ctx, w)
	if err != nil {
		return err
	}
	spools := newSpools(p.job.Temp)
	defer spools.remove()
	file, err := p.newTerrainFile(d, w, spools)
	if err != nil {
		return err
	}
	wetness := raster.New[float32](w.Width, w.Height)
	local := func(square raster.Window) raster.Window {
		square.Col -= w.Col
		square.Row -= w.Row
		return square
	}
	for square := range squares(w) {
		if err := ctx.Err(); err != nil {
			return err
		}
		g, err := file.add(ctx, d, square, area.Sub(local(square)))
		if err != nil {
			return err
		}
		to := local(square)
		for r := range to.Height {
			copy(wetness.Row(to.Row + r)[to.Col:], g.Row(r))
		}
	}
	found.Floored, found.Sloping = file.floored, file.sloping
	found.Wetness, err = p.sumSquares(ctx, d, draft.Plan, w, max(1, draft.Batch), func(_ context.Context, square raster.Window) (*raster.Grid[float64], error) {
		g := raster.New[float64](square.Width, square.Height)
		for i, v := range wetness.Sub(local(square)).Cells {
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
	return p.job.Objects.Put(ctx, pieceKey(p.job.Request.ID, at.Col/2, at.Row/2), objects.TIFF, func(to io.Writer) error { return file.Close(to) })
}

// pieceKey is the object of a piece of the terrain file.
func pieceKey(id string, col, row int) string {
	return job.WorkKey(id, "terrain/"+job.TaskName(row, col)+".tif")
}

// terrainPieces lists what the terrain file of a plan consists of.
func terrainPieces(id string, plan *record.Plan, w raster.Window) []filePart {
	whole := raster.Window{Width: plan.Width, Height: plan.Height}
	side := plan.TerrainSide
	if side == 0 {
		return []filePart{{window: whole, key: job.WorkKey(id, terrainFile)}}
	}
	var list []filePart
	for r := w.Row / side; r*side < w.Row+w.Height; r++ {
		for c := w.Col / side; c*side < w.Col+w.Width; c++ {
			list = append(list, filePart{
				window: raster.Window{Col: c * side, Row: r * side, Width: side, Height: side}.Intersect(whole), key: pieceKey(id, c, r),
			})
		}
	}
	return list
}

// filePart is a file that has some window of the DEM.
type filePart struct {
	window raster.Window
	key    string
}

// readWetness reads a window of the wetness index.
func (p *tilePart) readWetness(ctx context.Context, plan *record.Plan, w raster.Window) (*raster.Grid[float64], error) {
	g := raster.New[float64](w.Width, w.Height)
	for _, part := range terrainPieces(p.job.Request.ID, plan, w) {
		common := w.Intersect(part.window)
		local := common
		local.Col -= part.window.Col
		local.Row -= part.window.Row
		cells, err := p.job.Objects.Band(ctx, part.key, 0, local)
		if err != nil {
			return nil, err
		}
		for r := range common.Height {
			copy(g.Row(common.Row - w.Row + r)[common.Col-w.Col:], cells.Row(r))
		}
	}
	return g, nil
}

// The shares of the terrain's time that filling and area take.
const (
	shareOfFilling = 0.45
	shareOfArea    = 0.45
)

// nextOfTerrain returns the phase that follows on one of filling or area.
// It depends on the records alone: whoever makes it makes the same.
func nextOfTerrain(draft *record.Draft, phase *job.Phase, found []terrainResult) (*job.Phase, error) {
	work, err := terrainWorkOf(phase)
	if err != nil {
		return nil, err
	}
	t := draft.Tiling()
	across, _ := t.Tiles()
	kind, share := phase.Kind, 0.0
	next := &terrainWork{Batch: work.Batch, Filled: slices.Clone(work.Filled), Area: slices.Clone(work.Area), Known: work.Known}
	course := terrain.RestoreWorkQueue(t, kind == job.KindFill, work.News)
	written := next.Filled
	if kind == job.KindArea {
		written = next.Area
	}
	for k, f := range found {
		course.Add(f.News)
		next.Known += f.Known
		for _, tile := range f.Wrote {
			i := tile.Row*across + tile.Col
			if tile.Col < 0 || tile.Col >= across || i < 0 || i >= len(written) {
				return nil, fmt.Errorf("%w: task %s wrote tile %v, which there is not", job.ErrDamaged, phase.Tasks[k].Name, tile)
			}
			written[i] = phase.Number
		}
	}
	all := t.Width * t.Height
	if kind == job.KindFill {
		next.Windows = course.Next(math.MaxInt)
		share = max(phase.Share, shareOfFilling*course.Share())
		if len(next.Windows) == 0 {
			kind, share = job.KindArea, shareOfFilling
			course = terrain.NewWorkQueue(t, false)
		}
	}
	if kind == job.KindArea && len(next.Windows) == 0 {
		next.Windows = course.Next(math.MaxInt)
		if len(next.Windows) > 0 {
			share = shareOfFilling + shareOfArea*float64(next.Known)/float64(all)
		} else if next.Known != all {
			return nil, fmt.Errorf("%d of %d cells have no area: their water runs in a circle", all-next.Known, all)
		}
	}
	next.News = course.Remaining()
	if len(next.Windows) == 0 {
		kind, next.Windows, share = job.KindWetness, blocksOfTerrain(t), shareOfFilling+shareOfArea
	}
	return next.phase(kind, share)
}

// blocksOfTerrain lists the windows whose cells are one object of the terrain each, two by two tiles.
func blocksOfTerrain(t terrain.Tiling) []terrain.Index {
	across, down := t.Tiles()
	var list []terrain.Index
	for r := 0; r < down; r += 2 {
		for c := 0; c < across; c += 2 {
			list = append(list, terrain.Index{Col: c, Row: r})
		}
	}
	return list
}

// closeTerrain writes the plan when the terrain is known, and returns the plan that stands.
func (p *terrainRun) closeTerrain(ctx context.Context, draft *record.Draft, found []terrainResult) (*record.Plan, error) {
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
	if err := p.meanWetness(plan, sums); err != nil {
		return nil, err
	}
	plan.Created = p.job.Now().UTC()
	p.job.Log.Info("planned", "cells", plan.Width*plan.Height, "tiles", len(plan.Tiles))
	return record.WritePlan(ctx, p.job.Store, p.job.Request.ID, plan)
}

// removeReplaced deletes the scratch files that the phase before read and this one does not; behind the last phase of the
// terrain, whose blocks have all that tiles and maps read, also those that this one reads.
func (p *terrainRun) removeReplaced(ctx context.Context, phase *job.Phase) error {
	after, err := terrainWorkOf(phase)
	if err != nil {
		return err
	}
	draft, err := record.ReadDraft(ctx, p.job.Store, p.job.Request.ID)
	if err != nil {
		return err
	}
	if phase.Number > 1 {
		earlier, err := p.job.Store.Phase(ctx, p.job.Request.ID, phase.Number-1)
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
func (p *terrainRun) removeScratch(ctx context.Context, draft *record.Draft, before, after *terrainWork) error {
	across, _ := draft.Tiling().Tiles()
	var keys []string
	for what, written := range map[string][2][]int{scratchFilled: {before.Filled, after.Filled}, scratchArea: {before.Area, after.Area}} {
		for i, was := range written[0] {
			if was == 0 || i >= len(written[1]) || written[1][i] == was {
				continue
			}
			keys = append(keys, scratchKey(p.job.Request.ID, what, was, terrain.Index{Col: i % across, Row: i / across}))
		}
	}
	return p.job.Objects.Remove(ctx, keys)
}
