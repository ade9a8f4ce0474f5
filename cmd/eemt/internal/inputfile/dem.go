// Package inputfile looks at the files that a user names, before they are read, copied or sent.
package inputfile

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/cyverse-gis/eemt/cmd/eemt/internal/cli"
	"github.com/cyverse-gis/eemt/shared/finding"
	"github.com/cyverse-gis/eemt/shared/geotiff"
	"github.com/cyverse-gis/eemt/shared/gridfile"
	"github.com/cyverse-gis/eemt/shared/remedy"
)

// OpenDEM opens a DEM for reading: the file itself, or the GeoTIFF that is made of a grid in another format. The caller
// calls done, which removes what was made.
func OpenDEM(path string) (f *os.File, done func(), err error) {
	f, err = os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	made, remove, err := convertGrid(f, path)
	if err != nil || made != nil {
		_ = f.Close()
	}
	switch {
	case err != nil:
		return nil, nil, err
	case made != nil:
		return made, remove, nil
	}
	return f, func() { _ = f.Close() }, nil
}

// convertGrid makes a GeoTIFF of an ASCII grid or an SRTM tile, under the name of the file, in a directory of its own. It
// returns nil for any other file.
func convertGrid(f *os.File, path string) (made *os.File, done func(), err error) {
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return nil, nil, err
	}
	head := make([]byte, gridfile.HeadSize)
	n, err := f.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, nil, err
	}
	g := gridfile.File{Name: filepath.Base(path), Format: gridfile.Detect(path, head[:n], info.Size()), Size: info.Size(), Software: "eemt " + cli.Version}
	if g.Format == gridfile.None {
		return nil, nil, nil
	}
	if g.Format == gridfile.ASCII {
		g.System = ReadPRJ(path)
	}
	dir, err := os.MkdirTemp("", "eemt-grid-")
	if err != nil {
		return nil, nil, err
	}
	remove := func() { _ = os.RemoveAll(dir) }
	g.Spool = func() (geotiff.Spool, error) { return os.Create(filepath.Join(dir, "spool")) }
	base := filepath.Base(path)
	made, err = os.Create(filepath.Join(dir, strings.TrimSuffix(base, filepath.Ext(base))+".tif"))
	if err == nil {
		err = gridfile.Convert(made, f, g)
	}
	if err == nil {
		_, err = made.Seek(0, io.SeekStart)
	}
	if err != nil {
		if made != nil {
			_ = made.Close()
		}
		remove()
		return nil, nil, err
	}
	return made, func() { _ = made.Close(); remove() }, nil
}

// IsASCIIGrid reports whether a file begins as an ESRI ASCII grid.
func IsASCIIGrid(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }()
	head := make([]byte, gridfile.HeadSize)
	n, _ := f.ReadAt(head, 0)
	return gridfile.Detect(path, head[:n], 0) == gridfile.ASCII
}

// most is how much is read of a small file beside a DEM.
const most = 1 << 20

func readSmall(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, most))
	return string(data), err
}

// told finds what of GDAL's notes beside a raster changes how it is read. Statistics and histograms, which QGIS and GDAL
// write beside every file, do not.
var told = regexp.MustCompile(`<(NoDataValue|SRS|GeoTransform|GCPList|Scale|Offset|UnitType|ColorInterp)[ >]`)

// BesideDEM tells of files beside a DEM that other programs read with it, and this one does not.
func BesideDEM(path string) finding.List {
	var list finding.List
	if _, err := os.Stat(path + ".msk"); err == nil {
		list.Add(finding.Finding{
			Code: finding.DEMBands, Severity: finding.Doubt, Message: fmt.Sprintf("the mask %s beside the DEM is not read", filepath.Base(path)+".msk"),
			Next: remedy.For(path, "write its cells as missing data with: gdalwarp -dstnodata -9999 -ot Float32 -co COMPRESS=DEFLATE in.tif out_masked.tif"),
		})
	}
	if text, err := readSmall(path + ".aux.xml"); err == nil {
		var names []string
		for _, m := range told.FindAllStringSubmatch(text, 64) {
			if n := m[1]; !strings.Contains(strings.Join(names, " "), n) {
				names = append(names, n)
			}
		}
		if len(names) > 0 {
			list.Add(finding.Finding{
				Code: finding.DEMBands, Severity: finding.Doubt,
				Message: fmt.Sprintf("%s beside the DEM states %s, which is not read", filepath.Base(path)+".aux.xml", strings.Join(names, ", ")),
				Next:    remedy.For(path, "write it into the file with: gdal_translate -co COMPRESS=DEFLATE in.tif out.tif"),
			})
		}
	}
	return list
}
