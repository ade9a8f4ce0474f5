package param_test

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/param"
)

func TestValidate(t *testing.T) {
	for _, c := range []struct {
		name string
		set  func(p *param.Parameters)
		w    param.Workflow
		want []string
	}{
		{"defaults", func(*param.Parameters) {}, param.Sol, nil},
		{"edges", func(p *param.Parameters) { p.Step, p.Linke, p.Albedo = 1, []float64{8}, []float64{0} }, param.Sol, nil},
		{"other edges", func(p *param.Parameters) { p.Step, p.Linke, p.Albedo = 60, []float64{1}, []float64{1} }, param.Sol, nil},
		{"sixty years", func(p *param.Parameters) { p.StartYear, p.EndYear = 1961, 2020 }, param.Sol, nil},
		{"workflow", func(*param.Parameters) {}, "moon", []string{`"moon"`, "sol or eemt"}},
		{"step", func(p *param.Parameters) { p.Step = 0.5 }, param.Sol, []string{"step 0.5", "1 to 60 minutes"}},
		{"step NaN", func(p *param.Parameters) { p.Step = math.NaN() }, param.Sol, []string{"step NaN"}},
		{"step infinite", func(p *param.Parameters) { p.Step = math.Inf(1) }, param.Sol, []string{"step +Inf"}},
		{"linke", func(p *param.Parameters) { p.Linke = []float64{8.1} }, param.Sol, []string{"linke-value 8.1", "1 to 8"}},
		{"two linke", func(p *param.Parameters) { p.Linke = []float64{3, 3} }, param.Sol, []string{"2 values", "12"}},
		{"no albedo", func(p *param.Parameters) { p.Albedo = nil }, param.Sol, []string{"albedo-value", "0 values"}},
		{"one month", func(p *param.Parameters) { p.Albedo = []float64{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, -0.1} }, param.Sol, []string{"-0.1", "0 to 1"}},
		{"year", func(p *param.Parameters) { p.StartYear = 1899 }, param.Sol, []string{"start-year 1899", "1900 to 2100"}},
		{"years reversed", func(p *param.Parameters) { p.StartYear, p.EndYear = 2001, 2000 }, param.Sol, []string{"2000", "2001"}},
		{"too many years", func(p *param.Parameters) { p.StartYear, p.EndYear = 1960, 2020 }, param.Sol, []string{"60 years"}},
		{"overflow", func(p *param.Parameters) { p.StartYear, p.EndYear = math.MinInt, math.MaxInt }, param.Sol, []string{"1900 to 2100"}},
		{"north", func(p *param.Parameters) { p.North = "" }, param.Sol, []string{"north", "true or grid"}},
		{"tile", func(p *param.Parameters) { p.TileSize = 31 }, param.Sol, []string{"tile-size 31", "32 to 4096"}},
		{"maps", func(p *param.Parameters) { p.Maps = "monthly" }, param.Sol, []string{`maps "monthly"`, "all or annual"}},
		{"annual maps", func(p *param.Parameters) { p.Maps = param.AnnualMaps }, param.Sol, nil},
		{"annual maps of every day", func(p *param.Parameters) { p.Maps, p.Daily = param.AnnualMaps, true }, param.Sol, []string{"maps annual", "daily"}},
		{"maps of a record that has none", func(p *param.Parameters) { p.Maps = "" }, param.Sol, nil},
		{"climate", func(*param.Parameters) {}, param.EEMT, []string{"climate", "table:FILE.csv"}},
		{"two faults", func(p *param.Parameters) { p.Step, p.Shadows = 90, "maybe" }, param.Sol, []string{"step 90", `"maybe"`, "on or off"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := param.DefaultParameters()
			c.set(&p)
			err := p.Validate(c.w)
			if (err == nil) != (c.want == nil) {
				t.Fatalf("got %v", err)
			}
			for _, w := range c.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("%q does not say %q", err, w)
				}
			}
		})
	}
}

func TestYearsAndMonths(t *testing.T) {
	p := param.DefaultParameters()
	p.StartYear, p.EndYear = 2019, 2021
	if y := p.Years(); len(y) != 3 || y[0] != 2019 || y[2] != 2021 {
		t.Errorf("years %v", y)
	}
	if m := param.Monthly([]float64{3}); m[0] != 3 || m[11] != 3 {
		t.Errorf("one value: %v", m)
	}
	twelve := []float64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}
	if m := param.Monthly(twelve); m[0] != 1 || m[11] != 12 {
		t.Errorf("twelve values: %v", m)
	}
	if m := param.Monthly(nil); !math.IsNaN(m[5]) {
		t.Errorf("no value: %v", m)
	}
}

func TestFingerprintTellsWorkApart(t *testing.T) {
	p := param.DefaultParameters()
	q := p
	q.Step = 14
	annual := p
	annual.Maps = param.AnnualMaps
	seen := map[string]string{}
	for name, f := range map[string]string{
		"base": job.Fingerprint("1", param.Sol, p, "aa"), "version": job.Fingerprint("2", param.Sol, p, "aa"), "workflow": job.Fingerprint("1", param.EEMT, p, "aa"),
		"parameters": job.Fingerprint("1", param.Sol, q, "aa"), "maps": job.Fingerprint("1", param.Sol, annual, "aa"), "DEM": job.Fingerprint("1", param.Sol, p, "ab"),
	} {
		if other, ok := seen[f]; ok {
			t.Errorf("%s and %s have the same fingerprint", name, other)
		}
		seen[f] = name
	}
	if a, b := job.Fingerprint("1", param.Sol, p, "aa"), job.Fingerprint("1", param.Sol, param.DefaultParameters(), "aa"); a != b {
		t.Error("equal work has different fingerprints")
	}
	// Records of before there was a choice of maps are of equal work.
	before := p
	before.Maps = ""
	if a, b := job.Fingerprint("1", param.Sol, p, "aa"), job.Fingerprint("1", param.Sol, before, "aa"); a != b {
		t.Error("all maps, and none named, have different fingerprints")
	}
	if data, err := json.Marshal(p); err != nil || strings.Contains(string(data), "maps") {
		t.Errorf("the usual maps are in the record, and so in the fingerprint: %s (%v)", data, err)
	}
}

func FuzzParseMonthly(f *testing.F) {
	for _, s := range []string{"3", "3.0, 2", "", ",", "1,2,3,4,5,6,7,8,9,10,11,12", "NaN", "1e999", "0x1p-2"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		v, err := param.ParseMonthly(s)
		if err != nil {
			if err.Error() == "" {
				t.Error("an error without words")
			}
			return
		}
		if len(v) != 1 && len(v) != 12 {
			t.Errorf("%d values of %q", len(v), s)
		}
		p := param.DefaultParameters()
		p.Linke = v
		if p.Validate(param.Sol) == nil {
			for _, m := range param.Monthly(v) {
				if !(m >= 1 && m <= 8) {
					t.Errorf("%q passed with %v", s, m)
				}
			}
		}
	})
}

func FuzzParameters(f *testing.F) {
	data, _ := json.Marshal(param.DefaultParameters())
	f.Add(string(data), "sol")
	f.Add(`{"step":1e308,"linke_value":null,"start_year":-9223372036854775808,"end_year":9223372036854775807}`, "eemt")
	f.Fuzz(func(t *testing.T, text, workflow string) {
		p := param.DefaultParameters()
		if json.Unmarshal([]byte(text), &p) != nil {
			return
		}
		if err := p.Validate(param.Workflow(workflow)); err != nil {
			return
		}
		if n := len(p.Years()); n < 1 || n > 60 || !(p.Step >= 1 && p.Step <= 60) {
			t.Errorf("%s passed: %d years, step %g", text, n, p.Step)
		}
	})
}
