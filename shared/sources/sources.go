// Package sources opens the files that a job names as its climate or as rasters of the air and the ground.
package sources

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"

	"gocloud.dev/blob"

	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/rangeread"
)

// Files opens what a job names: an object of the job bucket, of
// another bucket, an https address or, on a laptop, a local file.
type Files struct {
	Bucket *blob.Bucket
	Client *http.Client
	// Token is sent as a bearer token to https addresses; may be empty.
	Token string
	// Hosts are the https hosts that may be read; nil allows all.
	Hosts []string
	// Local allows local files, and other buckets.
	Local bool
	// OpenBucket opens another bucket by its address; nil where none may be read.
	OpenBucket func(ctx context.Context, address string) (*blob.Bucket, error)
}

// Open is a climate.Opener.
func (s Files) Open(ctx context.Context, name string) (io.ReaderAt, int64, io.Closer, error) {
	switch {
	case strings.HasPrefix(name, "https://"), strings.HasPrefix(name, "http://"):
		return s.openURL(ctx, name)
	case strings.HasPrefix(name, job.InputPrefix), strings.HasPrefix(name, "climate/"), strings.HasPrefix(name, job.CachePrefix):
		if s.Local {
			if r, size, c, err := openFile(name); err == nil || !errors.Is(err, fs.ErrNotExist) {
				return r, size, c, err
			}
		}
		return opened(rangeread.Object(ctx, s.Bucket, name))
	case !s.Local:
		return nil, 0, nil, fmt.Errorf("climate file %q: give an https address, or an object of the bucket under inputs/ or climate/", name)
	case strings.Contains(name, "://") && s.OpenBucket != nil:
		return s.openOther(ctx, name)
	}
	return openFile(name)
}

func (s Files) openURL(ctx context.Context, name string) (io.ReaderAt, int64, io.Closer, error) {
	u, err := url.Parse(name)
	if err != nil {
		return nil, 0, nil, fmt.Errorf("climate file %q: %w", name, err)
	}
	if s.Hosts != nil && !slices.Contains(s.Hosts, u.Hostname()) {
		return nil, 0, nil, fmt.Errorf("climate file %q: host %s is not allowed here; allowed: %s", name, u.Hostname(), strings.Join(s.Hosts, ", "))
	}
	return opened(rangeread.URL(ctx, s.Client, name, s.Token))
}

func opened(r *rangeread.Reader, err error) (io.ReaderAt, int64, io.Closer, error) {
	if err != nil {
		return nil, 0, nil, err
	}
	return r, r.Size(), r, nil
}

func openFile(name string) (io.ReaderAt, int64, io.Closer, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, 0, nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("climate file %q is not a regular file", name)
	}
	if err != nil {
		_ = f.Close()
		return nil, 0, nil, err
	}
	return f, info.Size(), f, nil
}

// openOther opens an object of another bucket: gs://bucket/key, s3://bucket/key.
func (s Files) openOther(ctx context.Context, name string) (io.ReaderAt, int64, io.Closer, error) {
	u, err := url.Parse(name)
	if err != nil {
		return nil, 0, nil, fmt.Errorf("climate file %q: %w", name, err)
	}
	b, err := s.OpenBucket(ctx, u.Scheme+"://"+u.Host+"?"+u.RawQuery)
	if err != nil {
		return nil, 0, nil, fmt.Errorf("climate file %q: %w", name, err)
	}
	r, err := rangeread.Object(ctx, b, strings.TrimPrefix(u.Path, "/"))
	if err != nil {
		_ = b.Close()
		return nil, 0, nil, err
	}
	return r, r.Size(), closers{r, b}, nil
}

type closers []io.Closer

func (c closers) Close() error {
	errs := make([]error, len(c))
	for i, x := range c {
		errs[i] = x.Close()
	}
	return errors.Join(errs...)
}
