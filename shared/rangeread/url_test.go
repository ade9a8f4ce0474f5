package rangeread

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"
)

// server serves data with ranges; before may answer instead.
func server(t *testing.T, data []byte, before func(w http.ResponseWriter, req *http.Request, n int) bool) (*httptest.Server, *atomic.Int32, *atomic.Int64) {
	t.Helper()
	var requests atomic.Int32
	var sent atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		n := int(requests.Add(1))
		if before != nil && before(w, req, n) {
			return
		}
		if w.Header().Get("ETag") == "" {
			w.Header().Set("ETag", `"v1"`)
		}
		http.ServeContent(&counter{w, &sent}, req, "", time.Time{}, bytes.NewReader(data))
	}))
	t.Cleanup(srv.Close)
	return srv, &requests, &sent
}

type counter struct {
	http.ResponseWriter
	n *atomic.Int64
}

func (c *counter) Write(p []byte) (int, error) {
	c.n.Add(int64(len(p)))
	return c.ResponseWriter.Write(p)
}

func TestURL(t *testing.T) {
	for _, n := range []int{0, 1, blockSize, blockSize + 1, 3_000_000} {
		t.Run(strconv.Itoa(n), func(t *testing.T) {
			data := content(n)
			srv, requests, _ := server(t, data, nil)
			r, err := URL(t.Context(), nil, srv.URL+"/dem.tif?sig=x", "")
			if err != nil {
				t.Fatal(err)
			}
			if r.Size() != int64(n) || requests.Load() != 1 {
				t.Errorf("size %d after %d requests, want %d after one", r.Size(), requests.Load(), n)
			}
			if err := iotest.TestReader(io.NewSectionReader(r, 0, r.Size()), data); err != nil {
				t.Error(err)
			}
			if want := int32(1 + (n-1)/blockSize); n > 0 && requests.Load() > want {
				t.Errorf("%d requests for %d blocks", requests.Load(), want)
			}
		})
	}
}

// A window of a large file costs its header block, the blocks it touches and nothing else.
func TestURLReadsLittle(t *testing.T) {
	data := content(20 << 20)
	srv, requests, sent := server(t, data, nil)
	r, err := URL(t.Context(), srv.Client(), srv.URL, "")
	if err != nil {
		t.Fatal(err)
	}
	p := make([]byte, 1<<20)
	if _, err := r.ReadAt(p, 10<<20+100); err != nil || !bytes.Equal(p, data[10<<20+100:][:1<<20]) {
		t.Fatalf("read: %v", err)
	}
	if requests.Load() != 2 || sent.Load() != 6*blockSize {
		t.Errorf("%d requests, %d bytes; want 2 and %d", requests.Load(), sent.Load(), 6*blockSize)
	}
}

func TestURLFaults(t *testing.T) {
	data := content(1000)
	partial := func(w http.ResponseWriter, contentRange string, body []byte) bool {
		w.Header().Set("ETag", `"v1"`)
		w.Header().Set("Content-Range", contentRange)
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		w.WriteHeader(206)
		_, _ = w.Write(body)
		return true
	}
	for _, c := range []struct {
		name     string
		before   func(w http.ResponseWriter, req *http.Request, n int) bool
		requests int // 0: not checked
		open     string
		read     string
	}{
		{name: "flaky", before: func(w http.ResponseWriter, _ *http.Request, n int) bool {
			if n%2 == 1 {
				w.WriteHeader(503)
				return true
			}
			return false
		}, requests: 4},
		{name: "connection cut", before: func(_ http.ResponseWriter, _ *http.Request, n int) bool {
			if n%2 == 1 {
				panic(http.ErrAbortHandler)
			}
			return false
		}},
		{name: "body cut", before: func(w http.ResponseWriter, _ *http.Request, n int) bool {
			if n == 2 {
				w.Header().Set("ETag", `"v1"`)
				w.Header().Set("Content-Range", "bytes 500-599/1000")
				w.Header().Set("Content-Length", "100")
				w.WriteHeader(206)
				_, _ = w.Write(data[500:550])
				return true
			}
			return false
		}, requests: 3},
		{name: "down for good", before: func(w http.ResponseWriter, _ *http.Request, n int) bool {
			w.WriteHeader(502)
			return n > 0
		}, requests: 4, open: "gave up after 4 tries: server answered 502 Bad Gateway"},
		{name: "not found", before: func(w http.ResponseWriter, _ *http.Request, _ int) bool { w.WriteHeader(404); return true }, requests: 1, open: "404 Not Found"},
		{name: "no access", before: func(w http.ResponseWriter, _ *http.Request, _ int) bool { w.WriteHeader(401); return true }, requests: 1, open: "give a bearer token"},
		{name: "ranges ignored", before: func(_ http.ResponseWriter, req *http.Request, _ int) bool { req.Header.Del("Range"); return false }, requests: 1, open: "ignores range requests"},
		{name: "compressed", before: func(w http.ResponseWriter, _ *http.Request, _ int) bool {
			w.Header().Set("Content-Encoding", "gzip")
			return partial(w, "bytes 0-99/1000", data[:100])
		}, requests: 1, open: "sends the file compressed"},
		{name: "size not told", before: func(w http.ResponseWriter, _ *http.Request, _ int) bool {
			return partial(w, "bytes 0-99/*", data[:100])
		}, requests: 1, open: "how long the file is"},
		{name: "no Content-Range", before: func(w http.ResponseWriter, _ *http.Request, _ int) bool {
			return partial(w, "", data[:100])
		}, requests: 1, open: "without a usable Content-Range"},
		{name: "other range first", before: func(w http.ResponseWriter, _ *http.Request, _ int) bool {
			return partial(w, "bytes 1-100/1000", data[1:101])
		}, requests: 1, open: "sent bytes 1-100 instead of 0-99"},
		{name: "other range later", before: func(w http.ResponseWriter, _ *http.Request, n int) bool {
			return n > 1 && partial(w, "bytes 0-99/1000", data[:100])
		}, requests: 2, read: "sent bytes 0-99 instead of 500-599"},
		{name: "lies about the size", before: func(w http.ResponseWriter, _ *http.Request, _ int) bool {
			return partial(w, "bytes 0-99/9223372036854775807", data[:100])
		}, read: "file changed"},
		{name: "changed, If-Range honoured", before: func(w http.ResponseWriter, _ *http.Request, n int) bool {
			if n > 1 {
				w.Header().Set("ETag", `"v2"`)
			}
			return false
		}, requests: 2, read: "file changed"},
		{name: "changed, weak tag", before: func(w http.ResponseWriter, _ *http.Request, n int) bool {
			w.Header().Set("ETag", fmt.Sprintf(`W/"v%d"`, n))
			return false
		}, requests: 2, read: "file changed"},
		{name: "changed, only length", before: func(w http.ResponseWriter, _ *http.Request, n int) bool {
			return n > 1 && partial(w, "bytes 500-599/2000", data[500:600])
		}, requests: 2, read: "file changed"},
		{name: "shrunk", before: func(w http.ResponseWriter, _ *http.Request, n int) bool {
			if n > 1 {
				w.WriteHeader(416)
			}
			return n > 1
		}, requests: 2, read: "file changed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			srv, requests, _ := server(t, data, func(w http.ResponseWriter, req *http.Request, n int) bool {
				if c.name == "lies about the size" && n > 1 {
					return false
				}
				return c.before(w, req, n)
			})
			r, err := openURL(t.Context(), srv.Client(), srv.URL+"/dem.tif?signature=secret", "", small())
			p := make([]byte, 50)
			if err == nil && c.open == "" {
				_, err = r.ReadAt(p, 520)
			}
			want := c.open + c.read
			switch {
			case want == "" && (err != nil || !bytes.Equal(p, data[520:570])):
				t.Errorf("error %v or wrong bytes", err)
			case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
				t.Errorf("error %v, want %q", err, want)
			case c.read == "file changed" && !errors.Is(err, ErrChanged):
				t.Errorf("error %v, want ErrChanged", err)
			case errors.Is(err, fs.ErrNotExist) != strings.Contains(want, "404"):
				t.Errorf("error %v: fs.ErrNotExist is %v", err, errors.Is(err, fs.ErrNotExist))
			case errors.Is(err, ErrUnavailable) != strings.Contains(want, "gave up"):
				t.Errorf("error %v: ErrUnavailable is %v", err, errors.Is(err, ErrUnavailable))
			}
			if err != nil && (strings.Contains(err.Error(), "secret") || !strings.Contains(err.Error(), "/dem.tif")) {
				t.Errorf("error %q tells the query or not the address", err)
			}
			if c.requests != 0 && int(requests.Load()) != c.requests {
				t.Errorf("%d requests, want %d", requests.Load(), c.requests)
			}
		})
	}
}

func TestRetryAfter(t *testing.T) {
	srv, _, _ := server(t, content(1000), func(w http.ResponseWriter, _ *http.Request, n int) bool {
		if n == 1 {
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(429)
		}
		if n == 2 {
			w.Header().Set("Retry-After", "99999")
			w.WriteHeader(503)
		}
		return n <= 2
	})
	cfg := small()
	var waits []time.Duration
	cfg.sleep = func(_ context.Context, d time.Duration) error { waits = append(waits, d); return nil }
	if _, err := openURL(t.Context(), nil, srv.URL, "", cfg); err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(waits) != "[7s 30s]" {
		t.Errorf("waits %v, want 7 s as asked and 30 s at most", waits)
	}
}

// The token is sent to the host it was given for, and to no other.
func TestBearer(t *testing.T) {
	data := content(1000)
	var mu sync.Mutex
	got := map[string]string{}
	note := func(name string, req *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		got[name] += req.Header.Get("Authorization") + ";"
		if req.Header.Get("Referer") != "" && name == "other" {
			t.Errorf("other host learned the referring address %q", req.Header.Get("Referer"))
		}
	}
	other, _, _ := server(t, data, func(_ http.ResponseWriter, req *http.Request, _ int) bool { note("other", req); return false })
	var home *httptest.Server
	home, _, _ = server(t, data, func(w http.ResponseWriter, req *http.Request, _ int) bool {
		note("home", req)
		switch req.URL.Path {
		case "/away":
			http.Redirect(w, req, other.URL+"/x", http.StatusFound)
			return true
		case "/moved":
			http.Redirect(w, req, "/dem.tif", http.StatusMovedPermanently)
			return true
		}
		return false
	})
	for _, c := range []struct{ path, home, other string }{
		{"/dem.tif", "Bearer t0ken;", ""},
		{"/moved", "Bearer t0ken;Bearer t0ken;", ""},
		{"/away", "Bearer t0ken;", ";"},
	} {
		mu.Lock()
		clear(got)
		mu.Unlock()
		if _, err := openURL(t.Context(), home.Client(), home.URL+c.path, "t0ken", small()); err != nil {
			t.Fatal(err)
		}
		mu.Lock()
		if got["home"] != c.home || got["other"] != c.other {
			t.Errorf("%s: home got %q, other %q; want %q, %q", c.path, got["home"], got["other"], c.home, c.other)
		}
		mu.Unlock()
	}
}

func TestRedirectBounds(t *testing.T) {
	data := content(1000)
	var hops atomic.Int64
	srv, requests, _ := server(t, data, func(w http.ResponseWriter, req *http.Request, n int) bool {
		further := int64(n) <= hops.Load()
		if further {
			http.Redirect(w, req, "/"+strconv.Itoa(n), http.StatusFound)
		}
		return further
	})
	hops.Store(5)
	if _, err := openURL(t.Context(), nil, srv.URL, "", small()); err != nil {
		t.Errorf("five redirects: %v", err)
	}
	hops.Store(1 << 30)
	requests.Store(0)
	if _, err := openURL(t.Context(), nil, srv.URL, "", small()); err == nil || !strings.Contains(err.Error(), "more than 5 redirects") || requests.Load() != 6 {
		t.Errorf("a loop: %v after %d requests", err, requests.Load())
	}
	tls := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		http.Redirect(w, req, srv.URL, http.StatusFound)
	}))
	defer tls.Close()
	requests.Store(0)
	if _, err := openURL(t.Context(), tls.Client(), tls.URL, "", small()); err == nil || !strings.Contains(err.Error(), "redirected from https") || requests.Load() != 0 {
		t.Errorf("https to http: %v", err)
	}
}

func TestAddresses(t *testing.T) {
	for _, c := range []struct{ name, address, bearer, want string }{
		{"file", "file:///etc/passwd", "", "must be an http or https URL"},
		{"no host", "https:///x", "", "must be an http or https URL"},
		{"relative", "dem.tif", "", "must be an http or https URL"},
		{"not a URL", "https://[", "", "not a URL"},
		{"token over http", "http://example.org/x", "t", "only sent over https"},
		{"token and user", "https://u:p@example.org/x", "t", "remove one of them"},
		{"token with a line break", "https://example.org/x", "t\nX: y", "bearer token holds"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := URL(t.Context(), nil, c.address, c.bearer)
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "u:p") {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
}

func FuzzContentRange(f *testing.F) {
	for _, s := range []string{"bytes 0-99/1000", "bytes 0-99/*", "bytes */0", "bytes 5-4/9", "bytes 0-9223372036854775807/1", "items 0-1/2", "bytes -1-2/3", "bytes +0-2/3"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		first, last, total, ok := parseContentRange(s)
		if ok && (first < 0 || last < first || total != -1 && last >= total) {
			t.Errorf("%q = %d-%d/%d", s, first, last, total)
		}
	})
}
