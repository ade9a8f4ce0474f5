package solar

import (
	"context"
	"math"
	"slices"

	"github.com/cyverse-gis/eemt/shared/raster"
	"github.com/cyverse-gis/eemt/shared/solar/horizon"
)

// Fast returns the engine for production: horizons by sweeps, the sun's samples
// summed beforehand by latitude, elevation, time of day and season, so that a
// cell's year takes microseconds.
func Fast() Engine { return fast{} }

type fast struct{}

// codesAtOnce bounds the horizons held in memory by Year (2 bytes each).
const codesAtOnce = 192 << 20

// cellsAtOnce is how many cells of one latitude a goroutine takes at a time.
const cellsAtOnce = 4096

// field is a surface with what its cells have in common.
type field struct {
	s          *Surface
	p          *Parameters
	layout     *layout
	active     []int // azimuths that need horizons
	terrain    *horizon.Terrain
	sampling   horizon.Sampling
	almanac    *almanac
	lowest     int // elevation knots in use
	highest    int
	direct     []int // core cells summed sample by sample: at a pole, or with layers of their own
	haveCells  bool
	bins       []int32 // latitude bin by core cell
	firstBin   int
	binsInCore int
}

const noBin = math.MinInt32

func newField(s *Surface, p *Parameters) *field {
	f := &field{s: s, p: p, lowest: math.MaxInt, highest: math.MinInt}
	f.bins = make([]int32, s.Core.Width*s.Core.Height)
	minLat, maxLat := math.Inf(1), math.Inf(-1)
	minConv, maxConv := math.Inf(1), math.Inf(-1)
	firstBin, lastBin := math.MaxInt, math.MinInt
	for i := range f.bins {
		f.bins[i] = noBin
		c, ok := s.at(i)
		if !ok {
			continue
		}
		minLat, maxLat = min(minLat, c.latitude), max(maxLat, c.latitude)
		minConv, maxConv = min(minConv, c.convergence), max(maxConv, c.convergence)
		f.haveCells = true
		if s.layered || math.Cos(c.latitude) < poleCosine {
			f.direct = append(f.direct, i)
			continue
		}
		b := latitudeBin(c.latitude)
		firstBin, lastBin = min(firstBin, b), max(lastBin, b)
		f.bins[i] = int32(b)
		z, _ := level(c.z)
		f.lowest, f.highest = min(f.lowest, z), max(f.highest, z+1)
	}
	if !f.haveCells {
		return f
	}
	f.firstBin, f.binsInCore = firstBin, lastBin-firstBin+1
	// Knots lie up to a tenth of a degree outside the core.
	const knotStep = float64(knotEvery) / latitudeBins * math.Pi / 180
	f.layout = &layout{segments: segments(), slots: activeSlots(minLat-knotStep, maxLat+knotStep, p.StepMinutes/60)}
	f.almanac = newAlmanac(f.layout, p)
	if p.Shadows {
		f.active = sunAzimuths(minLat, maxLat, minConv, maxConv, f.layout.slots)
		f.sampling = samplingOf(p)
		f.terrain = horizon.NewTerrain(s.DEM, s.OriginCol, s.OriginRow)
	}
	return f
}

// chunk is a number of core cells in one latitude bin.
type chunk struct {
	bin   int
	cells []int32
}

// chunks groups the core cells of rows first to first+rows by latitude bin.
func (f *field) chunks(first, rows int) []chunk {
	width := f.s.Core.Width
	bins := f.bins[first*width : (first+rows)*width]
	starts := make([]int32, f.binsInCore+1)
	for _, b := range bins {
		if b != noBin {
			starts[int(b)-f.firstBin+1]++
		}
	}
	for i := 1; i < len(starts); i++ {
		starts[i] += starts[i-1]
	}
	order := make([]int32, starts[f.binsInCore])
	next := slices.Clone(starts)
	for i, b := range bins {
		if b != noBin {
			at := &next[int(b)-f.firstBin]
			order[*at] = int32(first*width + i)
			*at++
		}
	}
	var out []chunk
	for b := range f.binsInCore {
		for cells := range slices.Chunk(order[starts[b]:starts[b+1]], cellsAtOnce) {
			out = append(out, chunk{bin: f.firstBin + b, cells: cells})
		}
	}
	return out
}

// worker holds one goroutine's tables of the latitude bin it works in.
type worker struct {
	f       *field
	bin     int
	year    *year
	lower   *knot
	upper   *knot
	weight  float32
	levels  []*table // by elevation knot from the field's lowest; nil until needed
	spare   []*table
	diffuse [12]float64
	view    view
	masks   []uint64
}

func newWorker(f *field) *worker {
	words := (f.layout.slots.n + 63) / 64
	return &worker{f: f, bin: noBin, levels: make([]*table, max(0, f.highest-f.lowest+1)), masks: make([]uint64, (len(f.layout.segments)+1)*words)}
}

// enter moves the worker to an latitude bin.
func (w *worker) enter(bin int) {
	if bin == w.bin {
		return
	}
	w.bin = bin
	w.year = newYear(binLatitude(bin), w.f.layout)
	k := floorDiv(bin, knotEvery)
	w.lower, w.upper = w.f.almanac.knot(k), w.f.almanac.knot(k+1)
	w.weight = float32(bin-k*knotEvery) / knotEvery
	w.diffuse = monthlyDiffuse(binLatitude(bin), w.f.p, w.f.layout.slots)
	for i, t := range w.levels {
		if t != nil {
			w.spare = append(w.spare, t)
			w.levels[i] = nil
		}
	}
}

// level returns the bin's table at an elevation knot.
func (w *worker) level(n int) *table {
	at := &w.levels[n-w.f.lowest]
	if *at == nil {
		if k := len(w.spare); k > 0 {
			*at, w.spare = w.spare[k-1], w.spare[:k-1]
		} else {
			*at = w.f.layout.newTable()
		}
		(*at).interpolate(w.lower.table(n), w.upper.table(n), w.weight)
	}
	return *at
}

// flat returns the monthly horizontal beam sums of an open cell.
func (w *worker) flat(lower, upper *table, weight float32) (beam [12]float64) {
	l := w.f.layout
	for m := range beam {
		end := l.runAt(m, l.slots.n)
		a, b := lower.month[end][beamUp], upper.month[end][beamUp]
		beam[m] = float64(a + weight*(b-a))
	}
	return beam
}

func (fast) Year(ctx context.Context, s Surface, p Parameters, threads int, progress func(done, total int)) (*Monthly, error) {
	if err := check(&s, &p, nil); err != nil {
		return nil, err
	}
	out := newMonthly(s.Core, p.Components)
	f := newField(&s, &p)
	for i := range f.bins {
		if f.bins[i] == noBin {
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
	threads = max(1, threads)
	workers := make([]*worker, threads)
	for i := range workers {
		workers[i] = newWorker(f)
	}
	rows := s.Core.Height
	if n := len(f.active); n > 0 {
		rows = max(1, min(rows, codesAtOnce/(n*s.Core.Width)))
	}
	for first := 0; first < s.Core.Height; first += rows {
		n := min(rows, s.Core.Height-first)
		begin, share := float64(first)/float64(s.Core.Height), float64(n)/float64(s.Core.Height)
		var sky *skyline
		if p.Shadows {
			window := raster.Window{Col: s.Core.Col, Row: s.Core.Row + first, Width: s.Core.Width, Height: n}
			var err error
			sky, err = newSkyline(ctx, f.terrain, &s, window, f.active, f.sampling, threads, func(part float64) { report(begin + share*part*0.4) })
			if err != nil {
				return nil, err
			}
		}
		offset := first * s.Core.Width
		chunks := f.chunks(first, n)
		err := eachBlock(ctx, len(chunks), threads, func(worker, block int) {
			workers[worker].yearOf(&chunks[block], sky, offset, out)
		}, func(finished int) { report(begin + share*(0.4+0.6*float64(finished)/float64(len(chunks)))) })
		if err != nil {
			return nil, err
		}
		from, _ := slices.BinarySearch(f.direct, offset)
		to, _ := slices.BinarySearch(f.direct, offset+n*s.Core.Width)
		direct := f.direct[from:to]
		if err := eachBlock(ctx, len(direct), threads, func(_, k int) { f.directYear(direct[k], sky, offset, out) }, nil); err != nil {
			return nil, err
		}
	}
	report(1)
	return out, nil
}

// yearOf sums the year of a chunk's cells; offset is the core cell where the skyline starts.
func (w *worker) yearOf(c *chunk, sky *skyline, offset int, out *Monthly) {
	w.enter(c.bin)
	var (
		lit    [12]sums
		counts [12]int32
	)
	for _, i := range c.cells {
		cell, _ := w.f.s.at(int(i))
		pl := newPlane(cell.slope, cell.aspect+cell.convergence)
		w.view.look(pl, cell.convergence, sky, int(i)-offset)
		below, weight := level(cell.z)
		lower, upper := w.level(below), w.level(below+1)
		w.year.sum(&w.view, w.masks, lower, upper, weight, &lit, &counts)
		open := w.flat(lower, upper, weight)
		for m := range 12 {
			t := pl.energy(&w.view, &lit[m], counts[m], w.diffuse[m], open[m], w.f.p.Albedo[m], w.f.p)
			out.set(m, int(i), t, open[m]+w.diffuse[m])
		}
	}
}

// directly is the plain engine with the skyline's horizons.
func directly(sky *skyline, offset int) reference {
	return reference{horizon: func(i int, azimuth float64) float64 { return sky.tangent(i-offset, azimuth) }}
}

// directYear sums the year of core cell i sample by sample.
func (f *field) directYear(i int, sky *skyline, offset int, out *Monthly) {
	e := directly(sky, offset)
	for m := range 12 {
		var sum totals
		var flat float64
		first, last := DaysOf(m)
		for day := first; day <= last; day++ {
			t, fl := e.day(f.s, f.p, i, day, 0)
			sum.beam += t.beam
			sum.diffuse += t.diffuse
			sum.reflected += t.reflected
			sum.hours += t.hours
			flat += fl
		}
		out.set(m, i, sum, flat)
	}
}

func (fast) Days(ctx context.Context, s Surface, p Parameters, days []int, threads int, emit func(day int, d *Daily) error) error {
	if err := check(&s, &p, days); err != nil {
		return err
	}
	f := newField(&s, &p)
	var (
		sky    *skyline
		chunks []chunk
	)
	if f.haveCells {
		chunks = f.chunks(0, s.Core.Height)
		if p.Shadows {
			var err error
			if sky, err = newSkyline(ctx, f.terrain, &s, s.Core, f.active, f.sampling, threads, nil); err != nil {
				return err
			}
		}
	}
	dayWorkers := make([]dayWorker, max(1, threads))
	for _, day := range days {
		d := newDaily(s.Core)
		for i, b := range f.bins {
			if b == noBin {
				d.set(i, noTotals, math.NaN())
			}
		}
		err := eachBlock(ctx, len(chunks), threads, func(worker, block int) {
			dayWorkers[worker].dayOf(f, &chunks[block], sky, day, d)
		}, nil)
		if err != nil {
			return err
		}
		err = eachBlock(ctx, len(f.direct), threads, func(_, k int) {
			t, flat := directly(sky, 0).day(&s, &p, f.direct[k], day, 0)
			d.set(f.direct[k], t, flat)
		}, nil)
		if err != nil {
			return err
		}
		if err := emit(day, d); err != nil {
			return err
		}
	}
	return nil
}

// dayWorker holds one goroutine's tables of a day in an latitude bin.
type dayWorker struct {
	bin, day int
	sky      daySky
	path     *path
	noon     noon
	levels   map[int][]sums // sums of the first 0, 1, ... slots, by elevation knot
	diffuse  float64
	view     view
	mask     []uint64
}

func (w *dayWorker) enter(f *field, bin, day int) {
	if w.path != nil && w.bin == bin && w.day == day {
		return
	}
	w.bin, w.day = bin, day
	lat := binLatitude(bin)
	w.path = newPath(lat, []int{day}, f.layout.slots)
	w.noon = w.path.noon(0)
	w.sky = newDaySky(newSite(lat), day, f.p, f.layout.slots)
	w.levels = map[int][]sums{}
	w.diffuse = w.sky.horizontal(f.layout.slots.step)
	w.mask = make([]uint64, (f.layout.slots.n+63)/64)
}

func (w *dayWorker) level(f *field, n int) []sums {
	t := w.levels[n]
	if t == nil {
		t = make([]sums, f.layout.slots.n+1)
		var acc [terms]float64
		p := pressure(float64(n) * levelSpacing)
		for k := range f.layout.slots.n {
			w.sky.add(&acc, k, p, f.layout.slots.step)
			round(&t[k+1], &acc)
		}
		w.levels[n] = t
	}
	return t
}

// dayOf sums a day of a chunk's cells.
func (w *dayWorker) dayOf(f *field, c *chunk, sky *skyline, day int, out *Daily) {
	w.enter(f, c.bin, day)
	albedo := f.p.Albedo[MonthOf(day)]
	n := f.layout.slots.n
	for _, i := range c.cells {
		cell, _ := f.s.at(int(i))
		pl := newPlane(cell.slope, cell.aspect+cell.convergence)
		w.view.look(pl, cell.convergence, sky, int(i))
		w.view.scan(w.mask, w.path.days, &w.noon)
		below, weight := level(cell.z)
		lower, upper := w.level(f, below), w.level(f, below+1)
		var low, high sums
		count := int32(0)
		for word, m := range w.mask {
			for m != 0 {
				a, b := lowestRun(m)
				m &^= runMask(a, b)
				from, to := word<<6+a, word<<6+b
				low.addDifference(&lower[to], &lower[from])
				high.addDifference(&upper[to], &upper[from])
				count += int32(b - a)
			}
		}
		for k := range low {
			low[k] += weight * (high[k] - low[k])
		}
		open := float64(lower[n][beamUp] + weight*(upper[n][beamUp]-lower[n][beamUp]))
		t := pl.energy(&w.view, &low, count, w.diffuse, open, albedo, f.p)
		out.set(int(i), t, open+w.diffuse)
	}
}
