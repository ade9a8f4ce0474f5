// Package capacity reads from the environment what a replica of compute has, and how large jobs may be.
package capacity

import (
	"cmp"
	"fmt"
	"math"
	"runtime/debug"
	"time"

	"github.com/cyverse-gis/eemt/functions/compute/cost"
)

// Cost says how large jobs may be, and how fast the machines of compute are.
type Cost struct {
	Speed        float64 `env:"EEMT_CORE_SPEED" envDefault:"1"`
	MaxCells     int64   `env:"EEMT_MAX_CELLS"`
	MaxCoreHours float64 `env:"EEMT_MAX_CORE_HOURS"`
	MaxResults   int64   `env:"EEMT_MAX_RESULT_BYTES"`
	// MaxEvent is what the platform allows compute for an event.
	MaxEvent time.Duration `env:"EEMT_EVENT_TIMEOUT"`
	// MaxTemp is what the platform gives compute for temporary files, in bytes.
	MaxTemp int64 `env:"EEMT_TEMP_BYTES"`
}

// Replica is what a replica of compute has, told to those that are none.
type Replica struct {
	Cores int `env:"EEMT_COMPUTE_CORES" envDefault:"2"`
	// Memory is what the process may take, in bytes; 0 means the default.
	Memory int64 `env:"EEMT_COMPUTE_MEMORY"`
}

// leastMemory is what compute needs at least, in bytes.
const leastMemory = 128 << 20

// Of returns the model for a replica elsewhere.
func (c Cost) Of(r Replica) (cost.Cost, error) {
	if r.Cores < 1 || r.Cores > 1024 {
		return cost.Cost{}, fmt.Errorf("EEMT_COMPUTE_CORES %d: must be 1 to 1024", r.Cores)
	}
	if r.Memory != 0 && r.Memory < leastMemory {
		return cost.Cost{}, fmt.Errorf("EEMT_COMPUTE_MEMORY %d: must be at least %d bytes, or 0 for %d", r.Memory, leastMemory, cost.DefaultMemory)
	}
	return c.model(cmp.Or(r.Memory, cost.DefaultMemory), r.Cores)
}

// On returns the model for a process of so many cores. Its memory is what
// GOMEMLIMIT says; without that the runtime is held to the default.
func (c Cost) On(cores int) (cost.Cost, error) {
	memory := debug.SetMemoryLimit(-1)
	if memory == math.MaxInt64 {
		memory = cost.DefaultMemory
		debug.SetMemoryLimit(memory * 9 / 10)
	}
	if memory < leastMemory {
		return cost.Cost{}, fmt.Errorf("GOMEMLIMIT of %d bytes: compute needs at least %d", memory, leastMemory)
	}
	return c.model(memory, cores)
}

func (c Cost) model(memory int64, cores int) (cost.Cost, error) {
	if !(c.Speed >= 0.05 && c.Speed <= 100) {
		return cost.Cost{}, fmt.Errorf("EEMT_CORE_SPEED %g: must be 0.05 to 100 times the speed of the core in docs/performance.md", c.Speed)
	}
	if c.MaxCells < 0 || c.MaxResults < 0 || !(c.MaxCoreHours >= 0) {
		return cost.Cost{}, fmt.Errorf("EEMT_MAX_CELLS %d, EEMT_MAX_CORE_HOURS %g, EEMT_MAX_RESULT_BYTES %d: must be positive, or 0 for no limit", c.MaxCells, c.MaxCoreHours, c.MaxResults)
	}
	if c.MaxTemp < 0 {
		return cost.Cost{}, fmt.Errorf("EEMT_TEMP_BYTES %d: must be positive, or 0 for no limit", c.MaxTemp)
	}
	if c.MaxEvent < 0 {
		return cost.Cost{}, fmt.Errorf("EEMT_EVENT_TIMEOUT %s: must be positive, as 600s, or 0s for no limit", c.MaxEvent)
	}
	return cost.Cost{
		Memory: memory, Cores: cores, Speed: c.Speed,
		MaxCells: c.MaxCells, MaxCoreHours: c.MaxCoreHours, MaxResults: c.MaxResults, MaxEvent: c.MaxEvent, MaxTemp: c.MaxTemp,
	}, nil
}
