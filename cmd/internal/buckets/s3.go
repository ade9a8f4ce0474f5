//go:build s3 || !(gcs || s3 || azblob)

package buckets

import _ "gocloud.dev/blob/s3blob" // s3://

const s3Linked = true
