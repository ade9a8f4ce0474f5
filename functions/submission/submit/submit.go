// Package submit makes jobs of DEMs and parameters, and ends them.
package submit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"

	"github.com/cyverse-gis/eemt/eventing"
	"github.com/cyverse-gis/eemt/functions/submission/access"
	"github.com/cyverse-gis/eemt/functions/submission/inputs"
	"github.com/cyverse-gis/eemt/functions/submission/legacy"
	"github.com/cyverse-gis/eemt/functions/submission/problem"
	"github.com/cyverse-gis/eemt/functions/submission/quota"
	"github.com/cyverse-gis/eemt/shared/climate"
	"github.com/cyverse-gis/eemt/shared/fault"
	"github.com/cyverse-gis/eemt/shared/inspect"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/job/inuse"
	"github.com/cyverse-gis/eemt/shared/outbound"
	"github.com/cyverse-gis/eemt/shared/param"
)

// Source is the CloudEvents source of what this function emits.
const Source = "/eemt/submission"

// Submitter makes jobs.
type Submitter struct {
	Store  job.Store
	Events eventing.Publisher
	Inputs *inputs.Store
	Now    func() time.Time
	// NewID returns a fresh ULID.
	NewID func() string
	Log   *slog.Logger
	// Version of the program.
	Version string
	// Limits refuses jobs that are too large; nil allows all.
	Limits Limits
	// Room refuses a job on a DEM of width x height cells, in a file of dem bytes, for which there is no room; nil
	// does not look.
	Room func(w param.Workflow, p param.Parameters, width, height int, dem int64) error
	// Quota bounds the jobs of an owner, by what Estimate says; without Estimate nothing is bounded.
	Quota    quota.Book
	Estimate func(w param.Workflow, p param.Parameters, width, height int) inspect.Work
	// DEMHosts are the hosts that a DEM may be fetched from.
	DEMHosts outbound.Hosts
}

// Limits says which jobs are larger than what is allowed, in a sentence with the numbers.
type Limits interface {
	// CheckDEM refuses a DEM of width x height cells that no job may be made of.
	CheckDEM(width, height int) error
	// Check refuses a job on a DEM of width x height cells.
	Check(w param.Workflow, p param.Parameters, width, height int) error
}

// Allowed refuses a job that is larger than what is allowed or than what there is room for.
func (s *Submitter) Allowed(w param.Workflow, p param.Parameters, size inputs.Extent) error {
	if s.Limits != nil {
		if err := s.Limits.Check(w, p, size.Width, size.Height); err != nil {
			return problem.Invalid(err)
		}
	}
	if s.Room != nil {
		if err := s.Room(w, p, size.Width, size.Height, size.Bytes); err != nil {
			return fault.New(fault.NoRoom, err)
		}
	}
	return nil
}

// CheckSize refuses a job whose DEM cannot be read, or that is larger than what is allowed or than what there is room for,
// before anything is made of it.
func (s *Submitter) CheckSize(ctx context.Context, w param.Workflow, p param.Parameters, d inputs.DEM) (inputs.Extent, error) {
	size, err := s.Inputs.ExtentFor(ctx, d, p)
	if err == nil {
		err = s.Allowed(w, p, size)
	}
	return size, err
}

// Order is a job that is asked for.
type Order struct {
	Workflow   param.Workflow
	Parameters param.Parameters
	DEM        inputs.DEM
	// Delivery of the results; nil where the client did not say.
	Delivery *job.Delivery
	// Fresh asks for another job where one with the same work stands.
	Fresh bool
	// Apart makes a job that is not found by its work, and looks for none.
	Apart bool
}

// Made is what came of an order.
type Made struct {
	// Request is the job's; of an existing one it has the id alone.
	job.Request
	// Extent of the DEM.
	Extent inputs.Extent
	// Existing says that the job was made before: nothing that came with the order is used.
	Existing bool
}

// Submit validates, writes job.json, then announces the job. When the announcement fails the job is not lost: the resume tick
// makes it again. Where a job of the same owner with the same work goes on, or is completed and has its data, it is returned
// instead.
func (s *Submitter) Submit(ctx context.Context, o Order) (Made, error) {
	w, p := o.Workflow, o.Parameters
	if err := Validate(w, p); err != nil {
		return Made{}, err
	}
	size, err := s.CheckSize(ctx, w, p, o.DEM)
	if err != nil {
		return Made{}, inputs.Called(o.DEM.Name, err)
	}
	if err := s.Inputs.CheckRasters(ctx, &p); err != nil {
		return Made{}, err
	}
	r := job.Request{
		ID: s.NewID(), Workflow: w, Parameters: p, DEM: o.DEM.DEM, Created: s.Now().UTC(),
		Fingerprint: job.Fingerprint(s.Version, w, p, o.DEM.SHA256), Delivery: o.Delivery, Owner: access.From(ctx).Owner,
	}
	for _, key := range r.Inputs() {
		if err := inputs.Mine(ctx, key); err != nil {
			return Made{}, err
		}
	}
	if !o.Apart {
		work, err := s.work(ctx, r)
		if err != nil {
			return Made{}, err
		}
		// A subscriber is called for a job of its own.
		fresh := o.Fresh || o.Delivery != nil && o.Delivery.Subscriber != nil
		existing, err := s.enter(ctx, &r, work, fresh)
		if err != nil {
			return Made{}, err
		}
		if existing != "" {
			return Made{job.Request{ID: existing}, size, true}, nil
		}
	}
	if err := s.create(ctx, r, size); err != nil {
		return Made{}, err
	}
	s.Announce(ctx, r)
	s.Inputs.NoteSum(ctx, o.DEM)
	return Made{Request: r, Extent: size}, nil
}

// create writes the records of a job. One that is refused is not found by its work.
func (s *Submitter) create(ctx context.Context, r job.Request, size inputs.Extent) error {
	err := s.take(ctx, r, size)
	if err == nil {
		err = inuse.Use(ctx, s.Store, r)
		if errors.Is(err, inuse.ErrInputGone) {
			err = errors.Join(problem.Invalid(err), s.Quota.Return(ctx, r.Owner, r.ID))
		}
	}
	if err != nil {
		return errors.Join(err, s.Store.DropEqual(context.WithoutCancel(ctx), r.ID, r.Equal))
	}
	return s.Store.Create(ctx, r) // after a fault the job may stand all the same
}

// take counts a job against the quota of its owner.
func (s *Submitter) take(ctx context.Context, r job.Request, size inputs.Extent) error {
	if s.Estimate == nil {
		return nil
	}
	work := s.Estimate(r.Workflow, r.Parameters, size.Width, size.Height)
	return s.Quota.Take(ctx, r.Owner, r.ID, work.Seconds*float64(work.Cores)/3600, work.Results)
}

// Announce publishes that a job was submitted. What fails here the next resume tick does.
func (s *Submitter) Announce(ctx context.Context, r job.Request) {
	s.Log.Info("job submitted", "job", r.ID, "workflow", string(r.Workflow), "dem", r.DEM.Name, "owner", r.Owner)
	if err := s.Events.Publish(ctx, eventing.NewJobSubmitted(Source, r.ID, 0, r.Created)); err != nil {
		s.Log.Warn("announcing the job failed; the next resume tick will", "job", r.ID, "error", err)
	}
}

// announcing bounds how long the request that ends a job may take to announce that, also when the client has gone.
const announcing = 30 * time.Second

// AnnounceEnd publishes how a job ended, and notes that it did. What fails here the next resume tick does.
func (s *Submitter) AnnounceEnd(ctx context.Context, id string, e event.Event) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), announcing)
	defer cancel()
	err := s.Events.Publish(ctx, e)
	if err == nil {
		err = s.Store.MarkAnnounced(ctx, id, s.Now())
	}
	if err != nil {
		s.Log.Warn("announcing the end of the job failed; a resume tick will", "job", id, "error", err)
	}
}

// Validate checks what can be checked without reading anything.
func Validate(w param.Workflow, p param.Parameters) error {
	if err := p.Validate(w); err != nil {
		return problem.Invalid(err)
	}
	if w == param.EEMT {
		if _, err := climate.ParseSpec(p.Climate, p.ClimateElevation, p.ClimateUnits); err != nil {
			return problem.Invalid(err)
		}
	}
	return nil
}

// Cancel ends a job that goes on. It returns the status that then stands.
func (s *Submitter) Cancel(ctx context.Context, id string) (job.Status, error) {
	if _, err := s.Store.Request(ctx, id); err != nil {
		return job.Status{}, err
	}
	at := s.Now().UTC()
	_, won, err := s.Store.WriteEnd(ctx, id, job.End{State: job.Cancelled, Reason: "Job cancelled by user", Ended: at, Event: "cancel." + s.NewID()})
	if err != nil {
		return job.Status{}, err
	}
	if won {
		s.AnnounceEnd(ctx, id, eventing.NewJobCancelled(Source, id, 0, at))
		return s.Store.Status(ctx, id)
	}
	st, err := s.Store.Status(ctx, id)
	if err != nil {
		return st, err
	}
	return st, problem.Invalid(problem.OldWords(fmt.Sprintf("Job is not running (status: %s)", legacy.State(st))))
}
