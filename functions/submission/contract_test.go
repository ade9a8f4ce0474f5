package submission_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gin-gonic/gin"

	"github.com/cyverse-gis/eemt/functions/submission"
	"github.com/cyverse-gis/eemt/functions/submission/openapi"
	"github.com/cyverse-gis/eemt/integration/contract"
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
	engine, ok := (&submission.Service{}).Handler().(*gin.Engine)
	if !ok {
		t.Fatal("the handler no longer lists its routes")
	}
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
		{"an unknown path", "/nothing", "application/json", `{}`, 200},
	} {
		w := httptest.NewRecorder()
		w.Header().Set("Content-Type", c.contentType)
		if err := definition(t).Check(http.MethodGet, c.path, c.status, w.Header(), []byte(c.body)); err == nil {
			t.Errorf("%s passed", c.name)
		}
	}
}
