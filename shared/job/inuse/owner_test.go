package inuse_test

import (
	"slices"
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
		err := s.EntriesOf(t.Context(), owner, "", func(e job.Entry) (bool, error) {
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
