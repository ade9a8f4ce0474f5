package replica

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/cyverse-gis/eemt/shared/geotiff"
)

// spoolPrefix begins the name of a temporary file.
const spoolPrefix = "eemt-spool-"

// SweepTemp removes the temporary files in dir, the system's place for them if dir is empty, that killed processes left
// and nobody has written since before. It returns how many it removed. A process at work goes on with the files that it has open.
func SweepTemp(dir string, before time.Time) (int, error) {
	dir = cmp.Or(dir, os.TempDir())
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	removed := 0
	for _, e := range entries {
		if !e.Type().IsRegular() || !strings.HasPrefix(e.Name(), spoolPrefix) {
			continue
		}
		info, lost := e.Info()
		if lost != nil || !info.ModTime().Before(before) {
			continue
		}
		switch failed := os.Remove(filepath.Join(dir, e.Name())); {
		case failed == nil:
			removed++
		case !errors.Is(failed, fs.ErrNotExist) && !errors.Is(failed, fs.ErrPermission): // gone, or of another user
			err = errors.Join(err, failed)
		}
	}
	return removed, err
}

// Spools are the temporary files of some writers.
type Spools struct {
	dir   string
	mu    sync.Mutex
	files []*os.File
}

// NewSpools returns no files yet; dir is the folder of those to come, empty for the system's.
func NewSpools(dir string) *Spools { return &Spools{dir: dir} }

// Open makes a temporary file.
func (s *Spools) Open() (geotiff.Spool, error) {
	f, err := os.CreateTemp(s.dir, spoolPrefix+"*")
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files = append(s.files, f)
	return f, nil
}

// Remove removes all files.
func (s *Spools) Remove() {
	for _, f := range s.files {
		_ = f.Close()
		_ = os.Remove(f.Name())
	}
	s.files = nil
}
