package assembly

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"

	"golang.org/x/sync/errgroup"

	"github.com/cyverse-gis/eemt/functions/compute/objects"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/product"
)

// putMap stores a map, and keeps the checksum of what was written.
func (m *mosaic) putMap(ctx context.Context, info product.Map, write func(io.Writer) error) error {
	h := sha256.New()
	err := m.job.Objects.PutUpTo(ctx, m.mostBytes(info), job.ResultKey(m.job.Request.ID, info.Name), objects.TIFF, func(to io.Writer) error {
		h.Reset()
		return write(io.MultiWriter(to, h))
	})
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.checksums == nil {
		m.checksums = map[string]string{}
	}
	m.checksums[info.Name] = hex.EncodeToString(h.Sum(nil))
	return nil
}

// checksumKey is where the checksum of a map waits for the report.
func checksumKey(id, name string) string { return job.WorkKey(id, "checksums/"+name+".sha256") }

// noteChecksums leaves the checksums of the maps that a task made for who writes the report: one object for each map, so
// that a task that is done again, and finds half of its maps made, writes over none. Without the note the map is read again.
func (m *mosaic) noteChecksums(ctx context.Context) {
	for name, sum := range m.checksums {
		if err := m.job.Objects.PutBytes(ctx, checksumKey(m.job.Request.ID, name), []byte(sum)); err != nil {
			m.job.Log.Debug("the checksum of a map is not noted", "map", name, "error", err)
		}
	}
}

// gatherChecksums reads what others noted of the maps that they made.
func (a *assembly) gatherChecksums(ctx context.Context) error {
	if a.mosaic.checksums == nil {
		a.mosaic.checksums = map[string]string{}
	}
	var missing []string
	for _, g := range a.groups {
		for _, pr := range g.Formulas {
			for _, info := range pr.Maps {
				if a.mosaic.checksums[info.Name] == "" {
					missing = append(missing, info.Name)
				}
			}
		}
	}
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(a.mosaic.job.Objects.Calls())
	for _, name := range missing {
		work.Go(func() error {
			sum, err := a.mosaic.job.Store.Bucket.ReadAll(ctx, checksumKey(a.mosaic.job.Request.ID, name))
			if err != nil || len(sum) != hex.EncodedLen(sha256.Size) {
				return context.Cause(ctx) // without the note the map itself is read
			}
			a.mosaic.mu.Lock()
			defer a.mosaic.mu.Unlock()
			a.mosaic.checksums[name] = string(sum)
			return nil
		})
	}
	return work.Wait()
}
