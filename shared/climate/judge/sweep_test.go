package judge_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"testing"

	"github.com/cyverse-gis/eemt/shared/climate"
	"github.com/cyverse-gis/eemt/shared/climate/judge"
	"github.com/cyverse-gis/eemt/shared/climate/units"
	"github.com/cyverse-gis/eemt/shared/finding"
	"github.com/cyverse-gis/eemt/shared/geotiff"
	"github.com/cyverse-gis/eemt/shared/raster"
)

// table writes the climate as a table.
func (p place) table() map[string][]byte {
	var b strings.Builder
	fmt.Fprintf(&b, "# latitude: %g\n# longitude: %g\n# elevation_m: %g\nmonth,tmin,tmax,prcp,vp\n", p.lat, p.lon, p.Elevation)
	for k := range 12 {
		fmt.Fprintf(&b, "%d,%g,%g,%g,%g\n", k+1, p.TMin[k], p.TMax[k], p.Precipitation[k], p.Vapour[k])
	}
	return map[string][]byte{"table.csv": []byte(b.String())}
}

// pixel writes the climate as equal days of Daymet's single-pixel service.
func (p place) pixel() map[string][]byte {
	var b strings.Builder
	fmt.Fprintf(&b, "Latitude: %g  Longitude: %g\nElevation: %g meters\nyear,yday,prcp (mm/day),tmax (deg c),tmin (deg c),vp (Pa)\n", p.lat, p.lon, p.Elevation)
	yday := 1
	for k, days := range [12]int{31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31} {
		for range days {
			fmt.Fprintf(&b, "2019,%d,%g,%g,%g,%g\n", yday, p.Precipitation[k]/float64(days), p.TMax[k], p.TMin[k], p.Vapour[k])
			yday++
		}
	}
	return map[string][]byte{"pixel.csv": []byte(b.String())}
}

// rasters writes the climate as four rasters of 3 x 3 cells around the place.
func (p place) rasters(t testing.TB) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	for name, months := range map[string][12]float64{"tmin": p.TMin, "tmax": p.TMax, "prcp": p.Precipitation, "vp": p.Vapour} {
		bands := make([]*raster.Grid[float64], 12)
		for k := range bands {
			bands[k] = raster.New[float64](3, 3)
			bands[k].Fill(months[k])
		}
		var out bytes.Buffer
		if err := geotiff.Write(&out, geotiff.Options{
			Type: geotiff.Float64, Transform: raster.Transform{OriginX: p.lon - 1, OriginY: p.lat + 1, StepX: 2.0 / 3, StepY: -2.0 / 3},
			GeoKeys: raster.GeoKeys{Shorts: map[uint16]uint16{1024: 2, 1025: 1, 2048: 4326}},
		}, bands...); err != nil {
			t.Fatal(err)
		}
		files[name+".tif"] = out.Bytes()
	}
	return files
}

// examined is what is found about a climate in files, over a DEM at the place.
func (p place) examined(t testing.TB, source string, files map[string][]byte, u string) finding.List {
	t.Helper()
	spec, err := climate.ParseSpec(source, "", "")
	if err != nil {
		t.Fatal(err)
	}
	if spec.Units, err = units.Parse(u); err != nil {
		t.Fatal(err)
	}
	var list finding.List
	refused := func(err error) finding.List {
		if !list.AddError(err) {
			t.Fatalf("%s: no finding: %v", p.name, err)
		}
		return list
	}
	s, err := climate.Open(t.Context(), spec, func(_ context.Context, name string) (io.ReaderAt, int64, io.Closer, error) {
		data, ok := files[name]
		if !ok {
			return nil, 0, nil, fs.ErrNotExist
		}
		return bytes.NewReader(data), int64(len(data)), io.NopCloser(nil), nil
	})
	if err != nil {
		return refused(err)
	}
	m, err := s.Months(t.Context(), 2019, climate.Cells{Lon: []float64{p.lon}, Lat: []float64{p.lat}, Elevation: []float64{p.Elevation}})
	if errors.Is(err, climate.ErrNoCoverage) {
		t.Fatal(p.name, err)
	}
	if err != nil {
		return refused(err)
	}
	y, _ := judge.YearOf(2019, m)
	return judge.Climate(p.ground(), judge.SourceOf(spec, s), []judge.Year{y})
}

// kinds are the sources that a climate may come from.
var kinds = []struct {
	name, source string
	write        func(t testing.TB, p place) map[string][]byte
}{
	{"table", "table:table.csv", func(_ testing.TB, p place) map[string][]byte { return p.table() }},
	{"pixel", "pixel:pixel.csv", func(_ testing.TB, p place) map[string][]byte { return p.pixel() }},
	{"raster", "raster:{var}.tif", func(t testing.TB, p place) map[string][]byte { t.Helper(); return p.rasters(t) }},
}

// Of climates in whole deserts a tenth of the rain is that of another desert: only EEMT-TRAD of 0 tells then.
func toldByTrad(m string) bool { return m == "rain in cm" }

// No mistake in units passes in silence, in any kind of source: it is refused or doubted by the right code.
func TestNoMistakeIsSilent(t *testing.T) {
	for _, kind := range kinds {
		for _, m := range mistakes {
			for _, p := range normals(t) {
				m.apply(&p.Year)
				found := p.examined(t, kind.source, kind.write(t, p), "")
				right, trad := false, false
				for _, f := range found {
					right = right || f.Severity != finding.Note && f.Code == m.code
					trad = trad || f.Severity != finding.Note && f.Code == finding.ModelTrad
				}
				if !right && (!trad || !toldByTrad(m.name)) {
					t.Errorf("%s, %s, %s: silent: %v", kind.name, m.name, p.name, found)
				}
			}
		}
	}
}

// Of 230 catchments between Maine and California the same holds but for the wettest of rain in cm.
func TestMistakesOfCatchments(t *testing.T) {
	for _, m := range mistakes {
		var silent, byTrad []string
		for _, p := range catchments(t) {
			m.apply(&p.Year)
			right, trad := false, false
			for _, f := range p.examined(t, "table:table.csv", p.table(), "") {
				right = right || f.Severity != finding.Note && f.Code == m.code
				trad = trad || f.Severity != finding.Note && f.Code == finding.ModelTrad
			}
			switch {
			case right:
			case trad:
				byTrad = append(byTrad, p.name)
			default:
				silent = append(silent, p.name)
			}
		}
		t.Logf("%s: told by EEMT-TRAD alone %v, silent %v", m.name, byTrad, silent)
		if most := map[bool]int{true: 1}[m.name == "rain in cm"]; len(silent) > most || len(byTrad) > 8*most {
			t.Errorf("%s: silent in %v, told by EEMT-TRAD alone in %v", m.name, silent, byTrad)
		}
	}
}

// What the finding says to do mends it.
func TestAdviceEnds(t *testing.T) {
	for _, kind := range kinds {
		for _, m := range mistakes {
			for _, p := range normals(t) {
				right := p
				m.apply(&p.Year)
				u := ""
				for _, f := range p.examined(t, kind.source, kind.write(t, p), "") {
					if _, after, found := strings.Cut(f.Next, "--climate-units "); found && f.Code == m.code && f.Code != finding.ClimatePrecipitation {
						u, _, _ = strings.Cut(after, " ")
					}
				}
				if m.code == finding.ClimatePrecipitation {
					u = map[string]string{
						"rain in inches": "precipitation=inch", "rain in cm": "precipitation=cm", "rain in m": "precipitation=m",
						"rain in mm per day": "precipitation=mm/day", "the year's rain in each month": "precipitation=mm/year",
					}[m.name]
					if u == "precipitation=mm/day" && kind.name == "pixel" || u == "precipitation=mm/year" {
						continue // a pixel's rain is of days; the seasons of a year's rain are lost
					}
				}
				if u == "" {
					t.Errorf("%s, %s, %s: no unit is named: %v", kind.name, m.name, p.name, p.examined(t, kind.source, kind.write(t, p), ""))
					continue
				}
				for _, f := range ofClimate(p.examined(t, kind.source, kind.write(t, p), u)) {
					if slices := ofClimate(right.examined(t, kind.source, kind.write(t, right), "")); len(slices) == 0 {
						t.Errorf("%s, %s, %s: with --climate-units %s: %s", kind.name, m.name, p.name, u, f.Sentence())
					}
				}
			}
		}
	}
}
