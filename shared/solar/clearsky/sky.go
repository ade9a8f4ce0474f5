// Package clearsky holds the irradiance of a cloudless sky on horizontal and inclined planes.
//
// Beam and diffuse radiation are those of ESRA (Rigollier et al. 2000) as Hofierka and Suri
// (2002) use them in r.sun, on inclined planes with the diffuse sky of Muneer (1990). Angles
// are in radians, irradiances in W m⁻².
package clearsky

import (
	"math"

	"github.com/cyverse-gis/eemt/shared/solar/sun"
)

// LowSun is the altitude in radians below which the model of Muneer takes its low-sun form.
const LowSun = 0.1

// UnlitSky is the anisotropy of the sky seen by an unlit surface (Muneer 1990).
const UnlitSky = 0.252271

// Sky is the cloudless atmosphere of one day.
type Sky struct {
	G0             float64 // extraterrestrial normal irradiance, W m⁻²
	linke          float64 // for air mass 2
	tn, a1, a2, a3 float64 // ESRA diffuse transmission and altitude function
	kBeam, kDiff   float64 // real-sky factors
}

// Air is what a month's sky and ground are like at one cell: Linke turbidity for air mass 2,
// 1 to 8; albedo of the ground, 0 to 1; real-sky factors of beam and diffuse radiation, 0 to 1.
type Air struct{ Linke, Albedo, KBeam, KDiffuse float64 }

// NewSky returns the sky of day number 1..366.
func NewSky(day int, a Air) Sky {
	tl := a.Linke
	s := Sky{G0: sun.Extraterrestrial(day), linke: tl, kBeam: a.KBeam, kDiff: a.KDiffuse}
	s.tn = -0.015843 + 0.030543*tl + 0.0003797*tl*tl
	s.a1 = 0.26463 - 0.061581*tl + 0.0031408*tl*tl
	if s.a1*s.tn < 0.0022 {
		s.a1 = 0.0022 / s.tn
	}
	s.a2 = 2.04020 + 0.018945*tl - 0.011161*tl*tl
	s.a3 = -1.3025 + 0.039231*tl + 0.0085079*tl*tl
	return s
}

// Pressure returns the ratio of air pressure at elevation z (m) to that at sea level.
func Pressure(z float64) float64 { return math.Exp(-z / 8434.5) }

// AirMass returns the relative optical air mass of Kasten and Young (1989) at
// sea level for true altitude h (rad), refraction included.
func AirMass(h float64) float64 {
	h += 0.061359 * (0.1594 + 1.1230*h + 0.065656*h*h) / (1 + 28.9344*h + 277.3971*h*h)
	return 1 / (math.Sin(h) + 0.50572*math.Pow(h*180/math.Pi+6.07995, -1.6364))
}

// rayleigh returns the optical thickness of the clean dry atmosphere (Kasten 1996).
func rayleigh(m float64) float64 {
	if m <= 20 {
		return 1 / (6.6296 + m*(1.7513+m*(-0.1202+m*(0.0065-m*0.00013))))
	}
	return 1 / (10.4 + 0.718*m)
}

// Sample is the position of the sun at one instant, and its irradiance below the sky in W m⁻².
type Sample struct {
	SinH, CosH, H, Azimuth float64 // sine, cosine of the altitude; altitude; azimuth clockwise from true north
	Beam                   float64 // normal beam B0c
	Diffuse                float64 // horizontal diffuse Dhc
	Kb                     float64 // horizontal beam over horizontal extraterrestrial
}

// Beam returns the normal beam irradiance in W m⁻² after an air mass m, corrected for pressure.
func (s *Sky) Beam(m float64) float64 {
	return s.kBeam * s.G0 * math.Exp(-0.8662*s.linke*m*rayleigh(m))
}

// Diffuse returns the horizontal diffuse irradiance in W m⁻² for the sine of the sun's altitude.
func (s *Sky) Diffuse(sinH float64) float64 {
	return s.kDiff * s.G0 * s.tn * (s.a1 + s.a2*sinH + s.a3*sinH*sinH)
}

// Sample returns the sample for the sun at a true altitude above 0, over a place
// where air pressure is p times that of the sea.
func (s *Sky) Sample(sinH, azimuth, p float64) Sample {
	sinH = min(1, sinH)
	o := Sample{SinH: sinH, CosH: math.Sqrt(1 - sinH*sinH), H: math.Asin(sinH), Azimuth: azimuth}
	o.Beam = s.Beam(p * AirMass(o.H))
	o.Diffuse = s.Diffuse(sinH)
	o.Kb = o.Beam / s.G0
	return o
}

// Muneer returns N, the anisotropy of the sky seen by a lit surface (Muneer 1990), for the
// beam as a share kb of the extraterrestrial irradiance, 0 to 1.
func Muneer(kb float64) float64 { return 0.00263 - 0.712*kb - 0.6883*kb*kb }
