package clearsky

import (
	"math"

	"github.com/cyverse-gis/eemt/shared/solar/sun"
)

// Moments are sums over samples with the sun up: of the extraterrestrial normal irradiance
// times the powers 0, 1 and 2 of the sine of altitude, in Wh m⁻². The horizontal diffuse
// radiation is linear in them.
type Moments [3]float64

// MonthlyMoments returns the moments of each month at a latitude in radians.
func MonthlyMoments(latitude float64, s sun.Slots) (out [12]Moments) {
	at := sun.NewSite(latitude)
	// The sun is up in a run of slots around noon: its sums are differences of
	// those over the first slots, of 1, cos w and cos² w.
	cosines := make([]float64, s.N)
	one, two := make([]float64, s.N+1), make([]float64, s.N+1)
	for k := range cosines {
		c := math.Cos(sun.HourAngle(s.First+k, s.Step))
		cosines[k], one[k+1], two[k+1] = c, one[k]+c, two[k]+c*c
	}
	rise, set := s.Middle, s.Middle
	for day := 1; day <= sun.YearDays; day++ {
		sinDelta, cosDelta := math.Sincos(sun.Declination(day))
		a, b := at.Sin*sinDelta, at.Cos*cosDelta
		for rise > 0 && a+b*cosines[rise-1] > 0 {
			rise--
		}
		for rise < s.Middle && !(a+b*cosines[rise] > 0) {
			rise++
		}
		for set < s.N && a+b*cosines[set] > 0 {
			set++
		}
		for set > s.Middle && !(a+b*cosines[set-1] > 0) {
			set--
		}
		n, c, c2 := float64(set-rise), one[set]-one[rise], two[set]-two[rise]
		m := Moments{n, a*n + b*c, a*a*n + 2*a*b*c + b*b*c2}
		g0 := sun.Extraterrestrial(day) * s.Step
		sum := &out[sun.MonthOf(day)]
		for i := range m {
			sum[i] += m[i] * g0
		}
	}
	return out
}

// Diffuse returns the horizontal diffuse radiation of the samples under a sky, in Wh m⁻².
// The turbidity of the sky counts, its day does not.
func (m *Moments) Diffuse(s *Sky) float64 {
	return s.kDiff * s.tn * (s.a1*m[0] + s.a2*m[1] + s.a3*m[2])
}
