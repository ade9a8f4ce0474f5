package compute_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cyverse-gis/eemt/eventing"
	"github.com/cyverse-gis/eemt/shared/dem/demtest"
	"github.com/cyverse-gis/eemt/shared/job"
)

// TestNoRoomForTemporaryFilesIsNoVerdict: a replica without room for what a tile spools says nothing of the DEM, whichever
// file of the tile meets it first.
func TestNoRoomForTemporaryFilesIsNoVerdict(t *testing.T) {
	p := quick(job.Sol)
	p.Maps = job.AnnualMaps // whose sol.tif stays in memory
	p.Layers = []job.Layer{job.Horizon}
	w := newWorld(t, newBucket(t), options{threads: 2})
	w.submit(t, job.Sol, p, demtest.Encode(t, demtest.Hills(300, 300)))
	if err := w.compute.Handle(t.Context(), eventing.NewJobSubmitted("/test", jobID, 0, noon)); err != nil {
		t.Fatal(err)
	}
	ask := func() error {
		return w.compute.Handle(t.Context(), eventing.NewTileRequested("/test", jobID, "r0000c0000", 0, noon))
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
	if _, err := w.store.Task(t.Context(), jobID, "r0000c0000"); err != nil {
		t.Error(err)
	}
}
