// Package service is what the services have in common: configuration, a bucket, HTTP until they are told to stop.
package service

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
	"syscall"
	"time"

	"gocloud.dev/blob"

	"github.com/cyverse-gis/eemt/cmd/internal/buckets"
	"github.com/cyverse-gis/eemt/eventing/eventmac"
	"github.com/cyverse-gis/eemt/eventing/eventtoken"
	"github.com/cyverse-gis/eemt/eventing/httpbinding"
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
	// EventKey is that by which the services know each other's events; without one they take all. Events that were signed with
	// OtherEventKey are taken too, while a key is changed.
	EventKey      string `env:"EEMT_EVENT_KEY"`
	OtherEventKey string `env:"EEMT_EVENT_KEY_BEFORE"`
	// EventIdentity is a folder with tokens that the cluster gives the service (package eventtoken): one goes with events, and
	// events that come must bring one, made for EventAudience, of one of EventSenders. Without it no token is sent or asked for.
	EventIdentity string   `env:"EEMT_EVENT_IDENTITY"`
	EventAudience string   `env:"EEMT_EVENT_AUDIENCE"`
	EventSenders  []string `env:"EEMT_EVENT_SENDERS"`
	// APIHost and APIPort are where the cluster's API server is; Kubernetes sets them.
	APIHost string `env:"KUBERNETES_SERVICE_HOST"`
	APIPort string `env:"KUBERNETES_SERVICE_PORT" envDefault:"443"`
}

// EventTokens verifies the tokens of events that come; nil takes all events.
func (c Config) EventTokens(log *slog.Logger) (*eventtoken.Verifier, error) {
	if c.EventIdentity == "" {
		return nil, nil
	}
	v, err := eventtoken.New(c.EventIdentity, "https://"+net.JoinHostPort(c.APIHost, c.APIPort), c.EventAudience, c.EventSenders, log)
	if err != nil {
		return nil, fmt.Errorf("EEMT_EVENT_IDENTITY, EEMT_EVENT_AUDIENCE, EEMT_EVENT_SENDERS: %w", err)
	}
	return v, nil
}

// EventKeys are the keys of events, which Connect gives to the publisher; what is received is checked with them.
func (c Config) EventKeys() (eventmac.Keys, error) {
	keys, err := eventmac.New(c.EventKey, c.OtherEventKey)
	if err != nil {
		return keys, fmt.Errorf("EEMT_EVENT_KEY, EEMT_EVENT_KEY_BEFORE: %w", err)
	}
	return keys, nil
}

// Connect opens the bucket and the event sink of a service.
func (c Config) Connect(ctx context.Context, log *slog.Logger) (*blob.Bucket, *httpbinding.Publisher, error) {
	var client *http.Client
	if c.EventIdentity != "" {
		client = eventtoken.Client(c.EventIdentity)
	}
	events, err := httpbinding.NewPublisher(client, c.Sink, log)
	if err != nil {
		return nil, nil, fmt.Errorf("K_SINK: %w", err)
	}
	if events.Keys, err = c.EventKeys(); err != nil {
		return nil, nil, err
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

// Ready answers GET /readyz with 200 if the bucket can be listed, else with 503 and the reason in the log, and passes everything
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
			slog.Warn("the bucket cannot be reached", "error", err) // which is not for whoever asks
			_ = json.NewEncoder(w).Encode(map[string]string{"status": "unavailable", "detail": "the bucket cannot be reached; the log says why"})
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
