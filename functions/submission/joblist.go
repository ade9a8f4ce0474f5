package submission

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/sourcegraph/conc"

	"github.com/cyverse-gis/eemt/functions/submission/answer"
	"github.com/cyverse-gis/eemt/functions/submission/ogc"
	"github.com/cyverse-gis/eemt/functions/submission/problem"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/param"
)

const (
	// examined bounds how many jobs one request looks at in search of those that
	// its filter wants; the next link goes on from there.
	examined = 500
	// atOnce is how many records are read at a time.
	atOnce = 16
	// mostJobs is the longest page of the job list.
	mostJobs = 200
)

// status is where a job stands, echo jobs included: their end is written when
// they are made, and lies in the future while they pause.
func (s *Service) status(ctx context.Context, id string) (job.Status, error) {
	st, err := s.Store.Glance(ctx, id)
	if err == nil && st.Request.Workflow == param.Echo && st.End != nil && s.Now().Before(st.End.Ended) {
		st.State, st.Started, st.Updated, st.End = job.Running, st.Request.Created, st.Request.Created, nil
	}
	return st, err
}

// listing is what a job list asks for.
type listing struct {
	cursor string
	limit  int
	// words must all be in what a job is known by (searched); a whole id alone is that job.
	words []string
	// request filters by what was asked, match by where a job stands; nil takes all.
	// What request refuses costs one read.
	request func(r job.Request) bool
	match   func(st job.Status) bool
	// after and before bound the creation; zero means no bound.
	after, before time.Time
}

// list reads a page of jobs, newest first, and the cursor of the next page, which
// is empty at the end of the list. With a filter a page may be short of jobs, and
// still have a next.
func (s *Service) list(ctx context.Context, q listing) ([]job.Status, string, error) {
	if len(q.words) == 1 && job.ValidID(strings.ToUpper(q.words[0])) {
		// There is one such job at most, however old.
		states, err := s.statuses(ctx, []job.Entry{{ID: strings.ToUpper(q.words[0])}}, q)
		if err != nil || states[0] == nil {
			return nil, "", err
		}
		return []job.Status{*states[0]}, "", nil
	}
	var found []job.Status
	next, looked := q.cursor, 0
	var batch []job.Entry
	full, more := false, false
	flush := func() error {
		states, err := s.statuses(ctx, batch, q)
		if err != nil {
			return err
		}
		for i, st := range states {
			if full {
				more = true
				break
			}
			next = batch[i].Cursor
			if st == nil {
				continue
			}
			found = append(found, *st)
			full = len(found) == q.limit
		}
		batch = batch[:0]
		return nil
	}
	err := s.Store.Entries(ctx, q.cursor, func(e job.Entry) (bool, error) {
		if !q.after.IsZero() && e.Created.Before(q.after) {
			return false, nil // older ones follow
		}
		if !q.before.IsZero() && e.Created.After(q.before) {
			return true, nil
		}
		if full || looked >= max(examined, q.limit) {
			more = true
			return false, nil
		}
		looked++
		batch = append(batch, e)
		// A search reads on at full width: few of those it looks at fit.
		if len(batch) == atOnce || !q.filters() && len(batch) == q.limit-len(found) {
			return true, flush()
		}
		return true, nil
	})
	if err == nil && !full {
		err = flush()
	}
	if err != nil || !more {
		next = ""
	}
	return found, next, err
}

// filters reports whether a job may be passed over.
func (q listing) filters() bool { return len(q.words) > 0 || q.request != nil || q.match != nil }

// longestSearch bounds the text of a search, in bytes.
const longestSearch = 200

// searchWords splits the text of a search.
func searchWords(text string) ([]string, error) {
	if len(text) > longestSearch {
		return nil, fmt.Errorf("q %.40q...: must have at most %d bytes", text, longestSearch)
	}
	return strings.Fields(strings.ToLower(text)), nil
}

// searched reports whether all words are in the id, the workflow, the name of the DEM or the climate of a job.
func searched(words []string, r job.Request) bool {
	text := strings.ToLower(strings.Join([]string{r.ID, string(r.Workflow), r.DEM.Name, r.Parameters.Climate}, "\n"))
	return !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(text, w) })
}

// fits reads a job as far as it takes to tell whether a listing wants it; nil if it does not.
func (s *Service) fits(ctx context.Context, id string, q listing) (*job.Status, error) {
	if len(q.words) > 0 || q.request != nil {
		r, err := s.Store.Request(ctx, id)
		if err != nil || !searched(q.words, r) || q.request != nil && !q.request(r) {
			return nil, err
		}
	}
	st, err := s.status(ctx, id)
	if err != nil || q.match != nil && !q.match(st) {
		return nil, err
	}
	return &st, nil
}

// statuses reads records side by side; nil stands for a job that is not wanted,
// damaged or gone.
func (s *Service) statuses(ctx context.Context, entries []job.Entry, q listing) ([]*job.Status, error) {
	states := make([]*job.Status, len(entries))
	errs := make([]error, len(entries))
	var wait conc.WaitGroup
	for i, e := range entries {
		wait.Go(func() {
			st, err := s.fits(ctx, e.ID, q)
			switch {
			case errors.Is(err, job.ErrNotFound), errors.Is(err, job.ErrDamaged):
			case err != nil:
				errs[i] = err
			default:
				states[i] = st
			}
		})
	}
	wait.Wait()
	return states, errors.Join(errs...)
}

// getJobList is the job list of the standard.
func (s *Service) getJobList(c *gin.Context) {
	q, err := s.jobQuery(c)
	if err != nil {
		s.answer.Problem(c, err)
		return
	}
	found, next, err := s.list(c.Request.Context(), q)
	if err != nil {
		s.answer.Problem(c, err)
		return
	}
	b := answer.Base(c)
	jobs := []ogc.StatusInfo{}
	for _, st := range found {
		jobs = append(jobs, ogc.Status(st, b))
	}
	self := b + c.Request.URL.RequestURI()
	links := []ogc.Link{
		{Href: self, Rel: "self", Type: ogc.JSON, Title: "this page of the list"},
		{Href: answer.WithQuery(b, c, "f", "html"), Rel: "alternate", Type: ogc.HTML, Title: "this page of the list, to read"},
	}
	if next != "" {
		links = append(links, ogc.Link{Href: answer.WithQuery(b, c, "cursor", next), Rel: "next", Type: ogc.JSON, Title: "older jobs"})
	}
	s.answer.Document(c, http.StatusOK, "Jobs", gin.H{"jobs": jobs, "links": links})
}

func (s *Service) jobQuery(c *gin.Context) (listing, error) {
	q := listing{cursor: c.Query("cursor")}
	if err := answer.Known(c, "limit", "cursor", "q", "type", "processID", "status", "datetime", "minDuration", "maxDuration"); err != nil {
		return q, err
	}
	var err error
	if q.limit, err = answer.Limit(c, 10, mostJobs); err != nil {
		return q, err
	}
	if q.words, err = searchWords(c.Query("q")); err != nil {
		return q, problem.Bad("q", c.Query("q")[:40], fmt.Sprintf("at most %d bytes", longestSearch), err.Error())
	}
	if q.after, q.before, err = parseDatetime(c.Query("datetime")); err != nil {
		return q, err
	}
	lists := map[string][]string{}
	for name, allowed := range map[string][]string{
		"type": {"process"}, "status": {ogc.Accepted, ogc.Running, ogc.Successful, ogc.Failed, ogc.Dismissed}, "processID": nil,
	} {
		for _, v := range answer.List(c.Request.URL.Query(), name) {
			if allowed != nil && !slices.Contains(allowed, v) {
				return q, problem.Bad(name, v, strings.Join(allowed, ", "), fmt.Sprintf("%s %q: must be %s", name, v, strings.Join(allowed, ", ")))
			}
			lists[name] = append(lists[name], v)
		}
	}
	shortest, err := seconds(c, "minDuration", 0)
	if err != nil {
		return q, err
	}
	longest, err := seconds(c, "maxDuration", -1)
	if err != nil {
		return q, err
	}
	if len(lists["processID"]) > 0 {
		q.request = func(r job.Request) bool { return slices.Contains(lists["processID"], string(r.Workflow)) }
	}
	if len(lists["status"]) == 0 && shortest == 0 && longest < 0 {
		return q, nil
	}
	now := s.Now()
	q.match = func(st job.Status) bool {
		took := duration(st, now)
		return (len(lists["status"]) == 0 || slices.Contains(lists["status"], ogc.StateOf(st.State))) &&
			took >= shortest && (longest < 0 || took <= longest)
	}
	return q, nil
}

// duration is how long a job has run, or ran.
func duration(st job.Status, now time.Time) time.Duration {
	switch {
	case st.Started.IsZero():
		return 0
	case st.End != nil:
		return st.End.Ended.Sub(st.Started)
	}
	return now.Sub(st.Started)
}

func seconds(c *gin.Context, name string, usual time.Duration) (time.Duration, error) {
	text, given := c.GetQuery(name)
	if !given {
		return usual, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > 1<<30 {
		return 0, problem.Bad(name, text, "seconds, 0 or more", fmt.Sprintf("%s %q: must be a number of seconds, 0 or more", name, text))
	}
	return time.Duration(n) * time.Second, nil
}

// parseDatetime reads a time or an interval of times, open at .. (RFC 3339,
// section 5.6, as OGC API - Processes, 13.2.4 has it).
func parseDatetime(text string) (after, before time.Time, err error) {
	if text == "" {
		return after, before, nil
	}
	bad := problem.Bad("datetime", text, "a time such as 2026-05-04T12:00:00Z, or an interval such as 2026-05-01T00:00:00Z/..",
		fmt.Sprintf("datetime %q: must be a time such as 2026-05-04T12:00:00Z, or an interval such as 2026-05-01T00:00:00Z/..", text))
	start, end, interval := strings.Cut(text, "/")
	if !interval {
		at, err := time.Parse(time.RFC3339, text)
		if err != nil {
			return after, before, bad
		}
		// A second, since nobody knows the fraction of another's clock.
		return at, at.Add(time.Second - time.Nanosecond), nil
	}
	if start != "" && start != ".." {
		if after, err = time.Parse(time.RFC3339, start); err != nil {
			return after, before, bad
		}
	}
	if end != "" && end != ".." {
		if before, err = time.Parse(time.RFC3339, end); err != nil {
			return after, before, bad
		}
	}
	if !after.IsZero() && !before.IsZero() && before.Before(after) {
		return after, before, bad
	}
	return after, before, nil
}

func (s *Service) getStatus(c *gin.Context) {
	st, err := s.status(c.Request.Context(), c.Param("id"))
	if err != nil {
		s.answer.Problem(c, err)
		return
	}
	s.answer.Document(c, http.StatusOK, "Job "+st.Request.ID, ogc.Status(st, answer.Base(c)))
}

// letGo drops what is kept of a removed job outside of its own records.
func (s *Service) letGo(ctx context.Context, r job.Request) {
	s.tiles.forget(r.ID)
	s.forgetItem(ctx, r)
}

// dismiss cancels a job that goes on, and removes one that has ended.
func (s *Service) dismiss(c *gin.Context) {
	ctx, id := c.Request.Context(), c.Param("id")
	st, err := s.status(ctx, id)
	if err == nil && (st.Ended() || st.Request.Workflow == param.Echo) {
		_, err = s.Store.RemoveAll(ctx, st.Request, false)
		s.letGo(ctx, st.Request)
		st.State = job.Cancelled
		if st.End == nil {
			st.End = &job.End{State: job.Cancelled, Ended: s.Now().UTC()}
		}
		st.End.Reason = "dismissed: the job and its results are removed"
	} else if err == nil {
		var after job.Status
		// A job that ended meanwhile keeps its end; dismissing again removes it.
		if after, err = s.Cancel(ctx, id); err == nil || errors.Is(err, problem.ErrInvalid) {
			st, err = after, nil
		}
	}
	if err != nil {
		s.answer.Problem(c, err)
		return
	}
	info := ogc.Status(st, answer.Base(c))
	if !st.Ended() || st.State != job.Cancelled {
		s.answer.Document(c, http.StatusOK, "Job "+id, info)
		return
	}
	info.Links = []ogc.Link{{Href: answer.Base(c) + "/jobs", Rel: "up", Type: ogc.JSON, Title: "all jobs"}}
	s.answer.Document(c, http.StatusOK, "Job "+id, info)
}
