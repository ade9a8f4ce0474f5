package job

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"gocloud.dev/blob"
)

// attempt is attempts/NNNN-TASK/N.json: work on a task was begun for the Nth time. It is removed when the work is done or
// given up in order, so that what is left are the attempts that died or failed.
type attempt struct {
	Began time.Time `json:"began"`
}

// Failure is attempts/NNNN-TASK/N.failed.json: how an attempt ended.
type Failure struct {
	Cause string `json:"cause"`
	// Lasting says that the cause lies in the work itself, not in a bucket that was away.
	Lasting bool      `json:"lasting"`
	At      time.Time `json:"at"`
}

// Attempts is what is known of earlier work on a task.
type Attempts struct {
	// Begun counts the attempts that died, failed, or go on, and made no progress.
	Begun int
	// Progressed counts those that did.
	Progressed int
	// Last is the youngest failure; nil when no attempt said why it failed.
	Last *Failure
	// Unfinished says that the youngest attempt has not said how it ended: it died, or goes on.
	Unfinished bool
	// unfinished is the number of the youngest attempt that has not said how it ended, next that of the attempt to come.
	unfinished, next int
}

// ErrAttempts says that a task was begun as often as it may be, ErrAtWork that of so many
// attempts the youngest may still go on.
var (
	ErrAttempts = errors.New("begun too often")
	ErrAtWork   = errors.New("others may be at work on it")
)

func attemptsPrefix(id string, t TaskRef) string {
	return fmt.Sprintf("%sattempts/%04d-%s/", Prefix(id), t.Phase, t.Task)
}

func attemptKey(id string, t TaskRef, n int) string {
	return fmt.Sprintf("%s%04d.json", attemptsPrefix(id, t), n)
}

// Attempts reads what is known of earlier work on a task. The assembly goes on where it was: attempts that began before it
// wrote its youngest file have progressed.
func (s Store) Attempts(ctx context.Context, id string, task TaskRef) (Attempts, error) {
	a := Attempts{next: 1}
	var moved time.Time
	if task.Kind == KindAssembly {
		var err error
		if moved, err = s.youngestResult(ctx, id); err != nil {
			return a, err
		}
	}
	prefix := attemptsPrefix(id, task)
	failed, spoke := "", 0
	err := s.Objects(ctx, prefix, func(o *blob.ListObject) error {
		name := strings.TrimPrefix(o.Key, prefix)
		var n int
		if _, err := fmt.Sscanf(name, "%d.", &n); err != nil || n < 1 {
			return nil
		}
		a.next = max(a.next, n+1)
		if strings.HasSuffix(name, ".failed.json") {
			failed, spoke = o.Key, n // listed in order of their numbers, before the note that the attempt was begun
			return nil
		}
		if spoke != n {
			a.unfinished = n
		}
		if o.ModTime.Before(moved) {
			a.Progressed++
		} else {
			a.Begun++
		}
		return nil
	})
	a.Unfinished = a.unfinished > 0 && a.unfinished == a.next-1
	if err != nil || failed == "" {
		return a, err
	}
	a.Last = new(Failure)
	if err := s.Read(ctx, failed, a.Last); errors.Is(err, ErrNotFound) || errors.Is(err, ErrDamaged) {
		a.Last = nil
	} else if err != nil {
		return a, err
	}
	return a, nil
}

// youngestResult is when the assembly wrote its youngest file; the zero time when there is none.
func (s Store) youngestResult(ctx context.Context, id string) (youngest time.Time, err error) {
	for _, prefix := range []string{Prefix(id) + "results/", layersPrefix(id)} {
		err = errors.Join(err, s.Objects(ctx, prefix, func(o *blob.ListObject) error {
			if o.ModTime.After(youngest) {
				youngest = o.ModTime
			}
			return nil
		}))
	}
	return youngest, err
}

// BeginAttempt notes that work on a task begins, and returns the number of the attempt with what was known before. When
// the work was begun most times already that is ErrAttempts; but ErrAtWork when the youngest attempt that has not said how
// it ended began less than lasts ago.
func (s Store) BeginAttempt(ctx context.Context, id string, task TaskRef, at time.Time, most int, lasts time.Duration) (int, Attempts, error) {
	a, err := s.Attempts(ctx, id, task)
	if err != nil {
		return 0, a, err
	}
	if a.Begun >= most {
		if began, err := s.began(ctx, id, task, a.unfinished); err != nil {
			return 0, a, err
		} else if age := at.Sub(began); age >= 0 && age < lasts {
			return 0, a, fmt.Errorf("%s of job %s was begun %d times, %s ago the last time: %w", task, id, a.Begun, age.Round(time.Second), ErrAtWork)
		}
		return 0, a, fmt.Errorf("%s of job %s: %d times: %w", task, id, a.Begun, ErrAttempts)
	}
	for n := a.next; ; n++ {
		won, err := s.WriteOnce(ctx, attemptKey(id, task, n), attempt{Began: at.UTC()})
		if err != nil || won {
			return n, a, err
		}
	}
}

// began is when an attempt began; the zero time when there is none, or it was dropped meanwhile.
func (s Store) began(ctx context.Context, id string, task TaskRef, n int) (time.Time, error) {
	var a attempt
	if n == 0 {
		return a.Began, nil
	}
	err := s.Read(ctx, attemptKey(id, task, n), &a)
	if errors.Is(err, ErrNotFound) || errors.Is(err, ErrDamaged) {
		err = nil
	}
	return a.Began, err
}

// FailAttempt notes how an attempt ended.
func (s Store) FailAttempt(ctx context.Context, id string, task TaskRef, n int, f Failure) error {
	_, err := s.WriteOnce(ctx, fmt.Sprintf("%s%04d.failed.json", attemptsPrefix(id, task), n), f)
	return err
}

// DropAttempt forgets an attempt that is done, or was given up in order.
func (s Store) DropAttempt(ctx context.Context, id string, task TaskRef, n int) error {
	return s.Drop(ctx, attemptKey(id, task, n))
}

// Resumes is how often a job that stood still was requested again.
type Resumes struct {
	// Times counts since the job last moved, Last is the youngest of them.
	Times int
	Last  time.Time
	next  int
}

func resumesPrefix(id string) string { return Prefix(id) + "attempts/resume/" }

// Resumes reads how often a job was requested again since it moved.
func (s Store) Resumes(ctx context.Context, id string, moved time.Time) (Resumes, error) {
	r := Resumes{next: 1}
	prefix := resumesPrefix(id)
	err := s.Objects(ctx, prefix, func(o *blob.ListObject) error {
		var n int
		if _, err := fmt.Sscanf(strings.TrimPrefix(o.Key, prefix), "%d.json", &n); err != nil || n < 1 {
			return nil
		}
		r.next = max(r.next, n+1)
		if o.ModTime.After(moved) {
			r.Times++
		}
		if o.ModTime.After(r.Last) {
			r.Last = o.ModTime
		}
		return nil
	})
	return r, err
}

// NoteResume notes that a job is requested again; false: somebody else does at this moment.
func (s Store) NoteResume(ctx context.Context, id string, r Resumes, at time.Time) (bool, error) {
	return s.WriteOnce(ctx, fmt.Sprintf("%s%04d.json", resumesPrefix(id), r.next), attempt{Began: at.UTC()})
}
