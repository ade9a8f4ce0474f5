package cleanup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"

	"github.com/cyverse-gis/eemt/shared/job"
)

// abandoned is how long an upload may bring nothing before its parts go.
const abandoned = 24 * time.Hour

// sweep removes what uploads that nobody went on with have left, and the records
// of those that were finished.
func (s *Service) sweep(ctx context.Context, now time.Time, r *Report) error {
	it := s.Store.Bucket.List(&blob.ListOptions{Prefix: job.Incoming})
	var folder string
	var parts []*blob.ListObject
	for {
		o, err := it.Next(ctx)
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("list %s: %w", job.Incoming, err)
		}
		var next string
		if err == nil {
			next, _, _ = strings.Cut(strings.TrimPrefix(o.Key, job.Incoming), "/")
		}
		if next != folder {
			s.forget(ctx, parts, now, r)
			folder, parts = next, nil
		}
		if err != nil {
			return nil
		}
		parts = append(parts, o)
	}
}

// forget removes the parts of one upload unless one of them is young.
func (s *Service) forget(ctx context.Context, parts []*blob.ListObject, now time.Time, r *Report) {
	for _, o := range parts {
		if now.Sub(o.ModTime) < abandoned {
			return
		}
	}
	for _, o := range parts {
		if !s.Policy.DryRun {
			if err := s.Store.Bucket.Delete(ctx, o.Key); err != nil && gcerrors.Code(err) != gcerrors.NotFound {
				r.Errors = append(r.Errors, fmt.Sprintf("delete %s: %v", o.Key, err))
				continue
			}
		}
		r.FreedMB += float64(o.Size) / (1 << 20)
	}
}
