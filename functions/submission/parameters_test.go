package submission_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/cyverse-gis/eemt/shared/dem/demtest"
	"github.com/cyverse-gis/eemt/shared/param"
	"github.com/cyverse-gis/eemt/shared/raster"
)

// Every parameter of the table is an input of its process, with its words, range, values and default: the page's form is
// made of these descriptions.
func TestProcessesTakeAllParameters(t *testing.T) {
	s := newService(t, nil)
	for _, w := range []param.Workflow{param.Sol, param.EEMT} {
		var process struct {
			Inputs map[string]struct {
				Title, Description string
				MinOccurs          int
				Schema             json.RawMessage
			}
		}
		a := s.get(t, "/processes/"+string(w))
		if err := json.Unmarshal([]byte(a.body), &process); err != nil {
			t.Fatal(err)
		}
		if got, want := len(process.Inputs), 2+len(param.Fields(w)); got != want {
			t.Errorf("%s has %d inputs, want the DEM, fresh, and the table's %d", w, got, want-2)
		}
		for _, f := range param.Fields(w) {
			in, schema := process.Inputs[f.Name], string(process.Inputs[f.Name].Schema)
			if in.Title != f.Title || in.Description != f.Words() || (in.MinOccurs > 0) != f.Required {
				t.Errorf("%s: input %s is described as %+v", w, f.Name, in)
			}
			var want []string
			if f.Minimum != f.Maximum {
				want = append(want, fmt.Sprintf(`"maximum":%g`, f.Maximum), fmt.Sprintf(`"minimum":%g`, f.Minimum))
			}
			for _, v := range append(f.Allowed, f.Items...) {
				want = append(want, fmt.Sprintf("%q", v))
			}
			if d := f.Default(); d != nil {
				want = append(want, `"default":`+string(d))
			}
			if f.Raster != "" {
				want = append(want, fmt.Sprintf(`"x-file-field":%q`, f.RasterFile()), f.Word)
			}
			for _, part := range want {
				if !strings.Contains(schema, part) {
					t.Errorf("%s: the schema of input %s lacks %s: %s", w, f.Name, part, schema)
				}
			}
		}
	}
}

// The page without scripts has a form of its own.
func TestFormWithoutScriptsHasTheTablesRange(t *testing.T) {
	s := newService(t, nil)
	a := s.do(t, http.MethodGet, "/", nil, "Accept", "text/html")
	f, _ := param.FieldOf("step")
	if want := fmt.Sprintf(`<input type="number" name="step" value="%s" min="%g" max="%g" step="any">`, f.Default(), f.Minimum, f.Maximum); !strings.Contains(a.body, want) {
		t.Errorf("the page lacks %s: %s", want, a.body)
	}
}

// TestAnswersNameFields: who sends a request is told of fields, not of flags of the command line, at every door.
func TestAnswersNameFields(t *testing.T) {
	s := newService(t, nil)
	nowhere := string(demtest.EncodeAs(t, demtest.Hills(5, 5), demtest.Transform(), raster.GeoKeys{}))
	s.drop(t, "uploads/nowhere.tif", nowhere)
	s.take(t, "uploads/nowhere.tif")
	id := s.only(t).Request.ID
	dem := base64.StdEncoding.EncodeToString([]byte(nowhere))
	for door, a := range map[string]answer{
		"form":     s.post(t, "/api/submit-job", field{"dem_file", nowhere, "dem.tif"}),
		"check":    s.post(t, "/api/check", field{"dem_file", nowhere, "dem.tif"}),
		"standard": s.do(t, "POST", "/processes/sol/execution", strings.NewReader(`{"inputs": {"dem": "`+dem+`"}}`), "Content-Type", "application/json"),
		"job":      s.get(t, "/api/jobs/"+id), "status": s.get(t, "/jobs/"+id), "list": s.get(t, "/jobs"), "results": s.get(t, "/jobs/"+id+"/results"), "log": s.get(t, "/api/jobs/"+id+"/logs"),
	} {
		if strings.Contains(a.body, " --dem") || strings.Contains(a.body, "--accept") || !strings.Contains(a.body, "dem_crs=EPSG:CODE") {
			t.Errorf("%s: %d %s", door, a.status, a.body)
		}
	}
}
