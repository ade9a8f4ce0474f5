package geotiff

import (
	"math"
	"strconv"
)

// bandStats gathers statistics over the cells with data, row by row.
type bandStats struct {
	n        int64
	min, max float64
	mean, m2 float64 // m2: sum of squared differences from the mean
}

// addRow merges a row (Chan, Golub, LeVeque 1979): the result does not depend
// on how many rows come at once.
func addRow[T float32 | float64](s *bandStats, row []T) {
	var sum, squares float64 // of the differences from first
	first, lo, hi := 0.0, math.Inf(1), math.Inf(-1)
	n := 0
	for _, v := range row {
		f := float64(v)
		if f-f != 0 { // NaN or infinite
			continue
		}
		if n == 0 {
			first = f
		}
		n++
		d := f - first
		sum += d
		squares += d * d
		if f < lo {
			lo = f
		}
		if f > hi {
			hi = f
		}
	}
	if n == 0 {
		return
	}
	mean := first + sum/float64(n)
	m2 := max(0, squares-sum*sum/float64(n))
	if s.n == 0 {
		*s = bandStats{n: int64(n), min: lo, max: hi, mean: mean, m2: m2}
		return
	}
	total := float64(s.n) + float64(n)
	d := mean - s.mean
	s.m2 += m2 + d*d*float64(s.n)*float64(n)/total
	s.mean += d * float64(n) / total
	s.n += int64(n)
	s.min, s.max = min(s.min, lo), max(s.max, hi)
}

// items are the names GDAL keeps statistics under.
func (s *bandStats) items(cells int64) map[string]string {
	items := map[string]string{}
	if s.n == 0 {
		return items
	}
	num := func(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }
	items["STATISTICS_MINIMUM"] = num(s.min)
	items["STATISTICS_MAXIMUM"] = num(s.max)
	items["STATISTICS_MEAN"] = num(s.mean)
	items["STATISTICS_STDDEV"] = num(math.Sqrt(s.m2 / float64(s.n)))
	items["STATISTICS_VALID_PERCENT"] = strconv.FormatFloat(100*float64(s.n)/float64(cells), 'g', 4, 64)
	return items
}
