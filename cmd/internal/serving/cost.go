package serving

import (
	"fmt"
	"math"
	"runtime/debug"

	"github.com/cyverse-gis/eemt/functions/compute"
)

// Cost says how large jobs may be, and how fast this machine is.
type Cost struct {
	Speed        float64 `env:"EEMT_CORE_SPEED" envDefault:"1"`
	MaxCells     int64   `env:"EEMT_MAX_CELLS"`
	MaxCoreHours float64 `env:"EEMT_MAX_CORE_HOURS"`
	MaxResults   int64   `env:"EEMT_MAX_RESULT_BYTES"`
}

// On returns the model for a process of so many cores. Its memory is what
// GOMEMLIMIT says; without that the runtime is held to the default.
func (c Cost) On(cores int) (compute.Cost, error) {
	if !(c.Speed >= 0.05 && c.Speed <= 100) {
		return compute.Cost{}, fmt.Errorf("EEMT_CORE_SPEED %g: must be 0.05 to 100 times the speed of the core in docs/performance.md", c.Speed)
	}
	if c.MaxCells < 0 || c.MaxResults < 0 || !(c.MaxCoreHours >= 0) {
		return compute.Cost{}, fmt.Errorf("EEMT_MAX_CELLS %d, EEMT_MAX_CORE_HOURS %g, EEMT_MAX_RESULT_BYTES %d: must be positive, or 0 for no limit", c.MaxCells, c.MaxCoreHours, c.MaxResults)
	}
	memory := debug.SetMemoryLimit(-1)
	if memory == math.MaxInt64 {
		memory = compute.DefaultMemory
		debug.SetMemoryLimit(memory * 9 / 10)
	}
	const least = 128 << 20
	if memory < least {
		return compute.Cost{}, fmt.Errorf("GOMEMLIMIT of %d bytes: compute needs at least %d", memory, least)
	}
	return compute.Cost{
		Memory: memory, Cores: cores, Speed: c.Speed,
		MaxCells: c.MaxCells, MaxCoreHours: c.MaxCoreHours, MaxResults: c.MaxResults,
	}, nil
}
