package inputs

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"

	"github.com/cyverse-gis/eemt/functions/submission/answer"
	"github.com/cyverse-gis/eemt/shared/job"
)

// sum is inputs/NAME.sha256: the checksum of a file, written when it was uploaded. So a job that names the file need not
// read all of it. It holds for one version of the file: one at a signed address may be replaced.
type sum struct {
	SHA256   string    `json:"sha256"`
	Size     int64     `json:"size"`
	Modified time.Time `json:"modified"`
	ETag     string    `json:"etag"`
}

// NoteSum writes the checksum of a DEM, if it was computed just now. Without it a job that names the DEM takes longer, so
// that a fault is for the log.
func (s *Store) NoteSum(ctx context.Context, d DEM) {
	if d.read == nil {
		return
	}
	data, err := json.Marshal(sum{d.SHA256, d.Size, d.read.ModTime.UTC(), d.read.ETag})
	if err == nil {
		err = s.Bucket.WriteAll(ctx, job.SumKey(d.Key), data, &blob.WriterOptions{ContentType: answer.JSON})
	}
	if err != nil {
		s.Log.Warn("the checksum of an upload is not noted: it is computed when a job names the upload", "key", d.Key, "error", err)
	}
}

// noteStored is NoteSum of a file that was stored just now.
func (s *Store) noteStored(ctx context.Context, ref job.DEM) {
	if a, err := s.Bucket.Attributes(ctx, ref.Key); err == nil {
		s.NoteSum(ctx, DEM{DEM: ref, read: a})
	}
}

// Content identifies the bytes of a file that a job reads: by its checksum where that is known, else by its version in the
// bucket; by its name alone where it is not in the bucket.
func (s *Store) Content(ctx context.Context, name string) (string, error) {
	if !strings.HasPrefix(name, job.InputPrefix) && !strings.HasPrefix(name, "climate/") {
		return name, nil
	}
	a, err := s.Bucket.Attributes(ctx, name)
	if gcerrors.Code(err) == gcerrors.NotFound {
		return name, nil
	}
	if err != nil {
		return "", fmt.Errorf("look for %s: %w", name, err)
	}
	if known := s.sumOf(ctx, name, a); known != "" {
		return known, nil
	}
	return fmt.Sprintf("%s %d %s %s", name, a.Size, a.ModTime.UTC().Format(time.RFC3339Nano), a.ETag), nil
}

// sumOf is the checksum of a DEM of these attributes; empty where it is not known.
func (s *Store) sumOf(ctx context.Context, key string, a *blob.Attributes) string {
	var known sum
	data, err := s.Bucket.ReadAll(ctx, job.SumKey(key))
	if err != nil || json.Unmarshal(data, &known) != nil || known.Size != a.Size || !known.Modified.Equal(a.ModTime) || known.ETag != a.ETag {
		return ""
	}
	return known.SHA256
}

// forgetSum deletes the checksum of a DEM, if there is one.
func (s *Store) forgetSum(ctx context.Context, key string) error {
	if err := s.Bucket.Delete(ctx, job.SumKey(key)); err != nil && gcerrors.Code(err) != gcerrors.NotFound {
		return err
	}
	return nil
}
