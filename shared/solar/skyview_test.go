package solar

import (
	"context"
	"errors"
	"math"
	"testing"

	"github.com/cyverse-gis/eemt/shared/raster"
	"github.com/cyverse-gis/eemt/shared/solar/clearsky"
)

func skyViewOf(t *testing.T, s Surface, p Parameters) *raster.Grid[float32] {
	t.Helper()
	v, err := SkyView(context.Background(), s, p, 2)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestSkyViewOfSimpleShapes(t *testing.T) {
	between := DefaultParameters()
	between.Bilinear = true
	t.Run("level ground", func(t *testing.T) {
		near(t, "sky view", float64(skyViewOf(t, plateau(500, 40), between).At(2, 2)), 1, 1e-6)
	})
	t.Run("plane", func(t *testing.T) {
		const tilt, faces = 35 * deg, 200 * deg
		dem := raster.New[float64](60, 60)
		for i := range dem.Cells {
			x, y := float64(i%60), float64(i/60)
			dem.Cells[i] = 3000 - math.Tan(tilt)*10*(x*math.Sin(faces)-y*math.Cos(faces))
		}
		s := land(dem, 10, 40, 0)
		open := between
		open.Shadows = false
		want := (1 + math.Cos(tilt)) / 2
		near(t, "sky view", float64(skyViewOf(t, s, between).At(30, 30)), want, 1e-3)
		near(t, "sky view without shadows", float64(skyViewOf(t, s, open).At(30, 30)), want, 1e-3)
	})
	t.Run("bottom of a round pit", func(t *testing.T) {
		// The rim stands 30 degrees high all around: cos² of that is left.
		dem := raster.New[float64](201, 201)
		for i := range dem.Cells {
			r := min(900, 10*math.Hypot(float64(i%201-100), float64(i/201-100)))
			dem.Cells[i] = 1000 + r*r/900*math.Tan(30*deg)
		}
		near(t, "sky view", float64(skyViewOf(t, land(dem, 10, 40, 0), between).At(100, 100)), 0.75, 5e-3)
	})
}

// Against rays marched in 360 azimuths and the sky summed strip by strip.
func TestSkyViewAgreesWithRays(t *testing.T) {
	if testing.Short() {
		t.Skip("takes long")
	}
	dem := fractal(120, 110, 1200, 300)
	dem.Set(64, 52, math.NaN())
	s := window(land(dem, 10, 44, 0), raster.Window{Col: 50, Row: 45, Width: 16, Height: 12})
	p := DefaultParameters()
	got := skyViewOf(t, s, p)
	top := highest(dem.Cells)
	rms := 0.0
	for i := range got.Cells {
		c, ok := s.at(i)
		if !ok {
			if !math.IsNaN(float64(got.Cells[i])) {
				t.Errorf("cell %d without data has sky view %g", i, got.Cells[i])
			}
			continue
		}
		ray, pl := newRay(&s, c, &p, top), clearsky.NewPlane(c.slope, c.aspect)
		seen, all := 0.0, 0.0
		for a := range 360 {
			az := (float64(a) + 0.5) * deg
			const strips = 90
			for z := range strips {
				zenith := (float64(z) + 0.5) * math.Pi / 2 / strips
				sin, cos := math.Sincos(zenith)
				all += sin * cos
				facing := cos*pl.Cos + sin*pl.Sin*math.Cos(az-pl.Aspect)
				if facing > 0 && !ray.blocked(cos/sin, az) {
					seen += sin * facing
				}
			}
		}
		e := float64(got.Cells[i]) - seen/all
		rms += e * e
	}
	if rms = math.Sqrt(rms / float64(len(got.Cells))); rms > 3e-3 {
		t.Errorf("sky view differs from rays by %.2g RMS, allowed 3e-3", rms)
	}
}

func TestHorizonsInAnyAzimuth(t *testing.T) {
	// A wall of 100 m, 40 cells east of the middle.
	dem := raster.New[float64](101, 61)
	for r := range 61 {
		dem.Set(90, r, 100)
	}
	dem.Set(10, 10, math.NaN())
	s, p := land(dem, 10, 45, 0), DefaultParameters()
	azimuths := []float64{math.Pi / 2, 0, 2.5 * math.Pi, 3 * math.Pi / 2, -math.Pi / 2}
	seen := 0
	err := Horizons(context.Background(), s, p, azimuths, 2, func(i int, h *raster.Grid[float32]) error {
		if i != seen {
			t.Errorf("azimuth %d came when %d was due", i, seen)
		}
		seen++
		want := 0.0
		if i == 0 || i == 2 {
			want = math.Atan(100.0 / 400)
		}
		if got := float64(h.At(50, 30)); math.Abs(got-want) > 1e-3 {
			t.Errorf("azimuth %g: %g radians, want %g", azimuths[i], got, want)
		}
		if !math.IsNaN(float64(h.At(10, 10))) {
			t.Errorf("azimuth %g: a cell without elevation has a horizon", azimuths[i])
		}
		return nil
	})
	if err != nil || seen != len(azimuths) {
		t.Errorf("%d of %d azimuths, error %v", seen, len(azimuths), err)
	}
	stop := errors.New("enough")
	if err := Horizons(context.Background(), s, p, azimuths, 1, func(int, *raster.Grid[float32]) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("error %v, want the one of emit", err)
	}
	err = Horizons(context.Background(), s, p, []float64{0, math.NaN()}, 1, nil)
	if err == nil || err.Error() != "azimuth NaN at place 1: must be a number of radians" {
		t.Errorf("error %v", err)
	}
}
