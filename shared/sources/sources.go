// Package sources opens the files that a job names as its climate or as rasters of the air and the ground.
package sources

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"strings"

	"gocloud.dev/blob"

	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/outbound"
	"github.com/cyverse-gis/eemt/shared/rangeread"
)

// Files opens what a job names: an object of the job bucket, of
// another bucket, an https address or, on a laptop, a local file.
type Files struct {
	Bucket *blob.Bucket
	// Client reads addresses; that of Hosts follows redirects to allowed hosts only (outbound.Hosts.Client).
	Client *http.Client
	// Token is sent as a bearer token to one host of https addresses, TokenHost, or where that is empty to the first of Hosts;
	// may be empty.
	Token, TokenHost string
	// Hosts are the https hosts that may be read; nil allows all.
	Hosts outbound.Hosts
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
	token := s.Token
	if s.Hosts != nil {
		if err := s.Hosts.Check("climate file", name); err != nil {
			return nil, 0, nil, err
		}
		if u.Host != cmp.Or(s.TokenHost, first(s.Hosts)) { // which is read over https, or is on this machine
			token = ""
		}
	}
	return opened(rangeread.URL(ctx, s.Client, name, token))
}

func first(hosts outbound.Hosts) string {
	if len(hosts) == 0 {
		return ""
	}
	return hosts[0]
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
