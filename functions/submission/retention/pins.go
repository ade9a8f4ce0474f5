package retention

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/cyverse-gis/eemt/functions/submission/answer"
	"github.com/cyverse-gis/eemt/functions/submission/joblist"
	"github.com/cyverse-gis/eemt/functions/submission/problem"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/param"
)

// Pins lets people keep jobs longer than the usual time.
type Pins struct {
	Store job.Store
	Jobs  joblist.Reader
	// Cleaner says what the usual time is; nil where nobody cleans up.
	Cleaner Cleaner
	Now     func() time.Time
	Log     *slog.Logger
	Answer  answer.Writer
}

// pinned is the answer: whether and how long a job is pinned, and when retention takes it.
type pinned struct {
	Pinned bool `json:"pinned"`
	// Days is 0 for the usual time.
	Days    int        `json:"days"`
	By      string     `json:"by"`
	Set     *time.Time `json:"set"`
	Expires *time.Time `json:"expires_at"`
}

// Expires is when retention takes a job: nil while it goes on, is pinned, is gone
// already, or nobody cleans up here.
func (p Pins) Expires(st job.Status) *time.Time {
	if p.Cleaner == nil {
		return nil
	}
	k := p.Cleaner.Usual()
	at, ok := job.Retention{Completed: time.Duration(k.Days) * 24 * time.Hour, Failed: time.Duration(k.Hours) * time.Hour}.Until(st)
	if !ok {
		return nil
	}
	return &at
}

func (p Pins) show(c *gin.Context, id string) {
	st, err := p.Jobs.Status(c.Request.Context(), id)
	if err != nil {
		p.Answer.Problem(c, err)
		return
	}
	k := pinned{Pinned: st.Pin.Pinned, Days: st.Pin.Days, By: st.Pin.By, Expires: p.Expires(st)}
	if !st.Pin.At.IsZero() {
		k.Set = &st.Pin.At
	}
	p.Answer.Document(c, http.StatusOK, "Retention of job "+id, k)
}

// Get tells how long a job is kept.
func (p Pins) Get(c *gin.Context) { p.show(c, c.Param("id")) }

// Put pins a job, or keeps it for a number of days.
func (p Pins) Put(c *gin.Context) {
	var want struct {
		Pinned bool   `json:"pinned"`
		Days   int    `json:"days"`
		By     string `json:"by"`
	}
	body, err := io.ReadAll(http.MaxBytesReader(c.Writer, c.Request.Body, answer.SmallBody))
	if err == nil {
		d := json.NewDecoder(bytes.NewReader(body))
		d.DisallowUnknownFields()
		if err = d.Decode(&want); err == nil && d.More() {
			err = errors.New("the body continues after the JSON object")
		}
		if err == nil && !want.Pinned && want.Days == 0 {
			err = errors.New("neither pinned nor days is set; DELETE lets the usual time apply")
		}
	}
	if errors.As(err, new(*http.MaxBytesError)) {
		p.Answer.Problem(c, err)
		return
	}
	if err != nil {
		const allowed = `{"pinned": true} or {"days": N}`
		p.Answer.Problem(c, problem.Bad("", "", allowed, fmt.Sprintf("send %s: %v", allowed, err)))
		return
	}
	p.set(c, job.Pin{Pinned: want.Pinned, Days: want.Days, By: want.By, At: p.Now()})
}

// Delete lets the usual time apply to a job, counted from now on.
func (p Pins) Delete(c *gin.Context) { p.set(c, job.Pin{At: p.Now()}) }

func (p Pins) set(c *gin.Context, k job.Pin) {
	id := c.Param("id")
	err := p.Store.SetPin(c.Request.Context(), id, k)
	var field *param.FieldError
	switch {
	case errors.As(err, &field):
		err = problem.FromField(err)
	case errors.Is(err, job.ErrExpired):
		err = problem.Plain(http.StatusConflict, "job "+id+" cannot be kept: retention has removed its data, or is about to; run it again")
	}
	if err != nil {
		p.Answer.Problem(c, err)
		return
	}
	p.Log.Info("retention of a job was set", "job", id, "pinned", k.Pinned, "days", k.Days, "by", k.By)
	p.show(c, id)
}
