package upload

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/tus/tusd/v2/pkg/handler"
	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"
	"golang.org/x/exp/slog"

	"github.com/cyverse-gis/eemt/functions/submission/access"
	"github.com/cyverse-gis/eemt/functions/submission/answer"
	"github.com/cyverse-gis/eemt/functions/submission/inputs"
	"github.com/cyverse-gis/eemt/functions/submission/problem"
	"github.com/cyverse-gis/eemt/functions/submission/quota"
	"github.com/cyverse-gis/eemt/shared/foreign"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/param"
)

const (
	// partSize is how much of an upload is written as one object: what a crash loses at most.
	partSize = 16 << 20
	// mostParts bounds the objects of one upload.
	mostParts = 4096
	// longestMetadata bounds Upload-Metadata, in bytes.
	longestMetadata = 8 << 10
	// storedMetadata is where the record of an upload has Upload-Metadata as it came.
	storedMetadata = "upload-metadata"
	// PartType is the content type of a part.
	PartType = "application/offset+octet-stream"
)

// tusHandler takes uploads by the tus protocol 1.0 (core, creation, termination).
// The parts of an upload are objects named by their offset and created only if
// absent, so that two requests for the same offset have one winner in whatever
// replicas they run; nothing is kept in memory between requests.
func (s *Server) tusHandler() (*handler.UnroutedHandler, error) {
	store := tusStore{s}
	composer := handler.NewStoreComposer()
	composer.UseCore(store)
	composer.UseTerminater(store)
	return handler.NewUnroutedHandler(handler.Config{
		StoreComposer: composer, BasePath: "/uploads/", MaxSize: s.Inputs.MaxUpload, DisableDownload: true, DisableConcatenation: true,
		Cors: &handler.CorsConfig{Disable: true}, RespectForwardedHeaders: true, NetworkTimeout: s.Stall,
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
		PreUploadCreateCallback: func(hook handler.HookEvent) (handler.HTTPResponse, handler.FileInfoChanges, error) {
			given := hook.HTTPRequest.Header.Get("Upload-Metadata")
			if len(given) > longestMetadata {
				return handler.HTTPResponse{}, handler.FileInfoChanges{}, tusError(http.StatusBadRequest, fmt.Sprintf("Upload-Metadata: has %d bytes, must have at most %d", len(given), longestMetadata))
			}
			name := inputs.BaseName(hook.Upload.MetaData["filename"])
			if !inputs.Named(name) {
				return handler.HTTPResponse{}, handler.FileInfoChanges{}, tusError(http.StatusBadRequest, "Upload-Metadata: filename must be given")
			}
			id := path.Base(s.Inputs.NewKey(hook.Context, name))
			if err := s.begin(hook.Context, id, hook.Upload.Size); err != nil {
				return handler.HTTPResponse{}, handler.FileInfoChanges{}, err
			}
			return handler.HTTPResponse{}, handler.FileInfoChanges{
				ID: id, MetaData: handler.MetaData{"filename": name}, Storage: map[string]string{storedMetadata: given},
			}, nil
		},
	})
}

// begin counts an upload against the quota of its owner.
func (s *Server) begin(ctx context.Context, id string, size int64) error {
	_, err := s.Quota.BeginUpload(ctx, access.From(ctx).Owner, id, size, size)
	var over quota.Exceeded
	switch {
	case errors.As(err, &over):
		refused := tusError(http.StatusTooManyRequests, over.Error())
		refused.HTTPResponse.Header["Retry-After"] = strconv.Itoa(max(1, int(over.After.Seconds())))
		return refused
	case err != nil:
		return (&upload{s: s, info: handler.FileInfo{ID: id}}).fault(err)
	}
	return nil
}

func tusError(status int, sentence string) handler.Error {
	return handler.NewError("ERR_REFUSED", param.AsFields(sentence), status)
}

// Routes adds the endpoints of the protocol tus.
func (s *Server) Routes(r *gin.Engine) {
	h, err := s.tusHandler()
	if err != nil {
		panic(err) // the configuration above is fixed
	}
	serve := func(f http.HandlerFunc) gin.HandlerFunc {
		inner := http.StripPrefix("/uploads", h.Middleware(f))
		return func(c *gin.Context) {
			x := &exchange{control: http.NewResponseController(c.Writer)}
			r := c.Request.Clone(context.WithValue(c.Request.Context(), exchange{}, x))
			// The library has its own rule for addresses behind a proxy. It gets the scheme and the host that all other links
			// are made of.
			scheme, host := answer.Origin(c.Request)
			r.Header.Del("Forwarded")
			r.Header.Set("X-Forwarded-Proto", scheme)
			r.Header.Set("X-Forwarded-Host", host)
			inner.ServeHTTP(c.Writer, r)
			if x.metadata != "" && r.Method == http.MethodHead {
				c.Header("Upload-Metadata", x.metadata) // nothing is sent yet: an answer to HEAD has no body
			}
		}
	}
	none := serve(func(http.ResponseWriter, *http.Request) {})
	r.OPTIONS("/uploads", none)
	r.POST("/uploads", serve(h.PostFile))
	r.OPTIONS("/uploads/:name", none)
	r.HEAD("/uploads/:name", serve(h.HeadFile))
	r.PATCH("/uploads/:name", func(c *gin.Context) {
		// As the protocol says; its library answers 400.
		if kind := c.GetHeader("Content-Type"); kind != PartType {
			c.String(http.StatusUnsupportedMediaType, fmt.Sprintf("content type %.80q: a part of an upload is %s\n", kind, PartType))
			c.Abort()
		}
	}, serve(h.PatchFile))
	r.DELETE("/uploads/:name", serve(h.DelFile))
}

// exchange is a request to the protocol's library. Its zero value is the key that it has in the request's context.
type exchange struct {
	control *http.ResponseController
	// metadata is Upload-Metadata of the upload that is asked for, as the client gave it.
	metadata string
}

// unhurried lifts the deadlines that the protocol's library set for the request's body: it has come, and they would end
// the work on it.
func unhurried(ctx context.Context) {
	if x, ok := ctx.Value(exchange{}).(*exchange); ok {
		_ = x.control.SetReadDeadline(time.Time{})
		_ = x.control.SetWriteDeadline(time.Time{})
	}
}

// tusStore keeps uploads in the bucket.
type tusStore struct{ s *Server }

// upload is one of them; its id is the name of the finished file.
type upload struct {
	s    *Server
	info handler.FileInfo
	// parts are the keys of what has come, in order.
	parts []string
	done  bool
}

func (u *upload) key(name string) string { return job.Incoming + u.info.ID + "/" + name }

func partName(offset int64) string { return fmt.Sprintf("%015d", offset) }

// NewUpload writes the record of an upload.
func (t tusStore) NewUpload(ctx context.Context, info handler.FileInfo) (handler.Upload, error) {
	if info.Size == 0 {
		return nil, tusError(http.StatusBadRequest, "Upload-Length 0: an empty file is no DEM")
	}
	u := &upload{s: t.s, info: info}
	data, err := json.Marshal(info)
	if err == nil {
		err = t.s.Inputs.Bucket.WriteAll(ctx, u.key("info.json"), data, &blob.WriterOptions{IfNotExist: true, ContentType: "application/json"})
	}
	return u, u.fault(err)
}

// fault logs an error that is not the client's, and returns one that tells the client no details. The library would send
// the client the whole error, and log nothing.
func (u *upload) fault(err error) error {
	if err == nil || errors.As(err, new(handler.Error)) {
		return err
	}
	u.s.Log.Error("an upload failed", "upload", u.info.ID, "error", err)
	return tusError(http.StatusInternalServerError, "the service cannot reach its storage; try again")
}

// GetUpload finds out what of an upload has come.
func (t tusStore) GetUpload(ctx context.Context, id string) (handler.Upload, error) {
	if strings.ContainsAny(id, `/\`) || strings.HasPrefix(id, ".") {
		return nil, handler.ErrNotFound
	}
	u := &upload{s: t.s, info: handler.FileInfo{ID: id}}
	data, err := t.s.Inputs.Bucket.ReadAll(ctx, u.key("info.json"))
	if gcerrors.Code(err) == gcerrors.NotFound {
		return nil, handler.ErrNotFound
	}
	if err == nil {
		err = json.Unmarshal(data, &u.info)
	}
	if x, ok := ctx.Value(exchange{}).(*exchange); ok && err == nil {
		x.metadata = u.info.Storage[storedMetadata]
	}
	if err == nil {
		err = u.count(ctx)
	}
	if err != nil {
		return nil, u.fault(err)
	}
	if u.info.Offset == u.info.Size && !u.done {
		// All parts are there, but the request that brought the last one ended before they were joined.
		if err := u.FinishUpload(ctx); err != nil {
			return nil, err
		}
	}
	return u, nil
}

// count takes the offset from the parts that join without a gap.
func (u *upload) count(ctx context.Context) error {
	u.info.Offset, u.parts = 0, nil
	it := u.s.Inputs.Bucket.List(&blob.ListOptions{Prefix: u.key("")})
	for {
		o, err := it.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("list %s: %w", u.key(""), err)
		}
		switch name := strings.TrimPrefix(o.Key, u.key("")); {
		case name == "done.json":
			u.done = true
			u.info.Offset = u.info.Size
			return nil
		case name == partName(u.info.Offset) && o.Size > 0:
			u.info.Offset += o.Size
			u.parts = append(u.parts, o.Key)
		}
	}
}

// GetInfo is what is known of the upload.
func (u *upload) GetInfo(context.Context) (handler.FileInfo, error) { return u.info, nil }

// GetReader is not offered: only jobs read uploads.
func (u *upload) GetReader(context.Context) (io.ReadCloser, error) {
	return nil, tusError(http.StatusMethodNotAllowed, "uploads are not given back")
}

// WriteChunk writes what comes, part by part. What came before the connection
// broke stays.
func (u *upload) WriteChunk(ctx context.Context, offset int64, src io.Reader) (int64, error) {
	in := bufio.NewReaderSize(src, 64<<10)
	if offset == 0 {
		if head, _ := in.Peek(foreign.HeadSize); len(head) == foreign.HeadSize || len(head) > 0 && int64(len(head)) == u.info.Size {
			if err := inputs.NotTIFF(u.info.MetaData["filename"], head); err != nil {
				_ = u.Terminate(ctx)
				return 0, tusError(http.StatusBadRequest, err.Error())
			}
		}
	}
	var written int64
	for {
		if len(u.parts) >= mostParts {
			return written, tusError(http.StatusBadRequest, fmt.Sprintf("more than %d parts: send larger ones", mostParts))
		}
		if _, err := in.Peek(1); err != nil {
			return written, nil // the end of what came
		}
		n, err := u.writePart(ctx, offset+written, in)
		written += n
		if err != nil {
			return written, u.fault(err)
		}
		u.info.Offset = offset + written
	}
}

func (u *upload) writePart(ctx context.Context, offset int64, in io.Reader) (int64, error) {
	key := u.key(partName(offset))
	ctx, abandon := context.WithCancel(ctx)
	defer abandon()
	w, err := u.s.Inputs.Bucket.NewWriter(ctx, key, &blob.WriterOptions{IfNotExist: true, ContentType: "application/octet-stream"})
	if err != nil {
		return 0, fmt.Errorf("write %s: %w", key, err)
	}
	n, err := io.Copy(w, io.LimitReader(in, partSize))
	if err != nil && n == 0 {
		abandon()
		_ = w.Close()
		return 0, err
	}
	switch closing := w.Close(); {
	case gcerrors.Code(closing) == gcerrors.FailedPrecondition || gcerrors.Code(closing) == gcerrors.AlreadyExists:
		return 0, handler.ErrMismatchOffset
	case closing != nil:
		return 0, fmt.Errorf("write %s: %w", key, closing)
	}
	u.parts = append(u.parts, key)
	return n, nil
}

// FinishUpload joins the parts to a DEM and checks it. Doing it twice gives the
// same object.
//
// A request for an upload that is being joined in this process waits for that.
func (u *upload) FinishUpload(ctx context.Context) error {
	unhurried(ctx)
	_, err, shared := u.s.joins.Do(u.info.ID, func() (any, error) { return nil, u.fault(u.join(ctx)) })
	if err == nil && shared {
		err = u.fault(u.count(ctx))
	}
	return err
}

func (u *upload) join(ctx context.Context) error {
	if err := u.count(ctx); err != nil || u.done {
		return err
	}
	r := &joined{ctx: ctx, bucket: u.s.Inputs.Bucket, keys: u.parts}
	defer r.close()
	ref, err := u.s.Inputs.UploadAs(ctx, job.InputPrefix+u.info.ID, u.info.MetaData["filename"], r, true)
	if problem.Refused(err) && r.err == nil {
		_ = u.Terminate(ctx)
		return tusError(http.StatusBadRequest, err.Error())
	}
	if err != nil {
		return err
	}
	data, err := json.Marshal(ref.DEM)
	if err == nil {
		err = u.s.Inputs.Bucket.WriteAll(ctx, u.key("done.json"), data, &blob.WriterOptions{ContentType: "application/json"})
	}
	if err != nil {
		return err
	}
	u.done = true
	for _, key := range u.parts {
		if err := u.s.Inputs.Bucket.Delete(ctx, key); err != nil && gcerrors.Code(err) != gcerrors.NotFound {
			u.s.Log.Warn("a part of an upload is left for cleanup", "key", key, "error", err)
		}
	}
	return nil
}

// AsTerminatableUpload lets clients cancel an upload.
func (t tusStore) AsTerminatableUpload(u handler.Upload) handler.TerminatableUpload {
	return u.(*upload)
}

// Terminate removes what has come, the record last.
func (u *upload) Terminate(ctx context.Context) error {
	if err := u.count(ctx); err != nil {
		return u.fault(err)
	}
	if !u.done { // what did not come counts no longer
		if err := u.s.Quota.EndUpload(ctx, access.From(ctx).Owner, u.info.ID, u.info.Size, u.info.Offset); err != nil {
			return u.fault(err)
		}
	}
	for _, key := range append(u.parts, u.key("done.json"), u.key("info.json")) {
		if err := u.s.Inputs.Bucket.Delete(ctx, key); err != nil && gcerrors.Code(err) != gcerrors.NotFound {
			return u.fault(err)
		}
	}
	return nil
}

// joined reads objects one after the other.
type joined struct {
	ctx    context.Context
	bucket *blob.Bucket
	keys   []string
	open   *blob.Reader
	err    error // of the bucket
}

func (j *joined) Read(p []byte) (int, error) {
	for {
		if j.open == nil {
			if len(j.keys) == 0 {
				return 0, io.EOF
			}
			if j.open, j.err = j.bucket.NewReader(j.ctx, j.keys[0], nil); j.err != nil {
				return 0, j.err
			}
			j.keys = j.keys[1:]
		}
		n, err := j.open.Read(p)
		if errors.Is(err, io.EOF) {
			j.close()
			err = nil
			if n == 0 {
				continue
			}
		}
		if err != nil {
			j.err = err
		}
		return n, err
	}
}

func (j *joined) close() {
	if j.open != nil {
		_ = j.open.Close()
		j.open = nil
	}
}
