package cost

import (
	"github.com/cyverse-gis/eemt/functions/compute/workfile"
	"github.com/cyverse-gis/eemt/shared/param"
	"github.com/cyverse-gis/eemt/shared/product"
)

const (
	// workShare is the part of the work files that is there at most at a time beside the maps: each goes when the
	// maps that are made of it are (docs/guide.md has what was measured).
	workShare = 0.6
	// tempShare is what maps that are made at a time spool, in bytes for each cell.
	tempShare = 20
	// fileBytes is what a file takes beside its cells: its head, and the rest of the last blocks on the disk. picture is
	// the size of a preview.
	fileBytes = 16e3
	picture   = 150e3
)

// Disk is what a job takes of disks at most at a time, in bytes.
type Disk struct {
	// Stored is what lies in the bucket: results, work files, and the DEM's copy.
	Stored int64
	// Temp is what temporary files take.
	Temp int64
}

// Disk foresees what a job on a DEM of width x height cells in a file of dem bytes takes. Like Estimate it is good to a
// factor of two, and more where much of the DEM has no data.
func (c Cost) Disk(w param.Workflow, p param.Parameters, width, height int, dem int64) Disk {
	cells := float64(width) * float64(height)
	_, written := layers(w, p)
	_, maps := ofMaps(w, p)
	_, largest := c.largestTemp(w, p, width, height)
	files := fileBytes * float64(len(workfile.ResultNames(w, p)))
	for _, m := range product.Maps(w, p) {
		if m.Summary {
			files += picture
		}
	}
	return Disk{
		Stored: int64(cells*(maps+workShare*bytesPerCell*float64(written))+files) + dem,
		Temp:   max(largest, int64(cells*min(maps, tempShare))),
	}
}
