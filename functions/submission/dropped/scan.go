package dropped

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"gocloud.dev/blob"

	"github.com/cyverse-gis/eemt/shared/job"
)

// Scan makes jobs of the dropped files that are none yet, because their notice was lost, and returns how many it made.
// A pass makes at most 100; the next goes on.
func (w *Watcher) Scan(ctx context.Context) (int, error) {
	// The files that are jobs are listed before the uploads: one that becomes a job in between is examined twice, not missed.
	taken, err := w.Store.Intakes(ctx)
	if err != nil {
		return 0, err
	}
	started, examined := 0, 0
	var errs []error
	it := w.Store.Bucket.List(&blob.ListOptions{Prefix: job.UploadPrefix})
	for started < maxStarts && examined < maxExamined && len(errs) < 10 {
		o, err := it.Next(ctx)
		if errors.Is(err, io.EOF) {
			return started, errors.Join(append(errs, w.forget(ctx, taken))...)
		}
		if err != nil {
			return started, errors.Join(append(errs, fmt.Errorf("list %s: %w", job.UploadPrefix, err))...)
		}
		if w.passes(o) {
			continue
		}
		id := w.version(o.Key, o.ModTime, o.Size, o.MD5, o.As).JobID()
		done := taken[id]
		delete(taken, id)
		if done {
			continue
		}
		out, err := w.take(ctx, o.Key)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", o.Key, err))
		}
		if out.examined {
			examined++
		}
		if out.fresh {
			started++
		}
		w.Log.Debug("dropped file", "key", o.Key, "outcome", out.said)
	}
	return started, errors.Join(errs...)
}

// passes reports whether a pass leaves an object out: it is no dropped file, or is empty, or holds parameters, which are
// read with their DEM.
func (w *Watcher) passes(o *blob.ListObject) bool {
	if why := notDropped(o.Key); why != "" {
		w.ignore(o.Key, why)
		return true
	}
	return o.IsDir || o.Size == 0 && w.Uploads.Settle == 0 || strings.EqualFold(path.Ext(o.Key), ".json")
}

// forget removes the intake records of dropped files that are gone, a bounded number in one pass.
func (w *Watcher) forget(ctx context.Context, gone map[string]bool) error {
	n := 0
	for id := range gone {
		if n++; n > maxExamined {
			break
		}
		if err := w.Store.ForgetIntake(ctx, id); err != nil {
			return err
		}
	}
	return nil
}
