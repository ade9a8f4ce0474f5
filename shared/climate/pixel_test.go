package climate

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cyverse-gis/eemt/integration/reference"
	"github.com/cyverse-gis/eemt/shared/climate/units"
)

// days writes a single-pixel file of a year in the wording of Daymet V4; drop
// leaves days out.
func days(year int, drop func(yday int) bool) string {
	var b strings.Builder
	b.WriteString("Latitude: 35.5  Longitude: -84.25\nX & Y on Lambert Conformal Conic: 1355394.59 -560478.62\nTile: 11388\nElevation: 279 meters\n" +
		"year,yday,dayl (s),prcp (mm/day),srad (W/m^2),swe (kg/m^2),tmax (deg c),tmin (deg c),vp (Pa)\n")
	for yday := 1; yday <= 365; yday++ {
		if drop == nil || !drop(yday) {
			fmt.Fprintf(&b, "%d.0,%d.0,34560,%d,300,0,%d,%d,%d\n", year, yday, yday%4, 20+yday%3, yday%3, 1000+yday)
		}
	}
	return b.String()
}

func TestReadPixel(t *testing.T) {
	for name, c := range map[string]struct {
		text      string
		year      int
		month     int // from 1
		prcp, vp  float64
		elevation float64
	}{
		// vp is 1000 + yday: its mean that of the month's middle day.
		"common year, March":  {days(2019, nil), 2019, 3, sumMod4(60, 90), 1075, 279},
		"leap year, February": {days(2020, nil), 2020, 2, sumMod4(32, 60), 1046, 279},
		"leap year, March":    {days(2020, nil), 2020, 3, sumMod4(61, 91), 1076, 279},
		// 30 days, 336 to 365; prcp x 31/30.
		"leap year, December": {days(2020, nil), 2020, 12, sumMod4(336, 365) * 31 / 30, 1350.5, 279},
		// Three of 31 days missing: fewer than a tenth.
		"days missing": {days(2019, func(d int) bool { return d >= 29 && d <= 31 }), 2019, 1, sumMod4(1, 28) * 31 / 28, 1014.5, 279},
	} {
		t.Run(name, func(t *testing.T) {
			table, err := ReadPixel(strings.NewReader(c.text))
			if err != nil {
				t.Fatal(err)
			}
			m, err := table.Months(context.Background(), c.year, Cells{Lon: []float64{0}, Lat: []float64{0}})
			if err != nil {
				t.Fatal(err)
			}
			close9(t, "prcp", m.Prcp[c.month-1][0], c.prcp)
			close9(t, "vp", m.VP[c.month-1][0], c.vp)
			close9(t, "tmax - tmin", m.TMax[c.month-1][0]-m.TMin[c.month-1][0], 20)
			close9(t, "elevation", m.ZRef[0], c.elevation)
		})
	}
}

func sumMod4(first, last int) float64 {
	var sum float64
	for d := first; d <= last; d++ {
		sum += float64(d % 4)
	}
	return sum
}

// TestPixelOfYearsSums: where each day has the sum of a year, the months of the year have that sum together.
func TestPixelOfYearsSums(t *testing.T) {
	var b strings.Builder
	b.WriteString("Latitude: 35.5  Longitude: -84.25\nElevation: 279 meters\nyear,yday,prcp (mm/year),tmax (deg c),tmin (deg c),vp (Pa)\n")
	for yday := 1; yday <= 365; yday++ {
		fmt.Fprintf(&b, "2019,%d,1200,20,10,1000\n", yday)
	}
	table, err := readPixel(strings.NewReader(b.String()), units.Set{Precipitation: units.PerYear})
	if err != nil {
		t.Fatal(err)
	}
	m, err := table.Months(context.Background(), 2019, Cells{Lon: []float64{0}, Lat: []float64{0}})
	if err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for month := range m.Prcp {
		sum += m.Prcp[month][0]
	}
	close9(t, "prcp of the year", sum, 1200)
	close9(t, "prcp of January", m.Prcp[0][0], 1200*31/365.0)
}

func TestReadPixelIncompleteYear(t *testing.T) {
	text := days(2019, nil)
	// 2021 ends in May, with four days of May missing.
	next := days(2021, func(d int) bool { return d > 147 })
	_, after, _ := strings.Cut(next, "2021.0")
	table, err := ReadPixel(strings.NewReader(text + "2021.0" + after))
	if err != nil {
		t.Fatal(err)
	}
	if y := table.Years(); len(y) != 1 || y[0] != 2019 {
		t.Errorf("years %v, want 2019 alone", y)
	}
	_, err = table.Months(context.Background(), 2021, Cells{})
	if err == nil || !strings.Contains(err.Error(), "year 2021: month 5 has 27 of 31 days: at most a tenth may be missing") {
		t.Errorf("error %v", err)
	}
}

func TestReadPixelRefuses(t *testing.T) {
	good := days(2019, nil)
	for name, c := range map[string]struct{ text, want string }{
		"empty":       {"", "not a file of Daymet's single-pixel service"},
		"no vp":       {strings.Replace(good, "vp (Pa)", "snow", 1), "line 5: column vp is missing"},
		"latitude":    {strings.Replace(good, "35.5", "355", 1), `line 1, latitude: "355": must be a number from -90 to 90`},
		"short line":  {strings.Replace(good, "2019.0,7.0,34560,", "2019.0,7.0,", 1), "line 12: 8 values: must be 9"},
		"day 366":     {strings.Replace(good, "2019.0,365.0", "2019.0,366.0", 1), `column yday: "366.0": must be a number from 1 to 365`},
		"day twice":   {strings.Replace(good, "2019.0,8.0", "2019.0,7.0", 1), "line 13: day 7 of 2019 appears twice"},
		"half a day":  {strings.Replace(good, "2019.0,8.0", "2019.0,8.5", 1), "must be whole numbers"},
		"swapped":     {strings.Replace(good, ",21,1,1001", ",1,21,1001", 1), "line 6, column tmax: 1: must not be below tmin, 21 degC"},
		"rain":        {strings.Replace(good, "34560,3,", "34560,545,", 1), `column prcp: "545": must be a number from 0 to 544 (mm per day)`},
		"nothing new": {strings.Replace(good, "2019.0,40.0", "2019.0,40.0x", 1), "column yday"},
		"few days":    {days(2019, func(d int) bool { return d > 300 }), "no year with days in all 12 months"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ReadPixel(strings.NewReader(c.text))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v\nwant  %s", err, c.want)
			}
		})
	}
}

func FuzzReadPixel(f *testing.F) {
	f.Add([]byte(days(2020, func(d int) bool { return d > 40 })))
	f.Add([]byte("Elevation: 3 m\nyear,yday,prcp,tmin,tmax,vp\n2000.0,1.0,1,2,3,4\n2000,2,,-9999,3,4\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		table, err := ReadPixel(bytes.NewReader(text))
		if err == nil && len(table.Years()) == 0 {
			t.Error("a table without years")
		}
	})
}

// A file of the service: Oak Ridge, Tennessee, 2000 to 2010. Wanted values are
// sums and means over its lines by awk: January 2000 149 mm and 544.516 Pa;
// December 117 mm in 30 days, 460 Pa.
func TestReadPixelRealFile(t *testing.T) {
	f, err := os.Open(filepath.Join(reference.Data(t), "data", "daymet_single_pixel", "single_pixel_demo_data.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	table, err := ReadPixel(f)
	if err != nil {
		t.Fatal(err)
	}
	if table.Elevation != 279 || table.Lat != 36.0133 || table.Lon != -84.2625 {
		t.Errorf("station %+v", table.Station)
	}
	if y := table.Years(); len(y) != 11 || y[0] != 2000 || y[10] != 2010 {
		t.Errorf("years %v, want 2000 to 2010", y)
	}
	m, err := table.Months(context.Background(), 2000, Cells{Lon: []float64{0}, Lat: []float64{0}})
	if err != nil {
		t.Fatal(err)
	}
	close9(t, "January prcp", m.Prcp[0][0], 149)
	close9(t, "December prcp", m.Prcp[11][0], 117*31.0/30)
	close9(t, "December vp", m.VP[11][0], 460)
	if got := m.VP[0][0]; math.Abs(got-544.516) > 5e-4 {
		t.Errorf("January vp %g, want 544.516", got)
	}
}

// Beyond the polar circle days of the polar night have a daylength and radiation of
// 0, which count in the mean; a day without the values does not.
func TestPixelRadiationInThePolarNight(t *testing.T) {
	var b strings.Builder
	b.WriteString("Latitude: 71.3  Longitude: -156.8\nElevation: 5 meters\nyear,yday,dayl (s),prcp (mm/day),srad (W/m^2),tmax (deg c),tmin (deg c),vp (Pa)\n")
	for yday := 1; yday <= 365; yday++ {
		dayl, srad := 36000, 100
		switch {
		case yday <= 23 || yday >= 322:
			dayl, srad = 0, 0
		case yday == 40:
			dayl, srad = -9999, -9999
		}
		fmt.Fprintf(&b, "2019,%d,%d,1,%d,-5,-15,200\n", yday, dayl, srad)
	}
	table, err := ReadPixel(strings.NewReader(b.String()))
	if err != nil {
		t.Fatal(err)
	}
	got, err := table.Radiation([]int{2019})
	if err != nil {
		t.Fatal(err)
	}
	const day = 3.6 // 100 W over 36000 s, MJ
	for month, want := range map[int]float64{0: day * 8 / 31, 1: day, 5: day, 10: day * 17 / 30, 11: 0} {
		if math.Abs(got[month]-want) > 1e-12 {
			t.Errorf("month %d: %g MJ m-2 d-1, want %g", month+1, got[month], want)
		}
	}
	if _, err := table.Radiation([]int{2018}); err == nil {
		t.Error("a year without radiation has one")
	}
}
