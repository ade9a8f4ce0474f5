// Command cleanup serves the cleanup function: ticks by POST, undeliverable events by POST to /dead-letter.
package main

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/cyverse-gis/eemt/cmd/internal/buckets"
	"github.com/cyverse-gis/eemt/cmd/internal/service"
	"github.com/cyverse-gis/eemt/eventing"
	"github.com/cyverse-gis/eemt/eventing/httpbinding"
	"github.com/cyverse-gis/eemt/functions/cleanup"
	"github.com/cyverse-gis/eemt/shared/job"
)

type config struct {
	service.Config
	cleanup.Settings
}

func main() {
	service.Main(func(ctx context.Context, log *slog.Logger) error {
		var c config
		if err := service.Parse(&c); err != nil {
			return err
		}
		policy, err := c.Policy()
		if err != nil {
			return err
		}
		senders, err := c.EventTokens(log)
		if err != nil {
			return err
		}
		bucket, events, err := c.Connect(ctx, log)
		if err != nil {
			return err
		}
		defer func() { _ = bucket.Close() }()
		defer events.Close()
		s := &cleanup.Service{Store: job.Store{Bucket: bucket}, Events: events, Now: time.Now, Log: log, Policy: policy, Partial: buckets.Remains(c.Bucket, bucket)}
		mux := http.NewServeMux()
		mux.HandleFunc("GET /healthz", service.Health)
		// The sources of ticks have no key.
		mux.Handle("/dead-letter", senders.Require(httpbinding.NewReceiver(events.Keys.Require(s.DeadLetter, eventing.PingTick), log)))
		mux.Handle("/", senders.Require(httpbinding.NewReceiver(events.Keys.Require(s.Handle, eventing.PingTick), log)))
		return c.Listen(ctx, bucket, mux)
	})
}
