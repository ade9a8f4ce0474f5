// Package joblist reads where jobs stand, and finds them page by page.
package joblist

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sourcegraph/conc"

	"github.com/cyverse-gis/eemt/functions/submission/access"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/param"
)

// Reader reads the records of jobs.
type Reader struct {
	Store job.Store
	Now   func() time.Time
}

const (
	// examined bounds the jobs that one request reads in search of those that match its filter. The next link goes on
	// from there.
	examined = 500
	// AtOnce is how many records are read at a time.
	AtOnce = 16
)

// Status is where a job stands, in sentences that name parameters by their fields. Echo jobs are included: their end is written
// when they are made, and lies in the future while they pause.
func (r Reader) Status(ctx context.Context, id string) (job.Status, error) {
	st, err := r.Store.Glance(ctx, id)
	for i := range st.Findings {
		f := &st.Findings[i]
		f.Message, f.Next = param.AsFields(f.Message), param.AsFields(f.Next)
	}
	if st.End != nil {
		st.End.Reason = param.AsFields(st.End.Reason)
	}
	if err == nil && st.Request.Workflow == param.Echo && st.End != nil && r.Now().Before(st.End.Ended) {
		st.State, st.Started, st.Updated, st.End = job.Running, st.Request.Created, st.Request.Created, nil
	}
	return st, err
}

// Query is what a job list asks for.
type Query struct {
	Cursor string
	Limit  int
	// Words must all be in what a job is known by (searched); a whole id alone is that job.
	Words []string
	// Request filters by what was asked, Match by where a job stands; nil takes all.
	// What Request refuses costs one read.
	Request func(r job.Request) bool
	Match   func(st job.Status) bool
	// After and Before bound the creation; zero means no bound.
	After, Before time.Time
	// owner, if not empty, is whose jobs are wanted, beside those that are shared.
	owner string
}

// List reads a page of jobs, newest first, and the cursor of the next page, which
// is empty at the end of the list. With a filter a page may be short of jobs, and
// still have a next.
//
// The list is that of whoever sent the request of the context: an operator's has all jobs, anybody else's their own and those
// that are shared with their groups.
func (r Reader) List(ctx context.Context, q Query) ([]job.Status, string, error) {
	who := access.From(ctx)
	entries := r.Store.Entries
	if who.Role != access.Operator {
		if who.Owner == "" || who.Job != "" {
			return nil, "", nil
		}
		q.owner = who.Owner
		entries = func(ctx context.Context, cursor string, f func(job.Entry) (bool, error)) error {
			return r.Store.EntriesOf(ctx, who.Owner, who.Groups, r.Now(), cursor, f)
		}
	}
	if len(q.Words) == 1 && job.ValidID(strings.ToUpper(q.Words[0])) {
		return r.one(ctx, strings.ToUpper(q.Words[0]), who, q)
	}
	p := page{reader: r, q: q, next: q.Cursor}
	err := entries(ctx, q.Cursor, func(e job.Entry) (bool, error) { return p.take(ctx, e) })
	if err == nil && !p.full {
		err = p.flush(ctx)
	}
	if err != nil || !p.more {
		p.next = ""
	}
	return p.found, p.next, err
}

// one lists a job by its id, however old it is.
func (r Reader) one(ctx context.Context, id string, who access.Caller, q Query) ([]job.Status, string, error) {
	e := job.Entry{ID: id}
	if q.owner != "" {
		asked, err := r.Store.Request(ctx, id)
		if err == nil && !who.Owns(asked) {
			e.Shared, err = r.Store.SharedWith(ctx, asked, who.Groups, r.Now())
		}
		if err != nil && !errors.Is(err, job.ErrNotFound) && !errors.Is(err, job.ErrDamaged) {
			return nil, "", err
		}
	}
	states, err := r.Statuses(ctx, []job.Entry{e}, q)
	if err != nil || states[0] == nil {
		return nil, "", err
	}
	return []job.Status{*states[0]}, "", nil
}

// page is one while it is filled.
type page struct {
	reader Reader
	q      Query
	found  []job.Status
	// batch are the jobs that are to be read next, together.
	batch []job.Entry
	// looked is how many jobs were read, or are about to be.
	looked int
	// next is the cursor after the last job that was read.
	next string
	// full says that the page has all jobs it may have, more that there may be others.
	full, more bool
}

// take takes one entry of the index. It reports whether the next one is wanted.
func (p *page) take(ctx context.Context, e job.Entry) (bool, error) {
	if !p.q.After.IsZero() && e.Created.Before(p.q.After) {
		return false, nil // older ones follow
	}
	if !p.q.Before.IsZero() && e.Created.After(p.q.Before) {
		return true, nil
	}
	if p.full || p.looked >= max(examined, p.q.Limit) {
		p.more = true
		return false, nil
	}
	p.looked++
	p.batch = append(p.batch, e)
	// A search reads full batches, since few of the jobs match.
	if len(p.batch) == AtOnce || !p.q.filters() && len(p.batch) == p.q.Limit-len(p.found) {
		return true, p.flush(ctx)
	}
	return true, nil
}

// flush reads the jobs of a batch.
func (p *page) flush(ctx context.Context) error {
	states, err := p.reader.Statuses(ctx, p.batch, p.q)
	if err != nil {
		return err
	}
	for i, st := range states {
		if p.full {
			p.more = true
			break
		}
		p.next = p.batch[i].Cursor
		if st == nil {
			continue
		}
		p.found = append(p.found, *st)
		p.full = len(p.found) == p.q.Limit
	}
	p.batch = p.batch[:0]
	return nil
}

// filters reports whether a job may be passed over.
func (q Query) filters() bool {
	return len(q.Words) > 0 || q.Request != nil || q.Match != nil || q.owner != ""
}

// LongestSearch bounds the text of a search, in bytes.
const LongestSearch = 200

// Words splits the text of a search.
func Words(text string) ([]string, error) {
	if len(text) > LongestSearch {
		return nil, fmt.Errorf("q %.40q...: must have at most %d bytes", text, LongestSearch)
	}
	return strings.Fields(strings.ToLower(text)), nil
}

// searched reports whether all words are in the id, the workflow, the name of the DEM or the climate of a job.
func searched(words []string, r job.Request) bool {
	text := strings.ToLower(strings.Join([]string{r.ID, string(r.Workflow), r.DEM.Name, r.Parameters.Climate}, "\n"))
	return !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(text, w) })
}

// Fits reads as much of a job as it takes to tell whether it matches a Query; nil if it does not.
func (r Reader) Fits(ctx context.Context, e job.Entry, q Query) (*job.Status, error) {
	if len(q.Words) > 0 || q.Request != nil || q.owner != "" {
		asked, err := r.Store.Request(ctx, e.ID)
		if err != nil || q.owner != "" && asked.Owner != q.owner && !e.Shared || !searched(q.Words, asked) || q.Request != nil && !q.Request(asked) {
			return nil, err
		}
	}
	st, err := r.Status(ctx, e.ID)
	if err != nil || q.Match != nil && !q.Match(st) {
		return nil, err
	}
	return &st, nil
}

// Statuses reads records side by side; nil stands for a job that is not wanted,
// damaged or gone.
func (r Reader) Statuses(ctx context.Context, entries []job.Entry, q Query) ([]*job.Status, error) {
	states := make([]*job.Status, len(entries))
	errs := make([]error, len(entries))
	var wait conc.WaitGroup
	for i, e := range entries {
		wait.Go(func() {
			st, err := r.Fits(ctx, e, q)
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
