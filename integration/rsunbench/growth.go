//go:build unix

package main

import (
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"github.com/cyverse-gis/eemt/shared/solar"
)

// point is the cost of one size.
type point struct {
	side            int
	cells           float64 // of which there are times
	one, all, grass cost    // the engine on one core, on all, r.sun's year; r.sun's may be missing
}

// grow times the engine, and r.sun as far as wanted, over sizes of terrain.
func grow(out io.Writer, sizes []int, o options, day int) error {
	cores := runtime.NumCPU()
	_, _ = fmt.Fprintf(out, "a year in steps of 15 minutes; r.sun's is 365 times day %d; %d cores\n", day, cores)
	_, _ = fmt.Fprintf(out, "%12s %18s %22s %24s %12s\n", "cells", "one core, s", "all cores, s (CPU)", "CPU, µs a cell", "r.sun, CPU s")
	var points []point
	for _, side := range sizes {
		p, err := timeSize(side, o, day, cores)
		if err != nil {
			return err
		}
		if side <= most {
			points = append(points, p)
		}
		sun := "not timed"
		if p.grass.cpu > 0 {
			sun = fmt.Sprintf("%.0f", p.grass.cpu)
		}
		_, _ = fmt.Fprintf(out, "%5d x %4d %18.2f %12.2f (%7.2f) %24.2f %12s\n", side, side, p.one.wall, p.all.wall, p.all.cpu, p.all.cpu/p.cells*1e6, sun)
	}
	if o.plot == "" {
		return nil
	}
	return os.WriteFile(o.plot, []byte(draw(points)), 0o644)
}

// most is the largest size that is held and timed as a whole.
const most = 8192

func timeSize(side int, o options, day, cores int) (p point, err error) {
	p.side, p.cells = side, float64(side)*float64(side)
	if side > most {
		s, err := middle(side)
		if err != nil {
			return p, err
		}
		p.cells = block * block
		err = p.both(s, block, cores)
		return p, err
	}
	dir, err := os.MkdirTemp("", "rsunbench-*")
	if err != nil {
		return p, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	path := ""
	if side <= o.upTo {
		path = filepath.Join(dir, "dem.tif")
	}
	s, err := surface(path, side)
	if err != nil {
		return p, err
	}
	if path != "" {
		g, start, err := load(dir)
		if err != nil {
			return p, err
		}
		c, err := g.exec(rsunCommand(cores) + strconv.Itoa(day))
		if err != nil {
			return p, err
		}
		p.grass = c.minus(start).times(365)
	}
	err = p.both(s, min(side, o.tile), cores)
	return p, err
}

// both times a year on one core, and on all.
func (p *point) both(s solar.Surface, tile, cores int) (err error) {
	runtime.GC()
	if p.one, err = year(s, tile, 1); err != nil {
		return err
	}
	runtime.GC()
	p.all, err = year(s, tile, cores)
	return err
}

// draw plots CPU time against cells, both logarithmic.
func draw(points []point) string {
	const (
		width, height            = 720, 460
		left, right, top, bottom = 80, 150, 30, 60
	)
	lowX, highX, lowY, highY := math.Inf(1), math.Inf(-1), math.Inf(1), math.Inf(-1)
	see := func(cells, seconds float64) {
		lowX, highX = min(lowX, math.Log10(cells)), max(highX, math.Log10(cells))
		lowY, highY = min(lowY, math.Log10(seconds)), max(highY, math.Log10(seconds))
	}
	for _, p := range points {
		cells := float64(p.side) * float64(p.side)
		see(cells, p.all.cpu)
		if p.grass.cpu > 0 {
			see(cells, p.grass.cpu)
		}
	}
	lowX, highX, lowY, highY = lowX-0.1, highX+0.1, math.Floor(lowY), math.Ceil(highY)
	x := func(cells float64) float64 {
		return left + (math.Log10(cells)-lowX)/(highX-lowX)*(width-left-right)
	}
	y := func(seconds float64) float64 {
		return height - bottom - (math.Log10(seconds)-lowY)/(highY-lowY)*(height-top-bottom)
	}
	var b strings.Builder
	text := func(x, y float64, anchor, s string) {
		fmt.Fprintf(&b, `<text x="%.1f" y="%.1f" text-anchor="%s">%s</text>`+"\n", x, y, anchor, s)
	}
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="13">`+"\n", width, height)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="white"/>`+"\n", width, height)
	for e := int(lowY); e <= int(highY); e++ {
		at := y(math.Pow10(e))
		fmt.Fprintf(&b, `<line x1="%d" y1="%.1f" x2="%d" y2="%.1f" stroke="#ddd"/>`+"\n", left, at, width-right, at)
		text(left-8, at+4, "end", strconv.FormatFloat(math.Pow10(e), 'g', -1, 64))
	}
	for _, p := range points {
		at := x(float64(p.side) * float64(p.side))
		fmt.Fprintf(&b, `<line x1="%.1f" y1="%d" x2="%.1f" y2="%d" stroke="#ddd"/>`+"\n", at, top, at, height-bottom)
		text(at, height-bottom+20, "middle", fmt.Sprintf("%d²", p.side))
	}
	text((left+width-right)/2, height-18, "middle", "cells")
	fmt.Fprintf(&b, `<text transform="translate(22 %d) rotate(-90)" text-anchor="middle">CPU seconds for a year</text>`+"\n", (top+height-bottom)/2)
	curve := func(name, colour string, seconds func(p point) float64) {
		var line []string
		endX, endY := 0.0, 0.0
		for _, p := range points {
			if s := seconds(p); s > 0 {
				endX, endY = x(float64(p.side)*float64(p.side)), y(s)
				line = append(line, fmt.Sprintf("%.1f,%.1f", endX, endY))
				fmt.Fprintf(&b, `<circle cx="%.1f" cy="%.1f" r="4" fill="%s"/>`+"\n", endX, endY, colour)
			}
		}
		if len(line) == 0 {
			return
		}
		fmt.Fprintf(&b, `<polyline points="%s" fill="none" stroke="%s" stroke-width="2"/>`+"\n", strings.Join(line, " "), colour)
		text(endX+10, endY+4, "start", name)
	}
	curve("r.sun", "#b5452c", func(p point) float64 { return p.grass.cpu })
	curve("this engine", "#2c6fb5", func(p point) float64 { return p.all.cpu })
	b.WriteString("</svg>\n")
	return b.String()
}
