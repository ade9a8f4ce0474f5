package horizon

import (
	"math"
	"unsafe"

	"github.com/cyverse-gis/eemt/shared/raster"
)

const (
	// strip is how many sweep lines advance side by side, few enough for their hulls to stay in cache.
	strip = 256
	// between is how many columns of cells lie between the lines of a strip.
	between = strip - 1
	// fetch is how many lines of cells ahead memory is prefetched.
	fetch = 4
)

// Sweeper holds the working memory of one goroutine's sweeps.
type Sweeper struct {
	hulls       []vertex // corners of the upper hull of each line: by depth, then line
	lines       lines
	codes       [strip]Code
	raySamples  []raySample
	cellSamples []cellSample
	last        int // where lines are on the last line of cells, less their number
	halves      int // how many of raySamples, the first ones, lie half-way between lines
	far         farField
}

// frame is a sweep seen along its major axis, the one it advances on by whole cells.
type frame struct {
	cells                []float32 // with margin, minor axis contiguous
	rough                []uint8
	stride               int
	northSouth           bool // rows are the major axis
	major, minor         int  // size
	originMajor          int
	originMinor          int
	coreMajor, coreMinor int
	sizeMajor, sizeMinor int
	outMajor, outMinor   int     // strides of the output
	forward              int     // +1 when the sun lies toward rising major indices, else -1
	shift                float64 // minor cells per step toward the sun, -1..1
	distance             float64 // metres per step
	majorSize, minorSize float64 // metres of a cell
}

// Sweep writes the horizon in one grid azimuth (radians clockwise from grid
// north) for the cells of core, row-major, to out. dx and dy are the cell size in metres.
// far is what stands beyond the terrain, nil for nothing. Each cell costs O(1)
// amortised: lines run toward the azimuth from every cell of the major axis, and
// each keeps the upper hull of the terrain ahead.
func (w *Sweeper) Sweep(t *Terrain, far *Far, azimuth, dx, dy float64, core raster.Window, out []Code) {
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
			cells: t.byRow, rough: t.roughByRow, stride: t.width + 2*margin, northSouth: true, major: t.height, minor: t.width,
			originMajor: t.originRow, originMinor: t.originCol,
			coreMajor: core.Row, coreMinor: core.Col, sizeMajor: core.Height, sizeMinor: core.Width,
			outMajor: core.Width, outMinor: 1, majorSize: dy, minorSize: dx,
			forward: sign(south), shift: east / math.Abs(south), distance: 1 / math.Abs(south),
		}
	} else {
		f = frame{
			cells: t.byCol, rough: t.roughByCol, stride: t.height + 2*margin, major: t.width, minor: t.height,
			originMajor: t.originCol, originMinor: t.originRow,
			coreMajor: core.Col, coreMinor: core.Row, sizeMajor: core.Width, sizeMinor: core.Height,
			outMajor: 1, outMinor: core.Width, majorSize: dx, minorSize: dy,
			forward: sign(east), shift: south / math.Abs(east), distance: 1 / math.Abs(east),
		}
	}
	if math.Abs(math.Abs(f.shift)-1) < 1e-12 {
		f.shift = math.Copysign(1, f.shift)
	}
	w.listRaySamples(&f)
	w.listCellSamples(&f)
	w.sweep(&f, far, out)
}

// listRaySamples lists the places near every cell where rays are compared with the surface:
// where they cross the next lines of cells and, nearer, half-way between these lines.
func (w *Sweeper) listRaySamples(f *frame) {
	w.raySamples = w.raySamples[:0]
	add := func(steps float64, first, second int) {
		d := steps * f.distance
		nearer, farther, part := neighbours(f.shift * steps)
		w.raySamples = append(w.raySamples, raySample{
			nearer:  [2]int{f.forward*first*f.stride + nearer, f.forward*second*f.stride + nearer},
			farther: [2]int{f.forward*first*f.stride + farther, f.forward*second*f.stride + farther},
			part:    float32(part), inverse: float32(1 / d), drop: float32(d / (2 * EarthRadius)),
		})
	}
	for k := 1; k <= nearHalf; k++ {
		add(float64(k)-0.5, k-1, k)
	}
	w.halves = len(w.raySamples)
	for k := 1; k <= near; k++ {
		add(float64(k), k, k)
	}
}

// neighbours returns the whole numbers around a place, the nearer first, and how
// far it lies from that toward the other. Mirrored places have mirrored ones.
func neighbours(place float64) (nearer, farther int, part float64) {
	below := math.Floor(place)
	fraction := place - below
	switch {
	case fraction == 0:
		return int(below), int(below), 0
	case fraction <= 0.5:
		return int(below), int(below) + 1, fraction
	}
	return int(below) + 1, int(below), below + 1 - place
}

// listCellSamples lists the cells nearest to a ray, at steps of the mean cell size.
func (w *Sweeper) listCellSamples(f *frame) {
	w.cellSamples = w.cellSamples[:0]
	lastMajor, lastMinor := 0, 0
	for k := 1; ; k++ {
		steps := float64(k) * (f.majorSize + f.minorSize) / 2 / f.distance
		major, minor := f.forward*nearestCell(steps), nearestCell(f.shift*steps)
		if major*f.forward > nearCells {
			return
		}
		if major == lastMajor && minor == lastMinor {
			continue
		}
		lastMajor, lastMinor = major, minor
		d := math.Hypot(float64(major)*f.majorSize, float64(minor)*f.minorSize)
		w.cellSamples = append(w.cellSamples, cellSample{offset: major*f.stride + minor, inverse: float32(1 / d), drop: float32(d / (2 * EarthRadius))})
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
// line's number.
func (f *frame) offset(m int) float64 {
	return f.shift * float64(f.forward*(f.originMajor+m))
}

func (w *Sweeper) sweep(f *frame, far *Far, out []Code) {
	steps := f.coreMajor + f.sizeMajor
	start, stop := 0, steps
	if f.forward > 0 {
		start, stop = f.major-1, f.coreMajor-1
		steps = f.major - f.coreMajor
	}
	w.far.set(f, far, start)
	if need := (steps + 1) * strip; len(w.hulls) < need {
		w.hulls = make([]vertex, need)
	}
	g := lineStep{
		lines: &w.lines, out: &w.codes[0],
		raySamples: &w.raySamples[0], halves: w.halves, wholes: len(w.raySamples) - w.halves,
		cellSamples: &w.cellSamples[0], count: len(w.cellSamples),
		inverse: float32(2 / f.distance), drop: float32(f.distance / 2 / (2 * EarthRadius)), near: 2 * near,
	}
	w.last = int(math.Floor(f.offset(stop + f.forward)))
	first, last := math.MaxInt, math.MinInt
	for _, m := range []int{f.coreMajor, f.coreMajor + f.sizeMajor - 1} {
		at := int(math.Floor(f.offset(m))) - f.originMinor
		first, last = min(first, f.coreMinor-1-at), max(last, f.coreMinor+f.sizeMinor-1-at)
	}
	for line := first; line < last; line += between {
		w.lines = lines{}
		w.hulls = w.far.prepare(&w.lines, w.hulls, line, last+1, steps+1)
		g.hulls, g.capacity = &w.hulls[0], len(w.hulls)
		g.here = 0
		for m := start; m != stop; m -= f.forward {
			w.step(f, &g, m, line, last+1-line, out)
			g.here += 2
		}
	}
}

// step moves the strip that begins with a line, and has count lines at most, on to major index m.
func (w *Sweeper) step(f *frame, g *lineStep, m, line, count int, out []Code) {
	offset := f.offset(m)
	whole := int(math.Floor(offset))
	// The first line lies between minor cells at and at + 1.
	at := line + whole - f.originMinor
	nearer, farther, part := neighbours(offset)
	lo, hi := max(0, -1-at), min(strip, count, f.minor-at)
	g.inCore = 0
	if m >= f.coreMajor && m < f.coreMajor+f.sizeMajor {
		g.inCore = 1
		// Lines that have left the core are done.
		end := line + w.last - f.originMinor
		lo, hi = max(lo, f.coreMinor-1-max(at, end)), min(hi, f.coreMinor+f.sizeMinor-min(at, end))
	}
	if lo >= hi {
		return
	}
	g.first, g.end = lo&^7, (hi+7)&^7
	// Lines beside the terrain read its margin.
	row := (m + margin) * f.stride
	begin := row + margin + at
	_, _ = f.cells[begin+g.first], f.cells[begin+g.end]
	cells := unsafe.Pointer(unsafe.SliceData(f.cells))
	g.nearer = (*float32)(unsafe.Add(cells, 4*(begin+nearer-whole)))
	g.farther = (*float32)(unsafe.Add(cells, 4*(begin+farther-whole)))
	g.part = float32(part)
	g.ahead = uintptr(unsafe.Pointer(g.nearer)) - uintptr(4*fetch*f.forward*f.stride)
	advance(g)
	if g.inCore == 0 {
		return
	}
	// Cell l lies between lines l and l + 1.
	lo, hi = max(0, f.coreMinor-at-1), min(between, f.coreMinor+f.sizeMinor-at-1)
	if lo >= hi {
		return
	}
	g.first, g.end = lo&^15, (hi+15)&^15
	g.row = (*float32)(unsafe.Add(cells, 4*(begin+1)))
	g.rough = (*uint8)(unsafe.Add(unsafe.Pointer(unsafe.SliceData(f.rough)), begin+1))
	fraction := offset - float64(whole)
	g.before, g.after = float32(fraction), float32(1-fraction)
	see(g)
	codes := w.codes[lo:hi]
	to := (m-f.coreMajor)*f.outMajor + (at+1+lo-f.coreMinor)*f.outMinor
	if f.outMinor == 1 {
		copy(out[to:to+len(codes)], codes)
		return
	}
	out = out[to : to+(len(codes)-1)*f.outMinor+1]
	for c, code := range codes {
		out[c*f.outMinor] = code
	}
}
