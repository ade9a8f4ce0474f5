package record

import (
	"context"
	"fmt"

	"github.com/cyverse-gis/eemt/shared/job"
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
func WriteDraft(ctx context.Context, s job.Store, id string, d *Draft) (*Draft, error) {
	won, err := s.WriteOnce(ctx, job.Prefix(id)+draftName, d)
	if err != nil || won {
		return d, err
	}
	return ReadDraft(ctx, s, id)
}

// ReadDraft reads draft.json; job.ErrNotFound when there is none.
func ReadDraft(ctx context.Context, s job.Store, id string) (*Draft, error) {
	d := new(Draft)
	if err := s.Read(ctx, job.Prefix(id)+draftName, d); err != nil {
		return nil, err
	}
	if d.Plan == nil || d.Side < 2 || d.Plan.Width < 1 || d.Plan.Height < 1 {
		return nil, fmt.Errorf("%w: draft.json of job %s has no terrain", job.ErrDamaged, id)
	}
	return d, nil
}
