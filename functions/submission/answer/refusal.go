package answer

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/cyverse-gis/eemt/functions/submission/problem"
	"github.com/cyverse-gis/eemt/shared/fault"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/param"
)

// refusal is what an error is to the client: a status, and a sentence that names parameters by their fields. Of faults that are
// not the client's only the log is told.
func (w Writer) refusal(c *gin.Context, err error) (status int, detail string) {
	status, detail = w.refused(c, err)
	return status, param.AsFields(detail)
}

func (w Writer) refused(c *gin.Context, err error) (status int, detail string) {
	var long *http.MaxBytesError
	var busy *problem.Busy
	switch kind := fault.KindOf(err); {
	case errors.As(err, &busy):
		c.Header("Retry-After", strconv.Itoa(max(1, int(busy.After.Seconds()))))
		return http.StatusServiceUnavailable, busy.Sentence
	case errors.Is(err, job.ErrNotFound):
		return http.StatusNotFound, "Job not found"
	case errors.Is(err, job.ErrBadCursor):
		return http.StatusBadRequest, "cursor: must be that of a Link header of this list"
	case errors.As(err, &long):
		return http.StatusRequestEntityTooLarge, problem.TooLarge("the body", long.Limit).Error()
	case kind == fault.Exhausted:
		var e interface{ RetryAfter() time.Duration }
		if errors.As(err, &e) {
			c.Header("Retry-After", strconv.Itoa(max(1, int(e.RetryAfter().Seconds()))))
		}
		return http.StatusTooManyRequests, problem.Sentence(err)
	case kind == fault.Forbidden:
		return http.StatusForbidden, problem.Sentence(err)
	case kind == fault.NotFound:
		return http.StatusNotFound, problem.Sentence(err)
	case kind == fault.Conflict:
		return http.StatusConflict, problem.Sentence(err)
	case kind == fault.TooLarge:
		return http.StatusRequestEntityTooLarge, err.Error()
	case kind == fault.NoRoom:
		return http.StatusInsufficientStorage, problem.Sentence(err)
	case kind == fault.Invalid:
		return http.StatusBadRequest, problem.Sentence(err)
	}
	w.Log.Error("request failed", "path", LoggedPath(c), "error", err)
	return http.StatusServiceUnavailable, "the service cannot reach its storage; try again"
}

// LoggedPath is the path of a request for the log: without the secret that it may end in.
func LoggedPath(c *gin.Context) string {
	if c.Param("secret") != "" {
		return c.FullPath()
	}
	return c.Request.URL.Path
}

// Refuse answers with the error as the old suite did.
func (w Writer) Refuse(c *gin.Context, err error) { w.RefuseWith(c, err, gin.H{}) }

// RefuseWith is Refuse with more to say.
func (w Writer) RefuseWith(c *gin.Context, err error, more gin.H) {
	status, detail := w.refusal(c, err)
	more["detail"] = detail
	c.JSON(status, more)
}

// problemOf is the problem document of an error. It says more than Refuse where the standard has words for it.
func (w Writer) problemOf(c *gin.Context, err error) problem.Problem {
	var p *problem.Problem
	if errors.As(err, &p) {
		worded := *p
		worded.Detail, worded.Allowed = param.AsFields(p.Detail), param.AsFields(p.Allowed)
		return worded
	}
	var long *http.MaxBytesError
	status, detail := w.refusal(c, err)
	switch {
	case errors.Is(err, job.ErrNotFound):
		p = problem.NoSuchJob(c.Param("id"))
	case errors.Is(err, job.ErrBadCursor):
		p = problem.Bad("cursor", c.Query("cursor"), "the cursor of a next link", "cursor: must be that of a next link of this list")
	case errors.As(err, &long):
		sentence := fmt.Sprintf("the body has more than %d bytes", long.Limit)
		if long.Limit > SmallBody {
			sentence += "; upload the DEM first and name it, or give its address"
		}
		p = problem.Plain(status, sentence)
	case status == http.StatusBadRequest:
		p = problem.Bad("", "", "", detail)
	case status == http.StatusServiceUnavailable:
		if c.Writer.Header().Get("Retry-After") == "" {
			c.Header("Retry-After", "5")
		}
		p = problem.Plain(status, detail)
	default:
		p = problem.Plain(status, detail)
	}
	return *p
}

// problemType is the media type of a problem: the one made for it, unless the client takes plain JSON only.
func problemType(c *gin.Context) string {
	const own = "application/problem+json"
	if q, _ := Accepts(c, own); q > 0 {
		return own
	}
	if q, named := Accepts(c, JSON); q > 0 && named {
		return JSON
	}
	return own
}

// Problem answers with a problem document (RFC 9457), or with a page for people, in the error's own words when they are
// meant for the caller.
func (w Writer) Problem(c *gin.Context, err error) {
	p := w.problemOf(c, err)
	p.Instance = c.Request.URL.Path
	c.Header("Vary", "Accept")
	data, err := json.Marshal(p)
	if err == nil && WantsHTML(c) {
		var body []byte
		if body, err = renderDocument(p.Title, data, ""); err == nil {
			c.Header("Content-Security-Policy", PagePolicy)
			c.Data(p.Status, "text/html; charset=utf-8", body)
			return
		}
	}
	if err != nil {
		c.Status(http.StatusInternalServerError)
		return
	}
	c.Data(p.Status, problemType(c), data)
}
