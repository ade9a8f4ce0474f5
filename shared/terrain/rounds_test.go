package terrain

import (
	"fmt"
	"math"
	"os"
	"slices"
	"testing"

	"github.com/cyverse-gis/eemt/shared/raster"
)

// rounds does what replicas do together: the windows of a round all see what was
// known when it began. It counts rounds and windows of filling and of area.
type rounds struct {
	Tiling
	dem, filled, area *raster.Grid[float64]
	cell              raster.CellSize
	rounds, visits    [2]int
	most              int // windows of a round
}

func paste(to *raster.Grid[float64], at raster.Window, from *raster.Grid[float64], part raster.Window) {
	for r := range at.Height {
		copy(to.Row(at.Row + r)[at.Col:at.Col+at.Width], from.Row(part.Row + r)[part.Col:])
	}
}

func (w *rounds) run(t testing.TB) {
	t.Helper()
	w.filled, w.area = raster.New[float64](w.Width, w.Height), raster.New[float64](w.Width, w.Height)
	w.filled.Fill(Unseen)
	w.area.Fill(Pending)
	known := 0
	for part := range 2 {
		queue := NewWorkQueue(w.Tiling, part == 0)
		for {
			places := queue.Next(math.MaxInt)
			if len(places) == 0 {
				break
			}
			w.rounds[part]++
			w.visits[part] += len(places)
			w.most = max(w.most, len(places))
			queue = RestoreWorkQueue(w.Tiling, queue.Rising, queue.Remaining())
			results := make([]*raster.Grid[float64], len(places))
			whole := w.filled
			if part == 1 {
				whole = w.area
			}
			for i, at := range slices.Backward(places) {
				for again := range 1 + i%7/6 { // some of them twice
					var dirty []DirtyRegion
					n := 0
					if part == 0 {
						padded := w.Window(at).Grow(FillHalo).Intersect(w.whole())
						results[i] = w.filled.Sub(padded)
						dirty = w.Fill(at, w.dem.Sub(padded), results[i])
					} else {
						padded := w.Window(at).Grow(AreaHalo).Intersect(w.whole())
						results[i] = w.area.Sub(padded)
						dirty, n = w.Area(at, w.filled.Sub(padded), results[i], w.cell.Rows(padded.Row, padded.Height))
					}
					queue.Add(dirty)
					if again == 0 {
						known += n
					}
				}
			}
			for i, at := range places {
				window := w.Window(at)
				padded := window.Grow([]int{FillHalo, AreaHalo}[part]).Intersect(w.whole())
				paste(whole, window, results[i], raster.Window{Col: window.Col - padded.Col, Row: window.Row - padded.Row})
			}
		}
	}
	if known != w.Width*w.Height {
		t.Fatalf("%d cells became known, of %d", known, w.Width*w.Height)
	}
}

func mustMatchInRounds(t *testing.T, dem *raster.Grid[float64], sides ...int) {
	t.Helper()
	cell := raster.UniformCellSize(dem.Height, 10, 10)
	for r := range dem.Height {
		cell.DX[r] += 0.003 * float64(r)
	}
	filled := FillDepressions(dem)
	area, _ := ContributingArea(filled, cell)
	for _, side := range sides {
		w := &rounds{Tiling: Tiling{Width: dem.Width, Height: dem.Height, Side: side}, dem: dem, cell: cell}
		w.run(t)
		sameBits(t, fmt.Sprintf("tiles of %d: filled elevation", side), w.filled, filled)
		sameBits(t, fmt.Sprintf("tiles of %d: area", side), w.area, area)
		across, down := w.Tiles()
		once := max(1, float64((across+1)/2*((down+1)/2)))
		t.Logf("tiles of %d: filling %d rounds, %.1f visits; area %d rounds, %.1f visits; at most %d windows at once", side,
			w.rounds[0], float64(w.visits[0])/once, w.rounds[1], float64(w.visits[1])/once, w.most)
	}
}

// snake is a river that winds through all of the terrain in a gorge, back and forth.
func snake(w, h, bend int) *raster.Grid[float64] {
	dem := raster.New[float64](w, h)
	for i := range dem.Cells {
		dem.Cells[i] = 5000 + float64(i%7)
	}
	z := 4000.0
	set := func(c, r int) {
		dem.Set(c, r, z)
		z -= 0.01
	}
	for r, right := bend/2, true; r < h; r, right = r+bend, !right {
		for c := 1; c < w-1; c++ {
			x := c
			if !right {
				x = w - 1 - c
			}
			set(x, r)
		}
		x := w - 2
		if !right {
			x = 1
		}
		for k := 1; k < bend && r+k < h; k++ {
			set(x, r+k)
		}
	}
	return dem
}

// bowl is a lake that nearly fills the raster, with one way out.
func bowl(w, h int) *raster.Grid[float64] {
	dem := raster.New[float64](w, h)
	for r := range h {
		for c := range w {
			d := math.Hypot(float64(c)/float64(w)-0.5, float64(r)/float64(h)-0.5)
			dem.Set(c, r, 1000*d*d)
			if c < 4 || r < 4 || c >= w-4 || r >= h-4 {
				dem.Set(c, r, 2000)
			}
		}
	}
	for c := range 5 {
		dem.Set(c, h/3, 900)
	}
	return dem
}

// plain falls by a millimetre a cell, with noise of the same size.
func plain(w, h int) *raster.Grid[float64] {
	dem := raster.New[float64](w, h)
	next := noise(5)
	for r := range h {
		for c := range w {
			dem.Set(c, r, 100-0.001*float64(c+r)+0.002*next())
		}
	}
	return dem
}

func TestRoundsHaveTheDrainageOfTheWhole(t *testing.T) {
	for name, dem := range terrains() {
		t.Run(name, func(t *testing.T) { mustMatchInRounds(t, dem, 2, 3, 5, 16, 200) })
	}
	for seed := range uint64(3) {
		t.Run(fmt.Sprint("lakes ", seed), func(t *testing.T) { mustMatchInRounds(t, lakes(400, 330, seed), 25, 50, 100, 220) })
		t.Run(fmt.Sprint("fractal ", seed), func(t *testing.T) { mustMatchInRounds(t, fractal(256, 256, seed), 16, 64) })
	}
	t.Run("snake", func(t *testing.T) { mustMatchInRounds(t, snake(200, 150, 6), 16, 50) })
	t.Run("bowl", func(t *testing.T) { mustMatchInRounds(t, bowl(200, 150), 16, 50) })
	t.Run("plain", func(t *testing.T) { mustMatchInRounds(t, plain(200, 150), 16, 50) })
}

// TestRoundsOfLargeTerrain tells how many rounds large terrain takes.
func TestRoundsOfLargeTerrain(t *testing.T) {
	if os.Getenv("EEMT_SLOW") == "" {
		t.Skip("rounds over millions of cells: set EEMT_SLOW to run it")
	}
	const n = 2048
	t.Run("fractal", func(t *testing.T) { mustMatchInRounds(t, fractal(n, n, 3), n/16) })
	t.Run("lakes", func(t *testing.T) { mustMatchInRounds(t, lakes(n, n, 3), n/16) })
	t.Run("plain", func(t *testing.T) { mustMatchInRounds(t, plain(n, n), n/16) })
	t.Run("bowl", func(t *testing.T) { mustMatchInRounds(t, bowl(n, n), n/16) })
	t.Run("snake", func(t *testing.T) { mustMatchInRounds(t, snake(n, n, 100), n/16) })
}
