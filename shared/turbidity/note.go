package turbidity

import (
	"fmt"
	"math"

	"github.com/cyverse-gis/eemt/shared/finding"
	"github.com/cyverse-gis/eemt/shared/param"
	"github.com/cyverse-gis/eemt/shared/solar"
)

// most is the difference in the year's mean up to which there is no finding. It is less than
// the error of the maps that the climatology is made of.
const most = 0.5

// Note compares the turbidity of a job with the climatology at the middle of its DEM, at longitude
// and latitude in degrees, elevation in metres. It returns false where both agree within 0.5
// in the year's mean, where the job takes the climatology or rasters, and where the position or a
// parameter is not valid.
func Note(longitude, latitude, elevation float64, p param.Parameters) (finding.Finding, bool) {
	if p.LinkeClimatology || len(p.LinkeRaster) > 0 {
		return finding.Finding{}, false
	}
	there, sky := At(longitude, latitude), solar.DefaultParameters()
	sky.StepMinutes, sky.Linke = p.Step, param.Monthly(p.Linke)
	used, usual := mean(sky.Linke), mean(there)
	if !(math.Abs(usual-used) > most) {
		return finding.Finding{}, false
	}
	before, err := year(latitude, elevation, sky)
	if err != nil || before == 0 {
		return finding.Finding{}, false
	}
	sky.Linke = there
	after, err := year(latitude, elevation, sky)
	if err != nil {
		return finding.Finding{}, false
	}
	change, direction := 100*(after/before-1), "more"
	if change < 0 {
		change, direction = -change, "less"
	}
	return finding.Finding{
		Code: finding.Turbidity, Severity: finding.Note,
		Message: fmt.Sprintf("Linke turbidity is %.1f in the year's mean, the climatology has %.1f at %.2f, %.2f: with it the year's clear-sky global radiation on level ground at %.0f m would be %.1f %% %s",
			used, usual, longitude, latitude, elevation, change, direction),
		Value: fmt.Sprintf("%.1f", used),
		Next:  "take it with --linke-value climatology, or give twelve values of the place",
	}, true
}

func mean(months [12]float64) (m float64) {
	for _, v := range months {
		m += v / float64(len(months))
	}
	return m
}

func year(latitude, elevation float64, p solar.Parameters) (sum float64, err error) {
	months, err := solar.FlatYear(latitude*math.Pi/180, elevation, p)
	for _, v := range months {
		sum += v
	}
	return sum, err
}
