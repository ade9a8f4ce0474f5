package cleanup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"gocloud.dev/blob"

	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/job/inuse"
)

// incoming removes what uploads that nobody went on with have left, and the records
// of those that were finished.
func (p pass) incoming(ctx context.Context, m inuse.Remover) error {
	it := p.Store.Bucket.List(&blob.ListOptions{Prefix: job.Incoming})
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
			if err := p.forget(ctx, m, parts); err != nil {
				return err
			}
			folder, parts = next, nil
		}
		if err != nil {
			return nil
		}
		parts = append(parts, o)
	}
}

// forget removes the parts of one upload unless one of them is young.
func (p pass) forget(ctx context.Context, m inuse.Remover, parts []*blob.ListObject) error {
	for _, o := range parts {
		if p.now.Sub(o.ModTime) < abandoned {
			return nil
		}
	}
	for _, o := range parts {
		if err := p.removeOrphan(ctx, m, o); err != nil {
			return err
		}
	}
	return nil
}
