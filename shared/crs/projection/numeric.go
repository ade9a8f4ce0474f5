package projection

import (
	"math"

	"github.com/cyverse-gis/eemt/shared/raster"
)

// meridianTurn returns the convergence of a projection by walking along the meridian on the map. It serves methods whose
// formulas state none; the error is below 1e-8 radian.
func meridianTurn(forward func(lam, phi float64) (x, y float64), lam, phi float64) float64 {
	const step = 1e-6
	south, north := max(phi-step, -math.Pi/2), min(phi+step, math.Pi/2)
	x0, y0 := forward(lam, south)
	x1, y1 := forward(lam, north)
	return -math.Atan2(x1-x0, y1-y0)
}

// solve inverts a projection by Newton's method from a first guess, for methods whose inverse is an iteration anyway.
// It is good to a tenth of a millimetre, and NaN where no position is found.
func solve(forward func(lam, phi float64) (x, y float64), x, y, lam, phi float64) (float64, float64) {
	const step, near, most = 1e-6, 1e-5, 30
	for range most {
		x0, y0 := forward(lam, phi)
		dx, dy := x-x0, y-y0
		if !raster.Finite(dx) || !raster.Finite(dy) {
			break
		}
		if math.Hypot(dx, dy) < near {
			return lam, phi
		}
		s := step
		if phi > 0 { // stay on this side of a pole
			s = -step
		}
		xl, yl := forward(lam+step, phi)
		xp, yp := forward(lam, phi+s)
		a, b := (xl-x0)/step, (xp-x0)/s
		c, d := (yl-y0)/step, (yp-y0)/s
		det := a*d - b*c
		if det == 0 {
			break
		}
		lam += max(-0.5, min(0.5, (dx*d-dy*b)/det))
		phi += max(-0.3, min(0.3, (dy*a-dx*c)/det))
		if !(math.Abs(phi) <= math.Pi/2) {
			phi = math.Copysign(math.Pi/2-1e-9, phi)
		}
		if !(math.Abs(lam) <= math.Pi+0.5) {
			break
		}
	}
	return math.NaN(), math.NaN()
}
