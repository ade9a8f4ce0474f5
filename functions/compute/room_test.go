package compute_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cyverse-gis/eemt/functions/compute/replica"

	"github.com/cyverse-gis/eemt/eventing"
	"github.com/cyverse-gis/eemt/integration/faultbucket"
	"github.com/cyverse-gis/eemt/shared/dem/demtest"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/param"
)

// TestSpoolsAreSwept: what a process spooled when it was killed has the name that the sweep looks for.
func TestSpoolsAreSwept(t *testing.T) {
	p := quick(param.Sol)
	p.Maps = param.AnnualMaps
	p.Layers = []param.Layer{param.Horizon}
	b := newBucket(t)
	dir, copied := "", t.TempDir()
	w := newWorld(t, faultbucket.Wrap(b, func(op, key string) error {
		if op == faultbucket.Commit && strings.HasSuffix(key, "/horizon.tif") {
			if err := os.CopyFS(copied, os.DirFS(dir)); err != nil && !errors.Is(err, fs.ErrExist) {
				t.Error(err)
			}
		}
		return nil
	}), options{threads: 2})
	dir = w.compute.Temp
	w.submit(t, param.Sol, p, demtest.Encode(t, demtest.Hills(300, 300)))
	for _, e := range []event{eventing.NewJobSubmitted("/test", jobID, 0, noon), request(1, job.KindTiles, "r0000c0000", 0)} {
		if err := w.compute.Handle(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := replica.SweepTemp(copied, time.Now().Add(time.Hour)); n == 0 || err != nil {
		t.Errorf("%d were removed (%v)", n, err)
	}
	for _, place := range []string{copied, dir} {
		if left, err := os.ReadDir(place); err != nil || len(left) > 0 {
			t.Errorf("left are %v (%v)", left, err)
		}
	}
}

// TestNoRoomForTemporaryFilesIsNoVerdict: a replica without room for what a tile spools says nothing of the DEM, whichever
// file of the tile meets it first.
func TestNoRoomForTemporaryFilesIsNoVerdict(t *testing.T) {
	p := quick(param.Sol)
	p.Maps = param.AnnualMaps // whose sol.tif stays in memory
	p.Layers = []param.Layer{param.Horizon}
	w := newWorld(t, newBucket(t), options{threads: 2})
	w.submit(t, param.Sol, p, demtest.Encode(t, demtest.Hills(300, 300)))
	if err := w.compute.Handle(t.Context(), eventing.NewJobSubmitted("/test", jobID, 0, noon)); err != nil {
		t.Fatal(err)
	}
	ask := func() error {
		return w.compute.Handle(t.Context(), request(1, job.KindTiles, "r0000c0000", 0))
	}
	room := w.compute.Temp
	w.compute.Temp = filepath.Join(room, "full")
	for range 3 {
		if err := ask(); err == nil || !strings.Contains(err.Error(), "eemt-spool") {
			t.Errorf("%v, want the error of the temporary file", err)
		}
		if end, err := w.store.End(t.Context(), jobID); !errors.Is(err, job.ErrNotFound) {
			t.Fatalf("the job ended: %q (%v)", end.Reason, err)
		}
	}
	w.compute.Temp = room
	if err := ask(); err != nil {
		t.Error(err)
	}
	if _, err := w.store.Record(t.Context(), jobID, 1, "r0000c0000"); err != nil {
		t.Error(err)
	}
}
