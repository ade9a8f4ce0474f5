package inuse_test

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/blob/memblob"

	"github.com/cyverse-gis/eemt/integration/faultbucket"
	"github.com/cyverse-gis/eemt/shared/dirbucket"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/job/inuse"
	"github.com/cyverse-gis/eemt/shared/param"
)

var noon = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

func id(n int) string { return fmt.Sprintf("01JTEST%019d", n) }

// eachBucket runs a test on every kind of bucket that tests can have.
func eachBucket(t *testing.T, f func(t *testing.T, s job.Store)) {
	for name, open := range map[string]func() (*blob.Bucket, error){
		"memory":    func() (*blob.Bucket, error) { return memblob.OpenBucket(nil), nil },
		"directory": func() (*blob.Bucket, error) { return dirbucket.Open(t.TempDir()) },
	} {
		t.Run(name, func(t *testing.T) {
			b, err := open()
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = b.Close() }()
			f(t, job.Store{Bucket: b})
		})
	}
}

func request(n int) job.Request {
	return job.Request{
		ID: id(n), Workflow: param.Sol, Parameters: param.DefaultParameters(), Created: noon.Add(time.Duration(n) * time.Minute),
		DEM: job.DEM{Key: fmt.Sprintf("inputs/%d.tif", n), Name: "dem.tif", SHA256: "00", Size: 3},
	}
}

func create(t *testing.T, s job.Store, r job.Request) {
	t.Helper()
	if err := s.Create(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	put(t, s, r.DEM.Key, "dem")
}

func put(t *testing.T, s job.Store, key, data string) {
	t.Helper()
	if err := s.Bucket.WriteAll(t.Context(), key, []byte(data), nil); err != nil {
		t.Fatal(err)
	}
}

func keys(t *testing.T, s job.Store) []string {
	t.Helper()
	var list []string
	it := s.Bucket.List(nil)
	for {
		o, err := it.Next(t.Context())
		if errors.Is(err, io.EOF) {
			return list
		}
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, o.Key)
	}
}

// sharing is job n, which reads a DEM of a fresh upload.
func sharing(n int) job.Request {
	r := request(n)
	r.DEM.Key = job.InputKey(id(0), "dem.tif")
	return r
}

// use submits a job as the service does.
func use(t *testing.T, s job.Store, r job.Request) error {
	err := inuse.Use(t.Context(), s, r)
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
			if _, err := (inuse.Remover{Store: s}).All(t.Context(), r); err != nil || exists(t, b, r.DEM.Key) {
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
			func(r job.Request) error { _, err := inuse.Remover{Store: s}.All(t.Context(), r); return err },
			func(r job.Request) error {
				if gone, err := (inuse.Remover{Store: s, Dry: true}).Data(t.Context(), r); err != nil || slices.Contains(gone.Keys, key) {
					t.Errorf("a dry run would remove %v (%v)", gone.Keys, err)
				}
				if _, err := (inuse.Remover{Store: s}).Data(t.Context(), r); err != nil {
					return err
				}
				return s.WriteExpired(t.Context(), r.ID, noon)
			},
			func(r job.Request) error {
				if gone, err := (inuse.Remover{Store: s, Dry: true}).All(t.Context(), r); err != nil || !slices.Contains(gone.Keys, key) {
					t.Errorf("a dry run would remove %v (%v)", gone.Keys, err)
				}
				_, err := inuse.Remover{Store: s}.All(t.Context(), r)
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
		if err := use(t, s, sharing(4)); !errors.Is(err, inuse.ErrInputGone) {
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
			_, err := inuse.Remover{Store: s}.All(t.Context(), sharing(n))
			return err
		}
	}
	submit := func(n int) func(t *testing.T, s job.Store) error {
		return func(t *testing.T, s job.Store) error { return use(t, s, sharing(n)) }
	}
	var begun time.Time // what is younger stays
	retain := func(t *testing.T, s job.Store) error {
		v, err := inuse.Look(t.Context(), s, func(string, job.Status, error) error { return nil })
		if err != nil {
			return err
		}
		m := inuse.Remover{Store: s}
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
					if err != nil && !errors.Is(err, inuse.ErrInputGone) {
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

func TestRemove(t *testing.T) {
	fill := func(t *testing.T, s job.Store, r job.Request) {
		t.Helper()
		create(t, s, r)
		if _, err := s.WriteOnce(t.Context(), job.Prefix(r.ID)+"plan.json", &job.Plan{Created: noon.Add(time.Hour), Tiles: []job.Tile{{Task: job.TaskName(0, 0)}}}); err != nil {
			t.Fatal(err)
		}
		if err := s.WriteRecord(t.Context(), r.ID, 1, job.Record{Task: "r0000c0000"}); err != nil {
			t.Fatal(err)
		}
		if _, _, err := s.WriteEnd(t.Context(), r.ID, job.End{State: job.Completed, Ended: noon}); err != nil {
			t.Fatal(err)
		}
		put(t, s, job.ResultKey(r.ID, "report.json"), "{}")
		put(t, s, job.ResultKey(r.ID, "slope_rad.tif"), "slope")
		put(t, s, job.WorkKey(r.ID, "terrain.tif"), "wetness")
	}
	eachBucket(t, func(t *testing.T, s job.Store) {
		ctx := t.Context()
		one, two := request(1), request(2)
		two.DEM.Key = one.DEM.Key
		one.Parameters.Climate = "table:inputs/c.csv"
		put(t, s, "inputs/c.csv", "month")
		fill(t, s, one)
		fill(t, s, two)
		all := keys(t, s)
		if gone, err := (inuse.Remover{Store: s, Dry: true}).All(ctx, one); err != nil || gone.Objects < 6 {
			t.Errorf("dry run: %+v (%v)", gone, err)
		}
		if gone, err := (inuse.Remover{Store: s, Dry: true}).Data(ctx, one); err != nil || gone.Objects < 3 {
			t.Errorf("dry run: %+v (%v)", gone, err)
		}
		if now := keys(t, s); len(now) != len(all) {
			t.Errorf("a dry run removed something: %d of %d left", len(now), len(all))
		}
		// Two shares the DEM of one, and still has its data.
		if _, err := (inuse.Remover{Store: s}).Data(ctx, one); err != nil {
			t.Fatal(err)
		}
		if err := s.WriteExpired(ctx, one.ID, noon); err != nil {
			t.Fatal(err)
		}
		for key, want := range map[string]bool{
			one.DEM.Key: true, "inputs/c.csv": false,
			job.ResultKey(one.ID, "report.json"): true, job.ResultKey(one.ID, "slope_rad.tif"): false, job.WorkKey(one.ID, "terrain.tif"): false,
			job.Prefix(one.ID) + "job.json": true, job.Prefix(one.ID) + "end.json": true, job.Prefix(one.ID) + "plan.json": true,
			job.ResultKey(two.ID, "slope_rad.tif"): true,
		} {
			if got, err := s.Bucket.Exists(ctx, key); err != nil || got != want {
				t.Errorf("%s is there: %t, want %t (%v)", key, got, want, err)
			}
		}
		if st, err := s.Status(ctx, one.ID); err != nil || st.State != job.Completed || st.Expired == nil {
			t.Errorf("status after retention: %+v (%v)", st, err)
		}
		if _, err := (inuse.Remover{Store: s}).All(ctx, two); err != nil {
			t.Fatal(err)
		}
		if got, _ := s.Bucket.Exists(ctx, two.DEM.Key); got {
			t.Error("the DEM of the last job with data is left")
		}
		if _, err := s.Request(ctx, two.ID); !errors.Is(err, job.ErrNotFound) {
			t.Errorf("a removed job: %v", err)
		}
		if _, err := (inuse.Remover{Store: s}).All(ctx, two); err != nil {
			t.Errorf("removing again: %v", err)
		}
		if _, err := (inuse.Remover{Store: s}).All(ctx, one); err != nil {
			t.Fatal(err)
		}
		if left := keys(t, s); len(left) != 0 {
			t.Errorf("left: %v", left)
		}
	})
}

// TestInterruptedRemovalIsFoundAgain fails each delete in turn: the job stays in
// the list until all of it is gone.
func TestInterruptedRemovalIsFoundAgain(t *testing.T) {
	for n := 1; ; n++ {
		inner := memblob.OpenBucket(nil)
		deletes := 0
		s := job.Store{Bucket: faultbucket.Wrap(inner, func(op, _ string) error {
			if op == faultbucket.Delete {
				deletes++
			}
			if op == faultbucket.Delete && deletes == n {
				return errors.New("away")
			}
			return nil
		})}
		r := request(1)
		create(t, s, r)
		put(t, s, job.ResultKey(r.ID, "a.tif"), "a")
		if _, _, err := s.WriteEnd(t.Context(), r.ID, job.End{State: job.Failed}); err != nil {
			t.Fatal(err)
		}
		_, err := inuse.Remover{Store: s}.All(t.Context(), r)
		if err == nil {
			if n < 5 {
				t.Errorf("%d deletes, want 5: DEM, result, end, job, index", n-1)
			}
			return
		}
		found := false
		if err := s.List(t.Context(), func(string) (bool, error) { found = true; return true, nil }); err != nil || !found {
			t.Errorf("after a fault at delete %d the job is not listed (%v)", n, err)
		}
	}
}
