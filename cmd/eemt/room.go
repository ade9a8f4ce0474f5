package main

import (
	"os"
	"path/filepath"

	"github.com/cyverse-gis/eemt/cmd/internal/buckets"
	"github.com/cyverse-gis/eemt/cmd/internal/room"
	"github.com/cyverse-gis/eemt/functions/compute"
	"github.com/cyverse-gis/eemt/shared/dem"
	"github.com/cyverse-gis/eemt/shared/job"
)

// roomFor checks whether there is room for a job.
type roomFor = func(w job.Workflow, p job.Parameters, width, height int, dem int64) error

// regardless is the last way out of a refusal for want of room.
const regardless = "; or begin regardless with --no-space-check"

// room checks the disks and the memory of a run.
func (o *runOptions) room(cost compute.Cost) roomFor {
	if o.anyRoom {
		return nil
	}
	return room.Machine{
		Store: o.output, Temp: os.TempDir(), Cost: cost,
		Elsewhere: "choose a directory on another disk with --output" + regardless,
	}.Check
}

// checkRoom looks before the DEM is copied. A directory that has jobs already may have what the run needs: there the
// check is left to when a new job is made.
func (o *runOptions) checkRoom(cost compute.Cost, w job.Workflow, path string) error {
	check := o.room(cost)
	if check == nil {
		return nil
	}
	if jobs, err := os.ReadDir(filepath.Join(o.output, stateDir, "jobs")); err == nil && len(jobs) > 0 {
		return nil
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	d, err := dem.Open(f, info.Size())
	if err != nil {
		return nil //nolint:nilerr // submission says what is wrong with it
	}
	return check(w, o.params, d.Image.Width, d.Image.Height, info.Size())
}

// room checks the disks and the memory of a server; those of a bucket elsewhere are not known.
func (o *serveOptions) room(cost compute.Cost) roomFor {
	if o.anyRoom || buckets.IsURL(o.data) {
		return nil
	}
	return room.Machine{
		Store: o.data, Temp: os.TempDir(), Cost: cost,
		Elsewhere: "free some room there, for instance by removing jobs",
	}.Check
}
