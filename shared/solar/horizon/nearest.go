package horizon

import (
	"math"
	"unsafe"
)

// strip is how many sweep lines advance side by side.
const strip = 256

// nearestSweep sweeps for Nearest, in float32. Heights are compared as seen from the
// cell at hand, never from the start of the line, so that precision does not
// depend on where a tile begins.
type nearestSweep struct {
	heights []float32 // corners of the upper hull of each line: by depth, then line
	steps   []int32   // theirs, from the line's start
	depth   [strip]int32
	codes   [strip]Code
	looks   []nearLook
}

// nearLook is a cell near every cell of a front.
type nearLook struct {
	offset        int // in cells
	inverse, drop float32
}

// front is one step of the lines of a strip.
type front struct {
	row     *float32 // the cell of the first line; the lines lie side by side from there
	heights *float32
	steps   *int32
	depth   *int32
	out     *Code // the horizon of the first line's cell; nil where none is wanted
	looks   *nearLook
	count   int // of looks
	first   int // lines, multiples of eight
	end     int
	here    int32   // this step
	inverse float32 // 1/metres of a step
	drop    float32 // tangent by which the Earth sinks in a step
}

// offsetNearest returns where lines cross major index m: their minor index, less the line's number.
func (f *frame) offsetNearest(m int) int {
	return int(math.Floor(f.shift*float64(f.forward*(f.originMajor+m))+0.5)) - f.originMinor
}

func (w *nearestSweep) sweep(f *frame, out []Code) {
	steps := f.coreMajor + f.sizeMajor
	start, stop := 0, steps
	if f.forward > 0 {
		start, stop = f.major-1, f.coreMajor-1
		steps = f.major - f.coreMajor
	}
	if need := (steps + 1) * strip; len(w.heights) < need {
		w.heights, w.steps = make([]float32, need), make([]int32, need)
	}
	w.looks = w.looks[:0]
	for _, l := range f.looks {
		w.looks = append(w.looks, nearLook{offset: l.major*f.stride + l.minor, inverse: float32(l.inverse), drop: float32(l.drop)})
	}
	g := front{
		heights: &w.heights[0], steps: &w.steps[0], depth: &w.depth[0],
		inverse: float32(1 / f.distance), drop: float32(f.distance / (2 * EarthRadius)),
	}
	if len(w.looks) > 0 {
		g.looks, g.count = &w.looks[0], len(w.looks)
	}
	first, last := math.MaxInt, math.MinInt
	for _, m := range []int{f.coreMajor, f.coreMajor + f.sizeMajor - 1} {
		at := f.offsetNearest(m)
		first, last = min(first, f.coreMinor-at), max(last, f.coreMinor+f.sizeMinor-at)
	}
	for line := first; line < last; line += strip {
		clear(w.depth[:])
		g.here = 0
		for m := start; m != stop; m -= f.forward {
			at := line + f.offsetNearest(m)
			lo, hi := max(0, -at), min(strip, f.minor-at)
			if lo < hi {
				g.first, g.end = lo&^7, (hi+7)&^7
				// Lines beside the terrain read its margin.
				cells := f.cells[(m+margin)*f.stride+margin+at+g.first:]
				_ = cells[g.end-g.first-1]
				g.row = (*float32)(unsafe.Add(unsafe.Pointer(&cells[0]), -4*g.first))
				g.out = nil
				wanted := m >= f.coreMajor && m < f.coreMajor+f.sizeMajor
				if wanted {
					g.out = &w.codes[0]
				}
				advance(&g)
				if wanted {
					w.write(f, m, at, out)
				}
			}
			g.here++
		}
	}
}

// write hands on the horizons of the core's cells at major index m; line 0 lies at minor cell at.
func (w *nearestSweep) write(f *frame, m, at int, out []Code) {
	lo, hi := max(0, f.coreMinor-at), min(strip, f.coreMinor+f.sizeMinor-at)
	if lo >= hi {
		return
	}
	codes := w.codes[lo:hi]
	first := (m-f.coreMajor)*f.outMajor + (at+lo-f.coreMinor)*f.outMinor
	if f.outMinor == 1 {
		copy(out[first:first+len(codes)], codes)
		return
	}
	out = out[first : first+(len(codes)-1)*f.outMinor+1]
	for c, code := range codes {
		out[c*f.outMinor] = code
	}
}

// advanceGo moves the front by a step in plain Go: it drops the corners of each
// line's hull that the cell there cannot see, finds its horizon, adds the cell.
// Products are rounded before they are added, so that all versions agree to the
// last bit.
func advanceGo(g *front) {
	heights := unsafe.Slice(g.heights, (int(g.here)+1)*strip)
	steps := unsafe.Slice(g.steps, (int(g.here)+1)*strip)
	depths := (*[strip]int32)(unsafe.Pointer(g.depth))
	looks := unsafe.Slice(g.looks, g.count)
	for l := g.first; l < g.end; l++ {
		cell := (*float32)(unsafe.Add(unsafe.Pointer(g.row), 4*l))
		z := *cell
		if z < noData {
			if g.out != nil {
				*(*Code)(unsafe.Add(unsafe.Pointer(g.out), 2*l)) = 0
			}
			continue
		}
		depth := depths[l]
		var best, run float32
		if depth > 0 {
			at := int(depth-1)*strip + l
			run = float32(g.here - steps[at])
			best = float32((heights[at]-z)*float32(g.inverse/run)) - float32(g.drop*run)
			for depth > 1 {
				at -= strip
				r := float32(g.here - steps[at])
				t := float32((heights[at]-z)*float32(g.inverse/r)) - float32(g.drop*r)
				if t < best {
					break
				}
				best, run = t, r
				depth--
			}
		}
		heights[int(depth)*strip+l], steps[int(depth)*strip+l] = z, g.here
		depths[l] = depth + 1
		if g.out == nil {
			continue
		}
		if run <= near {
			best = 0
		}
		best = max(best, 0)
		for i := range looks {
			o := &looks[i]
			a := *(*float32)(unsafe.Add(unsafe.Pointer(cell), 4*o.offset))
			best = max(best, float32((a-z)*o.inverse)-o.drop)
		}
		*(*Code)(unsafe.Add(unsafe.Pointer(g.out), 2*l)) = encode(best)
	}
}
