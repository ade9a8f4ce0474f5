package job_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/blob/memblob"

	"github.com/cyverse-gis/eemt/integration/faultbucket"
	"github.com/cyverse-gis/eemt/shared/dirbucket"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/param"
)

var noon = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

func id(n int) string { return fmt.Sprintf("01JTEST%019d", n) }

// eachBucket runs a test on every kind of bucket that tests can have.
func eachBucket(t *testing.T, f func(t *testing.T, s job.Store)) {
	for name, open := range map[string]func() (*blob.Bucket, error){
		"memory":    func() (*blob.Bucket, error) { return memblob.OpenBucket(nil), nil },
		"directory": func() (*blob.Bucket, error) { return dirbucket.Open(t.TempDir()) },
	} {
		t.Run(name, func(t *testing.T) {
			b, err := open()
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = b.Close() }()
			f(t, job.Store{Bucket: b})
		})
	}
}

func request(n int) job.Request {
	return job.Request{
		ID: id(n), Workflow: param.Sol, Parameters: param.DefaultParameters(), Created: noon.Add(time.Duration(n) * time.Minute),
		DEM: job.DEM{Key: fmt.Sprintf("inputs/%d.tif", n), Name: "dem.tif", SHA256: "00", Size: 3},
	}
}

func create(t *testing.T, s job.Store, r job.Request) {
	t.Helper()
	if err := s.Create(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	put(t, s, r.DEM.Key, "dem")
}

func put(t *testing.T, s job.Store, key, data string) {
	t.Helper()
	if err := s.Bucket.WriteAll(t.Context(), key, []byte(data), nil); err != nil {
		t.Fatal(err)
	}
}

func keys(t *testing.T, s job.Store) []string {
	t.Helper()
	var list []string
	it := s.Bucket.List(nil)
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

func plan(tiles int) *job.Plan {
	p := &job.Plan{Created: noon.Add(time.Hour)}
	for c := range tiles {
		p.Tiles = append(p.Tiles, job.Tile{Task: job.TaskName(0, c)})
	}
	return p
}

// tiles is the phase of a plan's tiles.
func tiles(p *job.Plan) *job.Phase {
	phase := &job.Phase{Number: 1, Kind: job.KindTiles}
	for _, t := range p.Tiles {
		phase.Tasks = append(phase.Tasks, job.Task{Name: t.Task})
	}
	return phase
}

func TestRecordsAreWrittenOnce(t *testing.T) {
	eachBucket(t, func(t *testing.T, s job.Store) {
		ctx := t.Context()
		r := request(1)
		create(t, s, r)
		other := r
		other.Workflow = param.EEMT
		if err := s.Create(ctx, other); err != nil {
			t.Fatalf("creating again: %v", err)
		}
		if got, err := s.Request(ctx, r.ID); err != nil || got.Workflow != param.Sol || !got.Created.Equal(r.Created) {
			t.Errorf("request is %+v (%v), want the first", got, err)
		}
		for n, want := range []bool{true, false} {
			if won, err := s.WriteOnce(ctx, job.Prefix(r.ID)+"plan.json", plan(2+3*n)); err != nil || won != want {
				t.Errorf("plan %d was written: %t (%v)", n, won, err)
			}
		}
		var p job.Plan
		if err := s.Read(ctx, job.Prefix(r.ID)+"plan.json", &p); err != nil || len(p.Tiles) != 2 {
			t.Errorf("plan %v (%v), want the first", p, err)
		}
		for attempt := range 2 {
			if err := s.WriteRecord(ctx, r.ID, 1, job.Record{Task: "r0000c0000", Attempt: attempt}); err != nil {
				t.Fatal(err)
			}
		}
		if task, err := s.Record(ctx, r.ID, 1, "r0000c0000"); err != nil || task.Attempt != 0 {
			t.Errorf("task %+v (%v), want the first attempt", task, err)
		}
		if e, won, err := s.WriteEnd(ctx, r.ID, job.End{State: job.Failed, Reason: "a"}); err != nil || !won || e.State != job.Failed {
			t.Errorf("end %+v, %t, %v", e, won, err)
		}
		if e, won, err := s.WriteEnd(ctx, r.ID, job.End{State: job.Completed}); err != nil || won || e.State != job.Failed || e.Reason != "a" {
			t.Errorf("second end %+v, %t, %v: want the first", e, won, err)
		}
	})
}

func TestRacesHaveOneWinner(t *testing.T) {
	eachBucket(t, func(t *testing.T, s job.Store) {
		for round := range 8 {
			r := request(round)
			create(t, s, r)
			const racers = 12
			var wait sync.WaitGroup
			var mu sync.Mutex
			winners := 0
			plans, ends := map[int]bool{}, map[string]bool{}
			for i := range racers {
				wait.Go(func() {
					var p job.Plan
					_, err := s.WriteOnce(t.Context(), job.Prefix(r.ID)+"plan.json", plan(i+1))
					if err == nil {
						err = s.Read(t.Context(), job.Prefix(r.ID)+"plan.json", &p)
					}
					if err != nil {
						t.Errorf("plan: %v", err)
						return
					}
					e, won, err := s.WriteEnd(t.Context(), r.ID, job.End{State: job.Failed, Reason: fmt.Sprint(i)})
					if err != nil {
						t.Errorf("end: %v", err)
					}
					mu.Lock()
					defer mu.Unlock()
					plans[len(p.Tiles)], ends[e.Reason] = true, true
					if won {
						winners++
					}
				})
			}
			wait.Wait()
			if winners != 1 || len(plans) != 1 || len(ends) != 1 {
				t.Errorf("%d winners, plans %v, ends %v: want one of each", winners, plans, ends)
			}
		}
	})
}

func TestStatus(t *testing.T) {
	at := noon.Add
	for _, c := range []struct {
		name     string
		plan     int
		tasks    []string
		end      *job.End
		expired  bool
		want     job.State
		done     int
		progress int
		maps     []string
	}{
		{name: "new", want: job.Pending},
		{name: "planned", plan: 4, want: job.Running, progress: 5},
		{name: "half done", plan: 4, tasks: []string{"r0000c0000", "r0000c0003"}, want: job.Running, done: 2, progress: 47},
		{name: "a task of no tile", plan: 4, tasks: []string{"r0009c0000"}, want: job.Running, progress: 5},
		{name: "all tiles done", plan: 1, tasks: []string{"r0000c0000"}, want: job.Running, done: 1, progress: 90},
		{name: "some maps made", plan: 1, tasks: []string{"r0000c0000"}, maps: []string{"slope_dec.tif", "global/annual/total_sun_sum.tif", "previews/slope_dec.png"}, want: job.Running, done: 1, progress: 94},
		{name: "all maps made", plan: 1, tasks: []string{"r0000c0000"}, maps: []string{"a.tif", "b.tif", "c.tif", "d.tif", "e.tif"}, want: job.Running, done: 1, progress: 99},
		{name: "maps before the tiles", plan: 2, tasks: []string{"r0000c0000"}, maps: []string{"a.tif"}, want: job.Running, done: 1, progress: 47},
		{name: "completed", plan: 1, tasks: []string{"r0000c0000"}, end: &job.End{State: job.Completed, Ended: at(time.Hour)}, want: job.Completed, done: 1, progress: 100},
		{name: "failed before the plan", end: &job.End{State: job.Failed, Reason: "x", Ended: at(time.Hour)}, want: job.Failed},
		{name: "cancelled half way", plan: 2, tasks: []string{"r0000c0001"}, end: &job.End{State: job.Cancelled, Ended: at(time.Hour)}, want: job.Cancelled, done: 1, progress: 47},
		{name: "expired", plan: 1, end: &job.End{State: job.Completed, Ended: at(time.Hour)}, expired: true, want: job.Completed, done: 1, progress: 100},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := job.Store{Bucket: memblob.OpenBucket(nil)}
			r := request(1)
			create(t, s, r)
			if c.plan > 0 {
				p := plan(c.plan)
				p.Maps = 4
				if _, err := s.WriteOnce(t.Context(), job.Prefix(r.ID)+"plan.json", p); err != nil {
					t.Fatal(err)
				}
				if _, err := s.WritePhase(t.Context(), r.ID, tiles(p)); err != nil {
					t.Fatal(err)
				}
			}
			for _, name := range c.maps {
				put(t, s, job.ResultKey(r.ID, name), "map")
			}
			for _, task := range c.tasks {
				if err := s.WriteRecord(t.Context(), r.ID, 1, job.Record{Task: task}); err != nil {
					t.Fatal(err)
				}
			}
			if c.end != nil {
				if _, _, err := s.WriteEnd(t.Context(), r.ID, *c.end); err != nil {
					t.Fatal(err)
				}
			}
			if c.expired {
				if err := s.WriteExpired(t.Context(), r.ID, at(2*time.Hour)); err != nil {
					t.Fatal(err)
				}
			}
			st, err := s.Status(t.Context(), r.ID)
			if err != nil || st.State != c.want || st.Done != c.done || st.Planned != c.plan || st.Progress() != c.progress || st.Ended() != (c.end != nil) || (st.Expired != nil) != c.expired {
				t.Errorf("got %+v, progress %d (%v)", st, st.Progress(), err)
			}
			if c.plan > 0 && !st.Started.Equal(at(time.Hour)) {
				t.Errorf("started %v", st.Started)
			}
			if c.name == "new" && !st.Updated.Equal(r.Created) {
				t.Errorf("updated %v, want %v", st.Updated, r.Created)
			}
			// A glance sees the same, but for what is left over.
			glance, err := s.Glance(t.Context(), r.ID)
			st.Leftovers, st.Removing = false, false
			if err != nil || !reflect.DeepEqual(glance, st) {
				t.Errorf("a glance sees %+v (%v), want %+v", glance, err, st)
			}
			ended, err := s.Ended(t.Context(), r.ID)
			if err != nil || ended != (c.end != nil) {
				t.Errorf("ended %t (%v)", ended, err)
			}
		})
	}
}

func TestListNewestFirst(t *testing.T) {
	eachBucket(t, func(t *testing.T, s job.Store) {
		for _, n := range []int{3, 1, 5, 2, 4} {
			create(t, s, request(n))
		}
		put(t, s, "index/rubbish", "x")
		put(t, s, "index/000000000000001-notanid", "x")
		var got []string
		if err := s.List(t.Context(), func(id string) (bool, error) {
			got = append(got, id)
			return len(got) < 4, nil
		}); err != nil {
			t.Fatal(err)
		}
		if want := []string{id(5), id(4), id(3), id(2)}; strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("got %v, want %v", got, want)
		}
		stop := errors.New("enough")
		if err := s.List(t.Context(), func(string) (bool, error) { return true, stop }); !errors.Is(err, stop) {
			t.Errorf("error of the callback came back as %v", err)
		}
	})
}

func TestInvalidIDs(t *testing.T) {
	s := job.Store{Bucket: memblob.OpenBucket(nil)}
	for _, bad := range []string{"", "x", "../../etc", strings.ToLower(id(1)), id(1) + "0", "01JTESTAAAAAAAAAAAAAAAAAA/", "01JTESTIIIIIIIIIIIIIIIIIII", "01JTESTAAAAAAAAAAAAAAAAAA\n"} {
		if job.ValidID(bad) {
			t.Errorf("%q counts as a job id", bad)
		}
		if _, err := s.Request(t.Context(), bad); !errors.Is(err, job.ErrNotFound) {
			t.Errorf("%q: got %v, want not found", bad, err)
		}
		r := request(1)
		r.ID = bad
		if err := s.Create(t.Context(), r); err == nil {
			t.Errorf("%q: a job was made", bad)
		}
	}
	if !job.ValidID(id(1)) {
		t.Errorf("%q is no job id", id(1))
	}
	if left := keys(t, s); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

func TestHostileRecords(t *testing.T) {
	s := job.Store{Bucket: memblob.OpenBucket(nil)}
	create(t, s, request(1))
	for name, data := range map[string]string{
		"not JSON": "hello", "empty": "", "cut": `{"id":"01`, "another shape": `[1,2]`, "of another job": `{"id":"` + id(2) + `"}`, "of none": `{}`, "huge": `"` + strings.Repeat("x", 64<<20) + `"`,
	} {
		put(t, s, job.Prefix(id(1))+"job.json", data)
		if _, err := s.Status(t.Context(), id(1)); !errors.Is(err, job.ErrDamaged) {
			t.Errorf("%s: got %v, want damaged", name, err)
		}
	}
}

func TestFaultsAreNotAbsence(t *testing.T) {
	away := errors.New("away")
	s := job.Store{Bucket: faultbucket.Wrap(memblob.OpenBucket(nil), func(_, _ string) error { return away })}
	ctx := context.Background()
	_, request := s.Request(ctx, id(1))
	plan := s.Read(ctx, job.Prefix(id(1))+"plan.json", new(job.Plan))
	_, end := s.End(ctx, id(1))
	_, task := s.Record(ctx, id(1), 1, "r0000c0000")
	_, ended := s.Ended(ctx, id(1))
	_, done := s.Done(ctx, id(1))
	_, _, wrote := s.WriteEnd(ctx, id(1), job.End{})
	for name, err := range map[string]error{"request": request, "plan": plan, "end": end, "task": task, "ended": ended, "done": done, "write end": wrote} {
		if err == nil || errors.Is(err, job.ErrNotFound) || errors.Is(err, job.ErrDamaged) {
			t.Errorf("%s: got %v, want the fault", name, err)
		}
	}
}
