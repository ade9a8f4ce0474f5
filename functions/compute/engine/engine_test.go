package engine_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"gocloud.dev/blob/memblob"

	"github.com/cyverse-gis/eemt/eventing"
	"github.com/cyverse-gis/eemt/functions/compute/engine"
	"github.com/cyverse-gis/eemt/shared/fault"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/param"
)

const id = "01JTESTAAAAAAAAAAAAAAAAAAA"

var noon = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

// work notes what the engine calls, and does what a test says.
type work struct {
	calls   *[]string
	run     func(r *engine.Run) (any, error)
	next    func(r *engine.Run, done []job.Record) (*job.Phase, error)
	release func(r *engine.Run, next *job.Phase)
}

func (w work) Run(_ context.Context, r *engine.Run) (any, error) {
	*w.calls = append(*w.calls, fmt.Sprintf("run %d %s", r.Phase.Number, r.Task))
	if w.run == nil {
		return nil, nil
	}
	return w.run(r)
}

func (w work) Next(_ context.Context, r *engine.Run, done []job.Record) (*job.Phase, error) {
	*w.calls = append(*w.calls, fmt.Sprintf("next %d", r.Phase.Number))
	return w.next(r, done)
}

func (w work) Release(_ context.Context, r *engine.Run, next *job.Phase) {
	*w.calls = append(*w.calls, fmt.Sprintf("release %d %d", r.Phase.Number, next.Number))
	if w.release != nil {
		w.release(r, next)
	}
}

// bench is an engine with a job of a plan and two tiles.
type bench struct {
	*engine.Engine
	plan, tiles *work
	calls       []string
	published   []event.Event
}

func newBench(t *testing.T) *bench {
	t.Helper()
	bucket := memblob.OpenBucket(nil)
	t.Cleanup(func() { _ = bucket.Close() })
	b := &bench{}
	b.plan = &work{calls: &b.calls, next: func(*engine.Run, []job.Record) (*job.Phase, error) { return twoTiles(), nil }}
	b.tiles = &work{calls: &b.calls, next: func(*engine.Run, []job.Record) (*job.Phase, error) { return nil, nil }}
	b.Engine = &engine.Engine{
		Store: job.Store{Bucket: bucket}, Now: func() time.Time { return noon }, Log: slog.New(slog.DiscardHandler), Source: "/test",
		Kinds:   map[job.Kind]engine.Kind{job.KindPlan: b.plan, job.KindTiles: b.tiles},
		Lasting: func(error) bool { return false },
		Events: eventing.PublisherFunc(func(_ context.Context, e event.Event) error {
			b.published = append(b.published, e)
			return nil
		}),
	}
	if err := b.Store.Create(t.Context(), job.Request{ID: id, Workflow: param.Sol, Created: noon}); err != nil {
		t.Fatal(err)
	}
	return b
}

func twoTiles() *job.Phase {
	return &job.Phase{Kind: job.KindTiles, Tasks: []job.Task{{Name: "a"}, {Name: "b"}}}
}

func submitted() event.Event { return eventing.NewJobSubmitted("/test", id, 0, noon) }

func request(phase int, task string) event.Event {
	return eventing.NewTaskRequested("/test", eventing.Task{JobID: id, Phase: phase, Kind: string(job.KindTiles), Task: task}, noon)
}

func (b *bench) handle(t *testing.T, events ...event.Event) {
	t.Helper()
	for _, e := range events {
		if err := b.Handle(t.Context(), e); err != nil {
			t.Fatalf("%s: %v", e.ID(), err)
		}
	}
}

// tasks are the tasks that were requested, then the types of other events.
func (b *bench) tasks() []string {
	var names []string
	for _, e := range b.published {
		if task, err := eventing.TaskOf(e); err == nil && e.Type() == eventing.TaskRequested {
			names = append(names, fmt.Sprintf("%d %s", task.Phase, task.Task))
		} else {
			names = append(names, e.Type())
		}
	}
	return names
}

func (b *bench) expect(t *testing.T, calls, published string) {
	t.Helper()
	if got := strings.Join(b.calls, ", "); got != calls {
		t.Errorf("calls %q, want %q", got, calls)
	}
	if got := strings.Join(b.tasks(), ", "); got != published {
		t.Errorf("published %q, want %q", got, published)
	}
}

// TestPhases: each task is run once, each phase followed once, and what it read is released when the tasks of the next
// phase were requested. Records come in the order of the tasks, with what their tasks found.
func TestPhases(t *testing.T) {
	b := newBench(t)
	b.plan.release = func(*engine.Run, *job.Phase) {
		if all, err := b.Store.Requested(t.Context(), id, 1); err != nil || !all || len(b.published) != 2 {
			t.Errorf("released when %d tasks were requested, noted: %t (%v)", len(b.published), all, err)
		}
	}
	b.tiles.run = func(r *engine.Run) (any, error) { return "found by " + r.Task, nil }
	var found []string
	b.tiles.next = func(_ *engine.Run, done []job.Record) (*job.Phase, error) {
		for _, r := range done {
			var s string
			if err := json.Unmarshal(r.Result, &s); err != nil {
				return nil, err
			}
			found = append(found, s)
		}
		return nil, nil
	}
	b.handle(t, submitted(), request(1, "b"), request(1, "a"))
	b.expect(t, "run 0 plan, next 0, release 0 1, run 1 b, run 1 a, next 1", "1 a, 1 b, "+eventing.JobCompleted)
	if !slices.Equal(found, []string{"found by a", "found by b"}) {
		t.Errorf("the phase was followed from %q", found)
	}
	if end, err := b.Store.End(t.Context(), id); err != nil || end.State != job.Completed {
		t.Errorf("end %+v (%v)", end, err)
	}
	// Whatever comes after the end does nothing.
	b.handle(t, submitted(), request(1, "a"), request(7, "z"))
	b.expect(t, "run 0 plan, next 0, release 0 1, run 1 b, run 1 a, next 1", "1 a, 1 b, "+eventing.JobCompleted)
}

// TestRedelivery delivers events again, out of turn, and where records are missing.
func TestRedelivery(t *testing.T) {
	const planned, requested = "run 0 plan, next 0, release 0 1", "1 a, 1 b"
	lose := func(name string) func(t *testing.T, b *bench) {
		return func(t *testing.T, b *bench) {
			t.Helper()
			if err := b.Store.Bucket.Delete(t.Context(), job.Prefix(id)+name); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, c := range []struct {
		name             string
		before           []event.Event
		meanwhile        func(t *testing.T, b *bench)
		events           []event.Event
		calls, published string
	}{
		{
			name: "a task twice", before: []event.Event{submitted()}, events: []event.Event{request(1, "a"), request(1, "a")},
			calls: planned + ", run 1 a", published: requested,
		},
		{
			name: "a task before its phase", events: []event.Event{request(1, "a")},
		},
		{
			name: "the job again, with tasks missing", before: []event.Event{submitted(), request(1, "a")}, events: []event.Event{submitted()},
			calls: planned + ", run 1 a", published: requested + ", 1 b",
		},
		{
			name: "the job again, whose record of a task was lost", before: []event.Event{submitted(), request(1, "a")},
			meanwhile: lose("phases/0001/a.json"), events: []event.Event{submitted(), request(1, "a")},
			calls: planned + ", run 1 a, run 1 a", published: requested + ", 1 a, 1 b",
		},
		{
			name: "the job again, whose last task was recorded by who died before it looked at the others", before: []event.Event{submitted()},
			meanwhile: func(t *testing.T, b *bench) {
				t.Helper()
				for _, task := range []string{"a", "b"} {
					if err := b.Store.WriteRecord(t.Context(), id, 1, job.Record{Task: task}); err != nil {
						t.Fatal(err)
					}
				}
			},
			events: []event.Event{submitted()},
			calls:  planned + ", next 1", published: requested + ", " + eventing.JobCompleted,
		},
		{
			name: "a plan that was recorded, by who died before the tasks were requested", before: []event.Event{submitted()},
			meanwhile: lose("phases/0001.requested"),
			events:    []event.Event{eventing.NewTaskRequested("/test", eventing.Task{JobID: id, Kind: "again", Task: job.PlanTask}, noon)},
			calls:     planned + ", next 0, release 0 1", published: requested + ", " + requested,
		},
		{
			name: "a plan that was recorded, and its tasks requested", before: []event.Event{submitted()},
			events: []event.Event{eventing.NewTaskRequested("/test", eventing.Task{JobID: id, Kind: "again", Task: job.PlanTask}, noon)},
			calls:  planned + ", next 0", published: requested,
		},
		{
			name: "the last task, whose next phase another wrote", before: []event.Event{submitted()},
			meanwhile: func(t *testing.T, b *bench) {
				t.Helper()
				b.tiles.next = func(*engine.Run, []job.Record) (*job.Phase, error) {
					_, err := b.Store.WritePhase(t.Context(), id, &job.Phase{Number: 2, Kind: job.KindTiles, Tasks: []job.Task{{Name: "theirs"}}})
					return &job.Phase{Kind: job.KindTiles, Tasks: []job.Task{{Name: "mine"}}}, err
				}
			},
			events: []event.Event{request(1, "a"), request(1, "b")},
			calls:  planned + ", run 1 a, run 1 b, next 1", published: requested,
		},
		{
			name: "the last task again, whose next phase another wrote and did not request", before: []event.Event{submitted(), request(1, "a")},
			meanwhile: func(t *testing.T, b *bench) {
				t.Helper()
				b.tiles.next = func(*engine.Run, []job.Record) (*job.Phase, error) {
					_, err := b.Store.WritePhase(t.Context(), id, &job.Phase{Number: 2, Kind: job.KindTiles, Tasks: []job.Task{{Name: "theirs"}}})
					return &job.Phase{Kind: job.KindTiles, Tasks: []job.Task{{Name: "mine"}}}, err
				}
			},
			events: []event.Event{request(1, "b"), request(1, "b")},
			calls:  planned + ", run 1 a, run 1 b, next 1, next 1, release 1 2", published: requested + ", 2 theirs",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t)
			b.handle(t, c.before...)
			if c.meanwhile != nil {
				c.meanwhile(t, b)
			}
			b.handle(t, c.events...)
			b.expect(t, c.calls, c.published)
		})
	}
}

// TestRejections: an event that no repetition can mend is rejected, and changes nothing.
func TestRejections(t *testing.T) {
	for _, c := range []struct {
		name string
		e    event.Event
		want string
	}{
		{"no job", eventing.NewJobSubmitted("/test", "01JTESTBBBBBBBBBBBBBBBBBBB", 0, noon), "not found"},
		{"no ULID", eventing.NewJobSubmitted("/test", "x", 0, noon), "not a ULID"},
		{"no task of the phase", request(1, "c"), `has no task "c": phase 1, tiles, has 2 tasks, a to b`},
		{"a kind that nobody does", request(2, "a"), "phase 2, weather"},
		{"no task", eventing.NewJobCompleted("/test", id, 0, noon), "job.completed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t)
			b.handle(t, submitted())
			if _, err := b.Store.WritePhase(t.Context(), id, &job.Phase{Number: 2, Kind: "weather", Tasks: []job.Task{{Name: "a"}}}); err != nil {
				t.Fatal(err)
			}
			if err := b.Handle(t.Context(), c.e); !eventing.IsRejected(err) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want a rejection with %q", err, c.want)
			}
			b.expect(t, "run 0 plan, next 0, release 0 1", "1 a, 1 b")
		})
	}
}

// TestFailures: what the errors of a kind do to its job.
func TestFailures(t *testing.T) {
	away, bad := errors.New("the bucket is away"), fault.New(fault.Invalid, errors.New("no slope anywhere"))
	for _, c := range []struct {
		name   string
		fail   func(b *bench)
		err    error  // what Handle returns; nil: it is done
		reason string // of the end; empty: the job goes on
		record bool
	}{
		{"a passing fault of a task", func(b *bench) { b.tiles.run = func(*engine.Run) (any, error) { return nil, away } }, away, "", false},
		{"an input that no repetition mends", func(b *bench) { b.tiles.run = func(*engine.Run) (any, error) { return nil, bad } }, nil, "no slope anywhere", false},
		{"a file that is gone", func(b *bench) { b.tiles.run = func(*engine.Run) (any, error) { return nil, engine.ErrGone } }, engine.ErrGone, "", false},
		{"a file that is gone, since the task was done meanwhile", func(b *bench) {
			b.tiles.run = func(r *engine.Run) (any, error) {
				return nil, errors.Join(engine.ErrGone, b.Store.WriteRecord(context.Background(), id, 1, job.Record{Task: r.Task}))
			}
		}, nil, "", true},
		{"a next phase that cannot be", func(b *bench) {
			b.tiles.next = func(*engine.Run, []job.Record) (*job.Phase, error) { return nil, bad }
		}, nil, "no slope anywhere", true},
		{"a next phase, for a passing fault", func(b *bench) {
			b.tiles.next = func(*engine.Run, []job.Record) (*job.Phase, error) { return nil, away }
		}, away, "", true},
		{"a job that ended meanwhile", func(b *bench) { b.tiles.run = func(*engine.Run) (any, error) { return nil, engine.ErrEnded } }, nil, "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t)
			b.handle(t, submitted(), request(1, "a"))
			c.fail(b)
			if err := b.Handle(t.Context(), request(1, "b")); !errors.Is(err, c.err) {
				t.Errorf("%v, want %v", err, c.err)
			}
			end, err := b.Store.End(t.Context(), id)
			if c.reason == "" && !errors.Is(err, job.ErrNotFound) || c.reason != "" && (err != nil || end.State != job.Failed || end.Reason != c.reason) {
				t.Errorf("end %+v (%v), want %q", end, err, c.reason)
			}
			if _, err := b.Store.Record(t.Context(), id, 1, "b"); (err == nil) != c.record {
				t.Errorf("the record: %v, want one: %t", err, c.record)
			}
		})
	}
}

// TestRequestingStops at the first task that cannot be published: nothing notes that all were requested, and nothing is
// released, so that the event that comes again requests the others.
func TestRequestingStops(t *testing.T) {
	b := newBench(t)
	listen := b.Events
	away := errors.New("the broker is away")
	b.Events = eventing.PublisherFunc(func(ctx context.Context, e event.Event) error {
		if len(b.published) == 1 {
			return away
		}
		return listen.Publish(ctx, e)
	})
	if err := b.Handle(t.Context(), submitted()); !errors.Is(err, away) {
		t.Fatal(err)
	}
	b.expect(t, "run 0 plan, next 0", "1 a")
	b.Events = listen
	b.handle(t, submitted())
	b.expect(t, "run 0 plan, next 0", "1 a, 1 a, 1 b")
	if all, err := b.Store.Requested(t.Context(), id, 1); err != nil || !all {
		t.Errorf("noted that all were requested: %t (%v)", all, err)
	}
}
