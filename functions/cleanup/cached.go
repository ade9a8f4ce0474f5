package cleanup

import (
	"context"
	"errors"
	"strings"
	"time"

	"gocloud.dev/blob"

	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/job/inuse"
)

// DefaultCached is how long what was read over the network is kept for other jobs
// after the last of them used it.
const DefaultCached = 7 * 24 * time.Hour

// maxCached is how many objects of the cache one pass removes at most.
const maxCached = 10000

// cached removes the entries of the cache that no job has used for a while. A job reads
// a copy of its own, so that an entry may go at any time.
func (p pass) cached(ctx context.Context, m inuse.Remover) error {
	keep := p.Policy.Cached
	if keep <= 0 {
		keep = DefaultCached
	}
	before := p.now.Add(-keep)
	err := p.folders(ctx, job.CachePrefix, entryOf, func(objects []*blob.ListObject) error {
		if len(p.report.Cached) >= maxCached {
			return errFull
		}
		if !untouched(objects, before) {
			return nil
		}
		return p.removeCached(ctx, m, objects)
	})
	if errors.Is(err, errFull) {
		return nil
	}
	return err
}

// entryOf is the part of a key that the objects of an entry have in common: its kind and
// what it is of.
func entryOf(key string) string {
	parts := strings.SplitAfterN(key, "/", 4)
	if len(parts) < 4 {
		return key
	}
	return parts[0] + parts[1] + parts[2]
}

// removeCached removes an entry.
func (p pass) removeCached(ctx context.Context, m inuse.Remover, objects []*blob.ListObject) error {
	for _, o := range objects {
		gone, err := m.Object(ctx, o)
		if err != nil {
			p.report.Errors = append(p.report.Errors, err.Error())
			if ctx.Err() != nil {
				return ctx.Err()
			}
			continue
		}
		p.report.FreedMB += mebibytes(gone.Bytes)
		for _, key := range gone.Keys {
			p.report.Cached = append(p.report.Cached, Orphan{Object: key, Bytes: gone.Bytes})
		}
	}
	return nil
}
