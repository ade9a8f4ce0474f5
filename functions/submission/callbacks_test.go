package submission_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/cyverse-gis/eemt/eventing"
	"github.com/cyverse-gis/eemt/functions/submission"
	"github.com/cyverse-gis/eemt/shared/job"
)

// TestForgedEventsCallNobody: a subscriber is called for what the records of a job say, once for each thing, whatever events
// anybody sends.
func TestForgedEventsCallNobody(t *testing.T) {
	var mu sync.Mutex
	var calls []string
	subscriber := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		calls = append(calls, r.URL.Path)
	}))
	defer subscriber.Close()
	u, err := url.Parse(subscriber.URL)
	if err != nil {
		t.Fatal(err)
	}
	s := newService(t, nil)
	s.with(func(c *submission.Config) { c.CallbackHosts = []string{u.Host} })
	a := s.post(t, "/api/upload-file", field{"file", hills(t), "dem.tif"})
	body, err := json.Marshal(map[string]any{
		"inputs":     map[string]any{"dem": map[string]any{"href": "inputs/" + a.json(t)["filename"].(string)}},
		"subscriber": map[string]any{"successUri": subscriber.URL + "/success", "inProgressUri": subscriber.URL + "/progress", "failedUri": subscriber.URL + "/failed"},
	})
	if err != nil {
		t.Fatal(err)
	}
	id := s.do(t, "POST", "/processes/sol/execution", strings.NewReader(string(body)), "Content-Type", "application/json").json(t)["jobID"].(string)
	send := func(kind string) {
		t.Helper()
		event, err := json.Marshal(map[string]any{"job_id": id, "attempt": 0})
		if err != nil {
			t.Fatal(err)
		}
		if a := s.do(t, "POST", "/events", strings.NewReader(string(event)), "Content-Type", "application/json",
			"Ce-Specversion", "1.0", "Ce-Type", kind, "Ce-Source", "/x", "Ce-Id", "1"); a.status != http.StatusAccepted {
			t.Fatalf("%s: %d %s", kind, a.status, a.body)
		}
	}
	called := func(after string, want ...string) {
		t.Helper()
		mu.Lock()
		defer mu.Unlock()
		if !slices.Equal(calls, want) {
			t.Errorf("after %s: %q, want %q", after, calls, want)
		}
	}
	for range 2 {
		send(eventing.JobFailed)
		send(eventing.JobCompleted)
		send(eventing.JobCancelled)
	}
	called("ends that are none")
	for range 3 {
		send(eventing.JobSubmitted)
	}
	called("three of the same", "/progress")
	s.end(t, id, job.Failed)
	send(eventing.JobCompleted)
	called("an end of another kind", "/progress", "/failed")
	for range 2 {
		send(eventing.JobFailed)
		send(eventing.TilesCompleted)
	}
	called("the end again, and progress after it", "/progress", "/failed")
}
