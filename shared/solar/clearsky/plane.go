package clearsky

import "math"

// Plane is an inclined surface: slope, aspect, and the shares of sky and ground in its view.
type Plane struct {
	Sin, Cos               float64 // of the slope
	Aspect                 float64 // clockwise from north, radians
	East, North            float64 // horizontal part of the surface normal
	Isotropic, Anisotropic float64 // weights of the isotropic and the anisotropic diffuse sky, r_i and F(γ) of Muneer (1990)
	Ground                 float64 // share of ground in view
	Flat                   bool    // Aspect has no meaning
}

// NewPlane describes a slope of 0..π/2 radians with an aspect in radians clockwise from
// north, true north for Incidence and Irradiance. A slope of 0 or an undefined (NaN) aspect is flat.
func NewPlane(slope, aspect float64) Plane {
	if slope == 0 || math.IsNaN(aspect) {
		return Plane{Cos: 1, Isotropic: 1, Flat: true}
	}
	p := Plane{Aspect: aspect}
	p.Sin, p.Cos = math.Sincos(slope)
	sin, cos := math.Sincos(aspect)
	p.East, p.North = p.Sin*sin, p.Sin*cos
	p.Isotropic, p.Ground = (1+p.Cos)/2, (1-p.Cos)/2
	p.Anisotropic = p.Sin - slope*p.Cos - math.Pi*p.Ground // ground is sin² of half the slope
	return p
}

// Incidence returns the sine of the angle between the sun and the plane, not above 0 where
// the sun is behind it.
func (p Plane) Incidence(s Sample) float64 {
	if p.Flat {
		return s.SinH
	}
	return s.SinH*p.Cos + s.CosH*p.Sin*math.Cos(s.Azimuth-p.Aspect)
}

// Irradiance returns beam, diffuse and reflected irradiance of the plane, in W m⁻²
// (Hofierka and Suri 2002). sinD is from Incidence. lit says that neither the plane itself nor
// terrain hides the sun. With reflFull an unlit plane also gets the beam that the ground reflects.
func (p Plane) Irradiance(s Sample, sinD float64, lit bool, albedo float64, reflFull bool) (beam, diffuse, reflected float64) {
	horizontal := s.Beam * s.SinH
	if lit {
		beam = s.Beam * sinD
	}
	if p.Flat {
		return beam, s.Diffuse, 0
	}
	switch {
	case !lit:
		diffuse = s.Diffuse * (p.Isotropic + UnlitSky*p.Anisotropic)
		if !reflFull {
			horizontal = 0
		}
	case s.H >= LowSun:
		diffuse = s.Diffuse * ((p.Isotropic+Muneer(s.Kb)*p.Anisotropic)*(1-s.Kb) + s.Kb*sinD/s.SinH)
	default:
		diffuse = s.Diffuse * ((p.Isotropic+Muneer(s.Kb)*p.Anisotropic)*(1-s.Kb) +
			s.Kb*p.Sin*math.Cos(s.Azimuth-p.Aspect)/(0.1-0.008*s.H))
	}
	return beam, diffuse, albedo * (horizontal + s.Diffuse) * p.Ground
}

// SkyView returns what the plane sees of an evenly bright sky in one azimuth, above
// a horizon with the given tangent: the mean over all azimuths is its sky-view
// factor (Dozier and Frew 1990). azimuth and Aspect count from the same north.
func (p Plane) SkyView(azimuth, tangent float64) float64 {
	toward := 0.0
	if !p.Flat {
		toward = p.Sin * math.Cos(azimuth-p.Aspect)
		// The plane itself is the horizon on its upper side.
		tangent = max(tangent, -toward/max(p.Cos, 1e-9))
	}
	// With H the horizon's angle from the zenith: tan H = 1/tangent.
	square := 1 / (1 + tangent*tangent) // sin² H
	zenith := math.Atan2(1, tangent)
	return p.Cos*square + toward*(zenith-tangent*square)
}
