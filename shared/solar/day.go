package solar

import (
	"math"

	"github.com/cyverse-gis/eemt/shared/solar/sun"
)

// totals are sums over time in Wh m⁻², with the hours lit.
type totals struct{ beam, diffuse, reflected, hours float64 }

func (t totals) global() float64 { return t.beam + t.diffuse + t.reflected }

// planeDay sums one day sample by sample under a sky and ground a. shadowed tells whether terrain hides
// the sun; nil means it never does.
func planeDay(at sun.Site, pressure float64, pl plane, day int, a air, p *Parameters, shadowed func(s sample) bool) totals {
	step := p.StepMinutes / 60
	sinDelta, cosDelta := math.Sincos(sun.Declination(day))
	clear := newSky(day, a)
	var sum totals
	for k := range sun.SlotsPerDay(step) {
		sinH, azimuth := at.Position(sinDelta, cosDelta, sun.HourAngle(k, step))
		if sinH <= 0 {
			continue
		}
		s := clear.at(sinH, azimuth, pressure)
		sinD := pl.incidence(s)
		lit := sinD > 0 && (shadowed == nil || !shadowed(s))
		b, d, r := pl.irradiance(s, sinD, lit, a.albedo, p.ReflFull)
		sum.beam += b
		sum.diffuse += d
		sum.reflected += r
		if lit {
			sum.hours++
		}
	}
	sum.beam *= step
	sum.diffuse *= step
	sum.reflected *= step
	sum.hours *= step
	return sum
}
