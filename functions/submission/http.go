package submission

import (
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/cyverse-gis/eemt/functions/submission/answer"
	"github.com/cyverse-gis/eemt/functions/submission/inputs"
	"github.com/cyverse-gis/eemt/functions/submission/problem"
	"github.com/cyverse-gis/eemt/shared/inspect"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/param"
)

// Handler returns the HTTP surface: the job endpoints of the old suite, and
// the result files by range.
func (s *Service) Handler() http.Handler {
	gin.SetMode(gin.ReleaseMode)
	r := gin.New()
	r.HandleMethodNotAllowed = true
	r.Use(s.recovered, s.cors, s.guarded)
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
	s.pageRoutes(get, r)
	document("/conformance", s.documents.Conformance)
	document("/api", s.documents.API)
	get("/openapi.json", s.documents.Definition)
	get("/docs", s.documents.Docs)
	get("/redoc", s.documents.Docs)
	document("/processes", s.documents.ListProcesses)
	document("/processes/:id", s.documents.GetProcess)
	r.POST("/processes/:id/execution", s.ogc.Execute)
	document("/jobs", s.ogc.List)
	document("/jobs/:id", s.ogc.Get)
	r.DELETE("/jobs/:id", s.ogc.Dismiss)
	document("/jobs/:id/results", s.ogc.Results.Get)
	document("/jobs/:id/keep", s.pins.Get)
	r.PUT("/jobs/:id/keep", s.pins.Put)
	r.DELETE("/jobs/:id/keep", s.pins.Delete)
	r.POST("/api/upload-file", s.postUpload)
	r.POST("/api/submit-job", s.postSubmit)
	get("/api/jobs/:id/logs", s.legacy.Logs)
	r.POST("/api/cleanup", s.legacy.Clean)
	get("/api/cleanup/status", s.legacy.CleanupStatus)
	get("/api/system/status", s.legacy.SystemStatus)
	r.POST("/api/sign-upload", s.postSign)
	s.tusRoutes(r)
	get("/api/check", s.getCheck)
	r.POST("/api/check", s.postCheck)
	get("/api/jobs", s.legacy.List)
	get("/api/jobs/:id", s.legacy.Get)
	r.DELETE("/api/jobs/:id", s.legacy.Delete)
	r.POST("/api/jobs/:id/cancel", s.legacy.PostCancel)
	get("/api/jobs/:id/results", s.files.Zip)
	r.POST("/events", s.postEvents)
	r.OPTIONS("/events", s.optionsEvents)
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
		s.Log.Error("request panicked", "path", c.Request.URL.Path, "cause", cause)
		if c.Writer.Written() {
			panic(http.ErrAbortHandler)
		}
		c.AbortWithStatusJSON(http.StatusInternalServerError, gin.H{"detail": "internal error"})
	}()
	c.Next()
}

// mostFiles bounds the files of a form, mostFields its parts.
const mostFiles, mostFields = 7, 200

// form is a decoded submission.
type form struct {
	workflow param.Workflow
	params   param.Parameters
	dem      *job.DEM
	uploaded string
	// startSet and endSet tell a year that was asked for from a default.
	startSet, endSet bool
	// stored are the objects this submission brought.
	stored []string
}

func (s *Service) postUpload(c *gin.Context) {
	parts, err := c.Request.MultipartReader()
	if err != nil {
		s.answer.Refuse(c, problem.Invalid(fmt.Errorf("send the DEM as multipart form data in the field file: %w", err)))
		return
	}
	for {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			s.answer.Refuse(c, problem.Invalid(errors.New("field file is missing")))
			return
		}
		if err != nil {
			s.answer.Refuse(c, problem.Invalid(err))
			return
		}
		if part.FormName() != "file" {
			continue
		}
		ref, err := s.uploadPart(c, part)
		if err != nil {
			s.answer.Refuse(c, err)
			return
		}
		c.JSON(http.StatusOK, gin.H{
			"status": "success", "filename": strings.TrimPrefix(ref.Key, job.InputPrefix),
			"original_name": ref.Name, "size": ref.Size, "message": "File uploaded successfully",
		})
		return
	}
}

func (s *Service) uploadPart(c *gin.Context, part *multipart.Part) (job.DEM, error) {
	name := part.FileName()
	if name == "" { // a form whose file was left out
		return job.DEM{}, problem.Invalid(fmt.Errorf("field %s has no file: choose a DEM", part.FormName()))
	}
	return s.inputs.Upload(c.Request.Context(), name, part)
}

func (s *Service) postSubmit(c *gin.Context) {
	f, err := s.readForm(c)
	if err == nil && f.dem == nil && f.uploaded == "" {
		err = problem.Invalid(errors.New("no DEM: send it in the field dem_file, or name an earlier upload in uploaded_filename"))
	}
	if err == nil && f.dem == nil {
		var ref job.DEM
		ref, err = s.inputs.Stored(c.Request.Context(), f.uploaded)
		f.dem = &ref
	}
	var r job.Request
	if err == nil {
		r, err = s.Submit(c.Request.Context(), f.workflow, f.params, *f.dem)
	}
	if err != nil {
		// After a fault of the store the job may stand all the same.
		if errors.Is(err, problem.ErrInvalid) {
			s.inputs.Discard(c.Request.Context(), f.stored)
		}
		s.answer.Refuse(c, err)
		return
	}
	c.Header("Location", "/api/jobs/"+r.ID)
	c.JSON(http.StatusOK, gin.H{"job_id": r.ID, "status": "submitted"})
}

// readForm reads the form part by part; files go straight to the bucket.
func (s *Service) readForm(c *gin.Context) (form, error) {
	f := form{workflow: param.Sol, params: param.DefaultParameters()}
	set := func(name, value string) error {
		if name == "uploaded_filename" {
			f.uploaded = value
			return nil
		}
		return f.set(name, value)
	}
	if !strings.HasPrefix(c.ContentType(), "multipart/") {
		c.Request.Body = http.MaxBytesReader(c.Writer, c.Request.Body, 1<<20)
		if err := c.Request.ParseForm(); err != nil {
			return f, problem.Invalid(err)
		}
		for name, values := range c.Request.PostForm {
			if err := set(name, values[0]); err != nil {
				return f, err
			}
		}
		f.params.OneYear(f.startSet, f.endSet)
		return f, nil
	}
	parts, err := c.Request.MultipartReader()
	if err != nil {
		return f, problem.Invalid(err)
	}
	for n := 0; ; n++ {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			f.params.OneYear(f.startSet, f.endSet)
			return f, nil
		}
		if n >= mostFields {
			return f, problem.Invalid(fmt.Errorf("the form has more than %d parts", mostFields))
		}
		if err != nil {
			return f, problem.Invalid(err)
		}
		switch name := part.FormName(); name {
		case "dem_file":
			if f.dem != nil {
				return f, problem.Invalid(errors.New("dem_file is there twice: a job has one DEM"))
			}
			ref, err := s.uploadPart(c, part)
			if err != nil {
				return f, err
			}
			f.dem = &ref
			f.stored = append(f.stored, ref.Key)
		case "prj_file": // states the coordinate system of the DEM
			if part.FileName() == "" {
				continue
			}
			text, err := inspect.PRJ(part)
			if err != nil {
				return f, problem.Invalid(err)
			}
			f.params.DEMCRS = text
		case "climate_file", "pixel_file":
			if part.FileName() == "" { // a form whose file was left out
				continue
			}
			if len(f.stored) >= mostFiles {
				return f, problem.Invalid(fmt.Errorf("more than %d files: a job has one DEM, one climate table and at most five rasters", mostFiles))
			}
			spec, err := s.inputs.UploadTable(c.Request.Context(), part.FileName(), part)
			if err != nil {
				return f, err
			}
			if name == "pixel_file" {
				spec = "pixel:" + strings.TrimPrefix(spec, "table:")
			}
			f.params.Climate = spec
			_, key, _ := strings.Cut(spec, ":")
			f.stored = append(f.stored, key)
		default:
			if field, ok := param.RasterField(name); ok && name == field.RasterFile() {
				if part.FileName() == "" {
					continue
				}
				if len(f.stored) >= mostFiles {
					return f, problem.Invalid(fmt.Errorf("more than %d files: a job has one DEM, one climate table and at most five rasters", mostFiles))
				}
				key, err := s.inputs.UploadRaster(c.Request.Context(), &f.params, field.Input(), part.FileName(), part)
				if err != nil {
					return f, err
				}
				f.stored = append(f.stored, key)
				continue
			}
			value, err := io.ReadAll(io.LimitReader(part, answer.SmallBody))
			if err != nil {
				return f, problem.Invalid(err)
			}
			if err := set(name, string(value)); err != nil {
				return f, err
			}
		}
	}
}

// set takes one form field; its names are those of the old suite.
func (f *form) set(name, value string) error {
	value = strings.TrimSpace(value)
	if value == "" {
		return nil
	}
	switch name {
	case "workflow_type":
		f.workflow = param.Workflow(value)
		return nil
	case "num_threads": // the platform decides how many cores work on a job
		if _, err := strconv.Atoi(value); err != nil {
			return problem.Invalid(fmt.Errorf("num_threads %q: not a valid value: %w", value, err))
		}
		return nil
	}
	if field, ok := param.WordField(name); ok { // as job.json has it
		given, err := strconv.ParseBool(value)
		if err != nil {
			return problem.Invalid(fmt.Errorf("%s %q: must be true or false", name, value))
		}
		f.params.SetWord(field, given)
		return nil
	}
	if field, ok := param.RasterField(name); ok && name != field.RasterFile() {
		return inputs.SetInput(&f.params, field, value)
	}
	field, ok := param.FieldOf(name)
	if !ok {
		return problem.Invalid(fmt.Errorf("field %q is not known", name))
	}
	f.startSet = f.startSet || name == "start_year"
	f.endSet = f.endSet || name == "end_year"
	if err := field.SetText(&f.params, value); err != nil {
		return problem.Invalid(err)
	}
	return nil
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
			c.Header("Access-Control-Allow-Headers", "Range, If-None-Match, Accept")
			c.AbortWithStatus(http.StatusNoContent)
		}
		return
	}
}
