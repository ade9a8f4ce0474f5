package solar

import (
	"fmt"
	"math"
	"os"
	"testing"

	"github.com/cyverse-gis/eemt/shared/solar/horizon"
	"github.com/cyverse-gis/eemt/shared/solar/sun"
)

// ring is the horizons of a surface's core in evenly spaced azimuths.
type ring [][]horizon.Code

func newRing(s *Surface, n int) ring {
	t := horizon.NewTerrain(s.DEM, s.Core, s.Cell, s.OriginCol, s.OriginRow)
	var w horizon.Sweeper
	r := make(ring, n)
	for a := range r {
		r[a] = make([]horizon.Code, s.Core.Width*s.Core.Height)
		w.Sweep(t, nil, float64(a)*2*math.Pi/float64(n), s.Cell.DX[0], s.Cell.DY[0], s.Core, r[a])
	}
	return r
}

func (r ring) tangent(i int, azimuth float64) float64 {
	x := azimuth / (2 * math.Pi) * float64(len(r))
	x -= float64(len(r)) * math.Floor(x/float64(len(r)))
	a := int(x) % len(r)
	f := x - math.Floor(x)
	return (1-f)*float64(r[a][i].Tangent()) + f*float64(r[(a+1)%len(r)][i].Tangent())
}

// The error budget that chose the number of azimuths: monthly global with fewer
// horizons against 720, by the plain integrator, on cells spread over real
// terrain (forest and rock by laser, 10 m) and smooth fractal mountains.
func TestAzimuthBudget(t *testing.T) {
	if os.Getenv("EEMT_SLOW") == "" {
		t.Skip("EEMT_SLOW is not set")
	}
	measured := oracleSurface(t, "mcn_crop200/dem.tif", "mcn_crop200/slope_e.tif", "mcn_crop200/aspect_e.tif")
	for _, c := range []struct {
		name    string
		surface Surface
		allowed float64 // RMS of the worst month at the engine's number
	}{
		{"example DEM, 36 north", measured, 0.012},
		{"fractal, 47 north", land(fractal(200, 200, 1500, 300), 10, 47, 0), 0.004},
	} {
		t.Run(c.name, func(t *testing.T) {
			var cells []int
			for i := 20*200 + 20; i < 180*200; i += 97 {
				if col := i % 200; col >= 20 && col < 180 {
					cells = append(cells, i)
				}
			}
			p := DefaultParameters()
			year := func(n int) [][12]float64 {
				r := newRing(&c.surface, n)
				e := reference{horizon: r.tangent}
				out := make([][12]float64, len(cells))
				for k, i := range cells {
					for day := 2; day <= sun.YearDays; day += 3 {
						v, _ := e.day(&c.surface, &p, i, day, 0)
						out[k][sun.MonthOf(day)] += v.global()
					}
				}
				return out
			}
			want := year(720)
			table := fmt.Sprintf("%d cells\nazimuths  worst month  mean month  year (RMS of global, %%)", len(cells))
			for _, n := range []int{24, 36, 60, 72, 90, azimuths, 180, 240, 360} {
				got := year(n)
				worst, mean, annual, total := 0.0, 0.0, 0.0, 0.0
				for m := range 12 {
					square, sum := 0.0, 0.0
					for k := range cells {
						e := got[k][m] - want[k][m]
						square += e * e
						sum += want[k][m]
					}
					rms := math.Sqrt(square*float64(len(cells))) / sum
					worst, mean = max(worst, rms), mean+rms/12
				}
				for k := range cells {
					e := 0.0
					for m := range 12 {
						e += got[k][m] - want[k][m]
						total += want[k][m]
					}
					annual += e * e
				}
				annual = math.Sqrt(annual*float64(len(cells))) / total
				table += fmt.Sprintf("\n%8d %11.3f %11.3f %9.3f", n, 100*worst, 100*mean, 100*annual)
				if n == azimuths && worst > c.allowed {
					t.Errorf("%d azimuths: worst month off by %.2f %% RMS, allowed %.2f %%", n, 100*worst, 100*c.allowed)
				}
			}
			t.Log(table)
		})
	}
}
