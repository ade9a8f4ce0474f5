package finding

import (
	"fmt"
	"slices"
	"strings"
)

// Code names a kind of finding. It is what --accept takes.
type Code string

// The codes, by the input that they speak of.
const (
	ClimateCoverage      Code = "climate-coverage"
	ClimateElevation     Code = "climate-elevation"
	ClimateHemisphere    Code = "climate-hemisphere"
	ClimateMissing       Code = "climate-missing"
	ClimatePlace         Code = "climate-place"
	ClimatePrecipitation Code = "climate-precipitation"
	ClimateTemperature   Code = "climate-temperature"
	ClimateUnreadable    Code = "climate-unreadable"
	ClimateVapour        Code = "climate-vapour"
	ClimateYears         Code = "climate-years"
	DEMBands             Code = "dem-bands"
	DEMCells             Code = "dem-cells"
	DEMCRS               Code = "dem-crs"
	DEMDatum             Code = "dem-datum"
	DEMElevation         Code = "dem-elevation"
	DEMFormat            Code = "dem-format"
	DEMHoles             Code = "dem-holes"
	DEMNoData            Code = "dem-nodata"
	DEMNotElevation      Code = "dem-not-elevation"
	DEMSpikes            Code = "dem-spikes"
	DEMSteps             Code = "dem-steps"
	DEMUnit              Code = "dem-unit"
	InputCoverage        Code = "input-coverage"
	MachineRoom          Code = "machine-room"
	MapsDaily            Code = "maps-daily"
	ModelHemisphere      Code = "model-hemisphere"
	ModelKappa           Code = "model-kappa"
	ModelProduction      Code = "model-production"
	ModelTrad            Code = "model-trad"
	ModelWetness         Code = "model-wetness"
	Turbidity            Code = "turbidity"
)

// Kind describes a code.
type Kind struct {
	Code  Code
	Title string
	// Settleable says that a refusal of this code can be accepted.
	Settleable bool
}

var kinds = []Kind{
	{ClimateCoverage, "part of the DEM has no climate", false},
	{ClimateElevation, "temperature is extrapolated over a large difference of elevation", false},
	{ClimateHemisphere, "the seasons of the climate are those of the other hemisphere", true},
	{ClimateMissing, "no climate was named", false},
	{ClimatePlace, "the climate is of another place", true},
	{ClimatePrecipitation, "precipitation looks like another unit", false},
	{ClimateTemperature, "temperature looks like another unit", false},
	{ClimateUnreadable, "the climate cannot be read", false},
	{ClimateVapour, "vapour pressure looks like another unit", false},
	{ClimateYears, "the climate is of other years", false},
	{DEMBands, "the file has bands or masks that are not read", false},
	{DEMCells, "the size or shape of cells", false},
	{DEMCRS, "the coordinate reference system", false},
	{DEMDatum, "the datum", false},
	{DEMElevation, "elevations that the earth does not have", false},
	{DEMFormat, "the file is no DEM that can be read", false},
	{DEMHoles, "cells without elevation", false},
	{DEMNoData, "a value that marks missing data by custom is not declared", false},
	{DEMNotElevation, "the values do not look like elevations", false},
	{DEMSpikes, "single cells far above or below their neighbours", false},
	{DEMSteps, "elevations come in steps", false},
	{DEMUnit, "the unit of elevations is not stated", true},
	{InputCoverage, "part of the DEM has no value of an input raster", false},
	{MachineRoom, "the disk or the memory is too small, or the job larger than a server allows", false},
	{MapsDaily, "which year daily maps are of", false},
	{ModelHemisphere, "the model was fitted in the northern hemisphere", false},
	{ModelKappa, "wetness and effective precipitation are correlated over the DEM", false},
	{ModelProduction, "the production of EEMT-TOPO is outside the range of its fit", false},
	{ModelTrad, "EEMT-TRAD is zero, or far from what mean climate gives", false},
	{ModelWetness, "the topographic wetness index was limited", false},
	{Turbidity, "turbidity differs from the climatology", false},
}

// Kinds lists all codes with their meaning.
func Kinds() []Kind { return slices.Clone(kinds) }

// Settleable reports whether a refusal of the code can be accepted.
func (c Code) Settleable() bool {
	i := slices.IndexFunc(kinds, func(k Kind) bool { return k.Code == c })
	return i >= 0 && kinds[i].Settleable
}

// ParseCodes reads a list of codes, separated by commas.
func ParseCodes(text string) ([]Code, error) {
	var list []Code
	for _, name := range strings.Split(text, ",") {
		name = strings.TrimSpace(name)
		if name == "" {
			continue
		}
		if !slices.ContainsFunc(kinds, func(k Kind) bool { return k.Code == Code(name) }) {
			return nil, fmt.Errorf("accept %q: must be a list of %s", name, strings.Join(Codes(), ", "))
		}
		if !slices.Contains(list, Code(name)) {
			list = append(list, Code(name))
		}
	}
	return list, nil
}

// Codes lists the names of all codes.
func Codes() []string {
	list := make([]string, len(kinds))
	for i, k := range kinds {
		list[i] = string(k.Code)
	}
	return list
}
