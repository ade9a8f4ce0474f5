package climate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strconv"
	"strings"

	"github.com/cyverse-gis/eemt/shared/climate/units"
	"github.com/cyverse-gis/eemt/shared/geotiff"
	"github.com/cyverse-gis/eemt/shared/raster"
)

// maxYears is the most years of one Snapshot.
const maxYears = 1000

// Store writes one object under a name: it calls write with the place to write to.
type Store func(name string, write func(io.Writer) error) error

// Snapshot reads once what the cells of a DEM need of a source, stores it under
// names that begin with prefix, and returns the Spec that reads it from there.
// Of rasters that is a window of each variable and year with one cell to spare,
// and the reference elevation on the same grid; of a table a copy.
//
// thinned are cells of the DEM, its outermost among them. dem yields its cells in
// blocks of any size; only ElevationDEM asks for them, which takes the mean of what
// lies within a climate cell. Afterwards the climate of a cell no longer depends on
// which cells are asked for with it.
//
// It fails with ErrNoCoverage if the source has no data around the DEM in any of
// the years.
func Snapshot(ctx context.Context, spec Spec, years []int, thinned Cells, dem iter.Seq2[Cells, error], prefix string, open Opener, store Store) (Spec, error) {
	if err := spec.check(); err != nil {
		return Spec{}, err
	}
	if len(years) < 1 || len(years) > maxYears {
		return Spec{}, fmt.Errorf("climate of %d years: must be 1 to %d", len(years), maxYears)
	}
	if strings.ContainsAny(prefix, "{}") {
		return Spec{}, fmt.Errorf("climate prefix %.80q: must be free of braces", prefix)
	}
	if spec.Kind != KindRaster {
		return snapshotTable(ctx, spec, years, prefix, open, store)
	}
	return snapshotRasters(ctx, spec, years, thinned, dem, prefix, open, store)
}

func snapshotTable(ctx context.Context, spec Spec, years []int, prefix string, open Opener, store Store) (Spec, error) {
	source, err := Open(ctx, spec, open)
	if err != nil {
		return Spec{}, err
	}
	for _, year := range years {
		if _, err := source.Months(ctx, year, Cells{}); err != nil {
			return Spec{}, err
		}
	}
	r, size, c, err := open(ctx, spec.Path)
	if err != nil {
		return Spec{}, fmt.Errorf("climate table %s: %w", spec.Path, err)
	}
	out := Spec{Kind: spec.Kind, Path: prefix + spec.Kind + ".csv", Elevation: spec.Elevation, Units: spec.Units}
	err = store(out.Path, func(w io.Writer) error {
		_, err := io.Copy(w, io.NewSectionReader(r, 0, min(size, maxPixel)))
		return err
	})
	return out, errors.Join(err, c.Close())
}

func snapshotRasters(ctx context.Context, spec Spec, years []int, thinned Cells, dem iter.Seq2[Cells, error], prefix string, open Opener, store Store) (Spec, error) {
	out := storedRasters(spec, prefix)
	if err := out.check(); err != nil {
		return Spec{}, err
	}
	if !spec.Dated() && out.Elevation == prefix+"elevation.tif" {
		years = years[:1]
	}
	g, err := readGrid(ctx, spec, years[0], open)
	if err != nil {
		return Spec{}, err
	}
	window, err := g.covered(spec, thinned)
	if err != nil {
		return Spec{}, err
	}
	var elevation []float64
	if spec.Elevation == ElevationDEM {
		if elevation, err = meanElevation(g, window, dem); err != nil {
			return Spec{}, err
		}
	}
	stored := map[string]bool{}
	covered := false
	for _, year := range years {
		y := &yearWindow{year: year, grid: g, window: window}
		if err := y.read(ctx, spec, open); err != nil {
			return Spec{}, err
		}
		if elevation != nil {
			y.elevation, y.valid = elevation, both(y.valid, elevation)
		}
		covered = covered || slices.Contains(y.valid, true)
		if err := y.store(out, stored, store); err != nil {
			return Spec{}, err
		}
		if year == years[len(years)-1] && !covered {
			return Spec{}, fmt.Errorf("climate %s: %s: %w", spec.File("{var}", year), y.whyNone(), ErrNoCoverage)
		}
	}
	return out, nil
}

// storedRasters is how a copy of rasters is opened, whose names begin with prefix.
func storedRasters(spec Spec, prefix string) Spec {
	out := Spec{Kind: KindRaster, Path: prefix + "{var}.tif", Elevation: prefix + "elevation.tif", NoLeapDays: spec.NoLeapDays}
	if spec.VapourDerived() { // the copy holds what was derived, and is known to be derived too
		out.Units.Vapour = units.SaturatedTMin
	}
	if spec.Dated() {
		out.Path = prefix + "{var}_{year}.tif"
	}
	if strings.Contains(spec.Elevation, "{year}") {
		out.Elevation = prefix + "elevation_{year}.tif"
	}
	return out
}

// whyNone says why no cell of the window is valid.
func (y *yearWindow) whyNone() string {
	lon, lat := make([]float64, len(y.valid)), make([]float64, len(y.valid))
	y.grid.system.LonLat(y.grid.transform, y.window, lon, lat)
	return y.why(true, Cells{Lon: lon, Lat: lat})
}

// under returns the part of the grid under a DEM, from its outermost cells and some
// within, with a cell to spare; false if none of them lies on the grid.
func (g *grid) under(thinned Cells) (raster.Window, bool, error) {
	if err := thinned.check(false); err != nil {
		return raster.Window{}, false, err
	}
	var all cover
	inside := false
	for i, lon := range thinned.Lon {
		col, row := g.position(lon, thinned.Lat[i])
		if !raster.Finite(col) || !raster.Finite(row) {
			continue
		}
		// A grid that ends under the DEM reaches to its end, which cells on both sides of
		// it tell.
		within := func(v float64, size int) float64 { return max(0, min(v, float64(size))) }
		c, r := within(col, g.width), within(row, g.height)
		all.add(c, r, g.width, g.height)
		inside = inside || c == col && r == row
	}
	return all.window(g.width, g.height).Grow(1).Intersect(raster.Window{Width: g.width, Height: g.height}), inside, nil
}

// covered is under, with an error where none of the cells lies on the grid.
func (g *grid) covered(spec Spec, thinned Cells) (raster.Window, error) {
	window, ok, err := g.under(thinned)
	if err == nil && !ok {
		lon0, lon1, lat0, lat1 := extent(thinned)
		err = fmt.Errorf("climate %s: no cell lies within the rasters; the cells have longitude %.4f to %.4f, latitude %.4f to %.4f: %w",
			spec.Path, lon0, lon1, lat0, lat1, ErrNoCoverage)
	}
	return window, err
}

func meanElevation(g *grid, window raster.Window, dem iter.Seq2[Cells, error]) ([]float64, error) {
	if window.Width > maxValues/window.Height {
		return nil, fmt.Errorf("the cells span a window of %d x %d climate cells: must be at most %d", window.Width, window.Height, maxValues)
	}
	m := newMeans(window)
	for cells, err := range dem {
		if err == nil {
			err = cells.check(true)
		}
		if err != nil {
			return nil, err
		}
		m.add(g.positions(cells), cells.Elevation)
	}
	return m.values(), nil
}

// store writes the window's variables and elevation, each name once.
func (y *yearWindow) store(out Spec, stored map[string]bool, store Store) error {
	write := func(name string, bands []geotiff.BandInfo, values ...[]float64) error {
		if stored[name] {
			return nil
		}
		stored[name] = true
		grids := make([]*raster.Grid[float64], len(values))
		for i, v := range values {
			grids[i] = &raster.Grid[float64]{Width: y.window.Width, Height: y.window.Height, Cells: v}
		}
		opts := geotiff.Options{
			Type:      geotiff.Float64,
			Transform: y.grid.transform.Sub(y.window),
			GeoKeys:   y.grid.keys,
			Bands:     bands,
		}
		return store(name, func(w io.Writer) error { return geotiff.Write(w, opts, grids...) })
	}
	for v, variable := range variables {
		bands := make([]geotiff.BandInfo, Months)
		for month := range bands {
			bands[month] = geotiff.BandInfo{Description: variable.name + " month " + strconv.Itoa(month+1), Unit: variable.unit}
		}
		if err := write(out.File(variable.name, y.year), bands, y.values[v][:]...); err != nil {
			return err
		}
	}
	return write(out.elevationFile(y.year), []geotiff.BandInfo{{Description: "reference elevation", Unit: "m"}}, y.elevation)
}
