package quota_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"gocloud.dev/blob/memblob"

	"github.com/cyverse-gis/eemt/functions/submission/quota"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/param"
)

func TestTake(t *testing.T) {
	b := memblob.OpenBucket(nil)
	defer func() { _ = b.Close() }()
	now := time.Date(2026, 5, 4, 22, 0, 0, 0, time.UTC)
	store := job.Store{Bucket: b}
	book := quota.Book{Bucket: b, Store: store, Usual: quota.Limits{Jobs: 2, CoreHours: 10, ResultBytes: 1e9}, Now: func() time.Time { return now }}
	n := 0
	take := func(owner string, hours float64, bytes int64) (string, error) {
		n++
		id := fmt.Sprintf("01JTEST%019d", n)
		err := book.Take(t.Context(), owner, id, hours, bytes)
		if err == nil {
			err = store.Create(t.Context(), job.Request{ID: id, Owner: owner, Workflow: param.Sol, Created: now})
		}
		return id, err
	}
	end := func(id string) {
		if _, _, err := store.WriteEnd(t.Context(), id, job.End{State: job.Completed, Ended: now}); err != nil {
			t.Fatal(err)
		}
	}
	refused := func(err error, says string, after time.Duration) {
		t.Helper()
		var e quota.Exceeded
		if !errors.As(err, &e) || !strings.Contains(e.Sentence, says) || e.After != after {
			t.Errorf("%v, %s; want %q, %s", err, e.After, says, after)
		}
	}
	one, err := take("anna", 1, 1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := take("anna", 1, 1); err != nil {
		t.Fatal(err)
	}
	_, err = take("anna", 1, 1)
	refused(err, "2 of your jobs go on, the most at a time is 2", time.Minute)
	if _, err := take("boris", 1, 1); err != nil {
		t.Errorf("another owner is refused: %v", err)
	}
	if _, err := take("", 1e6, 1e18); err != nil {
		t.Errorf("nobody is refused: %v", err)
	}
	end(one)
	_, err = take("anna", 8.5, 1)
	refused(err, "would take 10.5 core hours, the most in a day is 10", 2*time.Hour)
	_, err = take("anna", 1, 2e9)
	refused(err, "the most in a day is 1", 2*time.Hour)
	// What was refused does not count.
	if u, err := book.Usage(t.Context(), "anna"); err != nil || u != (quota.Usage{Jobs: 1, CoreHours: 2, ResultBytes: 2}) {
		t.Errorf("%+v (%v)", u, err)
	}
	now = now.Add(3 * time.Hour)
	if _, err := take("anna", 8.5, 1); err != nil {
		t.Errorf("the next day: %v", err)
	}
	if err := book.SetLimits(t.Context(), "anna", quota.Limits{Jobs: 100}); err != nil {
		t.Fatal(err)
	}
	if _, err := take("anna", 1000, 1e15); err != nil {
		t.Errorf("with limits of her own: %v", err)
	}
	if err := book.SetLimits(t.Context(), "anna", quota.Limits{Jobs: -1}); err == nil {
		t.Error("a limit below 0")
	}
	if err := book.ResetLimits(t.Context(), "anna"); err != nil {
		t.Fatal(err)
	}
	if l, err := book.Limits(t.Context(), "anna"); err != nil || l != book.Usual {
		t.Errorf("%+v (%v)", l, err)
	}
}

// TestTakeAtOnce submits much at the same time: never is more taken than allowed.
func TestTakeAtOnce(t *testing.T) {
	b := memblob.OpenBucket(nil)
	defer func() { _ = b.Close() }()
	book := quota.Book{Bucket: b, Store: job.Store{Bucket: b}, Usual: quota.Limits{Jobs: 5}, Now: time.Now}
	var mu sync.Mutex
	var wait sync.WaitGroup
	taken := 0
	for n := range 50 {
		wait.Go(func() {
			if book.Take(t.Context(), "anna", fmt.Sprintf("01JTEST%019d", n), 1, 1) == nil {
				mu.Lock()
				defer mu.Unlock()
				taken++
			}
		})
	}
	wait.Wait()
	if taken > 5 {
		t.Errorf("%d taken", taken)
	}
}
