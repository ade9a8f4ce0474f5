package judge_test

import (
	"encoding/csv"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/cyverse-gis/eemt/shared/climate"
	"github.com/cyverse-gis/eemt/shared/climate/judge"
	"github.com/cyverse-gis/eemt/shared/energy"
	"github.com/cyverse-gis/eemt/shared/finding"
)

// place is a published climate.
type place struct {
	name     string
	lon, lat float64
	judge.Year
}

// saturated gives a climate without vapour pressure that of saturation at tmin.
func (p *place) saturated() {
	for k, t := range p.TMin {
		p.Vapour[k] = 1000 * energy.SaturationPressure(t)
	}
}

// normals reads the climates of testdata/normals.
func normals(t testing.TB) []place {
	t.Helper()
	files, err := filepath.Glob("testdata/normals/*.csv")
	if err != nil || len(files) < 20 {
		t.Fatal(len(files), err)
	}
	var list []place
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		table, err := climate.ReadTable(f)
		if err = joined(err, f.Close()); err != nil {
			t.Fatal(name, err)
		}
		m, err := table.Months(t.Context(), 2020, climate.Cells{Lon: []float64{table.Lon}, Lat: []float64{table.Lat}})
		if err != nil {
			t.Fatal(name, err)
		}
		y, _ := judge.YearOf(2020, m)
		list = append(list, place{table.Name, table.Lon, table.Lat, y})
	}
	return list
}

func joined(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func records(t testing.TB, name string) []map[string]string {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(f).ReadAll()
	if err = joined(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	var list []map[string]string
	for _, row := range rows[1:] {
		r := map[string]string{}
		for i, v := range row {
			r[rows[0][i]] = v
		}
		list = append(list, r)
	}
	return list
}

func number(t testing.TB, text string) float64 {
	t.Helper()
	v, err := strconv.ParseFloat(text, 64)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// catchments reads the climates of testdata/mopex, whose elevations are not known.
func catchments(t testing.TB) []place {
	t.Helper()
	at := map[string]*place{}
	var order []string
	for _, r := range records(t, "testdata/mopex/catchments.csv") {
		at[r["gauge"]] = &place{name: r["gauge"], lon: number(t, r["longitude"]), lat: number(t, r["latitude"]), Year: judge.Year{Year: 2020, Elevation: 300}}
		order = append(order, r["gauge"])
	}
	for _, r := range records(t, "testdata/mopex/monthly.csv") {
		p, k := at[r["gauge"]], int(number(t, r["month"]))-1
		p.TMin[k], p.TMax[k], p.Precipitation[k] = number(t, r["tmin_c"]), number(t, r["tmax_c"]), number(t, r["prcp_mm"])
	}
	list := make([]place, len(order))
	for i, g := range order {
		at[g].saturated()
		list[i] = *at[g]
	}
	return list
}

// ground is a DEM of one cell at the place.
func (p place) ground() judge.Site {
	g := judge.Site{CentreLon: p.lon, CentreLat: p.lat}
	for _, d := range [][2]float64{{-1, 1}, {1, 1}, {1, -1}, {-1, -1}} {
		g.Lon, g.Lat = append(g.Lon, p.lon+0.01*d[0]), append(g.Lat, p.lat+0.01*d[1])
	}
	g.Elevations.Add(p.Elevation)
	return g
}

// found judges a climate at its place.
func (p place) found() finding.List {
	station := climate.Station{Name: p.name, Lon: p.lon, Lat: p.lat, Elevation: p.Elevation}
	return judge.Climate(p.ground(), judge.Source{Station: &station}, []judge.Year{p.Year})
}

func ofClimate(list finding.List) (out finding.List) {
	for _, f := range list {
		if strings.HasPrefix(string(f.Code), "climate-") && (f.Severity == finding.Doubt || f.Severity == finding.Refusal) {
			out = append(out, f)
		}
	}
	return out
}

// Published climates are not refused, and at most one of twenty is doubted.
func TestPublishedClimates(t *testing.T) {
	for name, places := range map[string][]place{"normals": normals(t), "catchments": catchments(t)} {
		doubted := 0
		for _, p := range places {
			for _, f := range ofClimate(p.found()) {
				t.Logf("%s (%.1f, %.1f): %s %s: %s", p.name, p.lat, p.lon, f.Code, f.Severity, f.Sentence())
				if f.Severity == finding.Refusal {
					t.Errorf("%s is refused", p.name)
				}
			}
			if len(ofClimate(p.found())) > 0 {
				doubted++
			}
		}
		t.Logf("%s: %d of %d doubted", name, doubted, len(places))
		if doubted > len(places)/20 {
			t.Errorf("%s: %d of %d climates are doubted", name, doubted, len(places))
		}
	}
}

// mistakes are what goes wrong with units.
var mistakes = []struct {
	name  string
	code  finding.Code
	apply func(y *judge.Year)
}{
	{"temperature in K", finding.ClimateTemperature, func(y *judge.Year) { temperatures(y, func(t float64) float64 { return t + 273.15 }) }},
	{"temperature in K x 10", finding.ClimateTemperature, func(y *judge.Year) { temperatures(y, func(t float64) float64 { return 10*t + 2731.5 }) }},
	{"temperature in F", finding.ClimateTemperature, func(y *judge.Year) { temperatures(y, func(t float64) float64 { return 1.8*t + 32 }) }},
	{"temperature in C x 10", finding.ClimateTemperature, func(y *judge.Year) { temperatures(y, func(t float64) float64 { return 10 * t }) }},
	{"rain in inches", finding.ClimatePrecipitation, func(y *judge.Year) { rain(y, 1/25.4) }},
	{"rain in cm", finding.ClimatePrecipitation, func(y *judge.Year) { rain(y, 0.1) }},
	{"rain in mm per day", finding.ClimatePrecipitation, func(y *judge.Year) { rain(y, 12/365.25) }},
	{"rain in m", finding.ClimatePrecipitation, func(y *judge.Year) { rain(y, 0.001) }},
	{"vapour pressure in hPa", finding.ClimateVapour, func(y *judge.Year) { scale(&y.Vapour, 0.01) }},
	{"vapour pressure in kPa", finding.ClimateVapour, func(y *judge.Year) { scale(&y.Vapour, 0.001) }},
	{"relative humidity in %", finding.ClimateVapour, func(y *judge.Year) { humidity(y, 100) }},
	{"relative humidity from 0 to 1", finding.ClimateVapour, func(y *judge.Year) { humidity(y, 1) }},
	{"the year's rain in each month", finding.ClimatePrecipitation, func(y *judge.Year) {
		var sum float64
		for _, v := range y.Precipitation {
			sum += v
		}
		for k := range y.Precipitation {
			y.Precipitation[k] = sum
		}
	}},
}

func temperatures(y *judge.Year, f func(float64) float64) {
	for k := range 12 {
		y.TMin[k], y.TMax[k] = f(y.TMin[k]), f(y.TMax[k])
	}
}

func rain(y *judge.Year, factor float64) { scale(&y.Precipitation, factor) }

func scale(v *[12]float64, factor float64) {
	for k := range v {
		v[k] *= factor
	}
}

func humidity(y *judge.Year, whole float64) {
	for k, e := range y.Vapour {
		y.Vapour[k] = whole * e / (500 * (energy.SaturationPressure(y.TMin[k]) + energy.SaturationPressure(y.TMax[k])))
	}
}

// A dry or a wet year of a climate is not doubted more than its mean is.
func TestDryAndWetYears(t *testing.T) {
	for _, factor := range []float64{0.65, 1.5} {
		doubted := 0
		places := append(normals(t), catchments(t)...)
		for _, p := range places {
			rain(&p.Year, factor)
			station := climate.Station{Name: p.name, Lon: p.lon, Lat: p.lat, Elevation: p.Elevation}
			list := ofClimate(judge.Climate(p.ground(), judge.Source{Station: &station, Dated: true}, []judge.Year{p.Year}))
			if len(list) > 0 {
				doubted++
				t.Logf("%s x %g: %v", p.name, factor, list.Sentences())
			}
		}
		if doubted > len(places)/50 {
			t.Errorf("x %g: %d of %d doubted", factor, doubted, len(places))
		}
	}
}
