package turbidity

import (
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/cyverse-gis/eemt/shared/finding"
	"github.com/cyverse-gis/eemt/shared/param"
)

func TestNote(t *testing.T) {
	with := func(text string) param.Parameters {
		p := param.DefaultParameters()
		if err := p.SetInput("linke-value", text); err != nil {
			t.Fatal(err)
		}
		return p
	}
	for name, c := range map[string]struct {
		lon, lat, z float64
		p           param.Parameters
		want        bool
	}{
		"Delhi":                      {77.2, 28.6, 216, with("3"), true},
		"Delhi, twelve of the place": {77.2, 28.6, 216, with("3.2,3.4,3.7,4.1,4.4,4.8,4.7,4.5,4.2,3.7,3.4,3.2"), false},
		"Delhi, climatology":         {77.2, 28.6, 216, with("climatology"), false},
		"Delhi, a raster":            {77.2, 28.6, 216, with("linke.tif"), false},
		"Lhasa":                      {91.1, 29.7, 3650, with("3"), true},
		"Colorado":                   {-108.54, 40.53, 2168, with("3"), false},
		"no place":                   {math.NaN(), 40, 0, with("3"), false},
		"no elevation":               {77.2, 28.6, math.NaN(), with("3"), false},
	} {
		f, ok := Note(c.lon, c.lat, c.z, c.p)
		if ok != c.want {
			t.Errorf("%s: %v %q", name, ok, f.Message)
		}
		if ok && (f.Code != finding.Turbidity || f.Severity != finding.Note || !strings.Contains(f.Next, "--linke-value climatology")) {
			t.Errorf("%s: %+v", name, f)
		}
	}
}

// What the note says is what the engine does.
func TestNoteSaysByHowMuch(t *testing.T) {
	f, ok := Note(77.2, 28.6, 216, param.DefaultParameters())
	m := regexp.MustCompile(`is 3\.0 in the year's mean, the climatology has (\d\.\d) at 77\.20, 28\.60: .* level ground at 216 m would be (\d+\.\d) % less$`).FindStringSubmatch(f.Message)
	if !ok || m == nil {
		t.Fatalf("%v %q", ok, f.Message)
	}
	sum := func(months [12]float64) (s float64) {
		for _, v := range months {
			s += v
		}
		return s
	}
	all := sum(clear(t, 77.2, 28.6, 216))
	usual := sum(sky(t, 28.6, 216, [12]float64{3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3}))
	said, _ := strconv.ParseFloat(m[2], 64)
	if want := 100 * (1 - all/usual); math.Abs(said-want) > 0.051 {
		t.Errorf("says %g %%, the engine %g", said, want)
	}
	if f, ok := Note(91.1, 29.7, 3650, param.DefaultParameters()); !ok || !strings.HasSuffix(f.Message, "% more") {
		t.Errorf("clearer air: %q", f.Message)
	}
}
