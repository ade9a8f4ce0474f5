// Package raster holds georeferenced grids of numbers in memory.
package raster

import (
	"fmt"
	"math"
)

// Grid is a Width × Height raster, row-major, row 0 at the north edge, NaN
// where there is no data. Elevations are held as float64, results as float32.
type Grid[T float32 | float64] struct {
	Width, Height int
	Cells         []T // len = Width*Height
}

// New returns a grid of zeros. It panics when a side is not positive.
func New[T float32 | float64](width, height int) *Grid[T] {
	if width < 1 || height < 1 {
		panic(fmt.Sprintf("raster: grid of %d x %d cells", width, height))
	}
	return &Grid[T]{Width: width, Height: height, Cells: make([]T, width*height)}
}

// At returns the cell at column col and row row.
func (g *Grid[T]) At(col, row int) T { return g.Cells[row*g.Width+col] }

// Set stores v at column col and row row.
func (g *Grid[T]) Set(col, row int, v T) { g.Cells[row*g.Width+col] = v }

// Row returns one row, sharing the grid's memory.
func (g *Grid[T]) Row(row int) []T { return g.Cells[row*g.Width : (row+1)*g.Width] }

// Fill sets every cell to v.
func (g *Grid[T]) Fill(v T) {
	for i := range g.Cells {
		g.Cells[i] = v
	}
}

// Sub copies the cells of w, which must lie inside the grid.
func (g *Grid[T]) Sub(w Window) *Grid[T] {
	if !g.Bounds().Contains(w) {
		panic(fmt.Sprintf("raster: window %v outside a grid of %d x %d cells", w, g.Width, g.Height))
	}
	out := New[T](w.Width, w.Height)
	for r := range w.Height {
		copy(out.Row(r), g.Row(w.Row + r)[w.Col:w.Col+w.Width])
	}
	return out
}

// Bounds is the window that covers the whole grid.
func (g *Grid[T]) Bounds() Window { return Window{Width: g.Width, Height: g.Height} }

// Window is a rectangle of cells: Col and Row of its upper-left cell, and its size.
type Window struct {
	Col    int `json:"col"`
	Row    int `json:"row"`
	Width  int `json:"width"`
	Height int `json:"height"`
}

// Contains reports whether v lies inside w.
func (w Window) Contains(v Window) bool {
	return v.Col >= w.Col && v.Row >= w.Row &&
		v.Col+v.Width <= w.Col+w.Width && v.Row+v.Height <= w.Row+w.Height
}

// Intersect returns the common part of both windows; its size is zero when there is none.
func (w Window) Intersect(v Window) Window {
	c0, r0 := max(w.Col, v.Col), max(w.Row, v.Row)
	c1, r1 := min(w.Col+w.Width, v.Col+v.Width), min(w.Row+w.Height, v.Row+v.Height)
	return Window{Col: c0, Row: r0, Width: max(0, c1-c0), Height: max(0, r1-r0)}
}

// Grow returns w widened by n cells on every side.
func (w Window) Grow(n int) Window {
	return Window{Col: w.Col - n, Row: w.Row - n, Width: w.Width + 2*n, Height: w.Height + 2*n}
}

// Transform places a north-up grid on the map: OriginX, OriginY is the outer
// corner of the upper-left cell in CRS units; StepX is positive (eastward),
// StepY negative (southward).
type Transform struct {
	OriginX, OriginY float64
	StepX, StepY     float64
}

// Center returns the map coordinates of the centre of a cell.
func (t Transform) Center(col, row int) (x, y float64) {
	return t.OriginX + (float64(col)+0.5)*t.StepX, t.OriginY + (float64(row)+0.5)*t.StepY
}

// Pixel returns the fractional column and row of a map position; the centre of
// cell (c, r) is (c+0.5, r+0.5).
func (t Transform) Pixel(x, y float64) (col, row float64) {
	return (x - t.OriginX) / t.StepX, (y - t.OriginY) / t.StepY
}

// Sub returns the transform of a window of the grid.
func (t Transform) Sub(w Window) Transform {
	t.OriginX += float64(w.Col) * t.StepX
	t.OriginY += float64(w.Row) * t.StepY
	return t
}

// CellSize is the size of the cells of each row on the ground, in metres, both
// positive. Both slices have one entry per row: all rows are equal on a
// projected grid, and differ on one in degrees.
type CellSize struct {
	DX, DY []float64
}

// UniformCellSize returns the cell size of a projected grid of height rows.
func UniformCellSize(height int, dx, dy float64) CellSize {
	c := CellSize{DX: make([]float64, height), DY: make([]float64, height)}
	for r := range height {
		c.DX[r], c.DY[r] = dx, dy
	}
	return c
}

// Rows returns the cell size of rows row to row+height.
func (c CellSize) Rows(row, height int) CellSize {
	return CellSize{DX: c.DX[row : row+height], DY: c.DY[row : row+height]}
}

// Mean returns the mean cell size in metres, over both directions.
func (c CellSize) Mean() float64 {
	var sum float64
	for r := range c.DX {
		sum += math.Abs(c.DX[r]) + math.Abs(c.DY[r])
	}
	return sum / float64(2*len(c.DX))
}

// GeoKeys is a coordinate reference system as a GeoTIFF states it: the GeoKey
// directory with its values, by key number (GeoTIFF 1.1, OGC 19-008r4). A grid
// without any key has an empty GeoKeys.
type GeoKeys struct {
	Shorts  map[uint16]uint16
	Doubles map[uint16][]float64
	Strings map[uint16]string
}

// Empty reports whether there is no key at all.
func (k GeoKeys) Empty() bool {
	return len(k.Shorts) == 0 && len(k.Doubles) == 0 && len(k.Strings) == 0
}

// Finite reports whether v is a number: not NaN, which stands for no data, and not infinite.
func Finite(v float64) bool { return v-v == 0 }
