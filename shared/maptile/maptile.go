// Package maptile draws Web Mercator map tiles of a raster.
package maptile

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"math"
	"strconv"

	"github.com/paulmach/orb"

	"github.com/cyverse-gis/eemt/shared/crs"
	"github.com/cyverse-gis/eemt/shared/footprint"
	"github.com/cyverse-gis/eemt/shared/geotiff"
	"github.com/cyverse-gis/eemt/shared/raster"
)

const (
	// Side of a tile, pixels.
	Side = 256
	// MaxZoom is the deepest level: pixels of 15 cm at the equator.
	MaxZoom = 20
	// mostCells bounds what is read for one tile.
	mostCells = 16 << 20
	// summaryCells bounds what is read for a histogram.
	summaryCells = 1 << 20
	bins         = 64
)

// Raster is a georeferenced raster.
type Raster struct {
	Image *geotiff.Image
	CRS   *crs.CRS
}

// Open reads the header of a raster of size bytes.
func Open(r io.ReaderAt, size int64) (*Raster, error) {
	img, err := geotiff.Open(r, size)
	if err != nil {
		return nil, err
	}
	if !img.HasTransform || img.GeoKeys.Empty() {
		return nil, errors.New("the raster is not placed on the map")
	}
	c, err := crs.FromGeoKeys(img.GeoKeys)
	if err != nil {
		return nil, err
	}
	return &Raster{img, c.In(img.Transform, img.Width, img.Height)}, nil
}

// cell returns the place of a longitude and latitude in cells of m, counted from
// the upper-left corner; NaN outside the projection's domain.
func (l *Raster) cell(m *geotiff.Image, lon, lat float64) (col, row float64) {
	x, y := l.CRS.Forward(lon, lat)
	t := m.Transform
	if l.CRS.Geographic() { // a grid may count from 0 to 360, or across the antimeridian from either side
		if x < t.OriginX {
			x += 360
		} else if x-360 >= t.OriginX {
			x -= 360
		}
	}
	return (x - t.OriginX) / t.StepX, (y - t.OriginY) / t.StepY
}

// Value returns the value of band 0 at a longitude and latitude, degrees, and the
// cell it is of; false outside of the raster. The value is NaN where there is none.
func (l *Raster) Value(ctx context.Context, lon, lat float64) (value float64, col, row int, inside bool, err error) {
	x, y := l.cell(l.Image, lon, lat)
	if !(x >= 0 && y >= 0 && x < float64(l.Image.Width) && y < float64(l.Image.Height)) {
		return math.NaN(), 0, 0, false, nil
	}
	col, row = int(x), int(y)
	g, err := l.Image.Grid(ctx, 0, raster.Window{Col: col, Row: row, Width: 1, Height: 1})
	if err != nil {
		return math.NaN(), col, row, true, err
	}
	return g.Cells[0], col, row, true, nil
}

// Bound is the extent of the raster in degrees (footprint.Bound).
func (l *Raster) Bound() orb.Bound {
	return footprint.Bound(footprint.Outline(l.CRS, l.Image.Transform, l.Image.Width, l.Image.Height))
}

// Zooms returns the level that shows the raster in about one tile, and the one
// whose pixels are no larger than its cells.
func (l *Raster) Zooms() (low, high int) {
	b := l.Bound()
	side := max(b.Right()-b.Left(), (b.Top()-b.Bottom())/math.Max(0.05, math.Cos(b.Center().Lat()*math.Pi/180)))
	low = level(360 / side)
	high = level(360 / side * float64(max(l.Image.Width, l.Image.Height)) / Side)
	return low, max(low, high)
}

func level(ratio float64) int {
	if !(ratio > 1) {
		return 0
	}
	return min(MaxZoom, int(math.Ceil(math.Log2(ratio))))
}

// Scale colours values: those at Min and below get the first colour, those at Max
// and above the last.
type Scale struct {
	Min, Max float64
	Colours  [256]color.NRGBA
}

func (s Scale) of(v float64) color.NRGBA {
	if s.Max > s.Min {
		v = (v - s.Min) / (s.Max - s.Min) * 255
	} else {
		v = 127
	}
	return s.Colours[int(max(0, min(255, v)))]
}

// lonLat places a pixel of the world at a zoom level, counted from its
// upper-left corner (Web Mercator, EPSG:3857).
func lonLat(z int, px, py float64) (lon, lat float64) {
	n := float64(Side) * math.Exp2(float64(z))
	return px/n*360 - 180, math.Atan(math.Sinh(math.Pi*(1-2*py/n))) * 180 / math.Pi
}

// Tile draws tile x, y of level z as PNG, each pixel the nearest cell of the
// overview whose cells are as large as a pixel; no data is transparent.
func (l *Raster) Tile(ctx context.Context, z, x, y int, s Scale) ([]byte, error) {
	if z < 0 || z > MaxZoom || x < 0 || y < 0 || x >= 1<<z || y >= 1<<z {
		return nil, fmt.Errorf("tile %d/%d/%d: z must be 0 to %d, x and y 0 to 2^z-1", z, x, y, MaxZoom)
	}
	img := image.NewNRGBA(image.Rect(0, 0, Side, Side))
	cols, rows := make([]float64, Side*Side), make([]float64, Side*Side)
	left, top := math.Inf(1), math.Inf(1)
	right, bottom := math.Inf(-1), math.Inf(-1)
	w, h := float64(l.Image.Width), float64(l.Image.Height)
	for py := range Side {
		for px := range Side {
			// A pixel's longitude is that of its column, its latitude that of its row.
			lon, lat := lonLat(z, float64(x*Side+px)+0.5, float64(y*Side+py)+0.5)
			c, r := l.cell(l.Image, lon, lat)
			if !(c >= 0 && r >= 0 && c < w && r < h) {
				c = math.NaN()
			} else {
				left, top, right, bottom = min(left, c), min(top, r), max(right, c), max(bottom, r)
			}
			cols[py*Side+px], rows[py*Side+px] = c, r
		}
	}
	if right >= left {
		if err := l.paint(ctx, img, cols, rows, [4]float64{left, top, right, bottom}, l.step(z, x, y), s); err != nil {
			return nil, err
		}
	}
	var b bytes.Buffer
	e := png.Encoder{CompressionLevel: png.BestSpeed}
	err := e.Encode(&b, img)
	return b.Bytes(), err
}

// step is how many cells a pixel in the middle of a tile is wide, at least.
func (l *Raster) step(z, x, y int) float64 {
	at := func(dx, dy float64) (float64, float64) {
		lon, lat := lonLat(z, (float64(x)+0.5)*Side+dx, (float64(y)+0.5)*Side+dy)
		return l.cell(l.Image, lon, lat)
	}
	c0, r0 := at(0, 0)
	c1, r1 := at(1, 0)
	c2, r2 := at(0, 1)
	return min(math.Hypot(c1-c0, r1-r0), math.Hypot(c2-c0, r2-r0))
}

func (l *Raster) paint(ctx context.Context, img *image.NRGBA, cols, rows []float64, box [4]float64, step float64, s Scale) error {
	m := l.Image
	for _, o := range l.Image.Overviews() {
		if factor := float64(l.Image.Width) / float64(o.Width); factor <= step*1.01 {
			m = o
		}
	}
	fx, fy := float64(m.Width)/float64(l.Image.Width), float64(m.Height)/float64(l.Image.Height)
	win := raster.Window{Col: int(box[0] * fx), Row: int(box[1] * fy)}
	win.Width, win.Height = min(int(box[2]*fx)+1, m.Width)-win.Col, min(int(box[3]*fy)+1, m.Height)-win.Row
	if win.Width*win.Height > mostCells {
		return fmt.Errorf("the raster has no overview for this level: %d cells would be read for a tile", win.Width*win.Height)
	}
	g, err := m.Grid(ctx, 0, win)
	if err != nil {
		return err
	}
	for i, c := range cols {
		if math.IsNaN(c) {
			continue
		}
		v := g.Cells[min(int(rows[i]*fy)-win.Row, win.Height-1)*win.Width+min(int(c*fx)-win.Col, win.Width-1)]
		if !math.IsNaN(v) {
			img.SetNRGBA(i%Side, i/Side, s.of(v))
		}
	}
	return nil
}

// Statistics describe the values of a raster.
type Statistics struct {
	Minimum float64 `json:"min"`
	Maximum float64 `json:"max"`
	Mean    float64 `json:"mean"`
	StdDev  float64 `json:"std"`
	// P2 and P98 bound all but the lowest and highest fiftieth of the cells looked at.
	P2  float64 `json:"p2"`
	P98 float64 `json:"p98"`
	// Valid is the share of cells that have a value, of those looked at.
	Valid float64 `json:"valid"`
	// Counts of the histogram's bins, of equal width from Minimum to Maximum.
	Counts []int `json:"histogram"`
	// Read is the size of the raster looked at for the histogram.
	Read [2]int `json:"histogram_size"`
}

// Stated returns the minimum, maximum, mean and standard deviation that the file
// states; false when it does not.
func (l *Raster) Stated() (s Statistics, ok bool) {
	items := l.Image.Band(0).Metadata
	for name, to := range map[string]*float64{
		"STATISTICS_MINIMUM": &s.Minimum, "STATISTICS_MAXIMUM": &s.Maximum, "STATISTICS_MEAN": &s.Mean, "STATISTICS_STDDEV": &s.StdDev,
	} {
		v, err := strconv.ParseFloat(items[name], 64)
		if err != nil {
			return s, false
		}
		*to = v
	}
	return s, true
}

// Summarize reads at most a million cells, of an overview where needed, for the
// histogram; the rest is what the file states.
func (l *Raster) Summarize(ctx context.Context) (Statistics, error) {
	m := l.Image
	for _, o := range l.Image.Overviews() {
		if m.Width*m.Height > summaryCells {
			m = o
		}
	}
	if m.Width*m.Height > mostCells {
		return Statistics{}, errors.New("the raster has no overview small enough to be summarized")
	}
	g, err := m.Grid(ctx, 0, m.Bounds())
	if err != nil {
		return Statistics{}, err
	}
	s, stated := l.Stated()
	low, high, n := math.Inf(1), math.Inf(-1), 0
	var sum, square float64
	for _, v := range g.Cells {
		if math.IsNaN(v) {
			continue
		}
		n++
		low, high = min(low, v), max(high, v)
		sum += v
		square += v * v
	}
	s.Valid, s.Read, s.Counts = float64(n)/float64(len(g.Cells)), [2]int{m.Width, m.Height}, make([]int, bins)
	if n == 0 {
		return s, nil
	}
	if !stated {
		s.Minimum, s.Maximum, s.Mean = low, high, sum/float64(n)
		s.StdDev = math.Sqrt(max(0, square/float64(n)-s.Mean*s.Mean))
	}
	width := s.Maximum - s.Minimum
	const fine = 4096
	counts := make([]int, fine)
	for _, v := range g.Cells {
		if math.IsNaN(v) {
			continue
		}
		f := 0.0
		if width > 0 {
			f = max(0, min(1, (v-s.Minimum)/width))
		}
		counts[min(int(f*fine), fine-1)]++
		s.Counts[min(int(f*bins), bins-1)]++
	}
	s.P2, s.P98 = s.Minimum+width*quantile(counts, n, 0.02), s.Minimum+width*quantile(counts, n, 0.98)
	return s, nil
}

// quantile is where a share of the counts is reached, 0 to 1.
func quantile(counts []int, n int, share float64) float64 {
	want, sum := share*float64(n), 0.0
	for i, c := range counts {
		if sum+float64(c) >= want && c > 0 {
			return (float64(i) + (want-sum)/float64(c)) / float64(len(counts))
		}
		sum += float64(c)
	}
	return 1
}
