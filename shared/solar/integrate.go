package solar

import (
	"math"
	"math/bits"
)

// around is the length of a cell's horizons as the inner loop holds them: the
// azimuths with one more on each side, filled up so that indices need no check.
const around = 128

// view is one cell as the sun meets it.
type view struct {
	up, east, north float32 // surface normal, true north
	shift           float32 // what turns a sun's position into the frame of horizons
	morning         int     // the threshold above which nothing in the east hides the sun
	evening         int     // the same in the west
	horizons        [around]float32
}

// look sets up the view of cell i of the skyline, which may be nil.
func (v *view) look(pl plane, convergence float64, sky *skyline, i int) {
	v.up = float32(pl.cos)
	sin, cos := math.Sincos(pl.aspect)
	v.east, v.north = float32(pl.sin*sin), float32(pl.sin*cos)
	// In front of the slope: tan h > -tan g cos(A - a), at most tan g; in the
	// half of the sky that the slope faces, at most at its ends.
	steep := float32(pl.sin / max(pl.cos, 1e-6))
	ends := float32(math.Abs(cos)) * steep
	east, west := steep, steep
	if sin > 0 {
		east = ends
	} else {
		west = ends
	}
	v.shift = 0
	if sky != nil {
		turn := convergence / spacing
		turn -= azimuths * math.Floor(turn/azimuths)
		whole := int(turn)
		v.shift = float32(turn - float64(whole))
		codes := sky.codes[i:]
		for n, a := range sky.active {
			h := codes[n*sky.cells].Tangent()
			// True azimuth a + turn; one place is left free in front.
			at := a + whole + 1
			if at > azimuths {
				at -= azimuths
			}
			v.horizons[at&(around-1)] = h
			if h > east && (at <= azimuths/2+2 || at == azimuths) {
				east = h
			}
			if h > west && (at >= azimuths/2 || at <= 2) {
				west = h
			}
		}
		v.horizons[0] = v.horizons[azimuths]
		v.horizons[azimuths+1] = v.horizons[1]
		v.horizons[azimuths+2] = v.horizons[2]
	}
	v.morning, v.evening = threshold(east), threshold(west)
}

// threshold returns the number of the first threshold above a tangent.
func threshold(tan float32) int {
	if tan < thresholds/thresholdsPerUnit {
		return int(tan * thresholdsPerUnit)
	}
	return thresholds
}

// lit returns 1 if the sun stands above the horizon and in front of the slope.
func (v *view) lit(s *sun) uint64 {
	x := s.position - v.shift
	i := int(x)
	h := v.horizons[i&(around-1)]
	h += (x - float32(i)) * (v.horizons[(i+1)&(around-1)] - h)
	front := v.up*s.tan + v.east*s.sin + v.north*s.cos
	return uint64((math.Float32bits(front)|math.Float32bits(s.tan-h))>>31) ^ 1
}

// scan marks in mask the slots of a day that are lit.
func (v *view) scan(mask []uint64, row []sun, n *noon) {
	clear(mask)
	from, to := int(n.middle), int(n.middle)
	if v.morning < thresholds {
		from = int(n.above[v.morning][0])
	}
	if v.evening < thresholds {
		to = int(n.above[v.evening][1])
	}
	setBits(mask, from, to)
	v.test(mask, row, int(n.rise), from)
	v.test(mask, row, to, int(n.set))
}

func (v *view) test(mask []uint64, row []sun, from, to int) {
	for from < to {
		word, bit := from>>6, from&63
		end := min(to, (word+1)<<6)
		var m uint64
		for k := range row[from:end] {
			s := &row[from+k]
			x := s.position - v.shift
			i := int(x)
			h := v.horizons[i&(around-1)]
			h += (x - float32(i)) * (v.horizons[(i+1)&(around-1)] - h)
			front := v.up*s.tan + v.east*s.sin + v.north*s.cos
			m |= uint64((^(math.Float32bits(front) | math.Float32bits(s.tan-h)))>>31) << ((bit + k) & 63)
		}
		mask[word] |= m
		from = end
	}
}

// lowestRun returns the first run of set bits of a mask that is not 0.
func lowestRun(m uint64) (from, to int) {
	from = bits.TrailingZeros64(m)
	return from, min(64, from+bits.TrailingZeros64(^(m>>from)))
}

// runMask has bits from to to-1 set; there is at least one.
func runMask(from, to int) uint64 { return ^uint64(0) >> (64 - (to - from)) << from }

func setBits(mask []uint64, from, to int) {
	for from < to {
		end := min(to, (from>>6+1)<<6)
		mask[from>>6] |= runMask(from&63, end-from&^63)
		from = end
	}
}

// year is the sun's path over the year, cut at the segments.
type year struct {
	*path
	cuts   []noon
	atCuts []sun   // by cut, then slot
	bySlot []sun   // by slot, then day
	counts []uint8 // samples with the sun up, placed as a table's prefix
	runs   []int32 // the same, placed as a table's run
	months []int32 // the same, placed as a table's month
	spans  [12][2]int
	layout *layout
}

func newYear(latitude float64, l *layout) *year {
	days := make([]int, yearDays+1)
	for d := range days {
		days[d] = d + 1
	}
	y := &year{path: newPath(latitude, days, l.slots), layout: l}
	n := l.slots.n
	y.bySlot = make([]sun, len(y.days))
	for d := range days {
		for k := range n {
			y.bySlot[k*len(days)+d] = y.days[d*n+k]
		}
	}
	for _, g := range l.segments {
		y.atCuts = append(y.atCuts, y.days[(g.first-1)*n:g.first*n]...)
		y.cuts = append(y.cuts, y.noon(g.first-1))
	}
	y.atCuts = append(y.atCuts, y.days[yearDays*n:]...)
	y.cuts = append(y.cuts, y.noon(yearDays))
	last := l.segments[len(l.segments)-1]
	y.counts = make([]uint8, (last.base+last.days+1)*n)
	y.runs = make([]int32, len(l.segments)*(n+1))
	y.months = make([]int32, 12*(n+1))
	for j, g := range l.segments {
		for k := range n {
			at, count := l.prefixAt(j, k), uint8(0)
			for d := range g.days {
				if y.days[(g.first-1+d)*n+k].tan > 0 {
					count++
				}
				y.counts[at+d+1] = count
			}
			y.runs[l.runAt(j, k+1)] = y.runs[l.runAt(j, k)] + int32(count)
			y.months[l.runAt(g.month, k+1)] += y.runs[l.runAt(j, k+1)]
		}
		if y.spans[g.month][1] == 0 {
			y.spans[g.month][0] = j
		}
		y.spans[g.month][1] = j + 1
	}
	return y
}

// change returns after how many days of segment j a slot has left its first
// state: lit (1) or dark (0).
func (y *year) change(v *view, g *segment, slot int, before uint64) int {
	days := y.bySlot[slot*(yearDays+1)+g.first-1:]
	lo, hi := 0, g.days
	for hi-lo > 1 {
		mid := (lo + hi) / 2
		if v.lit(&days[mid]) == before {
			lo = mid
		} else {
			hi = mid
		}
	}
	return hi
}

// sum adds up the lit samples of each month; lower and upper are the tables of
// the elevation knots around the cell, weight that of the upper.
func (y *year) sum(v *view, masks []uint64, lower, upper *table, weight float32, out *[12]sums, counts *[12]int32) {
	l := y.layout
	n := l.slots.n
	words := (n + 63) / 64
	for b := range y.cuts {
		v.scan(masks[b*words:(b+1)*words], y.atCuts[b*n:(b+1)*n], &y.cuts[b])
	}
	for month := range 12 {
		var low, high sums
		count := int32(0)
		first, end := y.spans[month][0], y.spans[month][1]
		for w := range words {
			all := ^uint64(0)
			for j := first; j <= end; j++ {
				all &= masks[j*words+w]
			}
			run := l.runAt(month, w<<6)
			for m := all; m != 0; {
				a, b := lowestRun(m)
				m &^= runMask(a, b)
				low.addDifference(&lower.month[run+b], &lower.month[run+a])
				high.addDifference(&upper.month[run+b], &upper.month[run+a])
				count += y.months[run+b] - y.months[run+a]
			}
			for j := first; j < end; j++ {
				before, after := masks[j*words+w], masks[(j+1)*words+w]
				run := l.runAt(j, w<<6)
				for m := before & after &^ all; m != 0; {
					a, b := lowestRun(m)
					m &^= runMask(a, b)
					low.addDifference(&lower.run[run+b], &lower.run[run+a])
					high.addDifference(&upper.run[run+b], &upper.run[run+a])
					count += y.runs[run+b] - y.runs[run+a]
				}
				g := &l.segments[j]
				for part := before ^ after; part != 0; part &= part - 1 {
					bit := bits.TrailingZeros64(part)
					slot, state := w<<6+bit, before>>bit&1
					at := l.prefixAt(j, slot)
					turn := at + y.change(v, g, slot, state)
					if state == 1 {
						low.add(&lower.prefix[turn])
						high.add(&upper.prefix[turn])
						count += int32(y.counts[turn])
						continue
					}
					last := at + g.days
					low.addDifference(&lower.prefix[last], &lower.prefix[turn])
					high.addDifference(&upper.prefix[last], &upper.prefix[turn])
					count += int32(y.counts[last]) - int32(y.counts[turn])
				}
			}
		}
		for i := range low {
			out[month][i] = low[i] + weight*(high[i]-low[i])
		}
		counts[month] = count
	}
}

func (s *sums) add(t *sums) {
	for i := range s {
		s[i] += t[i]
	}
}

func (s *sums) addDifference(t, u *sums) {
	for i := range s {
		s[i] += t[i] - u[i]
	}
}

// energy turns the sums of a cell's lit samples into radiation. diffuse and
// horizontal are the sums of all samples' horizontal diffuse and beam.
func (pl *plane) energy(v *view, s *sums, count int32, diffuse, horizontal, albedo float64, p *Parameters) totals {
	t := totals{hours: float64(count) * p.StepMinutes / 60}
	up := float64(s[beamUp])
	if pl.flat {
		t.beam, t.diffuse = up, diffuse
		return t
	}
	ue, un, uu := float64(v.east), float64(v.north), float64(v.up)
	t.beam = max(0, ue*float64(s[beamEast])+un*float64(s[beamNorth])+uu*up)
	t.diffuse = diffuse*(pl.ri+unlitSky*pl.fg) + ue*float64(s[diffuseEast]) + un*float64(s[diffuseNorth]) +
		uu*float64(s[diffuseUp]) + pl.ri*float64(s[isotropic]) + pl.fg*float64(s[anisotropic])
	if !p.ReflFull {
		horizontal = up
	}
	t.reflected = albedo * (horizontal + diffuse) * pl.ground
	return t
}
