package energy

import "math"

// RasmussenTaborColdest is the mean annual temperature, degC, below which RasmussenTabor is no
// check: at 0 degC it is a tenth of its highest value, and cold places with warm summers
// have EEMT-TRAD many times that.
const RasmussenTaborColdest = 3.0

// RasmussenTabor returns EEMT in MJ m-2 yr-1 from mean annual temperature in
// degC and precipitation in mm (regression of Rasmussen & Tabor 2007 as cited
// later). It checks a map within some 50 %, never makes one.
//
// It is a Gaussian about 21.5 degC: below RasmussenTaborColdest it falls to nothing, whatever
// the summer brings forth, and says nothing about a map.
func RasmussenTabor(mat, mapmm float64) float64 {
	a, b := (mat-21.5)/-10.1, (mapmm-4412)/1704
	return 347.134 * math.Exp(-0.5*(a*a+b*b))
}

// EEMTPerPrecipitation returns the rise of EEMT with precipitation in kJ kg-1
// at t kelvin (Rasmussen 2012, section 3.2).
func EEMTPerPrecipitation(t float64) float64 { return 4.15*t - 1136 }

// ClausiusClapeyron returns the saturation vapour pressure in Pa at t kelvin
// (Rasmussen 2012, eq 5).
func ClausiusClapeyron(t float64) float64 { return 611.73 * clausiusClapeyron(t) }

func clausiusClapeyron(t float64) float64 {
	return math.Exp(2.501e6 / 461.5 * (1/273.16 - 1/t))
}

// VPDLimit returns the vapour pressure deficit in Pa above which EEMT vanishes
// at t kelvin (Rasmussen 2012, section 3.1).
func VPDLimit(t float64) float64 {
	if t > 292 {
		return 1200
	}
	return 350 * clausiusClapeyron(t)
}
