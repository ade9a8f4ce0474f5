// Command submission serves the submission function: jobs over HTTP, notices of the bucket by POST to /events.
package main

import (
	"context"
	"crypto/rand"
	"log/slog"
	"time"

	"github.com/cyverse-gis/eemt/cmd/internal/build"
	"github.com/cyverse-gis/eemt/cmd/internal/capacity"
	"github.com/cyverse-gis/eemt/cmd/internal/climate"
	"github.com/cyverse-gis/eemt/cmd/internal/intake"
	"github.com/cyverse-gis/eemt/cmd/internal/service"
	"github.com/cyverse-gis/eemt/functions/cleanup"
	"github.com/cyverse-gis/eemt/functions/submission"
	"github.com/cyverse-gis/eemt/shared/job"
)

type config struct {
	service.Config
	intake.Access
	intake.Quota
	intake.Notices
	// PublicURL is the address by which clients call the service; without it that of each request is believed.
	PublicURL string `env:"EEMT_PUBLIC_URL"`
	Version   string `env:"EEMT_VERSION"`
	MaxUpload int64  `env:"EEMT_MAX_UPLOAD_BYTES" envDefault:"4294967296"`
	// DEMHosts and CallbackHosts may be called on behalf of clients.
	DEMHosts      []string `env:"EEMT_DEM_HOSTS"`
	CallbackHosts []string `env:"EEMT_CALLBACK_HOSTS"`
	// Echo offers the process that tests clients.
	Echo bool `env:"EEMT_ECHO"`
	// Origins are the web origins whose pages may read.
	Origins []string `env:"EEMT_CORS_ORIGINS"`
	// Concurrency is how many requests the platform lets in at a time.
	Concurrency int `env:"EEMT_CONCURRENCY"`
	// MostReplicas is what compute may scale to, to be shown.
	MostReplicas int `env:"EEMT_COMPUTE_MAX_SCALE" envDefault:"20"`
	cleanup.Settings
	// Cost and Replica say which jobs are too large, and what compute takes for the others.
	capacity.Cost
	capacity.Replica
	// Climate lets the climate of a job be inspected before it is made.
	climate.Hosts
}

func main() {
	service.Main(func(ctx context.Context, log *slog.Logger) error {
		var c config
		if err := service.Parse(&c); err != nil {
			return err
		}
		cost, err := c.Of(c.Replica)
		if err != nil {
			return err
		}
		who, err := c.Access.Settings(time.Now, log)
		if err != nil {
			return err
		}
		public, err := intake.Public(c.PublicURL)
		if err != nil {
			return err
		}
		inside, err := c.EventTokens(log)
		if err != nil {
			return err
		}
		senders, err := c.Known(inside, time.Now, log)
		if err != nil {
			return err
		}
		bucket, events, err := c.Connect(ctx, log)
		if err != nil {
			return err
		}
		defer func() { _ = bucket.Close() }()
		defer events.Close()
		sources := c.Files(bucket, time.Minute, log)
		s := submission.New(submission.Config{
			Store: job.Store{Bucket: bucket}, Events: events, Now: time.Now, NewID: intake.IDs(rand.Reader, time.Now),
			Log: log, Version: build.Of(c.Version).Version, MaxUpload: c.MaxUpload, Uploads: intake.Uploads(c.Bucket),
			Access: who, Quota: c.Limits(), EventKeys: events.Keys, EventSenders: inside, Notices: senders,
			DEMHosts: c.DEMHosts, CallbackHosts: c.CallbackHosts, Echo: c.Echo, Stopping: ctx.Done(), Concurrency: c.Concurrency,
			Origins: c.Origins, Execution: "knative", MostReplicas: c.MostReplicas,
			Cleaner: intake.Cleaner{Service: &cleanup.Service{Store: job.Store{Bucket: bucket}, Events: events, Now: time.Now, Log: log}, Settings: c.Settings},
			Climate: sources.Open, Estimate: cost.Estimate, Limits: cost,
		})
		return c.Listen(ctx, bucket, public(s.Handler()))
	})
}
