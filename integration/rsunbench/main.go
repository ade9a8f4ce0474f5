//go:build unix

// Command rsunbench times the solar engine against GRASS r.sun on the same terrain, in one go.
//
// A year of r.sun is taken from a few days spread over the seasons. CPU seconds
// are those of all processes and threads. With -growth it times both programs over
// many sizes instead, and with -limit the engine against what the machine can do.
// Nothing is written outside a temporary folder, but the plot that -plot asks for.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/cyverse-gis/eemt/shared/crs"
	"github.com/cyverse-gis/eemt/shared/geotiff"
	"github.com/cyverse-gis/eemt/shared/raster"
	"github.com/cyverse-gis/eemt/shared/solar"
	"github.com/cyverse-gis/eemt/shared/solar/horizon"
	"github.com/cyverse-gis/eemt/shared/terrain"
)

func main() {
	side := flag.Int("side", 1024, "cells along each side of the terrain")
	days := flag.String("days", "15,105,196,288", "days of the year that r.sun computes")
	horizons := flag.Bool("horizons", true, "time r.sun with 72 r.horizon maps too")
	growth := flag.String("growth", "", "time these sizes instead, for instance 512,1024,2048,4096,20000; of more than 8192 the block in the middle")
	tile := flag.Int("tile", 768, "with -growth: cells along a side of the tiles that larger terrain is cut into")
	upTo := flag.Int("rsun-up-to", 0, "with -growth: the largest size that r.sun computes the first of -days for; 0 leaves it out")
	plot := flag.String("plot", "", "with -growth: write a plot of time against size to this SVG file")
	limit := flag.Bool("limit", false, "compare the engine with the memory and the arithmetic of the machine instead")
	flag.Parse()
	err := run(os.Stdout, options{
		side: *side, days: *days, horizons: *horizons,
		growth: *growth, tile: *tile, upTo: *upTo, plot: *plot, limit: *limit,
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, "rsunbench:", err)
		os.Exit(1)
	}
}

type options struct {
	side     int
	days     string
	horizons bool
	growth   string
	tile     int
	upTo     int
	plot     string
	limit    bool
}

func numbers(list, what string, low, high int) ([]int, error) {
	var out []int
	for _, f := range strings.Split(list, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(f))
		if err != nil || n < low || n > high {
			return nil, fmt.Errorf("%s %q: must be %d to %d", what, f, low, high)
		}
		out = append(out, n)
	}
	return out, nil
}

func run(out io.Writer, o options) error {
	if o.side < 16 || o.side > 16384 {
		return fmt.Errorf("side %d: must be 16 to 16384 cells", o.side)
	}
	days, err := numbers(o.days, "day", 1, 365)
	if err != nil {
		return err
	}
	switch {
	case o.limit:
		return limits(out, o.side)
	case o.growth != "":
		sizes, err := numbers(o.growth, "size", 16, 65536)
		if err != nil {
			return err
		}
		if o.tile < 64 {
			return fmt.Errorf("tile %d: must be 64 cells or more", o.tile)
		}
		return grow(out, sizes, o, days[0])
	}
	return pair(out, o.side, days, o.horizons)
}

// cost is what a piece of work took, in seconds.
type cost struct{ wall, cpu float64 }

func (c cost) minus(o cost) cost          { return cost{c.wall - o.wall, c.cpu - o.cpu} }
func (c cost) plus(o cost) cost           { return cost{c.wall + o.wall, c.cpu + o.cpu} }
func (c cost) times(f float64) cost       { return cost{c.wall * f, c.cpu * f} }
func (c cost) over(o cost) (w, u float64) { return c.wall / o.wall, c.cpu / o.cpu }

// pair times a year of both programs on one terrain.
func pair(out io.Writer, side int, days []int, horizons bool) error {
	dir, err := os.MkdirTemp("", "rsunbench-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	s, err := surface(filepath.Join(dir, "dem.tif"), side)
	if err != nil {
		return err
	}
	g, start, err := load(dir)
	if err != nil {
		return err
	}
	cores := runtime.NumCPU()
	_, _ = fmt.Fprintf(out, "%d x %d cells, 15 minutes, %d cores\n", side, side, cores)
	var plain, mapped cost
	rsun := rsunCommand(cores)
	for _, d := range days {
		c, err := g.exec(rsun + strconv.Itoa(d))
		if err != nil {
			return err
		}
		c = c.minus(start)
		plain = plain.plus(c)
		_, _ = fmt.Fprintf(out, "r.sun day %3d             %9.1f s wall %9.1f s CPU\n", d, c.wall, c.cpu)
	}
	scale := 365 / float64(len(days))
	plain = plain.times(scale)
	if horizons {
		making, err := g.exec("r.horizon --q elevation=dem step=5 output=hor && for a in $(seq -w 000 5 355); do r.mapcalc --q --o \"hc_$a = max(0, hor_$a)\"; done")
		if err != nil {
			return err
		}
		making = making.minus(start)
		_, _ = fmt.Fprintf(out, "r.horizon, 72 directions  %9.1f s wall %9.1f s CPU\n", making.wall, making.cpu)
		for _, d := range days {
			c, err := g.exec(rsun + strconv.Itoa(d) + " horizon_basename=hc horizon_step=5")
			if err != nil {
				return err
			}
			mapped = mapped.plus(c.minus(start))
		}
		mapped = mapped.times(scale).plus(making)
	}
	ours, err := year(s, side, cores)
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(out, "eemt, the whole year      %9.1f s wall %9.1f s CPU\n\n", ours.wall, ours.cpu)
	show := func(name string, c cost) {
		w, u := c.over(ours)
		_, _ = fmt.Fprintf(out, "%-25s %9.0f s wall %9.0f s CPU a year: %.0f times our wall, %.0f times our CPU\n", name, c.wall, c.cpu, w, u)
	}
	show("r.sun", plain)
	if horizons {
		show("r.sun with r.horizon", mapped)
	}
	return nil
}

func rsunCommand(cores int) string {
	return fmt.Sprintf("r.sun --q --o elevation=dem slope=slope aspect=aspect step=0.25 linke_value=3.0 albedo_value=0.2 glob_rad=g insol_time=h nprocs=%d day=", cores)
}

// load hands the terrain in dir to GRASS, and times its start.
func load(dir string) (g grass, start cost, err error) {
	if _, err := exec.LookPath("grass"); err != nil {
		return g, start, fmt.Errorf("GRASS is not installed: %w", err)
	}
	dem := filepath.Join(dir, "dem.tif")
	g = grass{location: filepath.Join(dir, "location")}
	if _, err := g.create(dem); err != nil {
		return g, start, err
	}
	if _, err := g.exec(fmt.Sprintf("r.in.gdal --q input=%s output=dem && g.region raster=dem && r.slope.aspect --q -e elevation=dem slope=slope aspect=aspect", dem)); err != nil {
		return g, start, err
	}
	start, err = g.exec("true")
	return g, start, err
}

// What tiles of more than whole cells see, as eemt's do: the block they lie in, halo
// cells around it and, beyond, rings of coarse cells, coarser cells a side in the first.
const (
	whole   = 8 << 20
	block   = 640
	halo    = 512
	coarser = 2
)

// year times a year of the engine, over tiles of at most tile cells a side.
func year(s solar.Surface, tile, threads int) (cost, error) {
	before := spent(syscall.RUSAGE_SELF)
	begun := time.Now()
	if s.Far != nil {
		_, err := solar.Fast().Year(context.Background(), s, solar.DefaultParameters(), threads, nil)
		return cost{time.Since(begun).Seconds(), spent(syscall.RUSAGE_SELF) - before}, err
	}
	rings := thin(s)
	if rings != nil {
		tile = min(tile, block)
	}
	for row := 0; row < s.Core.Height; row += tile {
		for col := 0; col < s.Core.Width; col += tile {
			w := raster.Window{Col: col, Row: row, Width: min(tile, s.Core.Width-col), Height: min(tile, s.Core.Height-row)}
			if _, err := solar.Fast().Year(context.Background(), part(s, w, rings), solar.DefaultParameters(), threads, nil); err != nil {
				return cost{}, err
			}
		}
	}
	return cost{time.Since(begun).Seconds(), spent(syscall.RUSAGE_SELF) - before}, nil
}

// thin makes the rings of a large terrain.
func thin(s solar.Surface) []horizon.Ring {
	if len(s.DEM.Cells) <= whole {
		return nil
	}
	r := newRings(s.DEM.Bounds())
	for row := range s.DEM.Height {
		r.add(s.DEM.Row(row))
	}
	return r.rings
}

// rings are made of terrain that comes row by row.
type rings struct {
	rings    []horizon.Ring
	thinners []*horizon.Thinner
	row, end int
}

func newRings(w raster.Window) *rings {
	r := &rings{end: w.Height}
	factor := coarser
	for inner := halo; inner < max(w.Width, w.Height); inner *= 2 {
		t := horizon.NewThinner(w.Width, factor)
		rows := (w.Height + factor - 1) / factor
		r.rings = append(r.rings, horizon.Ring{
			Factor: factor, Inner: inner, Outer: 2 * inner,
			NorthSouth: raster.New[float32](len(t.NorthSouth), rows), EastWest: raster.New[float32](len(t.EastWest), rows),
		})
		r.thinners = append(r.thinners, t)
		factor *= 2
	}
	return r
}

func (r *rings) add(row []float64) {
	for i, t := range r.thinners {
		if g := &r.rings[i]; t.Add(row, r.row == r.end-1) {
			copy(g.NorthSouth.Row(r.row/g.Factor), t.NorthSouth)
			copy(g.EastWest.Row(r.row/g.Factor), t.EastWest)
		}
	}
	r.row++
}

// part is the surface with w as its core, with all of the terrain or, where there
// are rings, what lies around w and these.
func part(s solar.Surface, w raster.Window, rings []horizon.Ring) solar.Surface {
	if w == s.Core {
		return s
	}
	o := s
	o.Core, o.Slope, o.Aspect, o.Latitude = w, s.Slope.Sub(w), s.Aspect.Sub(w), nil
	for r := range w.Height {
		from := (w.Row+r)*s.Core.Width + w.Col
		o.Latitude = append(o.Latitude, s.Latitude[from:from+w.Width]...)
	}
	if len(rings) > 0 {
		around := w.Grow(halo).Intersect(s.DEM.Bounds())
		o.DEM, o.Cell = s.DEM.Sub(around), s.Cell.Rows(around.Row, around.Height)
		o.OriginCol, o.OriginRow = around.Col, around.Row
		o.Core.Col, o.Core.Row = w.Col-around.Col, w.Row-around.Row
		o.Far = &horizon.Far{Block: w, Rings: rings, DX: s.Cell.DX[w.Row], DY: s.Cell.DY[w.Row]}
	}
	return o
}

// surface makes hills of many sizes, writes them for GRASS if path is not empty,
// and returns them for the engine.
func surface(path string, side int) (solar.Surface, error) {
	z := raster.New[float64](side, side)
	waves := hills()
	for r := range side {
		fill(waves, r, 0, z.Row(r))
	}
	utm, err := crs.FromEPSG(32613)
	if err != nil {
		return solar.Surface{}, err
	}
	at := raster.Transform{OriginX: 400000, OriginY: 4000000, StepX: 10, StepY: -10}
	if path != "" {
		f, err := os.Create(path)
		if err != nil {
			return solar.Surface{}, err
		}
		err = geotiff.Write(f, geotiff.Options{Transform: at, GeoKeys: utm.GeoKeys(), Type: geotiff.Float64}, z)
		if closing := f.Close(); err == nil {
			err = closing
		}
		if err != nil {
			return solar.Surface{}, err
		}
	}
	cell := utm.CellSizes(at, side, side)
	slope, aspect := terrain.SlopeAspect(z, cell, terrain.EdgesReplicate)
	lon, lat := make([]float64, side*side), make([]float64, side*side)
	utm.LonLat(at, z.Bounds(), lon, lat)
	for i := range lat {
		lat[i] *= math.Pi / 180
	}
	return solar.Surface{DEM: z, Core: z.Bounds(), Slope: slope, Aspect: aspect, Cell: cell, Latitude: lat}, nil
}

// grass runs commands in a location of its own.
type grass struct{ location string }

func (g grass) create(dem string) (cost, error) { return timed("grass", "-c", dem, "-e", g.location) }

func (g grass) exec(script string) (cost, error) {
	return timed("grass", filepath.Join(g.location, "PERMANENT"), "--exec", "sh", "-c", script)
}

func timed(name string, args ...string) (cost, error) {
	before := spent(syscall.RUSAGE_CHILDREN)
	begun := time.Now()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		return cost{}, fmt.Errorf("%s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return cost{time.Since(begun).Seconds(), spent(syscall.RUSAGE_CHILDREN) - before}, nil
}

// spent is the CPU time used so far, seconds.
func spent(who int) float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(who, &u); err != nil {
		return math.NaN()
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}
