package tile

import (
	"github.com/cyverse-gis/eemt/functions/compute/arithmetic"
	"github.com/cyverse-gis/eemt/functions/compute/workfile"
	"github.com/cyverse-gis/eemt/shared/calendar"
	"github.com/cyverse-gis/eemt/shared/energy"
	"github.com/cyverse-gis/eemt/shared/geotiff"
	"github.com/cyverse-gis/eemt/shared/product"
	"github.com/cyverse-gis/eemt/shared/raster"
)

// Where no maps of months are wanted (param.AnnualMaps) tiles add up the months, and
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
		{Description: what + ", sum of the year", Unit: unit + product.PerYear},
		{Description: what + ", daily mean of the year", Unit: unit + product.PerDay},
	}, monthly[:2]
}

func energyOfYear() energyLayout {
	bands := make([]geotiff.BandInfo, workfile.YearBands)
	for k, q := range product.Keyed("energy") {
		bands[workfile.BandYearTrad+k] = geotiff.BandInfo{Description: q.Stem + " Trad", Unit: q.Unit}
	}
	for m := range 12 {
		bands[workfile.BandYearTopoPPT+m] = geotiff.BandInfo{Description: "E_PPT Topo " + calendar.Months[m] + " at kappa 1", Unit: "MJ m-2" + product.PerMonth}
	}
	for k, part := range []string{"", ", what float32 leaves of it", ", the last digits"} {
		bands[workfile.BandYearTopoBio+k] = geotiff.BandInfo{Description: "E_BIO Topo" + part, Unit: "MJ m-2" + product.PerYear}
	}
	return energyLayout{bands, func(grids []*raster.Grid[float32], i int, year *energy.CellYear) {
		for k, v := range arithmetic.EnergyValues(sumOfMonths(&year.TradEPPT), sumOfMonths(&year.TradEBio)) {
			grids[workfile.BandYearTrad+k].Cells[i] = v
		}
		for m, v := range year.TopoEPPT {
			grids[workfile.BandYearTopoPPT+m].Cells[i] = float32(v)
		}
		for k, v := range split(sumOfMonths(&year.TopoEBio)) {
			grids[workfile.BandYearTopoBio+k].Cells[i] = v
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
