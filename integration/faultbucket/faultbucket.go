// Package faultbucket shows a test every operation on a bucket before it happens, so that it can fail it.
package faultbucket

import (
	"context"
	"errors"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/blob/driver"
	"gocloud.dev/gcerrors"
)

// The operations a Hook sees. Commit is the moment a written object appears.
const (
	Read       = "read"
	Commit     = "commit"
	List       = "list"
	Delete     = "delete"
	Attributes = "attributes"
)

// Hook is called before each operation; its error fails the operation with
// gcerrors.Unknown. It must be safe for concurrent use.
type Hook func(op, key string) error

// Around is called in place of each operation and does it by calling do, or fails it
// before or after. It must be safe for concurrent use.
type Around func(op, key string, do func() error) error

// ErrKilled is the error of an Around whose process is dead: a write then leaves behind what a killed writer does.
var ErrKilled = errors.New("killed")

// Wrap returns a bucket whose operations pass h, then go to b. Closing it
// leaves b open.
func Wrap(b *blob.Bucket, h Hook) *blob.Bucket {
	return WrapAround(b, func(op, key string, do func() error) error {
		if err := h(op, key); err != nil {
			return err
		}
		return do()
	}, nil)
}

// WrapAround returns a bucket whose operations on b are left to h. made, if not nil,
// gives the modification time of an object in place of the bucket's own.
func WrapAround(b *blob.Bucket, h Around, made func(key string, at time.Time) time.Time) *blob.Bucket {
	if made == nil {
		made = func(_ string, at time.Time) time.Time { return at }
	}
	return blob.NewBucket(&bucket{to: b, around: h, made: made})
}

type bucket struct {
	to     *blob.Bucket
	around Around
	made   func(key string, at time.Time) time.Time
}

func (b *bucket) ErrorCode(err error) gcerrors.ErrorCode { return gcerrors.Code(err) }
func (b *bucket) As(any) bool                            { return false }
func (b *bucket) ErrorAs(error, any) bool                { return false }
func (b *bucket) Close() error                           { return nil }

func (b *bucket) Attributes(ctx context.Context, key string) (*driver.Attributes, error) {
	var a *blob.Attributes
	err := b.around(Attributes, key, func() (err error) {
		a, err = b.to.Attributes(ctx, key)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &driver.Attributes{ContentType: a.ContentType, ModTime: b.made(key, a.ModTime), Size: a.Size, ETag: a.ETag, MD5: a.MD5}, nil
}

func (b *bucket) ListPaged(ctx context.Context, o *driver.ListOptions) (*driver.ListPage, error) {
	token, size := o.PageToken, o.PageSize
	if len(token) == 0 {
		token = blob.FirstPageToken
	}
	if size == 0 {
		size = 1000
	}
	page := &driver.ListPage{}
	err := b.around(List, o.Prefix, func() error {
		objects, next, err := b.to.ListPage(ctx, token, size, &blob.ListOptions{Prefix: o.Prefix, Delimiter: o.Delimiter})
		page.NextPageToken = next
		for _, x := range objects {
			page.Objects = append(page.Objects, &driver.ListObject{Key: x.Key, ModTime: b.made(x.Key, x.ModTime), Size: x.Size, MD5: x.MD5, IsDir: x.IsDir})
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return page, nil
}

func (b *bucket) NewRangeReader(ctx context.Context, key string, offset, length int64, _ *driver.ReaderOptions) (driver.Reader, error) {
	var r *blob.Reader
	err := b.around(Read, key, func() (err error) {
		r, err = b.to.NewRangeReader(ctx, key, offset, length, nil)
		return err
	})
	if err != nil {
		if r != nil {
			_ = r.Close()
		}
		return nil, err
	}
	return reader{r, b.made(key, r.ModTime())}, nil
}

type reader struct {
	*blob.Reader
	made time.Time
}

func (r reader) Attributes() *driver.ReaderAttributes {
	return &driver.ReaderAttributes{ContentType: r.ContentType(), ModTime: r.made, Size: r.Size()}
}

func (b *bucket) NewTypedWriter(ctx context.Context, key, contentType string, o *driver.WriterOptions) (driver.Writer, error) {
	ctx, abandon := context.WithCancel(ctx)
	w, err := b.to.NewWriter(ctx, key, &blob.WriterOptions{ContentType: contentType, IfNotExist: o.IfNotExist})
	if err != nil {
		abandon()
		return nil, err
	}
	return &writer{Writer: w, abandon: abandon, commit: func(do func() error) error { return b.around(Commit, key, do) }}, nil
}

type writer struct {
	*blob.Writer
	abandon context.CancelFunc
	commit  func(do func() error) error
}

func (w *writer) Close() error {
	closed := false
	err := w.commit(func() error {
		closed = true
		return w.Writer.Close()
	})
	if errors.Is(err, ErrKilled) && !closed {
		return err
	}
	w.abandon()
	if !closed {
		_ = w.Writer.Close()
	}
	return err
}

func (b *bucket) Delete(ctx context.Context, key string, _ *driver.DeleteOptions) error {
	return b.around(Delete, key, func() error { return b.to.Delete(ctx, key) })
}

func (b *bucket) Copy(ctx context.Context, dst, src string, _ *driver.CopyOptions) error {
	return b.around(Commit, dst, func() error { return b.to.Copy(ctx, dst, src, nil) })
}

func (b *bucket) SignedURL(context.Context, string, *driver.SignedURLOptions) (string, error) {
	return "", errors.New("signed URLs are not offered here")
}
