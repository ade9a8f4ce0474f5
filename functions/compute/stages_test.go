package compute_test

import (
	"testing"
	"time"

	"github.com/cyverse-gis/eemt/functions/compute"
	"github.com/cyverse-gis/eemt/shared/dem/demtest"
	"github.com/cyverse-gis/eemt/shared/job"
)

// inStages follows water in tiles of so many cells by tasks, whatever the size.
func inStages(side int) compute.Drainage { return compute.Drainage{Inline: -time.Second, Side: side} }

// TestStagesGiveTheSameBytes: who follows the water does not show in any result.
func TestStagesGiveTheSameBytes(t *testing.T) {
	for _, c := range []struct {
		name          string
		width, height int
		sides         []int
	}{
		{"hills", 60, 47, []int{7, 16, 64}},
		{"one row of tiles", 70, 9, []int{8, 5}},
		{"no more than a window", 14, 11, []int{8}},
	} {
		t.Run(c.name, func(t *testing.T) {
			tiff := demtest.Encode(t, demtest.Holes(demtest.Hills(c.width, c.height)))
			p := quick(job.EEMT)
			p.TileSize = 32
			want := run(t, job.EEMT, p, tiff, options{}).results(t)
			for _, side := range c.sides {
				w := newWorld(t, newBucket(t), options{threads: 2, concurrency: 3})
				w.compute.Drainage = inStages(side)
				w.submit(t, job.EEMT, p, tiff)
				w.settle(t)
				w.mustComplete(t)
				sameBytes(t, w.results(t), want)
				t.Logf("tiles of %d: %d stages", side, len(objects(t, w.bucket, job.Prefix(jobID)+"stages/asked_")))
			}
		})
	}
}
