//go:build !azblob && (gcs || s3)

package buckets

const azblobLinked = false
