package assembly

import (
	"context"
	"errors"
	"io"
	"testing"

	"gocloud.dev/blob"
	"gocloud.dev/blob/driver"
	"gocloud.dev/gcerrors"

	"github.com/cyverse-gis/eemt/functions/compute/objects"
	"github.com/cyverse-gis/eemt/functions/compute/record"
	"github.com/cyverse-gis/eemt/shared/param"
	"github.com/cyverse-gis/eemt/shared/product"
	"github.com/cyverse-gis/eemt/shared/retrybucket"
)

// TestPartsAreEnough: whatever a map may have, it has not more than the 10,000 parts of S3, nor larger ones than are needed.
func TestPartsAreEnough(t *testing.T) {
	daily := param.DefaultParameters()
	daily.Daily = true
	list := product.Maps(param.Sol, daily)
	days, horizons := list[len(list)-1], product.Keyed("horizon")[0].Bands
	for _, c := range []struct {
		name string
		side int
		info product.Map
		want int // MiB; 0 leaves it to the driver
	}{
		{"one band", 50000, product.Map{}, 0},
		{"horizons of a small DEM", 10000, product.Map{Bands: horizons}, 0},
		{"horizons", 25000, product.Map{Bands: horizons}, 15},
		{"horizons", 50000, product.Map{Bands: horizons}, 58},
		{"days", 5000, days, 0},
		{"days", 8192, days, 16},
	} {
		m := &mosaic{plan: &record.Plan{Width: c.side, Height: c.side}}
		most := m.mostBytes(c.info)
		got := objects.PartSize(most)
		if got != c.want<<20 {
			t.Errorf("%s of %d x %d cells, up to %d bytes: parts of %d, want %d MiB", c.name, c.side, c.side, most, got, c.want)
		}
		if parts := most / int64(max(got, 8<<20)); parts >= 10_000 {
			t.Errorf("%s of %d x %d cells: %d parts", c.name, c.side, c.side, parts)
		}
	}
}

// noStore refuses to write, and notes how it was asked to.
type noStore struct {
	driver.Bucket
	opts driver.WriterOptions
}

func (n *noStore) NewTypedWriter(_ context.Context, _, _ string, opts *driver.WriterOptions) (driver.Writer, error) {
	n.opts = *opts
	return nil, errors.New("no store")
}

func (n *noStore) ErrorCode(error) gcerrors.ErrorCode { return gcerrors.InvalidArgument }

func (n *noStore) Close() error { return nil }

// TestPartsReachTheStore, through the bucket that repeats.
func TestPartsReachTheStore(t *testing.T) {
	for most, want := range map[int64]driver.WriterOptions{0: {}, 81 << 30: {BufferSize: 10 << 20, MaxConcurrency: 2}} {
		n := new(noStore)
		s := objects.Store{Bucket: retrybucket.Wrap(blob.NewBucket(n), retrybucket.Options{})}
		err := s.PutUpTo(t.Context(), most, "key", objects.TIFF, func(w io.Writer) error {
			_, err := w.Write(make([]byte, 5<<20))
			return err
		})
		if err == nil || n.opts.BufferSize != want.BufferSize || n.opts.MaxConcurrency != want.MaxConcurrency {
			t.Errorf("up to %d bytes: %+v (%v), want %+v", most, n.opts, err, want)
		}
	}
}
