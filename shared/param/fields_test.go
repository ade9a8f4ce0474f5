package param_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/cyverse-gis/eemt/shared/param"
)

// Every parameter is in the table, and the table names nothing else.
func TestFieldsAreTheParameters(t *testing.T) {
	want, set := map[string]bool{}, map[string]bool{}
	for _, f := range param.Fields("") {
		for _, name := range []string{f.WordRecord(), f.RasterRecord()} {
			set[name] = true
		}
	}
	for _, f := range reflect.VisibleFields(reflect.TypeFor[param.Parameters]()) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		want[name] = true
		if _, ok := param.FieldOf(name); !ok && !set[name] {
			t.Errorf("parameter %s is missing in the table of fields", name)
		}
	}
	for _, f := range param.Fields("") {
		if !want[f.Name] || f.Title == "" || f.Description == "" {
			t.Errorf("field %+v: names no parameter, or has no words", f)
		}
		if d := f.Default(); d != nil {
			p := param.DefaultParameters()
			if err := f.Set(&p, d); err != nil || !reflect.DeepEqual(p, param.DefaultParameters()) {
				t.Errorf("the default %s of %s: %v gives %+v", d, f.Name, err, p)
			}
		}
	}
	if _, ok := param.FieldOf("colour"); ok {
		t.Error("colour is a parameter")
	}
	for _, f := range param.Fields(param.Sol) {
		if f.Name == "climate" {
			t.Error("sol takes climate")
		}
	}
}

func TestSetField(t *testing.T) {
	for _, c := range []struct{ name, value, refusal string }{
		{"step", "30", ""},
		{"step", "90", "step 90: must be a number of 1 to 60"},
		{"step", `"often"`, `step "often": must be a number of 1 to 60`},
		{"step", "null", "step null"},
		{"step", "[1,2]", "step [1,2]"},
		{"linke_value", "2.5", ""},
		{"linke_value", "[1,2,3,4,5,6,7,8,1,2,3,4]", ""},
		{"linke_value", "[3,3]", "12 months"},
		{"albedo_value", "[0,0,0,0,0,0,0,0,0,0,0,2]", "0 to 1"},
		{"start_year", "2019", ""},
		{"start_year", "2019.5", "start_year 2019.5: must be an integer of 1900 to 2100"},
		{"start_year", "1e30", "1900 to 2100"},
		{"north", `"grid"`, ""},
		{"north", `"up"`, `north "up": must be true or grid`},
		{"north", "true", "true or grid"},
		{"maps", `"annual"`, ""},
		{"maps", `"monthly"`, `maps "monthly": must be all or annual`},
		{"daily", "true", ""},
		{"daily", `"true"`, `must be true or false`},
		{"linke_value", `"climate/linke.tif"`, ""},
		{"linke_value", `"often"`, "or the name of a GeoTIFF, or climatology"},
		{"linke_value", `"climatology"`, ""},
		{"kc", "0.1", "0.2 to 1"},
		{"kc", `"climate"`, ""},
		{"layers", `["beam","skyview"]`, ""},
		{"layers", `"beam,horizon"`, ""},
		{"layers", `["moon"]`, "a list of beam, diffuse"},
		{"layers", `[1]`, "a list of beam"},
		{"climate", `"table:x.csv"`, ""},
		{"climate", `{"a":1}`, "must be a string"},
	} {
		f, _ := param.FieldOf(c.name)
		p := param.DefaultParameters()
		err := f.Set(&p, json.RawMessage(c.value))
		if c.refusal == "" {
			if err != nil || reflect.DeepEqual(p, param.DefaultParameters()) {
				t.Errorf("%s %s: %v, parameters %+v", c.name, c.value, err, p)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), c.refusal) {
			t.Errorf("%s %s: %v, want %q", c.name, c.value, err, c.refusal)
		}
		if !reflect.DeepEqual(p, param.DefaultParameters()) {
			t.Errorf("%s %s: refused, yet the parameters changed to %+v", c.name, c.value, p)
		}
	}
}

func FuzzSetField(f *testing.F) {
	f.Add("step", "30")
	f.Add("linke_value", "[1,2]")
	f.Add("daily", "nul")
	f.Fuzz(func(t *testing.T, name, value string) {
		field, ok := param.FieldOf(name)
		if !ok || !json.Valid([]byte(value)) {
			return
		}
		p := param.DefaultParameters()
		if field.Set(&p, json.RawMessage(value)) != nil && !reflect.DeepEqual(p, param.DefaultParameters()) {
			t.Errorf("%s %s: refused, yet set", name, value)
		}
	})
}

// The parameters that take rasters are those of Inputs; each is found by its three names.
func TestRasterFields(t *testing.T) {
	p := param.DefaultParameters()
	taken := map[string]bool{}
	for _, f := range param.Fields("") {
		if f.Raster == "" {
			if f.RasterRecord() != "" || f.RasterFile() != "" {
				t.Errorf("%s takes no raster, and has names for one", f.Name)
			}
			continue
		}
		taken[f.Input()] = true
		for _, name := range []string{f.Name, f.RasterRecord(), f.RasterFile()} {
			if got, ok := param.RasterField(name); !ok || got.Name != f.Name {
				t.Errorf("%s: got %s, want %s", name, got.Name, f.Name)
			}
		}
	}
	for _, in := range p.Inputs() {
		if !taken[in.Name] {
			t.Errorf("input %s takes rasters, and the table does not say so", in.Name)
		}
		delete(taken, in.Name)
	}
	if len(taken) != 0 {
		t.Errorf("the table has rasters for %v, which is no input", taken)
	}
	for _, name := range []string{"", "step", "step_file", "climate", "_raster"} {
		if f, ok := param.RasterField(name); ok {
			t.Errorf("%q is taken for %s", name, f.Name)
		}
	}
}

// A row of the table is all that the range of a parameter needs.
func TestValidateKnowsTheTable(t *testing.T) {
	for _, f := range param.Fields("") {
		var outside []string
		switch {
		case len(f.Items) > 0, len(f.Allowed) > 0:
			outside = []string{"moon"}
		case f.Minimum != f.Maximum:
			outside = []string{fmt.Sprint(f.Minimum - 1), fmt.Sprint(f.Maximum + 1)}
		}
		for _, text := range outside {
			p := param.DefaultParameters()
			p.Climate = "table:x.csv"
			err := f.SetText(&p, text)
			if err == nil {
				err = p.Validate(param.EEMT)
			}
			if err == nil || !strings.Contains(err.Error(), text) || !strings.Contains(err.Error(), "must be") {
				t.Errorf("%s %s: %v, want a refusal that names the value and the range", f.Name, text, err)
			}
		}
	}
}

// Help tells a user of the command line which values a parameter takes.
func TestHelpOfFields(t *testing.T) {
	for name, want := range map[string]string{
		"step":        "time step of the sun's position in minutes, 1 to 60",
		"linke_value": "Linke turbidity for air mass 2, 1 to 8: one value, twelve for January to December, or GeoTIFFs; climatology takes that of the place, by month",
		"layers":      "further maps to write, separated by commas: beam, diffuse, reflected, horizon, skyview",
		"tile_size":   "side of a tile, 32 to 4096 cells, or 0 for the planner's choice; does not affect results",
	} {
		if f, _ := param.FieldOf(name); f.Help() != want {
			t.Errorf("%s: %q, want %q", name, f.Help(), want)
		}
	}
	for _, f := range param.Fields("") {
		if f.Type != param.BooleanField && f.ValueWords() == "" {
			t.Errorf("%s: nothing stands for its value in help", f.Name)
		}
	}
}

func TestOneYear(t *testing.T) {
	for _, c := range []struct {
		name                 string
		start, end           int
		startGiven, endGiven bool
		want                 []int
	}{
		{"none given", 2020, 2020, false, false, []int{2020}},
		{"a later first year", 2022, 2020, true, false, []int{2022}},
		{"an earlier first year", 2018, 2020, true, false, []int{2018, 2019, 2020}},
		{"an earlier last year", 2020, 2018, false, true, []int{2018}},
		{"a later last year", 2020, 2021, false, true, []int{2020, 2021}},
	} {
		p := param.DefaultParameters()
		p.StartYear, p.EndYear = c.start, c.end
		if p.OneYear(c.startGiven, c.endGiven); !slices.Equal(p.Years(), c.want) {
			t.Errorf("%s: %v, want %v", c.name, p.Years(), c.want)
		}
	}
	p := param.DefaultParameters()
	p.StartYear, p.EndYear = 2010, 2005
	if p.OneYear(true, true); p.Validate(param.Sol) == nil {
		t.Error("years that were given were changed")
	}
}
