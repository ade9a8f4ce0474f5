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

// companions are what programs put beside a raster; they start nothing.
var companions = []string{".csv", ".xml", ".tfw", ".tifw", ".prj", ".ovr", ".cpg", ".md5", ".sha256"}

// What keeps a name from being that of a dropped file.
const (
	badPath    = "its name is no plain path"
	hiddenName = "its name begins with a dot"
)

// notDropped says why a key is no dropped file, or is empty.
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

// version of an object, the same from its attributes and from its entry in a listing.
func (w *Watcher) version(key string, made time.Time, size int64, md5 []byte, as func(any) bool) job.Version {
	if w.Uploads.Generation != nil {
		if mark, made, ok := w.Uploads.Generation(as); ok {
			return job.Version{Key: key, Made: made, Mark: mark}
		}
	}
	return job.VersionOf(key, made, size, md5)
}

// attributes of a dropped file with its version; found is false if it is not there.
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
