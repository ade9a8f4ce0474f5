package cleanup

import (
	"context"
	"strings"

	"gocloud.dev/blob"

	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/job/inuse"
)

// incoming removes what uploads that nobody went on with have left, and the records
// of those that were finished.
func (p pass) incoming(ctx context.Context, m inuse.Remover) error {
	return p.folders(ctx, job.Incoming, uploadOf, func(parts []*blob.ListObject) error { return p.forget(ctx, m, parts) })
}

// uploadOf is the name of an upload that an object is part of.
func uploadOf(key string) string {
	name, _, _ := strings.Cut(strings.TrimPrefix(key, job.Incoming), "/")
	return name
}

// forget removes the parts of one upload unless one of them is young.
func (p pass) forget(ctx context.Context, m inuse.Remover, parts []*blob.ListObject) error {
	if !untouched(parts, p.now.Add(-abandoned)) {
		return nil
	}
	for _, o := range parts {
		if err := p.removeOrphan(ctx, m, o); err != nil {
			return err
		}
	}
	return nil
}
