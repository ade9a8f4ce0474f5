package job

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"gocloud.dev/blob"
)

// Try is attempts/<task>/<n>.json: work on a task was begun for the nth time. It is
// removed when the work is done or given up in order, so that what is left are the
// tries that died or failed.
type Try struct {
	Began time.Time `json:"began"`
}

// Failure is attempts/<task>/<n>.failed.json: how a try ended.
type Failure struct {
	Cause string `json:"cause"`
	// Lasting says that the cause lies in the work itself, not in a bucket that was away.
	Lasting bool      `json:"lasting"`
	At      time.Time `json:"at"`
}

// Tries is what is known of earlier work on a task.
type Tries struct {
	// Begun counts the tries that died, failed, or go on, and left nothing behind to go on from.
	Begun int
	// Fruitful counts those that did.
	Fruitful int
	// Last is how the youngest that failed did; nil when none said anything.
	Last *Failure
	// Silent says that the youngest try left no word: it died, or goes on.
	Silent bool
	// silent is the number of the youngest try that left no word, next that of the try to come.
	silent, next int
}

// The names of the steps of a job that are not tiles, where tries are counted.
const (
	PlanTask     = "plan"
	AssemblyTask = "assembly"
	resumeTask   = "resume"
)

// InWords names a task in a sentence.
func InWords(task string) string {
	switch task {
	case PlanTask:
		return "planning"
	case AssemblyTask:
		return "assembly of the maps"
	}
	if n, ok := StageOf(task); ok {
		_, window, _ := strings.Cut(task, "-")
		return fmt.Sprintf("window %s of stage %d of the terrain", window, n)
	}
	if IsMapsTask(task) {
		return "group " + task + " of the maps"
	}
	return "tile " + task
}

// ErrTries says that a task was begun as often as it may be, ErrAtWork that of so many
// tries the youngest may still go on.
var (
	ErrTries  = errors.New("begun too often")
	ErrAtWork = errors.New("others may be at work on it")
)

func triesPrefix(id, task string) string { return Prefix(id) + "attempts/" + task + "/" }

func tryKey(id, task string, n int) string {
	return fmt.Sprintf("%s%04d.json", triesPrefix(id, task), n)
}

// Tries reads what is known of earlier work on a task. The assembly goes on where it
// was: its tries count from the youngest file that it made.
func (s Store) Tries(ctx context.Context, id, task string) (Tries, error) {
	t := Tries{next: 1}
	var moved time.Time
	if task == AssemblyTask {
		for _, prefix := range []string{Prefix(id) + "results/", layersPrefix(id)} {
			err := s.list(ctx, prefix, func(o *blob.ListObject) error {
				if o.ModTime.After(moved) {
					moved = o.ModTime
				}
				return nil
			})
			if err != nil {
				return t, err
			}
		}
	}
	prefix := triesPrefix(id, task)
	failed, spoke := "", 0
	err := s.list(ctx, prefix, func(o *blob.ListObject) error {
		name := strings.TrimPrefix(o.Key, prefix)
		var n int
		if _, err := fmt.Sscanf(name, "%d.", &n); err != nil || n < 1 {
			return nil
		}
		t.next = max(t.next, n+1)
		if strings.HasSuffix(name, ".failed.json") {
			failed, spoke = o.Key, n // listed in order of their numbers, before the note that the try was begun
			return nil
		}
		if spoke != n {
			t.silent = n
		}
		if o.ModTime.Before(moved) {
			t.Fruitful++
		} else {
			t.Begun++
		}
		return nil
	})
	t.Silent = t.silent > 0 && t.silent == t.next-1
	if err != nil || failed == "" {
		return t, err
	}
	t.Last = new(Failure)
	if err := s.read(ctx, failed, t.Last); errors.Is(err, ErrNotFound) || errors.Is(err, ErrDamaged) {
		t.Last = nil
	} else if err != nil {
		return t, err
	}
	return t, nil
}

// BeginTry notes that work on a task begins, and returns the number of the try with
// what was known before. When it was begun most times already that is ErrTries; but
// ErrAtWork when the youngest try that left no word is not older than a try lasts.
func (s Store) BeginTry(ctx context.Context, id, task string, at time.Time, most int, lasts time.Duration) (int, Tries, error) {
	t, err := s.Tries(ctx, id, task)
	if err != nil {
		return 0, t, err
	}
	if t.Begun >= most {
		if began, err := s.began(ctx, id, task, t.silent); err != nil {
			return 0, t, err
		} else if age := at.Sub(began); age >= 0 && age < lasts {
			return 0, t, fmt.Errorf("%s of job %s was begun %d times, %s ago the last time: %w", task, id, t.Begun, age.Round(time.Second), ErrAtWork)
		}
		return 0, t, fmt.Errorf("%s of job %s: %d times: %w", task, id, t.Begun, ErrTries)
	}
	for n := t.next; ; n++ {
		won, err := s.once(ctx, tryKey(id, task, n), Try{Began: at.UTC()})
		if err != nil || won {
			return n, t, err
		}
	}
}

// began is when a try was begun; no time when there is none, or it was dropped meanwhile.
func (s Store) began(ctx context.Context, id, task string, n int) (time.Time, error) {
	var t Try
	if n == 0 {
		return t.Began, nil
	}
	err := s.read(ctx, tryKey(id, task, n), &t)
	if errors.Is(err, ErrNotFound) || errors.Is(err, ErrDamaged) {
		err = nil
	}
	return t.Began, err
}

// FailTry notes how a try ended.
func (s Store) FailTry(ctx context.Context, id, task string, n int, f Failure) error {
	_, err := s.once(ctx, fmt.Sprintf("%s%04d.failed.json", triesPrefix(id, task), n), f)
	return err
}

// DropTry forgets a try that is done, or was given up in order.
func (s Store) DropTry(ctx context.Context, id, task string, n int) error {
	var gone Removed
	return Remover{Store: s}.delete(ctx, tryKey(id, task, n), 0, &gone)
}

// Asked is how often a job was asked again for what is missing.
type Asked struct {
	// Times counts since the job last moved, Last is the youngest of them.
	Times int
	Last  time.Time
	next  int
}

// Asked reads how often a job was asked for again since it moved.
func (s Store) Asked(ctx context.Context, id string, moved time.Time) (Asked, error) {
	a := Asked{next: 1}
	prefix := triesPrefix(id, resumeTask)
	err := s.list(ctx, prefix, func(o *blob.ListObject) error {
		var n int
		if _, err := fmt.Sscanf(strings.TrimPrefix(o.Key, prefix), "%d.json", &n); err != nil || n < 1 {
			return nil
		}
		a.next = max(a.next, n+1)
		if o.ModTime.After(moved) {
			a.Times++
		}
		if o.ModTime.After(a.Last) {
			a.Last = o.ModTime
		}
		return nil
	})
	return a, err
}

// Ask notes that a job is asked again; false: somebody else does at this moment.
func (s Store) Ask(ctx context.Context, id string, a Asked, at time.Time) (bool, error) {
	return s.once(ctx, fmt.Sprintf("%s%04d.json", triesPrefix(id, resumeTask), a.next), Try{Began: at.UTC()})
}
