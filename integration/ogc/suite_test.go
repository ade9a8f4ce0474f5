package ogc_test

import (
	"net/http"
	"strings"
	"testing"
)

// suiteInputs are the inputs that the OGC's own test suite for this standard, ets-ogcapi-processes10, makes of the
// description of echo: it looks at the types of schemas, not at their bounds, and says "teststring" for every string.
func suiteInputs() object {
	return object{
		"stringInput":        "teststring",
		"complexObjectInput": object{"value": "teststring"},
		"measureInput":       object{"value": "teststring"},
		"boundingBoxInput":   object{"crs": "urn:ogc:def:crs:EPSG:6.6:4326", "bbox": []any{345345345.0, 345345345.0, 345345345.0, 345345345.0}},
	}
}

// What the suite sends is taken, in each of the forms that it has for an input.
func TestSuiteRequests(t *testing.T) {
	echoOffered(t)
	outputs := object{}
	p := get(t, "/processes/echo").object(t)
	described, _ := p["outputs"].(object)
	for name := range described {
		outputs[name] = object{"transmissionMode": "value"}
	}
	for name, more := range map[string]object{
		"plain":     {},
		"an array":  {"arrayInput": []any{1.0, 2.0, 3.0}},
		"a box":     {"boundingBoxInput": object{"bbox": []any{51.9, 7.0, 52.0, 7.1}, "crs": "http://www.opengis.net/def/crs/OGC/1.3/CRS84"}},
		"a picture": {"imagesInput": object{"value": "SUkqAA==", "format": object{"mediaType": "image/tiff; application=geotiff", "encoding": "base64"}}},
		"a link":    {"imagesInput": object{"href": "https://example.org/testgeotiff.tiff", "format": object{"mediaType": "image/tiff; application=geotiff"}}},
	} {
		inputs := suiteInputs()
		for k, v := range more {
			inputs[k] = v
		}
		for _, response := range []string{"", "raw", "document"} {
			request := object{"inputs": inputs, "outputs": outputs}
			if response != "" {
				request["response"] = response
			}
			r := do(t, http.MethodPost, "/processes/echo/execution", request, "Accept", "application/json").want(t, http.StatusOK)
			if !strings.Contains(string(r.body), "teststring") {
				t.Errorf("%s, %q: %s", name, response, r.body)
			}
			execute(t, "echo", request)
		}
	}
}

// The suite takes application/json alone; its problems are problem documents by that name.
func TestSuiteProblems(t *testing.T) {
	echoOffered(t)
	for name, request := range map[string]object{
		"no inputs":     {"invalid-execute-request": "true)"},
		"nothing":       {},
		"another input": {"inputs": object{"invalid-input": "teststring"}},
		"another kind":  {"inputs": object{"doubleInput": "teststring"}},
	} {
		r := do(t, http.MethodPost, "/processes/echo/execution", request, "Accept", "application/json").want(t, http.StatusBadRequest)
		m := r.object(t)
		if r.header.Get("Content-Type") != "application/json" || m["title"] == nil || m["type"] != exceptions+"invalid-parameter" || m["status"] != 400.0 {
			t.Errorf("%s: %s %s", name, r.header.Get("Content-Type"), r.body)
		}
		do(t, http.MethodPost, "/processes/echo/execution", request).problem(t, http.StatusBadRequest, exceptions+"invalid-parameter")
	}
	for _, path := range []string{"/jobs/invalid-job", "/jobs/invalid-job/results", "/processes/invalid-process"} {
		r := get(t, path, "Accept", "application/json").want(t, http.StatusNotFound)
		if r.header.Get("Content-Type") != "application/json" || r.object(t)["title"] == nil {
			t.Errorf("%s: %s %s", path, r.header.Get("Content-Type"), r.body)
		}
	}
}

// No value of an input fits two of the alternatives that exclude each other: a client that validates would refuse it.
func TestAlternativesOfInputs(t *testing.T) {
	for _, id := range []string{"sol", "eemt"} {
		inputs, _ := get(t, "/processes/"+id).object(t)["inputs"].(object)
		for name, x := range inputs {
			d, _ := x.(object)
			s, _ := d["schema"].(object)
			list, _ := s["oneOf"].([]any)
			seen := map[any]bool{}
			for _, o := range list {
				alternative, _ := o.(object)
				if kind := alternative["type"]; seen[kind] {
					t.Errorf("%s of %s: two alternatives of type %v under oneOf", name, id, kind)
				} else {
					seen[kind] = true
				}
			}
		}
	}
}
