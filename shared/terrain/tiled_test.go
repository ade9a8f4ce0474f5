package terrain

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/cyverse-gis/eemt/shared/raster"
)

// memory is a Scratch.
type memory struct {
	mu sync.Mutex
	b  []byte
}

func (m *memory) WriteAt(b []byte, off int64) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if end := int(off) + len(b); end > len(m.b) {
		m.b = append(m.b, make([]byte, end-len(m.b))...)
	}
	return copy(m.b[off:], b), nil
}

func (m *memory) ReadAt(b []byte, off int64) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if int(off)+len(b) > len(m.b) {
		return 0, io.ErrUnexpectedEOF
	}
	return copy(b, m.b[off:]), nil
}

// fractal is a sum of smooth noise of ever finer grain, half as high each.
func fractal(w, h int, seed uint64) *raster.Grid[float64] {
	g := raster.New[float64](w, h)
	height := 800.0
	for grain := 256; grain >= 1; grain /= 2 {
		next := noise(seed + uint64(grain))
		gw := w/grain + 2
		nodes := make([]float64, gw*(h/grain+2))
		for i := range nodes {
			nodes[i] = height * next()
		}
		height /= 2
		for r := range h {
			fr := float64(r%grain) / float64(grain)
			for c := range w {
				fc := float64(c%grain) / float64(grain)
				k := r/grain*gw + c/grain
				g.Cells[r*w+c] += (nodes[k]*(1-fc)+nodes[k+1]*fc)*(1-fr) + (nodes[k+gw]*(1-fc)+nodes[k+gw+1]*fc)*fr
			}
		}
	}
	return g
}

// lakes has the terrain as an integer DEM of lidar has it: flats at many levels,
// pits, a large lake, an island, holes of all sizes without data.
func lakes(w, h int, seed uint64) *raster.Grid[float64] {
	g := fractal(w, h, seed)
	for i, z := range g.Cells {
		g.Cells[i] = math.Max(420, math.Floor(z/2)*2)
	}
	next := noise(seed * 31)
	for range 12 {
		x, y, radius := next()*float64(w), next()*float64(h), next()*next()*float64(min(w, h))/10
		v := math.NaN()
		if next() < 0.5 {
			v = g.At(int(x), int(y)) - 60*next()
		}
		for r := range h {
			for c := range w {
				if math.Hypot(float64(c)-x, float64(r)-y) <= radius {
					g.Set(c, r, v)
				}
			}
		}
	}
	return g
}

func tiled(t testing.TB, dem *raster.Grid[float64], cell raster.CellSize, side int, filled, area Scratch) *Tiled {
	t.Helper()
	return &Tiled{
		Width: dem.Width, Height: dem.Height, Cell: cell, Side: side, Filled: filled, Area: area,
		Elevation: func(w raster.Window) (*raster.Grid[float64], error) { return dem.Sub(w), nil },
	}
}

func sameBits(t *testing.T, what string, got, want *raster.Grid[float64]) {
	t.Helper()
	for i, v := range got.Cells {
		w := want.Cells[i]
		if math.Float64bits(v) != math.Float64bits(w) && !(math.IsNaN(v) && math.IsNaN(w)) {
			t.Fatalf("%s at column %d, row %d is %v, of the whole grid %v", what, i%got.Width, i/got.Width, v, w)
		}
	}
}

// mustMatchWhole compares the terrain in tiles with that of one grid, bit by bit.
func mustMatchWhole(t *testing.T, dem *raster.Grid[float64], sides ...int) {
	t.Helper()
	cell := raster.UniformCellSize(dem.Height, 10, 10)
	for r := range dem.Height { // as on a grid in degrees
		cell.DX[r] += 0.003 * float64(r)
	}
	filled := FillDepressions(dem)
	area, _ := ContributingArea(filled, cell)
	for _, side := range sides {
		work := tiled(t, dem, cell, side, &memory{}, &memory{})
		work.Threads = side % 4
		if err := work.Run(t.Context()); err != nil {
			t.Fatalf("tiles of %d: %v", side, err)
		}
		got, err := work.load(inFilled, work.whole())
		if err != nil {
			t.Fatal(err)
		}
		sameBits(t, fmt.Sprintf("tiles of %d: filled elevation", side), got, filled)
		if got, err = work.ReadArea(work.whole()); err != nil {
			t.Fatal(err)
		}
		sameBits(t, fmt.Sprintf("tiles of %d: area", side), got, area)
		n := func(size int) int { return (size + 2*side - 1) / (2 * side) }
		t.Logf("tiles of %d: %d fillings, %d passes over %d windows", side, work.passes[0], work.passes[1], n(dem.Width)*n(dem.Height))
	}
}

func TestTilesHaveTheDrainageOfTheWhole(t *testing.T) {
	for name, dem := range terrains() {
		t.Run(name, func(t *testing.T) { mustMatchWhole(t, dem, 2, 3, 5, 16, 200) })
	}
	for seed := range uint64(4) {
		t.Run(fmt.Sprint("lakes ", seed), func(t *testing.T) { mustMatchWhole(t, lakes(400, 330, seed), 25, 50, 100, 220) })
		t.Run(fmt.Sprint("fractal ", seed), func(t *testing.T) { mustMatchWhole(t, fractal(256, 256, seed), 16, 64) })
	}
}

// TestManySeeds is the same at the size of a million cells and more.
func TestManySeeds(t *testing.T) {
	if os.Getenv("EEMT_SLOW") == "" {
		t.Skip("16 million cells: set EEMT_SLOW to run it")
	}
	t.Run("16 million cells", func(t *testing.T) { mustMatchWhole(t, lakes(4096, 4096, 10), 256) })
	for seed := range uint64(4) {
		t.Run(fmt.Sprint("lakes ", seed), func(t *testing.T) { mustMatchWhole(t, lakes(1500, 1300, 20+seed), 100, 200, 400, 800) })
	}
}

// A river along the border of tiles crosses it at every step; the windows beside
// see all of it.
func TestRiverAlongABorder(t *testing.T) {
	dem := surface(64, 512, 10, 10, func(x, y float64) float64 { return 100 + 0.2*math.Abs(x-320) + 0.05*y })
	cell := raster.UniformCellSize(dem.Height, 10, 10)
	work := tiled(t, dem, cell, 16, &memory{}, &memory{})
	if err := work.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if work.passes[1] > 150 {
		t.Errorf("%d passes over windows for 32 windows", work.passes[1])
	}
	mustMatchWhole(t, dem, 16)
}

func TestTiledErrors(t *testing.T) {
	dem := rough(40, 40, 1)
	cell := raster.UniformCellSize(40, 10, 10)
	t.Run("cancelled", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := tiled(t, dem, cell, 8, &memory{}, &memory{}).Run(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("no room", func(t *testing.T) {
		full, err := os.Create(filepath.Join(t.TempDir(), "closed"))
		if err != nil {
			t.Fatal(err)
		}
		_ = full.Close()
		for _, work := range []*Tiled{
			tiled(t, dem, cell, 8, full, &memory{}), tiled(t, dem, cell, 8, &memory{}, full),
		} {
			if err := work.Run(t.Context()); !errors.Is(err, os.ErrClosed) {
				t.Errorf("got %v", err)
			}
		}
	})
	t.Run("unreadable", func(t *testing.T) {
		work := tiled(t, dem, cell, 8, &memory{}, &memory{})
		bad := errors.New("bad block")
		work.Elevation = func(raster.Window) (*raster.Grid[float64], error) { return nil, bad }
		if err := work.Run(t.Context()); !errors.Is(err, bad) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("panic", func(t *testing.T) {
		defer func() {
			if v := recover(); v == nil || !strings.Contains(fmt.Sprint(v), "a defect") {
				t.Errorf("the caller caught %v", v)
			}
		}()
		work := tiled(t, dem, cell, 8, &memory{}, &memory{})
		work.Threads = 3
		work.Elevation = func(raster.Window) (*raster.Grid[float64], error) { panic("a defect") }
		_ = work.Run(t.Context())
		t.Error("no panic")
	})
	t.Run("sizes", func(t *testing.T) {
		if err := tiled(t, dem, cell, 1, nil, nil).Run(t.Context()); err == nil {
			t.Error("tiles of one cell")
		}
		if err := tiled(t, dem, raster.UniformCellSize(3, 1, 1), 8, nil, nil).Run(t.Context()); err == nil {
			t.Error("cell sizes of another grid")
		}
	})
}

// FuzzTiled: whatever the elevations are, tiles change nothing.
func FuzzTiled(f *testing.F) {
	f.Add(uint8(9), uint8(2), []byte("3141592653589793238462643383279502884197169399375105820974944592307816406286"))
	f.Add(uint8(5), uint8(3), []byte("00000000000009000000000000000090000000"))
	f.Fuzz(func(t *testing.T, width, side uint8, b []byte) {
		w := int(width%24) + 1
		h := min(len(b)/w, 64)
		if h == 0 {
			return
		}
		dem := raster.New[float64](w, h)
		for i := range dem.Cells {
			switch v := b[i]; {
			case v == 255:
				dem.Cells[i] = math.NaN()
			case v > 240: // steps as small as there are
				dem.Cells[i] = 5e-324 * float64(v-248)
			default:
				dem.Cells[i] = float64(v % 16)
			}
		}
		mustMatchWhole(t, dem, int(side%8)+2)
		mustMatchInRounds(t, dem, int(side%8)+2)
	})
}

func BenchmarkTiled(b *testing.B) {
	dem := fractal(2048, 2048, 1)
	cell := raster.UniformCellSize(2048, 10, 10)
	for _, threads := range []int{1, 2} {
		b.Run(fmt.Sprint(threads), func(b *testing.B) {
			for b.Loop() {
				var files [2]*os.File
				for i := range files {
					var err error
					if files[i], err = os.Create(filepath.Join(b.TempDir(), fmt.Sprint(i))); err != nil {
						b.Fatal(err)
					}
				}
				work := tiled(b, dem, cell, 256, files[0], files[1])
				work.Threads = threads
				if err := work.Run(b.Context()); err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(work.passes[0]), "fillings")
				b.ReportMetric(float64(work.passes[1]), "passes")
				_, _ = files[0].Close(), files[1].Close()
			}
		})
	}
}
