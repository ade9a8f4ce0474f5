package assembly

import (
	"strings"
	"testing"
)

// The regression falls to nothing in the cold, where EEMT-TRAD does not: no word about units
// there. Elsewhere a wrong unit is told.
func TestCrossCheck(t *testing.T) {
	for name, c := range map[string]struct {
		temperature, precipitation, mean float64
		note                             bool
	}{
		"arctic, warm summers":        {-8, 1558, 9.9, false},
		"subarctic":                   {-3, 120, 4.8, false},
		"alpine, wet":                 {-3, 900, 13.7, false},
		"just below the limit":        {2.9, 500, 25, false},
		"cool, right":                 {6, 700, 11, false},
		"cool, precipitation in inch": {6, 27, 0.4, true},
		"temperate, right":            {10, 761, 18.3, false},
		"temperate, production in kg": {10, 761, 183, true},
		"tropical, precipitation cm":  {25, 151, 1, true},
	} {
		layers := []Layer{{Name: "eemt/EEMT_Trad_2020.tif", Mean: c.mean}}
		got := crossCheck(map[int]Climate{2020: {Temperature: c.temperature, Precipitation: c.precipitation}}, []int{2020, 2021}, layers)
		if len(got) > 0 != c.note || c.note && !strings.Contains(got[0].Sentence(), "check the units of the climate") {
			t.Errorf("%s: %v", name, got)
		}
	}
}
