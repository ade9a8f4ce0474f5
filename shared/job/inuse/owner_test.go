package inuse_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/blob/memblob"

	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/job/inuse"
	"github.com/cyverse-gis/eemt/shared/param"
)

// TestOwnersIndex: a job is in the index of its owner, and goes from there; what an interruption left there is an orphan.
func TestOwnersIndex(t *testing.T) {
	b := memblob.OpenBucket(nil)
	defer func() { _ = b.Close() }()
	s := job.Store{Bucket: b}
	of := func(owner string) (ids []string) {
		err := s.EntriesOf(t.Context(), owner, nil, time.Now(), "", func(e job.Entry) (bool, error) {
			ids = append(ids, e.ID)
			return true, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return ids
	}
	r := job.Request{ID: "01JTEST0000000000000000001", Owner: "anna", Workflow: param.Sol, Created: time.Now()}
	lost := job.Request{ID: "01JTEST0000000000000000002", Owner: "anna", Workflow: param.Sol, Created: time.Now()}
	if err := s.Create(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if err := s.PutIndex(t.Context(), lost); err != nil {
		t.Fatal(err)
	}
	if got := of("anna"); !slices.Contains(got, r.ID) || len(of("boris")) > 0 {
		t.Errorf("anna's: %v, boris's: %v", got, of("boris"))
	}
	v, err := inuse.Look(t.Context(), s, func(string, job.Status, error) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	err = v.Orphans(t.Context(), time.Now().Add(time.Hour), false, func(o *blob.ListObject) error { return b.Delete(t.Context(), o.Key) }, func(string) error { return nil })
	if got := of("anna"); err != nil || !slices.Equal(got, []string{r.ID}) {
		t.Errorf("after the orphans: %v (%v)", got, err)
	}
	if _, err := (inuse.Remover{Store: s}).All(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if got := of("anna"); len(got) > 0 {
		t.Errorf("after its removal: %v", got)
	}
}

// TestEqualIndex: a removal takes the entry of its own job alone, whatever a record that came from elsewhere says; entries of
// jobs that are gone, or have no data any more, are orphans.
func TestEqualIndex(t *testing.T) {
	b := memblob.OpenBucket(nil)
	defer func() { _ = b.Close() }()
	s := job.Store{Bucket: b}
	work := strings.Repeat("0a", 32)
	enter := func(id string) job.Request {
		before, err := s.EqualJobs(t.Context(), work)
		if err != nil {
			t.Fatal(err)
		}
		key, won, err := s.AddEqual(t.Context(), work, id, time.Now(), before)
		if err != nil || !won {
			t.Fatal(won, err)
		}
		return job.Request{ID: id, Workflow: param.Sol, Created: time.Now(), Equal: key}
	}
	found := func() (ids []string) {
		entries, err := s.EqualJobs(t.Context(), work)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			ids = append(ids, e.Job)
		}
		return ids
	}
	jobs := []job.Request{enter("01JTEST0000000000000000001"), enter("01JTEST0000000000000000002"), enter("01JTEST0000000000000000003"), enter("01JTEST0000000000000000004")}
	for _, r := range jobs[:3] {
		if err := s.Create(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	if got := found(); len(got) != 4 || got[0] != jobs[3].ID || got[3] != jobs[0].ID {
		t.Errorf("found %v", got)
	}
	if _, _, err := s.WriteEnd(t.Context(), jobs[1].ID, job.End{State: job.Completed, Ended: time.Now()}); err != nil {
		t.Fatal(err)
	}
	if err := s.WriteExpired(t.Context(), jobs[1].ID, time.Now()); err != nil {
		t.Fatal(err)
	}
	clean := func(before time.Time) {
		v, err := inuse.Look(t.Context(), s, func(string, job.Status, error) error { return nil })
		if err == nil {
			err = v.Orphans(t.Context(), before, false, func(o *blob.ListObject) error { return b.Delete(t.Context(), o.Key) }, func(string) error { return nil })
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	clean(time.Now().Add(-time.Hour))
	if got := found(); len(got) != 4 {
		t.Errorf("young entries are removed: %v", got)
	}
	clean(time.Now().Add(time.Hour))
	if got := found(); !slices.Equal(got, []string{jobs[2].ID, jobs[0].ID}) {
		t.Errorf("after the orphans: %v", got)
	}
	for _, key := range []string{jobs[0].Equal, "jobs/" + jobs[0].ID + "/job.json", "equal/../jobs/" + jobs[0].ID + "/job.json", ""} {
		other := job.Request{ID: "01JTEST0000000000000000009", Workflow: param.Sol, Created: time.Now(), Equal: key}
		if _, err := (inuse.Remover{Store: s}).All(t.Context(), other); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Request(t.Context(), jobs[0].ID); err != nil || len(found()) != 2 {
		t.Errorf("another's removal: %v, %v", found(), err)
	}
	if _, err := (inuse.Remover{Store: s}).All(t.Context(), jobs[2]); err != nil {
		t.Fatal(err)
	}
	if got := found(); !slices.Equal(got, []string{jobs[0].ID}) {
		t.Errorf("after its removal: %v", got)
	}
	if _, won, err := s.AddEqual(t.Context(), work, jobs[0].ID, time.Now(), nil); err != nil || !won {
		t.Errorf("its own entry is another's: %v", err)
	}
	if _, won, err := s.AddEqual(t.Context(), work, "01JTEST0000000000000000009", time.Now(), nil); err != nil || won {
		t.Errorf("an entry is replaced: %v", err)
	}
}

// TestGroupsIndex: entries of shares that have ended, and of jobs that are gone, are orphans.
func TestGroupsIndex(t *testing.T) {
	b := memblob.OpenBucket(nil)
	defer func() { _ = b.Close() }()
	s := job.Store{Bucket: b}
	r := job.Request{ID: "01JTEST0000000000000000001", Owner: "anna", Workflow: param.Sol, Created: time.Now()}
	gone := job.Request{ID: "01JTEST0000000000000000002", Owner: "anna", Workflow: param.Sol, Created: time.Now()}
	if err := s.Create(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	later, over := time.Now().Add(48*time.Hour), time.Now().Add(-48*time.Hour)
	for _, key := range []string{r.GroupKey("hydrology", "S1", later), r.GroupKey("hydrology", "S2", over), r.GroupKey("geology", "S3", over), gone.GroupKey("hydrology", "S4", later)} {
		if err := b.WriteAll(t.Context(), key, nil, nil); err != nil {
			t.Fatal(err)
		}
	}
	of := func(groups ...string) (ids []string) {
		err := s.EntriesOf(t.Context(), "boris", groups, time.Now(), "", func(e job.Entry) (bool, error) {
			if !e.Shared {
				t.Errorf("%+v", e)
			}
			ids = append(ids, e.ID)
			return true, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return ids
	}
	if got := of("geology", "hydrology", "hydrology"); len(got) != 2 || len(of("geology")) != 0 {
		t.Errorf("%v", got)
	}
	for group, want := range map[string]bool{"hydrology": true, "geology": false, "none": false} {
		if got, err := s.SharedWith(t.Context(), r, []string{group}, time.Now()); err != nil || got != want {
			t.Errorf("%s: %t (%v)", group, got, err)
		}
	}
	v, err := inuse.Look(t.Context(), s, func(string, job.Status, error) error { return nil })
	var removed []string
	if err == nil {
		err = v.Orphans(t.Context(), time.Now().Add(time.Minute), false, func(o *blob.ListObject) error {
			removed = append(removed, o.Key)
			return b.Delete(t.Context(), o.Key)
		}, func(string) error { return nil })
	}
	if got := of("hydrology"); err != nil || !slices.Equal(got, []string{r.ID}) || len(removed) != 3 {
		t.Errorf("%v, removed %v (%v)", got, removed, err)
	}
}
