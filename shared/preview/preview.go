// Package preview draws grids as small PNG maps with a legend.
package preview

import (
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"io"
	"math"
	"slices"

	"github.com/cyverse-gis/eemt/shared/raster"
)

// Options says how a grid is drawn. The zero value is valid.
type Options struct {
	Title string
	// Unit is written with plain exponents, as "MJ m-2 yr-1" or "degC"; they
	// are raised in the picture.
	Unit string
	// Ramp is one of Ramps; empty: DefaultRamp.
	Ramp string
	// Min and Max are the values of the ramp's ends, by default the 2nd and 98th
	// percentile. Values beyond take the colour of the end.
	Min, Max *float64
	// Relief is the elevation in metres of the grid's cells; its hillshade is
	// blended in. It needs CellSize and must have the grid's size.
	Relief *raster.Grid[float64]
	// CellSize is the side of a cell on the ground in metres; more than 0 draws a scale bar.
	CellSize float64
	// MaxSide is the length in pixels of the map's longer side, 64 to 8192; 0: 1024.
	// Small grids are enlarged, at most 16 times.
	MaxSide int
}

const (
	margin     = 32
	mapGap     = 18 // between title, map and legend
	maxEnlarge = 16
)

var (
	paper    = color.NRGBA{0xfc, 0xfb, 0xf8, 0xff}
	ink      = color.NRGBA{0x22, 0x26, 0x2b, 0xff}
	faint    = color.NRGBA{0x6b, 0x70, 0x76, 0xff}
	hairline = color.NRGBA{0x00, 0x00, 0x00, 0x38}
)

// PNG draws a grid. Cells that are NaN or infinite are transparent. The same
// input gives the same bytes.
func PNG(w io.Writer, g *raster.Grid[float32], opts Options) error {
	if err := opts.check([]*raster.Grid[float32]{g}); err != nil {
		return err
	}
	colours, err := table(opts.Ramp)
	if err != nil {
		return err
	}
	fonts, err := newTypes()
	if err != nil {
		return err
	}
	sc := newScale(opts, g)
	width, height := fit(g.Width, g.Height, opts.MaxSide)
	m := drawMap(g, opts, colours, sc, width, height)

	// A narrow map still needs room for its title and legend.
	inner := max(width, 360, fonts.title.width(opts.Title))
	top := margin
	if opts.Title != "" {
		top += fonts.title.height() + mapGap
	}
	img := image.NewNRGBA(image.Rect(0, 0, inner+2*margin, top+height+mapGap+legendHeight+margin))
	draw.Draw(img, img.Bounds(), image.NewUniform(paper), image.Point{}, draw.Src)
	fonts.title.draw(img, margin, margin, opts.Title, ink)
	paste(img, m, margin, top)
	metresPerPixel := opts.CellSize * float64(g.Width) / float64(width)
	drawLegend(img, fonts, colours, sc, opts.Unit, metresPerPixel, margin, top+height+mapGap, margin+inner)
	return encode(w, img)
}

// Panel draws up to 24 grids of one size in rows of four with one scale, each
// under its label; labels is nil or has one entry per grid.
func Panel(w io.Writer, grids []*raster.Grid[float32], labels []string, opts Options) error {
	if len(grids) < 1 || len(grids) > 24 {
		return fmt.Errorf("panel of %d maps: must be 1 to 24", len(grids))
	}
	if labels != nil && len(labels) != len(grids) {
		return fmt.Errorf("panel: %d labels for %d maps: must be one each, or none", len(labels), len(grids))
	}
	if err := opts.check(grids); err != nil {
		return err
	}
	colours, err := table(opts.Ramp)
	if err != nil {
		return err
	}
	fonts, err := newTypes()
	if err != nil {
		return err
	}
	sc := newScale(opts, grids...)
	columns := min(4, len(grids))
	rows := (len(grids) + columns - 1) / columns
	side := opts.MaxSide
	if side == 0 {
		side = 1024
	}
	// The whole panel's longer side is about MaxSide.
	width, height := fit(grids[0].Width, grids[0].Height, max(64, side/max(columns, rows)))

	const gap = 16
	label := 0
	if labels != nil {
		label = fonts.text.height() + 6
	}
	inner := max(columns*width+(columns-1)*gap, 360, fonts.title.width(opts.Title))
	top := margin
	if opts.Title != "" {
		top += fonts.title.height() + mapGap
	}
	bottom := top + rows*(height+label) + (rows-1)*gap
	img := image.NewNRGBA(image.Rect(0, 0, inner+2*margin, bottom+mapGap+legendHeight+margin))
	draw.Draw(img, img.Bounds(), image.NewUniform(paper), image.Point{}, draw.Src)
	fonts.title.draw(img, margin, margin, opts.Title, ink)
	for i, g := range grids {
		x, y := margin+i%columns*(width+gap), top+i/columns*(height+label+gap)
		if labels != nil {
			fonts.text.draw(img, x, y, labels[i], faint)
		}
		paste(img, drawMap(g, opts, colours, sc, width, height), x, y+label)
	}
	metresPerPixel := opts.CellSize * float64(grids[0].Width) / float64(width)
	drawLegend(img, fonts, colours, sc, opts.Unit, metresPerPixel, margin, bottom+mapGap, margin+inner)
	return encode(w, img)
}

func (o Options) check(grids []*raster.Grid[float32]) error {
	for _, g := range grids {
		if g == nil || g.Width < 1 || g.Height < 1 || len(g.Cells) != g.Width*g.Height {
			return errors.New("preview of a grid without cells")
		}
		if g.Width != grids[0].Width || g.Height != grids[0].Height {
			return fmt.Errorf("panel of grids of %d x %d and %d x %d cells: must be of one size", grids[0].Width, grids[0].Height, g.Width, g.Height)
		}
	}
	g := grids[0]
	if o.MaxSide != 0 && (o.MaxSide < 64 || o.MaxSide > 8192) {
		return fmt.Errorf("longest side %d: must be 64 to 8192 pixels", o.MaxSide)
	}
	if !(o.CellSize >= 0) || math.IsInf(o.CellSize, 0) {
		return fmt.Errorf("cell size %g: must be 0 (unknown) or more metres", o.CellSize)
	}
	return o.checkRelief(g)
}

func (o Options) checkRelief(g *raster.Grid[float32]) error {
	switch {
	case o.Relief == nil:
		return nil
	case o.Relief.Width != g.Width || o.Relief.Height != g.Height || len(o.Relief.Cells) != len(g.Cells):
		return fmt.Errorf("relief of %d x %d cells under a map of %d x %d: must be of one size", o.Relief.Width, o.Relief.Height, g.Width, g.Height)
	case o.CellSize == 0:
		return errors.New("relief without a cell size: must be the metres of a cell")
	}
	return nil
}

func encode(w io.Writer, img image.Image) error {
	return (&png.Encoder{CompressionLevel: png.BestSpeed}).Encode(w, img)
}

// fit returns the pixels of a map whose longer side is maxSide.
func fit(width, height, maxSide int) (w, h int) {
	if maxSide == 0 {
		maxSide = 1024
	}
	f := min(float64(maxSide)/float64(max(width, height)), maxEnlarge)
	return max(1, int(float64(width)*f+0.5)), max(1, int(float64(height)*f+0.5))
}

// scale is the range of values the ramp covers.
type scale struct {
	lo, hi       float64
	below, above bool // there are values beyond the ends
	empty        bool // there are no values
}

// maxSample bounds the values looked at for percentiles.
const maxSample = 1 << 20

func newScale(o Options, grids ...*raster.Grid[float32]) scale {
	total := 0
	for _, g := range grids {
		total += len(g.Cells)
	}
	// An odd step does not fall in with the rows of a grid of even width.
	step := total/maxSample | 1
	var values []float64
	least, most := math.Inf(1), math.Inf(-1)
	n := 0
	for _, g := range grids {
		for _, v := range g.Cells {
			x := float64(v)
			if math.IsNaN(x) || math.IsInf(x, 0) {
				continue
			}
			least, most = min(least, x), max(most, x)
			if n%step == 0 {
				values = append(values, x)
			}
			n++
		}
	}
	if n == 0 {
		return scale{lo: 0, hi: 1, empty: true}
	}
	slices.Sort(values)
	s := scale{lo: percentile(values, 0.02), hi: percentile(values, 0.98)}
	if o.Min != nil {
		s.lo = *o.Min
	}
	if o.Max != nil {
		s.hi = *o.Max
	}
	s.below, s.above = least < s.lo, most > s.hi
	if !(s.hi > s.lo) {
		// One value: the middle of the ramp.
		d := max(math.Abs(s.lo)*1e-6, 1e-6)
		s.lo, s.hi = s.lo-d, s.lo+d
		s.below, s.above = false, false
	}
	return s
}

func percentile(sorted []float64, p float64) float64 {
	x := p * float64(len(sorted)-1)
	i := min(int(x), len(sorted)-1)
	j := min(i+1, len(sorted)-1)
	return sorted[i] + (sorted[j]-sorted[i])*(x-float64(i))
}

// index returns the colour of a value.
func (s scale) index(v float64) int {
	return int(min(max((v-s.lo)/(s.hi-s.lo), 0), 1)*255 + 0.5)
}

// drawMap returns the picture of the cells alone.
func drawMap(g *raster.Grid[float32], o Options, colours [256]color.NRGBA, sc scale, width, height int) *image.NRGBA {
	values := resample(g, width, height)
	var light *raster.Grid[float64]
	if o.Relief != nil {
		light = hillshade(o.Relief, o.CellSize, width, height)
	}
	img := image.NewNRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			v := values.At(x, y)
			if math.IsNaN(v) {
				continue
			}
			c := colours[sc.index(v)]
			if light != nil {
				c = shade(c, light.At(x, y))
			}
			img.SetNRGBA(x, y, c)
		}
	}
	return img
}

// paste copies a map to column x and row y of img, transparent cells included, and draws a hairline around it.
func paste(img, m *image.NRGBA, x, y int) {
	at := m.Bounds().Add(image.Pt(x, y))
	line := image.NewUniform(hairline)
	for _, r := range []image.Rectangle{
		image.Rect(at.Min.X-1, at.Min.Y-1, at.Max.X+1, at.Min.Y),
		image.Rect(at.Min.X-1, at.Max.Y, at.Max.X+1, at.Max.Y+1),
		image.Rect(at.Min.X-1, at.Min.Y, at.Min.X, at.Max.Y),
		image.Rect(at.Max.X, at.Min.Y, at.Max.X+1, at.Max.Y),
	} {
		draw.Draw(img, r, line, image.Point{}, draw.Over)
	}
	draw.Draw(img, at, m, image.Point{}, draw.Src)
}
