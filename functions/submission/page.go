package submission

import (
	"bytes"
	_ "embed"
	"html/template"
	"net/http"

	"github.com/gin-gonic/gin"
)

//go:embed page.html
var pageText string

var page = template.Must(template.New("page").Parse(pageText))

// pageJobs bounds the list on the page.
const pageJobs = 20

// getIndex shows the newest jobs and how to submit one. It needs no script.
func (s *Service) getIndex(c *gin.Context) {
	jobs, _, err := s.list(c.Request.Context(), listing{limit: pageJobs})
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
