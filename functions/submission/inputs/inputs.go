// Package inputs stores the files that jobs read, and checks their headers.
package inputs

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"strings"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"

	"github.com/cyverse-gis/eemt/functions/submission/access"
	"github.com/cyverse-gis/eemt/functions/submission/answer"
	"github.com/cyverse-gis/eemt/functions/submission/problem"
	"github.com/cyverse-gis/eemt/shared/climate"
	"github.com/cyverse-gis/eemt/shared/fault"
	"github.com/cyverse-gis/eemt/shared/job"
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

// Key makes an object key of a file's name. Only jobs of the owner may name it, if there is one.
func Key(owner, id, name string) string {
	safe := strings.Trim(unsafeName.ReplaceAllString(name, "_"), "._")
	if safe == "" {
		safe = "file"
	}
	if len(safe) > 100 {
		safe = safe[len(safe)-100:]
	}
	return job.OwnInputKey(owner, id, safe)
}

// NewKey is a fresh Key of whoever sent the request of a context.
func (s *Store) NewKey(ctx context.Context, name string) string {
	return Key(access.From(ctx).Owner, s.NewID(), name)
}

// Mine refuses an object of the bucket that whoever sent a request may not let a job read.
func Mine(ctx context.Context, key string) error {
	if !access.From(ctx).MayName(key) {
		return problem.Invalid(fmt.Errorf("there is no %.100q among your uploads; upload it first", strings.TrimPrefix(key, job.InputPrefix)))
	}
	return nil
}

// BaseName is a file's name without the folders of whatever system it comes from.
func BaseName(name string) string { return path.Base(strings.ReplaceAll(name, `\`, "/")) }

// Named reports whether name, as BaseName returns it, is a name.
func Named(name string) bool { return name != "" && name != "." && name != "/" }

// PutAt stores r under a key. With once set a file that is there already stays, and counts as the one that was sent.
func (s *Store) PutAt(ctx context.Context, key, name string, r io.Reader, limit int64, once bool) (job.DEM, error) {
	ctx, abandon := context.WithCancel(ctx)
	defer abandon()
	o := blob.WriterOptions{ContentType: answer.ContentType(key), IfNotExist: once}
	if original(path.Base(key)) != name { // the key leaves out letters that not all stores take
		o.Metadata = map[string]string{nameMetadata: url.PathEscape(name)}
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

// Read reads the next bytes.
func (f FromClient) Read(p []byte) (int, error) {
	n, err := f.Reader.Read(p)
	if fault.Is(err, fault.Exhausted) { // of a quota, which says so itself
		return n, err
	}
	if large := (*http.MaxBytesError)(nil); errors.As(err, &large) {
		return n, problem.TooLarge("a body without end", large.Limit)
	}
	if err != nil && !errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = problem.Invalid(fmt.Errorf("the upload broke off: %w", err))
	}
	return n, err
}

// MaxTable bounds a climate table, in bytes.
const MaxTable = 1 << 20

// UploadTable stores a climate table and returns the --climate value that reads it.
func (s *Store) UploadTable(ctx context.Context, name string, r io.Reader) (string, error) {
	name = BaseName(name)
	ref, err := s.PutAt(ctx, s.NewKey(ctx, name), name, FromClient{Reader: r}, min(MaxTable, s.MaxUpload), false)
	if err == nil {
		s.noteStored(ctx, ref)
	}
	return "table:" + ref.Key, err
}

// Discard deletes objects that a refused submission brought.
func (s *Store) Discard(ctx context.Context, keys []string) {
	ctx = context.WithoutCancel(ctx)
	for _, key := range keys {
		err := s.forgetSum(ctx, key)
		if err == nil {
			err = s.Bucket.Delete(ctx, key)
		}
		if err != nil {
			s.Log.Warn("a refused upload is left", "key", key, "error", err)
		}
	}
}
