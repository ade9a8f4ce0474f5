//go:build s3 || !(gcs || s3 || azblob)

package buckets

import "time"

// SetLongestCall changes the bound of calls past the bucket, and returns what takes that back.
func SetLongestCall(d time.Duration) (back func()) {
	old := longestCall
	longestCall = d
	return func() { longestCall = old }
}
