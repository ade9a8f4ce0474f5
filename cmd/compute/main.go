// Command compute serves the compute function: CloudEvents in by POST, one at a time.
package main

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"time"

	"github.com/cyverse-gis/eemt/functions/compute/drainage"
	"github.com/cyverse-gis/eemt/functions/compute/replica"

	"github.com/cyverse-gis/eemt/cmd/internal/build"
	"github.com/cyverse-gis/eemt/cmd/internal/capacity"
	"github.com/cyverse-gis/eemt/cmd/internal/climate"
	"github.com/cyverse-gis/eemt/cmd/internal/service"
	"github.com/cyverse-gis/eemt/eventing/httpbinding"
	"github.com/cyverse-gis/eemt/functions/compute"
	"github.com/cyverse-gis/eemt/shared/job"
)

type config struct {
	service.Config
	capacity.Cost
	Version  string `env:"EEMT_VERSION"`
	TileSize int    `env:"EEMT_TILE_SIZE"`
	// LongestStep is what a plan or an assembly may take on this replica, as foreseen, before it is split into tasks.
	LongestStep time.Duration `env:"EEMT_LONGEST_STEP" envDefault:"1m"`
	climate.Hosts
}

// publishing is how many tasks are asked for at a time: a large DEM has thousands, and a broker may take
// a quarter of a second for each.
const publishing = 16

func main() {
	service.Main(func(ctx context.Context, log *slog.Logger) error {
		var c config
		if err := service.Parse(&c); err != nil {
			return err
		}
		if c.TileSize != 0 && (c.TileSize < 32 || c.TileSize > 4096) {
			return fmt.Errorf("EEMT_TILE_SIZE %d: must be 32 to 4096 cells, or 0", c.TileSize)
		}
		if c.LongestStep < 0 || c.LongestStep > time.Hour {
			return fmt.Errorf("EEMT_LONGEST_STEP %s: must be 1s to 1h, or 0s to split all", c.LongestStep)
		}
		longest := cmp.Or(c.LongestStep, -1) // 0 stands for the default there
		cores := runtime.GOMAXPROCS(0)
		cost, err := c.On(cores)
		if err != nil {
			return err
		}
		// A container that is started again after it was killed finds what it had written: a volume outlives it.
		if n, err := replica.SweepTemp("", time.Now()); err != nil {
			log.Warn("removing temporary files of a process before failed", "error", err)
		} else if n > 0 {
			log.Info("removed temporary files of a process that was killed", "files", n)
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
		sources := c.Files(bucket, 5*time.Minute, log)
		s := &compute.Service{
			Store: job.Store{Bucket: bucket}, Events: events, Climate: sources.Open, Threads: cores, Cost: cost,
			Now: time.Now, Log: log, Version: build.Of(c.Version).Version, TileSize: c.TileSize,
			Drainage: drainage.Options{Inline: longest}, AssembleWithin: longest, Publishing: publishing,
		}
		mux := http.NewServeMux()
		mux.HandleFunc("GET /healthz", service.Health)
		mux.Handle("/", senders.Require(httpbinding.NewReceiver(events.Keys.Require(s.Handle), log)))
		return c.Listen(ctx, bucket, mux)
	})
}
