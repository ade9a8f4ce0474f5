// Package engine takes the work of a job through its phases.
//
// A phase is a number of tasks of one kind that may go on at the same time, on any replicas: the plan, windows of the
// terrain, tiles, groups of maps, the assembly. Every phase goes the same way:
//
//  1. Somebody writes the record of the phase, phases/NNNN.json. The first record stands.
//  2. Who wrote it requests each task by an event, then notes that all were requested.
//  3. Who gets an event does the task, writes its objects, then its record phases/NNNN/TASK.json. The first record stands.
//  4. It lists the records of the phase. When all tasks have one, the kind says what follows: the next phase, which is
//     step 1 again, or the end of the job.
//
// Events are delivered at least once, in any order, and a process may die between any two calls of the bucket. So
//   - a task that has its record is not done again;
//   - a task whose phase is not written yet does nothing: who writes the phase requests it;
//   - several may find a phase complete: all derive the same next phase from the same records, or else continue with the
//     one that was written first. Who did not write it requests nothing, unless its own task had a record when it came:
//     then whoever was here before may have died, and it looks for the note of step 2;
//   - job.submitted, which the resume tick of cleanup repeats, requests what the newest phase lacks, or goes on from it.
package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"golang.org/x/sync/errgroup"

	"github.com/cyverse-gis/eemt/eventing"
	"github.com/cyverse-gis/eemt/functions/compute/objects"
	"github.com/cyverse-gis/eemt/shared/fault"
	"github.com/cyverse-gis/eemt/shared/job"
)

// Kind is the work of the phases of one kind. An error of the kind fault.Invalid, of any method, ends the job: it is what
// its user reads.
type Kind interface {
	// Run does r.Task. It may be called again, also at the same time, for a task that was done, and then writes the same
	// objects. What it returns becomes the Result of the task's record, as JSON.
	Run(ctx context.Context, r *Run) (any, error)
	// Next returns the phase that follows r.Phase, whose records are done, in the order of its tasks; nil ends the job as
	// completed. The engine sets the number and the time. Several may call it at the same time.
	Next(ctx context.Context, r *Run, done []job.Record) (*job.Phase, error)
	// Release removes objects that only r.Phase and those before it read, when the tasks of next were requested. What it
	// cannot remove goes with the job's work files.
	Release(ctx context.Context, r *Run, next *job.Phase)
}

// Run is the work of one event.
type Run struct {
	Request job.Request
	// Phase and Task say what is to be done.
	Phase *job.Phase
	Task  string
	// Attempt is that of the event, Event its id.
	Attempt int
	Event   string
	Log     *slog.Logger
	// Share is how much of the task is done.
	Share Share
}

// ID is the job's.
func (r *Run) ID() string { return r.Request.ID }

// ref refers to the task in the bucket.
func (r *Run) ref() job.TaskRef { return r.Phase.Ref(r.Task) }

// ErrGone says that an object which the task reads was removed: its phase is complete, or the object is lost.
var ErrGone = errors.New("the file is gone")

// Engine takes jobs through their phases. It holds no state between events: everything is in the bucket.
type Engine struct {
	Store  job.Store
	Events eventing.Publisher
	Now    func() time.Time
	Log    *slog.Logger
	// Source is the CloudEvents source of what the engine publishes.
	Source string
	// Kinds do the work.
	Kinds map[job.Kind]Kind
	// Lasting reports whether an error of a task will be the same the next time; a panic always is.
	Lasting func(err error) bool
	// AtOnce is how many calls that only wait for the bucket go on at a time; 0 means 16.
	AtOnce int
	// Publishing is how many tasks are requested at a time; 0 means one, in their order.
	Publishing int
	// MostAttempts is how often a task may be begun and not finished before the job is ended; 0 means DefaultAttempts.
	MostAttempts int
	// MostTime is the longest that work on a task may take; 0 means 10 minutes.
	MostTime time.Duration
	// Watch is how often running work looks whether its job has ended; 0 means every 10 s.
	Watch time.Duration
	// Heartbeat is how often a task in work notes in the bucket how much of it is done; 0 means every 3 s.
	Heartbeat time.Duration
	// Attempted does the work of a task in place of an attempt that is counted and watched; nil stands for that.
	Attempted func(ctx context.Context, r *Run, work func(ctx context.Context) error) error
}

func (e *Engine) objects() objects.Store {
	return objects.Store{Bucket: e.Store.Bucket, AtOnce: e.AtOnce}
}

// Handle does the work an event asks for. It may be called twice with the same
// event: finished work is found in the bucket and not done again.
func (e *Engine) Handle(ctx context.Context, ev event.Event) error {
	task, err := eventing.TaskOf(ev)
	if err != nil {
		return err
	}
	id := task.JobID
	if !job.ValidID(id) {
		return eventing.Reject(fmt.Errorf("event %s: job id %q is not a ULID", ev.ID(), id))
	}
	log := e.Log.With("job", id, "event", ev.Type())
	switch end, err := e.Store.End(ctx, id); {
	case err == nil:
		log.Debug("job has ended")
		return e.afterEnd(ctx, id, end, ev, log)
	case !errors.Is(err, job.ErrNotFound):
		return err
	}
	request, err := e.Store.Request(ctx, id)
	if errors.Is(err, job.ErrNotFound) {
		return eventing.Reject(err)
	}
	if err != nil {
		return err
	}
	r := &Run{Request: request, Task: task.Task, Attempt: task.Attempt, Event: ev.ID(), Log: log}
	if job.Kind(task.Kind) == job.KindPlan {
		err = e.resume(ctx, r)
	} else {
		err = e.run(ctx, r, task.Phase)
	}
	if errors.Is(err, ErrEnded) {
		log.Info("job has ended meanwhile, its work is given up")
		end, err := e.Store.End(ctx, id)
		if errors.Is(err, job.ErrNotFound) {
			return nil // removed since
		}
		if err != nil {
			return err
		}
		return e.afterEnd(ctx, id, end, ev, log)
	}
	if fault.Is(err, fault.Invalid) {
		return e.fail(ctx, r, err)
	}
	return err
}

// resume requests what the newest phase lacks, or goes on from it; without any it makes the plan.
func (e *Engine) resume(ctx context.Context, r *Run) error {
	phase, err := e.Store.NewestPhase(ctx, r.ID())
	if errors.Is(err, job.ErrNotFound) {
		return e.run(ctx, r, 0)
	}
	if err != nil {
		return err
	}
	missing, err := e.request(ctx, r, phase)
	if err != nil || missing > 0 {
		return err
	}
	r.Phase = phase
	return e.advance(ctx, r, true)
}

// run does a task unless it has its record, records it, and goes on from the phase if that is complete.
func (e *Engine) run(ctx context.Context, r *Run, phase int) (err error) {
	r.Phase, err = e.Store.Phase(ctx, r.ID(), phase)
	if errors.Is(err, job.ErrNotFound) {
		r.Log.Warn("task requested before its phase: who writes the phase requests it", "phase", phase, "task", r.Task)
		return nil
	}
	if err != nil {
		return err
	}
	tasks := r.Phase.Tasks
	if !slices.ContainsFunc(tasks, func(t job.Task) bool { return t.Name == r.Task }) || e.Kinds[r.Phase.Kind] == nil {
		return eventing.Reject(fmt.Errorf("job %s has no task %q: phase %d, %s, has %d tasks, %s to %s",
			r.ID(), r.Task, phase, r.Phase.Kind, len(tasks), tasks[0].Name, tasks[len(tasks)-1].Name))
	}
	_, err = e.Store.Record(ctx, r.ID(), phase, r.Task)
	repeated := err == nil
	if errors.Is(err, job.ErrNotFound) {
		var superseded bool
		if superseded, err = e.do(ctx, r); superseded {
			return err
		}
	}
	if err != nil {
		return err
	}
	// Everybody looks after their own record is there, so that somebody sees all.
	finished, err := e.Store.Finished(ctx, r.ID(), phase)
	if err != nil || len(r.Phase.Missing(finished)) > 0 {
		return err
	}
	return e.advance(ctx, r, repeated)
}

// do does a task and writes its record. superseded says that another attempt did the task meanwhile, and that the phases
// behind it have removed what this one was to read.
func (e *Engine) do(ctx context.Context, r *Run) (superseded bool, err error) {
	record := job.Record{Task: r.Task, Attempt: r.Attempt}
	begun := e.Now()
	attempt := e.Attempted
	if attempt == nil {
		attempt = e.attempt
	}
	err = attempt(ctx, r, func(ctx context.Context) error {
		result, err := e.Kinds[r.Phase.Kind].Run(ctx, r)
		if errors.Is(err, ErrGone) {
			_, looked := e.Store.Record(ctx, r.ID(), r.Phase.Number, r.Task)
			if superseded = looked == nil; superseded {
				return nil
			}
		}
		if err != nil || result == nil {
			return err
		}
		if record.Result, err = json.Marshal(result); err != nil {
			return fmt.Errorf("encode what %s found: %w", r.ref(), err)
		}
		return nil
	})
	if err != nil || superseded {
		return superseded, err
	}
	record.Ended = e.Now().UTC()
	record.Seconds = record.Ended.Sub(begun).Seconds()
	if err := e.Store.WriteRecord(ctx, r.ID(), r.Phase.Number, record); err != nil {
		return false, err
	}
	r.Log.Info("task done", "phase", r.Phase.Number, "kind", r.Phase.Kind, "task", r.Task, "seconds", math.Round(record.Seconds*10)/10)
	return false, nil
}

// advance goes on from r.Phase, which is complete. repeated says that the event's own task had its record before: whoever
// was here may have died before it had requested the tasks of the next phase.
func (e *Engine) advance(ctx context.Context, r *Run, repeated bool) error {
	done, err := e.records(ctx, r)
	if err != nil {
		return err
	}
	kind := e.Kinds[r.Phase.Kind]
	var next *job.Phase
	err = Guard(ctx, r.Log, func(ctx context.Context) (err error) {
		next, err = kind.Next(ctx, r, done)
		return err
	})
	if err != nil {
		return err
	}
	if next == nil {
		return e.complete(ctx, r)
	}
	next.Number, next.Created = r.Phase.Number+1, e.Now().UTC()
	won, err := e.Store.WritePhase(ctx, r.ID(), next)
	if err != nil || !won && !repeated {
		return err
	}
	if !won {
		if requested, err := e.Store.Requested(ctx, r.ID(), next.Number); err != nil || requested {
			return err
		}
		if next, err = e.Store.Phase(ctx, r.ID(), next.Number); err != nil { // another replica may have cut the work otherwise
			return err
		}
	}
	if _, err := e.request(ctx, r, next); err != nil {
		return err
	}
	kind.Release(ctx, r, next)
	return nil
}

// records reads the records of all tasks of r.Phase, in their order.
func (e *Engine) records(ctx context.Context, r *Run) ([]job.Record, error) {
	records := make([]job.Record, len(r.Phase.Tasks))
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(e.objects().Calls())
	for i, t := range r.Phase.Tasks {
		work.Go(func() (err error) {
			records[i], err = e.Store.Record(ctx, r.ID(), r.Phase.Number, t.Name)
			return err
		})
	}
	return records, work.Wait()
}

// request publishes an event for each task of a phase that has no record, notes that all were requested, and returns how
// many there are. It stops at the first that cannot be published.
func (e *Engine) request(ctx context.Context, r *Run, phase *job.Phase) (missing int, err error) {
	finished, err := e.Store.Finished(ctx, r.ID(), phase.Number)
	if err != nil {
		return 0, err
	}
	tasks := phase.Missing(finished)
	work, group := errgroup.WithContext(ctx)
	work.SetLimit(max(1, e.Publishing))
	for _, t := range tasks {
		work.Go(func() error {
			if err := group.Err(); err != nil {
				return err
			}
			task := eventing.Task{JobID: r.ID(), Phase: phase.Number, Kind: string(phase.Kind), Task: t.Name, Attempt: r.Attempt}
			return e.Events.Publish(group, eventing.NewTaskRequested(e.Source, task, e.Now()))
		})
	}
	if err := work.Wait(); err != nil || len(tasks) == 0 {
		return len(tasks), err
	}
	return len(tasks), e.Store.MarkRequested(ctx, r.ID(), phase.Number)
}
