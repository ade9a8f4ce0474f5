package horizon

import "unsafe"

// Heights are compared as seen from the current place, never from the start of
// a line, so that single precision is enough wherever a tile begins.

// vertex is a corner of a line's upper hull.
type vertex struct {
	height float32
	step   float32 // a whole number, from the line's start; sweeps count half steps, in which the centres of all coarse cells lie
}

// lines are the sweep lines of a strip, side by side.
type lines struct {
	depth [strip]int32   // corners of the hull
	top   [strip]float32 // height of the last of them
	since [strip]float32 // its step
	next  [strip]float32 // height of the one below it
	below [strip]float32 // its step
	third [strip]float32 // height of the one below that; in plain Go it is not kept
	under [strip]float32 // its step
	// The corner that stands highest as seen from the line: its height, 1/distance and the
	// tangent by which the Earth sinks on the way. inverse is 0 where there is no corner
	// farther than near. The arrays are 8 longer than strip, since the last vector reads beyond it.
	apex, inverse, sink [strip + 8]float32
}

// raySample is a place near every cell of a step where the elevation of the surface is
// interpolated: between two cells of one line of cells, or half-way between two such places.
type raySample struct {
	nearer, farther [2]int  // in cells from the cell
	part            float32 // of the way from nearer to farther, 0 to a half
	inverse, drop   float32 // 1/metres to it; the tangent by which the Earth sinks on the way
}

// cellSample is a cell near every cell of a step, relative to it.
type cellSample struct {
	offset        int     // in cells
	inverse, drop float32 // as in raySample
}

// lineStep is one step of the sweep lines of a strip, along the major axis.
type lineStep struct {
	nearer, farther *float32 // the cells that line 0 lies between; those of the others follow
	hulls           *vertex
	lines           *lines
	row             *float32 // the cell between lines 0 and 1
	rough           *uint8   // how far the ground there is rough
	out             *Code
	raySamples      *raySample
	halves, wholes  int // how many raySamples lie half-way between lines of cells, and on them; the former come first
	cellSamples     *cellSample
	count           int // of cellSamples
	first           int // lines to work on, multiples of eight, or cells, of sixteen
	end             int
	here            float32 // this step
	part            float32 // of the way from nearer to farther that lines run at
	inverse         float32 // 1/metres of a step
	drop            float32 // tangent by which the Earth sinks in a step
	before, after   float32 // what the horizons of the lines before and after a cell count
	near            float32 // steps within which lines do not count
	inCore          uint32  // not 0 where the cells belong to the core, so that their horizons are wanted
	ahead           uintptr // what nearer will be in some steps, to be fetched; may point anywhere
	capacity        int     // of hulls, in corners
}

// advanceGo moves the lines by a step in plain Go. It drops the corners of each line's
// hull that cannot be seen from the new place. Where the horizons of cells are wanted it
// stores the corner that stands highest. It adds the place as a new corner, unless one of
// its two cells has no data. Products are rounded before they are added, so that all
// versions agree to the last bit.
func advanceGo(g *lineStep) {
	hulls := unsafe.Slice(g.hulls, g.capacity)
	n := g.lines
	for l := g.first; l < g.end; l++ {
		p := *(*float32)(unsafe.Add(unsafe.Pointer(g.nearer), 4*l))
		q := *(*float32)(unsafe.Add(unsafe.Pointer(g.farther), 4*l))
		z := p + float32(g.part*(q-p))
		partial := min(p, q) < noData
		if partial {
			z = max(p, q)
		}
		depth := n.depth[l]
		if g.inCore != 0 {
			n.inverse[l] = 0
		}
		if z < noData {
			continue
		}
		var apex, step float32
		if depth > 0 {
			apex, step = n.top[l], n.since[l]
			run := g.here - step
			per := g.inverse / run
			best := float32((apex-z)*per) - float32(g.drop*run)
			for depth > 1 {
				v := vertex{n.next[l], n.below[l]}
				if depth < n.depth[l] {
					v = hulls[int(depth-2)*strip+l]
				}
				r := g.here - v.step
				i := g.inverse / r
				t := float32((v.height-z)*i) - float32(g.drop*r)
				if !(t >= best) {
					break
				}
				apex, step, run, per, best = v.height, v.step, r, i, t
				depth--
			}
			if g.inCore != 0 && run > g.near {
				n.apex[l], n.inverse[l], n.sink[l] = apex, per, float32(g.drop*run)
			}
		}
		if !partial {
			hulls[int(depth)*strip+l] = vertex{z, g.here}
			n.top[l], n.since[l], n.next[l], n.below[l] = z, g.here, apex, step
			n.depth[l] = depth + 1
		}
	}
}

// seeGo finds the horizons of the cells of a step in plain Go.
func seeGo(g *lineStep) {
	n := g.lines
	rays, cellSamples := unsafe.Slice(g.raySamples, g.halves+g.wholes), unsafe.Slice(g.cellSamples, g.count)
	for l := g.first; l < g.end; l++ {
		cell := unsafe.Add(unsafe.Pointer(g.row), 4*l)
		z := *(*float32)(cell)
		out := (*Code)(unsafe.Add(unsafe.Pointer(g.out), 2*l))
		if z < noData {
			*out = 0
			continue
		}
		above := func(offset int) float32 { return *(*float32)(unsafe.Add(cell, 4*offset)) - z }
		var t float32
		rough := *(*uint8)(unsafe.Add(unsafe.Pointer(g.rough), l))
		if rough < 255 {
			for i := range rays {
				o := &rays[i]
				p, q := above(o.nearer[0]), above(o.farther[0])
				d := p + float32(o.part*(q-p))
				if i < g.halves {
					p, q = above(o.nearer[1]), above(o.farther[1])
					d = (d + (p + float32(o.part*(q-p)))) * 0.5
				}
				t = max(t, float32(d*o.inverse)-o.drop)
			}
		}
		if rough > 0 {
			var s float32
			for i := range cellSamples {
				o := &cellSamples[i]
				s = max(s, float32(above(o.offset)*o.inverse)-o.drop)
			}
			t += float32(float32(float32(rough)*(1.0/255)) * (s - t))
		}
		left, right := t, t
		if n.inverse[l] > 0 {
			left = float32((n.apex[l]-z)*n.inverse[l]) - n.sink[l]
		}
		if n.inverse[l+1] > 0 {
			right = float32((n.apex[l+1]-z)*n.inverse[l+1]) - n.sink[l+1]
		}
		*out = encode(max(t, float32(g.before*left)+float32(g.after*right)))
	}
}
