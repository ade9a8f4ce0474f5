package geotiff

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"sync"

	"github.com/cyverse-gis/eemt/shared/geotiff/codec"
)

// scratch is the memory one goroutine decodes with.
type scratch struct {
	packed []byte
	raw    []byte
	row    []byte
	codec  codec.Decoder
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

func resize(b []byte, n int) []byte {
	if cap(b) < n {
		return make([]byte, n)
	}
	return b[:n]
}

// block returns rows from..to of block i as little-endian samples without
// predictor, valid until sc is used again; nil when the file leaves it out.
func (m *Image) block(i, from, to int, sc *scratch) ([]byte, error) {
	row := m.rowBytes()
	off, count := m.offsets[i], uint64(row*to)
	if m.counts != nil && (m.counts[i] != 0 || m.comp != codec.None || m.blocks() > 1) { // some programs leave the size of a single block 0
		count = m.counts[i]
	}
	if off == 0 || count == 0 {
		return nil, nil
	}
	size := uint64(m.src.Size)
	if off > size || count > size-off {
		return nil, fmt.Errorf("%w: %d bytes at %d are outside of its %d bytes", ErrCutShort, count, off, size)
	}
	if m.comp == codec.None {
		if uint64(row*to) > count {
			return nil, fmt.Errorf("the file is damaged: the block has %d bytes instead of %d", count, row*to)
		}
		sc.raw = resize(sc.raw, row*(to-from))
		if err := m.src.ReadAt(sc.raw, int64(off)+int64(row*from)); err != nil {
			return nil, err
		}
		m.toLittleEndian(sc.raw)
		return sc.raw, nil
	}
	rows := m.BlockHeight
	if br := i % (m.across * m.down) / m.across; !m.Tiled {
		rows = min(rows, m.Height-br*m.BlockHeight)
	}
	// No compression makes twice as much of a block, but for what each row and the
	// block may cost: of a size beyond the rest is not fetched, so that a file which
	// states its own size for each of its blocks is not read once for each.
	count = min(count, uint64(2*row+32)*uint64(rows)+4096)
	sc.packed = resize(sc.packed, int(count))
	if err := m.src.ReadAt(sc.packed, int64(off)); err != nil {
		return nil, err
	}
	if err := m.decompress(sc, to, to == rows); err != nil {
		return nil, err
	}
	b := sc.raw[row*from : row*to]
	m.undoPredictor(b, sc)
	return b, nil
}

// undoPredictor makes little-endian samples of rows that were decompressed.
func (m *Image) undoPredictor(b []byte, sc *scratch) {
	row, samples := m.rowBytes(), m.Bands
	if m.planar {
		samples = 1
	}
	if m.predictor == 3 {
		sc.row = resize(sc.row, row)
		for r := 0; r < len(b); r += row {
			codec.UndoFloat(b[r:r+row], sc.row, samples, m.bits/8)
		}
		return
	}
	m.toLittleEndian(b)
	if m.predictor == 2 {
		for r := 0; r < len(b); r += row {
			codec.UndoHorizontal(b[r:r+row], samples, m.bits/8)
		}
	}
}

// decompress fills sc.raw with the first rows of the block in sc.packed; whole
// says that there are no more.
func (m *Image) decompress(sc *scratch, rows int, whole bool) error {
	want := m.rowBytes() * rows
	room := want
	if m.comp == codec.ZSTD { // which gives all rows or none
		room = m.rowBytes() * m.BlockHeight
	}
	sc.raw = resize(sc.raw, room)
	n, err := sc.codec.Decompress(m.comp, sc.raw, sc.packed, whole)
	switch {
	case errors.Is(err, codec.ErrReversedBits):
		return &Unsupported{Feature: err.Error(), Fix: fixTranslate}
	case err != nil:
		return fmt.Errorf("the file is damaged: %s: %w", m.Compression, err)
	case n < want:
		return fmt.Errorf("the file is damaged: the block holds %d bytes instead of %d", n, want)
	}
	return nil
}

// toLittleEndian swaps the bytes of samples of a big-endian file.
func (m *Image) toLittleEndian(b []byte) {
	if m.src.Order == binary.LittleEndian {
		return
	}
	switch m.bits {
	case 16:
		for i := 0; i+2 <= len(b); i += 2 {
			b[i], b[i+1] = b[i+1], b[i]
		}
	case 32:
		for i := 0; i+4 <= len(b); i += 4 {
			binary.LittleEndian.PutUint32(b[i:], binary.BigEndian.Uint32(b[i:]))
		}
	case 64:
		for i := 0; i+8 <= len(b); i += 8 {
			binary.LittleEndian.PutUint64(b[i:], binary.BigEndian.Uint64(b[i:]))
		}
	}
}

// samples converts every stride-th little-endian sample from the first on.
func samples(t SampleType, b []byte, first, stride int, dst []float64) {
	b, step := b[first*t.Size():], stride*t.Size()
	switch sampleTypes[t].format {
	case 1:
		unsigned(t, b, step, dst)
	case 2:
		signed(t, b, step, dst)
	default:
		floats(t, b, step, dst)
	}
}

// unsigned is samples of unsigned integers; step is the bytes from one sample to the next.
func unsigned(t SampleType, b []byte, step int, dst []float64) {
	le := binary.LittleEndian
	switch t {
	case Uint8:
		for i := range dst {
			dst[i] = float64(b[i*step])
		}
	case Uint16:
		for i := range dst {
			dst[i] = float64(le.Uint16(b[i*step:]))
		}
	case Uint32:
		for i := range dst {
			dst[i] = float64(le.Uint32(b[i*step:]))
		}
	default:
		for i := range dst {
			dst[i] = float64(le.Uint64(b[i*step:]))
		}
	}
}

// signed is samples of signed integers.
func signed(t SampleType, b []byte, step int, dst []float64) {
	le := binary.LittleEndian
	switch t {
	case Int8:
		for i := range dst {
			dst[i] = float64(int8(b[i*step]))
		}
	case Int16:
		for i := range dst {
			dst[i] = float64(int16(le.Uint16(b[i*step:])))
		}
	case Int32:
		for i := range dst {
			dst[i] = float64(int32(le.Uint32(b[i*step:])))
		}
	default:
		for i := range dst {
			dst[i] = float64(int64(le.Uint64(b[i*step:])))
		}
	}
}

// floats is samples of floating-point numbers.
func floats(t SampleType, b []byte, step int, dst []float64) {
	le := binary.LittleEndian
	switch t {
	case Float16:
		for i := range dst {
			dst[i] = half(le.Uint16(b[i*step:]))
		}
	case Float32:
		for i := range dst {
			dst[i] = float64(math.Float32frombits(le.Uint32(b[i*step:])))
		}
	default:
		for i := range dst {
			dst[i] = math.Float64frombits(le.Uint64(b[i*step:]))
		}
	}
}

// half converts an IEEE 754 binary16 number.
func half(h uint16) float64 {
	sign := 1.0
	if h&0x8000 != 0 {
		sign = -1
	}
	exp, frac := int(h>>10&0x1f), float64(h&0x3ff)
	switch exp {
	case 0:
		return sign * math.Ldexp(frac, -24)
	case 0x1f:
		if frac != 0 {
			return math.NaN()
		}
		return math.Inf(int(sign))
	}
	return sign * math.Ldexp(1024+frac, exp-25)
}
