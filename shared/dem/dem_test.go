package dem_test

import (
	"bytes"
	_ "embed" // the case below
	"encoding/binary"
	"errors"
	"maps"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/cyverse-gis/eemt/shared/dem"
	"github.com/cyverse-gis/eemt/shared/dem/demtest"
	"github.com/cyverse-gis/eemt/shared/finding"
	"github.com/cyverse-gis/eemt/shared/geotiff"
	"github.com/cyverse-gis/eemt/shared/raster"
)

// stretched is a small file that claims to have so many rows and columns.
func stretched(t *testing.T, width, height uint32) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := geotiff.Write(&b, geotiff.Options{
		Type: geotiff.Uint8, Compression: geotiff.ZSTD,
		Transform: raster.Transform{OriginX: 500000, OriginY: 4e6, StepX: 0.01, StepY: -0.01},
		GeoKeys:   raster.GeoKeys{Shorts: map[uint16]uint16{1024: 1, 3072: 32611}},
	}, raster.New[float32](64, 64)); err != nil {
		t.Fatal(err)
	}
	file := append(b.Bytes(), make([]byte, 200_000)...)
	le := binary.LittleEndian
	at := int(le.Uint32(file[4:]))
	set := func(id uint16, count, value uint32) {
		for i := range int(le.Uint16(file[at:])) {
			if e := file[at+2+12*i:]; le.Uint16(e) == id {
				le.PutUint16(e[2:], 4)
				le.PutUint32(e[4:], count)
				le.PutUint32(e[8:], value)
				return
			}
		}
		t.Fatalf("no tag %d", id)
	}
	set(256, 1, width)
	set(257, 1, height)
	set(322, 1, 16)
	set(323, 1, 1<<23)
	blocks := (width + 15) / 16 * ((height + 1<<23 - 1) / (1 << 23))
	end := uint32(len(file))
	for _, id := range []uint16{324, 325} {
		set(id, blocks, end)
	}
	return append(file, make([]byte, 4*blocks)...)
}

// TestLongSides: a small file of a great many rows is refused without memory for each.
func TestLongSides(t *testing.T) {
	for _, size := range [][2]uint32{{3, 40_000_000}, {3, dem.MaxSide + 1}, {dem.MaxSide + 1, 3}} {
		file := stretched(t, size[0], size[1])
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := dem.Open(bytes.NewReader(file), int64(len(file)), dem.Options{})
		runtime.ReadMemStats(&after)
		if err == nil || !strings.Contains(err.Error(), "each side at most 1048576; cut it with: gdal_translate -srcwin ") {
			t.Errorf("%d x %d cells: error %v", size[0], size[1], err)
		}
		if n := after.TotalAlloc - before.TotalAlloc; n > 4<<20 {
			t.Errorf("%d x %d cells: %d bytes were allocated", size[0], size[1], n)
		}
	}
}

// TestCut: the part that the command cuts out is within the bounds, and about the middle.
func TestCut(t *testing.T) {
	for _, c := range []struct {
		width, height int
		cells         int64
		side          int
		want          string
	}{
		{100, 50, 400, 1000, "-srcwin 40 15 20 20 in.tif out_cut.tif"},
		{1000, 4, 400, 1000, "-srcwin 450 0 100 4 in.tif"},
		{4, 1000, 400, 1000, "-srcwin 0 450 4 100 in.tif"},
		{5000, 3, 1 << 32, 1000, "-srcwin 2000 0 1000 3 in.tif"},
	} {
		if got := dem.Cut(c.width, c.height, c.cells, c.side); !strings.Contains(got, c.want) {
			t.Errorf("%d x %d: %s, want %s", c.width, c.height, got, c.want)
		}
	}
}

// TestScaleOfPosition: in a compound system GDAL writes scale and offset of a band
// into the third step of the raster's position, and nowhere else.
func TestScaleOfPosition(t *testing.T) {
	utm := map[uint16]uint16{1024: 1, 3072: 32611}
	with := func(keys map[uint16]uint16, key, value uint16) map[uint16]uint16 {
		keys = maps.Clone(keys)
		keys[key] = value
		return keys
	}
	for _, c := range []struct {
		name             string
		keys             map[uint16]uint16
		minor            byte // revision of the keys
		scale, tie, tieZ float64
		want             float64 // of 1000
	}{
		{"compound", with(utm, 4096, 5773), 1, 0.1, 0, 100, 200},
		{"compound code", map[uint16]uint16{1024: 1, 3072: 5555}, 1, 0.1, 0, 100, 200},
		{"tie within", with(utm, 4096, 5773), 1, 0.1, 50, 100, 195},
		{"user-defined", with(utm, 4096, 32767), 1, 0.1, 0, 100, 200},
		{"unit alone", with(utm, 4099, 9001), 1, 0.1, 0, 100, 200},
		{"feet", with(utm, 4096, 6360), 1, 0.1, 0, 100, 200 * 1200. / 3937},
		{"offset alone", with(utm, 4096, 5773), 1, 1, 0, 100, 1100},
		{"nothing", with(utm, 4096, 5773), 1, 0, 0, 0, 1000},
		{"no step", with(utm, 4096, 5773), 1, 0, 0, 100, 1000},
		{"old keys", with(utm, 4096, 5773), 0, 0.1, 0, 100, 1000},
		{"not compound", utm, 1, 0.1, 0, 100, 1000},
		{"ellipsoidal", with(utm, 4096, 5030), 1, 0.1, 0, 100, 1000},
	} {
		t.Run(c.name, func(t *testing.T) {
			var b bytes.Buffer
			g := raster.New[float32](40, 40)
			g.Fill(1000)
			if err := geotiff.Write(&b, geotiff.Options{
				Type: geotiff.Int16, BlockSize: 16, Overviews: true,
				Transform: raster.Transform{OriginX: 500000, OriginY: 4e6, StepX: 10, StepY: -10},
				GeoKeys:   raster.GeoKeys{Shorts: c.keys},
			}, g); err != nil {
				t.Fatal(err)
			}
			file := b.Bytes()
			le := binary.LittleEndian
			at := int(le.Uint32(file[4:]))
			for i := range int(le.Uint16(file[at:])) {
				e := file[at+2+12*i:]
				value := file[min(le.Uint32(e[8:]), uint32(len(file))):]
				put := func(i int, v float64) { le.PutUint64(value[8*i:], math.Float64bits(v)) }
				switch le.Uint16(e) {
				case 33550:
					put(2, c.scale)
				case 33922:
					put(2, c.tie)
					put(5, c.tieZ)
				case 34735:
					value[4] = c.minor
				}
			}
			d, err := dem.Open(bytes.NewReader(file), int64(len(file)), dem.Options{})
			if err != nil {
				t.Fatal(err)
			}
			z, err := d.Elevation(t.Context(), d.Bounds())
			if err != nil {
				t.Fatal(err)
			}
			if got := z.At(7, 9); math.Abs(got-c.want) > 1e-9*c.want {
				t.Errorf("elevation %g, want %g", got, c.want)
			}
			o := d.Image.Overviews()[0]
			if z, err = o.Grid(t.Context(), 0, o.Bounds()); err != nil {
				t.Fatal(err)
			}
			if got := z.At(3, 4) * d.Vertical; math.Abs(got-c.want) > 1e-9*c.want {
				t.Errorf("elevation of the overview %g, want %g", got, c.want)
			}
		})
	}
}

// TestUndeclaredOfScaled: the command of the message declares what the file stores.
func TestUndeclaredOfScaled(t *testing.T) {
	var b bytes.Buffer
	g := raster.New[float32](40, 40)
	g.Fill(100)
	g.Set(3, 4, -32768)
	item := `<Item name="SCALE" sample="0" role="scale">10</Item><Item name="OFFSET" sample="0" role="offset">0.3</Item></GDALMetadata>`
	if err := geotiff.Write(&b, geotiff.Options{
		Type: geotiff.Int16, Transform: demtest.Transform(), GeoKeys: demtest.UTM(), Plain: true,
		Metadata: map[string]string{"A": strings.Repeat("x", len(item))},
	}, g); err != nil {
		t.Fatal(err)
	}
	file := b.Bytes()
	copy(file[bytes.Index(file, []byte("<GDALMetadata>"))+len("<GDALMetadata>"):], item+"\x00")
	d, err := dem.Open(bytes.NewReader(file), int64(len(file)), dem.Options{})
	if err != nil {
		t.Fatal(err)
	}
	g2, err := d.Values(t.Context(), d.Bounds())
	if err != nil {
		t.Fatal(err)
	}
	s := d.NewStatistics()
	s.Add(g2, d.Bounds())
	if err = s.Findings().Err(false); err == nil || !strings.Contains(err.Error(), "--nodata -32768, or with: gdal_translate -a_nodata -32768 in.tif out_nodata.tif") {
		t.Errorf("error %v", err)
	}
	if _, err = d.Elevation(t.Context(), d.Bounds()); err == nil || !strings.Contains(err.Error(), "must be -12000 to 9000 m") {
		t.Errorf("error %v", err)
	}
}

func TestStatedSystem(t *testing.T) {
	open := func(keys raster.GeoKeys, system string) (*dem.DEM, error) {
		file := demtest.EncodeAs(t, demtest.Hills(8, 8), demtest.Transform(), keys)
		return dem.Open(bytes.NewReader(file), int64(len(file)), dem.Options{CRS: system})
	}
	none, err := open(raster.GeoKeys{}, "EPSG:32613")
	if err != nil {
		t.Fatal(err)
	}
	if none.CRS.EPSG() != 32613 || len(none.Findings) != 0 || none.Image.GeoKeys.Shorts[3072] != 32613 {
		t.Errorf("a file without system: got %s, findings %v, keys %v", none.CRS.Name(), none.Findings, none.Image.GeoKeys)
	}
	other, err := open(demtest.UTM(), "epsg:32614")
	if err != nil {
		t.Fatal(err)
	}
	if want := "the file states the coordinate system WGS 84 / UTM zone 13N; it is read in WGS 84 / UTM zone 14N, as dem_crs says"; other.CRS.EPSG() != 32614 ||
		!slices.Contains(other.Findings.Sentences(), want) || other.Image.GeoKeys.Shorts[3072] != 32614 {
		t.Errorf("a file of another system: got %s, findings %v, keys %v", other.CRS.Name(), other.Findings, other.Image.GeoKeys)
	}
	var refused *finding.Error
	if _, err := open(raster.GeoKeys{}, ""); !errors.As(err, &refused) || refused.Code != finding.DEMCRS || !strings.Contains(err.Error(), "--dem-crs EPSG:CODE") {
		t.Errorf("a file without system: got %v", err)
	}
	if _, err := open(demtest.UTM(), "EPSG:5703"); !errors.As(err, &refused) || !strings.Contains(err.Error(), "vertical") {
		t.Errorf("a vertical system: got %v", err)
	}
}

func TestRowsOnThePoles(t *testing.T) {
	g := raster.New[float64](72, 37) // nodes every 5 degrees
	for i := range g.Cells {
		g.Cells[i] = float64(i)
	}
	geographic := raster.GeoKeys{Shorts: map[uint16]uint16{1024: 2, 1025: 1, 2048: 4326}}
	open := func(at raster.Transform) *dem.DEM {
		t.Helper()
		file := demtest.EncodeAs(t, g, at, geographic)
		d, err := dem.Open(bytes.NewReader(file), int64(len(file)), dem.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	for name, top := range map[string]float64{"rows on the poles": 92.5, "a row beyond one": 97.5} {
		at := raster.Transform{OriginX: -182.5, OriginY: top, StepX: 5, StepY: -5}
		d := open(at)
		rows := map[string][2]int{"rows on the poles": {1, 36}, "a row beyond one": {2, 37}}[name]
		z, err := d.Elevation(t.Context(), d.Bounds())
		if err != nil {
			t.Fatal(err)
		}
		for r := range 37 {
			if out := r < rows[0] || r >= rows[1]; math.IsNaN(z.Cells[r*72]) != out {
				t.Errorf("%s: row %d holds %v", name, r, z.Cells[r*72])
			}
		}
		if d.Image.Transform != at || !strings.Contains(strings.Join(d.Findings.Sentences(), " "), "lie on the poles or beyond") {
			t.Errorf("%s: %+v, findings %v", name, d.Image.Transform, d.Findings)
		}
	}
	if d := open(raster.Transform{OriginX: -180, OriginY: 85, StepX: 5, StepY: -4.5}); len(d.Findings) != 0 {
		t.Errorf("a grid without rows on the poles: %v", d.Findings)
	}
}

func TestDistortedMap(t *testing.T) {
	open := func(system string, x, y float64) []string {
		t.Helper()
		file := demtest.EncodeAs(t, demtest.Hills(8, 8), raster.Transform{OriginX: x, OriginY: y, StepX: 30, StepY: -30}, raster.GeoKeys{})
		d, err := dem.Open(bytes.NewReader(file), int64(len(file)), dem.Options{CRS: system})
		if err != nil {
			t.Fatal(err)
		}
		return d.Findings.Sentences()
	}
	const mollweide = `PROJCS["World_Mollweide",GEOGCS["GCS_WGS_1984",DATUM["D_WGS_1984",SPHEROID["WGS_1984",6378137.0,298.257223563]],PRIMEM["Greenwich",0.0],UNIT["Degree",0.0174532925199433]],PROJECTION["Mollweide"],PARAMETER["Central_Meridian",0.0],UNIT["Meter",1.0]]`
	if got := strings.Join(open(mollweide, 9e6, 4e6), " "); !strings.Contains(got, "the map distorts the ground") || !strings.Contains(got, "gdalwarp -t_srs EPSG:32647 -r bilinear") {
		t.Errorf("Mollweide far out: %q", got)
	}
	if got := strings.Join(open("EPSG:5513", 1092968, 637507), " "); !strings.Contains(got, "mirror image of the ground") || !strings.Contains(got, "EPSG:32633") {
		t.Errorf("Krovak, south and west: %q", got)
	}
	// Rows of cylindrical maps have cells of their own; those of the others are true within some per cent.
	for system, at := range map[string][2]float64{"EPSG:3857": {2e6, 6e6}, "EPSG:4087": {2e6, 5e6}, "EPSG:6933": {2e6, 5.5e6}, "EPSG:3035": {2.8e6, 2e6}, "EPSG:3978": {1.5e6, -2e5}, "EPSG:32613": {400000, 4e6}} {
		if got := strings.Join(open(system, at[0], at[1]), " "); strings.Contains(got, "distorts") {
			t.Errorf("%s: %q", system, got)
		}
	}
}

// esriPE was made for this purpose, as ArcGIS exports a DEM: the coordinate system is stated only as Esri's text, beside
// the code of a geographic one. GDAL places its centre at 120 degrees 13'21" W, 38 degrees 30'20" N.
//
//go:embed testdata/esri_pe_webmercator.tif
var esriPE []byte

func TestSystemInTextOnly(t *testing.T) {
	d, err := dem.Open(bytes.NewReader(esriPE), int64(len(esriPE)), dem.Options{})
	if err != nil {
		t.Fatal(err)
	}
	lon, lat := d.Center()
	if math.Abs(lon+(120+13./60+21./3600)) > 0.5/3600 || math.Abs(lat-(38+30./60+20./3600)) > 0.5/3600 || d.CRS.Geographic() {
		t.Errorf("the centre lies at %.6f %.6f in %s", lon, lat, d.CRS.Name())
	}
	if math.Abs(d.Cell.DX[30]-23.5) > 0.1 {
		t.Errorf("cells of %.2f m", d.Cell.DX[30])
	}
}
