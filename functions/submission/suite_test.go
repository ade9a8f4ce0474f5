package submission_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cyverse-gis/eemt/shared/sources"

	"github.com/cyverse-gis/eemt/functions/submission"
	"github.com/cyverse-gis/eemt/functions/submission/problem"
	"github.com/cyverse-gis/eemt/functions/submission/retention"
	"github.com/cyverse-gis/eemt/shared/inspect"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/param"
)

// passes records what the old suite's cleanup endpoint asked for.
type passes struct {
	asked []retention.Policy
	fail  error
}

func (p *passes) Usual() retention.Policy { return retention.Policy{Days: 7, Hours: 12} }
func (p *passes) Next() time.Time         { return noon.Add(14 * time.Hour) }
func (p *passes) Clean(_ context.Context, k retention.Policy) (retention.Removed, error) {
	p.asked = append(p.asked, k)
	return retention.Removed{Successful: 2, Failed: 1, FreedMB: 3.5}, p.fail
}

func TestCleanupEndpoint(t *testing.T) {
	for _, c := range []struct {
		name, query, body, contentType string
		want                           retention.Policy
	}{
		{"defaults", "", "", "", retention.Policy{Days: 7, Hours: 12}},
		{"query", "?success_retention_days=3&failed_retention_hours=1&dry_run=true", "", "", retention.Policy{Days: 3, Hours: 1, DryRun: true}},
		{"JSON", "", `{"dry_run": true}`, "application/json", retention.Policy{Days: 7, Hours: 12, DryRun: true}},
		{"JSON sent as curl -d does", "", `{"dry_run":true,"success_retention_days":0}`, "application/x-www-form-urlencoded", retention.Policy{Hours: 12, DryRun: true}},
		{"form", "", "dry_run=1&failed_retention_hours=5", "application/x-www-form-urlencoded", retention.Policy{Days: 7, Hours: 5, DryRun: true}},
	} {
		s := newService(t, nil)
		p := &passes{}
		s.with(func(c *submission.Config) { c.Cleaner = p })
		a := s.do(t, http.MethodPost, "/api/cleanup"+c.query, strings.NewReader(c.body), "Content-Type", c.contentType)
		if a.status != http.StatusOK || len(p.asked) != 1 || p.asked[0] != c.want {
			t.Errorf("%s: %d %s, asked %+v, want %+v", c.name, a.status, a.body, p.asked, c.want)
			continue
		}
		m := a.json(t)
		stats, _ := m["stats"].(map[string]any)
		if m["status"] != "success" || stats["processed_jobs"] != 3.0 || stats["successful_cleaned"] != 2.0 || stats["failed_deleted"] != 1.0 || stats["space_freed_mb"] != 3.5 || stats["errors"] != 0.0 {
			t.Errorf("%s: %v", c.name, m)
		}
	}
	s := newService(t, nil)
	p := &passes{}
	s.with(func(c *submission.Config) { c.Cleaner = p })
	// What is not understood never removes anything.
	for _, c := range []struct{ query, body string }{
		{"?dryrun=true", ""}, {"?dry_run=maybe", ""}, {"", `{"dry-run":true}`}, {"", "{"}, {"?success_retention_days=x", ""}, {"", `{"success_retention_days":1.5}`}, {"", `[true]`},
	} {
		if a := s.do(t, http.MethodPost, "/api/cleanup"+c.query, strings.NewReader(c.body), "Content-Type", "application/json"); a.status != http.StatusBadRequest {
			t.Errorf("%s %s: %d %s, want 400", c.query, c.body, a.status, a.body)
		}
	}
	if len(p.asked) != 0 {
		t.Errorf("refused requests asked %+v", p.asked)
	}
	p.fail = problem.Invalid(errors.New("invalid request: success-retention-days -1: must be 0 to 36500"))
	if a := s.do(t, http.MethodPost, "/api/cleanup?success_retention_days=-1", nil); a.status != http.StatusBadRequest || !strings.Contains(a.body, "0 to 36500") {
		t.Errorf("%d %s", a.status, a.body)
	}
	s.with(func(c *submission.Config) { c.Cleaner = nil })
	if a := s.do(t, http.MethodPost, "/api/cleanup", nil); a.status != http.StatusNotImplemented {
		t.Errorf("without a cleaner: %d %s", a.status, a.body)
	}
}

func TestCleanupStatus(t *testing.T) {
	s := newService(t, nil)
	s.with(func(c *submission.Config) { c.Cleaner = &passes{} })
	s.put(t, "cleanup/cleanup_summary_20260503_020000.json", "{}")
	s.put(t, "cleanup/cleanup_summary_20260504_020000.json", "{}")
	s.put(t, "uploads/a.tif", strings.Repeat("x", 1<<20))
	s.put(t, job.ResultKey("01JTEST0000000000000000001", "a.tif"), strings.Repeat("x", 2<<20))
	m := s.get(t, "/api/cleanup/status").json(t)
	usage, _ := m["disk_usage"].(map[string]any)
	settings, _ := m["retention_settings"].(map[string]any)
	if m["last_run"] != "2026-05-04T02:00:00Z" || m["next_scheduled"] != "2026-05-05T02:00:00Z" || m["auto_cleanup_enabled"] != true ||
		settings["success_retention_days"] != 7.0 || settings["failed_retention_hours"] != 12.0 ||
		usage["uploads_mb"] != 1.0 || usage["results_mb"] != 2.0 || usage["complete"] != true {
		t.Errorf("%v", m)
	}
}

func TestSystemStatus(t *testing.T) {
	s := newService(t, nil)
	s.submit(t)
	s.end(t, s.submit(t), job.Completed)
	m := s.get(t, "/api/system/status").json(t)
	if m["execution"] != "local" || m["bucket_ok"] != true || m["active_jobs"] != 1.0 || m["docker_available"] != true || m["version"] != "test" {
		t.Errorf("%v", m)
	}
	away := newService(t, func(_, _ string) error { return errors.New("away") })
	if m := away.get(t, "/api/system/status").json(t); m["bucket_ok"] != false {
		t.Errorf("without a bucket: %v", m)
	}
}

func TestLogs(t *testing.T) {
	s := newService(t, nil)
	id := s.submit(t)
	text := func(query string) string {
		t.Helper()
		a := s.get(t, "/api/jobs/"+id+"/logs"+query)
		var log string
		if err := json.Unmarshal([]byte(a.body), &log); err != nil || a.status != http.StatusOK {
			t.Fatalf("%d %s", a.status, a.body)
		}
		return log
	}
	if log := text(""); !strings.HasPrefix(log, "--- workflow.log ---\n2026-05-04T12:0") || !strings.Contains(log, "submitted: sol of dem.tif") || strings.Contains(log, "sys.err") {
		t.Errorf("%s", log)
	}
	p := &job.Plan{Created: noon.Add(time.Minute)}
	for c := range 2 {
		p.Tiles = append(p.Tiles, job.Tile{Task: job.TaskName(0, c)})
	}
	if _, err := s.Store.WriteOnce(t.Context(), job.Prefix(id)+"plan.json", p); err != nil {
		t.Fatal(err)
	}
	phase := &job.Phase{Number: 1, Kind: job.KindTiles, Tasks: []job.Task{{Name: "r0000c0000"}, {Name: "r0000c0001"}}}
	if _, err := s.Store.WritePhase(t.Context(), id, phase); err != nil {
		t.Fatal(err)
	}
	if err := s.Store.WriteRecord(t.Context(), id, 1, job.Record{Task: "r0000c0001"}); err != nil {
		t.Fatal(err)
	}
	if log := text(""); !strings.Contains(log, "planned: 2 tiles") || !strings.Contains(log, "--- task_output.log ---") || !strings.Contains(log, "tile r0000c0001 done, 1 of 2") {
		t.Errorf("%s", log)
	}
	one := s.get(t, "/api/jobs/"+id).json(t)
	if one["current_task"] != "1 of 2 tiles are done" {
		t.Errorf("%v", one)
	}
	s.end(t, id, job.Failed)
	if log := text("?tail=1"); !strings.Contains(log, "--- sys.err ---") || strings.Contains(log, "submitted") || strings.Count(log, "because") != 2 {
		t.Errorf("%s", log)
	}
	for _, bad := range []string{"0", "x", "1000000"} {
		if a := s.get(t, "/api/jobs/"+id+"/logs?tail="+bad); a.status != http.StatusBadRequest {
			t.Errorf("tail=%s: %d", bad, a.status)
		}
	}
	if a := s.get(t, "/api/jobs/x/logs"); a.status != http.StatusNotFound || !strings.Contains(a.body, "Job not found") {
		t.Errorf("%d %s", a.status, a.body)
	}
}

func TestExpected(t *testing.T) {
	st := job.Status{State: job.Running, Started: noon, Done: 1, Planned: 4}
	if at, ok := st.Expected(noon.Add(time.Minute)); !ok || !at.Equal(noon.Add(4*time.Minute)) {
		t.Errorf("%v %t, want in 3 minutes", at, ok)
	}
	for _, c := range []job.Status{{State: job.Pending}, {State: job.Running, Started: noon, Planned: 4}, {State: job.Completed, Started: noon, Done: 4, Planned: 4}} {
		if _, ok := c.Expected(noon.Add(time.Minute)); ok {
			t.Errorf("%+v is expected", c)
		}
	}
}

func TestCheck(t *testing.T) {
	s := newService(t, nil)
	s.with(func(c *submission.Config) { c.Climate = nil })
	a := s.post(t, "/api/check", field{"dem_file", hills(t), "my dem.tif"}, field{name: "step", value: "30"})
	if a.status != http.StatusOK {
		t.Fatalf("%d %s", a.status, a.body)
	}
	m := a.json(t)
	name, _ := m["filename"].(string)
	if m["usable"] != true || m["epsg"] != 32613.0 || m["width"] != 12.0 || !strings.HasSuffix(name, "_my_dem.tif") {
		t.Errorf("%v", m)
	}
	// What was checked is there to be submitted, and to be checked again.
	if a := s.get(t, "/api/check?uploaded_filename="+name); a.status != http.StatusOK || a.json(t)["usable"] != true {
		t.Errorf("%d %s", a.status, a.body)
	}
	if a := s.post(t, "/api/submit-job", field{name: "uploaded_filename", value: name}); a.status != http.StatusOK {
		t.Errorf("%d %s", a.status, a.body)
	}
	// A DEM for eemt is checked before there is a climate, which a submission needs; the other parameters are checked too.
	var estimated []string
	s.with(func(c *submission.Config) {
		c.Estimate = func(_ param.Workflow, p param.Parameters, _, _ int) inspect.Work {
			estimated = append(estimated, p.Climate)
			return inspect.Work{Tiles: 1}
		}
	})
	a = s.get(t, "/api/check?workflow_type=eemt&uploaded_filename="+name)
	if a.status != http.StatusOK || !strings.Contains(a.body, "no climate was named: the eemt workflow needs one") || !slices.Equal(estimated, []string{""}) {
		t.Errorf("without a climate: %d %s, estimated with %q", a.status, a.body, estimated)
	}
	a = s.get(t, "/api/check?workflow_type=eemt&kc=2&uploaded_filename="+name)
	if a.status != http.StatusBadRequest || !strings.Contains(a.body, "kc 2: must be 0.2 to 1") || strings.Contains(a.body, "climate is missing") {
		t.Errorf("without a climate, kc 2: %d %s", a.status, a.body)
	}
	a = s.post(t, "/api/submit-job", field{name: "uploaded_filename", value: name}, field{name: "workflow_type", value: "eemt"})
	if a.status != http.StatusBadRequest || !strings.Contains(a.body, "climate is missing") {
		t.Errorf("submitted without a climate: %d %s", a.status, a.body)
	}
	s.with(func(c *submission.Config) { c.Estimate = nil })
	// Files that came along are named as the user named them.
	s.with(func(c *submission.Config) { c.Climate = sources.Files{Bucket: s.Store.Bucket}.Open })
	a = s.post(t, "/api/check", field{"dem_file", hills(t), "dem.tif"}, field{name: "workflow_type", value: "eemt"}, field{"climate_file", "month\n", "my table.csv"})
	if a.status != http.StatusBadRequest || !strings.Contains(a.body, "my_table.csv") || strings.Contains(a.body, "inputs/") {
		t.Errorf("%d %s", a.status, a.body)
	}
	s.with(func(c *submission.Config) { c.Climate = nil })
	before := len(keys(t, s.Store.Bucket))
	for _, c := range []struct {
		name   string
		fields []field
		want   string
	}{
		{"text", []field{{"dem_file", "hello", "dem.tif"}}, "not a TIFF"},
		{"nothing", nil, "no DEM"},
		{"range", []field{{"dem_file", hills(t), "dem.tif"}, {name: "step", value: "90"}}, "1 to 60"},
		{"climate", []field{{"dem_file", hills(t), "dem.tif"}, {name: "workflow_type", value: "eemt"}, {name: "climate", value: "weather"}}, "weather"},
	} {
		a := s.post(t, "/api/check", c.fields...)
		if detail, _ := a.json(t)["detail"].(string); a.status != http.StatusBadRequest || !strings.Contains(detail, c.want) {
			t.Errorf("%s: %d %s, want %q", c.name, a.status, a.body, c.want)
		}
	}
	if after := len(keys(t, s.Store.Bucket)); after != before {
		t.Errorf("refused checks left %v", keys(t, s.Store.Bucket))
	}
	if a := s.get(t, "/api/check?uploaded_filename=none.tif"); a.status != http.StatusBadRequest || !strings.Contains(a.body, "no such upload") {
		t.Errorf("%d %s", a.status, a.body)
	}
}

func TestSuiteListPages(t *testing.T) {
	s := newService(t, nil)
	for range 5 {
		s.submit(t)
	}
	seen := map[string]bool{}
	at := "/api/jobs?limit=2"
	for range 10 {
		a := s.get(t, at)
		var list []map[string]any
		if err := json.Unmarshal([]byte(a.body), &list); err != nil || a.status != http.StatusOK {
			t.Fatalf("%d %s", a.status, a.body)
		}
		for _, j := range list {
			seen[j["id"].(string)] = true
		}
		link := a.header.Get("Link")
		if link == "" {
			break
		}
		at, _, _ = strings.Cut(strings.TrimPrefix(link, "<"), ">")
	}
	if len(seen) != 5 {
		t.Errorf("%d jobs on all pages", len(seen))
	}
	if a := s.get(t, "/api/jobs?cursor=rubbish"); a.status != http.StatusBadRequest {
		t.Errorf("%d %s", a.status, a.body)
	}
}
