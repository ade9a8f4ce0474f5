package geotiff

import (
	"errors"
	"fmt"
	"iter"
	"math"

	"github.com/cyverse-gis/eemt/shared/geotiff/internal/sample"
	"github.com/cyverse-gis/eemt/shared/raster"
)

// building is a block whose cells have not all come yet.
type building struct {
	level, band int
	index       int           // of the block within its band
	at          raster.Window // its cells within the raster, without padding
	left        int           // cells to come
	// The mean of each overview cell is over all full-resolution cells with
	// data below it, hence sums and counts instead of means of means. Of the full
	// raster cells are the values, and there are no counts.
	cells []float64
	n     []int32
}

// Windows yields the blocks of the full raster, four neighbours after each
// other, then the four neighbours of such four, and so on: an overview's block
// is complete soon after it was begun.
func (w *Writer) Windows() iter.Seq[raster.Window] {
	l := w.levels[0]
	side := 1
	for side < max(l.across, l.down) {
		side *= 2
	}
	return func(yield func(raster.Window) bool) {
		l.quadrant(0, 0, side, yield)
	}
}

// quadrant yields the blocks of side x side blocks from col, row on, quadrant by quadrant; false ends the walk.
func (l *level) quadrant(col, row, side int, yield func(raster.Window) bool) bool {
	if col >= l.across || row >= l.down {
		return true
	}
	if side == 1 {
		return yield(l.window(col, row))
	}
	half := side / 2
	return l.quadrant(col, row, half, yield) && l.quadrant(col+half, row, half, yield) &&
		l.quadrant(col, row+half, half, yield) && l.quadrant(col+half, row+half, half, yield)
}

// window is what a block covers of its level.
func (l *level) window(col, row int) raster.Window {
	whole := raster.Window{Width: l.width, Height: l.height}
	return raster.Window{Col: col * l.blockW, Row: row * l.blockH, Width: l.blockW, Height: l.blockH}.Intersect(whole)
}

// building returns the block of a level, begun now unless it was before.
func (w *Writer) building(k, band, col, row int) *building {
	l := w.levels[k]
	index := row*l.across + col
	key := band*l.across*l.down + index
	b := l.open[key]
	if b != nil {
		return b
	}
	if n := len(l.free); n > 0 {
		b, l.free = l.free[n-1], l.free[:n-1]
	} else {
		size := min(l.blockW, l.width) * min(l.blockH, l.height)
		b = &building{level: k, cells: make([]float64, size)}
		if k > 0 {
			b.n = make([]int32, size)
		}
	}
	b.band, b.index, b.at = band, index, l.window(col, row)
	b.left = b.at.Width * b.at.Height
	l.open[key] = b
	return b
}

// keepFree is how many blocks of a level are kept for others.
const keepFree = 2

// received counts the cells of p, which have been put into b. A complete block
// is compressed, and adds to the overview.
func (w *Writer) received(b *building, p raster.Window) error {
	b.left -= p.Width * p.Height
	if b.left > 0 {
		return nil
	}
	if b.left < 0 {
		return fmt.Errorf("band %d: cells of window %+v came twice", b.band, p)
	}
	l := w.levels[b.level]
	if b.level == 0 && w.bands[b.band].stats != nil {
		s := &w.bands[b.band].stats[b.index]
		for r := range b.at.Height {
			s.Of(b.row(r))
		}
	}
	w.compress(b)
	var err error
	if b.level+1 < len(w.levels) {
		err = w.halve(b)
	}
	delete(l.open, b.band*l.across*l.down+b.index)
	if len(l.free) < keepFree {
		l.free = append(l.free, b)
	}
	return err
}

func (b *building) row(r int) []float64 { return b.cells[r*b.at.Width : (r+1)*b.at.Width] }

// compress hands the samples of a complete block over. What lies beyond the
// raster repeats its edge, which compresses well.
func (w *Writer) compress(b *building) {
	l := w.levels[b.level]
	line := l.blockW * w.size
	buf := buffers.Get().(*[]byte)
	*buf = resize(*buf, line*l.blockH)
	raw := *buf
	var means []float64
	if b.level > 0 {
		means = make([]float64, b.at.Width)
	}
	for r := range l.blockH {
		to := raw[r*line : (r+1)*line]
		if r >= b.at.Height {
			copy(to, raw[(r-1)*line:])
			continue
		}
		row := b.row(r)
		if means != nil {
			for c, n := range b.n[r*b.at.Width:][:b.at.Width] {
				means[c] = math.NaN()
				if n > 0 {
					means[c] = row[c] / float64(n)
				}
			}
			row = means
		}
		sample.Encode(w.opts.Type, to, row, w.nodata)
		for c := b.at.Width * w.size; c < line; c++ {
			to[c] = to[c-w.size]
		}
	}
	i := b.band*l.across*l.down + b.index
	w.slots <- struct{}{}
	w.wg.Go(func() {
		defer func() { <-w.slots }()
		packed, err := w.pack(buf, l.blockW)
		buffers.Put(buf)
		if err == nil {
			err = w.keep(&l.blocks[i], packed)
		}
		if err != nil {
			w.mu.Lock()
			w.err = errors.Join(w.err, err)
			w.mu.Unlock()
		}
	})
}

// halve adds a complete block to the next level. Blocks begin at even columns
// and rows, so that no cell of the next level lies below two of them.
func (w *Writer) halve(b *building) error {
	k := b.level + 1
	o := w.levels[k]
	at := raster.Window{Col: b.at.Col / 2, Row: b.at.Row / 2, Width: (b.at.Width + 1) / 2, Height: (b.at.Height + 1) / 2}
	for r := at.Row / o.blockH; r*o.blockH < at.Row+at.Height; r++ {
		for c := at.Col / o.blockW; c*o.blockW < at.Col+at.Width; c++ {
			to := w.building(k, b.band, c, r)
			p := to.at.Intersect(at)
			for row := p.Row; row < p.Row+p.Height; row++ {
				i := (row-to.at.Row)*to.at.Width + p.Col - to.at.Col
				b.sums(row-at.Row, p.Col-at.Col, to.cells[i:][:p.Width], to.n[i:][:p.Width])
			}
			if err := w.received(to, p); err != nil {
				return err
			}
		}
	}
	return nil
}

// sums takes sums and counts of the cells under one row of the next level, from
// its column first on, both counted from the corner of b.
func (b *building) sums(row, first int, sum []float64, n []int32) {
	clear(sum)
	clear(n)
	for r := 2 * row; r < min(2*row+2, b.at.Height); r++ {
		cells := b.row(r)[2*first:]
		cells = cells[:min(len(cells), 2*len(sum))]
		if b.n == nil {
			for c, v := range cells {
				if !math.IsNaN(v) {
					sum[c/2] += v
					n[c/2]++
				}
			}
			continue
		}
		for c, v := range cells {
			sum[c/2] += v
		}
		for c, v := range b.n[r*b.at.Width+2*first:][:len(cells)] {
			n[c/2] += v
		}
	}
}
