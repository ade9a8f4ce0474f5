// Package dem opens a raster as a digital elevation model on the ground.
package dem

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/cyverse-gis/eemt/shared/crs"
	"github.com/cyverse-gis/eemt/shared/finding"
	"github.com/cyverse-gis/eemt/shared/geotiff"
	"github.com/cyverse-gis/eemt/shared/param"
	"github.com/cyverse-gis/eemt/shared/raster"
	"github.com/cyverse-gis/eemt/shared/remedy"
)

// MaxCells bounds a DEM, to 65536 x 65536 cells. What a deployment can do is
// usually less.
const MaxCells = 1 << 32

// MaxSide bounds the columns and the rows of a DEM. Each row needs some bytes of memory for its
// cell size, so that a narrow raster of billions of rows, in a file of 200 kB, would take 20 GB.
const MaxSide = 1 << 20

// Options are what a user states about a file, beside what the file states itself.
type Options struct {
	// CRS is the coordinate reference system, as crs.Parse takes it; empty leaves it to the file.
	CRS string
	// Name is the user's own name of the file, for the commands in messages; empty leaves in.tif there.
	Name string
	// ElevationUnit is the unit of elevations where it is not the one that the file states.
	ElevationUnit param.ElevationUnit
	// NoData are stored values that mark missing data, beside the one that the file declares.
	NoData []float64
	// MostBlock bounds a compressed block of the file once decoded, and all that a read decodes at a time, bytes; 0 leaves
	// both to geotiff.
	MostBlock int64
}

// Named returns the options for a file of that name.
func (o Options) Named(name string) Options {
	o.Name = name
	return o
}

// DEM is an elevation raster that has been checked: one band at least, placed
// on the map by a coordinate reference system that is known here.
type DEM struct {
	Image *geotiff.Image
	CRS   *crs.CRS
	// Cell is the cell size in metres of every row.
	Cell raster.CellSize
	// Metres per vertical unit.
	Vertical float64
	// Stated reports that the file or the user states that unit.
	Stated bool
	// Findings are what a user should know about how the file was read: doubts and notes.
	Findings finding.List

	options Options
}

// Advice is a text with the user's own name of the file in its commands.
func (d *DEM) Advice(text string) string { return remedy.For(d.options.Name, text) }

// Open reads the header. Every error is one sentence about the file; what the file itself is refused for is a
// *finding.Error.
func Open(r io.ReaderAt, size int64, o Options) (*DEM, error) {
	d, err := open(r, size, o)
	if err != nil {
		return nil, o.refuse(err)
	}
	return d, nil
}

func open(r io.ReaderAt, size int64, o Options) (*DEM, error) {
	if err := notTIFF(r, size, o.Name); err != nil {
		return nil, err
	}
	img, err := geotiff.Open(r, size)
	if err != nil {
		return nil, err
	}
	if o.MostBlock > 0 {
		if err := img.Bound(o.MostBlock); err != nil {
			return nil, err
		}
	}
	if err := picture(img); err != nil {
		return nil, err
	}
	if err := sized(img); err != nil {
		return nil, err
	}
	own := img.GeoKeys // before georeference replaces them by what the user states
	c, notes, err := georeference(img, o)
	if err != nil {
		return nil, err
	}
	d := &DEM{Image: img, CRS: c, Cell: c.CellSizes(img.Transform, img.Width, img.Height), options: o}
	for _, f := range slices.Concat(notes, d.cutPoles(), d.distorted()) {
		f.Next = d.Advice(f.Next)
		d.Findings.Add(f)
	}
	if err := d.setVertical(own); err != nil {
		return nil, err
	}
	img.AddNoData(o.NoData...)
	d.noteBands()
	for row := range d.Cell.DX {
		if !usable(d.Cell.DX[row]) || !usable(d.Cell.DY[row]) {
			return nil, d.outside(row)
		}
	}
	lon, lat := d.Center()
	if math.IsNaN(lon) || math.IsNaN(lat) || math.Abs(lat) > 90 {
		return nil, refusal(finding.DEMCRS, fmt.Sprintf("the centre of the DEM lies outside the domain of %s", c.Name()), "check its georeferencing with: gdalinfo in.tif")
	}
	return d, nil
}

// sized refuses a DEM of too few cells or too many.
func sized(img *geotiff.Image) error {
	if img.Width < 3 || img.Height < 3 {
		return refusal(finding.DEMCells, fmt.Sprintf("the DEM has %d x %d cells: slope needs at least 3 x 3", img.Width, img.Height), "")
	}
	if cells := int64(img.Width) * int64(img.Height); cells > MaxCells {
		return refusal(finding.DEMCells, fmt.Sprintf("the DEM has %d x %d = %d million cells: at most %d million", img.Width, img.Height, cells>>20, MaxCells>>20),
			Cut(img.Width, img.Height, MaxCells, MaxSide))
	}
	if img.Width > MaxSide || img.Height > MaxSide {
		return refusal(finding.DEMCells, fmt.Sprintf("the DEM has %d x %d cells: each side at most %d", img.Width, img.Height, MaxSide),
			Cut(img.Width, img.Height, MaxCells, MaxSide))
	}
	return nil
}

// Cut is the advice that makes a part of a DEM, about its middle, of at most so many cells and of sides of at most so many.
func Cut(width, height int, cells int64, side int) string {
	w, h := min(width, side), min(height, side)
	if square := int(math.Sqrt(float64(cells))); int64(w)*int64(h) > cells {
		switch {
		case w <= square:
			h = int(cells) / w
		case h <= square:
			w = int(cells) / h
		default:
			w, h = square, square
		}
	}
	return fmt.Sprintf("cut it with: gdal_translate -srcwin %d %d %d %d in.tif out_cut.tif", (width-w)/2, (height-h)/2, w, h)
}

// outside refuses a system that cannot map a row.
func (d *DEM) outside(row int) error {
	dx, dy := d.Cell.DX[row], d.Cell.DY[row]
	if math.IsNaN(dx) || math.IsNaN(dy) {
		return refusal(finding.DEMCRS, fmt.Sprintf("row %d of the DEM lies outside of what its coordinate reference system (%s) can map", row, d.CRS.Name()), "check its georeferencing with: gdalinfo in.tif")
	}
	return refusal(finding.DEMCells, fmt.Sprintf("row %d of the DEM has cells of %.4g x %.4g m: must be 0.001 m to 1000 km; its coordinate reference system is %s", row, dx, dy, d.CRS.Name()),
		"check its georeferencing with: gdalinfo in.tif")
}

// setVertical takes the unit of elevations from what the user states, else from the keys of the file.
func (d *DEM) setVertical(keys raster.GeoKeys) error {
	img := d.Image
	said := d.options.ElevationUnit.Metres()
	vertical, stated, err := crs.VerticalMetres(keys)
	if err != nil && (said == 0 || !errors.Is(err, crs.ErrVerticalUnit)) {
		return d.refuseVertical(err)
	}
	d.Vertical, d.Stated = vertical, stated || said != 0
	if (img.ScaleZ != 0 && img.ScaleZ != 1 || img.OffsetZ != 0) && crs.Compound(keys) {
		img.SetScale(img.ScaleZ, img.OffsetZ)
		d.note(finding.DEMUnit, finding.Note, fmt.Sprintf("elevations are stored x %.7g + %.7g, as the third step of the raster's position says", img.ScaleZ, img.OffsetZ))
	}
	if said != 0 {
		d.Vertical = said
		d.noteUnit(said, vertical, stated)
		return nil
	}
	if stated && vertical != 1 {
		d.note(finding.DEMUnit, finding.Note, fmt.Sprintf("elevations are converted to metres (x %.7g)", vertical))
	}
	if !stated {
		d.doubtUnit()
	}
	return nil
}

// refuseVertical refuses a vertical system, and says how its numbers become heights.
func (d *DEM) refuseVertical(err error) error {
	switch code := d.CRS.EPSG(); {
	case errors.Is(err, crs.ErrVerticalUnit):
		return refusal(finding.DEMUnit, err.Error(), stateUnit)
	case errors.Is(err, crs.ErrDepth) && code != 0:
		band := d.Image.Band(0)
		return refusal(finding.DEMUnit, err.Error(), fmt.Sprintf("turn them into heights with: gdal_translate -a_srs EPSG:%d -a_scale %.17g -a_offset %.17g in.tif out_heights.tif", code, -band.Scale, 0-band.Offset))
	}
	return refusal(finding.DEMUnit, err.Error(), "")
}

// noteUnit says that a unit is the user's.
func (d *DEM) noteUnit(said, vertical float64, stated bool) {
	text := fmt.Sprintf("elevations are read in %s, as elevation_unit says (x %.7g)", d.options.ElevationUnit, said)
	if stated && vertical != said {
		text = fmt.Sprintf("the file states elevations of %.7g m; they are read in %s, as elevation_unit says (x %.7g)", vertical, d.options.ElevationUnit, said)
	}
	d.note(finding.DEMUnit, finding.Note, text)
}

// stateUnit is what settles a doubt about the unit.
const stateUnit = "state it with --elevation-unit m, or --elevation-unit ft, or --elevation-unit us-ft for US survey feet"

// doubtUnit doubts metres where the file hints at another unit without stating it.
func (d *DEM) doubtUnit() {
	unit := strings.ToLower(strings.TrimSpace(d.Image.Band(0).Unit))
	metres := slices.Contains([]string{"m", "metre", "meter", "metres", "meters"}, unit)
	switch feet := d.CRS.MetresPerUnit(); {
	case unit != "" && !metres:
		d.Findings.Add(finding.Finding{
			Code: finding.DEMUnit, Severity: finding.Doubt,
			Message: fmt.Sprintf("the unit of the band is %.40q, but its coordinate system states none of elevations, which are read as metres", d.Image.Band(0).Unit),
			Next:    stateUnit,
		})
	case !d.CRS.Geographic() && !metres && math.Abs(feet-0.3048) < 1e-4:
		d.Findings.Add(finding.Finding{
			Code: finding.DEMUnit, Severity: finding.Doubt,
			Message: "the map is in feet and the file does not state the unit of elevations, which are read as metres",
			Next:    stateUnit,
		})
	}
}

// noteBands says which bands, masks and pages there are beside the elevations.
func (d *DEM) noteBands() {
	img := d.Image
	if img.Bands > 1 {
		text := fmt.Sprintf("the file has %d bands; elevation is read from the first", img.Bands)
		if img.Alpha != 0 {
			text += fmt.Sprintf(", and where band %d (alpha) is 0 there is no data", img.Alpha+1)
		}
		d.note(finding.DEMBands, finding.Note, text)
	}
	if img.LooseMasks > 0 {
		d.note(finding.DEMBands, finding.Doubt, fmt.Sprintf("the file has %d masks of another size than its image, which are not read", img.LooseMasks))
	}
	if img.Pages > 0 {
		d.note(finding.DEMBands, finding.Note, fmt.Sprintf("the file has %d pages; elevation is read from the first", img.Pages+1))
	}
}

func (d *DEM) note(code finding.Code, s finding.Severity, message string) {
	d.Findings.Add(finding.Finding{Code: code, Severity: s, Message: message})
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

// The elevations of the earth, m, with room: Challenger Deep to Mount Everest.
const (
	lowest  = -12000
	highest = 9000
)

// Elevation reads a window in metres, NaN where there is no data. An elevation
// beyond -12 to 9 km is refused; Statistics says what it may be.
func (d *DEM) Elevation(ctx context.Context, w raster.Window) (*raster.Grid[float64], error) {
	g, err := d.Values(ctx, w)
	if err != nil {
		return nil, err
	}
	for i, z := range g.Cells {
		if z < lowest || z > highest {
			return nil, refusal(finding.DEMElevation, fmt.Sprintf("elevation %g m at column %d, row %d: must be -12000 to 9000 m", z, w.Col+i%w.Width, w.Row+i/w.Width), "")
		}
	}
	return g, nil
}

// Values reads a window in metres, NaN where there is no data, whatever the values are. Statistics says whether they can be
// elevations.
func (d *DEM) Values(ctx context.Context, w raster.Window) (*raster.Grid[float64], error) {
	return d.values(ctx, d.Image, w)
}

// ValuesOf is Values of several windows. It decodes no block of the file twice.
func (d *DEM) ValuesOf(ctx context.Context, windows []raster.Window) ([]*raster.Grid[float64], error) {
	grids, cells := make([]*raster.Grid[float64], len(windows)), make([][]float64, len(windows))
	for i, w := range windows {
		grids[i] = raster.New[float64](w.Width, w.Height)
		cells[i] = grids[i].Cells
	}
	if err := d.Image.ReadWindows(ctx, 0, windows, cells); err != nil {
		return nil, err
	}
	for _, g := range grids {
		d.toMetres(g)
	}
	return grids, nil
}

// Overview reads a whole overview of the DEM, as Values does.
func (d *DEM) Overview(ctx context.Context, o *geotiff.Image) (*raster.Grid[float64], error) {
	return d.values(ctx, o, o.Bounds())
}

// Trusted reports whether the grid of an overview may stand for the whole DEM. Cells of overviews are means. Beside
// undeclared missing data these are neither elevations nor the value that marks missing data.
func (d *DEM) Trusted(g *raster.Grid[float64]) bool {
	if len(d.options.NoData) > 0 {
		return false
	}
	for _, z := range g.Cells {
		if z < lowest || z > highest {
			return false
		}
	}
	return true
}

func (d *DEM) values(ctx context.Context, m *geotiff.Image, w raster.Window) (*raster.Grid[float64], error) {
	g, err := m.Grid(ctx, 0, w)
	if err == nil {
		d.toMetres(g)
	}
	return g, err
}

func (d *DEM) toMetres(g *raster.Grid[float64]) {
	if d.Vertical == 1 {
		return
	}
	for i := range g.Cells {
		g.Cells[i] *= d.Vertical
	}
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

// metres is the elevation of a stored number, by the steps in which a window is read.
func (d *DEM) metres(v float64) float64 {
	if band := d.Image.Band(0); band.Scale != 1 || band.Offset != 0 {
		v = v*band.Scale + band.Offset
	}
	return v * d.Vertical
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
