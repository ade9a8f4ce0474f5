package geotiff

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/cyverse-gis/eemt/shared/geotiff/codec"
	"github.com/cyverse-gis/eemt/shared/geotiff/internal/sample"
	"github.com/cyverse-gis/eemt/shared/raster"
)

// Read fills dst, of w.Width*w.Height values in row-major order, with a window
// of one band, counted from 0. Cells without data become NaN; scale and offset
// are applied. Only blocks that touch the window are read. Integers beyond
// 2^53 lose their last digits.
//
// What all reads of a process decode at a time is bounded: by a third of its memory limit (GOMEMLIMIT), or 1 GiB where it
// has none. Reads wait for room. A block that needs more than that is refused.
func (m *Image) Read(ctx context.Context, band int, w raster.Window, dst []float64) error {
	return m.ReadBands(ctx, []int{band}, w, [][]float64{dst})
}

// ReadBands is Read for several bands, one slice of dst for each. Where a file
// interleaves its bands, it decodes every block once instead of once per band.
func (m *Image) ReadBands(ctx context.Context, bands []int, w raster.Window, dst [][]float64) error {
	return m.readAll(ctx, bands, []target{{w, dst}})
}

// ReadWindows is Read for several windows, one slice of dst for each. It decodes every block once, however many of the
// windows touch it.
func (m *Image) ReadWindows(ctx context.Context, band int, windows []raster.Window, dst [][]float64) error {
	if len(windows) != len(dst) {
		return fmt.Errorf("%d windows into room for %d", len(windows), len(dst))
	}
	targets := make([]target, len(windows))
	for i, w := range windows {
		targets[i] = target{w, dst[i : i+1]}
	}
	return m.readAll(ctx, []int{band}, targets)
}

// target is a window with the room for its cells, one slice for each band.
type target struct {
	raster.Window
	dst [][]float64
}

func (m *Image) readAll(ctx context.Context, bands []int, targets []target) error {
	if err := m.readBands(ctx, bands, targets); err != nil {
		return blame(err)
	}
	if m.blankFirst+m.blankLast > 0 {
		for _, t := range targets {
			m.blank(t.Window, t.dst)
		}
	}
	return nil
}

func (m *Image) readBands(ctx context.Context, bands []int, targets []target) error {
	for _, t := range targets {
		if err := m.checkRead(bands, t.Window, t.dst); err != nil {
			return err
		}
	}
	if err := m.index(); err != nil {
		return err
	}
	if err := m.eachBlock(ctx, targets, func(bc, br int, sc *scratch) error {
		return m.readBlock(ctx, bc, br, bands, targets, sc)
	}); err != nil {
		return err
	}
	if m.mask == nil {
		return nil
	}
	if err := m.mask.index(); err != nil {
		return fmt.Errorf("mask: %w", err)
	}
	return m.mask.eachBlock(ctx, targets, func(bc, br int, sc *scratch) error {
		return m.mask.applyMask(ctx, bc, br, targets, sc)
	})
}

// checkRead refuses bands and a window that the image does not have, and room that is not of the window's size.
func (m *Image) checkRead(bands []int, w raster.Window, dst [][]float64) error {
	if len(bands) != len(dst) {
		return fmt.Errorf("%d bands into room for %d", len(bands), len(dst))
	}
	for _, band := range bands {
		if band < 0 || band >= m.Bands {
			return fmt.Errorf("band %d: the raster has the bands 0 to %d", band, m.Bands-1)
		}
	}
	if w.Width < 1 || w.Height < 1 || w.Col < 0 || w.Row < 0 || w.Width > m.Width-w.Col || w.Height > m.Height-w.Row {
		return fmt.Errorf("window %+v: must lie inside of the %d x %d cells", w, m.Width, m.Height)
	}
	for _, d := range dst {
		if len(d) != w.Width*w.Height {
			return fmt.Errorf("window %+v: needs %d values, has room for %d", w, w.Width*w.Height, len(d))
		}
	}
	return nil
}

// Grid reads a window of one band, counted from 0, as Read does.
func (m *Image) Grid(ctx context.Context, band int, w raster.Window) (*raster.Grid[float64], error) {
	if w.Width < 1 || w.Height < 1 || w.Width > m.Width || w.Height > m.Height {
		return nil, fmt.Errorf("window %+v: must lie inside of the %d x %d cells", w, m.Width, m.Height)
	}
	g := raster.New[float64](w.Width, w.Height)
	if err := m.Read(ctx, band, w, g.Cells); err != nil {
		return nil, err
	}
	return g, nil
}

// keepScratch bounds the decoding memory kept for later reads.
const keepScratch = 16 << 20

// Bounds is the window that covers the image.
func (m *Image) Bounds() raster.Window { return raster.Window{Width: m.Width, Height: m.Height} }

// workers is how many of n blocks are decoded at a time: on all cores, but together no
// more than Bound says, or the largest block may have, which a file of 250 kB may hold many of.
func (m *Image) workers(n int) int {
	workers := min(runtime.GOMAXPROCS(0), n)
	if m.comp != codec.None {
		most := int64(codec.MaxBlock)
		if m.bound > 0 {
			most = m.bound
		}
		workers = min(workers, max(1, int(most)/m.rowBytes()/m.BlockHeight))
	}
	return workers
}

// under returns how many blocks lie under windows, and the place of each.
func (m *Image) under(targets []target) (n int, at func(i int) (col, row int)) {
	if len(targets) == 1 {
		c0, r0, across, down := m.blocksUnder(targets[0].Window)
		return across * down, func(i int) (col, row int) { return c0 + i%across, r0 + i/across }
	}
	var list []int
	for _, t := range targets {
		c0, r0, across, down := m.blocksUnder(t.Window)
		for i := range across * down {
			list = append(list, (r0+i/across)*m.across+c0+i%across)
		}
	}
	slices.Sort(list)
	list = slices.Compact(list)
	return len(list), func(i int) (col, row int) { return list[i] % m.across, list[i] / m.across }
}

// blocksUnder returns the first block under a window, and how many there are.
func (m *Image) blocksUnder(w raster.Window) (col, row, across, down int) {
	col, row = w.Col/m.BlockWidth, w.Row/m.BlockHeight
	return col, row, (w.Col+w.Width-1)/m.BlockWidth - col + 1, (w.Row+w.Height-1)/m.BlockHeight - row + 1
}

// eachBlock calls f for the blocks under windows, on all cores.
func (m *Image) eachBlock(ctx context.Context, targets []target, f func(col, row int, sc *scratch) error) error {
	n, at := m.under(targets)
	work := func(i int, sc *scratch) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		col, row := at(i)
		if err := f(col, row, sc); err != nil {
			return fmt.Errorf("block at column %d, row %d: %w", col, row, err)
		}
		return nil
	}
	workers := m.workers(n)
	errs := make([]error, workers)
	var next atomic.Int64
	var stop atomic.Bool
	run := func(k int) {
		sc := scratches.Get().(*scratch)
		defer func() {
			if cap(sc.raw)+cap(sc.packed) <= keepScratch {
				scratches.Put(sc)
			}
		}()
		defer func() {
			// In a goroutine of its own it would end the process, at each try.
			if v := recover(); v != nil {
				errs[k] = fmt.Errorf("%w: the decoder failed: %v", ErrDamaged, v)
				stop.Store(true)
			}
		}()
		for !stop.Load() {
			i := int(next.Add(1)) - 1
			if i >= n {
				return
			}
			if errs[k] = work(i, sc); errs[k] != nil {
				stop.Store(true)
				return
			}
		}
	}
	var wg sync.WaitGroup
	for k := 1; k < workers; k++ {
		wg.Go(func() { run(k) })
	}
	run(0)
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// part is the cells of a window in one block, in image coordinates.
type part struct {
	raster.Window
	of target
}

// parts returns what of windows lies in the block at bc, br, and which rows of the block that takes. It is valid until sc is
// used again.
func (m *Image) parts(bc, br int, targets []target, sc *scratch) (list []part, from, to int) {
	block := raster.Window{Col: bc * m.BlockWidth, Row: br * m.BlockHeight, Width: m.BlockWidth, Height: m.BlockHeight}
	sc.parts = sc.parts[:0]
	from = m.BlockHeight
	for _, t := range targets {
		if p := t.Intersect(block); p.Width > 0 && p.Height > 0 {
			sc.parts = append(sc.parts, part{p, t})
			from, to = min(from, p.Row-block.Row), max(to, p.Row+p.Height-block.Row)
		}
	}
	return sc.parts, from, to
}

// eachPart calls f for what of parts lies in rows of a block at row br, from its row first on, with the bytes of its rows;
// nil of a block that is left out.
func (m *Image) eachPart(parts []part, br, first, rows int, b []byte, f func(p part, b []byte)) {
	top := br*m.BlockHeight + first
	for _, p := range parts {
		row, end := max(p.Row, top), min(p.Row+p.Height, top+rows)
		if row >= end {
			continue
		}
		p.Row, p.Height = row, end-row
		if b == nil {
			f(p, nil)
			continue
		}
		f(p, b[(row-top)*m.rowBytes():])
	}
}

// readBlock fills in the cells of windows that one block holds.
func (m *Image) readBlock(ctx context.Context, bc, br int, bands []int, targets []target, sc *scratch) error {
	if m.comp == codec.None && len(targets) > 1 { // whose rows between windows need not be read
		for i := range targets {
			if err := m.readBlock(ctx, bc, br, bands, targets[i:i+1], sc); err != nil {
				return err
			}
		}
		return nil
	}
	parts, from, to := m.parts(bc, br, targets, sc)
	if len(parts) == 0 {
		return nil
	}
	i := br*m.across + bc
	if !m.planar {
		return m.eachRows(ctx, i, from, to, sc, func(first, rows int, b []byte) {
			m.eachPart(parts, br, first, rows, b, func(p part, b []byte) {
				at := (p.Col - bc*m.BlockWidth) * m.Bands
				for k, band := range bands {
					m.decodePart(b, band, band+at, m.Bands, p.Window, p.of.Window, p.of.dst[k])
				}
				if m.Alpha != 0 {
					m.applyAlpha(b, m.Alpha+at, m.Bands, bands, p)
				}
			})
		})
	}
	for k, band := range bands {
		if err := m.eachRows(ctx, i+band*m.across*m.down, from, to, sc, func(first, rows int, b []byte) {
			m.eachPart(parts, br, first, rows, b, func(p part, b []byte) {
				m.decodePart(b, band, p.Col-bc*m.BlockWidth, 1, p.Window, p.of.Window, p.of.dst[k])
			})
		}); err != nil {
			return err
		}
	}
	if m.Alpha == 0 {
		return nil
	}
	return m.eachRows(ctx, i+m.Alpha*m.across*m.down, from, to, sc, func(first, rows int, b []byte) {
		m.eachPart(parts, br, first, rows, b, func(p part, b []byte) {
			m.applyAlpha(b, p.Col-bc*m.BlockWidth, 1, bands, p)
		})
	})
}

// applyAlpha sets the cells of p to NaN where the alpha band is 0, of which b has every stride-th sample from the first on.
// The band itself is read as it is.
func (m *Image) applyAlpha(b []byte, first, stride int, bands []int, p part) {
	row, w := m.rowBytes(), p.of.Window
	alpha := make([]float64, p.Width)
	for r := range p.Height {
		if b != nil {
			sample.Decode(m.Type, b[r*row:(r+1)*row], first, stride, alpha)
		}
		at := (p.Row-w.Row+r)*w.Width + p.Col - w.Col
		for c, a := range alpha {
			if a != 0 {
				continue
			}
			for k, d := range p.of.dst {
				if bands[k] != m.Alpha {
					d[at+c] = math.NaN()
				}
			}
		}
	}
}

// decodePart converts the rows of p in a block; b is nil for one left out.
func (m *Image) decodePart(b []byte, band, first, stride int, p, w raster.Window, dst []float64) {
	info := m.Band(band)
	isNoData := m.isNoData()
	if m.Alpha != 0 && band == m.Alpha { // whose numbers are neither elevations nor missing
		info, isNoData = BandInfo{Scale: 1}, nil
	}
	scaled := info.Scale != 1 || info.Offset != 0
	row := m.rowBytes()
	if b == nil {
		m.fillPart(band, info.Offset, isNoData, p, w, dst)
		return
	}
	for r := range p.Height {
		at := (p.Row-w.Row+r)*w.Width + p.Col - w.Col
		out := dst[at : at+p.Width]
		sample.Decode(m.Type, b[r*row:(r+1)*row], first, stride, out)
		if isNoData != nil {
			for c, v := range out {
				if isNoData(v) {
					out[c] = math.NaN()
				}
			}
		}
		if scaled {
			for c, v := range out {
				out[c] = v*info.Scale + info.Offset
			}
		}
	}
}

// fillPart stores what a block that is left out holds in the cells of p: nodata, or in a raster without it zeros, which
// are zero after scaling.
func (m *Image) fillPart(band int, zero float64, isNoData func(float64) bool, p, w raster.Window, dst []float64) {
	v := zero
	if m.HasNoData && (m.Alpha == 0 || band != m.Alpha) || isNoData != nil && isNoData(0) {
		v = math.NaN()
	}
	for r := range p.Height {
		at := (p.Row-w.Row+r)*w.Width + p.Col - w.Col
		for c := range p.Width {
			dst[at+c] = v
		}
	}
}

// applyMask sets the cells of windows to NaN where the mask is 0.
func (m *Image) applyMask(ctx context.Context, bc, br int, targets []target, sc *scratch) error {
	parts, from, to := m.parts(bc, br, targets, sc)
	if len(parts) == 0 {
		return nil
	}
	if err := m.eachRows(ctx, br*m.across+bc, from, to, sc, func(first, rows int, b []byte) {
		m.eachPart(parts, br, first, rows, b, func(p part, b []byte) { m.maskPart(b, p.Col-bc*m.BlockWidth, p) })
	}); err != nil {
		return fmt.Errorf("mask: %w", err)
	}
	return nil
}

// maskPart sets the cells of p to NaN where the mask is 0, of which b has the rows; those of p begin at column first.
func (m *Image) maskPart(b []byte, first int, p part) {
	row, w := m.rowBytes(), p.of.Window
	for r := range p.Height {
		at := (p.Row-w.Row+r)*w.Width + p.Col - w.Col
		for c := range p.Width {
			x := first + c
			set := false
			if b != nil {
				if m.bits == 1 {
					set = b[r*row+x/8]&(0x80>>(x%8)) != 0
				} else {
					set = b[r*row+x] != 0
				}
			}
			if set {
				continue
			}
			for _, d := range p.of.dst {
				d[at+c] = math.NaN()
			}
		}
	}
}
