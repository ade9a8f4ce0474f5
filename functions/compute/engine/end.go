package engine

import (
	"context"
	"log/slog"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"

	"github.com/cyverse-gis/eemt/eventing"
	"github.com/cyverse-gis/eemt/shared/job"
)

// ending bounds how long the end of a job may take to be written and announced, whatever the context of its event says.
const ending = time.Minute

// complete ends a job whose last phase is complete.
func (e *Engine) complete(ctx context.Context, r *Run) error {
	end, err := e.end(ctx, r, job.End{State: job.Completed})
	if end.State == job.Completed {
		r.Log.Info("job completed")
	}
	if err == nil && end.State == job.Completed {
		e.removeWork(ctx, r.ID(), r.Log)
	}
	return err
}

// fail ends a job that cannot be computed.
func (e *Engine) fail(ctx context.Context, r *Run, why error) error {
	failed := job.End{State: job.Failed, Reason: why.Error()}
	failed.Findings.AddError(why)
	end, err := e.end(ctx, r, failed)
	if end.State == job.Failed {
		r.Log.Error("job failed", "reason", end.Reason)
	}
	return err
}

// end writes how a job ended, and announces it. It returns the end that stands; whoever wrote another announces it.
// Nothing tells it to stop between the two, not even who sent the event: the attempt is over, so that no watch finds this
// very end and gives up the announcement.
func (e *Engine) end(ctx context.Context, r *Run, end job.End) (job.End, error) {
	if err := context.Cause(ctx); err != nil {
		return job.End{}, err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), ending)
	defer cancel()
	end.Ended, end.Event = e.Now().UTC(), r.Event
	stands, _, err := e.Store.WriteEnd(ctx, r.ID(), end)
	if err != nil {
		return job.End{}, err
	}
	if stands.State != end.State {
		return stands, nil
	}
	return stands, e.announce(ctx, r.ID(), stands)
}

// announce publishes the end of a job that compute ended, and notes that it did; nothing when
// somebody else did so meanwhile: of many tasks that meet the same fault each comes here.
func (e *Engine) announce(ctx context.Context, id string, end job.End) error {
	announced, err := e.Store.Announced(ctx, id)
	if err != nil || announced {
		return err
	}
	ev := eventing.NewJobCompleted(e.Source, id, 0, end.Ended)
	if end.State == job.Failed {
		ev = eventing.NewJobFailed(e.Source, id, end.Reason, 0, end.Ended)
	}
	if err := e.Events.Publish(ctx, ev); err != nil {
		return err
	}
	return e.Store.MarkAnnounced(ctx, id, e.Now())
}

// afterEnd does what is left to do at the end of a job: it announces the end if this event's work made it, since the
// event comes again when its handler died before it had done so, and removes work files that are left.
func (e *Engine) afterEnd(ctx context.Context, id string, end job.End, ev event.Event, log *slog.Logger) error {
	own := end.Event != "" && end.Event == ev.ID()
	if own {
		if err := e.announce(ctx, id, end); err != nil {
			return err
		}
	}
	if end.State == job.Completed && (own || ev.Type() == eventing.JobSubmitted) {
		e.removeWork(ctx, id, log)
	}
	return nil
}

// removeWork deletes the work files of a completed job, whose end was announced: nobody waits for this. What an
// interruption leaves goes when the event comes again, or by retention.
func (e *Engine) removeWork(ctx context.Context, id string, log *slog.Logger) {
	keys, err := e.objects().Keys(ctx, job.WorkKey(id, ""))
	if err == nil {
		err = e.objects().Remove(ctx, keys)
	}
	if err != nil {
		log.Warn("work files are left for retention to remove", "error", err)
	}
}
