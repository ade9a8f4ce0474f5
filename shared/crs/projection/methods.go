package projection

import (
	"fmt"
	"math"
)

// small is the least distance in degrees of a latitude from the equator or a pole where a method needs one.
const small = 1e-6

// entry is what the table states of a method.
type entry struct {
	// check refuses parameters, with angles in degrees, for which the formulas have no meaning; nil refuses none.
	check func(p Parameters) error
	// probe returns the ProbeLatitude; nil is the latitude of origin.
	probe func(p Parameters) float64
	// make makes the projection from parameters with angles in radians.
	make func(e Ellipsoid, p Parameters) Projection
}

var methods = map[Method]entry{
	TransverseMercator: {nil, nil, func(e Ellipsoid, p Parameters) Projection {
		return newTransverseMercator(e, p.Lat0, p.K0)
	}},
	LambertConformal1SP: {coneAtOrigin, nil, func(e Ellipsoid, p Parameters) Projection {
		return newLambertConformal(e, p.Lat0, p.Lat0, p.Lat0, p.K0)
	}},
	LambertConformal2SP: {coneOffPoles, firstParallel, func(e Ellipsoid, p Parameters) Projection {
		return newLambertConformal(e, p.Lat0, p.SP1, p.SP2, 1)
	}},
	LambertMichigan: {coneOffPoles, firstParallel, func(e Ellipsoid, p Parameters) Projection {
		return newLambertConformal(e, p.Lat0, p.SP1, p.SP2, p.K0)
	}},
	Albers: {cone, firstParallel, func(e Ellipsoid, p Parameters) Projection {
		return newAlbers(e, p.Lat0, p.SP1, p.SP2)
	}},
	EquidistantConic: {coneOffPoles, firstParallel, func(e Ellipsoid, p Parameters) Projection {
		return newEquidistantConic(e, p.Lat0, p.SP1, p.SP2)
	}},
	MercatorA: {originOnEquator, equator, func(e Ellipsoid, p Parameters) Projection {
		return newMercator(e, 0, p.K0, false)
	}},
	MercatorB: {trueScaleTo89, equator, func(e Ellipsoid, p Parameters) Projection {
		return newMercator(e, 0, e.m(p.SP1), false)
	}},
	WebMercator: {originTo89, equator, func(e Ellipsoid, p Parameters) Projection {
		return newMercator(e, p.Lat0, 1, true)
	}},
	PolarStereographicA: {originAtPole, nil, func(e Ellipsoid, p Parameters) Projection {
		return newPolarStereographic(e, p.Lat0, p.K0)
	}},
	PolarStereographicB: {trueScaleOffEquator, firstParallel, func(e Ellipsoid, p Parameters) Projection {
		return newPolarStereographic(e, p.SP1, 1)
	}},
	PolarStereographicC: {trueScaleOffEquator, firstParallel, func(e Ellipsoid, p Parameters) Projection {
		// The origin lies on the parallel, not on the pole.
		s := newPolarStereographic(e, p.SP1, 1)
		_, y := s.Forward(0, p.SP1)
		return &lowered{s, y}
	}},
	LambertAzimuthal: {nil, nil, func(e Ellipsoid, p Parameters) Projection {
		return newLambertAzimuthal(e, p.Lat0)
	}},
	ObliqueStereographic: {originOffPoles, nil, func(e Ellipsoid, p Parameters) Projection {
		return newObliqueStereographic(e, p.Lat0, p.K0)
	}},
	Stereographic: {originOffPoles, nil, func(e Ellipsoid, p Parameters) Projection {
		return newStereographic(e, p.Lat0, p.K0)
	}},
	HotineA: {obliqueLine, nil, func(e Ellipsoid, p Parameters) Projection {
		return newObliqueMercator(e, p.Lat0, p.Azimuth, p.Rectified, p.K0, false)
	}},
	HotineB: {obliqueLine, nil, func(e Ellipsoid, p Parameters) Projection {
		if math.Abs(p.Azimuth-90*rad) < 1e-4*rad && math.Abs(p.Rectified-90*rad) < 1e-4*rad {
			return newSwissOblique(e, p.Lat0, p.K0)
		}
		return newObliqueMercator(e, p.Lat0, p.Azimuth, p.Rectified, p.K0, true)
	}},
	Krovak: {northernCone, nil, func(e Ellipsoid, p Parameters) Projection {
		return newKrovak(e, p.Lat0, p.Azimuth, p.SP1, p.K0)
	}},
	Laborde: {originOffPoles, nil, func(e Ellipsoid, p Parameters) Projection {
		return newLaborde(e, p.Lat0, p.Azimuth, p.K0)
	}},
	NewZealandMapGrid: {nil, nil, func(e Ellipsoid, p Parameters) Projection {
		return &newZealandMapGrid{a: e.a, phi0: p.Lat0}
	}},
	EquidistantCylindrical: {trueScaleTo89, equator, func(e Ellipsoid, p Parameters) Projection {
		return newEquidistantCylindrical(e, p.Lat0, p.SP1)
	}},
	EqualAreaCylindrical: {trueScaleTo89, equator, func(e Ellipsoid, p Parameters) Projection {
		return newEqualAreaCylindrical(e, p.SP1)
	}},
	EqualEarth: {nil, equator, func(e Ellipsoid, _ Parameters) Projection {
		return newEqualEarth(e)
	}},
	Mollweide: {nil, equator, func(e Ellipsoid, _ Parameters) Projection {
		return &mollweide{e.a}
	}},
	Cassini: {originOffPoles, nil, func(e Ellipsoid, p Parameters) Projection {
		return newMeridional(e, p.Lat0, math.Pi/2, 0, cassini)
	}},
	CassiniHyperbolic: {originOffPoles, nil, func(e Ellipsoid, p Parameters) Projection {
		return newMeridional(e, p.Lat0, math.Pi/2, 0, cassiniHyperbolic)
	}},
	Guam: {originOffPoles, nil, func(e Ellipsoid, p Parameters) Projection {
		return newMeridional(e, p.Lat0, math.Pi/2, 0, guam)
	}},
	ColombiaUrban: {originOffPoles, nil, func(e Ellipsoid, p Parameters) Projection {
		return newMeridional(e, p.Lat0, math.Pi/2, p.Height, colombia)
	}},
	NearConformal: {coneAtOriginOffPoles, nil, func(e Ellipsoid, p Parameters) Projection {
		return newMeridional(e, p.Lat0, math.Pi/2, p.K0, nearConformal)
	}},
	Polyconic: {originOffPoles, nil, func(e Ellipsoid, p Parameters) Projection {
		return newMeridional(e, p.Lat0, math.Pi, 0, polyconic)
	}},
	Bonne: {originOffEquator, nil, func(e Ellipsoid, p Parameters) Projection {
		return newMeridional(e, p.Lat0, math.Pi, 0, bonne)
	}},
	Sinusoidal: {nil, equator, func(e Ellipsoid, p Parameters) Projection {
		return newMeridional(e, p.Lat0, math.Pi, 0, sinusoidal)
	}},
}

func equator(Parameters) float64         { return 0 }
func firstParallel(p Parameters) float64 { return p.SP1 }

// refuse makes an error of parameters that are wrong.
func refuse(wrong bool, format string, values ...any) error {
	if !wrong {
		return nil
	}
	return fmt.Errorf(format, values...)
}

// coneAtOrigin is for a cone that touches the ellipsoid at the latitude of origin.
func coneAtOrigin(p Parameters) error {
	return refuse(math.Abs(p.Lat0) < small || math.Abs(p.Lat0) > 90-small, "latitude of origin %g: a cone needs one between the equator and a pole", p.Lat0)
}

// coneAtOriginOffPoles is coneAtOrigin of a method whose formulas also need some distance from the poles.
func coneAtOriginOffPoles(p Parameters) error {
	if err := originOffPoles(p); err != nil {
		return err
	}
	return coneAtOrigin(p)
}

func cone(p Parameters) error {
	return refuse(math.Abs(p.SP1+p.SP2) < small, "standard parallels %g and %g: a cone needs parallels which are not opposite", p.SP1, p.SP2)
}

func coneOffPoles(p Parameters) error {
	if err := cone(p); err != nil {
		return err
	}
	return refuse(max(math.Abs(p.SP1), math.Abs(p.SP2)) > 90-small, "standard parallels %g and %g: must lie between the poles", p.SP1, p.SP2)
}

func northernCone(p Parameters) error {
	return refuse(!(p.Lat0 > 1 && p.Lat0 < 89 && p.SP1 > 1 && p.SP1 < 89), "latitude of origin %g and pseudo standard parallel %g: must be 1 to 89", p.Lat0, p.SP1)
}

func originOnEquator(p Parameters) error {
	return refuse(p.Lat0 != 0, "latitude of origin %g: Mercator needs 0", p.Lat0)
}

func originTo89(p Parameters) error {
	return refuse(math.Abs(p.Lat0) > 89, "latitude of origin %g: must be -89 to 89", p.Lat0)
}

func originAtPole(p Parameters) error {
	return refuse(math.Abs(p.Lat0) < 90-small, "latitude of origin %g: polar stereographic needs 90 or -90", p.Lat0)
}

func originOffPoles(p Parameters) error {
	return refuse(math.Abs(p.Lat0) > 90-1e-3, "latitude of origin %g: must lie between the poles", p.Lat0)
}

func originOffEquator(p Parameters) error {
	return refuse(math.Abs(p.Lat0) < small, "latitude of origin %g: Bonne needs one off the equator", p.Lat0)
}

func obliqueLine(p Parameters) error {
	if err := originOffPoles(p); err != nil {
		return err
	}
	return refuse(math.Abs(p.Lat0) < small || math.Abs(math.Sin(p.Azimuth*rad)) < small, "latitude of centre %g and azimuth %g: an oblique Mercator needs a line off the meridian and a centre off the equator", p.Lat0, p.Azimuth)
}

func trueScaleTo89(p Parameters) error {
	return refuse(math.Abs(p.SP1) > 89, "standard parallel %g: must be -89 to 89", p.SP1)
}

func trueScaleOffEquator(p Parameters) error {
	return refuse(math.Abs(p.SP1) < small, "standard parallel %g: polar stereographic needs one off the equator", p.SP1)
}
