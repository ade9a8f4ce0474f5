package solar

import (
	"math"

	"github.com/cyverse-gis/eemt/shared/solar/clearsky"
	"github.com/cyverse-gis/eemt/shared/solar/sun"
)

// totals are sums over time in Wh m⁻², with the hours lit.
type totals struct{ beam, diffuse, reflected, hours float64 }

func (t totals) global() float64 { return t.beam + t.diffuse + t.reflected }

// planeDay sums one day sample by sample under a sky and ground a. shadowed tells whether terrain hides
// the sun; nil means it never does.
func planeDay(at sun.Site, pressure float64, pl clearsky.Plane, day int, a clearsky.Air, p *Parameters, shadowed func(s clearsky.Sample) bool) totals {
	step := p.StepMinutes / 60
	sinDelta, cosDelta := math.Sincos(sun.Declination(day))
	clear := clearsky.NewSky(day, a)
	var sum totals
	for k := range sun.SlotsPerDay(step) {
		sinH, azimuth := at.Position(sinDelta, cosDelta, sun.HourAngle(k, step))
		if sinH <= 0 {
			continue
		}
		s := clear.Sample(sinH, azimuth, pressure)
		sinD := pl.Incidence(s)
		lit := sinD > 0 && (shadowed == nil || !shadowed(s))
		b, d, r := pl.Irradiance(s, sinD, lit, a.Albedo, p.ReflFull)
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
