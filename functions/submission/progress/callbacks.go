package progress

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"

	"github.com/cyverse-gis/eemt/eventing"
	"github.com/cyverse-gis/eemt/functions/submission/answer"
	"github.com/cyverse-gis/eemt/functions/submission/joblist"
	"github.com/cyverse-gis/eemt/functions/submission/ogc"
	"github.com/cyverse-gis/eemt/functions/submission/problem"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/outbound"
)

// CallbackEvents are the types of the events that Notify acts on.
func CallbackEvents() []string {
	return []string{eventing.JobSubmitted, eventing.TilesCompleted, eventing.JobCompleted, eventing.JobFailed, eventing.JobCancelled}
}

// callbackTimeout bounds one call.
const callbackTimeout = 10 * time.Second

// Callbacks calls the subscribers of jobs.
type Callbacks struct {
	Store     job.Store
	Jobs      joblist.Reader
	Processes ogc.Catalogue
	// Hosts are those that may be called.
	Hosts outbound.Hosts
	Log   *slog.Logger
}

// Check refuses addresses that may not be called.
func (b *Callbacks) Check(sub *job.Subscriber) error {
	for _, u := range []struct{ name, address string }{
		{"successUri", sub.Success}, {"inProgressUri", sub.InProgress}, {"failedUri", sub.Failed},
	} {
		if u.address == "" {
			continue
		}
		if err := b.Hosts.Check("subscriber."+u.name, u.address); err != nil {
			return problem.Bad("subscriber."+u.name, u.address, "an address on a host that the operator allows", err.Error())
		}
	}
	return nil
}

// Notify calls the subscriber of a job with what an event says. The end of a job is told at least once: an error means
// that the event should be delivered again. Progress is told once, and lost if the subscriber does not answer.
func (b *Callbacks) Notify(ctx context.Context, e event.Event) error {
	j, err := eventing.JobOf(e)
	if err != nil {
		return err
	}
	r, err := b.Store.Request(ctx, j.JobID)
	if errors.Is(err, job.ErrNotFound) || errors.Is(err, job.ErrDamaged) {
		return nil // removed meanwhile
	}
	if err == nil && r.Delivery != nil && r.Delivery.Subscriber != nil {
		err = b.tell(ctx, r, e.Type())
	}
	if err != nil && (e.Type() == eventing.JobSubmitted || e.Type() == eventing.TilesCompleted) {
		// These events are work for others: given up for a subscriber's sake they would end the job.
		b.Log.Warn("the subscriber was not told", "job", j.JobID, "event", e.Type(), "error", err)
		return nil
	}
	return err
}

// tell calls the address for what has become of a job, which its records say: an event only makes somebody look. What was told
// is noted, so that an event which somebody repeats, or makes up, calls nobody.
func (b *Callbacks) tell(ctx context.Context, r job.Request, kind string) error {
	st, err := b.Jobs.Status(ctx, r.ID)
	if err != nil {
		return err
	}
	ends := kind == eventing.JobCompleted || kind == eventing.JobFailed || kind == eventing.JobCancelled
	if ends != st.Ended() || st.Expired != nil {
		b.Log.Info("an event does not say what the job's records say: its subscriber is not called", "job", r.ID, "event", kind, "status", st.State)
		return nil
	}
	said := "end"
	if !ends {
		said = kind
	}
	told := job.Prefix(r.ID) + "told/" + said + ".json"
	if done, err := b.Store.Bucket.Exists(ctx, told); err != nil || done {
		return err
	}
	called, err := b.callFor(ctx, r, st)
	if err != nil || !called {
		return err
	}
	_, err = b.Store.WriteOnce(ctx, told, map[string]any{"at": b.Jobs.Now().UTC(), "state": st.State})
	return err
}

// callFor calls the address for the state of a job, if its subscriber gave one.
func (b *Callbacks) callFor(ctx context.Context, r job.Request, st job.Status) (called bool, err error) {
	sub, base := r.Delivery.Subscriber, r.Delivery.Base
	var address string
	var body any = ogc.Status(st, base)
	switch st.State {
	case job.Completed:
		address = sub.Success
		p, err := b.Processes.Process(string(r.Workflow), base)
		if err != nil {
			return false, err
		}
		links := map[string]ogc.Link{}
		for _, name := range p.Asked(r.Delivery) {
			if file, ok := p.File(name, r); ok {
				links[name] = ogc.Link{Href: base + "/jobs/" + r.ID + "/results/" + file, Type: answer.ContentType(file), Title: name}
			}
		}
		body = links
	case job.Failed, job.Cancelled:
		address = sub.Failed
	default:
		address = sub.InProgress
	}
	if address == "" {
		return false, nil
	}
	return true, b.call(ctx, r.ID, address, body)
}

// call posts a document to a subscriber. The address is checked again: the list
// of hosts may have become shorter.
func (b *Callbacks) call(ctx context.Context, id, address string, body any) error {
	if err := b.Hosts.Check("subscriber", address); err != nil {
		b.Log.Warn("callback refused", "job", id, "error", err)
		return nil
	}
	data, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(data))
	if err != nil {
		return eventing.Reject(err)
	}
	req.Header.Set("Content-Type", ogc.JSON)
	req.Header.Set("Link", fmt.Sprintf(`</jobs/%s>; rel="monitor"`, id))
	res, err := b.Hosts.Client(callbackTimeout).Do(req)
	if err != nil {
		return fmt.Errorf("call the subscriber of job %s: %w", id, err)
	}
	defer func() { _ = res.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 64<<10))
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("call the subscriber of job %s: it answered %s", id, res.Status)
	}
	return nil
}
