package job_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/cyverse-gis/eemt/shared/job"
)

// What is done of tiles in work counts; what a dead process left of a tile that is done, or says nothing, does not.
func TestWorking(t *testing.T) {
	eachBucket(t, func(t *testing.T, s job.Store) {
		ctx := t.Context()
		create(t, s, request(1))
		p := &job.Plan{Created: noon}
		for c := range 4 {
			p.Tiles = append(p.Tiles, job.Tile{Task: job.TaskName(0, c)})
		}
		if _, err := s.WriteOnce(ctx, job.Prefix(id(1))+"plan.json", p); err != nil {
			t.Fatal(err)
		}
		if _, err := s.WritePhase(ctx, id(1), tiles(p)); err != nil {
			t.Fatal(err)
		}
		check := func(what string, working float64, progress int, message string) {
			t.Helper()
			for name, look := range map[string]func() (job.Status, error){
				"status": func() (job.Status, error) { return s.Status(ctx, id(1)) }, "glance": func() (job.Status, error) { return s.Glance(ctx, id(1)) },
			} {
				st, err := look()
				if err != nil || st.Working != working || st.Progress() != progress || st.Message() != message {
					t.Errorf("%s, %s: %g tiles, %d %%, %q (%v); want %g, %d %%, %q", what, name, st.Working, st.Progress(), st.Message(), err, working, progress, message)
				}
			}
		}
		tell := func(task string, share float64) {
			t.Helper()
			if err := s.WriteWorking(ctx, id(1), task, share, noon); err != nil {
				t.Fatal(err)
			}
		}
		check("none", 0, 5, "0 of 4 tiles are done")
		tell("r0000c0000", 0.25)
		tell("r0000c0000", 0.5)
		check("half of one", 0.5, 15, "0 of 4 tiles are done")
		tell("r0000c0001", 0.75)
		check("of two", 1.25, 31, "0 of 4 tiles are done")
		if err := s.WriteRecord(ctx, id(1), 1, job.Record{Task: "r0000c0000"}); err != nil {
			t.Fatal(err)
		}
		check("one is done", 0.75, 42, "1 of 4 tiles are done")
		put(t, s, job.WorkKey(id(1), "progress/r0000c0002.json"), `{"share":1e9}`)
		put(t, s, job.WorkKey(id(1), "progress/r0000c0003.json"), `{`)
		check("damaged", 0.75, 42, "1 of 4 tiles are done")
		for range 2 {
			if err := s.DropWorking(ctx, id(1), "r0000c0001"); err != nil {
				t.Fatal(err)
			}
		}
		check("dropped", 0, 26, "1 of 4 tiles are done")
		// Of a thousand notes some are read.
		for n := range 200 {
			put(t, s, job.WorkKey(id(1), fmt.Sprintf("progress/r0001c%04d.json", n)), `{"share":1}`)
		}
		if st, err := s.Status(ctx, id(1)); err != nil || st.Progress() > 90 {
			t.Errorf("%d %% (%v)", st.Progress(), err)
		}
		if at, ok := (job.Status{State: job.Running, Started: noon, Planned: 1, Working: 0.25}).Expected(noon.Add(time.Minute)); !ok || !at.Equal(noon.Add(4*time.Minute)) {
			t.Errorf("expected at %v, %t", at, ok)
		}
	})
}
