package geotiff

import (
	"errors"
	"fmt"
	"io"
	"math"
	"runtime"
	"sync"

	"github.com/cyverse-gis/eemt/shared/raster"
)

// Compression is how blocks are stored by a Writer.
type Compression uint8

// The compressions that are written. Deflate and ZSTD go with predictor 3 for
// floats, 2 for integers.
const (
	Deflate Compression = iota
	ZSTD
	None
)

// Spool is where a Writer puts compressed blocks that it cannot hold in memory;
// an *os.File is one. Both methods are called from several goroutines.
type Spool interface {
	io.ReaderAt
	io.WriterAt
}

// Options describe a file to be written.
type Options struct {
	Width, Height int
	Transform     raster.Transform // none when zero
	GeoKeys       raster.GeoKeys
	Type          SampleType        // Float32 when zero
	Bands         []BandInfo        // one band without description when empty; Scale and Offset must be left out
	Metadata      map[string]string // dataset items of GDAL_METADATA
	Compression   Compression
	Level         int // 1 to 9, or to 22 for ZSTD; 0 means 1 (ZSTD: 3)
	BlockSize     int // side of the largest block, a multiple of 16; 0 means 512
	// NoData is the value NaN is stored as; nil means NaN for floats, none for integers.
	NoData    *float64
	Overviews bool   // averages of the cells with data, halved down to one block
	Software  string // name and version of the writing program
	BigTIFF   bool   // even for a file below 4 GiB
	Plain     bool   // without statistics: a file of many bands opens quicker
	// Spool is asked once for room, when the compressed blocks exceed 32 MiB;
	// nil keeps all of them in memory. The caller removes it after Close.
	Spool func() (Spool, error)
}

const spoolAbove = 32 << 20

// Writer makes one cloud-optimised GeoTIFF from rows that come top to bottom.
// It holds a row of blocks per band plus what Options.Spool says. Bands may
// come one after the other or in turns. It is not safe for concurrent use, but
// compresses on all cores; the bytes written do not depend on their number.
type Writer struct {
	opts   Options
	levels []*level // full resolution first
	stats  []bandStats
	size   int // of a sample
	nodata float64
	hasND  bool

	slots chan struct{}
	wg    sync.WaitGroup
	mu    sync.Mutex
	err   error
	held  int64 // compressed bytes in memory
	spool Spool
	end   int64 // of the spool
}

// level is the full raster or one overview.
type level struct {
	width, height  int
	blockW, blockH int
	across, down   int
	blocks         []packed // band by band, row-major
	bands          []levelBand
}

// packed is one compressed block, in memory or at off in the spool.
type packed struct {
	mem []byte
	off int64
	n   int
}

// levelBand collects rows of one band of one level.
type levelBand struct {
	rows int    // received
	raw  []byte // the current row of blocks, as stored samples
	// The mean of each overview cell is over all full-resolution cells with
	// data below it, hence sums and counts instead of means of means.
	sum []float64
	n   []int32
	avg []float64
}

// NewWriter checks the options and returns a Writer.
func NewWriter(opts Options) (*Writer, error) {
	if opts.Width < 1 || opts.Height < 1 || opts.Width > math.MaxInt32 || opts.Height > math.MaxInt32 {
		return nil, fmt.Errorf("a raster of %d x %d cells: both sides must be 1 to %d", opts.Width, opts.Height, math.MaxInt32)
	}
	if len(opts.Bands) == 0 {
		opts.Bands = []BandInfo{{}}
	}
	if len(opts.Bands) > math.MaxUint16 {
		return nil, fmt.Errorf("%d bands: at most %d", len(opts.Bands), math.MaxUint16)
	}
	if int(opts.Type) >= len(sampleTypes) || opts.Type == Float16 {
		return nil, fmt.Errorf("sample type %s is not written", opts.Type)
	}
	if opts.BlockSize == 0 {
		opts.BlockSize = 512
	}
	if opts.BlockSize < 16 || opts.BlockSize > 4096 || opts.BlockSize%16 != 0 {
		return nil, fmt.Errorf("block size %d: must be a multiple of 16 from 16 to 4096", opts.BlockSize)
	}
	top := 9
	switch opts.Compression {
	case ZSTD:
		top = 22
	case Deflate, None:
	default:
		return nil, fmt.Errorf("compression %d is not known", opts.Compression)
	}
	if opts.Level < 0 || opts.Level > top {
		return nil, fmt.Errorf("compression level %d: must be 1 to %d, or 0 for the default", opts.Level, top)
	}
	if t := opts.Transform; t != (raster.Transform{}) {
		for _, v := range []float64{t.OriginX, t.OriginY, t.StepX, t.StepY} {
			if math.IsNaN(v) || math.IsInf(v, 0) {
				return nil, fmt.Errorf("transform %+v: must be finite", t)
			}
		}
		if !(t.StepX > 0) || !(t.StepY < 0) {
			return nil, fmt.Errorf("cells of %g x %g: the step must be positive eastward, negative southward", t.StepX, t.StepY)
		}
	}
	for _, b := range opts.Bands {
		if (b.Scale != 0 && b.Scale != 1) || b.Offset != 0 {
			return nil, fmt.Errorf("band %q has a scale or an offset: values are written as they are", b.Description)
		}
	}
	w := &Writer{
		opts: opts, size: opts.Type.Size(), stats: make([]bandStats, len(opts.Bands)),
		slots: make(chan struct{}, 2*runtime.GOMAXPROCS(0)),
	}
	if err := w.setNoData(); err != nil {
		return nil, err
	}
	width, height := opts.Width, opts.Height
	for {
		w.levels = append(w.levels, newLevel(width, height, opts.BlockSize, len(opts.Bands)))
		if !opts.Overviews || (width <= opts.BlockSize && height <= opts.BlockSize) {
			return w, nil
		}
		width, height = (width+1)/2, (height+1)/2
	}
}

func (w *Writer) setNoData() error {
	t := w.opts.Type
	if w.opts.NoData == nil {
		w.hasND, w.nodata = t.Float(), math.NaN()
		return nil
	}
	v := *w.opts.NoData
	w.hasND, w.nodata = true, v
	if t.Float() {
		if t == Float32 {
			w.nodata = float64(float32(v))
		}
		return nil
	}
	if lo, hi := t.limits(); math.IsNaN(v) || v != math.Trunc(v) || v < lo || v > hi {
		return fmt.Errorf("nodata %g: must be a whole number from %.0f to %.0f in a raster of %s", v, lo, hi, t)
	}
	return nil
}

func newLevel(width, height, blockSize, bands int) *level {
	l := &level{width: width, height: height, bands: make([]levelBand, bands)}
	l.across, l.blockW = blocksAlong(width, blockSize)
	l.down, l.blockH = blocksAlong(height, blockSize)
	l.blocks = make([]packed, l.across*l.down*bands)
	return l
}

// blocksAlong cuts a side into the fewest blocks of at most limit, all equal
// and as small as the multiple of 16 asked by TIFF permits: little is padding.
func blocksAlong(side, limit int) (n, block int) {
	n = (side + limit - 1) / limit
	block = ((side+n-1)/n + 15) / 16 * 16
	return (side + block - 1) / block, block
}

// WriteRows appends rows to a band, counted from 0. It takes whole rows only.
// NaN becomes nodata; integers are rounded, then cut off at the limits of
// their type.
func (w *Writer) WriteRows(band int, rows []float32) error { return writeRows(w, band, rows) }

// WriteRows64 is WriteRows for float64.
func (w *Writer) WriteRows64(band int, rows []float64) error { return writeRows(w, band, rows) }

func writeRows[T float32 | float64](w *Writer, band int, rows []T) error {
	if band < 0 || band >= len(w.opts.Bands) {
		return fmt.Errorf("band %d: the raster has the bands 0 to %d", band, len(w.opts.Bands)-1)
	}
	full := w.levels[0]
	if len(rows)%full.width != 0 {
		return fmt.Errorf("%d values are not whole rows of %d", len(rows), full.width)
	}
	if got := full.bands[band].rows + len(rows)/full.width; got > full.height {
		return fmt.Errorf("band %d: row %d of %d", band, got, full.height)
	}
	for ; len(rows) > 0; rows = rows[full.width:] {
		row := rows[:full.width]
		lb := &full.bands[band]
		if !w.hasND {
			if c := firstNaN(row); c >= 0 {
				return fmt.Errorf("band %d: no data at column %d, row %d, in a raster of %s without a nodata value", band, c, lb.rows, w.opts.Type)
			}
		}
		store(w, full, lb, row)
		addRow(&w.stats[band], row)
		if len(w.levels) > 1 {
			sumRow(w.levels[1], &w.levels[1].bands[band], row, lb.rows)
		}
		if err := w.advance(0, band); err != nil {
			return err
		}
	}
	return nil
}

// firstNaN returns the column of the first NaN, -1 without one.
func firstNaN[T float32 | float64](row []T) int {
	for c, v := range row {
		if v != v {
			return c
		}
	}
	return -1
}

// advance counts a row of level k: it hands over finished blocks, and the row
// of the next level that it completes.
func (w *Writer) advance(k, band int) error {
	l := w.levels[k]
	lb := &l.bands[band]
	lb.rows++
	if lb.rows%l.blockH == 0 || lb.rows == l.height {
		if err := w.flush(l, band); err != nil {
			return err
		}
	}
	if k+1 == len(w.levels) || (lb.rows%2 != 0 && lb.rows != l.height) {
		return w.failed()
	}
	// The next level has both rows (or the last, single one) of a pair.
	o := w.levels[k+1]
	ob := &o.bands[band]
	for c, n := range ob.n {
		if n == 0 {
			ob.avg[c] = math.NaN()
		} else {
			ob.avg[c] = ob.sum[c] / float64(n)
		}
	}
	store(w, o, ob, ob.avg)
	if k+2 < len(w.levels) {
		sumSums(w.levels[k+2], &w.levels[k+2].bands[band], ob, ob.rows)
	}
	if ob.rows+1 == o.height {
		ob.sum, ob.avg, ob.n = nil, nil, nil // a file may have hundreds of bands
	}
	return w.advance(k+1, band)
}

// sumRow adds a full-resolution row to the sums of the first overview.
func sumRow[T float32 | float64](o *level, ob *levelBand, row []T, at int) {
	ob.reset(o, at)
	for c, v := range row {
		if v == v {
			ob.sum[c/2] += float64(v)
			ob.n[c/2]++
		}
	}
}

// sumSums adds the sums of one level to those of the next.
func sumSums(o *level, ob, from *levelBand, at int) {
	ob.reset(o, at)
	for c, v := range from.sum {
		ob.sum[c/2] += v
		ob.n[c/2] += from.n[c]
	}
}

// reset clears the sums before the first row of a pair.
func (ob *levelBand) reset(o *level, at int) {
	if ob.sum == nil {
		ob.sum, ob.avg, ob.n = make([]float64, o.width), make([]float64, o.width), make([]int32, o.width)
		return
	}
	if at%2 == 0 {
		clear(ob.sum)
		clear(ob.n)
	}
}

// flush compresses the finished row of blocks.
func (w *Writer) flush(l *level, band int) error {
	lb := &l.bands[band]
	br := (lb.rows - 1) / l.blockH
	rows := lb.rows - br*l.blockH
	for bc := range l.across {
		raw := w.cut(l, lb, bc, rows)
		i := (band*l.down+br)*l.across + bc
		w.slots <- struct{}{}
		w.wg.Go(func() {
			defer func() { <-w.slots }()
			b, err := w.pack(raw, l.blockW)
			buffers.Put(raw)
			if err == nil {
				err = w.keep(&l.blocks[i], b)
			}
			if err != nil {
				w.mu.Lock()
				w.err = errors.Join(w.err, err)
				w.mu.Unlock()
			}
		})
	}
	if lb.rows == l.height {
		lb.raw = nil
	}
	return w.failed()
}

func (w *Writer) failed() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

// cut copies one block out of a row of blocks. What lies beyond the raster
// repeats its edge, which compresses well.
func (w *Writer) cut(l *level, lb *levelBand, bc, rows int) *[]byte {
	line := l.blockW * w.size
	buf := buffers.Get().(*[]byte)
	*buf = resize(*buf, line*l.blockH)
	raw := *buf
	width := min(l.blockW, l.width-bc*l.blockW) * w.size
	for r := range l.blockH {
		to := raw[r*line : (r+1)*line]
		if r >= rows {
			copy(to, raw[(r-1)*line:])
			continue
		}
		at := (r*l.width + bc*l.blockW) * w.size
		copy(to, lb.raw[at:at+width])
		for c := width; c < line; c++ {
			to[c] = to[c-w.size]
		}
	}
	return buf
}

// keep stores a compressed block in memory, or in the spool once there is much.
func (w *Writer) keep(p *packed, b []byte) error {
	w.mu.Lock()
	p.n = len(b)
	if w.opts.Spool == nil || w.held+int64(len(b)) <= spoolAbove {
		w.held += int64(len(b))
		p.mem = b
		w.mu.Unlock()
		return nil
	}
	if w.spool == nil && w.err == nil {
		s, err := w.opts.Spool()
		if err != nil {
			w.mu.Unlock()
			return fmt.Errorf("room for compressed blocks: %w", err)
		}
		w.spool = s
	}
	spool := w.spool
	p.off = w.end
	w.end += int64(len(b))
	w.mu.Unlock()
	if spool == nil {
		return nil // an error is already kept
	}
	if _, err := spool.WriteAt(b, p.off); err != nil {
		return fmt.Errorf("room for compressed blocks: %w", err)
	}
	return nil
}

// Close writes the file to dst, front to back. It fails when rows are missing.
func (w *Writer) Close(dst io.Writer) error {
	w.wg.Wait()
	if err := w.failed(); err != nil {
		return err
	}
	for b, lb := range w.levels[0].bands {
		if lb.rows != w.opts.Height {
			return fmt.Errorf("band %d: %d of %d rows were written", b, lb.rows, w.opts.Height)
		}
	}
	return w.assemble(dst)
}

// Write writes grids of equal size, one per band, as one file. Width and
// Height of opts may be left out.
func Write[T float32 | float64](dst io.Writer, opts Options, bands ...*raster.Grid[T]) error {
	if len(bands) == 0 {
		return errors.New("a raster needs at least one band")
	}
	if opts.Width == 0 && opts.Height == 0 {
		opts.Width, opts.Height = bands[0].Width, bands[0].Height
	}
	if len(opts.Bands) == 0 {
		opts.Bands = make([]BandInfo, len(bands))
	}
	if len(opts.Bands) != len(bands) {
		return fmt.Errorf("%d bands are described, %d given", len(opts.Bands), len(bands))
	}
	for i, g := range bands {
		if g.Width != opts.Width || g.Height != opts.Height {
			return fmt.Errorf("band %d has %d x %d cells, the raster %d x %d", i, g.Width, g.Height, opts.Width, opts.Height)
		}
	}
	w, err := NewWriter(opts)
	if err != nil {
		return err
	}
	for i, g := range bands {
		if err := writeRows(w, i, g.Cells); err != nil {
			w.wg.Wait()
			return err
		}
	}
	return w.Close(dst)
}
