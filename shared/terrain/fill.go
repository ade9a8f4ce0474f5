package terrain

import (
	"github.com/cyverse-gis/eemt/shared/raster"
)

// flood fills depressions from their lowest outlets (Priority-Flood with epsilon, Barnes et al. 2014, algorithm 3; epsilon
// is the next float64): open holds the cells that are reached, lowest first.
type flood struct {
	z, filled *raster.Grid[float64]
	open      minHeap
}

func (f *flood) touchesOutside(c, r int) bool {
	w, h := f.z.Width, f.z.Height
	if c == 0 || r == 0 || c == w-1 || r == h-1 {
		return true
	}
	for y := r - 1; y <= r+1; y++ {
		for _, v := range f.z.Row(y)[c-1 : c+2] {
			if !raster.Finite(v) {
				return true
			}
		}
	}
	return false
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
