package form

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/gin-gonic/gin"

	"github.com/cyverse-gis/eemt/functions/submission/answer"
	"github.com/cyverse-gis/eemt/functions/submission/inputs"
	"github.com/cyverse-gis/eemt/functions/submission/problem"
	"github.com/cyverse-gis/eemt/shared/inspect"
	"github.com/cyverse-gis/eemt/shared/param"
)

// Read reads the form of a request part by part; its files go straight to the bucket. The form holds what was read
// before an error.
func Read(c *gin.Context, in *inputs.Store) (Form, error) {
	f := New()
	if !strings.HasPrefix(c.ContentType(), "multipart/") {
		err := f.readValues(c)
		return f, err
	}
	parts, err := c.Request.MultipartReader()
	if err != nil {
		return f, problem.Invalid(err)
	}
	for n := 0; ; n++ {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			f.Params.OneYear(f.StartSet, f.EndSet)
			return f, nil
		}
		if n >= mostFields {
			return f, problem.Invalid(fmt.Errorf("the form has more than %d parts", mostFields))
		}
		if err != nil {
			return f, problem.Invalid(err)
		}
		if err := f.readPart(c.Request.Context(), in, part); err != nil {
			return f, err
		}
	}
}

// readValues reads a form that has no files.
func (f *Form) readValues(c *gin.Context) error {
	c.Request.Body = http.MaxBytesReader(c.Writer, c.Request.Body, 1<<20)
	if err := c.Request.ParseForm(); err != nil {
		return problem.Invalid(err)
	}
	for name, values := range c.Request.PostForm {
		if err := f.setOrName(name, values[0]); err != nil {
			return err
		}
	}
	f.Params.OneYear(f.StartSet, f.EndSet)
	return nil
}

// setOrName takes one form field, or the name of a DEM uploaded before.
func (f *Form) setOrName(name, value string) error {
	if !utf8.ValidString(name + value) {
		return problem.Invalid(fmt.Errorf("%.64q %.80q: must be text in UTF-8", name, value))
	}
	if name == "uploaded_filename" {
		f.Uploaded = value
		return nil
	}
	return f.Set(name, value)
}

// readPart takes one part of a form: a file that it stores, or a value.
func (f *Form) readPart(ctx context.Context, in *inputs.Store, part *multipart.Part) error {
	name := part.FormName()
	switch name {
	case "dem_file":
		return f.readDEM(ctx, in, part)
	case "prj_file":
		return f.readPRJ(part)
	case "climate_file", "pixel_file":
		return f.readClimate(ctx, in, part)
	}
	if field, ok := param.RasterField(name); ok && name == field.RasterFile() {
		return f.readRaster(ctx, in, field, part)
	}
	value, err := io.ReadAll(io.LimitReader(part, answer.SmallBody+1))
	switch {
	case err != nil:
		return problem.Invalid(err)
	case len(value) > answer.SmallBody:
		return problem.Invalid(fmt.Errorf("%.64s: the value has more than %d bytes", name, answer.SmallBody))
	}
	return f.setOrName(name, string(value))
}

func (f *Form) readDEM(ctx context.Context, in *inputs.Store, part *multipart.Part) error {
	if f.DEM != nil {
		return problem.Invalid(errors.New("dem_file is there twice: a job has one DEM"))
	}
	ref, err := in.UploadPart(ctx, part)
	if err != nil {
		return err
	}
	f.DEM = &ref
	f.Stored = append(f.Stored, ref.Key)
	return nil
}

// readPRJ takes the coordinate system of the DEM.
func (f *Form) readPRJ(part *multipart.Part) error {
	if part.FileName() == "" { // a form whose file was left out
		return nil
	}
	text, err := inspect.PRJ(part)
	if err != nil {
		return problem.Invalid(err)
	}
	f.Params.DEMCRS = text
	return nil
}

// readClimate takes a climate table: of a station, or of many in a pixel_file.
func (f *Form) readClimate(ctx context.Context, in *inputs.Store, part *multipart.Part) error {
	if part.FileName() == "" {
		return nil
	}
	if err := f.full(); err != nil {
		return err
	}
	spec, err := in.UploadTable(ctx, part.FileName(), part)
	if err != nil {
		return err
	}
	_, key, _ := strings.Cut(spec, ":")
	if part.FormName() == "pixel_file" {
		spec = "pixel:" + key
	}
	f.Params.Climate = spec
	f.Stored = append(f.Stored, key)
	return nil
}

// readRaster takes the raster of a parameter.
func (f *Form) readRaster(ctx context.Context, in *inputs.Store, field param.Field, part *multipart.Part) error {
	if part.FileName() == "" {
		return nil
	}
	if err := f.full(); err != nil {
		return err
	}
	key, err := in.UploadRaster(ctx, &f.Params, field.Input(), part.FileName(), part)
	if err != nil {
		return err
	}
	f.Stored = append(f.Stored, key)
	return nil
}

// full refuses another file where there are as many as a job may have.
func (f *Form) full() error {
	if len(f.Stored) >= mostFiles {
		return problem.Invalid(fmt.Errorf("more than %d files: a job has one DEM, one climate table and at most five rasters", mostFiles))
	}
	return nil
}
