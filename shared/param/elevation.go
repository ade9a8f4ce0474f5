package param

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// ElevationUnit is the unit of the elevations in a DEM.
type ElevationUnit string

// FileUnit is the unit that the file states, metres where it states none.
const FileUnit ElevationUnit = "file"

// IsZero reports whether the unit is the one that the file states. Records then leave the parameter out.
func (u ElevationUnit) IsZero() bool { return u == "" || u == FileUnit }

var elevationUnits = []struct {
	name   ElevationUnit
	metres float64
}{
	{FileUnit, 0},
	{"m", 1},
	{"ft", 0.3048},
	{"us-ft", 1200. / 3937},
	{"km", 1000},
	{"dm", 0.1},
	{"cm", 0.01},
	{"mm", 0.001},
}

// ElevationUnits lists the names of units that elevations may be said to have.
func ElevationUnits() []string {
	names := make([]string, len(elevationUnits))
	for i, u := range elevationUnits {
		names[i] = string(u.name)
	}
	return names
}

// Metres is the length of the unit. It is 0 for FileUnit and for what is no unit.
func (u ElevationUnit) Metres() float64 {
	for _, one := range elevationUnits {
		if one.name == u {
			return one.metres
		}
	}
	return 0
}

// MostNoData is how many values may mark missing data beside the one that a file declares.
const MostNoData = 8

// ParseNoData reads numbers that mark missing data, separated by commas. An empty text has none.
func ParseNoData(text string) ([]float64, error) {
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	var list []float64
	for _, part := range strings.Split(text, ",") {
		v, err := strconv.ParseFloat(strings.TrimSpace(part), 64)
		if err != nil || math.IsInf(v, 0) {
			return nil, fmt.Errorf("nodata %.40q: must be a number, or up to %d separated by commas, such as -9999", text, MostNoData)
		}
		if !math.IsNaN(v) && !slices.Contains(list, v) { // what is no number is missing data anyway
			list = append(list, v)
		}
	}
	if len(list) > MostNoData {
		return nil, fmt.Errorf("nodata has %d values: must be at most %d", len(list), MostNoData)
	}
	return list, nil
}
