//go:build azblob || !(gcs || s3 || azblob)

package buckets

import _ "gocloud.dev/blob/azureblob" // azblob://

const azblobLinked = true
