package submission

import (
	"context"
	"errors"
	"net/http"
	"path"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/cyverse-gis/eemt/functions/submission/inputs"
	"github.com/cyverse-gis/eemt/functions/submission/problem"
	"github.com/cyverse-gis/eemt/shared/finding"
	"github.com/cyverse-gis/eemt/shared/inspect"
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
	f := form{workflow: param.Sol, params: param.DefaultParameters()}
	for name, values := range c.Request.URL.Query() {
		if name == "uploaded_filename" {
			f.uploaded = values[0]
			continue
		}
		if err := f.set(name, values[0]); err != nil {
			s.answer.Refuse(c, err)
			return
		}
	}
	s.check(c, f)
}

// postCheck examines a DEM sent along, and keeps it for the job if it is usable.
func (s *Service) postCheck(c *gin.Context) {
	f, err := s.readForm(c)
	if err != nil {
		s.inputs.Discard(c.Request.Context(), f.stored)
		// What is no raster at all never reaches the bucket: say so as the doctor does.
		if errors.Is(err, problem.ErrInvalid) && !errors.Is(err, problem.ErrTooLarge) && f.uploaded == "" {
			c.JSON(http.StatusBadRequest, checked{Report: inspect.Refused(finding.DEMFormat, errors.New(problem.Sentence(err)))})
			return
		}
		s.answer.Refuse(c, err)
		return
	}
	s.check(c, f)
}

func (s *Service) check(c *gin.Context, f form) {
	ctx := c.Request.Context()
	rep, name, err := s.examine(ctx, f)
	good := err == nil && rep.Usable
	// What came beside the DEM was only to be looked at: the job brings it again.
	s.inputs.Discard(ctx, slices.DeleteFunc(f.stored, func(key string) bool { return good && f.dem != nil && key == f.dem.Key }))
	switch {
	case err != nil:
		s.answer.Refuse(c, err)
	case !rep.Usable:
		c.JSON(http.StatusBadRequest, checked{Report: rep})
	default:
		c.JSON(http.StatusOK, checked{rep, name})
	}
}

func (s *Service) examine(ctx context.Context, f form) (*inspect.Report, string, error) {
	if f.dem == nil && f.uploaded == "" {
		return nil, "", problem.Invalid(errors.New("no DEM: send it in the field dem_file, or name an earlier upload in uploaded_filename"))
	}
	if f.dem == nil {
		ref, err := s.inputs.Locate(ctx, f.uploaded)
		if err != nil {
			return nil, "", err
		}
		if ref.Name, err = s.inputs.NameOf(ctx, ref.Key); err != nil {
			return nil, "", err
		}
		f.dem = &ref
	}
	if f.workflow == param.EEMT && f.params.Climate == "" {
		f.params.Climate = "table:unknown" // the other parameters are examined all the same
		defer func() { f.params.Climate = "" }()
	}
	if err := f.params.Validate(f.workflow); err != nil {
		return nil, "", problem.Invalid(err)
	}
	if err := s.inputs.CheckRasters(ctx, &f.params); err != nil {
		return nil, "", err
	}
	o := inspect.Options{Parameters: f.params, Name: f.dem.Name, Open: s.Climate}
	if f.params.Climate == "table:unknown" {
		o.Parameters.Climate = ""
	}
	if s.Estimate != nil {
		o.Estimate = func(width, height int) inspect.Work { return s.Estimate(f.workflow, f.params, width, height) }
	}
	r, err := rangeread.Object(ctx, s.Store.Bucket, f.dem.Key)
	if err != nil {
		return nil, "", err
	}
	defer func() { _ = r.Close() }()
	if s.MaxUpload > 0 && r.Size() > s.MaxUpload {
		return nil, "", problem.TooLarge("file "+path.Base(f.dem.Key), s.MaxUpload)
	}
	rep, err := inspect.File(ctx, r, r.Size(), o)
	rep.Reword(wording.Text)
	if err == nil && rep.Usable {
		if err := s.allowed(f.workflow, f.params, inputs.Extent{Width: rep.Width, Height: rep.Height, Bytes: r.Size()}); err != nil {
			rep.Refuse(finding.MachineRoom, err)
		}
	}
	if rep != nil && rep.Usable && f.workflow == param.EEMT && o.Parameters.Climate == "" {
		rep.Findings.Add(finding.Finding{Code: finding.ClimateMissing, Severity: finding.Note, Message: "no climate was named: the eemt workflow needs one"})
	}
	return rep, f.dem.Key[strings.LastIndexByte(f.dem.Key, '/')+1:], err
}
