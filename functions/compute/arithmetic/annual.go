package arithmetic

import (
	"github.com/cyverse-gis/eemt/functions/compute/workfile"
	"github.com/cyverse-gis/eemt/shared/product"
)

// annualEnergyFormula makes the maps of a climate year without its months.
func annualEnergyFormula(maps []product.Map, kappa [12]float64) Formula {
	file := workfile.EnergyFile(maps[0].FirstYear)
	if maps[0].Variant == product.Trad {
		return Formula{bandsOfFile(file, workfile.BandYearTrad, 4), maps, copyCells}
	}
	return Formula{bandsOfFile(file, workfile.BandYearTopoPPT, 12+3), maps, func(in [][]float64, out [][]float32) {
		for i := range in[0] {
			var ppt float64
			for m, k := range kappa {
				ppt += k * in[m][i]
			}
			putEnergy(out, i, ppt, in[12][i]+in[13][i]+in[14][i])
		}
	}}
}
