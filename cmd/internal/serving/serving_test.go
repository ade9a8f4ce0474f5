package serving_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"gocloud.dev/blob/memblob"

	"github.com/cyverse-gis/eemt/cmd/internal/serving"
	"github.com/cyverse-gis/eemt/integration/faultbucket"
	"github.com/cyverse-gis/eemt/shared/job"
)

func TestPolicy(t *testing.T) {
	for _, c := range []struct {
		name string
		r    serving.Retention
		want string
	}{
		{"at once", serving.Retention{}, ""},
		{"longest", serving.Retention{Days: 36500, Hours: 876000}, ""},
		{"negative days", serving.Retention{Days: -1}, "success-retention-days -1: must be 0 to 36500"},
		{"too many days", serving.Retention{Days: 36501}, "success-retention-days 36501"},
		{"negative hours", serving.Retention{Hours: -1}, "failed-retention-hours -1: must be 0 to 876000"},
		{"too many hours", serving.Retention{Hours: 1 << 40}, "failed-retention-hours"},
		{"too large a batch", serving.Retention{Batch: 100001}, "batch-size 100001: must be 1 to 100000"},
		{"cache for ever", serving.Retention{CacheDays: 36501}, "cache-retention-days 36501: must be 1 to 36500"},
		{"soon again", serving.Retention{ResumeAfter: time.Second}, ""},
		{"at once again", serving.Retention{ResumeAfter: time.Millisecond}, "resume-after 1ms: must be 1s to 12h0m0s"},
		{"never again", serving.Retention{ResumeAfter: 13 * time.Hour}, "resume-after 13h0m0s"},
	} {
		p, err := c.r.Policy()
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
		if err == nil && (p.Completed != time.Duration(c.r.Days)*24*time.Hour || p.Failed != time.Duration(c.r.Hours)*time.Hour || p.Completed < 0) {
			t.Errorf("%s: %+v", c.name, p)
		}
	}
}

// TestIDs asks many times within a millisecond.
func TestIDs(t *testing.T) {
	now := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	next := serving.IDs(rand.Reader, func() time.Time { return now })
	var ids []string
	for i := range 2000 {
		if i == 1000 {
			now = now.Add(time.Second)
		}
		ids = append(ids, next())
	}
	if !slices.IsSorted(ids) || len(slices.Compact(slices.Clone(ids))) != len(ids) {
		t.Error("ids repeat or go back")
	}
	for _, id := range ids {
		if !job.ValidID(id) {
			t.Fatalf("%q is no job id", id)
		}
	}
}

// TestRunLetsRequestsFinish ends the server while a request is answered.
func TestRunLetsRequestsFinish(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	begun := make(chan struct{})
	ended := make(chan error, 1)
	go func() {
		ended <- serving.Run(ctx, listener, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			close(begun)
			<-ctx.Done()
			_, _ = io.WriteString(w, "whole")
		}), time.Minute)
	}()
	go func() {
		<-begun
		stop()
	}()
	res, err := http.Get("http://" + listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if data, err := io.ReadAll(res.Body); err != nil || !bytes.Equal(data, []byte("whole")) {
		t.Errorf("%q (%v)", data, err)
	}
	if err := <-ended; err != nil {
		t.Errorf("the server ended with %v", err)
	}
}

// TestRunAbandonsRequests ends the server while a request would go on for ever.
func TestRunAbandonsRequests(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	begun := make(chan struct{})
	ended := make(chan error, 1)
	go func() {
		ended <- serving.Run(ctx, listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			close(begun)
			<-r.Context().Done()
			w.WriteHeader(http.StatusServiceUnavailable)
		}), 10*time.Millisecond)
	}()
	go func() {
		<-begun
		stop()
	}()
	res, err := http.Get("http://" + listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("answer %s, want 503", res.Status)
	}
	if err := <-ended; err != nil {
		t.Errorf("the server ended with %v", err)
	}
	if res, err := http.Get("http://" + listener.Addr().String()); err == nil {
		_ = res.Body.Close()
		t.Error("the server still answers")
	}
}

func TestReady(t *testing.T) {
	b := memblob.OpenBucket(nil)
	var away error
	h := serving.Ready(faultbucket.Wrap(b, func(string, string) error { return away }), http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "the service")
	}))
	for _, c := range []struct {
		path, want string
		away       error
		status     int
	}{
		{"/readyz", `{"status":"ready"}`, nil, 200},
		{"/readyz", "the store is away", errors.New("the store is away"), 503},
		{"/api/jobs", "the service", errors.New("the store is away"), 200},
	} {
		away = c.away
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, c.path, nil))
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.want) {
			t.Errorf("%s: %d %s", c.path, w.Code, w.Body)
		}
	}
}
