package geotiff

import (
	"encoding/binary"
	"math"
	"sync"

	"github.com/cyverse-gis/eemt/shared/geotiff/codec"
)

var buffers = sync.Pool{New: func() any { return new([]byte) }}

// store puts one row into b as little-endian samples.
func store(w *Writer, b []byte, row []float64) {
	le := binary.LittleEndian
	switch t := w.opts.Type; t {
	case Float32:
		nd := math.Float32bits(float32(w.nodata))
		b = b[:4*len(row)]
		for i, v := range row {
			u := nd
			if !math.IsNaN(v) {
				u = math.Float32bits(float32(v))
			}
			le.PutUint32(b[4*i:], u)
		}
	case Float64:
		nd := math.Float64bits(w.nodata)
		b = b[:8*len(row)]
		for i, v := range row {
			u := nd
			if !math.IsNaN(v) {
				u = math.Float64bits(v)
			}
			le.PutUint64(b[8*i:], u)
		}
	default:
		lo, hi := t.limits()
		for _, v := range row {
			u := integer(v, w.nodata, lo, hi, t)
			for k := range w.size {
				b[k] = byte(u >> (8 * k))
			}
			b = b[w.size:]
		}
	}
}

// integer rounds v to the nearest integer of type t, as two's complement.
func integer(v, nodata, lo, hi float64, t SampleType) uint64 {
	if math.IsNaN(v) {
		v = nodata
	}
	v = math.Round(v)
	switch {
	case v <= lo:
		if t == Int64 {
			return 1 << 63
		}
		v = lo
	case v >= hi:
		switch t {
		case Int64:
			return math.MaxInt64
		case Uint64:
			return math.MaxUint64
		}
		v = hi
	}
	if t == Uint64 {
		return uint64(v)
	}
	return uint64(int64(v))
}

// pack applies the predictor to a block, in place, then compresses it.
func (w *Writer) pack(raw *[]byte, blockW int) ([]byte, error) {
	b, line := *raw, blockW*w.size
	switch {
	case w.opts.Compression == None:
	case w.opts.Type.Float():
		tmp := buffers.Get().(*[]byte)
		*tmp = resize(*tmp, line)
		for r := 0; r < len(b); r += line {
			codec.Float(b[r:r+line], *tmp, w.size)
		}
		buffers.Put(tmp)
	default:
		for r := 0; r < len(b); r += line {
			codec.Horizontal(b[r:r+line], w.size)
		}
	}
	return codec.Compress(codecOf[w.opts.Compression], b, w.opts.Level)
}

// codecOf are the numbers of the compressions that are written.
var codecOf = map[Compression]codec.Compression{Deflate: codec.Deflate, ZSTD: codec.ZSTD, None: codec.None}
