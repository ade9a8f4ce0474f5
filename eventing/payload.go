package eventing

import (
	"encoding/json"
	"fmt"
	"mime"
	"strconv"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
)

// Bounds of what an event may carry.
const (
	// MaxName is the greatest length of a job id or task name in bytes.
	MaxName = 128
	// MaxReason is the greatest length of Job.Reason in bytes; constructors cut longer ones.
	MaxReason = 4096
	// MaxPhase is the greatest number of a phase.
	MaxPhase = 1_000_000
	// MaxAttempt is the greatest attempt number; the first attempt is 0.
	MaxAttempt = 1_000_000
)

// Job is the payload of the job events.
type Job struct {
	// JobID names the job: 1 to MaxName letters, digits, '-', '_' and '.', not starting with '.'.
	JobID string `json:"job_id"`
	// Reason says in one sentence why the job failed; empty for other events.
	Reason string `json:"reason,omitempty"`
	// Attempt counts from 0 how often this step of the job was asked for.
	Attempt int `json:"attempt"`
}

// Task is the payload of TaskRequested and TilesCompleted: which task of which job is to be done.
type Task struct {
	JobID string `json:"job_id"`
	// Phase is the number of the phase that the task belongs to, 0 to MaxPhase.
	Phase int `json:"phase"`
	// Kind says what the task does, Task which one of its phase it is; same alphabet as a job id.
	Kind    string `json:"kind"`
	Task    string `json:"task"`
	Attempt int    `json:"attempt"`
}

// The kind and the task that JobSubmitted requests, and the kind that TilesCompleted does.
const (
	KindPlan     = "plan"
	TaskPlan     = "plan"
	KindAssembly = "assembly"
)

// Cleanup is the payload of CleanupCompleted.
type Cleanup struct {
	Task    string `json:"task"`    // TaskRetention or TaskResume
	Removed int    `json:"removed"` // jobs whose data was removed
	Resumed int    `json:"resumed"` // jobs whose events were published again
}

// Tasks that a PingTick asks for.
const (
	TaskRetention = "retention"
	TaskResume    = "resume"
)

// Tick is the payload of PingTick: the JSON data configured in the PingSource.
type Tick struct {
	Task string `json:"task"` // TaskRetention or TaskResume
}

// NewJobSubmitted announces that jobs/<jobID>/job.json is written. The id of every event made here is
// "<job>.<kind>[.<task>].<attempt>", so that a repeated delivery is recognisable; at becomes its time.
func NewJobSubmitted(source, jobID string, attempt int, at time.Time) event.Event {
	return jobEvent(JobSubmitted, "job-submitted", source, Job{JobID: jobID, Attempt: attempt}, at)
}

// NewTaskRequested requests a task of a job. The request of the assembly has the type TilesCompleted, since subscribers
// learn from it that all tiles are done; that of any other task has the type TaskRequested.
func NewTaskRequested(source string, t Task, at time.Time) event.Event {
	if t.Kind == KindAssembly {
		return newEvent(TilesCompleted, source, fmt.Sprintf("%s.tiles-completed.%d", t.JobID, t.Attempt), t.JobID, at, t)
	}
	id := fmt.Sprintf("%s.task-requested.%d.%s.%d", t.JobID, t.Phase, t.Task, t.Attempt)
	return newEvent(TaskRequested, source, id, t.JobID+"/"+t.Task, at, t)
}

// NewJobCompleted announces that the job ended with results.
func NewJobCompleted(source, jobID string, attempt int, at time.Time) event.Event {
	return jobEvent(JobCompleted, "job-completed", source, Job{JobID: jobID, Attempt: attempt}, at)
}

// NewJobFailed announces that the job ended without results, for reason.
func NewJobFailed(source, jobID, reason string, attempt int, at time.Time) event.Event {
	return jobEvent(JobFailed, "job-failed", source, Job{JobID: jobID, Reason: cut(reason, MaxReason), Attempt: attempt}, at)
}

// NewJobCancelled announces that the job's owner ended it.
func NewJobCancelled(source, jobID string, attempt int, at time.Time) event.Event {
	return jobEvent(JobCancelled, "job-cancelled", source, Job{JobID: jobID, Attempt: attempt}, at)
}

// NewCleanupCompleted announces what one pass of cleanup did. Its id holds the second the pass ended in
// where other events have the job.
func NewCleanupCompleted(source string, c Cleanup, at time.Time) event.Event {
	id := "cleanup." + c.Task + "." + strconv.FormatInt(at.Unix(), 10)
	return newEvent(CleanupCompleted, source, id, c.Task, at, c)
}

// NewTick is the PingTick a program without PingSources sends itself.
func NewTick(source, task string, at time.Time) event.Event {
	id := "ping." + task + "." + strconv.FormatInt(at.Unix(), 10)
	return newEvent(PingTick, source, id, "", at, Tick{Task: task})
}

func jobEvent(typ, kind, source string, j Job, at time.Time) event.Event {
	return newEvent(typ, source, j.JobID+"."+kind+"."+strconv.Itoa(j.Attempt), j.JobID, at, j)
}

func newEvent(typ, source, id, subject string, at time.Time, payload any) event.Event {
	e := event.New()
	e.SetType(typ)
	e.SetSource(source)
	e.SetID(id)
	if subject != "" {
		e.SetSubject(subject)
	}
	e.SetTime(at.UTC())
	// The payloads are plain structs of strings and integers, which always encode.
	_ = e.SetData(event.ApplicationJSON, payload)
	return e
}

// JobOf decodes the payload of a job event or of TilesCompleted. Its errors are rejections.
func JobOf(e event.Event) (Job, error) {
	var j Job
	switch e.Type() {
	case JobSubmitted, TilesCompleted, JobCompleted, JobFailed, JobCancelled:
	default:
		return Job{}, rejectf("event %q: type %q has no job payload", clip(e.ID()), clip(e.Type()))
	}
	if err := decode(e, &j); err != nil {
		return Job{}, err
	}
	if err := CheckName("job_id", j.JobID); err != nil {
		return Job{}, rejectf("event %q: %w", clip(e.ID()), err)
	}
	if err := checkAttempt(e, j.Attempt); err != nil {
		return Job{}, err
	}
	j.Reason = cut(j.Reason, MaxReason)
	return j, nil
}

// TaskOf decodes which task TaskRequested, TilesCompleted or JobSubmitted asks for. Its errors are rejections.
func TaskOf(e event.Event) (Task, error) {
	var t Task
	switch e.Type() {
	case JobSubmitted:
		j, err := JobOf(e)
		return Task{JobID: j.JobID, Kind: KindPlan, Task: TaskPlan, Attempt: j.Attempt}, err
	case TaskRequested, TilesCompleted:
	default:
		return Task{}, rejectf("event %q: type %q requests no task: want %s, %s or %s", clip(e.ID()), clip(e.Type()), JobSubmitted, TaskRequested, TilesCompleted)
	}
	if err := decode(e, &t); err != nil {
		return Task{}, err
	}
	for _, name := range []struct{ what, value string }{{"job_id", t.JobID}, {"kind", t.Kind}, {"task", t.Task}} {
		if err := CheckName(name.what, name.value); err != nil {
			return Task{}, rejectf("event %q: %w", clip(e.ID()), err)
		}
	}
	if t.Phase < 0 || t.Phase > MaxPhase {
		return Task{}, rejectf("event %q: phase %d: must be 0 to %d", clip(e.ID()), t.Phase, MaxPhase)
	}
	return t, checkAttempt(e, t.Attempt)
}

// CleanupOf decodes the payload of CleanupCompleted. Its errors are rejections.
func CleanupOf(e event.Event) (Cleanup, error) {
	var c Cleanup
	if e.Type() != CleanupCompleted {
		return Cleanup{}, rejectf("event %q: type %q has no cleanup payload", clip(e.ID()), clip(e.Type()))
	}
	if err := decode(e, &c); err != nil {
		return Cleanup{}, err
	}
	return c, nil
}

// TickOf decodes the payload of PingTick. Its errors are rejections.
func TickOf(e event.Event) (Tick, error) {
	var t Tick
	if e.Type() != PingTick {
		return Tick{}, rejectf("event %q: type %q is not a tick", clip(e.ID()), clip(e.Type()))
	}
	if err := decode(e, &t); err != nil {
		return Tick{}, err
	}
	if t.Task != TaskRetention && t.Task != TaskResume {
		return Tick{}, rejectf("event %q: task %q: must be %q or %q; set it in the PingSource's data",
			clip(e.ID()), clip(t.Task), TaskRetention, TaskResume)
	}
	return t, nil
}

// CheckName reports why s cannot be a job id or task name; what names the value in the error.
// Such names become parts of bucket keys, so they never hold a path separator or start with a dot.
func CheckName(what, s string) error {
	if s == "" || len(s) > MaxName {
		return fmt.Errorf("%s: %d bytes long: must be 1 to %d", what, len(s), MaxName)
	}
	for i := range len(s) {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_', c == '.' && i > 0:
		default:
			return fmt.Errorf("%s %q: must be letters, digits, '-', '_' and '.', not starting with '.'", what, s)
		}
	}
	return nil
}

func checkAttempt(e event.Event, n int) error {
	if n < 0 || n > MaxAttempt {
		return rejectf("event %q: attempt %d: must be 0 to %d", clip(e.ID()), n, MaxAttempt)
	}
	return nil
}

func decode(e event.Event, into any) error {
	if ct := e.DataContentType(); ct != "" {
		mt, _, err := mime.ParseMediaType(ct)
		if err != nil || mt != event.ApplicationJSON {
			return rejectf("event %q: datacontenttype %q: must be %s", clip(e.ID()), clip(ct), event.ApplicationJSON)
		}
	}
	if len(e.Data()) == 0 {
		return rejectf("event %q: no data: want the JSON payload of %s", clip(e.ID()), e.Type())
	}
	if err := json.Unmarshal(e.Data(), into); err != nil {
		return rejectf("event %q: data is not the JSON payload of %s: %w", clip(e.ID()), e.Type(), err)
	}
	return nil
}

func rejectf(format string, args ...any) error { return Reject(fmt.Errorf(format, args...)) }

// clip shortens a value from outside that is repeated in an error.
func clip(s string) string {
	if len(s) > MaxName {
		return cut(s, MaxName) + "..."
	}
	return s
}
