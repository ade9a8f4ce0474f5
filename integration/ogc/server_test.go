package ogc_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cyverse-gis/eemt/shared/sources"

	"gocloud.dev/blob/memblob"

	"github.com/oklog/ulid/v2"

	"github.com/cyverse-gis/eemt/eventing"
	"github.com/cyverse-gis/eemt/eventing/broker"
	"github.com/cyverse-gis/eemt/functions/cleanup"
	"github.com/cyverse-gis/eemt/functions/compute"
	"github.com/cyverse-gis/eemt/functions/submission"
	"github.com/cyverse-gis/eemt/integration/contract"
	"github.com/cyverse-gis/eemt/shared/dem/demtest"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/outbound"
)

// EEMT_OGC_URL names a server to test in place of the one started here; it must
// offer the echo process. EEMT_OGC_LISTEN is an address, host:port, of this
// machine that the server may call back.
const (
	urlVariable    = "EEMT_OGC_URL"
	listenVariable = "EEMT_OGC_LISTEN"
)

// target is the server under test.
type target struct {
	url        string
	definition *contract.Contract
	subscriber *subscriber
}

var (
	start  sync.Once
	server *target
	stop   []func()
)

func TestMain(m *testing.M) {
	code := m.Run()
	for _, f := range slices.Backward(stop) {
		f()
	}
	os.Exit(code)
}

func under(t *testing.T) *target {
	t.Helper()
	start.Do(func() {
		s := &target{url: strings.TrimRight(os.Getenv(urlVariable), "/")}
		s.subscriber = newSubscriber(t, s.url == "")
		if s.url == "" {
			s.url = serve(t, s.subscriber)
		}
		res, err := http.Get(s.url + "/api")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		data, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		if s.definition, err = contract.Load(data); err != nil {
			t.Fatal(err)
		}
		server = s
	})
	if server == nil {
		t.Fatal("the server did not start")
	}
	return server
}

// serve wires the functions as eemt serve does, with a bucket in memory.
func serve(t *testing.T, sub *subscriber) string {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	bucket := memblob.OpenBucket(nil)
	store := job.Store{Bucket: bucket}
	clean := &cleanup.Service{Store: store, Now: time.Now, Log: log, Policy: cleanup.DefaultPolicy()}
	b := broker.New(broker.Options{DeadLetter: clean.DeadLetter, Logger: log, Backoff: func(int) time.Duration { return time.Millisecond }})
	clean.Events = b
	sources := sources.Files{Bucket: bucket}
	work := &compute.Service{Store: store, Events: b, Climate: sources.Open, Threads: 2, Now: time.Now, Log: log, Version: "test"}
	var mu sync.Mutex
	entropy := ulid.Monotonic(rand.Reader, 0)
	config := submission.Config{
		Store: store, Events: b, Now: time.Now, Log: log, Version: "test", MaxUpload: 1 << 20, Echo: true,
		NewID: func() string {
			mu.Lock()
			defer mu.Unlock()
			return ulid.MustNew(ulid.Now(), entropy).String()
		},
	}
	if sub != nil {
		config.CallbackHosts, config.DEMHosts = outbound.Hosts{sub.host}, outbound.Hosts{sub.host}
	}
	front := submission.New(config)
	b.Subscribe("compute", []string{eventing.JobSubmitted, eventing.TaskRequested, eventing.TilesCompleted}, 1, work.Handle)
	b.Subscribe("callbacks", submission.CallbackEvents(), 1, front.Notify)
	b.Start()
	s := httptest.NewServer(front.Handler())
	stop = append(stop, func() {
		now, cancel := context.WithCancel(context.Background())
		cancel()
		_ = b.Close(now)
		_ = bucket.Close()
	}, s.Close)
	return s.URL
}

// subscriber takes callbacks, and serves a DEM.
type subscriber struct {
	host  string
	url   string
	calls chan call
	// refuse answers so many calls with 503.
	mu     sync.Mutex
	refuse int
}

type call struct {
	path string
	body map[string]any
}

func newSubscriber(t *testing.T, local bool) *subscriber {
	t.Helper()
	address := os.Getenv(listenVariable)
	if address == "" && !local {
		return nil
	}
	if address == "" {
		address = "127.0.0.1:0"
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	s := &subscriber{host: l.Addr().String(), url: "http://" + l.Addr().String(), calls: make(chan call, 64)}
	dem := demtest.Encode(t, demtest.Hills(24, 20))
	h := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			_, _ = w.Write(dem)
			return
		}
		s.mu.Lock()
		refuse := s.refuse > 0
		if refuse {
			s.refuse--
		}
		s.mu.Unlock()
		if refuse {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		var body map[string]any
		_ = json.NewDecoder(r.Body).Decode(&body)
		select {
		case s.calls <- call{r.URL.Path, body}:
		default:
		}
	})}
	go func() { _ = h.Serve(l) }()
	stop = append(stop, func() { _ = h.Close() })
	return s
}

// reply is an answer read to its end.
type reply struct {
	status int
	header http.Header
	body   []byte
}

func (r reply) object(t *testing.T) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal(r.body, &m); err != nil {
		t.Fatalf("%.300q is no JSON object: %v", r.body, err)
	}
	return m
}

// do sends a request and holds the answer against the server's own definition.
func do(t *testing.T, method, path string, body any, header ...string) reply {
	t.Helper()
	s := under(t)
	address := path
	if !strings.HasPrefix(path, "http") {
		address = s.url + path
	}
	var r io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		r = strings.NewReader(b)
	default:
		data, err := json.Marshal(b)
		if err != nil {
			t.Fatal(err)
		}
		r = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, address, r)
	if err != nil {
		t.Fatal(err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	if err := s.definition.Check(method, req.URL.Path, res.StatusCode, res.Header, data); err != nil {
		t.Errorf("%v", err)
	}
	return reply{res.StatusCode, res.Header, data}
}

func get(t *testing.T, path string, header ...string) reply {
	t.Helper()
	return do(t, http.MethodGet, path, nil, header...)
}

// want fails the test unless the status is as wanted.
func (r reply) want(t *testing.T, status int) reply {
	t.Helper()
	if r.status != status {
		t.Fatalf("status %d, want %d: %.500s", r.status, status, r.body)
	}
	return r
}

// problem checks an exception: its media type, status and type.
func (r reply) problem(t *testing.T, status int, kind string) map[string]any {
	t.Helper()
	r.want(t, status)
	m := r.object(t)
	if r.header.Get("Content-Type") != "application/problem+json" || m["status"] != float64(status) || kind != "" && m["type"] != kind {
		t.Errorf("exception %v (%s), want type %s", m, r.header.Get("Content-Type"), kind)
	}
	if d, _ := m["detail"].(string); d == "" {
		t.Errorf("an exception without detail: %v", m)
	}
	return m
}

type link struct{ Href, Rel, Type string }

func links(t *testing.T, v any) []link {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var list []link
	if err := json.Unmarshal(data, &list); err != nil {
		t.Fatalf("links %s: %v", data, err)
	}
	return list
}

// follow finds a link by relation and returns where it leads.
func follow(t *testing.T, v any, rel string) string {
	t.Helper()
	for _, l := range links(t, v) {
		if l.Rel == rel {
			return l.Href
		}
	}
	t.Fatalf("no link %s in %v", rel, v)
	return ""
}

type object = map[string]any

func dem(t *testing.T) string {
	t.Helper()
	return base64.StdEncoding.EncodeToString(demtest.Encode(t, demtest.Hills(24, 20)))
}

const station = "# elevation_m: 2300\nmonth,tmin,tmax,prcp,vp\n1,-12,0,41,210\n2,-4,8,38,340\n3,-6,6,52,330\n4,-2,11,61,450\n5,2,17,44,640\n6,6,23,9,800\n" +
	"7,9,26,66,1050\n8,9,25,71,1020\n9,4,21,48,760\n10,-1,14,43,520\n11,-7,6,40,330\n12,-11,1,45,230\n"

// solRequest is a small job.
func solRequest(t *testing.T, more object) object {
	r := object{"inputs": object{"dem": object{"value": dem(t), "encoding": "base64", "mediaType": "image/tiff; application=geotiff"}, "step": 60, "fresh": true}}
	for k, v := range more {
		r[k] = v
	}
	return r
}

// execute makes a job and returns its id.
func execute(t *testing.T, process string, request any) string {
	t.Helper()
	r := do(t, http.MethodPost, "/processes/"+process+"/execution", request, "Prefer", "respond-async").want(t, http.StatusCreated)
	id, _ := r.object(t)["jobID"].(string)
	if id == "" {
		t.Fatalf("no jobID in %s", r.body)
	}
	return id
}

// await returns the status of a job once it has ended.
func await(t *testing.T, id string) object {
	t.Helper()
	for range 6000 {
		info := get(t, "/jobs/"+id).want(t, http.StatusOK).object(t)
		switch info["status"] {
		case "successful", "failed", "dismissed":
			return info
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("job %s does not end", id)
	return nil
}

var shared struct {
	once sync.Once
	id   string
}

// completed is a job of sol that many tests look at.
func completed(t *testing.T) string {
	t.Helper()
	shared.once.Do(func() {
		id := execute(t, "sol", solRequest(t, nil))
		if info := await(t, id); info["status"] != "successful" {
			t.Fatalf("the job ended as %v", info)
		}
		shared.id = id
	})
	if shared.id == "" {
		t.Fatal("no job was completed")
	}
	return shared.id
}

// processes lists the ids of all processes.
func processes(t *testing.T) []string {
	t.Helper()
	var ids []string
	list, _ := get(t, "/processes?limit=1000").want(t, http.StatusOK).object(t)["processes"].([]any)
	for _, p := range list {
		m, _ := p.(object)
		id, _ := m["id"].(string)
		ids = append(ids, id)
	}
	if len(ids) == 0 {
		t.Fatal("no process is offered")
	}
	return ids
}

func echoOffered(t *testing.T) {
	t.Helper()
	if !slices.Contains(processes(t), "echo") {
		t.Skip("SKIPPED: the server does not offer the process echo")
	}
}

// parameter finds a query parameter in the server's definition.
func parameter(t *testing.T, path, name string) object {
	t.Helper()
	d := get(t, "/api").want(t, http.StatusOK).object(t)
	paths, _ := d["paths"].(object)
	item, _ := paths[path].(object)
	op, _ := item["get"].(object)
	list, _ := op["parameters"].([]any)
	for _, p := range list {
		if m, _ := p.(object); m["name"] == name {
			return m
		}
	}
	t.Fatalf("%s has no query parameter %s", path, name)
	return nil
}

func queryEscape(s string) string { return url.QueryEscape(s) }

func sprint(v any) string { return fmt.Sprint(v) }
