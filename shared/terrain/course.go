package terrain

import (
	"cmp"
	"math"
	"slices"

	"github.com/cyverse-gis/eemt/shared/raster"
)

// Tiling cuts a raster into square tiles. Work goes on in windows of two by two
// tiles, one at every place where such a window can lie: what crosses the border
// of one again and again, a river along it, lies inside another.
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
func (t Tiling) Window(at Place) raster.Window { return t.cells(at.Col, at.Row, 2*t.Side) }

// cells returns the cells of a square of side x side cells, of which the first is that of the tile at col and row.
func (t Tiling) cells(col, row, side int) raster.Window {
	return raster.Window{Col: col * t.Side, Row: row * t.Side, Width: side, Height: side}.Intersect(t.whole())
}

func (t Tiling) whole() raster.Window { return raster.Window{Width: t.Width, Height: t.Height} }

// Place is a column and row of tiles.
type Place struct {
	Col int `json:"col"`
	Row int `json:"row"`
}

// Under lists the tiles of the window at a place.
func (t Tiling) Under(at Place) []Place {
	across, down := t.Tiles()
	var list []Place
	for r := at.Row; r < min(at.Row+2, down); r++ {
		for c := at.Col; c < min(at.Col+2, across); c++ {
			list = append(list, Place{c, r})
		}
	}
	return list
}

// News says that cells of a quarter of a tile can be known better than they are,
// since something around them is.
type News struct {
	// Quarter is the column and row of the quarter, two to a tile along each axis.
	Quarter Place `json:"quarter"`
	// Level is the lowest elevation that one of them takes when depressions are
	// filled, the highest of one that has more of its donors when area is summed, m.
	Level float64 `json:"level"`
}

// quarter is the quarter of a tile that a cell lies in.
func (t Tiling) quarter(col, row int) Place {
	along := func(i int) int {
		q := 2 * (i / t.Side)
		if i%t.Side >= t.Side/2 {
			q++
		}
		return q
	}
	return Place{along(col), along(row)}
}

// owner is the window that has a quarter in its middle, or nearest to it.
func (t Tiling) owner(quarter Place) Place {
	along := func(q, tiles int) int { return max(0, min((q-1)/2, tiles-2)) }
	across, down := t.Tiles()
	return Place{along(quarter.Col, across), along(quarter.Row, down)}
}

// Course says which windows have something to do. The work is done when none has.
// A window may be worked on as soon and as often as one likes: the order
// does not change the result.
type Course struct {
	Tiling
	// Rising takes the lowest news first, as filling does; else the highest, as area.
	Rising bool
	news   map[Place]float64
}

// NewCourse returns the course of a work at which no window has been.
func NewCourse(t Tiling, rising bool) *Course {
	c := &Course{Tiling: t, Rising: rising, news: map[Place]float64{}}
	first := math.MaxFloat64
	if rising {
		first = -first
	}
	across, down := t.Tiles()
	for r := range 2 * down {
		for q := range 2 * across {
			c.news[Place{q, r}] = first
		}
	}
	return c
}

// Restore returns a course with the news of one that Left returned.
func Restore(t Tiling, rising bool, left []News) *Course {
	c := &Course{Tiling: t, Rising: rising, news: map[Place]float64{}}
	c.Add(left)
	return c
}

// Left lists the news that no window has been taken for, row by row.
func (c *Course) Left() []News {
	list := make([]News, 0, len(c.news))
	for q, level := range c.news {
		list = append(list, News{q, level})
	}
	slices.SortFunc(list, func(a, b News) int {
		return cmp.Or(cmp.Compare(a.Quarter.Row, b.Quarter.Row), cmp.Compare(a.Quarter.Col, b.Quarter.Col))
	})
	return list
}

// Share is the part of the raster that has no news, 0 to 1. News of what was done may come.
func (c *Course) Share() float64 {
	across, down := c.Tiles()
	return 1 - float64(len(c.news))/float64(4*across*down)
}

// Add takes the news that work on a window found.
func (c *Course) Add(news []News) {
	for _, n := range news {
		if known, ok := c.news[n.Quarter]; !ok || c.before(n.Level, known) {
			c.news[n.Quarter] = n.Level
		}
	}
}

func (c *Course) before(a, b float64) bool { return a != b && a < b == c.Rising }

// Next takes up to so many windows that have something to do, those with the
// first news first. No two of them have a tile in common, so that they may be worked
// on at the same time. It returns none when the work is done.
func (c *Course) Next(most int) []Place {
	type wish struct {
		at    Place
		level float64
	}
	best := map[Place]float64{}
	for q, level := range c.news {
		at := c.owner(q)
		if known, ok := best[at]; !ok || c.before(level, known) {
			best[at] = level
		}
	}
	wishes := make([]wish, 0, len(best))
	for at, level := range best {
		wishes = append(wishes, wish{at, level})
	}
	slices.SortFunc(wishes, func(a, b wish) int {
		by := cmp.Compare(a.level, b.level)
		if !c.Rising {
			by = -by
		}
		return cmp.Or(by, cmp.Compare(a.at.Row, b.at.Row), cmp.Compare(a.at.Col, b.at.Col))
	})
	taken := map[Place]bool{}
	var list []Place
	for _, w := range wishes {
		if len(list) == most {
			break
		}
		under := c.Under(w.at)
		if slices.ContainsFunc(under, func(tile Place) bool { return taken[tile] }) {
			continue
		}
		list = append(list, w.at)
		for _, tile := range under {
			taken[tile] = true
			for k := range 4 {
				delete(c.news, Place{2*tile.Col + k%2, 2*tile.Row + k/2})
			}
		}
	}
	return list
}
