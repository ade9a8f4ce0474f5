package submission_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gocloud.dev/blob/memblob"

	"github.com/cyverse-gis/eemt/integration/faultbucket"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/param"
)

// search asks for all pages of /api/jobs and returns the last three digits of the ids, with the number of pages.
func (s *service) search(t *testing.T, query string) (found []string, pages int) {
	t.Helper()
	for at := "/api/jobs?" + query; at != ""; pages++ {
		a := s.get(t, at)
		var list []struct{ ID string }
		if err := json.Unmarshal([]byte(a.body), &list); err != nil || a.status != http.StatusOK {
			t.Fatalf("%s: %d %s", at, a.status, a.body)
		}
		for _, j := range list {
			found = append(found, j.ID[len(j.ID)-3:])
		}
		link, _, _ := strings.Cut(a.header.Get("Link"), ">")
		at = strings.TrimPrefix(link, "<")
	}
	return found, pages
}

func TestSearch(t *testing.T) {
	s := newService(t, nil)
	for i, c := range []struct {
		name     string
		workflow param.Workflow
		end      job.State
	}{
		{"Jemez north.tif", param.Sol, job.Completed},
		{"jemez_south.tif", param.EEMT, job.Failed},
		{"Catalina.tif", param.EEMT, job.Cancelled},
		{"<b>Über</b>.tif", param.Sol, ""},
	} {
		r := job.Request{
			ID: fmt.Sprintf("01JTEST%019d", i+1), Workflow: c.workflow, Parameters: param.DefaultParameters(),
			Created: noon.Add(time.Duration(i) * time.Second), DEM: job.DEM{Key: "uploads/x.tif", Name: c.name},
		}
		if c.workflow == param.EEMT {
			r.Parameters.Climate = "daymet:climate/tiles"
		}
		if err := s.Store.Create(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		if c.end != "" {
			s.end(t, r.ID, c.end)
		}
	}
	for _, c := range []struct{ query, want string }{
		{"", "004 003 002 001"},
		{"q=jemez", "002 001"},
		{"q=JEMEZ+north", "001"},
		{"q=jemez+south+north", ""},
		{"q=über", "004"},
		{"q=" + url.QueryEscape("<b>"), "004"},
		{"q=daymet", "003 002"},
		{"q=0000002", "002"},
		{"q=01jtest0000000000000000003", "003"},
		{"q=01JTEST0000000000000000009", ""},
		{"q=01JTEST0000000000000000003&workflow_type=sol", ""},
		{"workflow_type=eemt", "003 002"},
		{"status=failed", "003 002"},
		{"status=cancelled", "003"},
		{"status=completed&q=jemez", "001"},
		{"status=pending&workflow_type=eemt", ""},
		{"q=+++", "004 003 002 001"},
		{"limit=1&q=jemez", "002 001"},
	} {
		if found, _ := s.search(t, c.query); strings.Join(found, " ") != c.want {
			t.Errorf("%s: %q, want %q", c.query, found, c.want)
		}
	}
	var standard struct{ Jobs []struct{ JobID string } }
	if err := json.Unmarshal([]byte(s.get(t, "/jobs?q=jemez&processID=eemt").body), &standard); err != nil || len(standard.Jobs) != 1 {
		t.Errorf("the standard's list: %+v (%v)", standard, err)
	}
	for _, bad := range []string{"q=" + strings.Repeat("x", 201), "workflow_type=echo", "status=gone"} {
		if a := s.get(t, "/api/jobs?"+bad); a.status != http.StatusBadRequest {
			t.Errorf("%.40s: %d", bad, a.status)
		}
	}
	if a := s.get(t, "/jobs?q="+strings.Repeat("x", 201)); a.status != http.StatusBadRequest {
		t.Errorf("a long search of the standard's list: %d", a.status)
	}
}

// A search looks at so many jobs a request, by one read each, and leads on to the next.
func TestSearchIsBounded(t *testing.T) {
	inner := memblob.OpenBucket(nil)
	fill(t, job.Store{Bucket: inner}, 1700)
	old := job.Request{ID: "01JTEST0000000000000009999", Workflow: param.EEMT, Parameters: param.DefaultParameters(), Created: noon.Add(-time.Hour), DEM: job.DEM{Key: "uploads/x.tif", Name: "needle.tif"}}
	if err := (job.Store{Bucket: inner}).Create(t.Context(), old); err != nil {
		t.Fatal(err)
	}
	var calls atomic.Int64
	s := newService(t, nil)
	s.on(faultbucket.Wrap(inner, func(_, _ string) error { calls.Add(1); return nil }))
	for _, query := range []string{"q=needle", "workflow_type=eemt&limit=50"} {
		calls.Store(0)
		first := s.get(t, "/api/jobs?"+query)
		if first.body != "[]" || first.header.Get("Link") == "" {
			t.Errorf("%s: %s, Link %q", query, first.body, first.header.Get("Link"))
		}
		if n := calls.Load(); n > 500+10 {
			t.Errorf("%s: %d bucket calls in one request", query, n)
		}
		if found, pages := s.search(t, query); strings.Join(found, " ") != "999" || pages != 4 {
			t.Errorf("%s: %q in %d pages", query, found, pages)
		}
	}
	calls.Store(0)
	if found, pages := s.search(t, "q="+old.ID); len(found) != 1 || pages != 1 || calls.Load() > 10 {
		t.Errorf("by its id: %q in %d pages, %d calls", found, pages, calls.Load())
	}
}
