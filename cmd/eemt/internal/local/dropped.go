package local

import (
	"context"
	"io/fs"
	"log/slog"
	"path/filepath"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/cyverse-gis/eemt/shared/dirbucket"
)

const (
	// unseenAfter is how long a file must lie before the log is told that it is no dropped one: programs that copy have
	// temporary files of such names.
	unseenAfter = 30 * time.Second
	// mostUnseen bounds of how many files the log is told.
	mostUnseen = 1000
)

// unseen finds files in the folder of uploads that cannot become jobs because of what they are, or of their names.
type unseen struct {
	dir  string
	log  *slog.Logger
	now  func() time.Time
	told map[string]bool
}

func newUnseen(dir string, log *slog.Logger) *unseen {
	return &unseen{dir: dir, log: log, now: time.Now, told: map[string]bool{}}
}

// look tells the log of each such file once.
func (u *unseen) look(ctx context.Context) {
	_ = filepath.WalkDir(u.dir, func(path string, d fs.DirEntry, err error) error {
		if ctx.Err() != nil || len(u.told) >= mostUnseen {
			return filepath.SkipAll
		}
		if err != nil || path == u.dir {
			return nil //nolint:nilerr // what cannot be read, the look at the bucket tells
		}
		why := unseenBecause(d)
		if why == "" {
			return nil
		}
		if info, err := d.Info(); err == nil && !u.told[path] && u.now().Sub(info.ModTime()) >= unseenAfter {
			u.told[path] = true
			u.log.Warn("dropped file becomes no job", "file", path, "reason", why)
		}
		if d.IsDir() {
			return filepath.SkipDir
		}
		return nil
	})
}

// unseenBecause says why a file is no object of the bucket under its own name; empty if it is one.
func unseenBecause(d fs.DirEntry) string {
	name := d.Name()
	switch {
	case strings.HasPrefix(name, ".") && strings.HasSuffix(name, ".attrs"):
		return "" // the bucket's own
	case strings.HasPrefix(name, "."):
		return "its name begins with a dot, as those of files that are still copied: rename it"
	case !utf8.ValidString(name):
		return "its name is not in UTF-8: rename it"
	case !dirbucket.Named(name):
		return "its name looks like one that the program escaped: rename it"
	case !d.IsDir() && !d.Type().IsRegular():
		return "it is no file but a link, a pipe or a device: copy the file itself"
	}
	return ""
}
