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

// flow is where the water of a cell goes: share to neighbour e1, the rest to
// neighbour e2. drains is false for an outlet.
type flow struct {
	e1, e2 int
	share  float64
	drains bool
}

// dInfinity finds the steepest of the eight facets (Tarboton 1997) from the
// drops to the neighbours, z - z_k in metres, NaN where there is none; the
// first facet wins ties. A facet with a missing corner has no slope.
func dInfinity(drop *[8]float64, dx, dy float64) flow {
	if f := steepest(drop, dx, dy); f.drains {
		return f
	}
	// Filled flats at sea level fall by 5e-324 m from cell to cell, which
	// vanishes when squared. Directions do not depend on the scale, so look
	// again through a magnifying glass; what is far from flat only keeps its sign.
	const lens, limit = 0x1p1000, 1e100
	var scaled [8]float64
	for k, d := range drop {
		scaled[k] = d // NaN stays
		if s := d * lens; s == s {
			scaled[k] = max(-limit, min(limit, s))
		}
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
	out := flow{e1: f.e1, e2: f.e2, drains: true}
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

// ContributingArea returns the area in m2 that drains through each cell, the
// cell itself included, by D-infinity (Tarboton 1997) over filled, the result
// of FillDepressions; NaN where filled has no finite value. left is the area
// that leaves the domain, m2: over outlets, which are cells with no facet that
// descends. It equals the area of all valid cells.
func ContributingArea(filled *raster.Grid[float64], cell raster.CellSize) (area *raster.Grid[float64], left float64) {
	mustMatch(filled, cell)
	w := filled.Width
	area = raster.New[float64](w, filled.Height)
	inflows := make([]uint8, len(filled.Cells)) // donors not yet counted, at most 8
	for i, z := range filled.Cells {
		if !finite(z) {
			area.Cells[i] = math.NaN()
			continue
		}
		r := i / w
		area.Cells[i] = cell.DX[r] * cell.DY[r]
		n1, n2, _ := receivers(filled, cell, i)
		if n1 >= 0 {
			inflows[n1]++
		}
		if n2 >= 0 {
			inflows[n2]++
		}
	}
	// Each cell enters pending once, when its last donor has been counted. Its
	// receivers are found again rather than kept: that is cheaper than the
	// memory traffic of nine bytes more per cell.
	var pending []int
	for start := range filled.Cells {
		if inflows[start] != 0 || math.IsNaN(area.Cells[start]) {
			continue
		}
		pending = append(pending[:0], start)
		for len(pending) > 0 {
			i := pending[len(pending)-1]
			pending = pending[:len(pending)-1]
			inflows[i] = done
			n1, n2, share := receivers(filled, cell, i)
			if n1 < 0 && n2 < 0 {
				left += area.Cells[i]
				continue
			}
			toFirst := share * area.Cells[i]
			if n1 >= 0 {
				area.Cells[n1] += toFirst
				if inflows[n1]--; inflows[n1] == 0 {
					pending = append(pending, n1)
				}
			}
			if n2 >= 0 {
				area.Cells[n2] += area.Cells[i] - toFirst
				if inflows[n2]--; inflows[n2] == 0 {
					pending = append(pending, n2)
				}
			}
		}
	}
	return area, left
}

// done marks a cell that has passed its water on; no cell has as many donors.
const done = 255

// receivers returns the cells that take share and 1 - share of the water of
// cell i; an index is -1 when its share is nothing, both are on an outlet.
func receivers(filled *raster.Grid[float64], cell raster.CellSize, i int) (n1, n2 int, share float64) {
	w, h := filled.Width, filled.Height
	c, r := i%w, i/w
	z := filled.Cells[i]
	var drop [8]float64
	if c > 0 && r > 0 && c < w-1 && r < h-1 {
		up, here, down := filled.Cells[i-w-1:i-w+2], filled.Cells[i-1:i+2], filled.Cells[i+w-1:i+w+2]
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
			drop[k] = z - filled.At(x, y)
		}
	}
	f := dInfinity(&drop, cell.DX[r], cell.DY[r])
	n1, n2 = -1, -1
	if !f.drains {
		return n1, n2, 0
	}
	if f.share > 0 {
		n1 = i + stepRow[f.e1]*w + stepCol[f.e1]
	}
	if f.share < 1 {
		n2 = i + stepRow[f.e2]*w + stepCol[f.e2]
	}
	return n1, n2, f.share
}
