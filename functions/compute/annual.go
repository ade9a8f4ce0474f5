package compute

import (
	"github.com/cyverse-gis/eemt/shared/calendar"
	"github.com/cyverse-gis/eemt/shared/energy"
	"github.com/cyverse-gis/eemt/shared/geotiff"
	table "github.com/cyverse-gis/eemt/shared/product"
	"github.com/cyverse-gis/eemt/shared/raster"
)

// Where no maps of months are wanted (job.AnnualMaps) tiles add up the months, and
// their work files hold no more than the maps of the year need. Months are rounded
// to float32 before they are added in their order to float64, as they are where the
// assembly reads them from work files: the maps are the same to the byte.

// yearOf replaces the first two months of a quantity of the sun by the sum of the
// year and by its daily mean, and returns these.
func yearOf(what, unit string, monthly *[12]*raster.Grid[float32]) ([]geotiff.BandInfo, []*raster.Grid[float32]) {
	for i := range monthly[0].Cells {
		var sum float64
		for _, g := range monthly {
			sum += float64(g.Cells[i])
		}
		monthly[0].Cells[i], monthly[1].Cells[i] = float32(sum), float32(sum/365)
	}
	return []geotiff.BandInfo{
		{Description: what + ", sum of the year", Unit: unit + table.PerYear},
		{Description: what + ", daily mean of the year", Unit: unit + table.PerDay},
	}, monthly[:2]
}

// Bands of energyOfYear: the four maps of EEMT-TRAD, which are final; of EEMT-TOPO
// the months of E_PPT at kappa = 1, since each month has its own kappa, and the
// sum of E_BIO in three float32 that hold a float64.
const (
	bandYearTrad    = 0
	bandYearTopoPPT = bandYearTrad + 4
	bandYearTopoBio = bandYearTopoPPT + 12
	yearBands       = bandYearTopoBio + 3
)

func energyOfYear() energyLayout {
	bands := make([]geotiff.BandInfo, yearBands)
	for k, q := range table.Keyed("energy") {
		bands[bandYearTrad+k] = geotiff.BandInfo{Description: q.Stem + " Trad", Unit: q.Unit}
	}
	for m := range 12 {
		bands[bandYearTopoPPT+m] = geotiff.BandInfo{Description: "E_PPT Topo " + calendar.Months[m] + " at kappa 1", Unit: "MJ m-2" + table.PerMonth}
	}
	for k, part := range []string{"", ", what float32 leaves of it", ", the last digits"} {
		bands[bandYearTopoBio+k] = geotiff.BandInfo{Description: "E_BIO Topo" + part, Unit: "MJ m-2" + table.PerYear}
	}
	return energyLayout{bands, func(grids []*raster.Grid[float32], i int, year *energy.CellYear) {
		for k, v := range energyValues(sumOfMonths(&year.TradEPPT), sumOfMonths(&year.TradEBio)) {
			grids[bandYearTrad+k].Cells[i] = v
		}
		for m, v := range year.TopoEPPT {
			grids[bandYearTopoPPT+m].Cells[i] = float32(v)
		}
		for k, v := range split(sumOfMonths(&year.TopoEBio)) {
			grids[bandYearTopoBio+k].Cells[i] = v
		}
	}}
}

// sumOfMonths is energy.YearSum of months as work files hold them.
func sumOfMonths(monthly *[12]float64) float64 {
	stored := *monthly
	for m, v := range stored {
		stored[m] = float64(float32(v))
	}
	return energy.YearSum(&stored)
}

// split returns three values whose sum, from the first on, is v.
func split(v float64) [3]float32 {
	first := float32(v)
	rest := v - float64(first)
	second := float32(rest)
	return [3]float32{first, second, float32(rest - float64(second))}
}

// annualEnergyProduct makes the maps of a climate year without its months.
func annualEnergyProduct(maps []mapInfo, kappa [12]float64) product {
	file := energyFile(maps[0].FirstYear)
	if maps[0].Variant == table.Trad {
		return product{bandsOfFile(file, bandYearTrad, 4), maps, copyCells}
	}
	return product{bandsOfFile(file, bandYearTopoPPT, 12+3), maps, func(in [][]float64, out [][]float32) {
		for i := range in[0] {
			var ppt float64
			for m, k := range kappa {
				ppt += k * in[m][i]
			}
			putEnergy(out, i, ppt, in[12][i]+in[13][i]+in[14][i])
		}
	}}
}
