// Package submission takes work in: it stores the DEM, writes the job's record, announces the job.
package submission

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"strings"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"
	"golang.org/x/sync/singleflight"

	"github.com/cyverse-gis/eemt/eventing"
	"github.com/cyverse-gis/eemt/functions/submission/answer"
	"github.com/cyverse-gis/eemt/functions/submission/catalogue"
	"github.com/cyverse-gis/eemt/functions/submission/joblist"
	"github.com/cyverse-gis/eemt/functions/submission/legacy"
	"github.com/cyverse-gis/eemt/functions/submission/ogc"
	"github.com/cyverse-gis/eemt/functions/submission/outbound"
	"github.com/cyverse-gis/eemt/functions/submission/problem"
	"github.com/cyverse-gis/eemt/functions/submission/progress"
	"github.com/cyverse-gis/eemt/functions/submission/results"
	"github.com/cyverse-gis/eemt/functions/submission/retention"
	"github.com/cyverse-gis/eemt/shared/climate"
	"github.com/cyverse-gis/eemt/shared/dem"
	"github.com/cyverse-gis/eemt/shared/finding"
	"github.com/cyverse-gis/eemt/shared/inspect"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/param"
	"github.com/cyverse-gis/eemt/shared/rangeread"
)

// Source is the CloudEvents source of what this function emits.
const Source = "/eemt/submission"

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
	Uploads Uploads
	// Echo offers the process that gives back its inputs, for tests of clients.
	Echo bool
	// DEMHosts are the hosts that a DEM may be fetched from; none by default.
	DEMHosts outbound.Hosts
	// CallbackHosts are the hosts of subscribers that may be called; none by default.
	CallbackHosts outbound.Hosts
	// Stopping ends the streams of progress when it is closed; nil never does.
	Stopping <-chan struct{}
	// Stall is how long a body may bring nothing before the request is ended; 0 means a minute.
	Stall time.Duration
	// Origins are the web origins whose pages may read, as in "https://example.org";
	// "*" means any. None by default.
	Origins []string
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
	Limits Limits
	// Room refuses a job on a DEM of width x height cells, in a file of dem bytes, for which there is no room; nil
	// does not look.
	Room func(w param.Workflow, p param.Parameters, width, height int, dem int64) error
}

// Service takes jobs in and shows them. It never computes.
type Service struct {
	Config
	answer answer.Writer
	jobs   joblist.Reader
	pins   retention.Pins
	// processes are those that clients may execute.
	processes ogc.Catalogue
	catalogue *catalogue.Catalogue
	files     *results.Files
	maps      *results.Maps
	documents ogc.Documents
	ogc       ogc.Jobs
	legacy    *legacy.API
	streams   *progress.Streams
	callbacks *progress.Callbacks

	// intake bounds the dropped files that are read at a time.
	intake slots
	// ignored are the files under uploads/ that the log was told of.
	ignored told
	// joins are the uploads whose parts are being joined.
	joins singleflight.Group
}

// New wires the function.
func New(c Config) *Service {
	s := &Service{Config: c, answer: answer.Writer{Log: c.Log}, jobs: joblist.Reader{Store: c.Store, Now: c.Now}}
	s.pins = retention.Pins{Store: c.Store, Jobs: s.jobs, Cleaner: c.Cleaner, Now: c.Now, Log: c.Log, Answer: s.answer}
	s.processes = ogc.Catalogue{Version: c.Version, Echo: c.Echo}
	s.catalogue = &catalogue.Catalogue{Store: c.Store, Jobs: s.jobs, Processes: s.processes, Now: c.Now, Log: c.Log, Answer: s.answer}
	s.files = &results.Files{Store: c.Store, Log: c.Log, Answer: s.answer}
	s.maps = &results.Maps{Store: c.Store, Answer: s.answer}
	s.legacy = &legacy.API{
		Store: c.Store, Jobs: s.jobs, Pins: s.pins, Now: c.Now, Answer: s.answer, Version: c.Version,
		Execution: c.Execution, MostReplicas: c.MostReplicas, Announces: c.Events != nil, Cancel: s.Cancel, Remove: s.remove,
	}
	s.streams = &progress.Streams{Jobs: s.jobs, View: s.legacy.View, Answer: s.answer, Stopping: c.Stopping}
	s.callbacks = &progress.Callbacks{Store: c.Store, Jobs: s.jobs, Processes: s.processes, Hosts: c.CallbackHosts, Log: c.Log}
	s.documents = ogc.Documents{Processes: s.processes, Answer: s.answer, Page: s.getIndex}
	s.ogc = ogc.NewJobs(ogc.Jobs{
		Jobs: s.jobs, Processes: s.processes, Intake: s, CheckSubscriber: s.callbacks.Check, Remove: s.remove, Now: c.Now, Answer: s.answer,
		Results: &ogc.Results{Store: c.Store, Jobs: s.jobs, Processes: s.processes, Files: s.files, Log: c.Log, Answer: s.answer},
	})
	return s
}

// CallbackEvents are the types of the events that Notify acts on.
func CallbackEvents() []string { return progress.CallbackEvents() }

// Notify tells the subscriber of a job what an event says.
func (s *Service) Notify(ctx context.Context, e event.Event) error { return s.callbacks.Notify(ctx, e) }

// WriteCatalogue brings the static catalogue of results up to date. It may run in several places at once.
func (s *Service) WriteCatalogue(ctx context.Context) error { return s.catalogue.Update(ctx) }

// Limits says which jobs are larger than what is allowed, in a sentence with the numbers.
type Limits interface {
	// CheckDEM refuses a DEM of width x height cells that no job may be made of.
	CheckDEM(width, height int) error
	// Check refuses a job on a DEM of width x height cells.
	Check(w param.Workflow, p param.Parameters, width, height int) error
}

var unsafeName = regexp.MustCompile(`[^A-Za-z0-9._-]+`)

// inputKey makes an object key of a file's name.
func inputKey(id, name string) string {
	safe := strings.Trim(unsafeName.ReplaceAllString(name, "_"), "._")
	if safe == "" {
		safe = "file"
	}
	if len(safe) > 100 {
		safe = safe[len(safe)-100:]
	}
	return job.InputKey(id, safe)
}

// baseName is a file's name without the folders of whatever system it comes from.
func baseName(name string) string { return path.Base(strings.ReplaceAll(name, `\`, "/")) }

// named reports whether baseName found a name.
func named(name string) bool { return name != "" && name != "." && name != "/" }

// store streams r into the bucket under a fresh name and returns its place.
// A file over limit bytes, or one that breaks off, leaves nothing behind.
func (s *Service) store(ctx context.Context, name string, r io.Reader, limit int64) (job.DEM, error) {
	return s.storeAs(ctx, s.NewID(), name, fromClient{r}, limit, false)
}

// storeAs is store under a name that begins with id.
func (s *Service) storeAs(ctx context.Context, id, name string, r io.Reader, limit int64, once bool) (job.DEM, error) {
	name = baseName(name)
	return s.storeAt(ctx, inputKey(id, name), name, r, limit, once)
}

// storeAt stores r under a key. With once set a file that is there already stays, and counts as the one that was sent.
func (s *Service) storeAt(ctx context.Context, key, name string, r io.Reader, limit int64, once bool) (job.DEM, error) {
	ctx, abandon := context.WithCancel(ctx)
	defer abandon()
	o := blob.WriterOptions{ContentType: answer.ContentType(key), IfNotExist: once}
	if original(path.Base(key)) != name { // the key leaves out letters that not all stores take
		o.Metadata = map[string]string{ownName: url.PathEscape(name)}
	}
	w, err := s.Store.Bucket.NewWriter(ctx, key, &o)
	if err != nil {
		return job.DEM{}, fmt.Errorf("store %s: %w", name, err)
	}
	sum := sha256.New()
	n, err := io.Copy(io.MultiWriter(w, sum), io.LimitReader(r, limit+1))
	if err == nil && n > limit {
		err = problem.TooLarge("file "+name, limit)
	}
	if err == nil && n == 0 {
		err = problem.Invalid(fmt.Errorf("file %s is empty", name))
	}
	if err != nil {
		abandon()
		_ = w.Close()
		if errors.Is(err, problem.ErrInvalid) {
			return job.DEM{}, err // which is of the file, not of storing it
		}
		return job.DEM{}, fmt.Errorf("store %s: %w", name, err)
	}
	err = w.Close()
	if code := gcerrors.Code(err); once && (code == gcerrors.FailedPrecondition || code == gcerrors.AlreadyExists) {
		err = nil
	}
	if err != nil {
		return job.DEM{}, fmt.Errorf("store %s: %w", name, err)
	}
	return job.DEM{Key: key, Name: name, SHA256: hex.EncodeToString(sum.Sum(nil)), Size: n}, nil
}

// fromClient marks a fault of reading as the caller's, not the store's.
type fromClient struct{ r io.Reader }

func (f fromClient) Read(p []byte) (int, error) {
	n, err := f.r.Read(p)
	if large := (*http.MaxBytesError)(nil); errors.As(err, &large) {
		return n, problem.TooLarge("a body without end", large.Limit)
	}
	if err != nil && !errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = problem.Invalid(fmt.Errorf("the upload broke off: %w", err))
	}
	return n, err
}

// discard deletes objects that a refused submission brought.
func (s *Service) discard(ctx context.Context, keys []string) {
	for _, key := range keys {
		if err := s.Store.Bucket.Delete(context.WithoutCancel(ctx), key); err != nil {
			s.Log.Warn("a refused upload is left", "key", key, "error", err)
		}
	}
}

// Upload stores a DEM after checking that it is one; a file that is not leaves
// nothing behind.
func (s *Service) Upload(ctx context.Context, name string, r io.Reader) (job.DEM, error) {
	name = baseName(name)
	return s.uploadAs(ctx, inputKey(s.NewID(), name), name, fromClient{r}, false)
}

// uploadAs is Upload under a given key. What is no TIFF is refused at its first
// bytes. With once set another may bring the same file under the key: what is there
// stays, and goes only if it is no DEM.
func (s *Service) uploadAs(ctx context.Context, key, name string, r io.Reader, once bool) (job.DEM, error) {
	tiff, err := s.asTIFF(name, bufio.NewReaderSize(r, 4096))
	if err != nil {
		return job.DEM{}, err
	}
	defer func() { _ = tiff.Close() }()
	ref, err := s.storeAt(ctx, key, name, tiff, s.MaxUpload, once)
	if err != nil {
		return ref, err
	}
	// A DEM without a known system may get one from the parameters, which follow.
	if _, err := s.checkHeader(ctx, ref.Key, param.Parameters{}); err != nil && !lacksSystem(err) {
		err = called(name, err)
		if once && !errors.Is(err, problem.ErrInvalid) {
			return ref, err
		}
		return ref, errors.Join(err, s.Store.Bucket.Delete(context.WithoutCancel(ctx), ref.Key))
	}
	return ref, nil
}

// maxTable bounds a climate table, in bytes.
const maxTable = 1 << 20

// UploadTable stores a climate table and returns the --climate value that reads it.
func (s *Service) UploadTable(ctx context.Context, name string, r io.Reader) (string, error) {
	ref, err := s.store(ctx, name, r, min(maxTable, s.MaxUpload))
	return "table:" + ref.Key, err
}

// extent is how large a DEM is, in cells, and its file in bytes.
type extent struct {
	width, height int
	bytes         int64
}

// lacksSystem reports a refusal that parameters settle: a stated coordinate system, or a stated unit of elevations.
func lacksSystem(err error) bool {
	var e *finding.Error
	return errors.As(err, &e) && (e.Code == finding.DEMCRS || e.Code == finding.DEMUnit)
}

// checkHeader reads the header of a stored DEM, as the parameters of its job say.
func (s *Service) checkHeader(ctx context.Context, key string, p param.Parameters) (extent, error) {
	r, err := rangeread.Object(ctx, s.Store.Bucket, key)
	if err != nil {
		return extent{}, fmt.Errorf("read back %s: %w", key, err)
	}
	defer func() { _ = r.Close() }()
	if s.MaxUpload > 0 && r.Size() > s.MaxUpload { // it came past the service, to a signed address
		return extent{}, problem.TooLarge("file "+path.Base(key), s.MaxUpload)
	}
	d, err := dem.Open(r, r.Size(), inspect.DEMOptions(p))
	switch {
	case err == nil:
	case ctx.Err() != nil, errors.Is(err, rangeread.ErrUnavailable), errors.Is(err, rangeread.ErrChanged):
		return extent{}, fmt.Errorf("read back %s: %w", key, err) // says nothing about the file
	default:
		return extent{}, problem.Invalid(err)
	}
	if s.Limits != nil {
		if err := s.Limits.CheckDEM(d.Image.Width, d.Image.Height); err != nil {
			return extent{}, problem.Invalid(err)
		}
	}
	return extent{d.Image.Width, d.Image.Height, r.Size()}, nil
}

// checkSize refuses a job whose DEM cannot be read, or that is larger than what is allowed or than what there is room for,
// before anything is made of it.
func (s *Service) checkSize(ctx context.Context, w param.Workflow, p param.Parameters, key string) error {
	size, err := s.checkHeader(ctx, key, p)
	if err != nil {
		return err
	}
	return s.allowed(w, p, size)
}

func (s *Service) allowed(w param.Workflow, p param.Parameters, size extent) error {
	if s.Limits != nil {
		if err := s.Limits.Check(w, p, size.width, size.height); err != nil {
			return problem.Invalid(err)
		}
	}
	if s.Room != nil {
		if err := s.Room(w, p, size.width, size.height, size.bytes); err != nil {
			return problem.NoRoom(err)
		}
	}
	return nil
}

// Stored returns the reference of a DEM uploaded before, by the name Upload gave it.
func (s *Service) Stored(ctx context.Context, name string) (job.DEM, error) {
	ref, err := s.located(ctx, name)
	if err != nil {
		return ref, err
	}
	return s.storedObject(ctx, ref.Key, name)
}

// located finds an upload by name, without reading it.
func (s *Service) located(ctx context.Context, name string) (job.DEM, error) {
	if strings.ContainsAny(name, `/\`) || name == "" {
		return job.DEM{}, problem.Invalid(fmt.Errorf("uploaded_filename %q: must be a name that upload-file returned", name))
	}
	key := job.InputPrefix + name
	exists, err := s.Store.Bucket.Exists(ctx, key)
	if err != nil {
		return job.DEM{}, fmt.Errorf("look for %s: %w", key, err)
	}
	if !exists {
		return job.DEM{}, problem.Invalid(fmt.Errorf("uploaded_filename %q: no such upload; upload it first", name))
	}
	return job.DEM{Key: key, Name: name}, nil
}

// ownName is the metadata in which a stored file keeps the user's own name, where its key does not.
const ownName = "filename"

// nameOf is the name that a stored file had before.
func (s *Service) nameOf(ctx context.Context, key string) (string, error) {
	a, err := s.Store.Bucket.Attributes(ctx, key)
	if err != nil {
		return "", fmt.Errorf("look for %s: %w", key, err)
	}
	if name, err := url.PathUnescape(a.Metadata[ownName]); err == nil && name != "" {
		return baseName(name), nil
	}
	return original(path.Base(key)), nil
}

// original is the name that an upload had before it was stored.
func original(name string) string {
	if _, after, prefixed := strings.Cut(name, "_"); prefixed {
		return after
	}
	return name
}

// storedObject returns the reference of a DEM in the bucket.
func (s *Service) storedObject(ctx context.Context, key, name string) (job.DEM, error) {
	r, err := s.Store.Bucket.NewReader(ctx, key, nil)
	if gcerrors.Code(err) == gcerrors.NotFound {
		return job.DEM{}, problem.Invalid(fmt.Errorf("uploaded_filename %q: no such upload; upload it first", name))
	}
	if err != nil {
		return job.DEM{}, fmt.Errorf("read %s: %w", key, err)
	}
	defer func() { _ = r.Close() }()
	own, err := s.nameOf(ctx, key)
	if err != nil {
		return job.DEM{}, err
	}
	if _, err := s.checkHeader(ctx, key, param.Parameters{}); err != nil && !lacksSystem(err) {
		return job.DEM{}, called(own, err)
	}
	sum := sha256.New()
	n, err := io.Copy(sum, r)
	if err != nil {
		return job.DEM{}, fmt.Errorf("read %s: %w", key, err)
	}
	return job.DEM{Key: key, Name: own, SHA256: hex.EncodeToString(sum.Sum(nil)), Size: n}, nil
}

// Submit validates, writes job.json, then announces the job. When the
// announcement fails the job is not lost: the resume tick makes it again.
func (s *Service) Submit(ctx context.Context, w param.Workflow, p param.Parameters, ref job.DEM) (job.Request, error) {
	return s.submit(ctx, w, p, ref, nil)
}

func (s *Service) submit(ctx context.Context, w param.Workflow, p param.Parameters, ref job.DEM, d *job.Delivery) (job.Request, error) {
	if err := validate(w, p); err != nil {
		return job.Request{}, err
	}
	if err := s.checkSize(ctx, w, p, ref.Key); err != nil {
		return job.Request{}, called(ref.Name, err)
	}
	if err := s.checkRasters(ctx, &p); err != nil {
		return job.Request{}, err
	}
	r := job.Request{
		ID: s.NewID(), Workflow: w, Parameters: p, DEM: ref, Created: s.Now().UTC(),
		Fingerprint: job.Fingerprint(s.Version, w, p, ref.SHA256), Delivery: d,
	}
	if err := s.Store.Use(ctx, r); err != nil {
		if errors.Is(err, job.ErrInputGone) {
			err = problem.Invalid(err)
		}
		return job.Request{}, err
	}
	if err := s.Store.Create(ctx, r); err != nil {
		return job.Request{}, err
	}
	s.announce(ctx, r)
	return r, nil
}

func (s *Service) announce(ctx context.Context, r job.Request) {
	s.Log.Info("job submitted", "job", r.ID, "workflow", string(r.Workflow), "dem", r.DEM.Name)
	if err := s.Events.Publish(ctx, eventing.NewJobSubmitted(Source, r.ID, 0, r.Created)); err != nil {
		s.Log.Warn("announcing the job failed; the next resume tick will", "job", r.ID, "error", err)
	}
}

// announcing bounds how long an end may take to be announced by who wrote it, also when the client has gone.
const announcing = 30 * time.Second

// announceEnd publishes how a job ended, and notes that it did. What fails here the next resume tick does.
func (s *Service) announceEnd(ctx context.Context, id string, e event.Event) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), announcing)
	defer cancel()
	err := s.Events.Publish(ctx, e)
	if err == nil {
		err = s.Store.MarkAnnounced(ctx, id, s.Now())
	}
	if err != nil {
		s.Log.Warn("announcing the end of the job failed; a resume tick will", "job", id, "error", err)
	}
}

// validate checks what can be checked without reading anything.
func validate(w param.Workflow, p param.Parameters) error {
	if err := p.Validate(w); err != nil {
		return problem.Invalid(err)
	}
	if w == param.EEMT {
		if _, err := climate.ParseSpec(p.Climate, p.ClimateElevation, p.ClimateUnits); err != nil {
			return problem.Invalid(err)
		}
	}
	return nil
}

// Cancel ends a job that goes on. It returns the status that then stands.
func (s *Service) Cancel(ctx context.Context, id string) (job.Status, error) {
	if _, err := s.Store.Request(ctx, id); err != nil {
		return job.Status{}, err
	}
	at := s.Now().UTC()
	_, won, err := s.Store.WriteEnd(ctx, id, job.End{State: job.Cancelled, Reason: "Job cancelled by user", Ended: at, Event: "cancel." + s.NewID()})
	if err != nil {
		return job.Status{}, err
	}
	if won {
		s.announceEnd(ctx, id, eventing.NewJobCancelled(Source, id, 0, at))
		return s.Store.Status(ctx, id)
	}
	st, err := s.Store.Status(ctx, id)
	if err != nil {
		return st, err
	}
	return st, problem.Invalid(errors.New(fmt.Sprintf("Job is not running (status: %s)", legacy.State(st))))
}

// remove deletes a job that has ended, with all that is kept of it.
func (s *Service) remove(ctx context.Context, r job.Request) error {
	_, err := s.Store.RemoveAll(ctx, r, false)
	s.maps.Forget(r.ID)
	s.catalogue.Forget(ctx, r)
	return err
}
