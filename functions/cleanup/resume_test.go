package cleanup_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cyverse-gis/eemt/eventing"
	"github.com/cyverse-gis/eemt/functions/cleanup"
	"github.com/cyverse-gis/eemt/integration/faultbucket"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/transfer"
)

// clocked lets objects date from the service's clock.
func (s *service) clocked() {
	made := map[string]time.Time{}
	var mu sync.Mutex
	s.Store.Bucket = faultbucket.WrapAround(s.Store.Bucket, func(op, key string, do func() error) error {
		if op == faultbucket.Commit {
			mu.Lock()
			made[key] = s.now
			mu.Unlock()
		}
		return do()
	}, func(key string, _ time.Time) time.Time {
		mu.Lock()
		defer mu.Unlock()
		return made[key]
	})
}

// lastChance lets two ticks come, some minutes apart: the first asks for the last time what stood still for a day.
func (s *service) lastChance(t *testing.T) {
	t.Helper()
	for _, want := range []int{1, 0} {
		if n, err := s.Resume(t.Context(), s.Policy.Quiet); n != want || err != nil {
			t.Errorf("%d jobs were asked for (%v), want %d", n, err, want)
		}
		s.now = s.now.Add(s.Policy.Quiet)
	}
}

// TestAttempts asks for a job that stands still 8 times, after twice as long each time, once more after a day, then ends it with a sentence
// that names what it waits for and why. Progress begins the count anew.
func TestAttempts(t *testing.T) {
	for _, c := range []struct {
		name    string
		failure string
		begun   bool
		want    string
	}{
		{name: "nobody began it", want: "1 of 2 tiles were done; it waits for tile r0000c0001; nobody began it: is compute running?; submit the job again"},
		{name: "it died", begun: true, want: "tile r0000c0001; it was begun 1 times and never finished, as when memory runs out"},
		{name: "it failed", begun: true, failure: "no space left", want: "tile r0000c0001; the last time: no space left"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newService(t, nil)
			s.clocked()
			r := s.add(t, 1, job.Running, time.Time{})
			start := s.now
			record := func(n int) {
				t.Helper()
				if err := s.Store.WriteRecord(t.Context(), r.ID, 1, job.Record{Task: fmt.Sprintf("r0000c000%d", n)}); err != nil {
					t.Fatal(err)
				}
			}
			asked := func(until time.Duration) (times []time.Duration) {
				t.Helper()
				for ; s.now.Sub(start) <= until; s.now = s.now.Add(time.Minute) {
					n, err := s.Resume(t.Context(), s.Policy.Quiet)
					if err != nil {
						t.Fatal(err)
					}
					if n == 1 {
						times = append(times, s.now.Sub(start))
					}
				}
				return times
			}
			if got := fmt.Sprint(asked(40 * time.Minute)); got != "[5m0s 15m0s 35m0s]" { // the phase of the tiles was written just now
				t.Errorf("asked at %s", got)
			}
			record(0)
			if c.begun {
				n, _, err := s.Store.BeginAttempt(t.Context(), r.ID, tile("r0000c0001"), s.now, 10, 0)
				if err == nil && c.failure != "" {
					err = s.Store.FailAttempt(t.Context(), r.ID, tile("r0000c0001"), n, job.Failure{Cause: c.failure, At: s.now})
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			start = s.now
			var want []time.Duration
			for n := range cleanup.DefaultAttempts {
				want = append(want, 5*time.Minute*time.Duration(1<<(n+1)-1))
			}
			want = append(want, 24*time.Hour)
			if got := fmt.Sprint(asked(50 * time.Hour)); got != fmt.Sprint(want) {
				t.Errorf("after progress asked at %s, want %v", got, want)
			}
			end, err := s.Store.End(t.Context(), r.ID)
			if err != nil || end.State != job.Failed || !strings.Contains(end.Reason, c.want) || !strings.HasPrefix(end.Reason, "no progress for ") || !strings.Contains(end.Reason, "asked for") {
				t.Errorf("end %+v (%v), want %q", end, err, c.want)
			}
			if waited := end.Ended.Sub(start); waited > 24*time.Hour+s.Policy.Quiet {
				t.Errorf("it took %s", waited)
			}
		})
	}
}

// TestAttemptsDiffer asks for a job that stands still for five minutes again and again, and moves in between: no two
// events have the same id.
func TestAttemptsDiffer(t *testing.T) {
	s := newService(t, nil)
	s.clocked()
	r := s.add(t, 1, job.Running, time.Time{})
	ids := map[string]bool{}
	const standstills = 2
	for n := range standstills {
		s.now = s.now.Add(time.Minute)
		if err := s.Store.WriteRecord(t.Context(), r.ID, 1, job.Record{Task: job.TaskName(0, n)}); err != nil {
			t.Fatal(err)
		}
		s.now = s.now.Add(s.Policy.Quiet)
		if n, err := s.Resume(t.Context(), s.Policy.Quiet); n != 1 || err != nil {
			t.Fatalf("asked for %d (%v)", n, err)
		}
	}
	for _, e := range s.events {
		if j, err := eventing.JobOf(e); err != nil || j.Attempt < 1 {
			t.Errorf("%+v (%v)", j, err)
		}
		ids[e.ID()] = true
	}
	if len(ids) != standstills {
		t.Errorf("%d ids of %d events", len(ids), len(s.events))
	}
}

// TestGiveUpOnTerrain names the window that a job waits for whose terrain is followed in stages.
func TestGiveUpOnTerrain(t *testing.T) {
	for _, c := range []struct {
		name string
		done []int
		want string
	}{
		{"one is missing", []int{0}, "1 of 2 windows of stage 3 of the terrain were done; it waits for window r0000c0001 of stage 3 of the terrain; the last time: no space left; submit the job again"},
		{"both are missing", nil, "0 of 2 windows of stage 3 of the terrain were done; it waits for window r0000c0000 of stage 3 of the terrain and 1 more; nobody began it: is compute running?"},
		{"none is missing", []int{0, 1}, "2 of 2 windows of stage 3 of the terrain were done; it waits for what follows on stage 3 of the terrain; nobody began it"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newService(t, nil)
			s.clocked()
			r := s.add(t, 1, job.Pending, time.Time{})
			phase := &job.Phase{Number: 3, Kind: job.KindArea, Tasks: []job.Task{{Name: "r0000c0000", Size: 1}, {Name: "r0000c0001", Size: 1}}, Created: s.now}
			if _, err := s.Store.WriteOnce(t.Context(), job.Prefix(r.ID)+"draft.json", map[string]any{"plan": job.Plan{Created: s.now}}); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Store.WritePhase(t.Context(), r.ID, phase); err != nil {
				t.Fatal(err)
			}
			for _, i := range c.done {
				if err := s.Store.WriteRecord(t.Context(), r.ID, 3, job.Record{Task: phase.Tasks[i].Name}); err != nil {
					t.Fatal(err)
				}
			}
			task := phase.Ref("r0000c0001")
			n, _, err := s.Store.BeginAttempt(t.Context(), r.ID, task, s.now, 10, 0)
			if err == nil {
				err = s.Store.FailAttempt(t.Context(), r.ID, task, n, job.Failure{Cause: "no space left", At: s.now})
			}
			if err != nil {
				t.Fatal(err)
			}
			s.now = s.now.Add(s.Policy.GiveUp + time.Minute)
			s.lastChance(t)
			end, err := s.Store.End(t.Context(), r.ID)
			if err != nil || end.State != job.Failed || !strings.Contains(end.Reason, c.want) {
				t.Errorf("end %+v (%v), want %q", end, err, c.want)
			}
		})
	}
}

// TestDeathIsNoVerdict: an event that the broker gave up ends its job if the last try said why it failed, not if its
// process died, or somebody is at work on it.
func TestDeathIsNoVerdict(t *testing.T) {
	task := tile("r0000c0001")
	for _, c := range []struct {
		name string
		// attempts are how earlier work ended; empty: it died.
		attempts []string
		ends     bool
	}{
		{"nobody began", nil, true},
		{"died", []string{"", "", ""}, false},
		{"failed, then died", []string{"no space left", ""}, false},
		{"died, then failed", []string{"", "no space left"}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newService(t, nil)
			r := s.add(t, 1, job.Running, time.Time{})
			for _, why := range c.attempts {
				n, _, err := s.Store.BeginAttempt(t.Context(), r.ID, task, s.now, 12, 0)
				if err == nil && why != "" {
					err = s.Store.FailAttempt(t.Context(), r.ID, task, n, job.Failure{Cause: why, At: s.now})
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			e := eventing.WithFailure(request(r.ID, 1, job.KindTiles, task.Task, s.now), eventing.Failure{Dest: "compute", Code: 503, Reason: "no answer"})
			if err := s.DeadLetter(t.Context(), e); err != nil {
				t.Fatal(err)
			}
			end, err := s.Store.End(t.Context(), r.ID)
			if ended := err == nil; ended != c.ends || ended && end.Reason != "tile r0000c0001 failed repeatedly: no answer" {
				t.Errorf("end %+v (%v)", end, err)
			}
		})
	}
}

// TestImportedJobsGoOn: a job that was copied here has the time to move that a new one has, however long ago it was
// made, and however often it was asked for where it came from.
func TestImportedJobsGoOn(t *testing.T) {
	from, here := newService(t, nil), newService(t, nil)
	from.clocked()
	here.clocked()
	r := from.add(t, 72, job.Pending, time.Time{}) // hours ago
	for range 7 {
		asked, err := from.Store.Resumes(t.Context(), r.ID, r.Created)
		if err == nil {
			_, err = from.Store.NoteResume(t.Context(), r.ID, asked, from.now)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := transfer.Copy(t.Context(), from.Store.Bucket, here.Store.Bucket, transfer.Options{Restored: here.now}); err != nil {
		t.Fatal(err)
	}
	here.now = here.now.Add(6 * time.Minute)
	if n, err := here.Resume(t.Context(), here.Policy.Quiet); n != 1 || err != nil {
		t.Errorf("%d jobs go on (%v), want one", n, err)
	}
	here.now = here.now.Add(25 * time.Hour)
	here.lastChance(t)
	if end, err := here.Store.End(t.Context(), r.ID); err != nil || !strings.HasPrefix(end.Reason, "no progress for 25h") {
		t.Errorf("a day later: %+v (%v)", end, err)
	}
}

// TestJobsWaitBehindOthers: a queue may be longer than a day. Who only waits for others to be done is not given up
// while compute goes on, and ends soon after it does not.
func TestJobsWaitBehindOthers(t *testing.T) {
	s := newService(t, nil)
	s.clocked()
	waits := s.add(t, 1, job.Pending, time.Time{})
	begun := s.add(t, 2, job.Pending, time.Time{})
	busy := s.add(t, 3, job.Running, time.Time{})
	if _, _, err := s.Store.BeginAttempt(t.Context(), begun.ID, job.PlanPhase().Ref(job.PlanTask), s.now, 10, 0); err != nil {
		t.Fatal(err)
	}
	ended := func(r job.Request) bool {
		t.Helper()
		_, err := s.Store.End(t.Context(), r.ID)
		return err == nil
	}
	tick := func() {
		t.Helper()
		if _, err := s.Resume(t.Context(), s.Policy.Quiet); err != nil {
			t.Fatal(err)
		}
		s.now = s.now.Add(5 * time.Minute)
	}
	// busy goes on for two days, a map every half an hour.
	for i := range 2 * 24 * 12 {
		if i%6 == 0 {
			put(t, s, job.ResultKey(busy.ID, fmt.Sprintf("map%d.tif", i)), "map")
			put(t, s, job.Prefix(busy.ID)+"phases/0001/r0000c0000.json", "{}")
			put(t, s, job.Prefix(busy.ID)+"phases/0001/r0000c0001.json", "{}")
		}
		tick()
	}
	if ended(waits) || !ended(begun) || ended(busy) {
		t.Errorf("after two days have ended: who waits %v, who was begun %v, who goes on %v; want the second", ended(waits), ended(begun), ended(busy))
	}
	for range 24 {
		tick()
	}
	if !ended(waits) {
		t.Error("compute did nothing for two hours, and the job still waits")
	}
}

// TestOutage: after days in which nobody was there to ask, or to work, jobs get their chance.
func TestOutage(t *testing.T) {
	for _, quiet := range []time.Duration{0, 5 * time.Minute} {
		s := newService(t, nil)
		s.clocked()
		r := s.add(t, 1, job.Running, time.Time{})
		s.now = s.now.Add(60 * time.Hour)
		for range 2 { // of two at the same time one asks
			if _, err := s.Resume(t.Context(), quiet); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := s.Store.End(t.Context(), r.ID); err == nil || len(s.events) == 0 || s.events[0].Type() != eventing.JobSubmitted {
			t.Errorf("quiet %s: the job ended (%v), %d events", quiet, err, len(s.events))
		}
	}
}
