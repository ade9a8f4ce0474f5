package inputs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"time"
	"unicode/utf8"

	"gocloud.dev/gcerrors"

	"github.com/cyverse-gis/eemt/functions/submission/problem"
	"github.com/cyverse-gis/eemt/shared/geotiff"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/param"
	"github.com/cyverse-gis/eemt/shared/rangeread"
	"github.com/cyverse-gis/eemt/shared/remedy"
)

// SetInput takes the text of a parameter that may be a raster.
func SetInput(p *param.Parameters, f param.Field, text string) error {
	if err := p.SetInput(f.Input(), text); err != nil {
		return problem.Invalid(err)
	}
	return CheckNames(p)
}

// CheckNames refuses rasters that a service could not read.
func CheckNames(p *param.Parameters) error {
	for _, in := range p.Inputs() {
		for _, name := range *in.Rasters {
			if !storedName(name) {
				return noRaster(in, name, errors.New("must be an https address, or an object under climate/ or inputs/"))
			}
		}
	}
	return nil
}

// noRaster refuses the name of a raster, and says how to bring one.
func noRaster(in param.Input, name string, why error) error {
	f, _ := param.RasterField(strings.ReplaceAll(in.Name, "-", "_"))
	return problem.Invalid(problem.Bad("inputs."+f.Name, fmt.Sprintf("%.80s", name), "a GeoTIFF at an https address, or an object under climate/ or inputs/",
		fmt.Sprintf("%s %.80q: %v; or send the file to /api/submit-job in the field %s", in.Name, name, why, f.RasterFile())))
}

func storedName(name string) bool {
	if strings.HasPrefix(name, "https://") {
		return true
	}
	return (strings.HasPrefix(name, "climate/") || strings.HasPrefix(name, job.InputPrefix)) && path.Clean(name) == name && utf8.ValidString(name)
}

// rasterPatience bounds the time in which the headers of the rasters that a request names are read.
const rasterPatience = 20 * time.Second

// CheckRasters reads the headers of the rasters that a request names, so that a wrong name is refused now instead of
// failing the job. What cannot be reached at present is left to compute, which has more patience.
func (s *Store) CheckRasters(ctx context.Context, p *param.Parameters) error {
	within, cancel := context.WithTimeout(ctx, rasterPatience)
	defer cancel()
	for _, in := range p.Inputs() {
		if len(*in.Rasters) == 0 {
			continue
		}
		files := in.Files()
		for _, name := range files {
			err := s.checkRaster(within, name, len(files))
			switch {
			case err == nil, errors.Is(err, rangeread.ErrUnavailable), errors.Is(err, rangeread.ErrChanged):
			case ctx.Err() != nil:
				return ctx.Err()
			case within.Err() != nil:
				return nil
			default:
				return noRaster(in, name, err)
			}
		}
	}
	return nil
}

// checkRaster opens one of so many rasters.
func (s *Store) checkRaster(ctx context.Context, name string, of int) error {
	if Mine(ctx, name) != nil {
		return errors.New("there is no such object")
	}
	open := s.Climate
	if open == nil {
		if strings.HasPrefix(name, "https://") {
			return nil
		}
		open = func(ctx context.Context, name string) (io.ReaderAt, int64, io.Closer, error) {
			r, err := rangeread.Object(ctx, s.Bucket, name)
			if err != nil {
				return nil, 0, nil, err
			}
			return r, r.Size(), r, nil
		}
	}
	r, size, c, err := open(ctx, name)
	if gcerrors.Code(err) == gcerrors.NotFound {
		return errors.New("there is no such object")
	}
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	return raster(r, size, of)
}

// raster refuses what cannot be one of so many rasters.
func raster(r io.ReaderAt, size int64, of int) error {
	img, err := geotiff.Open(r, size)
	if err == nil {
		err = img.Bound(MostBlock)
	}
	switch {
	case err != nil:
		return err
	case of > 1 && img.Bands != 1:
		return fmt.Errorf("it has %d bands: each of %d rasters must have one", img.Bands, of)
	case img.Bands != 1 && img.Bands != 12:
		return fmt.Errorf("it has %d bands: must be one, or 12 for January to December", img.Bands)
	case !img.HasTransform || img.GeoKeys.Empty():
		return errors.New("it has no georeferencing; give it one with: gdal_translate -a_srs EPSG:CODE -a_ullr WEST NORTH EAST SOUTH in.tif out.tif")
	}
	return nil
}

// UploadRaster stores a raster sent along and lets p name it. It returns its key.
// A file that cannot be one leaves nothing behind.
func (s *Store) UploadRaster(ctx context.Context, p *param.Parameters, name, file string, r io.Reader) (string, error) {
	// A parameter is a raster if its text ends like a GeoTIFF, so the key must. What the file is, its content says.
	stored := BaseName(file)
	if ext := strings.ToLower(path.Ext(stored)); ext != ".tif" && ext != ".tiff" {
		stored += ".tif"
	}
	ref, err := s.PutAt(ctx, s.NewKey(ctx, stored), BaseName(file), FromClient{Reader: r}, s.MaxUpload, false)
	if err != nil {
		return "", err
	}
	err = s.checkInput(ctx, name, file, ref.Key)
	if err == nil {
		err = p.SetInput(name, ref.Key)
	}
	if err != nil {
		s.Discard(ctx, []string{ref.Key})
		return "", err
	}
	s.noteStored(ctx, ref)
	return ref.Key, nil
}

// checkInput reads the header of a stored raster.
func (s *Store) checkInput(ctx context.Context, name, file, key string) error {
	r, err := rangeread.Object(ctx, s.Bucket, key)
	if err != nil {
		return fmt.Errorf("read back %s: %w", key, err)
	}
	defer func() { _ = r.Close() }()
	if err := raster(r, r.Size(), 1); err != nil {
		return problem.Invalid(fmt.Errorf("%s: file %.80q: %s", name, file, remedy.For(file, err.Error())))
	}
	return nil
}
