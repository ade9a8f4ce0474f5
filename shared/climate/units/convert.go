package units

// ToCelsius turns a temperature into degC.
func (u Unit) ToCelsius(x float64) float64 {
	switch u {
	case Kelvin:
		return x - 273.15
	case TenthKelvin:
		return x/10 - 273.15
	case Fahrenheit:
		return (x - 32) / 1.8
	case TenthCelsius:
		return x / 10
	}
	return x
}

// yearDays are those of the years of daily files, which have no 29 February or no 31 December.
const yearDays = 365

// ToMillimetres turns precipitation over so many days, one or those of a month, into mm over them.
func (u Unit) ToMillimetres(x, days float64) float64 {
	switch u {
	case Inches:
		return x * 25.4
	case Centimetres:
		return x * 10
	case Metres:
		return x * 1000
	case PerDay:
		return x * days
	case PerYear:
		if days == 1 {
			return x / yearDays
		}
		return x / 12
	}
	return x
}

// ToPascal turns vapour pressure, or humidity relative to the mean of saturation at tmin and tmax in degC (FAO-56 eq 19), into
// Pa. SaturatedTMin is what the air of a moist climate has (FAO-56 eq 48). saturation is the vapour pressure in kPa of saturated
// air at a temperature in degC.
func (u Unit) ToPascal(x, tMin, tMax float64, saturation func(temperature float64) float64) float64 {
	switch u {
	case Hectopascal:
		return x * 100
	case Kilopascal:
		return x * 1000
	case Percent:
		return x / 100 * (500 * (saturation(tMin) + saturation(tMax)))
	case Fraction:
		return x * (500 * (saturation(tMin) + saturation(tMax)))
	case SaturatedTMin:
		return 1000 * saturation(tMin)
	}
	return x
}
