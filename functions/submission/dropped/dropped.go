// Package dropped makes jobs of the files that are put under uploads/ in the bucket.
package dropped

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path"
	"slices"
	"strings"
	"time"

	"gocloud.dev/blob"
	"golang.org/x/sync/semaphore"

	"github.com/cyverse-gis/eemt/eventing"
	"github.com/cyverse-gis/eemt/functions/submission/form"
	"github.com/cyverse-gis/eemt/functions/submission/inputs"
	"github.com/cyverse-gis/eemt/functions/submission/problem"
	"github.com/cyverse-gis/eemt/functions/submission/submit"
	"github.com/cyverse-gis/eemt/shared/amount"
	"github.com/cyverse-gis/eemt/shared/gridfile"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/job/inuse"
)

// Settings says how files dropped under uploads/ are watched.
type Settings struct {
	// Bucket is the name of the bucket in notices. Without a name notices of all buckets are taken.
	// Prefix is what keys in notices begin with before those of this bucket.
	Bucket, Prefix string
	// Generation returns the number that the store gives a version of an object, and when that was made. Where it is
	// nil or returns false, size and MD5 tell versions apart.
	Generation func(as func(any) bool) (string, time.Time, bool)
	// Settle is how long a file must have lain unchanged; 0 where files appear whole, as in object stores.
	Settle time.Duration
}

const (
	// maxSidecar bounds a file of parameters, in bytes.
	maxSidecar = 64 << 10
	// sidecarWait is how long a DEM that announces a file of parameters waits for it.
	sidecarWait = time.Hour
	// unfinished is how long a file that is cut short must lie unchanged before it is refused: its sender may pause.
	unfinished = 2 * time.Minute
	// maxStarts bounds the jobs that one pass over the uploads makes, maxExamined the files that it examines.
	maxStarts, maxExamined = 100, 1000
	// maxIntakes is how many dropped files are copied at a time.
	maxIntakes = 4
)

// Watcher makes jobs of dropped files.
type Watcher struct {
	Store   job.Store
	Inputs  *inputs.Store
	Submit  *submit.Submitter
	Uploads Settings
	Now     func() time.Time
	// NewID returns a fresh ULID.
	NewID func() string
	Log   *slog.Logger
	// Version of the program.
	Version string

	// slots bounds the dropped files that are read at a time.
	slots *semaphore.Weighted
	// ignored are the files under uploads/ that the log was told of.
	ignored told
}

// New returns w, ready for use.
func New(w *Watcher) *Watcher {
	w.slots = semaphore.NewWeighted(maxIntakes)
	return w
}

// outcome is what came of examining a dropped file.
type outcome struct {
	// job is the id of the job that the file is; empty if it is none, or none yet.
	job string
	// fresh is set if the job was made now.
	fresh bool
	// looked is set if the bucket was asked for the file.
	examined bool
	// said is the outcome in a few words, for the log.
	said string
}

// Take makes a dropped file a job, once for each of its versions. A file that no job can be computed from becomes a
// failed job that says why. An error is a passing fault: the next call may succeed.
func (w *Watcher) Take(ctx context.Context, key string) (string, error) {
	o, err := w.take(ctx, key)
	return o.said, err
}

// candidate is a dropped file that may become a job.
type candidate struct {
	key        string
	attributes *blob.Attributes
	version    job.Version
	// now is when it is examined.
	now time.Time
	// form holds the parameters, format what the file must be converted from.
	form   form.Form
	format gridfile.Format
}

// age is how long ago the file last changed.
func (d *candidate) age() time.Duration { return d.now.Sub(d.attributes.ModTime) }

func (w *Watcher) take(ctx context.Context, key string) (outcome, error) {
	if why := notDropped(key); why != "" {
		return outcome{said: why}, nil
	}
	if strings.EqualFold(path.Ext(key), ".json") {
		return w.takeBeside(ctx, key)
	}
	a, v, found, err := w.attributes(ctx, key)
	if err != nil || !found {
		return outcome{said: "there is no such object", examined: true}, err
	}
	d := &candidate{key: key, attributes: a, version: v, now: w.Now().UTC()}
	if o, stop, err := w.early(ctx, d); stop {
		return o, err
	}
	if err := w.slots.Acquire(ctx, 1); err != nil {
		return outcome{examined: true}, err
	}
	defer w.slots.Release(1)
	refused := w.read(ctx, d)
	if o, stop, err := postponed(refused); stop {
		return o, err
	}
	in, err := w.Store.BeginIntake(ctx, job.Intake{Job: v.JobID(), Key: key, Made: v.Made.UTC(), Seen: d.now})
	if err != nil {
		return outcome{examined: true}, err
	}
	r := job.Request{
		ID: v.JobID(), Workflow: d.form.Workflow, Parameters: d.form.Params, Created: in.Seen,
		DEM: job.DEM{Key: key, Name: path.Base(key), Size: a.Size},
	}
	if refused == nil {
		refused = w.bring(ctx, &r, v, d.format)
	}
	if d.format != gridfile.None && problem.Refused(refused) && w.writing(d.age(), unfinished) {
		refused = errUnfinished // a grid that is read to its end tells only then that it ends too early
	}
	if o, stop, err := postponed(refused); stop {
		return o, err
	}
	return w.enter(ctx, r, inputs.Called(path.Base(key), refused))
}

// early stops at a file that is a job already, is empty, or may still be written.
func (w *Watcher) early(ctx context.Context, d *candidate) (o outcome, stop bool, err error) {
	id := d.version.JobID()
	switch taken, err := w.Store.Taken(ctx, id); {
	case err != nil:
		return outcome{examined: true}, true, err
	case taken:
		return outcome{job: id, examined: true, said: "it is job " + id + " already"}, true, nil
	case d.attributes.Size == 0 && (w.Uploads.Settle == 0 || w.writing(d.age(), unfinished)):
		return outcome{examined: true, said: "it is empty"}, true, nil
	case w.writing(d.age(), w.Uploads.Settle):
		return outcome{examined: true, said: "it may still be written"}, true, nil
	}
	return outcome{}, false, nil
}

// read reads the parameters of a file and its header. The error is a refusal, a waiting, or a passing fault.
func (w *Watcher) read(ctx context.Context, d *candidate) error {
	var err error
	d.format = gridfile.None
	d.form, err = w.parameters(ctx, d.key, d.attributes)
	if wait := waiting(""); errors.As(err, &wait) && d.now.Sub(d.version.Made) >= sidecarWait {
		return problem.Invalid(fmt.Errorf("%w for %s in vain: upload the DEM again, the parameters first", wait, amount.Duration(sidecarWait)))
	}
	if err != nil {
		return err
	}
	if d.format, err = w.Inputs.GridFormat(ctx, d.key); err == nil && d.format == gridfile.None {
		err = w.checkDropped(ctx, d.key, d.form.Params, d.age())
		d.form.Params, err = w.systemBeside(ctx, d.key, d.key, d.form.Params, err)
	}
	return err
}

// postponed reports whether examining a file ends with err for now, because the file waits or because of a passing
// fault. A refusal goes on: the file becomes a job that failed.
func postponed(err error) (o outcome, stop bool, fault error) {
	var wait waiting
	switch {
	case err == nil, problem.Refused(err):
		return outcome{}, false, nil
	case errors.As(err, &wait):
		return outcome{examined: true, said: wait.Error()}, true, nil
	}
	return outcome{examined: true}, true, err
}

// waiting says what a dropped file waits for.
type waiting string

func (w waiting) Error() string { return string(w) }

// writing reports whether a file that last changed age ago may still be written: it must lie unchanged for settle. A
// negative age, of a wrong clock, counts like a positive one.
func (w *Watcher) writing(age, settle time.Duration) bool {
	return w.Uploads.Settle > 0 && age.Abs() < settle
}

// takeBeside takes the DEM that a file of parameters belongs to. The file itself makes no job.
func (w *Watcher) takeBeside(ctx context.Context, key string) (outcome, error) {
	stem := key[:len(key)-len(".json")]
	names := []string{stem}
	if !isDEM(stem) {
		for _, ext := range demExtensions {
			names = append(names, stem+ext)
		}
	}
	for _, dem := range names {
		_, v, found, err := w.attributes(ctx, dem)
		if err != nil {
			return outcome{examined: true}, err
		}
		if !found {
			continue
		}
		o, err := w.take(ctx, dem)
		if err == nil && o.job != "" && !o.fresh {
			w.warnLate(ctx, key, dem, v.JobID())
		}
		if err == nil {
			o.said = dem + ": " + o.said
		}
		return o, err
	}
	return outcome{examined: true, said: "it waits for its DEM"}, nil
}

// warnLate warns of parameters that came after their DEM had become a job: they are not used.
func (w *Watcher) warnLate(ctx context.Context, sidecar, dem, id string) {
	a, err := w.Store.Bucket.Attributes(ctx, sidecar)
	if err != nil {
		return
	}
	if r, err := w.Store.Request(ctx, id); err == nil && a.ModTime.After(r.Created) {
		w.Log.Warn("parameters came after their DEM and are not used; upload the DEM again", "sidecar", sidecar, "dem", dem, "job", id)
	}
}

// demExtensions are the extensions of DEMs. The name of a file of parameters may leave them out.
var demExtensions = []string{".tif", ".tiff", ".asc", ".hgt"}

func isDEM(name string) bool {
	return slices.Contains(demExtensions, strings.ToLower(path.Ext(name)))
}

// enter writes the job of a dropped file; refused, if not nil, is why it cannot be computed.
func (w *Watcher) enter(ctx context.Context, r job.Request, refused error) (outcome, error) {
	standing, err := w.Store.Request(ctx, r.ID)
	switch {
	case err == nil:
		r = standing
	case !errors.Is(err, job.ErrNotFound):
		return outcome{examined: true}, err
	case refused != nil:
		// The end is written before the job's record, so that compute never starts the job.
		end := job.End{State: job.Failed, Reason: refused.Error(), Ended: w.Now().UTC(), Event: uploadRefused}
		end.Findings.AddError(refused)
		if _, _, err := w.Store.WriteEnd(ctx, r.ID, end); err != nil {
			return outcome{examined: true}, err
		}
	}
	if err := inuse.Use(ctx, w.Store, r); err != nil {
		return outcome{examined: true}, err
	}
	if err := w.Store.Create(ctx, r); err != nil {
		return outcome{examined: true}, err
	}
	o := outcome{job: r.ID, fresh: true, examined: true, said: "it becomes job " + r.ID}
	// The end that is in the bucket counts: a call that was cut short before may have refused the file, or not.
	end, err := w.Store.End(ctx, r.ID)
	switch {
	case errors.Is(err, job.ErrNotFound):
		w.Submit.Announce(ctx, r)
	case err != nil:
		return outcome{examined: true}, err
	case end.Event == uploadRefused:
		o.said = fmt.Sprintf("it becomes job %s, which failed: %s", r.ID, end.Reason)
		w.Log.Warn("dropped file cannot be used", "job", r.ID, "key", r.DEM.Key, "reason", end.Reason)
		w.Submit.AnnounceEnd(ctx, r.ID, eventing.NewJobFailed(submit.Source, r.ID, end.Reason, 0, end.Ended))
	}
	return o, w.Store.EndIntake(ctx, r.ID)
}

// uploadRefused marks the ends of jobs of dropped files that cannot be computed.
const uploadRefused = "upload"
