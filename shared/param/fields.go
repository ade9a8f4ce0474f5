package param

import (
	"cmp"
	"encoding/json"
	"fmt"
	"reflect"
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

// Field describes one of Parameters. Flags with their help and completion, forms, process descriptions and most of
// Parameters.Validate are made from it: a row of the table is all that a plain parameter needs.
type Field struct {
	// Name in JSON and forms.
	Name  string
	Title string
	// Description says what the parameter does, in words that stand without the title. The range is added where it is shown.
	Description string
	// Also says what a value outside the range means.
	Also  string
	Group Group
	Type  FieldType
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
	// Monthly takes one value, or twelve for January to December.
	Monthly bool
	// Minimum and Maximum bound a number; both 0 mean no bound.
	Minimum, Maximum float64
	// Allowed lists the values of a string; nil means any.
	Allowed []string
	// MediaType is set where the content of a small file may stand in place of the string.
	MediaType string
	// Only is the workflow that takes it; empty means all.
	Only Workflow
	// list reads the text of a list that has more to it than Items.
	list func(text string) (any, error)
}

var fields = []Field{
	{
		Name: "step", Title: "Time step", Description: "time step of the sun's position in minutes",
		Type: NumberField, Unit: "minutes", Minimum: 1, Maximum: 60,
	},
	{
		Name: "linke_value", Title: "Linke turbidity", Description: "Linke turbidity for air mass 2", Also: "climatology takes that of the place, by month",
		Group: GroupGround, Type: NumberField, Placeholder: "value", Monthly: true, Raster: "linke", Word: FromClimatology, Minimum: 1, Maximum: 8,
	},
	{
		Name: "albedo_value", Title: "Albedo", Description: "share of radiation that the ground reflects",
		Group: GroupGround, Type: NumberField, Placeholder: "value", Monthly: true, Raster: "albedo", Minimum: 0, Maximum: 1,
	},
	{
		Name: "kb", Title: "Real-sky factor of beam radiation", Description: "real-sky factor of beam radiation, 1 under a clear sky",
		Group: GroupGround, Type: NumberField, Placeholder: "value", Unset: "1", Monthly: true, Raster: "kb", Minimum: 0, Maximum: 1,
	},
	{
		Name: "kd", Title: "Real-sky factor of diffuse radiation", Description: "real-sky factor of diffuse radiation, 1 under a clear sky",
		Group: GroupGround, Type: NumberField, Placeholder: "value", Unset: "1", Monthly: true, Raster: "kd", Minimum: 0, Maximum: 1,
	},
	{
		Name: "kc", Title: "Clear-sky index", Description: "clear-sky index, applied to global radiation only", Also: "with eemt, climate takes it from the radiation in the climate",
		Group: GroupGround, Type: NumberField, Placeholder: "value", Unset: "1", Monthly: true, Raster: "kc", Word: FromClimate, Minimum: 0.2, Maximum: 1,
	},
	{
		Name: "climate", Title: "Climate", Description: "source of the climate: table:FILE.csv, pixel:FILE.csv, raster:TEMPLATE or daymet:BASE",
		Group: GroupClimate, Type: StringField, Placeholder: "source", MediaType: "text/csv", Only: EEMT,
	},
	{
		Name: "climate_elevation", Title: "Elevation of the climate", Description: "elevation that the climate holds for: metres for a table, a raster or \"dem\" for rasters",
		Group: GroupClimate, Type: StringField, Placeholder: "elevation", Unset: "that of the table, or dem", Only: EEMT,
	},
	{
		Name: "dem_crs", Title: "Coordinate system of the DEM", Description: "coordinate system of a DEM that states none, or a wrong one: EPSG:CODE, or the text of a .prj file",
		Group: GroupBasic, Type: StringField, Placeholder: "EPSG:CODE", Unset: "that of the file",
	},
	{
		Name: "climate_units", Title: "Units of the climate", Description: "units that the climate is converted from, as in temperature=K,precipitation=inch,vapour=hPa",
		Group: GroupClimate, Type: StringField, Placeholder: "units", Unset: "temperature=C,precipitation=mm,vapour=Pa", Only: EEMT,
	},
	{
		Name: "elevation_unit", Title: "Unit of elevations", Description: "unit of the elevations in the DEM; file: the one that the file states, metres where it states none",
		Group: GroupBasic, Type: StringField, Placeholder: "unit", Allowed: ElevationUnits(),
	},
	{
		Name: "nodata", Title: "Missing data", Description: "stored values that mark missing data in the DEM, beside the one that the file declares: up to 8 numbers, separated by commas",
		Group: GroupBasic, Type: StringField, Placeholder: "values", Unset: "none",
	},
	{
		Name: "start_year", Title: "First climate year", Description: "first year of the climate",
		Group: GroupClimate, Type: IntegerField, Placeholder: "year", Minimum: FirstYear, Maximum: LastYear,
	},
	{
		Name: "end_year", Title: "Last climate year", Description: "last year of the climate, at most 60 years in one job",
		Group: GroupClimate, Type: IntegerField, Placeholder: "year", Minimum: FirstYear, Maximum: LastYear,
	},
	{
		Name: "maps", Title: "Maps", Description: "all, or annual: terrain and whole years only, which takes a small part of the disk",
		Group: GroupOutput, Type: StringField, Allowed: []string{string(AllMaps), string(AnnualMaps)},
	},
	{
		Name: "daily", Title: "Daily maps", Description: "also write a map of each of the 365 days",
		Group: GroupOutput, Type: BooleanField,
	},
	{
		Name: "layers", Title: "Further maps", Description: "further maps to write",
		Group: GroupOutput, Type: StringField, Placeholder: "names", Items: layerNames(), list: func(text string) (any, error) { return ParseLayers(text) },
	},
	{
		Name: "accept", Title: "Accepted findings", Description: "codes of doubts about the inputs that are right, and of refusals that can be settled",
		Group: GroupOutput, Type: StringField, Placeholder: "codes", Items: finding.Codes(), list: func(text string) (any, error) { return finding.ParseCodes(text) },
	},
	{
		Name: "strict", Title: "Strict", Description: "let a doubt about the inputs stop the job",
		Group: GroupOutput, Type: BooleanField,
	},
	{
		Name: "north", Title: "North", Description: "true: slopes and shadows follow true north; grid: the grid's north, as in r.sun",
		Group: GroupExpert, Type: StringField, Allowed: []string{"true", "grid"},
	},
	{
		Name: "shadows", Title: "Shadows", Description: "on: terrain casts shadows; off: slopes only shade themselves",
		Group: GroupExpert, Type: StringField, Allowed: []string{"on", "off"},
	},
	{
		Name: "method", Title: "Method", Description: "fast, or reference: the plain integrator, which is slow",
		Group: GroupExpert, Type: StringField, Allowed: []string{"fast", "reference"},
	},
	{
		Name: "tile_size", Title: "Tile size", Description: "side of a tile, 32 to 4096 cells, or 0 for the planner's choice; does not affect results",
		Group: GroupExpert, Type: IntegerField, Unit: "cells", Unset: "about ten seconds of work", Minimum: 0, Maximum: 4096,
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
	// Numbers, strings and booleans always encode.
	data, _ := json.Marshal(DefaultParameters())
	var all map[string]json.RawMessage
	_ = json.Unmarshal(data, &all)
	v, ok := all[f.Name]
	if !ok {
		p := DefaultParameters()
		if v, _ := f.in(&p); f.Monthly || len(f.Items) > 0 || v.Kind() == reflect.Pointer {
			return nil
		}
		switch f.Type {
		case BooleanField:
			return json.RawMessage("false")
		case IntegerField, NumberField:
			return json.RawMessage("0")
		}
		if len(f.Allowed) > 0 { // what records leave out is the first
			return json.RawMessage(strconv.Quote(f.Allowed[0]))
		}
		return nil
	}
	var one []json.RawMessage
	if f.Monthly && json.Unmarshal(v, &one) == nil && len(one) == 1 {
		return one[0]
	}
	return v
}

// in is the parameter's place among p; optional is set where records leave out its zero value.
func (f Field) in(p *Parameters) (v reflect.Value, optional bool) {
	v = reflect.ValueOf(p).Elem()
	for _, member := range reflect.VisibleFields(v.Type()) {
		if name, options, _ := strings.Cut(member.Tag.Get("json"), ","); name == f.Name {
			return v.FieldByIndex(member.Index), options != ""
		}
	}
	return reflect.Value{}, true
}

// check reports a value of p outside the range that the table states. A value left out has none; rasters and lists with
// a reader of their own are checked by Parameters.Validate.
func (f Field) check(p *Parameters, fail func(format string, args ...any)) {
	v, optional := f.in(p)
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	if f.Raster != "" || f.list != nil || !v.IsValid() || optional && v.IsZero() {
		return
	}
	switch v.Kind() {
	case reflect.Float64, reflect.Int:
		n := v.Convert(reflect.TypeFor[float64]()).Float()
		if f.Minimum != f.Maximum && !(n >= f.Minimum && n <= f.Maximum) {
			fail("%s %v: must be %g to %g%s", f.Flag(), v, f.Minimum, f.Maximum, strings.TrimSuffix(" "+f.Unit, " "))
		}
	case reflect.String:
		if len(f.Allowed) > 0 && !slices.Contains(f.Allowed, v.String()) {
			fail("%s %.80q: must be %s", f.Flag(), v.String(), strings.Join(f.Allowed, " or "))
		}
	case reflect.Slice:
		for i := range v.Len() {
			if item := v.Index(i).String(); len(f.Items) > 0 && !slices.Contains(f.Items, item) {
				fail("%s %.80q: must be among %s", f.Flag(), item, strings.Join(f.Items, ", "))
			}
		}
	}
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

// Set gives the parameter a value in JSON. The error is a *FieldError.
func (f Field) Set(p *Parameters, value json.RawMessage) error {
	text := string(value)
	var words string
	if json.Unmarshal(value, &words) == nil && (f.Raster != "" || len(f.Items) > 0) && text != "null" {
		if f.SetText(p, words) != nil {
			return f.refuse(text)
		}
		return nil
	}
	if len(f.Items) > 0 {
		var list []string
		if json.Unmarshal(value, &list) != nil || f.SetText(p, strings.Join(list, ",")) != nil {
			return f.refuse(text)
		}
		return nil
	}
	numbers := []float64{}
	switch f.Type {
	case NumberField, IntegerField:
		var one float64
		switch {
		case text == "null":
			return f.refuse(text)
		case json.Unmarshal(value, &one) == nil:
			numbers = append(numbers, one)
		case !f.Monthly || json.Unmarshal(value, &numbers) != nil || len(numbers) != 1 && len(numbers) != 12:
			return f.refuse(text)
		}
		for _, v := range numbers {
			if f.Minimum != f.Maximum && !(v >= f.Minimum && v <= f.Maximum) || f.Type == IntegerField && v != float64(int(v)) {
				return f.refuse(text)
			}
		}
		if f.Monthly {
			value, _ = json.Marshal(numbers)
		} else if f.Type == IntegerField {
			value = json.RawMessage(strconv.Itoa(int(one)))
		}
	case BooleanField:
		if text != "true" && text != "false" {
			return f.refuse(text)
		}
	case StringField:
		var s string
		if text == "null" || json.Unmarshal(value, &s) != nil || len(f.Allowed) > 0 && !slices.Contains(f.Allowed, s) {
			return f.refuse(text)
		}
	}
	data, err := json.Marshal(map[string]json.RawMessage{f.Name: value})
	if err == nil {
		err = json.Unmarshal(data, p)
	}
	if err != nil {
		return f.refuse(text)
	}
	return nil
}

// SetText gives the parameter a value as a form or a flag holds it. It leaves the range to
// Parameters.Validate, whose sentence names the unit.
func (f Field) SetText(p *Parameters, text string) error {
	var value any = text
	var err error
	switch {
	case f.Raster != "":
		return p.SetInput(f.Input(), text)
	case f.list != nil:
		if value, err = f.list(text); err != nil {
			return err
		}
	case len(f.Items) > 0:
		value = items(text)
	case f.Monthly:
		value, err = ParseMonthly(text)
	case f.Type == NumberField:
		var v float64
		if v, err = strconv.ParseFloat(text, 64); err == nil && !(v > -1e300 && v < 1e300) {
			return &FieldError{Name: f.Name, Value: text, Allowed: f.Range()}
		}
		value = v
	case f.Type == IntegerField:
		value, err = strconv.Atoi(text)
	case f.Type == BooleanField:
		value, err = strconv.ParseBool(text)
	}
	if err != nil {
		return f.refuse(strconv.Quote(text))
	}
	data, err := json.Marshal(map[string]any{f.Name: value})
	if err == nil {
		err = json.Unmarshal(data, p)
	}
	if err != nil { // NaN or Inf among twelve values
		return f.refuse(strconv.Quote(text))
	}
	return nil
}

// items splits a list at its commas, each item once.
func items(text string) []string {
	var list []string
	for _, item := range strings.Split(text, ",") {
		if item = strings.TrimSpace(item); item != "" && !slices.Contains(list, item) {
			list = append(list, item)
		}
	}
	return list
}
