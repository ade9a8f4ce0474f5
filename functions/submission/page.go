package submission

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"html/template"
	"net/http"
	"net/url"
	"path"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/cyverse-gis/eemt/functions/submission/access"
	"github.com/cyverse-gis/eemt/functions/submission/answer"
	"github.com/cyverse-gis/eemt/functions/submission/joblist"
	"github.com/cyverse-gis/eemt/functions/submission/problem"
)

// built is the page as `make web` makes it of the sources in web/.
//
//go:embed web/dist
var built embed.FS

// page is the document. It lists the newest jobs for browsers that run no scripts.
var page = template.Must(template.ParseFS(built, "web/dist/index.html"))

// pageJobs bounds the list on the page.
const pageJobs = 20

// scriptPolicy lets the page load what this service serves, and nothing else: no script and no style within the document.
// Where people log in the page also calls their OpenID provider, for its document and for tokens.
func scriptPolicy(l access.Login) string {
	connect := "'self'"
	if u, err := url.Parse(l.Issuer); l.Mode == "oidc" && err == nil && u.Host != "" {
		connect += " " + u.Scheme + "://" + u.Host
	}
	return "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src " + connect +
		"; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
}

// pages serves the page, which lists the newest jobs.
type pages struct {
	jobs   joblist.Reader
	answer answer.Writer
	// policy is the Content-Security-Policy of the page.
	policy string
}

// index serves the page. Without scripts it is a form, and a list of the newest jobs.
func (p pages) index(c *gin.Context) {
	jobs, _, err := p.jobs.List(c.Request.Context(), joblist.Query{Limit: pageJobs})
	var body bytes.Buffer
	if err == nil {
		err = page.Execute(&body, jobs)
	}
	if err != nil {
		p.answer.Refuse(c, err)
		return
	}
	c.Header("Content-Security-Policy", p.policy)
	c.Header("X-Content-Type-Options", "nosniff")
	c.Header("Referrer-Policy", "same-origin")
	c.Header("Cache-Control", "no-store")
	c.Data(http.StatusOK, "text/html; charset=utf-8", body.Bytes())
}

// assetTypes are stated: what a system's table says of .js a browser may refuse to run.
var assetTypes = map[string]string{".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}

// asset serves what the page loads. Browsers ask again each time, and are
// told when nothing has changed: a new program never meets an old page.
func (p pages) asset(c *gin.Context) {
	name := path.Base(c.Request.URL.Path)
	data, err := built.ReadFile("web/dist/" + name)
	if err != nil || assetTypes[path.Ext(name)] == "" {
		p.answer.Problem(c, problem.Plain(http.StatusNotFound, "the page has no file "+c.Request.URL.Path))
		return
	}
	sum := sha256.Sum256(data)
	tag := `"` + hex.EncodeToString(sum[:8]) + `"`
	c.Header("ETag", tag)
	c.Header("Cache-Control", "no-cache")
	c.Header("X-Content-Type-Options", "nosniff")
	if strings.Contains(c.GetHeader("If-None-Match"), tag) {
		c.Status(http.StatusNotModified)
		return
	}
	c.Data(http.StatusOK, assetTypes[path.Ext(name)], data)
}

// routes adds what the page is made of.
func (p pages) routes(get func(string, ...gin.HandlerFunc)) {
	get("/monitor", p.index)
	for _, name := range []string{"/app.js", "/style.css", "/icon.svg"} {
		get(name, p.asset)
	}
	get("/static/:asset", p.asset) // where the old suite had them
}
