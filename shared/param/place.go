package param

import (
	"encoding/json"
	"strconv"
	"strings"
)

// place is where a parameter stands among Parameters, and how its values are read. Values are of the types float64, int,
// bool, string, []float64 (those by month) and []string (lists).
type place struct {
	Type FieldType
	// Monthly is set where one value is taken, or twelve for January to December.
	Monthly bool
	get     func(p *Parameters) any
	// set takes a value that get, parse or decode gives.
	set func(p *Parameters, v any)
	// parse reads the text of a form or of a flag.
	parse func(text string) (any, error)
	// decode reads JSON; it reports false for another type of value.
	decode func(value json.RawMessage) (any, bool)
	// input is set where Monthly.
	input func(p *Parameters) Input
}

// decode reads a value that is neither null nor of another type.
func decode[T any](value json.RawMessage) (v T, ok bool) {
	var at *T
	if json.Unmarshal(value, &at) != nil || at == nil {
		return v, false
	}
	return *at, true
}

// plain is the place of a single value.
func plain[T any](t FieldType, at func(p *Parameters) *T, parse func(text string) (T, error)) place {
	return place{
		Type: t,
		get:  func(p *Parameters) any { return *at(p) }, set: func(p *Parameters, v any) { *at(p) = v.(T) },
		parse:  func(text string) (any, error) { return parse(text) },
		decode: func(value json.RawMessage) (any, bool) { return decode[T](value) },
	}
}

func number(at func(p *Parameters) *float64) place {
	return plain(NumberField, at, func(text string) (float64, error) { return strconv.ParseFloat(text, 64) })
}

func boolean(at func(p *Parameters) *bool) place { return plain(BooleanField, at, strconv.ParseBool) }

func integer(at func(p *Parameters) *int) place {
	of := plain(IntegerField, at, strconv.Atoi)
	of.decode = func(value json.RawMessage) (any, bool) { // 2e3 is an integer too
		v, ok := decode[float64](value)
		return int(v), ok && v == float64(int(v))
	}
	return of
}

func text[T ~string](at func(p *Parameters) *T) place {
	return place{
		Type: StringField,
		get:  func(p *Parameters) any { return string(*at(p)) }, set: func(p *Parameters, v any) { *at(p) = T(v.(string)) },
		parse:  func(text string) (any, error) { return text, nil },
		decode: func(value json.RawMessage) (any, bool) { return decode[string](value) },
	}
}

// list is the place of names that parse reads, separated by commas.
func list[T ~string](at func(p *Parameters) *[]T, parse func(text string) ([]T, error)) place {
	read := func(text string) (any, error) {
		values, err := parse(text)
		names := make([]string, len(values))
		for i, v := range values {
			names[i] = string(v)
		}
		return names, err
	}
	return place{
		Type: StringField,
		get: func(p *Parameters) any {
			names := make([]string, len(*at(p)))
			for i, v := range *at(p) {
				names[i] = string(v)
			}
			return names
		},
		set: func(p *Parameters, v any) {
			var values []T
			for _, name := range v.([]string) {
				values = append(values, T(name))
			}
			*at(p) = values
		},
		parse: read,
		decode: func(value json.RawMessage) (any, bool) {
			var names []string // null is none
			if json.Unmarshal(value, &names) != nil {
				return nil, false
			}
			v, err := read(strings.Join(names, ","))
			return v, err == nil
		},
	}
}

// monthly is the place of an Input. Its text is read by Parameters.SetInput.
func monthly(input func(p *Parameters) Input) place {
	return place{
		Type: NumberField, Monthly: true, input: input,
		get: func(p *Parameters) any { return *input(p).Values }, set: func(p *Parameters, v any) { *input(p).Values = v.([]float64) },
		decode: func(value json.RawMessage) (any, bool) {
			if one, ok := decode[float64](value); ok {
				return []float64{one}, true
			}
			values, ok := decode[[]float64](value)
			return values, ok && (len(values) == 1 || len(values) == 12)
		},
	}
}
