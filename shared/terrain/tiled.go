package terrain

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"slices"

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
	// Side of a tile in cells. About 25 bytes times (2 Side)^2 are held, and 32
	// bytes for each cell along the borders of tiles of twice that side.
	Side int
	// Elevation reads a window of the raster, NaN where there is no data.
	Elevation func(raster.Window) (*raster.Grid[float64], error)
	// Filled and Area get 8 bytes for each cell.
	Filled, Area Scratch
	// Progress is told the share that is done, 0 to 1, as far as it can be
	// foreseen; may be nil.
	Progress func(share float64)

	buf []byte
	// passes counts the tiles filled, the windows accumulated.
	passes [2]int
}

// Run does both. It stops between two tiles when ctx ends.
func (t *Tiled) Run(ctx context.Context) error {
	if t.Width < 1 || t.Height < 1 || t.Side < 2 {
		return fmt.Errorf("terrain of %d x %d cells in tiles of %d: at least one cell, tiles of 2", t.Width, t.Height, t.Side)
	}
	if len(t.Cell.DX) != t.Height || len(t.Cell.DY) != t.Height {
		return fmt.Errorf("terrain of %d rows: cell sizes for %d", t.Height, len(t.Cell.DX))
	}
	if err := t.fill(ctx); err != nil {
		return err
	}
	return t.accumulate(ctx)
}

// ReadArea returns the contributing area of a window, m2.
func (t *Tiled) ReadArea(w raster.Window) (*raster.Grid[float64], error) {
	return t.load(t.Area, w)
}

func (t *Tiled) whole() raster.Window { return raster.Window{Width: t.Width, Height: t.Height} }

func (t *Tiled) report(part, share float64) {
	if t.Progress != nil {
		t.Progress((part + min(share, 1)) / 2)
	}
}

// load reads a window of a scratch raster.
func (t *Tiled) load(s Scratch, w raster.Window) (*raster.Grid[float64], error) {
	g := raster.New[float64](w.Width, w.Height)
	t.buf = grown(t.buf, 8*w.Width)
	for r := range w.Height {
		if _, err := s.ReadAt(t.buf, t.offset(w.Col, w.Row+r)); err != nil {
			return nil, fmt.Errorf("read back row %d of the terrain: %w", w.Row+r, err)
		}
		row := g.Row(r)
		for c := range row {
			row[c] = math.Float64frombits(binary.LittleEndian.Uint64(t.buf[8*c:]))
		}
	}
	return g, nil
}

// save writes the window part of g, whose upper-left cell lies at col, row.
func (t *Tiled) save(s Scratch, g *raster.Grid[float64], col, row int, part raster.Window) error {
	t.buf = grown(t.buf, 8*part.Width)
	for r := part.Row; r < part.Row+part.Height; r++ {
		for c, v := range g.Row(r)[part.Col : part.Col+part.Width] {
			binary.LittleEndian.PutUint64(t.buf[8*c:], math.Float64bits(v))
		}
		if _, err := s.WriteAt(t.buf, t.offset(col+part.Col, row+r)); err != nil {
			return fmt.Errorf("write row %d of the terrain: %w", row+r, err)
		}
	}
	return nil
}

func (t *Tiled) offset(col, row int) int64 { return 8 * (int64(row)*int64(t.Width) + int64(col)) }

// seams hold elevation and filled elevation of the cells on both sides of the
// borders between tiles: whole rows and columns of the raster. Where a row and a
// column cross both have the cell.
type seams struct {
	rows, cols []*seam // nil where there is no border
}

type seam struct{ z, filled []float64 }

func newSeams(width, height, side int) *seams {
	along := func(size, other int) []*seam {
		list := make([]*seam, size)
		for at := side; at < size; at += side {
			for _, i := range []int{at - 1, at} {
				list[i] = &seam{make([]float64, other), make([]float64, other)}
				for k := range other {
					list[i].filled[k] = math.Inf(1)
				}
			}
		}
		return list
	}
	return &seams{rows: along(height, width), cols: along(width, height)}
}

// at returns elevation and filled elevation of a cell beside a border.
func (s *seams) at(col, row int) (z, filled float64) {
	if l := s.rows[row]; l != nil {
		return l.z[col], l.filled[col]
	}
	l := s.cols[col]
	return l.z[row], l.filled[row]
}

// set keeps the cells of a tile that lie beside borders.
func (s *seams) set(tile raster.Window, z, filled func(col, row int) float64) {
	for r := tile.Row; r < tile.Row+tile.Height; r++ {
		l := s.rows[r]
		for c := tile.Col; c < tile.Col+tile.Width; c++ {
			if l == nil && c > tile.Col && c < tile.Col+tile.Width-1 {
				c = tile.Col + tile.Width - 2 // nothing on the way to the last column
				continue
			}
			if l != nil {
				l.z[c], l.filled[c] = z(c, r), filled(c, r)
			}
			if k := s.cols[c]; k != nil {
				k.z[r], k.filled[r] = z(c, r), filled(c, r)
			}
		}
	}
}

// perimeter calls f for the cells of a tile that have a neighbour outside of it.
func perimeter(tile raster.Window, f func(col, row int)) {
	last := tile.Row + tile.Height - 1
	for r := tile.Row; r <= last; r++ {
		step := max(1, tile.Width-1)
		if r == tile.Row || r == last {
			step = 1
		}
		for c := tile.Col; c < tile.Col+tile.Width; c += step {
			f(c, r)
		}
	}
}

// gain is the lowest elevation that a cell of the tile takes when water may
// come in from the tiles around it; infinite if none changes.
func (s *seams) gain(tile, whole raster.Window) float64 {
	lowest := math.Inf(1)
	perimeter(tile, func(col, row int) {
		if s.rows[row] == nil && s.cols[col] == nil {
			return // at the edge of the raster
		}
		z, filled := s.at(col, row)
		if !(z < filled) { // at its own elevation already, or without data
			return
		}
		for k := range stepCol {
			c, r := col+stepCol[k], row+stepRow[k]
			if inside(tile, c, r) || !inside(whole, c, r) {
				continue
			}
			if _, n := s.at(c, r); finite(n) {
				if v := max(z, nextUp(n)); v < filled {
					lowest = min(lowest, v)
				}
			}
		}
	})
	return lowest
}

// nextUp is the next float64, where 0 has no sign.
func nextUp(v float64) float64 { return math.Nextafter(v, math.Inf(1)) + 0 }

// fill relaxes the tiles until no cell can be lower. The filled elevation of a
// cell is max(z, nextUp(lowest filled neighbour)), so what a tile finds from
// what its neighbours know so far is never too low, and only falls when they
// fall. Nothing is left to fall exactly when the equation holds at every cell;
// it has one solution, since every step along it descends. The tile with the
// lowest news goes first, as the lowest cell does in the flood of one grid.
func (t *Tiled) fill(ctx context.Context) error {
	side := 2 * t.Side
	var tiles []raster.Window
	for r := 0; r < t.Height; r += side {
		for c := 0; c < t.Width; c += side {
			tiles = append(tiles, raster.Window{Col: c, Row: r, Width: side, Height: side}.Intersect(t.whole()))
		}
	}
	across := (t.Width + side - 1) / side
	s := newSeams(t.Width, t.Height, side)
	news := make([]float64, len(tiles))
	for i, tile := range tiles {
		if err := ctx.Err(); err != nil {
			return err
		}
		var err error
		if news[i], err = t.begin(tile, s); err != nil {
			return err
		}
		t.report(0, 0.3*float64(i+1)/float64(len(tiles)))
	}
	begun := make([]bool, len(tiles))
	done := 0
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		i := 0
		for k, v := range news {
			if v < news[i] {
				i = k
			}
		}
		if math.IsInf(news[i], 1) {
			break
		}
		if err := t.relax(tiles[i], s, !begun[i]); err != nil {
			return err
		}
		if !begun[i] {
			begun[i] = true
			done++
			t.report(0, 0.3+0.7*float64(done)/float64(len(tiles)))
		}
		for r := i/across - 1; r <= i/across+1; r++ {
			for c := i%across - 1; c <= i%across+1; c++ {
				k := r*across + c
				if r < 0 || c < 0 || c >= across || k >= len(tiles) {
					continue
				}
				gain := s.gain(tiles[k], t.whole())
				if !begun[k] {
					gain = min(gain, news[k]) // its own outlets
				}
				news[k] = gain
			}
		}
	}
	return nil
}

// begin marks what is known of a tile by itself: cells without data, outlets.
// It returns the elevation of the lowest outlet.
func (t *Tiled) begin(tile raster.Window, s *seams) (lowest float64, err error) {
	frame := tile.Grow(1).Intersect(t.whole())
	z, err := t.Elevation(frame)
	if err != nil {
		return 0, err
	}
	f := flood{z: z}
	filled := raster.New[float64](frame.Width, frame.Height)
	core := raster.Window{Col: tile.Col - frame.Col, Row: tile.Row - frame.Row, Width: tile.Width, Height: tile.Height}
	lowest = math.Inf(1)
	for r := core.Row; r < core.Row+core.Height; r++ {
		for c := core.Col; c < core.Col+core.Width; c++ {
			i := r*frame.Width + c
			v := z.Cells[i]
			switch {
			case !finite(v):
				z.Cells[i] = math.NaN()
				filled.Cells[i] = math.NaN()
			case f.touchesOutside(c, r):
				filled.Cells[i] = v + 0
				lowest = min(lowest, v)
			default:
				filled.Cells[i] = math.Inf(1)
			}
		}
	}
	t.keepSeams(s, tile, frame, z, filled)
	return lowest, t.save(t.Filled, filled, frame.Col, frame.Row, core)
}

func (t *Tiled) keepSeams(s *seams, tile, frame raster.Window, z, filled *raster.Grid[float64]) {
	s.set(tile,
		func(c, r int) float64 { return z.At(c-frame.Col, r-frame.Row) },
		func(c, r int) float64 { return filled.At(c-frame.Col, r-frame.Row) })
}

// relax lowers the cells of a tile as far as what is known around it permits.
// outlets says that its own outlets have not been looked at yet.
func (t *Tiled) relax(tile raster.Window, s *seams, outlets bool) error {
	t.passes[0]++
	frame := tile.Grow(1).Intersect(t.whole())
	inner, err := t.load(t.Filled, tile)
	if err != nil {
		return err
	}
	ground, err := t.Elevation(tile)
	if err != nil {
		return err
	}
	z, filled := raster.New[float64](frame.Width, frame.Height), raster.New[float64](frame.Width, frame.Height)
	core := raster.Window{Col: tile.Col - frame.Col, Row: tile.Row - frame.Row, Width: tile.Width, Height: tile.Height}
	for r := range tile.Height {
		copy(z.Row(core.Row + r)[core.Col:], ground.Row(r))
		copy(filled.Row(core.Row + r)[core.Col:], inner.Row(r))
	}
	f := flood{z: z, filled: filled}
	perimeter(frame, func(c, r int) {
		if inside(tile, c, r) {
			return // the raster ends here
		}
		i := (r-frame.Row)*frame.Width + c - frame.Col
		z.Cells[i], filled.Cells[i] = s.at(c, r)
		if finite(filled.Cells[i]) {
			f.open.push(filled.Cells[i], i)
		}
	})
	if outlets {
		for r := core.Row; r < core.Row+core.Height; r++ {
			for i := r*frame.Width + core.Col; i < r*frame.Width+core.Col+core.Width; i++ {
				if finite(filled.Cells[i]) {
					f.open.push(filled.Cells[i], i)
				}
			}
		}
	}
	f.lower(core)
	t.keepSeams(s, tile, frame, z, filled)
	return t.save(t.Filled, filled, frame.Col, frame.Row, core)
}

// lower is run for cells that may have a value already, which is too high or right.
func (f *flood) lower(core raster.Window) {
	w := f.z.Width
	z, filled := f.z.Cells, f.filled.Cells
	type lift struct {
		z float64
		i int
	}
	var raised []lift // sorted, as the queue of run
	head := 0
	for {
		var at lift
		switch {
		case head < len(raised) && (len(f.open) == 0 || raised[head].z <= f.open[0].z):
			at = raised[head]
			head++
			if head > 1024 && 2*head > len(raised) {
				raised, head = raised[:copy(raised, raised[head:])], 0
			}
		case len(f.open) > 0:
			at.z = f.open[0].z
			at.i = f.open.pop()
		default:
			return
		}
		if filled[at.i] < at.z {
			continue // found a lower way meanwhile
		}
		above := nextUp(at.z)
		c, r := at.i%w, at.i/w
		for y := max(r-1, core.Row); y <= min(r+1, core.Row+core.Height-1); y++ {
			for n := y*w + max(c-1, core.Col); n <= y*w+min(c+1, core.Col+core.Width-1); n++ {
				switch {
				case !(above < filled[n]) || !(z[n] < filled[n]): // NaN too
				case z[n] <= above:
					filled[n] = above
					raised = append(raised, lift{above, n})
				default:
					filled[n] = z[n] + 0
					f.open.push(filled[n], n)
				}
			}
		}
	}
}

// accumulate completes windows of two by two tiles, at every place such a
// window can lie: what crosses the border of one again and again, a river along
// it, lies inside another. A window waits for news as long as nothing upstream
// of its pending cells has changed; the one with the highest news goes first.
func (t *Tiled) accumulate(ctx context.Context) error {
	side := t.Side
	down, across := max(1, (t.Height+side-1)/side-1), max(1, (t.Width+side-1)/side-1)
	news := make([]float64, down*across) // elevation of the highest news; -Inf without
	for i := range news {
		news[i] = math.Inf(-1)
	}
	// At first windows that do not overlap, unless at the far ends, find what
	// depends on nothing outside.
	for r := 0; r < down; r += 2 {
		for c := 0; c < across; c += 2 {
			news[r*across+c] = math.Inf(1)
		}
	}
	for c := range across {
		if down%2 == 0 && c%2 == 0 {
			news[(down-1)*across+c] = math.Inf(1)
		}
	}
	if across%2 == 0 {
		for r := 0; r < down; r += 2 {
			news[r*across+across-1] = math.Inf(1)
		}
		news[len(news)-1] = math.Inf(1)
	}
	blank := slices.Repeat([]float64{pending}, t.Width)
	row := &raster.Grid[float64]{Width: t.Width, Height: 1, Cells: blank}
	for r := range t.Height {
		if err := t.save(t.Area, row, 0, r, row.Bounds()); err != nil {
			return err
		}
	}
	a := accumulation{}
	known := 0
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		i := 0
		for k, v := range news {
			if v > news[i] {
				i = k
			}
		}
		if math.IsInf(news[i], -1) {
			break
		}
		news[i] = math.Inf(-1)
		core := raster.Window{Col: i % across * side, Row: i / across * side, Width: 2 * side, Height: 2 * side}.Intersect(t.whole())
		n, err := t.complete(&a, core, func(col, row int, elevation float64) {
			// The window that has the cell nearest to its middle.
			c := min(max((col-side/2)/side, 0), across-1)
			r := min(max((row-side/2)/side, 0), down-1)
			news[r*across+c] = max(news[r*across+c], elevation)
		})
		if err != nil {
			return err
		}
		known += n
		t.report(1, float64(known)/float64(t.Width*t.Height))
	}
	if all := t.Width * t.Height; known != all {
		return fmt.Errorf("%d of %d cells have no area: their water runs in a circle", all-known, all)
	}
	return nil
}

// complete finds the area of the cells of core that have all it takes, and calls
// news for pending cells outside of core that now know more of their donors.
// It returns how many cells became known.
func (t *Tiled) complete(a *accumulation, core raster.Window, news func(col, row int, elevation float64)) (int, error) {
	t.passes[1]++
	frame := core.Grow(2).Intersect(t.whole())
	var err error
	if a.filled, err = t.load(t.Filled, frame); err != nil {
		return 0, err
	}
	if a.area, err = t.load(t.Area, frame); err != nil {
		return 0, err
	}
	a.cell = t.Cell.Rows(frame.Row, frame.Height)
	local := raster.Window{Col: core.Col - frame.Col, Row: core.Row - frame.Row, Width: core.Width, Height: core.Height}
	open := func() (n int) {
		for r := local.Row; r < local.Row+local.Height; r++ {
			for _, v := range a.area.Row(r)[local.Col : local.Col+local.Width] {
				if v == pending {
					n++
				}
			}
		}
		return n
	}
	before := open()
	if before == 0 {
		return 0, nil
	}
	was := map[int]bool{} // border cells that were pending
	perimeter(local, func(c, r int) {
		if i := r*frame.Width + c; a.area.Cells[i] == pending {
			was[i] = true
		}
	})
	a.run(local)
	step := a.steps()
	perimeter(local, func(c, r int) {
		i := r*frame.Width + c
		if !was[i] || !(a.area.Cells[i] > pending) {
			return
		}
		f := facets[a.code[i]%8]
		for _, to := range []struct {
			bit uint8
			k   int
		}{{givesFirst, f.e1}, {givesSecond, f.e2}} {
			if a.code[i]&to.bit == 0 {
				continue
			}
			n := i + step[to.k]
			if x, y := n%frame.Width, n/frame.Width; !inside(local, x, y) && a.area.Cells[n] == pending {
				news(x+frame.Col, y+frame.Row, a.filled.Cells[n])
			}
		}
	})
	return before - open(), t.save(t.Area, a.area, frame.Col, frame.Row, local)
}
