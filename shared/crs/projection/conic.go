package projection

import "math"

// lambertConformal is the Lambert conformal conic projection (Snyder 1987, p.
// 107; EPSG Guidance Note 7-2, methods 9801 and 9802).
type lambertConformal struct {
	el     Ellipsoid
	n      float64
	af, r0 float64 // a k0 F; radius of the origin's parallel
}

// newLambertConformal takes two standard parallels; equal ones with k0 make the
// one-parallel variant.
func newLambertConformal(el Ellipsoid, lat0, sp1, sp2, k0 float64) *lambertConformal {
	p := &lambertConformal{el: el}
	m1, m2 := el.m(sp1), el.m(sp2)
	if math.Abs(sp1-sp2) < 1e-10 {
		p.n = math.Sin(sp1)
	} else {
		p.n = math.Log(m1/m2) / (el.psi(sp2) - el.psi(sp1))
	}
	p.af = el.a * k0 * m1 / p.n * math.Exp(p.n*el.psi(sp1))
	p.r0 = p.radius(lat0)
	return p
}

// psi is the isometric latitude.
func (el *Ellipsoid) psi(phi float64) float64 {
	return math.Asinh(el.conformalTan(math.Tan(phi)))
}

func (p *lambertConformal) radius(phi float64) float64 {
	if math.Abs(phi) > math.Pi/2-1e-12 {
		if phi*p.n > 0 {
			return 0
		}
		return math.NaN()
	}
	return p.af * math.Exp(-p.n*p.el.psi(phi))
}

func (p *lambertConformal) Forward(lam, phi float64) (x, y float64) {
	r := p.radius(phi)
	s, c := math.Sincos(p.n * lam)
	return r * s, p.r0 - r*c
}

func (p *lambertConformal) Inverse(x, y float64) (lam, phi float64) {
	dy := p.r0 - y
	if p.n < 0 {
		x, dy = -x, -dy
	}
	r := math.Hypot(x, dy)
	lam = math.Atan2(x, dy) / p.n
	if math.Abs(lam) > math.Pi+1e-9 {
		return math.NaN(), math.NaN()
	}
	if r == 0 {
		return 0, math.Copysign(math.Pi/2, p.n)
	}
	psi := -math.Log(r/math.Abs(p.af)) / p.n
	return lam, p.el.fromConformal(math.Atan(math.Sinh(psi)))
}

func (p *lambertConformal) Convergence(lam, _ float64) float64 { return p.n * lam }

// albers is the Albers equal area conic projection (Snyder 1987, p. 101; EPSG
// method 9822).
type albers struct {
	el       Ellipsoid
	n, c, r0 float64
}

func newAlbers(el Ellipsoid, lat0, sp1, sp2 float64) *albers {
	p := &albers{el: el}
	m1, m2 := el.m(sp1), el.m(sp2)
	q1, q2 := el.q(math.Sin(sp1)), el.q(math.Sin(sp2))
	if math.Abs(sp1-sp2) < 1e-10 {
		p.n = math.Sin(sp1)
	} else {
		p.n = (m1*m1 - m2*m2) / (q2 - q1)
	}
	p.c = m1*m1 + p.n*q1
	p.r0 = p.radius(lat0)
	return p
}

func (p *albers) radius(phi float64) float64 {
	return p.el.a * math.Sqrt(p.c-p.n*p.el.q(math.Sin(phi))) / p.n
}

func (p *albers) Forward(lam, phi float64) (x, y float64) {
	r := p.radius(phi)
	s, c := math.Sincos(p.n * lam)
	return r * s, p.r0 - r*c
}

func (p *albers) Inverse(x, y float64) (lam, phi float64) {
	dy := p.r0 - y
	if p.n < 0 {
		x, dy = -x, -dy
	}
	lam = math.Atan2(x, dy) / p.n
	if math.Abs(lam) > math.Pi+1e-9 {
		return math.NaN(), math.NaN()
	}
	r := math.Hypot(x, dy) * p.n / p.el.a
	return lam, p.el.fromQ((p.c - r*r) / p.n)
}

func (p *albers) Convergence(lam, _ float64) float64 { return p.n * lam }
