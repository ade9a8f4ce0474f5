// Package job keeps the records of a job in a bucket, each written once.
package job

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/cyverse-gis/eemt/shared/exactsum"
	"github.com/cyverse-gis/eemt/shared/finding"
	"github.com/cyverse-gis/eemt/shared/param"
	"github.com/cyverse-gis/eemt/shared/raster"
)

// Request is job.json: what was asked. It is durable before the client hears
// of the job.
type Request struct {
	ID         string           `json:"id"`
	Workflow   param.Workflow   `json:"workflow"`
	Parameters param.Parameters `json:"parameters"`
	DEM        DEM              `json:"dem"`
	Created    time.Time        `json:"created"`
	// Fingerprint identifies equal work: program version, parameters, DEM checksum.
	Fingerprint string `json:"fingerprint,omitempty"`
	// Delivery is set on jobs that came as an execute request.
	Delivery *Delivery `json:"delivery,omitempty"`
}

// Inputs lists the objects under inputs/ that the job reads. Dropped files are their owner's.
func (r Request) Inputs() []string {
	var keys []string
	_, table, _ := strings.Cut(r.Parameters.Climate, ":")
	named := []string{r.DEM.Key, table}
	for _, in := range r.Parameters.Inputs() {
		named = append(named, in.Files()...)
	}
	for _, key := range named {
		if strings.HasPrefix(key, InputPrefix) && !strings.Contains(key, "{") {
			keys = append(keys, key)
		}
	}
	return keys
}

// DEM refers to the elevation raster of a job.
type DEM struct {
	// Key is the object in the bucket.
	Key string `json:"key"`
	// Name is the file name the user gave.
	Name string `json:"name"`
	// SHA256 is the checksum of the object, in hex.
	SHA256 string `json:"sha256"`
	// Size in bytes.
	Size int64 `json:"size"`
}

// Plan is plan.json: how the work is cut, with what only a pass over the whole
// DEM can tell.
type Plan struct {
	Width  int `json:"width"`
	Height int `json:"height"`
	// Halo is how many cells around a tile, or around its block where Far is set,
	// are read at full resolution for their shadows.
	Halo int `json:"halo"`
	// Far is how tiles see the terrain beyond; nil where the halo is the whole DEM.
	Far   *Far   `json:"far,omitempty"`
	Tiles []Tile `json:"tiles"`
	// Maps is how many maps are made of the tiles; 0 in plans of older versions.
	Maps int `json:"maps,omitempty"`
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
	// Findings are what was noticed about the inputs.
	Findings finding.List `json:"findings,omitempty"`
	// TerrainSide is the side of the pieces that wetness and area are stored in; 0 where one file has them.
	TerrainSide int `json:"terrain_side,omitempty"`
	// Estimate is what the job was foreseen to take.
	Estimate *Estimate `json:"estimate,omitempty"`
	Created  time.Time `json:"created"`
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

// TileResult is what the record of a tile has beside its times.
type TileResult struct {
	// Sums are what the maps of the whole DEM need of this tile, by climate year.
	Sums map[int]Sums `json:"sums,omitempty"`
	// ClearSky is the clear-sky index applied; nil without one.
	ClearSky *ClearSky `json:"clear_sky,omitempty"`
	// Valid counts the cells with a result.
	Valid int `json:"valid"`
}

// Sums are area-weighted sums over the cells of a tile that have a result. They do
// not depend on how cells were grouped.
type Sums struct {
	// Area of the cells, m2.
	Area exactsum.Sum `json:"area"`
	// Peff is effective precipitation of each month, AlphaPeff the same times the
	// relative wetness of the cell (Rasmussen et al. 2015, eq 10): m2 mm.
	Peff      [12]exactsum.Sum `json:"peff"`
	AlphaPeff [12]exactsum.Sum `json:"alpha_peff"`
	// Temperature is the annual mean, m2 degC; Precipitation that of the year, m2 mm.
	Temperature   exactsum.Sum `json:"temperature"`
	Precipitation exactsum.Sum `json:"precipitation"`
}

// Add adds o to s.
func (s *Sums) Add(o Sums) {
	s.Area.AddSum(o.Area)
	s.Temperature.AddSum(o.Temperature)
	s.Precipitation.AddSum(o.Precipitation)
	for m := range 12 {
		s.Peff[m].AddSum(o.Peff[m])
		s.AlphaPeff[m].AddSum(o.AlphaPeff[m])
	}
}

// Err tells which of the sums was spoiled by a value that cannot be added.
func (s *Sums) Err() error {
	for _, v := range []struct {
		name string
		sum  exactsum.Sum
	}{{"area, m2", s.Area}, {"temperature, m2 degC", s.Temperature}, {"precipitation, m2 mm", s.Precipitation}} {
		if err := v.sum.Err(); err != nil {
			return fmt.Errorf("sum of %s: %w", v.name, err)
		}
	}
	for m := range 12 {
		if err := s.Peff[m].Err(); err != nil {
			return fmt.Errorf("sum of effective precipitation of month %d, m2 mm: %w", m+1, err)
		}
		if err := s.AlphaPeff[m].Err(); err != nil {
			return fmt.Errorf("sum of effective precipitation times wetness of month %d, m2 mm: %w", m+1, err)
		}
	}
	return nil
}

// State is where a job stands.
type State string

// The states of a job. Completed, Failed and Cancelled are final.
const (
	Pending   State = "pending"
	Running   State = "running"
	Completed State = "completed"
	Failed    State = "failed"
	Cancelled State = "cancelled"
)

// End is end.json: how the job ended.
type End struct {
	State State `json:"state"`
	// Reason says in one sentence why a job failed or was cancelled.
	Reason string `json:"reason,omitempty"`
	// Findings about the inputs that ended the job.
	Findings finding.List `json:"findings,omitempty"`
	Ended    time.Time    `json:"ended"`
	// Event is the id of the event whose work ended the job, or says who did without one.
	// When the event comes again its handler may have died before it announced the end.
	// Empty: it is not known whether the end was announced.
	Event string `json:"event,omitempty"`
}

// Status is derived from the records; it is never stored.
type Status struct {
	Request Request
	State   State
	// Findings are what was noticed about the inputs, once the plan is made or the job refused.
	Findings finding.List
	// Done and Planned count tasks; Planned is 0 until the plan is made.
	Done, Planned int
	// Working is how much is done of the tiles that are in work, in tiles.
	Working float64
	// Terrain is how far the terrain is where it is followed by tasks; nil once the plan is made.
	Terrain *TerrainStatus
	// Maps of MapsPlanned are made, counted once all tiles are done.
	Maps, MapsPlanned int
	// Started is when the plan was made, or its draft; zero before.
	Started time.Time
	// Updated is when the youngest record was written.
	Updated time.Time
	End     *End
	// Expired is set when retention removed the data.
	Expired *time.Time
	// Pin is what people want of retention for this job.
	Pin Pin
	// Removing says that retention has begun to remove the data.
	Removing bool
	// Leftovers says that there are work files or notes of attempts.
	Leftovers bool
}

// Progress is the share of the work done, 0 to 100: 5 once planned, 90 when
// all tiles are done, 99 when all maps are made, 100 when completed.
func (s Status) Progress() int {
	switch {
	case s.State == Completed:
		return 100
	case s.Planned == 0 && s.Terrain != nil:
		return int(5 * s.Terrain.Share)
	case s.Planned == 0:
		return 0
	case s.Maps > 0 && s.MapsPlanned > 0:
		return 90 + 9*min(s.Maps, s.MapsPlanned)/s.MapsPlanned
	}
	return 5 + int(85*s.tiles()/float64(s.Planned))
}

// moved notes that a record was written.
func (s *Status) moved(at time.Time) {
	if at.After(s.Updated) {
		s.Updated = at
	}
}

// tiles is how many tiles' work is done, with what is done of those in work.
func (s Status) tiles() float64 { return min(float64(s.Done)+s.Working, float64(s.Planned)) }

// Ended reports whether the state is final.
func (s Status) Ended() bool { return s.End != nil }

// TaskName names the tile, or the window of terrain, in a row and column of its tiling.
func TaskName(row, col int) string { return fmt.Sprintf("r%04dc%04d", row, col) }

// Fingerprint identifies equal work: the same program, parameters and DEM give
// the same results.
func Fingerprint(version string, w param.Workflow, p param.Parameters, demSHA256 string) string {
	// Parameters hold numbers, strings and booleans only, which always encode.
	data, _ := json.Marshal(struct {
		Version  string
		Workflow param.Workflow
		P        param.Parameters
		DEM      string
	}{version, w, p, demSHA256})
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
