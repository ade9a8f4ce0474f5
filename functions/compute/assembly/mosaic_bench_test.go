package assembly

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"math"
	"math/rand/v2"
	"os"
	"strconv"
	"syscall"
	"testing"

	"github.com/cyverse-gis/eemt/functions/compute/arithmetic"
	"github.com/cyverse-gis/eemt/functions/compute/objects"
	"github.com/cyverse-gis/eemt/functions/compute/record"
	"github.com/cyverse-gis/eemt/functions/compute/replica"
	"github.com/cyverse-gis/eemt/functions/compute/workfile"
	"github.com/cyverse-gis/eemt/shared/dem"
	"github.com/cyverse-gis/eemt/shared/dem/demtest"
	"github.com/cyverse-gis/eemt/shared/dirbucket"
	"github.com/cyverse-gis/eemt/shared/geotiff"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/product"
	"github.com/cyverse-gis/eemt/shared/raster"
)

// BenchmarkMaps times what groups of maps take for each cell, on maps of
// EEMT_BENCH_SIDE cells a side (1024): the model in groups.go comes from 4096.
func BenchmarkMaps(b *testing.B) {
	side := 1024
	if text := os.Getenv("EEMT_BENCH_SIDE"); text != "" {
		var err error
		if side, err = strconv.Atoi(text); err != nil {
			b.Fatal(err)
		}
	}
	const bands = 4
	bucket, err := dirbucket.Open(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = bucket.Close() }()
	z := raster.New[float64](8, 8)
	tiff := demtest.Encode(b, z)
	d, err := dem.Open(bytes.NewReader(tiff), int64(len(tiff)), dem.Options{})
	if err != nil {
		b.Fatal(err)
	}
	d.Image.Width, d.Image.Height = side, side
	j := &replica.Job{
		Request: job.Request{ID: "01JTESTAAAAAAAAAAAAAAAAAAA"}, Objects: objects.Store{Bucket: bucket}, Log: slog.New(slog.DiscardHandler), Temp: b.TempDir(),
		Progress: func(string, float64, float64) {},
	}
	plan := &record.Plan{Width: side, Height: side, Far: &record.Far{Block: 640}, Tiles: workfile.Cut(side, side, 1280, 640)}
	random := rand.New(rand.NewPCG(1, 2))
	for _, t := range plan.Tiles {
		opts := j.Options(d, t.Window, make([]geotiff.BandInfo, bands))
		w, err := geotiff.NewWriter(opts)
		if err != nil {
			b.Fatal(err)
		}
		cells := make([]float32, t.Window.Width*t.Window.Height)
		for band := range bands {
			for i := range cells { // radiation of a month on rough terrain
				c, r := float64(t.Window.Col+i%t.Window.Width), float64(t.Window.Row+i/t.Window.Width)
				cells[i] = float32(150000 + 30000*math.Sin(c/40+float64(band))*math.Cos(r/50) + 8000*math.Sin(c/7)*math.Sin(r/5) + 500*random.Float64())
			}
			if err := w.WriteWindow(band, raster.Window{Width: t.Window.Width, Height: t.Window.Height}, cells); err != nil {
				b.Fatal(err)
			}
		}
		if err := j.Objects.Put(b.Context(), workfile.TileKey(j.Request.ID, t.Task, workfile.SolFile), objects.TIFF, func(to io.Writer) error { return w.Close(to) }); err != nil {
			b.Fatal(err)
		}
	}
	sums := func(in [][]float64, out [][]float32) {
		for i := range in[0] {
			var sum float64
			for _, v := range in {
				sum += v[i]
			}
			for m, o := range out {
				o[i] = float32(sum / float64(m+1))
			}
		}
	}
	for _, c := range []struct{ formulas, inputs, maps, threads int }{
		{1, 1, 1, 1}, {1, 1, 2, 1}, {1, 12, 2, 1}, {1, 24, 4, 1}, {4, 2, 4, 1}, {1, 24, 4, 2}, {4, 2, 4, 2}, {1, 1, 2, 2},
	} {
		b.Run(fmt.Sprintf("%d formulas of %d inputs, %d maps, %d threads", c.formulas, c.inputs, c.maps, c.threads), func(b *testing.B) {
			var g arithmetic.Group
			for n := range c.formulas {
				pr := arithmetic.Formula{Combine: sums}
				for i := range c.inputs {
					pr.Inputs = append(pr.Inputs, arithmetic.Input{File: workfile.SolFile, Band: (n + i) % bands})
				}
				for m := range c.maps {
					pr.Maps = append(pr.Maps, product.Map{Name: fmt.Sprintf("%d_%d.tif", n, m)})
				}
				g.Formulas = append(g.Formulas, pr)
			}
			begun := coreSeconds()
			for b.Loop() {
				m := &mosaic{job: j, dem: d, plan: plan, made: map[string]bool{}, block: workfile.ResultBlock(plan), walks: make(chan struct{}, 1)}
				if err := m.make(context.Background(), g.Formulas, shape{groups: 1, threads: c.threads, maps: arithmetic.MapsAtOnce}); err != nil {
					b.Fatal(err)
				}
			}
			cells := float64(b.N) * float64(side) * float64(side)
			b.ReportMetric((coreSeconds()-begun)/cells*1e6, "core-us/cell")
			b.ReportMetric(b.Elapsed().Seconds()/cells*1e6, "us/cell")
		})
	}
}

// coreSeconds is the time that all cores gave this process.
func coreSeconds() float64 {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	seconds := func(t syscall.Timeval) float64 { return float64(t.Sec) + float64(t.Usec)/1e6 }
	return seconds(u.Utime) + seconds(u.Stime)
}
