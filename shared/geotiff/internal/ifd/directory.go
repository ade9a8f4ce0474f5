// Package ifd reads and writes the image file directories of TIFF files.
package ifd

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
)

const (
	headSize       = 32 << 10 // one read covers the directories of most files
	maxDirectories = 128      // an image, its overviews and masks need far fewer
	maxTagBytes    = 1 << 20  // for every tag except block offsets and sizes
)

// File is a TIFF file that is read. It is safe for concurrent use.
type File struct {
	Size  int64
	Order binary.ByteOrder

	r    io.ReaderAt
	head []byte // its first bytes
	big  bool
}

// ReadFault is an error of the reader of a file, not of the file.
type ReadFault struct{ error }

// Unwrap returns the reader's own error.
func (f ReadFault) Unwrap() error { return f.error }

var (
	// ErrCutShort is wrapped by errors that say that a file ends before what it speaks of.
	ErrCutShort = errors.New("the file is cut short or damaged")
	// ErrNotTIFF is the error of Open for a file that does not begin as a TIFF file does.
	ErrNotTIFF = errors.New("not a TIFF file")
	// ErrUnlike is the error of Same for bands whose values differ.
	ErrUnlike = errors.New("bands of different sample types are not read")
)

// Open reads the directories of a file of size bytes: at least one, and at most 128.
func Open(r io.ReaderAt, size int64) (*File, []Directory, error) {
	s := &File{r: r, Size: size}
	head := make([]byte, min(size, headSize))
	if err := s.ReadAt(head, 0); err != nil {
		return nil, nil, err
	}
	s.head = head
	dirs, err := s.directories()
	return s, dirs, err
}

// Entry is one tag of a directory, of Count values.
type Entry struct {
	kind  uint16
	Count uint64
	value [8]byte // the value itself when it fits, else its offset
}

// Directory is the tags of one image that are read here.
type Directory map[uint16]Entry

var kindSize = map[uint16]uint64{
	1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8,
}

// bytes returns n bytes at offset off, which must lie inside the file.
func (s *File) bytes(off, n uint64) ([]byte, error) {
	size := uint64(s.Size)
	if off > size || n > size-off {
		return nil, fmt.Errorf("%w: %d bytes at %d are outside of its %d bytes", ErrCutShort, n, off, s.Size)
	}
	if off+n <= uint64(len(s.head)) {
		return s.head[off : off+n : off+n], nil
	}
	b := make([]byte, n)
	return b, s.ReadAt(b, int64(off))
}

// ReadAt fills b from an offset of the file. Its errors are of the reader.
func (s *File) ReadAt(b []byte, off int64) error {
	n, err := s.r.ReadAt(b, off)
	if n == len(b) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return ReadFault{fmt.Errorf("reading %d bytes at %d: %w", len(b), off, err)}
}

// header reads the header and returns where the first directory is.
func (s *File) header() (uint64, error) {
	if len(s.head) < 8 {
		return 0, ErrNotTIFF
	}
	switch {
	case bytes.HasPrefix(s.head, []byte("II")):
		s.Order = binary.LittleEndian
	case bytes.HasPrefix(s.head, []byte("MM")):
		s.Order = binary.BigEndian
	default:
		return 0, ErrNotTIFF
	}
	var next uint64
	switch s.Order.Uint16(s.head[2:]) {
	case 42:
		next = uint64(s.Order.Uint32(s.head[4:]))
	case 43:
		if len(s.head) < 16 || s.Order.Uint16(s.head[4:]) != 8 {
			return 0, fmt.Errorf("%w: bad BigTIFF header", ErrCutShort)
		}
		s.big = true
		next = s.Order.Uint64(s.head[8:])
	default:
		return 0, ErrNotTIFF
	}
	return next, nil
}

// directories reads the header and all image file directories.
func (s *File) directories() ([]Directory, error) {
	next, err := s.header()
	if err != nil {
		return nil, err
	}
	var (
		dirs []Directory
		seen []uint64
	)
	for next != 0 {
		if slices.Contains(seen, next) {
			return nil, fmt.Errorf("the file is damaged: the directory at %d follows itself", next)
		}
		if len(seen) == maxDirectories {
			break
		}
		seen = append(seen, next)
		d, n, err := s.directory(next)
		if err != nil {
			return nil, err
		}
		dirs = append(dirs, d)
		next = n
	}
	if len(dirs) == 0 {
		return nil, errors.New("the file holds no image")
	}
	return dirs, nil
}

// directory reads one directory; next is the offset of the following one.
func (s *File) directory(off uint64) (d Directory, next uint64, err error) {
	head, each, link := uint64(2), uint64(12), uint64(4)
	if s.big {
		head, each, link = 8, 20, 8
	}
	b, err := s.bytes(off, head)
	if err != nil {
		return nil, 0, err
	}
	n := uint64(s.Order.Uint16(b))
	if s.big {
		n = s.Order.Uint64(b)
	}
	if n == 0 || n > math.MaxUint16 {
		return nil, 0, fmt.Errorf("the file is damaged: the directory at %d has %d tags", off, n)
	}
	if b, err = s.bytes(off+head, n*each+link); err != nil {
		return nil, 0, err
	}
	d = make(Directory)
	for i := range n {
		e := b[i*each:]
		id := s.Order.Uint16(e)
		if !asked(id) {
			continue
		}
		t := Entry{kind: s.Order.Uint16(e[2:])}
		if s.big {
			t.Count = s.Order.Uint64(e[4:])
			copy(t.value[:], e[12:20])
		} else {
			t.Count = uint64(s.Order.Uint32(e[4:]))
			copy(t.value[:], e[8:12])
		}
		if _, twice := d[id]; !twice {
			d[id] = t
		}
	}
	if s.big {
		return d, s.Order.Uint64(b[n*each:]), nil
	}
	return d, uint64(s.Order.Uint32(b[n*each:])), nil
}

// asked reports whether a tag is read here. Others are not held: a hundred directories of
// 65535 tags each may overlap in a small file.
func asked(tag uint16) bool {
	switch tag {
	case NewSubfileType, ImageWidth, ImageLength, BitsPerSample, Compression, FillOrder,
		StripOffsets, SamplesPerPixel, RowsPerStrip, StripByteCounts, PlanarConfig, Predictor,
		TileWidth, TileLength, TileOffsets, TileByteCounts, SampleFormat,
		Photometric, ExtraSamples,
		ModelPixelScale, ModelTiepoint, ModelTransformation,
		GeoKeyDirectory, GeoDoubleParams, GeoASCIIParams, GDALMetadata, GDALNoData:
		return true
	}
	return false
}

// raw returns the bytes of a tag's value, at most limit of them.
func (s *File) raw(tag uint16, e Entry, limit uint64) ([]byte, error) {
	size, ok := kindSize[e.kind]
	if !ok {
		return nil, fmt.Errorf("the file is damaged: tag %d has type %d", tag, e.kind)
	}
	if e.Count > limit/size {
		return nil, fmt.Errorf("the file is damaged: tag %d has %d values", tag, e.Count)
	}
	n := size * e.Count
	inline := uint64(4)
	if s.big {
		inline = 8
	}
	if n <= inline {
		return e.value[:n], nil
	}
	off := uint64(s.Order.Uint32(e.value[:]))
	if s.big {
		off = s.Order.Uint64(e.value[:])
	}
	return s.bytes(off, n)
}

// Uints returns the values of an integer tag, nil when the tag is absent.
func (s *File) Uints(d Directory, tag uint16) ([]uint64, error) {
	return s.First(d, tag, maxTagBytes, math.MaxUint64)
}

// First is Uints of at most most values, of a tag of at most limit bytes.
func (s *File) First(d Directory, tag uint16, limit, most uint64) ([]uint64, error) {
	e, ok := d[tag]
	if !ok {
		return nil, nil
	}
	b, err := s.raw(tag, e, limit)
	if err != nil {
		return nil, err
	}
	v := make([]uint64, min(e.Count, most))
	for i := range v {
		switch e.kind {
		case 1:
			v[i] = uint64(b[i])
		case 3:
			v[i] = uint64(s.Order.Uint16(b[2*i:]))
		case 4, 13:
			v[i] = uint64(s.Order.Uint32(b[4*i:]))
		case 16, 18:
			v[i] = s.Order.Uint64(b[8*i:])
		default:
			return nil, fmt.Errorf("the file is damaged: tag %d has type %d", tag, e.kind)
		}
	}
	return v, nil
}

// Uint returns a single integer, or def when the tag is absent.
func (s *File) Uint(d Directory, tag uint16, def uint64) (uint64, error) {
	v, err := s.Uints(d, tag)
	if err != nil {
		return 0, err
	}
	if v == nil {
		return def, nil
	}
	if len(v) == 0 {
		return 0, fmt.Errorf("the file is damaged: tag %d is empty", tag)
	}
	return v[0], nil
}

// Same returns the one value an integer tag has for every band.
func (s *File) Same(d Directory, tag uint16, def uint64) (uint64, error) {
	v, err := s.Uints(d, tag)
	if err != nil || len(v) == 0 {
		return def, err
	}
	for _, x := range v {
		if x != v[0] {
			return 0, ErrUnlike
		}
	}
	return v[0], nil
}

// Doubles returns the values of a floating-point tag, nil when it is absent.
func (s *File) Doubles(d Directory, tag uint16) ([]float64, error) {
	e, ok := d[tag]
	if !ok {
		return nil, nil
	}
	b, err := s.raw(tag, e, maxTagBytes)
	if err != nil {
		return nil, err
	}
	v := make([]float64, e.Count)
	for i := range v {
		switch e.kind {
		case 11:
			v[i] = float64(math.Float32frombits(s.Order.Uint32(b[4*i:])))
		case 12:
			v[i] = math.Float64frombits(s.Order.Uint64(b[8*i:]))
		default:
			return nil, fmt.Errorf("the file is damaged: tag %d has type %d", tag, e.kind)
		}
	}
	return v, nil
}

// Text returns a text tag up to its first NUL; ok is false when it is absent.
func (s *File) Text(d Directory, tag uint16) (v string, ok bool, err error) {
	e, ok := d[tag]
	if !ok {
		return "", false, nil
	}
	b, err := s.raw(tag, e, maxTagBytes)
	if err != nil {
		return "", false, err
	}
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	return string(b), true, nil
}
