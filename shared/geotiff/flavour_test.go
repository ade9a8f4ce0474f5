package geotiff

import (
	"bytes"
	"errors"
	"flag"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cyverse-gis/eemt/integration/reference"
	"github.com/cyverse-gis/eemt/shared/geotiff/internal/ifd"
	"github.com/cyverse-gis/eemt/shared/raster"
)

var update = flag.Bool("update", false, "make the files under testdata anew with GDAL")

// The files under testdata hold this raster of 21 x 17 cells in two bands.
const (
	flavourWidth  = 21
	flavourHeight = 17
)

// flavourValue is NaN in the cells without data.
func flavourValue(band, col, row int) float64 {
	if (col-8)*(col-8)+(row-5)*(row-5) < 9 {
		return math.NaN()
	}
	return float64(10 + 2*col + 3*row + col*row%7 + 10*band)
}

// flavours are made by gdal_translate from the raster above.
var flavours = []struct{ name, args string }{
	{"int16_lzw_tiled", "-ot Int16 -co COMPRESS=LZW -co TILED=YES -co BLOCKXSIZE=16 -co BLOCKYSIZE=16"},
	{"int16_lzw_predictor_big", "-ot Int16 -co COMPRESS=LZW -co PREDICTOR=2 -co ENDIANNESS=BIG"},
	{"int16_deflate_planar", "-ot Int16 -co COMPRESS=DEFLATE -co PREDICTOR=2 -co INTERLEAVE=BAND -co BLOCKYSIZE=5"},
	{"uint8_packbits", "-ot Byte -co COMPRESS=PACKBITS"},
	{"uint8_none", "-ot Byte -co INTERLEAVE=BAND"},
	{"int8_deflate", "-ot Byte -co PIXELTYPE=SIGNEDBYTE -a_nodata 0 -co COMPRESS=DEFLATE"},
	{"uint16_zstd_bigtiff", "-ot UInt16 -co COMPRESS=ZSTD -co PREDICTOR=2 -co BIGTIFF=YES"},
	{"int32_deflate_big", "-ot Int32 -co COMPRESS=DEFLATE -co PREDICTOR=2 -co ENDIANNESS=BIG -co BIGTIFF=YES"},
	{"uint32_lzw", "-ot UInt32 -co COMPRESS=LZW -co PREDICTOR=2"},
	{"int64_zstd", "-ot Int64 -a_nodata 0 -co COMPRESS=ZSTD"},
	{"float16_deflate", "-ot Float32 -co NBITS=16 -co COMPRESS=DEFLATE -co PREDICTOR=3"},
	{"float32_none_big", "-ot Float32 -co ENDIANNESS=BIG -co BLOCKYSIZE=4 -b 1"},
	{"float32_lzw_predictor", "-ot Float32 -co COMPRESS=LZW -co PREDICTOR=3"},
	{"float64_deflate_tiled", "-ot Float64 -co COMPRESS=DEFLATE -co PREDICTOR=3 -co TILED=YES -co BLOCKXSIZE=32 -co BLOCKYSIZE=16"},
	{"float64_zstd_predictor2", "-ot Float64 -co COMPRESS=ZSTD -co PREDICTOR=2 -co ENDIANNESS=BIG"},
	{"float32_nodata_lowest", "-ot Float32 -co COMPRESS=DEFLATE"},
	{"masked", "-ot Byte -a_nodata none -mask 3 -b 1 -b 2 --config GDAL_TIFF_INTERNAL_MASK YES -co COMPRESS=DEFLATE"},
	{"point", "-ot Int16 -mo AREA_OR_POINT=Point -co COMPRESS=DEFLATE"},
	{"scaled", "-ot Int16 -a_scale 0.5 -a_offset 3 -co COMPRESS=DEFLATE"},
}

// TestFlavours reads what GDAL made of one raster, without GDAL.
func TestFlavours(t *testing.T) {
	if *update {
		reference.Program(t, "gdal_translate")
		makeFlavours(t)
	}
	for _, f := range flavours {
		t.Run(f.name, func(t *testing.T) {
			m := openFile(t, filepath.Join("testdata", f.name+".tif"))
			if m.Width != flavourWidth || m.Height != flavourHeight {
				t.Fatalf("size %d x %d", m.Width, m.Height)
			}
			if m.Transform != place || m.PixelIsPoint != (f.name == "point") {
				t.Errorf("transform %+v, point %v", m.Transform, m.PixelIsPoint)
			}
			both := [][]float64{make([]float64, m.Width*m.Height), make([]float64, m.Width*m.Height)}
			if err := m.ReadBands(t.Context(), []int{m.Bands - 1, 0}, m.Bounds(), both); err != nil {
				t.Fatal(err)
			}
			compare(t, "last of both bands", m.Width, both[0], readAll(t, m, m.Bands-1))
			compare(t, "first of both bands", m.Width, both[1], readAll(t, m, 0))
			for b := range m.Bands {
				want := raster.New[float64](m.Width, m.Height)
				for r := range m.Height {
					for c := range m.Width {
						v := flavourValue(b, c, r)
						if f.name == "scaled" {
							v = v*0.5 + 3
						}
						want.Set(c, r, v)
					}
				}
				compare(t, "band", m.Width, readAll(t, m, b), want.Cells)
				for _, w := range []raster.Window{
					{Col: 20, Row: 16, Width: 1, Height: 1},
					{Col: 3, Row: 2, Width: 17, Height: 9},
					{Col: 9, Row: 3, Width: 5, Height: 14},
				} {
					g, err := m.Grid(t.Context(), b, w)
					if err != nil {
						t.Fatal(err)
					}
					compare(t, "window", w.Width, g.Cells, want.Sub(w).Cells)
				}
			}
		})
	}
}

func makeFlavours(t *testing.T) {
	var grids [3]*raster.Grid[float64]
	for b := range grids {
		grids[b] = raster.New[float64](flavourWidth, flavourHeight)
		for r := range flavourHeight {
			for c := range flavourWidth {
				v := flavourValue(b, c, r)
				if b == 2 { // the mask
					if v == v {
						v = 255
					} else {
						v = 0
					}
				}
				grids[b].Set(c, r, v)
			}
		}
	}
	src := filepath.Join(t.TempDir(), "source.tif")
	for _, f := range flavours {
		nodata := 0.0
		if f.name == "float32_nodata_lowest" {
			nodata = -math.MaxFloat32
		}
		var out bytes.Buffer
		if err := Write(&out, Options{Type: Float64, Transform: place, NoData: &nodata}, grids[:]...); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(src, out.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		args := append([]string{"-q"}, strings.Fields(f.args)...)
		if !strings.Contains(f.args, "-b ") {
			args = append(args, "-b", "1", "-b", "2")
		}
		run(t, "gdal_translate", append(args, src, filepath.Join("testdata", f.name+".tif"))...)
	}
}

// TestRefusals: what is not read is refused with a command that helps.
func TestRefusals(t *testing.T) {
	reference.Program(t, "gdal_translate")
	reference.Program(t, "gdalwarp")
	dir := t.TempDir()
	src := sourceFile(t, dir, math.NaN())
	for _, f := range []struct{ name, args, want string }{
		{"jpeg", "-ot Byte -co COMPRESS=JPEG", "JPEG compression is not read; convert with: gdal_translate -co COMPRESS=DEFLATE in.tif out.tif"},
		{"lerc", "-ot Byte -b 1 -co COMPRESS=LERC", "LERC compression is not read"},
		{"lzma", "-co COMPRESS=LZMA", "LZMA compression is not read"},
		{"ccitt", "-ot Byte -b 1 -co NBITS=1 -co COMPRESS=CCITTFAX4", "CCITT group 4 compression is not read"},
		{"1 bit", "-ot Byte -co NBITS=1", "integers of 1 bits are not read"},
		{"12 bits", "-ot UInt16 -co NBITS=12", "integers of 12 bits are not read"},
		{"complex", "-ot CFloat32", "complex numbers are not read"},
		{"control points", "-gcp 0 0 1 9 -gcp 10 0 2 9 -gcp 0 10 1 8 -gcp 9 8 1.9 8.2 -a_srs EPSG:4326", "ground control points alone"},
		{"south-up", "-a_ullr 0 0 1310 970", "south edge first"},
	} {
		t.Run(f.name, func(t *testing.T) {
			bad := filepath.Join(dir, "in.tif")
			run(t, "gdal_translate", append(append([]string{"-q"}, strings.Fields(f.args)...), src, bad)...)
			checkRefusal(t, bad, f.want)
		})
	}
}

func checkRefusal(t *testing.T, path, want string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Open(bytes.NewReader(b), int64(len(b)))
	var u *Unsupported
	if !errors.As(err, &u) || !strings.Contains(err.Error(), want) {
		t.Fatalf("error %q, want %q", err, want)
	}
	// The command it gives makes a readable file.
	out := filepath.Join(t.TempDir(), "out.tif")
	cmd := strings.Fields(u.Fix)
	cmd[len(cmd)-2], cmd[len(cmd)-1] = path, out
	run(t, cmd[0], cmd[1:]...)
	readAll(t, openFile(t, out), 0)
}

// TestNoData: writers print fewer digits than the samples have.
func TestNoData(t *testing.T) {
	for _, c := range []struct {
		text   string
		kind   SampleType
		sample float64
		want   bool
	}{
		{"-9999", Int16, -9999, true},
		{"-9999 ", Float32, -9999, true},
		{"-9999", Float32, -9998, false},
		{"-3.4028234663852886e+38", Float32, -math.MaxFloat32, true},
		{"-3.40282346638529e+38", Float32, -math.MaxFloat32, true},
		{"-3.40282346638529e+38", Float64, -math.MaxFloat32, true},
		{"-3.40282306074e+38", Float32, float64(float32(-3.40282306074e+38)), true},
		{"-1.79769313486232e+308", Float64, -math.MaxFloat64, true},
		{"-1.7976931348623157e+308", Float64, -1, false},
		{"0.1", Float32, float64(float32(0.1)), true},
		{"0.1", Float64, 0.1, true},
		{"1e40", Float32, math.MaxFloat32, false},
		{"nan", Float32, 0, false},
		{"-9999", Float16, -10000, true},
		{"-9999", Float16, -9992, false},
		{"0.1", Float16, 1638.0 / 16384, true},
		{"1e-7", Float16, math.Ldexp(2, -24), true},
		{"0", Float16, 0, true},
		{"-1.#IND nan", Float64, 0, false},
		{"-1.#IND", Float64, 0, false},
		{"1.#INF", Float32, math.Inf(1), true},
		{"-1.#INF", Float32, math.Inf(-1), true},
		{"-1.#INF", Float32, math.Inf(1), false},
	} {
		v, err := parseNoData(c.text, c.kind)
		if err != nil {
			t.Fatal(err)
		}
		is := (&Image{Type: c.kind, NoData: v, HasNoData: true}).isNoData()
		if got := is != nil && is(c.sample); got != c.want {
			t.Errorf("%s %q: %v is nodata: %v, want %v", c.kind, c.text, c.sample, got, c.want)
		}
	}
	if _, err := parseNoData("none", Float32); err == nil {
		t.Error("none: no error")
	}
}

// TestRemarks: characters that are none in XML do not keep a file from being read.
func TestRemarks(t *testing.T) {
	for _, c := range []struct{ text, remark string }{
		{"<GDALMetadata><Item name=\"REMARK\">\xa9 M\xfcller</Item>", "\ufffd M\ufffdller"},
		{"<GDALMetadata><Item name=\"REMARK\">M\x01</Item>", "M\ufffd"},
		{"<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><GDALMetadata><Item name=\"REMARK\">M</Item>", "M"},
		{"<GDALMetadata><Item name=\"REMARK\">\u00a9 M\u00fcller</Item>", "\u00a9 M\u00fcller"},
	} {
		const scale = "<Item name=\"SCALE\" sample=\"0\" role=\"scale\">0.5</Item></GDALMetadata>"
		var out bytes.Buffer
		if err := Write(&out, Options{Transform: place, Metadata: map[string]string{"A": strings.Repeat("x", 500)}}, hills[float32](16, 16)); err != nil {
			t.Fatal(err)
		}
		b := out.Bytes()
		at := bytes.Index(b, []byte("<GDALMetadata>"))
		copy(b[at:], c.text+scale+"\x00")
		m := openBytes(t, b)
		if m.Metadata["REMARK"] != c.remark || m.Band(0).Scale != 0.5 {
			t.Errorf("%q: remark %q, scale %g", c.text, m.Metadata["REMARK"], m.Band(0).Scale)
		}
	}
}

// TestSizeNotStated: one uncompressed block at a place of the file is there, whatever
// its size is said to be.
func TestSizeNotStated(t *testing.T) {
	var out bytes.Buffer
	g := hills[float32](16, 16)
	if err := Write(&out, Options{Transform: place, Compression: None}, g); err != nil {
		t.Fatal(err)
	}
	want := readAll(t, openBytes(t, out.Bytes()), 0)
	compare(t, "size 0", 16, readAll(t, openBytes(t, setTag(t, out.Bytes(), ifd.TileByteCounts, 1, 0)), 0), want)
}
