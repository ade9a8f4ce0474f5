package inspect_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/cyverse-gis/eemt/shared/dem/demtest"
	"github.com/cyverse-gis/eemt/shared/finding"
	"github.com/cyverse-gis/eemt/shared/geotiff"
	"github.com/cyverse-gis/eemt/shared/inspect"
	"github.com/cyverse-gis/eemt/shared/param"
	"github.com/cyverse-gis/eemt/shared/raster"
)

const station = "# elevation_m: 2300\n# latitude: 39\n# longitude: -107\nmonth,tmin,tmax,prcp,vp\n1,-12,0,41,210\n2,-4,8,38,340\n3,-6,6,52,330\n4,-2,11,61,450\n5,2,17,44,640\n6,6,23,9,800\n" +
	"7,9,26,66,1050\n8,9,25,71,1020\n9,4,21,48,760\n10,-1,14,43,520\n11,-7,6,40,330\n12,-11,1,45,230\n"

func open(_ context.Context, name string) (io.ReaderAt, int64, io.Closer, error) {
	if name != "station.csv" {
		return nil, 0, nil, errors.New("no such file " + name)
	}
	return strings.NewReader(station), int64(len(station)), io.NopCloser(nil), nil
}

func inspectData(t *testing.T, data []byte, o inspect.Options) *inspect.Report {
	t.Helper()
	r, err := inspect.File(t.Context(), bytes.NewReader(data), int64(len(data)), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// with are the usual parameters with a climate.
func with(climate string) param.Parameters {
	p := param.DefaultParameters()
	p.Climate = climate
	return p
}

func TestGoodDEM(t *testing.T) {
	r := inspectData(t, demtest.Encode(t, demtest.Hills(24, 20)), inspect.Options{
		Parameters: with("table:station.csv"), Open: open,
		Estimate: func(w, h int) inspect.Work { return inspect.Work{Tiles: w * h} },
	})
	if !r.Usable || r.Detail != "" || len(r.Findings.Open(finding.Doubt)) != 0 {
		t.Errorf("%+v", r)
	}
	if r.Width != 24 || r.Height != 20 || r.EPSG != 32613 || r.HorizontalUnit != "metre" || r.VerticalUnit != "metre (not stated)" || r.CellSize[0] != 30 {
		t.Errorf("%+v", r)
	}
	if *r.Bounds != [4]float64{327000, 4319400, 327720, 4320000} {
		t.Errorf("bounds %v", *r.Bounds)
	}
	// PROJ: cs2cs EPSG:32613 EPSG:4326, corners 327000 4319400 and 327720 4320000.
	for i, want := range [4]float64{-106.99789, 39.00689, -106.98940, 39.01244} {
		if math.Abs(r.BBox[i]-want) > 1e-3 {
			t.Errorf("bbox %v, want %v at %d", *r.BBox, want, i)
		}
	}
	if e := r.Elevation; e.Read != "all cells" || e.Minimum < 2300 || e.Maximum > 2700 || !(e.Mean > e.Minimum && e.Mean < e.Maximum) {
		t.Errorf("elevation %+v", e)
	}
	if r.NoData.Share != 0 || *r.NoData.Voids != 0 || r.Spikes.Count != 0 || r.Climate.Covered != 1 || r.Work.Tiles != 480 {
		t.Errorf("%+v %+v %+v %+v", r.NoData, r.Spikes, r.Climate, r.Work)
	}
}

func TestHolesAndSpikes(t *testing.T) {
	g := demtest.Hills(40, 30)
	for _, c := range [][2]int{{10, 10}, {11, 10}, {12, 10}, {20, 20}} { // two holes
		g.Set(c[0], c[1], math.NaN())
	}
	for c := range 6 { // not a hole: it reaches the edge
		g.Set(c, 0, math.NaN())
	}
	g.Set(30, 12, 3900)
	r := inspectData(t, demtest.Encode(t, g), inspect.Options{})
	if !r.Usable || *r.NoData.Voids != 2 || r.NoData.LargestVoid != 3 || math.Abs(r.NoData.Share-10.0/1200) > 1e-9 {
		t.Errorf("%+v", r.NoData)
	}
	if r.Spikes.Count != 1 || r.Spikes.Col != 30 || r.Spikes.Row != 12 || r.Spikes.Elevation != 3900 {
		t.Errorf("%+v", r.Spikes)
	}
	if w := strings.Join(r.Findings.Sentences(), "\n"); !strings.Contains(w, "2 holes") || !strings.Contains(w, "gdal_fillnodata.py") || !strings.Contains(w, "3900 m at column 30, row 12") {
		t.Errorf("warnings %s", w)
	}
}

func TestUnusable(t *testing.T) {
	void := raster.New[float64](8, 8)
	for i := range void.Cells {
		void.Cells[i] = math.NaN()
	}
	undeclared := demtest.Hills(8, 8)
	undeclared.Set(3, 4, -32768)
	good := demtest.Encode(t, demtest.Hills(8, 8))
	for name, c := range map[string]struct {
		data []byte
		o    inspect.Options
		want string
	}{
		"text":              {[]byte("hello, this is no raster"), inspect.Options{}, "not a TIFF file: it is a text"},
		"empty":             {nil, inspect.Options{}, "not a TIFF file"},
		"no system":         {demtest.EncodeAs(t, demtest.Hills(8, 8), demtest.Transform(), raster.GeoKeys{}), inspect.Options{}, "gdal_translate -a_srs"},
		"all nodata":        {demtest.Encode(t, void), inspect.Options{}, "no cell with an elevation"},
		"undeclared nodata": {demtest.Encode(t, undeclared), inspect.Options{}, "--nodata -32768, or with: gdal_translate -a_nodata -32768 in.tif out_nodata.tif"},
		"no such climate":   {good, inspect.Options{Parameters: with("table:none.csv"), Open: open}, "none.csv"},
		"strange climate":   {good, inspect.Options{Parameters: with("weather")}, `must be "table:FILE.csv"`},
	} {
		r := inspectData(t, c.data, c.o)
		if r.Usable || !strings.Contains(r.Detail, c.want) || strings.Contains(r.Detail, "\n") {
			t.Errorf("%s: usable %t, %q, want %q", name, r.Usable, r.Detail, c.want)
		}
	}
}

func TestUnits(t *testing.T) {
	degrees := inspectData(t, demtest.EncodeAs(t, demtest.Hills(30, 30), raster.Transform{OriginX: -107, OriginY: 39, StepX: 1.0 / 3600, StepY: -1.0 / 3600},
		raster.GeoKeys{Shorts: map[uint16]uint16{1024: 2, 1025: 1, 2048: 4326}}), inspect.Options{})
	if !degrees.Usable || degrees.HorizontalUnit != "degree" || math.Abs(degrees.CellSize[1]-30.8) > 0.3 || math.Abs(degrees.CellSize[0]-24.1) > 0.3 || !strings.Contains(strings.Join(degrees.Findings.Sentences(), " "), "in degrees") {
		t.Errorf("%+v %v", degrees, degrees.CellSize)
	}
	for step, coarse := range map[float64]bool{900: false, 1100: true} {
		r := inspectData(t, demtest.EncodeAs(t, demtest.Hills(30, 30), raster.Transform{OriginX: 4e5, OriginY: 4.4e6, StepX: step, StepY: -step}, demtest.UTM()), inspect.Options{})
		if said := strings.Contains(strings.Join(r.Findings.Sentences(), " "), "smaller landforms are lost"); said != coarse {
			t.Errorf("cells of %g m: %v", step, r.Findings.Sentences())
		}
	}
	// NAD83 / Pennsylvania South in US survey feet.
	feet := inspectData(t, demtest.EncodeAs(t, demtest.Hills(30, 30), raster.Transform{OriginX: 2e6, OriginY: 3e5, StepX: 30, StepY: -30},
		raster.GeoKeys{Shorts: map[uint16]uint16{1024: 1, 1025: 1, 3072: 2272}}), inspect.Options{})
	if !feet.Usable || feet.HorizontalUnit != "foot" || math.Abs(feet.CellSize[0]-9.144) > 0.01 || !strings.Contains(strings.Join(feet.Findings.Sentences(), " "), "--elevation-unit us-ft") {
		t.Errorf("%+v %v", feet, feet.CellSize)
	}
}

// TestUndeclared: numbers that mark missing data by custom, and may be elevations, are refused where the ground around
// them lies far off.
func TestUndeclared(t *testing.T) {
	feet := demtest.UTM()
	feet.Shorts[4099] = 9003
	for name, c := range map[string]struct {
		keys  raster.GeoKeys
		value float64
		want  string
	}{
		"metres": {demtest.UTM(), -9999, "--nodata -9999, or with: gdal_translate -a_nodata -9999 in.tif"},
		"feet":   {feet, -9999, "-a_nodata -9999 in.tif"},
		"short":  {feet, -32768, "-a_nodata -32768 in.tif"},
		"pit":    {demtest.UTM(), -9000, ""},
	} {
		g := demtest.Hills(8, 8)
		for i := range 24 {
			g.Cells[i] = c.value
		}
		r := inspectData(t, demtest.EncodeAs(t, g, demtest.Transform(), c.keys), inspect.Options{})
		if r.Usable != (c.want == "") || !strings.Contains(r.Detail, c.want) || c.want != "" && !strings.Contains(r.Detail, "of 24 cells in all") {
			t.Errorf("%s: %s", name, r.Detail)
		}
	}
}

// TestBeyondTheMap: the edge of a DEM may lie where its projection ends, and have no
// longitude and latitude.
func TestBeyondTheMap(t *testing.T) {
	bands := make([]*raster.Grid[float32], 12)
	for i := range bands {
		bands[i] = raster.New[float32](4, 4)
		bands[i].Fill(5)
	}
	var elsewhere bytes.Buffer
	if err := geotiff.Write(&elsewhere, geotiff.Options{
		Transform: raster.Transform{OriginX: 170, OriginY: -40, StepX: 1, StepY: -1},
		GeoKeys:   raster.GeoKeys{Shorts: map[uint16]uint16{1024: 2, 2048: 4326}},
	}, bands...); err != nil {
		t.Fatal(err)
	}
	wide := raster.Transform{OriginX: -135e5 + 5e5, OriginY: 135e5, StepX: 9e5, StepY: -9e5}
	r := inspectData(t, demtest.EncodeAs(t, demtest.Hills(30, 30), wide, demtest.UTM()), inspect.Options{
		Parameters: with("raster:{var}.tif"),
		Open: func(context.Context, string) (io.ReaderAt, int64, io.Closer, error) {
			return bytes.NewReader(elsewhere.Bytes()), int64(elsewhere.Len()), io.NopCloser(nil), nil
		},
	})
	if r.BBox != nil || r.Usable || !strings.Contains(r.Detail, "does not cover the DEM; choose another source") {
		t.Errorf("usable %t, %q, box %v", r.Usable, r.Detail, r.BBox)
	}
}

type counter struct {
	io.ReaderAt
	n atomic.Int64
}

func (c *counter) ReadAt(p []byte, off int64) (int, error) {
	c.n.Add(int64(len(p)))
	return c.ReaderAt.ReadAt(p, off)
}

// Of a large DEM a sample, or an overview, is read.
func TestBoundedReading(t *testing.T) {
	g := raster.New[float32](4000, 3000)
	for i := range g.Cells {
		g.Cells[i] = float32(1000 + i%4000 + i*7919%97)
	}
	var c *counter
	var b bytes.Buffer
	for _, overviews := range []bool{true, false} {
		b.Reset()
		if err := geotiff.Write(&b, geotiff.Options{Width: 4000, Height: 3000, Transform: demtest.Transform(), GeoKeys: demtest.UTM(), Overviews: overviews, BlockSize: 256}, g); err != nil {
			t.Fatal(err)
		}
		c = &counter{ReaderAt: bytes.NewReader(b.Bytes())}
		r, err := inspect.File(t.Context(), c, int64(b.Len()), inspect.Options{})
		want := "a sample of 35 % of the cells"
		if overviews {
			want = "an overview of 2000 x 1500 cells"
		}
		if err != nil || !r.Usable || r.Elevation.Read != want || (r.NoData.Voids != nil) != overviews {
			t.Fatalf("%v %+v %+v", err, r, r.Elevation)
		}
		if overviews && c.n.Load() > int64(b.Len())*2/3 {
			t.Errorf("%d of %d bytes read", c.n.Load(), b.Len())
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := inspect.File(ctx, c, int64(b.Len()), inspect.Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}
