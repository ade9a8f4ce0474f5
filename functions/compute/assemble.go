package compute

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"

	"gocloud.dev/blob"

	"github.com/cyverse-gis/eemt/shared/dem"
	"github.com/cyverse-gis/eemt/shared/energy"
	"github.com/cyverse-gis/eemt/shared/job"
)

// assemble turns the tiles' work files into result maps, then previews and the
// report, and ends the job. A map that is there already is not made again.
func (p *piece) assemble(ctx context.Context) error {
	plan, err := p.Store.Plan(ctx, p.request.ID)
	if errors.Is(err, job.ErrNotFound) {
		p.log.Warn("assembly asked for before the plan: nothing to do")
		return nil
	}
	if err != nil {
		return err
	}
	tasks := make([]job.Task, len(plan.Tiles))
	for i, t := range plan.Tiles {
		tasks[i], err = p.Store.Task(ctx, p.request.ID, t.Task)
		if errors.Is(err, job.ErrNotFound) {
			p.log.Warn("assembly asked for too early: the last tile asks again", "missing", t.Task)
			return nil
		}
		if err != nil {
			return err
		}
	}
	if !anyValid(tasks) {
		return &badInput{errors.New("no cell of the DEM has a result: slope needs a cell and its eight neighbours, and none has them all")}
	}
	d, closer, err := p.openDEM(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = closer.Close() }()
	sums, err := addSums(p.request, tasks)
	if err != nil {
		return err
	}
	kappa := closeWater(energy.DefaultParameters(), sums)
	made, err := p.listResults(ctx)
	if err != nil {
		return err
	}
	m := &mosaic{piece: p, dem: d, plan: plan, made: made, block: resultBlock(plan)}
	stages := products(p.request, kappa)
	for _, stage := range stages {
		m.total += len(stage)
	}
	for _, stage := range stages {
		if err := m.run(ctx, stage); err != nil {
			return err
		}
	}
	if err := p.finish(ctx, d, plan, tasks, sums, kappa, stages); err != nil {
		return err
	}
	end, _, err := p.Store.WriteEnd(ctx, p.request.ID, job.End{State: job.Completed, Ended: p.Now().UTC(), Event: p.event})
	if err != nil {
		return err
	}
	if end.State != job.Completed {
		return nil
	}
	p.removeWork(ctx)
	p.log.Info("job completed", "products", m.total)
	return p.announce(ctx, p.request.ID, end)
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
	if r.Workflow != job.EEMT {
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

// removeWork deletes the tiles' work files of a completed job. What an
// interruption leaves goes with the job.
func (p *piece) removeWork(ctx context.Context) {
	keys, err := p.listKeys(ctx, job.WorkKey(p.request.ID, ""))
	for _, k := range keys {
		if err == nil {
			err = p.Store.Bucket.Delete(ctx, k)
		}
	}
	if err != nil {
		p.log.Warn("work files are left for retention to remove", "error", err)
	}
}

// mosaic makes the products of a job, with memory for some blocks of some maps.
type mosaic struct {
	*piece
	dem   *dem.DEM
	plan  *job.Plan
	made  map[string]bool
	block int // side of the maps' blocks
	done  atomic.Int64
	total int
}
