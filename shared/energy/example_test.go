package energy_test

import (
	"fmt"

	"github.com/cyverse-gis/eemt/shared/energy"
)

// One month of a cell at 2400 m in the Santa Catalina Mountains, on a slope that
// faces north and so gets half of the radiation of flat ground in January.
func ExampleModel() {
	model, err := energy.NewModel(energy.DefaultParameters(), energy.NewCalendar(2021))
	if err != nil {
		panic(err)
	}
	cell := energy.Cell{
		Elevation: 2400, ReferenceElevation: 2300, // of the cell, of its climate
		Northness: 0.32,
		Wetness:   5.5, MeanWetness: 6.2,
	}
	for m := range 12 {
		cell.TMin[m], cell.TMax[m] = -3.4, 8.6 // degC; January, in place of the other months too
		cell.Prcp[m], cell.VP[m] = 122, 430    // mm, Pa
		cell.SolarTopo[m], cell.SolarFlat[m] = 66000, 131000
		cell.Daylength[m] = 10.1
	}
	trad, topo := model.Trad(&cell, 0), model.Topo(&cell, 0, 1) // kappa 1: water is not redistributed
	fmt.Printf("EEMT-TRAD %.2f MJ m-2: water %.2f, biomass %.2f\n", trad.EEMT, trad.EPPT, trad.EBio)
	fmt.Printf("EEMT-TOPO %.2f MJ m-2: water %.2f, biomass %.2f\n", topo.EEMT, topo.EPPT, topo.EBio)
	// Output:
	// EEMT-TRAD 2.28 MJ m-2: water 0.86, biomass 1.42
	// EEMT-TOPO 2.04 MJ m-2: water 0.43, biomass 1.61
}

// EEMT of a year and the share of biomass in it, F_BIO.
func ExampleEEMT() {
	eemt, fBio := energy.EEMT(12.3, 22.4) // MJ m-2 yr-1, of effective precipitation and of production
	fmt.Printf("%.1f MJ m-2 yr-1, F_BIO %.2f\n", eemt, fBio)
	// Output:
	// 34.7 MJ m-2 yr-1, F_BIO 0.65
}
