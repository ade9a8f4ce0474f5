package footprint_test

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/paulmach/orb"

	"github.com/cyverse-gis/eemt/shared/crs"
	"github.com/cyverse-gis/eemt/shared/footprint"
	"github.com/cyverse-gis/eemt/shared/raster"
)

// outline is that of a raster of 16 x 12 cells.
func outline(t *testing.T, at raster.Transform, keys map[uint16]uint16) orb.Ring {
	t.Helper()
	c, err := crs.FromGeoKeys(raster.GeoKeys{Shorts: keys})
	if err != nil {
		t.Fatal(err)
	}
	return footprint.Outline(c.In(at, 16, 12), at, 16, 12)
}

var degrees = map[uint16]uint16{1024: 2, 2048: 4326}

// A raster across the antimeridian is as wide as it is, wherever its columns count from.
func TestBoundAcrossTheAntimeridian(t *testing.T) {
	want := orb.Bound{Min: orb.Point{179, 58.5}, Max: orb.Point{181, 60}}
	for _, west := range []float64{-181, 179} {
		if b := footprint.Bound(outline(t, raster.Transform{OriginX: west, OriginY: 60, StepX: 0.125, StepY: -0.125}, degrees)); b != want {
			t.Errorf("from %g: %v", west, b)
		}
	}
	// Fiji, beyond the edge of its UTM zone.
	fiji := footprint.Bound(outline(t, raster.Transform{OriginX: 800000, OriginY: 8.2e6, StepX: 2000, StepY: -2000}, map[uint16]uint16{1024: 1, 3072: 32760}))
	if math.Abs(fiji.Left()-179.8) > 0.05 || math.Abs(fiji.Right()-180.1) > 0.05 {
		t.Errorf("Fiji: %v", fiji)
	}
}

func TestBoundOfTheWorld(t *testing.T) {
	world := orb.Bound{Min: orb.Point{-180, -90}, Max: orb.Point{180, 90}}
	for _, west := range []float64{-180, 0} {
		if b := footprint.Bound(outline(t, raster.Transform{OriginX: west, OriginY: 90, StepX: 22.5, StepY: -15}, degrees)); b != world {
			t.Errorf("from %g: %v", west, b)
		}
	}
}

// An outline around a pole keeps its longitudes within -180 to 180.
func TestOutlineAroundAPole(t *testing.T) {
	ring := outline(t, raster.Transform{OriginX: -8000, OriginY: 6000, StepX: 1000, StepY: -1000}, map[uint16]uint16{1024: 1, 3072: 3413})
	if len(ring) != 4*16+1 {
		t.Errorf("%d points", len(ring))
	}
	for _, p := range ring {
		if math.Abs(p[0]) > 180 {
			t.Errorf("around the pole: %v", p)
		}
	}
}

// No point of the edge is in the domain of the projection: there is no outline, and the bound is empty.
func TestOutlineOutsideTheDomain(t *testing.T) {
	ring := outline(t, raster.Transform{OriginX: 1e9, OriginY: 1e9, StepX: 10, StepY: -10}, map[uint16]uint16{1024: 1, 3072: 32613})
	if len(ring) != 0 || !footprint.Bound(ring).IsEmpty() {
		t.Errorf("%v, bound %v", ring, footprint.Bound(ring))
	}
}

// GeoJSON knows no longitude beyond 180.
func TestGeoJSON(t *testing.T) {
	for _, c := range []struct {
		west, east float64
		want       string
		box        [4]float64
	}{
		{178, 179, `{"type":"Polygon","coordinates":[[[178,60],[178,58],[179,58],[179,60],[178,60]]]}`, [4]float64{178, 58, 179, 60}},
		{179, 180, `{"type":"Polygon","coordinates":[[[179,60],[179,58],[180,58],[180,60],[179,60]]]}`, [4]float64{179, 58, 180, 60}},
		{
			179, 181, `{"type":"MultiPolygon","coordinates":[[[[179,58],[180,58],[180,60],[179,60],[179,58]]],` +
				`[[[-180,58],[-179,58],[-179,60],[-180,60],[-180,58]]]]}`,
			[4]float64{179, 58, -179, 60},
		},
		{
			0, 360, `{"type":"MultiPolygon","coordinates":[[[[0,58],[180,58],[180,60],[0,60],[0,58]]],` +
				`[[[-180,58],[0,58],[0,60],[-180,60],[-180,58]]]]}`,
			[4]float64{-180, 58, 180, 60},
		},
	} {
		ring := orb.Ring{{c.west, 60}, {c.east, 60}, {c.east, 58}, {c.west, 58}, {c.west, 60}}
		geometry, box := footprint.GeoJSON(ring)
		got, err := json.Marshal(geometry)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != c.want || box != c.box {
			t.Errorf("%g to %g: %s, box %v", c.west, c.east, got, box)
		}
		if ring[1] != (orb.Point{c.east, 60}) {
			t.Errorf("%g to %g: the outline was changed to %v", c.west, c.east, ring)
		}
	}
}
