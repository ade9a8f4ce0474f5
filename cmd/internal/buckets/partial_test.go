package buckets_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"gocloud.dev/blob"

	"github.com/cyverse-gis/eemt/cmd/internal/buckets"
)

// TestPartial leaves unfinished writes in every kind of bucket: they go when they are
// old, a dry run only names them, and objects stay.
func TestPartial(t *testing.T) {
	each(t, func(t *testing.T, b *blob.Bucket, address string) {
		ctx := t.Context()
		if err := b.WriteAll(ctx, "whole.tif", []byte("map"), nil); err != nil {
			t.Fatal(err)
		}
		want := 0
		switch {
		case strings.HasPrefix(address, "file://"):
			if err := os.WriteFile(filepath.Join(strings.TrimPrefix(address, "file://"), ".tmp", "half"), []byte("ha"), 0o600); err != nil {
				t.Fatal(err)
			}
			want = 1
		case strings.HasPrefix(address, "s3://"):
			_, prefix := buckets.Place(address)
			var client *s3.Client
			if !b.As(&client) {
				t.Fatal("no S3 client behind the bucket")
			}
			for _, key := range []string{prefix + "half.tif", "beside/half.tif"} {
				name := "maps"
				if _, err := client.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: &name, Key: &key}); err != nil {
					t.Fatal(err)
				}
			}
			want = 2
			if prefix != "" {
				want = 1 // what lies outside is somebody else's
			}
		}
		pass := func(before time.Time, dry bool) (names []string) {
			t.Helper()
			if err := buckets.Partial(ctx, address, b, before, dry, func(name string, _ int64) { names = append(names, name) }); err != nil {
				t.Fatal(err)
			}
			return names
		}
		if got := pass(time.Now().Add(-time.Hour), false); len(got) != 0 {
			t.Errorf("young remains went: %v", got)
		}
		later := time.Now().Add(time.Hour)
		if got := pass(later, true); len(got) != want {
			t.Errorf("dry: %v, want %d", got, want)
		}
		if got := pass(later, false); len(got) != want {
			t.Errorf("%v, want %d", got, want)
		}
		if got := pass(later, false); len(got) != 0 {
			t.Errorf("still there: %v", got)
		}
		if data, err := b.ReadAll(ctx, "whole.tif"); err != nil || string(data) != "map" {
			t.Errorf("the object is %q (%v)", data, err)
		}
	})
}
