//go:build !unix

package dirbucket

import "errors"

// removeEmptyDir keeps the directory: without rmdir(2) a file that took its name could be lost, whereas
// empty directories hold no object.
func removeEmptyDir(string) error { return errors.ErrUnsupported }
