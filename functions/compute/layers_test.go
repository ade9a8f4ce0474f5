package compute_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/cyverse-gis/eemt/functions/compute/assembly"
	"github.com/cyverse-gis/eemt/functions/compute/workfile"

	"github.com/cyverse-gis/eemt/shared/dem/demtest"
	"github.com/cyverse-gis/eemt/shared/geotiff"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/param"
	"github.com/cyverse-gis/eemt/shared/raster"
	"github.com/cyverse-gis/eemt/shared/solar"
	"github.com/cyverse-gis/eemt/shared/turbidity"
)

var allLayers = []param.Layer{param.Beam, param.Diffuse, param.Reflected, param.Horizon, param.SkyView}

// image opens one result.
func image(t *testing.T, results map[string][]byte, name string) *geotiff.Image {
	t.Helper()
	img, err := geotiff.Open(bytes.NewReader(results[name]), int64(len(results[name])))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return img
}

// allBands decodes every band of a result.
func allBands(t *testing.T, results map[string][]byte, name string) []*raster.Grid[float64] {
	t.Helper()
	img := image(t, results, name)
	grids := make([]*raster.Grid[float64], img.Bands)
	for b := range grids {
		var err error
		if grids[b], err = img.Grid(t.Context(), b, img.Bounds()); err != nil {
			t.Fatalf("%s, band %d: %v", name, b+1, err)
		}
	}
	return grids
}

func reportOf(t *testing.T, results map[string][]byte) assembly.Report {
	t.Helper()
	var r assembly.Report
	if err := json.Unmarshal(results[workfile.ReportName], &r); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestLayersOnRequest(t *testing.T) {
	tiff := hills(t)
	p := quick(param.Sol)
	p.Layers = allLayers
	one := run(t, param.Sol, p, tiff, options{threads: 2})
	results := one.results(t)
	got := maps(t, results)
	for _, when := range append([]string{"annual/%s_sum.tif"}, "monthly/%s_jan_sum.tif", "monthly/%s_jul_average.tif") {
		total := got["global/"+fmt.Sprintf(when, "total_sun")]
		sum := raster.New[float64](total.Width, total.Height)
		for _, part := range []string{"beam_rad", "diff_rad", "refl_rad"} {
			g := got["global/"+fmt.Sprintf(when, part)]
			if g == nil {
				t.Fatalf("no map of %s in %s", part, when)
			}
			for i, v := range g.Cells {
				sum.Cells[i] += v
			}
		}
		closeTo(t, when, sum, total, 1e-5)
	}
	for _, name := range []string{"global/annual/diff_rad_average.tif", "global/monthly/refl_rad_dec_sum.tif"} {
		if unit := image(t, results, name).Band(0).Unit; !strings.HasPrefix(unit, "Wh m-2 ") {
			t.Errorf("%s has the unit %q", name, unit)
		}
	}

	horizons := image(t, results, "horizon.tif")
	if horizons.Bands != 36 || horizons.Band(9).Description != "azimuth 090" || horizons.Band(9).Unit != "degree" || horizons.Metadata["DESCRIPTION"] == "" {
		t.Errorf("horizon.tif: %d bands, the tenth %+v, metadata %v", horizons.Bands, horizons.Band(9), horizons.Metadata)
	}
	highest := 0.0
	for b, g := range allBands(t, results, "horizon.tif") {
		for i, v := range g.Cells {
			if v < 0 || v > 90 {
				t.Fatalf("horizon in band %d, cell %d: %g degrees", b+1, i, v)
			}
			if !math.IsNaN(v) {
				highest = max(highest, v)
			}
		}
	}
	if highest < 5 {
		t.Errorf("the highest horizon is %g degrees: hills must stand higher", highest)
	}
	slope := got["slope_rad.tif"]
	for i, v := range got["skyview.tif"].Cells {
		if math.IsNaN(v) != math.IsNaN(slope.Cells[i]) || v < 0 || v > (1+math.Cos(slope.Cells[i]))/2+1e-3 {
			t.Errorf("sky view of cell %d is %g on a slope of %g", i, v, slope.Cells[i])
		}
	}

	report := reportOf(t, results)
	found := 0
	for _, l := range report.Layers {
		switch l.Name {
		case "horizon.tif":
			found++
			if l.Bands != 36 || math.Abs(l.Maximum-highest) > 1e-4 || l.Minimum != 0 || l.Unit != "degree" || !(l.Mean > 0 && l.Mean < highest) {
				t.Errorf("report: %+v", l)
			}
		case "skyview.tif", "global/annual/beam_rad_sum.tif":
			found++
			if l.Bands != 0 || !(l.Minimum < l.Mean && l.Mean < l.Maximum) {
				t.Errorf("report: %+v", l)
			}
		}
	}
	if found != 3 {
		t.Errorf("the report has %d of 3 layers", found)
	}

	many := newWorld(t, newBucket(t), options{threads: 1})
	many.submit(t, param.Sol, p, tiff)
	many.replan(t, 5)
	many.settle(t)
	many.mustComplete(t)
	again := many.results(t)
	for name := range got {
		a, b := allBands(t, again, name), allBands(t, results, name)
		for k := range b {
			closeTo(t, fmt.Sprintf("%s, band %d", name, k+1), a[k], b[k], 1e-6)
		}
	}
	if left := objects(t, one.bucket, job.WorkKey(jobID, "")); len(left) != 0 {
		t.Errorf("%d work files are left", len(left))
	}
}

// Layers of terrain look at the far terrain and at what shadows=off leaves out.
func TestHorizonWithoutShadows(t *testing.T) {
	p := quick(param.Sol)
	p.Layers = []param.Layer{param.Horizon, param.SkyView}
	want := calm(t, param.Sol, p, hills(t))
	p.Shadows = "off"
	got := calm(t, param.Sol, p, hills(t))
	sameBytes(t, map[string][]byte{"horizon.tif": got["horizon.tif"], "skyview.tif": got["skyview.tif"]},
		map[string][]byte{"horizon.tif": want["horizon.tif"], "skyview.tif": want["skyview.tif"]})
}

func TestDaysInOneFile(t *testing.T) {
	p := quick(param.Sol)
	p.Daily = true
	p.KC = []float64{0.5, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}
	p.Layers = []param.Layer{param.Beam}
	w := newWorld(t, newBucket(t), options{threads: 2})
	w.submit(t, param.Sol, p, demtest.Encode(t, demtest.Hills(7, 6)))
	w.replan(t, 4)
	w.settle(t)
	w.mustComplete(t)
	results := w.results(t)
	got := maps(t, results)
	for stack, old := range map[string]string{
		"global/daily/total_sun.tif": "global/daily/total_sun_day_%d.tif", "global/daily/flat_total_sun.tif": "global/daily/flat_total_sun_day_%d.tif",
		"insol/daily/hours_sun.tif": "insol/daily/hours_sun_day_%d.tif", "global/daily/beam_rad.tif": "",
	} {
		img := image(t, results, stack)
		if img.Bands != 365 || img.Band(59).Description != "day 60, 1 mar" || !strings.HasSuffix(img.Band(364).Unit, " d-1") {
			t.Errorf("%s: %d bands, band 60 is %+v", stack, img.Bands, img.Band(59))
		}
		days := allBands(t, results, stack)
		for day := 1; day <= 365 && old != ""; day += 31 {
			closeTo(t, stack, days[day-1], got[fmt.Sprintf(old, day)], 0)
		}
		if stack == "global/daily/total_sun.tif" {
			sum := raster.New[float64](7, 6)
			for _, d := range days[:31] {
				for i, v := range d.Cells {
					sum.Cells[i] += v
				}
			}
			closeTo(t, "days of January", sum, got["global/monthly/total_sun_jan_sum.tif"], 0.01)
		}
	}
	if _, ok := got["global/daily/beam_rad_day_1.tif"]; ok {
		t.Error("beam has maps of single days")
	}
}

// degreeGrid encodes a raster in degrees around the test DEMs.
func degreeGrid(t *testing.T, bands int, value func(band int, lon, lat float64) float64) []byte {
	t.Helper()
	at := raster.Transform{OriginX: -107.1, OriginY: 39.1, StepX: 0.01, StepY: -0.01}
	grids := make([]*raster.Grid[float64], bands)
	for b := range grids {
		grids[b] = raster.New[float64](25, 20)
		for i := range grids[b].Cells {
			lon, lat := at.Center(i%25, i/25)
			grids[b].Cells[i] = value(b, lon, lat)
		}
	}
	var out bytes.Buffer
	opts := geotiff.Options{Transform: at, GeoKeys: raster.GeoKeys{Shorts: map[uint16]uint16{1024: 2, 1025: 1, 2048: 4326}}, Type: geotiff.Float64}
	if err := geotiff.Write(&out, opts, grids...); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func constant(v float64) func(int, float64, float64) float64 {
	return func(int, float64, float64) float64 { return v }
}

// runWith computes a job whose rasters lie in the bucket.
func runWith(t *testing.T, w param.Workflow, p param.Parameters, tiff []byte, files map[string][]byte) *world {
	t.Helper()
	wd := newWorld(t, newBucket(t), options{threads: 2})
	for name, data := range files {
		put(t, wd.bucket, name, data)
	}
	wd.submit(t, w, p, tiff)
	wd.settle(t)
	return wd
}

func TestRastersAsInputs(t *testing.T) {
	tiff := hills(t)
	set := func(name, text string) param.Parameters {
		p := quick(param.Sol)
		if err := p.SetInput(name, text); err != nil {
			t.Fatal(err)
		}
		return p
	}
	base := maps(t, calm(t, param.Sol, quick(param.Sol), tiff))
	months := "3.1,3.2,3.5,4,4.2,4.3,4.4,4.3,4,3.6,3.3,3.1"
	linke := func(m int) float64 {
		return []float64{3.1, 3.2, 3.5, 4, 4.2, 4.3, 4.4, 4.3, 4, 3.6, 3.3, 3.1}[m]
	}
	each := map[string][]byte{}
	for m := range 12 {
		each[fmt.Sprintf("climate/linke_%02d.tif", m+1)] = degreeGrid(t, 1, constant(linke(m)))
	}
	for _, c := range []struct {
		name, input, value, raster string
		files                      map[string][]byte
	}{
		{"one band", "linke-value", "4.5", "climate/x.tif", map[string][]byte{"climate/x.tif": degreeGrid(t, 1, constant(4.5))}},
		{"twelve bands", "linke-value", months, "climate/x.tif", map[string][]byte{"climate/x.tif": degreeGrid(t, 12, func(m int, _, _ float64) float64 { return linke(m) })}},
		{"twelve files", "linke-value", months, "climate/linke_{month}.tif", each},
		{"albedo", "albedo-value", "0.6", "climate/x.tif", map[string][]byte{"climate/x.tif": degreeGrid(t, 1, constant(0.6))}},
		{"beam factor", "kb", "0.5", "climate/x.tif", map[string][]byte{"climate/x.tif": degreeGrid(t, 1, constant(0.5))}},
		{"diffuse factor", "kd", "0.7", "climate/x.tif", map[string][]byte{"climate/x.tif": degreeGrid(t, 1, constant(0.7))}},
		{"clear-sky index", "kc", "0.8", "climate/x.tif", map[string][]byte{"climate/x.tif": degreeGrid(t, 1, constant(0.8))}},
	} {
		t.Run(c.name, func(t *testing.T) {
			want := maps(t, calm(t, param.Sol, set(c.input, c.value), tiff))
			wd := runWith(t, param.Sol, set(c.input, c.raster), tiff, c.files)
			wd.mustComplete(t)
			got := maps(t, wd.results(t))
			changed := 0
			for _, name := range []string{"global/annual/total_sun_sum.tif", "global/annual/flat_total_sun_sum.tif", "global/monthly/total_sun_apr_sum.tif", "insol/annual/hours_sun_sum.tif"} {
				// The engine sums cells of their own air in another way.
				closeTo(t, name, got[name], want[name], 0.004)
				if !equalCells(base[name], want[name]) {
					changed++
				}
			}
			if changed == 0 {
				t.Error("the input changes nothing")
			}
		})
	}
}

// The climatology gives what its twelve values for the place give, and tiles change nothing.
func TestTurbidityOfThePlace(t *testing.T) {
	tiff := demtest.Encode(t, demtest.Holes(demtest.Hills(40, 24)))
	word, twelve := quick(param.Sol), quick(param.Sol)
	if err := word.SetInput("linke-value", "climatology"); err != nil {
		t.Fatal(err)
	}
	wd := run(t, param.Sol, word, tiff, options{threads: 2})
	whole := wd.results(t)
	var r assembly.Report
	if err := json.Unmarshal(whole[workfile.ReportName], &r); err != nil {
		t.Fatal(err)
	}
	place := turbidity.At(r.DEM.Longitude, r.DEM.Latitude)
	if !r.Parameters.LinkeClimatology || r.Parameters.Linke != nil {
		t.Errorf("parameters %+v", r.Parameters)
	}
	twelve.Linke = place[:]
	got, want := maps(t, whole), maps(t, calm(t, param.Sol, twelve, tiff))
	plain := maps(t, calm(t, param.Sol, quick(param.Sol), tiff))
	if !r.Turbidity.Even || r.Turbidity.Center != place {
		t.Errorf("turbidity %+v, want %v in all cells", r.Turbidity, place)
	}
	for _, name := range []string{"global/annual/total_sun_sum.tif", "global/monthly/total_sun_jul_sum.tif", "global/annual/flat_total_sun_sum.tif"} {
		closeTo(t, name, got[name], want[name], 0)
		if equalCells(got[name], plain[name]) {
			t.Errorf("%s is that of the default", name)
		}
	}
}

// Over a DEM of degrees each cell has the turbidity of its own place, and tiles change nothing.
func TestTurbidityOfEachCell(t *testing.T) {
	z := demtest.Hills(40, 24)
	tiff := demtest.EncodeAs(t, z, raster.Transform{OriginX: 75, OriginY: 32, StepX: 0.1, StepY: -0.1}, raster.GeoKeys{Shorts: map[uint16]uint16{1024: 2, 1025: 1, 2048: 4326}})
	p := quick(param.Sol)
	p.Maps = param.AnnualMaps
	if err := p.SetInput("linke-value", "climatology"); err != nil {
		t.Fatal(err)
	}
	wd := run(t, param.Sol, p, tiff, options{threads: 2})
	whole := wd.results(t)
	if r := readReport(t, wd); r.Turbidity.Even {
		t.Errorf("turbidity %+v is one for all cells", r.Turbidity)
	}
	flat := maps(t, whole)["global/annual/flat_total_sun_sum.tif"]
	sky := solar.DefaultParameters()
	sky.StepMinutes = 60
	for _, at := range [][2]int{{1, 1}, {20, 12}, {38, 22}} {
		lon, lat := 75+0.1*(float64(at[0])+0.5), 32-0.1*(float64(at[1])+0.5)
		sky.Linke = turbidity.At(lon, lat)
		months, err := solar.FlatYear(lat*math.Pi/180, float64(float32(z.At(at[0], at[1]))), sky)
		if err != nil {
			t.Fatal(err)
		}
		var want float64
		for _, v := range months {
			want += v
		}
		if got := flat.At(at[0], at[1]); math.Abs(got/want-1) > 1e-3 {
			t.Errorf("column %d, row %d: %.0f Wh m-2, want %.0f", at[0], at[1], got, want)
		}
	}
	p.TileSize = 32
	cut := run(t, param.Sol, p, tiff, options{threads: 1}).results(t)
	for name, data := range whole {
		if strings.HasSuffix(name, ".tif") && !bytes.Equal(cut[name], data) {
			t.Errorf("%s depends on the tiles", name)
		}
	}
}

func equalCells(a, b *raster.Grid[float64]) bool {
	for i, v := range a.Cells {
		if v != b.Cells[i] && !(math.IsNaN(v) && math.IsNaN(b.Cells[i])) {
			return false
		}
	}
	return true
}

// A raster that changes over the DEM gives each cell what a run with the cell's
// own value gives it; where it has no data there is no result, and a note.
func TestRasterVariesOverTheDEM(t *testing.T) {
	p := quick(param.Sol)
	p.KC = nil
	if err := p.SetInput("kc", "climate/kc.tif"); err != nil {
		t.Fatal(err)
	}
	z := demtest.Hills(20, 14)
	tiff := demtest.Encode(t, z)
	clear := maps(t, calm(t, param.Sol, quick(param.Sol), tiff))
	name := "global/annual/flat_total_sun_sum.tif"
	// The DEM lies at 39.0 N from 107.0 W on: 0.0007 degrees of longitude are two cells.
	slanted := func(_ int, lon, _ float64) float64 { return 0.6 + 5*(lon+107) }
	wd := runWith(t, param.Sol, p, tiff, map[string][]byte{"climate/kc.tif": degreeGrid(t, 1, slanted)})
	wd.mustComplete(t)
	got := maps(t, wd.results(t))[name]
	for _, i := range []int{5*20 + 3, 5*20 + 10, 5*20 + 16} {
		ratio := got.Cells[i] / clear[name].Cells[i]
		col := float64(i%20) + 0.5
		// UTM 13 N, 327000 m east at 39 N is 106.9987 W; a cell of 30 m is 3.466e-4 degrees.
		if lon := (ratio-0.6)/5 - 107; math.Abs(lon-(-106.9977+3.466e-4*col)) > 2e-3 {
			t.Errorf("cell %d: the index %.5f is that of %.5f degrees east", i, ratio, lon)
		}
	}
	if a, b := got.Cells[5*20+3], got.Cells[5*20+16]; !(b > a) {
		t.Errorf("radiation does not rise with the index: %g, %g", a, b)
	}

	half := func(_ int, lon, _ float64) float64 {
		if lon > -106.995 {
			return math.NaN()
		}
		return 0.6
	}
	wd = runWith(t, param.Sol, p, demtest.Encode(t, demtest.Hills(90, 8)), map[string][]byte{"climate/kc.tif": degreeGrid(t, 1, half)})
	wd.mustComplete(t)
	got = maps(t, wd.results(t))[name]
	if math.IsNaN(got.Cells[3*90+4]) || !math.IsNaN(got.Cells[3*90+85]) {
		t.Errorf("cells with and without an index: %g, %g", got.Cells[3*90+4], got.Cells[3*90+85])
	}

	// A month without leaves no result in any, of hours and beam neither.
	p.Layers = []param.Layer{param.Beam}
	wd = runWith(t, param.Sol, p, demtest.Encode(t, demtest.Hills(90, 8)), map[string][]byte{"climate/kc.tif": degreeGrid(t, 12, func(m int, lon, lat float64) float64 {
		if m == 2 {
			return half(m, lon, lat)
		}
		return 0.6
	})})
	wd.mustComplete(t)
	for name, g := range maps(t, wd.results(t)) {
		if strings.HasPrefix(name, "slope") || strings.HasPrefix(name, "aspect") {
			continue
		}
		if math.IsNaN(g.Cells[3*90+4]) || !math.IsNaN(g.Cells[3*90+85]) {
			t.Errorf("%s with an index and without one in March: %g, %g", name, g.Cells[3*90+4], g.Cells[3*90+85])
		}
	}
}

func TestBadInputRasters(t *testing.T) {
	elsewhere := func() []byte {
		var out bytes.Buffer
		opts := geotiff.Options{Transform: raster.Transform{OriginX: 10, OriginY: 47, StepX: 0.01, StepY: -0.01}, GeoKeys: raster.GeoKeys{Shorts: map[uint16]uint16{1024: 2, 1025: 1, 2048: 4326}}}
		if err := geotiff.Write(&out, opts, raster.New[float64](5, 5)); err != nil {
			t.Fatal(err)
		}
		return out.Bytes()
	}()
	for _, c := range []struct {
		name, input string
		file        []byte
		want        []string
	}{
		{"out of range", "linke-value", degreeGrid(t, 1, constant(9.5)), []string{"linke-value", "climate/x.tif", "9.5", "1 to 8", "gdal_translate"}},
		{"percent", "albedo-value", degreeGrid(t, 1, constant(20)), []string{"albedo-value", "20", "0 to 1"}},
		{"index too low", "kc", degreeGrid(t, 1, constant(0.1)), []string{"kc", "0.1", "0.2 to 1"}},
		{"three bands", "kb", degreeGrid(t, 3, constant(0.5)), []string{"kb", "climate/x.tif", "3 bands", "12"}},
		{"elsewhere", "kd", elsewhere, []string{"kd", "climate/x.tif", "does not lie under the DEM"}},
		{"empty", "kd", degreeGrid(t, 1, constant(math.NaN())), []string{"kd", "no value under the DEM"}},
		{"text", "kd", []byte("not a raster"), []string{"kd", "climate/x.tif", "TIFF"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := quick(param.Sol)
			if err := p.SetInput(c.input, "climate/x.tif"); err != nil {
				t.Fatal(err)
			}
			wd := newWorld(t, newBucket(t), options{threads: 2})
			put(t, wd.bucket, "climate/x.tif", degreeGrid(t, 1, constant(1)))
			wd.submit(t, param.Sol, p, hills(t))
			put(t, wd.bucket, "climate/x.tif", c.file) // what submission has not seen
			wd.settle(t)
			st, err := wd.store.Status(t.Context(), jobID)
			if err != nil || st.State != job.Failed {
				t.Fatalf("job is %s (%v), want failed", st.State, err)
			}
			t.Log(st.End.Reason)
			checkSentence(t, st.End.Reason, c.want...)
		})
	}
}

// K_c dims global radiation, on slopes and on flat ground alike, so that the ratio
// that warms EEMT-TOPO's days stays; and it enters evaporation.
func TestClearSkyIndex(t *testing.T) {
	tiff := hills(t)
	p := quick(param.EEMT)
	clear := maps(t, calm(t, param.EEMT, p, tiff))
	p.KC = []float64{0.6}
	cloudy := maps(t, calm(t, param.EEMT, p, tiff))
	for name, factor := range map[string]float64{
		"global/annual/total_sun_sum.tif": 0.6, "global/annual/flat_total_sun_sum.tif": 0.6, "insol/annual/hours_sun_sum.tif": 1, "eemt/EEMT_Trad_2020.tif": 1, "eemt/E_BIO_Topo_2020.tif": 1,
	} {
		want := clear[name]
		for i := range want.Cells {
			want.Cells[i] *= factor
		}
		closeTo(t, name, cloudy[name], want, 1e-6)
	}
	name := "eemt/E_PPT_Topo_2020.tif"
	more := 0
	for i, v := range cloudy[name].Cells {
		if v > 1.01*clear[name].Cells[i] {
			more++
		}
	}
	if more < 50 {
		t.Errorf("under clouds %d cells have more water that is not evaporated: must be most", more)
	}
	if err := p.SetInput("kc", "climate/kc.tif"); err != nil {
		t.Fatal(err)
	}
	wd := runWith(t, param.EEMT, p, tiff, map[string][]byte{"climate/kc.tif": degreeGrid(t, 12, constant(0.6))})
	wd.mustComplete(t)
	same := maps(t, wd.results(t))
	for _, n := range []string{"global/annual/total_sun_sum.tif", name, "eemt/EEMT_Topo_jul_2020.tif"} {
		closeTo(t, n, same[n], cloudy[n], 1e-5)
	}
}

// daymet is a file of the single-pixel service: days of a year with half the
// radiation of a clear sky in winter, and more than it can be in summer.
func daymet(srad func(day int) float64) []byte {
	var b strings.Builder
	b.WriteString("Latitude: 39.0  Longitude: -107.0\nElevation: 2300 meters\nyear,yday,dayl (s),prcp (mm/day),srad (W/m^2),tmax (deg c),tmin (deg c),vp (Pa)\n")
	for day := 1; day <= 365; day++ {
		fmt.Fprintf(&b, "2020,%d,43200,2,%g,15,2,600\n", day, srad(day))
	}
	return []byte(b.String())
}

func TestClearSkyIndexFromClimate(t *testing.T) {
	p := quick(param.EEMT)
	p.Climate = "pixel:climate/pixel.csv"
	tiff := hills(t)
	clear := runWith(t, param.EEMT, p, tiff, map[string][]byte{"climate/pixel.csv": daymet(func(int) float64 { return 100 })})
	clear.mustComplete(t)
	flat := maps(t, clear.results(t))
	if err := p.SetInput("kc", "climate"); err != nil {
		t.Fatal(err)
	}
	// 100 W over 12 hours are 1200 Wh a day; 20 a day are too few; 2000 too many.
	wd := runWith(t, param.EEMT, p, tiff, map[string][]byte{"climate/pixel.csv": daymet(func(day int) float64 {
		switch {
		case day <= 31:
			return 100
		case day <= 59:
			return 2
		}
		return 1000
	})})
	wd.mustComplete(t)
	got := maps(t, wd.results(t))
	for month, want := range map[string]func(flat float64) float64{
		"jan": func(float64) float64 { return 31 * 1200 }, "feb": func(f float64) float64 { return 0.2 * f }, "jul": func(f float64) float64 { return f },
	} {
		name := "global/monthly/flat_total_sun_" + month + "_sum.tif"
		expect := flat[name]
		for i, v := range expect.Cells {
			if !math.IsNaN(v) {
				expect.Cells[i] = want(v)
			}
		}
		closeTo(t, name, got[name], expect, 1e-5)
	}

	p.Climate = "table:" + job.InputPrefix + "station.csv"
	bad := runWith(t, param.EEMT, p, tiff, nil)
	st, err := bad.store.Status(t.Context(), jobID)
	if err != nil || st.State != job.Failed {
		t.Fatalf("job is %s (%v), want failed", st.State, err)
	}
	checkSentence(t, st.End.Reason, "kc climate", "srad", "dayl")
}
