package solar

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/cyverse-gis/eemt/shared/raster"
	"github.com/cyverse-gis/eemt/shared/solar/sun"
)

// sameGrids fails unless two results agree within tol, relative.
func sameGrids(t *testing.T, what string, got, want []float32, tol float64) {
	t.Helper()
	for i := range want {
		g, w := float64(got[i]), float64(want[i])
		if math.IsNaN(g) != math.IsNaN(w) || math.Abs(g-w) > tol*math.Abs(w) {
			t.Fatalf("%s: cell %d is %g, want %g", what, i, g, w)
		}
	}
}

func TestTilesAndThreadsChangeNothing(t *testing.T) {
	for _, jumps := range []float64{0, 12} { // smooth ground, and rough ground on the right
		dem := fractal(90, 70, 1200, 200)
		for i := range dem.Cells {
			if i%90 > 40 {
				dem.Cells[i] += jumps * float64(i*7%5)
			}
		}
		dem.Set(40, 33, math.NaN())
		s := land(dem, 30, 44.44, 3)
		s.OriginCol, s.OriginRow = 5, 11
		p := DefaultParameters()
		whole := yearOf(t, Fast(), s, p, 1)
		threaded := yearOf(t, Fast(), s, p, 8)
		for m := range 12 {
			sameGrids(t, "8 threads, global", threaded.Global[m].Cells, whole.Global[m].Cells, 0)
			sameGrids(t, "8 threads, hours", threaded.Hours[m].Cells, whole.Hours[m].Cells, 0)
		}
		for row := 0; row < 70; row += 24 {
			for col := 0; col < 90; col += 31 {
				w := raster.Window{Col: col, Row: row, Width: min(31, 90-col), Height: min(24, 70-row)}
				tile := yearOf(t, Fast(), window(s, w), p, 2)
				for m := range 12 {
					sameGrids(t, "tile, global", tile.Global[m].Cells, whole.Global[m].Sub(w).Cells, 1e-6)
					sameGrids(t, "tile, flat", tile.Flat[m].Cells, whole.Flat[m].Sub(w).Cells, 1e-6)
					sameGrids(t, "tile, hours", tile.Hours[m].Cells, whole.Hours[m].Sub(w).Cells, 1e-6)
				}
			}
		}
	}
}

// A defect met by one of several threads is met by the caller, who can tell it; in a thread
// of its own it would end the process.
func TestPanicsReachTheCaller(t *testing.T) {
	defer func() {
		if v := recover(); v == nil || !strings.Contains(fmt.Sprint(v), "a defect") {
			t.Errorf("the caller caught %v", v)
		}
	}()
	err := eachBlock(t.Context(), 9, 3, func(_, block int) {
		if block == 4 {
			panic("a defect")
		}
	}, nil)
	t.Errorf("no panic, %v", err)
}

// A halo that reaches past all that can shade gives the numbers of the whole
// raster: sweep lines are anchored to the whole, not to the tile.
func TestHaloPlacesSweepLines(t *testing.T) {
	dem := raster.New[float64](120, 100)
	dem.Fill(500)
	for r := 40; r < 60; r++ {
		for c := 50; c < 60; c++ {
			dem.Set(c, r, 560+10*math.Sin(float64(c*r)))
		}
	}
	s := land(dem, 25, 40, 0)
	core := raster.Window{Col: 45, Row: 35, Width: 25, Height: 30}
	want := yearOf(t, Fast(), window(s, core), DefaultParameters(), 2)
	cut := raster.Window{Col: 33, Row: 21, Width: 60, Height: 70}
	part := window(s, core)
	part.DEM, part.Cell = s.DEM.Sub(cut), s.Cell.Rows(cut.Row, cut.Height)
	part.OriginCol, part.OriginRow = cut.Col, cut.Row
	part.Core.Col, part.Core.Row = core.Col-cut.Col, core.Row-cut.Row
	got := yearOf(t, Fast(), part, DefaultParameters(), 2)
	for m := range 12 {
		sameGrids(t, "cut halo", got.Global[m].Cells, want.Global[m].Cells, 1e-6)
	}
}

func TestDaysAddUpToYear(t *testing.T) {
	s := window(land(fractal(120, 100, 900, 250), 10, 38, -2), raster.Window{Col: 50, Row: 40, Width: 16, Height: 12})
	p := DefaultParameters()
	p.Components = true
	year := yearOf(t, Fast(), s, p, 2)
	for _, month := range []int{0, 2, 5, 9} {
		first, last := sun.DaysOf(month)
		var days []int
		for d := first; d <= last; d++ {
			days = append(days, d)
		}
		sum := newMonthly(s.Core, true)
		seen := 0
		err := Fast().Days(context.Background(), s, p, days, 2, func(day int, d *Daily) error {
			if day != days[seen] {
				t.Errorf("day %d came when day %d was due", day, days[seen])
			}
			seen++
			for i := range d.Global.Cells {
				sum.Global[0].Cells[i] += d.Global.Cells[i]
				sum.Hours[0].Cells[i] += d.Hours.Cells[i]
				sum.Flat[0].Cells[i] += d.Flat.Cells[i]
			}
			return nil
		})
		if err != nil || seen != len(days) {
			t.Fatalf("%d of %d days, error %v", seen, len(days), err)
		}
		g := compare(sum.Global[0].Cells, float64s(year.Global[month].Cells), nil, 1)
		f := compare(sum.Flat[0].Cells, float64s(year.Flat[month].Cells), nil, 1)
		h := compare(sum.Hours[0].Cells, float64s(year.Hours[month].Cells), nil, 1)
		if g.rmse > 1e-3 || g.worst > 0.01 || h.rmse > 0.02 || f.worst > 1e-4 {
			t.Errorf("month %d: global %v; hours %v; flat %v", month+1, g, h, f)
		}
	}
}

// plateau is level ground at one latitude in degrees.
func plateau(z, latitude float64) Surface {
	dem := raster.New[float64](6, 5)
	dem.Fill(z)
	s := land(dem, 100, latitude, 0)
	for i := range s.Latitude {
		s.Latitude[i] = latitude * deg
	}
	return s
}

func TestEdgeCases(t *testing.T) {
	for _, c := range []struct {
		name         string
		z, latitude  float64
		day          int
		hours        float64
		global, beam float64 // bounds: at least this
	}{
		{"polar night", 100, 80, 355, 0, 0, 0},
		{"midnight sun", 100, 80, 172, 24, 7000, 4000},
		{"north pole in summer", 0, 90, 172, 24, 7000, 4000},
		{"north pole in winter", 0, 90, 355, 0, 0, 0},
		{"south pole in its summer", 2800, -90, 355, 24, 7000, 4000},
		{"equator", 0, 0, 80, 12, 6000, 4000},
		{"below the sea", -400, 31.5, 172, 14, 8000, 6000},
		{"southern hemisphere", 300, -33.5, 355, 14, 8000, 6000},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, p := plateau(c.z, c.latitude), DefaultParameters()
			for name, e := range map[string]Engine{"reference": Reference(), "fast": Fast()} {
				d := oneDay(t, e, s, p, c.day)
				_, _, _, want, _ := PlaneDay(c.latitude*deg, c.z, 0, 0, c.day, p)
				for i := range d.Global.Cells {
					if g := float64(d.Global.Cells[i]); math.Abs(g-want) > 1e-4*want || g < c.global || float64(d.Beam.Cells[i]) < c.beam {
						t.Fatalf("%s: global %g, beam %g; want %g, at least %g", name, g, d.Beam.Cells[i], want, c.global)
					}
					if h := float64(d.Hours.Cells[i]); h != c.hours || d.Flat.Cells[i] != d.Global.Cells[i] {
						t.Fatalf("%s: %g hours, want %g; flat %g, global %g", name, h, c.hours, d.Flat.Cells[i], d.Global.Cells[i])
					}
				}
			}
			year := yearOf(t, Fast(), s, p, 1)
			first, last := sun.DaysOf(sun.MonthOf(c.day))
			var want float64
			for day := first; day <= last; day++ {
				_, _, _, g, _ := PlaneDay(c.latitude*deg, c.z, 0, 0, day, p)
				want += g
			}
			if g := float64(year.Global[sun.MonthOf(c.day)].Cells[7]); math.Abs(g-want) > 1e-4*want {
				t.Errorf("month %g, want %g", g, want)
			}
		})
	}
}

// A month without sun has none on flat ground either, or S_i would be 0 over a little
// instead of the polar night's 1. At 82 N the sun still comes up in February.
func TestPolarNightBesideASunnyNode(t *testing.T) {
	s, p := plateau(500, 82.05), DefaultParameters()
	grid := raster.New[float32](s.Core.Width, s.Core.Height)
	grid.Fill(2.3)
	layered := s
	for m := range 12 {
		layered.Linke[m] = grid
	}
	for name, s := range map[string]Surface{"one sky": s, "turbidity by cell": layered} {
		want, got := yearOf(t, Reference(), s, p, 1), yearOf(t, Fast(), s, p, 1)
		for m := range 12 {
			if w, g := want.Flat[m].Cells[7], got.Flat[m].Cells[7]; (w == 0) != (g == 0) || (w == 0) != (m <= 1 || m >= 10) {
				t.Errorf("%s, month %d: flat global %g, want %g", name, m+1, g, w)
			}
		}
	}
}

// Nodata cells have no result and shade nothing.
func TestNoDataIsNoObstacle(t *testing.T) {
	s := land(fractal(40, 40, 800, 0.001), 10, 45, 0)
	for i := range s.Slope.Cells {
		s.Slope.Cells[i] = 0
	}
	open := yearOf(t, Fast(), s, DefaultParameters(), 2)
	for r := range 40 {
		s.DEM.Set(20, r, math.NaN())
	}
	s.Slope.Set(3, 3, math.NaN())
	for name, e := range map[string]Engine{"reference": Reference(), "fast": Fast()} {
		d := oneDay(t, e, s, DefaultParameters(), 355)
		if !math.IsNaN(float64(d.Global.At(20, 7))) || !math.IsNaN(float64(d.Hours.At(3, 3))) {
			t.Errorf("%s: nodata cells have results", name)
		}
		if d.Hours.At(19, 20) < 8 || d.Hours.At(21, 20) < 8 {
			t.Errorf("%s: nodata shades its neighbours: %g and %g hours", name, d.Hours.At(19, 20), d.Hours.At(21, 20))
		}
	}
	holed := yearOf(t, Fast(), s, DefaultParameters(), 2)
	near(t, "beside the hole", float64(holed.Global[11].At(19, 20)), float64(open.Global[11].At(19, 20)), 1e-3)
	empty := s
	empty.DEM = raster.New[float64](40, 40)
	empty.DEM.Fill(math.NaN())
	if m := yearOf(t, Fast(), empty, DefaultParameters(), 2); !math.IsNaN(float64(m.Global[0].At(1, 1))) {
		t.Error("a surface without data has results")
	}
}

// SURFRAD Alamosa, 1 January 2016, cloudless: 3395 Wh m⁻² measured on a horizontal plane.
func TestAlamosaMeasured(t *testing.T) {
	p := DefaultParameters()
	p.Linke = constant(2)
	_, _, _, global, _ := PlaneDay(37.70*deg, 2317, 0, 0, 1, p)
	near(t, "global", global, 3395, 0.03)
}

// The sun of the southern hemisphere mirrors the northern one half a year away,
// and a slope facing the equator gains as much.
func TestNorthernSlopeInTheSouth(t *testing.T) {
	p := DefaultParameters()
	_, _, _, toward, _ := PlaneDay(-35*deg, 500, 20*deg, 0, 172, p)
	_, _, _, away, _ := PlaneDay(-35*deg, 500, 20*deg, math.Pi, 172, p)
	if toward < 1.5*away {
		t.Errorf("facing the equator %g, facing the pole %g Wh", toward, away)
	}
}

// Turning a grid and its convergence together leaves the radiation as it was.
func TestConvergenceTurnsSlopesAndHorizons(t *testing.T) {
	dem := fractal(60, 60, 1000, 150)
	s := land(dem, 10, 40, 0)
	turned := s
	turned.DEM = raster.New[float64](60, 60)
	turned.Slope, turned.Aspect = raster.New[float64](60, 60), raster.New[float64](60, 60)
	turned.Latitude, turned.Convergence = make([]float64, 3600), make([]float64, 3600)
	// Grid north of the turned grid lies 90 degrees clockwise from true north: its columns run south to north... as rows did west to east.
	for r := range 60 {
		for c := range 60 {
			// Cell (c, r) of the turned grid is the original's (59-r, c): moving up moves east.
			oc, or := 59-r, c
			turned.DEM.Set(c, r, dem.At(oc, or))
			turned.Slope.Set(c, r, s.Slope.At(oc, or))
			turned.Aspect.Set(c, r, s.Aspect.At(oc, or)-math.Pi/2)
			turned.Latitude[r*60+c] = s.Latitude[or*60+oc]
			turned.Convergence[r*60+c] = math.Pi / 2
		}
	}
	a, b := yearOf(t, Fast(), s, DefaultParameters(), 2), yearOf(t, Fast(), turned, DefaultParameters(), 2)
	for m := range 12 {
		for r := range 60 {
			for c := range 60 {
				x, y := float64(a.Global[m].At(59-r, c)), float64(b.Global[m].At(c, r))
				if math.Abs(x-y) > 0.02*x {
					t.Fatalf("month %d, cell %d %d: %g, turned %g", m+1, c, r, x, y)
				}
			}
		}
		g := compare(b.Global[m].Cells, turnedCells(a.Global[m]), nil, 1)
		if g.rmse > 5e-4 {
			t.Errorf("month %d: %v", m+1, g)
		}
	}
}

func turnedCells(g *raster.Grid[float32]) []float64 {
	var out []float64
	for r := range g.Height {
		for c := range g.Width {
			out = append(out, float64(g.At(g.Height-1-r, c)))
		}
	}
	return out
}

func TestErrorsNameTheValue(t *testing.T) {
	good := plateau(100, 45)
	for _, c := range []struct {
		name, want string
		change     func(s *Surface, p *Parameters)
	}{
		{"step", "step 90: must be 1 to 60 minutes", func(_ *Surface, p *Parameters) { p.StepMinutes = 90 }},
		{"step not a number", "step NaN: must be 1 to 60 minutes", func(_ *Surface, p *Parameters) { p.StepMinutes = math.NaN() }},
		{"linke", "linke turbidity 9 of month 3: must be 1 to 8", func(_ *Surface, p *Parameters) { p.Linke[2] = 9 }},
		{"albedo", "albedo -1 of month 1: must be 0 to 1", func(_ *Surface, p *Parameters) { p.Albedo[0] = -1 }},
		{"beam factor", "beam factor 2 of month 12: must be 0 to 1", func(_ *Surface, p *Parameters) { p.KBeam[11] = 2 }},
		{"core", "must lie inside", func(s *Surface, _ *Parameters) { s.Core.Width = 7 }},
		{"latitude", "latitude: 3 values", func(s *Surface, _ *Parameters) { s.Latitude = s.Latitude[:3] }},
		{"cell size", "must be positive", func(s *Surface, _ *Parameters) { s.Cell = raster.UniformCellSize(5, -1, 1) }},
		{"no slope", "slope and aspect are all needed", func(s *Surface, _ *Parameters) { s.Slope = nil }},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, p := good, DefaultParameters()
			c.change(&s, &p)
			for _, e := range []Engine{Reference(), Fast()} {
				if _, err := e.Year(context.Background(), s, p, 1, nil); err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("error %v, want %q", err, c.want)
				}
			}
		})
	}
	err := Fast().Days(context.Background(), good, DefaultParameters(), []int{367}, 1, nil)
	if err == nil || err.Error() != "day 367: must be 1 to 366" {
		t.Errorf("error %v", err)
	}
}

func TestYearStopsAndReports(t *testing.T) {
	s := land(fractal(60, 60, 1000, 150), 10, 40, 0)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for _, e := range []Engine{Reference(), Fast()} {
		if _, err := e.Year(ctx, s, DefaultParameters(), 2, nil); !errors.Is(err, context.Canceled) {
			t.Errorf("%T: error %v after cancelling", e, err)
		}
	}
	last := 0
	_, err := Fast().Year(context.Background(), s, DefaultParameters(), 2, func(done, total int) {
		if done < last || done > total {
			t.Errorf("progress %d of %d after %d", done, total, last)
		}
		last = done
	})
	if err != nil || last == 0 {
		t.Errorf("error %v, last progress %d", err, last)
	}
	stop := errors.New("enough")
	err = Fast().Days(context.Background(), s, DefaultParameters(), []int{1, 2}, 2, func(int, *Daily) error { return stop })
	if !errors.Is(err, stop) {
		t.Errorf("error %v, want the one of emit", err)
	}
}
