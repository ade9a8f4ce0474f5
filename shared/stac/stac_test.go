package stac_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/cyverse-gis/eemt/shared/stac"
)

// TestAntimeridian: GeoJSON knows no longitude beyond 180.
func TestAntimeridian(t *testing.T) {
	for _, c := range []struct {
		west, east float64
		want       string
	}{
		{178, 179, `"geometry":{"type":"Polygon","coordinates":[[[178,60],[178,58],[179,58],[179,60],[178,60]]]},"bbox":[178,58,179,60]`},
		{179, 180, `"geometry":{"type":"Polygon","coordinates":[[[179,60],[179,58],[180,58],[180,60],[179,60]]]},"bbox":[179,58,180,60]`},
		{179, 181, `"geometry":{"type":"MultiPolygon","coordinates":[[[[179,58],[180,58],[180,60],[179,60],[179,58]]],` +
			`[[[-180,58],[-179,58],[-179,60],[-180,60],[-180,58]]]]},"bbox":[179,58,-179,60]`},
		{0, 360, `"bbox":[-180,58,180,60]`},
	} {
		item, err := stac.NewItem(stac.Source{ID: "1", Outline: [][2]float64{{c.west, 60}, {c.east, 60}, {c.east, 58}, {c.west, 58}, {c.west, 60}}})
		if err != nil {
			t.Fatal(err)
		}
		got, err := json.Marshal(item)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(got), c.want) {
			t.Errorf("%g to %g: %s", c.west, c.east, got)
		}
	}
}
