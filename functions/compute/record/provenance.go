package record

import (
	"fmt"
	"math"

	"github.com/cyverse-gis/eemt/shared/exactsum"
)

// Source is a file that a job was computed from, beside its DEM.
type Source struct {
	// Input is what it was read for: climate, or the name of a parameter.
	Input string `json:"input"`
	File  string `json:"file"`
	Bytes int64  `json:"bytes,omitempty"`
	// SHA256 of the whole file; empty where it was read in parts only, over the network
	// or because it is large. What of it was read is then a Source with Kept.
	SHA256 string `json:"sha256,omitempty"`
	// Kept says that the file is what the job kept of others, the part under its DEM.
	Kept bool `json:"kept,omitempty"`
}

// ClearSky sums the clear-sky index over the cells of a tile that have a result. It does not
// depend on how cells were grouped.
type ClearSky struct {
	// Area of the cells, m2.
	Area exactsum.Sum `json:"area"`
	// Index of each month times area.
	Index [12]exactsum.Sum `json:"index"`
	// Minimum and Maximum of each month.
	Minimum [12]float64 `json:"minimum"`
	Maximum [12]float64 `json:"maximum"`
}

// NewClearSky returns sums of no cell.
func NewClearSky() *ClearSky {
	c := &ClearSky{}
	for m := range c.Minimum {
		c.Minimum[m], c.Maximum[m] = math.MaxFloat64, -math.MaxFloat64
	}
	return c
}

// Add adds a cell.
func (c *ClearSky) Add(area float64, index *[12]float64) {
	c.Area.Add(area)
	for m, v := range index {
		c.Index[m].Add(area * v)
		c.Minimum[m], c.Maximum[m] = min(c.Minimum[m], v), max(c.Maximum[m], v)
	}
}

// AddAll adds the cells of another tile.
func (c *ClearSky) AddAll(o *ClearSky) {
	c.Area.AddSum(o.Area)
	for m := range c.Index {
		c.Index[m].AddSum(o.Index[m])
		c.Minimum[m], c.Maximum[m] = min(c.Minimum[m], o.Minimum[m]), max(c.Maximum[m], o.Maximum[m])
	}
}

// Mean of each month; false where there is no cell.
func (c *ClearSky) Mean() (months [12]float64, ok bool) {
	area := c.Area.Float64()
	if area == 0 {
		return months, false
	}
	for m := range months {
		months[m] = c.Index[m].Float64() / area
	}
	return months, true
}

// Err tells which of the sums was spoiled by a value that cannot be added.
func (c *ClearSky) Err() error {
	if err := c.Area.Err(); err != nil {
		return fmt.Errorf("sum of area, m2: %w", err)
	}
	for m := range c.Index {
		if err := c.Index[m].Err(); err != nil {
			return fmt.Errorf("sum of the clear-sky index of month %d, m2: %w", m+1, err)
		}
	}
	return nil
}
