package local

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/cyverse-gis/eemt/functions/compute/cost"

	"github.com/cyverse-gis/eemt/cmd/internal/buckets"
	"github.com/cyverse-gis/eemt/cmd/internal/outdir"
	"github.com/cyverse-gis/eemt/cmd/internal/room"
	"github.com/cyverse-gis/eemt/shared/amount"
	"github.com/cyverse-gis/eemt/shared/dem"
	"github.com/cyverse-gis/eemt/shared/inspect"
	"github.com/cyverse-gis/eemt/shared/param"
	"github.com/cyverse-gis/eemt/shared/wording"
)

// roomFor checks whether there is room for a job.
type roomFor = func(w param.Workflow, p param.Parameters, width, height int, dem int64) error

// regardless is the last way out of a refusal for want of room.
const regardless = "; or begin regardless with --no-space-check"

// room checks the disks and the memory of a run.
func (o *runOptions) room(cost cost.Cost) roomFor {
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
func (o *runOptions) checkRoom(cost cost.Cost, w param.Workflow, path string) error {
	check := o.room(cost)
	if check == nil {
		return nil
	}
	if jobs, err := os.ReadDir(filepath.Join(o.output, outdir.StateDir, "jobs")); err == nil && len(jobs) > 0 {
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
	d, err := dem.Open(f, info.Size(), inspect.DEMOptions(o.params))
	if err != nil {
		return nil //nolint:nilerr // submission says what is wrong with it
	}
	return check(w, o.params, d.Image.Width, d.Image.Height, info.Size())
}

// fullDisk says of a run that a full disk ended how much to free, and leaves other errors as they are.
func (o *runOptions) fullDisk(err error, cost cost.Cost, w param.Workflow, path string) error {
	sentence := wording.Error(err)
	if !strings.HasPrefix(sentence, "the disk") || !strings.HasSuffix(sentence, "is full") {
		return err
	}
	some := "some room"
	if f, opening := os.Open(path); opening == nil {
		defer func() { _ = f.Close() }()
		if info, err := f.Stat(); err == nil {
			if d, err := dem.Open(f, info.Size(), inspect.DEMOptions(o.params)); err == nil {
				need := cost.Disk(w, o.params, d.Image.Width, d.Image.Height, info.Size())
				some = "about " + amount.Bytes(max(need.Stored+need.Temp-sizeOf(filepath.Join(o.output, outdir.StateDir)), 1e6))
			}
		}
	}
	kept := ""
	if strings.Contains(err.Error(), "what is finished is kept") {
		kept = "; what is finished is kept"
	}
	return fmt.Errorf("%s: free %s and run the same command again%s", sentence, some, kept)
}

// sizeOf adds up the files of a directory.
func sizeOf(dir string) (bytes int64) {
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			if info, err := d.Info(); err == nil {
				bytes += info.Size()
			}
		}
		return nil //nolint:nilerr // what cannot be read does not count
	})
	return bytes
}

// room checks the disks and the memory of a server; those of a bucket elsewhere are not known.
func (o *serveOptions) room(cost cost.Cost) roomFor {
	if o.anyRoom || buckets.IsURL(o.data) {
		return nil
	}
	return room.Machine{
		Store: o.data, Temp: os.TempDir(), Cost: cost,
		Elsewhere: "free some room there, for instance by removing jobs",
	}.Check
}
