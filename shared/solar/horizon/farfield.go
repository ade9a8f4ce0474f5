package horizon

import (
	"math"
	"slices"

	"github.com/cyverse-gis/eemt/shared/raster"
)

// Sweep lines share the hull of the line of far terrain in their middle: as many as
// lie within 1/packets of the distance where a ring begins. Of the coarse cells of a
// line that lie within 1/runs of it the highest is enough: another hides at most that
// much more.
const (
	packets = 128
	runs    = 64
)

// within returns the greatest power of two, or 1, of which parts do not go beyond.
func within(parts, beyond int) int {
	n := 1
	for 2*n*parts <= beyond {
		n *= 2
	}
	return n
}

// farField makes the hulls of far terrain with which the lines of one sweep begin.
type farField struct {
	frame  *frame
	levels []pyramidLevel // the farthest first
	origin int            // of heights above the curved Earth: the block's first cell on the major axis, ahead
	start  int            // where sweep lines start, ahead
	own    []maximum
}

// pyramidLevel is a ring seen along a frame's major axis, with the hull of all that stands
// on one of its lines and farther.
type pyramidLevel struct {
	cells               []float32
	majorStride, stride int
	factor, width       int    // cells of a coarse cell, lines of a packet
	major, minor        [2]int // coarse cells with data: first and end
	// Windows of the raster, as major first and end, minor first and end: the ring's, and
	// the one inside, which nearer levels cover.
	outer, inner [4]int
	run          int // coarse cells along the line, of which the highest is enough
	line         int // the first of the packet that hull is of
	hull         []maximum
	end          float64 // how far ahead the hull ends
}

// maximum is a corner of the upper hull of the far field: the highest cell of a run of coarse cells.
type maximum struct {
	ahead  int // half cells along the major axis, rising toward the sun
	z      float32
	along  float64 // metres from the origin
	height float64 // z less along²/2R
}

// set prepares far terrain for a frame whose lines start at a major index; nil stands
// for none.
func (o *farField) set(f *frame, far *Far, start int) {
	o.frame, o.start = f, f.forward*(f.originMajor+start)
	n := 0
	if far != nil {
		n = len(far.Rings)
	}
	for len(o.levels) < n {
		o.levels = append(o.levels, pyramidLevel{})
	}
	o.levels = o.levels[:n]
	if n == 0 {
		return
	}
	axes := func(w raster.Window) [4]int {
		if f.northSouth {
			return [4]int{w.Row, w.Row + w.Height, w.Col, w.Col + w.Width}
		}
		return [4]int{w.Col, w.Col + w.Width, w.Row, w.Row + w.Height}
	}
	o.origin = f.forward * axes(far.Block)[0]
	inner := f.window()
	for i := range far.Rings {
		g := &far.Rings[i]
		data := axes(raster.Window{Col: g.Col, Row: g.Row, Width: g.EastWest.Width, Height: g.EastWest.Height})
		v := pyramidLevel{
			cells: g.EastWest.Cells, majorStride: 1, stride: g.EastWest.Width, factor: g.Factor, width: within(packets, g.Inner),
			major: [2]int(data[:2]), minor: [2]int(data[2:]),
			outer: axes(far.Block.Grow(g.Outer)), inner: inner, run: within(runs*g.Factor, g.Inner), line: math.MinInt,
		}
		if f.northSouth {
			v.cells, v.majorStride, v.stride = g.NorthSouth.Cells, g.NorthSouth.Width, 1
		}
		inner = v.outer
		at := &o.levels[n-1-i]
		v.hull = at.hull // for its memory
		*at = v
	}
}

// window returns the window of the terrain as major first and end, minor first and end.
func (f *frame) window() [4]int {
	return [4]int{f.originMajor, f.originMajor + f.major, f.originMinor, f.originMinor + f.minor}
}

// entry returns how far ahead a line, a place on the minor axis, comes into a window.
func (f *frame) entry(line float64, w [4]int) float64 {
	t := float64(w[1]) - 0.5
	if f.forward < 0 {
		t = 0.5 - float64(w[0])
	}
	switch {
	case f.shift > 0:
		t = min(t, (float64(w[3])-0.5-line)/f.shift)
	case f.shift < 0:
		t = min(t, (float64(w[2])-0.5-line)/f.shift)
	}
	return t
}

// hull returns the hull of what stands on the packet that a line belongs to, at
// level i or farther.
func (o *farField) hull(i, line int) *pyramidLevel {
	v := &o.levels[i]
	first := floorDiv(line, v.width) * v.width
	if v.line == first {
		return v
	}
	v.line = first
	n, last := float64(first)+float64(v.width-1)/2, first+v.width-1
	v.hull = v.hull[:0]
	if i > 0 {
		// The farther levels end where the first line of the packet enters this one.
		farther := o.hull(i-1, first)
		v.hull = append(v.hull, farther.hull...)
		v.hull = o.walk(farther, n, farther.end, o.frame.entry(n, v.outer)-float64(farther.factor)/2, v.hull)
	}
	v.end = max(o.frame.entry(float64(first), v.inner), o.frame.entry(float64(last), v.inner))
	if i < len(o.levels)-1 {
		v.end -= float64(v.factor) / 2 // a coarse cell that is partly inside belongs to both: rather twice than not at all
	}
	v.hull = o.walk(v, n, o.frame.entry(n, v.outer), v.end, v.hull)
	return v
}

// walk adds to a hull the level's coarse cells nearest to a line, from far to near,
// with centres ahead of to, no farther than from and nearer than all corners.
func (o *farField) walk(v *pyramidLevel, line, from, to float64, hull []maximum) []maximum {
	f := o.frame
	// Coarse cell m of the major axis has its centre at factor * u + centre ahead, u being forward * m.
	factor := float64(v.factor)
	centre := float64(f.forward) * (factor - 1) / 2
	high, low := int(math.Floor((from-centre)/factor)), int(math.Floor((to-centre)/factor))+1
	if f.forward > 0 {
		high, low = min(high, v.major[1]-1), max(low, v.major[0])
	} else {
		high, low = min(high, -v.major[0]), max(low, 1-v.major[1])
	}
	centres := f.forward * (v.factor - 1) // in half cells
	if len(hull) > 0 {
		high = min(high, floorDiv(hull[len(hull)-1].ahead-1-centres, 2*v.factor))
	}
	// Where the line is on the minor axis, in coarse cells and 2^-40 of them.
	const one = 1 << 40
	base, step := int64(math.Floor((line+f.shift*centre+0.5)/factor*one)), int64(math.Round(f.shift*one))
	cell := func(u int) float32 {
		k := int((base + step*int64(u)) >> 40)
		if k < v.minor[0] || k >= v.minor[1] {
			return hole
		}
		return v.cells[(f.forward*u-v.major[0])*v.majorStride+(k-v.minor[0])*v.stride]
	}
	top := len(hull)
	hull = slices.Grow(hull, max(0, high-low+1))[:top+max(0, high-low+1)]
	for u := high; u >= low; u-- {
		at, z := u, cell(u)
		for ; u > low && u&(v.run-1) != 0; u-- {
			if nearer := cell(u - 1); !(nearer < z) && nearer > noData {
				at, z = u-1, nearer
			}
		}
		if !(z > noData) {
			continue
		}
		p := maximum{ahead: 2*v.factor*at + centres, z: z}
		p.along = float64(p.ahead-2*o.origin) * f.distance / 2
		p.height = float64(z) - p.along*p.along/(2*EarthRadius)
		for top > 1 && (hull[top-1].height-p.height)*(hull[top-2].along-p.along) <= (hull[top-2].height-p.height)*(hull[top-1].along-p.along) {
			top--
		}
		hull[top] = p
		top++
	}
	return hull[:top]
}

// prepare begins the hulls of a strip's lines, up to line end. It returns hulls, or
// larger ones with capacity for that many more steps.
func (o *farField) prepare(g *lines, hulls []vertex, line, end, steps int) []vertex {
	near := len(o.levels) - 1
	if near < 0 {
		return hulls
	}
	for l := line; l < min(line+strip, end); l++ {
		v := o.hull(near, l)
		hull := v.hull
		if entry := o.frame.entry(float64(l), v.inner); entry < v.end {
			o.own = o.walk(v, float64(l), v.end, entry, append(o.own[:0], hull...))
			hull = o.own
		}
		depth := len(hull)
		if depth == 0 {
			continue
		}
		if need := (depth + steps) * strip; need > len(hulls) {
			hulls = append(hulls, make([]vertex, need-len(hulls))...)
		}
		at := l - line
		for i, s := range hull {
			hulls[i*strip+at] = vertex{s.z, float32(2*o.start - s.ahead)}
		}
		g.depth[at] = int32(depth)
		last := hulls[(depth-1)*strip+at]
		g.top[at], g.since[at] = last.height, last.step
		below := func(k int) vertex { return hulls[max(0, depth-k)*strip+at] }
		next, third := below(2), below(3)
		g.next[at], g.below[at] = next.height, next.step
		g.third[at], g.under[at] = third.height, third.step
	}
	return hulls
}
