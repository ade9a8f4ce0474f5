package compute

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"slices"
	"strings"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"
	"golang.org/x/sync/errgroup"

	"github.com/cyverse-gis/eemt/eventing"
	"github.com/cyverse-gis/eemt/shared/energy"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/param"
)

// assembly turns the tiles' work files into result maps, then previews and the
// report, and ends the job. A map that is there already is not made again.
//
// Small jobs are put together by one event. Where that would take long on this replica,
// groups of maps are tasks like tiles: whoever makes the last map of a stage asks for the
// next stage, or ends the job.
type assembly struct {
	*mosaic
	tasks  []job.Task
	sums   map[int]job.Sums
	kappa  map[int][12]float64
	groups []group
	close  func()
}

// assemble does the work of tiles.completed: it makes the maps, or asks for them.
func (p *piece) assemble(ctx context.Context, attempt int) error {
	a, err := p.newAssembly(ctx)
	if a == nil || err != nil {
		return err
	}
	defer a.close()
	if !anyValid(a.tasks) {
		return &badInput{errors.New("no cell of the DEM has a result: slope needs a cell and its eight neighbours, and none has them all")}
	}
	if a.isLong() {
		if asked, err := a.ask(ctx, attempt); asked || err != nil {
			return err
		}
		return a.finish(ctx)
	}
	for stage := range a.stages {
		if err := a.run(ctx, a.groupsIn(stage)); err != nil {
			return err
		}
	}
	return a.finish(ctx)
}

// makeMaps makes the maps of one group. If they were the last ones, it asks for those of
// the next stage, or ends the job.
func (p *piece) makeMaps(ctx context.Context, task string, attempt int) error {
	a, err := p.newAssembly(ctx)
	if a == nil || err != nil {
		return err
	}
	defer a.close()
	n := slices.IndexFunc(a.groups, func(g group) bool { return g.task == task })
	if n < 0 {
		return eventing.Reject(fmt.Errorf("job %s has no task %q: its maps are the groups %s to %s", p.request.ID, task, a.groups[0].task, a.groups[len(a.groups)-1].task))
	}
	g := a.groups[n]
	if a.stage() < g.stage {
		p.log.Warn("maps asked for too early: the last map that they are made of asks again", "task", task)
		return nil
	}
	if a.anyMissing(g) {
		begun := p.Now()
		if err := p.try(ctx, task, func(ctx context.Context) error { return a.run(ctx, []group{g}) }); err != nil {
			return err
		}
		p.log.Info("maps made", "task", task, "products", len(g.products), "seconds", math.Round(10*p.Now().Sub(begun).Seconds())/10)
		a.noteChecksums(ctx)
		// Everybody looks after the last map of their own is there, so that somebody sees all.
		if a.made, err = p.listResults(ctx); err != nil {
			return err
		}
		a.release(ctx, g.products)
	}
	if a.stage() == g.stage {
		return nil // others are at work
	}
	if asked, err := a.ask(ctx, attempt); asked || err != nil {
		return err
	}
	return p.try(ctx, job.AssemblyTask, a.finish)
}

// newAssembly reads what all tiles recorded; nil when the assembly was asked for too early.
func (p *piece) newAssembly(ctx context.Context) (*assembly, error) {
	plan, err := p.Store.Plan(ctx, p.request.ID)
	if errors.Is(err, job.ErrNotFound) {
		p.log.Warn("assembly asked for before the plan: nothing to do")
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	tasks, err := p.readTasks(ctx, plan)
	if tasks == nil || err != nil {
		return nil, err
	}
	a := &assembly{tasks: tasks}
	if a.sums, err = addSums(p.request, tasks); err != nil {
		return nil, err
	}
	a.kappa = closeWater(energy.DefaultParameters(), a.sums)
	stages := products(p.request, a.kappa)
	a.groups = groupsOf(plan, stages)
	made, err := p.listResults(ctx)
	if err != nil {
		return nil, err
	}
	d, closer, err := p.openDEM(ctx)
	if err != nil {
		return nil, err
	}
	a.close = func() { _ = closer.Close() }
	a.mosaic = &mosaic{piece: p, dem: d, plan: plan, stages: stages, made: made, gone: map[string]bool{}, block: resultBlock(plan), total: mapsOf(p.request)}
	for _, stage := range a.stages {
		for _, pr := range stage {
			if !a.missing(pr) {
				a.done += float64(len(pr.maps))
			}
		}
	}
	return a, nil
}

// readTasks reads the records of all tiles; nil when one is not there yet.
func (p *piece) readTasks(ctx context.Context, plan *job.Plan) ([]job.Task, error) {
	done, err := p.Store.Done(ctx, p.request.ID)
	if err != nil {
		return nil, err
	}
	for _, t := range plan.Tiles {
		if _, ok := done[t.Task]; !ok {
			p.log.Warn("assembly asked for too early: the last tile asks again", "missing", t.Task)
			return nil, nil
		}
	}
	tasks := make([]job.Task, len(plan.Tiles))
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(p.atOnce())
	for i, t := range plan.Tiles {
		work.Go(func() (err error) {
			tasks[i], err = p.Store.Task(ctx, p.request.ID, t.Task)
			return err
		})
	}
	return tasks, work.Wait()
}

// isLong reports whether the maps take too long to be made by one event on this replica.
func (a *assembly) isLong() bool {
	c := a.cost()
	within := cmp.Or(a.AssembleWithin, defaultAssembleWithin)
	return len(a.groups) > 1 && secondsOf(a.plan, a.groups)/(float64(c.Cores)*c.Speed) > within.Seconds()
}

// defaultAssembleWithin is a tenth of what platforms allow for an event.
const defaultAssembleWithin = time.Minute

func (a *assembly) groupsIn(stage int) []group {
	return slices.DeleteFunc(slices.Clone(a.groups), func(g group) bool { return g.stage != stage })
}

func (a *assembly) anyMissing(g group) bool { return slices.ContainsFunc(g.products, a.missing) }

// stage is the first one that lacks a map; beyond the last when all are there.
func (a *assembly) stage() int {
	for _, g := range a.groups {
		if a.anyMissing(g) {
			return g.stage
		}
	}
	return len(a.stages)
}

// ask requests the groups of the first stage that lacks maps; false when none does.
func (a *assembly) ask(ctx context.Context, attempt int) (bool, error) {
	var tasks []string
	for _, g := range a.groupsIn(a.stage()) {
		if a.anyMissing(g) {
			tasks = append(tasks, g.task)
		}
	}
	return len(tasks) > 0, a.askFor(ctx, tasks, attempt)
}

// finish ends a job whose maps are all there.
func (a *assembly) finish(ctx context.Context) error {
	if err := a.writeReport(ctx); err != nil {
		return err
	}
	end, err := a.end(ctx, job.End{State: job.Completed})
	if end.State == job.Completed {
		a.log.Info("job completed", "maps", a.total)
	}
	if err == nil && end.State == job.Completed {
		a.removeWork(ctx, a.request.ID, a.log)
	}
	return err
}

func anyValid(tasks []job.Task) bool {
	for _, t := range tasks {
		if t.Valid > 0 {
			return true
		}
	}
	return false
}

// addSums adds what all tiles summed, by climate year.
func addSums(r job.Request, tasks []job.Task) (map[int]job.Sums, error) {
	if r.Workflow != param.EEMT {
		return nil, nil
	}
	sums := map[int]job.Sums{}
	for _, year := range r.Parameters.Years() {
		var total job.Sums
		for _, t := range tasks {
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
func closeWater(params energy.Parameters, sums map[int]job.Sums) map[int][12]float64 {
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

func (s *Service) listKeys(ctx context.Context, prefix string) ([]string, error) {
	var keys []string
	it := s.Store.Bucket.List(&blob.ListOptions{Prefix: prefix})
	for {
		o, err := it.Next(ctx)
		if errors.Is(err, io.EOF) {
			return keys, nil
		}
		if err != nil {
			return nil, fmt.Errorf("list %s: %w", prefix, err)
		}
		keys = append(keys, o.Key)
	}
}

func (p *piece) listResults(ctx context.Context) (map[string]bool, error) {
	prefix := job.ResultKey(p.request.ID, "")
	keys, err := p.listKeys(ctx, prefix)
	made := make(map[string]bool, len(keys))
	for _, k := range keys {
		made[strings.TrimPrefix(k, prefix)] = true
	}
	return made, err
}

// removeWork deletes the work files of a completed job, whose end was announced: nobody waits for this. What an
// interruption leaves goes when the event comes again, or by retention.
func (s *Service) removeWork(ctx context.Context, id string, log *slog.Logger) {
	keys, err := s.listKeys(ctx, job.WorkKey(id, ""))
	if err == nil {
		err = s.delete(ctx, keys)
	}
	if err != nil {
		log.Warn("work files are left for retention to remove", "error", err)
	}
}

// delete removes objects that somebody else may have removed.
func (s *Service) delete(ctx context.Context, keys []string) error {
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(s.atOnce())
	for _, k := range keys {
		work.Go(func() error {
			if err := s.Store.Bucket.Delete(ctx, k); gcerrors.Code(err) != gcerrors.NotFound {
				return err
			}
			return nil
		})
	}
	return work.Wait()
}

// atOnce is how many calls that only wait for the bucket go on at a time.
func (s *Service) atOnce() int { return cmp.Or(max(s.AtOnce, 0), 16) }
