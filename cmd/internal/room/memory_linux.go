package room

import (
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// memory is what the machine has, or what the control group of the process may take if that is less.
func memory() (int64, bool) {
	var info unix.Sysinfo_t
	if unix.Sysinfo(&info) != nil {
		return 0, false
	}
	total := int64(info.Totalram+info.Totalswap) * int64(info.Unit) // the unit is of another type on other processors
	for _, name := range []string{"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"} {
		if data, err := os.ReadFile(name); err == nil {
			if limit, err := strconv.ParseInt(strings.TrimSpace(string(data)), 10, 64); err == nil && limit > 0 {
				total = min(total, limit)
			}
		}
	}
	return total, total > 0
}
