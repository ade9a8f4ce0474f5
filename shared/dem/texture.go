package dem

import (
	"fmt"
	"math"

	"github.com/cyverse-gis/eemt/shared/finding"
	"github.com/cyverse-gis/eemt/shared/geotiff"
)

// texture has sums over rows that tell whether values vary as elevations do.
type texture struct {
	low, high  float64
	cells      int64
	sum, sum2  float64
	pairs      int64   // of neighbours along a row
	slope      float64 // sum of the differences by the width of a cell
	fraction   int64   // values that are no whole numbers
	seen       [256]bool
	unlisted   bool // other values than those of seen
	squareRise float64
	wide       int64 // of the pairs, on cells of 5 m and more
}

// row adds a row of cells, which are cell metres wide.
func (l *texture) row(cells []float64, cell float64) {
	last := math.NaN()
	var n, pairs, fraction, outside int64
	var sum, sum2, rises, rises2 float64
	low, high := l.low, l.high
	for _, z := range cells {
		rise := math.Abs(z - last)
		last = z
		if math.IsNaN(z) {
			continue
		}
		n++
		sum += z
		sum2 += z * z
		if z < low {
			low = z
		}
		if z > high {
			high = z
		}
		switch {
		case z != math.Trunc(z):
			fraction++
		case z >= 0 && z < 256:
			l.seen[int(z)] = true
		default:
			outside++
		}
		if !math.IsNaN(rise) { // the cell before has a value too
			pairs++
			rises += rise
			rises2 += rise * rise
		}
	}
	l.low, l.high = low, high
	l.cells += n
	l.sum += sum
	l.sum2 += sum2
	l.fraction += fraction
	l.unlisted = l.unlisted || fraction+outside > 0
	l.pairs += pairs
	l.slope += rises / cell
	l.squareRise += rises2
	if cell >= 5 {
		l.wide += pairs
	}
}

// roughness is the mean squared difference of neighbours over that of any two cells: near 0 for elevations, 1
// for cells that do not depend on their neighbours.
func (l *texture) roughness() float64 {
	n := float64(l.cells)
	variance := l.sum2/n - l.sum*l.sum/n/n
	if l.pairs == 0 || variance <= 0 {
		return 0
	}
	return l.squareRise / float64(l.pairs) / (2 * variance)
}

// distinct counts whole numbers from 0 to 255.
func (l *texture) distinct() (n int) {
	for _, seen := range l.seen {
		if seen {
			n++
		}
	}
	return n
}

// unlikeElevations doubts values that vary in another way than elevations do. holes says that cells of 0 m lie in the
// landscape: slopes at their edges say nothing about the values.
func (s *Statistics) unlikeElevations(holes bool) finding.List {
	doubt := func(message, looks, next string) finding.List {
		return finding.List{{Code: finding.DEMNotElevation, Severity: finding.Doubt, Message: message, LooksLike: looks, Next: next}}
	}
	l, m := &s.texture, s.dem.Image
	if s.Minimum == s.Maximum {
		return doubt(fmt.Sprintf("all cells have the same elevation, %g m", s.Minimum), "", chooseDEM+" unless the ground is level")
	}
	scope := fmt.Sprintf("values of %.4g to %.4g", s.dem.stored(s.Minimum), s.dem.stored(s.Maximum))
	what := ""
	if s.dem.Vertical == 1 {
		what = l.kind(m)
	}
	mean := l.slope / max(1, float64(l.pairs))
	switch {
	case what != "":
		return doubt(scope+" do not vary from cell to cell as elevations do", what, chooseDEM)
	case m.Bands >= 3 && m.Type == geotiff.Uint8:
		return doubt(fmt.Sprintf("the file has %d bands of 8 bits", m.Bands), "a picture", chooseDEM)
	case s.dem.options.ElevationUnit.Metres() != 0:
		return nil // the user is sure
	case s.inKilometres(mean):
		return doubt(scope+" m make a landscape of hardly any slope", "elevations in km", "if they are, state it with --elevation-unit km; else with --elevation-unit m")
	case !holes && mean > steep && l.wide == l.pairs && l.pairs >= few:
		return doubt(fmt.Sprintf("%s m make slopes of %.0f degrees in the mean", scope, math.Atan(mean)*180/math.Pi), "elevations in another unit, such as decimetres, or no elevations",
			"state the unit with --elevation-unit dm or --elevation-unit ft; else "+chooseDEM)
	}
	return nil
}

const (
	// few cells tell nothing of how values vary.
	few = 64
	// steep is a mean slope along rows that no landscape has on cells of 5 m or more: the steepest have half of it.
	steep = 1.5
	// level45 is level ground in a hillshade of 8 bits with the light at 45 degrees, which programs take unless told otherwise.
	level45 = 181
)

// kind names what the values seem to be instead of elevations, or is empty. The roughness of elevations is below 0.006 on
// cells of 10 to 90 m, that of hillshades above 0.02, that of slopes above 0.05, that of aspects above 0.15.
func (l *texture) kind(m *geotiff.Image) string {
	if l.cells < few || l.pairs < few {
		return ""
	}
	rough, mean := l.roughness(), l.sum/float64(l.cells)
	switch {
	case l.isMask():
		return "a mask of two values"
	case l.isHillshade(m, rough, mean):
		return "a hillshade"
	case l.isClasses(rough):
		return "numbers of classes"
	}
	return l.derivative(rough, mean)
}

// derivative names the quantity derived from elevations that the values seem to be, or is empty.
func (l *texture) derivative(rough, mean float64) string {
	fractions := l.fraction*2 > l.cells
	switch {
	case rough > 0.1 && l.within(-1, 15, 345, 360):
		return "aspect in degrees"
	case fractions && rough > 0.1 && l.within(0, 0.2, 6, 2*math.Pi+1e-3):
		return "aspect in radians"
	case fractions && rough > 0.05 && l.within(0, 1, 10, 90) && mean > 2:
		return "slope in degrees"
	case fractions && rough > 0.03 && l.low >= -1 && l.high <= 1:
		return "an index or a share"
	}
	return ""
}

// within reports whether the lowest value is from least to below low, and the highest above high to most.
func (l *texture) within(least, low, high, most float64) bool {
	return l.low >= least && l.low < low && l.high > high && l.high <= most
}

// isMask reports whether the values are two whole numbers as masks have them.
func (l *texture) isMask() bool {
	pair := l.low == 0 && (l.high == 1 || l.high == 255) || l.low == 1 && l.high == 2
	return !l.unlisted && l.distinct() == 2 && pair
}

// isHillshade reports whether the values vary as light on a relief: in whole numbers of 8 bits, with 0 where there is no
// data. Over smooth ground hillshades are smooth too, so that less roughness will do where the file has 8 bits.
func (l *texture) isHillshade(m *geotiff.Image, rough, mean float64) bool {
	byteFile := m.Type == geotiff.Uint8
	empty := byteFile && m.HasNoData && m.NoData == 0
	if !l.unlisted && rough > leastShade(byteFile, empty) && l.high >= 200 && l.low <= 120 && l.distinct() > 60 && mean > 90 && mean < 215 {
		return true
	}
	return empty && rough > 0.0005 && l.low < level45 && l.high > level45 && math.Abs(mean-level45) < 15
}

// leastShade is the roughness above which values may be a hillshade, in a file of 8 bits and in one whose nodata is 0 as well.
func leastShade(byteFile, empty bool) float64 {
	switch {
	case empty:
		return 0.001
	case byteFile:
		return 0.006
	}
	return 0.015
}

// isClasses reports whether the values are few whole numbers with gaps, which jump from cell to cell.
func (l *texture) isClasses(rough float64) bool {
	n := l.distinct()
	return !l.unlisted && rough > 0.03 && n <= 60 && l.high-l.low+1 > 1.3*float64(n)
}

// inKilometres reports whether values make slopes of the earth only if they are kilometres.
func (s *Statistics) inKilometres(mean float64) bool {
	l := &s.texture
	if s.dem.Vertical != 1 || l.fraction*2 < l.cells || l.pairs < few {
		return false
	}
	return s.Minimum > -0.5 && s.Maximum < 9 && s.Maximum-s.Minimum > 0.02 && mean > 2e-6 && mean < 1e-3
}
