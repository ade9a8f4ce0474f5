package submission_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/cyverse-gis/eemt/functions/submission"
	"github.com/cyverse-gis/eemt/shared/job"
)

func (s *service) keep(t *testing.T, method, id, body string) answer {
	t.Helper()
	return s.do(t, method, "/jobs/"+id+"/keep", strings.NewReader(body), "Content-Type", "application/json")
}

// A job is pinned, kept for some days, and let go again; each answer and the job itself tell until when.
func TestKeep(t *testing.T) {
	s := newService(t, nil)
	s.with(func(c *submission.Config) { c.Cleaner = &passes{} })
	id := s.submit(t)
	if a := s.get(t, "/jobs/"+id+"/keep"); a.status != http.StatusOK || a.json(t)["pinned"] != false || a.json(t)["expires_at"] != nil {
		t.Errorf("a job that goes on: %d %s", a.status, a.body)
	}
	s.end(t, id, job.Completed)
	ended := noon.Add(time.Hour)
	for _, c := range []struct {
		name, method, body string
		pinned             bool
		days               float64
		want               any
	}{
		{"nobody said anything", http.MethodGet, "", false, 0, ended.Add(7 * 24 * time.Hour)},
		{"pinned", http.MethodPut, `{"pinned":true,"by":"Ann"}`, true, 0, nil},
		{"pinned again", http.MethodPut, `{"pinned":true}`, true, 0, nil},
		{"for days", http.MethodPut, `{"days":30}`, false, 30, ended.Add(30 * 24 * time.Hour)},
		{"let go", http.MethodDelete, "", false, 0, ended.Add(7 * 24 * time.Hour)},
		{"let go again", http.MethodDelete, "", false, 0, ended.Add(7 * 24 * time.Hour)},
	} {
		a := s.keep(t, c.method, id, c.body)
		if a.status != http.StatusOK {
			t.Errorf("%s: %d %s", c.name, a.status, a.body)
			continue
		}
		if at, ok := c.want.(time.Time); ok {
			c.want = at.Format(time.RFC3339)
		}
		m, view := a.json(t), s.get(t, "/api/jobs/"+id).json(t)
		if m["pinned"] != c.pinned || m["days"] != c.days || m["expires_at"] != c.want || view["pinned"] != c.pinned || view["expires_at"] != c.want {
			t.Errorf("%s: %v, the job %v %v, want %v", c.name, m, view["pinned"], view["expires_at"], c.want)
		}
	}
	s.keep(t, http.MethodPut, id, `{"pinned":true,"by":"Ann"}`)
	if a := s.get(t, "/jobs/"+id+"/keep?f=html", "Accept", "text/html"); !strings.Contains(a.body, "Ann") {
		t.Errorf("as a page: %s", a.body)
	}
	s.with(func(c *submission.Config) { c.Cleaner = nil })
	if m := s.get(t, "/jobs/"+id+"/keep").json(t); m["expires_at"] != nil || m["pinned"] != true {
		t.Errorf("where nobody cleans up: %v", m)
	}
}

func TestKeepRefuses(t *testing.T) {
	s := newService(t, nil)
	s.with(func(c *submission.Config) { c.Cleaner = &passes{} })
	id := s.submit(t)
	for name, c := range map[string]struct{ body, says string }{
		"nothing":      {"", `{"pinned": true}`},
		"no JSON":      {"pinned", `{"pinned": true}`},
		"neither":      {"{}", "neither pinned nor days"},
		"no pin":       {`{"pinned":false}`, "neither pinned nor days"},
		"unknown":      {`{"pinned":true,"forever":true}`, "forever"},
		"more":         {`{"pinned":true}{}`, "continues after"},
		"too long":     {`{"days":36501}`, "keep_days 36501: must be 1 to 36500"},
		"before":       {`{"days":-1}`, "keep_days -1"},
		"a long name":  {`{"pinned":true,"by":"` + strings.Repeat("x", 201) + `"}`, "at most 200 bytes"},
		"another kind": {`{"days":"many"}`, "days"},
	} {
		if a := s.keep(t, http.MethodPut, id, c.body); a.status != http.StatusBadRequest || !strings.Contains(a.json(t)["detail"].(string), c.says) {
			t.Errorf("%s: %d %s, want 400 with %q", name, a.status, a.body, c.says)
		}
	}
	for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodDelete} {
		if a := s.keep(t, method, "01JTEST0000000000000000099", `{"pinned":true}`); a.status != http.StatusNotFound {
			t.Errorf("%s of no job: %d %s", method, a.status, a.body)
		}
	}
	s.end(t, id, job.Completed)
	if err := s.Store.WriteExpired(t.Context(), id, noon); err != nil {
		t.Fatal(err)
	}
	if a := s.keep(t, http.MethodPut, id, `{"pinned":true}`); a.status != http.StatusConflict || !strings.Contains(a.body, "run it again") {
		t.Errorf("what is gone: %d %s", a.status, a.body)
	}
	if a := s.keep(t, http.MethodDelete, id, ""); a.status != http.StatusOK {
		t.Errorf("letting go what is gone: %d %s", a.status, a.body)
	}
}
