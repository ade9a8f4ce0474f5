package geotiff

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/cyverse-gis/eemt/shared/geotiff/codec"
	"github.com/cyverse-gis/eemt/shared/geotiff/internal/ifd"
)

// scratch is the memory one goroutine decodes with.
type scratch struct {
	packed []byte
	raw    []byte
	row    []byte
	parts  []part
	codec  codec.Decoder
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

func resize(b []byte, n int) []byte {
	if cap(b) < n {
		return make([]byte, n)
	}
	return b[:n]
}

// place returns where block i is in the file, of which its first to rows are wanted; 0 bytes when the file leaves it out.
func (m *Image) place(i, to int) (off int64, count int, err error) {
	row := m.rowBytes()
	at, n := m.offsets[i], uint64(row*to)
	if m.counts != nil && (m.counts[i] != 0 || m.comp != codec.None || m.blocks() > 1) { // some programs leave the size of a single block 0
		n = m.counts[i]
	}
	if at == 0 || n == 0 {
		return 0, 0, nil
	}
	size := uint64(m.src.Size)
	if at > size || n > size-at {
		return 0, 0, fmt.Errorf("%w: %d bytes at %d are outside of its %d bytes", ErrCutShort, n, at, size)
	}
	if m.comp == codec.None {
		if uint64(row*to) > n {
			return 0, 0, fmt.Errorf("the file is damaged: the block has %d bytes instead of %d", n, row*to)
		}
		return int64(at), row * to, nil
	}
	// No compression makes twice as much of a block, but for what each row and the
	// block may cost: of a size beyond the rest is not fetched, so that a file which
	// states its own size for each of its blocks is not read once for each.
	return int64(at), int(min(n, uint64(2*row+32)*uint64(m.rowsIn(i))+4096)), nil
}

// rowsIn is how many rows block i has: the last strip of an image may have fewer than the others.
func (m *Image) rowsIn(i int) int {
	if m.Tiled {
		return m.BlockHeight
	}
	return min(m.BlockHeight, m.Height-i%(m.across*m.down)/m.across*m.BlockHeight)
}

// someRows takes rows of a block, from its row first on, as little-endian samples without predictor. They are valid until it
// returns. b is nil when the file leaves the block out.
type someRows func(first, rows int, b []byte)

// eachRows calls f with rows from..to of block i, in order, in one call or in several.
func (m *Image) eachRows(ctx context.Context, i, from, to int, sc *scratch, f someRows) error {
	off, count, err := m.place(i, to)
	if err != nil {
		return err
	}
	if count == 0 {
		f(from, to-from, nil)
		return nil
	}
	if m.comp == codec.None {
		return m.plainRows(ctx, off, from, to, sc, f)
	}
	whole := m.rowBytes() * m.BlockHeight
	need := int64(whole)
	stream := false
	if whole > wholeBytes {
		var memory int64
		if memory, stream, err = m.streams(off, count); err != nil {
			return err
		}
		if stream {
			need = memory
		}
	}
	release, err := m.take(ctx, need)
	if err != nil {
		return err
	}
	defer release()
	if stream {
		return m.streamRows(i, off, count, from, to, sc, f)
	}
	b, err := m.block(i, off, count, from, to, sc)
	if err == nil {
		f(from, to-from, b)
	}
	return err
}

// take waits for n bytes of the budget of the process. A block that needs more than all of it is refused.
func (m *Image) take(ctx context.Context, n int64) (release func(), err error) {
	all := decoding()
	if n > all.size {
		return nil, m.largeBlocks(all.size)
	}
	return all.take(ctx, n)
}

// plainRows is eachRows of a block that is not compressed.
func (m *Image) plainRows(ctx context.Context, off int64, from, to int, sc *scratch, f someRows) error {
	row := m.rowBytes()
	rows := max(1, min(to-from, wholeBytes/row))
	release, err := m.take(ctx, int64(rows)*int64(row))
	if err != nil {
		return err
	}
	defer release()
	for r := from; r < to; r += rows {
		n := min(rows, to-r)
		sc.raw = resize(sc.raw, row*n)
		if err := m.src.ReadAt(sc.raw, off+int64(row)*int64(r)); err != nil {
			return err
		}
		m.toLittleEndian(sc.raw)
		f(r, n, sc.raw)
	}
	return nil
}

// packedBytes is how much of a compressed block that is streamed is read at a time.
const packedBytes = 1 << 20

// section reads a part of a file.
type section struct {
	src  *ifd.File
	off  int64
	left int
}

func (p *section) Read(b []byte) (int, error) {
	if p.left == 0 {
		return 0, io.EOF
	}
	n := min(len(b), p.left)
	if err := p.src.ReadAt(b[:n], p.off); err != nil {
		return 0, err
	}
	p.off, p.left = p.off+int64(n), p.left-n
	return n, nil
}

// streamRows is eachRows of a large block whose compression gives its rows one after the other. It ends at the last row that
// is wanted.
func (m *Image) streamRows(i int, off int64, count, from, to int, sc *scratch, f someRows) error {
	in, err := sc.codec.Stream(m.comp, bufio.NewReaderSize(&section{m.src, off, count}, min(count, packedBytes)))
	if err != nil {
		return m.undecoded(err)
	}
	row := m.rowBytes()
	rows := max(1, wholeBytes/row)
	for r := 0; r < to; {
		n := min(rows, to-r)
		if r < from {
			n = min(n, from-r)
		}
		sc.raw = resize(sc.raw, row*n)
		got, err := io.ReadFull(in, sc.raw)
		switch {
		case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) && !errors.As(err, new(ifd.ReadFault)):
			return fmt.Errorf("the file is damaged: the block holds %d bytes instead of %d", row*r+got, row*to)
		case err != nil:
			return m.undecoded(err)
		}
		if r >= from {
			m.undoPredictor(sc.raw, sc)
			f(r, n, sc.raw)
		}
		r += n
	}
	if to == m.rowsIn(i) {
		if err := codec.Verify(in); err != nil {
			return m.undecoded(err)
		}
	}
	return nil
}

// undecoded words the error of a block that was not decompressed. Errors of the reader stay as they are.
func (m *Image) undecoded(err error) error {
	switch {
	case errors.As(err, new(ifd.ReadFault)):
		return err
	case errors.Is(err, codec.ErrReversedBits):
		return &Unsupported{Feature: err.Error(), Fix: fixTranslate}
	}
	return fmt.Errorf("the file is damaged: %s: %w", m.Compression, err)
}

// block returns rows from..to of block i, of count bytes at off, as little-endian samples without predictor, valid until sc
// is used again.
func (m *Image) block(i int, off int64, count, from, to int, sc *scratch) ([]byte, error) {
	row := m.rowBytes()
	sc.packed = resize(sc.packed, count)
	if err := m.src.ReadAt(sc.packed, off); err != nil {
		return nil, err
	}
	if err := m.decompress(sc, to, to == m.rowsIn(i)); err != nil {
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
	case err != nil:
		return m.undecoded(err)
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
