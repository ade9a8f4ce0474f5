package solar

import (
	"math"

	"github.com/cyverse-gis/eemt/shared/raster"
	"github.com/cyverse-gis/eemt/shared/solar/horizon"
)

// ray walks from one cell toward the sun.
type ray struct {
	s        *Surface
	c        cell
	step     float64 // ground distance between samples, metres
	dx, dy   float64 // cell size at the cell, metres
	highest  float64 // of all elevations
	bilinear bool
}

func newRay(s *Surface, c cell, p *Parameters, highest float64) ray {
	dx, dy := s.Cell.DX[c.row], s.Cell.DY[c.row]
	return ray{s: s, c: c, dx: dx, dy: dy, step: p.DistanceStep * (dx + dy) / 2, highest: highest, bilinear: p.Bilinear}
}

// blocked reports whether terrain rises above the ray toward grid azimuth at
// an altitude with tangent tanH > 0. Without data there is no obstacle.
func (r ray) blocked(tanH, azimuth float64) bool {
	sin, cos := math.Sincos(azimuth)
	for k := 1; ; k++ {
		length := float64(k) * r.step
		x := float64(r.c.col) + length*sin/r.dx
		y := float64(r.c.row) - length*cos/r.dy
		z, inside := r.elevation(x, y, &length)
		if !inside {
			return false
		}
		height := r.c.z + length*tanH + horizon.EarthRadius*(1-math.Cos(length/horizon.EarthRadius))
		if z > height {
			return true
		}
		if height > r.highest {
			return false
		}
	}
}

// elevation returns the terrain at fractional cell x, y, where cell centres
// have whole numbers. The nearest cell is met at its own centre, so that
// length becomes the distance to it.
func (r ray) elevation(x, y float64, length *float64) (z float64, inside bool) {
	dem := r.s.DEM
	if !r.bilinear {
		col, row := int(math.Floor(x+0.5)), int(math.Floor(y+0.5))
		if col < 0 || row < 0 || col >= dem.Width || row >= dem.Height {
			return 0, false
		}
		*length = math.Hypot(float64(col-r.c.col)*r.dx, float64(row-r.c.row)*r.dy)
		return dem.At(col, row), true
	}
	if x < 0 || y < 0 || x > float64(dem.Width-1) || y > float64(dem.Height-1) {
		return 0, false
	}
	return bilinear(dem.Cells, dem.Width, dem.Height, x, y), true
}

// bilinear interpolates between the four cells around x, y; NaN if one of
// those that count has no data.
func bilinear(cells []float64, width, height int, x, y float64) float64 {
	col, row := int(x), int(y)
	fx, fy := x-float64(col), y-float64(row)
	right, down := 1, width
	if fx == 0 || col == width-1 {
		right = 0
	}
	if fy == 0 || row == height-1 {
		down = 0
	}
	i := row*width + col
	top := cells[i] + fx*(cells[i+right]-cells[i])
	bottom := cells[i+down] + fx*(cells[i+down+right]-cells[i+down])
	return top + fy*(bottom-top)
}

// highest returns the greatest finite elevation, -Inf when there is none.
func highest(cells []float64) float64 {
	top := math.Inf(-1)
	for _, z := range cells {
		if raster.Finite(z) && z > top {
			top = z
		}
	}
	return top
}
