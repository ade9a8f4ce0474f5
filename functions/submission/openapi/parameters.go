package openapi

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/cyverse-gis/eemt/shared/param"
)

// The lines of openapi.yaml in whose place the parameters are defined.
const (
	formLine   = "        # the parameters of a form, from their table\n"
	recordLine = "        # the other parameters of a record, from their table\n"
)

// property is the schema of a form field, or of a member of a record.
type property struct {
	Type        string          `json:"type"`
	Format      string          `json:"format,omitempty"`
	Minimum     *float64        `json:"minimum,omitempty"`
	Maximum     *float64        `json:"maximum,omitempty"`
	Enum        []string        `json:"enum,omitempty"`
	Items       *property       `json:"items,omitempty"`
	Default     json.RawMessage `json:"default,omitempty"`
	Description string          `json:"description,omitempty"`
}

// withParameters defines the parameters of the table in the definition.
func withParameters(definition []byte) []byte {
	_, suite, _ := bytes.Cut(definition, []byte("\n    suiteParameters:\n")) // shows some in the old suite's way
	var form, record lines
	for _, f := range param.Fields("") {
		form.add(f.Name, ofForm(f))
		form.add(f.RasterFile(), property{Type: "string", Format: "binary", Description: "a GeoTIFF in place of " + f.Name + ", of one band or of twelve"})
		if !bytes.Contains(suite, []byte("\n        "+f.Name+": ")) {
			record.add(f.Name, ofRecord(f))
		}
		record.add(f.RasterRecord(), property{Type: "array", Items: &property{Type: "string"}})
		record.add(f.WordRecord(), property{Type: "boolean"})
	}
	definition = bytes.Replace(definition, []byte(formLine), form.Bytes(), 1)
	return bytes.Replace(definition, []byte(recordLine), record.Bytes(), 1)
}

// lines are properties as YAML, which JSON is too.
type lines struct{ bytes.Buffer }

func (l *lines) add(name string, p property) {
	if name == "" { // not every parameter takes a raster, or a word
		return
	}
	data, _ := json.Marshal(p) // text and numbers always encode
	_, _ = l.WriteString("        " + name + ": " + string(data) + "\n")
}

// ofForm is the schema of a parameter as a form holds it: lists and values by month are text.
func ofForm(f param.Field) property {
	p := property{Type: string(f.Type), Enum: f.Allowed, Default: f.Default(), Description: f.Help()}
	if f.Monthly || len(f.Items) > 0 {
		p.Type = string(param.StringField)
		if p.Default != nil {
			p.Default, _ = json.Marshal(strings.Trim(string(p.Default), `"`))
		}
		return p
	}
	if f.Minimum != f.Maximum {
		p.Minimum, p.Maximum = &f.Minimum, &f.Maximum
	}
	return p
}

// ofRecord is the schema of a parameter in the record of a job.
func ofRecord(f param.Field) property {
	p := property{Type: string(f.Type), Description: f.Words()}
	if f.Monthly || len(f.Items) > 0 {
		return property{Type: "array", Items: &property{Type: p.Type}, Description: p.Description}
	}
	return p
}
