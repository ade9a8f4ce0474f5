package compute

import (
	"strings"
	"testing"

	"github.com/cyverse-gis/eemt/functions/compute/record"
	"github.com/cyverse-gis/eemt/shared/fault"
	"github.com/cyverse-gis/eemt/shared/param"
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
		if got, cut := countTiles(c.width, c.height, c.side, c.block), len(cut(c.width, c.height, c.side, c.block)); got != c.want || cut != c.want {
			t.Errorf("%+v: counted %d, cut into %d", c, got, cut)
		}
	}
}

// TestTooManyTilesAreRefused: also where each block ends with a short tile. The side that is told is allowed, the one below
// is not.
func TestTooManyTilesAreRefused(t *testing.T) {
	p := &planner{job: &Job{Cost: Cost{}.orDefault()}}
	plan := &record.Plan{Width: 50000, Height: 50000, Far: &record.Far{Block: 640}}
	p.job.Request.Parameters.TileSize = 196
	_, _, err := p.sideOfTiles(plan)
	if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "into 97969 tiles, at most 65536 are allowed; give at least 214,") {
		t.Errorf("%v, want that 97969 are too many", err)
	}
	for side, ok := range map[int]bool{213: false, 214: true, 640: true} {
		p.job.Request.Parameters.TileSize = side
		if _, _, err := p.sideOfTiles(plan); (err == nil) != ok {
			t.Errorf("tile_size %d: %v", side, err)
		}
	}
}

// TestEstimateOfManyTilesTakesNoRoom: submission makes it of whatever strangers ask for, before anything is refused.
func TestEstimateOfManyTilesTakesNoRoom(t *testing.T) {
	p := param.DefaultParameters()
	p.TileSize = 32
	tiles := 0
	allocs := testing.AllocsPerRun(1, func() { tiles = Cost{}.Estimate(param.Sol, p, 65536, 65536).Tiles })
	if tiles != 2048*2048 || allocs > 10_000 {
		t.Errorf("%d tiles, %g objects: want %d tiles, and none of them in memory", tiles, allocs, 2048*2048)
	}
}
