package ogc

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/cyverse-gis/eemt/functions/submission/answer"
	"github.com/cyverse-gis/eemt/functions/submission/openapi"
)

// Documents answers with what tells clients of the API, and of the processes that it offers.
type Documents struct {
	Processes Catalogue
	Answer    answer.Writer
	// Page shows people the page of the program.
	Page gin.HandlerFunc
}

// Landing is the page for people, and the landing page of the API for programs.
func (d Documents) Landing(c *gin.Context) {
	c.Header("Vary", "Accept")
	if answer.WantsHTML(c) {
		d.Page(c)
		return
	}
	b := answer.Base(c)
	d.Answer.Document(c, http.StatusOK, "EEMT", gin.H{
		"title":       "EEMT",
		"description": "Solar radiation and effective energy and mass transfer (EEMT) over terrain",
		"links": []Link{
			{Href: b + "/", Rel: "self", Type: JSON, Title: "this document"},
			{Href: b + "/?f=html", Rel: "alternate", Type: HTML, Title: "page with a form"},
			{Href: b + "/api", Rel: "service-desc", Type: OpenAPI, Title: "definition of the API"},
			{Href: b + "/api?f=html", Rel: "service-doc", Type: HTML, Title: "documentation of the API"},
			{Href: b + "/conformance", Rel: RelConformance, Type: JSON, Title: "conformance classes"},
			{Href: b + "/processes", Rel: RelProcesses, Type: JSON, Title: "processes"},
			{Href: b + "/jobs", Rel: RelJobList, Type: JSON, Title: "jobs"},
			{Href: b + "/stac", Rel: "data", Type: JSON, Title: "STAC catalogue of results"},
		},
	})
}

// Conformance lists the classes that the API keeps to.
func (d Documents) Conformance(c *gin.Context) {
	d.Answer.Document(c, http.StatusOK, "Conformance", gin.H{"conformsTo": Conformance()})
}

// API serves the definition of the API, as a page for people.
func (d Documents) API(c *gin.Context) {
	c.Header("Vary", "Accept")
	if !answer.WantsHTML(c) {
		c.Data(http.StatusOK, OpenAPI, openapi.JSON())
		return
	}
	d.Docs(c)
}

// Definition serves the definition of the API.
func (d Documents) Definition(c *gin.Context) { c.Data(http.StatusOK, JSON, openapi.JSON()) }

// Docs serves the definition of the API as a page for people.
func (d Documents) Docs(c *gin.Context) {
	body, err := openapi.HTML()
	if err != nil {
		d.Answer.Problem(c, err)
		return
	}
	c.Header("Content-Security-Policy", answer.PagePolicy)
	c.Data(http.StatusOK, "text/html; charset=utf-8", body)
}

// ListProcesses lists the processes.
func (d Documents) ListProcesses(c *gin.Context) {
	err := answer.Known(c, "limit")
	limit := 0
	if err == nil {
		limit, err = answer.Limit(c, 10, 1000)
	}
	if err != nil {
		d.Answer.Problem(c, err)
		return
	}
	b := answer.Base(c)
	list := []Summary{}
	for _, p := range d.Processes.Processes(b) {
		if len(list) < limit {
			list = append(list, p.Summary)
		}
	}
	d.Answer.Document(c, http.StatusOK, "Processes", gin.H{"processes": list, "links": []Link{
		{Href: b + "/processes", Rel: "self", Type: JSON, Title: "this document"},
		{Href: b + "/processes?f=html", Rel: "alternate", Type: HTML, Title: "this document as a page"},
	}})
}

// GetProcess describes a process.
func (d Documents) GetProcess(c *gin.Context) {
	p, err := d.Processes.Process(c.Param("id"), answer.Base(c))
	if err != nil {
		d.Answer.Problem(c, err)
		return
	}
	d.Answer.Document(c, http.StatusOK, p.Title, p)
}
