// Package job keeps the records of a job in a bucket, each written once.
package job

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/cyverse-gis/eemt/shared/finding"
	"github.com/cyverse-gis/eemt/shared/param"
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
	// Owner is who submitted the job, as the identity provider names them; empty where nobody is asked who they are. Jobs
	// without an owner are the operators'.
	Owner string `json:"owner,omitempty"`
	// Equal is the object by which the job is found by its work (EqualJobs); empty if it is not.
	Equal string `json:"equal,omitempty"`
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

// Plan is what all functions read of plan.json. Compute writes more into it (functions/compute/record).
type Plan struct {
	Tiles []Tile `json:"tiles"`
	// Maps is how many maps are made of the tiles.
	Maps int `json:"maps,omitempty"`
	// Findings are what was noticed about the inputs.
	Findings finding.List `json:"findings,omitempty"`
	Created  time.Time    `json:"created"`
}

// Tile is one of the tiles of a plan.
type Tile struct {
	Task string `json:"task"`
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
