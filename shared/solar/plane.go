package solar

import "math"

// plane is an inclined surface: slope, direction faced, and the shares of sky it sees.
type plane struct {
	sin, cos float64 // of the slope
	aspect   float64 // clockwise from true north
	east     float64 // the horizontal part of the surface normal
	north    float64
	ri, fg   float64 // isotropic and anisotropic sky view (Muneer 1990)
	ground   float64 // share of ground in view
	flat     bool
}

// newPlane describes a slope in radians facing aspect, clockwise from true
// north. A slope of 0 or an undefined (NaN) aspect is flat.
func newPlane(slope, aspect float64) plane {
	if slope == 0 || math.IsNaN(aspect) {
		return plane{cos: 1, ri: 1, flat: true}
	}
	p := plane{aspect: aspect}
	p.sin, p.cos = math.Sincos(slope)
	sin, cos := math.Sincos(aspect)
	p.east, p.north = p.sin*sin, p.sin*cos
	p.ri, p.ground = (1+p.cos)/2, (1-p.cos)/2
	p.fg = p.sin - slope*p.cos - math.Pi*p.ground // ground is sin² of half the slope
	return p
}

// incidence returns the sine of the angle between the sun and the plane.
func (p plane) incidence(s sample) float64 {
	if p.flat {
		return s.sinH
	}
	return s.sinH*p.cos + s.cosH*p.sin*math.Cos(s.azimuth-p.aspect)
}

// irradiance returns beam, diffuse and reflected irradiance of the plane, in W m⁻².
func (p plane) irradiance(s sample, sinD float64, lit bool, albedo float64, reflFull bool) (beam, diffuse, reflected float64) {
	horizontal := s.beam * s.sinH
	if lit {
		beam = s.beam * sinD
	}
	if p.flat {
		return beam, s.diffuse, 0
	}
	switch {
	case !lit:
		diffuse = s.diffuse * (p.ri + unlitSky*p.fg)
		if !reflFull {
			horizontal = 0
		}
	case s.h >= lowSun:
		diffuse = s.diffuse * ((p.ri+muneer(s.kb)*p.fg)*(1-s.kb) + s.kb*sinD/s.sinH)
	default:
		diffuse = s.diffuse * ((p.ri+muneer(s.kb)*p.fg)*(1-s.kb) +
			s.kb*p.sin*math.Cos(s.azimuth-p.aspect)/(0.1-0.008*s.h))
	}
	return beam, diffuse, albedo * (horizontal + s.diffuse) * p.ground
}

// sky returns what the plane sees of an evenly bright sky in one azimuth, above
// a horizon with the given tangent: the mean over all azimuths is its sky-view
// factor. Both azimuths count from the same north.
func (p plane) sky(azimuth, tangent float64) float64 {
	toward := 0.0
	if !p.flat {
		toward = p.sin * math.Cos(azimuth-p.aspect)
		// Behind the slope its own rise hides the sky.
		tangent = max(tangent, -toward/max(p.cos, 1e-9))
	}
	// With H the horizon's angle from the zenith: tan H = 1/tangent.
	square := 1 / (1 + tangent*tangent) // sin² H
	zenith := math.Atan2(1, tangent)
	return p.cos*square + toward*(zenith-tangent*square)
}
