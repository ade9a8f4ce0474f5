//go:build !s3 && (gcs || azblob)

package buckets

const s3Linked = false
