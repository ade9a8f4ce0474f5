package inuse

import (
	"context"
	"errors"
	"io"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"gocloud.dev/blob"
	"golang.org/x/sync/errgroup"

	"github.com/cyverse-gis/eemt/shared/job"
)

// atOnce is how many jobs a survey looks at at a time: each is a handful of requests that wait for the bucket.
const atOnce = 16

// Survey is what one look through the bucket found of its jobs.
type Survey struct {
	// Uses are the inputs that jobs with data need.
	Uses Uses
	// Blind says that a job could not be read for a passing reason: Uses may lack what it needs.
	Blind bool
	store job.Store
	// entries are the index entries of each job.
	entries map[string]*blob.ListObject
	jobs    map[string]bool
	// equal are the objects by which jobs that have their data are found by their work.
	equal map[string]bool
}

// Look looks at every job of the index. It calls f, one call at a time and in no
// particular order, with the status of those that still have data; with an error
// where a job cannot be read. An error of f ends it.
func Look(ctx context.Context, s job.Store, f func(id string, st job.Status, err error) error) (*Survey, error) {
	v := &Survey{Uses: Uses{}, store: s, entries: map[string]*blob.ListObject{}, jobs: map[string]bool{}, equal: map[string]bool{}}
	return v, v.look(ctx, f)
}

// look looks at the jobs that the survey has not seen.
func (v *Survey) look(ctx context.Context, f func(id string, st job.Status, err error) error) error {
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	err := v.store.Index(ctx, func(id string, o *blob.ListObject) (bool, error) {
		mu.Lock()
		known := v.jobs[id]
		v.entries[id] = o
		mu.Unlock()
		if known {
			return true, nil
		}
		g.Go(func() error {
			there, err := v.store.Records(ctx, id)
			if err == nil && !there["job.json"] {
				return nil // being made, or what an interruption left
			}
			var st job.Status
			finished := err == nil && there["expired.json"] && !there["removing.json"]
			if err == nil && !finished {
				st, err = v.store.Status(ctx, id)
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if errors.Is(err, job.ErrNotFound) {
				return nil // removed meanwhile
			}
			mu.Lock()
			defer mu.Unlock()
			v.jobs[id] = true
			if finished {
				return nil
			}
			if err == nil {
				v.Uses.Add(st.Request, st.Expired != nil)
				v.equal[st.Request.Equal] = true
			}
			v.Blind = v.Blind || err != nil && !errors.Is(err, job.ErrDamaged) // a damaged job reads nothing any more
			return f(id, st, err)
		})
		return ctx.Err() == nil, nil
	})
	if waited := g.Wait(); waited != nil {
		return waited
	}
	return err
}

// Orphans calls f with the objects that no job accounts for and nobody wrote since
// before: uploads that were never submitted, and what interrupted removals,
// submissions and imports left of jobs without job.json, index entries last. It calls
// lost with the ids of jobs that the index lacks. With dry set f only tells of them.
func (v *Survey) Orphans(ctx context.Context, before time.Time, dry bool, f func(o *blob.ListObject) error, lost func(id string) error) error {
	// A job that came since the survey may use what nobody used then.
	err := v.look(ctx, func(string, job.Status, error) error { return nil })
	if err != nil {
		return err
	}
	folders, err := v.folders(ctx)
	if err != nil {
		return err
	}
	for _, id := range folders {
		if err := v.remains(ctx, id, before, f, lost); err != nil {
			return err
		}
	}
	if v.Blind {
		return nil
	}
	if err := marks(ctx, v.store, v.jobs, before, f); err != nil {
		return err
	}
	owned := func(key string) bool {
		_, id, _ := strings.Cut(path.Base(key), "-")
		return v.jobs[id]
	}
	if err := v.unknown(ctx, job.OwnersPrefix, owned, before, f); err != nil {
		return err
	}
	if err := v.unknown(ctx, job.EqualPrefix, func(key string) bool { return v.equal[key] }, before, f); err != nil {
		return err
	}
	shared := func(key string) bool {
		id, until := job.GroupEntry(key)
		return v.jobs[id] && !until.Before(before)
	}
	if err := v.unknown(ctx, job.GroupsPrefix, shared, before, f); err != nil {
		return err
	}
	stored := func(key string) bool {
		id := job.StoredJob(key)
		return id == "" || v.jobs[id]
	}
	if err := v.unknown(ctx, job.QuotaPrefix, stored, before, f); err != nil {
		return err
	}
	return v.store.Objects(ctx, job.InputPrefix, func(o *blob.ListObject) error {
		if len(v.Uses[o.Key]) > 0 || !o.ModTime.Before(before) {
			return nil
		}
		if !markedInput.MatchString(o.Key) {
			return f(o)
		}
		// A job may have come by now.
		if goes, err := claim(ctx, v.store, o.Key, "retention", dry, nil); err != nil || !goes {
			return err
		}
		if err := f(o); err != nil || dry {
			return err
		}
		return v.store.Drop(ctx, marksOf(o.Key)+claimName)
	})
}

// unknown calls f with old entries of an index whose jobs are gone.
func (v *Survey) unknown(ctx context.Context, prefix string, known func(key string) bool, before time.Time, f func(o *blob.ListObject) error) error {
	return v.store.Objects(ctx, prefix, func(o *blob.ListObject) error {
		if known(o.Key) || !o.ModTime.Before(before) {
			return nil
		}
		return f(o)
	})
}

// folders lists the ids, in order, that have something under jobs/ or an index entry, and no job.
func (v *Survey) folders(ctx context.Context) ([]string, error) {
	var ids []string
	for id := range v.entries {
		if !v.jobs[id] {
			ids = append(ids, id)
		}
	}
	const prefix = "jobs/"
	it := v.store.Bucket.List(&blob.ListOptions{Prefix: prefix, Delimiter: "/"})
	for {
		o, err := it.Next(ctx)
		if errors.Is(err, io.EOF) {
			slices.Sort(ids)
			return ids, nil
		}
		if err != nil {
			return nil, err
		}
		id := strings.Trim(strings.TrimPrefix(o.Key, prefix), "/")
		if job.ValidID(id) && !v.jobs[id] && v.entries[id] == nil {
			ids = append(ids, id)
		}
	}
}

// remains calls f with what is left of a job without job.json, unless some of it is young.
func (v *Survey) remains(ctx context.Context, id string, before time.Time, f func(o *blob.ListObject) error, lost func(id string) error) error {
	var objects []*blob.ListObject
	young, whole, going := false, false, false
	err := v.store.Objects(ctx, job.Prefix(id), func(o *blob.ListObject) error {
		young = young || !o.ModTime.Before(before)
		whole = whole || o.Key == job.Prefix(id)+"job.json"
		going = going || o.Key == job.Prefix(id)+"removing.json" // a removal that goes on waits for nothing
		if len(objects) < MaxKeys {                              // the next pass finds the others
			objects = append(objects, o)
		}
		return nil
	})
	if err != nil {
		return err
	}
	entry := v.entries[id]
	if whole {
		return v.found(ctx, id, lost)
	}
	if entry != nil {
		young = young || !entry.ModTime.Before(before)
		objects = append(objects, entry)
	}
	if young && !going {
		return nil
	}
	for _, o := range objects {
		if err := f(o); err != nil {
			return err
		}
	}
	return nil
}

// found takes a job into account that the survey has not seen. It calls lost with its id where the index lacks it.
func (v *Survey) found(ctx context.Context, id string, lost func(id string) error) error {
	r, err := v.store.Request(ctx, id)
	if err == nil {
		v.Uses.Add(r, false)
		v.equal[r.Equal] = true
	} else if !errors.Is(err, job.ErrNotFound) && !errors.Is(err, job.ErrDamaged) {
		v.Blind = true
	}
	if err != nil || v.entries[id] != nil { // it came since
		return ctx.Err()
	}
	return lost(id)
}

// Reindex writes the index entry of a job again, and marks what it uses.
func Reindex(ctx context.Context, s job.Store, id string) error {
	r, err := s.Request(ctx, id)
	if err != nil {
		return err
	}
	if err := mark(ctx, s, r.ID, r.Inputs()); err != nil {
		return err
	}
	return s.PutIndex(ctx, r)
}
