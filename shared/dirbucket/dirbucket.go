// Package dirbucket is a gocloud.dev/blob driver that keeps objects as files in a directory.
//
// An object appears whole or not at all: its content goes to a temporary file, is synced, and then gets its
// name by link(2), which fails if the name is taken (WriterOptions.IfNotExist), or else by rename(2). Both are
// atomic between processes that share the directory; the file system must have hard links.
//
// A key is the path of its file with '/' between directories, so that results can be opened with any tool and
// files dropped into the directory are objects under their own names. What cannot be the name of a visible file is
// escaped: a leading '.' in a path segment and NUL (on Windows also what it forbids) are written as %XX, an empty segment
// as %, and so that no two keys share a file, '%' is written as %25 in a segment that looks like one escaped. Objects that
// older programs wrote with more escapes can be read, but are neither replaced nor removed there. Names that begin with '.', names that are no UTF-8 and symbolic links
// are not objects. A key cannot be both an object and the directory of
// others ("a" next to "a/b"), nor have a segment of more than 200 bytes once escaped: such writes are
// refused with gcerrors.InvalidArgument. On file systems that ignore case, keys that differ only in case are one.
//
// The content type follows from the key's extension, else from the first 512 bytes, as it does for a writer that was
// given none. Other content types, metadata and the like are kept in a hidden file beside the object, bound
// to it by modification time and size.
package dirbucket

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"gocloud.dev/blob"
	"gocloud.dev/blob/driver"
	"gocloud.dev/gcerrors"
)

// tmpDir holds the files being written, out of sight of listings since keys never map to dot names.
const tmpDir = ".tmp"

type bucket struct {
	dir  string // absolute
	root *os.Root
}

// Open returns the bucket of the directory dir, which it creates if absent.
func Open(dir string) (*blob.Bucket, error) {
	b, err := open(dir)
	if err != nil {
		return nil, err
	}
	return blob.NewBucket(b), nil
}

func open(dir string) (*bucket, error) {
	if dir == "" {
		return nil, errors.New("bucket directory: no name given")
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("bucket directory: %w", err)
	}
	if err := os.MkdirAll(filepath.Join(abs, tmpDir), 0o777); err != nil {
		return nil, fmt.Errorf("bucket directory: %w", err)
	}
	root, err := os.OpenRoot(abs)
	if err != nil {
		return nil, fmt.Errorf("bucket directory: %w", err)
	}
	return &bucket{dir: abs, root: root}, nil
}

func (b *bucket) Close() error { return b.root.Close() }

func (b *bucket) As(any) bool { return false }

// ErrorAs offers **fs.PathError and **os.LinkError.
func (b *bucket) ErrorAs(err error, target any) bool {
	switch t := target.(type) {
	case **fs.PathError:
		return errors.As(err, t)
	case **os.LinkError:
		return errors.As(err, t)
	}
	return false
}

// codedError is an error of the driver's own with the code callers decide on.
type codedError struct {
	code gcerrors.ErrorCode
	msg  string
}

func (e *codedError) Error() string { return e.msg }

func (b *bucket) ErrorCode(err error) gcerrors.ErrorCode {
	var coded *codedError
	switch {
	case errors.As(err, &coded):
		return coded.code
	// A file where the key has a directory means that nothing can be stored under the key.
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return gcerrors.NotFound
	case errors.Is(err, fs.ErrPermission):
		return gcerrors.PermissionDenied
	case errors.Is(err, syscall.ENAMETOOLONG):
		return gcerrors.InvalidArgument
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return gcerrors.ResourceExhausted
	case errors.Is(err, context.Canceled):
		return gcerrors.Canceled
	case errors.Is(err, context.DeadlineExceeded):
		return gcerrors.DeadlineExceeded
	default:
		return gcerrors.Unknown
	}
}

func notFound(key string) error {
	return &codedError{gcerrors.NotFound, fmt.Sprintf("object %q does not exist", key)}
}

func conflict(key string) error {
	return &codedError{gcerrors.InvalidArgument, fmt.Sprintf(
		"object %q: a directory bucket cannot hold an object that is also the directory of others: choose another key", key)}
}

// Copy implements driver.Bucket.
func (b *bucket) Copy(ctx context.Context, dstKey, srcKey string, opts *driver.CopyOptions) error {
	f, info, err := b.openObject(srcKey)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	a := b.attrs(srcKey, f, info)
	if opts.BeforeCopy != nil {
		if err := opts.BeforeCopy(func(any) bool { return false }); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	w, err := b.NewTypedWriter(ctx, dstKey, a.ContentType, &driver.WriterOptions{
		CacheControl: a.CacheControl, ContentDisposition: a.ContentDisposition, ContentEncoding: a.ContentEncoding,
		ContentLanguage: a.ContentLanguage, Metadata: a.Metadata,
	})
	if err != nil {
		return err
	}
	if err := copyContent(ctx, w, f); err != nil {
		cancel()
		_ = w.Close()
		return err
	}
	return w.Close()
}

// Delete implements driver.Bucket. Directories that it leaves empty go too.
func (b *bucket) Delete(_ context.Context, key string, opts *driver.DeleteOptions) error {
	name := keyPath(key)
	info, err := b.stat(key)
	if err == nil && b.locate(key) != name {
		err = notFound(key) // another key's
	}
	if err != nil {
		return err
	}
	if opts != nil && opts.BeforeDelete != nil {
		if err := opts.BeforeDelete(func(any) bool { return false }); err != nil {
			return err
		}
	}
	if err := b.root.Remove(name); err != nil {
		return err
	}
	_ = b.root.Remove(sidecar(name, info))
	// rmdir(2) fails for a directory that a writer just filled, and a writer whose directory vanished makes
	// it again, so this needs no lock.
	for dir := filepath.Dir(name); dir != "."; dir = filepath.Dir(dir) {
		if removeEmptyDir(filepath.Join(b.dir, dir)) != nil {
			break
		}
	}
	return nil
}

// SignedURL implements driver.Bucket.
func (b *bucket) SignedURL(context.Context, string, *driver.SignedURLOptions) (string, error) {
	return "", &codedError{gcerrors.Unimplemented, "a directory bucket has no signed addresses"}
}
