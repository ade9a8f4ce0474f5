// Package param holds the parameters of a job and the table that describes each of them.
package param

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/cyverse-gis/eemt/shared/climate/units"
	"github.com/cyverse-gis/eemt/shared/finding"
)

// Workflow names what a job computes.
type Workflow string

const (
	// Sol is a year of solar radiation over terrain.
	Sol Workflow = "sol"
	// EEMT is Sol followed by the EEMT maps of every climate year.
	EEMT Workflow = "eemt"
	// Echo gives back its inputs; it tests clients, and is computed by nobody.
	Echo Workflow = "echo"
)

// Maps names which of its maps a job writes.
type Maps string

const (
	// AllMaps are those of months and of years.
	AllMaps Maps = "all"
	// AnnualMaps are those of the terrain and of years, without months.
	AnnualMaps Maps = "annual"
)

// IsZero reports whether all maps are wanted. Records then leave the parameter out, so that such a job has the same
// fingerprint as one of a version without the choice.
func (m Maps) IsZero() bool { return m == "" || m == AllMaps }

// FirstYear and LastYear bound the climate years a job may ask for.
const (
	FirstYear = 1900
	LastYear  = 2100
	maxYears  = 60
)

func isYear(y int) bool { return y >= FirstYear && y <= LastYear }

// Parameters are what a user may choose. JSON names are those of the old suite
// where it had the parameter.
type Parameters struct {
	// Step is the time step in minutes, 1 to 60.
	Step float64 `json:"step"`
	// Linke is the Linke turbidity for air mass 2, 1 to 8: one value, or one per month;
	// none with LinkeClimatology.
	Linke []float64 `json:"linke_value,omitempty"`
	// Albedo is the ground albedo, 0 to 1: one value, or one per month.
	Albedo []float64 `json:"albedo_value"`
	// KB and KD are real-sky factors of beam and diffuse radiation, 0 to 1, KC the
	// clear-sky index of the final global radiation, 0.2 to 1: none, one value, or
	// one per month.
	KB []float64 `json:"kb,omitempty"`
	KD []float64 `json:"kd,omitempty"`
	KC []float64 `json:"kc,omitempty"`
	// Rasters that take the place of the values above (see Input).
	LinkeRaster  []string `json:"linke_raster,omitempty"`
	AlbedoRaster []string `json:"albedo_raster,omitempty"`
	KBRaster     []string `json:"kb_raster,omitempty"`
	KDRaster     []string `json:"kd_raster,omitempty"`
	KCRaster     []string `json:"kc_raster,omitempty"`
	// LinkeClimatology takes the turbidity of each month and cell from a climatology of
	// the world (shared/turbidity).
	LinkeClimatology bool `json:"linke_climatology,omitempty"`
	// KCClimate takes the clear-sky index from the climate's own radiation.
	KCClimate bool `json:"kc_climate,omitempty"`
	// StartYear and EndYear are the first and last climate year.
	StartYear int `json:"start_year"`
	EndYear   int `json:"end_year"`
	// Climate names the climate source of the eemt workflow (climate.ParseSpec).
	Climate string `json:"climate,omitempty"`
	// ClimateElevation names the reference elevation of a raster climate source.
	ClimateElevation string `json:"climate_elevation,omitempty"`
	// ClimateUnits are the units of the climate where they are not degrees Celsius, mm per month and Pa (see units.Parse).
	ClimateUnits string `json:"climate_units,omitempty"`
	// ElevationUnit is the unit of the DEM's elevations, one of ElevationUnits; empty stands for the unit that the file states.
	ElevationUnit ElevationUnit `json:"elevation_unit,omitzero"`
	// NoData are stored values that mark missing data in the DEM beside the one that the file declares (ParseNoData).
	NoData string `json:"nodata,omitempty"`
	// DEMCRS states the coordinate reference system of the DEM, as crs.Parse takes it; empty leaves it to the file.
	DEMCRS string `json:"dem_crs,omitempty"`
	// North is "true" (aspect and shadows follow true north) or "grid" (as r.sun does).
	North string `json:"north"`
	// Shadows is "on" (terrain casts shadows) or "off".
	Shadows string `json:"shadows"`
	// Maps are those to write; empty stands for all.
	Maps Maps `json:"maps,omitzero"`
	// Daily asks for the 365 daily maps besides the monthly ones.
	Daily bool `json:"daily,omitempty"`
	// Layers are maps on request.
	Layers []Layer `json:"layers,omitempty"`
	// Method is "fast" or "reference".
	Method string `json:"method"`
	// Accept are the codes of findings about inputs that the user says are right.
	Accept []finding.Code `json:"accept,omitempty"`
	// Strict makes a doubt about an input stop the job.
	Strict bool `json:"strict,omitempty"`
	// TileSize is the side of a tile in cells; 0 lets the planner choose.
	TileSize int `json:"tile_size,omitempty"`
}

// DefaultParameters returns the defaults of the old suite.
func DefaultParameters() Parameters {
	return Parameters{
		Step: 15, Linke: []float64{3}, Albedo: []float64{0.2},
		StartYear: 2020, EndYear: 2020,
		North: "true", Shadows: "on", Method: "fast", Maps: AllMaps, ElevationUnit: FileUnit,
	}
}

// Validate reports every value outside its range, and every one that is missing, each in one sentence.
func (p Parameters) Validate(w Workflow) error {
	err := p.ValidateGiven(w)
	if w == EEMT && p.Climate == "" {
		err = errors.Join(err, errors.New("climate is missing: the eemt workflow needs table:FILE.csv, pixel:FILE.csv, raster:TEMPLATE or daymet:BASE"))
	}
	return err
}

// ValidateGiven is Validate of parameters whose climate may be given later.
func (p Parameters) ValidateGiven(w Workflow) error {
	var errs []error
	fail := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if w != Sol && w != EEMT {
		fail("workflow %q: must be sol or eemt", w)
	}
	for _, f := range fields {
		f.check(&p, fail)
	}
	for _, f := range fields {
		if f.Monthly {
			f.of(&p).check(f.Word, fail)
		}
	}
	if p.KCClimate && w != EEMT {
		fail("kc climate: only the eemt workflow has a climate; give a value, twelve, or a raster")
	}
	for i, l := range p.Layers {
		if !slices.Contains(layers, l) {
			errs = append(errs, l.unknown())
		} else if slices.Contains(p.Layers[:i], l) {
			fail("layer %q is asked for twice", l)
		}
	}
	switch {
	case !isYear(p.StartYear) || !isYear(p.EndYear): // said above
	case p.EndYear < p.StartYear:
		fail("end-year %d: must not be before start-year %d", p.EndYear, p.StartYear)
	case p.EndYear-p.StartYear >= maxYears:
		fail("years %d to %d: at most %d years in one job", p.StartYear, p.EndYear, maxYears)
	}
	if _, err := ParseNoData(p.NoData); err != nil {
		errs = append(errs, err)
	}
	if err := checkDEMCRS(p.DEMCRS); err != nil {
		errs = append(errs, err)
	}
	if p.Daily && p.Maps == AnnualMaps {
		fail("maps annual: leaves out the months, while daily asks for 365 days; give one of the two")
	}
	if _, err := units.Parse(p.ClimateUnits); err != nil {
		errs = append(errs, err)
	}
	if p.TileSize > 0 && p.TileSize < 32 {
		fail("tile-size %d: must be 32 to 4096 cells, or 0 for the planner's choice", p.TileSize)
	}
	return errors.Join(errs...)
}

// OneYear lets a first year alone that is after the default last one, or a last year alone that is before the default
// first one, mean that one year.
func (p *Parameters) OneYear(startGiven, endGiven bool) {
	switch {
	case startGiven && !endGiven && isYear(p.StartYear):
		p.EndYear = max(p.EndYear, p.StartYear)
	case endGiven && !startGiven && isYear(p.EndYear):
		p.StartYear = min(p.StartYear, p.EndYear)
	}
}

// maxSystem bounds the text of a coordinate reference system; the longest of the EPSG dataset has about 2 kB.
const maxSystem = 16 << 10

// checkDEMCRS refuses what is neither a code nor the text of a .prj file. Whether the system is known is found with the
// DEM.
func checkDEMCRS(text string) error {
	if text == "" {
		return nil
	}
	if len(text) > maxSystem {
		return fmt.Errorf("dem-crs: %d bytes of text: at most %d", len(text), maxSystem)
	}
	text = strings.TrimSpace(text)
	if name, code, ok := strings.Cut(text, ":"); ok && (strings.EqualFold(name, "EPSG") || strings.EqualFold(name, "ESRI")) {
		if n, err := strconv.Atoi(code); err == nil && n > 0 {
			return nil
		}
	}
	for _, start := range []string{"PROJCS[", "GEOGCS[", "COMPD_CS["} {
		if len(text) >= len(start) && strings.EqualFold(text[:len(start)], start) {
			return nil
		}
	}
	return fmt.Errorf("dem-crs %.40q: must be a code such as EPSG:32613, or the text of a .prj file", text)
}

// Years lists the climate years.
func (p Parameters) Years() []int {
	years := make([]int, 0, p.EndYear-p.StartYear+1)
	for y := p.StartYear; y <= p.EndYear; y++ {
		years = append(years, y)
	}
	return years
}

// Monthly spreads one value, or copies twelve, over the months. Any other
// count gives NaN, which Validate has refused before.
func Monthly(values []float64) [12]float64 {
	var out [12]float64
	for m := range out {
		switch len(values) {
		case 1:
			out[m] = values[0]
		case 12:
			out[m] = values[m]
		default:
			out[m] = math.NaN()
		}
	}
	return out
}

// ParseMonthly reads one number, or twelve separated by commas.
func ParseMonthly(text string) ([]float64, error) {
	fields := strings.Split(text, ",")
	if len(fields) != 1 && len(fields) != 12 {
		return nil, fmt.Errorf("%d values: give one, or one for each of the 12 months, separated by commas", len(fields))
	}
	values := make([]float64, len(fields))
	for i, f := range fields {
		v, err := strconv.ParseFloat(strings.TrimSpace(f), 64)
		if err != nil {
			return nil, fmt.Errorf("%q is not a number", strings.TrimSpace(f))
		}
		values[i] = v
	}
	return values, nil
}
