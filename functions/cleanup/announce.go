package cleanup

import (
	"context"
	"errors"
	"time"

	"github.com/cyverse-gis/eemt/eventing"
	"github.com/cyverse-gis/eemt/shared/job"
)

// An end that nobody announced is announced by the resume tick when it is older than
// settled, for whoever ended the job may be about to, and younger than stale, when nobody
// waits for it any more.
const (
	settled = time.Minute
	stale   = 24 * time.Hour
)

// mostAnnounced is how many ends one pass announces at most; the next goes on.
const mostAnnounced = 1000

// announceEnd announces how a job ended unless that was done, and reports whether it did.
func (s *Service) announceEnd(ctx context.Context, id string) (bool, error) {
	announced, err := s.Store.Announced(ctx, id)
	if err != nil || announced {
		return false, err
	}
	end, err := s.Store.End(ctx, id)
	if errors.Is(err, job.ErrNotFound) || err == nil && end.Event == "" {
		return false, nil // removed meanwhile, or of a program that did not note announcements
	}
	if err != nil {
		return false, err
	}
	did, err := s.announce(ctx, id, end)
	if did {
		s.Log.Warn("announced the end of a job, which nobody did", "job", id, "state", end.State)
	}
	return did, err
}

// announce publishes an end, and notes that it did, unless that was done; it reports whether it did.
func (s *Service) announce(ctx context.Context, id string, end job.End) (bool, error) {
	announced, err := s.Store.Announced(ctx, id)
	if err != nil || announced {
		return false, err
	}
	e := eventing.NewJobFailed(Source, id, end.Reason, 0, end.Ended)
	switch end.State {
	case job.Completed:
		e = eventing.NewJobCompleted(Source, id, 0, end.Ended)
	case job.Cancelled:
		e = eventing.NewJobCancelled(Source, id, 0, end.Ended)
	}
	if err := s.Events.Publish(ctx, e); err != nil {
		return false, err
	}
	return true, s.Store.MarkAnnounced(ctx, id, s.Now())
}
