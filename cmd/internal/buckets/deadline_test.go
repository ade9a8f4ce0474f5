//go:build s3 || !(gcs || s3 || azblob)

package buckets_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/cyverse-gis/eemt/cmd/internal/buckets"
)

// TestPartialHasADeadline: a store that does not answer ends the look for unfinished uploads.
func TestPartialHasADeadline(t *testing.T) {
	defer buckets.SetLongestCall(50 * time.Millisecond)()
	hang := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer hang.Close()
	t.Setenv("AWS_ACCESS_KEY_ID", "test")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "test")
	address := "s3://maps?region=us-east-1&use_path_style=true&endpoint=" + hang.URL
	b, err := buckets.Open(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = b.Close() }()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	err = buckets.Partial(ctx, address, b, time.Now(), false, func(string, int64) {})
	if !errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil {
		t.Errorf("%v after the test's own time: %v", err, ctx.Err())
	}
}
