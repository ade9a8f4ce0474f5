package projection

import "math"

// equidistantCylindrical is the plate carrée by the formulas of the sphere, as PROJ and GDAL apply them to ellipsoids
// too (EPSG methods 1028, 1029, 9823 and 9842).
type equidistantCylindrical struct {
	el         Ellipsoid
	ax, ay, y0 float64
}

func newEquidistantCylindrical(el Ellipsoid, lat0, latTS float64) *equidistantCylindrical {
	return &equidistantCylindrical{el: el, ax: el.a * math.Cos(latTS), ay: el.a, y0: el.a * lat0}
}

func (p *equidistantCylindrical) Forward(lam, phi float64) (x, y float64) {
	return p.ax * lam, p.ay*phi - p.y0
}

func (p *equidistantCylindrical) Inverse(x, y float64) (lam, phi float64) {
	lam = x / p.ax
	if math.Abs(lam) > 2*math.Pi {
		return math.NaN(), math.NaN()
	}
	return lam, (y + p.y0) / p.ay
}

func (p *equidistantCylindrical) Convergence(_, _ float64) float64 { return 0 }

func (p *equidistantCylindrical) Scale(phi float64) (east, north float64) {
	along, prime := p.el.Radii(phi)
	return p.ax / (prime * math.Cos(phi)), p.ay / along
}

// equalAreaCylindrical is Lambert's cylindrical equal area projection (EPSG methods 9835 and 9834; Snyder 1987, p. 76).
type equalAreaCylindrical struct {
	el Ellipsoid
	ak float64
}

func newEqualAreaCylindrical(el Ellipsoid, latTS float64) *equalAreaCylindrical {
	return &equalAreaCylindrical{el: el, ak: el.a * el.m(latTS)}
}

func (p *equalAreaCylindrical) Forward(lam, phi float64) (x, y float64) {
	return p.ak * lam, p.el.a * p.el.a * p.el.q(math.Sin(phi)) / (2 * p.ak)
}

func (p *equalAreaCylindrical) Inverse(x, y float64) (lam, phi float64) {
	lam = x / p.ak
	if math.Abs(lam) > 2*math.Pi {
		return math.NaN(), math.NaN()
	}
	return lam, p.el.fromQ(2 * p.ak * y / (p.el.a * p.el.a))
}

func (p *equalAreaCylindrical) Convergence(_, _ float64) float64 { return 0 }

func (p *equalAreaCylindrical) Scale(phi float64) (east, north float64) {
	_, prime := p.el.Radii(phi)
	east = p.ak / (prime * math.Cos(phi))
	return east, 1 / east
}

// equalEarth is the Equal Earth projection (EPSG method 1078; Šavrič, Patterson and Jenny 2019).
type equalEarth struct {
	el Ellipsoid
	rq float64
}

func newEqualEarth(el Ellipsoid) *equalEarth {
	return &equalEarth{el: el, rq: el.a * math.Sqrt(el.qp/2)}
}

var equalEarthK = [4]float64{1.340264, -0.081106, 0.000893, 0.003796}

// equalEarthY returns y and its slope by the parametric latitude.
func equalEarthY(t float64) (y, slope float64) {
	k, t2 := equalEarthK, t*t
	t6 := t2 * t2 * t2
	return t * (k[0] + k[1]*t2 + t6*(k[2]+k[3]*t2)), k[0] + 3*k[1]*t2 + t6*(7*k[2]+9*k[3]*t2)
}

func (p *equalEarth) Forward(lam, phi float64) (x, y float64) {
	b := max(-1, min(1, p.el.q(math.Sin(phi))/p.el.qp))
	t := math.Asin(math.Sqrt(3) / 2 * b)
	y, slope := equalEarthY(t)
	return p.rq * 2 * lam * math.Cos(t) / (math.Sqrt(3) * slope), p.rq * y
}

func (p *equalEarth) Inverse(x, y float64) (lam, phi float64) {
	y /= p.rq
	t := y / equalEarthK[0]
	for range 12 {
		at, slope := equalEarthY(t)
		t -= (at - y) / slope
	}
	s := 2 / math.Sqrt(3) * math.Sin(t)
	if !(math.Abs(t) <= math.Pi/3+1e-9) || math.Abs(s) > 1+1e-9 {
		return math.NaN(), math.NaN()
	}
	_, slope := equalEarthY(t)
	lam = math.Sqrt(3) * x * slope / (2 * p.rq * math.Cos(t))
	if math.Abs(lam) > math.Pi+1e-9 {
		return math.NaN(), math.NaN()
	}
	return lam, p.el.fromQ(s * p.el.qp)
}

// mollweide is Mollweide's projection by the formulas of the sphere (Snyder 1987, p. 249), as PROJ applies them to
// ellipsoids too.
type mollweide struct{ a float64 }

func (p *mollweide) Forward(lam, phi float64) (x, y float64) {
	want := math.Pi * math.Sin(phi)
	t := phi * 0.9 // half the parametric angle
	if math.Abs(phi) > math.Pi/2-1e-12 {
		t = math.Copysign(math.Pi/2, phi)
	} else {
		for range 60 {
			step := (2*t + math.Sin(2*t) - want) / (2 + 2*math.Cos(2*t))
			t -= step
			if math.Abs(step) < 1e-13 {
				break
			}
		}
	}
	s, c := math.Sincos(t)
	return p.a * 2 * math.Sqrt2 / math.Pi * lam * c, p.a * math.Sqrt2 * s
}

func (p *mollweide) Inverse(x, y float64) (lam, phi float64) {
	s := y / (p.a * math.Sqrt2)
	if !(math.Abs(s) < 1) {
		return math.NaN(), math.NaN()
	}
	t := math.Asin(s)
	lam = math.Pi * x / (2 * math.Sqrt2 * p.a * math.Cos(t))
	if math.Abs(lam) > math.Pi+1e-9 {
		return math.NaN(), math.NaN()
	}
	return lam, math.Asin(max(-1, min(1, (2*t+math.Sin(2*t))/math.Pi)))
}
