package solar

import (
	"math"

	"github.com/cyverse-gis/eemt/shared/calendar"
)

// SolarConstant is the mean extraterrestrial irradiance in W m⁻² (Hofierka and Suri 2002).
const SolarConstant = 1367.0

// poleCosine is the cosine of latitude below which a place counts as a pole,
// where azimuth has no meaning and is taken as 0.
const poleCosine = 1e-12

// MonthOf returns the month 0..11 of a day number 1..365 of a non-leap year.
// Day 366 belongs to December.
func MonthOf(day int) int {
	for m, n := range calendar.Days {
		if day <= n {
			return m
		}
		day -= n
	}
	return 11
}

// DaysOf returns the first and last day numbers of month 0..11 of a non-leap year.
func DaysOf(month int) (first, last int) {
	first = 1
	for m := range month {
		first += calendar.Days[m]
	}
	return first, first + calendar.Days[month] - 1
}

func dayAngle(day int) float64 { return 2 * math.Pi * float64(day) / 365.25 }

// Declination returns the sun's declination in radians on day number 1..366
// (Hofierka and Suri 2002).
func Declination(day int) float64 {
	j := dayAngle(day)
	return math.Asin(0.3978 * math.Sin(j-1.4+0.0355*math.Sin(j-0.0489)))
}

// Extraterrestrial returns the normal irradiance above the atmosphere in W m⁻²
// on day number 1..366 (Hofierka and Suri 2002).
func Extraterrestrial(day int) float64 {
	return SolarConstant * (1 + 0.03344*math.Cos(dayAngle(day)-0.048869))
}

// DayLength returns the hours between sunrise and sunset over a flat horizon,
// without refraction, at latitude -π/2..π/2 rad on day number 1..366. It is 24
// under the midnight sun, 0 in the polar night.
func DayLength(latitude float64, day int) float64 {
	delta := Declination(day)
	if math.Cos(latitude) < poleCosine {
		if latitude*delta > 0 {
			return 24
		}
		return 0
	}
	c := -math.Tan(latitude) * math.Tan(delta)
	return 24 / math.Pi * math.Acos(max(-1, min(1, c)))
}

// MeanDayLength returns the mean DayLength of each month in hours.
func MeanDayLength(latitude float64) [12]float64 {
	var mean [12]float64
	day := 1
	for m, n := range calendar.Days {
		for range n {
			mean[m] += DayLength(latitude, day)
			day++
		}
		mean[m] /= float64(n)
	}
	return mean
}

// site holds what the sun's place in the sky needs of a latitude.
type site struct {
	sin, cos float64
	pole     bool
}

func newSite(latitude float64) site {
	s := site{sin: math.Sin(latitude), cos: math.Cos(latitude)}
	s.pole = s.cos < poleCosine
	return s
}

// hourAngle returns the hour angle in radians of slot k: the middle of the k-th
// step of step hours from midnight.
func hourAngle(k int, step float64) float64 {
	return ((float64(k)+0.5)*step - 12) * math.Pi / 12
}

// slotsPerDay returns how many samples a day has: those whose time is not past midnight.
func slotsPerDay(step float64) int { return int(math.Floor(24/step-0.5+1e-9)) + 1 }

// position returns the sine of the sun's true altitude and its azimuth
// clockwise from true north, for a declination and an hour angle.
func (s site) position(sinDelta, cosDelta, w float64) (sinH, azimuth float64) {
	sinW, cosW := math.Sincos(w)
	if s.pole {
		return math.Copysign(sinDelta, sinDelta*s.sin), 0
	}
	sinH = s.sin*sinDelta + s.cos*cosDelta*cosW
	azimuth = math.Atan2(-cosDelta*sinW, s.cos*sinDelta-s.sin*cosDelta*cosW)
	return sinH, azimuth
}
