// Package dropped makes jobs of the files that are put under uploads/ in the bucket.
package dropped

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"
	"golang.org/x/sync/semaphore"

	"github.com/cyverse-gis/eemt/eventing"
	"github.com/cyverse-gis/eemt/functions/submission/form"
	"github.com/cyverse-gis/eemt/functions/submission/inputs"
	"github.com/cyverse-gis/eemt/functions/submission/problem"
	"github.com/cyverse-gis/eemt/functions/submission/submit"
	"github.com/cyverse-gis/eemt/shared/amount"
	"github.com/cyverse-gis/eemt/shared/climate"
	"github.com/cyverse-gis/eemt/shared/gridfile"
	"github.com/cyverse-gis/eemt/shared/inspect"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/param"
)

// Settings says how files dropped under uploads/ are watched.
type Settings struct {
	// Bucket is the name that notices give the bucket, Prefix what stands before our keys in theirs. Without a name
	// a notice of any bucket is looked into.
	Bucket, Prefix string
	// Generation returns the store's own number of a version and when it was made; false, as without it, means
	// that size and MD5 tell versions apart.
	Generation func(as func(any) bool) (string, time.Time, bool)
	// Settle is how long a file must have lain unchanged; 0 where files appear whole, as in object stores.
	Settle time.Duration
}

const (
	// maxSidecar bounds a file of parameters, in bytes.
	maxSidecar = 64 << 10
	// sidecarWait is how long a DEM that announces a file of parameters waits for it.
	sidecarWait = time.Hour
	// unfinished is how long a file that settles but ends too early, as one does whose sender pauses, is waited for.
	unfinished = 2 * time.Minute
	// maxStarts and maxLooks bound one pass over the uploads.
	maxStarts, maxLooks = 100, 1000
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

// outcome says what came of a look at a dropped file.
type outcome struct {
	// job that the file is; empty if it is none, or none yet.
	job string
	// fresh is set if this look made the job.
	fresh bool
	// looked is set if the bucket was asked for the file.
	looked bool
	// said is the outcome in a few words.
	said string
}

// companions are what programs put beside a raster; they start nothing.
var companions = []string{".csv", ".xml", ".tfw", ".tifw", ".prj", ".ovr", ".cpg", ".md5", ".sha256"}

// What keeps a name from being that of a dropped file.
const (
	badPath    = "its name is no plain path"
	hiddenName = "its name begins with a dot"
)

// notDropped says why a key is no dropped file, or is empty.
func notDropped(key string) string {
	name, ok := strings.CutPrefix(key, job.UploadPrefix)
	switch {
	case !ok:
		return "it is not under " + job.UploadPrefix
	case name == "" || strings.HasSuffix(name, "/"):
		return "it is a folder"
	case path.Clean(key) != key:
		return badPath
	case strings.Contains("/"+name, "/."):
		return hiddenName
	case slices.Contains(companions, strings.ToLower(path.Ext(name))):
		return "it belongs to another file"
	}
	return ""
}

// version of an object, the same from its attributes and from its entry in a joblist.Query.
func (w *Watcher) version(key string, made time.Time, size int64, md5 []byte, as func(any) bool) job.Version {
	if w.Uploads.Generation != nil {
		if mark, made, ok := w.Uploads.Generation(as); ok {
			return job.Version{Key: key, Made: made, Mark: mark}
		}
	}
	return job.VersionOf(key, made, size, md5)
}

// attributes of a dropped file with its version; found is false if it is not there.
func (w *Watcher) attributes(ctx context.Context, key string) (a *blob.Attributes, v job.Version, found bool, err error) {
	a, err = w.Store.Bucket.Attributes(ctx, key)
	if gcerrors.Code(err) == gcerrors.NotFound {
		return nil, v, false, nil
	}
	if err != nil {
		return nil, v, false, fmt.Errorf("read %s: %w", key, err)
	}
	return a, w.version(key, a.ModTime, a.Size, a.MD5, a.As), true, nil
}

// Take looks at a dropped file and makes it a job, once for each of its versions. An input that is none
// becomes a failed job that says why. The error is a passing fault: looking again may mend it.
func (w *Watcher) Take(ctx context.Context, key string) (string, error) {
	o, err := w.take(ctx, key)
	return o.said, err
}

func (w *Watcher) take(ctx context.Context, key string) (outcome, error) {
	if why := notDropped(key); why != "" {
		return outcome{said: why}, nil
	}
	if strings.EqualFold(path.Ext(key), ".json") {
		return w.takeBeside(ctx, key)
	}
	a, v, found, err := w.attributes(ctx, key)
	if err != nil || !found {
		return outcome{said: "there is no such object", looked: true}, err
	}
	id := v.JobID()
	now := w.Now().UTC()
	switch taken, err := w.Store.Taken(ctx, id); {
	case err != nil:
		return outcome{looked: true}, err
	case taken:
		return outcome{job: id, looked: true, said: "it is job " + id + " already"}, nil
	case a.Size == 0 && (w.Uploads.Settle == 0 || w.writing(now.Sub(a.ModTime), unfinished)):
		return outcome{looked: true, said: "it is empty"}, nil
	case w.writing(now.Sub(a.ModTime), w.Uploads.Settle):
		return outcome{looked: true, said: "it may still be written"}, nil
	}
	if err := w.slots.Acquire(ctx, 1); err != nil {
		return outcome{looked: true}, err
	}
	defer w.slots.Release(1)

	f, err := w.dropped(ctx, key, a)
	var wait waiting
	if errors.As(err, &wait) {
		if now.Sub(v.Made) < sidecarWait {
			return outcome{looked: true, said: wait.Error()}, nil
		}
		err = problem.Invalid(fmt.Errorf("%w for %s in vain: upload the DEM again, the parameters first", wait, amount.Duration(sidecarWait)))
	}
	format := gridfile.None
	if err == nil {
		if format, err = w.Inputs.GridFormat(ctx, key); err == nil && format == gridfile.None {
			err = w.checkDropped(ctx, key, f.Params, now.Sub(a.ModTime))
			f.Params, err = w.systemBeside(ctx, key, key, f.Params, err)
		}
		if errors.Is(err, errUnfinished) {
			return outcome{looked: true, said: err.Error()}, nil
		}
	}
	if err != nil && !problem.Refused(err) {
		return outcome{looked: true}, err
	}
	in, begin := w.Store.BeginIntake(ctx, job.Intake{Job: id, Key: key, Made: v.Made.UTC(), Seen: now})
	if begin != nil {
		return outcome{looked: true}, begin
	}
	r := job.Request{
		ID: id, Workflow: f.Workflow, Parameters: f.Params, Created: in.Seen,
		DEM: job.DEM{Key: key, Name: path.Base(key), Size: a.Size},
	}
	if err == nil {
		err = w.bring(ctx, &r, v, format)
	}
	err = inputs.Called(r.DEM.Name, err)
	if format != gridfile.None && problem.Refused(err) && w.writing(now.Sub(a.ModTime), unfinished) {
		err = errUnfinished // a grid that is read to its end tells only then that it ends too early
	}
	if errors.Is(err, errReplaced) || errors.Is(err, errUnfinished) {
		return outcome{looked: true, said: err.Error()}, nil
	}
	if err != nil && !problem.Refused(err) {
		return outcome{looked: true}, err
	}
	return w.enter(ctx, r, inputs.Called(path.Base(key), err))
}

// systemBeside states the system of a dropped DEM that lacks one, as err says, by the .prj file beside it; without one that
// helps, err stays. The DEM is read at the key read.
func (w *Watcher) systemBeside(ctx context.Context, key, read string, p param.Parameters, err error) (param.Parameters, error) {
	if !inspect.LacksCRS(err) || p.DEMCRS != "" {
		return p, err
	}
	for _, name := range inspect.PRJNames(key) {
		text, look := w.prj(ctx, name)
		if look != nil {
			return p, look
		}
		if text == "" {
			continue
		}
		with := p
		with.DEMCRS = text
		if _, fault := w.Inputs.Header(ctx, read, with); !inspect.LacksCRS(fault) {
			return with, fault
		}
	}
	return p, err
}

// prj returns the text of a .prj file; empty where there is none, or none that can be read as one.
func (w *Watcher) prj(ctx context.Context, key string) (string, error) {
	r, err := w.Store.Bucket.NewReader(ctx, key, nil)
	if gcerrors.Code(err) == gcerrors.NotFound {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read %s: %w", key, err)
	}
	defer func() { _ = r.Close() }()
	text, err := inspect.PRJ(r)
	if errors.Is(err, inspect.ErrLongPRJ) {
		return "", nil
	}
	return text, err
}

// writing reports whether a file last changed age ago may still be written. One from the future has a wrong clock.
func (w *Watcher) writing(age, settle time.Duration) bool {
	return w.Uploads.Settle > 0 && age.Abs() < settle
}

// takeBeside looks at the DEM that a file of parameters belongs to. The file itself starts nothing.
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
			return outcome{looked: true}, err
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
	return outcome{looked: true, said: "it waits for its DEM"}, nil
}

// warnLate tells the log of parameters that came when their DEM was a job already.
func (w *Watcher) warnLate(ctx context.Context, sidecar, dem, id string) {
	a, err := w.Store.Bucket.Attributes(ctx, sidecar)
	if err != nil {
		return
	}
	if r, err := w.Store.Request(ctx, id); err == nil && a.ModTime.After(r.Created) {
		w.Log.Warn("parameters came after their DEM and are not used; upload the DEM again", "sidecar", sidecar, "dem", dem, "job", id)
	}
}

// demExtensions are those that a file of parameters may leave out of the name of its DEM.
var demExtensions = []string{".tif", ".tiff", ".asc", ".hgt"}

func isDEM(name string) bool {
	return slices.Contains(demExtensions, strings.ToLower(path.Ext(name)))
}

// waiting says what a dropped file waits for.
type waiting string

func (w waiting) Error() string { return string(w) }

// dropped reads the parameters of a dropped file: the defaults, over them its metadata, over them the file beside it.
// An error of the kind fault.Invalid says what cannot be used; f then holds what could.
func (w *Watcher) dropped(ctx context.Context, key string, a *blob.Attributes) (form.Form, error) {
	f := form.New()
	announced := false
	var errs []error
	for name, value := range a.Metadata {
		name, ours := strings.CutPrefix(strings.ReplaceAll(strings.ToLower(name), "-", "_"), "eemt_")
		switch {
		case !ours:
		case name == "sidecar":
			b, err := strconv.ParseBool(value)
			if err != nil {
				errs = append(errs, problem.Invalid(fmt.Errorf("metadata eemt-sidecar %q: must be true or false", value)))
			}
			announced = b
		default:
			errs = append(errs, drop(&f, "metadata eemt-", name, value))
		}
	}
	names := []string{key + ".json"}
	if isDEM(key) {
		names = append(names, strings.TrimSuffix(key, path.Ext(key))+".json")
	}
	found := false
	for _, name := range names {
		values, ok, err := w.sidecar(ctx, name)
		if err != nil && !problem.Refused(err) {
			return f, err
		}
		errs = append(errs, err)
		for field, value := range values {
			errs = append(errs, drop(&f, "file "+name+": ", field, value))
		}
		if found = ok; found {
			break
		}
	}
	if announced && !found {
		return f, waiting("it waits for its parameters in " + names[0])
	}
	// The order of a map must not change the sentence.
	slices.SortFunc(errs, func(a, b error) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	if err := errors.Join(errs...); err != nil {
		return f, problem.Invalid(oneSentence(err))
	}
	f.Params.OneYear(f.StartSet, f.EndSet)
	return f, besideClimate(key, &f.Params)
}

func oneSentence(err error) error {
	return errors.New(strings.ReplaceAll(err.Error(), "\n", "; "))
}

// drop sets one parameter, named as in a form or in job.json.
func drop(f *form.Form, from, name, value string) error {
	if name == "workflow" {
		name = "workflow_type"
	}
	if err := f.Set(name, value); err != nil {
		return problem.Invalid(fmt.Errorf("%s%w", from, err))
	}
	return nil
}

// sidecar reads a JSON object of parameters as the text that a form would hold.
func (w *Watcher) sidecar(ctx context.Context, key string) (map[string]string, bool, error) {
	r, err := w.Store.Bucket.NewReader(ctx, key, nil)
	if gcerrors.Code(err) == gcerrors.NotFound {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("read %s: %w", key, err)
	}
	defer func() { _ = r.Close() }()
	data, err := io.ReadAll(io.LimitReader(r, maxSidecar+1))
	if err != nil {
		return nil, false, fmt.Errorf("read %s: %w", key, err)
	}
	if len(data) > maxSidecar {
		return nil, true, problem.Invalid(fmt.Errorf("file %s: must have at most %d bytes", key, maxSidecar))
	}
	values, err := fields(data)
	if err != nil {
		return nil, true, problem.Invalid(fmt.Errorf("file %s: %w", key, err))
	}
	return values, true, nil
}

// fields reads {"step": 30, "linke_value": [2, 2.5, ...], "climate": "table:station.csv"}.
func fields(data []byte) (map[string]string, error) {
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(data, &raw); err != nil {
		return nil, fmt.Errorf("must be a JSON object of parameters such as {\"step\": 30}: %w", err)
	}
	values := map[string]string{}
	for name, v := range raw {
		list := []json.RawMessage{v}
		if len(v) > 0 && v[0] == '[' {
			list = nil
			if err := json.Unmarshal(v, &list); err != nil {
				return nil, err
			}
		}
		parts := make([]string, 0, len(list))
		for _, item := range list {
			part := string(item)
			switch part[0] {
			case '"':
				if err := json.Unmarshal(item, &part); err != nil {
					return nil, err
				}
			case '{', '[', 'n':
				return nil, fmt.Errorf("%.100q: must be a number, a text, true or false, or a list of numbers", name)
			}
			parts = append(parts, part)
		}
		values[name] = strings.Join(parts, ",")
	}
	return values, nil
}

// besideClimate lets a climate table be named as it lies beside the DEM.
func besideClimate(key string, p *param.Parameters) error {
	kind, name, _ := strings.Cut(p.Climate, ":")
	if kind != climate.KindTable && kind != climate.KindPixel || strings.HasPrefix(name, job.InputPrefix) || strings.HasPrefix(name, "climate/") {
		return nil
	}
	if !strings.HasPrefix(name, job.UploadPrefix) {
		name = path.Join(path.Dir(key), name)
	}
	if why := notDropped(name); why != "" && !slices.Contains(companions, strings.ToLower(path.Ext(name))) || !strings.HasPrefix(path.Clean(name), job.UploadPrefix) {
		return problem.Invalid(fmt.Errorf("climate %q: must be a .csv file under %s or climate/", p.Climate, job.UploadPrefix))
	}
	p.Climate = kind + ":" + path.Clean(name)
	return nil
}

var errReplaced = errors.New("it was replaced while it was read; its next version is read")

// bring copies what the job reads to where nobody overwrites it.
func (w *Watcher) bring(ctx context.Context, r *job.Request, v job.Version, format gridfile.Format) error {
	if err := submit.Validate(r.Workflow, r.Parameters); err != nil {
		return problem.Invalid(oneSentence(err))
	}
	if format == gridfile.None {
		if _, err := w.Submit.CheckSize(ctx, r.Workflow, r.Parameters, inputs.DEM{DEM: r.DEM}); err != nil {
			return err
		}
	}
	if kind, key, _ := strings.Cut(r.Parameters.Climate, ":"); strings.HasPrefix(key, job.UploadPrefix) {
		table, err := w.copyIn(ctx, r.ID, key, min(inputs.MaxTable, w.Inputs.MaxUpload))
		if gcerrors.Code(err) == gcerrors.NotFound {
			return problem.Invalid(fmt.Errorf("climate table %s is not there: upload it, then the DEM again", key))
		}
		if err != nil {
			return err
		}
		r.Parameters.Climate = kind + ":" + table.Key
	}
	ref, err := w.bringDEM(ctx, r, format)
	if gcerrors.Code(err) == gcerrors.NotFound {
		return errReplaced
	}
	if err != nil {
		return err
	}
	// A file of a directory may be rewritten while it is read.
	_, now, found, err := w.attributes(ctx, v.Key)
	if err != nil {
		return err
	}
	if !found || now.JobID() != r.ID {
		// Another look may have made the job before.
		if err := w.Store.DropInput(context.WithoutCancel(ctx), ref.Key, w.NewID()); err != nil {
			w.Log.Warn("the copy of a replaced file is left", "key", ref.Key, "error", err)
		}
		return errReplaced
	}
	r.DEM = ref
	r.Fingerprint = job.Fingerprint(w.Version, r.Workflow, r.Parameters, ref.SHA256)
	return nil
}

// bringDEM copies the DEM of a job; a grid in another format is checked only as the GeoTIFF that is made of it.
func (w *Watcher) bringDEM(ctx context.Context, r *job.Request, format gridfile.Format) (job.DEM, error) {
	if format == gridfile.None {
		return w.copyIn(ctx, r.ID, r.DEM.Key, w.Inputs.MaxUpload)
	}
	ref, err := w.convertIn(ctx, r.ID, r.DEM.Key)
	if err != nil {
		return ref, err
	}
	_, err = w.Inputs.Header(ctx, ref.Key, r.Parameters)
	if r.Parameters, err = w.systemBeside(ctx, r.DEM.Key, ref.Key, r.Parameters, err); err == nil {
		_, err = w.Submit.CheckSize(ctx, r.Workflow, r.Parameters, inputs.DEM{DEM: ref})
	}
	if problem.Refused(err) {
		err = errors.Join(err, w.Store.DropInput(context.WithoutCancel(ctx), ref.Key, w.NewID()))
	}
	return ref, err
}

// convertIn stores the GeoTIFF that is made of a dropped grid, under a name made of the job.
func (w *Watcher) convertIn(ctx context.Context, id, key string) (job.DEM, error) {
	r, err := w.Store.Bucket.NewReader(ctx, key, nil)
	if err != nil {
		return job.DEM{}, fmt.Errorf("read %s: %w", key, err)
	}
	defer func() { _ = r.Close() }()
	name := path.Base(key)
	tiff, err := w.Inputs.TIFF(name, bufio.NewReaderSize(r, 4096))
	if err != nil {
		return job.DEM{}, err
	}
	defer func() { _ = tiff.Close() }()
	return w.Inputs.PutAt(ctx, inputs.Key(id, name), name, tiff, w.Inputs.MaxUpload, true)
}

// copyIn copies a dropped file under a name made of the job; a copy that is there already stays.
func (w *Watcher) copyIn(ctx context.Context, id, key string, limit int64) (job.DEM, error) {
	r, err := w.Store.Bucket.NewReader(ctx, key, nil)
	if err != nil {
		return job.DEM{}, fmt.Errorf("read %s: %w", key, err)
	}
	defer func() { _ = r.Close() }()
	name := path.Base(key)
	return w.Inputs.PutAt(ctx, inputs.Key(id, name), name, r, limit, true)
}

// enter writes the job of a dropped file; refused, if not nil, is why it cannot be computed.
func (w *Watcher) enter(ctx context.Context, r job.Request, refused error) (outcome, error) {
	standing, err := w.Store.Request(ctx, r.ID)
	switch {
	case err == nil:
		r = standing
	case !errors.Is(err, job.ErrNotFound):
		return outcome{looked: true}, err
	case refused != nil:
		// The end comes first, so that nobody takes the job up.
		end := job.End{State: job.Failed, Reason: refused.Error(), Ended: w.Now().UTC(), Event: uploadRefused}
		end.Findings.AddError(refused)
		if _, _, err := w.Store.WriteEnd(ctx, r.ID, end); err != nil {
			return outcome{looked: true}, err
		}
	}
	if err := w.Store.Use(ctx, r); err != nil {
		return outcome{looked: true}, err
	}
	if err := w.Store.Create(ctx, r); err != nil {
		return outcome{looked: true}, err
	}
	o := outcome{job: r.ID, fresh: true, looked: true, said: "it becomes job " + r.ID}
	// What counts is what stands: a look that was cut short may have found otherwise.
	end, err := w.Store.End(ctx, r.ID)
	switch {
	case errors.Is(err, job.ErrNotFound):
		w.Submit.Announce(ctx, r)
	case err != nil:
		return outcome{looked: true}, err
	case end.Event == uploadRefused:
		o.said = fmt.Sprintf("it becomes job %s, which failed: %s", r.ID, end.Reason)
		w.Log.Warn("dropped file cannot be used", "job", r.ID, "key", r.DEM.Key, "reason", end.Reason)
		w.Submit.AnnounceEnd(ctx, r.ID, eventing.NewJobFailed(submit.Source, r.ID, end.Reason, 0, end.Ended))
	}
	return o, w.Store.EndIntake(ctx, r.ID)
}

// uploadRefused marks the ends of jobs of dropped files that cannot be computed.
const uploadRefused = "upload"

// Scan looks at every dropped file that is no job yet, as its event should have done, and returns how many
// became one. A pass makes at most 100 jobs; the next goes on.
func (w *Watcher) Scan(ctx context.Context) (int, error) {
	// What was taken is listed first: a file that is taken meanwhile is then only looked at again.
	taken, err := w.Store.Intakes(ctx)
	if err != nil {
		return 0, err
	}
	started, looks := 0, 0
	var errs []error
	it := w.Store.Bucket.List(&blob.ListOptions{Prefix: job.UploadPrefix})
	for started < maxStarts && looks < maxLooks && len(errs) < 10 {
		o, err := it.Next(ctx)
		if errors.Is(err, io.EOF) {
			return started, errors.Join(append(errs, w.forget(ctx, taken))...)
		}
		if err != nil {
			return started, errors.Join(append(errs, fmt.Errorf("list %s: %w", job.UploadPrefix, err))...)
		}
		if why := notDropped(o.Key); why != "" {
			w.ignore(o.Key, why)
			continue
		}
		if o.IsDir || o.Size == 0 && w.Uploads.Settle == 0 || strings.EqualFold(path.Ext(o.Key), ".json") {
			continue
		}
		id := w.version(o.Key, o.ModTime, o.Size, o.MD5, o.As).JobID()
		done := taken[id]
		delete(taken, id)
		if done {
			continue
		}
		out, err := w.take(ctx, o.Key)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", o.Key, err))
		}
		if out.looked {
			looks++
		}
		if out.fresh {
			started++
		}
		w.Log.Debug("dropped file", "key", o.Key, "outcome", out.said)
	}
	return started, errors.Join(errs...)
}

// forget removes the records of dropped files that are gone, a bounded number at a time.
func (w *Watcher) forget(ctx context.Context, gone map[string]bool) error {
	n := 0
	for id := range gone {
		if n++; n > maxLooks {
			break
		}
		if err := w.Store.ForgetIntake(ctx, id); err != nil {
			return err
		}
	}
	return nil
}
