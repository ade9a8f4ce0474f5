package climate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"time"

	"github.com/cyverse-gis/eemt/shared/geotiff"
	"github.com/cyverse-gis/eemt/shared/raster"
)

// Field is one quantity over the ground in GeoTIFFs: the same all year, or by
// month. It may lie on any grid in any coordinate system that a DEM may have.
type Field struct {
	// Name of the quantity, for errors.
	Name string
	// Files are one of one or twelve bands, or twelve of one band, January first,
	// all on the same grid.
	Files []string
	// Low and High bound the values.
	Low, High float64
}

// finest is how many cells of a field there may be for one of the DEM: more would
// be skipped by interpolation, not averaged.
const finest = 16

// fieldValues bounds the values held of a field while it is copied.
const fieldValues = 1 << 22

// Snapshot reads once what lies under a DEM of so many cells, the outermost of which are
// among thinned, and stores it as one GeoTIFF that ReadField reads.
// It fails if there is no value under the DEM.
func (f Field) Snapshot(ctx context.Context, thinned Cells, cells int, open Opener, store func(write func(io.Writer) error) error) error {
	if len(f.Files) != 1 && len(f.Files) != Months {
		return fmt.Errorf("%s: %d rasters: must be one, or one for each of the 12 months", f.Name, len(f.Files))
	}
	var first *grid
	var window raster.Window
	bands := len(f.Files)
	err := f.with(ctx, 0, open, func(m *image) error {
		if len(f.Files) == 1 {
			bands = m.Bands
		}
		if bands != 1 && bands != Months {
			return fmt.Errorf("%d bands: must be one, or 12 for January to December", bands)
		}
		first = &m.grid
		var err error
		window, err = f.window(first, thinned, cells)
		return err
	})
	if err != nil {
		return err
	}
	w, err := geotiff.NewWriter(f.stored(first, window, bands))
	if err != nil {
		return err
	}
	found := false
	for i := range f.Files {
		err := f.with(ctx, i, open, func(m *image) error {
			if err := f.alike(m, first); err != nil {
				return err
			}
			for b := range m.Bands {
				some, err := f.copy(ctx, m, b, window, w, max(i, b))
				if err != nil {
					return err
				}
				found = found || some
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	if !found {
		return fmt.Errorf("%s: raster %s has no value under the DEM", f.Name, f.Files[0])
	}
	return store(w.Close)
}

// stored describes the copy of a window of the field.
func (f Field) stored(g *grid, window raster.Window, bands int) geotiff.Options {
	opts := geotiff.Options{
		Width: window.Width, Height: window.Height, Transform: g.transform.Sub(window), GeoKeys: g.keys,
		Compression: geotiff.ZSTD, Level: 1, BlockSize: 256, Plain: true, Bands: make([]geotiff.BandInfo, bands),
	}
	for b := range opts.Bands {
		opts.Bands[b].Description = f.Name
		if bands == Months {
			opts.Bands[b].Description += " month " + strconv.Itoa(b+1)
		}
	}
	return opts
}

// alike refuses a raster of one month that is on another grid than the first, or of several bands.
func (f Field) alike(m *image, first *grid) error {
	if !m.same(first) {
		return fmt.Errorf("%d x %d cells from %g, %g: not the grid of %s, which all months must share",
			m.width, m.height, m.transform.OriginX, m.transform.OriginY, f.Files[0])
	}
	if len(f.Files) == Months && m.Bands != 1 {
		return fmt.Errorf("%d bands: each of twelve rasters must have one", m.Bands)
	}
	return nil
}

func (f Field) with(ctx context.Context, i int, open Opener, use func(*image) error) error {
	name := f.Files[i]
	m, err := openImage(ctx, name, open)
	if err == nil {
		err = errors.Join(use(m), m.closer.Close())
	}
	if err != nil {
		return fmt.Errorf("%s: raster %s: %w", f.Name, name, err)
	}
	return nil
}

// window returns the part of the field's grid under the DEM, with a cell to spare.
func (f Field) window(g *grid, thinned Cells, cells int) (raster.Window, error) {
	w, ok, err := g.under(thinned)
	if err != nil {
		return w, err
	}
	if !ok {
		lon0, lon1, lat0, lat1 := extent(thinned)
		return w, fmt.Errorf("it does not lie under the DEM, which has longitude %.4f to %.4f, latitude %.4f to %.4f", lon0, lon1, lat0, lat1)
	}
	if most := finest*cells + 1<<16; w.Width > most/w.Height {
		return w, fmt.Errorf("%d x %d of its cells lie under a DEM of %d cells: must be at most %d for each; average it to the DEM's cell size with: gdalwarp -r average -tr XRES YRES in.tif out.tif", w.Width, w.Height, cells, finest)
	}
	return w, nil
}

// copy writes one band of a window to band to of w, checking every value.
func (f Field) copy(ctx context.Context, m *image, band int, window raster.Window, w *geotiff.Writer, to int) (found bool, err error) {
	rows := max(1, fieldValues/window.Width)
	for row := 0; row < window.Height; row += rows {
		part := window
		part.Row, part.Height = window.Row+row, min(rows, window.Height-row)
		values := make([]float64, part.Width*part.Height)
		if err := m.Read(ctx, band, part, values); err != nil {
			return false, err
		}
		for i, v := range values {
			if math.IsNaN(v) {
				continue
			}
			found = true
			// The least and greatest value may come rounded to float32.
			if tiny := 1e-6 * f.High; !(v >= f.Low-tiny && v <= f.High+tiny) {
				return false, fmt.Errorf("%s in column %d, row %d of band %d: must be %g to %g; if it marks missing data declare it with: gdal_translate -a_nodata %s in.tif out.tif",
					number(v), part.Col+i%part.Width, part.Row+i/part.Width, band+1, f.Low, f.High, number(v))
			}
			values[i] = max(f.Low, min(f.High, v))
		}
		if err := w.WriteRows64(to, values); err != nil {
			return false, err
		}
	}
	return found, nil
}

// FieldHolds reports whether what Snapshot stored under name lies under all of the
// DEM, the outermost cells of which are among thinned.
func FieldHolds(ctx context.Context, name string, thinned Cells, open Opener) (whole bool, err error) {
	whole = true
	err = with(ctx, name, open, func(m *image) error {
		for i, lon := range thinned.Lon {
			col, row := m.position(lon, thinned.Lat[i])
			whole = whole && col >= 0 && col <= float64(m.width) && row >= 0 && row <= float64(m.height)
		}
		return nil
	})
	return whole, err
}

// ReadField returns what Snapshot stored under name at each of cells, by month:
// bilinear between the centres of the field's cells, of which those without data
// are left out; NaN where there is none. Months share a slice where the field is
// the same all year. Ask for a big grid in blocks of rows.
func ReadField(ctx context.Context, name string, cells Cells, open Opener) (months [Months][]float64, err error) {
	if err := cells.check(false); err != nil {
		return months, err
	}
	err = with(ctx, name, open, func(m *image) error {
		at := m.positions(cells)
		var w raster.Window
		if at.any {
			w = at.window(m.width, m.height)
		}
		values, valid := make([]float64, w.Width*w.Height), make([]bool, w.Width*w.Height)
		for band := range m.Bands {
			out := make([]float64, len(cells.Lon))
			fill(out, math.NaN())
			if len(values) > 0 {
				if err := m.Read(ctx, band, w, values); err != nil {
					return err
				}
				for i, v := range values {
					valid[i] = raster.Finite(v)
				}
				for i := range out {
					out[i] = bilinear(at.col[i], at.row[i], m.width, m.height, w, valid).of(values)
				}
			}
			months[band] = out
		}
		switch m.Bands {
		case Months:
		case 1:
			for i := range months {
				months[i] = months[0]
			}
		default:
			return fmt.Errorf("%d bands: must be 1 or 12, January to %s", m.Bands, time.December)
		}
		return nil
	})
	return months, err
}
