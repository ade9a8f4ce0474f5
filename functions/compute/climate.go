package compute

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
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
	"gocloud.dev/gcerrors"

	"github.com/cyverse-gis/eemt/shared/climate"
	"github.com/cyverse-gis/eemt/shared/dem"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/rangeread"
)

// Sources opens what a climate source names: an object of the job bucket, of
// another bucket, an https address or, on a laptop, a local file.
type Sources struct {
	Bucket *blob.Bucket
	Client *http.Client
	// Token is sent as a bearer token to https addresses; may be empty.
	Token string
	// Hosts are the https hosts that may be read; nil allows all.
	Hosts []string
	// Local allows local files and other buckets.
	Local bool
}

// Open is a climate.Opener.
func (s Sources) Open(ctx context.Context, name string) (io.ReaderAt, int64, io.Closer, error) {
	switch {
	case strings.HasPrefix(name, "https://"), strings.HasPrefix(name, "http://"):
		return s.openURL(ctx, name)
	case strings.HasPrefix(name, job.InputPrefix), strings.HasPrefix(name, "climate/"), strings.HasPrefix(name, "cache/"):
		if s.Local {
			if r, size, c, err := openFile(name); err == nil || !errors.Is(err, fs.ErrNotExist) {
				return r, size, c, err
			}
		}
		return opened(rangeread.Object(ctx, s.Bucket, name))
	case !s.Local:
		return nil, 0, nil, fmt.Errorf("climate file %q: give an https address, or an object of the bucket under inputs/ or climate/", name)
	case strings.Contains(name, "://"):
		return openOther(ctx, name)
	}
	return openFile(name)
}

func (s Sources) openURL(ctx context.Context, name string) (io.ReaderAt, int64, io.Closer, error) {
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
func openOther(ctx context.Context, name string) (io.ReaderAt, int64, io.Closer, error) {
	u, err := url.Parse(name)
	if err != nil {
		return nil, 0, nil, fmt.Errorf("climate file %q: %w", name, err)
	}
	b, err := blob.OpenBucket(ctx, u.Scheme+"://"+u.Host+"?"+u.RawQuery)
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

// bucketClimate opens what the plan left in the job bucket; tiles read nothing else.
func (p *piece) bucketClimate(ctx context.Context, name string) (io.ReaderAt, int64, io.Closer, error) {
	return opened(rangeread.Object(ctx, p.Store.Bucket, name))
}

// snapshotClimate reads what the cells need of the climate source into the
// bucket, and returns the source that reads it there. What came over the
// network is kept in cache/ for all jobs with the same source and DEM.
func (p *piece) snapshotClimate(ctx context.Context, d *dem.DEM) (climate.Spec, error) {
	user := p.request.Parameters
	spec, err := climate.ParseSpec(user.Climate, user.ClimateElevation)
	if err != nil {
		return spec, &badInput{err}
	}
	prefix := job.WorkKey(p.request.ID, "climate/")
	if strings.HasPrefix(spec.Path, "https://") || strings.HasPrefix(spec.Path, "http://") {
		hash := sha256.Sum256(fmt.Appendf(nil, "%s\n%s\n%v\n%s", user.Climate, user.ClimateElevation, user.Years(), p.request.DEM.SHA256))
		prefix = "cache/climate/" + hex.EncodeToString(hash[:12]) + "/"
	}
	known := prefix + "source.json"
	switch data, err := p.Store.Bucket.ReadAll(ctx, known); {
	case err == nil:
		return spec, json.Unmarshal(data, &spec)
	case gcerrors.Code(err) != gcerrors.NotFound:
		return spec, fmt.Errorf("read %s: %w", known, err)
	}
	store := func(name string, write func(io.Writer) error) error {
		kind := tiffType
		if strings.HasSuffix(name, ".csv") {
			kind = "text/csv; charset=utf-8"
		}
		return p.put(ctx, name, kind, write)
	}
	cells := func(yield func(climate.Cells, error) bool) {
		for square := range squares(d.Bounds()) {
			c, err := p.cellsOf(ctx, d, square)
			if !yield(c, err) || err != nil {
				return
			}
		}
	}
	snapshot, err := climate.Snapshot(ctx, spec, user.Years(), cells, prefix, p.Climate, store)
	if err != nil {
		return spec, p.inputError(err)
	}
	data, err := json.Marshal(snapshot)
	if err != nil {
		return spec, fmt.Errorf("encode the climate source: %w", err)
	}
	return snapshot, p.put(ctx, known, "application/json", func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}
