package climate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/cyverse-gis/eemt/shared/climate/units"
)

// months is a valid climatology, one line per month.
const months = `month,tmin,tmax,prcp,vp
1,-5,5,100,400
2,-4,6,90,420
3,-2,9,80,480
4,1,13,70,560
5,5,18,60,700
6,9,23,50,900
7,12,26,40,1100
8,11,25,50,1050
9,8,21,60,900
10,3,15,70,700
11,-1,9,90,530
12,-4,6,100,430
`

// inMemory opens byte slices by name.
func inMemory(files map[string][]byte) Opener {
	return func(_ context.Context, name string) (io.ReaderAt, int64, io.Closer, error) {
		b, ok := files[name]
		if !ok {
			return nil, 0, nil, fmt.Errorf("%s: %w", name, fs.ErrNotExist)
		}
		return bytes.NewReader(b), int64(len(b)), io.NopCloser(nil), nil
	}
}

func TestReadTable(t *testing.T) {
	table, err := ReadTable(strings.NewReader("# name: Hut\r\n# elevation_m: 1250.5\r\n# latitude: 46.5\n#longitude:10\n# a remark\n\n# source: diary: 1901\n" + months))
	if err != nil {
		t.Fatal(err)
	}
	if want := (Station{Name: "Hut", Source: "diary: 1901", Elevation: 1250.5, Lat: 46.5, Lon: 10}); table.Station != want {
		t.Errorf("station %+v, want %+v", table.Station, want)
	}
	if len(table.Years()) != 0 {
		t.Errorf("years %v, want none: a climatology", table.Years())
	}
	m, err := table.Months(context.Background(), 2021, Cells{Lon: []float64{1, 2}, Lat: []float64{3, math.NaN()}})
	if err != nil {
		t.Fatal(err)
	}
	for cell := range 2 {
		got := []float64{m.TMin[0][cell], m.TMax[6][cell], m.Prcp[11][cell], m.VP[3][cell], m.ZRef[cell]}
		for i, want := range []float64{-5, 26, 100, 560, 1250.5} {
			if got[i] != want {
				t.Errorf("cell %d, value %d: %g, want %g", cell, i, got[i], want)
			}
		}
	}
}

// Where the station lies is read under the names that people write, so that a climate of another place is noticed.
func TestStationByOtherNames(t *testing.T) {
	want := Station{Elevation: 1250, Lat: -36.85, Lon: 174.76}
	for _, head := range []string{
		"# lat: -36.85\n# lon: 174.76\n# elevation: 1250\n",
		"# Lat: -36.85\n# Long: 174.76\n# Elev (m): 1250\n",
		"# LATITUDE = -36.85\n# Longitude= 174.76\n# Altitude: 1250 m\n",
		"# latitude (degrees): -36.85\n# longitude_deg: 174.76\n# Elevation-m: 1250\n",
		"# Latitude: 36.85 S\n# Longitude: 174.76° E\n# elevation_m: 1250 m\n",
		"# lat: 36.85S\n# lon: 174.76E\n# alt: 1250m\n",
	} {
		table, err := ReadTable(strings.NewReader(head + months))
		if err != nil || table.Station != want {
			t.Errorf("%q: %+v, %v", head, table, err)
		}
	}
	for head, want := range map[string]string{
		"# elevation: 4100 ft\n":    `line 1, elevation_m: "4100 ft": must be a number`,
		"# lat: -36.85 S\n":         `line 1, latitude: "-36.85 S": must be a number`,
		"# lat: 1\n# latitude: 2\n": "line 2, latitude: stated twice, first in line 1",
	} {
		if _, err := ReadTable(strings.NewReader(head + months)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", head, err)
		}
	}
}

func TestReadTableColumnsInAnyOrder(t *testing.T) {
	var b strings.Builder
	b.WriteString("vp, prcp, year, month, tmax, tmin\n")
	for _, year := range []int{2003, 2001} {
		for month := 12; month >= 1; month-- {
			fmt.Fprintf(&b, "%d,%d,%d,%d,20,10\n", 1000+month, year-2000, year, month)
		}
	}
	table, err := ReadTable(strings.NewReader(b.String()))
	if err != nil {
		t.Fatal(err)
	}
	if y := table.Years(); len(y) != 2 || y[0] != 2001 || y[1] != 2003 {
		t.Errorf("years %v, want 2001 and 2003", y)
	}
	cell := Cells{Lon: []float64{0}, Lat: []float64{0}}
	m, err := table.Months(context.Background(), 2003, cell)
	if err != nil {
		t.Fatal(err)
	}
	if m.VP[4][0] != 1005 || m.Prcp[4][0] != 3 || m.TMin[4][0] != 10 || m.TMax[4][0] != 20 {
		t.Errorf("May 2003: %g %g %g %g", m.VP[4][0], m.Prcp[4][0], m.TMin[4][0], m.TMax[4][0])
	}
	if _, err := table.Months(context.Background(), 2002, cell); err == nil || !strings.Contains(err.Error(), "year 2002: must be one of the table's 2 years, 2001 to 2003") {
		t.Errorf("error %v for a year that is not in the table", err)
	}
}

func TestReadTableRefuses(t *testing.T) {
	edit := func(old, replacement string) string { return strings.Replace(months, old, replacement, 1) }
	for name, c := range map[string]struct{ table, want string }{
		"empty":             {"", "no line that names the columns"},
		"header only":       {"month,tmin,tmax,prcp,vp\n", "no months"},
		"unknown column":    {edit("vp", "rh"), `line 1: column "rh": must be one of month, tmin`},
		"missing column":    {edit(",prcp", ""), "line 1: column prcp is missing"},
		"one too many":      {edit(",vp", ""), "line 2: 5 values: must be 4"},
		"column twice":      {edit("tmax", "tmin"), "line 1: column tmin appears twice"},
		"spaces":            {strings.ReplaceAll(months, ",", " "), "separated by commas, semicolons or tabs"},
		"UTF-16":            {"\xff\xfem\x00o\x00n\x00", "UTF-16: save it as UTF-8"},
		"UTF-16, no mark":   {"m\x00o\x00n\x00t\x00h\x00,\x00", "UTF-16: save it as UTF-8"},
		"decimal comma":     {edit("7,12,26", "7,12,5,26"), "line 8: 6 values: must be 5 (month,tmin,tmax,prcp,vp); numbers take a decimal point"},
		"not a number":      {edit("12,26", "warm,26"), `line 8, column tmin: "warm": must be a number from -60 to 42 (degC)`},
		"nan":               {edit("12,26", "NaN,26"), `line 8, column tmin: "NaN"`},
		"hexadecimal":       {edit("12,26", "0x1p2,26"), `line 8, column tmin: "0x1p2"`},
		"kelvin":            {edit("12,26", "285,299"), `line 8, column tmin: "285": must be a number from -60 to 42 (degC)`},
		"tmax too high":     {edit("12,26", "12,60.5"), `line 8, column tmax: "60.5": must be a number from -60 to 60 (degC)`},
		"swapped":           {edit("12,26", "26,12"), "line 8, column tmax: 12: must not be below tmin, 26 degC"},
		"negative rain":     {edit("26,40", "26,-40"), `line 8, column prcp: "-40": must be a number from 0 to 16864`},
		"kilopascals fine":  {edit("26,40,1100", "26,40,8231"), `line 8, column vp: "8231": must be a number from 0 to 8230 (Pa)`},
		"month 13":          {edit("12,-4", "13,-4"), `line 13, column month: "13": must be a whole number from 1 to 12`},
		"month twice":       {edit("\n12,", "\n11,"), "line 13, column month: 11: appears twice, first in line 12"},
		"month missing":     {edit("7,12,26,40,1100\n", ""), "month 7 is missing: all 12 are needed"},
		"elevation":         {"# elevation_m: high\n" + months, `line 1, elevation_m: "high": must be a number from -1000 to 9000 (m)`},
		"elevation twice":   {"# elevation_m: 1\n# elevation_m: 2\n" + months, "line 2, elevation_m: stated twice, first in line 1"},
		"latitude":          {"# latitude: 91\n" + months, "line 1, latitude"},
		"not a table":       {strings.Repeat("#\n", maxTable/2+1), "more than 1048576 bytes"},
		"year of too many":  {"year,month,tmin,tmax,prcp,vp\n10000,1,1,2,3,4\n", `line 2, column year: "10000": must be a whole number from 1 to 9999`},
		"year not complete": {"year,month,tmin,tmax,prcp,vp\n1999,1,1,2,3,4\n", "month 2 is missing in year 1999"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ReadTable(strings.NewReader(c.table))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v\nwant  %s", err, c.want)
			}
		})
	}
}

func TestOpenTableElevation(t *testing.T) {
	open := inMemory(map[string][]byte{"bare.csv": []byte(months), "full.csv": []byte("# elevation_m: 300\n" + months)})
	ctx := context.Background()
	for name, c := range map[string]struct {
		file, elevation string
		want            float64
	}{
		"the table's own":  {"full.csv", "", 300},
		"stated beside it": {"bare.csv", "120", 120},
		"replaced":         {"full.csv", "120", 120},
	} {
		t.Run(name, func(t *testing.T) {
			spec, err := ParseSpec("table:"+c.file, c.elevation, "")
			if err != nil {
				t.Fatal(err)
			}
			source, err := Open(ctx, spec, open)
			if err != nil {
				t.Fatal(err)
			}
			m, err := source.Months(ctx, 2020, Cells{Lon: []float64{0}, Lat: []float64{0}})
			if err != nil {
				t.Fatal(err)
			}
			if m.ZRef[0] != c.want {
				t.Errorf("elevation %g, want %g", m.ZRef[0], c.want)
			}
		})
	}
	if _, err := Open(ctx, Spec{Kind: KindTable, Path: "bare.csv"}, open); err == nil || !strings.Contains(err.Error(), "elevation of the station is missing: add a line") {
		t.Errorf("error %v for a table without elevation", err)
	}
	if _, err := Open(ctx, Spec{Kind: KindTable, Path: "none.csv"}, open); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v for a table that is not there", err)
	}
}

// The table that ships with the example terrain.
func TestShippedTable(t *testing.T) {
	text, err := os.ReadFile("../../examples/maungawhau/climate.csv")
	if err != nil {
		t.Fatal(err)
	}
	table, err := ReadTable(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if table.Elevation != 7 || table.Period != "1981-2010" {
		t.Errorf("station %+v", table.Station)
	}
	m, err := table.Months(context.Background(), 2020, Cells{Lon: []float64{174.764}, Lat: []float64{-36.877}})
	if err != nil {
		t.Fatal(err)
	}
	var rain float64
	for month := range Months {
		rain += m.Prcp[month][0]
		// vp is es(tmin), FAO-56 equation 11, rounded to 1 Pa.
		tn := m.TMin[month][0]
		if es := 610.8 * math.Exp(17.27*tn/(tn+237.3)); math.Abs(m.VP[month][0]-es) > 0.5 {
			t.Errorf("month %d: vp %g, es(tmin) %g", month+1, m.VP[month][0], es)
		}
	}
	if math.Abs(rain-1212.5) > 1e-9 {
		t.Errorf("annual rain %g mm, want 1212.5", rain)
	}
}

func FuzzReadTable(f *testing.F) {
	f.Add([]byte(months))
	f.Add([]byte("# elevation_m: 3\n" + months))
	f.Add([]byte("# elevation_m: 3;;\nMonth;Tmin (degC);tmx;rain\nJan;-1,5;2;3\n"))
	f.Add([]byte("year,month,tmin,tmax,prcp,vp\n1999,1,1,2,3,4\n"))
	f.Add([]byte("\ufeffmonth,tmin,tmax,prcp,vp\n1,-1e1,.5,1e2,+3\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		table, err := ReadTable(bytes.NewReader(text))
		if err != nil {
			return
		}
		years := table.Years()
		if len(years) == 0 {
			years = []int{2020}
		}
		for _, year := range years {
			m, err := table.Months(context.Background(), year, Cells{Lon: []float64{0}, Lat: []float64{0}})
			if err != nil {
				t.Fatal(err)
			}
			for v, series := range m.series() {
				for month := range series {
					if err := variables[v].check(series[month][0]); err != nil {
						t.Fatalf("%s of month %d: %v", variables[v].name, month+1, err)
					}
				}
			}
		}
	})
}

// ReadPixel reads the text of Daymet's single-pixel service: a preamble with
// the place and its elevation, then a line per day with year, yday, prcp, tmin,
// tmax and vp among the columns. Months are means of the days, prcp their sum.
// A year has 365 days; leap years keep 29 February and lack 31 December. A day
// without all four values is missing (empty or -9999). prcp is scaled by days of
// the month / days present; a year with a month that lacks more than a tenth of
// its days cannot be asked for. Where the columns srad (W m-2 over the daylight) and
// dayl (s) are there too, the table knows the radiation. No more than 8 MiB are read.
func ReadPixel(r io.Reader) (*Table, error) { return readPixel(r, units.Set{}) }

// Blocks yields blocks of cells that are in memory, for Snapshot.
func Blocks(cells ...Cells) iter.Seq2[Cells, error] {
	return func(yield func(Cells, error) bool) {
		for _, c := range cells {
			if !yield(c, nil) {
				return
			}
		}
	}
}
