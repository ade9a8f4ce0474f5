// Package cleanup keeps the bucket tidy on ticks: it removes what retention says, revives jobs that stopped moving.
package cleanup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/cyverse-gis/eemt/eventing"
	"github.com/cyverse-gis/eemt/shared/job"
	"golang.org/x/sync/errgroup"
)

// Source is the CloudEvents source of what this function emits.
const Source = "/eemt/cleanup"

// Policy says how long things are kept.
type Policy struct {
	// Retention is how long ended jobs are kept that say nothing else themselves.
	job.Retention
	// Quiet is how long a job may stand still before its events are emitted again;
	// twice as long before the next time, and so on.
	Quiet time.Duration
	// Attempts is how often a job that stands still is asked for before it is ended as
	// failed; 0 means DefaultAttempts.
	Attempts int
	// GiveUp is how long a job may stand still before it is asked for a last time, and then
	// ended as failed. One that nobody began waits seven times as long while others go on.
	GiveUp time.Duration
	// Cached is how long what was read over the network is kept for other jobs after the
	// last use; 0 means DefaultCached.
	Cached time.Duration
	// Batch is how many jobs one pass removes at most, the oldest first; 0 means DefaultBatch.
	Batch int
	// DryRun only says what would go.
	DryRun bool
}

// DefaultAttempts is how often a job that stands still is asked for: after 5, 15, 35,
// 75 minutes and so on, the last time after 21 hours.
const DefaultAttempts = 8

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
	// AtOnce is how many jobs Resume looks at at a time; 0 means 16.
	AtOnce int
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

// Resume emits again what jobs that stood still for quiet are waiting for, after twice
// as long the second time, and so on; 0 means all jobs, whatever the clocks say, since
// whoever was to work on them has forgotten them. It returns how many jobs it revived. A
// job that was asked for Policy.Attempts times in vain, or once after it had stood still
// for Policy.GiveUp, is ended as failed, unless it only waits behind others. Ends that
// nobody announced are announced.
func (s *Service) Resume(ctx context.Context, quiet time.Duration) (int, error) {
	var mu sync.Mutex
	revived := 0
	t := &tick{Service: s, quiet: quiet, now: s.Now().UTC()}
	var failed []error
	var work errgroup.Group
	work.SetLimit(max(s.AtOnce, 1))
	if s.AtOnce == 0 {
		work.SetLimit(jobsAtOnce)
	}
	look := func(id string, last bool) {
		work.Go(func() error {
			resumed, expired, err := t.revive(ctx, id, last)
			mu.Lock()
			defer mu.Unlock()
			if resumed {
				revived++
			}
			if expired {
				t.expired = append(t.expired, id)
			}
			if err != nil {
				// One job must not keep the others waiting.
				s.Log.Error("job cannot be revived", "job", id, "error", err)
				if !errors.Is(err, job.ErrDamaged) {
					failed = append(failed, fmt.Errorf("job %s: %w", id, err))
				}
			}
			return nil
		})
	}
	err := s.Store.List(ctx, func(id string) (bool, error) {
		look(id, false)
		mu.Lock()
		defer mu.Unlock()
		return len(failed) < mostFaults && ctx.Err() == nil, ctx.Err()
	})
	_ = work.Wait() // the errors are in failed
	// Whether compute is at work is known when all jobs were looked at.
	if err == nil && len(failed) < mostFaults {
		for _, id := range t.expired {
			look(id, true)
		}
		_ = work.Wait()
	}
	return revived, errors.Join(append(failed, err)...)
}

// jobsAtOnce is how many jobs Resume looks at at a time: each look waits for the bucket.
const jobsAtOnce = 16

// mostFaults is how many jobs may fail to be revived before a pass gives up: the
// bucket or the broker is away.
const mostFaults = 10

// atWork is how long compute may do nothing that shows and still counts as at work: no
// task takes so long.
const atWork = time.Hour

// tick is one pass of Resume.
type tick struct {
	*Service
	quiet     time.Duration
	now       time.Time
	announced atomic.Int64
	// alive says that compute did something of late.
	alive atomic.Bool
	// expired are the jobs that are to be ended, if they do not only wait behind others.
	expired []string
}

// revive requests a job again if it stands still. expired reports that it is to be
// ended; with last set it is, unless it waits behind others.
func (t *tick) revive(ctx context.Context, id string, last bool) (resumed, expired bool, err error) {
	ended, err := t.Store.EndedAt(ctx, id)
	if err != nil {
		return false, false, err
	}
	if !ended.IsZero() {
		return false, false, t.sawEnd(ctx, id, t.now.Sub(ended))
	}
	st, still, err := t.standstill(ctx, id)
	if errors.Is(err, job.ErrNotFound) {
		return false, false, nil
	}
	if err != nil || st.Ended() || t.quiet > 0 && still < t.quiet {
		return false, false, err
	}
	attempt := 1
	if t.quiet > 0 {
		if attempt, expired, err = t.begin(ctx, st, still, last); err != nil || attempt == 0 {
			return false, expired, err
		}
	}
	t.Log.Info("job stood still, reviving it", "job", id, "done", st.Done, "planned", st.Planned, "still", still.Round(time.Second), "attempt", attempt)
	// The event requests whatever is missing of the newest phase.
	return true, false, t.Events.Publish(ctx, eventing.NewJobSubmitted(Source, id, attemptAt(t.now.Sub(st.Request.Created)), t.now))
}

// begin notes that a job which stood still is requested again, and returns how often it then was; 0 where it is not to be:
// it is too early, somebody else does, or the job was ended. expired reports that it is to be ended; with last set it is,
// unless it waits behind others.
func (t *tick) begin(ctx context.Context, st job.Status, still time.Duration, last bool) (attempt int, expired bool, err error) {
	id := st.Request.ID
	resumes, err := t.Store.Resumes(ctx, id, st.Updated)
	if err != nil {
		return 0, false, err
	}
	switch early, exhausted := t.due(resumes, st.Updated, still); {
	case exhausted && !last:
		return 0, true, nil
	case exhausted:
		if ended, err := t.expire(ctx, st, resumes.Times, still); err != nil || ended || early {
			return 0, false, err
		}
	case early:
		return 0, false, nil
	}
	won, err := t.Store.NoteResume(ctx, id, resumes, t.now)
	if err != nil || !won {
		return 0, false, err
	}
	return resumes.Times + 1, false, nil
}

// standstill tells how long a job has not moved. A job that was copied to this bucket counts from then.
func (t *tick) standstill(ctx context.Context, id string) (job.Status, time.Duration, error) {
	st, err := t.Store.Status(ctx, id)
	if err != nil {
		return st, 0, err
	}
	still := t.now.Sub(st.Updated)
	if st.State == job.Running && still < atWork {
		t.alive.Store(true)
	}
	if still < t.Policy.GiveUp || st.Ended() {
		return st, still, nil
	}
	came, err := t.Store.CameAt(ctx, id)
	if err == nil && came.After(st.Updated) {
		st.Updated, still = came, t.now.Sub(came)
	}
	return st, still, err
}

// due tells whether it is too early to request a job again that has stood still since moved, and whether it was requested
// as often as may be, or for the last time.
func (t *tick) due(r job.Resumes, moved time.Time, still time.Duration) (early, exhausted bool) {
	early = r.Times > 0 && t.now.Sub(r.Last) < t.quiet<<min(r.Times, 20)
	if still < t.Policy.GiveUp {
		return early, !early && r.Times >= cmp.Or(max(t.Policy.Attempts, 0), DefaultAttempts)
	}
	// Whoever was to do the work may have been away as long as the tick was: it is requested once after that time.
	if r.Last.Sub(moved) < t.Policy.GiveUp {
		return false, false
	}
	if t.now.Sub(r.Last) < t.quiet {
		return true, false
	}
	return early, true
}

// expire ends a job that was requested as often as may be, unless it waits behind others; it reports whether it did.
func (t *tick) expire(ctx context.Context, st job.Status, times int, still time.Duration) (bool, error) {
	waits, err := t.waitsBehindOthers(ctx, st)
	if err != nil || waits && still < 7*t.Policy.GiveUp {
		return false, err
	}
	return true, t.giveUp(ctx, st, times, still)
}

// attemptAt numbers what is asked for when a job is so old, in steps of ten seconds: all attempts of a job must differ,
// also those of standstills between which it moved, or a broker may take them for duplicates.
func attemptAt(age time.Duration) int {
	return 1 + min(int(max(age, 0)/(10*time.Second)), eventing.MaxAttempt-1)
}

// sawEnd announces the end of a job if nobody did, and notes whether compute made it of late.
func (t *tick) sawEnd(ctx context.Context, id string, age time.Duration) error {
	if age < atWork && !t.alive.Load() {
		if end, err := t.Store.End(ctx, id); err == nil && end.State == job.Completed {
			t.alive.Store(true)
		}
	}
	if age < settled || age > stale || t.announced.Load() >= mostAnnounced {
		return nil
	}
	did, err := t.announceEnd(ctx, id)
	if did {
		t.announced.Add(1)
	}
	return err
}

// waitsBehindOthers reports whether compute is at work, and nobody began what a job waits for.
func (t *tick) waitsBehindOthers(ctx context.Context, st job.Status) (bool, error) {
	if !t.alive.Load() {
		return false, nil
	}
	w, err := t.waitsFor(ctx, st.Request.ID)
	if err != nil {
		return false, err
	}
	attempts, err := t.Store.Attempts(ctx, st.Request.ID, w.task)
	return attempts.Begun == 0 && attempts.Last == nil, err
}

// giveUp ends a job that does not move, and says what it waits for and why.
func (s *Service) giveUp(ctx context.Context, st job.Status, times int, still time.Duration) error {
	id := st.Request.ID
	w, err := s.waitsFor(ctx, id)
	if err != nil {
		return err
	}
	cause := "nobody began it: is compute running?"
	attempts, err := s.Store.Attempts(ctx, id, w.task)
	switch {
	case err != nil:
		return err
	case attempts.Last != nil:
		cause = "the last time: " + attempts.Last.Cause
	case attempts.Begun > 0:
		cause = fmt.Sprintf("it was begun %d times and never finished, as when memory runs out", attempts.Begun)
	}
	more := ""
	if w.missing > 1 {
		more = fmt.Sprintf(" and %d more", w.missing-1)
	}
	asked := ""
	if times > 0 {
		asked = fmt.Sprintf(", asked for %d times in vain", times)
	}
	done := fmt.Sprintf("%d of %d tiles were done", st.Done, st.Planned)
	switch {
	case st.Terrain != nil:
		done = fmt.Sprintf("%d of %d windows of stage %d of the terrain were done", st.Terrain.Done, st.Terrain.Planned, st.Terrain.Number)
	case st.MapsPlanned > 0:
		done = fmt.Sprintf("%d of %d tiles and %d of %d maps were done", st.Done, st.Planned, st.Maps, st.MapsPlanned)
	}
	return s.end(ctx, id, fmt.Sprintf("no progress for %s%s: %s; it waits for %s%s; %s; submit the job again",
		still.Round(time.Minute), asked, done, w.words, more, cause), resumed)
}

// awaited is what a job waits for: the first missing task of its newest phase, in words, and how many are missing.
type awaited struct {
	task    job.TaskRef
	words   string
	missing int
}

// waitsFor tells what a job waits for.
func (s *Service) waitsFor(ctx context.Context, id string) (awaited, error) {
	plan := awaited{task: job.PlanPhase().Ref(job.PlanTask), words: "its plan", missing: 1}
	phase, err := s.Store.NewestPhase(ctx, id)
	if errors.Is(err, job.ErrNotFound) {
		return plan, nil
	}
	if err != nil {
		return plan, err
	}
	finished, err := s.Store.Finished(ctx, id, phase.Number)
	if err != nil {
		return plan, err
	}
	assembly := job.TaskRef{Phase: phase.Number + 1, Kind: job.KindAssembly, Task: job.AssemblyTask}
	switch missing := phase.Missing(finished); {
	case len(missing) == 0 && phase.Kind.OfTerrain(): // the tick itself requests the plan, which goes on from there
		plan.words = fmt.Sprintf("what follows on stage %d of the terrain", phase.Number)
		return plan, nil
	case len(missing) == 0:
		return awaited{task: assembly, words: "the assembly of its maps", missing: 1}, nil
	case phase.Kind == job.KindAssembly:
		return awaited{task: phase.Ref(missing[0].Name), words: "the assembly of its maps", missing: 1}, nil
	default:
		w := awaited{task: phase.Ref(missing[0].Name)}
		w.words = w.task.String()
		for _, t := range missing {
			w.missing += max(1, t.Size)
		}
		return w, nil
	}
}

// resumed marks the ends that Resume made; the next pass announces them if this one dies.
const resumed = "resume"

// stuck is how many attempts without progress make an assembly that does not go on: a broker delivers an event
// six times.
const stuck = 6

// DeadLetter ends the job of an event whose work failed as often as it was
// tried. An event that was refused as such is no fault of its job.
func (s *Service) DeadLetter(ctx context.Context, e event.Event) error {
	failure, _ := eventing.FailureOf(e)
	if why := notOfTheWork(e, failure); why != "" {
		s.Log.Warn(why, "event", e.Type(), "id", e.ID(), "reason", failure.Reason)
		return nil
	}
	t, err := eventing.TaskOf(e)
	if err != nil {
		return err
	}
	id, task := t.JobID, job.TaskRef{Phase: t.Phase, Kind: job.Kind(t.Kind), Task: t.Task}
	if _, err := s.Store.Request(ctx, id); errors.Is(err, job.ErrNotFound) {
		return nil
	}
	switch end, err := s.Store.End(ctx, id); {
	case err == nil && end.Event == e.ID(): // the job was ended, and then the announcement failed
		_, err = s.announce(ctx, id, end)
		return err
	case err == nil:
		return nil
	case !errors.Is(err, job.ErrNotFound):
		return err
	}
	attempts, err := s.Store.Attempts(ctx, id, task)
	if err != nil {
		return err
	}
	switch {
	case attempts.Progressed > 0 && attempts.Begun < stuck:
		// An assembly that dies on its way, and goes on from there each time, is not to be given up.
		s.Log.Warn("the assembly was interrupted repeatedly, but is continued", "job", id, "reason", failure.Reason)
		return nil
	case attempts.Unfinished:
		// Processes that vanish, as spot nodes do, say nothing of the work. The resume tick requests it again; who begins it
		// too often ends the job.
		s.Log.Warn("work died without a word as often as its event was delivered", "job", id, "task", task, "attempts", attempts.Begun)
		return nil
	}
	reason := task.String() + " failed repeatedly"
	if failure.Reason != "" {
		reason += ": " + failure.Reason
	}
	return s.end(ctx, id, reason, e.ID())
}

// notOfTheWork tells why an event that could not be delivered says nothing of the work of its job; empty where it does.
func notOfTheWork(e event.Event, failure eventing.Failure) string {
	if failure.Code == http.StatusBadRequest {
		return "refused event"
	}
	if failure.Code == http.StatusGatewayTimeout {
		// It waited for a free replica until its time was up: the job is long, not at fault. The resume tick asks again.
		return "event was not taken in time"
	}
	if typ := e.Type(); typ != eventing.JobSubmitted && typ != eventing.TaskRequested && typ != eventing.TilesCompleted {
		return "undeliverable event"
	}
	return ""
}

// end ends a job as failed, and announces that. event is the id of the event that does so, or resumed:
// when it comes again its handler may have died before it announced the end.
func (s *Service) end(ctx context.Context, id, reason, event string) error {
	end, won, err := s.Store.WriteEnd(ctx, id, job.End{State: job.Failed, Reason: reason, Ended: s.Now().UTC(), Event: event})
	if err != nil {
		return err
	}
	if !won && end.Event != event {
		return nil
	}
	s.Log.Error("job failed", "job", id, "reason", end.Reason)
	_, err = s.announce(ctx, id, end)
	return err
}
