package integration

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloudevents/conformance/pkg/event"
	conformancehttp "github.com/cloudevents/conformance/pkg/http"
	"github.com/cloudevents/conformance/pkg/invoker"
	ce "github.com/cloudevents/sdk-go/v2/event"
	"github.com/oklog/ulid/v2"

	"github.com/cyverse-gis/eemt/eventing"
	"github.com/cyverse-gis/eemt/eventing/httpbinding"
)

// conformance is where the CloudEvents conformance tool keeps its events.
func conformance(t *testing.T, path string) string {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/cloudevents/conformance").Output()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(strings.TrimSpace(string(out)), filepath.FromSlash(path))
}

// TestCloudEventsConformance sends the events of the conformance tool to each service, with the tool's own code, as
// cloudevents invoke does. The tool's events have types that nobody here takes, so they get one that the service
// takes, with its payload; all else stays.
func TestCloudEventsConformance(t *testing.T) {
	s := newServices(t)
	for _, service := range []struct {
		name, path, kind, data string
	}{
		{"submission", "/events", eventing.PingTick, `{"task":"resume"}`},
		{"submission", "/events", "google.cloud.storage.object.v1.finalized", `{"bucket":"maps","name":"uploads/none.tif"}`},
		{"compute", "/", eventing.JobSubmitted, fmt.Sprintf(`{"job_id":%q,"attempt":0}`, endedJob(t, s.data))},
		{"cleanup", "/", eventing.PingTick, `{"task":"resume"}`},
		{"cleanup", "/dead-letter", "com.example.someevent", `{}`},
	} {
		t.Run(service.name+" "+service.kind, func(t *testing.T) {
			p := s.start(t, service.name, "1s")
			target, err := url.Parse(p.url + service.path)
			if err != nil {
				t.Fatal(err)
			}
			for _, file := range []string{"yaml/v1.yaml", "yaml/v1.0/v1_minimum.yaml"} {
				for _, mode := range []string{event.BinaryMode, event.StructuredMode} {
					n := 0
					i := invoker.Invoker{URL: target, Files: []string{conformance(t, file)}, PreHook: func(e event.Event) (event.Event, error) {
						n++
						e.Mode, e.Attributes.Type, e.Data = mode, service.kind, service.data
						// With a type of text in front of it JSON is no JSON; that is tested below.
						if !strings.HasPrefix(e.Attributes.DataContentType, "application/json") {
							e.Attributes.DataContentType = ""
						}
						return e, nil
					}}
					if err := i.Do(); err != nil || n == 0 {
						t.Errorf("%s, %s, %d events: %v", file, mode, n, err)
					}
				}
			}
			// As they are, the events are well-formed and refused for their type alone, version 0.3 for its version.
			for _, file := range []string{"yaml/v1.yaml", "yaml/v1.0/v1_minimum.yaml", "yaml/v0.3/v03_minimum.yaml"} {
				list, err := event.FromYaml(conformance(t, file), false)
				if err != nil || len(list) == 0 {
					t.Fatalf("%s: %v", file, err)
				}
				for _, e := range list {
					code, said := send(t, target.String(), e)
					want := e.Attributes.Type
					if e.Attributes.SpecVersion != "1.0" {
						want = "specversion"
					}
					if service.path == "/dead-letter" && e.Attributes.SpecVersion == "1.0" {
						if code != http.StatusAccepted {
							t.Errorf("%s %s: %d %s", file, e.Attributes.ID, code, said)
						}
						continue
					}
					if code != http.StatusBadRequest || !strings.Contains(said, want) {
						t.Errorf("%s %s: %d %q, want 400 with %q", file, e.Attributes.ID, code, said, want)
					}
				}
			}
		})
	}
}

// endedJob writes the records of a job that has ended, so that compute has nothing to do.
func endedJob(t *testing.T, data string) string {
	t.Helper()
	id := ulid.Make().String()
	dir := filepath.Join(data, "jobs", id)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, record := range map[string]any{"job.json": map[string]any{"id": id}, "end.json": map[string]any{"state": "cancelled"}} {
		b, err := json.Marshal(record)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return id
}

func send(t *testing.T, target string, e event.Event) (int, string) {
	t.Helper()
	if e.Mode == event.StructuredMode && !json.Valid([]byte(e.Data)) {
		t.Fatalf("event %s cannot be sent in structured mode", e.Attributes.ID)
	}
	req, err := conformancehttp.EventToRequest(target, e)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	said, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(said)
}

// TestHTTPBindingFeature reads the requests of the tool's feature file of the HTTP protocol binding.
func TestHTTPBindingFeature(t *testing.T) {
	feature, err := os.ReadFile(conformance(t, "features/http-protocol-binding.feature"))
	if err != nil {
		t.Fatal(err)
	}
	scenarios := strings.Split(string(feature), "Scenario Outline:")[1:]
	examples := regexp.MustCompile(`(?m)^\s*\|\s*(application/\S.*?)\s*\|$`)
	attributes := regexp.MustCompile(`(?m)^\s*\|\s*(id|specversion|type|source|time|datacontenttype)\s*\|\s*(\S.*?)\s*\|$`)
	n := 0
	for _, scenario := range scenarios {
		parts := strings.Split(scenario, `"""`) // text, request, text with the attributes, data, examples
		if len(parts) != 5 {
			t.Fatalf("the feature file has another form: %d parts", len(parts))
		}
		for _, example := range examples.FindAllStringSubmatch(parts[4], -1) {
			n++
			contentType := example[1]
			t.Run(contentType, func(t *testing.T) {
				request := unindent(strings.ReplaceAll(parts[1], "<contentType>", contentType))
				head, body, _ := strings.Cut(request, "\n\n")
				// The lengths in the file are of other line ends.
				head = regexp.MustCompile(`(?m)^Content-Length:.*$`).ReplaceAllString(head, fmt.Sprintf("Content-Length: %d", len(body)))
				r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(strings.ReplaceAll(head, "\n", "\r\n") + "\r\n\r\n" + body)))
				if err != nil {
					t.Fatal(err)
				}
				got := map[string]string{}
				var data []byte
				w := httptest.NewRecorder()
				httpbinding.NewReceiver(func(_ context.Context, e ce.Event) error {
					got = map[string]string{
						"id": e.ID(), "specversion": e.SpecVersion(), "type": e.Type(), "source": e.Source(),
						"time": e.Time().UTC().Format(time.RFC3339), "datacontenttype": e.DataContentType(),
					}
					data = e.Data()
					return nil
				}, nil).ServeHTTP(w, r)
				if w.Code != http.StatusAccepted {
					t.Fatalf("%d %s", w.Code, w.Body)
				}
				wants := attributes.FindAllStringSubmatch(parts[2], -1)
				if len(wants) != 6 {
					t.Fatalf("%d attributes in the feature file", len(wants))
				}
				for _, want := range wants {
					if value := strings.ReplaceAll(want[2], "<contentType>", contentType); got[want[1]] != value {
						t.Errorf("%s is %q, want %q", want[1], got[want[1]], value)
					}
				}
				var a, b any
				if json.Unmarshal(data, &a) != nil || json.Unmarshal([]byte(parts[3]), &b) != nil || fmt.Sprint(a) != fmt.Sprint(b) {
					t.Errorf("data %s, want %s", data, parts[3])
				}
			})
		}
	}
	if n != 4 {
		t.Errorf("%d examples, want 4", n)
	}
}

// unindent takes the indentation of the first line from all.
func unindent(s string) string {
	s = strings.Trim(s, "\n ")
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = strings.TrimPrefix(lines[i], "        ")
	}
	return strings.Join(lines, "\n")
}

// TestSentEventsConform reads what the publisher sends with the tool's code.
func TestSentEventsConform(t *testing.T) {
	var sent atomic.Pointer[event.Event]
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		e, err := conformancehttp.RequestToEvent(r)
		if err != nil {
			t.Error(err)
		}
		sent.Store(e)
		w.WriteHeader(http.StatusAccepted)
	}))
	t.Cleanup(s.Close)
	p, err := httpbinding.NewPublisher(nil, s.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	if err := p.Publish(t.Context(), eventing.NewTaskRequested("/eemt/compute", eventing.Task{JobID: "01JDE2M8W3T9QK5Y7XN4RZB6VC", Phase: 1, Kind: "tiles", Task: "r0c1", Attempt: 2}, at)); err != nil {
		t.Fatal(err)
	}
	got := sent.Load()
	a := got.Attributes
	if got.Mode != event.BinaryMode || a.SpecVersion != "1.0" || a.Type != eventing.TaskRequested || a.Source != "/eemt/compute" ||
		a.ID != "01JDE2M8W3T9QK5Y7XN4RZB6VC.task-requested.1.r0c1.2" || a.Subject != "01JDE2M8W3T9QK5Y7XN4RZB6VC/r0c1" || a.Time != "2026-03-01T12:00:00Z" ||
		a.DataContentType != "application/json" || len(a.Extensions) != 0 {
		t.Errorf("sent %+v", got)
	}
}
