package job

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"gocloud.dev/blob"
)

// Kind is what the tasks of a phase do.
type Kind string

// The kinds of phases, in their order. Fill, area and wetness are there where the terrain is followed by tasks, as many of
// the first two as it takes; maps where the assembly would take long.
const (
	KindPlan     Kind = "plan"
	KindFill     Kind = "fill"
	KindArea     Kind = "area"
	KindWetness  Kind = "wetness"
	KindTiles    Kind = "tiles"
	KindMaps     Kind = "maps"
	KindAssembly Kind = "assembly"
)

// OfTerrain reports whether tasks of this kind follow the water over the terrain.
func (k Kind) OfTerrain() bool { return k == KindFill || k == KindArea || k == KindWetness }

// Phase is phases/NNNN.json: tasks of one kind, which may go on at the same time. It is written once, when every task of
// the phase before has its record; the first one that is written stands.
type Phase struct {
	Number int    `json:"number"`
	Kind   Kind   `json:"kind"`
	Tasks  []Task `json:"tasks"`
	// Share of the terrain that is done, 0 to 1, as far as it can be foreseen.
	Share   float64   `json:"share,omitempty"`
	Created time.Time `json:"created"`
	// Data is what tasks of this kind need to know beside the plan. Only compute reads it.
	Data json.RawMessage `json:"data,omitempty"`
}

// Task is one of the tasks of a phase.
type Task struct {
	// Name is unique in the phase: 1 to 128 letters, digits and '-'.
	Name string `json:"name"`
	// Size counts the windows of terrain that the task works on; 0 for other kinds.
	Size int `json:"size,omitempty"`
}

// PlanPhase is the phase that every job begins with. It is not written.
func PlanPhase() *Phase { return &Phase{Kind: KindPlan, Tasks: []Task{{Name: PlanTask}}} }

// The names of the only tasks of their phases.
const (
	PlanTask     = "plan"
	AssemblyTask = "assembly"
)

// Ref returns the reference to a task of the phase.
func (p *Phase) Ref(task string) TaskRef { return TaskRef{Phase: p.Number, Kind: p.Kind, Task: task} }

// Missing returns the tasks that are not among the finished ones, in their order.
func (p *Phase) Missing(finished map[string]time.Time) []Task {
	var tasks []Task
	for _, t := range p.Tasks {
		if _, ok := finished[t.Name]; !ok {
			tasks = append(tasks, t)
		}
	}
	return tasks
}

// TaskRef refers to a task of a job.
type TaskRef struct {
	Phase int
	Kind  Kind
	Task  string
}

// String names the task in a sentence.
func (t TaskRef) String() string {
	switch {
	case t.Kind == KindPlan:
		return "planning"
	case t.Kind == KindMaps:
		return "group " + t.Task + " of the maps"
	case t.Kind == KindAssembly:
		return "assembly of the maps"
	case t.Kind.OfTerrain():
		return fmt.Sprintf("window %s of stage %d of the terrain", t.Task, t.Phase)
	}
	return "tile " + t.Task
}

// Record is phases/NNNN/TASK.json: a finished task. Its output objects are complete before it exists.
type Record struct {
	Task    string    `json:"task"`
	Attempt int       `json:"attempt"`
	Seconds float64   `json:"seconds"`
	Ended   time.Time `json:"ended"`
	// Result is what the task found. Only compute reads it.
	Result json.RawMessage `json:"result,omitempty"`
}

func phasesPrefix(id string) string { return Prefix(id) + "phases/" }

func phaseKey(id string, n int) string { return fmt.Sprintf("%s%04d.json", phasesPrefix(id), n) }

func phaseFolder(id string, n int) string { return fmt.Sprintf("%s%04d/", phasesPrefix(id), n) }

func requestedKey(id string, n int) string {
	return fmt.Sprintf("%s%04d.requested", phasesPrefix(id), n)
}

// WritePhase writes the record of a phase, and reports whether this call did: the first stands.
func (s Store) WritePhase(ctx context.Context, id string, p *Phase) (bool, error) {
	return s.WriteOnce(ctx, phaseKey(id, p.Number), p)
}

// Phase reads the record of a phase; ErrNotFound when the phase before is not complete. Phase 0 is always there.
func (s Store) Phase(ctx context.Context, id string, n int) (*Phase, error) {
	if n == 0 {
		return PlanPhase(), nil
	}
	p := new(Phase)
	if err := s.Read(ctx, phaseKey(id, n), p); err != nil {
		return nil, err
	}
	if p.Number != n || len(p.Tasks) == 0 {
		return nil, fmt.Errorf("%w: %s has the number %d and %d tasks", ErrDamaged, phaseKey(id, n), p.Number, len(p.Tasks))
	}
	return p, nil
}

// NewestPhase reads the last phase that was written; ErrNotFound when there is none.
func (s Store) NewestPhase(ctx context.Context, id string) (*Phase, error) {
	p, _, err := s.newestPhase(ctx, id)
	return p, err
}

// newestPhase is NewestPhase with the time when the phase was written, by the bucket's clock.
func (s Store) newestPhase(ctx context.Context, id string) (*Phase, time.Time, error) {
	newest := 0
	var at time.Time
	prefix := phasesPrefix(id)
	it := s.Bucket.List(&blob.ListOptions{Prefix: prefix, Delimiter: "/"})
	for {
		o, err := it.Next(ctx)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, at, fmt.Errorf("list %s: %w", prefix, err)
		}
		var n int
		if _, err := fmt.Sscanf(strings.TrimPrefix(o.Key, prefix), "%d.json", &n); err == nil && n > newest && o.Key == phaseKey(id, n) {
			newest, at = n, o.ModTime
		}
	}
	if newest == 0 {
		return nil, at, fmt.Errorf("phases of job %s: %w", id, ErrNotFound)
	}
	p, err := s.Phase(ctx, id, newest)
	return p, at, err
}

// TilePhase reads the phase whose tasks are the tiles; ErrNotFound when the job is not that far.
func (s Store) TilePhase(ctx context.Context, id string) (*Phase, error) {
	p, err := s.NewestPhase(ctx, id)
	for err == nil && p.Kind != KindTiles { // of the phases behind it there are at most three
		if p.Kind.OfTerrain() || p.Number <= 1 {
			return nil, fmt.Errorf("tiles of job %s: %w", id, ErrNotFound)
		}
		p, err = s.Phase(ctx, id, p.Number-1)
	}
	return p, err
}

// WriteRecord records a finished task of a phase. The first record stands.
func (s Store) WriteRecord(ctx context.Context, id string, phase int, r Record) error {
	_, err := s.WriteOnce(ctx, phaseFolder(id, phase)+r.Task+".json", r)
	return err
}

// Record reads the record of a task; ErrNotFound when it is not finished.
func (s Store) Record(ctx context.Context, id string, phase int, task string) (Record, error) {
	var r Record
	err := s.Read(ctx, phaseFolder(id, phase)+task+".json", &r)
	return r, err
}

// Finished lists the tasks of a phase that have their record, with the time when it was written.
func (s Store) Finished(ctx context.Context, id string, phase int) (map[string]time.Time, error) {
	done := map[string]time.Time{}
	prefix := phaseFolder(id, phase)
	err := s.Objects(ctx, prefix, func(o *blob.ListObject) error {
		if task, ok := strings.CutSuffix(strings.TrimPrefix(o.Key, prefix), ".json"); ok {
			done[task] = o.ModTime
		}
		return nil
	})
	return done, err
}

// Done lists the finished tiles, with the time when their records were written.
func (s Store) Done(ctx context.Context, id string) (map[string]time.Time, error) {
	p, err := s.TilePhase(ctx, id)
	if errors.Is(err, ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return s.Finished(ctx, id, p.Number)
}

// MarkRequested notes that all tasks of a phase were requested.
func (s Store) MarkRequested(ctx context.Context, id string, phase int) error {
	if err := s.Bucket.WriteAll(ctx, requestedKey(id, phase), nil, nil); err != nil {
		return fmt.Errorf("write %s: %w", requestedKey(id, phase), err)
	}
	return nil
}

// Requested reports whether MarkRequested was called.
func (s Store) Requested(ctx context.Context, id string, phase int) (bool, error) {
	return s.Bucket.Exists(ctx, requestedKey(id, phase))
}

// TerrainStatus is how far the terrain of a job is.
type TerrainStatus struct {
	Number int
	Kind   Kind
	// Done and Planned count the windows of the phase.
	Done, Planned int
	// Share of the terrain that is done, 0 to 1.
	Share float64
}

// Message says in a few words what is being done.
func (s TerrainStatus) Message() string {
	what := map[Kind]string{
		KindFill: "depressions are filled", KindArea: "contributing area is summed", KindWetness: "wetness is computed",
	}[s.Kind]
	return fmt.Sprintf("%s: %d of %d windows of stage %d are done", what, s.Done, s.Planned, s.Number)
}

// progress derives how far a job is from its newest phase.
func (s Store) progress(ctx context.Context, plan Plan, st *Status) error {
	id := st.Request.ID
	phase, at, err := s.newestPhase(ctx, id)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	st.moved(at)
	finished, err := s.Finished(ctx, id, phase.Number)
	if err != nil {
		return err
	}
	done := 0
	for _, t := range phase.Tasks {
		if at, ok := finished[t.Name]; ok {
			done += max(1, t.Size)
			st.moved(at)
		}
	}
	switch {
	case phase.Kind.OfTerrain() && st.Planned > 0: // the phase of the tiles is being written
		return nil
	case phase.Kind.OfTerrain():
		st.Terrain = &TerrainStatus{Number: phase.Number, Kind: phase.Kind, Done: done, Share: phase.Share}
		for _, t := range phase.Tasks {
			st.Terrain.Planned += max(1, t.Size)
		}
		return nil
	case phase.Kind == KindTiles:
		st.Done = done
	default:
		st.Done = st.Planned
	}
	if st.Done < st.Planned {
		st.Working, err = s.inWork(ctx, id, finished)
		return err
	}
	st.MapsPlanned = plan.Maps
	return s.Objects(ctx, ResultKey(id, ""), func(o *blob.ListObject) error {
		if strings.HasSuffix(o.Key, ".tif") {
			st.Maps++
		}
		st.moved(o.ModTime)
		return nil
	})
}

// ScratchFolder is where, among the work files, phases of the terrain keep what the next ones read.
const ScratchFolder = "terrain/scratch/"
