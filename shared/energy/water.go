package energy

import "math"

// Hamon returns potential evapotranspiration in mm per day at mean temperature
// t degC and daylength hours (Hamon 1961 as in Haith & Shoemaker 1987); 0 in
// frost.
func Hamon(t, daylength float64) float64 {
	if t <= 0 {
		return 0
	}
	return 2.1 * daylength * daylength * SaturationPressure(t) / (t + 273.2)
}

// Hamon1963 is the later form, linear in daylength; 18 % higher at 12 h.
func Hamon1963(t, daylength float64) float64 {
	if t <= 0 {
		return 0
	}
	return 29.8 * daylength * SaturationPressure(t) / (t + 273.2)
}

// ZhangAET returns actual evapotranspiration from precipitation p and demand
// pet, all in mm per the same time (Zhang et al. 2004, R15 eq 8, omega 2.63),
// between 0 and the smaller of both.
func ZhangAET(p, pet float64) float64 {
	if math.IsNaN(p + pet) {
		return math.NaN()
	}
	if p <= 0 || pet <= 0 {
		return 0
	}
	// The printed form 1 + f - (1 + f^w)^(1/w) cancels for small and large f.
	f := pet / p
	aet := p
	switch {
	case f <= 1:
		aet = p * (f - math.Expm1(math.Log1p(power(f, ZhangOmega))/ZhangOmega))
	case f < 1e10: // beyond, the difference to p is below rounding
		aet = p * (1 - f*math.Expm1(math.Log1p(power(f, -ZhangOmega))/ZhangOmega))
	}
	return clip(aet, 0, min(p, pet))
}

// power is x^y for positive x, three times as fast as math.Pow.
func power(x, y float64) float64 { return math.Exp(y * math.Log(x)) }

// OpenWaterResistance returns the aerodynamic resistance r_a in s m-1 of an
// evaporation pan at wind speed u2 m s-1, 2 m above ground (Shuttleworth 1993).
func OpenWaterResistance(u2 float64) float64 {
	l := math.Log(2 / 0.00137)
	return 4.72 * l * l / (1 + 0.536*u2)
}

// CanopyResistance returns the aerodynamic resistance r_a in s m-1 of a canopy
// of height m (at least 0.12) at wind speed u m s-1, taken 2 m above it (FAO-56
// eq 4).
func CanopyResistance(height, u float64) float64 {
	h := max(height, 0.12)
	above := h + 2 - 2*h/3
	zom := 0.123 * h
	zoh := 0.1 * zom
	return math.Log(above/zom) * math.Log(above/zoh) / (VonKarman * VonKarman * u)
}

// SurfaceResistance returns r_s in s m-1 of a canopy of lai m2 m-2, 0 to 10:
// from 55 bare to 38 closed, the end members of R15 (p. 8).
func SurfaceResistance(lai float64) float64 {
	const bare, closed = 55.0, 38.0
	return 1 / (1/bare + (1/closed-1/bare)*(1-math.Exp(-0.5*clip(lai, 0, MaxLAI))))
}

// Shortwave returns R_s in MJ m-2 d-1 from clear-sky radiation s in Wh m-2 over
// days days and the cloud factor k_c.
func Shortwave(s, days, kc float64) float64 { return kc * s * 0.0036 / days }

// NetLongwave returns R_nl in MJ m-2 d-1 (FAO-56 eq 39) from the temperatures in
// degC, the vapour pressure in kPa and the cloud factor k_c, 1 for a clear sky.
// Topographic shade is no cloud and has no place in k_c.
func NetLongwave(tMin, tMax, ea, kc float64) float64 {
	return StefanBoltzmann * (pow4(tMax+273.16) + pow4(tMin+273.16)) / 2 *
		(0.34 - 0.14*math.Sqrt(ea)) * clip(1.35*kc-0.35, 0.05, 1)
}

func pow4(v float64) float64 { return v * v * v * v }

// PenmanMonteith returns evaporation in mm d-1, at least 0, from net radiation
// rn in MJ m-2 d-1, the vapour pressure deficit in kPa, delta and gamma in
// kPa K-1, air density in kg m-3, resistances in s m-1 (Allen et al. 1998,
// eq 3 with no ground heat flux).
func PenmanMonteith(rn, vpd, delta, gamma, density, ra, rs float64) float64 {
	e := (delta*rn + SecondsPerDay*density*AirHeatCapacity*vpd/ra) /
		(LatentHeat * (delta + gamma*(1+rs/ra)))
	return max(0, e)
}

// Kappa returns the factor that closes the water balance of redistribution for
// one month: the sums over the domain, of effective precipitation and of it
// times MCWI, weighted by cell area where areas differ. It is 1 when no water
// is redistributed.
func Kappa(sumPeff, sumAlphaPeff float64) float64 {
	if sumAlphaPeff == 0 {
		return 1
	}
	return sumPeff / sumAlphaPeff
}

// Kappa normally lies between these: outside is worth a warning.
const (
	KappaLow  = 0.8
	KappaHigh = 1.25
)
