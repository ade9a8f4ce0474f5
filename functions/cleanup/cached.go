package cleanup

import (
	"context"
	"errors"
	"fmt"
	"io"
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
	it := p.Store.Bucket.List(&blob.ListOptions{Prefix: job.CachePrefix})
	var entry string
	var objects []*blob.ListObject
	for {
		o, err := it.Next(ctx)
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("list %s: %w", job.CachePrefix, err)
		}
		next := ""
		if err == nil {
			next = entryOf(o.Key)
		}
		if next != entry && untouched(objects, before) {
			if err := p.removeCached(ctx, m, objects); err != nil {
				return err
			}
		}
		if next == "" {
			return nil
		}
		if next != entry {
			entry, objects = next, nil
		}
		objects = append(objects, o)
		if len(p.report.Cached) >= maxCached {
			return nil
		}
	}
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

// untouched reports whether nobody wrote any of the objects since before.
func untouched(objects []*blob.ListObject, before time.Time) bool {
	for _, o := range objects {
		if !o.ModTime.Before(before) {
			return false
		}
	}
	return len(objects) > 0
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
