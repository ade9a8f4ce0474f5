package solar

import (
	"math"

	"github.com/cyverse-gis/eemt/shared/solar/sun"
)

// skyMoments sums up a month's samples with the sun up: the extraterrestrial
// irradiance times the powers 0 to 2 of the sine of altitude, in Wh m⁻². The
// horizontal diffuse is linear in them.
type skyMoments [3]float64

// monthlyMoments returns the moments of each month at a latitude.
func monthlyMoments(latitude float64, s sun.Slots) (out [12]skyMoments) {
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
		m := skyMoments{n, a*n + b*c, a*a*n + 2*a*b*c + b*b*c2}
		g0 := sun.Extraterrestrial(day) * s.Step
		sum := &out[sun.MonthOf(day)]
		for i := range m {
			sum[i] += m[i] * g0
		}
	}
	return out
}

// diffuse returns the horizontal diffuse sum of the moments under a sky.
func (m *skyMoments) diffuse(s *sky) float64 {
	return s.kDiff * s.tn * (s.a1*m[0] + s.a2*m[1] + s.a3*m[2])
}

// beam returns the month's horizontal beam as interpolated from latitude nodes: none in
// the polar night, though the sun may be up at a node beside it.
func (m *skyMoments) beam(interpolated float64) float64 {
	if m[0] == 0 {
		return 0
	}
	return interpolated
}
