package submission

import (
	"context"
	"errors"
	"net/http"
	"path"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/cyverse-gis/eemt/functions/submission/form"
	"github.com/cyverse-gis/eemt/functions/submission/inputs"
	"github.com/cyverse-gis/eemt/functions/submission/problem"
	"github.com/cyverse-gis/eemt/shared/fault"
	"github.com/cyverse-gis/eemt/shared/finding"
	"github.com/cyverse-gis/eemt/shared/inspect"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/param"
	"github.com/cyverse-gis/eemt/shared/rangeread"
	"github.com/cyverse-gis/eemt/shared/wording"
)

// checked is the doctor's answer: what was found, and the name to submit by.
type checked struct {
	*inspect.Report
	// Filename is what submit-job takes as uploaded_filename.
	Filename string `json:"filename,omitempty"`
}

// getCheck inspects a DEM uploaded before.
func (s *Service) getCheck(c *gin.Context) {
	f := form.New()
	for name, values := range c.Request.URL.Query() {
		if name == "uploaded_filename" {
			f.Uploaded = values[0]
			continue
		}
		if err := f.Set(name, values[0]); err != nil {
			s.answer.Refuse(c, err)
			return
		}
	}
	s.check(c, f)
}

// postCheck examines a DEM sent along, and keeps it for the job if it is usable.
func (s *Service) postCheck(c *gin.Context) {
	f, err := form.Read(c, s.inputs)
	if err != nil {
		s.inputs.Discard(c.Request.Context(), f.Stored)
		// What is no raster at all never reaches the bucket: say so as the doctor does.
		if problem.Refused(err) && !fault.Is(err, fault.TooLarge) && f.Uploaded == "" {
			c.JSON(http.StatusBadRequest, checked{Report: inspect.Refused(finding.DEMFormat, errors.New(problem.Sentence(err)))})
			return
		}
		s.answer.Refuse(c, err)
		return
	}
	s.check(c, f)
}

func (s *Service) check(c *gin.Context, f form.Form) {
	ctx := c.Request.Context()
	rep, name, err := s.examine(ctx, f)
	good := err == nil && rep.Usable
	// What came beside the DEM was only to be looked at: the job brings it again.
	s.inputs.Discard(ctx, slices.DeleteFunc(f.Stored, func(key string) bool { return good && f.DEM != nil && key == f.DEM.Key }))
	switch {
	case err != nil:
		s.answer.Refuse(c, err)
	case !rep.Usable:
		c.JSON(http.StatusBadRequest, checked{Report: rep})
	default:
		c.JSON(http.StatusOK, checked{rep, name})
	}
}

func (s *Service) examine(ctx context.Context, f form.Form) (*inspect.Report, string, error) {
	if f.DEM == nil && f.Uploaded == "" {
		return nil, "", problem.Invalid(errors.New("no DEM: send it in the field dem_file, or name an earlier upload in uploaded_filename"))
	}
	if f.DEM == nil {
		ref, err := s.inputs.Locate(ctx, f.Uploaded)
		if err != nil {
			return nil, "", err
		}
		f.DEM = &inputs.DEM{DEM: ref}
	}
	// The DEM may be checked before a climate is chosen.
	if err := f.Params.ValidateGiven(f.Workflow); err != nil {
		return nil, "", problem.Invalid(err)
	}
	if err := s.inputs.CheckRasters(ctx, &f.Params); err != nil {
		return nil, "", err
	}
	o := inspect.Options{Parameters: f.Params, Name: f.DEM.Name, Open: s.Climate}
	if s.Estimate != nil {
		o.Estimate = func(width, height int) inspect.Work { return s.Estimate(f.Workflow, f.Params, width, height) }
	}
	r, err := rangeread.Object(ctx, s.Store.Bucket, f.DEM.Key)
	if err != nil {
		return nil, "", err
	}
	defer func() { _ = r.Close() }()
	if s.MaxUpload > 0 && r.Size() > s.MaxUpload {
		return nil, "", problem.TooLarge("file "+path.Base(f.DEM.Key), s.MaxUpload)
	}
	rep, err := inspect.File(ctx, r, r.Size(), o)
	rep.Reword(wording.Text)
	if err == nil && rep.Usable {
		if err := s.submit.Allowed(f.Workflow, f.Params, inputs.Extent{Width: rep.Width, Height: rep.Height, Bytes: r.Size()}); err != nil {
			rep.Refuse(finding.MachineRoom, err)
		}
	}
	if rep != nil && rep.Usable && f.Workflow == param.EEMT && o.Parameters.Climate == "" {
		rep.Findings.Add(finding.Finding{Code: finding.ClimateMissing, Severity: finding.Note, Message: "no climate was named: the eemt workflow needs one"})
	}
	return rep, f.DEM.Key[strings.LastIndexByte(f.DEM.Key, '/')+1:], err
}

// postSubmit makes a job of a form.
func (s *Service) postSubmit(c *gin.Context) {
	f, err := form.Read(c, s.inputs)
	if err == nil && f.DEM == nil && f.Uploaded == "" {
		err = problem.Invalid(errors.New("no DEM: send it in the field dem_file, or name an earlier upload in uploaded_filename"))
	}
	if err == nil && f.DEM == nil {
		var ref inputs.DEM
		ref, err = s.inputs.Stored(c.Request.Context(), f.Uploaded)
		f.DEM = &ref
	}
	var r job.Request
	if err == nil {
		r, err = s.submit.Submit(c.Request.Context(), f.Workflow, f.Params, *f.DEM)
	}
	if err != nil {
		// After a fault of the store the job may stand all the same.
		if problem.Refused(err) {
			s.inputs.Discard(c.Request.Context(), f.Stored)
		}
		s.answer.Refuse(c, err)
		return
	}
	c.Header("Location", "/api/jobs/"+r.ID)
	c.JSON(http.StatusOK, gin.H{"job_id": r.ID, "status": "submitted"})
}
