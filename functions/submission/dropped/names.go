package dropped

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"

	"github.com/cyverse-gis/eemt/shared/job"
)

// companions are the extensions of files that programs put beside a raster. They make no job.
var companions = []string{".csv", ".xml", ".tfw", ".tifw", ".prj", ".ovr", ".cpg", ".md5", ".sha256"}

// Why the name of an object keeps it from becoming a job.
const (
	badPath    = "its name is no plain path"
	hiddenName = "its name begins with a dot"
)

// notDropped returns why the object of a key is no dropped file; empty if it is one.
func notDropped(key string) string {
	name, ok := strings.CutPrefix(key, job.UploadPrefix)
	switch {
	case !ok:
		return "it is not under " + job.UploadPrefix
	case name == "" || strings.HasSuffix(name, "/"):
		return "it is a folder"
	case path.Clean(key) != key:
		return badPath
	case strings.Contains("/"+name, "/."):
		return hiddenName
	case slices.Contains(companions, strings.ToLower(path.Ext(name))):
		return "it belongs to another file"
	}
	return ""
}

// version returns the version of an object. It is the same from attributes and from an entry in a listing.
func (w *Watcher) version(key string, made time.Time, size int64, md5 []byte, as func(any) bool) job.Version {
	if w.Uploads.Generation != nil {
		if mark, made, ok := w.Uploads.Generation(as); ok {
			return job.Version{Key: key, Made: made, Mark: mark}
		}
	}
	return job.VersionOf(key, made, size, md5)
}

// attributes returns those of a dropped file, and its version; found is false if it is not there.
func (w *Watcher) attributes(ctx context.Context, key string) (a *blob.Attributes, v job.Version, found bool, err error) {
	a, err = w.Store.Bucket.Attributes(ctx, key)
	if gcerrors.Code(err) == gcerrors.NotFound {
		return nil, v, false, nil
	}
	if err != nil {
		return nil, v, false, fmt.Errorf("read %s: %w", key, err)
	}
	return a, w.version(key, a.ModTime, a.Size, a.MD5, a.As), true, nil
}
