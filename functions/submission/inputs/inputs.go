// Package inputs stores the files that jobs read, and checks their headers.
package inputs

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"strings"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"

	"github.com/cyverse-gis/eemt/functions/submission/answer"
	"github.com/cyverse-gis/eemt/functions/submission/problem"
	"github.com/cyverse-gis/eemt/shared/climate"
	"github.com/cyverse-gis/eemt/shared/dem"
	"github.com/cyverse-gis/eemt/shared/finding"
	"github.com/cyverse-gis/eemt/shared/inspect"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/param"
	"github.com/cyverse-gis/eemt/shared/rangeread"
)

// Store stores inputs.
type Store struct {
	Bucket *blob.Bucket
	// NewID returns a fresh ULID.
	NewID func() string
	Log   *slog.Logger
	// Version of the program.
	Version string
	// MaxUpload bounds a file, in bytes.
	MaxUpload int64
	// CheckDEM refuses a DEM of width x height cells that no job may be made of; nil allows all.
	CheckDEM func(width, height int) error
	// Climate opens rasters by name; nil opens those of the bucket.
	Climate climate.Opener
}

var unsafeName = regexp.MustCompile(`[^A-Za-z0-9._-]+`)

// Key makes an object key of a file's name.
func Key(id, name string) string {
	safe := strings.Trim(unsafeName.ReplaceAllString(name, "_"), "._")
	if safe == "" {
		safe = "file"
	}
	if len(safe) > 100 {
		safe = safe[len(safe)-100:]
	}
	return job.InputKey(id, safe)
}

// BaseName is a file's name without the folders of whatever system it comes from.
func BaseName(name string) string { return path.Base(strings.ReplaceAll(name, `\`, "/")) }

// Named reports whether baseName found a name.
func Named(name string) bool { return name != "" && name != "." && name != "/" }

// PutAt stores r under a key. With once set a file that is there already stays, and counts as the one that was sent.
func (s *Store) PutAt(ctx context.Context, key, name string, r io.Reader, limit int64, once bool) (job.DEM, error) {
	ctx, abandon := context.WithCancel(ctx)
	defer abandon()
	o := blob.WriterOptions{ContentType: answer.ContentType(key), IfNotExist: once}
	if original(path.Base(key)) != name { // the key leaves out letters that not all stores take
		o.Metadata = map[string]string{ownName: url.PathEscape(name)}
	}
	w, err := s.Bucket.NewWriter(ctx, key, &o)
	if err != nil {
		return job.DEM{}, fmt.Errorf("store %s: %w", name, err)
	}
	sum := sha256.New()
	n, err := io.Copy(io.MultiWriter(w, sum), io.LimitReader(r, limit+1))
	if err == nil && n > limit {
		err = problem.TooLarge("file "+name, limit)
	}
	if err == nil && n == 0 {
		err = problem.Invalid(fmt.Errorf("file %s is empty", name))
	}
	if err != nil {
		abandon()
		_ = w.Close()
		if problem.Refused(err) {
			return job.DEM{}, err // which is of the file, not of storing it
		}
		return job.DEM{}, fmt.Errorf("store %s: %w", name, err)
	}
	err = w.Close()
	if code := gcerrors.Code(err); once && (code == gcerrors.FailedPrecondition || code == gcerrors.AlreadyExists) {
		err = nil
	}
	if err != nil {
		return job.DEM{}, fmt.Errorf("store %s: %w", name, err)
	}
	return job.DEM{Key: key, Name: name, SHA256: hex.EncodeToString(sum.Sum(nil)), Size: n}, nil
}

// FromClient marks a fault of reading as the caller's, not the store's.
type FromClient struct{ Reader io.Reader }

func (f FromClient) Read(p []byte) (int, error) {
	n, err := f.Reader.Read(p)
	if large := (*http.MaxBytesError)(nil); errors.As(err, &large) {
		return n, problem.TooLarge("a body without end", large.Limit)
	}
	if err != nil && !errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = problem.Invalid(fmt.Errorf("the upload broke off: %w", err))
	}
	return n, err
}

// Discard deletes objects that a refused submission brought.
func (s *Store) Discard(ctx context.Context, keys []string) {
	for _, key := range keys {
		if err := s.Bucket.Delete(context.WithoutCancel(ctx), key); err != nil {
			s.Log.Warn("a refused upload is left", "key", key, "error", err)
		}
	}
}

// Upload stores a DEM after checking that it is one; a file that is not leaves
// nothing behind.
func (s *Store) Upload(ctx context.Context, name string, r io.Reader) (job.DEM, error) {
	name = BaseName(name)
	return s.UploadAs(ctx, Key(s.NewID(), name), name, FromClient{Reader: r}, false)
}

// UploadAs is Upload under a given key. What is no TIFF is refused at its first
// bytes. With once set another may bring the same file under the key: what is there
// stays, and goes only if it is no DEM.
func (s *Store) UploadAs(ctx context.Context, key, name string, r io.Reader, once bool) (job.DEM, error) {
	tiff, err := s.TIFF(name, bufio.NewReaderSize(r, 4096))
	if err != nil {
		return job.DEM{}, err
	}
	defer func() { _ = tiff.Close() }()
	ref, err := s.PutAt(ctx, key, name, tiff, s.MaxUpload, once)
	if err != nil {
		return ref, err
	}
	// A DEM without a known system may get one from the parameters, which follow.
	if _, err := s.Header(ctx, ref.Key, param.Parameters{}); err != nil && !LacksSystem(err) {
		err = Called(name, err)
		if once && !problem.Refused(err) {
			return ref, err
		}
		return ref, errors.Join(err, s.Bucket.Delete(context.WithoutCancel(ctx), ref.Key))
	}
	return ref, nil
}

// MaxTable bounds a climate table, in bytes.
const MaxTable = 1 << 20

// UploadTable stores a climate table and returns the --climate value that reads it.
func (s *Store) UploadTable(ctx context.Context, name string, r io.Reader) (string, error) {
	name = BaseName(name)
	ref, err := s.PutAt(ctx, Key(s.NewID(), name), name, FromClient{Reader: r}, min(MaxTable, s.MaxUpload), false)
	return "table:" + ref.Key, err
}

// Extent is how large a DEM is, in cells, and its file in bytes.
type Extent struct {
	Width, Height int
	Bytes         int64
}

// LacksSystem reports a refusal that parameters settle: a stated coordinate system, or a stated unit of elevations.
func LacksSystem(err error) bool {
	var e *finding.Error
	return errors.As(err, &e) && (e.Code == finding.DEMCRS || e.Code == finding.DEMUnit)
}

// Header reads the header of a stored DEM, as the parameters of its job say.
func (s *Store) Header(ctx context.Context, key string, p param.Parameters) (Extent, error) {
	r, err := rangeread.Object(ctx, s.Bucket, key)
	if err != nil {
		return Extent{}, fmt.Errorf("read back %s: %w", key, err)
	}
	defer func() { _ = r.Close() }()
	if s.MaxUpload > 0 && r.Size() > s.MaxUpload { // it came past the service, to a signed address
		return Extent{}, problem.TooLarge("file "+path.Base(key), s.MaxUpload)
	}
	d, err := dem.Open(r, r.Size(), inspect.DEMOptions(p))
	switch {
	case err == nil:
	case ctx.Err() != nil, errors.Is(err, rangeread.ErrUnavailable), errors.Is(err, rangeread.ErrChanged):
		return Extent{}, fmt.Errorf("read back %s: %w", key, err) // says nothing about the file
	default:
		return Extent{}, problem.Invalid(err)
	}
	if s.CheckDEM != nil {
		if err := s.CheckDEM(d.Image.Width, d.Image.Height); err != nil {
			return Extent{}, problem.Invalid(err)
		}
	}
	return Extent{d.Image.Width, d.Image.Height, r.Size()}, nil
}

// Stored returns the reference of a DEM uploaded before, by the name Upload gave it.
func (s *Store) Stored(ctx context.Context, name string) (job.DEM, error) {
	ref, err := s.Locate(ctx, name)
	if err != nil {
		return ref, err
	}
	return s.StoredObject(ctx, ref.Key, name)
}

// Locate finds an upload by name, without reading it.
func (s *Store) Locate(ctx context.Context, name string) (job.DEM, error) {
	if strings.ContainsAny(name, `/\`) || name == "" {
		return job.DEM{}, problem.Invalid(fmt.Errorf("uploaded_filename %q: must be a name that upload-file returned", name))
	}
	key := job.InputPrefix + name
	exists, err := s.Bucket.Exists(ctx, key)
	if err != nil {
		return job.DEM{}, fmt.Errorf("look for %s: %w", key, err)
	}
	if !exists {
		return job.DEM{}, problem.Invalid(fmt.Errorf("uploaded_filename %q: no such upload; upload it first", name))
	}
	return job.DEM{Key: key, Name: name}, nil
}

// ownName is the metadata in which a stored file keeps the user's own name, where its key does not.
const ownName = "filename"

// NameOf is the name that a stored file had before.
func (s *Store) NameOf(ctx context.Context, key string) (string, error) {
	a, err := s.Bucket.Attributes(ctx, key)
	if err != nil {
		return "", fmt.Errorf("look for %s: %w", key, err)
	}
	if name, err := url.PathUnescape(a.Metadata[ownName]); err == nil && name != "" {
		return BaseName(name), nil
	}
	return original(path.Base(key)), nil
}

// original is the name that an upload had before it was stored.
func original(name string) string {
	if _, after, prefixed := strings.Cut(name, "_"); prefixed {
		return after
	}
	return name
}

// StoredObject returns the reference of a DEM in the bucket.
func (s *Store) StoredObject(ctx context.Context, key, name string) (job.DEM, error) {
	r, err := s.Bucket.NewReader(ctx, key, nil)
	if gcerrors.Code(err) == gcerrors.NotFound {
		return job.DEM{}, problem.Invalid(fmt.Errorf("uploaded_filename %q: no such upload; upload it first", name))
	}
	if err != nil {
		return job.DEM{}, fmt.Errorf("read %s: %w", key, err)
	}
	defer func() { _ = r.Close() }()
	own, err := s.NameOf(ctx, key)
	if err != nil {
		return job.DEM{}, err
	}
	if _, err := s.Header(ctx, key, param.Parameters{}); err != nil && !LacksSystem(err) {
		return job.DEM{}, Called(own, err)
	}
	sum := sha256.New()
	n, err := io.Copy(sum, r)
	if err != nil {
		return job.DEM{}, fmt.Errorf("read %s: %w", key, err)
	}
	return job.DEM{Key: key, Name: own, SHA256: hex.EncodeToString(sum.Sum(nil)), Size: n}, nil
}

// UploadPart stores the DEM that is a part of a form.
func (s *Store) UploadPart(ctx context.Context, part *multipart.Part) (job.DEM, error) {
	name := part.FileName()
	if name == "" { // a form whose file was left out
		return job.DEM{}, problem.Invalid(fmt.Errorf("field %s has no file: choose a DEM", part.FormName()))
	}
	return s.Upload(ctx, name, part)
}
