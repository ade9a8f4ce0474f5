package dem

import (
	"fmt"
	"math"

	"github.com/cyverse-gis/eemt/shared/finding"
)

// level is the lowest or the highest value of some rows: how many cells have it, how many of their neighbours along the row
// have another value, and how many of those lie far off.
type level struct {
	value            float64
	cells, side, far int64
}

// extremes are the lowest and the highest value. Programs fill missing data with numbers such as -1 or 255, which lie
// within what the earth has, but at the end of what a landscape has.
type extremes struct{ low, high level }

// row takes up a row of cells so wide.
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

func (l *level) add(cells []float64, i int, cell float64) {
	z := cells[i]
	if z != l.value {
		*l = level{value: z}
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

// filled reports whether many cells have the value, which is whole as the numbers are that fill missing data, and nearly all
// that border on others do so with a cliff.
func (l *level) filled(stored float64) bool {
	return l.cells >= 16 && l.side >= 8 && 10*l.far >= 9*l.side && stored == math.Trunc(stored)
}

// ends doubts a value at the end of all that fills a part of the landscape. Of 0 m zeros tells.
func (s *Statistics) ends() finding.List {
	var list finding.List
	for _, end := range []struct {
		level       *level
		words, away string
	}{{&s.extremes.low, "lowest", "higher"}, {&s.extremes.high, "highest", "lower"}} {
		stored := s.dem.stored(end.level.value)
		if end.level.value == 0 || !end.level.filled(stored) {
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
