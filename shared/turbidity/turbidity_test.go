package turbidity

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/cyverse-gis/eemt/shared/solar"
)

func TestGridIsWhole(t *testing.T) {
	cells, err := unpack(packed)
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range cells {
		if v < 20 || v > 160 {
			t.Fatalf("value %d of %d is %d: turbidity is 1 to 8", i, len(cells), v)
		}
	}
	if len(packed) > 200_000 {
		t.Errorf("%d bytes", len(packed))
	}
	if !strings.Contains(Licence, "Copyright (c) 2023 pvlib python Contributors") || !strings.Contains(Licence, "Redistributions in binary form must reproduce") {
		t.Error("the licence of the grid is not with it")
	}
	if Degrees > 2.5 {
		t.Errorf("%g degrees", Degrees)
	}
	for name, data := range map[string][]byte{"nothing": nil, "no gzip": []byte("linke"), "short": pack(100), "long": pack(len(cells) + 1)} {
		if _, err := unpack(data); err == nil {
			t.Errorf("%s is unpacked", name)
		}
	}
}

func pack(n int) []byte {
	var b bytes.Buffer
	zw := gzip.NewWriter(&b)
	_, _ = zw.Write(make([]byte, n))
	_ = zw.Close()
	return b.Bytes()
}

// Values of LinkeTurbidities.h5 of pvlib 0.11.1 itself, at its cells of 5 arc minutes: places in
// all climates, both hemispheres, on either side of the date line. The means of 1.5 degrees stay
// near them; the largest difference, 0.74, is at Payerne in April.
func TestAtAgainstTheOriginal(t *testing.T) {
	var sum float64
	for name, c := range original {
		got := At(c.lon, c.lat)
		for m := range got {
			d := got[m] - c.linke[m]
			sum += d * d / float64(12*len(original))
			if math.Abs(d) > 0.8 {
				t.Errorf("%s, month %d: %.2f, the original has %.2f", name, m+1, got[m], c.linke[m])
			}
		}
	}
	if rms := math.Sqrt(sum); rms > 0.2 {
		t.Errorf("root mean square difference %.3f", rms)
	}
}

func TestAtIsContinuousAroundTheWorld(t *testing.T) {
	for lat := -90.0; lat <= 90; lat += 7.3 {
		for _, c := range [][2]float64{{-180, 180}, {179.9999999, -179.9999999}, {-190, 170}, {359.5, -0.5}, {720, 0}} {
			a, b := At(c[0], lat), At(c[1], lat)
			for m := range a {
				if math.Abs(a[m]-b[m]) > 1e-5 {
					t.Errorf("latitude %g: %g at %g, %g at %g", lat, a[m], c[0], b[m], c[1])
				}
			}
		}
	}
	middle := At(-180+Degrees/2, 90-Degrees/2)
	if want := float64(grid()[0]) / steps; middle[0] != want {
		t.Errorf("middle of the first cell: %g, want %g", middle[0], want)
	}
	if pole := At(-180+Degrees/2, 90); pole != middle {
		t.Errorf("the pole has %v, the outermost row %v", pole, middle)
	}
	between := At(-180+Degrees, 90-Degrees/2)
	if want := (float64(grid()[0]) + float64(grid()[1])) / 2 / steps; math.Abs(between[0]-want) > 1e-12 {
		t.Errorf("between the first two cells: %g, want %g", between[0], want)
	}
	for _, c := range [][2]float64{{0, 90.1}, {math.NaN(), 0}, {0, math.NaN()}, {math.Inf(1), 0}} {
		if v := At(c[0], c[1]); !math.IsNaN(v[0]) || !math.IsNaN(v[11]) {
			t.Errorf("%v: %v", c, v)
		}
	}
}

// clear is a year's clear sky with the climatology, Wh m-2 by month.
func clear(t *testing.T, lon, lat, elevation float64) [12]float64 {
	t.Helper()
	return sky(t, lat, elevation, At(lon, lat))
}

// sky is a year's clear sky with a turbidity.
func sky(t *testing.T, lat, elevation float64, linke [12]float64) [12]float64 {
	t.Helper()
	p := solar.DefaultParameters()
	p.Linke = linke
	months, err := solar.FlatYear(lat*math.Pi/180, elevation, p)
	if err != nil {
		t.Fatal(err)
	}
	return months
}

// Sums of "Clearsky GHI" of test_read_psm3.csv, which pvlib 0.11.1 ships: the National Solar
// Radiation Database v3.2.2, location 401182, 2017, every 30 minutes.
func TestNSRDB(t *testing.T) {
	nsrdb := [12]float64{99612, 124939, 187666, 228489, 268466, 272411, 265817, 236746, 186856, 149712, 101340, 86388}
	got := clear(t, -108.54, 40.53, 2168)
	compare := func(got [12]float64) (lowest, highest, year float64) {
		var sum, want float64
		for m := range got {
			off := 100 * (got[m]/nsrdb[m] - 1)
			lowest, highest = min(lowest, off), max(highest, off)
			t.Logf("month %d: %+.1f %%", m+1, off)
			sum, want = sum+got[m], want+nsrdb[m]
		}
		return lowest, highest, 100 * (sum/want - 1)
	}
	lowest, highest, year := compare(got)
	stated(t, "lowest month", lowest, -3.9)
	stated(t, "highest month", highest, 3.9)
	stated(t, "year", year, 0.8)
	lowest, highest, year = compare(sky(t, 40.53, 2168, three))
	stated(t, "lowest month at 3.0", lowest, -5.9)
	stated(t, "highest month at 3.0", highest, 7.0)
	stated(t, "year at 3.0", year, 2.5)
}

var three = [12]float64{3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3}

// Daily totals of surfrad-slv16001.dat, which pvlib ships: NOAA SURFRAD, Alamosa, Colorado, one
// minute values of 2016-01-01, near-cloudless; global 3395, beam on level ground 3007 Wh m-2.
func TestSURFRAD(t *testing.T) {
	p := solar.DefaultParameters()
	p.Linke = At(-105.92, 37.70)
	beam, diffuse, err := solar.FlatDay(37.70*math.Pi/180, 2317, 1, p)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("turbidity %.2f, global %.0f, beam %.0f, diffuse %.0f", p.Linke[0], beam+diffuse, beam, diffuse)
	stated(t, "global", 100*((beam+diffuse)/3395-1), -4.4)
	stated(t, "beam", 100*(beam/3007-1), -8.5)
	p.Linke[0] = 3
	beam, diffuse, _ = solar.FlatDay(37.70*math.Pi/180, 2317, 1, p)
	stated(t, "global at 3.0", 100*((beam+diffuse)/3395-1), -9.0)
	p.Linke[0] = 2
	beam, diffuse, _ = solar.FlatDay(37.70*math.Pi/180, 2317, 1, p)
	stated(t, "global at 2.0", 100*((beam+diffuse)/3395-1), -1.7)
}

// bsrn-pay0616.dat.gz, which pvlib ships: Baseline Surface Radiation Network, Payerne, Switzerland,
// one minute values of June 2016; the day with the least diffuse radiation, 8456 Wh m-2 global.
func TestBSRN(t *testing.T) {
	p := solar.DefaultParameters()
	p.Linke = At(6.944, 46.815)
	beam, diffuse, err := solar.FlatDay(46.815*math.Pi/180, 491, 175, p)
	if err != nil {
		t.Fatal(err)
	}
	stated(t, "global", 100*((beam+diffuse)/8456-1), -1.7)
	p.Linke = three
	beam, diffuse, _ = solar.FlatDay(46.815*math.Pi/180, 491, 175, p)
	stated(t, "global at 3.0", 100*((beam+diffuse)/8456-1), 5.6)
}

// cams_mcclear_monthly.csv, which pvlib ships: Copernicus McClear, 55.79 N 12.53 E, 39 m, January to
// April 2020; February of 29 days is taken for 28.
func TestMcClear(t *testing.T) {
	mcclear := []float64{29424.7578, 59010.3047 * 28 / 29, 121402.9141, 180546.1406}
	for _, c := range []struct {
		sky  [12]float64
		want []float64
	}{
		{clear(t, 12.5251, 55.7906, 39), []float64{7.1, 6.1, 3.0, 0.2}},
		{sky(t, 55.7906, 39, three), []float64{-4.3, -3.8, -3.5, -1.3}},
	} {
		for m, want := range c.want {
			stated(t, fmt.Sprint("month ", m+1), 100*(c.sky[m]/mcclear[m]-1), want)
		}
	}
}

// stated holds a figure against what docs/science.md says.
func stated(t *testing.T, what string, got, want float64) {
	t.Helper()
	if math.Abs(got-want) > 0.06 {
		t.Errorf("%s: %.2f %%, the documents say %.1f", what, got, want)
	}
}

var original = map[string]struct {
	lon, lat float64
	linke    [12]float64
}{
	"Alamosa":            {-105.92, 37.7, [12]float64{2.45, 2.55, 2.85, 3.2, 3.85, 3.75, 3.7, 3.85, 3.5, 2.9, 2.7, 2.55}},
	"northwest Colorado": {-108.54, 40.53, [12]float64{2.7, 2.85, 3.1, 3.2, 3.55, 3.75, 3.65, 3.6, 3.35, 3, 2.7, 2.7}},
	"Tucson":             {-110.93, 32.22, [12]float64{2.25, 2.4, 2.45, 2.65, 2.9, 3, 3.3, 3.6, 3.1, 2.5, 2.5, 2.5}},
	"Payerne":            {6.944, 46.815, [12]float64{2.6, 4.05, 4.2, 4.55, 4.4, 4.5, 4.3, 4.45, 4.3, 4.05, 3.55, 3.2}},
	"Manaus":             {-60, -3.1, [12]float64{3.85, 3.8, 4.5, 3.3, 3.1, 3.1, 3, 3.3, 3.55, 4.7, 4.25, 4.5}},
	"Delhi":              {77.2, 28.6, [12]float64{3, 3.25, 3.7, 4.05, 4.3, 4.5, 5.1, 5.3, 4.3, 3.65, 3.25, 3.1}},
	"Alice Springs":      {133.9, -23.7, [12]float64{3.7, 3.15, 3.4, 2.95, 2.7, 2.65, 2.65, 2.75, 3.15, 3.15, 3.15, 3.15}},
	"Tamanrasset":        {5.5, 22.8, [12]float64{2.75, 2.8, 3.3, 3.5, 3.45, 4.2, 4.25, 4.65, 4.75, 4.85, 3.75, 3.9}},
	"Lhasa":              {91.1, 29.7, [12]float64{1.65, 1.65, 1.65, 1.65, 1.8, 1.9, 2.05, 2.5, 1.9, 1.65, 1.65, 1.65}},
	"Fiji east":          {179.5, -17.8, [12]float64{4, 3.9, 3.5, 3.4, 2.95, 3.25, 3.1, 2.8, 3.25, 3.65, 3.9, 3.95}},
	"Fiji west":          {-179.9, -16.9, [12]float64{4.05, 3.95, 3.6, 3.4, 3, 3.3, 3, 2.8, 3.3, 3.65, 3.85, 3.85}},
	"South Pole":         {0, -89.97, [12]float64{1.35, 1.35, 1.35, 1.35, 1.35, 1.35, 1.35, 1.35, 1.35, 1.35, 1.35, 1.35}},
	"Barrow":             {-156.6, 71.3, [12]float64{1.95, 2.7, 3.95, 2.4, 4.05, 4.1, 3.9, 4, 4.05, 3.2, 1.95, 1.95}},
	"Auckland":           {174.8, -36.85, [12]float64{3.6, 3.7, 3.05, 3.1, 2.7, 2.6, 2.75, 2.3, 3.15, 3.15, 3.55, 3.55}},
	"Nairobi":            {36.8, -1.3, [12]float64{3, 3.1, 3.25, 3.15, 3.15, 2.95, 2.8, 2.9, 3.2, 3.3, 3.2, 3.1}},
	"Beijing":            {116.4, 39.9, [12]float64{2.05, 1.95, 2.5, 3.3, 3.9, 3.95, 4.2, 4.25, 3.55, 3, 2.45, 2}},
}
