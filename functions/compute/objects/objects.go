// Package objects reads and writes the work files and results of a job.
package objects

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"
	"golang.org/x/sync/errgroup"

	"github.com/cyverse-gis/eemt/shared/fault"
	"github.com/cyverse-gis/eemt/shared/geotiff"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/rangeread"
	"github.com/cyverse-gis/eemt/shared/raster"
)

// TIFF is the content type of a GeoTIFF.
const TIFF = "image/tiff"

// Store is a bucket.
type Store struct {
	*blob.Bucket
	// AtOnce is how many calls that only wait for the bucket go on at a time; 0 means 16.
	AtOnce int
}

// Calls is how many calls that only wait for the bucket go on at a time.
func (s Store) Calls() int { return cmp.Or(max(s.AtOnce, 0), 16) }

// Keys lists the objects below a prefix.
func (s Store) Keys(ctx context.Context, prefix string) ([]string, error) {
	var keys []string
	err := job.Store{Bucket: s.Bucket}.Objects(ctx, prefix, func(o *blob.ListObject) error {
		keys = append(keys, o.Key)
		return nil
	})
	return keys, err
}

// Remove deletes objects. That one is gone already is no error.
func (s Store) Remove(ctx context.Context, keys []string) error {
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(s.Calls())
	for _, k := range keys {
		work.Go(func() error {
			if err := s.Delete(ctx, k); gcerrors.Code(err) != gcerrors.NotFound {
				return err
			}
			return nil
		})
	}
	return work.Wait()
}

// CopyEach copies objects, by their names, from a folder to another.
func (s Store) CopyEach(ctx context.Context, names []string, from, to string) error {
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(s.Calls())
	for _, name := range names {
		work.Go(func() error {
			if err := s.Copy(ctx, to+name, from+name, nil); err != nil {
				return fmt.Errorf("copy %s to %s: %w", from+name, to+name, err)
			}
			return nil
		})
	}
	return work.Wait()
}

// Put writes one object, complete or not at all. Its error is of the kind fault.Unavailable.
func (s Store) Put(ctx context.Context, key, contentType string, write func(io.Writer) error) error {
	return s.PutUpTo(ctx, 0, key, contentType, write)
}

// PutUpTo is Put of an object of at most size bytes. Stores take objects of unknown length only up to a limit (84 GB on
// S3); size lifts it. 0 leaves the limit to the store's driver.
func (s Store) PutUpTo(ctx context.Context, size int64, key, contentType string, write func(io.Writer) error) error {
	ctx, abandon := context.WithCancel(ctx)
	defer abandon()
	opts := &blob.WriterOptions{ContentType: contentType}
	if opts.BufferSize = PartSize(size); opts.BufferSize > 0 {
		opts.MaxConcurrency = 2 // each holds a part
	}
	w, err := s.NewWriter(ctx, key, opts)
	if err != nil {
		return fault.New(fault.Unavailable, fmt.Errorf("write %s: %w", key, err))
	}
	if err := write(w); err != nil {
		abandon() // an abandoned writer leaves no object
		_ = w.Close()
		return fault.New(fault.Unavailable, fmt.Errorf("write %s: %w", key, err))
	}
	if err := w.Close(); err != nil {
		return fault.New(fault.Unavailable, fmt.Errorf("write %s: %w", key, err))
	}
	return nil
}

// PutBytes writes a small object of JSON.
func (s Store) PutBytes(ctx context.Context, key string, data []byte) error {
	return s.Put(ctx, key, "application/json", func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}

// PartSize is the size of the parts in which an object of at most size bytes is sent; 0 leaves
// it to the store's driver. S3 takes 10,000 parts, which of its driver's 8 MiB are 84 GB.
func PartSize(size int64) int {
	const usual, parts, unit = 8 << 20, 9000, 1 << 20
	if size <= usual*parts {
		return 0
	}
	return int((size/parts/unit + 1) * unit)
}

// OpenImage opens a GeoTIFF of the job's own.
func (s Store) OpenImage(ctx context.Context, key string) (*geotiff.Image, io.Closer, error) {
	return s.OpenWithin(ctx, key, 32<<20)
}

// OpenWithin is OpenImage with at most cache bytes of cache.
func (s Store) OpenWithin(ctx context.Context, key string, cache int64) (*geotiff.Image, io.Closer, error) {
	r, err := rangeread.ObjectWithin(ctx, s.Bucket, key, cache)
	if err != nil {
		return nil, nil, fmt.Errorf("open %s: %w", key, err)
	}
	img, err := geotiff.Open(r, r.Size())
	if err != nil {
		_ = r.Close()
		return nil, nil, fmt.Errorf("open %s: %w", key, err)
	}
	return img, r, nil
}

// Band reads a window of one band of a GeoTIFF of the job's own.
func (s Store) Band(ctx context.Context, key string, band int, w raster.Window) (*raster.Grid[float64], error) {
	img, closer, err := s.OpenImage(ctx, key)
	if err != nil {
		return nil, err
	}
	defer func() { _ = closer.Close() }()
	g, err := img.Grid(ctx, band, w)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", key, err)
	}
	return g, nil
}

// Open opens an object as a file to read at any place.
func (s Store) Open(ctx context.Context, key string) (io.ReaderAt, int64, io.Closer, error) {
	r, err := rangeread.Object(ctx, s.Bucket, key)
	if err != nil {
		return nil, 0, nil, err
	}
	return r, r.Size(), r, nil
}

// Checksum reads an object, and returns its SHA-256 in hex and its size in bytes. Its error is of the kind fault.Unavailable.
func (s Store) Checksum(ctx context.Context, key string) (sum string, size int64, err error) {
	r, err := s.NewReader(ctx, key, nil)
	if err != nil {
		return "", 0, fault.New(fault.Unavailable, fmt.Errorf("read %s: %w", key, err))
	}
	h := sha256.New()
	size, err = io.Copy(h, r)
	if err = cmp.Or(err, r.Close()); err != nil {
		return "", 0, fault.New(fault.Unavailable, fmt.Errorf("read %s: %w", key, err))
	}
	return hex.EncodeToString(h.Sum(nil)), size, nil
}
