// Package form reads the parameters of a job as people submit them: in a form over HTTP, or in a file beside a DEM.
package form

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/cyverse-gis/eemt/functions/submission/inputs"
	"github.com/cyverse-gis/eemt/functions/submission/problem"
	"github.com/cyverse-gis/eemt/shared/param"
)

// mostFiles bounds the files of a form, mostFields its parts.
const mostFiles, mostFields = 7, 200

// Form is a decoded submission.
type Form struct {
	Workflow param.Workflow
	Params   param.Parameters
	// DEM is the one that was sent along; nil for none. Uploaded is the name of one that was uploaded before.
	DEM      *inputs.DEM
	Uploaded string
	// Fresh asks for another job where one does the same.
	Fresh bool
	// StartSet and EndSet tell a year that was asked for from a default.
	StartSet, EndSet bool
	// Stored are the objects that this submission brought.
	Stored []string
}

// New returns a form that has the defaults.
func New() Form { return Form{Workflow: param.Sol, Params: param.DefaultParameters()} }

// Set takes one form field; its names are those of the old suite.
func (f *Form) Set(name, value string) error {
	value = strings.TrimSpace(value)
	if value == "" {
		return nil
	}
	switch name {
	case "workflow_type":
		f.Workflow = param.Workflow(value)
		return nil
	case "fresh":
		var err error
		if f.Fresh, err = strconv.ParseBool(value); err != nil {
			return problem.Invalid(fmt.Errorf("fresh %q: must be true or false", value))
		}
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
		f.Params.SetWord(field, given)
		return nil
	}
	if field, ok := param.RasterField(name); ok && name != field.RasterFile() {
		return inputs.SetInput(&f.Params, field, value)
	}
	field, ok := param.FieldOf(name)
	if !ok {
		return problem.Invalid(fmt.Errorf("field %q is not known", name))
	}
	f.StartSet = f.StartSet || name == "start_year"
	f.EndSet = f.EndSet || name == "end_year"
	if err := field.SetText(&f.Params, value); err != nil {
		return problem.Invalid(err)
	}
	return nil
}
