package energy

import (
	"math"
	"testing"
)

// gradientCell stands on the Santa Catalina gradient: 800 to 2800 m, 21.8 to
// 6.4 degC, 250 to 800 mm, half in winter, half in summer, with the seasons of
// the worked example. Its sun on a slope of 20 deg is mirrored for the south.
func gradientCell(t testing.TB, z, northness, alpha float64) *Cell {
	t.Helper()
	c := exampleCell(t)
	f := (z - 800) / 2000
	c.Elevation, c.ReferenceElevation = z, z
	c.Wetness, c.MeanWetness, c.Northness = alpha, 1, northness
	share := [12]float64{122, 68, 61, 22, 14, 16, 142, 138, 64, 47, 41, 118}
	for m := range 12 {
		mean := 21.8 + f*(6.4-21.8) - 8.5*math.Cos(2*math.Pi*(float64(m)-0.3)/12)
		c.TMin[m], c.TMax[m] = mean-7, mean+7
		c.Prcp[m] = (250 + f*550) * share[m] / 853
		c.VP[m] = 600 * SaturationPressure(c.TMin[m])
		si := c.SolarTopo[m] / c.SolarFlat[m] // of northness 0.32
		switch {
		case northness < 0:
			c.SolarTopo[m] = (2 - si) * c.SolarFlat[m]
		case northness == 0:
			c.SolarTopo[m] = c.SolarFlat[m]
		}
	}
	return c
}

func TestGradientOrder(t *testing.T) {
	model := newModel(t, nil, 2021)
	years := []float64{0.4, 0.7, 1, 1.3, 1.6} // precipitation over its mean
	type sums struct{ trad, topo, fbio float64 }
	at := func(z, n, alpha float64) sums {
		// The normal is the mean of years: months pass the wet-month gate of TRAD
		// in some of them.
		var s sums
		var bio float64
		for _, wet := range years {
			c := gradientCell(t, z, n, alpha)
			for m := range 12 {
				c.Prcp[m] *= wet
			}
			var y CellYear
			model.Year(c, &y)
			s.trad += (YearSum(&y.TradEPPT) + YearSum(&y.TradEBio)) / float64(len(years))
			s.topo += (YearSum(&y.TopoEPPT) + YearSum(&y.TopoEBio)) / float64(len(years))
			bio += YearSum(&y.TopoEBio) / float64(len(years))
		}
		_, s.fbio = EEMT(s.topo-bio, bio)
		return s
	}
	const n = 0.3213938
	var last sums
	classes := []float64{1063, 1365, 1683, 2080, 2433} // R15 table 1, arid to humid
	for i, z := range classes {
		here := at(z, 0, 1)
		north, south := at(z, n, 1), at(z, -n, 1)
		gaining, losing := at(z, 0, 1.3), at(z, 0, 0.7)
		t.Logf("%4.0f m: TRAD %5.2f TOPO %5.2f north-south %5.2f gaining-losing %5.2f F_BIO %.3f", z, here.trad, here.topo,
			north.topo-south.topo, gaining.topo-losing.topo, here.fbio)
		if i > 0 && (here.trad <= last.trad || here.topo <= last.topo) {
			t.Errorf("%g m: EEMT falls with elevation", z)
		}
		last = here
		// V028, V031, V037, V040: 4.6 to 5.1.
		if d := north.topo - south.topo; d < 3 || d > 7 {
			t.Errorf("%g m: north minus south %.2f, want about 5", z, d)
		}
		// V051, V052: positive, below 2.5.
		if d := gaining.topo - losing.topo; d <= 0 || d > 2.5 {
			t.Errorf("%g m: gaining minus losing %.2f, want within 0 to 2.5", z, d)
		}
		if gaining.fbio >= losing.fbio {
			t.Errorf("%g m: F_BIO rises with wetness", z)
		}
	}
	dry, wet := at(1063, 0, 1), at(2433, 0, 1)
	if wet.trad-dry.trad <= wet.topo-dry.topo {
		t.Errorf("TRAD spans %.2f, TOPO %.2f", wet.trad-dry.trad, wet.topo-dry.topo)
	}
	// V090: 1.25 MJ m-2 yr-1 per 100 m.
	low, high := at(800, 0, 1), at(2800, 0, 1)
	if g := (high.topo - low.topo) / 20; g < 1 || g > 1.5 {
		t.Errorf("TOPO rises by %.2f per 100 m, want 1.25 +- 20 %%", g)
	}
}
