package climate

import (
	"fmt"
	"slices"
	"strconv"
)

// variable is one of the four climate variables with the range Daymet V4 R1
// holds its values to (Thornton et al. 2022).
type variable struct {
	name, unit string
	min, max   float64
	// aliases are what other archives call it, that by which WorldClim does first.
	aliases []string
}

// is reports whether a name, in lower case, is that of the variable.
func (v variable) is(name string) bool { return name == v.name || slices.Contains(v.aliases, name) }

// variables, in the order of Monthly.series.
var variables = [4]variable{
	{"tmin", "degC", -60, 42, []string{"tasmin", "tmn", "tmmn"}},
	{"tmax", "degC", -60, 60, []string{"tasmax", "tmx", "tmmx"}},
	{"prcp", "mm per month", 0, 544 * 31, []string{"prec", "pr", "ppt", "pre", "precip", "precipitation", "rain"}},
	{"vp", "Pa", 0, 8230, []string{"vapr", "vap", "ea"}},
}

const (
	tmin = iota
	tmax
	prcp
	vp
)

// Elevations on land, with room for pits and for the error of a DEM, metres.
const minElevation, maxElevation = -1000, 9000

// check refuses values outside the range, and NaN.
func (v variable) check(x float64) error {
	if x >= v.min && x <= v.max {
		return nil
	}
	return fmt.Errorf("%s: must be %s to %s %s", number(x), number(v.min), number(v.max), v.unit)
}

func number(x float64) string { return strconv.FormatFloat(x, 'g', 7, 64) }
