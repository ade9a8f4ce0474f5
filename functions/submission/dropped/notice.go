package dropped

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/cyverse-gis/eemt/eventing/objectnotice"
	"github.com/cyverse-gis/eemt/shared/job"
)

// Notice takes every object that a notice names, and returns a sentence for each. It goes on after an error, so that one
// object does not hold up the others.
func (w *Watcher) Notice(ctx context.Context, n objectnotice.Notice) ([]string, error) {
	said := n.Ignored
	var errs []error
	for _, o := range n.Objects {
		sentence, err := w.place(ctx, o)
		if err != nil {
			errs = append(errs, fmt.Errorf("object %s: %w", o.Key, err))
			continue
		}
		said = append(said, fmt.Sprintf("object %s: %s", o.Key, sentence))
	}
	return said, errors.Join(errs...)
}

// place takes an object of a notice, if it is in this bucket.
func (w *Watcher) place(ctx context.Context, o objectnotice.Object) (string, error) {
	if w.Uploads.Bucket != "" && o.Bucket != "" && o.Bucket != w.Uploads.Bucket {
		return fmt.Sprintf("it is in bucket %q, not in %q", o.Bucket, w.Uploads.Bucket), nil
	}
	key, ok := strings.CutPrefix(o.Key, w.Uploads.Prefix)
	if !ok {
		return "it is not under " + w.Uploads.Prefix + job.UploadPrefix, nil
	}
	return w.Take(ctx, key)
}
