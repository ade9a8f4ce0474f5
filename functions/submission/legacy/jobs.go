package legacy

import (
	"context"
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/cyverse-gis/eemt/functions/submission/answer"
	"github.com/cyverse-gis/eemt/functions/submission/joblist"
	"github.com/cyverse-gis/eemt/functions/submission/problem"
	"github.com/cyverse-gis/eemt/functions/submission/retention"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/param"
)

// API answers the requests of the old suite's clients.
type API struct {
	Store  job.Store
	Jobs   joblist.Reader
	Pins   retention.Pins
	Now    func() time.Time
	Answer answer.Writer
	// Version of the program.
	Version string
	// Execution tells how work is done, "local" or "knative", MostReplicas on how many.
	Execution    string
	MostReplicas int
	// Announces says that there is something that events are sent to.
	Announces bool
	// Cancel ends a job that goes on.
	Cancel func(ctx context.Context, id string) (job.Status, error)
	// Remove deletes a job that has ended, with all that is kept of it.
	Remove func(ctx context.Context, r job.Request) error
}

// List lists jobs, newest first.
func (a *API) List(c *gin.Context) {
	limit, err := strconv.Atoi(c.DefaultQuery("limit", "100"))
	if err != nil || limit < 1 || limit > 1000 {
		a.Answer.Refuse(c, problem.Invalid(fmt.Errorf("limit %q: must be 1 to 1000", c.Query("limit"))))
		return
	}
	want, workflow := c.Query("status"), c.Query("workflow_type")
	if states := []string{"", "pending", "running", "completed", "failed", "cancelled"}; !slices.Contains(states, want) {
		a.Answer.Refuse(c, problem.Invalid(fmt.Errorf("status %q: must be %s", want, strings.Join(states[1:], ", "))))
		return
	}
	if workflow != "" && workflow != string(param.Sol) && workflow != string(param.EEMT) {
		a.Answer.Refuse(c, problem.Invalid(fmt.Errorf("workflow_type %q: must be sol or eemt", workflow)))
		return
	}
	q := joblist.Query{Cursor: c.Query("cursor"), Limit: limit}
	if q.Words, err = joblist.Words(c.Query("q")); err != nil {
		a.Answer.Refuse(c, problem.Invalid(err))
		return
	}
	if workflow != "" {
		q.Request = func(r job.Request) bool { return string(r.Workflow) == workflow }
	}
	if want != "" {
		// The old suite had failed for cancelled, too.
		q.Match = func(st job.Status) bool { return State(st) == want || string(st.State) == want }
	}
	found, next, err := a.Jobs.List(c.Request.Context(), q)
	if err != nil {
		a.Answer.Refuse(c, err)
		return
	}
	list := []gin.H{}
	for _, st := range found {
		list = append(list, a.View(st))
	}
	if next != "" {
		c.Header("Link", fmt.Sprintf(`<%s>; rel="next"`, answer.WithQuery("", c, "cursor", next)))
	}
	c.JSON(http.StatusOK, list)
}

// Get shows one job.
func (a *API) Get(c *gin.Context) {
	st, err := a.Jobs.Status(c.Request.Context(), c.Param("id"))
	if err != nil {
		a.Answer.Refuse(c, err)
		return
	}
	c.JSON(http.StatusOK, a.View(st))
}

// State is the state in the old suite's words.
func State(st job.Status) string {
	if st.State == job.Cancelled {
		return string(job.Failed)
	}
	return string(st.State)
}

// parameters are those of a job as the old suite shows them.
type parameters struct {
	param.Parameters
	// Linke and Albedo are numbers, as they were; a list where each month has its own.
	Linke  any `json:"linke_value"`
	Albedo any `json:"albedo_value"`
	// Threads are the cores of this machine: what the job asked for in num_threads is not followed.
	Threads int `json:"num_threads"`
}

func suiteParameters(p param.Parameters) parameters {
	one := func(values []float64) any {
		if len(values) == 1 {
			return values[0]
		}
		return values
	}
	return parameters{p, one(p.Linke), one(p.Albedo), runtime.NumCPU()}
}

// View is a job as the old suite shows it; times are RFC 3339 in UTC.
func (a *API) View(st job.Status) gin.H {
	h := gin.H{
		"id": st.Request.ID, "workflow_type": st.Request.Workflow, "status": State(st),
		"current_task": st.Message(), "estimated_completion": nil,
		"created_at": st.Request.Created.Format(time.RFC3339), "started_at": nil, "completed_at": nil,
		"parameters": suiteParameters(st.Request.Parameters), "dem_filename": st.Request.DEM.Name, "uploaded_filename": nil, "progress": st.Progress(),
		"tasks_done": st.Done, "tasks_planned": st.Planned, "error_message": nil, "data_expired_at": nil,
	}
	if len(st.Findings) > 0 {
		h["findings"] = st.Findings
	}
	if name, ok := strings.CutPrefix(st.Request.DEM.Key, job.InputPrefix); ok && st.Expired == nil {
		h["uploaded_filename"] = name
	}
	h["pinned"], h["expires_at"] = st.Pin.Pinned, nil
	if at := a.Pins.Expires(st); at != nil {
		h["expires_at"] = at.Format(time.RFC3339)
	}
	if !st.Started.IsZero() {
		h["started_at"] = st.Started.Format(time.RFC3339)
	}
	if at, ok := st.Expected(a.Now()); ok {
		h["estimated_completion"] = at.UTC().Format(time.RFC3339)
	}
	if st.End != nil {
		h["completed_at"] = st.End.Ended.Format(time.RFC3339)
		if st.End.Reason != "" {
			h["error_message"] = st.End.Reason
		}
	}
	if st.Expired != nil {
		h["data_expired_at"] = st.Expired.Format(time.RFC3339)
	}
	if st.State == job.Completed && st.Expired == nil {
		h["results"] = "/jobs/" + st.Request.ID + "/results/"
	}
	return h
}

// PostCancel ends a job that goes on.
func (a *API) PostCancel(c *gin.Context) {
	if _, err := a.Cancel(c.Request.Context(), c.Param("id")); err != nil {
		a.Answer.Refuse(c, err)
		return
	}
	c.JSON(http.StatusOK, gin.H{"status": "success", "message": "Job cancelled"})
}

// Delete removes a job that has ended.
func (a *API) Delete(c *gin.Context) {
	st, err := a.Jobs.Status(c.Request.Context(), c.Param("id"))
	if err == nil && !st.Ended() {
		err = problem.Invalid(fmt.Errorf("job is %s: cancel it before deleting it", st.State))
	}
	if err == nil {
		err = a.Remove(c.Request.Context(), st.Request)
	}
	if err != nil {
		a.Answer.Refuse(c, err)
		return
	}
	c.JSON(http.StatusOK, gin.H{"status": "success", "message": "Job deleted"})
}
