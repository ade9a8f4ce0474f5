//go:build !azblob && (gcs || s3)

package buckets

import (
	"context"

	"gocloud.dev/blob"
)

const azblobLinked = false

func openAzure(ctx context.Context, address string) (*blob.Bucket, error) {
	return blob.OpenBucket(ctx, address)
}
