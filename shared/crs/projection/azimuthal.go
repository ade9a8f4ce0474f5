package projection

import "math"

// polarStereographic is the ellipsoidal polar aspect (EPSG methods 9810 and
// 9829; Snyder 1987, p. 160).
type polarStereographic struct {
	el   Ellipsoid
	rho  float64 // radius at t = 1
	sign float64 // +1 north, -1 south
}

// newPolarStereographic takes the latitude of true scale, or k0 when that is a pole.
func newPolarStereographic(el Ellipsoid, latTS, k0 float64) *polarStereographic {
	p := &polarStereographic{el: el, sign: math.Copysign(1, latTS)}
	lat := math.Abs(latTS)
	if lat > math.Pi/2-1e-10 {
		p.rho = 2 * el.a * k0 / math.Sqrt(math.Pow(1+el.e, 1+el.e)*math.Pow(1-el.e, 1-el.e))
	} else {
		p.rho = el.a * k0 * el.m(lat) / math.Exp(-el.psi(lat))
	}
	return p
}

func (p *polarStereographic) Forward(lam, phi float64) (x, y float64) {
	phi *= p.sign
	if phi < -math.Pi/2+1e-9 {
		return math.NaN(), math.NaN()
	}
	r := 0.0
	if phi < math.Pi/2-1e-14 {
		r = p.rho * math.Exp(-p.el.psi(phi))
	}
	s, c := math.Sincos(lam)
	return r * s, -p.sign * r * c
}

func (p *polarStereographic) Inverse(x, y float64) (lam, phi float64) {
	r := math.Hypot(x, y)
	if r == 0 {
		return 0, p.sign * math.Pi / 2
	}
	chi := math.Pi/2 - 2*math.Atan(r/p.rho)
	return math.Atan2(x, -p.sign*y), p.sign * p.el.fromConformal(chi)
}

func (p *polarStereographic) Convergence(lam, _ float64) float64 { return p.sign * lam }

// lowered is a polar stereographic projection whose origin lies y from the pole (EPSG method 9830).
type lowered struct {
	*polarStereographic
	y float64
}

func (p *lowered) Forward(lam, phi float64) (x, y float64) {
	x, y = p.polarStereographic.Forward(lam, phi)
	return x, y - p.y
}

func (p *lowered) Inverse(x, y float64) (lam, phi float64) {
	return p.polarStereographic.Inverse(x, y+p.y)
}

// lambertAzimuthal is the Lambert azimuthal equal area projection, oblique or
// polar (EPSG methods 9820 and 1027; Snyder 1987, p. 187).
type lambertAzimuthal struct {
	el           Ellipsoid
	rq, d        float64
	sinB1, cosB1 float64
	pole         float64 // +1, -1 or 0
}

func newLambertAzimuthal(el Ellipsoid, lat0 float64) *lambertAzimuthal {
	p := &lambertAzimuthal{el: el, rq: el.a * math.Sqrt(el.qp/2), d: 1}
	if math.Abs(lat0) > math.Pi/2-1e-10 {
		p.pole = math.Copysign(1, lat0)
		return p
	}
	p.sinB1 = el.q(math.Sin(lat0)) / el.qp
	p.cosB1 = math.Sqrt(1 - p.sinB1*p.sinB1)
	p.d = el.a * el.m(lat0) / (p.rq * p.cosB1)
	return p
}

func (p *lambertAzimuthal) Forward(lam, phi float64) (x, y float64) {
	q := p.el.q(math.Sin(phi))
	sl, cl := math.Sincos(lam)
	if p.pole != 0 {
		r := p.el.a * math.Sqrt(max(0, p.el.qp-p.pole*q))
		return r * sl, -p.pole * r * cl
	}
	sb := min(1, max(-1, q/p.el.qp))
	cb := math.Sqrt(1 - sb*sb)
	w := 1 + p.sinB1*sb + p.cosB1*cb*cl
	if w < 1e-10 { // the antipode is a circle
		return math.NaN(), math.NaN()
	}
	b := p.rq * math.Sqrt(2/w)
	return b * p.d * cb * sl, b / p.d * (p.cosB1*sb - p.sinB1*cb*cl)
}

func (p *lambertAzimuthal) Inverse(x, y float64) (lam, phi float64) {
	if p.pole != 0 {
		r := math.Hypot(x, y) / p.el.a
		return math.Atan2(x, -p.pole*y), p.el.fromQ(p.pole * (p.el.qp - r*r))
	}
	u, v := x/p.d, y*p.d
	r := math.Hypot(u, v)
	if r == 0 {
		return 0, p.el.fromQ(p.sinB1 * p.el.qp)
	}
	h := r / (2 * p.rq)
	if h > 1 {
		return math.NaN(), math.NaN()
	}
	sc, cc := math.Sincos(2 * math.Asin(h))
	lam = math.Atan2(u*sc, r*p.cosB1*cc-v*p.sinB1*sc)
	return lam, p.el.fromQ(p.el.qp * (cc*p.sinB1 + v*sc*p.cosB1/r))
}

// Convergence is the angle at which the meridian meets grid north, from the
// derivatives of the forward formulas with respect to the authalic latitude.
func (p *lambertAzimuthal) Convergence(lam, phi float64) float64 {
	if p.pole != 0 {
		return p.pole * lam
	}
	sb := min(1, max(-1, p.el.q(math.Sin(phi))/p.el.qp))
	cb := math.Sqrt(1 - sb*sb)
	sl, cl := math.Sincos(lam)
	w := 1 + p.sinB1*sb + p.cosB1*cb*cl
	dw := p.sinB1*cb - p.cosB1*sb*cl
	dx := p.d * sl * (-sb - cb*dw/(2*w))
	dy := (p.cosB1*cb + p.sinB1*sb*cl - (p.cosB1*sb-p.sinB1*cb*cl)*dw/(2*w)) / p.d
	return -math.Atan2(dx, dy)
}
