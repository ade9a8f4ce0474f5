package workfile

import (
	"testing"
)

// TestTilesAreCountedAsTheyAreCut, blocks included, each of which begins with a whole tile.
func TestTilesAreCountedAsTheyAreCut(t *testing.T) {
	for _, c := range []struct{ width, height, side, block, want int }{
		{50000, 50000, 640, 640, 79 * 79},
		{50000, 50000, 1280, 640, 40 * 40},
		{50000, 50000, 196, 640, 97969}, // 256 x 256 without blocks
		{50000, 50000, 600, 640, 157 * 157},
		{3000, 1000, 512, 0, 6 * 2},
		{3, 5, 4096, 0, 1},
	} {
		if got, cut := CountTiles(c.width, c.height, c.side, c.block), len(Cut(c.width, c.height, c.side, c.block)); got != c.want || cut != c.want {
			t.Errorf("%+v: counted %d, cut into %d", c, got, cut)
		}
	}
}
