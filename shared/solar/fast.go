package solar

import (
	"context"
	"math"
	"slices"

	"github.com/sourcegraph/conc"

	"github.com/cyverse-gis/eemt/shared/raster"
	"github.com/cyverse-gis/eemt/shared/solar/clearsky"
	"github.com/cyverse-gis/eemt/shared/solar/horizon"
	"github.com/cyverse-gis/eemt/shared/solar/sun"
)

// Fast returns the engine for production. It finds horizons by sweeps. It sums the samples of
// the sun once per latitude, elevation, time of day and season, and interpolates these sums
// for each cell, so that the year of a cell takes about a microsecond.
func Fast() Engine { return fast{} }

type fast struct{}

// codesAtOnce bounds the horizons held in memory by Year (2 bytes each).
const codesAtOnce = 192 << 20

// cellsAtOnce is how many cells of one latitude a goroutine takes at a time.
const cellsAtOnce = 4096

// field is a surface with all that its cells share during one computation.
type field struct {
	s         *Surface
	p         *Parameters
	layout    *layout
	active    []int // azimuths that need horizons
	terrain   *horizon.Terrain
	nodes     *nodeCache
	turbid    bool  // Linke turbidity differs from cell to cell
	hazy      bool  // the real-sky factor of the beam differs from cell to cell
	cloudy    bool  // the real-sky factor of the diffuse part differs from cell to cell
	polar     []int // core cells at a pole, where azimuth has no meaning
	haveCells bool
	groups    []int32 // by core cell: which of keys it has, noGroup where there is no data or at a pole
	keys      []key   // in the order of work
}

// key is the bins of latitude and convergence of a cell. Cells with the same key share the
// path of the sun, and form a group.
type key struct{ latitude, convergence int }

const noGroup = -1

func newField(ctx context.Context, s *Surface, p *Parameters, threads int) (*field, error) {
	f := &field{s: s, p: p}
	for m := range 12 {
		f.turbid = f.turbid || s.Linke[m] != nil
		f.hazy = f.hazy || s.KBeam[m] != nil
		f.cloudy = f.cloudy || s.KDiffuse[m] != nil
	}
	var terrain conc.WaitGroup
	if p.Shadows {
		terrain.Go(func() { f.terrain = horizon.NewTerrain(s.DEM, s.Core, s.Cell, s.OriginCol, s.OriginRow) })
	}
	f.groups = make([]int32, s.Core.Width*s.Core.Height)
	extents := make([]extent, (s.Core.Height+extentRows-1)/extentRows)
	err := eachBlock(ctx, len(extents), threads, func(_, b int) { extents[b].scan(f, b) }, nil)
	terrain.Wait()
	if err != nil {
		return nil, err
	}
	all := newExtent()
	for i := range extents {
		all.add(&extents[i])
	}
	f.haveCells, f.polar = all.haveCells, all.polar
	if !f.haveCells {
		return f, nil
	}
	if err := f.number(ctx, extents, threads); err != nil {
		return nil, err
	}
	// Nodes lie up to a tenth of a degree outside the core.
	const nodeSpacing = float64(nodeEvery) / latitudeBins * math.Pi / 180
	f.layout = &layout{season: sun.NewSeason(), slots: sun.ActiveSlots(all.minLatitude-nodeSpacing, all.maxLatitude+nodeSpacing, p.StepMinutes/60)}
	f.nodes = newNodeCache(f)
	if p.Shadows {
		f.active = sunAzimuths(all.minLatitude, all.maxLatitude, all.minConvergence, all.maxConvergence, f.layout.slots)
	}
	return f, nil
}

// extentRows is how many rows of the core one extent covers.
const extentRows = 64

// extent holds, of some rows of the core, the ranges of latitude and convergence
// and the keys of the cells.
type extent struct {
	minLatitude, maxLatitude       float64
	minConvergence, maxConvergence float64
	haveCells                      bool
	keys                           []key // groups of the field are indexes of it, until number makes them indexes of field.keys
	polar                          []int
}

func newExtent() extent {
	return extent{
		minLatitude: math.Inf(1), maxLatitude: math.Inf(-1),
		minConvergence: math.Inf(1), maxConvergence: math.Inf(-1),
	}
}

// scan fills in the extent of block b of the rows of the core.
func (v *extent) scan(f *field, b int) {
	*v = newExtent()
	numbers := map[key]int32{}
	last, number := key{math.MinInt, 0}, int32(noGroup)
	width := f.s.Core.Width
	for i := b * extentRows * width; i < min((b+1)*extentRows, f.s.Core.Height)*width; i++ {
		f.groups[i] = noGroup
		c, ok := f.s.at(i)
		if !ok {
			continue
		}
		v.minLatitude, v.maxLatitude = min(v.minLatitude, c.latitude), max(v.maxLatitude, c.latitude)
		v.minConvergence, v.maxConvergence = min(v.minConvergence, c.convergence), max(v.maxConvergence, c.convergence)
		v.haveCells = true
		if sun.IsPole(c.latitude) {
			v.polar = append(v.polar, i)
			continue
		}
		k := key{latitudeBin(c.latitude), convergenceBin(c.convergence)}
		if k != last {
			n, known := numbers[k]
			if !known {
				n = int32(len(v.keys))
				numbers[k], v.keys = n, append(v.keys, k)
			}
			last, number = k, n
		}
		f.groups[i] = number
	}
}

func (v *extent) add(o *extent) {
	v.minLatitude, v.maxLatitude = min(v.minLatitude, o.minLatitude), max(v.maxLatitude, o.maxLatitude)
	v.minConvergence, v.maxConvergence = min(v.minConvergence, o.minConvergence), max(v.maxConvergence, o.maxConvergence)
	v.haveCells = v.haveCells || o.haveCells
	v.polar = append(v.polar, o.polar...)
}

// number sorts the keys of all extents by latitude, and makes the groups indexes of the sorted keys.
func (f *field) number(ctx context.Context, extents []extent, threads int) error {
	for i := range extents {
		f.keys = append(f.keys, extents[i].keys...)
	}
	compare := func(a, b key) int {
		if a.latitude != b.latitude {
			return a.latitude - b.latitude
		}
		return a.convergence - b.convergence
	}
	slices.SortFunc(f.keys, compare)
	f.keys = slices.Compact(f.keys)
	return eachBlock(ctx, len(extents), threads, func(_, b int) {
		places := make([]int32, len(extents[b].keys))
		for i, k := range extents[b].keys {
			at, _ := slices.BinarySearchFunc(f.keys, k, compare)
			places[i] = int32(at)
		}
		width := f.s.Core.Width
		groups := f.groups[b*extentRows*width : min((b+1)*extentRows, f.s.Core.Height)*width]
		for i, g := range groups {
			if g != noGroup {
				groups[i] = places[g]
			}
		}
	}, nil)
}

// air returns the sky for which a table is computed in a month.
func (f *field) air(month int, w weather) clearsky.Air {
	a := f.p.air(month)
	if w.turbidity != ownTurbidity {
		a.Linke = turbidityAt(w.turbidity)
	}
	if f.hazy {
		a.KBeam = 1
	}
	if f.cloudy {
		a.KDiffuse = 1
	}
	return a
}

// chunk is a number of core cells of one group.
type chunk struct {
	key   key
	cells []int32
}

// chunks sorts the core cells of rows first to first+rows-1 by group.
func (f *field) chunks(first, rows int) []chunk {
	width := f.s.Core.Width
	groups := f.groups[first*width : (first+rows)*width]
	starts := make([]int32, len(f.keys)+1)
	for _, g := range groups {
		if g != noGroup {
			starts[g+1]++
		}
	}
	for i := 1; i < len(starts); i++ {
		starts[i] += starts[i-1]
	}
	order := make([]int32, starts[len(f.keys)])
	next := slices.Clone(starts)
	for i, g := range groups {
		if g != noGroup {
			order[next[g]] = int32(first*width + i)
			next[g]++
		}
	}
	var out []chunk
	for g, k := range f.keys {
		for cells := range slices.Chunk(order[starts[g]:starts[g+1]], cellsAtOnce) {
			out = append(out, chunk{key: k, cells: cells})
		}
	}
	return out
}

// shadowTest finds the time slots in which cells are lit, for the workers of both years
// and days. It holds the path of the sun for one group of cells, and a block of them.
type shadowTest struct {
	f        *field
	path     *path
	bearings []bearing
	open     []horizon.Code // horizons of 0, where terrain casts no shadows
	block    block
	planes   [lanes]clearsky.Plane // of the block's cells, from true north
	heights  [lanes]float64
}

// setPath prepares for cells of one group, for days of some declinations.
func (w *shadowTest) setPath(f *field, k key, declinations []float64) {
	w.f = f
	w.path = newPath(binLatitude(k.latitude), declinations, k.convergence, f.layout.slots)
	w.bearings = w.bearings[:0]
	w.open = make([]horizon.Code, lanes)
	for a := range azimuths {
		if f.p.Shadows && !slices.Contains(f.active, a) {
			continue
		}
		sin, cos := math.Sincos(float64(a) * spacing)
		w.bearings = append(w.bearings, bearing{
			at: uint32(a * lanes * 4), morning: w.path.planes[a][0], evening: w.path.planes[a][1],
			sin: float32(sin), cos: float32(cos),
		})
	}
	w.block.masks = make([][lanes]uint32, len(declinations)*f.layout.slots.Words())
}

// findLit finds the lit slots of the cells of one group, at most lanes; their
// skyline, which may be nil, begins with core cell offset.
func (w *shadowTest) findLit(cells []int32, sky *skyline, offset int) {
	b := &w.block
	for k := range lanes {
		i := int(cells[min(k, len(cells)-1)])
		c, _ := w.f.s.at(i)
		w.planes[k], w.heights[k] = clearsky.NewPlane(c.slope, c.aspect+c.convergence), c.z
		b.east[k], b.north[k] = 0, 0
		if pl := &w.planes[k]; !pl.Flat {
			sin, cos := math.Sincos(c.aspect)
			steep := pl.Sin / max(pl.Cos, 1e-6)
			b.east[k], b.north[k] = float32(steep*sin), float32(steep*cos)
		}
	}
	first := int(cells[0]) - offset
	switch {
	case sky == nil:
		b.raise(w.open, 0, w.bearings)
	case len(cells) == lanes && int(cells[lanes-1]-cells[0]) == lanes-1:
		b.raise(sky.codes[first:], sky.cells, w.bearings)
	default:
		for n := range sky.active {
			for k := range lanes {
				b.codes[n*lanes+k] = sky.codes[n*sky.cells+int(cells[min(k, len(cells)-1)])-offset]
			}
		}
		b.raise(b.codes[:], lanes, w.bearings)
	}
	b.light(w.path)
}

// mix returns a month's sums of a cell where turbidity or a real-sky factor differs from cell
// to cell, and the horizontal beam of all samples. It interpolates between tables of several
// turbidities and multiplies with the factors. corner returns the tables around the cell.
func (f *field) mix(a clearsky.Air, month int, plus, minus []int32, corner func(weather) corners) (out sums, open float64) {
	add := func(w weather, share float64) {
		c := corner(w)
		v := c.sum(plus, minus)
		if f.hazy {
			// The table is that of a beam factor of 1.
			powered := corner(weather{w.turbidity, true})
			powers := powered.sum(plus, minus)
			linear := -float64(v[isotropic])
			for i := range v {
				v[i] *= float32(a.KBeam)
			}
			v[anisotropic] = float32(anisotropicOf(a.KBeam, linear, &powers))
			open += share * c.open(month) * a.KBeam
		} else {
			open += share * c.open(month)
		}
		for i := range v {
			out[i] += float32(share) * v[i]
		}
	}
	if f.turbid {
		first, weights := turbidity(a.Linke)
		for k, share := range weights {
			if share != 0 {
				add(weather{first + k, false}, share)
			}
		}
	} else {
		add(weather{ownTurbidity, false}, 1)
	}
	if f.cloudy {
		for i := diffuseEast; i < terms; i++ {
			out[i] *= float32(a.KDiffuse)
		}
	}
	return out, open
}

// worker holds what one goroutine needs for the years of cells.
type worker struct {
	shadowTest
	key          key
	lower, upper *latitudeNode
	weight       float32
	moments      [12]clearsky.Moments
	diffuse      [12]float64 // horizontal, where air is the same for all cells
	around       map[tableKey][4]*table
	changes      changes
}

// enter prepares the worker for cells of a group.
func (w *worker) enter(f *field, k key) {
	if w.f == f && w.key == k {
		return
	}
	w.key = k
	w.setPath(f, k, f.layout.season.Declination)
	n := floorDiv(k.latitude, nodeEvery)
	lower, upper := f.nodes.node(n), f.nodes.node(n+1)
	if lower != w.lower || upper != w.upper {
		w.lower, w.upper, w.around = lower, upper, map[tableKey][4]*table{}
	}
	w.weight = float32(k.latitude-n*nodeEvery) / nodeEvery
	w.moments = clearsky.MonthlyMoments(binLatitude(k.latitude), f.layout.slots)
	for m := range 12 {
		s := clearsky.NewSky(1, f.p.air(m))
		w.diffuse[m] = w.moments[m].Diffuse(&s)
	}
}

// corners returns the tables around an elevation.
func (w *worker) corners(z float64, of weather) (c corners) {
	below, up := elevationNode(z)
	k := tableKey{below, of}
	t, ok := w.around[k]
	if !ok {
		t = [4]*table{w.lower.table(below, of), w.lower.table(below+1, of), w.upper.table(below, of), w.upper.table(below+1, of)}
		w.around[k] = t
	}
	c.tables = t
	c.weights = [4]float32{(1 - w.weight) * (1 - up), (1 - w.weight) * up, w.weight * (1 - up), w.weight * up}
	return c
}

func (fast) Year(ctx context.Context, s Surface, p Parameters, threads int, progress func(done, total int)) (*Monthly, error) {
	if err := check(&s, &p, nil); err != nil {
		return nil, err
	}
	threads = max(1, threads)
	out := newMonthly(s.Core, p.Components)
	f, err := newField(ctx, &s, &p, threads)
	if err != nil {
		return nil, err
	}
	for i := range f.groups {
		if f.groups[i] == noGroup {
			for m := range 12 {
				out.set(m, i, noTotals, math.NaN())
			}
		}
	}
	const total = 1000
	report := func(part float64) {
		if progress != nil {
			progress(min(total, int(part*total)), total)
		}
	}
	if !f.haveCells {
		report(1)
		return out, ctx.Err()
	}
	workers := make([]worker, threads)
	rows := s.Core.Height
	if n := len(f.active); n > 0 {
		rows = max(1, min(rows, codesAtOnce/(n*s.Core.Width)))
	}
	for first := 0; first < s.Core.Height; first += rows {
		n := min(rows, s.Core.Height-first)
		begin, share := float64(first)/float64(s.Core.Height), float64(n)/float64(s.Core.Height)
		if err := f.yearOfRows(ctx, first, n, workers, out, func(part float64) { report(begin + share*part) }); err != nil {
			return nil, err
		}
	}
	report(1)
	return out, nil
}

// yearOfRows sums the year of n rows of the core from first on. report gets the part that is done.
func (f *field) yearOfRows(ctx context.Context, first, n int, workers []worker, out *Monthly, report func(part float64)) error {
	core := f.s.Core
	var sky *skyline
	if f.p.Shadows {
		window := raster.Window{Col: core.Col, Row: core.Row + first, Width: core.Width, Height: n}
		var err error
		sky, err = newSkyline(ctx, f.terrain, f.s, window, f.active, len(workers), func(part float64) { report(part * 0.6) })
		if err != nil {
			return err
		}
	}
	offset := first * core.Width
	chunks := f.chunks(first, n)
	err := eachBlock(ctx, len(chunks), len(workers), func(worker, block int) {
		workers[worker].yearOf(f, &chunks[block], sky, offset, out)
	}, func(finished int) { report(0.6 + 0.4*float64(finished)/float64(len(chunks))) })
	if err != nil {
		return err
	}
	for _, i := range f.polar {
		if i >= offset && i < offset+n*core.Width {
			f.poleYear(i, sky, offset, out)
		}
	}
	return nil
}

// yearOf sums the year of a chunk's cells; offset is the core cell where the skyline starts.
func (w *worker) yearOf(f *field, c *chunk, sky *skyline, offset int, out *Monthly) {
	w.enter(f, c.key)
	for cells := range slices.Chunk(c.cells, lanes) {
		w.findLit(cells, sky, offset)
		for k, cell := range cells {
			i, pl := int(cell), &w.planes[k]
			f.layout.changes(&w.block, k, w.path, &w.changes)
			if f.s.layered {
				w.ownAir(i, k, out)
				continue
			}
			around := w.corners(w.heights[k], weather{ownTurbidity, false})
			for m := range 12 {
				lit := around.sum(w.changes.plus[m], w.changes.minus[m])
				open := horizontalBeam(&w.moments[m], around.open(m))
				t := energy(pl, &lit, w.changes.count[m], w.diffuse[m], open, f.p.Albedo[m], f.p)
				out.set(m, i, t, open+w.diffuse[m])
			}
		}
	}
}

// ownAir sums the year of core cell i, the block's cell k, where turbidity, albedo or a
// real-sky factor differ from cell to cell.
func (w *worker) ownAir(i, k int, out *Monthly) {
	f := w.f
	corner := func(of weather) corners { return w.corners(w.heights[k], of) }
	for m := range 12 {
		a := f.s.air(f.p, i, m)
		lit, open := f.mix(a, m, w.changes.plus[m], w.changes.minus[m], corner)
		open = horizontalBeam(&w.moments[m], open)
		s := clearsky.NewSky(1, a)
		diffuse := w.moments[m].Diffuse(&s)
		t := energy(&w.planes[k], &lit, w.changes.count[m], diffuse, open, a.Albedo, f.p)
		out.set(m, i, t, open+diffuse)
	}
}

// energy turns the sums of a cell's lit samples into radiation on a plane. diffuse and
// horizontal are the sums of all samples' horizontal diffuse and beam.
func energy(pl *clearsky.Plane, s *sums, count int32, diffuse, horizontal, albedo float64, p *Parameters) totals {
	t := totals{hours: float64(count) * p.StepMinutes / 60}
	up := float64(s[beamUp])
	if pl.Flat {
		t.beam, t.diffuse = up, diffuse
		return t
	}
	t.beam = max(0, pl.East*float64(s[beamEast])+pl.North*float64(s[beamNorth])+pl.Cos*up)
	t.diffuse = diffuse*(pl.Isotropic+clearsky.UnlitSky*pl.Anisotropic) + pl.East*float64(s[diffuseEast]) + pl.North*float64(s[diffuseNorth]) +
		pl.Cos*float64(s[diffuseUp]) + pl.Isotropic*float64(s[isotropic]) + pl.Anisotropic*float64(s[anisotropic])
	if !p.ReflFull {
		horizontal = up
	}
	t.reflected = albedo * (horizontal + diffuse) * pl.Ground
	return t
}

// atPole returns the plain engine, with the horizons of a skyline. It computes cells at a
// pole, where the sun has no azimuth, which is taken as 0.
func atPole(sky *skyline, offset int) reference {
	return reference{horizon: func(i int, azimuth float64) float64 { return sky.tangent(i-offset, azimuth) }}
}

func (f *field) poleYear(i int, sky *skyline, offset int, out *Monthly) {
	e := atPole(sky, offset)
	for m := range 12 {
		t, flat := e.month(f.s, f.p, i, m, 0)
		out.set(m, i, t, flat)
	}
}

func (fast) Days(ctx context.Context, s Surface, p Parameters, days []int, threads int, emit func(day int, d *Daily) error) error {
	if err := check(&s, &p, days); err != nil {
		return err
	}
	f, err := newField(ctx, &s, &p, threads)
	if err != nil {
		return err
	}
	var (
		sky    *skyline
		chunks []chunk
	)
	if f.haveCells {
		chunks = f.chunks(0, s.Core.Height)
		if p.Shadows {
			var err error
			if sky, err = newSkyline(ctx, f.terrain, &s, s.Core, f.active, threads, nil); err != nil {
				return err
			}
		}
	}
	dayWorkers := make([]dayWorker, max(1, threads))
	for _, day := range days {
		d := newDaily(s.Core)
		for i, g := range f.groups {
			if g == noGroup {
				d.set(i, noTotals, math.NaN())
			}
		}
		err := eachBlock(ctx, len(chunks), threads, func(worker, block int) {
			dayWorkers[worker].dayOf(f, &chunks[block], sky, day, d)
		}, nil)
		if err != nil {
			return err
		}
		for _, i := range f.polar {
			t, flat := atPole(sky, 0).day(&s, &p, i, day, 0)
			d.set(i, t, flat)
		}
		if err := emit(day, d); err != nil {
			return err
		}
	}
	return nil
}

// dayWorker holds what one goroutine needs for a day of cells.
type dayWorker struct {
	shadowTest
	key      key
	day      int
	instants []instant
	moments  clearsky.Moments
	diffuse  float64
	tables   map[tableKey]*table // sums of the first 0, 1, ... slots
	changes  changes
}

func (w *dayWorker) enter(f *field, k key, day int) {
	if w.f == f && w.key == k && w.day == day {
		return
	}
	w.key, w.day = k, day
	w.setPath(f, k, []float64{sun.Declination(day)})
	at := sun.NewSite(binLatitude(k.latitude))
	w.instants = newInstants(at, day, f.layout.slots)
	w.moments = clearsky.Moments{}
	g0 := sun.Extraterrestrial(day) * f.layout.slots.Step
	for i := range w.instants {
		if up := w.instants[i].up; up > 0 {
			w.moments[0] += g0
			w.moments[1] += g0 * up
			w.moments[2] += g0 * up * up
		}
	}
	s := clearsky.NewSky(day, f.p.air(sun.MonthOf(day)))
	w.diffuse = w.moments.Diffuse(&s)
	w.tables = map[tableKey]*table{}
}

func (w *dayWorker) table(k tableKey) *table {
	t := w.tables[k]
	if t == nil {
		month := sun.MonthOf(w.day)
		s := clearsky.NewSky(w.day, w.f.air(month, k.weather))
		t = &table{cells: make([]sums, len(w.instants)+1)}
		var acc [terms]float64
		p := clearsky.Pressure(float64(k.elevation) * elevationSpacing)
		for i := range w.instants {
			addSample(&s, &acc, &w.instants[i], p, w.f.layout.slots.Step, k.powers)
			round(&t.cells[i+1], &acc)
		}
		t.open[month] = float32(acc[beamUp])
		w.tables[k] = t
	}
	return t
}

// corners returns the tables around an elevation. They are for the latitude itself, so that
// none are interpolated along latitude.
func (w *dayWorker) corners(z float64, of weather) (c corners) {
	below, up := elevationNode(z)
	lower, upper := w.table(tableKey{below, of}), w.table(tableKey{below + 1, of})
	return corners{tables: [4]*table{lower, upper, lower, upper}, weights: [4]float32{1 - up, up, 0, 0}}
}

// dayOf sums a day of a chunk's cells.
func (w *dayWorker) dayOf(f *field, c *chunk, sky *skyline, day int, out *Daily) {
	w.enter(f, c.key, day)
	m := sun.MonthOf(day)
	for cells := range slices.Chunk(c.cells, lanes) {
		w.findLit(cells, sky, 0)
		for k, cell := range cells {
			i := int(cell)
			count := w.changes.runs(m, w.block.masks, k, 0, f.layout.slots.N)
			plus, minus := w.changes.plus[m], w.changes.minus[m]
			corner := func(of weather) corners { return w.corners(w.heights[k], of) }
			a, diffuse := f.p.air(m), w.diffuse
			var (
				lit  sums
				open float64
			)
			if f.s.layered {
				a = f.s.air(f.p, i, m)
				s := clearsky.NewSky(day, a)
				diffuse = w.moments.Diffuse(&s)
				lit, open = f.mix(a, m, plus, minus, corner)
			} else {
				around := corner(weather{ownTurbidity, false})
				lit, open = around.sum(plus, minus), around.open(m)
			}
			t := energy(&w.planes[k], &lit, int32(count), diffuse, open, a.Albedo, f.p)
			out.set(i, t, open+diffuse)
		}
	}
}
