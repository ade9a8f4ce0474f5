package submission

import (
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/cyverse-gis/eemt/functions/submission/ogc"
	"github.com/cyverse-gis/eemt/shared/inspect"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/param"
	"github.com/cyverse-gis/eemt/shared/wording"
)

// Handler returns the HTTP surface: the job endpoints of the old suite, and
// the result files by range.
func (s *Service) Handler() http.Handler {
	gin.SetMode(gin.ReleaseMode)
	r := gin.New()
	r.HandleMethodNotAllowed = true
	r.Use(s.recovered, s.cors, s.guarded)
	r.NoRoute(func(c *gin.Context) {
		s.problem(c, ogc.Plain(http.StatusNotFound, "there is nothing at "+c.Request.URL.Path+"; "+base(c)+"/ leads to what there is"))
	})
	r.NoMethod(func(c *gin.Context) {
		s.problem(c, ogc.Plain(http.StatusMethodNotAllowed, "method "+c.Request.Method+" is not allowed here"))
	})
	get := func(path string, h ...gin.HandlerFunc) {
		r.GET(path, h...)
		r.HEAD(path, h...)
	}
	// document is get of what is JSON, or a page for people.
	document := func(path string, h gin.HandlerFunc) { get(path, s.format, h) }
	health := func(c *gin.Context) {
		c.JSON(http.StatusOK, gin.H{"status": "healthy", "timestamp": s.Now().UTC().Format(time.RFC3339)})
	}
	get("/health", health)
	get("/healthz", health)
	document("/", s.getLanding)
	s.pageRoutes(get, r)
	document("/conformance", s.getConformance)
	document("/api", s.getAPI)
	get("/openapi.json", s.getDefinition)
	get("/docs", s.getDocs)
	get("/redoc", s.getDocs)
	document("/processes", s.getProcesses)
	document("/processes/:id", s.getProcess)
	r.POST("/processes/:id/execution", s.postExecution)
	document("/jobs", s.getJobList)
	document("/jobs/:id", s.getStatus)
	r.DELETE("/jobs/:id", s.dismiss)
	document("/jobs/:id/results", s.getResults)
	document("/jobs/:id/keep", s.getKeep)
	r.PUT("/jobs/:id/keep", s.putKeep)
	r.DELETE("/jobs/:id/keep", s.deleteKeep)
	r.POST("/api/upload-file", s.postUpload)
	r.POST("/api/submit-job", s.postSubmit)
	get("/api/jobs/:id/logs", s.getLogs)
	r.POST("/api/cleanup", s.postCleanup)
	get("/api/cleanup/status", s.getCleanupStatus)
	get("/api/system/status", s.getSystemStatus)
	r.POST("/api/sign-upload", s.postSign)
	s.tusRoutes(r)
	get("/api/check", s.getCheck)
	r.POST("/api/check", s.postCheck)
	get("/api/jobs", s.getJobs)
	get("/api/jobs/:id", s.getJob)
	r.DELETE("/api/jobs/:id", s.deleteJob)
	r.POST("/api/jobs/:id/cancel", s.postCancel)
	get("/api/jobs/:id/results", s.getZip)
	r.POST("/events", s.postEvents)
	r.OPTIONS("/events", s.optionsEvents)
	document("/stac", s.getCatalog)
	document("/stac/collections/:collection", s.getCollection)
	document("/stac/collections/:collection/items", s.getItems)
	get("/stac/catalog.json", s.getCatalogueDocument)
	get("/stac/:collection/collection.json", s.getCatalogueDocument)
	get("/stac/:collection/:day/catalog.json", s.getCatalogueDocument)
	get("/jobs/:id/tiles", s.getTileJSON)
	get("/jobs/:id/tiles/:z/:x/:y", s.getTile)
	get("/jobs/:id/value", s.getValue)
	get("/jobs/:id/statistics", s.getStatistics)
	get("/jobs/:id/results/*file", s.getResult)
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

// maxField bounds one form value.
const maxField = 64 << 10

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
		s.refuse(c, invalid{fmt.Errorf("send the DEM as multipart form data in the field file: %w", err)})
		return
	}
	for {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			s.refuse(c, invalid{errors.New("field file is missing")})
			return
		}
		if err != nil {
			s.refuse(c, invalid{err})
			return
		}
		if part.FormName() != "file" {
			continue
		}
		ref, err := s.uploadPart(c, part)
		if err != nil {
			s.refuse(c, err)
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
		return job.DEM{}, invalid{fmt.Errorf("field %s has no file: choose a DEM", part.FormName())}
	}
	return s.Upload(c.Request.Context(), name, part)
}

func (s *Service) postSubmit(c *gin.Context) {
	f, err := s.readForm(c)
	if err == nil && f.dem == nil && f.uploaded == "" {
		err = invalid{errors.New("no DEM: send it in the field dem_file, or name an earlier upload in uploaded_filename")}
	}
	if err == nil && f.dem == nil {
		var ref job.DEM
		ref, err = s.Stored(c.Request.Context(), f.uploaded)
		f.dem = &ref
	}
	var r job.Request
	if err == nil {
		r, err = s.Submit(c.Request.Context(), f.workflow, f.params, *f.dem)
	}
	if err != nil {
		// After a fault of the store the job may stand all the same.
		if errors.Is(err, ErrInvalid) {
			s.discard(c.Request.Context(), f.stored)
		}
		s.refuse(c, err)
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
			return f, invalid{err}
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
		return f, invalid{err}
	}
	for n := 0; ; n++ {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			f.params.OneYear(f.startSet, f.endSet)
			return f, nil
		}
		if n >= mostFields {
			return f, invalid{fmt.Errorf("the form has more than %d parts", mostFields)}
		}
		if err != nil {
			return f, invalid{err}
		}
		switch name := part.FormName(); name {
		case "dem_file":
			if f.dem != nil {
				return f, invalid{errors.New("dem_file is there twice: a job has one DEM")}
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
				return f, invalid{err}
			}
			f.params.DEMCRS = text
		case "climate_file", "pixel_file":
			if part.FileName() == "" { // a form whose file was left out
				continue
			}
			if len(f.stored) >= mostFiles {
				return f, invalid{fmt.Errorf("more than %d files: a job has one DEM, one climate table and at most five rasters", mostFiles)}
			}
			spec, err := s.UploadTable(c.Request.Context(), part.FileName(), part)
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
					return f, invalid{fmt.Errorf("more than %d files: a job has one DEM, one climate table and at most five rasters", mostFiles)}
				}
				key, err := s.uploadInput(c.Request.Context(), &f.params, field.Input(), part.FileName(), part)
				if err != nil {
					return f, err
				}
				f.stored = append(f.stored, key)
				continue
			}
			value, err := io.ReadAll(io.LimitReader(part, maxField))
			if err != nil {
				return f, invalid{err}
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
			return invalid{fmt.Errorf("num_threads %q: not a valid value: %w", value, err)}
		}
		return nil
	}
	if field, ok := param.WordField(name); ok { // as job.json has it
		given, err := strconv.ParseBool(value)
		if err != nil {
			return invalid{fmt.Errorf("%s %q: must be true or false", name, value)}
		}
		f.params.SetWord(field, given)
		return nil
	}
	if field, ok := param.RasterField(name); ok && name != field.RasterFile() {
		return setInput(&f.params, field, value)
	}
	field, ok := param.FieldOf(name)
	if !ok {
		return invalid{fmt.Errorf("field %q is not known", name)}
	}
	f.startSet = f.startSet || name == "start_year"
	f.endSet = f.endSet || name == "end_year"
	if err := field.SetText(&f.params, value); err != nil {
		return invalid{err}
	}
	return nil
}

func (s *Service) getJobs(c *gin.Context) {
	limit, err := strconv.Atoi(c.DefaultQuery("limit", "100"))
	if err != nil || limit < 1 || limit > 1000 {
		s.refuse(c, invalid{fmt.Errorf("limit %q: must be 1 to 1000", c.Query("limit"))})
		return
	}
	want, workflow := c.Query("status"), c.Query("workflow_type")
	if states := []string{"", "pending", "running", "completed", "failed", "cancelled"}; !slices.Contains(states, want) {
		s.refuse(c, invalid{fmt.Errorf("status %q: must be %s", want, strings.Join(states[1:], ", "))})
		return
	}
	if workflow != "" && workflow != string(param.Sol) && workflow != string(param.EEMT) {
		s.refuse(c, invalid{fmt.Errorf("workflow_type %q: must be sol or eemt", workflow)})
		return
	}
	q := listing{cursor: c.Query("cursor"), limit: limit}
	if q.words, err = searchWords(c.Query("q")); err != nil {
		s.refuse(c, invalid{err})
		return
	}
	if workflow != "" {
		q.request = func(r job.Request) bool { return string(r.Workflow) == workflow }
	}
	if want != "" {
		// The old suite had failed for cancelled, too.
		q.match = func(st job.Status) bool { return suiteState(st) == want || string(st.State) == want }
	}
	found, next, err := s.list(c.Request.Context(), q)
	if err != nil {
		s.refuse(c, err)
		return
	}
	list := []gin.H{}
	for _, st := range found {
		list = append(list, s.view(st))
	}
	if next != "" {
		c.Header("Link", fmt.Sprintf(`<%s>; rel="next"`, withQuery("", c, "cursor", next)))
	}
	c.JSON(http.StatusOK, list)
}

func (s *Service) getJob(c *gin.Context) {
	st, err := s.status(c.Request.Context(), c.Param("id"))
	if err != nil {
		s.refuse(c, err)
		return
	}
	c.JSON(http.StatusOK, s.view(st))
}

// suiteState is the state in the old suite's words.
func suiteState(st job.Status) string {
	if st.State == job.Cancelled {
		return string(job.Failed)
	}
	return string(st.State)
}

// parameters are those of a job as the old suite shows them.
type parameters struct {
	param.Parameters
	// Linke and Albedo are numbers, as they were; a list where each month has its own.
	Linke  any `json:"linke_value"`
	Albedo any `json:"albedo_value"`
	// Threads are the cores of this machine: what the job asked for in num_threads is not followed.
	Threads int `json:"num_threads"`
}

func suiteParameters(p param.Parameters) parameters {
	one := func(values []float64) any {
		if len(values) == 1 {
			return values[0]
		}
		return values
	}
	return parameters{p, one(p.Linke), one(p.Albedo), runtime.NumCPU()}
}

// view is a job as the old suite shows it; times are RFC 3339 in UTC.
func (s *Service) view(st job.Status) gin.H {
	h := gin.H{
		"id": st.Request.ID, "workflow_type": st.Request.Workflow, "status": suiteState(st),
		"current_task": st.Message(), "estimated_completion": nil,
		"created_at": st.Request.Created.Format(time.RFC3339), "started_at": nil, "completed_at": nil,
		"parameters": suiteParameters(st.Request.Parameters), "dem_filename": st.Request.DEM.Name, "uploaded_filename": nil, "progress": st.Progress(),
		"tasks_done": st.Done, "tasks_planned": st.Planned, "error_message": nil, "data_expired_at": nil,
	}
	if len(st.Findings) > 0 {
		h["findings"] = st.Findings
	}
	if name, ok := strings.CutPrefix(st.Request.DEM.Key, job.InputPrefix); ok && st.Expired == nil {
		h["uploaded_filename"] = name
	}
	h["pinned"], h["expires_at"] = st.Pin.Pinned, nil
	if at := s.expires(st); at != nil {
		h["expires_at"] = at.Format(time.RFC3339)
	}
	if !st.Started.IsZero() {
		h["started_at"] = st.Started.Format(time.RFC3339)
	}
	if at, ok := st.Expected(s.Now()); ok {
		h["estimated_completion"] = at.UTC().Format(time.RFC3339)
	}
	if st.End != nil {
		h["completed_at"] = st.End.Ended.Format(time.RFC3339)
		if st.End.Reason != "" {
			h["error_message"] = st.End.Reason
		}
	}
	if st.Expired != nil {
		h["data_expired_at"] = st.Expired.Format(time.RFC3339)
	}
	if st.State == job.Completed && st.Expired == nil {
		h["results"] = "/jobs/" + st.Request.ID + "/results/"
	}
	return h
}

func (s *Service) postCancel(c *gin.Context) {
	if _, err := s.Cancel(c.Request.Context(), c.Param("id")); err != nil {
		s.refuse(c, err)
		return
	}
	c.JSON(http.StatusOK, gin.H{"status": "success", "message": "Job cancelled"})
}

func (s *Service) deleteJob(c *gin.Context) {
	st, err := s.status(c.Request.Context(), c.Param("id"))
	if err == nil && !st.Ended() {
		err = invalid{fmt.Errorf("job is %s: cancel it before deleting it", st.State)}
	}
	if err == nil {
		_, err = s.Store.RemoveAll(c.Request.Context(), st.Request, false)
		s.letGo(c.Request.Context(), st.Request)
	}
	if err != nil {
		s.refuse(c, err)
		return
	}
	c.JSON(http.StatusOK, gin.H{"status": "success", "message": "Job deleted"})
}

// longestDetail bounds what an answer says of an error, in bytes: values are given back in it.
const longestDetail = 2000

// sentence is what an error says to the caller.
func sentence(err error) string {
	text := wording.Error(err)
	if len(text) > longestDetail {
		text = strings.ToValidUTF8(text[:longestDetail], "") + "..."
	}
	return text
}

// refuse answers with the error's own words when they are meant for the caller.
func (s *Service) refuse(c *gin.Context, err error) {
	var large *http.MaxBytesError
	switch {
	case errors.Is(err, job.ErrNotFound):
		c.JSON(http.StatusNotFound, gin.H{"detail": "Job not found"})
	case errors.Is(err, job.ErrBadCursor):
		c.JSON(http.StatusBadRequest, gin.H{"detail": "cursor: must be that of a Link header of this list"})
	case errors.As(err, &large):
		c.JSON(http.StatusRequestEntityTooLarge, gin.H{"detail": tooLarge("the body", large.Limit).Error()})
	case errors.Is(err, errTooLarge):
		c.JSON(http.StatusRequestEntityTooLarge, gin.H{"detail": err.Error()})
	case errors.Is(err, ErrNoRoom):
		c.JSON(http.StatusInsufficientStorage, gin.H{"detail": sentence(err)})
	case errors.Is(err, ErrInvalid):
		c.JSON(http.StatusBadRequest, gin.H{"detail": sentence(err)})
	default:
		s.Log.Error("request failed", "path", c.Request.URL.Path, "error", err)
		c.JSON(http.StatusServiceUnavailable, gin.H{"detail": "the service cannot reach its storage; try again"})
	}
}
