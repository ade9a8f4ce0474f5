package gridfile_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cyverse-gis/eemt/shared/finding"
	"github.com/cyverse-gis/eemt/shared/geotiff"
	"github.com/cyverse-gis/eemt/shared/gridfile"
	"github.com/cyverse-gis/eemt/shared/raster"
)

func convert(t testing.TB, name, text, system string) (*geotiff.Image, *raster.Grid[float64], error) {
	t.Helper()
	format := gridfile.Detect(name, []byte(text)[:min(len(text), gridfile.HeadSize)], int64(len(text)))
	if format == gridfile.None {
		t.Fatalf("%s is no grid", name)
	}
	var b bytes.Buffer
	if err := gridfile.Convert(&b, strings.NewReader(text), gridfile.File{Name: name, Format: format, Size: int64(len(text)), System: system}); err != nil {
		return nil, nil, err
	}
	m, err := geotiff.Open(bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil {
		t.Fatal(err)
	}
	g, err := m.Grid(t.Context(), 0, m.Bounds())
	if err != nil {
		t.Fatal(err)
	}
	return m, g, nil
}

const cells = "1 2.5 -3\n4 -9999 6e2\n"

func TestASCII(t *testing.T) {
	at := raster.Transform{OriginX: 500, OriginY: 4020, StepX: 10, StepY: -10}
	want := []float64{1, 2.5, -3, 4, math.NaN(), 600}
	for name, text := range map[string]string{
		"corner":           "ncols 3\nnrows 2\nxllcorner 500\nyllcorner 4000\ncellsize 10\nNODATA_value -9999\n" + cells,
		"centre":           "NCOLS 3\r\nNROWS 2\r\nXLLCENTER 505\r\nYLLCENTER 4005\r\nCELLSIZE 10\r\nNODATA_VALUE -9999\r\n" + cells,
		"mixed":            "ncols 3\nnrows 2\nxllcorner 500\nyllcenter 4005\ncellsize 10\n" + cells,
		"dx and dy":        "ncols 3\nnrows 2\nxllcorner 500\nyllcorner 4000\ndx 10\ndy 10\nnodata_value -9999\n" + cells,
		"another order":    "nrows 2\nncols 3\ncellsize 10.0\nyllcorner 4.0e3\nxllcorner 500\n" + cells,
		"one line":         "ncols 3 nrows 2 xllcorner 500 yllcorner 4000 cellsize 10 nodata_value -9999 1 2.5 -3 4 -9999 600",
		"a cell a line":    "ncols 3\nnrows 2\nxllcorner 500\nyllcorner 4000\ncellsize 10\n1\n2.5\n-3\n4\n-9999\n600\n\n",
		"mark of UTF-8":    "\ufeffncols 3\nnrows 2\nxllcorner 500\nyllcorner 4000\ncellsize 10\n" + cells,
		"tabs":             "ncols\t3\nnrows\t2\nxllcorner\t500\nyllcorner\t4000\ncellsize\t10\nnodata_value\t-9999\n" + strings.ReplaceAll(cells, " ", "\t"),
		"nodata of nan":    "ncols 3\nnrows 2\nxllcorner 500\nyllcorner 4000\ncellsize 10\nnodata_value nan\n1 2.5 -3 4 nan 600",
		"nodata of digits": "ncols 3\nnrows 2\nxllcorner 500\nyllcorner 4000\ncellsize 10\nnodata_value -3.402823e+38\n1 2.5 -3 4 -3.402823e+38 600",
	} {
		m, g, err := convert(t, "dem.asc", text, "")
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if m.Transform != at || m.Width != 3 || m.Height != 2 || !m.GeoKeys.Empty() {
			t.Errorf("%s: %d x %d at %+v", name, m.Width, m.Height, m.Transform)
		}
		for i, v := range g.Cells {
			if v != want[i] && !(math.IsNaN(v) && math.IsNaN(want[i])) {
				t.Errorf("%s: cells %v", name, g.Cells)
				break
			}
		}
	}
	if m, _, err := convert(t, "x.asc", "ncols 3\nnrows 2\nxllcorner 500\nyllcorner 4000\ndx 10\ndy 20\n"+cells, ""); err != nil || m.Transform.StepX != 10 || m.Transform.StepY != -20 || m.Transform.OriginY != 4040 {
		t.Errorf("oblong cells: %v", err)
	}
}

func TestBadASCII(t *testing.T) {
	head := "ncols 3\nnrows 2\nxllcorner 500\nyllcorner 4000\ncellsize 10\n"
	for name, c := range map[string]struct{ text, want string }{
		"cut short":      {head + "1 2 3 4", "ends at row 1, column 1 of 2 rows and 3 columns"},
		"too many":       {head + "1 2 3 4 5 6 7", "there are more numbers than 2 rows of 3 columns have"},
		"decimal comma":  {head + "1 2 3\n4 5,5 6", "has a decimal comma in line 7: 5,5; write numbers with points: sed"},
		"comma in head":  {"ncols 3\nnrows 2\nxllcorner 500,5\n", "has a decimal comma in line 3: 500,5"},
		"a word":         {head + "1 2 x", `line 6: "x" is not a number`},
		"strange key":    {"ncols 3\nnrows 2\nheight 5\n", `line 3: "height" is no key of an ESRI ASCII grid`},
		"no rows":        {"ncols 3\nnrows 0\nxllcorner 5\nyllcorner 0\ncellsize 1\n1 2 3", "nrows is 0: must be a whole number from 1 to 1048576"},
		"half a column":  {"ncols 3.5\nnrows 2\n1", "ncols is 3.5: must be"},
		"too large":      {"ncols 1000000\nnrows 1000000\n1", "1000000000000 cells: at most 4294967296"},
		"no place":       {"ncols 3\nnrows 2\ncellsize 10\nxllcorner 4\n1", "neither yllcorner nor yllcenter is stated"},
		"no cells":       {"ncols 3\nnrows 2\nxllcorner 4\nyllcorner 4\n1", "cellsize is missing: must be above 0"},
		"cells below 0":  {"ncols 3\nnrows 2\nxllcorner 4\nyllcorner 4\ncellsize -10\n1", "cellsize is -10: must be above 0"},
		"twice":          {"ncols 3\nncols 3\nnrows 3\n", "ncols is stated twice"},
		"header alone":   {"ncols 3\nnrows 2\n", "ends in its header"},
		"endless word":   {head + strings.Repeat("1", 200), "a word is too long for a number"},
		"beyond numbers": {head + "1e999", "is not a number"},
	} {
		_, _, err := convert(t, "my.asc", c.text, "")
		var f *finding.Error
		if err == nil || !strings.Contains(err.Error(), c.want) || !errors.As(err, &f) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// The system of a .prj file is stated as ArcGIS states it in a GeoTIFF.
func TestSystemOfASCII(t *testing.T) {
	text := "ncols 3\nnrows 2\nxllcorner 500\nyllcorner 4000\ncellsize 10\n" + cells
	m, _, err := convert(t, "dem.asc", text, "PROJCS[\"x\"]\n")
	if err != nil || m.GeoKeys.Shorts[1024] != 32767 || m.GeoKeys.Strings[3073] != `ESRI PE String = PROJCS["x"]` {
		t.Errorf("%+v, %v", m, err)
	}
	if _, _, err := convert(t, "dem.asc", text, strings.Repeat("x", 20000)); err == nil || !strings.Contains(err.Error(), "must be a text of WKT") {
		t.Errorf("%v", err)
	}
}

// tile is an SRTM tile whose cells are 10 times their row plus their column, without data in its first cell.
func tile(cols, rows int) string {
	b := make([]byte, 0, 2*cols*rows)
	for r := range rows {
		for c := range cols {
			b = binary.BigEndian.AppendUint16(b, uint16(int16(r%1000*10-c%1000)))
		}
	}
	binary.BigEndian.PutUint16(b, 0x8000)
	return string(b)
}

func TestSRTM(t *testing.T) {
	for _, c := range []struct {
		name        string
		cols, rows  int
		west, south float64
	}{
		{"N36W107.hgt", 1201, 1201, -107, 36},
		{"dir/s09e160.HGT", 1201, 1201, 160, -9},
		{"n36_w107_1arc_v3.hgt", 1801, 3601, -107, 36},
		{"S00E000.SRTMGL1.hgt", 1201, 1201, 0, 0},
	} {
		m, g, err := convert(t, c.name, tile(c.cols, c.rows), "")
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		dx, dy := 1/float64(c.cols-1), 1/float64(c.rows-1)
		if x, y := m.Transform.Center(0, c.rows-1); math.Abs(x-c.west) > 1e-12 || math.Abs(y-c.south) > 1e-12 || m.Transform.StepX != dx || m.Transform.StepY != -dy {
			t.Errorf("%s: %+v", c.name, m.Transform)
		}
		if !math.IsNaN(g.At(0, 0)) || g.At(7, 5) != 43 || g.At(20, 1) != -10 || !m.HasNoData || m.NoData != -32768 || m.Type != geotiff.Int16 {
			t.Errorf("%s: %g, %g, %g", c.name, g.At(0, 0), g.At(7, 5), g.At(20, 1))
		}
	}
	for name, want := range map[string]string{"tile.hgt": "does not have its place in its name; name it after its south-west corner", "N99W107.hgt": "does not have its place"} {
		if _, _, err := convert(t, name, tile(1201, 1201), ""); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if gridfile.Detect("N36W107.hgt", []byte("\x00\x01"), 1000) != gridfile.None || gridfile.Detect("dem.tif", []byte("II*\x00"), 2884802) != gridfile.None {
		t.Error("what is no grid was taken for one")
	}
	err := gridfile.Convert(&bytes.Buffer{}, strings.NewReader("short"), gridfile.File{Name: "N36W107.hgt", Format: gridfile.SRTM, Size: 2884802})
	if err == nil || !strings.Contains(err.Error(), "row 0") {
		t.Errorf("cut short: %v", err)
	}
}

// GDAL reads the same cells at the same place.
func TestAgainstGDAL(t *testing.T) {
	if _, err := exec.LookPath("gdal_translate"); err != nil {
		if os.Getenv("EEMT_REQUIRE_TOOLS") != "" {
			t.Fatal(err)
		}
		t.Skip("without GDAL")
	}
	dir := t.TempDir()
	var text strings.Builder
	text.WriteString("ncols 37\nnrows 23\nxllcenter 512345.25\nyllcenter 4012345.75\ncellsize 12.5\nNODATA_value -9999\n")
	for i := range 37 * 23 {
		v := 1234.5678 + 17*math.Sin(float64(i)/9)
		if i%29 == 0 {
			v = -9999
		}
		fmt.Fprintf(&text, "%.5g ", v)
	}
	for name, content := range map[string]string{"dem.asc": text.String(), "S36E174.hgt": tile(1201, 1201)} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		out := filepath.Join(dir, "gdal.tif")
		if b, err := exec.Command("gdal_translate", "-q", path, out).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, b)
		}
		data, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		want, err := geotiff.Open(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			t.Fatal(err)
		}
		cells, err := want.Grid(t.Context(), 0, want.Bounds())
		if err != nil {
			t.Fatal(err)
		}
		m, g, err := convert(t, name, content, "")
		if err != nil {
			t.Fatal(err)
		}
		if d := math.Abs(m.Transform.OriginX-want.Transform.OriginX) + math.Abs(m.Transform.OriginY-want.Transform.OriginY); d > 1e-9 || m.Width != want.Width || m.Height != want.Height {
			t.Errorf("%s lies at %+v, with GDAL at %+v", name, m.Transform, want.Transform)
		}
		for i, v := range g.Cells {
			if v != cells.Cells[i] && !(math.IsNaN(v) && math.IsNaN(cells.Cells[i])) {
				t.Fatalf("%s: cell %d is %g, with GDAL %g", name, i, v, cells.Cells[i])
			}
		}
	}
}

func FuzzASCII(f *testing.F) {
	f.Add("ncols 3\nnrows 2\nxllcorner 500\nyllcorner 4000\ncellsize 10\nNODATA_value -9999\n" + cells)
	f.Add("ncols 3 nrows 2 dx 1 dy 2 xllcenter 0 yllcenter 0 1 2 3 4 nan 1e3")
	f.Add("nrows 1\nncols 1\ncellsize 1,5")
	f.Fuzz(func(t *testing.T, text string) {
		var b bytes.Buffer
		err := gridfile.Convert(&b, strings.NewReader(text), gridfile.File{Name: "dem.asc", Format: gridfile.ASCII})
		if err == nil {
			if _, err := geotiff.Open(bytes.NewReader(b.Bytes()), int64(b.Len())); err != nil {
				t.Errorf("what was converted is not read: %v", err)
			}
		} else if !errors.As(err, new(*finding.Error)) {
			t.Errorf("no finding: %v", err)
		}
	})
}
