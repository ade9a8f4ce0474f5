package local

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cyverse-gis/eemt/cmd/eemt/internal/cli"
	"github.com/cyverse-gis/eemt/cmd/internal/buckets"
	"github.com/cyverse-gis/eemt/cmd/internal/climate"
	"github.com/cyverse-gis/eemt/cmd/internal/intake"
	"github.com/cyverse-gis/eemt/cmd/internal/service"
	"github.com/cyverse-gis/eemt/eventing"
	"github.com/cyverse-gis/eemt/functions/cleanup"
	"github.com/cyverse-gis/eemt/functions/submission"
	"github.com/cyverse-gis/eemt/functions/submission/quota"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/param"
)

// serveOptions are the flags of eemt serve.
type serveOptions struct {
	doors
	data    string
	threads int
	memory  int
	// climateHosts may be read for climate.
	climateHosts []string
	// demHosts and callbackHosts may be called on behalf of clients.
	demHosts, callbackHosts []string
	origins                 []string
	echo                    bool
	anyRoom                 bool
	verbose                 bool
}

func serveCommand() *cobra.Command {
	o := serveOptions{}
	c := &cobra.Command{
		Use:   "serve",
		Short: "Start a server that takes jobs over HTTP and computes them",
		Long: `serve runs submission, compute and cleanup in one process and keeps jobs in a directory or a bucket. Jobs survive the
process: when it starts again, it continues each job from its finished tiles. A DEM that is copied into the folder uploads
of the directory becomes a job too.`,
		Example: `  eemt serve
  eemt serve --data /srv/eemt --token
  eemt serve --address :443 --tls-cert maps.pem --tls-key maps.key --oidc-issuer https://id.example.org --oidc-audience eemt --oidc-client eemt-page
  eemt serve --data gs://my-maps
  cp dem.tif eemt-data/uploads/
  curl -F workflow_type=sol -F dem_file=@dem.tif http://localhost:5000/api/submit-job`,
		Args: cli.NoArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			return o.serve(c.Context(), newLogger(c.ErrOrStderr(), o.verbose))
		},
	}
	f := c.Flags()
	f.StringVar(&o.address, "address", "localhost:5000", "`host:port` to listen on")
	f.StringVar(&o.data, "data", "eemt-data", "`directory` for jobs and maps, or the URL of a bucket")
	machineFlags(f, &o.threads, &o.memory)
	f.StringSliceVar(&o.climateHosts, "climate-host", []string{"data.ornldaac.earthdata.nasa.gov"}, "https `hosts` that climate rasters may be read from, separated by commas")
	f.StringSliceVar(&o.hosts, "host", nil, "further `names` by which clients call a server on this machine, as through a proxy")
	f.BoolVar(&o.token, "token", false, "let in only who has the token that is printed: for machines with several users")
	f.StringVar(&o.login.Issuer, "oidc-issuer", "", "`address` of the OpenID provider that people log in with: each sees their own jobs")
	f.StringVar(&o.login.Audience, "oidc-audience", "", "`name` that tokens of the provider must be made for")
	f.StringVar(&o.login.ClientID, "oidc-client", "", "`name` of the page and of eemt login at the provider")
	f.StringVar(&o.tlsCert, "tls-cert", "", "`file` with the certificate chain, to serve https")
	f.StringVar(&o.tlsKey, "tls-key", "", "`file` with the key of the certificate")
	f.BoolVar(&o.insecure, "insecure", false, "listen beyond this machine without a token or without https: everybody who reaches the server may do everything")
	f.StringSliceVar(&o.demHosts, "dem-host", nil, "`hosts` that DEMs may be fetched from over https")
	f.StringSliceVar(&o.callbackHosts, "callback-host", nil, "`hosts` that may be called when a job ends")
	f.StringSliceVar(&o.origins, "cors-origin", nil, "web `origins` whose pages may use the API, such as https://example.org; * allows any")
	f.BoolVar(&o.echo, "echo", false, "offer the process echo, for tests of clients")
	f.BoolVar(&o.anyRoom, "no-space-check", false, "take jobs even if the disk or the memory is too small for what they are estimated to take")
	f.BoolVarP(&o.verbose, "verbose", "v", false, "log every step")
	cli.InGroup(f, cli.AccessGroup, "host", "token", "oidc-issuer", "oidc-audience", "oidc-client", "tls-cert", "tls-key", "insecure", "climate-host", "dem-host", "callback-host", "cors-origin", "echo")
	cli.InGroup(f, param.GroupOutput.Title(), "verbose")
	cli.InGroup(f, cli.MachineGroup, "no-space-check")
	cli.Describe(c, cli.LocalExits("stopped by Ctrl-C", "the server could not start or had to stop")[:3],
		cli.TokenVariable, cli.MemoryVariable, cli.TempVariable, cli.DaysVariable, cli.HoursVariable, cli.CacheVariable, cli.BatchVariable, cli.DryRunVariable)
	return c
}

func (o *serveOptions) serve(ctx context.Context, log *slog.Logger) error {
	cost, err := costOf(o.memory, o.threads)
	if err != nil {
		return err
	}
	var keep cleanup.Settings
	if err := service.Parse(&keep); err != nil {
		return cli.WithCode(err, 2)
	}
	var from climate.Hosts
	if err := service.Parse(&from); err != nil {
		return cli.WithCode(err, 2)
	}
	from.Names = o.climateHosts
	policy, err := keep.Policy()
	if err != nil {
		return cli.WithCode(err, 2)
	}
	limits, err := o.people()
	if err != nil {
		return cli.WithCode(err, 2)
	}
	listener, err := o.open()
	if err != nil {
		return err
	}
	who, token, err := o.settings(listener.Addr(), log)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	if err := o.private(log); err != nil {
		return errors.Join(err, listener.Close())
	}
	p, err := newPlatform(platformOptions{
		dir: o.data, threads: o.threads, cost: cost, climate: &from, log: log, room: o.room(cost),
		serving: func(p *platform, c *submission.Config) {
			p.cleanup.Policy = policy
			c.Cleaner = intake.Cleaner{Service: p.cleanup, Settings: keep, NextRun: func() time.Time {
				now := time.Now()
				return now.Add(untilRetention(now))
			}}
			c.Origins, c.Echo, c.DEMHosts, c.CallbackHosts = o.origins, o.echo, o.demHosts, o.callbackHosts
			c.Access, c.Quota, c.Stopping = who, limits, ctx.Done()
		},
	})
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	p.broker.Start()
	// The broker of the process before has forgotten its events.
	if n, err := p.cleanup.Resume(ctx, 0); err != nil {
		log.Error("resuming jobs failed; it is tried again in 5 minutes", "error", err)
	} else if n > 0 {
		log.Info("jobs are continued", "count", n)
	}
	watched, err := o.watch(ctx, p, log)
	if err != nil {
		return errors.Join(err, listener.Close(), p.close())
	}
	go p.tick(ctx, log)
	log.Info("serving", "url", o.url(listener.Addr(), token).String(), "data", o.data, "uploads", watched)
	err = service.Run(ctx, listener, o.guard(token, service.Ready(p.bucket, p.submission.Handler())), grace)
	return errors.Join(err, p.close())
}

// people completes what the flags say of the OpenID provider by the environment of the services, and returns what each owner
// may use: nothing bounds those who need not say who they are.
func (o *serveOptions) people() (quota.Limits, error) {
	given := o.login
	if given.Issuer == "" {
		return quota.Limits{}, nil
	}
	var limits intake.Quota
	if err := errors.Join(service.Parse(&o.login), service.Parse(&limits)); err != nil {
		return quota.Limits{}, err
	}
	o.login.Mode, o.login.Issuer, o.login.Audience, o.login.ClientID = "oidc", given.Issuer, given.Audience, given.ClientID
	return limits.Limits(), nil
}

// private makes the directory of jobs and maps one that only its user may read. One that is there stays as it is.
func (o *serveOptions) private(log *slog.Logger) error {
	if buckets.IsURL(o.data) {
		return nil
	}
	err := os.MkdirAll(o.data, 0o700)
	if err != nil {
		return err
	}
	if info, err := os.Stat(o.data); err == nil && info.Mode().Perm()&0o077 != 0 && runtime.GOOS != "windows" {
		log.Warn("other users of this machine can read the jobs and maps; chmod 700 keeps them out", "data", o.data, "mode", info.Mode().Perm().String())
	}
	return nil
}

// grace is how long requests may go on after Ctrl-C.
const grace = 5 * time.Second

// lookEvery is how often the uploads of a directory are looked at. A directory sends no events, and a look is cheap.
const lookEvery = 2 * time.Second

// watch makes jobs of the files that lie under uploads/ and, in a directory, of those that come. It returns where
// that is.
func (o *serveOptions) watch(ctx context.Context, p *platform, log *slog.Logger) (string, error) {
	look := func() {
		if n, err := p.submission.ScanUploads(ctx); err != nil && ctx.Err() == nil {
			log.Error("reading the uploads failed; it is tried again", "error", err)
		} else if n > 0 {
			log.Info("uploads became jobs", "count", n)
		}
	}
	if buckets.IsURL(o.data) {
		look()
		return strings.TrimSuffix(o.data, "/") + "/" + job.UploadPrefix, nil
	}
	dir := filepath.Join(o.data, filepath.FromSlash(job.UploadPrefix))
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return "", err
	}
	hidden := newUnseen(dir, log)
	go func() {
		for {
			look()
			hidden.look(ctx)
			select {
			case <-ctx.Done():
				return
			case <-time.After(lookEvery):
			}
		}
	}()
	return dir, nil
}

// tick stands in for the PingSources: resume every 5 minutes, retention daily at
// 02:00 UTC.
func (p *platform) tick(ctx context.Context, log *slog.Logger) {
	resume := time.NewTicker(5 * time.Minute)
	defer resume.Stop()
	retention := time.NewTimer(untilRetention(time.Now()))
	defer retention.Stop()
	for {
		task := eventing.TaskResume
		select {
		case <-ctx.Done():
			return
		case <-resume.C:
		case <-retention.C:
			task = eventing.TaskRetention
			retention.Reset(untilRetention(time.Now()))
		}
		if err := p.broker.Publish(ctx, eventing.NewTick("/eemt/serve", task, time.Now())); err != nil {
			log.Error("tick failed", "task", task, "error", err)
		}
	}
}

func untilRetention(now time.Time) time.Duration {
	now = now.UTC()
	next := time.Date(now.Year(), now.Month(), now.Day(), 2, 0, 0, 0, time.UTC)
	if !next.After(now) {
		next = next.AddDate(0, 0, 1)
	}
	return next.Sub(now)
}
