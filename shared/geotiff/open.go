package geotiff

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/bits"
	"slices"
	"strings"
	"sync"

	"github.com/cyverse-gis/eemt/shared/fault"
	"github.com/cyverse-gis/eemt/shared/geotiff/codec"
	"github.com/cyverse-gis/eemt/shared/geotiff/internal/ifd"
	"github.com/cyverse-gis/eemt/shared/geotiff/internal/sample"

	"github.com/cyverse-gis/eemt/shared/raster"
)

// A file justifies a decoded image of freeBytes plus maxRatio times its own
// size: Deflate cannot exceed 1032:1, so that every complete Deflate file
// passes, and a sparse one of which 0.2 % or so is present. ZSTD makes 4 bytes
// of 128 KiB of equal bytes.
const (
	freeBytes    = 64 << 20
	maxRatio     = 1100
	maxRatioZSTD = 33000
)

// Image is one raster of an opened file. It is safe for concurrent use.
type Image struct {
	Width, Height, Bands int
	Type                 SampleType
	// Transform means cell corners whatever the file says; it is zero unless HasTransform.
	Transform    raster.Transform
	HasTransform bool
	GeoKeys      raster.GeoKeys // as in the file
	PixelIsPoint bool           // the file gave the centre of the upper-left cell
	NoData       float64        // cells equal to it are read as NaN, if HasNoData
	HasNoData    bool
	// ScaleZ and OffsetZ are what the third step of the raster's position says of its
	// values in a vertical coordinate system: value = stored*ScaleZ + OffsetZ, as
	// GDAL takes them of a compound one. They are 0 where it does not say. Read
	// applies them only after SetScale.
	ScaleZ, OffsetZ float64
	Compression     string // "None", "LZW", "Deflate", "ZSTD", "PackBits"
	Tiled           bool
	BlockWidth      int
	BlockHeight     int
	Metadata        map[string]string // the file's own items in GDAL_METADATA
	// Photometric is what the file says its numbers are.
	Photometric Photometric
	// Alpha is the band that is 0 in cells without data, counted from 0; 0 where there is none.
	Alpha int
	// Pages are how many further images a file has, beside its overviews and masks. They are not read.
	Pages int
	// LooseMasks are how many masks a file has that fit none of its images. They are not read.
	LooseMasks int

	src       *ifd.File
	dir       ifd.Directory
	comp      codec.Compression
	predictor uint64
	planar    bool // each band in blocks of its own
	heights   bool // the revision of the GeoKeys gives a meaning to the third step
	bits      int  // per sample: 1 in a mask, else 8*Type.Size()
	across    int  // blocks per row of blocks
	down      int
	bands     map[int]BandInfo
	overviews []*Image
	mask      *Image
	bound     int64     // of what a read decodes at a time, bytes; 0 for that of one block
	missing   []float64 // values that mark missing data beside NoData

	blankFirst, blankLast int // rows which Blank takes out

	blocksOnce sync.Once
	offsets    []uint64
	counts     []uint64
	blocksErr  error
}

// SniffSize is how many bytes at the beginning of a file tell where its first directory is.
const SniffSize = 16

// ErrCutShort is wrapped by errors that say that a file ends before what it speaks of.
var ErrCutShort = ifd.ErrCutShort

// ErrDamaged is wrapped by errors of Open and of reads whose cause is the file itself, so that
// reading again gives the same error. Errors of its reader do not wrap it.
var ErrDamaged = errors.New("damaged or unknown")

// damage is an error of the file.
type damage struct{ error }

func (d damage) Unwrap() error         { return d.error }
func (d damage) FaultKind() fault.Kind { return fault.Damaged }
func (d damage) Is(target error) bool  { return target == ErrDamaged }

// blame marks an error of the file.
func blame(err error) error {
	if err == nil || errors.As(err, new(ifd.ReadFault)) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return damage{err}
}

// Open reads the directories of a GeoTIFF of size bytes. It fails with an
// *Unsupported for a feature that is not read, and refuses a header that
// declares more cells than size bytes can hold. A file of several pages is
// read as its first. Missing georeferencing is no error: see HasTransform.
func Open(r io.ReaderAt, size int64) (*Image, error) {
	m, err := open(r, size)
	return m, blame(err)
}

func open(r io.ReaderAt, size int64) (*Image, error) {
	if size < 0 {
		return nil, fmt.Errorf("a file of %d bytes cannot be read", size)
	}
	src, dirs, err := ifd.Open(r, size)
	if errors.Is(err, ifd.ErrNotTIFF) {
		return nil, &Unsupported{Feature: err.Error(), Fix: "gdal_translate -of GTiff in.tif out.tif"}
	}
	if err != nil {
		return nil, err
	}
	m, err := newImage(src, dirs[0], false)
	if err != nil {
		return nil, keepMask(src, err, dirs)
	}
	if err := m.georeference(); err != nil {
		return nil, err
	}
	if err := m.readMetadata(); err != nil {
		return nil, err
	}
	if err := m.attach(dirs[1:]); err != nil {
		return nil, err
	}
	return m, nil
}

// keepMask lets the command that converts a file keep the mask in it, where it has one: GDAL before 3.9 writes masks
// beside files, where they are not read.
func keepMask(src *ifd.File, err error, dirs []ifd.Directory) error {
	var u *Unsupported
	if !errors.As(err, &u) {
		return err
	}
	for _, d := range dirs[1:] {
		if kind, err := src.Uint(d, ifd.NewSubfileType, 0); err == nil && kind&4 != 0 {
			kept := *u
			kept.Fix = strings.Replace(u.Fix, "gdal_translate ", "gdal_translate --config GDAL_TIFF_INTERNAL_MASK YES ", 1)
			return &kept
		}
	}
	return err
}

// attach finds the overviews and masks among the directories that follow.
func (m *Image) attach(dirs []ifd.Directory) error {
	var masks []*Image
	for _, d := range dirs {
		kind, err := m.src.Uint(d, ifd.NewSubfileType, 0)
		if err != nil {
			return err
		}
		switch {
		case kind&4 != 0:
			mask, err := newImage(m.src, d, true)
			if err != nil {
				return fmt.Errorf("mask: %w", err)
			}
			masks = append(masks, mask)
		case kind&1 == 0:
			m.Pages++
		case kind&1 != 0:
			// The full image does not depend on an overview: one that is not
			// read is as good as absent.
			o, err := newImage(m.src, d, false)
			if err != nil || o.Bands != m.Bands || o.Type != m.Type || o.Width > m.Width || o.Height > m.Height {
				continue
			}
			o.inherit(m)
			m.overviews = append(m.overviews, o)
		}
	}
	m.attachMasks(masks)
	return nil
}

// attachMasks gives each mask to the image of its size. Overviews without one are of no use where the full image has
// one: what is masked would have a value in them.
func (m *Image) attachMasks(masks []*Image) {
	for _, mask := range masks {
		all := append([]*Image{m}, m.overviews...)
		i := slices.IndexFunc(all, func(o *Image) bool { return o.mask == nil && o.Width == mask.Width && o.Height == mask.Height })
		if i < 0 {
			m.LooseMasks++
			continue
		}
		all[i].mask = mask
	}
	if m.mask != nil {
		m.overviews = slices.DeleteFunc(m.overviews, func(o *Image) bool { return o.mask == nil })
	}
}

// Masked reports whether a mask of the file tells which cells have data.
func (m *Image) Masked() bool { return m.mask != nil }

// inherit gives an overview what only the full image states.
func (o *Image) inherit(m *Image) {
	o.GeoKeys, o.PixelIsPoint, o.HasTransform = m.GeoKeys, m.PixelIsPoint, m.HasTransform
	o.NoData, o.HasNoData, o.missing, o.Alpha = m.NoData, m.HasNoData, m.missing, m.Alpha
	o.Metadata, o.bands = m.Metadata, m.bands
	if m.HasTransform {
		o.Transform = m.Transform
		o.Transform.StepX *= float64(m.Width) / float64(o.Width)
		o.Transform.StepY *= float64(m.Height) / float64(o.Height)
	}
}

// Overviews returns the reduced images of the file, largest first; those that
// are not readable are left out.
func (m *Image) Overviews() []*Image { return m.overviews }

// Band describes a band, counted from 0. A band the file says nothing about
// has the scale 1.
func (m *Image) Band(band int) BandInfo {
	b := m.bands[band]
	if b.Scale == 0 {
		b.Scale = 1
	}
	return b
}

// SetScale replaces what the file says of the scale and offset of its bands, also
// in its overviews. It must not be called while the image is read.
func (m *Image) SetScale(scale, offset float64) {
	for band := range m.Bands {
		b := m.bands[band]
		b.Scale, b.Offset = scale, offset
		m.bands[band] = b
	}
}

// AddNoData lets further stored values mark missing data, beside NoData, also in overviews. It must not be called while
// the image is read.
func (m *Image) AddNoData(values ...float64) {
	for _, o := range append([]*Image{m}, m.overviews...) {
		o.missing = append(slices.Clone(o.missing), values...)
	}
}

// extraBands reads which of the bands is no colour: the first alpha band (ExtraSamples 1 or 2).
func (m *Image) extraBands() error {
	photometric, err := m.src.Uint(m.dir, ifd.Photometric, uint64(BlackIsZero))
	if err != nil {
		return err
	}
	m.Photometric = Photometric(min(photometric, math.MaxUint16))
	extra, err := m.src.Uints(m.dir, ifd.ExtraSamples)
	if err != nil {
		return err
	}
	for i, kind := range extra {
		if band := m.Bands - len(extra) + i; band > 0 && (kind == associatedAlpha || kind == unassociatedAlpha) {
			m.Alpha = band
			break
		}
	}
	return nil
}

// newImage reads the geometry of one directory.
func newImage(src *ifd.File, d ifd.Directory, mask bool) (*Image, error) {
	m := &Image{src: src, dir: d}
	var width, height, bands, bitsPer, format, planar, fill, comp uint64
	for _, f := range []struct {
		to   *uint64
		tag  uint16
		def  uint64
		read func(d ifd.Directory, tag uint16, def uint64) (uint64, error)
	}{
		{&width, ifd.ImageWidth, 0, src.Uint},
		{&height, ifd.ImageLength, 0, src.Uint},
		{&bands, ifd.SamplesPerPixel, 1, src.Uint},
		{&bitsPer, ifd.BitsPerSample, 1, src.Same},
		{&format, ifd.SampleFormat, 1, src.Same},
		{&planar, ifd.PlanarConfig, 1, src.Uint},
		{&fill, ifd.FillOrder, 1, src.Uint},
		{&comp, ifd.Compression, uint64(codec.None), src.Uint},
		{&m.predictor, ifd.Predictor, 1, src.Uint},
	} {
		var err error
		if *f.to, err = f.read(d, f.tag, f.def); errors.Is(err, ifd.ErrUnlike) {
			return nil, &Unsupported{Feature: err.Error(), Fix: fixFloat}
		}
		if err != nil {
			return nil, err
		}
	}
	if err := checkShape(width, height, bands, planar); err != nil {
		return nil, err
	}
	if err := m.setCompression(codec.Compression(comp)); err != nil {
		return nil, err
	}
	m.Width, m.Height, m.Bands = int(width), int(height), int(bands)
	m.planar = planar == 2 && bands > 1
	if err := m.setType(format, bitsPer, mask); err != nil {
		return nil, err
	}
	if fill != 1 {
		return nil, &Unsupported{Feature: "reversed bit order is not read", Fix: fixTranslate}
	}
	if err := m.checkPredictor(); err != nil {
		return nil, err
	}
	if err := m.blockLayout(); err != nil {
		return nil, err
	}
	if err := m.extraBands(); err != nil {
		return nil, err
	}
	return m, nil
}

// checkShape refuses sides and bands that no image has.
func checkShape(width, height, bands, planar uint64) error {
	if width < 1 || height < 1 || width > math.MaxInt32 || height > math.MaxInt32 {
		return fmt.Errorf("the file is damaged: an image of %d x %d cells", width, height)
	}
	if bands < 1 || bands > math.MaxUint16 || (planar != 1 && planar != 2) {
		return fmt.Errorf("the file is damaged: %d bands in planar configuration %d", bands, planar)
	}
	return nil
}

func (m *Image) setCompression(c codec.Compression) error {
	m.comp, m.Compression = c, c.String()
	if c.Readable() {
		return nil
	}
	fix := fixTranslate
	if c >= 2 && c <= 4 { // of one bit per cell, which is not read either
		fix = fixFloat
	}
	return &Unsupported{Feature: m.Compression + " compression is not read", Fix: fix}
}

func (m *Image) setType(format, bitsPer uint64, mask bool) error {
	m.bits = int(min(bitsPer, 1024))
	if mask {
		if m.Bands != 1 || (bitsPer != 1 && bitsPer != 8) {
			return &Unsupported{Feature: fmt.Sprintf("a mask of %d bits in %d bands is not read", bitsPer, m.Bands), Fix: fixTranslate}
		}
		m.Type = Uint8
		return nil
	}
	switch format {
	case 4: // "undefined": in practice unsigned
		format = 1
	case 5, 6:
		return &Unsupported{Feature: "complex numbers are not read", Fix: fixFloat}
	}
	t, ok := sample.Of(uint16(min(format, 99)), m.bits)
	if !ok {
		kind := "sample format " + fmt.Sprint(format)
		switch format {
		case 1, 2:
			kind = "integers"
		case 3:
			kind = "floating-point numbers"
		}
		return &Unsupported{Feature: fmt.Sprintf("%s of %d bits are not read", kind, bitsPer), Fix: fixFloat, Bits: m.bits}
	}
	m.Type = t
	return nil
}

func (m *Image) checkPredictor() error {
	switch {
	case m.comp == codec.None || m.comp == codec.PackBits:
		m.predictor = 1 // the tag has no meaning there
	case m.predictor == 1:
	case m.predictor == 2 && m.bits >= 8 && m.bits <= 64:
	case m.predictor == 3 && m.Type.Float():
	default:
		return &Unsupported{Feature: fmt.Sprintf("predictor %d on %s is not read", m.predictor, m.Type), Fix: fixTranslate}
	}
	return nil
}

// blockLayout reads the block size, then holds the declared size of the image
// and of a block against the size of the file.
func (m *Image) blockLayout() error {
	var w, h uint64
	var err error
	offsets := uint16(ifd.StripOffsets)
	if _, m.Tiled = m.dir[ifd.TileWidth]; m.Tiled {
		offsets = ifd.TileOffsets
		if w, err = m.src.Uint(m.dir, ifd.TileWidth, 0); err != nil {
			return err
		}
		if h, err = m.src.Uint(m.dir, ifd.TileLength, 0); err != nil {
			return err
		}
	} else {
		w = uint64(m.Width)
		if h, err = m.src.Uint(m.dir, ifd.RowsPerStrip, uint64(m.Height)); err != nil {
			return err
		}
		h = min(h, uint64(m.Height))
	}
	if w < 1 || h < 1 || w > math.MaxInt32 || h > math.MaxInt32 {
		return fmt.Errorf("the file is damaged: blocks of %d x %d cells", w, h)
	}
	m.BlockWidth, m.BlockHeight = int(w), int(h)
	m.across = (m.Width + m.BlockWidth - 1) / m.BlockWidth
	m.down = (m.Height + m.BlockHeight - 1) / m.BlockHeight
	if err := m.checkSizes(w, h); err != nil {
		return err
	}
	e, ok := m.dir[offsets]
	if !ok {
		return errors.New("the file is damaged: it does not say where its blocks are")
	}
	if e.Count < uint64(m.blocks()) || e.Count > uint64(m.src.Size) {
		return fmt.Errorf("the file is damaged: %d blocks are listed, the image has %d", e.Count, m.blocks())
	}
	return nil
}

// checkSizes refuses an image, or blocks of w x h cells, that are larger than a file of this size can hold.
func (m *Image) checkSizes(w, h uint64) error {
	ratio := uint64(maxRatio)
	if m.comp == codec.ZSTD {
		ratio = maxRatioZSTD
	}
	over, allowed := bits.Mul64(ratio, uint64(m.src.Size))
	if allowed += freeBytes; over != 0 || allowed < freeBytes {
		allowed = math.MaxUint64
	}
	each := uint64(max(1, m.bits/8)) * uint64(m.Bands)
	if over, total := bits.Mul64(uint64(m.Width)*uint64(m.Height), each); over != 0 || total > allowed {
		return &Unsupported{
			Feature: fmt.Sprintf("%d x %d cells in %d band(s) are more than a file of %d bytes can hold", m.Width, m.Height, m.Bands, m.src.Size),
			Fix:     fixTranslate,
		}
	}
	if !m.planar {
		w *= uint64(m.Bands)
	}
	hi, row := bits.Mul64(w, uint64(m.bits))
	row = (row + 7) / 8
	more, block := bits.Mul64(row, h)
	if hi != 0 || more != 0 || (m.comp != codec.None && (block > codec.MaxBlock || block > allowed)) || row > codec.MaxBlock {
		return m.largeBlocks(codec.MaxBlock)
	}
	return nil
}

// largeBlocks refuses blocks for which limit bytes do not suffice.
func (m *Image) largeBlocks(limit int64) error {
	return &Unsupported{
		Feature: fmt.Sprintf("blocks of %d x %d cells are too large (the limit is %d MiB)", m.BlockWidth, m.BlockHeight, limit>>20),
		Fix:     fixTiled,
	}
}

// Bound lets a read decode at most limit bytes of compressed blocks at a time. It refuses an image whose blocks, or those of
// its mask, have more, with an *Unsupported, and leaves out such overviews. An image in one strip is taken where the strip is
// decoded as a stream, which takes little at a time. It must not be called while the image is read.
func (m *Image) Bound(limit int64) error {
	all := append([]*Image{m}, m.overviews...)
	for _, image := range all {
		for _, part := range []*Image{image, image.mask} {
			if part == nil {
				continue
			}
			part.bound = limit
			if part.comp == codec.None || int64(part.rowBytes())*int64(part.BlockHeight) <= limit {
				continue
			}
			need, err := part.streamed()
			if err != nil {
				return err
			}
			if need > 0 && need <= limit {
				continue
			}
			if image == m {
				return blame(part.largeBlocks(limit))
			}
			m.overviews = slices.DeleteFunc(m.overviews, func(o *Image) bool { return o == image })
		}
	}
	return nil
}

// streamed is how much memory it takes to decode an image that is one strip as a stream, bytes; 0 if it is not one, or only
// whole. Images in several such strips would take long: each read begins at the first row of a strip.
func (m *Image) streamed() (int64, error) {
	if m.Tiled || m.blocks() != 1 {
		return 0, nil
	}
	if err := m.index(); err != nil {
		return 0, err
	}
	off, count, err := m.place(0, m.BlockHeight)
	if err != nil || count == 0 {
		return 0, err
	}
	memory, ok, err := m.streams(off, count)
	if err != nil || !ok {
		return 0, err
	}
	return memory, nil
}

// streams reports whether a block at off is decoded as a stream, and how much memory that takes.
func (m *Image) streams(off int64, count int) (memory int64, ok bool, err error) {
	head := make([]byte, min(count, codec.HeadSize))
	if err := m.src.ReadAt(head, off); err != nil {
		return 0, false, err
	}
	window, ok := m.comp.Streams(head)
	return int64(window + max(wholeBytes, m.rowBytes()) + packedBytes), ok, nil
}

// blocks is the number of blocks of all bands.
func (m *Image) blocks() int {
	if m.planar {
		return m.across * m.down * m.Bands
	}
	return m.across * m.down
}

// rowBytes is the size of one row of a block once decoded.
func (m *Image) rowBytes() int {
	w := m.BlockWidth
	if !m.planar {
		w *= m.Bands
	}
	return (w*m.bits + 7) / 8
}

// index reads where the blocks are, on the first use.
func (m *Image) index() error {
	m.blocksOnce.Do(func() {
		offsets, counts := uint16(ifd.StripOffsets), uint16(ifd.StripByteCounts)
		if m.Tiled {
			offsets, counts = ifd.TileOffsets, ifd.TileByteCounts
		}
		limit, blocks := uint64(m.src.Size), uint64(m.blocks())
		if m.offsets, m.blocksErr = m.src.First(m.dir, offsets, limit, blocks); m.blocksErr != nil {
			return
		}
		if m.counts, m.blocksErr = m.src.First(m.dir, counts, limit, blocks); m.blocksErr != nil {
			return
		}
		if m.counts == nil && m.comp == codec.None {
			return
		}
		if len(m.counts) < m.blocks() {
			m.blocksErr = fmt.Errorf("the file is damaged: the sizes of %d blocks are listed, the image has %d", len(m.counts), m.blocks())
		}
	})
	return m.blocksErr
}
