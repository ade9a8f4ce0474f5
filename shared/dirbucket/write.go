package dirbucket

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"gocloud.dev/blob/driver"
	"gocloud.dev/gcerrors"
)

// maxTries bounds how often a write starts over because another process removed the directory it writes to or
// took the same instant for its metadata.
const maxTries = 100

// maxSegment leaves room in the usual 255 bytes of a file name for what sidecar adds.
const maxSegment = 200

type writer struct {
	ctx        context.Context
	b          *bucket
	key        string
	ifNotExist bool
	attrs      attrs
	f          *os.File
	tmp        string
	head       []byte // first sniffLen bytes, to tell a given content type from a guessed one
	err        error
}

// NewTypedWriter implements driver.Bucket.
func (b *bucket) NewTypedWriter(ctx context.Context, key, contentType string, opts *driver.WriterOptions) (driver.Writer, error) {
	if key == "" {
		return nil, &codedError{gcerrors.InvalidArgument, "object key is empty"}
	}
	for s := range strings.SplitSeq(key, "/") {
		if n := len(fileName(s)); n > maxSegment {
			return nil, &codedError{gcerrors.InvalidArgument, fmt.Sprintf(
				"object %q: a part between slashes takes %d bytes in a file name: must be at most %d", key, n, maxSegment)}
		}
	}
	if info, err := b.root.Lstat(keyPath(key)); err == nil && info.IsDir() {
		if holds, err := b.holdsObject(keyPath(key)); err == nil && holds {
			return nil, conflict(key)
		}
	}
	tmp := filepath.Join(tmpDir, rand.Text())
	f, err := b.root.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if errors.Is(err, fs.ErrNotExist) {
		if err = b.root.MkdirAll(tmpDir, 0o777); err == nil {
			f, err = b.root.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
		}
	}
	if err != nil {
		return nil, err
	}
	w := &writer{ctx: ctx, b: b, key: key, ifNotExist: opts.IfNotExist, f: f, tmp: tmp, attrs: attrs{
		ContentType: contentType, CacheControl: opts.CacheControl, ContentDisposition: opts.ContentDisposition,
		ContentEncoding: opts.ContentEncoding, ContentLanguage: opts.ContentLanguage, Metadata: opts.Metadata,
	}}
	if opts.BeforeWrite != nil {
		err := opts.BeforeWrite(func(target any) bool {
			p, ok := target.(**os.File)
			if ok {
				*p = f
			}
			return ok
		})
		if err != nil {
			_ = f.Close()
			_ = b.root.Remove(tmp)
			return nil, err
		}
	}
	return w, nil
}

func (w *writer) Write(p []byte) (int, error) {
	if err := w.ctx.Err(); err != nil {
		w.err = err
		return 0, err
	}
	n, err := w.f.Write(p)
	if room := sniffLen - len(w.head); room > 0 {
		w.head = append(w.head, p[:min(n, room)]...)
	}
	if err != nil {
		w.err = err
	}
	return n, err
}

// Close gives the content its name, unless the context ended or a write failed.
func (w *writer) Close() error {
	defer func() { _ = w.b.root.Remove(w.tmp) }()
	err := w.ctx.Err()
	if err == nil {
		err = w.err
	}
	if err == nil {
		err = w.f.Sync()
	}
	if cerr := w.f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = w.ctx.Err()
	}
	if err != nil {
		return err
	}
	return w.commit()
}

func (w *writer) commit() error {
	name := keyPath(w.key)
	dir := filepath.Dir(name)
	for range maxTries {
		if err := w.b.root.MkdirAll(dir, 0o777); err != nil {
			raced := errors.Is(err, fs.ErrNotExist)
			if errors.Is(err, syscall.ENOTDIR) || errors.Is(err, fs.ErrExist) {
				// Also what a directory removed while it is looked at gives.
				if w.b.fileAbove(dir) {
					return conflict(w.key)
				}
				raced = true
			}
			if raced {
				continue
			}
			return err
		}
		side, err := w.writeSidecar(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		err = w.place(name)
		if err == nil {
			return w.b.syncDirs(dir)
		}
		if side != "" {
			_ = w.b.root.Remove(side)
		}
		if errors.Is(err, fs.ErrNotExist) {
			continue // the directory was removed as empty since it was made
		}
		return err
	}
	return fmt.Errorf("object %q: gave up after %d tries: its directory keeps being removed", w.key, maxTries)
}

// fileAbove reports whether dir, or a directory above it, is really a file.
func (b *bucket) fileAbove(dir string) bool {
	for ; dir != "."; dir = filepath.Dir(dir) {
		if info, err := b.root.Lstat(dir); err == nil && !info.IsDir() {
			return true
		}
	}
	return false
}

// place is the atomic step.
func (w *writer) place(name string) error {
	if w.ifNotExist {
		err := w.b.root.Link(w.tmp, name)
		if errors.Is(err, fs.ErrExist) {
			return w.taken(name)
		}
		if errors.Is(err, errors.ErrUnsupported) || errors.Is(err, syscall.EPERM) {
			return fmt.Errorf("object %q: the bucket's file system has no hard links, which creating objects only once needs: choose another directory: %w", w.key, err)
		}
		return err
	}
	old, oldErr := w.b.root.Lstat(name)
	if oldErr == nil && old.IsDir() {
		// An empty directory of this name, which another program left, holds no object: the file takes its place.
		_ = removeEmptyDir(filepath.Join(w.b.dir, name))
	}
	err := w.b.root.Rename(w.tmp, name)
	if errors.Is(err, syscall.EISDIR) || errors.Is(err, syscall.ENOTDIR) || errors.Is(err, fs.ErrExist) {
		return conflict(w.key)
	}
	if err == nil && oldErr == nil && old.Mode().IsRegular() {
		if now, err := w.b.root.Lstat(name); err == nil && sidecar(name, now) != sidecar(name, old) {
			_ = w.b.root.Remove(sidecar(name, old))
		}
	}
	return err
}

// taken returns why a file cannot be created under a name that exists: an object was written first, or the name is that of a
// directory. An empty directory is removed, and the error is fs.ErrNotExist, so that the caller tries again.
func (w *writer) taken(name string) error {
	if info, err := w.b.root.Lstat(name); err == nil && info.IsDir() {
		if removeEmptyDir(filepath.Join(w.b.dir, name)) == nil {
			return fs.ErrNotExist // try again
		}
		return conflict(w.key)
	}
	return &codedError{gcerrors.FailedPrecondition, fmt.Sprintf("object %q already exists", w.key)}
}

// syncDirs makes the names of dir and of the directories above it survive a power failure.
func (b *bucket) syncDirs(dir string) error {
	for {
		// A directory gone again was emptied by a later delete, so there is no name left to keep.
		d, err := b.root.Open(dir)
		if err == nil {
			err = d.Sync()
			_ = d.Close()
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, errors.ErrUnsupported) {
			return err
		}
		if dir == "." {
			return nil
		}
		dir = filepath.Dir(dir)
	}
}

// writeSidecar stores what the file itself cannot say before the object appears, and returns its name, empty
// if nothing needs storing. The name holds the file's modification time and size; when another file has the
// same ones, this one's time moves by a nanosecond.
func (w *writer) writeSidecar(name string) (string, error) {
	a := w.attrs
	if a.ContentType == sniff(w.head) || a.ContentType == typeOf(w.key, w.head) {
		a.ContentType = ""
	}
	for range maxTries {
		info, err := w.b.root.Lstat(w.tmp)
		if err != nil {
			return "", err
		}
		side := sidecar(name, info)
		if a.empty() {
			_, err := w.b.root.Lstat(side)
			if errors.Is(err, fs.ErrNotExist) {
				return "", nil
			}
			if err != nil {
				return "", err
			}
		} else if err := w.b.writeNew(side, a.encode()); !errors.Is(err, fs.ErrExist) {
			return side, err
		}
		t := info.ModTime().Add(time.Nanosecond)
		if err := w.b.root.Chtimes(w.tmp, t, t); err != nil {
			return "", err
		}
	}
	return "", fmt.Errorf("object %q: gave up after %d tries to store its metadata", w.key, maxTries)
}

// writeNew creates a small file atomically; it fails with fs.ErrExist if there is one.
func (b *bucket) writeNew(name string, content []byte) error {
	tmp := filepath.Join(tmpDir, rand.Text())
	f, err := b.root.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	defer func() { _ = b.root.Remove(tmp) }()
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	return b.root.Link(tmp, name)
}

// copyContent is io.Copy that stops when ctx ends.
func copyContent(ctx context.Context, w io.Writer, r io.Reader) error {
	buf := make([]byte, 256<<10)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := r.Read(buf)
		if n > 0 {
			if _, werr := w.Write(buf[:n]); werr != nil {
				return werr
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
