package ogc

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/cyverse-gis/eemt/functions/submission/answer"
	"github.com/cyverse-gis/eemt/functions/submission/joblist"
	"github.com/cyverse-gis/eemt/functions/submission/problem"
	"github.com/cyverse-gis/eemt/functions/submission/slots"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/param"
)

// Jobs answers requests for the jobs of the standard.
type Jobs struct {
	Jobs      joblist.Reader
	Processes Catalogue
	Results   *Results
	Intake    Intake
	// CheckSubscriber refuses addresses that may not be called.
	CheckSubscriber func(*job.Subscriber) error
	// Remove deletes a job that has ended, with all that is kept of it.
	Remove func(ctx context.Context, r job.Request) error
	Now    func() time.Time
	Answer answer.Writer
	// inline are the large requests that are being read.
	inline *slots.Slots
}

// NewJobs returns j, ready for requests.
func NewJobs(j Jobs) Jobs {
	j.inline = slots.New(inlineAtOnce, "large execute requests")
	return j
}

// Intake makes jobs, and ends them.
type Intake interface {
	// Execute makes a job of a request, or finds one that does the same.
	Execute(ctx context.Context, w param.Workflow, e Execute) (Taken, error)
	// Echo makes a job of the process echo.
	Echo(ctx context.Context, e Execute) (job.Request, error)
	// Cancel ends a job that goes on, and returns the status that then stands.
	Cancel(ctx context.Context, id string) (job.Status, error)
}

// Taken is the job of an execute request.
type Taken struct {
	ID string
	// Small says that a client may wait for it, Existing that it was made before.
	Small, Existing bool
}

// mostJobs is the longest page of the job list.
const mostJobs = 200

// List is the job list of the standard.
func (a Jobs) List(c *gin.Context) {
	q, err := a.query(c)
	if err != nil {
		a.Answer.Problem(c, err)
		return
	}
	found, next, err := a.Jobs.List(c.Request.Context(), q)
	if err != nil {
		a.Answer.Problem(c, err)
		return
	}
	b := answer.Base(c)
	jobs := []StatusInfo{}
	for _, st := range found {
		jobs = append(jobs, Status(st, b))
	}
	self := b + c.Request.URL.RequestURI()
	links := []Link{
		{Href: self, Rel: "self", Type: JSON, Title: "this page of the list"},
		{Href: answer.WithQuery(b, c, "f", "html"), Rel: "alternate", Type: HTML, Title: "this page of the list, to read"},
	}
	if next != "" {
		links = append(links, Link{Href: answer.WithQuery(b, c, "cursor", next), Rel: "next", Type: JSON, Title: "older jobs"})
	}
	a.Answer.Document(c, http.StatusOK, "Jobs", gin.H{"jobs": jobs, "links": links})
}

func (a Jobs) query(c *gin.Context) (joblist.Query, error) {
	q := joblist.Query{Cursor: c.Query("cursor")}
	if err := answer.Known(c, "limit", "cursor", "q", "type", "processID", "status", "datetime", "minDuration", "maxDuration"); err != nil {
		return q, err
	}
	var err error
	if q.Limit, err = answer.Limit(c, 10, mostJobs); err != nil {
		return q, err
	}
	if q.Words, err = joblist.Words(c.Query("q")); err != nil {
		return q, problem.Bad("q", c.Query("q")[:40], fmt.Sprintf("at most %d bytes", joblist.LongestSearch), err.Error())
	}
	if q.After, q.Before, err = parseDatetime(c.Query("datetime")); err != nil {
		return q, err
	}
	lists := map[string][]string{}
	for name, allowed := range map[string][]string{
		"type": {"process"}, "status": {Accepted, Running, Successful, Failed, Dismissed}, "processID": nil,
	} {
		for _, v := range answer.List(c.Request.URL.Query(), name) {
			if allowed != nil && !slices.Contains(allowed, v) {
				return q, problem.Bad(name, v, strings.Join(allowed, ", "), fmt.Sprintf("%s %q: must be %s", name, v, strings.Join(allowed, ", ")))
			}
			lists[name] = append(lists[name], v)
		}
	}
	shortest, err := seconds(c, "minDuration", 0)
	if err != nil {
		return q, err
	}
	longest, err := seconds(c, "maxDuration", -1)
	if err != nil {
		return q, err
	}
	if len(lists["processID"]) > 0 {
		q.Request = func(r job.Request) bool { return slices.Contains(lists["processID"], string(r.Workflow)) }
	}
	if len(lists["status"]) == 0 && shortest == 0 && longest < 0 {
		return q, nil
	}
	now := a.Now()
	q.Match = func(st job.Status) bool {
		took := duration(st, now)
		return (len(lists["status"]) == 0 || slices.Contains(lists["status"], StateOf(st.State))) &&
			took >= shortest && (longest < 0 || took <= longest)
	}
	return q, nil
}

// duration is how long a job has run, or ran.
func duration(st job.Status, now time.Time) time.Duration {
	switch {
	case st.Started.IsZero():
		return 0
	case st.End != nil:
		return st.End.Ended.Sub(st.Started)
	}
	return now.Sub(st.Started)
}

func seconds(c *gin.Context, name string, usual time.Duration) (time.Duration, error) {
	text, given := c.GetQuery(name)
	if !given {
		return usual, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > 1<<30 {
		return 0, problem.Bad(name, text, "seconds, 0 or more", fmt.Sprintf("%s %q: must be a number of seconds, 0 or more", name, text))
	}
	return time.Duration(n) * time.Second, nil
}

// parseDatetime reads a time or an interval of times, open at .. (RFC 3339,
// section 5.6, as OGC API - Processes, 13.2.4 has it).
func parseDatetime(text string) (after, before time.Time, err error) {
	if text == "" {
		return after, before, nil
	}
	bad := problem.Bad("datetime", text, "a time such as 2026-05-04T12:00:00Z, or an interval such as 2026-05-01T00:00:00Z/..",
		fmt.Sprintf("datetime %q: must be a time such as 2026-05-04T12:00:00Z, or an interval such as 2026-05-01T00:00:00Z/..", text))
	start, end, interval := strings.Cut(text, "/")
	if !interval {
		at, err := time.Parse(time.RFC3339, text)
		if err != nil {
			return after, before, bad
		}
		// A second, since nobody knows the fraction of another's clock.
		return at, at.Add(time.Second - time.Nanosecond), nil
	}
	if start != "" && start != ".." {
		if after, err = time.Parse(time.RFC3339, start); err != nil {
			return after, before, bad
		}
	}
	if end != "" && end != ".." {
		if before, err = time.Parse(time.RFC3339, end); err != nil {
			return after, before, bad
		}
	}
	if !after.IsZero() && !before.IsZero() && before.Before(after) {
		return after, before, bad
	}
	return after, before, nil
}

// Get tells where a job stands.
func (a Jobs) Get(c *gin.Context) {
	st, err := a.Jobs.Status(c.Request.Context(), c.Param("id"))
	if err != nil {
		a.Answer.Problem(c, err)
		return
	}
	a.Answer.Document(c, http.StatusOK, "Job "+st.Request.ID, Status(st, answer.Base(c)))
}

// Dismiss cancels a job that goes on, and removes one that has ended.
func (a Jobs) Dismiss(c *gin.Context) {
	ctx, id := c.Request.Context(), c.Param("id")
	st, err := a.Jobs.Status(ctx, id)
	if err == nil && (st.Ended() || st.Request.Workflow == param.Echo) {
		err = a.Remove(ctx, st.Request)
		st.State = job.Cancelled
		if st.End == nil {
			st.End = &job.End{State: job.Cancelled, Ended: a.Now().UTC()}
		}
		st.End.Reason = "dismissed: the job and its results are removed"
	} else if err == nil {
		var after job.Status
		// A job that ended meanwhile keeps its end; dismissing again removes it.
		if after, err = a.Intake.Cancel(ctx, id); err == nil || problem.Refused(err) {
			st, err = after, nil
		}
	}
	if err != nil {
		a.Answer.Problem(c, err)
		return
	}
	info := Status(st, answer.Base(c))
	if !st.Ended() || st.State != job.Cancelled {
		a.Answer.Document(c, http.StatusOK, "Job "+id, info)
		return
	}
	info.Links = []Link{{Href: answer.Base(c) + "/jobs", Rel: "up", Type: JSON, Title: "all jobs"}}
	a.Answer.Document(c, http.StatusOK, "Job "+id, info)
}
