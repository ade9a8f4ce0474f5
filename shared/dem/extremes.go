package dem

import (
	"fmt"
	"math"

	"github.com/cyverse-gis/eemt/shared/finding"
)

// extreme is the lowest or the highest value of some rows: how many cells have it, how many of their neighbours along the row
// have another value, and how many of those lie far off.
type extreme struct {
	value            float64
	cells, side, far int64
}

// extremes are the lowest and the highest value. They are counted because programs fill missing data with numbers such as
// -1 or 255: elevations that occur on the earth, but the lowest or highest ones of the landscape.
type extremes struct{ low, high extreme }

// row adds a row of cells, which are cell metres wide.
func (e *extremes) row(cells []float64, cell float64) {
	for i, z := range cells {
		if z > e.low.value && z < e.high.value || math.IsNaN(z) {
			continue
		}
		if z <= e.low.value {
			e.low.add(cells, i, cell)
		}
		if z >= e.high.value {
			e.high.add(cells, i, cell)
		}
	}
}

func (l *extreme) add(cells []float64, i int, cell float64) {
	z := cells[i]
	if z != l.value {
		*l = extreme{value: z}
	}
	l.cells++
	for _, n := range [2]int{i - 1, i + 1} {
		if n < 0 || n >= len(cells) || math.IsNaN(cells[n]) || cells[n] == z {
			continue
		}
		l.side++
		if math.Abs(cells[n]-z) > max(100, 2*cell) {
			l.far++
		}
	}
}

// filled reports whether the value seems to fill missing data: many cells have it, it is a whole number, and at nearly all
// of their borders the neighbour lies far off. stored is the number that the file has for it.
func (l *extreme) filled(stored float64) bool {
	return l.cells >= 16 && l.side >= 8 && 10*l.far >= 9*l.side && stored == math.Trunc(stored)
}

// ends doubts the lowest and the highest value where it seems to fill missing data. It leaves 0 m to zeros.
func (s *Statistics) ends() finding.List {
	var list finding.List
	for _, end := range []struct {
		extreme     *extreme
		words, away string
	}{{&s.extremes.low, "lowest", "higher"}, {&s.extremes.high, "highest", "lower"}} {
		stored := s.dem.stored(end.extreme.value)
		if end.extreme.value == 0 || !end.extreme.filled(stored) {
			continue
		}
		list.Add(finding.Finding{
			Code: finding.DEMNoData, Severity: finding.Doubt, Value: s.number(stored),
			Message:   fmt.Sprintf("many cells are stored as %s, the %s value of all, while their neighbours lie more than 100 m %s", s.number(stored), end.words, end.away),
			LooksLike: "missing data that is not declared", Next: "if it is, declare it with --nodata " + s.number(stored),
		})
	}
	return list
}
