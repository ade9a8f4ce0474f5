package golden

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/cyverse-gis/eemt/functions/compute/drainage"
	"github.com/cyverse-gis/eemt/functions/compute/workfile"

	"github.com/cyverse-gis/eemt/shared/sources"

	"gocloud.dev/blob"

	"github.com/cyverse-gis/eemt/eventing"
	"github.com/cyverse-gis/eemt/eventing/broker"
	"github.com/cyverse-gis/eemt/functions/compute"
	"github.com/cyverse-gis/eemt/shared/climate"
	"github.com/cyverse-gis/eemt/shared/dirbucket"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/param"
)

// TestJobsOfTasks: jobs of which each step is a task of its own: water followed window by window, far terrain, maps
// made in groups. Their maps are those of the same job in one process.
func TestJobsOfTasks(t *testing.T) {
	dir := t.TempDir()
	inputs(t, dir)
	p := param.DefaultParameters()
	p.Step, p.TileSize = 60, 48
	p.StartYear, p.EndYear = 2018, 2019
	for name, c := range map[string]struct {
		workflow param.Workflow
		adapt    func(*param.Parameters)
		reach    workfile.Reach
	}{
		"tasks-eemt": {param.EEMT, func(p *param.Parameters) { p.Climate = "table:inputs/station.csv" }, workfile.Reach{}},
		"tasks-far":  {param.Sol, func(p *param.Parameters) { p.Layers = []param.Layer{param.Horizon, param.SkyView} }, workfile.Reach{Whole: 2000, Block: 48, Near: 16, Factor: 2}},
	} {
		t.Run(name, func(t *testing.T) {
			p := p
			c.adapt(&p)
			root := t.TempDir()
			b, err := dirbucket.Open(root)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = b.Close() }()
			for _, file := range []string{"large.tif", "station.csv"} {
				data, err := os.ReadFile(filepath.Join(dir, file))
				if err != nil {
					t.Fatal(err)
				}
				if err := b.WriteAll(t.Context(), "inputs/"+file, data, nil); err != nil {
					t.Fatal(err)
				}
			}
			const id = "01JTESTG00DEN0000000000001"
			compute := compute.Service{
				Climate: climateOf(b), Threads: 2, Version: "golden", Temp: t.TempDir(),
				Reach: c.reach, Drainage: drainage.Options{Inline: -1, Side: 32, Batch: 2}, AssembleWithin: -1,
			}
			work(t, b, &compute, job.Request{
				ID: id, Workflow: c.workflow, Parameters: p, Created: time.Now(),
				DEM: job.DEM{Key: "inputs/large.tif", Name: "large.tif"},
			})
			r := read(t, name, filepath.Join(root, "jobs", id, "results"))
			r.Command = name
			check(t, "jobs/"+name, r)
		})
	}
}

// work computes a job with a service whose events come back to it, and fails unless it is completed.
func work(t *testing.T, b *blob.Bucket, s *compute.Service, r job.Request) {
	t.Helper()
	s.Store, s.Now, s.Log = job.Store{Bucket: b}, time.Now, slog.New(slog.DiscardHandler)
	events := broker.New(broker.Options{})
	s.Events = events
	events.Subscribe("compute", []string{eventing.JobSubmitted, eventing.TaskRequested, eventing.TilesCompleted}, 2, s.Handle)
	if err := s.Store.Create(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if err := events.Publish(t.Context(), eventing.NewJobSubmitted("/golden", r.ID, 0, r.Created)); err != nil {
		t.Fatal(err)
	}
	events.Start()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	if err := events.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	if end, err := s.Store.End(ctx, r.ID); err != nil || end.State != job.Completed {
		t.Fatalf("%+v (%v)", end, err)
	}
}

// climateOf opens climate files of a bucket.
func climateOf(b *blob.Bucket) climate.Opener { return sources.Files{Bucket: b}.Open }
