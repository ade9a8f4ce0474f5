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
			if finite(dem.Cells[i]) && f.touchesOutside(c, r) {
				filled.Cells[i] = dem.Cells[i] + 0
				f.open.push(dem.Cells[i], i)
			}
		}
	}
	f.run()
	return filled
}

type flood struct {
	z, filled *raster.Grid[float64]
	open      minHeap
	// raised holds the cells lifted to nextafter of the cell that reached
	// them. Cells are popped in ascending order, so this plain queue is sorted
	// by itself and saves the heap in depressions and on flats.
	raised queue
}

func (f *flood) touchesOutside(c, r int) bool {
	w, h := f.z.Width, f.z.Height
	if c == 0 || r == 0 || c == w-1 || r == h-1 {
		return true
	}
	for y := r - 1; y <= r+1; y++ {
		for _, v := range f.z.Row(y)[c-1 : c+2] {
			if !finite(v) {
				return true
			}
		}
	}
	return false
}

func (f *flood) run() {
	w, h := f.z.Width, f.z.Height
	z, filled := f.z.Cells, f.filled.Cells
	for {
		var i int
		switch {
		case f.raised.len() > 0 && (len(f.open) == 0 || filled[f.raised.front()] <= f.open[0].z):
			i = f.raised.pop()
		case len(f.open) > 0:
			i = f.open.pop()
		default:
			return
		}
		above := math.Nextafter(filled[i], math.Inf(1)) + 0 // so that -0 becomes 0
		c, r := i%w, i/w
		for y := max(r-1, 0); y <= min(r+1, h-1); y++ {
			for n := y*w + max(c-1, 0); n <= y*w+min(c+1, w-1); n++ {
				if !math.IsNaN(filled[n]) || !finite(z[n]) {
					continue
				}
				if z[n] <= above {
					filled[n] = above
					f.raised.push(n)
				} else {
					filled[n] = z[n] + 0
					f.open.push(z[n], n)
				}
			}
		}
	}
}

// queue is a first-in first-out list that reuses the room of what has left.
type queue struct {
	items []int
	head  int
}

func (q *queue) len() int   { return len(q.items) - q.head }
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

type entry struct {
	z float64
	i int
}

// minHeap has four children per node: half the depth of a binary heap and the
// children of one node in one cache line.
type minHeap []entry

func (h *minHeap) push(z float64, i int) {
	s := append(*h, entry{})
	k := len(s) - 1
	for k > 0 {
		up := (k - 1) / 4
		if s[up].z <= z {
			break
		}
		s[k] = s[up]
		k = up
	}
	s[k] = entry{z, i}
	*h = s
}

func (h *minHeap) pop() int {
	s := *h
	top, last := s[0].i, s[len(s)-1]
	s = s[:len(s)-1]
	*h = s
	if len(s) == 0 {
		return top
	}
	k := 0
	for {
		child := 4*k + 1
		if child >= len(s) {
			break
		}
		low := child
		for j := child + 1; j < min(child+4, len(s)); j++ {
			if s[j].z < s[low].z {
				low = j
			}
		}
		if last.z <= s[low].z {
			break
		}
		s[k] = s[low]
		k = low
	}
	s[k] = last
	return top
}
