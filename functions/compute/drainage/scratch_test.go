package drainage

import (
	"encoding/binary"
	"math"
	"testing"

	"github.com/cyverse-gis/eemt/shared/raster"
	"github.com/cyverse-gis/eemt/shared/terrain"
)

func scratchTile(w, h int) *raster.Grid[float64] {
	g := raster.New[float64](w, h)
	for i := range g.Cells {
		g.Cells[i] = 1000 / float64(i+1)
	}
	for i, v := range []float64{math.NaN(), math.Inf(1), terrain.Unseen, terrain.Pending, 5e-324} {
		if i < len(g.Cells) {
			g.Cells[len(g.Cells)-1-i] = v
		}
	}
	return g
}

func TestScratchFile(t *testing.T) {
	for _, size := range [][2]int{{1, 1}, {1, 9}, {3, 2}, {8, 8}, {64, 5}} {
		w, h := size[0], size[1]
		g := scratchTile(w, h)
		b, err := encodeScratch(g)
		if err != nil {
			t.Fatal(err)
		}
		got, err := decodeScratch(b, w, h)
		if err != nil || !equalBits(got, g) {
			t.Errorf("%d x %d: other cells (%v)", w, h, err)
		}
		// Each part along a side is found in the rim.
		for _, part := range scratchSides(w, h) {
			side, off, ok := scratchSide(w, h, part)
			if !ok {
				t.Fatalf("%d x %d: no side has %v", w, h, part)
			}
			read := raster.New[float64](side.Width, side.Height)
			for i := range read.Cells {
				read.Cells[i] = math.Float64frombits(binary.LittleEndian.Uint64(b[int(off)+8*i:]))
			}
			if !equalBits(read, g.Sub(side)) {
				t.Errorf("%d x %d: the rim has other cells at %v", w, h, side)
			}
		}
		if _, err := decodeScratch(b, w+1, h); err == nil {
			t.Errorf("%d x %d: read as wider", w, h)
		}
		if _, err := decodeScratch(b[:len(b)-1], w, h); err == nil {
			t.Errorf("%d x %d: read without its end", w, h)
		}
	}
	if _, _, ok := scratchSide(8, 8, raster.Window{Col: 1, Row: 1, Width: 6, Height: 3}); ok {
		t.Error("a side has the middle")
	}
}

// FuzzScratchFile: what is read of a tile has its size, whatever the file holds.
func FuzzScratchFile(f *testing.F) {
	b, err := encodeScratch(scratchTile(6, 4))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b, uint16(6), uint16(4))
	f.Add(b[:20], uint16(6), uint16(4))
	f.Fuzz(func(t *testing.T, b []byte, w, h uint16) {
		g, err := decodeScratch(b, int(w%512), int(h%512))
		if err == nil && (g.Width != int(w%512) || g.Height != int(h%512)) {
			t.Errorf("%d x %d cells", g.Width, g.Height)
		}
	})
}
