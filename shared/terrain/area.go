package terrain

import (
	"math"

	"github.com/cyverse-gis/eemt/shared/raster"
)

// The eight neighbours, counter-clockwise from east.
const (
	east = iota
	northEast
	north
	northWest
	west
	southWest
	south
	southEast
)

var (
	stepCol = [8]int{1, 1, 0, -1, -1, -1, 0, 1}
	stepRow = [8]int{0, -1, -1, -1, 0, 1, 1, 1}
)

// facets lists the triangles around a cell in Tarboton's order: the cardinal
// and the diagonal neighbour that span each with the cell.
var facets = [8]struct{ e1, e2 int }{
	{east, northEast},
	{north, northEast},
	{north, northWest},
	{west, northWest},
	{west, southWest},
	{south, southWest},
	{south, southEast},
	{east, southEast},
}

// flow is where the water of a cell goes: share to neighbour e1 of the facet,
// the rest to neighbour e2. drains is false for an outlet.
type flow struct {
	facet  int
	share  float64
	drains bool
}

// dInfinity finds the steepest of the eight facets (Tarboton 1997) from the
// drops to the neighbours, z - z_k in metres, NaN for a neighbour without data; the
// first facet wins ties. A facet with a missing corner has no slope.
func dInfinity(drop *[8]float64, dx, dy float64) flow {
	if f := steepest(drop, dx, dy); f.drains {
		return f
	}
	// The drops are scaled up and the steepest facet is sought again, since filled flats
	// at sea level fall by 5e-324 m from cell to cell, which vanishes when squared. The
	// direction does not depend on the scale. A large drop is limited and keeps its sign alone.
	const scale, limit = 0x1p1000, 1e100
	var scaled [8]float64
	for k, d := range drop {
		scaled[k] = max(-limit, min(limit, d*scale)) // NaN stays NaN
	}
	return steepest(&scaled, dx, dy)
}

func steepest(drop *[8]float64, dx, dy float64) flow {
	diagonal2 := dx*dx + dy*dy
	best, bestFacet := 0.0, -1 // squared slope: the root would not change the order
	for k, f := range facets {
		d1, d2 := dx, dy
		if f.e1 == north || f.e1 == south {
			d1, d2 = dy, dx
		}
		s1 := drop[f.e1] / d1
		s2 := (drop[f.e2] - drop[f.e1]) / d2
		var s float64
		switch {
		case s2 < 0: // r < 0: along the cardinal edge
			if s1 <= 0 {
				continue
			}
			s = s1 * s1
		case s2*d1 > s1*d2: // r > atan(d2/d1): along the diagonal edge
			if drop[f.e2] <= 0 {
				continue
			}
			s = drop[f.e2] * drop[f.e2] / diagonal2
		default:
			s = s1*s1 + s2*s2
		}
		if s > best {
			best, bestFacet = s, k
		}
	}
	if bestFacet < 0 {
		return flow{}
	}
	f := facets[bestFacet]
	d1, d2 := dx, dy
	if f.e1 == north || f.e1 == south {
		d1, d2 = dy, dx
	}
	out := flow{facet: bestFacet, drains: true}
	s1 := drop[f.e1] / d1
	s2 := (drop[f.e2] - drop[f.e1]) / d2
	switch {
	case s2 <= 0:
		out.share = 1
	case s2*d1 >= s1*d2:
		out.share = 0
	default:
		out.share = 1 - math.Atan2(s2, s1)/math.Atan2(d2, d1)
	}
	return out
}

// pending stands for an area that is not known yet.
const pending = -1.0

// accumulation finds the area of cells whose donors are known.
type accumulation struct {
	filled, area *raster.Grid[float64]
	cell         raster.CellSize
	code         []uint8   // of each cell's flow
	share        []float64 // what its first receiver gets
	waiting      []uint8   // donors without an area, at most 8
	ready        []int
}

// Codes of a flow: 0 for an outlet, else its facet with the receivers that get any of it.
const (
	givesFirst  = 8
	givesSecond = 16
	unknown     = 255
)

func (f flow) code() uint8 {
	if !f.drains {
		return 0
	}
	c := uint8(f.facet)
	if f.share > 0 {
		c |= givesFirst
	}
	if f.share < 1 {
		c |= givesSecond
	}
	return c
}

// receiver says which receiver of a flow a neighbour is.
type receiver uint8

const (
	noReceiver receiver = iota
	firstReceiver
	secondReceiver
)

// receivers has for each code of a flow what the neighbour in each direction is to it.
var receivers = func() (r [32][8]receiver) {
	for code := range r {
		f := facets[code%8]
		if code&givesFirst != 0 {
			r[code][f.e1] = firstReceiver
		}
		if code&givesSecond != 0 {
			r[code][f.e2] = secondReceiver
		}
	}
	return r
}()

// run sums the area of the cells of window that are pending. The grid reaches two cells
// beyond window, unless the terrain ends there. Cells downstream of one that is pending
// outside of window stay pending.
func (a *accumulation) run(window raster.Window) {
	w, step := a.filled.Width, a.steps()
	around := window.Grow(1).Intersect(a.filled.Bounds())
	a.prepare(around)
	a.countDonors(around, &step)
	for r := window.Row; r < window.Row+window.Height; r++ {
		for start := r*w + window.Col; start < r*w+window.Col+window.Width; start++ {
			if a.area.Cells[start] == pending && a.waiting[start] == 0 {
				a.follow(start, window, &step)
			}
		}
	}
}

// prepare forgets the flow of the cells of around. Cells without data get no area.
func (a *accumulation) prepare(around raster.Window) {
	w := a.filled.Width
	a.code = grown(a.code, len(a.filled.Cells))
	a.share = grown(a.share, len(a.filled.Cells))
	a.waiting = grown(a.waiting, len(a.filled.Cells))
	for r := around.Row; r < around.Row+around.Height; r++ {
		for i := r*w + around.Col; i < r*w+around.Col+around.Width; i++ {
			a.code[i], a.waiting[i] = unknown, 0
			if !raster.Finite(a.filled.Cells[i]) {
				a.code[i], a.area.Cells[i] = 0, math.NaN()
			}
		}
	}
}

// countDonors counts for each cell its donors in around that are pending.
func (a *accumulation) countDonors(around raster.Window, step *[8]int) {
	w, area := a.filled.Width, a.area.Cells
	for r := around.Row; r < around.Row+around.Height; r++ {
		for i := r*w + around.Col; i < r*w+around.Col+around.Width; i++ {
			if area[i] != pending {
				continue
			}
			if code := a.codeOf(i); code != 0 {
				f := facets[code%8]
				if code&givesFirst != 0 {
					a.waiting[i+step[f.e1]]++
				}
				if code&givesSecond != 0 {
					a.waiting[i+step[f.e2]]++
				}
			}
		}
	}
}

// follow sums the area of a cell that waits for no donor, and of all downstream that then wait for none.
func (a *accumulation) follow(start int, window raster.Window, step *[8]int) {
	a.ready = append(a.ready[:0], start)
	for len(a.ready) > 0 {
		i := a.ready[len(a.ready)-1]
		a.ready = a.ready[:len(a.ready)-1]
		a.collect(i)
		code := a.code[i]
		f := facets[code%8]
		if code&givesFirst != 0 {
			a.donorDone(i+step[f.e1], window)
		}
		if code&givesSecond != 0 {
			a.donorDone(i+step[f.e2], window)
		}
	}
}

// codeOf returns the code of a cell's flow, which it computes at the first call: of most cells
// whose area was known before no call comes.
func (a *accumulation) codeOf(i int) uint8 {
	if a.code[i] == unknown {
		f := a.flow(i%a.filled.Width, i/a.filled.Width)
		a.code[i], a.share[i] = f.code(), f.share
	}
	return a.code[i]
}

// donorDone takes one from the donors that cell i waits for. The cell is ready when none is left.
func (a *accumulation) donorDone(i int, window raster.Window) {
	a.waiting[i]--
	if a.waiting[i] == 0 && a.area.Cells[i] == pending && inside(window, i%a.filled.Width, i/a.filled.Width) {
		a.ready = append(a.ready, i)
	}
}

func inside(w raster.Window, col, row int) bool {
	return col >= w.Col && row >= w.Row && col < w.Col+w.Width && row < w.Row+w.Height
}

// collect sums the area of a cell whose donors are known.
func (a *accumulation) collect(i int) {
	w, h := a.filled.Width, a.filled.Height
	c, r := i%w, i/w
	sum := a.cell.DX[r] * a.cell.DY[r]
	for k := range stepCol {
		x, y := c+stepCol[k], r+stepRow[k]
		if x < 0 || y < 0 || x >= w || y >= h {
			continue
		}
		n := y*w + x
		switch receivers[a.codeOf(n)][(k+4)%8] {
		case firstReceiver:
			sum += a.share[n] * a.area.Cells[n]
		case secondReceiver:
			sum += a.area.Cells[n] - a.share[n]*a.area.Cells[n]
		}
	}
	a.area.Cells[i] = sum
}

// steps are the distances to the neighbours in memory.
func (a *accumulation) steps() (step [8]int) {
	for k := range step {
		step[k] = stepRow[k]*a.filled.Width + stepCol[k]
	}
	return step
}

// flow finds where the water of the cell at column c and row r goes.
func (a *accumulation) flow(c, r int) flow {
	w, h := a.filled.Width, a.filled.Height
	cells := a.filled.Cells
	i := r*w + c
	z := cells[i]
	var drop [8]float64
	if c > 0 && r > 0 && c < w-1 && r < h-1 {
		up, here, down := cells[i-w-1:i-w+2], cells[i-1:i+2], cells[i+w-1:i+w+2]
		drop = [8]float64{
			z - here[2], z - up[2], z - up[1], z - up[0],
			z - here[0], z - down[0], z - down[1], z - down[2],
		}
	} else {
		for k := range drop {
			x, y := c+stepCol[k], r+stepRow[k]
			if x < 0 || y < 0 || x >= w || y >= h {
				drop[k] = math.NaN()
				continue
			}
			drop[k] = z - a.filled.At(x, y)
		}
	}
	return dInfinity(&drop, a.cell.DX[r], a.cell.DY[r])
}

// grown returns n values, in b where they fit.
func grown[T any](b []T, n int) []T {
	if cap(b) < n {
		return make([]T, n)
	}
	return b[:n]
}
