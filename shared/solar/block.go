package solar

import (
	"math"
	"math/bits"

	"github.com/cyverse-gis/eemt/shared/calendar"
	"github.com/cyverse-gis/eemt/shared/solar/horizon"
	"github.com/cyverse-gis/eemt/shared/solar/sun"
)

// lanes is how many cells go through the inner loops side by side.
const lanes = 8

// bearing is an azimuth with a plane of horizons.
type bearing struct {
	at               uint32 // bytes from the first horizon of a block's cells to this azimuth's
	morning, evening uint32 // all bits set if the sun can stand beside it before and after noon
	sin, cos         float32
}

// block is up to lanes cells that are tested against the sun together: their horizons, their
// slopes, and the time slots in which they are lit.
type block struct {
	horizons      [(azimuths + 1) * lanes]float32 // tangents by grid azimuth, then cell; the first again at the end
	east, north   [lanes]float32                  // horizontal part of the surface normal over its vertical part, from grid north
	before, after [lanes]float32                  // nothing hides the sun above these tangents, before and after noon
	codes         [azimuths * lanes]horizon.Code  // horizons of cells that do not lie side by side
	masks         [][lanes]uint32                 // by node, then word: bits of the slots that are lit
}

// raise sets the horizons, and the tangents of altitude above which neither they nor the
// slope hide the sun. The sun is in front of a slope of angle g and aspect A when tan h > -tan g cos(A - a). codes
// holds each bearing's for the cells, stride apart.
func (b *block) raise(codes []horizon.Code, stride int, bearings []bearing) {
	if len(bearings) == 0 {
		return
	}
	_ = codes[(len(bearings)-1)*stride+lanes-1]
	raise(b, &codes[0], stride, &bearings[0], len(bearings))
	copy(b.horizons[azimuths*lanes:], b.horizons[:lanes])
}

// peaks returns the tangents above which nothing hides the sun from any of the
// cells, before and after noon.
func (b *block) peaks() (before, after float32) {
	for c := range lanes {
		before, after = max(before, b.before[c]), max(after, b.after[c])
	}
	// Between two bearings a slope may stand a little higher than at both.
	const higher = 1.0004
	return before * higher, after * higher
}

// light finds the lit slots of every node.
func (b *block) light(p *path) {
	words := p.slots.Words()
	before, after := b.peaks()
	from, to := p.slots.Middle, p.slots.Middle
	for q := range p.rise {
		suns := p.suns[q*p.slots.N : (q+1)*p.slots.N]
		rise, set := int(p.rise[q]), int(p.set[q])
		// Altitude rises to noon and falls again: what is above all horizons lies in the middle.
		from, to = max(from, rise), min(to, set)
		for from > rise && suns[from-1].tan > before {
			from--
		}
		for from < p.slots.Middle && !(suns[from].tan > before) {
			from++
		}
		for to < set && suns[to].tan > after {
			to++
		}
		for to > p.slots.Middle && !(suns[to-1].tan > after) {
			to--
		}
		for w := range words {
			m := &b.masks[q*words+w]
			clear := wordMask(from-w*32, to-w*32)
			for c := range m {
				m[c] = clear
			}
			if a, end := max(rise, w*32), min(from, w*32+32); a < end {
				shine(m, b, &suns[a], end-a)
			}
			if a, end := max(to, w*32), min(set, w*32+32); a < end {
				shine(m, b, &suns[a], end-a)
			}
		}
	}
}

// wordMask has bits from to to-1 of a word set, as far as they lie in it.
func wordMask(from, to int) uint32 {
	from, to = max(from, 0), min(to, 32)
	if from >= to {
		return 0
	}
	return math.MaxUint32 >> (32 - (to - from)) << from
}

// transition returns in which share of the interval from one node of declination to the next,
// 0 to shares-1, a slot of one cell changes between lit and dark.
func (b *block) transition(from, to *sunPosition, c int, wasLit bool) int {
	h0, h1 := b.horizon(from, c), b.horizon(to, c)
	// Where the sun is down horizons need not be known.
	if from.tan <= 0 {
		h0 = h1
	}
	if to.tan <= 0 {
		h1 = h0
	}
	e0, e1 := from.tan-h0, to.tan-h1
	f0, f1 := b.facing(from, c), b.facing(to, c)
	slope := f0 / (f0 - f1)
	if (e0 > 0) == (e1 > 0) {
		return shareAt(slope)
	}
	terrain := e0 / (e0 - e1)
	// The horizon is linear between two bearings only. Where a bearing lies between both suns,
	// test once more at the crossing that was found, and interpolate again.
	x0, x1 := from.position(), to.position()
	if from.at != to.at && from.tan > 0 && to.tan > 0 && max(x0-x1, x1-x0) < azimuths/2 {
		x := x0 + float32(terrain*(x1-x0))
		a := int(x)
		i := a*lanes + c
		h := b.horizons[i]
		h += float32((x - float32(a)) * (b.horizons[i+lanes] - h))
		e := from.tan + float32(terrain*(to.tan-from.tan)) - h
		if (e > 0) == (e0 > 0) {
			terrain += float32((1 - terrain) * (e / (e - e1)))
		} else {
			terrain *= e0 / (e0 - e)
		}
	}
	if (f0 > 0) == (f1 > 0) {
		return shareAt(terrain)
	}
	if wasLit {
		return shareAt(min(terrain, slope))
	}
	return shareAt(max(terrain, slope))
}

func shareAt(at float32) int { return max(0, min(sun.Shares-1, int(at*sun.Shares))) }

// position returns the sun's azimuth from grid north, in units of the spacing of horizons.
func (s *sunPosition) position() float32 { return float32(s.at/(lanes*4)) + s.part }

// horizon returns the tangent of one cell's horizon under a sun.
func (b *block) horizon(s *sunPosition, c int) float32 {
	i := int(s.at/4) + c
	h := b.horizons[i]
	return h + float32(s.part*(b.horizons[i+lanes]-h))
}

// facing is positive when the sun is in front of the slope of a cell: the sine of incidence
// over the cosines of altitude and slope.
func (b *block) facing(s *sunPosition, c int) float32 {
	return float32(s.tan+float32(b.east[c]*s.sin)) + float32(b.north[c]*s.cos)
}

// changes lists which sums of a table make up the months of one cell, and
// counts its lit samples.
type changes struct {
	plus, minus [12][]int32 // places in a table, to add and to take
	count       [12]int32
}

func (l *layout) changes(b *block, c int, p *path, out *changes) {
	words := p.slots.Words()
	masks := b.masks
	for m := range 12 {
		out.count[m] = int32(out.runs(m, masks[l.season.Whole[m]*words:][:words], c, l.runAt(m, 0), p.slots.N) * calendar.Days[m])
	}
	up, down := &l.season.Halves[0], &l.season.Halves[1]
	upAt, downAt := int32(l.changesAt(0)), int32(l.changesAt(1))
	for j := range up.Month {
		for w := range words {
			first, then := masks[j*words+w][c], masks[(j+1)*words+w][c]
			for part := first ^ then; part != 0; part &= part - 1 {
				bit := bits.TrailingZeros32(part)
				k := w*32 + bit
				share := j*sun.Shares + b.transition(&p.suns[j*p.slots.N+k], &p.suns[(j+1)*p.slots.N+k], c, first>>bit&1 == 1)
				m0, m1 := up.Month[j], down.Month[j]
				n0, n1 := up.Entry[share], down.Entry[share]
				a0, a1 := upAt+int32(k*up.Entries)+int32(n0), downAt+int32(k*down.Entries)+int32(n1)
				if first>>bit&1 == 1 {
					out.plus[m0] = append(out.plus[m0], a0)
					out.plus[m1] = append(out.plus[m1], a1)
					out.count[m0] += int32(up.Count[n0])
					out.count[m1] += int32(down.Count[n1])
				} else {
					out.minus[m0] = append(out.minus[m0], a0)
					out.minus[m1] = append(out.minus[m1], a1)
					out.count[m0] -= int32(up.Count[n0])
					out.count[m1] -= int32(down.Count[n1])
				}
			}
		}
	}
}

// runs begins a month's lists with the runs of lit slots of a row of masks, for
// sums of the first 0, 1, ... of n slots from base on. It returns how many are lit.
func (o *changes) runs(month int, row [][lanes]uint32, c, base, n int) (lit int) {
	plus, minus := o.plus[month][:0], o.minus[month][:0]
	before := uint32(0) // the last bit of the word before
	for w := range row {
		now := row[w][c]
		lit += bits.OnesCount32(now)
		for edges := now ^ (now<<1 | before); edges != 0; edges &= edges - 1 {
			at := bits.TrailingZeros32(edges)
			if now>>at&1 == 1 {
				minus = append(minus, int32(base+w*32+at))
			} else {
				plus = append(plus, int32(base+w*32+at))
			}
		}
		before = now >> 31
	}
	if before == 1 {
		plus = append(plus, int32(base+n))
	}
	o.plus[month], o.minus[month] = plus, minus
	return lit
}

// corners are the tables around a cell in latitude and elevation, with their weights.
type corners struct {
	tables  [4]*table
	weights [4]float32
}

// sum adds up the tables' sums in the places of plus, less those of minus.
func (c *corners) sum(plus, minus []int32) (out sums) {
	gather(&out, c, plus, minus)
	return out
}

// open returns the horizontal beam of all samples of a month.
func (c *corners) open(month int) float64 {
	sum := float32(0)
	for i, t := range c.tables {
		sum += float32(c.weights[i] * t.open[month])
	}
	return float64(sum)
}
