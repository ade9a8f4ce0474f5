// Package oracle reads the reference rasters that tests compare with.
package oracle

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/cyverse-gis/eemt/integration/reference"
	"github.com/cyverse-gis/eemt/shared/geotiff"
	"github.com/cyverse-gis/eemt/shared/raster"
)

// Raster is the first band of a reference raster with its place.
type Raster struct {
	*raster.Grid[float64]
	Transform raster.Transform
}

// Read reads a GeoTIFF of the reference data, named by its path below them. The
// project's codec, which has been compared with GDAL, does the reading.
func Read(t testing.TB, name string) Raster {
	t.Helper()
	return Open(t, filepath.Join(reference.Data(t), filepath.FromSlash(name)))
}

// Open reads any GeoTIFF.
func Open(t testing.TB, path string) Raster {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	img, err := geotiff.Open(f, info.Size())
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	g, err := img.Grid(context.Background(), 0, img.Bounds())
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return Raster{g, img.Transform}
}
