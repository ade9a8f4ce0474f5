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

// The terms of a table of powers: sums of the horizontal diffuse times powers of
// Kb. With them the anisotropic term follows for any beam factor, a cubic in Kb.
const (
	power0 = iota
	power2
	power3
)

// instant is what one sample sends through the sky, as far as it depends on
// latitude and time alone.
type instant struct {
	up, east, north float64 // direction of the sun
	mass            float64 // air mass at sea level; 0 while the sun is well below the horizon
	circumsolar     float64 // the share of Kb times diffuse that goes to the horizontal part of the direction
	high            bool    // Muneer's high-sun form
}

// belowHorizon is the sine of altitude down to which samples are described: a
// sun that is up at a place may be down at the latitude node beside it. Whether
// a sample counts is decided at the place.
const belowHorizon = -0.005

// newInstants describes the slots of a day.
func newInstants(at site, day int, s slots) []instant {
	out := make([]instant, s.n)
	sinDelta, cosDelta := math.Sincos(Declination(day))
	for k := range out {
		sinH, azimuth := at.position(sinDelta, cosDelta, hourAngle(s.first+k, s.step))
		if sinH <= belowHorizon {
			continue
		}
		sinH = min(1, sinH)
		h, cosH := math.Asin(sinH), math.Sqrt(1-sinH*sinH)
		sin, cos := math.Sincos(azimuth)
		o := instant{up: sinH, east: cosH * sin, north: cosH * cos, mass: airMass(h), high: h >= lowSun}
		o.circumsolar = 1 / sinH
		if !o.high {
			o.circumsolar = 1 / (cosH * (0.1 - 0.008*h))
		}
		out[k] = o
	}
	return out
}

// addSample adds one sample to the sums of a table, or of a table of powers, in float64,
// at an air pressure relative to that of the sea.
func (s *sky) addSample(acc *[terms]float64, o *instant, pressure, step float64, powers bool) {
	switch {
	case o.mass == 0: // the sun is down
	case powers:
		s.addPowers(acc, o, pressure, step)
	default:
		s.add(acc, o, pressure, step)
	}
}

func (s *sky) add(acc *[terms]float64, o *instant, pressure, step float64) {
	beam := s.through(pressure * o.mass)
	kb := beam / s.g0
	beam *= step
	diffuse := s.scattered(o.up) * step
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

func (s *sky) addPowers(acc *[terms]float64, o *instant, pressure, step float64) {
	kb := s.through(pressure*o.mass) / s.g0
	diffuse := s.scattered(o.up) * step
	acc[power0] += diffuse
	acc[power2] += diffuse * kb * kb
	acc[power3] += diffuse * kb * kb * kb
}

// anisotropicOf returns the anisotropic term for a beam factor k, from the terms
// of a table made with factor 1: (N(Kb)(1-Kb) - 0.252271) summed, in powers of Kb.
func anisotropicOf(k, linear float64, powers *sums) float64 {
	const a, b, c = 0.00263, -0.712, -0.6883 // of muneer
	return (a-unlitSky)*float64(powers[power0]) + (b-a)*k*linear + (c-b)*k*k*float64(powers[power2]) - c*k*k*k*float64(powers[power3])
}

// table holds the sums of samples at one latitude and elevation.
type table struct {
	// cells: for each month the sums over all its days of the first 0, 1, ...
	// slots; then for each half of the year and slot its entries: what a change
	// between lit and dark adds when the samples before it are lit, takes when
	// those after it are.
	cells []sums
	open  [12]float32 // the horizontal beam of all samples, by month
}

// layout places the sums of a table.
type layout struct {
	season *season
	slots  slots
}

func (l *layout) runAt(month, slot int) int { return month*(l.slots.n+1) + slot }

func (l *layout) changesAt(half int) int {
	return 12*(l.slots.n+1) + half*l.slots.n*l.season.half[0].entries
}

func (l *layout) size() int { return l.changesAt(1) + l.slots.n*l.season.half[1].entries }

// weather is the choice of sky a table is made for.
type weather struct {
	turbidity int  // number of a node of Linke turbidity, or ownTurbidity
	powers    bool // a table of powers
}

// ownTurbidity stands for the turbidity of each month in Parameters.
const ownTurbidity = -1

// latitudeNode holds the tables of one latitude, made when first asked for.
type latitudeNode struct {
	f         *field
	ephemeris [][]instant // by day, then slot

	mu     sync.Mutex
	tables map[tableKey]*nodeTable
}

type tableKey struct {
	elevation int // number of the elevation node
	weather
}

type nodeTable struct {
	once sync.Once
	t    *table
}

func newLatitudeNode(latitude float64, f *field) *latitudeNode {
	k := &latitudeNode{f: f, ephemeris: make([][]instant, yearDays), tables: map[tableKey]*nodeTable{}}
	at := newSite(latitude)
	for d := range k.ephemeris {
		k.ephemeris[d] = newInstants(at, d+1, f.layout.slots)
	}
	return k
}

// table returns the node's table at an elevation node.
func (k *latitudeNode) table(elevation int, w weather) *table {
	key := tableKey{elevation, w}
	k.mu.Lock()
	e := k.tables[key]
	if e == nil {
		e = &nodeTable{}
		k.tables[key] = e
	}
	k.mu.Unlock()
	e.once.Do(func() { e.t = k.build(pressure(float64(elevation)*elevationSpacing), w) })
	return e.t
}

func (k *latitudeNode) build(pressure float64, w weather) *table {
	l, step := k.f.layout, k.f.layout.slots.step
	t := &table{cells: make([]sums, l.size())}
	skies := make([]sky, yearDays)
	for d := range skies {
		skies[d] = newSky(d+1, k.f.air(MonthOf(d+1), w))
	}
	n := l.slots.n
	months := make([][terms]float64, 12*n) // by month, then slot
	for side := range l.season.half {
		h := &l.season.half[side]
		for slot := range n {
			entries := t.cells[l.changesAt(side)+slot*h.entries:][:h.entries]
			for part := range h.starts {
				days, own := h.part(part, entries)
				month := MonthOf(days[0])
				var acc [terms]float64
				for i, day := range days {
					skies[day-1].addSample(&acc, &k.ephemeris[day-1][slot], pressure, step, w.powers)
					round(&own[i+1], &acc)
				}
				if month == 11 {
					fromEnd(own, &acc)
				}
				for i, v := range acc {
					months[month*n+slot][i] += v
				}
			}
		}
	}
	for m := range 12 {
		var run [terms]float64
		for slot := range n {
			for i, v := range months[m*n+slot] {
				run[i] += v
			}
			round(&t.cells[l.runAt(m, slot+1)], &run)
		}
		t.open[m] = float32(run[beamUp])
	}
	return t
}

// fromEnd makes sums over the first days of December those over its last days, with the
// other sign: its days count from the solstice. all is the sum over all its days.
func fromEnd(entries []sums, all *[terms]float64) {
	for e := range entries {
		for i, v := range all {
			entries[e][i] -= float32(v)
		}
	}
}

func round(s *sums, acc *[terms]float64) {
	for i, v := range acc {
		s[i] = float32(v)
	}
}

// elevationSpacing is the distance of elevation nodes in metres: beam is
// interpolated between them within 4e-5.
const elevationSpacing = 200.0

// elevationNode returns the number of the elevation node below z, held within -2000..12000 m, and the
// weight of the one above.
func elevationNode(z float64) (below int, weight float32) {
	z = max(-2000, min(12000, z)) / elevationSpacing
	floor := math.Floor(z)
	return int(floor), float32(z - floor)
}

// Between nodes of turbidity everything is interpolated by cubics.
const (
	turbiditySpacing = 0.5
	turbidityNodes   = 15 // 1 to 8
)

func turbidityAt(node int) float64 { return 1 + float64(node)*turbiditySpacing }

// turbidity returns the first of four nodes around a turbidity of 1 to 8, and
// their weights.
func turbidity(linke float64) (first int, weights [4]float64) {
	x := (linke - 1) / turbiditySpacing
	first = max(0, min(turbidityNodes-4, int(x)-1))
	x -= float64(first)
	for i := range weights {
		w := 1.0
		for j := range 4 {
			if j != i {
				w *= (x - float64(j)) / float64(i-j)
			}
		}
		weights[i] = w
	}
	return first, weights
}

// skyMoments sums up a month's samples with the sun up: the extraterrestrial
// irradiance times the powers 0 to 2 of the sine of altitude, in Wh m⁻². The
// horizontal diffuse is linear in them.
type skyMoments [3]float64

// monthlyMoments returns the moments of each month at a latitude.
func monthlyMoments(latitude float64, s slots) (out [12]skyMoments) {
	at := newSite(latitude)
	// The sun is up in a run of slots around noon: its sums are differences of
	// those over the first slots, of 1, cos w and cos² w.
	cosines := make([]float64, s.n)
	one, two := make([]float64, s.n+1), make([]float64, s.n+1)
	for k := range cosines {
		c := math.Cos(hourAngle(s.first+k, s.step))
		cosines[k], one[k+1], two[k+1] = c, one[k]+c, two[k]+c*c
	}
	rise, set := s.middle, s.middle
	for day := 1; day <= yearDays; day++ {
		sinDelta, cosDelta := math.Sincos(Declination(day))
		a, b := at.sin*sinDelta, at.cos*cosDelta
		for rise > 0 && a+b*cosines[rise-1] > 0 {
			rise--
		}
		for rise < s.middle && !(a+b*cosines[rise] > 0) {
			rise++
		}
		for set < s.n && a+b*cosines[set] > 0 {
			set++
		}
		for set > s.middle && !(a+b*cosines[set-1] > 0) {
			set--
		}
		n, c, c2 := float64(set-rise), one[set]-one[rise], two[set]-two[rise]
		m := skyMoments{n, a*n + b*c, a*a*n + 2*a*b*c + b*b*c2}
		g0 := Extraterrestrial(day) * s.step
		sum := &out[MonthOf(day)]
		for i := range m {
			sum[i] += m[i] * g0
		}
	}
	return out
}

// diffuse returns the horizontal diffuse sum of the moments under a sky.
func (m *skyMoments) diffuse(s *sky) float64 {
	return s.kDiff * s.tn * (s.a1*m[0] + s.a2*m[1] + s.a3*m[2])
}

// beam returns the month's horizontal beam as interpolated from latitude nodes: none in
// the polar night, though the sun may be up at a node beside it.
func (m *skyMoments) beam(interpolated float64) float64 {
	if m[0] == 0 {
		return 0
	}
	return interpolated
}

// nodeCache keeps the latitude nodes in use, for all goroutines.
type nodeCache struct {
	f *field

	mu    sync.Mutex
	nodes map[int]*cachedNode
	order []int
}

type cachedNode struct {
	once sync.Once
	k    *latitudeNode
}

// nodesKept bounds nodeCache. Work goes by latitude, so that earlier nodes are not needed again.
const nodesKept = 6

func newNodeCache(f *field) *nodeCache { return &nodeCache{f: f, nodes: map[int]*cachedNode{}} }

func (a *nodeCache) node(n int) *latitudeNode {
	a.mu.Lock()
	e := a.nodes[n]
	if e == nil {
		e = &cachedNode{}
		a.nodes[n] = e
		a.order = append(a.order, n)
		if len(a.order) > nodesKept {
			delete(a.nodes, a.order[0])
			a.order = a.order[1:]
		}
	}
	a.mu.Unlock()
	e.once.Do(func() { e.k = newLatitudeNode(binLatitude(n*nodeEvery), a.f) })
	return e.k
}
