package inputs

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"path"

	"github.com/cyverse-gis/eemt/functions/submission/problem"
	"github.com/cyverse-gis/eemt/shared/dem"
	"github.com/cyverse-gis/eemt/shared/fault"
	"github.com/cyverse-gis/eemt/shared/finding"
	"github.com/cyverse-gis/eemt/shared/foreign"
	"github.com/cyverse-gis/eemt/shared/gridfile"
)

// TIFF returns what a file is stored as: itself if it is a TIFF, the GeoTIFF that is made of it if it is an ASCII grid or
// an SRTM tile. Anything else is refused by its first bytes. The caller closes what is returned.
func (s *Store) TIFF(name string, r *bufio.Reader) (io.ReadCloser, error) {
	head, err := r.Peek(foreign.HeadSize)
	if len(head) == 0 || err != nil && !errors.Is(err, io.EOF) {
		return io.NopCloser(r), nil // storing says why
	}
	format := gridfile.Detect(name, head, 0)
	if format == gridfile.None {
		return io.NopCloser(r), NotTIFF(name, head)
	}
	out, in := io.Pipe()
	go func() {
		err := gridfile.Convert(in, r, gridfile.File{Name: name, Format: format, Software: "eemt " + s.Version})
		if errors.As(err, new(*finding.Error)) {
			err = problem.Invalid(err)
		}
		_ = in.CloseWithError(err)
	}()
	return out, nil
}

// NotTIFF refuses a file that no DEM is read from, by its first bytes.
func NotTIFF(name string, head []byte) error {
	if foreign.IsTIFF(head) || gridfile.Detect(name, head, 0) != gridfile.None {
		return nil
	}
	return problem.Invalid(fmt.Errorf("file %s: %w", name, &finding.Error{Finding: foreign.Find(name, head, nil, 0)}))
}

// Called puts the user's own name of a DEM into the commands of a refusal.
func Called(name string, err error) error {
	if fault.Is(err, fault.Invalid) {
		return problem.Invalid(dem.Named(name, err))
	}
	return err
}

// GridFormat is the format that a stored file must be converted from, by its first bytes and its name; gridfile.None
// for all others.
func (s *Store) GridFormat(ctx context.Context, key string) (gridfile.Format, error) {
	r, err := s.Bucket.NewRangeReader(ctx, key, 0, gridfile.HeadSize, nil)
	if err != nil {
		return gridfile.None, fmt.Errorf("read %s: %w", key, err)
	}
	defer func() { _ = r.Close() }()
	head, err := io.ReadAll(r)
	if err != nil {
		return gridfile.None, fmt.Errorf("read %s: %w", key, err)
	}
	return gridfile.Detect(path.Base(key), head, 0), nil
}
