// Package size_test computes DEMs far larger than memory.
package size_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cyverse-gis/eemt/functions/compute/assembly"
	"github.com/cyverse-gis/eemt/functions/compute/workfile"

	"github.com/cyverse-gis/eemt/functions/compute/record"
	"github.com/cyverse-gis/eemt/shared/geotiff"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/raster"
)

// limit is what the process may take, in MiB; memory what it is told to.
const (
	limit  = 1024
	memory = 896
)

// station is a climate table.
const station = `# elevation_m: 1200
month,tmin,tmax,prcp,vp
1,-12.1,0.4,41.0,210
2,-4.4,8.2,38.5,340
3,-6.3,6.0,52.0,330
4,-2.4,11.2,61.2,450
5,2.1,17.0,44.0,640
6,5.9,23.1,0.0,800
7,9.4,26.2,66.3,1050
8,8.8,25.0,71.1,1020
9,4.3,20.9,48.0,760
10,-0.9,14.2,43.3,520
11,-6.8,6.3,39.9,330
12,-11.5,1.1,45.2,230
`

// TestSize computes EEMT_SIZE x EEMT_SIZE cells of synthetic mountains with
// memory for a small part of them, and 1024 x 1024 cells. Where a control group can
// be had the program is killed if it takes more than the limit. The CPU time of a
// cell must stay within a quarter of that of the small DEM, and every cell but those
// of the edge must have a value.
//
// EEMT_SIZE_WORKFLOWS is sol, eemt or both. EEMT_SIZE_MAPS is annual or all, annual
// where it is not said and the side is 8192 or more. All of it lies under TMPDIR,
// where it needs the room that docs/guide.md tells under "Maps of years only".
//
//	EEMT_SIZE=8192 EEMT_SIZE_WORKFLOWS=sol go test -v -timeout 10h ./integration/size
func TestSize(t *testing.T) {
	side, err := strconv.Atoi(os.Getenv("EEMT_SIZE"))
	if err != nil {
		t.Skip("hours: set EEMT_SIZE to the side of the DEM, 20000 for instance, to run it")
	}
	maps := os.Getenv("EEMT_SIZE_MAPS")
	if maps == "" {
		if maps = "all"; side >= 8192 {
			maps = "annual"
		}
	}
	dir := t.TempDir()
	r := run{program: filepath.Join(dir, "eemt"), climate: filepath.Join(dir, "station.csv"), maps: maps}
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", r.program, "../../cmd/eemt").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	if err := os.WriteFile(r.climate, []byte(station), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, workflow := range strings.Split(cmp.Or(os.Getenv("EEMT_SIZE_WORKFLOWS"), "sol,eemt"), ",") {
		t.Run(workflow, func(t *testing.T) {
			r := r
			r.workflow = workflow
			small := r.measure(t, 1024)
			large := r.measure(t, side)
			if ratio := large.perCell / small.perCell; ratio > 1.25 {
				t.Errorf("a cell takes %.2f times the CPU time of one of 1024 x 1024 cells, want 1.25 at most", ratio)
			}
			if large.peak > limit {
				t.Errorf("%d MiB at the peak, want %d at most", large.peak, limit)
			}
		})
	}
}

// run is a program and what it is to compute.
type run struct{ program, climate, workflow, maps string }

type usage struct {
	perCell float64 // µs of CPU
	peak    int     // MiB
}

func (r run) measure(t *testing.T, side int) usage {
	t.Helper()
	dir := t.TempDir()
	dem, out := filepath.Join(dir, "dem.tif"), filepath.Join(dir, "maps")
	writeDEM(t, dem, side)
	args := []string{r.program, "run", r.workflow, dem, "--memory", strconv.Itoa(memory), "--maps", r.maps, "--output", out}
	if r.workflow == "eemt" {
		args = append(args, "--climate", "table:"+r.climate)
	}
	bounds := confine(t, limit<<20)
	args = bounds.command(args)
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), args[0], args[1:]...)
	cmd.Env = append(os.Environ(), "TMPDIR="+dir)
	var said bytes.Buffer
	cmd.Stderr = &said
	if testing.Verbose() { // hours: show how far it is
		cmd.Stderr = io.MultiWriter(&said, os.Stderr)
	}
	disk := watchDisk(dir)
	begun := time.Now()
	err := cmd.Run()
	wall, most := time.Since(begun), disk.stop()
	if err != nil {
		t.Fatalf("%s: %v%s\n%s", strings.Join(args, " "), err, bounds.verdict(), said.Bytes())
	}
	cells := float64(side) * float64(side)
	rusage := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	cpu := (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()
	u := usage{perCell: cpu * 1e6 / cells, peak: int(rusage.Maxrss >> 10)}
	t.Logf("%s, maps %s, %d x %d cells: %.2f us of CPU a cell, %d MiB at the peak, %s", r.workflow, r.maps, side, side, u.perCell, u.peak, bounds.how)
	t.Logf("disk: %.0f bytes a cell at the most, %.0f of maps, %.1f of the DEM", float64(most)/cells, float64(sizeOf(out, ".eemt"))/cells, float64(sizeOf(dem, ""))/cells)
	logCourse(t, out, wall)
	name := "global/annual/total_sun_sum.tif"
	if r.workflow == "eemt" {
		name = "eemt/EEMT_Topo_2020.tif"
	}
	checkMap(t, filepath.Join(out, filepath.FromSlash(name)), side)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	return u
}

// logCourse tells how long each part of the job took, as its records have it.
func logCourse(t *testing.T, out string, wall time.Duration) {
	t.Helper()
	var report assembly.Report
	read(t, filepath.Join(out, workfile.ReportName), &report)
	records := filepath.Join(out, ".eemt", "jobs", report.JobID)
	var plan record.Plan
	var end job.End
	read(t, filepath.Join(records, "plan.json"), &plan)
	read(t, filepath.Join(records, "end.json"), &end)
	last := plan.Created
	for _, tile := range plan.Tiles {
		// The tiles are the first phase, or the one behind those of the terrain.
		found, err := filepath.Glob(filepath.Join(records, "phases", "*", tile.Task+".json"))
		if err != nil || len(found) == 0 {
			t.Fatalf("tile %s has no record (%v)", tile.Task, err)
		}
		var task job.Record
		read(t, found[len(found)-1], &task)
		if task.Ended.After(last) {
			last = task.Ended
		}
	}
	t.Logf("seconds: %.0f in all; terrain and climate %.0f, tiles %.0f (%d, the slowest %.1f), maps %.0f, pictures and report %.0f; foreseen %.0f on a core",
		wall.Seconds(), plan.Created.Sub(report.Created).Seconds(), last.Sub(plan.Created).Seconds(), len(plan.Tiles), report.Longest,
		report.Finished.Sub(last).Seconds(), end.Ended.Sub(report.Finished).Seconds(), report.Estimate.CoreSeconds)
}

func read(t *testing.T, path string, to any) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, to); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// checkMap counts the cells with a value: all but those of the edge, which lack
// neighbours for a slope. GDAL, where it is there, shows what it makes of the map.
func checkMap(t *testing.T, path string, side int) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	img, err := geotiff.Open(f, info.Size())
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	valid := 0
	const rows = 128
	for row := 0; row < img.Height; row += rows {
		g, err := img.Grid(t.Context(), 0, raster.Window{Row: row, Width: img.Width, Height: min(rows, img.Height-row)})
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		for _, v := range g.Cells {
			if !math.IsNaN(v) {
				valid++
			}
		}
	}
	if want := (side - 2) * (side - 2); valid != want {
		t.Errorf("%s has %d cells with a value, want %d", filepath.Base(path), valid, want)
	}
	gdalinfo, err := exec.LookPath("gdalinfo")
	if err != nil {
		t.Logf("%s: %d cells with a value; gdalinfo is not there to look at it too", filepath.Base(path), valid)
		return
	}
	out, err := exec.CommandContext(t.Context(), gdalinfo, "-stats", "-mm", path).CombinedOutput()
	if err != nil {
		t.Fatalf("gdalinfo: %v\n%s", err, out)
	}
	_, band, _ := strings.Cut(string(out), "Corner Coordinates:") // without the coordinate system
	t.Logf("%s: %d cells with a value; GDAL says of it:\n%s", filepath.Base(path), valid, band)
}

// writeDEM writes mountains as a COG of 10 m cells, block by block.
func writeDEM(t *testing.T, path string, side int) {
	t.Helper()
	spool, err := os.Create(path + ".spool")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = spool.Close()
		_ = os.Remove(spool.Name())
	}()
	w, err := geotiff.NewWriter(geotiff.Options{
		Width: side, Height: side, Overviews: true,
		Transform: raster.Transform{OriginX: 300000, OriginY: 4500000, StepX: 10, StepY: -10},
		GeoKeys:   raster.GeoKeys{Shorts: map[uint16]uint16{1024: 1, 3072: 32613}},
		Spool:     func() (geotiff.Spool, error) { return spool, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	var cells []float32
	for at := range w.Windows() {
		cells = cells[:0]
		for r := at.Row; r < at.Row+at.Height; r++ {
			for c := at.Col; c < at.Col+at.Width; c++ {
				cells = append(cells, float32(mountains(c, r)))
			}
		}
		if err := w.WriteWindow(0, at, cells); err != nil {
			t.Fatal(err)
		}
	}
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Close(f); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// mountains is a sum of smooth noise, each twice as fine as the one before and
// half as high.
func mountains(col, row int) float64 {
	z, height := 400.0, 1000.0
	for grain := 1024; grain >= 4; grain /= 2 {
		c, r := col/grain, row/grain
		x, y := smooth(float64(col%grain)/float64(grain)), smooth(float64(row%grain)/float64(grain))
		z += height * ((knot(grain, c, r)*(1-x)+knot(grain, c+1, r)*x)*(1-y) + (knot(grain, c, r+1)*(1-x)+knot(grain, c+1, r+1)*x)*y)
		height /= 2
	}
	return math.Round(z*100) / 100
}

func smooth(x float64) float64 { return x * x * (3 - 2*x) }

// knot is noise of 0 to 1 at a place.
func knot(grain, col, row int) float64 {
	v := uint64(grain)<<48 ^ uint64(col)<<24 ^ uint64(row)
	v = (v ^ v>>30) * 0xbf58476d1ce4e5b9
	v = (v ^ v>>27) * 0x94d049bb133111eb
	return float64((v^v>>31)>>11) / (1 << 53)
}
