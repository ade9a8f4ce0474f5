// Package quota bounds what an owner's jobs may take.
package quota

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"

	"github.com/cyverse-gis/eemt/shared/amount"
	"github.com/cyverse-gis/eemt/shared/fault"
	"github.com/cyverse-gis/eemt/shared/job"
)

// Limits bound the jobs of an owner; 0 means no limit.
type Limits struct {
	// Jobs that go on at a time.
	Jobs int `json:"jobs"`
	// CoreHours and ResultBytes of the jobs that are submitted in a day of UTC, as estimated.
	CoreHours   float64 `json:"core_hours_per_day"`
	ResultBytes int64   `json:"result_bytes_per_day"`
}

// Validate refuses limits below 0.
func (l Limits) Validate() error {
	if l.Jobs < 0 || l.CoreHours < 0 || l.ResultBytes < 0 {
		return fault.New(fault.Invalid, fmt.Errorf("jobs %d, core_hours_per_day %g, result_bytes_per_day %d: must be 0, which is no limit, or more", l.Jobs, l.CoreHours, l.ResultBytes))
	}
	return nil
}

// Usage is what the jobs of an owner take.
type Usage struct {
	Jobs        int     `json:"jobs"`
	CoreHours   float64 `json:"core_hours_today"`
	ResultBytes int64   `json:"result_bytes_today"`
}

// Exceeded refuses a job for now. It says what helps.
type Exceeded struct {
	Sentence string
	// After is when the same may be taken.
	After time.Duration
}

func (e Exceeded) Error() string { return e.Sentence }

// FaultKind says that the same may be taken later.
func (Exceeded) FaultKind() fault.Kind { return fault.Exhausted }

// RetryAfter is when.
func (e Exceeded) RetryAfter() time.Duration { return e.After }

// Book counts in the bucket, in objects that are each written once: what a job takes under the day it was submitted on, and
// a mark of each job that goes on.
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
	root = "quota/"
	// waitForJob is when to try again while jobs go on.
	waitForJob = time.Minute
	dayForm    = "2006-01-02"
)

func prefixOf(owner string) string { return root + job.OwnerHash(owner) + "/" }

// Take counts a job of an owner, or refuses it with Exceeded. Of two that come at the same time and would be too much
// together both may be refused; never are both taken.
func (b Book) Take(ctx context.Context, owner, id string, coreHours float64, resultBytes int64) error {
	if owner == "" {
		return nil
	}
	limits, err := b.Limits(ctx, owner)
	if err != nil || limits == (Limits{}) {
		return err
	}
	data, err := json.Marshal(entry{coreHours, resultBytes})
	if err != nil {
		return err
	}
	for _, key := range b.keysOf(owner, id) {
		if err := b.Bucket.WriteAll(ctx, key, data, &blob.WriterOptions{ContentType: "application/json"}); err != nil {
			return fmt.Errorf("count the job: %w", err)
		}
	}
	used, err := b.Usage(ctx, owner)
	if err == nil {
		err = limits.check(used, b.Now().UTC())
	}
	if err != nil {
		err = errors.Join(err, b.Return(ctx, owner, id))
	}
	return err
}

// keysOf are the objects that count a job.
func (b Book) keysOf(owner, id string) []string {
	return []string{prefixOf(owner) + b.Now().UTC().Format(dayForm) + "/" + id, prefixOf(owner) + "open/" + id}
}

// Return counts a job no longer that was taken and then not submitted.
func (b Book) Return(ctx context.Context, owner, id string) error {
	if owner == "" {
		return nil
	}
	for _, key := range b.keysOf(owner, id) {
		if err := b.Bucket.Delete(context.WithoutCancel(ctx), key); err != nil && gcerrors.Code(err) != gcerrors.NotFound {
			return fmt.Errorf("count the job no longer: %w", err)
		}
	}
	return nil
}

// check refuses what is used above the limits.
func (l Limits) check(u Usage, now time.Time) error {
	tomorrow := now.Truncate(24 * time.Hour).Add(24 * time.Hour).Sub(now)
	switch {
	case l.Jobs > 0 && u.Jobs > l.Jobs:
		return Exceeded{fmt.Sprintf("%d of your jobs go on, the most at a time is %d: wait until one ends, or cancel one", u.Jobs-1, l.Jobs), waitForJob}
	case l.CoreHours > 0 && u.CoreHours > l.CoreHours:
		return Exceeded{fmt.Sprintf("with this job your jobs of today would take %.3g core hours, the most in a day is %.3g: submit it tomorrow, or ask the operator for more", u.CoreHours, l.CoreHours), tomorrow}
	case l.ResultBytes > 0 && u.ResultBytes > l.ResultBytes:
		return Exceeded{fmt.Sprintf("with this job the results of today would take %s, the most in a day is %s: submit it tomorrow, or ask the operator for more", amount.Bytes(u.ResultBytes), amount.Bytes(l.ResultBytes)), tomorrow}
	}
	return nil
}

// Usage adds up what an owner's jobs take. It removes what no longer counts: marks of jobs that have ended, and days that are
// over.
func (b Book) Usage(ctx context.Context, owner string) (Usage, error) {
	var u Usage
	today := b.Now().UTC().Format(dayForm)
	it := b.Bucket.List(&blob.ListOptions{Prefix: prefixOf(owner)})
	for {
		o, err := it.Next(ctx)
		if errors.Is(err, io.EOF) {
			return u, nil
		}
		if err != nil {
			return u, fmt.Errorf("list the counts of an owner: %w", err)
		}
		folder, id := path.Split(strings.TrimPrefix(o.Key, prefixOf(owner)))
		counts := true
		switch folder {
		case "":
			continue // limits.json
		case "open/":
			counts, err = b.goesOn(ctx, id, o.ModTime)
			if counts {
				u.Jobs++
			}
		case today + "/":
			err = b.add(ctx, o.Key, &u)
		default:
			counts = folder > today+"/" // written by a clock that is ahead
		}
		if err == nil && !counts {
			if err = b.Bucket.Delete(ctx, o.Key); gcerrors.Code(err) == gcerrors.NotFound {
				err = nil
			}
		}
		if err != nil {
			return u, err
		}
	}
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

func (b Book) add(ctx context.Context, key string, u *Usage) error {
	data, err := b.Bucket.ReadAll(ctx, key)
	if gcerrors.Code(err) == gcerrors.NotFound {
		return nil // refused meanwhile
	}
	var e entry
	if err == nil {
		err = json.Unmarshal(data, &e)
	}
	u.CoreHours += e.CoreHours
	u.ResultBytes += e.ResultBytes
	return err
}

// Limits are those of an owner.
func (b Book) Limits(ctx context.Context, owner string) (Limits, error) {
	data, err := b.Bucket.ReadAll(ctx, prefixOf(owner)+"limits.json")
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
		err = b.Bucket.WriteAll(ctx, prefixOf(owner)+"limits.json", data, &blob.WriterOptions{ContentType: "application/json"})
	}
	return err
}

// ResetLimits lets the usual limits hold for an owner again.
func (b Book) ResetLimits(ctx context.Context, owner string) error {
	err := b.Bucket.Delete(ctx, prefixOf(owner)+"limits.json")
	if gcerrors.Code(err) == gcerrors.NotFound {
		return nil
	}
	return err
}
