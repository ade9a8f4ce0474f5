package compute_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/cyverse-gis/eemt/eventing"
	"github.com/cyverse-gis/eemt/functions/compute/record"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/param"
)

// TestDamagedWorkEndsTheJob damages what one step left for the next: the job ends at the second try, with a sentence
// that names the step and the file, not after hours.
func TestDamagedWorkEndsTheJob(t *testing.T) {
	tiff := hills(t)
	ways := map[string]func(data []byte) []byte{
		"cut short": func(data []byte) []byte { return data[:len(data)*2/3] },
		"garbled": func(data []byte) []byte {
			for i := 600; i < len(data); i++ {
				data[i] ^= byte(i)
			}
			return data
		},
		"another file": func([]byte) []byte { return []byte("<html>please sign in</html>") },
		"gone":         func([]byte) []byte { return nil },
	}
	for _, c := range []struct {
		name, file string // a part of the key
		step       string // that fails
		event      func() event
	}{
		{"work of a tile", "/work/r0000c0000/", "assembly of the maps", func() event { return request(2, job.KindAssembly, job.AssemblyTask, 0) }},
		{"terrain", "/work/terrain.tif", "tile r0000c0000", func() event { return request(1, job.KindTiles, "r0000c0000", 0) }},
	} {
		for way, damage := range ways {
			t.Run(c.name+" "+way, func(t *testing.T) {
				w := newWorld(t, newBucket(t), options{})
				p := brief()
				w.submit(t, param.EEMT, p, tiff)
				if err := w.compute.Handle(t.Context(), eventing.NewJobSubmitted("/test", jobID, 0, noon)); err != nil {
					t.Fatal(err)
				}
				plan, err := record.ReadPlan(t.Context(), w.store, jobID)
				if err != nil {
					t.Fatal(err)
				}
				if strings.Contains(c.step, "assembly") {
					for _, tile := range plan.Tiles {
						if err := w.compute.Handle(t.Context(), request(1, job.KindTiles, tile.Task, 0)); err != nil {
							t.Fatal(err)
						}
					}
				}
				n := 0
				for key, data := range objects(t, w.bucket, "") {
					if !strings.Contains(key, c.file) {
						continue
					}
					n++
					if data = damage(data); data == nil {
						err = w.bucket.Delete(t.Context(), key)
					} else {
						err = w.bucket.WriteAll(t.Context(), key, data, nil)
					}
					if err != nil {
						t.Fatal(err)
					}
				}
				if n == 0 {
					t.Fatalf("no file is called %s", c.file)
				}
				if err := w.compute.Handle(t.Context(), c.event()); err == nil {
					t.Error("the first failure is no error")
				}
				if end, err := w.store.End(t.Context(), jobID); !errors.Is(err, job.ErrNotFound) {
					t.Fatalf("ended at the first try: %+v (%v)", end, err)
				}
				second := w.compute.Handle(t.Context(), c.event())
				end, err := w.store.End(t.Context(), jobID)
				if second != nil || err != nil || end.State != job.Failed || !strings.HasPrefix(end.Reason, c.step+" failed twice") || !strings.Contains(end.Reason, strings.TrimSuffix(c.file, "/")) {
					t.Errorf("second %v, end %+v (%v)", second, end, err)
				}
			})
		}
	}
}
