package energy

import "math"

// Lieth returns net primary production in g m-2 yr-1 dry matter at t degC
// (Lieth 1975, Miami model).
func Lieth(t float64) float64 { return 3000 / (1 + math.Exp(1.315-0.119*t)) }

// NPPTopo returns net primary production in g m-2 yr-1 dry matter, at least
// 100, from elevation z in metres and northness (R15 eq 11, fitted to the
// Santa Catalina Mountains). South of the equator pass -northness.
func NPPTopo(z, northness float64) float64 {
	return max(MinNPP, 0.39*z+346*northness-187)
}

// NPPVeg returns net primary production in g m-2 yr-1 dry matter, at least 100,
// from canopy height in metres (R15 eq 12 as a centred polynomial); negative
// heights count as 0, and the maximum at 41.6 m holds above.
func NPPVeg(height float64) float64 {
	const centre = 12.0933
	const top = centre + 36/(2*0.61)
	h := clip(height, 0, top)
	return max(MinNPP, 196+36*h-0.61*(h-centre)*(h-centre))
}

// EBio returns the energy of npp g m-2 dry matter in MJ m-2.
func EBio(npp float64) float64 { return npp * 1e-3 * BiomassEnergy / 1e6 }

// EPPT returns the energy of f mm of water at t degC over freezing in MJ m-2;
// 0 in frost.
func EPPT(f, t float64) float64 { return f * WaterHeatCapacity * max(0, t) / 1e6 }

// EEMT returns the effective energy and mass transfer of a cell from the energy of its effective precipitation, already
// multiplied with kappa where that closes the water balance, and of its net primary production, all in MJ m-2
// (Rasmussen et al. 2011, eq 1), and with it F_BIO, the share of production in it: NaN where there is no energy.
func EEMT(ePPT, eBio float64) (eemt, fBio float64) {
	eemt, fBio = ePPT+eBio, math.NaN()
	if eemt > 0 {
		fBio = eBio / eemt
	}
	return eemt, fBio
}

// MCWI returns the mass-conservative wetness index of a cell, its wetness index over the mean of the domain (Rasmussen et
// al. 2015, eq 9); its mean over the domain, weighted with area, is 1.
func MCWI(wetness, meanWetness float64) float64 { return wetness / meanWetness }

// WattsPerSquareMetre turns MJ m-2 yr-1 into W m-2 for a year of days days.
func WattsPerSquareMetre(mj, days float64) float64 { return mj * 1e6 / (SecondsPerDay * days) }

// NDVI returns the normalized difference vegetation index of near-infrared and
// red reflectance, NaN when both are 0.
func NDVI(nir, red float64) float64 {
	if nir+red == 0 {
		return math.NaN()
	}
	return (nir - red) / (nir + red)
}

// LAIFromNDVI returns the leaf area index, 0 to 10 (Qi et al. 2000).
func LAIFromNDVI(ndvi float64) float64 {
	return clip(((18.99*ndvi-15.24)*ndvi+6.124)*ndvi-0.352, 0, MaxLAI)
}

// Biomass returns above-ground biomass in Mg ha-1 from the mean canopy height
// in metres (R15 eq 13).
func Biomass(height float64) float64 { return 1.441 * math.Pow(height, 2.151) }

// BiomassBound returns the upper bound of biomass in Mg ha-1 at an EEMT-TOPO in
// MJ m-2 yr-1 (R15 fig. 7, RMSE 69.7).
func BiomassBound(eemt float64) float64 { return 0.032 * math.Pow(eemt, 3.22) }
