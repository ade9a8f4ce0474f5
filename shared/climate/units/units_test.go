package units_test

import (
	"strings"
	"testing"

	"github.com/cyverse-gis/eemt/shared/climate/units"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]units.Set{
		"":                                   {},
		"temperature=C, vapour=pa":           {},
		"temperature=k":                      {Temperature: units.Kelvin},
		"Temperature = 0.1c,vapor=HPA":       {Temperature: units.TenthCelsius, Vapour: units.Hectopascal},
		"precipitation=inch,temperature=F":   {Temperature: units.Fahrenheit, Precipitation: units.Inches},
		"vapour=%,precipitation=MM/day":      {Precipitation: units.PerDay, Vapour: units.Percent},
		"vapour=tmin,precipitation=mm/year,": {Precipitation: units.PerYear, Vapour: units.SaturatedTMin},
	} {
		got, err := units.Parse(text)
		if err != nil || got != want {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
		if again, err := units.Parse(got.String()); err != nil || again != got {
			t.Errorf("%q: %q becomes %+v, %v", text, got.String(), again, err)
		}
	}
	for text, want := range map[string]string{
		"K":                           "temperature= one of C K 0.1K F 0.1C",
		"temperature=hPa":             "temperature must be in one of C K 0.1K F 0.1C",
		"vapour=hPa,vapour=kPa":       "vapour is given twice",
		"snow=cm":                     "must be a list",
		"temperature=C,temperature=K": "temperature is given twice",
	} {
		if _, err := units.Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

func TestStated(t *testing.T) {
	for text, want := range map[string]units.Unit{
		"kPa": units.Kilopascal, " hPa ": units.Hectopascal, "degrees C": units.Celsius, "deg c": units.Celsius, "mm/day": units.PerDay, "K": units.Kelvin,
		"mm per month": units.Millimetres, "kg m-2": units.Millimetres, "furlong": "", "": "",
	} {
		if got := units.Stated(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("temperature=K,vapour=%")
	f.Add(",=,")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := units.Parse(text)
		if err != nil {
			return
		}
		if again, err := units.Parse(s.String()); err != nil || again != s {
			t.Errorf("%q: %+v becomes %+v, %v", text, s, again, err)
		}
	})
}
