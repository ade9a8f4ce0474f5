package local

import (
	"errors"
	"fmt"
	"math"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/cyverse-gis/eemt/cmd/eemt/internal/cli"
	"github.com/cyverse-gis/eemt/functions/compute/cost"

	"github.com/spf13/pflag"
)

// leastMemory and mostMemory bound what work may be fitted to, in MiB.
const leastMemory, mostMemory = 256, 1 << 20

// usualMemory is what GOMEMLIMIT says, or else the default, in MiB.
func usualMemory() int {
	if limit := debug.SetMemoryLimit(-1); limit != math.MaxInt64 {
		return min(max(leastMemory, int(limit>>20)), mostMemory)
	}
	return cost.DefaultMemory >> 20
}

// machineFlags adds the flags of the cores and the memory, in MiB, that work is fitted to.
func machineFlags(f *pflag.FlagSet, threads, memory *int) {
	f.IntVar(threads, "num-threads", runtime.NumCPU(), "`cores` to use, 1 to 512")
	f.Lookup("num-threads").DefValue = "all"
	*memory = usualMemory()
	f.Var((*memorySize)(memory), "memory", "memory budget of 256 MiB or more, as `MiB` or with a unit (4GB, 4GiB); limits how many maps and tiles are processed at once")
	f.Lookup("memory").DefValue = "1024, or GOMEMLIMIT"
	cli.InGroup(f, cli.MachineGroup, "num-threads", "memory")
}

// memorySize is a number of MiB.
type memorySize int

func (m *memorySize) String() string { return strconv.Itoa(int(*m)) }
func (m *memorySize) Type() string   { return "size" }

// byteUnits are the units of a size. A letter alone is binary, as container tools read it.
var byteUnits = map[string]float64{
	"": 1 << 20, "M": 1 << 20, "MIB": 1 << 20, "MB": 1e6,
	"G": 1 << 30, "GIB": 1 << 30, "GB": 1e9,
	"T": 1 << 40, "TIB": 1 << 40, "TB": 1e12,
}

// Set reads MiB, or a number with a unit.
func (m *memorySize) Set(text string) error {
	digits := strings.TrimRightFunc(text, func(r rune) bool { return r < '0' || r > '9' })
	size, err := strconv.ParseFloat(digits, 64)
	unit, known := byteUnits[strings.ToUpper(strings.TrimSpace(text[len(digits):]))]
	if err != nil || !known {
		return errors.New("must be a number of MiB, or one with a unit: 4GB, 4GiB")
	}
	mib := size * unit / (1 << 20)
	if !(mib >= leastMemory && mib <= mostMemory) {
		return fmt.Errorf("must be %d MiB to %d TiB", leastMemory, mostMemory>>20)
	}
	*m = memorySize(mib)
	return nil
}

// costOf fits work to so many MiB and cores, and holds the runtime to them.
func costOf(memory, cores int) (cost.Cost, error) {
	if cores < 1 || cores > 512 {
		return cost.Cost{}, cli.WithCode(fmt.Errorf("num-threads %d: must be 1 to 512", cores), 2)
	}
	bytes := int64(memory) << 20
	debug.SetMemoryLimit(bytes * 9 / 10)
	return cost.Cost{Memory: bytes, Cores: cores}, nil
}
