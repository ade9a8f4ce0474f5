package climate

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"strings"
	"sync"
	"time"

	"github.com/cyverse-gis/eemt/shared/climate/units"
	"github.com/cyverse-gis/eemt/shared/raster"
)

const (
	// maxValues bounds what is held of one year: four variables of 12 months
	// within a window.
	maxValues = 64 << 20
	// Rasters with no more values are read whole, so that the blocks of a DEM
	// share one reading.
	wholeValues = 1 << 22
	// cachedYears bounds the years held at a time.
	cachedYears = 2
)

// rasters is the climate in one file of 12 bands per variable and year, or 12 of one.
type rasters struct {
	spec  Spec
	open  Opener
	whole int // wholeValues

	mu    sync.Mutex
	years []*yearWindow // latest used last
}

// yearWindow is the climate of one year within a window of the rasters.
type yearWindow struct {
	year      int
	grid      *grid
	window    raster.Window
	values    [len(variables)][Months][]float64
	elevation []float64 // nil with ElevationDEM
	valid     []bool    // all values of the cell are there
}

func newRasters(spec Spec, open Opener) *rasters {
	return &rasters{spec: spec, open: open, whole: wholeValues}
}

// Years implements Source.
func (r *rasters) Years() []int { return nil }

// Months implements Source. Values are bilinear between the climate cells, with
// the same weights for all variables, months and the reference elevation:
// neighbours that lack any of them are left out of all.
//
// With ElevationDEM the reference elevation of a climate cell is the mean of
// those of cells within it, so it depends on what is passed: pass a whole DEM,
// or take a Snapshot first. A climate cell that reaches beyond the DEM is
// judged by the part within, and one without any DEM cell is left out; along
// the edge of a DEM the reference elevation is biased toward the DEM's own.
func (r *rasters) Months(ctx context.Context, year int, cells Cells) (*Monthly, error) {
	if err := cells.check(r.spec.Elevation == ElevationDEM); err != nil {
		return nil, err
	}
	m := newMonthly(len(cells.Lon))
	y, at, err := r.load(ctx, year, cells)
	if err != nil {
		return nil, err
	}
	stencils := y.stencils(at, cells, m.ZRef)
	if stencils == nil {
		for _, series := range m.series() {
			for month := range series {
				fill(series[month], math.NaN())
			}
		}
		fill(m.ZRef, math.NaN())
		if at.none {
			return m, nil
		}
		return m, fmt.Errorf("climate %s: %s: %w", r.spec.File("{var}", year), y.why(at.any, cells), ErrNoCoverage)
	}
	for v, series := range m.series() {
		for month, out := range series {
			factor := 1.0
			if v == prcp && month == 11 && r.spec.NoLeapDays && leap(year) {
				factor = 31.0 / 30
			}
			in := y.values[v][month]
			for i, s := range stencils {
				out[i] = factor * s.of(in)
			}
		}
	}
	return m, nil
}

// stencils returns the weights of the climate cells around each cell, and stores the reference elevation at each in zref. It
// returns nil where no cell has climate.
func (y *yearWindow) stencils(at positions, cells Cells, zref []float64) []stencil {
	if !at.any {
		return nil
	}
	valid, elevation := y.valid, y.elevation
	if elevation == nil {
		means := newMeans(y.window)
		means.add(at, cells.Elevation)
		elevation = means.values()
		valid = both(valid, elevation)
	}
	list := make([]stencil, len(cells.Lon))
	found := false
	for i := range list {
		list[i] = bilinear(at.col[i], at.row[i], y.grid.width, y.grid.height, y.window, valid)
		found = found || !list[i].none()
	}
	if !found {
		return nil
	}
	for i, s := range list {
		zref[i] = s.of(elevation)
	}
	return list
}

// why says why no cell has climate.
func (y *yearWindow) why(covered bool, cells Cells) string {
	lon0, lon1, lat0, lat1 := extent(cells)
	where := fmt.Sprintf("longitude %.4f to %.4f, latitude %.4f to %.4f", lon0, lon1, lat0, lat1)
	if !covered {
		return "no cell lies within the rasters; the cells have " + where
	}
	for v, series := range y.values {
		for month, values := range series {
			if !anyFinite(values) {
				return fmt.Sprintf("%s of %s has no value around the cells, %s", variables[v].name, time.Month(month+1), where)
			}
		}
	}
	if y.elevation != nil && !anyFinite(y.elevation) {
		return "the reference elevation has no value around the cells, " + where
	}
	return "no climate cell around has all variables, months and the reference elevation; the cells have " + where
}

func extent(cells Cells) (lon0, lon1, lat0, lat1 float64) {
	lon0, lon1, lat0, lat1 = math.Inf(1), math.Inf(-1), math.Inf(1), math.Inf(-1)
	for i, lon := range cells.Lon {
		if lat := cells.Lat[i]; raster.Finite(lon) && raster.Finite(lat) {
			lon0, lon1, lat0, lat1 = min(lon0, lon), max(lon1, lon), min(lat0, lat), max(lat1, lat)
		}
	}
	return lon0, lon1, lat0, lat1
}

func anyFinite(values []float64) bool {
	for _, v := range values {
		if raster.Finite(v) {
			return true
		}
	}
	return false
}

// both returns the cells that are valid and have a value.
func both(valid []bool, values []float64) []bool {
	out := make([]bool, len(valid))
	for i := range out {
		out[i] = valid[i] && raster.Finite(values[i])
	}
	return out
}

// positions are the places of cells on a grid.
type positions struct {
	cover
	col, row []float64
	none     bool // no cell has a longitude and latitude
}

func (g *grid) positions(cells Cells) positions {
	p := positions{col: make([]float64, len(cells.Lon)), row: make([]float64, len(cells.Lon)), none: true}
	for i, lon := range cells.Lon {
		p.col[i], p.row[i] = g.position(lon, cells.Lat[i])
		p.add(p.col[i], p.row[i], g.width, g.height)
		p.none = p.none && !(raster.Finite(lon) && raster.Finite(cells.Lat[i]))
	}
	return p
}

// load returns the climate around the cells, from memory or from the files, and
// the cells' positions. Without cells on the grid no values are read.
func (r *rasters) load(ctx context.Context, year int, cells Cells) (*yearWindow, positions, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	y := r.take(year)
	if y == nil {
		y = &yearWindow{year: year}
		var err error
		if y.grid, err = readGrid(ctx, r.spec, year, r.open); err != nil {
			return nil, positions{}, err
		}
	}
	at := y.grid.positions(cells)
	if at.any {
		if need := at.window(y.grid.width, y.grid.height); !y.window.Contains(need) || y.valid == nil {
			if y.grid.height <= r.whole/(len(variables)*Months)/y.grid.width {
				need = raster.Window{Width: y.grid.width, Height: y.grid.height}
			}
			fresh := &yearWindow{year: year, grid: y.grid, window: need}
			if err := fresh.read(ctx, r.spec, r.open); err != nil {
				return nil, positions{}, err
			}
			y = fresh
		}
	}
	r.years = append(r.years, y)
	if len(r.years) > cachedYears {
		r.years = r.years[1:]
	}
	return y, at, nil
}

// take removes a year from memory and returns it, nil if it is not there. A
// climatology is the same in all years.
func (r *rasters) take(year int) *yearWindow {
	for i, y := range r.years {
		if y.year == year || r.spec.File("", y.year) == r.spec.File("", year) && r.spec.elevationFile(y.year) == r.spec.elevationFile(year) {
			r.years = append(r.years[:i:i], r.years[i+1:]...)
			return y
		}
	}
	return nil
}

func readGrid(ctx context.Context, spec Spec, year int, open Opener) (*grid, error) {
	var g *grid
	err := spec.with(ctx, tmin, year, 0, open, func(m *image) error {
		g = &m.grid
		return nil
	})
	return g, err
}

// with opens the raster of a variable, year and month as with does. Where there is none by
// the variable's own name, those that other archives call it are tried.
func (s Spec) with(ctx context.Context, v, year, month int, open Opener, f func(*image) error) error {
	var first error
	for _, name := range append([]string{variables[v].name}, variables[v].aliases...) {
		found := false
		err := with(ctx, s.file(name, year, month), open, func(m *image) error {
			found = true
			return f(m)
		})
		if err == nil || found || !strings.Contains(s.Path, "{var}") || ctx.Err() != nil {
			return err
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return err // it is there, and cannot be read now
		}
		if first == nil {
			first = err
		}
	}
	return fmt.Errorf("%w; nor is there one by any other name of the variable: %s", first, strings.Join(variables[v].aliases, ", "))
}

// read fills the values of the window.
func (y *yearWindow) read(ctx context.Context, spec Spec, open Opener) error {
	cells := y.window.Width * y.window.Height
	if per := (len(variables) + 1) * Months; cells > maxValues/per {
		return fmt.Errorf("climate %s: the cells span a window of %d x %d climate cells: must be at most %d cells; split the DEM, or take coarser rasters",
			spec.Path, y.window.Width, y.window.Height, maxValues/per)
	}
	y.valid = make([]bool, cells)
	for i := range y.valid {
		y.valid[i] = true
	}
	for v := range variables {
		if err := y.readFiles(ctx, spec, v, open); err != nil {
			return err
		}
	}
	if err := y.convert(spec); err != nil {
		return err
	}
	if spec.Elevation == ElevationDEM {
		return nil
	}
	name := spec.elevationFile(y.year)
	if err := with(ctx, name, open, func(m *image) (err error) {
		y.elevation, err = readElevation(ctx, m, y.grid, y.window)
		return err
	}); err != nil {
		return err
	}
	y.valid = both(y.valid, y.elevation)
	return nil
}

// readFiles reads a variable, in the units of its files.
func (y *yearWindow) readFiles(ctx context.Context, spec Spec, v int, open Opener) error {
	if v == vp && spec.Units.Vapour == units.SaturatedTMin {
		for month := range Months {
			y.values[v][month] = make([]float64, len(y.valid))
		}
		return nil
	}
	if !spec.monthly() {
		return spec.with(ctx, v, y.year, 0, open, func(m *image) error {
			if m.Bands != Months {
				return fmt.Errorf("%d bands: must be 12, January to December; files of one month each are named with {month}", m.Bands)
			}
			for month := range Months {
				if err := y.readBand(ctx, m, spec, v, month, month); err != nil {
					return err
				}
			}
			return nil
		})
	}
	for month := range Months {
		err := spec.with(ctx, v, y.year, month, open, func(m *image) error {
			if m.Bands != 1 {
				return fmt.Errorf("%d bands: a file of one month must have one", m.Bands)
			}
			return y.readBand(ctx, m, spec, v, month, 0)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (y *yearWindow) readBand(ctx context.Context, m *image, spec Spec, v, month, band int) error {
	if !m.same(y.grid) {
		return fmt.Errorf("grid of %d x %d cells from %g, %g differs from that of %s (%d x %d from %g, %g), or its coordinate system does: all four variables must share one",
			m.width, m.height, m.transform.OriginX, m.transform.OriginY, variables[tmin].name,
			y.grid.width, y.grid.height, y.grid.transform.OriginX, y.grid.transform.OriginY)
	}
	if err := contradicted(v, m.Band(band).Unit, spec.Units); err != nil {
		return err
	}
	values := make([]float64, len(y.valid))
	if err := m.Read(ctx, band, y.window, values); err != nil {
		return err
	}
	for i, x := range values {
		if math.IsNaN(x) {
			y.valid[i] = false
		}
	}
	y.values[v][month] = values
	return nil
}

// convert turns the values into degC, mm and Pa, and refuses those that the earth does not have.
func (y *yearWindow) convert(spec Spec) error {
	raw := [len(variables)]float64{}
	for month := range Months {
		days := meanDays(month)
		if spec.Dated() {
			days = float64(monthLength(y.year, month))
		}
		for i := range y.valid {
			for v := range raw {
				raw[v] = y.values[v][month][i]
			}
			values := convert(spec.Units, raw, days)
			for v, x := range values {
				y.values[v][month][i] = x
				if math.IsNaN(x) {
					continue
				}
				if err := variables[v].check(x); err != nil {
					looks := units.Unit("")
					if (v == tmin || v == tmax) && spec.Units.Temperature == "" {
						looks = temperatureUnit(y.all(tmin), y.all(tmax))
					}
					return refuse(v, looks, number(raw[v]), "climate raster %s: %s of %s, %s: %v",
						spec.file(variables[v].name, y.year, month), variables[v].name, time.Month(month+1), y.place(i), err)
				}
			}
			if values[tmin] > values[tmax] {
				return refuse(tmax, "", number(raw[tmin]), "climate raster %s: tmin of %s, %s: %s degC is above tmax, %s degC: are the files swapped?",
					spec.file(variables[tmin].name, y.year, month), time.Month(month+1), y.place(i), number(values[tmin]), number(values[tmax]))
			}
		}
	}
	return nil
}

// all lists values of a variable in all months.
func (y *yearWindow) all(v int) []float64 {
	var list []float64
	step := 1 + len(y.valid)/1024
	for _, values := range y.values[v] {
		for i := 0; i < len(values); i += step {
			list = append(list, values[i])
		}
	}
	return list
}

// place names a cell of the window by its column and row in the file, counted from 0.
func (y *yearWindow) place(i int) string {
	col, row := y.window.Col+i%y.window.Width, y.window.Row+i/y.window.Width
	lon, lat := y.grid.system.Inverse(y.grid.transform.Center(col, row))
	return fmt.Sprintf("column %d row %d (longitude %.4f, latitude %.4f)", col, row, lon, lat)
}

// readElevation returns the elevation at the centres of a window of the climate
// grid: as it is if the raster has the same grid, else bilinear.
func readElevation(ctx context.Context, m *image, climate *grid, window raster.Window) ([]float64, error) {
	out := make([]float64, window.Width*window.Height)
	if m.Bands != 1 {
		return nil, fmt.Errorf("%d bands: a reference elevation must have one", m.Bands)
	}
	if m.same(climate) {
		if err := m.Read(ctx, 0, window, out); err != nil {
			return nil, err
		}
		return out, checkElevation(out)
	}
	centres := Cells{Lon: make([]float64, len(out)), Lat: make([]float64, len(out))}
	climate.system.LonLat(climate.transform, window, centres.Lon, centres.Lat)
	at := m.positions(centres)
	if !at.any {
		fill(out, math.NaN())
		return out, nil
	}
	w := at.window(m.width, m.height)
	if w.Width > maxValues/w.Height {
		return nil, fmt.Errorf("a window of %d x %d cells is needed: must be at most %d; take a coarser reference elevation", w.Width, w.Height, maxValues)
	}
	values := make([]float64, w.Width*w.Height)
	if err := m.Read(ctx, 0, w, values); err != nil {
		return nil, err
	}
	if err := checkElevation(values); err != nil {
		return nil, err
	}
	valid := make([]bool, len(values))
	for i, v := range values {
		valid[i] = raster.Finite(v)
	}
	for i := range out {
		out[i] = bilinear(at.col[i], at.row[i], m.grid.width, m.grid.height, w, valid).of(values)
	}
	return out, nil
}

func checkElevation(values []float64) error {
	for _, v := range values {
		if v < minElevation || v > maxElevation {
			return fmt.Errorf("elevation %s: must be %d to %d m; is the file in feet, or its nodata value not declared?", number(v), minElevation, maxElevation)
		}
	}
	return nil
}

// means gathers the mean elevation of the DEM within each climate cell of a window.
type means struct {
	window raster.Window
	sum    []float64
	n      []int
}

func newMeans(w raster.Window) *means {
	return &means{w, make([]float64, w.Width*w.Height), make([]int, w.Width*w.Height)}
}

func (m *means) add(at positions, elevation []float64) {
	for i, z := range elevation {
		if !raster.Finite(z) || !raster.Finite(at.col[i]) || !raster.Finite(at.row[i]) {
			continue
		}
		c, r := math.Floor(at.col[i])-float64(m.window.Col), math.Floor(at.row[i])-float64(m.window.Row)
		if c >= 0 && c < float64(m.window.Width) && r >= 0 && r < float64(m.window.Height) {
			k := int(r)*m.window.Width + int(c)
			m.sum[k] += z
			m.n[k]++
		}
	}
}

// values returns the means, NaN where there was no cell.
func (m *means) values() []float64 {
	out := make([]float64, len(m.sum))
	for i, n := range m.n {
		out[i] = math.NaN()
		if n > 0 {
			out[i] = m.sum[i] / float64(n)
		}
	}
	return out
}

// Dated reports whether the files differ from year to year.
func (s Spec) Dated() bool { return strings.Contains(s.Path, "{year}") }

// monthly reports whether each month has a file of its own.
func (s Spec) monthly() bool { return strings.Contains(s.Path, "{month}") }

// VapourDerived reports whether saturation at tmin stands for vapour pressure because the user has said so.
func (s Spec) VapourDerived() bool { return s.Units.Vapour == units.SaturatedTMin }
