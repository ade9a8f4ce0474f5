package climate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"

	"github.com/cyverse-gis/eemt/shared/climate/units"
	"github.com/cyverse-gis/eemt/shared/energy"
	"github.com/cyverse-gis/eemt/shared/finding"
	"github.com/cyverse-gis/eemt/shared/geotiff"
	"github.com/cyverse-gis/eemt/shared/raster"
)

// The definitions of the units; relative humidity by FAO-56 example 5: 24.9 and 15 degC have 3.168 and 1.705 kPa.
func TestConvert(t *testing.T) {
	in := func(set string, values ...float64) [4]float64 {
		s, err := units.Parse(set)
		if err != nil {
			t.Fatal(err)
		}
		return convert(s, [4]float64(values), 30)
	}
	for set, c := range map[string]struct{ in, want []float64 }{
		"":                                      {[]float64{-5.5, 7.25, 13, 812}, []float64{-5.5, 7.25, 13, 812}},
		"temperature=K,precipitation=inch":      {[]float64{273.15, 300, 2, 500}, []float64{0, 26.85, 50.8, 500}},
		"temperature=0.1K,precipitation=cm":     {[]float64{2731.5, 3000, 2, 500}, []float64{0, 26.85, 20, 500}},
		"temperature=F,precipitation=m":         {[]float64{32, 212, 0.05, 500}, []float64{0, 100, 50, 500}},
		"temperature=0.1C,precipitation=mm/day": {[]float64{-55, 72, 2, 500}, []float64{-5.5, 7.2, 60, 500}},
		"precipitation=mm/year,vapour=hPa":      {[]float64{1, 2, 1200, 8.12}, []float64{1, 2, 100, 812}},
		"vapour=kPa":                            {[]float64{1, 2, 3, 0.812}, []float64{1, 2, 3, 812}},
		"vapour=%":                              {[]float64{15, 24.9, 3, 50}, []float64{15, 24.9, 3, (3168 + 1705) / 4.0}},
		"vapour=fraction":                       {[]float64{15, 24.9, 3, 0.5}, []float64{15, 24.9, 3, (3168 + 1705) / 4.0}},
		"vapour=tmin":                           {[]float64{15, 24.9, 3, 9}, []float64{15, 24.9, 3, 1705}},
	} {
		got := in(set, c.in...)
		for i, want := range c.want {
			tolerance := 1e-9
			if i == vp && strings.Contains(set, "vapour") {
				tolerance = 25 // the example's temperature is rounded
			}
			if set == "" && got[i] != want || math.Abs(got[i]-want) > tolerance {
				t.Errorf("%q: %v, want %v", set, got, c.want)
			}
		}
	}
}

func TestTemperatureUnit(t *testing.T) {
	for want, f := range map[units.Unit]func(float64) float64{
		units.Kelvin: func(t float64) float64 { return t + 273.15 }, units.TenthKelvin: func(t float64) float64 { return 10*t + 2731.5 },
		units.Fahrenheit: func(t float64) float64 { return 1.8*t + 32 }, units.TenthCelsius: func(t float64) float64 { return 10 * t },
	} {
		for name, mean := range map[string]float64{"cool": 8, "hot": 26, "cold": -12} {
			var lows, highs []float64
			for m := range 12 {
				s := mean - 10*math.Cos(2*math.Pi*float64(m)/12)
				lows, highs = append(lows, f(s-5)), append(highs, f(s+5))
			}
			if got := temperatureUnit(lows, highs); got != want {
				t.Errorf("%s in %s: %q", name, want, got)
			}
		}
	}
	if got := temperatureUnit([]float64{-5, 3, 285}, []float64{5, 12, 299}); got != "" {
		t.Errorf("one value of another kind: %q", got)
	}
	if got := temperatureUnit([]float64{nan}, []float64{nan}); got != "" {
		t.Errorf("no value: %q", got)
	}
}

// spoken writes the table of months in other ways.
func TestTableDialects(t *testing.T) {
	want, err := ReadTable(strings.NewReader("# elevation_m: 300\n# latitude: 46.5\n" + months))
	if err != nil {
		t.Fatal(err)
	}
	names := strings.NewReplacer("\n1,", "\nJan,", "\n2,", "\nFebruary,", "\n3,", "\nMAR.,", "\n9,", "\nSept,", "\n12,", "\ndecember,")
	upper := strings.NewReplacer("month", "Month", "tmin", "TMIN", "tmax", "T2", "prcp", "Precip (mm/month)", "vp", "VAPR (Pa)")
	for name, text := range map[string]string{
		"semicolons":         "# elevation_m: 300;;;;\n# latitude: 46,5;;;;\n" + strings.ReplaceAll(months, ",", ";"),
		"decimal commas":     "#elevation_m:300\n# Latitude: 46.5\n" + strings.ReplaceAll(strings.ReplaceAll(months, ",", ";"), ";100;", ";100,0;"),
		"tabs":               "# elevation_m: 300\n# latitude: 46.5\n" + strings.ReplaceAll(months, ",", "\t"),
		"names of months":    "# elevation_m: 300\n# latitude: 46.5\n" + names.Replace(months),
		"names of columns":   "# elevation_m: 300\n# latitude: 46.5\n" + strings.Replace(upper.Replace(months), "T2", "Tmx", 1),
		"quotes and padding": "\"# elevation_m: 300\",,,,\n# latitude: 46.5\n,,,,\n" + strings.ReplaceAll(strings.Replace(months, "month,tmin", `"month","tmin"`, 1), "1,-5,", `1,"-5",`),
		"CRLF and BOM":       "\ufeff# elevation_m: 300\r\n# latitude: 46.5\r\n" + strings.ReplaceAll(months, "\n", "\r\n"),
	} {
		got, err := ReadTable(strings.NewReader(text))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got.Elevation != 300 || got.Lat != 46.5 || *got.values[0] != *want.values[0] {
			t.Errorf("%s: %+v %v, want %v", name, got.Station, *got.values[0], *want.values[0])
		}
	}
	for name, c := range map[string]struct{ text, want string }{
		"a unit in words":           {strings.Replace(months, "vp", "vp (kPa)", 1), `vp: the file states its unit as "kPa", and it is read in Pa; looks like vapour in kPa; turn it into Pa, or have it done: --climate-units vapour=kPa`},
		"thousands and commas":      {strings.ReplaceAll(strings.ReplaceAll(months, ",", ";"), ";100;", ";1.100,5;"), "column prcp"},
		"a month of another tongue": {strings.Replace(months, "\n5,", "\nMai,", 1), "or an English name such as Jan"},
	} {
		if _, err := ReadTable(strings.NewReader(c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
	_, err = readTable(strings.NewReader(strings.ReplaceAll(months, ",vp", "")), units.Set{Vapour: units.Kilopascal})
	if err == nil || !strings.Contains(err.Error(), "column vp is missing, whose unit climate_units gives as kPa") {
		t.Errorf("a unit of what is not there: %v", err)
	}
}

// A table of years in mm per day knows leap years.
func TestTableOfLeapYears(t *testing.T) {
	var b strings.Builder
	b.WriteString("year,month,tmin,tmax,prcp\n")
	for _, y := range []int{2019, 2020} {
		for m := 1; m <= 12; m++ {
			fmt.Fprintf(&b, "%d,%d,5,15,2\n", y, m)
		}
	}
	table, err := readTable(strings.NewReader(b.String()), units.Set{Precipitation: units.PerDay})
	if err != nil {
		t.Fatal(err)
	}
	if a, b := table.values[2019][prcp][1], table.values[2020][prcp][1]; a != 56 || b != 58 || !table.VapourDerived() {
		t.Errorf("February has %g and %g mm, derived %t", a, b, table.VapourDerived())
	}
}

func TestPixelStatesAnotherUnit(t *testing.T) {
	text := strings.Replace(days(2019, nil), "vp (Pa)", "vp (kPa)", 1)
	_, err := ReadPixel(strings.NewReader(text))
	var e *finding.Error
	if !errors.As(err, &e) || e.Code != finding.ClimateVapour || !strings.HasPrefix(e.Message, "line 5, column vp") {
		t.Errorf("%v", err)
	}
	if _, err := readPixel(strings.NewReader(strings.Replace(text, "1001", "1.001", 1)), units.Set{Vapour: units.Kilopascal}); err == nil || !strings.Contains(err.Error(), "must be a number from 0 to 8230") {
		t.Errorf("Pa read as kPa: %v", err)
	}
}

// Files of one month each, under the names that WorldClim and CRU have, in their units, are the same climate as four of twelve
// bands, also after a snapshot.
func TestRastersOfMonths(t *testing.T) {
	f := tucson()
	want := parse(t, "raster:{var}.tif", "z.tif")
	files := f.files(t, want, 0, nil)
	files["z.tif"] = f.write(t, 1, func(_, _, _ int) float64 { return 900 })
	for v, name := range map[int]string{tmin: "tmin", tmax: "tmx", prcp: "prec", vp: "vapr"} {
		for m := range Months {
			files[fmt.Sprintf("wc_%s_%02d.tif", name, m+1)] = f.write(t, 1, func(_, c, r int) float64 {
				x := f.value(v, m, c, r)
				switch v {
				case tmin, tmax:
					return 10 * x
				case vp:
					return x / 1000
				}
				return x
			})
		}
	}
	spec := parse(t, "raster:wc_{var}_{month}.tif", "z.tif")
	spec.Units = units.Set{Temperature: units.TenthCelsius, Vapour: units.Kilopascal}
	cells := f.at(t, [2]float64{3.2, 4.4}, [2]float64{7, 8})
	reference, err := monthsOf(t, want, files, 2020, cells)
	if err != nil {
		t.Fatal(err)
	}
	same := func(what string, spec Spec) {
		t.Helper()
		got, err := monthsOf(t, spec, files, 2020, cells)
		if err != nil {
			t.Fatal(what, err)
		}
		for v, series := range got.series() {
			for m := range series {
				for i, x := range series[m] {
					close9(t, fmt.Sprintf("%s: %s of month %d", what, variables[v].name, m+1), x, reference.series()[v][m][i])
				}
			}
		}
	}
	same("months", spec)
	stored, err := Snapshot(context.Background(), spec, []int{2020}, cells, Blocks(cells), "kept/", inMemory(files), keep(files))
	if err != nil {
		t.Fatal(err)
	}
	if stored.Units != (units.Set{}) {
		t.Errorf("a snapshot has units %+v", stored.Units)
	}
	same("snapshot", stored)

	delete(files, "wc_prec_07.tif")
	if _, err := monthsOf(t, spec, files, 2020, cells); err == nil || !strings.Contains(err.Error(), "wc_prcp_07.tif") || !strings.Contains(err.Error(), "tasmin") && !strings.Contains(err.Error(), "prec, pr, ppt") {
		t.Errorf("a month that is not there: %v", err)
	}
	files["wc_prec_07.tif"] = files["prcp.tif"]
	if _, err := monthsOf(t, spec, files, 2020, cells); err == nil || !strings.Contains(err.Error(), "12 bands: a file of one month must have one") {
		t.Errorf("twelve bands for a month: %v", err)
	}
	spec.Path = "wc_{var}_01.tif"
	if _, err := monthsOf(t, spec, files, 2020, cells); err == nil || !strings.Contains(err.Error(), "files of one month each are named with {month}") {
		t.Errorf("one band for a year: %v", err)
	}
}

// A file that cannot be read at present is not one that does not exist: no other name is tried.
func TestNoOtherNameForWhatIsAway(t *testing.T) {
	f := tucson()
	spec := parse(t, "raster:{var}.tif", "dem")
	files := f.files(t, spec, 0, nil)
	files["prec.tif"] = files["tmax.tif"] // of another make
	away := errors.New("not reachable at present")
	open := inMemory(files)
	source, err := Open(t.Context(), spec, func(ctx context.Context, name string) (io.ReaderAt, int64, io.Closer, error) {
		if name == "prcp.tif" {
			return nil, 0, nil, away
		}
		return open(ctx, name)
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := source.Months(t.Context(), 2020, f.at(t, [2]float64{3, 4})); !errors.Is(err, away) {
		t.Errorf("%v", err)
	}
}

// Rasters without vapour pressure take that of saturation at tmin when told to, and say so after a snapshot too.
func TestRastersWithoutVapourPressure(t *testing.T) {
	f := tucson()
	spec := parse(t, "raster:{var}.tif", "z.tif")
	files := f.files(t, spec, 0, nil)
	files["z.tif"] = f.write(t, 1, func(_, _, _ int) float64 { return 900 })
	delete(files, "vp.tif")
	cells := f.at(t, [2]float64{3, 4})
	if _, err := monthsOf(t, spec, files, 2020, cells); err == nil || !strings.Contains(err.Error(), "vp.tif") {
		t.Errorf("%v", err)
	}
	spec.Units.Vapour = units.SaturatedTMin
	stored, err := Snapshot(context.Background(), spec, []int{2020}, cells, Blocks(cells), "kept/", inMemory(files), keep(files))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []Spec{spec, stored} {
		m, err := monthsOf(t, s, files, 2020, cells)
		if err != nil {
			t.Fatal(err)
		}
		close9(t, "vapour pressure", m.VP[3][0], 1000*energy.SaturationPressure(m.TMin[3][0]))
		if !s.VapourDerived() {
			t.Errorf("%+v does not say that vapour pressure is derived", s)
		}
	}
}

// The unit of a band speaks against the one it is read in; kelvin is told by its values.
func TestRastersInOtherUnits(t *testing.T) {
	f := tucson()
	spec := parse(t, "raster:{var}.tif", "dem")
	cells := f.at(t, [2]float64{3, 4})
	code := func(err error) (finding.Code, string) {
		var e *finding.Error
		if !errors.As(err, &e) {
			return "", fmt.Sprint(err)
		}
		return e.Code, e.Sentence()
	}
	files := f.files(t, spec, 0, nil)
	bands, info := make([]*raster.Grid[float64], Months), make([]geotiff.BandInfo, Months)
	for b := range bands {
		bands[b] = raster.New[float64](f.width, f.height)
		bands[b].Fill(9)
		info[b].Unit = "hPa"
	}
	var out bytes.Buffer
	if err := geotiff.Write(&out, geotiff.Options{Type: geotiff.Float64, Transform: f.transform, GeoKeys: f.keys, Bands: info}, bands...); err != nil {
		t.Fatal(err)
	}
	files["vp.tif"] = out.Bytes()
	_, err := monthsOf(t, spec, files, 2020, cells)
	if c, text := code(err); c != finding.ClimateVapour || !strings.Contains(text, `climate raster vp.tif: vp: the file states its unit as "hPa"`) {
		t.Errorf("%s %s", c, text)
	}
	spec.Units.Vapour = units.Hectopascal
	if m, err := monthsOf(t, spec, files, 2020, cells); err != nil || m.VP[0][0] != 900 {
		t.Errorf("%v", err)
	}
	value := f.value
	f.value = func(v, month, c, r int) float64 {
		if v < prcp {
			return value(v, month, c, r) + 273.15
		}
		return value(v, month, c, r)
	}
	spec.Units = units.Set{}
	_, err = monthsOf(t, spec, f.files(t, spec, 0, nil), 2020, cells)
	if c, text := code(err); c != finding.ClimateTemperature || !strings.Contains(text, "tmin of January, column 0 row 0") || !strings.Contains(text, "looks like temperature in K; turn it into degC, or have it done: --climate-units temperature=K") {
		t.Errorf("%s %s", c, text)
	}
}

// keep stores among files.
func keep(files map[string][]byte) Store {
	return func(name string, write func(io.Writer) error) error {
		var b bytes.Buffer
		err := write(&b)
		files[name] = b.Bytes()
		return err
	}
}
