package solar

import (
	"math"
)

// azimuths is how many horizons surround a cell, evenly spaced from grid north.
const azimuths = 120

const spacing = 2 * math.Pi / azimuths

// yearDays is the length of the solar year.
const yearDays = 365

// segment is a run of days of one month over which the sun's altitude at a
// given time of day only rises or only falls, so that a time of day changes
// between lit and dark once.
type segment struct {
	month, first, days int
	base               int // entries of a table before this segment, for one slot
}

// stride is how far the declination may change over a segment, in radians: less
// than the spacing of horizons, so that one is crossed once. longest bounds a
// segment's days near the solstices, where that alone would let it grow.
const (
	stride  = 1.6 * math.Pi / 180
	longest = 8
)

// segments cuts the year at the months and the solstices, and then by declination.
func segments() []segment {
	const june, december = 172, 355
	var out []segment
	base := 0
	cut := func(month, first, last int) {
		change := math.Abs(Declination(last+1) - Declination(first))
		n := max((last-first+longest)/longest, int(math.Ceil(change/stride)))
		for i := range n {
			from, to := first+i*(last+1-first)/n, first+(i+1)*(last+1-first)/n
			out = append(out, segment{month: month, first: from, days: to - from, base: base})
			base += to - from + 1
		}
	}
	for month := range 12 {
		first, last := DaysOf(month)
		for _, solstice := range []int{june, december} {
			if first < solstice && solstice <= last {
				cut(month, first, solstice-1)
				first = solstice
			}
		}
		cut(month, first, last)
	}
	return out
}

// sun is where the sun stands, ready for comparison with a horizon.
type sun struct {
	tan      float32 // of its altitude; not above 0 while it is down
	sin, cos float32 // of its azimuth
	position float32 // its azimuth in units of the spacing of horizons, 1 to azimuths+1
}

// slots is the range of samples of a day in which the sun is up on any day.
type slots struct {
	first, n int
	step     float64 // hours
}

// activeSlots finds the slots in which the sun is up at some latitude between both, in radians.
func activeSlots(minLatitude, maxLatitude, step float64) slots {
	longest := 0.0
	for _, lat := range []float64{minLatitude, maxLatitude} {
		longest = max(longest, DayLength(lat, 172), DayLength(lat, 355))
	}
	half := longest/2 + 0.1
	first := max(0, int(math.Floor((12-half)/step-0.5)))
	last := min(slotsPerDay(step)-1, int(math.Ceil((12+half)/step-0.5)))
	return slots{first: first, n: last - first + 1, step: step}
}

// thresholds is how many heights the tables of high sun distinguish, in
// tangents of 1/thresholdsPerUnit.
const (
	thresholds        = 128
	thresholdsPerUnit = 32
)

// noon tells between which slots the sun of one day is up, and for each
// threshold from which slot on it stands higher and until which; the slots
// before middle are the morning's.
type noon struct {
	rise, middle, set int16
	above             [thresholds][2]int16
}

// path is the sun's path at one latitude: on chosen days, by slot.
type path struct {
	slots slots
	days  []sun // by day, then slot
}

// noon sums up the sun's altitudes on one of the days.
func (p *path) noon(day int) noon { return newNoon(p.days[day*p.slots.n:(day+1)*p.slots.n], p.slots) }

// newPath computes the sun's places at a latitude in radians on days.
func newPath(latitude float64, days []int, s slots) *path {
	p := &path{slots: s, days: make([]sun, len(days)*s.n)}
	at := newSite(latitude)
	for i, day := range days {
		sinDelta, cosDelta := math.Sincos(Declination(day))
		row := p.days[i*s.n : (i+1)*s.n]
		for k := range row {
			sinH, azimuth := at.position(sinDelta, cosDelta, hourAngle(s.first+k, s.step))
			row[k] = newSun(sinH, azimuth)
		}
	}
	return p
}

func newSun(sinH, azimuth float64) sun {
	sin, cos := math.Sincos(azimuth)
	x := azimuth / spacing
	if x < 0 {
		x += azimuths
	}
	return sun{
		tan:      float32(sinH / math.Sqrt(max(1e-12, 1-sinH*sinH))),
		sin:      float32(sin),
		cos:      float32(cos),
		position: 1 + float32(x),
	}
}

func newNoon(row []sun, s slots) (o noon) {
	middle := 0
	for middle < s.n && hourAngle(s.first+middle, s.step) < 0 {
		middle++
	}
	from, to := 0, len(row)
	for q := range thresholds + 1 {
		// Altitude rises to noon and falls again.
		t := float32(q) / thresholdsPerUnit
		for from < middle && !(row[from].tan > t) {
			from++
		}
		for to > middle && !(row[to-1].tan > t) {
			to--
		}
		if q == 0 {
			o.rise, o.middle, o.set = int16(from), int16(middle), int16(to)
		} else {
			o.above[q-1] = [2]int16{int16(from), int16(to)}
		}
	}
	return o
}

// Places share the sun's path and what it sends within a thousandth of a degree
// of latitude, interpolated between knots of a tenth. Both count from the
// equator, so that tiles agree.
const (
	latitudeBins = 1000 // per degree
	knotEvery    = 100  // bins
)

func latitudeBin(latitude float64) int {
	return int(math.Round(latitude * 180 / math.Pi * latitudeBins))
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
