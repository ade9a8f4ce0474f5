package energy

import "math"

// SaturationPressure returns e_s in kPa over water at t degC (Tetens, FAO-56);
// for t above -60 degC, without a special case for ice.
func SaturationPressure(t float64) float64 {
	return 0.6108 * math.Exp(17.27*t/(t+237.3))
}

// SaturationSlope returns Delta, the derivative of SaturationPressure at
// t degC, in kPa K-1 (FAO-56).
func SaturationSlope(t float64) float64 { return saturationSlope(t, SaturationPressure(t)) }

func saturationSlope(t, es float64) float64 { return 4098 * es / ((t + 237.3) * (t + 237.3)) }

// AirPressure returns p in kPa at z metres (FAO-56).
func AirPressure(z float64) float64 {
	return 101.3 * math.Pow((293-0.0065*z)/293, 5.26)
}

// PsychrometricConstant returns gamma in kPa K-1 from the air pressure in kPa.
func PsychrometricConstant(p float64) float64 {
	return AirHeatCapacity * p / (VapourRatio * LatentHeat)
}

// AirDensity returns rho_a in kg m-3 from the air pressure in kPa and the
// temperature in degC (FAO-56, virtual temperature 1.01 T).
func AirDensity(p, t float64) float64 { return p / (GasConstant * 1.01 * (t + 273)) }

// Lapse moves a temperature, in degC, from elevation zRef to z, in metres, with
// rate in K km-1.
func Lapse(t, z, zRef, rate float64) float64 { return t - rate*(z-zRef)/1000 }

// VapourPressure returns e_a in kPa from the vapour pressure vp of the climate
// source in Pa, keeping its humidity relative to the minimum temperature:
// tMin at the cell, tMinRef at the source, degC.
func VapourPressure(vp, tMin, tMinRef float64) float64 {
	return vp / 1000 * SaturationPressure(tMin) / SaturationPressure(tMinRef)
}

// VapourPressureDeficit returns the mean of saturation at tMin and tMax, degC,
// less ea, in kPa, and at least 0.
func VapourPressureDeficit(tMin, tMax, ea float64) float64 {
	return max(0, (SaturationPressure(tMin)+SaturationPressure(tMax))/2-ea)
}

// SolarRatio returns S_i, radiation on the cell over radiation on flat ground
// of the same month in one unit, within 0.2 to 5; 1 in the polar night.
func SolarRatio(topo, flat float64) float64 {
	if flat == 0 {
		return 1
	}
	return max(MinSolarRatio, min(MaxSolarRatio, topo/flat))
}

// TMaxTopo returns the daily maximum shifted by radiation, degC, and not below
// tMin: c is in K (R15 eq 6, Moore et al. 1993), lai 0 to 10, 0 for EEMT-TOPO.
func TMaxTopo(tMin, tMax, si, c, lai float64) float64 {
	bare := 1 - clip(lai, 0, MaxLAI)/MaxLAI
	return max(tMin, tMax+c*(si-1/si)*bare)
}

func clip(v, low, high float64) float64 { return max(low, min(high, v)) }
