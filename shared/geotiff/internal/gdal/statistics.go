package gdal

import (
	"math"
	"strconv"
)

// Statistics are those of a band or a part of it, over the cells with data.
type Statistics struct {
	n        int64
	min, max float64
	mean, m2 float64 // m2: sum of squared differences from the mean
}

// Of adds some cells; those that are NaN or infinite do not count.
func (s *Statistics) Of(cells []float64) {
	var sum, squares float64 // of the differences from first
	first, lo, hi := 0.0, math.Inf(1), math.Inf(-1)
	n := 0
	for _, f := range cells {
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
	s.add(Statistics{n: int64(n), min: lo, max: hi, mean: first + sum/float64(n), m2: max(0, squares-sum*sum/float64(n))})
}

// add merges other cells (Chan, Golub, LeVeque 1979).
func (s *Statistics) add(o Statistics) {
	if o.n == 0 {
		return
	}
	if s.n == 0 {
		*s = o
		return
	}
	total := float64(s.n) + float64(o.n)
	d := o.mean - s.mean
	s.m2 += o.m2 + d*d*float64(s.n)*float64(o.n)/total
	s.mean += d * float64(o.n) / total
	s.n += o.n
	s.min, s.max = min(s.min, o.min), max(s.max, o.max)
}

// Merge adds the statistics of blocks in their order, in which they need not have come.
func Merge(blocks []Statistics) *Statistics {
	var s Statistics
	for _, b := range blocks {
		s.add(b)
	}
	return &s
}

// Items are the statistics under the names that GDAL keeps them by, of a band of so many cells; none without data.
func (s *Statistics) Items(cells int64) map[string]string {
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
