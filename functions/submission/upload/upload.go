// Package upload takes files over HTTP: whole, in parts, or past the service at an address of the bucket.
package upload

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"
	"golang.org/x/sync/singleflight"

	"github.com/cyverse-gis/eemt/functions/submission/access"
	"github.com/cyverse-gis/eemt/functions/submission/answer"
	"github.com/cyverse-gis/eemt/functions/submission/inputs"
	"github.com/cyverse-gis/eemt/functions/submission/problem"
	"github.com/cyverse-gis/eemt/functions/submission/quota"
	"github.com/cyverse-gis/eemt/shared/job"
)

// Server takes uploads.
type Server struct {
	Inputs *inputs.Store
	Log    *slog.Logger
	Answer answer.Writer
	// Stall is how long a body may bring nothing before the request is ended.
	Stall time.Duration
	// Quota bounds the bytes that an owner uploads.
	Quota quota.Book
	// joins are the uploads whose parts are being joined.
	joins singleflight.Group
}

// mostFields bounds the parts of a form before its file.
const mostFields = 200

// Whole takes a DEM in the field file of a form.
func (s *Server) Whole(c *gin.Context) {
	parts, err := c.Request.MultipartReader()
	if err != nil {
		s.Answer.Refuse(c, problem.Invalid(fmt.Errorf("send the DEM as multipart form data in the field file: %w", err)))
		return
	}
	for n := 0; ; n++ {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			s.Answer.Refuse(c, problem.Invalid(errors.New("field file is missing")))
			return
		}
		if n >= mostFields {
			s.Answer.Refuse(c, problem.Invalid(fmt.Errorf("the form has more than %d parts before its field file", mostFields)))
			return
		}
		if err != nil {
			s.Answer.Refuse(c, problem.Invalid(err))
			return
		}
		if part.FormName() != "file" {
			continue
		}
		ref, err := s.Inputs.UploadPart(c.Request.Context(), part)
		if err != nil {
			s.Answer.Refuse(c, err)
			return
		}
		c.JSON(http.StatusOK, gin.H{
			"status": "success", "filename": strings.TrimPrefix(ref.Key, job.InputPrefix),
			"original_name": ref.Name, "size": ref.Size, "message": "File uploaded successfully",
		})
		return
	}
}

// signExpiry is how long an address to upload to holds.
const signExpiry = time.Hour

// Sign gives an address in the bucket itself to upload to, where the bucket
// can sign one.
func (s *Server) Sign(c *gin.Context) {
	var r struct {
		Filename string `json:"filename"`
		Size     int64  `json:"size"`
	}
	body, err := io.ReadAll(http.MaxBytesReader(c.Writer, c.Request.Body, answer.SmallBody))
	if err == nil {
		err = json.NewDecoder(bytes.NewReader(body)).Decode(&r)
	}
	name := inputs.BaseName(r.Filename)
	switch {
	case err != nil:
		s.Answer.Refuse(c, problem.Body(fmt.Errorf("send {\"filename\": \"dem.tif\", \"size\": BYTES}: %w", err)))
		return
	case !inputs.Named(name):
		s.Answer.Refuse(c, problem.Invalid(errors.New("filename is missing: give the name of the DEM")))
		return
	case r.Size < 1 || r.Size > s.Inputs.MaxUpload:
		s.Answer.Refuse(c, problem.Invalid(fmt.Errorf("size %d: must be 1 to %d bytes", r.Size, s.Inputs.MaxUpload)))
		return
	}
	ctx, key := c.Request.Context(), s.Inputs.NewKey(c.Request.Context(), name)
	if _, err := s.Quota.BeginUpload(ctx, access.From(ctx).Owner, path.Base(key), r.Size, r.Size); err != nil {
		s.Answer.Refuse(c, err)
		return
	}
	opts := blob.SignedURLOptions{Method: http.MethodPut, Expiry: signExpiry, ContentType: "image/tiff"}
	address, err := s.Inputs.Bucket.SignedURL(ctx, key, &opts)
	if gcerrors.Code(err) == gcerrors.Unimplemented {
		// S3 signs, but not the content type.
		opts.ContentType = ""
		address, err = s.Inputs.Bucket.SignedURL(ctx, key, &opts)
	}
	if err != nil {
		if err := s.Quota.EndUpload(ctx, access.From(ctx).Owner, path.Base(key), r.Size, 0); err != nil {
			s.Log.Warn("an address that was not given is counted", "error", err)
		}
		if gcerrors.Code(err) != gcerrors.Unimplemented {
			s.Log.Warn("signing an address failed", "error", err)
		}
		c.JSON(http.StatusNotImplemented, gin.H{"detail": "this bucket does not sign addresses; upload to /uploads (tus) or /api/upload-file"})
		return
	}
	c.JSON(http.StatusOK, gin.H{
		"url": address, "method": http.MethodPut, "headers": gin.H{"Content-Type": "image/tiff"},
		"filename": path.Base(key), "expires_in": int(signExpiry / time.Second),
	})
}
