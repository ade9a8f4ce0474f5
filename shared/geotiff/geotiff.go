// Package geotiff is a codec for GeoTIFF rasters.
//
// A file is read by window through an io.ReaderAt: only its directory
// and the blocks under the window are fetched. Files are written cloud-optimised,
// to an io.Writer, with bounded memory.
//
// Formats: TIFF 6.0, BigTIFF, GeoTIFF 1.1 (OGC 19-008r4), the GDAL_NODATA
// and GDAL_METADATA tags, and GDAL's published cloud-optimised layout.
package geotiff

import (
	"fmt"
	"math"
)

// SampleType is the type of the numbers stored in a file.
type SampleType uint8

// The sample types that are read. All but Float16 are written too.
const (
	Float32 SampleType = iota // the zero value: what results are stored as
	Float64
	Float16
	Uint8
	Int8
	Uint16
	Int16
	Uint32
	Int32
	Uint64
	Int64
)

var sampleTypes = [...]struct {
	name   string
	size   int
	format uint16 // TIFF SampleFormat: 1 unsigned, 2 signed, 3 floating point
}{
	Float32: {"Float32", 4, 3},
	Float64: {"Float64", 8, 3},
	Float16: {"Float16", 2, 3},
	Uint8:   {"Uint8", 1, 1},
	Int8:    {"Int8", 1, 2},
	Uint16:  {"Uint16", 2, 1},
	Int16:   {"Int16", 2, 2},
	Uint32:  {"Uint32", 4, 1},
	Int32:   {"Int32", 4, 2},
	Uint64:  {"Uint64", 8, 1},
	Int64:   {"Int64", 8, 2},
}

// String returns the name, such as "Int16".
func (t SampleType) String() string {
	if int(t) < len(sampleTypes) {
		return sampleTypes[t].name
	}
	return fmt.Sprintf("SampleType(%d)", t)
}

// Size is the number of bytes of one sample.
func (t SampleType) Size() int { return sampleTypes[t].size }

// Float reports whether the samples are floating-point numbers.
func (t SampleType) Float() bool { return sampleTypes[t].format == 3 }

// limits returns the range of an integer type, as float64 can hold it.
func (t SampleType) limits() (lo, hi float64) {
	bits := 8 * t.Size()
	if sampleTypes[t].format == 1 {
		return 0, math.Ldexp(1, bits) - 1
	}
	return -math.Ldexp(1, bits-1), math.Ldexp(1, bits-1) - 1
}

// sampleType finds the type for a TIFF SampleFormat and a number of bits.
func sampleType(format uint16, bits int) (SampleType, bool) {
	for t, s := range sampleTypes {
		if s.format == format && 8*s.size == bits {
			return SampleType(t), true
		}
	}
	return 0, false
}

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
