// Package replica is what a process gives to the tasks that it does.
package replica

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"gocloud.dev/gcerrors"

	"github.com/cyverse-gis/eemt/functions/compute/cost"
	"github.com/cyverse-gis/eemt/functions/compute/engine"
	"github.com/cyverse-gis/eemt/functions/compute/objects"
	"github.com/cyverse-gis/eemt/functions/compute/workfile"
	"github.com/cyverse-gis/eemt/shared/dem"
	"github.com/cyverse-gis/eemt/shared/fault"
	"github.com/cyverse-gis/eemt/shared/geotiff"
	"github.com/cyverse-gis/eemt/shared/inspect"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/rangeread"
	"github.com/cyverse-gis/eemt/shared/raster"
)

// Options are those of a work file of the cells of w, which is quick to write.
func (j *Job) Options(d *dem.DEM, w raster.Window, bands []geotiff.BandInfo) geotiff.Options {
	return geotiff.Options{
		Width: w.Width, Height: w.Height, Transform: d.Image.Transform.Sub(w), GeoKeys: d.Image.GeoKeys,
		Bands: bands, Compression: geotiff.ZSTD, Level: 1, BlockSize: workfile.Block, Software: j.Software(), Plain: true, Threads: j.Threads,
	}
}

// Software is what files say that they were written by.
func (j *Job) Software() string { return "eemt " + j.Version }

// Replica is what a process gives to the jobs that it works on.
type Replica struct {
	Store job.Store
	// AtOnce is how many calls that only wait for the bucket go on at a time; 0 means 16.
	AtOnce int
	Now    func() time.Time
	// Threads is how many goroutines a task may use.
	Threads int
	// Temp is the folder of temporary files; empty means the system's place.
	Temp    string
	Version string
	// Cost is that of the cores which the work may use.
	Cost cost.Cost
	// Progress is told how far a job is.
	Progress func(id, step string, done, total float64)
}

// Job returns what a task works with.
func (r *Replica) Job(run *engine.Run) *Job {
	return &Job{
		Request: run.Request, Store: r.Store, Objects: objects.Store{Bucket: r.Store.Bucket, AtOnce: r.AtOnce}, Log: run.Log, Share: &run.Share,
		Now: r.Now, Threads: r.Threads, Temp: r.Temp, Version: r.Version, Cost: r.Cost,
		Progress: func(step string, done, total float64) { r.Progress(run.ID(), step, done, total) },
	}
}

// Job is what a task of a job works with.
type Job struct {
	Request job.Request
	Store   job.Store
	Objects objects.Store
	Log     *slog.Logger
	// Share is how much of the task is done.
	Share *engine.Share
	Now   func() time.Time
	// Threads is how many goroutines the task may use.
	Threads       int
	Temp, Version string
	Cost          cost.Cost
	// Progress is told that done of total steps of the job are done; a step is a tile, a map, or a share of one.
	Progress func(step string, done, total float64)
}

// Guarded is work in a goroutine of its own, whose panic becomes an error.
func (j *Job) Guarded(ctx context.Context, work func(ctx context.Context) error) func() error {
	return engine.Guarded(ctx, j.Log, work)
}

// OpenDEM opens the job's DEM in the bucket.
func (j *Job) OpenDEM(ctx context.Context) (*dem.DEM, io.Closer, error) {
	r, err := rangeread.Object(ctx, j.Objects.Bucket, j.Request.DEM.Key)
	if err != nil {
		return nil, nil, fmt.Errorf("open the DEM: %w", err)
	}
	d, err := dem.Open(r, r.Size(), inspect.DEMOptions(j.Request.Parameters).Named(j.Request.DEM.Name))
	if err != nil {
		_ = r.Close()
		return nil, nil, InputError(err)
	}
	return d, r, nil
}

// InputError ends the job for what the file itself says. A fault of the
// bucket keeps its own kind, so that the event is delivered again.
func InputError(err error) error {
	if fault.Is(err, fault.Unavailable) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) ||
		errors.Is(err, rangeread.ErrUnavailable) || errors.Is(err, rangeread.ErrChanged) {
		return err
	}
	// What a bucket refuses says nothing of the file, nor, once, that it is gone: Azure's driver takes
	// a name server that stumbles for an object that is not there, that of Google Cloud a refusal.
	if code := gcerrors.Code(err); code != gcerrors.Unknown && code != gcerrors.OK {
		return err
	}
	return fault.New(fault.Invalid, err)
}

// Held is how many compressed bytes of a map stay in memory.
const Held = 4 << 20
