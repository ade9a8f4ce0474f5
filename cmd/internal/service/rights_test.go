package service_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/blob/memblob"

	"github.com/cyverse-gis/eemt/cmd/internal/intake"
	"github.com/cyverse-gis/eemt/eventing"
	"github.com/cyverse-gis/eemt/eventing/broker"
	"github.com/cyverse-gis/eemt/functions/cleanup"
	"github.com/cyverse-gis/eemt/functions/compute"
	"github.com/cyverse-gis/eemt/functions/compute/drainage"
	"github.com/cyverse-gis/eemt/functions/submission"
	"github.com/cyverse-gis/eemt/functions/submission/dropped"
	"github.com/cyverse-gis/eemt/integration/faultbucket"
	"github.com/cyverse-gis/eemt/shared/dem/demtest"
	"github.com/cyverse-gis/eemt/shared/inspect"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/outbound"
	"github.com/cyverse-gis/eemt/shared/param"
	"github.com/cyverse-gis/eemt/shared/sources"
)

// right lets a service write, or delete, the objects whose keys a pattern fits.
type right struct {
	service, op, pattern string
	fits                 *regexp.Regexp
}

var (
	row   = regexp.MustCompile("(?m)^\\| `eemt-(submission|compute|cleanup)` \\| (writes|deletes) \\| (.*) \\|$")
	quote = regexp.MustCompile("`([^`]+)`")
)

// documented reads the rights from docs/security.md, where ID and the like are one part of a key, and ... is the rest.
func documented(t *testing.T) []right {
	t.Helper()
	page, err := os.ReadFile("../../../docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	ops := map[string]string{"writes": faultbucket.Commit, "deletes": faultbucket.Delete}
	var all []right
	for _, m := range row.FindAllStringSubmatch(string(page), -1) {
		for _, p := range quote.FindAllStringSubmatch(m[3], -1) {
			text := regexp.QuoteMeta(p[1])
			text = regexp.MustCompile(`\bID\b`).ReplaceAllString(strings.ReplaceAll(text, `\.\.\.`, `.*`), `[^/]+`)
			all = append(all, right{m[1], ops[m[2]], p[1], regexp.MustCompile("^" + text + "$")})
		}
	}
	return all
}

// rights are those of all services, and which of them were used.
type rights struct {
	all []right

	mu      sync.Mutex
	used    map[string]bool
	refused map[string]bool
}

// may reports whether a service may do something.
func (r *rights) may(service, op, key string) bool {
	found := false
	if op != faultbucket.Commit && op != faultbucket.Delete { // all may read and list, but what lets people in
		found = service == "submission" || !strings.HasPrefix(key, "auth/")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, x := range r.all {
		if x.service == service && x.op == op && x.fits.MatchString(key) {
			found = true
			r.used[fmt.Sprint(service, " ", op, " ", x.pattern)] = true
		}
	}
	if !found {
		r.refused[fmt.Sprint(service, " ", op, " ", key)] = true
	}
	return found
}

// bucket is a bucket as a service sees it that has its own rights alone.
func (r *rights) bucket(b *blob.Bucket, service string) *blob.Bucket {
	return faultbucket.Wrap(b, func(op, key string) error {
		if !r.may(service, op, key) {
			return errors.New("access denied")
		}
		return nil
	})
}

const secret = "a secret of at least 24 bytes"

// platform is the three services on one bucket.
type platform struct {
	*httptest.Server
	t      *testing.T
	bucket *blob.Bucket
	events *broker.Broker
	clean  *cleanup.Service
	front  *submission.Service
	later  time.Duration
	groups string // of who calls
}

// start runs the services on a bucket, of which each sees what of returns.
func start(t *testing.T, b *blob.Bucket, of func(service string) *blob.Bucket, hook string) *platform {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	p := &platform{t: t, groups: "operators", bucket: b}
	now := func() time.Time { return time.Now().Add(p.later) }
	store := func(service string) job.Store { return job.Store{Bucket: of(service)} }
	p.clean = &cleanup.Service{Store: store("cleanup"), Now: now, Log: log, Policy: cleanup.DefaultPolicy()}
	p.events = broker.New(broker.Options{DeadLetter: p.clean.DeadLetter, Backoff: func(int) time.Duration { return time.Millisecond }})
	p.clean.Events = p.events
	files := sources.Files{Bucket: p.bucket}
	turbidity := demtest.Hills(48, 40)
	turbidity.Fill(3)
	remote := demtest.Encode(t, turbidity)
	climate := func(ctx context.Context, name string) (io.ReaderAt, int64, io.Closer, error) {
		if strings.HasPrefix(name, "https://") {
			return bytes.NewReader(remote), int64(len(remote)), io.NopCloser(nil), nil
		}
		return files.Open(ctx, name)
	}
	work := &compute.Service{
		Store: store("compute"), Events: p.events, Climate: climate, Threads: 1, Now: now, Log: log, Version: "test",
		Drainage: drainage.Options{Inline: -1, Side: 32, Batch: 2}, AssembleWithin: -1,
	}
	who, err := intake.Access{Mode: "proxy", Secret: secret, OwnerHeader: "X-User", GroupsHeader: "X-Groups", Operators: []string{"operators"}}.Settings(now, log)
	if err != nil {
		t.Fatal(err)
	}
	p.front = submission.New(submission.Config{
		Store: store("submission"), Events: p.events, Now: now, NewID: intake.IDs(rand.Reader, now), Log: log, Version: "test",
		MaxUpload: 1 << 20, Access: who, Quota: intake.Quota{Jobs: 20, CoreHours: 200, ResultBytes: 1 << 40}.Limits(), Uploads: dropped.Settings{Bucket: "maps"},
		CallbackHosts: outbound.Hosts{strings.TrimPrefix(hook, "http://")},
		Estimate: func(param.Workflow, param.Parameters, int, int) inspect.Work {
			return inspect.Work{Tiles: 1, Seconds: 1, Cores: 1, Memory: 1, Results: 1}
		},
		Cleaner: intake.Cleaner{Service: &cleanup.Service{Store: store("submission"), Events: p.events, Now: now, Log: log}, Settings: cleanup.Settings{Days: 7, Hours: 12, Batch: 10, CacheDays: 7}},
	})
	p.events.Subscribe("compute", []string{eventing.JobSubmitted, eventing.TaskRequested, eventing.TilesCompleted}, 1, work.Handle)
	p.events.Subscribe("callbacks", submission.CallbackEvents(), 1, p.front.Notify)
	p.events.Start()
	p.Server = httptest.NewServer(p.front.Handler())
	t.Cleanup(func() {
		p.Close()
		_ = p.events.Close(context.Background())
	})
	return p
}

// do sends a request, and decodes its answer.
func (p *platform) do(method, path, contentType string, body io.Reader) map[string]any {
	p.t.Helper()
	q, err := http.NewRequestWithContext(p.t.Context(), method, p.URL+path, body)
	if err != nil {
		p.t.Fatal(err)
	}
	for k, v := range map[string]string{"X-Eemt-Proxy-Secret": secret, "X-User": "anna", "X-Groups": p.groups, "Content-Type": contentType, "Tus-Resumable": "1.0.0", "Upload-Length": "10", "Upload-Metadata": "filename ZGVtLnRpZg=="} {
		q.Header.Set(k, v)
	}
	res, err := http.DefaultClient.Do(q)
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	data, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode >= 300 {
		p.t.Errorf("%s %s: %s %s (%v)", method, path, res.Status, data, err)
	}
	out := map[string]any{"location": res.Header.Get("Location")}
	_ = json.Unmarshal(data, &out)
	return out
}

// submit makes a job by a form, and returns its id.
func (p *platform) submit(fields map[string]string, files map[string][]byte) string {
	p.t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for k, v := range fields {
		_ = form.WriteField(k, v)
	}
	for k, v := range files {
		w, _ := form.CreateFormFile(k, k+map[bool]string{true: ".csv", false: ".tif"}[k == "climate_file"])
		_, _ = w.Write(v)
	}
	_ = form.Close()
	id, _ := p.do("POST", "/api/submit-job", form.FormDataContentType(), &body)["job_id"].(string)
	if id == "" {
		p.t.Fatal("no job")
	}
	return id
}

// settle waits until no event is left.
func (p *platform) settle() {
	p.t.Helper()
	if err := p.events.Wait(p.t.Context()); err != nil {
		p.t.Fatal(err)
	}
}

func (p *platform) completed(id string) {
	p.t.Helper()
	st, err := job.Store{Bucket: p.bucket}.Status(p.t.Context(), id)
	if err != nil || st.State != job.Completed {
		p.t.Errorf("job %s: %+v (%v)", id, st.End, err)
	}
}

// tick lets cleanup do what the clock asks for, and waits for what follows.
func (p *platform) tick(task string) {
	p.t.Helper()
	if err := p.clean.Handle(p.t.Context(), eventing.NewTick("/test", task, time.Now())); err != nil {
		p.t.Error(err)
	}
	p.settle()
}

func station() []byte {
	b := []byte("# elevation_m: 2300\nmonth,tmin,tmax,prcp,vp\n")
	for m := 1; m <= 12; m++ {
		b = fmt.Appendf(b, "%d,%d,%d,%d,%d\n", m, m-8, m+9, 30+m, 400+50*m)
	}
	return b
}

// TestServicesNeedNoMore runs jobs of each kind from their upload to their removal, with services that may do in the bucket
// what docs/security.md says, and nothing else; and each right is used.
func TestServicesNeedNoMore(t *testing.T) {
	r := &rights{all: documented(t), used: map[string]bool{}, refused: map[string]bool{}}
	for name, byRequest := range map[string]bool{"the clock removes": false, "an operator removes": true} {
		t.Run(name, func(t *testing.T) {
			b := memblob.OpenBucket(nil)
			t.Cleanup(func() { _ = b.Close() })
			exercise(t, b, func(service string) *blob.Bucket { return r.bucket(b, service) }, byRequest)
		})
	}
	for k := range r.refused {
		t.Error("refused: ", k)
	}
	for _, x := range r.all {
		if name := fmt.Sprint(x.service, " ", x.op, " ", x.pattern); !r.used[name] {
			t.Error("not needed: ", name)
		}
	}
}

// exercise runs jobs from their upload to their removal, first by the clock or by a request, then by the other.
func exercise(t *testing.T, b *blob.Bucket, of func(service string) *blob.Bucket, byRequest bool) {
	t.Helper()
	hook := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(hook.Close)
	p := start(t, b, of, hook.URL)
	dem := demtest.Encode(t, demtest.Holes(demtest.Hills(48, 40)))
	sol := map[string]string{"workflow_type": "sol", "step": "60", "tile_size": "32"}
	eemt := map[string]string{"workflow_type": "eemt", "step": "60", "tile_size": "32"}
	first := p.submit(sol, map[string][]byte{"dem_file": dem})
	second := p.submit(eemt, map[string][]byte{"dem_file": dem, "climate_file": station()})
	p.settle()
	p.completed(first)
	p.completed(second)
	p.groups = "" // whom a quota binds
	remote := p.submit(map[string]string{"workflow_type": "sol", "step": "60", "linke_value": "https://maps.example.org/linke.tif"}, map[string][]byte{"dem_file": dem})
	p.settle()
	p.completed(remote)
	order, _ := json.Marshal(map[string]any{
		"inputs":     map[string]any{"dem": map[string]any{"value": base64.StdEncoding.EncodeToString(dem), "mediaType": "image/tiff; application=geotiff"}, "step": 60},
		"subscriber": map[string]string{"successUri": hook.URL + "/done"},
	})
	p.do("POST", "/processes/sol/execution", "application/json", bytes.NewReader(order))
	p.settle()
	p.groups = "operators"

	// What people do with jobs.
	p.do("PUT", "/jobs/"+first+"/keep", "application/json", strings.NewReader(`{"days": 1}`))
	p.do("DELETE", "/jobs/"+first+"/keep", "", nil)
	p.do("POST", "/jobs/"+first+"/tickets", "", nil)
	share := p.do("POST", "/jobs/"+first+"/shares", "application/json", strings.NewReader(`{"group": "hydrology"}`))
	p.do("DELETE", fmt.Sprint("/jobs/", first, "/shares/", share["id"]), "", nil)
	p.do("POST", "/jobs/"+remote+"/shares", "application/json", strings.NewReader(`{"group": "hydrology", "days": 1}`))
	key := p.do("POST", "/auth/keys", "application/json", strings.NewReader(`{"name": "station"}`))
	p.do("DELETE", fmt.Sprint("/auth/keys/", key["id"]), "", nil)
	p.do("PUT", "/auth/quotas/boris", "application/json", strings.NewReader(`{"jobs": 1}`))
	p.do("DELETE", "/auth/quotas/boris", "", nil)
	tus := fmt.Sprint(p.do("POST", "/uploads", "", nil)["location"])
	p.do("DELETE", "/uploads/"+path.Base(tus), "", nil)
	p.do("DELETE", "/api/jobs/"+second, "", nil)

	// A dropped file, the static catalogue, and what the clock asks for.
	if err := p.bucket.WriteAll(t.Context(), "uploads/hills.tif", dem, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := p.front.ScanUploads(t.Context()); err != nil {
		t.Error(err)
	}
	p.settle()
	if err := p.front.WriteCatalogue(t.Context()); err != nil {
		t.Error(err)
	}
	store := job.Store{Bucket: p.bucket}
	standing := func(id string) string {
		parameters := param.DefaultParameters()
		if err := store.Create(t.Context(), job.Request{ID: id, Workflow: param.Sol, Parameters: parameters, DEM: job.DEM{Key: "inputs/none.tif", Name: "none.tif"}, Created: time.Now(), Owner: "anna"}); err != nil {
			t.Fatal(err)
		}
		return id
	}
	p.do("POST", "/api/jobs/"+standing("01JTESTAAAAAAAAAAAAAAAAAAA")+"/cancel", "", nil)
	dead := eventing.NewTaskRequested("/test", eventing.Task{JobID: standing("01JTESTBBBBBBBBBBBBBBBBBBB"), Kind: "plan", Task: "plan"}, time.Now())
	if err := p.clean.DeadLetter(t.Context(), eventing.WithFailure(dead, eventing.Failure{Reason: "it was tried for long", Code: 500})); err != nil {
		t.Error(err)
	}
	standing("01JTESTCCCCCCCCCCCCCCCCCCC")
	p.do("POST", "/uploads", "", nil)
	p.later = 8 * 24 * time.Hour
	p.tick(eventing.TaskResume)
	remove := []func(){func() { p.tick(eventing.TaskRetention) }, func() { p.do("POST", "/api/cleanup", "", nil) }}
	if byRequest {
		slices.Reverse(remove)
	}
	remove[0]()
	late := p.submit(sol, map[string][]byte{"dem_file": dem})
	p.settle()
	p.completed(late)
	p.later = 16 * 24 * time.Hour
	remove[1]()
	if err := p.front.WriteCatalogue(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestRightsKeepServicesApart names what a service that was taken over must not do.
func TestRightsKeepServicesApart(t *testing.T) {
	r := &rights{all: documented(t), used: map[string]bool{}, refused: map[string]bool{}}
	for _, c := range []struct{ service, op, key string }{
		{"compute", faultbucket.Delete, "jobs/01X/results/global/annual/total_sun_sum.tif"},
		{"compute", faultbucket.Delete, "jobs/01X/job.json"},
		{"compute", faultbucket.Delete, "jobs/01X/shares/01Y.json"},
		{"compute", faultbucket.Delete, "inputs/01X-1_dem.tif"},
		{"compute", faultbucket.Delete, "uploads/dem.tif"},
		{"compute", faultbucket.Delete, "cache/inputs/0123/entry.json"},
		{"compute", faultbucket.Commit, "jobs/01X/job.json"},
		{"compute", faultbucket.Commit, "jobs/01X/shares/01Y.json"},
		{"compute", faultbucket.Commit, "jobs/01X/audit/01Y.json"},
		{"compute", faultbucket.Commit, "inputs/01X-1_dem.tif"},
		{"compute", faultbucket.Commit, "auth/ticket-key"},
		{"compute", faultbucket.Commit, "auth/keys/0123/01X.json"},
		{"compute", faultbucket.Commit, "quota/0123/limits.json"},
		{"submission", faultbucket.Commit, "jobs/01X/results/global/annual/total_sun_sum.tif"},
		{"submission", faultbucket.Commit, "jobs/01X/work/wetness.tif"},
		{"submission", faultbucket.Commit, "jobs/01X/plan.json"},
		{"submission", faultbucket.Commit, "cache/inputs/0123/entry.json"},
		{"submission", faultbucket.Commit, "uploads/dem.tif"},
		{"submission", faultbucket.Delete, "uploads/dem.tif"},
		{"submission", faultbucket.Delete, "auth/ticket-key"},
		{"compute", faultbucket.Read, "auth/ticket-key"},
		{"cleanup", faultbucket.Read, "auth/ticket-key"},
		{"cleanup", faultbucket.Commit, "jobs/01X/results/report.json"},
		{"cleanup", faultbucket.Commit, "jobs/01X/job.json"},
		{"cleanup", faultbucket.Commit, "auth/keys/0123/01X.json"},
		{"cleanup", faultbucket.Delete, "auth/keys/0123/01X.json"},
		{"cleanup", faultbucket.Delete, "uploads/dem.tif"},
		{"cleanup", faultbucket.Delete, "quota/0123/limits.json"},
	} {
		if r.may(c.service, c.op, c.key) {
			t.Errorf("%s may %s %s", c.service, c.op, c.key)
		}
	}
}
