package geotiff

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/cyverse-gis/eemt/shared/geotiff/codec"
	"github.com/cyverse-gis/eemt/shared/raster"
)

// Read fills dst, of w.Width*w.Height values in row-major order, with a window
// of one band, counted from 0. Cells without data become NaN; scale and offset
// are applied. Only blocks that touch the window are read. Integers beyond
// 2^53 lose their last digits.
func (m *Image) Read(ctx context.Context, band int, w raster.Window, dst []float64) error {
	return m.ReadBands(ctx, []int{band}, w, [][]float64{dst})
}

// ReadBands is Read for several bands, one slice of dst for each. Where a file
// interleaves its bands, it decodes every block once instead of once per band.
func (m *Image) ReadBands(ctx context.Context, bands []int, w raster.Window, dst [][]float64) error {
	err := m.readBands(ctx, bands, w, dst)
	if err == nil && m.blankFirst+m.blankLast > 0 {
		m.blank(w, dst)
	}
	return blame(err)
}

func (m *Image) readBands(ctx context.Context, bands []int, w raster.Window, dst [][]float64) error {
	if err := m.checkRead(bands, w, dst); err != nil {
		return err
	}
	if err := m.index(); err != nil {
		return err
	}
	if err := m.eachBlock(ctx, w, func(bc, br int, sc *scratch) error {
		return m.readPart(bc, br, bands, w, dst, sc)
	}); err != nil {
		return err
	}
	if m.mask == nil {
		return nil
	}
	if err := m.mask.index(); err != nil {
		return fmt.Errorf("mask: %w", err)
	}
	return m.mask.eachBlock(ctx, w, func(bc, br int, sc *scratch) error {
		return m.mask.applyMask(bc, br, w, dst, sc)
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
// more than the largest block may have, which a file of 250 kB may hold many of.
func (m *Image) workers(n int) int {
	workers := min(runtime.GOMAXPROCS(0), n)
	if m.comp != codec.None {
		workers = min(workers, max(1, codec.MaxBlock/m.rowBytes()/m.BlockHeight))
	}
	return workers
}

// eachBlock calls f for the blocks under w, on all cores.
func (m *Image) eachBlock(ctx context.Context, w raster.Window, f func(col, row int, sc *scratch) error) error {
	c0, c1 := w.Col/m.BlockWidth, (w.Col+w.Width-1)/m.BlockWidth
	r0, r1 := w.Row/m.BlockHeight, (w.Row+w.Height-1)/m.BlockHeight
	across := c1 - c0 + 1
	n := across * (r1 - r0 + 1)
	work := func(i int, sc *scratch) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		col, row := c0+i%across, r0+i/across
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

// part returns the cells of w in the block at bc, br, in image coordinates.
func (m *Image) part(bc, br int, w raster.Window) raster.Window {
	return w.Intersect(raster.Window{
		Col: bc * m.BlockWidth, Row: br * m.BlockHeight,
		Width: m.BlockWidth, Height: m.BlockHeight,
	})
}

// readBytes is how much of an uncompressed block is read at a time. Strips as
// wide as the raster and as high, which some programs write, may have gigabytes.
const readBytes = 4 << 20

// readPart fills in the cells of w that one block holds.
func (m *Image) readPart(bc, br int, bands []int, w raster.Window, dst [][]float64, sc *scratch) error {
	p := m.part(bc, br, w)
	rows := p.Height
	if m.comp == codec.None {
		rows = max(1, min(rows, readBytes/m.rowBytes()))
	}
	for r := p.Row; r < p.Row+p.Height; r += rows {
		part := p
		part.Row, part.Height = r, min(rows, p.Row+p.Height-r)
		if err := m.readRows(bc, br, bands, part, w, dst, sc); err != nil {
			return err
		}
	}
	return nil
}

// readRows fills in the cells of p, which lie in one block, of w.
func (m *Image) readRows(bc, br int, bands []int, p, w raster.Window, dst [][]float64, sc *scratch) error {
	from := p.Row - br*m.BlockHeight
	var b []byte
	for k, band := range bands {
		i, first, stride := br*m.across+bc, band, m.Bands
		if m.planar {
			i, first, stride = i+band*m.across*m.down, 0, 1
		}
		if m.planar || k == 0 {
			var err error
			if b, err = m.block(i, from, from+p.Height, sc); err != nil {
				return err
			}
		}
		m.decodePart(b, band, first+(p.Col-bc*m.BlockWidth)*stride, stride, p, w, dst[k])
	}
	if m.Alpha == 0 {
		return nil
	}
	return m.applyAlpha(b, bc, br, bands, p, w, dst, sc)
}

// applyAlpha sets the cells of p to NaN where the alpha band is 0. The band itself is read as it is. Where bands are
// interleaved, b is their block.
func (m *Image) applyAlpha(b []byte, bc, br int, bands []int, p, w raster.Window, dst [][]float64, sc *scratch) error {
	stride := m.Bands
	first := m.Alpha
	if m.planar {
		from := p.Row - br*m.BlockHeight
		var err error
		if b, err = m.block(br*m.across+bc+m.Alpha*m.across*m.down, from, from+p.Height, sc); err != nil {
			return err
		}
		first, stride = 0, 1
	}
	first += (p.Col - bc*m.BlockWidth) * stride
	row := m.rowBytes()
	alpha := make([]float64, p.Width)
	for r := range p.Height {
		if b != nil {
			samples(m.Type, b[r*row:(r+1)*row], first, stride, alpha)
		}
		at := (p.Row-w.Row+r)*w.Width + p.Col - w.Col
		for c, a := range alpha {
			if a != 0 {
				continue
			}
			for k, d := range dst {
				if bands[k] != m.Alpha {
					d[at+c] = math.NaN()
				}
			}
		}
	}
	return nil
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
		samples(m.Type, b[r*row:(r+1)*row], first, stride, out)
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

// applyMask sets the cells of w to NaN where the mask is 0.
func (m *Image) applyMask(bc, br int, w raster.Window, dst [][]float64, sc *scratch) error {
	p := m.part(bc, br, w)
	from := p.Row - br*m.BlockHeight
	b, err := m.block(br*m.across+bc, from, from+p.Height, sc)
	if err != nil {
		return fmt.Errorf("mask: %w", err)
	}
	row := m.rowBytes()
	for r := range p.Height {
		at := (p.Row-w.Row+r)*w.Width + p.Col - w.Col
		for c := range p.Width {
			x := p.Col - bc*m.BlockWidth + c
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
			for _, d := range dst {
				d[at+c] = math.NaN()
			}
		}
	}
	return nil
}
