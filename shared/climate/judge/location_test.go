package judge_test

import (
	"bytes"
	"math"
	"strings"
	"testing"

	"github.com/cyverse-gis/eemt/shared/climate"
	"github.com/cyverse-gis/eemt/shared/climate/judge"
	"github.com/cyverse-gis/eemt/shared/dem"
	"github.com/cyverse-gis/eemt/shared/dem/demtest"
	"github.com/cyverse-gis/eemt/shared/finding"
	"github.com/cyverse-gis/eemt/shared/raster"
)

// box is a DEM in degrees.
func box(t testing.TB, west, north, width, height float64) judge.Site {
	t.Helper()
	data := demtest.EncodeAs(t, demtest.Hills(20, 20), raster.Transform{OriginX: west, OriginY: north, StepX: width / 20, StepY: -height / 20},
		raster.GeoKeys{Shorts: map[uint16]uint16{1024: 2, 1025: 1, 2048: 4326}})
	d, err := dem.Open(bytes.NewReader(data), int64(len(data)), dem.Options{})
	if err != nil {
		t.Fatal(err)
	}
	g := judge.SiteOf(d)
	g.Elevations.Add(500)
	return g
}

// temperate is a climate of about 45 degrees, its warmest month July.
func temperate() judge.Year {
	y := judge.Year{Year: 2020, Elevation: 500}
	for k := range 12 {
		s := -10 * math.Cos(2*math.Pi*(float64(k)-0.3)/12)
		y.TMin[k], y.TMax[k], y.Precipitation[k] = 5+s, 15+s, 80+s
		y.Vapour[k] = 600 * math.Exp(17.27*y.TMin[k]/(y.TMin[k]+237.3))
	}
	return y
}

func severity(list finding.List, code finding.Code) finding.Severity {
	for _, f := range list {
		if f.Code == code {
			return f.Severity
		}
	}
	return ""
}

// Distances by great circles: a degree of latitude is 111.2 km, one of longitude at 60 N 55.6 km.
func TestDistanceFromTheOutline(t *testing.T) {
	for name, c := range map[string]struct {
		ground   judge.Site
		lon, lat float64
		want     finding.Severity
	}{
		"inside":                         {box(t, 10, 46, 2, 2), 11, 45, ""},
		"inside, a turn away":            {box(t, 10, 46, 2, 2), 371, 45, ""},
		"44 km north":                    {box(t, 10, 46, 2, 2), 11, 46.4, ""},
		"56 km north":                    {box(t, 10, 46, 2, 2), 11, 46.5, finding.Doubt},
		"245 km south":                   {box(t, 10, 46, 2, 2), 11, 41.8, finding.Doubt},
		"256 km south":                   {box(t, 10, 46, 2, 2), 11, 41.7, finding.Refusal},
		"far east, near by longitude":    {box(t, 10, 60.5, 1, 1), 15, 60, finding.Doubt},
		"the same at the equator":        {box(t, 10, 0.5, 1, 1), 15, 0, finding.Refusal},
		"beyond the date line":           {box(t, 179.5, 52.5, 1, 1), -179.2, 52, ""},
		"inside across the date line":    {box(t, 179.5, 52.5, 1, 1), -179.8, 52, ""},
		"other side of the earth":        {box(t, 10, 46, 2, 2), -169, -45, finding.Refusal},
		"latitude and longitude swapped": {box(t, 10, 46, 2, 2), 45, 11, finding.Refusal},
	} {
		s := climate.Station{Lon: c.lon, Lat: c.lat, Elevation: 500}
		if got := severity(judge.Climate(c.ground, judge.Source{Station: &s}, nil), finding.ClimatePlace); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	// An edge beyond the projection has no longitude.
	g := box(t, 10, 46, 2, 2)
	for i := range 20 {
		g.Lon[i], g.Lat[i] = math.NaN(), math.NaN()
	}
	s := climate.Station{Lon: 11, Lat: 43.8, Elevation: 500}
	if got := severity(judge.Climate(g, judge.Source{Station: &s}, nil), finding.ClimatePlace); got != "" {
		t.Errorf("part of the outline: %q", got)
	}
}

func TestHemisphere(t *testing.T) {
	south := temperate()
	for _, v := range []*[12]float64{&south.TMin, &south.TMax, &south.Precipitation, &south.Vapour} {
		*v = [12]float64(append(append([]float64{}, v[6:]...), v[:6]...))
	}
	flat := temperate()
	for k := range 12 {
		flat.TMin[k], flat.TMax[k] = 9+0.1*south.TMin[k], 19+0.1*south.TMax[k]
	}
	spring := temperate() // warmest in April, as before the monsoon
	for _, v := range []*[12]float64{&spring.TMin, &spring.TMax} {
		*v = [12]float64(append(append([]float64{}, v[3:]...), v[:3]...))
	}
	for name, c := range map[string]struct {
		north float64
		y     judge.Year
		want  finding.Severity
	}{
		"north":                      {46, temperate(), ""},
		"north, southern climate":    {46, south, finding.Refusal},
		"south":                      {-40, south, ""},
		"south, northern climate":    {-40, temperate(), finding.Refusal},
		"near the equator":           {8, south, ""},
		"hardly a season":            {46, flat, ""},
		"warmest before the monsoon": {20, spring, ""},
	} {
		list := judge.Climate(box(t, 10, c.north, 1, 1), judge.Source{OfDEM: true}, []judge.Year{c.y})
		if got := severity(list, finding.ClimateHemisphere); got != c.want {
			t.Errorf("%s: %q, want %q: %v", name, got, c.want, list.Sentences())
		}
	}
}

// A finding of one year of several names it, and the worst year stands for all.
func TestYears(t *testing.T) {
	wrong := temperate()
	wrong.Year = 2003
	scale(&wrong.Vapour, 0.001)
	list := judge.Climate(box(t, 10, 46, 1, 1), judge.Source{OfDEM: true}, []judge.Year{temperate(), wrong, temperate()})
	if len(list) != 1 || list[0].Code != finding.ClimateVapour || list[0].Severity != finding.Refusal || !strings.Contains(list[0].Message, ", in 2003") {
		t.Errorf("%v", list)
	}
	if list := judge.Climate(box(t, 10, 46, 1, 1), judge.Source{OfDEM: true}, []judge.Year{temperate()}); len(list) != 0 {
		t.Errorf("a temperate climate: %v", list.Sentences())
	}
}

// Rasters have an elevation for each place: their mean tells of elevations in another unit.
func TestElevationOfRasters(t *testing.T) {
	y := temperate()
	for z, want := range map[float64]finding.Severity{520: "", 1640: finding.Doubt} { // 500 m in feet
		y.Elevation = z
		if got := severity(judge.Climate(box(t, 10, 46, 1, 1), judge.Source{}, []judge.Year{y}), finding.ClimateElevation); got != want {
			t.Errorf("%g m: %q, want %q", z, got, want)
		}
	}
}

// Impossible humidity is refused or doubted, by how much it is.
func TestImpossibleHumidity(t *testing.T) {
	for name, c := range map[string]struct {
		change func(y *judge.Year)
		want   finding.Severity
		text   string
	}{
		"28 times saturation":  {func(y *judge.Year) { y.Vapour[0] = 8000 }, finding.Refusal, "above saturation"},
		"a little above":       {func(y *judge.Year) { y.Vapour[6] = 1.1 * 611 * math.Exp(17.27*y.TMax[6]/(y.TMax[6]+237.3)) }, finding.Doubt, "above saturation: saturation at tmax of July"},
		"none":                 {func(y *judge.Year) { y.Vapour = [12]float64{} }, finding.Refusal, "too low"},
		"none in one month":    {func(y *judge.Year) { y.Vapour[2] = 1 }, finding.Doubt, "saturation at tmin of March"},
		"a tenth":              {func(y *judge.Year) { scale(&y.Vapour, 0.1) }, finding.Doubt, "too low"},
		"as dry as the Sahara": {func(y *judge.Year) { scale(&y.Vapour, 0.3) }, "", ""},
		"saturated at tmin":    {func(*judge.Year) {}, "", ""},
	} {
		y := temperate()
		c.change(&y)
		list := judge.Climate(box(t, 10, 46, 1, 1), judge.Source{OfDEM: true}, []judge.Year{y})
		if got := severity(list, finding.ClimateVapour); got != c.want || !strings.Contains(strings.Join(list.Sentences(), " "), c.text) {
			t.Errorf("%s: %q, want %q: %v", name, got, c.want, list.Sentences())
		}
	}
}
