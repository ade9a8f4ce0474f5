package job

import (
	"context"
	"fmt"

	"github.com/cyverse-gis/eemt/shared/terrain"
)

// Draft is draft.json: the plan of a job whose terrain is followed by tasks, without what these find.
type Draft struct {
	Plan *Plan `json:"plan"`
	// Side of the tiles of the terrain, in cells.
	Side int `json:"side"`
	// Batch is how many windows of the terrain a task has; 0 stands for 1.
	Batch int `json:"batch,omitempty"`
}

// Tiling cuts the terrain into tiles.
func (d *Draft) Tiling() terrain.Tiling {
	return terrain.Tiling{Width: d.Plan.Width, Height: d.Plan.Height, Side: d.Side}
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
