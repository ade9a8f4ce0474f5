// Package inspect looks at a DEM before a job is made of it.
package inspect

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"

	"github.com/cyverse-gis/eemt/shared/amount"
	"github.com/cyverse-gis/eemt/shared/climate"
	"github.com/cyverse-gis/eemt/shared/climate/judge"
	"github.com/cyverse-gis/eemt/shared/dem"
	"github.com/cyverse-gis/eemt/shared/finding"
	"github.com/cyverse-gis/eemt/shared/footprint"
	"github.com/cyverse-gis/eemt/shared/param"
	"github.com/cyverse-gis/eemt/shared/rangeread"
	"github.com/cyverse-gis/eemt/shared/raster"
	"github.com/cyverse-gis/eemt/shared/turbidity"
)

// mostCells bounds how many cells are read of a DEM: of a larger one a reduced
// image, or a sample.
const mostCells = 4 << 20

// Report is what was found.
type Report struct {
	// Usable tells whether a job would take the DEM; Detail is why not, with the fix.
	Usable bool   `json:"usable"`
	Detail string `json:"detail,omitempty"`
	// Findings are what a user should know, what makes the DEM unusable included.
	Findings finding.List `json:"findings"`

	Width  int   `json:"width,omitempty"`
	Height int   `json:"height,omitempty"`
	Bytes  int64 `json:"bytes"`
	// SampleType, Compression and Layout of the file, such as Int16, LZW, tiles of 512 x 512.
	SampleType  string `json:"sample_type,omitempty"`
	Compression string `json:"compression,omitempty"`
	Layout      string `json:"layout,omitempty"`
	Overviews   int    `json:"overviews"`

	CRS  string `json:"crs,omitempty"`
	EPSG int    `json:"epsg,omitempty"`
	// HorizontalUnit is degree, metre or the length of the unit in metres.
	HorizontalUnit string `json:"horizontal_unit,omitempty"`
	VerticalUnit   string `json:"vertical_unit,omitempty"`
	// Bounds are west, south, east, north in map units; BBox the same in degrees.
	Bounds *[4]float64 `json:"bounds,omitempty"`
	BBox   *[4]float64 `json:"bbox,omitempty"`
	// CellSize is the mean width and height of a cell, m.
	CellSize *[2]float64 `json:"cell_size_m,omitempty"`

	Elevation *Elevation `json:"elevation,omitempty"`
	NoData    *NoData    `json:"nodata,omitempty"`
	Spikes    *Spikes    `json:"spikes,omitempty"`
	Climate   *Climate   `json:"climate,omitempty"`
	Work      *Work      `json:"estimate,omitempty"`
}

// Elevation is over the cells read, m.
type Elevation struct {
	Minimum float64 `json:"min"`
	Maximum float64 `json:"max"`
	Mean    float64 `json:"mean"`
	// Read tells what of the DEM was read: "all cells", "an overview of 1024 x 900 cells", "a sample of 3 % of the cells".
	Read string `json:"read"`
}

// NoData tells of missing elevations.
type NoData struct {
	// Declared is the value that marks them; nil when the file declares none.
	Declared *float64 `json:"declared,omitempty"`
	// Share of the cells read, 0 to 1.
	Share float64 `json:"share"`
	// Voids are holes that do not reach the edge, LargestVoid the cells of the
	// largest; nil where only a sample was read.
	Voids       *int `json:"voids,omitempty"`
	LargestVoid int  `json:"largest_void_cells,omitempty"`
}

// Spikes are single cells far above or below all of their neighbours.
type Spikes struct {
	Count int `json:"count"`
	// Col, Row, Elevation of the worst, in the raster read.
	Col       int     `json:"col,omitempty"`
	Row       int     `json:"row,omitempty"`
	Elevation float64 `json:"elevation,omitempty"`
}

// Climate tells how much of the DEM a climate source covers.
type Climate struct {
	Source string `json:"source"`
	// Covered is the share of places tried, 0 to 1.
	Covered float64 `json:"covered"`
	Detail  string  `json:"detail,omitempty"`
}

// Work is what a job would take.
type Work struct {
	Tiles int `json:"tiles"`
	// Seconds on so many cores.
	Seconds float64 `json:"seconds"`
	Cores   int     `json:"cores"`
	// Memory of one process, and the size of all results, bytes.
	Memory  int64 `json:"memory_bytes"`
	Results int64 `json:"results_bytes"`
}

// DEMOptions are what the parameters of a job state about its DEM.
func DEMOptions(p param.Parameters) dem.Options {
	o := dem.Options{CRS: p.DEMCRS, ElevationUnit: p.ElevationUnit}
	o.NoData, _ = param.ParseNoData(p.NoData) // Validate has refused what is no number
	return o
}

// Options are what is inspected beside the DEM.
type Options struct {
	// Parameters of the job. Its climate is inspected where it has one.
	Parameters param.Parameters
	// Name is the user's own name of the DEM, for the commands in messages; may be empty.
	Name string
	// Spec is where the climate is stored, if not where the parameters say; may be nil.
	Spec *climate.Spec
	// Open opens climate files; nil leaves the climate out.
	Open climate.Opener
	// MostBlock bounds a compressed block of the DEM once decoded, bytes: a DEM of larger ones is refused. 0 bounds none
	// beyond what geotiff does.
	MostBlock int64
	// Fault reports whether an error is one of reading, which says nothing of the input: it is
	// returned then. Nil takes every error for the input's own.
	Fault func(error) bool
	// Estimate tells what a job on a raster of a size takes; may be nil.
	Estimate func(width, height int) Work
}

// File looks at a DEM of size bytes. What makes it unusable is in the report;
// an error is a fault of reading.
func File(ctx context.Context, r io.ReaderAt, size int64, o Options) (*Report, error) {
	stated := DEMOptions(o.Parameters).Named(o.Name)
	stated.MostBlock = o.MostBlock
	d, err := dem.Open(r, size, stated)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if errors.Is(err, rangeread.ErrUnavailable) { // which says nothing about the file
			return nil, err
		}
		return Refused(finding.DEMFormat, err), nil
	}
	rep, err := DEM(ctx, d, o)
	if rep != nil {
		rep.Bytes = size
	}
	return rep, err
}

// Refused is the report on a DEM that cannot be used for a reason of the given code, unless
// the reason has a code of its own.
func Refused(code finding.Code, err error) *Report {
	r := &Report{Findings: finding.List{}}
	r.Refuse(code, err)
	return r
}

// Refuse adds a reason why a job would not take the DEM; code is that of a reason without one of its own.
func (r *Report) Refuse(code finding.Code, err error) {
	r.refuse(code, err)
	r.Usable, r.Detail = false, err.Error()
}

// DEM is File of a DEM that is open.
func DEM(ctx context.Context, d *dem.DEM, o Options) (*Report, error) {
	rep := &Report{Findings: finding.List{}}
	rep.describe(d)
	z, read, sampled, err := elevations(ctx, d)
	switch {
	case ctx.Err() != nil:
		return rep, ctx.Err()
	case o.isFault(err):
		return rep, err
	case err != nil:
		rep.refuse(finding.DEMElevation, err)
	case rep.measure(d, z, read, sampled):
		if o.Estimate != nil {
			w := o.Estimate(d.Image.Width, d.Image.Height)
			rep.Work = &w
		}
		lon, lat := d.Center()
		if f, differs := turbidity.Note(lon, lat, rep.Elevation.Mean, o.Parameters); differs {
			rep.Findings.Add(f)
		}
		if o.Parameters.Climate != "" {
			if err := rep.inspectClimate(ctx, d, z, o); err != nil {
				return rep, err
			}
		}
	}
	rep.judge(o)
	return rep, ctx.Err()
}

// judge sets whether a job would take the DEM.
func (r *Report) judge(o Options) {
	r.Findings.Accept(o.Parameters.Accept)
	err := r.Findings.Err(o.Parameters.Strict)
	r.Usable = err == nil
	if err != nil {
		r.Detail = err.Error()
	}
}

// refuse notes why a DEM cannot be used.
func (r *Report) refuse(code finding.Code, err error) {
	if !r.Findings.AddError(err) {
		r.Findings.Add(finding.Finding{Code: code, Severity: finding.Refusal, Message: err.Error()})
	}
}

func (r *Report) note(code finding.Code, format string, args ...any) {
	r.Findings.Add(finding.Finding{Code: code, Severity: finding.Note, Message: fmt.Sprintf(format, args...)})
}

// doubt notes what may be wrong, and what the user can do about it.
func (r *Report) doubt(code finding.Code, next, format string, args ...any) {
	r.Findings.Add(finding.Finding{Code: code, Severity: finding.Doubt, Message: fmt.Sprintf(format, args...), Next: next})
}

func (r *Report) describe(d *dem.DEM) {
	m := d.Image
	r.Width, r.Height = m.Width, m.Height
	r.SampleType, r.Compression, r.Overviews = m.Type.String(), m.Compression, len(m.Overviews())
	r.Layout = fmt.Sprintf("strips of %d rows", m.BlockHeight)
	if m.Tiled {
		r.Layout = fmt.Sprintf("tiles of %d x %d", m.BlockWidth, m.BlockHeight)
	}
	r.CRS, r.EPSG = d.CRS.Name(), d.CRS.EPSG()
	switch unit := d.CRS.MetresPerUnit(); {
	case d.CRS.Geographic():
		r.HorizontalUnit = "degree"
	case unit == 1:
		r.HorizontalUnit = "metre"
	case math.Abs(unit-0.3048) < 1e-4:
		r.HorizontalUnit = "foot"
	default:
		r.HorizontalUnit = fmt.Sprintf("%.7g m", unit)
	}
	t := m.Transform
	east, south := t.OriginX+t.StepX*float64(m.Width), t.OriginY+t.StepY*float64(m.Height)
	r.Bounds = &[4]float64{t.OriginX, south, east, t.OriginY}
	if b := footprint.Bound(footprint.Outline(d.CRS, t, m.Width, m.Height)); !b.IsEmpty() {
		r.BBox = &[4]float64{b.Left(), b.Bottom(), b.Right(), b.Top()}
	}
	r.CellSize = &[2]float64{mean(d.Cell.DX), mean(d.Cell.DY)}
	r.Findings.Add(d.Findings...)
	if d.CRS.Geographic() {
		r.note(finding.DEMCells, "cells are in degrees: %.3g m wide and %.3g m high here", r.CellSize[0], r.CellSize[1])
	}
	r.vertical(d)
	if r.CellSize[0] > 1000 {
		r.note(finding.DEMCells, "cells of %.0f m: slopes and shadows of smaller landforms are lost", r.CellSize[0])
	}
	if !m.Type.Float() && m.Band(0).Scale == 1 && r.CellSize[0] < 15 {
		r.note(finding.DEMSteps, "elevations are whole numbers: on cells of %.3g m slopes come in steps", r.CellSize[0])
	}
}

// vertical names the unit of elevations.
func (r *Report) vertical(d *dem.DEM) {
	unit := "metre"
	switch {
	case math.Abs(d.Vertical-0.3048) < 1e-4:
		unit = "foot"
	case d.Vertical != 1:
		unit = fmt.Sprintf("%.7g m", d.Vertical)
	}
	r.VerticalUnit = unit
	if !d.Stated {
		r.VerticalUnit += " (not stated)"
	}
}

func mean(values []float64) float64 {
	var sum float64
	for _, v := range values {
		sum += v
	}
	return sum / float64(len(values))
}

// patch is a part of the DEM that was read, m.
type patch struct {
	*raster.Grid[float64]
	// at is its place in the DEM, step how many cells of the DEM one of its cells is wide.
	at   raster.Window
	step float64
}

// elevations reads all cells of a DEM, or of a large one an overview or a sample. read says which in words.
func elevations(ctx context.Context, d *dem.DEM) (patches []patch, read string, sampled bool, err error) {
	m := d.Image
	if m.Width*m.Height <= mostCells {
		g, err := d.Values(ctx, d.Bounds())
		return []patch{{g, d.Bounds(), 1}}, "all cells", false, err
	}
	for _, o := range m.Overviews() {
		if o.Width*o.Height > mostCells || o.Width < 256 || o.Height < 256 {
			continue
		}
		g, err := d.Overview(ctx, o)
		if err != nil {
			return nil, "", false, err
		}
		if !d.Trusted(g) {
			break
		}
		return []patch{{g, d.Bounds(), float64(m.Width) / float64(o.Width)}}, fmt.Sprintf("an overview of %d x %d cells", o.Width, o.Height), false, nil
	}
	windows := sample(m.Width, m.Height, m.Tiled)
	grids, err := d.ValuesOf(ctx, windows)
	if err != nil {
		return nil, "", false, err
	}
	cells := 0
	for i, w := range windows {
		cells += w.Width * w.Height
		patches = append(patches, patch{grids[i], w, 1})
	}
	return patches, fmt.Sprintf("a sample of %.2g %% of the cells", 100*float64(cells)/float64(m.Width)/float64(m.Height)), true, nil
}

// sample spreads windows of together at most mostCells: squares over tiles,
// whole rows over strips, which are read whole anyway.
func sample(width, height int, tiled bool) []raster.Window {
	var list []raster.Window
	if !tiled {
		bands := min(16, max(2, mostCells/3/width))
		rows := max(3, mostCells/bands/width)
		for i := range bands {
			row := i * max(0, height-rows) / (bands - 1)
			list = append(list, raster.Window{Row: row, Width: width, Height: min(rows, height-row)})
		}
		return list
	}
	const side, across = 256, 8
	for r := range across {
		for c := range across {
			w := raster.Window{Col: c * max(0, width-side) / (across - 1), Row: r * max(0, height-side) / (across - 1), Width: side, Height: side}
			list = append(list, w.Intersect(raster.Window{Width: width, Height: height}))
		}
	}
	return list
}

// measure fills in what the cells tell; false when there is none.
func (r *Report) measure(d *dem.DEM, patches []patch, read string, sampled bool) bool {
	stats := d.NewStatistics()
	spikes := Spikes{}
	worst := 0.0
	for _, p := range patches {
		stats.Add(p.Grid, p.at)
		worst = p.spikes(r.CellSize[0]*p.step, &spikes, worst)
	}
	r.NoData = &NoData{Share: 1 - float64(stats.Valid)/float64(stats.Cells)}
	if d.Image.HasNoData && !math.IsNaN(d.Image.NoData) {
		r.NoData.Declared = &d.Image.NoData
	}
	if stats.Valid == 0 {
		text := fmt.Sprintf("the DEM has no cell with an elevation: %s are nodata", read)
		if sampled {
			text = fmt.Sprintf("no cell with an elevation was found in %s", read)
		}
		r.refuse(finding.DEMHoles, errors.New(text))
		return false
	}
	e := Elevation{Minimum: stats.Minimum, Maximum: stats.Maximum, Mean: stats.Mean(), Read: read}
	found := stats.Findings()
	r.Findings.Add(found...)
	if len(found.Open(finding.Refusal)) > 0 {
		return false
	}
	r.Elevation, r.Spikes = &e, &spikes
	if !sampled {
		n, largest := voids(patches[0].Grid)
		r.NoData.Voids, r.NoData.LargestVoid = &n, largest
		if n > 0 {
			r.note(finding.DEMHoles, "%s without data, the largest of %s: cells beside them have no result; %s", amount.Count(n, "hole"), amount.Count(largest, "cell"), d.Advice("fill them with: gdal_fillnodata.py in.tif out_filled.tif"))
		}
	}
	if r.NoData.Share > 0.5 {
		r.note(finding.DEMHoles, "%.0f %% of the DEM is nodata%s", 100*r.NoData.Share, withData(d, patches))
	}
	if spikes.Count > 0 {
		text := fmt.Sprintf("%d cells stand", spikes.Count)
		if spikes.Count == 1 {
			text = "1 cell stands"
		}
		r.doubt(finding.DEMSpikes, "", "%s far above or below all neighbours, the worst %.0f m at column %d, row %d: false shadows", text, spikes.Elevation, spikes.Col, spikes.Row)
	}
	return true
}

// withData is the advice to cut a DEM to its cells with data; empty where only a sample was read, or there is nothing to
// cut.
func withData(d *dem.DEM, patches []patch) string {
	p := patches[0]
	if len(patches) > 1 || p.at != d.Bounds() {
		return ""
	}
	left, top, right, bottom := p.Width, p.Height, -1, -1
	for i, v := range p.Cells {
		if !math.IsNaN(v) {
			left, right = min(left, i%p.Width), max(right, i%p.Width)
			top, bottom = min(top, i/p.Width), max(bottom, i/p.Width)
		}
	}
	step := func(cells int) int { return int(math.Ceil(float64(cells) * p.step)) }
	w := raster.Window{Col: int(float64(left) * p.step), Row: int(float64(top) * p.step), Width: step(right + 1 - left), Height: step(bottom + 1 - top)}.Intersect(d.Bounds())
	if w.Width*w.Height*4 > d.Image.Width*d.Image.Height*3 {
		return ""
	}
	return "; " + d.Advice(fmt.Sprintf("cut it with: gdal_translate -srcwin %d %d %d %d in.tif out_cut.tif", w.Col, w.Row, w.Width, w.Height))
}

// spikes counts cells that differ from every neighbour by 3 cell sizes and 30 m
// at least, more than twice as much as the neighbours among each other.
func (p patch) spikes(cell float64, s *Spikes, worst float64) float64 {
	limit := max(30, 3*cell)
	for row := 1; row < p.Height-1; row++ {
		for col := 1; col < p.Width-1; col++ {
			z := p.Cells[row*p.Width+col]
			if math.IsNaN(z) || !(math.Abs(z-p.Cells[row*p.Width+col-1]) > limit) {
				continue
			}
			low, high := math.Inf(1), math.Inf(-1)
			for dr := -1; dr <= 1; dr++ {
				for dc := -1; dc <= 1; dc++ {
					if dr == 0 && dc == 0 {
						continue
					}
					v := p.Cells[(row+dr)*p.Width+col+dc]
					if !math.IsNaN(v) {
						low, high = min(low, v), max(high, v)
					}
				}
			}
			by := max(z-high, low-z)
			if by > limit && by > 2*(high-low) {
				s.Count++
				if by > worst {
					worst = by
					s.Col, s.Row, s.Elevation = p.at.Col+int(float64(col)*p.step), p.at.Row+int(float64(row)*p.step), z
				}
			}
		}
	}
	return worst
}

// voids counts the holes of a grid that do not reach its edge, by flooding each.
func voids(g *raster.Grid[float64]) (count, largest int) {
	seen := make([]bool, len(g.Cells))
	var stack []int
	for start, v := range g.Cells {
		if seen[start] || !math.IsNaN(v) {
			continue
		}
		var cells int
		var edge bool
		if cells, edge, stack = floodVoid(g, start, seen, stack[:0]); !edge {
			count++
			largest = max(largest, cells)
		}
	}
	return count, largest
}

// floodVoid marks the cells without data that are connected to start as seen. It returns their number and whether one lies at
// the edge of the grid; stack is memory to use, and is returned.
func floodVoid(g *raster.Grid[float64], start int, seen []bool, stack []int) (cells int, edge bool, _ []int) {
	stack = append(stack, start)
	seen[start] = true
	for len(stack) > 0 {
		i := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		cells++
		row, col := i/g.Width, i%g.Width
		for _, n := range [4][2]int{{row - 1, col}, {row + 1, col}, {row, col - 1}, {row, col + 1}} {
			if n[0] < 0 || n[1] < 0 || n[0] >= g.Height || n[1] >= g.Width {
				edge = true
				continue
			}
			if j := n[0]*g.Width + n[1]; !seen[j] && math.IsNaN(g.Cells[j]) {
				seen[j] = true
				stack = append(stack, j)
			}
		}
	}
	return cells, edge, stack
}

// inspectClimate asks the source for a grid of places over the DEM. A source
// that gives nothing makes the job unusable.
func (r *Report) inspectClimate(ctx context.Context, d *dem.DEM, patches []patch, o Options) error {
	c := &Climate{Source: o.Parameters.Climate}
	r.Climate = c
	refuse := func(err error) error {
		if ctx.Err() != nil || o.isFault(err) {
			return err
		}
		c.Detail = err.Error()
		r.refuse(finding.ClimateUnreadable, err)
		return nil
	}
	spec, err := o.spec()
	if err != nil {
		return refuse(err)
	}
	if o.Open == nil {
		c.Detail = "not examined here"
		return nil
	}
	stored := spec
	if o.Spec != nil {
		stored = *o.Spec
	}
	source, err := climate.Open(ctx, stored, o.Open)
	if err != nil {
		return refuse(err)
	}
	site := judge.SiteOf(d)
	for _, p := range patches {
		for _, v := range p.Cells {
			site.Elevations.Add(v)
		}
	}
	over, covered, err := climateYears(ctx, source, places(d, r.Elevation.Mean), o)
	if err != nil {
		return refuse(err)
	}
	c.Covered = covered
	switch {
	case covered == 0:
		where := ""
		if b := r.BBox; b != nil { // an edge outside of the projection's domain has none
			where = fmt.Sprintf(" (longitude %.4f to %.4f, latitude %.4f to %.4f)", b[0], b[2], b[1], b[3])
		}
		return refuse(finding.Refuse(finding.Finding{
			Code: finding.ClimateCoverage, Next: "choose another source",
			Message: fmt.Sprintf("climate %s does not cover the DEM%s", o.Parameters.Climate, where),
		}))
	case covered < 1:
		r.doubt(finding.ClimateCoverage, "", "climate covers %.0f %% of the DEM: the rest has no EEMT", 100*covered)
	}
	r.Findings.Add(judge.Climate(site, judge.SourceOf(spec, source), over)...)
	if f, doubtful := judge.Production(site.Elevations, judge.MeanTemperature(site.Elevations, over)); doubtful {
		r.Findings.Add(f)
	}
	return nil
}

// climateYears reads the climate of all years at the cells. It returns the years that have values, and the share of the
// cells that has climate in the year with the least, 0 to 1.
func climateYears(ctx context.Context, source climate.Source, cells climate.Cells, o Options) (over []judge.Year, covered float64, err error) {
	covered = 1
	for _, year := range o.Parameters.Years() {
		if years := source.Years(); len(years) > 0 && !slices.Contains(years, year) {
			return nil, 0, finding.Refuse(finding.Finding{
				Code: finding.ClimateYears, Value: strconv.Itoa(year),
				Message: fmt.Sprintf("climate %s has no year %d; it has %d to %d", o.Parameters.Climate, year, years[0], years[len(years)-1]),
			})
		}
		m, err := source.Months(ctx, year, cells)
		if err != nil && !errors.Is(err, climate.ErrNoCoverage) {
			return nil, 0, err
		}
		n := 0
		for _, z := range m.ZRef {
			if !math.IsNaN(z) {
				n++
			}
		}
		covered = min(covered, float64(n)/float64(len(cells.Lon)))
		if y, some := judge.YearOf(year, m); some {
			over = append(over, y)
		}
	}
	return over, covered, nil
}

func (o Options) isFault(err error) bool { return err != nil && o.Fault != nil && o.Fault(err) }

// spec is the climate source as the user names it.
func (o Options) spec() (climate.Spec, error) {
	return climate.ParseSpec(o.Parameters.Climate, o.Parameters.ClimateElevation, o.Parameters.ClimateUnits)
}

// places is a grid of cell centres over the DEM.
func places(d *dem.DEM, elevation float64) climate.Cells {
	const side = 16
	m := d.Image
	var c climate.Cells
	for r := range side {
		for k := range side {
			col, row := (2*k+1)*m.Width/(2*side), (2*r+1)*m.Height/(2*side)
			lon, lat := d.CRS.Inverse(m.Transform.Center(col, row))
			c.Lon, c.Lat, c.Elevation = append(c.Lon, lon), append(c.Lat, lat), append(c.Elevation, elevation)
		}
	}
	return c
}
