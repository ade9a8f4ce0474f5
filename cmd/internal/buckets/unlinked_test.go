//go:build s3 && !gcs && !azblob

package buckets_test

import (
	"strings"
	"testing"

	"github.com/cyverse-gis/eemt/cmd/internal/buckets"
)

// TestUnlinked opens a bucket whose driver is left out (go test -tags s3).
func TestUnlinked(t *testing.T) {
	_, err := buckets.Open(t.Context(), "gs://maps")
	if err == nil || !strings.Contains(err.Error(), "without the driver for gs:// buckets; use an image or a program built with -tags gcs") {
		t.Errorf("got %v", err)
	}
}
