// Package codec compresses the blocks of TIFF files and makes them of compressed ones.
package codec

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
)

// MaxBlock is the most bytes of one block that is not compressed.
const MaxBlock = 256 << 20

// Compression is the value of the TIFF tag of that name.
type Compression uint64

// The compressions that are read.
const (
	None       Compression = 1
	LZW        Compression = 5
	Deflate    Compression = 8
	PackBits   Compression = 32773
	DeflateOld Compression = 32946
	ZSTD       Compression = 50000
)

var names = map[Compression]string{
	None:       "None",
	LZW:        "LZW",
	Deflate:    "Deflate",
	DeflateOld: "Deflate",
	PackBits:   "PackBits",
	ZSTD:       "ZSTD",
	2:          "CCITT RLE",
	3:          "CCITT group 3",
	4:          "CCITT group 4",
	6:          "old-style JPEG",
	7:          "JPEG",
	32809:      "ThunderScan",
	34712:      "JPEG 2000",
	34887:      "LERC",
	34925:      "LZMA",
	50001:      "WebP",
	50002:      "JPEG XL",
}

// String returns the name, such as "Deflate", or the number of one that is not known.
func (c Compression) String() string {
	if name, known := names[c]; known {
		return name
	}
	return fmt.Sprintf("number %d", uint64(c))
}

// Readable reports whether Decompress knows the compression.
func (c Compression) Readable() bool {
	switch c {
	case None, LZW, Deflate, DeflateOld, PackBits, ZSTD:
		return true
	}
	return false
}

// unzstd is shared: DecodeAll is safe for concurrent use, starts no goroutine
// and writes no more than the capacity of its destination.
var unzstd = sync.OnceValues(func() (*zstd.Decoder, error) {
	return zstd.NewReader(nil, zstd.WithDecodeAllCapLimit(true), zstd.WithDecoderMaxWindow(MaxBlock), zstd.WithDecoderConcurrency(0))
})

// Decoder is the memory that one goroutine decompresses with. The zero value is ready.
type Decoder struct {
	lzw  *lzwTable
	zlib io.ReadCloser
}

// Decompress fills dst from a compressed block, and returns how many bytes it wrote: fewer than dst has where the block ends
// before. ZSTD gives the whole block or an error; the others stop when dst is full. whole says that dst is the whole block:
// then a checksum at its end is verified.
func (d *Decoder) Decompress(c Compression, dst, src []byte, whole bool) (int, error) {
	switch c {
	case LZW:
		if d.lzw == nil {
			d.lzw = new(lzwTable)
		}
		return lzwDecode(dst, src, d.lzw)
	case Deflate, DeflateOld:
		return d.inflate(dst, src, whole)
	case PackBits:
		return unpackBits(dst, src), nil
	case ZSTD:
		z, err := unzstd()
		if err != nil {
			return 0, err
		}
		b, err := z.DecodeAll(src, dst[:0:len(dst)])
		return len(b), err
	}
	return copy(dst, src), nil
}

// inflate fills dst; whole asks to verify the checksum at the end.
func (d *Decoder) inflate(dst, src []byte, whole bool) (int, error) {
	r := bytes.NewReader(src)
	if d.zlib == nil {
		z, err := zlib.NewReader(r)
		if err != nil {
			return 0, err
		}
		d.zlib = z
	} else if err := d.zlib.(zlib.Resetter).Reset(r, nil); err != nil {
		return 0, err
	}
	n, err := io.ReadFull(d.zlib, dst)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return n, nil
	}
	if err == nil && whole {
		var one [1]byte
		if _, err = d.zlib.Read(one[:]); !errors.Is(err, zlib.ErrChecksum) {
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
