// Package sun computes where the sun stands: declination, altitude, azimuth, length of day.
//
// Angles are in radians, azimuths clockwise from true north, times in true solar time. A solar
// year has 365 days in the months of a non-leap year.
package sun

import (
	"math"

	"github.com/cyverse-gis/eemt/shared/calendar"
)

// SolarConstant is the mean extraterrestrial irradiance in W m⁻² (Hofierka and Suri 2002).
const SolarConstant = 1367.0

// IsPole reports whether a latitude in radians is that of a pole, where azimuth has no
// meaning and is taken as 0.
func IsPole(latitude float64) bool { return math.Cos(latitude) < 1e-12 }

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
	if IsPole(latitude) {
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

// Site is a latitude as the position of the sun needs it: its sine and cosine.
type Site struct {
	Sin, Cos float64
	pole     bool
}

// NewSite returns the site at a latitude of -π/2..π/2 radians.
func NewSite(latitude float64) Site {
	return Site{Sin: math.Sin(latitude), Cos: math.Cos(latitude), pole: IsPole(latitude)}
}

// HourAngle returns the hour angle in radians of slot k: the middle of the k-th
// step of step hours from midnight.
func HourAngle(k int, step float64) float64 {
	return ((float64(k)+0.5)*step - 12) * math.Pi / 12
}

// SlotsPerDay returns how many samples a day has: those whose time is not past midnight.
func SlotsPerDay(step float64) int { return int(math.Floor(24/step-0.5+1e-9)) + 1 }

// Position returns the sine of the sun's true altitude and its azimuth
// clockwise from true north, for the sine and cosine of a declination and an hour angle w.
func (s Site) Position(sinDelta, cosDelta, w float64) (sinH, azimuth float64) {
	sinW, cosW := math.Sincos(w)
	if s.pole {
		return math.Copysign(sinDelta, sinDelta*s.Sin), 0
	}
	sinH = s.Sin*sinDelta + s.Cos*cosDelta*cosW
	azimuth = math.Atan2(-cosDelta*sinW, s.Cos*sinDelta-s.Sin*cosDelta*cosW)
	return sinH, azimuth
}
