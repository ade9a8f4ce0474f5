package workfile

import (
	"github.com/cyverse-gis/eemt/shared/raster"
)

// RowsAtOnce bounds how many cells climate is resampled for in one go.
func RowsAtOnce(width int) int { return max(1, (1<<16)/width) }

func Narrow(g *raster.Grid[float64]) *raster.Grid[float32] {
	out := raster.New[float32](g.Width, g.Height)
	for i, v := range g.Cells {
		out.Cells[i] = float32(v)
	}
	return out
}
