package submission_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gocloud.dev/blob/memblob"

	"github.com/cyverse-gis/eemt/eventing"
	"github.com/cyverse-gis/eemt/functions/submission"
	"github.com/cyverse-gis/eemt/integration/faultbucket"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/job/inuse"
	"github.com/cyverse-gis/eemt/shared/param"
	"github.com/cyverse-gis/eemt/shared/stac"
)

// made writes a job with an item, and ends it.
func (s *service) made(t *testing.T, n int, w param.Workflow, created time.Time, state job.State) job.Request {
	t.Helper()
	r := job.Request{
		ID: fmt.Sprintf("01JTEST%019d", n), Workflow: w, Parameters: param.DefaultParameters(), Created: created,
		DEM: job.DEM{Key: "uploads/x.tif", Name: fmt.Sprintf("dem%d.tif", n)},
	}
	if err := s.Store.Create(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if state == "" {
		return r
	}
	if _, _, err := s.Store.WriteEnd(t.Context(), r.ID, job.End{State: state, Ended: created}); err != nil {
		t.Fatal(err)
	}
	if state == job.Completed {
		s.put(t, job.ResultKey(r.ID, "item.json"), `{"type":"Feature","id":"`+r.ID+`","links":[{"rel":"root","href":"../../../stac/catalog.json"}],"assets":{"slope":{"href":"./slope_dec.tif"}}}`)
	}
	return r
}

// walk follows the links from the root of the static catalogue through the bucket and returns the items, by the day
// that leads to them. A link that leads nowhere fails the test.
func (s *service) walk(t *testing.T) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	var visit func(key string)
	visit = func(key string) {
		data, err := s.Store.Bucket.ReadAll(t.Context(), key)
		if err != nil {
			t.Errorf("a link leads to %s: %v", key, err)
			return
		}
		var c stac.Catalog
		if err := json.Unmarshal(data, &c); err != nil {
			t.Fatalf("%s: %v", key, err)
		}
		for _, l := range c.Links {
			to := path.Join(path.Dir(key), l.Href)
			switch l.Rel {
			case "child":
				visit(to)
			case "item":
				if ok, err := s.Store.Bucket.Exists(t.Context(), to); !ok {
					t.Errorf("%s links to %s, which is not there (%v)", key, to, err)
				}
				found[key] = append(found[key], strings.Split(to, "/")[1][20:])
			default:
				if ok, err := s.Store.Bucket.Exists(t.Context(), to); !ok {
					t.Errorf("%s: link %s to %s, which is not there (%v)", key, l.Rel, to, err)
				}
			}
		}
	}
	visit(stac.RootKey)
	return found
}

func (s *service) tick(t *testing.T) {
	t.Helper()
	if err := s.HandleEvent(t.Context(), eventing.NewTick("/test", eventing.TaskResume, noon)); err != nil {
		t.Fatal(err)
	}
}

func TestStaticCatalogue(t *testing.T) {
	s := newService(t, nil)
	now := noon
	s.with(func(c *submission.Config) { c.Now = func() time.Time { return now } })
	s.tick(t)
	if found := s.walk(t); len(found) != 0 {
		t.Errorf("without jobs: %v", found)
	}
	const sun, rain = "stac/sol/2026-05-04/catalog.json", "stac/eemt/2026-05-03/catalog.json"
	s.made(t, 1, param.Sol, noon, job.Completed)
	two := s.made(t, 2, param.Sol, noon.Add(time.Second), job.Completed)
	s.made(t, 3, param.EEMT, noon.Add(-24*time.Hour), job.Completed)
	s.made(t, 4, param.Sol, noon.Add(2*time.Second), job.Failed)
	five := s.made(t, 5, param.Sol, noon.Add(3*time.Second), "")
	check := func(what string, want map[string][]string) {
		t.Helper()
		if found := s.walk(t); fmt.Sprint(found) != fmt.Sprint(want) {
			t.Errorf("%s: %v, want %v", what, found, want)
		}
	}
	s.tick(t)
	check("completed jobs", map[string][]string{sun: {"000001", "000002"}, rain: {"000003"}})

	// One more ends; what a tick does twice it does once.
	if _, _, err := s.Store.WriteEnd(t.Context(), five.ID, job.End{State: job.Completed, Ended: noon}); err != nil {
		t.Fatal(err)
	}
	s.put(t, job.ResultKey(five.ID, "item.json"), "{}")
	s.tick(t)
	s.tick(t)
	check("one more", map[string][]string{sun: {"000001", "000002", "000005"}, rain: {"000003"}})

	// A job that is deleted goes at once.
	if a := s.do(t, http.MethodDelete, "/api/jobs/"+two.ID, nil); a.status != http.StatusOK {
		t.Fatalf("%d %s", a.status, a.body)
	}
	check("one deleted", map[string][]string{sun: {"000001", "000005"}, rain: {"000003"}})

	// What retention took goes with the next whole pass, a day with its last job.
	if err := s.Store.Bucket.Delete(t.Context(), job.ResultKey("01JTEST0000000000000000003", "item.json")); err != nil {
		t.Fatal(err)
	}
	if _, err := (inuse.Remover{Store: s.Store}).All(t.Context(), five); err != nil {
		t.Fatal(err)
	}
	now = now.Add(25 * time.Hour)
	s.tick(t)
	check("one expired, one removed", map[string][]string{sun: {"000001"}})
	if ok, _ := s.Store.Bucket.Exists(t.Context(), rain); ok {
		t.Error("a day without jobs is left")
	}

	// Documents that are lost or damaged are made anew.
	s.put(t, sun, "{")
	s.put(t, stac.RootKey, "[]")
	s.tick(t)
	check("after damage", map[string][]string{sun: {"000001"}})

	// The service gives what the bucket has, and nothing else.
	for _, key := range []string{stac.RootKey, "stac/sol/collection.json", sun} {
		want, err := s.Store.Bucket.ReadAll(t.Context(), key)
		if a := s.get(t, "/"+key); a.status != http.StatusOK || a.body != string(want) {
			t.Errorf("%s: %d %s (%v)", key, a.status, a.body, err)
		}
	}
	for _, at := range []string{"/stac/moon/collection.json", "/stac/sol/2026-05-05/catalog.json", "/stac/sol/today/catalog.json", "/stac/sol/..%2f..%2fjobs/catalog.json", "/stac/echo/collection.json"} {
		if a := s.get(t, at); a.status != http.StatusNotFound {
			t.Errorf("%s: %d", at, a.status)
		}
	}
}

// Whoever asks before the first tick gets the catalogue all the same.
// The extent of a collection is that of its items, before a tick and after, and shrinks with them.
func TestExtents(t *testing.T) {
	s := newService(t, nil)
	now := noon
	s.with(func(c *submission.Config) { c.Now = func() time.Time { return now } })
	covers := func(n int, created time.Time, bbox string, year int) job.Request {
		r := s.made(t, n, param.Sol, created, job.Completed)
		s.put(t, job.ResultKey(r.ID, "item.json"), fmt.Sprintf(`{"type":"Feature","id":%q,"bbox":%s,"properties":{"start_datetime":"%d-01-01T00:00:00Z","end_datetime":"%d-12-31T23:59:59Z"},"links":[],"assets":{}}`, r.ID, bbox, year, year))
		return r
	}
	check := func(what, bbox, start, end string) {
		t.Helper()
		for _, path := range []string{"/stac/collections/sol", "/stac/sol/collection.json"} {
			var c stac.Collection
			a := s.get(t, path)
			if err := json.Unmarshal([]byte(a.body), &c); err != nil {
				t.Fatal(err)
			}
			if got := fmt.Sprint(c.Extent.Spatial.BBox, c.Extent.Temporal.Interval); got != fmt.Sprintf("[%s] [[%s %s]]", bbox, start, end) {
				t.Errorf("%s: %s covers %s", what, path, got)
			}
		}
	}
	check("nothing", "[-180 -90 180 90]", "1900-01-01T00:00:00Z", "<nil>")
	covers(1, noon.Add(-48*time.Hour), "[10,40,11,41]", 2020)
	s.tick(t)
	check("one", "[10 40 11 41]", "2020-01-01T00:00:00Z", "2020-12-31T23:59:59Z")
	two := covers(2, noon, "[12,42,13,43]", 2018)
	if a := s.get(t, "/stac/collections/sol"); !strings.Contains(a.body, "[10,40,13,43]") {
		t.Errorf("a job that was just completed is not covered: %s", a.body)
	}
	s.tick(t)
	check("two", "[10 40 13 43]", "2018-01-01T00:00:00Z", "2020-12-31T23:59:59Z")
	if _, err := (inuse.Remover{Store: s.Store}).All(t.Context(), two); err != nil {
		t.Fatal(err)
	}
	now = now.Add(25 * time.Hour)
	s.tick(t)
	check("one again", "[10 40 11 41]", "2020-01-01T00:00:00Z", "2020-12-31T23:59:59Z")
}

func TestStaticCatalogueBeforeTheFirstTick(t *testing.T) {
	s := newService(t, nil)
	s.made(t, 1, param.Sol, noon, job.Completed)
	if a := s.get(t, "/stac/sol/2026-05-04/catalog.json"); a.status != http.StatusOK || !strings.Contains(a.body, "../../../jobs/01JTEST0000000000000000001/results/item.json") {
		t.Errorf("%d %s", a.status, a.body)
	}
}

// Passes at the same time, and one that broke off anywhere, leave what the next makes whole.
func TestStaticCatalogueIsMended(t *testing.T) {
	for n := 1; ; n++ {
		inner := memblob.OpenBucket(nil)
		s := newService(t, nil)
		s.on(inner)
		for i := range 40 {
			s.made(t, i, param.Sol, noon.Add(time.Duration(i-20)*time.Hour), job.Completed)
		}
		calls := atomic.Int64{}
		s.on(faultbucket.Wrap(inner, func(op, key string) error {
			if (op == faultbucket.Commit || op == faultbucket.Delete) && strings.HasPrefix(key, "stac/") && calls.Add(1) == int64(n) {
				return errors.New("away")
			}
			return nil
		}))
		broke := s.WriteCatalogue(t.Context()) != nil
		s.on(inner)
		var wait sync.WaitGroup
		for range 4 {
			wait.Go(func() {
				if err := s.WriteCatalogue(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		wait.Wait()
		total := 0
		for _, ids := range s.walk(t) {
			total += len(ids)
		}
		if total != 40 {
			t.Errorf("a fault at write %d: %d of 40 items", n, total)
		}
		if !broke {
			if n < 5 {
				t.Errorf("%d writes", n-1)
			}
			return
		}
	}
}

// Between whole passes a tick costs little, and does not grow with the jobs that are linked already.
func TestStaticCatalogueCost(t *testing.T) {
	inner := memblob.OpenBucket(nil)
	s := newService(t, nil)
	s.on(inner)
	for i := range 300 {
		s.made(t, i, param.Sol, noon.Add(-time.Duration(i)*time.Minute), job.Completed)
	}
	s.tick(t)
	var calls atomic.Int64
	s.on(faultbucket.Wrap(inner, func(_, _ string) error { calls.Add(1); return nil }))
	if err := s.WriteCatalogue(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := calls.Load(); n > 20 {
		t.Errorf("a tick without news takes %d bucket calls", n)
	}
	calls.Store(0)
	s.made(t, 301, param.Sol, noon.Add(time.Minute), job.Completed)
	if err := s.WriteCatalogue(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := calls.Load(); n > 60 {
		t.Errorf("a tick with one new job takes %d bucket calls", n)
	}
}

func TestItemsAreWhole(t *testing.T) {
	s := newService(t, nil)
	for i := range 5 {
		s.made(t, i+1, param.Sol, noon.Add(time.Duration(i)*time.Second), job.Completed)
	}
	s.put(t, job.ResultKey("01JTEST0000000000000000005", "item.json"), "{")
	s.made(t, 6, param.EEMT, noon, job.Completed)
	type page struct {
		Features []struct {
			ID     string
			Links  []stac.Link
			Assets map[string]stac.Asset
		}
		Links []stac.Link
	}
	var ids []string
	for at := "/stac/collections/sol/items?limit=2"; at != ""; {
		var p page
		if err := json.Unmarshal([]byte(s.get(t, at).body), &p); err != nil {
			t.Fatal(err)
		}
		for _, f := range p.Features {
			ids = append(ids, f.ID[20:])
			if got, want := f.Assets["slope"].Href, s.http.URL+"/jobs/"+f.ID+"/results/slope_dec.tif"; got != want {
				t.Errorf("asset %s, want %s", got, want)
			}
			if got, want := f.Links[0].Href, s.http.URL+"/stac/catalog.json"; got != want {
				t.Errorf("link %s, want %s", got, want)
			}
		}
		at = ""
		for _, l := range p.Links {
			if l.Rel == "next" {
				at = strings.TrimPrefix(l.Href, s.http.URL)
			}
		}
	}
	if want := []string{"000004", "000003", "000002", "000001"}; !slices.Equal(ids, want) {
		t.Errorf("items %v, want %v", ids, want)
	}
	var p page
	if err := json.Unmarshal([]byte(s.get(t, "/stac/collections/sol/items?ids=01JTEST0000000000000000002,01JTEST0000000000000000006,nonsense").body), &p); err != nil || len(p.Features) != 1 {
		t.Errorf("by id: %+v (%v)", p, err)
	}
	for at, status := range map[string]int{"/stac/collections/moon/items": 404, "/stac/collections/sol/items?limit=0": 400, "/stac/collections/sol/items?bbox=1": 400, "/stac/collections/sol/items?ids=" + strings.Repeat("x,", 21): 400} {
		if a := s.get(t, at); a.status != status {
			t.Errorf("%s: %d, want %d", at, a.status, status)
		}
	}
}
