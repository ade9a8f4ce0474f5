package judge

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/cyverse-gis/eemt/shared/climate/judge/koppen"
	"github.com/cyverse-gis/eemt/shared/climate/units"
	"github.com/cyverse-gis/eemt/shared/energy"
	"github.com/cyverse-gis/eemt/shared/finding"
)

// along interpolates between points of rising x.
func along(x float64, points ...[2]float64) float64 {
	for i := 1; i < len(points); i++ {
		if a, b := points[i-1], points[i]; x <= b[0] {
			return a[1] + (b[1]-a[1])*max(0, x-a[0])/(b[0]-a[0])
		}
	}
	return points[len(points)-1][1]
}

// warmest is the highest mean of a month, and coldest the lowest of a year, that there is on land at a latitude and
// elevation, degC, with some room: deserts of the subtropics, Siberia, the ice of Greenland and Antarctica.
func warmest(lat, z float64) float64 {
	return along(math.Abs(lat), [2]float64{0, 40}, [2]float64{36, 40}, [2]float64{50, 30}, [2]float64{60, 23}, [2]float64{70, 18}, [2]float64{80, 10}, [2]float64{90, 4}) - 4.5*max(0, z)/1000
}

func coldest(lat, z float64) float64 {
	return along(math.Abs(lat), [2]float64{0, 18}, [2]float64{20, 13}, [2]float64{35, 2}, [2]float64{50, -10}, [2]float64{65, -25}, [2]float64{75, -35}, [2]float64{90, -50}) - 7*max(0, z)/1000
}

// mostDaily is the widest mean range of a day's temperature, K.
const mostDaily = 23

// temperature doubts values that seem to be in another unit, though they are possible in degC.
func temperature(g Site, y Year) []finding.Finding {
	t := y.mean()
	high, low := slices.Max(t[:]), mean(t)
	daily := mean(y.TMax) - mean(y.TMin)
	value := fmt.Sprintf("mean of the warmest month %.1f, of the year %.1f degC, daily range %.1f K", high, low, daily)
	const advice = "turn it into degC, or have it done: --climate-units temperature=%s"
	if over := max(high-warmest(g.CentreLat, y.Elevation), daily-mostDaily); over > 0 {
		for _, u := range []struct {
			unit           units.Unit
			scale, subtrac float64
		}{{units.Fahrenheit, 1 / 1.8, 32}, {units.TenthCelsius, 0.1, 0}} {
			h, l, d := (high-u.subtrac)*u.scale, (low-u.subtrac)*u.scale, daily*u.scale
			if h > warmest(g.CentreLat, y.Elevation) || l < coldest(g.CentreLat, y.Elevation) || d < 1.5 || d > mostDaily {
				continue
			}
			f := refusal(finding.ClimateTemperature, value, "temperature in "+string(u.unit), fmt.Sprintf(advice, u.unit),
				"temperature does not fit latitude %.1f and %.0f m in degC: its %s", g.CentreLat, y.Elevation, value)
			if over < 5 {
				f.Severity = finding.Doubt
			}
			return []finding.Finding{f}
		}
		return []finding.Finding{doubt(finding.ClimateTemperature, value, "", "check the unit of temperature: it is read as degC unless --climate-units says otherwise",
			"temperature is higher than there is at latitude %.1f and %.0f m: its %s", g.CentreLat, y.Elevation, value)}
	}
	if low < coldest(g.CentreLat, y.Elevation) {
		return []finding.Finding{doubt(finding.ClimateTemperature, value, "", "check the unit of temperature: it is read as degC unless --climate-units says otherwise",
			"temperature is lower than there is at latitude %.1f and %.0f m: its %s", g.CentreLat, y.Elevation, value)}
	}
	if daily < 0.5 {
		return []finding.Finding{doubt(finding.ClimateTemperature, value, "", "check that tmin and tmax are the means of the days' minima and maxima",
			"tmin and tmax are nearly the same: their %s", value)}
	}
	return nil
}

// Vapour pressure over saturation at tmin: about 1 in moist climates, 0.3 in the driest deserts.
const (
	impossible = 0.05
	dubious    = 0.15
)

// vapour compares vapour pressure with saturation at tmin and tmax.
func vapour(s Source, y Year) []finding.Finding {
	if s.Derived {
		return nil // told with precipitation, by which it is good or bad
	}
	var ratio [12]float64
	peak, at := 0.0, 0
	for k, e := range y.Vapour {
		ratio[k] = e / saturation(y.TMin[k])
		if over := e / saturation(y.TMax[k]) / frost(y.TMax[k]); over > peak {
			peak, at = over, k
		}
	}
	driest := 0
	for k := range ratio {
		if ratio[k] < ratio[driest] {
			driest = k
		}
	}
	usual := median(ratio)
	unit := vapourUnit(y)
	looks, next := "", "give it in Pa"
	if unit != "" {
		looks, next = "vapour pressure in "+string(unit), fmt.Sprintf("turn it into Pa, or have it done: --climate-units vapour=%s", unit)
		if unit == units.Percent || unit == units.Fraction {
			looks = "relative humidity in " + string(unit)
		}
	}
	k := driest
	value := fmt.Sprintf("%.3g Pa in %s", y.Vapour[k], names[k])
	few := fmt.Sprintf("vapour pressure is too low for the temperature: saturation at tmin of %s, %.1f degC, is %.0f Pa, the climate says %.3g", names[k], y.TMin[k], saturation(y.TMin[k]), y.Vapour[k])
	switch {
	case peak > 1.5:
		return []finding.Finding{refusal(finding.ClimateVapour, fmt.Sprintf("%.0f Pa in %s", y.Vapour[at], names[at]), looks, next, "vapour pressure is above saturation: saturation at tmax of %s, %.1f degC, is %.0f Pa, the climate says %.0f", names[at], y.TMax[at], saturation(y.TMax[at]), y.Vapour[at])}
	case usual < impossible:
		return []finding.Finding{refusal(finding.ClimateVapour, value, looks, next, "%s", few)}
	case peak > 1.02:
		return []finding.Finding{doubt(finding.ClimateVapour, fmt.Sprintf("%.0f Pa in %s", y.Vapour[at], names[at]), looks, next, "vapour pressure is above saturation: saturation at tmax of %s, %.1f degC, is %.0f Pa, the climate says %.0f", names[at], y.TMax[at], saturation(y.TMax[at]), y.Vapour[at])}
	case usual < dubious || ratio[driest] < impossible:
		return []finding.Finding{doubt(finding.ClimateVapour, value, looks, next, "%s", few)}
	case constantHumidity(y):
		return []finding.Finding{doubt(finding.ClimateVapour, fmt.Sprintf("%.0f to %.0f", slices.Min(y.Vapour[:]), slices.Max(y.Vapour[:])), "relative humidity in %", "turn it into Pa, or have it done: --climate-units vapour=%",
			"vapour pressure hardly changes over the year, %.0f to %.0f, while saturation at tmin does, %.0f to %.0f Pa", slices.Min(y.Vapour[:]), slices.Max(y.Vapour[:]), saturation(slices.Min(y.TMin[:])), saturation(slices.Max(y.TMin[:])))}
	}
	return nil
}

// frost is by how much the mean of saturation may lie above saturation at the mean of a temperature in degC: in frost the curve
// bends more.
func frost(temperature float64) float64 {
	if temperature < 0 {
		return 1.4
	}
	return 1
}

// constantHumidity reports whether values hardly change over the year, as relative humidity in per cent does. Vapour pressure
// of cold air has numbers as small, but changes with temperature.
func constantHumidity(y Year) bool {
	low, high := slices.Min(y.Vapour[:]), slices.Max(y.Vapour[:])
	return low > 5 && high <= 100 && high < 3*low && slices.Max(y.TMin[:]) > -15 && saturation(slices.Max(y.TMin[:])) > 4*saturation(slices.Min(y.TMin[:]))
}

// vapourUnit finds the unit in which vapour pressure would be that of moist or dry air; empty if there is none.
func vapourUnit(y Year) units.Unit {
	if unit := humidityUnit(y); unit != "" {
		return unit
	}
	best, unit := math.Inf(1), units.Unit("")
	for _, c := range []struct {
		unit    units.Unit
		penalty float64 // of what is rarely given
	}{{units.Hectopascal, 0}, {units.Kilopascal, 0}, {units.Percent, 0.4}, {units.Fraction, 0.8}} {
		var ratio [12]float64
		fits := true
		for k, v := range y.Vapour {
			e := c.unit.ToPascal(v, y.TMin[k], y.TMax[k], energy.SaturationPressure)
			ratio[k] = e / saturation(y.TMin[k])
			fits = fits && e <= 1.05*frost(y.TMax[k])*saturation(y.TMax[k])
		}
		// Months of the same air differ little in what is right, a lot in what is not.
		low, high := slices.Min(ratio[:]), slices.Max(ratio[:])
		if !fits || !(median(ratio) > 0.2) || !(low > 0) {
			continue
		}
		if score := math.Abs(math.Log(median(ratio))) + 0.3*math.Log(high/low) + c.penalty; score < best {
			best, unit = score, c.unit
		}
	}
	return unit
}

// humidityUnit is the unit of relative humidity whose numbers hardly change over the year while saturation does, as vapour
// pressure never is; empty for other numbers.
func humidityUnit(y Year) units.Unit {
	low, high := slices.Min(y.Vapour[:]), slices.Max(y.Vapour[:])
	if !(low > 0 && high < 1.5*low && saturation(slices.Max(y.TMin[:])) > 3*saturation(slices.Min(y.TMin[:]))) {
		return ""
	}
	switch {
	case high <= 1:
		return units.Fraction
	case low > 5 && high <= 100:
		return units.Percent
	}
	return ""
}

// region is a part of the earth, degrees, with the least rain of a year that there is in it, mm.
type region struct{ west, south, east, north, least float64 }

// deserts are where the driest years of the earth are known: the Sahara, Arabia and Iran; the Thar; the Horn of Africa; Inner
// Asia; the coasts of Peru and Chile; of Namibia; the mouth of the Colorado; Antarctica.
var deserts = []region{
	{-26, 14, 60, 37, 0.2},
	{60, 20, 76, 37, 25},
	{34, -3, 56, 14, 20},
	{50, 29, 112, 48, 10},
	{-93, -34, -66, 3, 0.2},
	{10, -34, 21, -10, 8},
	{-117.5, 23, -109, 37, 30},
	{-180, -90, 180, -60, 10},
}

// leastRain is the least rain of a year that is known in the desert region around a place, mm; false outside of these
// regions.
func leastRain(lon, lat float64) (float64, bool) {
	lon = math.Remainder(lon, 360)
	i := slices.IndexFunc(deserts, func(b region) bool { return lon >= b.west && lon <= b.east && lat >= b.south && lat <= b.north })
	if i < 0 {
		return 0, false
	}
	return deserts[i].least, true
}

// aridity returns precipitation over the limit of dry climates after Köppen, 1 at that of steppe, 0.5 at that of desert.
// In the cold, where that limit vanishes, it is over what the air can hold: 100 mm at -20 degC, 6 % more for each K.
func aridity(g Site, y Year) float64 {
	t := mean(y.mean())
	annual := sum(y.Precipitation)
	summer := 0.0
	for k := range 6 {
		m := k + 3 // April to September
		if g.CentreLat < 0 {
			m = (k + 9) % 12
		}
		summer += y.Precipitation[m]
	}
	extra := 14.0
	switch {
	case summer >= 0.7*annual:
		extra = 28
	case summer <= 0.3*annual:
		extra = 0
	}
	limit := 10 * (2*t + extra)
	if t < 0 {
		limit = max(limit, 100*math.Exp(0.06*(t+20)))
	}
	return annual / max(limit, 50)
}

// seaLevel is the mean temperature of the year at sea level, degC.
func seaLevel(y Year) float64 { return mean(y.mean()) + lapse*max(0, y.Elevation)/1000 }

// wetness returns precipitation over the same limit, without the seasons' part, at the temperature of sea level: snow on
// high mountains comes from warmer air below.
func wetness(y Year) float64 {
	t := seaLevel(y)
	limit := 10 * (2*t + 14)
	if t < 0 {
		limit = max(limit, 100*math.Exp(0.06*(t+20)))
	}
	return sum(y.Precipitation) / max(limit, 50)
}

// extreme is the aridity that only a few deserts fall below.
const extreme = 0.06

// boreal is the mean temperature of the year at sea level below which moist climates have little rain, degC.
const boreal = 5

// dryness returns the least aridity and the most wetness of the climates around a place, from its temperature at sea level.
func dryness(around koppen.Classes, t float64) (least, most float64) {
	switch {
	case around == 0:
		least = extreme
	case around&koppen.Desert != 0:
		least = 0.15
	case around&koppen.Steppe != 0:
		least = 0.42
	case t < boreal:
		least = 0.5
	default:
		least = 0.85
	}
	switch {
	case around == 0 || around == koppen.Moist:
		most = 12
	case around&koppen.Moist != 0 && around&koppen.Desert == 0:
		most = 6
	case around&koppen.Moist != 0:
		most = 3.5
	default:
		most = 3
	}
	if t < 0 { // at sea level: cold air brings little snow
		most = min(most, 5)
	}
	return least, most
}

// The precipitation of a dry and of a wet year over that of a mean year.
const (
	dryYear = 0.6
	wetYear = 1.6
)

// Precipitation of a year beyond which there is none on land, mm, and daily ranges of temperature, K, of moist air: of a cool
// coast, and anywhere.
const (
	mostRain  = 13000
	coastal   = 8.0
	moistAir  = 10.5
	coolBelow = 12.0 // degC
)

// precipitation compares precipitation with that of the climates around the place, then with the humidity of the air.
func precipitation(g Site, s Source, y Year) []finding.Finding {
	annual, t := sum(y.Precipitation), mean(y.mean())
	dry, wet := aridity(g, y), wetness(y)
	near := around(g)
	daily := mean(y.TMax) - mean(y.TMin)
	rain, desert := leastRain(g.CentreLon, g.CentreLat)
	desert = desert && near&koppen.Desert != 0
	least, most, usual := drynessOf(near, s, y, desert)
	value := fmt.Sprintf("%.4g mm a year", annual)
	list := derivedVapour(s, dry, daily)
	say := func(usual []string, format string, args ...any) []finding.Finding {
		words, next := likelyUnit(s, usual, dry/30 >= least)
		return append(list, doubt(finding.ClimatePrecipitation, value, words, next, format, args...))
	}
	switch {
	case wet > most || annual > mostRain:
		return say(tooMuch(dry, least), "precipitation of %s is %.0f times the limit of dry climates, more than there is around the DEM", value, wet)
	case isConstant(y.Precipitation[:], annual):
		return say(tooMuch(dry, least), "precipitation is %.4g mm in each of the 12 months", y.Precipitation[0])
	case desert && dry < least:
		if annual < rain {
			return say(tooLittle(dry, least), "precipitation of %s is less than in the driest places around the DEM, %g mm", value, rain)
		}
		return append(list, note(finding.ClimatePrecipitation, "precipitation of %s is that of an extreme desert, as there are around the DEM", value))
	case desert && annual < rain, !desert && dry < least:
		return say(tooLittle(dry, least), "precipitation of %s is %.2g of the limit of dry climates at %.1f degC, drier than there is around the DEM", value, dry, t)
	case t >= 0 && (!desert && dry < 0.5*usual && daily < moistAir || isCoolCoast(t, dry, daily)):
		return say(tooLittle(dry, 1), "precipitation of %s is that of a dry climate at %.1f degC, while the daily range of temperature, %.1f K, is that of moist air", value, t, daily)
	}
	return list
}

// drynessOf returns the bounds of aridity and wetness around a place for a mean year or a single one, and the aridity of a
// usual dry year over that of a mean one.
func drynessOf(near koppen.Classes, s Source, y Year, desert bool) (least, most, usual float64) {
	least, most = dryness(near, seaLevel(y))
	usual = 1
	if s.Dated {
		least, most, usual = least*dryYear, most*wetYear, dryYear
	}
	if desert {
		least = extreme
	}
	return least, most, usual
}

// isConstant reports whether the precipitation of all months is the same, of a year with annual mm.
func isConstant(months []float64, annual float64) bool {
	return annual >= 1 && slices.Max(months)-slices.Min(months) < 1e-4*annual/12
}

// isCoolCoast reports whether the air is that of a cool coast, by the temperature and its daily range, while precipitation is
// that of a dry climate.
func isCoolCoast(temperature, aridity, daily float64) bool {
	return temperature < coolBelow && aridity < 1 && daily < coastal
}

// likelyUnit says what doubtful precipitation seems to be, and what to do. usual are units in which it would be usual; sums
// says that it would be so too if each day had the sum of a month.
func likelyUnit(s Source, usual []string, sums bool) (words, next string) {
	per := "mm per month"
	if s.Daily {
		per = "mm per day"
		usual = slices.DeleteFunc(usual, func(u string) bool { return u == string(units.PerDay) || u == string(units.PerYear) })
	}
	switch {
	case len(usual) > 0:
		return "precipitation in " + strings.Join(usual, " or "), fmt.Sprintf("give it in %s, or have it done: --climate-units precipitation=%s", per, usual[0])
	case s.Daily && sums:
		return "the sum of a month or of a year in the line of each day", "give it in " + per
	}
	return "", "check that it is in " + per
}

// derivedVapour notes that vapour pressure was derived from tmin, and doubts it where the air is dry.
func derivedVapour(s Source, aridity, daily float64) []finding.Finding {
	if !s.Derived {
		return nil
	}
	const text = "the climate has no vapour pressure: saturation at tmin stands for it (FAO-56 eq 48)"
	if aridity < 1 || daily > 18 {
		return []finding.Finding{doubt(finding.ClimateVapour, "", "", "give vapour pressure in Pa, as column vp of a table, if it is known", "%s, which in a dry climate like this is too high by hundreds of Pa", text)}
	}
	return []finding.Finding{note(finding.ClimateVapour, "%s", text)}
}

// tooLittle names units in which precipitation would be usual.
func tooLittle(aridity, least float64) []string {
	var names []string
	for _, u := range []struct {
		unit   units.Unit
		factor float64
	}{{units.Centimetres, 10}, {units.Inches, 25.4}, {units.PerDay, 30.4}, {units.Metres, 1000}} {
		if a := aridity * u.factor; a >= max(least, 0.7) && a <= 8 {
			names = append(names, string(u.unit))
		}
	}
	return names
}

// tooMuch names units in which precipitation would be usual.
func tooMuch(aridity, least float64) []string {
	if aridity/12 >= least {
		return []string{string(units.PerYear)}
	}
	return nil
}

// around gathers the classes of dryness around the DEM's middle and edge.
func around(g Site) koppen.Classes {
	all := koppen.Around(g.CentreLon, g.CentreLat)
	for i, lon := range g.Lon {
		all |= koppen.Around(lon, g.Lat[i])
	}
	return all
}
