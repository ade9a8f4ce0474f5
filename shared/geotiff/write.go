package geotiff

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"runtime"
	"slices"
	"sync"

	"github.com/sourcegraph/conc"

	"github.com/cyverse-gis/eemt/shared/geotiff/internal/gdal"
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
	// Threads is how many cores compress blocks; 0 means all. The bytes written do not depend on it.
	Threads int
	// Spool is asked once for room, when the compressed blocks exceed Held bytes;
	// nil keeps all of them in memory. The caller removes it after Close.
	Spool func() (Spool, error)
	// Held is how many bytes of compressed blocks stay in memory where there is a
	// Spool; 0 means 32 MiB.
	Held int64
}

const spoolAbove = 32 << 20

// Writer makes one cloud-optimised GeoTIFF from rows that come top to bottom,
// or from windows that come in any order. It holds the blocks that are not
// complete plus what Options.Spool says. Bands may come one after the other or
// in turns. It is not safe for concurrent use, but compresses on Options.Threads cores;
// the bytes written do not depend on the order of the cells.
type Writer struct {
	opts   Options
	levels []*level // full resolution first
	bands  []band
	size   int // of a sample
	nodata float64
	hasND  bool

	slots chan struct{} // of blocks that wait for a core or have one
	wg    conc.WaitGroup
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
	blocks         []packed          // band by band, row-major
	open           map[int]*building // by the same index
	free           []*building
}

// packed is one compressed block, in memory or at off in the spool.
type packed struct {
	mem []byte
	off int64
	n   int
}

// band is what is known of a band so far.
type band struct {
	rows  int               // received by WriteRows
	cells int64             // received
	stats []gdal.Statistics // by block of the full raster, without Options.Plain
}

// NewWriter checks the options and returns a Writer.
func NewWriter(opts Options) (*Writer, error) {
	if len(opts.Bands) == 0 {
		opts.Bands = []BandInfo{{}}
	}
	opts.BlockSize = cmp.Or(opts.BlockSize, 512)
	if err := opts.check(); err != nil {
		return nil, err
	}
	w := &Writer{
		opts: opts, size: opts.Type.Size(), bands: make([]band, len(opts.Bands)),
		slots: make(chan struct{}, 2*max(1, cmp.Or(opts.Threads, runtime.GOMAXPROCS(0)))),
	}
	if err := w.setNoData(); err != nil {
		return nil, err
	}
	width, height := opts.Width, opts.Height
	for {
		w.levels = append(w.levels, newLevel(width, height, opts.BlockSize, len(opts.Bands)))
		if !opts.Overviews || (width <= opts.BlockSize && height <= opts.BlockSize) {
			break
		}
		width, height = (width+1)/2, (height+1)/2
	}
	if !opts.Plain {
		for b := range w.bands {
			w.bands[b].stats = make([]gdal.Statistics, w.levels[0].across*w.levels[0].down)
		}
	}
	return w, nil
}

// check refuses what cannot be written.
func (o *Options) check() error {
	if o.Width < 1 || o.Height < 1 || o.Width > math.MaxInt32 || o.Height > math.MaxInt32 {
		return fmt.Errorf("a raster of %d x %d cells: both sides must be 1 to %d", o.Width, o.Height, math.MaxInt32)
	}
	if len(o.Bands) > math.MaxUint16 {
		return fmt.Errorf("%d bands: at most %d", len(o.Bands), math.MaxUint16)
	}
	if !o.Type.Known() || o.Type == Float16 {
		return fmt.Errorf("sample type %s is not written", o.Type)
	}
	if o.BlockSize < 16 || o.BlockSize > 4096 || o.BlockSize%16 != 0 {
		return fmt.Errorf("block size %d: must be a multiple of 16 from 16 to 4096", o.BlockSize)
	}
	if err := o.checkCompression(); err != nil {
		return err
	}
	if i := slices.IndexFunc(o.Bands, func(b BandInfo) bool { return b.Scale != 0 && b.Scale != 1 || b.Offset != 0 }); i >= 0 {
		return fmt.Errorf("band %q has a scale or an offset: values are written as they are", o.Bands[i].Description)
	}
	return o.checkTransform()
}

func (o *Options) checkCompression() error {
	top := 9
	switch o.Compression {
	case ZSTD:
		top = 22
	case Deflate, None:
	default:
		return fmt.Errorf("compression %d is not known", o.Compression)
	}
	if o.Level < 0 || o.Level > top {
		return fmt.Errorf("compression level %d: must be 1 to %d, or 0 for the default", o.Level, top)
	}
	return nil
}

func (o *Options) checkTransform() error {
	t := o.Transform
	switch {
	case t == raster.Transform{}:
		return nil
	case !raster.Finite(t.OriginX), !raster.Finite(t.OriginY), !raster.Finite(t.StepX), !raster.Finite(t.StepY):
		return fmt.Errorf("transform %+v: must be finite", t)
	case t.StepX <= 0 || t.StepY >= 0:
		return fmt.Errorf("cells of %g x %g: the step must be positive eastward, negative southward", t.StepX, t.StepY)
	}
	return nil
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
	if lo, hi := t.Limits(); math.IsNaN(v) || v != math.Trunc(v) || v < lo || v > hi {
		return fmt.Errorf("nodata %g: must be a whole number from %.0f to %.0f in a raster of %s", v, lo, hi, t)
	}
	return nil
}

func newLevel(width, height, blockSize, bands int) *level {
	l := &level{width: width, height: height, open: map[int]*building{}}
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
	if err := w.checkBand(band); err != nil {
		return err
	}
	full, b := w.levels[0], &w.bands[band]
	if len(rows)%full.width != 0 {
		return fmt.Errorf("%d values are not whole rows of %d", len(rows), full.width)
	}
	n := len(rows) / full.width
	if got := b.rows + n; got > full.height {
		return fmt.Errorf("band %d: row %d of %d", band, got, full.height)
	}
	if n == 0 {
		return nil
	}
	err := writeWindow(w, band, raster.Window{Row: b.rows, Width: full.width, Height: n}, rows)
	if err == nil {
		b.rows += n
	}
	return err
}

// WriteWindow puts the cells of a window, row-major, into a band, counted from
// 0. Every cell comes once, in whatever order; least is held in memory when
// windows come in the order of Windows. Values are stored as by WriteRows, with
// which it must not be mixed.
func (w *Writer) WriteWindow(band int, at raster.Window, cells []float32) error {
	if err := w.checkBand(band); err != nil {
		return err
	}
	whole := raster.Window{Width: w.opts.Width, Height: w.opts.Height}
	if at.Width < 1 || at.Height < 1 || !whole.Contains(at) {
		return fmt.Errorf("window %+v: must lie inside of the %d x %d cells", at, w.opts.Width, w.opts.Height)
	}
	if len(cells) != at.Width*at.Height {
		return fmt.Errorf("window %+v: needs %d values, got %d", at, at.Width*at.Height, len(cells))
	}
	return writeWindow(w, band, at, cells)
}

func (w *Writer) checkBand(band int) error {
	if band < 0 || band >= len(w.opts.Bands) {
		return fmt.Errorf("band %d: the raster has the bands 0 to %d", band, len(w.opts.Bands)-1)
	}
	return nil
}

func writeWindow[T float32 | float64](w *Writer, band int, at raster.Window, cells []T) error {
	if !w.hasND {
		if i := firstNaN(cells); i >= 0 {
			return fmt.Errorf("band %d: no data at column %d, row %d, in a raster of %s without a nodata value",
				band, at.Col+i%at.Width, at.Row+i/at.Width, w.opts.Type)
		}
	}
	w.bands[band].cells += int64(len(cells))
	l := w.levels[0]
	for r := at.Row / l.blockH; r*l.blockH < at.Row+at.Height; r++ {
		for c := at.Col / l.blockW; c*l.blockW < at.Col+at.Width; c++ {
			b := w.building(0, band, c, r)
			p := b.at.Intersect(at)
			for row := p.Row; row < p.Row+p.Height; row++ {
				to := b.cells[(row-b.at.Row)*b.at.Width+p.Col-b.at.Col:][:p.Width]
				for i, v := range cells[(row-at.Row)*at.Width+p.Col-at.Col:][:p.Width] {
					to[i] = float64(v)
				}
			}
			if err := w.received(b, p); err != nil {
				return err
			}
		}
	}
	return w.failed()
}

// firstNaN returns the index of the first NaN, -1 without one.
func firstNaN[T float32 | float64](cells []T) int {
	for i, v := range cells {
		if math.IsNaN(float64(v)) {
			return i
		}
	}
	return -1
}

func (w *Writer) failed() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

// keep stores a compressed block in memory, or in the spool once there is much.
func (w *Writer) keep(p *packed, b []byte) error {
	w.mu.Lock()
	p.n = len(b)
	if w.opts.Spool == nil || w.held+int64(len(b)) <= cmp.Or(w.opts.Held, spoolAbove) {
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

// SetMetadata adds an item to the metadata of the file, before Close.
func (w *Writer) SetMetadata(name, value string) {
	items := maps.Clone(w.opts.Metadata)
	if items == nil {
		items = map[string]string{}
	}
	items[name] = value
	w.opts.Metadata = items
}

// Close writes the file to dst, front to back. It fails when rows are missing.
func (w *Writer) Close(dst io.Writer) error {
	w.wg.Wait()
	if err := w.failed(); err != nil {
		return err
	}
	for i, b := range w.bands {
		if missing := int64(w.opts.Width)*int64(w.opts.Height) - b.cells; missing != 0 {
			if b.rows > 0 || b.cells == 0 {
				return fmt.Errorf("band %d: %d of %d rows were written", i, b.rows, w.opts.Height)
			}
			return fmt.Errorf("band %d: %d cells were not written", i, missing)
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
