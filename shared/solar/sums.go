package solar

import (
	"math"
	"sync"

	"github.com/cyverse-gis/eemt/shared/solar/clearsky"
	"github.com/cyverse-gis/eemt/shared/solar/sun"
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

// instant is the part of one sample that depends on latitude and time alone, for any sky.
type instant struct {
	up, east, north float64 // direction of the sun
	mass            float64 // air mass at sea level; 0 while the sun is well below the horizon
	circumsolar     float64 // the share of Kb times diffuse that goes to the horizontal part of the direction
	high            bool    // Muneer's high-sun form
}

// belowHorizon is the sine of altitude down to which samples are described: a
// sun that is up at a cell may be down at the latitude node beside it. Whether a
// sample counts is decided at the latitude of the cell.
const belowHorizon = -0.005

// newInstants describes the slots of a day.
func newInstants(at sun.Site, day int, s sun.Slots) []instant {
	out := make([]instant, s.N)
	sinDelta, cosDelta := math.Sincos(sun.Declination(day))
	for k := range out {
		sinH, azimuth := at.Position(sinDelta, cosDelta, sun.HourAngle(s.First+k, s.Step))
		if sinH <= belowHorizon {
			continue
		}
		sinH = min(1, sinH)
		h, cosH := math.Asin(sinH), math.Sqrt(1-sinH*sinH)
		sin, cos := math.Sincos(azimuth)
		o := instant{up: sinH, east: cosH * sin, north: cosH * cos, mass: clearsky.AirMass(h), high: h >= clearsky.LowSun}
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
func addSample(s *clearsky.Sky, acc *[terms]float64, o *instant, pressure, step float64, powers bool) {
	switch {
	case o.mass == 0: // the sun is down
	case powers:
		addPowers(s, acc, o, pressure, step)
	default:
		addTerms(s, acc, o, pressure, step)
	}
}

func addTerms(s *clearsky.Sky, acc *[terms]float64, o *instant, pressure, step float64) {
	beam := s.Beam(pressure * o.mass)
	kb := beam / s.G0
	beam *= step
	diffuse := s.Diffuse(o.up) * step
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
	acc[anisotropic] += diffuse * (clearsky.Muneer(kb)*(1-kb) - clearsky.UnlitSky)
}

func addPowers(s *clearsky.Sky, acc *[terms]float64, o *instant, pressure, step float64) {
	kb := s.Beam(pressure*o.mass) / s.G0
	diffuse := s.Diffuse(o.up) * step
	acc[power0] += diffuse
	acc[power2] += diffuse * kb * kb
	acc[power3] += diffuse * kb * kb * kb
}

// anisotropicOf returns the anisotropic term for a beam factor k, from the terms
// of a table made with factor 1: (N(Kb)(1-Kb) - 0.252271) summed, in powers of Kb.
func anisotropicOf(k, linear float64, powers *sums) float64 {
	const a, b, c = 0.00263, -0.712, -0.6883 // of muneer
	return (a-clearsky.UnlitSky)*float64(powers[power0]) + (b-a)*k*linear + (c-b)*k*k*float64(powers[power2]) - c*k*k*k*float64(powers[power3])
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
	season *sun.Season
	slots  sun.Slots
}

func (l *layout) runAt(month, slot int) int { return month*(l.slots.N+1) + slot }

func (l *layout) changesAt(half int) int {
	return 12*(l.slots.N+1) + half*l.slots.N*l.season.Halves[0].Entries
}

func (l *layout) size() int { return l.changesAt(1) + l.slots.N*l.season.Halves[1].Entries }

// weather tells tables apart that are made for different skies.
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
	k := &latitudeNode{f: f, ephemeris: make([][]instant, sun.YearDays), tables: map[tableKey]*nodeTable{}}
	at := sun.NewSite(latitude)
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
	e.once.Do(func() { e.t = k.build(clearsky.Pressure(float64(elevation)*elevationSpacing), w) })
	return e.t
}

func (k *latitudeNode) build(pressure float64, w weather) *table {
	l, step := k.f.layout, k.f.layout.slots.Step
	t := &table{cells: make([]sums, l.size())}
	skies := make([]clearsky.Sky, sun.YearDays)
	for d := range skies {
		skies[d] = clearsky.NewSky(d+1, k.f.air(sun.MonthOf(d+1), w))
	}
	n := l.slots.N
	months := make([][terms]float64, 12*n) // by month, then slot
	for side := range l.season.Halves {
		h := &l.season.Halves[side]
		for slot := range n {
			entries := t.cells[l.changesAt(side)+slot*h.Entries:][:h.Entries]
			for part := range h.Parts() {
				days, from, to := h.Part(part)
				own := entries[from:to]
				month := sun.MonthOf(days[0])
				var acc [terms]float64
				for i, day := range days {
					addSample(&skies[day-1], &acc, &k.ephemeris[day-1][slot], pressure, step, w.powers)
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

// horizontalBeam returns a month's horizontal beam on flat ground from that interpolated
// between latitude nodes: 0 in the polar night, although the sun may be up at a node nearby.
func horizontalBeam(m *clearsky.Moments, interpolated float64) float64 {
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
