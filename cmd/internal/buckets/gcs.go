//go:build gcs || !(gcs || s3 || azblob)

package buckets

import (
	"strconv"
	"time"

	"cloud.google.com/go/storage"
	_ "gocloud.dev/blob/gcsblob" // gs://
)

const gcsLinked = true

func generation(as func(any) bool) (string, time.Time, bool) {
	var a storage.ObjectAttrs
	if !as(&a) || a.Generation == 0 {
		return "", time.Time{}, false
	}
	return strconv.FormatInt(a.Generation, 10), a.Created, true
}
