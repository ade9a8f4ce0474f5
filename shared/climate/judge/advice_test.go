package judge_test

import (
	"strings"
	"testing"

	"github.com/cyverse-gis/eemt/shared/climate/judge"
	"github.com/cyverse-gis/eemt/shared/finding"
)

// The advice is in the words of the source: of a file of days it never speaks of months, nor offers a conversion by twelve.
func TestAdviceForDays(t *testing.T) {
	for name, c := range map[string]struct {
		factor        float64
		daily         bool
		next, without string
	}{
		"table, annual sums": {12, false, "mm per month, or have it done: --climate-units precipitation=mm/year", "per day"},
		"days, monthly sums": {30, true, "give it in mm per day", "--climate-units"},
		"days, annual sums":  {365, true, "give it in mm per day", "--climate-units"},
		"days, inches":       {1 / 25.4, true, "give it in mm per day, or have it done: --climate-units precipitation=", "month"},
	} {
		y := temperate()
		rain(&y, c.factor)
		list := judge.Climate(box(t, 10, 46, 1, 1), judge.Source{OfDEM: true, Daily: c.daily}, []judge.Year{y})
		found := false
		for _, f := range list {
			if f.Code == finding.ClimatePrecipitation {
				found = true
				if !strings.Contains(f.Next, c.next) || strings.Contains(f.Next, c.without) || strings.Contains(f.LooksLike, "mm/day") {
					t.Errorf("%s: %+v", name, f)
				}
			}
		}
		if !found {
			t.Errorf("%s: %+v", name, list)
		}
	}
}

// Humidity that is the same all year is named as such, not as vapour pressure in another unit.
func TestConstantHumidity(t *testing.T) {
	for value, want := range map[float64]string{0.6: "relative humidity in fraction", 60: "relative humidity in %"} {
		y := temperate()
		for k := range y.Vapour {
			y.Vapour[k] = value
		}
		list := judge.Climate(box(t, 10, 46, 1, 1), judge.Source{OfDEM: true}, []judge.Year{y})
		if len(list) != 1 || list[0].LooksLike != want {
			t.Errorf("%g: %+v", value, list)
		}
	}
}
