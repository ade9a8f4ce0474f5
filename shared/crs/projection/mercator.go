package projection

import "math"

// mercator is the Mercator projection (EPSG methods 9804 and 9805), or, when
// spherical, the popular visualisation one (1024), which applies the formulas
// of the sphere to geodetic latitudes.
type mercator struct {
	el        Ellipsoid
	ak        float64 // semi-major axis times the scale at the equator
	y0        float64
	spherical bool
}

func newMercator(el Ellipsoid, lat0, k0 float64, spherical bool) *mercator {
	p := &mercator{el: el, ak: el.a * k0, spherical: spherical}
	_, p.y0 = p.Forward(0, lat0)
	return p
}

func (p *mercator) Forward(lam, phi float64) (x, y float64) {
	if math.Abs(phi) > math.Pi/2-1e-10 {
		return math.NaN(), math.NaN()
	}
	if p.spherical {
		return p.ak * lam, p.ak*math.Asinh(math.Tan(phi)) - p.y0
	}
	return p.ak * lam, p.ak*p.el.psi(phi) - p.y0
}

func (p *mercator) Inverse(x, y float64) (lam, phi float64) {
	lam = x / p.ak
	if math.Abs(lam) > 2*math.Pi {
		return math.NaN(), math.NaN()
	}
	phi = math.Atan(math.Sinh((y + p.y0) / p.ak))
	if !p.spherical {
		phi = p.el.fromConformal(phi)
	}
	return lam, phi
}

func (p *mercator) Convergence(_, _ float64) float64 { return 0 }

// Scale returns the point scale along the parallel and along the meridian.
func (p *mercator) Scale(phi float64) (east, north float64) {
	meridian, prime := p.el.Radii(phi)
	east = p.ak / (prime * math.Cos(phi))
	if p.spherical {
		return east, p.ak / (meridian * math.Cos(phi))
	}
	return east, east
}
