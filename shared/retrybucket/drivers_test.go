package retrybucket_test

import (
	"context"
	"io"
	"testing"

	"go.uber.org/mock/gomock"
	"gocloud.dev/blob"
	"gocloud.dev/blob/driver"
	"gocloud.dev/gcerrors"

	"github.com/cyverse-gis/eemt/integration/mocks"
)

// mocked is a bucket of which a test says what each call does.
func mocked(t *testing.T) *mocks.MockBucket {
	m := mocks.NewMockBucket(gomock.NewController(t))
	m.EXPECT().ErrorCode(gomock.Any()).DoAndReturn(gcerrors.Code).AnyTimes()
	m.EXPECT().ErrorAs(gomock.Any(), gomock.Any()).Return(false).AnyTimes()
	return m
}

// hanging answers no call until the caller gives up.
func hanging(t *testing.T) *mocks.MockBucket {
	wait := func(ctx context.Context) error {
		<-ctx.Done()
		return ctx.Err()
	}
	m := mocked(t)
	m.EXPECT().Attributes(gomock.Any(), "a").DoAndReturn(func(ctx context.Context, _ string) (*driver.Attributes, error) { return nil, wait(ctx) }).MinTimes(1)
	m.EXPECT().ListPaged(gomock.Any(), gomock.Any()).DoAndReturn(func(ctx context.Context, _ *driver.ListOptions) (*driver.ListPage, error) { return nil, wait(ctx) }).MinTimes(1)
	m.EXPECT().NewRangeReader(gomock.Any(), "a", int64(0), int64(-1), gomock.Any()).DoAndReturn(func(ctx context.Context, _ string, _, _ int64, _ *driver.ReaderOptions) (driver.Reader, error) {
		return nil, wait(ctx)
	}).MinTimes(1)
	m.EXPECT().Copy(gomock.Any(), "b", "a", gomock.Any()).DoAndReturn(func(ctx context.Context, _, _ string, _ *driver.CopyOptions) error { return wait(ctx) }).MinTimes(1)
	m.EXPECT().Delete(gomock.Any(), "a", gomock.Any()).DoAndReturn(func(ctx context.Context, _ string, _ *driver.DeleteOptions) error { return wait(ctx) }).MinTimes(1)
	m.EXPECT().NewTypedWriter(gomock.Any(), "a", gomock.Any(), gomock.Any()).DoAndReturn(func(ctx context.Context, _, _ string, _ *driver.WriterOptions) (driver.Writer, error) {
		w := mocks.NewMockWriter(gomock.NewController(t))
		w.EXPECT().Write(gomock.Any()).DoAndReturn(func(p []byte) (int, error) { return len(p), nil }).AnyTimes()
		w.EXPECT().Close().DoAndReturn(func() error { return wait(ctx) })
		return w, nil
	}).MinTimes(1)
	return m
}

// breaking has connections that break after 100,000 bytes.
func breaking(t *testing.T, to *blob.Bucket) *mocks.MockBucket {
	m := mocked(t)
	m.EXPECT().NewRangeReader(gomock.Any(), "a", gomock.Any(), gomock.Any(), gomock.Any()).DoAndReturn(
		func(ctx context.Context, key string, offset, length int64, _ *driver.ReaderOptions) (driver.Reader, error) {
			from, err := to.NewRangeReader(ctx, key, offset, length, nil)
			if err != nil {
				return nil, err
			}
			left := 100_000
			r := mocks.NewMockReader(gomock.NewController(t))
			r.EXPECT().Attributes().Return(&driver.ReaderAttributes{ContentType: from.ContentType(), ModTime: from.ModTime(), Size: from.Size()}).AnyTimes()
			r.EXPECT().Close().DoAndReturn(from.Close)
			r.EXPECT().Read(gomock.Any()).DoAndReturn(func(p []byte) (int, error) {
				if left == 0 {
					return 0, io.ErrUnexpectedEOF
				}
				n, err := from.Read(p[:min(len(p), left)])
				left -= n
				return n, err
			}).AnyTimes()
			return r, nil
		}).MinTimes(2)
	return m
}
