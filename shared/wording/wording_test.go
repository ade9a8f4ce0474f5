package wording_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cyverse-gis/eemt/shared/dirbucket"
	"github.com/cyverse-gis/eemt/shared/wording"
)

// foreign are words of libraries and systems that nobody is to read.
var foreign = regexp.MustCompile(`no such file or directory|permission denied|\b(stat|lstat|openat|mkdir|unlinkat|dial|lookup|strconv|x509)\b|blob|code=|connect:|tcp|Client\.Timeout|context deadline|inputs/`)

func TestText(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"a sentence", "step 90: must be 1 to 60 minutes", "step 90: must be 1 to 60 minutes"},
		{"a missing file", "DEM: stat nothere.tif: no such file or directory", "DEM: there is no file nothere.tif"},
		{"a missing file with a colon", "open a: b.tif: no such file or directory", "there is no file a: b.tif"},
		{"a place where nothing can be made", "bucket directory: mkdir /proc/x: no such file or directory", "bucket directory: /proc/x cannot be made: a directory of its path is missing"},
		{"permission", "open dem.tif: permission denied", "dem.tif cannot be opened: you lack the permission"},
		{"a disk for reading", "mkdir out/.eemt: read-only file system", "out/.eemt cannot be made: its disk can only be read"},
		{"a directory", "read dems: is a directory", "dems is a directory, not a file"},
		{"a stored table", "climate table inputs/9ca1558bfd580424_kelvin.csv: line 2, column tmin", "climate table kelvin.csv: line 2, column tmin"},
		{"a stored upload", `climate table "inputs/01M8Q0WA1ZA3M9PV0GE8D5WAGK-1_kelvin.csv": line 2`, `climate table "kelvin.csv": line 2`},
		{"an object", `read jobs/x/plan.json: blob (key "jobs/x/plan.json") (code=NotFound): object "jobs/x/plan.json" does not exist`, `read jobs/x/plan.json: object "jobs/x/plan.json" does not exist`},
		{
			"a full disk, three times nested",
			`write jobs/01/attempts/assembly/0003.json: blob (key "jobs/01/attempts/assembly/0003.json") (code=ResourceExhausted): blob (key "x") (code=ResourceExhausted): write /data/maps/.eemt/.tmp/ABC: no space left on device`,
			"the disk of /data/maps/.eemt is full",
		},
		{"a full disk of temporary files", "file x: write /tmp/eemt-spool-12: no space left on device", "the disk of /tmp is full"},
		{"a full disk somewhere", "no space left on device", "the disk is full"},
		{"nobody there", `the server is away: Get "http://127.0.0.1:1/api/jobs": dial tcp 127.0.0.1:1: connect: connection refused`, "the server is away: nobody answers at this address"},
		{"no such name", `Get "https://nowhere.invalid/": dial tcp: lookup nowhere.invalid on 10.0.0.1:53: no such host`, "no machine of the name nowhere.invalid is known"},
		{"time", `Get "http://x/": context deadline exceeded (Client.Timeout exceeded while awaiting headers)`, "no answer came in time"},
		{"no port", "listen tcp: address 99999999: invalid port; choose another", "address 99999999: invalid port; choose another"},
		{"a port in use", "listen tcp 127.0.0.1:80: bind: address already in use", "127.0.0.1:80: another program listens there"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := wording.Text(c.in); got != c.want {
				t.Errorf("%s\nwant %s", got, c.want)
			}
			if got := wording.Text(wording.Text(c.in)); got != c.want {
				t.Errorf("said twice: %s", got)
			}
		})
	}
}

// TestRealErrors provokes errors of files, buckets and connections.
func TestRealErrors(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	away := httptest.NewServer(http.NotFoundHandler())
	away.Close()
	tls := httptest.NewUnstartedServer(http.NotFoundHandler())
	tls.Config.ErrorLog = log.New(io.Discard, "", 0)
	tls.StartTLS()
	defer tls.Close()
	slow := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer slow.Close()
	get := func(address string) error {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
		if err != nil {
			return err
		}
		client := http.DefaultClient
		if address == slow.URL {
			client = &http.Client{Timeout: 10 * time.Millisecond}
		}
		res, err := client.Do(req)
		if err == nil {
			_ = res.Body.Close()
		}
		return err
	}
	_, missing := os.Stat(filepath.Join(dir, "none"))
	_, below := os.Open(filepath.Join(file, "below"))
	_, long := os.Open(filepath.Join(dir, strings.Repeat("x", 300)))
	_, bucket := dirbucket.Open(filepath.Join(file, "bucket"))
	_, number := strconv.Atoi("many")
	_, directory := os.ReadFile(dir)
	b, err := dirbucket.Open(filepath.Join(dir, "b"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = b.Close() }()
	_, object := b.ReadAll(t.Context(), "jobs/x")
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"missing":          {missing, "there is no file " + filepath.Join(dir, "none")},
		"below a file":     {below, "a part of its path is a file"},
		"a directory":      {directory, "is a directory, not a file"},
		"a long name":      {long, "is too long for the disk"},
		"no bucket":        {bucket, "a part of its path is a file"},
		"no object":        {object, "there is no file jobs/x"},
		"permission":       {&fs.PathError{Op: "open", Path: "/root/x", Err: syscall.EACCES}, "you lack the permission"},
		"read only":        {&os.LinkError{Op: "rename", Old: "a", New: "b", Err: syscall.EROFS}, "its disk can only be read"},
		"full":             {fmt.Errorf("job: %w", &fs.PathError{Op: "write", Path: "/maps/x.tif", Err: syscall.ENOSPC}), "the disk of /maps is full"},
		"quota":            {&fs.PathError{Op: "write", Path: "/maps/x.tif", Err: syscall.EDQUOT}, "the disk of /maps is full"},
		"away":             {get(away.URL), "nobody answers"},
		"no https":         {get(strings.Replace(slow.URL, "http:", "https:", 1)), "it speaks http, not https"},
		"certificate":      {get(tls.URL), "its certificate is not trusted"},
		"too slow":         {get(slow.URL), "no answer came in time"},
		"name":             {&net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "x.invalid", Server: "10.0.0.1:53"}}, "no machine of the name x.invalid"},
		"number":           {number, `"many" is no number`},
		"nested":           {errors.Join(missing, below), "there is no file"},
		"canceled by time": {context.DeadlineExceeded, "no answer came in time"},
	} {
		t.Run(name, func(t *testing.T) {
			if c.err == nil {
				t.Fatal("no error")
			}
			got := wording.Error(c.err)
			if !strings.Contains(got, c.want) || foreign.MatchString(strings.ReplaceAll(got, dir, "")) {
				t.Errorf("%q became %q, want %q", c.err, got, c.want)
			}
		})
	}
	if wording.Error(nil) != "" {
		t.Error("nil says something")
	}
}

func FuzzText(f *testing.F) {
	f.Add(`write x: blob (key "a") (code=Unknown): open y: permission denied`)
	f.Fuzz(func(t *testing.T, s string) {
		if got := wording.Text(s); len(got) > 4*len(s)+200 {
			t.Errorf("%d bytes became %d", len(s), len(got))
		}
	})
}
