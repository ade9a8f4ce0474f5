package energy

import (
	"fmt"
	"math"

	"github.com/cyverse-gis/eemt/shared/calendar"
)

// NPPModel names the source of net primary production in EEMT-TOPO.
type NPPModel string

// The sources of net primary production.
const (
	NPPSantaCatalina NPPModel = "scm"    // NPPTopo
	NPPLieth         NPPModel = "lieth"  // Lieth at the topographic mean annual temperature, no wet-month gate
	NPPRaster        NPPModel = "raster" // Cell.NPP, g m-2 yr-1 dry matter
)

// Parameters are the choices that hold for every cell of a run.
type Parameters struct {
	// LapseTMin and LapseTMax are the fall of temperature with height of each
	// month, K km-1, -20 to 20.
	LapseTMin [12]float64 `json:"lapseTMin"`
	LapseTMax [12]float64 `json:"lapseTMax"`
	// RadiationShift is C of R15 eq 6, K, 0 to 10.
	RadiationShift float64 `json:"radiationShift"`
	// WindSpeed is u_2 in Penman-Monteith, m s-1, above 0 to 50.
	WindSpeed float64 `json:"windSpeed"`
	// Albedo of the land in net radiation, 0 to 1.
	Albedo float64 `json:"albedo"`
	// CloudFactor is K_c of each month, 0 to 1; 1 is a clear sky.
	CloudFactor [12]float64 `json:"cloudFactor"`
	// Hamon1963 takes the later form of Hamon's equation for EEMT-TRAD.
	Hamon1963 bool `json:"hamon1963"`
	// NPPTopo is the source of production in EEMT-TOPO.
	NPPTopo NPPModel `json:"nppTopo"`
	// MCWIClose closes the water balance of redistribution with kappa; without
	// it kappa is 1, the literal R15 eq 10.
	MCWIClose bool `json:"mcwiClose"`
	// VegAETZhang lets Zhang's equation, with Penman-Monteith as the demand,
	// limit evapotranspiration in EEMT-TOPO-VEG.
	VegAETZhang bool `json:"vegAetZhang"`
}

// DefaultParameters returns the documented defaults.
func DefaultParameters() Parameters {
	p := Parameters{
		RadiationShift: DefaultRadiationShift,
		WindSpeed:      DefaultWindSpeed,
		Albedo:         DefaultAlbedo,
		NPPTopo:        NPPSantaCatalina,
		MCWIClose:      true,
	}
	for m := range 12 {
		p.LapseTMin[m], p.LapseTMax[m], p.CloudFactor[m] = DefaultLapseRate, DefaultLapseRate, 1
	}
	return p
}

// Validate returns the first parameter that is out of its range.
func (p *Parameters) Validate() error {
	for m := range 12 {
		for _, c := range []struct {
			name      string
			v         float64
			low, high float64
			unit      string
		}{
			{"lapse rate of tmin", p.LapseTMin[m], -20, 20, " K km-1"},
			{"lapse rate of tmax", p.LapseTMax[m], -20, 20, " K km-1"},
			{"cloud factor", p.CloudFactor[m], 0, 1, ""},
		} {
			if err := within(fmt.Sprintf("%s in month %d", c.name, m+1), c.v, c.low, c.high, c.unit); err != nil {
				return err
			}
		}
	}
	if err := within("radiation shift", p.RadiationShift, 0, 10, " K"); err != nil {
		return err
	}
	if err := within("wind speed", p.WindSpeed, 0.01, 50, " m s-1"); err != nil {
		return err
	}
	if err := within("albedo of net radiation", p.Albedo, 0, 1, ""); err != nil {
		return err
	}
	switch p.NPPTopo {
	case NPPSantaCatalina, NPPLieth, NPPRaster:
		return nil
	}
	return fmt.Errorf("npp %q: must be scm, lieth or raster", p.NPPTopo)
}

func within(name string, v, low, high float64, unit string) error {
	if math.IsNaN(v) || v < low || v > high {
		return fmt.Errorf("%s %g: must be %g to %g%s", name, v, low, high, unit)
	}
	return nil
}

// Calendar is the length of the months of one climate year, and of the months
// over which the sun was integrated: a year of sun may serve every climate year.
type Calendar struct {
	Days      [12]int // of the climate year, 28 to 31
	SolarDays [12]int // of the solar year, 28 to 31
}

// NewCalendar returns the calendar of the climate year with the sun of a year
// of 365 days.
func NewCalendar(year int) Calendar {
	c := Calendar{SolarDays: calendar.Days}
	c.Days = c.SolarDays
	if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
		c.Days[1] = 29
	}
	return c
}

// YearDays is the length of the climate year in days.
func (c *Calendar) YearDays() int {
	n := 0
	for _, d := range c.Days {
		n += d
	}
	return n
}

// Validate returns the first month that is not 28 to 31 days long.
func (c *Calendar) Validate() error {
	for m := range 12 {
		for _, d := range []int{c.Days[m], c.SolarDays[m]} {
			if d < 28 || d > 31 {
				return fmt.Errorf("month %d of %d days: must be 28 to 31", m+1, d)
			}
		}
	}
	return nil
}
