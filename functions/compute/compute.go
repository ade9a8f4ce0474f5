// Package compute does one bounded piece of a job's work per event: the plan, a window of the terrain, a tile, the assembly.
package compute

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"

	"github.com/cyverse-gis/eemt/eventing"
	"github.com/cyverse-gis/eemt/shared/climate"
	"github.com/cyverse-gis/eemt/shared/dem"
	"github.com/cyverse-gis/eemt/shared/finding"
	"github.com/cyverse-gis/eemt/shared/geotiff"
	"github.com/cyverse-gis/eemt/shared/inspect"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/rangeread"
)

// Source is the CloudEvents source of what this function emits.
const Source = "/eemt/compute"

// Service handles job.submitted, tile.requested and tiles.completed. It holds
// no state between events: everything is in the bucket.
type Service struct {
	Store   job.Store
	Events  eventing.Publisher
	Climate climate.Opener
	// Threads is how many goroutines a piece of work may use.
	Threads int
	Now     func() time.Time
	Log     *slog.Logger
	// TileSize is the side of a tile, in cells, for jobs that do not ask for one; 0 lets Cost decide.
	TileSize int
	// Version of the program, for the report.
	Version string
	// Alone says that no catalogue leads to the results: their item then has no links to one.
	Alone bool
	// Temp is where large maps are spooled while they are written; empty means
	// the system's place.
	Temp string
	// Cost cuts work to fit the replica, and refuses jobs that are too large.
	Cost Cost
	// Reach bounds what a tile reads of the DEM.
	Reach Reach
	// Drainage says how water is followed over the whole DEM.
	Drainage Drainage
	// MostTries is how often work on a task may be begun and not finished before the job
	// is ended; 0 means DefaultTries.
	MostTries int
	// AssembleWithin is how long the assembly may take on this replica before its maps are
	// asked for as tasks of their own; 0 means a minute, less than 0 always.
	AssembleWithin time.Duration
	// AtOnce is how many calls that only wait for the bucket go on at a time; 0 means 16.
	AtOnce int
	// Publishing is how many tasks are asked for at a time, which waits for the broker; 0 means
	// one, in their order.
	Publishing int
	// Watch is how often running work looks whether its job has ended; 0 means every 10 s.
	Watch time.Duration
	// Findings is told what was noticed about the inputs of a job before it is computed; may be nil.
	Findings func(id string, found finding.List)
	// Tell is how often a tile in work notes in the bucket how far it is; 0 means every 3 s.
	Tell time.Duration
	// Progress is told how far a piece of work is; may be nil.
	Progress func(Progress)
}

// Progress says how far the work at hand is.
type Progress struct {
	JobID string
	// Stage is what is being done: terrain, climate, sun, maps ...
	Stage string
	// Done of Total steps of the whole job; a step is a tile or a share of one.
	Done, Total float64
}

// Handle does the work an event asks for. It may be called twice with the same
// event: finished work is found in the bucket and not done again.
func (s *Service) Handle(ctx context.Context, e event.Event) error {
	step, err := stepOf(e)
	if err != nil {
		return err
	}
	if !job.ValidID(step.JobID) {
		return eventing.Reject(fmt.Errorf("event %s: job id %q is not a ULID", e.ID(), step.JobID))
	}
	log := s.Log.With("job", step.JobID, "event", e.Type())
	switch end, err := s.Store.End(ctx, step.JobID); {
	case err == nil:
		log.Debug("job has ended")
		return s.endAgain(ctx, step.JobID, end, e, log)
	case !errors.Is(err, job.ErrNotFound):
		return err
	}
	request, err := s.Store.Request(ctx, step.JobID)
	if errors.Is(err, job.ErrNotFound) {
		return eventing.Reject(err)
	}
	if err != nil {
		return err
	}
	work := &piece{Service: s, request: request, event: e.ID(), log: log}
	switch e.Type() {
	case eventing.JobSubmitted:
		err = work.plan(ctx, step.Attempt)
	case eventing.TileRequested:
		if _, ok := job.StageOf(step.Task); ok {
			err = work.stageTask(ctx, step.Task, step.Attempt)
		} else if job.IsMapsTask(step.Task) {
			err = work.makeMaps(ctx, step.Task, step.Attempt)
		} else {
			err = work.tile(ctx, step.Task, step.Attempt)
		}
	case eventing.TilesCompleted:
		err = work.try(ctx, job.AssemblyTask, func(ctx context.Context) error { return work.assemble(ctx, step.Attempt) })
	}
	if errors.Is(err, errEnded) {
		log.Info("job has ended meanwhile, its work is given up")
		end, err := s.Store.End(ctx, step.JobID)
		if errors.Is(err, job.ErrNotFound) {
			return nil // removed since
		}
		if err != nil {
			return err
		}
		return s.endAgain(ctx, step.JobID, end, e, log)
	}
	if bad := (*badInput)(nil); errors.As(err, &bad) {
		return work.fail(ctx, bad)
	}
	return err
}

// endAgain does what is left to do at the end of a job: it announces the end if this event's work made it, since the
// event comes again when its handler died before it had done so, and removes work files that are left.
func (s *Service) endAgain(ctx context.Context, id string, end job.End, e event.Event, log *slog.Logger) error {
	own := end.Event != "" && end.Event == e.ID()
	if own {
		if err := s.announce(ctx, id, end); err != nil {
			return err
		}
	}
	if end.State == job.Completed && (own || e.Type() == eventing.JobSubmitted) {
		s.removeWork(ctx, id, log)
	}
	return nil
}

// announce publishes the end of a job that compute ended, and notes that it did; nothing when
// somebody else did so meanwhile: of many tasks that meet the same fault, or two that made the
// last maps, each comes here.
func (s *Service) announce(ctx context.Context, id string, end job.End) error {
	announced, err := s.Store.Announced(ctx, id)
	if err != nil || announced {
		return err
	}
	e := eventing.NewJobCompleted(Source, id, 0, end.Ended)
	if end.State == job.Failed {
		e = eventing.NewJobFailed(Source, id, end.Reason, 0, end.Ended)
	}
	if err := s.Events.Publish(ctx, e); err != nil {
		return err
	}
	return s.Store.MarkAnnounced(ctx, id, s.Now())
}

// stepOf reads which step of which job an event asks for; Task is empty but for a tile.
func stepOf(e event.Event) (eventing.Tile, error) {
	if e.Type() == eventing.TileRequested {
		return eventing.TileOf(e)
	}
	if e.Type() != eventing.JobSubmitted && e.Type() != eventing.TilesCompleted {
		return eventing.Tile{}, eventing.Reject(fmt.Errorf("event %s: type %q: compute takes %s, %s, %s", e.ID(), e.Type(),
			eventing.JobSubmitted, eventing.TileRequested, eventing.TilesCompleted))
	}
	j, err := eventing.JobOf(e)
	return eventing.Tile{JobID: j.JobID, Attempt: j.Attempt}, err
}

// piece is the work of one event.
type piece struct {
	*Service
	request job.Request
	event   string // id of the event that asks for it
	log     *slog.Logger
	unwatch func() // ends the watch over the try at hand; nil before the first
	share   share  // of a tile
}

// badInput is an error that no repetition mends: it ends the job.
type badInput struct{ error }

func (b *badInput) Unwrap() error { return b.error }

// ending bounds how long the end of a job may take to be written and announced, whatever its work's context says.
const ending = time.Minute

// end writes how a job ended, and announces it. Nothing tells it to stop between the two: neither the watch, which
// would find this very end, nor who sent the event. It returns the end that stands; whoever wrote another announces it.
func (p *piece) end(ctx context.Context, e job.End) (job.End, error) {
	if p.unwatch != nil {
		p.unwatch()
	}
	if err := context.Cause(ctx); err != nil {
		return job.End{}, err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), ending)
	defer cancel()
	e.Ended, e.Event = p.Now().UTC(), p.event
	end, _, err := p.Store.WriteEnd(ctx, p.request.ID, e)
	if err != nil {
		return job.End{}, err
	}
	if end.State != e.State {
		return end, nil
	}
	return end, p.announce(ctx, p.request.ID, end)
}

func (p *piece) fail(ctx context.Context, bad *badInput) error {
	failed := job.End{State: job.Failed, Reason: bad.Error()}
	failed.Findings.AddError(bad)
	end, err := p.end(ctx, failed)
	if end.State == job.Failed {
		p.log.Error("job failed", "reason", end.Reason)
	}
	return err
}

// openDEM opens the job's DEM in the bucket.
func (p *piece) openDEM(ctx context.Context) (*dem.DEM, io.Closer, error) {
	r, err := rangeread.Object(ctx, p.Store.Bucket, p.request.DEM.Key)
	if err != nil {
		return nil, nil, fmt.Errorf("open the DEM: %w", err)
	}
	d, err := dem.Open(r, r.Size(), inspect.DEMOptions(p.request.Parameters).Named(p.request.DEM.Name))
	if err != nil {
		_ = r.Close()
		return nil, nil, p.inputError(err)
	}
	return d, r, nil
}

// inputError ends the job for what the file itself says. A fault of the
// bucket keeps its own kind, so that the event is delivered again.
func (p *piece) inputError(err error) error {
	if fault := (*storeFault)(nil); errors.As(err, &fault) {
		return err
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) ||
		errors.Is(err, rangeread.ErrUnavailable) || errors.Is(err, rangeread.ErrChanged) {
		return err
	}
	// What a bucket refuses says nothing of the file, nor, once, that it is gone: Azure's driver takes
	// a name server that stumbles for an object that is not there, that of Google Cloud a refusal.
	if code := gcerrors.Code(err); code != gcerrors.Unknown && code != gcerrors.OK {
		return err
	}
	return &badInput{err}
}

// openImage opens a GeoTIFF of the job's own in the bucket.
func (s *Service) openImage(ctx context.Context, key string) (*geotiff.Image, io.Closer, error) {
	return s.openWithin(ctx, key, 32<<20)
}

// openWithin is openImage with so many bytes of cache at most.
func (s *Service) openWithin(ctx context.Context, key string, cache int64) (*geotiff.Image, io.Closer, error) {
	r, err := rangeread.ObjectWithin(ctx, s.Store.Bucket, key, cache)
	if err != nil {
		return nil, nil, fmt.Errorf("open %s: %w", key, err)
	}
	img, err := geotiff.Open(r, r.Size())
	if err != nil {
		_ = r.Close()
		return nil, nil, fmt.Errorf("open %s: %w", key, err)
	}
	return img, r, nil
}

// put writes one object, complete or not at all. Its error is a storeFault.
func (s *Service) put(ctx context.Context, key, contentType string, write func(io.Writer) error) error {
	return s.putUpTo(ctx, 0, key, contentType, write)
}

// putUpTo is put of an object that may have so many bytes, more than stores take of one whose
// length nobody said.
func (s *Service) putUpTo(ctx context.Context, most int64, key, contentType string, write func(io.Writer) error) error {
	ctx, abandon := context.WithCancel(ctx)
	defer abandon()
	opts := &blob.WriterOptions{ContentType: contentType}
	if opts.BufferSize = partSize(most); opts.BufferSize > 0 {
		opts.MaxConcurrency = 2 // each holds a part
	}
	w, err := s.Store.Bucket.NewWriter(ctx, key, opts)
	if err != nil {
		return &storeFault{fmt.Errorf("write %s: %w", key, err)}
	}
	if err := write(w); err != nil {
		abandon() // an abandoned writer leaves no object
		_ = w.Close()
		return &storeFault{fmt.Errorf("write %s: %w", key, err)}
	}
	if err := w.Close(); err != nil {
		return &storeFault{fmt.Errorf("write %s: %w", key, err)}
	}
	return nil
}

// partSize is that of the parts in which an object of at most so many bytes is sent; 0 leaves
// it to the store's driver. S3 takes 10,000 parts, which of its driver's 8 MiB are 84 GB.
func partSize(most int64) int {
	const usual, parts, unit = 8 << 20, 9000, 1 << 20
	if most <= usual*parts {
		return 0
	}
	return int((most/parts/unit + 1) * unit)
}

// storeFault is an error of the bucket, or of the place for temporary files, in the middle
// of work on an input: it says nothing of the input.
type storeFault struct{ error }

func (f *storeFault) Unwrap() error { return f.error }

const tiffType = "image/tiff"

// cost is that of the cores which the work may use.
func (s *Service) cost() Cost {
	c := s.Cost
	c.Cores = max(1, s.Threads)
	return c.orDefault()
}

func (s *Service) report(id, stage string, done, total float64) {
	if s.Progress != nil {
		s.Progress(Progress{JobID: id, Stage: stage, Done: done, Total: total})
	}
}
