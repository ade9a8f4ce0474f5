package record

import (
	"github.com/cyverse-gis/eemt/shared/job"
)

// TilePhase is the phase of a plan's tiles.
func TilePhase(plan *Plan) *job.Phase {
	p := &job.Phase{Kind: job.KindTiles}
	for _, t := range plan.Tiles {
		p.Tasks = append(p.Tasks, job.Task{Name: t.Task})
	}
	return p
}
