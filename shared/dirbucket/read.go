package dirbucket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"

	"gocloud.dev/blob/driver"
)

// locate returns where the file of a key is read: its own, or where older programs put it if only they did. Nothing is
// written or removed there, since that file may as well be the object of another key: 100%25.tif is where older programs
// put the key 100%.tif, and is the file of the key 100%25.tif.
func (b *bucket) locate(key string) string {
	name := keyPath(key)
	if old := oldPath(key); old != name {
		if _, err := b.root.Lstat(name); errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
			if info, err := b.root.Lstat(old); err == nil && info.Mode().IsRegular() {
				return old
			}
		}
	}
	return name
}

// stat returns the file of an object.
func (b *bucket) stat(key string) (fs.FileInfo, error) {
	if key == "" {
		return nil, notFound(key)
	}
	info, err := b.root.Lstat(b.locate(key))
	if errors.Is(err, syscall.ENAMETOOLONG) {
		return nil, notFound(key)
	}
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, notFound(key)
	}
	return info, nil
}

// openObject opens the file of an object; the caller closes it.
func (b *bucket) openObject(key string) (*os.File, fs.FileInfo, error) {
	// Looking first keeps a pipe or device someone put there from blocking the open.
	if _, err := b.stat(key); err != nil {
		return nil, nil, err
	}
	f, err := b.root.Open(b.locate(key))
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = notFound(key)
	}
	if err != nil {
		_ = f.Close()
		return nil, nil, err
	}
	return f, info, nil
}

// Attributes implements driver.Bucket.
func (b *bucket) Attributes(_ context.Context, key string) (*driver.Attributes, error) {
	f, info, err := b.openObject(key)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	a := b.attrs(key, f, info)
	return &driver.Attributes{
		CacheControl:       a.CacheControl,
		ContentDisposition: a.ContentDisposition,
		ContentEncoding:    a.ContentEncoding,
		ContentLanguage:    a.ContentLanguage,
		ContentType:        a.ContentType,
		Metadata:           a.Metadata,
		ModTime:            info.ModTime(),
		Size:               info.Size(),
		ETag:               fmt.Sprintf(`"%x-%x"`, info.ModTime().UnixNano(), info.Size()),
	}, nil
}

// NewRangeReader implements driver.Bucket.
func (b *bucket) NewRangeReader(ctx context.Context, key string, offset, length int64, opts *driver.ReaderOptions) (driver.Reader, error) {
	f, info, err := b.openObject(key)
	if err != nil {
		return nil, err
	}
	r := &reader{ctx: ctx, f: f}
	r.attrs = driver.ReaderAttributes{
		ContentType: b.attrs(key, f, info).ContentType, ModTime: info.ModTime(), Size: info.Size(),
	}
	if length < 0 || length > info.Size()-offset {
		length = max(info.Size()-offset, 0)
	}
	r.section = io.NewSectionReader(f, offset, length)
	if opts.BeforeRead != nil {
		if err := opts.BeforeRead(r.As); err != nil {
			_ = f.Close()
			return nil, err
		}
	}
	return r, nil
}

type reader struct {
	ctx     context.Context
	f       *os.File
	section *io.SectionReader
	attrs   driver.ReaderAttributes
}

func (r *reader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.section.Read(p)
}

func (r *reader) Close() error                         { return r.f.Close() }
func (r *reader) Attributes() *driver.ReaderAttributes { return &r.attrs }

// As offers **os.File, open for reading until the reader is closed.
func (r *reader) As(target any) bool {
	p, ok := target.(**os.File)
	if ok {
		*p = r.f
	}
	return ok
}
