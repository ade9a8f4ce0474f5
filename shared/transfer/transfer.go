// Package transfer copies jobs from one bucket to another.
package transfer

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"
	"golang.org/x/sync/errgroup"

	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/job/inuse"
)

// Options choose what is copied. The zero value copies every job.
type Options struct {
	// IDs are the jobs to copy; none means all.
	IDs []string
	// States are those that a job may be in; none means any.
	States []job.State
	// After and Before bound when a job was created; zero means no bound.
	After, Before time.Time
	// Restored, when set, is the time from which retention counts for jobs that are new in
	// the destination: what is brought back does not vanish the next night.
	Restored time.Time
	// Dry copies nothing and says what would be.
	Dry bool
	// Done is told of each job when it is finished with; may be nil.
	Done func(j Job)
}

// Job is what became of one job.
type Job struct {
	ID    string    `json:"id"`
	State job.State `json:"status"`
	// Objects and Bytes count what was copied; 0 objects: all of it was there.
	Objects int   `json:"objects"`
	Bytes   int64 `json:"bytes"`
	// Skipped says why nothing of it was copied, Error what went wrong; both empty when the job is there now.
	Skipped string `json:"skipped,omitempty"`
	Error   string `json:"error,omitempty"`
}

// Summary is what a copy did.
type Summary struct {
	// Jobs counts the jobs that are whole in the destination, New those of them that were not there before.
	Jobs    int   `json:"jobs"`
	New     int   `json:"new_jobs"`
	Skipped int   `json:"skipped_jobs"`
	Failed  int   `json:"failed_jobs"`
	Objects int   `json:"objects"`
	Bytes   int64 `json:"bytes"`
	Dry     bool  `json:"dry_run"`
}

// atOnce is how many objects are copied at a time.
const atOnce = 8

// tries is how often a job that moves while it is copied is begun again.
const tries = 5

// ErrFailed says that some jobs could not be copied; Options.Done was told which.
var ErrFailed = errors.New("some jobs could not be copied")

// Copy copies jobs with the files they read, newest first. A job appears in the
// destination when all of it is there, since its record comes last; until then only
// objects that nobody looks at are. Copying again brings what is missing or has come
// since. What the destination has stands: records are never replaced. Jobs that go on are
// copied as far as they are, and can go on in the destination.
func Copy(ctx context.Context, from, to *blob.Bucket, o Options) (Summary, error) {
	c := copier{from: job.Store{Bucket: from}, to: job.Store{Bucket: to}, Options: o}
	sum := Summary{Dry: o.Dry}
	one := func(id string) error {
		j, fresh := c.job(ctx, id)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		sum.add(j, fresh)
		if o.Done != nil {
			o.Done(j)
		}
		return nil
	}
	for _, id := range o.IDs {
		if _, err := c.from.Request(ctx, id); err != nil {
			return sum, fmt.Errorf("job %q: %w", id, err)
		}
	}
	for _, id := range o.IDs {
		if err := one(id); err != nil {
			return sum, err
		}
	}
	if len(o.IDs) == 0 {
		if err := c.each(ctx, one); err != nil {
			return sum, err
		}
	}
	if sum.Failed > 0 {
		return sum, fmt.Errorf("%d of %d: %w", sum.Failed, sum.Failed+sum.Jobs+sum.Skipped, ErrFailed)
	}
	return sum, nil
}

// add counts a job.
func (s *Summary) add(j Job, fresh bool) {
	switch {
	case j.Error != "":
		s.Failed++
	case j.Skipped != "":
		s.Skipped++
	default:
		s.Jobs++
		if fresh {
			s.New++
		}
	}
	s.Objects += j.Objects
	s.Bytes += j.Bytes
}

type copier struct {
	from, to job.Store
	Options
	// ended says that the job has ended in the destination: whatever it has there stands.
	ended bool
}

// each calls one with the jobs of the time that is asked for, newest first.
func (c copier) each(ctx context.Context, one func(id string) error) error {
	return c.from.Entries(ctx, "", func(e job.Entry) (bool, error) {
		if !c.Before.IsZero() && !e.Created.Before(c.Before) {
			return true, nil
		}
		if !c.After.IsZero() && e.Created.Before(c.After) {
			return false, nil // the others are older still
		}
		return true, one(e.ID)
	})
}

// errMoved says that an object vanished between its listing and its reading.
var errMoved = errors.New("the job moved while it was copied")

// job copies one job, and reports whether it is new in the destination.
func (c copier) job(ctx context.Context, id string) (Job, bool) {
	j := Job{ID: id}
	for try := 1; ; try++ {
		fresh, err := c.try(ctx, id, &j)
		if err == nil {
			return j, fresh
		}
		if !errors.Is(err, errMoved) || try == tries || ctx.Err() != nil {
			j.Error = err.Error()
			return j, false
		}
	}
}

func (c copier) try(ctx context.Context, id string, j *Job) (fresh bool, err error) {
	st, err := c.from.Status(ctx, id)
	if errors.Is(err, job.ErrNotFound) {
		j.Skipped = "it is being made, or was removed"
		return false, nil
	}
	if err != nil {
		return false, err
	}
	j.State = st.State
	if j.Skipped = c.unwanted(st); j.Skipped != "" {
		return false, nil
	}
	there, err := c.to.Status(ctx, id)
	fresh = errors.Is(err, job.ErrNotFound)
	if err != nil && !fresh {
		return false, fmt.Errorf("in the destination: %w", err)
	}
	if !fresh && expiredThere(st, there) {
		j.Skipped = "its data have expired in the destination; delete it there to bring it back"
		return false, nil
	}
	groups, err := c.list(ctx, st)
	if err != nil {
		return false, err
	}
	c.ended = !fresh && there.Ended()
	if c.ended {
		// Nobody would use or remove work files there.
		groups[0] = slices.DeleteFunc(groups[0], func(key string) bool {
			return strings.HasPrefix(key, job.WorkKey(id, ""))
		})
	}
	for _, keys := range groups {
		if err := c.group(ctx, st.Request, keys, j); err != nil {
			return false, err
		}
	}
	if c.Dry {
		return fresh, nil
	}
	if err := c.keep(ctx, st, fresh); err != nil {
		return false, err
	}
	return fresh, c.appear(ctx, st, groups[0])
}

// unwanted tells why a job is not to be copied; empty where it is.
func (c copier) unwanted(st job.Status) string {
	switch {
	case len(c.States) > 0 && !slices.Contains(c.States, st.State):
		return "it is " + string(st.State)
	case st.Removing:
		return "retention is removing it"
	}
	return ""
}

// expiredThere reports whether the data of a job that the source has are gone in the destination.
func expiredThere(st, there job.Status) bool {
	return there.Ended() && (there.Expired != nil || there.Removing) && st.Expired == nil
}

// appear marks the files under inputs/ that a job reads, of those that were copied, then writes its index entry and job.json:
// from here on the job is there.
func (c copier) appear(ctx context.Context, st job.Status, copied []string) error {
	if st.Expired == nil {
		files := slices.DeleteFunc(slices.Clone(copied), func(key string) bool { return !strings.HasPrefix(key, job.InputPrefix) })
		if err := inuse.UseFiles(ctx, c.to, st.Request.ID, files); err != nil {
			return err
		}
	}
	return c.to.Create(ctx, st.Request)
}

// list groups the objects of a job in the order in which they may appear: what a
// record speaks of comes before it. job.json and pin.json are left to their own writers.
func (c copier) list(ctx context.Context, st job.Status) ([][]string, error) {
	prefix := job.Prefix(st.Request.ID)
	var groups [5][]string
	if st.Expired == nil {
		for _, key := range st.Request.Inputs() {
			// An input may be gone: a job that failed for it is a job all the same.
			there, err := c.from.Bucket.Exists(ctx, key)
			if err != nil {
				return nil, fmt.Errorf("look for %s: %w", key, err)
			}
			if there {
				groups[0] = append(groups[0], key)
			}
		}
	}
	phase, err := c.phasesOf(ctx, st.Request.ID)
	if err != nil {
		return nil, err
	}
	// Listed in the order of keys: a record under phases/ is seen before the files it speaks of, which then are there.
	err = c.from.Objects(ctx, prefix, func(o *blob.ListObject) error {
		if n := groupOf(strings.TrimPrefix(o.Key, prefix), phase); n >= 0 {
			groups[n] = append(groups[n], o.Key)
		}
		return nil
	})
	return groups[:], err
}

// groupOf is the group of an object of a job, by its name; -1 for what is not copied. phase tells which objects of phases
// are copied.
func groupOf(name string, phase func(name string) bool) int {
	switch {
	case name == "job.json", name == "pin.json", name == "removing.json":
		return -1
	case name == "draft.json", strings.HasPrefix(name, "phases/") && !phase(name), strings.HasPrefix(name, "work/"+job.ScratchFolder):
		return -1
	case strings.HasPrefix(name, "attempts/"):
		return -1 // what failed there says nothing of the destination, where it would count as of today
	case strings.HasPrefix(name, "phases/") && strings.Count(name, "/") == 2:
		return 1
	case name == "plan.json", name == "expired.json":
		return 2
	case strings.HasPrefix(name, "phases/"):
		return 3
	case name == "end.json", name == "announced.json":
		return 4
	}
	return 0
}

// phasesOf returns which objects below phases/ are copied: those of the tiles and of what follows. The terrain of a job
// without a plan is followed anew: its files come and go with each phase.
func (c copier) phasesOf(ctx context.Context, id string) (copied func(name string) bool, err error) {
	tiles, err := c.from.TilePhase(ctx, id)
	if errors.Is(err, job.ErrNotFound) {
		return func(string) bool { return false }, nil
	}
	if err != nil {
		return nil, err
	}
	return func(name string) bool {
		var n int
		_, err := fmt.Sscanf(name, "phases/%d", &n)
		return err == nil && n >= tiles.Number
	}, nil
}

// group copies objects, several at a time; j counts them.
func (c copier) group(ctx context.Context, r job.Request, keys []string, j *Job) error {
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	for _, key := range keys {
		g.Go(func() error {
			sum := ""
			if key == r.DEM.Key {
				sum = r.DEM.SHA256
			}
			n, err := c.object(ctx, key, sum)
			if err != nil || n < 0 {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			j.Objects++
			j.Bytes += n
			return nil
		})
	}
	return g.Wait()
}

// object copies one object unless the destination has it, and returns its size; -1
// when it was there. sha256 is its checksum where one is known.
func (c copier) object(ctx context.Context, key, checksum string) (int64, error) {
	a, err := c.from.Bucket.Attributes(ctx, key)
	if err != nil {
		return 0, moved(key, err)
	}
	there, err := c.to.Bucket.Attributes(ctx, key)
	switch {
	case err == nil && there.Size == a.Size && (len(there.MD5) == 0 || len(a.MD5) == 0 || string(there.MD5) == string(a.MD5)):
		return -1, nil
	case err == nil && (isRecord(key) || c.ended && strings.HasPrefix(key, "jobs/")):
		return -1, nil // the destination went on by itself
	case err != nil && gcerrors.Code(err) != gcerrors.NotFound:
		return 0, fmt.Errorf("look for %s: %w", key, err)
	}
	if c.Dry {
		return a.Size, nil
	}
	return c.bytes(ctx, key, checksum, a)
}

// bytes copies the content of an object with its attributes, and returns its size; -1 when somebody else wrote it meanwhile.
func (c copier) bytes(ctx context.Context, key, checksum string, a *blob.Attributes) (int64, error) {
	in, err := c.from.Bucket.NewReader(ctx, key, nil)
	if err != nil {
		return 0, moved(key, err)
	}
	defer func() { _ = in.Close() }()
	ctx, abandon := context.WithCancel(ctx)
	defer abandon()
	out, err := c.to.Bucket.NewWriter(ctx, key, &blob.WriterOptions{
		ContentType: a.ContentType, CacheControl: a.CacheControl, ContentDisposition: a.ContentDisposition,
		ContentEncoding: a.ContentEncoding, ContentLanguage: a.ContentLanguage, Metadata: a.Metadata, IfNotExist: isRecord(key),
	})
	if err != nil {
		return 0, fmt.Errorf("write %s: %w", key, err)
	}
	hash := sha256.New()
	n, err := io.Copy(out, io.TeeReader(in, hash))
	if err == nil && n != in.Size() {
		err = fmt.Errorf("%d of %d bytes came", n, in.Size())
	}
	if got := hex.EncodeToString(hash.Sum(nil)); err == nil && len(checksum) == len(got) && got != checksum {
		err = fmt.Errorf("its SHA-256 is %s, the job says %s: the file is damaged", got, checksum)
	}
	if err != nil {
		abandon() // an abandoned writer leaves no object
		_ = out.Close()
		return 0, fmt.Errorf("copy %s: %w", key, err)
	}
	err = out.Close()
	if code := gcerrors.Code(err); isRecord(key) && (code == gcerrors.FailedPrecondition || code == gcerrors.AlreadyExists) {
		return -1, nil
	}
	if err != nil {
		return 0, fmt.Errorf("write %s: %w", key, err)
	}
	return n, nil
}

// isRecord reports whether an object is written once and for all.
func isRecord(key string) bool {
	if !strings.HasPrefix(key, "jobs/") {
		return false
	}
	_, name, _ := strings.Cut(strings.TrimPrefix(key, "jobs/"), "/")
	return !strings.HasPrefix(name, "work/") && !strings.HasPrefix(name, "results/")
}

// keep brings pin.json: the younger of the two stands.
func (c copier) keep(ctx context.Context, st job.Status, fresh bool) error {
	k := st.Pin
	if fresh && !c.Restored.IsZero() && st.Expired == nil {
		if c.Restored.After(k.At) {
			k.At = c.Restored
		}
	} else if k == (job.Pin{}) {
		return nil
	}
	there, err := c.to.Pin(ctx, st.Request.ID)
	if err != nil || !k.At.After(there.At) {
		return err
	}
	return c.to.BringPin(ctx, st.Request.ID, k)
}

func moved(key string, err error) error {
	if gcerrors.Code(err) == gcerrors.NotFound || errors.Is(err, job.ErrNotFound) {
		return fmt.Errorf("%s: %w", key, errMoved)
	}
	return fmt.Errorf("read %s: %w", key, err)
}
