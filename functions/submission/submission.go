// Package submission takes work in: it stores the DEM, writes the job's record, announces the job.
package submission

import (
	"context"
	"io"
	"log/slog"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"

	"golang.org/x/time/rate"

	"github.com/cyverse-gis/eemt/eventing"
	"github.com/cyverse-gis/eemt/eventing/eventmac"
	"github.com/cyverse-gis/eemt/eventing/eventtoken"
	"github.com/cyverse-gis/eemt/functions/submission/access"
	"github.com/cyverse-gis/eemt/functions/submission/answer"
	"github.com/cyverse-gis/eemt/functions/submission/catalogue"
	"github.com/cyverse-gis/eemt/functions/submission/dropped"
	"github.com/cyverse-gis/eemt/functions/submission/inputs"
	"github.com/cyverse-gis/eemt/functions/submission/joblist"
	"github.com/cyverse-gis/eemt/functions/submission/legacy"
	"github.com/cyverse-gis/eemt/functions/submission/notices"
	"github.com/cyverse-gis/eemt/functions/submission/ogc"
	"github.com/cyverse-gis/eemt/functions/submission/progress"
	"github.com/cyverse-gis/eemt/functions/submission/quota"
	"github.com/cyverse-gis/eemt/functions/submission/results"
	"github.com/cyverse-gis/eemt/functions/submission/retention"
	"github.com/cyverse-gis/eemt/functions/submission/slots"
	"github.com/cyverse-gis/eemt/functions/submission/submit"
	"github.com/cyverse-gis/eemt/functions/submission/upload"
	"github.com/cyverse-gis/eemt/shared/climate"
	"github.com/cyverse-gis/eemt/shared/inspect"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/job/inuse"
	"github.com/cyverse-gis/eemt/shared/outbound"
	"github.com/cyverse-gis/eemt/shared/param"
)

// DefaultMaxUpload is the largest DEM taken in, in bytes.
const DefaultMaxUpload = 4 << 30

// Config is what the function works with.
type Config struct {
	Store  job.Store
	Events eventing.Publisher
	Now    func() time.Time
	// NewID returns a fresh ULID.
	NewID func() string
	Log   *slog.Logger
	// Version of the program.
	Version string
	// MaxUpload bounds a file, in bytes.
	MaxUpload int64
	// Uploads says how dropped files become jobs.
	Uploads dropped.Settings
	// Echo offers the process that gives back its inputs, for tests of clients.
	Echo bool
	// DEMHosts are the hosts that a DEM may be fetched from; none by default.
	DEMHosts outbound.Hosts
	// CallbackHosts are the hosts of subscribers that may be called; none by default.
	CallbackHosts outbound.Hosts
	// Concurrency is how many requests are let in at a time; 0 if that is not known. Streams of progress take a quarter at most.
	Concurrency int
	// Stopping ends the streams of progress when it is closed; nil never does.
	Stopping <-chan struct{}
	// Stall is how long a body may bring nothing before the request is ended; 0 means a minute.
	Stall time.Duration
	// Origins are the web origins whose pages may read, as in "https://example.org";
	// "*" means any. None by default.
	Origins []string
	// Access says who may use the service.
	Access access.Settings
	// Quota bounds the jobs of each owner who has no limits of their own.
	Quota quota.Limits
	// EventKeys are those by which the events of the platform's functions are known; without one all are taken.
	EventKeys eventmac.Keys
	// EventSenders verifies the tokens of who sends those events; nil asks for none.
	EventSenders *eventtoken.Verifier
	// Notices are the senders of notices of stored objects; everybody by default.
	Notices notices.Senders
	// Cleaner removes old jobs on request; nil offers nothing of the kind.
	Cleaner retention.Cleaner
	// Execution tells how work is done, "local" or "knative", MostReplicas on how many.
	Execution    string
	MostReplicas int
	// Climate opens climate files to inspect; nil leaves the climate out.
	Climate climate.Opener
	// Estimate tells what a job takes; may be nil.
	Estimate func(w param.Workflow, p param.Parameters, width, height int) inspect.Work
	// Limits refuses jobs that are too large; nil allows all.
	Limits submit.Limits
	// Room refuses a job on a DEM of width x height cells, in a file of dem bytes, for which there is no room; nil
	// does not look.
	Room func(w param.Workflow, p param.Parameters, width, height int, dem int64) error
}

// Service takes jobs in and shows them. It never computes.
type Service struct {
	Config
	answer  answer.Writer
	inputs  *inputs.Store
	submit  *submit.Submitter
	upload  *upload.Server
	dropped *dropped.Watcher
	jobs    joblist.Reader
	pins    retention.Pins
	// processes are those that clients may execute.
	processes ogc.Catalogue
	catalogue *catalogue.Catalogue
	files     *results.Files
	maps      *results.Maps
	forms     forms
	pages     pages
	documents ogc.Documents
	ogc       ogc.Jobs
	legacy    *legacy.API
	guard     *access.Guard
	quota     quota.Book
	streams   *progress.Streams
	callbacks *progress.Callbacks
	// ticks bounds the passes that ticks over HTTP make.
	ticks *rate.Limiter
}

// New wires the function.
func New(c Config) *Service {
	s := &Service{Config: c, answer: answer.Writer{Log: c.Log}, jobs: joblist.Reader{Store: c.Store, Now: c.Now}}
	s.ticks = rate.NewLimiter(rate.Every(pauseOfTicks), mostTicks)
	s.guard = access.NewGuard(access.Guard{
		Settings: c.Access, Store: c.Store, Now: c.Now, Log: c.Log, Answer: s.answer,
		Keys:   access.Keys{Bucket: c.Store.Bucket, Now: c.Now, NewID: c.NewID},
		Grants: &access.Grants{Bucket: c.Store.Bucket, Now: c.Now, NewID: c.NewID},
	})
	s.inputs = &inputs.Store{Bucket: c.Store.Bucket, NewID: c.NewID, Log: c.Log, Version: c.Version, MaxUpload: c.MaxUpload, Climate: ofCaller(c.Climate)}
	if c.Limits != nil {
		s.inputs.CheckDEM = c.Limits.CheckDEM
	}
	s.quota = quota.Book{Bucket: c.Store.Bucket, Store: c.Store, Usual: c.Quota, Now: c.Now}
	s.submit = &submit.Submitter{
		Store: c.Store, Events: c.Events, Inputs: s.inputs, Now: c.Now, NewID: c.NewID, Log: c.Log, Version: c.Version,
		Limits: c.Limits, Room: c.Room, DEMHosts: c.DEMHosts, Quota: s.quota, Estimate: c.Estimate,
	}
	s.upload = &upload.Server{Inputs: s.inputs, Log: c.Log, Answer: s.answer, Stall: s.stall(), Quota: s.quota}
	s.dropped = dropped.New(&dropped.Watcher{
		Store: c.Store, Inputs: s.inputs, Submit: s.submit, Uploads: c.Uploads, Now: c.Now, NewID: c.NewID, Log: c.Log, Version: c.Version,
	})
	s.forms = forms{inputs: s.inputs, submit: s.submit, answer: s.answer, inspections: slots.New(inspectionsAtOnce, "checks of a DEM"), estimate: c.Estimate}
	s.pages = pages{jobs: s.jobs, answer: s.answer, policy: scriptPolicy(c.Access.Login)}
	s.pins = retention.Pins{Store: c.Store, Jobs: s.jobs, Cleaner: c.Cleaner, Now: c.Now, Log: c.Log, Answer: s.answer}
	s.processes = ogc.Catalogue{Version: c.Version, Echo: c.Echo}
	s.catalogue = &catalogue.Catalogue{Store: c.Store, Jobs: s.jobs, Processes: s.processes, Now: c.Now, Log: c.Log, Answer: s.answer}
	s.files = &results.Files{Store: c.Store, Log: c.Log, Answer: s.answer}
	s.maps = results.NewMaps(c.Store, s.answer)
	s.legacy = &legacy.API{
		Store: c.Store, Jobs: s.jobs, Pins: s.pins, Now: c.Now, Answer: s.answer, Version: c.Version,
		Execution: c.Execution, MostReplicas: c.MostReplicas, Announces: c.Events != nil, Cancel: s.submit.Cancel, Remove: s.remove,
	}
	s.streams = &progress.Streams{Jobs: s.jobs, View: s.legacy.View, Answer: s.answer, Concurrency: c.Concurrency, Stopping: c.Stopping}
	s.callbacks = &progress.Callbacks{Store: c.Store, Jobs: s.jobs, Processes: s.processes, Hosts: c.CallbackHosts, Log: c.Log}
	s.documents = ogc.Documents{Processes: s.processes, Answer: s.answer, Page: s.pages.index}
	s.ogc = ogc.NewJobs(ogc.Jobs{
		Jobs: s.jobs, Processes: s.processes, Intake: s.submit, CheckSubscriber: s.callbacks.Check, Remove: s.remove, Now: c.Now, Answer: s.answer,
		Results: &ogc.Results{Store: c.Store, Jobs: s.jobs, Processes: s.processes, Files: s.files, Log: c.Log, Answer: s.answer},
	})
	return s
}

// ofCaller opens files of climate that the sender of a request may name.
func ofCaller(open climate.Opener) climate.Opener {
	if open == nil {
		return nil
	}
	return func(ctx context.Context, name string) (io.ReaderAt, int64, io.Closer, error) {
		if err := inputs.Mine(ctx, name); err != nil {
			return nil, 0, nil, err
		}
		return open(ctx, name)
	}
}

// CallbackEvents are the types of the events that Notify acts on.
func CallbackEvents() []string { return progress.CallbackEvents() }

// Notify tells the subscriber of a job what an event says.
func (s *Service) Notify(ctx context.Context, e event.Event) error { return s.callbacks.Notify(ctx, e) }

// WriteCatalogue brings the static catalogue of results up to date. It may run in several places at once.
func (s *Service) WriteCatalogue(ctx context.Context) error { return s.catalogue.Update(ctx) }

// Upload stores a DEM after checking that it is one; a file that is not leaves nothing behind.
func (s *Service) Upload(ctx context.Context, name string, r io.Reader) (job.DEM, error) {
	d, err := s.inputs.Upload(ctx, name, r)
	return d.DEM, err
}

// Stored returns the reference of a DEM uploaded before, by the name Upload gave it.
func (s *Service) Stored(ctx context.Context, name string) (job.DEM, error) {
	d, err := s.inputs.Stored(ctx, name)
	return d.DEM, err
}

// Submit validates, writes job.json, then announces the job. When the announcement fails the job is not lost: the resume
// tick makes it again. Whoever calls looks for equal work.
func (s *Service) Submit(ctx context.Context, w param.Workflow, p param.Parameters, ref job.DEM) (job.Request, error) {
	made, err := s.submit.Submit(ctx, submit.Order{Workflow: w, Parameters: p, DEM: inputs.DEM{DEM: ref}, Apart: true})
	return made.Request, err
}

// Cancel ends a job that goes on. It returns the status that then stands.
func (s *Service) Cancel(ctx context.Context, id string) (job.Status, error) {
	return s.submit.Cancel(ctx, id)
}

// Take makes a dropped file a job, once for each of its versions, and says what came of it.
func (s *Service) Take(ctx context.Context, key string) (string, error) {
	return s.dropped.Take(ctx, key)
}

// ScanUploads makes jobs of the dropped files that are none yet, and returns how many became one.
func (s *Service) ScanUploads(ctx context.Context) (int, error) { return s.dropped.Scan(ctx) }

// remove deletes a job that has ended, with all that is kept of it.
func (s *Service) remove(ctx context.Context, r job.Request) error {
	_, err := inuse.Remover{Store: s.Store}.All(ctx, r)
	s.maps.Forget(r.ID)
	s.catalogue.Forget(ctx, r)
	return err
}
