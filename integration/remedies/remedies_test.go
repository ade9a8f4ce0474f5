// Package remedies_test runs the commands of refusals literally, with GDAL, and goes on to maps.
package remedies_test

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/cyverse-gis/eemt/shared/crs"
	"github.com/cyverse-gis/eemt/shared/geotiff"
	"github.com/cyverse-gis/eemt/shared/inspect"
	"github.com/cyverse-gis/eemt/shared/raster"
	"github.com/cyverse-gis/eemt/shared/remedy"
)

func needGDAL(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("gdalwarp"); err != nil {
		if os.Getenv("EEMT_REQUIRE_TOOLS") == "1" {
			t.Fatalf("GDAL is missing: %v", err)
		}
		t.Skipf("GDAL is missing: %v", err)
	}
}

// sh runs a command line in a directory.
func sh(t *testing.T, dir, command string) {
	t.Helper()
	c := exec.Command("sh", "-c", command)
	c.Dir = dir
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", command, err, out)
	}
}

// command finds the command in a refusal.
var command = regexp.MustCompile(`with: ((?:gdal_translate|gdalwarp|gdal_calc.py|tar|gunzip) .*)$`)

// follow does what refusals say until the DEM is taken, at most three times. It returns the name of the DEM that is.
func follow(t *testing.T, dir, name string) string {
	t.Helper()
	for range 4 {
		detail := examine(t, dir, name)
		if detail == "" {
			return name
		}
		m := command.FindStringSubmatch(detail)
		if m == nil {
			t.Fatalf("%s: a refusal without a command: %s", name, detail)
		}
		before := names(t, dir)
		t.Log(detail)
		sh(t, dir, m[1])
		made := ""
		for n := range names(t, dir) {
			if !before[n] {
				made = n
			}
		}
		if made == "" {
			t.Fatalf("%s made no file", m[1])
		}
		name = made
	}
	t.Fatalf("the advice does not end: %s", name)
	return ""
}

func names(t *testing.T, dir string) map[string]bool {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]bool{}
	for _, e := range list {
		all[e.Name()] = true
	}
	return all
}

// examine returns why a DEM is refused; empty if it is taken.
func examine(t *testing.T, dir, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	r, err := inspect.File(t.Context(), bytes.NewReader(data), int64(len(data)), inspect.Options{Name: name})
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(r.Detail, "in.tif") || strings.Contains(r.Detail, "\n") {
		t.Errorf("refusal %q", r.Detail)
	}
	return r.Detail
}

func cells(t *testing.T, path string) (*geotiff.Image, *raster.Grid[float64]) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	m, err := geotiff.Open(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	g, err := m.Grid(context.Background(), 0, m.Bounds())
	if err != nil {
		t.Fatal(err)
	}
	return m, g
}

// eemt builds the program.
func eemt(t *testing.T) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "eemt")
	c := exec.Command("go", "build", "-o", bin, "./cmd/eemt")
	c.Dir = filepath.Join("..", "..")
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return bin
}

const (
	width, height = 60, 50
	cell          = 10.0
)

// plane writes a plane of 10 degrees in UTM 32 N, that rises to the east.
func plane(t *testing.T, dir, name string, nodata *float64) {
	t.Helper()
	g := raster.New[float64](width, height)
	for i := range g.Cells {
		g.Cells[i] = 500 + math.Tan(10*math.Pi/180)*cell*float64(i%width)
	}
	system, err := crs.FromEPSG(32632)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := geotiff.Write(&b, geotiff.Options{
		Type: geotiff.Float32, GeoKeys: system.GeoKeys(), NoData: nodata,
		Transform: raster.Transform{OriginX: 500000, OriginY: 5200000, StepX: cell, StepY: -cell},
	}, g); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name), b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// rotated makes a raster of the plane that is turned by so many degrees.
func rotated(t *testing.T, dir, name string, degrees float64) {
	t.Helper()
	sin, cos := math.Sincos(degrees * math.Pi / 180)
	sh(t, dir, "gdal_translate -q -of VRT plane.tif plane.vrt")
	text, err := os.ReadFile(filepath.Join(dir, "plane.vrt"))
	if err != nil {
		t.Fatal(err)
	}
	turned := regexp.MustCompile(`<GeoTransform>.*</GeoTransform>`).ReplaceAllString(string(text),
		fmt.Sprintf("<GeoTransform>500000, %.15g, %.15g, 5200000, %.15g, %.15g</GeoTransform>", cell*cos, cell*sin, cell*sin, -cell*cos))
	if err := os.WriteFile(filepath.Join(dir, "plane.vrt"), []byte(turned), 0o644); err != nil {
		t.Fatal(err)
	}
	sh(t, dir, "gdal_translate -q plane.vrt "+remedy.Input(name)+" && rm plane.vrt")
}

// inner reports whether a cell is surrounded by others, two cells deep. At its rim gdalwarp repeats the outer cells, for it
// has nothing beyond them to interpolate with.
func inner(g *raster.Grid[float64], i int) bool {
	for r := -2; r <= 2; r++ {
		for c := -2; c <= 2; c++ {
			col, row := i%g.Width+c, i/g.Width+r
			if col < 0 || row < 0 || col >= g.Width || row >= g.Height || math.IsNaN(g.At(col, row)) {
				return false
			}
		}
	}
	return true
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestPlaneStaysAPlane follows the advice of refusals on a plane of 10 degrees, and computes maps of what comes of it.
func TestPlaneStaysAPlane(t *testing.T) {
	needGDAL(t)
	bin := eemt(t)
	for _, c := range []struct {
		name, file string
		tolerance  float64 // of the slope, degrees
		make       func(t *testing.T, dir, file string)
	}{
		{"south first", "south up.tif", 1e-3, func(t *testing.T, dir, file string) {
			sh(t, dir, fmt.Sprintf("gdal_translate -q -a_ullr 500000 %g %g 5200000 plane.tif %s", 5200000-height*cell, 500000+width*cell, remedy.Input(file)))
		}},
		{"rotated", "it's $HOME.tif", 0.01, func(t *testing.T, dir, file string) { rotated(t, dir, file, 20) }},
		{"leading dash", "-dem.tif", 0.01, func(t *testing.T, dir, file string) { rotated(t, dir, file, -65) }},
		{"control points", "gcp.tif", 0.01, func(t *testing.T, dir, _ string) {
			sh(t, dir, "gdal_translate -q -a_srs EPSG:32632 -gcp 0 0 500000 5200000 -gcp 60 0 500600 5200000 -gcp 0 50 500000 5199500 -gcp 60 50 500600 5199500 plane.tif gcp.tif")
		}},
		{"complex numbers", "complex.tif", 1e-3, func(t *testing.T, dir, _ string) { sh(t, dir, "gdal_translate -q -ot CFloat32 plane.tif complex.tif") }},
		{"infinite cells", "in f.tif", 1e-3, func(t *testing.T, dir, _ string) {
			sh(t, dir, "gdal_calc.py --quiet -A plane.tif --outfile='in f.tif' --calc='where(A<A.min()+1,inf,where(A>A.max()-1,-inf,A))'")
		}},
		{"ERDAS IMAGINE", "dem.img", 1e-3, func(t *testing.T, dir, _ string) { sh(t, dir, "gdal_translate -q -of HFA plane.tif dem.img") }},
		{"VRT", "dem.vrt", 1e-3, func(t *testing.T, dir, _ string) { sh(t, dir, "gdal_translate -q -of VRT plane.tif dem.vrt") }},
		{"ZIP archive", "my dem.zip", 1e-3, func(t *testing.T, dir, file string) {
			f, err := os.Create(filepath.Join(dir, file))
			must(t, err)
			z := zip.NewWriter(f)
			w, err := z.Create("a folder/plane 10.tif")
			must(t, err)
			data, err := os.ReadFile(filepath.Join(dir, "plane.tif"))
			must(t, err)
			_, err = w.Write(data)
			must(t, err)
			must(t, z.Close())
			must(t, f.Close())
		}},
		{"gzip", "dem.tif.gz", 1e-3, func(t *testing.T, dir, file string) {
			f, err := os.Create(filepath.Join(dir, file))
			must(t, err)
			z := gzip.NewWriter(f)
			data, err := os.ReadFile(filepath.Join(dir, "plane.tif"))
			must(t, err)
			_, err = z.Write(data)
			must(t, err)
			must(t, z.Close())
			must(t, f.Close())
		}},
		{"tar archive", "dem.tar.gz", 1e-3, func(t *testing.T, dir, _ string) {
			sh(t, dir, "mv plane.tif packed.tif && tar czf dem.tar.gz packed.tif && rm packed.tif")
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			plane(t, dir, "plane.tif", nil)
			c.make(t, dir, c.file)
			if detail := examine(t, dir, c.file); detail == "" {
				t.Fatal("it is taken as it is")
			}
			taken := follow(t, dir, c.file)
			maps := t.TempDir()
			sh(t, dir, remedy.Quote(bin)+" run sol --step 60 --maps annual -q -o "+remedy.Quote(maps)+" "+remedy.Input(taken))
			_, slope := cells(t, filepath.Join(maps, "slope_dec.tif"))
			some := 0
			for i, v := range slope.Cells {
				if !inner(slope, i) {
					continue
				}
				some++
				if math.Abs(v-10) > c.tolerance {
					t.Fatalf("slope %g degrees at column %d, row %d", v, i%slope.Width, i/slope.Width)
				}
			}
			if some < width*height/2 {
				t.Errorf("%d cells have a slope", some)
			}
		})
	}
}

// TestCornersHaveNoValue: what a rotated raster does not cover is missing, not sea.
func TestCornersHaveNoValue(t *testing.T) {
	needGDAL(t)
	data, err := os.ReadFile(filepath.Join("..", "..", "shared", "dem", "testdata", "rotated_no_nodata.tif"))
	must(t, err)
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "my dem.tif"), data, 0o644))
	taken := follow(t, dir, "my dem.tif")
	if taken != "my dem_north_up.tif" {
		t.Errorf("the DEM is %s", taken)
	}
	_, g := cells(t, filepath.Join(dir, taken))
	for _, at := range [][2]int{{0, 0}, {g.Width - 1, 0}, {0, g.Height - 1}, {g.Width - 1, g.Height - 1}} {
		if v := g.At(at[0], at[1]); !math.IsNaN(v) {
			t.Errorf("corner %v has %g m", at, v)
		}
	}
	for i, v := range g.Cells {
		if v < 499.99 {
			t.Fatalf("%g m at column %d, row %d: the lowest elevation is 500 m", v, i%g.Width, i/g.Width)
		}
	}
}

// TestPlaneReprojected: the options that commands of refusals have keep a plane of LV95 a plane of 10 degrees in UTM.
func TestPlaneReprojected(t *testing.T) {
	needGDAL(t)
	data, err := os.ReadFile(filepath.Join("..", "..", "shared", "dem", "testdata", "plane10_lv95.tif"))
	must(t, err)
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "dem.tif"), data, 0o644))
	sh(t, dir, "gdalwarp -q -t_srs EPSG:32632 -r bilinear -dstnodata -9999 -ot Float32 dem.tif dem_utm.tif")
	maps := t.TempDir()
	sh(t, dir, remedy.Quote(eemt(t))+" run sol --step 60 --maps annual -q -o "+remedy.Quote(maps)+" dem_utm.tif")
	_, slope := cells(t, filepath.Join(maps, "slope_dec.tif"))
	some := 0
	for i, v := range slope.Cells {
		if !inner(slope, i) {
			continue
		}
		some++
		if math.Abs(v-10) > 0.01 {
			t.Fatalf("slope %g degrees at column %d, row %d", v, i%slope.Width, i/slope.Width)
		}
	}
	if some < len(slope.Cells)/2 {
		t.Errorf("%d of %d cells have a slope", some, len(slope.Cells))
	}
}

// TestMissingDataAndDepths: values that mark missing data are missing after the command, and depths are heights.
func TestMissingDataAndDepths(t *testing.T) {
	needGDAL(t)
	dir := t.TempDir()
	plane(t, dir, "plane.tif", nil)
	sh(t, dir, "gdal_translate -q -of VRT -srcwin -5 0 65 50 -a_nodata -9999 plane.tif wide.vrt && gdal_translate -q wide.vrt declared.tif && gdal_translate -q -a_nodata none declared.tif 'no data.tif'")
	_, g := cells(t, filepath.Join(dir, follow(t, dir, "no data.tif")))
	for i, v := range g.Cells {
		if math.IsNaN(v) != (i%g.Width < 5) {
			t.Fatalf("column %d, row %d is %g", i%g.Width, i/g.Width, v)
		}
	}
	sh(t, dir, "gdal_translate -q -a_srs EPSG:32632+5715 plane.tif depths.tif")
	taken := follow(t, dir, "depths.tif")
	if _, g = cells(t, filepath.Join(dir, taken)); math.Abs(g.At(0, 0)+500) > 1e-3 || taken != "depths_heights.tif" {
		t.Errorf("%s: %g m in place of 500 m of depth", taken, g.At(0, 0))
	}
}
