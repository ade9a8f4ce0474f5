package projection

import "math"

// obliqueStereographic is the double projection by the conformal sphere (EPSG Guidance Note 7-2, method 9809).
type obliqueStereographic struct {
	el         Ellipsoid
	n, c       float64 // exponent and half the logarithm of the constant of the sphere
	r2         float64 // twice the radius times the scale
	sin0, cos0 float64
}

func newObliqueStereographic(el Ellipsoid, lat0, k0 float64) *obliqueStereographic {
	p := &obliqueStereographic{el: el}
	meridian, prime := el.Radii(lat0)
	s, c := math.Sincos(lat0)
	p.n = math.Sqrt(1 + el.e2*c*c*c*c/(1-el.e2))
	p.r2 = 2 * k0 * math.Sqrt(meridian*prime)
	w1 := math.Exp(2 * p.n * el.psi(lat0))
	s00 := (w1 - 1) / (w1 + 1)
	k := (p.n + s) * (1 - s00) / ((p.n - s) * (1 + s00))
	p.c = math.Log(k) / 2
	p.sin0 = math.Tanh(p.n*el.psi(lat0) + p.c)
	p.cos0 = math.Sqrt(1 - p.sin0*p.sin0)
	return p
}

// newStereographic is the oblique aspect by the conformal latitude (Snyder 1987, p. 160), which is the same on a sphere
// of its own.
func newStereographic(el Ellipsoid, lat0, k0 float64) *obliqueStereographic {
	p := &obliqueStereographic{el: el, n: 1, sin0: math.Tanh(el.psi(lat0))}
	p.cos0 = math.Sqrt(1 - p.sin0*p.sin0)
	p.r2 = 2 * el.a * k0 * el.m(lat0) / p.cos0
	return p
}

func (p *obliqueStereographic) Forward(lam, phi float64) (x, y float64) {
	u := p.n*p.el.psi(phi) + p.c
	sc, cc := math.Tanh(u), 1/math.Cosh(u)
	sl, cl := math.Sincos(p.n * lam)
	b := 1 + sc*p.sin0 + cc*p.cos0*cl
	if b < 1e-8 { // the antipode
		return math.NaN(), math.NaN()
	}
	return p.r2 * cc * sl / b, p.r2 * (sc*p.cos0 - cc*p.sin0*cl) / b
}

func (p *obliqueStereographic) Inverse(x, y float64) (lam, phi float64) {
	r := math.Hypot(x, y)
	if r == 0 {
		return 0, p.el.fromPsi((math.Atanh(p.sin0) - p.c) / p.n)
	}
	sc, cc := math.Sincos(2 * math.Atan(r/p.r2))
	sin := cc*p.sin0 + y*sc*p.cos0/r
	lam = math.Atan2(x*sc, r*p.cos0*cc-y*p.sin0*sc) / p.n
	if math.Abs(lam) > math.Pi || math.Abs(sin) >= 1 {
		return math.NaN(), math.NaN()
	}
	return lam, p.el.fromPsi((math.Atanh(sin) - p.c) / p.n)
}

// fromPsi returns the latitude of an isometric latitude.
func (el *Ellipsoid) fromPsi(psi float64) float64 {
	return el.fromConformal(math.Atan(math.Sinh(psi)))
}

// obliqueMercator is Hotine's oblique Mercator (EPSG Guidance Note 7-2, methods 9812 and 9815).
type obliqueMercator struct {
	el         Ellipsoid
	a, b, h    float64
	sin0, cos0 float64 // of the azimuth of the initial line at the equator
	lam0       float64 // of its crossing of the equator, relative to the centre
	sinG, cosG float64 // of the angle from the rectified to the skew grid
	uc         float64 // u of the projection's centre, 0 in variant A
}

func newObliqueMercator(el Ellipsoid, lat0, azimuth, rectified, k0 float64, centred bool) *obliqueMercator {
	p := &obliqueMercator{el: el}
	s, c := math.Sincos(lat0)
	w := 1 - el.e2*s*s
	p.b = math.Sqrt(1 + el.e2*c*c*c*c/(1-el.e2))
	p.a = el.a * p.b * k0 * math.Sqrt(1-el.e2) / w
	d := max(1, p.b*math.Sqrt(1-el.e2)/(c*math.Sqrt(w)))
	root := math.Sqrt(d*d-1) * math.Copysign(1, lat0)
	f := d + root
	p.h = f * math.Exp(-p.b*el.psi(lat0))
	sa := math.Sin(azimuth) / d
	gamma0 := math.Asin(sa)
	p.sin0, p.cos0 = math.Sincos(gamma0)
	g := (f - 1/f) / 2
	p.lam0 = -math.Asin(max(-1, min(1, g*math.Tan(gamma0)))) / p.b
	p.sinG, p.cosG = math.Sincos(rectified)
	switch {
	case !centred:
	case math.Abs(math.Abs(azimuth)-math.Pi/2) < 1e-10:
		p.uc = -p.a * p.lam0
	default:
		p.uc = p.a / p.b * math.Atan2(root, math.Cos(azimuth))
	}
	return p
}

func (p *obliqueMercator) Forward(lam, phi float64) (x, y float64) {
	if math.Abs(phi) > math.Pi/2-1e-10 {
		return math.NaN(), math.NaN()
	}
	q := p.h * math.Exp(p.b*p.el.psi(phi))
	sinh, cosh := (q-1/q)/2, (q+1/q)/2
	v, c := math.Sincos(p.b * (lam - p.lam0))
	u := (sinh*p.sin0 - v*p.cos0) / cosh
	if math.Abs(u) > 1-1e-12 {
		return math.NaN(), math.NaN()
	}
	across := p.a * math.Log((1-u)/(1+u)) / (2 * p.b)
	along := p.a*math.Atan2(sinh*p.cos0+v*p.sin0, c)/p.b - p.uc
	return across*p.cosG + along*p.sinG, along*p.cosG - across*p.sinG
}

func (p *obliqueMercator) Inverse(x, y float64) (lam, phi float64) {
	across := x*p.cosG - y*p.sinG
	along := y*p.cosG + x*p.sinG + p.uc
	q := math.Exp(-p.b * across / p.a)
	sinh, cosh := (q-1/q)/2, (q+1/q)/2
	v, c := math.Sincos(p.b * along / p.a)
	u := (v*p.cos0 + sinh*p.sin0) / cosh
	if !(math.Abs(u) < 1) || math.Abs(along) > math.Pi*p.a/p.b {
		return math.NaN(), math.NaN()
	}
	// log of t: t = (h / sqrt((1+u)/(1-u)))^(1/b), and psi = -log t
	psi := (math.Atanh(u) - math.Log(p.h)) / p.b
	lam = p.lam0 - math.Atan2(sinh*p.cos0-v*p.sin0, c)/p.b
	return lam, p.el.fromPsi(psi)
}

// gaussSphere is Gauss's conformal sphere of an ellipsoid, which touches it at a parallel (EPSG Guidance Note 7-2, methods 9819
// and 9813). The isometric latitude on it is b psi + c.
type gaussSphere struct {
	el         Ellipsoid
	b, c, r    float64 // r: its radius times the scale, metres
	sin0, cos0 float64 // of the latitude on it of the parallel
}

func newGaussSphere(el Ellipsoid, lat0, k0 float64) gaussSphere {
	g := gaussSphere{el: el}
	s, c := math.Sincos(lat0)
	g.b = math.Sqrt(1 + el.e2*c*c*c*c/(1-el.e2))
	g.sin0 = s / g.b
	g.cos0 = math.Sqrt(1 - g.sin0*g.sin0)
	g.c = math.Atanh(g.sin0) - g.b*el.psi(lat0)
	g.r = el.a * k0 * math.Sqrt(1-el.e2) / (1 - el.e2*s*s)
	return g
}

// krovak is the oblique conic conformal projection, north orientated (EPSG Guidance Note 7-2, methods 9819 and 1041).
type krovak struct {
	el         Ellipsoid
	b, t0      float64 // constants of the Gaussian sphere; the logarithm of the second
	n, r0, tan float64
	sinA, cosA float64 // of the co-latitude of the cone's axis
}

func newKrovak(el Ellipsoid, lat0, colatitude, pseudo, k0 float64) *krovak {
	p := &krovak{el: el}
	sphere := newGaussSphere(el, lat0, k0)
	p.b, p.t0 = sphere.b, sphere.c
	p.n = math.Sin(pseudo)
	p.r0 = sphere.r / math.Tan(pseudo)
	p.tan = math.Tan(math.Pi/4 + pseudo/2)
	p.sinA, p.cosA = math.Sincos(colatitude)
	return p
}

func (p *krovak) Forward(lam, phi float64) (x, y float64) {
	psi := p.b*p.el.psi(phi) + p.t0
	su, cu := math.Tanh(psi), 1/math.Cosh(psi)
	sv, cv := math.Sincos(-p.b * lam)
	st := p.cosA*su + p.sinA*cu*cv
	d := math.Atan2(cu*sv, p.cosA*cu*cv-p.sinA*su)
	// tan(pi/4+t/2) = exp(atanh(sin t))
	r := p.r0 * math.Pow(p.tan*math.Exp(-math.Atanh(st)), p.n)
	s, c := math.Sincos(p.n * d)
	return -r * s, -r * c
}

func (p *krovak) Inverse(x, y float64) (lam, phi float64) {
	r := math.Hypot(x, y)
	d := math.Atan2(-x, -y) / p.n
	if r == 0 || math.Abs(d) > math.Pi {
		return math.NaN(), math.NaN()
	}
	t := 2 * (math.Atan(math.Pow(p.r0/r, 1/p.n)*p.tan) - math.Pi/4)
	st, ct := math.Sincos(t)
	sd, cd := math.Sincos(d)
	su := p.cosA*st - p.sinA*ct*cd
	v := math.Atan2(ct*sd, p.cosA*ct*cd+p.sinA*st)
	lam = -v / p.b
	if math.Abs(lam) > math.Pi || math.Abs(su) >= 1 {
		return math.NaN(), math.NaN()
	}
	return lam, p.el.fromPsi((math.Atanh(su) - p.t0) / p.b)
}

// laborde is Laborde's oblique Mercator of Madagascar (EPSG Guidance Note 7-2, method 9813).
type laborde struct {
	gaussSphere
	phi0 float64
	g    complex128
}

func newLaborde(el Ellipsoid, lat0, azimuth, k0 float64) *laborde {
	p := &laborde{gaussSphere: newGaussSphere(el, lat0, k0), phi0: lat0}
	sa, ca := math.Sincos(2 * azimuth)
	p.g = complex(1-ca, sa) / 12
	return p
}

func (p *laborde) Forward(lam, phi float64) (x, y float64) {
	q := p.c + p.b*p.el.psi(phi)
	sp, cp := math.Tanh(q), 1/math.Cosh(q)
	sl, cl := math.Sincos(p.b * lam)
	u, v, w := cp*cl*p.cos0+sp*p.sin0, cp*cl*p.sin0-sp*p.cos0, cp*sl
	if u < 0.1 || math.Abs(w) > 0.99 { // far beyond the island the polynomial turns back
		return math.NaN(), math.NaN()
	}
	h := complex(-math.Atan2(v, u), math.Atanh(w))
	h += p.g * h * h * h
	return p.r * imag(h), p.r * real(h)
}

func (p *laborde) Inverse(x, y float64) (lam, phi float64) {
	return solve(p.Forward, x, y, x/(p.r*math.Cos(p.phi0)), max(-1.5, min(1.5, p.phi0+y/p.r)))
}

// newZealandMapGrid is a polynomial of the complex isometric latitude (EPSG Guidance Note 7-2, method 9811; the
// coefficients are those of the Department of Lands and Survey, Technical Circular 1973/32).
type newZealandMapGrid struct {
	a, phi0 float64
}

var (
	nzmgPsi = [10]float64{0.6399175073, -0.1358797613, 0.063294409, -0.02526853, 0.0117879, -0.0055161, 0.0026906, -0.001333, 0.00067, -0.00034}
	nzmgPhi = [9]float64{1.5627014243, 0.5185406398, -0.03333098, -0.1052906, -0.0368594, 0.007317, 0.01220, 0.00394, -0.0013}
	nzmgXY  = [6]complex128{
		0.7557853228, 0.249204646 + 0.003371507i, -0.001541739 + 0.041058560i,
		-0.10162907 + 0.01727609i, -0.26623489 - 0.36249218i, -0.6870983 - 1.1651967i,
	}
)

const nzmgSeconds = 3600 * 1e-5 // of the polynomials' unit, 100 000 seconds, in a degree

func (p *newZealandMapGrid) Forward(lam, phi float64) (x, y float64) {
	d := (phi - p.phi0) / rad * nzmgSeconds
	if math.Abs(d) > 0.6 || math.Abs(lam) > 0.3 { // 17 degrees either way
		return math.NaN(), math.NaN()
	}
	var psi float64
	for i := len(nzmgPsi) - 1; i >= 0; i-- {
		psi = d * (nzmgPsi[i] + psi)
	}
	z := complex(psi, lam)
	var xy complex128
	for i := len(nzmgXY) - 1; i >= 0; i-- {
		xy = z * (nzmgXY[i] + xy)
	}
	return p.a * imag(xy), p.a * real(xy)
}

func (p *newZealandMapGrid) Inverse(x, y float64) (lam, phi float64) {
	want := complex(y/p.a, x/p.a)
	if math.Hypot(x, y) > 2.5e6 {
		return math.NaN(), math.NaN()
	}
	z := want / nzmgXY[0]
	for range 20 {
		var xy, slope complex128
		for i := len(nzmgXY) - 1; i >= 0; i-- {
			xy = z * (nzmgXY[i] + xy)
			slope = nzmgXY[i]*complex(float64(i+1), 0) + z*slope
		}
		step := (want - xy) / slope
		z += step
		if math.Abs(real(step))+math.Abs(imag(step)) < 1e-14 {
			break
		}
	}
	d := 0.0
	for i := len(nzmgPhi) - 1; i >= 0; i-- {
		d = real(z) * (nzmgPhi[i] + d)
	}
	// The second polynomial is the inverse of the first to some millimetres.
	for range 5 {
		var psi, slope float64
		for i := len(nzmgPsi) - 1; i >= 0; i-- {
			psi = d * (nzmgPsi[i] + psi)
			slope = nzmgPsi[i]*float64(i+1) + d*slope
		}
		d += (real(z) - psi) / slope
	}
	lam, phi = imag(z), p.phi0+d/nzmgSeconds*rad
	if x1, y1 := p.Forward(lam, phi); !(math.Hypot(x1-x, y1-y) < 1e-3) {
		return math.NaN(), math.NaN()
	}
	return lam, phi
}

// swissOblique is the oblique Mercator whose initial line runs east at the centre, by way of Gauss's sphere, as
// Switzerland and Hungary define their grids (swisstopo, Formeln und Konstanten, 2016).
type swissOblique struct{ gaussSphere }

func newSwissOblique(el Ellipsoid, lat0, k0 float64) *swissOblique {
	return &swissOblique{newGaussSphere(el, lat0, k0)}
}

func (p *swissOblique) Forward(lam, phi float64) (x, y float64) {
	if math.Abs(phi) > math.Pi/2-1e-10 {
		return math.NaN(), math.NaN()
	}
	psi := p.b*p.el.psi(phi) + p.c
	sp, cp := math.Tanh(psi), 1/math.Cosh(psi)
	sl, cl := math.Sincos(p.b * lam)
	s := p.cos0*sp - p.sin0*cp*cl
	if math.Abs(s) > 1-1e-12 {
		return math.NaN(), math.NaN()
	}
	return p.r * math.Atan2(cp*sl, p.sin0*sp+p.cos0*cp*cl), p.r * math.Atanh(s)
}

func (p *swissOblique) Inverse(x, y float64) (lam, phi float64) {
	if math.Abs(x) > math.Pi*p.r || math.Abs(y) > 10*p.r {
		return math.NaN(), math.NaN()
	}
	s, c := math.Tanh(y/p.r), 1/math.Cosh(y/p.r)
	sl, cl := math.Sincos(x / p.r)
	sp := p.cos0*s + p.sin0*c*cl
	lam = math.Atan2(c*sl, p.cos0*c*cl-p.sin0*s) / p.b
	if math.Abs(lam) > math.Pi || math.Abs(sp) >= 1 {
		return math.NaN(), math.NaN()
	}
	return lam, p.el.fromPsi((math.Atanh(sp) - p.c) / p.b)
}
