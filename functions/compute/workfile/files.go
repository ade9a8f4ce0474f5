// Package workfile says how a job is cut, under which names its work files lie, which bands they have.
package workfile

import (
	"fmt"

	"github.com/cyverse-gis/eemt/functions/compute/record"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/param"
	"github.com/cyverse-gis/eemt/shared/product"
)

// Bands of a tile's sol.tif: slope, aspect, then global radiation, that on flat
// ground, and hours of sun, each in as many as SunBands says.
const (
	BandSlope = iota
	BandAspect
	BandSun
)

// SolFile is the work file of a tile that has its slope, aspect and sun.
const SolFile = "sol.tif"

// TileKey is the object of a work file of a tile.
func TileKey(id, task, name string) string { return job.WorkKey(id, task+"/"+name) }

// EnergyFile is the work file of a climate year.
func EnergyFile(year int) string { return fmt.Sprintf("eemt_%d.tif", year) }

// DailyFile is the work file of the days of a quantity of the sun.
func DailyFile(quantity string) string { return "daily_" + quantity + ".tif" }

// LayerFile is the work file of a layer on request.
func LayerFile(l param.Layer) string { return string(l) + ".tif" }

// Bands of the work file of a climate year where only maps of years are wanted: the four maps of EEMT-TRAD, which are final; of EEMT-TOPO
// the months of E_PPT at kappa = 1, since each month has its own kappa, and the
// sum of E_BIO in three float32 that hold a float64.
const (
	BandYearTrad    = 0
	BandYearTopoPPT = BandYearTrad + 4
	BandYearTopoBio = BandYearTopoPPT + 12
	YearBands       = BandYearTopoBio + 3
)

// Bands of the work file of a climate year: twelve months of each. E_PPT of EEMT-TOPO is for
// kappa = 1; only the assembly knows kappa.
const (
	BandTradPPT = 12 * iota
	BandTradBio
	BandTopoPPT
	BandTopoBio
	EnergyBands
)

// BandsOfYear counts the bands of the work file of a climate year.
func BandsOfYear(p param.Parameters) int {
	if p.Maps == param.AnnualMaps {
		return YearBands
	}
	return EnergyBands
}

// Block is the side of the blocks of work files. Tiles begin and end at
// multiples of it, so that maps made in strips of this height decode each once.
const Block = 128

// ResultBlock is the side of the blocks of maps. Where tiles lie in blocks of
// their own size, each block of a map is then made of one block of tiles.
func ResultBlock(plan *record.Plan) int {
	const usual, least, most = 512, 256, 1024
	if f := plan.Far; f != nil && f.Block%16 == 0 && f.Block >= least && f.Block <= most {
		return f.Block
	}
	return usual
}

// Radiation is a quantity of the sun and the work files that have it.
type Radiation struct {
	Key   string
	File  string // of its months, or of its year (SunBands), from Band on
	Band  int
	Daily string // of its days
}

// Radiations lists what a job maps of the sun.
func Radiations(p param.Parameters) []Radiation {
	n := SunBands(p)
	list := []Radiation{
		{"total_sun", SolFile, BandSun, DailyFile("global")},
		{"flat_total_sun", SolFile, BandSun + n, DailyFile("flat")},
		{"hours_sun", SolFile, BandSun + 2*n, DailyFile("hours")},
	}
	for _, q := range product.Table {
		if q.Over == product.SolarYear && q.Layer != "" && p.Has(q.Layer) {
			list = append(list, Radiation{q.Key, LayerFile(q.Layer), 0, DailyFile(string(q.Layer))})
		}
	}
	return list
}

// SunBands tells how many bands a work file has of a quantity of the sun: its
// months, or the sum and the daily mean of the year where those are all that is wanted.
func SunBands(p param.Parameters) int {
	if p.Maps == param.AnnualMaps {
		return 2
	}
	return 12
}
