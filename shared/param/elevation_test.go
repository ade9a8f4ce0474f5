package param_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/cyverse-gis/eemt/shared/param"
)

func TestElevationParameters(t *testing.T) {
	for _, c := range []struct {
		unit         param.ElevationUnit
		nodata, want string
	}{
		{"", "", ""},
		{"file", "-9999", ""},
		{"us-ft", "-9999, -32768", ""},
		{"ft", "-3.4028235e38", ""},
		{"furlong", "", `elevation-unit "furlong": must be file or m or ft or us-ft`},
		{"m", "none", `nodata "none": must be a number`},
		{"m", "1,,2", "nodata \"1,,2\": must be a number"},
		{"m", "inf", `nodata "inf": must be a number`},
		{"m", "1,2,3,4,5,6,7,8,9", "nodata has 9 values: must be at most 8"},
	} {
		p := param.DefaultParameters()
		p.ElevationUnit, p.NoData = c.unit, c.nodata
		err := p.Validate(param.Sol)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q, %q: error %v, want %q", c.unit, c.nodata, err, c.want)
		}
	}
	if v, err := param.ParseNoData(" -9999,nan,-9999,0 "); err != nil || !slices.Equal(v, []float64{-9999, 0}) {
		t.Errorf("%v, %v", v, err)
	}
}

// The fields of a form set what a record holds, and a job that sets neither has the same record as before.
func TestElevationFields(t *testing.T) {
	p := param.DefaultParameters()
	before, err := json.Marshal(p)
	if err != nil || strings.Contains(string(before), "nodata") || strings.Contains(string(before), "elevation_unit") {
		t.Errorf("%s, %v", before, err)
	}
	for name, text := range map[string]string{"elevation_unit": "us-ft", "nodata": "-9999"} {
		f, ok := param.FieldOf(name)
		if !ok {
			t.Fatalf("no field %s", name)
		}
		if err := f.SetText(&p, text); err != nil {
			t.Fatal(err)
		}
	}
	if p.ElevationUnit != "us-ft" || p.NoData != "-9999" {
		t.Errorf("%+v", p)
	}
	unit, _ := param.FieldOf("elevation_unit")
	if string(unit.Default()) != `"file"` {
		t.Errorf("default %s: a form that sends it must change nothing", unit.Default())
	}
	if param.ElevationUnit("us-ft").Metres() != 1200./3937 || param.FileUnit.Metres() != 0 || param.ElevationUnit("ell").Metres() != 0 {
		t.Error("lengths of units")
	}
}
