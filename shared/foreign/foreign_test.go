package foreign_test

import (
	"archive/zip"
	"bytes"
	"strings"
	"testing"

	"github.com/cyverse-gis/eemt/shared/finding"
	"github.com/cyverse-gis/eemt/shared/foreign"
)

func TestName(t *testing.T) {
	tar := make([]byte, 512)
	copy(tar, "dem.tif")
	copy(tar[257:], "ustar")
	for _, c := range []struct{ head, want string }{
		{"PK\x03\x04....", "a ZIP archive"},
		{"\x1f\x8b\x08", "a file packed by gzip"},
		{string(tar), "a tar archive"},
		{"\x89PNG\r\n\x1a\n....", "a PNG picture"},
		{"\xff\xd8\xff\xe0", "a JPEG picture"},
		{"\x89HDF\r\n\x1a\n", "an HDF5 or NetCDF 4 file"},
		{"\x0e\x03\x13\x01", "an HDF4 file"},
		{"CDF\x01", "a NetCDF file"},
		{"GRIB\x00", "a GRIB file"},
		{"ncols 3\nnrows 4\n", "an ESRI ASCII grid"},
		{"NROWS 4\r\nNCOLS 3\r\n", "an ESRI ASCII grid"},
		{"<VRTDataset rasterXSize=\"3\"", "a VRT, which names the files that have the elevations"},
		{"EHFA_HEADER_TAG\x00", "an ERDAS IMAGINE file"},
		{"%PDF-1.7", "a PDF document"},
		{"\n<!DOCTYPE html><html>", "an HTML page"},
		{"<HTML>", "an HTML page"},
		{"<?xml version=\"1.0\"?>", "an XML file"},
		{"LASF\x00", "a point cloud (LAS or LAZ)"},
		{"\x00\x00\x27\x0a\x00", "a shapefile, which has points or outlines"},
		{"{\"type\":", "a JSON file"},
		{"month,tmin,tmax\n1,2,3\n", "a text"},
		{strings.Repeat("höhe ", 100)[:512], "a text"},
		{"\xff\xfem\x00", "a text in UTF-16"},
		{strings.Repeat("\x00", 40), "a file of zeros: its download or copy has probably broken off"},
		{"", "an empty file"},
		{"\x01\x02\x03\x04\x05", ""},
	} {
		if got := foreign.Name([]byte(c.head)); got != c.want {
			t.Errorf("%.20q: %q, want %q", c.head, got, c.want)
		}
	}
	for head, want := range map[string]bool{"II*\x00....": true, "MM\x00*....": true, "II+\x00....": true, "II\x00\x00": false, "IIxx": false, "": false} {
		if foreign.IsTIFF([]byte(head)) != want {
			t.Errorf("%q: TIFF %t", head, !want)
		}
	}
}

func archive(t *testing.T, names ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, n := range names {
		if _, err := z.Create(n); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func find(name string, data []byte) finding.Finding {
	return foreign.Find(name, data[:min(len(data), foreign.HeadSize)], bytes.NewReader(data), int64(len(data)))
}

func TestFind(t *testing.T) {
	whole := archive(t, "readme.txt", "folder/the dem.asc", "folder/the dem.tif")
	for _, c := range []struct {
		name string
		data []byte
		want string
	}{
		{"my dem.zip", whole, "the DEM is not a TIFF file: it is a ZIP archive that holds folder/the dem.tif; unpack it with: gdal_translate -co COMPRESS=DEFLATE /vsizip/'my dem.zip'/'folder/the dem.tif' 'my dem_converted.tif'"},
		{"x.zip", archive(t, "a.docx"), "the DEM is not a TIFF file: it is a ZIP archive without a raster; give the elevations as a GeoTIFF"},
		{"x.zip", whole[:60], "the DEM is not a TIFF file: it is a ZIP archive that is cut short or damaged; download or copy it again"},
		{"dem.tif.gz", []byte("\x1f\x8b\x08\x00"), "the DEM is not a TIFF file: it is a file packed by gzip; unpack it with: gdal_translate -co COMPRESS=DEFLATE /vsigzip/dem.tif.gz dem_converted.tif"},
		{"dem.tar.gz", []byte("\x1f\x8b\x08\x00"), "the DEM is not a TIFF file: it is a file packed by gzip; unpack it with: tar xzf dem.tar.gz"},
		{"", []byte("\x01\x02"), "the DEM is not a TIFF file; convert it with: gdal_translate -of GTiff in.tif out.tif"},
	} {
		if got := find(c.name, c.data); got.Sentence() != c.want || got.Code != finding.DEMFormat || got.Severity != finding.Refusal {
			t.Errorf("%s:\n%s, want\n%s", c.name, got.Sentence(), c.want)
		}
	}
	if got := foreign.Find("x.zip", whole[:40], nil, 0); !strings.Contains(got.Next, "unzip x.zip") {
		t.Errorf("without the file itself: %s", got.Next)
	}
}

func FuzzFind(f *testing.F) {
	f.Add([]byte("PK\x03\x04"))
	f.Add([]byte("ncols 3"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if got := find("dem.zip", data); got.Next == "" || strings.Contains(got.Next, "in.tif") {
			t.Errorf("%+v", got)
		}
	})
}
