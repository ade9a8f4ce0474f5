package eventing_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"

	"github.com/cyverse-gis/eemt/eventing"
)

const jobID = "01JDE2M8W3T9QK5Y7XN4RZB6VC"

var at = time.Date(2026, 3, 1, 12, 0, 0, 0, time.FixedZone("MST", -7*3600))

func TestConstructors(t *testing.T) {
	for _, c := range []struct {
		name             string
		e                event.Event
		typ, id, subject string
		data             string
	}{
		{
			"JobSubmitted", eventing.NewJobSubmitted("/submission", jobID, 0, at),
			"org.cyverse.eemt.job.submitted.v1", jobID + ".job-submitted.0", jobID, `{"job_id":"` + jobID + `","attempt":0}`,
		},
		{
			"TaskRequested", eventing.NewTaskRequested("/compute", eventing.Task{JobID: jobID, Phase: 3, Kind: "tiles", Task: "r0c1", Attempt: 2}, at),
			"org.cyverse.eemt.task.requested.v1", jobID + ".task-requested.3.r0c1.2", jobID + "/r0c1", `{"job_id":"` + jobID + `","phase":3,"kind":"tiles","task":"r0c1","attempt":2}`,
		},
		{
			"TilesCompleted", eventing.NewTaskRequested("/compute", eventing.Task{JobID: jobID, Phase: 4, Kind: eventing.KindAssembly, Task: "assembly", Attempt: 1}, at),
			"org.cyverse.eemt.tiles.completed.v1", jobID + ".tiles-completed.1", jobID, `{"job_id":"` + jobID + `","phase":4,"kind":"assembly","task":"assembly","attempt":1}`,
		},
		{
			"JobCompleted", eventing.NewJobCompleted("/compute", jobID, 0, at),
			"org.cyverse.eemt.job.completed.v1", jobID + ".job-completed.0", jobID, `{"job_id":"` + jobID + `","attempt":0}`,
		},
		{
			"JobFailed", eventing.NewJobFailed("/compute", jobID, "no CRS", 0, at),
			"org.cyverse.eemt.job.failed.v1", jobID + ".job-failed.0", jobID, `{"job_id":"` + jobID + `","reason":"no CRS","attempt":0}`,
		},
		{
			"JobCancelled", eventing.NewJobCancelled("/submission", jobID, 0, at),
			"org.cyverse.eemt.job.cancelled.v1", jobID + ".job-cancelled.0", jobID, `{"job_id":"` + jobID + `","attempt":0}`,
		},
		{
			"CleanupCompleted", eventing.NewCleanupCompleted("/cleanup", eventing.Cleanup{Task: "retention", Removed: 3}, at),
			"org.cyverse.eemt.cleanup.completed.v1", "cleanup.retention.1772391600", "retention", `{"task":"retention","removed":3,"resumed":0}`,
		},
		{
			"Tick", eventing.NewTick("/serve", "resume", at),
			"dev.knative.sources.ping", "ping.resume.1772391600", "", `{"task":"resume"}`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := c.e.Validate(); err != nil {
				t.Fatal(err)
			}
			if c.e.Type() != c.typ || c.e.ID() != c.id || c.e.Subject() != c.subject {
				t.Errorf("type, id, subject = %q, %q, %q; want %q, %q, %q", c.e.Type(), c.e.ID(), c.e.Subject(), c.typ, c.id, c.subject)
			}
			if got := string(c.e.Data()); got != c.data {
				t.Errorf("data = %s, want %s", got, c.data)
			}
			if got := c.e.Time(); !got.Equal(at) || got.Location() != time.UTC {
				t.Errorf("time = %v, want %v in UTC", got, at)
			}
		})
	}
}

func TestPayloads(t *testing.T) {
	if got, err := eventing.JobOf(eventing.NewJobFailed("/s", jobID, strings.Repeat("é", 4000), 3, at)); err != nil || got.JobID != jobID || got.Attempt != 3 || len(got.Reason) != eventing.MaxReason {
		t.Errorf("JobOf = %.60v, %v; want a reason cut to %d bytes", got, err, eventing.MaxReason)
	}
	for want, e := range map[eventing.Task]event.Event{
		{JobID: jobID, Kind: "plan", Task: "plan", Attempt: 7}:                 eventing.NewJobSubmitted("/s", jobID, 7, at),
		{JobID: jobID, Phase: 1, Kind: "tiles", Task: "2020.r0c1", Attempt: 7}: eventing.NewTaskRequested("/s", eventing.Task{JobID: jobID, Phase: 1, Kind: "tiles", Task: "2020.r0c1", Attempt: 7}, at),
		{JobID: jobID, Phase: 2, Kind: "assembly", Task: "assembly"}:           eventing.NewTaskRequested("/s", eventing.Task{JobID: jobID, Phase: 2, Kind: "assembly", Task: "assembly"}, at),
	} {
		if got, err := eventing.TaskOf(e); err != nil || got != want {
			t.Errorf("%s: TaskOf = %v, %v, want %v", e.Type(), got, err, want)
		}
	}
	if _, err := eventing.TaskOf(eventing.NewJobCompleted("/s", jobID, 0, at)); !eventing.IsRejected(err) {
		t.Errorf("an event that requests nothing: %v", err)
	}
	if got, err := eventing.TickOf(eventing.NewTick("/s", "retention", at)); err != nil || got.Task != "retention" {
		t.Errorf("TickOf = %v, %v", got, err)
	}
	if got, err := eventing.CleanupOf(eventing.NewCleanupCompleted("/s", eventing.Cleanup{Task: "resume", Resumed: 2}, at)); err != nil || got.Resumed != 2 {
		t.Errorf("CleanupOf = %v, %v", got, err)
	}
}

func TestBadPayloadsAreRejected(t *testing.T) {
	for _, c := range []struct{ name, typ, contentType, data, want string }{
		{"no data", eventing.TaskRequested, "application/json", ``, "no data"},
		{"not JSON", eventing.TaskRequested, "application/json", `{`, "is not the JSON payload"},
		{"wrong kind", eventing.TaskRequested, "application/json", `[1]`, "is not the JSON payload"},
		{"wrong content type", eventing.TaskRequested, "text/xml", `{}`, "must be application/json"},
		{"job id missing", eventing.TaskRequested, "application/json", `{"task":"a"}`, "job_id: 0 bytes long: must be 1 to 128"},
		{"job id climbs", eventing.TaskRequested, "application/json", `{"job_id":"../x","task":"a"}`, `job_id "../x"`},
		{"job id with slash", eventing.TaskRequested, "application/json", `{"job_id":"a/b","task":"a"}`, `job_id "a/b"`},
		{"task too long", eventing.TaskRequested, "application/json", `{"job_id":"a","kind":"tiles","task":"` + strings.Repeat("x", 129) + `"}`, "task: 129 bytes"},
		{"attempt negative", eventing.TaskRequested, "application/json", `{"job_id":"a","kind":"tiles","task":"b","attempt":-1}`, "attempt -1: must be 0 to 1000000"},
		{"kind missing", eventing.TaskRequested, "application/json", `{"job_id":"a","task":"b"}`, "kind: 0 bytes long"},
		{"phase negative", eventing.TaskRequested, "application/json", `{"job_id":"a","phase":-1,"kind":"tiles","task":"b"}`, "phase -1: must be 0 to 1000000"},
		{"other type", eventing.JobCancelled, "application/json", `{"job_id":"a","task":"b"}`, "requests no task"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := event.New()
			e.SetID("1")
			e.SetSource("/x")
			e.SetType(c.typ)
			_ = e.SetData(c.contentType, []byte(c.data))
			_, err := eventing.TaskOf(e)
			if !eventing.IsRejected(err) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error = %v, want a rejection with %q", err, c.want)
			}
		})
	}
	tick := eventing.NewTick("/x", "explode", at)
	if _, err := eventing.TickOf(tick); !eventing.IsRejected(err) {
		t.Errorf("unknown tick task: error = %v, want a rejection", err)
	}
}

func TestReject(t *testing.T) {
	cause := errors.New("step 90: must be 1 to 60 minutes")
	err := fmt.Errorf("job: %w", eventing.Reject(cause))
	if !eventing.IsRejected(err) || !errors.Is(err, cause) || err.Error() != "job: "+cause.Error() {
		t.Errorf("wrapped rejection = %v, rejected %v", err, eventing.IsRejected(err))
	}
	if eventing.IsRejected(cause) || eventing.IsRejected(nil) || eventing.Reject(nil) != nil {
		t.Error("only errors made by Reject are rejections")
	}
}

func TestFailure(t *testing.T) {
	e := eventing.NewTaskRequested("/s", eventing.Task{JobID: jobID, Kind: "tiles", Task: "a"}, at)
	if _, ok := eventing.FailureOf(e); ok {
		t.Error("a fresh event has a failure")
	}
	dead := eventing.WithFailure(e, eventing.Failure{Dest: "compute", Code: 503, Reason: "disk\nfull\x00"})
	got, ok := eventing.FailureOf(dead)
	if want := (eventing.Failure{Dest: "compute", Code: 503, Reason: "disk full "}); !ok || got != want {
		t.Errorf("failure = %+v, %v; want %+v", got, ok, want)
	}
	if _, ok := eventing.FailureOf(e); ok {
		t.Error("WithFailure changed the event it was given")
	}
	// Over HTTP every extension arrives as a string.
	e.SetExtension("knativeerrorcode", "500")
	if got, _ := eventing.FailureOf(e); got.Code != 500 {
		t.Errorf("code from a header = %d, want 500", got.Code)
	}
}

func FuzzPayload(f *testing.F) {
	f.Add(eventing.TaskRequested, []byte(`{"job_id":"a","task":"b","attempt":1}`))
	f.Add(eventing.JobFailed, []byte(`{"job_id":"a","reason":"b"}`))
	f.Add(eventing.PingTick, []byte(`{"task":"resume"}`))
	f.Fuzz(func(t *testing.T, typ string, data []byte) {
		e := event.New()
		e.SetID("1")
		e.SetSource("/x")
		e.SetType(typ)
		_ = e.SetData("application/json", data)
		if p, err := eventing.TaskOf(e); err == nil {
			if strings.ContainsAny(p.JobID+p.Task, "/\\\x00") || p.JobID == ".." || p.Task == "" {
				t.Errorf("accepted %+v", p)
			}
		} else if !eventing.IsRejected(err) {
			t.Errorf("error %v is not a rejection", err)
		}
		if _, err := eventing.JobOf(e); err != nil && !eventing.IsRejected(err) {
			t.Errorf("error %v is not a rejection", err)
		}
		if _, err := eventing.TickOf(e); err != nil && !eventing.IsRejected(err) {
			t.Errorf("error %v is not a rejection", err)
		}
	})
}

// TestFailureInBase64 reads an answer as Knative's in-memory channel passes it on.
func TestFailureInBase64(t *testing.T) {
	for text, want := range map[string]string{
		"b3BlbiB0aGUgREVNOiBub3QgZm91bmQ=": "open the DEM: not found",
		"open the DEM: not found":          "open the DEM: not found",
		"timeout":                          "timeout",
		"AAECAwQF":                         "AAECAwQF", // bytes, no text
		"":                                 "",
	} {
		e := eventing.NewTaskRequested("/test", eventing.Task{JobID: "job", Kind: "tiles", Task: "r0c0", Attempt: 1}, at)
		e.SetExtension("knativeerrorcode", 503)
		e.SetExtension("knativeerrordata", text)
		if f, _ := eventing.FailureOf(e); f.Reason != want {
			t.Errorf("%q is read as %q, want %q", text, f.Reason, want)
		}
	}
}
