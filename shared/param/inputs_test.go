package param_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/cyverse-gis/eemt/shared/param"
)

func TestSetInput(t *testing.T) {
	for _, c := range []struct {
		name, input, text string
		check             func(p param.Parameters) bool
		want              []string // of the error of SetInput or Validate
	}{
		{"value", "linke-value", " 2.5 ", func(p param.Parameters) bool { return p.Linke[0] == 2.5 && p.LinkeRaster == nil }, nil},
		{"raster", "linke-value", "a dir/L.TIF", func(p param.Parameters) bool { return p.LinkeRaster[0] == "a dir/L.TIF" && p.Linke[0] == 3 }, nil},
		{"address", "kb", "https://example.org/kb?x=1", func(p param.Parameters) bool { return len(p.KBRaster) == 1 }, nil},
		{"months", "kd", "kd_{month}.tiff", func(p param.Parameters) bool {
			f := p.Inputs()[3].Files()
			return len(f) == 12 && f[0] == "kd_01.tiff" && f[11] == "kd_12.tiff"
		}, nil},
		{"twelve", "kc", strings.Repeat("a.tif, ", 11) + "b.tif", func(p param.Parameters) bool { return len(p.KCRaster) == 12 && p.KCRaster[11] == "b.tif" }, nil},
		{"climatology", "linke-value", "Climatology", func(p param.Parameters) bool { return p.LinkeClimatology && p.Linke == nil }, nil},
		{"climate", "kc", "Climate", func(p param.Parameters) bool { return p.KCClimate && p.KC == nil }, nil},
		{"no number", "albedo-value", "bright", nil, []string{`albedo-value "bright"`, "number", ".tif"}},
		{"two values", "kb", "1,1", nil, []string{"kb", "2 values"}},
		{"out of range", "kb", "1.1", nil, []string{"kb 1.1", "0 to 1"}},
		{"index out of range", "kc", "0", nil, []string{"kc 0", "0.2 to 1"}},
		{"two rasters", "kb", "a.tif,b.tif", nil, []string{"kb has 2 rasters", "12"}},
		{"empty name", "kb", ",a.tif" + strings.Repeat(",a.tif", 10), nil, []string{"kb", "empty"}},
		{"placeholder", "kb", "{year}.tif", nil, []string{"{year}.tif", "{month}"}},
		{"placeholder in a list", "kb", strings.Repeat("{month}.tif,", 11) + "b.tif", nil, []string{"{month}"}},
		{"control character", "kb", "a\nb.tif", nil, []string{"control"}},
		{"long name", "kb", strings.Repeat("a", 2049) + ".tif", nil, []string{"2048"}},
		{"unknown", "wind", "1", nil, []string{"wind"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := param.DefaultParameters()
			p.Climate = "table:x.csv"
			err := p.SetInput(c.input, c.text)
			if err == nil {
				err = p.Validate(param.EEMT)
			}
			if (err == nil) != (c.want == nil) {
				t.Fatalf("got %v", err)
			}
			for _, w := range c.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("%q does not say %q", err, w)
				}
			}
			if c.check != nil && !c.check(p) {
				t.Errorf("got %+v", p)
			}
		})
	}
}

// What is given last holds: the word, values or a raster.
func TestClimatologyInPlaceOfValues(t *testing.T) {
	for _, c := range []struct {
		texts []string
		check func(p param.Parameters) bool
	}{
		{[]string{"climatology"}, func(p param.Parameters) bool { return p.LinkeClimatology && p.Linke == nil }},
		{[]string{"l.tif", "climatology"}, func(p param.Parameters) bool { return p.LinkeClimatology && p.Linke == nil && p.LinkeRaster == nil }},
		{[]string{"climatology", "2.5"}, func(p param.Parameters) bool { return !p.LinkeClimatology && p.Linke[0] == 2.5 }},
		{[]string{"climatology", "l.tif"}, func(p param.Parameters) bool { return !p.LinkeClimatology && p.Linke[0] == 3 && p.LinkeRaster != nil }},
	} {
		p := param.DefaultParameters()
		for _, text := range c.texts {
			if err := p.SetInput("linke-value", text); err != nil {
				t.Fatal(err)
			}
		}
		if err := p.Validate(param.Sol); err != nil || !c.check(p) {
			t.Errorf("%q: %+v, %v", c.texts, p, err)
		}
		data, err := json.Marshal(p)
		var again param.Parameters
		if err != nil || json.Unmarshal(data, &again) != nil || again.LinkeClimatology != p.LinkeClimatology || !slices.Equal(again.Linke, p.Linke) {
			t.Errorf("%q: recorded as %s, %v", c.texts, data, err)
		}
	}
	p := param.DefaultParameters()
	p.LinkeClimatology = true
	if err := p.Validate(param.Sol); err == nil || !strings.Contains(err.Error(), "linke-value: give climatology, values or a raster, not several") {
		t.Errorf("climatology and values: %v", err)
	}
}

// A form may send the default value after the raster.
func TestRasterOutlastsValue(t *testing.T) {
	p := param.DefaultParameters()
	for _, text := range []string{"linke.tif", "3.0"} {
		if err := p.SetInput("linke-value", text); err != nil {
			t.Fatal(err)
		}
	}
	if len(p.LinkeRaster) != 1 || p.LinkeRaster[0] != "linke.tif" {
		t.Errorf("rasters %v", p.LinkeRaster)
	}
}

func TestParseLayers(t *testing.T) {
	for text, want := range map[string][]param.Layer{
		"": nil, " , ": nil, "beam": {param.Beam}, "SkyView,beam_rad, diff_rad,refl_rad,beam": {param.Beam, param.Diffuse, param.Reflected, param.SkyView}, "horizon": {param.Horizon},
	} {
		if got, err := param.ParseLayers(text); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %v (%v), want %v", text, got, err, want)
		}
	}
	if _, err := param.ParseLayers("beam,moon"); err == nil || !strings.Contains(err.Error(), `"moon"`) {
		t.Errorf("got %v", err)
	}
	p := param.DefaultParameters()
	p.Layers = []param.Layer{param.Beam, param.Beam}
	if err := p.Validate(param.Sol); err == nil || !strings.Contains(err.Error(), "twice") {
		t.Errorf("got %v", err)
	}
	p.Layers = []param.Layer{"moon"}
	if err := p.Validate(param.Sol); err == nil || !strings.Contains(err.Error(), "moon") {
		t.Errorf("got %v", err)
	}
}

func FuzzInput(f *testing.F) {
	for _, s := range []string{"3", "a.tif", "{month}.tif", "a.tif,b.tif", "climate", "gs://b/x", ",,,,,,,,,,,"} {
		f.Add("kc", s, s)
	}
	f.Fuzz(func(t *testing.T, name, text, layers string) {
		p := param.DefaultParameters()
		p.Climate = "table:x.csv"
		p.Layers, _ = param.ParseLayers(layers)
		if p.SetInput(name, text) != nil || p.Validate(param.EEMT) != nil {
			return
		}
		for _, in := range p.Inputs() {
			files := in.Files()
			if n := len(files); n != 0 && n != 1 && n != 12 {
				t.Errorf("%s %q passed with %d files", in.Name, text, n)
			}
			for _, file := range files {
				if file == "" || strings.ContainsAny(file, "{}\n") {
					t.Errorf("%s %q passed with the file %q", in.Name, text, file)
				}
			}
			if len(files) == 0 && *in.Values != nil {
				for _, v := range param.Monthly(*in.Values) {
					if !(v >= in.Low && v <= in.High) {
						t.Errorf("%s %q passed with %v", in.Name, text, v)
					}
				}
			}
		}
	})
}
