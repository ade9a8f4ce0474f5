// Package size_test computes DEMs far larger than memory.
package size_test

import (
	"context"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/cyverse-gis/eemt/shared/geotiff"
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
// memory for a small part of them, and 1024 x 1024 cells. The peak of memory must stay
// below the limit, the CPU time of a cell within a quarter of that of the small
// DEM. It needs some 300 bytes of disk a cell for sol, 700 for eemt, under
// TMPDIR, and some ten microseconds of CPU a cell.
//
//	EEMT_SIZE=8192 EEMT_SIZE_WORKFLOWS=sol go test -v -timeout 10h ./integration/size
func TestSize(t *testing.T) {
	side, err := strconv.Atoi(os.Getenv("EEMT_SIZE"))
	if err != nil {
		t.Skip("hours: set EEMT_SIZE to the side of the DEM, 20000 for instance, to run it")
	}
	workflows := "sol,eemt"
	if w := os.Getenv("EEMT_SIZE_WORKFLOWS"); w != "" {
		workflows = w
	}
	dir := t.TempDir()
	program := filepath.Join(dir, "eemt")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "../../cmd/eemt").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	climate := filepath.Join(dir, "station.csv")
	if err := os.WriteFile(climate, []byte(station), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, workflow := range strings.Split(workflows, ",") {
		t.Run(workflow, func(t *testing.T) {
			small := measure(t, program, workflow, climate, 1024)
			large := measure(t, program, workflow, climate, side)
			if ratio := large.perCell / small.perCell; ratio > 1.25 {
				t.Errorf("a cell takes %.2f times the CPU time of one of 1024 x 1024 cells, want 1.25 at most", ratio)
			}
			if large.peak > limit {
				t.Errorf("%d MiB at the peak, want %d at most", large.peak, limit)
			}
		})
	}
}

type usage struct {
	perCell float64 // µs of CPU
	peak    int     // MiB
}

func measure(t *testing.T, program, workflow, climate string, side int) usage {
	t.Helper()
	dir := t.TempDir()
	dem := filepath.Join(dir, "dem.tif")
	writeDEM(t, dem, side)
	args := []string{"run", workflow, dem, "--quiet", "--memory", strconv.Itoa(memory), "--output", filepath.Join(dir, "maps")}
	if workflow == "eemt" {
		args = append(args, "--climate", "table:"+climate)
	}
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), program, args...)
	cmd.Env = append(os.Environ(), "TMPDIR="+dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
	rusage := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	cpu := (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()
	u := usage{perCell: cpu * 1e6 / float64(side) / float64(side), peak: int(rusage.Maxrss >> 10)}
	t.Logf("%s, %d x %d cells: %.2f us of CPU a cell, %d MiB at the peak", workflow, side, side, u.perCell, u.peak)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	return u
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
