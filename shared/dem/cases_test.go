package dem_test

import (
	"bytes"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cyverse-gis/eemt/shared/dem"
	"github.com/cyverse-gis/eemt/shared/dem/demtest"
	"github.com/cyverse-gis/eemt/shared/finding"
	"github.com/cyverse-gis/eemt/shared/geotiff"
	"github.com/cyverse-gis/eemt/shared/raster"
)

func openBytes(t testing.TB, data []byte) *dem.DEM {
	t.Helper()
	d, err := dem.Open(bytes.NewReader(data), int64(len(data)), dem.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func stored(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func elevation(t testing.TB, d *dem.DEM, w raster.Window) *raster.Grid[float64] {
	t.Helper()
	g, err := d.Elevation(t.Context(), w)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func sameCells(t testing.TB, what string, got, want *raster.Grid[float64]) {
	t.Helper()
	if got.Width != want.Width || got.Height != want.Height {
		t.Fatalf("%s: %d x %d cells, want %d x %d", what, got.Width, got.Height, want.Width, want.Height)
	}
	for i, v := range want.Cells {
		if g := got.Cells[i]; g != v && !(math.IsNaN(g) && math.IsNaN(v)) {
			t.Fatalf("%s: cell %d is %g, want %g", what, i, g, v)
		}
	}
}

func missing(g *raster.Grid[float64]) (n int) {
	for _, v := range g.Cells {
		if math.IsNaN(v) {
			n++
		}
	}
	return n
}

// Where an alpha band is 0 there is no data, in whole reads and in windows.
func TestAlphaBand(t *testing.T) {
	d, want := openBytes(t, stored(t, "alpha.tif")), openBytes(t, stored(t, "alpha_expected.tif"))
	z := elevation(t, want, want.Bounds())
	if n := missing(z); n != 1800 {
		t.Fatalf("%d cells without data", n)
	}
	sameCells(t, "alpha", elevation(t, d, d.Bounds()), z)
	w := raster.Window{Col: 7, Row: 11, Width: 31, Height: 23}
	sameCells(t, "a window", elevation(t, d, w), elevation(t, want, w))
	if len(d.Findings) != 1 || d.Findings[0].Code != finding.DEMBands || !strings.Contains(d.Findings[0].Message, "where band 2 (alpha) is 0 there is no data") {
		t.Errorf("%+v", d.Findings)
	}
}

// GDAL writes alpha bands and masks of many kinds: all mean the same.
func TestMasksOfGDAL(t *testing.T) {
	if _, err := exec.LookPath("gdal_translate"); err != nil {
		if os.Getenv("EEMT_REQUIRE_TOOLS") != "" {
			t.Fatal(err)
		}
		t.Skip("without GDAL")
	}
	dir := t.TempDir()
	for _, name := range []string{"alpha.tif", "alpha_expected.tif"} {
		if err := os.WriteFile(filepath.Join(dir, name), stored(t, name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	expected := openBytes(t, stored(t, "alpha_expected.tif"))
	want := elevation(t, expected, expected.Bounds())
	for _, c := range []struct{ name, command string }{
		{"unassociated, planar", "gdal_translate -q -co INTERLEAVE=BAND -co ALPHA=NON-PREMULTIPLIED -co COMPRESS=DEFLATE alpha.tif out.tif"},
		{"associated", "gdal_translate -q -co ALPHA=PREMULTIPLIED alpha.tif out.tif"},
		{"tiles", "gdal_translate -q -co TILED=YES -co BLOCKXSIZE=16 -co BLOCKYSIZE=32 -co ALPHA=YES -co COMPRESS=LZW -co PREDICTOR=3 alpha.tif out.tif"},
		{"big endian", "gdal_translate -q -co ENDIANNESS=BIG -co ALPHA=YES alpha.tif out.tif"},
		{"alpha behind another band", "gdal_translate -q -b 1 -b 1 -b 2 -colorinterp gray,undefined,alpha alpha.tif out.tif"},
		{"mask of one bit", "gdal_translate -q -b 1 -mask 2 --config GDAL_TIFF_INTERNAL_MASK YES -co COMPRESS=DEFLATE alpha.tif out.tif"},
		{"mask of eight bits", "gdal_translate -q -b 1 -mask 2 --config GDAL_TIFF_INTERNAL_MASK YES --config GDAL_TIFF_INTERNAL_MASK_TO_8BIT YES alpha.tif out.tif"},
		{"mask in tiles", "gdal_translate -q -b 1 -mask 2 --config GDAL_TIFF_INTERNAL_MASK YES -co TILED=YES -co BLOCKXSIZE=16 -co BLOCKYSIZE=16 alpha.tif out.tif"},
		{"mask of nodata", "gdal_translate -q -mask mask -a_nodata none --config GDAL_TIFF_INTERNAL_MASK YES alpha_expected.tif out.tif"},
	} {
		t.Run(c.name, func(t *testing.T) {
			sh := exec.Command("sh", "-c", "rm -f out.tif; "+c.command)
			sh.Dir = dir
			if out, err := sh.CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			data, err := os.ReadFile(filepath.Join(dir, "out.tif"))
			if err != nil {
				t.Fatal(err)
			}
			d := openBytes(t, data)
			sameCells(t, "cells", elevation(t, d, d.Bounds()), want)
			w := raster.Window{Col: 13, Row: 29, Width: 40, Height: 17}
			sameCells(t, "a window", elevation(t, d, w), elevation(t, expected, w))
		})
	}
	t.Run("overviews", func(t *testing.T) {
		sh := exec.Command("sh", "-c", "gdal_translate -q -b 1 -mask 2 -r nearest -outsize 1000% 1000% --config GDAL_TIFF_INTERNAL_MASK YES -co TILED=YES alpha.tif large.tif && gdaladdo -q -r average large.tif 2 4")
		sh.Dir = dir
		if out, err := sh.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		data, err := os.ReadFile(filepath.Join(dir, "large.tif"))
		if err != nil {
			t.Fatal(err)
		}
		d := openBytes(t, data)
		if len(d.Image.Overviews()) != 2 {
			t.Fatalf("%d overviews", len(d.Image.Overviews()))
		}
		for _, o := range d.Image.Overviews() {
			g, err := d.Overview(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			if share := float64(missing(g)) / float64(len(g.Cells)); math.Abs(share-0.5) > 0.01 {
				t.Errorf("%.3f of an overview is without data", share)
			}
		}
	})
}

// Pictures are refused by what the file says of its numbers, and doubted by the numbers.
func TestPictures(t *testing.T) {
	if _, err := exec.LookPath("gdaldem"); err != nil {
		if os.Getenv("EEMT_REQUIRE_TOOLS") != "" {
			t.Fatal(err)
		}
		t.Skip("without GDAL")
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "hills.tif"), written(t, rugged(), geotiff.Options{}), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "low.tif"), written(t, lowland(), geotiff.Options{Type: geotiff.Int16}), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		command, looks string
		severity       finding.Severity
	}{
		{"gdaldem hillshade -q hills.tif out.tif", "a hillshade", finding.Doubt},
		{"gdaldem hillshade -q -z 0.3 hills.tif out.tif", "a hillshade", finding.Doubt},
		{"gdaldem hillshade -q hills.tif a.tif && gdal_translate -q -ot Int16 -a_nodata none a.tif out.tif", "a hillshade", finding.Doubt},
		{"gdaldem slope -q hills.tif out.tif", "slope in degrees", finding.Doubt},
		{"gdaldem aspect -q hills.tif out.tif", "aspect in degrees", finding.Doubt},
		{"gdal_translate -q -ot Float32 -scale 0 1000 0 1 hills.tif out.tif", "elevations in km", finding.Doubt},
		{"gdal_translate -q -ot Byte -scale 2300 2600 0 255 -b 1 -b 1 -b 1 -co PHOTOMETRIC=RGB hills.tif out.tif", "a picture in colours (red, green, blue)", finding.Refusal},
		{"gdal_translate -q -ot Byte -scale 2300 2600 0 255 -b 1 -b 1 -b 1 -b 1 -co PHOTOMETRIC=RGB -co ALPHA=YES hills.tif out.tif", "a picture in colours (red, green, blue)", finding.Refusal},
		{"gdal_translate -q -ot Byte -scale 2300 2600 0 255 -b 1 -b 1 -b 1 -co PHOTOMETRIC=MINISBLACK hills.tif out.tif", "a picture", finding.Doubt},
		{"gdal_translate -q -ot Byte -scale 2300 2600 0 1 -co NBITS=1 hills.tif out.tif", "a mask: each cell has one bit", finding.Refusal},
		{"gdal_translate -q -ot Byte -scale 2400 2500 0 1 hills.tif out.tif", "a mask of two values", finding.Doubt},
		{"gdal_translate -q hills.tif out.tif", "", ""},
		{"gdal_translate -q -ot Int16 hills.tif out.tif", "", ""},
		{"gdal_translate -q -ot Byte low.tif out.tif", "", ""},
	} {
		t.Run(c.command, func(t *testing.T) {
			sh := exec.Command("sh", "-c", "rm -f out.tif a.tif; "+c.command)
			sh.Dir = dir
			if out, err := sh.CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			data, err := os.ReadFile(filepath.Join(dir, "out.tif"))
			if err != nil {
				t.Fatal(err)
			}
			var list finding.List
			for _, f := range found(t, data, dem.Options{}) {
				if f.Code == finding.DEMNotElevation {
					list.Add(f)
				}
			}
			switch {
			case c.looks == "":
				if len(list) != 0 {
					t.Errorf("%+v", list)
				}
			case len(list) != 1 || list[0].LooksLike != c.looks || list[0].Severity != c.severity || list[0].Next == "":
				t.Errorf("%+v, want %s", list, c.looks)
			}
		})
	}
	flat := raster.New[float64](20, 20)
	flat.Fill(17)
	if list := found(t, written(t, flat, geotiff.Options{}), dem.Options{}); len(list) != 1 || list[0].Code != finding.DEMNotElevation || !strings.Contains(list[0].Message, "all cells have the same elevation, 17 m") {
		t.Errorf("%+v", list)
	}
}

// rugged are hills with gullies a few cells wide, as the earth has.
func rugged() *raster.Grid[float64] {
	g := demtest.Hills(80, 70)
	for i := range g.Cells {
		c, r := float64(i%80), float64(i/80)
		g.Cells[i] += 5*math.Sin(c*0.9+math.Sin(r*0.5)) + 4*math.Sin(r*0.8+math.Sin(c*0.4))
	}
	return g
}

// lowland has elevations of 20 to 240 m, as an 8-bit DEM may.
func lowland() *raster.Grid[float64] {
	g := demtest.Hills(80, 70)
	for i, z := range g.Cells {
		g.Cells[i] = math.Round((z - 2330) * 0.9)
	}
	return g
}
