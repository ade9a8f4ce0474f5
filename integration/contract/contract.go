// Package contract holds answers of the service against its OpenAPI definition.
package contract

import (
	"bytes"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"net/http/httptest"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

// Contract is a definition with its paths as patterns.
type Contract struct {
	doc   *openapi3.T
	paths []path
}

type path struct {
	template string
	pattern  *regexp.Regexp
	item     *openapi3.PathItem
}

// Load reads and validates a definition.
func Load(data []byte) (*Contract, error) {
	loader := openapi3.NewLoader()
	doc, err := loader.LoadFromData(data)
	if err != nil {
		return nil, fmt.Errorf("read the definition: %w", err)
	}
	if err := doc.Validate(loader.Context); err != nil {
		return nil, fmt.Errorf("the definition is not valid: %w", err)
	}
	c := &Contract{doc: doc}
	for template, item := range doc.Paths.Map() {
		p := regexp.QuoteMeta(template)
		p = strings.ReplaceAll(p, `\{file\}`, `.*`)
		p = regexp.MustCompile(`\\\{[^/}]*\\\}`).ReplaceAllString(p, `[^/]*`)
		c.paths = append(c.paths, path{template, regexp.MustCompile("^" + p + "$"), item})
	}
	// Literal paths before those with parameters.
	sort.Slice(c.paths, func(i, j int) bool {
		a, b := strings.Count(c.paths[i].template, "{"), strings.Count(c.paths[j].template, "{")
		return a < b || a == b && len(c.paths[i].template) > len(c.paths[j].template)
	})
	return c, nil
}

// Operations lists what the definition offers, as "GET /jobs/{jobID}".
func (c *Contract) Operations() []string {
	var list []string
	for _, p := range c.paths {
		for method := range p.item.Operations() {
			list = append(list, method+" "+p.template)
		}
	}
	sort.Strings(list)
	return list
}

// Check reports how an answer differs from the definition.
func (c *Contract) Check(method, target string, status int, header http.Header, body []byte) error {
	for _, p := range c.paths {
		if !p.pattern.MatchString(target) {
			continue
		}
		op := p.item.GetOperation(method)
		if op == nil && method == http.MethodHead {
			op = p.item.Get
		}
		if op == nil {
			if method == http.MethodOptions && status == http.StatusNoContent {
				return nil // a browser asks whether a page may
			}
			if status != http.StatusMethodNotAllowed && status != http.StatusNotFound {
				return fmt.Errorf("%s %s answered %d: no such operation is defined", method, target, status)
			}
			return nil
		}
		if err := check(op, status, header, body, method == http.MethodHead); err != nil {
			return fmt.Errorf("%s %s (%s) answered %d: %w", method, target, p.template, status, err)
		}
		return nil
	}
	if status != http.StatusNotFound && status != http.StatusMethodNotAllowed && status/100 != 3 {
		return fmt.Errorf("%s %s answered %d: no such path is defined", method, target, status)
	}
	return nil
}

func check(op *openapi3.Operation, status int, header http.Header, body []byte, head bool) error {
	ref := op.Responses.Value(strconv.Itoa(status))
	if ref == nil {
		return fmt.Errorf("the status is not defined; body %.200q", body)
	}
	content := ref.Value.Content
	if len(content) == 0 {
		return nil
	}
	mediaType, _, err := mime.ParseMediaType(header.Get("Content-Type"))
	if err != nil {
		return fmt.Errorf("content type %q: %w", header.Get("Content-Type"), err)
	}
	media := content["*/*"]
	for name, m := range content {
		if defined, _, err := mime.ParseMediaType(name); err == nil && defined == mediaType {
			media = m
		}
	}
	if media == nil {
		return fmt.Errorf("content type %s is not defined", mediaType)
	}
	if head || media.Schema == nil || mediaType != "application/json" && !strings.HasSuffix(mediaType, "+json") {
		return nil
	}
	var v any
	d := json.NewDecoder(bytes.NewReader(body))
	if err := d.Decode(&v); err != nil {
		return fmt.Errorf("body is no JSON: %w: %.200q", err, body)
	}
	if err := media.Schema.Value.VisitJSON(v); err != nil {
		return fmt.Errorf("body does not fit its schema: %w", err)
	}
	if name := undefined(media.Schema.Value, v); name != "" {
		return fmt.Errorf("body has %s, which its schema does not define: clients made of the definition lose it", name)
	}
	return nil
}

// undefined finds a field of a body that its schema has no word for; empty if all are defined.
func undefined(s *openapi3.Schema, v any) string {
	switch x := v.(type) {
	case []any:
		if s.Items == nil {
			return ""
		}
		for i, e := range x {
			if name := undefined(s.Items.Value, e); name != "" {
				return fmt.Sprintf("%d.%s", i, name)
			}
		}
	case map[string]any:
		fields, rest, known := propertiesOf(s)
		for name, e := range x {
			field := fields[name]
			switch {
			case field == nil && rest != nil:
				field = rest
			case field == nil && known:
				return name
			case field == nil:
				continue
			}
			if inner := undefined(field, e); inner != "" {
				return name + "." + inner
			}
		}
	}
	return ""
}

// propertiesOf are the fields of an object, and the schema of those without a name; known is false where any may be.
func propertiesOf(s *openapi3.Schema) (fields map[string]*openapi3.Schema, rest *openapi3.Schema, known bool) {
	fields = map[string]*openapi3.Schema{}
	for name, p := range s.Properties {
		fields[name] = p.Value
	}
	if s.AdditionalProperties.Schema != nil {
		rest = s.AdditionalProperties.Schema.Value
	}
	free := s.AdditionalProperties.Has != nil && *s.AdditionalProperties.Has
	for _, part := range s.AllOf {
		more, other, _ := propertiesOf(part.Value)
		for name, p := range more {
			fields[name] = p
		}
		if other != nil {
			rest = other
		}
	}
	return fields, rest, len(fields) > 0 && !free
}

// Handler passes requests to h, and fails the test for each answer that differs
// from the definition. An answer that breaks off is not looked at.
func (c *Contract) Handler(t testing.TB, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		tee := &recorder{ResponseWriter: w, status: http.StatusOK}
		target := r.URL.Path
		h.ServeHTTP(tee, r)
		if r.Context().Err() != nil {
			return
		}
		if err := c.Check(r.Method, target, tee.status, w.Header(), tee.body.Bytes()); err != nil {
			t.Errorf("contract: %v", err)
		}
	})
}

// mostKept bounds what is kept of an answer; JSON answers of tests are shorter.
const mostKept = 8 << 20

type recorder struct {
	http.ResponseWriter
	status  int
	written bool
	body    bytes.Buffer
}

func (r *recorder) WriteHeader(status int) {
	if !r.written {
		r.status, r.written = status, true
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(p []byte) (int, error) {
	r.written = true
	if r.body.Len() < mostKept {
		r.body.Write(p)
	}
	return r.ResponseWriter.Write(p)
}

// Unwrap gives http.ResponseController the writer below.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// Flush sends what is written so far.
func (r *recorder) Flush() {
	if f, ok := r.ResponseWriter.(http.Flusher); ok {
		f.Flush()
	}
}

// NewServer serves h under the contract until the test ends.
func (c *Contract) NewServer(t testing.TB, h http.Handler) *httptest.Server {
	s := httptest.NewServer(c.Handler(t, h))
	t.Cleanup(s.Close)
	return s
}
