package record_test

import (
	"errors"
	"testing"
	"time"

	"gocloud.dev/blob/memblob"

	"github.com/cyverse-gis/eemt/functions/compute/record"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/raster"
)

const id = "01JTESTAAAAAAAAAAAAAAAAAAA"

func store(t *testing.T) job.Store {
	t.Helper()
	b := memblob.OpenBucket(nil)
	t.Cleanup(func() { _ = b.Close() })
	return job.Store{Bucket: b}
}

func plan(tiles int) *record.Plan {
	p := &record.Plan{Width: 64 * tiles, Height: 64}
	p.Created = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	for c := range tiles {
		p.Tiles = append(p.Tiles, record.Tile{Task: job.TaskName(0, c), Window: raster.Window{Col: 64 * c, Width: 64, Height: 64}})
	}
	return p
}

// TestFirstPlanStands, and all functions read from it how many tiles there are, and when it was made.
func TestFirstPlanStands(t *testing.T) {
	s := store(t)
	for _, tiles := range []int{2, 5} {
		if p, err := record.WritePlan(t.Context(), s, id, plan(tiles)); err != nil || len(p.Tiles) != 2 || p.Tiles[1].Window.Col != 64 {
			t.Errorf("a plan of %d tiles: %+v stands (%v), want the one of 2", tiles, p, err)
		}
	}
	var p job.Plan
	if err := s.Read(t.Context(), job.Prefix(id)+"plan.json", &p); err != nil || len(p.Tiles) != 2 || p.Tiles[1].Task != "r0000c0001" || !p.Created.Equal(plan(1).Created) {
		t.Errorf("other functions read %+v (%v)", p, err)
	}
}

func TestFirstDraftStands(t *testing.T) {
	s := store(t)
	for _, side := range []int{16, 32} {
		if d, err := record.WriteDraft(t.Context(), s, id, &record.Draft{Plan: plan(1), Side: side}); err != nil || d.Side != 16 {
			t.Errorf("a draft of side %d: %+v stands (%v), want the one of 16", side, d, err)
		}
	}
}

func TestHostileDrafts(t *testing.T) {
	for _, data := range []string{`{}`, `{"plan":{"width":10,"height":10}}`, `{"plan":{"width":0,"height":10},"side":8}`, `[`} {
		s := store(t)
		if err := s.Bucket.WriteAll(t.Context(), job.Prefix(id)+"draft.json", []byte(data), nil); err != nil {
			t.Fatal(err)
		}
		if _, err := record.ReadDraft(t.Context(), s, id); !errors.Is(err, job.ErrDamaged) {
			t.Errorf("%s: %v", data, err)
		}
	}
}
