// Package integration tests the programs as processes, with the tools their users have.
package integration

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"mime/multipart"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cyverse-gis/eemt/integration/reference"
	"github.com/cyverse-gis/eemt/shared/dem/demtest"
)

// program is the path of the built eemt.
var program string

func TestMain(m *testing.M) {
	code := func() int {
		dir, err := os.MkdirTemp("", "eemt-integration-*")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer func() { _ = os.RemoveAll(dir) }()
		program = filepath.Join(dir, "eemt")
		if out, err := exec.Command("go", "build", "-o", program, "../cmd/eemt").CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build eemt: %v\n%s", err, out)
			return 1
		}
		return m.Run()
	}()
	os.Exit(code)
}

// server is a running eemt serve.
type server struct {
	cmd *exec.Cmd
	url string
	log *bytes.Buffer
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// serve starts eemt serve on a data directory, and waits until it answers.
func serve(t *testing.T, data string) *server {
	t.Helper()
	address := freeAddress(t)
	s := &server{cmd: exec.Command(program, "serve", "--address", address, "--data", data, "--num-threads", "1"), url: "http://" + address, log: new(bytes.Buffer)}
	s.cmd.Stderr = s.log
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.kill)
	for range 200 {
		if r, err := http.Get(s.url + "/healthz"); err == nil {
			_ = r.Body.Close()
			return s
		}
		time.Sleep(25 * time.Millisecond)
	}
	s.kill()
	t.Fatalf("serve does not answer:\n%s", s.log)
	return nil
}

// kill ends the process at once.
func (s *server) kill() {
	if s.cmd.ProcessState == nil {
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait()
	}
}

func (s *server) get(t *testing.T, path string, header ...string) (int, []byte) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatalf("GET %s: %v\n%s", path, err, s.log)
	}
	defer func() { _ = res.Body.Close() }()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("GET %s: %v", path, err)
	}
	return res.StatusCode, data
}

// submit posts a DEM and returns the job's id.
func (s *server) submit(t *testing.T, tiff []byte, fields map[string]string) string {
	t.Helper()
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	if err := w.WriteField("fresh", "true"); err != nil {
		t.Fatal(err)
	}
	for name, value := range fields {
		if err := w.WriteField(name, value); err != nil {
			t.Fatal(err)
		}
	}
	f, err := w.CreateFormFile("dem_file", "hills.tif")
	if err == nil {
		_, err = f.Write(tiff)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.Post(s.url+"/api/submit-job", w.FormDataContentType(), &body)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	var answer struct {
		JobID string `json:"job_id"`
	}
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil || answer.JobID == "" {
		t.Fatalf("submit: %s (%v)", res.Status, err)
	}
	return answer.JobID
}

func (s *server) status(t *testing.T, id string) (state, reason string) {
	t.Helper()
	var job struct {
		Status string `json:"status"`
		Error  string `json:"error_message"`
	}
	_, data := s.get(t, "/api/jobs/"+id)
	if err := json.Unmarshal(data, &job); err != nil {
		t.Fatalf("%s: %v", data, err)
	}
	return job.Status, job.Error
}

// wait polls until the job is completed or the time is over.
func (s *server) wait(t *testing.T, id string, atMost time.Duration) bool {
	t.Helper()
	for end := time.Now().Add(atMost); ; time.Sleep(20 * time.Millisecond) {
		switch state, reason := s.status(t, id); state {
		case "completed":
			return true
		case "failed":
			t.Fatalf("job failed: %s\n%s", reason, s.log)
		}
		if time.Now().After(end) {
			return false
		}
	}
}

// results fetches every result of a job, each in two ranges.
func (s *server) results(t *testing.T, id string) map[string][]byte {
	t.Helper()
	var files []struct {
		Name string `json:"name"`
		Href string `json:"href"`
		Size int    `json:"size"`
	}
	_, data := s.get(t, "/jobs/"+id+"/results/")
	if err := json.Unmarshal(data, &files); err != nil {
		t.Fatalf("%s: %v", data, err)
	}
	all := map[string][]byte{}
	for _, f := range files {
		half := f.Size / 2
		code, head := s.get(t, f.Href, "Range", fmt.Sprintf("bytes=0-%d", half))
		code2, tail := s.get(t, f.Href, "Range", fmt.Sprintf("bytes=%d-", half+1))
		all[f.Name] = append(head, tail...)
		if code != http.StatusPartialContent || code2 != http.StatusPartialContent || len(all[f.Name]) != f.Size {
			t.Errorf("%s: %d, %d, %d bytes of %d", f.Name, code, code2, len(all[f.Name]), f.Size)
		}
	}
	return all
}

// sameResults compares two runs to the byte, the times in the report, the job's id and times in the item, and the mark of
// the directory, which has both, aside.
func sameResults(t *testing.T, got, want map[string][]byte) {
	t.Helper()
	if g, w := slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)); !slices.Equal(g, w) {
		t.Fatalf("files differ:\n%v\n%v", g, w)
	}
	for name := range want {
		a, b := got[name], want[name]
		if name == ".eemt.json" {
			continue
		}
		if name == "report.json" {
			a, b = reference.Timeless(t, a), reference.Timeless(t, b)
		}
		if name == "item.json" {
			a, b = ofNoJob(a), ofNoJob(b)
		}
		if !bytes.Equal(a, b) {
			t.Errorf("%s differs (%d and %d bytes)", name, len(a), len(b))
		}
	}
}

var jobOrTime = regexp.MustCompile(`01[0-9A-Z]{24}|\d{4}-\d\d-\d\dT[0-9:.]+Z`)

// ofNoJob blanks the job's id and all times.
func ofNoJob(item []byte) []byte { return jobOrTime.ReplaceAll(item, []byte("-")) }

// tileRecords is in the paths of the records of tiles, the first phase after the plan of a job whose terrain the plan follows.
var tileRecords = filepath.FromSlash("/phases/0001/")

// times are the modification times of the files below dir whose path holds part.
func times(t *testing.T, dir, part string) map[string]time.Time {
	t.Helper()
	all := map[string]time.Time{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || d.IsDir() || strings.HasPrefix(d.Name(), ".") || !strings.Contains(path, part) {
			return err
		}
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil {
			all[path] = info.ModTime()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func unchanged(t *testing.T, before, after map[string]time.Time) {
	t.Helper()
	for path, at := range before {
		if now, ok := after[path]; !ok || !now.Equal(at) {
			t.Errorf("%s was written at %v, now %v", path, at, now)
		}
	}
}

// TestServeSurvivesKills kills the server at random moments of a job of three
// tiles, and starts it again.
func TestServeSurvivesKills(t *testing.T) {
	tiff := demtest.Encode(t, demtest.Holes(demtest.Hills(2100, 14)))
	fields := map[string]string{"workflow_type": "sol", "step": "10", "tile_size": "700"}
	calm := serve(t, t.TempDir())
	id := calm.submit(t, tiff, fields)
	begun := time.Now()
	if !calm.wait(t, id, 2*time.Minute) {
		t.Fatal("the undisturbed job does not end")
	}
	whole := time.Since(begun)
	want := calm.results(t, id)
	calm.kill()

	data := t.TempDir()
	s := serve(t, data)
	id = s.submit(t, tiff, fields)
	random := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 1))
	kills := 0
	records := map[string]time.Time{}
	for kills < 12 && !s.wait(t, id, time.Duration(random.Int64N(int64(whole/3)+1))) {
		s.kill()
		kills++
		now := times(t, filepath.Join(data, "jobs"), tileRecords)
		unchanged(t, records, now)
		records = now
		s = serve(t, data)
	}
	if !s.wait(t, id, 2*time.Minute) {
		t.Fatalf("the job does not end after %d kills:\n%s", kills, s.log)
	}
	t.Logf("%d kills, %d of 3 tiles were recorded before the last; undisturbed %v", kills, len(records), whole)
	if kills == 0 {
		t.Error("the job ended before the first kill")
	}
	unchanged(t, records, times(t, data, tileRecords))
	sameResults(t, s.results(t, id), want)
}

// TestServeStopsOnSignal ends the server as an init system does; the job goes on
// with the next.
func TestServeStopsOnSignal(t *testing.T) {
	data := t.TempDir()
	s := serve(t, data)
	id := s.submit(t, demtest.Encode(t, demtest.Hills(1100, 40)), map[string]string{"step": "10"})
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Wait(); err != nil {
		t.Errorf("serve ended with %v:\n%s", err, s.log)
	}
	if s = serve(t, data); !s.wait(t, id, 2*time.Minute) {
		t.Errorf("the job does not go on:\n%s", s.log)
	}
}

// files reads every file below dir but hidden ones.
func files(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && d.Name() == ".eemt" {
			return filepath.SkipDir
		}
		if d.IsDir() {
			return nil
		}
		name, err := filepath.Rel(dir, path)
		if err == nil {
			all[filepath.ToSlash(name)], err = os.ReadFile(path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func command(t *testing.T, dir string, args ...string) *exec.Cmd {
	t.Helper()
	c := exec.CommandContext(t.Context(), program, args...)
	c.Dir = dir
	return c
}

// TestInterruptedRunGoesOn presses Ctrl-C on eemt run when a tile is done, then
// gives the same command again.
func TestInterruptedRunGoesOn(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "dem.tif"), demtest.Encode(t, demtest.Holes(demtest.Hills(150, 120))), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"run", "sol", "dem.tif", "--step", "5", "--tile-size", "32", "--num-threads", "1", "--output"}
	if out, err := command(t, dir, append(args, "calm")...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	args = append(args, "out")
	first := command(t, dir, args...)
	var stderr bytes.Buffer
	first.Stderr = &stderr
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- first.Wait() }()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for len(times(t, filepath.Join(dir, "out"), tileRecords)) == 0 && ctx.Err() == nil {
		time.Sleep(5 * time.Millisecond)
	}
	if err := first.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	err := <-ended
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 130 || !strings.Contains(stderr.String(), "run the same command again") {
		t.Fatalf("interrupted run ended with %v, want exit code 130:\n%s", err, &stderr)
	}
	records := times(t, filepath.Join(dir, "out"), tileRecords)
	if len(records) == 0 || len(records) >= 20 {
		t.Fatalf("%d of 20 tiles were done, want some", len(records))
	}
	if out, err := command(t, dir, args...).CombinedOutput(); err != nil {
		t.Fatalf("second run: %v: %s", err, out)
	}
	now := times(t, filepath.Join(dir, "out"), tileRecords)
	unchanged(t, records, now)
	t.Logf("%d of %d tiles were done before the interrupt", len(records), len(now))
	sameResults(t, files(t, filepath.Join(dir, "out")), files(t, filepath.Join(dir, "calm")))
}
