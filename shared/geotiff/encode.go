package geotiff

import (
	"sync"

	"github.com/cyverse-gis/eemt/shared/geotiff/codec"
)

var buffers = sync.Pool{New: func() any { return new([]byte) }}

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
