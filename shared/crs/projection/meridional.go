package projection

import "math"

// meridian measures distances along the meridian by the series of the third flattening (Snyder 1987 eq 3-21, to the
// sixth order).
type meridian struct {
	radius float64 // rectifying
	mu     [6]float64
}

func newMeridian(el Ellipsoid) meridian {
	n := el.n
	n2 := n * n
	n3, n4 := n2*n, n2*n2
	n5, n6 := n4*n, n4*n2
	return meridian{
		radius: el.a / (1 + n) * (1 + n2/4 + n4/64 + n6/256),
		mu: [6]float64{
			-3./2*n + 9./16*n3 - 3./32*n5, 15./16*n2 - 15./32*n4 + 135./2048*n6, -35./48*n3 + 105./256*n5,
			315./512*n4 - 189./512*n6, -693. / 1280 * n5, 1001. / 2048 * n6,
		},
	}
}

// distance from the equator, metres.
func (m *meridian) distance(phi float64) float64 {
	s, c := math.Sincos(2 * phi)
	return m.radius * (phi + s*clenshaw(&m.mu, c))
}

// meridional is a projection made of distances along the meridian, whose inverse is an iteration.
type meridional struct {
	el   Ellipsoid
	m    meridian
	phi0 float64
	to   func(p *meridional, lam, phi float64) (x, y float64)
	k    [4]float64 // constants of the method
	// far bounds the longitude from the central meridian.
	far float64
}

// newMeridional takes the latitude of the origin, the bound of the longitude from the central meridian, and a constant of the
// method, 0 for those that have none.
func newMeridional(el Ellipsoid, lat0, far, constant float64, to func(p *meridional, lam, phi float64) (x, y float64)) *meridional {
	return &meridional{el: el, m: newMeridian(el), phi0: lat0, to: to, far: far, k: [4]float64{constant}}
}

func (p *meridional) Forward(lam, phi float64) (x, y float64) {
	if math.Abs(lam) > p.far {
		return math.NaN(), math.NaN()
	}
	return p.to(p, lam, phi)
}

func (p *meridional) Inverse(x, y float64) (lam, phi float64) {
	phi = max(-1.55, min(1.55, p.phi0+y/p.el.a))
	lam = max(-p.far, min(p.far, x/(p.el.a*math.Cos(phi))))
	return solve(p.Forward, x, y, lam, phi)
}

// cassini is the Cassini-Soldner projection (EPSG method 9806), cassiniHyperbolic its variant of Vanua Levu (9833).
func cassini(p *meridional, lam, phi float64) (x, y float64) {
	s, c := math.Sincos(phi)
	if p.el.e2 == 0 {
		return p.el.a * math.Asin(c*math.Sin(lam)), p.el.a * (math.Atan2(math.Tan(phi), math.Cos(lam)) - p.phi0)
	}
	_, prime := p.el.Radii(phi)
	a, t := lam*c, s*s/(c*c)
	k := p.el.e2 * c * c / (1 - p.el.e2)
	a2 := a * a
	x = prime * a * (1 - t*a2/6 - (8-t+8*k)*t*a2*a2/120)
	y = p.m.distance(phi) - p.m.distance(p.phi0) + prime*s/c*a2*(0.5+(5-t+6*k)*a2/24)
	return x, y
}

func cassiniHyperbolic(p *meridional, lam, phi float64) (x, y float64) {
	x, y = cassini(p, lam, phi)
	along, prime := p.el.Radii(phi)
	return x, y - y*y*y/(6*along*prime)
}

// polyconic is the American polyconic projection (EPSG method 9818; Snyder 1987, p. 129).
func polyconic(p *meridional, lam, phi float64) (x, y float64) {
	m0 := p.m.distance(p.phi0)
	if math.Abs(phi) < 1e-10 {
		return p.el.a * lam, p.m.distance(phi) - m0
	}
	s, c := math.Sincos(phi)
	_, prime := p.el.Radii(phi)
	r := prime * c / s
	sl, cl := math.Sincos(lam * s)
	return r * sl, p.m.distance(phi) - m0 + r*(1-cl)
}

// bonne is Bonne's projection (EPSG method 9827; Snyder 1987, p. 140).
func bonne(p *meridional, lam, phi float64) (x, y float64) {
	r0 := p.el.a * p.el.m(p.phi0) / math.Sin(p.phi0)
	r := r0 + p.m.distance(p.phi0) - p.m.distance(phi)
	s, c := math.Sincos(p.el.a * p.el.m(phi) * lam / r)
	return r * s, r0 - r*c
}

// guam is the azimuthal equidistant projection of Guam (EPSG method 9831).
func guam(p *meridional, lam, phi float64) (x, y float64) {
	_, prime := p.el.Radii(phi)
	x = prime * math.Cos(phi) * lam
	return x, p.m.distance(phi) - p.m.distance(p.phi0) + x*x*math.Tan(phi)/(2*prime)
}

// colombia is the projection of Colombia's cities (EPSG method 1052); k[0] is the height of its plane.
func colombia(p *meridional, lam, phi float64) (x, y float64) {
	along0, prime0 := p.el.Radii(p.phi0)
	_, prime := p.el.Radii(phi)
	along, _ := p.el.Radii((phi + p.phi0) / 2)
	e := prime * math.Cos(phi) * lam
	x = (1 + p.k[0]/prime0) * e
	y = (1 + p.k[0]/along) * (along0*(phi-p.phi0) + math.Tan(p.phi0)/(2*prime0)*e*e)
	return x, y
}

// nearConformal is the Lambert conic near-conformal projection (EPSG method 9817); k[0] is the scale.
func nearConformal(p *meridional, lam, phi float64) (x, y float64) {
	along, prime := p.el.Radii(p.phi0)
	s := p.m.distance(phi) - p.m.distance(p.phi0)
	r0 := prime / math.Tan(p.phi0)
	r := r0 - s*(1+s*s/(6*along*prime))
	sl, cl := math.Sincos(lam * math.Sin(p.phi0))
	return p.k[0] * r * sl, p.k[0] * (r0 - r*cl)
}

// sinusoidal is the sinusoidal projection (Snyder 1987, p. 243).
func sinusoidal(p *meridional, lam, phi float64) (x, y float64) {
	return p.el.a * p.el.m(phi) * lam, p.m.distance(phi)
}

// equidistantConic is the equidistant conic projection (Snyder 1987, p. 111); k are n, G, the radius of the origin.
func equidistantConic(p *meridional, lam, phi float64) (x, y float64) {
	r := p.k[1] - p.m.distance(phi)
	s, c := math.Sincos(p.k[0] * lam)
	return r * s, p.k[2] - r*c
}

func newEquidistantConic(el Ellipsoid, lat0, sp1, sp2 float64) *meridional {
	p := newMeridional(el, lat0, math.Pi, 0, equidistantConic)
	p.k[0] = math.Sin(sp1)
	if math.Abs(sp1-sp2) > 1e-10 {
		p.k[0] = el.a * (el.m(sp1) - el.m(sp2)) / (p.m.distance(sp2) - p.m.distance(sp1))
	}
	p.k[1] = el.a*el.m(sp1)/p.k[0] + p.m.distance(sp1)
	p.k[2] = p.k[1] - p.m.distance(lat0)
	return p
}
