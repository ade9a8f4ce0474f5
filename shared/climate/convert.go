package climate

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/cyverse-gis/eemt/shared/climate/units"
	"github.com/cyverse-gis/eemt/shared/energy"
	"github.com/cyverse-gis/eemt/shared/finding"
)

// convert turns one month, or day, into degC, mm and Pa.
func convert(s units.Set, values [len(variables)]float64, days float64) [len(variables)]float64 {
	values[tmin], values[tmax] = s.Temperature.ToCelsius(values[tmin]), s.Temperature.ToCelsius(values[tmax])
	values[prcp] = s.Precipitation.ToMillimetres(values[prcp], days)
	values[vp] = s.Vapour.ToPascal(values[vp], values[tmin], values[tmax], energy.SaturationPressure)
	return values
}

// meanDays is the mean number of days of each month over many years.
func meanDays(month int) float64 {
	if month == 1 {
		return 28.25
	}
	return float64(monthLength(1, month))
}

// temperatureUnit guesses the unit of daily minima and maxima that are not degC; empty where nothing fits.
func temperatureUnit(lows, highs []float64) units.Unit {
	low, high, span := math.Inf(1), math.Inf(-1), 0.0
	var spans []float64
	for i, l := range lows {
		h := highs[i]
		d := math.Abs(h - l)
		if math.IsNaN(d) {
			continue
		}
		low, high = min(low, l, h), max(high, l, h)
		span += d
		spans = append(spans, d)
	}
	if len(spans) == 0 {
		return ""
	}
	span /= float64(len(spans))
	// Minima and maxima of a day lie 2 to 22 K apart, which tells tenths from degrees.
	unit := units.Fahrenheit
	switch {
	case high > 1500:
		unit = units.TenthKelvin
	case span > 40, high > 130 && low < 180, low < -100:
		unit = units.TenthCelsius
	case low >= 190:
		unit = units.Kelvin
	}
	slices.Sort(spans)
	usual := spans[len(spans)/2]
	if d := unit.ToCelsius(usual) - unit.ToCelsius(0); d < 1.5 || d > 30 {
		return "" // a single value is out of order, not all of them
	}
	if unit.ToCelsius(low) < variables[tmin].min-15 || unit.ToCelsius(high) > variables[tmax].max {
		return ""
	}
	return unit
}

// codes are the codes of findings about the variables.
var codes = [len(variables)]finding.Code{finding.ClimateTemperature, finding.ClimateTemperature, finding.ClimatePrecipitation, finding.ClimateVapour}

// quantityNames are the names of the variables in units.Parse.
var quantityNames = [len(variables)]string{"temperature", "temperature", "precipitation", "vapour"}

// refuse makes the refusal of a value of a variable; looks is the unit that it seems to have, if any.
func refuse(v int, looks units.Unit, value, format string, args ...any) error {
	f := finding.Finding{Code: codes[v], Value: value, Message: fmt.Sprintf(format, args...)}
	if looks != "" {
		f.LooksLike = fmt.Sprintf("%s in %s", quantityNames[v], looks)
		f.Next = fmt.Sprintf("turn it into %s, or have it done: --climate-units %s=%s", variables[v].unit, quantityNames[v], looks)
	}
	return finding.Refuse(f)
}

// at puts a prefix before an error, and before the message of the finding that it holds.
func at(where string, err error) error {
	var e *finding.Error
	if err == nil || !errors.As(err, &e) {
		if err != nil {
			err = fmt.Errorf("%s%w", where, err)
		}
		return err
	}
	f := e.Finding
	f.Message = where + f.Message
	return finding.Refuse(f)
}

// contradicted refuses values whose file states another unit than the one they are read in.
func contradicted(v int, stated string, s units.Set) error {
	u := units.Stated(stated)
	used := [len(variables)]units.Unit{s.Temperature, s.Temperature, s.Precipitation, s.Vapour}[v]
	if u == "" || used != "" {
		return nil
	}
	own := [len(variables)]units.Unit{units.Celsius, units.Celsius, units.Millimetres, units.Pascal}
	if u == own[v] || !slices.Contains(units.Of(quantityNames[v]), u) {
		return nil
	}
	return refuse(v, u, stated, "%s: the file states its unit as %q, and it is read in %s", variables[v].name, stated, variables[v].unit)
}
