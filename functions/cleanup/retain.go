package cleanup

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"gocloud.dev/blob"

	"github.com/cyverse-gis/eemt/eventing"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/job/inuse"
)

// abandoned is how long something that belongs to no job may lie untouched before it goes.
const abandoned = 24 * time.Hour

// maxOrphans is how many objects of no job one pass removes at most.
const maxOrphans = 10000

// Report is what one retention pass did; JSON names are those of the old cleaner
// as far as it had them.
type Report struct {
	Start      time.Time `json:"start_time"`
	End        time.Time `json:"end_time"`
	DryRun     bool      `json:"dry_run"`
	Successful int       `json:"successful_jobs_processed"`
	Failed     int       `json:"failed_jobs_processed"`
	// FreedMB is in MiB, that of orphans included.
	FreedMB   float64  `json:"total_size_freed_mb"`
	Preserved int      `json:"configs_preserved"`
	Deleted   int      `json:"configs_deleted"`
	Errors    []string `json:"errors"`
	Details   []Detail `json:"job_details"`
	// Remaining is how many jobs were due beyond the batch: the next pass removes them.
	Remaining int `json:"remaining_jobs"`
	// Pinned is how many jobs would have been due without their pin.
	Pinned int `json:"pinned_jobs"`
	// Reindexed are jobs that the list had lost, and has again.
	Reindexed []string `json:"jobs_listed_again,omitempty"`
	// Orphans are objects of no job: what goes of uploads that were never submitted or
	// never finished, of removals that were interrupted, of writers that died.
	Orphans []Orphan `json:"orphans"`
	// Cached are objects of the cache that nobody used any more.
	Cached []Orphan `json:"cache_objects"`
}

// Detail is what happened to one job.
type Detail struct {
	JobID           string    `json:"job_id"`
	Status          job.State `json:"status"`
	Completed       time.Time `json:"completed_at"`
	DataDeleted     bool      `json:"data_deleted"`
	ConfigPreserved bool      `json:"config_preserved"`
	Files           int       `json:"files_deleted"`
	SizeMB          float64   `json:"size_freed_mb"`
	// Objects are the first of what went, or would go.
	Objects []string `json:"objects"`
	Errors  []string `json:"errors"`
}

// Orphan is an object that belongs to no job, or to the cache.
type Orphan struct {
	Object string `json:"object"`
	Bytes  int64  `json:"bytes"`
}

// pass is one pass of retention.
type pass struct {
	*Service
	now    time.Time
	report *Report
}

// Retain removes the data of jobs that ended longer ago than they are kept, then
// what belongs to no job. It writes its report to cleanup/ and announces it, also when
// it is interrupted: what is left is found by the next pass. A job that cannot be
// removed is reported, and tried again by the next pass.
func (s *Service) Retain(ctx context.Context) (Report, error) {
	now := s.Now().UTC()
	r := Report{Start: now, DryRun: s.Policy.DryRun, Errors: []string{}, Details: []Detail{}, Orphans: []Orphan{}, Cached: []Orphan{}}
	p := pass{Service: s, now: now, report: &r}
	err := p.run(ctx)
	r.End = s.Now().UTC()
	if err != nil {
		r.Errors = append(r.Errors, "the pass was interrupted: "+err.Error())
	}
	s.Log.Info("retention done", "completed", r.Successful, "failed", r.Failed, "orphans", len(r.Orphans), "cached", len(r.Cached), "freed_mb", r.FreedMB,
		"remaining", r.Remaining, "errors", len(r.Errors), "dry_run", r.DryRun)
	return r, errors.Join(err, s.publish(ctx, r))
}

// last is how long a pass whose context has ended may take to say what it did.
const last = 10 * time.Second

// publish stores and announces a report.
func (s *Service) publish(ctx context.Context, r Report) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), last)
	defer cancel()
	// Two passes of the same second have a report each.
	for n := 1; ; n++ {
		key := "cleanup/cleanup_summary_" + r.Start.Format("20060102_150405")
		if n > 1 {
			key += fmt.Sprintf("_%d", n)
		}
		if won, err := s.Store.WriteOnce(ctx, key+".json", r); err != nil {
			return err
		} else if won {
			break
		}
	}
	done := eventing.Cleanup{Task: eventing.TaskRetention, Removed: r.Successful + r.Failed}
	if r.DryRun {
		done.Removed = 0
	}
	return s.Events.Publish(ctx, eventing.NewCleanupCompleted(Source, done, r.End))
}

func (p pass) run(ctx context.Context) error {
	batch := p.Policy.Batch
	if batch <= 0 {
		batch = DefaultBatch
	}
	f := findings{pass: p, batch: batch}
	survey, err := inuse.Look(ctx, p.Store, func(id string, st job.Status, err error) error { return f.add(ctx, id, st, err) })
	if err != nil {
		return err
	}
	slices.Sort(p.report.Errors)
	if len(f.due) > batch {
		p.report.Remaining += len(f.due) - batch
	}
	m := inuse.Remover{Store: p.Store, Uses: survey.Uses, Dry: p.Policy.DryRun, Said: map[string]bool{}}
	if survey.Blind {
		m.Uses = nil
	}
	for _, st := range oldest(f.due, batch) {
		p.remove(ctx, m, st)
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	if err := p.ownerless(ctx, m, survey, f.leftovers); err != nil && !errors.Is(err, errFull) {
		return err
	}
	if !survey.Blind {
		if err := p.cached(ctx, m); err != nil {
			return err
		}
	}
	return p.partial(ctx)
}

// findings are the jobs that a pass has something to do for.
type findings struct {
	pass  pass
	batch int
	// due are the jobs that are to be removed, twice the batch at most, so that memory does not grow with them; leftovers the
	// ids of jobs of which work files are left, a batch at most.
	due       []job.Status
	leftovers []string
}

// add takes a job into account; err says that it cannot be read.
func (f *findings) add(ctx context.Context, id string, st job.Status, err error) error {
	p := f.pass
	switch {
	case err != nil:
		p.report.Errors = append(p.report.Errors, fmt.Sprintf("job %s: %v", id, err))
		return nil
	case p.due(st):
		if f.due = append(f.due, st); len(f.due) >= 2*f.batch {
			p.report.Remaining += len(f.due) - f.batch
			f.due = oldest(f.due, f.batch)
		}
		return nil
	case st.Pin.Pinned:
		st.Pin.Pinned = false
		if p.due(st) {
			p.report.Pinned++
		}
		if st.Removing && !p.Policy.DryRun {
			return p.Store.EndOldRemoval(ctx, id, p.now.Add(-abandoned))
		}
	case st.Expired != nil && st.Removing && !p.Policy.DryRun:
		return p.Store.EndRemoval(ctx, id)
	}
	if p.leavesWork(st) && len(f.leftovers) < f.batch {
		f.leftovers = append(f.leftovers, id)
	}
	return nil
}

// leavesWork reports whether work files are left of a job that completed long ago, and stays.
func (p pass) leavesWork(st job.Status) bool {
	return st.State == job.Completed && st.Leftovers && st.Expired == nil && !p.due(st) && p.now.Sub(st.End.Ended) >= abandoned
}

// partial removes what writers that died left of objects that never appeared.
func (p pass) partial(ctx context.Context) error {
	if p.Partial == nil {
		return nil
	}
	err := p.Partial(ctx, p.now.Add(-abandoned), p.Policy.DryRun, func(name string, bytes int64) {
		p.orphan(inuse.Removed{Objects: 1, Bytes: bytes, Keys: []string{name}})
	})
	if err != nil && ctx.Err() == nil {
		// A store that has no such listing, or does not allow it, is no reason to begin the pass again.
		p.report.Errors = append(p.report.Errors, fmt.Sprintf("unfinished objects: %v", err))
		return nil
	}
	return err
}

// errFull says that a pass has removed as many objects of no job as it may.
var errFull = errors.New("the next pass continues")

// ownerless removes what jobs that have ended left over, what belongs to no job, and what
// uploads left that nobody went on with.
func (p pass) ownerless(ctx context.Context, m inuse.Remover, survey *inuse.Survey, leftovers []string) error {
	for _, id := range leftovers {
		err := inuse.Leftovers(ctx, p.Store, id, func(o *blob.ListObject) error { return p.removeOrphan(ctx, m, o) })
		if err != nil {
			return err
		}
	}
	if err := p.orphans(ctx, m, survey); err != nil {
		return err
	}
	return p.incoming(ctx, m)
}

// oldest returns the n jobs that ended first.
func oldest(jobs []job.Status, n int) []job.Status {
	slices.SortFunc(jobs, func(a, b job.Status) int { return a.End.Ended.Compare(b.End.Ended) })
	return jobs[:min(n, len(jobs))]
}

// due reports whether retention removes something of the job.
func (p pass) due(st job.Status) bool {
	until, ok := p.Policy.Until(st)
	return ok && !p.now.Before(until)
}

func (p pass) remove(ctx context.Context, m inuse.Remover, st job.Status) {
	r, id := p.report, st.Request.ID
	if !m.Dry {
		// Somebody may have pinned it since it was looked at.
		goes, err := p.Store.BeginRemoval(ctx, id, p.now, func(k job.Pin) bool {
			st.Pin = k
			return p.due(st)
		})
		if err != nil {
			r.Errors = append(r.Errors, fmt.Sprintf("job %s: %v", id, err))
		}
		if err != nil || !goes {
			return
		}
	}
	d := Detail{JobID: id, Status: st.State, Completed: st.End.Ended, Errors: []string{}}
	var gone inuse.Removed
	var err error
	if st.State == job.Completed {
		r.Successful++
		r.Preserved++
		d.ConfigPreserved = true
		gone, err = m.Data(ctx, st.Request)
		if err == nil && !m.Dry {
			err = p.Store.WriteExpired(ctx, id, p.now)
		}
		if err == nil && !m.Dry {
			err = p.Store.EndRemoval(ctx, id)
		}
	} else {
		r.Failed++
		r.Deleted++
		gone, err = m.All(ctx, st.Request)
	}
	d.Files, d.SizeMB, d.Objects = gone.Objects, mebibytes(gone.Bytes), gone.Keys
	d.DataDeleted = err == nil && !m.Dry
	r.FreedMB += d.SizeMB
	if err != nil {
		d.Errors = append(d.Errors, err.Error())
		r.Errors = append(r.Errors, fmt.Sprintf("job %s: %v", id, err))
	}
	r.Details = append(r.Details, d)
}

func mebibytes(n int64) float64 { return float64(n) / (1 << 20) }

// orphans removes what belongs to no job.
func (p pass) orphans(ctx context.Context, m inuse.Remover, survey *inuse.Survey) error {
	return survey.Orphans(ctx, p.now.Add(-abandoned), m.Dry, func(o *blob.ListObject) error {
		return p.removeOrphan(ctx, m, o)
	}, func(id string) error {
		if !m.Dry {
			if err := inuse.Reindex(ctx, p.Store, id); err != nil {
				p.report.Errors = append(p.report.Errors, fmt.Sprintf("job %s is not listed: %v", id, err))
				return ctx.Err()
			}
		}
		p.report.Reindexed = append(p.report.Reindexed, id)
		return nil
	})
}

// folders calls f with the objects below prefix, those of one folder at a time. folder is the part of a key that they have
// in common.
func (p pass) folders(ctx context.Context, prefix string, folder func(key string) string, f func([]*blob.ListObject) error) error {
	var objects []*blob.ListObject
	err := p.Store.Objects(ctx, prefix, func(o *blob.ListObject) error {
		if len(objects) > 0 && folder(o.Key) != folder(objects[0].Key) {
			if err := f(objects); err != nil {
				return err
			}
			objects = nil
		}
		objects = append(objects, o)
		return nil
	})
	if err != nil || len(objects) == 0 {
		return err
	}
	return f(objects)
}

// untouched reports whether nobody wrote any of the objects since before.
func untouched(objects []*blob.ListObject, before time.Time) bool {
	return !slices.ContainsFunc(objects, func(o *blob.ListObject) bool { return !o.ModTime.Before(before) })
}

// removeOrphan removes an object of no job. One that cannot be removed is reported.
func (p pass) removeOrphan(ctx context.Context, m inuse.Remover, o *blob.ListObject) error {
	if m.Dry && m.Said[o.Key] { // it would have gone with its job
		return nil
	}
	if len(p.report.Orphans) >= maxOrphans {
		return errFull
	}
	gone, err := m.Object(ctx, o)
	if err != nil {
		p.report.Errors = append(p.report.Errors, err.Error())
		return ctx.Err()
	}
	p.orphan(gone)
	return nil
}

func (p pass) orphan(gone inuse.Removed) {
	p.report.FreedMB += mebibytes(gone.Bytes)
	for _, key := range gone.Keys {
		p.report.Orphans = append(p.report.Orphans, Orphan{Object: key, Bytes: gone.Bytes})
	}
}
