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
	zstd *zstd.Decoder
}

// HeadSize is how many of the first bytes of a block Streams looks at.
const HeadSize = zstd.HeaderMaxSize

// mostWindow is the longest distance of a ZSTD stream to what it repeats: what RFC 8878 recommends every decoder to have.
const mostWindow = 8 << 20

// Streams reports whether Stream can decompress a block that begins with head, and how much memory that takes beside input
// and output, bytes.
func (c Compression) Streams(head []byte) (memory int, ok bool) {
	switch c {
	case Deflate, DeflateOld:
		return 128 << 10, true
	case ZSTD:
		var h zstd.Header
		if err := h.Decode(head); err != nil || h.Skippable {
			return 0, false
		}
		window := h.WindowSize
		if h.SingleSegment {
			window = h.FrameContentSize
		}
		return int(min(window, mostWindow)) + 1<<20, window <= mostWindow
	}
	return 0, false
}

// Stream decompresses a block of which Streams says that it can, byte by byte as it is read, until d is used again.
func (d *Decoder) Stream(c Compression, src io.Reader) (io.Reader, error) {
	if c != ZSTD {
		err := d.resetZlib(src)
		return d.zlib, err
	}
	if d.zstd != nil {
		return d.zstd, d.zstd.Reset(src)
	}
	var err error
	d.zstd, err = zstd.NewReader(src, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(mostWindow))
	return d.zstd, err
}

// Verify checks what follows all that is wanted of a stream: its checksum. More data than wanted, or none, are harmless.
func Verify(stream io.Reader) error {
	var one [1]byte
	if _, err := stream.Read(one[:]); errors.Is(err, zlib.ErrChecksum) || errors.Is(err, zstd.ErrCRCMismatch) {
		return err
	}
	return nil
}

func (d *Decoder) resetZlib(src io.Reader) error {
	if d.zlib != nil {
		return d.zlib.(zlib.Resetter).Reset(src, nil)
	}
	z, err := zlib.NewReader(src)
	if err == nil {
		d.zlib = z
	}
	return err
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
	if err := d.resetZlib(bytes.NewReader(src)); err != nil {
		return 0, err
	}
	n, err := io.ReadFull(d.zlib, dst)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return n, nil
	}
	if err == nil && whole {
		err = Verify(d.zlib)
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
