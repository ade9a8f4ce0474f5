package integration

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/binding"
	ce "github.com/cloudevents/sdk-go/v2/event"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"
	"github.com/oklog/ulid/v2"

	"github.com/cyverse-gis/eemt/eventing"
	"github.com/cyverse-gis/eemt/eventing/eventmac"
)

// TestForgedEventsEndNothing posts to compute and cleanup what any pod of a cluster could: a dead letter that would end a job,
// and work. With the key that the services share both are taken, and what they send themselves has a code too.
func TestForgedEventsEndNothing(t *testing.T) {
	s := newServices(t)
	key := strings.Repeat("k", eventmac.MinKey)
	keys, err := eventmac.New(key)
	if err != nil {
		t.Fatal(err)
	}
	id := ulid.Make().String()
	dir := filepath.Join(s.data, "jobs", id)
	record, err := json.Marshal(map[string]any{"id": id, "workflow": "sol", "created": time.Now()})
	if err == nil {
		err = os.MkdirAll(dir, 0o755)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "job.json"), record, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	ended := func() bool {
		_, err := os.Stat(filepath.Join(dir, "end.json"))
		return err == nil
	}
	post := func(target string, e ce.Event) int {
		t.Helper()
		req := httptest.NewRequest(http.MethodPost, target, nil)
		if err := cehttp.WriteRequest(binding.WithForceBinary(t.Context()), binding.ToMessage(&e), req); err != nil {
			t.Fatal(err)
		}
		req.RequestURI = ""
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		return res.StatusCode
	}
	work := eventing.NewTaskRequested("/compute", eventing.Task{JobID: id, Kind: "tiles", Task: "r0000c0000"}, time.Now())
	fail := eventing.Failure{Dest: "http://compute", Code: 503, Reason: "forged reason"}
	another, err := eventmac.New(strings.Repeat("x", eventmac.MinKey))
	if err != nil {
		t.Fatal(err)
	}
	compute, cleanup := s.start(t, "compute", "1s", "EEMT_EVENT_KEY="+key), s.start(t, "cleanup", "1s", "EEMT_EVENT_KEY="+key)
	for _, e := range []ce.Event{work, another.Sign(work), eventing.NewJobSubmitted("/submission", id, 0, time.Now())} {
		if code := post(compute.url+"/", e); code != http.StatusUnauthorized {
			t.Errorf("compute answers %d to a forged %s", code, e.Type())
		}
		if code := post(cleanup.url+"/dead-letter", eventing.WithFailure(e, fail)); code != http.StatusUnauthorized {
			t.Errorf("cleanup answers %d to a forged dead letter of %s", code, e.Type())
		}
	}
	if ended() {
		t.Error("a forged event ended the job")
	}
	if code := post(cleanup.url+"/", eventing.NewTick("/ping", eventing.TaskResume, time.Now())); code != http.StatusAccepted {
		t.Errorf("cleanup answers %d to a tick", code)
	}
	if code := post(cleanup.url+"/dead-letter", eventing.WithFailure(keys.Sign(work), fail)); code != http.StatusAccepted || !ended() {
		t.Errorf("cleanup answers %d to a dead letter of the platform; ended: %t", code, ended())
	}
	e := s.only(t, eventing.JobFailed)
	got, err := binding.ToEvent(t.Context(), cehttp.NewMessage(e.header, http.NoBody))
	if err != nil {
		t.Fatal(err)
	}
	got.DataEncoded = e.body
	if err := keys.Verify(*got); err != nil {
		t.Errorf("what cleanup sends: %v", err)
	}
}
