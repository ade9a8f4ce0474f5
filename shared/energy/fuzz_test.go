package energy

import (
	"math"
	"testing"
)

// FuzzYear: inputs in their ranges never give a negative, infinite or missing
// result, and never more water than fell.
func FuzzYear(f *testing.F) {
	f.Add(2400.0, 2300.0, 0.3, 5.5, 6.2, -4.0, 12.0, 100.0, 430.0, 65853.0, 131085.0, 10.1, 3.5, 12.0)
	f.Add(-400.0, 8800.0, -1.0, 0.1, 30.0, -60.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
	f.Add(8800.0, -400.0, 1.0, 30.0, 0.1, 42.0, 18.0, 16000.0, 8230.0, 4e5, 1.0, 24.0, 10.0, 120.0)
	model, err := NewModel(DefaultParameters(), NewCalendar(2024))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, z, zref, n, lambda, mean, tmin, dtr, p, vp, topo, flat, hours, lai, height float64) {
		in := func(v, low, high float64) float64 {
			if math.IsNaN(v) {
				return low
			}
			return max(low, min(high, v))
		}
		c := Cell{
			Elevation: in(z, -430, 8850), ReferenceElevation: in(zref, -430, 8850), Northness: in(n, -1, 1),
			Wetness: in(lambda, 0.1, 40), MeanWetness: in(mean, 0.1, 40), LAI: in(lai, 0, 10), CanopyHeight: in(height, 0, 120),
		}
		for m := range 12 {
			c.TMin[m] = in(tmin, -60, 42)
			c.TMax[m] = min(60, c.TMin[m]+in(dtr, 0, 60))
			c.Prcp[m], c.VP[m] = in(p, 0, 16864), in(vp, 0, 8230)
			c.SolarTopo[m], c.SolarFlat[m], c.Daylength[m] = in(topo, 0, 5e5), in(flat, 0, 5e5), in(hours, 0, 24)
		}
		var y CellYear
		model.Year(&c, &y)
		for m := range 12 {
			veg := model.Veg(&c, m, 1)
			for _, v := range []float64{
				y.TradEPPT[m], y.TradEBio[m], y.TopoEPPT[m], y.TopoEBio[m], y.Peff[m], y.AlphaPeff[m],
				veg.AET, veg.EPPT, veg.EBio, veg.EEMT,
			} {
				if !(v >= 0) || math.IsInf(v, 1) {
					t.Fatalf("%g from %+v", v, c)
				}
			}
			if y.Peff[m] > c.Prcp[m] {
				t.Fatalf("%g mm effective of %g", y.Peff[m], c.Prcp[m])
			}
		}
	})
}

func BenchmarkCellYear(b *testing.B) {
	model, cell := newModel(b, nil, 2021), exampleCell(b)
	var y CellYear
	b.ReportAllocs()
	for b.Loop() {
		model.Year(cell, &y)
	}
}
