package compute

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/cyverse-gis/eemt/eventing"
	"github.com/cyverse-gis/eemt/shared/dem"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/raster"
	"github.com/cyverse-gis/eemt/shared/terrain"
)

// Drainage says how water is followed over the whole DEM. The zero value stands for the defaults.
type Drainage struct {
	// Inline is the longest that the plan's event may do it alone, as Cost
	// foresees; beyond, stages of tasks do. 0 means 60 s, less than 0 always stages.
	Inline time.Duration
	// Side of the tiles, in cells; 0 lets Cost decide.
	Side int
	// Together is how many windows a task has; 0 means as many as the planner has cores for.
	Together int
}

// drainsInline reports whether the plan follows water by itself.
func (p *piece) drainsInline(width, height int) bool {
	seconds := secondsOfTerrain / p.cost().Speed * float64(width) * float64(height)
	if drainageThreads(p.Threads) > 1 {
		seconds /= gainOfThreads
	}
	return time.Duration(seconds*float64(time.Second)) <= cmp.Or(p.Drainage.Inline, time.Minute)
}

// gainOfThreads is how much sooner threads are done with the terrain than one: windows
// of a round differ.
const gainOfThreads = 1.5

// drainageThreads is how many windows the plan, or a task, works on at a time, with so many threads.
func drainageThreads(threads int) int { return min(max(threads, 1), 4) }

// drainageSide is the side of tiles that threads work on.
func (p *piece) drainageSide(threads int) int {
	return cmp.Or(p.Drainage.Side, drainageSide(p.cost().Memory/int64(threads)))
}

// makeDraft does what the plan can before the terrain is known.
func (p *piece) makeDraft(ctx context.Context, plan *job.Plan) (*job.Draft, error) {
	together := cmp.Or(p.Drainage.Together, drainageThreads(p.Threads))
	draft := &job.Draft{Plan: plan, Side: p.drainageSide(together), Together: together}
	plan.TerrainSide = 2 * draft.Side
	plan.Created = p.Now().UTC()
	draft, err := p.Store.WriteDraft(ctx, p.request.ID, draft)
	if err != nil {
		return nil, err
	}
	across, down := draft.Tiling().Tiles()
	p.log.Info("drafted", "cells", plan.Width*plan.Height, "tiles of terrain", across*down)
	return draft, nil
}

// resumeStages asks for what is missing of the newest stage, or goes on to the next.
func (p *piece) resumeStages(ctx context.Context, draft *job.Draft, attempt int) error {
	stage, err := p.Store.NewestStage(ctx, p.request.ID)
	if errors.Is(err, job.ErrNotFound) {
		stage = firstStage(draft)
		stage.Created = p.Now().UTC()
		if _, err = p.Store.WriteStage(ctx, p.request.ID, stage); err == nil {
			stage, err = p.Store.Stage(ctx, p.request.ID, stage.Number)
		}
	}
	if err != nil {
		return err
	}
	missing, err := p.askForStage(ctx, stage, attempt)
	if err != nil || missing > 0 {
		return err
	}
	return p.closeStage(ctx, draft, stage, attempt, true)
}

// askForStage asks for the tasks of a stage that are not done, and returns how many there are.
func (p *piece) askForStage(ctx context.Context, stage *job.Stage, attempt int) (missing int, err error) {
	done, err := p.Store.FoundIn(ctx, p.request.ID, stage.Number)
	if err != nil {
		return 0, err
	}
	var tasks []string
	for task := range stage.Tasks() {
		if _, ok := done[task]; !ok {
			tasks = append(tasks, task)
		}
	}
	if len(tasks) == 0 {
		return 0, nil
	}
	if err := p.askFor(ctx, tasks, attempt); err != nil {
		return 0, err
	}
	return len(tasks), p.Store.MarkAskedFor(ctx, p.request.ID, stage.Number)
}

func firstStage(draft *job.Draft) *job.Stage {
	across, down := draft.Tiling().Tiles()
	course := terrain.NewCourse(draft.Tiling(), true)
	return &job.Stage{
		Number: 1, Kind: job.FillStage, Windows: course.Next(math.MaxInt), Together: draft.Together, News: course.Left(),
		Filled: make([]int, across*down), Area: make([]int, across*down),
	}
}

// stageTask does one task of a stage, records it, and goes on to the next stage if it was the last.
func (p *piece) stageTask(ctx context.Context, task string, attempt int) error {
	number, _ := job.StageOf(task)
	id := p.request.ID
	stage, err := p.Store.Stage(ctx, id, number)
	if errors.Is(err, job.ErrNotFound) {
		p.log.Warn("task asked for before its stage: who makes that asks again", "task", task)
		return nil
	}
	if err != nil {
		return err
	}
	windows := stage.WindowsOf(task)
	if windows == nil {
		return eventing.Reject(fmt.Errorf("job %s has no task %q", id, task))
	}
	draft, err := p.Store.Draft(ctx, id)
	if err != nil {
		return err
	}
	_, err = p.Store.Found(ctx, id, task)
	if err != nil && !errors.Is(err, job.ErrNotFound) {
		return err
	}
	again := err == nil
	if !again {
		found := job.Found{Task: task, Attempt: attempt}
		begun, late := p.Now(), false
		err := p.try(ctx, task, func(ctx context.Context) error {
			err := p.windows(ctx, draft, stage, windows, &found)
			if errors.Is(err, errNoScratch) {
				// Two stages later the files go: then this try is a late copy of one that was done.
				_, looked := p.Store.Found(ctx, id, task)
				if late = looked == nil; late {
					return nil
				}
			}
			return err
		})
		if err != nil || late {
			return err
		}
		found.Ended = p.Now().UTC()
		found.Seconds = found.Ended.Sub(begun).Seconds()
		if err := p.Store.WriteFound(ctx, id, found); err != nil {
			return err
		}
		p.log.Info("terrain task done", "task", task, "kind", stage.Kind, "seconds", math.Round(found.Seconds*10)/10)
	}
	done, err := p.Store.FoundIn(ctx, id, number)
	if err != nil {
		return err
	}
	p.report(id, "terrain", stage.Share, 1)
	for task := range stage.Tasks() {
		if _, ok := done[task]; !ok {
			return nil
		}
	}
	return p.closeStage(ctx, draft, stage, attempt, again)
}

// errNoScratch says that a scratch file is gone.
var errNoScratch = errors.New("the file is gone")

// windows does the work of one task: as many windows at a time as there are cores for.
func (p *piece) windows(ctx context.Context, draft *job.Draft, stage *job.Stage, windows []terrain.Place, found *job.Found) error {
	each := make([]job.Found, len(windows))
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(drainageThreads(p.Threads))
	for i, at := range windows {
		work.Go(p.guarded(ctx, func(ctx context.Context) error { return p.window(ctx, draft, stage, at, &each[i]) }))
	}
	if err := work.Wait(); err != nil {
		return err
	}
	for _, f := range each {
		found.Add(f)
	}
	return nil
}

// window does the work of a task in one window.
func (p *piece) window(ctx context.Context, draft *job.Draft, stage *job.Stage, at terrain.Place, found *job.Found) error {
	d, closer, err := p.openDEM(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = closer.Close() }()
	filled, err := p.scratch(draft, stage, scratchFilled)
	if err != nil {
		return err
	}
	area, err := p.scratch(draft, stage, scratchArea)
	if err != nil {
		return err
	}
	t := draft.Tiling()
	switch stage.Kind {
	case job.FillStage:
		frame := t.Window(at).Grow(terrain.FillFrame).Intersect(d.Bounds())
		ground, err := d.Elevation(ctx, frame)
		if err != nil {
			return p.inputError(err)
		}
		return filled.change(ctx, stage.Number, at, frame, found, func(cells *raster.Grid[float64]) error {
			found.News = t.Fill(at, ground, cells)
			return nil
		})
	case job.AreaStage:
		frame := t.Window(at).Grow(terrain.AreaFrame).Intersect(d.Bounds())
		ground, err := filled.read(ctx, frame)
		if err != nil {
			return err
		}
		return area.change(ctx, stage.Number, at, frame, found, func(cells *raster.Grid[float64]) error {
			found.News, found.Known = t.Area(at, ground, cells, d.Cell.Rows(frame.Row, frame.Height))
			return nil
		})
	case job.WetnessStage:
		return p.wetnessPiece(ctx, draft, d, area, t.Window(at), at, found)
	}
	return fmt.Errorf("%w: stage %d is of kind %q", job.ErrDamaged, stage.Number, stage.Kind)
}

// change reads the frame around a window, lets f change the window, and stores what did.
func (s *scratch) change(ctx context.Context, stage int, at terrain.Place, frame raster.Window, found *job.Found, f func(cells *raster.Grid[float64]) error) error {
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
	found.Wrote, err = s.write(ctx, stage, at, cells, frame, was)
	return err
}

// wetnessPiece writes the terrain file of a window, and sums its wetness.
func (p *piece) wetnessPiece(ctx context.Context, draft *job.Draft, d *dem.DEM, scratch *scratch, w raster.Window, at terrain.Place, found *job.Found) error {
	area, err := scratch.read(ctx, w)
	if err != nil {
		return err
	}
	spools := newSpools(p.Temp)
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
		g, err := file.add(ctx, p, d, square, area.Sub(local(square)))
		if err != nil {
			return err
		}
		to := local(square)
		for r := range to.Height {
			copy(wetness.Row(to.Row + r)[to.Col:], g.Row(r))
		}
	}
	found.Floored, found.Sloping = file.floored, file.sloping
	found.Wetness, err = p.sumSquares(ctx, d, draft.Plan, w, max(1, draft.Together), func(_ context.Context, square raster.Window) (*raster.Grid[float64], error) {
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
			return &badInput{fmt.Errorf("mean wetness of %d: %w", year, err)}
		}
	}
	return p.put(ctx, pieceKey(p.request.ID, at.Col/2, at.Row/2), tiffType, func(to io.Writer) error { return file.Close(to) })
}

// pieceKey is the object of a piece of the terrain file.
func pieceKey(id string, col, row int) string {
	return job.WorkKey(id, "terrain/"+job.TaskName(row, col)+".tif")
}

// terrainPieces lists what the terrain file of a plan consists of.
func (p *piece) terrainPieces(plan *job.Plan, w raster.Window) []filePart {
	whole := raster.Window{Width: plan.Width, Height: plan.Height}
	side := plan.TerrainSide
	if side == 0 {
		return []filePart{{window: whole, key: job.WorkKey(p.request.ID, terrainFile)}}
	}
	var list []filePart
	for r := w.Row / side; r*side < w.Row+w.Height; r++ {
		for c := w.Col / side; c*side < w.Col+w.Width; c++ {
			list = append(list, filePart{
				window: raster.Window{Col: c * side, Row: r * side, Width: side, Height: side}.Intersect(whole), key: pieceKey(p.request.ID, c, r),
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
func (p *piece) readWetness(ctx context.Context, plan *job.Plan, w raster.Window) (*raster.Grid[float64], error) {
	g := raster.New[float64](w.Width, w.Height)
	for _, part := range p.terrainPieces(plan, w) {
		common := w.Intersect(part.window)
		local := common
		local.Col -= part.window.Col
		local.Row -= part.window.Row
		cells, err := p.readWork(ctx, part.key, 0, local)
		if err != nil {
			return nil, err
		}
		for r := range common.Height {
			copy(g.Row(common.Row - w.Row + r)[common.Col-w.Col:], cells.Row(r))
		}
	}
	return g, nil
}

// closeStage goes on from a stage whose tasks are all done. again says that whoever
// was here before may have died before everything was asked for.
func (p *piece) closeStage(ctx context.Context, draft *job.Draft, stage *job.Stage, attempt int, again bool) error {
	id := p.request.ID
	found, err := p.readFound(ctx, stage)
	if err != nil {
		return err
	}
	next, err := nextStage(draft, stage, found)
	if err != nil {
		return err
	}
	if next == nil {
		return p.closeTerrain(ctx, draft, stage, found, attempt, again)
	}
	next.Created = p.Now().UTC()
	won, err := p.Store.WriteStage(ctx, id, next)
	if err != nil {
		return err
	}
	if ask, err := p.mayAsk(ctx, next.Number, won, again); err != nil || !ask {
		return err
	}
	if _, err := p.askForStage(ctx, next, attempt); err != nil {
		return err
	}
	p.removeReplaced(ctx, draft, stage)
	return nil
}

// mayAsk reports whether this event asks for the tasks of a stage: who made the stage
// does, or who comes after one that died before it had.
func (p *piece) mayAsk(ctx context.Context, stage int, won, again bool) (bool, error) {
	if won || !again {
		return won, nil
	}
	asked, err := p.Store.AskedFor(ctx, p.request.ID, stage)
	return !asked, err
}

// readFound reads the records of all tasks of a stage, in their order.
func (p *piece) readFound(ctx context.Context, stage *job.Stage) ([]job.Found, error) {
	var tasks []string
	for task := range stage.Tasks() {
		tasks = append(tasks, task)
	}
	found := make([]job.Found, len(tasks))
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(p.atOnce())
	for i, task := range tasks {
		work.Go(func() (err error) {
			found[i], err = p.Store.Found(ctx, p.request.ID, task)
			return err
		})
	}
	return found, work.Wait()
}

// The shares of the terrain's time that filling and area take.
const (
	shareOfFilling = 0.45
	shareOfArea    = 0.45
)

// nextStage says how work goes on after all tasks of a stage; nil when the terrain is known.
// It depends on the records alone: whoever makes it makes the same.
func nextStage(draft *job.Draft, stage *job.Stage, found []job.Found) (*job.Stage, error) {
	if stage.Kind == job.WetnessStage {
		return nil, nil
	}
	t := draft.Tiling()
	across, _ := t.Tiles()
	next := &job.Stage{
		Number: stage.Number + 1, Kind: stage.Kind, Together: stage.Together, Filled: slices.Clone(stage.Filled), Area: slices.Clone(stage.Area), Known: stage.Known,
	}
	course := terrain.Restore(t, stage.Kind == job.FillStage, stage.News)
	stages := next.Filled
	if stage.Kind == job.AreaStage {
		stages = next.Area
	}
	for _, f := range found {
		course.Add(f.News)
		next.Known += f.Known
		for _, tile := range f.Wrote {
			if i := tile.Row*across + tile.Col; tile.Col < 0 || tile.Col >= across || i < 0 || i >= len(stages) {
				return nil, fmt.Errorf("%w: task %s wrote tile %v, which there is not", job.ErrDamaged, f.Task, tile)
			}
			stages[tile.Row*across+tile.Col] = stage.Number
		}
	}
	all := t.Width * t.Height
	if next.Kind == job.FillStage {
		next.Windows = course.Next(math.MaxInt)
		next.Share = max(stage.Share, shareOfFilling*course.Share())
		if len(next.Windows) == 0 {
			next.Kind = job.AreaStage
			next.Share = shareOfFilling
			course = terrain.NewCourse(t, false)
		}
	}
	if next.Kind == job.AreaStage && len(next.Windows) == 0 {
		next.Windows = course.Next(math.MaxInt)
		if len(next.Windows) > 0 {
			next.Share = shareOfFilling + shareOfArea*float64(next.Known)/float64(all)
		} else if next.Known != all {
			return nil, fmt.Errorf("%d of %d cells have no area: their water runs in a circle", all-next.Known, all)
		}
	}
	next.News = course.Left()
	if len(next.Windows) == 0 {
		next.Kind, next.Windows, next.Share = job.WetnessStage, draft.TerrainPieces(), shareOfFilling+shareOfArea
	}
	return next, nil
}

// closeTerrain writes the plan, asks for its tiles, and removes what stages kept of the terrain.
func (p *piece) closeTerrain(ctx context.Context, draft *job.Draft, stage *job.Stage, found []job.Found, attempt int, again bool) error {
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
		return errNoSlope()
	}
	if raised > 0 {
		plan.Findings.Add(floored(strconv.Itoa(raised)))
	}
	if err := p.meanWetness(plan, sums); err != nil {
		return err
	}
	plan.Created = p.Now().UTC()
	p.log.Info("planned", "cells", plan.Width*plan.Height, "tiles", len(plan.Tiles))
	stands, err := p.Store.WritePlan(ctx, p.request.ID, plan)
	if err != nil {
		return err
	}
	if ask, err := p.mayAsk(ctx, job.PlanTiles, stands == plan, again); err != nil || !ask {
		return err
	}
	if err := p.ask(ctx, stands, attempt); err != nil {
		return err
	}
	if err := p.Store.MarkAskedFor(ctx, p.request.ID, job.PlanTiles); err != nil {
		return err
	}
	p.removeReplaced(ctx, draft, stage)
	// The pieces have all that tiles and maps read; nobody reads what the last stage did.
	across, down := draft.Tiling().Tiles()
	none := make([]int, across*down)
	p.removeScratch(ctx, draft, stage, &job.Stage{Filled: none, Area: none})
	return nil
}

// removeReplaced deletes the scratch files that only the stage before this one read.
// What an interruption leaves goes with the job's work.
func (p *piece) removeReplaced(ctx context.Context, draft *job.Draft, stage *job.Stage) {
	if stage.Number < 2 {
		return
	}
	before, err := p.Store.Stage(ctx, p.request.ID, stage.Number-1)
	if err != nil {
		p.log.Warn("files of an earlier stage stay until the job ends", "error", err)
		return
	}
	p.removeScratch(ctx, draft, before, stage)
}

// removeScratch deletes the scratch files that a stage reads and the other does not.
func (p *piece) removeScratch(ctx context.Context, draft *job.Draft, before, after *job.Stage) {
	across, _ := draft.Tiling().Tiles()
	var keys []string
	for what, stages := range map[string][2][]int{scratchFilled: {before.Filled, after.Filled}, scratchArea: {before.Area, after.Area}} {
		for i, was := range stages[0] {
			if was == 0 || i >= len(stages[1]) || stages[1][i] == was {
				continue
			}
			keys = append(keys, scratchKey(p.request.ID, what, was, terrain.Place{Col: i % across, Row: i / across}))
		}
	}
	if err := p.delete(ctx, keys); err != nil {
		p.log.Warn("files of an earlier stage stay until the job ends", "error", err)
	}
}
