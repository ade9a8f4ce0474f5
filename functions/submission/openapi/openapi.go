// Package openapi holds the definition of the API, to which the handlers are tested.
package openapi

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"sort"
	"strings"
	"sync"

	"github.com/goccy/go-yaml"
)

//go:embed openapi.yaml
var text []byte

//go:embed openapi.html
var pageText string

var page = template.Must(template.New("openapi").Parse(pageText))

// JSON returns the definition, OpenAPI 3.0.3.
var JSON = sync.OnceValue(func() []byte {
	data, err := yaml.YAMLToJSON(withSecurity(withParameters(text)))
	if err != nil {
		panic(fmt.Sprintf("openapi.yaml: %v", err)) // a test reads it
	}
	return data
})

// withSecurity says of every operation that it may want credentials, and may be refused for now: whether it is, is up to the
// installation. It works on the text, whose order generated clients depend on.
func withSecurity(definition []byte) []byte {
	const responses, status = "      responses:", "        '"
	lines := strings.Split(string(definition), "\n")
	var out []string
	path := ""
	for i := range lines {
		out = append(out, lines[i])
		if strings.HasPrefix(lines[i], "  /") {
			path = strings.TrimSuffix(strings.TrimSpace(lines[i]), ":")
		}
		if lines[i] != responses {
			continue
		}
		said := map[string]bool{}
		for _, l := range lines[i+1:] {
			if !strings.HasPrefix(l, "        ") {
				break
			}
			if code, found := strings.CutPrefix(l, status); found {
				said[code[:3]] = true
			}
		}
		for _, code := range []string{"401", "403", "429"} {
			kind := "Problem"
			if code != "401" && strings.HasPrefix(path, "/api/") {
				kind = "Detail"
			}
			if !said[code] {
				out = append(out, status+code+"': {$ref: '#/components/responses/"+kind+"'}")
			}
		}
	}
	return []byte(strings.Join(out, "\n"))
}

// operation is a line of the page.
type operation struct {
	Method, Path, Summary, Description, Tag string
	Parameters                              []parameter
	Responses                               []string
}

type parameter struct{ Name, Where, Description string }

type tag struct {
	Name, Description string
	Operations        []operation
}

// HTML returns the definition as a page.
func HTML() ([]byte, error) {
	var d struct {
		Info  struct{ Title, Description, Version string }
		Tags  []tag
		Paths map[string]map[string]json.RawMessage
	}
	if err := json.Unmarshal(JSON(), &d); err != nil {
		return nil, err
	}
	paths := make([]string, 0, len(d.Paths))
	for p := range d.Paths {
		paths = append(paths, p)
	}
	sort.Strings(paths)
	for _, p := range paths {
		for _, method := range []string{"get", "head", "post", "put", "patch", "delete", "options"} {
			raw, ok := d.Paths[p][method]
			if !ok {
				continue
			}
			var o struct {
				Summary, Description string
				Tags                 []string
				Parameters           []struct{ Name, In, Description string }
				Responses            map[string]json.RawMessage
			}
			if err := json.Unmarshal(raw, &o); err != nil {
				return nil, err
			}
			op := operation{Method: strings.ToUpper(method), Path: p, Summary: o.Summary, Description: o.Description}
			for _, q := range o.Parameters {
				if q.Name != "" {
					op.Parameters = append(op.Parameters, parameter{q.Name, q.In, q.Description})
				}
			}
			for status := range o.Responses {
				op.Responses = append(op.Responses, status)
			}
			sort.Strings(op.Responses)
			for i := range d.Tags {
				if len(o.Tags) > 0 && d.Tags[i].Name == o.Tags[0] {
					d.Tags[i].Operations = append(d.Tags[i].Operations, op)
				}
			}
		}
	}
	var b bytes.Buffer
	err := page.Execute(&b, d)
	return b.Bytes(), err
}
