package sun

import (
	"math"
	"slices"
)

// YearDays is the length of the solar year.
const YearDays = 365

// Season divides the year by declination. At a given place and time of day the position of
// the sun depends on declination alone, so that the half of the year in which it rises and
// the half in which it falls share their positions of the sun. Horizons are tested at nodes
// of declination. Between two nodes a time of day changes between lit and dark at most once.
type Season struct {
	Declination []float64 // at the nodes, radians, rising
	Halves      [2]Half   // December to June, June to December
	Whole       [12]int   // for each month the node whose lit samples stand for all its days, before corrections
}

// Half is the half of the year between two solstices. Each of its months has a part of its
// entries: one for each number of days of the month with a declination below that of a change.
type Half struct {
	Month   []uint8 // of the interval between a node and the next
	Entry   []int16 // by interval, then share of it: the entry for a change between lit and dark there
	Count   []int16 // by entry: days that the change adds when the time is lit before it, subtracts when lit after it
	Entries int
	days    []int // by rising declination
	starts  []int // first entry of each month's part
}

// Nodes are at most stride apart in declination (radians). That is less than the spacing of
// horizons in azimuth, so that the sun crosses at most one of them between two nodes. They
// are at most longest days apart too.
const (
	stride  = 1.6 * math.Pi / 180
	longest = 8
)

// Shares is into how many parts an interval between two nodes is divided to place a change between lit and dark.
const Shares = 64

// The first day of the half in which declination falls, and of the one in which it rises.
const (
	juneSolstice     = 172
	decemberSolstice = 356
)

// NewSeason returns the division of a solar year.
func NewSeason() *Season {
	s := &Season{}
	for day := decemberSolstice; day < decemberSolstice+YearDays; day++ {
		d := (day-1)%YearDays + 1
		if d >= juneSolstice && d < decemberSolstice {
			s.Halves[1].days = append(s.Halves[1].days, d)
		} else {
			s.Halves[0].days = append(s.Halves[0].days, d)
		}
	}
	slices.Reverse(s.Halves[1].days)
	lowest, highest := math.Inf(1), math.Inf(-1)
	var cuts []float64
	for _, h := range s.Halves {
		for i, d := range h.days {
			delta := Declination(d)
			lowest, highest = min(lowest, delta), max(highest, delta)
			if i > 0 && MonthOf(h.days[i-1]) != MonthOf(d) {
				cuts = append(cuts, (Declination(h.days[i-1])+delta)/2)
			}
		}
	}
	const beyond = 1e-6
	cuts = append(cuts, lowest-beyond, highest+beyond)
	slices.Sort(cuts)
	s.Declination = cuts[:1:1]
	for i := range len(cuts) - 1 {
		s.cut(cuts[i], cuts[i+1])
	}
	last := len(s.Declination) - 1
	for m := range s.Whole {
		s.Whole[m] = -1
	}
	for n := range s.Halves {
		s.Halves[n].place(s.Declination)
		for j, m := range s.Halves[n].Month {
			s.Whole[m] = max(s.Whole[m], j+1)
		}
	}
	// Both parts of December, and of June, meet at their solstice.
	s.Whole[11], s.Whole[5] = 0, last
	return s
}

// below counts the days of a half with a declination below d, radians.
func (h *Half) below(d float64) int {
	n, _ := slices.BinarySearchFunc(h.days, d, func(day int, d float64) int {
		if Declination(day) < d {
			return -1
		}
		return 1
	})
	return n
}

// cut appends nodes between the declinations from and to, and to itself.
func (s *Season) cut(from, to float64) {
	n := int(math.Ceil((to - from) / stride))
	for i := range n {
		a, b := from+(to-from)*float64(i)/float64(n), from+(to-from)*float64(i+1)/float64(n)
		for _, h := range s.Halves {
			if first, end := h.below(a), h.below(b); end-first > longest {
				k := (first + end) / 2
				middle := (Declination(h.days[k-1]) + Declination(h.days[k])) / 2
				s.cut(a, middle)
				a = middle
			}
		}
		s.Declination = append(s.Declination, b)
	}
}

// place numbers the entries of a half. The part of a month has one more than it has days.
func (h *Half) place(nodes []float64) {
	first := make([]int, 0, 8) // rank of the first day of each part
	for i, d := range h.days {
		if i == 0 || MonthOf(h.days[i-1]) != MonthOf(d) {
			h.starts = append(h.starts, i+len(first))
			first = append(first, i)
		}
	}
	h.Entries = len(h.days) + len(first)
	h.Count = make([]int16, h.Entries)
	for part, a := range first {
		end := len(h.days)
		if part+1 < len(first) {
			end = first[part+1]
		}
		less := 0
		if MonthOf(h.days[a]) == 11 {
			less = end - a
		}
		for k := 0; k <= end-a; k++ {
			h.Count[h.starts[part]+k] = int16(k - less)
		}
	}
	for j := range len(nodes) - 1 {
		from, to := nodes[j], nodes[j+1]
		// The part that the interval lies in; without days it adds nothing or all of a part.
		part := 0
		for part+1 < len(first) && (Declination(h.days[first[part+1]-1])+Declination(h.days[first[part+1]]))/2 < (from+to)/2 {
			part++
		}
		h.Month = append(h.Month, uint8(MonthOf(h.days[first[part]])))
		for k := range Shares {
			d := from + (to-from)*(float64(k)+0.5)/Shares
			h.Entry = append(h.Entry, int16(h.below(d)+part))
		}
	}
}

// Part returns the days of the n-th month in a half, by rising declination, and the range of its entries.
func (h *Half) Part(n int) (days []int, from, to int) {
	from, to = h.starts[n], h.Entries
	if n+1 < len(h.starts) {
		to = h.starts[n+1]
	}
	return h.days[from-n : to-n-1], from, to
}

// Parts is how many months have days in a half.
func (h *Half) Parts() int { return len(h.starts) }
