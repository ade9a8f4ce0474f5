package climate

import (
	"fmt"
	"strconv"
)

// variable is one of the four climate variables with the range Daymet V4 R1
// holds its values to (Thornton et al. 2022).
type variable struct {
	name, unit string
	min, max   float64
}

// The order of Monthly.series.
var variables = [4]variable{
	{"tmin", "degC", -60, 42},
	{"tmax", "degC", -60, 60},
	{"prcp", "mm per month", 0, 544 * 31},
	{"vp", "Pa", 0, 8230},
}

const (
	tmin = iota
	tmax
	prcp
	vp
)

// Elevations on land, with room for pits and for the error of a DEM, metres.
const minElevation, maxElevation = -1000, 9000

// check refuses values outside the range; NaN is no value and passes not.
func (v variable) check(x float64) error {
	if x >= v.min && x <= v.max {
		return nil
	}
	return fmt.Errorf("%s: must be %s to %s %s", number(x), number(v.min), number(v.max), v.unit)
}

func number(x float64) string { return strconv.FormatFloat(x, 'g', 7, 64) }
