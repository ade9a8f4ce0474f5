// Package product is the one table of the maps of a job.
package product

import "github.com/cyverse-gis/eemt/shared/param"

// Group is the section in which a page lists a map.
type Group string

// The groups, in the order in which a page shows them.
const (
	Energy    Group = "Effective energy and mass transfer"
	Radiation Group = "Radiation"
	Hours     Group = "Hours of sun"
	Terrain   Group = "Terrain"
)

var groups = []Group{Energy, Radiation, Hours, Terrain}

// Variant is the method by which a map of EEMT is made; empty for all other maps.
type Variant string

// The variants of EEMT, by the old suite's names.
const (
	Trad Variant = "Trad"
	Topo Variant = "Topo"
)

// Variants are in the order in which their maps are written.
var Variants = []Variant{Trad, Topo}

// Over tells what times a quantity has maps of.
type Over int

const (
	// Once is one map, of no time.
	Once Over = iota
	// SolarYear is the sum and the daily mean of the year and of each month, and on request of each day.
	SolarYear
	// ClimateYears is each climate year and each of its months by both variants, and the mean of several years.
	ClimateYears
)

// Sky tells which parameters make the values those of a real sky.
type Sky int

const (
	// AnySky says that the values do not know clouds.
	AnySky Sky = iota
	// SkyOfParts are the real-sky factors of beam and diffuse radiation.
	SkyOfParts
	// SkyOfGlobal are these factors, and the clear-sky index.
	SkyOfGlobal
)

// Range is the lowest and the highest value that colours span.
type Range [2]float64

// Quantity is a row of the table: all maps of one quantity.
type Quantity struct {
	// Key names the arithmetic. Neighbouring rows of one key are made together, of the same inputs.
	Key string
	// Folder among the results, empty for none, and Stem, which begins the name of each file. No two rows have both in common.
	Folder, Stem string
	// What the quantity is, for people, and its Unit, without the time that a sum is over.
	What, Unit string
	Over       Over
	Sky        Sky
	// Workflow and Layer that a job must have for the maps; empty for any.
	Workflow param.Workflow
	Layer    param.Layer
	// EachDay gives each day a file besides the one file of all days, as the old suite did.
	EachDay bool
	// OfProduction says that the values of EEMT-TOPO depend on its production.
	OfProduction bool

	Group Group
	// Rank orders the maps of a group on a page: lower ones come first, -1 to 2.
	Rank int
	// Ramp is one of preview.Ramps.
	Ramp string
	// Range of the colours where it is the same for all maps; nil leaves it to the values of the map.
	Range *Range
	// Counterpart is the stem that a page compares the maps with; empty for none.
	Counterpart string
	// Summary marks the quantity as one of the few that tell the most: those are printed, and drawn as previews.
	Summary bool
	// Output names the map of the year, or the only one, in OGC API - Processes, and Title is its title there. Of variants,
	// the name is followed by that of the variant, which %s stands for in the title. Empty offers no output.
	Output, Title string
	// Bytes of a cell of a compressed map, half-way between mountains and gentle terrain (docs/performance.md): noise in the
	// last digits is what is left of them. Maps of months and of days take MonthBytes and DayBytes, or as many if that is 0.
	Bytes, MonthBytes, DayBytes float64
	// Bands of a map of several; nil for a map of one.
	Bands []Band
}

// Ramps of the maps, by the names that preview.Ramps has.
const (
	plain  = "viridis"
	relief = "grey"
	around = "wheel"
	water  = "wet"
	light  = "sun"
)

// Units of radiation, and of energy, without the time that they are summed over.
const (
	radiation = "Wh m-2"
	energy    = "MJ m-2"
)

// Table has a row for each quantity, in the order in which maps are written. Only tests change it.
var Table = []Quantity{
	{
		Key: "slope", Stem: "slope_rad", What: "slope", Unit: "rad",
		Group: Terrain, Rank: 2, Ramp: relief, Bytes: 3.9,
	},
	{
		Key: "slope", Stem: "slope_dec", What: "slope", Unit: "degree",
		Group: Terrain, Ramp: relief, Bytes: 3.9, Summary: true, Output: "slope", Title: "Slope",
	},
	{
		Key: "aspect", Stem: "aspect_rad", What: "aspect, clockwise from grid north", Unit: "rad",
		Group: Terrain, Rank: 2, Ramp: around, Range: &Range{0, 6.283185307179586}, Bytes: 3.9,
	},
	{
		Key: "aspect", Stem: "aspect_dec", What: "aspect, clockwise from grid north", Unit: "degree",
		Group: Terrain, Ramp: around, Range: &Range{0, 360}, Bytes: 3.9, Output: "aspect", Title: "Aspect",
	},
	{
		Key: "twi", Stem: "twi", What: "topographic wetness index", Unit: "ln m", Workflow: param.EEMT,
		Group: Terrain, Ramp: water, Bytes: 3.9, Summary: true, Output: "wetness", Title: "Wetness",
	},
	{
		Key: "catchment", Stem: "catchment", What: "contributing area", Unit: "m2", Workflow: param.EEMT,
		Group: Terrain, Ramp: water, Bytes: 3.9,
	},

	{
		Key: "total_sun", Folder: "global", Stem: "total_sun", What: "global radiation on the terrain", Unit: radiation, Over: SolarYear, Sky: SkyOfGlobal, EachDay: true,
		Group: Radiation, Ramp: light, Bytes: 3.5, Counterpart: "flat_total_sun", Summary: true, Output: "total_sun", Title: "Global radiation",
	},
	{
		Key: "flat_total_sun", Folder: "global", Stem: "flat_total_sun", What: "global radiation on flat ground", Unit: radiation, Over: SolarYear, Sky: SkyOfGlobal, EachDay: true,
		Group: Radiation, Ramp: light, Bytes: 2.2, Counterpart: "total_sun", Summary: true, Output: "flat_total_sun", Title: "Global radiation on flat ground",
	},
	{
		Key: "hours_sun", Folder: "insol", Stem: "hours_sun", What: "hours of direct sun", Unit: "h", Over: SolarYear, EachDay: true,
		Group: Hours, Ramp: light, Bytes: 2, DayBytes: 0.9, Summary: true, Output: "hours_sun", Title: "Hours of sun",
	},
	{
		Key: "beam_rad", Folder: "global", Stem: "beam_rad", What: "beam radiation on the terrain", Unit: radiation, Over: SolarYear, Sky: SkyOfParts, Layer: param.Beam,
		Group: Radiation, Ramp: light, Bytes: 3.5,
	},
	{
		Key: "diff_rad", Folder: "global", Stem: "diff_rad", What: "diffuse radiation on the terrain", Unit: radiation, Over: SolarYear, Sky: SkyOfParts, Layer: param.Diffuse,
		Group: Radiation, Ramp: light, Bytes: 3.5,
	},
	{
		Key: "refl_rad", Folder: "global", Stem: "refl_rad", What: "radiation reflected by the ground onto the terrain", Unit: radiation, Over: SolarYear, Sky: SkyOfParts, Layer: param.Reflected,
		Group: Radiation, Ramp: light, Bytes: 3.5,
	},

	{
		Key: "horizon", Stem: "horizon", What: "altitude of the terrain's horizon, azimuths clockwise from grid north", Unit: "degree", Layer: param.Horizon,
		Group: Terrain, Ramp: plain, Bytes: 3.9, Bands: azimuths(),
	},
	{
		Key: "skyview", Stem: "skyview", What: "sky-view factor of the inclined cell", Unit: "1", Layer: param.SkyView,
		Group: Terrain, Ramp: relief, Bytes: 3.9, Summary: true,
	},

	{
		Key: "energy", Folder: "eemt", Stem: "EEMT", What: "effective energy and mass transfer", Unit: energy, Over: ClimateYears, Workflow: param.EEMT, OfProduction: true,
		Group: Energy, Rank: -1, Ramp: plain, Bytes: 2.6, MonthBytes: 1.8, Summary: true, Output: "eemt", Title: "EEMT-%s",
	},
	{
		Key: "energy", Folder: "eemt", Stem: "E_PPT", What: "energy of effective precipitation", Unit: energy, Over: ClimateYears, Workflow: param.EEMT,
		Group: Energy, Ramp: plain, Bytes: 2.6, MonthBytes: 1.8, Summary: true, Output: "e_ppt", Title: "E_PPT of EEMT-%s",
	},
	{
		Key: "energy", Folder: "eemt", Stem: "E_BIO", What: "energy of net primary production", Unit: energy, Over: ClimateYears, Workflow: param.EEMT, OfProduction: true,
		Group: Energy, Ramp: plain, Bytes: 2.6, MonthBytes: 1.8, Summary: true, Output: "e_bio", Title: "E_BIO of EEMT-%s",
	},
	{
		Key: "energy", Folder: "eemt", Stem: "F_BIO", What: "share of E_BIO in EEMT", Unit: "1", Over: ClimateYears, Workflow: param.EEMT, OfProduction: true,
		Group: Energy, Ramp: plain, Bytes: 2.6, MonthBytes: 1.8, Summary: true,
	},
}
