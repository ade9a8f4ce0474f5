package submission

import (
	"context"
	"errors"
	"net/http"
	"path"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/cyverse-gis/eemt/functions/submission/answer"
	"github.com/cyverse-gis/eemt/functions/submission/form"
	"github.com/cyverse-gis/eemt/functions/submission/inputs"
	"github.com/cyverse-gis/eemt/functions/submission/problem"
	"github.com/cyverse-gis/eemt/functions/submission/slots"
	"github.com/cyverse-gis/eemt/functions/submission/submit"
	"github.com/cyverse-gis/eemt/shared/fault"
	"github.com/cyverse-gis/eemt/shared/finding"
	"github.com/cyverse-gis/eemt/shared/inspect"
	"github.com/cyverse-gis/eemt/shared/param"
	"github.com/cyverse-gis/eemt/shared/rangeread"
	"github.com/cyverse-gis/eemt/shared/wording"
)

// forms takes the forms that make a job, or have its inputs checked before.
type forms struct {
	inputs *inputs.Store
	submit *submit.Submitter
	answer answer.Writer
	// inspections are those at work.
	inspections *slots.Slots
	// estimate tells what a job takes; may be nil.
	estimate func(w param.Workflow, p param.Parameters, width, height int) inspect.Work
}

// checked is the answer to a check of a DEM: what was found, and the name to submit by.
type checked struct {
	*inspect.Report
	// Filename is what submit-job takes as uploaded_filename.
	Filename string `json:"filename,omitempty"`
}

// inspectionsAtOnce is how many DEMs are inspected at a time. Each takes some 70 MiB at most, beside the blocks that it
// decodes under the budget of the process.
const inspectionsAtOnce = 4

// getCheck inspects a DEM uploaded before.
func (h forms) getCheck(c *gin.Context) {
	f := form.New()
	for name, values := range c.Request.URL.Query() {
		if name == "uploaded_filename" {
			f.Uploaded = values[0]
			continue
		}
		if err := f.Set(name, values[0]); err != nil {
			h.answer.Refuse(c, err)
			return
		}
	}
	h.check(c, f)
}

// postCheck examines a DEM sent along, and keeps it for the job if it is usable.
func (h forms) postCheck(c *gin.Context) {
	f, err := form.Read(c, h.inputs)
	if err != nil {
		h.inputs.Discard(c.Request.Context(), f.Stored)
		// What is no raster at all never reaches the bucket: say so as a finding.
		if problem.Refused(err) && !fault.Is(err, fault.TooLarge) && f.Uploaded == "" {
			rep := inspect.Refused(finding.DEMFormat, errors.New(problem.Sentence(err)))
			rep.Reword(param.AsFields)
			c.JSON(http.StatusBadRequest, checked{Report: rep})
			return
		}
		h.answer.Refuse(c, err)
		return
	}
	h.check(c, f)
}

func (h forms) check(c *gin.Context, f form.Form) {
	ctx := c.Request.Context()
	rep, name, err := h.examine(ctx, f)
	// A check that comes too early, or fails for a passing reason, may come again without the DEM.
	later := err != nil && !problem.Refused(err)
	kept := later || err == nil && rep.Usable
	// Files that came beside the DEM are deleted: the job brings them again.
	h.inputs.Discard(ctx, slices.DeleteFunc(f.Stored, func(key string) bool { return kept && f.DEM != nil && key == f.DEM.Key }))
	switch {
	case later && f.DEM != nil:
		h.answer.RefuseWith(c, err, gin.H{"filename": path.Base(f.DEM.Key)})
	case err != nil:
		h.answer.Refuse(c, err)
	case !rep.Usable:
		c.JSON(http.StatusBadRequest, checked{Report: rep})
	default:
		c.JSON(http.StatusOK, checked{rep, name})
	}
}

// examine checks the inputs of a form. It returns the name by which a job names the DEM, too.
func (h forms) examine(ctx context.Context, f form.Form) (*inspect.Report, string, error) {
	if err := h.locate(ctx, &f); err != nil {
		return nil, "", err
	}
	// The DEM may be checked before a climate is chosen.
	if err := f.Params.ValidateGiven(f.Workflow); err != nil {
		return nil, "", problem.Invalid(err)
	}
	if err := h.inputs.CheckRasters(ctx, &f.Params); err != nil {
		return nil, "", err
	}
	release, err := h.inspections.Take(ctx)
	if err != nil {
		return nil, "", err
	}
	defer release()
	o := inspect.Options{Parameters: f.Params, Name: f.DEM.Name, Open: h.inputs.Climate, MostBlock: inputs.MostBlock}
	if h.estimate != nil {
		o.Estimate = func(width, height int) inspect.Work { return h.estimate(f.Workflow, f.Params, width, height) }
	}
	rep, err := h.inspect(ctx, f, o)
	if rep != nil && rep.Usable && f.Workflow == param.EEMT && o.Parameters.Climate == "" {
		rep.Findings.Add(finding.Finding{Code: finding.ClimateMissing, Severity: finding.Note, Message: "no climate was named: the eemt workflow needs one"})
	}
	return rep, f.DEM.Key[strings.LastIndexByte(f.DEM.Key, '/')+1:], err
}

// locate finds the DEM that a form names, if none came along.
func (h forms) locate(ctx context.Context, f *form.Form) error {
	switch {
	case f.DEM != nil:
		return nil
	case f.Uploaded == "":
		return problem.Invalid(errors.New("no DEM: send it in the field dem_file, or name an earlier upload in uploaded_filename"))
	}
	ref, err := h.inputs.Locate(ctx, f.Uploaded)
	f.DEM = &inputs.DEM{DEM: ref}
	return err
}

// inspect reads the DEM of a form, and holds its size against what is allowed.
func (h forms) inspect(ctx context.Context, f form.Form, o inspect.Options) (*inspect.Report, error) {
	r, err := rangeread.Object(ctx, h.inputs.Bucket, f.DEM.Key)
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close() }()
	if h.inputs.MaxUpload > 0 && r.Size() > h.inputs.MaxUpload {
		return nil, problem.TooLarge("file "+path.Base(f.DEM.Key), h.inputs.MaxUpload)
	}
	rep, err := inspect.File(ctx, r, r.Size(), o)
	rep.Reword(func(sentence string) string { return param.AsFields(wording.Text(sentence)) })
	if err == nil && rep.Usable {
		if err := h.submit.Allowed(f.Workflow, f.Params, inputs.Extent{Width: rep.Width, Height: rep.Height, Bytes: r.Size()}); err != nil {
			rep.Refuse(finding.MachineRoom, err)
		}
	}
	return rep, err
}

// postSubmit makes a job of a form.
func (h forms) postSubmit(c *gin.Context) {
	f, err := form.Read(c, h.inputs)
	if err == nil && f.DEM == nil && f.Uploaded == "" {
		err = problem.Invalid(errors.New("no DEM: send it in the field dem_file, or name an earlier upload in uploaded_filename"))
	}
	if err == nil && f.DEM == nil {
		var ref inputs.DEM
		ref, err = h.inputs.Stored(c.Request.Context(), f.Uploaded)
		f.DEM = &ref
	}
	var made submit.Made
	if err == nil {
		made, err = h.submit.Submit(c.Request.Context(), submit.Order{Workflow: f.Workflow, Parameters: f.Params, DEM: *f.DEM, Fresh: f.Fresh})
	}
	// After a fault of the store the job may stand all the same.
	if problem.Refused(err) || made.Existing {
		h.inputs.Discard(c.Request.Context(), f.Stored)
	}
	if err != nil {
		h.answer.Refuse(c, err)
		return
	}
	c.Header("Location", "/api/jobs/"+made.ID)
	said := gin.H{"job_id": made.ID, "status": "submitted"}
	if made.Existing {
		said["existing"] = true
	}
	c.JSON(http.StatusOK, said)
}
