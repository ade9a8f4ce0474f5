package energy

import (
	"math"
	"strings"
	"testing"
)

// The edge cases of the science notes, section 6, row by row.
func TestEdgeCases(t *testing.T) {
	const july = 6
	model := newModel(t, nil, 2021)
	cell := func(change func(*Cell)) *Cell {
		c := exampleCell(t)
		change(c)
		return c
	}
	equal := func(t *testing.T, what string, got, want float64) {
		t.Helper()
		if got != want && (!math.IsNaN(got) || !math.IsNaN(want)) {
			t.Errorf("%s = %g, want %g", what, got, want)
		}
	}
	whole := model.Topo(exampleCell(t), july, 1)

	t.Run("P = 0", func(t *testing.T) {
		c := cell(func(c *Cell) { c.Prcp[july] = 0 })
		trad, topo := model.Trad(c, july), model.Topo(c, july, 1)
		equal(t, "TRAD F", trad.F, 0)
		equal(t, "TRAD NPP", trad.NPP, 0)
		equal(t, "TRAD EEMT", trad.EEMT, 0)
		equal(t, "AET", topo.AET, 0)
		equal(t, "F", topo.F, 0)
		equal(t, "E_PPT", topo.EPPT, 0)
		equal(t, "TOPO NPP", topo.NPP, whole.NPP)
	})
	t.Run("P = PET is dry", func(t *testing.T) {
		c := cell(func(c *Cell) { c.Prcp[july] = model.Trad(c, july).PET })
		equal(t, "TRAD EEMT", model.Trad(c, july).EEMT, 0)
	})
	t.Run("PET = 0, P > 0", func(t *testing.T) {
		c := cell(func(c *Cell) { c.TMin[july], c.TMax[july] = -30, -20 })
		topo := model.Topo(c, july, 1)
		equal(t, "PET", topo.PET, 0)
		equal(t, "AET", topo.AET, 0)
		equal(t, "Peff", topo.Peff, 142)
	})
	t.Run("T_mean <= 0", func(t *testing.T) {
		for _, half := range []float64{5, 0} { // exactly 0 degC at the cell
			c := cell(func(c *Cell) {
				c.ReferenceElevation = c.Elevation
				c.TMin[july], c.TMax[july] = -half, half
				c.SolarTopo[july] = c.SolarFlat[july]
			})
			trad, topo, veg := model.Trad(c, july), model.Topo(c, july, 1), model.Veg(c, july, 1)
			equal(t, "TRAD PET", trad.PET, 0)
			equal(t, "TRAD EEMT", trad.EEMT, 0)
			equal(t, "TRAD F", trad.F, 142) // the water is there, its energy is not
			equal(t, "TOPO PET", topo.PET, 0)
			equal(t, "TOPO E_PPT", topo.EPPT, 0)
			equal(t, "VEG AET", veg.AET, 0)
			equal(t, "VEG E_PPT", veg.EPPT, 0)
		}
	})
	t.Run("Tmax_topo < Tmin", func(t *testing.T) {
		c := cell(func(c *Cell) { c.TMin[july], c.TMax[july], c.SolarTopo[july] = 13, 14, 0 })
		topo := model.Topo(c, july, 1)
		equal(t, "TMax", topo.TMax, topo.TMin)
	})
	t.Run("S_flat = 0", func(t *testing.T) {
		c := cell(func(c *Cell) { c.SolarFlat[july], c.SolarTopo[july] = 0, 0 })
		topo := model.Topo(c, july, 1)
		equal(t, "S_i", topo.SolarRatio, 1)
		equal(t, "Rs", topo.Rs, 0)
		equal(t, "Rn", topo.Rn, 0)
		lit := model.Topo(cell(func(c *Cell) { c.SolarFlat[july] = 0 }), july, 1)
		equal(t, "Rs of a cell said to be lit", lit.Rs, 0)
		equal(t, "TMax", topo.TMax, model.Trad(c, july).TMax)
	})
	t.Run("S_topo = 0", func(t *testing.T) {
		c := cell(func(c *Cell) { c.SolarTopo[july] = 0 })
		topo := model.Topo(c, july, 1)
		equal(t, "S_i", topo.SolarRatio, 0.2)
		equal(t, "shift", math.Round((topo.TMax-model.Trad(c, july).TMax)*1e9)/1e9, -4.8)
	})
	t.Run("S_i at most 5", func(t *testing.T) {
		c := cell(func(c *Cell) { c.SolarFlat[july] = 1 })
		equal(t, "S_i", model.Topo(c, july, 1).SolarRatio, 5)
	})
	t.Run("flat cell", func(t *testing.T) {
		c := cell(func(c *Cell) { c.Northness = 0; c.SolarTopo = c.SolarFlat })
		topo := model.Topo(c, july, 1)
		equal(t, "S_i", topo.SolarRatio, 1)
		equal(t, "TMax", topo.TMax, model.Trad(c, july).TMax)
		equal(t, "NPP", topo.NPP, NPPTopo(2400, 0)*(31./365))
	})
	t.Run("one-cell domain", func(t *testing.T) {
		c := cell(func(c *Cell) { c.MeanWetness = c.Wetness })
		topo := model.Topo(c, july, 1)
		equal(t, "alpha", topo.Alpha, 1)
		equal(t, "kappa", Kappa(topo.Peff, topo.Alpha*topo.Peff), 1)
	})
	t.Run("vp > es", func(t *testing.T) {
		c := cell(func(c *Cell) { c.VP[july] = 8000 })
		equal(t, "VPD", model.Topo(c, july, 1).VPD, 0)
		equal(t, "VPD function", VapourPressureDeficit(5, 10, 3), 0)
	})
	t.Run("Rn < 0", func(t *testing.T) {
		topo := model.Topo(exampleCell(t), 0, 1)
		if (1-0.23)*topo.Rs >= topo.Rnl {
			t.Fatal("January is not the case it should be")
		}
		equal(t, "Rn", topo.Rn, 0)
	})
	t.Run("LAI outside 0..10", func(t *testing.T) {
		for lai, as := range map[float64]float64{-3: 0, 14: 10} {
			got := model.Veg(cell(func(c *Cell) { c.LAI = lai }), july, 1)
			want := model.Veg(cell(func(c *Cell) { c.LAI = as }), july, 1)
			if got != want {
				t.Errorf("LAI %g gives %+v, LAI %g gives %+v", lai, got, as, want)
			}
		}
	})
	t.Run("negative canopy height", func(t *testing.T) {
		got := model.Veg(cell(func(c *Cell) { c.CanopyHeight = -2 }), july, 1)
		want := model.Veg(cell(func(c *Cell) { c.CanopyHeight = 0 }), july, 1)
		if got != want {
			t.Errorf("-2 m gives %+v, 0 m gives %+v", got, want)
		}
	})
	t.Run("EEMT = 0", func(t *testing.T) {
		_, share := EEMT(0, 0)
		equal(t, "F_BIO", share, math.NaN())
		_, share = EEMT(1, 1)
		equal(t, "F_BIO", share, 0.5)
	})
	t.Run("southern hemisphere", func(t *testing.T) {
		topo := model.Topo(cell(func(c *Cell) { c.South = true; c.Northness = -0.2 }), july, 1)
		equal(t, "NPP", topo.NPP, NPPTopo(2400, 0.2)*(31./365))
	})
	t.Run("below sea level", func(t *testing.T) {
		c := cell(func(c *Cell) { c.Elevation, c.ReferenceElevation = -80, -60 })
		if topo := model.Topo(c, july, 1); !(topo.EEMT > 0) {
			t.Errorf("EEMT %g", topo.EEMT)
		}
	})
}

func TestNoDataInputs(t *testing.T) {
	model := newModel(t, nil, 2021)
	for name, set := range map[string]func(*Cell, float64){
		"elevation":           func(c *Cell, v float64) { c.Elevation = v },
		"reference elevation": func(c *Cell, v float64) { c.ReferenceElevation = v },
		"northness":           func(c *Cell, v float64) { c.Northness = v },
		"wetness":             func(c *Cell, v float64) { c.Wetness = v },
		"mean wetness":        func(c *Cell, v float64) { c.MeanWetness = v },
		"tmin":                func(c *Cell, v float64) { c.TMin[11] = v },
		"tmax":                func(c *Cell, v float64) { c.TMax[0] = v },
		"prcp":                func(c *Cell, v float64) { c.Prcp[3] = v },
		"vp":                  func(c *Cell, v float64) { c.VP[4] = v },
		"sun on the cell":     func(c *Cell, v float64) { c.SolarTopo[5] = v },
		"sun on flat ground":  func(c *Cell, v float64) { c.SolarFlat[6] = v },
		"daylength":           func(c *Cell, v float64) { c.Daylength[7] = v },
	} {
		for _, v := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
			c := exampleCell(t)
			set(c, v)
			var y CellYear
			model.Year(c, &y)
			for m := range 12 {
				trad, topo, veg := model.Trad(c, m), model.Topo(c, m, 1), model.Veg(c, m, 1)
				for _, got := range []float64{
					y.TradEPPT[m], y.TradEBio[m], y.TopoEPPT[m], y.TopoEBio[m], y.Peff[m], y.AlphaPeff[m],
					trad.EEMT, trad.PET, topo.EEMT, topo.PET, topo.Peff, veg.EEMT, veg.AET,
				} {
					if !math.IsNaN(got) {
						t.Fatalf("%s %g: month %d has %g, want NaN everywhere", name, v, m+1, got)
					}
				}
			}
		}
	}
	// Vegetation is nobody's input but its own.
	c := exampleCell(t)
	c.LAI, c.CanopyHeight, c.NPP = math.NaN(), math.NaN(), math.NaN()
	if v := model.Topo(c, 0, 1).EEMT; math.IsNaN(v) {
		t.Error("EEMT-TOPO needs vegetation")
	}
	if v := model.Veg(c, 0, 1).EEMT; !math.IsNaN(v) {
		t.Errorf("EEMT-TOPO-VEG without vegetation is %g", v)
	}
}

func TestLeapYear(t *testing.T) {
	plain, leap := newModel(t, nil, 2021), newModel(t, nil, 2024)
	cell := exampleCell(t)
	a, b := plain.Topo(cell, 1, 1), leap.Topo(cell, 1, 1)
	if a.Rs != b.Rs {
		t.Errorf("Rs %g in a leap year, %g else: the sun was summed over 28 days", b.Rs, a.Rs)
	}
	if got, want := b.PET/a.PET, 29./28; !closeTo(got, want, 1e-12) {
		t.Errorf("PET of February grows by %g, want %g", got, want)
	}
	var sum float64
	for m := range 12 {
		sum += leap.Topo(cell, m, 1).NPP
	}
	if want := NPPTopo(2400, cell.Northness); !closeTo(sum, want, 1e-12) {
		t.Errorf("NPP of the year %g, want %g", sum, want)
	}
	for year, days := range map[int]int{1900: 365, 2000: 366, 2023: 365, 2024: 366} {
		if c := NewCalendar(year); c.YearDays() != days {
			t.Errorf("%d has %d days, want %d", year, c.YearDays(), days)
		}
	}
}

func TestOptions(t *testing.T) {
	const july = 6
	cell := exampleCell(t)
	base := newModel(t, nil, 2021)

	h := newModel(t, func(p *Parameters) { p.Hamon1963 = true }, 2021)
	want := 31 * Hamon1963(base.Trad(cell, july).TMean, cell.Daylength[july])
	if got := h.Trad(cell, july).PET; got != want {
		t.Errorf("hamon1963: %g mm, want %g", got, want)
	}

	lieth := newModel(t, func(p *Parameters) { p.NPPTopo = NPPLieth }, 2021)
	var npp float64
	for m := range 12 {
		npp += lieth.Topo(cell, m, 1).NPP
	}
	if want := Lieth(10.038899); !closeTo(npp, want, 1e-6) { // topographic MAT of the worked example
		t.Errorf("npp lieth: %g g, want %g", npp, want)
	}

	raster := newModel(t, func(p *Parameters) { p.NPPTopo = NPPRaster }, 2021)
	cell.NPP = 730
	if got := raster.Topo(cell, july, 1).NPP; !closeTo(got, 62, 1e-12) {
		t.Errorf("npp raster: %g g in July, want 62", got)
	}
	cell.NPP = math.NaN()
	if got := raster.Trad(cell, july).EEMT; !math.IsNaN(got) {
		t.Errorf("npp raster without data: EEMT %g", got)
	}

	zhang := newModel(t, func(p *Parameters) { p.VegAETZhang = true }, 2021)
	cell.NPP = 0
	veg := zhang.Veg(cell, july, 1)
	if want := ZhangAET(142, veg.AETUnlimited); veg.AET != want || veg.Peff <= 0 {
		t.Errorf("veg_aet zhang: AET %g, want %g", veg.AET, want)
	}

	lapse := newModel(t, func(p *Parameters) { p.LapseTMin[july], p.LapseTMax[july] = 2, 9 }, 2021)
	trad := lapse.Trad(cell, july)
	if !closeTo(trad.TMin, 13-0.2, 1e-12) || !closeTo(trad.TMax, 26.4-0.9, 1e-12) {
		t.Errorf("monthly lapse: %g to %g degC, want 12.8 to 25.5", trad.TMin, trad.TMax)
	}

	cloudy := newModel(t, func(p *Parameters) { p.CloudFactor[july] = 0.5 }, 2021)
	a, b := base.Topo(cell, july, 1), cloudy.Topo(cell, july, 1)
	if b.SolarRatio != a.SolarRatio || !closeTo(b.Rs, a.Rs/2, 1e-12) || !closeTo(b.Rnl, a.Rnl*0.325, 1e-12) {
		t.Errorf("cloud factor 0.5: S_i %g Rs %g Rnl %g, clear %g %g %g", b.SolarRatio, b.Rs, b.Rnl, a.SolarRatio, a.Rs, a.Rnl)
	}

	if a, b := base.Topo(cell, july, 1), base.Topo(cell, july, 0.9); !closeTo(b.EPPT, 0.9*a.EPPT, 1e-12) || b.EBio != a.EBio {
		t.Errorf("kappa 0.9: E_PPT %g of %g", b.EPPT, a.EPPT)
	}
}

func TestValidate(t *testing.T) {
	for want, change := range map[string]func(*Parameters){
		"wind speed 0: must be 0.01 to 50 m s-1":                       func(p *Parameters) { p.WindSpeed = 0 },
		"albedo of net radiation 1.5: must be 0 to 1":                  func(p *Parameters) { p.Albedo = 1.5 },
		"albedo of net radiation NaN: must be 0 to 1":                  func(p *Parameters) { p.Albedo = math.NaN() },
		"lapse rate of tmax in month 3 65: must be -20 to 20 K km-1":   func(p *Parameters) { p.LapseTMax[2] = 65 },
		"lapse rate of tmin in month 12 -21: must be -20 to 20 K km-1": func(p *Parameters) { p.LapseTMin[11] = -21 },
		"cloud factor in month 1 2: must be 0 to 1":                    func(p *Parameters) { p.CloudFactor[0] = 2 },
		"radiation shift -1: must be 0 to 10 K":                        func(p *Parameters) { p.RadiationShift = -1 },
		`npp "modis": must be scm, lieth or raster`:                    func(p *Parameters) { p.NPPTopo = "modis" },
	} {
		p := DefaultParameters()
		change(&p)
		_, err := NewModel(p, NewCalendar(2020))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
	c := NewCalendar(2020)
	c.SolarDays[4] = 0
	if _, err := NewModel(DefaultParameters(), c); err == nil || err.Error() != "month 5 of 0 days: must be 28 to 31" {
		t.Errorf("calendar: %v", err)
	}
}
