package submission_test

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"gocloud.dev/blob/memblob"

	"github.com/cyverse-gis/eemt/functions/submission"
	"github.com/cyverse-gis/eemt/integration/faultbucket"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/outbound"
	"github.com/cyverse-gis/eemt/shared/param"
)

// fill writes records of n jobs: every third completed, every 500th failed.
func fill(t testing.TB, s job.Store, n int) {
	t.Helper()
	for i := range n {
		r := job.Request{
			ID: fmt.Sprintf("01JTEST%019d", i), Workflow: param.Sol, Parameters: param.DefaultParameters(), Created: noon.Add(time.Duration(i) * time.Second),
			DEM: job.DEM{Key: "uploads/x.tif", Name: "dem.tif"},
		}
		err := s.Create(t.Context(), r)
		switch {
		case err != nil:
		case i%500 == 7:
			_, _, err = s.WriteEnd(t.Context(), r.ID, job.End{State: job.Failed, Reason: "because", Ended: r.Created})
		case i%3 == 0:
			_, _, err = s.WriteEnd(t.Context(), r.ID, job.End{State: job.Completed, Ended: r.Created})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// A page of the list costs the same with few jobs and with many.
func TestListCostsTheSame(t *testing.T) {
	most := 3000
	if os.Getenv("EEMT_SLOW") != "" {
		most = 10000
	}
	cost := map[string][]int64{}
	for _, n := range []int{600, most} {
		var calls atomic.Int64
		s := newService(t, func(_, _ string) error { calls.Add(1); return nil })
		inner := memblob.OpenBucket(nil)
		fill(t, job.Store{Bucket: inner}, n)
		s.on(faultbucket.Wrap(inner, func(_, _ string) error { calls.Add(1); return nil }))
		for _, path := range []string{"/jobs", "/jobs?limit=50", "/api/jobs?limit=20", "/jobs?status=failed", "/jobs?status=running", "/monitor"} {
			calls.Store(0)
			begun := time.Now()
			a := s.get(t, path)
			if a.status != http.StatusOK {
				t.Fatalf("%s: %d %s", path, a.status, a.body)
			}
			if testing.Verbose() {
				t.Logf("%d jobs, %s: %d calls, %s", n, path, calls.Load(), time.Since(begun))
			}
			cost[path] = append(cost[path], calls.Load())
		}
		// The last page costs what the first does.
		var page struct {
			Links []struct{ Href, Rel string }
		}
		at := s.http.URL + "/jobs?limit=200"
		for range n / 200 * 2 / 3 {
			a := s.get(t, strings.TrimPrefix(at, s.http.URL))
			if err := json.Unmarshal([]byte(a.body), &page); err != nil {
				t.Fatal(err)
			}
			for _, l := range page.Links {
				if l.Rel == "next" {
					at = l.Href
				}
			}
		}
		calls.Store(0)
		s.get(t, strings.TrimPrefix(at, s.http.URL))
		cost["a late page"] = append(cost["a late page"], calls.Load())
	}
	for path, c := range cost {
		// A page that straddles two listings takes one more.
		if c[1] > c[0]+1 {
			t.Errorf("%s takes %d bucket calls of 600 jobs, %d of %d", path, c[0], c[1], most)
		}
	}
	if c := cost["/jobs"][0]; c > 60 {
		t.Errorf("ten jobs take %d calls", c)
	}
}

// A filter that matches little gives short pages which lead on to every match.
func TestRareStateIsFound(t *testing.T) {
	s := newService(t, nil)
	fill(t, s.Store, 1300)
	found := 0
	at := "/jobs?status=failed&limit=2"
	for range 10 {
		var page struct {
			Jobs  []struct{ JobID, Status string }
			Links []struct{ Href, Rel string }
		}
		if err := json.Unmarshal([]byte(s.get(t, at).body), &page); err != nil {
			t.Fatal(err)
		}
		found += len(page.Jobs)
		at = ""
		for _, l := range page.Links {
			if l.Rel == "next" {
				at = strings.TrimPrefix(l.Href, s.http.URL)
			}
		}
		if at == "" {
			break
		}
	}
	if found != 3 || at != "" {
		t.Errorf("%d failed jobs on all pages, want 3; left at %q", found, at)
	}
}

// TestNamesThatAreNoText: what is no UTF-8 is refused, and not taken for a store that is away.
func TestNamesThatAreNoText(t *testing.T) {
	s := newService(t, nil)
	for target, status := range map[string]int{
		"GET /api/check?uploaded_filename=x%88": 400, "GET /jobs/x%88": 404, "GET /jobs/x%88/results/y.tif": 404, "GET /api/jobs/x%88/results": 404,
		"HEAD /uploads/x%88": 404, "GET /jobs?q=x%88": 200, "GET /stac/collections/x%88": 404,
	} {
		method, path, _ := strings.Cut(target, " ")
		if a := s.do(t, method, path, nil, "Tus-Resumable", tus); a.status != status {
			t.Errorf("%s: %d %s", target, a.status, a.body)
		}
	}
	for _, f := range []field{{name: "uploaded_filename", value: "x\x88"}, {name: "climate", value: "table:inputs/x\x88"}, {name: "linke_value", value: "inputs/x\x88.tif"}} {
		if a := s.post(t, "/api/submit-job", field{name: "workflow_type", value: "eemt"}, f); a.status != 400 || !strings.Contains(a.body, "UTF-8") {
			t.Errorf("%s: %d %s", f.name, a.status, a.body)
		}
	}
}

func TestHostileNames(t *testing.T) {
	for _, name := range []string{
		"../../../etc/passwd.tif", `..\..\x.tif`, "<img src=x onerror=alert(1)>.tif", "a\x00b.tif", "a\nSet-Cookie: x.tif", strings.Repeat("x", 5000) + ".tif",
		"\u202egpj.tif", "CON.tif", ".hidden.tif", "....tif", "a/b/c.tif", "%2e%2e%2fx.tif", "ünïcødé.tif", "'; drop table jobs;.tif",
	} {
		s := newService(t, nil)
		a := s.post(t, "/api/upload-file", field{"file", hills(t), name})
		if a.status != http.StatusOK && a.status != http.StatusBadRequest {
			t.Errorf("%.40q: %d %s", name, a.status, a.body)
			continue
		}
		for _, k := range keys(t, s.Store.Bucket) {
			if folder, rest, _ := strings.Cut(k, "/"); folder != "uploads" && folder != "inputs" || strings.ContainsAny(rest, "/\\<>\x00\n") || len(rest) > 140 {
				t.Errorf("%.40q became the key %q", name, k)
			}
		}
		if a.status != http.StatusOK {
			continue
		}
		uploaded, _ := a.json(t)["filename"].(string)
		if b := s.post(t, "/api/submit-job", field{name: "uploaded_filename", value: uploaded}); b.status != http.StatusOK {
			t.Errorf("%.40q: submit %d %s", name, b.status, b.body)
		}
		for _, path := range []string{"/?f=html", "/jobs?f=html", "/api/jobs"} {
			if b := s.get(t, path); b.status != http.StatusOK || path != "/api/jobs" && strings.Contains(b.body, "<img") {
				t.Errorf("%.40q: %s shows %d", name, path, b.status)
			}
		}
	}
}

func TestHostileExecuteRequests(t *testing.T) {
	s := newService(t, nil)
	deep := strings.Repeat(`{"a":`, 20000) + "1" + strings.Repeat("}", 20000)
	for name, body := range map[string]string{
		"deep":            `{"inputs":{"dem":` + deep + `}}`,
		"deep elsewhere":  `{"outputs":{"slope":` + deep + `}}`,
		"a huge number":   `{"inputs":{"dem":"AAAA","step":1e999999}}`,
		"a million steps": `{"inputs":{"dem":"AAAA","linke_value":[` + strings.Repeat("1,", 1000000) + `1]}}`,
		"null":            `null`,
		"null inputs":     `{"inputs":null}`,
		"null input":      `{"inputs":{"dem":null}}`,
		"not UTF-8":       "{\"inputs\":{\"dem\":\"\xff\xfe\"}}",
		"HTML":            `{"inputs":{"<script>":1,"dem":"AAAA"}}`,
		"an empty DEM":    `{"inputs":{"dem":""}}`,
		"value and href":  `{"inputs":{"dem":{"value":"AAAA","href":"https://example.org/"}}}`,
		"a base64 bomb":   `{"inputs":{"dem":"SUkqAP////8AAAAA"}}`,
	} {
		a := s.do(t, http.MethodPost, "/processes/sol/execution", strings.NewReader(body), "Content-Type", "application/json")
		if a.status != http.StatusBadRequest || len(a.body) > 4096 || strings.Contains(a.body, "<script>") {
			t.Errorf("%s: %d %.300s", name, a.status, a.body)
		}
	}
	if left := keys(t, s.Store.Bucket); len(left) != 0 {
		t.Errorf("refused requests left %v", left)
	}
}

// raw sends bytes as they are and returns the status line.
func raw(t *testing.T, s *service, request string) string {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(s.http.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(c).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return err.Error()
	}
	return strings.TrimSpace(line)
}

// A body that claims 10 GB is refused before it comes.
func TestHugeClaim(t *testing.T) {
	s := newService(t, nil)
	for _, path := range []string{"/api/upload-file", "/api/submit-job", "/api/check"} {
		line := raw(t, s, "POST "+path+" HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 10737418240\r\n\r\n--b\r\n")
		if !strings.Contains(line, "413") {
			t.Errorf("%s: %q, want 413", path, line)
		}
	}
	if left := keys(t, s.Store.Bucket); len(left) != 0 {
		t.Errorf("left %v", left)
	}
}

// A body that stalls ends its request, and leaves nothing.
func TestSlowUpload(t *testing.T) {
	s := newService(t, nil)
	s.with(func(c *submission.Config) { c.Stall = 50 * time.Millisecond })
	body := "--b\r\nContent-Disposition: form-data; name=\"dem_file\"; filename=\"dem.tif\"\r\n\r\n" + hills(t)[:400]
	line := raw(t, s, fmt.Sprintf("POST /api/submit-job HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 50000\r\n\r\n%s", body))
	if !strings.Contains(line, "400") {
		t.Errorf("%q, want 400", line)
	}
	if left := keys(t, s.Store.Bucket); len(left) != 0 {
		t.Errorf("left %v", left)
	}
	// A slow one that moves is no stalled one.
	s.with(func(c *submission.Config) { c.Stall = time.Second })
	tiff := hills(t)
	r, w := io.Pipe()
	go func() {
		_, _ = io.WriteString(w, "--b\r\nContent-Disposition: form-data; name=\"dem_file\"; filename=\"dem.tif\"\r\n\r\n")
		for i := range 10 {
			time.Sleep(150 * time.Millisecond)
			_, _ = io.WriteString(w, tiff[len(tiff)*i/10:len(tiff)*(i+1)/10])
		}
		_, _ = io.WriteString(w, "\r\n--b--\r\n")
		_ = w.Close()
	}()
	if a := s.do(t, http.MethodPost, "/api/submit-job", r, "Content-Type", "multipart/form-data; boundary=b"); a.status != http.StatusOK {
		t.Errorf("%d %s", a.status, a.body)
	}
}

func TestWrongContentTypes(t *testing.T) {
	s := newService(t, nil)
	for _, c := range []struct {
		path, kind string
		status     int
	}{
		{"/api/submit-job", "application/json", 400},
		{"/api/submit-job", "multipart/form-data", 400},
		{"/api/submit-job", "multipart/form-data; boundary=", 400},
		{"/api/upload-file", "image/tiff", 400},
		{"/api/check", "text/plain", 400},
		{"/processes/sol/execution", "", 415},
		{"/processes/sol/execution", "text/xml", 415},
		{"/processes/sol/execution", "application/json; charset", 415},
	} {
		if a := s.do(t, http.MethodPost, c.path, strings.NewReader("x"), "Content-Type", c.kind); a.status != c.status {
			t.Errorf("%s as %q: %d %s, want %d", c.path, c.kind, a.status, a.body, c.status)
		}
	}
}

// Many polls at once are all answered, in bounded memory.
func TestManyPolls(t *testing.T) {
	s := newService(t, nil)
	id := s.submit(t)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 200, MaxConnsPerHost: 200}}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	// The most that is in use at a time counts, too.
	var peak atomic.Uint64
	stop, watched := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(watched)
		var now runtime.MemStats
		for {
			runtime.ReadMemStats(&now)
			peak.Store(max(peak.Load(), now.HeapAlloc))
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	}()
	var wait sync.WaitGroup
	var answered atomic.Int32
	for i := range 1000 {
		wait.Go(func() {
			res, err := client.Get(s.http.URL + []string{"/jobs/", "/api/jobs/"}[i%2] + id)
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { _ = res.Body.Close() }()
			if _, err := io.Copy(io.Discard, res.Body); err == nil && res.StatusCode == http.StatusOK {
				answered.Add(1)
			}
		})
	}
	wait.Wait()
	close(stop)
	<-watched
	client.CloseIdleConnections()
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(peak.Load()) - int64(before.HeapAlloc); grown > 256<<20 {
		t.Errorf("the heap grew by %d MiB meanwhile", grown>>20)
	}
	if answered.Load() != 1000 {
		t.Errorf("%d of 1000 polls were answered", answered.Load())
	}
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 64<<20 {
		t.Errorf("the heap grew by %d MiB", grown>>20)
	}
}

func TestOrigins(t *testing.T) {
	s := newService(t, nil)
	if a := s.get(t, "/jobs", "Origin", "https://evil.example"); a.header.Get("Access-Control-Allow-Origin") != "" {
		t.Error("by default pages of others may read")
	}
	s.with(func(c *submission.Config) { c.Origins = []string{"https://maps.example"} })
	if a := s.get(t, "/jobs", "Origin", "https://maps.example"); a.header.Get("Access-Control-Allow-Origin") != "https://maps.example" || !strings.Contains(a.header.Get("Access-Control-Expose-Headers"), "Content-Range") {
		t.Errorf("%v", a.header)
	}
	if a := s.get(t, "/jobs", "Origin", "https://evil.example"); a.header.Get("Access-Control-Allow-Origin") != "" {
		t.Error("another origin may read")
	}
	pre := s.do(t, http.MethodOptions, "/jobs/x/results/a.tif", nil, "Origin", "https://maps.example", "Access-Control-Request-Method", "GET", "Access-Control-Request-Headers", "range")
	if pre.status != http.StatusNoContent || !strings.Contains(pre.header.Get("Access-Control-Allow-Headers"), "Range") {
		t.Errorf("preflight: %d %v", pre.status, pre.header)
	}
}

// A DEM by reference: too large ones, endless ones, and those of other hosts are refused.
func TestFetchBounds(t *testing.T) {
	files := http.NewServeMux()
	files.HandleFunc("/dem.tif", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, hills(t)) })
	files.HandleFunc("/endless.tif", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "II*\x00")
		for range 100 {
			if _, err := w.Write(bytes.Repeat([]byte("x"), 4096)); err != nil {
				return
			}
		}
	})
	files.HandleFunc("/claims.tif", func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Length", "99999999999") })
	files.HandleFunc("/page.tif", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>log in</html>") })
	files.HandleFunc("/away.tif", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
	files.HandleFunc("/elsewhere.tif", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://169.254.169.254/latest/meta-data", http.StatusFound)
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h := &http.Server{Handler: files, ReadHeaderTimeout: time.Minute}
	go func() { _ = h.Serve(l) }()
	t.Cleanup(func() { _ = h.Close() })
	s := newService(t, nil)
	s.with(func(c *submission.Config) { c.DEMHosts = outbound.Hosts{l.Addr().String()} })
	for name, want := range map[string]string{
		"dem.tif": "", "endless.tif": "larger", "claims.tif": "larger", "page.tif": "not a TIFF", "away.tif": "502", "elsewhere.tif": "may not be called", "none.tif": "404",
	} {
		body := fmt.Sprintf(`{"inputs":{"dem":{"href":"http://%s/%s"}}}`, l.Addr(), name)
		a := s.do(t, http.MethodPost, "/processes/sol/execution", strings.NewReader(body), "Content-Type", "application/json")
		if want == "" {
			if a.status != http.StatusCreated {
				t.Errorf("%s: %d %s", name, a.status, a.body)
			}
			continue
		}
		if a.status != http.StatusBadRequest && a.status != http.StatusRequestEntityTooLarge || !strings.Contains(a.body, want) {
			t.Errorf("%s: %d %s, want %q", name, a.status, a.body, want)
		}
	}
	n := 0
	for _, k := range keys(t, s.Store.Bucket) {
		if strings.HasSuffix(k, ".tif") {
			n++
		}
	}
	if n != 1 {
		t.Errorf("%d files are kept, want 1", n)
	}
}

// Forms that never end, or bring more than a job has, are refused and leave nothing.
func TestHostileForms(t *testing.T) {
	over := make(chan struct{})
	defer close(over)
	// More than is taken, and no end to it.
	endless := func(part string) io.Reader {
		r, w := io.Pipe()
		go func() {
			_, err := io.WriteString(w, "--b\r\n"+part)
			for n := 0; err == nil && n < 17<<20; n += 64 << 10 {
				_, err = io.WriteString(w, strings.Repeat("x", 64<<10))
			}
			<-over
			_ = w.Close()
		}()
		return r
	}
	const file = "Content-Disposition: form-data; name=\"%s\"; filename=\"%s\"\r\n\r\n"
	many := strings.Repeat("--b\r\nContent-Disposition: form-data; name=\"step\"\r\n\r\n15\r\n", 300) + "--b--\r\n"
	dem := fmt.Sprintf("--b\r\n"+file+"%s\r\n", "dem_file", "dem.tif", hills(t))
	upload := fmt.Sprintf("--b\r\n"+file+"%s\r\n--b--\r\n", "file", "dem.tif", hills(t))
	for name, c := range map[string]struct {
		path   string
		body   io.Reader
		status int
	}{
		"an endless DEM":       {"/api/submit-job", endless(fmt.Sprintf(file, "dem_file", "dem.tif") + "II*\x00"), 413},
		"an endless upload":    {"/api/upload-file", endless(fmt.Sprintf(file, "file", "dem.tif") + "II*\x00"), 413},
		"an endless preamble":  {"/api/upload-file", endless(fmt.Sprintf(file, "other", "dem.tif")), 413},
		"two DEMs":             {"/api/submit-job", strings.NewReader(dem + dem + "--b--\r\n"), 400},
		"a hundred rasters":    {"/api/submit-job", strings.NewReader(strings.Repeat(fmt.Sprintf("--b\r\n"+file+"%s\r\n", "kb_file", "kb.tif", hills(t)), 100) + "--b--\r\n"), 400},
		"hundreds of fields":   {"/api/submit-job", strings.NewReader(many), 400},
		"a value cut in two":   {"/api/submit-job", strings.NewReader("--b\r\nContent-Disposition: form-data; name=\"step\"\r\n\r\n30" + strings.Repeat(" ", 70_000) + "0" + "\r\n" + dem + "--b--\r\n"), 400},
		"hundreds of parts":    {"/api/upload-file", strings.NewReader(strings.TrimSuffix(many, "--b--\r\n") + upload), 400},
		"a file for a field":   {"/api/submit-job", strings.NewReader(fmt.Sprintf("--b\r\n"+file+"%s\r\n--b--\r\n", "step", "step.tif", strings.Repeat("9", 100000))), 400},
		"a name of a megabyte": {"/api/submit-job", strings.NewReader(fmt.Sprintf("--b\r\n"+file+"15\r\n--b--\r\n", strings.Repeat("n", 1<<20), "x.tif")), 400},
		"another boundary":     {"/api/submit-job", strings.NewReader("--c\r\n\r\n--c--"), 400},
	} {
		s := newService(t, nil)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.http.URL+c.path, c.body)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "multipart/form-data; boundary=b")
		var a answer
		res, err := http.DefaultClient.Do(req)
		switch _, finite := c.body.(*strings.Reader); {
		case err == nil:
			data, _ := io.ReadAll(res.Body)
			_ = res.Body.Close()
			a.status, a.body = res.StatusCode, string(data)
		case !finite && (errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)):
			a.status = c.status // who goes on sending may not come to hear the answer
		default:
			t.Errorf("%s: %v", name, err)
		}
		if a.status != c.status || len(a.body) > 4096 {
			t.Errorf("%s: %d %.300s, want %d", name, a.status, a.body, c.status)
		}
		if left := keys(t, s.Store.Bucket); len(left) != 0 {
			t.Errorf("%s left %v", name, left)
		}
		// Nothing is held back: the next one is served.
		s.submit(t)
	}
}

// Uploads in parts, by clients that do not keep to the protocol.
func TestHostileParts(t *testing.T) {
	s := newService(t, nil)
	s.with(func(c *submission.Config) { c.Stall = 100 * time.Millisecond })
	name := func(text string) string { return "filename " + base64.StdEncoding.EncodeToString([]byte(text)) }
	for text, status := range map[string]int{"../../jobs/x/job.json.tif": 201, `..\..\x.tif`: 201, "<script>.tif": 201, "a\x00\r\nb.tif": 201, strings.Repeat("x", 3000) + ".tif": 201, "": 400, "/": 400} {
		a := s.do(t, http.MethodPost, "/uploads", nil, "Tus-Resumable", tus, "Upload-Length", "1000", "Upload-Metadata", name(text))
		if a.status != status {
			t.Errorf("%.40q: %d %s", text, a.status, a.body)
		}
		if at := a.header.Get("Location"); a.status == 201 && strings.ContainsAny(at[strings.LastIndex(at, "/uploads/"):], "<>\\\x00\r\n%") {
			t.Errorf("%.40q became %q", text, at)
		}
	}
	for _, k := range keys(t, s.Store.Bucket) {
		if parts := strings.Split(k, "/"); len(parts) != 3 || parts[0] != "incoming" || len(k) > 200 {
			t.Errorf("an upload became the object %q", k)
		}
	}
	path := s.begin(t, "dem.tif", 1000)
	data := hills(t)[:1000]
	for what, c := range map[string]struct {
		header []string
		body   string
		status int
	}{
		"another type":      {[]string{"Upload-Offset", "0", "Content-Type", "image/tiff"}, data, 415},
		"no offset":         {[]string{"Content-Type", "application/offset+octet-stream"}, data, 400},
		"an offset before":  {[]string{"Upload-Offset", "-1", "Content-Type", "application/offset+octet-stream"}, data, 400},
		"an offset no one":  {[]string{"Upload-Offset", "9e9", "Content-Type", "application/offset+octet-stream"}, data, 400},
		"an offset beyond":  {[]string{"Upload-Offset", "999999", "Content-Type", "application/offset+octet-stream"}, data, 409},
		"more than claimed": {[]string{"Upload-Offset", "0", "Content-Type", "application/offset+octet-stream"}, data + "x", 413},
		"no version":        {[]string{"Upload-Offset", "0", "Content-Type", "application/offset+octet-stream", "Tus-Resumable", "0.1"}, data, 412},
	} {
		if a := s.do(t, http.MethodPatch, path, strings.NewReader(c.body), append([]string{"Tus-Resumable", tus}, c.header...)...); a.status != c.status {
			t.Errorf("%s: %d %s, want %d", what, a.status, a.body, c.status)
		}
	}
	if at := s.offset(t, path); at != "0" {
		t.Errorf("refused parts left the offset at %s", at)
	}
	// A part that stalls ends, and what came stays.
	raw(t, s, fmt.Sprintf("PATCH %s HTTP/1.1\r\nHost: x\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\nContent-Type: application/offset+octet-stream\r\nContent-Length: 1000\r\n\r\n%s", path, data[:400]))
	if at := s.offset(t, path); at != "400" {
		t.Errorf("after a part that stalled the offset is %s, want 400", at)
	}
}

// Streams that nobody reads, all there are of them, hold neither memory nor the other requests; jobs go in meanwhile.
func TestUnreadStreams(t *testing.T) {
	s := newService(t, nil)
	stop := make(chan struct{})
	s.with(func(c *submission.Config) { c.Stopping = stop })
	id := s.submit(t)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	address := strings.TrimPrefix(s.http.URL, "http://")
	var open []net.Conn
	for range 160 {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, c)
		if _, err := fmt.Fprintf(c, "GET /jobs/%s/events HTTP/1.1\r\nHost: x\r\n\r\n", id); err != nil {
			t.Fatal(err)
		}
	}
	defer func() {
		close(stop)
		for _, c := range open {
			_ = c.Close()
		}
	}()
	// Of each the first line is read, which says what became of it, and no more.
	streams := map[string]int{}
	for _, c := range open {
		line := make([]byte, len("HTTP/1.1 200"))
		if _, err := io.ReadFull(c, line); err != nil {
			t.Fatal(err)
		}
		streams[string(line)]++
	}
	if streams["HTTP/1.1 200"] != 128 || streams["HTTP/1.1 503"] != 32 {
		t.Errorf("of 160 streams %v", streams)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 32<<20 {
		t.Errorf("open streams hold %d MiB", grown>>20)
	}
	other := s.submit(t)
	for _, id := range []string{id, other} {
		if a := s.get(t, "/api/jobs/"+id); a.status != http.StatusOK {
			t.Errorf("job %s: %d", id, a.status)
		}
	}
}

// Streams take a quarter of the requests that are let in, so that the others are served.
func TestStreamsWithinConcurrency(t *testing.T) {
	s := newService(t, nil)
	stop := make(chan struct{})
	defer close(stop)
	s.with(func(c *submission.Config) { c.Stopping, c.Concurrency = stop, 10 })
	id := s.submit(t)
	statuses := map[string]int{}
	for range 4 {
		c, err := net.Dial("tcp", strings.TrimPrefix(s.http.URL, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		line := make([]byte, len("HTTP/1.1 200"))
		if _, err := fmt.Fprintf(c, "GET /jobs/%s/events HTTP/1.1\r\nHost: x\r\n\r\n", id); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c, line); err != nil {
			t.Fatal(err)
		}
		statuses[string(line)]++
	}
	if statuses["HTTP/1.1 200"] != 2 || statuses["HTTP/1.1 503"] != 2 {
		t.Errorf("of 4 streams beside 10 requests %v", statuses)
	}
}
