package projection

import "math"

// Ellipsoid holds the constants of a figure of the Earth with semi-major axis a
// in metres and flattening f; f = 0 is a sphere.
type Ellipsoid struct {
	a, f  float64
	e, e2 float64    // eccentricity
	n     float64    // third flattening
	chi   [6]float64 // geodetic from conformal latitude, Krüger 1912
	qp    float64    // authalic q at the pole, Snyder 1987 eq 3-12
}

// NewEllipsoid takes the inverse flattening, 0 for a sphere.
func NewEllipsoid(a, invf float64) Ellipsoid {
	el := Ellipsoid{a: a}
	if invf != 0 {
		el.f = 1 / invf
	}
	el.e2 = el.f * (2 - el.f)
	el.e = math.Sqrt(el.e2)
	el.n = el.f / (2 - el.f)
	n := el.n
	n2 := n * n
	n3, n4 := n2*n, n2*n2
	n5, n6 := n4*n, n4*n2
	el.chi = [6]float64{
		2*n - 2./3*n2 - 2*n3 + 116./45*n4 + 26./45*n5 - 2854./675*n6,
		7./3*n2 - 8./5*n3 - 227./45*n4 + 2704./315*n5 + 2323./945*n6,
		56./15*n3 - 136./35*n4 - 1262./105*n5 + 73814./2835*n6,
		4279./630*n4 - 332./35*n5 - 399572./14175*n6,
		4174./315*n5 - 144838./6237*n6,
		601676. / 22275 * n6,
	}
	el.qp = el.q(1)
	return el
}

// conformalTan returns the tangent of the conformal latitude from that of the
// geodetic latitude (Karney 2011 eq 7).
func (el *Ellipsoid) conformalTan(tau float64) float64 {
	if el.e == 0 || math.IsInf(tau, 0) {
		return tau
	}
	t1 := math.Hypot(1, tau)
	sigma := math.Sinh(el.e * math.Atanh(el.e*tau/t1))
	return tau*math.Hypot(1, sigma) - sigma*t1
}

// fromConformal returns the geodetic latitude of a conformal latitude, radians.
func (el *Ellipsoid) fromConformal(chi float64) float64 {
	if el.e == 0 {
		return chi
	}
	s, c := math.Sincos(2 * chi)
	return chi + s*clenshaw(&el.chi, c)
}

// clenshaw sums k[j] sin(2(j+1)x) / sin(2x), given c = cos(2x).
func clenshaw(k *[6]float64, c float64) float64 {
	var b1, b2 float64
	c *= 2
	for j := 5; j >= 0; j-- {
		b1, b2 = k[j]+c*b1-b2, b1
	}
	return b1
}

// q is the authalic function of the sine of a latitude (Snyder 1987 eq 3-12).
func (el *Ellipsoid) q(s float64) float64 {
	if el.e == 0 {
		return 2 * s
	}
	es := el.e * s
	return (1 - el.e2) * (s/(1-es*es) + math.Atanh(es)/el.e)
}

// fromQ returns the latitude of an authalic q, NaN where |q| exceeds that of
// the pole. The series (Snyder 1987 eq 3-18) is a millimetre off; two Newton
// steps (eq 3-16) make it exact where the derivative is not near zero.
func (el *Ellipsoid) fromQ(q float64) float64 {
	s := q / el.qp
	if math.Abs(s) > 1 {
		if math.Abs(s) > 1+1e-9 {
			return math.NaN()
		}
		s = math.Copysign(1, s)
	}
	beta := math.Asin(s)
	if el.e == 0 {
		return beta
	}
	e4 := el.e2 * el.e2
	e6 := e4 * el.e2
	phi := beta + (el.e2/3+31*e4/180+517*e6/5040)*math.Sin(2*beta) +
		(23*e4/360+251*e6/3780)*math.Sin(4*beta) + 761*e6/45360*math.Sin(6*beta)
	for range 2 {
		sp, cp := math.Sincos(phi)
		if cp < 1e-4 {
			break
		}
		w := 1 - el.e2*sp*sp
		phi += w * w / (2 * cp) * (q - el.q(sp)) / (1 - el.e2)
	}
	return phi
}

// m is the radius of a parallel over a (Snyder 1987 eq 14-15).
func (el *Ellipsoid) m(phi float64) float64 {
	s, c := math.Sincos(phi)
	return c / math.Sqrt(1-el.e2*s*s)
}

// Radii returns the radii of curvature along the meridian and across it, metres.
func (el *Ellipsoid) Radii(phi float64) (meridian, prime float64) {
	s := math.Sin(phi)
	w := 1 - el.e2*s*s
	prime = el.a / math.Sqrt(w)
	return prime * (1 - el.e2) / w, prime
}
