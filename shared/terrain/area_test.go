package terrain

import (
	"math"
	"sort"
	"testing"

	"github.com/cyverse-gis/eemt/shared/raster"
)

// Every facet by hand: centre 10, e1 9, e2 8.5, the rest 20, cells of 1 m:
// s1 = 1, s2 = 0.5, r = atan(0.5), share of e1 = 1 - atan(0.5)/atan(1).
func TestFacets(t *testing.T) {
	const share = 0.40966552939826689
	angles := [8]float64{0.463647609, 1.107148718, 2.034443936, 2.677945045, 3.605240263, 4.248741371, 5.176036589, 5.819537698}
	for k, f := range facets {
		var drop [8]float64
		for i := range drop {
			drop[i] = 10 - 20
		}
		drop[f.e1], drop[f.e2] = 10-9, 10-8.5
		got := dInfinity(&drop, 1, 1)
		if !got.drains || got.facet != k || math.Abs(got.share-share) > 1e-15 {
			t.Errorf("facet %d: %+v", k+1, got)
		}
		af, ac := float64(1-2*(k%2)), float64((k+1)/2) // the table of Tarboton 1997
		if a := af*(1-got.share)*math.Pi/4 + ac*math.Pi/2; math.Abs(a-angles[k]) > 1e-9 {
			t.Errorf("facet %d: flow angle %.9f, want %.9f", k+1, a, angles[k])
		}
	}
}

func TestFlowDirection(t *testing.T) {
	nan := math.NaN()
	cases := []struct {
		name   string
		drop   [8]float64 // to E NE N NW W SW S SE
		dx, dy float64
		want   flow
	}{
		{"due south", [8]float64{0, -1, -1, -1, 0, 1, 1, 1}, 1, 1, flow{5, 1, true}},
		{"along a diagonal", [8]float64{0, 2, 0, -1, -1, -1, -1, -1}, 1, 1, flow{0, 0, true}},
		{"past the diagonal is held there", [8]float64{-1, 2, -1, -1, -1, -1, -1, -1}, 1, 1, flow{0, 0, true}},
		{"on the diagonal of oblong cells", [8]float64{1, 2, 1, 0, -1, -1, -1, 0}, 1, 1, flow{0, 0, true}},
		{"tall cells, facet 1: s1 1/2, s2 1/4, half way to atan(2)", [8]float64{1, 2, -9, -9, -9, -9, -9, -9}, 2, 4, flow{0, 1 - math.Atan(0.5)/math.Atan(2), true}},
		{"tall cells, facet 2: d1 4, d2 2", [8]float64{-9, 2, 1.8, -9, -9, -9, -9, -9}, 2, 4, flow{1, 1 - math.Atan2(0.1, 0.45)/math.Atan(0.5), true}},
		{"equal facets: the first", [8]float64{1, -1, -1, -1, 1, -1, -1, -1}, 1, 1, flow{0, 1, true}},
		{"equal west and south: west", [8]float64{-1, -1, -1, -1, 1, -1, 1, -1}, 1, 1, flow{3, 1, true}},
		{"steeper facet beats the first", [8]float64{1, -1, -1, -1, 1.5, -1, -1, -1}, 1, 1, flow{3, 1, true}},
		{"pit", [8]float64{-1, -1, -1, -1, -1, -1, -1, -1}, 1, 1, flow{}},
		{"flat", [8]float64{}, 1, 1, flow{}},
		{"alone", [8]float64{nan, nan, nan, nan, nan, nan, nan, nan}, 1, 1, flow{}},
		{"facet with a missing corner", [8]float64{5, nan, 5, -1, -1, -1, 1, nan}, 1, 1, flow{2, 1, true}},
		{"one float64 at sea level", [8]float64{5e-324, -100, -100, -100, 0, 0, 0, 0}, 30, 30, flow{0, 1, true}},
		{"two float64 on a diagonal", [8]float64{0, 0, 0, 0, 5e-324, 1e-323, 5e-324, 0}, 30, 30, flow{4, 0, true}},
	}
	for _, c := range cases {
		got := dInfinity(&c.drop, c.dx, c.dy)
		if got.drains != c.want.drains || (got.drains &&
			(got.facet != c.want.facet || math.Abs(got.share-c.want.share) > 1e-12)) {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

// areaReference accumulates from the highest cell down with the formulas as the
// notes print them, angles and all.
func areaReference(filled *raster.Grid[float64], cell raster.CellSize) (*raster.Grid[float64], float64) {
	area := raster.New[float64](filled.Width, filled.Height)
	var order []int
	for i, z := range filled.Cells {
		area.Cells[i] = math.NaN()
		if !math.IsNaN(z) {
			r := i / filled.Width
			area.Cells[i] = cell.DX[r] * cell.DY[r]
			order = append(order, i)
		}
	}
	sort.SliceStable(order, func(a, b int) bool { return filled.Cells[order[a]] > filled.Cells[order[b]] })
	at := func(c, r int) float64 {
		if c < 0 || r < 0 || c >= filled.Width || r >= filled.Height {
			return math.NaN()
		}
		return filled.At(c, r)
	}
	var left float64
	for _, i := range order {
		c, r := i%filled.Width, i/filled.Width
		e0, best, share := filled.Cells[i], 0.0, 0.0
		b1, b2 := 0, 0
		for _, f := range facets {
			d1, d2 := cell.DX[r], cell.DY[r]
			if f.e1%4 == 2 {
				d1, d2 = d2, d1
			}
			e1, e2 := at(c+stepCol[f.e1], r+stepRow[f.e1]), at(c+stepCol[f.e2], r+stepRow[f.e2])
			s1, s2 := (e0-e1)/d1, (e1-e2)/d2
			angle, s := math.Atan2(s2, s1), math.Sqrt(s1*s1+s2*s2)
			if full := math.Atan(d2 / d1); angle < 0 {
				angle, s = 0, s1
			} else if angle > full {
				angle, s = full, (e0-e2)/math.Sqrt(d1*d1+d2*d2)
			}
			if s > best {
				best, b1, b2, share = s, f.e1, f.e2, 1-angle/math.Atan(d2/d1)
			}
		}
		if best == 0 {
			left += area.Cells[i]
			continue
		}
		area.Cells[i+stepRow[b1]*filled.Width+stepCol[b1]] += share * area.Cells[i]
		area.Cells[i+stepRow[b2]*filled.Width+stepCol[b2]] += (1 - share) * area.Cells[i]
	}
	return area, left
}

func TestContributingArea(t *testing.T) {
	for name, dem := range terrains() {
		t.Run(name, func(t *testing.T) {
			cell := raster.UniformCellSize(dem.Height, 10, 10)
			for r := range dem.Height { // as on a grid in degrees
				cell.DX[r] -= 0.03 * float64(r)
			}
			filled := FillDepressions(dem)
			area, left := ContributingArea(filled, cell)
			total := 0.0
			for i, z := range dem.Cells {
				r := i / dem.Width
				own := cell.DX[r] * cell.DY[r]
				if v := z - z; v == 0 {
					total += own
					if !(area.Cells[i] >= own) {
						t.Fatalf("cell %d has %g m2, its own are %g", i, area.Cells[i], own)
					}
				} else if !math.IsNaN(area.Cells[i]) {
					t.Fatalf("cell %d without data has %g m2", i, area.Cells[i])
				}
			}
			if math.Abs(left-total) > 1e-9*total {
				t.Errorf("%.12g m2 leave, the domain has %.12g", left, total)
			}
			if name == "sea" {
				return // the printed formulas lose 5e-324 m
			}
			want, wantLeft := areaReference(filled, cell)
			if math.Abs(left-wantLeft) > 1e-9*total {
				t.Errorf("%.12g m2 leave, reference %.12g", left, wantLeft)
			}
			for i := range want.Cells {
				if g, w := area.Cells[i], want.Cells[i]; math.Abs(g-w) > 1e-9*w {
					t.Fatalf("cell %d: %.12g m2, reference %.12g", i, g, w)
				}
			}
		})
	}
}

// Water leaves at the edge alone, also over flats at 0 m.
func TestNoOutletInside(t *testing.T) {
	for name, dem := range terrains() {
		filled := FillDepressions(dem)
		f := flood{z: dem}
		a := accumulation{filled: filled, cell: raster.UniformCellSize(dem.Height, 10, 10)}
		for i, z := range filled.Cells {
			if !math.IsNaN(z) && !a.flow(i%dem.Width, i/dem.Width).drains && !f.touchesOutside(i%dem.Width, i/dem.Width) {
				t.Fatalf("%s: cell %d keeps its water", name, i)
			}
		}
	}
}

func TestAreaOfPlane(t *testing.T) {
	// Due south: each column collects its own cells.
	area, _ := ContributingArea(FillDepressions(plane(9, 6, 20, 10, 10*deg, 180*deg)), raster.UniformCellSize(6, 20, 10))
	for r := range 6 {
		for c := range 9 {
			if got, want := area.At(c, r), float64(r+1)*200; math.Abs(got-want) > 1e-3*want {
				t.Errorf("row %d: %g m2, want %g", r, got, want)
			}
		}
	}
}

// On a cone the water spreads: specific area is half the distance to the top,
// times the cosine of the angle to the nearest axis, since D-infinity moves one
// full row or column per step and divides by the cell width. Single cells stray
// (on an axis the water does not spread at all); their mean does not.
func TestAreaOfCone(t *testing.T) {
	const n, size = 101, 10.0
	dem := surface(n, n, size, size, func(x, y float64) float64 {
		return 2000 - 0.3*math.Hypot(x-n*size/2, y-n*size/2)
	})
	area, _ := ContributingArea(FillDepressions(dem), raster.UniformCellSize(n, size, size))
	var sum, count float64
	for r := range n {
		for c := range n {
			radius := size * math.Hypot(float64(c-n/2), float64(r-n/2))
			if radius < 100 || radius > 480 {
				continue
			}
			along := size * math.Max(math.Abs(float64(c-n/2)), math.Abs(float64(r-n/2)))
			ratio := area.At(c, r) / size / (along / 2)
			sum += ratio
			count++
		}
	}
	if mean := sum / count; math.Abs(mean-1) > 0.02 {
		t.Errorf("mean of specific area is %.3f of the exact one", mean)
	}
	if a := area.At(n/2, n/2); a != size*size {
		t.Errorf("the top collects %g m2", a)
	}
}

// All water of a bowl with one gap in its rim leaves through the gap.
func TestAreaOfPit(t *testing.T) {
	dem := surface(41, 41, 10, 10, func(x, y float64) float64 { return math.Hypot(x-205, y-205) })
	for i := range 41 { // a dam around the edge
		for _, c := range [][2]int{{i, 0}, {i, 40}, {0, i}, {40, i}} {
			dem.Set(c[0], c[1], 1000)
		}
	}
	dem.Set(40, 20, 50) // the gap
	area, left := ContributingArea(FillDepressions(dem), raster.UniformCellSize(41, 10, 10))
	if want := 41 * 41 * 100.0; math.Abs(left-want) > 1e-9*want {
		t.Errorf("%g m2 leave of %g", left, want)
	}
	if got := area.At(40, 20); got < 39*39*100 {
		t.Errorf("the gap drains %g m2 of %d", got, 39*39*100)
	}
}

func BenchmarkContributingArea(b *testing.B) {
	filled, cell := FillDepressions(rough(1024, 1024, 1)), raster.UniformCellSize(1024, 10, 10)
	for b.Loop() {
		ContributingArea(filled, cell)
	}
}
