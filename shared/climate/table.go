package climate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/cyverse-gis/eemt/shared/remedy"
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
	derived    bool // vapour pressure is saturation at tmin, for want of a column
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

func openTable(ctx context.Context, spec Spec, open Opener) (*Table, error) {
	name := spec.Path
	r, size, c, err := open(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("climate table %s: %w", name, err)
	}
	read := readTable
	if spec.Kind == KindPixel {
		read = readPixel
	}
	t, err := read(io.NewSectionReader(r, 0, size), spec.Units)
	if closed := c.Close(); err == nil {
		err = closed
	}
	if errors.Is(err, errUTF16) {
		suffix := path.Ext(name)
		err = fmt.Errorf("%w, or convert it with: iconv -f UTF-16 -t UTF-8 %s > %s", err, remedy.Input(name), remedy.Quote(strings.TrimSuffix(name, suffix)+"_utf8"+suffix))
	}
	if err != nil {
		return nil, at("climate table "+name+": ", err)
	}
	return t, nil
}

// VapourDerived reports whether the table has no vapour pressure, so that saturation at tmin stands for it.
func (t *Table) VapourDerived() bool { return t.derived }

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
