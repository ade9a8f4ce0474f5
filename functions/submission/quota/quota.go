// Package quota bounds what an owner's jobs and uploads may take.
package quota

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"

	"github.com/cyverse-gis/eemt/shared/amount"
	"github.com/cyverse-gis/eemt/shared/fault"
	"github.com/cyverse-gis/eemt/shared/job"
)

// Limits bound the jobs and uploads of an owner; 0 means no limit.
type Limits struct {
	// Jobs that go on at a time.
	Jobs int `json:"jobs"`
	// CoreHours and ResultBytes of the jobs that are submitted in a day of UTC, as estimated.
	CoreHours   float64 `json:"core_hours_per_day"`
	ResultBytes int64   `json:"result_bytes_per_day"`
	// StoredBytes are the results of jobs that have their data; of jobs that go on as estimated.
	StoredBytes int64 `json:"stored_bytes"`
	// UploadBytes are those of files that are sent in a day of UTC; what is begun counts whole.
	UploadBytes int64 `json:"upload_bytes_per_day"`
}

// Validate refuses limits below 0.
func (l Limits) Validate() error {
	if l.Jobs < 0 || l.CoreHours < 0 || l.ResultBytes < 0 || l.StoredBytes < 0 || l.UploadBytes < 0 {
		return fault.New(fault.Invalid, fmt.Errorf("jobs %d, core_hours_per_day %g, result_bytes_per_day %d, stored_bytes %d, upload_bytes_per_day %d: must be 0, which is no limit, or more",
			l.Jobs, l.CoreHours, l.ResultBytes, l.StoredBytes, l.UploadBytes))
	}
	return nil
}

// Exceeded refuses a job or an upload. It says what helps.
type Exceeded struct {
	Sentence string
	// After is when the same may be taken; 0 where it does not help to wait.
	After time.Duration
}

func (e Exceeded) Error() string { return e.Sentence }

// FaultKind says whether the same may be taken later.
func (e Exceeded) FaultKind() fault.Kind {
	if e.After == 0 {
		return fault.Forbidden
	}
	return fault.Exhausted
}

// RetryAfter is when.
func (e Exceeded) RetryAfter() time.Duration { return e.After }

// Book counts in the bucket, in objects that are each written once: what a job takes under the day it was submitted on, a
// mark of each job that goes on, the bytes of each that has its data, and those of each upload under its day.
type Book struct {
	Bucket *blob.Bucket
	Store  job.Store
	// Usual are the limits of owners who have none of their own.
	Usual Limits
	Now   func() time.Time
}

// entry is what a job takes.
type entry struct {
	CoreHours   float64 `json:"core_hours"`
	ResultBytes int64   `json:"result_bytes"`
}

const (
	// waitForJob is when to try again while jobs go on.
	waitForJob = time.Minute
	dayForm    = "2006-01-02"
)

// today is the day that counts now, tomorrow how long it is until the next.
func (b Book) today() string { return b.Now().UTC().Format(dayForm) }

func (b Book) tomorrow() time.Duration {
	now := b.Now().UTC()
	return now.Truncate(24 * time.Hour).Add(24 * time.Hour).Sub(now)
}

// Take counts a job of an owner, or refuses it with Exceeded. Of two that come at the same time and would be too much
// together both may be refused; never are both taken.
func (b Book) Take(ctx context.Context, owner, id string, coreHours float64, resultBytes int64) error {
	limits, err := b.bounds(ctx, owner)
	if err != nil || limits == (Limits{}) {
		return err
	}
	data, err := json.Marshal(entry{coreHours, resultBytes})
	if err != nil {
		return err
	}
	stored := fmt.Sprintf("%s%d", job.Request{ID: id, Owner: owner}.StoredPrefix(), resultBytes)
	for _, key := range append(b.keysOf(owner, id), stored) {
		content := data
		if key == stored {
			content = nil
		}
		if err := b.Bucket.WriteAll(ctx, key, content, &blob.WriterOptions{ContentType: "application/json"}); err != nil {
			return fmt.Errorf("count the job: %w", err)
		}
	}
	used, err := b.Usage(ctx, owner)
	if err == nil {
		err = b.check(limits, used)
	}
	if err != nil {
		err = errors.Join(err, b.Return(ctx, owner, id))
	}
	return err
}

// keysOf are the objects that count a job, beside its bytes in store.
func (b Book) keysOf(owner, id string) []string {
	return []string{job.QuotaOf(owner) + b.today() + "/" + id, job.QuotaOf(owner) + "open/" + id}
}

// Return counts a job no longer that was taken and then not submitted.
func (b Book) Return(ctx context.Context, owner, id string) error {
	if owner == "" {
		return nil
	}
	ctx = context.WithoutCancel(ctx)
	for _, key := range b.keysOf(owner, id) {
		if err := b.Store.Drop(ctx, key); err != nil {
			return fmt.Errorf("count the job no longer: %w", err)
		}
	}
	return b.dropAll(ctx, job.Request{ID: id, Owner: owner}.StoredPrefix(), "")
}

// dropAll removes the objects below a prefix, but for one.
func (b Book) dropAll(ctx context.Context, prefix, but string) error {
	return b.Store.Objects(ctx, prefix, func(o *blob.ListObject) error {
		if o.Key == but {
			return nil
		}
		return b.Store.Drop(ctx, o.Key)
	})
}

// check refuses a job with which more is used than the limits.
func (b Book) check(l Limits, u Usage) error {
	switch {
	case l.Jobs > 0 && u.Jobs > l.Jobs:
		return Exceeded{fmt.Sprintf("%d of your jobs go on, the most at a time is %d: wait until one ends, or cancel one", u.Jobs-1, l.Jobs), waitForJob}
	case l.CoreHours > 0 && u.CoreHours > l.CoreHours:
		return Exceeded{fmt.Sprintf("with this job your jobs of today would take %.3g core hours, the most in a day is %.3g: submit it tomorrow, or ask the operator for more", u.CoreHours, l.CoreHours), b.tomorrow()}
	case l.ResultBytes > 0 && u.ResultBytes > l.ResultBytes:
		return Exceeded{fmt.Sprintf("with this job the results of today would take %s, the most in a day is %s: submit it tomorrow, or ask the operator for more", amount.Bytes(u.ResultBytes), amount.Bytes(l.ResultBytes)), b.tomorrow()}
	case l.StoredBytes > 0 && u.StoredBytes > l.StoredBytes:
		return Exceeded{Sentence: fmt.Sprintf("with this job the results that are kept for you would take %s, the most is %s: delete jobs that you no longer need, or ask the operator for more", amount.Bytes(u.StoredBytes), amount.Bytes(l.StoredBytes))}
	}
	return nil
}

// bounds are the limits of an owner; none where nobody is asked who they are.
func (b Book) bounds(ctx context.Context, owner string) (Limits, error) {
	if owner == "" {
		return Limits{}, nil
	}
	return b.Limits(ctx, owner)
}

// Limits are those of an owner.
func (b Book) Limits(ctx context.Context, owner string) (Limits, error) {
	data, err := b.Bucket.ReadAll(ctx, job.QuotaOf(owner)+"limits.json")
	if gcerrors.Code(err) == gcerrors.NotFound {
		return b.Usual, nil
	}
	var l Limits
	if err == nil {
		err = json.Unmarshal(data, &l)
	}
	if err != nil {
		return l, fmt.Errorf("read the limits of an owner: %w", err)
	}
	return l, nil
}

// SetLimits gives an owner limits of their own.
func (b Book) SetLimits(ctx context.Context, owner string, l Limits) error {
	if err := l.Validate(); err != nil {
		return err
	}
	data, err := json.Marshal(l)
	if err == nil {
		err = b.Bucket.WriteAll(ctx, job.QuotaOf(owner)+"limits.json", data, &blob.WriterOptions{ContentType: "application/json"})
	}
	return err
}

// ResetLimits lets the usual limits hold for an owner again.
func (b Book) ResetLimits(ctx context.Context, owner string) error {
	return b.Store.Drop(ctx, job.QuotaOf(owner)+"limits.json")
}
