package workfile

import (
	"fmt"
	"iter"

	"github.com/cyverse-gis/eemt/functions/compute/record"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/raster"
)

// TerrainFile holds what the pass over the whole DEM found: band 0 the wetness
// index (ln m), band 1 the contributing area (m2).
const TerrainFile = "terrain.tif"

// squareSide is the side of what passes over the whole DEM hold at a time: a
// multiple of workBlock.
const squareSide = 1024

// Windows yields the squares of a window row by row.
func Windows(w raster.Window) iter.Seq[raster.Window] {
	return func(yield func(raster.Window) bool) {
		for r := 0; r < w.Height; r += squareSide {
			for c := 0; c < w.Width; c += squareSide {
				if !yield(raster.Window{Col: w.Col + c, Row: w.Row + r, Width: squareSide, Height: squareSide}.Intersect(w)) {
					return
				}
			}
		}
	}
}

// Bands of a work file of thinned terrain.
const (
	BandNorthSouth = iota
	BandEastWest
)

func FarFile(factor int) string { return fmt.Sprintf("far_%d.tif", factor) }

// BlockOf is the block that a tile lies in.
func BlockOf(f *record.Far, w raster.Window) raster.Window {
	return raster.Window{Col: w.Col / f.Block * f.Block, Row: w.Row / f.Block * f.Block, Width: f.Block, Height: f.Block}
}

// HaloOf is what a tile reads of the DEM at full resolution; it may reach beyond the DEM.
func HaloOf(plan *record.Plan, w raster.Window) raster.Window {
	if plan.Far != nil {
		w = BlockOf(plan.Far, w)
	}
	return w.Grow(max(plan.Halo, 1))
}

// TerrainKey is the object of a piece of the terrain file.
func TerrainKey(id string, col, row int) string {
	return job.WorkKey(id, "terrain/"+job.TaskName(row, col)+".tif")
}

// TerrainFiles lists what the terrain file of a plan consists of.
func TerrainFiles(id string, plan *record.Plan, w raster.Window) []File {
	whole := raster.Window{Width: plan.Width, Height: plan.Height}
	side := plan.TerrainSide
	if side == 0 {
		return []File{{Window: whole, Key: job.WorkKey(id, TerrainFile)}}
	}
	var list []File
	for r := w.Row / side; r*side < w.Row+w.Height; r++ {
		for c := w.Col / side; c*side < w.Col+w.Width; c++ {
			list = append(list, File{
				Window: raster.Window{Col: c * side, Row: r * side, Width: side, Height: side}.Intersect(whole), Key: TerrainKey(id, c, r),
			})
		}
	}
	return list
}

// File is a file that has some window of the DEM.
type File struct {
	Window raster.Window
	Key    string
}
