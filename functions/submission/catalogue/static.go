// Package catalogue lists results for clients of STAC, as documents of the bucket and by search.
package catalogue

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/sourcegraph/conc"
	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"

	"github.com/cyverse-gis/eemt/functions/submission/answer"
	"github.com/cyverse-gis/eemt/functions/submission/joblist"
	"github.com/cyverse-gis/eemt/functions/submission/ogc"
	"github.com/cyverse-gis/eemt/functions/submission/problem"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/param"
	"github.com/cyverse-gis/eemt/shared/stac"
)

// The static catalogue: stac/catalog.json leads to a collection for each process, that to a catalogue for each day,
// that to the items of the jobs submitted on the day.
//
// If jobs wrote these documents, two that write at the same time would lose a link. So the resume tick writes them,
// from what it finds in the bucket. Documents are made anew from that and can be lost or overwritten
// without harm; what two passes at the same time make of each other the next one mends.
const (
	// catalogued bounds the jobs that are linked to, newest first.
	catalogued = 50_000
	// newestJobs is how many of the newest jobs a pass examines between two whole ones.
	newestJobs = 500
	// wholeEvery is the time after which a pass examines all jobs, and drops the links to those whose maps are gone.
	wholeEvery = 24 * time.Hour
)

// root is stac/catalog.json.
type root struct {
	stac.Catalog
	// Whole is when all jobs were examined.
	Whole time.Time `json:"eemt:whole"`
}

// day is the catalogue of a day while a pass works on it.
type day struct {
	process string
	at      time.Time
	// items are the links by job; nil until its document is read.
	items map[string]stac.Link
	// seen are the jobs that a pass came by.
	seen map[string]bool
	// had says that an object of it is there.
	had bool
}

// Catalogue lists the results of jobs.
type Catalogue struct {
	Store     job.Store
	Jobs      joblist.Reader
	Processes ogc.Catalogue
	Now       func() time.Time
	Log       *slog.Logger
	Answer    answer.Writer
}

// Update brings the static catalogue up to date. It may run in several places at once.
func (s *Catalogue) Update(ctx context.Context) error {
	var r root
	if err := s.readDocument(ctx, stac.RootKey, &r); err != nil {
		return err
	}
	now := s.Now().UTC()
	whole := now.Sub(r.Whole) >= wholeEvery || r.Whole.After(now)
	days, err := s.catalogueDays(ctx)
	if err != nil {
		return err
	}
	most := newestJobs
	if whole {
		most = catalogued
	}
	if err := s.linkNewest(ctx, days, most, whole); err != nil {
		return err
	}
	// From the leaves to the root: no link leads to what is not there yet.
	changed := whole
	for key, d := range days {
		wrote, err := s.writeDay(ctx, key, d)
		if err != nil {
			return err
		}
		changed = changed || wrote
	}
	if !changed {
		return nil
	}
	if whole {
		r.Whole = now
	}
	return s.writeRoots(ctx, days, r)
}

// catalogueDays lists the days that have a document.
func (s *Catalogue) catalogueDays(ctx context.Context) (map[string]*day, error) {
	days := map[string]*day{}
	for _, p := range s.Processes.Processes("") {
		prefix := stac.Prefix + p.ID + "/"
		it := s.Store.Bucket.List(&blob.ListOptions{Prefix: prefix, Delimiter: "/"})
		for {
			o, err := it.Next(ctx)
			if err != nil {
				if !errors.Is(err, io.EOF) {
					return nil, fmt.Errorf("list %s: %w", prefix, err)
				}
				break
			}
			at, err := time.Parse(time.DateOnly, strings.Trim(strings.TrimPrefix(o.Key, prefix), "/"))
			if err == nil && o.IsDir {
				days[stac.DayKey(p.ID, at)] = &day{process: p.ID, at: at, had: true}
			}
		}
	}
	return days, nil
}

// candidate is a job that may be in the catalogue.
type candidate struct {
	job.Entry
	day  *day       // that links to it; nil if none does
	link *stac.Link // that it gets; nil for none
	st   *job.Status
}

// linkNewest links to the newest jobs that have an item. A whole pass drops the links to all others.
func (s *Catalogue) linkNewest(ctx context.Context, days map[string]*day, most int, whole bool) error {
	examined := 0
	var batch []candidate
	flush := func() error {
		if err := s.findItems(ctx, batch); err != nil {
			return err
		}
		for _, c := range batch {
			switch {
			case c.link == nil && c.day != nil:
				delete(c.day.items, c.ID)
				continue
			case c.link == nil:
				continue
			case c.day == nil:
				d, err := s.dayOf(ctx, days, string(c.st.Request.Workflow), c.st.Request.Created)
				if err != nil {
					return err
				}
				c.day = d
			}
			c.day.items[c.ID] = *c.link
			c.day.seen[c.ID] = true
		}
		batch = batch[:0]
		return nil
	}
	err := s.Store.Entries(ctx, "", func(e job.Entry) (bool, error) {
		if examined++; examined > most {
			return false, nil
		}
		d, err := s.linked(ctx, days, e)
		if err != nil || d != nil && !whole {
			return true, err
		}
		if batch = append(batch, candidate{Entry: e, day: d}); len(batch) == joblist.AtOnce {
			return true, flush()
		}
		return true, nil
	})
	if err == nil {
		err = flush()
	}
	if err != nil || !whole {
		return err
	}
	for _, d := range days {
		if _, err := s.dayOf(ctx, days, d.process, d.at); err != nil {
			return err
		}
		for id := range d.items {
			if !d.seen[id] {
				delete(d.items, id)
			}
		}
	}
	return nil
}

// findItems finds out, side by side, which candidates have an item. For those that are linked this takes one call each.
func (s *Catalogue) findItems(ctx context.Context, batch []candidate) error {
	errs := make([]error, len(batch))
	var wait conc.WaitGroup
	for i := range batch {
		wait.Go(func() {
			c := &batch[i]
			link := stac.Link{}
			if c.day != nil {
				link = c.day.items[c.ID]
			} else {
				st, err := s.Jobs.Fits(ctx, job.Entry{ID: c.ID}, joblist.Query{Match: func(st job.Status) bool {
					return st.State == job.Completed && st.Expired == nil && st.Request.Workflow != param.Echo
				}})
				if err != nil && !errors.Is(err, job.ErrNotFound) && !errors.Is(err, job.ErrDamaged) {
					errs[i] = err
				}
				if st == nil {
					return
				}
				c.st, link = st, itemLink(st.Request)
			}
			there, err := s.covers(ctx, c.ID, &link)
			if err != nil {
				errs[i] = fmt.Errorf("look for the item of job %s: %w", c.ID, err)
			}
			if there {
				c.link = &link
			}
		})
	}
	wait.Wait()
	return errors.Join(errs...)
}

// covers notes in the link to the item of a job what it covers, unless it is noted. It reports whether the item is there.
func (s *Catalogue) covers(ctx context.Context, id string, link *stac.Link) (bool, error) {
	key := job.ResultKey(id, "item.json")
	if link.Covers != nil {
		return s.Store.Bucket.Exists(ctx, key)
	}
	data, err := s.readItem(ctx, key)
	if c, ok := stac.CoverageOf(data); ok {
		link.Covers = &c
	}
	return data != nil, err
}

// unionOf is the coverage of the items that links lead to; nil where it is not known of any.
func unionOf(links []stac.Link) *stac.Coverage {
	var list []stac.Coverage
	for _, l := range links {
		if l.Covers != nil {
			list = append(list, *l.Covers)
		}
	}
	if c, ok := stac.Together(list); ok {
		return &c
	}
	return nil
}

// extentOf is the extent of what is covered; the world where nothing is known of it.
func extentOf(c *stac.Coverage) stac.Extent {
	if c == nil {
		return stac.World()
	}
	return stac.ExtentOf(*c)
}

// linked is the day that links to a job, of whatever process; nil if none does.
func (s *Catalogue) linked(ctx context.Context, days map[string]*day, e job.Entry) (*day, error) {
	for _, p := range s.Processes.Processes("") {
		if _, ok := days[stac.DayKey(p.ID, e.Created)]; !ok {
			continue
		}
		d, err := s.dayOf(ctx, days, p.ID, e.Created)
		if err != nil {
			return nil, err
		}
		if _, ok := d.items[e.ID]; ok {
			return d, nil
		}
	}
	return nil, nil
}

// dayOf is a day with the links that its document has.
func (s *Catalogue) dayOf(ctx context.Context, days map[string]*day, process string, at time.Time) (*day, error) {
	key := stac.DayKey(process, at)
	d := days[key]
	if d == nil {
		d = &day{process: process, at: at.UTC().Truncate(24 * time.Hour)}
		days[key] = d
	}
	if d.items != nil {
		return d, nil
	}
	d.items, d.seen = map[string]stac.Link{}, map[string]bool{}
	var c stac.Catalog
	if err := s.readDocument(ctx, key, &c); err != nil {
		return nil, err
	}
	for _, l := range c.Links {
		if _, id, _ := strings.Cut(l.Href, "jobs/"); l.Rel == "item" && len(id) > 26 && job.ValidID(id[:26]) {
			d.items[id[:26]] = l
		}
	}
	return d, nil
}

func itemLink(r job.Request) stac.Link {
	return stac.Link{
		Href: "../../../" + job.ResultKey(r.ID, "item.json"), Rel: "item", Type: ogc.GeoJSON,
		Title: fmt.Sprintf("%s, %s", r.DEM.Name, r.Created.UTC().Format("2006-01-02 15:04")),
	}
}

// writeDay writes the document of a day, or deletes it when no job of the day is left. It reports whether anything
// is another now.
func (s *Catalogue) writeDay(ctx context.Context, key string, d *day) (bool, error) {
	if d.items == nil { // this pass did not read the day
		return false, nil
	}
	if len(d.items) == 0 {
		had := d.had
		d.had = false
		if !had {
			return false, nil
		}
		return true, s.deleteDocument(ctx, key)
	}
	d.had = true
	return s.writeDocument(ctx, key, d.document())
}

// document is the catalogue of the day.
func (d *day) document() stac.Catalog {
	name := d.at.Format(time.DateOnly)
	c := stac.Catalog{
		Type: "Catalog", Version: stac.Version, ID: d.process + "-" + name, Title: name, Description: "Results of the " + d.process + " jobs submitted on " + name + " (UTC)",
		Links: []stac.Link{
			{Href: "../../catalog.json", Rel: "root", Type: ogc.JSON},
			{Href: "../collection.json", Rel: "parent", Type: ogc.JSON},
		},
	}
	ids := make([]string, 0, len(d.items))
	for id := range d.items {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids {
		c.Links = append(c.Links, d.items[id])
	}
	return c
}

// writeRoots writes the collections and the root.
func (s *Catalogue) writeRoots(ctx context.Context, days map[string]*day, r root) error {
	r.Catalog = stac.Catalog{
		Type: "Catalog", Version: stac.Version, ID: "eemt", Title: "EEMT", Description: "Results of jobs, a collection for each process",
		Links: []stac.Link{{Href: "./catalog.json", Rel: "root", Type: ogc.JSON}},
	}
	for _, p := range s.Processes.Processes("") {
		if p.ID == string(param.Echo) {
			continue
		}
		col := stac.Collection{
			Catalog: stac.Catalog{
				Type: "Collection", Version: stac.Version, ID: p.ID, Title: p.Title, Description: p.Description,
				Links: []stac.Link{{Href: "../catalog.json", Rel: "root", Type: ogc.JSON}, {Href: "../catalog.json", Rel: "parent", Type: ogc.JSON}},
			},
			License: "other",
		}
		// The coverage of days that this pass did not read stays as it was.
		var former stac.Collection
		if err := s.readDocument(ctx, stac.CollectionKey(p.ID), &former); err != nil {
			return err
		}
		covered := map[string]*stac.Coverage{}
		for _, l := range former.Links {
			covered[l.Title] = l.Covers
		}
		var names []string
		for _, d := range days {
			if d.process == p.ID && d.had {
				name := d.at.Format(time.DateOnly)
				names = append(names, name)
				if d.items != nil {
					covered[name] = unionOf(slices.Collect(maps.Values(d.items)))
				}
			}
		}
		slices.Sort(names)
		slices.Reverse(names)
		for _, name := range names {
			col.Links = append(col.Links, stac.Link{Href: "./" + name + "/catalog.json", Rel: "child", Type: ogc.JSON, Title: name, Covers: covered[name]})
		}
		col.Extent = extentOf(unionOf(col.Links))
		if _, err := s.writeDocument(ctx, stac.CollectionKey(p.ID), col); err != nil {
			return err
		}
		r.Links = append(r.Links, stac.Link{Href: "./" + p.ID + "/collection.json", Rel: "child", Type: ogc.JSON, Title: p.Title})
	}
	_, err := s.writeDocument(ctx, stac.RootKey, r)
	return err
}

// Forget takes the link to a job that is removed out of the catalogue. A fault leaves it to the next whole pass.
func (s *Catalogue) Forget(ctx context.Context, r job.Request) {
	ctx = context.WithoutCancel(ctx)
	key := stac.DayKey(string(r.Workflow), r.Created)
	days := map[string]*day{}
	d, err := s.dayOf(ctx, days, string(r.Workflow), r.Created)
	if err == nil {
		if _, linked := d.items[r.ID]; linked {
			delete(d.items, r.ID)
			// A day without jobs goes with the pass that takes it out of its collection.
			_, err = s.writeDocument(ctx, key, d.document())
		}
	}
	if err != nil {
		s.Log.Warn("the catalogue still links to a removed job", "job", r.ID, "error", err)
	}
}

// readDocument reads a JSON object; one that is not there, or damaged, leaves v as it is.
func (s *Catalogue) readDocument(ctx context.Context, key string, v any) error {
	data, err := s.Store.Bucket.ReadAll(ctx, key)
	if gcerrors.Code(err) == gcerrors.NotFound {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", key, err)
	}
	if err := json.Unmarshal(data, v); err != nil {
		s.Log.Warn("a damaged document of the catalogue is made anew", "key", key, "error", err)
	}
	return nil
}

// writeDocument writes a JSON object unless it is there as it is. It reports whether it wrote.
func (s *Catalogue) writeDocument(ctx context.Context, key string, v any) (bool, error) {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return false, fmt.Errorf("encode %s: %w", key, err)
	}
	data = append(data, '\n')
	was, err := s.Store.Bucket.ReadAll(ctx, key)
	if err != nil && gcerrors.Code(err) != gcerrors.NotFound {
		return false, fmt.Errorf("read %s: %w", key, err)
	}
	if err == nil && bytes.Equal(was, data) {
		return false, nil
	}
	if err := s.Store.Bucket.WriteAll(ctx, key, data, &blob.WriterOptions{ContentType: ogc.JSON}); err != nil {
		return false, fmt.Errorf("write %s: %w", key, err)
	}
	return true, nil
}

func (s *Catalogue) deleteDocument(ctx context.Context, key string) error {
	if err := s.Store.Bucket.Delete(ctx, key); err != nil && gcerrors.Code(err) != gcerrors.NotFound {
		return fmt.Errorf("delete %s: %w", key, err)
	}
	return nil
}

// Document serves a document of the static catalogue. Before the first tick it is made now.
func (s *Catalogue) Document(c *gin.Context) {
	ctx, key := c.Request.Context(), stac.RootKey
	if id := c.Param("collection"); id != "" {
		if _, err := s.collectionOf(id, ""); err != nil {
			s.Answer.Problem(c, err)
			return
		}
		key = stac.CollectionKey(id)
		if text := c.Param("day"); text != "" {
			at, err := time.Parse(time.DateOnly, text)
			if err != nil {
				s.Answer.Problem(c, problem.Plain(http.StatusNotFound, fmt.Sprintf("%.20q is no day such as 2026-05-04", text)))
				return
			}
			key = stac.DayKey(id, at)
		}
	}
	data, err := s.Store.Bucket.ReadAll(ctx, key)
	if gcerrors.Code(err) == gcerrors.NotFound {
		var begun bool
		if begun, err = s.Store.Bucket.Exists(ctx, stac.RootKey); err == nil && !begun {
			err = s.Update(ctx)
		}
		if err == nil {
			data, err = s.Store.Bucket.ReadAll(ctx, key)
		}
	}
	if gcerrors.Code(err) == gcerrors.NotFound {
		err = problem.Plain(http.StatusNotFound, "the catalogue has no "+key+"; it is brought up to date every few minutes")
	}
	if err != nil {
		s.Answer.Problem(c, err)
		return
	}
	c.Header("Cache-Control", "no-cache")
	c.Data(http.StatusOK, ogc.JSON, data)
}
