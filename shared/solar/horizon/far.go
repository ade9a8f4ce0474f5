package horizon

import (
	"math"

	"github.com/cyverse-gis/eemt/shared/raster"
)

// Far is the terrain around a block of cells in rings, with coarser cells the farther away.
// Terrain near the block is swept at full resolution. Each line of a sweep begins with the
// upper hull of the rings along it, which neighbouring lines share.
//
// The horizon of a point at distance d, from cells of side s, differs from that
// of full resolution by at most
//
//	r/d + 2 w |t|/d,   w = 4 s, or 1/64 of the ring's Inner if that is more,
//
// in its tangent t, r being the greatest difference of elevation within w of that
// point: a coarse cell holds an elevation between the least and the greatest of its
// cells, at a place off by less than w. Rings keep s/d below a constant.
type Far struct {
	// Block is the block in cells of the whole raster. All distances count from
	// its edges. The terrain that is swept reaches as far as the first ring's Inner
	// around it, so that a cell's horizon does not depend on the window computed.
	Block raster.Window
	// Rings in order of distance, without gaps.
	Rings []Ring
	// DX, DY is the cell size at the block, in metres.
	DX, DY float64
}

// Ring is the terrain between two distances from a block, in cells of Factor x
// Factor cells that count from the upper-left cell of the whole raster.
type Ring struct {
	Factor       int
	Inner, Outer int // cells from the block's edge toward the sun, multiples of Factor
	Col, Row     int // of the upper-left coarse cell in the whole raster's
	// NorthSouth is for rays that run along columns, EastWest for those along
	// rows (see Thinner). NaN where there is no data.
	NorthSouth, EastWest *raster.Grid[float32]
}

// Thinner makes coarse cells of a raster that comes row by row, holding one row
// of them. An obstacle hides the sun with its highest part along the ray, over
// its whole width across: for rays that run along columns a coarse cell takes the
// greatest elevation of each of its columns, and keeps what lies between the mean of
// these and the greatest; for rays along rows the same with rows. Cells without data
// do not count.
type Thinner struct {
	factor, width int
	rows          int
	highest       []float64 // by column
	sum, top      []float64 // of the rows' highest, by coarse cell: sum and greatest
	count         []int
	// NorthSouth and EastWest are the row of coarse cells that Add completed.
	NorthSouth, EastWest []float32
}

// NewThinner returns a Thinner for rows of width cells.
func NewThinner(width, factor int) *Thinner {
	n := (width + factor - 1) / factor
	t := &Thinner{
		factor: factor, width: width, highest: make([]float64, width),
		sum: make([]float64, n), top: make([]float64, n), count: make([]int, n),
		NorthSouth: make([]float32, n), EastWest: make([]float32, n),
	}
	t.clear()
	return t
}

// blend mixes the mean of the highest and the greatest of them: the wider a coarse
// cell, the more of a narrow crest its mean loses.
func (t *Thinner) blend(mean, top float64) float32 {
	share := (1 - 1/float64(t.factor)) / 2
	return float32(mean + share*(top-mean))
}

func (t *Thinner) clear() {
	t.rows = 0
	for c := range t.highest {
		t.highest[c] = math.Inf(-1)
	}
	clear(t.sum)
	clear(t.count)
}

// Add takes the next row, NaN where there is no data; last marks the raster's
// last one. It reports whether a row of coarse cells is complete, which stands
// until the next Add.
func (t *Thinner) Add(row []float64, last bool) bool {
	for i := range t.sum {
		top := math.Inf(-1)
		for c := i * t.factor; c < min((i+1)*t.factor, t.width); c++ {
			if z := row[c]; z > noData && z < -noData {
				top = max(top, z)
				t.highest[c] = max(t.highest[c], z)
			}
		}
		if top > noData {
			if t.count[i] == 0 {
				t.top[i] = top
			}
			t.sum[i], t.top[i] = t.sum[i]+top, max(t.top[i], top)
			t.count[i]++
		}
	}
	t.rows++
	if t.rows < t.factor && !last {
		return false
	}
	for i := range t.sum {
		t.EastWest[i] = t.blend(t.sum[i]/float64(t.count[i]), t.top[i]) // 0/0 is NaN
		sum, top, n := 0.0, math.Inf(-1), 0
		for c := i * t.factor; c < min((i+1)*t.factor, t.width); c++ {
			if t.highest[c] > noData {
				sum, top = sum+t.highest[c], max(top, t.highest[c])
				n++
			}
		}
		t.NorthSouth[i] = t.blend(sum/float64(n), top)
	}
	t.clear()
	return true
}

// course is a ray's direction over the cells of the whole raster.
type course struct {
	northSouth bool    // rows are the major axis, on which it advances by whole cells
	forward    int     // +1 toward rising major indices, else -1
	shift      float64 // cells along the minor axis per cell forward, -1..1
	distance   float64 // metres per cell forward
}

func (f *Far) course(azimuth float64) course {
	sin, cos := math.Sincos(azimuth)
	east, south := sin/f.DX, -cos/f.DY
	const tiny = 1e-12
	if math.Abs(east) < tiny {
		east = 0
	}
	if math.Abs(south) < tiny {
		south = 0
	}
	if math.Abs(south) >= math.Abs(east) {
		return course{northSouth: true, forward: sign(south), shift: east / math.Abs(south), distance: 1 / math.Abs(south)}
	}
	return course{forward: sign(east), shift: south / math.Abs(east), distance: 1 / math.Abs(east)}
}

// side is a ring seen along a course, major axis first, in coarse cells of the whole raster.
type side struct {
	cells                 []float32
	majorStride, stride   int
	first, end            int // major indices with data
	minorFirst, minorEnd  int
	inner, outer          [4]int // windows: major first and end, minor first and end
	farthest, steps, step int    // major indices that rays from the block may cross, far to near
}

// side prepares a ring for rays on a course. A coarse cell that is partly inside
// the inner window belongs to the ring: rather twice than not at all.
func (f *Far) side(g *Ring, c course) side {
	b := f.Block
	s := side{cells: g.EastWest.Cells, majorStride: 1, stride: g.EastWest.Width, step: -c.forward}
	s.first, s.end, s.minorFirst, s.minorEnd = g.Col, g.Col+g.EastWest.Width, g.Row, g.Row+g.EastWest.Height
	major, size, minor, minorSize := b.Col, b.Width, b.Row, b.Height
	if c.northSouth {
		s.cells, s.majorStride, s.stride = g.NorthSouth.Cells, g.NorthSouth.Width, 1
		s.first, s.end, s.minorFirst, s.minorEnd = s.minorFirst, s.minorEnd, s.first, s.end
		major, size, minor, minorSize = minor, minorSize, major, size
	}
	s.inner = [4]int{
		ceilDiv(major-g.Inner, g.Factor), floorDiv(major+size+g.Inner, g.Factor),
		ceilDiv(minor-g.Inner, g.Factor), floorDiv(minor+minorSize+g.Inner, g.Factor),
	}
	s.outer = [4]int{
		floorDiv(major-g.Outer, g.Factor), ceilDiv(major+size+g.Outer, g.Factor),
		floorDiv(minor-g.Outer, g.Factor), ceilDiv(minor+minorSize+g.Outer, g.Factor),
	}
	// A ray may leave the inner window by its long side, as soon as it has gone as far as that.
	first, end := max(s.first, s.outer[0]), min(s.end, s.outer[1])
	if c.forward > 0 {
		first = max(first, floorDiv(major+g.Inner, g.Factor))
		s.farthest = end - 1
	} else {
		end = min(end, ceilDiv(major+size-g.Inner, g.Factor))
		s.farthest = first
	}
	s.steps = max(0, end-first)
	return s
}

func floorDiv(a, b int) int { return int(math.Floor(float64(a) / float64(b))) }
func ceilDiv(a, b int) int  { return int(math.Ceil(float64(a) / float64(b))) }

// at returns the ring's elevation nearest to a place on the minor axis.
func (s *side) at(major int, minor float64) (z float64, ok bool) {
	k := int(math.Floor(minor + 0.5))
	if k < s.minorFirst || k >= s.minorEnd || k < s.outer[2] || k >= s.outer[3] {
		return 0, false
	}
	if major >= s.inner[0] && major < s.inner[1] && k >= s.inner[2] && k < s.inner[3] {
		return 0, false
	}
	z = float64(s.cells[(major-s.first)*s.majorStride+(k-s.minorFirst)*s.stride])
	return z, z > noData
}

// March returns the horizon's tangent of the far terrain from one cell of the
// whole raster at elevation z, 0 if none is above the horizontal. It tests every coarse cell
// along the ray, and is what sweeps are compared with.
func (f *Far) March(col, row int, z, azimuth float64) float64 {
	c := f.course(azimuth)
	best := 0.0
	for i := range f.Rings {
		g := &f.Rings[i]
		s := f.side(g, c)
		y, x := coarse(float64(col), g.Factor), coarse(float64(row), g.Factor)
		if c.northSouth {
			y, x = x, y
		}
		for k := range s.steps {
			m := s.farthest + k*s.step
			ahead := float64(c.forward) * (float64(m) - y)
			if ahead <= 0 {
				continue
			}
			d := ahead * float64(g.Factor) * c.distance
			if top, ok := s.at(m, x+c.shift*ahead); ok {
				best = max(best, (top-z)/d-d/(2*EarthRadius))
			}
		}
	}
	return best
}

// coarse turns the place of a cell's centre into coarse cells.
func coarse(at float64, factor int) float64 { return (at+0.5)/float64(factor) - 0.5 }
