package dem_test

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/cyverse-gis/eemt/shared/dem"
	"github.com/cyverse-gis/eemt/shared/dem/demtest"
	"github.com/cyverse-gis/eemt/shared/finding"
	"github.com/cyverse-gis/eemt/shared/geotiff"
	"github.com/cyverse-gis/eemt/shared/param"
	"github.com/cyverse-gis/eemt/shared/raster"
)

// written is the GeoTIFF of a grid.
func written(t testing.TB, g *raster.Grid[float64], o geotiff.Options) []byte {
	t.Helper()
	if o.Transform == (raster.Transform{}) {
		o.Transform = demtest.Transform()
	}
	if o.GeoKeys.Empty() {
		o.GeoKeys = demtest.UTM()
	}
	var b bytes.Buffer
	if err := geotiff.Write(&b, o, g); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// found is what a file is found to be, by header and by values.
func found(t testing.TB, file []byte, o dem.Options) finding.List {
	t.Helper()
	var list finding.List
	d, err := dem.Open(bytes.NewReader(file), int64(len(file)), o)
	if err != nil {
		if !list.AddError(err) {
			t.Fatal(err)
		}
		return list
	}
	g, err := d.Values(t.Context(), d.Bounds())
	if err != nil {
		t.Fatal(err)
	}
	s := d.NewStatistics()
	s.Add(g, d.Bounds())
	list.Add(d.Findings...)
	list.Add(s.Findings()...)
	return list
}

// with returns hills with a value in some cells.
func with(v float64, cells int) *raster.Grid[float64] {
	g := demtest.Hills(40, 30)
	for i := range cells {
		g.Set(5+i%7, 4+i/7, v)
	}
	return g
}

// sloping is a smooth surface from one elevation to another.
func sloping(from, to float64) *raster.Grid[float64] {
	g := raster.New[float64](40, 30)
	for i := range g.Cells {
		c, r := float64(i%40)/39, float64(i/40)/29
		g.Cells[i] = from + (to-from)*(0.7*c+0.3*r+0.01*math.Sin(9*c)*math.Sin(7*r))
	}
	return g
}

// Numbers that mark missing data by custom are refused with the cells named; declared by the user they are missing.
func TestUndeclaredNoData(t *testing.T) {
	for _, c := range []struct {
		name   string
		v      float64
		cells  int
		kind   geotiff.SampleType
		nodata string
	}{
		{"-9999", -9999, 20, geotiff.Float32, "-9999"},
		{"one cell of -9999", -9999, 1, geotiff.Float32, "-9999"},
		{"-32767", -32767, 20, geotiff.Int16, "-32767"},
		{"-32768", -32768, 20, geotiff.Int16, "-32768"},
		{"9999", 9999, 20, geotiff.Int16, "9999"},
		{"32767", 32767, 9, geotiff.Int16, "32767"},
		{"-99999", -99999, 20, geotiff.Int32, "-99999"},
		{"65535", 65535, 20, geotiff.Uint16, "65535"},
		{"1e38", float64(float32(1e38)), 20, geotiff.Float32, "1e+38"},
		{"lowest float", -math.MaxFloat32, 20, geotiff.Float32, "-3.4028235e+38"},
		{"lowest double", -math.MaxFloat64, 20, geotiff.Float64, "-1.7976931348623157e+308"},
		{"no custom, but all alike and no elevation", 12345, 20, geotiff.Int32, "12345"},
		{"-999", -999, 20, geotiff.Float32, "-999"},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := written(t, with(c.v, c.cells), geotiff.Options{Type: c.kind})
			list := found(t, file, dem.Options{Name: "my dem.tif"})
			if len(list) != 1 || list[0].Code != finding.DEMNoData || list[0].Severity != finding.Refusal || list[0].Value != c.nodata {
				t.Fatalf("found %+v", list)
			}
			if s := list[0].Sentence(); !strings.Contains(s, "column 5, row 4") || c.cells > 1 && !strings.Contains(s, "cells in all") ||
				!strings.HasSuffix(s, "--nodata "+c.nodata+", or with: gdal_translate -a_nodata "+c.nodata+" 'my dem.tif' 'my dem_nodata.tif'") {
				t.Errorf("%s", s)
			}
			values, err := param.ParseNoData(list[0].Value)
			if err != nil {
				t.Fatal(err)
			}
			if again := found(t, file, dem.Options{NoData: values}); len(again) != 0 {
				t.Errorf("advice that is followed leads to %+v", again)
			}
		})
	}
}

// What continues the ground around it is an elevation.
func TestLowGroundIsNoMissingData(t *testing.T) {
	for name, g := range map[string]*raster.Grid[float64]{
		"a trench to -10500 m":        sloping(-10500, -9400),
		"a trench through -9999":      trench(),
		"a plain at the Dead Sea":     sloping(-430, -200),
		"summits above 8000 m":        sloping(8100, 8830),
		"a sea shore with cells of 0": shore(),
	} {
		if list := found(t, written(t, g, geotiff.Options{Type: geotiff.Float32}), dem.Options{}); len(list) != 0 {
			t.Errorf("%s: %+v", name, list)
		}
	}
}

func trench() *raster.Grid[float64] {
	g := sloping(-10500, -9400)
	for i, z := range g.Cells {
		if math.Abs(z+9999) < 15 {
			g.Cells[i] = -9999
		}
	}
	return g
}

func shore() *raster.Grid[float64] {
	g := sloping(-40, 60)
	for i, z := range g.Cells {
		g.Cells[i] = max(z, 0)
	}
	return g
}

// Values that vary beyond what the earth has are about the unit; one refusal names a unit, and with it there is none.
func TestUnearthlyElevations(t *testing.T) {
	for _, c := range []struct {
		name       string
		g          *raster.Grid[float64]
		looks, fix string
	}{
		{"decimetres", sloping(4000, 31000), "elevations in decimetres", "dm"},
		{"centimetres", sloping(40000, 310000), "elevations in centimetres", "cm"},
		{"millimetres", sloping(400000, 3100000), "elevations in millimetres", "mm"},
		{"feet", sloping(4000, 14000), "elevations in decimetres", "ft"},
	} {
		file := written(t, c.g, geotiff.Options{Type: geotiff.Int32})
		list := found(t, file, dem.Options{})
		if len(list) != 1 || list[0].Code != finding.DEMElevation || list[0].LooksLike != c.looks || !strings.Contains(list[0].Next, "--elevation-unit "+c.fix) || strings.Contains(list[0].Next, "nodata") {
			t.Errorf("%s: %+v", c.name, list)
		}
		for _, f := range found(t, file, dem.Options{ElevationUnit: param.ElevationUnit(c.fix)}) {
			if f.Severity == finding.Refusal {
				t.Errorf("%s: advice that is followed leads to %+v", c.name, f)
			}
		}
	}
	spikes := with(9400, 1)
	spikes.Set(30, 20, 9700)
	file := written(t, spikes, geotiff.Options{Type: geotiff.Float32})
	list := found(t, file, dem.Options{})
	if len(list) != 1 || !strings.Contains(list[0].Sentence(), "elevation 9400 m at column 5, row 4, and 2 cells in all") || !strings.Contains(list[0].Next, "leave them out with --nodata 9400,9700; if the unit is another") {
		t.Errorf("spikes: %+v", list)
	}
	if again := found(t, file, dem.Options{NoData: []float64{9400, 9700}}); len(again) != 0 {
		t.Errorf("advice that is followed leads to %+v", again)
	}
	if list := found(t, written(t, sloping(4e8, 9e8), geotiff.Options{Type: geotiff.Float64}), dem.Options{}); len(list) != 1 || !strings.Contains(list[0].Next, "no unit makes elevations of them") {
		t.Errorf("no elevations at all: %+v", list)
	}
}

// Several values that mark missing data are refused at once.
func TestSeveralNoData(t *testing.T) {
	g := with(-9999, 20)
	g.Set(30, 20, -32768)
	g.Set(31, 20, -32768)
	nodata := 0.0
	file := written(t, g, geotiff.Options{Type: geotiff.Int16, NoData: &nodata})
	list := found(t, file, dem.Options{})
	if len(list) != 1 || !strings.Contains(list[0].Sentence(), "cells 20 with -9999, the first at column 5, row 4; 2 with -32768, the first at column 30, row 20; declare it with --nodata -9999,-32768") || strings.Contains(list[0].Next, "gdal") {
		t.Errorf("%+v", list)
	}
	if again := found(t, file, dem.Options{NoData: []float64{-9999, -32768}}); len(again) != 0 {
		t.Errorf("advice that is followed leads to %+v", again)
	}
}

// Cells of 0 m in high country are doubted, not refused.
func TestZeros(t *testing.T) {
	list := found(t, written(t, with(0, 60), geotiff.Options{Type: geotiff.Float32}), dem.Options{})
	if len(list) != 1 || list[0].Severity != finding.Doubt || list[0].Code != finding.DEMNoData || !strings.Contains(list[0].Sentence(), "60 cells are 0 m, the first at column 5, row 4") || !strings.HasSuffix(list[0].Next, "--nodata 0") {
		t.Errorf("%+v", list)
	}
	if again := found(t, written(t, with(0, 60), geotiff.Options{Type: geotiff.Float32}), dem.Options{NoData: []float64{0}}); len(again) != 0 {
		t.Errorf("advice that is followed leads to %+v", again)
	}
}

// A number within what the earth has that fills a part of the map is doubted, and the advice ends; flat ground is not.
func TestFilled(t *testing.T) {
	filled := func(v float64) *raster.Grid[float64] {
		g := rugged()
		for i := range g.Cells {
			if i%g.Width < g.Width/4 {
				g.Cells[i] = v
			}
		}
		return g
	}
	for _, v := range []float64{-1, 1, 255, 8888} {
		data := written(t, filled(v), geotiff.Options{Type: geotiff.Float32})
		list := found(t, data, dem.Options{})
		if len(list) != 1 || list[0].Severity != finding.Doubt || list[0].Code != finding.DEMNoData || !strings.HasSuffix(list[0].Next, fmt.Sprintf("--nodata %g", v)) {
			t.Errorf("%g: %+v", v, list)
		}
		if again := found(t, data, dem.Options{NoData: []float64{v}}); len(again) != 0 {
			t.Errorf("%g: advice that is followed leads to %+v", v, again)
		}
	}
	lake := rugged()
	for i, z := range lake.Cells {
		lake.Cells[i] = max(z, 2400)
	}
	if list := found(t, written(t, lake, geotiff.Options{Type: geotiff.Float32}), dem.Options{}); len(list) != 0 {
		t.Errorf("a lake: %+v", list)
	}
}

// Infinities cannot be given as a parameter: the advice is a command that leaves them out.
func TestInfinite(t *testing.T) {
	for name, values := range map[string][]float64{"one": {math.Inf(-1)}, "both": {math.Inf(-1), math.Inf(1)}, "with another": {math.Inf(1), -9999}} {
		g := rugged()
		for i, v := range values {
			g.Cells[i*3] = v
		}
		list := found(t, written(t, g, geotiff.Options{Type: geotiff.Float32}), dem.Options{Name: "a b.tif"})
		if len(list) != 1 || list[0].Severity != finding.Refusal || strings.Contains(list[0].Next, "--nodata ") || !strings.Contains(list[0].Next, "gdal_calc.py -A 'a b.tif' --outfile='a b_finite.tif'") {
			t.Errorf("%s: %+v", name, list)
		}
	}
}

// crsFoot is the US survey foot as the EPSG registry has it.
const crsFoot = 0.30480060960121924

// A unit that the file hints at without stating it is doubted until the user states one.
func TestUnitDoubts(t *testing.T) {
	feet := raster.GeoKeys{Shorts: map[uint16]uint16{1024: 1, 1025: 1, 3072: 2272}} // NAD83 / Pennsylvania South (ftUS)
	place := raster.Transform{OriginX: 2e6, OriginY: 3e5, StepX: 30, StepY: -30}
	stated := demtest.UTM()
	stated.Shorts[4099] = 9003
	odd := demtest.UTM()
	odd.Shorts[4099] = 32767
	for _, c := range []struct {
		name   string
		o      geotiff.Options
		unit   param.ElevationUnit
		want   finding.Severity
		says   string
		metres float64
	}{
		{"map in feet", geotiff.Options{GeoKeys: feet, Transform: place}, "", finding.Doubt, "the map is in feet and the file does not state the unit of elevations", 1},
		{"map in feet, metres stated", geotiff.Options{GeoKeys: feet, Transform: place}, "m", finding.Note, "elevations are read in m", 1},
		{"map in feet, feet stated", geotiff.Options{GeoKeys: feet, Transform: place}, "us-ft", finding.Note, "elevations are read in us-ft", 1200. / 3937},
		{"map in feet, file", geotiff.Options{GeoKeys: feet, Transform: place}, "file", finding.Doubt, "the map is in feet", 1},
		{"map in feet, band in metres", geotiff.Options{GeoKeys: feet, Transform: place, Bands: []geotiff.BandInfo{{Unit: "metre"}}}, "", "", "", 1},
		{"unit of the band", geotiff.Options{Bands: []geotiff.BandInfo{{Unit: "ft"}}}, "", finding.Doubt, `the unit of the band is "ft"`, 1},
		{"unit of the band, stated", geotiff.Options{Bands: []geotiff.BandInfo{{Unit: "ft"}}}, "ft", finding.Note, "elevations are read in ft", 0.3048},
		{"band in metres", geotiff.Options{Bands: []geotiff.BandInfo{{Unit: "Meters"}}}, "", "", "", 1},
		{"file states feet", geotiff.Options{GeoKeys: stated, Bands: []geotiff.BandInfo{{Unit: "ft"}}}, "", finding.Note, "elevations are converted to metres", crsFoot},
		{"file states feet, user metres", geotiff.Options{GeoKeys: stated}, "m", finding.Note, "the file states elevations of 0.3048006 m; they are read in m", 1},
		{"user defined", geotiff.Options{GeoKeys: odd}, "", finding.Refusal, "the vertical unit is user defined; state it with --elevation-unit", 1},
		{"user defined, stated", geotiff.Options{GeoKeys: odd}, "ft", finding.Note, "elevations are read in ft", 0.3048},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := written(t, demtest.Hills(40, 30), c.o)
			list := slices.DeleteFunc(found(t, file, dem.Options{ElevationUnit: c.unit}), func(f finding.Finding) bool { return f.Code == finding.DEMDatum })
			if c.want == "" {
				if len(list) != 0 {
					t.Errorf("%+v", list)
				}
			} else if len(list) != 1 || list[0].Code != finding.DEMUnit || list[0].Severity != c.want || !strings.Contains(list[0].Sentence(), c.says) {
				t.Errorf("%+v", list)
			}
			if d, err := dem.Open(bytes.NewReader(file), int64(len(file)), dem.Options{ElevationUnit: c.unit}); err == nil && d.Vertical != c.metres {
				t.Errorf("a unit of %g m, want %g", d.Vertical, c.metres)
			}
		})
	}
}

// A nodata value of the user counts in stored numbers, in files with scale and offset too.
func TestNoDataOfScaled(t *testing.T) {
	g := with(-32768, 20)
	for i, z := range g.Cells {
		if z > 0 {
			g.Cells[i] = math.Round(z * 10)
		}
	}
	keys := demtest.UTM()
	keys.Shorts[4096] = 5773
	file := written(t, g, geotiff.Options{Type: geotiff.Int16, GeoKeys: keys})
	d, err := dem.Open(bytes.NewReader(file), int64(len(file)), dem.Options{NoData: []float64{-32768}})
	if err != nil {
		t.Fatal(err)
	}
	d.Image.SetScale(0.1, 0)
	z, err := d.Elevation(t.Context(), d.Bounds())
	if err != nil {
		t.Fatal(err)
	}
	missing := 0
	for _, v := range z.Cells {
		if math.IsNaN(v) {
			missing++
		}
	}
	if missing != 20 || math.Abs(z.At(20, 20)-demtest.Hills(40, 30).At(20, 20)) > 0.06 {
		t.Errorf("%d cells are missing, %g m", missing, z.At(20, 20))
	}
}

// The faults of the file keep their kind, and those of its reader stay what they are.
func TestErrorsKeepTheirKind(t *testing.T) {
	good := written(t, demtest.Hills(40, 30), geotiff.Options{})
	cut := slices.Clone(good)
	cut[4] = 255 // the first directory lies elsewhere
	cut[5] = 255
	_, err := dem.Open(bytes.NewReader(cut), int64(len(cut)), dem.Options{})
	if !errors.Is(err, geotiff.ErrDamaged) || !errors.As(err, new(*finding.Error)) {
		t.Errorf("damaged: %v", err)
	}
	broken := errors.New("the store is away")
	if _, err := dem.Open(failing{broken}, int64(len(good)), dem.Options{}); !errors.Is(err, broken) || errors.As(err, new(*finding.Error)) {
		t.Errorf("reading: %v", err)
	}
}

type failing struct{ error }

func (f failing) ReadAt([]byte, int64) (int, error) { return 0, f.error }
