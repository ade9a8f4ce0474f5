package solar

import (
	"math"
	"slices"
)

// azimuths is how many horizons surround a cell, evenly spaced from grid north.
const azimuths = 120

const spacing = 2 * math.Pi / azimuths

// yearDays is the length of the solar year.
const yearDays = 365

// season cuts the year by declination: at a given time of day the sun of a place
// depends on nothing else, so that the way up from December to June and the way
// down see it in the same places. Horizons are tested at the nodes; between two
// of them a time of day changes between lit and dark once at most.
type season struct {
	declination []float64 // at the nodes, rising
	half        [2]half   // the way up, the way down
	whole       [12]int   // the node whose lit samples stand for a whole month, before corrections
}

// half is one of the ways between the solstices.
type half struct {
	days    []int   // by rising declination
	starts  []int   // entry of the first of days of each month's part
	month   []uint8 // by the interval after a node
	entry   []int16 // by interval and share of it: the entry for a change there
	count   []int16 // by entry: days that the change adds when lit before it, takes when lit after
	entries int
}

// Nodes are as far apart as declination may change, in radians, less than the
// spacing of horizons, so that one is crossed once; and no more than longest days.
const (
	stride  = 1.6 * math.Pi / 180
	longest = 8
)

// shares is how finely a change is placed between two nodes.
const shares = 64

// solstices: the first day of the way down, and of the way up.
const (
	juneSolstice     = 172
	decemberSolstice = 356
)

func newSeason() *season {
	s := &season{}
	for day := decemberSolstice; day < decemberSolstice+yearDays; day++ {
		d := (day-1)%yearDays + 1
		if d >= juneSolstice && d < decemberSolstice {
			s.half[1].days = append(s.half[1].days, d)
		} else {
			s.half[0].days = append(s.half[0].days, d)
		}
	}
	slices.Reverse(s.half[1].days)
	lowest, highest := math.Inf(1), math.Inf(-1)
	var cuts []float64
	for _, h := range s.half {
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
	s.declination = cuts[:1:1]
	for i := range len(cuts) - 1 {
		s.cut(cuts[i], cuts[i+1])
	}
	last := len(s.declination) - 1
	for m := range s.whole {
		s.whole[m] = -1
	}
	for n := range s.half {
		s.half[n].place(s.declination)
		for j, m := range s.half[n].month {
			s.whole[m] = max(s.whole[m], j+1)
		}
	}
	// Both parts of December, and of June, meet at their solstice.
	s.whole[11], s.whole[5] = 0, last
	return s
}

// below counts the days of a half with a declination below d.
func (h *half) below(d float64) int {
	n, _ := slices.BinarySearchFunc(h.days, d, func(day int, d float64) int {
		if Declination(day) < d {
			return -1
		}
		return 1
	})
	return n
}

// cut appends nodes after from, up to and with to.
func (s *season) cut(from, to float64) {
	n := int(math.Ceil((to - from) / stride))
	for i := range n {
		a, b := from+(to-from)*float64(i)/float64(n), from+(to-from)*float64(i+1)/float64(n)
		for _, h := range s.half {
			if first, end := h.below(a), h.below(b); end-first > longest {
				k := (first + end) / 2
				middle := (Declination(h.days[k-1]) + Declination(h.days[k])) / 2
				s.cut(a, middle)
				a = middle
			}
		}
		s.declination = append(s.declination, b)
	}
}

// place numbers the entries of a half: one more than days for each month's part.
func (h *half) place(nodes []float64) {
	first := make([]int, 0, 8) // rank of the first day of each part
	for i, d := range h.days {
		if i == 0 || MonthOf(h.days[i-1]) != MonthOf(d) {
			h.starts = append(h.starts, i+len(first))
			first = append(first, i)
		}
	}
	h.entries = len(h.days) + len(first)
	h.count = make([]int16, h.entries)
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
			h.count[h.starts[part]+k] = int16(k - less)
		}
	}
	for j := range len(nodes) - 1 {
		from, to := nodes[j], nodes[j+1]
		// The part that the interval lies in; without days it adds nothing or all of a part.
		part := 0
		for part+1 < len(first) && (Declination(h.days[first[part+1]-1])+Declination(h.days[first[part+1]]))/2 < (from+to)/2 {
			part++
		}
		h.month = append(h.month, uint8(MonthOf(h.days[first[part]])))
		for k := range shares {
			d := from + (to-from)*(float64(k)+0.5)/shares
			h.entry = append(h.entry, int16(h.below(d)+part))
		}
	}
}

// part returns the days of a month's part, and of the entries of a half its own.
func (h *half) part(n int, entries []sums) (days []int, own []sums) {
	from, to := h.starts[n], h.entries
	if n+1 < len(h.starts) {
		to = h.starts[n+1]
	}
	return h.days[from-n : to-n-1], entries[from:to]
}

// slots is the range of samples of a day in which the sun is up on any day.
type slots struct {
	first, n int
	middle   int     // the first at noon or later, from first
	step     float64 // hours
}

// activeSlots finds the slots in which the sun is up at some latitude between both, in radians.
func activeSlots(minLatitude, maxLatitude, step float64) slots {
	longest := 0.0
	for _, lat := range []float64{minLatitude, maxLatitude} {
		longest = max(longest, DayLength(lat, juneSolstice), DayLength(lat, decemberSolstice))
	}
	half := longest/2 + 0.1
	first := max(0, int(math.Floor((12-half)/step-0.5)))
	last := min(slotsPerDay(step)-1, int(math.Ceil((12+half)/step-0.5)))
	s := slots{first: first, n: last - first + 1, step: step}
	for s.middle < s.n && hourAngle(s.first+s.middle, step) < 0 {
		s.middle++
	}
	return s
}

// words is how many 32-bit words hold a bit for each slot.
func (s slots) words() int { return (s.n + 31) / 32 }

// sun is where the sun stands in a slot, ready for comparison with horizons.
type sun struct {
	tan  float32 // of its altitude; not above 0 while it is down
	sin  float32 // of its azimuth, from grid north
	cos  float32
	part float32 // how far it stands from one horizon's azimuth to the next, 0 to 1
	at   uint32  // bytes from the first horizon of a block's cells to that azimuth's
	bit  uint32  // of the slot, in its word of 32
}

// path is the sun's path at one latitude and convergence: by node of
// declination, then by slot.
type path struct {
	slots     slots
	suns      []sun
	rise, set []int16 // by node: the slots between which the sun is up
	// planes tells for each azimuth whether the sun can stand beside it before
	// noon (all bits of the first) and after (of the second).
	planes [azimuths][2]uint32
}

// newPath computes the sun's places at a latitude in radians, for declinations
// and a bin of convergence.
func newPath(latitude float64, declinations []float64, convergence int, s slots) *path {
	p := &path{slots: s, suns: make([]sun, len(declinations)*s.n), rise: make([]int16, len(declinations)), set: make([]int16, len(declinations))}
	at := newSite(latitude)
	for q, delta := range declinations {
		sinDelta, cosDelta := math.Sincos(delta)
		row := p.suns[q*s.n : (q+1)*s.n]
		rise, set := 0, s.n
		for k := range row {
			sinH, azimuth := at.position(sinDelta, cosDelta, hourAngle(s.first+k, s.step))
			x := azimuth/spacing - float64(convergence)/convergenceBins
			x -= azimuths * math.Floor(x/azimuths)
			a := min(int(x), azimuths-1)
			sin, cos := math.Sincos(x * spacing)
			row[k] = sun{
				sin:  float32(sin),
				cos:  float32(cos),
				tan:  float32(sinH / math.Sqrt(max(1e-12, 1-sinH*sinH))),
				part: float32(x - float64(a)),
				at:   uint32(a * lanes * 4),
				bit:  1 << (k & 31),
			}
			if sinH > 0 {
				side := 0
				if k >= s.middle {
					side = 1
				}
				p.planes[a][side], p.planes[(a+1)%azimuths][side] = math.MaxUint32, math.MaxUint32
			}
		}
		for rise < s.middle && !(row[rise].tan > 0) {
			rise++
		}
		for set > s.middle && !(row[set-1].tan > 0) {
			set--
		}
		p.rise[q], p.set[q] = int16(rise), int16(set)
	}
	return p
}

// Cells share the sun's path within a thousandth of a degree of latitude and
// within a 64th of the spacing of horizons of convergence, 0.05 degrees. What the
// sun sends is interpolated between nodes of a tenth of a degree. All count from
// zero, so that tiles agree.
const (
	latitudeBins    = 1000 // per degree
	nodeEvery       = 100  // bins
	convergenceBins = 64   // per spacing of horizons
)

func latitudeBin(latitude float64) int {
	return int(math.Round(latitude * 180 / math.Pi * latitudeBins))
}

func convergenceBin(convergence float64) int {
	turns := convergence / (2 * math.Pi)
	return int(math.Round((turns - math.Floor(turns)) * azimuths * convergenceBins))
}

func floorDiv(a, b int) int {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// binLatitude returns a bin's latitude in radians. Poles are kept short of 90
// degrees, where azimuth has no meaning.
func binLatitude(bin int) float64 {
	const limit = 89.99999
	d := float64(bin) / latitudeBins
	return max(-limit, min(limit, d)) * math.Pi / 180
}
