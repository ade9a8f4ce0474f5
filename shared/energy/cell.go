package energy

import "math"

// Cell is everything known about one cell for one climate year. Index 0 is
// January.
type Cell struct {
	Elevation          float64 // z, m
	ReferenceElevation float64 // of the climate source at the cell, z_1km, m
	Northness          float64 // cos(aspect) sin(slope) as the terrain has it, -1 to 1
	South              bool    // southern hemisphere: NPPTopo takes northness with the other sign
	Wetness            float64 // lambda, ln m
	MeanWetness        float64 // mean of lambda over the domain
	NPP                float64 // g m-2 yr-1 dry matter, read with NPPRaster only

	TMin, TMax [12]float64 // degC at the reference elevation
	Prcp       [12]float64 // mm month-1
	VP         [12]float64 // Pa at the reference elevation

	SolarTopo [12]float64 // clear-sky global radiation on the cell, Wh m-2 month-1 of the solar year
	SolarFlat [12]float64 // the same on flat ground without shadows
	Daylength [12]float64 // monthly mean, h

	// CloudFactor is K_c of each month at the cell, 0 to 1; nil: that of Parameters.
	CloudFactor *[12]float64

	// Vegetation, read by Veg only.
	LAI          float64 // m2 m-2, clipped to 0..10
	CanopyHeight float64 // m, negative counts as 0
}

// CellYear is the part of the result that needs no sum over the domain.
// EEMT-TRAD is TradEPPT + TradEBio; EEMT-TOPO is kappa TopoEPPT + TopoEBio with
// the Kappa of the month from the sums of Peff and AlphaPeff over the domain.
type CellYear struct {
	TradEPPT, TradEBio [12]float64 // MJ m-2 month-1
	TopoEPPT           [12]float64 // MJ m-2 month-1 for kappa = 1
	TopoEBio           [12]float64 // MJ m-2 month-1
	Peff               [12]float64 // mm month-1
	AlphaPeff          [12]float64 // MCWI times Peff, mm month-1
}

// MonthTrad is EEMT-TRAD of one month with its intermediates.
type MonthTrad struct {
	TMin, TMax, TMean float64 // degC at the cell
	PET, F            float64 // mm month-1
	EPPT              float64 // MJ m-2 month-1
	NPP               float64 // g m-2 month-1 dry matter
	EBio, EEMT        float64 // MJ m-2 month-1
}

// MonthTopo is EEMT-TOPO of one month with its intermediates.
type MonthTopo struct {
	SolarRatio        float64 // S_i
	EA, VPD           float64 // kPa
	TMin, TMax, TMean float64 // degC, TMax with radiation
	Rs, Rnl, Rn       float64 // MJ m-2 d-1
	Delta, Density    float64 // kPa K-1, kg m-3
	PET, AET, Peff    float64 // mm month-1
	Alpha             float64 // MCWI
	F                 float64 // mm month-1
	EPPT              float64 // MJ m-2 month-1
	NPP               float64 // g m-2 month-1 dry matter
	EBio, EEMT        float64 // MJ m-2 month-1
}

// MonthVeg is EEMT-TOPO-VEG of one month with its intermediates.
type MonthVeg struct {
	TMax, TMean  float64 // degC with radiation under the canopy
	Ra, Rs       float64 // resistances, s m-1
	AETUnlimited float64 // Penman-Monteith, mm month-1
	AET, Peff, F float64 // mm month-1
	EPPT         float64 // MJ m-2 month-1
	NPP          float64 // g m-2 month-1 dry matter
	EBio, EEMT   float64 // MJ m-2 month-1
}

// valid reports whether every input of EEMT-TRAD, EEMT-TOPO is finite.
func (c *Cell) valid(npp NPPModel) bool {
	// A sum is finite only if its terms are: one test instead of ninety.
	s := c.Elevation + c.ReferenceElevation + c.Northness + c.Wetness + c.MeanWetness
	if npp == NPPRaster {
		s += c.NPP
	}
	if c.CloudFactor != nil {
		for _, k := range c.CloudFactor {
			s += k
		}
	}
	for m := range 12 {
		s += c.TMin[m] + c.TMax[m] + c.Prcp[m] + c.VP[m] + c.SolarTopo[m] + c.SolarFlat[m] + c.Daylength[m]
	}
	return s-s == 0
}

func (y *CellYear) setNoData() {
	for m := range 12 {
		y.TradEPPT[m], y.TradEBio[m] = math.NaN(), math.NaN()
		y.TopoEPPT[m], y.TopoEBio[m] = math.NaN(), math.NaN()
		y.Peff[m], y.AlphaPeff[m] = math.NaN(), math.NaN()
	}
}

// YearSum returns the sum of a flux over 12 months, NaN when any is missing.
func YearSum(months *[12]float64) float64 {
	var s float64
	for _, v := range months {
		s += v
	}
	return s
}

// YearMean returns the mean of a state such as temperature, weighted by the
// days of each month, NaN when any is missing.
func YearMean(months *[12]float64, days *[12]int) float64 {
	var s float64
	n := 0
	for m, v := range months {
		s += v * float64(days[m])
		n += days[m]
	}
	return s / float64(n)
}
