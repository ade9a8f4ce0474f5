package submission_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/cyverse-gis/eemt/functions/submission"
	"github.com/cyverse-gis/eemt/functions/submission/openapi"
	"github.com/cyverse-gis/eemt/integration/contract"
	"github.com/cyverse-gis/eemt/shared/param"
)

var loadDefinition = sync.OnceValues(func() (*contract.Contract, error) { return contract.Load(openapi.JSON()) })

// definition is what every answer of these tests is held against.
func definition(t *testing.T) *contract.Contract {
	t.Helper()
	c, err := loadDefinition()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// The definition and the routes are the same.
func TestDefinitionMatchesRoutes(t *testing.T) {
	engine := submission.New(submission.Config{}).Routes()
	defined := definition(t).Operations()
	var routes []string
	for _, r := range engine.Routes() {
		if r.Method == http.MethodHead && !slices.Contains(defined, r.Method+" "+pathOf(r.Path)) {
			continue // as GET, without a body
		}
		routes = append(routes, r.Method+" "+pathOf(r.Path))
	}
	for _, r := range routes {
		if !slices.Contains(defined, r) {
			t.Errorf("%s is served, and not defined", r)
		}
	}
	for _, d := range defined {
		if !slices.Contains(routes, d) {
			t.Errorf("%s is defined, and not served", d)
		}
	}
}

// pathOf writes a route as the definition does.
func pathOf(route string) string {
	parts := strings.Split(route, "/")
	for i, p := range parts {
		switch {
		case p == ":id" && i > 0 && parts[i-1] == "processes":
			parts[i] = "{processID}"
		case p == ":id":
			parts[i] = "{jobID}"
		case strings.HasPrefix(p, ":"), strings.HasPrefix(p, "*"):
			parts[i] = "{" + p[1:] + "}"
		}
	}
	return strings.Join(parts, "/")
}

// What is required is defined, and of alternatives that exclude each other a value fits one: clients are made of that.
func TestDefinitionIsWhole(t *testing.T) {
	var d any
	if err := json.Unmarshal(openapi.JSON(), &d); err != nil {
		t.Fatal(err)
	}
	var walk func(at string, v any)
	walk = func(at string, v any) {
		switch x := v.(type) {
		case []any:
			for i, e := range x {
				walk(fmt.Sprint(at, "/", i), e)
			}
		case map[string]any:
			for name, e := range x {
				walk(at+"/"+name, e)
			}
			properties, _ := x["properties"].(map[string]any)
			required, _ := x["required"].([]any)
			for _, name := range required {
				if _, ok := properties[fmt.Sprint(name)]; !ok {
					t.Errorf("%s requires %s, and does not define it", at, name)
				}
			}
			alternatives, _ := x["oneOf"].([]any)
			kinds := map[any]bool{}
			for _, a := range alternatives {
				m, _ := a.(map[string]any)
				if kinds[m["type"]] {
					t.Errorf("%s: two alternatives of type %v under oneOf", at, m["type"])
				}
				kinds[m["type"]] = true
			}
		}
	}
	walk("", d)
}

// TestDefinitionHasAllParameters: clients with types cannot send, or read, what the definition does not name.
func TestDefinitionHasAllParameters(t *testing.T) {
	var d struct {
		Components struct {
			Schemas map[string]struct{ Properties map[string]any }
		}
	}
	if err := json.Unmarshal(openapi.JSON(), &d); err != nil {
		t.Fatal(err)
	}
	defined := func(schema string, names ...string) {
		for _, name := range names {
			if _, ok := d.Components.Schemas[schema].Properties[name]; name != "" && !ok {
				t.Errorf("%s does not define %s", schema, name)
			}
		}
	}
	property := func(name string) map[string]any {
		p, _ := d.Components.Schemas["submission"].Properties[name].(map[string]any)
		return p
	}
	defined("submission", "dem_file", "prj_file", "climate_file", "pixel_file", "uploaded_filename", "workflow_type", "fresh")
	for _, f := range param.Fields("") {
		defined("submission", f.Name, f.RasterFile())
		defined("suiteParameters", f.Name, f.RasterRecord(), f.WordRecord())
		p := property(f.Name)
		if p["description"] != f.Help() || fmt.Sprint(p["default"]) != strings.Trim(cmp.Or(string(f.Default()), "<nil>"), `"`) {
			t.Errorf("%s is defined as %v, want the default %s and the words %q", f.Name, p, f.Default(), f.Help())
		}
		if values, _ := p["enum"].([]any); len(values) != len(f.Allowed) {
			t.Errorf("%s is one of %v, want %v", f.Name, values, f.Allowed)
		}
		if ranged := !f.Monthly && f.Minimum != f.Maximum; ranged && (p["minimum"] != f.Minimum || p["maximum"] != f.Maximum) {
			t.Errorf("%s is %v to %v, want %g to %g", f.Name, p["minimum"], p["maximum"], f.Minimum, f.Maximum)
		}
	}
	for name, want := range map[string]string{
		"step":        `{"default":15,"description":"time step of the sun's position in minutes, 1 to 60","maximum":60,"minimum":1,"type":"number"}`,
		"north":       `{"default":"true","description":"true: slopes and shadows follow true north; grid: the grid's north, as in r.sun","enum":["true","grid"],"type":"string"}`,
		"linke_file":  `{"description":"a GeoTIFF in place of linke_value, of one band or of twelve","format":"binary","type":"string"}`,
		"daily":       `{"default":false,"description":"also write a map of each of the 365 days","type":"boolean"}`,
		"num_threads": `{"description":"taken and ignored","type":"integer"}`,
	} {
		if got, _ := json.Marshal(property(name)); string(got) != want {
			t.Errorf("%s is defined as %s, want %s", name, got, want)
		}
	}
}

// A breach of the contract is seen.
func TestContractHasTeeth(t *testing.T) {
	for _, c := range []struct {
		name, path, contentType, body string
		status                        int
	}{
		{"another status", "/jobs", "application/json", `{"jobs":[],"links":[]}`, 418},
		{"another type", "/jobs", "text/plain", "x", 200},
		{"a field less", "/jobs", "application/json", `{"jobs":[]}`, 200},
		{"an unknown state", "/jobs/X", "application/json", `{"jobID":"X","type":"process","status":"pending"}`, 200},
		{"a field more", "/jobs", "application/json", `{"jobs":[],"links":[],"pages":1}`, 200},
		{"a field more within", "/jobs", "application/json", `{"jobs":[{"jobID":"X","type":"process","status":"failed","colour":"red"}],"links":[]}`, 200},
		{"an unknown path", "/nothing", "application/json", `{}`, 200},
	} {
		w := httptest.NewRecorder()
		w.Header().Set("Content-Type", c.contentType)
		if err := definition(t).Check(http.MethodGet, c.path, c.status, w.Header(), []byte(c.body)); err == nil {
			t.Errorf("%s passed", c.name)
		}
	}
}
