// Package eventing defines the CloudEvents that carry a job through the functions.
package eventing

import (
	"context"
	"errors"

	"github.com/cloudevents/sdk-go/v2/event"
)

// Event types. The payload of the job types is Job, of TaskRequested and TilesCompleted Task,
// of CleanupCompleted Cleanup, of PingTick Tick.
const (
	JobSubmitted     = "org.cyverse.eemt.job.submitted.v1"
	TaskRequested    = "org.cyverse.eemt.task.requested.v1"
	TilesCompleted   = "org.cyverse.eemt.tiles.completed.v1"
	JobCompleted     = "org.cyverse.eemt.job.completed.v1"
	JobFailed        = "org.cyverse.eemt.job.failed.v1"
	JobCancelled     = "org.cyverse.eemt.job.cancelled.v1"
	CleanupCompleted = "org.cyverse.eemt.cleanup.completed.v1"
	PingTick         = "dev.knative.sources.ping"
)

// Publisher hands an event over for delivery. A nil error means that the event will be delivered
// at least once to every subscriber; after any error it may or may not be.
// Implementations are safe for concurrent use.
type Publisher interface {
	Publish(ctx context.Context, e event.Event) error
}

// PublisherFunc is a function used as a Publisher.
type PublisherFunc func(ctx context.Context, e event.Event) error

// Publish calls f.
func (f PublisherFunc) Publish(ctx context.Context, e event.Event) error { return f(ctx, e) }

// Handler does the work of one event. It is called at least once per event, in any order and
// concurrently, so it must be idempotent. It returns nil when the work is done, an error made by
// Reject when the event itself is bad (never delivered again) and any other error for a passing
// fault (delivered again, with backoff, then dead-lettered). It returns soon after ctx ends.
type Handler func(ctx context.Context, e event.Event) error

type rejected struct{ err error }

func (r rejected) Error() string { return r.err.Error() }
func (r rejected) Unwrap() error { return r.err }

// Reject marks err as the fault of the event, so that it is never retried. Reject(nil) is nil.
func Reject(err error) error {
	if err == nil {
		return nil
	}
	return rejected{err}
}

// IsRejected reports whether err, or an error it wraps, was made by Reject.
func IsRejected(err error) bool {
	var r rejected
	return errors.As(err, &r)
}
