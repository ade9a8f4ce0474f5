//go:build s3 || !(gcs || s3 || azblob)

package buckets

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"gocloud.dev/blob"
	_ "gocloud.dev/blob/s3blob" // s3://
)

const s3Linked = true

// longestCall bounds each call that goes past the bucket, which has a bound of its own.
var longestCall = 2 * time.Minute

// bounded makes one such call.
func bounded(ctx context.Context, f func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, longestCall)
	defer cancel()
	return f(ctx)
}

// abortUploads ends the multipart uploads below a prefix that began before a time: what they hold is paid for and in
// no listing. The other stores forget theirs after a week.
func abortUploads(ctx context.Context, b *blob.Bucket, name, prefix string, before time.Time, dry bool, f func(name string, bytes int64)) error {
	var client *s3.Client
	if !b.As(&client) {
		return nil
	}
	pages := s3.NewListMultipartUploadsPaginator(client, &s3.ListMultipartUploadsInput{Bucket: &name, Prefix: aws.String(prefix)})
	for pages.HasMorePages() {
		var page *s3.ListMultipartUploadsOutput
		err := bounded(ctx, func(ctx context.Context) (err error) {
			page, err = pages.NextPage(ctx)
			return err
		})
		if err != nil {
			return fmt.Errorf("list unfinished uploads: %w", err)
		}
		for _, u := range page.Uploads {
			if u.Initiated == nil || !u.Initiated.Before(before) || u.Key == nil {
				continue
			}
			if !dry {
				err := bounded(ctx, func(ctx context.Context) error {
					_, err := client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &name, Key: u.Key, UploadId: u.UploadId})
					return err
				})
				if gone := (*types.NoSuchUpload)(nil); errors.As(err, &gone) {
					continue
				}
				if err != nil {
					return fmt.Errorf("end the unfinished upload of %s: %w", *u.Key, err)
				}
			}
			f(*u.Key+" (unfinished upload)", 0)
		}
	}
	return nil
}
