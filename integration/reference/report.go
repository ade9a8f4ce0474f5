package reference

import (
	"encoding/json"
	"testing"
)

// Timeless returns a report.json without what differs between two runs of equal
// work: the job, times of day, and how long tiles took.
func Timeless(t testing.TB, report []byte) []byte {
	t.Helper()
	var r map[string]any
	if err := json.Unmarshal(report, &r); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"job_id", "created", "finished", "tile_seconds", "longest_tile_seconds"} {
		delete(r, key)
	}
	data, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
