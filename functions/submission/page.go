package submission

import (
	"bytes"
	_ "embed"
	"errors"
	"html/template"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/cyverse-gis/eemt/shared/job"
)

//go:embed page.html
var pageText string

var page = template.Must(template.New("page").Parse(pageText))

// pageJobs bounds the list on the page.
const pageJobs = 20

// getIndex shows the newest jobs and how to submit one. It needs no script.
func (s *Service) getIndex(c *gin.Context) {
	var jobs []job.Status
	err := s.Store.List(c.Request.Context(), func(id string) (bool, error) {
		st, err := s.Store.Status(c.Request.Context(), id)
		if errors.Is(err, job.ErrNotFound) || errors.Is(err, job.ErrDamaged) {
			return true, nil
		}
		jobs = append(jobs, st)
		return len(jobs) < pageJobs, err
	})
	var body bytes.Buffer
	if err == nil {
		err = page.Execute(&body, jobs)
	}
	if err != nil {
		s.refuse(c, err)
		return
	}
	c.Header("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; img-src 'self'; form-action 'self'; frame-ancestors 'none'")
	c.Header("Cache-Control", "no-store")
	c.Data(http.StatusOK, "text/html; charset=utf-8", body.Bytes())
}
