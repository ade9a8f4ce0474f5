// Package geotiff is a codec for GeoTIFF rasters.
//
// A file is read by window through an io.ReaderAt: only its directory
// and the blocks under the window are fetched. Files are written cloud-optimised,
// to an io.Writer, with bounded memory.
//
// Formats: TIFF 6.0, BigTIFF, GeoTIFF 1.1 (OGC 19-008r4), the GDAL_NODATA
// and GDAL_METADATA tags, and GDAL's published cloud-optimised layout.
package geotiff

import "github.com/cyverse-gis/eemt/shared/geotiff/internal/sample"

// SampleType is the type of the numbers stored in a file.
type SampleType = sample.Type

// The sample types that are read. All but Float16 are written too.
const (
	Float32 = sample.Float32 // the zero value: what results are stored as
	Float64 = sample.Float64
	Float16 = sample.Float16
	Uint8   = sample.Uint8
	Int8    = sample.Int8
	Uint16  = sample.Uint16
	Int16   = sample.Int16
	Uint32  = sample.Uint32
	Int32   = sample.Int32
	Uint64  = sample.Uint64
	Int64   = sample.Int64
)

// BandInfo describes one band.
type BandInfo struct {
	Description   string
	Unit          string
	Scale, Offset float64           // value = stored*Scale + Offset; Scale 0 means 1
	Metadata      map[string]string // other items of the band in GDAL_METADATA
}

// Unsupported is a feature of a file that is not read.
type Unsupported struct {
	Feature string // what it is, as the start of a sentence: "JPEG compression is not read"
	Fix     string // the command that makes a readable file of it
	Bits    int    // of a sample, where it is their number that is not read
}

func (u *Unsupported) Error() string { return u.Feature + "; convert with: " + u.Fix }

const (
	fixTranslate = "gdal_translate -co COMPRESS=DEFLATE in.tif out.tif"
	fixTiled     = "gdal_translate -co COMPRESS=DEFLATE -co TILED=YES in.tif out.tif"
	fixFloat     = "gdal_translate -ot Float32 -co COMPRESS=DEFLATE in.tif out.tif"
	fixWarp      = "gdalwarp -r bilinear -dstnodata -9999 -ot Float32 -co COMPRESS=DEFLATE in.tif out_north_up.tif"
)

// Photometric is the TIFF tag of that name: what the numbers of a file are.
type Photometric uint16

// The values of Photometric by which a file says that it is a picture or a mask, and that of plain numbers.
const (
	BlackIsZero Photometric = 1
	RGB         Photometric = 2
	Palette     Photometric = 3
	MaskImage   Photometric = 4
	CMYK        Photometric = 5
	YCbCr       Photometric = 6
	CIELab      Photometric = 8
)

// Values of the ExtraSamples tag that mean transparency.
const (
	associatedAlpha   = 1
	unassociatedAlpha = 2
)
