package submission

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"mime"
	"net/http"
	"sort"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/cyverse-gis/eemt/functions/submission/ogc"
	"github.com/cyverse-gis/eemt/functions/submission/outbound"
	"github.com/cyverse-gis/eemt/shared/job"
)

// base is the address of the service as the client called it.
func base(c *gin.Context) string {
	scheme := "http"
	if c.Request.TLS != nil {
		scheme = "https"
	}
	if f := c.GetHeader("X-Forwarded-Proto"); f == "http" || f == "https" {
		scheme = f
	}
	return scheme + "://" + c.Request.Host
}

// accepts returns how much the client wants a media type, 0 to 1, and whether it
// named the type itself rather than by a wildcard.
func accepts(c *gin.Context, want string) (q float64, named bool) {
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

// wantsHTML reports whether a person asks: JSON is for everybody else.
func wantsHTML(c *gin.Context) bool {
	switch c.Query("f") {
	case "html":
		return true
	case "json":
		return false
	}
	page, named := accepts(c, ogc.HTML)
	data, _ := accepts(c, ogc.JSON)
	return named && page > data || named && page == data && firstIsHTML(c)
}

// firstIsHTML breaks a tie as browsers mean it.
func firstIsHTML(c *gin.Context) bool {
	header := c.GetHeader("Accept")
	i, j := strings.Index(header, ogc.HTML), strings.Index(header, ogc.JSON)
	return i >= 0 && (j < 0 || i < j)
}

//go:embed document.html
var documentText string

var documentPage = template.Must(template.New("document").Parse(documentText))

const pagePolicy = "default-src 'none'; style-src 'unsafe-inline'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// document answers with v as JSON, or as a page that shows all of it.
func (s *Service) document(c *gin.Context, status int, title string, v any) {
	data, err := json.Marshal(v)
	if err != nil {
		s.problem(c, fmt.Errorf("encode the answer: %w", err))
		return
	}
	c.Header("Vary", "Accept")
	c.Header("Cache-Control", "no-cache")
	if !wantsHTML(c) {
		c.Data(status, ogc.JSON, data)
		return
	}
	body, err := renderDocument(title, data)
	if err != nil {
		s.problem(c, err)
		return
	}
	c.Header("Content-Security-Policy", pagePolicy)
	c.Data(status, "text/html; charset=utf-8", body)
}

// node is a JSON value prepared for the page.
type node struct {
	Text  string
	Link  string // set when Text names a resource
	Items []node // of an array
	Pairs []pair // of an object
}

type pair struct {
	Name  string
	Value node
}

func renderDocument(title string, data []byte) ([]byte, error) {
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
	}{title, nodeOf(v), "?f=json"})
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

// problem answers with problem+json, in the error's own words when they are
// meant for the caller.
func (s *Service) problem(c *gin.Context, err error) {
	var p *ogc.Problem
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &p):
		copied := *p
		p = &copied
	case errors.Is(err, job.ErrNotFound):
		p = ogc.NoSuchJob(c.Param("id"))
	case errors.Is(err, job.ErrBadCursor):
		p = ogc.Bad("cursor", c.Query("cursor"), "the cursor of a next link", "cursor: must be that of a next link of this list")
	case errors.As(err, &tooLarge):
		p = ogc.Plain(http.StatusRequestEntityTooLarge, fmt.Sprintf("the body has more than %d bytes; upload the DEM first and name it, or give its address", tooLarge.Limit))
	case errors.Is(err, errTooLarge):
		p = ogc.Plain(http.StatusRequestEntityTooLarge, err.Error())
	case errors.Is(err, ErrNoRoom):
		p = ogc.Plain(http.StatusInsufficientStorage, sentence(err))
	case errors.Is(err, outbound.ErrRefused), errors.Is(err, ErrInvalid):
		p = ogc.Bad("", "", "", sentence(err))
	default:
		s.Log.Error("request failed", "path", c.Request.URL.Path, "error", err)
		p = ogc.Plain(http.StatusServiceUnavailable, "the service cannot reach its storage; try again")
		c.Header("Retry-After", "5")
	}
	p.Instance = c.Request.URL.Path
	data, err := json.Marshal(p)
	if err != nil {
		c.Status(http.StatusInternalServerError)
		return
	}
	c.Data(p.Status, "application/problem+json", data)
}
