// Package results lets clients read what jobs made: files, archives, map tiles, values and statistics.
package results

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
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

	"github.com/cyverse-gis/eemt/functions/submission/answer"
	"github.com/cyverse-gis/eemt/functions/submission/archive"
	"github.com/cyverse-gis/eemt/functions/submission/problem"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/rangeread"
	"github.com/cyverse-gis/eemt/shared/stac"
)

// Files serves the files of results.
type Files struct {
	Store  job.Store
	Log    *slog.Logger
	Answer answer.Writer
	// sums are the check sums of files that were read.
	sums archive.Sums
}

// each lists the result objects of a job.
func (f *Files) each(c *gin.Context, id string, do func(name string, o *blob.ListObject) error) error {
	prefix := job.ResultKey(id, "")
	it := f.Store.Bucket.List(&blob.ListOptions{Prefix: prefix})
	for {
		o, err := it.Next(c.Request.Context())
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := do(strings.TrimPrefix(o.Key, prefix), o); err != nil {
			return err
		}
	}
}

// Zip serves all results in one archive by range, with the old suite's names. The maps are compressed already: they
// are stored as they are.
func (f *Files) Zip(c *gin.Context) {
	id := c.Param("id")
	st, err := f.Store.Status(c.Request.Context(), id)
	if err == nil && st.State != job.Completed {
		err = problem.Invalid(problem.OldWords("Job not completed"))
	}
	if err == nil && st.Expired != nil {
		err = problem.Invalid(fmt.Errorf("the results were deleted on %s; submit the job again", st.Expired.Format("2006-01-02")))
	}
	if err != nil {
		f.Answer.Refuse(c, err)
		return
	}
	var entries []archive.Entry
	tag := sha256.New()
	err = f.each(c, id, func(name string, o *blob.ListObject) error {
		if len(entries) == archive.MostEntries {
			return fmt.Errorf("job %s has more than %d files", id, archive.MostEntries)
		}
		e := archive.Entry{Name: name, Size: o.Size, Modified: o.ModTime.Truncate(time.Second), Key: fmt.Sprintf("%s %d %d %x", o.Key, o.Size, o.ModTime.UnixNano(), o.MD5)}
		entries = append(entries, e)
		_, err := fmt.Fprintln(tag, e.Key)
		return err
	})
	var a *archive.Archive
	if err == nil {
		a, err = archive.New(entries)
	}
	if err != nil {
		f.Answer.Refuse(c, err)
		return
	}
	c.Header("Content-Type", "application/zip")
	c.Header("Content-Disposition", fmt.Sprintf("attachment; filename=eemt_results_%s.zip", id))
	c.Header("ETag", `"`+hex.EncodeToString(tag.Sum(nil)[:16])+`"`)
	r := a.Reader(c.Request.Context(), source{f.Store.Bucket, id}, &f.sums)
	defer func() { _ = r.Close() }()
	http.ServeContent(c.Writer, c.Request, "", time.Time{}, r)
	if err := r.Err(); err != nil {
		// The answer has begun: only breaking the connection tells the client.
		f.Log.Error("sending results failed", "job", id, "error", err)
		panic(http.ErrAbortHandler)
	}
}

// source opens the result files of a job for an archive.
type source struct {
	bucket *blob.Bucket
	id     string
}

// Open reads a file from an offset.
func (r source) Open(ctx context.Context, e archive.Entry, offset int64) (io.ReadCloser, error) {
	return r.bucket.NewRangeReader(ctx, job.ResultKey(r.id, e.Name), offset, -1, nil)
}

// Get serves one result file by range, or the list of files.
func (f *Files) Get(c *gin.Context) {
	id, name := c.Param("id"), strings.TrimPrefix(c.Param("file"), "/")
	if _, err := f.Store.Request(c.Request.Context(), id); err != nil {
		f.Answer.Refuse(c, err)
		return
	}
	if name == "" {
		files := []gin.H{}
		err := f.each(c, id, func(name string, o *blob.ListObject) error {
			files = append(files, gin.H{"name": name, "size": o.Size, "href": "/jobs/" + id + "/results/" + name})
			return nil
		})
		if err != nil {
			f.Answer.Refuse(c, err)
			return
		}
		c.JSON(http.StatusOK, files)
		return
	}
	if clean := path.Clean("/" + name); clean != "/"+name {
		c.JSON(http.StatusNotFound, gin.H{"detail": "no such file"})
		return
	}
	f.Serve(c, id, name)
}

// Serve serves a result by range.
func (f *Files) Serve(c *gin.Context, id, name string) {
	key := job.ResultKey(id, name)
	attributes, err := f.Store.Bucket.Attributes(c.Request.Context(), key)
	if gcerrors.Code(err) == gcerrors.NotFound {
		c.JSON(http.StatusNotFound, gin.H{"detail": "no such file"})
		return
	}
	var r *rangeread.Reader
	if err == nil {
		r, err = rangeread.Object(c.Request.Context(), f.Store.Bucket, key)
	}
	if err != nil {
		f.Answer.Refuse(c, err)
		return
	}
	defer func() { _ = r.Close() }()
	c.Header("Content-Type", resultType(name))
	if attributes.ETag != "" {
		c.Header("ETag", attributes.ETag)
	}
	http.ServeContent(c.Writer, c.Request, name, attributes.ModTime, io.NewSectionReader(r, 0, r.Size()))
}

// resultType is the media type of a result: that which the STAC item of the job says.
func resultType(name string) string {
	if strings.HasSuffix(name, ".tif") {
		return stac.COG
	}
	return answer.ContentType(name)
}
