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

const rasterWords = "in place of values, GeoTIFF of one or twelve bands: an https address, or an object of the bucket under climate/; {month} stands for 01 to 12"

var fields = []Field{
	{Name: "step", Title: "Time step", Description: "minutes between two looks at the sun", Type: NumberField, Minimum: 1, Maximum: 60},
	{Name: "linke_value", Title: "Linke turbidity", Description: "for air mass 2; one value, or one per month", Type: NumberField, Monthly: true, Minimum: 1, Maximum: 8},
	{Name: "albedo_value", Title: "Albedo", Description: "share of radiation that the ground reflects; one value, or one per month", Type: NumberField, Monthly: true, Minimum: 0, Maximum: 1},
	{Name: "kb", Title: "Beam factor", Description: "beam radiation under the real sky over that of a clear one; one value, or one per month; 1 if left out", Type: NumberField, Monthly: true, Minimum: 0, Maximum: 1},
	{Name: "kd", Title: "Diffuse factor", Description: "diffuse radiation under the real sky over that of a clear one; one value, or one per month; 1 if left out", Type: NumberField, Monthly: true, Minimum: 0, Maximum: 1},
	{Name: "kc", Title: "Clear-sky index", Description: "global radiation under clouds over that of a clear sky; one value, or one per month; 1 if left out", Type: NumberField, Monthly: true, Minimum: 0.2, Maximum: 1},
	{Name: "kc_climate", Title: "Clear-sky index from the climate", Description: "take the clear-sky index from the radiation of a pixel:FILE.csv", Type: BooleanField, Only: EEMT},
	{Name: "linke_raster", Title: "Raster of Linke turbidity", Description: rasterWords, Type: StringField},
	{Name: "albedo_raster", Title: "Raster of albedo", Description: rasterWords, Type: StringField},
	{Name: "kb_raster", Title: "Raster of the beam factor", Description: rasterWords, Type: StringField},
	{Name: "kd_raster", Title: "Raster of the diffuse factor", Description: rasterWords, Type: StringField},
	{Name: "kc_raster", Title: "Raster of the clear-sky index", Description: rasterWords, Type: StringField},
	{Name: "layers", Title: "Layers", Description: "more maps, names separated by commas: beam, diffuse, reflected, horizon, skyview", Type: StringField},
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
	{Name: "north", Title: "North", Description: "slopes and shadows follow true north, or the grid's as in r.sun", Type: StringField, Allowed: []string{"true", "grid"}},
	{Name: "shadows", Title: "Shadows", Description: "whether terrain casts shadows", Type: StringField, Allowed: []string{"on", "off"}},
	{Name: "daily", Title: "Daily maps", Description: "also a map of each of 365 days", Type: BooleanField},
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
		switch f.Type {
		case BooleanField:
			return json.RawMessage("false")
		case IntegerField, NumberField:
			if f.Monthly { // left out
				return nil
			}
			return json.RawMessage("0")
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
