package job

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"
	"gocloud.dev/blob"
)

// UploadPrefix is where users drop files that become jobs; only they write and delete there.
// InputPrefix is where the files lie that jobs read.
const (
	UploadPrefix = "uploads/"
	InputPrefix  = "inputs/"
)

// InputKey is the object of a file that jobs will read; id is a fresh ULID, name free of
// slashes.
func InputKey(id, name string) string { return InputPrefix + id + "-1_" + name }

// SumKey is the object that holds the checksum of a file under inputs/; it goes with the file.
func SumKey(input string) string { return input + ".sha256" }

// Version is one version of a dropped file: enough to tell it from the versions before and after.
type Version struct {
	// Key of the object, under UploadPrefix.
	Key string
	// Made is when the version appeared. Seconds count: stores report finer parts in some answers only.
	Made time.Time
	// Mark tells versions of the same second apart: the store's generation, or size and MD5.
	Mark string
}

// VersionOf returns the version of an object without a generation of the store's own.
func VersionOf(key string, made time.Time, size int64, md5 []byte) Version {
	return Version{Key: key, Made: made, Mark: fmt.Sprintf("%d.%s", size, hex.EncodeToString(md5))}
}

// JobID is the id of the job that the version becomes. Whoever looks at the same version gets the same.
func (v Version) JobID() string {
	made := v.Made.UTC().Truncate(time.Second)
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%d\x00%s", v.Key, made.Unix(), v.Mark))
	var id ulid.ULID
	// A time before 1970 or after the year 10889 has no ULID; the sum alone then tells versions apart.
	_ = id.SetTime(uint64(max(made.UnixMilli(), 0)))
	copy(id[6:], sum[:10])
	return id.String()
}

// Intake is intake/<job>.json: a dropped file is being made a job.
type Intake struct {
	Job string `json:"job"`
	Key string `json:"key"`
	// Made is when the version of the file appeared.
	Made time.Time `json:"made"`
	// Seen is when it was first looked at; the job counts as created then.
	Seen time.Time `json:"seen"`
}

const intakePrefix = "intake/"

// BeginIntake writes the record unless there is one, and returns the one that stands.
func (s Store) BeginIntake(ctx context.Context, in Intake) (Intake, error) {
	if !ValidID(in.Job) {
		return in, fmt.Errorf("job id %q is not a ULID", in.Job)
	}
	key := intakePrefix + in.Job + ".json"
	won, err := s.WriteOnce(ctx, key, in)
	if err != nil || won {
		return in, err
	}
	var stands Intake
	return stands, s.Read(ctx, key, &stands)
}

// EndIntake notes that the job of a dropped file stands, for as long as the file lies there.
func (s Store) EndIntake(ctx context.Context, id string) error {
	if err := s.Bucket.WriteAll(ctx, intakePrefix+id+".done", nil, nil); err != nil {
		return fmt.Errorf("write the end of intake %s: %w", id, err)
	}
	return nil
}

// Taken reports whether the dropped file of a job needs no further look.
func (s Store) Taken(ctx context.Context, id string) (bool, error) {
	return s.Bucket.Exists(ctx, intakePrefix+id+".done")
}

// Intakes lists the jobs that dropped files became, and whether they need no further look.
func (s Store) Intakes(ctx context.Context) (map[string]bool, error) {
	taken := map[string]bool{}
	err := s.Objects(ctx, intakePrefix, func(o *blob.ListObject) error {
		name := strings.TrimPrefix(o.Key, intakePrefix)
		if id, ok := strings.CutSuffix(name, ".done"); ok {
			taken[id] = true
		} else if id, ok := strings.CutSuffix(name, ".json"); ok && !taken[id] {
			taken[id] = false // begun; its end is listed before its begin
		}
		return nil
	})
	return taken, err
}

// ForgetIntake removes the records of a dropped file that is gone.
func (s Store) ForgetIntake(ctx context.Context, id string) error {
	for _, key := range []string{intakePrefix + id + ".json", intakePrefix + id + ".done"} {
		if err := s.Drop(ctx, key); err != nil {
			return err
		}
	}
	return nil
}
