package inspect_test

import (
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cyverse-gis/eemt/shared/dem/demtest"
	"github.com/cyverse-gis/eemt/shared/geotiff/codec"
	"github.com/cyverse-gis/eemt/shared/inspect"
)

// peakOf returns the most bytes of heap in use while f works.
func peakOf(f func()) (peak, allocated uint64) {
	runtime.GC()
	done := make(chan struct{})
	var watch sync.WaitGroup
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	before, had := stats.HeapInuse, stats.TotalAlloc
	watch.Go(func() {
		for {
			runtime.ReadMemStats(&stats)
			peak = max(peak, stats.HeapInuse-min(before, stats.HeapInuse))
			select {
			case <-done:
				return
			case <-time.After(time.Millisecond):
			}
		}
	})
	f()
	close(done)
	watch.Wait()
	runtime.ReadMemStats(&stats)
	return peak, stats.TotalAlloc - had
}

// What an inspection takes does not follow from how a file is compressed: at most 64 MiB more than for a file of small
// blocks. The limit of memory is that of the smallest submission.
func TestMemoryOfLargeBlocks(t *testing.T) {
	const asked = "EEMT_TEST_MEMORY"
	if os.Getenv(asked) == "" {
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		child := exec.Command(self, "-test.run=^TestMemoryOfLargeBlocks$", "-test.v")
		child.Env = append(os.Environ(), asked+"=1", "GOMEMLIMIT=870MiB")
		out, err := child.CombinedOutput()
		if err != nil {
			t.Error(err)
		}
		t.Logf("%s", out)
		return
	}
	debug.SetGCPercent(20) // what is garbage is no need
	const slack = 68 << 20 // with the compressed block itself
	read := func(data []byte, most int64) (r *inspect.Report, peak, allocated uint64) {
		peak, allocated = peakOf(func() { r = inspectData(t, data, inspect.Options{MostBlock: most}) })
		return r, peak, allocated
	}
	small := demtest.Blocks{Width: 16384, Height: 8192, BlockWidth: 512, BlockHeight: 512, Tiled: true, Bytes: 2, Compression: codec.ZSTD}
	want, honest, _ := read(small.Encode(t), 0)
	if !want.Usable {
		t.Fatal(want.Detail)
	}
	t.Logf("small blocks: %d MiB", honest>>20)
	strip := demtest.Blocks{Width: 16383, Height: 8191, BlockWidth: 16383, BlockHeight: 8191, Bytes: 2, Compression: codec.ZSTD}
	deflated, whole := strip, strip
	deflated.Compression = codec.Deflate
	whole.BlockHeight, whole.SingleSegment = 2048, true
	for name, b := range map[string]demtest.Blocks{
		"one strip of 256 MiB, ZSTD":               strip,
		"one strip of 256 MiB, Deflate":            deflated,
		"strips of 64 MiB that come only whole":    whole,
		"nine tiles of 256 MiB, ZSTD":              {Width: 40960, Height: 40960, BlockWidth: 16384, BlockHeight: 16384, Tiled: true, Bytes: 1, Compression: codec.ZSTD},
		"tiles of 64 MiB that come only whole":     {Width: 20480, Height: 20480, BlockWidth: 8192, BlockHeight: 8192, Tiled: true, Bytes: 1, Compression: codec.ZSTD, SingleSegment: true},
		"a strip as high as a large raster of 1 B": {Width: 4096, Height: 60000, BlockWidth: 4096, BlockHeight: 60000, Bytes: 1, Compression: codec.ZSTD},
	} {
		data := b.Encode(t)
		most := int64(0)
		if b.SingleSegment {
			most = 64 << 20
		}
		r, peak, allocated := read(data, most)
		t.Logf("%s: %d bytes, peak %d MiB, allocated %d MiB", name, len(data), peak>>20, allocated>>20)
		if !r.Usable || r.Elevation.Minimum != 100 || r.Elevation.Maximum != 100 || r.Elevation.Mean != 100 {
			t.Errorf("%s: %+v %+v", name, r, r.Elevation)
		}
		if peak > honest+slack || allocated > 16*slack {
			t.Errorf("%s: at most %d MiB of heap, %d MiB allocated in all; small blocks take %d MiB", name, peak>>20, allocated>>20, honest>>20)
		}
		// Where blocks are bounded, it is refused with what helps, unless it is one strip that is streamed.
		bounded, peak, _ := read(data, 60<<20)
		if b.BlockHeight == b.Height {
			if !bounded.Usable || bounded.Elevation.Mean != 100 || peak > honest+slack {
				t.Errorf("%s: bounded: %q, at most %d MiB of heap", name, bounded.Detail, peak>>20)
			}
			continue
		}
		if bounded.Usable || !strings.Contains(bounded.Detail, "are too large (the limit is 60 MiB)") || !strings.Contains(bounded.Detail, "gdal_translate -co COMPRESS=DEFLATE -co TILED=YES") {
			t.Errorf("%s: %q", name, bounded.Detail)
		}
	}
}
