package ogc

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"regexp"
	"slices"
	"sort"
	"strings"

	"github.com/cyverse-gis/eemt/functions/submission/problem"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/param"
)

// Execute is an execute request that has been checked.
type Execute struct {
	Parameters param.Parameters
	// DEM is set for sol and eemt.
	DEM DEM
	// Table is the text of a climate table sent along; nil means none.
	Table    []byte
	Delivery job.Delivery
	// Fresh asks for another job where one does the same.
	Fresh bool
	// Pause is how long an echo job takes, seconds.
	Pause int
}

// DEM says where the elevation model of a request is; one field is set.
type DEM struct {
	// Data is the file itself.
	Data []byte
	// Upload is the name of a file uploaded before.
	Upload string
	// URL is an https address.
	URL string
	// Object is the key of an object in the bucket.
	Object string
}

// uploadName cannot be base64, which has neither dot nor underscore.
var uploadName = regexp.MustCompile(`^[A-Za-z0-9._-]+\.[Tt][Ii][Ff][Ff]?$`)

// request is execute.yaml.
type request struct {
	Inputs   map[string]json.RawMessage  `json:"inputs"`
	Outputs  map[string]*json.RawMessage `json:"outputs"`
	Response string                      `json:"response"`
	Sub      *job.Subscriber             `json:"subscriber"`
}

// value is an input: inline, with a media type around it, or a link.
type value struct {
	Value     json.RawMessage `json:"value"`
	Href      string          `json:"href"`
	Encoding  string          `json:"encoding"`
	MediaType string          `json:"mediaType"`
	Type      string          `json:"type"`
}

// Parse reads an execute request for a process. Its errors are *problem.Problem.
func (p Process) Parse(body io.Reader) (Execute, error) {
	e := Execute{Parameters: param.DefaultParameters()}
	var r request
	d := json.NewDecoder(body)
	if err := d.Decode(&r); err != nil {
		return e, problem.Bad("", "", "an execute request: {\"inputs\": {...}, \"outputs\": {...}}", fmt.Sprintf("the body is not the JSON of an execute request: %v", err))
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return e, problem.Bad("", "", "one JSON object", "the body continues after the JSON object")
	}
	if r.Inputs == nil && p.ID == string(param.Echo) {
		return e, problem.Bad("inputs", "", `{"inputs": {...}}`, "inputs is missing: an execute request of process echo holds what it gives back, as in {\"inputs\": {\"stringInput\": \"hello\"}}")
	}
	if err := p.delivery(&e.Delivery, r); err != nil {
		return e, err
	}
	names := make([]string, 0, len(r.Inputs))
	for name := range r.Inputs {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		if _, ok := p.Inputs[name]; !ok {
			return e, problem.Bad("inputs."+clip(name), "", strings.Join(p.inputNames(), ", "), fmt.Sprintf("input %q is not known to process %s", clip(name), p.ID))
		}
	}
	for _, name := range p.inputNames() {
		if _, ok := r.Inputs[name]; !ok && p.Inputs[name].MinOccurs > 0 {
			return e, problem.Bad("inputs."+name, "", p.Inputs[name].Description, fmt.Sprintf("input %s is missing: %s", name, p.Inputs[name].Description))
		}
	}
	if p.ID == string(param.Echo) {
		err := p.parseEcho(&e, r.Inputs)
		return e, err
	}
	for _, name := range names {
		if err := e.set(name, r.Inputs[name]); err != nil {
			return e, err
		}
	}
	_, start := r.Inputs["start_year"]
	_, end := r.Inputs["end_year"]
	e.Parameters.OneYear(start, end)
	validate := e.Parameters.Validate
	if e.Table != nil { // it becomes the climate once it is stored
		validate = e.Parameters.ValidateGiven
	}
	if err := validate(param.Workflow(p.ID)); err != nil {
		return e, problem.Bad("inputs", "", "", err.Error())
	}
	return e, nil
}

func (p Process) inputNames() []string {
	var names []string
	for name := range p.Inputs {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func (p Process) delivery(d *job.Delivery, r request) error {
	if r.Response != "" && r.Response != "raw" && r.Response != "document" {
		return problem.Bad("response", clip(r.Response), "raw or document", fmt.Sprintf("response %q: must be raw or document", clip(r.Response)))
	}
	d.Response = r.Response
	for name, raw := range r.Outputs {
		if _, ok := p.Outputs[name]; !ok {
			var all []string
			for n := range p.Outputs {
				all = append(all, n)
			}
			slices.Sort(all)
			return problem.Bad("outputs."+clip(name), "", strings.Join(all, ", "), fmt.Sprintf("output %q is not one of process %s: %s", clip(name), p.ID, strings.Join(all, ", ")))
		}
		var t job.Transmission
		if raw != nil {
			if err := json.Unmarshal(*raw, &t); err != nil {
				return problem.Bad("outputs."+name, "", `{"transmissionMode": "value"} or {"transmissionMode": "reference"}`, fmt.Sprintf("output %s: %v", name, err))
			}
		}
		if t.Mode != "" && t.Mode != "value" && t.Mode != "reference" {
			return problem.Bad("outputs."+name+".transmissionMode", clip(t.Mode), "value or reference", fmt.Sprintf("transmissionMode %q of output %s: must be value or reference", clip(t.Mode), name))
		}
		if d.Outputs == nil {
			d.Outputs = map[string]job.Transmission{}
		}
		d.Outputs[name] = t
	}
	d.Subscriber = r.Sub
	return nil
}

// set takes one input of sol or eemt.
func (e *Execute) set(name string, raw json.RawMessage) error {
	raw, v, err := unwrap(name, raw)
	if err != nil {
		return err
	}
	switch {
	case name == "dem":
		return e.setDEM(raw, v)
	case name == freshInput && v.Href == "":
		if json.Unmarshal(raw, &e.Fresh) != nil {
			return problem.Bad("inputs."+freshInput, clip(string(raw)), "true or false", fmt.Sprintf("input %s: %s: must be true or false", freshInput, clip(string(raw))))
		}
		return nil
	}
	f, _ := param.FieldOf(name)
	if v.Href != "" {
		return problem.Bad("inputs."+name, clip(v.Href), f.Range(), fmt.Sprintf("input %s is not read by reference: give its value", name))
	}
	if f.MediaType != "" {
		var text string
		if json.Unmarshal(raw, &text) == nil && (strings.HasPrefix(v.MediaType, f.MediaType) || strings.Contains(text, "\n")) {
			e.Table = []byte(text)
			return nil
		}
	}
	if err := f.Set(&e.Parameters, raw); err != nil {
		refused := problem.FromField(err)
		refused.Parameter = "inputs." + name
		return refused
	}
	return nil
}

// unwrap takes the value out of an array of one, and out of a qualified value.
func unwrap(name string, raw json.RawMessage) (json.RawMessage, value, error) {
	var v value
	trimmed := bytes.TrimSpace(raw)
	if len(trimmed) > 0 && trimmed[0] == '[' {
		var list []json.RawMessage
		if json.Unmarshal(trimmed, &list) == nil && len(list) == 1 {
			trimmed = bytes.TrimSpace(list[0])
		}
	}
	if len(trimmed) == 0 || trimmed[0] != '{' {
		return trimmed, v, nil
	}
	if err := json.Unmarshal(trimmed, &v); err != nil {
		return nil, v, problem.Bad("inputs."+name, "", `a value, {"value": ...} or {"href": ...}`, fmt.Sprintf("input %s: %v", name, err))
	}
	if (v.Value == nil) == (v.Href == "") {
		return nil, v, problem.Bad("inputs."+name, "", `a value, {"value": ...} or {"href": ...}`, fmt.Sprintf("input %s: an object must hold either value or href", name))
	}
	return v.Value, v, nil
}

func (e *Execute) setDEM(raw json.RawMessage, v value) error {
	const forms = "base64 of a GeoTIFF, the name of an upload, or a link"
	if v.Href != "" {
		return e.setDEMReference(v.Href)
	}
	var text string
	if err := json.Unmarshal(raw, &text); err != nil || text == "" {
		return problem.Bad("inputs.dem", clip(string(raw)), forms, "input dem: must be "+forms)
	}
	if v.Encoding != "" && v.Encoding != "base64" {
		return problem.Bad("inputs.dem.encoding", clip(v.Encoding), "base64", fmt.Sprintf("encoding %q of input dem: must be base64", clip(v.Encoding)))
	}
	if uploadName.MatchString(text) {
		e.DEM.Upload = text
		return nil
	}
	data, err := base64.StdEncoding.DecodeString(strings.NewReplacer("\n", "", "\r", "").Replace(text))
	if err != nil {
		return problem.Bad("inputs.dem", clip(text), forms, fmt.Sprintf("input dem is neither the name of an upload (it ends with .tif) nor base64: %v", err))
	}
	e.DEM.Data = data
	return nil
}

func (e *Execute) setDEMReference(href string) error {
	const forms = "https://HOST/FILE.tif, or uploads/NAME.tif or inputs/NAME.tif in the bucket"
	u, err := url.Parse(href)
	if err != nil {
		return problem.Bad("inputs.dem.href", clip(href), forms, "href of input dem is not an address: must be "+forms)
	}
	if u.Scheme == "https" || u.Scheme == "http" {
		e.DEM.URL = href
		return nil
	}
	key := strings.TrimPrefix(u.Path, "/")
	folder, name, _ := strings.Cut(key, "/")
	if u.Scheme != "" || u.Host != "" || folder != "uploads" && folder != "inputs" || name == "" || strings.ContainsAny(name, `/\`) || strings.HasPrefix(name, ".") {
		return problem.Bad("inputs.dem.href", clip(href), forms, fmt.Sprintf("href %q of input dem: must be %s", clip(href), forms))
	}
	e.DEM.Object = key
	return nil
}

// parseEcho checks the inputs of the echo process against their schemas' types.
func (p Process) parseEcho(e *Execute, inputs map[string]json.RawMessage) error {
	for name, raw := range inputs {
		if name == "pause" {
			v, _, err := unwrap(name, raw)
			if err != nil {
				return err
			}
			if json.Unmarshal(v, &e.Pause) != nil || e.Pause < 0 || e.Pause > MaxPause {
				return problem.Bad("inputs.pause", clip(string(raw)), fmt.Sprintf("an integer of 0 to %d", MaxPause), fmt.Sprintf("pause %s: must be an integer of 0 to %d", clip(string(raw)), MaxPause))
			}
			continue
		}
		if err := checkKind(name, p.Inputs[name].Schema, raw); err != nil {
			return err
		}
	}
	// What was decoded encodes again.
	e.Delivery.Inputs, _ = json.Marshal(inputs)
	return nil
}

// checkKind holds an inline value against the type of its schema; values by
// reference, and qualified ones, pass as they are.
func checkKind(name string, s Schema, raw json.RawMessage) error {
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		return problem.Bad("inputs."+name, "", "", fmt.Sprintf("input %s: %v", name, err))
	}
	want, _ := s["type"].(string)
	ok := true
	switch x := v.(type) {
	case string:
		ok = want == "string" || want == ""
	case float64:
		ok = want == "number" || want == "integer"
	case bool, nil:
		ok = false
	case []any:
		ok = want == "array" || len(x) == 1
	case map[string]any:
		_, isLink := x["href"]
		_, isValue := x["value"]
		ok = isLink || isValue || want == "object" && hasAll(x, s)
	}
	if !ok {
		return problem.Bad("inputs."+name, clip(string(raw)), "see the schema of the input in /processes/echo", fmt.Sprintf("input %s: value does not fit its schema", name))
	}
	return nil
}

func hasAll(x map[string]any, s Schema) bool {
	required, _ := s["required"].([]string)
	for _, name := range required {
		if _, ok := x[name]; !ok {
			return false
		}
	}
	return true
}

// clip shortens what an answer repeats of a request.
func clip(s string) string {
	const longest = 80
	if len(s) > longest {
		return strings.ToValidUTF8(s[:longest], "") + "..."
	}
	return s
}
