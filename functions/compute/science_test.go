package compute_test

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/cyverse-gis/eemt/functions/compute/assembly"

	"github.com/cyverse-gis/eemt/shared/sources"

	"github.com/cyverse-gis/eemt/shared/climate"
	"github.com/cyverse-gis/eemt/shared/dem"
	"github.com/cyverse-gis/eemt/shared/dem/demtest"
	"github.com/cyverse-gis/eemt/shared/energy"
	"github.com/cyverse-gis/eemt/shared/finding"
	"github.com/cyverse-gis/eemt/shared/geotiff"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/param"
	"github.com/cyverse-gis/eemt/shared/raster"
	"github.com/cyverse-gis/eemt/shared/solar/sun"
	"github.com/cyverse-gis/eemt/shared/terrain"
)

var monthNames = [12]string{"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}

func TestBadDEMs(t *testing.T) {
	void := demtest.Hills(8, 8)
	void.Fill(math.NaN())
	deep := demtest.Hills(8, 8)
	deep.Set(3, 3, -32768)
	specks := demtest.Hills(8, 8)
	for i := range specks.Cells {
		if (i/8)%2 == 0 || (i%8)%2 == 0 {
			specks.Cells[i] = math.NaN()
		}
	}
	keys := func(projected uint16) raster.GeoKeys {
		return raster.GeoKeys{Shorts: map[uint16]uint16{1024: 1, 1025: 1, 3072: projected}}
	}
	plain := func() *raster.Grid[float64] { return demtest.Hills(8, 8) }
	far := demtest.Transform()
	far.OriginX, far.OriginY = 3e7, 3e7
	for _, c := range []struct {
		name string
		tiff []byte
		want []string
	}{
		{"all nodata", demtest.Encode(t, void), []string{"no cell with an elevation", "64"}},
		{"undeclared nodata", demtest.Encode(t, deep), []string{"-32768", "column 3, row 3", "gdal_translate -a_nodata -32768"}},
		{"no reference system", demtest.EncodeAs(t, plain(), demtest.Transform(), raster.GeoKeys{}), []string{"no coordinate reference system", "gdal_translate -a_srs"}},
		{"no place", demtest.EncodeAs(t, plain(), raster.Transform{}, demtest.UTM()), []string{"no georeferencing", "gdal_translate"}},
		{"unknown projection", demtest.EncodeAs(t, plain(), demtest.Transform(), keys(22300)), []string{"is not supported"}},
		{"unknown reference system", demtest.EncodeAs(t, plain(), demtest.Transform(), keys(65000)), []string{"65000"}},
		{"outside the projection", demtest.EncodeAs(t, plain(), far, demtest.UTM()), nil},
		{"text", []byte("ncols 8\nnrows 8\nxllcorner 0\n"), []string{"TIFF"}},
		{"cut short", demtest.Encode(t, plain())[:300], nil},
		{"two columns", demtest.Encode(t, demtest.Hills(2, 9)), []string{"2 x 9", "3 x 3"}},
		{"specks", demtest.Encode(t, specks), []string{"slope"}},
	} {
		for _, w := range []param.Workflow{param.Sol, param.EEMT} {
			t.Run(c.name+" "+string(w), func(t *testing.T) {
				wd := newWorld(t, newBucket(t), options{})
				wd.submit(t, w, quick(w), c.tiff)
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
}

// checkSentence checks that a reason is one line for a reader.
func checkSentence(t *testing.T, reason string, want ...string) {
	t.Helper()
	if len(reason) < 20 || strings.ContainsAny(reason, "\n\t") || strings.Contains(reason, "%!") {
		t.Errorf("%q is not a sentence", reason)
	}
	for _, w := range want {
		if !strings.Contains(reason, w) {
			t.Errorf("%q does not say %q", reason, w)
		}
	}
}

func TestBadClimate(t *testing.T) {
	for _, c := range []struct {
		name, table string
		want        []string
	}{
		{"eleven months", strings.Join(strings.Split(station, "\n")[:13], "\n"), []string{"12"}},
		{"reversed", strings.Replace(station, "9.4,26.2", "26.2,9.4", 1), []string{"tmax", "9.4", "26.2"}},
		{"a word", strings.Replace(station, "9.4,26.2", "9.4,hot", 1), []string{"hot"}},
		{"negative rain", strings.Replace(station, "66.3", "-66.3", 1), []string{"-66.3"}},
		{"empty", "", nil},
		{"a picture", "\x89PNG\r\n\x1a\n\x00\x00", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, newBucket(t), options{})
			w.submit(t, param.EEMT, quick(param.EEMT), hills(t))
			put(t, w.bucket, "inputs/station.csv", []byte(c.table))
			w.settle(t)
			st, err := w.store.Status(t.Context(), jobID)
			if err != nil || st.State != job.Failed {
				t.Fatalf("job is %s (%v), want failed", st.State, err)
			}
			t.Log(st.End.Reason)
			checkSentence(t, st.End.Reason, c.want...)
		})
	}
	t.Run("missing", func(t *testing.T) {
		w := newWorld(t, newBucket(t), options{})
		p := quick(param.EEMT)
		p.Climate = "table:inputs/none.csv"
		w.submit(t, param.EEMT, p, hills(t))
		w.settle(t)
		st, err := w.store.Status(t.Context(), jobID)
		if err != nil || st.State != job.Failed {
			t.Fatalf("job is %s (%v), want failed", st.State, err)
		}
		checkSentence(t, st.End.Reason, "none.csv")
	})
	t.Run("local file over HTTP", func(t *testing.T) {
		w := newWorld(t, newBucket(t), options{})
		p := quick(param.EEMT)
		p.Climate = "table:/etc/passwd"
		w.submit(t, param.EEMT, p, hills(t))
		w.settle(t)
		st, err := w.store.Status(t.Context(), jobID)
		if err != nil || st.State != job.Failed || strings.Contains(st.End.Reason, "root:") {
			t.Fatalf("job is %s (%v): %v", st.State, err, st.End)
		}
		checkSentence(t, st.End.Reason, "/etc/passwd", "https")
	})
}

func TestMapsAddUp(t *testing.T) {
	p := quick(param.EEMT)
	p.StartYear, p.EndYear = 2019, 2020 // 2020 is a leap year
	w := run(t, param.EEMT, p, hills(t), options{})
	all := maps(t, w.results(t))
	report := readReport(t, w)
	sum := func(names ...string) *raster.Grid[float64] {
		var total *raster.Grid[float64]
		for _, n := range names {
			g := all[n]
			if g == nil {
				t.Fatalf("%s is missing", n)
			}
			if total == nil {
				total = raster.New[float64](g.Width, g.Height)
			}
			for i, v := range g.Cells {
				total.Cells[i] += v
			}
		}
		return total
	}
	scale := func(g *raster.Grid[float64], f float64) *raster.Grid[float64] {
		out := raster.New[float64](g.Width, g.Height)
		for i, v := range g.Cells {
			out.Cells[i] = v * f
		}
		return out
	}
	twelve := func(format string) []string {
		names := make([]string, 12)
		for m, month := range monthNames {
			names[m] = fmt.Sprintf(format, month)
		}
		return names
	}
	const tol = 1e-5 // of sums of float32
	for _, v := range []string{"global/%s/total_sun_%s", "global/%s/flat_total_sun_%s", "insol/%s/hours_sun_%s"} {
		year := fmt.Sprintf(v, "annual", "sum.tif")
		closeTo(t, year, all[year], sum(twelve(fmt.Sprintf(v, "monthly", "%s_sum.tif"))...), tol)
		average := fmt.Sprintf(v, "annual", "average.tif")
		closeTo(t, average, all[average], scale(all[year], 1.0/365), tol)
		february := fmt.Sprintf(v, "monthly", "feb_average.tif")
		closeTo(t, february, all[february], scale(all[fmt.Sprintf(v, "monthly", "feb_sum.tif")], 1.0/28), tol)
	}
	valid := 0
	for _, variant := range []string{"Trad", "Topo"} {
		for _, year := range []int{2019, 2020} {
			for _, q := range []string{"EEMT", "E_PPT", "E_BIO"} {
				name := fmt.Sprintf("eemt/%s_%s_%d.tif", q, variant, year)
				closeTo(t, name, all[name], sum(twelve(fmt.Sprintf("eemt/%s_%s_%%s_%d.tif", q, variant, year))...), tol)
			}
		}
		for _, when := range append([]string{"2019", "2020", "mean_2019_2020"}, twelve("%s_2020")...) {
			at := func(q string) *raster.Grid[float64] {
				g := all[fmt.Sprintf("eemt/%s_%s_%s.tif", q, variant, when)]
				if g == nil {
					t.Fatalf("%s %s %s is missing", q, variant, when)
				}
				return g
			}
			eemt, ppt, bio, share := at("EEMT"), at("E_PPT"), at("E_BIO"), at("F_BIO")
			for i := range eemt.Cells {
				if math.IsNaN(eemt.Cells[i]) {
					if !math.IsNaN(ppt.Cells[i]) || !math.IsNaN(bio.Cells[i]) || !math.IsNaN(share.Cells[i]) {
						t.Fatalf("%s %s: cell %d has no EEMT but its parts", variant, when, i)
					}
					continue
				}
				valid++
				if ppt.Cells[i] < 0 || bio.Cells[i] < 0 {
					t.Errorf("%s %s: cell %d has E_PPT %g, E_BIO %g: neither may be negative", variant, when, i, ppt.Cells[i], bio.Cells[i])
				}
				if f := share.Cells[i]; eemt.Cells[i] > 0 && !(f >= 0 && f <= 1) {
					t.Errorf("%s %s: cell %d has F_BIO %g, want 0 to 1", variant, when, i, f)
				}
				if d := ppt.Cells[i] + bio.Cells[i] - eemt.Cells[i]; math.Abs(d) > tol*max(1, eemt.Cells[i]) {
					t.Errorf("%s %s: cell %d: E_PPT + E_BIO - EEMT = %g", variant, when, i, d)
				}
			}
		}
		for _, q := range []string{"EEMT", "E_PPT", "E_BIO"} {
			name := fmt.Sprintf("eemt/%s_%s_mean_2019_2020.tif", q, variant)
			both := sum(fmt.Sprintf("eemt/%s_%s_2019.tif", q, variant), fmt.Sprintf("eemt/%s_%s_2020.tif", q, variant))
			closeTo(t, name, all[name], scale(both, 0.5), tol)
		}
	}
	if valid == 0 {
		t.Error("no cell has a result")
	}
	// June is dry: nothing to close, kappa is 1.
	for _, year := range []int{2019, 2020} {
		if k := report.Kappa[year][5]; k != 1 {
			t.Errorf("kappa of the dry June %d is %g, want 1", year, k)
		}
	}
	if a, b := all["eemt/EEMT_Trad_feb_2019.tif"], all["eemt/EEMT_Trad_feb_2020.tif"]; bytesEqual(a, b) {
		t.Error("February 2019 equals February 2020, which is a day longer")
	}
	if a, b := all["eemt/EEMT_Trad_jul_2019.tif"], all["eemt/EEMT_Trad_jul_2020.tif"]; a == nil || b == nil {
		t.Error("July is missing")
	} else {
		closeTo(t, "July 2019 and 2020, same climate", a, b, 1e-4)
	}
	if report.Tiles != 1 || len(report.Layers) != len(all) || report.Version != "test" || report.Energy == nil {
		t.Errorf("report: %d tiles, %d layers of %d maps, version %q", report.Tiles, len(report.Layers), len(all), report.Version)
	}
	for _, l := range report.Layers {
		checkStatistics(t, l, all[l.Name])
	}
	sameBytes(t, calm(t, param.EEMT, p, hills(t)), w.results(t))
}

func checkStatistics(t *testing.T, l assembly.Layer, g *raster.Grid[float64]) {
	t.Helper()
	if g == nil {
		t.Errorf("report names %s, which is not there", l.Name)
		return
	}
	low, high, sum, n := math.Inf(1), math.Inf(-1), 0.0, 0.0
	for _, v := range g.Cells {
		if !math.IsNaN(v) {
			low, high, sum, n = min(low, v), max(high, v), sum+v, n+1
		}
	}
	if n == 0 {
		if !strings.HasPrefix(l.Name, "eemt/F_BIO") { // a month without energy has no share
			t.Errorf("%s has no cell", l.Name)
		}
		return
	}
	if math.Abs(l.Mean-sum/n) > 1e-6*max(1, math.Abs(l.Mean)) || math.Abs(l.Minimum-low) > 1e-6*max(1, math.Abs(low)) || math.Abs(l.Maximum-high) > 1e-6*max(1, math.Abs(high)) {
		t.Errorf("%s: report says mean %g, %g to %g; the map has %g, %g to %g", l.Name, l.Mean, l.Minimum, l.Maximum, sum/n, low, high)
	}
	if l.Unit == "" || l.Description == "" {
		t.Errorf("%s has no unit or description", l.Name)
	}
}

func bytesEqual(a, b *raster.Grid[float64]) bool {
	for i := range a.Cells {
		if a.Cells[i] != b.Cells[i] && !(math.IsNaN(a.Cells[i]) && math.IsNaN(b.Cells[i])) {
			return false
		}
	}
	return true
}

// TestMapsAreTheModelOfTheirInputs evaluates the energy of every cell again,
// from the maps of its inputs, and closes the water balance over all tiles:
// kappa spreads what runs off so that none is made or lost (EEMT.md 3, R15 eq 10).
func TestMapsAreTheModelOfTheirInputs(t *testing.T) {
	w := newWorld(t, newBucket(t), options{})
	w.submit(t, param.EEMT, quick(param.EEMT), hills(t))
	w.replan(t, 5)
	w.settle(t)
	w.mustComplete(t)
	report := readReport(t, w)
	all := maps(t, w.results(t))
	tiff := hills(t)
	d, err := dem.Open(bytes.NewReader(tiff), int64(len(tiff)), dem.Options{})
	if err != nil {
		t.Fatal(err)
	}
	z, err := d.Elevation(t.Context(), d.Bounds())
	if err != nil {
		t.Fatal(err)
	}
	lon, lat := d.LonLat(d.Bounds())
	source, err := climate.Open(t.Context(), climate.Spec{Kind: climate.KindTable, Path: "inputs/station.csv"}, sources.Files{Bucket: w.bucket}.Open)
	if err != nil {
		t.Fatal(err)
	}
	months, err := source.Months(t.Context(), 2020, climate.Cells{Lon: lon, Lat: lat, Elevation: z.Cells})
	if err != nil {
		t.Fatal(err)
	}
	model, err := energy.NewModel(energy.DefaultParameters(), energy.NewCalendar(2020))
	if err != nil {
		t.Fatal(err)
	}
	var fell, spread [12]float64
	cells := 0
	for i := range z.Cells {
		in := energy.Cell{
			Elevation: z.Cells[i], ReferenceElevation: months.ZRef[i],
			Northness: terrain.Northness(all["slope_rad.tif"].Cells[i], all["aspect_rad.tif"].Cells[i]),
			Wetness:   all["twi.tif"].Cells[i], MeanWetness: report.MeanWetness[2020],
			Daylength: sun.MeanDayLength(lat[i] * math.Pi / 180),
		}
		for m := range 12 {
			in.TMin[m], in.TMax[m] = months.TMin[m][i], months.TMax[m][i]
			in.Prcp[m], in.VP[m] = months.Prcp[m][i], months.VP[m][i]
			in.SolarTopo[m] = all["global/monthly/total_sun_"+monthNames[m]+"_sum.tif"].Cells[i]
			in.SolarFlat[m] = all["global/monthly/flat_total_sun_"+monthNames[m]+"_sum.tif"].Cells[i]
		}
		var out energy.CellYear
		model.Year(&in, &out)
		for m, month := range monthNames {
			for _, c := range []struct {
				name string
				want float64
			}{
				{"E_PPT_Trad", out.TradEPPT[m]},
				{"E_BIO_Trad", out.TradEBio[m]},
				{"E_PPT_Topo", report.Kappa[2020][m] * out.TopoEPPT[m]},
				{"E_BIO_Topo", out.TopoEBio[m]},
			} {
				got := all["eemt/"+c.name+"_"+month+"_2020.tif"].Cells[i]
				if math.IsNaN(got) != math.IsNaN(c.want) || math.Abs(got-c.want) > 1e-5*max(0.01, c.want) {
					t.Fatalf("cell %d, %s, %s: map has %g, the model %g", i, month, c.name, got, c.want)
				}
			}
			if !math.IsNaN(out.Peff[m]) {
				fell[m] += out.Peff[m]
				spread[m] += report.Kappa[2020][m] * out.AlphaPeff[m]
				cells++
			}
		}
	}
	for m, month := range monthNames {
		if math.Abs(spread[m]-fell[m]) > 1e-6*max(1, fell[m]) {
			t.Errorf("%s: %g mm spread, %g mm fell", month, spread[m], fell[m])
		}
	}
	if cells < 12*90 {
		t.Errorf("%d cell months, want at least 1080", cells)
	}
}

// A month is summed by declination, each of its days by itself: they agree within
// the engine's error, a sample near sunrise or sunset of a horizon now and then.
func TestDailyMaps(t *testing.T) {
	p := quick(param.Sol)
	p.Daily = true
	z := demtest.Holes(demtest.Hills(16, 12))
	w := newWorld(t, newBucket(t), options{})
	w.submit(t, param.Sol, p, demtest.Encode(t, z))
	w.replan(t, 8)
	w.settle(t)
	w.mustComplete(t)
	all := maps(t, w.results(t))
	for _, v := range []struct {
		daily, monthly string
		rms, worst     float64 // relative
	}{
		{"global/daily/total_sun_day_%d.tif", "global/monthly/total_sun_%s_sum.tif", 1e-3, 1e-2},
		{"global/daily/flat_total_sun_day_%d.tif", "global/monthly/flat_total_sun_%s_sum.tif", 1e-5, 1e-5},
		{"insol/daily/hours_sun_day_%d.tif", "insol/monthly/hours_sun_%s_sum.tif", 2e-2, 5e-2},
	} {
		day := 1
		for m, days := range [12]int{31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31} {
			total := raster.New[float64](16, 12)
			for range days {
				g := all[fmt.Sprintf(v.daily, day)]
				if g == nil {
					t.Fatalf(v.daily+" is missing", day)
				}
				for i, x := range g.Cells {
					total.Cells[i] += x
				}
				day++
			}
			name := fmt.Sprintf(v.monthly, monthNames[m])
			closeTo(t, name, total, all[name], v.worst)
			var square float64
			cells := 0
			for i, want := range all[name].Cells {
				if !math.IsNaN(want) && want > 0 {
					square += (total.Cells[i]/want - 1) * (total.Cells[i]/want - 1)
					cells++
				}
			}
			if rms := math.Sqrt(square / float64(cells)); cells < 60 || !(rms <= v.rms) {
				t.Errorf("%s: the days differ by %.2g RMS over %d cells, want at most %g", name, rms, cells, v.rms)
			}
		}
	}
}

func TestNoDataStaysNoData(t *testing.T) {
	z := demtest.Holes(demtest.Hills(14, 11))
	all := maps(t, calm(t, param.EEMT, quick(param.EEMT), demtest.Encode(t, z)))
	sun, eemt := all["global/annual/total_sun_sum.tif"], all["eemt/EEMT_Topo_2020.tif"]
	for i, v := range z.Cells {
		if math.IsNaN(v) && (!math.IsNaN(sun.Cells[i]) || !math.IsNaN(eemt.Cells[i])) {
			t.Errorf("cell %d without elevation has a result", i)
		}
	}
	cells := 0
	for i := range eemt.Cells {
		if !math.IsNaN(eemt.Cells[i]) {
			cells++
			if math.IsNaN(sun.Cells[i]) {
				t.Errorf("cell %d has EEMT without sun", i)
			}
		}
	}
	if cells < len(eemt.Cells)/2 {
		t.Errorf("%d of %d cells have EEMT: a hole spread", cells, len(eemt.Cells))
	}
}

func TestOutputsCarryTheirMeaning(t *testing.T) {
	results := run(t, param.EEMT, quick(param.EEMT), hills(t), options{pictures: true}).results(t)
	for _, name := range []string{
		"slope_rad.tif", "slope_dec.tif", "aspect_rad.tif", "aspect_dec.tif", "twi.tif",
		"global/monthly/total_sun_jan_sum.tif", "global/monthly/total_sun_dec_average.tif", "global/annual/total_sun_sum.tif",
		"insol/monthly/hours_sun_jul_sum.tif", "insol/annual/hours_sun_sum.tif",
		"eemt/EEMT_Topo_jan_2020.tif", "eemt/EEMT_Trad_2020.tif", "eemt/E_PPT_Topo_2020.tif", "eemt/E_BIO_Trad_dec_2020.tif", "eemt/F_BIO_Topo_2020.tif",
		"report.json", "previews/EEMT_Topo_2020.png",
	} {
		if len(results[name]) == 0 {
			t.Errorf("%s is missing", name)
		}
	}
	want, err := geotiff.Open(bytes.NewReader(hills(t)), int64(len(hills(t))))
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range results {
		if strings.HasSuffix(name, ".png") && !bytes.HasPrefix(data, []byte("\x89PNG")) {
			t.Errorf("%s is no PNG", name)
		}
		if !strings.HasSuffix(name, ".tif") {
			continue
		}
		img, err := geotiff.Open(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			t.Fatal(err)
		}
		b := img.Band(0)
		if b.Unit == "" || b.Description == "" || !img.HasNoData || !math.IsNaN(img.NoData) || img.Type != geotiff.Float32 {
			t.Errorf("%s: unit %q, description %q, nodata %v, type %v", name, b.Unit, b.Description, img.NoData, img.Type)
		}
		if img.Transform != want.Transform || img.GeoKeys.Shorts[3072] != 32613 || img.Width != 14 || img.Height != 11 {
			t.Errorf("%s lies elsewhere than the DEM: %+v", name, img.Transform)
		}
	}
}

// TestDegreesInTheSouth runs a southern DEM in degrees, and reads how northness is taken.
func TestDegreesInTheSouth(t *testing.T) {
	at := raster.Transform{OriginX: 174.7, OriginY: -36.8, StepX: 0.0003, StepY: -0.0003}
	keys := raster.GeoKeys{Shorts: map[uint16]uint16{1024: 2, 1025: 1, 2048: 4326}}
	p := quick(param.EEMT)
	p.Accept = []finding.Code{finding.ClimateHemisphere} // the station lies in the north
	w := run(t, param.EEMT, p, demtest.EncodeAs(t, demtest.Hills(10, 9), at, keys), options{})
	found := false
	for _, warning := range readReport(t, w).Findings.Sentences() {
		found = found || strings.Contains(warning, "southern hemisphere")
	}
	if !found {
		t.Error("the report does not say how northness is read in the south")
	}
}

// The outermost cells of a DEM have no slope, with climate or without: only cells that
// lack climate alone are worth a note.
func TestNoteOfClimateThatEnds(t *testing.T) {
	tiff := demtest.Encode(t, demtest.Hills(14, 11))
	d, err := dem.Open(bytes.NewReader(tiff), int64(len(tiff)), dem.Options{})
	if err != nil {
		t.Fatal(err)
	}
	middle, lat := d.Center()
	note := func(w *world) string {
		w.mustComplete(t)
		for _, warning := range readReport(t, w).Findings.Sentences() {
			if strings.HasPrefix(warning, "climate of") {
				return warning
			}
		}
		return ""
	}
	if got := note(run(t, param.EEMT, quick(param.EEMT), tiff, options{})); got != "" {
		t.Errorf("a station everywhere: %s", got)
	}
	at := raster.Transform{OriginX: middle - 0.01, OriginY: lat + 0.01, StepX: 0.001, StepY: -0.001}
	files := map[string][]byte{}
	for name, v := range map[string]float64{"tmin": 2, "tmax": 12, "prcp": 50, "vp": 700} {
		bands := make([]*raster.Grid[float64], 12)
		for b := range bands {
			bands[b] = raster.New[float64](10, 20) // to the middle of the DEM
			bands[b].Fill(v)
		}
		var out bytes.Buffer
		opts := geotiff.Options{Transform: at, GeoKeys: raster.GeoKeys{Shorts: map[uint16]uint16{1024: 2, 1025: 1, 2048: 4326}}, Type: geotiff.Float64}
		if err := geotiff.Write(&out, opts, bands...); err != nil {
			t.Fatal(err)
		}
		files["climate/"+name+".tif"] = out.Bytes()
	}
	p := quick(param.EEMT)
	p.Climate, p.ClimateElevation = "raster:climate/{var}.tif", "dem"
	got := note(runWith(t, param.EEMT, p, tiff, files))
	if !strings.HasSuffix(got, "of the 108 cells that have a slope") {
		t.Errorf("climate that ends in the middle: %q", got)
	}
}
