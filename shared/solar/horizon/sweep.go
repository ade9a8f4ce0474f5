package horizon

import (
	"math"

	"github.com/cyverse-gis/eemt/shared/raster"
)

// lines is how many sweep lines advance together: their hulls stay in cache.
const lines = 256

// vertex is a corner of a line's upper hull.
type vertex struct {
	height float64 // elevation less s²/2R, s the distance from the line's start
	step   int32   // from the line's start
}

// Sweeper holds the working memory of one goroutine's sweeps; the upper part is for Bilinear.
type Sweeper struct {
	hulls    []vertex // capacity vertices for each line
	depth    [lines + 1]int32
	apexStep [lines + 1]int32 // steps from the line's point to the tangent point of its hull, 0 for none
	apexZ    [lines + 1]float64
	tangents [lines + 1]float64
	inv      []float64 // 1/distance by steps
	drop     []float64 // distance/2R by steps
	looks    []look
	nearest  nearestSweep
}

// frame is a sweep seen along its major axis, the one it advances on by whole cells.
type frame struct {
	cells                []float32 // with margin, minor axis contiguous
	stride               int
	major, minor         int // size
	originMajor          int
	originMinor          int
	coreMajor, coreMinor int
	sizeMajor, sizeMinor int
	outMajor, outMinor   int     // strides of the output
	forward              int     // +1 when the sun lies toward rising major indices, else -1
	shift                float64 // minor cells per step toward the sun, -1..1
	distance             float64 // metres per step
	sampling             Sampling
	looks                []look
}

// look is a sample near a cell, in the frame of the sweep.
type look struct {
	major, next, minor int     // next is a second major index, to take the mean with
	fraction           float64 // of the way to the next minor cell
	inverse, drop      float64 // 1/distance, distance/2R
	at, nextAt         int     // indices of the samples of minor cell 0, kept by cells
}

// Sweep writes the horizon in one grid azimuth (radians clockwise from grid
// north) for the cells of core, row-major, to out. dx and dy are the cell size in metres.
// Each cell costs O(1) amortised: lines run toward the azimuth from every cell
// of the major axis, and each keeps the upper hull of the terrain ahead.
func (w *Sweeper) Sweep(t *Terrain, sampling Sampling, azimuth, dx, dy float64, core raster.Window, out []Code) {
	sin, cos := math.Sincos(azimuth)
	east, south := sin/dx, -cos/dy // cells per metre toward the azimuth
	const tiny = 1e-12             // keeps cardinal directions on their row or column
	if math.Abs(east) < tiny {
		east = 0
	}
	if math.Abs(south) < tiny {
		south = 0
	}
	var f frame
	if math.Abs(south) >= math.Abs(east) {
		f = frame{
			cells: t.byRow, stride: t.width + 2*margin, major: t.height, minor: t.width,
			originMajor: t.originRow, originMinor: t.originCol,
			coreMajor: core.Row, coreMinor: core.Col, sizeMajor: core.Height, sizeMinor: core.Width,
			outMajor: core.Width, outMinor: 1,
			forward: sign(south), shift: east / math.Abs(south), distance: 1 / math.Abs(south),
		}
	} else {
		f = frame{
			cells: t.byCol, stride: t.height + 2*margin, major: t.width, minor: t.height,
			originMajor: t.originCol, originMinor: t.originRow,
			coreMajor: core.Col, coreMinor: core.Row, sizeMajor: core.Width, sizeMinor: core.Height,
			outMajor: 1, outMinor: core.Width,
			forward: sign(east), shift: south / math.Abs(east), distance: 1 / math.Abs(east),
		}
	}
	if math.Abs(math.Abs(f.shift)-1) < 1e-12 {
		f.shift = math.Copysign(1, f.shift)
	}
	f.sampling = sampling
	f.looks = w.looks[:0]
	if sampling == Bilinear {
		f.lookBetween()
	} else {
		f.lookAtCells(dx, dy, east, south)
	}
	w.looks = f.looks
	if sampling == Nearest {
		w.nearest.sweep(&f, out)
		return
	}
	w.sweep(&f, out)
}

// lookBetween looks at the surface where the ray crosses the next lines of
// cells, and half-way between them.
func (f *frame) lookBetween() {
	for j := 1; j <= 2*near; j++ {
		steps := float64(j) / 2
		q := f.shift * steps
		d := steps * f.distance
		f.looks = append(f.looks, look{
			major: j / 2 * f.forward, next: (j + 1) / 2 * f.forward, minor: int(math.Floor(q)), fraction: q - math.Floor(q),
			inverse: 1 / d, drop: d / (2 * EarthRadius),
		})
	}
}

// lookAtCells looks at the cells nearest to the ray at steps of the mean cell size.
func (f *frame) lookAtCells(dx, dy, east, south float64) {
	majorSize, minorSize, majorRate, minorRate := dy, dx, south, east
	if math.Abs(south) < math.Abs(east) {
		majorSize, minorSize, majorRate, minorRate = dx, dy, east, south
	}
	for k := 1; ; k++ {
		length := float64(k) * (dx + dy) / 2
		major, minor := nearestCell(length*majorRate), nearestCell(length*minorRate)
		if major*f.forward > near {
			return
		}
		if n := len(f.looks); major == 0 && minor == 0 || n > 0 && f.looks[n-1].major == major && f.looks[n-1].minor == minor {
			continue
		}
		d := math.Hypot(float64(major)*majorSize, float64(minor)*minorSize)
		f.looks = append(f.looks, look{major: major, minor: minor, inverse: 1 / d, drop: d / (2 * EarthRadius)})
	}
}

// nearestCell rounds an offset in cells, half-way ones toward 0 on either
// side, so that mirrored terrain has mirrored horizons.
func nearestCell(offset float64) int {
	return int(math.Copysign(math.Ceil(math.Abs(offset)-0.5-1e-9), offset))
}

func sign(v float64) int {
	if v < 0 {
		return -1
	}
	return 1
}

// offset returns where lines cross major index m: their minor index, less the
// line's number, as a whole number and a fraction.
func (f *frame) offset(m int) (whole int, fraction float64) {
	q := f.shift * float64(f.forward*(f.originMajor+m))
	floor := math.Floor(q)
	return int(floor) - f.originMinor, q - floor
}

func (w *Sweeper) sweep(f *frame, out []Code) {
	steps := f.coreMajor + f.sizeMajor
	start, stop := 0, steps
	if f.forward > 0 {
		start, stop = f.major-1, f.coreMajor-1
		steps = f.major - f.coreMajor
	}
	w.prepare(steps, f.distance)
	first, last := math.MaxInt, math.MinInt
	for _, m := range []int{f.coreMajor, f.coreMajor + f.sizeMajor - 1} {
		whole, _ := f.offset(m)
		first = min(first, f.coreMinor-1-whole)
		last = max(last, f.coreMinor+f.sizeMinor-1-whole)
	}
	for line := first; line < last; line += lines {
		clear(w.depth[:])
		n := min(lines, last-line) + 1
		step := 0
		for m := start; m != stop; m -= f.forward {
			whole, fraction := f.offset(m)
			w.advance(f, m, line+whole, n, fraction, steps, step)
			if m >= f.coreMajor && m < f.coreMajor+f.sizeMajor {
				w.cells(f, m, line+whole, n, fraction, out)
			}
			step++
		}
	}
}

// prepare sizes the working memory for lines of a number of steps.
func (w *Sweeper) prepare(steps int, distance float64) {
	if need := (lines + 1) * steps; len(w.hulls) < need {
		w.hulls = make([]vertex, need)
	}
	if len(w.inv) < steps+1 {
		w.inv, w.drop = make([]float64, steps+1), make([]float64, steps+1)
	}
	for k := 1; k <= steps; k++ {
		d := float64(k) * distance
		w.inv[k], w.drop[k] = 1/d, d/(2*EarthRadius)
	}
}

// advance adds major index m to the hulls of n lines, the first of which lies
// between minor cells at and at+1, and finds each line's tangent point.
func (w *Sweeper) advance(f *frame, m, at, n int, fraction float64, capacity, step int) {
	s := float64(step) * f.distance
	sink := s * s / (2 * EarthRadius)
	row := f.cells[(m+margin)*f.stride+margin-1:]
	lo := min(n, max(0, -1-at))
	hi := max(lo, min(n, f.minor-at))
	for l := 0; l < lo; l++ {
		w.apexStep[l] = 0
	}
	for l := hi; l < n; l++ {
		w.apexStep[l] = 0
	}
	for l := lo; l < hi; l++ {
		a, b := float64(row[at+l+1]), float64(row[at+l+2])
		z := a + fraction*(b-a)
		partial := z < noData // beside a hole: looks out, but hides nothing
		if partial {
			switch {
			case a > noData:
				z = a
			case b > noData && fraction > 0:
				z = b
			default:
				w.apexStep[l] = 0
				continue
			}
		}
		z -= sink
		hull := w.hulls[l*capacity : (l+1)*capacity]
		top := int(w.depth[l]) - 1
		if top < 0 {
			w.apexStep[l] = 0
		} else {
			here := int32(step)
			apex := hull[top]
			rise, run := apex.height-z, float64(here-apex.step)
			for top > 0 {
				next := hull[top-1]
				nextRise, nextRun := next.height-z, float64(here-next.step)
				if nextRise*run < rise*nextRun {
					break
				}
				apex, rise, run = next, nextRise, nextRun
				top--
			}
			w.apexStep[l] = here - apex.step
			d := float64(apex.step) * f.distance
			w.apexZ[l] = apex.height + d*d/(2*EarthRadius)
		}
		if !partial {
			hull[top+1] = vertex{z, int32(step)}
			w.depth[l] = int32(top + 2)
		}
	}
}

// cells writes the horizons of the core's cells between the n lines at major
// index m; line 0 lies between minor cells at and at+1.
func (w *Sweeper) cells(f *frame, m, at, n int, fraction float64, out []Code) {
	lo, hi := max(at+1, f.coreMinor), min(at+n, f.coreMinor+f.sizeMinor)
	if lo >= hi {
		return
	}
	for i := range f.looks {
		o := &f.looks[i]
		o.at = (m+margin+o.major)*f.stride + margin + o.minor
		o.nextAt = o.at + (o.next-o.major)*f.stride
	}
	here := f.cells[(m+margin)*f.stride+margin+lo:][:hi-lo]
	t := w.tangents[:len(here)]
	clear(t)
	for i := range f.looks {
		o := &f.looks[i]
		a, b := f.cells[o.at+lo:][:len(here)], f.cells[o.at+lo+1:][:len(here)]
		a2, b2 := f.cells[o.nextAt+lo:][:len(here)], f.cells[o.nextAt+lo+1:][:len(here)]
		for c, z := range here {
			first := float64(a[c]) + o.fraction*(float64(b[c])-float64(a[c]))
			second := float64(a2[c]) + o.fraction*(float64(b2[c])-float64(a2[c]))
			t[c] = max(t[c], ((first+second)/2-float64(z))*o.inverse-o.drop)
		}
	}
	first := (m-f.coreMajor)*f.outMajor + (lo-f.coreMinor)*f.outMinor
	for c, own := range here {
		o, z := first+c*f.outMinor, float64(own)
		if z < noData {
			out[o] = 0
			continue
		}
		line := lo + c - at
		left, right := t[c], t[c]
		if k := w.apexStep[line-1]; k > near && fraction > 0 {
			left = (w.apexZ[line-1]-z)*w.inv[k] - w.drop[k]
		}
		if k := w.apexStep[line]; k > near {
			right = (w.apexZ[line]-z)*w.inv[k] - w.drop[k]
		}
		out[o] = Encode(max(t[c], fraction*left+(1-fraction)*right))
	}
}
