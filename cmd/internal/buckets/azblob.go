//go:build azblob || !(gcs || s3 || azblob)

package buckets

import (
	"context"
	"io"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
	"gocloud.dev/blob"
	_ "gocloud.dev/blob/azureblob" // azblob://
	"gocloud.dev/blob/driver"
	"gocloud.dev/gcerrors"
)

const azblobLinked = true

// openAzure opens an azblob:// bucket behind a driver that writes by Upload alone: the writer of azureblob v0.47.0
// panics in Close after any failed write, and losing a race for a new object is one.
func openAzure(ctx context.Context, address string) (*blob.Bucket, error) {
	b, err := blob.OpenBucket(ctx, address)
	if err != nil {
		return nil, err
	}
	return blob.NewBucket(azure{b}), nil
}

type azure struct{ to *blob.Bucket }

func (a azure) ErrorCode(err error) gcerrors.ErrorCode { return gcerrors.Code(err) }
func (a azure) As(i any) bool                          { return a.to.As(i) }
func (a azure) ErrorAs(err error, i any) bool          { return a.to.ErrorAs(err, i) }
func (a azure) Close() error                           { return a.to.Close() }

func (a azure) Attributes(ctx context.Context, key string) (*driver.Attributes, error) {
	x, err := a.to.Attributes(ctx, key)
	if err != nil {
		return nil, err
	}
	return &driver.Attributes{
		CacheControl: x.CacheControl, ContentDisposition: x.ContentDisposition, ContentEncoding: x.ContentEncoding,
		ContentLanguage: x.ContentLanguage, ContentType: x.ContentType, Metadata: x.Metadata, CreateTime: x.CreateTime,
		ModTime: x.ModTime, Size: x.Size, MD5: x.MD5, ETag: x.ETag, AsFunc: x.As,
	}, nil
}

func (a azure) ListPaged(ctx context.Context, o *driver.ListOptions) (*driver.ListPage, error) {
	token, size := o.PageToken, o.PageSize
	if len(token) == 0 {
		token = blob.FirstPageToken
	}
	if size == 0 {
		size = 1000
	}
	objects, next, err := a.to.ListPage(ctx, token, size, &blob.ListOptions{Prefix: o.Prefix, Delimiter: o.Delimiter})
	if err != nil {
		return nil, err
	}
	page := &driver.ListPage{NextPageToken: next}
	for _, x := range objects {
		page.Objects = append(page.Objects, &driver.ListObject{
			Key: x.Key, ModTime: x.ModTime, Size: x.Size, MD5: x.MD5, IsDir: x.IsDir, AsFunc: x.As,
		})
	}
	return page, nil
}

func (a azure) NewRangeReader(ctx context.Context, key string, offset, length int64, _ *driver.ReaderOptions) (driver.Reader, error) {
	r, err := a.to.NewRangeReader(ctx, key, offset, length, nil)
	if err != nil {
		return nil, err
	}
	return azureReader{r}, nil
}

type azureReader struct{ *blob.Reader }

func (r azureReader) Attributes() *driver.ReaderAttributes {
	return &driver.ReaderAttributes{ContentType: r.ContentType(), ModTime: r.ModTime(), Size: r.Size()}
}

func (a azure) NewTypedWriter(ctx context.Context, key, contentType string, o *driver.WriterOptions) (driver.Writer, error) {
	if contentType == "" {
		contentType = "application/octet-stream"
	}
	r, w := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := a.to.Upload(ctx, key, r, &blob.WriterOptions{
			BufferSize: o.BufferSize, MaxConcurrency: o.MaxConcurrency, CacheControl: o.CacheControl,
			ContentDisposition: o.ContentDisposition, ContentEncoding: o.ContentEncoding, ContentLanguage: o.ContentLanguage,
			ContentType: contentType, Metadata: o.Metadata, IfNotExist: o.IfNotExist,
			// With WriterOptions.ContentMD5 gocloud would not use Upload; its own layer above checks the sum.
			BeforeWrite: func(as func(any) bool) error {
				if to := (*azblob.UploadStreamOptions)(nil); as(&to) && to.HTTPHeaders != nil {
					to.HTTPHeaders.BlobContentMD5 = o.ContentMD5
				}
				return nil
			},
		})
		_ = r.CloseWithError(err) // a writer that still writes ends
		done <- err
	}()
	return &azureWriter{PipeWriter: w, ctx: ctx, done: done}, nil
}

type azureWriter struct {
	*io.PipeWriter
	ctx  context.Context // of the write: gocloud abandons a write by ending it
	done chan error
}

func (w *azureWriter) Close() error {
	_ = w.CloseWithError(w.ctx.Err()) // io.EOF if the write goes on
	return <-w.done
}

func (a azure) Delete(ctx context.Context, key string, _ *driver.DeleteOptions) error {
	return a.to.Delete(ctx, key)
}

func (a azure) Copy(ctx context.Context, dst, src string, _ *driver.CopyOptions) error {
	return a.to.Copy(ctx, dst, src, nil)
}

func (a azure) SignedURL(ctx context.Context, key string, o *driver.SignedURLOptions) (string, error) {
	return a.to.SignedURL(ctx, key, &blob.SignedURLOptions{
		Expiry: o.Expiry, Method: o.Method, ContentType: o.ContentType, EnforceAbsentContentType: o.EnforceAbsentContentType,
	})
}
