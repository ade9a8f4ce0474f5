package solar

import (
	"fmt"
	"math"

	"github.com/cyverse-gis/eemt/shared/raster"
	"github.com/cyverse-gis/eemt/shared/solar/clearsky"
	"github.com/cyverse-gis/eemt/shared/solar/sun"
)

// FlatDay returns the beam and the diffuse radiation of one day on level ground in the
// open, Wh m⁻². Latitude is in radians, -π/2 to π/2, elevation in metres, day 1 to 366;
// the values of the day's month in p hold.
func FlatDay(latitude, elevation float64, day int, p Parameters) (beam, diffuse float64, err error) {
	if err := p.Validate(); err != nil {
		return 0, 0, err
	}
	if day < 1 || day > 366 {
		return 0, 0, fmt.Errorf("day %d: must be 1 to 366", day)
	}
	if !(math.Abs(latitude) <= math.Pi/2) || !raster.Finite(elevation) {
		return 0, 0, fmt.Errorf("latitude %g, elevation %g m: must be a place on the earth", latitude, elevation)
	}
	t := planeDay(sun.NewSite(latitude), clearsky.Pressure(elevation), clearsky.NewPlane(0, 0), day, p.air(sun.MonthOf(day)), &p, nil)
	return t.beam, t.diffuse, nil
}

// FlatYear returns the global radiation of the twelve months of the solar year on level
// ground in the open, Wh m⁻² month⁻¹: what Monthly.Flat is for a cell, in float64.
func FlatYear(latitude, elevation float64, p Parameters) (months [12]float64, err error) {
	for day := 1; day <= 365; day++ {
		beam, diffuse, err := FlatDay(latitude, elevation, day, p)
		if err != nil {
			return months, err
		}
		months[sun.MonthOf(day)] += beam + diffuse
	}
	return months, nil
}
