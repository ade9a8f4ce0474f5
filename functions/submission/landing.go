package submission

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/cyverse-gis/eemt/functions/submission/answer"
	"github.com/cyverse-gis/eemt/functions/submission/ogc"
	"github.com/cyverse-gis/eemt/functions/submission/openapi"
)

// getLanding is the page for people, and the landing page of the API for programs.
func (s *Service) getLanding(c *gin.Context) {
	c.Header("Vary", "Accept")
	if answer.WantsHTML(c) {
		s.getIndex(c)
		return
	}
	b := answer.Base(c)
	s.answer.Document(c, http.StatusOK, "EEMT", gin.H{
		"title":       "EEMT",
		"description": "Solar radiation and effective energy and mass transfer (EEMT) over terrain",
		"links": []ogc.Link{
			{Href: b + "/", Rel: "self", Type: ogc.JSON, Title: "this document"},
			{Href: b + "/?f=html", Rel: "alternate", Type: ogc.HTML, Title: "page with a form"},
			{Href: b + "/api", Rel: "service-desc", Type: ogc.OpenAPI, Title: "definition of the API"},
			{Href: b + "/api?f=html", Rel: "service-doc", Type: ogc.HTML, Title: "documentation of the API"},
			{Href: b + "/conformance", Rel: ogc.RelConformance, Type: ogc.JSON, Title: "conformance classes"},
			{Href: b + "/processes", Rel: ogc.RelProcesses, Type: ogc.JSON, Title: "processes"},
			{Href: b + "/jobs", Rel: ogc.RelJobList, Type: ogc.JSON, Title: "jobs"},
			{Href: b + "/stac", Rel: "data", Type: ogc.JSON, Title: "STAC catalogue of results"},
		},
	})
}

func (s *Service) getConformance(c *gin.Context) {
	s.answer.Document(c, http.StatusOK, "Conformance", gin.H{"conformsTo": ogc.Conformance()})
}

// getAPI serves the definition of the API, as a page for people.
func (s *Service) getAPI(c *gin.Context) {
	c.Header("Vary", "Accept")
	if !answer.WantsHTML(c) {
		c.Data(http.StatusOK, ogc.OpenAPI, openapi.JSON())
		return
	}
	s.getDocs(c)
}

func (s *Service) getDefinition(c *gin.Context) { c.Data(http.StatusOK, ogc.JSON, openapi.JSON()) }

func (s *Service) getDocs(c *gin.Context) {
	body, err := openapi.HTML()
	if err != nil {
		s.answer.Problem(c, err)
		return
	}
	c.Header("Content-Security-Policy", answer.PagePolicy)
	c.Data(http.StatusOK, "text/html; charset=utf-8", body)
}

func (s *Service) getProcesses(c *gin.Context) {
	err := answer.Known(c, "limit")
	limit := 0
	if err == nil {
		limit, err = answer.Limit(c, 10, 1000)
	}
	if err != nil {
		s.answer.Problem(c, err)
		return
	}
	b := answer.Base(c)
	list := []ogc.Summary{}
	for _, p := range s.processes.Processes(b) {
		if len(list) < limit {
			list = append(list, p.Summary)
		}
	}
	s.answer.Document(c, http.StatusOK, "Processes", gin.H{"processes": list, "links": []ogc.Link{
		{Href: b + "/processes", Rel: "self", Type: ogc.JSON, Title: "this document"},
		{Href: b + "/processes?f=html", Rel: "alternate", Type: ogc.HTML, Title: "this document as a page"},
	}})
}

func (s *Service) getProcess(c *gin.Context) {
	p, err := s.processes.Process(c.Param("id"), answer.Base(c))
	if err != nil {
		s.answer.Problem(c, err)
		return
	}
	s.answer.Document(c, http.StatusOK, p.Title, p)
}
