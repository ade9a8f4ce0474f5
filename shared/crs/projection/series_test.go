package projection

import (
	"math"
	"testing"
)

// TestConformalLatitude compares the series with a root found by bisection.
func TestConformalLatitude(t *testing.T) {
	el := NewEllipsoid(6378137, 298.257222101)
	for deg := -89.9; deg < 90; deg += 3.7 {
		tau := el.conformalTan(math.Tan(deg * rad))
		lo, hi := -math.Pi/2, math.Pi/2
		for range 80 {
			mid := (lo + hi) / 2
			if el.conformalTan(math.Tan(mid)) < tau {
				lo = mid
			} else {
				hi = mid
			}
		}
		if got := el.fromConformal(math.Atan(tau)); math.Abs(got-lo) > 1e-14 {
			t.Errorf("%.1f degrees: series %.17g, root %.17g", deg, got, lo)
		}
	}
}

// TestTransverseMercatorConvergence compares the sum by recurrence with the
// plain one of Karney 2011 eqs 23 to 26.
func TestTransverseMercatorConvergence(t *testing.T) {
	p := newTransverseMercator(NewEllipsoid(6378137, 298.257223563), 0, 0.9996)
	for lat := -85.0; lat <= 85; lat += 17 {
		for lon := -50.0; lon <= 50; lon += 12.5 {
			lam, phi := lon*rad, lat*rad
			xi, eta, tau := p.sphere(lam, phi)
			re, im := 1.0, 0.0
			for j := range 6 {
				w := 2 * float64(j+1)
				re += w * p.alpha[j] * math.Cos(w*xi) * math.Cosh(w*eta)
				im += w * p.alpha[j] * math.Sin(w*xi) * math.Sinh(w*eta)
			}
			want := math.Atan(tau/math.Hypot(1, tau)*math.Tan(lam)) + math.Atan2(im, re)
			if got := p.Convergence(lam, phi); math.Abs(got-want) > 1e-14 {
				t.Errorf("%v %v: got %.17g, want %.17g", lon, lat, got, want)
			}
		}
	}
}
