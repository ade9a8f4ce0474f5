package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// serve returns the client of a server, whose pauses take no time but are added up.
func serve(t *testing.T, h http.HandlerFunc) (*Client, *time.Duration) {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	c, err := New(s.URL+"/", "eemt/test", nil)
	if err != nil {
		t.Fatal(err)
	}
	slept := new(time.Duration)
	c.sleep = func(ctx context.Context, d time.Duration) error { *slept += d; return ctx.Err() }
	return c, slept
}

func TestNew(t *testing.T) {
	for _, server := range []string{"", "localhost:5000", "ftp://x", "http://", "http://x?y=z", "http://me:secret@x", "://"} {
		if _, err := New(server, "", nil); err == nil {
			t.Errorf("%q was taken", server)
		}
	}
}

// TestWatchOutlastsAServerThatIsAway answers as a server does that is started again and again.
func TestWatchOutlastsAServerThatIsAway(t *testing.T) {
	var requests atomic.Int64
	c, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		n := requests.Add(1)
		switch {
		case n%3 == 0:
			panic(http.ErrAbortHandler)
		case n%3 == 1 && n > 1:
			w.WriteHeader(http.StatusServiceUnavailable)
		case n < 12:
			_, _ = fmt.Fprintf(w, `{"id":"x","status":"running","progress":%d.5}`, n)
		default:
			_, _ = io.WriteString(w, `{"id":"x","status":"completed","progress":100}`)
		}
		if r.URL.Path != "/api/jobs/x" || r.Header.Get("User-Agent") != "eemt/test" {
			t.Errorf("asked for %s as %s", r.URL, r.Header.Get("User-Agent"))
		}
	})
	var seen []float64
	j, err := c.Watch(t.Context(), "x", time.Second, time.Minute, func(j Job) { seen = append(seen, j.Progress) })
	if err != nil || j.Status != "completed" || len(seen) < 4 {
		t.Errorf("%+v (%v), seen %v", j, err, seen)
	}
}

func TestWatchGivesUp(t *testing.T) {
	var status atomic.Int64
	status.Store(http.StatusBadGateway)
	c, slept := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(int(status.Load()))
		_, _ = io.WriteString(w, `{"detail":"Job not found"}`)
	})
	if _, err := c.Watch(t.Context(), "x", time.Second, time.Minute, func(Job) {}); !errors.Is(err, ErrAway) || *slept < time.Minute || *slept > 3*time.Minute {
		t.Errorf("%v after %v", err, *slept)
	}
	*slept = 0
	status.Store(http.StatusNotFound)
	_, err := c.Watch(t.Context(), "x", time.Second, time.Minute, func(Job) {})
	var refusal Refusal
	if !errors.As(err, &refusal) || refusal.Status != 404 || err.Error() != "Job not found" || *slept != 0 {
		t.Errorf("%v after %v", err, *slept)
	}
}

func TestAnswersOfOtherServers(t *testing.T) {
	for _, c := range []struct {
		status     int
		body, want string
		away       bool
	}{
		{200, "<html>", "the answer is not that of an eemt server", false},
		{400, "<html>\n<body>no", "the server answered 400 Bad Request", false},
		{413, "too much", "too much", false},
		{500, "", "the server answered 500", true},
		{429, `{"detail":"slow down"}`, "slow down", true},
	} {
		api, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(c.status)
			_, _ = io.WriteString(w, c.body)
		})
		if _, err := api.Job(t.Context(), "x"); err == nil || !strings.Contains(err.Error(), c.want) || errors.Is(err, ErrAway) != c.away {
			t.Errorf("%d %q: %v, want %q", c.status, c.body, err, c.want)
		}
	}
}

func TestSubmit(t *testing.T) {
	dem := filepath.Join(t.TempDir(), "dem.tif")
	if err := os.WriteFile(dem, []byte("elevations"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		f, h, err := r.FormFile("dem_file")
		if err != nil {
			t.Error(err)
			return
		}
		data, _ := io.ReadAll(f)
		if r.FormValue("step") != "30" || h.Filename != "dem.tif" || string(data) != "elevations" {
			t.Errorf("got %v, %s, %q", r.Form, h.Filename, data)
		}
		_, _ = io.WriteString(w, `{"job_id":"x"}`)
	})
	var last, of int64
	job, err := c.Submit(t.Context(), []Field{{"step", "30"}}, []File{{"dem_file", dem}}, func(done, total int64) { last, of = done, total })
	if err != nil || job.ID != "x" || job.Existing || last != 10 || of != 10 {
		t.Errorf("%+v (%v), %d of %d bytes", job, err, last, of)
	}
}

// TestSubmitOfWhatCannotBeRead sends a file that opens and gives nothing.
func TestSubmitOfWhatCannotBeRead(t *testing.T) {
	c, _ := serve(t, func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) })
	dir := t.TempDir()
	var unread *fs.PathError
	_, err := c.Submit(t.Context(), nil, []File{{"climate_file", dir}}, nil)
	if !errors.As(err, &unread) || errors.Is(err, ErrAway) || !strings.Contains(err.Error(), dir+" could not be sent: ") {
		t.Errorf("%v, want an error of %s", err, dir)
	}
}

// TestDownloadToAFullDisk is not taken up again, for the server is not at fault.
func TestDownloadToAFullDisk(t *testing.T) {
	var requests atomic.Int64
	c, slept := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		requests.Add(1)
		_, _ = io.WriteString(w, "data")
	})
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if errors.Is(err, fs.ErrNotExist) && runtime.GOOS != "linux" {
		t.Skip("SKIPPED: a full disk is /dev/full, which only Linux has")
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = full.Close() }()
	if err := c.fetch(t.Context(), "/a.tif", 4, full, func(int) {}); !errors.Is(err, syscall.ENOSPC) || errors.Is(err, ErrAway) || requests.Load() != 1 || *slept != 0 {
		t.Errorf("%v after %d requests and %v", err, requests.Load(), *slept)
	}
}

// TestDownloadThatBreaksOff cuts every answer short.
func TestDownloadThatBreaksOff(t *testing.T) {
	data := bytes.Repeat([]byte("0123456789"), 3000)
	result := Result{Name: "global/annual/a b.tif", Size: int64(len(data))}
	read := func(dir string) []byte {
		got, _ := os.ReadFile(filepath.Join(dir, "global", "annual", "a b.tif"))
		return got
	}
	var requests, changes atomic.Int64 // changes is the request from which on the file is another; 0: none
	cut := func(w http.ResponseWriter, r *http.Request) {
		etag := `"1"`
		if n, at := requests.Add(1), changes.Load(); at > 0 && n >= at {
			etag = `"2"`
		}
		if r.URL.Path != "/jobs/x/results/global/annual/a b.tif" {
			t.Errorf("asked for %s", r.URL.Path)
		}
		w.Header().Set("ETag", etag)
		http.ServeContent(short{w, 4000}, r, "a.tif", time.Time{}, bytes.NewReader(data))
	}
	t.Run("is taken up where it was", func(t *testing.T) {
		dir := t.TempDir()
		c, _ := serve(t, cut)
		n := 0
		if err := c.Download(t.Context(), "x", result, dir, func(k int) { n += k }); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(read(dir), data) || requests.Load() != 8 || n != len(data) {
			t.Errorf("%d bytes by %d requests, %d told", len(read(dir)), requests.Load(), n)
		}
	})
	t.Run("of a file that changes meanwhile", func(t *testing.T) {
		dir := t.TempDir()
		requests.Store(0)
		changes.Store(3)
		c, _ := serve(t, cut)
		err := c.Download(t.Context(), "x", result, dir, func(int) {})
		if n := requests.Load(); err == nil || read(dir) != nil || n != 3 {
			t.Errorf("%v, %d bytes, %d requests", err, len(read(dir)), n)
		}
		if left, _ := filepath.Glob(filepath.Join(dir, "global", "annual", "*")); len(left) != 0 {
			t.Errorf("left: %v", left)
		}
	})
	t.Run("of another size than listed", func(t *testing.T) {
		dir := t.TempDir()
		c, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(data[1:]) })
		if err := c.Download(t.Context(), "x", result, dir, func(int) {}); err == nil || read(dir) != nil {
			t.Errorf("%v, %d bytes", err, len(read(dir)))
		}
	})
	t.Run("for good", func(t *testing.T) {
		dir := t.TempDir()
		c, slept := serve(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
		if err := c.Download(t.Context(), "x", result, dir, func(int) {}); !errors.Is(err, ErrAway) || *slept == 0 || *slept > time.Minute {
			t.Errorf("%v after %v", err, *slept)
		}
	})
}

// short breaks the connection after some bytes of the body.
type short struct {
	http.ResponseWriter
	left int
}

func (s short) Write(p []byte) (int, error) {
	if len(p) > s.left {
		_, _ = s.ResponseWriter.Write(p[:s.left])
		_ = http.NewResponseController(s.ResponseWriter).Flush()
		panic(http.ErrAbortHandler)
	}
	return s.ResponseWriter.Write(p)
}

func TestResultsOutsideTheDirectory(t *testing.T) {
	for _, name := range []string{"../x", "/etc/x", "a/../../x", `..\\x`, "", "a\x00b"} {
		c, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprintf(w, `[{"name":%q,"size":1}]`, name) })
		if list, err := c.Results(t.Context(), "x"); err == nil {
			t.Errorf("%q: %v", name, list)
		}
	}
}

// TestServersNameFields: what a server says of fields is said of flags.
func TestServersNameFields(t *testing.T) {
	c, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, `{"detail":"state it with dem_crs=EPSG:CODE"}`)
			return
		}
		_, _ = io.WriteString(w, `{"id":"x","error_message":"declare it with nodata=-9999"}`)
	})
	if _, err := c.Submit(t.Context(), nil, nil, nil); err == nil || err.Error() != "state it with --dem-crs EPSG:CODE" {
		t.Errorf("%v", err)
	}
	if j, err := c.Job(t.Context(), "x"); err != nil || j.Error != "declare it with --nodata -9999" {
		t.Errorf("%+v (%v)", j, err)
	}
}
