package compute

import (
	"context"
	"fmt"
	"io"
	"sync"

	"github.com/cyverse-gis/eemt/shared/geotiff"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/raster"
)

// run makes the products of one stage that are missing, some of them in one
// pass over the tiles, as many passes at a time as there are threads.
func (m *mosaic) run(ctx context.Context, stage []product) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	workers, maps := assemblyShape(m.cost().Memory, m.Threads, m.plan.Width, m.plan.Height, m.block)
	work := make(chan []product)
	errs := make(chan error, workers)
	var wait sync.WaitGroup
	for range workers {
		wait.Go(func() {
			for group := range work {
				if err := m.make(ctx, group, maps); err != nil {
					stop()
					errs <- err
					return
				}
				m.report(m.request.ID, "maps", float64(m.done.Add(int64(len(group)))), float64(m.total))
			}
		})
	}
feed:
	for _, group := range m.groups(stage, maps) {
		select {
		case work <- group:
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

// groups puts neighbouring products that are missing together, up to so many maps.
func (m *mosaic) groups(stage []product, maps int) [][]product {
	var groups [][]product
	room := 0
	for _, pr := range stage {
		if !m.missing(pr) {
			m.done.Add(1)
			continue
		}
		if len(pr.maps) > room || pr.stacked() {
			groups = append(groups, nil)
			room = maps
		}
		last := &groups[len(groups)-1]
		*last = append(*last, pr)
		room -= len(pr.maps)
		if pr.stacked() {
			room = 0
		}
	}
	return groups
}

func (m *mosaic) missing(pr product) bool {
	for _, info := range pr.maps {
		if !m.made[info.name] {
			return true
		}
	}
	return false
}

// part is what one pass over the tiles makes of a product: all its maps, or one
// band of the only one.
type part struct {
	product
	writers []*geotiff.Writer
	band    int
	out     [][]float32
}

// make writes the maps of some products, so many maps or bands in one pass.
func (m *mosaic) make(ctx context.Context, products []product, maps int) error {
	spools := newSpools(m.Temp)
	defer spools.remove()
	var parts []part
	for _, pr := range products {
		writers := make([]*geotiff.Writer, len(pr.maps))
		for i, info := range pr.maps {
			var err error
			if writers[i], err = geotiff.NewWriter(m.resultOptions(m.dem, info, m.block, spools.open)); err != nil {
				return fmt.Errorf("map %s: %w", info.name, err)
			}
		}
		if !pr.stacked() {
			parts = append(parts, part{product: pr, writers: writers, out: make([][]float32, len(writers))})
			continue
		}
		for b := range pr.inputs {
			one := product{pr.inputs[b : b+1], pr.maps, pr.combine}
			parts = append(parts, part{product: one, writers: writers, band: b, out: make([][]float32, 1)})
		}
	}
	for at := 0; at < len(parts); {
		n, room := 0, maps
		for at+n < len(parts) && (n == 0 || len(parts[at+n].out) <= room) {
			room -= len(parts[at+n].out)
			n++
		}
		if err := m.pass(ctx, parts[at:at+n]); err != nil {
			return err
		}
		at += n
	}
	for _, p := range parts {
		if p.band > 0 {
			continue // the map is there with its first band
		}
		for i, info := range p.maps {
			if err := m.put(ctx, job.ResultKey(m.request.ID, info.name), tiffType, p.writers[i].Close); err != nil {
				return err
			}
		}
	}
	return nil
}

// pass makes parts of maps in one walk over the tiles: block after block of the
// maps, each in strips as high as the blocks of work files.
func (m *mosaic) pass(ctx context.Context, parts []part) error {
	files := &openFiles{piece: m.piece}
	defer files.close()
	var in [][]float64
	var some []float64
	for block := range parts[0].writers[0].Windows() {
		if err := ctx.Err(); err != nil {
			return err
		}
		tiles := m.tilesUnder(block)
		for row := 0; row < block.Height; {
			// Strips end where blocks of work files do, wherever the block begins.
			w := block
			w.Row += row
			w.Height = min(block.Height-row, workBlock-w.Row%workBlock)
			row += w.Height
			for _, p := range parts {
				for len(in) < len(p.inputs) {
					in = append(in, nil)
				}
				for i, from := range p.inputs {
					in[i] = room(in[i], w.Width*w.Height)
					var err error
					if some, err = m.read(ctx, files, from, tiles, w, in[i], some); err != nil {
						return err
					}
				}
				for i := range p.out {
					p.out[i] = room(p.out[i], w.Width*w.Height)
				}
				p.combine(in[:len(p.inputs)], p.out)
				for i, to := range p.writers {
					if err := to.WriteWindow(p.band, w, p.out[i]); err != nil {
						return fmt.Errorf("map %s: %w", p.maps[i].name, err)
					}
				}
			}
		}
	}
	return nil
}

// room returns n values, in b where they fit.
func room[T any](b []T, n int) []T {
	if cap(b) < n {
		return make([]T, n)
	}
	return b[:n]
}

func (m *mosaic) tilesUnder(w raster.Window) []job.Tile {
	var tiles []job.Tile
	for _, t := range m.plan.Tiles {
		if c := t.Window.Intersect(w); c.Width > 0 && c.Height > 0 {
			tiles = append(tiles, t)
		}
	}
	return tiles
}

// read fills dst with the cells of w, of which tiles has all. some is memory to be used again.
func (m *mosaic) read(ctx context.Context, files *openFiles, in input, tiles []job.Tile, w raster.Window, dst, some []float64) ([]float64, error) {
	if in.result != "" {
		return some, files.read(ctx, job.ResultKey(m.request.ID, in.result), in.band, w, dst)
	}
	var parts []filePart
	if in.file == terrainFile {
		parts = m.terrainPieces(m.plan, w)
	} else {
		for _, t := range tiles {
			parts = append(parts, filePart{t.Window, tileKey(m.request.ID, t.Task, in.file)})
		}
	}
	for _, t := range parts {
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
	// filesOpen is how many files a pass keeps open, fileCache what each holds of its file, in bytes.
	filesOpen = 4
	fileCache = 16 << 20
)

// openFiles keeps the files read last open.
type openFiles struct {
	*piece
	files []imageFile // the last one first
}

type imageFile struct {
	key    string
	image  *geotiff.Image
	closer io.Closer
}

func (o *openFiles) read(ctx context.Context, key string, band int, w raster.Window, dst []float64) error {
	at := 0
	for at < len(o.files) && o.files[at].key != key {
		at++
	}
	var f imageFile
	if at < len(o.files) {
		f = o.files[at]
	} else {
		f.key = key
		var err error
		if f.image, f.closer, err = o.openWithin(ctx, key, fileCache); err != nil {
			return err
		}
		if at == filesOpen {
			at--
			_ = o.files[at].closer.Close()
		} else {
			o.files = append(o.files, f)
		}
	}
	copy(o.files[1:at+1], o.files[:at])
	o.files[0] = f
	if err := f.image.Read(ctx, band, w, dst); err != nil {
		return fmt.Errorf("read %s: %w", key, err)
	}
	return nil
}

func (o *openFiles) close() {
	for _, f := range o.files {
		_ = f.closer.Close()
	}
}
