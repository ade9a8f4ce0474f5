package job_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/cyverse-gis/eemt/integration/faultbucket"
	"github.com/cyverse-gis/eemt/shared/exactsum"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/terrain"
)

func draft() *job.Draft {
	return &job.Draft{Plan: &job.Plan{Width: 100, Height: 60, Created: noon}, Side: 16}
}

func stage(n int, windows ...terrain.Place) *job.Stage {
	return &job.Stage{Number: n, Kind: job.FillStage, Windows: windows, Share: 0.4, News: []terrain.News{{Quarter: terrain.Place{Col: 3, Row: 1}, Level: -0.5}}, Created: noon}
}

func TestStagesAreWrittenOnce(t *testing.T) {
	eachBucket(t, func(t *testing.T, s job.Store) {
		ctx := t.Context()
		if _, err := s.NewestStage(ctx, id(1)); !errors.Is(err, job.ErrNotFound) {
			t.Errorf("no stage: %v", err)
		}
		first, err := s.WriteDraft(ctx, id(1), draft())
		if err != nil || first.Side != 16 {
			t.Fatal(first, err)
		}
		other := draft()
		other.Side = 32
		if stands, err := s.WriteDraft(ctx, id(1), other); err != nil || stands.Side != 16 {
			t.Errorf("another draft took its place: %+v (%v)", stands, err)
		}
		for n := 1; n <= 11; n++ {
			for again := range 2 {
				if won, err := s.WriteStage(ctx, id(1), stage(n, terrain.Place{Col: 2 * again})); err != nil || won != (again == 0) {
					t.Errorf("stage %d, again %d: won %t (%v)", n, again, won, err)
				}
			}
			if err := s.MarkAskedFor(ctx, id(1), n); err != nil {
				t.Fatal(err)
			}
		}
		newest, err := s.NewestStage(ctx, id(1))
		if err != nil || newest.Number != 11 || newest.Windows[0].Col != 0 || newest.News[0].Level != -0.5 {
			t.Errorf("newest %+v (%v)", newest, err)
		}
		for n, want := range map[int]bool{11: true, 12: false, job.PlanTiles: false} {
			if asked, err := s.AskedFor(ctx, id(1), n); err != nil || asked != want {
				t.Errorf("stage %d was asked for: %t (%v)", n, asked, err)
			}
		}
		found := job.Found{Task: "s0011-r0000c0002", Known: 7, Wetness: map[int]terrain.WetnessSum{}}
		var sum terrain.WetnessSum
		sum.Wetness.Add(1e-9)
		sum.Area.Add(900)
		sum.Cells = 1
		total := sum
		total.Add(sum)
		found.Wetness[2020] = total
		if err := s.WriteFound(ctx, id(1), found); err != nil {
			t.Fatal(err)
		}
		if err := s.WriteFound(ctx, id(1), job.Found{Task: found.Task, Known: 8}); err != nil {
			t.Fatal(err)
		}
		got, err := s.Found(ctx, id(1), found.Task)
		if err != nil || got.Known != 7 || got.Wetness[2020] != total || got.Wetness[2020].Wetness == (exactsum.Sum{}) {
			t.Errorf("found %+v (%v)", got, err)
		}
		done, err := s.FoundIn(ctx, id(1), 11)
		if _, ok := done[found.Task]; err != nil || len(done) != 1 || !ok {
			t.Errorf("found in stage 11: %v (%v)", done, err)
		}
		if err := s.WriteFound(ctx, id(1), job.Found{Task: "r0000c0000"}); err == nil {
			t.Error("a tile is recorded as a task of a stage")
		}
	})
}

func TestTaskNamesOfStages(t *testing.T) {
	for _, c := range []struct {
		task  string
		stage int // 0: a tile
		words string
	}{
		{"s0003-r0001c0002", 3, "window r0001c0002 of stage 3 of the terrain"},
		{"s12345-r0001c0002", 12345, "window r0001c0002 of stage 12345 of the terrain"},
		{"r0001c0002", 0, "tile r0001c0002"},
		{"s0003-r0001c0002x", 0, "tile s0003-r0001c0002x"},
		{"s0000-r0001c0002", 0, "tile s0000-r0001c0002"},
		{"s3-r1c2", 0, "tile s3-r1c2"},
		{job.PlanTask, 0, "planning"},
		{job.AssemblyTask, 0, "assembly of the maps"},
	} {
		n, ok := job.StageOf(c.task)
		if ok != (c.stage > 0) || ok && n != c.stage {
			t.Errorf("%s belongs to stage %d, %t; want %d", c.task, n, ok, c.stage)
		}
		if got := job.InWords(c.task); got != c.words {
			t.Errorf("%s is %q, want %q", c.task, got, c.words)
		}
	}
}

// TestTasksOfAStage: each window is in one task.
func TestTasksOfAStage(t *testing.T) {
	s := stage(4, terrain.Place{Col: 2}, terrain.Place{Row: 6}, terrain.Place{Col: 4}, terrain.Place{Col: 6}, terrain.Place{Col: 8})
	for together, want := range map[int][]string{
		0: {"s0004-r0000c0002", "s0004-r0006c0000", "s0004-r0000c0004", "s0004-r0000c0006", "s0004-r0000c0008"},
		2: {"s0004-r0000c0002", "s0004-r0000c0004", "s0004-r0000c0008"},
		9: {"s0004-r0000c0002"},
	} {
		s.Together = together
		var names []string
		var all []terrain.Place
		for name, windows := range s.Tasks() {
			names, all = append(names, name), append(all, windows...)
			if !slices.Equal(s.WindowsOf(name), windows) {
				t.Errorf("task %s has windows %v, not %v", name, s.WindowsOf(name), windows)
			}
		}
		if !slices.Equal(names, want) || !slices.Equal(all, s.Windows) {
			t.Errorf("%d together: tasks %v, want %v; windows %v", together, names, want, all)
		}
	}
	s.Together = 2
	for _, task := range []string{"s0005-r0000c0002", "s0004-r0006c0000"} { // of another stage; the second window of a task
		if w := s.WindowsOf(task); w != nil {
			t.Errorf("task %s has windows %v", task, w)
		}
	}
}

// TestStatusInStages: a job runs once it has a draft, and moves with every record of its stages.
func TestStatusInStages(t *testing.T) {
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
		d := draft()
		d.Plan.Created = noon.Add(time.Hour)
		if _, err := s.WriteDraft(ctx, r.ID, d); err != nil {
			t.Fatal(err)
		}
		status(job.Running, "the terrain is being analysed", 0, noon.Add(time.Hour))
		clock = noon.Add(2 * time.Hour)
		if _, err := s.WriteStage(ctx, r.ID, stage(1, terrain.Place{}, terrain.Place{Col: 2})); err != nil {
			t.Fatal(err)
		}
		status(job.Running, "depressions are filled: 0 of 2 windows of stage 1 are done", 2, clock)
		clock = noon.Add(3 * time.Hour)
		if err := s.WriteFound(ctx, r.ID, job.Found{Task: "s0001-r0000c0002"}); err != nil {
			t.Fatal(err)
		}
		status(job.Running, "depressions are filled: 1 of 2 windows of stage 1 are done", 2, clock)
		if _, _, err := s.WriteEnd(ctx, r.ID, job.End{State: job.Cancelled, Ended: noon.Add(4 * time.Hour)}); err != nil {
			t.Fatal(err)
		}
		if st, err := s.Status(ctx, r.ID); err != nil || st.State != job.Cancelled || st.Terrain != nil || !st.Started.Equal(d.Plan.Created) {
			t.Errorf("after the end: %+v (%v)", st, err)
		}
	})
}

func TestHostileDrafts(t *testing.T) {
	eachBucket(t, func(t *testing.T, s job.Store) {
		for _, data := range []string{`{}`, `{"plan":{"width":10,"height":10}}`, `{"plan":{"width":0,"height":10},"side":8}`, `[`} {
			put(t, s, job.Prefix(id(1))+"draft.json", data)
			if _, err := s.Draft(t.Context(), id(1)); !errors.Is(err, job.ErrDamaged) {
				t.Errorf("%s: %v", data, err)
			}
		}
	})
}
