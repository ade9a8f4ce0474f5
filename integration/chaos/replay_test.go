package chaos

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	cloudevents "github.com/cloudevents/sdk-go/v2/event"
	"gocloud.dev/blob"
	"gocloud.dev/blob/driver"
	"gocloud.dev/gcerrors"

	"github.com/cyverse-gis/eemt/eventing"
	"github.com/cyverse-gis/eemt/functions/compute/engine"
	"github.com/cyverse-gis/eemt/shared/job"
)

// This file runs the engine of compute one bucket call at a time. A process is the event that it handles and the results of
// the calls that it has made so far: the engine is run from the start, gets these results again, and is stopped at the next
// call, which is what the process does next. The engine has no state of its own between calls, and asks nothing else, so
// that the same results always lead to the same call.

// call is what a process does next: a call of the bucket, a publication, or its return.
type step struct {
	op   string // read, list, write, delete, publish, return
	key  string
	data string // of a write; the event of a publication
	once bool   // a write that must find nothing
	// watched says that the watch would end the work when the job ends.
	watched bool
	// err is what the process returns.
	err error
}

// The results of calls, as the log of a process has them.
const (
	resultDone    = "ok"
	resultMissing = "missing"
	resultThere   = "there"
	// resultEnded says that the watch ended the work instead.
	resultEnded = "ended"
)

var (
	errStop    = errors.New("the process has come this far")
	errMissing = errors.New("not found")
	errThere   = errors.New("it is there already")
)

// replay is one run of the engine.
type replay struct {
	p       *protocol
	results []string
	next    *step // the first call behind the results
	ended   bool  // the watch has ended the work
	watched bool
	cancel  context.CancelCauseFunc
	// What planted bugs keep in mind of the run.
	listed map[string]string // what was listed before a record was written
	found  bool              // a phase was found when it began
	blind  bool
}

// do makes a call: it returns its result from the log, or stops.
func (r *replay) do(ctx context.Context, s step) (string, error) {
	if r.next != nil {
		return "", errStop
	}
	if err := ctx.Err(); err != nil {
		return "", err
	}
	if r.ended && r.p.watchesItself {
		return "", context.Canceled
	}
	if len(r.results) == 0 {
		s.watched = r.watched
		r.next = &s
		return "", errStop
	}
	result := r.results[0]
	r.results = r.results[1:]
	switch result {
	case resultEnded:
		r.ended = true
		r.cancel(engine.ErrEnded)
		return "", context.Canceled
	case resultMissing:
		return "", errMissing
	case resultThere:
		return "", errThere
	}
	return result, nil
}

// nextOf returns what a process does after it has got some results.
func (p *protocol) nextOf(event cloudevents.Event, results []string) step {
	r := &replay{p: p, results: results, listed: map[string]string{}}
	b := blob.NewBucket(&replayed{r})
	defer func() { _ = b.Close() }()
	e := &engine.Engine{
		Store: job.Store{Bucket: b}, Now: func() time.Time { return epoch }, Log: slog.New(slog.DiscardHandler), Source: "/model", AtOnce: 1,
		Kinds: map[job.Kind]engine.Kind{}, Lasting: func(error) bool { return false },
		Events: eventing.PublisherFunc(r.publish),
		Attempted: func(ctx context.Context, _ *engine.Run, work func(ctx context.Context) error) error {
			ctx, cancel := context.WithCancelCause(ctx)
			r.cancel, r.watched = cancel, true
			err := work(ctx)
			if !p.watchesItself {
				r.watched = false
			}
			if errors.Is(context.Cause(ctx), engine.ErrEnded) {
				err = engine.ErrEnded
			}
			return err
		},
	}
	for _, kind := range []job.Kind{job.KindPlan, job.KindFill, job.KindTiles, job.KindMaps, job.KindAssembly} {
		e.Kinds[kind] = modelKind{r}
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	r.cancel = cancel
	err := e.Handle(ctx, event)
	if r.next == nil {
		return step{op: "return", err: err}
	}
	return *r.next
}

// publish puts an event on its way.
func (r *replay) publish(ctx context.Context, e cloudevents.Event) error {
	if strings.Contains(e.Type(), ".job.") {
		if r.p.notesFirst {
			if _, err := r.do(ctx, step{op: "write", key: announcedKey, data: "noted"}); err != nil {
				return err
			}
		}
		_, err := r.do(ctx, step{op: "publish", key: announcement})
		return err
	}
	t, err := eventing.TaskOf(e)
	if err != nil {
		return err
	}
	if r.p.forgetsToRequest && r.found {
		return nil
	}
	_, err = r.do(ctx, step{op: "publish", key: taskName(t.Phase, t.Task)})
	if next := t.Phase + 1; err == nil && r.p.requestsEarly && next < len(r.p.phases) {
		_, err = r.do(ctx, step{op: "publish", key: taskName(next, "a")})
	}
	return err
}

// modelKind is the work of a task: it reads the objects of the phase before and writes its own.
type modelKind struct{ r *replay }

func (k modelKind) Run(ctx context.Context, run *engine.Run) (any, error) {
	n := run.Phase.Number
	for _, task := range k.r.p.tasks(n - 1) {
		if n < 2 {
			break
		}
		switch _, err := k.r.do(ctx, step{op: "read", key: workKey(n-1, task)}); {
		case errors.Is(err, errMissing) && k.r.p.lateFails:
			return nil, errGone
		case errors.Is(err, errMissing):
			return nil, fmt.Errorf("%w: %w", errGone, engine.ErrGone)
		case err != nil:
			return nil, err
		}
	}
	if n == 0 || k.r.p.recordsFirst {
		return nil, ctx.Err()
	}
	_, err := k.r.do(ctx, step{op: "write", key: workKey(n, run.Task), data: "work"})
	return nil, err
}

// errGone says that a task was done without what it reads.
var errGone = errors.New("a task reads what was removed")

func (k modelKind) Next(_ context.Context, run *engine.Run, _ []job.Record) (*job.Phase, error) {
	return k.r.p.phase(run.Phase.Number + 1), nil
}

func (k modelKind) Release(ctx context.Context, run *engine.Run, _ *job.Phase) {
	n := run.Phase.Number - 1
	if k.r.p.releasesEarly {
		n++
	}
	if n < 1 {
		return
	}
	for _, task := range k.r.p.tasks(n) {
		_, _ = k.r.do(ctx, step{op: "delete", key: workKey(n, task)})
	}
}

// replayed is the bucket of a replay.
type replayed struct{ *replay }

func (b *replayed) ErrorCode(err error) gcerrors.ErrorCode {
	switch {
	case errors.Is(err, errMissing):
		return gcerrors.NotFound
	case errors.Is(err, errThere):
		return gcerrors.FailedPrecondition
	}
	return gcerrors.Unknown
}
func (b *replayed) As(any) bool             { return false }
func (b *replayed) ErrorAs(error, any) bool { return false }
func (b *replayed) Close() error            { return nil }
func (b *replayed) Copy(context.Context, string, string, *driver.CopyOptions) error {
	return errors.New("nothing is copied")
}

func (b *replayed) SignedURL(context.Context, string, *driver.SignedURLOptions) (string, error) {
	return "", errors.New("nothing is signed")
}

func (b *replayed) Attributes(ctx context.Context, key string) (*driver.Attributes, error) {
	data, err := b.do(ctx, step{op: "read", key: key})
	return &driver.Attributes{Size: int64(len(data)), ModTime: epoch}, err
}

func (b *replayed) NewRangeReader(ctx context.Context, key string, _, _ int64, _ *driver.ReaderOptions) (driver.Reader, error) {
	data, err := b.do(ctx, step{op: "read", key: key})
	if errors.Is(err, errMissing) {
		if n, ok := phaseOf(key); ok && b.p.doesNotWait {
			data, err = b.p.encoded(n), nil
		}
		if strings.Contains(key, "/phases/") && b.blind {
			data, err = `{}`, nil
		}
	}
	if err != nil {
		return nil, err
	}
	if b.p.endsOnce && strings.HasSuffix(key, "/end.json") {
		data = strings.ReplaceAll(data, `"event"`, `"somebody"`)
	}
	return &replayedReader{strings.NewReader(data), int64(len(data))}, nil
}

type replayedReader struct {
	io.Reader
	size int64
}

func (r *replayedReader) Close() error { return nil }
func (r *replayedReader) Attributes() *driver.ReaderAttributes {
	return &driver.ReaderAttributes{Size: r.size, ModTime: epoch}
}
func (r *replayedReader) As(any) bool { return false }

func (b *replayed) ListPaged(ctx context.Context, opts *driver.ListOptions) (*driver.ListPage, error) {
	keys, ok := b.listed[opts.Prefix]
	if !ok {
		var err error
		if keys, err = b.do(ctx, step{op: "list", key: opts.Prefix}); err != nil {
			return nil, err
		}
	}
	if b.p.goesOnEarly && opts.Delimiter == "" {
		b.blind = true
		if n, ok := phaseOf(strings.TrimSuffix(opts.Prefix, "/") + ".json"); ok {
			keys = ""
			for _, task := range b.p.tasks(n) {
				keys += recordKey(n, task) + "\n"
			}
		}
	}
	page := new(driver.ListPage)
	for _, key := range strings.Fields(keys) {
		if opts.Delimiter != "" && strings.Contains(strings.TrimPrefix(key, opts.Prefix), opts.Delimiter) {
			continue
		}
		if _, ok := phaseOf(key); ok {
			b.found = true
		}
		page.Objects = append(page.Objects, &driver.ListObject{Key: key, ModTime: epoch})
	}
	return page, nil
}

func (b *replayed) Delete(ctx context.Context, key string, _ *driver.DeleteOptions) error {
	_, err := b.do(ctx, step{op: "delete", key: key})
	return err
}

func (b *replayed) NewTypedWriter(ctx context.Context, key, _ string, opts *driver.WriterOptions) (driver.Writer, error) {
	return &replayedWriter{b: b, ctx: ctx, step: step{op: "write", key: key, once: opts.IfNotExist}}, nil
}

type replayedWriter struct {
	bytes.Buffer
	b    *replayed
	ctx  context.Context
	step step
}

func (w *replayedWriter) Close() error {
	s, p := w.step, w.b.p
	s.data = w.String()
	switch {
	case p.endsTwice && strings.HasSuffix(s.key, "/end.json"), p.plansTwice && isPhase(s.key):
		s.once = false
	case p.notesFirst && s.key == announcedKey:
		return nil
	}
	n, task, isRecord := recordOf(s.key)
	if isRecord && p.looksEarly {
		prefix := strings.TrimSuffix(s.key, task+".json")
		keys, err := w.b.do(w.ctx, step{op: "list", key: prefix})
		if err != nil {
			return err
		}
		w.b.listed[prefix] = keys
	}
	_, err := w.b.do(w.ctx, s)
	if isRecord && p.recordsFirst && n > 0 && err == nil {
		_, err = w.b.do(w.ctx, step{op: "write", key: workKey(n, task), data: "work"})
	}
	return err
}

func isPhase(key string) bool {
	_, ok := phaseOf(key)
	return ok
}

// phaseOf returns the number of a phase by its key.
func phaseOf(key string) (n int, ok bool) {
	_, err := fmt.Sscanf(key, job.Prefix(modelID)+"phases/%04d.json", &n)
	return n, err == nil && key == fmt.Sprintf("%sphases/%04d.json", job.Prefix(modelID), n)
}

// recordOf returns the phase and the task of a record by its key.
func recordOf(key string) (n int, task string, ok bool) {
	rest, ok := strings.CutPrefix(key, job.Prefix(modelID)+"phases/")
	folder, file, nested := strings.Cut(rest, "/")
	if !ok || !nested {
		return 0, "", false
	}
	_, err := fmt.Sscanf(folder, "%04d", &n)
	return n, strings.TrimSuffix(file, ".json"), err == nil
}
