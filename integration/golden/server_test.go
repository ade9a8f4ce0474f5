package golden

import (
	"archive/zip"
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// exchange is a request and its recorded answer.
type exchange struct {
	Request string            `json:"request"`
	Sent    map[string]string `json:"sent,omitempty"`
	Status  int               `json:"status"`
	Headers map[string]string `json:"headers"`
	// Body is JSON, the lines of a text, or a checksum.
	Body any `json:"body,omitempty"`
}

// server is a running eemt serve, whose answers are recorded in groups.
type server struct {
	t       *testing.T
	url     string
	process *os.Process
	began   time.Time
	// names of ids, in the order in which they are first seen.
	names map[string]string
	// group is where answers are recorded now.
	group  string
	groups map[string][]exchange
	// bodies are the requests that were first answered with a body in a group.
	bodies map[string]string
	// operations are the paths of the definition with their methods.
	operations map[string][]string
	// statuses are those that an operation was seen to answer.
	statuses map[string][]int
}

var address = regexp.MustCompile(`msg=serving url=(\S+)`)

// serve starts the product on a directory.
func serve(t *testing.T, data string) *server {
	t.Helper()
	c := exec.CommandContext(t.Context(), program(t), "serve", "--address", "127.0.0.1:0", "--data", data,
		"--num-threads", "2", "--memory", "512", "--echo", "--no-space-check", "--cors-origin", "https://example.org", "--host", "maps.example.org")
	c.Env = append(os.Environ(), "GOMEMLIMIT=")
	c.Cancel = func() error { return c.Process.Signal(os.Interrupt) }
	c.WaitDelay = 20 * time.Second
	log, err := c.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	s := &server{t: t, process: c.Process, began: time.Now(), names: map[string]string{}, bodies: map[string]string{}, groups: map[string][]exchange{}, statuses: map[string][]int{}}
	lines := bufio.NewScanner(log)
	for s.url == "" && lines.Scan() {
		if m := address.FindStringSubmatch(lines.Text()); m != nil {
			s.url = m[1]
		}
	}
	if s.url == "" {
		t.Fatalf("the server did not start: %v", c.Wait())
	}
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		for lines.Scan() { // the server must not block on a full pipe
		}
	}()
	t.Cleanup(func() {
		_ = c.Process.Signal(os.Interrupt)
		<-drained
		_ = c.Wait()
	})
	s.define()
	return s
}

// define reads which operations there are from the server's own definition.
func (s *server) define() {
	s.t.Helper()
	_, _, data := s.ask("GET", "/openapi.json", nil, "")
	var d struct {
		Paths map[string]map[string]json.RawMessage
	}
	if err := json.Unmarshal(data, &d); err != nil {
		s.t.Fatal(err)
	}
	s.operations = map[string][]string{}
	for path, methods := range d.Paths {
		for m := range methods {
			if m != "parameters" {
				s.operations[path] = append(s.operations[path], strings.ToUpper(m))
			}
		}
	}
}

var inPath = regexp.MustCompile(`\\\{[^}]*\\\}`)

// operation finds the operation of the definition that a request is for; of several paths that with the fewest
// parameters.
func (s *server) operation(method, target string) string {
	path, _, _ := strings.Cut(target, "?")
	best, fewest := "", 99
	for template, methods := range s.operations {
		holes := strings.Count(template, "{")
		pattern := strings.ReplaceAll(regexp.QuoteMeta(template), `\{file\}`, `.*`)
		pattern = inPath.ReplaceAllString(pattern, `[^/]+`)
		if slices.Contains(methods, method) && holes < fewest && regexp.MustCompile("^"+pattern+"$").MatchString(path) {
			best, fewest = method+" "+template, holes
		}
	}
	return best
}

// ask sends a request and records nothing.
func (s *server) ask(method, target string, headers map[string]string, body string) (int, http.Header, []byte) {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.url+target, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	for k, v := range headers {
		r.Header.Set(k, v)
		if k == "Host" {
			r.Host = v
		}
	}
	client := http.Client{
		Transport:     &http.Transport{DisableCompression: true, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	a, err := client.Do(r)
	if err != nil {
		s.t.Fatalf("%s %s: %v", method, target, err)
	}
	defer func() { _ = a.Body.Close() }()
	data, err := io.ReadAll(a.Body)
	if err != nil {
		s.t.Fatalf("%s %s: %v", method, target, err)
	}
	return a.StatusCode, a.Header, data
}

// with names headers, in pairs.
func with(pairs ...string) map[string]string {
	h := map[string]string{}
	for i := 0; i+1 < len(pairs); i += 2 {
		h[pairs[i]] = pairs[i+1]
	}
	return h
}

// do sends a request and records the answer. Bodies of requests are recorded where they are short texts.
func (s *server) do(method, target string, headers map[string]string, body string) (http.Header, []byte) {
	s.t.Helper()
	status, header, data := s.ask(method, target, headers, body)
	if op := s.operation(method, target); op != "" {
		s.statuses[op] = append(s.statuses[op], status)
	}
	e := exchange{Request: method + " " + s.steady(target), Status: status, Headers: map[string]string{}}
	if len(headers) > 0 || body != "" {
		e.Sent = map[string]string{}
		for k, v := range headers {
			e.Sent[k] = s.steady(boundary.ReplaceAllString(v, "boundary"))
			if k == "If-None-Match" {
				e.Sent[k] = "ETAG"
			}
		}
		if body != "" && len(body) < 1500 && !strings.Contains(headers["Content-Type"], "multipart") {
			e.Sent["body"] = s.steady(body)
		}
	}
	for _, k := range slices.Sorted(maps.Keys(header)) {
		switch k {
		case "Date", "Content-Length":
		case "Etag":
			e.Headers[k] = "ETAG"
		default:
			e.Headers[k] = s.steady(boundary.ReplaceAllString(strings.Join(header[k], " | "), "boundary"))
		}
	}
	e.Body = s.body(header.Get("Content-Type"), data, strings.HasPrefix(target, "/api/jobs/"))
	if e.Body != nil {
		// What several answers of a group say alike is recorded once.
		key := s.group + string(marshal(s.t, e.Body))
		if first := s.bodies[key]; first != "" && len(key) > 400 {
			e.Body = "as that of " + first
		} else {
			s.bodies[key] = e.Request
		}
	}
	s.groups[s.group] = append(s.groups[s.group], e)
	return header, data
}

// get records the answers to several GET requests without headers.
func (s *server) get(targets ...string) {
	s.t.Helper()
	for _, target := range targets {
		s.do("GET", target, nil, "")
	}
}

// longest and longestText are the JSON and the text that are recorded word by word, in bytes; of longer ones the checksum
// is.
const longest, longestText = 10 << 10, 6 << 10

// body is how an answer's body is recorded.
func (s *server) body(kind string, data []byte, archive bool) any {
	s.t.Helper()
	if len(data) == 0 {
		return nil
	}
	kind, _, _ = mime.ParseMediaType(kind)
	switch {
	case kind == "application/zip" && archive:
		if z, err := zip.NewReader(bytes.NewReader(data), int64(len(data))); err == nil {
			return s.entries(z)
		}
		return fmt.Sprintf("%d bytes", len(data))
	case strings.HasSuffix(kind, "json"):
		var v any
		text := s.steady(string(data))
		if err := json.Unmarshal([]byte(text), &v); err != nil {
			return strings.Split(text, "\n") // a part of it
		}
		v = machine(v)
		if len(text) > longest {
			return "sha256 " + checksum(marshal(s.t, v))
		}
		return v
	case kind == "text/css" || kind == "text/javascript" || kind == "image/svg+xml":
		return "of the page" // it may change without the API
	case kind == "multipart/related" || kind == "multipart/byteranges":
		return fmt.Sprintf("parts of type %q", parts.FindAllString(string(data), -1))
	case strings.HasPrefix(kind, "text/"):
		text := s.steady(string(data))
		switch {
		case strings.Contains(text, `src="/app.js`), strings.Contains(text, `src="app.js`):
			return "the page: " + title.FindString(text)
		case len(text) > longestText:
			return title.FindString(text) + " sha256 " + checksum([]byte(text))
		}
		return strings.Split(text, "\n")
	}
	return fmt.Sprintf("%d bytes, sha256 %s", len(data), checksum(data))
}

// entries lists what an archive holds.
func (s *server) entries(z *zip.Reader) any {
	s.t.Helper()
	all := map[string]string{}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			s.t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		if err != nil {
			s.t.Fatal(err)
		}
		all[s.steady(f.Name)] = "-"
		if !strings.HasSuffix(f.Name, ".json") && !strings.HasSuffix(f.Name, ".log") {
			all[s.steady(f.Name)] = checksum(data)
		}
	}
	return all
}

var (
	boundary = regexp.MustCompile(`\b[0-9a-f]{40,}\b`)
	parts    = regexp.MustCompile(`(?i)content-type: [^\r\n]+`)
	title    = regexp.MustCompile(`<title>[^<]*</title>`)
	stamp    = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?`)
	date     = regexp.MustCompile(`\b20\d\d-\d\d-\d\d\b( \d\d:\d\d(:\d\d)?)?`)
	httpTime = regexp.MustCompile(`(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT`)
	ulids    = regexp.MustCompile(`0[0-9A-HJKMNP-TV-Z]{25}`)
	tickets  = regexp.MustCompile(`\b(t\.\d{10}\.[\w-]{43}|s\.0[0-9A-HJKMNP-TV-Z]{25}\.[A-Z2-7]{26})\b`)
	cursors  = regexp.MustCompile(`cursor=[^&"<>\s]+`)
)

// steady names ids by the order in which they come, and replaces the server's address and the times of this run. Times
// of a climate year stay.
func (s *server) steady(text string) string {
	text = strings.ReplaceAll(text, s.url, "http://HOST")
	text = strings.ReplaceAll(text, strings.TrimPrefix(s.url, "http://"), "HOST")
	text = cursors.ReplaceAllString(text, "cursor=CURSOR")
	text = tickets.ReplaceAllString(text, "TICKET")
	text = ulids.ReplaceAllStringFunc(text, func(id string) string {
		if s.names[id] == "" {
			s.names[id] = fmt.Sprintf("ID%d", len(s.names)+1)
		}
		return s.names[id]
	})
	recent := func(name string) func(string) string {
		return func(at string) string {
			day, err := time.Parse(time.DateOnly, at[:len(time.DateOnly)])
			if err == nil && day.After(s.began.Add(-72*time.Hour)) && day.Before(s.began.AddDate(100, 0, 1)) {
				return name
			}
			return at
		}
	}
	text = stamp.ReplaceAllStringFunc(text, recent("TIME"))
	text = date.ReplaceAllStringFunc(text, recent("DAY"))
	return httpTime.ReplaceAllString(text, "TIME")
}

// ofMachine are the members of JSON objects that differ from run to run, or from machine to machine.
var ofMachine = regexp.MustCompile(`^((core_|tile_)?seconds|slowest.*|longest.*|memory.*|file:size|size_json|cpu_count|architecture|platform|.*_mb)$`)

// machine replaces them.
func machine(v any) any {
	switch v := v.(type) {
	case map[string]any:
		// How long JSON is depends on the times in it.
		if name, _ := v["name"].(string); strings.HasSuffix(name, ".json") && v["size"] != nil {
			v["size"] = "-"
		}
		for k, e := range v {
			if _, object := e.(map[string]any); ofMachine.MatchString(k) && !object {
				v[k] = "-"
				continue
			}
			v[k] = machine(e)
		}
	case []any:
		for i, e := range v {
			v[i] = machine(e)
		}
	}
	return v
}

// until waits for a job to be in one of some states of the old suite's list, and to have planned its work.
func (s *server) until(id string, states ...string) {
	s.t.Helper()
	var j struct {
		Status  string
		Planned int `json:"tasks_planned"`
	}
	for range 1200 {
		_, _, data := s.ask("GET", "/api/jobs/"+id, nil, "")
		if err := json.Unmarshal(data, &j); err != nil {
			s.t.Fatalf("%v: %s", err, data)
		}
		if slices.Contains(states, j.Status) && (j.Status != "running" || j.Planned > 0) {
			return
		}
		if j.Status == "failed" || j.Status == "completed" {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	_, _, data := s.ask("GET", "/jobs/"+id+"?f=json", nil, "")
	s.t.Fatalf("job %s is %s, not one of %v: %s", id, j.Status, states, data)
}

// member reads a member of a JSON object, a text.
func (s *server) member(data []byte, name string) string {
	s.t.Helper()
	var m map[string]any
	if err := json.Unmarshal(data, &m); err != nil {
		s.t.Fatalf("%v: %s", err, data)
	}
	text, ok := m[name].(string)
	if !ok {
		s.t.Fatalf("no %s in %s", name, data)
	}
	return text
}
