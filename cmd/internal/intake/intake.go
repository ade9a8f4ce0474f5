// Package intake wires what stands around the submission function, as a service and on a laptop.
package intake

import (
	"io"
	"strings"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/cyverse-gis/eemt/cmd/internal/buckets"
	"github.com/cyverse-gis/eemt/functions/submission/dropped"
)

// settle is how long a file in a directory must lie unchanged before it is read: unlike in an object store it can be
// seen while it is written.
const settle = 5 * time.Second

// Uploads returns how the files dropped into the bucket of a URL are watched.
func Uploads(address string) dropped.Settings {
	name, prefix := buckets.Place(address)
	u := dropped.Settings{Bucket: name, Prefix: prefix, Generation: buckets.Generation}
	if strings.HasPrefix(address, "file://") {
		u.Settle = settle
	}
	return u
}

// IDs returns a source of ULIDs that never repeats or goes back within the process.
func IDs(entropy io.Reader, now func() time.Time) func() string {
	var mu sync.Mutex
	monotonic := ulid.Monotonic(entropy, 0)
	return func() string {
		mu.Lock()
		defer mu.Unlock()
		return ulid.MustNew(ulid.Timestamp(now()), monotonic).String()
	}
}
