package terrain

import (
	"math"

	"github.com/cyverse-gis/eemt/shared/raster"
)

// FillDepressions returns the elevations raised so that every cell drains over
// a strictly descending path to the edge of the grid or to a cell without data
// (Priority-Flood with epsilon, Barnes et al. 2014, algorithm 3; epsilon is
// the next float64). Cells without a finite elevation become NaN.
//
// A cell is raised to max(z, nextafter(lowest filled neighbour)), which is
// unique: the order of equal cells does not show in the result.
func FillDepressions(dem *raster.Grid[float64]) *raster.Grid[float64] {
	filled := raster.New[float64](dem.Width, dem.Height)
	filled.Fill(math.NaN()) // NaN also marks the cells not reached yet
	f := flood{z: dem, filled: filled}
	for r := range dem.Height {
		for c := range dem.Width {
			i := r*dem.Width + c
			if raster.Finite(dem.Cells[i]) && f.touchesOutside(c, r) {
				filled.Cells[i] = dem.Cells[i] + 0
				f.open.push(dem.Cells[i], i)
			}
		}
	}
	f.run()
	return filled
}

// run visits the cells. raised holds those lifted to nextafter of the cell that reached
// them. Cells are popped in ascending order, so this plain queue is sorted
// by itself and saves the heap in depressions and on flats.
func (f *flood) run() {
	var raised queue
	w, h := f.z.Width, f.z.Height
	z, filled := f.z.Cells, f.filled.Cells
	for {
		var i int
		switch {
		case raised.len() > 0 && (len(f.open) == 0 || filled[raised.front()] <= f.open[0].z):
			i = raised.pop()
		case len(f.open) > 0:
			i = f.open.pop()
		default:
			return
		}
		above := math.Nextafter(filled[i], math.Inf(1)) + 0 // so that -0 becomes 0
		c, r := i%w, i/w
		for y := max(r-1, 0); y <= min(r+1, h-1); y++ {
			for n := y*w + max(c-1, 0); n <= y*w+min(c+1, w-1); n++ {
				if !math.IsNaN(filled[n]) || !raster.Finite(z[n]) {
					continue
				}
				if z[n] <= above {
					filled[n] = above
					raised.push(n)
				} else {
					filled[n] = z[n] + 0
					f.open.push(z[n], n)
				}
			}
		}
	}
}

// ContributingArea returns the area in m2 that drains through each cell, the
// cell itself included, by D-infinity (Tarboton 1997) over filled, the result
// of FillDepressions; NaN where filled has no finite value. left is the area
// that leaves the domain, m2: over outlets, which are cells with no facet that
// descends. It equals the area of all valid cells.
//
// A cell's own area comes first, then what its neighbours give, counter-clockwise
// from the east: the order of the sum, so its last bit, is that of the cell, not
// of the walk over the grid.
func ContributingArea(filled *raster.Grid[float64], cell raster.CellSize) (area *raster.Grid[float64], left float64) {
	mustMatch(filled, cell)
	area = raster.New[float64](filled.Width, filled.Height)
	area.Fill(pending)
	a := accumulation{filled: filled, cell: cell, area: area}
	a.run(filled.Bounds())
	for i, code := range a.code {
		if code == 0 && !math.IsNaN(area.Cells[i]) {
			left += area.Cells[i]
		}
	}
	return area, left
}

// queue is a first-in first-out list that reuses the room of what has left.
type queue struct {
	items []int
	head  int
}

func (q *queue) len() int { return len(q.items) - q.head }

func (q *queue) front() int { return q.items[q.head] }

func (q *queue) push(i int) {
	if q.head > 1024 && q.head*2 > len(q.items) {
		q.items = q.items[:copy(q.items, q.items[q.head:])]
		q.head = 0
	}
	q.items = append(q.items, i)
}

func (q *queue) pop() int {
	i := q.items[q.head]
	q.head++
	return i
}
