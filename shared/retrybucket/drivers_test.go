package retrybucket_test

import (
	"context"
	"io"

	"gocloud.dev/blob"
	"gocloud.dev/blob/driver"
	"gocloud.dev/gcerrors"
)

// hanging answers nothing until the caller gives up.
type hanging struct{}

func wait(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

func (hanging) ErrorCode(err error) gcerrors.ErrorCode { return gcerrors.Code(err) }
func (hanging) As(any) bool                            { return false }
func (hanging) ErrorAs(error, any) bool                { return false }
func (hanging) Close() error                           { return nil }
func (hanging) Attributes(ctx context.Context, _ string) (*driver.Attributes, error) {
	return nil, wait(ctx)
}

func (hanging) ListPaged(ctx context.Context, _ *driver.ListOptions) (*driver.ListPage, error) {
	return nil, wait(ctx)
}

func (hanging) NewRangeReader(ctx context.Context, _ string, _, _ int64, _ *driver.ReaderOptions) (driver.Reader, error) {
	return nil, wait(ctx)
}

func (hanging) NewTypedWriter(ctx context.Context, _, _ string, _ *driver.WriterOptions) (driver.Writer, error) {
	return hangingWriter{ctx}, nil
}

func (hanging) Copy(ctx context.Context, _, _ string, _ *driver.CopyOptions) error { return wait(ctx) }

func (hanging) Delete(ctx context.Context, _ string, _ *driver.DeleteOptions) error {
	return wait(ctx)
}

func (hanging) SignedURL(ctx context.Context, _ string, _ *driver.SignedURLOptions) (string, error) {
	return "", wait(ctx)
}

type hangingWriter struct{ ctx context.Context }

func (w hangingWriter) Write(p []byte) (int, error) { return len(p), nil }
func (w hangingWriter) Close() error                { return wait(w.ctx) }

// breaking has connections that break after 100,000 bytes.
type breaking struct {
	hanging
	to *blob.Bucket
}

func (b breaking) NewRangeReader(ctx context.Context, key string, offset, length int64, _ *driver.ReaderOptions) (driver.Reader, error) {
	r, err := b.to.NewRangeReader(ctx, key, offset, length, nil)
	if err != nil {
		return nil, err
	}
	return &breakingReader{Reader: r, left: 100_000}, nil
}

type breakingReader struct {
	*blob.Reader
	left int
}

func (r *breakingReader) Attributes() *driver.ReaderAttributes {
	return &driver.ReaderAttributes{ContentType: r.ContentType(), ModTime: r.ModTime(), Size: r.Size()}
}

func (r *breakingReader) Read(p []byte) (int, error) {
	if r.left == 0 {
		return 0, io.ErrUnexpectedEOF
	}
	n, err := r.Reader.Read(p[:min(len(p), r.left)])
	r.left -= n
	return n, err
}
