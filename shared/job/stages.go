package job

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"time"

	"gocloud.dev/blob"

	"github.com/cyverse-gis/eemt/shared/terrain"
)

// Draft is draft.json: the plan of a job whose terrain is followed in stages, but
// for what the last of them finds.
type Draft struct {
	Plan *Plan `json:"plan"`
	// Side of the tiles of the terrain, in cells.
	Side int `json:"side"`
	// Together is how many windows of the terrain a task has, 1 where nothing is said.
	Together int `json:"together,omitempty"`
}

// Tiling cuts the terrain into tiles.
func (d *Draft) Tiling() terrain.Tiling {
	return terrain.Tiling{Width: d.Plan.Width, Height: d.Plan.Height, Side: d.Side}
}

// ScratchName is the work file of a tile's quantity as a stage left it.
func ScratchName(what string, stage int, tile terrain.Place) string {
	return fmt.Sprintf("terrain/%s_%04d_%s.bin", what, stage, TaskName(tile.Row, tile.Col))
}

// IsScratch reports whether an object of a job, without its prefix, is such a file.
func IsScratch(name string) bool {
	return strings.HasPrefix(name, "work/terrain/") && strings.HasSuffix(name, ".bin")
}

// StageKind is what the tasks of a stage do.
type StageKind string

// The kinds of stages, in their order; there are as many of the first two as it takes.
const (
	FillStage    StageKind = "fill"
	AreaStage    StageKind = "area"
	WetnessStage StageKind = "wetness"
)

// Stage is stages/<n>.json: tasks that can go on at the same time, with all
// that they need to know. It is made when all of the stage before are done.
type Stage struct {
	Number int       `json:"number"`
	Kind   StageKind `json:"kind"`
	// Windows are the places of the windows of the terrain's tiling that are worked on;
	// Together is how many of them a task has, 1 where nothing is said.
	Windows  []terrain.Place `json:"windows"`
	Together int             `json:"together,omitempty"`
	// Filled and Area tell of each tile, row by row, which stage wrote it last; 0 for none.
	Filled []int `json:"filled,omitempty"`
	Area   []int `json:"area,omitempty"`
	// News is what no window was taken for yet.
	News []terrain.News `json:"news,omitempty"`
	// Known counts the cells whose area was known before this stage.
	Known int `json:"known,omitempty"`
	// Share of the terrain that is done, 0 to 1, as far as it can be foreseen.
	Share   float64   `json:"share"`
	Created time.Time `json:"created"`
}

// Tasks yields the tasks of the stage by name, with their windows.
func (s *Stage) Tasks() iter.Seq2[string, []terrain.Place] {
	return func(yield func(string, []terrain.Place) bool) {
		for windows := range slices.Chunk(s.Windows, max(1, s.Together)) {
			if !yield(StageTask(s.Number, windows[0]), windows) {
				return
			}
		}
	}
}

// WindowsOf returns the windows of a task; none when the stage has no such task.
func (s *Stage) WindowsOf(task string) []terrain.Place {
	for name, windows := range s.Tasks() {
		if name == task {
			return windows
		}
	}
	return nil
}

// StageTask names the task of a stage whose first window is at a place.
func StageTask(stage int, at terrain.Place) string {
	return fmt.Sprintf("s%04d-%s", stage, TaskName(at.Row, at.Col))
}

// StageOf returns the number of the stage that a task belongs to; false for a tile.
func StageOf(task string) (int, bool) {
	var n, row, col int
	if _, err := fmt.Sscanf(task, "s%d-r%dc%d", &n, &row, &col); err != nil || n < 1 || row < 0 || col < 0 {
		return 0, false
	}
	return n, task == StageTask(n, terrain.Place{Col: col, Row: row})
}

// Found is stages/<n>/<task>.json: a finished task of a stage. Its output objects
// are complete before it exists.
type Found struct {
	Task    string    `json:"task"`
	Attempt int       `json:"attempt"`
	Seconds float64   `json:"seconds"`
	Ended   time.Time `json:"ended"`
	// Wrote are the tiles that the task wrote.
	Wrote []terrain.Place `json:"wrote,omitempty"`
	// News for the windows around.
	News []terrain.News `json:"news,omitempty"`
	// Known counts the cells whose area became known.
	Known int `json:"known,omitempty"`
	// Floored counts the cells whose wetness was raised to its floor; Sloping says
	// that some cell has a slope.
	Floored int  `json:"floored,omitempty"`
	Sloping bool `json:"sloping,omitempty"`
	// Wetness is summed by climate year.
	Wetness map[int]terrain.WetnessSum `json:"wetness,omitempty"`
}

// Add adds what the task found in another window.
func (f *Found) Add(o Found) {
	f.Wrote, f.News = append(f.Wrote, o.Wrote...), append(f.News, o.News...)
	f.Known, f.Floored, f.Sloping = f.Known+o.Known, f.Floored+o.Floored, f.Sloping || o.Sloping
	for year, sum := range o.Wetness {
		if f.Wetness == nil {
			f.Wetness = map[int]terrain.WetnessSum{}
		}
		all := f.Wetness[year]
		all.Add(sum)
		f.Wetness[year] = all
	}
}

// StageStatus is how far the terrain of a job is.
type StageStatus struct {
	Number int
	Kind   StageKind
	// Done and Planned count the windows of the stage.
	Done, Planned int
	// Share of the terrain that is done, 0 to 1.
	Share float64
}

// Message says in a few words what is being done.
func (s StageStatus) Message() string {
	what := map[StageKind]string{
		FillStage: "depressions are filled", AreaStage: "contributing area is summed", WetnessStage: "wetness is computed",
	}[s.Kind]
	return fmt.Sprintf("%s: %d of %d windows of stage %d are done", what, s.Done, s.Planned, s.Number)
}

// WriteDraft writes draft.json unless there is one, and returns the one that stands.
func (s Store) WriteDraft(ctx context.Context, id string, d *Draft) (*Draft, error) {
	won, err := s.once(ctx, Prefix(id)+"draft.json", d)
	if err != nil || won {
		return d, err
	}
	return s.Draft(ctx, id)
}

// Draft reads draft.json; ErrNotFound when there is none.
func (s Store) Draft(ctx context.Context, id string) (*Draft, error) {
	d := new(Draft)
	if err := s.read(ctx, Prefix(id)+"draft.json", d); err != nil {
		return nil, err
	}
	if d.Plan == nil || d.Side < 2 || d.Plan.Width < 1 || d.Plan.Height < 1 {
		return nil, fmt.Errorf("%w: draft.json of job %s has no terrain", ErrDamaged, id)
	}
	return d, nil
}

func stagesPrefix(id string) string { return Prefix(id) + "stages/" }

func stageKey(id string, n int) string { return fmt.Sprintf("%s%04d.json", stagesPrefix(id), n) }

func stageFolder(id string, n int) string { return fmt.Sprintf("%s%04d/", stagesPrefix(id), n) }

// WriteStage writes the record of a stage, and reports whether this call did: the first stands.
func (s Store) WriteStage(ctx context.Context, id string, st *Stage) (bool, error) {
	return s.once(ctx, stageKey(id, st.Number), st)
}

// Stage reads the record of a stage; ErrNotFound when it is not made yet.
func (s Store) Stage(ctx context.Context, id string, n int) (*Stage, error) {
	st := new(Stage)
	return st, s.read(ctx, stageKey(id, n), st)
}

// NewestStage finds the last stage that was made; ErrNotFound when there is none.
func (s Store) NewestStage(ctx context.Context, id string) (*Stage, error) {
	n, _, err := s.newestStage(ctx, id)
	if err != nil {
		return nil, err
	}
	if n == 0 {
		return nil, fmt.Errorf("stages of job %s: %w", id, ErrNotFound)
	}
	return s.Stage(ctx, id, n)
}

// newestStage returns the number of the last stage, 0 without any, and when it was made.
func (s Store) newestStage(ctx context.Context, id string) (newest int, at time.Time, err error) {
	prefix := stagesPrefix(id)
	it := s.Bucket.List(&blob.ListOptions{Prefix: prefix, Delimiter: "/"})
	for {
		o, err := it.Next(ctx)
		if errors.Is(err, io.EOF) {
			return newest, at, nil
		}
		if err != nil {
			return 0, at, fmt.Errorf("list %s: %w", prefix, err)
		}
		var n int
		if _, err := fmt.Sscanf(strings.TrimPrefix(o.Key, prefix), "%d.json", &n); err == nil && n > newest && o.Key == stageKey(id, n) {
			newest, at = n, o.ModTime
		}
	}
}

// WriteFound records a finished task of a stage. The first record stands.
func (s Store) WriteFound(ctx context.Context, id string, f Found) error {
	n, ok := StageOf(f.Task)
	if !ok {
		return fmt.Errorf("task %q belongs to no stage", f.Task)
	}
	_, err := s.once(ctx, stageFolder(id, n)+f.Task+".json", f)
	return err
}

// Found reads the record of a task of a stage; ErrNotFound when it is not finished.
func (s Store) Found(ctx context.Context, id, task string) (Found, error) {
	var f Found
	n, _ := StageOf(task)
	err := s.read(ctx, stageFolder(id, n)+task+".json", &f)
	return f, err
}

// FoundIn lists the finished tasks of a stage.
func (s Store) FoundIn(ctx context.Context, id string, n int) (map[string]time.Time, error) {
	done := map[string]time.Time{}
	prefix := stageFolder(id, n)
	err := s.list(ctx, prefix, func(o *blob.ListObject) error {
		if task, ok := strings.CutSuffix(strings.TrimPrefix(o.Key, prefix), ".json"); ok {
			done[task] = o.ModTime
		}
		return nil
	})
	return done, err
}

// PlanTiles stands for the tiles of the plan where a stage is named by its number.
const PlanTiles = 0

func askedKey(id string, n int) string { return fmt.Sprintf("%sasked_%04d", stagesPrefix(id), n) }

// MarkAskedFor notes that all tasks of a stage, or all PlanTiles, were asked for.
func (s Store) MarkAskedFor(ctx context.Context, id string, n int) error {
	if err := s.Bucket.WriteAll(ctx, askedKey(id, n), nil, nil); err != nil {
		return fmt.Errorf("write %s: %w", askedKey(id, n), err)
	}
	return nil
}

// AskedFor reports whether MarkAskedFor was called.
func (s Store) AskedFor(ctx context.Context, id string, n int) (bool, error) {
	return s.Bucket.Exists(ctx, askedKey(id, n))
}

// TerrainPieces yields the pieces that the terrain is stored in, by their tasks' windows.
func (d *Draft) TerrainPieces() []terrain.Place {
	across, down := d.Tiling().Tiles()
	var list []terrain.Place
	for r := 0; r < down; r += 2 {
		for c := 0; c < across; c += 2 {
			list = append(list, terrain.Place{Col: c, Row: r})
		}
	}
	return list
}

// drafted derives where a job stands that has no plan: running if it has a draft.
func (s Store) drafted(ctx context.Context, id string, may func(name string) bool, open bool, st *Status) error {
	var d Draft
	there, err := s.ifThere(ctx, id, "draft.json", may, &d)
	if err != nil || !there {
		return err
	}
	st.State = Running
	if d.Plan != nil {
		st.Started, st.Updated = d.Plan.Created, d.Plan.Created
	}
	if !open {
		return nil
	}
	n, made, err := s.newestStage(ctx, id)
	if err != nil || n == 0 {
		return err
	}
	record, err := s.Stage(ctx, id, n)
	if err != nil {
		return err
	}
	done, err := s.FoundIn(ctx, id, n)
	if err != nil {
		return err
	}
	st.Terrain = &StageStatus{Number: n, Kind: record.Kind, Planned: len(record.Windows), Share: record.Share}
	if made.After(st.Updated) {
		st.Updated = made
	}
	for task, windows := range record.Tasks() {
		if at, ok := done[task]; ok {
			st.Terrain.Done += len(windows)
			if at.After(st.Updated) {
				st.Updated = at
			}
		}
	}
	return nil
}
