package dropped

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"gocloud.dev/blob"

	"github.com/cyverse-gis/eemt/functions/submission/problem"
	"github.com/cyverse-gis/eemt/shared/geotiff"
	"github.com/cyverse-gis/eemt/shared/param"
	"github.com/cyverse-gis/eemt/shared/rangeread"
	grid "github.com/cyverse-gis/eemt/shared/raster"
)

// errUnfinished says that a file ends too early, and may still be written.
var errUnfinished = waiting("it may still be written")

// checkDropped checks the header of a file that last changed age ago. In a directory a file can be seen while it is
// written: one that is cut short is refused only after it has lain unchanged for some time.
func (w *Watcher) checkDropped(ctx context.Context, key string, p param.Parameters, age time.Duration) error {
	_, err := w.Inputs.Header(ctx, key, p)
	if err != nil && !problem.Refused(err) || !w.writing(age, unfinished) {
		return err
	}
	begun, fault := begun(ctx, w.Store.Bucket, key)
	if fault != nil {
		return fault
	}
	if begun {
		return errUnfinished
	}
	return err
}

// begun reports whether a file is the beginning of a TIFF: it is cut short, its directory is not written yet, or it
// holds zeros only, as a file does whose space was reserved.
func begun(ctx context.Context, b *blob.Bucket, key string) (bool, error) {
	r, err := rangeread.Object(ctx, b, key)
	if err != nil {
		return false, fmt.Errorf("read back %s: %w", key, err)
	}
	defer func() { _ = r.Close() }()
	head := make([]byte, min(r.Size(), geotiff.SniffSize))
	if _, err := r.ReadAt(head, 0); err != nil {
		return false, fmt.Errorf("read back %s: %w", key, err)
	}
	if strings.Trim(string(head), "\x00") == "" {
		return true, nil
	}
	for _, magic := range []string{"II*\x00", "II+\x00", "MM\x00*", "MM\x00+"} {
		if n := min(len(head), len(magic)); string(head[:n]) == magic[:n] {
			return noDirectory(head) || cutShort(ctx, r, r.Size()), nil
		}
	}
	return false, nil
}

// cutShort reports whether a TIFF ends before its directory or its cells do. It reads the last cell, which as a rule lies
// at the end of the file.
func cutShort(ctx context.Context, r io.ReaderAt, size int64) bool {
	img, err := geotiff.Open(r, size)
	if err == nil {
		_, err = img.Grid(ctx, 0, grid.Window{Col: img.Width - 1, Row: img.Height - 1, Width: 1, Height: 1})
	}
	return errors.Is(err, geotiff.ErrCutShort)
}

// noDirectory reports whether the offset of the directory in the header of a TIFF is not written yet.
func noDirectory(head []byte) bool {
	if len(head) < geotiff.SniffSize {
		return true
	}
	var order binary.ByteOrder = binary.LittleEndian
	if head[0] == 'M' {
		order = binary.BigEndian
	}
	if order.Uint16(head[2:]) == 43 {
		return order.Uint64(head[8:]) == 0
	}
	return order.Uint32(head[4:]) == 0
}

// mostTold bounds the warnings about names of files, and the memory that they take.
const mostTold = 10000

// told holds the keys that the log was warned of.
type told struct {
	mu   sync.Mutex
	keys map[string]bool
}

// first reports whether a key is new.
func (t *told) first(key string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.keys == nil {
		t.keys = map[string]bool{}
	}
	if t.keys[key] || len(t.keys) >= mostTold {
		return false
	}
	t.keys[key] = true
	return true
}

// ignore warns once of a file under uploads/ whose name keeps it from becoming a job.
func (w *Watcher) ignore(key, why string) {
	if (why == badPath || why == hiddenName) && w.ignored.first(key) {
		w.Log.Warn("dropped file becomes no job: rename it", "key", key, "reason", why)
	}
}
