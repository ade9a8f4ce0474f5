package integration

import (
	"bytes"
	"context"
	"flag"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cyverse-gis/eemt/eventing"
	"github.com/cyverse-gis/eemt/shared/dem/demtest"
	"github.com/cyverse-gis/eemt/shared/dirbucket"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/param"
)

var killSeed = flag.Uint64("kill-seed", 0, "first seed of the kills of TestProcessesAreKilled")

// relay is a broker that hands each event to one of the replicas, which have one at a time, again after a pause when it
// is not taken.
type relay struct {
	mu       sync.Mutex
	replicas []*server
	busy     map[*server]bool
	random   *rand.Rand
	work     sync.WaitGroup
	ctx      context.Context
	cleanup  *server
}

func (r *relay) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, _ := io.ReadAll(req.Body)
	e := received{req.Header.Clone(), body}
	switch req.Header.Get("Ce-Type") {
	case eventing.JobSubmitted, eventing.TaskRequested, eventing.TilesCompleted:
		for range 1 + r.number(3)/2 { // every third event comes twice
			r.work.Go(func() { r.carry(e) })
		}
	}
	w.WriteHeader(http.StatusAccepted)
}

func (r *relay) number(n int) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.random.IntN(n)
}

// carry delivers an event until somebody takes it.
func (r *relay) carry(e received) {
	for try := 0; try < 60; {
		pause := 5 * time.Millisecond
		if p := r.take(); p != nil {
			status := r.post(p.url, e)
			r.give(p)
			if status == http.StatusAccepted {
				return
			}
			pause = time.Duration(20+10*try) * time.Millisecond
			try++
		}
		select {
		case <-r.ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// take returns one of the replicas to be its only user, nil when that one has something to do.
func (r *relay) take() *server {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.replicas[r.random.IntN(len(r.replicas))]
	if r.busy[p] {
		return nil
	}
	r.busy[p] = true
	return p
}

func (r *relay) give(p *server) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.busy, p)
}

func (r *relay) post(url string, e received) int {
	req, err := http.NewRequestWithContext(r.ctx, http.MethodPost, url, bytes.NewReader(e.body))
	if err != nil {
		return 0
	}
	for name, values := range e.header {
		if strings.HasPrefix(name, "Ce-") || name == "Content-Type" {
			req.Header[name] = values
		}
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0
	}
	defer func() { _ = res.Body.Close() }()
	_, _ = io.Copy(io.Discard, res.Body)
	return res.StatusCode
}

// TestProcessesAreKilled runs jobs on three compute services that share a directory, and kills them with SIGKILL at
// random moments: the results are those of a calm run, byte by byte.
func TestProcessesAreKilled(t *testing.T) {
	if os.Getenv("EEMT_SLOW") == "" {
		t.Skip("SKIPPED: EEMT_SLOW is not set, no processes are killed")
	}
	const rounds = 12
	tiff := demtest.Encode(t, demtest.Holes(demtest.Hills(96, 80)))
	var calm map[string][]byte
	kills := 0
	for round := range rounds {
		seed := *killSeed + uint64(round)
		wild := calm != nil
		results, n := killRound(t, seed, tiff, wild)
		if !wild {
			calm = results
			continue
		}
		kills += n
		sameResults(t, results, calm)
		if t.Failed() {
			t.Fatalf("seed %d; again with -kill-seed %d", seed, seed)
		}
	}
	t.Logf("%d rounds, %d kills", rounds-1, kills)
	if kills < rounds {
		t.Errorf("%d kills only", kills)
	}
}

func killRound(t *testing.T, seed uint64, tiff []byte, wild bool) (map[string][]byte, int) {
	t.Helper()
	s := newServices(t)
	s.data = t.TempDir()
	ctx, stop := context.WithCancel(t.Context())
	r := &relay{busy: map[*server]bool{}, random: rand.New(rand.NewPCG(seed, 9)), ctx: ctx}
	s.sink = httptest.NewServer(r)
	defer s.sink.Close()
	defer r.work.Wait()
	defer stop()
	for range 3 {
		r.replicas = append(r.replicas, s.start(t, "compute", "1s"))
	}
	t.Setenv("EEMT_RESUME_AFTER", "1s")
	r.cleanup = s.start(t, "cleanup", "1s")
	defer func() {
		for _, p := range append(r.replicas, r.cleanup) {
			p.kill()
		}
	}()

	bucket, err := dirbucket.Open(s.data)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = bucket.Close() }()
	store := job.Store{Bucket: bucket}
	p := param.DefaultParameters()
	p.Step, p.TileSize = 30, 32
	request := job.Request{
		ID: "01JTESTAAAAAAAAAAAAAAAAAAA", Workflow: param.Sol, Parameters: p, Created: time.Now().UTC(),
		DEM: job.DEM{Key: "inputs/hills.tif", Name: "hills.tif", Size: int64(len(tiff))},
	}
	if err := bucket.WriteAll(ctx, request.DEM.Key, tiff, nil); err != nil {
		t.Fatal(err)
	}
	if err := store.Create(ctx, request); err != nil {
		t.Fatal(err)
	}
	// Nobody announces the job: the resume tick finds it.
	kills, begun := 0, time.Now()
	for {
		ended, err := store.Ended(ctx, request.ID)
		if err != nil {
			t.Fatal(err)
		}
		if ended {
			break
		}
		if time.Since(begun) > 2*time.Minute {
			t.Fatalf("seed %d: the job has not ended after %d kills\n%s\n%s", seed, kills, r.replicas[0].log, r.cleanup.log)
		}
		tick := eventing.NewTick("/test", eventing.TaskResume, time.Now())
		r.post(r.cleanup.url, received{http.Header{
			"Ce-Id": {tick.ID()}, "Ce-Source": {tick.Source()}, "Ce-Type": {tick.Type()}, "Ce-Specversion": {"1.0"}, "Content-Type": {"application/json"},
		}, tick.Data()})
		time.Sleep(time.Duration(10+r.number(150)) * time.Millisecond)
		if !wild || kills >= 8 {
			continue
		}
		i := r.number(3)
		r.replicas[i].kill()
		kills++
		fresh := s.start(t, "compute", "1s")
		r.mu.Lock()
		r.replicas[i] = fresh
		r.mu.Unlock()
	}
	end, err := store.End(ctx, request.ID)
	if err != nil || end.State != job.Completed {
		t.Fatalf("seed %d: end %+v (%v) after %d kills", seed, end, err, kills)
	}
	results := map[string][]byte{}
	root := filepath.Join(s.data, "jobs", request.ID, "results")
	err = fs.WalkDir(os.DirFS(root), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasPrefix(d.Name(), ".") {
			return err
		}
		results[path], err = os.ReadFile(filepath.Join(root, filepath.FromSlash(path)))
		return err
	})
	if err != nil || len(results) < 50 {
		t.Fatalf("%d results (%v)", len(results), err)
	}
	return results, kills
}
