package submission

import (
	"fmt"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/cyverse-gis/eemt/functions/submission/ogc"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/stac"
)

// itemPage is how many items a collection links to at a time.
const itemPage = 100

func stacRoot(b string) stac.Link {
	return stac.Link{Href: b + "/stac", Rel: "root", Type: ogc.JSON, Title: "EEMT"}
}

// getCatalog is the root of the STAC catalogue.
func (s *Service) getCatalog(c *gin.Context) {
	b := base(c)
	root := stac.Catalog{
		Type: "Catalog", Version: stac.Version, ID: "eemt", Title: "EEMT", Description: "Results of jobs, a collection for each process",
		Links: []stac.Link{stacRoot(b), {Href: b + "/stac", Rel: "self", Type: ogc.JSON}},
	}
	for _, p := range s.catalogue().Processes(b) {
		if p.ID != string(job.Echo) {
			root.Links = append(root.Links, stac.Link{Href: b + "/stac/collections/" + p.ID, Rel: "child", Type: ogc.JSON, Title: p.Title})
		}
	}
	s.document(c, http.StatusOK, "Catalogue", root)
}

// getCollection lists the results of one process, newest first; a next link leads
// to older ones.
func (s *Service) getCollection(c *gin.Context) {
	b, id := base(c), c.Param("collection")
	p, err := s.catalogue().Process(id, b)
	if err == nil && id == string(job.Echo) {
		err = ogc.NoSuchProcess(id)
	}
	if err == nil {
		err = known(c, "cursor")
	}
	if err != nil {
		s.problem(c, err)
		return
	}
	found, next, err := s.list(c.Request.Context(), listing{
		cursor: c.Query("cursor"), limit: itemPage,
		request: func(r job.Request) bool { return string(r.Workflow) == id },
		match:   func(st job.Status) bool { return st.State == job.Completed && st.Expired == nil },
	})
	if err != nil {
		s.problem(c, err)
		return
	}
	self := b + "/stac/collections/" + id
	col := stac.Collection{
		Catalog: stac.Catalog{
			Type: "Collection", Version: stac.Version, ID: id, Title: p.Title, Description: p.Description,
			Links: []stac.Link{stacRoot(b), {Href: b + "/stac", Rel: "parent", Type: ogc.JSON}, {Href: self, Rel: "self", Type: ogc.JSON}},
		},
		License: "other", Extent: stac.World(),
	}
	for _, st := range found {
		col.Links = append(col.Links, stac.Link{
			Href: b + "/jobs/" + st.Request.ID + "/results/item.json", Rel: "item", Type: "application/geo+json",
			Title: fmt.Sprintf("%s, %s", st.Request.DEM.Name, st.Request.Created.Format("2006-01-02 15:04")),
		})
	}
	if next != "" {
		col.Links = append(col.Links, stac.Link{Href: withQuery(b, c, "cursor", next), Rel: "next", Type: ogc.JSON})
	}
	s.document(c, http.StatusOK, p.Title, col)
}
