package arithmetic

import (
	"github.com/cyverse-gis/eemt/functions/compute/workfile"
	table "github.com/cyverse-gis/eemt/shared/product"
)

// annualEnergyProduct makes the maps of a climate year without its months.
func annualEnergyProduct(maps []MapInfo, kappa [12]float64) Product {
	file := workfile.EnergyFile(maps[0].FirstYear)
	if maps[0].Variant == table.Trad {
		return Product{bandsOfFile(file, workfile.BandYearTrad, 4), maps, copyCells}
	}
	return Product{bandsOfFile(file, workfile.BandYearTopoPPT, 12+3), maps, func(in [][]float64, out [][]float32) {
		for i := range in[0] {
			var ppt float64
			for m, k := range kappa {
				ppt += k * in[m][i]
			}
			putEnergy(out, i, ppt, in[12][i]+in[13][i]+in[14][i])
		}
	}}
}
