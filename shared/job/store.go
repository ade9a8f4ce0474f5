package job

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"

	"github.com/cyverse-gis/eemt/shared/fault"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"

	"github.com/cyverse-gis/eemt/shared/wording"
)

// ErrNotFound says that there is no such job or record.
var ErrNotFound = fault.New(fault.NotFound, errors.New("not found"))

// ErrDamaged says that a record is there and holds what nobody wrote. Reading it
// again gives the same.
var ErrDamaged = fault.New(fault.Damaged, errors.New("damaged record"))

// maxRecord bounds a record that is read back.
const maxRecord = 64 << 20

// Store reads and writes job records in a bucket.
type Store struct {
	Bucket *blob.Bucket
}

var idPattern = regexp.MustCompile(`^[0-9A-HJKMNP-TV-Z]{26}$`)

// ValidID reports whether id has the form of a job id (a ULID).
func ValidID(id string) bool { return idPattern.MatchString(id) }

// Prefix is where everything of a job lies.
func Prefix(id string) string { return "jobs/" + id + "/" }

// ResultKey is the object of one result file.
func ResultKey(id, name string) string { return Prefix(id) + "results/" + name }

// WorkKey is the object of an intermediate file.
func WorkKey(id, name string) string { return Prefix(id) + "work/" + name }

// layersPrefix is where an assembly notes the statistics of maps.
func layersPrefix(id string) string { return WorkKey(id, "layers/") }

// LayersKey is the object of the statistics of maps, by the number of the first.
func LayersKey(id string, first int) string {
	return fmt.Sprintf("%s%05d.json", layersPrefix(id), first)
}

// indexKey sorts newest first: the time counts down.
func indexKey(created time.Time, id string) string {
	return indexPrefix + indexName(created, id)
}

func indexName(created time.Time, id string) string {
	return fmt.Sprintf("%015d-%s", indexEnd-created.UnixMilli(), id)
}

const indexPrefix = "index/"

// indexEnd is what index keys count down from, in milliseconds: the year 6429.
const indexEnd = 1 << 47

// Create writes the index entry, then job.json: an index entry without a job is
// passed over, a job without one would be lost. Writing the same job twice is harmless.
func (s Store) Create(ctx context.Context, r Request) error {
	if !ValidID(r.ID) {
		return fmt.Errorf("job id %q is not a ULID", r.ID)
	}
	if err := s.PutIndex(ctx, r); err != nil {
		return err
	}
	_, err := s.WriteOnce(ctx, Prefix(r.ID)+"job.json", r)
	return err
}

// PutIndex writes the index entries of a job.
func (s Store) PutIndex(ctx context.Context, r Request) error {
	for _, key := range r.IndexKeys() {
		if err := s.Bucket.WriteAll(ctx, key, nil, nil); err != nil {
			return fmt.Errorf("write the index entry of job %s: %w", r.ID, err)
		}
	}
	return nil
}

// Request reads job.json; ErrNotFound when there is none.
func (s Store) Request(ctx context.Context, id string) (Request, error) {
	var r Request
	if !ValidID(id) {
		return r, fmt.Errorf("job %q: %w", id, ErrNotFound)
	}
	err := s.Read(ctx, Prefix(id)+"job.json", &r)
	if err == nil && r.ID != id { // whoever acts on it would act on another job
		err = fmt.Errorf("%w: %sjob.json says it is of job %.80q", ErrDamaged, Prefix(id), r.ID)
	}
	return r, err
}

// WriteEnd ends a job. It returns the end that stands, and whether this call wrote it.
func (s Store) WriteEnd(ctx context.Context, id string, e End) (End, bool, error) {
	e.Reason = wording.Text(e.Reason) // people read it
	won, err := s.WriteOnce(ctx, Prefix(id)+"end.json", e)
	if err != nil || won {
		return e, won, err
	}
	stands, err := s.End(ctx, id)
	// A write whose answer was lost and that was repeated finds its own record.
	return stands, err == nil && stands.Ended.Equal(e.Ended) && stands.State == e.State && stands.Reason == e.Reason && stands.Event == e.Event && e.Event != "", err
}

// End reads end.json; ErrNotFound while the job goes on.
func (s Store) End(ctx context.Context, id string) (End, error) {
	var e End
	err := s.Read(ctx, Prefix(id)+"end.json", &e)
	return e, err
}

// Ended reports whether the job has an end.
func (s Store) Ended(ctx context.Context, id string) (bool, error) {
	return s.Bucket.Exists(ctx, Prefix(id)+"end.json")
}

// EndedAt tells when the end of a job was written, by the bucket's clock; zero while the
// job goes on.
func (s Store) EndedAt(ctx context.Context, id string) (time.Time, error) {
	a, err := s.Bucket.Attributes(ctx, Prefix(id)+"end.json")
	if gcerrors.Code(err) == gcerrors.NotFound {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("look for the end of job %s: %w", id, err)
	}
	return a.ModTime, nil
}

// CameAt tells when the record of a job was written to this bucket, by its clock: when the
// job was made, or copied here.
func (s Store) CameAt(ctx context.Context, id string) (time.Time, error) {
	a, err := s.Bucket.Attributes(ctx, Prefix(id)+"job.json")
	if gcerrors.Code(err) == gcerrors.NotFound {
		return time.Time{}, fmt.Errorf("job %q: %w", id, ErrNotFound)
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("look for job %s: %w", id, err)
	}
	return a.ModTime, nil
}

// Announced reports whether the end of a job is known to have been announced.
func (s Store) Announced(ctx context.Context, id string) (bool, error) {
	return s.Bucket.Exists(ctx, Prefix(id)+"announced.json")
}

// MarkAnnounced notes that the end of a job was announced.
func (s Store) MarkAnnounced(ctx context.Context, id string, at time.Time) error {
	_, err := s.WriteOnce(ctx, Prefix(id)+"announced.json", struct {
		At time.Time `json:"at"`
	}{at.UTC()})
	return err
}

// expiry is expired.json: retention removed the data.
type expiry struct {
	At time.Time `json:"data_expired_at"`
}

// WriteExpired records that the data of a job are gone.
func (s Store) WriteExpired(ctx context.Context, id string, at time.Time) error {
	_, err := s.WriteOnce(ctx, Prefix(id)+"expired.json", expiry{At: at})
	return err
}

// Status derives where a job stands.
func (s Store) Status(ctx context.Context, id string) (Status, error) {
	there, err := s.Records(ctx, id)
	if err != nil {
		return Status{}, err
	}
	st, err := s.derive(ctx, id, func(name string) bool { return there[name] })
	if err != nil {
		return st, err
	}
	st.Removing = there["removing.json"]
	_, work := there["work/"]
	_, attempts := there["attempts/"]
	st.Leftovers = work || attempts
	return st, nil
}

// Glance is Status without Removing and Leftovers, by reads alone where a job has
// ended well: for lists of many jobs, since stores charge more for a listing than for
// a read, and the one in memory goes through all of its objects for each.
func (s Store) Glance(ctx context.Context, id string) (Status, error) {
	return s.derive(ctx, id, func(string) bool { return true })
}

// derive reads the records of a job that may be there.
func (s Store) derive(ctx context.Context, id string, may func(name string) bool) (Status, error) {
	r, err := s.Request(ctx, id)
	if err != nil {
		return Status{}, err
	}
	st := Status{Request: r, State: Pending, Updated: r.Created}
	var plan Plan
	var end End
	var x expiry
	planned, err := s.ifThere(ctx, id, "plan.json", may, &plan)
	if err != nil {
		return st, err
	}
	if _, err := s.ifThere(ctx, id, "pin.json", may, &st.Pin); err != nil {
		return st, err
	}
	ended, err := s.ifThere(ctx, id, "end.json", may, &end)
	if err != nil {
		return st, err
	}
	st.Findings = plan.Findings
	if planned {
		st.State, st.Planned, st.Started, st.Updated = Running, len(plan.Tiles), plan.Created, plan.Created
	} else if err := s.drafted(ctx, id, may, &st); err != nil {
		return st, err
	}
	switch {
	case ended && end.State == Completed:
		st.Done = st.Planned
	case planned || st.State == Running && !ended:
		if err := s.progress(ctx, plan, &st); err != nil {
			return st, err
		}
	}
	if !ended {
		return st, nil
	}
	st.State, st.End, st.Updated = end.State, &end, end.Ended
	st.Findings.Add(end.Findings...)
	expired, err := s.ifThere(ctx, id, "expired.json", may, &x)
	if expired {
		st.Expired = &x.At
	}
	return st, err
}

// drafted adds to the status of a job without a plan what its draft tells.
func (s Store) drafted(ctx context.Context, id string, may func(name string) bool, st *Status) error {
	var draft struct {
		Plan struct {
			Created time.Time `json:"created"`
		} `json:"plan"`
	}
	there, err := s.ifThere(ctx, id, "draft.json", may, &draft)
	if there {
		st.State, st.Started, st.Updated = Running, draft.Plan.Created, draft.Plan.Created
	}
	return err
}

// ifThere reads a record that may be there. It reports whether it is.
func (s Store) ifThere(ctx context.Context, id, name string, may func(name string) bool, v any) (bool, error) {
	if !may(name) {
		return false, nil
	}
	err := s.Read(ctx, Prefix(id)+name, v)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// Records names the records that a job has; folders, which end with a slash, are false.
func (s Store) Records(ctx context.Context, id string) (map[string]bool, error) {
	there := map[string]bool{}
	prefix := Prefix(id)
	it := s.Bucket.List(&blob.ListOptions{Prefix: prefix, Delimiter: "/"})
	for {
		o, err := it.Next(ctx)
		if errors.Is(err, io.EOF) {
			return there, nil
		}
		if err != nil {
			return nil, fmt.Errorf("list %s: %w", prefix, err)
		}
		there[strings.TrimPrefix(o.Key, prefix)] = !o.IsDir
	}
}

// List calls f with the ids of all jobs, newest first, until f returns false.
func (s Store) List(ctx context.Context, f func(id string) (bool, error)) error {
	return s.Index(ctx, func(id string, _ *blob.ListObject) (bool, error) { return f(id) })
}

// Index calls f with all index entries, newest first, until f returns false.
func (s Store) Index(ctx context.Context, f func(id string, o *blob.ListObject) (bool, error)) error {
	stop := errors.New("stop")
	err := s.Objects(ctx, "index/", func(o *blob.ListObject) error {
		_, id, ok := strings.Cut(strings.TrimPrefix(o.Key, "index/"), "-")
		if !ok || !ValidID(id) {
			return nil
		}
		more, err := f(id, o)
		if err == nil && !more {
			return stop
		}
		return err
	})
	if errors.Is(err, stop) {
		return nil
	}
	return err
}

// Objects calls f with the objects whose keys begin with prefix, in the order of their keys.
func (s Store) Objects(ctx context.Context, prefix string, f func(o *blob.ListObject) error) error {
	it := s.Bucket.List(&blob.ListOptions{Prefix: prefix})
	for {
		o, err := it.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("list %s: %w", prefix, err)
		}
		if o.IsDir {
			continue
		}
		if err := f(o); err != nil {
			return err
		}
	}
}

// WriteOnce writes a record as JSON unless its object exists, and reports whether this call did.
func (s Store) WriteOnce(ctx context.Context, key string, v any) (bool, error) {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return false, fmt.Errorf("encode %s: %w", key, err)
	}
	err = s.Bucket.WriteAll(ctx, key, data, &blob.WriterOptions{IfNotExist: true, ContentType: "application/json"})
	switch {
	case err == nil:
		return true, nil
	case gcerrors.Code(err) == gcerrors.FailedPrecondition || gcerrors.Code(err) == gcerrors.AlreadyExists:
		return false, nil
	}
	return false, fmt.Errorf("write %s: %w", key, err)
}

// Read reads a record into v; ErrNotFound when there is none, ErrDamaged when it cannot be decoded.
func (s Store) Read(ctx context.Context, key string, v any) error {
	r, err := s.Bucket.NewReader(ctx, key, nil)
	if gcerrors.Code(err) == gcerrors.NotFound {
		return fmt.Errorf("%s: %w", key, ErrNotFound)
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", key, err)
	}
	defer func() { _ = r.Close() }()
	if r.Size() > maxRecord {
		return fmt.Errorf("%w: %s has %d bytes: a record has at most %d", ErrDamaged, key, r.Size(), maxRecord)
	}
	data, err := io.ReadAll(r)
	if err != nil {
		return fmt.Errorf("read %s: %w", key, err)
	}
	if err := json.Unmarshal(data, v); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrDamaged, key, err)
	}
	return nil
}

// Drop deletes an object that may be gone.
func (s Store) Drop(ctx context.Context, key string) error {
	if err := s.Bucket.Delete(ctx, key); err != nil && gcerrors.Code(err) != gcerrors.NotFound {
		return fmt.Errorf("delete %s: %w", key, err)
	}
	return nil
}
