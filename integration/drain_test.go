package integration

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/cyverse-gis/eemt/eventing"
	"github.com/cyverse-gis/eemt/shared/dem/demtest"
)

// services are the three functions as built programs, with a broker that only notes what it gets.
type services struct {
	dir  string // of the programs
	data string
	sink *httptest.Server
	mu   sync.Mutex
	// events by type, newest last.
	events map[string][]received
}

type received struct {
	header http.Header
	body   []byte
}

// built is the directory of the services' programs, built once.
var built = sync.OnceValues(func() (string, error) {
	out, err := exec.Command("go", "build", "-tags", "azblob", "-ldflags", "-s -w", "-o", filepath.Dir(program)+string(filepath.Separator),
		"../cmd/submission", "../cmd/compute", "../cmd/cleanup").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build: %w\n%s", err, out)
	}
	return filepath.Dir(program), nil
})

func newServices(t *testing.T) *services {
	t.Helper()
	if testing.Short() {
		t.Skip("skipped: -short, and the services are built")
	}
	dir, err := built()
	if err != nil {
		t.Fatal(err)
	}
	s := &services{dir: dir, data: t.TempDir(), events: map[string][]received{}}
	s.sink = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		s.mu.Lock()
		defer s.mu.Unlock()
		kind := r.Header.Get("Ce-Type")
		s.events[kind] = append(s.events[kind], received{r.Header.Clone(), body})
		w.WriteHeader(http.StatusAccepted)
	}))
	t.Cleanup(s.sink.Close)
	return s
}

// start runs a service, with further variables, and waits until it is ready.
func (s *services) start(t *testing.T, name, grace string, variables ...string) *server {
	t.Helper()
	address := freeAddress(t)
	p := &server{cmd: exec.Command(filepath.Join(s.dir, name)), url: "http://" + address, log: new(bytes.Buffer)}
	p.cmd.Env = append(os.Environ(), "PORT="+address[strings.LastIndexByte(address, ':')+1:], "EEMT_AUTH_MODE=none", "EEMT_BUCKET=file://"+s.data, "K_SINK="+s.sink.URL, "EEMT_GRACE="+grace)
	p.cmd.Env = append(p.cmd.Env, variables...)
	p.cmd.Stderr = p.log
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.kill)
	for range 200 {
		if r, err := http.Get(p.url + "/readyz"); err == nil {
			_ = r.Body.Close()
			if r.StatusCode == http.StatusOK {
				return p
			}
		}
		time.Sleep(25 * time.Millisecond)
	}
	p.kill()
	t.Fatalf("%s is not ready:\n%s", name, p.log)
	return nil
}

// only returns the only event of a type.
func (s *services) only(t *testing.T, kind string) received {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.events[kind]) != 1 {
		t.Fatalf("%d events of type %s, want 1", len(s.events[kind]), kind)
	}
	return s.events[kind][0]
}

// deliver posts an event and returns the answer's status.
func deliver(t *testing.T, url string, e received) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, bytes.NewReader(e.body))
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range e.header {
		if strings.HasPrefix(name, "Ce-") || name == "Content-Type" {
			req.Header[name] = values
		}
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	return res.StatusCode
}

// ends waits for a process that was told to end.
func (s *server) ends(t *testing.T) {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- s.cmd.Wait() }()
	select {
	case err := <-done:
		if err != nil {
			t.Errorf("the process ended with %v:\n%s", err, s.log)
		}
	case <-time.After(time.Minute):
		t.Fatalf("the process does not end:\n%s", s.log)
	}
}

// accepts returns when connections made before it are accepted: one that is not when the listener closes is reset.
func (s *server) accepts() {
	fresh := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	if res, err := fresh.Get(s.url + "/healthz"); err == nil {
		_ = res.Body.Close()
	}
}

// TestServicesDrain sends SIGTERM to services at work.
func TestServicesDrain(t *testing.T) {
	s := newServices(t)
	submission := s.start(t, "submission", "20s")
	tiff := demtest.Encode(t, demtest.Hills(400, 300))

	t.Run("submission finishes what it takes in", func(t *testing.T) {
		r, w := io.Pipe()
		form := multipart.NewWriter(w)
		halfway := make(chan struct{})
		goOn := make(chan struct{})
		go func() {
			_ = form.WriteField("step", "1")
			_ = form.WriteField("method", "reference")
			f, _ := form.CreateFormFile("dem_file", "hills.tif")
			_, _ = f.Write(tiff[:len(tiff)/2])
			close(halfway)
			<-goOn
			_, _ = f.Write(tiff[len(tiff)/2:])
			_ = w.CloseWithError(form.Close())
		}()
		go func() {
			<-halfway
			submission.accepts()
			_ = submission.cmd.Process.Signal(syscall.SIGTERM)
			for { // until it takes no more
				res, err := http.Get(submission.url + "/healthz")
				if err != nil {
					break
				}
				_ = res.Body.Close()
				time.Sleep(5 * time.Millisecond)
			}
			close(goOn)
		}()
		res, err := http.Post(submission.url+"/api/submit-job", form.FormDataContentType(), r)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		if body, _ := io.ReadAll(res.Body); res.StatusCode != http.StatusOK {
			t.Errorf("answer %s %s", res.Status, body)
		}
		submission.ends(t)
		s.only(t, eventing.JobSubmitted)
	})

	compute := s.start(t, "compute", "50ms")
	if code := deliver(t, compute.url, s.only(t, eventing.JobSubmitted)); code != http.StatusAccepted {
		t.Fatalf("the plan was answered with %d\n%s", code, compute.log)
	}
	tile := s.only(t, eventing.TaskRequested)
	var asked eventing.Task
	if err := json.Unmarshal(tile.body, &asked); err != nil {
		t.Fatal(err)
	}
	record := filepath.Join(s.data, "jobs", asked.JobID, "phases", "0001", asked.Task+".json")

	t.Run("compute gives up a tile that takes too long", func(t *testing.T) {
		go func() {
			time.Sleep(300 * time.Millisecond)
			compute.accepts()
			_ = compute.cmd.Process.Signal(syscall.SIGTERM)
		}()
		if code := deliver(t, compute.url, tile); code != http.StatusServiceUnavailable {
			t.Errorf("answer %d, want 503\n%s", code, compute.log)
		}
		compute.ends(t)
		if _, err := os.Stat(record); err == nil {
			t.Error("the tile has a record")
		}
	})

	// The same job with less to do: what a replica finishes within its grace counts.
	t.Run("compute finishes a tile within its grace", func(t *testing.T) {
		request := filepath.Join(s.data, "jobs", asked.JobID, "job.json")
		data, err := os.ReadFile(request)
		if err != nil {
			t.Fatal(err)
		}
		data = bytes.Replace(bytes.Replace(data, []byte(`"step": 1,`), []byte(`"step": 30,`), 1), []byte(`"reference"`), []byte(`"fast"`), 1)
		if err := os.WriteFile(request, data, 0o600); err != nil {
			t.Fatal(err)
		}
		compute := s.start(t, "compute", "1m")
		begun := make(chan struct{})
		go func() {
			<-begun
			time.Sleep(20 * time.Millisecond)
			compute.accepts()
			_ = compute.cmd.Process.Signal(syscall.SIGTERM)
		}()
		close(begun)
		if code := deliver(t, compute.url, tile); code != http.StatusAccepted {
			t.Errorf("answer %d, want 202\n%s", code, compute.log)
		}
		compute.ends(t)
		if _, err := os.Stat(record); err != nil {
			t.Errorf("the tile has no record: %v", err)
		}
		s.only(t, eventing.TilesCompleted)
	})

	t.Run("cleanup ends when told to", func(t *testing.T) {
		cleanup := s.start(t, "cleanup", "1s")
		tick := received{http.Header{
			"Ce-Specversion": {"1.0"}, "Ce-Type": {eventing.PingTick}, "Ce-Source": {"/test"}, "Ce-Id": {"1"}, "Content-Type": {"application/json"},
		}, fmt.Appendf(nil, `{"task":%q}`, eventing.TaskRetention)}
		if code := deliver(t, cleanup.url, tick); code != http.StatusAccepted {
			t.Errorf("answer %d\n%s", code, cleanup.log)
		}
		_ = cleanup.cmd.Process.Signal(syscall.SIGTERM)
		cleanup.ends(t)
	})
}
