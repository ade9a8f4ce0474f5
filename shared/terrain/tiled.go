package terrain

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/sourcegraph/conc"

	"github.com/cyverse-gis/eemt/shared/raster"
)

// Scratch stores one raster of float64 outside of memory, such as an *os.File.
type Scratch interface {
	io.ReaderAt
	io.WriterAt
}

// Tiled fills depressions and accumulates area over a raster of any size, of
// which it holds some tiles at a time. The results are those of the filling and
// the area of the whole raster to the last bit, however the raster is cut.
type Tiled struct {
	Width, Height int
	Cell          raster.CellSize
	// Side of a tile in cells. About 25 bytes times (2 Side)^2 are held for each thread.
	Side int
	// Threads is how many windows are worked on at a time; 0 means 1.
	Threads int
	// Elevation reads a window of the raster, NaN in cells without data. Threads call it at the same time.
	Elevation func(raster.Window) (*raster.Grid[float64], error)
	// Filled and Area get 8 bytes for each cell.
	Filled, Area Scratch
	// Progress is called with the share of the work that is done, 0 to 1, as far as it can be
	// foreseen; may be nil.
	Progress func(share float64)

	// seen are the tiles that have something in Filled, in Area, row by row.
	seen [2][]bool
	// passes counts the windows filled and summed.
	passes [2]int
}

// The phases of the work, as indexes of seen and passes.
const (
	inFilled = iota
	inArea
)

// Run fills depressions, then accumulates area. It stops between two windows when ctx ends.
func (t *Tiled) Run(ctx context.Context) error {
	if t.Width < 1 || t.Height < 1 || t.Side < 2 {
		return fmt.Errorf("terrain of %d x %d cells in tiles of %d: at least one cell, tiles of 2", t.Width, t.Height, t.Side)
	}
	if len(t.Cell.DX) != t.Height || len(t.Cell.DY) != t.Height {
		return fmt.Errorf("terrain of %d rows: cell sizes for %d", t.Height, len(t.Cell.DX))
	}
	across, down := t.tiling().Tiles()
	for i := range t.seen {
		t.seen[i] = make([]bool, across*down)
	}
	if err := t.fill(ctx); err != nil {
		return err
	}
	return t.accumulate(ctx)
}

// ReadArea returns the contributing area of a window, m2.
func (t *Tiled) ReadArea(w raster.Window) (*raster.Grid[float64], error) {
	return t.load(inArea, w)
}

func (t *Tiled) tiling() Tiling { return Tiling{Width: t.Width, Height: t.Height, Side: t.Side} }

func (t *Tiled) whole() raster.Window { return t.tiling().whole() }

// report tells Progress the share of a phase, 0 for filling or 1 for area.
func (t *Tiled) report(phase, share float64) {
	if t.Progress != nil {
		t.Progress((phase + min(share, 1)) / 2)
	}
}

func (t *Tiled) scratch(what int) (file Scratch, unknown float64) {
	if what == inFilled {
		return t.Filled, Unseen
	}
	return t.Area, Pending
}

// load reads a window of a scratch raster.
func (t *Tiled) load(what int, w raster.Window) (*raster.Grid[float64], error) {
	file, unknown := t.scratch(what)
	g := raster.New[float64](w.Width, w.Height)
	var buf []byte
	across, _ := t.tiling().Tiles()
	for r := range w.Height {
		row := g.Row(r)
		for c := 0; c < w.Width; {
			col := (w.Col + c) / t.Side
			cells := row[c:min(w.Width, (col+1)*t.Side-w.Col)]
			c += len(cells)
			if !t.seen[what][(w.Row+r)/t.Side*across+col] {
				for i := range cells {
					cells[i] = unknown
				}
				continue
			}
			buf = grown(buf, 8*len(cells))
			if _, err := file.ReadAt(buf, t.offset(w.Col+c-len(cells), w.Row+r)); err != nil {
				return nil, fmt.Errorf("read back row %d of the terrain: %w", w.Row+r, err)
			}
			for i := range cells {
				cells[i] = math.Float64frombits(binary.LittleEndian.Uint64(buf[8*i:]))
			}
		}
	}
	return g, nil
}

// save writes the cells of the window at a place from g, whose upper-left cell lies at col, row.
func (t *Tiled) save(what int, g *raster.Grid[float64], col, row int, at Index) error {
	file, _ := t.scratch(what)
	window := t.tiling().Window(at)
	buf := make([]byte, 8*window.Width)
	for r := window.Row; r < window.Row+window.Height; r++ {
		for c, v := range g.Row(r - row)[window.Col-col : window.Col-col+window.Width] {
			binary.LittleEndian.PutUint64(buf[8*c:], math.Float64bits(v))
		}
		if _, err := file.WriteAt(buf, t.offset(window.Col, r)); err != nil {
			return fmt.Errorf("write row %d of the terrain: %w", r, err)
		}
	}
	return nil
}

func (t *Tiled) offset(col, row int) int64 { return 8 * (int64(row)*int64(t.Width) + int64(col)) }

// work takes the windows of queue, those whose level comes first, as many
// at a time as there are threads. do returns the new cells of padded, the window with halo
// cells around it, or nil if they are the old ones; done is told of each window.
func (t *Tiled) work(ctx context.Context, what int, queue *WorkQueue, halo int,
	do func(thread int, at Index, padded raster.Window) (cells *raster.Grid[float64], dirty []DirtyRegion, known int, err error), done func(known int),
) error {
	type result struct {
		cells  *raster.Grid[float64]
		padded raster.Window
		dirty  []DirtyRegion
		known  int
	}
	across, _ := t.tiling().Tiles()
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		places := queue.Next(max(1, t.Threads))
		if len(places) == 0 {
			return nil
		}
		t.passes[what] += len(places)
		results := make([]result, len(places))
		// All is read before anything is written: halos reach into the other windows.
		err := each(len(places), func(i int) (err error) {
			r := &results[i]
			r.padded = t.tiling().Window(places[i]).Grow(halo).Intersect(t.whole())
			r.cells, r.dirty, r.known, err = do(i, places[i], r.padded)
			return err
		})
		if err == nil {
			err = each(len(places), func(i int) error {
				r := &results[i]
				if r.cells == nil {
					return nil
				}
				return t.save(what, r.cells, r.padded.Col, r.padded.Row, places[i])
			})
		}
		if err != nil {
			return err
		}
		for i, at := range places {
			queue.Add(results[i].dirty)
			if results[i].cells != nil {
				for _, tile := range t.tiling().TilesOf(at) {
					t.seen[what][tile.Row*across+tile.Col] = true
				}
			}
			done(results[i].known)
		}
	}
}

// each calls f for 0 to n-1, all at the same time.
func each(n int, f func(i int) error) error {
	if n == 1 {
		return f(0)
	}
	errs := make([]error, n)
	var wait conc.WaitGroup
	for i := range n {
		wait.Go(func() { errs[i] = f(i) })
	}
	wait.Wait()
	return errors.Join(errs...)
}

// fill fills depressions in the windows, that of the lowest level first, as Priority-Flood
// takes the lowest cell of one grid first.
func (t *Tiled) fill(ctx context.Context) error {
	queue := NewWorkQueue(t.tiling(), true)
	share := 0.0
	return t.work(ctx, inFilled, queue, FillHalo, func(_ int, at Index, padded raster.Window) (*raster.Grid[float64], []DirtyRegion, int, error) {
		elevation, err := t.Elevation(padded)
		if err != nil {
			return nil, nil, 0, err
		}
		filled, err := t.load(inFilled, padded)
		if err != nil {
			return nil, nil, 0, err
		}
		return filled, t.tiling().Fill(at, elevation, filled), 0, nil
	}, func(int) {
		share = max(share, queue.Share())
		t.report(0, share)
	})
}

// accumulate sums area in the windows, that of the highest level first.
func (t *Tiled) accumulate(ctx context.Context) error {
	memory := make([]accumulation, max(1, t.Threads))
	known, all := 0, t.Width*t.Height
	err := t.work(ctx, inArea, NewWorkQueue(t.tiling(), false), AreaHalo, func(thread int, at Index, padded raster.Window) (*raster.Grid[float64], []DirtyRegion, int, error) {
		filled, err := t.load(inFilled, padded)
		if err != nil {
			return nil, nil, 0, err
		}
		area, err := t.load(inArea, padded)
		if err != nil {
			return nil, nil, 0, err
		}
		dirty, n := t.tiling().sum(&memory[thread], at, filled, area, t.Cell.Rows(padded.Row, padded.Height))
		if n == 0 {
			area = nil
		}
		return area, dirty, n, nil
	}, func(n int) {
		known += n
		t.report(1, float64(known)/float64(all))
	})
	if err == nil && known != all {
		err = fmt.Errorf("%d of %d cells have no area: their directions of flow form a cycle", all-known, all)
	}
	return err
}
