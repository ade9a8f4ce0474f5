package climate

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"strings"
	"sync"
	"testing"

	"github.com/cyverse-gis/eemt/shared/crs"
	"github.com/cyverse-gis/eemt/shared/geotiff"
	"github.com/cyverse-gis/eemt/shared/raster"
)

var nan = math.NaN()

// daymetKeys is Daymet's Lambert conformal conic (science page, section 4).
func daymetKeys() raster.GeoKeys {
	return raster.GeoKeys{
		Shorts: map[uint16]uint16{
			1024: 1, 1025: 1, 2048: 4326, 3072: 32767, 3074: 32767, 3075: 8, 3076: 9001,
		},
		Doubles: map[uint16][]float64{
			3078: {25}, 3079: {60}, 3084: {-100}, 3085: {42.5}, 3086: {0}, 3087: {0},
		},
	}
}

// field is a set of climate rasters under test: value returns what variable v
// of a month (0 to 11) holds at column c, row r.
type field struct {
	width, height int
	transform     raster.Transform
	keys          raster.GeoKeys
	value         func(v, month, c, r int) float64
}

// near Tucson, Arizona: 1 km cells.
func tucson() field {
	return field{
		width: 12, height: 10,
		transform: raster.Transform{OriginX: -1020000, OriginY: -1080000, StepX: 1000, StepY: -1000},
		keys:      daymetKeys(),
		value: func(v, month, _, _ int) float64 {
			return [...]float64{5, 15, 100, 900}[v] + float64(month)
		},
	}
}

func (f field) write(t testing.TB, bands int, value func(band, c, r int) float64) []byte {
	t.Helper()
	grids := make([]*raster.Grid[float64], bands)
	for b := range grids {
		grids[b] = raster.New[float64](f.width, f.height)
		for r := range f.height {
			for c := range f.width {
				grids[b].Set(c, r, value(b, c, r))
			}
		}
	}
	var out bytes.Buffer
	err := geotiff.Write(&out, geotiff.Options{Type: geotiff.Float64, Transform: f.transform, GeoKeys: f.keys, BlockSize: 16}, grids...)
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// files writes the four variables of a year as {var}_{year}.tif.
func (f field) files(t testing.TB, spec Spec, year int, into map[string][]byte) map[string][]byte {
	t.Helper()
	if into == nil {
		into = map[string][]byte{}
	}
	for v, variable := range variables {
		into[spec.File(variable.name, year)] = f.write(t, Months, func(month, c, r int) float64 { return f.value(v, month, c, r) })
	}
	return into
}

// at returns the places of fractional columns and rows (0.5 is a centre).
func (f field) at(t testing.TB, colRow ...[2]float64) Cells {
	t.Helper()
	system, err := crs.FromGeoKeys(f.keys)
	if err != nil {
		t.Fatal(err)
	}
	var cells Cells
	for _, p := range colRow {
		lon, lat := system.Inverse(f.transform.OriginX+p[0]*f.transform.StepX, f.transform.OriginY+p[1]*f.transform.StepY)
		cells.Lon, cells.Lat = append(cells.Lon, lon), append(cells.Lat, lat)
		cells.Elevation = append(cells.Elevation, 1000)
	}
	return cells
}

func parse(t testing.TB, s, elevation string) Spec {
	t.Helper()
	spec, err := ParseSpec(s, elevation, "")
	if err != nil {
		t.Fatal(err)
	}
	return spec
}

func monthsOf(t testing.TB, spec Spec, files map[string][]byte, year int, cells Cells) (*Monthly, error) {
	t.Helper()
	source, err := Open(context.Background(), spec, inMemory(files))
	if err != nil {
		t.Fatal(err)
	}
	return source.Months(context.Background(), year, cells)
}

func close9(t *testing.T, what string, got, want float64) {
	t.Helper()
	if !(math.Abs(got-want) <= 1e-9*max(1, math.Abs(want))) && !(math.IsNaN(got) && math.IsNaN(want)) {
		t.Errorf("%s: %.12g, want %.12g", what, got, want)
	}
}

// Bilinear interpolation is exact on a plane; tolerance 1e-9.
func TestRastersLinearField(t *testing.T) {
	f := tucson()
	plane := func(col, row float64) float64 { return 1 + 0.5*col - 0.25*row }
	f.value = func(v, month, c, r int) float64 {
		return float64(v)*10 + float64(month)*0.1 + plane(float64(c), float64(r))
	}
	spec := parse(t, "raster:{var}_{year}.tif", "z.tif")
	files := f.files(t, spec, 2019, nil)
	files["z.tif"] = f.write(t, 1, func(_, c, r int) float64 { return 100 * plane(float64(c), float64(r)) })
	places := [][2]float64{{1.5, 1.5}, {3.25, 4.75}, {7.5, 2.01}, {10.99, 8.99}, {6, 6}}
	m, err := monthsOf(t, spec, files, 2019, f.at(t, places...))
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range places {
		want := plane(p[0]-0.5, p[1]-0.5)
		close9(t, "reference elevation", m.ZRef[i], 100*want)
		for v, series := range m.series() {
			for month := range Months {
				close9(t, variables[v].name, series[month][i], float64(v)*10+float64(month)*0.1+want)
			}
		}
	}
}

func TestRastersElevationOnAnotherGrid(t *testing.T) {
	f := tucson()
	spec := parse(t, "raster:{var}_{year}.tif", "z.tif")
	files := f.files(t, spec, 2019, nil)
	// 0.02 degrees, plane in longitude and latitude.
	z := field{
		width: 60, height: 50, keys: raster.GeoKeys{Shorts: map[uint16]uint16{1024: 2, 1025: 1, 2048: 4326}},
		transform: raster.Transform{OriginX: -111.6, OriginY: 32.1, StepX: 0.02, StepY: -0.02},
	}
	height := func(lon, lat float64) float64 { return 500 + 40*(lon+111) - 30*(lat-32.5) }
	files["z.tif"] = z.write(t, 1, func(_, c, r int) float64 { return height(z.transform.Center(c, r)) })
	// At climate cell centres the elevation is exact; between them it is
	// the bilinear mix of the four centres, not that of the finer raster.
	centres := f.at(t, [2]float64{4.5, 4.5}, [2]float64{5.5, 4.5}, [2]float64{4.5, 5.5}, [2]float64{5.5, 5.5})
	var want float64
	for i := range 4 {
		want += height(centres.Lon[i], centres.Lat[i]) / 4
	}
	m, err := monthsOf(t, spec, files, 2019, f.at(t, [2]float64{4.5, 4.5}, [2]float64{5, 5}))
	if err != nil {
		t.Fatal(err)
	}
	close9(t, "at a centre", m.ZRef[0], height(centres.Lon[0], centres.Lat[0]))
	close9(t, "between four centres", m.ZRef[1], want)
}

func TestRastersRenormaliseOverValidNeighbours(t *testing.T) {
	f := tucson()
	base := f.value
	// Cell 5, 4 lacks one month of one variable, cell 8, 7 its elevation.
	f.value = func(v, month, c, r int) float64 {
		if v == vp && month == 6 && c == 5 && r == 4 {
			return nan
		}
		return base(v, month, c, r) + float64(c)
	}
	spec := parse(t, "raster:{var}_{year}.tif", "z.tif")
	files := f.files(t, spec, 2019, nil)
	files["z.tif"] = f.write(t, 1, func(_, c, r int) float64 {
		if c == 8 && r == 7 {
			return nan
		}
		return 1000 + 10*float64(c)
	})
	m, err := monthsOf(t, spec, files, 2019, f.at(t,
		[2]float64{5.75, 4.75}, // weights 9/16 (missing), 3/16, 3/16, 1/16
		[2]float64{5.5, 4.5},   // centre of the missing cell: no other neighbour has a weight
		[2]float64{8, 7},       // a quarter each, one missing
		[2]float64{0.1, 9.9},   // within the outermost cell: that cell alone
		[2]float64{-0.1, 5},    // beyond the grid
	))
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []float64{(6*3.0/7 + 5*3.0/7 + 6*1.0/7), nan, (7 + 7 + 8) / 3.0, 0, nan} {
		// All variables, months and the elevation with the same weights.
		close9(t, "January tmin", m.TMin[0][i], 5+want)
		close9(t, "December prcp", m.Prcp[11][i], 111+want)
		close9(t, "reference elevation", m.ZRef[i], 1000+10*want)
	}
}

func TestRastersMeanOfTheDEM(t *testing.T) {
	f := tucson()
	spec := parse(t, "raster:{var}_{year}.tif", "dem")
	files := f.files(t, spec, 2019, nil)
	cells := f.at(t, [2]float64{2.2, 2.2}, [2]float64{2.6, 2.9}, [2]float64{3.4, 2.5}, [2]float64{2.5, 2.5})
	cells.Elevation = []float64{100, 200, 500, nan}
	m, err := monthsOf(t, spec, files, 2019, cells)
	if err != nil {
		t.Fatal(err)
	}
	// Cell 2, 2 has a mean of 150, cell 3, 2 of 500, no other has any.
	for i, want := range []float64{150, 0.9*150 + 0.1*500, 0.1*150 + 0.9*500, 150} {
		close9(t, "reference elevation", m.ZRef[i], want)
	}
}

func TestRastersLeapDecember(t *testing.T) {
	f := tucson()
	f.value = func(v, _, _, _ int) float64 { return [...]float64{5, 15, 90, 900}[v] }
	for name, c := range map[string]struct {
		spec string
		year int
		want float64
	}{
		"Daymet, leap year":           {"daymet:d", 2020, 93}, // 90 mm in 30 days
		"Daymet, common year":         {"daymet:d", 2019, 90},
		"Daymet, 1900 is no leap one": {"daymet:d", 1900, 90},
		"own rasters, leap year":      {"raster:{var}_{year}.tif", 2020, 90},
	} {
		t.Run(name, func(t *testing.T) {
			spec := parse(t, c.spec, "dem")
			m, err := monthsOf(t, spec, f.files(t, spec, c.year, nil), c.year, f.at(t, [2]float64{5, 5}))
			if err != nil {
				t.Fatal(err)
			}
			close9(t, "December prcp", m.Prcp[11][0], c.want)
			close9(t, "November prcp", m.Prcp[10][0], 90)
			close9(t, "December vp", m.VP[11][0], 900)
		})
	}
}

func TestRastersNoCoverage(t *testing.T) {
	f := tucson()
	inside := [2]float64{5, 5}
	for name, c := range map[string]struct {
		place  [2]float64
		value  func(v, month, c, r int) float64
		wanted string
	}{
		"beyond the rasters": {[2]float64{40, 5}, f.value, "no cell lies within the rasters; the cells have longitude -110.6"},
		"a month without values": {inside, func(v, month, c, r int) float64 {
			if v == prcp && month == 1 {
				return nan
			}
			return f.value(v, month, c, r)
		}, "prcp of February has no value around the cells"},
		"no cell complete": {inside, func(v, month, c, _ int) float64 {
			if v == prcp && c%2 == 0 || v == vp && c%2 == 1 {
				return nan
			}
			return f.value(v, month, c, 0)
		}, "no climate cell around has all variables"},
	} {
		t.Run(name, func(t *testing.T) {
			g := f
			g.value = c.value
			spec := parse(t, "raster:{var}_{year}.tif", "dem")
			m, err := monthsOf(t, spec, g.files(t, spec, 2019, nil), 2019, f.at(t, c.place))
			if !errors.Is(err, ErrNoCoverage) || !strings.Contains(err.Error(), c.wanted) {
				t.Fatalf("error %v\nwant  %s", err, c.wanted)
			}
			if !math.IsNaN(m.TMin[0][0]) || !math.IsNaN(m.VP[11][0]) || !math.IsNaN(m.ZRef[0]) {
				t.Errorf("values %g %g %g, want NaN", m.TMin[0][0], m.VP[11][0], m.ZRef[0])
			}
		})
	}
}

func TestRastersCellsWithoutPlace(t *testing.T) {
	f := tucson()
	spec := parse(t, "raster:{var}_{year}.tif", "dem")
	m, err := monthsOf(t, spec, f.files(t, spec, 2019, nil), 2019, Cells{Lon: []float64{nan}, Lat: []float64{nan}, Elevation: []float64{nan}})
	if err != nil {
		t.Fatalf("error %v for cells that are not there", err)
	}
	if !math.IsNaN(m.TMax[3][0]) {
		t.Errorf("tmax %g, want NaN", m.TMax[3][0])
	}
}

func TestRastersRefuse(t *testing.T) {
	f := tucson()
	replace := func(v int, x float64) func(v, month, c, r int) float64 {
		return func(w, month, c, r int) float64 {
			if w == v && month == 2 && c == 5 && r == 6 {
				return x
			}
			return f.value(w, month, c, r)
		}
	}
	for name, c := range map[string]struct {
		change func(files map[string][]byte)
		value  func(v, month, c, r int) float64
		want   string
	}{
		"kelvin":         {nil, replace(tmax, 290), "climate raster tmax_2019.tif: tmax of March, column 5 row 6 (longitude -111.03"},
		"its range":      {nil, replace(tmax, 290), "290: must be -60 to 60 degC"},
		"negative rain":  {nil, replace(prcp, -1), "prcp of March, column 5 row 6 (longitude"},
		"vp in hPa fine": {nil, replace(vp, 9000), "9000: must be 0 to 8230 Pa"},
		"swapped":        {nil, replace(tmin, 20), "tmin of March, column 5 row 6 (longitude -111.03"},
		"infinite":       {nil, replace(vp, math.Inf(1)), "must be 0 to 8230 Pa"},
		"file missing":   {func(m map[string][]byte) { delete(m, "vp_2019.tif") }, f.value, "climate raster vp_2019.tif: "},
		"not a raster":   {func(m map[string][]byte) { m["prcp_2019.tif"] = []byte("nothing") }, f.value, "climate raster prcp_2019.tif: "},
		"bands": {func(m map[string][]byte) {
			m["vp_2019.tif"] = f.write(t, 3, func(int, int, int) float64 { return 1 })
		}, f.value, "climate raster vp_2019.tif: 3 bands: must be 12"},
		"other grid": {func(m map[string][]byte) {
			g := f
			g.transform.OriginX += 500
			m["tmax_2019.tif"] = g.write(t, 12, func(int, int, int) float64 { return 20 })
		}, f.value, "climate raster tmax_2019.tif: grid of 12 x 10 cells from -1.0195e+06"},
		"elevation in feet": {func(m map[string][]byte) {
			m["z.tif"] = f.write(t, 1, func(int, int, int) float64 { return 9500 })
		}, f.value, "climate raster z.tif: elevation 9500: must be -1000 to 9000 m"},
		"elevation of two bands": {func(m map[string][]byte) {
			m["z.tif"] = f.write(t, 2, func(int, int, int) float64 { return 9 })
		}, f.value, "climate raster z.tif: 2 bands"},
		"no coordinates": {func(m map[string][]byte) {
			g := f
			g.transform, g.keys = raster.Transform{}, raster.GeoKeys{}
			m["tmin_2019.tif"] = g.write(t, 12, func(int, int, int) float64 { return 9 })
		}, f.value, "climate raster tmin_2019.tif: no georeferencing"},
	} {
		t.Run(name, func(t *testing.T) {
			g := f
			g.value = c.value
			spec := parse(t, "raster:{var}_{year}.tif", "z.tif")
			files := g.files(t, spec, 2019, nil)
			files["z.tif"] = f.write(t, 1, func(int, int, int) float64 { return 700 })
			if c.change != nil {
				c.change(files)
			}
			_, err := monthsOf(t, spec, files, 2019, f.at(t, [2]float64{5, 6}))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v\nwant  %s", err, c.want)
			}
		})
	}
}

// A global grid in degrees from 0 to 360.
func TestRastersBeyondTheDateLine(t *testing.T) {
	f := field{
		width: 36, height: 18, keys: raster.GeoKeys{Shorts: map[uint16]uint16{1024: 2, 1025: 1, 2048: 4326}},
		transform: raster.Transform{OriginX: 0, OriginY: 90, StepX: 10, StepY: -10},
		value:     func(v, _, c, _ int) float64 { return [...]float64{-10, 0, 0, 100}[v] + float64(c) },
	}
	spec := parse(t, "raster:{var}.tif", "dem")
	m, err := monthsOf(t, spec, f.files(t, spec, 0, nil), 2020, Cells{Lon: []float64{-75, 75}, Lat: []float64{5, 5}, Elevation: []float64{0, 0}})
	if err != nil {
		t.Fatal(err)
	}
	close9(t, "285 E", m.TMax[0][0], 28)
	close9(t, "75 E", m.TMax[0][1], 7)
}

// One source serves several years and windows at a time.
func TestRastersSeveralYears(t *testing.T) {
	f := tucson()
	f.width, f.height = 60, 40
	spec := parse(t, "raster:{var}_{year}.tif", "z.tif")
	files := map[string][]byte{"z.tif": f.write(t, 1, func(_, c, r int) float64 { return float64(c + r) })}
	for _, year := range []int{2001, 2002, 2003} {
		f.value = func(v, month, c, _ int) float64 {
			return [...]float64{0, 12, 100, 900}[v] + float64(month) + float64(year-2000)/10 + float64(c)/1000
		}
		f.files(t, spec, year, files)
	}
	source, err := Open(context.Background(), spec, inMemory(files))
	if err != nil {
		t.Fatal(err)
	}
	source.(*rasters).whole = 0 // read by window
	var wg sync.WaitGroup
	for i := range 24 {
		year, col := 2001+i%3, 3+i*2
		cells := f.at(t, [2]float64{float64(col) + 0.5, 20.5})
		wg.Go(func() {
			m, err := source.Months(context.Background(), year, cells)
			if err != nil {
				t.Error(err)
				return
			}
			close9(t, "April tmax", m.TMax[3][0], 15+float64(year-2000)/10+float64(col)/1000)
			close9(t, "reference elevation", m.ZRef[0], float64(col+20))
		})
	}
	wg.Wait()
}

// What Snapshot stores gives the values that the rasters gave, in any split of
// the DEM.
func TestSnapshot(t *testing.T) {
	f := tucson()
	f.width, f.height = 60, 50
	base := f.value
	f.value = func(v, month, c, r int) float64 {
		if c == 22 && r == 17 {
			return nan
		}
		return base(v, month, c, r) + 0.1*float64(c*c%7) + 0.2*float64(r%5)
	}
	// A DEM of 12 x 9 cells within 4 x 3 climate cells.
	var places [][2]float64
	for r := range 9 {
		for c := range 12 {
			places = append(places, [2]float64{20.17 + float64(c)/3, 16.17 + float64(r)/3})
		}
	}
	for _, elevation := range []string{"dem", "z.tif", "z_{year}.tif"} {
		t.Run(elevation, func(t *testing.T) {
			spec := parse(t, "daymet:base", elevation)
			files := f.files(t, spec, 2020, nil)
			f.files(t, spec, 2021, files)
			for _, name := range []string{"z.tif", "z_2020.tif", "z_2021.tif"} {
				files[name] = f.write(t, 1, func(_, c, r int) float64 { return 800 + float64(c*r%11) })
			}
			cells := f.at(t, places...)
			for i := range cells.Elevation {
				cells.Elevation[i] = 700 + float64(i*i%13)
			}
			want, err := monthsOf(t, spec, files, 2020, cells)
			if err != nil {
				t.Fatal(err)
			}

			stored := map[string][]byte{}
			var half [2]Cells
			for i, p := range [][2]int{{0, 50}, {50, len(places)}} {
				half[i] = Cells{cells.Lon[p[0]:p[1]], cells.Lat[p[0]:p[1]], cells.Elevation[p[0]:p[1]]}
			}
			local, err := Snapshot(context.Background(), spec, []int{2020, 2021}, cells, Blocks(half[:]...), "jobs/7/climate/", inMemory(files),
				func(name string, write func(io.Writer) error) error {
					if stored[name] != nil {
						t.Errorf("%s is stored twice", name)
					}
					var b bytes.Buffer
					err := write(&b)
					stored[name] = b.Bytes()
					return err
				})
			if err != nil {
				t.Fatal(err)
			}
			for name := range stored {
				if !strings.HasPrefix(name, "jobs/7/climate/") {
					t.Errorf("stored as %s", name)
				}
			}
			// 4 x 3 cells, neighbours at both sides, one to spare.
			small, err := geotiff.Open(bytes.NewReader(stored["jobs/7/climate/tmin_2021.tif"]), int64(len(stored["jobs/7/climate/tmin_2021.tif"])))
			if err != nil {
				t.Fatal(err)
			}
			if small.Width != 8 || small.Height != 7 || small.Bands != 12 {
				t.Errorf("window of %d x %d x %d, want 8 x 7 x 12", small.Width, small.Height, small.Bands)
			}
			for first, count := 0, 31; first < len(places); first += count {
				last := min(first+count, len(places))
				part, err := monthsOf(t, local, stored, 2020, Cells{Lon: cells.Lon[first:last], Lat: cells.Lat[first:last]})
				if err != nil {
					t.Fatal(err)
				}
				for i := first; i < last; i++ {
					close9(t, "reference elevation", part.ZRef[i-first], want.ZRef[i])
					close9(t, "December prcp", part.Prcp[11][i-first], want.Prcp[11][i])
					close9(t, "July vp", part.VP[6][i-first], want.VP[6][i])
					close9(t, "January tmin", part.TMin[0][i-first], want.TMin[0][i])
				}
			}
		})
	}
}

// Few cells of a DEM tell what part of the rasters lies under it.
func TestUnder(t *testing.T) {
	degrees := raster.GeoKeys{Shorts: map[uint16]uint16{1024: 2, 1025: 1, 2048: 4326}}
	for _, c := range []struct {
		name   string
		width  int
		left   float64 // longitude of its border
		places [][2]float64
		want   raster.Window
		none   bool
	}{
		{"all within", 40, -110, [][2]float64{{-104.5, 4.5}, {-102.5, 6.5}}, raster.Window{Col: 4, Row: 2, Width: 6, Height: 6}, false},
		{"the rasters end", 40, -110, [][2]float64{{-112, 4}, {-105.5, 6}, {-112, 12}}, raster.Window{Width: 7, Height: 8}, false},
		{"the rasters lie within the DEM", 4, -110, [][2]float64{{-130, -20}, {-108, 5}, {-90, 30}}, raster.Window{Width: 4, Height: 10}, false},
		{"beyond the date line", 20, 170, [][2]float64{{179.5, 5}, {-178.5, 5}, {-165, 5}}, raster.Window{Col: 8, Row: 3, Width: 12, Height: 4}, false},
		{"west of the date line", 20, -180, [][2]float64{{179.5, 5}, {-178.5, 5}}, raster.Window{Row: 3, Width: 4, Height: 4}, false},
		{"beside", 4, -110, [][2]float64{{-130, 5}, {-108, 11}}, raster.Window{}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			system, err := crs.FromGeoKeys(degrees)
			if err != nil {
				t.Fatal(err)
			}
			g := &grid{width: c.width, height: 10, transform: raster.Transform{OriginX: c.left, OriginY: 10, StepX: 1, StepY: -1}, system: system}
			var cells Cells
			for _, p := range c.places {
				cells.Lon, cells.Lat = append(cells.Lon, p[0]), append(cells.Lat, p[1])
			}
			w, ok, err := g.under(cells)
			if err != nil || ok == c.none || ok && w != c.want {
				t.Errorf("%+v, %v, %v; want %+v", w, ok, err, c.want)
			}
		})
	}
}

func TestSnapshotOfATable(t *testing.T) {
	files := map[string][]byte{"a.csv": []byte("# elevation_m: 12\n" + months)}
	stored := map[string][]byte{}
	keep := func(name string, write func(io.Writer) error) error {
		var b bytes.Buffer
		err := write(&b)
		stored[name] = b.Bytes()
		return err
	}
	spec, err := Snapshot(context.Background(), parse(t, "table:a.csv", ""), []int{2020}, Cells{}, nil, "p/", inMemory(files), keep)
	if err != nil {
		t.Fatal(err)
	}
	m, err := monthsOf(t, spec, stored, 2020, Cells{Lon: []float64{0}, Lat: []float64{0}})
	if err != nil {
		t.Fatal(err)
	}
	if m.ZRef[0] != 12 || m.TMax[6][0] != 26 {
		t.Errorf("elevation %g, July %g", m.ZRef[0], m.TMax[6][0])
	}
}

func TestSnapshotRefuses(t *testing.T) {
	f := tucson()
	spec := parse(t, "raster:{var}_{year}.tif", "dem")
	files := f.files(t, spec, 2019, nil)
	keep := func(_ string, write func(io.Writer) error) error { return write(io.Discard) }
	for name, c := range map[string]struct {
		years  []int
		prefix string
		place  [2]float64
		want   string
	}{
		"no years":     {nil, "", [2]float64{5, 5}, "climate of 0 years: must be 1 to 1000"},
		"braces":       {[]int{2019}, "{x}/", [2]float64{5, 5}, "must be free of braces"},
		"elsewhere":    {[]int{2019}, "", [2]float64{-30, 5}, "no cell lies within the rasters"},
		"missing year": {[]int{2019, 2020}, "", [2]float64{5, 5}, "climate raster tmin_2020.tif"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Snapshot(context.Background(), spec, c.years, f.at(t, c.place), Blocks(f.at(t, c.place)), c.prefix, inMemory(files), keep)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v\nwant  %s", err, c.want)
			}
		})
	}
	// A failing block of the DEM ends it.
	broken := errors.New("broken")
	_, err := Snapshot(context.Background(), spec, []int{2019}, f.at(t, [2]float64{5, 5}), func(yield func(Cells, error) bool) { yield(Cells{}, broken) }, "", inMemory(files), keep)
	if !errors.Is(err, broken) {
		t.Errorf("error %v, want %v", err, broken)
	}
}

func BenchmarkMonths(b *testing.B) {
	f := tucson()
	spec := parse(b, "raster:{var}_{year}.tif", "dem")
	source, err := Open(context.Background(), spec, inMemory(f.files(b, spec, 2019, nil)))
	if err != nil {
		b.Fatal(err)
	}
	var places [][2]float64
	for i := range 256 * 256 {
		places = append(places, [2]float64{1 + float64(i%256)/30, 1 + float64(i/256)/40})
	}
	cells := f.at(b, places...)
	for b.Loop() {
		if _, err := source.Months(context.Background(), 2019, cells); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(places))*float64(b.N)/b.Elapsed().Seconds()/1e6, "Mcells/s")
}
