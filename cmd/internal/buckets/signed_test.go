package buckets_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"

	"github.com/cyverse-gis/eemt/cmd/internal/buckets"
	"github.com/cyverse-gis/eemt/eventing"
	"github.com/cyverse-gis/eemt/functions/submission"
	"github.com/cyverse-gis/eemt/shared/dem/demtest"
	"github.com/cyverse-gis/eemt/shared/job"
)

// TestSignedUpload brings a DEM past the service: it signs an address of the bucket, the file is put there, and
// becomes a job by its name. What nobody would have taken by the front door is refused then.
func TestSignedUpload(t *testing.T) {
	b, err := buckets.Open(t.Context(), amazon(t))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = b.Close() }()
	n := 0
	s := submission.New(submission.Config{
		Store: job.Store{Bucket: b}, Log: slog.New(slog.DiscardHandler), Version: "test", MaxUpload: 100_000, Now: time.Now,
		NewID:  func() string { n++; return fmt.Sprintf("01JTEST%019d", n) },
		Events: eventing.PublisherFunc(func(context.Context, event.Event) error { return nil }),
	})
	service := httptest.NewServer(s.Handler())
	defer service.Close()
	call := func(path, kind, body string) (int, map[string]any) {
		t.Helper()
		res, err := http.Post(service.URL+path, kind, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		data, err := io.ReadAll(res.Body)
		m := map[string]any{}
		if err == nil {
			err = json.Unmarshal(data, &m)
		}
		if err != nil {
			t.Fatalf("%s: %s %s (%v)", path, res.Status, data, err)
		}
		return res.StatusCode, m
	}
	bring := func(data []byte) string {
		t.Helper()
		status, signed := call("/api/sign-upload", "application/json", fmt.Sprintf(`{"filename":"../my hills.tif","size":%d}`, min(len(data), 100_000)))
		if status != http.StatusOK || signed["method"] != http.MethodPut || signed["expires_in"] != 3600.0 {
			t.Fatalf("%d %v", status, signed)
		}
		at, err := url.Parse(signed["url"].(string))
		if err != nil || at.Query().Get("X-Amz-Signature") == "" || at.Query().Get("X-Amz-Expires") != "3600" {
			t.Errorf("address %v (%v)", at, err)
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, signed["url"].(string), bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		for name, v := range signed["headers"].(map[string]any) {
			req.Header.Set(name, v.(string))
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != http.StatusOK {
			t.Fatalf("the bucket answers %s", res.Status)
		}
		return signed["filename"].(string)
	}
	data := demtest.Encode(t, demtest.Hills(40, 30))
	name := bring(data)
	if status, found := call("/api/check", "application/x-www-form-urlencoded", "uploaded_filename="+name); status != http.StatusOK || found["width"] != 40.0 {
		t.Errorf("inspected: %d %v", status, found)
	}
	status, made := call("/api/submit-job", "application/x-www-form-urlencoded", "step=60&uploaded_filename="+name)
	if status != http.StatusOK {
		t.Fatalf("%d %v", status, made)
	}
	r, err := s.Store.Request(t.Context(), made["job_id"].(string))
	sum := sha256.Sum256(data)
	if err != nil || r.DEM.Size != int64(len(data)) || r.DEM.SHA256 != hex.EncodeToString(sum[:]) || r.DEM.Name != "my_hills.tif" || r.DEM.Key != "inputs/"+name {
		t.Errorf("%+v (%v)", r.DEM, err)
	}
	for what, c := range map[string]struct {
		data   []byte
		status int
		says   string
	}{
		"no TIFF":        {[]byte("<html>"), http.StatusBadRequest, "not a TIFF"},
		"half a TIFF":    {data[:100], http.StatusBadRequest, ""},
		"more than said": {append(data, make([]byte, 200_000)...), http.StatusRequestEntityTooLarge, "larger"},
	} {
		name := bring(c.data)
		for _, path := range []string{"/api/submit-job", "/api/check"} {
			if status, m := call(path, "application/x-www-form-urlencoded", "uploaded_filename="+name); status != c.status || !strings.Contains(fmt.Sprint(m["detail"]), c.says) {
				t.Errorf("%s, %s: %d %v, want %d", what, path, status, m, c.status)
			}
		}
	}
	// An address that was not used is no upload.
	_, signed := call("/api/sign-upload", "application/json", `{"filename":"dem.tif","size":10}`)
	if status, m := call("/api/submit-job", "application/x-www-form-urlencoded", "uploaded_filename="+signed["filename"].(string)); status != http.StatusBadRequest {
		t.Errorf("never brought: %d %v", status, m)
	}
}
