package rangeread

import (
	"context"
	"fmt"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"
)

type object struct {
	bucket  *blob.Bucket
	key     string
	size    int64
	modTime time.Time
}

// Object opens the object key of b. Reads use ctx, so it must live as long as the Reader. An object whose size or
// modification time changes while it is open makes reads fail with ErrChanged. The error for an
// object that does not exist has gcerrors.NotFound and wraps fs.ErrNotExist. The bucket is not closed with the Reader.
func Object(ctx context.Context, b *blob.Bucket, key string) (*Reader, error) {
	return openObject(ctx, b, key, defaults())
}

// ObjectWithin is Object with a cache of at most that many bytes, at least a block.
func ObjectWithin(ctx context.Context, b *blob.Bucket, key string, cache int64) (*Reader, error) {
	cfg := defaults()
	cfg.blocks = int(max(1, cache/int64(cfg.block)))
	return openObject(ctx, b, key, cfg)
}

func openObject(ctx context.Context, b *blob.Bucket, key string, cfg config) (*Reader, error) {
	o := &object{bucket: b, key: key}
	err := repeat(ctx, cfg, func(ctx context.Context) error {
		a, err := b.Attributes(ctx, key)
		if err != nil {
			return classify(err)
		}
		o.size, o.modTime = a.Size, a.ModTime
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o, err)
	}
	return newReader(ctx, o, o.size, cfg), nil
}

func (o *object) String() string { return fmt.Sprintf("object %q", o.key) }

func (o *object) read(ctx context.Context, dst [][]byte, off int64) (err error) {
	r, err := o.bucket.NewRangeReader(ctx, o.key, off, length(dst), nil)
	if err != nil {
		return classify(err)
	}
	defer func() {
		if cerr := r.Close(); err == nil && cerr != nil {
			err = classify(cerr)
		}
	}()
	if r.Size() != o.size || !sameTime(r.ModTime(), o.modTime) {
		return permanent{ErrChanged}
	}
	return fill(r, dst)
}

// sameTime compares to the second when one of the times has no finer part: stores report the same time in an
// answer's header and in their listing with different resolutions.
func sameTime(a, b time.Time) bool {
	if a.Nanosecond() == 0 || b.Nanosecond() == 0 {
		return a.Unix() == b.Unix()
	}
	return a.Equal(b)
}

// classify marks the errors of a bucket that a repetition cannot mend.
func classify(err error) error {
	switch gcerrors.Code(err) {
	case gcerrors.NotFound:
		return permanent{absent{err}}
	case gcerrors.InvalidArgument, gcerrors.PermissionDenied, gcerrors.Unimplemented,
		gcerrors.FailedPrecondition, gcerrors.Canceled:
		return permanent{err}
	}
	return err
}
