package energy

import (
	"math"
	"testing"
)

// Published numbers; ids are rows of the validation table of the science notes.
func TestPublishedNumbers(t *testing.T) {
	const exact = 1e-9
	for _, c := range []struct {
		id        string
		got, want float64
		rel       float64
	}{
		{"V005 E_BIO humid (R15 eq 11, eq 5)", EBio(NPPTopo(2433, 0)), 16.76114, 1e-9},
		{"V015 E_BIO arid transition", EBio(NPPTopo(1683, 0)), 10.32614, 1e-9},
		{"V025 E_BIO arid", EBio(NPPTopo(1063, 0)), 5.00654, 1e-9},
		{"V071 r_s of a closed canopy", SurfaceResistance(10), 38, 1. / 38},
		{"V072 r_s of bare ground", SurfaceResistance(0), 55, exact},
		{"V073 LAI at NDVI 1 (Qi et al. 2000)", LAIFromNDVI(1), 9.522, exact},
		{"V075 floor of R15 eq 11", NPPTopo(1000, -0.5), 100, 0},
		{"V078 R15 eq 12 at 0 m", NPPVeg(0), 106.788778, 1e-8},
		{"V079 R15 eq 13 at 10 m", Biomass(10), 204.016, 1e-5},
		{"V080 biomass bound at 20 MJ", BiomassBound(20), 494.84, 1e-5},
		{"V091 carbon- to water-dominated", DominanceThreshold, 70, 0},
		{"V094 largest E_PPT", MaxEPPT, 650, 0},
		{"V095 largest E_BIO", MaxEBio, 57, 0},
		{"V126 e_o at 273.16 K (R12 eq 5)", ClausiusClapeyron(273.16), 611.73, exact},
		{"V127 VPD limit at 273.16 K", VPDLimit(273.16), 350, exact},
		{"V128 VPD limit above 292 K", VPDLimit(300), 1200, exact},
		{"V129 dEEMT/dPPT at 283.15 K", EEMTPerPrecipitation(283.15), 39.0725, exact},
		{"V146 617 mm, 6.1 % of it, 6.1 degC", EPPT(617*0.061, 6.1), 0.96, 5e-3},
		{"V150 450 g m-2 yr-1", EBio(450), 9.9, exact},
		{"V163 Lieth at 0 degC", Lieth(0), 634.954098, 1e-9},
		{"V164 Lieth at 10 degC", Lieth(10), 1406.37188, 1e-8},
		{"V166 Zhang, PET/P 0.1", ZhangAET(100, 10), 9.910930494, 1e-9},
		{"V167 Zhang, PET/P 0.5", ZhangAET(100, 50), 44.14084944, 1e-9},
		{"V169 Zhang, PET/P 2", ZhangAET(100, 200), 88.28169887, 1e-9},
		{"V171 Hamon 1961, 20 degC, 12 h", Hamon(20, 12), 2.411651625, 1e-9},
		{"V173 Hamon 1963, 20 degC, 12 h", Hamon1963(20, 12), 2.851873747, 1e-9},
		{"V174 open water, 2 m/s", OpenWaterResistance(2), 120.932078, 1e-8},
		{"V176 1 MJ m-2 yr-1", WattsPerSquareMetre(1, 365.25), 0.0316880878, 1e-9},

		{"open water, 5 m/s", OpenWaterResistance(5), 68.09, 1e-4},
		{"gamma at 2400 m", PsychrometricConstant(AirPressure(2400)), 0.0505, 1e-3},
		{"R15 eq 12, held above 41.6 m", NPPVeg(60), 1162.5, 1e-4},
		{"saturation at 20 degC (FAO-56 annex 2)", SaturationPressure(20), 2.338, 1e-3},
		{"Delta at 20 degC (FAO-56 annex 2)", SaturationSlope(20), 0.1447, 1e-3},
		{"pressure at 1800 m (FAO-56 example 2)", AirPressure(1800), 81.8, 1e-3},
		{"Rasmussen & Tabor, tropical forest", RasmussenTabor(25, 1512), 76.8, 1e-3},
		{"Rasmussen & Tabor, temperate conifer", RasmussenTabor(9, 996), 21.6, 2e-3},
		{"Rasmussen & Tabor, temperate broadleaf", RasmussenTabor(10, 761), 18.3, 3e-3},
		{"Rasmussen & Tabor, temperate grassland", RasmussenTabor(10, 550), 13.9, 3e-3},
		{"Rasmussen & Tabor, boreal", RasmussenTabor(0, 474), 2.5, 2e-2},
	} {
		if !closeTo(c.got, c.want, c.rel) {
			t.Errorf("%s: %.10g, want %.10g", c.id, c.got, c.want)
		}
	}

	// V098, V104, V107, V113, V116: Lieth at the mean annual temperature bounds
	// the production of each biome (Rasmussen et al. 2011, table 2).
	for _, c := range []struct{ mat, npp float64 }{{25, 1202}, {9, 711}, {10, 673}, {10, 430}, {0, 89}} {
		if Lieth(c.mat) < c.npp {
			t.Errorf("Lieth at %g degC is %g, below the median %g", c.mat, Lieth(c.mat), c.npp)
		}
	}
}

func TestWindRaisesDemand(t *testing.T) { // 1362 to 1767 mm from 2 to 5 m/s
	cell := exampleCell(t)
	for _, c := range []struct{ wind, want float64 }{{2, 1362}, {5, 1767}} {
		model := newModel(t, func(p *Parameters) { p.WindSpeed = c.wind }, 2021)
		var sum float64
		for m := range 12 {
			sum += model.Topo(cell, m, 1).PET
		}
		if math.Abs(sum-c.want) > 0.5 {
			t.Errorf("wind %g m/s: PET %.1f mm, want %g", c.wind, sum, c.want)
		}
	}
}

// The printed form of Zhang's equation, exact enough where it does not cancel.
func zhangPrinted(p, pet float64) float64 {
	f := pet / p
	return p * (1 + f - math.Pow(1+math.Pow(f, ZhangOmega), 1/ZhangOmega))
}

func TestZhangAET(t *testing.T) {
	for f := 0.01; f < 100; f *= 1.1 {
		if got, want := ZhangAET(80, 80*f), zhangPrinted(80, 80*f); !closeTo(got, want, 1e-11) {
			t.Errorf("PET/P %g: %.15g, want %.15g", f, got, want)
		}
	}
	for _, c := range []struct{ p, pet, want float64 }{
		{0, 100, 0},
		{100, 0, 0},
		{-1, 5, 0},
		{5, -1, 0},
		{1e-300, 100, 1e-300},
		{5e-324, 1e300, 5e-324},
		{100, 1e-300, 1e-300},
		{100, 1e-12, 1e-12},
		{100, 1e15, 100},
	} {
		if got := ZhangAET(c.p, c.pet); !closeTo(got, c.want, 1e-12) {
			t.Errorf("P %g, PET %g: AET %g, want %g", c.p, c.pet, got, c.want)
		}
	}
	if !math.IsNaN(ZhangAET(0, math.NaN())) || !math.IsNaN(ZhangAET(math.NaN(), 0)) {
		t.Error("NaN is lost")
	}
	// Rising with demand, through the change of form at PET = P.
	last := 0.0
	for pet := 0.0; pet < 400; pet += 0.25 {
		aet := ZhangAET(100, pet)
		if aet < last || aet > min(100, pet) {
			t.Fatalf("PET %g: AET %g after %g", pet, aet, last)
		}
		last = aet
	}
}

func TestNDVI(t *testing.T) {
	if v := NDVI(0.5, 0.1); !closeTo(v, 2./3, 1e-15) {
		t.Errorf("NDVI %g, want 0.667", v)
	}
	if !math.IsNaN(NDVI(0, 0)) {
		t.Error("0/0 has a value")
	}
	if v := LAIFromNDVI(-1); v != 0 {
		t.Errorf("LAI at NDVI -1 is %g, want 0", v)
	}
}

func TestKappa(t *testing.T) {
	// Peff higher where alpha is: redistribution would make water.
	alpha, peff := []float64{0.5, 0.8, 1.7}, []float64{10, 20, 90}
	var s, as float64
	for i := range alpha {
		s += peff[i]
		as += alpha[i] * peff[i]
	}
	k := Kappa(s, as)
	if k >= 1 {
		t.Errorf("kappa %g, want below 1", k)
	}
	if !closeTo(k*as, s, 1e-15) {
		t.Errorf("%g mm redistributed of %g", k*as, s)
	}
	if k := Kappa(0, 0); k != 1 {
		t.Errorf("kappa without water %g, want 1", k)
	}
}
