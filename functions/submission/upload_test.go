package submission_test

import (
	"encoding/base64"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cyverse-gis/eemt/functions/submission"
	"github.com/cyverse-gis/eemt/integration/faultbucket"
)

const tus = "1.0.0"

// begin starts an upload and returns its path.
func (s *service) begin(t *testing.T, name string, size int) string {
	t.Helper()
	a := s.do(t, http.MethodPost, "/uploads", nil, "Tus-Resumable", tus, "Upload-Length", strconv.Itoa(size),
		"Upload-Metadata", "filename "+base64.StdEncoding.EncodeToString([]byte(name)))
	if a.status != http.StatusCreated {
		t.Fatalf("begin: %d %s", a.status, a.body)
	}
	u, err := url.Parse(a.header.Get("Location"))
	if err != nil || !strings.HasPrefix(u.Path, "/uploads/") {
		t.Fatalf("Location %q", a.header.Get("Location"))
	}
	return u.Path
}

func (s *service) patch(t *testing.T, path string, offset int, data string) answer {
	t.Helper()
	return s.do(t, http.MethodPatch, path, strings.NewReader(data), "Tus-Resumable", tus, "Upload-Offset", strconv.Itoa(offset), "Content-Type", "application/offset+octet-stream")
}

func (s *service) offset(t *testing.T, path string) string {
	t.Helper()
	a := s.do(t, http.MethodHead, path, nil, "Tus-Resumable", tus)
	if a.status != http.StatusOK {
		return strconv.Itoa(a.status)
	}
	return a.header.Get("Upload-Offset")
}

func TestResumableUpload(t *testing.T) {
	s := newService(t, nil)
	data := hills(t)
	path := s.begin(t, `C:\maps\my dem.tif`, len(data))
	if a := s.patch(t, path, 0, data[:300]); a.status != http.StatusNoContent || a.header.Get("Upload-Offset") != "300" {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if a := s.patch(t, path, 0, data[:300]); a.status != http.StatusConflict {
		t.Errorf("an offset again: %d %s", a.status, a.body)
	}
	if a := s.patch(t, path, 301, data[301:]); a.status != http.StatusConflict {
		t.Errorf("a gap: %d %s", a.status, a.body)
	}
	name := strings.TrimPrefix(path, "/uploads/")
	if a := s.post(t, "/api/submit-job", field{name: "uploaded_filename", value: name}); a.status != http.StatusBadRequest || !strings.Contains(a.body, "no such upload") {
		t.Errorf("half an upload: %d %s", a.status, a.body)
	}
	if got := s.offset(t, path); got != "300" {
		t.Errorf("offset %s", got)
	}
	if a := s.patch(t, path, 300, data[300:]); a.status != http.StatusNoContent {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if got := s.offset(t, path); got != strconv.Itoa(len(data)) {
		t.Errorf("offset at the end %s", got)
	}
	a := s.post(t, "/api/submit-job", field{name: "uploaded_filename", value: name})
	if a.status != http.StatusOK {
		t.Fatalf("%d %s", a.status, a.body)
	}
	r, err := s.Store.Request(t.Context(), a.json(t)["job_id"].(string))
	if err != nil || r.DEM.Name != "my dem.tif" || r.DEM.Size != int64(len(data)) {
		t.Errorf("%+v (%v)", r.DEM, err)
	}
	got, err := s.Store.Bucket.ReadAll(t.Context(), r.DEM.Key)
	if err != nil || string(got) != data {
		t.Errorf("stored %d bytes of %d (%v)", len(got), len(data), err)
	}
	for _, k := range keys(t, s.Store.Bucket) {
		if strings.HasPrefix(k, "incoming/") && !strings.HasSuffix(k, ".json") {
			t.Errorf("part %s is left", k)
		}
	}
}

// A job on an upload has the user's own name of the DEM, which the key of the upload cannot hold.
func TestUploadKeepsItsName(t *testing.T) {
	for _, name := range []string{"ü ñ 山.TIF", "100%.tif", "a b$c.tif", "my_dem_v2.tif", "noext", "<i>&.tif"} {
		s := newService(t, nil)
		data := hills(t)
		path := s.begin(t, name, len(data))
		if a := s.patch(t, path, 0, data); a.status != http.StatusNoContent {
			t.Fatalf("%d %s", a.status, a.body)
		}
		a := s.post(t, "/api/submit-job", field{name: "uploaded_filename", value: strings.TrimPrefix(path, "/uploads/")})
		if a.status != http.StatusOK {
			t.Fatalf("%d %s", a.status, a.body)
		}
		if got := s.get(t, "/api/jobs/"+a.json(t)["job_id"].(string)).json(t)["dem_filename"]; got != name {
			t.Errorf("%s is called %s", name, got)
		}
	}
	// Refusals call it so too, before a job is made and with it.
	s := newService(t, nil)
	data := bare(t)
	path := s.begin(t, "no crs.tif", len(data))
	s.patch(t, path, 0, data)
	for _, at := range []string{"/api/check", "/api/submit-job"} {
		a := s.post(t, at, field{name: "uploaded_filename", value: strings.TrimPrefix(path, "/uploads/")})
		if a.status != http.StatusBadRequest || !strings.Contains(a.body, "'no crs.tif' 'no crs_placed.tif'") {
			t.Errorf("%s: %d %s", at, a.status, a.body)
		}
	}
	a := s.post(t, "/api/submit-job", field{"dem_file", data, "plain.tif"})
	if !strings.Contains(a.body, "plain.tif plain_placed.tif") {
		t.Errorf("sent at once: %s", a.body)
	}
}

// TestBrokenChunk breaks the connection in the middle: what came is kept.
func TestBrokenChunk(t *testing.T) {
	s := newService(t, nil)
	data := hills(t)
	path := s.begin(t, "dem.tif", len(data))
	r, w := io.Pipe()
	go func() {
		_, _ = io.WriteString(w, data[:500])
		w.CloseWithError(errors.New("cut"))
	}()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPatch, s.http.URL+path, r)
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range map[string]string{"Tus-Resumable": tus, "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"} {
		req.Header.Set(k, v)
	}
	if res, err := http.DefaultClient.Do(req); err == nil {
		_ = res.Body.Close()
	}
	for range 200 {
		if s.offset(t, path) == "500" {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if a := s.patch(t, path, 500, data[500:]); a.status != http.StatusNoContent {
		t.Fatalf("going on at 500: %d %s, offset %s", a.status, a.body, s.offset(t, path))
	}
}

func TestResumableUploadRefuses(t *testing.T) {
	s := newService(t, nil)
	for name, c := range map[string]struct {
		header []string
		status int
	}{
		"too large":  {[]string{"Tus-Resumable", tus, "Upload-Length", "10737418240", "Upload-Metadata", "filename ZGVtLnRpZg=="}, 413},
		"no length":  {[]string{"Tus-Resumable", tus, "Upload-Metadata", "filename ZGVtLnRpZg=="}, 400},
		"empty":      {[]string{"Tus-Resumable", tus, "Upload-Length", "0", "Upload-Metadata", "filename ZGVtLnRpZg=="}, 400},
		"no name":    {[]string{"Tus-Resumable", tus, "Upload-Length", "10"}, 400},
		"no version": {[]string{"Upload-Length", "10"}, 412},
	} {
		if a := s.do(t, http.MethodPost, "/uploads", nil, c.header...); a.status != c.status {
			t.Errorf("%s: %d %s, want %d", name, a.status, a.body, c.status)
		}
	}
	if left := keys(t, s.Store.Bucket); len(left) != 0 {
		t.Errorf("refused uploads left %v", left)
	}
	// No raster: refused at its first bytes, and gone.
	path := s.begin(t, "dem.tif", 60000)
	if a := s.patch(t, path, 0, "<html>"+strings.Repeat("x", 2000)); a.status != http.StatusBadRequest || !strings.Contains(a.body, "not a TIFF") {
		t.Errorf("%d %s", a.status, a.body)
	}
	if got := s.offset(t, path); got != "404" {
		t.Errorf("a refused upload is still there: %s", got)
	}
	// A TIFF whose directory is damaged: refused at the end, and gone.
	path = s.begin(t, "dem.tif", 100)
	if a := s.patch(t, path, 0, hills(t)[:100]); a.status != http.StatusBadRequest {
		t.Errorf("%d %s", a.status, a.body)
	}
	if left := keys(t, s.Store.Bucket); len(left) != 0 {
		t.Errorf("refused uploads left %v", left)
	}
	for _, p := range []string{"/uploads/none.tif", "/uploads/..%2Fjob.tif", "/uploads/.x"} {
		if a := s.do(t, http.MethodHead, p, nil, "Tus-Resumable", tus); a.status != http.StatusNotFound {
			t.Errorf("%s: %d", p, a.status)
		}
	}
	path = s.begin(t, "dem.tif", 1000)
	s.patch(t, path, 0, hills(t)[:500])
	if a := s.do(t, http.MethodDelete, path, nil, "Tus-Resumable", tus); a.status != http.StatusNoContent {
		t.Errorf("giving up: %d %s", a.status, a.body)
	}
	if left := keys(t, s.Store.Bucket); len(left) != 0 {
		t.Errorf("an upload given up left %v", left)
	}
}

// TestRacingChunks sends the same offset many times at once: one is taken.
func TestRacingChunks(t *testing.T) {
	s := newService(t, nil)
	data := hills(t)
	path := s.begin(t, "dem.tif", len(data))
	var taken atomic.Int32
	var wait sync.WaitGroup
	for range 12 {
		wait.Go(func() {
			if a := s.patch(t, path, 0, data[:700]); a.status == http.StatusNoContent {
				taken.Add(1)
			}
		})
	}
	wait.Wait()
	if taken.Load() != 1 || s.offset(t, path) != "700" {
		t.Errorf("%d of 12 were taken, offset %s", taken.Load(), s.offset(t, path))
	}
	if a := s.patch(t, path, 700, data[700:]); a.status != http.StatusNoContent {
		t.Errorf("%d %s", a.status, a.body)
	}
}

// TestUploadFinishesAfterFault fails the joining once: asking for the offset joins again.
func TestUploadFinishesAfterFault(t *testing.T) {
	var failed atomic.Bool
	s := newService(t, func(op, key string) error {
		if op == faultbucket.Commit && strings.HasSuffix(key, "_dem.tif") && failed.CompareAndSwap(false, true) {
			return errors.New("away")
		}
		return nil
	})
	var log strings.Builder
	s.with(func(c *submission.Config) { c.Log = slog.New(slog.NewTextHandler(&log, nil)) })
	data := hills(t)
	path := s.begin(t, "dem.tif", len(data))
	if a := s.patch(t, path, 0, data); a.status != http.StatusInternalServerError || strings.Contains(a.body, "away") {
		t.Fatalf("%d %s, want the fault without its cause", a.status, a.body)
	}
	if !strings.Contains(log.String(), "away") {
		t.Errorf("the log says %q of the fault", log.String())
	}
	if got := s.offset(t, path); got != strconv.Itoa(len(data)) {
		t.Errorf("offset %s", got)
	}
	if a := s.post(t, "/api/submit-job", field{name: "uploaded_filename", value: strings.TrimPrefix(path, "/uploads/")}); a.status != http.StatusOK {
		t.Errorf("%d %s", a.status, a.body)
	}
}

func TestSignedUpload(t *testing.T) {
	s := newService(t, nil)
	body := `{"filename":"my dem.tif","size":1000}`
	if a := s.do(t, http.MethodPost, "/api/sign-upload", strings.NewReader(body)); a.status != http.StatusNotImplemented || !strings.Contains(a.body, "/uploads") {
		t.Errorf("a bucket that cannot sign: %d %s", a.status, a.body)
	}
	for _, bad := range []string{"", "{", `{"filename":"","size":10}`, `{"filename":"dem.tif","size":0}`, `{"filename":"dem.tif","size":10737418240}`} {
		if a := s.do(t, http.MethodPost, "/api/sign-upload", strings.NewReader(bad)); a.status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", bad, a.status, a.body)
		}
	}
}

// TestTwoJoin lets two replicas join the parts at the same time, as when a client asks for the offset while its last
// part is still answered: a passing fault of the slower one takes nothing from the faster.
func TestTwoJoin(t *testing.T) {
	var s, other *service
	var path string
	var joining, away atomic.Bool
	data := hills(t)
	s = newService(t, func(op, key string) error {
		if !strings.HasPrefix(key, "inputs/") {
			return nil
		}
		if op == faultbucket.Commit && joining.CompareAndSwap(true, false) {
			if at := other.offset(t, path); at != strconv.Itoa(len(data)) {
				t.Errorf("the faster one is told offset %s", at)
			}
			away.Store(true)
		}
		if away.Load() && (op == faultbucket.Attributes || op == faultbucket.Read) {
			return errors.New("away")
		}
		return nil
	})
	other = newService(t, nil)
	other.on(s.Store.Bucket)
	path = s.begin(t, "dem.tif", len(data))
	joining.Store(true)
	s.patch(t, path, 0, data)
	away.Store(false)
	if at := s.offset(t, path); at != strconv.Itoa(len(data)) {
		t.Errorf("offset %s", at)
	}
	if a := s.post(t, "/api/submit-job", field{name: "uploaded_filename", value: strings.TrimPrefix(path, "/uploads/")}); a.status != http.StatusOK {
		t.Errorf("%d %s", a.status, a.body)
	}
}

// TestJoinedOnce: asking for an upload while its parts are joined does not join them again.
func TestJoinedOnce(t *testing.T) {
	var commits atomic.Int32
	s := newService(t, func(op, key string) error {
		if op == faultbucket.Commit && strings.HasPrefix(key, "inputs/") && strings.HasSuffix(key, ".tif") {
			commits.Add(1)
			time.Sleep(300 * time.Millisecond)
		}
		return nil
	})
	data := hills(t)
	path := s.begin(t, "dem.tif", len(data))
	var wait sync.WaitGroup
	wait.Go(func() {
		if a := s.patch(t, path, 0, data); a.status != http.StatusNoContent {
			t.Errorf("%d %s", a.status, a.body)
		}
	})
	for commits.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	for range 10 {
		wait.Go(func() {
			if at := s.offset(t, path); at != strconv.Itoa(len(data)) {
				t.Errorf("offset %s", at)
			}
		})
	}
	wait.Wait()
	if n := commits.Load(); n != 1 {
		t.Errorf("the parts were joined %d times", n)
	}
}
