package integration

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/oklog/ulid/v2"

	"github.com/cyverse-gis/eemt/eventing"
	"github.com/cyverse-gis/eemt/functions/cleanup"
	"github.com/cyverse-gis/eemt/functions/submission"
	"github.com/cyverse-gis/eemt/integration/faultbucket"
	"github.com/cyverse-gis/eemt/shared/dem/demtest"
	"github.com/cyverse-gis/eemt/shared/dirbucket"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/param"
)

// loaded is a submission service on a bucket with many jobs.
type loaded struct {
	*httptest.Server
	store  job.Store
	calls  atomic.Int64 // to the bucket
	events atomic.Int64
}

func newLoaded(t *testing.T) *loaded {
	t.Helper()
	root := "/dev/shm" // where the syncs of a directory cost nothing
	if info, err := os.Stat(root); err != nil || !info.IsDir() {
		root = ""
	}
	dir, err := os.MkdirTemp(root, "eemt-load-*")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	inner, err := dirbucket.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = inner.Close() })
	l := &loaded{}
	l.store = job.Store{Bucket: faultbucket.Wrap(inner, func(string, string) error {
		l.calls.Add(1)
		return nil
	})}
	var mu sync.Mutex
	s := submission.New(submission.Config{
		Store: l.store, Now: time.Now, Log: slog.New(slog.DiscardHandler), Version: "load", MaxUpload: 1 << 20,
		NewID: func() string {
			mu.Lock()
			defer mu.Unlock()
			return ulid.MustNew(ulid.Now(), rand.Reader).String()
		},
		Events: eventing.PublisherFunc(func(context.Context, event.Event) error {
			l.events.Add(1)
			return nil
		}),
	})
	l.Server = httptest.NewServer(s.Handler())
	t.Cleanup(l.Close)
	return l
}

// fill writes n jobs that have completed.
func (l *loaded) fill(t *testing.T, n int) {
	t.Helper()
	begun := time.Now().Add(-time.Hour)
	var wait sync.WaitGroup
	for worker := range 8 {
		wait.Go(func() {
			for i := worker; i < n; i += 8 {
				at := begun.Add(-time.Duration(i) * time.Second)
				r := job.Request{
					ID: ulid.MustNew(ulid.Timestamp(at), rand.Reader).String(), Workflow: param.Sol, Parameters: param.DefaultParameters(), Created: at,
					DEM: job.DEM{Key: "uploads/dem.tif", Name: "dem.tif"},
				}
				err := l.store.Create(t.Context(), r)
				if err == nil {
					_, _, err = l.store.WriteEnd(t.Context(), r.ID, job.End{State: job.Completed, Ended: at.Add(time.Minute)})
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wait.Wait()
}

func (l *loaded) get(t *testing.T, path string) []byte {
	t.Helper()
	res, err := http.Get(l.URL + path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	data, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s %s (%v)", path, res.Status, data, err)
	}
	return data
}

// heap is what is in use, in MiB.
func heap() float64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return float64(m.HeapInuse+m.StackInuse) / (1 << 20)
}

// TestLoad submits 1,000 jobs at once to a bucket that holds 10,000, while 100 streams of progress are open.
func TestLoad(t *testing.T) {
	jobs, fresh, open := 10_000, 1000, 100
	if os.Getenv("EEMT_SLOW") == "" {
		jobs, fresh, open = 500, 50, 20
	}
	l := newLoaded(t)
	l.fill(t, jobs)
	before := heap()

	tiff := demtest.Encode(t, demtest.Hills(24, 20))
	submit := func() (string, error) {
		var body bytes.Buffer
		w := multipart.NewWriter(&body)
		_ = w.WriteField("workflow_type", "sol")
		_ = w.WriteField("step", "60")
		_ = w.WriteField("fresh", "true")
		f, err := w.CreateFormFile("dem_file", "hills.tif")
		if err == nil {
			_, err = f.Write(tiff)
		}
		if err == nil {
			err = w.Close()
		}
		if err != nil {
			return "", err
		}
		res, err := http.Post(l.URL+"/api/submit-job", w.FormDataContentType(), &body)
		if err != nil {
			return "", err
		}
		defer func() { _ = res.Body.Close() }()
		var answer struct {
			JobID string `json:"job_id"`
		}
		data, err := io.ReadAll(res.Body)
		if err == nil {
			err = json.Unmarshal(data, &answer)
		}
		if err != nil || answer.JobID == "" {
			return "", fmt.Errorf("%s: %s (%w)", res.Status, data, err)
		}
		return answer.JobID, nil
	}
	first, err := submit()
	if err != nil {
		t.Fatal(err)
	}
	ctx, hangUp := context.WithCancel(t.Context())
	var streams, told sync.WaitGroup
	var lost atomic.Int64
	told.Add(open)
	for range open {
		streams.Go(func() {
			once := sync.OnceFunc(told.Done)
			defer once()
			req, _ := http.NewRequestWithContext(ctx, http.MethodGet, l.URL+"/jobs/"+first+"/events", nil)
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				lost.Add(1)
				return
			}
			defer func() { _ = res.Body.Close() }()
			ended := false
			for lines := bufio.NewScanner(res.Body); lines.Scan(); {
				if strings.HasPrefix(lines.Text(), "event: status") {
					once()
				}
				ended = ended || strings.HasPrefix(lines.Text(), "event: end")
			}
			if !ended {
				lost.Add(1)
			}
		})
	}
	told.Wait()

	begun := time.Now()
	ids := make([]string, fresh)
	var all sync.WaitGroup
	for i := range ids {
		all.Go(func() {
			id, err := submit()
			if err != nil {
				t.Error(err)
			}
			ids[i] = id
		})
	}
	all.Wait()
	took := time.Since(begun)
	grown := heap() - before
	seen := map[string]bool{}
	for _, id := range ids {
		seen[id] = true
	}
	if len(seen) != fresh || l.events.Load() != int64(fresh)+1 {
		t.Errorf("%d jobs, %d announcements of %d", len(seen), l.events.Load(), fresh)
	}

	// The list costs what its page costs, however many jobs there are.
	for _, path := range []string{"/api/jobs?limit=50", "/jobs?limit=50"} {
		calls, at := l.calls.Load(), time.Now()
		data := l.get(t, path)
		calls = l.calls.Load() - calls
		if calls > 50*8+20+int64(open)*20 { // the streams look too
			t.Errorf("%s took %d calls to the bucket", path, calls)
		}
		t.Logf("%s: %d bytes, %d calls, %s", path, len(data), calls, time.Since(at).Round(time.Millisecond))
	}
	if _, _, err := l.store.WriteEnd(t.Context(), first, job.End{State: job.Completed, Ended: time.Now()}); err != nil {
		t.Fatal(err)
	}
	streams.Wait()
	hangUp()
	if n := lost.Load(); n > 0 {
		t.Errorf("%d of %d streams were not told of the end", n, open)
	}
	if grown > 200 {
		t.Errorf("the heap grew by %.0f MiB", grown)
	}
	// A resume tick and a pass of retention look at every job.
	c := &cleanup.Service{
		Store: l.store, Now: time.Now, Log: slog.New(slog.DiscardHandler), Policy: cleanup.DefaultPolicy(),
		Events: eventing.PublisherFunc(func(context.Context, event.Event) error { return nil }),
	}
	at := time.Now()
	n, err := c.Resume(t.Context(), time.Nanosecond)
	if err != nil || n != fresh {
		t.Errorf("%d of %d open jobs were revived (%v)", n, fresh, err)
	}
	resumed := time.Since(at)
	at = time.Now()
	r, err := c.Retain(t.Context())
	if err != nil || len(r.Errors) > 0 || len(r.Details) > 0 {
		t.Errorf("%+v (%v)", r, err)
	}
	t.Logf("%d jobs in the bucket, %d streams: %d submissions in %s, the heap grew by %.0f MiB; resume tick %s, retention %s",
		jobs, open, fresh, took.Round(time.Millisecond), grown, resumed.Round(time.Millisecond), time.Since(at).Round(time.Millisecond))
}
