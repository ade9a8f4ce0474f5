package job_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/cyverse-gis/eemt/integration/faultbucket"
	"github.com/cyverse-gis/eemt/shared/job"
)

func filling(n int, tasks ...job.Task) *job.Phase {
	return &job.Phase{Number: n, Kind: job.KindFill, Tasks: tasks, Share: 0.4, Data: []byte(`{"news":[-0.5]}`), Created: noon}
}

func TestPhasesAreWrittenOnce(t *testing.T) {
	eachBucket(t, func(t *testing.T, s job.Store) {
		ctx := t.Context()
		if _, err := s.NewestPhase(ctx, id(1)); !errors.Is(err, job.ErrNotFound) {
			t.Errorf("no phase: %v", err)
		}
		if p, err := s.Phase(ctx, id(1), 0); err != nil || p.Kind != job.KindPlan || len(p.Tasks) != 1 || p.Tasks[0].Name != job.PlanTask {
			t.Errorf("the first phase is %+v (%v)", p, err)
		}
		for n := 1; n <= 11; n++ {
			for again := range 2 {
				if won, err := s.WritePhase(ctx, id(1), filling(n, job.Task{Name: "a", Size: 1 + again})); err != nil || won != (again == 0) {
					t.Errorf("phase %d, again %d: won %t (%v)", n, again, won, err)
				}
			}
			if err := s.MarkRequested(ctx, id(1), n); err != nil {
				t.Fatal(err)
			}
		}
		newest, err := s.NewestPhase(ctx, id(1))
		if err != nil || newest.Number != 11 || newest.Tasks[0].Size != 1 || len(newest.Data) == 0 {
			t.Errorf("newest %+v (%v)", newest, err)
		}
		for n, want := range map[int]bool{11: true, 12: false} {
			if requested, err := s.Requested(ctx, id(1), n); err != nil || requested != want {
				t.Errorf("phase %d was requested: %t (%v)", n, requested, err)
			}
		}
		for _, result := range []string{`{"known":7}`, `{"known":8}`} {
			if err := s.WriteRecord(ctx, id(1), 11, job.Record{Task: "a", Result: []byte(result)}); err != nil {
				t.Fatal(err)
			}
		}
		got, err := s.Record(ctx, id(1), 11, "a")
		if err != nil || !slices.Contains(got.Result, '7') {
			t.Errorf("record %+v (%v)", got, err)
		}
		done, err := s.Finished(ctx, id(1), 11)
		if _, ok := done["a"]; err != nil || len(done) != 1 || !ok {
			t.Errorf("finished in phase 11: %v (%v)", done, err)
		}
		if missing := newest.Missing(done); len(missing) != 0 {
			t.Errorf("missing %v", missing)
		}
		if missing := filling(3, job.Task{Name: "b"}, job.Task{Name: "a"}, job.Task{Name: "c"}).Missing(done); len(missing) != 2 || missing[0].Name != "b" || missing[1].Name != "c" {
			t.Errorf("missing %v, want b, c", missing)
		}
	})
}

func TestDamagedPhases(t *testing.T) {
	eachBucket(t, func(t *testing.T, s job.Store) {
		for _, data := range []string{`{}`, `{"number":2,"tasks":[{"name":"a"}]}`, `{"number":1,"tasks":[]}`, `[`} {
			put(t, s, job.Prefix(id(1))+"phases/0001.json", data)
			if _, err := s.Phase(t.Context(), id(1), 1); !errors.Is(err, job.ErrDamaged) {
				t.Errorf("%s: %v", data, err)
			}
		}
	})
}

func TestTasksInWords(t *testing.T) {
	for words, task := range map[string]job.TaskRef{
		"window r0001c0002 of stage 3 of the terrain":     {Phase: 3, Kind: job.KindFill, Task: "r0001c0002"},
		"window r0001c0002 of stage 12345 of the terrain": {Phase: 12345, Kind: job.KindWetness, Task: "r0001c0002"},
		"tile r0001c0002":         {Phase: 1, Kind: job.KindTiles, Task: "r0001c0002"},
		"group m0002 of the maps": {Phase: 2, Kind: job.KindMaps, Task: "m0002"},
		"planning":                job.PlanPhase().Ref(job.PlanTask),
		"assembly of the maps":    {Phase: 2, Kind: job.KindAssembly, Task: job.AssemblyTask},
	} {
		if got := task.String(); got != words {
			t.Errorf("%+v is %q, want %q", task, got, words)
		}
	}
}

// TestTilesAreFound: whatever phases come before the tiles and after them.
func TestTilesAreFound(t *testing.T) {
	eachBucket(t, func(t *testing.T, s job.Store) {
		ctx := t.Context()
		tiles := 0
		for i, kind := range []job.Kind{job.KindFill, job.KindWetness, job.KindTiles, job.KindMaps, job.KindMaps, job.KindAssembly} {
			n := i + 1
			if _, err := s.WritePhase(ctx, id(1), &job.Phase{Number: n, Kind: kind, Tasks: []job.Task{{Name: "a"}}}); err != nil {
				t.Fatal(err)
			}
			if err := s.WriteRecord(ctx, id(1), n, job.Record{Task: "a"}); err != nil {
				t.Fatal(err)
			}
			if kind == job.KindTiles {
				tiles = n
			}
			phase, err := s.TilePhase(ctx, id(1))
			if tiles == 0 && !errors.Is(err, job.ErrNotFound) || tiles > 0 && (err != nil || phase.Number != tiles) {
				t.Errorf("newest is %d, %s: the tiles are %+v (%v)", n, kind, phase, err)
			}
			if done, err := s.Done(ctx, id(1)); err != nil || len(done) != min(tiles, 1) {
				t.Errorf("newest is %d, %s: %v is done (%v)", n, kind, done, err)
			}
		}
	})
}

// TestStatusInPhases: a job runs once it has a draft, and moves with every record of its phases.
func TestStatusInPhases(t *testing.T) {
	clock := noon
	made := map[string]time.Time{}
	inner := job.Store{}
	eachBucket(t, func(t *testing.T, s job.Store) {
		inner = s
		s = job.Store{Bucket: faultbucket.WrapAround(inner.Bucket, func(op, key string, do func() error) error {
			if op == faultbucket.Commit {
				made[key] = clock
			}
			return do()
		}, func(key string, _ time.Time) time.Time { return made[key] })}
		ctx := t.Context()
		r := request(1)
		create(t, s, r)
		status := func(want job.State, message string, progress int, updated time.Time) {
			t.Helper()
			for name, look := range map[string]func(context.Context, string) (job.Status, error){"status": s.Status, "glance": s.Glance} {
				st, err := look(ctx, r.ID)
				if err != nil || st.State != want || st.Message() != message || st.Progress() != progress || !st.Updated.Equal(updated) {
					t.Errorf("%s is %s, %q, %d %%, %s (%v), want %s, %q, %d %%, %s", name, st.State, st.Message(), st.Progress(), st.Updated, err, want, message, progress, updated)
				}
			}
		}
		status(job.Pending, "waiting to be planned", 0, r.Created)
		drafted := noon.Add(time.Hour)
		if _, err := s.WriteOnce(ctx, job.Prefix(r.ID)+"draft.json", map[string]any{"plan": job.Plan{Created: drafted}}); err != nil {
			t.Fatal(err)
		}
		status(job.Running, "the terrain is being analysed", 0, noon.Add(time.Hour))
		clock = noon.Add(2 * time.Hour)
		if _, err := s.WritePhase(ctx, r.ID, filling(1, job.Task{Name: "r0000c0000", Size: 2}, job.Task{Name: "r0000c0004"})); err != nil {
			t.Fatal(err)
		}
		status(job.Running, "depressions are filled: 0 of 3 windows of stage 1 are done", 2, clock)
		clock = noon.Add(3 * time.Hour)
		if err := s.WriteRecord(ctx, r.ID, 1, job.Record{Task: "r0000c0000"}); err != nil {
			t.Fatal(err)
		}
		status(job.Running, "depressions are filled: 2 of 3 windows of stage 1 are done", 2, clock)
		if _, _, err := s.WriteEnd(ctx, r.ID, job.End{State: job.Cancelled, Ended: noon.Add(4 * time.Hour)}); err != nil {
			t.Fatal(err)
		}
		if st, err := s.Status(ctx, r.ID); err != nil || st.State != job.Cancelled || st.Terrain != nil || !st.Started.Equal(drafted) {
			t.Errorf("after the end: %+v (%v)", st, err)
		}
	})
}
