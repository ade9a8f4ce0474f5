package compute

import (
	"math"
	"slices"

	"github.com/cyverse-gis/eemt/functions/compute/record"
	"github.com/cyverse-gis/eemt/shared/calendar"
	"github.com/cyverse-gis/eemt/shared/energy"
	"github.com/cyverse-gis/eemt/shared/finding"
	"github.com/cyverse-gis/eemt/shared/geotiff"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/param"
	table "github.com/cyverse-gis/eemt/shared/product"
)

// input is one layer a product reads: a band of a work file of every tile, or a
// result made before.
type input struct {
	file   string
	band   int
	result string
}

// mapInfo is one result map.
type mapInfo = table.Map

// bandInfos describes the bands of the file.
func bandInfos(m mapInfo) []geotiff.BandInfo {
	if m.Bands == nil {
		return []geotiff.BandInfo{{Description: m.Description, Unit: m.Unit}}
	}
	bands := make([]geotiff.BandInfo, len(m.Bands))
	for i, b := range m.Bands {
		bands[i] = geotiff.BandInfo{Description: b.Description, Unit: b.Unit, Metadata: b.Metadata}
	}
	return bands
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
func (p *product) stacked() bool { return len(p.maps) == 1 && p.maps[0].Bands != nil }

// products attaches to all maps of a job what they are made of, in stages: a stage may read
// the results of the one before. kappa closes the water balance of each climate year.
func products(r job.Request, kappa map[int][12]float64) [][]product {
	stages := make([][]product, 1)
	maps := table.Maps(r.Workflow, r.Parameters)
	for len(maps) > 0 {
		n := 1
		for n < len(maps) && maps[n].Together(maps[0]) {
			n++
		}
		if maps[0].FirstYear != maps[0].LastYear && len(stages) == 1 {
			stages = append(stages, nil) // means over years read the maps of years
		}
		last := &stages[len(stages)-1]
		*last = append(*last, arithmetic[maps[0].Key](r.Parameters, maps[:n:n], kappa))
		maps = maps[n:]
	}
	return stages
}

// arithmetic makes the maps of each key of the table, which are made together.
var arithmetic = map[string]func(p param.Parameters, maps []mapInfo, kappa map[int][12]float64) product{
	"slope":          fromBand(solFile, bandSlope, inUnits),
	"aspect":         fromBand(solFile, bandAspect, inUnits),
	"twi":            fromBand(terrainFile, 0, nil),
	"catchment":      fromBand(terrainFile, 1, nil),
	"total_sun":      solarProduct,
	"flat_total_sun": solarProduct,
	"hours_sun":      solarProduct,
	"beam_rad":       solarProduct,
	"diff_rad":       solarProduct,
	"refl_rad":       solarProduct,
	"horizon":        fromBand(layerFile(param.Horizon), 0, nil),
	"skyview":        fromBand(layerFile(param.SkyView), 0, nil),
	"energy":         energyProduct,
}

// copyCells makes each map of the input of its number.
func copyCells(in [][]float64, out [][]float32) {
	for k := range out {
		for i, v := range in[k] {
			out[k][i] = float32(v)
		}
	}
}

// fromBand makes maps of a work file from a band on, of which a map of several bands takes as many.
// combine may depend on the maps; nil copies the cells.
func fromBand(file string, first int, combine func(maps []mapInfo) func(in [][]float64, out [][]float32)) func(param.Parameters, []mapInfo, map[int][12]float64) product {
	return func(_ param.Parameters, maps []mapInfo, _ map[int][12]float64) product {
		pr := product{bandsOfFile(file, first, max(1, len(maps[0].Bands))), maps, copyCells}
		if combine != nil {
			pr.combine = combine(maps)
		}
		return pr
	}
}

// inUnits makes maps of an angle in radians and in degrees: the old suite has both.
func inUnits(maps []mapInfo) func(in [][]float64, out [][]float32) {
	return func(in [][]float64, out [][]float32) {
		for k, m := range maps {
			for i, v := range in[0] {
				if m.Unit == "degree" {
					v = v * 180 / math.Pi
				}
				out[k][i] = float32(v)
			}
		}
	}
}

// radiation is a quantity of the sun and the work files that have it.
type radiation struct {
	key   string
	file  string // of its months, or of its year (sunBands), the first in band
	band  int
	daily string // of its days
}

// radiations lists what a job maps of the sun.
func radiations(p param.Parameters) []radiation {
	n := sunBands(p)
	list := []radiation{
		{"total_sun", solFile, bandSun, dailyFile("global")},
		{"flat_total_sun", solFile, bandSun + n, dailyFile("flat")},
		{"hours_sun", solFile, bandSun + 2*n, dailyFile("hours")},
	}
	for _, q := range table.Table {
		if q.Over == table.SolarYear && q.Layer != "" && p.Has(q.Layer) {
			list = append(list, radiation{q.Key, layerFile(q.Layer), 0, dailyFile(string(q.Layer))})
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

// solarProduct makes the maps of a quantity of the sun of a month, of the year, of a day or of all days.
func solarProduct(p param.Parameters, maps []mapInfo, _ map[int][12]float64) product {
	all := radiations(p)
	v := all[slices.IndexFunc(all, func(v radiation) bool { return v.key == maps[0].Key })]
	switch m := maps[0]; {
	case m.Period == table.Day && m.Step > 0:
		return product{bandsOfFile(v.daily, m.Step-1, 1), maps, copyCells}
	case m.Period == table.Day:
		return product{bandsOfFile(v.daily, 0, len(m.Bands)), maps, copyCells}
	case p.Maps == param.AnnualMaps:
		return product{bandsOfFile(v.file, v.band, 2), maps, copyCells}
	case m.Period == table.Month:
		days := float64(calendar.Days[m.Step-1])
		return product{bandsOfFile(v.file, v.band+m.Step-1, 1), maps, func(in [][]float64, out [][]float32) {
			for i, sum := range in[0] {
				out[0][i], out[1][i] = float32(sum), float32(sum/days)
			}
		}}
	}
	return product{bandsOfFile(v.file, v.band, 12), maps, func(in [][]float64, out [][]float32) {
		for i := range in[0] {
			var sum float64
			for m := range in {
				sum += in[m][i]
			}
			out[0][i], out[1][i] = float32(sum), float32(sum/365)
		}
	}}
}

func bandsOfFile(file string, first, n int) []input {
	in := make([]input, n)
	for b := range in {
		in[b] = input{file: file, band: first + b}
	}
	return in
}

// firstBands of a variant of EEMT in the work file of a climate year.
var firstBands = map[table.Variant]struct{ ppt, bio int }{
	table.Trad: {bandTradPPT, bandTradBio},
	table.Topo: {bandTopoPPT, bandTopoBio},
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

// energyProduct makes the maps of a variant of EEMT, of a month or a climate year, or of the mean of several years.
func energyProduct(p param.Parameters, maps []mapInfo, kappa map[int][12]float64) product {
	m := maps[0]
	if m.FirstYear != m.LastYear {
		return normalProduct(maps, p.Years())
	}
	if p.Maps == param.AnnualMaps {
		return annualEnergyProduct(maps, kappa[m.FirstYear])
	}
	file, first := energyFile(m.FirstYear), firstBands[m.Variant]
	k := kappa[m.FirstYear]
	if m.Variant == table.Trad {
		for m := range k {
			k[m] = 1
		}
	}
	if m.Period == table.Month {
		k := k[m.Step-1]
		return product{
			[]input{{file: file, band: first.ppt + m.Step - 1}, {file: file, band: first.bio + m.Step - 1}},
			maps,
			func(in [][]float64, out [][]float32) {
				for i := range in[0] {
					putEnergy(out, i, k*in[0][i], in[1][i])
				}
			},
		}
	}
	return product{
		slices.Concat(bandsOfFile(file, first.ppt, 12), bandsOfFile(file, first.bio, 12)), maps,
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
	}
}

// productionTag is the item of a map's metadata that says why the production in it is doubtful.
const productionTag = "MODEL_PRODUCTION"

// productionDoubt is what the plan doubts of the production of EEMT-TOPO; empty if nothing.
func productionDoubt(plan *record.Plan) string {
	i := slices.IndexFunc(plan.Findings, func(f finding.Finding) bool { return f.Code == finding.ModelProduction })
	if i < 0 {
		return ""
	}
	return plan.Findings[i].Message
}

// normalProduct is the mean over the climate years: a mean of annual results, not the result of a
// mean climate (docs/science.md).
func normalProduct(maps []mapInfo, years []int) product {
	inputs := make([]input, 0, 2*len(years))
	for _, q := range []string{"E_PPT", "E_BIO"} {
		for _, y := range years {
			inputs = append(inputs, input{result: table.Annual(q, maps[0].Variant, y)})
		}
	}
	n := len(years)
	return product{inputs, maps, func(in [][]float64, out [][]float32) {
		for i := range in[0] {
			var ppt, bio float64
			for y := range n {
				ppt += in[y][i]
				bio += in[n+y][i]
			}
			putEnergy(out, i, ppt/float64(n), bio/float64(n))
		}
	}}
}
