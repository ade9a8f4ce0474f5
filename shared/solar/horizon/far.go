package horizon

import (
	"math"

	"github.com/cyverse-gis/eemt/shared/raster"
)

// Far is the terrain around a block of cells, thinned more the farther it lies.
// What lies near is swept at full resolution; Far raises those horizons by what
// stands beyond.
//
// The horizon of a point at distance d, from cells of side s, differs from that
// of full resolution by at most
//
//	r/d + 2 w |t|/d,   w = 2 s + nodeSpacing cells
//
// in its tangent t, r being the greatest difference of elevation within w of that
// point plus that within nodeSpacing cells of who looks: a coarse cell holds an
// elevation between the least and the greatest of its cells, at a place off by
// less than w. Rings keep s/d below a constant.
type Far struct {
	// Block is the block in cells of the whole raster. All distances count from
	// its edges, so that a cell's horizon does not depend on the window computed.
	// Neither side may be longer than the first ring's Inner.
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

// The far terrain is looked at from nodes, the corners between cells that are
// some cells apart: 1/nodesNear of the distance where it begins, at most
// nodeSpacing. Between them its horizon is bilinear.
const (
	nodeSpacing = 8
	nodesNear   = 64
)

// spacing returns the distance of nodes in cells, a power of two.
func (f *Far) spacing() int {
	n := 1
	for len(f.Rings) > 0 && n < nodeSpacing && 2*n*nodesNear <= f.Rings[0].Inner {
		n *= 2
	}
	return n
}

// FarView is the far terrain as the cells of a window see it. It is read only,
// so that several goroutines may raise horizons at a time.
type FarView struct {
	far                  *Far
	core                 raster.Window // in cells of the whole raster
	spacing              int           // of nodes, cells
	firstCol, firstRow   int           // nodes, in units of spacing
	cols, rows           int
	elevation            []float64 // of the nodes; NaN where no cell beside has any
	dem                  *raster.Grid[float64]
	originCol, originRow int
}

// View prepares a window of dem, whose upper-left cell is originCol, originRow of
// the whole raster. core is in cells of dem, within the block; dem must reach at
// least nodeSpacing cells beyond core where the raster does.
func (f *Far) View(dem *raster.Grid[float64], originCol, originRow int, core raster.Window) *FarView {
	v := &FarView{far: f, dem: dem, originCol: originCol, originRow: originRow, core: core, spacing: f.spacing()}
	v.core.Col += originCol
	v.core.Row += originRow
	v.firstCol, v.firstRow = v.core.Col/v.spacing, v.core.Row/v.spacing
	v.cols = (v.core.Col+v.core.Width-1)/v.spacing + 2 - v.firstCol
	v.rows = (v.core.Row+v.core.Height-1)/v.spacing + 2 - v.firstRow
	v.elevation = make([]float64, v.cols*v.rows)
	for i := range v.elevation {
		v.elevation[i] = v.mean((v.firstCol+i%v.cols)*v.spacing, (v.firstRow+i/v.cols)*v.spacing)
	}
	return v
}

// mean returns the mean elevation of the cells that touch a node's surroundings:
// the node is their upper-left corner's.
func (v *FarView) mean(col, row int) float64 {
	w := raster.Window{Col: col - v.originCol, Row: row - v.originRow}.Grow(v.spacing).Intersect(v.dem.Bounds())
	sum, n := 0.0, 0
	for r := w.Row; r < w.Row+w.Height; r++ {
		for _, z := range v.dem.Row(r)[w.Col : w.Col+w.Width] {
			if z > noData && z < -noData {
				sum += z
				n++
			}
		}
	}
	return sum / float64(n)
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
// whole raster at elevation z, 0 if none stands above the level: the plain form,
// which looks at every coarse cell along the ray.
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

// FarSweeper holds the working memory of one goroutine.
type FarSweeper struct {
	hulls []ridge
	sizes []int
	here  []int // where the last look at a line's hull ended
	// The horizon at a node as a line in the elevation of who looks:
	// tangent = offset - elevation * inverse.
	offset, inverse []float64
	best            []float64
	rowOffset       []float64
	rowInverse      []float64
}

// ridge is a corner of the upper hull of a line's far terrain.
type ridge struct {
	along  float64 // metres from the block's edge
	z      float64
	height float64 // z less along²/2R
}

// Raise raises the horizons out of the view's cells in one grid azimuth, in
// radians, where the far terrain stands higher.
func (w *FarSweeper) Raise(v *FarView, azimuth float64, out []Code) {
	f := v.far
	c := f.course(azimuth)
	n := len(v.elevation)
	w.offset, w.inverse, w.best = zeros(w.offset, n), zeros(w.inverse, n), zeros(w.best, n)
	any := false
	for i := range f.Rings {
		any = w.ring(v, &f.Rings[i], c) || any
	}
	if !any {
		return
	}
	w.rowOffset, w.rowInverse = zeros(w.rowOffset, v.cols), zeros(w.rowInverse, v.cols)
	for r := range v.core.Height {
		w.spread(v, r, out[r*v.core.Width:(r+1)*v.core.Width])
	}
}

func zeros(s []float64, n int) []float64 {
	if cap(s) < n {
		return make([]float64, n)
	}
	s = s[:n]
	clear(s)
	return s
}

// ring raises the nodes by one ring, and reports whether any was.
func (w *FarSweeper) ring(v *FarView, g *Ring, c course) bool {
	f := v.far
	s := f.side(g, c)
	steps := s.steps
	if steps == 0 {
		return false
	}
	// A node lies on line number minor - shift * forward * major, in coarse cells.
	slope := c.shift * float64(c.forward)
	line := func(col, row int) (number, major float64) {
		y, x := coarse(float64(col*v.spacing)-0.5, g.Factor), coarse(float64(row*v.spacing)-0.5, g.Factor)
		if c.northSouth {
			y, x = x, y
		}
		return x - slope*y, y
	}
	low, high := math.Inf(1), math.Inf(-1)
	for _, k := range [][2]int{{0, 0}, {v.cols - 1, 0}, {0, v.rows - 1}, {v.cols - 1, v.rows - 1}} {
		l, _ := line(v.firstCol+k[0], v.firstRow+k[1])
		low, high = min(low, l), max(high, l)
	}
	first := int(math.Floor(low))
	lines := int(math.Floor(high)) + 2 - first
	edge := f.Block.Col
	if c.northSouth {
		edge = f.Block.Row
	}
	// Metres along the ray from the block's edge, of a coarse major coordinate.
	metres := float64(g.Factor) * c.distance
	origin := coarse(float64(edge)-0.5, g.Factor)
	along := func(major float64) float64 { return float64(c.forward) * (major - origin) * metres }

	if need := lines * steps; cap(w.hulls) < need {
		w.hulls = make([]ridge, need)
	}
	w.hulls = w.hulls[:lines*steps]
	if cap(w.sizes) < lines {
		w.sizes, w.here = make([]int, lines), make([]int, lines)
	}
	w.sizes, w.here = w.sizes[:lines], w.here[:lines]
	for l := range lines {
		hull := w.hulls[l*steps : (l+1)*steps]
		top := 0
		for k := range steps {
			m := s.farthest + k*s.step
			z, ok := s.at(m, float64(first+l)+slope*float64(m))
			if !ok {
				continue
			}
			a := along(float64(m))
			p := ridge{along: a, z: z, height: z - a*a/(2*EarthRadius)}
			// Points come from far to near: drop those below the line to the new one.
			for top > 1 && (hull[top-1].height-p.height)*(hull[top-2].along-p.along) <= (hull[top-2].height-p.height)*(hull[top-1].along-p.along) {
				top--
			}
			hull[top] = p
			top++
		}
		w.sizes[l], w.here[l] = top, 0
	}
	any := false
	for r := range v.rows {
		for k := range v.cols {
			i := r*v.cols + k
			z := v.elevation[i]
			if !(z > noData) {
				continue
			}
			number, major := line(v.firstCol+k, v.firstRow+r)
			whole := math.Floor(number)
			fraction := number - whole
			l := int(whole) - first
			o0, i0 := w.look(l, steps, along(major), z)
			o1, i1 := w.look(l+1, steps, along(major), z)
			offset, inverse := o0+fraction*(o1-o0), i0+fraction*(i1-i0)
			if t := offset - z*inverse; t > w.best[i] {
				w.best[i], w.offset[i], w.inverse[i] = t, offset, inverse
				any = true
			}
		}
	}
	return any
}

// look finds the highest point of a line's hull from a place along it at
// elevation z, as offset and inverse of its horizon; both are 0 if none stands
// above the level.
func (w *FarSweeper) look(line, steps int, at, z float64) (offset, inverse float64) {
	n := w.sizes[line]
	if n == 0 {
		return 0, 0
	}
	hull := w.hulls[line*steps : line*steps+n]
	base := z - at*at/(2*EarthRadius)
	// Slopes from outside rise to one greatest, and fall behind it.
	i := w.here[line]
	for i+1 < n && (hull[i+1].height-base)*(hull[i].along-at) > (hull[i].height-base)*(hull[i+1].along-at) {
		i++
	}
	for i > 0 && (hull[i-1].height-base)*(hull[i].along-at) > (hull[i].height-base)*(hull[i-1].along-at) {
		i--
	}
	w.here[line] = i
	d := hull[i].along - at
	offset, inverse = hull[i].z/d-d/(2*EarthRadius), 1/d
	if offset-z*inverse <= 0 {
		return 0, 0
	}
	return offset, inverse
}

// spread raises the horizons of one row of the core, bilinear between nodes.
func (w *FarSweeper) spread(v *FarView, r int, out []Code) {
	// Nodes are the corners between cells.
	y := (float64(v.core.Row+r)+0.5)/float64(v.spacing) - float64(v.firstRow)
	k := int(y)
	fy := y - float64(k)
	any := false
	for c := range v.cols {
		i := k*v.cols + c
		w.rowOffset[c] = w.offset[i] + fy*(w.offset[i+v.cols]-w.offset[i])
		w.rowInverse[c] = w.inverse[i] + fy*(w.inverse[i+v.cols]-w.inverse[i])
		any = any || w.rowInverse[c] > 0
	}
	if !any {
		return
	}
	heights := v.dem.Row(v.core.Row - v.originRow + r)[v.core.Col-v.originCol:]
	for c := range out {
		x := (float64(v.core.Col+c)+0.5)/float64(v.spacing) - float64(v.firstCol)
		k := int(x)
		fx := x - float64(k)
		t := w.rowOffset[k] + fx*(w.rowOffset[k+1]-w.rowOffset[k]) - heights[c]*(w.rowInverse[k]+fx*(w.rowInverse[k+1]-w.rowInverse[k]))
		if t > 0 { // false where there is no data
			out[c] = max(out[c], Encode(t))
		}
	}
}
