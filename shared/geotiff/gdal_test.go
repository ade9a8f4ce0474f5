package geotiff

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/cyverse-gis/eemt/integration/reference"
	"github.com/cyverse-gis/eemt/shared/raster"
)

// sourceFile writes a two-band raster with our own writer for GDAL to convert.
func sourceFile(t testing.TB, dir string, nodata float64) string {
	t.Helper()
	a, b := hills[float64](131, 97), hills[float64](131, 97)
	for i := range b.Cells {
		b.Cells[i] = b.Cells[i]/8 - 100
	}
	var out bytes.Buffer
	if err := Write(&out, Options{Type: Float64, Transform: place, GeoKeys: utm13, NoData: &nodata}, a, b); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, fmt.Sprint("source", nodata, ".tif"))
	if err := os.WriteFile(path, out.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestReadAgainstGDAL: every flavour gdal_translate makes holds the same numbers.
func TestReadAgainstGDAL(t *testing.T) {
	reference.Program(t, "gdal_translate")
	dir := t.TempDir()
	sources := map[string]string{}
	for i, f := range []struct {
		args   string
		nodata float64
	}{
		{"-ot Float32", -9999},
		{"-ot Float32 -co TILED=YES -co BLOCKXSIZE=32 -co BLOCKYSIZE=16", -9999},
		{"-ot Float32 -co COMPRESS=LZW", -9999},
		{"-ot Float32 -co COMPRESS=LZW -co PREDICTOR=2", -9999},
		{"-ot Float32 -co COMPRESS=LZW -co PREDICTOR=3 -co TILED=YES", -9999},
		{"-ot Float32 -co COMPRESS=DEFLATE -co PREDICTOR=3 -co TILED=YES", math.NaN()},
		{"-ot Float32 -co COMPRESS=DEFLATE -co PREDICTOR=3 -co INTERLEAVE=BAND", math.NaN()},
		{"-ot Float32 -co COMPRESS=DEFLATE -co PREDICTOR=3 -co ENDIANNESS=BIG", math.NaN()},
		{"-ot Float32 -co COMPRESS=ZSTD -co PREDICTOR=3 -co BIGTIFF=YES", -3.4028234663852886e+38},
		{"-ot Float32 -co COMPRESS=ZSTD -co ZSTD_LEVEL=22 -co ENDIANNESS=BIG", -3.4028234663852886e+38},
		{"-ot Float32 -co COMPRESS=PACKBITS", -3.4028234663852886e+38},
		{"-ot Float64", -1.7976931348623157e+308},
		{"-ot Float64 -co COMPRESS=DEFLATE -co PREDICTOR=3 -co TILED=YES -co BIGTIFF=YES", -1.7976931348623157e+308},
		{"-ot Float64 -co COMPRESS=LZW -co PREDICTOR=2 -co ENDIANNESS=BIG", -9999},
		{"-ot Float64 -co COMPRESS=ZSTD -co PREDICTOR=2", math.NaN()},
		{"-ot Byte", 255},
		{"-ot Byte -co COMPRESS=PACKBITS -co TILED=YES", 0},
		{"-ot Byte -co COMPRESS=LZW -co PREDICTOR=2", 0},
		{"-ot Byte -co PIXELTYPE=SIGNEDBYTE -co COMPRESS=DEFLATE", -128},
		{"-ot Int16 -co COMPRESS=LZW", -32768},
		{"-ot Int16 -co COMPRESS=LZW -co PREDICTOR=2 -co TILED=YES -co INTERLEAVE=BAND", -32768},
		{"-ot Int16 -co COMPRESS=DEFLATE -co PREDICTOR=2 -co ENDIANNESS=BIG -co INTERLEAVE=PIXEL", -9999},
		{"-ot Int16 -co ENDIANNESS=BIG -co BIGTIFF=YES", -9999},
		{"-ot Int16 -co COMPRESS=ZSTD -co PREDICTOR=2 -co BLOCKYSIZE=7", -9999},
		{"-ot UInt16 -co COMPRESS=DEFLATE -co PREDICTOR=2", 65535},
		{"-ot UInt16 -co COMPRESS=PACKBITS -co ENDIANNESS=BIG", 0},
		{"-ot Int32 -co COMPRESS=LZW -co PREDICTOR=2 -co ENDIANNESS=BIG", -2147483648},
		{"-ot UInt32 -co COMPRESS=DEFLATE -co PREDICTOR=2 -co TILED=YES", 4294967295},
		{"-ot Int64 -co COMPRESS=DEFLATE -co PREDICTOR=2", -9999},
		{"-ot UInt64 -a_nodata 0 -co COMPRESS=ZSTD -co ENDIANNESS=BIG", 0},
		{"-ot Float32 -co NBITS=16", math.NaN()},
		{"-ot Float32 -co NBITS=16 -co COMPRESS=DEFLATE -co PREDICTOR=3 -co ENDIANNESS=BIG", math.NaN()},
		{"-ot Int16 -co SPARSE_OK=TRUE -co TILED=YES -co BLOCKXSIZE=16 -co BLOCKYSIZE=16 -co COMPRESS=DEFLATE", -9999},
		{"-of COG -co BLOCKSIZE=128 -co COMPRESS=LZW -co PREDICTOR=YES", -9999},
		{"-ot Int16 -of COG -co COMPRESS=DEFLATE", -9999},
	} {
		t.Run(f.args, func(t *testing.T) {
			if key := fmt.Sprint(f.nodata); sources[key] == "" {
				sources[key] = sourceFile(t, dir, f.nodata)
			}
			path := filepath.Join(dir, fmt.Sprint(i)+".tif")
			args := append([]string{"-q"}, strings.Fields(f.args)...)
			run(t, "gdal_translate", append(args, sources[fmt.Sprint(f.nodata)], path)...)
			m := openFile(t, path)
			if m.Width != 131 || m.Height != 97 || m.Bands != 2 {
				t.Fatalf("size %d x %d, %d bands", m.Width, m.Height, m.Bands)
			}
			if m.Transform != place || !m.HasTransform {
				t.Errorf("transform %+v, want %+v", m.Transform, place)
			}
			if m.GeoKeys.Shorts[3072] != 26913 {
				t.Errorf("GeoKeys %+v", m.GeoKeys)
			}
			if !m.HasNoData || !same(m.NoData, f.nodata) {
				t.Errorf("nodata %v %v, want %v", m.NoData, m.HasNoData, f.nodata)
			}
			want := gdalValues(t, path, 2, m.Width*m.Height)
			holes := 0
			for band := range want {
				for c, v := range want[band] {
					if m.Type == Int8 && v > 127 { // GDAL 3.6 has no such type
						v -= 256
						want[band][c] = v
					}
					if v == f.nodata {
						want[band][c] = math.NaN()
					}
					if math.IsNaN(want[band][c]) {
						holes++
					}
				}
				compare(t, fmt.Sprint("band ", band), m.Width, readAll(t, m, band), want[band])
				w := raster.Window{Col: 30, Row: 13, Width: 57, Height: 51}
				g, err := m.Grid(t.Context(), band, w)
				if err != nil {
					t.Fatal(err)
				}
				all := &raster.Grid[float64]{Width: m.Width, Height: m.Height, Cells: want[band]}
				compare(t, "window", w.Width, g.Cells, all.Sub(w).Cells)
			}
			if holes == 0 && m.Type != Int8 { // GDAL 3.6 writes -128 as 0
				t.Error("no cell without data: the source lost its hole")
			}
		})
	}
}

// TestRealData: the DEMs of real sources hold what GDAL says.
func TestRealData(t *testing.T) {
	reference.Program(t, "gdal_translate")
	files, err := filepath.Glob(filepath.Join(reference.Data(t), "data", "*", "*.tif"))
	if err != nil || len(files) == 0 {
		t.Fatal("no files", err)
	}
	for _, path := range files {
		t.Run(filepath.Base(path), func(t *testing.T) {
			m := openFile(t, path)
			want := gdalValues(t, path, m.Bands, m.Width*m.Height)[0]
			for i, v := range want {
				if m.HasNoData && v == m.NoData {
					want[i] = math.NaN()
				}
			}
			compare(t, "band 0", m.Width, readAll(t, m, 0), want)
		})
	}
}

const validator = "osgeo_utils.samples.validate_cloud_optimized_geotiff"

// gdalPython is the first Python on the path that has GDAL's validator.
func gdalPython(t testing.TB) string {
	t.Helper()
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		python := filepath.Join(dir, "python3")
		if exec.Command(python, "-c", "import "+validator).Run() == nil {
			return python
		}
	}
	reference.Program(t, "python3 with osgeo_utils")
	return ""
}

// TestWriteAgainstGDAL: GDAL's validator accepts what is written, GDAL reads
// the same numbers, we too.
func TestWriteAgainstGDAL(t *testing.T) {
	reference.Program(t, "gdal_translate")
	reference.Program(t, "gdalinfo")
	python := gdalPython(t)
	nd := func(v float64) *float64 { return &v }
	for _, c := range []struct {
		name          string
		width, height int
		bands         int
		opts          Options
	}{
		{"small", 87, 61, 1, Options{}},
		{"one cell", 1, 1, 1, Options{Overviews: true}},
		{"one row", 700, 1, 1, Options{Overviews: true}},
		{"overviews", 1300, 1100, 1, Options{Overviews: true}},
		{"twelve bands", 700, 600, 12, Options{Overviews: true}},
		{"three bands BigTIFF", 700, 600, 3, Options{Overviews: true, BigTIFF: true}},
		{"zstd Float64", 700, 600, 2, Options{Overviews: true, Compression: ZSTD, Type: Float64}},
		{"uncompressed", 300, 600, 1, Options{Overviews: true, Compression: None}},
		{"small blocks", 333, 222, 2, Options{Overviews: true, BlockSize: 16}},
		{"Uint8", 600, 520, 1, Options{Overviews: true, Type: Uint8, NoData: nd(255)}},
		{"Int16", 600, 520, 2, Options{Overviews: true, Type: Int16, NoData: nd(-9999)}},
		{"Uint32", 600, 520, 1, Options{Overviews: true, Type: Uint32, NoData: nd(0)}},
		{"Int64", 600, 520, 1, Options{Overviews: true, Type: Int64, NoData: nd(-9999), Compression: ZSTD}},
		{"Float32 nodata", 600, 520, 1, Options{Overviews: true, NoData: nd(-3.4028234663852886e+38)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := hills[float64](c.width, c.height)
			var grids []*raster.Grid[float64]
			for b := range c.bands {
				k := raster.New[float64](c.width, c.height)
				for i, v := range g.Cells {
					k.Cells[i] = v/6 + float64(b)
				}
				grids = append(grids, k)
				c.opts.Bands = append(c.opts.Bands, BandInfo{Description: fmt.Sprint("E & <", b, ">"), Unit: "MJ m-2"})
			}
			c.opts.Transform, c.opts.GeoKeys = place, utm13
			c.opts.Software = "eemt test"
			c.opts.Metadata = map[string]string{"A & B": "<\"x\">"}
			var out bytes.Buffer
			if err := Write(&out, c.opts, grids...); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(t.TempDir(), "out.tif")
			if err := os.WriteFile(path, out.Bytes(), 0o600); err != nil {
				t.Fatal(err)
			}
			if s := run(t, python, "-m", validator, "--full-check=yes", path); !strings.Contains(s, "is a valid cloud optimized GeoTIFF") || strings.Contains(s, "warning") {
				t.Errorf("validator: %s", s)
			}
			info := run(t, "gdalinfo", "-checksum", path)
			for _, want := range []string{
				"LAYOUT=COG", "ID[\"EPSG\",26913]", "Unit Type: MJ m-2", "Description = E & <0>", "A & B=<\"x\">", "STATISTICS_MINIMUM", "Checksum=",
				"Origin = (354000.000000000000000,3980000.000000000000000)", "Pixel Size = (10.000000000000000,-10.000000000000000)", "AREA_OR_POINT=Area",
				"TIFFTAG_SOFTWARE=eemt test",
			} {
				if !strings.Contains(info, want) {
					t.Errorf("gdalinfo lacks %q", want)
				}
			}
			if strings.Contains(info, "ERROR") || strings.Contains(info, "Warning") || t.Failed() {
				t.Errorf("gdalinfo:\n%s", info)
			}
			m := openBytes(t, out.Bytes())
			if got := m.Band(0); got.Unit != "MJ m-2" || got.Description != "E & <0>" || m.Metadata["A & B"] != c.opts.Metadata["A & B"] {
				t.Errorf("metadata %+v, %v", got, m.Metadata)
			}
			if m.Transform != place || !reflect.DeepEqual(m.GeoKeys, utm13) {
				t.Errorf("placed at %+v, %+v", m.Transform, m.GeoKeys)
			}
			values := gdalValues(t, path, c.bands, c.width*c.height)
			for b, k := range grids {
				want := make([]float64, len(k.Cells))
				for i, v := range k.Cells {
					switch {
					case math.IsNaN(v):
					case c.opts.Type == Float32:
						v = float64(float32(v))
					case c.opts.Type != Float64:
						lo, hi := c.opts.Type.Limits()
						v = min(max(math.Round(v), lo), hi)
						if v == *c.opts.NoData {
							v = math.NaN()
						}
					}
					want[i] = v
					if c.opts.NoData != nil && values[b][i] == float64(*c.opts.NoData) {
						values[b][i] = math.NaN()
					}
				}
				compare(t, "GDAL", c.width, values[b], want)
				compare(t, "own reader", c.width, readAll(t, m, b), want)
			}
			checkOverviews(t, m, grids[0], path, c.opts)
		})
	}
}

// checkOverviews compares every overview with the plain mean over its cells,
// and with what GDAL reads.
func checkOverviews(t *testing.T, m *Image, g *raster.Grid[float64], path string, opts Options) {
	t.Helper()
	side := opts.BlockSize
	if side == 0 {
		side = 512
	}
	want := 0
	for w, h := g.Width, g.Height; opts.Overviews && (w > side || h > side); w, h = (w+1)/2, (h+1)/2 {
		want++
	}
	if len(m.Overviews()) != want {
		t.Fatalf("%d overviews, want %d", len(m.Overviews()), want)
	}
	for k, o := range m.Overviews() {
		n := 2 << k
		got := readAll(t, o, 0)
		for i, v := range got {
			var sum float64
			var cells int
			for r := i / o.Width * n; r < min(g.Height, (i/o.Width+1)*n); r++ {
				for c := i % o.Width * n; c < min(g.Width, (i%o.Width+1)*n); c++ {
					if x := g.At(c, r); !math.IsNaN(x) {
						sum += x
						cells++
					}
				}
			}
			mean := sum / float64(cells)
			tol := 1e-4 // of values up to 300, in float32
			if !opts.Type.Float() {
				lo, hi := opts.Type.Limits()
				mean = min(max(math.Round(mean), lo), hi)
				tol = 1 // the mean may lie on the edge between two integers
				if mean == *opts.NoData || math.IsNaN(v) {
					continue
				}
			}
			if math.IsNaN(mean) != math.IsNaN(v) || math.Abs(mean-v) > tol {
				t.Fatalf("overview %d: column %d, row %d is %v, want %v", k, i%o.Width, i/o.Width, v, mean)
			}
		}
		all := gdalValues(t, path, m.Bands, len(got), "-oo", fmt.Sprint("OVERVIEW_LEVEL=", k))[0]
		if opts.NoData != nil {
			for i, v := range all {
				if v == *opts.NoData {
					all[i] = math.NaN()
				}
			}
		}
		compare(t, fmt.Sprint("overview ", k), o.Width, got, all)
	}
}

// TestCRSAgainstGDAL: the reference system of a real DEM survives writing.
func TestCRSAgainstGDAL(t *testing.T) {
	reference.Program(t, "gdalsrsinfo")
	files, err := filepath.Glob(filepath.Join(reference.Data(t), "data", "*", "*.tif"))
	if err != nil || len(files) == 0 {
		t.Fatal("no files", err)
	}
	for _, path := range files {
		t.Run(filepath.Base(path), func(t *testing.T) {
			m := openFile(t, path)
			g, err := m.Grid(t.Context(), 0, raster.Window{Width: 20, Height: 20})
			if err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			if err := Write(&out, Options{Transform: m.Transform, GeoKeys: m.GeoKeys}, g); err != nil {
				t.Fatal(err)
			}
			copied := filepath.Join(t.TempDir(), "out.tif")
			if err := os.WriteFile(copied, out.Bytes(), 0o600); err != nil {
				t.Fatal(err)
			}
			if got, want := run(t, "gdalsrsinfo", "-o", "wkt2", copied), run(t, "gdalsrsinfo", "-o", "wkt2", path); got != want {
				t.Errorf("got %s\nwant %s", got, want)
			}
			if n := openBytes(t, out.Bytes()); n.Transform != m.Transform {
				t.Errorf("placed at %+v, want %+v", n.Transform, m.Transform)
			}
		})
	}
}
