package httpbinding

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/binding"
	"github.com/cloudevents/sdk-go/v2/client"
	cecontext "github.com/cloudevents/sdk-go/v2/context"
	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/cloudevents/sdk-go/v2/protocol"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"

	"github.com/cyverse-gis/eemt/eventing"
)

var (
	at     = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	sample = eventing.NewTaskRequested("/test", eventing.Task{JobID: "job", Kind: "tiles", Task: "r0c0", Attempt: 1}, at)
)

func TestReceiveFromSDKClient(t *testing.T) {
	for _, mode := range []struct {
		name string
		ctx  func(context.Context) context.Context
	}{{"binary", binding.WithForceBinary}, {"structured", binding.WithForceStructured}} {
		for _, c := range []struct {
			name   string
			err    error
			status int
		}{
			{"done", nil, 202},
			{"rejected", eventing.Reject(errors.New("step 90: must be 1 to 60 minutes")), 400},
			{"passing fault", errors.New("bucket unreachable"), 503},
		} {
			t.Run(mode.name+"/"+c.name, func(t *testing.T) {
				var got atomic.Pointer[event.Event]
				var log bytes.Buffer
				srv := httptest.NewServer(NewReceiver(func(_ context.Context, e event.Event) error { got.Store(&e); return c.err }, slog.New(slog.NewTextHandler(&log, nil))))
				defer srv.Close()
				p, err := cehttp.New()
				if err != nil {
					t.Fatal(err)
				}
				cl, err := client.New(p)
				if err != nil {
					t.Fatal(err)
				}
				res := cl.Send(mode.ctx(cecontext.WithTarget(t.Context(), srv.URL)), sample)
				var status *cehttp.Result
				if !protocol.ResultAs(res, &status) || status.StatusCode != c.status {
					t.Errorf("result %v, want status %d", res, c.status)
				}
				if c.err != nil && !strings.Contains(res.Error(), c.err.Error()) {
					t.Errorf("result %v does not say %q", res, c.err)
				}
				if e := got.Load(); e == nil || e.String() != sample.String() {
					t.Errorf("received\n%vwant\n%s", e, sample)
				}
				if c.err == nil && log.Len() > 0 || c.err != nil && (!strings.Contains(log.String(), c.err.Error()) || !strings.Contains(log.String(), sample.ID())) {
					t.Errorf("the log says %q of %v", log.String(), c.err)
				}
			})
		}
	}
}

func TestReceiverRefuses(t *testing.T) {
	const structured = "application/cloudevents+json"
	good := `{"specversion":"1.0","id":"1","source":"/s","type":"t"}`
	binary := http.Header{"Ce-Specversion": {"1.0"}, "Ce-Id": {"1"}, "Ce-Source": {"/s"}, "Ce-Type": {"t"}}
	with := func(name string, values ...string) http.Header {
		h := binary.Clone()
		if values == nil {
			h.Del(name)
		} else {
			h[name] = values
		}
		return h
	}
	ct := func(s string) http.Header { return http.Header{"Content-Type": {s}} }
	for _, c := range []struct {
		name, method string
		header       http.Header
		body         string
		status       int
	}{
		{"good binary", "POST", binary, `{}`, 202},
		{"good structured", "POST", ct(structured + "; charset=utf-8"), good, 202},
		{"GET", "GET", binary, ``, 405},
		{"OPTIONS", "OPTIONS", binary, ``, 405},
		{"no event at all", "POST", ct("application/json"), `{}`, 415},
		{"batch", "POST", ct("application/cloudevents-batch+json"), `[` + good + `]`, 415},
		{"unknown format", "POST", ct("application/cloudevents+protobuf"), `x`, 415},
		{"no id", "POST", with("Ce-Id"), ``, 400},
		{"no source", "POST", with("Ce-Source"), ``, 400},
		{"bad time", "POST", with("Ce-Time", "yesterday"), ``, 400},
		{"id twice", "POST", with("Ce-Id", "1", "2"), ``, 400},
		{"header without a name", "POST", with("Ce-", "x"), ``, 400},
		{"bad extension name", "POST", with("Ce-A_b", "x"), ``, 400},
		{"version 0.3", "POST", with("Ce-Specversion", "0.3"), ``, 400},
		{"version 2.0", "POST", with("Ce-Specversion", "2.0"), ``, 415},
		{"not JSON", "POST", ct(structured), `{`, 400},
		{"empty", "POST", ct(structured), ``, 400},
		{"array", "POST", ct(structured), `[]`, 400},
		{"null", "POST", ct(structured), `null`, 400},
		{"numbers for attributes", "POST", ct(structured), `{"specversion":1,"id":2,"source":3,"type":4}`, 400},
		{"no version", "POST", ct(structured), `{"id":"1","source":"/s","type":"t"}`, 400},
		{"bad base64", "POST", ct(structured), good[:len(good)-1] + `,"data_base64":"%%"}`, 400},
		{"too large", "POST", binary, strings.Repeat("x", MaxBody+1), 413},
		{"largest", "POST", binary, strings.Repeat("x", MaxBody), 202},
	} {
		t.Run(c.name, func(t *testing.T) {
			called := false
			r := NewReceiver(func(context.Context, event.Event) error { called = true; return nil }, nil)
			req := httptest.NewRequest(c.method, "/", strings.NewReader(c.body))
			req.Header = c.header.Clone()
			w := httptest.NewRecorder()
			r.ServeHTTP(w, req)
			if w.Code != c.status {
				t.Errorf("status %d (%s), want %d", w.Code, w.Body, c.status)
			}
			if called != (c.status == 202) {
				t.Errorf("handler called: %v", called)
			}
			if c.status == 202 && w.Body.Len() > 0 {
				t.Errorf("body %q after success, which a broker would take for a reply", w.Body)
			}
			if c.status != 202 && (w.Body.Len() == 0 || strings.Contains(w.Body.String(), "\n")) {
				t.Errorf("refused with %q, want one sentence", w.Body)
			}
		})
	}
}

func TestPanicIsAnswered(t *testing.T) {
	var log bytes.Buffer
	r := NewReceiver(func(context.Context, event.Event) error { panic("secret detail") }, slog.New(slog.NewTextHandler(&log, nil)))
	srv := httptest.NewServer(r)
	defer srv.Close()
	p, err := NewPublisher(nil, srv.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	p.sleep = func(context.Context, time.Duration) error { return nil }
	err = p.Publish(t.Context(), sample)
	if err == nil || !strings.Contains(err.Error(), "500") || strings.Contains(err.Error(), "secret") {
		t.Errorf("error %v, want status 500 without the detail", err)
	}
	if !strings.Contains(log.String(), "secret detail") {
		t.Errorf("log %q does not tell the panic", log.String())
	}
}

func TestPublisher(t *testing.T) {
	for _, c := range []struct {
		name     string
		statuses []int
		ok       bool
		requests int
	}{
		{"accepted", []int{202}, true, 1},
		{"broker not there yet", []int{404, 503, 202}, true, 3},
		{"never", []int{503, 503, 503, 503, 202}, false, 4},
		{"refused", []int{400, 202}, false, 1},
		{"redirected", []int{307, 202}, false, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			var n atomic.Int32
			var sent atomic.Pointer[event.Event]
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				i := int(n.Add(1)) - 1
				got, _ := binding.ToEvent(req.Context(), cehttp.NewMessageFromHttpRequest(req))
				sent.Store(got)
				if req.Header.Get("Ce-Id") == "" {
					t.Error("not sent in binary mode")
				}
				w.Header().Set("Location", "http://127.0.0.1:1/")
				w.WriteHeader(c.statuses[i])
			}))
			defer srv.Close()
			p, err := NewPublisher(srv.Client(), srv.URL, nil)
			if err != nil {
				t.Fatal(err)
			}
			var waits []time.Duration
			p.sleep = func(_ context.Context, d time.Duration) error { waits = append(waits, d); return nil }
			err = p.Publish(t.Context(), sample)
			if (err == nil) != c.ok || int(n.Load()) != c.requests || eventing.IsRejected(err) {
				t.Errorf("error %v after %d requests, want success %v after %d", err, n.Load(), c.ok, c.requests)
			}
			if len(waits) != c.requests-1 || !slices.IsSorted(waits) {
				t.Errorf("waits %v", waits)
			}
			if got := sent.Load(); got == nil || got.String() != sample.String() {
				t.Errorf("sent\n%vwant\n%s", got, sample)
			}
		})
	}
}

// TestPublishDoesNotWaitForWork has a sink that answers when the work is done, as Knative's in-memory channel does.
func TestPublishDoesNotWaitForWork(t *testing.T) {
	var requests atomic.Int32
	release := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		n := requests.Add(1)
		select {
		case <-release:
		case <-req.Context().Done():
			t.Error("the work was cancelled")
		}
		if n <= 2 { // both fail at first
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer srv.Close()
	p, err := NewPublisher(srv.Client(), srv.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	p.sleep = func(context.Context, time.Duration) error { return nil }
	p.patience = time.Millisecond
	ctx, cancel := context.WithCancel(t.Context())
	for range 2 {
		if err := p.Publish(ctx, sample); err != nil {
			t.Error(err)
		}
	}
	cancel() // the event that asked for this is done with
	close(release)
	p.Close()
	if n := requests.Load(); n != 4 {
		t.Errorf("%d requests, want two that fail and two more", n)
	}
}

// What is lost when nobody waits any more is in the log.
func TestLateLossIsLogged(t *testing.T) {
	release := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		<-release
		http.Error(w, "no room", http.StatusBadRequest)
	}))
	defer srv.Close()
	var log bytes.Buffer
	p, err := NewPublisher(srv.Client(), srv.URL, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	p.patience = time.Millisecond
	if err := p.Publish(t.Context(), sample); err != nil {
		t.Fatal(err)
	}
	close(release)
	p.Close()
	if s := log.String(); !strings.Contains(s, sample.ID()) || !strings.Contains(s, "no room") {
		t.Errorf("log %q", s)
	}
}

func TestPublisherRefuses(t *testing.T) {
	for _, sink := range []string{"", "broker", "ftp://x/", "http://", "://", "/path"} {
		if _, err := NewPublisher(nil, sink, nil); err == nil {
			t.Errorf("sink %q was taken", sink)
		}
	}
	p, err := NewPublisher(nil, "http://127.0.0.1:1/", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Publish(t.Context(), event.New()); !eventing.IsRejected(err) {
		t.Errorf("invalid event: error %v, want a rejection", err)
	}
	tries := 0
	p.sleep = func(context.Context, time.Duration) error { tries++; return nil }
	if err := p.Publish(t.Context(), sample); err == nil || eventing.IsRejected(err) || tries != publishTries-1 {
		t.Errorf("nobody listens: error %v after %d pauses", err, tries)
	}
}

// FuzzReceiver feeds raw requests, headers included: no panic may reach the recovery and no bad request the handler.
func FuzzReceiver(f *testing.F) {
	f.Add([]byte("POST / HTTP/1.1\r\nHost: x\r\nCe-Id: 1\r\nCe-Source: /s\r\nCe-Type: t\r\nCe-Specversion: 1.0\r\nCe-X: y\r\nContent-Length: 2\r\n\r\n{}"))
	f.Add([]byte("POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/cloudevents+json\r\nContent-Length: 55\r\n\r\n" + `{"specversion":"1.0","id":"1","source":"/s","type":"t"}`))
	f.Add([]byte("POST / HTTP/1.1\r\nHost: x\r\nCe-: 1\r\nCe-Specversion: 1.0\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"))
	f.Add([]byte("POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/cloudevents-batch+json\r\n\r\n[]"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		req, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(raw)))
		if err != nil {
			return
		}
		var log bytes.Buffer
		r := NewReceiver(func(_ context.Context, e event.Event) error {
			if e.Validate() != nil || e.SpecVersion() != "1.0" {
				t.Errorf("handler got %s", e)
			}
			return nil
		}, slog.New(slog.NewTextHandler(&log, nil)))
		w := httptest.NewRecorder()
		r.ServeHTTP(w, req)
		if log.Len() > 0 {
			t.Error(log.String())
		}
		if w.Code != 202 && (w.Code < 400 || w.Code > 499) {
			t.Errorf("status %d", w.Code)
		}
	})
}

// FuzzStructured goes deeper into the SDK's JSON decoding than whole requests get.
func FuzzStructured(f *testing.F) {
	f.Add([]byte(`{"specversion":"1.0","id":"1","source":"/s","type":"t","data":{"a":1},"time":"2026-01-01T00:00:00Z","x":true}`))
	f.Add([]byte(`{"data_base64":"AA==","specversion":"1.0","id":"1","source":"/s","type":"t","datacontenttype":"a/b"}`))
	f.Add([]byte(`{"specversion":"0.3","id":"1"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var log bytes.Buffer
		r := NewReceiver(func(context.Context, event.Event) error { return nil }, slog.New(slog.NewTextHandler(&log, nil)))
		req := httptest.NewRequest(http.MethodPost, "/", io.NopCloser(bytes.NewReader(body)))
		req.Header.Set("Content-Type", "application/cloudevents+json")
		w := httptest.NewRecorder()
		r.ServeHTTP(w, req)
		if log.Len() > 0 || w.Code == 500 {
			t.Error(w.Code, log.String())
		}
	})
}
