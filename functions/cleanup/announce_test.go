package cleanup_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/cyverse-gis/eemt/eventing"
	"github.com/cyverse-gis/eemt/functions/cleanup"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/param"
)

// TestForgottenEndsAreAnnounced: a resume tick announces an end that nobody announced, once, unless it is too fresh, too
// old, or of a program that did not say.
func TestForgottenEndsAreAnnounced(t *testing.T) {
	for _, c := range []struct {
		name string
		end  job.End
		age  time.Duration
		want string
	}{
		{"cancelled", job.End{State: job.Cancelled, Event: "cancel.1"}, 2 * time.Minute, eventing.JobCancelled},
		{"failed", job.End{State: job.Failed, Reason: "no data", Event: "resume"}, 23 * time.Hour, eventing.JobFailed},
		{"completed", job.End{State: job.Completed, Event: "x.tiles-completed.0"}, 2 * time.Minute, eventing.JobCompleted},
		{"just now", job.End{State: job.Cancelled, Event: "cancel.1"}, 30 * time.Second, ""},
		{"long ago", job.End{State: job.Cancelled, Event: "cancel.1"}, 25 * time.Hour, ""},
		{"of before", job.End{State: job.Cancelled}, 2 * time.Minute, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newService(t, nil)
			r := s.add(t, 1, job.Running, time.Time{})
			c.end.Ended = s.now
			if _, _, err := s.Store.WriteEnd(t.Context(), r.ID, c.end); err != nil {
				t.Fatal(err)
			}
			s.now = s.now.Add(c.age)
			for range 3 {
				if n, err := s.Resume(t.Context(), s.Policy.Quiet); err != nil || n != 0 {
					t.Fatalf("%d revived (%v)", n, err)
				}
				s.now = s.now.Add(time.Second)
			}
			var got []string
			for _, e := range s.events {
				got = append(got, e.Type())
			}
			if want := map[bool][]string{true: {c.want}}[c.want != ""]; fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("announced %v, want %v", got, want)
			}
			if noted, err := s.Store.Announced(t.Context(), r.ID); err != nil || noted != (c.want != "") {
				t.Errorf("noted: %t (%v)", noted, err)
			}
		})
	}
}

// TestAnnouncementsAreBounded leaves what is too much for one pass to the next.
func TestAnnouncementsAreBounded(t *testing.T) {
	s := newService(t, nil)
	s.AtOnce = 1
	const jobs = 1100
	for n := range jobs {
		r := job.Request{ID: id(n), Workflow: param.Sol, Parameters: param.DefaultParameters(), Created: s.now}
		if err := s.Store.Create(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		if _, _, err := s.Store.WriteEnd(t.Context(), r.ID, job.End{State: job.Cancelled, Ended: s.now, Event: "cancel.1"}); err != nil {
			t.Fatal(err)
		}
	}
	s.now = s.now.Add(time.Hour)
	for pass, want := range []int{1000, jobs, jobs} {
		if _, err := s.Resume(t.Context(), cleanup.DefaultPolicy().Quiet); err != nil {
			t.Fatal(err)
		}
		if len(s.events) != want {
			t.Errorf("after pass %d: %d announced, want %d", pass+1, len(s.events), want)
		}
	}
}
