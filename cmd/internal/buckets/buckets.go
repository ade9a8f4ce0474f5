// Package buckets opens the bucket that a URL names, with the drivers that the program is built with.
//
// Directories (file:///DIR) and memory (mem://) are always there. The drivers of object stores are chosen by the
// build tags gcs, s3 and azblob; without any of them all three are linked.
package buckets

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"time"

	"gocloud.dev/blob"
	_ "gocloud.dev/blob/memblob" // mem://

	"github.com/cyverse-gis/eemt/shared/dirbucket"
	"github.com/cyverse-gis/eemt/shared/retrybucket"
)

// store is an object store that the program may be built for.
type store struct {
	scheme, tag, example string
	linked               bool
	open                 func(ctx context.Context, address string) (*blob.Bucket, error)
}

var stores = []store{
	{"gs", "gcs", "gs://NAME", gcsLinked, blob.OpenBucket},
	{"s3", "s3", "s3://NAME?region=REGION", s3Linked, blob.OpenBucket},
	{"azblob", "azblob", "azblob://CONTAINER", azblobLinked, openAzure},
}

// Open opens the bucket of a URL. Calls that fail for a passing reason are repeated, and none takes for ever (package
// retrybucket). The error for a store that is not linked names the build tag that links it.
func Open(ctx context.Context, address string) (*blob.Bucket, error) {
	b, err := open(ctx, address)
	if err != nil {
		return nil, err
	}
	return retrybucket.Wrap(b, retrybucket.Options{}), nil
}

func open(ctx context.Context, address string) (*blob.Bucket, error) {
	if dir, ok := strings.CutPrefix(address, "file://"); ok {
		return dirbucket.Open(dir)
	}
	u, err := url.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("bucket: not a URL: want %s", examples())
	}
	for _, d := range stores {
		if u.Scheme != d.scheme {
			continue
		}
		if u.Host == "" {
			return nil, fmt.Errorf("bucket %s://: no name given; want %s", u.Scheme, d.example)
		}
		if !d.linked {
			return nil, fmt.Errorf("bucket %s://%s: this program is built without the driver for %s:// buckets; use an image or a program built with -tags %s",
				u.Scheme, u.Host, d.scheme, d.tag)
		}
		return d.open(ctx, address)
	}
	if u.Scheme == "mem" {
		return blob.OpenBucket(ctx, address)
	}
	// What stands before the path is enough to recognise it: the rest may hold secrets.
	return nil, fmt.Errorf("bucket %q: unknown kind %q: want %s", u.Scheme+"://"+u.Host, u.Scheme, examples())
}

func examples() string {
	list := make([]string, 0, len(stores))
	for _, d := range stores {
		list = append(list, d.example)
	}
	return "file:///DIR, " + strings.Join(list, ", ") + " or mem://"
}

// IsURL reports whether s names a bucket by URL, not a directory by path.
func IsURL(s string) bool { return strings.Contains(s, "://") }

// Place returns how a store's notifications name the bucket of a URL, and what stands before the program's keys in
// it. The name is empty where there is none: directories and memory.
func Place(address string) (name, prefix string) {
	u, err := url.Parse(address)
	if err != nil {
		return "", ""
	}
	for _, d := range stores {
		if u.Scheme == d.scheme {
			return u.Host, u.Query().Get("prefix")
		}
	}
	return "", ""
}

// Partial removes what writers that died left in the bucket of a URL, which b is, of objects that never appeared, if
// nobody touched it since before. It calls f with each; dry removes nothing. In gs:// and azblob:// such remains are not
// to be seen, and vanish after a week.
func Partial(ctx context.Context, address string, b *blob.Bucket, before time.Time, dry bool, f func(name string, bytes int64)) error {
	if dir, ok := strings.CutPrefix(address, "file://"); ok {
		return dirbucket.SweepEach(dir, before, dry, f)
	}
	if name, prefix := Place(address); strings.HasPrefix(address, "s3://") {
		return abortUploads(ctx, b, name, prefix, before, dry, f)
	}
	return nil
}

// Remains returns Partial of the bucket of a URL, which b is.
func Remains(address string, b *blob.Bucket) func(ctx context.Context, before time.Time, dry bool, f func(name string, bytes int64)) error {
	return func(ctx context.Context, before time.Time, dry bool, f func(name string, bytes int64)) error {
		return Partial(ctx, address, b, before, dry, f)
	}
}

// Generation returns the store's own number of an object's version and when the version was made, from the As
// method of its attributes or of its entry in a listing; false where the store has no such number.
func Generation(as func(any) bool) (version string, made time.Time, ok bool) {
	return generation(as)
}
