package cleanup_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cyverse-gis/eemt/shared/job"
)

// TestMapsThatDoNotMove: a job whose maps are made by tasks is left alone while they come, and is given up with a
// sentence that names the group that it waits for.
func TestMapsThatDoNotMove(t *testing.T) {
	s := newService(t, nil)
	s.clocked()
	r := s.add(t, 1, job.Running, time.Time{})
	var plan job.Plan
	if err := s.Store.Read(t.Context(), job.Prefix(r.ID)+"plan.json", &plan); err != nil {
		t.Fatal(err)
	}
	plan.Maps, plan.Created = 82, s.now.Add(-time.Hour)
	if err := s.Store.Bucket.Delete(t.Context(), job.Prefix(r.ID)+"plan.json"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Store.WriteOnce(t.Context(), job.Prefix(r.ID)+"plan.json", plan); err != nil {
		t.Fatal(err)
	}
	for _, tile := range plan.Tiles {
		if err := s.Store.WriteRecord(t.Context(), r.ID, 1, job.Record{Task: tile.Task}); err != nil {
			t.Fatal(err)
		}
	}
	phase := &job.Phase{Number: 2, Kind: job.KindMaps}
	for n := range 6 {
		phase.Tasks = append(phase.Tasks, job.Task{Name: fmt.Sprintf("m%04d", n)})
	}
	if _, err := s.Store.WritePhase(t.Context(), r.ID, phase); err != nil {
		t.Fatal(err)
	}
	for _, task := range []string{"m0000", "m0001", "m0003", "m0005"} {
		if err := s.Store.WriteRecord(t.Context(), r.ID, 2, job.Record{Task: task}); err != nil {
			t.Fatal(err)
		}
	}
	put(t, s, job.ResultKey(r.ID, "slope_dec.tif"), "slope")
	for _, task := range []string{"m0004", "m0002"} {
		if _, _, err := s.Store.BeginAttempt(t.Context(), r.ID, phase.Ref(task), s.now, 10, 0); err != nil {
			t.Fatal(err)
		}
	}
	s.now = s.now.Add(4 * time.Minute)
	if n, err := s.Resume(t.Context(), s.Policy.Quiet); err != nil || n != 0 {
		t.Errorf("%d jobs were asked for again (%v), though a map came 4 minutes ago", n, err)
	}
	s.now = s.now.Add(25 * time.Hour)
	s.lastChance(t)
	end, err := s.Store.End(t.Context(), r.ID)
	const want = "2 of 2 tiles and 2 of 82 maps were done; it waits for group m0002 of the maps and 1 more; it was begun 1 times and never finished, as when memory runs out; submit the job again"
	if err != nil || end.State != job.Failed || !strings.Contains(end.Reason, want) {
		t.Errorf("end %+v (%v), want %q", end, err, want)
	}
}
