// Package answer writes documents and refusals in the form that a client asks for.
package answer

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"log/slog"
	"mime"
	"net/http"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/cyverse-gis/eemt/functions/submission/problem"
)

// Media types of answers.
const (
	JSON    = "application/json"
	HTML    = "text/html"
	GeoJSON = "application/geo+json"
)

// Writer answers requests.
type Writer struct {
	// Log is told of faults that are not the client's.
	Log *slog.Logger
}

// Base is the address of the service as the client called it.
func Base(c *gin.Context) string {
	scheme, host := Origin(c.Request)
	return scheme + "://" + host
}

// hostPattern is a host, with a port or without.
var hostPattern = regexp.MustCompile(`^([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?$`)

// Origin is the scheme and the host that the client called: those of the request, unless a proxy tells of others in
// X-Forwarded-Proto and X-Forwarded-Host. All links are made of it. Of several values the first is the client's.
func Origin(r *http.Request) (scheme, host string) {
	scheme, host = "http", r.Host
	if r.TLS != nil {
		scheme = "https"
	}
	first := func(name string) string {
		v, _, _ := strings.Cut(r.Header.Get(name), ",")
		return strings.TrimSpace(v)
	}
	if v := first("X-Forwarded-Proto"); v == "http" || v == "https" {
		scheme = v
	}
	if v := first("X-Forwarded-Host"); hostPattern.MatchString(v) {
		host = v
	}
	return scheme, host
}

// formats are the values of the query parameter f.
var formats = []string{"json", "html"}

// Format refuses a query parameter f that asks for a format which is not offered.
func (w Writer) Format(c *gin.Context) {
	if p := unknownFormat(c); p != nil {
		w.Problem(c, p)
		c.Abort()
	}
}

// SuiteFormat is Format where refusals are those of the old suite.
func (w Writer) SuiteFormat(c *gin.Context) {
	if p := unknownFormat(c); p != nil {
		w.Refuse(c, problem.Invalid(p))
		c.Abort()
	}
}

func unknownFormat(c *gin.Context) *problem.Problem {
	for _, v := range c.QueryArray("f") {
		if !slices.Contains(formats, v) {
			allowed := strings.Join(formats, " or ")
			return problem.Bad("f", v, allowed, fmt.Sprintf("f %.40q: must be %s", v, allowed))
		}
	}
	return nil
}

// Accepts returns how much the client wants a media type, 0 to 1, and whether it
// named the type itself rather than by a wildcard.
func Accepts(c *gin.Context, want string) (q float64, named bool) {
	header := strings.Join(c.Request.Header.Values("Accept"), ",")
	if strings.TrimSpace(header) == "" {
		return 1, false
	}
	best := -1 // how closely the range fits
	kind, _, _ := strings.Cut(want, "/")
	for _, part := range strings.Split(header, ",") {
		mediaType, params, err := mime.ParseMediaType(part)
		if err != nil {
			continue
		}
		fit := -1
		switch mediaType {
		case want:
			fit = 2
		case kind + "/*":
			fit = 1
		case "*/*":
			fit = 0
		}
		if fit <= best {
			continue
		}
		best, q, named = fit, 1, fit == 2
		if text, ok := params["q"]; ok {
			if v, err := strconv.ParseFloat(text, 64); err == nil && v >= 0 && v <= 1 {
				q = v
			}
		}
	}
	return q, named && q > 0
}

// WantsHTML reports whether the client is a browser, which gets a page. All others get JSON.
func WantsHTML(c *gin.Context) bool {
	switch c.Query("f") {
	case "html":
		return true
	case "json":
		return false
	}
	page, named := Accepts(c, HTML)
	data, _ := Accepts(c, JSON)
	return named && page > data || named && page == data && firstIsHTML(c)
}

// firstIsHTML breaks a tie as browsers mean it.
func firstIsHTML(c *gin.Context) bool {
	header := c.GetHeader("Accept")
	i, j := strings.Index(header, HTML), strings.Index(header, JSON)
	return i >= 0 && (j < 0 || i < j)
}

//go:embed document.html
var documentText string

var documentPage = template.Must(template.New("document").Parse(documentText))

// PagePolicy is the Content-Security-Policy of pages that are written here: no scripts, nothing of other sites.
const PagePolicy = "default-src 'none'; style-src 'unsafe-inline'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// Document answers with v as JSON, or as a page that shows all of it.
func (w Writer) Document(c *gin.Context, status int, title string, v any) {
	data, err := json.Marshal(v)
	if err != nil {
		w.Problem(c, fmt.Errorf("encode the answer: %w", err))
		return
	}
	c.Header("Vary", "Accept")
	c.Header("Cache-Control", "no-cache")
	if !WantsHTML(c) {
		c.Data(status, JSON, data)
		return
	}
	body, err := renderDocument(title, data, "?f=json")
	if err != nil {
		w.Problem(c, err)
		return
	}
	c.Header("Content-Security-Policy", PagePolicy)
	c.Data(status, "text/html; charset=utf-8", body)
}

// node is a JSON value prepared for the page.
type node struct {
	Text  string
	Link  string // set when Text names a resource
	Items []node // of an array
	Pairs []pair // of an object
}

// Deep reports whether the value has parts: it then stands below its name, not beside it, so that depth takes no width.
func (n node) Deep() bool { return n.Link == "" && (len(n.Pairs) > 0 || len(n.Items) > 0) }

type pair struct {
	Name  string
	Value node
}

// renderDocument makes a page of a JSON document; raw is the address of the document itself, empty for none.
func renderDocument(title string, data []byte, raw string) ([]byte, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, fmt.Errorf("read back the answer: %w", err)
	}
	var b bytes.Buffer
	err := documentPage.Execute(&b, struct {
		Title string
		Root  node
		Raw   string
	}{title, nodeOf(v), raw})
	return b.Bytes(), err
}

func nodeOf(v any) node {
	switch x := v.(type) {
	case map[string]any:
		if href, ok := x["href"].(string); ok {
			text, _ := x["title"].(string)
			if text == "" {
				text, _ = x["name"].(string)
			}
			if text == "" {
				text = href
			}
			if rel, ok := x["rel"].(string); ok {
				text += " (" + rel + ")"
			}
			return node{Text: text, Link: href}
		}
		names := make([]string, 0, len(x))
		for name := range x {
			names = append(names, name)
		}
		sort.Strings(names)
		n := node{}
		for _, name := range names {
			n.Pairs = append(n.Pairs, pair{name, nodeOf(x[name])})
		}
		return n
	case []any:
		n := node{}
		for _, item := range x {
			n.Items = append(n.Items, nodeOf(item))
		}
		return n
	case string:
		if strings.HasPrefix(x, "http://") || strings.HasPrefix(x, "https://") {
			return node{Text: x, Link: x}
		}
		return node{Text: x}
	case nil:
		return node{Text: "none"}
	}
	return node{Text: fmt.Sprint(v)}
}

// Keep lets clients keep an answer for some time, and caches that several share too, unless it is private.
func Keep(c *gin.Context, age time.Duration) {
	scope := "public"
	if strings.HasPrefix(c.Writer.Header().Get("Cache-Control"), "private") {
		scope = "private"
	}
	c.Header("Cache-Control", fmt.Sprintf("%s, max-age=%d", scope, int(age.Seconds())))
}
