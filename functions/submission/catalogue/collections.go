package catalogue

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"
	"gocloud.dev/gcerrors"

	"github.com/cyverse-gis/eemt/functions/submission/answer"
	"github.com/cyverse-gis/eemt/functions/submission/joblist"
	"github.com/cyverse-gis/eemt/functions/submission/ogc"
	"github.com/cyverse-gis/eemt/functions/submission/problem"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/param"
	"github.com/cyverse-gis/eemt/shared/stac"
)

// itemPage is how many items a collection links to at a time.
const itemPage = 100

func stacRoot(b string) stac.Link {
	return stac.Link{Href: b + "/stac", Rel: "root", Type: ogc.JSON, Title: "EEMT"}
}

// Root is the root of the STAC catalogue.
func (s *Catalogue) Root(c *gin.Context) {
	b := answer.Base(c)
	root := stac.Catalog{
		Type: "Catalog", Version: stac.Version, ID: "eemt", Title: "EEMT", Description: "Results of jobs, a collection for each process",
		Links: []stac.Link{stacRoot(b), {Href: b + "/stac", Rel: "self", Type: ogc.JSON}},
	}
	for _, p := range s.Processes.Processes(b) {
		if p.ID != string(param.Echo) {
			root.Links = append(root.Links, stac.Link{Href: b + "/stac/collections/" + p.ID, Rel: "child", Type: ogc.JSON, Title: p.Title})
		}
	}
	s.Answer.Document(c, http.StatusOK, "Catalogue", root)
}

// Collection lists the results of one process, newest first; a next link leads
// to older ones.
func (s *Catalogue) Collection(c *gin.Context) {
	b, id := answer.Base(c), c.Param("collection")
	p, err := s.collectionOf(id, b)
	if err == nil {
		err = answer.Known(c, "cursor")
	}
	if err != nil {
		s.Answer.Problem(c, err)
		return
	}
	found, next, err := s.Jobs.List(c.Request.Context(), resultsOf(id, c.Query("cursor"), itemPage))
	if err != nil {
		s.Answer.Problem(c, err)
		return
	}
	self := b + "/stac/collections/" + id
	col := stac.Collection{
		Catalog: stac.Catalog{
			Type: "Collection", Version: stac.Version, ID: id, Title: p.Title, Description: p.Description,
			Links: []stac.Link{stacRoot(b), {Href: b + "/stac", Rel: "parent", Type: ogc.JSON}, {Href: self, Rel: "self", Type: ogc.JSON}, {Href: self + "/items", Rel: "items", Type: ogc.GeoJSON}},
		},
		License: "other",
	}
	if col.Extent, err = s.extent(c.Request.Context(), id, found); err != nil {
		s.Answer.Problem(c, err)
		return
	}
	for _, st := range found {
		col.Links = append(col.Links, stac.Link{
			Href: b + "/jobs/" + st.Request.ID + "/results/item.json", Rel: "item", Type: ogc.GeoJSON,
			Title: fmt.Sprintf("%s, %s", st.Request.DEM.Name, st.Request.Created.Format("2006-01-02 15:04")),
		})
	}
	if next != "" {
		col.Links = append(col.Links, stac.Link{Href: answer.WithQuery(b, c, "cursor", next), Rel: "next", Type: ogc.JSON})
	}
	s.Answer.Document(c, http.StatusOK, p.Title, col)
}

// lately is how long a job may be completed before the static catalogue has it, by far.
const lately = 15 * time.Minute

// extent is that of the static catalogue's collection, and of those items of found that it may not have yet.
func (s *Catalogue) extent(ctx context.Context, process string, found []job.Status) (stac.Extent, error) {
	key := stac.CollectionKey(process)
	var known stac.Collection
	err := s.readDocument(ctx, key, &known)
	if err == nil && known.ID == "" { // before the first tick
		if err = s.Update(ctx); err == nil {
			err = s.readDocument(ctx, key, &known)
		}
	}
	links := known.Links
	for _, st := range found {
		if err != nil {
			return stac.Extent{}, err
		}
		if s.Now().Sub(st.End.Ended) < lately {
			var link stac.Link
			_, err = s.covers(ctx, st.Request.ID, &link)
			links = append(links, link)
		}
	}
	return extentOf(unionOf(links)), err
}

// collectionOf is the process whose results a collection holds.
func (s *Catalogue) collectionOf(id, base string) (ogc.Process, error) {
	p, err := s.Processes.Process(id, base)
	if err == nil && id == string(param.Echo) {
		err = problem.NoSuchProcess(id)
	}
	return p, err
}

// resultsOf asks for the jobs of a process that have results.
func resultsOf(process, cursor string, limit int) joblist.Query {
	return joblist.Query{
		Cursor: cursor, Limit: limit,
		Request: func(r job.Request) bool { return string(r.Workflow) == process },
		Match:   func(st job.Status) bool { return st.State == job.Completed && st.Expired == nil },
	}
}

const (
	// mostItems bounds a page of items, each of which may list two hundred maps.
	mostItems = 20
	// maxItem bounds an item that is read, in bytes.
	maxItem = 8 << 20
)

// Items gives the items of a collection whole, with absolute links: for clients that read no catalogues, such as
// GDAL's STACIT driver.
func (s *Catalogue) Items(c *gin.Context) {
	ctx := c.Request.Context()
	b, id := answer.Base(c), c.Param("collection")
	_, err := s.collectionOf(id, b)
	if err == nil {
		err = answer.Known(c, "cursor", "limit", "ids")
	}
	limit := 0
	if err == nil {
		limit, err = answer.Limit(c, 10, mostItems)
	}
	if err != nil {
		s.Answer.Problem(c, err)
		return
	}
	var found []job.Status
	next := ""
	if ids := answer.List(c.Request.URL.Query(), "ids"); len(ids) > mostItems {
		err = problem.Bad("ids", strconv.Itoa(len(ids)), fmt.Sprintf("at most %d", mostItems), fmt.Sprintf("%d ids: at most %d in one request", len(ids), mostItems))
	} else if len(ids) > 0 {
		entries := make([]job.Entry, len(ids))
		for i := range ids {
			entries[i].ID = ids[i]
		}
		var states []*job.Status
		states, err = s.Jobs.Statuses(ctx, entries, resultsOf(id, "", len(ids)))
		for _, st := range states {
			if st != nil {
				found = append(found, *st)
			}
		}
	} else {
		found, next, err = s.Jobs.List(ctx, resultsOf(id, c.Query("cursor"), limit))
	}
	features := []map[string]any{}
	for _, st := range found {
		if err != nil {
			break
		}
		var item map[string]any
		if item, err = s.item(ctx, st.Request.ID, b); item != nil {
			features = append(features, item)
		}
	}
	if err != nil {
		s.Answer.Problem(c, err)
		return
	}
	links := []stac.Link{
		stacRoot(b),
		{Href: b + c.Request.URL.RequestURI(), Rel: "self", Type: ogc.GeoJSON},
		{Href: b + "/stac/collections/" + id, Rel: "collection", Type: ogc.JSON},
	}
	if next != "" {
		links = append(links, stac.Link{Href: answer.WithQuery(b, c, "cursor", next), Rel: "next", Type: ogc.GeoJSON})
	}
	data, err := json.Marshal(gin.H{"type": "FeatureCollection", "stac_version": stac.Version, "features": features, "numberReturned": len(features), "links": links})
	if err != nil {
		s.Answer.Problem(c, fmt.Errorf("encode items: %w", err))
		return
	}
	c.Data(http.StatusOK, ogc.GeoJSON, data)
}

// readItem reads an item; nil if there is none.
func (s *Catalogue) readItem(ctx context.Context, key string) ([]byte, error) {
	r, err := s.Store.Bucket.NewReader(ctx, key, nil)
	if gcerrors.Code(err) == gcerrors.NotFound {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", key, err)
	}
	defer func() { _ = r.Close() }()
	data, err := io.ReadAll(io.LimitReader(r, maxItem))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", key, err)
	}
	return data, nil
}

// item reads the item of a job and makes its links absolute; nil if it has none.
func (s *Catalogue) item(ctx context.Context, id, b string) (map[string]any, error) {
	key := job.ResultKey(id, "item.json")
	data, err := s.readItem(ctx, key)
	if data == nil || err != nil {
		return nil, err
	}
	var item map[string]any
	if err := json.Unmarshal(data, &item); err != nil {
		s.Log.Warn("an item is damaged", "job", id, "error", err)
		return nil, nil
	}
	at, err := url.Parse(b + "/" + key)
	if err != nil {
		return nil, err
	}
	absolute := func(v any) {
		m, _ := v.(map[string]any)
		if href, ok := m["href"].(string); ok {
			if u, err := at.Parse(href); err == nil {
				m["href"] = u.String()
			}
		}
	}
	links, _ := item["links"].([]any)
	for _, l := range links {
		absolute(l)
	}
	assets, _ := item["assets"].(map[string]any)
	for _, a := range assets {
		absolute(a)
	}
	return item, nil
}
