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

// windowSide is the side of the windows that passes over the whole DEM hold at a time: a
// multiple of Block.
const windowSide = 1024

// Windows cuts a window into windows of at most 1024 x 1024 cells, row by row.
func Windows(w raster.Window) iter.Seq[raster.Window] {
	return func(yield func(raster.Window) bool) {
		for r := 0; r < w.Height; r += windowSide {
			for c := 0; c < w.Width; c += windowSide {
				if !yield(raster.Window{Col: w.Col + c, Row: w.Row + r, Width: windowSide, Height: windowSide}.Intersect(w)) {
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

// FarFile is the work file of far terrain whose coarse cells have a side of factor cells.
func FarFile(factor int) string { return fmt.Sprintf("far_%d.tif", factor) }

// BlockOf is the block that a window of a tile lies in.
func BlockOf(f *record.Far, w raster.Window) raster.Window {
	return raster.Window{Col: w.Col / f.Block * f.Block, Row: w.Row / f.Block * f.Block, Width: f.Block, Height: f.Block}
}

// HaloOf is the window of the DEM that the window w of a tile reads at full resolution; it may reach beyond the DEM.
func HaloOf(plan *record.Plan, w raster.Window) raster.Window {
	if plan.Far != nil {
		w = BlockOf(plan.Far, w)
	}
	return w.Grow(max(plan.Halo, 1))
}

// TerrainKey is the object of the block of terrain in a column and row of blocks.
func TerrainKey(id string, col, row int) string {
	return job.WorkKey(id, "terrain/"+job.TaskName(row, col)+".tif")
}

// TerrainFiles lists the objects that hold the terrain of a plan under w: one for the whole DEM, or one for each block.
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

// File is an object that holds a window of the DEM.
type File struct {
	Window raster.Window
	Key    string
}
