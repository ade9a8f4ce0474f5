package solar

import (
	"context"
	"math"
	"strings"
	"testing"

	"github.com/cyverse-gis/eemt/shared/raster"
	"github.com/cyverse-gis/eemt/shared/solar/clearsky"
)

// ramp is a layer that changes from cell to cell between two values.
func ramp(w raster.Window, from, to float64) *raster.Grid[float32] {
	g := raster.New[float32](w.Width, w.Height)
	for i := range g.Cells {
		part := float64((i*7)%len(g.Cells)) / float64(len(g.Cells)-1)
		g.Cells[i] = float32(from*(1-part) + to*part)
	}
	return g
}

// layered is mountains whose air and ground change from cell to cell and month to month.
func layered() Surface {
	s := window(land(fractal(120, 120, 1500, 300), 10, 47, 2), raster.Window{Col: 50, Row: 50, Width: 9, Height: 8})
	for m := range 12 {
		s.Linke[m] = ramp(s.Core, 1.2+0.3*float64(m%4), 6.5)
		s.Albedo[m] = ramp(s.Core, 0.9, 0.05*float64(m))
		s.KBeam[m] = ramp(s.Core, 1-0.05*float64(m), 0)
		s.KDiffuse[m] = ramp(s.Core, 0.3, 1)
	}
	return s
}

func TestFastYearWithLayersAgreesWithReference(t *testing.T) {
	all := layered()
	for _, c := range []struct {
		name    string
		surface func() Surface
	}{
		{"turbidity", func() Surface { s := all; s.Albedo, s.KBeam, s.KDiffuse = none, none, none; return s }},
		{"albedo", func() Surface { s := all; s.Linke, s.KBeam, s.KDiffuse = none, none, none; return s }},
		{"beam factor", func() Surface { s := all; s.Linke, s.Albedo, s.KDiffuse = none, none, none; return s }},
		{"diffuse factor in March only", func() Surface {
			s := all
			s.Linke, s.Albedo, s.KBeam, s.KDiffuse = none, none, none, none
			s.KDiffuse[2] = all.KDiffuse[2]
			return s
		}},
		{"all", func() Surface { return all }},
	} {
		t.Run(c.name, func(t *testing.T) {
			if testing.Short() && c.name != "all" {
				t.Skip("takes long")
			}
			s, p := c.surface(), DefaultParameters()
			p.Components = true
			for m := range 12 {
				p.Linke[m], p.KBeam[m] = 2.2+0.1*float64(m), 0.95
			}
			want, got := yearOf(t, sameHorizons(t, &s, &p), s, p, 2), yearOf(t, Fast(), s, p, 2)
			day := oneDay(t, Fast(), s, p, 80)
			wantDay := oneDay(t, sameHorizons(t, &s, &p), s, p, 80)
			g := compare(day.Global.Cells, float64s(wantDay.Global.Cells), nil, 1)
			if g.rmse > 1e-3 || g.worst > 0.01 {
				t.Errorf("day 80: global %v", g)
			}
			for m := range 12 {
				g := compare(got.Global[m].Cells, float64s(want.Global[m].Cells), nil, 1)
				f := compare(got.Flat[m].Cells, float64s(want.Flat[m].Cells), nil, 0.1)
				b := compare(got.Beam[m].Cells, float64s(want.Beam[m].Cells), nil, 0.1)
				d := compare(got.Diffuse[m].Cells, float64s(want.Diffuse[m].Cells), nil, 0.1)
				r := compare(got.Reflected[m].Cells, float64s(want.Reflected[m].Cells), nil, 0.1)
				t.Logf("month %d: global %.2g RMS %.2g worst, flat %.2g worst, beam %.2g, diffuse %.2g, reflected %.2g", m+1, g.rmse, g.worst, f.worst, b.rmse, d.rmse, r.rmse)
				if g.rmse > 1e-3 || g.worst > 0.01 || f.worst > 1e-4 || b.rmse > 2e-3 || d.rmse > 1e-3 || r.rmse > 2e-3 {
					t.Errorf("month %d: global %v; flat %v", m+1, g, f)
				}
			}
		})
	}
}

var none [12]*raster.Grid[float32]

// A layer with one value is that value as parameter.
func TestEvenLayerIsAParameter(t *testing.T) {
	s := layered()
	s.Linke, s.Albedo, s.KBeam, s.KDiffuse = none, none, none, none
	p := DefaultParameters()
	p.Linke, p.Albedo, p.KBeam, p.KDiffuse = constant(3.5), constant(0.4), constant(0.8), constant(0.9)
	want := yearOf(t, Fast(), s, p, 2)
	even := s
	for m := range 12 {
		even.Linke[m], even.Albedo[m] = ramp(s.Core, 3.5, 3.5), ramp(s.Core, 0.4, 0.4)
		even.KBeam[m], even.KDiffuse[m] = ramp(s.Core, 0.8, 0.8), ramp(s.Core, 0.9, 0.9)
	}
	got := yearOf(t, Fast(), even, DefaultParameters(), 2)
	for m := range 12 {
		g := compare(got.Global[m].Cells, float64s(want.Global[m].Cells), nil, 1)
		if g.rmse > 1e-4 || g.worst > 2e-3 {
			t.Errorf("month %d: %v", m+1, g)
		}
	}
}

func TestCellWithoutLayerHasNoData(t *testing.T) {
	s := layered()
	s.Albedo[7].Cells[13] = float32(math.NaN())
	p := DefaultParameters()
	for name, e := range map[string]Engine{"reference": Reference(), "fast": Fast()} {
		d := oneDay(t, e, s, p, 100)
		if v := d.Global.Cells[13]; v == v {
			t.Errorf("%s: global %g where albedo is missing", name, v)
		}
		if v := d.Global.Cells[12]; v != v {
			t.Errorf("%s: the cell beside has no data", name)
		}
	}
	if y := yearOf(t, Fast(), s, p, 2); y.Global[0].Cells[13] == y.Global[0].Cells[13] {
		t.Errorf("global %g where albedo is missing", y.Global[0].Cells[13])
	}
}

func TestLayerErrorsNameTheValue(t *testing.T) {
	for _, c := range []struct {
		name, want string
		change     func(s *Surface)
	}{
		{"size", "albedo of month 2, 3 x 4 cells: must have the core's 9 x 8", func(s *Surface) { s.Albedo[1] = raster.New[float32](3, 4) }},
		{"linke", "linke turbidity 0.5 of month 1 at column 2, row 1: must be 1 to 8", func(s *Surface) { s.Linke[0].Set(2, 1, 0.5) }},
		{"beam factor", "beam factor 1.5 of month 12 at column 0, row 0: must be 0 to 1", func(s *Surface) { s.KBeam[11].Set(0, 0, 1.5) }},
		{"diffuse factor", "diffuse factor +Inf of month 4", func(s *Surface) { s.KDiffuse[3].Set(0, 0, float32(math.Inf(1))) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := layered()
			c.change(&s)
			for _, e := range []Engine{Reference(), Fast()} {
				if _, err := e.Year(context.Background(), s, DefaultParameters(), 1, nil); err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("error %v, want %q", err, c.want)
				}
			}
		})
	}
}

// Between nodes of turbidity, half a unit apart, the beam that an air mass lets
// through is a cubic: how far off it is, relative, times the sine of altitude.
func TestTurbidityInterpolation(t *testing.T) {
	worst := 0.0
	for linke := 1.0; linke <= 8; linke += 0.03 {
		first, weights := turbidity(linke)
		sum := 0.0
		for _, w := range weights {
			sum += w
		}
		near(t, "sum of weights", sum, 1, 1e-12)
		for h := 0.5; h <= 90; h += 0.5 {
			beam := func(linke float64) float64 {
				s := clearsky.NewSky(100, clearsky.Air{Linke: linke, KBeam: 1, KDiffuse: 1})
				return s.Beam(clearsky.AirMass(h * deg))
			}
			got := 0.0
			for k, w := range weights {
				got += w * beam(turbidityAt(first+k))
			}
			want := beam(linke)
			worst = max(worst, math.Abs(got-want)/want*math.Sin(h*deg))
		}
	}
	t.Logf("worst error of the horizontal beam: %.2g", worst)
	if worst > 1e-4 {
		t.Errorf("beam off by %.2g, allowed 1e-4", worst)
	}
}
