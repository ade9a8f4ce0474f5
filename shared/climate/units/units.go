// Package units names the units that climate may come in.
package units

import (
	"fmt"
	"slices"
	"strings"
)

// Unit is a unit of one variable, by the name that users write.
type Unit string

// Units of temperature, of precipitation of a month, and of vapour pressure.
const (
	Celsius       Unit = "C"
	Kelvin        Unit = "K"
	TenthKelvin   Unit = "0.1K"
	Fahrenheit    Unit = "F"
	TenthCelsius  Unit = "0.1C"
	Millimetres   Unit = "mm" // of a month; of a day where values are of days
	Inches        Unit = "inch"
	Centimetres   Unit = "cm"
	Metres        Unit = "m"
	PerDay        Unit = "mm/day"
	PerYear       Unit = "mm/year" // a year's sum where that of a month belongs: a twelfth is taken; where that of a day does, 1/365
	Pascal        Unit = "Pa"
	Hectopascal   Unit = "hPa"
	Kilopascal    Unit = "kPa"
	Percent       Unit = "%"        // relative humidity at the day's mean of saturation
	Fraction      Unit = "fraction" // relative humidity from 0 to 1
	SaturatedTMin Unit = "tmin"     // none: saturation at tmin is taken
)

// quantity is a variable with the units that it may have, that of the engine first.
type quantity struct {
	name  string
	units []Unit
}

var quantities = [...]quantity{
	{"temperature", []Unit{Celsius, Kelvin, TenthKelvin, Fahrenheit, TenthCelsius}},
	{"precipitation", []Unit{Millimetres, Inches, Centimetres, Metres, PerDay, PerYear}},
	{"vapour", []Unit{Pascal, Hectopascal, Kilopascal, Percent, Fraction, SaturatedTMin}},
}

// Set is the units of a climate source. The zero value is degrees Celsius, millimetres per month and Pa.
type Set struct {
	Temperature   Unit `json:"temperature,omitempty"`
	Precipitation Unit `json:"precipitation,omitempty"`
	Vapour        Unit `json:"vapour,omitempty"`
}

func (s *Set) of(i int) *Unit { return []*Unit{&s.Temperature, &s.Precipitation, &s.Vapour}[i] }

// Parse reads a list such as "temperature=K,precipitation=inch,vapour=hPa". Empty text is the zero Set, and so are
// the engine's own units.
func Parse(text string) (Set, error) {
	var s Set
	stated := [len(quantities)]bool{}
	for _, item := range strings.Split(text, ",") {
		if item = strings.TrimSpace(item); item == "" {
			continue
		}
		name, value, _ := strings.Cut(item, "=")
		name, value = strings.ToLower(strings.TrimSpace(name)), strings.TrimSpace(value)
		i := slices.IndexFunc(quantities[:], func(q quantity) bool { return q.name == name || q.name == "vapour" && name == "vapor" })
		if i < 0 {
			return Set{}, fmt.Errorf("climate_units %.80q: must be %s", item, Forms())
		}
		k := slices.IndexFunc(quantities[i].units, func(u Unit) bool { return strings.EqualFold(string(u), value) })
		if k < 0 {
			return Set{}, fmt.Errorf("climate_units %.80q: %s must be in one of %s", item, name, join(quantities[i].units))
		}
		if stated[i] {
			return Set{}, fmt.Errorf("climate_units %.80q: %s is given twice", text, name)
		}
		stated[i] = true
		if k > 0 {
			*s.of(i) = quantities[i].units[k]
		}
	}
	return s, nil
}

// Of lists the units of temperature, precipitation or vapour.
func Of(name string) []Unit {
	i := slices.IndexFunc(quantities[:], func(q quantity) bool { return q.name == name })
	if i < 0 {
		return nil
	}
	return slices.Clone(quantities[i].units)
}

// Forms says in words what Parse takes.
func Forms() string {
	list := make([]string, len(quantities))
	for i, q := range quantities {
		list[i] = q.name + "= one of " + join(q.units)
	}
	return "a list, separated by commas, of " + strings.Join(list, "; ")
}

func join(units []Unit) string {
	list := make([]string, len(units))
	for i, u := range units {
		list[i] = string(u)
	}
	return strings.Join(list, " ")
}

// String is what Parse reads; empty for the zero Set.
func (s Set) String() string {
	var list []string
	for i, q := range quantities {
		if u := *s.of(i); u != "" && u != q.units[0] {
			list = append(list, q.name+"="+string(u))
		}
	}
	return strings.Join(list, ",")
}

// spellings are what files call units, in lower case without blanks.
var spellings = map[string]Unit{
	"c": Celsius, "degc": Celsius, "degreec": Celsius, "degreesc": Celsius, "celsius": Celsius, "degreecelsius": Celsius, "degreescelsius": Celsius, "deg_c": Celsius, "°c": Celsius,
	"k": Kelvin, "kelvin": Kelvin, "degk": Kelvin, "0.1k": TenthKelvin, "k/10": TenthKelvin, "k*10": TenthKelvin,
	"f": Fahrenheit, "degf": Fahrenheit, "fahrenheit": Fahrenheit, "degreesf": Fahrenheit, "°f": Fahrenheit,
	"0.1c": TenthCelsius, "c/10": TenthCelsius, "c*10": TenthCelsius, "degc*10": TenthCelsius, "°c*10": TenthCelsius, "°c/10": TenthCelsius, "0.1degc": TenthCelsius,
	"mm": Millimetres, "mmpermonth": Millimetres, "mm/month": Millimetres, "mmmonth-1": Millimetres, "kgm-2": Millimetres, "kg/m^2": Millimetres, "kgm-2month-1": Millimetres,
	"in": Inches, "inch": Inches, "inches": Inches, "cm": Centimetres, "m": Metres,
	"mm/day": PerDay, "mm/d": PerDay, "mmday-1": PerDay, "mmd-1": PerDay, "mmperday": PerDay, "mm/year": PerYear, "mm/yr": PerYear, "mmyr-1": PerYear,
	"pa": Pascal, "hpa": Hectopascal, "mb": Hectopascal, "mbar": Hectopascal, "millibar": Hectopascal, "kpa": Kilopascal, "%": Percent, "percent": Percent,
}

// Stated returns the unit that a file names in its own words, empty where it is none of those known.
func Stated(text string) Unit {
	return spellings[strings.ToLower(strings.ReplaceAll(strings.TrimSpace(text), " ", ""))]
}
