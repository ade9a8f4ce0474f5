package terrain

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math"

	"github.com/cyverse-gis/eemt/shared/raster"
)

// Scratch keeps one raster of float64 outside of memory; an *os.File is one.
type Scratch interface {
	io.ReaderAt
	io.WriterAt
}

// Tiled fills depressions and accumulates area over a raster of any size, of
// which it holds some tiles at a time. The results are those of FillDepressions
// and ContributingArea to the last bit, however the raster is cut.
type Tiled struct {
	Width, Height int
	Cell          raster.CellSize
	// Side of a tile in cells. About 25 bytes times (2 Side)^2 are held.
	Side int
	// Elevation reads a window of the raster, NaN where there is no data.
	Elevation func(raster.Window) (*raster.Grid[float64], error)
	// Filled and Area get 8 bytes for each cell.
	Filled, Area Scratch
	// Progress is told the share that is done, 0 to 1, as far as it can be
	// foreseen; may be nil.
	Progress func(share float64)

	buf []byte
	// seen are the tiles that have something in Filled, in Area, row by row.
	seen [2][]bool
	// passes counts the windows filled and summed.
	passes [2]int
}

// The indexes of what the two parts of the work know.
const (
	inFilled = iota
	inArea
)

// Run does both. It stops between two windows when ctx ends.
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

func (t *Tiled) report(part, share float64) {
	if t.Progress != nil {
		t.Progress((part + min(share, 1)) / 2)
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
	across, _ := t.tiling().Tiles()
	for r := range w.Height {
		row := g.Row(r)
		for c := 0; c < w.Width; {
			col := (w.Col + c) / t.Side
			part := row[c:min(w.Width, (col+1)*t.Side-w.Col)]
			c += len(part)
			if !t.seen[what][(w.Row+r)/t.Side*across+col] {
				for i := range part {
					part[i] = unknown
				}
				continue
			}
			t.buf = grown(t.buf, 8*len(part))
			if _, err := file.ReadAt(t.buf, t.offset(w.Col+c-len(part), w.Row+r)); err != nil {
				return nil, fmt.Errorf("read back row %d of the terrain: %w", w.Row+r, err)
			}
			for i := range part {
				part[i] = math.Float64frombits(binary.LittleEndian.Uint64(t.buf[8*i:]))
			}
		}
	}
	return g, nil
}

// save writes the cells of the window at a place from g, whose upper-left cell lies at col, row.
func (t *Tiled) save(what int, g *raster.Grid[float64], col, row int, at Place) error {
	file, _ := t.scratch(what)
	core := t.tiling().Window(at)
	t.buf = grown(t.buf, 8*core.Width)
	for r := core.Row; r < core.Row+core.Height; r++ {
		for c, v := range g.Row(r - row)[core.Col-col : core.Col-col+core.Width] {
			binary.LittleEndian.PutUint64(t.buf[8*c:], math.Float64bits(v))
		}
		if _, err := file.WriteAt(t.buf, t.offset(core.Col, r)); err != nil {
			return fmt.Errorf("write row %d of the terrain: %w", r, err)
		}
	}
	across, _ := t.tiling().Tiles()
	for _, tile := range t.tiling().Under(at) {
		t.seen[what][tile.Row*across+tile.Col] = true
	}
	return nil
}

func (t *Tiled) offset(col, row int) int64 { return 8 * (int64(row)*int64(t.Width) + int64(col)) }

// fill fills the windows, that with the lowest news first, as the lowest cell does
// in the flood of one grid.
func (t *Tiled) fill(ctx context.Context) error {
	course := NewCourse(t.tiling(), true)
	share := 0.0
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		next := course.Next(1)
		if len(next) == 0 {
			return nil
		}
		at := next[0]
		core := t.tiling().Window(at)
		frame := core.Grow(FillFrame).Intersect(t.whole())
		ground, err := t.Elevation(frame)
		if err != nil {
			return err
		}
		filled, err := t.load(inFilled, frame)
		if err != nil {
			return err
		}
		t.passes[inFilled]++
		course.Add(t.tiling().Fill(at, ground, filled))
		if err := t.save(inFilled, filled, frame.Col, frame.Row, at); err != nil {
			return err
		}
		share = max(share, course.Share())
		t.report(0, share)
	}
}

// accumulate sums area in the windows, that with the highest news first.
func (t *Tiled) accumulate(ctx context.Context) error {
	course := NewCourse(t.tiling(), false)
	a := new(accumulation)
	known, all := 0, t.Width*t.Height
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		next := course.Next(1)
		if len(next) == 0 {
			break
		}
		at := next[0]
		frame := t.tiling().Window(at).Grow(AreaFrame).Intersect(t.whole())
		filled, err := t.load(inFilled, frame)
		if err != nil {
			return err
		}
		area, err := t.load(inArea, frame)
		if err != nil {
			return err
		}
		t.passes[inArea]++
		news, n := t.tiling().sum(a, at, filled, area, t.Cell.Rows(frame.Row, frame.Height))
		course.Add(news)
		if n > 0 {
			if err := t.save(inArea, area, frame.Col, frame.Row, at); err != nil {
				return err
			}
		}
		known += n
		t.report(1, float64(known)/float64(all))
	}
	if known != all {
		return fmt.Errorf("%d of %d cells have no area: their water runs in a circle", all-known, all)
	}
	return nil
}
