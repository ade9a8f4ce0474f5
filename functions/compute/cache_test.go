package compute

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gocloud.dev/blob"

	"github.com/cyverse-gis/eemt/functions/compute/record"
	"github.com/cyverse-gis/eemt/integration/faultbucket"
	"github.com/cyverse-gis/eemt/shared/job"
)

// objects reads what lies under a prefix.
func (f *remote) objects(t *testing.T, prefix string) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	it := f.bucket.List(&blob.ListOptions{Prefix: prefix})
	for {
		o, err := it.Next(t.Context())
		if errors.Is(err, io.EOF) {
			return all
		}
		if err == nil {
			all[o.Key], err = f.bucket.ReadAll(t.Context(), o.Key)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestCacheMayGoAtAnyTime removes objects of the cache while a job is planned, one of them or all, before and between
// its looks at them: the job completes, with the same maps, and the next finds the cache whole.
func TestCacheMayGoAtAnyTime(t *testing.T) {
	f := newRemote(t)
	id := func(n int) string { return fmt.Sprintf("01M84W47CS9KDDSWX2WFY3%04d", n) }
	cached := func() map[string][]byte { return f.objects(t, job.CachePrefix) }
	if st := f.run(t, f.bucket, id(0), "secret", time.Now); st.State != job.Completed {
		t.Fatalf("%s: %+v", st.State, st.End)
	}
	whole := cached()
	names := slices.Sorted(maps.Keys(whole))
	if len(names) < 8 {
		t.Fatalf("the cache has %v", names)
	}
	want := f.objects(t, job.ResultKey(id(0), ""))
	plan, err := record.ReadPlan(t.Context(), job.Store{Bucket: f.bucket}, id(0))
	if err != nil || len(plan.Inputs) != 1 || strings.Contains(string(plan.Climate), job.CachePrefix) {
		t.Errorf("the plan names the cache: %v, %s (%v)", plan.Inputs, plan.Climate, err)
	}
	n := 0
	kinds := map[string]string{} // one of each
	for _, name := range names {
		kinds[path.Dir(path.Dir(name))+path.Ext(name)] = name
	}
	for _, victim := range append(slices.Sorted(maps.Values(kinds)), "all") {
		for _, at := range []string{"before", "while it is copied", "when it was copied"} {
			n++
			t.Run(strings.TrimPrefix(victim, job.CachePrefix)+" "+at, func(t *testing.T) {
				var once sync.Once
				remove := func() {
					once.Do(func() {
						for name := range whole {
							if victim == "all" || name == victim {
								if err := f.bucket.Delete(t.Context(), name); err != nil {
									t.Error(err)
								}
							}
						}
					})
				}
				bucket := faultbucket.Wrap(f.bucket, func(op, key string) error {
					if at == "while it is copied" && op == faultbucket.Commit && strings.HasPrefix(key, job.WorkKey(id(n), "climate/")) ||
						at == "when it was copied" && op == faultbucket.Commit && key == job.Prefix(id(n))+"plan.json" {
						remove()
					}
					return nil
				})
				if at == "before" {
					remove()
				}
				if st := f.run(t, bucket, id(n), "secret", time.Now); st.State != job.Completed {
					t.Fatalf("%s: %+v", st.State, st.End)
				}
				got := f.objects(t, job.ResultKey(id(n), ""))
				for name, data := range want {
					if strings.HasSuffix(name, ".tif") && string(got[strings.Replace(name, id(0), id(n), 1)]) != string(data) {
						t.Errorf("%s differs", name)
					}
				}
				if at != "when it was copied" {
					return
				}
				// What this job did not miss, the next does, and mends it.
				if st := f.run(t, f.bucket, id(1000+n), "secret", time.Now); st.State != job.Completed {
					t.Fatalf("the next: %s: %+v", st.State, st.End)
				}
				if now := cached(); !maps.EqualFunc(now, whole, slices.Equal) {
					t.Errorf("the cache has %v, want %v", slices.Sorted(maps.Keys(now)), names)
				}
			})
		}
	}
}

// TestCacheIsFreshened: an entry that jobs use gets younger, at most once a day.
func TestCacheIsFreshened(t *testing.T) {
	f := newRemote(t)
	times := func() map[string]time.Time {
		made := map[string]time.Time{}
		for name := range f.objects(t, job.CachePrefix) {
			a, err := f.bucket.Attributes(t.Context(), name)
			if err != nil {
				t.Fatal(err)
			}
			made[name] = a.ModTime
		}
		return made
	}
	for n, c := range []struct {
		later   time.Duration
		younger bool
	}{{0, true}, {23 * time.Hour, false}, {25 * time.Hour, true}} {
		before := times()
		requests := f.requests.Load()
		st := f.run(t, f.bucket, fmt.Sprintf("01M84W47CS9KDDSWX2WFY3%04d", n), "secret", func() time.Time { return time.Now().Add(c.later) })
		if st.State != job.Completed {
			t.Fatalf("%s: %+v", st.State, st.End)
		}
		for name, at := range times() {
			if path.Base(name) == "entry.json" && at.After(before[name]) != c.younger {
				t.Errorf("%s later: %s was made %s, before %s", c.later, name, at, before[name])
			}
		}
		if n > 0 && f.requests.Load() != requests {
			t.Errorf("%s later: it was read again", c.later)
		}
	}
}
