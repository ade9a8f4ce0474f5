package intake_test

import (
	"crypto/rand"
	"slices"
	"testing"
	"time"

	"github.com/cyverse-gis/eemt/cmd/internal/intake"
	"github.com/cyverse-gis/eemt/shared/job"
)

// TestIDs asks many times within a millisecond.
func TestIDs(t *testing.T) {
	now := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	next := intake.IDs(rand.Reader, func() time.Time { return now })
	var ids []string
	for i := range 2000 {
		if i == 1000 {
			now = now.Add(time.Second)
		}
		ids = append(ids, next())
	}
	if !slices.IsSorted(ids) || len(slices.Compact(slices.Clone(ids))) != len(ids) {
		t.Error("ids repeat or go back")
	}
	for _, id := range ids {
		if !job.ValidID(id) {
			t.Fatalf("%q is no job id", id)
		}
	}
}
