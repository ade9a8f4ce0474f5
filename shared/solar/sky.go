package solar

import (
	"math"

	"github.com/cyverse-gis/eemt/shared/solar/sun"
)

// lowSun is the altitude in radians below which Muneer's model takes its low-sun form.
const lowSun = 0.1

// unlitSky is the anisotropy of the sky seen by an unlit surface (Muneer 1990).
const unlitSky = 0.252271

// sky is the cloudless atmosphere of one day.
type sky struct {
	g0             float64 // extraterrestrial normal irradiance, W m⁻²
	linke          float64 // for air mass 2
	tn, a1, a2, a3 float64 // ESRA diffuse transmission and altitude function
	kBeam, kDiff   float64 // real-sky factors
}

// air is what a month's sky and ground are like at one cell: Linke turbidity for air mass 2,
// 1 to 8; albedo of the ground, 0 to 1; real-sky factors of beam and diffuse radiation, 0 to 1.
type air struct{ linke, albedo, kBeam, kDiffuse float64 }

func newSky(day int, a air) sky {
	tl := a.linke
	s := sky{g0: sun.Extraterrestrial(day), linke: tl, kBeam: a.kBeam, kDiff: a.kDiffuse}
	s.tn = -0.015843 + 0.030543*tl + 0.0003797*tl*tl
	s.a1 = 0.26463 - 0.061581*tl + 0.0031408*tl*tl
	if s.a1*s.tn < 0.0022 {
		s.a1 = 0.0022 / s.tn
	}
	s.a2 = 2.04020 + 0.018945*tl - 0.011161*tl*tl
	s.a3 = -1.3025 + 0.039231*tl + 0.0085079*tl*tl
	return s
}

// pressure returns the ratio of air pressure at elevation z (m) to that at sea level.
func pressure(z float64) float64 { return math.Exp(-z / 8434.5) }

// airMass returns the relative optical air mass of Kasten and Young (1989) at
// sea level for true altitude h (rad), refraction included.
func airMass(h float64) float64 {
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

// sample is the sun at one instant with what it sends through the sky, in W m⁻².
type sample struct {
	sinH, cosH, h, azimuth float64
	beam                   float64 // normal beam B0c
	diffuse                float64 // horizontal diffuse Dhc
	kb                     float64 // horizontal beam over horizontal extraterrestrial
}

// through returns the normal beam that an air mass m lets through, in W m⁻².
func (s *sky) through(m float64) float64 {
	return s.kBeam * s.g0 * math.Exp(-0.8662*s.linke*m*rayleigh(m))
}

// scattered returns the horizontal diffuse irradiance in W m⁻² for the sine of the sun's altitude.
func (s *sky) scattered(sinH float64) float64 {
	return s.kDiff * s.g0 * s.tn * (s.a1 + s.a2*sinH + s.a3*sinH*sinH)
}

// at returns the sample for the sun at a true altitude above 0, over a place
// where air pressure is p times that of the sea.
func (s *sky) at(sinH, azimuth, p float64) sample {
	sinH = min(1, sinH)
	o := sample{sinH: sinH, cosH: math.Sqrt(1 - sinH*sinH), h: math.Asin(sinH), azimuth: azimuth}
	o.beam = s.through(p * airMass(o.h))
	o.diffuse = s.scattered(sinH)
	o.kb = o.beam / s.g0
	return o
}

// muneer returns N of Muneer (1990) for a lit surface.
func muneer(kb float64) float64 { return 0.00263 - 0.712*kb - 0.6883*kb*kb }
