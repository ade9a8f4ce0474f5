// Package climate supplies the monthly climate of the cells of a DEM.
package climate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
)

// Months is the number of months of a year, and of entries in every series.
const Months = 12

// ErrNoCoverage says that a source has no data for any of the cells asked for.
var ErrNoCoverage = errors.New("no climate data for these cells")

// Opener opens a file, an object of a bucket or an https address by its name.
// The caller supplies it: this package does no input or output of its own. The error for
// what does not exist wraps fs.ErrNotExist.
// The size is that of the whole file in bytes.
type Opener func(ctx context.Context, name string) (r io.ReaderAt, size int64, c io.Closer, err error)

// Cells are positions at which climate is wanted. All slices have one entry per cell.
type Cells struct {
	Lon, Lat []float64 // cell centres, degrees; NaN: no such cell
	// Elevation is that of the DEM in metres, NaN where there is none. Only a
	// source whose reference elevation is "dem" needs it.
	Elevation []float64
}

func (c Cells) check(needElevation bool) error {
	if len(c.Lon) != len(c.Lat) {
		return fmt.Errorf("climate: %d longitudes, %d latitudes: must be equally many", len(c.Lon), len(c.Lat))
	}
	if needElevation && len(c.Elevation) != len(c.Lon) {
		return fmt.Errorf("climate: %d elevations for %d cells: reference elevation \"dem\" needs one per cell", len(c.Elevation), len(c.Lon))
	}
	return nil
}

// Monthly is the climate of one year. Every slice has one entry per cell, NaN
// where there is no data; a cell lacks either everything or nothing. 48 values
// per cell: ask for a big grid in blocks of rows.
type Monthly struct {
	TMin, TMax [Months][]float64 // mean daily minimum and maximum at 2 m, degC
	Prcp       [Months][]float64 // precipitation, mm per month, all phases
	VP         [Months][]float64 // vapour pressure, Pa, daily mean
	ZRef       []float64         // elevation the temperatures and VP hold for, m
}

func newMonthly(cells int) *Monthly {
	m := &Monthly{ZRef: make([]float64, cells)}
	for _, v := range m.series() {
		block := make([]float64, Months*cells)
		for i := range v {
			v[i] = block[i*cells : (i+1)*cells : (i+1)*cells]
		}
	}
	return m
}

// series lists the four variables in the order of variables.
func (m *Monthly) series() [4]*[Months][]float64 {
	return [4]*[Months][]float64{&m.TMin, &m.TMax, &m.Prcp, &m.VP}
}

// Source supplies climate year by year. It may be used by several goroutines.
type Source interface {
	// Years lists the years the source is bound to, ascending. An empty list
	// means that it is a climatology, or finds its files by the year's name.
	Years() []int
	// Months returns the climate of a year. Cells without data are NaN; if all
	// are, the error wraps ErrNoCoverage and comes with a Monthly of NaN.
	Months(ctx context.Context, year int, cells Cells) (*Monthly, error)
}

// Open returns the source that a Spec names. A table is read at once, rasters
// when a year is asked for.
func Open(ctx context.Context, spec Spec, open Opener) (Source, error) {
	if err := spec.check(); err != nil {
		return nil, err
	}
	if spec.Kind == KindRaster {
		return newRasters(spec, open), nil
	}
	t, err := openTable(ctx, spec, open)
	if err != nil {
		return nil, err
	}
	if spec.Elevation != "" {
		// Checked with the Spec.
		t.Elevation, _ = strconv.ParseFloat(spec.Elevation, 64)
	}
	if math.IsNaN(t.Elevation) {
		return nil, fmt.Errorf("climate table %s: elevation of the station is missing: add a line \"# elevation_m: 49\", or give it beside the table", spec.Path)
	}
	return t, nil
}

// leap reports whether a year of the Gregorian calendar has 366 days.
func leap(year int) bool { return year%4 == 0 && (year%100 != 0 || year%400 == 0) }
