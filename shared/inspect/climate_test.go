package inspect_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cyverse-gis/eemt/integration/reference"
	"github.com/cyverse-gis/eemt/shared/dem/demtest"
	"github.com/cyverse-gis/eemt/shared/finding"
	"github.com/cyverse-gis/eemt/shared/inspect"
	"github.com/cyverse-gis/eemt/shared/raster"
)

// files opens texts by name.
func files(texts map[string]string) func(context.Context, string) (io.ReaderAt, int64, io.Closer, error) {
	return func(_ context.Context, name string) (io.ReaderAt, int64, io.Closer, error) {
		text, ok := texts[name]
		if !ok {
			return nil, 0, nil, errors.New("no such file " + name)
		}
		return strings.NewReader(text), int64(len(text)), io.NopCloser(nil), nil
	}
}

// of finds the finding of a code.
func of(list finding.List, code finding.Code) *finding.Finding {
	if i := slices.IndexFunc(list, func(f finding.Finding) bool { return f.Code == code }); i >= 0 {
		return &list[i]
	}
	return nil
}

// The DEM lies at 39.01 N 106.99 W and has 2340 to 2563 m.
func TestClimateAgainstTheDEM(t *testing.T) {
	_, months, _ := strings.Cut(station, "month")
	months = "month" + months
	at := func(lat, lon, z float64) string {
		return fmt.Sprintf("# latitude: %g\n# longitude: %g\n# elevation_m: %g\n", lat, lon, z) + months
	}
	south := strings.NewReplacer("\n1,", "\n7,", "\n2,", "\n8,", "\n3,", "\n9,", "\n4,", "\n10,", "\n5,", "\n11,", "\n6,", "\n12,", "\n7,", "\n1,", "\n8,", "\n2,", "\n9,", "\n3,", "\n10,", "\n4,", "\n11,", "\n5,", "\n12,", "\n6,")
	kilopascals := strings.NewReplacer(",210\n", ",0.21\n", ",340\n", ",0.34\n", ",330\n", ",0.33\n", ",450\n", ",0.45\n", ",640\n", ",0.64\n", ",800\n", ",0.8\n",
		",1050\n", ",1.05\n", ",1020\n", ",1.02\n", ",760\n", ",0.76\n", ",520\n", ",0.52\n", ",230\n", ",0.23\n")
	for name, c := range map[string]struct {
		table    string
		units    string
		accept   []finding.Code
		code     finding.Code
		severity finding.Severity // empty: nothing of the code
		want     string
		usable   bool
	}{
		"at the DEM":                {at(39, -107, 2400), "", nil, finding.ClimatePlace, "", "", true},
		"40 km away":                {at(39.36, -107, 2400), "", nil, finding.ClimatePlace, "", "", true},
		"110 km away":               {at(40, -107, 2400), "", nil, finding.ClimatePlace, finding.Doubt, "110 km from the DEM", true},
		"0 to 360":                  {at(39, 253, 2400), "", nil, finding.ClimatePlace, "", "", true},
		"another place":             {at(-37, 174.8, 7), "", nil, finding.ClimatePlace, finding.Refusal, "the climate of another place", false},
		"another place, accepted":   {at(36.01, -84.26, 2400), "", []finding.Code{finding.ClimatePlace}, finding.ClimatePlace, finding.Refusal, "km from the DEM", true},
		"no place":                  {"# elevation_m: 2400\n" + months, "", nil, finding.ClimatePlace, finding.Note, "# latitude:", true},
		"other hemisphere":          {at(39, -107, 2400)[:60] + south.Replace(at(39, -107, 2400)[60:]), "", nil, finding.ClimateHemisphere, finding.Refusal, "the warmest month of the climate is January", false},
		"far below":                 {at(39, -107, 279), "", nil, finding.ClimateElevation, finding.Doubt, "over 2284 m, which is up to 14.8 K", true},
		"a little below":            {at(39, -107, 2000), "", nil, finding.ClimateElevation, finding.Note, "2000 m, to the DEM's, 2340 to 2563 m", true},
		"vapour pressure in kPa":    {kilopascals.Replace(at(39, -107, 2400)), "", nil, finding.ClimateVapour, finding.Refusal, "looks like vapour pressure in kPa; turn it into Pa, or have it done: --climate-units vapour=kPa", false},
		"the same, turned into Pa":  {kilopascals.Replace(at(39, -107, 2400)), "vapour=kPa", nil, finding.ClimateVapour, "", "", true},
		"a unit that there is not":  {at(39, -107, 2400), "vapour=bar", nil, finding.ClimateUnreadable, finding.Refusal, "vapour must be in one of Pa hPa kPa", false},
		"no vapour pressure":        {strings.ReplaceAll(at(39, -107, 2400), ",vp", ",year,vp"), "", nil, finding.ClimateUnreadable, finding.Refusal, "5 values: must be 6", false},
		"a climate without EEMT":    {at(39, -107, 2400), "precipitation=mm/year", nil, finding.ModelTrad, finding.Doubt, "EEMT-TRAD will be 0 everywhere", true},
		"kelvin":                    {strings.Replace(at(39, -107, 2400), "1,-12,0,", "1,261.15,273.15,", 1), "", nil, finding.ClimateTemperature, finding.Refusal, "must be a number from -60 to 42", false},
		"a table of another system": {"\xff\xfem\x00", "", nil, finding.ClimateUnreadable, finding.Refusal, "iconv -f UTF-16 -t UTF-8 station.csv > station_utf8.csv", false},
	} {
		p := with("table:station.csv")
		p.ClimateUnits, p.Accept = c.units, c.accept
		r := inspectData(t, demtest.Encode(t, demtest.Hills(24, 20)), inspect.Options{
			Parameters: p, Open: files(map[string]string{"station.csv": c.table}),
		})
		f := of(r.Findings, c.code)
		switch {
		case r.Usable != c.usable:
			t.Errorf("%s: usable %t, %v", name, r.Usable, r.Findings.Sentences())
		case c.severity == "" && f != nil:
			t.Errorf("%s: %s", name, f.Sentence())
		case c.severity != "" && (f == nil || f.Severity != c.severity || !strings.Contains(f.Sentence(), c.want)):
			t.Errorf("%s: %v, want %s: %s", name, r.Findings.Sentences(), c.severity, c.want)
		}
	}
}

// A table without vapour pressure is read, which a dry climate makes a doubt.
func TestVapourPressureDerived(t *testing.T) {
	for name, c := range map[string]struct {
		prcp     float64
		severity finding.Severity
	}{"dry": {15, finding.Doubt}, "moist": {90, finding.Note}} {
		var b strings.Builder
		b.WriteString("# latitude: 39\n# longitude: -107\n# elevation_m: 2400\nMonth;TMin;TMax;Prcp\n")
		for m := range 12 {
			s := 9 * math.Cos(2*math.Pi*(float64(m)-6)/12)
			fmt.Fprintf(&b, "%s;%s;%.1f;%.1f\n", strings.ToUpper([12]string{"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}[m]),
				strings.Replace(fmt.Sprintf("%.1f", s), ".", ",", 1), s+13, c.prcp+s)
		}
		r := inspectData(t, demtest.Encode(t, demtest.Hills(24, 20)), inspect.Options{Parameters: with("table:a.csv"), Open: files(map[string]string{"a.csv": b.String()})})
		if f := of(r.Findings, finding.ClimateVapour); f == nil || f.Severity != c.severity || !strings.Contains(f.Message, "saturation at tmin stands for it") || !r.Usable {
			t.Errorf("%s: %v", name, r.Findings.Sentences())
		}
	}
}

// The production of EEMT-TOPO is doubted where its regression stands at its floor, or was not fitted, on a tenth of the cells.
func TestProductionOutsideItsFit(t *testing.T) {
	low := func(z float64, share int) *raster.Grid[float64] {
		g := demtest.Hills(20, 20)
		for i := range g.Cells {
			g.Cells[i] -= 600
			if i%20 < share {
				g.Cells[i] = z + float64(i%7)
			}
		}
		return g
	}
	for name, c := range map[string]struct {
		g    *raster.Grid[float64]
		want string
	}{
		"within":         {low(1500, 20), ""},
		"a tenth":        {low(600, 2), ""},
		"more":           {low(600, 3), "15 % of the cells lie below 736 m, where it stands at its floor of 100 g m-2 yr-1 on level ground; Lieth's equation, as in EEMT-TRAD, gives 1003 g m-2 yr-1 at the mean of 5.3 degC"},
		"a coast":        {low(5, 20), "100 % of the cells lie below 736 m"},
		"high mountains": {low(4000, 20), "100 % lie above 2850 m, where it gives up to 1375 g m-2 yr-1"},
	} {
		p := with("table:station.csv")
		p.ClimateElevation = "1500"
		r := inspectData(t, demtest.Encode(t, c.g), inspect.Options{
			Parameters: p, Open: files(map[string]string{"station.csv": station}),
		})
		f := of(r.Findings, finding.ModelProduction)
		if (f != nil) != (c.want != "") || f != nil && (f.Severity != finding.Doubt || !strings.Contains(f.Message, c.want)) {
			t.Errorf("%s: %v", name, r.Findings.Sentences())
		}
	}
}

// The small inputs of review: vapour pressure in kPa is refused, the same in Pa is not.
func TestVapourPressureOfCases(t *testing.T) {
	folder := filepath.Join(reference.Data(t), "cases")
	data, err := os.ReadFile(filepath.Join(folder, "alpha_expected.tif"))
	if err != nil {
		t.Fatal(err)
	}
	for name, refused := range map[string]bool{"vp_in_kpa.csv": true, "vp_in_pa_expected.csv": false} {
		table, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			t.Fatal(err)
		}
		r := inspectData(t, data, inspect.Options{Parameters: with("table:" + name), Open: files(map[string]string{name: string(table)})})
		f := of(r.Findings, finding.ClimateVapour)
		if r.Usable == refused || (f != nil) != refused || refused && !strings.Contains(f.Sentence(), "vapour pressure in kPa") {
			t.Errorf("%s: %v", name, r.Findings.Sentences())
		}
	}
}
