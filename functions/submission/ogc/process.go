package ogc

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/cyverse-gis/eemt/functions/submission/problem"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/param"
	"github.com/cyverse-gis/eemt/shared/product"
)

// Summary is processSummary.yaml.
type Summary struct {
	ID                 string   `json:"id"`
	Title              string   `json:"title"`
	Description        string   `json:"description"`
	Keywords           []string `json:"keywords"`
	Version            string   `json:"version"`
	JobControlOptions  []string `json:"jobControlOptions"`
	OutputTransmission []string `json:"outputTransmission"`
	Links              []Link   `json:"links"`
}

// Schema is a JSON schema as OpenAPI 3.0 has it.
type Schema map[string]any

// Input is inputDescription.yaml.
type Input struct {
	Title       string `json:"title"`
	Description string `json:"description"`
	MinOccurs   int    `json:"minOccurs"`
	MaxOccurs   int    `json:"maxOccurs"`
	Schema      Schema `json:"schema"`
}

// Output is outputDescription.yaml.
type Output struct {
	Title       string `json:"title"`
	Description string `json:"description"`
	Schema      Schema `json:"schema"`
	// file finds the output of a job among its results.
	file func(r job.Request) string
}

// Process is process.yaml: what a client needs to know to execute it.
type Process struct {
	Summary
	Inputs  map[string]Input  `json:"inputs"`
	Outputs map[string]Output `json:"outputs"`
}

// Catalogue are the processes of a service.
type Catalogue struct {
	Version string
	// Echo offers the process that gives back its inputs, for tests of clients.
	Echo bool
}

// Processes lists the processes in a fixed order.
func (c Catalogue) Processes(base string) []Process {
	list := []Process{c.sol(), c.eemt()}
	if c.Echo {
		list = append(list, c.echo())
	}
	for i := range list {
		self := base + "/processes/" + list[i].ID
		list[i].Links = []Link{
			{self, "self", JSON, "description"},
			{self + "?f=html", "alternate", HTML, "description as a page"},
			{self + "/execution", RelExecute, JSON, "execute by POST"},
			{base + "/jobs?processID=" + list[i].ID, RelJobList, JSON, "its jobs"},
		}
	}
	return list
}

// Process finds a process; the error is a *problem.Problem.
func (c Catalogue) Process(id, base string) (Process, error) {
	for _, p := range c.Processes(base) {
		if p.ID == id {
			return p, nil
		}
	}
	return Process{}, problem.NoSuchProcess(id)
}

func (c Catalogue) summary(w param.Workflow, title, description string, keywords ...string) Summary {
	return Summary{
		ID: string(w), Title: title, Description: description, Keywords: keywords, Version: c.Version,
		JobControlOptions: []string{"async-execute", "dismiss"}, OutputTransmission: []string{"value", "reference"},
	}
}

func (c Catalogue) sol() Process {
	return Process{
		Summary: c.summary(param.Sol, "Solar radiation over terrain", "Radiation and hours of sun of a year on every cell of a DEM, with shadows cast by the terrain: of a clear sky, or of the real sky that factors tell.", "solar radiation", "terrain", "DEM"),
		Inputs:  inputs(param.Sol), Outputs: outputs(param.Sol),
	}
}

func (c Catalogue) eemt() Process {
	return Process{
		Summary: c.summary(param.EEMT, "Effective energy and mass transfer", "Solar radiation, and with climate the energy available each year for weathering: fixed by net primary production, and carried as heat by effective precipitation.", "EEMT", "critical zone", "solar radiation", "DEM"),
		Inputs:  inputs(param.EEMT), Outputs: outputs(param.EEMT),
	}
}

// freshInput is the input that asks for another job.
const freshInput = "fresh"

// inputs are the DEM, and the parameters of a workflow from the table.
func inputs(w param.Workflow) map[string]Input {
	m := map[string]Input{"dem": {
		Title:       "Digital elevation model",
		Description: "GeoTIFF with a coordinate reference system: inline as base64, by the name of an upload, or by reference to an https address or to an object of the bucket",
		MinOccurs:   1, MaxOccurs: 1,
		Schema: Schema{"anyOf": []Schema{
			{"type": "string", "contentEncoding": "base64", "contentMediaType": GeoTIFF},
			{"type": "string", "pattern": uploadName.String(), "description": "name of an upload"},
		}},
	}, freshInput: {
		Title: "Another job", Description: "true makes another job where one with the same inputs goes on or is completed; without it that job is the answer",
		MaxOccurs: 1, Schema: Schema{"type": "boolean", "default": false},
	}}
	for _, f := range param.Fields(w) {
		in := Input{Title: f.Title, Description: f.Words(), MaxOccurs: 1, Schema: fieldSchema(f)}
		if f.Required {
			in.MinOccurs = 1
		}
		m[f.Name] = in
	}
	return m
}

// fieldSchema is the schema of a parameter. Its forms are under anyOf, since some values fit two: of strings nothing
// but their text tells one form from another.
func fieldSchema(f param.Field) Schema {
	s := Schema{"type": string(f.Type)}
	if f.Minimum != f.Maximum {
		s["minimum"], s["maximum"] = f.Minimum, f.Maximum
	}
	if len(f.Allowed) > 0 {
		s["enum"] = f.Allowed
	}
	whole := s
	if f.Monthly {
		forms := []Schema{s, {"type": "array", "items": s, "minItems": 12, "maxItems": 12}}
		if f.Raster != "" {
			name := "name of a GeoTIFF of one band, or of 12: an https address, or an object under climate/ or inputs/"
			if f.Word != "" {
				name = f.Word + ", or the " + name
			}
			forms = append(forms, Schema{"type": "string", "description": name, "x-file-field": f.RasterFile()})
		}
		whole = Schema{"anyOf": forms}
	}
	if len(f.Items) > 0 {
		whole = Schema{"type": "array", "items": Schema{"type": "string", "enum": f.Items}}
	}
	if f.MediaType != "" {
		whole = Schema{"anyOf": []Schema{s, {"type": "string", "contentMediaType": f.MediaType}}}
	}
	if d := f.Default(); d != nil && string(d) != `""` {
		whole["default"] = d
	}
	return whole
}

// outputs are the maps of a workflow that have a name which is the same for all jobs, and the report.
func outputs(w param.Workflow) map[string]Output {
	all := map[string]Output{"report": {
		"Report", "full report: statistics of every map, parameters, findings", Schema{"type": "object"}, func(job.Request) string { return "report.json" },
	}}
	for _, o := range product.Outputs(w) {
		all[o.Name] = Output{
			o.Title, o.Description,
			Schema{"type": "string", "contentEncoding": "base64", "contentMediaType": GeoTIFF},
			func(r job.Request) string { return product.OutputFile(o.Name, r.Workflow, r.Parameters) },
		}
	}
	return all
}

// echo takes every kind of input that the official test suite sends, and any string: the suite makes up its own.
func (c Catalogue) echo() Process {
	number := Schema{"type": "number", "format": "double"}
	bbox := Schema{
		"type": "object", "required": []string{"bbox"},
		"properties": Schema{
			"bbox": Schema{"type": "array", "minItems": 4, "maxItems": 6, "items": Schema{"type": "number"}},
			"crs":  Schema{"type": "string", "format": "uri", "default": "http://www.opengis.net/def/crs/OGC/1.3/CRS84"},
		},
	}
	kinds := []struct {
		id, title string
		schema    Schema
	}{
		{"stringInput", "A string", Schema{"type": "string"}},
		{"doubleInput", "A number", number},
		{"measureInput", "A number with a unit", Schema{
			"type": "object", "required": []string{"measurement", "uom"},
			"properties": Schema{"measurement": Schema{"type": "number"}, "uom": Schema{"type": "string"}, "reference": Schema{"type": "string", "format": "uri"}},
		}},
		{"dateInput", "A time", Schema{"type": "string", "format": "date-time"}},
		{"arrayInput", "Numbers", Schema{"type": "array", "minItems": 2, "maxItems": 10, "items": Schema{"type": "integer"}}},
		{"complexObjectInput", "An object", Schema{
			"type": "object", "required": []string{"property1", "property5"},
			"properties": Schema{
				"property1": Schema{"type": "string"}, "property2": Schema{"type": "string", "format": "uri"}, "property3": Schema{"type": "number"},
				"property4": Schema{"type": "string", "format": "date-time"}, "property5": Schema{"type": "boolean"},
			},
		}},
		{"boundingBoxInput", "A bounding box", bbox},
		{"imagesInput", "A picture", Schema{"oneOf": []Schema{
			{"type": "string", "contentEncoding": "binary", "contentMediaType": GeoTIFF},
			{"type": "string", "contentEncoding": "base64", "contentMediaType": "image/png"},
		}}},
	}
	p := Process{
		Summary: c.summary(param.Echo, "Echo", "Returns its inputs, for tests of clients.", "test"),
		Inputs:  map[string]Input{"pause": {"Pause", "seconds until the job is completed", 0, 1, Schema{"type": "integer", "minimum": 0, "maximum": MaxPause, "default": 0}}},
		Outputs: map[string]Output{},
	}
	p.JobControlOptions = []string{"sync-execute", "async-execute", "dismiss"}
	for _, k := range kinds {
		p.Inputs[k.id] = Input{k.title, k.title + ", given back as it is", 0, 1, k.schema}
		out := k.id[:len(k.id)-len("Input")] + "Output"
		p.Outputs[out] = Output{k.title, k.title + ", as it was given", k.schema, nil}
	}
	return p
}

// MaxPause bounds the pause of an echo job, seconds.
const MaxPause = 60

// File names the result file of an output; false when the process has none of that name.
func (p Process) File(output string, r job.Request) (name string, ok bool) {
	o, ok := p.Outputs[output]
	if !ok || o.file == nil {
		return "", false
	}
	return o.file(r), true
}

// Asked lists the outputs that a job was asked for, in order; all when none was named.
func (p Process) Asked(d *job.Delivery) []string {
	var names []string
	for name := range p.Outputs {
		if d == nil || len(d.Outputs) == 0 {
			names = append(names, name)
		} else if _, ok := d.Outputs[name]; ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// EchoValues are the outputs of an echo job by name: its inputs.
func EchoValues(inputs json.RawMessage) (map[string]json.RawMessage, error) {
	var in map[string]json.RawMessage
	if err := json.Unmarshal(inputs, &in); err != nil {
		return nil, fmt.Errorf("inputs of the job: %w", err)
	}
	out := map[string]json.RawMessage{}
	for name, v := range in {
		if name != "pause" {
			out[name[:len(name)-len("Input")]+"Output"] = v
		}
	}
	return out, nil
}
