package koppen_test

import (
	"math"
	"testing"

	"github.com/cyverse-gis/eemt/shared/climate/judge/koppen"
)

func TestAround(t *testing.T) {
	for name, c := range map[string]struct {
		lon, lat float64
		want     koppen.Classes
	}{
		"Knoxville, Tennessee": {-84, 36, koppen.Moist},
		"Libyan desert":        {25, 26, koppen.Desert},
		"the same, 0 to 360":   {385, 26, koppen.Desert},
		"Amazon":               {-60, -3, koppen.Moist},
		"Santa Catalinas":      {-110.8, 32.4, koppen.Steppe | koppen.Desert | koppen.Moist},
		"Pacific":              {-140, 0, 0},
		"date line":            {180, 66, koppen.Moist},
		"north pole":           {0, 90, 0},
		"south pole":           {0, -90, koppen.Moist},
		"no place":             {math.NaN(), 10, 0},
		"no latitude":          {10, 91, 0},
		"many turns west":      {25 - 7*360, 26, koppen.Desert},
		"infinite":             {math.Inf(-1), 10, 0},
	} {
		if got := koppen.Around(c.lon, c.lat); got != c.want {
			t.Errorf("%s: %b, want %b", name, got, c.want)
		}
	}
}
