package ogc_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/cyverse-gis/eemt/shared/geotiff"
)

const (
	conf       = "http://www.opengis.net/spec/ogcapi-processes-1/1.0/conf/"
	exceptions = "http://www.opengis.net/def/exceptions/ogcapi-processes-1/1.0/"
	relations  = "http://www.opengis.net/def/rel/ogc/1.0/"
)

// /req/core/landingpage-op
func TestCoreLandingpageOp(t *testing.T) { get(t, "/").want(t, http.StatusOK) }

// /req/core/landingpage-success
func TestCoreLandingpageSuccess(t *testing.T) {
	l := get(t, "/").object(t)["links"]
	for _, rel := range []string{"service-desc", relations + "conformance", relations + "processes", relations + "job-list"} {
		get(t, follow(t, l, rel)).want(t, http.StatusOK)
	}
}

// /req/core/api-definition-op
func TestCoreApiDefinitionOp(t *testing.T) {
	l := get(t, "/").object(t)["links"]
	for _, x := range links(t, l) {
		if x.Rel == "service-desc" || x.Rel == "service-doc" {
			get(t, x.Href, "Accept", x.Type).want(t, http.StatusOK)
		}
	}
}

// /req/core/api-definition-success
func TestCoreApiDefinitionSuccess(t *testing.T) {
	if under(t).definition == nil || len(under(t).definition.Operations()) < 10 {
		t.Error("the definition defines too little")
	}
}

// /req/core/conformance-op
func TestCoreConformanceOp(t *testing.T) { get(t, "/conformance").want(t, http.StatusOK) }

// /req/core/conformance-success
func TestCoreConformanceSuccess(t *testing.T) {
	list := sprint(get(t, "/conformance").object(t)["conformsTo"])
	for _, class := range []string{"core", "json", "html", "oas30", "ogc-process-description", "job-list", "dismiss", "callback"} {
		if !strings.Contains(list, conf+class) {
			t.Errorf("class %s is missing in %s", class, list)
		}
	}
}

// /req/core/http
func TestCoreHTTP(t *testing.T) {
	for path, status := range map[string]int{"/nothing": http.StatusNotFound, "/processes/none": http.StatusNotFound} {
		get(t, path).want(t, status)
	}
	r := do(t, http.MethodPut, "/processes", "{}").want(t, http.StatusMethodNotAllowed)
	if !strings.Contains(r.header.Get("Allow"), http.MethodGet) {
		t.Errorf("405 with Allow %q", r.header.Get("Allow"))
	}
	if r := do(t, http.MethodHead, "/processes", nil).want(t, http.StatusOK); len(r.body) != 0 {
		t.Error("HEAD has a body")
	}
}

// /req/core/process-list
func TestCoreProcessList(t *testing.T) { get(t, "/processes").want(t, http.StatusOK) }

// /req/core/pl-limit-definition
func TestCorePlLimitDefinition(t *testing.T) {
	p := parameter(t, "/processes", "limit")
	s, _ := p["schema"].(object)
	if p["in"] != "query" || p["required"] == true || s["type"] != "integer" || s["minimum"] != 1.0 {
		t.Errorf("limit is %v", p)
	}
}

// /req/core/pl-limit-response
func TestCorePlLimitResponse(t *testing.T) {
	list, _ := get(t, "/processes?limit=1").want(t, http.StatusOK).object(t)["processes"].([]any)
	if len(list) != 1 {
		t.Errorf("%d processes with limit=1", len(list))
	}
	get(t, "/processes?limit=100000").want(t, http.StatusOK)
	get(t, "/processes?limit=0").problem(t, http.StatusBadRequest, "")
}

// /req/core/process-list-success
func TestCoreProcessListSuccess(t *testing.T) {
	ids := processes(t)
	if !slices.Contains(ids, "sol") || !slices.Contains(ids, "eemt") {
		t.Errorf("processes %v", ids)
	}
	follow(t, get(t, "/processes").object(t)["links"], "self")
}

// /req/core/process
func TestCoreProcess(t *testing.T) {
	for _, id := range processes(t) {
		get(t, "/processes/"+id).want(t, http.StatusOK)
	}
}

// /req/core/process-success
func TestCoreProcessSuccess(t *testing.T) {
	for _, id := range processes(t) {
		p := get(t, "/processes/"+id).object(t)
		if p["id"] != id || p["version"] == "" {
			t.Errorf("%s: %v", id, p)
		}
		follow(t, p["links"], relations+"execute")
	}
}

// /req/core/process-exception-no-such-process
func TestCoreProcessExceptionNoSuchProcess(t *testing.T) {
	get(t, "/processes/moon").problem(t, http.StatusNotFound, exceptions+"no-such-process")
	do(t, http.MethodPost, "/processes/moon/execution", object{}).problem(t, http.StatusNotFound, exceptions+"no-such-process")
}

// /req/core/job-creation-op
func TestCoreJobCreationOp(t *testing.T) {
	execute(t, "sol", solRequest(t, nil))
}

// /req/core/job-creation-request
func TestCoreJobCreationRequest(t *testing.T) {
	for name, body := range map[string]string{"not JSON": "hello", "an array": "[]", "two values": "{}{}", "empty": " ", "inputs a string": `{"inputs":"x"}`} {
		r := do(t, http.MethodPost, "/processes/sol/execution", body)
		if r.status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", name, r.status, r.body)
		}
	}
	do(t, http.MethodPost, "/processes/sol/execution", "{}", "Content-Type", "text/plain").problem(t, http.StatusUnsupportedMediaType, "")
}

// /req/core/job-creation-inputs
func TestCoreJobCreationInputs(t *testing.T) {
	m := do(t, http.MethodPost, "/processes/sol/execution", object{"inputs": object{"step": 60}}).problem(t, http.StatusBadRequest, "")
	if m["parameter"] != "inputs.dem" {
		t.Errorf("a missing DEM: %v", m)
	}
	m = do(t, http.MethodPost, "/processes/sol/execution", object{"inputs": object{"dem": dem(t), "colour": 1}}).problem(t, http.StatusBadRequest, "")
	if m["parameter"] != "inputs.colour" || !strings.Contains(sprint(m["allowed"]), "linke_value") {
		t.Errorf("an unknown input: %v", m)
	}
}

func echoSync(t *testing.T, inputs object, more object) reply {
	t.Helper()
	echoOffered(t)
	r := object{"inputs": inputs}
	for k, v := range more {
		r[k] = v
	}
	return do(t, http.MethodPost, "/processes/echo/execution", r)
}

var asDocument = object{"response": "document"}

// echoes checks that an input comes back as it went.
func echoes(t *testing.T, input string, value any) {
	t.Helper()
	r := echoSync(t, object{input: value}, asDocument).want(t, http.StatusOK)
	want, _ := json.Marshal(value)
	got, _ := json.Marshal(r.object(t)[strings.TrimSuffix(input, "Input")+"Output"])
	if !bytes.Equal(got, want) {
		t.Errorf("%s: sent %s, got %s", input, want, got)
	}
}

// /req/core/job-creation-input-array
func TestCoreJobCreationInputArray(t *testing.T) { echoes(t, "arrayInput", []any{1.0, 2.0, 3.0}) }

// /req/core/job-creation-input-inline
func TestCoreJobCreationInputInline(t *testing.T) {
	echoes(t, "stringInput", "Value2")
	echoes(t, "doubleInput", 3.25)
	echoes(t, "dateInput", "2026-05-04T12:00:00Z")
	echoSync(t, object{"stringInput": 9}, nil).problem(t, http.StatusBadRequest, "")
}

// /req/core/job-creation-input-inline-object
func TestCoreJobCreationInputInlineObject(t *testing.T) {
	echoes(t, "complexObjectInput", object{"property1": "x", "property5": true})
	echoes(t, "measureInput", object{"measurement": 10.3, "uom": "m"})
	echoSync(t, object{"complexObjectInput": object{"property1": "x"}}, nil).problem(t, http.StatusBadRequest, "")
}

// /req/core/job-creation-input-inline-mixed
func TestCoreJobCreationInputInlineMixed(t *testing.T) {
	picture := base64.StdEncoding.EncodeToString([]byte("picture"))
	echoes(t, "imagesInput", object{"value": picture, "encoding": "base64", "mediaType": "image/png"})
}

// /req/core/job-creation-input-inline-binary
func TestCoreJobCreationInputInlineBinary(t *testing.T) {
	id := execute(t, "sol", object{"inputs": object{"dem": dem(t), "step": 60}})
	if info := await(t, id); info["status"] != "successful" {
		t.Errorf("%v", info)
	}
	m := do(t, http.MethodPost, "/processes/sol/execution", object{"inputs": object{"dem": "!!!"}}).problem(t, http.StatusBadRequest, "")
	if m["parameter"] != "inputs.dem" {
		t.Errorf("a DEM that is no base64: %v", m)
	}
	text := base64.StdEncoding.EncodeToString([]byte("hello"))
	if m := do(t, http.MethodPost, "/processes/sol/execution", object{"inputs": object{"dem": text}}).problem(t, http.StatusBadRequest, ""); !strings.Contains(sprint(m["detail"]), "not a TIFF") {
		t.Errorf("a DEM that is no TIFF: %v", m)
	}
}

// /req/core/job-creation-input-inline-bbox
func TestCoreJobCreationInputInlineBbox(t *testing.T) {
	echoes(t, "boundingBoxInput", object{"bbox": []any{51.9, 7.0, 52.0, 7.1}, "crs": "http://www.opengis.net/def/crs/OGC/1.3/CRS84"})
	echoSync(t, object{"boundingBoxInput": object{"crs": "x"}}, nil).problem(t, http.StatusBadRequest, "")
}

// /req/core/job-creation-input-ref
func TestCoreJobCreationInputRef(t *testing.T) {
	sub := under(t).subscriber
	if sub == nil {
		t.Skipf("SKIPPED: %s is not set", listenVariable)
	}
	id := execute(t, "sol", object{"inputs": object{"dem": object{"href": sub.url + "/dem.tif", "type": "image/tiff"}, "step": 60}})
	if info := await(t, id); info["status"] != "successful" {
		t.Errorf("%v", info)
	}
	for _, href := range []string{"http://169.254.169.254/dem.tif", "https://example.org/dem.tif", "file:///etc/passwd", "jobs/x/job.json", "uploads/../jobs/x", "uploads/none.tif"} {
		m := do(t, http.MethodPost, "/processes/sol/execution", object{"inputs": object{"dem": object{"href": href}}}).problem(t, http.StatusBadRequest, "")
		if strings.Contains(sprint(m["detail"]), "root:") {
			t.Errorf("%s: %v", href, m)
		}
	}
}

// /req/core/job-creation-input-validation
func TestCoreJobCreationInputValidation(t *testing.T) {
	for _, c := range []struct {
		name  string
		value any
		want  string
	}{
		{"step", 90, "1 to 60"},
		{"step", "often", "1 to 60"},
		{"linke_value", []any{3, 3}, "12 months"},
		{"albedo_value", 1.5, "0 to 1"},
		{"start_year", 1700, "1900 to 2100"},
		{"north", "up", "true or grid"},
		{"daily", "yes", "true or false"},
		{"maps", "monthly", "all or annual"},
	} {
		inputs := object{"dem": dem(t), c.name: c.value}
		m := do(t, http.MethodPost, "/processes/sol/execution", object{"inputs": inputs}).problem(t, http.StatusBadRequest, "")
		if m["parameter"] != "inputs."+c.name || !strings.Contains(sprint(m["allowed"]), c.want) || m["value"] == "" {
			t.Errorf("%s %v: %v, want the allowed values %q", c.name, c.value, m, c.want)
		}
	}
}

// /req/core/job-creation-default-execution-mode
func TestCoreJobCreationDefaultExecutionMode(t *testing.T) {
	for _, id := range []string{"sol", "eemt"} {
		if o := sprint(get(t, "/processes/"+id).object(t)["jobControlOptions"]); o != "[async-execute dismiss]" {
			t.Errorf("%s: %s", id, o)
		}
	}
	do(t, http.MethodPost, "/processes/sol/execution", solRequest(t, nil)).want(t, http.StatusCreated)
	echoSync(t, object{"stringInput": "Value1"}, asDocument).want(t, http.StatusOK)
}

// /req/core/job-creation-auto-execution-mode
func TestCoreJobCreationAutoExecutionMode(t *testing.T) {
	r := do(t, http.MethodPost, "/processes/sol/execution", solRequest(t, nil), "Prefer", "respond-async").want(t, http.StatusCreated)
	if r.header.Get("Preference-Applied") != "respond-async" {
		t.Errorf("Preference-Applied %q", r.header.Get("Preference-Applied"))
	}
	echoOffered(t)
	r = do(t, http.MethodPost, "/processes/echo/execution", object{"inputs": object{"stringInput": "Value1"}}, "Prefer", "respond-async")
	r.want(t, http.StatusCreated)
}

// The client that prefers to wait gets results, where the DEM is small.
func TestCoreJobCreationWait(t *testing.T) {
	r := do(t, http.MethodPost, "/processes/sol/execution", solRequest(t, object{"outputs": object{"report": object{}}}), "Prefer", "respond-async, wait=50").want(t, http.StatusOK)
	if !strings.HasPrefix(r.header.Get("Preference-Applied"), "wait=50") || r.object(t)["layers"] == nil {
		t.Errorf("%v %.200s", r.header, r.body)
	}
}

// /req/core/job-creation-default-outputs
func TestCoreJobCreationDefaultOutputs(t *testing.T) {
	results := get(t, "/jobs/"+completed(t)+"/results", "Accept", "application/json").want(t, http.StatusOK).object(t)
	outputs, _ := get(t, "/processes/sol").object(t)["outputs"].(object)
	if len(outputs) == 0 || len(results) != len(outputs) {
		t.Errorf("%d outputs of %d", len(results), len(outputs))
	}
	for name := range outputs {
		if _, ok := results[name]; !ok {
			t.Errorf("output %s is missing", name)
		}
	}
}

// /req/core/job-creation-success-sync-raw-value-one
func TestCoreJobCreationSuccessSyncRawValueOne(t *testing.T) {
	r := echoSync(t, object{"stringInput": "Value1", "doubleInput": 2.5}, object{"outputs": object{"doubleOutput": object{"transmissionMode": "value"}}, "response": "raw"}).want(t, http.StatusOK)
	if string(r.body) != "2.5" {
		t.Errorf("got %q", r.body)
	}
}

// parts reads a multipart answer by Content-ID.
func parts(t *testing.T, r reply) map[string][]byte {
	t.Helper()
	kind, params, err := mime.ParseMediaType(r.header.Get("Content-Type"))
	if err != nil || kind != "multipart/related" {
		t.Fatalf("content type %q: %v", r.header.Get("Content-Type"), err)
	}
	m := multipart.NewReader(bytes.NewReader(r.body), params["boundary"])
	list := map[string][]byte{}
	for {
		p, err := m.NextPart()
		if errors.Is(err, io.EOF) {
			return list
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(p)
		if err != nil {
			t.Fatal(err)
		}
		if at := p.Header.Get("Content-Location"); at != "" {
			data = []byte("at " + at)
		}
		list[strings.Trim(p.Header.Get("Content-Id"), "<>")] = data
	}
}

// /req/core/job-creation-success-sync-raw-value-multi
func TestCoreJobCreationSuccessSyncRawValueMulti(t *testing.T) {
	r := echoSync(t, object{"stringInput": "Value1", "doubleInput": 2.5}, object{"response": "raw"}).want(t, http.StatusOK)
	if p := parts(t, r); len(p) != 2 || string(p["doubleOutput"]) != "2.5" || string(p["stringOutput"]) != `"Value1"` {
		t.Errorf("parts %q", p)
	}
}

const waiting = "wait=55"

// /req/core/job-creation-success-sync-raw-ref
func TestCoreJobCreationSuccessSyncRawRef(t *testing.T) {
	r := do(t, http.MethodPost, "/processes/sol/execution",
		solRequest(t, object{"response": "raw", "outputs": object{"slope": object{"transmissionMode": "reference"}}}), "Prefer", waiting).want(t, http.StatusNoContent)
	checkRasterLink(t, r)
}

func checkRasterLink(t *testing.T, r reply) {
	t.Helper()
	href, _, ok := strings.Cut(strings.TrimPrefix(r.header.Get("Link"), "<"), ">")
	if !ok {
		t.Fatalf("Link %q", r.header.Get("Link"))
	}
	checkRaster(t, get(t, href).want(t, http.StatusOK).body)
}

func checkRaster(t *testing.T, data []byte) {
	t.Helper()
	img, err := geotiff.Open(bytes.NewReader(data), int64(len(data)))
	if err != nil || img.Width != 24 || img.Height != 20 {
		t.Errorf("not the raster of 24 x 20 cells: %v, %d bytes", err, len(data))
	}
}

// /req/core/job-creation-success-sync-raw-mixed-multi
func TestCoreJobCreationSuccessSyncRawMixedMulti(t *testing.T) {
	r := do(t, http.MethodPost, "/processes/sol/execution", solRequest(t, object{"response": "raw", "outputs": object{
		"slope": object{"transmissionMode": "value"}, "aspect": object{"transmissionMode": "reference"},
	}}), "Prefer", waiting).want(t, http.StatusOK)
	p := parts(t, r)
	checkRaster(t, p["slope"])
	if at, ok := strings.CutPrefix(string(p["aspect"]), "at "); !ok {
		t.Errorf("aspect is %.80q", p["aspect"])
	} else {
		checkRaster(t, get(t, at).want(t, http.StatusOK).body)
	}
}

// /req/core/job-creation-success-sync-document
func TestCoreJobCreationSuccessSyncDocument(t *testing.T) {
	r := do(t, http.MethodPost, "/processes/sol/execution", solRequest(t, object{"response": "document", "outputs": object{
		"slope": object{"transmissionMode": "value"}, "aspect": object{"transmissionMode": "reference"}, "report": object{},
	}}), "Prefer", waiting).want(t, http.StatusOK)
	checkDocument(t, r)
}

func checkDocument(t *testing.T, r reply) {
	t.Helper()
	m := r.object(t)
	slope, _ := m["slope"].(object)
	data, err := base64.StdEncoding.DecodeString(sprint(slope["value"]))
	if err != nil || slope["encoding"] != "base64" || !strings.HasPrefix(sprint(slope["mediaType"]), "image/tiff") {
		t.Errorf("slope: %v, %v", err, slope["mediaType"])
	}
	checkRaster(t, data)
	aspect, _ := m["aspect"].(object)
	checkRaster(t, get(t, sprint(aspect["href"])).want(t, http.StatusOK).body)
	report, _ := m["report"].(object)
	if report["layers"] == nil {
		t.Errorf("report: %v", report)
	}
}

// /req/core/job-creation-success-async
func TestCoreJobCreationSuccessAsync(t *testing.T) {
	r := do(t, http.MethodPost, "/processes/sol/execution", solRequest(t, nil)).want(t, http.StatusCreated)
	info := r.object(t)
	at := r.header.Get("Location")
	if !strings.HasSuffix(at, "/jobs/"+sprint(info["jobID"])) || info["type"] != "process" || info["processID"] != "sol" {
		t.Errorf("location %q, %v", at, info)
	}
	get(t, at).want(t, http.StatusOK)
}

// /req/core/job
func TestCoreJob(t *testing.T) { get(t, "/jobs/"+completed(t)).want(t, http.StatusOK) }

// /req/core/job-success
func TestCoreJobSuccess(t *testing.T) {
	info := get(t, "/jobs/"+completed(t)).object(t)
	if info["status"] != "successful" || info["progress"] != 100.0 || info["created"] == nil || info["started"] == nil || info["finished"] == nil || info["updated"] == nil || info["message"] == "" {
		t.Errorf("%v", info)
	}
	get(t, follow(t, info["links"], relations+"results"), "Accept", "application/json").want(t, http.StatusOK)
}

// /req/core/job-exception-no-such-job
func TestCoreJobExceptionNoSuchJob(t *testing.T) {
	for _, id := range []string{"01JTEST0000000000000000099", "x", "%3Cscript%3E", strings.Repeat("x", 3000)} {
		get(t, "/jobs/"+id).problem(t, http.StatusNotFound, exceptions+"no-such-job")
	}
}

// /req/core/job-results
func TestCoreJobResults(t *testing.T) {
	get(t, "/jobs/"+completed(t)+"/results").want(t, http.StatusOK)
}

// asyncResults executes and returns the answer of the results.
func asyncResults(t *testing.T, request object) reply {
	t.Helper()
	id := execute(t, "sol", request)
	if info := await(t, id); info["status"] != "successful" {
		t.Fatalf("%v", info)
	}
	return get(t, "/jobs/"+id+"/results")
}

// /req/core/job-results-async-raw-value-one
func TestCoreJobResultsAsyncRawValueOne(t *testing.T) {
	r := asyncResults(t, solRequest(t, object{"response": "raw", "outputs": object{"slope": object{"transmissionMode": "value"}}})).want(t, http.StatusOK)
	if !strings.HasPrefix(r.header.Get("Content-Type"), "image/tiff") {
		t.Errorf("content type %q", r.header.Get("Content-Type"))
	}
	checkRaster(t, r.body)
}

// /req/core/job-results-async-raw-value-multi
func TestCoreJobResultsAsyncRawValueMulti(t *testing.T) {
	r := asyncResults(t, solRequest(t, object{"response": "raw", "outputs": object{"slope": object{}, "hours_sun": object{"transmissionMode": "value"}}})).want(t, http.StatusOK)
	p := parts(t, r)
	checkRaster(t, p["slope"])
	checkRaster(t, p["hours_sun"])
}

// /req/core/job-results-async-raw-ref
func TestCoreJobResultsAsyncRawRef(t *testing.T) {
	checkRasterLink(t, asyncResults(t, solRequest(t, object{"response": "raw", "outputs": object{"total_sun": object{"transmissionMode": "reference"}}})).want(t, http.StatusNoContent))
}

// /req/core/job-results-async-raw-mixed-multi
func TestCoreJobResultsAsyncRawMixedMulti(t *testing.T) {
	p := parts(t, asyncResults(t, solRequest(t, object{"response": "raw", "outputs": object{
		"total_sun": object{"transmissionMode": "reference"}, "report": object{"transmissionMode": "value"},
	}})).want(t, http.StatusOK))
	if !strings.HasPrefix(string(p["total_sun"]), "at http") || !json.Valid(p["report"]) {
		t.Errorf("parts %.300q", p)
	}
}

// /req/core/job-results-async-document
func TestCoreJobResultsAsyncDocument(t *testing.T) {
	checkDocument(t, asyncResults(t, solRequest(t, object{"response": "document", "outputs": object{
		"slope": object{}, "aspect": object{"transmissionMode": "reference"}, "report": object{},
	}})).want(t, http.StatusOK))
}

// /req/core/job-results-exception-no-such-job
func TestCoreJobResultsExceptionNoSuchJob(t *testing.T) {
	get(t, "/jobs/01JTEST0000000000000000099/results").problem(t, http.StatusNotFound, exceptions+"no-such-job")
}

// /req/core/job-results-exception-results-not-ready
func TestCoreJobResultsExceptionResultsNotReady(t *testing.T) {
	echoOffered(t)
	id := execute(t, "echo", object{"inputs": object{"stringInput": "Value1", "pause": 30}})
	if info := get(t, "/jobs/"+id).object(t); info["status"] != "running" {
		t.Errorf("a job that pauses is %v", info["status"])
	}
	get(t, "/jobs/"+id+"/results").problem(t, http.StatusNotFound, exceptions+"result-not-ready")
	do(t, http.MethodDelete, "/jobs/"+id, nil).want(t, http.StatusOK)
}

// flat is a DEM without a single valid cell: its job fails.
func failing(t *testing.T) string {
	t.Helper()
	return execute(t, "sol", object{"inputs": object{"dem": voidDEM(t), "step": 60}})
}

// /req/core/job-results-failed
func TestCoreJobResultsFailed(t *testing.T) {
	id := failing(t)
	info := await(t, id)
	if info["status"] != "failed" || !strings.Contains(sprint(info["message"]), "nodata") {
		t.Fatalf("%v", info)
	}
	m := get(t, "/jobs/"+id+"/results").problem(t, http.StatusUnprocessableEntity, "")
	if !strings.Contains(sprint(m["detail"]), "nodata") {
		t.Errorf("%v", m)
	}
}

// Every process is executed from its own description: defaults, edges of ranges,
// each allowed word.
func TestProcessesFromTheirDescriptions(t *testing.T) {
	for _, id := range []string{"sol", "eemt"} {
		p := get(t, "/processes/"+id).object(t)
		inputs, _ := p["inputs"].(object)
		request := object{}
		for name, in := range inputs {
			m, _ := in.(object)
			s, _ := m["schema"].(object)
			if d, ok := s["default"]; ok {
				request[name] = d
			}
		}
		request["dem"], request["step"] = dem(t), 60
		if id == "eemt" {
			request["climate"] = object{"value": station, "mediaType": "text/csv"}
		}
		for _, maps := range []string{"all", "annual"} {
			request["maps"] = maps
			job := execute(t, id, object{"inputs": request})
			info := await(t, job)
			if info["status"] != "successful" {
				t.Fatalf("%s, maps %s: %v", id, maps, info)
			}
			outputs, _ := p["outputs"].(object)
			results := get(t, "/jobs/"+job+"/results?f=json").want(t, http.StatusOK).object(t)
			for name := range outputs {
				m, _ := results[name].(object)
				if name == "report" {
					continue
				}
				checkRaster(t, get(t, sprint(m["href"])).want(t, http.StatusOK).body)
			}
		}
	}
}

// Results of several climate years are the maps of their mean.
func TestResultsOfSeveralYears(t *testing.T) {
	job := execute(t, "eemt", object{"inputs": object{
		"dem": dem(t), "step": 60, "maps": "annual", "start_year": 2019, "end_year": 2021, "climate": object{"value": station, "mediaType": "text/csv"},
	}})
	if info := await(t, job); info["status"] != "successful" {
		t.Fatalf("%v", info)
	}
	results := get(t, "/jobs/"+job+"/results?f=json").want(t, http.StatusOK).object(t)
	for output, file := range map[string]string{
		"eemt_trad": "eemt/EEMT_Trad_mean_2019_2021.tif", "eemt_topo": "eemt/EEMT_Topo_mean_2019_2021.tif",
		"e_ppt_trad": "eemt/E_PPT_Trad_mean_2019_2021.tif", "e_ppt_topo": "eemt/E_PPT_Topo_mean_2019_2021.tif",
		"e_bio_trad": "eemt/E_BIO_Trad_mean_2019_2021.tif", "e_bio_topo": "eemt/E_BIO_Topo_mean_2019_2021.tif",
		"total_sun": "global/annual/total_sun_sum.tif",
	} {
		m, _ := results[output].(object)
		href := sprint(m["href"])
		if !strings.HasSuffix(href, "/jobs/"+job+"/results/"+file) {
			t.Errorf("%s is %s, want %s", output, href, file)
			continue
		}
		checkRaster(t, get(t, href).want(t, http.StatusOK).body)
	}
}
