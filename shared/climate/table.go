package climate

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
)

// maxTable bounds the size of a table in bytes: 12 months of 1000 years fit.
const maxTable = 1 << 20

// Station says where and when a table was measured.
type Station struct {
	Name, Source, Period string
	Elevation            float64 // metres; NaN: not stated
	Lat, Lon             float64 // degrees; NaN: not stated
}

// Table is the monthly climate of one station, taken to hold everywhere at the
// station's elevation. It is a Source.
type Table struct {
	Station
	years []int // ascending; empty: a climatology
	// Per year (one entry without years) and variable, in the order of variables.
	values map[int]*[len(variables)][Months]float64
	// Why a year that was read is not among years.
	incomplete map[int]string
	// Global radiation on flat ground by year, MJ m-2 d-1; NaN: not known. The polar night has 0.
	radiation map[int][Months]float64
}

// Radiation returns the mean global radiation on flat ground of each month, MJ
// m-2 d-1, over several years. It fails where the table does not have it for a
// month of any of them.
func (t *Table) Radiation(years []int) (mean [Months]float64, err error) {
	for _, year := range years {
		months, known := t.radiation[year]
		for month, v := range months {
			if !known || math.IsNaN(v) {
				return mean, fmt.Errorf("climate table: no radiation of month %d of %d: it takes the columns srad and dayl of Daymet's single-pixel service, nine days of ten", month+1, year)
			}
			mean[month] += v / float64(len(years))
		}
	}
	return mean, nil
}

// ReadTable reads a table: comma-separated lines, the first of which names the
// columns, in any order,
//
//	month  1 to 12
//	tmin   mean daily minimum temperature, -60 to 42 degC
//	tmax   mean daily maximum temperature, -60 to 60 degC, not below tmin
//	prcp   precipitation of the month, 0 to 16864 mm
//	vp     mean vapour pressure, 0 to 8230 Pa
//	year   optional, 1 to 9999
//
// then one line per month: 12 for a climatology, 12 per year with years. Lines
// that begin with # are comments; "# elevation_m: 49", "# latitude: -36.9",
// "# longitude: 174.8", "# name: ...", "# source: ..." and "# period: ..."
// describe the station. Errors name line, column, value and allowed range. No
// more than 1 MiB is read.
func ReadTable(r io.Reader) (*Table, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxTable+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxTable {
		return nil, fmt.Errorf("more than %d bytes: not a table of months", maxTable)
	}
	p := tableParser{
		table: &Table{
			Station: Station{Elevation: math.NaN(), Lat: math.NaN(), Lon: math.NaN()},
			values:  map[int]*[len(variables)][Months]float64{},
		},
		stated: map[string]int{},
		lines:  map[[2]int]int{},
	}
	s := bufio.NewScanner(bytes.NewReader(bytes.TrimPrefix(text, []byte("\ufeff"))))
	s.Buffer(nil, maxTable+1)
	for n := 1; s.Scan(); n++ {
		if err := p.line(n, strings.TrimSpace(s.Text())); err != nil {
			return nil, fmt.Errorf("line %d%w", n, err)
		}
	}
	if err := s.Err(); err != nil {
		return nil, err
	}
	return p.finish()
}

func openTable(ctx context.Context, spec Spec, open Opener) (*Table, error) {
	name := spec.Path
	r, size, c, err := open(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("climate table %s: %w", name, err)
	}
	read := ReadTable
	if spec.Kind == KindPixel {
		read = ReadPixel
	}
	t, err := read(io.NewSectionReader(r, 0, size))
	if err = errors.Join(err, c.Close()); err != nil {
		return nil, fmt.Errorf("climate table %s: %w", name, err)
	}
	return t, nil
}

// Years implements Source.
func (t *Table) Years() []int { return slices.Clone(t.years) }

// Months implements Source.
func (t *Table) Months(_ context.Context, year int, cells Cells) (*Monthly, error) {
	if err := cells.check(false); err != nil {
		return nil, err
	}
	if len(t.years) == 0 {
		year = 0
	}
	if reason := t.incomplete[year]; reason != "" {
		return nil, fmt.Errorf("climate table: year %d: %s", year, reason)
	}
	values, ok := t.values[year]
	if !ok {
		return nil, fmt.Errorf("climate table: year %d: must be one of the table's %d years, %d to %d",
			year, len(t.years), t.years[0], t.years[len(t.years)-1])
	}
	m := newMonthly(len(cells.Lon))
	for v, series := range m.series() {
		for month := range series {
			fill(series[month], values[v][month])
		}
	}
	fill(m.ZRef, t.Elevation)
	return m, nil
}

func fill(s []float64, x float64) {
	for i := range s {
		s[i] = x
	}
}

// tableParser holds what is known between the lines of a table. Its errors
// begin with ": " or ", column", to follow the line's number.
type tableParser struct {
	table   *Table
	columns []string
	stated  map[string]int // line of each "# key: value"
	lines   map[[2]int]int // line of each year and month
}

func (p *tableParser) line(n int, text string) error {
	switch {
	case text == "":
		return nil
	case text[0] == '#':
		return p.comment(n, text[1:])
	}
	fields := strings.Split(text, ",")
	for i := range fields {
		fields[i] = strings.TrimSpace(fields[i])
	}
	if p.columns == nil {
		return p.header(fields)
	}
	return p.row(n, fields)
}

func (p *tableParser) comment(n int, text string) error {
	key, value, found := strings.Cut(text, ":")
	key, value = strings.TrimSpace(key), strings.TrimSpace(value)
	if !found {
		return nil
	}
	st := &p.table.Station
	var err error
	switch key {
	case "name":
		st.Name = value
	case "source":
		st.Source = value
	case "period":
		st.Period = value
	case "elevation_m":
		st.Elevation, err = inRange(value, minElevation, maxElevation, "m")
	case "latitude":
		st.Lat, err = inRange(value, -90, 90, "degrees")
	case "longitude":
		st.Lon, err = inRange(value, -360, 360, "degrees")
	default:
		return nil
	}
	if err != nil {
		return fmt.Errorf(", %s: %w", key, err)
	}
	if first, twice := p.stated[key]; twice {
		return fmt.Errorf(", %s: stated twice, first in line %d", key, first)
	}
	p.stated[key] = n
	return nil
}

func (p *tableParser) header(fields []string) error {
	for i, f := range fields {
		known := f == "month" || f == "year" || slices.ContainsFunc(variables[:], func(v variable) bool { return v.name == f })
		if !known {
			return fmt.Errorf(": column %.40q: must be one of month, tmin, tmax, prcp, vp and year, separated by commas", f)
		}
		if slices.Contains(fields[:i], f) {
			return fmt.Errorf(": column %s appears twice", f)
		}
	}
	for _, f := range []string{"month", "tmin", "tmax", "prcp", "vp"} {
		if !slices.Contains(fields, f) {
			return fmt.Errorf(": column %s is missing: the line must name month, tmin, tmax, prcp and vp", f)
		}
	}
	p.columns = fields
	return nil
}

func (p *tableParser) row(n int, fields []string) error {
	if len(fields) != len(p.columns) {
		return fmt.Errorf(": %d values: must be %d (%s); numbers take a decimal point", len(fields), len(p.columns), strings.Join(p.columns, ","))
	}
	var year, month int
	var values [len(variables)]float64
	for i, column := range p.columns {
		var err error
		switch column {
		case "year":
			year, err = whole(fields[i], 1, 9999)
		case "month":
			month, err = whole(fields[i], 1, Months)
		default:
			v := slices.IndexFunc(variables[:], func(v variable) bool { return v.name == column })
			values[v], err = inRange(fields[i], variables[v].min, variables[v].max, variables[v].unit)
		}
		if err != nil {
			return fmt.Errorf(", column %s: %w", column, err)
		}
	}
	if values[tmax] < values[tmin] {
		return fmt.Errorf(", column tmax: %s: must not be below tmin, %s degC", number(values[tmax]), number(values[tmin]))
	}
	if first, twice := p.lines[[2]int{year, month}]; twice {
		return fmt.Errorf(", column month: %d: appears twice%s, first in line %d", month, ofYear(year), first)
	}
	p.lines[[2]int{year, month}] = n
	y := p.table.values[year]
	if y == nil {
		y = new([len(variables)][Months]float64)
		p.table.values[year] = y
		if year != 0 {
			p.table.years = append(p.table.years, year)
		}
	}
	for v := range values {
		y[v][month-1] = values[v]
	}
	return nil
}

func (p *tableParser) finish() (*Table, error) {
	if p.columns == nil {
		return nil, errors.New("no line that names the columns: must be month,tmin,tmax,prcp,vp")
	}
	if len(p.table.values) == 0 {
		return nil, errors.New("no months: must hold one line for each of 12 months")
	}
	slices.Sort(p.table.years)
	years := p.table.years
	if len(years) == 0 {
		years = []int{0}
	}
	for _, year := range years {
		for month := 1; month <= Months; month++ {
			if p.lines[[2]int{year, month}] == 0 {
				return nil, fmt.Errorf("month %d is missing%s: all 12 are needed", month, ofYear(year))
			}
		}
	}
	return p.table, nil
}

func ofYear(year int) string {
	if year == 0 {
		return ""
	}
	return " in year " + strconv.Itoa(year)
}

func inRange(s string, least, most float64, unit string) (float64, error) {
	x, err := strconv.ParseFloat(s, 64)
	// ParseFloat also takes hexadecimal numbers, "inf" and "nan".
	if err != nil || strings.Trim(s, "+-.0123456789eE") != "" || !(x >= least && x <= most) {
		return 0, fmt.Errorf("%.40q: must be a number from %s to %s (%s)", s, number(least), number(most), unit)
	}
	return x, nil
}

func whole(s string, least, most int) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < least || n > most {
		return 0, fmt.Errorf("%.40q: must be a whole number from %d to %d", s, least, most)
	}
	return n, nil
}
