package projection

import (
	"fmt"
	"math"
)

// small is the least distance in degrees of a latitude from the equator or a pole where a method needs one.
const small = 1e-6

// entry is what the table states of a method.
type entry struct {
	// make makes the projection from parameters with angles in radians.
	make func(e Ellipsoid, p Parameters) Projection
	// check refuses parameters, with angles in degrees, for which the formulas have no meaning; nil refuses none.
	check func(p Parameters) error
	// probe returns the ProbeLatitude; nil is the latitude of origin.
	probe func(p Parameters) float64
}

var methods = map[Method]entry{
	TransverseMercator: {
		make: func(e Ellipsoid, p Parameters) Projection { return newTransverseMercator(e, p.Lat0, p.K0) },
	},
	LambertConformal1SP: {
		make: func(e Ellipsoid, p Parameters) Projection {
			return newLambertConformal(e, p.Lat0, p.Lat0, p.Lat0, p.K0)
		},
		check: coneAtOrigin,
	},
	LambertConformal2SP: {
		make:  func(e Ellipsoid, p Parameters) Projection { return newLambertConformal(e, p.Lat0, p.SP1, p.SP2, 1) },
		check: coneOffPoles, probe: firstParallel,
	},
	LambertMichigan: {
		make:  func(e Ellipsoid, p Parameters) Projection { return newLambertConformal(e, p.Lat0, p.SP1, p.SP2, p.K0) },
		check: coneOffPoles, probe: firstParallel,
	},
	Albers: {
		make:  func(e Ellipsoid, p Parameters) Projection { return newAlbers(e, p.Lat0, p.SP1, p.SP2) },
		check: cone, probe: firstParallel,
	},
	EquidistantConic: {
		make:  func(e Ellipsoid, p Parameters) Projection { return newEquidistantConic(e, p.Lat0, p.SP1, p.SP2) },
		check: coneOffPoles, probe: firstParallel,
	},
	MercatorA: {
		make:  func(e Ellipsoid, p Parameters) Projection { return newMercator(e, 0, p.K0, false) },
		check: originOnEquator, probe: equator,
	},
	MercatorB: {
		make:  func(e Ellipsoid, p Parameters) Projection { return newMercator(e, 0, e.m(p.SP1), false) },
		check: trueScaleTo89, probe: equator,
	},
	WebMercator: {
		make:  func(e Ellipsoid, p Parameters) Projection { return newMercator(e, p.Lat0, 1, true) },
		check: originTo89, probe: equator,
	},
	PolarStereographicA: {
		make:  func(e Ellipsoid, p Parameters) Projection { return newPolarStereographic(e, p.Lat0, p.K0) },
		check: originAtPole,
	},
	PolarStereographicB: {
		make:  func(e Ellipsoid, p Parameters) Projection { return newPolarStereographic(e, p.SP1, 1) },
		check: trueScaleOffEquator, probe: firstParallel,
	},
	PolarStereographicC: {
		make: func(e Ellipsoid, p Parameters) Projection {
			// The origin lies on the parallel, not on the pole.
			s := newPolarStereographic(e, p.SP1, 1)
			_, y := s.Forward(0, p.SP1)
			return &lowered{s, y}
		},
		check: trueScaleOffEquator, probe: firstParallel,
	},
	LambertAzimuthal: {
		make: func(e Ellipsoid, p Parameters) Projection { return newLambertAzimuthal(e, p.Lat0) },
	},
	ObliqueStereographic: {
		make:  func(e Ellipsoid, p Parameters) Projection { return newObliqueStereographic(e, p.Lat0, p.K0) },
		check: originOffPoles,
	},
	Stereographic: {
		make:  func(e Ellipsoid, p Parameters) Projection { return newStereographic(e, p.Lat0, p.K0) },
		check: originOffPoles,
	},
	HotineA: {
		make: func(e Ellipsoid, p Parameters) Projection {
			return newObliqueMercator(e, p.Lat0, p.Azimuth, p.Rectified, p.K0, false)
		},
		check: obliqueLine,
	},
	HotineB: {
		make: func(e Ellipsoid, p Parameters) Projection {
			if math.Abs(p.Azimuth-90*rad) < 1e-4*rad && math.Abs(p.Rectified-90*rad) < 1e-4*rad {
				return newSwissOblique(e, p.Lat0, p.K0)
			}
			return newObliqueMercator(e, p.Lat0, p.Azimuth, p.Rectified, p.K0, true)
		},
		check: obliqueLine,
	},
	Krovak: {
		make:  func(e Ellipsoid, p Parameters) Projection { return newKrovak(e, p.Lat0, p.Azimuth, p.SP1, p.K0) },
		check: northernCone,
	},
	Laborde: {
		make:  func(e Ellipsoid, p Parameters) Projection { return newLaborde(e, p.Lat0, p.Azimuth, p.K0) },
		check: originOffPoles,
	},
	NewZealandMapGrid: {
		make: func(e Ellipsoid, p Parameters) Projection { return &newZealandMapGrid{a: e.a, phi0: p.Lat0} },
	},
	EquidistantCylindrical: {
		make:  func(e Ellipsoid, p Parameters) Projection { return newEquidistantCylindrical(e, p.Lat0, p.SP1) },
		check: trueScaleTo89, probe: equator,
	},
	EqualAreaCylindrical: {
		make:  func(e Ellipsoid, p Parameters) Projection { return newEqualAreaCylindrical(e, p.SP1) },
		check: trueScaleTo89, probe: equator,
	},
	EqualEarth: {
		make:  func(e Ellipsoid, _ Parameters) Projection { return newEqualEarth(e) },
		probe: equator,
	},
	Mollweide: {
		make:  func(e Ellipsoid, _ Parameters) Projection { return &mollweide{e.a} },
		probe: equator,
	},
	Cassini: {
		make:  func(e Ellipsoid, p Parameters) Projection { return newMeridional(e, p.Lat0, math.Pi/2, 0, cassini) },
		check: originOffPoles,
	},
	CassiniHyperbolic: {
		make: func(e Ellipsoid, p Parameters) Projection {
			return newMeridional(e, p.Lat0, math.Pi/2, 0, cassiniHyperbolic)
		},
		check: originOffPoles,
	},
	Guam: {
		make:  func(e Ellipsoid, p Parameters) Projection { return newMeridional(e, p.Lat0, math.Pi/2, 0, guam) },
		check: originOffPoles,
	},
	ColombiaUrban: {
		make: func(e Ellipsoid, p Parameters) Projection {
			return newMeridional(e, p.Lat0, math.Pi/2, p.Height, colombia)
		},
		check: originOffPoles,
	},
	NearConformal: {
		make: func(e Ellipsoid, p Parameters) Projection {
			return newMeridional(e, p.Lat0, math.Pi/2, p.K0, nearConformal)
		},
		check: coneAtOriginOffPoles,
	},
	Polyconic: {
		make:  func(e Ellipsoid, p Parameters) Projection { return newMeridional(e, p.Lat0, math.Pi, 0, polyconic) },
		check: originOffPoles,
	},
	Bonne: {
		make:  func(e Ellipsoid, p Parameters) Projection { return newMeridional(e, p.Lat0, math.Pi, 0, bonne) },
		check: originOffEquator,
	},
	Sinusoidal: {
		make:  func(e Ellipsoid, p Parameters) Projection { return newMeridional(e, p.Lat0, math.Pi, 0, sinusoidal) },
		probe: equator,
	},
}

func equator(Parameters) float64         { return 0 }
func firstParallel(p Parameters) float64 { return p.SP1 }

// coneAtOrigin is for a cone that touches the ellipsoid at the latitude of origin.
func coneAtOrigin(p Parameters) error {
	if math.Abs(p.Lat0) < small || math.Abs(p.Lat0) > 90-small {
		return fmt.Errorf("latitude of origin %g: a cone needs one between the equator and a pole", p.Lat0)
	}
	return nil
}

// coneAtOriginOffPoles is coneAtOrigin of a method whose formulas also need some distance from the poles.
func coneAtOriginOffPoles(p Parameters) error {
	if err := originOffPoles(p); err != nil {
		return err
	}
	return coneAtOrigin(p)
}

func cone(p Parameters) error {
	if math.Abs(p.SP1+p.SP2) < small {
		return fmt.Errorf("standard parallels %g and %g: a cone needs parallels which are not opposite", p.SP1, p.SP2)
	}
	return nil
}

func coneOffPoles(p Parameters) error {
	if err := cone(p); err != nil {
		return err
	}
	if max(math.Abs(p.SP1), math.Abs(p.SP2)) > 90-small {
		return fmt.Errorf("standard parallels %g and %g: must lie between the poles", p.SP1, p.SP2)
	}
	return nil
}

func northernCone(p Parameters) error {
	if !(p.Lat0 > 1 && p.Lat0 < 89 && p.SP1 > 1 && p.SP1 < 89) {
		return fmt.Errorf("latitude of origin %g and pseudo standard parallel %g: must be 1 to 89", p.Lat0, p.SP1)
	}
	return nil
}

func originOnEquator(p Parameters) error {
	if p.Lat0 != 0 {
		return fmt.Errorf("latitude of origin %g: Mercator needs 0", p.Lat0)
	}
	return nil
}

func originTo89(p Parameters) error {
	if math.Abs(p.Lat0) > 89 {
		return fmt.Errorf("latitude of origin %g: must be -89 to 89", p.Lat0)
	}
	return nil
}

func originAtPole(p Parameters) error {
	if math.Abs(p.Lat0) < 90-small {
		return fmt.Errorf("latitude of origin %g: polar stereographic needs 90 or -90", p.Lat0)
	}
	return nil
}

func originOffPoles(p Parameters) error {
	if math.Abs(p.Lat0) > 90-1e-3 {
		return fmt.Errorf("latitude of origin %g: must lie between the poles", p.Lat0)
	}
	return nil
}

func originOffEquator(p Parameters) error {
	if math.Abs(p.Lat0) < small {
		return fmt.Errorf("latitude of origin %g: Bonne needs one off the equator", p.Lat0)
	}
	return nil
}

func obliqueLine(p Parameters) error {
	if err := originOffPoles(p); err != nil {
		return err
	}
	if math.Abs(p.Lat0) < small || math.Abs(math.Sin(p.Azimuth*rad)) < small {
		return fmt.Errorf("latitude of centre %g and azimuth %g: an oblique Mercator needs a line off the meridian and a centre off the equator", p.Lat0, p.Azimuth)
	}
	return nil
}

func trueScaleTo89(p Parameters) error {
	if math.Abs(p.SP1) > 89 {
		return fmt.Errorf("standard parallel %g: must be -89 to 89", p.SP1)
	}
	return nil
}

func trueScaleOffEquator(p Parameters) error {
	if math.Abs(p.SP1) < small {
		return fmt.Errorf("standard parallel %g: polar stereographic needs one off the equator", p.SP1)
	}
	return nil
}
