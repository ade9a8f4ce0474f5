package raster_test

import (
	"fmt"
	"math"

	"github.com/cyverse-gis/eemt/shared/raster"
)

// A grid of 4 x 3 elevations with cells of 30 m, one of which has no data.
func ExampleGrid() {
	dem := raster.New[float64](4, 3)
	for i := range dem.Cells {
		dem.Cells[i] = 1000 + float64(i)
	}
	dem.Set(2, 1, math.NaN())
	fmt.Println(dem.At(3, 2), raster.Finite(dem.At(2, 1)))
	fmt.Println(dem.Sub(raster.Window{Col: 1, Row: 1, Width: 2, Height: 2}).Cells)
	// Output:
	// 1011 false
	// [1005 NaN 1009 1010]
}

// Where a cell lies on the map, and in which cell a place lies.
func ExampleTransform() {
	t := raster.Transform{OriginX: 327000, OriginY: 4320000, StepX: 30, StepY: -30}
	fmt.Println(t.Center(0, 0))
	col, row := t.Pixel(327100, 4319950)
	fmt.Println(int(col), int(row))
	// Output:
	// 327015 4.319985e+06
	// 3 1
}

// A window with a halo of two cells, as far as the grid goes.
func ExampleWindow() {
	grid := raster.Window{Width: 100, Height: 80}
	tile := raster.Window{Col: 0, Row: 40, Width: 20, Height: 20}
	fmt.Println(tile.Grow(2).Intersect(grid))
	// Output:
	// {0 38 22 24}
}
