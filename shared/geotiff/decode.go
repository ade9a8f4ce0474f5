package geotiff

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"sync"

	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
)

// scratch is the memory one goroutine decodes with.
type scratch struct {
	packed []byte
	raw    []byte
	row    []byte
	lzw    *lzwTable
	inflat io.ReadCloser
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

// unzstd is shared: DecodeAll is safe for concurrent use, starts no goroutine
// and writes no more than the capacity of its destination.
var unzstd = sync.OnceValues(func() (*zstd.Decoder, error) {
	return zstd.NewReader(nil, zstd.WithDecodeAllCapLimit(true), zstd.WithDecoderMaxWindow(maxBlock), zstd.WithDecoderConcurrency(0))
})

func resize(b []byte, n int) []byte {
	if cap(b) < n {
		return make([]byte, n)
	}
	return b[:n]
}

// block returns rows from..to of block i as little-endian samples without
// predictor, valid until sc is used again; nil when the file leaves it out.
func (m *Image) block(i, from, to int, sc *scratch) ([]byte, error) {
	var count uint64
	row := m.rowBytes()
	if m.counts != nil {
		count = m.counts[i]
	} else {
		count = uint64(row * to)
	}
	off := m.offsets[i]
	if count == 0 && m.comp == compNone && m.blocks() == 1 {
		count = uint64(row * to) // which is how some programs leave it
	}
	if off == 0 || count == 0 {
		return nil, nil
	}
	size := uint64(m.src.size)
	if off > size || count > size-off {
		return nil, fmt.Errorf("%w: %d bytes at %d are outside of its %d bytes", ErrCutShort, count, off, size)
	}
	if m.comp == compNone {
		if uint64(row*to) > count {
			return nil, fmt.Errorf("the file is damaged: the block has %d bytes instead of %d", count, row*to)
		}
		sc.raw = resize(sc.raw, row*(to-from))
		if err := m.src.readAt(sc.raw, int64(off)+int64(row*from)); err != nil {
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
	if err := m.src.readAt(sc.packed, int64(off)); err != nil {
		return nil, err
	}
	if err := m.decompress(sc, to, to == rows); err != nil {
		return nil, err
	}
	b := sc.raw[row*from : row*to]
	samples := m.Bands
	if m.planar {
		samples = 1
	}
	if m.predictor == 3 {
		sc.row = resize(sc.row, row)
		for r := 0; r < len(b); r += row {
			undoFloatPredictor(b[r:r+row], sc.row, samples, m.bits/8)
		}
		return b, nil
	}
	m.toLittleEndian(b)
	if m.predictor == 2 {
		for r := 0; r < len(b); r += row {
			undoPredictor(b[r:r+row], samples, m.bits/8)
		}
	}
	return b, nil
}

// decompress fills sc.raw with the first rows of the block in sc.packed; whole
// says that there are no more.
func (m *Image) decompress(sc *scratch, rows int, whole bool) error {
	want := m.rowBytes() * rows
	var n int
	var err error
	switch m.comp {
	case compLZW:
		if sc.lzw == nil {
			sc.lzw = new(lzwTable)
		}
		sc.raw = resize(sc.raw, want)
		n, err = lzwDecode(sc.raw, sc.packed, sc.lzw)
	case compDeflate, compDeflateOld:
		sc.raw = resize(sc.raw, want)
		n, err = sc.inflate(whole)
	case compPackBits:
		sc.raw = resize(sc.raw, want)
		n = unpackBits(sc.raw, sc.packed)
	case compZSTD:
		var z *zstd.Decoder
		if z, err = unzstd(); err != nil {
			return err
		}
		sc.raw = resize(sc.raw, m.rowBytes()*m.BlockHeight)
		sc.raw, err = z.DecodeAll(sc.packed, sc.raw[:0:len(sc.raw)])
		n = min(want, len(sc.raw))
		sc.raw = sc.raw[:n]
	}
	if err != nil {
		var u *Unsupported
		if errors.As(err, &u) {
			return err
		}
		return fmt.Errorf("the file is damaged: %s: %w", m.Compression, err)
	}
	if n < want {
		return fmt.Errorf("the file is damaged: the block holds %d bytes instead of %d", n, want)
	}
	return nil
}

// inflate fills sc.raw; whole asks to verify the checksum at the end.
func (sc *scratch) inflate(whole bool) (int, error) {
	src := bytes.NewReader(sc.packed)
	if sc.inflat == nil {
		z, err := zlib.NewReader(src)
		if err != nil {
			return 0, err
		}
		sc.inflat = z
	} else if err := sc.inflat.(zlib.Resetter).Reset(src, nil); err != nil {
		return 0, err
	}
	n, err := io.ReadFull(sc.inflat, sc.raw)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return n, nil
	}
	if err == nil && whole {
		var one [1]byte
		if _, err = sc.inflat.Read(one[:]); !errors.Is(err, zlib.ErrChecksum) {
			err = nil // more data than declared, or none: both harmless
		}
	}
	return n, err
}

// unpackBits decodes PackBits (TIFF 6.0 section 9) until either side ends.
func unpackBits(dst, src []byte) int {
	n := 0
	for len(src) > 0 && n < len(dst) {
		h := int(int8(src[0]))
		src = src[1:]
		switch {
		case h >= 0:
			k := min(h+1, len(src))
			n += copy(dst[n:], src[:k])
			src = src[k:]
		case h != -128 && len(src) > 0:
			k := min(1-h, len(dst)-n)
			for i := range k {
				dst[n+i] = src[0]
			}
			n += k
			src = src[1:]
		}
	}
	return n
}

// toLittleEndian swaps the bytes of samples of a big-endian file.
func (m *Image) toLittleEndian(b []byte) {
	if m.src.order == binary.LittleEndian {
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

// undoPredictor sums up the differences between neighbours of one row
// (TIFF 6.0 section 14), of little-endian integers.
func undoPredictor(b []byte, samples, size int) {
	step := samples * size
	switch size {
	case 1:
		for i := step; i < len(b); i++ {
			b[i] += b[i-step]
		}
	case 2:
		for i := step; i+2 <= len(b); i += 2 {
			binary.LittleEndian.PutUint16(b[i:], binary.LittleEndian.Uint16(b[i:])+binary.LittleEndian.Uint16(b[i-step:]))
		}
	case 4:
		for i := step; i+4 <= len(b); i += 4 {
			binary.LittleEndian.PutUint32(b[i:], binary.LittleEndian.Uint32(b[i:])+binary.LittleEndian.Uint32(b[i-step:]))
		}
	case 8:
		for i := step; i+8 <= len(b); i += 8 {
			binary.LittleEndian.PutUint64(b[i:], binary.LittleEndian.Uint64(b[i:])+binary.LittleEndian.Uint64(b[i-step:]))
		}
	}
}

// undoFloatPredictor reverses predictor 3 (TIFF Technical Note 3) on one row:
// differences of bytes, the most significant bytes of all samples first. The
// result is little-endian.
func undoFloatPredictor(b, tmp []byte, samples, size int) {
	if samples == 1 { // the sum stays in a register: 3 times as fast
		var sum byte
		for i, v := range b {
			sum += v
			b[i] = sum
		}
	} else {
		for i := samples; i < len(b); i++ {
			b[i] += b[i-samples]
		}
	}
	n := len(b) / size
	copy(tmp, b)
	switch size {
	case 4:
		p0, p1, p2, p3 := tmp[:n], tmp[n:2*n], tmp[2*n:3*n], tmp[3*n:4*n]
		for i := range n {
			binary.LittleEndian.PutUint32(b[4*i:], uint32(p0[i])<<24|uint32(p1[i])<<16|uint32(p2[i])<<8|uint32(p3[i]))
		}
	default:
		for k := range size {
			plane := tmp[k*n : (k+1)*n]
			for i, v := range plane {
				b[i*size+size-1-k] = v
			}
		}
	}
}

// samples converts every stride-th little-endian sample from the first on.
func samples(t SampleType, b []byte, first, stride int, dst []float64) {
	le := binary.LittleEndian
	size := t.Size()
	b, step := b[first*size:], stride*size
	switch t {
	case Uint8:
		for i := range dst {
			dst[i] = float64(b[i*step])
		}
	case Int8:
		for i := range dst {
			dst[i] = float64(int8(b[i*step]))
		}
	case Uint16:
		for i := range dst {
			dst[i] = float64(le.Uint16(b[i*step:]))
		}
	case Int16:
		for i := range dst {
			dst[i] = float64(int16(le.Uint16(b[i*step:])))
		}
	case Uint32:
		for i := range dst {
			dst[i] = float64(le.Uint32(b[i*step:]))
		}
	case Int32:
		for i := range dst {
			dst[i] = float64(int32(le.Uint32(b[i*step:])))
		}
	case Uint64:
		for i := range dst {
			dst[i] = float64(le.Uint64(b[i*step:]))
		}
	case Int64:
		for i := range dst {
			dst[i] = float64(int64(le.Uint64(b[i*step:])))
		}
	case Float16:
		for i := range dst {
			dst[i] = half(le.Uint16(b[i*step:]))
		}
	case Float32:
		for i := range dst {
			dst[i] = float64(math.Float32frombits(le.Uint32(b[i*step:])))
		}
	case Float64:
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
