package terrain

import (
	"math"
	"testing"

	"github.com/cyverse-gis/eemt/shared/raster"
)

const deg = math.Pi / 180

// surface samples z(x, y), metres east and north of the grid's south-west corner.
func surface(w, h int, dx, dy float64, z func(x, y float64) float64) *raster.Grid[float64] {
	g := raster.New[float64](w, h)
	for r := range h {
		for c := range w {
			g.Set(c, r, z((float64(c)+0.5)*dx, (float64(h-r)-0.5)*dy))
		}
	}
	return g
}

// plane falls with slope g towards azimuth a.
func plane(w, h int, dx, dy, g, a float64) *raster.Grid[float64] {
	return surface(w, h, dx, dy, func(x, y float64) float64 {
		return 1000 - math.Tan(g)*(x*math.Sin(a)+y*math.Cos(a))
	})
}

// noise is a repeatable rough surface in 0..1.
func noise(seed uint64) func() float64 {
	return func() float64 {
		seed += 0x9e3779b97f4a7c15
		v := seed
		v = (v ^ v>>30) * 0xbf58476d1ce4e5b9
		v = (v ^ v>>27) * 0x94d049bb133111eb
		return float64((v^v>>31)>>11) / (1 << 53)
	}
}

func rough(w, h int, seed uint64) *raster.Grid[float64] {
	next := noise(seed)
	return surface(w, h, 10, 10, func(x, y float64) float64 {
		return 500 + 40*math.Sin(x/170) + 30*math.Cos(y/130) + 0.05*x + 6*next()
	})
}

func azimuthDistance(a, b float64) float64 {
	d := math.Abs(a - b)
	return math.Min(d, 2*math.Pi-d)
}

func TestSlopeAspectOfPlanes(t *testing.T) {
	for _, size := range [][2]float64{{10, 10}, {30, 20}, {0.5, 0.5}} {
		dx, dy := size[0], size[1]
		for _, g := range []float64{1e-4, 5, 20, 45, 80} {
			for a := 0.0; a < 360; a += 22.5 {
				dem := plane(7, 5, dx, dy, g*deg, a*deg)
				slope, aspect := SlopeAspect(dem, raster.UniformCellSize(5, dx, dy), EdgesNoData)
				for r := range 5 {
					for c := range 7 {
						s, as := slope.At(c, r), aspect.At(c, r)
						if c == 0 || r == 0 || c == 6 || r == 4 {
							if !math.IsNaN(s) || !math.IsNaN(as) {
								t.Fatalf("outer ring has slope %g", s)
							}
							continue
						}
						// 1e-10 m of rounding in elevations of 1000 m.
						if math.Abs(s-g*deg) > 1e-11 || azimuthDistance(as, a*deg) > 1e-11/(g*deg) || as < 0 || as >= 2*math.Pi {
							t.Fatalf("plane of %g deg to %g deg, cells %g x %g: got %.12g, %.12g", g, a, dx, dy, s/deg, as/deg)
						}
					}
				}
			}
		}
	}
}

func TestAspectOfCardinalPlanesIsExact(t *testing.T) {
	for want, z := range map[float64]func(x, y float64) float64{
		0:               func(_, y float64) float64 { return -y },
		math.Pi / 2:     func(x, _ float64) float64 { return -x },
		math.Pi:         func(_, y float64) float64 { return y },
		3 * math.Pi / 2: func(x, _ float64) float64 { return x },
	} {
		_, aspect := SlopeAspect(surface(3, 3, 1, 1, z), raster.UniformCellSize(3, 1, 1), EdgesNoData)
		if got := aspect.At(1, 1); got != want || math.Signbit(got) {
			t.Errorf("aspect %v, want %v", got, want)
		}
	}
	if a := downslope(1e-20, -1); a != 0 {
		t.Errorf("a hair west of north is %v, want 0: the range ends below 2 pi", a)
	}
}

// Horn's weights, by hand: p = ((3+2*6+10)-(1+2*4+7))/80, q = ((1+2*2+3)-(7+2*8+10))/160.
func TestSlopeByHand(t *testing.T) {
	dem := &raster.Grid[float64]{Width: 3, Height: 3, Cells: []float64{1, 2, 3, 4, 99, 6, 7, 8, 10}}
	slope, aspect := SlopeAspect(dem, raster.UniformCellSize(3, 10, 20), EdgesNoData)
	p, q := 9.0/80, -25.0/160
	if got, want := slope.At(1, 1), math.Atan(math.Hypot(p, q)); math.Abs(got-want) > 1e-15 {
		t.Errorf("slope %g, want %g", got, want)
	}
	if got, want := aspect.At(1, 1), 2*math.Pi+math.Atan2(-p, -q); math.Abs(got-want) > 1e-15 {
		t.Errorf("aspect %g, want %g", got, want)
	}
}

func TestSlopeOfFlats(t *testing.T) {
	for _, z := range []float64{0, 0.1 + 0.2, 1e5 / 3, -412.7} {
		dem := raster.New[float64](4, 4)
		dem.Fill(z)
		slope, aspect := SlopeAspect(dem, raster.UniformCellSize(4, 30, 30), EdgesReplicate)
		for i := range dem.Cells {
			if slope.Cells[i] != 0 || !math.IsNaN(aspect.Cells[i]) {
				t.Fatalf("flat at %g m: slope %g, aspect %g", z, slope.Cells[i], aspect.Cells[i])
			}
			if n := Northness(slope.Cells[i], aspect.Cells[i]); n != 0 {
				t.Fatalf("northness %g", n)
			}
		}
	}
}

func TestNorthness(t *testing.T) {
	for _, c := range []struct{ slope, aspect, want float64 }{
		{90, 0, 1}, {90, 180, -1}, {20, 340, 0.3213938048}, {20, 90, 0}, {0, 77, 0},
	} {
		if got := Northness(c.slope*deg, c.aspect*deg); math.Abs(got-c.want) > 1e-10 {
			t.Errorf("northness of %g deg to %g deg is %g, want %g", c.slope, c.aspect, got, c.want)
		}
	}
	if !math.IsNaN(Northness(math.NaN(), 1)) {
		t.Error("northness without slope has a value")
	}
}

func TestSlopeBesideNoData(t *testing.T) {
	for _, hole := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		dem := plane(7, 7, 10, 10, 20*deg, 90*deg)
		dem.Set(3, 3, hole)
		slope, _ := SlopeAspect(dem, raster.UniformCellSize(7, 10, 10), EdgesNoData)
		for r := range 7 {
			for c := range 7 {
				near := c >= 2 && c <= 4 && r >= 2 && r <= 4
				if got, want := math.IsNaN(slope.At(c, r)), near || c == 0 || r == 0 || c == 6 || r == 6; got != want {
					t.Errorf("hole %g: cell %d,%d without data: %v, want %v", hole, c, r, got, want)
				}
			}
		}
		slope, aspect := SlopeAspect(dem, raster.UniformCellSize(7, 10, 10), EdgesReplicate)
		for i := range slope.Cells {
			if got, want := math.IsNaN(slope.Cells[i]), i == 3*7+3; got != want || math.IsNaN(aspect.Cells[i]) != want {
				t.Errorf("hole %g, replicate: cell %d without data: %v, want %v", hole, i, got, want)
			}
		}
		// East of the hole the missing neighbour weighs 2 of 8 as if level.
		want := math.Atan(math.Tan(20*deg) * 7 / 8 * 6 / 7)
		if got := slope.At(4, 3); math.Abs(got-want) > 1e-12 {
			t.Errorf("east of the hole %g, want %g", got, want)
		}
	}
}

func TestSlopeOfSmallGrids(t *testing.T) {
	for _, s := range [][2]int{{1, 1}, {1, 5}, {5, 1}, {2, 2}} {
		dem := rough(s[0], s[1], 3)
		slope, _ := SlopeAspect(dem, raster.UniformCellSize(s[1], 10, 10), EdgesNoData)
		rep, _ := SlopeAspect(dem, raster.UniformCellSize(s[1], 10, 10), EdgesReplicate)
		for i := range slope.Cells {
			if !math.IsNaN(slope.Cells[i]) {
				t.Errorf("%v: slope %g without neighbours", s, slope.Cells[i])
			}
			if math.IsNaN(rep.Cells[i]) {
				t.Errorf("%v: replicate gives no slope", s)
			}
		}
	}
}

func TestTilesHaveTheSlopeOfTheWhole(t *testing.T) {
	dem := rough(61, 47, 1)
	dem.Set(20, 20, math.NaN())
	cell := raster.UniformCellSize(47, 10, 10)
	for r := range 47 { // as on a grid in degrees
		cell.DX[r] = 10 + 0.01*float64(r)
	}
	for _, edges := range []Edges{EdgesNoData, EdgesReplicate} {
		slope, aspect := SlopeAspect(dem, cell, edges)
		for row := 0; row < 47; row += 16 {
			for col := 0; col < 61; col += 16 {
				window := raster.Window{Col: col, Row: row, Width: 16, Height: 16}.Intersect(dem.Bounds())
				halo := window.Grow(2).Intersect(dem.Bounds())
				s, a := SlopeAspectWindow(dem.Sub(halo), cell.Rows(halo.Row, halo.Height),
					raster.Window{Col: window.Col - halo.Col, Row: window.Row - halo.Row, Width: window.Width, Height: window.Height}, edges)
				same(t, "slope", s, slope.Sub(window))
				same(t, "aspect", a, aspect.Sub(window))
			}
		}
	}
}

func same[T float32 | float64](t *testing.T, what string, got, want *raster.Grid[T]) {
	t.Helper()
	for i := range want.Cells {
		if g, w := got.Cells[i], want.Cells[i]; g != w && !(math.IsNaN(float64(g)) && math.IsNaN(float64(w))) {
			t.Fatalf("%s of cell %d is %v, want %v", what, i, g, w)
		}
	}
}
