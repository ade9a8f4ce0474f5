// Package foreign recognizes files that are not TIFFs by their first bytes, to tell how a GeoTIFF is made of them.
package foreign

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/cyverse-gis/eemt/shared/finding"
	"github.com/cyverse-gis/eemt/shared/remedy"
)

// HeadSize is how many bytes of a file Name looks at.
const HeadSize = 512

const (
	translate = "convert it with: gdal_translate -co COMPRESS=DEFLATE in.tif out.tif"
	list      = "see what it holds with: gdalinfo in.tif, and convert the elevations with: gdal_translate -co COMPRESS=DEFLATE in.tif out.tif"
	picture   = "a picture has colours in place of elevations: export the DEM itself as GeoTIFF"
	document  = "give the elevations as a GeoTIFF"
	again     = "what was downloaded is not the DEM: download it again, logged in where the site asks for it"
)

// kind is a format with its signature.
type kind struct {
	at        int
	signature string
	what      string
	next      string
}

var kinds = []kind{
	{0, "PK\x03\x04", "a ZIP archive", "unpack it with: unzip in.tif"},
	{0, "PK\x05\x06", "an empty ZIP archive", document},
	{0, "\x1f\x8b", "a file packed by gzip", "unpack it with: gdal_translate -co COMPRESS=DEFLATE /vsigzip/in.tif out.tif"},
	{257, "ustar", "a tar archive", "unpack it with: tar xf in.tif"},
	{0, "BZh", "a file packed by bzip2", "unpack it with: bunzip2 -k in.tif"},
	{0, "\xfd7zXZ\x00", "a file packed by xz", "unpack it with: unxz -k in.tif"},
	{0, "\x28\xb5\x2f\xfd", "a file packed by zstd", "unpack it with: unzstd in.tif"},
	{0, "7z\xbc\xaf\x27\x1c", "a 7-Zip archive", "unpack it with: 7z x in.tif"},
	{0, "Rar!", "a RAR archive", "unpack it with: unrar x in.tif"},
	{0, "\x89PNG\r\n\x1a\n", "a PNG picture", picture},
	{0, "\xff\xd8\xff", "a JPEG picture", picture},
	{0, "GIF8", "a GIF picture", picture},
	{0, "BM", "a BMP picture", picture},
	{8, "WEBP", "a WebP picture", picture},
	{0, "\x00\x00\x00\x0cjP  \r\n", "a JPEG 2000 file", translate},
	{0, "\xff\x4f\xff\x51", "a JPEG 2000 file", translate},
	{0, "\x89HDF\r\n\x1a\n", "an HDF5 or NetCDF 4 file", list},
	{0, "\x0e\x03\x13\x01", "an HDF4 file", list},
	{0, "CDF\x01", "a NetCDF file", list},
	{0, "CDF\x02", "a NetCDF file", list},
	{0, "CDF\x05", "a NetCDF file", list},
	{0, "GRIB", "a GRIB file", list},
	{0, "EHFA_HEADER_TAG", "an ERDAS IMAGINE file", translate},
	{0, "GRID1.2", "the header of an Esri grid", "convert its folder with: gdal_translate -co COMPRESS=DEFLATE FOLDER out.tif"},
	{0, "ENVI", "the header of an ENVI file", "convert the file of numbers beside it with: gdal_translate -co COMPRESS=DEFLATE FILE out.tif"},
	{0, "DSAA", "a Surfer grid", translate},
	{0, "DSBB", "a Surfer grid", translate},
	{0, "DSRB", "a Surfer grid", translate},
	{0, "RSVT", "a raster of PCRaster", translate},
	{0, "RUU CROSS SYSTEM MAP FORMAT", "a raster of PCRaster", translate},
	{0, "LASF", "a point cloud (LAS or LAZ)", "make a raster of its ground points first, for instance with: pdal translate in.tif out_ground.tif --writer writers.gdal --writers.gdal.resolution=1 --writers.gdal.output_type=idw"},
	{0, "\x00\x00\x27\x0a", "a shapefile, which has points or outlines", document},
	{0, "SQLite format 3\x00", "a GeoPackage or another database of SQLite", list},
	{0, "%PDF", "a PDF document", document},
	{0, "\xd0\xcf\x11\xe0", "a document of an office program", document},
	{0, "version https://git-lfs", "a pointer of Git LFS in place of the file", "fetch the file itself with: git lfs pull"},
	{0, "\xff\xfe", "a text in UTF-16", document},
	{0, "\xfe\xff", "a text in UTF-16", document},
}

func identify(head []byte) kind {
	for _, k := range kinds {
		if len(head) > k.at && bytes.HasPrefix(head[k.at:], []byte(k.signature)) {
			return k
		}
	}
	text := strings.ToLower(strings.TrimLeft(strings.TrimPrefix(string(head), "\ufeff"), " \t\r\n"))
	switch {
	case len(head) == 0:
		return kind{what: "an empty file", next: "download or copy it again"}
	case strings.HasPrefix(text, "ncols"), strings.HasPrefix(text, "nrows") && strings.Contains(text, "ncols"):
		return kind{what: "an ESRI ASCII grid", next: translate}
	case strings.HasPrefix(text, "north:"):
		return kind{what: "an ASCII raster of GRASS", next: translate}
	case strings.HasPrefix(text, "<vrtdataset"):
		return kind{what: "a VRT, which names the files that have the elevations", next: translate}
	case strings.HasPrefix(text, "<!doctype html"), strings.HasPrefix(text, "<html"):
		return kind{what: "an HTML page", next: again}
	case strings.HasPrefix(text, "<"):
		return kind{what: "an XML file", next: document}
	case strings.HasPrefix(text, "{"), strings.HasPrefix(text, "["):
		return kind{what: "a JSON file", next: document}
	case bytes.Count(head, []byte{0}) == len(head):
		return kind{what: "a file of zeros: its download or copy has probably broken off", next: "download or copy it again"}
	case readable(head):
		return kind{what: "a text", next: document}
	}
	return kind{next: "convert it with: gdal_translate -of GTiff in.tif out.tif"}
}

// readable reports whether the bytes are a text.
func readable(head []byte) bool {
	if len(head) == HeadSize { // the last letter may be cut
		for range utf8.UTFMax - 1 {
			if utf8.Valid(head) {
				break
			}
			head = head[:len(head)-1]
		}
	}
	return utf8.Valid(head) && !bytes.ContainsFunc(head, func(r rune) bool { return r < ' ' && r != '\t' && r != '\n' && r != '\r' && r != '\f' })
}

// IsTIFF reports whether the first bytes are those of a TIFF.
func IsTIFF(head []byte) bool {
	if len(head) < 4 {
		return false
	}
	for _, order := range []struct {
		mark string
		binary.ByteOrder
	}{{"II", binary.LittleEndian}, {"MM", binary.BigEndian}} {
		if string(head[:2]) == order.mark {
			version := order.Uint16(head[2:])
			return version == 42 || version == 43
		}
	}
	return false
}

// Find describes a file of a name that is no TIFF by its first HeadSize bytes. With r, of size bytes, it looks into an
// archive too; r may be nil.
func Find(name string, head []byte, r io.ReaderAt, size int64) finding.Finding {
	k := identify(head)
	f := finding.Finding{Code: finding.DEMFormat, Severity: finding.Refusal, Message: "the DEM is not a TIFF file", Next: k.next}
	if k.what != "" {
		f.Message += ": it is " + k.what
	}
	switch {
	case k.signature == "PK\x03\x04" && r != nil:
		lookInto(r, size, &f)
	case k.signature == "\x1f\x8b" && packedTar(name):
		f.Next = "unpack it with: tar xzf in.tif"
	}
	f.Next = remedy.For(name, f.Next)
	return f
}

func packedTar(name string) bool {
	low := strings.ToLower(name)
	return strings.HasSuffix(low, ".tgz") || strings.HasSuffix(low, ".tar.gz")
}

// What is read of an archive's list: the list of a million files would take memory for each.
const (
	mostArchive = 1 << 40
	mostEntries = 4096
)

// rasters are the endings of files that GDAL converts, the likeliest first.
var rasters = []string{".tif", ".tiff", ".img", ".asc", ".hgt", ".vrt", ".nc", ".bil", ".flt", ".dem", ".adf", ".jp2", ".grd"}

// lookInto names the raster in a ZIP archive.
func lookInto(r io.ReaderAt, size int64, f *finding.Finding) {
	if size > mostArchive || entries(r, size) > mostEntries {
		return
	}
	z, err := zip.NewReader(r, size)
	if err != nil {
		f.Message += " that is cut short or damaged"
		f.Next = "download or copy it again"
		return
	}
	best, rank := "", len(rasters)
	for _, file := range z.File {
		i := slices.Index(rasters, strings.ToLower(path.Ext(file.Name)))
		if i >= 0 && i < rank && strings.IndexFunc(file.Name, func(r rune) bool { return r < ' ' }) < 0 && len(file.Name) < 200 {
			best, rank = file.Name, i
		}
	}
	if best == "" {
		f.Message += " without a raster"
		f.Next = document
		return
	}
	f.Message += fmt.Sprintf(" that holds %s", best)
	f.Next = "unpack it with: gdal_translate -co COMPRESS=DEFLATE /vsizip/in.tif/" + remedy.Quote(best) + " out.tif"
}

// entries is the number of files that the end of a ZIP archive states, and more than mostEntries where it is not found.
func entries(r io.ReaderAt, size int64) int {
	const record = 22
	tail := make([]byte, min(size, 1<<16+record))
	if n, err := r.ReadAt(tail, size-int64(len(tail))); n < len(tail) && err != nil {
		return 0 // which the archive's own reader says
	}
	i := bytes.LastIndex(tail, []byte("PK\x05\x06"))
	if i < 0 || len(tail)-i < record {
		return 0
	}
	return int(binary.LittleEndian.Uint16(tail[i+10:]))
}
