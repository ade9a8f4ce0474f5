package submission

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/cyverse-gis/eemt/shared/geotiff"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/rangeread"
)

// inputFields are the form fields of parameters that may be rasters, with the
// names that job.Parameters knows them by.
var inputFields = map[string]string{
	"linke_value": "linke-value", "albedo_value": "albedo-value", "kb": "kb", "kd": "kd", "kc": "kc",
	"linke_raster": "linke-value", "albedo_raster": "albedo-value", "kb_raster": "kb", "kd_raster": "kd", "kc_raster": "kc",
}

// inputFiles are the form fields of rasters sent along.
var inputFiles = map[string]string{
	"linke_file": "linke-value", "albedo_file": "albedo-value", "kb_file": "kb", "kd_file": "kd", "kc_file": "kc",
}

// setInput takes the text of a parameter that may be a raster. A raster must be
// an object of the bucket or an https address: which ones compute decides.
func setInput(p *job.Parameters, name, text string) error {
	if err := p.SetInput(name, text); err != nil {
		return invalid{err}
	}
	return checkInputNames(p)
}

// checkInputNames refuses rasters that a service could not read.
func checkInputNames(p *job.Parameters) error {
	for _, in := range p.Inputs() {
		for _, f := range *in.Rasters {
			if !storedName(f) {
				return invalid{fmt.Errorf("%s %.80q: must be an https address, or an object under climate/ or inputs/; or send the file in the field %s_file", in.Name, f, strings.TrimSuffix(in.Name, "-value"))}
			}
		}
	}
	return nil
}

func storedName(name string) bool {
	for _, prefix := range []string{"https://", "climate/", job.InputPrefix} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// uploadInput stores a raster sent along and lets p name it. It returns its key.
// A file that cannot be one leaves nothing behind.
func (s *Service) uploadInput(ctx context.Context, p *job.Parameters, name, file string, r io.Reader) (string, error) {
	if l := strings.ToLower(file); !strings.HasSuffix(l, ".tif") && !strings.HasSuffix(l, ".tiff") {
		return "", invalid{fmt.Errorf("%s: file %.80q must be a GeoTIFF that ends in .tif or .tiff", name, file)}
	}
	ref, err := s.store(ctx, file, r, s.MaxUpload)
	if err != nil {
		return "", err
	}
	err = s.checkInput(ctx, name, file, ref.Key)
	if err == nil {
		err = p.SetInput(name, ref.Key)
	}
	if err != nil {
		s.discard(ctx, []string{ref.Key})
		return "", err
	}
	return ref.Key, nil
}

// checkInput reads the header of a stored raster.
func (s *Service) checkInput(ctx context.Context, name, file, key string) error {
	r, err := rangeread.Object(ctx, s.Store.Bucket, key)
	if err != nil {
		return fmt.Errorf("read back %s: %w", key, err)
	}
	defer func() { _ = r.Close() }()
	img, err := geotiff.Open(r, r.Size())
	if err != nil {
		return invalid{fmt.Errorf("%s: file %.80q: %w", name, file, err)}
	}
	if img.Bands != 1 && img.Bands != 12 {
		return invalid{fmt.Errorf("%s: file %.80q has %d bands: must be one, or 12 for January to December", name, file, img.Bands)}
	}
	if !img.HasTransform || img.GeoKeys.Empty() {
		return invalid{fmt.Errorf("%s: file %.80q has no georeferencing; give it one with: gdal_translate -a_srs EPSG:CODE -a_ullr WEST NORTH EAST SOUTH in.tif out.tif", name, file)}
	}
	return nil
}
