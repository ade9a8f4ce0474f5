package submission_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cyverse-gis/eemt/functions/submission"
	"github.com/cyverse-gis/eemt/integration/faultbucket"
	"github.com/cyverse-gis/eemt/shared/dem/demtest"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/job/inuse"
)

// taken is the job that an answer names, and whether it was there before.
func taken(t *testing.T, a answer) (id string, existing bool) {
	t.Helper()
	if a.status/100 != 2 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	m := a.json(t)
	id, ok := m["job_id"].(string)
	if !ok {
		id, _ = m["jobID"].(string)
	}
	existing, _ = m["existing"].(bool)
	if _, said := m["existing"]; id == "" || said != existing {
		t.Fatalf("%s", a.body)
	}
	return id, existing
}

// form submits a form as somebody.
func (s *service) form(t *testing.T, token string, fields ...field) answer {
	t.Helper()
	kind, body := formOf(t, fields...)
	return s.as(t, token, "POST", "/api/submit-job", body, "Content-Type", kind)
}

// execute sends an execute request for sol with the hills, and more members of the request; inputs begin with a comma.
func (s *service) execute(t *testing.T, token, inputs, more string) answer {
	t.Helper()
	body := fmt.Sprintf(`{"inputs": {"dem": {"value": %q, "encoding": "base64"}%s}%s}`, base64.StdEncoding.EncodeToString([]byte(hills(t))), inputs, more)
	return s.as(t, token, "POST", "/processes/sol/execution", body, "Content-Type", "application/json")
}

// TestEqualWork: what a job does already is not done again, whichever door it comes by, and nothing is left of the request.
func TestEqualWork(t *testing.T) {
	s := newService(t, nil)
	dem := field{"dem_file", hills(t), "dem.tif"}
	first, existing := taken(t, s.form(t, "", dem))
	if existing {
		t.Fatal("the first job exists")
	}
	before := keys(t, s.Store.Bucket)
	again := map[string]func() answer{
		"form":                      func() answer { return s.form(t, "", field{"dem_file", hills(t), "other.tif"}) },
		"form with a default":       func() answer { return s.form(t, "", dem, field{name: "step", value: "15"}) },
		"form that is not fresh":    func() answer { return s.form(t, "", dem, field{name: "fresh", value: "false"}) },
		"standard":                  func() answer { return s.execute(t, "", "", "") },
		"standard, another wording": func() answer { return s.execute(t, "", `, "fresh": false, "step": {"value": 15}`, "") },
	}
	same := func(want string) {
		t.Helper()
		for door, submit := range again {
			a := submit()
			id, existing := taken(t, a)
			if id != want || !existing || !strings.HasSuffix(a.header.Get("Location"), "/jobs/"+want) {
				t.Errorf("%s: %d %s at %s, want %s", door, a.status, a.body, a.header.Get("Location"), want)
			}
			if door == "standard" && a.status != http.StatusCreated || door == "form" && a.status != http.StatusOK {
				t.Errorf("%s: %d", door, a.status)
			}
		}
	}
	same(first)
	if after := keys(t, s.Store.Bucket); !slices.Equal(after, before) {
		t.Errorf("left %v, before %v", after, before)
	}
	if len(s.events) != 1 {
		t.Errorf("%d events", len(s.events))
	}
	s.end(t, first, job.Completed)
	same(first)
	if a := s.get(t, "/jobs/"+first); strings.Contains(a.body, "existing") {
		t.Errorf("its status says that it exists: %s", a.body)
	}

	other := map[string]func() answer{
		"another step": func() answer { return s.form(t, "", dem, field{name: "step", value: "30"}) },
		"another DEM": func() answer {
			return s.form(t, "", field{"dem_file", string(demtest.Encode(t, demtest.Hills(12, 11))), "dem.tif"})
		},
		"other outputs":   func() answer { return s.execute(t, "", "", `, "outputs": {"report": {}}`) },
		"raw":             func() answer { return s.execute(t, "", "", `, "response": "raw"`) },
		"a raster":        func() answer { return s.form(t, "", dem, field{"linke_file", hills(t), "l.tif"}) },
		"another version": func() answer { s.with(func(c *submission.Config) { c.Version = "next" }); return s.form(t, "", dem) },
	}
	for name, submit := range other {
		if id, existing := taken(t, submit()); id == first || existing {
			t.Errorf("%s: it is said to be the same", name)
		}
		s.with(func(c *submission.Config) { c.Version = "test" })
	}
	if id, existing := taken(t, s.form(t, "", dem, field{"linke_file", hills(t), "other name.tif"})); id == first || !existing {
		t.Error("the same raster is another")
	}
	if id, existing := taken(t, s.form(t, "", dem, field{"linke_file", string(demtest.Encode(t, demtest.Hills(14, 12))), "l.tif"})); id == first || existing {
		t.Error("another raster is the same")
	}
	if a := s.form(t, "", dem, field{name: "fresh", value: "perhaps"}); a.status != 400 || !strings.Contains(a.body, "fresh") {
		t.Errorf("%d %s", a.status, a.body)
	}
	if a := s.execute(t, "", `, "fresh": "perhaps"`, ""); a.status != 400 || !strings.Contains(a.body, "inputs.fresh") {
		t.Errorf("%d %s", a.status, a.body)
	}

	// Who asks for another gets one, which is then the one that is found.
	second, existing := taken(t, s.form(t, "", dem, field{name: "fresh", value: "true"}))
	if existing || second == first {
		t.Error("fresh is the same")
	}
	same(second)
	third, existing := taken(t, s.execute(t, "", `, "fresh": true`, ""))
	if existing || third == second {
		t.Error("fresh is the same")
	}
	same(third)
	// A dropped file is a job of its own.
	s.drop(t, "uploads/dem.tif", hills(t))
	if said := s.take(t, "uploads/dem.tif"); !strings.HasPrefix(said, "it becomes job") {
		t.Error(said)
	}
	same(third)
}

// TestEqualWorkWithTables: a climate table is known by what it holds, not by the name under which it is stored.
func TestEqualWorkWithTables(t *testing.T) {
	s := newService(t, nil)
	submit := func(kind, table string) (string, bool) {
		return taken(t, s.form(t, "", field{name: "workflow_type", value: "eemt"}, field{kind, table, "station.csv"}, field{"dem_file", hills(t), "dem.tif"}))
	}
	first, _ := submit("climate_file", "month,tmin\n")
	if id, existing := submit("climate_file", "month,tmin\n"); id != first || !existing {
		t.Error("the same table is another")
	}
	if id, existing := submit("climate_file", "month,tmax\n"); id == first || existing {
		t.Error("another table is the same")
	}
	if id, existing := submit("pixel_file", "month,tmin\n"); id == first || existing {
		t.Error("the same file read in another way is the same")
	}
	// What lies in the bucket for all may be replaced.
	s.put(t, "climate/station.csv", "month,tmin\n")
	shared := func() (string, bool) {
		return taken(t, s.form(t, "", field{name: "workflow_type", value: "eemt"}, field{name: "climate", value: "table:climate/station.csv"}, field{"dem_file", hills(t), "dem.tif"}))
	}
	one, _ := shared()
	if id, existing := shared(); id != one || !existing {
		t.Error("the same object is another")
	}
	s.put(t, "climate/station.csv", "month,tmin,tmax\n")
	if id, existing := shared(); id == one || existing {
		t.Error("an object that was replaced is the same")
	}
}

// TestEqualWorkThatIsNoMore: a job that failed, was cancelled, expired or deleted, or is about to be, does nobody's work.
func TestEqualWorkThatIsNoMore(t *testing.T) {
	dem := field{"dem_file", hills(t), "dem.tif"}
	for name, stop := range map[string]func(s *service, id string) error{
		"failed":    func(s *service, id string) error { s.end(t, id, job.Failed); return nil },
		"cancelled": func(s *service, id string) error { _, err := s.Cancel(t.Context(), id); return err },
		"deleted": func(s *service, id string) error {
			s.end(t, id, job.Completed)
			if a := s.do(t, "DELETE", "/api/jobs/"+id, nil); a.status != 200 {
				return fmt.Errorf("%d %s", a.status, a.body)
			}
			if left := keys(t, s.Store.Bucket); len(left) != 0 {
				return fmt.Errorf("left %v", left)
			}
			return nil
		},
		"deleted by the standard": func(s *service, id string) error {
			s.end(t, id, job.Completed)
			s.do(t, "DELETE", "/jobs/"+id, nil)
			return nil
		},
		"expired": func(s *service, id string) error {
			s.end(t, id, job.Completed)
			r, err := s.Store.Request(t.Context(), id)
			if err == nil {
				_, err = inuse.Remover{Store: s.Store}.Data(t.Context(), r)
			}
			if err == nil {
				err = s.Store.WriteExpired(t.Context(), id, noon)
			}
			return err
		},
		"about to be removed": func(s *service, id string) error {
			s.end(t, id, job.Completed)
			_, err := s.Store.BeginRemoval(t.Context(), id, noon, func(job.Pin) bool { return true })
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newService(t, nil)
			first, _ := taken(t, s.form(t, "", dem))
			if err := stop(s, first); err != nil {
				t.Fatal(err)
			}
			second, existing := taken(t, s.form(t, "", dem))
			if second == first || existing {
				t.Fatal("it is the answer")
			}
			if id, existing := taken(t, s.form(t, "", dem)); id != second || !existing {
				t.Error("the next job is not found")
			}
		})
	}
}

// TestEqualWorkFallsBack: where a fresh job fails, one that was completed before is the answer.
func TestEqualWorkFallsBack(t *testing.T) {
	s := newService(t, nil)
	dem := field{"dem_file", hills(t), "dem.tif"}
	first, _ := taken(t, s.form(t, "", dem))
	s.end(t, first, job.Completed)
	for range 3 {
		id, _ := taken(t, s.form(t, "", dem, field{name: "fresh", value: "true"}))
		s.end(t, id, job.Failed)
	}
	if id, existing := taken(t, s.form(t, "", dem)); id != first || !existing {
		t.Error("the completed job is not found")
	}
}

// TestEqualWorkAtOnce sends one request many times at once: one job is made of it, and all are answered with it.
func TestEqualWorkAtOnce(t *testing.T) {
	s := newService(t, func(op, key string) error {
		if op == faultbucket.Commit && strings.HasSuffix(key, "/job.json") {
			time.Sleep(20 * time.Millisecond) // the others see that it is being made
		}
		return nil
	})
	var mu sync.Mutex
	made, ids := 0, map[string]bool{}
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			id, existing := taken(t, s.form(t, "", field{"dem_file", hills(t), "dem.tif"}))
			mu.Lock()
			defer mu.Unlock()
			ids[id] = true
			if !existing {
				made++
			}
		})
	}
	all.Wait()
	if len(ids) != 1 || made != 1 || len(s.events) != 1 {
		t.Errorf("%d jobs were made: %v, %d announced", made, slices.Collect(maps.Keys(ids)), len(s.events))
	}
	if list := s.jobs(t); len(list) != 1 {
		t.Errorf("%d jobs", len(list))
	}
}

// TestEqualWorkOfOneThatDied: a process that died before it wrote the job's record holds up nobody for long.
func TestEqualWorkOfOneThatDied(t *testing.T) {
	fail := false
	s := newService(t, func(op, key string) error {
		if fail && op == faultbucket.Commit && strings.HasSuffix(key, "/job.json") {
			return fmt.Errorf("away")
		}
		return nil
	})
	dem := field{"dem_file", hills(t), "dem.tif"}
	fail = true
	if a := s.form(t, "", dem); a.status != http.StatusServiceUnavailable {
		t.Fatalf("%d %s", a.status, a.body)
	}
	fail = false
	s.later(time.Hour)
	if _, existing := taken(t, s.form(t, "", dem)); existing {
		t.Error("a job that was never made is the answer")
	}
}

// TestEqualWorkIsItsOwners: nobody learns from an answer that another does the same work.
func TestEqualWorkIsItsOwners(t *testing.T) {
	s := guarded(t)
	dem := field{"dem_file", hills(t), "dem.tif"}
	ids := map[string]bool{}
	for _, who := range []string{"anna", "boris", "ops"} {
		id, existing := taken(t, s.form(t, who, dem))
		if existing || ids[id] {
			t.Errorf("%s is told of another's job", who)
		}
		ids[id] = true
		if again, existing := taken(t, s.form(t, who, dem)); again != id || !existing {
			t.Errorf("%s is not told of their own", who)
		}
	}
	// A key of the owner is the owner.
	var key struct{ Key string }
	if err := json.Unmarshal([]byte(s.as(t, "anna", "POST", "/auth/keys", `{"name": "x", "role": "user"}`).body), &key); err != nil {
		t.Fatal(err)
	}
	if id, existing := taken(t, s.form(t, key.Key, dem)); !ids[id] || !existing {
		t.Error("the owner's key makes another")
	}
}

// TestSubscriberGetsAJob: the addresses of a request are called for a job of its own.
func TestSubscriberGetsAJob(t *testing.T) {
	s := newService(t, nil)
	s.with(func(c *submission.Config) { c.CallbackHosts = []string{"hooks.example.org"} })
	first, _ := taken(t, s.execute(t, "", "", ""))
	subscribed := `, "subscriber": {"successUri": "https://hooks.example.org/done"}`
	second, existing := taken(t, s.execute(t, "", "", subscribed))
	if existing || second == first {
		t.Error("a subscriber is told of nothing")
	}
	third, existing := taken(t, s.execute(t, "", "", subscribed))
	if existing || third == second {
		t.Error("a subscriber is told of nothing the second time")
	}
	if id, existing := taken(t, s.execute(t, "", "", "")); id != third || !existing {
		t.Error("who has no subscriber gets another job")
	}
}

// TestRefusedWorkIsNotFound: a job that a quota refuses does nobody's work.
func TestRefusedWorkIsNotFound(t *testing.T) {
	s := newService(t, nil)
	ref, err := s.Upload(t.Context(), "dem.tif", strings.NewReader(hills(t)))
	if err != nil {
		t.Fatal(err)
	}
	s.put(t, "inputs-used/"+strings.TrimPrefix(ref.Key, "inputs/")+"/removing", `{"by": "another"}`) // it is about to be removed
	name := strings.TrimPrefix(ref.Key, "inputs/")
	if a := s.form(t, "", field{name: "uploaded_filename", value: name}); a.status != 400 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	for _, k := range keys(t, s.Store.Bucket) {
		if strings.HasPrefix(k, job.EqualPrefix) {
			t.Errorf("left %s", k)
		}
	}
	if _, existing := taken(t, s.form(t, "", field{"dem_file", hills(t), "dem.tif"})); existing {
		t.Error("a refused job is the answer")
	}
}
