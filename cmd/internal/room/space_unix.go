//go:build linux || darwin || freebsd || dragonfly

package room

import (
	"math"

	"golang.org/x/sys/unix"
)

// spaceOf is what the user may still write.
func spaceOf(dir string) (space, bool) {
	var disk unix.Statfs_t
	var file unix.Stat_t
	if unix.Statfs(dir, &disk) != nil || unix.Stat(dir, &file) != nil {
		return space{}, false
	}
	bytes := float64(disk.Bavail) * float64(disk.Bsize)
	return space{device: uint64(file.Dev), bytes: int64(math.Min(math.Max(bytes, 0), math.MaxInt64/2))}, true //nolint:unconvert // of another type on other systems
}
