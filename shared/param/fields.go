package param

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/cyverse-gis/eemt/shared/fault"

	"github.com/cyverse-gis/eemt/shared/finding"
)

// FieldType is the type of a parameter's value.
type FieldType string

// The types of a Field, by their JSON schema names.
const (
	NumberField  FieldType = "number"
	IntegerField FieldType = "integer"
	BooleanField FieldType = "boolean"
	StringField  FieldType = "string"
)

// Group is a heading that parameters stand under, in help and in forms.
type Group string

// The groups, in the order in which they are shown. A row without one is basic.
const (
	GroupBasic   Group = ""
	GroupGround  Group = "Atmosphere and ground"
	GroupClimate Group = "Climate"
	GroupOutput  Group = "Output"
	GroupExpert  Group = "Expert"
)

// Title is the heading in words.
func (g Group) Title() string { return cmp.Or(string(g), "Basic") }

// Field describes one of Parameters. Flags with their help and completion, forms, process descriptions, the definition
// of the API and most of Parameters.Validate are made from it: a row of the table is all that a plain parameter needs.
type Field struct {
	place
	// Name in JSON and forms.
	Name  string
	Title string
	// Description says what the parameter does, in words that stand without the title. The range is added where it is shown.
	Description string
	// Also says what a value outside the range means.
	Also  string
	Group Group
	// Placeholder stands for the value in help; without one the unit does, or the values allowed.
	Placeholder string
	// Unit of a number.
	Unit string
	// Unset says in words what a parameter without a default means when it is not given.
	Unset string
	// Raster is set where the name of a GeoTIFF is taken too (see Input): what the
	// names of its record and of a file sent along begin with.
	Raster string
	// Word may stand in place of values (see WordRecord).
	Word string
	// Items are the values that a list may hold; nil: it is no list.
	Items []string
	// Minimum and Maximum bound a number; both 0 mean no bound.
	Minimum, Maximum float64
	// Allowed lists the values of a string; nil means any.
	Allowed []string
	// Blank is set where an empty string stands for the first of Allowed.
	Blank bool
	// Required is set where the workflow cannot do without.
	Required bool
	// MediaType is set where the content of a small file may stand in place of the string.
	MediaType string
	// Only is the workflow that takes it; empty means all.
	Only Workflow
}

var fields = []Field{
	{
		Name: "step", Title: "Time step", Description: "time step of the sun's position in minutes",
		place: number(func(p *Parameters) *float64 { return &p.Step }),
		Unit:  "minutes", Minimum: 1, Maximum: 60,
	},
	{
		Name: "linke_value", Title: "Linke turbidity", Description: "Linke turbidity for air mass 2", Also: "climatology takes that of the place, by month",
		place: monthly(func(p *Parameters) Input {
			return Input{Values: &p.Linke, Rasters: &p.LinkeRaster, word: &p.LinkeClimatology}
		}),
		Group: GroupGround, Placeholder: "value", Raster: "linke", Word: FromClimatology, Minimum: 1, Maximum: 8,
	},
	{
		Name: "albedo_value", Title: "Albedo", Description: "share of radiation that the ground reflects",
		place: monthly(func(p *Parameters) Input { return Input{Values: &p.Albedo, Rasters: &p.AlbedoRaster} }),
		Group: GroupGround, Placeholder: "value", Raster: "albedo", Minimum: 0, Maximum: 1,
	},
	{
		Name: "kb", Title: "Real-sky factor of beam radiation", Description: "real-sky factor of beam radiation, 1 under a clear sky",
		place: monthly(func(p *Parameters) Input { return Input{Values: &p.KB, Rasters: &p.KBRaster} }),
		Group: GroupGround, Placeholder: "value", Unset: "1", Raster: "kb", Minimum: 0, Maximum: 1,
	},
	{
		Name: "kd", Title: "Real-sky factor of diffuse radiation", Description: "real-sky factor of diffuse radiation, 1 under a clear sky",
		place: monthly(func(p *Parameters) Input { return Input{Values: &p.KD, Rasters: &p.KDRaster} }),
		Group: GroupGround, Placeholder: "value", Unset: "1", Raster: "kd", Minimum: 0, Maximum: 1,
	},
	{
		Name: "kc", Title: "Clear-sky index", Description: "clear-sky index, applied to global radiation only", Also: "with eemt, climate takes it from the radiation in the climate",
		place: monthly(func(p *Parameters) Input { return Input{Values: &p.KC, Rasters: &p.KCRaster, word: &p.KCClimate} }),
		Group: GroupGround, Placeholder: "value", Unset: "1", Raster: "kc", Word: FromClimate, Minimum: 0.2, Maximum: 1,
	},
	{
		Name: "climate", Title: "Climate", Description: "source of the climate: table:FILE.csv, pixel:FILE.csv, raster:TEMPLATE or daymet:BASE",
		place: text(func(p *Parameters) *string { return &p.Climate }),
		Group: GroupClimate, Placeholder: "source", MediaType: "text/csv", Only: EEMT, Required: true,
	},
	{
		Name: "climate_elevation", Title: "Elevation of the climate", Description: "elevation that the climate holds for: metres for a table, a raster or \"dem\" for rasters",
		place: text(func(p *Parameters) *string { return &p.ClimateElevation }),
		Group: GroupClimate, Placeholder: "elevation", Unset: "that of the table, or dem", Only: EEMT,
	},
	{
		Name: "dem_crs", Title: "Coordinate system of the DEM", Description: "coordinate system of a DEM that states none, or a wrong one: EPSG:CODE, or the text of a .prj file",
		place: text(func(p *Parameters) *string { return &p.DEMCRS }),
		Group: GroupBasic, Placeholder: "EPSG:CODE", Unset: "that of the file",
	},
	{
		Name: "climate_units", Title: "Units of the climate", Description: "units that the climate is converted from, as in temperature=K,precipitation=inch,vapour=hPa",
		place: text(func(p *Parameters) *string { return &p.ClimateUnits }),
		Group: GroupClimate, Placeholder: "units", Unset: "temperature=C,precipitation=mm,vapour=Pa", Only: EEMT,
	},
	{
		Name: "elevation_unit", Title: "Unit of elevations", Description: "unit of the elevations in the DEM; file: the one that the file states, metres where it states none",
		place: text(func(p *Parameters) *ElevationUnit { return &p.ElevationUnit }),
		Group: GroupBasic, Placeholder: "unit", Allowed: ElevationUnits(), Blank: true,
	},
	{
		Name: "nodata", Title: "Missing data", Description: "stored values that mark missing data in the DEM, beside the one that the file declares: up to 8 numbers, separated by commas",
		place: text(func(p *Parameters) *string { return &p.NoData }),
		Group: GroupBasic, Placeholder: "values", Unset: "none",
	},
	{
		Name: "start_year", Title: "First climate year", Description: "first year of the climate",
		place: integer(func(p *Parameters) *int { return &p.StartYear }),
		Group: GroupClimate, Placeholder: "year", Minimum: FirstYear, Maximum: LastYear,
	},
	{
		Name: "end_year", Title: "Last climate year", Description: "last year of the climate, at most 60 years in one job",
		place: integer(func(p *Parameters) *int { return &p.EndYear }),
		Group: GroupClimate, Placeholder: "year", Minimum: FirstYear, Maximum: LastYear,
	},
	{
		Name: "maps", Title: "Maps", Description: "all, or annual: terrain and whole years only, which takes a small part of the disk",
		place: text(func(p *Parameters) *Maps { return &p.Maps }),
		Group: GroupOutput, Allowed: []string{string(AllMaps), string(AnnualMaps)}, Blank: true,
	},
	{
		Name: "daily", Title: "Daily maps", Description: "also write a map of each of the 365 days",
		place: boolean(func(p *Parameters) *bool { return &p.Daily }),
		Group: GroupOutput,
	},
	{
		Name: "layers", Title: "Further maps", Description: "further maps to write",
		place: list(func(p *Parameters) *[]Layer { return &p.Layers }, ParseLayers),
		Group: GroupOutput, Placeholder: "names", Items: layerNames(),
	},
	{
		Name: "accept", Title: "Accepted findings", Description: "codes of doubts about the inputs that are right, and of refusals that can be settled",
		place: list(func(p *Parameters) *[]finding.Code { return &p.Accept }, finding.ParseCodes),
		Group: GroupOutput, Placeholder: "codes", Items: finding.Codes(),
	},
	{
		Name: "strict", Title: "Strict", Description: "let a doubt about the inputs stop the job",
		place: boolean(func(p *Parameters) *bool { return &p.Strict }),
		Group: GroupOutput,
	},
	{
		Name: "north", Title: "North", Description: "true: slopes and shadows follow true north; grid: the grid's north, as in r.sun",
		place: text(func(p *Parameters) *string { return &p.North }),
		Group: GroupExpert, Allowed: []string{"true", "grid"},
	},
	{
		Name: "shadows", Title: "Shadows", Description: "on: terrain casts shadows; off: slopes only shade themselves",
		place: text(func(p *Parameters) *string { return &p.Shadows }),
		Group: GroupExpert, Allowed: []string{"on", "off"},
	},
	{
		Name: "method", Title: "Method", Description: "fast, or reference: the plain integrator, which is slow",
		place: text(func(p *Parameters) *string { return &p.Method }),
		Group: GroupExpert, Allowed: []string{"fast", "reference"},
	},
	{
		Name: "tile_size", Title: "Tile size", Description: "side of a tile, 32 to 4096 cells, or 0 for the planner's choice; does not affect results",
		place: integer(func(p *Parameters) *int { return &p.TileSize }),
		Group: GroupExpert, Unit: "cells", Unset: "about ten seconds of work", Minimum: 0, Maximum: 4096,
	},
}

// Fields lists the parameters that a workflow takes; an empty workflow means all.
func Fields(w Workflow) []Field {
	var list []Field
	for _, f := range fields {
		if w == "" || f.Only == "" || f.Only == w {
			list = append(list, f)
		}
	}
	return list
}

// RasterRecord is the JSON name of the rasters that a parameter takes; empty if it
// takes none.
func (f Field) RasterRecord() string { return f.beside("_raster") }

// WordRecord is the JSON name of the parameter that is true where the word was given;
// empty if none is taken.
func (f Field) WordRecord() string {
	if f.Word == "" {
		return ""
	}
	return f.Raster + "_" + f.Word
}

// RasterFile is the field of a form that a raster is sent along in.
func (f Field) RasterFile() string { return f.beside("_file") }

func (f Field) beside(suffix string) string {
	if f.Raster == "" {
		return ""
	}
	return f.Raster + suffix
}

// Flag is the name of the parameter's flag.
func (f Field) Flag() string { return strings.ReplaceAll(f.Name, "_", "-") }

// Input is the name that the parameter has among Parameters.Inputs.
func (f Field) Input() string { return f.Flag() }

// RasterField finds a parameter that takes rasters by its own name, that of its
// record, or that of a file sent along.
func RasterField(name string) (Field, bool) {
	i := slices.IndexFunc(fields, func(f Field) bool {
		return f.Raster != "" && (name == f.Name || name == f.RasterRecord() || name == f.RasterFile())
	})
	if i < 0 {
		return Field{}, false
	}
	return fields[i], true
}

// WordField finds a parameter that takes a word by the name under which records hold that
// it was given.
func WordField(record string) (Field, bool) {
	i := slices.IndexFunc(fields, func(f Field) bool { return f.Word != "" && f.WordRecord() == record })
	if i < 0 {
		return Field{}, false
	}
	return fields[i], true
}

// FieldOf finds a parameter by name.
func FieldOf(name string) (Field, bool) {
	i := slices.IndexFunc(fields, func(f Field) bool { return f.Name == name })
	if i < 0 {
		return Field{}, false
	}
	return fields[i], true
}

// ValueWords are what stands for the value in help; a switch has none.
func (f Field) ValueWords() string {
	switch {
	case f.Placeholder != "":
		return f.Placeholder
	case f.Type == BooleanField:
		return ""
	case len(f.Items) > 0:
		return "names"
	case len(f.Allowed) > 0:
		return strings.Join(f.Allowed, "|")
	case f.Type == StringField:
		return "text"
	}
	return cmp.Or(f.Unit, "number")
}

// Words say what the parameter does, and that it may change from month to month.
func (f Field) Words() string {
	text := f.Description
	if f.Monthly {
		text += ": one value, or twelve for January to December"
	}
	return f.withAlso(text)
}

// Help says what the parameter does and which values it takes.
func (f Field) Help() string {
	text := f.Description
	if f.Minimum != f.Maximum && !strings.Contains(text, fmt.Sprintf("to %g", f.Maximum)) {
		text += fmt.Sprintf(", %g to %g", f.Minimum, f.Maximum)
	}
	switch {
	case len(f.Items) > 0:
		text += ", separated by commas"
		if len(f.Items) <= mostListed { // completion lists more
			text += ": " + strings.Join(f.Items, ", ")
		}
	case f.Monthly && f.Raster != "":
		text += ": one value, twelve for January to December, or GeoTIFFs"
	case f.Monthly:
		text += ": one value, or twelve for January to December"
	}
	return f.withAlso(text)
}

func (f Field) withAlso(text string) string {
	if f.Also != "" {
		text += "; " + f.Also
	}
	return text
}

// mostListed is how many items of a list the help names.
const mostListed = 8

// Range says in words which values are allowed; empty means any.
func (f Field) Range() string {
	var text string
	switch {
	case len(f.Items) > 0:
		return "a list of " + strings.Join(f.Items, ", ")
	case len(f.Allowed) > 0:
		return strings.Join(f.Allowed, " or ")
	case f.Type == BooleanField:
		return "true or false"
	case f.Minimum != f.Maximum:
		text = fmt.Sprintf("%g to %g", f.Minimum, f.Maximum)
	}
	if f.Monthly {
		text += ", one value or one for each of the 12 months"
	}
	if f.Raster != "" {
		text += ", or the name of a GeoTIFF"
	}
	if f.Word != "" {
		text += ", or " + f.Word
	}
	return text
}

// Default returns the value the parameter has when nobody sets it, as JSON; nil
// when it has none.
func (f Field) Default() json.RawMessage {
	p := DefaultParameters()
	v := f.get(&p)
	switch value := v.(type) {
	case []string:
		return nil
	case []float64:
		if len(value) == 0 {
			return nil
		}
		v = value[0]
	case string:
		if value == "" {
			return nil
		}
	}
	// Numbers, strings and booleans always encode.
	data, _ := json.Marshal(v)
	return data
}

// takes reports whether a value is within the range that the table states.
func (f Field) takes(v any) bool {
	switch v := v.(type) {
	case float64:
		return f.Minimum == f.Maximum || v >= f.Minimum && v <= f.Maximum
	case int:
		return f.takes(float64(v))
	case []float64:
		return !slices.ContainsFunc(v, func(one float64) bool { return !f.takes(one) })
	case string:
		return len(f.Allowed) == 0 || slices.Contains(f.Allowed, v) || f.Blank && v == ""
	}
	return true
}

// check reports a value of p outside the range that the table states. Values by month and lists are checked by
// Parameters.Validate.
func (f Field) check(p *Parameters, fail func(format string, args ...any)) {
	v := f.get(p)
	if f.Monthly || f.takes(v) {
		return
	}
	if text, ok := v.(string); ok {
		fail("%s %.80q: must be %s", f.Flag(), text, strings.Join(f.Allowed, " or "))
		return
	}
	fail("%s %v: must be %g to %g%s", f.Flag(), v, f.Minimum, f.Maximum, strings.TrimSuffix(" "+f.Unit, " "))
}

// FieldError is a value that a parameter does not take.
type FieldError struct {
	Name    string
	Value   string // as given, shortened
	Allowed string // in words
}

// FaultKind is Invalid.
func (e *FieldError) FaultKind() fault.Kind { return fault.Invalid }

func (e *FieldError) Error() string {
	return fmt.Sprintf("%s %s: must be %s", e.Name, e.Value, e.Allowed)
}

func (f Field) refuse(value string) error {
	const longest = 80
	if len(value) > longest {
		value = strings.ToValidUTF8(value[:longest], "") + "..."
	}
	allowed := f.Range()
	if allowed == "" || f.Type == IntegerField || f.Type == NumberField {
		article := "a "
		if f.Type == IntegerField {
			article = "an "
		}
		allowed = strings.TrimSuffix(article+string(f.Type)+" of "+allowed, " of ")
	}
	return &FieldError{Name: f.Name, Value: value, Allowed: allowed}
}

// Set gives the parameter a value in JSON. The error is a *FieldError. What is refused leaves p as it is.
func (f Field) Set(p *Parameters, value json.RawMessage) error {
	if words, ok := decode[string](value); ok && (f.Raster != "" || len(f.Items) > 0) {
		if f.SetText(p, words) != nil {
			return f.refuse(string(value))
		}
		return nil
	}
	v, ok := f.decode(value)
	if !ok || !f.takes(v) || v == "" && len(f.Allowed) > 0 {
		return f.refuse(string(value))
	}
	f.set(p, v)
	return nil
}

// SetText gives the parameter a value as a form or a flag holds it. It leaves the range to
// Parameters.Validate, whose sentence names the unit.
func (f Field) SetText(p *Parameters, text string) error {
	if f.Raster != "" {
		return p.SetInput(f.Input(), text)
	}
	v, err := f.parse(text)
	switch {
	case err == nil:
		f.set(p, v)
	case len(f.Items) == 0:
		err = f.refuse(strconv.Quote(text))
	}
	return err
}
