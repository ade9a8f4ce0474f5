//go:build unix

package dirbucket

import "syscall"

// removeEmptyDir never removes a file that took the directory's name, which os.Remove would.
func removeEmptyDir(path string) error { return syscall.Rmdir(path) }
