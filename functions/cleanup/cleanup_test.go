package cleanup_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"gocloud.dev/blob"
	"gocloud.dev/blob/memblob"

	"github.com/cyverse-gis/eemt/eventing"
	"github.com/cyverse-gis/eemt/functions/cleanup"
	"github.com/cyverse-gis/eemt/integration/faultbucket"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/param"
)

// service is a cleanup function with a clock that tests set.
type service struct {
	*cleanup.Service
	now        time.Time
	publishing sync.Mutex
	events     []event.Event
}

// newService has a clock that starts now: buckets date their objects by the real one.
func newService(t *testing.T, hook faultbucket.Hook) *service {
	t.Helper()
	b := memblob.OpenBucket(nil)
	t.Cleanup(func() { _ = b.Close() })
	if hook != nil {
		b = faultbucket.Wrap(b, hook)
	}
	s := &service{now: time.Now().UTC().Truncate(time.Second)}
	s.Service = &cleanup.Service{
		Store: job.Store{Bucket: b}, Now: func() time.Time { return s.now }, Log: slog.New(slog.DiscardHandler), Policy: cleanup.DefaultPolicy(),
		Events: eventing.PublisherFunc(func(_ context.Context, e event.Event) error {
			s.publishing.Lock()
			defer s.publishing.Unlock()
			s.events = append(s.events, e)
			return nil
		}),
	}
	return s
}

func id(n int) string { return fmt.Sprintf("01JTEST%019d", n) }

// add makes a job with a plan of two tiles, results, and an end if state is final.
func (s *service) add(t *testing.T, n int, state job.State, ended time.Time) job.Request {
	t.Helper()
	ctx := t.Context()
	r := job.Request{
		ID: id(n), Workflow: param.Sol, Parameters: param.DefaultParameters(), Created: s.now.Add(-time.Duration(n) * time.Hour),
		DEM: job.DEM{Key: fmt.Sprintf("inputs/%d.tif", n), Name: "dem.tif", Size: 3},
	}
	err := s.Store.Create(ctx, r)
	put(t, s, r.DEM.Key, "dem")
	if state != job.Pending && err == nil {
		_, err = s.Store.WriteOnce(ctx, job.Prefix(r.ID)+"plan.json", &job.Plan{
			Created: r.Created,
			Tiles:   []job.Tile{{Task: "r0000c0000"}, {Task: "r0000c0001"}},
		})
		if err == nil {
			_, err = s.Store.WritePhase(ctx, r.ID, &job.Phase{Number: 1, Kind: job.KindTiles, Tasks: []job.Task{{Name: "r0000c0000"}, {Name: "r0000c0001"}}})
		}
		put(t, s, job.WorkKey(r.ID, "r0000c0000/sol.tif"), "work")
		put(t, s, job.ResultKey(r.ID, "slope_rad.tif"), "slope")
		put(t, s, job.ResultKey(r.ID, "report.json"), "{}")
	}
	if (state == job.Completed || state == job.Failed || state == job.Cancelled) && err == nil {
		_, _, err = s.Store.WriteEnd(ctx, r.ID, job.End{State: state, Ended: ended})
	}
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// request is the event that requests a task of a job.
func request(id string, phase int, kind job.Kind, task string, at time.Time) event.Event {
	return eventing.NewTaskRequested("/test", eventing.Task{JobID: id, Phase: phase, Kind: string(kind), Task: task}, at)
}

// tile refers to a tile of a job that add made.
func tile(name string) job.TaskRef { return job.TaskRef{Phase: 1, Kind: job.KindTiles, Task: name} }

func put(t *testing.T, s *service, key, data string) {
	t.Helper()
	if err := s.Store.Bucket.WriteAll(t.Context(), key, []byte(data), nil); err != nil {
		t.Fatal(err)
	}
}

func keys(t *testing.T, b *blob.Bucket, prefix string) []string {
	t.Helper()
	var list []string
	it := b.List(&blob.ListOptions{Prefix: prefix})
	for {
		o, err := it.Next(t.Context())
		if errors.Is(err, io.EOF) {
			return list
		}
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, o.Key)
	}
}

func TestRetentionToTheSecond(t *testing.T) {
	const week, half = 7 * 24 * time.Hour, 12 * time.Hour
	for _, c := range []struct {
		state      job.State
		age        time.Duration
		data, rest bool // what stays
	}{
		{job.Completed, 24*time.Hour - time.Second, true, true},
		{job.Completed, week - time.Second, true, true},
		{job.Completed, week, false, true},
		{job.Completed, 1000 * week, false, true},
		{job.Failed, half - time.Second, true, true},
		{job.Failed, half, false, false},
		{job.Cancelled, half - time.Second, true, true},
		{job.Cancelled, half, false, false},
		{job.Running, 100 * week, true, true},
		{job.Pending, 100 * week, true, true},
	} {
		t.Run(fmt.Sprint(c.state, " ", c.age), func(t *testing.T) {
			s := newService(t, nil)
			r := s.add(t, 1, c.state, s.now.Add(-c.age))
			report, err := s.Retain(t.Context())
			if err != nil || len(report.Errors) != 0 {
				t.Fatalf("%v %v", report.Errors, err)
			}
			there := keys(t, s.Store.Bucket, "")
			for key, want := range map[string]bool{
				r.DEM.Key: c.data, job.ResultKey(r.ID, "slope_rad.tif"): c.data && c.state != job.Pending, // Work that an interruption left of a completed job is of no use to anybody after a day.
				job.WorkKey(r.ID, "r0000c0000/sol.tif"): c.data && c.state != job.Pending && (c.state != job.Completed || c.age < 24*time.Hour),
				job.Prefix(r.ID) + "job.json":           c.rest, job.ResultKey(r.ID, "report.json"): c.rest && c.state != job.Pending,
			} {
				if slices.Contains(there, key) != want {
					t.Errorf("%s is there: %t, want %t", key, !want, want)
				}
			}
			if left := keys(t, s.Store.Bucket, "index/"); (len(left) == 1) != c.rest {
				t.Errorf("index: %v", left)
			}
			if !c.rest {
				if left := append(keys(t, s.Store.Bucket, "jobs/"), keys(t, s.Store.Bucket, "inputs/")...); len(left) != 0 {
					t.Errorf("left: %v", left)
				}
			}
			st, err := s.Store.Status(t.Context(), r.ID)
			if c.rest && (err != nil || st.State != c.state || (st.Expired != nil) != !c.data) {
				t.Errorf("status %+v (%v)", st, err)
			}
		})
	}
}

// TestPins keeps what is pinned for ever, to the second what has its own days, and
// what is unpinned for another usual time.
func TestPins(t *testing.T) {
	const week, day = 7 * 24 * time.Hour, 24 * time.Hour
	for _, c := range []struct {
		name  string
		state job.State
		keep  job.Pin
		set   time.Duration // after the end
		age   time.Duration
		stays bool
	}{
		{name: "pinned", state: job.Completed, keep: job.Pin{Pinned: true}, age: 1000 * week, stays: true},
		{name: "failed and pinned", state: job.Failed, keep: job.Pin{Pinned: true}, age: 1000 * week, stays: true},
		{name: "30 days, before", state: job.Completed, keep: job.Pin{Days: 30}, age: 30*day - time.Second, stays: true},
		{name: "30 days, then", state: job.Completed, keep: job.Pin{Days: 30}, age: 30 * day},
		{name: "failed, 2 days, before", state: job.Failed, keep: job.Pin{Days: 2}, age: 2*day - time.Second, stays: true},
		{name: "failed, 2 days, then", state: job.Failed, keep: job.Pin{Days: 2}, age: 2 * day},
		{name: "unpinned, before", state: job.Completed, set: 90 * day, age: 90*day + week - time.Second, stays: true},
		{name: "unpinned, then", state: job.Completed, set: 90 * day, age: 90*day + week},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newService(t, nil)
			ended := s.now.Add(-c.age)
			r := s.add(t, 1, c.state, ended)
			c.keep.At = ended.Add(c.set)
			if err := s.Store.SetPin(t.Context(), r.ID, c.keep); err != nil {
				t.Fatal(err)
			}
			if report, err := s.Retain(t.Context()); err != nil || len(report.Errors) != 0 || len(report.Details) == 0 != c.stays {
				t.Errorf("%+v (%v)", report, err)
			}
			if there, err := s.Store.Bucket.Exists(t.Context(), job.ResultKey(r.ID, "slope_rad.tif")); err != nil || there != c.stays {
				t.Errorf("its map is there: %t (%v), want %t", there, err, c.stays)
			}
			if left := keys(t, s.Store.Bucket, job.Prefix(r.ID)+"removing"); len(left) != 0 {
				t.Errorf("left: %v", left)
			}
		})
	}
}

func TestRetentionReport(t *testing.T) {
	s := newService(t, nil)
	s.add(t, 1, job.Completed, s.now.Add(-8*24*time.Hour))
	s.add(t, 2, job.Failed, s.now.Add(-13*time.Hour))
	s.add(t, 3, job.Completed, s.now.Add(-6*24*time.Hour))
	s.add(t, 4, job.Running, time.Time{})
	first, err := s.Retain(t.Context())
	if err != nil || first.Successful != 1 || first.Failed != 1 || first.Preserved != 1 || first.Deleted != 1 || len(first.Details) != 2 || first.FreedMB <= 0 {
		t.Errorf("first pass: %+v (%v)", first, err)
	}
	for _, d := range first.Details {
		if !d.DataDeleted || d.Files < 3 || d.ConfigPreserved != (d.Status == job.Completed) || len(d.Errors) != 0 {
			t.Errorf("detail %+v", d)
		}
	}
	s.now = s.now.Add(time.Second)
	second, err := s.Retain(t.Context())
	if err != nil || second.Successful+second.Failed != 0 || len(second.Details) != 0 {
		t.Errorf("second pass found something: %+v (%v)", second, err)
	}
	stored := keys(t, s.Store.Bucket, "cleanup/cleanup_summary_")
	if len(stored) != 2 || stored[1] != "cleanup/cleanup_summary_"+s.now.Format("20060102_150405")+".json" {
		t.Fatalf("stored reports: %v", stored)
	}
	data, err := s.Store.Bucket.ReadAll(t.Context(), stored[0])
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]any
	if err := json.Unmarshal(data, &fields); err != nil {
		t.Fatal(err)
	}
	// The names of the old suite's cleaner.
	for _, name := range []string{
		"start_time", "end_time", "dry_run", "successful_jobs_processed", "failed_jobs_processed", "total_size_freed_mb",
		"configs_preserved", "configs_deleted", "errors", "job_details",
	} {
		if _, ok := fields[name]; !ok {
			t.Errorf("the report lacks %s", name)
		}
	}
	detail := fields["job_details"].([]any)[0].(map[string]any)
	for _, name := range []string{"job_id", "status", "completed_at", "data_deleted", "config_preserved", "files_deleted", "size_freed_mb", "errors"} {
		if _, ok := detail[name]; !ok {
			t.Errorf("a job's detail lacks %s", name)
		}
	}
}

func TestDryRunDeletesNothing(t *testing.T) {
	s := newService(t, func(op, key string) error {
		if op == faultbucket.Delete {
			t.Errorf("%s was deleted", key)
		}
		return nil
	})
	s.Policy.DryRun = true
	s.add(t, 1, job.Completed, s.now.Add(-8*24*time.Hour))
	s.add(t, 2, job.Failed, s.now.Add(-13*time.Hour))
	before := keys(t, s.Store.Bucket, "jobs/")
	report, err := s.Retain(t.Context())
	if err != nil || !report.DryRun || report.Successful != 1 || report.Failed != 1 || report.Details[0].Files == 0 || report.Details[0].DataDeleted {
		t.Errorf("%+v (%v)", report, err)
	}
	if after := keys(t, s.Store.Bucket, "jobs/"); !slices.Equal(before, after) {
		t.Errorf("before %v, after %v", before, after)
	}
}

// TestRetentionGoesOn leaves a job that cannot be removed to the next pass, and
// removes the others.
func TestRetentionGoesOn(t *testing.T) {
	broken := true
	s := newService(t, func(op, key string) error {
		if broken && op == faultbucket.Delete && strings.Contains(key, id(1)) {
			return errors.New("permission denied")
		}
		return nil
	})
	s.add(t, 1, job.Failed, s.now.Add(-13*time.Hour))
	s.add(t, 2, job.Failed, s.now.Add(-13*time.Hour))
	put(t, s, job.Prefix(id(3))+"job.json", "{damaged")
	put(t, s, "index/000000000000000-"+id(3), "{}")
	report, err := s.Retain(t.Context())
	if err != nil || len(report.Errors) != 2 || len(report.Details) != 2 {
		t.Fatalf("%+v (%v)", report, err)
	}
	if _, err := s.Store.Request(t.Context(), id(2)); !errors.Is(err, job.ErrNotFound) {
		t.Errorf("the other job stayed: %v", err)
	}
	broken = false
	if report, err = s.Retain(t.Context()); err != nil || len(report.Details) != 1 || !report.Details[0].DataDeleted {
		t.Errorf("next pass: %+v (%v)", report, err)
	}
}

func TestTicks(t *testing.T) {
	s := newService(t, nil)
	s.add(t, 1, job.Failed, s.now.Add(-13*time.Hour))
	if err := s.Handle(t.Context(), eventing.NewTick("/test", eventing.TaskRetention, s.now)); err != nil {
		t.Fatal(err)
	}
	if len(s.events) != 1 || s.events[0].Type() != eventing.CleanupCompleted {
		t.Fatalf("%d events", len(s.events))
	}
	if c, err := eventing.CleanupOf(s.events[0]); err != nil || c.Task != eventing.TaskRetention || c.Removed != 1 {
		t.Errorf("%+v (%v)", c, err)
	}
	s.events = nil
	s.add(t, 2, job.Pending, time.Time{})
	if err := s.Handle(t.Context(), eventing.NewTick("/test", eventing.TaskResume, s.now)); err != nil {
		t.Fatal(err)
	}
	if len(s.events) != 2 || s.events[0].Type() != eventing.JobSubmitted {
		t.Fatalf("%d events", len(s.events))
	}
	if c, err := eventing.CleanupOf(s.events[1]); err != nil || c.Task != eventing.TaskResume || c.Resumed != 1 {
		t.Errorf("%+v (%v)", c, err)
	}
	if err := s.Handle(t.Context(), eventing.NewJobCompleted("/test", id(1), 0, s.now)); !eventing.IsRejected(err) {
		t.Errorf("another event: %v, want a rejection", err)
	}
}

func TestResume(t *testing.T) {
	for _, c := range []struct {
		name    string
		state   job.State
		tasks   int
		still   time.Duration
		quiet   time.Duration
		asked   bool
		resumed int
		reason  string
	}{
		{name: "moving", state: job.Running, tasks: 1, still: time.Minute, quiet: 5 * time.Minute},
		{name: "pending and new", state: job.Pending, still: -59 * time.Minute, quiet: 5 * time.Minute},
		{name: "pending for an hour", state: job.Pending, quiet: 5 * time.Minute, resumed: 1},
		{name: "a tile is lost", state: job.Running, tasks: 1, still: 6 * time.Minute, quiet: 5 * time.Minute, resumed: 1},
		{name: "the assembly is lost", state: job.Running, tasks: 2, still: 6 * time.Minute, quiet: 5 * time.Minute, resumed: 1},
		{name: "at once", state: job.Running, tasks: 2, resumed: 1},
		{name: "the clock is behind", state: job.Running, tasks: 2, still: -1000 * time.Hour, resumed: 1},
		{name: "completed", state: job.Completed, tasks: 2, still: time.Hour},
		{name: "cancelled", state: job.Cancelled, still: time.Hour},
		{name: "just before giving up", state: job.Running, tasks: 1, still: 24*time.Hour - time.Minute, quiet: time.Minute, resumed: 1},
		{name: "after a day, which may have been one without ticks", state: job.Running, tasks: 1, still: 25 * time.Hour, quiet: time.Minute, resumed: 1},
		{name: "given up", state: job.Running, tasks: 1, still: 25 * time.Hour, quiet: time.Minute, asked: true, reason: "1 of 2 tiles"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newService(t, nil)
			s.clocked()
			r := s.add(t, 1, c.state, s.now)
			for i := range c.tasks {
				if err := s.Store.WriteRecord(t.Context(), r.ID, 1, job.Record{Task: fmt.Sprintf("r0000c000%d", i)}); err != nil {
					t.Fatal(err)
				}
			}
			s.now = s.now.Add(c.still)
			if c.asked {
				if n, err := s.Resume(t.Context(), c.quiet); n != 1 || err != nil {
					t.Errorf("asked for %d (%v)", n, err)
				}
				s.events = nil
				s.now = s.now.Add(c.quiet)
			}
			n, err := s.Resume(t.Context(), c.quiet)
			if err != nil || n != c.resumed {
				t.Errorf("resumed %d (%v), want %d", n, err, c.resumed)
			}
			switch {
			case c.resumed == 1:
				if len(s.events) != 1 || s.events[0].Type() != eventing.JobSubmitted {
					t.Fatalf("%d events", len(s.events))
				}
				if j, err := eventing.JobOf(s.events[0]); err != nil || j.JobID != r.ID || j.Attempt < 1 {
					t.Errorf("%+v (%v), want a further attempt", j, err)
				}
			case c.reason != "":
				end, err := s.Store.End(t.Context(), r.ID)
				if err != nil || end.State != job.Failed || !strings.Contains(end.Reason, c.reason) || !strings.Contains(end.Reason, "submit the job again") {
					t.Errorf("end %+v (%v)", end, err)
				}
				if len(s.events) != 1 || s.events[0].Type() != eventing.JobFailed {
					t.Errorf("%d events, want job.failed", len(s.events))
				}
			case len(s.events) != 0:
				t.Errorf("%d events, want none", len(s.events))
			}
		})
	}
}

// TestResumeGoesOn revives the other jobs when the records of one are damaged.
func TestResumeGoesOn(t *testing.T) {
	s := newService(t, nil)
	s.add(t, 2, job.Pending, time.Time{})
	put(t, s, job.Prefix(id(1))+"job.json", "{damaged")
	put(t, s, "index/000000000000000-"+id(1), "{}")
	n, err := s.Resume(t.Context(), 0)
	if n != 1 || err != nil {
		t.Errorf("resumed %d (%v), want the healthy job", n, err)
	}
}

func TestDeadLetter(t *testing.T) {
	for _, c := range []struct {
		name string
		e    func(at time.Time) event.Event
		want string
	}{
		{"tile", func(at time.Time) event.Event { return request(id(1), 1, job.KindTiles, "r0000c0001", at) }, "tile r0000c0001 failed repeatedly: out of memory"},
		{"terrain", func(at time.Time) event.Event {
			return request(id(1), 2, job.KindArea, "r0000c0001", at)
		}, "window r0000c0001 of stage 2 of the terrain failed repeatedly: out of memory"},
		{"plan", func(at time.Time) event.Event { return eventing.NewJobSubmitted("/test", id(1), 0, at) }, "planning failed repeatedly: out of memory"},
		{"assembly", func(at time.Time) event.Event { return request(id(1), 2, job.KindAssembly, job.AssemblyTask, at) }, "assembly of the maps failed repeatedly: out of memory"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newService(t, nil)
			r := s.add(t, 1, job.Running, time.Time{})
			dead := eventing.WithFailure(c.e(s.now), eventing.Failure{Dest: "compute", Code: 500, Reason: "out of memory"})
			for range 2 {
				if err := s.DeadLetter(t.Context(), dead); err != nil {
					t.Fatal(err)
				}
			}
			end, err := s.Store.End(t.Context(), r.ID)
			if err != nil || end.State != job.Failed || end.Reason != c.want {
				t.Errorf("end %+v (%v), want %q", end, err, c.want)
			}
			if len(s.events) != 1 || s.events[0].Type() != eventing.JobFailed {
				t.Errorf("%d events, want job.failed once", len(s.events))
			}
		})
	}
	for _, state := range []job.State{job.Completed, job.Failed} {
		t.Run("announcing the end failed: "+string(state), func(t *testing.T) {
			s := newService(t, nil)
			r := s.add(t, 1, job.Running, time.Time{})
			e := request(r.ID, 2, job.KindAssembly, job.AssemblyTask, s.now)
			if _, _, err := s.Store.WriteEnd(t.Context(), r.ID, job.End{State: state, Reason: "no data", Ended: s.now, Event: e.ID()}); err != nil {
				t.Fatal(err)
			}
			dead := eventing.WithFailure(e, eventing.Failure{Dest: "compute", Code: 503, Reason: "the broker is full"})
			for range 2 {
				if err := s.DeadLetter(t.Context(), dead); err != nil {
					t.Fatal(err)
				}
			}
			want := map[job.State]string{job.Completed: eventing.JobCompleted, job.Failed: eventing.JobFailed}[state]
			if len(s.events) != 1 || s.events[0].Type() != want {
				t.Errorf("%d events %v, want %s once", len(s.events), s.events, want)
			}
			if noted, err := s.Store.Announced(t.Context(), r.ID); err != nil || !noted {
				t.Errorf("the announcement is noted: %t (%v)", noted, err)
			}
		})
	}
	t.Run("waited too long for a replica", func(t *testing.T) {
		s := newService(t, nil)
		r := s.add(t, 1, job.Running, time.Time{})
		late := eventing.WithFailure(request(r.ID, 1, job.KindTiles, "r0000c0001", s.now), eventing.Failure{Dest: "compute", Code: 504, Reason: "activator request timeout"})
		if err := s.DeadLetter(t.Context(), late); err != nil {
			t.Fatal(err)
		}
		if ended, err := s.Store.Ended(t.Context(), r.ID); err != nil || ended {
			t.Errorf("the job was ended (%v)", err)
		}
	})
	t.Run("no job of ours", func(t *testing.T) {
		s := newService(t, nil)
		s.add(t, 1, job.Completed, s.now)
		for _, e := range []event.Event{
			request(id(9), 1, job.KindTiles, "r0000c0000", s.now),
			eventing.NewTick("/test", eventing.TaskResume, s.now),
			request(id(1), 2, job.KindAssembly, job.AssemblyTask, s.now),
		} {
			if err := s.DeadLetter(t.Context(), e); err != nil {
				t.Error(err)
			}
		}
		if end, err := s.Store.End(t.Context(), id(1)); err != nil || end.State != job.Completed {
			t.Errorf("a completed job became %+v (%v)", end, err)
		}
		if exists, _ := s.Store.Ended(t.Context(), id(9)); exists || len(s.events) != 0 {
			t.Errorf("an unknown job was ended; %d events", len(s.events))
		}
	})
}
