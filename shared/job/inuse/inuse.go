// Package inuse knows which jobs need a file under inputs/, finds what belongs to no job, and removes jobs.
package inuse

import (
	"context"
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"

	"github.com/cyverse-gis/eemt/shared/job"
)

// A job that reads a file under inputs/ leaves a mark before its record: the empty
// object inputs-used/NAME/JOB. So whoever removes a job learns from one short listing
// whether another needs the file. Names with -1 after the id are of files that only jobs
// with marks use; for others all jobs are looked at.
const usedPrefix = "inputs-used/"

// claimName is, beside the marks, the object that says that a file is being removed.
const claimName = "removing"

var markedInput = regexp.MustCompile(`^` + job.InputPrefix + `[0-9A-HJKMNP-TV-Z]{26}-1(-[0-9a-f]{16})?_`)

func marksOf(input string) string {
	return usedPrefix + strings.TrimPrefix(input, job.InputPrefix) + "/"
}

// ErrInputGone says that a file was removed, or is about to be.
var ErrInputGone = errors.New("it is removed with the job that used it: upload it again")

// Use marks the files under inputs/ that a job will read, before its record is written.
// ErrInputGone: one of them is no more, or will not be for long.
func Use(ctx context.Context, s job.Store, r job.Request) error {
	return UseFiles(ctx, s, r.ID, r.Inputs())
}

// UseFiles is Use for some of the files of a job: those that are left where another is gone for good.
func UseFiles(ctx context.Context, s job.Store, id string, keys []string) error {
	if err := mark(ctx, s, id, keys); err != nil {
		return err
	}
	for _, key := range keys {
		if !markedInput.MatchString(key) {
			continue
		}
		// Who removes the file claims it, then looks for marks: of two at the same time at
		// least one sees the other.
		claimed, err := s.Bucket.Exists(ctx, marksOf(key)+claimName)
		there := false
		if err == nil && !claimed {
			there, err = s.Bucket.Exists(ctx, key)
		}
		if err != nil {
			return fmt.Errorf("look for %s: %w", key, err)
		}
		if !there {
			return fmt.Errorf("file %s: %w", strings.TrimPrefix(key, job.InputPrefix), errors.Join(ErrInputGone, unmark(ctx, s, id, keys)))
		}
	}
	return nil
}

func mark(ctx context.Context, s job.Store, id string, keys []string) error {
	for _, key := range keys {
		if !markedInput.MatchString(key) {
			continue
		}
		if err := s.Bucket.WriteAll(ctx, marksOf(key)+id, nil, nil); err != nil {
			return fmt.Errorf("mark the use of %s: %w", key, err)
		}
	}
	return nil
}

// marks calls f with the marks and claims that say nothing any more: of jobs that are
// not among jobs, and nobody touched since before.
func marks(ctx context.Context, s job.Store, jobs map[string]bool, before time.Time, f func(o *blob.ListObject) error) error {
	return s.Objects(ctx, usedPrefix, func(o *blob.ListObject) error {
		if jobs[path.Base(o.Key)] || !o.ModTime.Before(before) {
			return nil
		}
		return f(o)
	})
}

func unmark(ctx context.Context, s job.Store, id string, keys []string) error {
	for _, key := range keys {
		if !markedInput.MatchString(key) {
			continue
		}
		if err := s.Drop(ctx, marksOf(key)+id); err != nil {
			return err
		}
	}
	return nil
}

// claimed is inputs-used/NAME/removing.
type claimed struct {
	By string `json:"by"`
}

// claim says that a file is about to be removed on behalf of a job, or of retention, and
// reports whether it may be: nobody else uses it, or claims it; the marks of jobs that a
// dry run said would go do not count. What two claim at a time stays until retention
// finds that it belongs to no job.
func claim(ctx context.Context, s job.Store, input, by string, dry bool, said map[string]bool) (bool, error) {
	key := marksOf(input) + claimName
	if !dry {
		if first, err := writeClaim(ctx, s, key, by); err != nil || !first {
			return false, err
		}
	}
	used := false
	err := s.Objects(ctx, marksOf(input), func(o *blob.ListObject) error {
		name := strings.TrimPrefix(o.Key, marksOf(input))
		used = used || name != claimName && name != by && !said[name]
		return nil
	})
	if err == nil && used && !dry {
		err = s.Drop(ctx, key)
	}
	return err == nil && !used, err
}

// writeClaim writes a claim, and reports whether it stands: nobody else wrote one before.
func writeClaim(ctx context.Context, s job.Store, key, by string) (bool, error) {
	won, err := s.WriteOnce(ctx, key, claimed{By: by})
	if err != nil || won {
		return won, err
	}
	var other claimed
	err = s.Read(ctx, key, &other)
	switch {
	case errors.Is(err, job.ErrNotFound), err == nil && other.By != by:
		return false, nil
	case err != nil && !errors.Is(err, job.ErrDamaged):
		return false, err
	}
	return true, nil
}

// inputs deletes the uploaded files of a job unless a job that still has its data
// shares them.
func (m Remover) inputs(ctx context.Context, r job.Request, gone *Removed) error {
	keys := slices.Compact(slices.Sorted(slices.Values(r.Inputs())))
	uses := m.Uses
	if uses == nil && slices.ContainsFunc(keys, func(key string) bool { return !markedInput.MatchString(key) }) {
		var err error
		if uses, err = usesOf(ctx, m.Store); err != nil {
			return err
		}
	}
	defer m.say(r.ID)
	free := uses.drop(r)
	for _, key := range keys {
		marked := markedInput.MatchString(key)
		if slices.Contains(free, key) {
			if err := m.input(ctx, key, r.ID, gone); err != nil {
				if uses != nil {
					uses.Add(r, false) // it is still there, and the job's
				}
				return fmt.Errorf("input %s: %w", key, err)
			}
		}
		if marked && !m.Dry {
			if err := m.Store.Drop(ctx, marksOf(key)+r.ID); err != nil {
				return err
			}
		}
	}
	return nil
}

// DropInput deletes a file under inputs/ unless a job uses it, or somebody else is about to
// delete it. by is a fresh id.
func DropInput(ctx context.Context, s job.Store, key, by string) error {
	var gone Removed
	return Remover{Store: s}.input(ctx, key, by, &gone)
}

// input deletes a file for a job that is removed, unless it is marked by another.
func (m Remover) input(ctx context.Context, key, id string, gone *Removed) error {
	marked := markedInput.MatchString(key)
	if marked {
		if goes, err := claim(ctx, m.Store, key, id, m.Dry, m.Said); err != nil || !goes {
			return err
		}
	}
	if !m.Dry {
		if err := m.Store.Drop(ctx, job.SumKey(key)); err != nil {
			return err
		}
	}
	a, err := m.Store.Bucket.Attributes(ctx, key)
	if err == nil {
		m.say(key)
		err = m.delete(ctx, key, a.Size, gone)
	}
	if err != nil && gcerrors.Code(err) != gcerrors.NotFound {
		return err
	}
	if !marked || m.Dry {
		return nil
	}
	if err := m.Store.Drop(ctx, marksOf(key)+id); err != nil {
		return err
	}
	return m.Store.Drop(ctx, marksOf(key)+claimName)
}
