package geotiff

import (
	"bytes"
	"context"
	"encoding/binary"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/cyverse-gis/eemt/shared/raster"
)

func run(t testing.TB, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return string(out)
}

func openFile(t testing.TB, path string) *Image {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return openBytes(t, b)
}

func openBytes(t testing.TB, b []byte) *Image {
	t.Helper()
	m, err := Open(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func readAll(t testing.TB, m *Image, band int) []float64 {
	t.Helper()
	dst := make([]float64, m.Width*m.Height)
	if err := m.Read(context.Background(), band, m.Bounds(), dst); err != nil {
		t.Fatal(err)
	}
	return dst
}

// gdalValues are all bands as GDAL reads them, unscaled and with nodata as stored.
func gdalValues(t testing.TB, path string, bands, cells int, args ...string) [][]float64 {
	t.Helper()
	raw := filepath.Join(t.TempDir(), "raw")
	run(t, "gdal_translate", append(append([]string{"-q", "-of", "ENVI", "-co", "INTERLEAVE=BSQ", "-ot", "Float64"}, args...), path, raw)...)
	b, err := os.ReadFile(raw)
	if err != nil {
		t.Fatal(err)
	}
	if len(b) != 8*bands*cells {
		t.Fatalf("gdal wrote %d bytes, want %d bands of %d cells", len(b), bands, cells)
	}
	all := make([][]float64, bands)
	for k := range all {
		all[k] = make([]float64, cells)
		for i := range all[k] {
			all[k][i] = math.Float64frombits(binary.LittleEndian.Uint64(b[8*(k*cells+i):]))
		}
	}
	return all
}

func same(a, b float64) bool { return a == b || (a != a && b != b) }

// compare fails on the first cell that differs.
func compare(t testing.TB, what string, width int, got, want []float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d cells, want %d", what, len(got), len(want))
	}
	for i := range got {
		if !same(got[i], want[i]) {
			t.Fatalf("%s: column %d, row %d is %v, want %v", what, i%width, i/width, got[i], want[i])
		}
	}
}

// hills is a made-up terrain of smooth hills with a hole without data.
func hills[T float32 | float64](width, height int) *raster.Grid[T] {
	g := raster.New[T](width, height)
	for r := range height {
		for c := range width {
			x, y := float64(c)/17, float64(r)/23
			v := 1200 + 300*math.Sin(x)*math.Cos(y) + 40*math.Sin(5*x+3*y) + float64((c*7+r*13)%11)/10
			if (c-width/3)*(c-width/3)+(r-height/2)*(r-height/2) < width*height/200 {
				v = math.NaN()
			}
			g.Set(c, r, T(v))
		}
	}
	return g
}

var utm13 = raster.GeoKeys{
	Shorts:  map[uint16]uint16{1024: 1, 1025: 1, 3072: 26913, 3076: 9001},
	Strings: map[uint16]string{1026: "NAD83 / UTM zone 13N"},
	Doubles: map[uint16][]float64{},
}

var place = raster.Transform{OriginX: 354000, OriginY: 3980000, StepX: 10, StepY: -10}
