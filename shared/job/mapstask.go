package job

import (
	"fmt"
	"regexp"
)

// MapsTask names the nth group of maps of a job whose maps are made by tasks of their
// own. Such a task has no record: it is done when its maps are there.
func MapsTask(n int) string { return fmt.Sprintf("m%04d", n) }

var mapsTask = regexp.MustCompile(`^m\d{4,6}$`)

// IsMapsTask reports whether a task is to make a group of maps.
func IsMapsTask(task string) bool { return mapsTask.MatchString(task) }

// TaskInWords names a task in a sentence.
func TaskInWords(task string) string {
	switch {
	case task == PlanTask:
		return "planning"
	case task == AssemblyTask:
		return "assembly of the maps"
	case IsMapsTask(task):
		return "group " + task + " of the maps"
	}
	return "tile " + task
}
