package quota

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"

	"github.com/cyverse-gis/eemt/shared/job"
)

// Usage is what the jobs and uploads of an owner take.
type Usage struct {
	Jobs        int     `json:"jobs"`
	CoreHours   float64 `json:"core_hours_today"`
	ResultBytes int64   `json:"result_bytes_today"`
	StoredBytes int64   `json:"stored_bytes"`
	UploadBytes int64   `json:"upload_bytes_today"`
}

// count is one while it is made, of one listing of what is counted for an owner.
type count struct {
	Book
	owner, today string
	used         Usage
	// stored are the bytes of jobs that have their data.
	stored map[string]int64
}

// Usage adds up what an owner's jobs and uploads take. It removes what no longer counts: marks of jobs that have ended, and
// days that are over. The bytes of a job that has ended are measured then, once.
func (b Book) Usage(ctx context.Context, owner string) (Usage, error) {
	c := count{Book: b, owner: owner, today: b.today(), stored: map[string]int64{}}
	prefix := job.QuotaOf(owner)
	var list []*blob.ListObject
	err := b.Store.Objects(ctx, prefix, func(o *blob.ListObject) error {
		folder, name := path.Split(strings.TrimPrefix(o.Key, prefix))
		if parts := strings.Split(folder, "/"); parts[0] == "stored" && len(parts) == 3 {
			bytes, _ := strconv.ParseInt(name, 10, 64)
			c.stored[parts[1]] = bytes
		}
		list = append(list, o)
		return nil
	})
	for _, o := range list {
		if err == nil {
			err = c.add(ctx, o, strings.TrimPrefix(o.Key, prefix))
		}
	}
	if err != nil {
		return Usage{}, fmt.Errorf("count what an owner uses: %w", err)
	}
	for _, bytes := range c.stored {
		c.used.StoredBytes += bytes
	}
	return c.used, nil
}

// add counts one object, or removes it.
func (c *count) add(ctx context.Context, o *blob.ListObject, name string) error {
	parts := strings.Split(name, "/")
	switch {
	case parts[0] == "open" && len(parts) == 2:
		return c.open(ctx, o, parts[1])
	case parts[0] == "uploads" && len(parts) == 4:
		if parts[1] != c.today {
			return c.over(ctx, o, parts[1])
		}
		bytes, _ := strconv.ParseInt(parts[3], 10, 64)
		c.used.UploadBytes += bytes
	case len(parts) != 2: // limits.json, and what is stored
	case parts[0] == c.today:
		return c.job(ctx, o.Key)
	default:
		return c.over(ctx, o, parts[0])
	}
	return nil
}

// over removes what was counted on a day that is over. One that is to come was written by a clock that is ahead.
func (c *count) over(ctx context.Context, o *blob.ListObject, day string) error {
	if day > c.today {
		return nil
	}
	return c.Store.Drop(ctx, o.Key)
}

// open counts a job that goes on. Of one that has ended it measures what is stored.
func (c *count) open(ctx context.Context, o *blob.ListObject, id string) error {
	goes, err := c.goesOn(ctx, id, o.ModTime)
	if err != nil {
		return err
	}
	if goes {
		c.used.Jobs++
		return nil
	}
	if c.stored[id], err = c.measure(ctx, id); err != nil {
		return err
	}
	return c.Store.Drop(ctx, o.Key)
}

// submitting is how long after its mark the record of a job may be missing.
const submitting = 10 * time.Minute

// goesOn reports whether a job has not ended. One that has no record is about to be submitted, or never was.
func (b Book) goesOn(ctx context.Context, id string, marked time.Time) (bool, error) {
	if _, err := b.Store.Request(ctx, id); errors.Is(err, job.ErrNotFound) {
		return b.Now().Sub(marked) < submitting, nil
	} else if err != nil {
		return true, err
	}
	ended, err := b.Store.Ended(ctx, id)
	return !ended, err
}

// measure counts the results of a job that has ended, in place of what was estimated.
func (c *count) measure(ctx context.Context, id string) (bytes int64, err error) {
	err = c.Store.Objects(ctx, job.ResultKey(id, ""), func(o *blob.ListObject) error {
		bytes += o.Size
		return nil
	})
	if err != nil {
		return 0, err
	}
	prefix, key := job.Request{ID: id, Owner: c.owner}.StoredPrefix(), ""
	if bytes > 0 {
		key = prefix + strconv.FormatInt(bytes, 10)
		if err := c.Bucket.WriteAll(ctx, key, nil, nil); err != nil {
			return 0, err
		}
		// Who removes data says so, then removes what counts them: of two at the same time at least one sees the other.
		there, err := c.Store.Records(ctx, id)
		if err != nil {
			return 0, err
		}
		if !there["job.json"] || there["removing.json"] || there["expired.json"] {
			bytes, key = 0, ""
		}
	}
	return bytes, c.dropAll(ctx, prefix, key)
}

// job adds what a job of today takes.
func (c *count) job(ctx context.Context, key string) error {
	data, err := c.Bucket.ReadAll(ctx, key)
	if gcerrors.Code(err) == gcerrors.NotFound {
		return nil // refused meanwhile
	}
	var e entry
	if err == nil {
		err = json.Unmarshal(data, &e)
	}
	c.used.CoreHours += e.CoreHours
	c.used.ResultBytes += e.ResultBytes
	return err
}
