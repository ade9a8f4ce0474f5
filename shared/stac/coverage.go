package stac

import (
	"encoding/json"
	"slices"
	"time"
)

// Coverage is the space and the time of the maps of one item, or of several.
type Coverage struct {
	// BBox is west, south, east, north in degrees; west is greater than east across the antimeridian.
	BBox [4]float64 `json:"bbox"`
	// Start and End are the first and the last moment.
	Start time.Time `json:"start"`
	End   time.Time `json:"end"`
}

// CoverageOf reads the coverage of an item from its JSON; false if the item does not state it, or states what cannot be.
func CoverageOf(item []byte) (Coverage, bool) {
	var it struct {
		BBox       []float64 `json:"bbox"`
		Properties struct {
			Start time.Time `json:"start_datetime"`
			End   time.Time `json:"end_datetime"`
		} `json:"properties"`
	}
	if json.Unmarshal(item, &it) != nil || len(it.BBox) != 4 || it.Properties.Start.IsZero() || it.Properties.End.IsZero() {
		return Coverage{}, false
	}
	c := Coverage{BBox: [4]float64(it.BBox), Start: it.Properties.Start.UTC(), End: it.Properties.End.UTC()}
	return c, c.BBox[0] >= -180 && c.BBox[2] <= 180 && c.BBox[1] >= -90 && c.BBox[3] <= 90 && c.BBox[1] <= c.BBox[3] && !c.End.Before(c.Start)
}

// Together returns the least coverage that contains all of list; false if list is empty. Its box is the one that is
// narrowest in longitude, across the antimeridian if need be.
func Together(list []Coverage) (Coverage, bool) {
	if len(list) == 0 {
		return Coverage{}, false
	}
	all := list[0]
	arcs := make([][2]float64, len(list))
	for i, c := range list {
		all.BBox[1], all.BBox[3] = min(all.BBox[1], c.BBox[1]), max(all.BBox[3], c.BBox[3])
		if c.Start.Before(all.Start) {
			all.Start = c.Start
		}
		if c.End.After(all.End) {
			all.End = c.End
		}
		arcs[i] = [2]float64{c.BBox[0], c.BBox[2]}
	}
	all.BBox[0], all.BBox[2] = around(arcs)
	return all, true
}

// around returns the shortest arc of longitude that contains all arcs: all but the widest gap between them.
func around(arcs [][2]float64) (west, east float64) {
	for i, a := range arcs {
		if a[1] < a[0] {
			arcs[i][1] += 360
		}
	}
	slices.SortFunc(arcs, func(a, b [2]float64) int {
		if a[0] < b[0] {
			return -1
		}
		return 1
	})
	first := arcs[0][0]
	reach, gap := arcs[0][1], 0.0
	west, east = -180, 180
	for _, a := range append(arcs[1:], [2]float64{first + 360, first + 360}) {
		if a[0]-reach > gap {
			gap, west, east = a[0]-reach, a[0], reach
		}
		reach = max(reach, a[1])
	}
	if gap == 0 {
		return -180, 180
	}
	return turned(west), turned(east)
}

// turned brings a longitude of -180 to 540 to -180 to 180.
func turned(lon float64) float64 {
	if lon > 180 {
		return lon - 360
	}
	return lon
}

// ExtentOf is the extent of a collection of items that cover c.
func ExtentOf(c Coverage) Extent {
	var e Extent
	e.Spatial.BBox = [][4]float64{c.BBox}
	e.Temporal.Interval = [][2]any{{c.Start.Format(time.RFC3339), c.End.Format(time.RFC3339)}}
	return e
}
