package submission

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"

	"github.com/cyverse-gis/eemt/eventing"
	"github.com/cyverse-gis/eemt/functions/submission/inputs"
	"github.com/cyverse-gis/eemt/functions/submission/problem"
	"github.com/cyverse-gis/eemt/shared/amount"
	"github.com/cyverse-gis/eemt/shared/climate"
	"github.com/cyverse-gis/eemt/shared/gridfile"
	"github.com/cyverse-gis/eemt/shared/inspect"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/param"
)

// Uploads says how files dropped under uploads/ are watched.
type Uploads struct {
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

// slots lets a bounded number in.
type slots struct {
	once sync.Once
	free chan struct{}
}

func (s *slots) enter(ctx context.Context) (leave func(), err error) {
	s.once.Do(func() { s.free = make(chan struct{}, maxIntakes) })
	select {
	case s.free <- struct{}{}:
		return func() { <-s.free }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
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
func (s *Service) version(key string, made time.Time, size int64, md5 []byte, as func(any) bool) job.Version {
	if s.Uploads.Generation != nil {
		if mark, made, ok := s.Uploads.Generation(as); ok {
			return job.Version{Key: key, Made: made, Mark: mark}
		}
	}
	return job.VersionOf(key, made, size, md5)
}

// attributes of a dropped file with its version; found is false if it is not there.
func (s *Service) attributes(ctx context.Context, key string) (a *blob.Attributes, v job.Version, found bool, err error) {
	a, err = s.Store.Bucket.Attributes(ctx, key)
	if gcerrors.Code(err) == gcerrors.NotFound {
		return nil, v, false, nil
	}
	if err != nil {
		return nil, v, false, fmt.Errorf("read %s: %w", key, err)
	}
	return a, s.version(key, a.ModTime, a.Size, a.MD5, a.As), true, nil
}

// Take looks at a dropped file and makes it a job, once for each of its versions. An input that is none
// becomes a failed job that says why. The error is a passing fault: looking again may mend it.
func (s *Service) Take(ctx context.Context, key string) (string, error) {
	o, err := s.take(ctx, key)
	return o.said, err
}

func (s *Service) take(ctx context.Context, key string) (outcome, error) {
	if why := notDropped(key); why != "" {
		return outcome{said: why}, nil
	}
	if strings.EqualFold(path.Ext(key), ".json") {
		return s.takeBeside(ctx, key)
	}
	a, v, found, err := s.attributes(ctx, key)
	if err != nil || !found {
		return outcome{said: "there is no such object", looked: true}, err
	}
	id := v.JobID()
	now := s.Now().UTC()
	switch taken, err := s.Store.Taken(ctx, id); {
	case err != nil:
		return outcome{looked: true}, err
	case taken:
		return outcome{job: id, looked: true, said: "it is job " + id + " already"}, nil
	case a.Size == 0 && (s.Uploads.Settle == 0 || s.writing(now.Sub(a.ModTime), unfinished)):
		return outcome{looked: true, said: "it is empty"}, nil
	case s.writing(now.Sub(a.ModTime), s.Uploads.Settle):
		return outcome{looked: true, said: "it may still be written"}, nil
	}
	leave, err := s.intake.enter(ctx)
	if err != nil {
		return outcome{looked: true}, err
	}
	defer leave()

	f, err := s.dropped(ctx, key, a)
	var wait waiting
	if errors.As(err, &wait) {
		if now.Sub(v.Made) < sidecarWait {
			return outcome{looked: true, said: wait.Error()}, nil
		}
		err = problem.Invalid(fmt.Errorf("%w for %s in vain: upload the DEM again, the parameters first", wait, amount.Duration(sidecarWait)))
	}
	format := gridfile.None
	if err == nil {
		if format, err = s.gridFormat(ctx, key); err == nil && format == gridfile.None {
			err = s.checkDropped(ctx, key, f.params, now.Sub(a.ModTime))
			f.params, err = s.systemBeside(ctx, key, key, f.params, err)
		}
		if errors.Is(err, errUnfinished) {
			return outcome{looked: true, said: err.Error()}, nil
		}
	}
	if err != nil && !errors.Is(err, problem.ErrInvalid) {
		return outcome{looked: true}, err
	}
	in, begin := s.Store.BeginIntake(ctx, job.Intake{Job: id, Key: key, Made: v.Made.UTC(), Seen: now})
	if begin != nil {
		return outcome{looked: true}, begin
	}
	r := job.Request{
		ID: id, Workflow: f.workflow, Parameters: f.params, Created: in.Seen,
		DEM: job.DEM{Key: key, Name: path.Base(key), Size: a.Size},
	}
	if err == nil {
		err = s.bring(ctx, &r, v, format)
	}
	err = inputs.Called(r.DEM.Name, err)
	if format != gridfile.None && errors.Is(err, problem.ErrInvalid) && s.writing(now.Sub(a.ModTime), unfinished) {
		err = errUnfinished // a grid that is read to its end tells only then that it ends too early
	}
	if errors.Is(err, errReplaced) || errors.Is(err, errUnfinished) {
		return outcome{looked: true, said: err.Error()}, nil
	}
	if err != nil && !errors.Is(err, problem.ErrInvalid) {
		return outcome{looked: true}, err
	}
	return s.enter(ctx, r, inputs.Called(path.Base(key), err))
}

// systemBeside states the system of a dropped DEM that lacks one, as err says, by the .prj file beside it; without one that
// helps, err stays. The DEM is read at the key read.
func (s *Service) systemBeside(ctx context.Context, key, read string, p param.Parameters, err error) (param.Parameters, error) {
	if !inspect.LacksCRS(err) || p.DEMCRS != "" {
		return p, err
	}
	for _, name := range inspect.PRJNames(key) {
		text, look := s.prj(ctx, name)
		if look != nil {
			return p, look
		}
		if text == "" {
			continue
		}
		with := p
		with.DEMCRS = text
		if _, fault := s.inputs.Header(ctx, read, with); !inspect.LacksCRS(fault) {
			return with, fault
		}
	}
	return p, err
}

// prj returns the text of a .prj file; empty where there is none, or none that can be read as one.
func (s *Service) prj(ctx context.Context, key string) (string, error) {
	r, err := s.Store.Bucket.NewReader(ctx, key, nil)
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
func (s *Service) writing(age, settle time.Duration) bool {
	return s.Uploads.Settle > 0 && age.Abs() < settle
}

// takeBeside looks at the DEM that a file of parameters belongs to. The file itself starts nothing.
func (s *Service) takeBeside(ctx context.Context, key string) (outcome, error) {
	stem := key[:len(key)-len(".json")]
	names := []string{stem}
	if !isDEM(stem) {
		for _, ext := range demExtensions {
			names = append(names, stem+ext)
		}
	}
	for _, dem := range names {
		_, v, found, err := s.attributes(ctx, dem)
		if err != nil {
			return outcome{looked: true}, err
		}
		if !found {
			continue
		}
		o, err := s.take(ctx, dem)
		if err == nil && o.job != "" && !o.fresh {
			s.warnLate(ctx, key, dem, v.JobID())
		}
		if err == nil {
			o.said = dem + ": " + o.said
		}
		return o, err
	}
	return outcome{looked: true, said: "it waits for its DEM"}, nil
}

// warnLate tells the log of parameters that came when their DEM was a job already.
func (s *Service) warnLate(ctx context.Context, sidecar, dem, id string) {
	a, err := s.Store.Bucket.Attributes(ctx, sidecar)
	if err != nil {
		return
	}
	if r, err := s.Store.Request(ctx, id); err == nil && a.ModTime.After(r.Created) {
		s.Log.Warn("parameters came after their DEM and are not used; upload the DEM again", "sidecar", sidecar, "dem", dem, "job", id)
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
// What cannot be used is an problem.ErrInvalid; f then holds what could.
func (s *Service) dropped(ctx context.Context, key string, a *blob.Attributes) (form, error) {
	f := form{workflow: param.Sol, params: param.DefaultParameters()}
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
			errs = append(errs, f.drop("metadata eemt-", name, value))
		}
	}
	names := []string{key + ".json"}
	if isDEM(key) {
		names = append(names, strings.TrimSuffix(key, path.Ext(key))+".json")
	}
	found := false
	for _, name := range names {
		values, ok, err := s.sidecar(ctx, name)
		if err != nil && !errors.Is(err, problem.ErrInvalid) {
			return f, err
		}
		errs = append(errs, err)
		for field, value := range values {
			errs = append(errs, f.drop("file "+name+": ", field, value))
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
	f.params.OneYear(f.startSet, f.endSet)
	return f, besideClimate(key, &f.params)
}

func oneSentence(err error) error {
	return errors.New(strings.ReplaceAll(err.Error(), "\n", "; "))
}

// drop sets one parameter, named as in a form or in job.json.
func (f *form) drop(from, name, value string) error {
	if name == "workflow" {
		name = "workflow_type"
	}
	if err := f.set(name, value); err != nil {
		return problem.Invalid(fmt.Errorf("%s%w", from, err))
	}
	return nil
}

// sidecar reads a JSON object of parameters as the text that a form would hold.
func (s *Service) sidecar(ctx context.Context, key string) (map[string]string, bool, error) {
	r, err := s.Store.Bucket.NewReader(ctx, key, nil)
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
func (s *Service) bring(ctx context.Context, r *job.Request, v job.Version, format gridfile.Format) error {
	if err := validate(r.Workflow, r.Parameters); err != nil {
		return problem.Invalid(oneSentence(err))
	}
	if format == gridfile.None {
		if err := s.checkSize(ctx, r.Workflow, r.Parameters, r.DEM.Key); err != nil {
			return err
		}
	}
	if kind, key, _ := strings.Cut(r.Parameters.Climate, ":"); strings.HasPrefix(key, job.UploadPrefix) {
		table, err := s.copyIn(ctx, r.ID, key, min(inputs.MaxTable, s.MaxUpload))
		if gcerrors.Code(err) == gcerrors.NotFound {
			return problem.Invalid(fmt.Errorf("climate table %s is not there: upload it, then the DEM again", key))
		}
		if err != nil {
			return err
		}
		r.Parameters.Climate = kind + ":" + table.Key
	}
	ref, err := s.bringDEM(ctx, r, format)
	if gcerrors.Code(err) == gcerrors.NotFound {
		return errReplaced
	}
	if err != nil {
		return err
	}
	// A file of a directory may be rewritten while it is read.
	_, now, found, err := s.attributes(ctx, v.Key)
	if err != nil {
		return err
	}
	if !found || now.JobID() != r.ID {
		// Another look may have made the job before.
		if err := s.Store.DropInput(context.WithoutCancel(ctx), ref.Key, s.NewID()); err != nil {
			s.Log.Warn("the copy of a replaced file is left", "key", ref.Key, "error", err)
		}
		return errReplaced
	}
	r.DEM = ref
	r.Fingerprint = job.Fingerprint(s.Version, r.Workflow, r.Parameters, ref.SHA256)
	return nil
}

// bringDEM copies the DEM of a job; a grid in another format is checked only as the GeoTIFF that is made of it.
func (s *Service) bringDEM(ctx context.Context, r *job.Request, format gridfile.Format) (job.DEM, error) {
	if format == gridfile.None {
		return s.copyIn(ctx, r.ID, r.DEM.Key, s.MaxUpload)
	}
	ref, err := s.convertIn(ctx, r.ID, r.DEM.Key)
	if err != nil {
		return ref, err
	}
	_, err = s.inputs.Header(ctx, ref.Key, r.Parameters)
	if r.Parameters, err = s.systemBeside(ctx, r.DEM.Key, ref.Key, r.Parameters, err); err == nil {
		err = s.checkSize(ctx, r.Workflow, r.Parameters, ref.Key)
	}
	if errors.Is(err, problem.ErrInvalid) {
		err = errors.Join(err, s.Store.DropInput(context.WithoutCancel(ctx), ref.Key, s.NewID()))
	}
	return ref, err
}

// convertIn stores the GeoTIFF that is made of a dropped grid, under a name made of the job.
func (s *Service) convertIn(ctx context.Context, id, key string) (job.DEM, error) {
	r, err := s.Store.Bucket.NewReader(ctx, key, nil)
	if err != nil {
		return job.DEM{}, fmt.Errorf("read %s: %w", key, err)
	}
	defer func() { _ = r.Close() }()
	name := path.Base(key)
	tiff, err := s.inputs.TIFF(name, bufio.NewReaderSize(r, 4096))
	if err != nil {
		return job.DEM{}, err
	}
	defer func() { _ = tiff.Close() }()
	return s.inputs.PutAt(ctx, inputs.Key(id, name), name, tiff, s.MaxUpload, true)
}

// gridFormat tells by its first bytes, and by its name, what a dropped file is made a GeoTIFF from.
func (s *Service) gridFormat(ctx context.Context, key string) (gridfile.Format, error) {
	r, err := s.Store.Bucket.NewRangeReader(ctx, key, 0, gridfile.HeadSize, nil)
	if err != nil {
		return gridfile.None, fmt.Errorf("read %s: %w", key, err)
	}
	defer func() { _ = r.Close() }()
	head, err := io.ReadAll(r)
	if err != nil {
		return gridfile.None, fmt.Errorf("read %s: %w", key, err)
	}
	return gridfile.Detect(path.Base(key), head, 0), nil
}

// copyIn copies a dropped file under a name made of the job; a copy that is there already stays.
func (s *Service) copyIn(ctx context.Context, id, key string, limit int64) (job.DEM, error) {
	r, err := s.Store.Bucket.NewReader(ctx, key, nil)
	if err != nil {
		return job.DEM{}, fmt.Errorf("read %s: %w", key, err)
	}
	defer func() { _ = r.Close() }()
	name := path.Base(key)
	return s.inputs.PutAt(ctx, inputs.Key(id, name), name, r, limit, true)
}

// enter writes the job of a dropped file; refused, if not nil, is why it cannot be computed.
func (s *Service) enter(ctx context.Context, r job.Request, refused error) (outcome, error) {
	standing, err := s.Store.Request(ctx, r.ID)
	switch {
	case err == nil:
		r = standing
	case !errors.Is(err, job.ErrNotFound):
		return outcome{looked: true}, err
	case refused != nil:
		// The end comes first, so that nobody takes the job up.
		end := job.End{State: job.Failed, Reason: refused.Error(), Ended: s.Now().UTC(), Event: uploadRefused}
		end.Findings.AddError(refused)
		if _, _, err := s.Store.WriteEnd(ctx, r.ID, end); err != nil {
			return outcome{looked: true}, err
		}
	}
	if err := s.Store.Use(ctx, r); err != nil {
		return outcome{looked: true}, err
	}
	if err := s.Store.Create(ctx, r); err != nil {
		return outcome{looked: true}, err
	}
	o := outcome{job: r.ID, fresh: true, looked: true, said: "it becomes job " + r.ID}
	// What counts is what stands: a look that was cut short may have found otherwise.
	end, err := s.Store.End(ctx, r.ID)
	switch {
	case errors.Is(err, job.ErrNotFound):
		s.announce(ctx, r)
	case err != nil:
		return outcome{looked: true}, err
	case end.Event == uploadRefused:
		o.said = fmt.Sprintf("it becomes job %s, which failed: %s", r.ID, end.Reason)
		s.Log.Warn("dropped file cannot be used", "job", r.ID, "key", r.DEM.Key, "reason", end.Reason)
		s.announceEnd(ctx, r.ID, eventing.NewJobFailed(Source, r.ID, end.Reason, 0, end.Ended))
	}
	return o, s.Store.EndIntake(ctx, r.ID)
}

// uploadRefused marks the ends of jobs of dropped files that cannot be computed.
const uploadRefused = "upload"

// ScanUploads looks at every dropped file that is no job yet, as its event should have done, and returns how many
// became one. A pass makes at most 100 jobs; the next goes on.
func (s *Service) ScanUploads(ctx context.Context) (int, error) {
	// What was taken is listed first: a file that is taken meanwhile is then only looked at again.
	taken, err := s.Store.Intakes(ctx)
	if err != nil {
		return 0, err
	}
	started, looks := 0, 0
	var errs []error
	it := s.Store.Bucket.List(&blob.ListOptions{Prefix: job.UploadPrefix})
	for started < maxStarts && looks < maxLooks && len(errs) < 10 {
		o, err := it.Next(ctx)
		if errors.Is(err, io.EOF) {
			return started, errors.Join(append(errs, s.forget(ctx, taken))...)
		}
		if err != nil {
			return started, errors.Join(append(errs, fmt.Errorf("list %s: %w", job.UploadPrefix, err))...)
		}
		if why := notDropped(o.Key); why != "" {
			s.ignore(o.Key, why)
			continue
		}
		if o.IsDir || o.Size == 0 && s.Uploads.Settle == 0 || strings.EqualFold(path.Ext(o.Key), ".json") {
			continue
		}
		id := s.version(o.Key, o.ModTime, o.Size, o.MD5, o.As).JobID()
		done := taken[id]
		delete(taken, id)
		if done {
			continue
		}
		out, err := s.take(ctx, o.Key)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", o.Key, err))
		}
		if out.looked {
			looks++
		}
		if out.fresh {
			started++
		}
		s.Log.Debug("dropped file", "key", o.Key, "outcome", out.said)
	}
	return started, errors.Join(errs...)
}

// forget removes the records of dropped files that are gone, a bounded number at a time.
func (s *Service) forget(ctx context.Context, gone map[string]bool) error {
	n := 0
	for id := range gone {
		if n++; n > maxLooks {
			break
		}
		if err := s.Store.ForgetIntake(ctx, id); err != nil {
			return err
		}
	}
	return nil
}
