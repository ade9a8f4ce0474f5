package chaos

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"log"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cyverse-gis/eemt/functions/compute/drainage"

	cloudevents "github.com/cloudevents/sdk-go/v2/event"

	"github.com/cyverse-gis/eemt/eventing"
	"github.com/cyverse-gis/eemt/functions/cleanup"
	"github.com/cyverse-gis/eemt/functions/submission"
	"github.com/cyverse-gis/eemt/integration/faultbucket"
	"github.com/cyverse-gis/eemt/integration/reference"
	"github.com/cyverse-gis/eemt/shared/dem/demtest"
	"github.com/cyverse-gis/eemt/shared/dirbucket"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/param"
)

var (
	only = flag.Int("seed", -1, "run this seed alone, and print its course")
	kill = flag.Float64("kill", -1, "chance that a process dies at a bucket call, in place of what the seed draws")
	runs = flag.Int("runs", 0, "how many seeds to run; 0: 6, or 500 when EEMT_NIGHTLY is set")
)

// nightly asks for the long explorations: all of the larger models, hundreds of storms, death at every ninth call.
var nightly = os.Getenv("EEMT_NIGHTLY") != ""

func TestMain(m *testing.M) {
	flag.Parse()
	log.SetOutput(io.Discard) // gocloud tells of writers that the dead never closed
	os.Exit(m.Run())
}

// jobID names the jobs of a run.
func jobID(n int) string { return fmt.Sprintf("01JCHAAS%018d", n) }

const (
	demKey     = "inputs/hills.tif"
	climateKey = "inputs/station.csv"
)

// station is the climate of the job of EEMT.
var station = func() []byte {
	b := []byte("# elevation_m: 2300\nmonth,tmin,tmax,prcp,vp\n")
	for m := 1; m <= 12; m++ {
		b = fmt.Appendf(b, "%d,%d,%d,%d,%d\n", m, m-8, m+9, 30+m, 400+50*m)
	}
	return b
}()

// wet is the job that needs the terrain: of EEMT, which it follows in stages.
const wet = 2

// request is job n: they differ in a parameter, and so in their maps.
func request(n int, at time.Time) job.Request {
	p := param.DefaultParameters()
	p.Step, p.TileSize = 60, 32
	p.Albedo = []float64{0.2 + 0.1*float64(n)}
	if n == wet {
		p.Climate = "table:" + climateKey
		return job.Request{ID: jobID(n), Workflow: param.EEMT, Parameters: p, DEM: job.DEM{Key: demKey, Name: "hills.tif"}, Created: at.UTC()}
	}
	return job.Request{ID: jobID(n), Workflow: param.Sol, Parameters: p, DEM: job.DEM{Key: demKey, Name: "hills.tif"}, Created: at.UTC()}
}

const (
	clientSubmit = "chaos.submit"
	clientCancel = "chaos.cancel"
)

func clientEvent(kind string, n int) cloudevents.Event {
	e := cloudevents.New()
	e.SetType(kind)
	e.SetSource("/chaos")
	e.SetID(fmt.Sprint(kind, ".", n))
	return e
}

// client is the submission service at work for a client.
func (f *flight) client(ctx context.Context, store job.Store, clock func() time.Time) error {
	var n int
	if _, err := fmt.Sscanf(f.event.ID(), f.event.Type()+".%d", &n); err != nil {
		return err
	}
	if f.event.Type() == clientCancel {
		s := submission.New(submission.Config{
			Store: store, Events: eventing.PublisherFunc(f.Publish), Now: clock, Log: slog.New(slog.DiscardHandler),
			NewID: func() string { return f.event.ID() },
		})
		_, err := s.Cancel(ctx, jobID(n))
		return err
	}
	r := request(n, clock())
	if err := store.Create(ctx, r); err != nil {
		return err
	}
	_ = f.Publish(ctx, eventing.NewJobSubmitted("/chaos", r.ID, 0, r.Created))
	return nil
}

// outcome is how one run ended.
type outcome struct {
	states  map[string]job.State
	reasons map[string]string
	waits   map[string]time.Duration
	// announceDelay is the longest time that an end waited to be announced.
	announceDelay time.Duration
	steps         int
	kills         int
}

// bound is how long a job may take to end, in the time of the world, whatever happens: a day of standing still is
// where resuming gives up.
const bound = 25 * time.Hour

// run submits jobs, lets the world go until they have ended and nothing is under way, and holds it to the promises.
func (w *world) run(jobs []int, cancel bool, tiff []byte) outcome {
	t := w.t
	t.Helper()
	ctx := context.Background()
	if err := w.base.WriteAll(ctx, demKey, tiff, nil); err != nil {
		t.Fatal(err)
	}
	if err := w.base.WriteAll(ctx, climateKey, station, nil); err != nil {
		t.Fatal(err)
	}
	for _, n := range jobs {
		w.send("client", clientEvent(clientSubmit, n), time.Duration(w.rng.IntN(10))*time.Second, 0)
	}
	if cancel {
		w.send("client", clientEvent(clientCancel, jobs[0]), time.Duration(w.rng.IntN(30))*time.Second, 0)
	}
	store := job.Store{Bucket: w.base}
	out := outcome{states: map[string]job.State{}, reasons: map[string]string{}, waits: map[string]time.Duration{}}
	forgets, fulls := map[int]bool{}, map[int]bool{}
	for range w.weather.lose {
		forgets[w.rng.IntN(800)] = true
	}
	for range w.weather.full {
		fulls[w.rng.IntN(800)] = true
	}
	const most = 200_000
	submitted := map[string]time.Time{}
	for {
		w.step()
		if forgets[w.steps] {
			w.log("the broker forgets %d events", len(w.queue))
			w.queue = slices.DeleteFunc(w.queue, func(d delivery) bool { return d.kind != "client" })
		}
		if fulls[w.steps] {
			w.full = 1 + w.rng.IntN(60)
			w.log("the disk is full for %d calls", w.full)
		}
		if w.steps > most {
			w.fail("no end after %d steps", most)
		}
		if w.steps%16 != 0 && len(w.flights) > 0 {
			continue
		}
		open := 0
		for _, n := range jobs {
			id := jobID(n)
			if out.states[id] != "" {
				if w.announced[id] == 0 {
					open++ // a resume tick announces it
				}
				continue
			}
			r, err := store.Request(ctx, id)
			if err == nil && submitted[id].IsZero() {
				submitted[id] = r.Created
			}
			end, err := store.End(ctx, id)
			switch {
			case err == nil:
				out.states[id], out.reasons[id] = end.State, end.Reason
				if at := submitted[id]; !at.IsZero() {
					out.waits[id] = w.made[job.Prefix(id)+"end.json"].Sub(at)
				}
			case errors.Is(err, job.ErrNotFound) && submitted[id].IsZero() && !w.coming(n):
				// The client's process died before the job was durable: the client was not told of one.
			default:
				open++
			}
		}
		if open == 0 && len(w.flights) == 0 && (len(w.queue) == 0 || onlyTicks(w.queue)) {
			break
		}
		if w.now.Sub(epoch) > bound+2*time.Hour {
			w.fail("jobs have not ended, or ends were not announced, after %s: %v, announced %v", w.now.Sub(epoch), out.states, w.announced)
		}
	}
	for id, waited := range out.waits {
		if waited > bound {
			w.fail("job %s ended after %s, more than %s", id, waited, bound)
		}
		if out.states[id] == job.Failed && out.reasons[id] == "" {
			w.fail("job %s failed without a word", id)
		}
	}
	for id := range out.waits {
		if out.announceDelay = max(out.announceDelay, w.heard[id].Sub(w.made[job.Prefix(id)+"end.json"])); out.announceDelay > bound {
			w.fail("the end of job %s was announced after %s, more than %s", id, out.announceDelay, bound)
		}
	}
	for _, text := range w.wrong {
		w.fail("%s", text)
	}
	out.steps, out.kills = w.steps, w.kills
	return out
}

func onlyTicks(queue []delivery) bool {
	for _, d := range queue {
		if d.event.Type() != eventing.PingTick {
			return false
		}
	}
	return true
}

// coming reports whether a submission is still on its way.
func (w *world) coming(n int) bool {
	id := clientEvent(clientSubmit, n).ID()
	for _, f := range w.flights {
		if f.event.ID() == id {
			return true
		}
	}
	return slices.ContainsFunc(w.queue, func(d delivery) bool { return d.event.ID() == id })
}

func (w *world) fail(format string, args ...any) {
	w.t.Helper()
	from := max(0, len(w.trace)-60)
	more := ""
	if *kill >= 0 {
		more = fmt.Sprintf(" -kill %g", *kill)
	}
	w.t.Fatalf("seed %d: %s\nreplay: go test ./integration/chaos -run '%s' -seed %d%s -v\n%s",
		w.seed, fmt.Sprintf(format, args...), strings.SplitN(w.t.Name(), "/", 2)[0], w.seed, more, strings.Join(w.trace[from:], "\n"))
}

// results reads the results of a job, times and the job's id blanked.
func (w *world) results(id string) map[string][]byte {
	w.t.Helper()
	all := map[string][]byte{}
	prefix := job.ResultKey(id, "")
	for _, key := range w.keys(prefix) {
		if strings.Contains(key, "/.") {
			continue // what a directory keeps beside an object
		}
		data, err := w.base.ReadAll(context.Background(), key)
		if err != nil {
			w.t.Fatal(err)
		}
		name := strings.TrimPrefix(key, prefix)
		switch name {
		case "report.json":
			data = reference.Timeless(w.t, data)
		case "item.json":
			data = idOrTime.ReplaceAll(data, []byte("-"))
		}
		all[name] = data
	}
	return all
}

var idOrTime = regexp.MustCompile(`01JCHAAS\d{18}|\d{4}-\d\d-\d\d(T[0-9:.]+Z)?`)

func (w *world) keys(prefix string) []string {
	w.t.Helper()
	var list []string
	err := fs.WalkDir(os.DirFS(w.dir), ".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && strings.HasPrefix(path, prefix) {
			list = append(list, path)
		}
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return list
}

// same holds the results of completed jobs to those of a calm run.
func (w *world) same(out outcome, calm map[string]map[string][]byte) {
	w.t.Helper()
	for id, state := range out.states {
		if state != job.Completed {
			continue
		}
		got, want := w.results(id), calm[id]
		if g, c := sorted(got), sorted(want); !slices.Equal(g, c) {
			w.fail("job %s has the files %v, a calm run %v", id, g, c)
		}
		for name := range want {
			if !bytes.Equal(got[name], want[name]) {
				w.fail("job %s: %s differs from that of a calm run", id, name)
			}
		}
	}
}

// tidy does one pass of retention a day later: nothing temporary is left, and of jobs that did not complete nothing at all.
func (w *world) tidy(out outcome) {
	w.t.Helper()
	w.now = w.now.Add(25 * time.Hour)
	if real := time.Now(); w.now.Before(real.Add(24*time.Hour + time.Second)) {
		w.now = real.Add(24*time.Hour + time.Second) // files date from the real clock
	}
	s := &cleanup.Service{
		Store: job.Store{Bucket: w.base}, Now: func() time.Time { return w.now }, Log: slog.New(slog.DiscardHandler), Policy: cleanup.DefaultPolicy(),
		Events: eventing.PublisherFunc(func(context.Context, cloudevents.Event) error { return nil }),
		Partial: func(_ context.Context, before time.Time, dry bool, f func(string, int64)) error {
			return dirbucket.SweepEach(w.dir, before, dry, f)
		},
	}
	report, err := s.Retain(context.Background())
	if err != nil || len(report.Errors) > 0 {
		w.fail("retention: %v %v", report.Errors, err)
	}
	partial := func(name string, _ int64) { w.fail("left after a day and a cleanup: %s", name) }
	if err := dirbucket.SweepEach(w.dir, w.now.AddDate(1, 0, 0), true, partial); err != nil {
		w.t.Fatal(err)
	}
	for _, path := range w.keys("") {
		if strings.Contains(path, "/.") && !strings.HasPrefix(path, ".") {
			continue // what a directory keeps beside an object
		}
		id, name := "", ""
		if rest, ok := strings.CutPrefix(path, "jobs/"); ok {
			id, name, _ = strings.Cut(rest, "/")
		}
		switch {
		case strings.HasPrefix(path, "cleanup/"), path == demKey, path == climateKey:
		case strings.HasPrefix(path, "index/") && out.states[path[len(path)-26:]] == job.Completed:
		case id != "" && out.states[id] == job.Completed && !strings.HasPrefix(name, "work/") && !strings.HasPrefix(name, "attempts/"):
		default:
			w.fail("left after a day and a cleanup: %s", filepath.FromSlash(path))
		}
	}
}

func hills(t testing.TB) []byte { return demtest.Encode(t, demtest.Holes(demtest.Hills(48, 40))) }

// calmRun is what the jobs come to when nothing goes wrong, and the plan follows the water by itself.
func calmRun(t testing.TB, jobs ...int) map[string]map[string][]byte {
	t.Helper()
	w := newWorld(t, 0, weather{})
	w.drainage = drainage.Options{}
	out := w.run(jobs, false, hills(t))
	calm := map[string]map[string][]byte{}
	for _, n := range jobs {
		if out.states[jobID(n)] != job.Completed {
			t.Fatalf("a calm job is %s: %s\n%s", out.states[jobID(n)], out.reasons[jobID(n)], strings.Join(w.trace, "\n"))
		}
		calm[jobID(n)] = w.results(jobID(n))
	}
	w.tidy(out)
	t.Logf("calm: %d steps, %d files of the first", out.steps, len(calm[jobID(jobs[0])]))
	return calm
}

// climate draws the weather of a seed.
func climate(seed uint64) (weather, []int, bool) {
	r := rand.New(rand.NewPCG(seed, 2))
	of := func(values ...float64) float64 { return values[r.IntN(len(values))] }
	w := weather{
		kill: of(0, 0.0005, 0.002, 0.004), fail: of(0, 0.02, 0.1, 0.2), slow: of(0, 0.02), drop: of(0, 0.1, 0.1), copy: of(0, 0.3, 1), jump: of(0, 0.2),
		full: r.IntN(3) / 2 * (1 + r.IntN(3)), lose: r.IntN(3),
	}
	if *kill >= 0 {
		w.kill = *kill
	}
	jobs := []int{0, 1}[:1+r.IntN(5)/4]
	cancel := r.IntN(10) == 0
	if r.IntN(3) == 0 {
		jobs[len(jobs)-1] = wet
	}
	return w, jobs, cancel
}

// mild weather is what a platform of this kind sees on a bad day: no job may fail of it.
func (w weather) mild() bool { return w.kill <= 0.002 && w.fail <= 0.1 && w.full == 0 }

// TestDeathAtEveryCall kills a process between any two bucket calls, and in the middle of them, in an otherwise calm world.
func TestDeathAtEveryCall(t *testing.T) {
	tiff := hills(t)
	for _, c := range []struct {
		name   string
		job    int
		begin  int // the step of a calm run where what is of interest begins
		steps  int // that it takes
		stride int
		within time.Duration // what maps may take before they are made by tasks
	}{
		{"maps of the sun", 0, 0, 420, 105, 0},
		{"maps by tasks", 0, 100, 420, 105, time.Nanosecond},
		{"terrain in stages", wet, 0, 600, 150, 0},
	} {
		if nightly {
			c.stride = 9
		}
		calm := calmRun(t, c.job)
		for _, how := range []fate{dieBefore, dieAfter} {
			for at := 1 + int(how)%2*c.stride/2; at < c.steps; at += c.stride {
				t.Run(fmt.Sprint(c.name, map[fate]string{dieBefore: ", before ", dieAfter: ", after "}[how], at), func(t *testing.T) {
					t.Parallel()
					w := newWorld(t, 0, weather{})
					w.killAt, w.killed, w.mapsWithin = c.begin+at, how, c.within
					out := w.run([]int{c.job}, false, tiff)
					if state := out.states[jobID(c.job)]; state != job.Completed && state != "" {
						w.fail("the job is %s: %s", state, out.reasons[jobID(c.job)])
					}
					if waited := out.waits[jobID(c.job)]; waited > 16*time.Minute {
						w.fail("the job ended after %s", waited)
					}
					w.same(out, calm)
					w.tidy(out)
				})
			}
		}
	}
}

// TestEndsAreAnnounced kills who ends a job around the announcement of the end, and loses its event: a resume tick
// announces it.
func TestEndsAreAnnounced(t *testing.T) {
	tiff := hills(t)
	for _, who := range []string{clientCancel, eventing.TilesCompleted} {
		for _, c := range []struct {
			name, op, key string
			how           fate
		}{
			{"the end is written", faultbucket.Commit, "/end.json", dieAfter},
			{"before the announcement", "publish", "job-", dieBefore},
			{"after the announcement", "publish", "job-", dieAfter},
			{"the note is not written", faultbucket.Commit, "/announced.json", dieBefore},
		} {
			t.Run(who+" "+c.name, func(t *testing.T) {
				for seed := uint64(1); ; seed++ {
					w := newWorld(t, seed, weather{})
					w.fatal = func(x *call) bool {
						return x.flight.event.Type() == who && x.op == c.op && strings.Contains(x.key, c.key)
					}
					w.killed = c.how
					out := w.run([]int{0}, who == clientCancel, tiff) // which fails if the end is not announced
					if w.kills == 0 && seed < 20 {
						continue // it came too late to cancel
					}
					if w.kills == 0 {
						w.fail("nobody was killed")
					}
					if out.announceDelay > 11*time.Minute {
						w.fail("the end was announced after %s", out.announceDelay)
					}
					return
				}
			})
		}
	}
}

// TestStorms runs the platform under many seeds.
func TestStorms(t *testing.T) {
	n := *runs
	if n == 0 {
		n = 6
		if nightly {
			n = 500
		}
		if testing.Short() {
			n = 4
		}
	}
	tiff := hills(t)
	calm := calmRun(t, 0, 1, wet)
	states := make(chan outcome, n)
	t.Run("seeds", func(t *testing.T) {
		for seed := range n {
			if *only >= 0 && seed > 0 {
				break
			}
			if *only >= 0 {
				seed = *only
			}
			t.Run(fmt.Sprint(seed), func(t *testing.T) {
				t.Parallel()
				sky, jobs, cancel := climate(uint64(seed))
				w := newWorld(t, uint64(seed), sky)
				if seed%2 == 1 { // maps by tasks; the calm run makes them in one go
					w.mapsWithin = time.Nanosecond
				}
				if *only >= 0 {
					t.Cleanup(func() { _, _ = io.WriteString(os.Stderr, strings.Join(w.trace, "\n")+"\n") })
				}
				out := w.run(jobs, cancel, tiff)
				if sky.mild() {
					for id, state := range out.states {
						if state == job.Failed {
							w.fail("job %s failed in mild weather: %s", id, out.reasons[id])
						}
					}
				}
				w.same(out, calm)
				w.tidy(out)
				states <- out
			})
		}
	})
	close(states)
	count, kills, steps, reasons := map[job.State]int{}, 0, 0, map[string]int{}
	var announceDelay time.Duration
	var waits []time.Duration
	for o := range states {
		kills += o.kills
		steps += o.steps
		announceDelay = max(announceDelay, o.announceDelay)
		for id, s := range o.states {
			count[s]++
			if s == job.Failed {
				reasons[o.reasons[id]]++
			}
			waits = append(waits, o.waits[id])
		}
	}
	slices.Sort(waits)
	if len(waits) == 0 {
		return
	}
	t.Logf("%d runs, %d steps, %d kills; jobs %v; half of them ended within %s, 9 of 10 within %s, all within %s; ends were announced within %s",
		n, steps, kills, count, waits[len(waits)/2].Round(time.Second), waits[len(waits)*9/10].Round(time.Second), waits[len(waits)-1].Round(time.Second), announceDelay.Round(time.Second))
	for reason, k := range reasons {
		t.Logf("%d failed: %s", k, reason)
	}
}
