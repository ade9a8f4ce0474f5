package inuse

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"

	"github.com/cyverse-gis/eemt/shared/job"
)

// Removed is what a removal deleted, or would delete.
type Removed struct {
	Objects int
	Bytes   int64
	// Keys are the first of them, at most MaxKeys.
	Keys []string
}

// MaxKeys bounds Removed.Keys.
const MaxKeys = 10000

// Uses says which jobs need an input: the object under inputs/ to the ids of the
// jobs that read it and have their data.
type Uses map[string]map[string]bool

// Add notes what a job needs; nothing when its data are gone.
func (u Uses) Add(r job.Request, expired bool) {
	if expired {
		return
	}
	for _, key := range r.Inputs() {
		if u[key] == nil {
			u[key] = map[string]bool{}
		}
		u[key][r.ID] = true
	}
}

// drop forgets a job, and returns the inputs that nobody needs without it.
func (u Uses) drop(r job.Request) []string {
	var free []string
	for _, key := range r.Inputs() {
		delete(u[key], r.ID)
		if len(u[key]) == 0 {
			delete(u, key)
			free = append(free, key)
		}
	}
	return free
}

// usesOf looks through all jobs.
func usesOf(ctx context.Context, s job.Store) (Uses, error) {
	u := Uses{}
	err := s.List(ctx, func(id string) (bool, error) {
		r, err := s.Request(ctx, id)
		if errors.Is(err, job.ErrNotFound) || errors.Is(err, job.ErrDamaged) { // such a job reads nothing any more
			return true, nil
		}
		if err != nil {
			return false, err
		}
		if len(r.Inputs()) == 0 {
			return true, nil
		}
		expired, err := s.Bucket.Exists(ctx, job.Prefix(id)+"expired.json")
		if err == nil {
			u.Add(r, expired)
		}
		return true, err
	})
	return u, err
}

// Remover removes jobs one after the other.
type Remover struct {
	Store job.Store
	// Uses are what all jobs need. Nil: the marks of uses tell; where there are none it
	// looks through all jobs each time.
	Uses Uses
	// Dry only counts.
	Dry bool
	// Said is what a dry run has counted so far: the ids of jobs, whose marks then say
	// nothing more, and the files under inputs/ that went with them. May be nil.
	Said map[string]bool
}

// say notes what a dry run has counted.
func (m Remover) say(what string) {
	if m.Dry && m.Said != nil {
		m.Said[what] = true
	}
}

// data calls f for the data of a job: all but the records that outlive them.
func data(ctx context.Context, s job.Store, id string, f func(o *blob.ListObject) error) error {
	keep := map[string]bool{}
	for _, name := range []string{"job.json", "plan.json", "end.json", "announced.json", "pin.json", "removing.json", "expired.json", "results/report.json"} {
		keep[job.Prefix(id)+name] = true
	}
	return s.Objects(ctx, job.Prefix(id), func(o *blob.ListObject) error {
		if keep[o.Key] {
			return nil
		}
		return f(o)
	})
}

// Leftovers calls f with the work files and notes of attempts of a job, which nobody needs
// when it has ended.
func Leftovers(ctx context.Context, s job.Store, id string, f func(o *blob.ListObject) error) error {
	for _, folder := range []string{"work/", "attempts/"} {
		if err := s.Objects(ctx, job.Prefix(id)+folder, f); err != nil {
			return err
		}
	}
	return nil
}

// Data deletes the data of a job and the uploaded files that it alone needs; the records stay.
func (m Remover) Data(ctx context.Context, r job.Request) (Removed, error) {
	var gone Removed
	err := data(ctx, m.Store, r.ID, func(o *blob.ListObject) error { return m.delete(ctx, o.Key, o.Size, &gone) })
	if err == nil {
		err = m.inputs(ctx, r, &gone)
	}
	if err == nil {
		err = m.giveBack(ctx, r)
	}
	return gone, err
}

// giveBack counts the data of a job no longer against its owner.
func (m Remover) giveBack(ctx context.Context, r job.Request) error {
	if m.Dry || r.StoredPrefix() == "" {
		return nil
	}
	return m.Store.Objects(ctx, r.StoredPrefix(), func(o *blob.ListObject) error { return m.Store.Drop(ctx, o.Key) })
}

// All deletes everything of a job, in an order in which an interruption neither
// hides what is left nor makes the job look as if it went on: the data, the
// request, the end, the index entry.
func (m Remover) All(ctx context.Context, r job.Request) (Removed, error) {
	var gone Removed
	if !m.Dry {
		if err := m.Store.DropEqual(ctx, r.ID, r.Equal); err != nil {
			return gone, err
		}
	}
	if err := m.inputs(ctx, r, &gone); err != nil {
		return gone, err
	}
	last := map[string]int64{}
	for _, name := range lastRecords {
		last[job.Prefix(r.ID)+name] = -1
	}
	err := m.Store.Objects(ctx, job.Prefix(r.ID), func(o *blob.ListObject) error {
		if _, ok := last[o.Key]; ok {
			last[o.Key] = o.Size
			return nil
		}
		return m.delete(ctx, o.Key, o.Size, &gone)
	})
	if err != nil {
		return gone, err
	}
	for _, name := range lastRecords {
		key := job.Prefix(r.ID) + name
		if last[key] < 0 {
			continue
		}
		if err := m.delete(ctx, key, last[key], &gone); err != nil {
			return gone, err
		}
	}
	if err := m.giveBack(ctx, r); err != nil { // when a count that begins now finds no job
		return gone, err
	}
	for _, key := range slices.Backward(r.IndexKeys()) {
		if err := m.delete(ctx, key, 0, &gone); err != nil {
			return gone, err
		}
	}
	return gone, nil
}

// lastRecords go after everything else of a job, in this order. While job.json is
// there end.json says that the job does not go on.
var lastRecords = []string{"job.json", "end.json", "pin.json", "removing.json"}

// Object deletes one object that belongs to no job.
func (m Remover) Object(ctx context.Context, o *blob.ListObject) (Removed, error) {
	var gone Removed
	return gone, m.delete(ctx, o.Key, o.Size, &gone)
}

func (m Remover) delete(ctx context.Context, key string, size int64, gone *Removed) error {
	if !m.Dry {
		err := m.Store.Bucket.Delete(ctx, key)
		if gcerrors.Code(err) == gcerrors.NotFound {
			return nil
		}
		if err != nil {
			return fmt.Errorf("delete %s: %w", key, err)
		}
	}
	gone.Objects++
	gone.Bytes += size
	if len(gone.Keys) < MaxKeys {
		gone.Keys = append(gone.Keys, key)
	}
	return nil
}
