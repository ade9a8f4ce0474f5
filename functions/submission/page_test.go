package submission_test

import (
	"bytes"
	"flag"
	"io"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cyverse-gis/eemt/functions/submission"
	"github.com/cyverse-gis/eemt/functions/submission/access"
	"github.com/cyverse-gis/eemt/shared/geotiff"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/raster"
)

var update = flag.Bool("update", false, "write the files that the tests of the page read anew")

// The page's tests read files as the program writes them: these are they.
func TestFilesOfThePagesTests(t *testing.T) {
	const width, height = 150, 110
	g := raster.New[float32](width, height)
	for r := range height {
		for c := range width {
			g.Set(c, r, float32((c*c+3*r)%97)/8+float32(r))
			if c >= 140 && r < 10 {
				g.Set(c, r, float32(math.NaN()))
			}
		}
	}
	none := -9999.0
	whole := raster.New[float32](width, height)
	for i, v := range g.Cells {
		whole.Cells[i] = float32(math.Round(float64(v)))
	}
	for name, c := range map[string]struct {
		opts geotiff.Options
		grid *raster.Grid[float32]
	}{
		"deflate.tif": {geotiff.Options{BlockSize: 64, Overviews: true}, g},
		"none.tif":    {geotiff.Options{BlockSize: 64, Compression: geotiff.None}, g},
		"big.tif":     {geotiff.Options{BlockSize: 64, BigTIFF: true, NoData: &none}, g},
		"int16.tif":   {geotiff.Options{BlockSize: 64, Type: geotiff.Int16, NoData: &none}, whole},
		"zstd.tif":    {geotiff.Options{BlockSize: 64, Compression: geotiff.ZSTD}, g},
	} {
		c.opts.Transform = raster.Transform{OriginX: 500000, OriginY: 4100000, StepX: 10, StepY: -10}
		var b bytes.Buffer
		if err := geotiff.Write(&b, c.opts, c.grid); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join("web", "test", "data", name)
		if *update {
			if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, b.Bytes(), 0o666); err != nil {
				t.Fatal(err)
			}
		}
		if have, err := os.ReadFile(path); err != nil || !bytes.Equal(have, b.Bytes()) {
			t.Errorf("%s is not what the program writes now; run this test with -update, then make web (%v)", path, err)
		}
	}
}

// What the page loads comes with a tag, and is not sent twice.
func TestAssets(t *testing.T) {
	s := newService(t, nil)
	for path, kind := range map[string]string{"/app.js": "text/javascript", "/style.css": "text/css", "/icon.svg": "image/svg+xml"} {
		a := s.get(t, path)
		if a.status != http.StatusOK || !strings.HasPrefix(a.header.Get("Content-Type"), kind) || len(a.body) < 100 {
			t.Errorf("%s: %d %s", path, a.status, a.header)
		}
		if b := s.get(t, path, "If-None-Match", a.header.Get("ETag")); b.status != http.StatusNotModified || b.body != "" {
			t.Errorf("%s asked again: %d", path, b.status)
		}
	}
	if a, b := s.get(t, "/static/app.js"), s.get(t, "/app.js"); a.status != http.StatusOK || a.body != b.body {
		t.Errorf("/static/app.js: %d", a.status)
	}
	for _, none := range []string{"/static/index.html", "/static/none.js", "/static/..%2fgo.mod"} {
		if a := s.get(t, none); a.status != http.StatusNotFound {
			t.Errorf("%s: %d", none, a.status)
		}
	}
	policy := s.get(t, "/", "Accept", "text/html").header.Get("Content-Security-Policy")
	if !strings.Contains(policy, "script-src 'self';") || strings.Contains(policy, "unsafe") {
		t.Errorf("policy %q", policy)
	}
}

// Where people log in the page may call their provider, and nobody else; elsewhere nobody at all.
func TestPolicyOfLogin(t *testing.T) {
	connect := func(s *service) string {
		_, rest, _ := strings.Cut(s.get(t, "/", "Accept", "text/html").header.Get("Content-Security-Policy"), "connect-src ")
		sources, _, _ := strings.Cut(rest, ";")
		return sources
	}
	s := newService(t, nil)
	if got := connect(s); got != "'self'" {
		t.Errorf("without a login the page may call %s", got)
	}
	for _, c := range []struct{ mode, issuer, want string }{
		{"oidc", "https://id.example.org/realms/eemt; script-src *", "'self' https://id.example.org"},
		{"proxy", "https://id.example.org/realms/eemt", "'self'"},
		{"token", "", "'self'"},
	} {
		s.with(func(o *submission.Config) {
			o.Access = access.Settings{Authenticator: staff, Login: access.Login{Mode: c.mode, Issuer: c.issuer}}
		})
		if got := connect(s); got != c.want {
			t.Errorf("mode %s: the page may call %s, want %s", c.mode, got, c.want)
		}
	}
}

// A stream tells how a job stands, that it has ended, and then ends itself.
func TestEventStream(t *testing.T) {
	s := newService(t, nil)
	id := s.submit(t)
	if a := s.get(t, "/jobs/01JTEST0000000000000000099/events"); a.status != http.StatusNotFound {
		t.Errorf("no such job: %d", a.status)
	}
	if _, _, err := s.Store.WriteEnd(t.Context(), id, job.End{State: job.Failed, Reason: "because", Ended: s.Now()}); err != nil {
		t.Fatal(err)
	}
	a := s.get(t, "/jobs/"+id+"/events")
	if a.status != http.StatusOK || a.header.Get("Content-Type") != "text/event-stream" || strings.Count(a.body, "event: status\ndata: {") != 1 || !strings.Contains(a.body, `"error_message":"because"`) ||
		!strings.HasSuffix(a.body, "event: end\ndata: {}\n\n") {
		t.Errorf("stream: %d %v\n%s", a.status, a.header, a.body)
	}
}

// Streams of one job that look at the same time share a look.
func TestStreamsShareALook(t *testing.T) {
	var open, now, most atomic.Int32
	s := newService(t, func(_, key string) error {
		if open.Load() == 20 && strings.HasSuffix(key, "/plan.json") {
			most.Store(max(most.Load(), now.Add(1)))
			time.Sleep(20 * time.Millisecond)
			now.Add(-1)
		}
		return nil
	})
	stop := make(chan struct{})
	s.with(func(c *submission.Config) { c.Stopping = stop })
	id := s.submit(t)
	var streams sync.WaitGroup
	for range 20 {
		streams.Go(func() {
			r, err := http.Get(s.http.URL + "/jobs/" + id + "/events")
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { _ = r.Body.Close() }()
			open.Add(1)
			if _, err := io.Copy(io.Discard, r.Body); err != nil {
				t.Error(err)
			}
		})
	}
	time.Sleep(3 * time.Second)
	close(stop)
	streams.Wait()
	if most.Load() != 1 {
		t.Errorf("%d looks at a time", most.Load())
	}
}

// Streams are bounded, and end when the service does.
func TestEventStreamsAreBounded(t *testing.T) {
	s := newService(t, nil)
	stop := make(chan struct{})
	s.with(func(c *submission.Config) { c.Stopping = stop })
	id := s.submit(t)
	ended := make(chan int, 200)
	for range 200 {
		go func() { ended <- s.get(t, "/jobs/"+id+"/events").status }()
	}
	refused := 0
	for refused < 200-128 {
		if got := <-ended; got != http.StatusServiceUnavailable {
			t.Fatalf("a stream ended with %d while the job goes on", got)
		}
		refused++
	}
	close(stop)
	for range 128 {
		if got := <-ended; got != http.StatusOK {
			t.Errorf("an open stream: %d", got)
		}
	}
}

// What a DEM is, its content decides here, not its name in the browser.
func TestPageTakesAnyName(t *testing.T) {
	s := newService(t, nil)
	for _, path := range []string{"/app.js", "/"} {
		body := s.get(t, path).body
		for _, rule := range []string{`.tif,.tiff`, `\.tiff?$`} {
			if strings.Contains(body, rule) {
				t.Errorf("%s refuses names by %s", path, rule)
			}
		}
	}
}
