// Package cleanup keeps the bucket tidy on ticks: it removes what retention says, revives jobs that stopped moving.
package cleanup

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/cyverse-gis/eemt/eventing"
	"github.com/cyverse-gis/eemt/shared/job"
)

// Source is the CloudEvents source of what this function emits.
const Source = "/eemt/cleanup"

// Policy says how long things are kept.
type Policy struct {
	// Retention is how long ended jobs are kept that say nothing else themselves.
	job.Retention
	// Quiet is how long a job may stand still before its events are emitted again.
	Quiet time.Duration
	// GiveUp is how long a job may stand still before it is ended as failed.
	GiveUp time.Duration
	// Batch is how many jobs one pass removes at most, the oldest first; 0 means DefaultBatch.
	Batch int
	// DryRun only says what would go.
	DryRun bool
}

// DefaultBatch is how many jobs one pass of retention removes at most.
const DefaultBatch = 1000

// DefaultPolicy keeps completed data for 7 days and failed jobs for 12 hours.
func DefaultPolicy() Policy {
	return Policy{Retention: job.Retention{Completed: 7 * 24 * time.Hour, Failed: 12 * time.Hour}, Quiet: 5 * time.Minute, GiveUp: 24 * time.Hour}
}

// Service handles ticks and dead letters.
type Service struct {
	Store  job.Store
	Events eventing.Publisher
	Now    func() time.Time
	Log    *slog.Logger
	Policy Policy
	// Partial calls f with what writers that died left of objects that never appeared,
	// and nobody touched since before, and removes it unless dry; nil where the store
	// does so itself.
	Partial func(ctx context.Context, before time.Time, dry bool, f func(name string, bytes int64)) error
}

// Handle does the task a tick names.
func (s *Service) Handle(ctx context.Context, e event.Event) error {
	tick, err := eventing.TickOf(e)
	if err != nil {
		return err
	}
	if tick.Task == eventing.TaskResume {
		n, err := s.Resume(ctx, s.Policy.Quiet)
		if err != nil || n == 0 {
			return err
		}
		return s.Events.Publish(ctx, eventing.NewCleanupCompleted(Source, eventing.Cleanup{Task: tick.Task, Resumed: n}, s.Now()))
	}
	_, err = s.Retain(ctx)
	return err
}

// Resume emits again what jobs that stood still for quiet are waiting for; 0
// means all jobs, whatever the clocks say. It returns how many jobs it revived.
// A job that stood still for Policy.GiveUp is ended as failed.
func (s *Service) Resume(ctx context.Context, quiet time.Duration) (int, error) {
	now := s.Now().UTC()
	revived := 0
	err := s.Store.List(ctx, func(id string) (bool, error) {
		ended, err := s.Store.Ended(ctx, id)
		if err != nil || ended {
			return true, err
		}
		st, err := s.Store.Status(ctx, id)
		if errors.Is(err, job.ErrNotFound) {
			return true, nil
		}
		if errors.Is(err, job.ErrDamaged) {
			s.Log.Error("job cannot be revived", "job", id, "error", err)
			return true, nil
		}
		if err != nil {
			return false, err
		}
		still := now.Sub(st.Updated)
		switch {
		case st.Ended() || quiet > 0 && still < quiet:
			return true, nil
		case still >= s.Policy.GiveUp:
			return true, s.end(ctx, id, fmt.Sprintf("no progress for %s: %d of %d tiles were done; submit the job again", still.Round(time.Minute), st.Done, st.Planned))
		}
		revived++
		s.Log.Info("job stood still, reviving it", "job", id, "done", st.Done, "planned", st.Planned, "still", still.Round(time.Second))
		// The plan step asks again for whatever is missing.
		attempt := min(max(0, int(still/time.Minute))+1, eventing.MaxAttempt)
		return true, s.Events.Publish(ctx, eventing.NewJobSubmitted(Source, id, attempt, now))
	})
	return revived, err
}

// DeadLetter ends the job of an event whose work failed as often as it was
// tried. An event that was refused as such is no fault of its job.
func (s *Service) DeadLetter(ctx context.Context, e event.Event) error {
	failure, _ := eventing.FailureOf(e)
	if failure.Code == http.StatusBadRequest {
		s.Log.Warn("refused event", "event", e.Type(), "id", e.ID(), "reason", failure.Reason)
		return nil
	}
	if failure.Code == http.StatusGatewayTimeout {
		// It waited for a free replica until its time was up: the job is long, not at fault. The resume tick asks again.
		s.Log.Warn("event was not taken in time", "event", e.Type(), "id", e.ID(), "reason", failure.Reason)
		return nil
	}
	var id, what string
	switch e.Type() {
	case eventing.TileRequested:
		t, err := eventing.TileOf(e)
		if err != nil {
			return err
		}
		id, what = t.JobID, "tile "+t.Task
	case eventing.JobSubmitted, eventing.TilesCompleted:
		j, err := eventing.JobOf(e)
		if err != nil {
			return err
		}
		id, what = j.JobID, "planning"
		if e.Type() == eventing.TilesCompleted {
			what = "assembly of the maps"
		}
	default:
		s.Log.Warn("undeliverable event", "event", e.Type(), "id", e.ID())
		return nil
	}
	if _, err := s.Store.Request(ctx, id); errors.Is(err, job.ErrNotFound) {
		return nil
	}
	reason := what + " failed repeatedly"
	if failure.Reason != "" {
		reason += ": " + failure.Reason
	}
	return s.end(ctx, id, reason)
}

func (s *Service) end(ctx context.Context, id, reason string) error {
	end, won, err := s.Store.WriteEnd(ctx, id, job.End{State: job.Failed, Reason: reason, Ended: s.Now().UTC()})
	if err != nil || !won {
		return err
	}
	s.Log.Error("job failed", "job", id, "reason", reason)
	return s.Events.Publish(ctx, eventing.NewJobFailed(Source, id, end.Reason, 0, end.Ended))
}
