package dem_test

import (
	"bytes"
	"encoding/binary"
	"runtime"
	"strings"
	"testing"

	"github.com/cyverse-gis/eemt/shared/dem"
	"github.com/cyverse-gis/eemt/shared/geotiff"
	"github.com/cyverse-gis/eemt/shared/raster"
)

// stretched is a small file that claims to have so many rows and columns.
func stretched(t *testing.T, width, height uint32) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := geotiff.Write(&b, geotiff.Options{
		Type: geotiff.Uint8, Compression: geotiff.ZSTD,
		Transform: raster.Transform{OriginX: 500000, OriginY: 4e6, StepX: 0.01, StepY: -0.01},
		GeoKeys:   raster.GeoKeys{Shorts: map[uint16]uint16{1024: 1, 3072: 32611}},
	}, raster.New[float32](64, 64)); err != nil {
		t.Fatal(err)
	}
	file := append(b.Bytes(), make([]byte, 200_000)...)
	le := binary.LittleEndian
	at := int(le.Uint32(file[4:]))
	set := func(id uint16, count, value uint32) {
		for i := range int(le.Uint16(file[at:])) {
			if e := file[at+2+12*i:]; le.Uint16(e) == id {
				le.PutUint16(e[2:], 4)
				le.PutUint32(e[4:], count)
				le.PutUint32(e[8:], value)
				return
			}
		}
		t.Fatalf("no tag %d", id)
	}
	set(256, 1, width)
	set(257, 1, height)
	set(322, 1, 16)
	set(323, 1, 1<<23)
	blocks := (width + 15) / 16 * ((height + 1<<23 - 1) / (1 << 23))
	end := uint32(len(file))
	for _, id := range []uint16{324, 325} {
		set(id, blocks, end)
	}
	return append(file, make([]byte, 4*blocks)...)
}

// TestLongSides: a small file of a great many rows is refused without memory for each.
func TestLongSides(t *testing.T) {
	for _, size := range [][2]uint32{{3, 40_000_000}, {3, dem.MaxSide + 1}, {dem.MaxSide + 1, 3}} {
		file := stretched(t, size[0], size[1])
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := dem.Open(bytes.NewReader(file), int64(len(file)))
		runtime.ReadMemStats(&after)
		if err == nil || !strings.Contains(err.Error(), "each side at most 1048576; cut it with") {
			t.Errorf("%d x %d cells: error %v", size[0], size[1], err)
		}
		if n := after.TotalAlloc - before.TotalAlloc; n > 4<<20 {
			t.Errorf("%d x %d cells: %d bytes were allocated", size[0], size[1], n)
		}
	}
}
