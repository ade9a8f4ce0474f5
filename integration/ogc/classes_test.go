package ogc_test

import (
	"encoding/base64"
	"errors"
	"io"
	"math"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/cyverse-gis/eemt/shared/dem/demtest"
	"github.com/cyverse-gis/eemt/shared/raster"
)

// voidDEM has no cell with an elevation.
func voidDEM(t *testing.T) string {
	t.Helper()
	g := raster.New[float64](8, 8)
	for i := range g.Cells {
		g.Cells[i] = math.NaN()
	}
	return base64.StdEncoding.EncodeToString(demtest.Encode(t, g))
}

// pages are resources that have a representation for programs, and one for people.
func pages(t *testing.T) []string {
	return []string{"/", "/conformance", "/processes", "/processes/sol", "/jobs", "/jobs/" + completed(t), "/jobs/" + completed(t) + "/results"}
}

// /req/json/definition
func TestJSONDefinition(t *testing.T) {
	for _, p := range pages(t) {
		r := get(t, p, "Accept", "application/json").want(t, http.StatusOK)
		if !strings.HasPrefix(r.header.Get("Content-Type"), "application/json") {
			t.Errorf("%s: %s", p, r.header.Get("Content-Type"))
		}
		r.object(t)
	}
}

const browser = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"

// /req/html/definition
func TestHTMLDefinition(t *testing.T) {
	for _, p := range append(pages(t), "/api") {
		r := get(t, p, "Accept", browser).want(t, http.StatusOK)
		if !strings.HasPrefix(r.header.Get("Content-Type"), "text/html") {
			t.Errorf("%s: %s", p, r.header.Get("Content-Type"))
		}
		z := html.NewTokenizer(strings.NewReader(string(r.body)))
		for z.Next() != html.ErrorToken {
			// Only the page at / runs scripts, and none that stand in the document.
			if token := z.Token(); token.Data == "script" && token.Type == html.StartTagToken && (p != "/" || !hasSource(token)) {
				t.Errorf("%s holds a script", p)
			}
		}
		if !errors.Is(z.Err(), io.EOF) {
			t.Errorf("%s is no HTML: %v", p, z.Err())
		}
		if !strings.Contains(r.header.Get("Content-Security-Policy"), "default-src 'none'") {
			t.Errorf("%s: policy %q", p, r.header.Get("Content-Security-Policy"))
		}
	}
}

func hasSource(script html.Token) bool {
	for _, a := range script.Attr {
		if a.Key == "src" && strings.HasPrefix(a.Val, "/") {
			return true
		}
	}
	return false
}

// /req/html/content
func TestHTMLContent(t *testing.T) {
	id := completed(t)
	r := get(t, "/jobs/"+id, "Accept", browser)
	for _, want := range []string{id, "successful", `href="` + under(t).url + "/jobs/" + id + `/results"`} {
		if !strings.Contains(string(r.body), want) {
			t.Errorf("the page of a job does not show %s", want)
		}
	}
	// Every link of the JSON is a link of the page.
	for _, p := range []string{"/processes/sol", "/jobs/" + id, "/conformance"} {
		page := string(get(t, p, "Accept", browser).body)
		if l, ok := get(t, p).object(t)["links"]; ok {
			for _, x := range links(t, l) {
				if !strings.Contains(page, `href="`+x.Href+`"`) {
					t.Errorf("%s: link to %s is missing on the page", p, x.Href)
				}
			}
		}
	}
}

// /req/oas30/oas-definition-1
func TestOas30OasDefinition1(t *testing.T) {
	r := get(t, follow(t, get(t, "/").object(t)["links"], "service-desc")).want(t, http.StatusOK)
	if r.header.Get("Content-Type") != "application/vnd.oai.openapi+json;version=3.0" {
		t.Errorf("content type %q", r.header.Get("Content-Type"))
	}
}

// /req/oas30/oas-definition-2
func TestOas30OasDefinition2(t *testing.T) {
	// Loading it has validated it.
	if v := get(t, "/api").object(t)["openapi"]; v != "3.0.3" {
		t.Errorf("openapi is %v", v)
	}
}

// /req/oas30/oas-impl
func TestOas30OasImpl(t *testing.T) {
	for _, op := range under(t).definition.Operations() {
		method, path, _ := strings.Cut(op, " ")
		if method != http.MethodGet || strings.Contains(path, "{") {
			continue
		}
		get(t, path) // held against the definition
	}
}

// /req/oas30/exceptions-codes
func TestOas30ExceptionsCodes(t *testing.T) {
	get(t, "/jobs?limit=x").problem(t, http.StatusBadRequest, "")
	get(t, "/jobs?colour=blue").problem(t, http.StatusBadRequest, "")
	get(t, "/jobs/none").problem(t, http.StatusNotFound, "")
	do(t, http.MethodPost, "/processes/sol/execution", strings.Repeat(" ", 17<<20)+"{}").problem(t, http.StatusRequestEntityTooLarge, "")
}

// description calls f with each process.
func description(t *testing.T, f func(t *testing.T, p object)) {
	t.Helper()
	for _, id := range processes(t) {
		t.Run(id, func(t *testing.T) { f(t, get(t, "/processes/"+id).want(t, http.StatusOK).object(t)) })
	}
}

// /req/ogc-process-description/json-encoding
func TestOgcProcessDescriptionJSONEncoding(t *testing.T) {
	description(t, func(t *testing.T, p object) {
		for _, k := range []string{"id", "title", "version", "jobControlOptions", "outputTransmission", "inputs", "outputs", "links"} {
			if p[k] == nil {
				t.Errorf("%s is missing", k)
			}
		}
	})
}

// /req/ogc-process-description/inputs-def
func TestOgcProcessDescriptionInputsDef(t *testing.T) {
	description(t, func(t *testing.T, p object) {
		if in, ok := p["inputs"].(object); !ok || len(in) == 0 {
			t.Errorf("inputs are %v", p["inputs"])
		}
	})
}

// schemas checks that each input or output of a process has a schema that is one.
func schemas(t *testing.T, v any) {
	t.Helper()
	m, _ := v.(object)
	for name, x := range m {
		d, _ := x.(object)
		s, _ := d["schema"].(object)
		if s["type"] == nil && s["anyOf"] == nil && s["oneOf"] == nil && s["$ref"] == nil {
			t.Errorf("%s: schema %v", name, s)
		}
	}
}

// /req/ogc-process-description/input-def
func TestOgcProcessDescriptionInputDef(t *testing.T) {
	description(t, func(t *testing.T, p object) { schemas(t, p["inputs"]) })
}

// mixed checks that alternatives of binary values name their media types.
func mixed(t *testing.T, v any) {
	t.Helper()
	m, _ := v.(object)
	for name, x := range m {
		d, _ := x.(object)
		s, _ := d["schema"].(object)
		some, _ := s["anyOf"].([]any)
		one, _ := s["oneOf"].([]any)
		for _, o := range append(some, one...) {
			alternative, _ := o.(object)
			if alternative["contentEncoding"] != nil && alternative["contentMediaType"] == nil {
				t.Errorf("%s: %v names no media type", name, alternative)
			}
		}
	}
}

// /req/ogc-process-description/input-mixed-type
func TestOgcProcessDescriptionInputMixedType(t *testing.T) {
	description(t, func(t *testing.T, p object) { mixed(t, p["inputs"]) })
}

// /req/ogc-process-description/outputs-def
func TestOgcProcessDescriptionOutputsDef(t *testing.T) {
	description(t, func(t *testing.T, p object) {
		if out, ok := p["outputs"].(object); !ok || len(out) == 0 {
			t.Errorf("outputs are %v", p["outputs"])
		}
	})
}

// /req/ogc-process-description/output-def
func TestOgcProcessDescriptionOutputDef(t *testing.T) {
	description(t, func(t *testing.T, p object) { schemas(t, p["outputs"]) })
}

// /req/ogc-process-description/output-mixed-type
func TestOgcProcessDescriptionOutputMixedType(t *testing.T) {
	description(t, func(t *testing.T, p object) { mixed(t, p["outputs"]) })
}

func jobList(t *testing.T, query string) []object {
	t.Helper()
	var list []object
	jobs, _ := get(t, "/jobs"+query).want(t, http.StatusOK).object(t)["jobs"].([]any)
	for _, j := range jobs {
		m, _ := j.(object)
		list = append(list, m)
	}
	return list
}

// /req/job-list/job-list-op
func TestJobListOp(t *testing.T) { get(t, "/jobs").want(t, http.StatusOK) }

func arrayParameter(t *testing.T, name string) {
	t.Helper()
	p := parameter(t, "/jobs", name)
	s, _ := p["schema"].(object)
	if p["in"] != "query" || p["required"] == true || s["type"] != "array" {
		t.Errorf("%s is %v", name, p)
	}
}

// /req/job-list/type-definition
func TestJobListTypeDefinition(t *testing.T) { arrayParameter(t, "type") }

// /req/job-list/type-response
func TestJobListTypeResponse(t *testing.T) {
	completed(t)
	if len(jobList(t, "?type=process")) == 0 {
		t.Error("no job of type process")
	}
	get(t, "/jobs?type=moon").problem(t, http.StatusBadRequest, "")
}

// /req/job-list/processid-mandatory
func TestJobListProcessidMandatory(t *testing.T) {
	completed(t)
	for _, j := range jobList(t, "") {
		if j["processID"] == nil {
			t.Errorf("%v has no processID", j)
		}
	}
}

// /req/job-list/processid-definition
func TestJobListProcessidDefinition(t *testing.T) { arrayParameter(t, "processID") }

// /req/job-list/processid-response
func TestJobListProcessidResponse(t *testing.T) {
	completed(t)
	if len(jobList(t, "?processID=sol,eemt")) == 0 || len(jobList(t, "?processID=moon")) != 0 {
		t.Error("processID does not filter")
	}
	for _, j := range jobList(t, "?processID=sol") {
		if j["processID"] != "sol" {
			t.Errorf("%v", j)
		}
	}
}

// /req/job-list/status-definition
func TestJobListStatusDefinition(t *testing.T) { arrayParameter(t, "status") }

// /req/job-list/status-response
func TestJobListStatusResponse(t *testing.T) {
	completed(t)
	await(t, failing(t))
	for _, status := range []string{"successful", "failed"} {
		list := jobList(t, "?limit=5&status="+status)
		if len(list) == 0 {
			t.Errorf("no job is %s", status)
		}
		for _, j := range list {
			if j["status"] != status {
				t.Errorf("%v", j)
			}
		}
	}
	get(t, "/jobs?status=done").problem(t, http.StatusBadRequest, "")
}

// /req/job-list/datetime-definition
func TestJobListDatetimeDefinition(t *testing.T) {
	if p := parameter(t, "/jobs", "datetime"); p["in"] != "query" || p["required"] == true {
		t.Errorf("%v", p)
	}
}

// /req/job-list/datetime-response
func TestJobListDatetimeResponse(t *testing.T) {
	info := get(t, "/jobs/"+completed(t)).object(t)
	at, err := time.Parse(time.RFC3339, sprint(info["created"]))
	if err != nil {
		t.Fatal(err)
	}
	text := func(d time.Duration) string { return at.Add(d).UTC().Format(time.RFC3339) }
	for query, found := range map[string]bool{
		text(-time.Hour) + "/..":                     true,
		"../" + text(time.Minute):                    true,
		text(-time.Minute) + "/" + text(time.Minute): true,
		text(time.Hour) + "/..":                      false,
		"../" + text(-time.Hour):                     false,
		"/" + text(-time.Hour):                       false,
	} {
		list := jobList(t, "?limit=200&datetime="+queryEscape(query))
		if slices.ContainsFunc(list, func(j object) bool { return j["jobID"] == completed(t) }) != found {
			t.Errorf("datetime=%s: found should be %t", query, found)
		}
	}
	for _, bad := range []string{"yesterday", text(0) + "/" + text(-time.Hour), "2026-13-01T00:00:00Z"} {
		get(t, "/jobs?datetime="+queryEscape(bad)).problem(t, http.StatusBadRequest, "")
	}
}

// /req/job-list/duration-definition
func TestJobListDurationDefinition(t *testing.T) {
	for _, name := range []string{"minDuration", "maxDuration"} {
		p := parameter(t, "/jobs", name)
		s, _ := p["schema"].(object)
		if p["in"] != "query" || s["type"] != "integer" {
			t.Errorf("%v", p)
		}
	}
}

// /req/job-list/duration-response
func TestJobListDurationResponse(t *testing.T) {
	id := completed(t)
	if list := jobList(t, "?limit=200&maxDuration=3600"); !slices.ContainsFunc(list, func(j object) bool { return j["jobID"] == id }) {
		t.Error("maxDuration=3600 hides a short job")
	}
	if list := jobList(t, "?limit=200&minDuration=3600"); slices.ContainsFunc(list, func(j object) bool { return j["jobID"] == id }) {
		t.Error("minDuration=3600 shows a short job")
	}
	get(t, "/jobs?minDuration=-1").problem(t, http.StatusBadRequest, "")
}

// /req/job-list/limit-definition
func TestJobListLimitDefinition(t *testing.T) {
	s, _ := parameter(t, "/jobs", "limit")["schema"].(object)
	if s["type"] != "integer" || s["minimum"] != 1.0 || s["default"] == nil || s["maximum"] == nil {
		t.Errorf("%v", s)
	}
}

// /req/job-list/limit-response
func TestJobListLimitResponse(t *testing.T) {
	completed(t)
	if n := len(jobList(t, "?limit=1")); n != 1 {
		t.Errorf("%d jobs with limit=1", n)
	}
	get(t, "/jobs?limit=100000").want(t, http.StatusOK)
}

// /req/job-list/job-list-success
func TestJobListSuccess(t *testing.T) {
	completed(t)
	var last time.Time
	for _, j := range jobList(t, "") {
		now, err := time.Parse(time.RFC3339Nano, sprint(j["created"]))
		if err != nil {
			t.Fatal(err)
		}
		now = now.Truncate(time.Millisecond) // jobs of the same one are in no order
		if !last.IsZero() && now.After(last) {
			t.Errorf("%s comes after %s: want newest first", now, last)
		}
		last = now
		get(t, follow(t, j["links"], "self")).want(t, http.StatusOK)
	}
}

// /req/job-list/links
func TestJobListLinks(t *testing.T) {
	completed(t)
	execute(t, "sol", solRequest(t, nil))
	first := get(t, "/jobs?limit=1").object(t)
	follow(t, first["links"], "self")
	second := get(t, follow(t, first["links"], "next")).want(t, http.StatusOK).object(t)
	if sprint(first["jobs"]) == sprint(second["jobs"]) {
		t.Error("the next page is the first one again")
	}
	seen := map[string]bool{}
	address := "/jobs?limit=3"
	for address != "" {
		page := get(t, address).want(t, http.StatusOK).object(t)
		jobs, _ := page["jobs"].([]any)
		for _, j := range jobs {
			m, _ := j.(object)
			id := sprint(m["jobID"])
			if seen[id] {
				t.Errorf("job %s is listed twice", id)
			}
			seen[id] = true
		}
		address = ""
		for _, l := range links(t, page["links"]) {
			if l.Rel == "next" {
				address = l.Href
			}
		}
	}
	if !seen[completed(t)] {
		t.Error("the pages do not lead to every job")
	}
	get(t, "/jobs?cursor=zzz").problem(t, http.StatusBadRequest, "")
}

// /req/dismiss/job-dismiss-op
func TestDismissJobDismissOp(t *testing.T) {
	id := execute(t, "sol", solRequest(t, nil))
	do(t, http.MethodDelete, "/jobs/"+id, nil).want(t, http.StatusOK)
	do(t, http.MethodDelete, "/jobs/01JTEST0000000000000000099", nil).problem(t, http.StatusNotFound, exceptions+"no-such-job")
}

// /req/dismiss/job-dismiss-success
func TestDismissJobDismissSuccess(t *testing.T) {
	echoOffered(t)
	for name, id := range map[string]string{
		"running":   execute(t, "echo", object{"inputs": object{"stringInput": "Value1", "pause": 50}}),
		"completed": execute(t, "echo", object{"inputs": object{"stringInput": "Value1"}}),
	} {
		info := do(t, http.MethodDelete, "/jobs/"+id, nil).want(t, http.StatusOK).object(t)
		if info["status"] != "dismissed" || info["jobID"] != id {
			t.Errorf("%s: %v", name, info)
		}
		get(t, "/jobs/"+id).problem(t, http.StatusNotFound, exceptions+"no-such-job")
	}
}

// /req/callback/job-callback
func TestCallbackJobCallback(t *testing.T) {
	sub := under(t).subscriber
	if sub == nil {
		t.Skipf("SKIPPED: %s is not set", listenVariable)
	}
	subscribe := func(name string) object {
		return object{"successUri": sub.url + "/" + name + "/success", "inProgressUri": sub.url + "/" + name + "/progress", "failedUri": sub.url + "/" + name + "/failed"}
	}
	// The subscriber is away at first: it is told at least once all the same.
	sub.mu.Lock()
	sub.refuse = 2
	sub.mu.Unlock()
	good := execute(t, "sol", solRequest(t, object{"subscriber": subscribe("good")}))
	if body := sub.next(t, "/good/success"); body["total_sun"] == nil {
		t.Errorf("success of %s told %v", good, body)
	}
	bad := execute(t, "sol", object{"inputs": object{"dem": voidDEM(t)}, "subscriber": subscribe("bad")})
	if body := sub.next(t, "/bad/failed"); body["jobID"] != bad || body["status"] != "failed" {
		t.Errorf("failure of %s told %v", bad, body)
	}
	for _, uri := range []string{"http://169.254.169.254/latest/meta-data", "https://example.org/", "ftp://x/", "javascript:alert(1)"} {
		m := do(t, http.MethodPost, "/processes/sol/execution", solRequest(t, object{"subscriber": object{"successUri": uri}})).problem(t, http.StatusBadRequest, "")
		if m["parameter"] != "subscriber.successUri" {
			t.Errorf("%s: %v", uri, m)
		}
	}
}

// next waits for a call of a path; calls of others pass.
func (s *subscriber) next(t *testing.T, path string) object {
	t.Helper()
	for {
		select {
		case c := <-s.calls:
			if c.path == path {
				return c.body
			}
		case <-t.Context().Done():
			t.Fatal("stopped")
		case <-time.After(time.Minute):
			t.Fatalf("%s was not called", path)
		}
	}
}
