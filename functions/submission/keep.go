package submission

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/cyverse-gis/eemt/functions/submission/ogc"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/param"
)

// keeping is what people want of retention for a job, and when it goes.
type keeping struct {
	Pinned bool `json:"pinned"`
	// Days is 0 for the usual time.
	Days    int        `json:"days"`
	By      string     `json:"by"`
	Set     *time.Time `json:"set"`
	Expires *time.Time `json:"expires_at"`
}

// expires is when retention takes a job: nil while it goes on, is pinned, is gone
// already, or nobody cleans up here.
func (s *Service) expires(st job.Status) *time.Time {
	if s.Cleaner == nil {
		return nil
	}
	k := s.Cleaner.Usual()
	at, ok := job.Retention{Completed: time.Duration(k.Days) * 24 * time.Hour, Failed: time.Duration(k.Hours) * time.Hour}.Until(st)
	if !ok {
		return nil
	}
	return &at
}

func (s *Service) answerKeep(c *gin.Context, id string) {
	st, err := s.status(c.Request.Context(), id)
	if err != nil {
		s.problem(c, err)
		return
	}
	k := keeping{Pinned: st.Pin.Pinned, Days: st.Pin.Days, By: st.Pin.By, Expires: s.expires(st)}
	if !st.Pin.At.IsZero() {
		k.Set = &st.Pin.At
	}
	s.document(c, http.StatusOK, "Retention of job "+id, k)
}

// getKeep tells how long a job is kept.
func (s *Service) getKeep(c *gin.Context) { s.answerKeep(c, c.Param("id")) }

// putKeep pins a job, or keeps it for a number of days.
func (s *Service) putKeep(c *gin.Context) {
	var want struct {
		Pinned bool   `json:"pinned"`
		Days   int    `json:"days"`
		By     string `json:"by"`
	}
	body, err := io.ReadAll(http.MaxBytesReader(c.Writer, c.Request.Body, maxField))
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
	if err != nil {
		const allowed = `{"pinned": true} or {"days": N}`
		s.problem(c, ogc.Bad("", "", allowed, fmt.Sprintf("send %s: %v", allowed, err)))
		return
	}
	s.setKeep(c, job.Pin{Pinned: want.Pinned, Days: want.Days, By: want.By, At: s.Now()})
}

// deleteKeep lets the usual time apply to a job, counted from now on.
func (s *Service) deleteKeep(c *gin.Context) { s.setKeep(c, job.Pin{At: s.Now()}) }

func (s *Service) setKeep(c *gin.Context, k job.Pin) {
	id := c.Param("id")
	err := s.Store.SetPin(c.Request.Context(), id, k)
	var field *param.FieldError
	switch {
	case errors.As(err, &field):
		err = ogc.FromField(err)
	case errors.Is(err, job.ErrExpired):
		err = ogc.Plain(http.StatusConflict, "job "+id+" cannot be kept: retention has removed its data, or is about to; run it again")
	}
	if err != nil {
		s.problem(c, err)
		return
	}
	s.Log.Info("retention of a job was set", "job", id, "pinned", k.Pinned, "days", k.Days, "by", k.By)
	s.answerKeep(c, id)
}
