package horizon

import (
	"fmt"
	"math"
	"testing"

	"github.com/cyverse-gis/eemt/integration/oracle"
	"github.com/cyverse-gis/eemt/shared/raster"
)

const deg = math.Pi / 180

// rough is a deterministic fractal terrain: octaves of smoothed lattice noise.
func rough(width, height int, relief float64) *raster.Grid[float64] {
	g := raster.New[float64](width, height)
	noise := func(x, y, o int) float64 {
		h := uint64(x)*0x9E3779B97F4A7C15 ^ uint64(y)*0xC2B2AE3D27D4EB4F ^ uint64(o)*0x165667B19E3779F9
		h ^= h >> 31
		h *= 0xD6E8FEB86659FD93
		h ^= h >> 32
		return float64(h%65536)/32768 - 1
	}
	for r := range height {
		for c := range width {
			var z, amp, wave float64 = 1500, relief, 256
			for o := range 9 {
				x, y := float64(c)/wave, float64(r)/wave
				x0, y0 := math.Floor(x), math.Floor(y)
				fx, fy := x-x0, y-y0
				fx, fy = fx*fx*(3-2*fx), fy*fy*(3-2*fy)
				i, j := int(x0), int(y0)
				z += amp * ((noise(i, j, o)*(1-fx)+noise(i+1, j, o)*fx)*(1-fy) + (noise(i, j+1, o)*(1-fx)+noise(i+1, j+1, o)*fx)*fy)
				amp *= 0.47
				wave /= 2
			}
			g.Set(c, r, z)
		}
	}
	return g
}

// march is the horizon's tangent by brute force: the terrain, bilinear, twice
// as often along the ray as it crosses lines of cells.
func march(g *raster.Grid[float64], col, row int, azimuth, dx, dy float64) float64 {
	sin, cos := math.Sincos(azimuth)
	z0 := g.At(col, row)
	best := 0.0
	for k := 1; ; k++ {
		length := float64(k) / 2 / max(math.Abs(sin)/dx, math.Abs(cos)/dy)
		x, y := float64(col)+length*sin/dx, float64(row)-length*cos/dy
		const slack = 1e-9
		if x < -slack || y < -slack || x > float64(g.Width-1)+slack || y > float64(g.Height-1)+slack {
			return best
		}
		x, y = max(0, x), max(0, y)
		i, j := min(int(x), g.Width-2), min(int(y), g.Height-2)
		fx, fy := x-float64(i), y-float64(j)
		z := (g.At(i, j)*(1-fx)+g.At(i+1, j)*fx)*(1-fy) + (g.At(i, j+1)*(1-fx)+g.At(i+1, j+1)*fx)*fy
		z -= length * length / (2 * EarthRadius)
		if t := (z - z0) / length; t > best {
			best = t
		}
	}
}

// nearest is the horizon's tangent by brute force over the nearest cells, at steps of a cell.
func nearest(g *raster.Grid[float64], col, row int, azimuth, dx, dy float64) float64 {
	sin, cos := math.Sincos(azimuth)
	best := 0.0
	for k := 1; ; k++ {
		length := float64(k) * (dx + dy) / 2
		c, r := int(math.Floor(float64(col)+length*sin/dx+0.5)), int(math.Floor(float64(row)-length*cos/dy+0.5))
		if c < 0 || r < 0 || c >= g.Width || r >= g.Height {
			return best
		}
		d := math.Hypot(float64(c-col)*dx, float64(r-row)*dy)
		if t := (g.At(c, r)-g.At(col, row))/d - d/(2*EarthRadius); t > best {
			best = t
		}
	}
}

// ground says what cells are taken for, whatever they are.
type ground int

const (
	asIs ground = iota
	smooth
	jumpy
)

func (as ground) of(t *Terrain) *Terrain {
	for _, rough := range [][]uint8{t.roughByRow, t.roughByCol} {
		for i := range rough {
			switch as {
			case smooth:
				rough[i] = 0
			case jumpy:
				rough[i] = 255
			}
		}
	}
	return t
}

// tangent is the horizon from a cell in an azimuth, by brute force.
type tangent func(g *raster.Grid[float64], col, row int, azimuth, dx, dy float64) float64

// mixed is what rays find by either way, in proportion to how rough the ground is.
func mixed(g *raster.Grid[float64], dx, dy float64) tangent {
	t := NewTerrain(g, g.Bounds(), raster.UniformCellSize(g.Height, dx, dy), 0, 0)
	return func(g *raster.Grid[float64], col, row int, azimuth, dx, dy float64) float64 {
		rough := float64(t.roughByRow[(row+margin)*(t.width+2*margin)+margin+col]) / 255
		return (1-rough)*march(g, col, row, azimuth, dx, dy) + rough*nearest(g, col, row, azimuth, dx, dy)
	}
}

// sweep is a whole grid's horizons in degrees, with sweep lines anchored to its middle.
func sweep(g *raster.Grid[float64], as ground, azimuth, dx, dy float64) []float64 {
	codes := make([]Code, len(g.Cells))
	var w Sweeper
	t := as.of(NewTerrain(g, g.Bounds(), raster.UniformCellSize(g.Height, dx, dy), -g.Width/2, -g.Height/2))
	w.Sweep(t, nil, azimuth, dx, dy, g.Bounds(), codes)
	out := make([]float64, len(codes))
	for i, c := range codes {
		out[i] = math.Atan(float64(c.Tangent())) / deg
	}
	return out
}

// deviation compares sweeps with brute force over 24 azimuths, in degrees.
func deviation(g *raster.Grid[float64], as ground, rays tangent, dx, dy float64) (rms, bias, worst float64) {
	n := 0
	for a := range 24 {
		az := (float64(a)*15 + 1.3) * deg // off the azimuths where two cells are equally near
		got := sweep(g, as, az, dx, dy)
		for i := a % 7; i < len(g.Cells); i += 7 {
			e := got[i] - math.Atan(rays(g, i%g.Width, i/g.Width, az, dx, dy))/deg
			rms += e * e
			bias += e
			worst = max(worst, math.Abs(e))
			n++
		}
	}
	return math.Sqrt(rms / float64(n)), bias / float64(n), worst
}

// Against rays marched from every seventh cell: on smooth ground to the surface
// between cells, at twice the sampling, on rough ground to the nearest cells, as r.sun does.
func TestSweepAgreesWithRays(t *testing.T) {
	fractal := func(*testing.T) *raster.Grid[float64] { return rough(200, 180, 220) }
	forest := func(t *testing.T) *raster.Grid[float64] { return oracle.Read(t, "oracle/mcn_crop200/dem.tif").Grid }
	for _, c := range []struct {
		name      string
		dem       func(t *testing.T) *raster.Grid[float64]
		as        ground
		rays      tangent // nil for both kinds, mixed
		dx, dy    float64
		rms, bias float64
	}{
		{"fractal", fractal, asIs, nil, 10, 10, 0.1, 0.02},
		{"fractal, oblong cells", fractal, asIs, nil, 8, 11, 0.1, 0.02},
		{"fractal, nearest cells", fractal, jumpy, nearest, 10, 10, 0.1, 0.02},
		{"fractal, nearest oblong cells", fractal, jumpy, nearest, 8, 11, 0.1, 0.02},
		{"example DEM", forest, asIs, nil, 10, 10, 0.1, 0.02},
		{"example DEM, nearest cells", forest, jumpy, nearest, 10, 10, 0.1, 0.02},
		{"example DEM, between cells", forest, smooth, march, 10, 10, 0.2, 0.03},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := c.dem(t)
			if c.rays == nil {
				c.rays = mixed(g, c.dx, c.dy)
			}
			rms, bias, worst := deviation(g, c.as, c.rays, c.dx, c.dy)
			s := fmt.Sprintf("RMS %.3f, bias %.4f, worst %.2f degrees", rms, bias, worst)
			t.Log(s)
			if rms > c.rms || math.Abs(bias) > c.bias {
				t.Errorf("%s: allowed RMS %g, bias %g", s, c.rms, c.bias)
			}
		})
	}
}

func shape(width, height int, z func(x, y float64) float64) *raster.Grid[float64] {
	g := raster.New[float64](width, height)
	for r := range height {
		for c := range width {
			g.Set(c, r, z(float64(c), float64(r)))
		}
	}
	return g
}

// A tilted plane stands as high as its slope in every azimuth.
func TestPlane(t *testing.T) {
	const tilt, faces = 25 * deg, 215 * deg
	g := shape(80, 80, func(x, y float64) float64 {
		return 1000 - math.Tan(tilt)*10*(x*math.Sin(faces)-y*math.Cos(faces))
	})
	for a := range 72 {
		az := float64(a) * 5 * deg
		got := sweep(g, asIs, az, 10, 10)
		want := max(0, -math.Tan(tilt)*math.Cos(az-faces))
		for _, i := range []int{40*80 + 40, 20*80 + 30, 60*80 + 50} {
			if tan := math.Tan(got[i] * deg); math.Abs(tan-want) > 1e-3 {
				t.Errorf("azimuth %d: tangent %.5f, want %.5f", a*5, tan, want)
			}
		}
	}
}

// A long ridge of 100 m seen from 400 m away, less the Earth's curvature.
func TestRidge(t *testing.T) {
	g := shape(101, 101, func(x, _ float64) float64 {
		if x == 80 {
			return 600
		}
		return 500
	})
	for _, as := range []ground{asIs, smooth, jumpy} {
		for _, offset := range []float64{0, 15, 30, 40} {
			got := math.Tan(sweep(g, as, (90+offset)*deg, 10, 10)[50*101+40] * deg)
			want := 100 / 400.0 * math.Cos(offset*deg)
			if math.Abs(got-want) > 0.02*want && as == jumpy || math.Abs(got-want) > 1e-3 && as != jumpy {
				t.Errorf("ground %d, %g degrees off: tangent %.5f, want %.5f", as, offset, got, want)
			}
			if west := sweep(g, as, (270+offset)*deg, 10, 10)[50*101+40]; west > 1e-6 {
				t.Errorf("the open side stands %g degrees high", west)
			}
		}
	}
}

// The tip of a cone, the top of a hill and the rim of a pit, from places that look
// straight at the middle or away from it.
func TestRoundShapes(t *testing.T) {
	for _, c := range []struct {
		name    string
		height  func(r float64) float64 // r in cells from the middle
		outward bool
		places  [][2]int
	}{
		{"cone", func(r float64) float64 { return max(0, 200-6*r) }, false, [][2]int{{100, 60}, {60, 5}, {105, 105}, {110, 80}, {20, 90}, {77, 9}}},
		{"hillock", func(r float64) float64 { return 100 * math.Exp(-r*r/800) }, false, [][2]int{{100, 60}, {60, 5}, {105, 105}, {110, 80}, {20, 90}, {77, 9}}},
		{"pit", func(r float64) float64 { return -max(0, 200-6*r) }, true, [][2]int{{80, 60}, {60, 40}, {33, 60}}},
	} {
		g := shape(121, 121, func(x, y float64) float64 { return 500 + c.height(math.Hypot(x-60, y-60)) })
		for _, p := range c.places {
			x, y := float64(p[0]-60), float64(60-p[1])
			away := math.Hypot(x, y)
			toward, best := -1.0, 0.0
			if c.outward {
				toward = 1
			}
			for s := 0.01; s < 90; s += 0.01 {
				best = max(best, (c.height(math.Abs(away+toward*s))-c.height(away))/(10*s))
			}
			az := math.Atan2(toward*x, toward*y)
			if got := math.Tan(sweep(g, asIs, az, 10, 10)[p[1]*121+p[0]] * deg); math.Abs(got-best) > 1e-3 {
				t.Errorf("%s from %v: tangent %.5f, want %.5f", c.name, p, got, best)
			}
		}
	}
}

// A cone, a pit and a hillock look the same from mirrored places in mirrored azimuths (GRASS issues 2935 and 4112).
func TestRoundShapesAreSymmetric(t *testing.T) {
	for name, height := range map[string]func(r float64) float64{
		"cone": func(r float64) float64 { return max(0, 200-6*r) }, "pit": func(r float64) float64 { return -max(0, 200-6*r) },
		"hillock": func(r float64) float64 { return 100 * math.Exp(-r*r/200) },
	} {
		g := shape(81, 81, func(x, y float64) float64 { return 500 + height(math.Hypot(x-40, y-40)) })
		for _, as := range []ground{asIs, smooth, jumpy} {
			for a := range 36 {
				az := (float64(a)*10 + 2.5) * deg
				here := sweep(g, as, az, 10, 10)
				east, north := sweep(g, as, 2*math.Pi-az, 10, 10), sweep(g, as, math.Pi-az, 10, 10)
				for r := range 81 {
					for c := range 81 {
						if d := math.Abs(here[r*81+c] - east[r*81+80-c]); d > 1e-9 {
							t.Fatalf("%s, ground %d, azimuth %g: cell %d %d differs from its mirror east-west by %g degrees", name, as, az/deg, c, r, d)
						}
						if d := math.Abs(here[r*81+c] - north[(80-r)*81+c]); d > 1e-9 {
							t.Fatalf("%s, ground %d, azimuth %g: cell %d %d differs from its mirror north-south by %g degrees", name, as, az/deg, c, r, d)
						}
					}
				}
			}
		}
	}
}

// From the middle of a bowl the rim stands equally high all round: 200 m at 316 m.
func TestBowlFromItsMiddle(t *testing.T) {
	g := shape(81, 81, func(x, y float64) float64 {
		return 500 + min(200, 0.2*((x-40)*(x-40)+(y-40)*(y-40)))
	})
	for a := range 72 {
		if got := math.Tan(sweep(g, asIs, float64(a)*5*deg, 10, 10)[40*81+40] * deg); math.Abs(got-0.6325) > 0.015 {
			t.Errorf("azimuth %d: tangent %.4f, want 0.6325", a*5, got)
		}
	}
}

func TestAzimuthsWrap(t *testing.T) {
	g := rough(60, 50, 100)
	for _, as := range []ground{asIs, smooth, jumpy} {
		a, b := sweep(g, as, 0, 10, 10), sweep(g, as, 2*math.Pi, 10, 10)
		for i := range a {
			if a[i] != b[i] {
				t.Fatalf("cell %d: %g at 0, %g at 360 degrees", i, a[i], b[i])
			}
		}
	}
}

// A mountain beyond the horizon's dip: 1000 m high, 130 km away, seen from the sea.
func TestEarthCurves(t *testing.T) {
	g := shape(300, 3, func(x, _ float64) float64 {
		if x >= 270 {
			return 1000
		}
		return 0
	})
	got := math.Tan(sweep(g, asIs, math.Pi/2, 1000, 1000)[300+200] * deg)
	want := 1000/70e3 - 70e3/(2*EarthRadius)
	if math.Abs(got-want) > 1e-4 {
		t.Errorf("70 km away: tangent %.5f, want %.5f", got, want)
	}
	if hidden := sweep(g, asIs, math.Pi/2, 1000, 1000)[300+140]; hidden > 0 {
		t.Errorf("130 km away: %.4f degrees, want 0 (sunk)", hidden)
	}
}

func TestHolesAreNoObstacle(t *testing.T) {
	g := rough(60, 50, 0.001)
	for i := range g.Cells {
		if i%7 == 0 {
			g.Cells[i] = math.NaN()
		}
	}
	for _, as := range []ground{smooth, jumpy} {
		for a := range 24 {
			for i, h := range sweep(g, as, float64(a)*15*deg, 10, 10) {
				if !(h >= 0 && h < 0.1) {
					t.Fatalf("azimuth %d, cell %d: %g degrees", a*15, i, h)
				}
			}
		}
	}
}

func TestCode(t *testing.T) {
	for _, tan := range []float64{0, 1e-6, 1e-3, 0.01, 0.2, 1, 5, 63} {
		got := float64(Encode(tan).Tangent())
		if math.Abs(got-tan) > 1.3e-4*tan+1.3e-7 {
			t.Errorf("%g comes back as %g", tan, got)
		}
	}
	for _, tan := range []float64{-1, math.NaN(), math.Inf(-1)} {
		if Encode(tan).Tangent() != 0 {
			t.Errorf("%g comes back as %g, want 0", tan, Encode(tan).Tangent())
		}
	}
	if got := Encode(math.Inf(1)).Tangent(); got < 60 {
		t.Errorf("infinity comes back as %g", got)
	}
}

// What counts as rough does not depend on where a copy of the terrain begins, and
// holes leave it to the cells that are left.
func TestRoughGround(t *testing.T) {
	forest := func(x, y float64) float64 { return 1000 + 3*x + 5*math.Mod(7*x+3*y, 5) }
	g := shape(60, 50, func(x, y float64) float64 {
		if x > 30 {
			return forest(x, y)
		}
		return 1000 + 3*x + y*y/100
	})
	g.Set(50, 25, math.NaN())
	size := raster.UniformCellSize(50, 10, 12)
	all := NewTerrain(g, g.Bounds(), size, 0, 0)
	at := func(t *Terrain, c, r int) uint8 { return t.roughByRow[(r+margin)*(t.width+2*margin)+margin+c] }
	for _, c := range []struct {
		col, row int
		want     uint8
	}{{10, 20, 0}, {0, 0, 0}, {26, 20, 0}, {34, 20, 255}, {59, 49, 255}, {50, 25, 255}} {
		if got := at(all, c.col, c.row); got != c.want {
			t.Errorf("cell %d %d: rough by %d, want %d", c.col, c.row, got, c.want)
		}
	}
	part := NewTerrain(g.Sub(raster.Window{Col: 20, Row: 10, Width: 30, Height: 30}), raster.Window{Col: 4, Row: 4, Width: 22, Height: 22}, size.Rows(10, 30), 20, 10)
	for r := 4; r < 26; r++ {
		for c := 4; c < 26; c++ {
			if got, want := at(part, c, r), at(all, c+20, r+10); got != want {
				t.Fatalf("cell %d %d: rough by %d in a part, %d in the whole", c+20, r+10, got, want)
			}
			if got := part.roughByCol[(c+margin)*(30+2*margin)+margin+r]; got != at(part, c, r) {
				t.Fatalf("cell %d %d: rough by %d by columns, %d by rows", c, r, got, at(part, c, r))
			}
		}
	}
}

func BenchmarkSweep1024(b *testing.B) {
	g := rough(1024, 1024, 220)
	out := make([]Code, len(g.Cells))
	for _, as := range []ground{smooth, jumpy} {
		t := as.of(NewTerrain(g, g.Bounds(), raster.UniformCellSize(1024, 10, 10), 0, 0))
		for _, az := range []float64{0, 33, 60, 90, 150} {
			b.Run(fmt.Sprintf("%v/%g", as, az), func(b *testing.B) {
				var w Sweeper
				for b.Loop() {
					w.Sweep(t, nil, az*deg, 10, 10, g.Bounds(), out)
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(g.Cells)), "ns/cell")
			})
		}
	}
}

// Encode packs the tangent of an altitude.
func Encode(tangent float64) Code { return encode(float32(tangent)) }
