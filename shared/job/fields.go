package job

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
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

// Field describes one of Parameters: forms, process descriptions and their
// checks are made from it. Parameters.Validate has the last word.
type Field struct {
	// Name in JSON and forms.
	Name        string
	Title       string
	Description string
	Type        FieldType
	// Raster is set where the name of a GeoTIFF is taken too (see Input): what the
	// names of its record and of a file sent along begin with.
	Raster string
	// Sets are the JSON names of further parameters that it sets, RasterRecord aside.
	Sets []string
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
}

var fields = []Field{
	{Name: "step", Title: "Time step", Description: "minutes between two looks at the sun", Type: NumberField, Minimum: 1, Maximum: 60},
	{Name: "linke_value", Title: "Linke turbidity", Description: "for air mass 2; one value, or one per month", Type: NumberField, Monthly: true, Raster: "linke", Minimum: 1, Maximum: 8},
	{Name: "albedo_value", Title: "Albedo", Description: "share of radiation that the ground reflects; one value, or one per month", Type: NumberField, Monthly: true, Raster: "albedo", Minimum: 0, Maximum: 1},
	{Name: "kb", Title: "Real-sky factor of beam radiation", Description: "one value, or one per month; 1 is clear sky", Type: NumberField, Monthly: true, Raster: "kb", Minimum: 0, Maximum: 1},
	{Name: "kd", Title: "Real-sky factor of diffuse radiation", Description: "one value, or one per month; 1 is clear sky", Type: NumberField, Monthly: true, Raster: "kd", Minimum: 0, Maximum: 1},
	{
		Name: "kc", Title: "Clear-sky index", Description: "of the global radiation: one value, or one per month; climate takes it from the climate's radiation (eemt)",
		Type: NumberField, Monthly: true, Raster: "kc", Sets: []string{"kc_climate"}, Minimum: 0.2, Maximum: 1,
	},
	{Name: "start_year", Title: "First climate year", Description: "first year of the climate", Type: IntegerField, Minimum: FirstYear, Maximum: LastYear},
	{Name: "end_year", Title: "Last climate year", Description: "last year of the climate, at most 60 years in one job", Type: IntegerField, Minimum: FirstYear, Maximum: LastYear},
	{
		Name: "climate", Title: "Climate", Description: "source of the climate: table:FILE.csv, pixel:FILE.csv, raster:TEMPLATE or daymet:BASE; or the text of a table",
		Type: StringField, MediaType: "text/csv", Only: EEMT,
	},
	{
		Name: "climate_elevation", Title: "Elevation of the climate", Description: "elevation that the climate holds for: metres for a table, a raster or \"dem\" for rasters",
		Type: StringField, Only: EEMT,
	},
	{
		Name: "dem_crs", Title: "Coordinate system of the DEM", Description: "for a file that states none, or only in text: EPSG:CODE, or the text of a .prj file; empty leaves it to the file",
		Type: StringField,
	},
	{Name: "north", Title: "North", Description: "slopes and shadows follow true north, or the grid's as in r.sun", Type: StringField, Allowed: []string{"true", "grid"}},
	{Name: "shadows", Title: "Shadows", Description: "whether terrain casts shadows", Type: StringField, Allowed: []string{"on", "off"}},
	{
		Name: "maps", Title: "Maps", Description: "all, or annual: those of the terrain and of whole years, for DEMs whose months would fill the disk",
		Type: StringField, Allowed: []string{string(AllMaps), string(AnnualMaps)},
	},
	{Name: "daily", Title: "Daily maps", Description: "also a map of each of 365 days", Type: BooleanField},
	{Name: "layers", Title: "Further maps", Description: "maps on request", Type: StringField, Items: layerNames()},
	{Name: "method", Title: "Method", Description: "the fast integrator, or the slow reference", Type: StringField, Allowed: []string{"fast", "reference"}},
	{Name: "tile_size", Title: "Tile size", Description: "side of a tile, 32 to 4096 cells; 0 lets the planner choose", Type: IntegerField, Minimum: 0, Maximum: 4096},
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

// RasterFile is the field of a form that a raster is sent along in.
func (f Field) RasterFile() string { return f.beside("_file") }

func (f Field) beside(suffix string) string {
	if f.Raster == "" {
		return ""
	}
	return f.Raster + suffix
}

// Input is the name that the parameter has among Parameters.Inputs.
func (f Field) Input() string { return strings.ReplaceAll(f.Name, "_", "-") }

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

// FieldOf finds a parameter by name.
func FieldOf(name string) (Field, bool) {
	i := slices.IndexFunc(fields, func(f Field) bool { return f.Name == name })
	if i < 0 {
		return Field{}, false
	}
	return fields[i], true
}

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
		if f.Monthly || len(f.Items) > 0 {
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

// FieldError is a value that a parameter does not take.
type FieldError struct {
	Name    string
	Value   string // as given, shortened
	Allowed string // in words
}

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

// SetText gives the parameter a value as a form holds it. It leaves the range to
// Parameters.Validate, whose sentence names the unit.
func (f Field) SetText(p *Parameters, text string) error {
	var value any = text
	var err error
	switch {
	case f.Raster != "":
		if err := p.SetInput(f.Input(), text); err != nil {
			return err
		}
		return nil
	case len(f.Items) > 0:
		list, err := ParseLayers(text)
		if err != nil {
			return err
		}
		p.Layers = list
		return nil
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
		return fmt.Errorf("%s %q: not a valid value: %w", f.Name, text, err)
	}
	data, err := json.Marshal(map[string]any{f.Name: value})
	if err == nil {
		err = json.Unmarshal(data, p)
	}
	if err != nil { // NaN or Inf among twelve values
		return errors.Join(f.refuse(text))
	}
	return nil
}
