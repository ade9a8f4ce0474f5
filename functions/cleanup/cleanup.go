// Package cleanup keeps the bucket tidy on ticks: it removes what retention says, revives jobs that stopped moving.
package cleanup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"gocloud.dev/blob"

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
	// DryRun only counts.
	DryRun bool
}

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
	report, err := s.Retain(ctx)
	if err != nil {
		return err
	}
	removed := report.Successful + report.Failed
	return s.Events.Publish(ctx, eventing.NewCleanupCompleted(Source, eventing.Cleanup{Task: tick.Task, Removed: removed}, s.Now()))
}

// Report is what one retention pass did; JSON names are those of the old cleaner.
type Report struct {
	Start      time.Time `json:"start_time"`
	End        time.Time `json:"end_time"`
	DryRun     bool      `json:"dry_run"`
	Successful int       `json:"successful_jobs_processed"`
	Failed     int       `json:"failed_jobs_processed"`
	FreedMB    float64   `json:"total_size_freed_mb"`
	Preserved  int       `json:"configs_preserved"`
	Deleted    int       `json:"configs_deleted"`
	Errors     []string  `json:"errors"`
	Details    []Detail  `json:"job_details"`
}

// Detail is what happened to one job.
type Detail struct {
	JobID           string    `json:"job_id"`
	Status          job.State `json:"status"`
	Completed       time.Time `json:"completed_at"`
	DataDeleted     bool      `json:"data_deleted"`
	ConfigPreserved bool      `json:"config_preserved"`
	Files           int       `json:"files_deleted"`
	SizeMB          float64   `json:"size_freed_mb"`
	Errors          []string  `json:"errors"`
}

// Retain removes the data of jobs that ended longer ago than the policy keeps
// them, and writes its report to cleanup/. A job that cannot be removed is
// reported, and tried again by the next pass.
func (s *Service) Retain(ctx context.Context) (Report, error) {
	now := s.Now().UTC()
	r := Report{Start: now, DryRun: s.Policy.DryRun, Errors: []string{}, Details: []Detail{}}
	err := s.Store.List(ctx, func(id string) (bool, error) {
		st, err := s.Store.Status(ctx, id)
		if errors.Is(err, job.ErrNotFound) {
			return true, nil
		}
		if err != nil {
			r.Errors = append(r.Errors, err.Error())
			return ctx.Err() == nil, ctx.Err()
		}
		if s.due(st, now) {
			s.remove(ctx, st, now, &r)
		}
		return ctx.Err() == nil, ctx.Err()
	})
	if err == nil {
		err = s.sweep(ctx, now, &r)
	}
	if err != nil {
		return r, err
	}
	r.End = s.Now().UTC()
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return r, fmt.Errorf("encode the cleanup report: %w", err)
	}
	key := "cleanup/cleanup_summary_" + now.Format("20060102_150405") + ".json"
	if err := s.Store.Bucket.WriteAll(ctx, key, data, &blob.WriterOptions{ContentType: "application/json"}); err != nil {
		return r, fmt.Errorf("write %s: %w", key, err)
	}
	s.Log.Info("retention done", "completed", r.Successful, "failed", r.Failed, "freed_mb", r.FreedMB, "errors", len(r.Errors), "dry_run", r.DryRun)
	return r, nil
}

// due reports whether retention removes something of the job.
func (s *Service) due(st job.Status, now time.Time) bool {
	until, ok := s.Policy.Until(st)
	return ok && !now.Before(until)
}

func (s *Service) remove(ctx context.Context, st job.Status, now time.Time, r *Report) {
	d := Detail{JobID: st.Request.ID, Status: st.State, Completed: st.End.Ended, Errors: []string{}}
	if !s.Policy.DryRun {
		// Somebody may have pinned it since it was looked at.
		goes, err := s.Store.BeginRemoval(ctx, st.Request.ID, now, func(k job.Keep) bool {
			st.Keep = k
			return s.due(st, now)
		})
		if err != nil {
			r.Errors = append(r.Errors, fmt.Sprintf("job %s: %v", st.Request.ID, err))
		}
		if err != nil || !goes {
			return
		}
	}
	var gone job.Removed
	var err error
	if st.State == job.Completed {
		r.Successful++
		gone, err = s.Store.RemoveData(ctx, st.Request, s.Policy.DryRun)
		if err == nil && !s.Policy.DryRun {
			err = s.Store.WriteExpired(ctx, st.Request.ID, now)
		}
		if err == nil && !s.Policy.DryRun {
			err = s.Store.EndRemoval(ctx, st.Request.ID)
		}
		d.ConfigPreserved = true
		r.Preserved++
	} else {
		r.Failed++
		gone, err = s.Store.RemoveAll(ctx, st.Request, s.Policy.DryRun)
		r.Deleted++
	}
	d.Files, d.SizeMB = gone.Objects, float64(gone.Bytes)/(1<<20)
	d.DataDeleted = err == nil && !s.Policy.DryRun
	r.FreedMB += d.SizeMB
	if err != nil {
		d.Errors = append(d.Errors, err.Error())
		r.Errors = append(r.Errors, fmt.Sprintf("job %s: %v", st.Request.ID, err))
	}
	r.Details = append(r.Details, d)
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
