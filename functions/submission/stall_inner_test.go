package submission

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gin-gonic/gin"
)

// pipes listens to connections within the process, which a clock of tests drives.
type pipes chan net.Conn

func (p pipes) Accept() (net.Conn, error) {
	c, ok := <-p
	if !ok {
		return nil, net.ErrClosed
	}
	return c, nil
}

func (p pipes) Close() error   { close(p); return nil }
func (p pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }

// A body has to come at a least rate, and within a time.
func TestSlowBodies(t *testing.T) {
	const file, text = "application/offset+octet-stream", "application/json"
	for name, c := range map[string]struct {
		path, kind string
		size       int
		// chunk bytes are sent every pause.
		chunk int
		pause time.Duration
		// taken says that the body comes whole; otherwise it ends after the time given.
		taken bool
		after time.Duration
	}{
		"a byte every 35 s":            {"/x", text, 1000, 1, 35 * time.Second, false, 30 * time.Second},
		"a byte a second":              {"/x", text, 1000, 1, time.Second, false, 30 * time.Second},
		"a part, a byte a second":      {"/uploads/x", file, 1000, 1, time.Second, false, 30 * time.Second},
		"a form, a byte a second":      {"/x", "multipart/form-data; boundary=b", 1000, 1, time.Second, false, 30 * time.Second},
		"slow, but in time":            {"/x", text, 25, 1, time.Second, true, 0},
		"fast, then nothing":           {"/x", text, 2_000_000, 1_999_999, 90 * time.Second, false, time.Minute},
		"9 kB a second":                {"/x", file, 100_000_000, 9_000, time.Second, false, 5 * time.Minute},
		"11 kB a second":               {"/x", file, 4_000_000, 11_000, time.Second, true, 0},
		"text of more than 5 minutes":  {"/x", text, 4_000_000, 11_000, time.Second, false, 5 * time.Minute},
		"a file of more than an hour":  {"/x", file, 60_000_000, 15_000, time.Second, false, time.Hour},
		"nobody reads it, it is slow":  {"/refused", text, 1000, 1, 4 * time.Second, true, 0},
		"a fast one that nobody reads": {"/refused", text, 1000, 1000, time.Second, true, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				gin.SetMode(gin.ReleaseMode)
				s := &Service{Config: Config{Log: slog.New(slog.DiscardHandler), MaxUpload: 1 << 30}}
				r := gin.New()
				r.Use(s.guarded)
				r.POST("/refused", func(c *gin.Context) { c.String(http.StatusOK, "") })
				take := func(c *gin.Context) {
					n, err := io.Copy(io.Discard, c.Request.Body)
					if err != nil || n != c.Request.ContentLength {
						c.String(http.StatusBadRequest, "%v", err)
					}
				}
				r.POST("/x", take)
				r.POST("/uploads/x", take)
				listener := make(pipes, 1)
				server := &http.Server{Handler: r, ReadHeaderTimeout: time.Minute}
				go func() { _ = server.Serve(listener) }()
				client, conn := net.Pipe()
				listener <- conn
				began := time.Now()
				var sending sync.WaitGroup
				sending.Go(func() {
					_, _ = fmt.Fprintf(client, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n", c.path, c.kind, c.size)
					for sent := 0; sent < c.size; sent += c.chunk {
						if sent > 0 {
							time.Sleep(c.pause)
						}
						if _, err := io.WriteString(client, strings.Repeat("x", min(c.chunk, c.size-sent))); err != nil {
							return
						}
					}
				})
				in := bufio.NewReader(client)
				res, err := http.ReadResponse(in, nil)
				if err != nil {
					t.Fatal(err)
				}
				body, _ := io.ReadAll(res.Body)
				_ = res.Body.Close()
				took := time.Since(began)
				switch {
				case c.taken && res.StatusCode != http.StatusOK:
					t.Errorf("after %v: %s %s", took, res.Status, body)
				case !c.taken && (res.StatusCode != http.StatusBadRequest || !strings.Contains(string(body), "too slowly")):
					t.Errorf("after %v: %s %s", took, res.Status, body)
				case !c.taken && (took < c.after || took > c.after+30*time.Second):
					t.Errorf("ended after %v of the clock, want %v", took, c.after)
				}
				if c.path == "/refused" && c.chunk < c.size {
					if _, err := in.ReadByte(); err == nil || time.Since(began) > 10*time.Second {
						t.Errorf("the connection is open %v after the answer: %v", time.Since(began), err)
					}
				}
				_ = client.Close()
				_ = server.Close()
				sending.Wait()
			})
		})
	}
}
