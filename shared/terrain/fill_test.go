package terrain

import (
	"container/heap"
	"math"
	"testing"

	"github.com/cyverse-gis/eemt/shared/raster"
)

// fillReference is Priority-Flood with epsilon as the notes print it: one heap,
// ties by insertion.
func fillReference(dem *raster.Grid[float64]) *raster.Grid[float64] {
	out := raster.New[float64](dem.Width, dem.Height)
	out.Fill(math.NaN())
	visited := make([]bool, len(dem.Cells))
	value := func(c, r int) float64 {
		if c < 0 || r < 0 || c >= dem.Width || r >= dem.Height || math.IsInf(dem.At(c, r), 0) {
			return math.NaN()
		}
		return dem.At(c, r)
	}
	q := &refQueue{}
	push := func(c, r int, z float64) {
		visited[r*dem.Width+c] = true
		out.Set(c, r, z)
		heap.Push(q, refItem{z, q.n, c, r})
		q.n++
	}
	for r := range dem.Height {
		for c := range dem.Width {
			edge := false
			for k := range 8 {
				edge = edge || math.IsNaN(value(c+stepCol[k], r+stepRow[k]))
			}
			if edge && !math.IsNaN(value(c, r)) {
				push(c, r, dem.At(c, r))
			}
		}
	}
	for q.Len() > 0 {
		it := heap.Pop(q).(refItem)
		for k := range 8 {
			c, r := it.c+stepCol[k], it.r+stepRow[k]
			if z := value(c, r); !math.IsNaN(z) && !visited[r*dem.Width+c] {
				push(c, r, math.Max(z, math.Nextafter(it.z, math.Inf(1))))
			}
		}
	}
	return out
}

type refItem struct {
	z       float64
	n, c, r int
}

type refQueue struct {
	items []refItem
	n     int
}

func (q *refQueue) Len() int { return len(q.items) }
func (q *refQueue) Less(i, j int) bool {
	a, b := q.items[i], q.items[j]
	return a.z < b.z || a.z == b.z && a.n < b.n
}
func (q *refQueue) Swap(i, j int) { q.items[i], q.items[j] = q.items[j], q.items[i] }
func (q *refQueue) Push(x any)    { q.items = append(q.items, x.(refItem)) }
func (q *refQueue) Pop() any {
	n := len(q.items) - 1
	x := q.items[n]
	q.items = q.items[:n]
	return x
}

// stepped has many flats and pits: elevations in whole steps.
func stepped(w, h int, seed uint64, step float64) *raster.Grid[float64] {
	g := rough(w, h, seed)
	for i, z := range g.Cells {
		g.Cells[i] = math.Floor(z/step) * step
	}
	return g
}

func holes(g *raster.Grid[float64], seed uint64, share float64) *raster.Grid[float64] {
	next := noise(seed)
	for i := range g.Cells {
		if next() < share {
			g.Cells[i] = math.NaN()
		}
	}
	return g
}

func terrains() map[string]*raster.Grid[float64] {
	sea := stepped(40, 50, 7, 1)
	for i := range sea.Cells { // flats at exactly 0 m, where epsilon is 5e-324
		sea.Cells[i] = math.Max(0, sea.Cells[i]-530)
	}
	flat := raster.New[float64](20, 20)
	flat.Fill(123.4)
	infinite := rough(12, 12, 8)
	infinite.Set(5, 5, math.Inf(1))
	infinite.Set(8, 2, math.Inf(-1))
	return map[string]*raster.Grid[float64]{
		"rough":    rough(64, 48, 1),
		"stepped":  stepped(64, 48, 2, 5),
		"terraces": stepped(33, 65, 3, 40),
		"holes":    holes(stepped(50, 50, 4, 3), 5, 0.02),
		"rags":     holes(rough(50, 50, 4), 6, 0.4),
		"sea":      sea,
		"infinite": infinite,
		"flat":     flat,
		"row":      rough(30, 1, 1),
		"column":   rough(1, 30, 1),
		"cell":     rough(1, 1, 1),
		"nothing":  holes(rough(5, 5, 1), 1, 1),
	}
}

func TestFillMatchesReference(t *testing.T) {
	for name, dem := range terrains() {
		t.Run(name, func(t *testing.T) {
			before := append([]float64(nil), dem.Cells...)
			filled := FillDepressions(dem)
			same(t, "filled elevation", filled, fillReference(dem))
			same(t, "input", dem, &raster.Grid[float64]{Width: dem.Width, Height: dem.Height, Cells: before})
		})
	}
}

func TestFilledTerrainDrains(t *testing.T) {
	for name, dem := range terrains() {
		filled := FillDepressions(dem)
		for i, z := range filled.Cells {
			if z < dem.Cells[i] {
				t.Fatalf("%s: cell %d lowered", name, i)
			}
			c, r := i%dem.Width, i/dem.Width
			lower, edge := false, false
			for k := range 8 {
				x, y := c+stepCol[k], r+stepRow[k]
				if x < 0 || y < 0 || x >= dem.Width || y >= dem.Height || math.IsNaN(filled.At(x, y)) {
					edge = true
				} else if filled.At(x, y) < z {
					lower = true
				}
			}
			if !math.IsNaN(z) && !lower && !edge {
				t.Fatalf("%s: cell %d,%d is a pit", name, c, r)
			}
		}
	}
}

// A bowl fills to its rim, one float64 higher per step inwards.
func TestFillPit(t *testing.T) {
	dem := raster.New[float64](5, 5)
	dem.Fill(10)
	for _, i := range []int{6, 7, 8, 11, 12, 13, 16, 17, 18} {
		dem.Cells[i] = 3
	}
	dem.Cells[2] = 8 // the spill
	filled := FillDepressions(dem)
	up := func(z float64, n int) float64 {
		for range n {
			z = math.Nextafter(z, 100)
		}
		return z
	}
	for i, want := range map[int]float64{0: 10, 2: 8, 7: up(8, 1), 6: up(8, 1), 12: up(8, 2), 17: up(8, 3), 24: 10} {
		if got := filled.Cells[i]; got != want {
			t.Errorf("cell %d filled to %v, want %v", i, got, want)
		}
	}
}

func BenchmarkFillDepressions(b *testing.B) {
	for name, dem := range map[string]*raster.Grid[float64]{"rough": rough(1024, 1024, 1), "terraces": stepped(1024, 1024, 1, 20)} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				FillDepressions(dem)
			}
		})
	}
}

func BenchmarkSlopeAspect(b *testing.B) {
	dem, cell := rough(1024, 1024, 1), raster.UniformCellSize(1024, 10, 10)
	for b.Loop() {
		SlopeAspect(dem, cell, EdgesReplicate)
	}
}
