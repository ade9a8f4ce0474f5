package terrain

import (
	"math"

	"github.com/cyverse-gis/eemt/shared/raster"
)

// Unseen stands for the filled elevation of cells that no work was done on.
var Unseen = math.Inf(-1)

// Pending stands for a contributing area that is not known yet.
const Pending = pending

// FillHalo and AreaHalo are how many cells around itself a window reads.
const (
	FillHalo = 1
	AreaHalo = 2
)

// perimeter calls f for each cell along the edge of a window.
func perimeter(w raster.Window, f func(col, row int)) {
	last := w.Row + w.Height - 1
	for r := w.Row; r <= last; r++ {
		step := max(1, w.Width-1)
		if r == w.Row || r == last {
			step = 1
		}
		for c := w.Col; c < w.Col+w.Width; c += step {
			f(c, r)
		}
	}
}

// nextUp is the next greater float64; adding 0 turns -0 into 0.
func nextUp(v float64) float64 { return math.Nextafter(v, math.Inf(1)) + 0 }

// addCell makes the region dirty that the cell at col, row lies in.
func (q *WorkQueue) addCell(col, row int, level float64) {
	q.Add([]DirtyRegion{{q.region(col, row), level}})
}

// Fill fills depressions in the window at a place, from the filled elevations that are known around it.
// elevation has the elevations of the window and FillHalo cells around it, as far as the raster reaches;
// Fill sets cells without data, which are not finite, to NaN. filled has the same cells: the filled elevations
// that are known so far, or Unseen. Fill writes those of the window that it finds. It returns where cells outside of the
// window can now be lowered.
//
// The filled elevation of a cell is max(z, nextUp(lowest filled neighbour)), of an outlet z.
// Values start too high, and are computed from values that are too high or right. So they are never too low,
// and only fall. They stop falling when the equation holds at every cell. Its solution is
// unique, since every step to the lowest neighbour descends.
func (t Tiling) Fill(at Index, elevation, filled *raster.Grid[float64]) []DirtyRegion {
	window := t.Window(at)
	padded := window.Grow(FillHalo).Intersect(t.whole())
	local := raster.Window{Col: window.Col - padded.Col, Row: window.Row - padded.Row, Width: window.Width, Height: window.Height}
	f := flood{z: elevation, filled: filled}
	z, cells, width := elevation.Cells, filled.Cells, padded.Width
	for i, v := range z {
		if !raster.Finite(v) {
			z[i], cells[i] = math.NaN(), math.NaN()
		}
	}
	was := make([]float64, 0, 2*(window.Width+window.Height))
	perimeter(local, func(c, r int) { was = append(was, cells[r*width+c]) })
	f.start(local)
	known := func(c, r int) {
		if i := r*width + c; raster.Finite(cells[i]) {
			f.open.push(cells[i], i)
		}
	}
	perimeter(raster.Window{Width: padded.Width, Height: padded.Height}, known)
	// One tile of the window may have values that its neighbour in the window lacks.
	for _, tile := range t.TilesOf(at) {
		w := t.Tile(tile.Col, tile.Row)
		w.Col -= padded.Col
		w.Row -= padded.Row
		perimeter(w, known)
	}
	f.lower(local)
	dirty := RestoreWorkQueue(t, true, nil)
	k := 0
	perimeter(local, func(c, r int) {
		i := r*width + c
		before := was[k]
		k++
		if !raster.Finite(cells[i]) || before == cells[i] {
			return
		}
		above := nextUp(cells[i])
		for d := range stepCol {
			x, y := c+stepCol[d], r+stepRow[d]
			if x < 0 || y < 0 || x >= padded.Width || y >= padded.Height || inside(local, x, y) {
				continue
			}
			n := y*width + x
			if v := max(z[n], above); v < cells[n] { // not where there is no data
				dirty.addCell(x+padded.Col, y+padded.Row, v)
			}
		}
	})
	return dirty.Remaining()
}

// start gives the cells that no work was done on +Inf, but the outlets of window among them their own elevation.
// Outlets of the halo stay unknown, since their neighbours may be missing here.
func (f *flood) start(window raster.Window) {
	cells := f.filled.Cells
	for r := range f.z.Height {
		for c := range f.z.Width {
			i := r*f.z.Width + c
			if cells[i] != Unseen {
				continue
			}
			cells[i] = math.Inf(1)
			if inside(window, c, r) && f.touchesOutside(c, r) {
				cells[i] = f.z.Cells[i] + 0
				f.open.push(cells[i], i)
			}
		}
	}
}

// lower propagates the values of the open cells within window. A cell may have a value already, which is too high or
// right: it gets the lower of both.
func (f *flood) lower(window raster.Window) {
	w := f.z.Width
	z, filled := f.z.Cells, f.filled.Cells
	var raised []entry // cells raised above their elevation: they come in rising order, and need no heap
	head := 0
	for {
		var at entry
		switch {
		case head < len(raised) && (len(f.open) == 0 || raised[head].z <= f.open[0].z):
			at = raised[head]
			head++
			if head > 1024 && 2*head > len(raised) {
				raised, head = raised[:copy(raised, raised[head:])], 0
			}
		case len(f.open) > 0:
			at.z = f.open[0].z
			at.i = f.open.pop()
		default:
			return
		}
		if filled[at.i] < at.z {
			continue // found a lower way meanwhile
		}
		above := nextUp(at.z)
		c, r := at.i%w, at.i/w
		for y := max(r-1, window.Row); y <= min(r+1, window.Row+window.Height-1); y++ {
			for n := y*w + max(c-1, window.Col); n <= y*w+min(c+1, window.Col+window.Width-1); n++ {
				switch {
				case !(above < filled[n]) || !(z[n] < filled[n]): // NaN too
				case z[n] <= above:
					filled[n] = above
					raised = append(raised, entry{above, n})
				default:
					filled[n] = z[n] + 0
					f.open.push(filled[n], n)
				}
			}
		}
	}
}

// Area sums contributing area, m2, in the window at a place, of cells whose donors are known.
// filled and area have the cells of the window and AreaHalo cells around it, as far as the
// raster reaches. filled is final; Unseen stands for cells without data. area is Pending where it is not
// known. cell has the sizes of their rows. Area returns dirty, where cells outside of the window have more known
// donors than before, and known, how many cells of the window became known, those without data included.
//
// A cell is summed after all cells that drain to it. Its own area comes
// first, then the shares of its neighbours, counter-clockwise from the east, so that
// the order of cells cannot change a bit of the sum.
func (t Tiling) Area(at Index, filled, area *raster.Grid[float64], cell raster.CellSize) (dirty []DirtyRegion, known int) {
	return t.sum(new(accumulation), at, filled, area, cell)
}

// sum is Area with the buffers of an earlier window.
func (t Tiling) sum(a *accumulation, at Index, filled, area *raster.Grid[float64], cell raster.CellSize) ([]DirtyRegion, int) {
	for i, v := range filled.Cells {
		if v == Unseen {
			filled.Cells[i] = math.NaN()
		}
	}
	window := t.Window(at)
	padded := window.Grow(AreaHalo).Intersect(t.whole())
	local := raster.Window{Col: window.Col - padded.Col, Row: window.Row - padded.Row, Width: window.Width, Height: window.Height}
	a.filled, a.area, a.cell = filled, area, cell
	pendingCells := func() (n int) {
		for r := local.Row; r < local.Row+local.Height; r++ {
			for _, v := range a.area.Row(r)[local.Col : local.Col+local.Width] {
				if v == Pending {
					n++
				}
			}
		}
		return n
	}
	before := pendingCells()
	if before == 0 {
		return nil, 0
	}
	was := make([]bool, 0, 2*(window.Width+window.Height)) // border cells that were pending
	perimeter(local, func(c, r int) { was = append(was, area.At(c, r) == Pending) })
	a.run(local)
	step := a.steps()
	dirty := RestoreWorkQueue(t, false, nil)
	k := 0
	perimeter(local, func(c, r int) {
		i := r*padded.Width + c
		k++
		if !was[k-1] || !(a.area.Cells[i] > pending) {
			return
		}
		f := facets[a.code[i]%8]
		for _, to := range []struct {
			bit uint8
			k   int
		}{{givesFirst, f.e1}, {givesSecond, f.e2}} {
			if a.code[i]&to.bit == 0 {
				continue
			}
			n := i + step[to.k]
			if x, y := n%padded.Width, n/padded.Width; !inside(local, x, y) && a.area.Cells[n] == Pending {
				dirty.addCell(x+padded.Col, y+padded.Row, a.filled.Cells[n])
			}
		}
	})
	return dirty.Remaining(), before - pendingCells()
}
