package energy

import (
	"encoding/csv"
	"math"
	"strconv"
	"strings"
	"testing"
)

const deg = math.Pi / 180

type exampleRow map[string]float64

func exampleRows(t testing.TB) []exampleRow {
	t.Helper()
	records, err := csv.NewReader(strings.NewReader(workedExample)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var rows []exampleRow
	for _, rec := range records[1:] {
		row := exampleRow{}
		for i, name := range records[0] {
			if v, err := strconv.ParseFloat(rec[i], 64); err == nil {
				row[name] = v
			}
		}
		rows = append(rows, row)
	}
	if len(rows) != 13 {
		t.Fatalf("%d rows, want 12 months and the year", len(rows))
	}
	return rows
}

func exampleCell(t testing.TB) *Cell {
	t.Helper()
	c := &Cell{
		Elevation: 2400, ReferenceElevation: 2300,
		Northness: math.Cos(340*deg) * math.Sin(20*deg),
		Wetness:   5.5, MeanWetness: 6.2,
		LAI: 3.5, CanopyHeight: 12,
	}
	for m, r := range exampleRows(t)[:12] {
		c.TMin[m], c.TMax[m] = r["tmin_1km"], r["tmax_1km"]
		c.Prcp[m], c.VP[m] = r["prcp_mm"], r["vp_Pa"]
		c.SolarTopo[m], c.SolarFlat[m] = r["S_topo_Wh"], r["S_flat_Wh"]
	}
	c.Daylength = exampleDaylength()
	return c
}

// exampleDaylength is the monthly mean at 32.43 N of a year of 365 days. The
// table rounds it to eight digits, of which September's P - PET loses two.
func exampleDaylength() (mean [12]float64) {
	j := 0
	for m, days := range NewCalendar(2021).Days {
		for range days {
			j++
			a := 2 * math.Pi * float64(j) / 365.25
			d := math.Asin(0.3978 * math.Sin(a-1.4+0.0355*math.Sin(a-0.0489)))
			mean[m] += 24 / math.Pi * math.Acos(-math.Tan(32.43*deg)*math.Tan(d)) / float64(days)
		}
	}
	return mean
}

func newModel(t testing.TB, change func(*Parameters), year int) *Model {
	t.Helper()
	p := DefaultParameters()
	if change != nil {
		change(&p)
	}
	m, err := NewModel(p, NewCalendar(year))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func closeTo(got, want, rel float64) bool {
	return got == want || math.Abs(got-want) <= rel*math.Abs(want)
}

func TestWorkedExampleMonths(t *testing.T) {
	model, cell := newModel(t, nil, 2021), exampleCell(t)
	var year CellYear
	model.Year(cell, &year)
	for m, row := range exampleRows(t)[:12] {
		trad, topo, veg := model.Trad(cell, m), model.Topo(cell, m, 1), model.Veg(cell, m, 1)
		p := AirPressure(cell.Elevation)
		got := map[string]float64{
			"month": float64(m + 1), "days": model.days[m],
			"tmin_1km": cell.TMin[m], "tmax_1km": cell.TMax[m], "prcp_mm": cell.Prcp[m], "vp_Pa": cell.VP[m],
			"S_topo_Wh": cell.SolarTopo[m], "S_flat_Wh": cell.SolarFlat[m], "daylength_h": cell.Daylength[m],
			"linke": 3, "insol_h_mean": row["insol_h_mean"], // of the solar model
			"S_i":      topo.SolarRatio,
			"tmin_loc": trad.TMin, "tmax_loc": trad.TMax, "tmean_loc": trad.TMean, "ea_kPa": topo.EA,
			"PET_H_mm": trad.PET, "F_trad_mm": trad.F, "E_ppt_trad": trad.EPPT, "NPP_trad_g": trad.NPP,
			"E_bio_trad": trad.EBio, "EEMT_trad": trad.EEMT,
			"tmax_topo": topo.TMax, "tmean_topo": topo.TMean, "vpd_topo_kPa": topo.VPD,
			"Rs_MJ_d": topo.Rs, "Rnl_MJ_d": topo.Rnl, "Rn_MJ_d": topo.Rn,
			"p_kPa": p, "gamma": PsychrometricConstant(p), "rho_a": topo.Density, "Delta": topo.Delta,
			"ra_s_m":    OpenWaterResistance(2),
			"PET_PM_mm": topo.PET, "AET_ZB_mm": topo.AET, "P_eff_mm": topo.Peff, "alpha": topo.Alpha,
			"F_topo_mm": topo.F, "E_ppt_topo": topo.EPPT, "NPP_topo_g": topo.NPP, "E_bio_topo": topo.EBio,
			"EEMT_topo": topo.EEMT,
			"tmax_veg":  veg.TMax, "tmean_veg": veg.TMean, "ra_veg": veg.Ra, "rs_veg": veg.Rs,
			"AET_PM_unlimited_mm": veg.AETUnlimited, "AET_veg_mm": veg.AET, "F_veg_mm": veg.F,
			"E_ppt_veg": veg.EPPT, "NPP_veg_g": veg.NPP, "E_bio_veg": veg.EBio, "EEMT_veg": veg.EEMT,
		}
		for name, want := range row {
			v, ok := got[name]
			if !ok {
				t.Errorf("month %d: column %s has no counterpart", m+1, name)
			}
			if !closeTo(v, want, 1e-6) {
				t.Errorf("month %d: %s = %.9g, want %.9g", m+1, name, v, want)
			}
		}
		for name, v := range map[string]float64{
			"E_ppt_trad": year.TradEPPT[m], "E_bio_trad": year.TradEBio[m],
			"E_ppt_topo": year.TopoEPPT[m], "E_bio_topo": year.TopoEBio[m],
			"P_eff_mm": year.Peff[m],
		} {
			if v != got[name] {
				t.Errorf("month %d: Year has %s %g, the month %g", m+1, name, v, got[name])
			}
		}
		if want := topo.Alpha * topo.Peff; year.AlphaPeff[m] != want {
			t.Errorf("month %d: Year has alpha Peff %g, want %g", m+1, year.AlphaPeff[m], want)
		}
	}
}

func TestWorkedExampleYear(t *testing.T) {
	model, cell := newModel(t, nil, 2021), exampleCell(t)
	sum := map[string]*[12]float64{}
	put := func(m int, name string, v float64) {
		if sum[name] == nil {
			sum[name] = new([12]float64)
		}
		sum[name][m] = v
	}
	for m := range 12 {
		trad, topo, veg := model.Trad(cell, m), model.Topo(cell, m, 1), model.Veg(cell, m, 1)
		for name, v := range map[string]float64{
			"prcp_mm": cell.Prcp[m], "S_topo_Wh": cell.SolarTopo[m], "S_flat_Wh": cell.SolarFlat[m],
			"PET_H_mm": trad.PET, "F_trad_mm": trad.F, "E_ppt_trad": trad.EPPT, "NPP_trad_g": trad.NPP,
			"E_bio_trad": trad.EBio, "EEMT_trad": trad.EEMT,
			"PET_PM_mm": topo.PET, "AET_ZB_mm": topo.AET, "P_eff_mm": topo.Peff, "F_topo_mm": topo.F,
			"E_ppt_topo": topo.EPPT, "NPP_topo_g": topo.NPP, "E_bio_topo": topo.EBio, "EEMT_topo": topo.EEMT,
			"AET_PM_unlimited_mm": veg.AETUnlimited, "AET_veg_mm": veg.AET, "F_veg_mm": veg.F,
			"E_ppt_veg": veg.EPPT, "NPP_veg_g": veg.NPP, "E_bio_veg": veg.EBio, "EEMT_veg": veg.EEMT,
			"days":     model.days[m],
			"tmin_loc": trad.TMin, "tmax_loc": trad.TMax, "tmean_loc": trad.TMean,
			"tmean_topo": topo.TMean, "tmean_veg": veg.TMean, "daylength_h": cell.Daylength[m],
		} {
			put(m, name, v)
		}
	}
	state := map[string]bool{"tmin_loc": true, "tmax_loc": true, "tmean_loc": true, "tmean_topo": true, "tmean_veg": true, "daylength_h": true}
	for name, want := range exampleRows(t)[12] {
		var got float64
		switch {
		case name == "S_i":
			got = YearSum(sum["S_topo_Wh"]) / YearSum(sum["S_flat_Wh"])
		case state[name]:
			got = YearMean(sum[name], &model.cal.Days)
		case sum[name] == nil:
			t.Errorf("column %s has no counterpart", name)
		default:
			got = YearSum(sum[name])
		}
		if !closeTo(got, want, 1e-6) {
			t.Errorf("year: %s = %.9g, want %.9g", name, got, want)
		}
	}

	// The header of the table.
	for _, c := range []struct {
		name            string
		eemt, ebio      string
		mj, watts, fbio float64
	}{
		{"TRAD", "EEMT_trad", "E_bio_trad", 34.656348, 1.0989456, 0.64570668},
		{"TOPO", "EEMT_topo", "E_bio_topo", 25.296273, 0.80213956, 0.74811216},
		{"TOPO-VEG", "EEMT_veg", "E_bio_veg", 14.137062, 0.44828328, 0.97728111},
	} {
		mj := YearSum(sum[c.eemt])
		if !closeTo(mj, c.mj, 1e-6) {
			t.Errorf("%s: %.9g MJ m-2 yr-1, want %.9g", c.name, mj, c.mj)
		}
		if w := WattsPerSquareMetre(mj, 365); !closeTo(w, c.watts, 1e-6) {
			t.Errorf("%s: %.9g W m-2, want %.9g", c.name, w, c.watts)
		}
		if _, f := EEMT(mj-YearSum(sum[c.ebio]), YearSum(sum[c.ebio])); !closeTo(f, c.fbio, 1e-6) {
			t.Errorf("%s: F_BIO %.9g, want %.9g", c.name, f, c.fbio)
		}
	}
	for _, c := range []struct {
		name      string
		got, want float64
	}{
		{"northness", cell.Northness, 0.3213938048},
		{"npp_topo", NPPTopo(2400, cell.Northness), 860.2022565},
		{"npp_veg", NPPVeg(12), 627.99469},
		{"alpha", cell.Wetness / cell.MeanWetness, 0.8870967742},
		{"r_a", CanopyResistance(12, 2), 15.455064},
		{"r_s", SurfaceResistance(3.5), 40.156906},
	} {
		if !closeTo(c.got, c.want, 5e-8) {
			t.Errorf("%s = %.10g, want %.10g", c.name, c.got, c.want)
		}
	}
}
