package service_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"gocloud.dev/blob/memblob"

	"github.com/cyverse-gis/eemt/cmd/internal/service"
	"github.com/cyverse-gis/eemt/integration/faultbucket"
)

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
		ended <- service.Run(ctx, listener, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
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
		ended <- service.Run(ctx, listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
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
	h := service.Ready(faultbucket.Wrap(b, func(string, string) error { return away }), http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "the service")
	}))
	for _, c := range []struct {
		path, want string
		away       error
		status     int
	}{
		{"/readyz", `{"status":"ready"}`, nil, 200},
		{"/readyz", "the bucket cannot be reached", errors.New("the store is away"), 503},
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
