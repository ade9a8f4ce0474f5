package submission

import (
	"errors"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gin-gonic/gin"

	"github.com/cyverse-gis/eemt/functions/submission/access"
	"github.com/cyverse-gis/eemt/functions/submission/answer"
	"github.com/cyverse-gis/eemt/functions/submission/problem"
	"github.com/cyverse-gis/eemt/functions/submission/quota"
)

// Handler returns the HTTP surface, which pages of other sites can only read of, and that only where an origin is allowed.
func (s *Service) Handler() http.Handler { return access.SameSite(s.Routes()) }

// Routes returns what the service answers: OGC API - Processes, the endpoints of the old suite, files by range.
func (s *Service) Routes() *gin.Engine {
	gin.SetMode(gin.ReleaseMode)
	r := gin.New()
	r.HandleMethodNotAllowed = true
	r.Use(s.recovered, s.cors, access.Protect, s.legible, s.guard.Admit, s.guarded)
	r.NoRoute(func(c *gin.Context) {
		s.answer.Problem(c, problem.Plain(http.StatusNotFound, "there is nothing at "+c.Request.URL.Path+"; "+answer.Base(c)+"/ leads to what there is"))
	})
	r.NoMethod(func(c *gin.Context) {
		s.answer.Problem(c, problem.Plain(http.StatusMethodNotAllowed, "method "+c.Request.Method+" is not allowed here"))
	})
	get := func(path string, h ...gin.HandlerFunc) {
		r.GET(path, h...)
		r.HEAD(path, h...)
	}
	// document is get of what is JSON, or a page for people.
	document := func(path string, h gin.HandlerFunc) { get(path, s.answer.Format, h) }
	health := func(c *gin.Context) {
		c.JSON(http.StatusOK, gin.H{"status": "healthy", "timestamp": s.Now().UTC().Format(time.RFC3339)})
	}
	get("/health", health)
	get("/healthz", health)
	document("/", s.documents.Landing)
	s.pages.routes(get)
	s.guard.Routes(r, get)
	quotas := quota.API{Book: s.quota, Answer: s.answer, Log: s.Log, NewID: s.NewID, MaxBody: s.mostBody()}
	get("/auth/quota", quotas.Own)
	get("/auth/quotas/:owner", quotas.Get)
	r.PUT("/auth/quotas/:owner", quotas.Put)
	r.DELETE("/auth/quotas/:owner", quotas.Delete)
	r.GET("/jobs/:id/events", s.streams.Get)
	document("/conformance", s.documents.Conformance)
	document("/api", s.documents.API)
	get("/openapi.json", s.documents.Definition)
	get("/docs", s.documents.Docs)
	get("/redoc", s.documents.Docs)
	document("/processes", s.documents.ListProcesses)
	document("/processes/:id", s.documents.GetProcess)
	r.POST("/processes/:id/execution", quotas.Body, s.ogc.Execute)
	document("/jobs", s.ogc.List)
	document("/jobs/:id", s.ogc.Get)
	r.DELETE("/jobs/:id", s.ogc.Dismiss)
	document("/jobs/:id/results", s.ogc.Results.Get)
	document("/jobs/:id/keep", s.pins.Get)
	r.PUT("/jobs/:id/keep", s.pins.Put)
	r.DELETE("/jobs/:id/keep", s.pins.Delete)
	r.POST("/api/upload-file", quotas.Body, s.upload.Whole)
	r.POST("/api/submit-job", quotas.Body, s.forms.postSubmit)
	get("/api/jobs/:id/logs", s.answer.SuiteFormat, s.legacy.Logs)
	r.POST("/api/cleanup", s.legacy.Clean)
	get("/api/cleanup/status", s.answer.SuiteFormat, s.legacy.CleanupStatus)
	get("/api/system/status", s.answer.SuiteFormat, s.legacy.SystemStatus)
	r.POST("/api/sign-upload", s.upload.Sign)
	s.upload.Routes(r)
	get("/api/check", s.forms.getCheck)
	r.POST("/api/check", quotas.Body, s.forms.postCheck)
	get("/api/jobs", s.answer.SuiteFormat, s.legacy.List)
	get("/api/jobs/:id", s.answer.SuiteFormat, s.legacy.Get)
	r.DELETE("/api/jobs/:id", s.legacy.Delete)
	r.POST("/api/jobs/:id/cancel", s.legacy.PostCancel)
	get("/api/jobs/:id/results", s.files.Zip)
	r.POST("/events", s.postEvents)
	r.OPTIONS("/events", s.optionsEvents)
	for _, path := range []string{"/events/notices", "/events/notices/:secret"} {
		r.POST(path, s.postNotices)
		r.OPTIONS(path, s.optionsEvents)
	}
	document("/stac", s.catalogue.Root)
	document("/stac/collections/:collection", s.catalogue.Collection)
	document("/stac/collections/:collection/items", s.catalogue.Items)
	get("/stac/catalog.json", s.catalogue.Document)
	get("/stac/:collection/collection.json", s.catalogue.Document)
	get("/stac/:collection/:day/catalog.json", s.catalogue.Document)
	get("/jobs/:id/tiles", s.maps.TileJSON)
	get("/jobs/:id/tiles/:z/:x/:y", s.maps.Tile)
	get("/jobs/:id/value", s.maps.Value)
	get("/jobs/:id/statistics", s.maps.Statistics)
	get("/jobs/:id/results/*file", s.files.Get)
	return r
}

// legible answers for a path that is no text in UTF-8: no object of a bucket has such a name.
func (s *Service) legible(c *gin.Context) {
	switch {
	case utf8.ValidString(c.Request.URL.Path):
		return
	case strings.HasPrefix(c.FullPath(), "/uploads/"):
		c.String(http.StatusNotFound, "there is no such upload\n") // in the form of the protocol tus
	default:
		s.answer.Problem(c, problem.Plain(http.StatusNotFound, "there is nothing at an address that is no text in UTF-8"))
	}
	c.Abort()
}

// recovered answers a request that panicked. http.ErrAbortHandler goes on to the
// server, which breaks the connection; gin's own recovery would end the answer
// as if it were whole.
func (s *Service) recovered(c *gin.Context) {
	defer func() {
		cause := recover()
		if cause == nil {
			return
		}
		if err, ok := cause.(error); ok && errors.Is(err, http.ErrAbortHandler) {
			panic(cause)
		}
		s.Log.Error("request panicked", "path", answer.LoggedPath(c), "cause", cause)
		if c.Writer.Written() {
			panic(http.ErrAbortHandler)
		}
		c.AbortWithStatusJSON(http.StatusInternalServerError, gin.H{"detail": "internal error"})
	}()
	c.Next()
}

// cors lets pages of allowed origins read.
func (s *Service) cors(c *gin.Context) {
	origin := c.GetHeader("Origin")
	if origin == "" || len(s.Origins) == 0 {
		return
	}
	for _, allowed := range s.Origins {
		if allowed != "*" && allowed != origin {
			continue
		}
		c.Header("Access-Control-Allow-Origin", allowed)
		c.Writer.Header().Add("Vary", "Origin")
		c.Header("Access-Control-Expose-Headers", "Accept-Ranges, Content-Range, Content-Length, ETag, Link, Location")
		if c.Request.Method == http.MethodOptions && c.GetHeader("Access-Control-Request-Method") != "" {
			c.Header("Access-Control-Allow-Methods", "GET, HEAD")
			c.Header("Access-Control-Allow-Headers", "Range, If-None-Match, Accept, Authorization")
			c.AbortWithStatus(http.StatusNoContent)
		}
		return
	}
}
