package submission_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/cyverse-gis/eemt/functions/submission"
	"github.com/cyverse-gis/eemt/shared/job"
)

// A download that broke off goes on where it was, and a client that asks how long it is gets to know.
func TestZipGoesOn(t *testing.T) {
	s := newService(t, nil)
	id := s.submit(t)
	for i := range 5 {
		s.put(t, job.ResultKey(id, fmt.Sprintf("map%d.tif", i)), strings.Repeat(strconv.Itoa(i), 1000*i))
	}
	s.end(t, id, job.Completed)
	path := "/api/jobs/" + id + "/results"
	all := s.get(t, path)
	tag := all.header.Get("ETag")
	if all.status != http.StatusOK || all.header.Get("Accept-Ranges") != "bytes" || all.header.Get("Content-Length") != strconv.Itoa(len(all.body)) || tag == "" {
		t.Fatalf("%d %v", all.status, all.header)
	}
	head := s.do(t, http.MethodHead, path, nil)
	if head.status != http.StatusOK || head.header.Get("Content-Length") != strconv.Itoa(len(all.body)) || head.header.Get("ETag") != tag || head.body != "" {
		t.Errorf("HEAD: %d %v", head.status, head.header)
	}
	for _, from := range []int{1, 2500, len(all.body) - 30} {
		part := s.get(t, path, "Range", fmt.Sprintf("bytes=%d-", from), "If-Range", tag)
		want := fmt.Sprintf("bytes %d-%d/%d", from, len(all.body)-1, len(all.body))
		if part.status != http.StatusPartialContent || part.body != all.body[from:] || part.header.Get("Content-Range") != want {
			t.Errorf("from %d: %d %q, %d bytes", from, part.status, part.header.Get("Content-Range"), len(part.body))
		}
	}
	if a := s.get(t, path, "Range", "bytes=0-9,20-29"); a.status != http.StatusPartialContent || !strings.HasPrefix(a.header.Get("Content-Type"), "multipart/byteranges") {
		t.Errorf("two ranges: %d %v", a.status, a.header)
	}
	if a := s.get(t, path, "Range", "bytes=99999999-"); a.status != http.StatusRequestedRangeNotSatisfiable {
		t.Errorf("beyond the end: %d", a.status)
	}
	if a := s.get(t, path, "If-None-Match", tag); a.status != http.StatusNotModified {
		t.Errorf("unchanged: %d", a.status)
	}
	// Another file makes it another archive: the rest of the former one is not joined to it.
	s.put(t, job.ResultKey(id, "another.tif"), "x")
	if a := s.get(t, path, "Range", "bytes=2500-", "If-Range", tag); a.status != http.StatusOK || len(a.body) <= len(all.body) {
		t.Errorf("changed: %d, %d bytes", a.status, len(a.body))
	}
}

// What can be asked for can be asked about: HEAD answers as GET does, without a body.
func TestHead(t *testing.T) {
	s := newService(t, nil)
	s.with(func(c *submission.Config) { c.Cleaner = &passes{} })
	id := s.submit(t)
	s.put(t, job.ResultKey(id, "a.tif"), "x")
	s.end(t, id, job.Completed)
	for _, path := range []string{
		"/", "/health", "/healthz", "/openapi.json", "/api", "/api/jobs", "/api/jobs/" + id, "/api/jobs/" + id + "/results", "/api/jobs/" + id + "/logs",
		"/api/cleanup/status", "/api/system/status", "/jobs", "/jobs/" + id, "/stac", "/jobs/" + id + "/results/a.tif",
	} {
		get, head := s.get(t, path), s.do(t, http.MethodHead, path, nil)
		if get.status != http.StatusOK || head.status != get.status || head.body != "" || head.header.Get("Content-Type") != get.header.Get("Content-Type") {
			t.Errorf("%s: GET %d, HEAD %d %v", path, get.status, head.status, head.header)
		}
	}
}

// A format that is not offered is refused, wherever one may be asked for.
func TestFormatsAreKnown(t *testing.T) {
	s := newService(t, nil)
	id := s.submit(t)
	s.put(t, job.ResultKey(id, "report.json"), "{}")
	s.end(t, id, job.Completed)
	for _, path := range []string{"/api/jobs", "/api/jobs/" + id, "/api/jobs/" + id + "/logs", "/api/cleanup/status", "/api/system/status"} {
		for f, want := range map[string]int{"AAA": 400, "": 400, "json&f=xml": 400, "json": 200, "html": 200} {
			a := s.get(t, path+"?f="+f)
			if a.status != want || want == 400 && !strings.Contains(a.body, `"detail":"f `) {
				t.Errorf("%s?f=%s: %d %s", path, f, a.status, a.body)
			}
		}
	}
	for _, path := range []string{
		"/", "/api", "/conformance", "/processes", "/processes/sol", "/jobs", "/jobs/" + id, "/jobs/" + id + "/results", "/jobs/" + id + "/keep",
		"/stac", "/stac/collections/sol", "/stac/collections/sol/items",
	} {
		for _, f := range []string{"AAA", "xml", "HTML", "", "json&f=xml"} {
			a := s.get(t, path+"?f="+f)
			m := a.json(t)
			if a.status != http.StatusBadRequest || m["parameter"] != "f" || m["allowed"] != "json or html" || !strings.Contains(fmt.Sprint(m["detail"]), "must be json or html") {
				t.Errorf("%s?f=%s: %d %s", path, f, a.status, a.body)
			}
		}
		for _, f := range []string{"json", "html"} {
			if a := s.get(t, path+"?f="+f); a.status != http.StatusOK {
				t.Errorf("%s?f=%s: %d %s", path, f, a.status, a.body)
			}
		}
	}
}

// Problems come in what the client takes.
func TestProblemsFollowAccept(t *testing.T) {
	s := newService(t, nil)
	const own = "application/problem+json"
	for accept, want := range map[string]string{
		"": own, "*/*": own, "application/json": "application/json", "application/problem+json": own, "application/json, application/problem+json": own,
		"application/json;q=0.9, */*;q=0.1": own, "image/png": own, "application/json, application/problem+json;q=0": "application/json",
		"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8": "text/html; charset=utf-8", "text/html": "text/html; charset=utf-8",
		"application/geo+json": own, "application/json, text/html;q=0.5": "application/json",
	} {
		for _, path := range []string{"/nothere", "/jobs/none", "/processes/moon"} {
			header := []string{"Accept", accept}
			if accept == "" {
				header = nil
			}
			a := s.get(t, path, header...)
			if a.status != http.StatusNotFound || a.header.Get("Content-Type") != want || !strings.Contains(a.header.Get("Vary"), "Accept") {
				t.Errorf("%s of %q: %d %s, want %s", path, accept, a.status, a.header.Get("Content-Type"), want)
			}
			if strings.Contains(want, "json") && a.json(t)["status"] != 404.0 {
				t.Errorf("%s: %s", path, a.body)
			}
			if strings.Contains(want, "html") {
				page, err := html.Parse(strings.NewReader(a.body))
				if err != nil || page == nil || !strings.Contains(a.body, "<h1>") || !strings.Contains(a.body, "/processes") || a.header.Get("Content-Security-Policy") == "" {
					t.Errorf("%s: %v %s", path, err, a.body)
				}
			}
		}
	}
}

// One rule tells where the service is: for links, for uploads, behind a proxy and without.
func TestBehindAProxy(t *testing.T) {
	s := newService(t, nil)
	host := strings.TrimPrefix(s.http.URL, "http://")
	for _, c := range []struct {
		name   string
		header []string
		want   string
	}{
		{"none", nil, s.http.URL},
		{"scheme", []string{"X-Forwarded-Proto", "https"}, "https://" + host},
		{"both", []string{"X-Forwarded-Proto", "https", "X-Forwarded-Host", "maps.example.org"}, "https://maps.example.org"},
		{"a port", []string{"X-Forwarded-Host", "maps.example.org:8443"}, "http://maps.example.org:8443"},
		{"two proxies", []string{"X-Forwarded-Proto", "https, http", "X-Forwarded-Host", "maps.example.org, inner:80"}, "https://maps.example.org"},
		{"no host", []string{"X-Forwarded-Host", "evil.example/path?"}, s.http.URL},
		{"another header", []string{"Forwarded", "host=evil.example;proto=https"}, s.http.URL},
	} {
		links := s.get(t, "/", c.header...)
		if !strings.Contains(links.body, `"href":"`+c.want+`/processes"`) {
			t.Errorf("%s: links %s", c.name, links.body)
		}
		begun := s.do(t, http.MethodPost, "/uploads", nil, append([]string{"Tus-Resumable", tus, "Upload-Length", "10", "Upload-Metadata", "filename ZGVtLnRpZg=="}, c.header...)...)
		if !strings.HasPrefix(begun.header.Get("Location"), c.want+"/uploads/") {
			t.Errorf("%s: Location %s", c.name, begun.header.Get("Location"))
		}
	}
}

// What a client says of an upload it gets back, to the letter.
func TestUploadMetadata(t *testing.T) {
	s := newService(t, nil)
	name := base64.StdEncoding.EncodeToString([]byte(`C:\maps\my dem.tif`))
	for _, given := range []string{"filename " + name, "filename " + name + ",filetype aW1hZ2UvdGlmZg==,is_confidential", "project dHVz, filename " + name + ", empty "} {
		a := s.do(t, http.MethodPost, "/uploads", nil, "Tus-Resumable", tus, "Upload-Length", "1000", "Upload-Metadata", given)
		if a.status != http.StatusCreated {
			t.Fatalf("%d %s", a.status, a.body)
		}
		path := strings.TrimPrefix(a.header.Get("Location"), s.http.URL)
		s.patch(t, path, 0, hills(t)[:100])
		head := s.do(t, http.MethodHead, path, nil, "Tus-Resumable", tus)
		if got := head.header.Get("Upload-Metadata"); got != strings.TrimSpace(given) || head.header.Get("Upload-Offset") != "100" || head.header.Get("Upload-Length") != "1000" {
			t.Errorf("given %q, got back %q: %v", given, got, head.header)
		}
	}
	long := "filename " + name + ",note " + strings.Repeat("QQ==", 3000)
	if a := s.do(t, http.MethodPost, "/uploads", nil, "Tus-Resumable", tus, "Upload-Length", "1000", "Upload-Metadata", long); a.status != http.StatusBadRequest || !strings.Contains(a.body, "at most 8192") {
		t.Errorf("%d %s", a.status, a.body)
	}
	if a := s.do(t, http.MethodPost, "/uploads", nil, "Tus-Resumable", tus, "Upload-Defer-Length", "1", "Upload-Metadata", "filename "+name); a.status != http.StatusNotImplemented {
		t.Errorf("a length that is said later: %d %s", a.status, a.body)
	}
}

// The old page reads these names and kinds.
func TestSuiteShapes(t *testing.T) {
	s := newService(t, nil)
	submit := func(fields ...field) map[string]any {
		t.Helper()
		a := s.post(t, "/api/submit-job", append(fields, field{"dem_file", hills(t), "dem.tif"})...)
		id, _ := a.json(t)["job_id"].(string)
		p, _ := s.get(t, "/api/jobs/"+id).json(t)["parameters"].(map[string]any)
		return p
	}
	p := submit(field{name: "linke_value", value: "3.5"}, field{name: "num_threads", value: "4"})
	threads, _ := p["num_threads"].(float64)
	if p["linke_value"] != 3.5 || p["albedo_value"] != 0.2 || p["step"] != 15.0 || threads < 1 || p["start_year"] != 2020.0 {
		t.Errorf("%v", p)
	}
	p = submit(field{name: "albedo_value", value: "0.1,0.1,0.1,0.2,0.2,0.2,0.2,0.2,0.2,0.1,0.1,0.1"})
	if list, _ := p["albedo_value"].([]any); len(list) != 12 || list[3] != 0.2 {
		t.Errorf("%v", p)
	}
	var list []map[string]any
	if err := json.Unmarshal([]byte(s.get(t, "/api/jobs").body), &list); err != nil || len(list) != 2 {
		t.Fatalf("%v, %d jobs", err, len(list))
	}
	for _, j := range list {
		if p, _ := j["parameters"].(map[string]any); p["linke_value"] == nil || p["num_threads"] == nil {
			t.Errorf("in the list: %v", p)
		}
	}
}

// A form in parts cleans up as the others do; what is not understood never removes anything.
func TestCleanupForm(t *testing.T) {
	s := newService(t, nil)
	p := &passes{}
	s.with(func(c *submission.Config) { c.Cleaner = p })
	if a := s.post(t, "/api/cleanup", field{name: "dry_run", value: "true"}, field{name: "failed_retention_hours", value: "5"}); a.status != http.StatusOK || len(p.asked) != 1 || !p.asked[0].DryRun || p.asked[0].Hours != 5 {
		t.Fatalf("%d %s, asked %+v", a.status, a.body, p.asked)
	}
	// As the page of former versions sent it: a form without fields.
	if a := s.post(t, "/api/cleanup?dry_run=true"); a.status != http.StatusOK || len(p.asked) != 2 || !p.asked[1].DryRun {
		t.Fatalf("%d %s, asked %+v", a.status, a.body, p.asked)
	}
	for name, fields := range map[string][]field{
		"unknown": {{name: "dryrun", value: "true"}}, "no number": {{name: "success_retention_days", value: "x"}}, "a file": {{"dry_run", "true", "dry_run.txt"}},
	} {
		if a := s.post(t, "/api/cleanup", fields...); a.status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	if a := s.do(t, http.MethodPost, "/api/cleanup", strings.NewReader("no form"), "Content-Type", "multipart/form-data; boundary=x"); a.status != http.StatusBadRequest {
		t.Errorf("broken: %d %s", a.status, a.body)
	}
	if len(p.asked) != 2 {
		t.Errorf("refused requests asked %+v", p.asked)
	}
}

// Several outputs name the type of the first (RFC 2387, 3.1).
func TestPartsNameTheirRoot(t *testing.T) {
	s := newService(t, nil)
	s.with(func(c *submission.Config) { c.Echo = true })
	a := s.do(t, http.MethodPost, "/processes/echo/execution", strings.NewReader(`{"inputs":{"stringInput":"a","doubleInput":2},"response":"raw"}`), "Content-Type", "application/json")
	kind, params, err := mime.ParseMediaType(a.header.Get("Content-Type"))
	if err != nil || kind != "multipart/related" || params["type"] != "application/json" || params["boundary"] == "" {
		t.Errorf("%d %q: %v %v", a.status, a.header.Get("Content-Type"), params, err)
	}
}
