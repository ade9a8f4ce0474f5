// Package serving holds what the programs share: they read configuration, open a bucket, serve HTTP until told to stop.
package serving

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/oklog/ulid/v2"
	"gocloud.dev/blob"

	"github.com/cyverse-gis/eemt/cmd/internal/buckets"
	"github.com/cyverse-gis/eemt/eventing/httpbinding"
	"github.com/cyverse-gis/eemt/functions/cleanup"
	"github.com/cyverse-gis/eemt/functions/submission"
)

// Config is what every service reads from the environment.
type Config struct {
	// Port to listen on; Knative sets it.
	Port int `env:"PORT" envDefault:"8080"`
	// Bucket is the URL of a bucket whose driver the program links (package buckets).
	Bucket string `env:"EEMT_BUCKET,required"`
	// Sink is where events go; a Knative SinkBinding sets it.
	Sink string `env:"K_SINK,required"`
	// Grace is how long requests may go on after SIGTERM before their contexts end. The pod's own grace period must be
	// longer by some seconds.
	Grace time.Duration `env:"EEMT_GRACE" envDefault:"20s"`
}

// Retention is how long jobs are kept, under the old cleaner's names.
type Retention struct {
	Days   int  `env:"EEMT_SUCCESS_RETENTION_DAYS" envDefault:"7"`
	Hours  int  `env:"EEMT_FAILED_RETENTION_HOURS" envDefault:"12"`
	DryRun bool `env:"EEMT_DRY_RUN"`
	// ResumeAfter is how long a job may stand still before its missing work is asked for again; 0 means the default.
	ResumeAfter time.Duration `env:"EEMT_RESUME_AFTER"`
	// CacheDays is how long what was read over the network is kept after its last use; 0 means the default.
	CacheDays int `env:"EEMT_CACHE_RETENTION_DAYS" envDefault:"7"`
	// Batch is how many jobs one pass removes at most; 0 means the default.
	Batch int `env:"EEMT_CLEANUP_BATCH_SIZE" envDefault:"1000"`
}

// Policy checks the values.
func (r Retention) Policy() (cleanup.Policy, error) {
	p := cleanup.DefaultPolicy()
	if r.Days < 0 || r.Days > 36500 {
		return p, fmt.Errorf("success-retention-days %d: must be 0 to 36500", r.Days)
	}
	if r.Hours < 0 || r.Hours > 876000 {
		return p, fmt.Errorf("failed-retention-hours %d: must be 0 to 876000", r.Hours)
	}
	if r.Batch < 0 || r.Batch > 100000 {
		return p, fmt.Errorf("batch-size %d: must be 1 to 100000, or 0 for the default", r.Batch)
	}
	p.Batch = r.Batch
	if r.CacheDays < 0 || r.CacheDays > 36500 {
		return p, fmt.Errorf("cache-retention-days %d: must be 1 to 36500, or 0 for the default", r.CacheDays)
	}
	p.Cached = time.Duration(r.CacheDays) * 24 * time.Hour
	if r.ResumeAfter != 0 {
		if r.ResumeAfter < time.Second || r.ResumeAfter > p.GiveUp/2 {
			return p, fmt.Errorf("resume-after %s: must be 1s to %s", r.ResumeAfter, p.GiveUp/2)
		}
		p.Quiet = r.ResumeAfter
	}
	p.Completed, p.Failed, p.DryRun = time.Duration(r.Days)*24*time.Hour, time.Duration(r.Hours)*time.Hour, r.DryRun
	return p, nil
}

// settle is how long a file in a directory must lie unchanged before it is read: unlike in an object store it can be
// seen while it is written.
const settle = 5 * time.Second

// Uploads returns how the files dropped into the bucket of a URL are watched.
func Uploads(address string) submission.Uploads {
	name, prefix := buckets.Place(address)
	u := submission.Uploads{Bucket: name, Prefix: prefix, Generation: buckets.Generation}
	if strings.HasPrefix(address, "file://") {
		u.Settle = settle
	}
	return u
}

// Partial returns what removes the remains of writers that died from the bucket of a URL, which b is.
func Partial(address string, b *blob.Bucket) func(ctx context.Context, before time.Time, dry bool, f func(name string, bytes int64)) error {
	return func(ctx context.Context, before time.Time, dry bool, f func(name string, bytes int64)) error {
		return buckets.Partial(ctx, address, b, before, dry, f)
	}
}

// Connect opens the bucket and the event sink of a service.
func (c Config) Connect(ctx context.Context, log *slog.Logger) (*blob.Bucket, *httpbinding.Publisher, error) {
	events, err := httpbinding.NewPublisher(nil, c.Sink, log)
	if err != nil {
		return nil, nil, fmt.Errorf("K_SINK: %w", err)
	}
	b, err := buckets.Open(ctx, c.Bucket)
	if err != nil {
		return nil, nil, fmt.Errorf("EEMT_BUCKET: %w", err)
	}
	return b, events, nil
}

// Main runs a service until SIGTERM: run gets the context that it ends, and a
// logger of JSON lines.
func Main(run func(ctx context.Context, log *slog.Logger) error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	level, err := logLevel(os.Getenv("EEMT_LOG_LEVEL"))
	log := slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
	if err == nil {
		err = run(ctx, log)
	}
	if err != nil {
		log.Error("stopped", "error", err)
		stop()
		os.Exit(1) //nolint:gocritic // stop has run
	}
}

func logLevel(name string) (level slog.Level, err error) {
	if name == "" {
		return slog.LevelInfo, nil
	}
	if err := level.UnmarshalText([]byte(name)); err != nil {
		return level, fmt.Errorf("EEMT_LOG_LEVEL %q: must be debug, info, warn or error", name)
	}
	return level, nil
}

// Listen serves h on the port until ctx ends, with /readyz before it.
func (c Config) Listen(ctx context.Context, b *blob.Bucket, h http.Handler) error {
	if c.Grace < 0 || c.Grace > time.Hour {
		return fmt.Errorf("EEMT_GRACE %v: must be 0s to 1h", c.Grace)
	}
	listener, err := net.Listen("tcp", fmt.Sprintf(":%d", c.Port))
	if err != nil {
		return err
	}
	return Run(ctx, listener, Ready(b, h), c.Grace)
}

// last is how long handlers may take to return after their contexts ended.
const last = 5 * time.Second

// Run serves h until ctx ends. Then it takes no more requests, and those under way have grace to finish. After that
// their contexts end: an event handler then gives up its work and answers 503, so that the event is delivered again.
func Run(ctx context.Context, listener net.Listener, h http.Handler, grace time.Duration) error {
	requests, abandon := context.WithCancel(context.WithoutCancel(ctx))
	defer abandon()
	server := &http.Server{
		Handler: h, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute,
		BaseContext: func(net.Listener) context.Context { return requests },
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	for _, patience := range []time.Duration{grace, last} {
		waiting, stop := context.WithTimeout(requests, patience)
		err := server.Shutdown(waiting)
		stop()
		if !errors.Is(err, context.DeadlineExceeded) {
			return err
		}
		abandon()
		requests = context.WithoutCancel(ctx)
	}
	return server.Close()
}

// readyTime bounds the look at the bucket that readiness takes.
const readyTime = 5 * time.Second

// Ready answers GET /readyz with 200 if the bucket can be listed, else with 503 and the reason, and passes everything
// else to h.
func Ready(b *blob.Bucket, h http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", h)
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), readyTime)
		defer cancel()
		w.Header().Set("Content-Type", "application/json")
		ok, err := b.IsAccessible(ctx)
		if err == nil && !ok {
			err = errors.New("there is no such bucket, or it may not be read")
		}
		if err != nil {
			w.WriteHeader(http.StatusServiceUnavailable)
			_ = json.NewEncoder(w).Encode(map[string]string{"status": "unavailable", "detail": "bucket: " + err.Error()})
			return
		}
		_, _ = io.WriteString(w, `{"status":"ready"}`+"\n")
	})
	return mux
}

// Health answers probes.
func Health(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, `{"status":"healthy"}`+"\n")
}

// IDs returns a source of ULIDs that never repeats or goes back within the process.
func IDs(entropy io.Reader, now func() time.Time) func() string {
	var mu sync.Mutex
	monotonic := ulid.Monotonic(entropy, 0)
	return func() string {
		mu.Lock()
		defer mu.Unlock()
		return ulid.MustNew(ulid.Timestamp(now()), monotonic).String()
	}
}
