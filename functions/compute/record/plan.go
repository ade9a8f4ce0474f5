// Package record has the records of a job that compute alone reads.
package record

import (
	"context"
	"encoding/json"

	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/raster"
)

// Plan is plan.json: how the work is cut, with what only a pass over the whole
// DEM can tell.
type Plan struct {
	job.Plan
	// Tiles take the place of those of job.Plan.
	Tiles  []Tile `json:"tiles"`
	Width  int    `json:"width"`
	Height int    `json:"height"`
	// Halo is how many cells around a tile, or around its block where Far is set,
	// are read at full resolution for their shadows.
	Halo int `json:"halo"`
	// Far is how tiles see the terrain beyond; nil where the halo is the whole DEM.
	Far *Far `json:"far,omitempty"`
	// MeanWetness is the mean topographic wetness index over the valid cells of each
	// climate year (ln m).
	MeanWetness map[int]float64 `json:"mean_wetness,omitempty"`
	// Climate is the source the tiles read: windows stored in the bucket, or a table.
	Climate json.RawMessage `json:"climate,omitempty"`
	// Inputs are the stored parts of input rasters under the DEM, by input.
	Inputs map[string]string `json:"inputs,omitempty"`
	// Sources are the files that climate and inputs were read from, with checksums.
	Sources []Source `json:"sources,omitempty"`
	// Minimum and Maximum elevation, m, and the number of cells that have one.
	Minimum float64 `json:"minimum"`
	Maximum float64 `json:"maximum"`
	Valid   int     `json:"valid"`
	CRS     string  `json:"crs"`
	// Center of the DEM in degrees.
	Longitude float64 `json:"longitude"`
	Latitude  float64 `json:"latitude"`
	// TerrainSide is the side of the pieces that wetness and area are stored in; 0 where one file has them.
	TerrainSide int `json:"terrain_side,omitempty"`
	// Estimate is what the job was foreseen to take.
	Estimate *Estimate `json:"estimate,omitempty"`
}

// Estimate is what a job takes: seconds times cores, bytes of memory of a replica,
// bytes of results.
type Estimate struct {
	CoreSeconds float64 `json:"core_seconds"`
	Memory      int64   `json:"memory_bytes"`
	Results     int64   `json:"results_bytes"`
}

// Far says how terrain beyond the halo was thinned.
type Far struct {
	// Block is the side of the squares, in cells from the upper-left cell of the
	// DEM, whose cells have their halo and their rings in common. No tile crosses
	// the border of two.
	Block int `json:"block"`
	// Factors are the sides of the coarse cells of each ring. The first ring begins
	// where the halo ends, and every ring ends at twice the distance it begins at.
	Factors []int `json:"factors"`
}

// Tile is one bounded piece of work.
type Tile struct {
	Task   string        `json:"task"`
	Window raster.Window `json:"window"`
}

// Tile returns the tile of a task.
func (p *Plan) Tile(task string) (Tile, bool) {
	for _, t := range p.Tiles {
		if t.Task == task {
			return t, true
		}
	}
	return Tile{}, false
}

const planName, draftName = "plan.json", "draft.json"

// WritePlan writes plan.json unless there is one, and returns the one that stands.
func WritePlan(ctx context.Context, s job.Store, id string, p *Plan) (*Plan, error) {
	won, err := s.WriteOnce(ctx, job.Prefix(id)+planName, p)
	if err != nil || won {
		return p, err
	}
	return ReadPlan(ctx, s, id)
}

// ReadPlan reads plan.json; job.ErrNotFound when the job is not planned yet.
func ReadPlan(ctx context.Context, s job.Store, id string) (*Plan, error) {
	p := new(Plan)
	return p, s.Read(ctx, job.Prefix(id)+planName, p)
}
