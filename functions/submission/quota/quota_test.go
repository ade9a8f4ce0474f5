package quota_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/blob/memblob"

	"github.com/cyverse-gis/eemt/functions/submission/quota"
	"github.com/cyverse-gis/eemt/shared/fault"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/job/inuse"
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
	if u, err := book.Usage(t.Context(), "anna"); err != nil || u != (quota.Usage{Jobs: 1, CoreHours: 2, ResultBytes: 2, StoredBytes: 1}) {
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

// TestStored: what jobs have in store counts as estimated while they go on, as measured once they have ended, and no longer when
// their data are removed.
func TestStored(t *testing.T) {
	b := memblob.OpenBucket(nil)
	defer func() { _ = b.Close() }()
	now := time.Date(2026, 5, 4, 22, 0, 0, 0, time.UTC)
	store := job.Store{Bucket: b}
	book := quota.Book{Bucket: b, Store: store, Usual: quota.Limits{StoredBytes: 100}, Now: func() time.Time { return now }}
	take := func(n int, bytes int64) (job.Request, error) {
		r := job.Request{ID: fmt.Sprintf("01JTEST%019d", n), Owner: "anna", Workflow: param.Sol, Created: now}
		err := book.Take(t.Context(), r.Owner, r.ID, 1, bytes)
		if err == nil {
			err = store.Create(t.Context(), r)
		}
		return r, err
	}
	stored := func(want int64) {
		t.Helper()
		for range 2 { // the second time nothing is measured
			if u, err := book.Usage(t.Context(), "anna"); err != nil || u.StoredBytes != want {
				t.Errorf("%+v (%v), want %d bytes", u, err, want)
			}
		}
	}
	end := func(r job.Request, state job.State, bytes int) {
		if err := b.WriteAll(t.Context(), job.ResultKey(r.ID, "maps/a.tif"), make([]byte, bytes), nil); err != nil {
			t.Fatal(err)
		}
		if _, _, err := store.WriteEnd(t.Context(), r.ID, job.End{State: state, Ended: now}); err != nil {
			t.Fatal(err)
		}
	}
	one, err := take(1, 60)
	if err != nil {
		t.Fatal(err)
	}
	stored(60)
	_, err = take(2, 50)
	var over quota.Exceeded
	if !errors.As(err, &over) || over.After != 0 || !fault.Is(err, fault.Forbidden) || !strings.Contains(over.Sentence, "would take 110 bytes, the most is 100 bytes: delete jobs") {
		t.Errorf("%v", err)
	}
	stored(60)
	end(one, job.Completed, 20)
	stored(20)
	two, err := take(3, 80)
	if err != nil {
		t.Fatal(err)
	}
	stored(100)
	end(two, job.Failed, 0)
	stored(20)
	three, err := take(4, 30)
	if err != nil {
		t.Fatal(err)
	}
	end(three, job.Completed, 40)
	stored(60)
	now = now.AddDate(0, 0, 1)
	stored(60)
	if _, err := (inuse.Remover{Store: store, Dry: true}).All(t.Context(), one); err != nil {
		t.Fatal(err)
	}
	stored(60)
	if _, err := (inuse.Remover{Store: store}).All(t.Context(), one); err != nil {
		t.Fatal(err)
	}
	stored(40)
	if _, err := (inuse.Remover{Store: store}).Data(t.Context(), three); err != nil { // retention
		t.Fatal(err)
	}
	stored(0)
	// A job that is removed before anybody looked.
	four, err := take(5, 30)
	if err != nil {
		t.Fatal(err)
	}
	end(four, job.Completed, 40)
	if _, err := (inuse.Remover{Store: store}).All(t.Context(), four); err != nil {
		t.Fatal(err)
	}
	stored(0)
	// What an interrupted removal left goes with what else belongs to no job.
	if err := b.WriteAll(t.Context(), four.StoredPrefix()+"40", nil, nil); err != nil {
		t.Fatal(err)
	}
	v, err := inuse.Look(t.Context(), store, func(string, job.Status, error) error { return nil })
	if err == nil {
		err = v.Orphans(t.Context(), time.Now().Add(time.Hour), false, func(o *blob.ListObject) error { return b.Delete(t.Context(), o.Key) }, func(string) error { return nil })
	}
	if err != nil {
		t.Fatal(err)
	}
	stored(0)
}

// TestUploads: what is announced counts at once, what came in the end.
func TestUploads(t *testing.T) {
	b := memblob.OpenBucket(nil)
	defer func() { _ = b.Close() }()
	now := time.Date(2026, 5, 4, 22, 0, 0, 0, time.UTC)
	book := quota.Book{Bucket: b, Store: job.Store{Bucket: b}, Usual: quota.Limits{UploadBytes: 100}, Now: func() time.Time { return now }}
	n := 0
	begin := func(bytes int64) (quota.Upload, error) {
		n++
		return book.BeginUpload(t.Context(), "anna", fmt.Sprint("up", n), bytes, 1000)
	}
	used := func(want int64) {
		t.Helper()
		if u, err := book.Usage(t.Context(), "anna"); err != nil || u.UploadBytes != want {
			t.Errorf("%+v (%v), want %d", u, err, want)
		}
	}
	first, err := begin(70)
	if err != nil {
		t.Fatal(err)
	}
	used(70)
	_, err = begin(40)
	var over quota.Exceeded
	if !errors.As(err, &over) || over.After != 2*time.Hour || !strings.Contains(over.Sentence, "would have 110 bytes, the most in a day is 100 bytes") {
		t.Errorf("%v", err)
	}
	used(70)
	if err := first.End(t.Context(), 30); err != nil {
		t.Fatal(err)
	}
	used(30)
	unknown, err := begin(-1)
	if err != nil {
		t.Fatal(err)
	}
	used(100)
	r := unknown.Reader(strings.NewReader(strings.Repeat("x", 71)))
	if data, err := io.ReadAll(r); !errors.As(err, &over) || len(data) != 70 || r.Came != 70 {
		t.Errorf("%d bytes (%v) of 70", len(data), err)
	}
	if err := unknown.End(t.Context(), r.Came); err != nil {
		t.Fatal(err)
	}
	used(100)
	if _, err := begin(-1); !errors.As(err, &over) {
		t.Errorf("%v", err)
	}
	if err := book.EndUpload(t.Context(), "anna", "up3", 70, 0); err != nil { // another request cancels it
		t.Fatal(err)
	}
	used(30)
	if err := book.EndUpload(t.Context(), "boris", "up1", 30, 0); err != nil {
		t.Fatal(err)
	}
	used(30)
	free, err := book.BeginUpload(t.Context(), "", "x", 1e15, 1e15)
	if data, readErr := io.ReadAll(free.Reader(strings.NewReader("all of it"))); err != nil || readErr != nil || string(data) != "all of it" {
		t.Errorf("nobody is bound: %v, %v, %q", err, readErr, data)
	}
	now = now.Add(3 * time.Hour)
	used(0)
}
