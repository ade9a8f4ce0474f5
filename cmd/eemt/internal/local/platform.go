package local

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/cyverse-gis/eemt/functions/compute/cost"
	"github.com/cyverse-gis/eemt/functions/compute/replica"

	"github.com/cyverse-gis/eemt/shared/sources"

	"github.com/cloudevents/sdk-go/v2/event"
	"gocloud.dev/blob"

	"github.com/cyverse-gis/eemt/cmd/eemt/internal/cli"
	"github.com/cyverse-gis/eemt/cmd/internal/buckets"
	"github.com/cyverse-gis/eemt/cmd/internal/climate"
	"github.com/cyverse-gis/eemt/cmd/internal/intake"
	"github.com/cyverse-gis/eemt/eventing"
	"github.com/cyverse-gis/eemt/eventing/broker"
	"github.com/cyverse-gis/eemt/functions/cleanup"
	"github.com/cyverse-gis/eemt/functions/compute"
	"github.com/cyverse-gis/eemt/functions/submission"
	"github.com/cyverse-gis/eemt/shared/dirbucket"
	"github.com/cyverse-gis/eemt/shared/finding"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/param"
)

// platform is the three functions, a broker and a directory bucket in one process.
type platform struct {
	bucket     *blob.Bucket
	store      job.Store
	broker     *broker.Broker
	submission *submission.Service
	compute    *compute.Service
	cleanup    *cleanup.Service
	// refused is why an event was refused, if one was: its job cannot go on by itself.
	refused atomic.Pointer[string]
}

type platformOptions struct {
	// dir is the directory of the bucket, or the URL of another.
	dir     string
	threads int
	cost    cost.Cost
	// local lets climate sources be files of this machine, and leaves results by themselves: nobody serves them.
	local bool
	// climate says from where climate is read over the network; nil allows all.
	climate  *climate.Hosts
	log      *slog.Logger
	progress func(compute.Progress)
	// findings is told what was noticed about the inputs of a job before it is computed.
	findings func(id string, found finding.List)
	// lost, if not nil, gets the reason of each event of work that was given up.
	lost func(reason string)
	// serving, if not nil, adds what only a server offers to its clients.
	serving func(p *platform, c *submission.Config)
	// room refuses jobs for which disks or memory have no room; nil does not look.
	room func(w param.Workflow, p param.Parameters, width, height int, dem int64) error
}

// climateTimeout bounds a request for climate.
const climateTimeout = 5 * time.Minute

func newPlatform(o platformOptions) (*platform, error) {
	address := o.dir
	if !buckets.IsURL(address) {
		address = "file://" + address
	}
	bucket, err := buckets.Open(context.Background(), address)
	if err != nil {
		return nil, err
	}
	// What a killed process left half written is of no use to anybody.
	if dir, ok := strings.CutPrefix(address, "file://"); ok {
		if _, err := dirbucket.Sweep(dir, time.Now().Add(-24*time.Hour)); err != nil {
			o.log.Warn("removing old temporary files failed", "error", err)
		}
	}
	if _, err := replica.SweepTemp("", time.Now().Add(-24*time.Hour)); err != nil {
		o.log.Warn("removing old temporary files failed", "error", err)
	}
	p := &platform{bucket: bucket, store: job.Store{Bucket: bucket}}
	p.cleanup = &cleanup.Service{Store: p.store, Now: time.Now, Log: o.log, Policy: cleanup.DefaultPolicy(), Partial: buckets.Remains(address, bucket)}
	p.broker = broker.New(broker.Options{DeadLetter: p.deadLetter(o.lost), Logger: o.log})
	p.cleanup.Events = p.broker
	sources := sources.Files{
		Bucket: bucket, Client: &http.Client{Timeout: climateTimeout}, Token: os.Getenv("EEMT_CLIMATE_TOKEN"), Local: o.local, OpenBucket: buckets.Open,
	}
	if o.climate != nil {
		sources = o.climate.Files(bucket, climateTimeout, o.log)
	}
	p.compute = &compute.Service{
		Store: p.store, Events: p.broker, Climate: sources.Open, Threads: o.threads, Cost: o.cost,
		Now: time.Now, Log: o.log, Version: cli.Version, Progress: o.progress, Findings: o.findings, Alone: o.local,
	}
	config := submission.Config{
		Store: p.store, Events: p.broker, Now: time.Now, NewID: intake.IDs(rand.Reader, time.Now), Log: o.log,
		Version: cli.Version, MaxUpload: submission.DefaultMaxUpload, Uploads: intake.Uploads(address),
		Climate: sources.Open, Estimate: o.cost.Estimate, Limits: o.cost, Room: o.room,
	}
	if o.serving != nil {
		o.serving(p, &config)
	}
	p.submission = submission.New(config)
	p.broker.Subscribe("compute", []string{eventing.JobSubmitted, eventing.TaskRequested, eventing.TilesCompleted}, 1, p.compute.Handle)
	p.broker.Subscribe("submission", []string{eventing.PingTick}, 1, p.submission.HandleEvent)
	p.broker.Subscribe("callbacks", submission.CallbackEvents(), callbacksAtOnce, p.submission.Notify)
	p.broker.Subscribe("cleanup", []string{eventing.PingTick}, 1, p.cleanup.Handle)
	return p, nil
}

// deadLetter ends the job of an event that was given up. Where that fails too, as on a full disk, or is left to the next
// tick, lost is how the reason gets out.
func (p *platform) deadLetter(lost func(reason string)) eventing.Handler {
	return func(ctx context.Context, e event.Event) error {
		err := p.cleanup.DeadLetter(ctx, e)
		switch f, ok := eventing.FailureOf(e); {
		case ok && f.Code == http.StatusBadRequest:
			p.refused.Store(&f.Reason)
		case ok && lost != nil:
			lost(f.Reason)
		}
		return err
	}
}

// callbacksAtOnce bounds how many subscribers are told of jobs at a time: one that does not answer holds up its like only.
const callbacksAtOnce = 8

// close ends running work at once: what is not finished is found in the bucket
// when the program starts again.
func (p *platform) close() error {
	now, cancel := context.WithCancel(context.Background())
	cancel()
	if err := p.broker.Close(now); err != nil && !errors.Is(err, broker.ErrAbandoned) {
		return err
	}
	return p.bucket.Close()
}

func newLogger(w io.Writer, verbose bool) *slog.Logger {
	level := slog.LevelInfo
	if verbose {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: level}))
}
