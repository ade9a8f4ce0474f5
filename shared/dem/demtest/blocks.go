package demtest

import (
	"bytes"
	"encoding/binary"
	"math"
	"testing"

	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"

	"github.com/cyverse-gis/eemt/shared/geotiff/codec"
)

// Blocks is a raster of 10 m cells whose samples are all 100, in blocks as large as one wants. Such blocks compress to a
// thousandth or less.
type Blocks struct {
	Width, Height           int
	BlockWidth, BlockHeight int
	// Tiled tells tiles from strips, which are as wide as the raster.
	Tiled bool
	// Bytes of a sample: 1 or 2.
	Bytes       int
	Compression codec.Compression
	// SingleSegment makes ZSTD blocks that can only be decompressed whole.
	SingleSegment bool
}

// Encode returns the raster as a GeoTIFF.
func (r Blocks) Encode(t testing.TB) []byte {
	t.Helper()
	le := binary.LittleEndian
	n := (r.Width + r.BlockWidth - 1) / r.BlockWidth * ((r.Height + r.BlockHeight - 1) / r.BlockHeight)
	block := r.block(t)
	const head = 8
	file := append([]byte("II*\x00"), 0, 0, 0, 0)
	offsets, counts := make([]uint32, n), make([]uint32, n)
	for i := range n {
		offsets[i], counts[i] = uint32(len(file)), uint32(len(block))
		file = append(file, block...)
	}
	if len(file)%2 != 0 {
		file = append(file, 0)
	}
	type tag struct {
		id, kind uint16
		count    int
		value    []byte
	}
	shorts := func(v ...uint16) []byte { return encode(t, v) }
	longs := func(v ...uint32) []byte { return encode(t, v) }
	tags := []tag{
		{256, 4, 1, longs(uint32(r.Width))},
		{257, 4, 1, longs(uint32(r.Height))},
		{258, 3, 1, shorts(uint16(8 * r.Bytes))},
		{259, 3, 1, shorts(uint16(r.Compression))},
		{262, 3, 1, shorts(1)},
	}
	if !r.Tiled {
		tags = append(tags, tag{273, 4, n, longs(offsets...)})
	}
	tags = append(tags, tag{277, 3, 1, shorts(1)})
	if r.Tiled {
		tags = append(tags, tag{322, 4, 1, longs(uint32(r.BlockWidth))}, tag{323, 4, 1, longs(uint32(r.BlockHeight))}, tag{324, 4, n, longs(offsets...)}, tag{325, 4, n, longs(counts...)})
	} else {
		tags = append(tags, tag{278, 4, 1, longs(uint32(r.BlockHeight))}, tag{279, 4, n, longs(counts...)})
	}
	tags = append(tags,
		tag{33550, 12, 3, encode(t, []float64{10, 10, 0})},
		tag{33922, 12, 6, encode(t, []float64{0, 0, 0, 300000, 4500000, 0})},
		tag{34735, 3, 16, shorts(1, 1, 0, 3, 1024, 0, 1, 1, 1025, 0, 1, 1, 3072, 0, 1, 32613)},
	)
	at := len(file)
	le.PutUint32(file[4:head], uint32(at))
	long := at + 2 + 12*len(tags) + 4
	file = le.AppendUint16(file, uint16(len(tags)))
	var values []byte
	for _, g := range tags {
		file = le.AppendUint16(le.AppendUint16(file, g.id), g.kind)
		file = le.AppendUint32(file, uint32(g.count))
		if len(g.value) <= 4 {
			file = append(file, append(g.value, make([]byte, 4-len(g.value))...)...)
			continue
		}
		file = le.AppendUint32(file, uint32(long+len(values)))
		values = append(values, g.value...)
	}
	return append(le.AppendUint32(file, 0), values...)
}

func encode(t testing.TB, v any) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := binary.Write(&out, binary.LittleEndian, v); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// block is one block, compressed without ever being in memory whole.
func (r Blocks) block(t testing.TB) []byte {
	t.Helper()
	if r.BlockWidth*r.BlockHeight*r.Bytes > math.MaxInt32 {
		t.Fatal("blocks of 2 GiB")
	}
	row := bytes.Repeat([]byte{100, 0}[:r.Bytes], r.BlockWidth)
	var out bytes.Buffer
	if r.SingleSegment {
		z, err := zstd.NewWriter(nil, zstd.WithSingleSegment(true), zstd.WithEncoderConcurrency(1))
		if err != nil {
			t.Fatal(err)
		}
		return z.EncodeAll(bytes.Repeat(row, r.BlockHeight), nil)
	}
	w, err := zstd.NewWriter(&out, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(4<<20))
	write, end := w.Write, w.Close
	if r.Compression == codec.Deflate {
		z := zlib.NewWriter(&out)
		write, end = z.Write, z.Close
	}
	if err != nil {
		t.Fatal(err)
	}
	for range r.BlockHeight {
		if _, err := write(row); err != nil {
			t.Fatal(err)
		}
	}
	if err := end(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
