package submission_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/cyverse-gis/eemt/functions/submission/problem"
	"github.com/cyverse-gis/eemt/shared/finding"
	"github.com/cyverse-gis/eemt/shared/foreign"
)

const asciiGrid = "ncols 4\nnrows 3\nxllcorner 327000\nyllcorner 4319000\ncellsize 30\nnodata_value -9999\n1 2 3 4\n5 6 -9999 8\n9 10 11 12\n"

// TestUploadOfGrid: an ASCII grid is stored as the GeoTIFF that is made of it.
func TestUploadOfGrid(t *testing.T) {
	s := newService(t, nil)
	ref, err := s.Upload(t.Context(), "grid.asc", strings.NewReader(asciiGrid))
	if err != nil { // the system is still to be stated
		var f *finding.Error
		if !errors.As(err, &f) || f.Code != finding.DEMCRS {
			t.Fatal(err)
		}
	}
	data, err := s.Store.Bucket.ReadAll(t.Context(), ref.Key)
	if err != nil || !foreign.IsTIFF(data) || ref.Name != "grid.asc" {
		t.Errorf("%+v, %v, %.20q", ref, err, data)
	}
}

// TestUploadNamesFormats: what is no DEM is refused by what it is, with the user's own name, and leaves nothing behind.
func TestUploadNamesFormats(t *testing.T) {
	for _, c := range []struct{ name, data, want string }{
		{"my dem.zip", "PK\x03\x04" + strings.Repeat("x", 600), "file my dem.zip: the DEM is not a TIFF file: it is a ZIP archive; unpack it with: unzip 'my dem.zip'"},
		{"dem.tif", "<html>log in</html>", "it is an HTML page; what was downloaded is not the DEM: download it again"},
		{"short.asc", asciiGrid[:len(asciiGrid)-6], "the ASCII grid short.asc ends at row 2, column 2 of 3 rows and 4 columns"},
		{"comma.asc", strings.Replace(asciiGrid, "2 3", "2,5 3", 1), "the ASCII grid comma.asc has a decimal comma in line 7: 2,5"},
		{"N36W107.hgt", "PK\x03\x04" + strings.Repeat("x", 600), "it is a ZIP archive"},
		{"tile.hgt", "no tile", "the SRTM tile tile.hgt has 7 bytes: must be 2884802"},
	} {
		s := newService(t, nil)
		_, err := s.Upload(t.Context(), c.name, strings.NewReader(c.data))
		if !problem.Refused(err) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
		it := s.Store.Bucket.List(nil)
		if o, err := it.Next(t.Context()); err == nil {
			t.Errorf("%s: %s is left", c.name, o.Key)
		}
	}
}
