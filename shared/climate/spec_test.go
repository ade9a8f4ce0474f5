package climate

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestParseSpec(t *testing.T) {
	for in, want := range map[string]Spec{
		"table:climate.csv":                  {Kind: KindTable, Path: "climate.csv"},
		"table:gs://b/a:b.csv":               {Kind: KindTable, Path: "gs://b/a:b.csv"},
		"pixel:oak_ridge.csv":                {Kind: KindPixel, Path: "oak_ridge.csv"},
		"raster:{var}_{year}.tif":            {Kind: KindRaster, Path: "{var}_{year}.tif", Elevation: "dem"},
		"raster:https://h/x/{var}.tif":       {Kind: KindRaster, Path: "https://h/x/{var}.tif", Elevation: "dem"},
		"daymet:https://example.org/monthly": {Kind: KindRaster, Path: "https://example.org/monthly/daymet_v4_{var}_{stat}_na_{year}.tif", Elevation: "dem", NoLeapDays: true},
		"daymet:s3://bucket/daymet/":         {Kind: KindRaster, Path: "s3://bucket/daymet/daymet_v4_{var}_{stat}_na_{year}.tif", Elevation: "dem", NoLeapDays: true},
	} {
		got, err := ParseSpec(in, "", "")
		if err != nil {
			t.Errorf("%s: %v", in, err)
			continue
		}
		if got != want {
			t.Errorf("%s: %+v, want %+v", in, got, want)
		}
		// It travels as JSON.
		b, err := json.Marshal(got)
		if err != nil {
			t.Fatal(err)
		}
		var back Spec
		if err := json.Unmarshal(b, &back); err != nil || back != want {
			t.Errorf("%s: %+v (%v) after JSON", in, back, err)
		}
	}
}

func TestSpecFile(t *testing.T) {
	spec, err := ParseSpec("daymet:d", "z_{year}.tif", "")
	if err != nil {
		t.Fatal(err)
	}
	for variable, want := range map[string]string{
		"tmin": "d/daymet_v4_tmin_monavg_na_2020.tif",
		"vp":   "d/daymet_v4_vp_monavg_na_2020.tif",
		"prcp": "d/daymet_v4_prcp_monttl_na_2020.tif",
	} {
		if got := spec.File(variable, 2020); got != want {
			t.Errorf("%s: %s, want %s", variable, got, want)
		}
	}
	if got := spec.elevationFile(1999); got != "z_1999.tif" {
		t.Errorf("elevation %s, want z_1999.tif", got)
	}
}

func TestParseSpecRefuses(t *testing.T) {
	for name, c := range map[string]struct{ spec, elevation, want string }{
		"empty":             {"", "", `must be "table:FILE.csv", "raster:TEMPLATE"`},
		"bare file":         {"climate.csv", "", `for a table write "table:climate.csv"`},
		"bare template":     {"https://h/{var}.tif", "", `for rasters write "raster:https://h/{var}.tif"`},
		"unknown kind":      {"worldclim:x", "", "must be"},
		"no path":           {"table:", "", "nothing after the colon"},
		"no base":           {"daymet:", "", "nothing after the colon"},
		"no var":            {"raster:t_{year}.tif", "", "{var} is missing"},
		"unknown brace":     {"raster:{var}_{week}.tif", "", "unknown placeholder: must be one of {var} {year} {stat} {month}"},
		"newline":           {"table:a\nb.csv", "", "control character at byte 1"},
		"long":              {"table:" + strings.Repeat("a", 3000), "", "name of 3000 bytes: must be at most 2048"},
		"station elevation": {"table:a.csv", "high", `reference elevation "high" of a climate table: must be -1000 to 9000`},
		"nan elevation":     {"table:a.csv", "NaN", "must be -1000 to 9000"},
		"number":            {"raster:{var}.tif", "1500", `climate elevation "1500": of climate rasters it is the name of a raster in metres, or "dem"`},
		"var in elevation":  {"raster:{var}.tif", "{var}.tif", "unknown placeholder: must be one of {year}"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ParseSpec(c.spec, c.elevation, "")
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v\nwant  %s", err, c.want)
			}
		})
	}
}

func FuzzParseSpec(f *testing.F) {
	for _, s := range []string{"table:a.csv", "raster:{var}_{year}.tif", "daymet:https://h", "daymet:/", "raster:{stat}{var}{", "raster:{var}{y{var}ear}", "table:t{.csv", ":", "table::"} {
		f.Add(s, "")
		f.Add(s, "dem")
	}
	f.Fuzz(func(t *testing.T, s, elevation string) {
		spec, err := ParseSpec(s, elevation, "")
		if err != nil {
			if len(err.Error()) > 4096 {
				t.Errorf("message of %d bytes", len(err.Error()))
			}
			return
		}
		if err := spec.check(); err != nil {
			t.Errorf("%+v: %v", spec, err)
		}
		// A table's name is taken as it is.
		if name := spec.File("prcp", 2020); spec.Kind == KindRaster && strings.ContainsAny(name, "{}\n\x00") {
			t.Errorf("file name %q", name)
		}
	})
}
