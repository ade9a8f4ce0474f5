// Package arithmetic says of what the maps of a job are made, how, in which groups.
package arithmetic

import (
	"math"
	"slices"

	"github.com/cyverse-gis/eemt/functions/compute/workfile"
	"github.com/cyverse-gis/eemt/shared/calendar"
	"github.com/cyverse-gis/eemt/shared/energy"
	"github.com/cyverse-gis/eemt/shared/geotiff"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/param"
	"github.com/cyverse-gis/eemt/shared/product"
)

// Input is one layer a formula reads: a band of a work file of every tile, or a
// result made before.
type Input struct {
	File   string
	Band   int
	Result string
}

// Bands describes the bands of the file.
func Bands(m product.Map) []geotiff.BandInfo {
	if m.Bands == nil {
		return []geotiff.BandInfo{{Description: m.Description, Unit: m.Unit}}
	}
	bands := make([]geotiff.BandInfo, len(m.Bands))
	for i, b := range m.Bands {
		bands[i] = geotiff.BandInfo{Description: b.Description, Unit: b.Unit, Metadata: b.Metadata}
	}
	return bands
}

// Formula makes maps from the same inputs, row by row.
type Formula struct {
	Inputs []Input
	Maps   []product.Map
	// Combine turns the inputs' cells into the maps' cells, all of equal length.
	// Where the only map has several bands, each comes from the input of its
	// number, and Combine sees one at a time.
	Combine func(in [][]float64, out [][]float32)
}

// Stacked reports whether the formula is one map of several bands.
func (f *Formula) Stacked() bool { return len(f.Maps) == 1 && f.Maps[0].Bands != nil }

// Formulas attaches to all maps of a job what they are made of, in levels: a level may read
// the results of the one before. kappa closes the water balance of each climate year.
func Formulas(r job.Request, kappa map[int][12]float64) [][]Formula {
	levels := make([][]Formula, 1)
	maps := product.Maps(r.Workflow, r.Parameters)
	for len(maps) > 0 {
		n := 1
		for n < len(maps) && maps[n].Together(maps[0]) {
			n++
		}
		if maps[0].FirstYear != maps[0].LastYear && len(levels) == 1 {
			levels = append(levels, nil) // means over years read the maps of years
		}
		last := &levels[len(levels)-1]
		*last = append(*last, arithmetic[maps[0].Key](r.Parameters, maps[:n:n], kappa))
		maps = maps[n:]
	}
	return levels
}

// arithmetic makes the maps of each key of the table, which are made together.
var arithmetic = map[string]func(p param.Parameters, maps []product.Map, kappa map[int][12]float64) Formula{
	"slope":          fromBand(workfile.SolFile, workfile.BandSlope, inUnits),
	"aspect":         fromBand(workfile.SolFile, workfile.BandAspect, inUnits),
	"twi":            fromBand(workfile.TerrainFile, 0, nil),
	"catchment":      fromBand(workfile.TerrainFile, 1, nil),
	"total_sun":      solarFormula,
	"flat_total_sun": solarFormula,
	"hours_sun":      solarFormula,
	"beam_rad":       solarFormula,
	"diff_rad":       solarFormula,
	"refl_rad":       solarFormula,
	"horizon":        fromBand(workfile.LayerFile(param.Horizon), 0, nil),
	"skyview":        fromBand(workfile.LayerFile(param.SkyView), 0, nil),
	"energy":         energyFormula,
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
func fromBand(file string, first int, combine func(maps []product.Map) func(in [][]float64, out [][]float32)) func(param.Parameters, []product.Map, map[int][12]float64) Formula {
	return func(_ param.Parameters, maps []product.Map, _ map[int][12]float64) Formula {
		pr := Formula{bandsOfFile(file, first, max(1, len(maps[0].Bands))), maps, copyCells}
		if combine != nil {
			pr.Combine = combine(maps)
		}
		return pr
	}
}

// inUnits makes maps of an angle in radians and in degrees: the old suite has both.
func inUnits(maps []product.Map) func(in [][]float64, out [][]float32) {
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

// solarFormula makes the maps of a quantity of the sun of a month, of the year, of a day or of all days.
func solarFormula(p param.Parameters, maps []product.Map, _ map[int][12]float64) Formula {
	all := workfile.Radiations(p)
	v := all[slices.IndexFunc(all, func(v workfile.Radiation) bool { return v.Key == maps[0].Key })]
	switch m := maps[0]; {
	case m.Period == product.Day && m.Step > 0:
		return Formula{bandsOfFile(v.Daily, m.Step-1, 1), maps, copyCells}
	case m.Period == product.Day:
		return Formula{bandsOfFile(v.Daily, 0, len(m.Bands)), maps, copyCells}
	case p.Maps == param.AnnualMaps:
		return Formula{bandsOfFile(v.File, v.Band, 2), maps, copyCells}
	case m.Period == product.Month:
		days := float64(calendar.Days[m.Step-1])
		return Formula{bandsOfFile(v.File, v.Band+m.Step-1, 1), maps, func(in [][]float64, out [][]float32) {
			for i, sum := range in[0] {
				out[0][i], out[1][i] = float32(sum), float32(sum/days)
			}
		}}
	}
	return Formula{bandsOfFile(v.File, v.Band, 12), maps, func(in [][]float64, out [][]float32) {
		for i := range in[0] {
			var sum float64
			for m := range in {
				sum += in[m][i]
			}
			out[0][i], out[1][i] = float32(sum), float32(sum/365)
		}
	}}
}

func bandsOfFile(file string, first, n int) []Input {
	in := make([]Input, n)
	for b := range in {
		in[b] = Input{File: file, Band: first + b}
	}
	return in
}

// firstBands of a variant of EEMT in the work file of a climate year.
var firstBands = map[product.Variant]struct{ ppt, bio int }{
	product.Trad: {workfile.BandTradPPT, workfile.BandTradBio},
	product.Topo: {workfile.BandTopoPPT, workfile.BandTopoBio},
}

// EnergyValues are those of the four maps of a cell.
func EnergyValues(ppt, bio float64) [4]float32 {
	eemt, share := energy.EEMT(ppt, bio)
	return [4]float32{float32(eemt), float32(ppt), float32(bio), float32(share)}
}

func putEnergy(out [][]float32, i int, ppt, bio float64) {
	for k, v := range EnergyValues(ppt, bio) {
		out[k][i] = v
	}
}

// energyFormula makes the maps of a variant of EEMT, of a month or a climate year, or of the mean of several years.
func energyFormula(p param.Parameters, maps []product.Map, kappa map[int][12]float64) Formula {
	m := maps[0]
	if m.FirstYear != m.LastYear {
		return normalFormula(maps, p.Years())
	}
	if p.Maps == param.AnnualMaps {
		return annualEnergyFormula(maps, kappa[m.FirstYear])
	}
	file, first := workfile.EnergyFile(m.FirstYear), firstBands[m.Variant]
	k := kappa[m.FirstYear]
	if m.Variant == product.Trad {
		for m := range k {
			k[m] = 1
		}
	}
	if m.Period == product.Month {
		k := k[m.Step-1]
		return Formula{
			[]Input{{File: file, Band: first.ppt + m.Step - 1}, {File: file, Band: first.bio + m.Step - 1}},
			maps,
			func(in [][]float64, out [][]float32) {
				for i := range in[0] {
					putEnergy(out, i, k*in[0][i], in[1][i])
				}
			},
		}
	}
	return Formula{
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

// normalFormula is the mean over the climate years: a mean of annual results, not the result of a
// mean climate (docs/science.md).
func normalFormula(maps []product.Map, years []int) Formula {
	inputs := make([]Input, 0, 2*len(years))
	for _, q := range []string{"E_PPT", "E_BIO"} {
		for _, y := range years {
			inputs = append(inputs, Input{Result: product.Annual(q, maps[0].Variant, y)})
		}
	}
	n := len(years)
	return Formula{inputs, maps, func(in [][]float64, out [][]float32) {
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
