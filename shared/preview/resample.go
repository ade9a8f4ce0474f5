package preview

import (
	"image/color"
	"math"

	"github.com/cyverse-gis/eemt/shared/raster"
)

// resample brings a grid to width x height pixels: the mean of the cells under
// a pixel when it shrinks, a smooth curve through the cells (bilinear) when it
// grows. A pixel whose centre lies in a cell without data has none.
func resample[T float32 | float64](g *raster.Grid[T], width, height int) *raster.Grid[float64] {
	return resampleWith(g, width, height, triangle)
}

// kernel is a weight by distance in cells, zero from radius on.
type kernel struct {
	radius float64
	at     func(x float64) float64
}

var triangle = kernel{1, func(x float64) float64 { return max(0, 1-math.Abs(x)) }}

// spline is the cubic B-spline. It smooths a little, which takes the steps out
// of relief drawn from whole metres.
var spline = kernel{2, func(x float64) float64 {
	x = math.Abs(x)
	switch {
	case x < 1:
		return (4 - 6*x*x + 3*x*x*x) / 6
	case x < 2:
		return (2 - x) * (2 - x) * (2 - x) / 6
	}
	return 0
}}

// resampleWith is separable: along the rows, then along the columns, each with
// the weights of the cells that have data. It holds the rows under one row of
// pixels at a time.
func resampleWith[T float32 | float64](g *raster.Grid[T], width, height int, k kernel) *raster.Grid[float64] {
	across, down := taps(g.Width, width, k), taps(g.Height, height, k)
	held := map[int]rowSum{}
	out := raster.New[float64](width, height)
	for y, t := range down {
		for r := range held {
			if r < t.first {
				delete(held, r)
			}
		}
		rows := make([]rowSum, len(t.weight))
		for i := range rows {
			sum, ok := held[t.first+i]
			if !ok {
				sum = sumRow(g.Row(t.first+i), across)
				held[t.first+i] = sum
			}
			rows[i] = sum
		}
		row := out.Row(y)
		cellRow := g.Row(nearest(y, height, g.Height))
		for x := range row {
			var sum, weight float64
			for i, w := range t.weight {
				sum += w * rows[i].sum[x]
				weight += w * rows[i].weight[x]
			}
			centre := float64(cellRow[nearest(x, width, g.Width)])
			if weight <= 0 || math.IsNaN(centre) || math.IsInf(centre, 0) {
				row[x] = math.NaN()
				continue
			}
			row[x] = sum / weight
		}
	}
	return out
}

// rowSum is a row of cells brought to the width of the picture.
type rowSum struct{ sum, weight []float64 }

func sumRow[T float32 | float64](in []T, across []tap) rowSum {
	out := rowSum{make([]float64, len(across)), make([]float64, len(across))}
	for x, t := range across {
		for i, w := range t.weight {
			if v := float64(in[t.first+i]); !math.IsNaN(v) && !math.IsInf(v, 0) {
				out.sum[x] += w * v
				out.weight[x] += w
			}
		}
	}
	return out
}

func nearest(i, pixels, cells int) int {
	return min(cells-1, int((float64(i)+0.5)*float64(cells)/float64(pixels)))
}

// tap is the cells that make up a pixel in one direction.
type tap struct {
	first  int
	weight []float64
}

func taps(cells, pixels int, k kernel) []tap {
	out := make([]tap, pixels)
	step := float64(cells) / float64(pixels)
	for p := range out {
		if step > 1 {
			// Shrinking: each cell counts by the part of it under the pixel.
			from, to := float64(p)*step, float64(p+1)*step
			out[p].first = int(from)
			for c := out[p].first; c < cells && float64(c) < to; c++ {
				out[p].weight = append(out[p].weight, min(to, float64(c+1))-max(from, float64(c)))
			}
			continue
		}
		centre := (float64(p)+0.5)*step - 0.5
		first := max(0, int(math.Ceil(centre-k.radius)))
		out[p].first = min(first, cells-1)
		for c := out[p].first; c < cells && float64(c) <= centre+k.radius; c++ {
			out[p].weight = append(out[p].weight, k.at(float64(c)-centre))
		}
	}
	return out
}

// hillshade returns the light on a relief of square cells, 1 on flat ground,
// from the north-west and, half as strong, from north and west, so that no
// slope turns black. Pixels without data are 1.
func hillshade(relief *raster.Grid[float64], cellSize float64, width, height int) *raster.Grid[float64] {
	z := resampleWith(relief, width, height, spline)
	dx := cellSize * float64(relief.Width) / float64(width)
	dy := cellSize * float64(relief.Height) / float64(height)
	out := raster.New[float64](width, height)
	const altitude = 45 * math.Pi / 180
	sinAltitude, cosAltitude := math.Sincos(altitude)
	type sun struct{ east, north, weight float64 }
	var suns []sun
	for _, s := range []struct{ azimuth, weight float64 }{{315, 0.5}, {0, 0.25}, {270, 0.25}} {
		east, north := math.Sincos(s.azimuth * math.Pi / 180)
		suns = append(suns, sun{cosAltitude * east, cosAltitude * north, s.weight / sinAltitude})
	}
	for y := range height {
		for x := range width {
			p, q := slope(z, x, y, dx, dy)
			n := 1 / math.Sqrt(1+p*p+q*q)
			var light float64
			for _, s := range suns {
				light += s.weight * max(0, n*(sinAltitude-p*s.east-q*s.north))
			}
			out.Set(x, y, light)
		}
	}
	return out
}

// slope returns dz/dx eastward and dz/dy northward by differences of the
// neighbours that exist.
func slope(z *raster.Grid[float64], x, y int, dx, dy float64) (p, q float64) {
	diff := func(x0, y0, x1, y1 int, d float64) float64 {
		v := (z.At(x1, y1) - z.At(x0, y0)) / d
		if math.IsNaN(v) {
			return 0
		}
		return v
	}
	x0, x1 := max(0, x-1), min(z.Width-1, x+1)
	y0, y1 := min(z.Height-1, y+1), max(0, y-1)
	if x1 > x0 {
		p = diff(x0, y, x1, y, dx*float64(x1-x0))
	}
	if y0 > y1 {
		q = diff(x, y0, x, y1, dy*float64(y0-y1))
	}
	return p, q
}

// shade darkens or brightens a colour by light, which is 1 on flat ground.
func shade(c color.NRGBA, light float64) color.NRGBA {
	const strength = 0.75
	if light < 1 {
		return mix(c, color.NRGBA{0x0c, 0x0e, 0x1c, c.A}, min(1, (1-light)*strength))
	}
	return mix(c, color.NRGBA{0xff, 0xfd, 0xf4, c.A}, min(1, (light-1)*strength))
}
