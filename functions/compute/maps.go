package compute

import (
	"fmt"
	"math"
	"path"
	"slices"
	"strings"

	"github.com/cyverse-gis/eemt/shared/energy"
	"github.com/cyverse-gis/eemt/shared/finding"
	"github.com/cyverse-gis/eemt/shared/geotiff"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/param"
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
	// bands of a map of several; none stands for one that is described as the map is.
	bands []geotiff.BandInfo
}

// bandInfos describes the bands of the file.
func (m mapInfo) bandInfos() []geotiff.BandInfo {
	if m.bands != nil {
		return m.bands
	}
	return []geotiff.BandInfo{{Description: m.description, Unit: m.unit}}
}

// product makes maps from the same inputs, row by row.
type product struct {
	inputs []input
	maps   []mapInfo
	// combine turns the inputs' cells into the maps' cells, all of equal length.
	// Where the only map has several bands, each comes from the input of its
	// number, and combine sees one at a time.
	combine func(in [][]float64, out [][]float32)
}

// stacked reports whether the product is one map of several bands.
func (p *product) stacked() bool { return len(p.maps) == 1 && p.maps[0].bands != nil }

// daysOf the months of the solar year.
var daysOf = [12]int{31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}

// products lists all maps of a job, in stages: a stage may read the results of
// the one before. kappa closes the water balance of each climate year.
func products(r job.Request, kappa map[int][12]float64) [][]product {
	stage := terrainProducts(r.Workflow)
	stage = append(stage, solarProducts(r.Parameters)...)
	stage = append(stage, layerProducts(r.Parameters)...)
	if r.Parameters.Daily {
		stage = append(stage, dailyProducts(r.Parameters)...)
	}
	if r.Workflow != param.EEMT {
		return [][]product{stage}
	}
	years := r.Parameters.Years()
	energyOf := energyProducts
	if r.Parameters.Maps == param.AnnualMaps {
		energyOf = annualEnergyProducts
	}
	for _, year := range years {
		stage = append(stage, energyOf(year, kappa[year])...)
	}
	if len(years) == 1 {
		return [][]product{stage}
	}
	return [][]product{stage, normalProducts(years)}
}

// copyCells makes each map of the input of its number.
func copyCells(in [][]float64, out [][]float32) {
	for k := range out {
		for i, v := range in[k] {
			out[k][i] = float32(v)
		}
	}
}

// inRadiansAndDegrees keeps the old suite's two files of an angle.
func inRadiansAndDegrees(in [][]float64, out [][]float32) {
	for i, v := range in[0] {
		out[0][i], out[1][i] = float32(v), float32(v*180/math.Pi)
	}
}

func terrainProducts(w param.Workflow) []product {
	list := []product{
		{[]input{{file: solFile, band: bandSlope}}, []mapInfo{
			{name: "slope_rad.tif", description: "slope", unit: "rad"}, {name: "slope_dec.tif", description: "slope", unit: "degree"},
		}, inRadiansAndDegrees},
		{[]input{{file: solFile, band: bandAspect}}, []mapInfo{
			{name: "aspect_rad.tif", description: "aspect, clockwise from grid north", unit: "rad"}, {name: "aspect_dec.tif", description: "aspect, clockwise from grid north", unit: "degree"},
		}, inRadiansAndDegrees},
	}
	if w == param.EEMT {
		list = append(list,
			product{[]input{{file: terrainFile, band: 0}}, []mapInfo{{name: "twi.tif", description: "topographic wetness index", unit: "ln m"}}, copyCells},
			product{[]input{{file: terrainFile, band: 1}}, []mapInfo{{name: "catchment.tif", description: "contributing area", unit: "m2"}}, copyCells})
	}
	return list
}

// radiation is a quantity that has maps of months, of the year and of days.
type radiation struct {
	file         string // work file of its months, or of its year (sunBands), the first in band
	band         int
	daily        string // work file of its days
	folder, name string
	what, unit   string
}

// radiations lists what a job maps of the sun. A clear-sky index makes global
// radiation that of a real sky; hours and the parts of radiation do not know it.
func radiations(p param.Parameters) []radiation {
	global, parts := "clear sky", "clear sky"
	if p.KB != nil || p.KD != nil || p.KBRaster != nil || p.KDRaster != nil {
		global, parts = "real sky", "real sky"
	}
	if p.KC != nil || p.KCRaster != nil || p.KCClimate {
		global = "real sky"
	}
	n := sunBands(p)
	list := []radiation{
		{solFile, bandSun, dailyFile("global"), "global", "total_sun", "global radiation on the terrain, " + global, "Wh m-2"},
		{solFile, bandSun + n, dailyFile("flat"), "global", "flat_total_sun", "global radiation on flat ground, " + global, "Wh m-2"},
		{solFile, bandSun + 2*n, dailyFile("hours"), "insol", "hours_sun", "hours of direct sun", "h"},
	}
	for _, c := range []struct {
		layer      param.Layer
		name, what string
	}{
		{param.Beam, "beam_rad", "beam radiation on the terrain"},
		{param.Diffuse, "diff_rad", "diffuse radiation on the terrain"},
		{param.Reflected, "refl_rad", "radiation reflected by the ground onto the terrain"},
	} {
		if p.Has(c.layer) {
			list = append(list, radiation{layerFile(c.layer), 0, dailyFile(string(c.layer)), "global", c.name, c.what + ", " + parts, "Wh m-2"})
		}
	}
	return list
}

// sunBands tells how many bands a work file has of a quantity of the sun: its
// months, or the sum and the daily mean of the year where those are all that is wanted.
func sunBands(p param.Parameters) int {
	if p.Maps == param.AnnualMaps {
		return 2
	}
	return 12
}

func solarProducts(p param.Parameters) []product {
	var list []product
	for _, v := range radiations(p) {
		path := fmt.Sprintf("%s/annual/%s_", v.folder, v.name)
		maps := []mapInfo{
			{name: path + "sum.tif", description: v.what + ", sum of the year", unit: v.unit + perYear},
			{name: path + "average.tif", description: v.what + ", daily mean of the year", unit: v.unit + perDay},
		}
		if p.Maps == param.AnnualMaps {
			list = append(list, product{bandsOfFile(v.file, v.band, 2), maps, copyCells})
			continue
		}
		year := make([]input, 12)
		for m := range 12 {
			year[m] = input{file: v.file, band: v.band + m}
			days := float64(daysOf[m])
			path := fmt.Sprintf("%s/monthly/%s_%s_", v.folder, v.name, months[m])
			list = append(list, product{[]input{year[m]}, []mapInfo{
				{name: path + "sum.tif", description: v.what + ", sum of " + months[m], unit: v.unit + perMonth},
				{name: path + "average.tif", description: v.what + ", daily mean of " + months[m], unit: v.unit + perDay},
			}, func(in [][]float64, out [][]float32) {
				for i, sum := range in[0] {
					out[0][i], out[1][i] = float32(sum), float32(sum/days)
				}
			}})
		}
		list = append(list, product{year, maps, func(in [][]float64, out [][]float32) {
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

// layerProducts are the maps on request that are not of radiation.
func layerProducts(p param.Parameters) []product {
	var list []product
	if p.Has(param.Horizon) {
		m := mapInfo{name: "horizon.tif", description: "altitude of the terrain's horizon, azimuths clockwise from grid north", unit: "degree", bands: horizonBands()}
		list = append(list, product{bandsOfFile(layerFile(param.Horizon), 0, len(m.bands)), []mapInfo{m}, copyCells})
	}
	if p.Has(param.SkyView) {
		list = append(list, product{
			bandsOfFile(layerFile(param.SkyView), 0, 1),
			[]mapInfo{{name: "skyview.tif", description: "sky-view factor of the inclined cell", unit: "1"}},
			copyCells,
		})
	}
	return list
}

func bandsOfFile(file string, first, n int) []input {
	in := make([]input, n)
	for b := range in {
		in[b] = input{file: file, band: first + b}
	}
	return in
}

// dailyProducts are for each quantity a map of each day, under the old suite's
// names where it had one, and all days in one file.
func dailyProducts(p param.Parameters) []product {
	var list []product
	for k, v := range radiations(p) {
		path, unit := fmt.Sprintf("%s/daily/%s", v.folder, v.name), v.unit+perDay
		days := bandsOfFile(v.daily, 0, 365)
		for day := 1; day <= len(days) && k < oldDaily; day++ {
			list = append(list, product{
				days[day-1 : day],
				[]mapInfo{{name: fmt.Sprintf("%s_day_%d.tif", path, day), description: fmt.Sprintf("%s, day %d", v.what, day), unit: unit}},
				copyCells,
			})
		}
		m := mapInfo{name: path + ".tif", description: v.what + ", a band for each day", unit: unit}
		for month, n := range daysOf {
			for d := range n {
				m.bands = append(m.bands, geotiff.BandInfo{
					Description: fmt.Sprintf("day %d, %d %s", len(m.bands)+1, d+1, months[month]), Unit: unit,
				})
			}
		}
		list = append(list, product{days, []mapInfo{m}, copyCells})
	}
	return list
}

// oldDaily is how many quantities, the first ones, have a file of each day: those
// that the old suite had.
const oldDaily = 3

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
		maps[i] = mapInfo{name: fmt.Sprintf("eemt/%s_%s_%s.tif", q.name, variant, when), description: fmt.Sprintf("%s, EEMT-%s, %s", q.what, variant, label), unit: q.unit}
	}
	return maps
}

func energyMapsOfYear(variant string, year int) []mapInfo {
	return energyMaps(variant, fmt.Sprint(year), fmt.Sprint(year), perYear)
}

// energyValues are those of the four maps of a cell.
func energyValues(ppt, bio float64) [4]float32 {
	eemt, share := energy.EEMT(ppt, bio)
	return [4]float32{float32(eemt), float32(ppt), float32(bio), float32(share)}
}

func putEnergy(out [][]float32, i int, ppt, bio float64) {
	for k, v := range energyValues(ppt, bio) {
		out[k][i] = v
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
			all, energyMapsOfYear(v.name, year),
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

// productionTag is the item of a map's metadata that says why the production in it is doubtful.
const productionTag = "MODEL_PRODUCTION"

// ofProduction reports whether the values of a map hang on the production of EEMT-TOPO.
func ofProduction(name string) bool {
	base := path.Base(name)
	return slices.ContainsFunc([]string{"EEMT_Topo_", "E_BIO_Topo_", "F_BIO_Topo_"}, func(prefix string) bool { return strings.HasPrefix(base, prefix) })
}

// productionDoubt is what the plan doubts of the production of EEMT-TOPO; empty if nothing.
func productionDoubt(plan *job.Plan) string {
	i := slices.IndexFunc(plan.Findings, func(f finding.Finding) bool { return f.Code == finding.ModelProduction })
	if i < 0 {
		return ""
	}
	return plan.Findings[i].Message
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
