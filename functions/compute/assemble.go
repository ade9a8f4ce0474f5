package compute

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"

	"gocloud.dev/blob"

	"github.com/cyverse-gis/eemt/eventing"
	"github.com/cyverse-gis/eemt/shared/dem"
	"github.com/cyverse-gis/eemt/shared/energy"
	"github.com/cyverse-gis/eemt/shared/geotiff"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/raster"
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
	sums := addSums(p.request, tasks)
	kappa := closeWater(energy.DefaultParameters(), sums)
	made, err := p.listResults(ctx)
	if err != nil {
		return err
	}
	m := &mosaic{piece: p, dem: d, plan: plan, made: made}
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
	end, _, err := p.Store.WriteEnd(ctx, p.request.ID, job.End{State: job.Completed, Ended: p.Now().UTC()})
	if err != nil {
		return err
	}
	if end.State != job.Completed {
		return nil
	}
	p.removeWork(ctx)
	p.log.Info("job completed", "products", m.total)
	return p.Events.Publish(ctx, eventing.NewJobCompleted(Source, p.request.ID, 0, end.Ended))
}

func anyValid(tasks []job.Task) bool {
	for _, t := range tasks {
		if t.Valid > 0 {
			return true
		}
	}
	return false
}

// addSums adds what all tiles summed, in the plan's order, by climate year.
func addSums(r job.Request, tasks []job.Task) map[int]job.Sums {
	if r.Workflow != job.EEMT {
		return nil
	}
	sums := map[int]job.Sums{}
	for _, year := range r.Parameters.Years() {
		var total job.Sums
		for _, t := range tasks {
			total.Add(t.Sums[year])
		}
		sums[year] = total
	}
	return sums
}

// closeWater takes kappa of every climate year and month.
func closeWater(params energy.Parameters, sums map[int]job.Sums) map[int][12]float64 {
	kappa := map[int][12]float64{}
	for year, s := range sums {
		var k [12]float64
		for m := range k {
			k[m] = 1
			if params.MCWIClose {
				k[m] = energy.Kappa(s.Peff[m], s.AlphaPeff[m])
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

// mosaic makes the products of a job.
type mosaic struct {
	*piece
	dem   *dem.DEM
	plan  *job.Plan
	made  map[string]bool
	done  atomic.Int64
	total int
}

// run makes the products of one stage, as many at a time as there are threads.
func (m *mosaic) run(ctx context.Context, stage []product) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	work := make(chan product)
	errs := make(chan error, max(1, m.Threads))
	var wait sync.WaitGroup
	for range max(1, m.Threads) {
		wait.Go(func() {
			for pr := range work {
				if err := m.make(ctx, pr); err != nil {
					stop()
					errs <- err
					return
				}
				m.report(m.request.ID, "maps", float64(m.done.Add(1)), float64(m.total))
			}
		})
	}
feed:
	for _, pr := range stage {
		select {
		case work <- pr:
		case <-ctx.Done():
			break feed
		}
	}
	close(work)
	wait.Wait()
	close(errs)
	// The first error is the cause; the others follow from stopping.
	if err, ok := <-errs; ok {
		return err
	}
	return ctx.Err()
}

// make writes the maps of one product.
func (m *mosaic) make(ctx context.Context, pr product) error {
	missing := false
	for _, info := range pr.maps {
		missing = missing || !m.made[info.name]
	}
	if !missing {
		return nil
	}
	writers := make([]*geotiff.Writer, len(pr.maps))
	spools := newSpools(m.Temp)
	defer spools.remove()
	for i, info := range pr.maps {
		var err error
		if writers[i], err = geotiff.NewWriter(m.resultOptions(m.dem, info, spools.open)); err != nil {
			return fmt.Errorf("map %s: %w", info.name, err)
		}
	}
	parts := []product{pr}
	if pr.stacked() {
		parts = make([]product, len(pr.inputs))
		for b := range parts {
			parts[b] = product{pr.inputs[b : b+1], pr.maps, pr.combine}
		}
	}
	for b, part := range parts {
		for _, row := range m.rowsOfTiles() {
			if err := m.makeRows(ctx, part, row, writers, b); err != nil {
				return err
			}
		}
	}
	for i, info := range pr.maps {
		if err := m.put(ctx, job.ResultKey(m.request.ID, info.name), tiffType, writers[i].Close); err != nil {
			return err
		}
	}
	return nil
}

// rowsOfTiles groups the plan's tiles by row of tiles, top to bottom.
func (m *mosaic) rowsOfTiles() [][]job.Tile {
	var bands [][]job.Tile
	for _, t := range m.plan.Tiles {
		if n := len(bands); n > 0 && bands[n-1][0].Window.Row == t.Window.Row {
			bands[n-1] = append(bands[n-1], t)
			continue
		}
		bands = append(bands, []job.Tile{t})
	}
	return bands
}

// rowsOfBlock is the height of the blocks of work files: reading whole rows of
// blocks decodes each block once.
const rowsOfBlock = 256

// makeRows makes the part of a band of a product's maps that one row of tiles covers.
func (m *mosaic) makeRows(ctx context.Context, pr product, tiles []job.Tile, writers []*geotiff.Writer, band int) error {
	sources := make([]*layer, len(pr.inputs))
	defer func() {
		for _, s := range sources {
			s.close()
		}
	}()
	for i, in := range pr.inputs {
		var err error
		if sources[i], err = m.openLayer(ctx, in, tiles, sources[:i]); err != nil {
			return err
		}
	}
	first, height := tiles[0].Window.Row, tiles[0].Window.Height
	in, out := make([][]float64, len(sources)), make([][]float32, len(writers))
	for row := 0; row < height; row += rowsOfBlock {
		w := raster.Window{Row: first + row, Width: m.plan.Width, Height: min(rowsOfBlock, height-row)}
		for i, s := range sources {
			if len(in[i]) != w.Width*w.Height {
				in[i] = make([]float64, w.Width*w.Height)
			}
			if err := s.read(ctx, w, in[i]); err != nil {
				return err
			}
		}
		for i := range out {
			if len(out[i]) != w.Width*w.Height {
				out[i] = make([]float32, w.Width*w.Height)
			}
		}
		pr.combine(in, out)
		for i, to := range writers {
			if err := to.WriteRows(band, out[i]); err != nil {
				return fmt.Errorf("map %s: %w", pr.maps[i].name, err)
			}
		}
	}
	return nil
}

// layer reads one input over the full width.
type layer struct {
	file   string
	band   int
	images []placedImage
	owner  bool
}

type placedImage struct {
	window raster.Window
	image  *geotiff.Image
	closer io.Closer
}

// openLayer opens an input; bands of a file that another input has open share it.
func (m *mosaic) openLayer(ctx context.Context, in input, tiles []job.Tile, open []*layer) (*layer, error) {
	l := &layer{file: in.file, band: in.band, owner: true}
	whole := raster.Window{Width: m.plan.Width, Height: m.plan.Height}
	switch {
	case in.result != "":
		l.file = in.result
		return l, m.addImage(ctx, l, job.ResultKey(m.request.ID, in.result), whole)
	case in.file == terrainFile:
		return l, m.addImage(ctx, l, job.WorkKey(m.request.ID, terrainFile), whole)
	}
	for _, o := range open {
		if o.file == in.file {
			l.images, l.owner = o.images, false
			return l, nil
		}
	}
	for _, t := range tiles {
		if err := m.addImage(ctx, l, tileKey(m.request.ID, t.Task, in.file), t.Window); err != nil {
			return l, err
		}
	}
	return l, nil
}

func (m *mosaic) addImage(ctx context.Context, l *layer, key string, at raster.Window) error {
	img, closer, err := m.openImage(ctx, key)
	if err != nil {
		return err
	}
	l.images = append(l.images, placedImage{window: at, image: img, closer: closer})
	return nil
}

func (l *layer) close() {
	if l == nil || !l.owner {
		return
	}
	for _, i := range l.images {
		_ = i.closer.Close()
	}
}

// read fills dst with the cells of w, which lie within one row of tiles.
func (l *layer) read(ctx context.Context, w raster.Window, dst []float64) error {
	var part []float64
	for _, i := range l.images {
		common := w.Intersect(i.window)
		local := common
		local.Col -= i.window.Col
		local.Row -= i.window.Row
		if common.Width == w.Width {
			return i.image.Read(ctx, l.band, local, dst)
		}
		n := common.Width * common.Height
		if len(part) < n {
			part = make([]float64, n)
		}
		if err := i.image.Read(ctx, l.band, local, part[:n]); err != nil {
			return fmt.Errorf("read %s: %w", l.file, err)
		}
		for r := range common.Height {
			copy(dst[r*w.Width+common.Col-w.Col:], part[r*common.Width:(r+1)*common.Width])
		}
	}
	return nil
}
