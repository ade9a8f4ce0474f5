// Package dem opens a raster as a digital elevation model on the ground.
package dem

import (
	"context"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/cyverse-gis/eemt/shared/crs"
	"github.com/cyverse-gis/eemt/shared/geotiff"
	"github.com/cyverse-gis/eemt/shared/raster"
)

// MaxCells bounds a DEM, to 65536 x 65536 cells. What a deployment can do is
// usually less.
const MaxCells = 1 << 32

// MaxSide bounds the columns and the rows of a DEM: every row has numbers of its
// own, which of a narrow raster of billions of rows, a file of 200 kB, take 20 GB.
const MaxSide = 1 << 20

// DEM is an elevation raster that has been checked: one band at least, placed
// on the map by a coordinate reference system that is known here.
type DEM struct {
	Image *geotiff.Image
	CRS   *crs.CRS
	// Cell is the cell size in metres of every row.
	Cell raster.CellSize
	// Metres per vertical unit.
	Vertical float64
	// Notes are what a user should know about how the file was read.
	Notes []string
}

// Options are what a user states about a file, beside what the file states itself.
type Options struct {
	// CRS is the coordinate reference system, as crs.Parse takes it; empty leaves it to the file.
	CRS string
}

// Open reads the header. Every error is one sentence about the file.
func Open(r io.ReaderAt, size int64, o Options) (*DEM, error) {
	img, err := geotiff.Open(r, size)
	if err != nil {
		return nil, err
	}
	if !img.HasTransform {
		return nil, fmt.Errorf("the DEM has no georeferencing; give it one with: gdal_translate -a_srs EPSG:CODE -a_ullr WEST NORTH EAST SOUTH in.tif out.tif")
	}
	if img.Width < 3 || img.Height < 3 {
		return nil, fmt.Errorf("the DEM has %d x %d cells: slope needs at least 3 x 3", img.Width, img.Height)
	}
	if cells := int64(img.Width) * int64(img.Height); cells > MaxCells {
		return nil, fmt.Errorf("the DEM has %d x %d = %d million cells: at most %d million; cut it with: gdal_translate -srcwin COL ROW WIDTH HEIGHT in.tif out.tif",
			img.Width, img.Height, cells>>20, MaxCells>>20)
	}
	if img.Width > MaxSide || img.Height > MaxSide {
		return nil, fmt.Errorf("the DEM has %d x %d cells: each side at most %d; cut it with: gdal_translate -srcwin COL ROW WIDTH HEIGHT in.tif out.tif",
			img.Width, img.Height, MaxSide)
	}
	vertical, stated, err := crs.VerticalMetres(img.GeoKeys)
	if err != nil {
		return nil, err
	}
	c, placed, err := place(img, o)
	if err != nil {
		return nil, err
	}
	d := &DEM{Image: img, CRS: c, Vertical: vertical, Cell: c.CellSizes(img.Transform, img.Width, img.Height)}
	placed.Add(d.cutPoles()...)
	placed.Add(d.distorted()...)
	for _, f := range placed {
		d.Notes = append(d.Notes, f.Sentence())
	}
	if stated && vertical != 1 {
		d.Notes = append(d.Notes, fmt.Sprintf("elevations are converted to metres (x %.7g)", vertical))
	}
	if (img.ScaleZ != 0 && img.ScaleZ != 1 || img.OffsetZ != 0) && crs.Compound(img.GeoKeys) {
		img.SetScale(img.ScaleZ, img.OffsetZ)
		d.Notes = append(d.Notes, fmt.Sprintf("elevations are stored x %.7g + %.7g, as the third step of the raster's position says", img.ScaleZ, img.OffsetZ))
	}
	if unit := img.Band(0).Unit; !stated && unit != "" && !slices.Contains([]string{"m", "metre", "meter", "metres", "meters"}, strings.ToLower(strings.TrimSpace(unit))) {
		d.Notes = append(d.Notes, fmt.Sprintf("the unit of the band is %.40q, but its coordinate system states none of elevations, which are read as metres; if they are feet turn them into metres with: gdal_calc.py -A in.tif --calc=A*0.3048 --outfile=out.tif", unit))
	}
	if img.Bands > 1 {
		d.Notes = append(d.Notes, fmt.Sprintf("the file has %d bands; elevation is read from the first", img.Bands))
	}
	for row := range d.Cell.DX {
		if !usable(d.Cell.DX[row]) || !usable(d.Cell.DY[row]) {
			return nil, fmt.Errorf("row %d of the DEM has cells of %g x %g m: outside what this coordinate reference system (%s) can map", row, d.Cell.DX[row], d.Cell.DY[row], c.Name())
		}
	}
	lon, lat := d.Center()
	if math.IsNaN(lon) || math.IsNaN(lat) || math.Abs(lat) > 90 {
		return nil, fmt.Errorf("the centre of the DEM lies outside the domain of %s; check its georeferencing with: gdalinfo in.tif", c.Name())
	}
	return d, nil
}

func usable(metres float64) bool { return metres > 1e-3 && metres < 1e6 }

// Bounds is the window of the whole DEM.
func (d *DEM) Bounds() raster.Window {
	return raster.Window{Width: d.Image.Width, Height: d.Image.Height}
}

// Center is the longitude and latitude of the middle of the DEM, degrees.
func (d *DEM) Center() (lon, lat float64) {
	t := d.Image.Transform
	return d.CRS.Inverse(t.OriginX+t.StepX*float64(d.Image.Width)/2, t.OriginY+t.StepY*float64(d.Image.Height)/2)
}

// Elevation reads a window in metres, NaN where there is no data. An elevation
// beyond -12 to 9 km is refused: it is a nodata value that was not declared,
// or another unit.
func (d *DEM) Elevation(ctx context.Context, w raster.Window) (*raster.Grid[float64], error) {
	g, err := d.Image.Grid(ctx, 0, w)
	if err != nil {
		return nil, err
	}
	for i, z := range g.Cells {
		z *= d.Vertical
		g.Cells[i] = z
		if z < -12000 || z > 9000 {
			return nil, fmt.Errorf("elevation %g m at column %d, row %d: must be -12000 to 9000 m; if it marks missing data declare it with: gdal_translate -a_nodata %g in.tif out.tif",
				z, w.Col+i%w.Width, w.Row+i/w.Width, d.stored(z))
		}
	}
	return g, nil
}

// stored is the number in the file of an elevation, which is what a file declares to be
// missing data.
func (d *DEM) stored(z float64) float64 {
	band := d.Image.Band(0)
	v := (z/d.Vertical - band.Offset) / band.Scale
	if near := math.Round(v); !d.Image.Type.Float() || math.Abs(v-near) < 1e-9*math.Abs(v) {
		return near
	}
	return v
}

// Undeclared is a warning where the lowest elevation, metres, is a number that by custom
// marks missing data, of which -9999 m is an elevation too; empty where it is not.
func (d *DEM) Undeclared(lowest float64) string {
	switch v := d.stored(lowest); v {
	case -9999, -32767, -32768:
		return fmt.Sprintf("the lowest elevation is stored as %g, which marks missing data by custom; if it does here declare it with: gdal_translate -a_nodata %g in.tif out.tif", v, v)
	}
	return ""
}

// LonLat returns the longitude and latitude, degrees, of the cell centres of a
// window, row-major.
func (d *DEM) LonLat(w raster.Window) (lon, lat []float64) {
	n := w.Width * w.Height
	lon, lat = make([]float64, n), make([]float64, n)
	d.CRS.LonLat(d.Image.Transform, w, lon, lat)
	return lon, lat
}

// Convergence returns the angle of grid north clockwise from true north,
// radians, at each position (docs/science.md).
func (d *DEM) Convergence(lon, lat []float64) []float64 {
	out := make([]float64, len(lon))
	for i := range out {
		out[i] = d.CRS.Convergence(lon[i], lat[i])
	}
	return out
}
