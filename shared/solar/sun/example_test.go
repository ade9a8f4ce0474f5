package sun_test

import (
	"fmt"
	"math"

	"github.com/cyverse-gis/eemt/shared/solar/sun"
)

// The longest and the shortest day at 40 degrees north.
func ExampleDayLength() {
	const deg = math.Pi / 180
	for _, day := range []int{172, 356} {
		fmt.Printf("day %d: declination %.1f degrees, %.1f hours\n", day, sun.Declination(day)/deg, sun.DayLength(40*deg, day))
	}
	// Output:
	// day 172: declination 23.4 degrees, 14.8 hours
	// day 356: declination -23.4 degrees, 9.2 hours
}
