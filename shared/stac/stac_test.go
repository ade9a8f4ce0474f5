package stac_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/paulmach/orb"

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
		item, err := stac.NewItem(stac.Source{ID: "1", Outline: orb.Ring{{c.west, 60}, {c.east, 60}, {c.east, 58}, {c.west, 58}, {c.west, 60}}})
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

// What several items cover together: the least that has them all, across the antimeridian where that is less.
func TestTogether(t *testing.T) {
	year := func(y int) time.Time { return time.Date(y, 1, 1, 0, 0, 0, 0, time.UTC) }
	cover := func(west, south, east, north float64, from, to int) stac.Coverage {
		return stac.Coverage{BBox: [4]float64{west, south, east, north}, Start: year(from), End: year(to)}
	}
	for name, c := range map[string]struct {
		list []stac.Coverage
		want stac.Coverage
	}{
		"one":                     {[]stac.Coverage{cover(10, 40, 11, 41, 2020, 2021)}, cover(10, 40, 11, 41, 2020, 2021)},
		"two":                     {[]stac.Coverage{cover(10, 40, 11, 41, 2020, 2021), cover(-5, 50, -4, 51, 2018, 2019)}, cover(-5, 40, 11, 51, 2018, 2021)},
		"across the antimeridian": {[]stac.Coverage{cover(178, -37, 179, -36, 2020, 2021), cover(-178, -17, -177, -16, 2020, 2021)}, cover(178, -37, -177, -16, 2020, 2021)},
		"one that crosses":        {[]stac.Coverage{cover(179, 50, -179, 51, 2020, 2021), cover(-179.5, 52, -178, 53, 2020, 2021)}, cover(179, 50, -178, 53, 2020, 2021)},
		"one within another":      {[]stac.Coverage{cover(0, 0, 90, 10, 2020, 2021), cover(10, 1, 20, 2, 2020, 2021)}, cover(0, 0, 90, 10, 2020, 2021)},
		"all around":              {[]stac.Coverage{cover(-180, -90, 180, 90, 2020, 2021), cover(10, 1, 20, 2, 2020, 2021)}, cover(-180, -90, 180, 90, 2020, 2021)},
	} {
		for range 2 {
			got, ok := stac.Together(c.list)
			if !ok || got != c.want {
				t.Errorf("%s: %+v, want %+v", name, got, c.want)
			}
			slices.Reverse(c.list)
		}
	}
	if _, ok := stac.Together(nil); ok {
		t.Error("nothing covers something")
	}
}

func TestCoverageOf(t *testing.T) {
	item, err := stac.NewItem(stac.Source{ID: "1", FirstYear: 2018, LastYear: 2020, Outline: orb.Ring{{10, 41}, {11, 41}, {11, 40}, {10, 40}, {10, 41}}})
	if err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(item)
	if err != nil {
		t.Fatal(err)
	}
	c, ok := stac.CoverageOf(data)
	if !ok || c.BBox != [4]float64{10, 40, 11, 41} || c.Start.Year() != 2018 || c.End.Year() != 2020 {
		t.Errorf("%+v %t", c, ok)
	}
	for _, bad := range []string{"", "{", "{}", `{"bbox":[1,2,3,4]}`, strings.Replace(string(data), "[10,40,11,41]", "[10,400,11,41]", 1), strings.Replace(string(data), "2018-", "2028-", 1)} {
		if c, ok := stac.CoverageOf([]byte(bad)); ok {
			t.Errorf("%.80s covers %+v", bad, c)
		}
	}
}

// An item that nobody serves has no links: pystac would look for a root that is not there.
func TestAlone(t *testing.T) {
	item, err := stac.NewItem(stac.Source{ID: "1", Process: "sol", Alone: true, Outline: orb.Ring{{10, 41}, {11, 41}, {11, 40}, {10, 40}, {10, 41}}, Products: []stac.Product{{Name: "a.tif"}}})
	if err != nil {
		t.Fatal(err)
	}
	data, _ := json.Marshal(item)
	if !strings.Contains(string(data), `"links":[]`) || strings.Contains(string(data), `"collection"`) || !strings.Contains(string(data), `"href":"./a.tif"`) {
		t.Errorf("%s", data)
	}
}

// Clients show the thumbnail of an item in lists: one picture has that role, the first.
func TestOnePreviewIsTheThumbnail(t *testing.T) {
	item, err := stac.NewItem(stac.Source{
		ID: "1", Outline: orb.Ring{{10, 41}, {11, 41}, {11, 40}, {10, 40}, {10, 41}},
		Products: []stac.Product{{Name: "a.tif"}}, Previews: []string{"previews/a.png", "previews/b.png"}, Report: "report.json",
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][]string{
		"preview_a": {"overview", "thumbnail"}, "preview_b": {"overview"}, "a": {"data"}, "report": {"metadata"},
	} {
		if got := item.Assets[name].Roles; !slices.Equal(got, want) {
			t.Errorf("%s: roles %v, want %v", name, got, want)
		}
	}
}
