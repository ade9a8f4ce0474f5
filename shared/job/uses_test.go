package job_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/blob/memblob"

	"github.com/cyverse-gis/eemt/integration/faultbucket"
	"github.com/cyverse-gis/eemt/shared/job"
)

// sharing is job n, which reads a DEM of a fresh upload.
func sharing(n int) job.Request {
	r := request(n)
	r.DEM.Key = job.InputKey(id(0), "dem.tif")
	return r
}

// use submits a job as the service does.
func use(t *testing.T, s job.Store, r job.Request) error {
	err := s.Use(t.Context(), r)
	if err == nil {
		err = s.Create(t.Context(), r)
	}
	return err
}

func exists(t *testing.T, b *blob.Bucket, key string) bool {
	t.Helper()
	there, err := b.Exists(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	return there
}

// TestRemovalCostsTheSame: what a removal asks of the bucket does not grow with the jobs in it.
func TestRemovalCostsTheSame(t *testing.T) {
	for _, c := range []struct {
		name string
		key  func(n int) string
		same bool
	}{
		{"marked", func(n int) string { return job.InputKey(id(n), "dem.tif") }, true},
		// Files of before have no marks: every job is looked at.
		{"unmarked", func(n int) string { return fmt.Sprintf("inputs/%s_dem.tif", id(n)) }, false},
	} {
		var cost []int64
		for _, jobs := range []int{10, 300} {
			b := memblob.OpenBucket(nil)
			var calls atomic.Int64
			s := job.Store{Bucket: faultbucket.Wrap(b, func(string, string) error { calls.Add(1); return nil })}
			for n := range jobs {
				r := request(n)
				r.DEM.Key = c.key(n)
				put(t, s, r.DEM.Key, "dem")
				if err := use(t, s, r); err != nil {
					t.Fatal(err)
				}
			}
			calls.Store(0)
			r := request(5)
			r.DEM.Key = c.key(5)
			if _, err := s.RemoveAll(t.Context(), r, false); err != nil || exists(t, b, r.DEM.Key) {
				t.Errorf("%s: the input is left (%v)", c.name, err)
			}
			cost = append(cost, calls.Load())
		}
		if (cost[0] == cost[1]) != c.same {
			t.Errorf("%s: %d calls of 10 jobs, %d of 300", c.name, cost[0], cost[1])
		}
		t.Logf("%s: %d calls of 10 jobs, %d of 300", c.name, cost[0], cost[1])
	}
}

// TestLastJobTakesTheInput removes jobs that share a file one after the other, their data alone or all of them.
func TestLastJobTakesTheInput(t *testing.T) {
	eachBucket(t, func(t *testing.T, s job.Store) {
		key := sharing(1).DEM.Key
		put(t, s, key, "dem")
		for n := 1; n <= 3; n++ {
			if err := use(t, s, sharing(n)); err != nil {
				t.Fatal(err)
			}
		}
		for n, remove := range []func(r job.Request) error{
			func(r job.Request) error { _, err := s.RemoveAll(t.Context(), r, false); return err },
			func(r job.Request) error {
				if gone, err := s.RemoveData(t.Context(), r, true); err != nil || slices.Contains(gone.Keys, key) {
					t.Errorf("a dry run would remove %v (%v)", gone.Keys, err)
				}
				if _, err := s.RemoveData(t.Context(), r, false); err != nil {
					return err
				}
				return s.WriteExpired(t.Context(), r.ID, noon)
			},
			func(r job.Request) error {
				if gone, err := s.RemoveAll(t.Context(), r, true); err != nil || !slices.Contains(gone.Keys, key) {
					t.Errorf("a dry run would remove %v (%v)", gone.Keys, err)
				}
				_, err := s.RemoveAll(t.Context(), r, false)
				return err
			},
		} {
			if !exists(t, s.Bucket, key) {
				t.Fatalf("the input is gone before job %d", n+1)
			}
			if err := remove(sharing(n + 1)); err != nil {
				t.Fatal(err)
			}
		}
		if exists(t, s.Bucket, key) {
			t.Error("the input is left")
		}
		if err := use(t, s, sharing(4)); !errors.Is(err, job.ErrInputGone) {
			t.Errorf("a job of a removed input: %v", err)
		}
		for _, k := range keys(t, s) {
			if strings.HasPrefix(k, "inputs") {
				t.Errorf("left: %s", k)
			}
		}
	})
}

// interleave lets one process do so many calls of the bucket, then the other, then the first all of the rest, then the
// second.
func interleave(base *blob.Bucket, first, second int, do ...func(s job.Store) error) []error {
	errs := make([]error, 2)
	var turns [2]chan bool // a call of a process; closed: all of them
	var rests [2]chan bool // it waits for the next, or is done
	for i := range do {
		turns[i], rests[i] = make(chan bool), make(chan bool)
		s := job.Store{Bucket: faultbucket.Wrap(base, func(string, string) error {
			rests[i] <- false
			<-turns[i]
			return nil
		})}
		go func() {
			errs[i] = do[i](s)
			close(rests[i])
		}()
		<-rests[i]
	}
	let := func(i, n int) {
		for ; n > 0; n-- {
			select {
			case turns[i] <- true:
				<-rests[i]
			case <-rests[i]:
				return
			}
		}
	}
	const all = 1000
	let(0, first)
	let(1, second)
	let(0, all)
	let(1, all)
	return errs
}

// TestRemovalsAndSubmissionsMeet lets two go on at a time, in all orders with three changes between them: the input of a job that was
// taken stands, and what stands without a job is found by retention.
func TestRemovalsAndSubmissionsMeet(t *testing.T) {
	remove := func(n int) func(t *testing.T, s job.Store) error {
		return func(t *testing.T, s job.Store) error {
			_, err := s.RemoveAll(t.Context(), sharing(n), false)
			return err
		}
	}
	submit := func(n int) func(t *testing.T, s job.Store) error {
		return func(t *testing.T, s job.Store) error { return use(t, s, sharing(n)) }
	}
	var begun time.Time // what is younger stays
	retain := func(t *testing.T, s job.Store) error {
		v, err := s.Survey(t.Context(), func(string, job.Status, error) error { return nil })
		if err != nil {
			return err
		}
		m := job.Remover{Store: s}
		return v.Orphans(t.Context(), begun, false, func(o *blob.ListObject) error {
			if o.Key != sharing(1).DEM.Key && !strings.HasPrefix(o.Key, "inputs-used/") {
				return nil // everything is old here: what is half there belongs to the other
			}
			_, err := m.Object(t.Context(), o)
			return err
		}, func(string) error { return nil })
	}
	type act struct {
		name string
		do   func(t *testing.T, s job.Store) error
	}
	for _, c := range []struct {
		standing     []int
		outer, inner act
	}{
		{[]int{1}, act{"removal", remove(1)}, act{"submission", submit(2)}},
		{[]int{1}, act{"submission", submit(2)}, act{"removal", remove(1)}},
		{[]int{1, 2}, act{"removal", remove(1)}, act{"removal", remove(2)}},
		{nil, act{"retention", retain}, act{"submission", submit(2)}},
	} {
		for first := 0; first < 15; first++ {
			for second := 0; second < 15; second++ {
				base := memblob.OpenBucket(nil)
				plain := job.Store{Bucket: base}
				put(t, plain, sharing(1).DEM.Key, "dem")
				for _, n := range c.standing {
					if err := use(t, plain, sharing(n)); err != nil {
						t.Fatal(err)
					}
				}
				begun = time.Now()
				errs := interleave(base, first, second, func(s job.Store) error { return c.outer.do(t, s) }, func(s job.Store) error { return c.inner.do(t, s) })
				what := fmt.Sprintf("%d calls of a %s, %d of a %s, the rest of the first, of the second", first, c.outer.name, second, c.inner.name)
				for _, err := range errs {
					if err != nil && !errors.Is(err, job.ErrInputGone) {
						t.Fatalf("%s: %v", what, err)
					}
				}
				taken := false
				for _, n := range []int{1, 2} {
					_, err := plain.Request(t.Context(), id(n))
					taken = taken || err == nil
				}
				if there := exists(t, base, sharing(1).DEM.Key); taken && !there {
					t.Errorf("%s: a job stands without its input: %v; left %v", what, errs, keys(t, plain))
				}
				begun = time.Now().Add(time.Hour)
				if err := retain(t, plain); err != nil {
					t.Fatal(err)
				}
				left := slices.DeleteFunc(keys(t, plain), func(k string) bool { return !strings.HasPrefix(k, "inputs") })
				if want := map[bool]int{true: 2, false: 0}[taken]; len(left) != want { // the input and one mark
					t.Errorf("%s: retention leaves %v, want %d", what, left, want)
				}
			}
		}
	}
}
