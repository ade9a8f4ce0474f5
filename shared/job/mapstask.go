package job

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"gocloud.dev/blob"
)

// MapsTask names the nth group of maps of a job whose maps are made by tasks of their
// own. Such a task has no record: it is done when its maps are there.
func MapsTask(n int) string { return fmt.Sprintf("m%04d", n) }

var mapsTask = regexp.MustCompile(`^m\d{4,6}$`)

// IsMapsTask reports whether a task is to make a group of maps.
func IsMapsTask(task string) bool { return mapsTask.MatchString(task) }

// BegunMaps lists the groups of maps that were begun and not finished, in order.
func (s Store) BegunMaps(ctx context.Context, id string) ([]string, error) {
	var tasks []string
	prefix := Prefix(id) + "attempts/"
	err := s.list(ctx, prefix+"m", func(o *blob.ListObject) error {
		task, _, _ := strings.Cut(strings.TrimPrefix(o.Key, prefix), "/")
		if IsMapsTask(task) && !slices.Contains(tasks, task) {
			tasks = append(tasks, task)
		}
		return nil
	})
	return tasks, err
}
