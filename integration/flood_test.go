package integration

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cyverse-gis/eemt/shared/dem/demtest"
	"github.com/cyverse-gis/eemt/shared/geotiff/codec"
)

// floods skips what takes minutes.
func floods(t *testing.T) {
	t.Helper()
	if os.Getenv("EEMT_NIGHTLY") == "" {
		t.Skip("SKIPPED: floods of the running service take minutes; EEMT_NIGHTLY=1 runs them")
	}
	if _, err := os.Stat("/proc/self/status"); err != nil {
		t.Skip("SKIPPED: the memory of a process is read from /proc")
	}
}

var highWater = regexp.MustCompile(`VmHWM:\s+(\d+) kB`)

// peak is the most memory that a process had, in MiB.
func (s *server) peak(t *testing.T) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	m := highWater.FindSubmatch(status)
	if err != nil || m == nil {
		t.Fatalf("%v, %s", err, status)
	}
	kB, _ := strconv.Atoi(string(m[1]))
	return kB >> 10
}

// files is how many files and connections a process has open.
func (s *server) files() int {
	list, _ := os.ReadDir(fmt.Sprintf("/proc/%d/fd", s.cmd.Process.Pid))
	return len(list)
}

// client is one that means well, beside a flood.
type client struct {
	s        *server
	requests int
	slowest  time.Duration
}

// ask sends a request, and wants an answer of the status.
func (c *client) ask(t *testing.T, want int, method, path, kind string, body []byte) []byte {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, c.s.url+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	began := time.Now()
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	defer func() { _ = res.Body.Close() }()
	data, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != want {
		t.Errorf("%s %s: %s %.300s (%v)", method, path, res.Status, data, err)
	}
	c.requests++
	c.slowest = max(c.slowest, time.Since(began))
	return data
}

// work does what a person does: looks, uploads a DEM, submits it by either door, looks at the job and cancels it.
func (c *client) work(t *testing.T, dem []byte) {
	t.Helper()
	c.ask(t, 200, "GET", "/health", "", nil)
	c.ask(t, 200, "GET", "/", "", nil)
	c.ask(t, 200, "GET", "/jobs", "", nil)
	kind, form := formWith(t, map[string]string{}, "file", dem)
	var up struct{ Filename string }
	if err := json.Unmarshal(c.ask(t, 200, "POST", "/api/upload-file", kind, form), &up); err != nil {
		t.Fatal(err)
	}
	kind, form = formWith(t, map[string]string{"uploaded_filename": up.Filename, "fresh": "true"}, "", nil)
	var made struct {
		ID string `json:"job_id"`
	}
	if err := json.Unmarshal(c.ask(t, 200, "POST", "/api/submit-job", kind, form), &made); err != nil {
		t.Fatal(err)
	}
	c.ask(t, 201, "POST", "/processes/sol/execution", "application/json", []byte(`{"inputs": {"dem": "`+up.Filename+`"}}`+strings.Repeat(" ", 100_000)))
	c.ask(t, 200, "GET", "/jobs/"+made.ID, "", nil)
	c.ask(t, 200, "POST", "/api/jobs/"+made.ID+"/cancel", "", nil)
}

func formWith(t *testing.T, fields map[string]string, file string, data []byte) (kind string, body []byte) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for k, v := range fields {
		if err := w.WriteField(k, v); err != nil {
			t.Fatal(err)
		}
	}
	if file != "" {
		part, err := w.CreateFormFile(file, "dem.tif")
		if err == nil {
			_, err = part.Write(data)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return w.FormDataContentType(), b.Bytes()
}

// trickle keeps connections open by a byte now and then, and counts how they end, by the first line that is answered.
type trickle struct {
	mu    sync.Mutex
	ended map[string]int
	all   sync.WaitGroup
}

// open sends the beginning of a request, and a byte every pause until the server ends it.
func (f *trickle) open(t *testing.T, address, begin string, pause time.Duration) {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(c, begin); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	f.all.Go(func() {
		defer close(done)
		line, err := bufio.NewReader(c).ReadString('\n')
		how := strings.TrimSpace(line)
		if how == "" && err != nil {
			how = "closed"
		}
		_ = c.Close()
		f.mu.Lock()
		defer f.mu.Unlock()
		f.ended[how]++
	})
	f.all.Go(func() {
		tick := time.NewTicker(pause)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				_, _ = io.WriteString(c, "x")
			}
		}
	})
}

// TestFloodOfSlowClients: beside 1,500 slow bodies, 300 slow headers and 200 streams of progress a client that means well is
// served all the time, and the service ends those that are slow.
func TestFloodOfSlowClients(t *testing.T) {
	floods(t)
	s := newServices(t)
	p := s.start(t, "submission", "1s", "EEMT_CONCURRENCY=80", "GOMEMLIMIT=870MiB")
	address := strings.TrimPrefix(p.url, "http://")
	dem := demtest.Encode(t, demtest.Hills(24, 20))
	good := &client{s: p}
	good.work(t, dem)
	id := p.submit(t, dem, nil)

	bodies, headers := &trickle{ended: map[string]int{}}, &trickle{ended: map[string]int{}}
	for i := range 1500 {
		begin := []string{
			"POST /processes/sol/execution HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 15000000\r\n\r\n{" + strings.Repeat(" ", i%2*100_000),
			"POST /api/submit-job HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 50000000\r\n\r\n--b\r\nContent-Disposition: form-data; name=\"dem_file\"; filename=\"dem.tif\"\r\n\r\n" + string(dem[:400]),
			"POST /api/check HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 50000\r\n\r\nstep=",
		}[i%3]
		bodies.open(t, address, begin, 10*time.Second)
	}
	for range 300 {
		headers.open(t, address, "GET /jobs HTTP/1.1\r\nHost: x\r\nX-Slow: ", 2*time.Second)
	}
	streams := map[string]int{}
	for range 200 {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		if _, err := fmt.Fprintf(c, "GET /jobs/%s/events HTTP/1.1\r\nHost: x\r\n\r\n", id); err != nil {
			t.Fatal(err)
		}
		line := make([]byte, len("HTTP/1.1 200"))
		if _, err := io.ReadFull(c, line); err != nil {
			t.Fatal(err)
		}
		streams[string(line)]++
	}
	if streams["HTTP/1.1 200"] != 20 || streams["HTTP/1.1 503"] != 180 {
		t.Errorf("of 200 streams beside 80 requests: %v", streams)
	}
	var over atomic.Bool
	waiting := make(chan struct{})
	go func() {
		defer close(waiting)
		bodies.all.Wait()
		headers.all.Wait()
		over.Store(true)
	}()
	most := 0
	for !over.Load() {
		good.work(t, dem)
		most = max(most, p.files())
		if t.Failed() {
			break
		}
	}
	<-waiting
	if most < 1000 {
		t.Errorf("at most %d files were open: there was no flood", most)
	}
	for how, n := range bodies.ended {
		if !strings.HasPrefix(how, "HTTP/1.1 400") && how != "closed" {
			t.Errorf("%d slow bodies ended with %q", n, how)
		}
	}
	for how, n := range headers.ended {
		if how != "closed" && !strings.HasPrefix(how, "HTTP/1.1 4") {
			t.Errorf("%d slow headers ended with %q", n, how)
		}
	}
	good.work(t, dem)
	if got := p.peak(t); got >= 1024 {
		t.Errorf("%d MiB at most, of a pod of 1024", got)
	}
	t.Logf("%d requests of a client that means well, the slowest took %s; bodies ended %v, headers %v; streams %v; at most %d files, %d MiB",
		good.requests, good.slowest.Round(time.Millisecond), bodies.ended, headers.ended, streams, most, p.peak(t))
}

// TestFloodOfDecompression: twenty requests at a time with files that are small and decode to much stay within the pod of each
// size of the chart, and others are answered meanwhile.
func TestFloodOfDecompression(t *testing.T) {
	floods(t)
	files := map[string][]byte{}
	for name, b := range map[string]demtest.Blocks{
		// A strip of 256 MiB that is streamed; one that is not, and tiles of 256 MiB, which are refused unread.
		"one strip":     {Width: 16383, Height: 8191, BlockWidth: 16383, BlockHeight: 8191, Bytes: 2, Compression: codec.ZSTD},
		"whole strip":   {Width: 16383, Height: 8191, BlockWidth: 16383, BlockHeight: 8191, Bytes: 2, Compression: codec.ZSTD, SingleSegment: true},
		"huge tiles":    {Width: 40960, Height: 40960, BlockWidth: 16384, BlockHeight: 16384, Tiled: true, Bytes: 1, Compression: codec.ZSTD},
		"tiles, ZSTD":   {Width: 20480, Height: 20480, BlockWidth: 8192, BlockHeight: 8192, Tiled: true, Bytes: 1, Compression: codec.ZSTD},
		"whole, ZSTD":   {Width: 20480, Height: 20480, BlockWidth: 8192, BlockHeight: 8192, Tiled: true, Bytes: 1, Compression: codec.ZSTD, SingleSegment: true},
		"strips":        {Width: 16384, Height: 8192, BlockWidth: 16384, BlockHeight: 2048, Bytes: 2, Compression: codec.Deflate},
		"whole, strips": {Width: 16384, Height: 8192, BlockWidth: 16384, BlockHeight: 2048, Bytes: 2, Compression: codec.ZSTD, SingleSegment: true},
	} {
		files[name] = b.Encode(t)
	}
	dem := demtest.Encode(t, demtest.Hills(24, 20))
	for _, size := range []struct {
		strategy      string
		memory, limit int // of the pod, and GOMEMLIMIT, MiB: 85 % of it
	}{{"minimal", 1024, 870}, {"balanced", 2048, 1740}, {"performance", 4096, 3481}} {
		t.Run(size.strategy, func(t *testing.T) {
			s := newServices(t)
			p := s.start(t, "submission", "1s", fmt.Sprintf("GOMEMLIMIT=%dMiB", size.limit), "EEMT_CONCURRENCY=80")
			var mu sync.Mutex
			statuses := map[string]int{}
			ask := func(method, path, kind string, body []byte) {
				req, err := http.NewRequestWithContext(t.Context(), method, p.url+path, bytes.NewReader(body))
				if err != nil {
					t.Error(err)
					return
				}
				req.Header.Set("Content-Type", kind)
				res, err := http.DefaultClient.Do(req)
				if err != nil {
					t.Errorf("%s %s: %v", method, path, err)
					return
				}
				data, _ := io.ReadAll(res.Body)
				_ = res.Body.Close()
				switch {
				case res.StatusCode == 200:
				case res.StatusCode == 400 && strings.Contains(string(data), "are too large (the limit is 64 MiB)"):
				case res.StatusCode == 503 && res.Header.Get("Retry-After") != "":
				default:
					t.Errorf("%s %s: %s %.300s", method, path, res.Status, data)
				}
				mu.Lock()
				defer mu.Unlock()
				statuses[res.Status]++
			}
			var over atomic.Bool
			var all sync.WaitGroup
			names := make([]string, 0, len(files))
			for name := range files {
				names = append(names, name)
			}
			for i := range 20 {
				all.Go(func() {
					for round := range 3 {
						kind, body := formWith(t, nil, "dem_file", files[names[(i+round)%len(names)]])
						ask("POST", []string{"/api/check", "/api/submit-job"}[(i/len(names)+round)%2], kind, body)
					}
				})
			}
			finished := make(chan struct{})
			go func() {
				defer close(finished)
				all.Wait()
				over.Store(true)
			}()
			good := &client{s: p}
			for !over.Load() && !t.Failed() {
				good.work(t, dem)
			}
			<-finished
			good.work(t, dem)
			got := p.peak(t)
			if got >= size.memory {
				t.Errorf("%d MiB at most, of a pod of %d", got, size.memory)
			}
			if statuses["200 OK"] == 0 {
				t.Errorf("nothing was taken: %v", statuses)
			}
			t.Logf("%d MiB at most, of a pod of %d; hostile requests %v; %d requests of a client that means well, the slowest took %s",
				got, size.memory, statuses, good.requests, good.slowest.Round(time.Millisecond))
		})
	}
}
