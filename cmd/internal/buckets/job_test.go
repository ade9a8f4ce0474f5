package buckets_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cyverse-gis/eemt/functions/compute/workfile"

	"github.com/cyverse-gis/eemt/shared/sources"

	"github.com/cloudevents/sdk-go/v2/event"
	"gocloud.dev/blob"

	"github.com/cyverse-gis/eemt/cmd/internal/intake"
	"github.com/cyverse-gis/eemt/eventing"
	"github.com/cyverse-gis/eemt/eventing/broker"
	"github.com/cyverse-gis/eemt/functions/cleanup"
	"github.com/cyverse-gis/eemt/functions/compute"
	"github.com/cyverse-gis/eemt/functions/submission"
	"github.com/cyverse-gis/eemt/shared/dem/demtest"
	"github.com/cyverse-gis/eemt/shared/job"
)

// TestDroppedJob drops a DEM into each kind of bucket, with a sidecar, and lets the functions work on it: one job
// comes of it, with the same maps everywhere, and retention leaves the dropped file.
func TestDroppedJob(t *testing.T) {
	var want map[string][]byte
	each(t, func(t *testing.T, b *blob.Bucket, address string) {
		if strings.Contains(address, "prefix=") && os.Getenv("EEMT_SLOW") == "" {
			t.Skip("SKIPPED: set EEMT_SLOW to compute below a prefix too")
		}
		log := slog.New(slog.DiscardHandler)
		store := job.Store{Bucket: b}
		later := time.Duration(0)
		now := func() time.Time { return time.Now().Add(later) }
		clean := &cleanup.Service{Store: store, Now: now, Log: log, Policy: cleanup.DefaultPolicy()}
		events := broker.New(broker.Options{DeadLetter: clean.DeadLetter, Duplicates: 1})
		defer func() { _ = events.Close(context.Background()) }()
		clean.Events = events
		sources := sources.Files{Bucket: b}
		work := &compute.Service{Store: store, Events: events, Climate: sources.Open, Threads: 1, Now: now, Log: log, Version: "test"}
		uploads := intake.Uploads(address)
		uploads.Settle = 0
		submit := submission.New(submission.Config{
			Store: store, Events: events, Now: now, NewID: intake.IDs(rand.Reader, now), Log: log, Version: "test",
			MaxUpload: 1 << 20, Uploads: uploads,
		})
		events.Subscribe("compute", []string{eventing.JobSubmitted, eventing.TaskRequested, eventing.TilesCompleted}, 2, work.Handle)
		events.Start()

		put(t, b, "uploads/site/hills.tif.json", `{"step": 60, "tile_size": 32}`, nil)
		put(t, b, "uploads/site/hills.tif", string(demtest.Encode(t, demtest.Hills(36, 20))), nil)
		for _, tick := range []event.Event{eventing.NewTick("/test", eventing.TaskResume, now()), eventing.NewTick("/test", eventing.TaskResume, now())} {
			if err := submit.HandleEvent(t.Context(), tick); err != nil {
				t.Fatal(err)
			}
		}
		if said, err := submit.Take(t.Context(), "uploads/site/hills.tif"); err != nil || !strings.HasSuffix(said, " already") {
			t.Errorf("a notice after the tick: %s (%v)", said, err)
		}
		if err := events.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		var ids []string
		if err := store.List(t.Context(), func(id string) (bool, error) { ids = append(ids, id); return true, nil }); err != nil || len(ids) != 1 {
			t.Fatalf("jobs %v (%v), want one", ids, err)
		}
		st, err := store.Status(t.Context(), ids[0])
		if err != nil || st.State != job.Completed || st.Planned != 2 {
			t.Fatalf("job %+v (%v)", st, err)
		}
		prefix := job.ResultKey(ids[0], "")
		got := map[string][]byte{}
		for _, key := range list(t, b, prefix) {
			if strings.HasSuffix(key, ".json") {
				continue
			}
			if got[key[len(prefix):]], err = b.ReadAll(t.Context(), key); err != nil {
				t.Fatal(err)
			}
		}
		if want == nil {
			want = got
		}
		if g, w := slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)); !slices.Equal(g, w) || len(g) < 50 {
			t.Fatalf("files differ: %v, %v", g, w)
		}
		for name := range want {
			if !bytes.Equal(got[name], want[name]) {
				t.Errorf("%s differs from that of the first bucket", name)
			}
		}
		if report, err := b.ReadAll(t.Context(), prefix+workfile.ReportName); err != nil || len(report) == 0 {
			t.Errorf("report of %d bytes (%v)", len(report), err)
		}

		later = 8 * 24 * time.Hour
		if r, err := clean.Retain(t.Context()); err != nil || r.Successful != 1 || len(r.Errors) != 0 {
			t.Errorf("retention %+v (%v)", r, err)
		}
		if n, err := submit.ScanUploads(t.Context()); err != nil || n != 0 {
			t.Errorf("after retention %d jobs came back (%v)", n, err)
		}
		if left := append(list(t, b, "uploads/"), list(t, b, "inputs/")...); !slices.Equal(left, []string{"uploads/site/hills.tif", "uploads/site/hills.tif.json"}) {
			t.Errorf("left: %v", left)
		}
	})
}
