// Package retrybucket makes a bucket of another one that repeats calls which failed for a passing reason, none of them for ever.
package retrybucket

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/blob/driver"
	"gocloud.dev/gcerrors"

	"github.com/cyverse-gis/eemt/shared/retry"
)

// Options of a bucket. The zero value is ready to use.
type Options struct {
	// Tries is how often a call is tried at most: 0 means 5, 1 means that nothing is repeated.
	Tries int
	// Backoff is how long to wait before try n = 2, 3, ...; nil means 50 ms doubling up to 2 s.
	Backoff func(n int) time.Duration
	// Call is how long a call may take: opening, listing, deleting, and each read from or write to an
	// object that is open, its end included. 0 means 2 minutes. Copying an object may take 15 times as long.
	Call time.Duration
	// Sleep waits for d or until ctx ends; nil means a timer.
	Sleep func(ctx context.Context, d time.Duration) error
}

// Repetitions are paid from a budget, so that a store which is down is not asked many times as often as one that
// works: each call that succeeds earns a tenth of one.
const (
	price = 10
	most  = 100 * price
)

// held is how much of an object is kept while it is written, so that its write can be repeated. A larger one is
// written as it comes, and once.
const held = 4 << 20

// copying is how many times as long as a call a copy may take: some stores answer when the object is copied.
const copying = 15

// ErrSlow says that a call took longer than it may.
var ErrSlow = errors.New("the bucket did not answer in time")

// Wrap returns a bucket whose calls go to b. Closing it closes b.
//
// A write that creates an object only once, and is repeated because its answer was lost, may find its own object: the
// same content counts as written.
func Wrap(b *blob.Bucket, o Options) *blob.Bucket {
	if o.Tries <= 0 {
		o.Tries = 5
	}
	if o.Backoff == nil {
		o.Backoff = retry.Doubling(50*time.Millisecond, 2*time.Second)
	}
	if o.Call <= 0 {
		o.Call = 2 * time.Minute
	}
	if o.Sleep == nil {
		o.Sleep = retry.Sleep
	}
	return blob.NewBucket(&bucket{to: b, opts: o, credit: most})
}

type bucket struct {
	to   *blob.Bucket
	opts Options

	mu     sync.Mutex
	credit int
}

// passing reports whether a call that gave err may succeed when it is repeated.
func passing(ctx context.Context, err error) bool {
	if err == nil || ctx.Err() != nil || errors.As(err, new(done)) {
		return false
	}
	switch gcerrors.Code(err) {
	case gcerrors.Unknown, gcerrors.Internal, gcerrors.ResourceExhausted, gcerrors.DeadlineExceeded:
		return true
	}
	return errors.Is(err, ErrSlow)
}

// pay takes the price of a repetition from the budget.
func (b *bucket) pay() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.credit < price {
		return false
	}
	b.credit -= price
	return true
}

func (b *bucket) earn() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.credit = min(b.credit+1, most)
}

// repeat calls f until it succeeds, fails for good, or was tried often enough.
func (b *bucket) repeat(ctx context.Context, f func(try int) error) error {
	p := retry.Policy{Attempts: b.opts.Tries, Pause: b.opts.Backoff, Sleep: b.opts.Sleep}
	return p.Do(ctx, func(attempt int) (again bool, err error) {
		err = f(attempt)
		if !passing(ctx, err) {
			b.earn()
			return false, err
		}
		return attempt < b.opts.Tries && b.pay(), err
	})
}

// call repeats f with a context that ends when one call takes too long.
func (b *bucket) call(ctx context.Context, f func(ctx context.Context) error) error {
	return b.within(ctx, b.opts.Call, f)
}

// within is call with a time of its own.
func (b *bucket) within(ctx context.Context, most time.Duration, f func(ctx context.Context) error) error {
	return b.repeat(ctx, func(int) error {
		limited, cancel := context.WithTimeoutCause(ctx, most, ErrSlow)
		defer cancel()
		err := f(limited)
		if err != nil && ctx.Err() == nil && limited.Err() != nil {
			return slow{err}
		}
		return err
	})
}

// slow is an error of a call that took too long.
type slow struct{ error }

func (s slow) Unwrap() error        { return context.DeadlineExceeded } // not the cancellation that ended it
func (s slow) Is(target error) bool { return target == ErrSlow }
func (s slow) Error() string        { return ErrSlow.Error() + ": " + s.error.Error() }

func (b *bucket) ErrorCode(err error) gcerrors.ErrorCode {
	if errors.Is(err, ErrSlow) {
		return gcerrors.DeadlineExceeded
	}
	return gcerrors.Code(err)
}
func (b *bucket) As(i any) bool                 { return b.to.As(i) }
func (b *bucket) ErrorAs(err error, i any) bool { return b.to.ErrorAs(err, i) }
func (b *bucket) Close() error                  { return b.to.Close() }

func (b *bucket) Attributes(ctx context.Context, key string) (*driver.Attributes, error) {
	var x *blob.Attributes
	err := b.call(ctx, func(ctx context.Context) (err error) {
		x, err = b.to.Attributes(ctx, key)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &driver.Attributes{
		CacheControl: x.CacheControl, ContentDisposition: x.ContentDisposition, ContentEncoding: x.ContentEncoding,
		ContentLanguage: x.ContentLanguage, ContentType: x.ContentType, Metadata: x.Metadata, CreateTime: x.CreateTime,
		ModTime: x.ModTime, Size: x.Size, MD5: x.MD5, ETag: x.ETag, AsFunc: x.As,
	}, nil
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
	err := b.call(ctx, func(ctx context.Context) error {
		objects, next, err := b.to.ListPage(ctx, token, size, &blob.ListOptions{Prefix: o.Prefix, Delimiter: o.Delimiter, BeforeList: o.BeforeList})
		page.Objects, page.NextPageToken = page.Objects[:0], next
		for _, x := range objects {
			page.Objects = append(page.Objects, &driver.ListObject{
				Key: x.Key, ModTime: x.ModTime, Size: x.Size, MD5: x.MD5, IsDir: x.IsDir, AsFunc: x.As,
			})
		}
		return err
	})
	if errors.Is(err, io.EOF) { // ListPage says so of an empty page past the end
		return &driver.ListPage{}, nil
	}
	return page, err
}

func (b *bucket) Delete(ctx context.Context, key string, _ *driver.DeleteOptions) error {
	tries := 0
	err := b.call(ctx, func(ctx context.Context) error {
		tries++
		return b.to.Delete(ctx, key)
	})
	if tries > 1 && gcerrors.Code(err) == gcerrors.NotFound {
		return nil // the try before did it
	}
	return err
}

func (b *bucket) Copy(ctx context.Context, dst, src string, _ *driver.CopyOptions) error {
	return b.within(ctx, copying*b.opts.Call, func(ctx context.Context) error { return b.to.Copy(ctx, dst, src, nil) })
}

func (b *bucket) SignedURL(ctx context.Context, key string, o *driver.SignedURLOptions) (string, error) {
	return b.to.SignedURL(ctx, key, &blob.SignedURLOptions{
		Expiry: o.Expiry, Method: o.Method, ContentType: o.ContentType, EnforceAbsentContentType: o.EnforceAbsentContentType,
	})
}

// limit is a context that ends when a step of work on an open object takes too long.
type limit struct {
	ctx    context.Context
	cancel context.CancelFunc
	call   time.Duration
}

func (b *bucket) limit(ctx context.Context) limit {
	ctx, cancel := context.WithCancel(ctx)
	return limit{ctx, cancel, b.opts.Call}
}

// step does one step.
func (l limit) step(f func() error) error {
	late := time.AfterFunc(l.call, l.cancel)
	err := f()
	if !late.Stop() && err != nil {
		return slow{err}
	}
	return err
}

func (b *bucket) NewRangeReader(ctx context.Context, key string, offset, length int64, _ *driver.ReaderOptions) (driver.Reader, error) {
	var r *reader
	err := b.repeat(ctx, func(int) error {
		l := b.limit(ctx)
		var opened *blob.Reader
		err := l.step(func() (err error) {
			opened, err = b.to.NewRangeReader(l.ctx, key, offset, length, nil)
			return err
		})
		if err != nil {
			l.cancel()
			return err
		}
		r = &reader{b: b, ctx: ctx, limit: l, from: opened, key: key, offset: offset, length: length, modified: opened.ModTime()}
		return nil
	})
	if err != nil {
		return nil, err
	}
	r.attrs = driver.ReaderAttributes{ContentType: r.from.ContentType(), ModTime: r.from.ModTime(), Size: r.from.Size()}
	return r, nil
}

// reader goes on where a connection broke, if the object is still the same.
type reader struct {
	b              *bucket
	ctx            context.Context
	limit          limit
	from           *blob.Reader
	key            string
	offset, length int64
	modified       time.Time
	attrs          driver.ReaderAttributes
}

func (r *reader) Attributes() *driver.ReaderAttributes { return &r.attrs }
func (r *reader) As(i any) bool                        { return r.from.As(i) }

func (r *reader) Close() error {
	defer r.limit.cancel()
	return r.from.Close()
}

func (r *reader) Read(p []byte) (int, error) {
	n := 0
	broken := false
	err := r.b.repeat(r.ctx, func(int) error {
		if broken {
			if err := r.reopen(); err != nil {
				return err
			}
			broken = false
		}
		err := r.limit.step(func() (err error) {
			n, err = r.from.Read(p)
			return err
		})
		if n > 0 && err != nil && !errors.Is(err, io.EOF) {
			err = nil // the next read meets it again
		}
		broken = err != nil && !errors.Is(err, io.EOF)
		if errors.Is(err, io.EOF) {
			return done{err}
		}
		return err
	})
	r.offset += int64(n)
	if r.length > 0 {
		r.length -= int64(n)
	}
	var end done
	if errors.As(err, &end) {
		return n, end.error
	}
	return n, err
}

// done is an error that says that there is no more.
type done struct{ error }

func (r *reader) reopen() error {
	if r.length == 0 {
		return nil
	}
	r.limit.cancel()
	_ = r.from.Close()
	l := r.b.limit(r.ctx)
	err := l.step(func() (err error) {
		var opened *blob.Reader
		opened, err = r.b.to.NewRangeReader(l.ctx, r.key, r.offset, r.length, nil)
		if err == nil {
			r.from = opened
		}
		return err
	})
	if err == nil && !r.from.ModTime().Equal(r.modified) {
		err = fmt.Errorf("object %q was replaced while it was read", r.key)
	}
	r.limit = l
	return err
}

func (b *bucket) NewTypedWriter(ctx context.Context, key, contentType string, o *driver.WriterOptions) (driver.Writer, error) {
	return &writer{b: b, ctx: ctx, key: key, opts: &blob.WriterOptions{
		BufferSize: o.BufferSize, MaxConcurrency: o.MaxConcurrency, CacheControl: o.CacheControl, ContentDisposition: o.ContentDisposition,
		ContentEncoding: o.ContentEncoding, ContentLanguage: o.ContentLanguage, ContentType: contentType, ContentMD5: o.ContentMD5,
		Metadata: o.Metadata, BeforeWrite: o.BeforeWrite, IfNotExist: o.IfNotExist, DisableContentTypeDetection: o.DisableContentTypeDetection,
	}}, nil
}

// writer holds a small object until its end, when it can be written again; of a larger one it is a passage.
type writer struct {
	b    *bucket
	ctx  context.Context
	key  string
	opts *blob.WriterOptions
	head bytes.Buffer

	limit limit
	to    *blob.Writer
}

func (w *writer) Write(p []byte) (int, error) {
	if w.to == nil && w.head.Len()+len(p) <= held {
		return w.head.Write(p)
	}
	if w.to == nil {
		if err := w.start(); err != nil {
			return 0, err
		}
	}
	n := 0
	err := w.limit.step(func() (err error) {
		n, err = w.to.Write(p)
		return err
	})
	return n, err
}

// start passes on what is held, and from then on all that comes.
func (w *writer) start() error {
	w.limit = w.b.limit(w.ctx)
	to, err := w.b.to.NewWriter(w.limit.ctx, w.key, w.opts)
	if err != nil {
		return err
	}
	w.to = to
	return w.limit.step(func() error {
		_, err := w.head.WriteTo(to)
		return err
	})
}

func (w *writer) Close() error {
	if w.to != nil {
		defer w.limit.cancel()
		if w.ctx.Err() != nil {
			w.limit.cancel() // gocloud abandons a write by ending its context
		}
		return w.limit.step(w.to.Close)
	}
	if err := w.ctx.Err(); err != nil {
		return err
	}
	data := w.head.Bytes()
	return w.b.repeat(w.ctx, func(try int) error {
		l := w.b.limit(w.ctx)
		defer l.cancel()
		err := l.step(func() error { return w.b.to.WriteAll(l.ctx, w.key, data, w.opts) })
		code := gcerrors.Code(err)
		if try == 1 || !w.opts.IfNotExist || code != gcerrors.FailedPrecondition && code != gcerrors.AlreadyExists {
			return err
		}
		var there []byte
		readErr := w.b.call(w.ctx, func(ctx context.Context) (err error) {
			there, err = w.b.to.ReadAll(ctx, w.key)
			return err
		})
		if readErr == nil && bytes.Equal(there, data) {
			return nil
		}
		return err
	})
}
