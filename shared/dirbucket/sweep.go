package dirbucket

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Sweep removes what killed writers left in the bucket directory dir and nobody touched since olderThan:
// temporary files, as well as metadata of objects that are gone. It returns how many files it removed. A directory
// that does not exist has none. A writer that is idle for longer loses its file: its Close then fails.
func Sweep(dir string, olderThan time.Time) (int, error) {
	removed := 0
	err := SweepEach(dir, olderThan, false, func(string, int64) { removed++ })
	return removed, err
}

// SweepEach is Sweep that calls f with the path below dir and the size in bytes of each file it removed; with dry
// set, of each that it would remove.
func SweepEach(dir string, olderThan time.Time, dry bool, f func(name string, size int64)) error {
	root, err := os.OpenRoot(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("sweep: %w", err)
	}
	defer func() { _ = root.Close() }()
	err = fs.WalkDir(root.FS(), ".", func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // removed meanwhile
		}
		if err != nil {
			return err
		}
		if !d.Type().IsRegular() {
			return nil
		}
		name := filepath.FromSlash(path)
		if filepath.Dir(name) != tmpDir && !orphaned(root, name) {
			return nil
		}
		info, err := d.Info()
		if err != nil || !info.ModTime().Before(olderThan) {
			return nil // gone, or in use
		}
		if !dry {
			err = root.Remove(name)
		}
		if err == nil {
			f(path, info.Size())
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("sweep: %w", err)
	}
	return nil
}

// orphaned reports whether a file holds metadata of an object that is gone, or was replaced.
func orphaned(root *os.Root, name string) bool {
	base, id, ok := sidecarOf(filepath.Base(name))
	if !ok {
		return false
	}
	object := filepath.Join(filepath.Dir(name), base)
	info, err := root.Lstat(object)
	return err != nil || sidecar(object, info) != filepath.Join(filepath.Dir(name), "."+base+"."+id+".attrs")
}
