package assembly

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"gocloud.dev/gcerrors"
	"golang.org/x/sync/errgroup"

	"github.com/cyverse-gis/eemt/functions/compute/arithmetic"
	"github.com/cyverse-gis/eemt/functions/compute/record"
	"github.com/cyverse-gis/eemt/functions/compute/replica"
	"github.com/cyverse-gis/eemt/functions/compute/workfile"
	"github.com/cyverse-gis/eemt/shared/dem"
	"github.com/cyverse-gis/eemt/shared/finding"
	"github.com/cyverse-gis/eemt/shared/geotiff"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/product"
	"github.com/cyverse-gis/eemt/shared/raster"
)

// resultOptions are for a map that users get.
func (m *mosaic) resultOptions(d *dem.DEM, info product.Map, block int, spool func() (geotiff.Spool, error)) geotiff.Options {
	return geotiff.Options{
		Width: d.Image.Width, Height: d.Image.Height, Transform: d.Image.Transform, GeoKeys: d.Image.GeoKeys,
		Bands: arithmetic.Bands(info), Metadata: metadata(info), BlockSize: block,
		Overviews: true, Software: m.job.Software(), Spool: spool, Held: replica.Held, Threads: m.job.Threads,
	}
}

// metadata describes a map of several bands as a whole.
func metadata(m product.Map) map[string]string {
	if m.Bands == nil {
		return nil
	}
	return map[string]string{"DESCRIPTION": m.Description}
}

// productionTag is the item of a map's metadata that says why the production in it is doubtful.
const productionTag = "MODEL_PRODUCTION"

// productionDoubt is what the plan doubts of the production of EEMT-TOPO; empty if nothing.
func productionDoubt(plan *record.Plan) string {
	i := slices.IndexFunc(plan.Findings, func(f finding.Finding) bool { return f.Code == finding.ModelProduction })
	if i < 0 {
		return ""
	}
	return plan.Findings[i].Message
}

// mosaic makes the formulas of a job, with memory for some blocks of some maps.
type mosaic struct {
	job    *replica.Job
	dem    *dem.DEM
	plan   *record.Plan
	levels [][]arithmetic.Formula
	block  int // side of the maps' blocks

	walks chan struct{} // a slot for each walk over the tiles that may go on at a time

	mu   sync.Mutex
	made map[string]bool // results by name
	gone map[string]bool // work files that no map needs any more
	// checksums are SHA-256 of maps that this process wrote, by name.
	checksums map[string]string
	done      float64 // maps, and shares of those in work
	total     int
}

// run makes the formulas of some groups that are missing. Threads share the blocks
// of one group; where a map has fewer blocks, they take several groups at a time. Maps
// are stored while the next ones are made, unless there is one thread only.
func (m *mosaic) run(ctx context.Context, groups []arithmetic.Group) error {
	shape := shapeOf(m.job.Cost.Memory, m.job.Threads, m.plan.Width, m.plan.Height, m.block)
	atOnce := min(shape.groups+1, max(1, m.job.Threads))
	temp := m.job.Cost.TempOfBatch(m.plan.Width, m.plan.Height, min(atOnce, len(groups)))
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(atOnce)
	m.walks = make(chan struct{}, shape.groups)
	for _, g := range groups {
		missing := slices.DeleteFunc(slices.Clone(g.Formulas), func(pr arithmetic.Formula) bool { return !m.missing(pr) })
		if len(missing) == 0 {
			continue
		}
		work.Go(m.job.Guarded(ctx, func(ctx context.Context) error {
			for len(missing) > 0 {
				n := batchSize(missing, shape.maps, temp)
				err := m.make(ctx, missing[:n], shape)
				if err != nil && !m.anyMadeMeanwhile(ctx, err, missing[:n]) {
					return err
				}
				if err != nil { // the others are still to be made, of files that are there
					missing = slices.DeleteFunc(missing, func(pr arithmetic.Formula) bool { return !m.missing(pr) })
					m.release(ctx, nil)
					continue
				}
				m.release(ctx, missing[:n])
				missing = missing[n:]
			}
			return nil
		}))
	}
	return work.Wait()
}

// batchSize is how many of the first formulas one pass makes: at most maps maps, whose temporary files take at most temp
// bytes for each cell; one formula at least.
func batchSize(formulas []arithmetic.Formula, maps int, temp float64) int {
	n, room := 1, maps-len(formulas[0].Maps)
	temp -= formulas[0].TempPerCell()
	for n < len(formulas) && !formulas[0].Stacked() && !formulas[n].Stacked() && len(formulas[n].Maps) <= room && formulas[n].TempPerCell() <= temp {
		room -= len(formulas[n].Maps)
		temp -= formulas[n].TempPerCell()
		n++
	}
	return n
}

func (m *mosaic) missing(pr arithmetic.Formula) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.lacks(pr)
}

func (m *mosaic) lacks(pr arithmetic.Formula) bool {
	for _, info := range pr.Maps {
		if !m.made[info.Name] {
			return true
		}
	}
	return false
}

// progress tells that more maps, or a share of them, are made.
func (m *mosaic) progress(maps float64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.done += maps
	m.job.Progress("maps", m.done, float64(m.total))
}

// anyMadeMeanwhile reports whether formulas could not be made because somebody else had made
// one of them at least, and removed the work files that it is made of.
func (m *mosaic) anyMadeMeanwhile(ctx context.Context, err error, formulas []arithmetic.Formula) bool {
	if gcerrors.Code(err) != gcerrors.NotFound {
		return false
	}
	made, err := listResults(ctx, m.job)
	if err != nil {
		return false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	maps.Copy(m.made, made) // which knows less than m of what others of this process made since
	return slices.ContainsFunc(formulas, func(pr arithmetic.Formula) bool { return !m.lacks(pr) })
}

// release notes that formulas are made, and removes the work files of tiles that no
// missing map is made of. What fails to go now goes with the job.
func (m *mosaic) release(ctx context.Context, formulas []arithmetic.Formula) {
	m.mu.Lock()
	for _, pr := range formulas {
		for _, info := range pr.Maps {
			m.made[info.Name] = true
		}
	}
	needed := map[string]bool{}
	for _, level := range m.levels {
		for _, pr := range level {
			for _, in := range pr.Inputs {
				if in.Result == "" {
					needed[in.File] = needed[in.File] || m.lacks(pr)
				}
			}
		}
	}
	var keys []string
	for file, still := range needed {
		if still || m.gone[file] {
			continue
		}
		m.gone[file] = true
		for _, part := range m.partsOf(file, m.plan.Tiles, m.dem.Bounds()) {
			keys = append(keys, part.Key)
		}
	}
	m.mu.Unlock()
	if err := m.job.Objects.Remove(ctx, keys); err != nil {
		m.job.Log.Warn("work files that no map needs any more stay until the job ends", "error", err)
	}
}

// part is what one pass over the tiles makes of a formula: all its maps, or one
// band of the only one.
type part struct {
	arithmetic.Formula
	writers []*sharedWriter
	band    int
	share   float64 // how many maps that is
}

// sharedWriter is a map that several threads write blocks of.
type sharedWriter struct {
	sync.Mutex
	*geotiff.Writer
	spools *replica.Spools
}

func (m *mosaic) newWriter(info product.Map) (*sharedWriter, error) {
	spools := replica.NewSpools(m.job.Temp)
	opts := m.resultOptions(m.dem, info, m.block, spools.Open)
	if text := productionDoubt(m.plan); text != "" && info.OfProduction {
		opts.Metadata = map[string]string{productionTag: text}
	}
	w, err := geotiff.NewWriter(opts)
	if err != nil {
		return nil, fmt.Errorf("map %s: %w", info.Name, err)
	}
	return &sharedWriter{Writer: w, spools: spools}, nil
}

func (w *sharedWriter) writeWindow(band int, at raster.Window, cells []float32) error {
	w.Lock()
	defer w.Unlock()
	return w.WriteWindow(band, at, cells)
}

// make writes the maps of some formulas.
func (m *mosaic) make(ctx context.Context, formulas []arithmetic.Formula, shape shape) error {
	var parts []part
	for _, pr := range formulas {
		writers := make([]*sharedWriter, len(pr.Maps))
		for i, info := range pr.Maps {
			var err error
			if writers[i], err = m.newWriter(info); err != nil {
				return err
			}
			defer writers[i].spools.Remove()
		}
		if !pr.Stacked() {
			parts = append(parts, part{Formula: pr, writers: writers, share: float64(len(pr.Maps))})
			continue
		}
		for b := range pr.Inputs {
			one := arithmetic.Formula{Inputs: pr.Inputs[b : b+1], Maps: pr.Maps, Combine: pr.Combine}
			parts = append(parts, part{Formula: one, writers: writers, band: b, share: 1 / float64(len(pr.Inputs))})
		}
	}
	if err := m.walk(ctx, parts, shape); err != nil {
		return err
	}
	store, ctx := errgroup.WithContext(ctx)
	store.SetLimit(shape.threads)
	for _, p := range parts {
		if p.band > 0 {
			continue // the map is there with its first band
		}
		for i, info := range p.Maps {
			store.Go(m.job.Guarded(ctx, func(ctx context.Context) error {
				defer p.writers[i].spools.Remove() // a map takes its room once, not twice, when it is stored
				return m.putMap(ctx, info, p.writers[i].Close)
			}))
		}
	}
	return store.Wait()
}

// mostBytes is more than a map can have: what compression does not shorten, overviews included.
func (m *mosaic) mostBytes(info product.Map) int64 {
	const perCell = 6
	return perCell * int64(m.plan.Width) * int64(m.plan.Height) * int64(max(1, len(info.Bands)))
}

// walk writes the cells of all parts, in as many passes as it takes.
func (m *mosaic) walk(ctx context.Context, parts []part, shape shape) error {
	select {
	case m.walks <- struct{}{}:
		defer func() { <-m.walks }()
	case <-ctx.Done():
		return ctx.Err()
	}
	for at := 0; at < len(parts); {
		n, room := 0, shape.maps
		for at+n < len(parts) && (n == 0 || len(parts[at+n].Maps) <= room) {
			room -= len(parts[at+n].Maps)
			n++
		}
		if err := m.pass(ctx, parts[at:at+n], shape.threads); err != nil {
			return err
		}
		at += n
	}
	return nil
}

// pass makes parts of maps in one walk over the tiles, block after block of the
// maps, as many at a time as there are threads.
func (m *mosaic) pass(ctx context.Context, parts []part, threads int) error {
	windows := slices.Collect(parts[0].writers[0].Windows())
	share := 0.0
	for _, p := range parts {
		share += p.share / float64(len(windows))
	}
	files := m.newOpenFiles(parts, threads)
	defer files.close()
	work, ctx := errgroup.WithContext(ctx)
	next := make(chan raster.Window)
	work.Go(func() error {
		defer close(next)
		for _, block := range windows {
			select {
			case next <- block:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	for range min(threads, len(windows)) {
		work.Go(m.job.Guarded(ctx, func(ctx context.Context) error {
			h := &worker{mosaic: m, files: files}
			for block := range next {
				if err := h.write(ctx, parts, block); err != nil {
					return err
				}
				m.progress(share)
			}
			return nil
		}))
	}
	return work.Wait()
}

// worker is what one thread of a pass works with.
type worker struct {
	mosaic *mosaic
	files  *openFiles
	in     [][]float64
	out    [][]float32
	some   []float64
}

// write makes one block of all parts, in strips that are whole blocks of work files.
func (h *worker) write(ctx context.Context, parts []part, block raster.Window) error {
	tiles := h.mosaic.tilesUnder(block)
	for row := 0; row < block.Height; {
		if err := ctx.Err(); err != nil {
			return err
		}
		// Strips end where blocks of work files do, wherever the block begins.
		w := block
		w.Row += row
		w.Height = min(block.Height-row, workfile.Block-w.Row%workfile.Block)
		row += w.Height
		for _, p := range parts {
			h.in, h.out = buffers(h.in, len(p.Inputs), w.Width*w.Height), buffers(h.out, len(p.writers), w.Width*w.Height)
			for i, from := range p.Inputs {
				var err error
				if h.some, err = h.mosaic.read(ctx, h.files, from, tiles, w, h.in[i], h.some); err != nil {
					return err
				}
			}
			p.Combine(h.in[:len(p.Inputs)], h.out[:len(p.writers)])
			for i, to := range p.writers {
				if err := to.writeWindow(p.band, w, h.out[i]); err != nil {
					return fmt.Errorf("map %s: %w", p.Maps[i].Name, err)
				}
			}
		}
	}
	return nil
}

// buffers returns at least so many slices, the first ones of n values, in b where they fit.
func buffers[T any](b [][]T, slices, n int) [][]T {
	for len(b) < slices {
		b = append(b, nil)
	}
	for i := range slices {
		b[i] = buffer(b[i], n)
	}
	return b
}

// buffer returns n values, in b where they fit.
func buffer[T any](b []T, n int) []T {
	if cap(b) < n {
		return make([]T, n)
	}
	return b[:n]
}

func (m *mosaic) tilesUnder(w raster.Window) []record.Tile {
	var tiles []record.Tile
	for _, t := range m.plan.Tiles {
		if c := t.Window.Intersect(w); c.Width > 0 && c.Height > 0 {
			tiles = append(tiles, t)
		}
	}
	return tiles
}

// partsOf lists the objects of a work file that have cells of w, of which tiles has all.
func (m *mosaic) partsOf(file string, tiles []record.Tile, w raster.Window) []workfile.File {
	if file == workfile.TerrainFile {
		return workfile.TerrainFiles(m.job.Request.ID, m.plan, w)
	}
	parts := make([]workfile.File, len(tiles))
	for i, t := range tiles {
		parts[i] = workfile.File{Window: t.Window, Key: workfile.TileKey(m.job.Request.ID, t.Task, file)}
	}
	return parts
}

// read fills dst with the cells of w, of which tiles has all. some is memory to be used again.
func (m *mosaic) read(ctx context.Context, files *openFiles, in arithmetic.Input, tiles []record.Tile, w raster.Window, dst, some []float64) ([]float64, error) {
	if in.Result != "" {
		return some, files.read(ctx, job.ResultKey(m.job.Request.ID, in.Result), in.Band, w, dst)
	}
	for _, t := range m.partsOf(in.File, tiles, w) {
		common := w.Intersect(t.Window)
		if common.Width == 0 || common.Height == 0 {
			continue
		}
		local := common
		local.Col -= t.Window.Col
		local.Row -= t.Window.Row
		if common == w {
			return some, files.read(ctx, t.Key, in.Band, local, dst)
		}
		some = buffer(some, common.Width*common.Height)
		if err := files.read(ctx, t.Key, in.Band, local, some); err != nil {
			return some, err
		}
		for r := range common.Height {
			copy(dst[(common.Row-w.Row+r)*w.Width+common.Col-w.Col:], some[r*common.Width:(r+1)*common.Width])
		}
	}
	return some, nil
}
