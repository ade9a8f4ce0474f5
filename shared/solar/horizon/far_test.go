package horizon

import (
	"math"
	"os"
	"testing"

	"github.com/cyverse-gis/eemt/shared/raster"
)

// thin returns the coarse cells of a grid.
func thin(g *raster.Grid[float64], factor int) (northSouth, eastWest *raster.Grid[float32]) {
	t := NewThinner(g.Width, factor)
	h := (g.Height + factor - 1) / factor
	northSouth, eastWest = raster.New[float32](len(t.NorthSouth), h), raster.New[float32](len(t.NorthSouth), h)
	k := 0
	for r := range g.Height {
		if t.Add(g.Row(r), r == g.Height-1) {
			copy(northSouth.Row(k), t.NorthSouth)
			copy(eastWest.Row(k), t.EastWest)
			k++
		}
	}
	return northSouth, eastWest
}

// far returns the far terrain of a block: rings that double distance and cells.
func far(g *raster.Grid[float64], block raster.Window, near, factor int, dx, dy float64) *Far {
	f := &Far{Block: block, DX: dx, DY: dy}
	for inner := near; inner < max(g.Width, g.Height); inner, factor = 2*inner, 2*factor {
		ns, ew := thin(g, factor)
		f.Rings = append(f.Rings, Ring{Factor: factor, Inner: inner, Outer: 2 * inner, NorthSouth: ns, EastWest: ew})
	}
	return f
}

// split returns the horizons' tangents of a core in one azimuth: near terrain
// swept, from the far terrain on.
func split(g *raster.Grid[float64], f *Far, near int, core raster.Window, azimuth float64) []float64 {
	window := f.Block.Grow(near).Intersect(g.Bounds())
	dem := g.Sub(window)
	local := core
	local.Col -= window.Col
	local.Row -= window.Row
	codes := make([]Code, core.Width*core.Height)
	var s Sweeper
	s.Sweep(NewTerrain(dem, local, raster.UniformCellSize(dem.Height, f.DX, f.DY), window.Col, window.Row), f, azimuth, f.DX, f.DY, local, codes)
	return tangents(codes)
}

func whole(g *raster.Grid[float64], core raster.Window, azimuth, dx, dy float64) []float64 {
	codes := make([]Code, core.Width*core.Height)
	var s Sweeper
	s.Sweep(NewTerrain(g, core, raster.UniformCellSize(g.Height, dx, dy), 0, 0), nil, azimuth, dx, dy, core, codes)
	return tangents(codes)
}

func tangents(codes []Code) []float64 {
	out := make([]float64, len(codes))
	for i, c := range codes {
		out[i] = float64(c.Tangent())
	}
	return out
}

// bound is the greatest error that Far states, over all points beyond the near
// halo: steps of the ray, with the relief of their surroundings.
func bound(g *raster.Grid[float64], f *Far, col, row int, azimuth, cell float64) float64 {
	c := f.course(azimuth)
	worst := 0.0
	z0 := g.At(col, row)
	relief := func(col, row, reach int) (low, high float64) {
		low, high = math.Inf(1), math.Inf(-1)
		w := raster.Window{Col: col, Row: row, Width: 1, Height: 1}.Grow(reach).Intersect(g.Bounds())
		for r := w.Row; w.Width > 0 && r < w.Row+w.Height; r += 2 {
			for _, z := range g.Row(r)[w.Col : w.Col+w.Width] {
				low, high = min(low, z), max(high, z)
			}
		}
		return low, high
	}
	for _, ring := range f.Rings {
		from, end := f.Block.Col, f.Block.Col+f.Block.Width
		at := col
		if c.northSouth {
			from, end, at = f.Block.Row, f.Block.Row+f.Block.Height, row
		}
		first, last := end+ring.Inner-at, end+ring.Outer-at
		if c.forward < 0 {
			first, last = at-from+ring.Inner, at-from+ring.Outer
		}
		reach := max(4*ring.Factor, ring.Inner/64)
		for ahead := first; ahead < last; ahead += ring.Factor {
			x, y := col+int(c.shift*float64(ahead)), row+c.forward*ahead
			if !c.northSouth {
				x, y = col+c.forward*ahead, row+int(c.shift*float64(ahead))
			}
			low, high := relief(x, y, reach)
			if low > high {
				break // beyond the DEM
			}
			d := float64(ahead) * c.distance
			worst = max(worst, (high-low)/d+2*float64(reach)*cell*math.Abs(high-z0)/d/d)
		}
	}
	return worst
}

// basin is fractal terrain, flattened to a twentieth of its relief inside a window,
// so that the horizon there is mostly that of what lies outside.
func basin(width, height int, relief float64, inside raster.Window) *raster.Grid[float64] {
	g := rough(width, height, relief)
	for i, z := range g.Cells {
		c, r := i%width, i/width
		if inside.Contains(raster.Window{Col: c, Row: r}) {
			g.Cells[i] = 1500 + (z-1500)/20
		}
	}
	return g
}

// Horizons with thinned far terrain against those of full resolution, from the
// blocks of fractal terrain: within the stated bound everywhere, and far closer
// than it in the mean.
func TestFarTerrainOnFractalHills(t *testing.T) {
	const cell = 10.0
	for _, c := range []struct {
		name            string
		relief          float64
		size            int
		near, factor    int
		rms, bias, most float64 // degrees
	}{
		{"cells of 1/32 of the distance", 400, 640, 64, 2, 0.25, 0.03, 2},
		{"cells of 1/64 of the distance", 400, 640, 128, 2, 0.08, 0.01, 2},
		{"cells of 1/256 of the distance, as tiles have them", 800, 2600, 512, 2, 0.08, 0.02, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			block := raster.Window{Col: 256, Row: 320, Width: 64, Height: 64}
			if c.size > 1000 && os.Getenv("EEMT_SLOW") == "" {
				t.Skip("a large terrain: set EEMT_SLOW=1")
			}
			block.Col += c.size/2 - 320
			block.Row += c.size/2 - 320
			g := basin(c.size, c.size, c.relief, block.Grow(c.near))
			f := far(g, block, c.near, c.factor, cell, cell)
			var sum, square, most float64
			n, raised, beyond := 0, 0, 0
			for a := range 24 {
				az := (float64(a)*15 + 1.3) * deg
				want, got := whole(g, block, az, cell, cell), split(g, f, c.near, block, az)
				for i := range want {
					e := (math.Atan(got[i]) - math.Atan(want[i])) / deg
					sum, square, most = sum+e, square+e*e, max(most, math.Abs(e))
					n++
					if e == 0 {
						continue
					}
					raised++
					if raised%37 == 0 && math.Abs(got[i]-want[i]) > bound(g, f, block.Col+i%64, block.Row+i/64, az, cell)+1e-6 {
						beyond++
					}
				}
			}
			rms, bias := math.Sqrt(square/float64(n)), sum/float64(n)
			t.Logf("RMS %.4f, bias %.4f, worst %.3f degrees; the far terrain is the horizon of %.1f %%", rms, bias, most, 100*float64(raised)/float64(n))
			if beyond > 0 {
				t.Errorf("%d horizons differ by more than the stated bound", beyond)
			}
			if rms > c.rms || math.Abs(bias) > c.bias || most > c.most {
				t.Errorf("allowed: RMS %g, bias %g, worst %g", c.rms, c.bias, c.most)
			}
			if raised < n/50 {
				t.Errorf("far terrain is the horizon of %d of %d: too few to tell", raised, n)
			}
		})
	}
}

// The hulls against the plain march over the same coarse cells, which looks from
// every cell along a ray of its own.
func TestFarHullsAgreeWithMarch(t *testing.T) {
	block := raster.Window{Col: 256, Row: 320, Width: 64, Height: 64}
	for _, c := range []struct {
		near    int
		allowed float64 // degrees RMS
	}{{64, 0.15}, {32, 0.3}} { // the second less than the block is long
		near := c.near
		g := basin(640, 640, 400, block.Grow(near))
		for i := range g.Cells {
			if i%31 == 0 || i%640 > 600 {
				g.Cells[i] = math.NaN()
			}
		}
		f := far(g, block, near, 2, 10, 13)
		var square float64
		n, raised := 0, 0
		for a := range 24 {
			az := (float64(a)*15 + 1.3) * deg
			bare := split(g, &Far{Block: block, DX: f.DX, DY: f.DY}, near, block, az)
			for i, h := range split(g, f, near, block, az) {
				col, row := block.Col+i%64, block.Row+i/64
				z := g.At(col, row)
				if math.IsNaN(z) {
					if h != 0 {
						t.Fatalf("a cell without data has a horizon of %g", h)
					}
					continue
				}
				if i%3 == 0 {
					e := math.Atan(h)/deg - math.Atan(max(bare[i], f.March(col, row, z, az)))/deg
					square += e * e
					n++
					if h > bare[i] {
						raised++
					}
				}
			}
		}
		rms := math.Sqrt(square / float64(n))
		t.Logf("halo of %d cells: RMS %.3f degrees; the far terrain is the horizon of %.0f %%", near, rms, 100*float64(raised)/float64(n))
		if rms > c.allowed {
			t.Errorf("halo of %d cells: RMS %.3f degrees, allowed %g", near, rms, c.allowed)
		}
		if raised < n/4 {
			t.Errorf("halo of %d cells: far terrain is the horizon of %d of %d: too few to tell", near, raised, n)
		}
	}
}

// Whatever part of a block is asked for, its cells have the same far horizon to the bit.
func TestFarTerrainDoesNotDependOnTheCut(t *testing.T) {
	block := raster.Window{Col: 256, Row: 320, Width: 64, Height: 64}
	for _, near := range []int{64, 32} {
		g := basin(640, 640, 400, block.Grow(near))
		f := far(g, block, near, 2, 10, 10)
		for a := range 48 {
			az := (float64(a)*7.5 + 0.3*float64(a%3)) * deg
			all := split(g, f, near, block, az)
			for _, part := range []raster.Window{{Col: 256, Row: 320, Width: 21, Height: 33}, {Col: 277, Row: 353, Width: 43, Height: 31}, {Col: 300, Row: 340, Width: 1, Height: 1}} {
				for i, h := range split(g, f, near, part, az) {
					if want := all[(part.Row-320+i/part.Width)*64+part.Col-256+i%part.Width]; h != want {
						t.Fatalf("azimuth %.1f, halo of %d cells, part %v, cell %d: tangent %g, want %g", az/deg, near, part, i, h, want)
					}
				}
			}
		}
	}
}

// A ridge that is three cells wide at half its height stands at most a fifth lower and
// hardly higher than its crest, also at the border of two rings, however it runs.
func TestFarRidge(t *testing.T) {
	const size, cell = 512, 20.0
	block := raster.Window{Col: 64, Row: 224, Width: 64, Height: 64}
	const near = 128
	for _, distance := range []float64{180, 221.5, 286, 320} {
		for _, offset := range []float64{0, 20, 45, -30} {
			sin, cos := math.Sincos(offset * deg)
			g := shape(size, size, func(x, y float64) float64 {
				// A wall whose foot nearest to the block's middle lies at distance, turned.
				across := (x-96)*cos + (y-256)*sin - distance
				return 500 + 300*max(0, 1-math.Abs(across)/3)
			})
			f := far(g, block, near, 2, cell, cell)
			az := (90 + offset) * deg
			got := split(g, f, near, block, az)[32*64+32]
			d := distance * cell
			if want := 300/d - d/(2*EarthRadius); got < 0.8*want || got > 1.05*want {
				t.Errorf("%g cells away, turned by %g: tangent %.4f, want %.4f", distance, offset, got, want)
			}
		}
	}
}

// A mountain of 2500 m, 40 km away across a plain, stands 3.4 degrees high; its
// foot lies beyond the near halo, and behind it the sky is open.
func TestMountainFarAway(t *testing.T) {
	const cell = 30.0
	g := shape(1500, 96, func(x, y float64) float64 {
		return 300 + 2500*max(0, 1-math.Hypot(x-1400, y-48)/60)
	})
	block := raster.Window{Col: 32, Row: 32, Width: 32, Height: 32}
	f := far(g, block, 128, 2, cell, cell)
	if got := split(g, f, 128, block, 270*deg)[16*32+16]; got != 0 {
		t.Errorf("the open side stands %g high", got)
	}
	const d = (1400 - 48) * cell
	want := 2500/d - d/(2*EarthRadius)
	if got := split(g, f, 128, block, 90*deg)[16*32+16]; math.Abs(got-want) > 0.08*want {
		t.Errorf("tangent %.5f, want %.5f", got, want)
	}
}
