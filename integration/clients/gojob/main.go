//go:build generated

// Command gojob runs a whole job with the client that oapi-codegen makes of the definition: gojob URL DEM.
package main

import (
	"archive/zip"
	"bytes"
	"context"
	"fmt"
	"io"
	"mime/multipart"
	"os"
	"time"

	"github.com/cyverse-gis/eemt/integration/clients/api"
)

func main() {
	if err := run(context.Background(), os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// form is a form with one file.
func form(field, path string) (contentType string, body io.Reader, err error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return "", nil, err
	}
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	f, err := w.CreateFormFile(field, "dem.tif")
	if err == nil {
		_, err = f.Write(data)
	}
	if err == nil {
		err = w.Close()
	}
	return w.FormDataContentType(), &b, err
}

func run(ctx context.Context, url, dem string) error {
	c, err := api.NewClientWithResponses(url)
	if err != nil {
		return err
	}
	kind, body, err := form("file", dem)
	if err != nil {
		return err
	}
	up, err := c.UploadFileWithBodyWithResponse(ctx, kind, body)
	if err != nil || up.JSON200 == nil {
		return fmt.Errorf("upload: %w %s", err, up.Body)
	}
	name := up.JSON200.Filename
	found, err := c.CheckUploadWithResponse(ctx, &api.CheckUploadParams{UploadedFilename: name})
	if err != nil || found.JSON200 == nil || found.JSON200.Width != 61 || found.JSON200.Elevation.Min != 94 {
		return fmt.Errorf("check: %w %s", err, found.Body)
	}
	made, err := c.ExecuteWithResponse(ctx, "sol", nil, api.ExecuteRequest{Inputs: map[string]any{"dem": name, "step": 60}})
	if err != nil || made.JSON201 == nil {
		return fmt.Errorf("execute: %w %s", err, made.Body)
	}
	id := made.JSON201.JobID
	for range 600 {
		st, err := c.GetStatusWithResponse(ctx, id, nil)
		if err != nil || st.JSON200 == nil {
			return fmt.Errorf("status: %w %s", err, st.Body)
		}
		if st.JSON200.Status == api.StatusCodeSuccessful {
			return look(ctx, c, id)
		}
		if st.JSON200.Status == api.StatusCodeFailed {
			return fmt.Errorf("the job failed: %s", st.Body)
		}
		time.Sleep(200 * time.Millisecond)
	}
	return fmt.Errorf("job %s does not end", id)
}

// look reads what a completed job made.
func look(ctx context.Context, c *api.ClientWithResponses, id string) error {
	j, err := c.GetSuiteJobWithResponse(ctx, id)
	if err != nil || j.JSON200 == nil || j.JSON200.Parameters.Step != 60 {
		return fmt.Errorf("job: %w %s", err, j.Body)
	}
	if linke, err := j.JSON200.Parameters.LinkeValue.AsMonthly0(); err != nil || linke != 3 {
		return fmt.Errorf("turbidity: %v (%w)", linke, err)
	}
	s, err := c.GetStatisticsWithResponse(ctx, id, nil)
	if err != nil || s.JSON200 == nil || !(s.JSON200.Min < s.JSON200.Mean && s.JSON200.Mean < s.JSON200.Max) || s.JSON200.Std == 0 {
		return fmt.Errorf("statistics: %w %s", err, s.Body)
	}
	v, err := c.GetValueWithResponse(ctx, id, &api.GetValueParams{Lon: 174.764, Lat: -36.8765})
	if err != nil || v.JSON200 == nil || v.JSON200.Lat > -36 || v.JSON200.Values[0].Value == nil {
		return fmt.Errorf("value: %w %s", err, v.Body)
	}
	z, err := c.GetZipWithResponse(ctx, id, nil)
	if err != nil {
		return err
	}
	if _, err := zip.NewReader(bytes.NewReader(z.Body), int64(len(z.Body))); err != nil {
		return fmt.Errorf("archive: %w", err)
	}
	gone, err := c.DeleteSuiteJobWithResponse(ctx, id)
	if err != nil || gone.JSON200 == nil {
		return fmt.Errorf("delete: %w %s", err, gone.Body)
	}
	return nil
}
