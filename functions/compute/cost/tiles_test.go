package cost

import (
	"testing"

	"github.com/cyverse-gis/eemt/shared/param"
)

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
