//go:build !(linux || darwin || freebsd || dragonfly)

package room

// spaceOf does not know: jobs begin, and a full disk is told when it is.
func spaceOf(string) (space, bool) { return space{}, false }
