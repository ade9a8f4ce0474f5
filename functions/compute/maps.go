package compute

import (
	"fmt"
	"math"

	"github.com/cyverse-gis/eemt/shared/job"
)

// input is one layer a product reads: a band of a work file of every tile, or a
// result made before.
type input struct {
	file   string
	band   int
	result string
}

// mapInfo is one result map.
type mapInfo struct {
	name        string // under results/
	description string
	unit        string
}

// product makes maps from the same inputs, row by row.
type product struct {
	inputs []input
	maps   []mapInfo
	// combine turns the inputs' cells into the maps' cells, all of equal length.
	combine func(in [][]float64, out [][]float32)
}

// daysOf the months of the solar year.
var daysOf = [12]int{31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}

// products lists all maps of a job, in stages: a stage may read the results of
// the one before. kappa closes the water balance of each climate year.
func products(r job.Request, kappa map[int][12]float64) [][]product {
	stage := terrainProducts(r.Workflow)
	stage = append(stage, solarProducts()...)
	if r.Parameters.Daily {
		stage = append(stage, dailyProducts()...)
	}
	if r.Workflow != job.EEMT {
		return [][]product{stage}
	}
	years := r.Parameters.Years()
	for _, year := range years {
		stage = append(stage, energyProducts(year, kappa[year])...)
	}
	if len(years) == 1 {
		return [][]product{stage}
	}
	return [][]product{stage, normalProducts(years)}
}

func copyCells(in [][]float64, out [][]float32) {
	for i, v := range in[0] {
		out[0][i] = float32(v)
	}
}

// inRadiansAndDegrees keeps the old suite's two files of an angle.
func inRadiansAndDegrees(in [][]float64, out [][]float32) {
	for i, v := range in[0] {
		out[0][i], out[1][i] = float32(v), float32(v*180/math.Pi)
	}
}

func terrainProducts(w job.Workflow) []product {
	list := []product{
		{[]input{{file: solFile, band: bandSlope}}, []mapInfo{
			{"slope_rad.tif", "slope", "rad"}, {"slope_dec.tif", "slope", "degree"},
		}, inRadiansAndDegrees},
		{[]input{{file: solFile, band: bandAspect}}, []mapInfo{
			{"aspect_rad.tif", "aspect, clockwise from grid north", "rad"}, {"aspect_dec.tif", "aspect, clockwise from grid north", "degree"},
		}, inRadiansAndDegrees},
	}
	if w == job.EEMT {
		list = append(list,
			product{[]input{{file: terrainFile, band: 0}}, []mapInfo{{"twi.tif", "topographic wetness index", "ln m"}}, copyCells},
			product{[]input{{file: terrainFile, band: 1}}, []mapInfo{{"catchment.tif", "contributing area", "m2"}}, copyCells})
	}
	return list
}

func solarProducts() []product {
	var list []product
	for _, v := range []struct {
		band         int
		folder, name string
		what, unit   string
	}{
		{bandGlobal, "global", "total_sun", "global radiation on the terrain, clear sky", "Wh m-2"},
		{bandFlat, "global", "flat_total_sun", "global radiation on flat ground, clear sky", "Wh m-2"},
		{bandHours, "insol", "hours_sun", "hours of direct sun", "h"},
	} {
		year := make([]input, 12)
		for m := range 12 {
			year[m] = input{file: solFile, band: v.band + m}
			days := float64(daysOf[m])
			path := fmt.Sprintf("%s/monthly/%s_%s_", v.folder, v.name, months[m])
			list = append(list, product{[]input{year[m]}, []mapInfo{
				{path + "sum.tif", v.what + ", sum of " + months[m], v.unit + perMonth},
				{path + "average.tif", v.what + ", daily mean of " + months[m], v.unit + perDay},
			}, func(in [][]float64, out [][]float32) {
				for i, sum := range in[0] {
					out[0][i], out[1][i] = float32(sum), float32(sum/days)
				}
			}})
		}
		path := fmt.Sprintf("%s/annual/%s_", v.folder, v.name)
		list = append(list, product{year, []mapInfo{
			{path + "sum.tif", v.what + ", sum of the year", v.unit + perYear},
			{path + "average.tif", v.what + ", daily mean of the year", v.unit + perDay},
		}, func(in [][]float64, out [][]float32) {
			for i := range in[0] {
				var sum float64
				for m := range in {
					sum += in[m][i]
				}
				out[0][i], out[1][i] = float32(sum), float32(sum/365)
			}
		}})
	}
	return list
}

func dailyProducts() []product {
	var list []product
	for k, v := range []struct{ path, what, unit string }{
		{"global/daily/total_sun_day_", "global radiation on the terrain, clear sky", "Wh m-2" + perDay},
		{"global/daily/flat_total_sun_day_", "global radiation on flat ground, clear sky", "Wh m-2" + perDay},
		{"insol/daily/hours_sun_day_", "hours of direct sun", "h" + perDay},
	} {
		for day := 1; day <= 365; day++ {
			list = append(list, product{
				[]input{{file: dailyFile(dailyLayers[k]), band: day - 1}},
				[]mapInfo{{fmt.Sprintf("%s%d.tif", v.path, day), fmt.Sprintf("%s, day %d", v.what, day), v.unit}},
				copyCells,
			})
		}
	}
	return list
}

const (
	perDay   = " d-1"
	perMonth = " month-1"
	perYear  = " yr-1"
)

// variants of EEMT, by the old suite's names.
var variants = []struct {
	name     string
	ppt, bio int // first bands
}{
	{"Trad", bandTradPPT, bandTradBio},
	{"Topo", bandTopoPPT, bandTopoBio},
}

func energyMaps(variant, when, label, per string) []mapInfo {
	maps := make([]mapInfo, 4)
	for i, q := range []struct{ name, what, unit string }{
		{"EEMT", "effective energy and mass transfer", "MJ m-2" + per},
		{"E_PPT", "energy of effective precipitation", "MJ m-2" + per},
		{"E_BIO", "energy of net primary production", "MJ m-2" + per},
		{"F_BIO", "share of E_BIO in EEMT", "1"},
	} {
		maps[i] = mapInfo{fmt.Sprintf("eemt/%s_%s_%s.tif", q.name, variant, when), fmt.Sprintf("%s, EEMT-%s, %s", q.what, variant, label), q.unit}
	}
	return maps
}

func putEnergy(out [][]float32, i int, ppt, bio float64) {
	eemt := ppt + bio
	out[0][i], out[1][i], out[2][i] = float32(eemt), float32(ppt), float32(bio)
	out[3][i] = float32(math.NaN())
	if eemt > 0 {
		out[3][i] = float32(bio / eemt)
	}
}

func energyProducts(year int, kappa [12]float64) []product {
	var list []product
	file := energyFile(year)
	for _, v := range variants {
		k := kappa
		if v.ppt == bandTradPPT {
			for m := range k {
				k[m] = 1
			}
		}
		all := make([]input, 24)
		for m := range 12 {
			all[m], all[12+m] = input{file: file, band: v.ppt + m}, input{file: file, band: v.bio + m}
			list = append(list, product{
				[]input{all[m], all[12+m]},
				energyMaps(v.name, fmt.Sprintf("%s_%d", months[m], year), fmt.Sprintf("%s %d", months[m], year), perMonth),
				func(in [][]float64, out [][]float32) {
					for i := range in[0] {
						putEnergy(out, i, k[m]*in[0][i], in[1][i])
					}
				},
			})
		}
		list = append(list, product{
			all, energyMaps(v.name, fmt.Sprint(year), fmt.Sprint(year), perYear),
			func(in [][]float64, out [][]float32) {
				for i := range in[0] {
					var ppt, bio float64
					for m := range 12 {
						ppt += k[m] * in[m][i]
						bio += in[12+m][i]
					}
					putEnergy(out, i, ppt, bio)
				}
			},
		})
	}
	return list
}

// normalProducts are means over the climate years: means of annual results, not
// results of mean climate (docs/science.md).
func normalProducts(years []int) []product {
	var list []product
	first, last := years[0], years[len(years)-1]
	for _, v := range variants {
		inputs := make([]input, 0, 2*len(years))
		for _, q := range []string{"E_PPT", "E_BIO"} {
			for _, y := range years {
				inputs = append(inputs, input{result: fmt.Sprintf("eemt/%s_%s_%d.tif", q, v.name, y)})
			}
		}
		n := len(years)
		list = append(list, product{
			inputs, energyMaps(v.name, fmt.Sprintf("mean_%d_%d", first, last), fmt.Sprintf("mean of the annual maps %d to %d", first, last), perYear),
			func(in [][]float64, out [][]float32) {
				for i := range in[0] {
					var ppt, bio float64
					for y := range n {
						ppt += in[y][i]
						bio += in[n+y][i]
					}
					putEnergy(out, i, ppt/float64(n), bio/float64(n))
				}
			},
		})
	}
	return list
}
