package compute_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"gocloud.dev/gcerrors"

	"github.com/cyverse-gis/eemt/eventing"
	"github.com/cyverse-gis/eemt/integration/faultbucket"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/param"
)

// TestOneRefusalIsNoVerdict: a bucket that once says an input is not there, as some do when a name server stumbles or a
// credential was just renewed, does not end the job; the next try goes through. One that says so twice does.
func TestOneRefusalIsNoVerdict(t *testing.T) {
	tiff := hills(t)
	p := brief()
	want := calm(t, param.EEMT, p, tiff)
	plan := eventing.NewJobSubmitted("/test", jobID, 0, noon)
	tile := request(1, job.KindTiles, "r0000c0000", 0)
	for _, c := range []struct {
		name, file string // that is refused
		op         string
		before     []event
		event      event
	}{
		{"DEM while planning", "_hills.tif", faultbucket.Read, nil, plan},
		{"climate while planning", "station.csv", faultbucket.Attributes, nil, plan},
		{"DEM in a tile", "_hills.tif", faultbucket.Read, []event{plan}, tile},
		{"climate in a tile", "/work/climate/", faultbucket.Read, []event{plan}, tile},
	} {
		for times := 1; times <= 2; times++ {
			t.Run(c.name, func(t *testing.T) {
				inner := newBucket(t)
				_, gone := inner.ReadAll(t.Context(), "nothing")
				if gcerrors.Code(gone) != gcerrors.NotFound {
					t.Fatal(gone)
				}
				armed, refused := false, 0
				w := newWorld(t, faultbucket.Wrap(inner, func(op, key string) error {
					if armed && op == c.op && strings.Contains(key, c.file) {
						armed = false
						refused++
						return gone
					}
					return nil
				}), options{})
				swallow := *w.compute
				swallow.Events = eventing.PublisherFunc(func(context.Context, event) error { return nil })
				w.submit(t, param.EEMT, p, tiff)
				for _, e := range c.before {
					if err := swallow.Handle(t.Context(), e); err != nil {
						t.Fatal(err)
					}
				}
				var err error
				for n := range times {
					armed = true
					if err = swallow.Handle(t.Context(), c.event); err == nil && n == 0 {
						t.Error("the first refusal is no error")
					}
					if _, err := w.store.End(t.Context(), jobID); n == 0 && !errors.Is(err, job.ErrNotFound) {
						t.Fatalf("the first refusal ended the job (%v)", err)
					}
				}
				if refused != times {
					t.Fatalf("refused %d times", refused)
				}
				armed = false
				if times == 2 {
					if end, ended := w.store.End(t.Context(), jobID); err != nil || ended != nil || end.State != job.Failed || !strings.Contains(end.Reason, "failed twice") {
						t.Errorf("%v, end %+v (%v)", err, end, ended)
					}
					return
				}
				w.settle(t)
				if err := w.compute.Handle(t.Context(), plan); err != nil {
					t.Fatal(err)
				}
				w.settle(t)
				w.mustComplete(t)
				sameBytes(t, w.results(t), want)
			})
		}
	}
}
