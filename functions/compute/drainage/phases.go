package drainage

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"

	"github.com/cyverse-gis/eemt/functions/compute/record"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/terrain"
)

// terrainWork is what the tasks of a phase of the terrain need to know.
type terrainWork struct {
	// Windows are the places of the windows of the terrain's tiling that are worked on, Batch is how many a task has.
	Windows []terrain.Index `json:"windows"`
	Batch   int             `json:"batch"`
	// Filled and Area tell of each tile, row by row, which phase wrote it last; 0 for none.
	Filled []int `json:"filled,omitempty"`
	Area   []int `json:"area,omitempty"`
	// Dirty are the regions that no window was taken for yet.
	Dirty []terrain.DirtyRegion `json:"dirty,omitempty"`
	// Known counts the cells whose area was known before this phase.
	Known int `json:"known,omitempty"`
}

// First is the work of the first phase of the terrain.
func First(draft *record.Draft) *terrainWork {
	across, down := draft.Tiling().Tiles()
	queue := terrain.NewWorkQueue(draft.Tiling(), true)
	return &terrainWork{
		Windows: queue.Next(math.MaxInt), Batch: max(1, draft.Batch), Dirty: queue.Remaining(),
		Filled: make([]int, across*down), Area: make([]int, across*down),
	}
}

// Phase is the record of the phase that does the work. A task has the name of its first window.
func (w *terrainWork) Phase(kind job.Kind, share float64) (*job.Phase, error) {
	p := &job.Phase{Kind: kind, Share: share}
	for windows := range slices.Chunk(w.Windows, max(1, w.Batch)) {
		p.Tasks = append(p.Tasks, job.Task{Name: job.TaskName(windows[0].Row, windows[0].Col), Size: len(windows)})
	}
	var err error
	p.Data, err = json.Marshal(w)
	return p, err
}

// terrainWorkOf reads what phase of a phase says.
func terrainWorkOf(p *job.Phase) (*terrainWork, error) {
	w := new(terrainWork)
	if err := json.Unmarshal(p.Data, w); err != nil {
		return nil, fmt.Errorf("%w: phase %d: %w", job.ErrDamaged, p.Number, err)
	}
	return w, nil
}

// windowsOf returns the windows of a task; none when there is no such task.
func (w *terrainWork) windowsOf(task string) []terrain.Index {
	for windows := range slices.Chunk(w.Windows, max(1, w.Batch)) {
		if job.TaskName(windows[0].Row, windows[0].Col) == task {
			return windows
		}
	}
	return nil
}

// terrainResult is what a task of the terrain found.
type terrainResult struct {
	// Wrote are the tiles that the task wrote.
	Wrote []terrain.Index `json:"wrote,omitempty"`
	// Dirty are regions of the windows around.
	Dirty []terrain.DirtyRegion `json:"dirty,omitempty"`
	// Known counts the cells whose area became known.
	Known int `json:"known,omitempty"`
	// Floored counts the cells whose wetness was raised to its floor; Sloping says
	// that some cell has a slope.
	Floored int  `json:"floored,omitempty"`
	Sloping bool `json:"sloping,omitempty"`
	// Wetness is summed by climate year.
	Wetness map[int]terrain.WetnessSum `json:"wetness,omitempty"`
}

// add adds what the task found in another window.
func (f *terrainResult) add(o terrainResult) {
	f.Wrote, f.Dirty = append(f.Wrote, o.Wrote...), append(f.Dirty, o.Dirty...)
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

// terrainResults decodes what the tasks of a phase found.
func terrainResults(done []job.Record) ([]terrainResult, error) {
	found := make([]terrainResult, len(done))
	for i, r := range done {
		if err := json.Unmarshal(r.Result, &found[i]); err != nil {
			return nil, fmt.Errorf("%w: record of %s: %w", job.ErrDamaged, r.Task, err)
		}
	}
	return found, nil
}

// The shares of the terrain's time that filling and area take.
const (
	shareOfFilling = 0.45
	shareOfArea    = 0.45
)

// nextOfTerrain returns the phase that follows on one of filling or area.
// It depends on the records alone: whoever makes it makes the same.
func nextOfTerrain(draft *record.Draft, phase *job.Phase, found []terrainResult) (*job.Phase, error) {
	work, err := terrainWorkOf(phase)
	if err != nil {
		return nil, err
	}
	t := draft.Tiling()
	kind, share := phase.Kind, 0.0
	next := &terrainWork{Batch: work.Batch, Filled: slices.Clone(work.Filled), Area: slices.Clone(work.Area), Known: work.Known}
	queue := terrain.RestoreWorkQueue(t, kind == job.KindFill, work.Dirty)
	written := next.Filled
	if kind == job.KindArea {
		written = next.Area
	}
	for k, f := range found {
		queue.Add(f.Dirty)
		next.Known += f.Known
		if err := noteWritten(written, t, phase, f.Wrote); err != nil {
			return nil, fmt.Errorf("%w: task %s %w", job.ErrDamaged, phase.Tasks[k].Name, err)
		}
	}
	all := t.Width * t.Height
	if kind == job.KindFill {
		next.Windows = queue.Next(math.MaxInt)
		share = max(phase.Share, shareOfFilling*queue.Share())
		if len(next.Windows) == 0 {
			kind, share = job.KindArea, shareOfFilling
			queue = terrain.NewWorkQueue(t, false)
		}
	}
	if kind == job.KindArea && len(next.Windows) == 0 {
		next.Windows = queue.Next(math.MaxInt)
		if len(next.Windows) > 0 {
			share = shareOfFilling + shareOfArea*float64(next.Known)/float64(all)
		} else if next.Known != all {
			return nil, fmt.Errorf("%d of %d cells have no area: their water runs in a circle", all-next.Known, all)
		}
	}
	next.Dirty = queue.Remaining()
	if len(next.Windows) == 0 {
		kind, next.Windows, share = job.KindWetness, blocksOfTerrain(t), shareOfFilling+shareOfArea
	}
	return next.Phase(kind, share)
}

// noteWritten notes that tiles were written last in a phase.
func noteWritten(written []int, t terrain.Tiling, phase *job.Phase, tiles []terrain.Index) error {
	across, _ := t.Tiles()
	for _, tile := range tiles {
		i := tile.Row*across + tile.Col
		if tile.Col < 0 || tile.Col >= across || i < 0 || i >= len(written) {
			return fmt.Errorf("wrote tile %v, which there is not", tile)
		}
		written[i] = phase.Number
	}
	return nil
}

// blocksOfTerrain lists the windows whose cells are one object of the terrain each, two by two tiles.
func blocksOfTerrain(t terrain.Tiling) []terrain.Index {
	across, down := t.Tiles()
	var list []terrain.Index
	for r := 0; r < down; r += 2 {
		for c := 0; c < across; c += 2 {
			list = append(list, terrain.Index{Col: c, Row: r})
		}
	}
	return list
}
