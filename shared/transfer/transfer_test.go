package transfer_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/blob/memblob"

	"github.com/cyverse-gis/eemt/integration/faultbucket"
	"github.com/cyverse-gis/eemt/shared/dirbucket"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/job/inuse"
	"github.com/cyverse-gis/eemt/shared/param"
	"github.com/cyverse-gis/eemt/shared/transfer"
)

var noon = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

func id(n int) string { return fmt.Sprintf("01JTEST%019d", n) }

func put(t *testing.T, b *blob.Bucket, key, data string) {
	t.Helper()
	if err := b.WriteAll(t.Context(), key, []byte(data), nil); err != nil {
		t.Fatal(err)
	}
}

// add makes job n in a state, with files of its own.
func add(t *testing.T, b *blob.Bucket, n int, state job.State) job.Request {
	t.Helper()
	s, ctx := job.Store{Bucket: b}, t.Context()
	dem := fmt.Sprintf("dem of %d", n)
	sum := sha256.Sum256([]byte(dem))
	r := job.Request{
		ID: id(n), Workflow: param.Sol, Parameters: param.DefaultParameters(), Created: noon.Add(time.Duration(n) * time.Hour),
		DEM: job.DEM{Key: fmt.Sprintf("inputs/%d.tif", n), Name: "dem.tif", Size: int64(len(dem)), SHA256: hex.EncodeToString(sum[:])},
	}
	put(t, b, r.DEM.Key, dem)
	err := s.Create(ctx, r)
	if state != job.Pending && err == nil {
		_, err = s.WriteOnce(ctx, job.Prefix(r.ID)+"plan.json", &job.Plan{
			Created: r.Created,
			Tiles:   []job.Tile{{Task: "r0000c0000"}, {Task: "r0000c0001"}},
		})
		put(t, b, job.WorkKey(r.ID, "r0000c0000/sol.tif"), "tile")
		if err == nil {
			_, err = s.WritePhase(ctx, r.ID, &job.Phase{Number: 1, Kind: job.KindTiles, Tasks: []job.Task{{Name: "r0000c0000"}, {Name: "r0000c0001"}}})
		}
		if err == nil {
			err = s.WriteRecord(ctx, r.ID, 1, job.Record{Task: "r0000c0000"})
		}
	}
	if state == job.Completed {
		put(t, b, job.ResultKey(r.ID, "slope_rad.tif"), "slope")
		put(t, b, job.ResultKey(r.ID, "report.json"), "{}")
	}
	if (state == job.Completed || state == job.Failed || state == job.Cancelled) && err == nil {
		_, _, err = s.WriteEnd(ctx, r.ID, job.End{State: state, Ended: r.Created.Add(time.Hour)})
	}
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// content reads every object of a bucket.
func content(t *testing.T, b *blob.Bucket) map[string]string {
	t.Helper()
	all := map[string]string{}
	it := b.List(nil)
	for {
		o, err := it.Next(t.Context())
		if errors.Is(err, io.EOF) {
			return all
		}
		var data []byte
		if err == nil {
			data, err = b.ReadAll(t.Context(), o.Key)
		}
		if err != nil {
			t.Fatal(err)
		}
		all[o.Key] = string(data)
	}
}

func same(t *testing.T, got, want map[string]string) {
	t.Helper()
	if !maps.Equal(got, want) {
		t.Errorf("got %v\nwant %v", slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)))
	}
}

func TestCopyToAnEmptyBucket(t *testing.T) {
	from := memblob.OpenBucket(nil)
	for n, state := range []job.State{job.Completed, job.Failed, job.Cancelled, job.Running, job.Pending} {
		add(t, from, n, state)
	}
	if err := (job.Store{Bucket: from}).SetPin(t.Context(), id(0), job.Pin{Pinned: true, By: "ana", At: noon}); err != nil {
		t.Fatal(err)
	}
	put(t, from, "uploads/dropped.tif", "not a job's")
	put(t, from, "cleanup/cleanup_summary_1.json", "{}")
	want := content(t, from)
	delete(want, "uploads/dropped.tif")
	delete(want, "cleanup/cleanup_summary_1.json")
	to, err := dirbucket.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = to.Close() }()
	var told []transfer.Job
	dry, err := transfer.Copy(t.Context(), from, to, transfer.Options{Dry: true})
	if err != nil || len(content(t, to)) != 0 || dry.Jobs != 5 || dry.Objects == 0 {
		t.Errorf("dry: %+v (%v), wrote %v", dry, err, content(t, to))
	}
	sum, err := transfer.Copy(t.Context(), from, to, transfer.Options{Done: func(j transfer.Job) { told = append(told, j) }})
	if err != nil || sum.Jobs != 5 || sum.New != 5 || len(told) != 5 || sum.Objects != dry.Objects || sum.Bytes != dry.Bytes {
		t.Errorf("%+v (%v)", sum, err)
	}
	same(t, content(t, to), want)
	if again, err := transfer.Copy(t.Context(), from, to, transfer.Options{}); err != nil || again.Objects != 0 || again.New != 0 || again.Jobs != 5 {
		t.Errorf("again: %+v (%v)", again, err)
	}
	same(t, content(t, to), want)
}

// TestRecordsComeAfterWhatTheySpeakOf: of a job that is in the destination already anybody may look at it while it is
// copied, so that its end is written when all that ended is there, and the record of a tile after its files.
func TestRecordsComeAfterWhatTheySpeakOf(t *testing.T) {
	from := memblob.OpenBucket(nil)
	add(t, from, 0, job.Completed)
	var wrote []string
	var mu sync.Mutex
	to := faultbucket.Wrap(memblob.OpenBucket(nil), func(op, key string) error {
		if op == faultbucket.Commit {
			mu.Lock()
			defer mu.Unlock()
			wrote = append(wrote, key)
		}
		return nil
	})
	if _, err := transfer.Copy(t.Context(), from, to, transfer.Options{}); err != nil {
		t.Fatal(err)
	}
	rank := func(key string) int {
		name := strings.TrimPrefix(key, job.Prefix(id(0)))
		switch {
		case name == "end.json", name == "announced.json":
			return 4
		case name == "phases/0001.json":
			return 3
		case name == "plan.json":
			return 2
		case strings.HasPrefix(name, "phases/"):
			return 1
		case name == key, name == "job.json": // of the bucket, or written last by its own writer
			return -1
		}
		return 0
	}
	newest, ranks := 0, map[int]bool{}
	for _, key := range wrote {
		r := rank(key)
		if r < 0 {
			continue
		}
		if ranks[r] = true; r < newest {
			t.Errorf("%s comes late: %v", key, wrote)
		}
		newest = max(newest, r)
	}
	if len(ranks) != 5 {
		t.Errorf("of five kinds %d were written: %v", len(ranks), wrote)
	}
}

// TestInterruptedCopyShowsNoHalfJob fails each write in turn. Whatever job is in the
// destination then is whole; the same command again brings the rest.
func TestInterruptedCopyShowsNoHalfJob(t *testing.T) {
	from := memblob.OpenBucket(nil)
	for n, state := range []job.State{job.Completed, job.Running, job.Completed} {
		add(t, from, n, state)
	}
	want := content(t, from)
	for n := int64(1); ; n++ {
		inner := memblob.OpenBucket(nil)
		var commits atomic.Int64
		to := faultbucket.Wrap(inner, func(op, _ string) error {
			if op == faultbucket.Commit && commits.Add(1) >= n {
				return errors.New("away")
			}
			return nil
		})
		_, err := transfer.Copy(t.Context(), from, to, transfer.Options{})
		half := content(t, inner)
		for key := range half {
			rest, ok := strings.CutPrefix(key, "jobs/")
			if !ok || !strings.HasSuffix(key, "/job.json") {
				continue
			}
			job, _, _ := strings.Cut(rest, "/")
			for w := range want {
				if _, ok := half[w]; !ok && strings.Contains(w, job) {
					t.Errorf("after %d writes job %s is there without %s", n-1, job, w)
				}
			}
		}
		if err == nil {
			if n < 20 {
				t.Errorf("%d writes only", n-1)
			}
			same(t, half, want)
			return
		}
		if !errors.Is(err, transfer.ErrFailed) {
			t.Errorf("after %d writes: %v", n-1, err)
		}
		if _, err := transfer.Copy(t.Context(), from, inner, transfer.Options{}); err != nil {
			t.Errorf("going on after %d writes: %v", n-1, err)
		}
		same(t, content(t, inner), want)
	}
}

func TestSelection(t *testing.T) {
	from := memblob.OpenBucket(nil)
	for n, state := range []job.State{job.Completed, job.Failed, job.Completed, job.Running} {
		add(t, from, n, state)
	}
	for _, c := range []struct {
		name string
		o    transfer.Options
		want []int
	}{
		{"all", transfer.Options{}, []int{0, 1, 2, 3}},
		{"one", transfer.Options{IDs: []string{id(1)}}, []int{1}},
		{"completed", transfer.Options{States: []job.State{job.Completed}}, []int{0, 2}},
		{"one that is not completed", transfer.Options{IDs: []string{id(1)}, States: []job.State{job.Completed}}, nil},
		{"since", transfer.Options{After: noon.Add(2 * time.Hour)}, []int{2, 3}},
		{"before", transfer.Options{Before: noon.Add(2 * time.Hour)}, []int{0, 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			to := memblob.OpenBucket(nil)
			if _, err := transfer.Copy(t.Context(), from, to, c.o); err != nil {
				t.Fatal(err)
			}
			var got []int
			for n := range 4 {
				if _, err := (job.Store{Bucket: to}).Request(t.Context(), id(n)); err == nil {
					got = append(got, n)
				}
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("copied %v, want %v", got, c.want)
			}
		})
	}
	if _, err := transfer.Copy(t.Context(), from, memblob.OpenBucket(nil), transfer.Options{IDs: []string{id(0), id(9)}}); !errors.Is(err, job.ErrNotFound) || !strings.Contains(err.Error(), id(9)) {
		t.Errorf("unknown job: %v", err)
	}
}

// TestDestinationStands never replaces what the destination wrote itself.
func TestDestinationStands(t *testing.T) {
	from, to := memblob.OpenBucket(nil), memblob.OpenBucket(nil)
	r := add(t, from, 1, job.Running)
	here := job.Store{Bucket: to}
	if _, err := transfer.Copy(t.Context(), from, to, transfer.Options{}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := here.WriteEnd(t.Context(), r.ID, job.End{State: job.Cancelled, Reason: "here", Ended: noon}); err != nil {
		t.Fatal(err)
	}
	if err := here.SetPin(t.Context(), r.ID, job.Pin{Pinned: true, At: noon.Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	there := job.Store{Bucket: from}
	if _, _, err := there.WriteEnd(t.Context(), r.ID, job.End{State: job.Completed, Ended: noon}); err != nil {
		t.Fatal(err)
	}
	if err := there.SetPin(t.Context(), r.ID, job.Pin{Days: 3, At: noon}); err != nil {
		t.Fatal(err)
	}
	if _, err := transfer.Copy(t.Context(), from, to, transfer.Options{}); err != nil {
		t.Fatal(err)
	}
	if st, err := here.Status(t.Context(), r.ID); err != nil || st.State != job.Cancelled || !st.Pin.Pinned {
		t.Errorf("%+v (%v)", st, err)
	}
}

// TestRestoredJobsAreKept counts retention from the restoration, once.
func TestRestoredJobsAreKept(t *testing.T) {
	from, to := memblob.OpenBucket(nil), memblob.OpenBucket(nil)
	add(t, from, 1, job.Completed)
	usual := job.Retention{Completed: 7 * 24 * time.Hour}
	restored := noon.AddDate(1, 0, 0)
	for _, at := range []time.Time{restored, restored.AddDate(0, 0, 3)} {
		if _, err := transfer.Copy(t.Context(), from, to, transfer.Options{Restored: at}); err != nil {
			t.Fatal(err)
		}
		st, err := (job.Store{Bucket: to}).Status(t.Context(), id(1))
		if err != nil {
			t.Fatal(err)
		}
		if until, ok := usual.Until(st); !ok || !until.Equal(restored.AddDate(0, 0, 7)) {
			t.Errorf("kept until %v, %t", until, ok)
		}
	}
	if _, ok := content(t, from)[job.Prefix(id(1))+"pin.json"]; ok {
		t.Error("the source was changed")
	}
}

// TestDamageIsNotCopied refuses a DEM that is not the one the job was made of.
func TestDamageIsNotCopied(t *testing.T) {
	from, to := memblob.OpenBucket(nil), memblob.OpenBucket(nil)
	r := add(t, from, 1, job.Completed)
	add(t, from, 2, job.Completed)
	put(t, from, r.DEM.Key, "other")
	var told []transfer.Job
	sum, err := transfer.Copy(t.Context(), from, to, transfer.Options{Done: func(j transfer.Job) { told = append(told, j) }})
	if !errors.Is(err, transfer.ErrFailed) || sum.Failed != 1 || sum.Jobs != 1 || !strings.Contains(told[1].Error, "damaged") {
		t.Errorf("%+v %+v (%v)", sum, told, err)
	}
	if _, ok := content(t, to)[r.DEM.Key]; ok {
		t.Error("the damaged DEM was copied")
	}
}

// TestJobMovesWhileCopied completes a job, and removes its work, while its files are read.
func TestJobMovesWhileCopied(t *testing.T) {
	inner := memblob.OpenBucket(nil)
	r := add(t, inner, 1, job.Running)
	moved := false
	from := faultbucket.Wrap(inner, func(op, key string) error {
		if op == faultbucket.Attributes && strings.Contains(key, "/work/") && !moved {
			moved = true
			put(t, inner, job.ResultKey(r.ID, "slope_rad.tif"), "slope")
			if _, _, err := (job.Store{Bucket: inner}).WriteEnd(context.Background(), r.ID, job.End{State: job.Completed, Ended: noon}); err != nil {
				return err
			}
			return inner.Delete(context.Background(), job.WorkKey(r.ID, "r0000c0000/sol.tif"))
		}
		return nil
	})
	to := memblob.OpenBucket(nil)
	if sum, err := transfer.Copy(t.Context(), from, to, transfer.Options{}); err != nil || sum.Jobs != 1 {
		t.Fatalf("%+v (%v)", sum, err)
	}
	want := content(t, inner)
	got := content(t, to)
	same(t, got, want)
	if !bytes.Contains([]byte(got[job.Prefix(r.ID)+"end.json"]), []byte("completed")) {
		t.Error("the end did not come along")
	}
}

// TestLostInput copies a job that failed because a file it reads is gone, with those that are there.
func TestLostInput(t *testing.T) {
	from, to := memblob.OpenBucket(nil), memblob.OpenBucket(nil)
	s, ctx := job.Store{Bucket: from}, t.Context()
	table := job.InputKey(id(8), "station.csv")
	r := job.Request{
		ID: id(1), Workflow: param.EEMT, Parameters: param.DefaultParameters(), Created: noon,
		DEM: job.DEM{Key: job.InputKey(id(9), "dem.tif"), Name: "dem.tif"},
	}
	r.Parameters.Climate = "table:" + table
	put(t, from, r.DEM.Key, "dem")
	put(t, from, table, "csv")
	err := errors.Join(inuse.Use(ctx, s, r), s.Create(ctx, r))
	if err == nil {
		_, _, err = s.WriteEnd(ctx, r.ID, job.End{State: job.Failed, Reason: "the table is gone", Ended: noon})
	}
	if err == nil {
		err = from.Delete(ctx, table)
	}
	if err != nil {
		t.Fatal(err)
	}
	var told []transfer.Job
	sum, err := transfer.Copy(ctx, from, to, transfer.Options{Done: func(j transfer.Job) { told = append(told, j) }})
	if err != nil || sum.Jobs != 1 {
		t.Errorf("%+v %+v (%v)", sum, told, err)
	}
	want := content(t, from)
	delete(want, "inputs-used/"+strings.TrimPrefix(table, "inputs/")+"/"+r.ID)
	same(t, content(t, to), want)
}

// TestEndedJobKeepsItsResults: a job that went its own way in the destination, and has ended there, gets nothing
// from the source that would replace what it has, nor work files that nobody would remove.
func TestEndedJobKeepsItsResults(t *testing.T) {
	from, to := memblob.OpenBucket(nil), memblob.OpenBucket(nil)
	r := add(t, from, 1, job.Running)
	add(t, to, 1, job.Completed)
	put(t, to, job.ResultKey(r.ID, "report.json"), "of the destination")
	if err := to.Delete(t.Context(), job.WorkKey(r.ID, "r0000c0000/sol.tif")); err != nil {
		t.Fatal(err)
	}
	put(t, from, job.ResultKey(r.ID, "slope_rad.tif"), "another program's slope")
	want := content(t, to)
	if _, err := transfer.Copy(t.Context(), from, to, transfer.Options{}); err != nil {
		t.Fatal(err)
	}
	got := content(t, to)
	same(t, got, want)
}
