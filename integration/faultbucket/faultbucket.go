// Package faultbucket shows a test every operation on a bucket before it happens, so that it can fail it.
package faultbucket

import (
	"context"
	"errors"

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

// Wrap returns a bucket whose operations pass h, then go to b. Closing it
// leaves b open.
func Wrap(b *blob.Bucket, h Hook) *blob.Bucket { return blob.NewBucket(&bucket{to: b, hook: h}) }

type bucket struct {
	to   *blob.Bucket
	hook Hook
}

func (b *bucket) ErrorCode(err error) gcerrors.ErrorCode { return gcerrors.Code(err) }
func (b *bucket) As(any) bool                            { return false }
func (b *bucket) ErrorAs(error, any) bool                { return false }
func (b *bucket) Close() error                           { return nil }

func (b *bucket) Attributes(ctx context.Context, key string) (*driver.Attributes, error) {
	if err := b.hook(Attributes, key); err != nil {
		return nil, err
	}
	a, err := b.to.Attributes(ctx, key)
	if err != nil {
		return nil, err
	}
	return &driver.Attributes{ContentType: a.ContentType, ModTime: a.ModTime, Size: a.Size, ETag: a.ETag, MD5: a.MD5}, nil
}

func (b *bucket) ListPaged(ctx context.Context, o *driver.ListOptions) (*driver.ListPage, error) {
	if err := b.hook(List, o.Prefix); err != nil {
		return nil, err
	}
	token, size := o.PageToken, o.PageSize
	if len(token) == 0 {
		token = blob.FirstPageToken
	}
	if size == 0 {
		size = 1000
	}
	objects, next, err := b.to.ListPage(ctx, token, size, &blob.ListOptions{Prefix: o.Prefix, Delimiter: o.Delimiter})
	if err != nil {
		return nil, err
	}
	page := &driver.ListPage{NextPageToken: next}
	for _, x := range objects {
		page.Objects = append(page.Objects, &driver.ListObject{Key: x.Key, ModTime: x.ModTime, Size: x.Size, MD5: x.MD5, IsDir: x.IsDir})
	}
	return page, nil
}

func (b *bucket) NewRangeReader(ctx context.Context, key string, offset, length int64, _ *driver.ReaderOptions) (driver.Reader, error) {
	if err := b.hook(Read, key); err != nil {
		return nil, err
	}
	r, err := b.to.NewRangeReader(ctx, key, offset, length, nil)
	if err != nil {
		return nil, err
	}
	return reader{r}, nil
}

type reader struct{ *blob.Reader }

func (r reader) Attributes() *driver.ReaderAttributes {
	return &driver.ReaderAttributes{ContentType: r.ContentType(), ModTime: r.ModTime(), Size: r.Size()}
}

func (b *bucket) NewTypedWriter(ctx context.Context, key, contentType string, o *driver.WriterOptions) (driver.Writer, error) {
	ctx, abandon := context.WithCancel(ctx)
	w, err := b.to.NewWriter(ctx, key, &blob.WriterOptions{ContentType: contentType, IfNotExist: o.IfNotExist})
	if err != nil {
		abandon()
		return nil, err
	}
	return &writer{Writer: w, abandon: abandon, commit: func() error { return b.hook(Commit, key) }}, nil
}

type writer struct {
	*blob.Writer
	abandon context.CancelFunc
	commit  func() error
}

func (w *writer) Close() error {
	defer w.abandon()
	if err := w.commit(); err != nil {
		w.abandon()
		_ = w.Writer.Close()
		return err
	}
	return w.Writer.Close()
}

func (b *bucket) Delete(ctx context.Context, key string, _ *driver.DeleteOptions) error {
	if err := b.hook(Delete, key); err != nil {
		return err
	}
	return b.to.Delete(ctx, key)
}

func (b *bucket) Copy(ctx context.Context, dst, src string, _ *driver.CopyOptions) error {
	if err := b.hook(Commit, dst); err != nil {
		return err
	}
	return b.to.Copy(ctx, dst, src, nil)
}

func (b *bucket) SignedURL(context.Context, string, *driver.SignedURLOptions) (string, error) {
	return "", errors.New("signed URLs are not offered here")
}
