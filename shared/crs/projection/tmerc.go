package projection

import "math"

// maxEta bounds the domain of the transverse Mercator series: 65 degrees from
// the central meridian at the equator, where the sixth order is still good to a
// millimetre.
const maxEta = 1.5

// transverseMercator is Krüger's series to the sixth order of n (Krüger 1912,
// coefficients as in Karney 2011 eqs 35 and 36).
type transverseMercator struct {
	el          Ellipsoid
	k0a, y0     float64 // k0 times the rectifying radius; northing of the origin
	alpha, beta [6]float64
	slope       [6]float64 // of the alpha series: 2j alpha[j]
}

func newTransverseMercator(el Ellipsoid, lat0, k0 float64) *transverseMercator {
	n := el.n
	n2 := n * n
	n3, n4 := n2*n, n2*n2
	n5, n6 := n4*n, n4*n2
	p := &transverseMercator{
		el: el,
		alpha: [6]float64{
			n/2 - 2./3*n2 + 5./16*n3 + 41./180*n4 - 127./288*n5 + 7891./37800*n6,
			13./48*n2 - 3./5*n3 + 557./1440*n4 + 281./630*n5 - 1983433./1935360*n6,
			61./240*n3 - 103./140*n4 + 15061./26880*n5 + 167603./181440*n6,
			49561./161280*n4 - 179./168*n5 + 6601661./7257600*n6,
			34729./80640*n5 - 3418889./1995840*n6,
			212378941. / 319334400 * n6,
		},
		beta: [6]float64{
			n/2 - 2./3*n2 + 37./96*n3 - 1./360*n4 - 81./512*n5 + 96199./604800*n6,
			1./48*n2 + 1./15*n3 - 437./1440*n4 + 46./105*n5 - 1118711./3870720*n6,
			17./480*n3 - 37./840*n4 - 209./4480*n5 + 5569./90720*n6,
			4397./161280*n4 - 11./504*n5 - 830251./7257600*n6,
			4583./161280*n5 - 108847./3991680*n6,
			20648693. / 638668800 * n6,
		},
	}
	for j := range p.slope {
		p.slope[j] = 2 * float64(j+1) * p.alpha[j]
	}
	p.k0a = k0 * el.a / (1 + n) * (1 + n2/4 + n4/64 + n6/256)
	_, p.y0 = p.Forward(0, lat0)
	return p
}

// sphere returns the Gauss-Schreiber coordinates of a position.
func (p *transverseMercator) sphere(lam, phi float64) (xi, eta, tau float64) {
	tau = p.el.conformalTan(math.Tan(phi))
	s, c := math.Sincos(lam)
	return math.Atan2(tau, c), math.Asinh(s / math.Hypot(tau, c)), tau
}

// clenshawComplex is the recurrence for sums over multiples of 2z, z = xi + i eta.
type clenshawComplex struct {
	sr, si, cr, ci float64 // sin 2z, cos 2z
	br, bi, dr, di float64 // the last two terms
}

func (q *clenshawComplex) sum(k *[6]float64, xi, eta float64) {
	s, c := math.Sincos(2 * xi)
	e := math.Exp(2 * eta)
	sh, ch := (e-1/e)/2, (e+1/e)/2
	q.sr, q.si, q.cr, q.ci = s*ch, c*sh, c*ch, -s*sh
	ar, ai := 2*q.cr, 2*q.ci
	var br, bi, dr, di float64
	for j := 5; j >= 0; j-- {
		br, bi, dr, di = k[j]+ar*br-ai*bi-dr, ar*bi+ai*br-di, br, bi
	}
	q.br, q.bi, q.dr, q.di = br, bi, dr, di
}

// series sums k[j] sin(2(j+1)z).
func series(k *[6]float64, xi, eta float64) (re, im float64) {
	var q clenshawComplex
	q.sum(k, xi, eta)
	return q.sr*q.br - q.si*q.bi, q.sr*q.bi + q.si*q.br
}

// derivative sums k[j] cos(2(j+1)z).
func derivative(k *[6]float64, xi, eta float64) (re, im float64) {
	var q clenshawComplex
	q.sum(k, xi, eta)
	return q.cr*q.br - q.ci*q.bi - q.dr, q.cr*q.bi + q.ci*q.br - q.di
}

func (p *transverseMercator) Forward(lam, phi float64) (x, y float64) {
	if math.Abs(lam) >= math.Pi/2 {
		return math.NaN(), math.NaN()
	}
	xi, eta, _ := p.sphere(lam, phi)
	if math.Abs(eta) > maxEta {
		return math.NaN(), math.NaN()
	}
	dxi, deta := series(&p.alpha, xi, eta)
	return p.k0a * (eta + deta), p.k0a*(xi+dxi) - p.y0
}

func (p *transverseMercator) Inverse(x, y float64) (lam, phi float64) {
	xi, eta := (y+p.y0)/p.k0a, x/p.k0a
	if math.Abs(eta) > 2 || math.Abs(xi) > 2 {
		return math.NaN(), math.NaN()
	}
	dxi, deta := series(&p.beta, xi, eta)
	xi -= dxi
	eta -= deta
	if math.Abs(eta) > maxEta || math.Abs(xi) > math.Pi/2 {
		return math.NaN(), math.NaN()
	}
	s, c := math.Sincos(xi)
	sh := math.Sinh(eta)
	return math.Atan2(sh, c), p.el.fromConformal(math.Atan2(s, math.Hypot(sh, c)))
}

// Convergence follows Karney 2011 eqs 23 to 26.
func (p *transverseMercator) Convergence(lam, phi float64) float64 {
	xi, eta, tau := p.sphere(lam, phi)
	if math.Abs(lam) >= math.Pi/2 || math.Abs(eta) > maxEta {
		return math.NaN()
	}
	re, im := derivative(&p.slope, xi, eta)
	s, c := math.Sincos(lam)
	if math.Abs(tau) > 1e15 { // the pole
		return math.Copysign(lam, lam*tau)
	}
	return math.Atan2(tau*s, math.Hypot(1, tau)*c) + math.Atan2(-im, 1+re)
}
