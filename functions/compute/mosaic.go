package compute

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"

	"gocloud.dev/gcerrors"
	"golang.org/x/sync/errgroup"

	"github.com/cyverse-gis/eemt/functions/compute/objects"
	"github.com/cyverse-gis/eemt/functions/compute/record"
	"github.com/cyverse-gis/eemt/shared/dem"
	"github.com/cyverse-gis/eemt/shared/geotiff"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/raster"
)

// mosaic makes the products of a job, with memory for some blocks of some maps.
type mosaic struct {
	job    *Job
	dem    *dem.DEM
	plan   *record.Plan
	stages [][]product
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

// run makes the products of some groups that are missing. Threads share the blocks
// of one group; where a map has fewer blocks, they take several groups at a time. Maps
// are stored while the next ones are made, unless there is one thread only.
func (m *mosaic) run(ctx context.Context, groups []group) error {
	shape := shapeOf(m.job.Cost.Memory, m.job.Threads, m.plan.Width, m.plan.Height, m.block)
	atOnce := min(shape.groups+1, max(1, m.job.Threads))
	temp := m.job.Cost.tempOfBatch(m.plan.Width, m.plan.Height, min(atOnce, len(groups)))
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(atOnce)
	m.walks = make(chan struct{}, shape.groups)
	for _, g := range groups {
		missing := slices.DeleteFunc(slices.Clone(g.products), func(pr product) bool { return !m.missing(pr) })
		if len(missing) == 0 {
			continue
		}
		work.Go(m.job.Guarded(ctx, func(ctx context.Context) error {
			for len(missing) > 0 {
				n := together(missing, shape.maps, temp)
				err := m.make(ctx, missing[:n], shape)
				if err != nil && !m.anyMadeMeanwhile(ctx, err, missing[:n]) {
					return err
				}
				if err != nil { // the others are still to be made, of files that are there
					missing = slices.DeleteFunc(missing, func(pr product) bool { return !m.missing(pr) })
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

// together is how many of the first products are made in one pass with so many maps, which
// spool so many bytes for each cell; one at least.
func together(products []product, maps int, temp float64) int {
	n, room := 1, maps-len(products[0].maps)
	temp -= products[0].tempPerCell()
	for n < len(products) && !products[0].stacked() && !products[n].stacked() && len(products[n].maps) <= room && products[n].tempPerCell() <= temp {
		room -= len(products[n].maps)
		temp -= products[n].tempPerCell()
		n++
	}
	return n
}

func (m *mosaic) missing(pr product) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.lacks(pr)
}

func (m *mosaic) lacks(pr product) bool {
	for _, info := range pr.maps {
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

// anyMadeMeanwhile reports whether products could not be made because somebody else had made
// one of them at least, and removed the work files that it is made of.
func (m *mosaic) anyMadeMeanwhile(ctx context.Context, err error, products []product) bool {
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
	return slices.ContainsFunc(products, func(pr product) bool { return !m.lacks(pr) })
}

// release notes that products are made, and removes the work files of tiles that no
// missing map is made of. What fails to go now goes with the job.
func (m *mosaic) release(ctx context.Context, products []product) {
	m.mu.Lock()
	for _, pr := range products {
		for _, info := range pr.maps {
			m.made[info.Name] = true
		}
	}
	needed := map[string]bool{}
	for _, stage := range m.stages {
		for _, pr := range stage {
			for _, in := range pr.inputs {
				if in.result == "" {
					needed[in.file] = needed[in.file] || m.lacks(pr)
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
			keys = append(keys, part.key)
		}
	}
	m.mu.Unlock()
	if err := m.job.Objects.Remove(ctx, keys); err != nil {
		m.job.Log.Warn("work files that no map needs any more stay until the job ends", "error", err)
	}
}

// part is what one pass over the tiles makes of a product: all its maps, or one
// band of the only one.
type part struct {
	product
	writers []*sharedWriter
	band    int
	share   float64 // how many maps that is
}

// sharedWriter is a map that several threads write blocks of.
type sharedWriter struct {
	sync.Mutex
	*geotiff.Writer
	spools *spools
}

func (m *mosaic) newWriter(info mapInfo) (*sharedWriter, error) {
	spools := newSpools(m.job.Temp)
	opts := m.resultOptions(m.dem, info, m.block, spools.open)
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

// make writes the maps of some products.
func (m *mosaic) make(ctx context.Context, products []product, shape shape) error {
	var parts []part
	for _, pr := range products {
		writers := make([]*sharedWriter, len(pr.maps))
		for i, info := range pr.maps {
			var err error
			if writers[i], err = m.newWriter(info); err != nil {
				return err
			}
			defer writers[i].spools.remove()
		}
		if !pr.stacked() {
			parts = append(parts, part{product: pr, writers: writers, share: float64(len(pr.maps))})
			continue
		}
		for b := range pr.inputs {
			one := product{pr.inputs[b : b+1], pr.maps, pr.combine}
			parts = append(parts, part{product: one, writers: writers, band: b, share: 1 / float64(len(pr.inputs))})
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
		for i, info := range p.maps {
			store.Go(m.job.Guarded(ctx, func(ctx context.Context) error {
				defer p.writers[i].spools.remove() // a map takes its room once, not twice, when it is stored
				return m.putMap(ctx, info, p.writers[i].Close)
			}))
		}
	}
	return store.Wait()
}

// mostBytes is more than a map can have: what compression does not shorten, overviews included.
func (m *mosaic) mostBytes(info mapInfo) int64 {
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
		for at+n < len(parts) && (n == 0 || len(parts[at+n].maps) <= room) {
			room -= len(parts[at+n].maps)
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
		w.Height = min(block.Height-row, workBlock-w.Row%workBlock)
		row += w.Height
		for _, p := range parts {
			h.in, h.out = rooms(h.in, len(p.inputs), w.Width*w.Height), rooms(h.out, len(p.writers), w.Width*w.Height)
			for i, from := range p.inputs {
				var err error
				if h.some, err = h.mosaic.read(ctx, h.files, from, tiles, w, h.in[i], h.some); err != nil {
					return err
				}
			}
			p.combine(h.in[:len(p.inputs)], h.out[:len(p.writers)])
			for i, to := range p.writers {
				if err := to.writeWindow(p.band, w, h.out[i]); err != nil {
					return fmt.Errorf("map %s: %w", p.maps[i].Name, err)
				}
			}
		}
	}
	return nil
}

// rooms returns at least so many slices, the first ones of n values, in b where they fit.
func rooms[T any](b [][]T, slices, n int) [][]T {
	for len(b) < slices {
		b = append(b, nil)
	}
	for i := range slices {
		b[i] = room(b[i], n)
	}
	return b
}

// room returns n values, in b where they fit.
func room[T any](b []T, n int) []T {
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
func (m *mosaic) partsOf(file string, tiles []record.Tile, w raster.Window) []filePart {
	if file == terrainFile {
		return terrainPieces(m.job.Request.ID, m.plan, w)
	}
	parts := make([]filePart, len(tiles))
	for i, t := range tiles {
		parts[i] = filePart{t.Window, tileKey(m.job.Request.ID, t.Task, file)}
	}
	return parts
}

// read fills dst with the cells of w, of which tiles has all. some is memory to be used again.
func (m *mosaic) read(ctx context.Context, files *openFiles, in input, tiles []record.Tile, w raster.Window, dst, some []float64) ([]float64, error) {
	if in.result != "" {
		return some, files.read(ctx, job.ResultKey(m.job.Request.ID, in.result), in.band, w, dst)
	}
	for _, t := range m.partsOf(in.file, tiles, w) {
		common := w.Intersect(t.window)
		if common.Width == 0 || common.Height == 0 {
			continue
		}
		local := common
		local.Col -= t.window.Col
		local.Row -= t.window.Row
		if common == w {
			return some, files.read(ctx, t.key, in.band, local, dst)
		}
		some = room(some, common.Width*common.Height)
		if err := files.read(ctx, t.key, in.band, local, some); err != nil {
			return some, err
		}
		for r := range common.Height {
			copy(dst[(common.Row-w.Row+r)*w.Width+common.Col-w.Col:], some[r*common.Width:(r+1)*common.Width])
		}
	}
	return some, nil
}

const (
	// filesOpen is how many files a pass keeps open at least, filesCache what it holds of
	// all of them, in bytes.
	filesOpen  = 4
	filesCache = 64 << 20
)

// openFiles keeps the files read last open, for all threads of a pass.
type openFiles struct {
	objects objects.Store
	most    int
	mu      sync.Mutex
	files   []*imageFile // the last one first
}

// newOpenFiles has room for all files that the blocks at hand are made of: means over
// many years would else open each for every strip.
func (m *mosaic) newOpenFiles(parts []part, threads int) *openFiles {
	names := map[input]int{}
	for _, p := range parts {
		for _, in := range p.inputs {
			n := min(threads, filesOpen) // neighbours may lie in as many tiles
			if in.result != "" {
				n = 1
			}
			names[input{file: in.file, result: in.result}] = n
		}
	}
	most := 0
	for _, n := range names {
		most += n
	}
	return &openFiles{objects: m.job.Objects, most: max(filesOpen, most)}
}

type imageFile struct {
	key    string
	users  int
	open   sync.Once
	image  *geotiff.Image
	closer io.Closer
	err    error
}

func (o *openFiles) read(ctx context.Context, key string, band int, w raster.Window, dst []float64) error {
	f := o.take(key)
	defer o.release(f)
	f.open.Do(func() { f.image, f.closer, f.err = o.objects.OpenWithin(ctx, key, filesCache/int64(o.most)) })
	if f.err != nil {
		return f.err
	}
	if err := f.image.Read(ctx, band, w, dst); err != nil {
		return fmt.Errorf("read %s: %w", key, err)
	}
	return nil
}

func (o *openFiles) take(key string) *imageFile {
	o.mu.Lock()
	defer o.mu.Unlock()
	at := slices.IndexFunc(o.files, func(f *imageFile) bool { return f.key == key })
	if at < 0 {
		at = len(o.files)
		o.files = append(o.files, &imageFile{key: key})
	}
	f := o.files[at]
	copy(o.files[1:at+1], o.files[:at])
	o.files[0] = f
	f.users++
	return f
}

// release closes the files that nobody reads and nobody read for long.
func (o *openFiles) release(f *imageFile) {
	o.mu.Lock()
	defer o.mu.Unlock()
	f.users--
	for at := len(o.files) - 1; at >= 0 && len(o.files) > o.most; at-- {
		if o.files[at].users == 0 {
			o.files[at].close()
			o.files = slices.Delete(o.files, at, at+1)
		}
	}
}

func (f *imageFile) close() {
	if f.closer != nil {
		_ = f.closer.Close()
	}
}

func (o *openFiles) close() {
	for _, f := range o.files {
		f.close()
	}
}

// mapHeld is how many compressed bytes of a map stay in memory.
const mapHeld = 4 << 20

// mapsAtOnce is the most maps of one pass over the tiles: more hardly save anything.
const mapsAtOnce = 16

// shape is how groups of maps are made: so many groups at a time, each by so many
// threads in passes of so many maps.
type shape struct{ groups, threads, maps int }

// shapeOf fits the making of maps of width x height cells to memory. One product,
// which has up to four maps, is always possible.
func shapeOf(memory int64, threads, width, height, block int) shape {
	cells := int64(min(block, width)) * int64(min(block, height))
	blocks := ((width + block - 1) / block) * ((height + block - 1) / block)
	// Strips of 24 inputs, of which the year of an energy is made.
	hand := 24 * 8 * workBlock * int64(min(block, width))
	// Garbage and buffers between readers, compressors and bucket take as much again
	// as what is in use; half of the rest is left to the system's own cache of files.
	free := (cmp.Or(memory, DefaultMemory) - startMemory) / 4
	for n := max(1, threads); ; n-- {
		s := shape{threads: min(n, blocks)}
		s.groups = n / s.threads
		// Each thread has a block at hand, as values, as samples and compressed, and may
		// have one of each overview open: sums and counts.
		// What is held of a map stays while it is stored.
		one := 2*min(mapHeld, 6*int64(width)*int64(height)) + int64(s.threads)*(8+4+4)*cells
		for n := (blocks + 3) / 4; ; n = (n + 3) / 4 {
			one += int64(min(n, s.threads)) * 12 * cells
			if n == 1 {
				break
			}
		}
		s.maps = int((free/int64(s.groups) - filesCache - int64(s.threads)*hand) / one)
		if s.maps >= 4 || n == 1 {
			s.maps = min(max(s.maps, 4), mapsAtOnce)
			return s
		}
	}
}
