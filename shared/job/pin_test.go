package job_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"gocloud.dev/blob/memblob"

	"github.com/cyverse-gis/eemt/integration/faultbucket"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/param"
)

func TestKeepMayBeSetAnyNumberOfTimes(t *testing.T) {
	eachBucket(t, func(t *testing.T, s job.Store) {
		ctx := t.Context()
		if err := s.SetPin(ctx, id(1), job.Pin{Pinned: true}); !errors.Is(err, job.ErrNotFound) {
			t.Errorf("pin of no job: %v", err)
		}
		create(t, s, request(1))
		if k, err := s.Pin(ctx, id(1)); err != nil || k != (job.Pin{}) {
			t.Errorf("nobody said anything: %+v (%v)", k, err)
		}
		for n, k := range []job.Pin{
			{Pinned: true, By: "ana", At: noon}, {Days: 30, At: noon.Add(time.Hour)}, {At: noon.Add(2 * time.Hour)}, {Pinned: true, Days: 3, At: noon},
		} {
			if err := s.SetPin(ctx, id(1), k); err != nil {
				t.Fatalf("%d: %v", n, err)
			}
			st, err := s.Status(ctx, id(1))
			if err != nil || st.Pin != k {
				t.Errorf("%d: status has %+v (%v), want %+v", n, st.Pin, err, k)
			}
		}
	})
}

func TestKeepRefuses(t *testing.T) {
	s := job.Store{Bucket: memblob.OpenBucket(nil)}
	create(t, s, request(1))
	for want, k := range map[string]job.Pin{
		"keep_days -1: must be 1 to 36500": {Days: -1}, "keep_days 36501: ": {Days: 36501},
		"keep_by": {By: strings.Repeat("é", 101)}, "on one line": {By: "a\nb"},
	} {
		var field *param.FieldError
		if err := s.SetPin(t.Context(), id(1), k); !errors.As(err, &field) || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", k, err, want)
		}
	}
	if err := s.WriteExpired(t.Context(), id(1), noon); err != nil {
		t.Fatal(err)
	}
	if err := s.SetPin(t.Context(), id(1), job.Pin{Pinned: true}); !errors.Is(err, job.ErrExpired) {
		t.Errorf("pin of a job without data: %v", err)
	}
	if err := s.SetPin(t.Context(), id(1), job.Pin{}); err != nil {
		t.Errorf("unpin of a job without data: %v", err)
	}
}

func TestUntil(t *testing.T) {
	usual := job.Retention{Completed: 7 * 24 * time.Hour, Failed: 12 * time.Hour}
	const day = 24 * time.Hour
	for _, c := range []struct {
		name  string
		state job.State
		keep  job.Pin
		want  time.Duration // after the end; 0: never
	}{
		{"completed", job.Completed, job.Pin{}, 7 * day},
		{"failed", job.Failed, job.Pin{}, 12 * time.Hour},
		{"cancelled", job.Cancelled, job.Pin{}, 12 * time.Hour},
		{"running", job.Running, job.Pin{}, 0},
		{"pinned", job.Completed, job.Pin{Pinned: true}, 0},
		{"failed, pinned", job.Failed, job.Pin{Pinned: true, Days: 1}, 0},
		{"its own days", job.Completed, job.Pin{Days: 30, At: noon.Add(-day)}, 30 * day},
		{"failed, its own days", job.Failed, job.Pin{Days: 2}, 2 * day},
		{"fewer days", job.Completed, job.Pin{Days: 1}, day},
		{"unpinned later", job.Completed, job.Pin{At: noon.Add(100 * day)}, 107 * day},
		{"own days, set later", job.Completed, job.Pin{Days: 2, At: noon.Add(100 * day)}, 102 * day},
	} {
		t.Run(c.name, func(t *testing.T) {
			st := job.Status{State: c.state, Pin: c.keep}
			if c.state != job.Running {
				st.End = &job.End{State: c.state, Ended: noon}
			}
			at, ok := usual.Until(st)
			if ok != (c.want != 0) || ok && !at.Equal(noon.Add(c.want)) {
				t.Errorf("%v, %t; want %v after the end", at, ok, c.want)
			}
			st.Expired = &noon
			if _, ok := usual.Until(st); ok {
				t.Error("due again without data")
			}
		})
	}
}

// TestPinsAndRemovalsMeet lets one begin at every step of the other: never does
// both the pin report success and the removal go on.
func TestPinsAndRemovalsMeet(t *testing.T) {
	outcomes := map[string]int{}
	for step := 0; step < 12; step++ {
		for _, first := range []string{"pin", "removal"} {
			inner := memblob.OpenBucket(nil)
			plain := job.Store{Bucket: inner}
			create(t, plain, request(1))
			var pin error
			var goes bool
			run := map[string]func(s job.Store){
				"pin": func(s job.Store) { pin = s.SetPin(t.Context(), id(1), job.Pin{Pinned: true, At: noon}) },
				"removal": func(s job.Store) {
					var err error
					if goes, err = s.BeginRemoval(t.Context(), id(1), noon, func(k job.Pin) bool { return !k.Pinned }); err != nil {
						t.Fatal(err)
					}
				},
			}
			second := map[string]string{"pin": "removal", "removal": "pin"}[first]
			calls, met := 0, false
			run[first](job.Store{Bucket: faultbucket.Wrap(inner, func(string, string) error {
				if calls++; calls == step+1 {
					met = true
					run[second](plain)
				}
				return nil
			})})
			if !met {
				run[second](plain)
			}
			if pin == nil && goes {
				t.Errorf("%s meets %s at step %d: pinned, and removed", first, second, step)
			}
			if pin != nil && !errors.Is(pin, job.ErrExpired) {
				t.Errorf("pin: %v", pin)
			}
			outcomes[map[bool]string{true: "pinned", false: "refused"}[pin == nil]+" "+map[bool]string{true: "removed", false: "kept"}[goes]]++
			if k, err := plain.Pin(t.Context(), id(1)); err != nil || k.Pinned != (pin == nil) {
				t.Errorf("pin ended with %v, pin.json says %+v (%v)", pin, k, err)
			}
		}
	}
	t.Log(outcomes)
	if outcomes["pinned kept"] == 0 || outcomes["refused removed"] == 0 {
		t.Errorf("outcomes %v: want some of each order", outcomes)
	}
}

// TestPinMeetsTwoRemovals lets two passes of retention begin at any two steps of a pin: the second, which finds the job
// pinned by then, does not take back the word that the first goes on under.
func TestPinMeetsTwoRemovals(t *testing.T) {
	for one := range 8 {
		for two := one; two < 8; two++ {
			inner := memblob.OpenBucket(nil)
			plain := job.Store{Bucket: inner}
			create(t, plain, request(1))
			goes := false
			remove := func() {
				ok, err := plain.BeginRemoval(t.Context(), id(1), noon, func(k job.Pin) bool { return !k.Pinned })
				if err != nil {
					t.Fatal(err)
				}
				goes = goes || ok
			}
			step := -1
			s := job.Store{Bucket: faultbucket.Wrap(inner, func(string, string) error {
				step++
				for _, at := range []int{one, two} {
					if step == at {
						remove()
					}
				}
				return nil
			})}
			if err := s.SetPin(t.Context(), id(1), job.Pin{Pinned: true, At: noon}); err == nil && goes {
				t.Errorf("removals at steps %d and %d: pinned, and removed", one, two)
			}
		}
	}
}
