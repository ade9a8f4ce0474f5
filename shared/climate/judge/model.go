package judge

import (
	"fmt"
	"math"

	"github.com/cyverse-gis/eemt/shared/energy"
	"github.com/cyverse-gis/eemt/shared/finding"
)

const lapse = energy.DefaultLapseRate

// anyTrad reports whether EEMT-TRAD is above 0 in any month at the DEM's lowest, mean or highest elevation.
func anyTrad(g Site, y Year) bool {
	model, err := energy.NewModel(energy.DefaultParameters(), energy.NewCalendar(y.Year))
	if err != nil {
		return true
	}
	heights := []float64{y.Elevation}
	if g.Elevations.Cells > 0 {
		heights = []float64{g.Elevations.Low, g.Elevations.Mean(), g.Elevations.High}
	}
	for _, z := range heights {
		c := energy.Cell{Elevation: z, ReferenceElevation: y.Elevation, MeanWetness: 1, Wetness: 1, TMin: y.TMin, TMax: y.TMax, Prcp: y.Precipitation, VP: y.Vapour}
		for k := range 12 {
			c.Daylength[k] = daylength(g.CentreLat, k)
			c.SolarTopo[k], c.SolarFlat[k] = 1, 1
		}
		for k := range 12 {
			if t := model.Trad(&c, k); t.EEMT > 0 {
				return true
			}
		}
	}
	return false
}

func noTrad(years []Year) finding.Finding {
	dry, cold := 0, 0
	y := years[0]
	for _, t := range y.mean() {
		if t > 0 {
			dry++
		} else {
			cold++
		}
	}
	why := fmt.Sprintf("in none of %d months above freezing does precipitation (%.3g mm a year) exceed potential evapotranspiration", dry, sum(y.Precipitation))
	if dry == 0 {
		why = "no month is above freezing"
	}
	return doubt(finding.ModelTrad, "0 MJ m-2 yr-1", "", "check the unit of precipitation and temperature; where it is as dry or cold as that, use EEMT-TOPO",
		"EEMT-TRAD will be 0 everywhere: %s", why)
}

// daylength is the hours of sun above the horizon in the middle of a month (FAO-56 eq 24, 25, 34).
func daylength(lat float64, month int) float64 {
	day := 15 + 30.4*float64(month)
	declination := 0.409 * math.Sin(2*math.Pi*day/365-1.39)
	x := -math.Tan(lat*math.Pi/180) * math.Tan(declination)
	return 24 / math.Pi * math.Acos(max(-1, min(1, x)))
}

// Elevations counts the cells of a DEM by where the regression for the production of EEMT-TOPO holds.
type Elevations struct {
	Cells     int
	Floor     int // where it stands at its floor on level ground
	Beyond    int // above the highest elevation of its fit
	Low, High float64
	Total     float64 // of all elevations
}

// floor is the elevation in m below which the regression stands at its floor on level ground.
var floor = func() float64 {
	low, high := 0.0, energy.NPPTopoHighest
	for high-low > 0.01 {
		if mid := (low + high) / 2; energy.NPPTopo(mid, 0) > energy.MinNPP {
			high = mid
		} else {
			low = mid
		}
	}
	return high
}()

// Add counts a cell of an elevation in m. It ignores NaN.
func (e *Elevations) Add(z float64) {
	if math.IsNaN(z) {
		return
	}
	if e.Cells == 0 {
		e.Low, e.High = z, z
	}
	e.Cells++
	e.Low, e.High = min(e.Low, z), max(e.High, z)
	e.Total += z
	switch {
	case z < floor:
		e.Floor++
	case z > energy.NPPTopoHighest:
		e.Beyond++
	}
}

// Mean elevation, m; NaN without cells.
func (e *Elevations) Mean() float64 { return e.Total / float64(e.Cells) }

// leastBeyond is the share of cells outside of the regression's fit from which on production is doubted.
const leastBeyond = 0.1

// Production doubts EEMT-TOPO's production where the regression that gives it stands at its floor, or was not fitted, on
// more than a tenth of the cells. temperature is the annual mean over them in degC, NaN where it is not known.
func Production(e Elevations, temperature float64) (finding.Finding, bool) {
	if e.Cells == 0 || float64(e.Floor+e.Beyond) <= leastBeyond*float64(e.Cells) {
		return finding.Finding{}, false
	}
	percent := func(n int) float64 { return 100 * float64(n) / float64(e.Cells) }
	text := fmt.Sprintf("the production of EEMT-TOPO comes from a regression fitted from %.0f to %.0f m (Rasmussen et al. 2015, eq 11)", energy.NPPTopoLowest, energy.NPPTopoHighest)
	if e.Floor > 0 {
		text += fmt.Sprintf("; %.0f %% of the cells lie below %.0f m, where it stands at its floor of %.0f g m-2 yr-1 on level ground", percent(e.Floor), floor, energy.MinNPP)
	}
	if e.Beyond > 0 {
		text += fmt.Sprintf("; %.0f %% lie above %.0f m, where it gives up to %.0f g m-2 yr-1 on level ground", percent(e.Beyond), energy.NPPTopoHighest, energy.NPPTopo(e.High, 0))
	}
	value := fmt.Sprintf("%.0f %% of the cells", percent(e.Floor+e.Beyond))
	if !math.IsNaN(temperature) {
		lieth := energy.Lieth(temperature)
		text += fmt.Sprintf("; Lieth's equation, as in EEMT-TRAD, gives %.0f g m-2 yr-1 at the mean of %.1f degC", lieth, temperature)
	}
	return doubt(finding.ModelProduction, value, "", "take E_BIO_Topo, EEMT_Topo and F_BIO_Topo with care, or use EEMT-TRAD", "%s", text), true
}

// MeanTemperature is the annual mean in degC at the DEM's mean elevation, over the years given; NaN without.
func MeanTemperature(e Elevations, years []Year) float64 {
	var total float64
	for _, y := range years {
		total += mean(y.mean()) - lapse*(e.Mean()-y.Elevation)/1000
	}
	return total / float64(len(years))
}
