package terrain

import (
	"cmp"
	"math"
	"slices"

	"github.com/cyverse-gis/eemt/shared/raster"
)

// Tiling cuts a raster into square tiles. A window has two by two
// tiles; windows overlap, one begins at every tile. So a river that runs along the border of one window, and crosses it
// again and again, lies inside another.
type Tiling struct {
	Width, Height int
	// Side of a tile in cells, at least 2.
	Side int
}

// Tiles counts the tiles along each axis.
func (t Tiling) Tiles() (across, down int) {
	return (t.Width + t.Side - 1) / t.Side, (t.Height + t.Side - 1) / t.Side
}

// Tile returns the cells of the tile in a column and row of tiles.
func (t Tiling) Tile(col, row int) raster.Window { return t.cells(col, row, t.Side) }

// Window returns the cells of the window whose first tile is in a column and row of tiles.
func (t Tiling) Window(at Index) raster.Window { return t.cells(at.Col, at.Row, 2*t.Side) }

// cells returns the cells of a square of side x side cells, of which the first is that of the tile at col and row.
func (t Tiling) cells(col, row, side int) raster.Window {
	return raster.Window{Col: col * t.Side, Row: row * t.Side, Width: side, Height: side}.Intersect(t.whole())
}

func (t Tiling) whole() raster.Window { return raster.Window{Width: t.Width, Height: t.Height} }

// Index is a column and row of tiles.
type Index struct {
	Col int `json:"col"`
	Row int `json:"row"`
}

// TilesOf lists the tiles of the window at a place.
func (t Tiling) TilesOf(at Index) []Index {
	across, down := t.Tiles()
	var list []Index
	for r := at.Row; r < min(at.Row+2, down); r++ {
		for c := at.Col; c < min(at.Col+2, across); c++ {
			list = append(list, Index{c, r})
		}
	}
	return list
}

// DirtyRegion is a dirty region of a tile: some of its cells can be known better than they are,
// since a cell beside them is known better than before.
type DirtyRegion struct {
	// Region is the column and row of the region, two to a tile along each axis.
	Region Index `json:"region"`
	// Level is the lowest elevation that one of them takes when depressions are
	// filled, the highest of one that has more of its donors when area is summed, m.
	Level float64 `json:"level"`
}

// region is the region of a tile that a cell lies in.
func (t Tiling) region(col, row int) Index {
	along := func(i int) int {
		q := 2 * (i / t.Side)
		if i%t.Side >= t.Side/2 {
			q++
		}
		return q
	}
	return Index{along(col), along(row)}
}

// owner is the window that has a region in its middle, or, at the edge of the raster, nearest to its middle.
func (t Tiling) owner(region Index) Index {
	along := func(q, tiles int) int { return max(0, min((q-1)/2, tiles-2)) }
	across, down := t.Tiles()
	return Index{along(region.Col, across), along(region.Row, down)}
}

// WorkQueue holds the dirty regions of tiles: those whose cells can be known better than they are.
// Next takes the windows that own them. The work is done when the queue is empty.
// The order of windows does not change the result, nor does work on a window whose regions are not dirty.
type WorkQueue struct {
	Tiling
	// Rising takes the region of the lowest level first, as filling does; else that of the highest, as area.
	Rising bool
	dirty  map[Index]float64 // level by region
}

// NewWorkQueue returns a queue in which all regions are dirty.
func NewWorkQueue(t Tiling, rising bool) *WorkQueue {
	q := &WorkQueue{Tiling: t, Rising: rising, dirty: map[Index]float64{}}
	first := math.MaxFloat64
	if rising {
		first = -first
	}
	across, down := t.Tiles()
	for r := range 2 * down {
		for c := range 2 * across {
			q.dirty[Index{c, r}] = first
		}
	}
	return q
}

// RestoreWorkQueue returns a queue of the dirty regions that Remaining returned.
func RestoreWorkQueue(t Tiling, rising bool, left []DirtyRegion) *WorkQueue {
	q := &WorkQueue{Tiling: t, Rising: rising, dirty: map[Index]float64{}}
	q.Add(left)
	return q
}

// Remaining lists the dirty regions for which no window has been taken, row by row.
func (q *WorkQueue) Remaining() []DirtyRegion {
	list := make([]DirtyRegion, 0, len(q.dirty))
	for region, level := range q.dirty {
		list = append(list, DirtyRegion{region, level})
	}
	slices.SortFunc(list, func(a, b DirtyRegion) int {
		return cmp.Or(cmp.Compare(a.Region.Row, b.Region.Row), cmp.Compare(a.Region.Col, b.Region.Col))
	})
	return list
}

// Share is the part of the regions that is not dirty, 0 to 1. It may fall, since a region can become dirty again.
func (q *WorkQueue) Share() float64 {
	across, down := q.Tiles()
	return 1 - float64(len(q.dirty))/float64(4*across*down)
}

// Add adds the dirty regions that work on a window found. A region keeps the level that comes first.
func (q *WorkQueue) Add(dirty []DirtyRegion) {
	for _, n := range dirty {
		if known, ok := q.dirty[n.Region]; !ok || q.before(n.Level, known) {
			q.dirty[n.Region] = n.Level
		}
	}
}

// before reports whether level a is taken before b.
func (q *WorkQueue) before(a, b float64) bool { return a != b && a < b == q.Rising }

// Next takes up to most windows that own dirty regions, those whose level comes
// first, and removes all regions of these windows from the queue. No two windows have a tile in common, so that they may be
// worked on at the same time. It returns none when the queue is empty.
func (q *WorkQueue) Next(most int) []Index {
	type candidate struct {
		at    Index
		level float64
	}
	best := map[Index]float64{}
	for region, level := range q.dirty {
		at := q.owner(region)
		if known, ok := best[at]; !ok || q.before(level, known) {
			best[at] = level
		}
	}
	candidates := make([]candidate, 0, len(best))
	for at, level := range best {
		candidates = append(candidates, candidate{at, level})
	}
	slices.SortFunc(candidates, func(a, b candidate) int {
		by := cmp.Compare(a.level, b.level)
		if !q.Rising {
			by = -by
		}
		return cmp.Or(by, cmp.Compare(a.at.Row, b.at.Row), cmp.Compare(a.at.Col, b.at.Col))
	})
	taken := map[Index]bool{}
	var list []Index
	for _, w := range candidates {
		if len(list) == most {
			break
		}
		under := q.TilesOf(w.at)
		if slices.ContainsFunc(under, func(tile Index) bool { return taken[tile] }) {
			continue
		}
		list = append(list, w.at)
		for _, tile := range under {
			taken[tile] = true
			for k := range 4 {
				delete(q.dirty, Index{2*tile.Col + k%2, 2*tile.Row + k/2})
			}
		}
	}
	return list
}
