package footprint_test

import (
	"fmt"

	"github.com/cyverse-gis/eemt/shared/crs"
	"github.com/cyverse-gis/eemt/shared/footprint"
	"github.com/cyverse-gis/eemt/shared/raster"
)

// A raster of one degree that begins half a degree west of the antimeridian: its bound goes on beyond 180 degrees, while
// GeoJSON has a polygon on each side.
func Example() {
	wgs84, err := crs.FromEPSG(4326)
	if err != nil {
		fmt.Println(err)
		return
	}
	at := raster.Transform{OriginX: 179.5, OriginY: -16, StepX: 0.01, StepY: -0.01}
	outline := footprint.Outline(wgs84, at, 100, 100)
	bound := footprint.Bound(outline)
	fmt.Println(bound.Left(), bound.Bottom(), bound.Right(), bound.Top())

	geometry, box := footprint.GeoJSON(outline)
	fmt.Println(geometry.Type, box)
	// Output:
	// 179.5 -17 180.5 -16
	// MultiPolygon [179.5 -17 -179.5 -16]
}
