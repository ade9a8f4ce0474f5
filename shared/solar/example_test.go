package solar_test

import (
	"context"
	"fmt"
	"math"

	"github.com/cyverse-gis/eemt/shared/raster"
	"github.com/cyverse-gis/eemt/shared/solar"
	"github.com/cyverse-gis/eemt/shared/terrain"
)

const degree = math.Pi / 180

// Clear-sky radiation of June and December on flat ground, 40 degrees north, 2000 m.
func ExampleFlatYear() {
	months, err := solar.FlatYear(40*degree, 2000, solar.DefaultParameters())
	if err != nil {
		panic(err)
	}
	fmt.Printf("June %.0f, December %.0f kWh m-2\n", months[5]/1000, months[11]/1000)
	// Output:
	// June 281, December 84 kWh m-2
}

// The year of a slope of 20 degrees that faces south, in cells of 30 m.
func ExampleFast() {
	const size = 5
	dem := raster.New[float64](size, size)
	for i := range dem.Cells {
		dem.Cells[i] = 2000 - 30*math.Tan(20*degree)*float64(i/size) // rows go south
	}
	cell := raster.UniformCellSize(size, 30, 30)
	s := solar.Surface{DEM: dem, Core: raster.Window{Col: 1, Row: 1, Width: 3, Height: 3}, Cell: cell}
	s.Slope, s.Aspect = terrain.SlopeAspectWindow(dem, cell, s.Core, terrain.EdgesReplicate)
	s.Latitude = make([]float64, 9)
	for i := range s.Latitude {
		s.Latitude[i] = 40 * degree
	}
	year, err := solar.Fast().Year(context.Background(), s, solar.DefaultParameters(), 1, nil)
	if err != nil {
		panic(err)
	}
	for _, month := range []int{5, 11} {
		fmt.Printf("month %d: %.0f kWh m-2, flat %.0f, %.0f hours of direct sun\n", month+1,
			year.Global[month].At(1, 1)/1000, year.Flat[month].At(1, 1)/1000, year.Hours[month].At(1, 1))
	}
	// Output:
	// month 6: 275 kWh m-2, flat 281, 390 hours of direct sun
	// month 12: 141 kWh m-2, flat 84, 283 hours of direct sun
}
