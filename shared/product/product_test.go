package product_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/cyverse-gis/eemt/shared/param"
	"github.com/cyverse-gis/eemt/shared/preview"
	"github.com/cyverse-gis/eemt/shared/product"
)

// all are parameters that together ask for every kind of map.
func all() map[string]param.Parameters {
	p := param.DefaultParameters()
	p.StartYear, p.EndYear = 2018, 2020
	p.Layers = []param.Layer{param.Beam, param.Diffuse, param.Reflected, param.Horizon, param.SkyView}
	p.Daily = true
	annual := p
	annual.Maps = param.AnnualMaps
	return map[string]param.Parameters{"all": p, "annual": annual, "default": param.DefaultParameters()}
}

func TestMaps(t *testing.T) {
	for name, p := range all() {
		list := product.Maps(param.EEMT, p)
		names := map[string]bool{}
		for _, m := range list {
			if names[m.Name] || m.Description == "" || m.Unit == "" || m.Title == "" || m.Group == "" || m.BytesPerCell <= 0 {
				t.Errorf("%s: %+v is there twice, or lacks something", name, m)
			}
			names[m.Name] = true
			if !slices.Contains(preview.Ramps(), m.Ramp) {
				t.Errorf("%s: %s has the ramp %q, which is none", name, m.Name, m.Ramp)
			}
			if got := product.RampOf(m.Name); got != m.Ramp {
				t.Errorf("%s: the ramp of %s is %q by its name, %q in the table", name, m.Name, got, m.Ramp)
			}
		}
		for _, m := range list {
			if !names[m.Series] {
				t.Errorf("%s: %s belongs to the series %s, which is none of the maps", name, m.Name, m.Series)
			}
			if m.Counterpart != "" && !names[m.Counterpart] {
				t.Errorf("%s: %s is compared with %s, which is none of the maps", name, m.Name, m.Counterpart)
			}
		}
		if !names[product.Default] {
			t.Errorf("%s: the default %s is none of the maps", name, product.Default)
		}
	}
	if n := len(product.Maps(param.Sol, param.DefaultParameters())); n != 82 {
		t.Errorf("a sol job has %d maps, want 82", n)
	}
}

func TestOutputs(t *testing.T) {
	several := all()["all"]
	one := param.DefaultParameters()
	one.StartYear, one.EndYear = 2019, 2019
	for _, c := range []struct {
		output string
		w      param.Workflow
		p      param.Parameters
		want   string
	}{
		{"eemt_topo", param.EEMT, several, "eemt/EEMT_Topo_mean_2018_2020.tif"},
		{"e_ppt_trad", param.EEMT, several, "eemt/E_PPT_Trad_mean_2018_2020.tif"},
		{"e_bio_trad", param.EEMT, one, "eemt/E_BIO_Trad_2019.tif"},
		{"slope", param.Sol, several, "slope_dec.tif"},
		{"wetness", param.EEMT, one, "twi.tif"},
		{"wetness", param.Sol, one, ""},
		{"total_sun", param.Sol, one, "global/annual/total_sun_sum.tif"},
		{"eemt_topo", param.Sol, one, ""},
		{"none", param.EEMT, one, ""},
	} {
		if got := product.OutputFile(c.output, c.w, c.p); got != c.want {
			t.Errorf("%s of %s, %d to %d: %q, want %q", c.output, c.w, c.p.StartYear, c.p.EndYear, got, c.want)
		}
	}
	for _, w := range []param.Workflow{param.Sol, param.EEMT} {
		for _, o := range product.Outputs(w) {
			file := product.OutputFile(o.Name, w, several)
			if file == "" || strings.Contains(o.Title+o.Description, "%") || o.Title == "" {
				t.Errorf("%s: %+v is the file %q", w, o, file)
			}
		}
	}
}

func TestRealSky(t *testing.T) {
	clear, index, factors := param.DefaultParameters(), param.DefaultParameters(), param.DefaultParameters()
	index.KC, factors.KB = []float64{0.8}, []float64{0.5}
	for _, c := range []struct {
		p     param.Parameters
		stem  string
		layer param.Layer
		want  string
	}{
		{clear, "global/annual/total_sun_sum.tif", "", ", clear sky, sum of the year"},
		{index, "global/annual/total_sun_sum.tif", "", ", real sky, sum of the year"},
		{index, "global/annual/beam_rad_sum.tif", param.Beam, ", clear sky, sum of the year"},
		{factors, "global/annual/beam_rad_sum.tif", param.Beam, ", real sky, sum of the year"},
		{factors, "insol/annual/hours_sun_sum.tif", "", "hours of direct sun, sum of the year"},
	} {
		if c.layer != "" {
			c.p.Layers = []param.Layer{c.layer}
		}
		list := product.Maps(param.Sol, c.p)
		i := slices.IndexFunc(list, func(m product.Map) bool { return m.Name == c.stem })
		if i < 0 || !strings.HasSuffix(list[i].Description, c.want) {
			t.Errorf("%s: %d of %d, want %q", c.stem, i, len(list), c.want)
		}
	}
}
