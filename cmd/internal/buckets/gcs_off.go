//go:build !gcs && (s3 || azblob)

package buckets

import "time"

const gcsLinked = false

func generation(func(any) bool) (string, time.Time, bool) { return "", time.Time{}, false }
