package solar

import (
	"context"
	"fmt"
	"math"
	"testing"

	"github.com/cyverse-gis/eemt/integration/oracle"
	"github.com/cyverse-gis/eemt/shared/raster"
)

// fractal is a deterministic rough terrain: octaves of smoothed lattice noise.
func fractal(width, height int, base, relief float64) *raster.Grid[float64] {
	noise := func(x, y, o int) float64 {
		h := uint64(x)*0x9E3779B97F4A7C15 ^ uint64(y)*0xC2B2AE3D27D4EB4F ^ uint64(o)*0x165667B19E3779F9
		h ^= h >> 31
		h *= 0xD6E8FEB86659FD93
		h ^= h >> 32
		return float64(h%65536)/32768 - 1
	}
	g := raster.New[float64](width, height)
	for r := range height {
		for c := range width {
			z, amp, wave := base, relief, 256.0
			for o := range 8 {
				x, y := float64(c)/wave, float64(r)/wave
				i, j := int(x), int(y)
				fx, fy := x-float64(i), y-float64(j)
				fx, fy = fx*fx*(3-2*fx), fy*fy*(3-2*fy)
				z += amp * ((noise(i, j, o)*(1-fx)+noise(i+1, j, o)*fx)*(1-fy) + (noise(i, j+1, o)*(1-fx)+noise(i+1, j+1, o)*fx)*fy)
				amp *= 0.47
				wave /= 2
			}
			g.Set(c, r, z)
		}
	}
	return g
}

// horn fills in slope and aspect (Horn 1981), edges repeated.
func horn(dem *raster.Grid[float64], dx, dy float64) (slope, aspect *raster.Grid[float64]) {
	slope, aspect = raster.New[float64](dem.Width, dem.Height), raster.New[float64](dem.Width, dem.Height)
	at := func(c, r int) float64 {
		return dem.At(max(0, min(dem.Width-1, c)), max(0, min(dem.Height-1, r)))
	}
	for r := range dem.Height {
		for c := range dem.Width {
			p := (at(c+1, r-1) + 2*at(c+1, r) + at(c+1, r+1) - at(c-1, r-1) - 2*at(c-1, r) - at(c-1, r+1)) / (8 * dx)
			q := (at(c-1, r-1) + 2*at(c, r-1) + at(c+1, r-1) - at(c-1, r+1) - 2*at(c, r+1) - at(c+1, r+1)) / (8 * dy)
			slope.Set(c, r, math.Atan(math.Hypot(p, q)))
			aspect.Set(c, r, math.Mod(math.Atan2(-p, -q)+2*math.Pi, 2*math.Pi))
			if p == 0 && q == 0 {
				aspect.Set(c, r, math.NaN())
			}
		}
	}
	return slope, aspect
}

// land places a grid of square cells with its upper-left corner at a latitude
// in degrees; so is the convergence.
func land(dem *raster.Grid[float64], cell, latitude, convergence float64) Surface {
	slope, aspect := horn(dem, cell, cell)
	s := Surface{
		DEM: dem, Core: dem.Bounds(), Slope: slope, Aspect: aspect,
		Cell:     raster.UniformCellSize(dem.Height, cell, cell),
		Latitude: make([]float64, len(dem.Cells)),
	}
	if convergence != 0 {
		s.Convergence = make([]float64, len(dem.Cells))
	}
	for i := range s.Latitude {
		c, r := float64(i%dem.Width), float64(i/dem.Width)
		// Going south by rows and, where the grid is turned, by columns.
		s.Latitude[i] = latitude*deg - cell*(r*math.Cos(convergence*deg)+c*math.Sin(convergence*deg))/6371000
		if convergence != 0 {
			s.Convergence[i] = (convergence + c*cell*1e-5) * deg
		}
	}
	return s
}

// window is the part of a surface whose core is w, with the whole DEM as halo.
func window(s Surface, w raster.Window) Surface {
	o := s
	o.Core, o.Slope, o.Aspect = w, s.Slope.Sub(w), s.Aspect.Sub(w)
	o.Latitude, o.Convergence = nil, nil
	for r := range w.Height {
		from := (w.Row+r)*s.Core.Width + w.Col
		o.Latitude = append(o.Latitude, s.Latitude[from:from+w.Width]...)
		if s.Convergence != nil {
			o.Convergence = append(o.Convergence, s.Convergence[from:from+w.Width]...)
		}
	}
	return o
}

func yearOf(t testing.TB, e Engine, s Surface, p Parameters, threads int) *Monthly {
	t.Helper()
	m, err := e.Year(context.Background(), s, p, threads, nil)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// sameHorizons is the plain integrator over the horizons that Fast finds.
func sameHorizons(t testing.TB, s *Surface, p *Parameters) reference {
	t.Helper()
	f, err := newField(context.Background(), s, p, 2)
	if err != nil {
		t.Fatal(err)
	}
	sky, err := newSkyline(context.Background(), f.terrain, s, s.Core, f.active, 2, nil)
	if err != nil {
		t.Fatal(err)
	}
	return reference{horizon: sky.tangent}
}

func float64s(v []float32) []float64 {
	out := make([]float64, len(v))
	for i := range v {
		out[i] = float64(v[i])
	}
	return out
}

// Fast against the plain integrator with the same horizons: monthly global
// within 0.1 % RMS and 1 % in the worst cell, hours within 2 % RMS.
func TestFastYearAgreesWithReference(t *testing.T) {
	for _, c := range []struct {
		name    string
		surface func(t *testing.T) Surface
		change  func(p *Parameters)
	}{
		{"example DEM", func(t *testing.T) Surface {
			s := oracleSurface(t, "mcn_crop200/dem.tif", "mcn_crop200/slope_e.tif", "mcn_crop200/aspect_e.tif")
			return window(s, raster.Window{Col: 80, Row: 80, Width: 24, Height: 24})
		}, nil},
		{"open example DEM", func(t *testing.T) Surface {
			s := oracleSurface(t, "mcn_crop200/dem.tif", "mcn_crop200/slope_e.tif", "mcn_crop200/aspect_e.tif")
			return window(s, raster.Window{Col: 80, Row: 80, Width: 24, Height: 24})
		}, func(p *Parameters) { p.Shadows = false }},
		{"mountains at 47 north", func(*testing.T) Surface {
			return window(land(fractal(160, 160, 1500, 300), 10, 47, 0), raster.Window{Col: 60, Row: 70, Width: 15, Height: 15})
		}, nil},
		{"turned grid, 33 south, clear air", func(*testing.T) Surface {
			return window(land(fractal(160, 160, 600, 200), 10, -33, -7.5), raster.Window{Col: 60, Row: 70, Width: 15, Height: 15})
		}, func(p *Parameters) {
			p.Linke = constant(2)
			p.Albedo = constant(0.4)
			p.KBeam = constant(0.7)
			p.ReflFull = true
		}},
		{"equator, 30 minutes", func(*testing.T) Surface {
			return window(land(fractal(160, 160, 300, 200), 10, 0.005, 0), raster.Window{Col: 60, Row: 70, Width: 15, Height: 15})
		}, func(p *Parameters) { p.StepMinutes = 30 }},
		{"70 north", func(*testing.T) Surface {
			return window(land(fractal(160, 160, 300, 200), 10, 70, 2), raster.Window{Col: 60, Row: 70, Width: 15, Height: 15})
		}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			if testing.Short() && c.name != "equator, 30 minutes" {
				t.Skip("takes long")
			}
			s, p := c.surface(t), DefaultParameters()
			p.Components = true
			if c.change != nil {
				c.change(&p)
			}
			ref := reference{}
			if p.Shadows {
				ref = sameHorizons(t, &s, &p)
			}
			want, got := yearOf(t, ref, s, p, 2), yearOf(t, Fast(), s, p, 2)
			brightest := 0.0
			for m := range 12 {
				brightest = max(brightest, compare(got.Global[m].Cells, float64s(want.Global[m].Cells), nil, 1).wantMean)
			}
			for m := range 12 {
				g := compare(got.Global[m].Cells, float64s(want.Global[m].Cells), nil, 1)
				h := compare(got.Hours[m].Cells, float64s(want.Hours[m].Cells), nil, 0.1)
				f := compare(got.Flat[m].Cells, float64s(want.Flat[m].Cells), nil, 0.1)
				b := compare(got.Beam[m].Cells, float64s(want.Beam[m].Cells), nil, 0.1)
				d := compare(got.Diffuse[m].Cells, float64s(want.Diffuse[m].Cells), nil, 0.1)
				r := compare(got.Reflected[m].Cells, float64s(want.Reflected[m].Cells), nil, 0.1)
				t.Logf("month %d: global %.2g RMS %.2g worst, hours %.2g, flat %.2g worst, beam %.2g, diffuse %.2g, reflected %.2g",
					m+1, g.rmse, g.worst, h.rmse, f.worst, b.rmse, d.rmse, r.rmse)
				// Months of the polar night count by a fiftieth of the brightest month.
				dim := min(1, g.wantMean/(0.02*brightest))
				if dim*g.rmse > 1e-3 || dim*g.worst > 0.01 || dim*f.worst > 1e-4 {
					t.Errorf("month %d: global %v; flat %v", m+1, g, f)
				}
				if dim*h.rmse > 0.02 {
					t.Errorf("month %d: hours %v", m+1, h)
				}
				if dim*d.rmse > 1e-3 || dim*b.rmse > 2e-3 || dim*r.rmse > 2e-3 {
					t.Errorf("month %d: beam %v; diffuse %v; reflected %v", m+1, b, d, r)
				}
			}
		})
	}
}

// Fast with its own horizons against r.sun with clean shadows: no farther than
// two correct GRASS methods are from each other (oracle README, natural error bar).
func TestFastDaysNearRSun(t *testing.T) {
	s := oracleSurface(t, "mcn_crop200/dem.tif", "mcn_crop200/slope_e.tif", "mcn_crop200/aspect_e.tif")
	mask := oracle.Read(t, "oracle/mcn_crop200/polar_quirk_mask_e.tif")
	for _, c := range []struct {
		day  int
		rmse float64
	}{{1, 0.0173}, {80, 0.0055}, {172, 0.0029}, {266, 0.0055}} {
		d := oneDay(t, Fast(), s, DefaultParameters(), c.day)
		glob := oracle.Read(t, "oracle/"+fmt.Sprintf("mcn_crop200/d%03d_cleanshade_glob.tif", c.day))
		insol := oracle.Read(t, "oracle/"+fmt.Sprintf("mcn_crop200/d%03d_cleanshade_insol.tif", c.day))
		global, hours := compare(d.Global.Cells, glob.Cells, mask.Cells, 1), compare(d.Hours.Cells, insol.Cells, mask.Cells, 0.01)
		t.Logf("day %d: global %v; hours %v", c.day, global, hours)
		if global.rmse > c.rmse || math.Abs(global.bias) > 0.002 {
			t.Errorf("day %d: global %v, allowed RMSE %.2f %%", c.day, global, 100*c.rmse)
		}
	}
}

func benchmarkYear(b *testing.B, width, height int) {
	s := land(fractal(width, height, 2300, 250), 10, 35.8, -0.95)
	p := DefaultParameters()
	b.ReportAllocs()
	for b.Loop() {
		yearOf(b, Fast(), s, p, 2)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(s.DEM.Cells)), "ns/cell")
}

func BenchmarkYear48k(b *testing.B)  { benchmarkYear(b, 228, 211) }
func BenchmarkYear1024(b *testing.B) { benchmarkYear(b, 1024, 1024) }
