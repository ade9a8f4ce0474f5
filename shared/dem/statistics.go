package dem

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/cyverse-gis/eemt/shared/finding"
	"github.com/cyverse-gis/eemt/shared/geotiff"
	"github.com/cyverse-gis/eemt/shared/raster"
	"github.com/cyverse-gis/eemt/shared/remedy"
)

// customary are the stored numbers by which programs usually mark missing data. Numbers above 1e30 are not listed: they
// always mark missing data.
var customary = []float64{-32768, -32767, -32766, -9999, -9998, -99999, -999, -999.9, -9999.9, 9999, 32767, 65535, 99999, 999999, -999999, -2147483648, 2147483647}

// mostMarks is how many values that may mark missing data are counted one by one. Where there are more, values vary, and
// so mark nothing.
const mostMarks = 64

// mark is a value that may mark missing data.
type mark struct {
	elevation  float64 // m
	cells      int64
	col, row   int // of the first
	custom     bool
	beyond     bool  // outside of what the earth has
	sides, far int64 // sides of its cells that have another value beyond, and those where that lies far off
}

// Statistics describe the elevations of a DEM, which Add takes grid by grid. Findings says which values seem to mark missing
// data, and whether the values seem to be elevations.
type Statistics struct {
	dem *DEM
	// Cells and Valid count cells, all and those with a value.
	Cells, Valid int64
	// Minimum and Maximum are of the cells with a value, m.
	Minimum, Maximum float64

	sum    float64
	custom []float64 // m
	// Values between below and above, but 0, are neither customary nor beyond what the earth has.
	below, above float64
	marks        map[float64]*mark
	low, high    float64 // of the values that are no marks
	beyond       int64   // values that are outside of what the earth has, without marks
	first        mark    // the first of them
	texture      texture
	extremes     extremes
}

// NewStatistics returns statistics without any cells.
func (d *DEM) NewStatistics() *Statistics {
	s := &Statistics{
		dem: d, Minimum: math.Inf(1), Maximum: math.Inf(-1), low: math.Inf(1), high: math.Inf(-1),
		below: lowest, above: highest, marks: map[float64]*mark{},
	}
	for _, v := range customary {
		z := d.metres(v)
		s.custom = append(s.custom, z)
		if z < 0 {
			s.below = max(s.below, z)
		} else {
			s.above = min(s.above, z)
		}
	}
	s.texture.low, s.texture.high = math.Inf(1), math.Inf(-1)
	s.extremes.low.value, s.extremes.high.value = math.Inf(1), math.Inf(-1)
	return s
}

// Mean of the cells with a value, m.
func (s *Statistics) Mean() float64 { return s.sum / float64(s.Valid) }

// Add takes up a grid of elevations that stands for a window of the DEM. Grids must not overlap.
func (s *Statistics) Add(g *raster.Grid[float64], at raster.Window) {
	step := float64(at.Width) / float64(g.Width)
	cell := s.dem.Cell.DX[min(at.Row+at.Height/2, len(s.dem.Cell.DX)-1)] * step
	s.Cells += int64(len(g.Cells))
	below, above, low, high, sum := s.below, s.above, s.low, s.high, 0.0
	valid := int64(0)
	for i, z := range g.Cells {
		if z > below && z < above && z != 0 {
			if z < low {
				low = z
			}
			if z > high {
				high = z
			}
			valid++
			sum += z
			continue
		}
		if math.IsNaN(z) {
			continue
		}
		valid++
		sum += z
		s.Minimum, s.Maximum = min(s.Minimum, z), max(s.Maximum, z)
		s.doubtful(g, i, at, step, cell)
	}
	s.Valid += valid
	s.sum += sum
	s.low, s.high = min(s.low, low), max(s.high, high)
	s.Minimum, s.Maximum = min(s.Minimum, low), max(s.Maximum, high)
	for row := 0; row < g.Height; row += 4 {
		cells := g.Cells[row*g.Width : (row+1)*g.Width]
		s.texture.row(cells, cell)
		s.extremes.row(cells, cell)
	}
}

// doubtful counts cell i of g, whose value may mark missing data.
func (s *Statistics) doubtful(g *raster.Grid[float64], i int, at raster.Window, step, cell float64) {
	z := g.Cells[i]
	beyond := z < lowest || z > highest
	custom := z == 0 || slices.Contains(s.custom, z) || math.Abs(s.dem.stored(z)) >= 1e30
	m := s.marks[z]
	if m == nil {
		here := mark{elevation: z, col: at.Col + int(float64(i%g.Width)*step), row: at.Row + int(float64(i/g.Width)*step), custom: custom, beyond: beyond}
		if !custom && !beyond || len(s.marks) == mostMarks && !custom {
			if s.low, s.high = min(s.low, z), max(s.high, z); beyond {
				if s.beyond == 0 {
					s.first = here
				}
				s.beyond++
			}
			return
		}
		m = &here
		s.marks[z] = m
	}
	far := min(max(1000, cell), 5000)
	if z == 0 {
		far = max(100, 2*cell)
	}
	m.count(g, i, far)
}

// count counts cell i of g, and its sides beyond which the elevation differs, by more than far m or by less.
func (m *mark) count(g *raster.Grid[float64], i int, far float64) {
	m.cells++
	z, col, row := g.Cells[i], i%g.Width, i/g.Width
	for _, n := range [4][2]int{{col - 1, row}, {col + 1, row}, {col, row - 1}, {col, row + 1}} {
		if n[0] < 0 || n[1] < 0 || n[0] >= g.Width || n[1] >= g.Height {
			continue
		}
		if v := g.Cells[n[1]*g.Width+n[0]]; !math.IsNaN(v) && v != z {
			m.sides++
			if math.Abs(v-z) > far {
				m.far++
			}
		}
	}
}

// missing reports whether a value marks missing data: it is a customary number, or no elevation of the earth and the only
// such value, of several cells, and most neighbours of its cells lie far off.
func (s *Statistics) missing(m *mark) bool {
	switch {
	case m.elevation == 0:
		return false // zeros judges it
	case math.Abs(s.dem.stored(m.elevation)) >= 1e30:
		return true
	case !m.custom && (m.cells < 2 || s.beyond > 0):
		return false
	case m.sides == 0:
		return m.beyond || m.cells == s.Valid || m.cells > 1
	}
	return 2*m.far > m.sides
}

// Findings returns a refusal where the values cannot be elevations as they are read, else doubts.
func (s *Statistics) Findings() finding.List {
	var list finding.List
	var missing []*mark
	low, high, beyond, first := s.low, s.high, s.beyond, s.first
	var odd []float64 // stored
	for _, m := range s.inOrder() {
		if s.missing(m) {
			missing = append(missing, m)
			continue
		}
		low, high = min(low, m.elevation), max(high, m.elevation)
		if m.beyond {
			if beyond == 0 {
				first = *m
			}
			beyond += m.cells
			odd = append(odd, s.dem.stored(m.elevation))
		}
	}
	if len(missing) > 0 {
		list.Add(s.undeclared(missing))
	}
	if beyond > 0 {
		if s.beyond > 0 {
			odd = nil // there are more
		}
		list.Add(s.unearthly(low, high, beyond, first, odd))
	}
	if len(list) == 0 && s.Valid > 0 {
		list = append(s.zeros(), s.ends()...)
		list.Add(s.unlikeElevations(len(list) > 0)...)
	}
	for i := range list {
		list[i].Next = remedy.For(s.dem.options.Name, list[i].Next)
	}
	return list
}

// inOrder lists the marks by the position of their first cell.
func (s *Statistics) inOrder() []*mark {
	list := make([]*mark, 0, len(s.marks))
	for _, m := range s.marks {
		list = append(list, m)
	}
	slices.SortFunc(list, func(a, b *mark) int {
		if a.row != b.row {
			return a.row - b.row
		}
		return a.col - b.col
	})
	return list
}

// number prints a stored value with the digits that identify it.
func (s *Statistics) number(v float64) string {
	bits := 64
	if s.dem.Image.Type == geotiff.Float32 && s.dem.Image.Band(0).Scale == 1 {
		bits = 32
	}
	return strconv.FormatFloat(v, 'g', -1, bits)
}

// undeclared refuses values that mark missing data.
func (s *Statistics) undeclared(missing []*mark) finding.Finding {
	missing = missing[:min(len(missing), 8)]
	f := finding.Finding{Code: finding.DEMNoData, Severity: finding.Refusal}
	var cells, values []string
	for _, m := range missing {
		v := s.number(s.dem.stored(m.elevation))
		values = append(values, v)
		cells = append(cells, fmt.Sprintf("%d with %s, the first at column %d, row %d", m.cells, v, m.col, m.row))
	}
	m := missing[0]
	f.Value = strings.Join(values, ",")
	switch {
	case len(missing) > 1:
		f.Message = "several values mark missing data but are not declared: cells " + strings.Join(cells, "; ")
	case m.cells == 1:
		f.Message = fmt.Sprintf("elevation %g m at column %d, row %d, of one cell that is stored as %s: it marks missing data but is not declared", m.elevation, m.col, m.row, values[0])
	default:
		f.Message = fmt.Sprintf("elevation %g m at column %d, row %d, and of %d cells in all that are stored as %s: it marks missing data but is not declared", m.elevation, m.col, m.row, m.cells, values[0])
	}
	f.Next = "declare it with --nodata " + f.Value
	if slices.ContainsFunc(missing, func(m *mark) bool { return math.IsInf(m.elevation, 0) }) { // which is no number for a parameter
		f.Next = `turn it into missing data with: gdal_calc.py -A in.tif --outfile=out_finite.tif --calc="where(isfinite(A),A,-9999)" --NoDataValue=-9999`
		return f
	}
	if img := s.dem.Image; len(missing) == 1 && (!img.HasNoData || math.IsNaN(img.NoData)) && !img.Masked() && img.Alpha == 0 {
		f.Next += ", or with: gdal_translate -a_nodata " + values[0] + " in.tif out_nodata.tif"
	}
	return f
}

// unearthly refuses elevations that the earth does not have.
func (s *Statistics) unearthly(low, high float64, cells int64, first mark, odd []float64) finding.Finding {
	f := finding.Finding{
		Code: finding.DEMElevation, Severity: finding.Refusal, Value: fmt.Sprintf("%.6g to %.6g m", low, high),
		Message: fmt.Sprintf("elevation %g m at column %d, row %d, and %d cells in all, of %.6g to %.6g m: must be -12000 to 9000 m", first.elevation, first.col, first.row, cells, low, high),
	}
	if cells == 1 {
		f.Message = fmt.Sprintf("elevation %g m at column %d, row %d: must be -12000 to 9000 m", first.elevation, first.col, first.row)
	}
	few := cells*200 < s.Valid && len(odd) > 0 && len(odd) <= 8
	units := s.units(low, high)
	if len(units) > 0 && !few {
		f.LooksLike = "elevations in " + units[0].words
	}
	var next []string
	if few {
		var values []string
		for _, v := range odd {
			values = append(values, s.number(v))
		}
		next = append(next, "if these are errors, leave them out with --nodata "+strings.Join(values, ","))
	}
	if len(units) > 0 {
		var flags []string
		for _, u := range units {
			flags = append(flags, "--elevation-unit "+u.name)
		}
		next = append(next, "if the unit is another, state it with "+strings.Join(flags, " or "))
	}
	f.Next = strings.Join(next, "; ")
	if f.Next == "" {
		f.Next = "no unit makes elevations of them: " + chooseDEM
	}
	return f
}

// unit is one that elevations may have.
type unit struct {
	name, words string
	metres      float64
}

var otherUnits = []unit{{"dm", "decimetres", 0.1}, {"ft", "feet", 0.3048}, {"cm", "centimetres", 0.01}, {"mm", "millimetres", 0.001}}

// units are those in which values that were read in metres are elevations, the likeliest first; none where the user has
// stated one.
func (s *Statistics) units(low, high float64) []unit {
	if s.dem.options.ElevationUnit.Metres() != 0 {
		return nil
	}
	var list []unit
	for _, u := range otherUnits {
		if low*u.metres/s.dem.Vertical >= lowest && high*u.metres/s.dem.Vertical <= highest {
			list = append(list, u)
		}
	}
	if len(list) > 0 && !s.dem.CRS.Geographic() && math.Abs(s.dem.CRS.MetresPerUnit()-0.3048) < 1e-4 {
		slices.SortStableFunc(list, func(a, b unit) int {
			if a.name == "ft" {
				return -1
			}
			if b.name == "ft" {
				return 1
			}
			return 0
		})
	}
	return list[:min(len(list), 2)]
}

func cellsAre0(m *mark) string {
	if m.cells == 1 {
		return fmt.Sprintf("one cell is 0 m, at column %d, row %d, while its neighbours lie more than 100 m higher or lower", m.col, m.row)
	}
	return fmt.Sprintf("%d cells are 0 m, the first at column %d, row %d, while their neighbours lie more than 100 m higher or lower", m.cells, m.col, m.row)
}

// zeros doubts cells of 0 m that lie in a landscape far above or below.
func (s *Statistics) zeros() finding.List {
	m := s.marks[0]
	if m == nil || m.sides == 0 || 10*m.far < 9*m.sides {
		return nil
	}
	return finding.List{{
		Code: finding.DEMNoData, Severity: finding.Doubt,
		Message:   cellsAre0(m),
		LooksLike: "missing data that is not declared", Next: "if it is, declare it with --nodata " + s.number(s.dem.stored(0)),
	}}
}
