package inspect_test

import (
	"bytes"
	"runtime"
	"testing"

	"github.com/cyverse-gis/eemt/shared/dem/demtest"
	"github.com/cyverse-gis/eemt/shared/geotiff/codec"
	"github.com/cyverse-gis/eemt/shared/inspect"
)

// Whatever a file holds, its inspection ends with a report, and takes no more memory than that of an honest one.
func FuzzFile(f *testing.F) {
	f.Add(demtest.Encode(f, demtest.Hills(24, 20)))
	for _, b := range []demtest.Blocks{
		{Width: 100, Height: 90, BlockWidth: 64, BlockHeight: 64, Tiled: true, Bytes: 2, Compression: codec.ZSTD},
		{Width: 4000, Height: 3000, BlockWidth: 4000, BlockHeight: 3000, Bytes: 2, Compression: codec.ZSTD},
		{Width: 4000, Height: 3000, BlockWidth: 4000, BlockHeight: 3000, Bytes: 1, Compression: codec.ZSTD, SingleSegment: true},
		{Width: 500, Height: 300, BlockWidth: 500, BlockHeight: 100, Bytes: 1, Compression: codec.Deflate},
	} {
		f.Add(b.Encode(f))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		const (
			block = 64 << 20
			// cells and cell sizes of the largest sample; what decoding takes beside a block.
			honest = 96 << 20
		)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		r, err := inspect.File(t.Context(), bytes.NewReader(data), int64(len(data)), inspect.Options{MostBlock: block})
		if err != nil {
			t.Fatal(err)
		}
		if r.Usable != (r.Detail == "") {
			t.Errorf("usable %v, but %q", r.Usable, r.Detail)
		}
		runtime.ReadMemStats(&after)
		// All that was allocated, garbage included.
		if n := after.TotalAlloc - before.TotalAlloc; n > honest+block+uint64(16*len(data)) {
			t.Errorf("%d MiB were allocated for a file of %d bytes", n>>20, len(data))
		}
	})
}
