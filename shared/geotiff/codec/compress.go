package codec

import (
	"bytes"
	"sync"

	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
)

// Compressors are kept by level: making one costs more than a small block.
var (
	zips  [10]sync.Pool // *zlib.Writer
	zstds [23]struct {
		once sync.Once
		enc  *zstd.Encoder
		err  error
	}
)

// Compress compresses a block by Deflate or ZSTD, or copies it. Level 0 is the usual one of the compression. It is safe for
// concurrent use.
func Compress(c Compression, b []byte, level int) ([]byte, error) {
	switch c {
	case Deflate:
		return deflate(b, level)
	case ZSTD:
		return packZSTD(b, level)
	}
	return bytes.Clone(b), nil
}

func deflate(b []byte, lvl int) ([]byte, error) {
	if lvl == 0 {
		lvl = 1 // level 6 saves 2 % of the size on solar maps, at a third of the speed
	}
	var out bytes.Buffer
	out.Grow(len(b) / 2)
	z, ok := zips[lvl].Get().(*zlib.Writer)
	if ok {
		z.Reset(&out)
	} else {
		var err error
		if z, err = zlib.NewWriterLevel(&out, lvl); err != nil {
			return nil, err
		}
	}
	if _, err := z.Write(b); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	zips[lvl].Put(z)
	return bytes.Clone(out.Bytes()), nil
}

func packZSTD(b []byte, lvl int) ([]byte, error) {
	if lvl == 0 {
		lvl = 3
	}
	z := &zstds[lvl]
	z.once.Do(func() {
		z.enc, z.err = zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.EncoderLevelFromZstd(lvl)))
	})
	if z.err != nil {
		return nil, z.err
	}
	return bytes.Clone(z.enc.EncodeAll(b, nil)), nil
}
