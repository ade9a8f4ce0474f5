package solar

import (
	"math"
	"strings"
	"testing"

	"github.com/cyverse-gis/eemt/shared/raster"
)

func TestFlatYearIsThatOfTheEngines(t *testing.T) {
	p := DefaultParameters()
	for m := range 12 {
		p.Linke[m], p.KBeam[m] = 2+0.25*float64(m), 0.9
	}
	for _, latitude := range []float64{-55, 0, 32.4, 70, 90} {
		dem := raster.New[float64](3, 3)
		for i := range dem.Cells {
			dem.Cells[i] = 1730
		}
		s := land(dem, 30, latitude, 0)
		for i := range s.Latitude {
			s.Latitude[i] = latitude * math.Pi / 180
		}
		got, err := FlatYear(latitude*math.Pi/180, 1730, p)
		if err != nil {
			t.Fatal(err)
		}
		for name, engine := range map[string]Engine{"reference": Reference(), "fast": Fast()} {
			year := yearOf(t, engine, s, p, 1)
			for m := range 12 {
				if want := float64(year.Flat[m].Cells[4]); math.Abs(got[m]-want) > 2e-4*want+1e-3 {
					t.Errorf("%g degrees, month %d: %g Wh, the %s engine has %g", latitude, m+1, got[m], name, want)
				}
			}
		}
	}
}

func TestFlatDayRefusesWhatIsNoPlaceOrDay(t *testing.T) {
	bad := DefaultParameters()
	bad.Linke[0] = 9
	for name, c := range map[string]struct {
		latitude, elevation float64
		day                 int
		p                   Parameters
		want                string
	}{
		"latitude":  {2, 0, 1, DefaultParameters(), "latitude 2"},
		"no number": {math.NaN(), 0, 1, DefaultParameters(), "latitude NaN"},
		"elevation": {0, math.Inf(1), 1, DefaultParameters(), "elevation +Inf"},
		"day":       {0, 0, 367, DefaultParameters(), "day 367: must be 1 to 366"},
		"turbidity": {0, 0, 1, bad, "linke turbidity 9"},
	} {
		if _, _, err := FlatDay(c.latitude, c.elevation, c.day, c.p); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}
