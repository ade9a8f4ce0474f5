// Package legacy answers under /api as the old suite did.
package legacy

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"runtime"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"gocloud.dev/blob"

	"github.com/cyverse-gis/eemt/functions/submission/answer"
	"github.com/cyverse-gis/eemt/functions/submission/joblist"
	"github.com/cyverse-gis/eemt/functions/submission/problem"
	"github.com/cyverse-gis/eemt/functions/submission/retention"
	"github.com/cyverse-gis/eemt/shared/job"
)

// Clean removes old jobs now. It reads the query, a form or JSON: a dry run
// asked for in any of them is dry.
func (a *API) Clean(c *gin.Context) {
	if a.Pins.Cleaner == nil {
		c.JSON(http.StatusNotImplemented, gin.H{"detail": "cleaning up is not offered here"})
		return
	}
	k, err := policyOf(c, a.Pins.Cleaner.Usual())
	if err != nil {
		a.Answer.Refuse(c, err)
		return
	}
	r, err := a.Pins.Cleaner.Clean(c.Request.Context(), k)
	if err != nil {
		a.Answer.Refuse(c, err)
		return
	}
	message := "Cleanup completed successfully"
	if k.DryRun {
		message = "Dry run completed: nothing was removed"
	}
	if len(r.Errors) > 0 {
		message = fmt.Sprintf("Cleanup completed with %d errors", len(r.Errors))
	}
	c.JSON(http.StatusOK, gin.H{
		"status": "success", "message": message, "dry_run": k.DryRun,
		"stats": gin.H{
			"processed_jobs": r.Successful + r.Failed, "successful_cleaned": r.Successful, "failed_deleted": r.Failed,
			"space_freed_mb": r.FreedMB, "errors": len(r.Errors),
		},
	})
}

// policyOf is what a request asks for: what it does not say is as usual.
func policyOf(c *gin.Context, usual retention.Policy) (retention.Policy, error) {
	p := usual
	p.DryRun = false
	for name, values := range c.Request.URL.Query() {
		if err := setPolicy(&p, name, values[0]); err != nil {
			return p, err
		}
	}
	body, err := io.ReadAll(http.MaxBytesReader(c.Writer, c.Request.Body, answer.SmallBody))
	if err != nil {
		return p, problem.Body(err)
	}
	if len(strings.TrimSpace(string(body))) == 0 {
		return p, nil
	}
	kind, _, _ := mime.ParseMediaType(c.GetHeader("Content-Type"))
	if kind == "multipart/form-data" || kind == "application/x-www-form-urlencoded" && body[0] != '{' {
		c.Request.Body = io.NopCloser(bytes.NewReader(body))
		err := setPolicyForm(&p, c.Request, kind)
		return p, err
	}
	// curl -d sends JSON under the type of a form.
	var m map[string]json.RawMessage
	if err := json.Unmarshal(body, &m); err != nil {
		return p, problem.Invalid(fmt.Errorf("the body is no JSON object: %w", err))
	}
	for name, v := range m {
		if err := setPolicy(&p, name, strings.Trim(string(v), `"`)); err != nil {
			return p, err
		}
	}
	return p, nil
}

func setPolicy(p *retention.Policy, name, text string) error {
	var err error
	switch name {
	case "success_retention_days":
		p.Days, err = strconv.Atoi(text)
	case "failed_retention_hours":
		p.Hours, err = strconv.Atoi(text)
	case "dry_run":
		p.DryRun, err = strconv.ParseBool(text)
	default:
		return problem.Invalid(fmt.Errorf("%q is not known; allowed: success_retention_days, failed_retention_hours, dry_run", name))
	}
	if err != nil {
		return problem.Invalid(fmt.Errorf("%s %q: must be a whole number, or true or false for dry_run", name, text))
	}
	return nil
}

func setPolicyForm(p *retention.Policy, r *http.Request, kind string) error {
	parse := r.ParseForm
	if kind == "multipart/form-data" {
		parse = func() error { return r.ParseMultipartForm(answer.SmallBody) }
	}
	if err := parse(); err != nil {
		return problem.Invalid(fmt.Errorf("the body is no form: %w", err))
	}
	if r.MultipartForm != nil && len(r.MultipartForm.File) > 0 {
		return problem.Invalid(errors.New("a cleanup takes no files; allowed: success_retention_days, failed_retention_hours, dry_run"))
	}
	for name, values := range r.PostForm {
		if err := setPolicy(p, name, values[0]); err != nil {
			return err
		}
	}
	return nil
}

// measured bounds the objects whose sizes are added up.
const measured = 20000

// CleanupStatus tells when the last pass was and the next is, and how much space is used.
func (a *API) CleanupStatus(c *gin.Context) {
	ctx := c.Request.Context()
	last, err := a.lastCleanup(ctx)
	var usage map[string]any
	if err == nil {
		usage, err = a.diskUsage(ctx)
	}
	if err != nil {
		a.Answer.Refuse(c, err)
		return
	}
	h := gin.H{"last_run": last, "next_scheduled": nil, "auto_cleanup_enabled": a.Pins.Cleaner != nil, "retention_settings": nil, "disk_usage": usage}
	if a.Pins.Cleaner != nil {
		k := a.Pins.Cleaner.Usual()
		h["retention_settings"] = gin.H{"success_retention_days": k.Days, "failed_retention_hours": k.Hours}
		if next := a.Pins.Cleaner.Next(); !next.IsZero() {
			h["next_scheduled"] = next.UTC().Format(time.RFC3339)
		}
	}
	c.JSON(http.StatusOK, h)
}

// lastCleanup finds when the newest report was begun; nil when there is none.
func (a *API) lastCleanup(ctx context.Context) (any, error) {
	const prefix = "cleanup/cleanup_summary_"
	it := a.Store.Bucket.List(&blob.ListOptions{Prefix: prefix})
	var last any
	for {
		o, err := it.Next(ctx)
		if errors.Is(err, io.EOF) {
			return last, nil
		}
		if err != nil {
			return nil, fmt.Errorf("list %s: %w", prefix, err)
		}
		if at, err := time.Parse("20060102_150405", strings.TrimSuffix(strings.TrimPrefix(o.Key, prefix), ".json")); err == nil {
			last = at.Format(time.RFC3339)
		}
	}
}

// diskUsage adds up sizes, of so many objects at most.
func (a *API) diskUsage(ctx context.Context) (map[string]any, error) {
	it := a.Store.Bucket.List(nil)
	var uploads, results, total float64
	complete := false
	for range measured {
		o, err := it.Next(ctx)
		if errors.Is(err, io.EOF) {
			complete = true
			break
		}
		if err != nil {
			return nil, fmt.Errorf("list the bucket: %w", err)
		}
		mb := float64(o.Size) / (1 << 20)
		total += mb
		switch folder, rest, _ := strings.Cut(o.Key, "/"); {
		case folder == "uploads", folder == "inputs", folder+"/" == job.Incoming:
			uploads += mb
		case folder == "jobs" && strings.Contains(rest, "/results/"):
			results += mb
		}
	}
	return map[string]any{"uploads_mb": uploads, "results_mb": results, "total_mb": total, "complete": complete}, nil
}

// recent is how many of the newest jobs are read to count those that go on.
const recent = 50

// SystemStatus tells how the service is, under the old suite's names and its own.
func (a *API) SystemStatus(c *gin.Context) {
	ctx := c.Request.Context()
	ok, err := a.Store.Bucket.IsAccessible(ctx)
	ok = ok && err == nil
	active := 0
	if ok {
		var found []job.Status
		found, _, err = a.Jobs.List(ctx, joblist.Query{Limit: recent})
		ok = err == nil
		for _, st := range found {
			if !st.Ended() {
				active++
			}
		}
	}
	execution := a.Execution
	if execution == "" {
		execution = "local"
	}
	c.JSON(http.StatusOK, gin.H{
		"execution": execution, "version": a.Version, "bucket_ok": ok, "broker_ready": a.Announces, "active_jobs": active,
		"compute": gin.H{"ready": a.Announces, "max_scale": max(1, a.MostReplicas)},
		// The old suite's words. Its page lets nobody submit where there is no Docker: here true says that work is done.
		"docker_available": true, "container_stats": gin.H{}, "image_name": "eemt:" + a.Version, "image_exists": true, "active_containers": 0,
		"system_info": gin.H{"platform": runtime.GOOS, "architecture": runtime.GOARCH, "cpu_count": runtime.NumCPU()},
	})
}

// mostLines bounds the lines of a log.
const mostLines = 10000

// Logs shows the history of a job in the old suite's form: a JSON string of sections.
func (a *API) Logs(c *gin.Context) {
	tail, err := strconv.Atoi(c.DefaultQuery("tail", "50"))
	if err != nil || tail < 1 || tail > mostLines {
		a.Answer.Refuse(c, problem.Invalid(fmt.Errorf("tail %q: must be 1 to %d", c.Query("tail"), mostLines)))
		return
	}
	ctx, id := c.Request.Context(), c.Param("id")
	st, err := a.Jobs.Status(ctx, id)
	var done map[string]time.Time
	if err == nil {
		done, err = a.Store.Done(ctx, id)
	}
	if err != nil {
		a.Answer.Refuse(c, err)
		return
	}
	c.JSON(http.StatusOK, logsOf(st, done, tail))
}

func logsOf(st job.Status, done map[string]time.Time, tail int) string {
	line := func(at time.Time, format string, args ...any) string {
		return at.UTC().Format(time.RFC3339) + " " + fmt.Sprintf(format, args...)
	}
	r := st.Request
	course := []string{line(r.Created, "job %s submitted: %s of %s, %d bytes", r.ID, r.Workflow, r.DEM.Name, r.DEM.Size)}
	if !st.Started.IsZero() && st.Planned > 0 {
		course = append(course, line(st.Started, "planned: %d tiles", st.Planned))
	}
	tasks := make([]string, 0, len(done))
	for task := range done {
		tasks = append(tasks, task)
	}
	sort.Slice(tasks, func(i, j int) bool {
		a, b := done[tasks[i]], done[tasks[j]]
		return a.Before(b) || a.Equal(b) && tasks[i] < tasks[j]
	})
	output := make([]string, len(tasks))
	for i, task := range tasks {
		output[i] = line(done[task], "tile %s done, %d of %d", task, i+1, st.Planned)
	}
	var faults []string
	if st.End == nil {
		course = append(course, line(st.Updated, "%s", st.Message()))
	} else {
		course = append(course, line(st.End.Ended, "%s", st.Message()))
		if st.State == job.Failed {
			faults = append(faults, line(st.End.Ended, "%s", st.End.Reason))
		}
	}
	var b strings.Builder
	for _, section := range []struct {
		name  string
		lines []string
	}{{"workflow.log", course}, {"task_output.log", output}, {"sys.err", faults}} {
		if len(section.lines) == 0 {
			continue
		}
		fmt.Fprintf(&b, "--- %s ---\n%s\n", section.name, strings.Join(section.lines[max(0, len(section.lines)-tail):], "\n"))
	}
	return b.String()
}
