package solar

import (
	"math"
	"sync"
)

// terms is how many sums describe what a set of lit samples adds to a cell,
// whatever its slope: two vectors to multiply with the surface normal (beam,
// circumsolar diffuse), and the changes of the isotropic and the anisotropic
// diffuse sum from their unlit values. All are Wh m⁻².
const terms = 8

type sums [terms]float32

const (
	beamEast = iota
	beamNorth
	beamUp // also the horizontal beam
	diffuseEast
	diffuseNorth
	diffuseUp
	isotropic
	anisotropic
)

// instant is what one sample sends through the sky, as far as it does not depend on elevation.
type instant struct {
	up, east, north float64 // direction of the sun
	mass            float64 // air mass at sea level
	diffuse         float64 // horizontal, W m⁻²
	circumsolar     float64 // the share of Kb times diffuse that goes to the horizontal part of the direction
	high            bool    // Muneer's high-sun form
}

// belowHorizon is the sine of altitude down to which samples are described: a
// sun that is up at a place may be down at the latitude knot beside it. Whether
// a sample counts is decided at the place.
const belowHorizon = -0.005

// daySky is the sun and sky of one day at one latitude.
type daySky struct {
	sky      sky
	instants []instant // by slot; mass 0 while the sun is well below the horizon
}

func newDaySky(at site, day int, p *Parameters, s slots) daySky {
	d := daySky{sky: newSky(day, p.air(MonthOf(day))), instants: make([]instant, s.n)}
	sinDelta, cosDelta := math.Sincos(Declination(day))
	for k := range d.instants {
		sinH, azimuth := at.position(sinDelta, cosDelta, hourAngle(s.first+k, s.step))
		if sinH <= belowHorizon {
			continue
		}
		sinH = min(1, sinH)
		h, cosH := math.Asin(sinH), math.Sqrt(1-sinH*sinH)
		sin, cos := math.Sincos(azimuth)
		o := instant{up: sinH, east: cosH * sin, north: cosH * cos, mass: airMass(h), diffuse: d.sky.scattered(sinH), high: h >= lowSun}
		o.circumsolar = 1 / sinH
		if !o.high {
			o.circumsolar = 1 / (cosH * (0.1 - 0.008*h))
		}
		d.instants[k] = o
	}
	return d
}

// horizontal returns the day's diffuse sum on a horizontal place, Wh m⁻².
func (d *daySky) horizontal(step float64) float64 {
	sum := 0.0
	for i := range d.instants {
		if d.instants[i].up > 0 {
			sum += d.instants[i].diffuse
		}
	}
	return sum * step
}

// monthlyDiffuse returns the diffuse sums of each month on a horizontal place at a latitude, Wh m⁻².
func monthlyDiffuse(latitude float64, p *Parameters, s slots) (sum [12]float64) {
	at := newSite(latitude)
	noon := make([]float64, s.n)
	for k := range noon {
		noon[k] = math.Cos(hourAngle(s.first+k, s.step))
	}
	for day := 1; day <= yearDays; day++ {
		sky := newSky(day, p.air(MonthOf(day)))
		sinDelta, cosDelta := math.Sincos(Declination(day))
		a, b := at.sin*sinDelta, at.cos*cosDelta
		total := 0.0
		for _, c := range noon {
			if sinH := a + b*c; sinH > 0 {
				total += sky.scattered(sinH)
			}
		}
		sum[MonthOf(day)] += total * s.step
	}
	return sum
}

// add adds one slot of the day to sums in float64, at an air pressure relative to the sea's.
func (d *daySky) add(acc *[terms]float64, slot int, pressure, step float64) {
	o := &d.instants[slot]
	if o.mass == 0 {
		return
	}
	beam := d.sky.through(pressure * o.mass)
	kb := beam / d.sky.g0
	beam *= step
	diffuse := o.diffuse * step
	around := diffuse * kb * o.circumsolar
	acc[beamEast] += beam * o.east
	acc[beamNorth] += beam * o.north
	acc[beamUp] += beam * max(0, o.up)
	acc[diffuseEast] += around * o.east
	acc[diffuseNorth] += around * o.north
	if o.high {
		acc[diffuseUp] += diffuse * kb
	}
	acc[isotropic] -= diffuse * kb
	acc[anisotropic] += diffuse * (muneer(kb)*(1-kb) - unlitSky)
}

// table holds the sums of a year's samples at one latitude and elevation.
type table struct {
	// prefix holds, for each segment and slot, the sums over its first 0, 1, ... days.
	prefix []sums
	// run holds, for each segment, the sums over all its days of the first 0, 1, ... slots.
	run []sums
	// month holds the same for whole months.
	month []sums
}

// layout places the entries of a table.
type layout struct {
	segments []segment
	slots    slots
}

func (l *layout) prefixAt(j, slot int) int {
	g := &l.segments[j]
	return g.base*l.slots.n + slot*(g.days+1)
}

func (l *layout) runAt(j, slot int) int { return j*(l.slots.n+1) + slot }

func (l *layout) newTable() *table {
	last := l.segments[len(l.segments)-1]
	return &table{
		prefix: make([]sums, (last.base+last.days+1)*l.slots.n),
		run:    make([]sums, len(l.segments)*(l.slots.n+1)),
		month:  make([]sums, 12*(l.slots.n+1)),
	}
}

// knot holds the tables of one latitude knot, made when first asked for.
type knot struct {
	layout *layout
	year   []daySky

	mu     sync.Mutex
	tables map[int]*knotTable
}

type knotTable struct {
	once sync.Once
	t    *table
}

func newKnot(latitude float64, l *layout, p *Parameters) *knot {
	k := &knot{layout: l, year: make([]daySky, yearDays), tables: map[int]*knotTable{}}
	at := newSite(latitude)
	for d := range k.year {
		k.year[d] = newDaySky(at, d+1, p, l.slots)
	}
	return k
}

// table returns the knot's table at an elevation knot.
func (k *knot) table(level int) *table {
	k.mu.Lock()
	e := k.tables[level]
	if e == nil {
		e = &knotTable{}
		k.tables[level] = e
	}
	k.mu.Unlock()
	e.once.Do(func() { e.t = k.build(pressure(float64(level) * levelSpacing)) })
	return e.t
}

func (k *knot) build(pressure float64) *table {
	l := k.layout
	t := l.newTable()
	months := make([][terms]float64, len(t.month))
	for j, g := range l.segments {
		var run [terms]float64
		for slot := range l.slots.n {
			var acc [terms]float64
			at := l.prefixAt(j, slot)
			for n := range g.days {
				k.year[g.first-1+n].add(&acc, slot, pressure, l.slots.step)
				round(&t.prefix[at+n+1], &acc)
			}
			for i := range acc {
				run[i] += acc[i]
			}
			round(&t.run[l.runAt(j, slot+1)], &run)
			for i, v := range run {
				months[l.runAt(g.month, slot+1)][i] += v
			}
		}
	}
	for i := range months {
		round(&t.month[i], &months[i])
	}
	return t
}

func round(s *sums, acc *[terms]float64) {
	for i, v := range acc {
		s[i] = float32(v)
	}
}

// levelSpacing is the distance of elevation knots in metres: beam is
// interpolated between them within 1e-5.
const levelSpacing = 100.0

// level returns the elevation knot below z, held within -2000..12000 m, and the
// weight of the one above.
func level(z float64) (below int, weight float32) {
	z = max(-2000, min(12000, z)) / levelSpacing
	floor := math.Floor(z)
	return int(floor), float32(z - floor)
}

// almanac keeps the latitude knots in use, for all goroutines.
type almanac struct {
	layout     *layout
	parameters *Parameters

	mu    sync.Mutex
	knots map[int]*almanacKnot
	order []int
}

type almanacKnot struct {
	once sync.Once
	k    *knot
}

// knotsKept bounds the almanac: work goes by latitude, so that knots left behind are not asked for again.
const knotsKept = 6

func newAlmanac(l *layout, p *Parameters) *almanac {
	return &almanac{layout: l, parameters: p, knots: map[int]*almanacKnot{}}
}

func (a *almanac) knot(n int) *knot {
	a.mu.Lock()
	e := a.knots[n]
	if e == nil {
		e = &almanacKnot{}
		a.knots[n] = e
		a.order = append(a.order, n)
		if len(a.order) > knotsKept {
			delete(a.knots, a.order[0])
			a.order = a.order[1:]
		}
	}
	a.mu.Unlock()
	e.once.Do(func() { e.k = newKnot(binLatitude(n*knotEvery), a.layout, a.parameters) })
	return e.k
}

// interpolate sets t to the tables' mean with weight of b.
func (t *table) interpolate(a, b *table, weight float32) {
	blend(t.prefix, a.prefix, b.prefix, weight)
	blend(t.run, a.run, b.run, weight)
	blend(t.month, a.month, b.month, weight)
}

func blend(dst, a, b []sums, weight float32) {
	a, b = a[:len(dst)], b[:len(dst)]
	for i := range dst {
		for k := range terms {
			dst[i][k] = a[i][k] + weight*(b[i][k]-a[i][k])
		}
	}
}
