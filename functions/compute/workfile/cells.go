package workfile

import (
	"github.com/cyverse-gis/eemt/shared/raster"
)

// RowsAtOnce is how many rows of a window of a width climate is resampled for at a time: about 65,536 cells, one row at least.
func RowsAtOnce(width int) int { return max(1, (1<<16)/width) }

// Narrow rounds cells to float32.
func Narrow(g *raster.Grid[float64]) *raster.Grid[float32] {
	out := raster.New[float32](g.Width, g.Height)
	for i, v := range g.Cells {
		out.Cells[i] = float32(v)
	}
	return out
}
