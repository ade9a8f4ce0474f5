package compute_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cyverse-gis/eemt/functions/compute/cost"
	"github.com/cyverse-gis/eemt/functions/compute/workfile"

	"github.com/cyverse-gis/eemt/functions/compute/record"
	"github.com/cyverse-gis/eemt/shared/sources"

	"gocloud.dev/blob"
	"gocloud.dev/blob/memblob"

	"github.com/cyverse-gis/eemt/eventing"
	"github.com/cyverse-gis/eemt/eventing/broker"
	"github.com/cyverse-gis/eemt/functions/cleanup"
	"github.com/cyverse-gis/eemt/functions/compute"
	"github.com/cyverse-gis/eemt/functions/submission"
	"github.com/cyverse-gis/eemt/shared/dem/demtest"
	"github.com/cyverse-gis/eemt/shared/geotiff"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/param"
	"github.com/cyverse-gis/eemt/shared/preview"
	"github.com/cyverse-gis/eemt/shared/raster"
)

// noon is the time every clock here shows, so that reports are equal to the byte.
var noon = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

const jobID = "01JTESTAAAAAAAAAAAAAAAAAAA"

// station is a climate table with frost, a dry month and summer rain.
const station = `# elevation_m: 2300
month,tmin,tmax,prcp,vp
1,-12.1,0.4,41.0,210
2,-4.4,8.2,38.5,340
3,-6.3,6.0,52.0,330
4,-2.4,11.2,61.2,450
5,2.1,17.0,44.0,640
6,5.9,23.1,0.0,800
7,9.4,26.2,66.3,1050
8,8.8,25.0,71.1,1020
9,4.3,20.9,48.0,760
10,-0.9,14.2,43.3,520
11,-6.8,6.3,39.9,330
12,-11.5,1.1,45.2,230
`

// TestMain lets the garbage of some jobs lie: buffers of maps are most of what tests with few cells allocate.
func TestMain(m *testing.M) {
	debug.SetGCPercent(400)
	m.Run()
}

// world is the functions around one bucket, as a program wires them.
type world struct {
	bucket     *blob.Bucket
	store      job.Store
	broker     *broker.Broker
	compute    *compute.Service
	cleanup    *cleanup.Service
	submission *submission.Service
}

type options struct {
	threads     int
	concurrency int
	broker      broker.Options
	// publish sees each event of compute; false drops it.
	publish  func(e string) bool
	progress func(compute.Progress)
	log      io.Writer
	reach    workfile.Reach
	cost     cost.Cost
	// pictures draws previews as the product does; it takes most of the time of a job of few cells.
	pictures bool
	// within is how long an assembly may take before its maps become tasks.
	within time.Duration
}

func newWorld(t *testing.T, b *blob.Bucket, o options) *world {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	if o.log != nil {
		log = slog.New(slog.NewTextHandler(o.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	now := func() time.Time { return noon }
	w := &world{bucket: b, store: job.Store{Bucket: b}}
	w.cleanup = &cleanup.Service{Store: w.store, Now: now, Log: log, Policy: cleanup.DefaultPolicy()}
	o.broker.DeadLetter = w.cleanup.DeadLetter
	if o.broker.Backoff == nil {
		o.broker.Backoff = func(int) time.Duration { return time.Millisecond }
	}
	w.broker = broker.New(o.broker)
	w.cleanup.Events = w.broker
	events := eventing.Publisher(w.broker)
	if o.publish != nil {
		events = eventing.PublisherFunc(func(ctx context.Context, e event) error {
			if !o.publish(e.Type()) {
				return nil
			}
			return w.broker.Publish(ctx, e)
		})
	}
	sources := sources.Files{Bucket: b}
	w.compute = &compute.Service{
		Store: w.store, Events: events, Climate: sources.Open, Threads: max(1, o.threads), Now: now, Log: log,
		Version: "test", Temp: t.TempDir(), Progress: o.progress, Reach: o.reach, Cost: o.cost, AssembleWithin: o.within,
	}
	if !o.pictures {
		w.compute.Draw = describe
	}
	w.submission = submission.New(submission.Config{
		Store: w.store, Events: events, Now: now, NewID: func() string { return jobID }, Log: log, Version: "test", MaxUpload: 1 << 20,
	})
	w.broker.Subscribe("compute", []string{eventing.JobSubmitted, eventing.TaskRequested, eventing.TilesCompleted}, max(1, o.concurrency), w.compute.Handle)
	return w
}

// describe writes what a preview would be drawn of, so that other previews have other bytes.
func describe(w io.Writer, g *raster.Grid[float32], o preview.Options) error {
	h := sha256.New()
	if o.Relief != nil {
		if err := binary.Write(h, binary.LittleEndian, o.Relief.Cells); err != nil {
			return err
		}
	}
	if err := binary.Write(h, binary.LittleEndian, g.Cells); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "%s, %s, %s, %v, %v, %d, %g, %d x %d: %x", o.Title, o.Unit, o.Ramp, o.Min, o.Max, o.MaxSide, o.CellSize, g.Width, g.Height, h.Sum(nil))
	return err
}

// die drops the broker with all it holds, as kill -9 does.
func (w *world) die() {
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	_ = w.broker.Close(gone)
}

// settle delivers until nothing is left to do.
func (w *world) settle(t *testing.T) {
	t.Helper()
	w.broker.Start()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	if err := w.broker.Wait(ctx); err != nil {
		t.Fatalf("the broker did not come to rest: %v", err)
	}
}

// submit stores a DEM under a fixed name and submits a job for it.
func (w *world) submit(t *testing.T, workflow param.Workflow, p param.Parameters, tiff []byte) {
	t.Helper()
	ctx := t.Context()
	const key = "inputs/" + jobID + "_hills.tif"
	put(t, w.bucket, key, hills(t))
	put(t, w.bucket, "inputs/station.csv", []byte(station))
	ref := job.DEM{Key: key, Name: "hills.tif", SHA256: "0123456789abcdef", Size: int64(len(tiff))}
	if _, err := w.submission.Submit(ctx, workflow, p, ref); err != nil {
		t.Fatalf("submit: %v", err)
	}
	put(t, w.bucket, key, tiff) // past what the submission checks
}

func put(t *testing.T, b *blob.Bucket, key string, data []byte) {
	t.Helper()
	if err := b.WriteAll(t.Context(), key, data, nil); err != nil {
		t.Fatalf("write %s: %v", key, err)
	}
}

// quick are parameters for small tests: 24 steps a day.
func quick(w param.Workflow) param.Parameters {
	p := param.DefaultParameters()
	p.Step = 60
	if w == param.EEMT {
		p.Climate = "table:inputs/station.csv"
	}
	return p
}

// brief are parameters of EEMT for tests of how a job travels: few maps, of years only.
func brief() param.Parameters {
	p := quick(param.EEMT)
	p.Maps = param.AnnualMaps
	return p
}

// run computes a job calmly from start to end, and returns its bucket.
func run(t *testing.T, w param.Workflow, p param.Parameters, tiff []byte, o options) *world {
	t.Helper()
	wd := newWorld(t, newBucket(t), o)
	wd.submit(t, w, p, tiff)
	wd.settle(t)
	wd.mustComplete(t)
	return wd
}

// finished are the results of jobs that many tests compare with, by what they were computed of.
var finished sync.Map

// calm returns the results of a job that nothing disturbed. It is computed once for all tests.
func calm(t *testing.T, w param.Workflow, p param.Parameters, tiff []byte) map[string][]byte {
	t.Helper()
	parameters, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	key := fmt.Sprintf("%s %s %x", w, parameters, sha256.Sum256(tiff))
	results, ok := finished.Load(key)
	if !ok {
		results = run(t, w, p, tiff, options{threads: 2}).results(t)
		finished.Store(key, results)
	}
	return copyOf(results.(map[string][]byte))
}

func copyOf(results map[string][]byte) map[string][]byte {
	c := map[string][]byte{}
	for name, data := range results {
		c[name] = bytes.Clone(data)
	}
	return c
}

func newBucket(t *testing.T) *blob.Bucket {
	t.Helper()
	b := memblob.OpenBucket(nil)
	t.Cleanup(func() { _ = b.Close() })
	return b
}

func (w *world) mustComplete(t *testing.T) {
	t.Helper()
	st, err := w.store.Status(t.Context(), jobID)
	if err != nil {
		t.Fatal(err)
	}
	if st.State != job.Completed {
		reason := ""
		if st.End != nil {
			reason = st.End.Reason
		}
		t.Fatalf("job is %s (%s), %d of %d tiles done: want completed", st.State, reason, st.Done, st.Planned)
	}
}

// objects returns every object below a prefix.
func objects(t *testing.T, b *blob.Bucket, prefix string) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	it := b.List(&blob.ListOptions{Prefix: prefix})
	for {
		o, err := it.Next(t.Context())
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := b.ReadAll(t.Context(), o.Key)
		if err != nil {
			t.Fatal(err)
		}
		all[strings.TrimPrefix(o.Key, prefix)] = data
	}
}

func (w *world) results(t *testing.T) map[string][]byte {
	t.Helper()
	return objects(t, w.bucket, job.ResultKey(jobID, ""))
}

// sameBytes compares two sets of objects to the byte.
func sameBytes(t *testing.T, got, want map[string][]byte) {
	t.Helper()
	for name := range want {
		if _, ok := got[name]; !ok {
			t.Errorf("%s is missing", name)
		}
	}
	for name, data := range got {
		switch w, ok := want[name]; {
		case !ok:
			t.Errorf("%s is there, which the other run has not", name)
		case !bytes.Equal(data, w):
			t.Errorf("%s differs between the runs (%d and %d bytes)", name, len(data), len(w))
		}
	}
}

// maps decodes the GeoTIFFs among results.
func maps(t *testing.T, results map[string][]byte) map[string]*raster.Grid[float64] {
	t.Helper()
	out := map[string]*raster.Grid[float64]{}
	for name, data := range results {
		if !strings.HasSuffix(name, ".tif") {
			continue
		}
		img, err := geotiff.Open(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if out[name], err = img.Grid(t.Context(), 0, img.Bounds()); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	return out
}

// closeTo compares grids cell by cell: NaN where the other is NaN, else within a
// relative difference of tol.
func closeTo(t *testing.T, name string, got, want *raster.Grid[float64], tol float64) {
	t.Helper()
	if got == nil || want == nil {
		t.Errorf("%s: a map is missing (%t, %t)", name, got == nil, want == nil)
		return
	}
	for i, w := range want.Cells {
		g := got.Cells[i]
		if math.IsNaN(g) != math.IsNaN(w) || math.Abs(g-w) > tol*max(math.Abs(w), 1e-3) {
			t.Errorf("%s: cell %d (column %d, row %d) is %v, want %v within %g", name, i, i%want.Width, i/want.Width, g, w, tol)
			return
		}
	}
}

// request is the event that requests a task of the job. Its tiles are phase 1 where the plan follows the water by itself.
func request(phase int, kind job.Kind, task string, attempt int) event {
	return eventing.NewTaskRequested("/test", eventing.Task{JobID: jobID, Phase: phase, Kind: string(kind), Task: task, Attempt: attempt}, noon)
}

func hills(t *testing.T) []byte { return demtest.Encode(t, demtest.Holes(demtest.Hills(14, 11))) }

// replan makes the plan of a submitted job, then cuts it into tiles of another
// side and asks for each.
func (w *world) replan(t *testing.T, side int) {
	t.Helper()
	ctx := t.Context()
	swallow := *w.compute
	swallow.Events = eventing.PublisherFunc(func(context.Context, event) error { return nil })
	if err := swallow.Handle(ctx, eventing.NewJobSubmitted("/test", jobID, 0, noon)); err != nil {
		t.Fatalf("plan: %v", err)
	}
	plan, err := record.ReadPlan(ctx, w.store, jobID)
	if err != nil {
		t.Fatal(err)
	}
	plan.Tiles = nil
	for r := 0; r*side < plan.Height; r++ {
		for c := 0; c*side < plan.Width; c++ {
			tile := raster.Window{Col: c * side, Row: r * side, Width: side, Height: side}
			plan.Tiles = append(plan.Tiles, record.Tile{Task: job.TaskName(r, c), Window: tile.Intersect(raster.Window{Width: plan.Width, Height: plan.Height})})
		}
	}
	w.setPlan(t, plan)
}

// setPlan replaces the plan of a job whose tiles were not begun.
func (w *world) setPlan(t *testing.T, plan *record.Plan) {
	t.Helper()
	ctx := t.Context()
	for _, name := range []string{"plan.json", "phases/0001.json"} {
		if err := w.bucket.Delete(ctx, job.Prefix(jobID)+name); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := record.WritePlan(ctx, w.store, jobID, plan); err != nil {
		t.Fatal(err)
	}
	phase := &job.Phase{Number: 1, Kind: job.KindTiles}
	for _, tile := range plan.Tiles {
		phase.Tasks = append(phase.Tasks, job.Task{Name: tile.Task})
	}
	if _, err := w.store.WritePhase(ctx, jobID, phase); err != nil {
		t.Fatal(err)
	}
}

// watch counts what happens, by name.
type watch struct {
	mu    sync.Mutex
	count map[string]int
}

func (w *watch) add(name string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.count == nil {
		w.count = map[string]int{}
	}
	w.count[name]++
	return w.count[name]
}
