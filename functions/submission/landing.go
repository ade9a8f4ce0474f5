package submission

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"github.com/gin-gonic/gin"

	"github.com/cyverse-gis/eemt/functions/submission/ogc"
	"github.com/cyverse-gis/eemt/functions/submission/openapi"
)

func (s *Service) catalogue() ogc.Catalogue { return ogc.Catalogue{Version: s.Version, Echo: s.Echo} }

// getLanding is the page for people, and the landing page of the API for programs.
func (s *Service) getLanding(c *gin.Context) {
	c.Header("Vary", "Accept")
	if wantsHTML(c) {
		s.getIndex(c)
		return
	}
	b := base(c)
	s.document(c, http.StatusOK, "EEMT", gin.H{
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
	s.document(c, http.StatusOK, "Conformance", gin.H{"conformsTo": ogc.Conformance()})
}

// getAPI serves the definition of the API, as a page for people.
func (s *Service) getAPI(c *gin.Context) {
	c.Header("Vary", "Accept")
	if !wantsHTML(c) {
		c.Data(http.StatusOK, ogc.OpenAPI, openapi.JSON())
		return
	}
	s.getDocs(c)
}

func (s *Service) getDefinition(c *gin.Context) { c.Data(http.StatusOK, ogc.JSON, openapi.JSON()) }

func (s *Service) getDocs(c *gin.Context) {
	body, err := openapi.HTML()
	if err != nil {
		s.problem(c, err)
		return
	}
	c.Header("Content-Security-Policy", pagePolicy)
	c.Data(http.StatusOK, "text/html; charset=utf-8", body)
}

// limitOf reads the number of items that a client wants on a page. More than
// most means most, as the standard has it.
func limitOf(c *gin.Context, usual, most int) (int, error) {
	text, given := c.GetQuery("limit")
	if !given {
		return usual, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		allowed := fmt.Sprintf("1 to %d", most)
		return 0, ogc.Bad("limit", text, allowed, fmt.Sprintf("limit %q: must be %s", text, allowed))
	}
	return min(n, most), nil
}

// known refuses query parameters that the API does not have: a filter that is
// misspelt must not look like one that matched.
func known(c *gin.Context, names ...string) error {
	for name := range c.Request.URL.Query() {
		if name != "f" && !slices.Contains(names, name) {
			return ogc.Bad(name, c.Query(name), fmt.Sprint(names), fmt.Sprintf("query parameter %q is not known here", name))
		}
	}
	return nil
}

func (s *Service) getProcesses(c *gin.Context) {
	err := known(c, "limit")
	limit := 0
	if err == nil {
		limit, err = limitOf(c, 10, 1000)
	}
	if err != nil {
		s.problem(c, err)
		return
	}
	b := base(c)
	list := []ogc.Summary{}
	for _, p := range s.catalogue().Processes(b) {
		if len(list) < limit {
			list = append(list, p.Summary)
		}
	}
	s.document(c, http.StatusOK, "Processes", gin.H{"processes": list, "links": []ogc.Link{
		{Href: b + "/processes", Rel: "self", Type: ogc.JSON, Title: "this document"},
		{Href: b + "/processes?f=html", Rel: "alternate", Type: ogc.HTML, Title: "this document as a page"},
	}})
}

func (s *Service) getProcess(c *gin.Context) {
	p, err := s.catalogue().Process(c.Param("id"), base(c))
	if err != nil {
		s.problem(c, err)
		return
	}
	s.document(c, http.StatusOK, p.Title, p)
}
