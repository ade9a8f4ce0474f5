package planning

import (
	"strings"
	"testing"

	"github.com/cyverse-gis/eemt/functions/compute/cost"
	"github.com/cyverse-gis/eemt/functions/compute/record"
	"github.com/cyverse-gis/eemt/functions/compute/replica"
	"github.com/cyverse-gis/eemt/shared/fault"
)

// TestTooManyTilesAreRefused: also where each block ends with a short tile. The side that is told is allowed, the one below
// is not.
func TestTooManyTilesAreRefused(t *testing.T) {
	p := &planner{job: &replica.Job{Cost: cost.Cost{}.OrDefault()}}
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
